/*
 * A growing byte buffer that knows its maximum. Writing past the maximum keeps what was there,
 * drops the rest and sets `full`: check buf_ok() once at the end instead of after every write.
 * The bytes are always followed by a NUL that is not counted.
 */
#ifndef MREG_BUF_H
#define MREG_BUF_H

#include <stdbool.h>

#include "mem.h"

struct buf {
    char *data; /* NULL until the first write; use buf_str() for a string */
    size_t len;
    size_t cap;
    size_t max;
    bool full;
};

/* Empty buffer that may grow to max_bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);
/* Frees the bytes; the buffer is then empty with the same maximum. Accepts NULL. */
void buf_clear(struct buf *b);
/* Forgets the content but keeps the memory. */
void buf_reset(struct buf *b);
/* Appends n bytes of p (borrowed). */
void buf_put(struct buf *b, const void *p, size_t n);
/* Appends the string s (borrowed). */
void buf_puts(struct buf *b, const char *s);
/* Appends one byte. */
void buf_putc(struct buf *b, char c);
/* Appends formatted text. */
void buf_putf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Makes room for n more bytes and returns where to write them, or NULL when that would pass the
 * maximum (and sets full). Follow with buf_grown(). */
char *buf_room(struct buf *b, size_t n);
/* Counts n bytes written into the room. */
void buf_grown(struct buf *b, size_t n);
/* The content as a string, never NULL; valid until the next write. */
const char *buf_str(const struct buf *b);
/* True if everything written fitted. */
bool buf_ok(const struct buf *b);

#endif
