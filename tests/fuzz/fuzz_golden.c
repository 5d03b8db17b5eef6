/*
 * Fuzz target: the input is a golden file, a NUL byte and an answer. Whatever they are, reading and
 * comparing end, and an answer that is the expectation itself always matches.
 */
#include <stdlib.h>
#include <string.h>

#include "golden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    const char *split = n > 0 ? memchr(text, 0, n) : NULL;
    size_t n_golden = split != NULL ? (size_t)(split - text) : n;
    struct golden g CLEANUP(golden_clear) = {0};
    struct arena a CLEANUP(arena_clear);
    char why[64];
    char *self;
    size_t n_request;

    arena_init(&a);
    if (golden_parse(text, n_golden, &g, NULL) != ERR_OK)
        return 0;
    (void)golden_request(&g, &a, &n_request);
    if (split != NULL)
        (void)golden_matches(&g, split + 1, n - n_golden - 1, why, sizeof(why));
    self = json_dumps(g.expect, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (self != NULL && !golden_matches(&g, self, strlen(self), why, sizeof(why)))
        abort();
    free(self);
    return 0;
}
