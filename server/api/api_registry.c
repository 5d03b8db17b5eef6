/*
 * What the handlers of models, versions and uploads share. Holds no rules and no SQL. Runs on the
 * worker of the request.
 */
#include "api_registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"

#define DESCRIPTION_MAX_BYTES 10000

int look_begin(struct request *rq, struct look *l, struct err *e)
{
    int rc = reader_begin(rq->app->store, &l->reader, e);
    if (rc != ERR_OK)
        return rc;
    l->scope = (struct registry_scope){
        .db = l->reader.db, .globs = rq->caller.models, .seq = INT64_MAX, .arena = rq->arena};
    return ERR_OK;
}

int look_begin_at(struct request *rq, struct look *l, struct err *e)
{
    int rc = look_begin(rq, l, e);
    return rc == ERR_OK ? request_at(rq, l->scope.db, &l->scope.seq, e) : rc;
}

void look_end(struct look *l)
{
    if (l->reader.db)
        reader_end(&l->reader);
}

struct registry registry_of(const struct request *rq)
{
    const struct app *app = rq->app;
    return (struct registry){.store = app->store,
                             .blobs = app->blobs,
                             .identity = app->identity,
                             .registry_id = app->registry_id,
                             .domain = app->domain};
}

int read_description(const json_t *body, const char **text, struct err *e)
{
    return json_opt_str(body, "", "description", DESCRIPTION_MAX_BYTES, text, e);
}

static int read_change(struct request *rq, struct registry_change *c, struct err *e)
{
    *c = (struct registry_change){.model = rq->params[0], .actor = rq->caller.actor};
    return request_reason(rq, &c->reason, e);
}

int change_begin(struct request *rq, struct registry_change *c, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct model_row m;
    int rc = read_change(rq, c, e);
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    return rc == ERR_OK ? registry_get_model(&l.scope, c->model, &m, e) : rc;
}

int change_begin_version(struct request *rq, struct registry_change *c, int64_t *number,
                         struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_row v;
    int rc = read_change(rq, c, e);
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_find(&l.scope, c->model, rq->params[1], false, &v, e);
    if (rc == ERR_OK)
        *number = v.number;
    return rc;
}

int cursor_read(struct request *rq, int64_t *limit, const char **key, struct err *e)
{
    const char *cursor = NULL;
    char *bytes = NULL;
    size_t n = 0;
    int rc = request_page(rq, limit, &cursor, e);
    *key = "";
    if (rc != ERR_OK || !cursor)
        return rc;
    rc = base64_decode(BASE64_URL, cursor, strlen(cursor), rq->arena, &bytes, &n, e);
    if (rc != ERR_OK || strlen(bytes) != n)
        return err_set(e, ERR_INVALID, "cursor is none of this server's");
    *key = bytes;
    return ERR_OK;
}

void cursor_write(struct request *rq, struct jsonw *w, const char *key)
{
    jsonw_str(w, "next", base64_encode(BASE64_URL, key, strlen(key), rq->arena));
}

static void write_pairs(struct jsonw *w, const char *key, const struct pairs *p)
{
    jsonw_object(w, key);
    for (size_t i = 0; i < p->n; i++)
        jsonw_str(w, p->items[i].key, p->items[i].value);
    jsonw_end(w);
}

static void write_numbers(struct jsonw *w, const char *key, const struct named_numbers *list)
{
    jsonw_object(w, key);
    for (size_t i = 0; i < list->n; i++)
        jsonw_int(w, list->items[i].name, list->items[i].number);
    jsonw_end(w);
}

static void write_texts(struct jsonw *w, const char *key, const struct texts *list)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < list->n; i++)
        jsonw_str(w, NULL, list->items[i]);
    jsonw_end(w);
}

void write_model(struct jsonw *w, const struct model_row *m)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "name", m->name);
    jsonw_str(w, "description", m->description);
    jsonw_time(w, "created", m->created_ms);
    jsonw_time(w, "updated", m->updated_ms);
    if (m->latest)
        jsonw_int(w, "latest", m->latest);
    jsonw_int(w, "n_versions", m->n_versions);
    write_pairs(w, "tags", &m->tags);
    write_numbers(w, "aliases", &m->aliases);
    write_numbers(w, "live", &m->live);
    jsonw_end(w);
}

static void write_files(struct jsonw *w, const struct version_row *v)
{
    char hex[DIGEST_HEX_BYTES];
    jsonw_array(w, "files");
    for (int64_t i = 0; i < v->n_files; i++) {
        jsonw_object(w, NULL);
        jsonw_str(w, "path", v->files[i].path);
        jsonw_int(w, "size", v->files[i].size);
        jsonw_str(w, "sha256", digest_hex(&v->files[i].sha256, hex));
        jsonw_end(w);
    }
    jsonw_end(w);
}

void write_version(struct jsonw *w, const struct version_row *v, bool is_whole)
{
    char text[DIGEST_TEXT_BYTES];
    jsonw_object(w, NULL);
    jsonw_str(w, "model", v->model);
    jsonw_int(w, "version", v->number);
    jsonw_str(w, "content", digest_text(&v->content, text));
    jsonw_str(w, "format", v->format);
    jsonw_int(w, "size", v->size_bytes);
    jsonw_int(w, "n_files", v->n_files);
    jsonw_time(w, "created", v->created_ms);
    jsonw_str(w, "created_by", v->created_by);
    if (v->creator != NULL)
        jsonw_str(w, "created_by_name", v->creator);
    jsonw_str(w, "description", v->description);
    write_texts(w, "aliases", &v->aliases);
    write_texts(w, "live", &v->live);
    write_pairs(w, "tags", &v->tags);
    write_pairs(w, "metrics", &v->metrics);
    if (!is_whole)
        return;
    write_pairs(w, "params", &v->params);
    write_pairs(w, "lineage", &v->lineage);
    write_files(w, v);
}

int reply_etag(struct request *rq, struct reply *rp, struct err *e)
{
    struct digest d;
    char hex[DIGEST_HEX_BYTES];
    if (!buf_ok(&rp->body))
        return err_set(e, ERR_TOO_LARGE, "the answer is too large: ask for less");
    digest_of(buf_str(&rp->body), rp->body.len, &d);
    rp->etag = arena_printf(rq->arena, "\"%.32s\"", digest_hex(&d, hex));
    return ERR_OK;
}

int reply_model(struct request *rq, struct reply *rp, const char *model, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct model_row m;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_get_model(&l.scope, model, &m, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_model(&w, &m);
    return reply_etag(rq, rp, e);
}

int reply_version(struct request *rq, struct reply *rp, const char *model, int64_t number,
                  struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_row v;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_get_version(&l.scope, model, arena_printf(rq->arena, "%" PRId64, number), &v,
                                  e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_version(&w, &v, true);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}
