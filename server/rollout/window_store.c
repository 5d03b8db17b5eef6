/*
 * The windows of targets in the database: what each node counted in the last minutes, one row per
 * target and slice, so that a rollout after a restart knows how things were before it. Bounded: as
 * many slices as a window has, WINDOWS_MAX nodes of targets. A slice is stored when it is over.
 * Controller's thread; windows_put_all runs on the writer meanwhile.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "controller_inner.h"
#include "db_analysis.h"
#include "log.h"

#define MAX_BYTES ((size_t)4 << 20)

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

/* --- out: numbers as text, for there are many of them --- */

static int n_used_kinds(const struct target *t)
{
    int n = 0;
    for (int k = 0; k < COUNTED_MAX_KINDS; k++)
        n = t->times.kinds[k].quantile_ppm != 0 ? k + 1 : n;
    return n;
}

static bool write_node(const struct counted *counted, int64_t node_id, int64_t slot, int n_kinds,
                       struct buf *out)
{
    int64_t v[2 * (1 + COUNTED_MAX_KINDS)] = {0};
    bool has_any = false;
    for (int k = -1; k < n_kinds; k++) {
        counted_slice(counted, slot, k, &v[2 * (k + 1)], &v[2 * (k + 1) + 1]);
        has_any = has_any || v[2 * (k + 1)] > 0;
    }
    if (!has_any)
        return false;
    buf_putf(out, "\n%" PRId64, node_id);
    for (int i = 0; i < 2 * (1 + n_kinds); i++)
        buf_putf(out, " %" PRId64, v[i]);
    return true;
}

/* True if something was counted in the slice. */
static bool write_slice(const struct target *t, int64_t slot, struct buf *out)
{
    bool has_any = false;
    int n_kinds = n_used_kinds(t);
    buf_putf(out, "%d %d", (int)t->times.timing, n_kinds);
    for (int k = 0; k < n_kinds; k++)
        buf_putf(out, " %" PRId64 " %a", t->times.kinds[k].quantile_ppm, t->times.kinds[k].bound);
    for (int i = 0; i < t->env->n_nodes; i++) {
        const struct counted *counted = t->spots[i].counted;
        if (counted != NULL)
            has_any = write_node(counted, t->env->nodes[i].node_id, slot, n_kinds, out) || has_any;
    }
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

/* A slice while it is read. */
struct slice {
    struct controller *c;
    struct target *target;
    const struct window_slice *row;
    const char *at; /* rest of the text; NULL: it is no such text */
    int n_kinds;
};

static int64_t next_number(struct slice *s)
{
    char *end = NULL;
    int64_t v = s->at != NULL ? strtoll(s->at, &end, 10) : 0;
    s->at = end != s->at && v >= 0 ? end : NULL;
    return v;
}

static double next_double(struct slice *s)
{
    char *end = NULL;
    double v = s->at != NULL ? strtod(s->at, &end) : 0;
    s->at = end != s->at && v >= 0 ? end : NULL;
    return v;
}

static void forget_slow(struct target *t, int kind)
{
    for (int i = 0; i < t->env->n_nodes; i++) {
        if (t->spots[i].counted != NULL)
            counted_forget_slow(t->spots[i].counted, kind);
    }
}

/* Slices are read by time: what was slow by another bound is forgotten. */
static void read_head(struct slice *s)
{
    struct counted_times *times = &s->target->times;
    int64_t timing = next_number(s), n_kinds = next_number(s);
    if (timing > DRIVER_TIMES_SERVER || n_kinds > COUNTED_MAX_KINDS)
        s->at = NULL;
    for (int k = 0; s->at != NULL && k < n_kinds; k++) {
        struct counted_kind kind = {.quantile_ppm = next_number(s)};
        kind.bound = next_double(s);
        const struct counted_kind *old = &times->kinds[k];
        bool is_same = old->quantile_ppm == kind.quantile_ppm && old->bound <= kind.bound &&
                       old->bound >= kind.bound;
        if (!is_same)
            forget_slow(s->target, k);
        times->kinds[k] = kind;
    }
    s->n_kinds = (int)n_kinds;
    times->timing = (enum driver_timing)timing;
}

static uint32_t next_count(struct slice *s)
{
    int64_t v = next_number(s);
    return (uint32_t)(v < UINT32_MAX ? v : UINT32_MAX);
}

/* Where the window of a node is put; NULL: nowhere. */
static struct counted *place_of(struct slice *s, int64_t node_id)
{
    int node = world_node(s->target->env, node_id);
    struct spot *spot = node >= 0 ? &s->target->spots[node] : NULL;
    if (spot == NULL)
        return NULL;
    if (spot->counted == NULL)
        spot->counted = mem_alloc(sizeof *spot->counted);
    bool has_room = spot->counted->cells != NULL || s->c->n_windows < WINDOWS_MAX;
    return has_room ? spot->counted : NULL;
}

static void read_node(struct slice *s)
{
    int64_t width = s->row->width_ms;
    struct counted *counted = place_of(s, next_number(s));
    bool is_new = counted != NULL && counted->cells == NULL;
    for (int k = -1; k < s->n_kinds; k++) {
        struct counted_cell cell = {.n = next_count(s)};
        cell.bad = next_count(s);
        if (s->at != NULL && counted != NULL && (k < 0 || cell.n > 0))
            counted_restore(counted, k, s->row->ts_ms / width - 1, width, &cell);
    }
    s->c->n_windows += is_new && counted->cells != NULL;
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
    (void)e;
    struct controller *c = ctx;
    struct target *t = find_target(c->world, s->target_id);
    int64_t oldest_ms = c->now_ms - COUNTED_WINDOW_MS - s->width_ms;
    bool is_wanted = t != NULL && s->width_ms == sampling_idle_ms(c) && !t->is_broken &&
                     (t->is_rolling || s->ts_ms > oldest_ms);
    if (!is_wanted)
        return ERR_OK;
    struct slice one = {.c = c, .target = t, .row = s, .at = s->document};
    read_head(&one);
    while (one.at != NULL && *one.at == '\n')
        read_node(&one);
    if (one.at == NULL)
        log_line(LOG_WARNING, "window", "a slice of target %" PRId64 " cannot be read",
                 s->target_id);
    t->window_slot = s->ts_ms / s->width_ms - 1;
    return ERR_OK;
}

void windows_load(struct controller *c, struct db *db)
{
    struct err e;
    if (db_windows(db, take_slice, c, &e) != ERR_OK)
        log_err(LOG_WARNING, "window", &e);
}
