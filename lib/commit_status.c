/*
 * The three dialects of commit statuses. A rollout that has not ended is pending (GitLab: running
 * once it has begun), whatever it waits for: an approval that is outstanding must not turn a commit
 * red. Pure; any thread.
 */
#include "commit_status.h"

#include <string.h>

#include "jsonw.h"

#define GITHUB_TEXT_BYTES 140 /* longer descriptions are refused */
#define TEXT_BYTES 255

static const char *const format_names[HOOK_FORMAT_COUNT + 1] = {"standard", "github", "gitlab",
                                                                "gitea", NULL};

const char *const *hook_format_names(void)
{
    return format_names;
}

bool hook_format_by_name(const char *name, enum hook_format *out)
{
    for (int i = 0; i < HOOK_FORMAT_COUNT; i++) {
        if (strcmp(name, format_names[i]) != 0)
            continue;
        *out = (enum hook_format)i;
        return true;
    }
    return false;
}

/* --- where ------------------------------------------------------------------------------------ */

bool commit_id_ok(const char *text)
{
    size_t n = strlen(text);
    return (n == 40 || n == 64) && strspn(text, "0123456789abcdef") == n;
}

static bool is_path(const char *p)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    size_t n = strlen(p);
    if (!n || n > 255 || strspn(p, letters) != n || p[0] == '/' || p[n - 1] == '/')
        return false;
    return strchr(p, '/') && !strstr(p, "//") && !strstr(p, "..");
}

char *commit_repository(const char *text, struct arena *a)
{
    const char *scheme = strstr(text, "://");
    const char *at = strchr(text, '@');
    const char *path = text;
    if (scheme) { /* https://host/owner/name.git */
        path = strchr(scheme + 3, '/');
    } else if (at && strchr(at, ':')) { /* git@host:owner/name.git */
        path = strchr(at, ':') + 1;
    }
    if (!path)
        return NULL;
    path += *path == '/';
    char *out = arena_strdup(a, path);
    size_t n = strlen(out);
    if (n && out[n - 1] == '/')
        out[--n] = '\0';
    if (n > 4 && strcmp(out + n - 4, ".git") == 0)
        out[n - 4] = '\0';
    return is_path(out) ? out : NULL;
}

/* A project's path as one segment. */
static const char *encode_path(const char *path, struct arena *a)
{
    struct buf out CLEANUP(buf_clear);
    buf_init(&out, 1024);
    for (; *path; path++) {
        if (*path == '/')
            buf_puts(&out, "%2F");
        else
            buf_putc(&out, *path);
    }
    return arena_strdup(a, buf_str(&out));
}

static int make_url(const struct commit_status *s, struct arena *a, const char **out, struct err *e)
{
    size_t n = strlen(s->base_url);
    while (n && s->base_url[n - 1] == '/')
        n--;
    const char *base = arena_copy(a, s->base_url, n);
    const char *first = strchr(s->repository, '/');
    bool has_two = first && !strchr(first + 1, '/');
    if (s->format != HOOK_GITLAB && !has_two)
        return err_set(e, ERR_INVALID, "\"%.200s\" is not owner/name", s->repository);
    if (s->format == HOOK_GITLAB)
        *out = arena_printf(a, "%s/api/v4/projects/%s/statuses/%s", base,
                            encode_path(s->repository, a), s->commit);
    else
        *out = arena_printf(a, "%s%s/repos/%s/statuses/%s", base,
                            s->format == HOOK_GITEA ? "/api/v1" : "", s->repository, s->commit);
    return ERR_OK;
}

/* --- what ------------------------------------------------------------------------------------- */

/* Words of GitHub, GitLab and Gitea for a phase. */
static const struct {
    const char *phase, *words[HOOK_FORMAT_COUNT];
} states[] = {
    {"succeeded", {"", "success", "success", "success"}},
    {"rolled-back", {"", "failure", "failed", "failure"}},
    {"halted", {"", "failure", "failed", "failure"}},
    {"rejected", {"", "failure", "failed", "failure"}},
    {"cancelled", {"", "error", "canceled", "warning"}},
    {"superseded", {"", "error", "canceled", "warning"}},
    {"submitted", {"", "pending", "pending", "pending"}},
    {"queued", {"", "pending", "pending", "pending"}},
};

static const char *state_of(enum hook_format format, const char *phase)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(phase, states[i].phase) == 0)
            return states[i].words[format];
    return format == HOOK_GITLAB ? "running" : "pending";
}

static const char *text_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text ? text : "";
}

/* At most max bytes of text, whole letters, in arena. */
static const char *cut(const char *text, size_t max, struct arena *a)
{
    size_t n = strlen(text);
    if (n <= max)
        return text;
    n = max - 3;
    while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(a, "%.*s...", (int)n, text);
}

static const char *description(const struct webhook_event *ev, struct arena *a)
{
    const json_t *doc = ev->rollout_doc;
    const char *outcome = text_of(doc, "outcome");
    const json_t *pauses = json_object_get(doc, "pauses");
    const char *pause = json_string_value(json_array_get(pauses, 0));
    const char *tail = *outcome ? outcome : text_of(doc, "cause");
    if (!*tail && pause)
        tail = arena_printf(a, "paused: %s", pause);
    return arena_printf(a, "version %lld: %s%s%s",
                        (long long)json_integer_value(json_object_get(doc, "to")),
                        text_of(doc, "phase"), *tail ? ", " : "", tail);
}

static const char *make_body(const struct commit_status *s, struct arena *a)
{
    const json_t *doc = s->event->rollout_doc;
    bool is_gitlab = s->format == HOOK_GITLAB;
    struct buf out CLEANUP(buf_clear);
    struct jsonw w;
    buf_init(&out, 8192);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "state", state_of(s->format, text_of(doc, "phase")));
    jsonw_str(&w, "target_url", webhook_page_url(s->event, a));
    jsonw_str(&w, "description",
              cut(description(s->event, a),
                  s->format == HOOK_GITHUB ? GITHUB_TEXT_BYTES : TEXT_BYTES, a));
    jsonw_strf(&w, is_gitlab ? "name" : "context", "mreg/%s/%s", text_of(doc, "environment"),
               text_of(doc, "model"));
    jsonw_end(&w);
    return arena_strdup(a, buf_str(&out));
}

int commit_status_call(const struct commit_status *s, struct arena *a, struct http_call *call,
                       struct err *e)
{
    if (s->format == HOOK_STANDARD || !s->event->rollout_doc)
        return err_set(e, ERR_INVALID, "not a rollout");
    int rc = make_url(s, a, &call->url, e);
    if (rc)
        return rc;
    call->method = "POST";
    call->body = make_body(s, a);
    call->body_len = strlen(call->body);
    int n = 0;
    call->headers[n++] = "Content-Type: application/json";
    if (s->format == HOOK_GITHUB) {
        call->headers[n++] = "Accept: application/vnd.github+json";
        call->headers[n++] = "X-GitHub-Api-Version: 2022-11-28";
        call->headers[n++] = arena_printf(a, "Authorization: Bearer %s", s->token);
    } else if (s->format == HOOK_GITLAB) {
        call->headers[n++] = arena_printf(a, "PRIVATE-TOKEN: %s", s->token);
    } else {
        call->headers[n++] = arena_printf(a, "Authorization: token %s", s->token);
    }
    return ERR_OK;
}

bool commit_status_is_settled(enum hook_format format, int status, const char *body)
{
    /* GitLab refuses to set the state that a status has. */
    return format == HOOK_GITLAB && status == 400 &&
           strstr(body, "Cannot transition status") != NULL;
}
