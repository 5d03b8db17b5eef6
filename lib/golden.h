/*
 * Golden requests: files golden/<name>.json of a version that say what it must answer.
 *
 *     {"request": <body sent to the model>, "expect": <pattern of the answer>, "tolerance": 1e-6}
 *
 * The pattern names only what matters: each member of an expected object must be in the answer and
 * match; other members of the answer are ignored. Numbers may differ by `tolerance` (absolute,
 * default 1e-6), strings and booleans are equal, arrays have the same length. The tensors under
 * "outputs" are found by name when the pattern names them, and their "data" may be flat on one side
 * and nested on the other, as the v2 inference protocol allows.
 */
#ifndef MREG_GOLDEN_H
#define MREG_GOLDEN_H

#include "json.h"

#define GOLDEN_MAX_BYTES ((size_t)4 << 20)

struct golden {
    json_t *document;               /* owned */
    const json_t *request, *expect; /* inside document */
    double tolerance;
};

/* Reads a golden file of n bytes (borrowed). *out: caller ends with golden_clear. ERR_INVALID with
 * the pointer of the fault; ERR_TOO_LARGE. Any thread. */
MUST_USE int golden_parse(const char *text, size_t n, struct golden *out, struct err *e);
/* Frees what golden_parse made. Accepts NULL and a zeroed struct; for CLEANUP. */
void golden_clear(struct golden *g);
/* The request's bytes in arena, *n of them. */
char *golden_request(const struct golden *g, struct arena *a, size_t *n);
/* True if the answer (n bytes, borrowed) is as expected; else why (cap bytes) says where the first
 * difference is. */
bool golden_matches(const struct golden *g, const char *answer, size_t n, char *why, size_t cap);

#endif
