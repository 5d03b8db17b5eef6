/*
 * JSON in: checked parsing and typed reads that name the place of a fault. JSON out, canonical
 * form: the bytes that are hashed, signed and put in git.
 *
 * Parsing and building use Jansson's json_t (reference counted; CLEANUP(json_decref_ptr)).
 * Responses are written with jsonw.h instead, which is faster.
 */
#ifndef MREG_JSON_H
#define MREG_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "buf.h"
#include "err.h"

#define JSON_MAX_DEPTH 64
#define JSON_MAX_INT INT64_C(9007199254740991) /* 2^53 - 1 */

/* For CLEANUP(json_decref_ptr) on a json_t *. */
void json_decref_ptr(json_t **j);

/* Parses n bytes (borrowed) of UTF-8 JSON: any value at the top, no duplicate keys, no U+0000,
 * nesting of at most max_depth, checked by a linear scan before Jansson recurses. *out: caller
 * owns one reference. ERR_INVALID with line and column in the message. */
MUST_USE int json_parse(const char *bytes, size_t n, int max_depth, json_t **out, struct err *e);

/*
 * Typed reads. `at` is the JSON pointer of `obj` itself ("" at the top, "/files/3"), used in
 * errors: the pointer of the fault is at + "/" + key. All strings are borrowed from obj.
 * ERR_INVALID: missing (unless optional), of another type, or out of bounds.
 */
/* String of 0..max_bytes bytes. */
MUST_USE int json_get_str(const json_t *obj, const char *at, const char *key, size_t max_bytes,
                          const char **out, struct err *e);
/* As above; *out is set to NULL when the member is absent. */
MUST_USE int json_opt_str(const json_t *obj, const char *at, const char *key, size_t max_bytes,
                          const char **out, struct err *e);
/* Integer in [lo, hi]. */
MUST_USE int json_get_int(const json_t *obj, const char *at, const char *key, int64_t lo,
                          int64_t hi, int64_t *out, struct err *e);
/* As above; *out keeps its value when absent. */
MUST_USE int json_opt_int(const json_t *obj, const char *at, const char *key, int64_t lo,
                          int64_t hi, int64_t *out, struct err *e);
/* Boolean; *out keeps its value when absent. */
MUST_USE int json_opt_bool(const json_t *obj, const char *at, const char *key, bool *out,
                           struct err *e);
/* Array of at most max_items; *out borrowed. */
MUST_USE int json_get_array(const json_t *obj, const char *at, const char *key, size_t max_items,
                            json_t **out, struct err *e);
/* Array or absent (*out = NULL). */
MUST_USE int json_opt_array(const json_t *obj, const char *at, const char *key, size_t max_items,
                            json_t **out, struct err *e);
/* Object or absent (*out = NULL). */
MUST_USE int json_opt_object(const json_t *obj, const char *at, const char *key, json_t **out,
                             struct err *e);
/* Gives the error of a failed check (rc not 0; e may be NULL) the pointer at + "/" + key, with '~'
 * and '/' of key escaped. Returns rc, also when it is 0. */
MUST_USE int json_blame(int rc, const char *at, const char *key, struct err *e);
/* Refuses members whose name is not in the NULL-terminated list `known`; suggests the nearest. */
MUST_USE int json_only(const json_t *obj, const char *at, const char *const *known, struct err *e);

/* Appends the canonical form of j to out: keys in byte order, one member or item per line, two
 * spaces of indent, LF after the last line, empty object "{}" and array "[]". ERR_INVALID for null,
 * real numbers, integers outside +-(2^53-1), U+0000, duplicate keys. Escapes only what JSON
 * demands: \" \\ and control characters as \b \f \n \r \t or \u00xx (lower-case hex). ERR_TOO_LARGE
 * when out is too small. On failure out is as it was before. */
MUST_USE int json_canonical(const json_t *j, struct buf *out, struct err *e);

/* Distance-based suggestion: the entry of the NULL-terminated list nearest to word (edit distance
 * <= 2, or a prefix), or NULL. Borrowed from the list. */
const char *json_nearest(const char *word, const char *const *list);

#endif
