/*
 * Gathers what a forecast needs. What it means is the planner's business, how it is shown the
 * API's. Must not know HTTP. On the thread that asks.
 */
#include "foresee.h"

#include <stdlib.h>
#include <string.h>

#include "db_limits.h"
#include "db_router.h"
#include "driver.h"
#include "registry.h"
#include "router.h"

#define TRAFFIC_MS INT64_C(3600000)

/* --- nodes ------------------------------------------------------------------------------------ */

/* Value of a label of the node, or NULL. */
static const char *label_of(const char *labels, const char *name, struct arena *a)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;

    if (*name == '\0' || json_parse(labels, strlen(labels), 4, &j, NULL) != ERR_OK)
        return NULL;
    return arena_strdup(a, json_string_value(json_object_get(j, name)));
}

static int by_id(const void *x, const void *y)
{
    int64_t p = ((const struct forecast_node *)x)->node_id;
    int64_t q = ((const struct forecast_node *)y)->node_id;

    return p < q ? -1 : p > q;
}

static int load_nodes(struct db *db, const struct foresee_ask *ask, struct arena *a,
                      struct foreseen *out, struct err *e)
{
    const struct policy *p = &ask->answer->policy;
    struct node_row *rows = NULL;
    unsigned flags = ~0U;
    size_t n = 0;
    int rc = db_node_page(db, ask->ask->environment, "", ROLLOUT_MAX_NODES, a, &rows, &n, e);

    if (rc != ERR_OK)
        return rc;
    out->nodes = arena_alloc(a, (n + 1) * sizeof(out->nodes[0]));
    for (size_t i = 0; i < n; i++) {
        const struct driver *driver = driver_find(rows[i].driver);

        flags &= driver != NULL ? driver->flags : 0;
        out->nodes[i] =
            (struct forecast_node){.node_id = rows[i].node_id,
                                   .name = rows[i].name,
                                   .order_key = label_of(rows[i].labels, p->order_by, a),
                                   .wave = label_of(rows[i].labels, p->wave_by, a),
                                   .family = driver != NULL ? driver->name : NULL,
                                   .labels = rows[i].labels,
                                   .is_reachable = rows[i].is_reachable,
                                   .is_cordoned = rows[i].cordon != NULL,
                                   .has_route = true};
    }
    qsort(out->nodes, n, sizeof(out->nodes[0]), by_id);
    out->in.nodes = out->nodes;
    out->in.n_nodes = (int)n;
    out->in.driver_flags = n > 0 ? flags : 0;
    return ERR_OK;
}

static struct forecast_node *find_node(struct foreseen *out, int64_t node_id)
{
    struct forecast_node key = {.node_id = node_id};

    return bsearch(&key, out->nodes, (size_t)out->in.n_nodes, sizeof(key), by_id);
}

/* The highest ready version of a stored observation; 0: none. */
static int64_t served(const char *observation)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const json_t *ready;
    int64_t highest = 0;

    if (observation == NULL || json_parse(observation, strlen(observation), 4, &j, NULL) != ERR_OK)
        return 0;
    ready = json_object_get(j, "ready");
    for (size_t i = 0; i < json_array_size(ready); i++) {
        int64_t v = json_integer_value(json_array_get(ready, i));

        highest = v > highest ? v : highest;
    }
    return highest;
}

/* What nodes serve of the target, and what is asked of them. */
static int load_target(struct db *db, const struct foresee_ask *ask, struct arena *a,
                       struct foreseen *out, struct err *e)
{
    struct node_sight *sights = NULL;
    struct rate_row *rates = NULL;
    size_t n = 0;
    int rc = db_target_sights(db, ask->answer->target_id, a, &sights, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct forecast_node *node = find_node(out, sights[i].node_id);

        if (node != NULL)
            node->version = served(sights[i].observation);
    }
    if (rc == ERR_OK)
        rc = db_rates(db, ask->answer->target_id, ask->now_ms - TRAFFIC_MS, a, &rates, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct forecast_node *node = find_node(out, rates[i].node_id);

        if (node == NULL || rates[i].span_ms <= 0)
            continue;
        node->milli_rps = rates[i].n_requests * 1000000 / rates[i].span_ms;
        out->traffic_ms = rates[i].span_ms > out->traffic_ms ? rates[i].span_ms : out->traffic_ms;
    }
    return rc;
}

/* --- the rest --------------------------------------------------------------------------------- */

static int load_router(struct db *db, const struct foresee_ask *ask, struct arena *a,
                       struct foreseen *out, struct err *e)
{
    struct router_row *rows = NULL;
    size_t n = 0;
    int rc = db_router_list(db, ask->env_id, a, &rows, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        const struct router_driver *kind = router_find(rows[i].config.driver);

        if (kind == NULL)
            continue;
        if (!out->in.has_router || kind->max_weight < out->in.router_max_weight)
            out->in.router_max_weight = kind->max_weight;
        out->in.has_router = true;
        out->in.can_mirror = out->in.can_mirror || (kind->flags & ROUTER_MIRRORS) != 0;
    }
    return rc;
}

static int load_times(struct db *db, const struct foresee_ask *ask, struct foreseen *out,
                      struct err *e)
{
    int rc = ERR_OK;

    forecast_default_times(ask->size_bytes, out->in.took_ms);
    for (int i = 0; rc == ERR_OK && i < OP_ACTION_COUNT; i++) {
        int64_t n = 0;

        if (op_is_read((enum op_action)i))
            continue;
        rc = db_op_typical_ms(db, ask->env_id, op_action_name((enum op_action)i),
                              &out->in.took_ms[i], &n, e);
        out->is_measured[i] = n > 0;
    }
    return rc;
}

static int count_golden(struct db *db, const struct foresee_ask *ask, struct arena *a, int *out,
                        struct err *e)
{
    struct manifest m = {0};
    int rc = registry_manifest(db, ask->ask->model, ask->answer->to, a, &m, e);

    for (size_t i = 0; rc == ERR_OK && i < m.n_files; i++)
        *out += strncmp(m.files[i].path, "golden/", 7) == 0;
    return rc;
}

static int load_live(struct db *db, const struct foresee_ask *ask, struct arena *a,
                     struct foreseen *out, struct err *e)
{
    struct target_row t;
    bool found = false;
    int rc = db_target_find(db, ask->ask->environment, ask->ask->model, a, &t, &found, e);

    if (rc != ERR_OK || !found)
        return rc;
    out->in.live = t.live;
    out->in.last_good = t.last_good;
    return load_target(db, ask, a, out, e);
}

static struct rollout_record *imagine(const struct foresee_ask *ask, struct arena *a)
{
    struct rollout_record *r = arena_alloc(a, sizeof(*r));

    *r = (struct rollout_record){.id = "r-0",
                                 .model = ask->ask->model,
                                 .environment = ask->ask->environment,
                                 .serve_as = "",
                                 .target_id = ask->answer->target_id,
                                 .from = ask->answer->from,
                                 .to = ask->answer->to,
                                 .kind = ask->ask->is_rollback ? "rollback" : "promote",
                                 .actor = "",
                                 .generation = ask->answer->generation + 1,
                                 .created_ms = ask->now_ms,
                                 .strategy = "{}"};
    return r;
}

int foresee(struct db *db, const struct foresee_ask *ask, struct arena *a, struct foreseen *out,
            struct err *e)
{
    int rc;

    *out = (struct foreseen){0};
    if ((rc = load_nodes(db, ask, a, out, e)) != ERR_OK ||
        (rc = load_live(db, ask, a, out, e)) != ERR_OK ||
        (rc = load_router(db, ask, a, out, e)) != ERR_OK ||
        (rc = load_times(db, ask, out, e)) != ERR_OK ||
        (rc = count_golden(db, ask, a, &out->in.n_golden, e)) != ERR_OK)
        return rc;
    out->in.rollout = imagine(ask, a);
    out->in.policy = &ask->answer->policy;
    out->in.now_ms = ask->now_ms;
    forecast_make(&out->in, a, &out->forecast);
    return ERR_OK;
}
