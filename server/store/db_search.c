/*
 * Finding things by part of a name. Names are searched by scanning their small tables: ten thousand
 * rows take about two milliseconds; versions are found by digest through an index. Must not know
 * who asks: the caller says which models are seen. Runs on a reader.
 */
#include "db_search.h"

#include <string.h>

#define MAX_ROLLOUTS 5000 /* that are looked at; there may be any number of them */

static struct search_hit *add(struct search_hits *h, const char *kind)
{
    h->rows = arena_grow(h->arena, h->rows, h->n, sizeof *h->rows);
    struct search_hit *hit = &h->rows[h->n++];
    *hit = (struct search_hit){.kind = kind};
    return hit;
}

static const char *text(struct search_hits *h, struct stmt *q, int column)
{
    return stmt_is_null(q, column) ? NULL : arena_strdup(h->arena, stmt_text(q, column));
}

static bool is_visible(const struct search_query *q, struct stmt *s, const char *kind)
{
    int column = strcmp(kind, "model") == 0 ? 0 : 1;
    return !q->may_see || stmt_is_null(s, column) || q->may_see(q->self, stmt_text(s, column));
}

/* Each row: name, model, environment, text, version. Only visible ones count to the limit. */
static int take(struct stmt *q, const struct search_query *wanted, const char *kind,
                struct search_hits *out, struct err *e)
{
    size_t most = out->n + (size_t)wanted->limit;
    bool row = false;
    int rc = 0;
    while (out->n < most && (rc = stmt_next(q, &row, e)) == 0 && row) {
        if (!is_visible(wanted, q, kind))
            continue;
        struct search_hit *hit = add(out, kind);
        hit->name = text(out, q, 0);
        hit->model = text(out, q, 1);
        hit->environment = text(out, q, 2);
        hit->text = text(out, q, 3);
        hit->version = stmt_is_null(q, 4) ? 0 : stmt_int(q, 4);
    }
    return rc;
}

int db_search_models(struct db *db, const struct search_query *q, struct search_hits *out,
                     struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT name, NULL, NULL, SUBSTR(description, 1, 80), NULL "
                      "FROM models WHERE deleted_ts IS NULL AND LOWER(name) LIKE ?1 ESCAPE '\\' "
                      "ORDER BY LENGTH(name), name",
                      "t", db_like(out->arena, "%", q->word));
    return rc ? rc : take(s, q, "model", out, e);
}

int db_search_aliases(struct db *db, const struct search_query *q, struct search_hits *out,
                      struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT m.name || '@' || a.alias, m.name, NULL, NULL, a.number "
                      "FROM aliases a JOIN models m ON m.model_id = a.model_id "
                      "WHERE m.deleted_ts IS NULL AND LOWER(a.alias) LIKE ?1 ESCAPE '\\' "
                      "ORDER BY m.name, a.alias",
                      "t", db_like(out->arena, "%", q->word));
    return rc ? rc : take(s, q, "alias", out, e);
}

int db_search_nodes(struct db *db, const struct search_query *q, struct search_hits *out,
                    struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT n.name, NULL, v.name, n.admin_url, NULL FROM nodes n "
                      "JOIN environments v ON v.env_id = n.env_id "
                      "WHERE (LOWER(n.name) LIKE ?1 ESCAPE '\\' "
                      "OR LOWER(n.labels) LIKE ?1 ESCAPE '\\' "
                      "OR LOWER(n.admin_url) LIKE ?1 ESCAPE '\\') "
                      "AND (?2 = '' OR LOWER(v.name) = ?2) ORDER BY v.name, n.name",
                      "tt", db_like(out->arena, "%", q->word), q->env ? q->env : "");
    return rc ? rc : take(s, q, "node", out, e);
}

int db_search_environments(struct db *db, const struct search_query *q, struct search_hits *out,
                           struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT name, NULL, NULL, NULL, NULL FROM environments "
                      "WHERE LOWER(name) LIKE ?1 ESCAPE '\\' ORDER BY position, name",
                      "t", db_like(out->arena, "%", q->word));
    return rc ? rc : take(s, q, "environment", out, e);
}

int db_search_actors(struct db *db, const struct search_query *q, struct search_hits *out,
                     struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    struct stmt *u CLEANUP(stmt_done_ptr) = NULL;
    const char *like = db_like(out->arena, "%", q->word);
    int64_t sees_roles = q->sees_roles;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT token_id, NULL, NULL, name || "
                      "CASE WHEN ?3 = 0 THEN '' WHEN revoked_ts IS NULL THEN ', ' || role "
                      "ELSE ', ' || role || ', revoked' END, NULL FROM tokens "
                      "WHERE LOWER(name) LIKE ?1 ESCAPE '\\' OR token_id = ?2 ORDER BY created_ts",
                      "tti", like, q->word, sees_roles);
    if (!rc)
        rc = take(s, q, "token", out, e);
    if (!rc)
        rc = db_query(db, &u, e,
                      "/*scan*/ SELECT user_id, NULL, NULL, name || "
                      "CASE WHEN ?3 = 0 THEN '' ELSE ', ' || role END, NULL FROM users "
                      "WHERE is_removed = 0 AND (LOWER(name) LIKE ?1 ESCAPE '\\' OR user_id = ?2) "
                      "ORDER BY name",
                      "tti", like, q->word, sees_roles);
    return rc ? rc : take(u, q, "user", out, e);
}

/* Ids of rollouts that may match, from the index that narrows them most. */
static int open_candidates(struct db *db, const struct search_query *q, struct stmt **s,
                           struct err *e)
{
    if (q->word)
        return db_query(db, s, e,
                        "SELECT rollout_id FROM rollouts WHERE rollout_id >= ?1 "
                        "AND rollout_id < ?1 || '~' ORDER BY rollout_id LIMIT ?2",
                        "ti", q->word, (int64_t)MAX_ROLLOUTS);
    if (q->by)
        return db_query(db, s, e,
                        "SELECT rollout_id FROM rollouts WHERE actor = ?1 "
                        "ORDER BY submitted_seq DESC LIMIT ?2",
                        "ti", q->by, (int64_t)MAX_ROLLOUTS);
    if (q->state)
        return db_query(db, s, e,
                        "SELECT rollout_id FROM rollouts WHERE phase = ?1 "
                        "ORDER BY ended_ts DESC, rowid DESC LIMIT ?2",
                        "ti", q->state, (int64_t)MAX_ROLLOUTS);
    return db_query(db, s, e,
                    "SELECT rollout_id FROM rollouts WHERE +target_id IN (SELECT t.target_id "
                    "FROM environments v JOIN targets t ON t.env_id = v.env_id "
                    "WHERE LOWER(v.name) = ?1) ORDER BY submitted_seq DESC LIMIT ?2",
                    "ti", q->env ? q->env : "", (int64_t)MAX_ROLLOUTS);
}

/* Takes one rollout, if it is what was asked for. */
static int take_rollout(struct db *db, const char *id, const struct search_query *q,
                        struct search_hits *out, struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc =
        db_query(db, &s, e,
                 "SELECT r.rollout_id, m.name, v.name, m.name || ' ' || "
                 "COALESCE(CAST(NULLIF(r.from_number, 0) AS TEXT), 'nothing') || ' to ' || "
                 "r.to_number || ' in ' || v.name || "
                 "', ' || r.phase, r.to_number FROM rollouts r "
                 "CROSS JOIN targets t ON t.target_id = r.target_id "
                 "CROSS JOIN environments v ON v.env_id = t.env_id "
                 "CROSS JOIN models m ON m.model_id = t.model_id "
                 "WHERE r.rollout_id = ?1 AND (?2 = '' OR LOWER(v.name) = ?2) "
                 "AND (?3 = '' OR r.phase = ?3) AND (?4 = '' OR r.actor = ?4)",
                 "tttt", id, q->env ? q->env : "", q->state ? q->state : "", q->by ? q->by : "");
    return rc ? rc : take(s, q, "rollout", out, e);
}

int db_search_rollouts(struct db *db, const struct search_query *q, struct search_hits *out,
                       struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    size_t most = out->n + (size_t)q->limit;
    bool row = false;
    int rc = open_candidates(db, q, &s, e);
    while (!rc && out->n < most && !(rc = stmt_next(s, &row, e)) && row)
        rc = take_rollout(db, stmt_text(s, 0), q, out, e);
    return rc;
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

int db_search_digests(struct db *db, const struct search_query *q, struct search_hits *out,
                      struct err *e)
{
    struct digest lo = {0};
    struct digest hi;
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    memset(hi.b, 0xff, sizeof hi.b);
    for (size_t i = 0; i < 64 && q->digest[i]; i++) {
        int shift = i % 2 ? 0 : 4;
        unsigned mask = 0xfu << shift;
        unsigned v = (unsigned)hex_value(q->digest[i]) << shift;
        lo.b[i / 2] = (uint8_t)((lo.b[i / 2] & ~mask) | v);
        hi.b[i / 2] = (uint8_t)((hi.b[i / 2] & ~mask) | v);
    }
    int rc = db_query(db, &s, e,
                      "SELECT m.name, m.name, NULL, 'version ' || x.number, x.number "
                      "FROM versions x JOIN models m ON m.model_id = x.model_id "
                      "WHERE x.content_digest >= ?1 AND x.content_digest <= ?2 "
                      "AND x.deleted_ts IS NULL ORDER BY m.name, x.number",
                      "dd", &lo, &hi);
    return rc ? rc : take(s, q, "version", out, e);
}
