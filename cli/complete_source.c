/*
 * Asks the registry for names, in at most two seconds, and remembers the answer for a minute. Fails
 * silently: completion is an extra. One thread.
 */
#include "complete_source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "profile.h"
#include "remote.h"

#define PATIENCE_MS 2000
#define FRESH_SECONDS 60
#define OLD_SECONDS 3600
#define ANSWER_MAX_BYTES ((size_t)8 << 20)

void complete_offer(const struct place *p, const char *value, const char *text)
{
    if (!*value || strncmp(value, p->word, strlen(p->word)) != 0)
        return;
    char line[700];
    char clean[200];
    snprintf(clean, sizeof clean, "%s", text ? text : "");
    snprintf(line, sizeof line, "%s%.500s", p->prefix, value);
    printf("%s\t%s\n", out_clean(line), out_clean(clean));
}

/* --- the cache --- */

static bool is_younger(const char *path, time_t seconds)
{
    struct stat st;
    time_t now = time(NULL);
    return stat(path, &st) == 0 && st.st_mtime <= now && now - st.st_mtime < seconds;
}

/* One file for each registry, token and path. */
static char *cache_path(const struct profile *p, const char *path)
{
    char name[DIGEST_HEX_BYTES + 32];
    char hex[DIGEST_HEX_BYTES];
    struct digest d;
    struct digest_ctx *c CLEANUP(digest_free_ptr) = digest_new();
    const char *parts[] = {p->url, p->token ? p->token : "", path};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        digest_add(c, parts[i], strlen(parts[i]) + 1);
    digest_peek(c, &d);
    snprintf(name, sizeof name, "complete-%.32s.json", digest_hex(&d, hex));
    return profile_cache_path(name);
}

static void sweep(void)
{
    char *folder CLEANUP(mem_free_ptr) = profile_cache_path("");
    DIR *d = opendir(folder);
    struct dirent *item;
    while (d && (item = readdir(d))) {
        char path[3000];
        snprintf(path, sizeof path, "%s%s", folder, item->d_name);
        if (strncmp(item->d_name, "complete-", 9) == 0 && !is_younger(path, OLD_SECONDS))
            unlink(path);
    }
    if (d)
        closedir(d);
}

static json_t *cached(const char *file)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *j = NULL;
    size_t n = 0;
    if (!is_younger(file, FRESH_SECONDS) ||
        file_read(file, ANSWER_MAX_BYTES, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, JSON_MAX_DEPTH, &j, NULL) != ERR_OK)
        return NULL;
    return j;
}

/* The answer to GET path, or NULL. Caller owns it. */
static json_t *fetch(struct cli *cli, const char *path)
{
    struct err e;
    struct remote *remote = NULL;
    json_t *j = NULL;
    if (!cli->profile->url || profile_need_token(cli->profile, "", &e) != ERR_OK)
        return NULL;
    char *file CLEANUP(mem_free_ptr) = cache_path(cli->profile, path);
    j = cached(file);
    if (j || cli_remote(cli, &remote, &e) != ERR_OK)
        return j;
    remote_hurry(remote, PATIENCE_MS);
    if (cli_call(cli, "GET", path, NULL, &j, &e) != ERR_OK)
        return NULL;
    char *text CLEANUP(mem_free_ptr) = json_dumps(j, JSON_COMPACT);
    sweep();
    if (text && file_write(file, text, strlen(text), 0600, &e) != ERR_OK)
        unlink(file);
    return j;
}

/* --- objects --- */

/* Where the names of a placeholder come from. %s: the first argument (or --env), encoded. */
static const struct source {
    const char *placeholder, *noun; /* noun: NULL, or how the command begins */
    const char *path, *member, *text;
} sources[] = {
    {"ENV", NULL, "/api/v1/environments?limit=500", "name", NULL},
    {"NODE", NULL, "/api/v1/environments/%s/nodes?limit=500", "name", "admin_url"},
    {"NAME", "router", "/api/v1/environments/%s/routers", "name", "driver"},
    {"ALIAS", NULL, "/api/v1/models/%s/aliases?limit=500", "alias", "version"},
    {"ROLLOUT", NULL, "/api/v1/rollouts?limit=100", "id", "phase"},
    {"ID", "rollout show", "/api/v1/rollouts?limit=100", "id", "phase"},
    {"ID", "rollout watch", "/api/v1/rollouts?limit=100", "id", "phase"},
    {"ID", "rollout logs", "/api/v1/rollouts?limit=100", "id", "phase"},
    {"ID", "rollout retry", "/api/v1/rollouts?limit=100", "id", "phase"},
    {"ID", "rollout approve", "/api/v1/approvals", "rollout", "model"},
    {"ID", "rollout reject", "/api/v1/approvals", "rollout", "model"},
    {"ID", "rollout", "/api/v1/rollouts?limit=100&active=true", "id", "phase"},
    {"ID", "queue", "/api/v1/rollouts?limit=100&queued=true", "id", "phase"},
    {"ID", "approval", "/api/v1/approvals", "rollout", "model"},
    {"ID", "webhook", "/api/v1/webhooks?limit=500", "id", "name"},
    {"ID", "token", "/api/v1/tokens?limit=500", "id", "name"},
    {"ID", "freeze", "/api/v1/freezes?limit=500", "id", "reason"},
    {"USER", NULL, "/api/v1/users?limit=500", "name", "role"},
    {NULL, NULL, NULL, NULL, NULL},
};

static bool is_of_noun(const struct place *p, const char *noun)
{
    const struct command *c = p->cli->command;
    size_t n = noun ? strlen(noun) : 0;
    return !noun || (c && strncmp(c->name, noun, n) == 0 && strchr(" ", c->name[n]));
}

static const struct source *find_source(const struct place *p)
{
    for (const struct source *s = sources; s->path; s++)
        if (strcmp(s->placeholder, p->placeholder) == 0 && is_of_noun(p, s->noun))
            return s;
    return NULL;
}

static const char *text_of(struct cli *cli, const json_t *item, const char *member)
{
    int64_t n = member ? int_at(item, member, -1) : -1;
    return n >= 0 ? cli_printf(cli, "%lld", (long long)n) : member ? text_at(item, member) : "";
}

/* The object that the placeholder's path is about: "fraud" of "alias set fraud@3 ALIAS". */
static const char *owner(struct cli *cli)
{
    const char *env = opt(cli, "env");
    const char *first = cli->n_args ? cli->args[0] : env ? env : "";
    return cli_quote(cli, arena_copy(&cli->arena, first, strcspn(first, "@")));
}

static void offer_items(const struct place *p, const struct source *s)
{
    size_t i;
    json_t *item;
    const char *rest = strstr(s->path, "%s");
    const char *path = rest ? cli_printf(p->cli, "%.*s%s%s", (int)(rest - s->path), s->path,
                                         owner(p->cli), rest + 2)
                            : s->path;
    json_t *list CLEANUP(json_decref_ptr) = fetch(p->cli, path);
    json_array_foreach(json_object_get(list, "items"), i, item)
        complete_offer(p, text_at(item, s->member), text_of(p->cli, item, s->text));
}

static void offer_models(const struct place *p)
{
    size_t i;
    json_t *item;
    const char *path =
        cli_query(p->cli, "/api/v1/models?limit=500", "q", *p->word ? p->word : NULL);
    json_t *list CLEANUP(json_decref_ptr) = fetch(p->cli, path);
    json_array_foreach(json_object_get(list, "items"), i, item)
        complete_offer(p, text_at(item, "name"), text_at(item, "description"));
}

/* Versions and aliases behind "fraud@". */
static void offer_references(const struct place *p, const char *at)
{
    struct cli *cli = p->cli;
    size_t i;
    size_t k;
    json_t *item;
    json_t *alias;
    const char *model = arena_copy(&cli->arena, p->word, (size_t)(at - p->word));
    const char *path =
        cli_printf(cli, "/api/v1/models/%s/versions?limit=100", cli_quote(cli, model));
    json_t *list CLEANUP(json_decref_ptr) = fetch(cli, path);
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        const char *number = cli_printf(cli, "%lld", (long long)int_at(item, "version", 0));
        json_array_foreach(json_object_get(item, "aliases"), k, alias)
            complete_offer(p, cli_printf(cli, "%s@%s", model, json_string_value(alias)),
                           cli_printf(cli, "version %s", number));
        complete_offer(p, cli_printf(cli, "%s@%s", model, number), text_at(item, "description"));
    }
    if (json_array_size(json_object_get(list, "items")))
        complete_offer(p, cli_printf(cli, "%s@latest", model), "the newest version");
}

bool complete_from_registry(const struct place *p)
{
    const char *at = strchr(p->word, '@');
    bool is_model = strncmp(p->placeholder, "MODEL", 5) == 0;
    const struct source *s = is_model ? NULL : find_source(p);
    if (is_model && at && strchr(p->placeholder, '@')) {
        offer_references(p, at);
    } else if (is_model) {
        offer_models(p);
        if (strchr(p->placeholder, '@'))
            puts(":nospace");
    } else if (s) {
        offer_items(p, s);
    }
    return is_model || s;
}
