/*
 * What has to be stored of judging: states, intervals and values, in the transaction of everything
 * else that was seen. Rows of a gate are bounded: when there are too many, the older half is
 * merged. Controller's thread; judging_put_all runs on the writer meanwhile.
 */
#include "controller_inner.h"
#include "judging.h"

#define MAX_BYTES ((size_t)16 << 20)

void judging_changed(struct controller *c, struct target *t)
{
    if (!t->judging->is_unwritten)
        marks_add(&c->judged, t->env->env_id, 0, t->target_id);
    t->judging->is_unwritten = true;
}

/* Some 300 bytes per node: a thousand nodes are 300 kB each time. */
#define STORE_MS_PER_NODE 30
#define STORE_MOST_MS 60000

void judging_went_on(struct controller *c, struct target *t)
{
    struct judging *j = t->judging;
    int64_t every_ms = (int64_t)j->n_nodes * STORE_MS_PER_NODE;
    every_ms = every_ms < STORE_MOST_MS ? every_ms : STORE_MOST_MS;
    j->is_ahead = true;
    if (every_ms <= c->o.sample_every_ms || c->now_ms >= j->stored_ms + every_ms)
        judging_changed(c, t);
}

bool judging_is_behind(struct controller *c, struct target *t)
{
    if (t->judging == NULL || !t->judging->is_ahead)
        return false;
    judging_changed(c, t);
    return true;
}

static int merge_intervals(struct db *db, const char *id, int gate, int64_t *n_less, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_interval *list = NULL;
    size_t n = 0;
    int rc = db_intervals(db, id, gate, JUDGING_MAX_ROWS / 2, &a, &list, &n, e);
    if (rc != ERR_OK || n == 0)
        return rc;
    rc = db_intervals_drop(db, id, gate, list[n - 1].ts_ms, e);
    size_t left = judging_merge_intervals(list, n);
    for (size_t i = 0; rc == ERR_OK && i < left; i++)
        rc = db_interval_put(db, id, &list[i], e);
    *n_less = (int64_t)(n - left);
    return rc;
}

static int merge_values(struct db *db, const char *id, int gate, int64_t *n_less, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_value *list = NULL;
    size_t n = 0;
    int rc = db_values(db, id, gate, JUDGING_MAX_ROWS / 2, &a, &list, &n, e);
    if (rc != ERR_OK || n == 0)
        return rc;
    rc = db_values_drop(db, id, gate, list[n - 1].ts_ms, e);
    size_t left = judging_merge_values(list, n);
    for (size_t i = 0; rc == ERR_OK && i < left; i++)
        rc = db_value_put(db, id, &list[i], e);
    *n_less = (int64_t)(n - left);
    return rc;
}

/* n_rows_put is taken over when all is stored. */
static int bound_rows(struct db *db, struct judging *j, int gate, struct err *e)
{
    struct judged_gate *g = &j->gates[gate];
    int64_t n_less = 0;
    int64_t limit = g->merge_at > JUDGING_MAX_ROWS ? g->merge_at : JUDGING_MAX_ROWS;
    if (g->n_rows_put < limit)
        return ERR_OK;
    int rc = g->feed >= 0 ? merge_intervals(db, j->rollout_id, gate, &n_less, e)
                          : merge_values(db, j->rollout_id, gate, &n_less, e);
    g->n_rows_put -= n_less;
    /* Where little can be merged it is not tried each time. */
    g->merge_at = g->n_rows_put + JUDGING_MAX_ROWS / 8;
    return rc;
}

static void count_rows(struct judging *j)
{
    for (int i = 0; i < j->n_gates; i++)
        j->gates[i].n_rows_put = j->gates[i].n_rows;
    for (size_t i = 0; i < j->n_intervals; i++)
        j->gates[j->intervals[i].gate].n_rows_put++;
    for (size_t i = 0; i < j->n_values; i++)
        j->gates[j->values[i].gate].n_rows_put++;
}

static int put(struct db *db, struct judging *j, int64_t now_ms, struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    int rc = ERR_OK;
    buf_init(&text, MAX_BYTES);
    judging_write(j, &text);
    if (!buf_ok(&text))
        return err_set(e, ERR_TOO_LARGE, "the judging of %s is too large", j->rollout_id);
    rc = db_analysis_put(db, j->rollout_id, buf_str(&text), now_ms, e);
    for (size_t i = 0; rc == ERR_OK && i < j->n_intervals; i++)
        rc = db_interval_put(db, j->rollout_id, &j->intervals[i], e);
    for (size_t i = 0; rc == ERR_OK && i < j->n_values; i++)
        rc = db_value_put(db, j->rollout_id, &j->values[i], e);
    count_rows(j);
    for (int i = 0; rc == ERR_OK && i < j->n_gates; i++)
        rc = bound_rows(db, j, i, e);
    return rc;
}

/* The judging that a mark means, if it still is there and waits. */
static struct judging *marked(struct controller *c, size_t at)
{
    const struct mark *m = &c->judged.items[at];
    struct env *env = world_env(c->world, m->env_id);
    struct target *t = env != NULL ? world_target(env, m->target_id) : NULL;
    return t != NULL && t->judging != NULL && t->judging->is_unwritten ? t->judging : NULL;
}

int judging_put_all(struct controller *c, struct db *db, struct err *e)
{
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < c->judged.n; i++) {
        struct judging *j = marked(c, i);
        if (j != NULL)
            rc = put(db, j, c->now_ms, e);
    }
    return rc;
}

void judging_mark_all(struct controller *c)
{
    for (size_t i = 0; i < c->judged.n; i++) {
        struct judging *j = marked(c, i);
        if (j == NULL)
            continue;
        j->is_unwritten = j->is_ahead = false;
        j->stored_ms = c->now_ms;
        j->n_intervals = j->n_values = 0;
        for (int k = 0; k < j->n_gates; k++)
            j->gates[k].n_rows = j->gates[k].n_rows_put;
    }
    c->judged.n = 0;
}
