/*
 * Versions, their signed documents and their files over HTTP. Translates only: no rules, no SQL.
 * The rows are in api_models.c. Runs on the worker of the request.
 */
#include "api_registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

int api_version_list(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_page page;
    const char *key = NULL;
    int64_t limit = 0;
    struct jsonw w;
    int rc = cursor_read(rq, &limit, &key, e);
    if (rc == ERR_OK && (strspn(key, "0123456789") != strlen(key) || strlen(key) > 15))
        return err_set(e, ERR_INVALID, "cursor is none of this server's");
    if (rc == ERR_OK)
        rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_list_versions(&l.scope, rq->params[0], strtoll(key, NULL, 10), limit, &page,
                                    e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < page.n; i++) {
        write_version(&w, &page.items[i], false);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    if (page.next)
        cursor_write(rq, &w, arena_printf(rq->arena, "%" PRId64, page.next));
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

int api_version_get(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_row v;
    struct jsonw w;
    int rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_get_version(&l.scope, rq->params[0], rq->params[1], &v, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_version(&w, &v, true);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

int api_version_patch(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"description", "tags", "metrics", "reason", NULL};
    struct registry r = registry_of(rq);
    struct registry_change c;
    struct registry_edit edit = {0};
    int64_t number = 0;
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = change_begin_version(rq, &c, &number, e);
    if (rc == ERR_OK)
        rc = read_description(rq->json, &edit.description, e);
    if (rc == ERR_OK)
        rc = pairs_from_json(json_object_get(rq->json, "tags"), "/tags", false, rq->arena,
                             &edit.tags, e);
    if (rc == ERR_OK)
        rc = pairs_from_json(json_object_get(rq->json, "metrics"), "/metrics", true, rq->arena,
                             &edit.metrics, e);
    if (rc == ERR_OK)
        rc = registry_update_version(&r, &c, number, &edit, e);
    return rc == ERR_OK ? reply_version(rq, rp, c.model, number, e) : rc;
}

int api_version_delete(struct request *rq, struct reply *rp, struct err *e)
{
    struct registry r = registry_of(rq);
    struct registry_change c;
    int64_t number = 0;
    int rc = change_begin_version(rq, &c, &number, e);
    if (rc == ERR_OK)
        rc = registry_delete_version(&r, &c, number, e);
    rp->status = 204;
    return rc;
}

/* The documents stay when the version goes, so that what was signed can still be checked. */
static int find_document(struct request *rq, struct look *l, bool is_manifest, struct digest *d,
                         struct err *e)
{
    struct version_row v;
    int rc = look_begin(rq, l, e);
    if (rc == ERR_OK)
        rc = registry_find(&l->scope, rq->params[0], rq->params[1], true, &v, e);
    if (rc == ERR_OK)
        *d = is_manifest ? v.content : v.statement;
    return rc;
}

static int reply_document(struct request *rq, struct reply *rp, bool is_manifest, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct digest d;
    const char *bytes = NULL;
    size_t n = 0;
    char text[DIGEST_TEXT_BYTES];
    int rc = find_document(rq, &l, is_manifest, &d, e);
    if (rc == ERR_OK)
        rc = db_document(l.scope.db, &d, rq->arena, &bytes, &n, e);
    if (rc != ERR_OK)
        return rc;
    buf_put(&rp->body, bytes, n);
    rp->etag = arena_printf(rq->arena, "\"%s\"", digest_text(&d, text));
    return ERR_OK;
}

static int reply_signature(struct request *rq, struct reply *rp, bool is_manifest, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct digest d;
    const char *armor = NULL;
    const char *space = arena_printf(rq->arena, "mreg-%s@%s",
                                     is_manifest ? "manifest" : "statement", rq->app->domain);
    int rc = find_document(rq, &l, is_manifest, &d, e);
    if (rc == ERR_OK)
        rc = db_signature_get(l.scope.db, &d, space, rq->arena, &armor, e);
    if (rc == ERR_OK && !armor)
        return err_set(e, ERR_NOT_FOUND, "the document has no signature as %s", space);
    if (rc != ERR_OK)
        return rc;
    rp->content_type = "text/plain; charset=utf-8";
    buf_puts(&rp->body, armor);
    return reply_etag(rq, rp, e);
}

int api_manifest(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_document(rq, rp, true, e);
}

int api_manifest_sig(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_signature(rq, rp, true, e);
}

int api_statement(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_document(rq, rp, false, e);
}

int api_statement_sig(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_signature(rq, rp, false, e);
}

/* attachment; filename="..." of the last part of the path, other bytes than [A-Za-z0-9._-] as '_'.
 * A leading dot would hide the file. */
static const char *disposition(struct request *rq, const char *path)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *slash = strrchr(path, '/');
    char *name = arena_strdup(rq->arena, slash ? slash + 1 : path);
    for (char *p = name; *p; p++)
        if (!strchr(safe, *p) || (p == name && *p == '.'))
            *p = '_';
    return arena_printf(rq->arena, "attachment; filename=\"%.200s\"", name);
}

/* RFC 9530: Content-Digest is about the bytes of this answer, Repr-Digest about the whole file. */
static void digest_headers(struct request *rq, struct reply *rp, const struct digest *d)
{
    const char *value = arena_printf(
        rq->arena, "sha-256=:%s:", base64_encode(BASE64_STANDARD, d->b, DIGEST_BYTES, rq->arena));
    reply_header(rp, "Repr-Digest", value);
    if (!request_header(rq, "Range"))
        reply_header(rp, "Content-Digest", value);
}

int api_file(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct version_row v;
    struct manifest_file f;
    char text[DIGEST_TEXT_BYTES];
    int rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_find(&l.scope, rq->params[0], rq->params[1], false, &v, e);
    if (rc == ERR_OK)
        rc = registry_file(&l.scope, &v, rq->params[2], &f, e);
    look_end(&l);
    if (rc == ERR_OK)
        rc = blob_open(rq->app->blobs, &f.sha256, &rp->file, e);
    if (rc != ERR_OK)
        return rc;
    rp->has_file = true;
    rp->content_type = "application/octet-stream";
    rp->etag = arena_printf(rq->arena, "\"%s\"", digest_text(&f.sha256, text));
    digest_headers(rq, rp, &f.sha256);
    reply_header(rp, "Content-Disposition", disposition(rq, f.path));
    reply_header(rp, "Cache-Control", "private, no-cache");
    return ERR_OK;
}
