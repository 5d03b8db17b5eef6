/*
 * Log lines on stderr: JSON objects (ECS names), or text on a terminal. Used at the edges only:
 * serve.c, the controller, the mains. A line is one write, so lines of threads do not mix.
 */
#ifndef MREG_LOG_H
#define MREG_LOG_H

#include <stdbool.h>

#include "err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_TEXT };

/* May be called again at any time (SIGHUP). */
void log_configure(enum log_level least, enum log_format format);
/* One line. `action` is a fixed word ("start", "watchdog"); never pass secrets. Any thread. */
void log_line(enum log_level level, const char *action, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "action failed: code: message". */
void log_err(enum log_level level, const char *action, const struct err *e);

/* One finished request. All strings borrowed; actor may be "". */
struct log_access {
    const char *id, *method, *route, *actor, *remote;
    int status;
    int64_t duration_us, bytes;
    const char *error; /* message of an error answer, or NULL */
};
void log_access_line(const struct log_access *a);

#endif
