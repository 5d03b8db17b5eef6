/*
 * SQL of model records and of pages of models. A page is four cursors in step: models, and tags,
 * aliases and environments of the same models in the same order, so a page costs four statements
 * however long it is. Knows no rules. Runs on the thread that uses the connection.
 */
#include "db_registry.h"

#include <string.h>

#define MAX_LOOKED_AT 10000
#define MAX_NAMES 100
/* Above every name that starts with the text before it. */
#define PREFIX_END "\xf4\x8f\xbf\xbf"

void named_add(struct named_numbers *list, struct arena *a, const char *name, int64_t number)
{
    list->items = arena_grow(a, list->items, list->n, sizeof *list->items);
    list->items[list->n++] = (struct named_number){.name = name, .number = number};
}

void texts_add(struct texts *list, struct arena *a, const char *text)
{
    list->items = arena_grow(a, list->items, list->n, sizeof *list->items);
    list->items[list->n++] = text;
}

/* Columns: model_id, name, description, next_number, created_seq, created_ts, updated_ts,
 * deleted_ts. */
static void read_model(struct stmt *q, struct arena *a, struct model_row *m)
{
    *m = (struct model_row){
        .model_id = stmt_int(q, 0),
        .name = arena_strdup(a, stmt_text(q, 1)),
        .description = arena_strdup(a, stmt_text(q, 2)),
        .next_number = stmt_int(q, 3),
        .created_seq = stmt_int(q, 4),
        .created_ms = stmt_int(q, 5),
        .updated_ms = stmt_int(q, 6),
        .deleted_ms = stmt_int(q, 7),
    };
}

int db_model_find(struct db *db, const char *name, struct arena *a, struct model_row *out,
                  bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT model_id, name, description, next_number, created_seq, created_ts, "
                      "updated_ts, deleted_ts FROM models WHERE name = ?1",
                      "t", name);
    if (rc != ERR_OK)
        return rc;
    rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        read_model(q, a, out);
    return rc;
}

/* A cursor over rows (name of the model, text, value) in order of name, one row ahead. */
struct side {
    struct stmt *q;
    bool has_row;
};

static void side_done(struct side *s)
{
    stmt_done(s->q);
}

static int side_step(struct side *s, struct err *e)
{
    return stmt_next(s->q, &s->has_row, e);
}

/* Moves to the next row of `name`; *here is false when it has none (left). */
static int side_seek(struct side *s, const char *name, bool *here, struct err *e)
{
    int rc = ERR_OK;
    while (rc == ERR_OK && s->has_row && strcmp(stmt_text(s->q, 0), name) < 0)
        rc = side_step(s, e);
    *here = rc == ERR_OK && s->has_row && strcmp(stmt_text(s->q, 0), name) == 0;
    return rc;
}

static int side_numbers(struct side *s, struct arena *a, const char *name,
                        struct named_numbers *out, struct err *e)
{
    bool here = false;
    int rc = side_seek(s, name, &here, e);
    while (rc == ERR_OK && here) {
        named_add(out, a, arena_strdup(a, stmt_text(s->q, 1)), stmt_int(s->q, 2));
        rc = side_step(s, e);
        if (rc == ERR_OK)
            rc = side_seek(s, name, &here, e);
    }
    return rc;
}

static int side_tags(struct side *s, struct arena *a, const char *name, struct pairs *out,
                     struct err *e)
{
    struct texts flat = {0};
    bool here = false;
    int rc = side_seek(s, name, &here, e);
    while (rc == ERR_OK && here) {
        texts_add(&flat, a, arena_strdup(a, stmt_text(s->q, 1)));
        texts_add(&flat, a, arena_strdup(a, stmt_text(s->q, 2)));
        rc = side_step(s, e);
        if (rc == ERR_OK)
            rc = side_seek(s, name, &here, e);
    }
    out->n = flat.n / 2;
    out->items = arena_alloc(a, out->n * sizeof *out->items);
    for (size_t i = 0; i < out->n; i++)
        out->items[i] = (struct pair){flat.items[2 * i], flat.items[2 * i + 1]};
    return rc;
}

struct sides {
    struct side tags, aliases, live;
};

static void sides_done(struct sides *s)
{
    side_done(&s->tags);
    side_done(&s->aliases);
    side_done(&s->live);
}

/* Of the models whose names are in [lo, hi). */
static int sides_open(struct db *db, const char *lo, const char *hi, struct sides *s, struct err *e)
{
    int rc = db_query(db, &s->tags.q, e,
                      "SELECT m.name, n.key, n.value FROM models m CROSS JOIN annotations n "
                      "ON n.model_id = m.model_id AND n.number = 0 AND n.kind = 'tag' "
                      "WHERE m.name >= ?1 AND m.name < ?2 ORDER BY m.name, n.key",
                      "tt", lo, hi);
    if (rc == ERR_OK)
        rc = db_query(db, &s->aliases.q, e,
                      "SELECT m.name, x.alias, x.number FROM models m CROSS JOIN aliases x "
                      "ON x.model_id = m.model_id WHERE m.name >= ?1 AND m.name < ?2 "
                      "AND NOT EXISTS (SELECT 1 FROM environments v WHERE v.name = x.alias) "
                      "ORDER BY m.name, x.alias",
                      "tt", lo, hi);
    if (rc == ERR_OK)
        rc = db_query(db, &s->live.q, e,
                      "SELECT m.name, v.name, t.live_number FROM models m CROSS JOIN targets t "
                      "ON t.model_id = m.model_id CROSS JOIN environments v "
                      "ON v.env_id = t.env_id WHERE m.name >= ?1 AND m.name < ?2 "
                      "AND t.live_number IS NOT NULL ORDER BY m.name",
                      "tt", lo, hi);
    if (rc == ERR_OK)
        rc = side_step(&s->tags, e);
    if (rc == ERR_OK)
        rc = side_step(&s->aliases, e);
    if (rc == ERR_OK)
        rc = side_step(&s->live, e);
    return rc;
}

static int sides_fill(struct sides *s, struct arena *a, struct model_row *m, struct err *e)
{
    int rc = side_tags(&s->tags, a, m->name, &m->tags, e);
    if (rc == ERR_OK)
        rc = side_numbers(&s->aliases, a, m->name, &m->aliases, e);
    if (rc == ERR_OK)
        rc = side_numbers(&s->live, a, m->name, &m->live, e);
    return rc;
}

/* Numbers are taken without gaps, so the living are all but the tombstones, which are few. */
static int count_living(struct db *db, struct model_row *m, struct err *e)
{
    int64_t n_deleted = 0;
    int rc = db_int(db, &n_deleted, NULL, e,
                    "SELECT count(*) FROM versions WHERE model_id = ?1 AND deleted_ts IS NOT NULL",
                    "i", m->model_id);
    m->n_versions = m->next_number - 1 - n_deleted;
    return rc;
}

int db_model_fill(struct db *db, struct arena *a, struct model_row *m, struct err *e)
{
    struct moment now = {INT64_MAX, INT64_MAX};
    struct sides sides CLEANUP(sides_done) = {0};
    int rc = sides_open(db, m->name, arena_printf(a, "%s\x01", m->name), &sides, e);
    if (rc == ERR_OK)
        rc = sides_fill(&sides, a, m, e);
    if (rc == ERR_OK)
        rc = db_version_newest(db, m->model_id, now, &m->latest, e);
    return rc == ERR_OK ? count_living(db, m, e) : rc;
}

static int page_rows(struct db *db, const struct model_query *q, const char *lo, const char *hi,
                     struct stmt **out, struct err *e)
{
    return db_query(db, out, e,
                    "SELECT model_id, name FROM models WHERE name >= ?1 AND name < ?2 "
                    "AND name > ?3 AND (?4 = 1 OR deleted_ts IS NULL) ORDER BY name",
                    "ttti", lo, hi, q->after, (int64_t)q->is_bare);
}

/* Puts a model into the page. Latest and number of living versions come from the index (model_id,
 * deleted_ts, number); they cost more than a name, so only models that are seen are asked for. */
static int page_take(struct db *db, int64_t model_id, struct arena *a, struct model_page *page,
                     struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT m.model_id, m.name, m.description, m.next_number, m.created_seq, "
                      "m.created_ts, m.updated_ts, m.deleted_ts, (SELECT v.number FROM versions v "
                      "WHERE v.model_id = m.model_id AND v.deleted_ts IS NULL "
                      "ORDER BY v.number DESC LIMIT 1), m.next_number - 1 - (SELECT count(*) "
                      "FROM versions v WHERE v.model_id = m.model_id AND v.deleted_ts IS NOT NULL) "
                      "FROM models m WHERE m.model_id = ?1",
                      "i", model_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK || !row)
        return rc;
    struct model_row *m = &page->items[page->n++];
    read_model(q, a, m);
    m->latest = stmt_int(q, 8);
    m->n_versions = stmt_int(q, 9);
    return ERR_OK;
}

/* Bounded by the page itself: with an open end, finding the first of few aliases would read every
 * model that follows. */
static int page_fill(struct db *db, struct arena *a, struct model_page *page, struct err *e)
{
    struct sides sides CLEANUP(sides_done) = {0};
    if (!page->n)
        return ERR_OK;
    const char *last = page->items[page->n - 1].name;
    int rc = sides_open(db, page->items[0].name, arena_printf(a, "%s\x01", last), &sides, e);
    for (size_t i = 0; rc == ERR_OK && i < page->n; i++)
        rc = sides_fill(&sides, a, &page->items[i], e);
    return rc;
}

int db_model_page(struct db *db, const struct model_query *q, struct arena *a,
                  struct model_page *out, struct err *e)
{
    const char *hi = arena_printf(a, "%s" PREFIX_END, q->prefix);
    const char *lo = strcmp(q->after, q->prefix) > 0 ? q->after : q->prefix;
    struct model_page page = {.items = arena_alloc(a, (size_t)q->limit * sizeof *page.items)};
    struct stmt *rows CLEANUP(stmt_done_ptr) = NULL;
    int rc = page_rows(db, q, lo, hi, &rows, e);
    bool row = false;
    const char *last = NULL;
    for (int looked_at = 0; rc == ERR_OK; looked_at++) {
        rc = stmt_next(rows, &row, e);
        if (rc != ERR_OK || !row)
            break;
        if ((int64_t)page.n == q->limit || looked_at == MAX_LOOKED_AT) {
            page.next = last;
            break;
        }
        last = arena_strdup(a, stmt_text(rows, 1));
        if (q->see(q->globs, last))
            rc = page_take(db, stmt_int(rows, 0), a, &page, e);
    }
    if (rc == ERR_OK && !q->is_bare)
        rc = page_fill(db, a, &page, e);
    if (rc == ERR_OK)
        *out = page;
    return rc;
}

int db_model_names(struct db *db, const struct model_query *q, struct arena *a, const char ***out,
                   struct err *e)
{
    struct stmt *rows CLEANUP(stmt_done_ptr) = NULL;
    const char **names = arena_alloc(a, (MAX_NAMES + 1) * sizeof *names);
    int rc = db_query(db, &rows, e,
                      "SELECT name FROM models WHERE name >= ?1 AND name < ?2 "
                      "AND deleted_ts IS NULL ORDER BY name LIMIT 1000",
                      "tt", q->prefix, arena_printf(a, "%s" PREFIX_END, q->prefix));
    bool row = true;
    for (size_t n = 0; rc == ERR_OK && n < MAX_NAMES;) {
        rc = stmt_next(rows, &row, e);
        if (rc != ERR_OK || !row)
            break;
        if (q->see(q->globs, stmt_text(rows, 0)))
            names[n++] = arena_strdup(a, stmt_text(rows, 0));
    }
    *out = names;
    return rc;
}

int db_model_insert(struct db *db, struct model_row *m, struct err *e)
{
    int rc = db_run(db, e,
                    "INSERT INTO models (name, description, created_seq, created_ts, updated_ts) "
                    "VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (name) DO UPDATE SET "
                    "description = excluded.description, created_seq = excluded.created_seq, "
                    "created_ts = excluded.created_ts, updated_ts = excluded.updated_ts, "
                    "deleted_ts = NULL",
                    "ttii", m->name, m->description, m->created_seq, m->created_ms);
    if (rc != ERR_OK)
        return rc;
    return db_int(db, &m->model_id, NULL, e, "SELECT model_id FROM models WHERE name = ?1", "t",
                  m->name);
}

int db_model_describe(struct db *db, int64_t model_id, const char *description, struct err *e)
{
    return db_run(db, e, "UPDATE models SET description = ?2 WHERE model_id = ?1", "it", model_id,
                  description);
}

int db_model_touch(struct db *db, int64_t model_id, int64_t ms, struct err *e)
{
    return db_run(db, e, "UPDATE models SET updated_ts = ?2 WHERE model_id = ?1", "ii", model_id,
                  ms);
}

int db_model_set_next(struct db *db, int64_t model_id, int64_t next, struct err *e)
{
    return db_run(db, e, "UPDATE models SET next_number = ?2 WHERE model_id = ?1", "ii", model_id,
                  next);
}

int db_model_tombstone(struct db *db, int64_t model_id, int64_t ms, struct err *e)
{
    int rc = db_run(db, e, "UPDATE models SET deleted_ts = ?2, updated_ts = ?2 WHERE model_id = ?1",
                    "ii", model_id, ms);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "UPDATE versions SET deleted_ts = ?2 WHERE model_id = ?1 "
                    "AND deleted_ts IS NULL",
                    "ii", model_id, ms);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM aliases WHERE model_id = ?1", "i", model_id);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM annotations WHERE model_id = ?1 AND number = 0", "i",
                    model_id);
    return rc;
}

int db_model_used_by(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                     const char **env, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT v.name FROM targets t CROSS JOIN environments v "
                      "ON v.env_id = t.env_id WHERE t.model_id = ?1 AND "
                      "((t.live_number IS NOT NULL AND (?2 = 0 OR t.live_number = ?2)) "
                      "OR EXISTS (SELECT 1 FROM rollouts r WHERE r.target_id = t.target_id "
                      "AND r.is_active = 1 AND (?2 = 0 OR r.to_number = ?2 "
                      "OR r.from_number = ?2))) LIMIT 1",
                      "ii", model_id, number);
    bool row = false;
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK)
        *env = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    return rc;
}

int db_env_exists(struct db *db, const char *name, bool *yes, struct err *e)
{
    int64_t id = 0;
    return db_int(db, &id, yes, e, "SELECT env_id FROM environments WHERE name = ?1", "t", name);
}
