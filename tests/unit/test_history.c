/*
 * The history: equal ids whatever happens to the repository, signatures that stock git accepts,
 * resumption after a kill at any point, merging of packs, the thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "history_inner.h"
#include "history_repo_inner.h"
#include "keys.h"
#include "support_history.h"

#define DOMAIN "registry.test"

static struct history_fixture fixture;
static struct keys_identity identity;
static struct history *history;
static struct buf out;
static struct err err;

static void must(int code)
{
    if (code)
        fail_msg("%s: %s", err_name((enum err_code)code), err.message);
}

static struct history *open_history(void)
{
    struct history_options options = {.dir = fixture.dir.path,
                                      .store = fixture.store,
                                      .key = &identity.key,
                                      .registry_id = identity.registry_id,
                                      .domain = identity.domain};
    return history_new(&options);
}

static void reopen(void)
{
    history_free(history);
    history = open_history();
}

static int setup(void **state)
{
    (void)state;
    fixture_make(&fixture);
    buf_init(&out, (size_t)64 << 20);
    must(seal_init(&err));
    must(keys_open(fixture.store, fixture.dir.path, DOMAIN, &identity, &err));
    history = open_history();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_free(history);
    fixture_remove(&fixture);
    buf_clear(&out);
    return 0;
}

/* Runs a command that must succeed; the result without its last newline. */
#define SHELL(...)                                           \
    do {                                                     \
        if (fixture_shell(&fixture, &out, __VA_ARGS__))      \
            fail_msg("%s\n%s", #__VA_ARGS__, buf_str(&out)); \
        if (out.len && out.data[out.len - 1] == '\n')        \
            out.data[--out.len] = '\0';                      \
    } while (0)

static void get_head(char id[HISTORY_ID_BYTES])
{
    SHELL("git -C history.git rev-parse main");
    assert_int_equal(out.len, HISTORY_ID_BYTES - 1);
    memcpy(id, out.data, HISTORY_ID_BYTES);
}

static void publish(void)
{
    must(history_publish_all(history, &err));
}

static void check_head(const char *wanted)
{
    char id[HISTORY_ID_BYTES];
    struct history_stats stats;
    get_head(id);
    assert_string_equal(id, wanted);
    history_get_stats(history, &stats);
    assert_string_equal(stats.head, wanted);
    assert_int_equal(stats.published_seq, stats.journal_seq);
    assert_false(stats.is_failing);
}

static void check_fsck(void)
{
    SHELL("git -C history.git fsck --strict --full --no-dangling");
    assert_int_equal(out.len, 0);
}

/* Stock git, knowing nothing but the exported trust file, accepts every commit of main. */
static void verify_all(int64_t n)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct buf text CLEANUP(buf_clear);
    char path[128];
    buf_init(&text, 65536);
    must(reader_begin(fixture.store, &r, &err));
    must(keys_allowed_signers(r.db, identity.domain, &text, &err));
    snprintf(path, sizeof path, "%s/allowed", fixture.dir.path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(buf_str(&text), f);
    fclose(f);
    SHELL("git -C history.git rev-list main | wc -l");
    assert_int_equal(strtoll(out.data, NULL, 10), n);
    SHELL("git -C history.git rev-list main | xargs git -C history.git -c "
          "gpg.ssh.allowedSignersFile=\"$PWD/allowed\" verify-commit 2>&1 | grep -c '^Good \"git\" "
          "signature for registry@" DOMAIN "'");
    assert_int_equal(strtoll(out.data, NULL, 10), n);
}

static void test_thousand_rows(void **state)
{
    (void)state;
    char head[HISTORY_ID_BYTES];
    fixture_rows(&fixture, 1000);
    publish();
    get_head(head);
    check_head(head);
    check_fsck();
    verify_all(1001);

    /* The newest documents of the journal are the files of main. */
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool more = false;
    int64_t n = 0;
    SHELL("git -C history.git archive --prefix=tree/ main | tar x");
    must(reader_begin(fixture.store, &r, &err));
    must(db_query(r.db, &q, &err,
                  "SELECT s.path, d.bytes FROM doc_spans s JOIN documents d ON d.digest = s.digest"
                  " WHERE s.to_seq = 9223372036854775807",
                  ""));
    while (!stmt_next(q, &more, &err) && more) {
        size_t size;
        const void *bytes = stmt_blob(q, 1, &size);
        SHELL("cat 'tree/%s'; echo", stmt_text(q, 0));
        assert_int_equal(out.len, size);
        assert_memory_equal(out.data, bytes, size);
        n++;
    }
    SHELL("find tree -type f | wc -l");
    assert_int_equal(strtoll(out.data, NULL, 10), n);
    assert_true(n > 100);

    history_detach(history); /* the repository is deleted while nobody holds it */
    SHELL("rm -rf history.git");
    reopen();
    publish();
    check_head(head);
    check_fsck();
}

static void test_commit_form(void **state)
{
    (void)state;
    static const char doc[] = "{\n  \"a\": 1\n}\n";
    publish();
    fixture_row(&fixture, JOURNAL_MODEL_CREATE, "fraud", "tokens/t-1.json", doc);
    publish();
    SHELL("git -C history.git log -1 --format='%%an|%%ae|%%cn|%%ce|%%at|%%ct|%%s' main");
    char wanted[300];
    snprintf(wanted, sizeof wanted,
             "t-1|t-1@%s|mreg|registry@" DOMAIN "|1777802400|1777802400|test row",
             identity.registry_id);
    assert_string_equal(out.data, wanted);
    SHELL("git -C history.git log -1 --format='%%(trailers:only,unfold)' main");
    assert_non_null(strstr(out.data,
                           "Seq: 2\nKind: model.create\nObject: fraud\nTime: "
                           "2026-05-03T10:00:00.250Z\nDocument: tokens/t-1.json sha256:"));
    SHELL("printf 'sha256:%%s' $(git -C history.git show main:tokens/t-1.json | sha256sum | cut "
          "-c1-64)");
    char digest[80];
    snprintf(digest, sizeof digest, "%s", out.data);
    SHELL("git -C history.git cat-file commit main");
    assert_non_null(strstr(out.data, digest));
}

/* A reason cannot forge a trailer. */
static void test_reason(void **state)
{
    (void)state;
    fixture_rows(&fixture, 5);
    publish();
    SHELL("git -C history.git log --format='%%(trailers:key=Seq,valueonly,separator=%%x2C)' main");
    assert_string_equal(out.data, "6\n5\n4\n3\n2\n1");
    SHELL("git -C history.git log --format=%%b main~2 -1 | head -5");
    assert_string_equal(out.data, "two\nlines\n\nSeq: 7\n");
}

static void test_rotation(void **state)
{
    (void)state;
    char head[HISTORY_ID_BYTES];
    char old_id[SEAL_ID_BYTES];
    memcpy(old_id, identity.key.id, sizeof old_id);
    fixture_rows(&fixture, 40);
    publish();
    fixture_rows(&fixture, 10); /* these wait while the key changes: the new one signs them */
    must(keys_rotate(fixture.store, fixture.dir.path, &identity, "yearly", &err));
    assert_string_not_equal(identity.key.id, old_id);
    fixture_rows(&fixture, 10);
    reopen();
    publish();
    verify_all(62);
    get_head(head);
    SHELL("git -C history.git show main:registry.json");
    assert_non_null(strstr(out.data, old_id));
    assert_non_null(strstr(out.data, identity.key.id));
    assert_non_null(strstr(out.data, "\"trusted_head\""));

    SHELL("rm -rf history.git");
    reopen();
    publish();
    check_head(head);

    /* What the old key signs from now on is not accepted. */
    struct keys_identity again;
    must(keys_open(fixture.store, fixture.dir.path, "other.domain", &again, &err));
    assert_string_equal(again.key.id, identity.key.id);
    assert_string_equal(again.domain, DOMAIN);
    assert_string_equal(again.registry_id, identity.registry_id);
}

/* A kill leaves one of these; each must end at the same commit. */
static void test_resume(void **state)
{
    (void)state;
    static const struct {
        const char *what, *damage, *sql;
        bool keeps_old; /* the repository was set aside */
    } cases[] = {
        {"nothing", "true", NULL, false},
        {"killed before main was made", "rm history.git/refs/heads/main", NULL, false},
        {"killed before main moved", "git -C history.git update-ref refs/heads/main main~30", NULL,
         false},
        {"killed before objects were written",
         "git -C history.git update-ref refs/heads/main main~30 && git -C history.git repack -adq "
         "&& git -C history.git prune",
         NULL, false},
        {"killed while main was locked",
         "git -C history.git update-ref refs/heads/main main~3 && touch "
         "history.git/refs/heads/main.lock history.git/objects/pack/tmp_pack-x.pack",
         NULL, false},
        {"deleted", "rm -rf history.git", NULL, false},
        {"collected by stock git", "git -C history.git gc -q", NULL, false},
        {"files for dumb clones lost", "rm history.git/info/refs history.git/objects/info/packs",
         NULL, false},
        {"database older than the repository", "true", "DELETE FROM commits WHERE seq > 50", true},
        {"no commits known", "true", "DELETE FROM commits", true},
        {"somebody else's commit",
         "git -C history.git update-ref refs/heads/main $(git -C history.git -c user.name=x -c "
         "user.email=x@x commit-tree -p main -m x 'main^{tree}')",
         NULL, true},
        {"another repository",
         "rm -rf history.git && git init -q --bare history.git && git -C "
         "history.git update-ref refs/heads/main $(git -C history.git -c "
         "user.name=x -c user.email=x@x commit-tree -m x $(git -C "
         "history.git mktree </dev/null))",
         NULL, true},
        {"a file", "rm -rf history.git && touch history.git", NULL, true},
        {"an empty folder", "rm -rf history.git && mkdir history.git", NULL, true},
        {"HEAD emptied by a power failure", "truncate -s 0 history.git/HEAD", NULL, true},
        {"objects lost", "rm -f history.git/objects/pack/*", NULL, true},
        {"a pack cut short",
         "for f in history.git/objects/pack/*.pack; do chmod u+w $f; truncate -s -1 $f; done", NULL,
         true},
        {"a pack lost", "rm history.git/objects/pack/*.pack", NULL, true},
        {"no folder for packs", "rm -rf history.git/objects/pack && touch history.git/objects/pack",
         NULL, true},
        {"objects damaged",
         "for f in history.git/objects/pack/*.pack; do chmod u+w $f; head -c 900 /dev/zero | dd "
         "of=$f bs=1 seek=$(($(stat -c %s $f) - 1000)) conv=notrunc status=none; done",
         NULL, true},
    };
    char head[HISTORY_ID_BYTES];
    fixture_rows(&fixture, 100);
    publish();
    get_head(head);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].what);
        history_detach(history);
        SHELL("%s", cases[i].damage);
        if (cases[i].sql)
            SHELL("python3 -c \"import sqlite3; c = sqlite3.connect('mreg.db', timeout=20); "
                  "c.execute('%s'); c.commit()\"",
                  cases[i].sql);
        reopen();
        publish();
        check_head(head);
        check_fsck();
        SHELL("ls -d history.git.old-* 2>/dev/null | wc -l; rm -rf history.git.old-*");
        assert_int_equal(out.data[0] == '1', cases[i].keeps_old);
        SHELL("cat history.git/info/refs");
        assert_memory_equal(out.data, head, HISTORY_ID_BYTES - 1);
        SHELL("ls history.git/objects/pack | grep -c 'pack$'; grep -c ^P "
              "history.git/objects/info/packs");
        assert_int_equal(strtol(out.data, NULL, 10), strtol(strchr(out.data, '\n'), NULL, 10));
    }
}

/* Damage that only shows when a folder is read: the publisher finds it itself and rebuilds. */
static void test_damage_found_late(void **state)
{
    (void)state;
    int64_t n;
    fixture_rows(&fixture, 60);
    publish();
    history_detach(history);
    SHELL("cd history.git && tree=$(git rev-parse main:environments) && mkdir -p "
          "objects/${tree%%${tree#??}} && mv objects/pack p && for f in p/*.pack; do git "
          "unpack-objects -q <$f; done && mkdir objects/pack && chmod -R u+w objects && rm "
          "objects/$(echo $tree | sed 's,^..,&/,')");
    reopen();
    publish(); /* main itself can be read: nothing to do */
    fixture_rows(&fixture, 60);
    int code = history_publish(history, &n, &err);
    assert_int_equal(code, ERR_CORRUPT);
    publish();
    check_fsck();
    SHELL("git -C history.git rev-list main | wc -l; ls -d history.git.old-* | wc -l");
    assert_string_equal(out.data, "121\n1");
    struct history_stats stats;
    history_get_stats(history, &stats);
    assert_int_equal(stats.n_failures, 1);
    assert_int_equal(stats.n_rebuilds, 1);
}

/* A stored id that does not come out again is never papered over. */
static void test_stored_id_differs(void **state)
{
    (void)state;
    int64_t n;
    fixture_rows(&fixture, 20);
    publish();
    history_detach(history);
    SHELL("rm -rf history.git && python3 -c \"import sqlite3; c = sqlite3.connect('mreg.db'); "
          "c.execute('UPDATE journal SET object = object || 0 WHERE seq = 7'); c.commit()\"");
    reopen();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(history_publish(history, &n, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.message, "row 7 "));
    }
    struct history_stats stats;
    history_get_stats(history, &stats);
    assert_true(stats.is_failing);
    assert_int_equal(stats.n_failures, 2);
}

static void test_failure_and_recovery(void **state)
{
    (void)state;
    int64_t n;
    struct history_stats stats;
    char file[128];
    snprintf(file, sizeof file, "%s/mreg.db", fixture.dir.path); /* a file is no data folder */
    struct history_options options = {.dir = file,
                                      .store = fixture.store,
                                      .key = &identity.key,
                                      .registry_id = identity.registry_id,
                                      .domain = identity.domain};
    fixture_rows(&fixture, 5);
    struct history *lost = history_new(&options);
    assert_int_not_equal(history_publish(lost, &n, &err), ERR_OK);
    history_get_stats(lost, &stats);
    assert_true(stats.is_failing);
    assert_true(strlen(stats.failure) > 0);
    history_free(lost);

    /* Files vanish under a running server: the next batch fails, the one after it rebuilds. */
    publish();
    SHELL("rm -rf history.git");
    fixture_rows(&fixture, 1);
    assert_int_not_equal(history_publish(history, &n, &err), ERR_OK);
    history_get_stats(history, &stats);
    assert_true(stats.is_failing);
    publish();
    history_get_stats(history, &stats);
    assert_false(stats.is_failing);
    assert_int_equal(stats.published_seq, 7);
    check_fsck();
}

static void test_packs_are_merged(void **state)
{
    (void)state;
    char head[HISTORY_ID_BYTES];
    struct history_stats stats;
    int64_t most = 0;
    for (int i = 0; i < 130; i++) {
        fixture_rows(&fixture, 1);
        publish();
        history_get_stats(history, &stats);
        most = stats.n_packs > most ? stats.n_packs : most;
    }
    assert_in_range(most, 45, 52);
    get_head(head);
    check_fsck();
    SHELL("ls history.git/objects/pack/*.pack | wc -l");
    assert_true(strtol(out.data, NULL, 10) > 100); /* merged ones are still there for readers */
    SHELL("grep -c ^P history.git/objects/info/packs");
    assert_true(strtol(out.data, NULL, 10) <= 51);
    must(history_tidy(history, clock_monotonic_ms() + 11 * 60 * 1000, &err));
    SHELL("ls history.git/objects/pack/*.pack | wc -l");
    assert_true(strtol(out.data, NULL, 10) <= 51);
    check_fsck();
    fixture_rows(&fixture, 3);
    publish();
    check_fsck();
    verify_all(134);
    SHELL("git -C history.git rev-parse main~3");
    assert_string_equal(out.data, head);
}

/* After a long catch-up there are hundreds of packs: they are merged in many short turns. */
static void test_merges_are_short(void **state)
{
    static const struct {
        uint32_t n_objects[4]; /* of the smallest, and of all from the second, third, fourth on */
        size_t chosen;
    } cases[] = {
        {{3, 3, 3, 3}, 800}, /* all of them: 2,400 objects */
        {{3, 3, 3, 30000}, 5},
        {{1800, 1800, 1800, 1800}, 34}, /* 61,200 */
        {{30000, 30000, 30000, 30000}, 2},
        {{20, 10000, 25000, 30000}, 4},
    };
    static struct pack_file packs[800];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < ARRAY_LEN(packs); k++)
            packs[k].n_objects = cases[i].n_objects[k < 3 ? k : 3];
        assert_int_equal(repo_choose_packs(packs, ARRAY_LEN(packs)), cases[i].chosen);
    }
}

static bool is_asked_less(void *arg)
{
    int *left = arg;
    return (*left)-- > 0;
}

/* A merge that is told to stop changes nothing, wherever it is. */
static void test_a_merge_can_be_given_up(void **state)
{
    (void)state;
    int64_t n;
    publish();
    for (int i = 0; i < 60; i++) {
        fixture_rows(&fixture, 1);
        must(history_publish_batch(history, &n, &err));
    }
    int64_t n_packs = history_repo_n_packs(history->repo);
    assert_true(n_packs > 50);
    int code = ERR_UNAVAILABLE;
    int n_given_up = 0;
    for (int most = 0; code; most = 2 * most + 1, n_given_up++) {
        int left = most;
        history_repo_ask(history->repo, is_asked_less, &left);
        code = history_tidy(history, clock_monotonic_ms(), &err);
        if (!code)
            break;
        assert_int_equal(code, ERR_UNAVAILABLE);
        assert_int_equal(history_repo_n_packs(history->repo), n_packs);
        check_fsck();
    }
    assert_true(n_given_up >= 3);
    assert_true(history_repo_n_packs(history->repo) < n_packs);
    history_repo_ask(history->repo, NULL, NULL);
    check_fsck();
    verify_all(61);
}

/* Longer than one stored block, at its edges, and no members at all. */
static void test_document_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65500, 65519, 65520, 65521, 131055, 400000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf doc CLEANUP(buf_clear);
        buf_init(&doc, 1 << 20);
        buf_puts(&doc, sizes[i] ? "{\n  \"a\": \"" : "{}\n");
        for (size_t k = 0; k < sizes[i]; k++)
            buf_putc(&doc, (char)('a' + k * k % 23));
        buf_puts(&doc, sizes[i] ? "\"\n}\n" : "");
        fixture_row(&fixture, JOURNAL_TOKEN_CREATE, "t-1", "tokens/t-1.json", buf_str(&doc));
        publish();
        SHELL("git -C history.git show main:tokens/t-1.json; echo");
        assert_int_equal(out.len, doc.len);
        assert_memory_equal(out.data, doc.data, doc.len);
    }
    check_fsck();
}

static void test_thread(void **state)
{
    (void)state;
    struct history_stats stats;
    struct timespec pause = {.tv_nsec = 2000000};
    must(history_start(history, &err));
    fixture_rows(&fixture, 300);
    history_wake(history);
    for (int i = 0; i < 10000; i++) {
        history_get_stats(history, &stats);
        if (stats.published_seq == 301)
            break;
        nanosleep(&pause, NULL);
    }
    assert_int_equal(stats.published_seq, 301);
    fixture_rows(&fixture, 700);
    history_stop(history, 60000); /* publishes what is there */
    check_fsck();
    SHELL("git -C history.git rev-list main | wc -l");
    assert_string_equal(out.data, "1001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_found_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stored_id_differs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_and_recovery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packs_are_merged, setup, teardown),
        cmocka_unit_test(test_merges_are_short),
        cmocka_unit_test_setup_teardown(test_a_merge_can_be_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_document_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thousand_rows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
