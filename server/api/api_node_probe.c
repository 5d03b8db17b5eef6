/*
 * Looks at nodes over HTTP: the question goes through the database to the controller, whose answer
 * is waited for a little; what the folder is like is seen here. Translates only. Runs on the worker
 * of the request.
 */
#include <string.h>

#include "api_history.h"
#include "api_nodes.h"
#include "clock.h"
#include "db_nodes.h"
#include "place_report.h"
#include "probe_report.h"

#define PAUSE_MS 20

static int ask_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct probe_row *row = ctx;

    row->asked_ms = tx_now_ms(tx);
    return db_probe_ask(tx_db(tx), row, e);
}

/* The stored answer to a question that was asked at asked_ms or later; NULL: none yet. */
static int read_answer(struct request *rq, int64_t node_id, int64_t asked_ms, json_t **out,
                       struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct probe_row row = {0};
    bool found = false;
    int rc = reader_begin(rq->app->store, &r, e);

    if (rc == ERR_OK)
        rc = db_probe_get(r.db, node_id, rq->arena, &row, &found, e);
    if (rc != ERR_OK || !found || row.report == NULL || row.probed_ms < asked_ms)
        return rc;
    rc = json_parse(row.report, strlen(row.report), JSON_MAX_DEPTH, out, e);
    if (rc == ERR_OK) {
        char when[WHEN_TEXT_BYTES];

        json_object_set_new(*out, "probed", json_string(when_format(row.probed_ms, when)));
    }
    return rc;
}

int node_probe(struct request *rq, const struct probe_ask *ask, json_t **out, struct err *e)
{
    struct probe_row row = {.node_id = ask->node_id,
                            .serve_as = ask->serve_as,
                            .number = ask->number,
                            .model = ask->model};
    int64_t left_ms = ask->patience_ms;
    int rc;

    *out = NULL;
    rc = store_write(rq->app->store, TX_WORK, ask_fn, &row, e);
    if (rc != ERR_OK || rq->app->controller == NULL)
        return rc;
    fleet_wake(rq);
    while (rc == ERR_OK && *out == NULL && left_ms > 0) {
        clock_pause(PAUSE_MS);
        left_ms -= PAUSE_MS;
        rc = read_answer(rq, ask->node_id, row.asked_ms, out, e);
    }
    return rc;
}

int node_probe_last(struct request *rq, int64_t node_id, json_t **out, struct err *e)
{
    *out = NULL;
    return read_answer(rq, node_id, 1, out, e);
}

/* --- the folder ------------------------------------------------------------------------------- */

static bool is_listed(const json_t *models, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach(models, i, one)
    {
        const char *found = json_string_value(json_object_get(one, "name"));

        if (found != NULL && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

/* A server whose models are all elsewhere reads another folder. */
static void compare_models(json_t *report, const struct place_report *r)
{
    const json_t *models = json_object_get(report, "models");
    size_t n_here = 0;

    for (size_t i = 0; i < r->n_names; i++)
        n_here += is_listed(models, r->names[i]);
    if (json_array_size(models) > 0 && n_here == 0)
        probe_problem(report, "repository",
                      "set root to the folder that the server uses as its model repository",
                      "none of the server's models (\"%.100s\" is one) lies in the node's root",
                      json_string_value(json_object_get(json_array_get(models, 0), "name")));
}

static void check_root(struct request *rq, json_t *report, const struct node_row *v, bool tries)
{
    struct place_report r = {0};

    if (v->root == NULL)
        return;
    place_report(v->root, tries, rq->arena, &r);
    json_object_set_new(report, "root",
                        json_pack("{s:s, s:b, s:b, s:b, s:I}", "path", v->root, "readable",
                                  r.is_readable ? 1 : 0, "writable", r.is_writable ? 1 : 0,
                                  "same_filesystem", r.is_one_filesystem ? 1 : 0, "free_bytes",
                                  (json_int_t)r.free_bytes));
    if (!r.is_readable || !r.is_writable)
        probe_problem(report, "root", "let the server's user read and write there",
                      "%.300s: %.200s", v->root, r.text);
    else if (!r.is_one_filesystem)
        probe_problem(report, "root", "mount the whole root on one filesystem",
                      "%.300s/.mreg is on another filesystem: versions cannot be switched by "
                      "renaming",
                      v->root);
    if (r.is_readable && r.free_bytes < LOW_SPACE_BYTES)
        probe_problem(report, "space", NULL, "%.300s has only %lld MiB free", v->root,
                      (long long)(r.free_bytes >> 20));
    if (r.is_readable)
        compare_models(report, &r);
}

json_t *node_report(struct request *rq, const struct node_row *v, json_t *probe, bool tries)
{
    json_t *report = probe;

    if (report == NULL) {
        report = json_pack("{s:b, s:[]}", "reachable", 0, "problems");
        probe_problem(report, "unanswered", "ask again: mreg node check",
                      "the controller has not looked at the node yet");
    }
    check_root(rq, report, v, tries);
    json_object_set_new(report, "ok",
                        json_boolean(json_array_size(json_object_get(report, "problems")) == 0));
    return report;
}

int api_node_check(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"reason", NULL};
    struct node_row v = {0};
    json_t *report CLEANUP(json_decref_ptr) = NULL;
    char *text CLEANUP(mem_free_ptr) = NULL;
    struct jsonw w;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = find_node(rq, rq->params[1], &v, e);
    if (rc != ERR_OK)
        return rc;
    struct probe_ask ask = {.node_id = v.node_id, .patience_ms = NODE_CHECK_MS};
    if ((rc = node_probe(rq, &ask, &report, e)) != ERR_OK)
        return rc;
    report = node_report(rq, &v, report, true);
    if (!history_sees_all(rq))
        json_object_del(report, "models");
    text = json_dumps(report, JSON_COMPACT | JSON_SORT_KEYS);
    reply_json(rp, &w);
    jsonw_raw(&w, NULL, text, strlen(text));
    return ERR_OK;
}
