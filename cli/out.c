/*
 * Terminal or pipe: tones, sizes, relative times. Knows nothing of commands or the registry.
 */
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "when.h"

static int terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    long n = columns ? strtol(columns, NULL, 10) : 0;
    if (n >= 20 && n <= 1000)
        return (int)n;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

const char *const out_formats[] = {"auto", "table", "wide", "json",  "ndjson",
                                   "yaml", "name",  "id",   "plain", NULL};

void out_set_format(struct out *o, enum format format)
{
    o->format = format;
    o->is_json = format >= FORMAT_JSON && format <= FORMAT_ID;
}

int out_set_progress(struct out *o, const char *style, struct err *e)
{
    static const char *const names[] = {"auto", "bar", "plain", "json", "none"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(style, names[i]) == 0) {
            o->progress = (enum progress_style)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "--progress %.40s: wanted auto, bar, plain, json or none",
                   style);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

void out_set_colour(struct out *o, const char *when)
{
    const char *term = getenv("TERM");
    const char *force = getenv("CLICOLOR_FORCE");
    bool is_forced = force && *force && strcmp(force, "0") != 0;
    bool is_refused = is_set("NO_COLOR") || (term && strcmp(term, "dumb") == 0);
    bool is_always = strcmp(when, "always") == 0;
    bool is_auto = strcmp(when, "auto") == 0;
    o->has_colour = is_always || (is_auto && (is_forced || (o->stdout_is_tty && !is_refused)));
    o->stderr_has_colour =
        is_always || (is_auto && (is_forced || (o->stderr_is_tty && !is_refused)));
}

bool out_is_aligned(const struct out *o)
{
    return o->format == FORMAT_TABLE || o->format == FORMAT_WIDE ||
           (o->format == FORMAT_AUTO && o->stdout_is_tty);
}

bool out_is_short(const struct out *o)
{
    return out_is_aligned(o) && o->format != FORMAT_WIDE;
}

bool out_tells_errors(const struct out *o)
{
    return o->is_json && !o->filter && o->format != FORMAT_NAME && o->format != FORMAT_ID;
}

void out_init(struct out *o)
{
    *o = (struct out){.columns = terminal_width()};
    o->stdout_is_tty = isatty(STDOUT_FILENO);
    o->stderr_is_tty = isatty(STDERR_FILENO);
    out_set_colour(o, "auto");
}

void out_say(const struct out *o, const char *fmt, ...)
{
    if (o->is_quiet || o->is_json)
        return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static const char *tone_code(enum tone tone)
{
    static const char *const codes[] = {
        [TONE_PLAIN] = "",        [TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[31m",
        [TONE_WARN] = "\033[33m", [TONE_FAINT] = "\033[2m", [TONE_STRONG] = "\033[1m",
    };
    return codes[tone];
}

const char *out_on(const struct out *o, enum tone tone)
{
    bool is_hard_to_read = tone == TONE_FAINT && o->is_accessible;
    return o->has_colour && !is_hard_to_read ? tone_code(tone) : "";
}

const char *out_err_on(const struct out *o, enum tone tone)
{
    return o->stderr_has_colour ? tone_code(tone) : "";
}

const char *out_err_off(const struct out *o)
{
    return o->stderr_has_colour ? "\033[0m" : "";
}

char *out_clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
            p[0] = p[1] = ' ';
    }
    return text;
}

const char *out_off(const struct out *o)
{
    return o->has_colour ? "\033[0m" : "";
}

int64_t out_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* SOURCE_DATE_EPOCH makes output that can be compared. */
static int64_t now_seconds(void)
{
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    int64_t n = fixed && *fixed ? strtoll(fixed, NULL, 10) : 0;
    return n > 0 ? n : out_now_ms() / 1000;
}

const char *out_ago(const struct out *o, const char *text, char buffer[40])
{
    int64_t ms;
    if (!text || !*text)
        return "";
    if (!out_is_short(o) || when_parse(text, &ms, NULL) != ERR_OK) {
        snprintf(buffer, 40, "%s", text);
        return buffer;
    }
    int64_t seconds = (o->as_of_ms ? o->as_of_ms / 1000 : now_seconds()) - ms / 1000;
    static const struct {
        int64_t unit;
        const char *word;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (seconds >= units[i].unit) {
            snprintf(buffer, 40, "%lld %s ago", (long long)(seconds / units[i].unit),
                     units[i].word);
            return buffer;
        }
    }
    return "now";
}

const char *out_bytes(int64_t n, char buffer[24])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)n;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1000;
        unit++;
    }
    snprintf(buffer, 24, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}
