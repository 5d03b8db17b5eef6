/*
 * What a rollback or the end of a step would do to a rollout, in words, for the question before it.
 * Takes the rollout as the API shows it and decides nothing. One thread.
 */
#include "rollout_ask.h"

#include <string.h>

#include "commands.h"

/* --- who comes next --- */

const char *ask_queue_text(struct cli *cli, const json_t *rollout)
{
    json_t *list CLEANUP(json_decref_ptr) = NULL;
    struct err e = {0};
    const char *path =
        cli_query(cli, "/api/v1/rollouts?queued=true", "env", text_at(rollout, "environment"));
    path = cli_query(cli, path, "model", text_at(rollout, "model"));
    if (cli_call(cli, "GET", path, NULL, &list, &e) != ERR_OK)
        return "";
    const json_t *items = json_object_get(list, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *one = json_array_get(items, i);
        if (int_at(one, "queue_position", 0) == 1)
            return cli_printf(cli, "; when it has ended, %s (version %lld) starts",
                              text_at(one, "id"), (long long)int_at(one, "to", 0));
    }
    return "";
}

/* --- going back --- */

/* The version that was live before `number` came, as the list of rollouts has it; 0: unknown. */
static int64_t version_before(struct cli *cli, const json_t *rollout, int64_t number)
{
    json_t *list CLEANUP(json_decref_ptr) = NULL;
    struct err e = {0};
    json_t *one;
    size_t i;
    const char *path = cli_query(cli, "/api/v1/rollouts", "env", text_at(rollout, "environment"));
    path = cli_query(cli, path, "model", text_at(rollout, "model"));
    if (cli_call(cli, "GET", path, NULL, &list, &e) != ERR_OK)
        return 0;
    json_array_foreach(json_object_get(list, "items"), i, one)
    {
        if (strcmp(text_at(one, "phase"), "succeeded") == 0 && int_at(one, "to", 0) == number)
            return int_at(one, "from", 0);
    }
    return 0;
}

static const char *way_back(struct cli *cli, int64_t from)
{
    return from ? cli_printf(cli, "version %lld (live before it)", (long long)from)
                : "nothing (no version was live before it)";
}

static bool is_going_back(const json_t *rollout)
{
    const char *phase = text_at(rollout, "phase");
    return strcmp(phase, "rolling-back") == 0 || strcmp(phase, "rollback-stuck") == 0;
}

const char *ask_rollback_text(struct cli *cli, const json_t *rollout)
{
    const char *id = text_at(rollout, "id");
    const char *phase = text_at(rollout, "phase");
    int64_t from = int_at(rollout, "from", 0);
    int64_t before = from ? version_before(cli, rollout, from) : 0;
    const char *to = way_back(cli, from);
    if (is_going_back(rollout))
        return cli_printf(cli, "%s is on its way back to %s already", id, to);
    const char *text = cli_printf(cli,
                                  "%s (to version %lld, %s) is under way: rolling back aborts "
                                  "it and goes back to %s%s.",
                                  id, (long long)int_at(rollout, "to", 0), phase, to,
                                  ask_queue_text(cli, rollout));
    if (!before)
        return text;
    return cli_printf(cli,
                      "%s To go further back to %lld: mreg rollback %s --env %s --to %lld "
                      "afterwards.",
                      text, (long long)before, cli_shell(cli, text_at(rollout, "model")),
                      cli_shell(cli, text_at(rollout, "environment")), (long long)before);
}

const char *ask_end_text(struct cli *cli, const json_t *rollout, bool is_halt)
{
    const char *what = cli_printf(cli, "%s (%s to version %lld in %s, %s)", text_at(rollout, "id"),
                                  text_at(rollout, "model"), (long long)int_at(rollout, "to", 0),
                                  text_at(rollout, "environment"), text_at(rollout, "phase"));
    const char *to = way_back(cli, int_at(rollout, "from", 0));
    if (is_halt)
        return cli_printf(cli, "%s ends, and every node keeps what it serves now", what);
    if (is_going_back(rollout))
        return cli_printf(cli, "%s is on its way back to %s already", what, to);
    const char *next = ask_queue_text(cli, rollout);
    return int_at(rollout, "step", 0) == 0
               ? cli_printf(cli, "%s ends before it has changed anything%s", what, next)
               : cli_printf(cli, "%s goes back to %s%s", what, to, next);
}

/* --- ending a step --- */

/* The pause that a person asked for, or NULL. */
static const json_t *persons_pause(const json_t *rollout)
{
    const json_t *pauses = json_object_get(rollout, "pauses");
    for (size_t i = 0; i < json_array_size(pauses); i++)
        if (strcmp(text_at(json_array_get(pauses, i), "reason"), "user") == 0)
            return json_array_get(pauses, i);
    return NULL;
}

bool ask_is_paused(const json_t *rollout)
{
    return persons_pause(rollout) != NULL;
}

static const char *when_text(struct cli *cli, const json_t *rollout)
{
    const json_t *pause = persons_pause(rollout);
    return pause ? cli_printf(cli, "once it is resumed (it stays paused until then: %s)",
                              text_at(pause, "text"))
                 : "now";
}

/* "passes 2 gates that lack evidence (error-ratio, latency)"; "" if all are passed. */
static const char *passed_text(struct cli *cli, const json_t *rollout)
{
    const char *names = "";
    bool has_failed = false;
    int n = 0;
    json_t *gate;
    size_t i;
    json_array_foreach(json_object_get(rollout, "gates"), i, gate)
    {
        const char *verdict = text_at(gate, "verdict");
        const char *name = text_at(gate, "name");
        if (strcmp(verdict, "pass") == 0 || json_is_true(json_object_get(gate, "report_only")))
            continue;
        has_failed = has_failed || strcmp(verdict, "fail") == 0;
        names =
            cli_printf(cli, "%s%s%s", names, n++ ? ", " : "", *name ? name : text_at(gate, "kind"));
    }
    if (!n)
        return "";
    return cli_printf(cli, "passes %d gate%s %s (%s); ", n, n == 1 ? "" : "s",
                      has_failed ? n == 1 ? "that fails" : "that fail or lack evidence"
                      : n == 1   ? "that lacks evidence"
                                 : "that lack evidence",
                      names);
}

static int64_t nodes_of_step(const json_t *steps, int64_t number)
{
    return int_at(json_array_get(steps, (size_t)number - 1), "n_nodes", 0);
}

/* What comes behind the present step. */
static const char *next_text(struct cli *cli, const json_t *rollout, bool is_full)
{
    const json_t *steps = json_object_get(rollout, "steps");
    int64_t n_steps = (int64_t)json_array_size(steps);
    int64_t step = int_at(rollout, "step", 0);
    long long to = (long long)int_at(rollout, "to", 0);
    if (step >= n_steps)
        return cli_printf(cli, "this is the last step: version %lld is live then", to);
    int64_t next = is_full ? n_steps : step + 1;
    int64_t n = nodes_of_step(steps, next);
    const char *which = n > 1 && n == nodes_of_step(steps, n_steps) ? "all " : "";
    return cli_printf(cli, "%s: version %lld on %s%s", is_full ? "then" : "next step", to, which,
                      cli_count(cli, n, "node"));
}

const char *ask_promote_text(struct cli *cli, const json_t *rollout, bool is_full, bool is_whole)
{
    return cli_printf(cli, "%s: ends step %lld of %zu %s, %s%s%s", text_at(rollout, "id"),
                      (long long)int_at(rollout, "step", 0),
                      json_array_size(json_object_get(rollout, "steps")), when_text(cli, rollout),
                      passed_text(cli, rollout), next_text(cli, rollout, is_full),
                      is_whole ? ask_queue_text(cli, rollout) : "");
}

bool ask_may_promote(const json_t *rollout)
{
    size_t n_steps = json_array_size(json_object_get(rollout, "steps"));
    const json_t *nodes = json_object_get(rollout, "nodes");
    int64_t to = int_at(rollout, "to", 0);
    if (int_at(rollout, "step", 0) < (int64_t)n_steps || json_array_size(nodes) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(nodes); i++)
        if (int_at(json_array_get(nodes, i), "version", 0) == to)
            return true;
    return false;
}
