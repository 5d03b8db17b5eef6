/* The identity: first start, later starts, rotation and its interruptions, the trust file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "keys_file.h"
#include "support_history.h"

static struct history_fixture fixture;
static struct keys_identity identity;
static struct buf out;
static struct err err;

static int open_identity(struct keys_identity *id)
{
    return keys_open(fixture.store, fixture.dir.path, "registry.test", id, &err);
}

static int setup(void **state)
{
    (void)state;
    fixture_make(&fixture);
    buf_init(&out, 65536);
    assert_int_equal(seal_init(&err), ERR_OK);
    if (open_identity(&identity))
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_remove(&fixture);
    buf_clear(&out);
    return 0;
}

static void shell(const char *command)
{
    if (fixture_shell(&fixture, &out, "%s", command))
        fail_msg("%s: %s", command, buf_str(&out));
}

static void test_first_start(void **state)
{
    (void)state;
    struct stat st;
    char path[128];
    assert_int_equal(strlen(identity.registry_id), 20);
    assert_memory_equal(identity.registry_id, "reg-", 4);
    assert_string_equal(identity.domain, "registry.test");
    assert_int_equal(fixture_last_seq(&fixture), 1);
    snprintf(path, sizeof path, "%s/" KEYS_FILE, fixture.dir.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 65);

    /* The secret is nowhere else. */
    shell("! grep -a -l -F -f identity.key mreg.db mreg.db-wal");

    struct keys_identity again;
    assert_int_equal(open_identity(&again), ERR_OK);
    assert_memory_equal(&again.key.pub, &identity.key.pub, sizeof again.key.pub);
    assert_string_equal(again.registry_id, identity.registry_id);
    assert_int_equal(fixture_last_seq(&fixture), 1);
}

static void test_bad_domains(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "A.b", "a\nb", "a>b", ".a", "-a", "a/b", "a@b"};
    struct history_fixture fresh;
    struct keys_identity id;
    fixture_make(&fresh);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(keys_open(fresh.store, fresh.dir.path, bad[i], &id, &err), ERR_INVALID);
    assert_int_equal(keys_open(fresh.store, fresh.dir.path, "a-1.b", &id, &err), ERR_OK);
    fixture_remove(&fresh);
}

/* A first start that ended between the key file and the database takes the file. */
static void test_cut_first_start(void **state)
{
    (void)state;
    struct history_fixture fresh;
    struct keys_identity id;
    struct seal_key key;
    fixture_make(&fresh);
    seal_key_generate(&key);
    assert_int_equal(keys_file_save(fresh.dir.path, KEYS_FILE, &key, &err), ERR_OK);
    assert_int_equal(keys_open(fresh.store, fresh.dir.path, "a", &id, &err), ERR_OK);
    assert_string_equal(id.key.id, key.id);
    fixture_remove(&fresh);
}

static void test_damaged_files(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "rm identity.key",
        "truncate -s 64 identity.key",
        "printf x >> identity.key",
        "tr 0-9a-f g-v <identity.key >x && mv x identity.key",
        "tr 0-9 1-90 <identity.key >x && mv x identity.key", /* another key */
    };
    struct keys_identity id;
    shell("cp identity.key kept");
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        shell(damages[i]);
        assert_int_equal(open_identity(&id), ERR_CORRUPT);
        shell("cp kept identity.key");
    }
    assert_int_equal(open_identity(&id), ERR_OK);
}

static void test_rotation(void **state)
{
    (void)state;
    char old_id[SEAL_ID_BYTES];
    struct keys_identity id;
    memcpy(old_id, identity.key.id, sizeof old_id);
    shell("cp identity.key before");
    fixture.now_ms += 5000;
    assert_int_equal(keys_rotate(fixture.store, fixture.dir.path, &identity, "lost laptop", &err),
                     ERR_OK);
    assert_string_not_equal(identity.key.id, old_id);
    assert_int_equal(open_identity(&id), ERR_OK);
    assert_string_equal(id.key.id, identity.key.id);
    assert_int_equal(fixture_last_seq(&fixture), 2);
    shell("! test -e identity.key.next");

    /* Killed after the database had the new key, before the file was renamed. */
    shell("cp identity.key identity.key.next && cp before identity.key");
    assert_int_equal(open_identity(&id), ERR_OK);
    assert_string_equal(id.key.id, identity.key.id);
    shell("! test -e identity.key.next && ! cmp -s before identity.key");

    /* Killed before: the key that never was is dropped. */
    shell("cp before identity.key.next");
    assert_int_equal(open_identity(&id), ERR_OK);
    assert_string_equal(id.key.id, identity.key.id);
    shell("! test -e identity.key.next");
}

static void test_trust_file(void **state)
{
    (void)state;
    struct reader r CLEANUP(reader_end) = {0};
    char line[SEAL_LINE_BYTES];
    char wanted[1024];
    char old_line[SEAL_LINE_BYTES];
    seal_public_line(&identity.key.pub, old_line);
    fixture_row(&fixture, JOURNAL_MODEL_CREATE, "a", "tokens/t-1.json", "{}\n");
    fixture.now_ms += 3600000;
    assert_int_equal(keys_rotate(fixture.store, fixture.dir.path, &identity, NULL, &err), ERR_OK);
    seal_public_line(&identity.key.pub, line);
    /* No row is a commit yet, so the new key will sign from row 1 on. */
    snprintf(
        wanted, sizeof wanted,
        "registry@registry.test namespaces=\"git,mreg-manifest@registry.test,mreg-statement@"
        "registry.test\",valid-after=\"20260503100000Z\",valid-before=\"20260503110001Z\" %s\n",
        old_line);
    assert_int_equal(reader_begin(fixture.store, &r, &err), ERR_OK);
    buf_reset(&out);
    assert_int_equal(keys_allowed_signers(r.db, "registry.test", &out, &err), ERR_OK);
    assert_non_null(strstr(buf_str(&out), wanted));
    snprintf(wanted, sizeof wanted,
             "registry@registry.test namespaces=\"git,mreg-manifest@registry.test,mreg-statement@"
             "registry.test\",valid-after=\"20260503100000Z\" %s\n",
             line);
    assert_non_null(strstr(buf_str(&out), wanted));
}

/* OpenSSH ignores a line whose times are the same second, and with it what the key signed. */
static void test_rotation_at_once(void **state)
{
    (void)state;
    struct reader r CLEANUP(reader_end) = {0};
    assert_int_equal(keys_rotate(fixture.store, fixture.dir.path, &identity, NULL, &err), ERR_OK);
    assert_int_equal(reader_begin(fixture.store, &r, &err), ERR_OK);
    buf_reset(&out);
    assert_int_equal(keys_allowed_signers(r.db, "registry.test", &out, &err), ERR_OK);
    assert_non_null(
        strstr(buf_str(&out), "valid-after=\"20260503100000Z\",valid-before=\"20260503100002Z\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_first_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trust_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
