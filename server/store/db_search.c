/*
 * Finding things by part of a name. Names are searched by scanning their small tables: ten thousand
 * rows take about two milliseconds; versions are found by digest through an index. Must not know
 * who asks. Runs on a reader.
 */
#include "db_search.h"

#include <string.h>

#define MAX_PATTERN_BYTES 256

static struct search_hit *add(struct search_hits *h, const char *kind)
{
    if (h->n == h->cap) {
        size_t cap = h->cap * 2 + 32;
        struct search_hit *rows = arena_alloc(h->arena, cap * sizeof *rows);
        if (h->n)
            memcpy(rows, h->rows, h->n * sizeof *rows);
        h->rows = rows;
        h->cap = cap;
    }
    struct search_hit *hit = &h->rows[h->n++];
    *hit = (struct search_hit){.kind = kind};
    return hit;
}

static const char *text(struct search_hits *h, struct stmt *q, int column)
{
    return stmt_is_null(q, column) ? NULL : arena_strdup(h->arena, stmt_text(q, column));
}

/* "%word%" with the signs of LIKE escaped; "%" when no word was given. */
static const char *pattern(struct search_hits *h, const char *word)
{
    char *out = arena_alloc(h->arena, MAX_PATTERN_BYTES * 2 + 3);
    size_t n = 0;
    out[n++] = '%';
    for (size_t i = 0; word && word[i] && i < MAX_PATTERN_BYTES; i++) {
        if (strchr("%_\\", word[i]))
            out[n++] = '\\';
        out[n++] = word[i];
    }
    if (n > 1)
        out[n++] = '%';
    out[n] = '\0';
    return out;
}

/* Each row: name, model, environment, text, version. */
static int take(struct stmt *q, const char *kind, struct search_hits *out, struct err *e)
{
    bool row = false;
    int rc = 0;
    while ((rc = stmt_next(q, &row, e)) == 0 && row) {
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
                      "ORDER BY LENGTH(name), name LIMIT ?2",
                      "ti", pattern(out, q->word), q->limit);
    return rc ? rc : take(s, "model", out, e);
}

int db_search_aliases(struct db *db, const struct search_query *q, struct search_hits *out,
                      struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT m.name || '@' || a.alias, m.name, NULL, NULL, a.number "
                      "FROM aliases a JOIN models m ON m.model_id = a.model_id "
                      "WHERE m.deleted_ts IS NULL AND LOWER(a.alias) LIKE ?1 ESCAPE '\\' "
                      "ORDER BY m.name, a.alias LIMIT ?2",
                      "ti", pattern(out, q->word), q->limit);
    return rc ? rc : take(s, "alias", out, e);
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
                      "AND (?2 = '' OR v.name = ?2) ORDER BY v.name, n.name LIMIT ?3",
                      "tti", pattern(out, q->word), q->env ? q->env : "", q->limit);
    return rc ? rc : take(s, "node", out, e);
}

int db_search_environments(struct db *db, const struct search_query *q, struct search_hits *out,
                           struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT name, NULL, NULL, NULL, NULL FROM environments "
                      "WHERE LOWER(name) LIKE ?1 ESCAPE '\\' ORDER BY position, name LIMIT ?2",
                      "ti", pattern(out, q->word), q->limit);
    return rc ? rc : take(s, "environment", out, e);
}

int db_search_rollouts(struct db *db, const struct search_query *q, struct search_hits *out,
                       struct err *e)
{
    struct stmt *s CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &s, e,
                      "/*scan*/ SELECT r.rollout_id, m.name, v.name, m.name || ' ' || "
                      "COALESCE(r.from_number, 0) || ' to ' || r.to_number || ' in ' || v.name || "
                      "', ' || r.phase, r.to_number FROM rollouts r "
                      "JOIN targets t ON t.target_id = r.target_id "
                      "JOIN environments v ON v.env_id = t.env_id "
                      "JOIN models m ON m.model_id = t.model_id "
                      "WHERE (?1 = '' OR r.rollout_id LIKE ?1 || '%') AND (?2 = '' OR v.name = ?2) "
                      "AND (?3 = '' OR r.phase = ?3) AND (?4 = '' OR r.actor = ?4) "
                      "ORDER BY r.submitted_seq DESC LIMIT ?5",
                      "tttti", q->word ? q->word : "", q->env ? q->env : "",
                      q->state ? q->state : "", q->by ? q->by : "", q->limit);
    return rc ? rc : take(s, "rollout", out, e);
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
                      "AND x.deleted_ts IS NULL LIMIT ?3",
                      "ddi", &lo, &hi, q->limit);
    return rc ? rc : take(s, "version", out, e);
}
