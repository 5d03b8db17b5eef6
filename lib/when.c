/*
 * Time as text and back: RFC 3339 and durations. Works on the proleptic Gregorian calendar by
 * arithmetic alone, because libc's calendar functions read the environment. Reads no clock. Pure:
 * any thread.
 */
#include "when.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define FIRST_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00Z */
#define LAST_MS INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */
#define DURATION_MAX_MS (3650 * DAY_MS)
#define DAYS_0000_TO_1970 719528
#define DAYS_400_YEARS 146097

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 0000-01-01 to the first day of a year in 0..9999. */
static int64_t days_before_year(int year)
{
    int y = year - 1;
    return year == 0 ? 0 : (int64_t)year * 365 + y / 4 - y / 100 + y / 400 + 1;
}

static int64_t days_from_date(int year, int month, int day)
{
    int64_t days = days_before_year(year) - DAYS_0000_TO_1970;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return days + day - 1;
}

char *when_format(int64_t ms, char out[WHEN_TEXT_BYTES])
{
    ms = ms < FIRST_MS ? FIRST_MS : ms > LAST_MS ? LAST_MS : ms;
    int64_t since_0000 = ms - FIRST_MS;
    int64_t day = since_0000 / DAY_MS;
    int in_day = (int)(since_0000 % DAY_MS);
    int year = (int)(day * 400 / DAYS_400_YEARS); /* right or one off */
    while (days_before_year(year + 1) <= day)
        year++;
    while (days_before_year(year) > day)
        year--;
    int rest = (int)(day - days_before_year(year));
    int month = 1;
    for (; rest >= days_in_month(year, month); month++)
        rest -= days_in_month(year, month);
    int n = snprintf(out, WHEN_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, rest + 1,
                     in_day / 3600000, in_day / 60000 % 60, in_day / 1000 % 60);
    if (in_day % 1000)
        snprintf(out + n, WHEN_TEXT_BYTES - (size_t)n, ".%03dZ", in_day % 1000);
    else
        snprintf(out + n, WHEN_TEXT_BYTES - (size_t)n, "Z");
    return out;
}

/* Reads exactly n digits; false, with *p anywhere, if there are fewer. */
static bool read_digits(const char **p, int n, int *out)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return true;
}

static bool read_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool read_date(const char **p, int64_t *days)
{
    int year = 0;
    int month = 0;
    int day = 0;
    if (!read_digits(p, 4, &year) || !read_char(p, '-') || !read_digits(p, 2, &month) ||
        !read_char(p, '-') || !read_digits(p, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

/* Digits after the point; what is finer than a millisecond is dropped. */
static bool read_fraction(const char **p, int64_t *ms)
{
    if (**p < '0' || **p > '9')
        return false;
    int64_t unit = 100;
    for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        *ms += (**p - '0') * unit;
    return true;
}

static bool read_time(const char **p, int64_t *ms)
{
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!read_digits(p, 2, &hour) || !read_char(p, ':') || !read_digits(p, 2, &minute))
        return false;
    bool has_seconds = read_char(p, ':');
    if (has_seconds && !read_digits(p, 2, &second))
        return false;
    bool leap = second == 60 && minute == 59; /* counts as the first moment of the next minute */
    if (hour > 23 || minute > 59 || (second > 59 && !leap))
        return false;
    *ms = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
    return !has_seconds || !read_char(p, '.') || read_fraction(p, ms);
}

static bool read_offset(const char **p, int64_t *ms)
{
    *ms = 0;
    if (!**p || read_char(p, 'Z') || read_char(p, 'z'))
        return true;
    int sign = **p == '-' ? -1 : 1;
    int hour = 0;
    int minute = 0;
    if ((!read_char(p, '+') && !read_char(p, '-')) || !read_digits(p, 2, &hour) ||
        !read_char(p, ':') || !read_digits(p, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ms = sign * (hour * HOUR_MS + minute * MINUTE_MS);
    return true;
}

static bool read_when(const char *p, int64_t *ms)
{
    int64_t days = 0;
    int64_t in_day = 0;
    int64_t offset = 0;
    if (!read_date(&p, &days))
        return false;
    if (!*p) {
        *ms = days * DAY_MS + DAY_MS - 1;
        return true;
    }
    if (!read_char(&p, 'T') && !read_char(&p, 't') && !read_char(&p, ' '))
        return false;
    if (!read_time(&p, &in_day) || !read_offset(&p, &offset) || *p)
        return false;
    *ms = days * DAY_MS + in_day - offset;
    return *ms >= FIRST_MS && *ms <= LAST_MS;
}

int when_parse(const char *text, int64_t *ms, struct err *e)
{
    int64_t found = 0;
    if (!text || !read_when(text, &found))
        return err_set(e, ERR_INVALID,
                       "\"%.64s\" is not a time: write 2026-05-03T10:00 (UTC), "
                       "2026-05-03T10:00:00+02:00, or 2026-05-03 for the end of that day",
                       text ? text : "");
    *ms = found;
    return ERR_OK;
}

int when_parse_past(const char *text, int64_t now_ms, int64_t *ms, struct err *e)
{
    int rc = when_parse(text, ms, e);
    bool is_day = rc == ERR_OK && strlen(text) == strlen("2026-05-03");
    if (is_day && *ms > now_ms && *ms - DAY_MS < now_ms)
        *ms = now_ms;
    return rc;
}

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"d", DAY_MS}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}, {"ms", 1}};

/* Index of the unit at *p, which moves past it; ARRAY_LEN(units) if there is none. */
static size_t read_unit(const char **p)
{
    size_t i = strncmp(*p, "ms", 2) == 0 ? ARRAY_LEN(units) - 1 : 0;
    while (i < ARRAY_LEN(units) && **p != units[i].name[0])
        i++;
    if (i < ARRAY_LEN(units))
        *p += strlen(units[i].name);
    return i;
}

static bool read_duration(const char *p, int64_t *ms)
{
    int64_t total = 0;
    size_t next = 0; /* units before this one have been used */
    if (!*p)
        return false;
    if (strcmp(p, "0") == 0)
        p++; /* the only number that needs no unit */
    while (*p) {
        int64_t n = 0;
        if (*p < '0' || *p > '9')
            return false;
        for (; *p >= '0' && *p <= '9'; p++) {
            n = n * 10 + (*p - '0');
            if (n > DURATION_MAX_MS)
                return false;
        }
        size_t i = read_unit(&p);
        if (i < next || i >= ARRAY_LEN(units) || n > DURATION_MAX_MS / units[i].ms)
            return false;
        next = i + 1;
        total += n * units[i].ms;
    }
    *ms = total;
    return total <= DURATION_MAX_MS;
}

int when_parse_duration(const char *text, int64_t *ms, struct err *e)
{
    int64_t found = 0;
    if (!text || !read_duration(text, &found))
        return err_set(e, ERR_INVALID,
                       "\"%.64s\" is not a duration of up to 10 years: write 90s, 1h30m or 250ms",
                       text ? text : "");
    *ms = found;
    return ERR_OK;
}

char *when_format_duration(int64_t ms, char out[WHEN_TEXT_BYTES])
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t u = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t i = 0;
    while (i < ARRAY_LEN(units) - 1 && u < (uint64_t)units[i].ms)
        i++;
    uint64_t whole = u / (uint64_t)units[i].ms;
    uint64_t rest = u % (uint64_t)units[i].ms;
    if (units[i].ms == SECOND_MS && rest >= 100) {
        snprintf(out, WHEN_TEXT_BYTES, "%s%u.%us", sign, (unsigned)whole, (unsigned)(rest / 100));
        return out;
    }
    int n = snprintf(out, WHEN_TEXT_BYTES, "%s%" PRIu64 "%s", sign, whole, units[i].name);
    if (units[i].ms > SECOND_MS && rest >= (uint64_t)units[i + 1].ms)
        snprintf(out + n, WHEN_TEXT_BYTES - (size_t)n, " %" PRIu64 "%s",
                 rest / (uint64_t)units[i + 1].ms, units[i + 1].name);
    return out;
}
