/*
 * mreg promote and rollback. Strategies are the server's to judge: options only
 * fill the request.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "listing.h"
#include "profile.h"
#include "name.h"
#include "rollout_ask.h"
#include "setup.h"

/* "1:30s,50%:1m,100%" as canary steps of a strategy. */
static int strategy_steps(const char *text, json_t *strategy, struct err *e)
{
    char *copy CLEANUP(mem_free_ptr) = mem_strdup(text);
    json_t *steps = json_array();
    char *rest = copy;
    char *word;
    json_object_set_new(strategy, "steps", steps);
    while ((word = strsep(&rest, ","))) {
        char *bake = strchr(word, ':');
        char *end = NULL;
        if (bake)
            *bake++ = '\0';
        long n = strtol(word, &end, 10);
        bool is_percent = *end == '%';
        bool is_number = isdigit((unsigned char)*word) && n >= 1 && n <= 1000000;
        if (!is_number || (is_percent ? end[1] : end[0]) != '\0')
            return err_set(e, ERR_INVALID,
                           "--steps %s: wanted NODES[:BAKE] or PERCENT%%[:BAKE] with commas, as in "
                           "1:30s,50%%:1m,100%%",
                           text);
        json_array_append_new(steps, json_pack("{s:i, s:s}", is_percent ? "percent" : "nodes",
                                               (int)n, "bake", bake ? bake : "0"));
    }
    return ERR_OK;
}

static int strategy_of(struct cli *cli, json_t **out, struct err *e)
{
    json_t *strategy = NULL;
    const char *file = opt(cli, "policy");
    const char *kind = opt(cli, "strategy");
    const char *steps = opt(cli, "steps");
    int rc = file ? cli_read_json(file, &strategy, e) : ERR_OK;
    if (rc != ERR_OK)
        return rc;
    if (!strategy)
        strategy = json_object();
    if (kind)
        json_object_set_new(strategy, "strategy", json_string(kind));
    kind = text_at(strategy, "strategy");
    if (steps && *kind && strcmp(kind, "canary") != 0)
        rc = err_set(e, ERR_INVALID, "--steps: the strategy %.40s takes no steps, canary does",
                     kind);
    else if (steps)
        rc = strategy_steps(steps, strategy, e);
    if (rc == ERR_OK)
        *out = strategy;
    else
        json_decref(strategy);
    return rc;
}

/* Without a plan the server was told to change something. */
static bool is_dry(const struct cli *cli)
{
    return opt_has(cli, "dry-run") || strcmp(cli->command->name, "rollout simulate") == 0;
}

/* --plan-out: the plan for people to read and for --plan. */
static int write_plan(struct cli *cli, const json_t *plan, struct err *e)
{
    const char *path = opt(cli, "plan-out");
    char *text CLEANUP(mem_free_ptr) = json_dumps(plan, JSON_INDENT(2));
    const char *line = cli_printf(cli, "%s\n", text ? text : "{}");
    return file_write(path, line, strlen(line), 0644, e);
}

/* --plan: a token, or a file that --plan-out wrote. */
static int plan_token(struct cli *cli, json_t *body, struct err *e)
{
    const char *given = opt(cli, "plan");
    json_t *plan CLEANUP(json_decref_ptr) = NULL;
    if (strncmp(given, "p1-", 3) == 0) {
        json_object_set_new(body, "plan", json_string(given));
        return ERR_OK;
    }
    int rc = cli_read_json(given, &plan, e);
    if (rc == ERR_OK && !*text_at(plan, "plan"))
        rc = err_set(e, ERR_INVALID, "%s: no plan in it; --dry-run --plan-out writes one", given);
    if (rc == ERR_OK)
        json_object_set_new(body, "plan", json_string(text_at(plan, "plan")));
    return rc;
}

/* The answer to a rollback while another rollout is under way, which is aborted. */
static int shown_abort(struct cli *cli, const json_t *rollout)
{
    const char *id = text_at(rollout, "id");
    bool is_plan = is_dry(cli);
    cli->goes_back = true;
    if (opt_has(cli, "watch") && !is_plan) {
        if (!cli->out.is_json)
            printf("%s\n", id);
        fflush(stdout);
        return watch_rollout(cli, id);
    }
    if (cli->out.is_json) {
        cli_json(cli, rollout);
    } else if (is_plan) {
        printf("%s\n", ask_rollback_text(cli, rollout));
        out_say(&cli->out, "a plan only: nothing was changed");
    } else {
        printf("%s\n", id);
        out_say(&cli->out,
                "%s is aborted: %s goes back to version %lld in %s%s; follow it: mreg "
                "rollout watch %s",
                id, text_at(rollout, "model"), (long long)int_at(rollout, "from", 0),
                text_at(rollout, "environment"), ask_queue_text(cli, rollout), id);
    }
    return EXIT_DONE;
}

/* "; number 1 in the queue behind ..." of what does not begin at once. */
static const char *wait_text(struct cli *cli, const json_t *rollout)
{
    const char *why = text_at(rollout, "waiting");
    return int_at(rollout, "queue_position", 0) && *why ? cli_printf(cli, "; %s", why) : "";
}

static int submitted(struct cli *cli, const json_t *rollout)
{
    const char *id = text_at(rollout, "id");
    bool is_plan = is_dry(cli);
    struct err e = {0};
    if (is_plan && opt(cli, "plan-out") && write_plan(cli, rollout, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (json_is_true(json_object_get(rollout, "aborting")))
        return shown_abort(cli, rollout);
    bool is_already = json_is_true(json_object_get(rollout, "already"));
    if (is_already && !*id) {
        if (cli->out.is_json)
            cli_json(cli, rollout);
        else
            out_say(&cli->out, "already so: that version is live");
        return EXIT_DONE;
    }
    if (is_already)
        out_say(&cli->out, "already asked for: %s", id);
    if (opt_has(cli, "watch") && !is_plan) {
        if (!cli->out.is_json)
            printf("%s\n", id);
        fflush(stdout);
        return watch_rollout(cli, id);
    }
    if (cli->out.is_json) {
        cli_json(cli, rollout);
        return EXIT_DONE;
    }
    if (is_plan) {
        watch_print(cli, rollout);
        out_say(&cli->out, "a plan only: nothing was changed");
        return EXIT_DONE;
    }
    printf("%s\n", id);
    out_say(&cli->out, "%s: %s %s -> %lld in %s%s; follow it: mreg rollout watch %s", id,
            text_at(rollout, "model"), cli_version(cli, int_at(rollout, "from", 0), "nothing"),
            (long long)int_at(rollout, "to", 0), text_at(rollout, "environment"),
            wait_text(cli, rollout), id);
    return EXIT_DONE;
}

static int submit(struct cli *cli, json_t *body, struct err *e)
{
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    int64_t unused = 0;
    if (watch_timeout(cli, &unused, e) != ERR_OK)
        return cli_fail(cli, e);
    if (opt(cli, "plan-out") && !is_dry(cli)) {
        err_set(e, ERR_INVALID, "--plan-out needs --dry-run");
        return cli_fail(cli, e);
    }
    if (opt(cli, "reason"))
        json_object_set_new(body, "reason", json_string(opt(cli, "reason")));
    if (is_dry(cli))
        json_object_set_new(body, "dry_run", json_true());
    if (opt_has(cli, "hotfix"))
        json_object_set_new(body, "hotfix", json_true());
    if (opt(cli, "override"))
        json_object_set_new(body, "override", targets_overrides(opt(cli, "override")));
    if (opt(cli, "plan") && plan_token(cli, body, e) != ERR_OK)
        return cli_fail(cli, e);
    int rc = cli_call(cli, "POST", "/api/v1/rollouts", body, &rollout, e);
    struct err near = {0};
    if (rc != ERR_OK)
        cli_request(cli); /* not that of the look at the model */
    if (rc == ERR_NOT_FOUND && list_check(cli, NULL, text_at(body, "model"), NULL, &near) == rc)
        *e = near; /* it is the model that does not exist, and one like it may */
    return rc == ERR_OK ? submitted(cli, rollout) : cli_fail(cli, e);
}

/* --- sets --- */

/* A set has no plan, and one environment. Refused before anything is sent. */
static int check_set(struct cli *cli, struct err *e)
{
    static const char *const not_of_sets[][2] = {{"dry-run", "a set has no plan"},
                                                 {"plan", "a set has no plan"},
                                                 {"plan-out", "a set has no plan"},
                                                 {"env", "its environment is --to ENV"}};
    int64_t unused = 0;
    for (size_t i = 0; i < ARRAY_LEN(not_of_sets); i++)
        if (opt_has(cli, not_of_sets[i][0]))
            return err_set(e, ERR_INVALID, "--together does not go with --%s: %s; nothing was sent",
                           not_of_sets[i][0], not_of_sets[i][1]);
    if (!opt(cli, "to"))
        return err_set(e, ERR_INVALID, "--together needs --to ENVIRONMENT");
    return watch_timeout(cli, &unused, e);
}

static int read_members(struct cli *cli, json_t *list, struct err *e)
{
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && i < cli->n_args; i++) {
        char model[NAME_MAX_BYTES * 2 + 2];
        const char *ref = NULL;
        rc = ref_split(cli->args[i], model, &ref, e);
        if (rc == ERR_OK)
            json_array_append_new(list, json_pack("{s:s, s:s}", "model", model, "version", ref));
    }
    return rc;
}

static int show_set(struct cli *cli, const json_t *set)
{
    int code = EXIT_DONE;
    json_t *item;
    size_t i;
    if (cli->out.is_json) {
        cli_json(cli, set);
        return EXIT_DONE;
    }
    json_array_foreach(json_object_get(set, "items"), i, item) puts(text_at(item, "id"));
    fflush(stdout);
    if (json_array_size(json_object_get(set, "items")) == 0)
        out_say(&cli->out, "already so: these versions are live");
    else
        out_say(&cli->out, "%s: they go live together or not at all", text_at(set, "set"));
    json_array_foreach(json_object_get(set, "items"), i, item)
    {
        int one = opt_has(cli, "watch") ? watch_rollout(cli, text_at(item, "id")) : EXIT_DONE;
        code = one > code ? one : code;
    }
    return code;
}

static int promote_together(struct cli *cli)
{
    struct err e = {0};
    json_t *members = json_array();
    json_t *strategy = NULL;
    json_t *set CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) = json_pack("{s:o}", "together", members);
    int rc = check_set(cli, &e);
    if (rc == ERR_OK)
        rc = read_members(cli, members, &e);
    if (rc == ERR_OK)
        rc = strategy_of(cli, &strategy, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_object_set_new(body, "strategy", strategy);
    json_object_set_new(body, "environment", json_string(opt(cli, "to")));
    if (opt(cli, "reason"))
        json_object_set_new(body, "reason", json_string(opt(cli, "reason")));
    if (opt_has(cli, "hotfix"))
        json_object_set_new(body, "hotfix", json_true());
    if (opt(cli, "override"))
        json_object_set_new(body, "override", targets_overrides(opt(cli, "override")));
    rc = cli_call(cli, "POST", "/api/v1/rollouts", body, &set, &e);
    return rc == ERR_OK ? show_set(cli, set) : cli_fail(cli, &e);
}

int cmd_promote(struct cli *cli)
{
    struct err e = {0};
    if (opt_has(cli, "together"))
        return promote_together(cli);
    const char *env = cli->n_args > 1 ? cli->args[1] : opt(cli, "env");
    if (cli->n_args > 2 || !env || opt(cli, "to") || (cli->n_args == 2 && opt(cli, "env"))) {
        err_set(&e, ERR_INVALID,
                "%s takes MODEL[@REF] ENV, as in \"%s\"; several models: --together --to ENV",
                cli->command->name, cli->command->example);
        return cli_fail(cli, &e);
    }
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    json_t *strategy = NULL;
    int rc = ref_split(cli->args[0], model, &ref, &e);
    if (rc == ERR_OK)
        rc = strategy_of(cli, &strategy, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:o}", "model", model, "version", ref, "environment", env,
                  "strategy", strategy);
    return submit(cli, body, &e);
}

int cmd_rollout_simulate(struct cli *cli)
{
    return cmd_promote(cli);
}

/* On a terminal: what is under way and would be aborted is told first. */
static bool agrees_to_abort(struct cli *cli, const json_t *body)
{
    struct err e = {0};
    json_t *seen CLEANUP(json_decref_ptr) = NULL;
    json_t *dry CLEANUP(json_decref_ptr) = json_copy((json_t *)(uintptr_t)body);
    if (is_dry(cli) || opt_has(cli, "yes") || !cli_can_ask(cli))
        return true;
    json_object_set_new(dry, "dry_run", json_true());
    if (cli_call(cli, "POST", "/api/v1/rollouts", dry, &seen, &e) != ERR_OK ||
        !json_is_true(json_object_get(seen, "aborting")))
        return true; /* the real one tells what is wrong */
    return cli_ask(
        cli, cli_printf(cli, "%s\nAbort %s?", ask_rollback_text(cli, seen), text_at(seen, "id")));
}

int cmd_rollback(struct cli *cli)
{
    struct err e = {0};
    const char *env = cli->n_args > 1 ? cli->args[1] : opt(cli, "env");
    if (!env)
        env = setup_get(cli, "environment", NULL);
    if (!env) {
        err_set(&e, ERR_INVALID, "rollback needs an environment: mreg rollback %s --env ENV",
                cli_shell(cli, cli->args[0]));
        return cli_fail(cli, &e);
    }
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s*}", "model", cli->args[0], "environment", env, "kind",
                  "rollback", "version", opt(cli, "to"));
    return agrees_to_abort(cli, body) ? submit(cli, body, &e) : EXIT_REFUSED;
}
