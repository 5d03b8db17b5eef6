/*
 * Freeze windows: reading, and whether one holds. Knows nothing of rollouts. Pure; any thread.
 */
#include "freeze.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define WEEK_MS (FREEZE_WEEK_MINUTES * MINUTE_MS)
/* The epoch was a Thursday. */
#define EPOCH_MINUTE (3 * 24 * 60)

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* A day by its first three letters; the rest of the word is passed over. */
static bool read_day(const char **at, int *out)
{
    char word[4] = "";
    for (int i = 0; i < 3; i++) {
        if (!isalpha((unsigned char)(*at)[i]))
            return false;
        word[i] = (char)tolower((unsigned char)(*at)[i]);
    }
    for (int day = 0; day < 7; day++) {
        if (strcmp(word, day_names[day]) != 0)
            continue;
        while (isalpha((unsigned char)**at))
            (*at)++;
        *out = day;
        return true;
    }
    return false;
}

/* One or two digits. */
static bool read_number(const char **at, int max, int *out)
{
    int n = 0;
    int digits = 0;
    for (; isdigit((unsigned char)**at) && digits < 2; (*at)++, digits++)
        n = n * 10 + (**at - '0');
    *out = n;
    return digits > 0 && n <= max;
}

static void skip_spaces(const char **at)
{
    while (**at == ' ')
        (*at)++;
}

static bool read_moment(const char **at, int *minute)
{
    int day = 0;
    int hours = 0;
    int minutes = 0;
    if (!read_day(at, &day))
        return false;
    skip_spaces(at);
    if (!read_number(at, 24, &hours) || **at != ':')
        return false;
    (*at)++;
    if (!read_number(at, 59, &minutes) || (hours == 24 && minutes > 0))
        return false;
    *minute = (day * 24 + hours) * 60 + minutes;
    return true;
}

/* "-", or one of the longer dashes in UTF-8. */
static bool read_dash(const char **at)
{
    static const char *const dashes[] = {"\xe2\x80\x93", "\xe2\x80\x94", "-"};
    skip_spaces(at);
    for (size_t i = 0; i < ARRAY_LEN(dashes); i++) {
        size_t n = strlen(dashes[i]);
        if (strncmp(*at, dashes[i], n) != 0)
            continue;
        *at += n;
        skip_spaces(at);
        return true;
    }
    return false;
}

int freeze_parse_week(const char *text, struct freeze_week *out, struct err *e)
{
    const char *at = text;
    struct freeze_week week = {0};
    bool is_read =
        read_moment(&at, &week.from_min) && read_dash(&at) && read_moment(&at, &week.to_min);
    skip_spaces(&at);
    if (is_read && strncmp(at, "UTC", 3) == 0)
        at += 3;
    if (!is_read || *at != '\0')
        return err_set(e, ERR_INVALID,
                       "must be two moments of the week in UTC, such as \"Fri 16:00-Mon 08:00\"");
    week.from_min %= FREEZE_WEEK_MINUTES;
    week.to_min %= FREEZE_WEEK_MINUTES;
    if (week.from_min == week.to_min)
        return err_set(e, ERR_INVALID, "the window is empty");
    *out = week;
    return ERR_OK;
}

char *freeze_format_week(const struct freeze_week *week, char out[FREEZE_TEXT_BYTES])
{
    int from = week->from_min;
    int to = week->to_min;
    snprintf(out, FREEZE_TEXT_BYTES, "%s %02d:%02d-%s %02d:%02d", day_names[from / 1440 % 7],
             from % 1440 / 60, from % 60, day_names[to / 1440 % 7], to % 1440 / 60, to % 60);
    return out;
}

/* Begin of the week's window that began last at or before now. */
static int64_t last_begin(const struct freeze_week *week, int64_t now_ms)
{
    int64_t first = (int64_t)(week->from_min - EPOCH_MINUTE) * MINUTE_MS;
    int64_t since = (now_ms - first) % WEEK_MS;
    return now_ms - (since < 0 ? since + WEEK_MS : since);
}

static int64_t week_length_ms(const struct freeze_week *week)
{
    int n = week->to_min - week->from_min;
    return (int64_t)(n > 0 ? n : n + FREEZE_WEEK_MINUTES) * MINUTE_MS;
}

bool freeze_holds(const struct freeze_rule *rule, int64_t now_ms, int64_t *until_ms)
{
    int64_t until = rule->until_ms;
    bool is_inside = now_ms >= rule->from_ms && (until == 0 || now_ms < until);
    if (is_inside && rule->is_weekly) {
        int64_t end = last_begin(&rule->week, now_ms) + week_length_ms(&rule->week);
        is_inside = now_ms < end;
        until = until == 0 || end < until ? end : until;
    }
    if (until_ms != NULL)
        *until_ms = is_inside ? until : 0;
    return is_inside;
}

int64_t freeze_next_ms(const struct freeze_rule *rule, int64_t now_ms)
{
    int64_t next = rule->from_ms;
    if (rule->is_weekly) {
        int64_t from = now_ms > rule->from_ms ? now_ms : rule->from_ms - 1;
        next = last_begin(&rule->week, from) + WEEK_MS;
        /* Its first window may be under way already when it begins to count. */
        bool is_cut = now_ms < rule->from_ms && freeze_holds(rule, rule->from_ms, NULL);
        next = is_cut ? rule->from_ms : next;
    }
    if (next <= now_ms || (rule->until_ms != 0 && next >= rule->until_ms))
        return INT64_MAX;
    return next;
}
