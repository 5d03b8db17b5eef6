/*
 * The feed of changes and the history pages. Row numbers come in chunks from an index; each row is
 * read, looked at with the caller's eyes, and written. Runs on the worker of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "api_actor.h"
#include "api_history.h"
#include "app.h"
#include "db_changes.h"
#include "journal.h"
#include "name.h"
#include "registry.h"

#define MAX_EXAMINED 5000 /* rows per request; the answer then says where to go on */

/* A walk over row numbers in one direction. */
struct walk {
    struct request *rq;
    struct db *db;
    int64_t limit;
    int64_t at; /* the last row looked at (feed), or one above the next (history) */
    const char *kind, *object, *actor; /* filters, or NULL */
    const char *model, *env;
    struct target_ref *targets; /* of model */
    size_t n_targets;
    int64_t env_id; /* of env; 0: there is none now */
    int (*chunk)(struct walk *w, int64_t limit, struct seq_list *out, struct err *e);
};

/* ---- who may see what ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Rows about nodes that say what they serve. */
static bool names_models(const char *kind)
{
    return !strcmp(kind, "node.serves") || !strcmp(kind, "node.restart") ||
           !strcmp(kind, "node.adopt");
}

/* A token for some models sees rows about these, their rollouts and targets, and about environments
 * and nodes as such; not tokens, and not what nodes serve, which names models. */
bool history_may_see_row(const struct request *rq, const struct change_row *row)
{
    const char *globs = rq->caller.models;
    if (history_sees_all(rq))
        return true;
    if (starts_with(row->kind, "rollout."))
        return row->model && registry_may_see(globs, row->model);
    if (starts_with(row->kind, "target.")) {
        const char *slash = strchr(row->object, '/');
        return slash && registry_may_see(globs, slash + 1);
    }
    if (starts_with(row->kind, "token.") || starts_with(row->kind, "user.") ||
        starts_with(row->kind, "webhook.") || names_models(row->kind))
        return false;
    if (starts_with(row->kind, "env.") || starts_with(row->kind, "node.") ||
        starts_with(row->kind, "registry."))
        return true;
    return registry_may_see(globs, row->object);
}

static bool is_wanted(const struct walk *w, const struct change_row *row)
{
    if (w->kind && strcmp(w->kind, row->kind) != 0)
        return false;
    if (w->object && strcmp(w->object, row->object) != 0)
        return false;
    if (w->actor && strcmp(w->actor, row->actor) != 0)
        return false;
    return history_may_see_row(w->rq, row);
}

/* ---- writing a page ---- */

static void write_change(const struct walk *walk, struct jsonw *w, const struct change_row *row)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "seq", row->seq);
    jsonw_time(w, "time", row->ts);
    actor_write(w, "actor", row->actor, walk->db, walk->rq->arena);
    jsonw_str(w, "kind", row->kind);
    jsonw_str(w, "object", row->object);
    jsonw_str(w, "reason", row->reason);
    jsonw_str(w, "message", row->message);
    jsonw_str(w, "commit", row->commit_id);
    jsonw_end(w);
}

/* Writes the wanted rows of the walk; *more tells whether it stopped before its end. */
static int write_rows(struct walk *w, struct jsonw *out, bool *more, struct err *e)
{
    struct change_row row;
    int64_t n_written = 0;
    int64_t n_examined = 0;
    for (;;) {
        struct seq_list list = {.arena = w->rq->arena};
        int64_t n_wanted = w->limit - n_written + 1;
        /* Larger and larger ones: when few of the rows are wanted, each chunk costs the same. */
        int rc = w->chunk(w, n_wanted > n_examined ? n_wanted : n_examined, &list, e);
        *more = false;
        if (rc || !list.n)
            return rc;
        for (size_t i = 0; i < list.n; i++) {
            *more = n_written == w->limit || n_examined == MAX_EXAMINED;
            if (*more)
                return ERR_OK;
            rc = db_change(w->db, list.seqs[i], w->rq->arena, &row, e);
            if (rc)
                return rc;
            w->at = row.seq;
            n_examined++;
            if (!is_wanted(w, &row))
                continue;
            write_change(w, out, &row);
            n_written++;
        }
    }
}

static int write_page(struct walk *w, struct reply *rp, bool always_next, struct err *e)
{
    struct jsonw out;
    bool more = false;
    reply_json(rp, &out);
    jsonw_object(&out, NULL);
    jsonw_array(&out, "items");
    int rc = write_rows(w, &out, &more, e);
    jsonw_end(&out);
    if (more || always_next)
        jsonw_strf(&out, "next", "%lld", (long long)w->at);
    jsonw_end(&out);
    if (!rc && !buf_ok(&rp->body))
        return err_set(e, ERR_TOO_LARGE, "the page is too large; ask for fewer with ?limit=");
    return rc;
}

/* A row number from ?name= or ?cursor=; untouched when both are absent. */
static int read_seq(struct request *rq, const char *name, const char *cursor, int64_t *out,
                    struct err *e)
{
    const char *text = NULL;
    int rc = request_query(rq, name, &text, e);
    if (rc)
        return rc;
    text = text ? text : cursor;
    if (!text)
        return ERR_OK;
    size_t n = strlen(text);
    if (!n || n > 15 || strspn(text, "0123456789") != n)
        return err_set(e, ERR_INVALID, "%s must be a number of a change", name);
    *out = strtoll(text, NULL, 10);
    return ERR_OK;
}

/* ---- the feed ---- */

static int feed_chunk(struct walk *w, int64_t limit, struct seq_list *out, struct err *e)
{
    return db_changes_after(w->db, w->at, w->kind, w->object, limit, out, e);
}

static int read_feed(struct walk *w, struct err *e)
{
    const char *cursor = NULL;
    int rc = request_page(w->rq, &w->limit, &cursor, e);
    if (!rc)
        rc = read_seq(w->rq, "since", cursor, &w->at, e);
    if (!rc)
        rc = request_query(w->rq, "kind", &w->kind, e);
    if (!rc)
        rc = request_query(w->rq, "object", &w->object, e);
    if (!rc)
        rc = request_query(w->rq, "actor", &w->actor, e);
    return rc;
}

int api_changes(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct walk w = {.rq = rq, .chunk = feed_chunk};
    int rc = read_feed(&w, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &reader, e);
    w.db = reader.db;
    return rc ? rc : write_page(&w, rp, true, e);
}

/* ---- history pages ---- */

static int compare_newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Each source gave its newest rows; of all of them only the newest `limit` are sure to be complete.
 */
static void merge(struct seq_list *list, int64_t limit)
{
    size_t kept = 0;
    if (list->n)
        qsort(list->seqs, list->n, sizeof *list->seqs, compare_newest_first);
    for (size_t i = 0; i < list->n; i++)
        if (!kept || list->seqs[kept - 1] != list->seqs[i])
            list->seqs[kept++] = list->seqs[i];
    list->n = kept < (size_t)limit ? kept : (size_t)limit;
}

static int all_chunk(struct walk *w, int64_t limit, struct seq_list *out, struct err *e)
{
    struct seq_page page = {.before = w->at, .limit = limit};
    return db_changes_before(w->db, &page, out, e);
}

/* A model's own rows, its targets and its rollouts; with an environment only those of that target.
 */
static int model_chunk(struct walk *w, int64_t limit, struct seq_list *out, struct err *e)
{
    struct seq_page page = {.before = w->at, .limit = limit};
    int rc = w->env ? ERR_OK : db_changes_of_model(w->db, w->model, &page, out, e);
    for (size_t i = 0; !rc && i < w->n_targets; i++) {
        const struct target_ref *t = &w->targets[i];
        if (w->env && strcmp(w->env, t->env) != 0)
            continue;
        const char *object = arena_printf(w->rq->arena, "%s/%s", t->env, w->model);
        rc = db_changes_of_target(w->db, object, &page, out, e);
        if (!rc)
            rc = db_changes_of_rollouts(w->db, t->target_id, &page, out, e);
    }
    merge(out, limit);
    return rc;
}

static int env_chunk(struct walk *w, int64_t limit, struct seq_list *out, struct err *e)
{
    struct seq_page page = {.before = w->at, .limit = limit};
    int rc = ERR_OK;
    for (int k = 0; !rc && k < JOURNAL_KIND_COUNT; k++) {
        const char *kind = journal_kind_name((enum journal_kind)k);
        bool is_inside =
            starts_with(kind, "env.") || starts_with(kind, "node.") || starts_with(kind, "target.");
        if (is_inside)
            rc = db_changes_in_env(w->db, w->env, kind, &page, out, e);
        else if (w->env_id && starts_with(kind, "rollout."))
            rc = db_changes_of_env_rollouts(w->db, w->env_id, kind, &page, out, e);
    }
    merge(out, limit);
    return rc;
}

/* Chooses the sources. A model or environment that is gone keeps its history. */
static int choose_sources(struct walk *w, struct err *e)
{
    int rc = ERR_OK;
    w->chunk = w->model ? model_chunk : w->env ? env_chunk : all_chunk;
    if (w->model)
        rc = name_check_model(w->model, e);
    if (!rc && w->model)
        rc = history_may_see(w->rq, w->model, e);
    if (!rc && w->model)
        rc = db_targets_of_model(w->db, w->model, w->rq->arena, &w->targets, &w->n_targets, e);
    if (!rc && w->env)
        rc = name_check("environment", w->env, e);
    if (!rc && w->env)
        rc = db_env_id(w->db, w->env, &w->env_id, e);
    return rc;
}

static int read_history(struct walk *w, struct err *e)
{
    const char *cursor = NULL;
    int rc = request_page(w->rq, &w->limit, &cursor, e);
    if (!rc)
        rc = read_seq(w->rq, "before", cursor, &w->at, e);
    if (!rc)
        rc = request_query(w->rq, "model", &w->model, e);
    if (!rc)
        rc = request_query(w->rq, "env", &w->env, e);
    return rc;
}

int api_history_page(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct walk w = {.rq = rq, .at = INT64_MAX};
    int64_t seq = INT64_MAX;
    int rc = read_history(&w, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &reader, e);
    w.db = reader.db;
    if (!rc)
        rc = request_at(rq, w.db, &seq, e);
    if (!rc && seq < w.at)
        w.at = seq + 1;
    if (!rc)
        rc = choose_sources(&w, e);
    return rc ? rc : write_page(&w, rp, false, e);
}
