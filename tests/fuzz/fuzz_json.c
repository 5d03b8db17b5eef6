/* JSON in: whatever parses must have a canonical form that is its own canonical form (or none),
 * must be re-writable by the response writer's escaper, and typed reads must not fault. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "jsonw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_canonical(const json_t *j)
{
    CLEANUP(buf_clear) struct buf first;
    CLEANUP(buf_clear) struct buf second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    if (json_canonical(j, &first, NULL) != ERR_OK) {
        must(first.len == 0);
        return;
    }
    CLEANUP(json_decref_ptr) json_t *again = NULL;
    must(json_parse(buf_str(&first), first.len, JSON_MAX_DEPTH, &again, NULL) == ERR_OK);
    must(json_equal(j, again));
    must(json_canonical(again, &second, NULL) == ERR_OK);
    must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void check_reads(const json_t *j)
{
    static const char *const known[] = {"name", "version", "a", NULL};
    const char *s = NULL;
    int64_t n = 0;
    bool b = false;
    json_t *sub = NULL;
    struct err e;
    int rc = json_only(j, "/at", known, &e);
    rc |= json_get_str(j, "", "a", 10, &s, &e);
    rc |= json_opt_str(j, "", "name", 10, &s, &e);
    rc |= json_get_int(j, "", "a", 0, 9, &n, &e);
    rc |= json_opt_bool(j, "", "a", &b, &e);
    rc |= json_get_array(j, "", "a", 3, &sub, &e);
    rc |= json_opt_object(j, "", "a", &sub, &e);
    must(rc != ERR_OK); /* "a" cannot be of all these types */
}

/* Any bytes at all make a valid string in a response. */
static void check_writer(const char *bytes, size_t n)
{
    CLEANUP(buf_clear) struct buf out;
    buf_init(&out, 8 * n + 100);
    struct jsonw w;
    jsonw_init(&w, &out);
    jsonw_array(&w, NULL);
    jsonw_strn(&w, NULL, bytes, n);
    jsonw_end(&w);
    must(buf_ok(&out));
    json_t *j = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
    must(j != NULL);
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *j = NULL;
    struct err e = {0};
    int rc = json_parse((const char *)data, size, 16, &j, &e);
    must((rc == ERR_OK) == (j != NULL));
    must(rc == ERR_OK || e.message[0]);
    if (j) {
        check_canonical(j);
        check_reads(j);
    }
    json_decref(j);
    check_writer((const char *)data, size);
    return 0;
}
