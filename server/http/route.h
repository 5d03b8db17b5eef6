/*
 * Path and method to a row of the route table. The table comes from above (api.c); this folder
 * knows only its shape.
 */
#ifndef MREG_ROUTE_H
#define MREG_ROUTE_H

#include "request.h"

#define ROUTER_MAX_ROWS 256

struct router;

/* Joins row arrays (each ends with a row whose handler is NULL; the list ends with NULL; both
 * borrowed) and checks every row: pattern, permission, parameters, no two alike. *out: caller
 * frees. ERR_INTERNAL names the bad row. */
MUST_USE int router_new(const struct route *const *tables, struct router **out, struct err *e);
void router_free(struct router *r);
size_t router_count(const struct router *r);
/* Row i of router_count, in the order of the tables. */
const struct route *router_row(const struct router *r, size_t i);

struct match {
    size_t index;            /* of the row */
    const struct route *row; /* NULL: no row has this path, or none with this method */
    const char *params[REQUEST_MAX_PARAMS]; /* decoded, in arena */
    unsigned methods; /* bit set of enum method: what the path allows; 0: no such path */
};
/* Finds the row for an undecoded path that passed guard_path. Literal segments win over {names}.
 * Any thread. */
void router_match(const struct router *r, enum method method, const char *path, struct arena *a,
                  struct match *out);

/* Name of a method; METHOD_COUNT: "". */
const char *method_name(enum method m);
/* METHOD_COUNT if it is none of the table's. */
enum method method_parse(const char *name);
/* A bit set of methods as an Allow field: "GET, HEAD, PUT". */
void method_list(unsigned methods, char out[64]);
/* Name of a permission as in the API listing ("reader"). */
const char *permission_name(enum permission p);

#endif
