/*
 * Follows what others write: rows of the journal tell which part of the world has to be loaded
 * again, commands tell whose rollout has to be looked at. Controller's thread only.
 */
#include <string.h>

#include "view_limits.h"

enum scope {
    SCOPE_WORLD,   /* environments come or go */
    SCOPE_ENV,     /* object is "env" or "env/name" */
    SCOPE_TARGET,  /* object is "env/model" */
    SCOPE_ROLLOUT, /* object is the id of a rollout: its target */
};

/* Kinds of rows that change what the controller holds in memory; others do not matter to it. */
static const struct {
    const char *kind;
    enum scope scope;
} scopes[] = {
    {"env.create", SCOPE_WORLD},       {"env.delete", SCOPE_WORLD},
    {"env.update", SCOPE_ENV},         {"node.create", SCOPE_ENV},
    {"node.update", SCOPE_ENV},        {"node.delete", SCOPE_ENV},
    {"target.delete", SCOPE_ENV},      {"target.set", SCOPE_TARGET},
    {"rollout.submit", SCOPE_ROLLOUT}, {"rollout.end", SCOPE_ROLLOUT},
    {"model.delete", SCOPE_WORLD},     {"rollout.together", SCOPE_WORLD},
    {"node.register", SCOPE_ENV},      {"node.leave", SCOPE_ENV},
    {"node.cordon", SCOPE_ENV},        {"node.uncordon", SCOPE_ENV},
    {"node.adopt", SCOPE_ENV},         {"rollout.override", SCOPE_ROLLOUT},
    {"target.queue", SCOPE_TARGET},    {"target.freeze", SCOPE_TARGET},
    {"target.unfreeze", SCOPE_TARGET}, {"env.freeze", SCOPE_ENV},
    {"env.unfreeze", SCOPE_ENV},       {"env.stop", SCOPE_ENV},
    {"env.resume", SCOPE_ENV},         {"router.create", SCOPE_ENV},
    {"router.update", SCOPE_ENV},      {"router.delete", SCOPE_ENV},
};

static bool find_scope(const char *kind, enum scope *out)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (strcmp(scopes[i].kind, kind) == 0) {
            *out = scopes[i].scope;
            return true;
        }
    }
    return false;
}

/* What has to be loaded again. */
struct reload {
    bool is_world;
    struct marks places; /* target_id 0: the whole environment */
};

static void reload_clear(struct reload *r)
{
    marks_clear(&r->places);
}

static struct env *env_by_name(struct world *w, const char *name, size_t n)
{
    for (int i = 0; i < w->n_envs; i++) {
        if (strlen(w->envs[i].name) == n && memcmp(w->envs[i].name, name, n) == 0)
            return &w->envs[i];
    }
    return NULL;
}

static struct target *target_by_model(struct env *env, const char *model)
{
    for (int i = 0; i < env->n_targets; i++) {
        if (strcmp(env->targets[i].model, model) == 0)
            return &env->targets[i];
    }
    return NULL;
}

/* A target that is not known yet is found with its environment. */
static void add_object(struct controller *c, const char *object, enum scope scope, struct reload *r)
{
    size_t n = strcspn(object, "/");
    struct env *env = env_by_name(c->world, object, n);
    struct target *t = NULL;
    if (env == NULL) {
        r->is_world = true;
        return;
    }
    if (scope == SCOPE_TARGET && object[n] == '/')
        t = target_by_model(env, object + n + 1);
    marks_add(&r->places, env->env_id, 0, t != NULL ? t->target_id : 0);
}

static int add_row(struct controller *c, struct db *db, const struct watch_row *row,
                   struct reload *r, struct err *e)
{
    struct watch_place place;
    enum scope scope;
    bool found = false;
    limits_note(c->limits, row->kind);
    if (!find_scope(row->kind, &scope))
        return ERR_OK;
    if (scope == SCOPE_WORLD) {
        r->is_world = true;
        return ERR_OK;
    }
    if (scope != SCOPE_ROLLOUT) {
        add_object(c, row->object, scope, r);
        return ERR_OK;
    }
    int rc = db_watch_place(db, row->object, &place, &found, e);
    if (rc == ERR_OK && found)
        marks_add(&r->places, place.env_id, 0, place.target_id);
    return rc;
}

static bool is_mark_of(const struct mark *m, int64_t env_id, int64_t target_id)
{
    return m->env_id == env_id && m->target_id == target_id;
}

/* Each place once, and nothing of an environment that is loaded as a whole. */
static bool is_covered(const struct reload *r, size_t i)
{
    const struct mark *m = &r->places.items[i];
    for (size_t k = 0; k < r->places.n; k++) {
        const struct mark *o = &r->places.items[k];
        if (m->target_id != 0 && is_mark_of(o, m->env_id, 0))
            return true;
        if (k < i && is_mark_of(o, m->env_id, m->target_id))
            return true;
    }
    return false;
}

static int load_place(struct controller *c, struct db *db, const struct mark *m, struct err *e)
{
    struct env *env = world_env(c->world, m->env_id);
    struct target *t = env != NULL ? world_target(env, m->target_id) : NULL;
    if (env == NULL)
        return world_load(c, db, e);
    return t != NULL ? target_load(c, db, t, e) : env_load(c, db, env, e);
}

static int load_places(struct controller *c, struct db *db, const struct reload *r, struct err *e)
{
    int rc = ERR_OK;
    if (r->is_world)
        return world_load(c, db, e);
    for (size_t i = 0; rc == ERR_OK && i < r->places.n; i++) {
        if (!is_covered(r, i))
            rc = load_place(c, db, &r->places.items[i], e);
    }
    return rc;
}

static int follow_journal(struct controller *c, struct db *db, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reload r CLEANUP(reload_clear) = {0};
    struct watch_row *rows = NULL;
    size_t n = 0;
    int rc = db_watch_rows(db, c->world->journal_seq, &a, &rows, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = add_row(c, db, &rows[i], &r, e);
    for (size_t i = 0; i < c->stale.n; i++)
        marks_add(&r.places, c->stale.items[i].env_id, 0, c->stale.items[i].target_id);
    if (rc == ERR_OK)
        rc = load_places(c, db, &r, e);
    if (rc != ERR_OK)
        return rc;
    c->stale.n = 0;
    if (n >= DB_WATCH_ROWS) /* there may be more */
        atomic_store(&c->is_woken, true);
    if (n > 0 && rows[n - 1].seq > c->world->journal_seq)
        c->world->journal_seq = rows[n - 1].seq;
    return ERR_OK;
}

static int follow_commands(struct controller *c, struct db *db, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct watch_place *places = NULL;
    int64_t last = 0;
    size_t n = 0;
    int rc = db_command_last(db, &last, e);
    if (rc == ERR_OK && last > c->world->command_seq)
        rc = db_watch_commanded(db, c->world->command_seq, &a, &places, &n, e);
    if (rc != ERR_OK)
        return rc;
    c->world->command_seq = last;
    for (size_t i = 0; i < n; i++) {
        struct env *env = world_env(c->world, places[i].env_id);
        struct target *t = env != NULL ? world_target(env, places[i].target_id) : NULL;
        if (t == NULL)
            continue;
        t->has_commands = true;
        target_wake(c, t);
    }
    return ERR_OK;
}

int world_follow(struct controller *c, struct db *db, struct err *e)
{
    if (c->world == NULL)
        return world_load(c, db, e);
    int rc = follow_journal(c, db, e);
    return rc == ERR_OK ? follow_commands(c, db, e) : rc;
}
