/*
 * Memory and compiler attributes.
 *
 * An arena owns everything that one request or one tick allocates; it all dies together.
 * Running out of memory stops the process (crash-only design: a restart always resumes), so no
 * function here ever returns NULL.
 */
#ifndef MREG_MEM_H
#define MREG_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Zeroed heap memory of n bytes (n may be 0). Caller frees with free(). Stops the process on OOM.
 */
void *mem_alloc(size_t n);
/* Resizes p (or NULL) to n items of `size` bytes, overflow-checked; new bytes are not zeroed.
 * Caller frees with free(). */
void *mem_resize(void *p, size_t n, size_t size);
/* Heap copy of the NUL-terminated s (borrowed). Caller frees with free(). NULL gives NULL. */
char *mem_strdup(const char *s);

/* True if both are NULL, or both are the same text. */
bool mem_same_text(const char *a, const char *b);

/* For CLEANUP(mem_free_ptr): frees the pointer that p points at. */
void mem_free_ptr(void *p);

struct arena_block;
struct arena {
    struct arena_block *head;
};

/* Makes an empty arena; allocates nothing. */
void arena_init(struct arena *a);
/* Frees all memory of the arena, which is then empty and usable. Accepts NULL. */
void arena_clear(struct arena *a);
/* Zeroed memory of n bytes, aligned for any type, owned by the arena. */
void *arena_alloc(struct arena *a, size_t n);
/* Copy of n bytes of p plus a NUL byte, in arena. */
void *arena_copy(struct arena *a, const void *p, size_t n);
/* Room for one more item of a list that has n, in arena: the list itself or a copy of it. NULL is
 * the empty list; size: of one item. */
void *arena_grow(struct arena *a, void *items, size_t n, size_t size);
/* Copy of the string s, in arena. NULL gives NULL. */
char *arena_strdup(struct arena *a, const char *s);
/* Formatted string, in arena. */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
