/*
 * The dashboard's files as embedded at build time, with strong ETags; or, in a build without it,
 * one plain page of models and what is live, made here. Must not know how callers are identified.
 * Reads only; any worker.
 */
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "registry.h"

#define MAX_FILES 32
#define PLAIN_MAX_MODELS 200

struct web_file {
    const struct embed_file *file;
    const char *type;
    char etag[DIGEST_HEX_BYTES + 2];
};

struct web {
    struct web_file files[MAX_FILES];
    size_t n;
};

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'";

static const char *type_of(const char *name)
{
    static const struct {
        const char *extension, *type;
    } rows[] = {{".html", "text/html; charset=utf-8"},
                {".js", "text/javascript; charset=utf-8"},
                {".css", "text/css; charset=utf-8"},
                {".svg", "image/svg+xml"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < ARRAY_LEN(rows); i++)
        if (strcmp(dot, rows[i].extension) == 0)
            return rows[i].type;
    return "application/octet-stream";
}

struct web *web_new(const struct embed_file *files)
{
    struct web *w = mem_alloc(sizeof *w);
    for (; files->name && w->n < MAX_FILES; files++) {
        struct web_file *f = &w->files[w->n++];
        struct digest digest;
        char hex[DIGEST_HEX_BYTES];
        digest_of(files->bytes, files->length, &digest);
        f->file = files;
        f->type = type_of(files->name);
        snprintf(f->etag, sizeof f->etag, "\"%s\"", digest_hex(&digest, hex));
    }
    return w;
}

void web_free(struct web *w)
{
    free(w);
}

bool web_is_plain(const struct web *w)
{
    return w->n == 0;
}

static void security_headers(struct reply *rp)
{
    reply_header(rp, "Content-Security-Policy", policy);
    reply_header(rp, "Referrer-Policy", "no-referrer");
    reply_header(rp, "Cross-Origin-Opener-Policy", "same-origin");
    reply_header(rp, "Cross-Origin-Resource-Policy", "same-origin");
    reply_header(rp, "Permissions-Policy", "camera=(), microphone=(), geolocation=()");
    reply_header(rp, "X-Frame-Options", "DENY");
}

static const struct web_file *find(const struct web *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->files[i].file->name, name) == 0)
            return &w->files[i];
    return NULL;
}

/* ---- the plain page ---- */

static void put_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, *text);
        }
    }
}

static void put_model(struct buf *out, const struct model_row *m)
{
    buf_puts(out, "<tr><td>");
    put_text(out, m->name);
    buf_putf(out, "</td><td>%lld</td><td>", (long long)m->latest);
    for (size_t i = 0; i < m->live.n; i++) {
        buf_puts(out, i ? ", " : "");
        put_text(out, m->live.items[i].name);
        buf_putf(out, ": %lld", (long long)m->live.items[i].number);
    }
    buf_puts(out, "</td></tr>\n");
}

static int plain_page(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct model_page page = {0};
    int rc = reader_begin(rq->app->store, &r, e);
    struct registry_scope scope = {
        .db = r.db, .globs = rq->caller.models, .seq = INT64_MAX, .arena = rq->arena};
    if (!rc)
        rc = registry_list_models(&scope, "", "", PLAIN_MAX_MODELS, &page, e);
    if (rc)
        return rc;
    rp->content_type = "text/html; charset=utf-8";
    security_headers(rp);
    buf_puts(&rp->body, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<title>mreg</title></head><body>\n<h1>mreg</h1>\n<p>This build has no "
                        "dashboard. Models and what is live:</p>\n<table>\n<tr><th>model</th>"
                        "<th>latest version</th><th>live</th></tr>\n");
    for (size_t i = 0; i < page.n; i++)
        put_model(&rp->body, &page.items[i]);
    buf_puts(&rp->body, "</table>\n");
    if (page.next)
        buf_puts(&rp->body, "<p>More models: see <code>mreg list</code>.</p>\n");
    buf_puts(&rp->body, "</body></html>\n");
    return 0;
}

/* "/" and "/models/v1.2" are pages, which the dashboard tells apart; "/app.js" is a file. */
static bool is_page(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz-");
    return name[n] == '\0' || name[n] == '/';
}

/* The compressed form where the client takes it; the two have tags of their own. */
static const struct web_file *pack(const struct web *w, const struct request *rq, struct reply *rp,
                                   const struct web_file *f)
{
    const char *takes = request_header(rq, "Accept-Encoding");
    char name[128];
    snprintf(name, sizeof name, "%.100s.gz", f->file->name);
    const struct web_file *packed = find(w, name);
    if (packed)
        reply_header(rp, "Vary", "Accept-Encoding");
    if (!packed || !takes || !strstr(takes, "gzip"))
        return f;
    reply_header(rp, "Content-Encoding", "gzip");
    return packed;
}

/* "chunk-O7EQVZH6.js": another content has another name. */
static bool is_named_by_content(const char *name)
{
    const char *dash = strrchr(name, '-');
    return dash && strspn(dash + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == 8 && dash[9] == '.';
}

int web_reply(const struct web *w, struct request *rq, struct reply *rp, struct err *e)
{
    const char *name = rq->path + 1;
    if (web_is_plain(w))
        return name[0] ? err_set(e, ERR_NOT_FOUND, "there is nothing at %.200s", rq->path)
                       : plain_page(rq, rp, e);
    const struct web_file *f = find(w, is_page(name) ? "index.html" : name);
    if (!f)
        return err_set(e, ERR_NOT_FOUND, "there is nothing at %.200s", rq->path);
    rp->content_type = f->type;
    if (is_named_by_content(f->file->name))
        reply_header(rp, "Cache-Control", "public, max-age=31536000, immutable");
    f = pack(w, rq, rp, f);
    rp->etag = f->etag;
    buf_put(&rp->body, f->file->bytes, f->file->length);
    security_headers(rp);
    return 0;
}
