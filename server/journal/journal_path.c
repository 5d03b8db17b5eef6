/*
 * Where documents stand in the history, layout 1: frozen. Objects are folders named by name_folder,
 * spread over 16x16x16 small folders by name_shard, because each commit rewrites the folders above
 * what it changes. Pure; any thread.
 */
#include "journal_path.h"

#include <string.h>

#include "journal.h"
#include "name.h"

#define PATH_MAX_BYTES 512

/* One pattern per kind of document. Parts: "?" one hex digit, "#" decimal digits, "*" any part,
 * "*.json" any part with that end; anything else is itself. No pattern matches a folder of what
 * another one (or itself) matches. */
static const char *const layout[] = {
    "registry.json",
    "models/?/?/?/*/model.json",
    "models/?/?/?/*/aliases/*.json",
    "models/?/?/?/*/versions/#/*.json",
    "environments/*/environment.json",
    "environments/*/nodes/?/?/?/*.json",
    "environments/*/serving/?/?/?/*.json",
    "environments/*/targets/?/?/?/*.json",
    "environments/*/routers/?/?/?/*.json",
    "rollouts/?/?/?/*.json",
    "tokens/*.json",
    "users/*.json",
    "freezes/*.json",
    "webhooks/*.json",
};

/* A part that every filesystem and git take: lower-case letters, digits, "._-~", no dot in front.
 */
static bool part_is_safe(const char *part, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-~";
    if (!n || n > 200 || part[0] == '.' || part[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!part[i] || !strchr(allowed, part[i]))
            return false;
    return true;
}

static bool part_is_digits(const char *part, size_t n)
{
    return n && n <= 18 && part[0] != '0' && strspn(part, "0123456789") >= n;
}

static bool ends_with_json(const char *part, size_t n)
{
    return n > 5 && !memcmp(part + n - 5, ".json", 5);
}

static bool part_fits(const char *pattern, size_t pattern_n, const char *part, size_t n)
{
    if (pattern_n == 1 && *pattern == '?')
        return n == 1 && *part && strchr("0123456789abcdef", *part);
    if (pattern_n == 1 && *pattern == '#')
        return part_is_digits(part, n);
    if (*pattern == '*')
        return pattern_n == 1 || ends_with_json(part, n);
    return pattern_n == n && !memcmp(pattern, part, n);
}

static bool fits(const char *pattern, const char *path)
{
    for (;;) {
        size_t pattern_n = strcspn(pattern, "/");
        size_t n = strcspn(path, "/");
        if (!part_is_safe(path, n) || !part_fits(pattern, pattern_n, path, n))
            return false;
        pattern += pattern_n;
        path += n;
        if (!*pattern || !*path)
            return *pattern == *path;
        pattern++;
        path++;
    }
}

bool journal_path_ok(const char *path)
{
    if (!path || strlen(path) > PATH_MAX_BYTES)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(layout); i++)
        if (fits(layout[i], path))
            return true;
    return false;
}

static char *model_folder(struct arena *a, const char *model)
{
    char shard[6];
    char folder[NAME_FOLDER_BYTES];
    name_shard(model, shard);
    name_folder(model, folder);
    return arena_printf(a, "models/%s/%s", shard, folder);
}

char *journal_path_registry(struct arena *a)
{
    return arena_strdup(a, "registry.json");
}

char *journal_path_model(struct arena *a, const char *model)
{
    return arena_printf(a, "%s/model.json", model_folder(a, model));
}

char *journal_path_version(struct arena *a, const char *model, int64_t number, const char *file)
{
    return arena_printf(a, "%s/versions/%lld/%s", model_folder(a, model), (long long)number, file);
}

char *journal_path_alias(struct arena *a, const char *model, const char *alias)
{
    char folder[NAME_FOLDER_BYTES];
    name_folder(alias, folder);
    return arena_printf(a, "%s/aliases/%s.json", model_folder(a, model), folder);
}

char *journal_path_env(struct arena *a, const char *env)
{
    char folder[NAME_FOLDER_BYTES];
    name_folder(env, folder);
    return arena_printf(a, "environments/%s/environment.json", folder);
}

/* A thing inside an environment: "nodes", "serving", "targets". */
static char *path_in_env(struct arena *a, const char *env, const char *what, const char *name)
{
    char env_folder[NAME_FOLDER_BYTES];
    char folder[NAME_FOLDER_BYTES];
    char shard[6];
    name_folder(env, env_folder);
    name_folder(name, folder);
    name_shard(name, shard);
    return arena_printf(a, "environments/%s/%s/%s/%s.json", env_folder, what, shard, folder);
}

char *journal_path_node(struct arena *a, const char *env, const char *node)
{
    return path_in_env(a, env, "nodes", node);
}

char *journal_path_serving(struct arena *a, const char *env, const char *node)
{
    return path_in_env(a, env, "serving", node);
}

char *journal_path_target(struct arena *a, const char *env, const char *model)
{
    return path_in_env(a, env, "targets", model);
}

char *journal_path_router(struct arena *a, const char *env, const char *router)
{
    return path_in_env(a, env, "routers", router);
}

char *journal_path_rollout(struct arena *a, const char *rollout)
{
    char shard[6];
    name_shard(rollout, shard);
    return arena_printf(a, "rollouts/%s/%s.json", shard, rollout);
}

char *journal_path_token(struct arena *a, const char *token)
{
    return arena_printf(a, "tokens/%s.json", token);
}

char *journal_path_webhook(struct arena *a, const char *hook)
{
    return arena_printf(a, "webhooks/%s.json", hook);
}

char *journal_path_freeze(struct arena *a, const char *freeze)
{
    return arena_printf(a, "freezes/%s.json", freeze);
}

char *journal_path_user(struct arena *a, const char *user)
{
    return arena_printf(a, "users/%s.json", user);
}
