/*
 * Queries to Prometheus as text: putting a rollout's words into one, sending it, reading the answer
 * of the instant query API. Pure; any thread.
 */
#ifndef MREG_PROMQL_H
#define MREG_PROMQL_H

#include "buf.h"
#include "window.h"

/* "$canary" in a query becomes the value. */
struct promql_word {
    const char *name; /* without the dollar */
    const char *value;
};

/* Appends the query with every $name of the n words replaced; others stay as they are. */
void promql_expand(const char *query, const struct promql_word *words, size_t n, struct buf *out);
/* Appends one more alternative to a regular expression of names, escaped for a quoted string of
 * PromQL: "n1|n\\.2". */
void promql_add_name(struct buf *regex, const char *name);
/* Appends text as it has to stand between double quotes. */
void promql_add_quoted(struct buf *out, const char *text);
/* Appends the body of a POST to /api/v1/query. */
void promql_body(const char *query, struct buf *out);

/* Reads an answer of that API, n bytes (borrowed), status of HTTP. Of several series the one counts
 * that is worst by the limits. look is WINDOW_EMPTY without any number, WINDOW_ERROR with the
 * reason in `why` if the query failed or the answer is something else; ts_ms is left alone. */
void promql_read(int status, const char *body, size_t n, const struct window_limits *l,
                 struct window_reading *out, char why[160]);

#endif
