/*
 * Gates that read values: queries to Prometheus, asked each at its own pace, and metrics that
 * others post, read from the database. Controller's thread; nothing here waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"
#include "log.h"
#include "promql.h"

#define QUERY_TIMEOUT_MS 10000
#define QUERY_MAX_BYTES ((size_t)1 << 20)
#define POINTS_AT_ONCE 1000
#define FULL_MS 200

/* The nodes of one side, as a regular expression. */
static const char *side_regex(const struct env *env, const struct target *t, enum arm arm,
                              struct arena *a)
{
    struct buf regex CLEANUP(buf_clear);
    buf_init(&regex, 262144);
    for (int i = 0; i < env->n_nodes; i++) {
        const struct judged_node *n = judging_node(t->judging, env->nodes[i].node_id);
        if (n != NULL && n->arm == arm)
            promql_add_name(&regex, env->nodes[i].name);
    }
    return arena_strdup(a, buf_str(&regex));
}

static const char *quoted(const char *text, struct arena *a)
{
    struct buf out CLEANUP(buf_clear);
    buf_init(&out, 4096);
    promql_add_quoted(&out, text);
    return arena_strdup(a, buf_str(&out));
}

static const char *body_of(const struct env *env, const struct target *t, int gate, struct arena *a)
{
    struct buf query CLEANUP(buf_clear);
    struct buf body CLEANUP(buf_clear);
    const struct promql_word words[] = {
        {"canary", side_regex(env, t, ARM_CANARY, a)},
        {"baseline", side_regex(env, t, ARM_BASE, a)},
        {"model", quoted(t->model, a)},
        {"serve_as", t->serve_as},
        {"environment", quoted(env->name, a)},
        {"version", arena_printf(a, "%" PRId64, t->record.to)},
    };
    buf_init(&query, QUERY_MAX_BYTES);
    buf_init(&body, QUERY_MAX_BYTES);
    promql_expand(policy_text(t->strategy, t->strategy->gates[gate].query_at), words,
                  ARRAY_LEN(words), &query);
    promql_body(buf_str(&query), &body);
    return buf_ok(&body) ? arena_strdup(a, buf_str(&body)) : NULL;
}

static int submit(struct controller *c, struct env *env, struct target *t, struct flight *f,
                  struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *base = policy_text(t->strategy, t->strategy->prometheus_at);
    const char *body = body_of(env, t, f->gate, &a);
    size_t len = strlen(base);
    if (len == 0)
        return err_set(e, ERR_INVALID, "the policy names no Prometheus");
    if (body == NULL)
        return err_set(e, ERR_TOO_LARGE, "the query is too large");
    while (len > 0 && base[len - 1] == '/')
        len--;
    struct job job = {
        .kind = JOB_HTTP,
        .deadline_ms = f->deadline_ms,
        .call = {.method = "POST",
                 .url = arena_printf(&a, "%.*s/api/v1/query", (int)len, base),
                 .body = body,
                 .body_len = strlen(body),
                 .headers = {"Content-Type: application/x-www-form-urlencoded"},
                 .timeout_ms = QUERY_TIMEOUT_MS},
    };
    memcpy(job.key, f->key, sizeof job.key);
    return c->o.io->submit(c->o.io->self, &job, e);
}

static void ask(struct controller *c, struct env *env, struct target *t, int gate)
{
    struct judged_gate *g = &t->judging->gates[gate];
    struct err e;
    struct flight *f = flight_new(c);
    if (f == NULL)
        return;
    g->asked_ms = c->now_ms;
    g->is_asking = true;
    f->env_id = env->env_id;
    f->target_id = t->target_id;
    f->kind = FLIGHT_QUERY;
    f->gate = gate;
    f->job = JOB_HTTP;
    f->deadline_ms = c->now_ms + QUERY_TIMEOUT_MS;
    memcpy(f->lane, t->lane.id, sizeof f->lane);
    snprintf(f->key, sizeof f->key, "query/%" PRId64 "/t%" PRId64, ++c->read_seq, t->target_id);
    if (submit(c, env, t, f, &e) != ERR_OK)
        querying_take(c, f, NULL, e.message);
}

void querying_take(struct controller *c, struct flight *f, const struct http_answer *answer,
                   const char *text)
{
    struct env *env = world_env(c->world, f->env_id);
    struct target *t = env != NULL ? world_target(env, f->target_id) : NULL;
    bool is_here = t != NULL && t->judging != NULL && strcmp(f->lane, t->lane.id) == 0 &&
                   f->gate < t->judging->n_gates;
    struct window_reading r = {.ts_ms = c->now_ms, .look = WINDOW_ERROR};
    char why[160];
    int gate = f->gate;
    snprintf(why, sizeof why, "%.150s", text);
    flight_end(c, f);
    if (!is_here)
        return;
    struct judged_gate *g = &t->judging->gates[gate];
    if (answer != NULL && answer->outcome == HTTP_ANSWERED)
        promql_read(answer->status, answer->body != NULL ? answer->body : "", answer->body_len,
                    &g->limits, &r, why);
    else if (answer != NULL)
        snprintf(why, sizeof why, "Prometheus: %.140s", answer->detail);
    g->is_asking = false;
    snprintf(g->text, sizeof g->text, "%s", r.look == WINDOW_ERROR ? why : "");
    judging_value(c, t, g, &r);
    judging_judge(c, env, t);
    target_wake(c, t);
}

/* --- posted metrics --- */

/* A point counts if it is about all nodes or about one that has the new version. */
static bool is_about(const struct env *env, const struct target *t, const char *node)
{
    if (node[0] == '\0')
        return true;
    for (int i = 0; i < env->n_nodes; i++) {
        const struct judged_node *n = judging_node(t->judging, env->nodes[i].node_id);
        if (n != NULL && n->arm == ARM_CANARY && strcmp(env->nodes[i].name, node) == 0)
            return true;
    }
    return false;
}

static void take_points(struct controller *c, struct env *env, struct target *t,
                        struct judged_gate *g, const struct metric_point *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct window_reading r = {.ts_ms =
                                       points[i].ts_ms < c->now_ms ? points[i].ts_ms : c->now_ms,
                                   .look = WINDOW_VALUE,
                                   .value_micro = points[i].value_micro};
        g->point_id = points[i].point_id;
        if (is_about(env, t, points[i].node))
            judging_value(c, t, g, &r);
    }
}

static void read_points(struct controller *c, struct env *env, struct target *t, int gate)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct arena a CLEANUP(arena_clear) = {0};
    struct judged_gate *g = &t->judging->gates[gate];
    struct metric_point which = {.target_id = t->target_id,
                                 .number = t->record.to,
                                 .name = policy_gate_name(&t->strategy->gates[gate])};
    struct metric_point *points = NULL;
    size_t n = 0;
    struct err e;
    g->asked_ms = c->now_ms;
    int rc = reader_begin(c->o.store, &r, &e);
    if (rc == ERR_OK)
        rc = db_metrics(r.db, &which, g->point_id, POINTS_AT_ONCE, &a, &points, &n, &e);
    if (rc != ERR_OK) {
        log_err(LOG_WARNING, "judging", &e);
        return;
    }
    take_points(c, env, t, g, points, n);
    if (n == POINTS_AT_ONCE)
        g->asked_ms = 0;
    judging_judge(c, env, t);
}

/* Without counters to read nothing else makes time pass for the gates. */
static int64_t judge_now_and_then(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = t->judging;
    if (j->n_feeds > 0 && j->begun_ms != 0)
        return INT64_MAX;
    if (c->now_ms >= j->looked_ms + c->o.sample_every_ms) {
        j->looked_ms = c->now_ms;
        judging_take(c, env, t);
        target_wake(c, t);
    }
    return j->looked_ms + c->o.sample_every_ms;
}

static int64_t ask_gate(struct controller *c, struct env *env, struct target *t, int gate)
{
    struct judged_gate *g = &t->judging->gates[gate];
    bool is_posted = g->kind == GATE_METRIC;
    int64_t every_ms = is_posted ? 0 : t->strategy->gates[gate].every_ms;
    every_ms = every_ms > 0 ? every_ms : c->o.sample_every_ms;
    if (c->now_ms >= g->asked_ms + every_ms) {
        if (is_posted)
            read_points(c, env, t, gate);
        else
            ask(c, env, t, gate);
    }
    /* No place for a query: soon again. */
    int64_t at_ms = g->asked_ms + every_ms;
    return at_ms > c->now_ms ? at_ms : c->now_ms + FULL_MS;
}

int64_t judging_ask(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = judging_of(c, t);
    bool goes_on =
        t->lane.status.phase == ROLLOUT_RUNNING || t->lane.status.phase == ROLLOUT_PAUSED;
    if (j == NULL || !goes_on)
        return t->is_rolling && !t->is_broken ? c->now_ms + c->o.sample_every_ms : INT64_MAX;
    int64_t next_ms = judge_now_and_then(c, env, t);
    for (int i = 0; j->begun_ms != 0 && i < j->n_gates; i++) {
        bool reads = j->gates[i].kind == GATE_METRIC || j->gates[i].kind == GATE_PROMQL;
        if (!reads || j->gates[i].is_asking)
            continue;
        int64_t at_ms = ask_gate(c, env, t, i);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    /* What was judged now is stored in the next round, and planned by then. */
    if (j->is_unwritten)
        c->due_ms = c->now_ms;
    return next_ms;
}
