/*
 * A change as the world outside sees it: what it is about, who wants it, and its CloudEvents form.
 * The body is a pure function of a journal row and of the rollout's document at that row, so that
 * every attempt of a delivery carries the same bytes. Any thread.
 */
#include <string.h>

#include "jsonw.h"
#include "name.h"
#include "webhook.h"

#define URL_MAX_BYTES 1000

/* --- scope and filter ------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

void webhook_event_scope(struct webhook_event *ev, struct arena *a)
{
    const char *slash = strchr(ev->object, '/');
    bool is_node = starts_with(ev->kind, "node.");
    bool is_target = starts_with(ev->kind, "target.");
    if (starts_with(ev->kind, "env."))
        ev->env = ev->object;
    if ((is_node || is_target) && slash)
        ev->env = arena_copy(a, ev->object, (size_t)(slash - ev->object));
    if (is_target && slash)
        ev->model = slash + 1;
    if (starts_with(ev->kind, "model.") || starts_with(ev->kind, "version.") ||
        starts_with(ev->kind, "alias."))
        ev->model = ev->object;
}

bool webhook_glob_list(const char *globs, const char *name)
{
    struct arena a CLEANUP(arena_clear) = {0};
    for (const char *p = globs; *p;) {
        size_t n = strcspn(p, ",");
        if (name_glob(arena_copy(&a, p, n), name))
            return true;
        p += n;
        p += *p == ',';
    }
    return false;
}

bool webhook_wants(const struct webhook_filter *f, const struct webhook_event *ev)
{
    if (!webhook_glob_list(f->kinds, ev->kind))
        return false;
    if (*f->env && (!ev->env || strcmp(f->env, ev->env) != 0))
        return false;
    if (strcmp(f->models, "*") == 0)
        return true;
    return ev->model && webhook_glob_list(f->models, ev->model);
}

/* --- body ------------------------------------------------------------------------------------- */

char *webhook_event_id(const struct webhook_event *ev, struct arena *a)
{
    const char *registry = ev->registry_id;
    registry += starts_with(registry, "reg-") ? 4 : 0;
    return arena_printf(a, "evt_%s_%lld", registry, (long long)ev->seq);
}

char *webhook_page_url(const struct webhook_event *ev, struct arena *a)
{
    bool is_rollout = starts_with(ev->kind, "rollout.");
    if (!is_rollout || !ev->public_url || !*ev->public_url)
        return NULL;
    return arena_printf(a, "%s/rollouts/%s", ev->public_url, ev->object);
}

static void copy_member(struct jsonw *w, const json_t *doc, const char *from, const char *to)
{
    const json_t *value = json_object_get(doc, from);
    if (json_is_string(value))
        jsonw_str(w, to, json_string_value(value));
    else if (json_is_integer(value))
        jsonw_int(w, to, json_integer_value(value));
}

/* The few members of a rollout that tell its story; the API has the rest. */
static void write_rollout(struct jsonw *w, const json_t *doc)
{
    static const char *const members[][2] = {
        {"id", "id"},           {"model", "model"},      {"environment", "environment"},
        {"direction", "kind"},  {"from", "from"},        {"to", "to"},
        {"phase", "phase"},     {"step", "step"},        {"n_steps", "n_steps"},
        {"n_nodes", "n_nodes"}, {"actor", "actor"},      {"reason", "reason"},
        {"created", "created"}, {"ended", "ended"},      {"cause", "cause"},
        {"outcome", "outcome"}, {"serve_as", "serve_as"}};
    const json_t *pauses = json_object_get(doc, "pauses");
    jsonw_object(w, "rollout");
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        copy_member(w, doc, members[i][0], members[i][1]);
    jsonw_array(w, "pauses");
    for (size_t i = 0; i < json_array_size(pauses); i++)
        jsonw_str(w, NULL, json_string_value(json_array_get(pauses, i)));
    jsonw_end(w);
    jsonw_end(w);
}

static void write_data(struct jsonw *w, const struct webhook_event *ev)
{
    struct arena a CLEANUP(arena_clear) = {0};
    jsonw_object(w, "data");
    jsonw_int(w, "seq", ev->seq);
    jsonw_time(w, "time", ev->ts_ms);
    jsonw_str(w, "kind", ev->kind);
    jsonw_str(w, "actor", ev->actor);
    jsonw_str(w, "object", ev->object);
    jsonw_str(w, "environment", ev->env);
    jsonw_str(w, "model", ev->model);
    jsonw_str(w, "reason", ev->reason);
    jsonw_str(w, "message", ev->message);
    jsonw_str(w, "url", webhook_page_url(ev, &a));
    if (ev->rollout_doc)
        write_rollout(w, ev->rollout_doc);
    jsonw_end(w);
}

void webhook_event_body(const struct webhook_event *ev, const char *id, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "specversion", "1.0");
    jsonw_str(&w, "id", id);
    jsonw_strf(&w, "source", "mreg:%s", ev->registry_id);
    jsonw_strf(&w, "type", "dev.mreg.%s", ev->kind);
    jsonw_str(&w, "subject", ev->object);
    jsonw_time(&w, "time", ev->ts_ms);
    jsonw_str(&w, "datacontenttype", "application/json");
    write_data(&w, ev);
    jsonw_end(&w);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_authority(const char *p, size_t n)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    return n > 0 && *p != ':' && strspn(p, letters) >= n;
}

int webhook_check_url(const char *url, struct err *e)
{
    const char *host = NULL;
    if (starts_with(url, "http://"))
        host = url + 7;
    else if (starts_with(url, "https://"))
        host = url + 8;
    if (!host)
        return err_set(e, ERR_INVALID, "not a URL that starts with http:// or https://");
    if (strlen(url) > URL_MAX_BYTES)
        return err_set(e, ERR_INVALID, "a URL of more than %d bytes", URL_MAX_BYTES);
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("#\\\"<>", *p))
            return err_set(e, ERR_INVALID, "a webhook's URL has no blanks, quotes or fragment");
    if (!is_authority(host, strcspn(host, "/?")))
        return err_set(e, ERR_INVALID, "a webhook's URL needs a host, and has no credentials");
    return ERR_OK;
}
