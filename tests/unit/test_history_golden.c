/*
 * Layout 1 is frozen: rows that were written once must give the same commits for ever. The rows,
 * the key and the ids stand in tests/golden/history_fmt1/rows.json; a new layout gets a folder of
 * its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "db_journal.h"
#include "support_history.h"

#define GOLDEN MREG_SOURCE_DIR "/tests/golden/history_fmt1/rows.json"
#define MAX_DOCS 8

struct golden_row {
    const json_t *row;
    int64_t seq;
};

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    assert_non_null(text);
    return text;
}

/* Past journal_append: its checks may grow stricter, old rows stay. */
static int insert(struct tx *tx, void *ctx, struct err *e)
{
    struct golden_row *g = ctx;
    size_t i;
    json_t *doc;
    const char *reason = text_of(g->row, "reason");
    struct db_journal_row row = {.seq = tx_journaled(tx),
                                 .ts = json_integer_value(json_object_get(g->row, "ts")),
                                 .epoch = 1,
                                 .fmt = 1,
                                 .actor = text_of(g->row, "actor"),
                                 .kind = text_of(g->row, "kind"),
                                 .object = text_of(g->row, "object"),
                                 .reason = *reason ? reason : NULL,
                                 .message = text_of(g->row, "message")};
    int rc = db_journal_insert(tx_db(tx), &row, e);
    json_array_foreach(json_object_get(g->row, "documents"), i, doc)
    {
        const char *text = text_of(doc, "text");
        bool is_deleted = json_is_true(json_object_get(doc, "deleted"));
        struct digest digest;
        digest_of(text, strlen(text), &digest);
        if (!rc && !is_deleted)
            rc = db_document_put(tx_db(tx), &digest, text, strlen(text), e);
        if (!rc)
            rc = db_journal_doc(tx_db(tx), row.seq, text_of(doc, "path"),
                                is_deleted ? NULL : &digest, e);
    }
    g->seq = row.seq;
    return rc;
}

static void read_key(const json_t *golden, struct seal_key *key)
{
    uint8_t seed[SEAL_SEED_BYTES];
    const char *hex = text_of(golden, "seed");
    assert_int_equal(strlen(hex), 2 * sizeof seed);
    for (size_t i = 0; i < sizeof seed; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        seed[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    seal_key_from_seed(key, seed);
}

static void insert_rows(struct history_fixture *f, const json_t *rows)
{
    struct err e;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        struct golden_row g = {.row = row};
        if (store_write(f->store, TX_FACT, insert, &g, &e))
            fail_msg("%s", e.message);
        assert_int_equal(g.seq, (int64_t)i + 1);
    }
}

static void test_golden(void **state)
{
    (void)state;
    struct history_fixture f;
    struct seal_key key;
    struct err e;
    struct buf out CLEANUP(buf_clear);
    size_t i;
    json_t *row;
    json_t *golden CLEANUP(json_decref_ptr) = json_load_file(GOLDEN, 0, NULL);
    assert_non_null(golden);
    buf_init(&out, 1 << 20);
    assert_int_equal(seal_init(&e), ERR_OK);
    read_key(golden, &key);
    fixture_make(&f);
    insert_rows(&f, json_object_get(golden, "rows"));
    struct history_options options = {.dir = f.dir.path,
                                      .store = f.store,
                                      .key = &key,
                                      .registry_id = text_of(golden, "registry"),
                                      .domain = text_of(golden, "domain")};
    struct history *h = history_new(&options);
    if (history_publish_all(h, &e))
        fail_msg("%s", e.message);
    history_free(h);
    if (fixture_shell(&f, &out,
                      "git -C history.git fsck --strict && git -C history.git rev-list "
                      "--reverse main"))
        fail_msg("%s", buf_str(&out));
    const char *line = buf_str(&out);
    json_array_foreach(json_object_get(golden, "rows"), i, row)
    {
        assert_true(strlen(line) > 40);
        if (strncmp(line, text_of(row, "commit"), 40) != 0)
            fail_msg("row %zu is commit %.40s, not %s", i + 1, line, text_of(row, "commit"));
        line += 41;
    }
    assert_int_equal(*line, '\0');
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
