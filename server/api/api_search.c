/*
 * The handler of the search box: words and "field:value" to queries, hits to JSON, as far as the
 * caller may see them. Runs on the worker of the request.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api_history.h"
#include "app.h"
#include "db_account.h"
#include "db_search.h"
#include "json.h"
#include "registry.h"

#define MAX_QUERY_BYTES 200

static const char *const fields[] = {"env", "state", "by", "digest", NULL};

static bool is_hex(const char *text)
{
    size_t n = strlen(text);
    return n >= 8 && n <= 64 && strspn(text, "0123456789abcdef") == n;
}

static int set_field(struct search_query *q, const char *name, const char *value, struct err *e)
{
    const char **to[] = {&q->env, &q->state, &q->by, &q->digest};
    for (int i = 0; fields[i]; i++) {
        if (strcmp(fields[i], name) != 0)
            continue;
        *to[i] = value;
        if (to[i] == &q->digest && !is_hex(value))
            return err_set(e, ERR_INVALID, "digest: wants 8 to 64 hexadecimal digits");
        return 0;
    }
    const char *near = json_nearest(name, fields);
    return err_set(e, ERR_INVALID, "no field \"%.40s:\"%s%s%s", name, near ? "; did you mean " : "",
                   near ? near : "", near ? ":?" : "");
}

/* "fraud env:production" in pieces; the last plain word counts. */
static int parse(struct request *rq, const char *text, struct search_query *q, struct err *e)
{
    char *copy = arena_strdup(rq->arena, text);
    char *rest = NULL;
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *colon = strchr(word, ':');
        bool is_digest = strncmp(word, "sha256:", 7) == 0;
        if (!colon || is_digest) {
            q->word = is_digest ? NULL : word;
            q->digest = is_digest && is_hex(word + 7) ? word + 7 : is_hex(word) ? word : q->digest;
            continue;
        }
        *colon = '\0';
        int rc = set_field(q, word, colon + 1, e);
        if (rc)
            return rc;
    }
    return 0;
}

/* sees_all: who sees some models only finds nobody's names. */
static int search(struct db *db, const struct search_query *q, bool sees_all,
                  struct search_hits *out, struct err *e)
{
    bool is_about_rollouts = q->state || q->by;
    int rc = 0;
    if (q->word && !is_about_rollouts && !q->env)
        rc = db_search_models(db, q, out, e);
    if (!rc && q->word && !is_about_rollouts && !q->env)
        rc = db_search_aliases(db, q, out, e);
    if (!rc && q->digest)
        rc = db_search_digests(db, q, out, e);
    if (!rc && q->word && !is_about_rollouts && !q->env)
        rc = db_search_environments(db, q, out, e);
    if (!rc && (q->word || q->env) && !is_about_rollouts)
        rc = db_search_nodes(db, q, out, e);
    if (!rc && sees_all && q->word && !is_about_rollouts && !q->env)
        rc = db_search_actors(db, q, out, e);
    bool names_rollout = q->word && strncmp(q->word, "r-", 2) == 0;
    if (!rc && (names_rollout || ((is_about_rollouts || q->env) && !q->word)))
        rc = db_search_rollouts(db, q, out, e);
    return rc;
}

static bool may_see(const void *self, const char *model)
{
    const struct request *rq = self;
    return registry_may_see(rq->caller.models, model);
}

static void write_hits(struct reply *rp, const struct search_hits *hits, int64_t limit)
{
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < hits->n && (int64_t)i < limit; i++) {
        const struct search_hit *hit = &hits->rows[i];
        jsonw_object(&w, NULL);
        jsonw_str(&w, "kind", hit->kind);
        jsonw_str(&w, "name", hit->name);
        jsonw_str(&w, "model", hit->model);
        jsonw_str(&w, "environment", hit->environment);
        if (hit->text && hit->text[0])
            jsonw_str(&w, "text", hit->text);
        if (hit->version)
            jsonw_int(&w, "version", hit->version);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

/* "by:dora" as "by:t-2"; an id stays as it is. */
static int by_name(struct request *rq, struct db *db, struct search_query *q, struct err *e)
{
    const char *id = NULL;
    int rc = db_actor_id(db, q->by, rq->arena, &id, e);
    if (id)
        q->by = id;
    return rc;
}

int api_search(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct search_query q = {
        .may_see = may_see, .self = rq, .sees_roles = rq->caller.may[PERM_AUDIT]};
    struct search_hits hits = {.arena = rq->arena};
    const char *text = NULL;
    const char *cursor = NULL;
    int rc = request_query(rq, "q", &text, e);
    if (!rc && (!text || !*text || strlen(text) > MAX_QUERY_BYTES))
        rc = err_set(e, ERR_INVALID, "?q= wants 1 to %d bytes to search for", MAX_QUERY_BYTES);
    if (!rc)
        rc = request_page(rq, &q.limit, &cursor, e);
    if (!rc)
        rc = parse(rq, text, &q, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &r, e);
    if (!rc && q.by)
        rc = by_name(rq, r.db, &q, e);
    if (!rc)
        rc = search(r.db, &q, history_sees_all(rq), &hits, e);
    if (!rc)
        write_hits(rp, &hits, q.limit);
    return rc;
}
