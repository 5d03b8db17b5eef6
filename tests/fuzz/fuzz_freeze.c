/* Weekly freeze windows: whatever is read is written, read again the same, and holds where it says.
 */
#include <stdlib.h>
#include <string.h>

#include "freeze.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char text[256];
    char shown[FREEZE_TEXT_BYTES];
    struct freeze_rule rule = {.is_weekly = true};
    struct freeze_week again;
    int64_t now = 1795000000000;

    if (n >= sizeof(text))
        return 0;
    memcpy(text, data, n);
    text[n] = '\0';
    if (freeze_parse_week(text, &rule.week, NULL) != ERR_OK)
        return 0;
    if (freeze_parse_week(freeze_format_week(&rule.week, shown), &again, NULL) != ERR_OK ||
        again.from_min != rule.week.from_min || again.to_min != rule.week.to_min)
        abort();
    now = freeze_next_ms(&rule, now);
    if (!freeze_holds(&rule, now, NULL) || freeze_holds(&rule, now - 1, NULL))
        abort();
    return 0;
}
