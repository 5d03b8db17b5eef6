/*
 * Writes log lines. The only writable state is what log_configure sets; each line is built on the
 * heap of its thread and written by one write(2). Must not know what it logs. Any thread.
 */
#include "log.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "jsonw.h"
#include "when.h"

#define LINE_MAX_BYTES 8192

static _Atomic int least_level = LOG_INFO;
static _Atomic int chosen_format = LOG_AUTO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_configure(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&chosen_format, (int)format);
}

static bool is_json(void)
{
    int format = atomic_load(&chosen_format);
    return format == LOG_JSON || (format == LOG_AUTO && !isatty(STDERR_FILENO));
}

/* Tokens can stand where clients do not expect to be read, in a path for example. */
static void mask_tokens(char *text)
{
    for (char *at = text; at && (at = strstr(at, "mrg_"));) {
        at += 4;
        for (size_t n = 0; isalnum((unsigned char)*at); at++)
            *at = n++ < 2 ? *at : '*';
    }
}

static void write_line(struct buf *b)
{
    mask_tokens(b->data);
    buf_putc(b, '\n');
    /* Nothing sensible can be done when the log cannot be written. */
    ssize_t n = write(STDERR_FILENO, buf_str(b), b->len);
    (void)n;
}

static void begin_json(struct jsonw *w, struct buf *b, enum log_level level, const char *action)
{
    jsonw_init(w, b);
    jsonw_object(w, NULL);
    jsonw_time(w, "@timestamp", clock_wall_ms());
    jsonw_str(w, "log.level", level_names[level]);
    jsonw_str(w, "ecs.version", "8.11.0");
    jsonw_str(w, "event.action", action);
}

static void write_message(enum log_level level, const char *action, const char *message)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, LINE_MAX_BYTES);
    if (is_json()) {
        struct jsonw w;
        begin_json(&w, &b, level, action);
        jsonw_str(&w, "message", message);
        jsonw_end(&w);
    } else {
        char now[WHEN_TEXT_BYTES];
        buf_putf(&b, "%s %-7s %s: %s", when_format(clock_wall_ms(), now), level_names[level],
                 action, message);
    }
    write_line(&b);
}

void log_line(enum log_level level, const char *action, const char *fmt, ...)
{
    if ((int)level < atomic_load(&least_level))
        return;
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    write_message(level, action, message);
}

void log_err(enum log_level level, const char *action, const struct err *e)
{
    log_line(level, action, "%s: %s", err_name(e->code), e->message);
}

static void access_json(struct buf *b, enum log_level level, const struct log_access *a)
{
    struct jsonw w;
    begin_json(&w, b, level, "request");
    jsonw_strf(&w, "message", "%s %s %d", a->method, a->route, a->status);
    jsonw_str(&w, "http.request.id", a->id);
    jsonw_str(&w, "http.request.method", a->method);
    jsonw_str(&w, "url.path", a->route);
    jsonw_int(&w, "http.response.status_code", a->status);
    jsonw_int(&w, "http.response.body.bytes", a->bytes);
    jsonw_int(&w, "event.duration", a->duration_us * 1000);
    if (a->actor[0])
        jsonw_str(&w, "user.id", a->actor);
    jsonw_str(&w, "source.ip", a->remote);
    jsonw_str(&w, "error.message", a->error);
    jsonw_end(&w);
}

void log_access_line(const struct log_access *a)
{
    enum log_level level = a->status >= 500 ? LOG_WARNING : LOG_INFO;
    if ((int)level < atomic_load(&least_level))
        return;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, LINE_MAX_BYTES);
    if (is_json()) {
        access_json(&b, level, a);
    } else {
        char now[WHEN_TEXT_BYTES];
        buf_putf(&b, "%s %-7s %s %s %s %d %lld.%03lldms %s%s%s", when_format(clock_wall_ms(), now),
                 level_names[level], a->id, a->method, a->route, a->status,
                 (long long)(a->duration_us / 1000), (long long)(a->duration_us % 1000), a->actor,
                 a->error ? " " : "", a->error ? a->error : "");
    }
    write_line(&b);
}
