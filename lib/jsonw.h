/*
 * Append-only JSON writer for responses: no tree, no recursion. Commas are put by the writer.
 *
 *     jsonw_object(&w, NULL); jsonw_str(&w, "name", m.name); jsonw_end(&w);
 *
 * `key` is NULL inside arrays and at the top. Numbers may be anything JSON allows; text is escaped
 * (invalid UTF-8 bytes become U+FFFD). Overflow of the buffer shows in buf_ok(w->out).
 */
#ifndef MREG_JSONW_H
#define MREG_JSONW_H

#include <stdbool.h>

#include "buf.h"

#define JSONW_MAX_DEPTH 32

struct jsonw {
    struct buf *out; /* borrowed */
    int depth;
    bool in_array[JSONW_MAX_DEPTH];
    bool has_items[JSONW_MAX_DEPTH];
};

/* Starts writing compact JSON at the end of out (borrowed, outlives w). */
void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_array(struct jsonw *w, const char *key);
/* Ends the innermost object or array. */
void jsonw_end(struct jsonw *w);
/* A string; NULL writes nothing at all (absent instead of null) inside an object. */
void jsonw_str(struct jsonw *w, const char *key, const char *s);
void jsonw_strn(struct jsonw *w, const char *key, const char *s, size_t n);
void jsonw_strf(struct jsonw *w, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void jsonw_int(struct jsonw *w, const char *key, int64_t v);
/* Finite doubles with up to 6 significant decimals; non-finite writes nothing. */
void jsonw_real(struct jsonw *w, const char *key, double v);
void jsonw_bool(struct jsonw *w, const char *key, bool v);
/* RFC 3339 UTC text of a time in milliseconds; 0 writes nothing. */
void jsonw_time(struct jsonw *w, const char *key, int64_t ms);
/* Already valid JSON text, spliced as it is. */
void jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t n);

#endif
