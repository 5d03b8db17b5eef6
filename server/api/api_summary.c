/*
 * An environment in numbers over HTTP: its nodes by a label, and each target with how many nodes
 * serve which version. Translates only: no rules, no SQL. Runs on the worker of the request.
 */
#include <string.h>

#include "api.h"
#include "api_fleet.h"
#include "db_summary.h"

#define MAX_LABELS 16
#define MAX_GROUPS 500
#define MAX_TARGETS 500
#define MAX_SHARES 16
#define LABEL_MAX_BYTES 128

/* --- nodes ------------------------------------------------------------------------------------ */

struct group {
    const char *value; /* NULL: nodes without the label */
    int64_t n_nodes, n_unreachable, n_cordoned;
};

struct fleet {
    struct group total;
    const char *labels[MAX_LABELS]; /* that nodes have, in arena */
    size_t n_labels;
    struct group *groups; /* MAX_GROUPS of them; more values share the last one */
    size_t n_groups;
};

static void add_to(struct group *g, const struct node_tally *t)
{
    g->n_nodes += t->n_nodes;
    g->n_unreachable += t->n_unreachable;
    g->n_cordoned += t->n_cordoned;
}

static void add_label(struct fleet *f, const char *name, struct arena *a)
{
    for (size_t i = 0; i < f->n_labels; i++)
        if (strcmp(f->labels[i], name) == 0)
            return;
    if (f->n_labels < MAX_LABELS)
        f->labels[f->n_labels++] = arena_strdup(a, name);
}

static struct group *group_of(struct fleet *f, const char *value, struct arena *a)
{
    size_t i = 0;

    while (i < f->n_groups && !mem_same_text(f->groups[i].value, value))
        i++;
    if (i == MAX_GROUPS)
        return &f->groups[MAX_GROUPS - 1];
    if (i == f->n_groups) {
        f->groups[f->n_groups++] = (struct group){0};
        f->groups[i].value = arena_strdup(a, value);
    }
    return &f->groups[i];
}

static int count_nodes(struct request *rq, struct db *db, int64_t env_id, const char *by,
                       struct fleet *f, struct err *e)
{
    struct node_tally *rows = NULL;
    size_t n = 0;
    int rc = db_node_tally(db, env_id, rq->arena, &rows, &n, e);

    f->groups = arena_alloc(rq->arena, MAX_GROUPS * sizeof *f->groups);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        json_t *labels CLEANUP(json_decref_ptr) = NULL;
        const char *key;
        json_t *value;

        add_to(&f->total, &rows[i]);
        rc = json_parse(rows[i].labels, strlen(rows[i].labels), 2, &labels, e);
        if (rc != ERR_OK)
            return rc;
        json_object_foreach(labels, key, value) add_label(f, key, rq->arena);
        if (by != NULL)
            add_to(group_of(f, json_string_value(json_object_get(labels, by)), rq->arena),
                   &rows[i]);
    }
    return rc;
}

static void write_counts(struct jsonw *w, const struct group *g)
{
    jsonw_int(w, "n_nodes", g->n_nodes);
    jsonw_int(w, "n_unreachable", g->n_unreachable);
    jsonw_int(w, "n_cordoned", g->n_cordoned);
}

static void write_fleet(struct jsonw *w, const struct fleet *f, const char *by)
{
    write_counts(w, &f->total);
    jsonw_array(w, "labels");
    for (size_t i = 0; i < f->n_labels; i++)
        jsonw_str(w, NULL, f->labels[i]);
    jsonw_end(w);
    if (by == NULL)
        return;
    jsonw_array(w, "groups");
    for (size_t i = 0; i < f->n_groups; i++) {
        jsonw_object(w, NULL);
        if (f->groups[i].value != NULL)
            jsonw_str(w, "value", f->groups[i].value);
        write_counts(w, &f->groups[i]);
        jsonw_end(w);
    }
    jsonw_end(w);
}

/* --- targets ---------------------------------------------------------------------------------- */

/* How many nodes have which version of a target; version 0: none of it. */
struct share {
    int64_t version, n_nodes;
};
struct shares {
    struct share items[MAX_SHARES];
    size_t n;
    int64_t n_unreachable;
};

static void add_share(struct shares *s, int64_t version, int64_t n_nodes)
{
    size_t i = 0;

    while (i < s->n && s->items[i].version != version)
        i++;
    if (i == MAX_SHARES)
        return;
    if (i == s->n)
        s->items[s->n++] = (struct share){version, 0};
    s->items[i].n_nodes += n_nodes;
}

static void count_target(const struct target_row *t, const struct sight_tally *rows, size_t n,
                         int64_t n_nodes, struct shares *out)
{
    int64_t n_left = n_nodes;

    *out = (struct shares){0};
    for (size_t i = 0; i < n; i++) {
        int64_t ready[16];
        int n_ready;

        if (rows[i].target_id != t->target_id)
            continue;
        n_left -= rows[i].n_nodes;
        if (!rows[i].is_reachable) {
            out->n_unreachable += rows[i].n_nodes;
            continue;
        }
        n_ready = read_observation(rows[i].observation, ready, (int)ARRAY_LEN(ready));
        add_share(out, n_ready > 0 ? ready[n_ready - 1] : 0, rows[i].n_nodes);
    }
    if (n_left > 0)
        add_share(out, 0, n_left);
}

static int write_target(struct request *rq, struct db *db, struct jsonw *w,
                        const struct target_row *t, const struct shares *s, struct err *e)
{
    int rc = ERR_OK;

    jsonw_object(w, NULL);
    jsonw_str(w, "model", t->model);
    jsonw_str(w, "serve_as", t->serve_as);
    if (t->live != 0) {
        jsonw_int(w, "live", t->live);
        rc = target_write_live(rq, db, w, t, e);
    }
    if (t->last_good != 0)
        jsonw_int(w, "last_good", t->last_good);
    if (t->rollout != NULL)
        jsonw_str(w, "rollout", t->rollout);
    jsonw_array(w, "versions");
    for (size_t i = 0; i < s->n; i++) {
        jsonw_object(w, NULL);
        if (s->items[i].version != 0)
            jsonw_int(w, "version", s->items[i].version);
        jsonw_int(w, "n_nodes", s->items[i].n_nodes);
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_int(w, "n_unreachable", s->n_unreachable);
    jsonw_end(w);
    return rc;
}

static int write_targets(struct request *rq, struct look *l, struct jsonw *w,
                         const struct env_row *env, struct err *e)
{
    struct target_row *targets = NULL;
    struct sight_tally *sights = NULL;
    struct shares shares;
    size_t n = 0, n_sights = 0;
    int rc = db_target_page(l->scope.db, env->name, "", MAX_TARGETS, rq->arena, &targets, &n, e);

    if (rc == ERR_OK)
        rc = db_sight_tally(l->scope.db, env->env_id, rq->arena, &sights, &n_sights, e);
    if (rc != ERR_OK)
        return rc;
    jsonw_array(w, "targets");
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        if (!registry_may_see(l->scope.globs, targets[i].model))
            continue;
        count_target(&targets[i], sights, n_sights, env->n_nodes, &shares);
        rc = write_target(rq, l->scope.db, w, &targets[i], &shares, e);
    }
    jsonw_end(w);
    return rc;
}

static int show_summary(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct fleet fleet = {0};
    struct env_row env;
    struct jsonw w;
    const char *by = NULL;
    int rc = request_query(rq, "by", &by, e);

    if (rc == ERR_OK && by != NULL && strlen(by) > LABEL_MAX_BYTES)
        rc = err_set(e, ERR_INVALID, "?by= must be the name of a label");
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        rc = count_nodes(rq, l.scope.db, env.env_id, by, &fleet, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "environment", env.name);
    write_fleet(&w, &fleet, by);
    rc = write_targets(rq, &l, &w, &env, e);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

const struct route api_summary_routes[] = {
    {METHOD_GET, "/api/v1/environments/{env}/summary", PERM_READ, BODY_NONE, WORK_LIGHT, 0,
     show_summary, "an environment in numbers"},
    {.handler = NULL},
};
