/* The signed documents: what reads must write, and what was written must read and write as the same
 * bytes with the same digest. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_manifest(const json_t *j, struct arena *a)
{
    struct manifest m;
    struct manifest again;
    struct digest d1;
    struct digest d2;
    struct err e = {0};
    if (manifest_from_json(j, "", a, &m, &e) != ERR_OK) {
        must(e.code == ERR_INVALID && e.message[0]);
        return;
    }
    CLEANUP(buf_clear) struct buf first;
    CLEANUP(buf_clear) struct buf second;
    CLEANUP(json_decref_ptr) json_t *stored = NULL;
    buf_init(&first, MANIFEST_MAX_BYTES);
    buf_init(&second, MANIFEST_MAX_BYTES);
    must(manifest_write(&m, &first, &d1, NULL) == ERR_OK);
    must(json_parse(first.data, first.len, JSON_MAX_DEPTH, &stored, NULL) == ERR_OK);
    must(manifest_from_json(stored, "", a, &again, NULL) == ERR_OK);
    must(manifest_write(&again, &second, &d2, NULL) == ERR_OK);
    must(digest_equal(&d1, &d2) && first.len == second.len);
    must(again.total_bytes == m.total_bytes && again.n_files == m.n_files);
}

static void check_statement(const json_t *j, struct arena *a)
{
    struct statement s;
    struct digest d1;
    struct digest d2;
    if (statement_from_json(j, a, &s, NULL) != ERR_OK)
        return;
    CLEANUP(buf_clear) struct buf first;
    CLEANUP(buf_clear) struct buf second;
    CLEANUP(json_decref_ptr) json_t *stored = NULL;
    buf_init(&first, MANIFEST_MAX_BYTES);
    buf_init(&second, MANIFEST_MAX_BYTES);
    must(statement_write(&s, &first, &d1, NULL) == ERR_OK);
    must(json_parse(first.data, first.len, JSON_MAX_DEPTH, &stored, NULL) == ERR_OK);
    must(statement_from_json(stored, a, &s, NULL) == ERR_OK);
    must(statement_write(&s, &second, &d2, NULL) == ERR_OK);
    must(digest_equal(&d1, &d2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_decref_ptr) json_t *j = NULL;
    if (json_parse((const char *)data, size, JSON_MAX_DEPTH, &j, NULL) != ERR_OK)
        return 0;
    struct arena a;
    struct pairs p;
    arena_init(&a);
    check_manifest(j, &a);
    check_statement(j, &a);
    if (pairs_from_json(j, "/m", true, &a, &p, NULL) == ERR_OK)
        for (size_t i = 1; i < p.n; i++)
            must(strcmp(p.items[i - 1].key, p.items[i].key) < 0);
    arena_clear(&a);
    return 0;
}
