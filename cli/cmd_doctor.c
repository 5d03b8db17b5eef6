/*
 * mreg doctor: looks at everything that commands depend on, here and on the server, and says how to
 * put right what is wrong. Changes nothing.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "plugin.h"
#include "profile.h"
#include "remote.h"
#include "setup.h"
#include "trust.h"
#include "trusted.h"
#include "when.h"

#define PATIENCE_MS 10000
#define MAX_PROBES 50 /* nodes of an environment whose last look is asked for */
#define LOW_SPACE_BYTES ((int64_t)1 << 30)
#define SOON_MS (INT64_C(7) * 86400000)

enum state { STATE_OK, STATE_WARN, STATE_FAIL };

struct doctor {
    struct cli *cli;
    json_t *checks;
    int n_bad, n_odd;
};

/* One finding; fix (a command or a sentence) may be NULL. */
static void found(struct doctor *d, enum state state, const char *check, const char *text,
                  const char *fix)
{
    static const char *const names[] = {"ok", "warn", "fail"};
    static const enum tone tones[] = {TONE_GOOD, TONE_WARN, TONE_BAD};
    const struct out *o = &d->cli->out;
    d->n_bad += state == STATE_FAIL;
    d->n_odd += state == STATE_WARN;
    json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:s*}", "check", check, "state",
                                               names[state], "text", text, "fix", fix));
    if (o->is_json)
        return;
    printf("%s[%s]%s%*s %-14s %s\n", out_on(o, tones[state]), names[state], out_off(o),
           4 - (int)strlen(names[state]), "", check, out_clean(arena_strdup(&d->cli->arena, text)));
    if (fix)
        printf("       %-14s fix: %s\n", "", fix);
    fflush(stdout);
}

/* --- here --- */

static void check_config(struct doctor *d)
{
    struct cli *cli = d->cli;
    const struct err *fault = cli->setup_fault;
    if (fault) {
        found(d, STATE_FAIL, "configuration", fault->message,
              fault->code == ERR_NOT_FOUND ? "mreg context list"
                                           : cli_printf(cli, "edit %s", cli->setup->user_path));
        return;
    }
    found(d, STATE_OK, "configuration",
          cli_printf(cli, "context %s (%s)", cli->setup->context, cli->setup->context_from), NULL);
}

static void check_variables(struct doctor *d)
{
    char name[64];
    const char *near = NULL;
    size_t i = 0;
    while (profile_odd_variable(environ, &i, name, &near))
        found(d, STATE_WARN, "environment", cli_printf(d->cli, "%s is unknown", name),
              near ? cli_printf(d->cli, "did you mean %s?", near)
                   : cli_printf(d->cli, "unset %s", arena_strdup(&d->cli->arena, name)));
}

static void check_space(struct doctor *d)
{
    struct statvfs st;
    char text[24];
    char *folder CLEANUP(mem_free_ptr) = profile_cache_path("");
    if (access(folder, W_OK) != 0 || statvfs(folder, &st) != 0) {
        found(d, STATE_FAIL, "cache", cli_printf(d->cli, "%s cannot be written", folder),
              cli_printf(d->cli, "mkdir -p %s", arena_strdup(&d->cli->arena, folder)));
        return;
    }
    int64_t n = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
    found(d, n < LOW_SPACE_BYTES ? STATE_WARN : STATE_OK, "cache",
          cli_printf(d->cli, "%s, %s free", folder, out_bytes(n, text)),
          n < LOW_SPACE_BYTES ? "make room: pulls and interrupted pushes need it" : NULL);
}

static void count_hidden(void *user, const char *name, const char *path)
{
    struct doctor *d = user;
    if (opt_of_word(command_tables, name))
        found(d, STATE_WARN, "plugins",
              cli_printf(d->cli, "%s is hidden by the command of that name", path),
              "give the program another name");
}

static bool check_profile(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    int rc = cli_profile(cli, NULL, &e);
    if (rc == ERR_OK)
        rc = profile_need_token(cli->profile, cli->setup->context, &e);
    if (rc != ERR_OK) {
        found(d, STATE_FAIL, "credentials", e.message, "mreg login URL --token-file FILE");
        return false;
    }
    if (!cli->profile->url) {
        found(d, STATE_FAIL, "credentials", "no registry is known",
              "mreg login URL --token-file FILE");
        return false;
    }
    found(d, cli->profile->token ? STATE_OK : STATE_FAIL, "credentials",
          cli_printf(cli, "%s for %s", cli->profile->token ? "a token" : "no token",
                     cli->profile->url),
          cli->profile->token
              ? NULL
              : cli_printf(cli, "mreg login %s --token-file FILE", cli->profile->url));
    return true;
}

/* --- the server --- */

static bool check_reach(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    struct remote *remote = NULL;
    json_t *about CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_remote(cli, &remote, &e);
    if (rc == ERR_OK)
        remote_hurry(remote, PATIENCE_MS);
    if (rc == ERR_OK)
        rc = cli_call(cli, "GET", "/api/v1", NULL, &about, &e);
    if (rc != ERR_OK) {
        found(d, STATE_FAIL, "registry", e.message,
              "is mregd running there, and is the URL right? (mreg config get --origin url)");
        return false;
    }
    const char *version = text_at(about, "version");
    bool is_same = strcmp(version, MREG_VERSION) == 0;
    found(d, is_same ? STATE_OK : STATE_WARN, "registry",
          cli_printf(cli, "%s answers, version %s", cli->profile->url, version),
          is_same ? NULL : "this mreg is " MREG_VERSION ": install the same version");
    return true;
}

static void check_keys(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    char *signers CLEANUP(mem_free_ptr) = NULL;
    const char *pinned = cli->profile->signers;
    if (trusted_fetch(cli, &signers, &e) != ERR_OK)
        found(d, STATE_FAIL, "keys", e.message, NULL);
    else if (!pinned)
        found(d, STATE_WARN, "keys", "no key is pinned: what is pulled cannot be trusted fully",
              cli_printf(cli, "mreg login %s --token-file FILE", cli->profile->url));
    else if (strcmp(pinned, signers) != 0)
        found(d, STATE_FAIL, "keys", "the registry shows other keys than the pinned ones",
              "ask its owner; if they were replaced on purpose: mreg login URL --pin");
    else
        found(d, STATE_OK, "keys",
              cli_printf(cli, "pinned: %s", trust_key_ids(pinned, &cli->arena)), NULL);
}

/* Tokens end; the registry tells when only where it may. */
static void check_token(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    int64_t expires_ms = 0;
    json_t *who CLEANUP(json_decref_ptr) = NULL;
    if (cli_call(cli, "GET", "/api/v1/whoami", NULL, &who, &e) != ERR_OK) {
        found(d, STATE_FAIL, "token", e.message,
              cli_printf(cli, "mreg login %s --token-file FILE", cli->profile->url));
        return;
    }
    const char *expires = text_at(who, "expires");
    bool is_soon = *expires && when_parse(expires, &expires_ms, NULL) == ERR_OK &&
                   expires_ms - (int64_t)time(NULL) * 1000 < SOON_MS;
    found(d, is_soon ? STATE_WARN : STATE_OK, "token",
          cli_printf(cli, "%s, role %s%s%s", text_at(who, "name"), text_at(who, "role"),
                     *expires ? ", expires " : "", expires),
          is_soon ? "ask an admin for another one" : NULL);
}

/* What the last looks at the nodes of an environment found: the first few say enough. */
static void check_probes(struct doctor *d, const char *env, const json_t *nodes)
{
    struct cli *cli = d->cli;
    const char *first = NULL;
    const char *text = "";
    int n = 0;
    int n_asked = 0;
    size_t n_looked = json_array_size(nodes) < MAX_PROBES ? json_array_size(nodes) : MAX_PROBES;
    for (size_t i = 0; i < n_looked; i++) {
        struct err e = {0};
        json_t *node CLEANUP(json_decref_ptr) = NULL;
        const char *name = text_at(json_array_get(nodes, i), "name");
        const char *path = cli_printf(cli, "/api/v1/environments/%s/nodes/%s", cli_quote(cli, env),
                                      cli_quote(cli, name));
        if (cli_call(cli, "GET", path, NULL, &node, &e) != ERR_OK)
            continue; /* not counted */
        n_asked++;
        const json_t *problem =
            json_array_get(json_object_get(json_object_get(node, "probe"), "problems"), 0);
        if (problem && !first)
            text = arena_strdup(&cli->arena, text_at(problem, "text"));
        first = problem && !first ? name : first;
        n += problem != NULL;
    }
    if (first)
        found(d, STATE_WARN, "nodes",
              cli_printf(cli, "%s: %d of %d lack something; %s: %s", env, n, n_asked, first, text),
              cli_printf(cli, "mreg node check %s %s", cli_shell(cli, env), cli_shell(cli, first)));
}

static void check_environment(struct doctor *d, const char *env)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    json_t *nodes CLEANUP(json_decref_ptr) = NULL;
    size_t i;
    json_t *node;
    int n_lost = 0;
    const char *first = "";
    const char *path = cli_printf(cli, "/api/v1/environments/%s/nodes", cli_quote(cli, env));
    if (list_some(cli, path, 10000, &nodes, NULL, &e) != ERR_OK) {
        found(d, STATE_FAIL, "nodes", e.message, NULL);
        return;
    }
    json_array_foreach(nodes, i, node)
    {
        bool is_lost = json_is_false(json_object_get(node, "reachable"));
        first = is_lost && !n_lost ? text_at(node, "name") : first;
        n_lost += is_lost;
    }
    found(d, n_lost ? STATE_WARN : STATE_OK, "nodes",
          cli_printf(cli, "%s: %d of %zu cannot be reached", env, n_lost, json_array_size(nodes)),
          n_lost
              ? cli_printf(cli, "mreg node check %s %s", cli_shell(cli, env), cli_shell(cli, first))
              : NULL);
    check_probes(d, env, nodes);
}

static void check_fleet(struct doctor *d)
{
    struct err e = {0};
    json_t *envs CLEANUP(json_decref_ptr) = NULL;
    size_t i;
    json_t *env;
    if (list_some(d->cli, "/api/v1/environments", 1000, &envs, NULL, &e) != ERR_OK)
        return; /* check_token has said why */
    json_array_foreach(envs, i, env) check_environment(d, text_at(env, "name"));
}

/* Admins see webhooks; others need not care. */
static void check_webhooks(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct err e = {0};
    json_t *hooks CLEANUP(json_decref_ptr) = NULL;
    size_t i;
    json_t *hook;
    if (list_some(cli, "/api/v1/webhooks", 1000, &hooks, NULL, &e) != ERR_OK)
        return;
    json_array_foreach(hooks, i, hook)
    {
        if (*text_at(hook, "failing_since"))
            found(d, STATE_WARN, "webhooks",
                  cli_printf(cli, "%s fails since %s", text_at(hook, "name"),
                             text_at(hook, "failing_since")),
                  cli_printf(cli, "mreg webhook show %s", text_at(hook, "id")));
    }
}

int cmd_doctor(struct cli *cli)
{
    struct doctor d = {.cli = cli, .checks = json_array()};
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o}", "checks", d.checks);
    check_config(&d);
    check_variables(&d);
    check_space(&d);
    plugin_each(count_hidden, &d);
    if (!cli->setup_fault && check_profile(&d) && check_reach(&d)) {
        check_keys(&d);
        check_token(&d);
        check_fleet(&d);
        check_webhooks(&d);
    }
    json_object_set_new(j, "failed", json_integer(d.n_bad));
    json_object_set_new(j, "warnings", json_integer(d.n_odd));
    if (cli->out.is_json)
        cli_json(cli, j);
    out_say(&cli->out, "%d failed, %s", d.n_bad, cli_count(cli, d.n_odd, "warning"));
    return d.n_bad ? EXIT_FAILED : EXIT_DONE;
}
