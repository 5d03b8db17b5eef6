/*
 * Checks of a webhook's record and its document. Knows the kinds of changes by the journal's names.
 * Pure; any thread.
 */
#include "hook_spec.h"

#include <stdio.h>
#include <string.h>

#include "journal.h"
#include "name.h"
#include "when.h"

#define MAX_KINDS 40
#define GLOBS_MAX_BYTES 1000

static int check_kind(const char *glob, struct err *e)
{
    const char *names[JOURNAL_KIND_COUNT + 1] = {NULL};
    for (int k = 0; k < JOURNAL_KIND_COUNT; k++) {
        names[k] = journal_kind_name((enum journal_kind)k);
        if (name_glob(glob, names[k]))
            return ERR_OK;
    }
    const char *near = json_nearest(glob, names);
    return err_at(e, ERR_INVALID, "/kinds", "no kind of change is like \"%.60s\"%s%s%s", glob,
                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* ["rollout.*", "alias.set"] as "rollout.*,alias.set". */
static int join_kinds(const json_t *kinds, struct arena *a, const char **out, struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, GLOBS_MAX_BYTES);
    if (!json_is_array(kinds) || !json_array_size(kinds) || json_array_size(kinds) > MAX_KINDS)
        return err_at(e, ERR_INVALID, "/kinds", "kinds must be a list of 1 to %d texts", MAX_KINDS);
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        const char *glob = json_string_value(json_array_get(kinds, i));
        if (!glob || !*glob || strlen(glob) > 60 || strchr(glob, ','))
            return err_at(e, ERR_INVALID, "/kinds", "kinds must be texts like \"rollout.*\"");
        int rc = check_kind(glob, e);
        if (rc)
            return rc;
        buf_putf(&text, "%s%s", i ? "," : "", glob);
    }
    if (!buf_ok(&text))
        return err_at(e, ERR_INVALID, "/kinds", "kinds are too long");
    *out = arena_strdup(a, buf_str(&text));
    return ERR_OK;
}

static int check_models(const char *globs, struct err *e)
{
    if (!*globs || strlen(globs) > GLOBS_MAX_BYTES)
        return err_at(e, ERR_INVALID, "/models", "models must have 1 to %d bytes", GLOBS_MAX_BYTES);
    for (const char *p = globs; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_at(e, ERR_INVALID, "/models", "models holds a control character");
    return ERR_OK;
}

static int apply_filter(const struct hook_spec *spec, struct arena *a, struct hook_row *row,
                        struct err *e)
{
    int rc = spec->kinds ? join_kinds(spec->kinds, a, &row->kinds, e) : ERR_OK;
    if (!rc && spec->environment && *spec->environment)
        rc = json_blame(name_check("environment", spec->environment, e), "", "environment", e);
    if (!rc && spec->models)
        rc = check_models(spec->models, e);
    if (rc)
        return rc;
    row->env = spec->environment ? spec->environment : row->env;
    row->models = spec->models ? spec->models : row->models;
    return ERR_OK;
}

static int apply_repository(const struct hook_spec *spec, struct arena *a, struct hook_row *row,
                            struct err *e)
{
    if (!spec->repository)
        return ERR_OK;
    if (*spec->repository && strcmp(row->format, "standard") == 0)
        return err_at(e, ERR_INVALID, "/repository", "only commit statuses have a repository");
    row->repository = *spec->repository ? commit_repository(spec->repository, a) : "";
    if (!row->repository)
        return err_at(e, ERR_INVALID, "/repository", "a repository is written owner/name");
    return ERR_OK;
}

int hook_spec_apply(const struct hook_spec *spec, struct arena *a, struct hook_row *row,
                    struct err *e)
{
    int rc = spec->name ? json_blame(name_check("webhook", spec->name, e), "", "name", e) : ERR_OK;
    if (!rc && spec->name && strlen(spec->name) > 63)
        rc = err_at(e, ERR_INVALID, "/name", "a webhook's name has at most 63 bytes");
    if (!rc && spec->url)
        rc = json_blame(webhook_check_url(spec->url, e), "", "url", e);
    if (!rc)
        rc = apply_filter(spec, a, row, e);
    if (!rc)
        rc = apply_repository(spec, a, row, e);
    if (rc)
        return rc;
    row->name = spec->name ? spec->name : row->name;
    row->url = spec->url ? spec->url : row->url;
    if (strcmp(row->format, "standard") != 0 && strchr(row->url, '?'))
        return err_at(e, ERR_INVALID, "/url", "the address of an API has no query");
    if (spec->enabled >= 0) {
        row->why = spec->enabled ? NULL : "disabled by hand";
        row->is_enabled = spec->enabled;
    }
    return ERR_OK;
}

int hook_spec_token(const struct hook_spec *spec, const char *format, struct err *e)
{
    bool is_standard = strcmp(format, "standard") == 0;
    if (is_standard && spec->token)
        return err_at(e, ERR_INVALID, "/token", "only commit statuses have a token");
    if (!spec->token)
        return ERR_OK;
    size_t n = strlen(spec->token);
    if (!n || n > WEBHOOK_TOKEN_MAX)
        return err_at(e, ERR_INVALID, "/token", "a token has 1 to %d bytes", WEBHOOK_TOKEN_MAX);
    for (const char *p = spec->token; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '"' || *p == '\\')
            return err_at(e, ERR_INVALID, "/token", "this is no token: it holds odd letters");
    return ERR_OK;
}

json_t *hook_words(const char *list)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *out = json_array();
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        json_array_append_new(out, json_string(arena_copy(&a, p, n)));
        p += n;
        p += *p == ',';
    }
    return out;
}

json_t *hook_document(const struct hook_row *row)
{
    char when[WHEN_TEXT_BYTES];
    json_t *doc = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:s, s:o}", "kind",
                            "mreg.webhook", "schema", 1, "id", row->id, "name", row->name, "url",
                            row->url, "format", row->format, "kinds", hook_words(row->kinds),
                            "models", row->models, "enabled", (int)row->is_enabled, "created_by",
                            row->created_by, "public_keys", hook_words(row->public_keys));
    json_object_set_new(doc, "created", json_string(when_format(row->created_ms, when)));
    if (*row->env)
        json_object_set_new(doc, "environment", json_string(row->env));
    if (*row->repository)
        json_object_set_new(doc, "repository", json_string(row->repository));
    if (row->why)
        json_object_set_new(doc, "why", json_string(row->why));
    return doc;
}
