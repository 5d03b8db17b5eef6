/*
 * The windows of targets in the database: what each node counted in the last minutes, one row per
 * target and slice, so that a rollout after a restart knows how things were before it. Bounded: as
 * many slices as a window has, WINDOWS_MAX nodes of targets. A slice is stored when it is over.
 * Controller's thread; windows_put_all runs on the writer meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "db_analysis.h"
#include "log.h"

#define MAX_BYTES ((size_t)4 << 20)
#define MAX_DEPTH 4
/* Numbers of a node: its id, requests, failed; then timed and slow per kind. */
#define HEAD_NUMBERS 3

static int64_t newest_slot(const struct controller *c)
{
    return c->now_ms / sampling_idle_ms(c) - 1;
}

void window_note(struct controller *c, struct target *t)
{
    if (t->is_window_unwritten || newest_slot(c) <= t->window_slot)
        return;
    t->is_window_unwritten = true;
    marks_add(&c->windows, t->env->env_id, 0, t->target_id);
}

/* --- out --- */

static bool write_node(const struct counted *counted, int64_t node_id, int64_t slot,
                       struct jsonw *w)
{
    int64_t v[2 * (1 + COUNTED_MAX_KINDS)] = {0};
    bool has_any = false;
    for (int k = -1; k < COUNTED_MAX_KINDS; k++) {
        counted_slice(counted, slot, k, &v[2 * (k + 1)], &v[2 * (k + 1) + 1]);
        has_any = has_any || v[2 * (k + 1)] > 0;
    }
    if (!has_any)
        return false;
    jsonw_int(w, NULL, node_id);
    for (int k = 0; k < 2 * (1 + counted->n_kinds); k++)
        jsonw_int(w, NULL, v[k]);
    /* Each node as long as the others. */
    for (int k = 2 * (1 + counted->n_kinds); k < 2 * (1 + COUNTED_MAX_KINDS); k++)
        jsonw_int(w, NULL, 0);
    return true;
}

/* True if something was counted in the slice. */
static bool write_slice(const struct target *t, int64_t slot, struct buf *out)
{
    struct jsonw w;
    bool has_any = false;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "timing", (int64_t)t->times.timing);
    jsonw_array(&w, "kinds");
    for (int k = 0; k < COUNTED_MAX_KINDS; k++) {
        jsonw_int(&w, NULL, t->times.kinds[k].quantile_ppm);
        jsonw_strf(&w, NULL, "%a", t->times.kinds[k].bound);
    }
    jsonw_end(&w);
    jsonw_array(&w, "nodes");
    for (int i = 0; i < t->env->n_nodes; i++) {
        const struct counted *counted = t->spots[i].counted;
        if (counted != NULL)
            has_any = write_node(counted, t->env->nodes[i].node_id, slot, &w) || has_any;
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return has_any;
}

static int put(struct controller *c, struct db *db, const struct target *t, struct err *e)
{
    int64_t width = sampling_idle_ms(c);
    int64_t last = newest_slot(c);
    /* The ring has the present slice as well. */
    int64_t oldest = last - counted_n_cells(width) + 2;
    int64_t slot = t->window_slot + 1 > oldest ? t->window_slot + 1 : oldest;
    int rc = ERR_OK;
    for (; rc == ERR_OK && slot <= last; slot++) {
        struct buf text CLEANUP(buf_clear);
        buf_init(&text, MAX_BYTES);
        if (!write_slice(t, slot, &text) || !buf_ok(&text))
            continue;
        struct window_slice s = {.target_id = t->target_id,
                                 .ts_ms = (slot + 1) * width,
                                 .width_ms = width,
                                 .document = buf_str(&text)};
        rc = db_window_put(db, &s, (oldest + 1) * width, e);
    }
    return rc;
}

/* The target that a mark means, if it still is there and waits. */
static struct target *marked(struct controller *c, size_t at)
{
    const struct mark *m = &c->windows.items[at];
    struct env *env = world_env(c->world, m->env_id);
    struct target *t = env != NULL ? world_target(env, m->target_id) : NULL;
    return t != NULL && t->is_window_unwritten ? t : NULL;
}

int windows_put_all(struct controller *c, struct db *db, struct err *e)
{
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < c->windows.n; i++) {
        const struct target *t = marked(c, i);
        if (t != NULL)
            rc = put(c, db, t, e);
    }
    return rc;
}

void windows_mark_all(struct controller *c)
{
    for (size_t i = 0; i < c->windows.n; i++) {
        struct target *t = marked(c, i);
        if (t == NULL)
            continue;
        t->is_window_unwritten = false;
        t->window_slot = newest_slot(c);
    }
    c->windows.n = 0;
}

/* --- back --- */

static int64_t number_at(const json_t *list, size_t i)
{
    return json_integer_value(json_array_get(list, i));
}

static void read_kinds(const json_t *list, struct target *t)
{
    for (size_t k = 0; k < COUNTED_MAX_KINDS; k++) {
        const char *bound = json_string_value(json_array_get(list, 2 * k + 1));
        struct counted_kind *kind = &t->times.kinds[k];
        double v = bound != NULL ? strtod(bound, NULL) : 0;
        bool is_same =
            kind->quantile_ppm == number_at(list, 2 * k) && v <= kind->bound && v >= kind->bound;
        *kind = (struct counted_kind){
            .quantile_ppm = number_at(list, 2 * k), .used_ms = kind->used_ms, .bound = v};
        /* Slices are read by time: what was slow by another bound is forgotten. */
        for (int i = 0; !is_same && i < t->env->n_nodes; i++) {
            if (t->spots[i].counted != NULL)
                counted_forget_slow(t->spots[i].counted, (int)k);
        }
    }
}

static struct counted_cell cell_of(const json_t *list, size_t at)
{
    int64_t n = number_at(list, at), bad = number_at(list, at + 1);
    return (struct counted_cell){(uint32_t)(n < UINT32_MAX ? n : UINT32_MAX),
                                 (uint32_t)(bad < UINT32_MAX ? bad : UINT32_MAX)};
}

static void read_node(struct controller *c, struct target *t, const json_t *list, size_t at,
                      const struct window_slice *s)
{
    int node = world_node(t->env, number_at(list, at));
    if (node < 0)
        return;
    struct spot *spot = &t->spots[node];
    if (spot->counted == NULL)
        spot->counted = mem_alloc(sizeof *spot->counted);
    bool had_window = spot->counted->cells != NULL;
    if (!had_window && c->n_windows >= WINDOWS_MAX)
        return;
    int64_t slot = s->ts_ms / s->width_ms - 1;
    for (int k = -1; k < COUNTED_MAX_KINDS; k++) {
        struct counted_cell cell = cell_of(list, at + 1 + 2 * (size_t)(k + 1));
        if (k < 0 || cell.n > 0)
            counted_restore(spot->counted, k, slot, s->width_ms, &cell);
    }
    c->n_windows += !had_window;
}

static struct target *find_target(struct world *w, int64_t target_id)
{
    struct target *found = NULL;
    for (int i = 0; found == NULL && i < w->n_envs; i++)
        found = world_target(&w->envs[i], target_id);
    return found;
}

/* A slice of another width, of before the window or that nobody asks about is passed over. */
static int take_slice(void *ctx, const struct window_slice *s, struct err *e)
{
    struct controller *c = ctx;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct target *t = find_target(c->world, s->target_id);
    int64_t oldest_ms = c->now_ms - COUNTED_WINDOW_MS - s->width_ms;
    bool is_wanted = t != NULL && s->width_ms == sampling_idle_ms(c) && !t->is_broken &&
                     (t->is_rolling || s->ts_ms > oldest_ms);
    if (!is_wanted)
        return ERR_OK;
    if (json_parse(s->document, strlen(s->document), MAX_DEPTH, &j, e) != ERR_OK) {
        log_err(LOG_WARNING, "window", e);
        return ERR_OK;
    }
    const json_t *nodes = json_object_get(j, "nodes");
    size_t width = HEAD_NUMBERS + 2 * COUNTED_MAX_KINDS;
    int64_t timing = json_integer_value(json_object_get(j, "timing"));
    if (timing >= 0 && timing <= DRIVER_TIMES_SERVER)
        t->times.timing = (enum driver_timing)timing;
    read_kinds(json_object_get(j, "kinds"), t);
    for (size_t at = 0; at + width <= json_array_size(nodes); at += width)
        read_node(c, t, nodes, at, s);
    t->window_slot = s->ts_ms / s->width_ms - 1;
    return ERR_OK;
}

void windows_load(struct controller *c, struct db *db)
{
    struct err e;
    if (db_windows(db, take_slice, c, &e) != ERR_OK)
        log_err(LOG_WARNING, "window", &e);
}
