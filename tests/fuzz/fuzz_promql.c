/*
 * Whatever sits at the address of Prometheus, reading its answer ends, and an error has words.
 */
#include <stdlib.h>
#include <string.h>

#include "promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window_limits l = {.has_max = true, .has_min = size % 2 == 0, .max_micro = 1000};
    struct window_reading r = {0};
    struct buf out CLEANUP(buf_clear);
    char why[160];
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    promql_read(size % 3 == 0 ? 400 : 200, text, size, &l, &r, why);
    if (r.look == WINDOW_ERROR && why[0] == '\0')
        abort();
    buf_init(&out, 1 << 20);
    struct promql_word word = {"canary", "a|b"};
    promql_expand(text, &word, 1, &out);
    promql_body(text, &out);
    promql_add_name(&out, text);
    free(text);
    return 0;
}
