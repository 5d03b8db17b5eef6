/*
 * Any path that passes the guard, through the real route table; and query strings.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "guard.h"
#include "route.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router *router;

static void check_match(const char *path, enum method method, struct arena *a)
{
    struct match m;
    router_match(router, method, path, a, &m);
    if (!m.row)
        return;
    assert(m.methods & 1u << method);
    const char *pattern = m.row->pattern;
    for (size_t i = 0; i < REQUEST_MAX_PARAMS && m.params[i]; i++) {
        const char *text = m.params[i];
        assert(text[0] && utf8_ok(text, strlen(text)));
        assert(strcmp(text, ".") != 0 && strcmp(text, "..") != 0);
        /* A tail becomes a file's name: it must not climb. */
        if (strstr(pattern, "...}") && !m.params[i + 1 < REQUEST_MAX_PARAMS ? i + 1 : i])
            assert(!strstr(text, "/../") && strncmp(text, "../", 3) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    if (!router && router_new(api_tables, &router, &e))
        abort();
    char *path = mem_alloc(size + 1);
    memcpy(path, data, size);
    struct arena a = {0};
    if (!guard_path(path))
        for (int m = 0; m < METHOD_COUNT; m++)
            check_match(path, (enum method)m, &a);
    struct request rq = {.query = path, .arena = &a};
    const char *value = NULL;
    int64_t limit = 0;
    if (request_query(&rq, "q", &value, &e) == 0 && value)
        assert(utf8_ok(value, strlen(value)));
    if (request_page(&rq, &limit, &value, &e) == 0)
        assert(limit >= 1 && limit <= 500);
    arena_clear(&a);
    free(path);
    return 0;
}
