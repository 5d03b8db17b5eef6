/*
 * nginx by a generated file of upstreams, included at the level of "http". What nginx really does
 * is never assumed: the file also defines the variable $mreg_router, a location of the operator
 * returns it, and only that answer is believed. A location that mirrors finds the upstream of the
 * mirrored nodes in $mreg_mirror_<pool>. Old worker processes that have not ended yet tell that
 * requests under the former weights may still be in flight. Pure: no network, files or clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "reload.h"
#include "routers.h"
#include "traffic.h"

#define STATE_MAX_BYTES ((size_t)1 << 20)
#define FILE_MAX_BYTES ((size_t)8 << 20)
/* A word of nginx's configuration has less than 4096 bytes. */
#define PART_BYTES 3000
#define MAX_PARTS 200

enum look_call { LOOK_FILE, LOOK_STATE, LOOK_CALLS };

static int n_calls(const struct router_request *rq)
{
    return rq->action == ROUTER_LOOK ? LOOK_CALLS : 1;
}

/* --- the file --------------------------------------------------------------------------------- */

static bool is_dull(const struct router_pool *pool)
{
    for (int i = 0; i < pool->n_servers; i++)
        if (pool->servers[i].is_mirrored && pool->servers[i].address != NULL)
            return false;
    return true;
}

/* A name as variables of nginx have it. */
static char *variable(struct arena *a, const char *pool)
{
    char *name = arena_strdup(a, pool);

    for (char *p = name; *p != '\0'; p++)
        *p = *p == '-' || *p == '.' ? '_' : *p;
    return name;
}

/* Server lines; mirrored: those that get copies, equally. */
static void put_upstream(struct buf *out, const struct router_pool *pool, bool mirrored)
{
    int n = 0;

    buf_putf(out, "upstream %s%s {\n    zone mreg_%s%s %dk;\n", pool->backend,
             mirrored ? "-mirror" : "", pool->backend, mirrored ? "-mirror" : "",
             128 + 2 * pool->n_servers);
    for (int i = 0; i < pool->n_servers; i++) {
        const struct router_server *s = &pool->servers[i];

        if (s->address == NULL || (mirrored && !s->is_mirrored))
            continue;
        n++;
        if (mirrored)
            buf_putf(out, "    server %s; # %s\n", s->address, s->name);
        else if (s->share_bp > 0)
            buf_putf(out, "    server %s weight=%d; # %s\n", s->address, s->share_bp, s->name);
        else
            buf_putf(out, "    server %s down; # %s\n", s->address, s->name);
    }
    if (n == 0)
        buf_puts(out, "    server 127.0.0.1:1 down; # no node yet\n");
    buf_puts(out, "}\n");
}

static void put_state(struct buf *out, const struct router_request *rq)
{
    buf_putf(out, "mreg %" PRId64, rq->generation);
    for (int k = 0; k < rq->n_pools; k++) {
        const struct router_pool *pool = &rq->pools[k];

        buf_putf(out, ";%s", pool->backend);
        for (int i = 0; i < pool->n_servers; i++)
            if (pool->servers[i].address != NULL)
                buf_putf(out, " %s=%d%s", pool->servers[i].name, pool->servers[i].share_bp,
                         pool->servers[i].is_mirrored ? "m" : "");
    }
}

/* The state in parts that are short enough, and the variable that joins them. */
static int put_variables(struct buf *out, const struct router_request *rq, struct arena *a,
                         struct err *e)
{
    struct buf state CLEANUP(buf_clear);
    size_t n_parts;

    buf_init(&state, (size_t)PART_BYTES * MAX_PARTS);
    put_state(&state, rq);
    if (!buf_ok(&state))
        return err_set(e, ERR_INVALID, "too many nodes and models for one nginx router");
    n_parts = (state.len + PART_BYTES - 1) / PART_BYTES;
    for (size_t k = 0; k < n_parts; k++)
        buf_putf(out, "map \"\" $mreg_router_%zu { default \"%.*s\"; }\n", k, PART_BYTES,
                 buf_str(&state) + k * PART_BYTES);
    buf_puts(out, "map \"\" $mreg_router { default \"");
    for (size_t k = 0; k < n_parts; k++)
        buf_putf(out, "${mreg_router_%zu}", k);
    buf_puts(out, "\"; }\n");
    for (int k = 0; k < rq->n_pools; k++) {
        const struct router_pool *pool = &rq->pools[k];

        buf_putf(out, "map \"\" $mreg_mirror_%s { default \"%s%s\"; }\n",
                 variable(a, pool->backend), is_dull(pool) ? "" : pool->backend,
                 is_dull(pool) ? "" : "-mirror");
    }
    return ERR_OK;
}

static int check_names(const struct router_request *rq, struct arena *a, struct err *e)
{
    for (int k = 0; k < rq->n_pools; k++) {
        const struct router_pool *pool = &rq->pools[k];

        if (!routing_name_ok(pool->backend))
            return err_set(e, ERR_INVALID, "nginx has no upstream names like \"%.100s\"",
                           pool->backend);
        for (int i = 0; i < pool->n_servers; i++)
            if (!routing_name_ok(pool->servers[i].name))
                return err_set(e, ERR_INVALID, "a node cannot be called \"%.100s\" in nginx",
                               pool->servers[i].name);
        for (int i = 0; i < k; i++)
            if (strcmp(variable(a, pool->backend), variable(a, rq->pools[i].backend)) == 0)
                return err_set(e, ERR_INVALID, "upstreams %.100s and %.100s are the same to nginx",
                               pool->backend, rq->pools[i].backend);
    }
    return ERR_OK;
}

static int make_file(const struct router_request *rq, struct arena *a, const char **text,
                     struct err *e)
{
    struct buf out CLEANUP(buf_clear);
    int rc;

    buf_init(&out, FILE_MAX_BYTES);
    if ((rc = check_names(rq, a, e)) != ERR_OK)
        return rc;
    buf_puts(&out, RELOAD_MARK "\n");
    for (int k = 0; k < rq->n_pools; k++) {
        put_upstream(&out, &rq->pools[k], false);
        if (!is_dull(&rq->pools[k]))
            put_upstream(&out, &rq->pools[k], true);
    }
    if ((rc = put_variables(&out, rq, a, e)) != ERR_OK)
        return rc;
    if (!buf_ok(&out))
        return err_set(e, ERR_INVALID, "too many nodes and models for one nginx router");
    *text = arena_strdup(a, buf_str(&out));
    return ERR_OK;
}

static int make(const struct router_request *rq, int k, struct arena *a, struct router_call *out,
                struct err *e)
{
    *out = (struct router_call){.kind = ROUTER_CALL_RELOAD, .service = "nginx"};
    if (rq->action == ROUTER_SET)
        return make_file(rq, a, &out->text, e);
    if (k == LOOK_FILE)
        return ERR_OK;
    out->kind = ROUTER_CALL_HTTP;
    out->http = (struct http_call){.method = "GET",
                                   .url = rq->config->address,
                                   .timeout_ms = rq->timeout_ms,
                                   .max_answer_bytes = STATE_MAX_BYTES};
    return ERR_OK;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void set_fault(struct router_result *out, enum fault fault, const char *text)
{
    out->fault = fault;
    snprintf(out->text, sizeof(out->text), "%.*s", (int)sizeof(out->text) - 1, text);
}

/* The number behind a word at the start of a line, or `none`. */
static int number_after(const char *text, const char *word, int none)
{
    const char *at = text;

    while (at != NULL) {
        if (strncmp(at, word, strlen(word)) == 0)
            return (int)strtol(at + strlen(word), NULL, 10);
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return none;
}

static bool read_reload(const struct router_request *rq, const struct http_answer *answer,
                        const struct err *error, struct router_result *out)
{
    const char *text = answer->body != NULL ? answer->body : "";

    out->is_missing = number_after(text, "exists ", 1) == 0;
    out->n_draining = number_after(text, "draining ", -1);
    if (error->code == ERR_OK && rq->action == ROUTER_LOOK && out->is_missing)
        set_fault(out, FAULT_NOT_FOUND, "the generated file is not there yet");
    else if (error->code == ERR_CONFLICT || error->code == ERR_INVALID ||
             error->code == ERR_FORBIDDEN)
        set_fault(out, FAULT_REJECTED, error->message);
    else if (error->code != ERR_OK)
        set_fault(out, FAULT_INFRA, error->message);
    return out->fault == FAULT_NONE;
}

static void take_server(const struct router_pool *pool, const char *word, size_t n,
                        struct router_result *out)
{
    const char *sign = memchr(word, '=', n);
    size_t name_n = sign != NULL ? (size_t)(sign - word) : 0;
    char *end;
    long weight;

    if (name_n == 0)
        return;
    weight = strtol(sign + 1, &end, 10);
    if (weight < 0 || weight > TRAFFIC_ALL_BP)
        return;
    for (int i = 0; i < pool->n_servers; i++) {
        struct router_seen *seen = &out->seen[i];
        bool is_it = strlen(pool->servers[i].name) == name_n &&
                     memcmp(pool->servers[i].name, word, name_n) == 0;

        if (!is_it)
            continue;
        seen->weight = (int)weight;
        seen->is_mirrored = *end == 'm';
        return;
    }
    out->n_others += weight > 0;
}

/* One part of the state: "pool name=weight name=weight". */
static void take_pool(const struct router_pool *pool, const char *p, size_t n,
                      struct router_result *out)
{
    size_t name_n = strlen(pool->backend);

    if (n < name_n || memcmp(p, pool->backend, name_n) != 0 || (n > name_n && p[name_n] != ' '))
        return;
    while (n > 0) {
        const char *space = memchr(p, ' ', n);
        size_t len = space != NULL ? (size_t)(space - p) : n;

        take_server(pool, p, len, out);
        p += len < n ? len + 1 : len;
        n -= len < n ? len + 1 : len;
    }
}

static void read_state(const struct router_request *rq, const char *text, struct router_result *out)
{
    const struct router_pool *pool = &rq->pools[rq->at];
    char *end;

    out->generation = strtoll(text + strlen("mreg "), &end, 10);
    for (int i = 0; i < pool->n_servers; i++)
        out->seen[i] = (struct router_seen){
            .is_known = pool->servers[i].address != NULL, .is_up = true, .n_sessions = -1};
    for (const char *p = end; *p != '\0';) {
        size_t n = strcspn(p, ";");

        take_pool(pool, p, n, out);
        p += p[n] == ';' ? n + 1 : n;
    }
    /* Workers of the present configuration send nothing to a server that is down. */
    for (int i = 0; i < pool->n_servers; i++)
        if (out->seen[i].weight == 0 && !out->seen[i].is_mirrored)
            out->seen[i].n_sessions = out->n_draining;
    out->has_pool = true;
}

static bool read_answer(const struct router_request *rq, int k, const struct http_answer *answer,
                        const struct err *error, struct router_result *out)
{
    if (rq->action == ROUTER_SET || k == LOOK_FILE)
        return read_reload(rq, answer, error, out) && rq->action == ROUTER_LOOK;
    if (!router_answered(answer, true, out))
        return false;
    if (answer->status == 200 && answer->body != NULL && strncmp(answer->body, "mreg ", 5) == 0) {
        read_state(rq, answer->body, out);
        return false;
    }
    snprintf(out->text, sizeof(out->text),
             "the location does not return $mreg_router (status %d): see docs/routers.md",
             answer->status);
    out->fault = FAULT_REJECTED;
    return false;
}

const struct router_driver router_nginx = {
    .name = "nginx",
    .flags = ROUTER_MIRRORS | ROUTER_MAKES_POOLS | ROUTER_SETS_ALL,
    .max_weight = TRAFFIC_ALL_BP,
    .n_calls = n_calls,
    .make = make,
    .read = read_answer,
};
