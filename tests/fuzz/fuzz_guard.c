/*
 * Heads, ranges, ETag lists and credentials from hostile bytes. The input is split at newlines:
 * method, path, then fields as "name:value".
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "guard.h"
#include "mem.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void split_fields(char *text, struct head *h)
{
    while (text && h->n_fields < HEAD_MAX_HEADERS) {
        char *end = strchr(text, '\n');
        if (end)
            *end++ = 0;
        char *colon = strchr(text, ':');
        if (colon) {
            *colon = 0;
            h->fields[h->n_fields++] = (struct head_field){text, colon + 1};
        }
        text = end;
    }
}

static void check_range(const char *field, int64_t size)
{
    struct range r;
    range_parse(field, size, &r);
    if (r.kind == RANGE_PART)
        assert(r.first >= 0 && r.first <= r.last && r.last < size);
}

static void check_fields(const struct head *h)
{
    char token[CREDENTIALS_MAX_BYTES];
    char address[48];
    for (int i = 0; i < h->n_fields; i++) {
        const char *value = h->fields[i].value;
        check_range(value, 0);
        check_range(value, 1000);
        check_range(value, INT64_MAX);
        etag_matches(value, "\"abc\"");
        if (!credentials_token(value, token))
            assert(token[0] == 0);
        if (credentials_forwarded(value, address))
            assert(strlen(address) < sizeof address);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    struct head h = {.method = text, .path = "/", .query = "", .version = "1.1", .remote = "-"};
    char *path = strchr(text, '\n');
    if (path) {
        *path++ = 0;
        h.path = path;
        char *fields = strchr(path, '\n');
        if (fields)
            *fields++ = 0;
        split_fields(fields, &h);
    }
    struct guard g;
    guard_check(&h, &g);
    assert((g.status == 0) == (g.detail == NULL));
    if (g.status == 0) {
        assert(h.path[0] == '/' && g.content_length >= -1);
        assert(!(g.is_chunked && g.content_length >= 0));
    }
    check_fields(&h);
    free(text);
    return 0;
}
