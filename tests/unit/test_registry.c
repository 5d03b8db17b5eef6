/*
 * The rules of models, versions and aliases over a real store and real blobs in a temporary folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_fleet.h"

/* Plans an upload of one file and, when `send`, sends it. */
static void upload_one(struct fleet_fixture *w, const char *model, const char *text, bool have,
                       bool send, char id[40])
{
    struct upload_file f = {.size = (int64_t)strlen(text), .path = "model.bin", .have = have};
    struct fixture_bytes bytes = {text, strlen(text)};
    struct body_source body = fixture_body(&bytes);
    digest_of(text, strlen(text), &f.sha256);
    FLEET_OK(w, upload_create(w->blobs, model, "t-1", &f, 1, id, &w->e));
    if (send)
        FLEET_OK(w, upload_put_file(w->blobs, id, 0, &body, &w->e));
}

static struct published push(struct fleet_fixture *w, const char *model, const char *text,
                             struct registry_publish in)
{
    char id[40];
    struct published out = {0};
    upload_one(w, model, text, false, true, id);
    in.upload_id = id;
    in.actor = "t-1";
    FLEET_OK(w, registry_publish(&w->r, &in, &out, &w->e));
    return out;
}

static struct registry_publish plain(void)
{
    return (struct registry_publish){0};
}

static struct pairs one_pair(struct fleet_fixture *w, const char *key, const char *value)
{
    struct pair *p = arena_alloc(&w->arena, sizeof *p);
    *p = (struct pair){key, value};
    return (struct pairs){p, 1};
}

static const char *value_in(const struct pairs *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].key, key) == 0)
            return p->items[i].value;
    return "(none)";
}

struct eyes {
    struct reader reader;
    struct registry_scope scope;
};

static void look_close(struct eyes *l)
{
    reader_end(&l->reader);
}

static void look(struct fleet_fixture *w, struct eyes *l)
{
    FLEET_OK(w, reader_begin(w->store, &l->reader, &w->e));
    l->scope = (struct registry_scope){l->reader.db, "*", INT64_MAX, &w->arena};
}

static int64_t last_seq(struct fleet_fixture *w)
{
    struct eyes l CLEANUP(look_close) = {0};
    int64_t seq = 0;
    look(w, &l);
    FLEET_OK(w, journal_seq_at(l.scope.db, INT64_MAX, &seq, &w->e));
    return seq;
}

static int get_version(struct fleet_fixture *w, const char *model, const char *ref, int64_t seq,
                       struct version_row *out)
{
    struct eyes l CLEANUP(look_close) = {0};
    look(w, &l);
    l.scope.seq = seq;
    return registry_get_version(&l.scope, model, ref, out, &w->e);
}

static int get_model(struct fleet_fixture *w, const char *model, int64_t seq, struct model_row *out)
{
    struct eyes l CLEANUP(look_close) = {0};
    look(w, &l);
    l.scope.seq = seq;
    return registry_get_model(&l.scope, model, out, &w->e);
}

static int64_t resolve(struct fleet_fixture *w, const char *model, const char *ref)
{
    struct eyes l CLEANUP(look_close) = {0};
    int64_t number = 0;
    look(w, &l);
    int rc = registry_resolve(l.scope.db, model, ref, NULL, &number, &w->e);
    return rc == ERR_OK ? number : -rc;
}

/* Facts of other rules, which the tests put in by hand, need a journal row like any other. */
static int put_environment(struct tx *tx, void *ctx, struct err *e)
{
    struct journal_doc doc = {"environments/production/environment.json", "{}\n", 3};
    struct journal_entry entry = {.kind = JOURNAL_ENV_CREATE,
                                  .actor = "t-1",
                                  .object = "production",
                                  .message = "made",
                                  .docs = &doc,
                                  .n_docs = 1};
    int64_t seq = 0;
    int64_t *number = ctx;
    int rc = journal_append(tx, &entry, &seq, e);
    if (rc == ERR_OK)
        rc = db_run(tx_db(tx), e,
                    "INSERT INTO environments (env_id, name, position, policy, created_seq, "
                    "created_ts) VALUES (1, 'production', 0, '{}', ?1, 0)",
                    "i", seq);
    if (rc == ERR_OK && *number)
        rc = db_run(tx_db(tx), e,
                    "INSERT INTO targets (env_id, model_id, serve_as, policy, live_number, "
                    "created_seq, created_ts) VALUES (1, (SELECT model_id FROM models WHERE "
                    "name = 'fraud'), 'fraud', '{}', ?1, ?2, 0)",
                    "ii", *number, seq);
    return rc;
}

/* --- tests --- */

static void publishes(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_publish in = plain();
    struct version_row v;
    struct model_row m;
    in.metrics = one_pair(w, "auc", "0.941");
    in.lineage = one_pair(w, "git_commit", "abc");
    in.tags = one_pair(w, "team", "risk");
    in.description = "first";
    in.aliases[0] = "candidate";
    in.n_aliases = 1;
    struct published out = push(w, "fraud", "model one", in);
    assert_int_equal(out.number, 1);
    assert_false(out.is_already);
    assert_string_equal(out.model, "fraud");
    FLEET_OK(w, get_version(w, "fraud", "candidate", INT64_MAX, &v));
    assert_int_equal(v.number, 1);
    assert_string_equal(value_in(&v.metrics, "auc"), "0.941");
    assert_string_equal(value_in(&v.lineage, "git_commit"), "abc");
    assert_string_equal(value_in(&v.tags, "team"), "risk");
    assert_string_equal(v.description, "first");
    assert_string_equal(v.files[0].path, "model.bin");
    assert_int_equal(v.files[0].size, 9);
    assert_int_equal(v.aliases.n, 1);
    FLEET_OK(w, get_model(w, "fraud", INT64_MAX, &m));
    assert_int_equal(m.latest, 1);
    assert_int_equal(m.n_versions, 1);
    assert_string_equal(m.aliases.items[0].name, "candidate");
    assert_int_equal(last_seq(w), 1);
}

/* Stored documents are those whose digests the record names, with good signatures over them. */
static void signs(void **state)
{
    struct fleet_fixture *w = *state;
    struct eyes l CLEANUP(look_close) = {0};
    struct version_row v;
    push(w, "fraud", "model one", plain());
    FLEET_OK(w, get_version(w, "fraud", "1", INT64_MAX, &v));
    look(w, &l);
    const struct {
        const struct digest *digest;
        const char *name_space, *file;
    } docs[] = {{&v.content, "mreg-manifest@test.local", "manifest.json"},
                {&v.statement, "mreg-statement@test.local", "statement.json"}};
    for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
        const char *bytes = NULL;
        const char *armor = NULL;
        size_t n = 0;
        struct digest d;
        struct seal_public by;
        FLEET_OK(w, journal_doc_at(l.scope.db,
                                   journal_path_version(&w->arena, "fraud", 1, docs[i].file),
                                   INT64_MAX, &w->arena, &bytes, &n, &w->e));
        digest_of(bytes, n, &d);
        assert_true(digest_equal(&d, docs[i].digest));
        FLEET_OK(w, db_signature_get(l.scope.db, &d, docs[i].name_space, &w->arena, &armor, &w->e));
        assert_non_null(armor);
        FLEET_OK(w, seal_verify(armor, docs[i].name_space, bytes, n, &by, &w->e));
        assert_memory_equal(by.b, w->key.pub.b, SEAL_PUBLIC_BYTES);
    }
    struct manifest m;
    FLEET_OK(w, registry_manifest(l.scope.db, "fraud", 1, &w->arena, &m, &w->e));
    assert_int_equal(m.n_files, 1);
    assert_true(digest_equal(&m.files[0].sha256, &v.files[0].sha256));
}

static void same_content_is_already_so(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_publish in = plain();
    struct version_row v;
    in.metrics = one_pair(w, "auc", "0.9");
    assert_int_equal(push(w, "fraud", "same", in).number, 1);
    struct published again = push(w, "fraud", "same", in);
    assert_true(again.is_already);
    assert_int_equal(again.number, 1);
    assert_int_equal(last_seq(w), 1); /* nothing new: no row */

    in.lineage = one_pair(w, "run", "17");
    assert_true(push(w, "fraud", "same", in).is_already);
    assert_int_equal(last_seq(w), 2);
    FLEET_OK(w, get_version(w, "fraud", "1", INT64_MAX, &v));
    assert_string_equal(value_in(&v.lineage, "run"), "17");
    FLEET_OK(w, get_version(w, "fraud", "1", 1, &v));
    assert_string_equal(value_in(&v.lineage, "run"), "(none)");
    assert_string_equal(value_in(&v.metrics, "auc"), "0.9");

    in.force_new_version = true;
    struct published forced = push(w, "fraud", "same", in);
    assert_false(forced.is_already);
    assert_int_equal(forced.number, 2);
    in.force_new_version = false;
    in.aliases[0] = "candidate";
    in.n_aliases = 1;
    assert_int_equal(push(w, "fraud", "same", in).number, 2);
    assert_int_equal(resolve(w, "fraud", "candidate"), 2);
    assert_int_equal(push(w, "other", "same", plain()).number, 1); /* another model */
}

static void incomplete_makes_nothing(void **state)
{
    struct fleet_fixture *w = *state;
    char id[40];
    struct published out = {0};
    struct registry_publish in = {.upload_id = id, .actor = "t-1"};
    upload_one(w, "fraud", "not sent", false, false, id);
    assert_int_equal(registry_publish(&w->r, &in, &out, &w->e), ERR_CONFLICT);
    assert_string_equal(w->e.pointer, "/files/0");
    in.upload_id = "nosuchupload";
    assert_int_equal(registry_publish(&w->r, &in, &out, &w->e), ERR_NOT_FOUND);

    /* An alias of an environment fails the whole transaction. */
    int64_t none = 0;
    FLEET_OK(w, store_write(w->store, TX_FACT, put_environment, &none, &w->e));
    upload_one(w, "fraud", "sent", false, true, id);
    in = (struct registry_publish){.upload_id = id, .actor = "t-1", .aliases = {"production"}};
    in.n_aliases = 1;
    assert_int_equal(registry_publish(&w->r, &in, &out, &w->e), ERR_CONFLICT);
    assert_int_equal(resolve(w, "fraud", "latest"), -ERR_NOT_FOUND);
    assert_int_equal(last_seq(w), 1);
    in.n_aliases = 0; /* the upload is still there */
    FLEET_OK(w, registry_publish(&w->r, &in, &out, &w->e));
    assert_int_equal(out.number, 1);
    assert_int_equal(registry_publish(&w->r, &in, &out, &w->e), ERR_NOT_FOUND);
}

static void numbers_are_never_reused(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_change c = {"fraud", "t-1", "cleaning"};
    struct model_row m;
    struct version_row v;
    push(w, "fraud", "one", plain());
    push(w, "fraud", "two", plain());
    w->now_ms++;
    FLEET_OK(w, registry_delete_version(&w->r, &c, 2, &w->e));
    assert_int_equal(resolve(w, "fraud", "2"), -ERR_NOT_FOUND);
    assert_int_equal(resolve(w, "fraud", "latest"), 1);
    assert_int_equal(push(w, "fraud", "two", plain()).number, 3); /* deleted content is new again */
    FLEET_OK(w, registry_delete_model(&w->r, &c, &w->e));
    assert_int_equal(get_model(w, "fraud", INT64_MAX, &m), ERR_NOT_FOUND);
    int64_t dead = last_seq(w);
    assert_int_equal(push(w, "fraud", "one", plain()).number, 4);
    FLEET_OK(w, get_model(w, "fraud", INT64_MAX, &m));
    assert_int_equal(m.n_versions, 1);
    assert_int_equal(m.latest, 4);
    assert_int_equal(resolve(w, "fraud", "1"), -ERR_NOT_FOUND);
    assert_int_equal(get_model(w, "fraud", dead, &m), ERR_NOT_FOUND);
    FLEET_OK(w, get_version(w, "fraud", "2", 2, &v)); /* then it lived */
    assert_int_equal(get_version(w, "fraud", "3", 2, &v), ERR_NOT_FOUND);

    struct registry_edit edit = {0};
    bool created = false;
    FLEET_OK(w, registry_delete_model(&w->r, &c, &w->e));
    FLEET_OK(w, registry_create_model(&w->r, &c, &edit, &created, &w->e));
    assert_true(created);
    assert_int_equal(push(w, "fraud", "one", plain()).number, 5);
}

static void deleting_is_refused_in_use(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_change c = {"fraud", "t-1", NULL};
    struct alias_move move = {"champion", 1, -1};
    int64_t previous = 0;
    int64_t live = 2;
    push(w, "fraud", "one", plain());
    push(w, "fraud", "two", plain());
    FLEET_OK(w, registry_set_alias(&w->r, &c, &move, &previous, &w->e));
    assert_int_equal(registry_delete_version(&w->r, &c, 1, &w->e), ERR_CONFLICT);
    assert_non_null(strstr(w->e.message, "champion"));
    FLEET_OK(w, store_write(w->store, TX_FACT, put_environment, &live, &w->e));
    assert_int_equal(registry_delete_version(&w->r, &c, 2, &w->e), ERR_CONFLICT);
    assert_non_null(strstr(w->e.message, "production"));
    assert_int_equal(registry_delete_model(&w->r, &c, &w->e), ERR_CONFLICT);
    FLEET_OK(w, registry_delete_alias(&w->r, &c, "champion", &w->e));
    FLEET_OK(w, registry_delete_version(&w->r, &c, 1, &w->e));
    assert_int_equal(registry_delete_version(&w->r, &c, 1, &w->e), ERR_NOT_FOUND);
}

struct rollout_end {
    int64_t model_id, number;
};

/* What the end of a rollout does: the alias is part of its own journal row. */
static int end_rollout(struct tx *tx, void *ctx, struct err *e)
{
    struct rollout_end *end = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf doc CLEANUP(buf_clear);
    struct journal_doc row = {0};
    int64_t seq = 0;
    buf_init(&doc, 4096);
    int rc = registry_move_alias(tx, end->model_id, "fraud", "production", end->number, "t-1", &a,
                                 &row.path, &doc, e);
    if (rc != ERR_OK)
        return rc;
    row.bytes = doc.data;
    row.n = doc.len;
    struct journal_entry entry = {.kind = JOURNAL_ROLLOUT_END,
                                  .actor = "mregd",
                                  .object = "r-9",
                                  .message = "ended",
                                  .docs = &row,
                                  .n_docs = 1};
    return journal_append(tx, &entry, &seq, e);
}

static void moves_aliases(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_change c = {"fraud", "t-1", NULL};
    struct model_row m;
    struct version_row v;
    int64_t previous = 0;
    push(w, "fraud", "one", plain());
    push(w, "fraud", "two", plain());
    static const struct {
        struct alias_move move;
        int rc;
        int64_t previous;
    } steps[] = {
        {{"champion", 1, -1}, ERR_OK, 0},
        {{"champion", 1, -1}, ERR_OK, 1},
        {{"champion", 2, 2}, ERR_CONFLICT, 0},
        {{"champion", 2, 1}, ERR_OK, 1},
        {{"champion", 9, -1}, ERR_NOT_FOUND, 0},
        {{"other", 1, 1}, ERR_CONFLICT, 0},
        {{"other", 1, 0}, ERR_OK, 0},
        {{"latest", 1, -1}, ERR_INVALID, 0},
        {{"12", 1, -1}, ERR_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int rc = registry_set_alias(&w->r, &c, &steps[i].move, &previous, &w->e);
        if (rc != steps[i].rc || (rc == ERR_OK && previous != steps[i].previous))
            fail_msg("step %zu: %d, previous %" PRId64 ": %s", i, rc, previous, w->e.message);
    }
    assert_int_equal(last_seq(w), 5); /* setting it where it is makes no row */
    int64_t live = 1;
    FLEET_OK(w, store_write(w->store, TX_FACT, put_environment, &live, &w->e));
    struct alias_move env = {"production", 2, -1};
    assert_int_equal(registry_set_alias(&w->r, &c, &env, &previous, &w->e), ERR_CONFLICT);
    assert_int_equal(registry_delete_alias(&w->r, &c, "production", &w->e), ERR_CONFLICT);
    FLEET_OK(w, get_model(w, "fraud", INT64_MAX, &m));
    struct rollout_end end = {m.model_id, 2};
    FLEET_OK(w, store_write(w->store, TX_FACT, end_rollout, &end, &w->e));
    assert_int_equal(resolve(w, "fraud", "production"), 2);
    end.number = 7;
    assert_int_equal(store_write(w->store, TX_FACT, end_rollout, &end, &w->e), ERR_NOT_FOUND);
    FLEET_OK(w, get_model(w, "fraud", INT64_MAX, &m));
    assert_int_equal(m.aliases.n, 2); /* the environment's is in live */
    assert_string_equal(m.live.items[0].name, "production");
    FLEET_OK(w, get_model(w, "fraud", last_seq(w), &m));
    assert_int_equal(m.aliases.n, 2);
    assert_int_equal(m.live.n, 1);
    assert_int_equal(m.live.items[0].number, 2);
    FLEET_OK(w, get_version(w, "fraud", "champion", 3, &v)); /* as of its first setting */
    assert_int_equal(v.number, 1);
    assert_int_equal(get_version(w, "fraud", "champion", 2, &v), ERR_NOT_FOUND);
}

static void edits(void **state)
{
    struct fleet_fixture *w = *state;
    struct registry_change c = {"fraud", "t-1", "because"};
    struct registry_edit edit = {.description = "finds fraud", .tags = one_pair(w, "team", "a")};
    struct model_row m;
    struct version_row v;
    bool created = false;
    FLEET_OK(w, registry_create_model(&w->r, &c, &edit, &created, &w->e));
    assert_true(created);
    FLEET_OK(w, registry_create_model(&w->r, &c, &edit, &created, &w->e));
    assert_false(created);
    FLEET_OK(w, registry_update_model(&w->r, &c, &edit, &w->e)); /* nothing new: no row */
    assert_int_equal(last_seq(w), 1);
    edit.tags = one_pair(w, "team", "");
    edit.description = NULL;
    FLEET_OK(w, registry_update_model(&w->r, &c, &edit, &w->e));
    FLEET_OK(w, get_model(w, "fraud", INT64_MAX, &m));
    assert_int_equal(m.tags.n, 0);
    assert_string_equal(m.description, "finds fraud");
    FLEET_OK(w, get_model(w, "fraud", 1, &m));
    assert_string_equal(value_in(&m.tags, "team"), "a");

    push(w, "fraud", "one", plain());
    edit = (struct registry_edit){.metrics = one_pair(w, "auc", "0.5"), .description = "d"};
    FLEET_OK(w, registry_update_version(&w->r, &c, 1, &edit, &w->e));
    edit = (struct registry_edit){.tags = one_pair(w, "seen", "yes")};
    FLEET_OK(w, registry_update_version(&w->r, &c, 1, &edit, &w->e));
    FLEET_OK(w, registry_update_version(&w->r, &c, 1, &edit, &w->e));
    assert_int_equal(last_seq(w), 5);
    for (int64_t seq = 3; seq <= 6; seq++) {
        FLEET_OK(w, get_version(w, "fraud", "1", seq == 6 ? INT64_MAX : seq, &v));
        assert_string_equal(value_in(&v.metrics, "auc"), seq > 3 ? "0.5" : "(none)");
        assert_string_equal(value_in(&v.tags, "seen"), seq > 4 ? "yes" : "(none)");
        assert_string_equal(v.description, seq > 3 ? "d" : "");
    }
    c.model = "frod";
    assert_int_equal(registry_update_model(&w->r, &c, &edit, &w->e), ERR_NOT_FOUND);
    c.model = "a/b/c";
    assert_int_equal(registry_create_model(&w->r, &c, &edit, &created, &w->e), ERR_INVALID);
}

static void resolves(void **state)
{
    struct fleet_fixture *w = *state;
    struct version_row v;
    char text[DIGEST_TEXT_BYTES];
    push(w, "fraud", "one", plain());
    push(w, "fraud", "two", plain());
    FLEET_OK(w, get_version(w, "fraud", "1", INT64_MAX, &v));
    const struct {
        const char *ref;
        int64_t number;
    } cases[] = {{"1", 1},
                 {"latest", 2},
                 {digest_text(&v.content, text), 1},
                 {"@{2020-01-01}", -ERR_NOT_FOUND},
                 {"@{2999-01-01}", 2},
                 {"3", -ERR_NOT_FOUND},
                 {"none", -ERR_NOT_FOUND},
                 {"007", -ERR_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (resolve(w, "fraud", cases[i].ref) != cases[i].number)
            fail_msg("%s: %" PRId64 " %s", cases[i].ref, resolve(w, "fraud", cases[i].ref),
                     w->e.message);
    assert_int_equal(resolve(w, "frud", "1"), -ERR_NOT_FOUND);
    assert_string_equal(w->e.message, "no model \"frud\"; did you mean \"fraud\"?");
}

static void hides_by_globs(void **state)
{
    static const struct {
        const char *globs, *model;
        bool sees;
    } cases[] = {
        {"*", "fraud", true},       {"fraud", "fraud", true},     {"fraud", "fraud2", false},
        {"a,fr*", "fraud", true},   {"a, fr*", "fraud", true},    {"", "fraud", false},
        {"team/*", "team/x", true}, {"team/*", "other/x", false}, {"?", "a", true},
    };
    struct fleet_fixture *w = *state;
    struct eyes l CLEANUP(look_close) = {0};
    struct model_row m;
    struct model_page page;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (registry_may_see(cases[i].globs, cases[i].model) != cases[i].sees)
            fail_msg("%s and %s", cases[i].globs, cases[i].model);
    push(w, "fraud", "one", plain());
    push(w, "team/x", "two", plain());
    look(w, &l);
    l.scope.globs = "team/*";
    assert_int_equal(registry_get_model(&l.scope, "fraud", &m, &w->e), ERR_NOT_FOUND);
    assert_string_equal(w->e.message, "no model \"fraud\"");
    assert_int_equal(registry_get_model(&l.scope, "frad", &m, &w->e), ERR_NOT_FOUND);
    assert_string_equal(w->e.message, "no model \"frad\""); /* no hint of the hidden one */
    FLEET_OK(w, registry_list_models(&l.scope, "", "", 50, &page, &w->e));
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].name, "team/x");
    struct upload_file files[2] = {0};
    digest_of("one", 3, &files[0].sha256);
    digest_of("two", 3, &files[1].sha256);
    FLEET_OK(w, registry_mark_have(&l.scope, files, 2, &w->e));
    assert_false(files[0].have);
    assert_true(files[1].have);
}

/* Bytes that the caller may not read must be sent, though they are stored. */
static void knowing_a_digest_is_not_having_it(void **state)
{
    struct fleet_fixture *w = *state;
    char id[40];
    struct upload up;
    push(w, "secret", "the weights", plain());
    upload_one(w, "mine", "the weights", false, false, id);
    FLEET_OK(w, upload_load(w->blobs, id, &w->arena, &up, &w->e));
    assert_false(up.files[0].have);
    struct registry_publish in = {.upload_id = id, .actor = "t-2"};
    struct published out;
    assert_int_equal(registry_publish(&w->r, &in, &out, &w->e), ERR_CONFLICT);
    upload_one(w, "mine", "the weights", true, false, id);
    FLEET_OK(w, upload_load(w->blobs, id, &w->arena, &up, &w->e));
    assert_true(up.files[0].have);
    FLEET_OK(w, registry_publish(&w->r, &in, &out, &w->e));
    assert_int_equal(out.number, 1);
}

static void pages(void **state)
{
    struct fleet_fixture *w = *state;
    struct eyes l CLEANUP(look_close) = {0};
    struct registry_change c = {NULL, "t-1", NULL};
    struct model_page page;
    struct version_page versions;
    const char *after = "";
    bool created = false;
    for (int i = 0; i < 25; i++) {
        struct registry_edit edit = {.tags = one_pair(w, "n", arena_printf(&w->arena, "%d", i))};
        c.model = arena_printf(&w->arena, "m-%02d", i);
        FLEET_OK(w, registry_create_model(&w->r, &c, &edit, &created, &w->e));
    }
    for (int i = 0; i < 7; i++)
        push(w, "m-03", arena_printf(&w->arena, "text %d", i), plain());
    look(w, &l);
    int seen = 0;
    do {
        FLEET_OK(w, registry_list_models(&l.scope, "m-", after, 10, &page, &w->e));
        for (size_t i = 0; i < page.n; i++, seen++) {
            assert_string_equal(page.items[i].name, arena_printf(&w->arena, "m-%02d", seen));
            assert_string_equal(value_in(&page.items[i].tags, "n"),
                                arena_printf(&w->arena, "%d", seen));
            assert_int_equal(page.items[i].n_versions, seen == 3 ? 7 : 0);
        }
        after = page.next;
    } while (after);
    assert_int_equal(seen, 25);
    FLEET_OK(w, registry_list_models(&l.scope, "m-1", "", 10, &page, &w->e));
    assert_int_equal(page.n, 10);
    assert_null(page.next);
    l.scope.globs = "m-?7,m-20";
    FLEET_OK(w, registry_list_models(&l.scope, "", "", 10, &page, &w->e));
    assert_int_equal(page.n, 3);
    l.scope.globs = "*";
    int64_t below = 0;
    int64_t expect = 7;
    do {
        FLEET_OK(w, registry_list_versions(&l.scope, "m-03", below, 3, &versions, &w->e));
        for (size_t i = 0; i < versions.n; i++)
            assert_int_equal(versions.items[i].number, expect--);
        below = versions.next;
    } while (below);
    assert_int_equal(expect, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fleet_fixture_setup, fleet_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(publishes),
        TEST(signs),
        TEST(same_content_is_already_so),
        TEST(incomplete_makes_nothing),
        TEST(numbers_are_never_reused),
        TEST(deleting_is_refused_in_use),
        TEST(moves_aliases),
        TEST(edits),
        TEST(resolves),
        TEST(hides_by_globs),
        TEST(knowing_a_digest_is_not_having_it),
        TEST(pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
