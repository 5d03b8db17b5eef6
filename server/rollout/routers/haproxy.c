/*
 * HAProxy by its Runtime API: one command per line, text as an answer. An empty line means that a
 * command worked, a sentence that it did not. Weights are set as absolute numbers, since a server
 * that is configured with weight 0 cannot be raised by percent. What HAProxy does is read from its
 * table of statistics, by the names of its columns. Pure: no network, clock or database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routers.h"
#include "traffic.h"
#include "words.h"

#define MAX_WEIGHT 256
/* A line has to fit into HAProxy's buffer (tune.bufsize, 16 KiB by default). */
#define SERVERS_PER_CALL 40
#define LOOK_MAX_BYTES ((size_t)8 << 20)

static int n_calls(const struct router_request *rq)
{
    const struct router_pool *pool = &rq->pools[rq->at];

    if (rq->action == ROUTER_LOOK || pool->n_servers == 0)
        return 1;
    return (pool->n_servers + SERVERS_PER_CALL - 1) / SERVERS_PER_CALL;
}

/* --- commands --------------------------------------------------------------------------------- */

static int make_set(const struct router_pool *pool, int k, struct arena *a, const char **text,
                    struct err *e)
{
    int from = k * SERVERS_PER_CALL;
    int to = from + SERVERS_PER_CALL < pool->n_servers ? from + SERVERS_PER_CALL : pool->n_servers;
    int *shares = arena_alloc(a, ((size_t)pool->n_servers + 1) * sizeof(*shares));
    int *weights = arena_alloc(a, ((size_t)pool->n_servers + 1) * sizeof(*weights));
    char *line = arena_alloc(a, (size_t)SERVERS_PER_CALL * (2 * ROUTING_NAME_MAX + 40));
    size_t size = (size_t)SERVERS_PER_CALL * (2 * ROUTING_NAME_MAX + 40);
    size_t used = 0;

    for (int i = 0; i < pool->n_servers; i++)
        shares[i] = pool->servers[i].share_bp;
    traffic_weights(shares, pool->n_servers, MAX_WEIGHT, weights);
    for (int i = from; i < to; i++) {
        if (!routing_name_ok(pool->servers[i].name))
            return err_set(e, ERR_INVALID, "HAProxy has no server names like \"%.100s\"",
                           pool->servers[i].name);
        used +=
            (size_t)snprintf(line + used, size - used, "%sset server %s/%s weight %d",
                             i > from ? ";" : "", pool->backend, pool->servers[i].name, weights[i]);
    }
    *text = arena_printf(a, "%s\n", line);
    return ERR_OK;
}

static int make(const struct router_request *rq, int k, struct arena *a, struct router_call *out,
                struct err *e)
{
    const struct router_pool *pool = &rq->pools[rq->at];

    *out = (struct router_call){.kind = ROUTER_CALL_LINES};
    out->lines.address = rq->config->address;
    out->lines.timeout_ms = rq->timeout_ms;
    out->lines.max_answer_bytes = LOOK_MAX_BYTES;
    if (!routing_name_ok(pool->backend))
        return err_set(e, ERR_INVALID, "HAProxy has no backend names like \"%.100s\"",
                       pool->backend);
    if (rq->action == ROUTER_LOOK) {
        out->lines.text = arena_printf(a, "show stat %s 4 -1\n", pool->backend);
        return ERR_OK;
    }
    return make_set(pool, k, a, &out->lines.text, e);
}

/* --- the table -------------------------------------------------------------------------------- */

enum column {
    COL_PROXY,
    COL_SERVER,
    COL_QUEUED,
    COL_SESSIONS,
    COL_TOTAL,
    COL_ECON,
    COL_ERESP,
    COL_STATUS,
    COL_WEIGHT,
    COL_5XX,
    COL_UWEIGHT,
    COL_COUNT
};
static const char *const column_names[COL_COUNT] = {
    [COL_PROXY] = "pxname",  [COL_SERVER] = "svname",  [COL_QUEUED] = "qcur",
    [COL_SESSIONS] = "scur", [COL_TOTAL] = "stot",     [COL_ECON] = "econ",
    [COL_ERESP] = "eresp",   [COL_STATUS] = "status",  [COL_WEIGHT] = "weight",
    [COL_5XX] = "hrsp_5xx",  [COL_UWEIGHT] = "uweight"};

struct cell {
    const char *p;
    size_t n;
};

/* The next cell of a line; false at its end. Cells with commas or quotes are quoted, quotes are
 * doubled: the inside is taken as it is, for none of the columns of interest has any. */
static bool next_cell(const char **at, const char *end, struct cell *out)
{
    const char *p = *at;

    if (p == NULL)
        return false;
    if (p < end && *p == '"') {
        const char *close = p + 1;

        while (close < end && (*close != '"' || (close + 1 < end && close[1] == '"')))
            close += *close == '"' ? 2 : 1;
        *out = (struct cell){p + 1, (size_t)((close < end ? close : end) - p - 1)};
        p = close < end ? close + 1 : end;
    } else {
        const char *comma = memchr(p, ',', (size_t)(end - p));

        *out = (struct cell){p, (size_t)((comma != NULL ? comma : end) - p)};
        p = comma != NULL ? comma : end;
    }
    while (p < end && *p != ',')
        p++;
    *at = p < end ? p + 1 : NULL;
    return true;
}

static bool is_text(const struct cell *c, const char *text)
{
    return c->n == strlen(text) && memcmp(c->p, text, c->n) == 0;
}

static int64_t number_of(const struct cell *c)
{
    int64_t v = 0;

    for (size_t i = 0; i < c->n && v < INT64_MAX / 20; i++) {
        if (c->p[i] < '0' || c->p[i] > '9')
            return 0;
        v = v * 10 + (c->p[i] - '0');
    }
    return v;
}

/* Which column is where: index by column, -1 if the table lacks it. */
static void read_head(const char *line, const char *end, int place[COL_COUNT])
{
    const char *at = line;
    struct cell c;

    for (int k = 0; k < COL_COUNT; k++)
        place[k] = -1;
    for (int i = 0; next_cell(&at, end, &c); i++) {
        for (int k = 0; k < COL_COUNT; k++)
            if (place[k] < 0 && is_text(&c, column_names[k]))
                place[k] = i;
    }
}

static void read_row(const char *line, const char *end, const int place[COL_COUNT],
                     struct cell cells[COL_COUNT])
{
    const char *at = line;
    struct cell c;

    for (int k = 0; k < COL_COUNT; k++)
        cells[k] = (struct cell){"", 0};
    for (int i = 0; next_cell(&at, end, &c); i++) {
        for (int k = 0; k < COL_COUNT; k++)
            if (place[k] == i)
                cells[k] = c;
    }
}

static bool starts_with(const struct cell *c, const char *text)
{
    return c->n >= strlen(text) && memcmp(c->p, text, strlen(text)) == 0;
}

static int clamp(int64_t v)
{
    return v > 1000000 ? 1000000 : (int)v;
}

static void take_row(const struct router_pool *pool, const int place[COL_COUNT],
                     const struct cell cells[COL_COUNT], struct router_result *out)
{
    const struct cell *weight = &cells[place[COL_UWEIGHT] >= 0 ? COL_UWEIGHT : COL_WEIGHT];
    const struct cell *status = &cells[COL_STATUS];
    int found = -1;

    for (int i = 0; i < pool->n_servers && found < 0; i++)
        if (is_text(&cells[COL_SERVER], pool->servers[i].name))
            found = i;
    if (found < 0) {
        out->n_others += number_of(weight) > 0;
        return;
    }
    out->seen[found] = (struct router_seen){
        .is_known = true,
        .is_up = starts_with(status, "UP") || starts_with(status, "no check"),
        .weight = clamp(number_of(weight)),
        .n_sessions = clamp(number_of(&cells[COL_SESSIONS])) + clamp(number_of(&cells[COL_QUEUED])),
        .n_requests = number_of(&cells[COL_TOTAL]),
        .n_errors =
            number_of(&cells[COL_ECON]) + number_of(&cells[COL_ERESP]) + number_of(&cells[COL_5XX]),
    };
}

static void reject(struct router_result *out, const char *p, size_t n)
{
    struct driver_result words = {.text = "HAProxy says: "};

    words_add(&words, p, n);
    out->fault = FAULT_REJECTED;
    memcpy(out->text, words.text, sizeof(out->text));
}

static void read_table(const struct router_request *rq, const char *p, const char *end,
                       struct router_result *out)
{
    const struct router_pool *pool = &rq->pools[rq->at];
    int place[COL_COUNT];
    struct cell cells[COL_COUNT];
    bool is_head = true;

    for (const char *line = p, *next; line < end; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));

        stop = stop != NULL ? stop : end;
        next = stop < end ? stop + 1 : end;
        if (is_head) {
            read_head(line + 2, stop, place);
            is_head = false;
            if (place[COL_SERVER] < 0 || place[COL_WEIGHT] < 0 || place[COL_SESSIONS] < 0) {
                reject(out, "its table of statistics lacks columns", 37);
                return;
            }
            continue;
        }
        if (stop == line)
            continue;
        read_row(line, stop, place, cells);
        if (is_text(&cells[COL_PROXY], pool->backend))
            take_row(pool, place, cells, out);
    }
    out->has_pool = out->has_counts = true;
}

static void read_look(const struct router_request *rq, const char *p, size_t n,
                      struct router_result *out)
{
    if (n > 2 && memcmp(p, "# ", 2) == 0) {
        read_table(rq, p, p + n, out);
        return;
    }
    /* That the backend is not there is an answer. */
    if (n >= 14 && memcmp(p, "No such proxy.", 14) == 0) {
        snprintf(out->text, sizeof(out->text), "HAProxy has no backend \"%.100s\"",
                 rq->pools[rq->at].backend);
        return;
    }
    reject(out, p, strcspn(p, "\n"));
}

static bool read_answer(const struct router_request *rq, int k, const struct http_answer *answer,
                        const struct err *error, struct router_result *out)
{
    const char *p;
    size_t blank;

    (void)error;
    if (!router_answered(answer, rq->action == ROUTER_LOOK, out))
        return false;
    p = answer->body != NULL ? answer->body : "";
    if (rq->action == ROUTER_LOOK) {
        read_look(rq, p, answer->body_len, out);
        return false;
    }
    blank = strspn(p, "\r\n ");
    if (blank < answer->body_len) {
        reject(out, p + blank, strcspn(p + blank, "\n"));
        return false;
    }
    return k + 1 < n_calls(rq);
}

const struct router_driver router_haproxy = {
    .name = "haproxy",
    .flags = ROUTER_COUNTS,
    .max_weight = MAX_WEIGHT,
    .n_calls = n_calls,
    .make = make,
    .read = read_answer,
};
