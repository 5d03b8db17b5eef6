/*
 * Looks at nodes that people ask for: questions come from the database, answers go there, so that
 * who asks need not speak to nodes. A look disturbs nobody and does not make its node busy.
 * Controller's thread only; the inner function runs on the writer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "db_nodes.h"
#include "log.h"
#include "probe_report.h"

#define MAX_PROBES 16
#define PROBE_TIMEOUT_MS 20000
#define ADOPT_TIMEOUT_MS 300000

static bool is_probing(const struct controller *c, int64_t node_id)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        const struct flight *f = &c->flights[i];
        if (f->key[0] != '\0' && f->kind == FLIGHT_PROBE && f->node_id == node_id)
            return true;
    }
    return false;
}

static int answer_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_probe_answer(tx_db(tx), ctx, e);
}

static void store_report(struct controller *c, const struct flight *f, const json_t *report)
{
    struct err e;
    char *text CLEANUP(mem_free_ptr) = json_dumps(report, JSON_COMPACT | JSON_SORT_KEYS);
    struct probe_row row = {.node_id = f->node_id,
                            .asked_ms = f->asked_ms,
                            .probed_ms = c->now_ms > f->asked_ms ? c->now_ms : f->asked_ms,
                            .report = text != NULL ? text : "{}"};
    if (store_write(c->o.store, TX_WORK, answer_fn, &row, &e) != ERR_OK)
        log_err(LOG_WARNING, "node", &e);
}

/* error: of the file job, NULL if there was none. */
static void end(struct controller *c, struct flight *f, const struct err *error)
{
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    if (at >= 0) {
        json_t *report CLEANUP(json_decref_ptr) =
            probe_report(f->rq.probe, &env->nodes[at].urls, f->rq.serve_as != NULL);
        if (error != NULL)
            json_object_set_new(report, "adopted", json_boolean(error->code == ERR_OK));
        if (error != NULL && error->code != ERR_OK)
            json_object_set_new(report, "adopt_error", json_string(error->message));
        store_report(c, f, report);
    }
    flight_end(c, f);
}

/* Files are taken over where the server proves that it serves them. */
static void adopt(struct controller *c, struct flight *f)
{
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    struct err e;
    if (at < 0 || env->nodes[at].root == NULL || !f->rq.probe->version_is_ready) {
        end(c, f, NULL);
        return;
    }
    f->job = JOB_ADOPT;
    f->deadline_ms = c->now_ms + ADOPT_TIMEOUT_MS;
    struct job job = {.kind = JOB_ADOPT,
                      .deadline_ms = f->deadline_ms,
                      .file = {.root = env->nodes[at].root,
                               .serve_as = f->rq.serve_as,
                               .model = f->adopts,
                               .number = f->rq.number}};
    memcpy(job.key, f->key, sizeof job.key);
    if (c->o.io->submit(c->o.io->self, &job, &e) != ERR_OK)
        end(c, f, &e);
}

void probing_adopted(struct controller *c, struct flight *f, const struct err *error)
{
    end(c, f, error);
}

void probing_take(struct controller *c, struct flight *f, const struct http_answer *answer,
                  const char *text)
{
    struct http_answer none = {.outcome = HTTP_NOT_SENT};
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    struct err e;
    if (f->job != JOB_HTTP) {
        (void)err_set(&e, ERR_TIMEOUT, "%s", text);
        end(c, f, &e);
        return;
    }
    (void)snprintf(none.detail, sizeof none.detail, "%.*s", (int)sizeof none.detail - 1, text);
    if (at < 0 || env->nodes[at].driver == NULL) {
        flight_end(c, f);
        return;
    }
    const struct node *n = &env->nodes[at];
    bool goes_on = n->driver->read(&f->rq, f->call, answer != NULL ? answer : &none, &f->result);
    while (goes_on && ++f->call < n->driver->n_calls(&f->rq)) {
        int rc = execute_call(c, f, n, &e);
        if (rc == ERR_OK)
            return;
        goes_on = n->driver->read(&f->rq, f->call, &none, &f->result);
    }
    if (f->adopts != NULL)
        adopt(c, f);
    else
        end(c, f, NULL);
}

static void begin(struct controller *c, struct env *env, const struct node *n,
                  const struct probe_row *row)
{
    struct err e;
    struct flight *f = flight_new(c);
    if (f == NULL)
        return; /* asked again at the next look into the database */
    f->kind = FLIGHT_PROBE;
    f->job = JOB_HTTP;
    f->env_id = env->env_id;
    f->node_id = n->node_id;
    f->asked_ms = row->asked_ms;
    f->rq.action = DRIVER_PROBE;
    f->rq.serve_as = arena_strdup(&f->arena, row->serve_as);
    f->rq.number = row->number;
    f->adopts = arena_strdup(&f->arena, row->model);
    f->rq.probe = arena_alloc(&f->arena, sizeof *f->rq.probe);
    f->deadline_ms = c->now_ms + PROBE_TIMEOUT_MS;
    snprintf(f->key, sizeof f->key, "probe/%" PRId64 "/n%" PRId64, ++c->read_seq, n->node_id);
    if (execute_call(c, f, n, &e) != ERR_OK)
        probing_take(c, f, NULL, e.message);
}

int probing_begin(struct controller *c, struct db *db, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct probe_row *rows = NULL;
    size_t n = 0;
    int rc = db_probe_open(db, MAX_PROBES, &a, &rows, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        if (is_probing(c, rows[i].node_id))
            continue;
        for (int k = 0; k < c->world->n_envs; k++) {
            struct env *env = &c->world->envs[k];
            int at = world_node(env, rows[i].node_id);
            if (at >= 0 && env->nodes[at].driver != NULL)
                begin(c, env, &env->nodes[at], &rows[i]);
        }
    }
    return rc;
}
