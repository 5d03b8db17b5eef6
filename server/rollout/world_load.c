/*
 * Loads the controller's memory from the database: all of it, one environment, or one target. What
 * only memory knows (times of looks, what was seen and not stored yet) is carried over. A load that
 * fails leaves everything as it was. Controller's thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"
#include "view_limits.h"

/* --- what the database says --- */

static int fill_node(struct db *db, const struct watch_node *row, struct env *env, struct node *n,
                     struct err *e)
{
    struct watch_health h;
    bool found = false;
    *n = (struct node){.look.order = row->node_id,
                       .env = env,
                       .node_id = row->node_id,
                       .name = row->name,
                       .root = row->root,
                       .labels = row->labels,
                       .urls = {row->admin_url, row->infer_url, row->metrics_url},
                       .driver = driver_find(row->driver)};
    node_set_cordon(n, row->cordon);
    int rc = db_node_health(db, row->node_id, &env->arena, &h, &found, e);
    if (rc != ERR_OK || !found)
        return rc;
    n->is_reachable = h.is_reachable;
    n->since_ms = h.since_ms;
    n->observed_ms = h.observed_ms;
    n->written_ms = h.observed_ms;
    n->n_missed = h.is_reachable ? 0 : MISSED_LOOKS;
    n->process.started_ms = h.started_ms;
    n->process.restarted_ms = h.restarted_ms;
    n->process.n_restarts = h.n_restarts;
    snprintf(n->detail, sizeof n->detail, "%s", h.detail != NULL ? h.detail : "");
    return ERR_OK;
}

static int fill_seen(const struct watch_view *row, struct spot *spot, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *ready = NULL;
    int rc = json_parse(row->observation, strlen(row->observation), 4, &j, e);
    if (rc == ERR_OK)
        rc = json_get_array(j, "", "ready", MOVE_MAX_READY, &ready, e);
    if (rc != ERR_OK)
        return rc;
    spot->seen.observed_ms = row->observed_ms;
    spot->seen.looked_ms = row->observed_ms;
    spot->written_ms = row->observed_ms;
    spot->seen.n_ready = (int)json_array_size(ready);
    for (int i = 0; i < spot->seen.n_ready; i++)
        spot->seen.ready[i] = json_integer_value(json_array_get(ready, (size_t)i));
    return ERR_OK;
}

static int fill_views(struct db *db, struct env *env, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct watch_view *rows = NULL;
    size_t n = 0;
    int rc = db_node_views(db, env->env_id, &a, &rows, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int at = world_node(env, rows[i].node_id);
        struct target *t = world_target(env, rows[i].target_id);
        if (at < 0 || t == NULL || t->is_broken)
            continue;
        rc = fill_seen(&rows[i], &t->spots[at], e);
        if (rc == ERR_CORRUPT || rc == ERR_INVALID)
            rc = ERR_OK; /* it is looked at again anyway */
    }
    return rc;
}

/* The part of the fleet's rows that belongs to one environment. */
struct slice {
    const struct watch_env *env;
    const struct watch_node *nodes;
    const struct watch_target *targets;
    int n_nodes, n_targets;
};

/* Rows are sorted by environment: *node and *target move on. */
static struct slice next_slice(const struct watch_fleet *fleet, size_t i, size_t *node,
                               size_t *target)
{
    int64_t env_id = fleet->envs[i].env_id;
    struct slice s = {
        .env = &fleet->envs[i], .nodes = fleet->nodes + *node, .targets = fleet->targets + *target};
    while (*node < fleet->n_nodes && fleet->nodes[*node].env_id == env_id) {
        ++*node;
        s.n_nodes++;
    }
    while (*target < fleet->n_targets && fleet->targets[*target].env_id == env_id) {
        ++*target;
        s.n_targets++;
    }
    return s;
}

static void copy_names(struct arena *a, struct node *n, struct target *t)
{
    if (n != NULL) {
        n->name = arena_strdup(a, n->name);
        n->root = arena_strdup(a, n->root);
        n->labels = arena_strdup(a, n->labels);
        n->urls.admin_url = arena_strdup(a, n->urls.admin_url);
        n->urls.infer_url = arena_strdup(a, n->urls.infer_url);
        n->urls.metrics_url = arena_strdup(a, n->urls.metrics_url);
    }
    if (t != NULL) {
        t->model = arena_strdup(a, t->model);
        t->serve_as = arena_strdup(a, t->serve_as);
    }
}

/* *env is zeroed, and is where it will stay. */
static int fill_env(struct controller *c, struct db *db, const struct slice *s, struct env *env,
                    struct err *e)
{
    struct arena *a = &env->arena;
    env->env_id = s->env->env_id;
    env->name = arena_strdup(a, s->env->name);
    env->policy_text = arena_strdup(a, s->env->policy);
    env->nodes = arena_alloc(a, (size_t)s->n_nodes * sizeof env->nodes[0]);
    env->targets = arena_alloc(a, (size_t)s->n_targets * sizeof env->targets[0]);
    env->busy = arena_alloc(a, (size_t)s->n_targets * sizeof env->busy[0]);
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && i < s->n_nodes; i++) {
        struct node *n = &env->nodes[env->n_nodes++];
        rc = fill_node(db, &s->nodes[i], env, n, e);
        copy_names(a, n, NULL);
    }
    for (int i = 0; rc == ERR_OK && i < s->n_targets; i++) {
        struct target *t = &env->targets[env->n_targets++];
        rc = target_fill(c, db, env, &s->targets[i], t, e);
        copy_names(a, NULL, t);
    }
    if (rc == ERR_OK)
        rc = routes_load(c, db, env, e);
    return rc == ERR_OK ? fill_views(db, env, e) : rc;
}

/* --- what only memory knows --- */

static void carry_node(struct node *to, const struct node *from)
{
    to->is_reachable = from->is_reachable;
    to->is_unwritten = from->is_unwritten;
    to->since_ms = from->since_ms;
    to->observed_ms = from->observed_ms;
    to->written_ms = from->written_ms;
    to->looked_ms = from->looked_ms;
    to->n_missed = from->n_missed;
    to->scraped_ms = from->scraped_ms;
    to->scrape_ok_ms = from->scrape_ok_ms;
    to->is_scraping = from->is_scraping;
    to->counts_requests = from->counts_requests;
    memcpy(to->scrape_text, from->scrape_text, sizeof to->scrape_text);
    to->process = from->process;
    memcpy(to->detail, from->detail, sizeof to->detail);
}

/* What is on the heap moves: the old one is freed afterwards. */
static void carry_spot(struct spot *to, struct spot *from)
{
    to->counted = from->counted;
    from->counted = NULL;
    to->drift = from->drift;
    from->drift = NULL;
    to->checked_ms = from->checked_ms;
    to->n_own = from->n_own;
    to->n_own_bad = from->n_own_bad;
    to->n_unsure = from->n_unsure;
    to->seen = from->seen;
    to->written_ms = from->written_ms;
    to->is_unwritten = from->is_unwritten;
    to->sampled_ms = from->sampled_ms;
    if (from->sample.ts_ms > to->sample.ts_ms)
        to->sample = from->sample;
}

static void carry_target(const struct env *env, struct target *to, const struct env *old_env,
                         struct target *from)
{
    to->times = from->times;
    from->times = (struct counted_times){0};
    to->window_slot = from->window_slot;
    to->is_window_unwritten = from->is_window_unwritten;
    bool goes_on = to->is_rolling && from->is_rolling && strcmp(to->lane.id, from->lane.id) == 0;
    if (goes_on) {
        to->judging = from->judging;
        from->judging = NULL;
    }
    for (int i = 0; i < env->n_nodes; i++) {
        int at = world_node(old_env, env->nodes[i].node_id);
        if (at >= 0)
            carry_spot(&to->spots[i], &from->spots[at]);
    }
}

/* Whose record was changed is asked again whom it follows. */
static void carry_owner(struct node *to, const struct node *from)
{
    if (strcmp(to->urls.admin_url, from->urls.admin_url) == 0)
        to->owner_epoch = from->owner_epoch;
}

static void carry_env(struct env *env, struct env *old)
{
    for (int i = 0; old != NULL && i < env->n_nodes; i++) {
        int at = world_node(old, env->nodes[i].node_id);
        if (at < 0)
            continue;
        carry_node(&env->nodes[i], &old->nodes[at]);
        carry_owner(&env->nodes[i], &old->nodes[at]);
    }
    for (int i = 0; old != NULL && i < env->n_targets; i++) {
        struct target *t = world_target(old, env->targets[i].target_id);
        if (t != NULL)
            carry_target(env, &env->targets[i], old, t);
    }
}

/* --- taking it into use --- */

static void count_flights(struct controller *c, struct env *env)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        const struct flight *f = &c->flights[i];
        bool is_here = f->key[0] != '\0' && flight_is_work(f) && f->env_id == env->env_id;
        int at = is_here ? world_node(env, f->node_id) : -1;
        if (at >= 0)
            env->nodes[at].n_busy++;
    }
}

static void use_target(struct controller *c, struct target *t)
{
    target_count(t->env, t);
    target_wake(c, t);
    due_hasten(&c->samplings, &t->env->sampling, c->now_ms);
}

static void use_env(struct controller *c, struct env *env)
{
    count_flights(c, env);
    for (int i = 0; i < env->n_targets; i++)
        use_target(c, &env->targets[i]);
    for (int i = 0; i < env->n_nodes; i++) {
        node_serves_changed(c, &env->nodes[i]);
        due_set(&c->looks, &env->nodes[i].look, c->now_ms);
    }
    c->world->n_spots += (int64_t)env->n_nodes * env->n_targets;
}

/* Everything of an environment points at the place where it is. */
static void settle_env(struct env *env)
{
    for (int i = 0; i < env->n_nodes; i++)
        env->nodes[i].env = env;
    for (int i = 0; i < env->n_targets; i++)
        env->targets[i].env = env;
}

static int fill_world(struct controller *c, struct db *db, struct world *w, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct watch_fleet fleet;
    size_t node = 0;
    size_t target = 0;
    int rc = db_watch_last(db, &w->journal_seq, e);
    if (rc == ERR_OK)
        rc = db_command_last(db, &w->command_seq, e);
    if (rc == ERR_OK)
        rc = db_watch_fleet(db, 0, &a, &fleet, e);
    if (rc != ERR_OK)
        return rc;
    w->envs = arena_alloc(&w->arena, fleet.n_envs * sizeof w->envs[0]);
    for (size_t i = 0; rc == ERR_OK && i < fleet.n_envs; i++) {
        struct slice s = next_slice(&fleet, i, &node, &target);
        rc = fill_env(c, db, &s, &w->envs[w->n_envs++], e);
    }
    return rc;
}

int world_load(struct controller *c, struct db *db, struct err *e)
{
    struct world *w = mem_alloc(sizeof *w);
    int rc = fill_world(c, db, w, e);
    if (rc != ERR_OK) {
        world_free(c, w);
        return rc;
    }
    for (int i = 0; i < w->n_envs; i++)
        carry_env(&w->envs[i], world_env(c->world, w->envs[i].env_id));
    bool is_first = c->world == NULL;
    world_free(c, c->world);
    c->world = w;
    limits_note(c->limits, "env.update"); /* rows may have been passed over */
    for (int i = 0; i < w->n_envs; i++)
        use_env(c, &w->envs[i]);
    if (is_first)
        windows_load(c, db);
    return ERR_OK;
}

int env_load(struct controller *c, struct db *db, struct env *env, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct watch_fleet fleet;
    struct env fresh = {0};
    size_t node = 0;
    size_t target = 0;
    int rc = db_watch_fleet(db, env->env_id, &a, &fleet, e);
    if (rc == ERR_OK && fleet.n_envs == 0)
        return world_load(c, db, e);
    if (rc != ERR_OK)
        return rc;
    struct slice s = next_slice(&fleet, 0, &node, &target);
    rc = fill_env(c, db, &s, &fresh, e);
    if (rc != ERR_OK) {
        env_clear(c, &fresh);
        return rc;
    }
    carry_env(&fresh, env);
    c->world->n_spots -= (int64_t)env->n_nodes * env->n_targets;
    env_clear(c, env);
    *env = fresh;
    settle_env(env);
    use_env(c, env);
    return ERR_OK;
}

/* Names stay where they are: they only change together with the environment. */
static bool is_same_name(const struct target *t, const struct watch_target *row)
{
    return t->model_id == row->model_id && strcmp(t->model, row->model) == 0 &&
           strcmp(t->serve_as, row->serve_as) == 0;
}

int target_load(struct controller *c, struct db *db, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct env *env = t->env;
    struct watch_target row;
    struct target fresh;
    bool found = false;
    int rc = db_watch_target(db, t->target_id, &a, &row, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (!found || !is_same_name(t, &row))
        return env_load(c, db, env, e);
    row.model = t->model;
    row.serve_as = t->serve_as;
    rc = target_fill(c, db, env, &row, &fresh, e);
    if (rc != ERR_OK) {
        target_clear(c, &fresh);
        return rc;
    }
    carry_target(env, &fresh, env, t);
    target_uncount(env, t);
    target_clear(c, t);
    *t = fresh;
    use_target(c, t);
    return ERR_OK;
}
