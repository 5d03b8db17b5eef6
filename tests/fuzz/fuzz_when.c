/* Times and durations: what parses must format and parse again as the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_ms(int64_t ms, bool in_range)
{
    char text[WHEN_TEXT_BYTES];
    char again[WHEN_TEXT_BYTES];
    int64_t back = 0;
    must(when_parse(when_format(ms, text), &back, NULL) == ERR_OK);
    must(strcmp(text, when_format(back, again)) == 0);
    must(!in_range || back == ms);
    must(strlen(when_format_duration(ms, text)) < WHEN_TEXT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_free_ptr) char *text = mem_alloc(size + 1);
    int64_t ms = 0;
    if (size)
        memcpy(text, data, size);
    if (when_parse(text, &ms, NULL) == ERR_OK)
        check_ms(ms, true);
    if (when_parse_duration(text, &ms, NULL) == ERR_OK)
        must(ms >= 0 && ms <= INT64_C(315360000000));
    if (size >= sizeof ms) {
        memcpy(&ms, data, sizeof ms);
        check_ms(ms, false);
    }
    return 0;
}
