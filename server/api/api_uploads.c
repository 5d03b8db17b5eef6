/*
 * Uploads over HTTP: plan, parts in any order and side by side, commit. Translates only: no rules,
 * no SQL. Runs on the worker of the request.
 */
#include "api.h"
#include "api_registry.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"

#define MAX_PLAN_BYTES ((int64_t)16 << 20) /* JSON of 10,000 files with long paths */
#define MAX_COMMIT_BYTES ((int64_t)4 << 20)
#define MAX_FILE_BYTES ((int64_t)1 << 43)

static void write_missing(struct jsonw *w, const struct upload_file *f)
{
    jsonw_int(w, "parts", f->n_parts);
    jsonw_array(w, "missing");
    for (int64_t i = 0; i < f->n_parts; i++)
        if (!(f->bitmap[i / 8] >> (i % 8) & 1))
            jsonw_int(w, NULL, i);
    jsonw_end(w);
}

static void write_upload(struct jsonw *w, const struct upload *u)
{
    char hex[DIGEST_HEX_BYTES];
    jsonw_object(w, NULL);
    jsonw_str(w, "id", u->id);
    jsonw_str(w, "model", u->model);
    jsonw_time(w, "expires", u->expires_ms);
    jsonw_int(w, "part_size", BLOB_PART_BYTES);
    jsonw_array(w, "files");
    for (size_t i = 0; i < u->n_files; i++) {
        const struct upload_file *f = &u->files[i];
        jsonw_object(w, NULL);
        jsonw_str(w, "path", f->path);
        jsonw_int(w, "size", f->size);
        jsonw_str(w, "sha256", digest_hex(&f->sha256, hex));
        jsonw_bool(w, "have", f->have);
        if (!f->have)
            write_missing(w, f);
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_end(w);
}

static int reply_upload(struct request *rq, struct reply *rp, const char *id, struct err *e)
{
    struct upload u;
    struct jsonw w;
    int rc = upload_load(rq->app->blobs, id, rq->arena, &u, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_upload(&w, &u);
    if (!buf_ok(&rp->body))
        return err_set(e, ERR_TOO_LARGE, "the answer is too large");
    return ERR_OK;
}

static int compare_path(const void *key, const void *item)
{
    const struct manifest_file *f = item;
    return strcmp(key, f->path);
}

/* The manifest's reader checks the files; clients count them in the order that they sent. */
static int read_plan(struct request *rq, struct upload_file **out, size_t *n, struct err *e)
{
    json_t *files = NULL;
    struct manifest m;
    int rc = json_get_array(rq->json, "", "files", MANIFEST_MAX_FILES, &files, e);
    if (rc != ERR_OK)
        return rc;
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:O}", "files", files);
    rc = manifest_from_json(j, "", rq->arena, &m, e);
    if (rc != ERR_OK)
        return rc;
    *n = m.n_files;
    *out = arena_alloc(rq->arena, *n * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, i), "path"));
        const struct manifest_file *f =
            path ? bsearch(path, m.files, m.n_files, sizeof *f, compare_path) : NULL;
        if (!f)
            return err_set(e, ERR_INTERNAL, "a checked file is missing");
        (*out)[i] = (struct upload_file){.size = f->size, .sha256 = f->sha256, .path = f->path};
    }
    return ERR_OK;
}

static int check_model(struct request *rq, const char *model, struct err *e)
{
    if (name_check_model(model, e) != ERR_OK)
        return err_at(e, ERR_INVALID, "/model", "%s", arena_strdup(rq->arena, e->message));
    return request_may_model(rq, model, e);
}

static int mark_have(struct request *rq, struct upload_file *files, size_t n, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    int rc = look_begin(rq, &l, e);
    return rc == ERR_OK ? registry_mark_have(&l.scope, files, n, e) : rc;
}

static int create_upload(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"model", "files", NULL};
    const char *model = NULL;
    struct upload_file *files = NULL;
    size_t n = 0;
    char id[40];
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "model", NAME_MAX_BYTES, &model, e);
    if (rc == ERR_OK)
        rc = check_model(rq, model, e);
    if (rc == ERR_OK)
        rc = read_plan(rq, &files, &n, e);
    if (rc == ERR_OK)
        rc = mark_have(rq, files, n, e);
    if (rc == ERR_OK)
        rc = upload_create(rq->app->blobs, model, rq->caller.actor, files, n, id, e);
    if (rc != ERR_OK)
        return rc;
    rp->status = 201;
    return reply_upload(rq, rp, id, e);
}

/* An upload for a model that the caller may not see does not exist. */
static int check_upload(struct request *rq, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    int rc = look_begin(rq, &l, e);
    return rc == ERR_OK ? registry_check_upload(&l.scope, rq->params[0], e) : rc;
}

static int get_upload(struct request *rq, struct reply *rp, struct err *e)
{
    int rc = check_upload(rq, e);
    return rc == ERR_OK ? reply_upload(rq, rp, rq->params[0], e) : rc;
}

static int read_index(const char *what, const char *text, int64_t *out, struct err *e)
{
    size_t n = strlen(text);
    if (n == 0 || n > 9 || strspn(text, "0123456789") != n)
        return err_set(e, ERR_INVALID, "%s \"%.32s\" is not a number", what, text);
    *out = strtoll(text, NULL, 10);
    return ERR_OK;
}

/* "sha-256=:<base64>:" among the members of a Content-Digest field (RFC 9530); others are left. */
static int read_content_digest(struct request *rq, struct digest *d, bool *given, struct err *e)
{
    static const char member[] = "sha-256=:";
    const char *field = request_header(rq, "Content-Digest");
    const char *at = field ? strstr(field, member) : NULL;
    char *bytes = NULL;
    size_t n = 0;
    *given = at != NULL;
    if (!at)
        return ERR_OK;
    at += strlen(member);
    int rc = base64_decode(BASE64_STANDARD, at, strcspn(at, ":"), rq->arena, &bytes, &n, e);
    if (rc != ERR_OK || n != DIGEST_BYTES || at[strcspn(at, ":")] != ':')
        return err_set(e, ERR_INVALID, "Content-Digest is not sha-256=:<base64>:");
    memcpy(d->b, bytes, DIGEST_BYTES);
    return ERR_OK;
}

static int put_part(struct request *rq, struct reply *rp, struct err *e)
{
    int64_t file = 0;
    int64_t part = 0;
    struct digest expect;
    bool given = false;
    int rc = read_index("file", rq->params[1], &file, e);
    if (rc == ERR_OK)
        rc = read_index("part", rq->params[2], &part, e);
    if (rc == ERR_OK)
        rc = read_content_digest(rq, &expect, &given, e);
    if (rc == ERR_OK)
        rc = check_upload(rq, e);
    if (rc == ERR_OK)
        rc = upload_put_part(rq->app->blobs, rq->params[0], (size_t)file, part,
                             given ? &expect : NULL, rq->body, e);
    rp->status = 204;
    return rc;
}

static int put_content(struct request *rq, struct reply *rp, struct err *e)
{
    int64_t file = 0;
    int rc = read_index("file", rq->params[1], &file, e);
    if (rc == ERR_OK)
        rc = check_upload(rq, e);
    if (rc == ERR_OK)
        rc = upload_put_file(rq->app->blobs, rq->params[0], (size_t)file, rq->body, e);
    rp->status = 204;
    return rc;
}

static int read_aliases(struct request *rq, struct registry_publish *in, struct err *e)
{
    json_t *list = NULL;
    int rc = json_opt_array(rq->json, "", "alias", ARRAY_LEN(in->aliases), &list, e);
    for (size_t i = 0; rc == ERR_OK && i < json_array_size(list); i++) {
        const char *pointer = arena_printf(rq->arena, "/alias/%zu", i);
        const char *alias = json_string_value(json_array_get(list, i));
        if (!alias)
            return err_at(e, ERR_INVALID, pointer, "must be a string");
        if (name_check_alias(alias, e) != ERR_OK)
            return err_at(e, ERR_INVALID, pointer, "%s", arena_strdup(rq->arena, e->message));
        in->aliases[in->n_aliases++] = alias;
    }
    return rc;
}

static int read_pairs(struct request *rq, struct registry_publish *in, struct err *e)
{
    static const char *const keys[] = {"metrics", "params", "lineage", "tags"};
    struct pairs *sets[] = {&in->metrics, &in->params, &in->lineage, &in->tags};
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(keys); i++)
        rc =
            pairs_from_json(json_object_get(rq->json, keys[i]),
                            arena_printf(rq->arena, "/%s", keys[i]), i == 0, rq->arena, sets[i], e);
    return rc;
}

static int read_commit(struct request *rq, struct registry_publish *in, struct err *e)
{
    static const char *const known[] = {"metrics", "params",      "lineage", "tags", "description",
                                        "alias",   "new_version", "reason",  NULL};
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = read_pairs(rq, in, e);
    if (rc == ERR_OK)
        rc = read_description(rq->json, &in->description, e);
    if (rc == ERR_OK)
        rc = request_reason(rq, &in->reason, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "new_version", &in->force_new_version, e);
    return rc == ERR_OK ? read_aliases(rq, in, e) : rc;
}

static int reply_published(struct request *rq, struct reply *rp, const struct published *made,
                           struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_row v;
    struct jsonw w;
    const char *ref = arena_printf(rq->arena, "%lld", (long long)made->number);
    int rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_get_version(&l.scope, made->model, ref, &v, e);
    if (rc != ERR_OK)
        return rc;
    rp->status = made->is_already ? 200 : 201;
    reply_json(rp, &w);
    write_version(&w, &v, true);
    if (made->is_already)
        jsonw_bool(&w, "already", true);
    jsonw_end(&w);
    return ERR_OK;
}

static int commit_upload(struct request *rq, struct reply *rp, struct err *e)
{
    struct registry r = registry_of(rq);
    struct registry_publish in = {.upload_id = rq->params[0], .actor = rq->caller.actor};
    struct published made = {0};
    int rc = read_commit(rq, &in, e);
    if (rc == ERR_OK)
        rc = check_upload(rq, e);
    if (rc == ERR_OK)
        rc = registry_publish(&r, &in, &made, e);
    return rc == ERR_OK ? reply_published(rq, rp, &made, e) : rc;
}

static int delete_upload(struct request *rq, struct reply *rp, struct err *e)
{
    struct registry r = registry_of(rq);
    int rc = check_upload(rq, e);
    if (rc == ERR_OK)
        rc = registry_abandon(&r, rq->params[0], e);
    rp->status = 204;
    return rc;
}

#define UPLOAD "/api/v1/uploads/{id}"

const struct route api_uploads_routes[] = {
    {METHOD_POST, "/api/v1/uploads", PERM_PUSH, BODY_JSON, WORK_HEAVY, MAX_PLAN_BYTES,
     create_upload, "plan an upload"},
    {METHOD_GET, UPLOAD, PERM_PUSH, BODY_NONE, WORK_LIGHT, 0, get_upload, "what is still missing"},
    {METHOD_PUT, UPLOAD "/files/{n}/parts/{p}", PERM_PUSH, BODY_STREAM, WORK_UPLOAD,
     BLOB_PART_BYTES, put_part, "send a part of a file"},
    {METHOD_PUT, UPLOAD "/files/{n}/content", PERM_PUSH, BODY_STREAM, WORK_UPLOAD, MAX_FILE_BYTES,
     put_content, "send a whole file"},
    {METHOD_POST, UPLOAD "/commit", PERM_PUSH, BODY_JSON, WORK_HEAVY, MAX_COMMIT_BYTES,
     commit_upload, "make a version of an upload"},
    {METHOD_DELETE, UPLOAD, PERM_PUSH, BODY_NONE, WORK_LIGHT, 0, delete_upload,
     "abandon an upload"},
    {.handler = NULL},
};
