/*
 * mreg analysis: what the gates of a rollout saw, judging it again with other settings, posting a
 * metric. All numbers are the server's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "name.h"

static enum tone tone_of(const char *verdict)
{
    if (strcmp(verdict, "pass") == 0)
        return TONE_GOOD;
    if (strcmp(verdict, "fail") == 0)
        return TONE_BAD;
    return strcmp(verdict, "insufficient") == 0 ? TONE_PLAIN : TONE_WARN;
}

static double real_at(const json_t *obj, const char *key, double none)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_number(v) ? json_number_value(v) : none;
}

/* "7/512 (1.37 %)" */
static void put_arm(struct table *t, const json_t *gate, const char *side)
{
    const json_t *arm = json_object_get(gate, side);
    if (!arm)
        table_cell(t, TONE_FAINT, "");
    else if (int_at(arm, "requests", 0) == 0)
        table_cell(t, TONE_FAINT, "no requests");
    else
        table_cellf(t, TONE_PLAIN, "%lld/%lld (%.3g %%)", (long long)int_at(arm, "bad", 0),
                    (long long)int_at(arm, "requests", 0), real_at(arm, "rate", 0) * 100);
}

/* A value with its limit, or what a comparison still needs. */
static void put_numbers(struct cli *cli, struct table *t, const json_t *gate)
{
    const json_t *evidence = json_object_get(gate, "evidence");
    const char *text = "";
    if (json_object_get(gate, "value"))
        text = cli_printf(cli, "%.6g, limit %.6g", real_at(gate, "value", 0),
                          real_at(gate, "limit", 0));
    else if (evidence)
        text = cli_printf(cli, "against %.2f of %.2f, for %.2f of %.2f",
                          fmin(real_at(evidence, "ratio", 0), real_at(evidence, "floor", 0)),
                          real_at(evidence, "ratio_fails_at", 0), real_at(evidence, "pass", 0),
                          real_at(evidence, "passes_at", 0));
    table_cell(t, TONE_PLAIN, text);
}

static void put_note(struct cli *cli, struct table *t, const json_t *gate)
{
    int64_t fail = int_at(gate, "needs_to_fail", -1);
    int64_t pass = int_at(gate, "needs_to_pass", -1);
    char *cause = mem_strdup(text_at(gate, "cause"));
    if (cause[0] != '\0')
        table_cell(t, TONE_WARN, out_clean(cause));
    else if (pass >= 0 && fail >= 0)
        table_cellf(t, TONE_PLAIN, "needs %lld bad to fail or %lld good to pass", (long long)fail,
                    (long long)pass);
    else if (pass >= 0)
        table_cellf(t, TONE_PLAIN, "needs %lld good to pass", (long long)pass);
    else
        table_cell(t, TONE_PLAIN, "");
    free(cause);
    (void)cli;
}

/* Old rows that were added up: moments before that are coarser. */
static void say_merged(struct cli *cli, const json_t *gate)
{
    const json_t *merged = json_object_get(gate, "merged");
    const char *what = json_object_get(merged, "values") != NULL ? "values" : "intervals";
    if (merged == NULL)
        return;
    out_say(&cli->out, "%s: %lld %s until %s were kept as %lld, %lld of these roughly",
            text_at(gate, "name"), (long long)int_at(merged, what, 0), what,
            text_at(merged, "until"), (long long)int_at(merged, "into", 0),
            (long long)int_at(merged, "rough", 0));
}

/* Whose requests stand on which side, and since when some are not seen. */
static void print_sides(struct cli *cli, const json_t *answer)
{
    static const char *const heads[] = {"NODE", "SIDE", "SINCE", "AWAY SINCE"};
    struct table t;
    const json_t *node;
    size_t i;
    char since[40];
    char away[40];
    if (json_array_size(json_object_get(answer, "nodes")) == 0)
        return;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(answer, "nodes"), i, node)
    {
        table_cell(&t, TONE_PLAIN, text_at(node, "node"));
        table_cell(&t, TONE_PLAIN, text_at(node, "side"));
        table_cell(&t, TONE_PLAIN, out_ago(&cli->out, text_at(node, "since"), since));
        table_cell(&t, TONE_WARN, out_ago(&cli->out, text_at(node, "away"), away));
    }
    table_print(&t);
}

static void print_gates(struct cli *cli, const json_t *answer)
{
    static const char *const heads[] = {"GATE",     "VERDICT",  "CANARY",
                                        "BASELINE", "EVIDENCE", "NOTE"};
    struct table t;
    const json_t *gate;
    size_t i;
    table_init(&t, &cli->out, 6, heads);
    json_array_foreach(json_object_get(answer, "gates"), i, gate)
    {
        bool is_quiet = json_is_true(json_object_get(gate, "report_only"));
        table_cellf(&t, TONE_PLAIN, "%s%s", text_at(gate, "name"), is_quiet ? " (report)" : "");
        table_cell(&t, tone_of(text_at(gate, "verdict")), text_at(gate, "verdict"));
        put_arm(&t, gate, "canary");
        put_arm(&t, gate, "baseline");
        put_numbers(cli, &t, gate);
        put_note(cli, &t, gate);
    }
    table_print(&t);
}

int cmd_analysis_show(struct cli *cli)
{
    const json_t *gate;
    size_t i;
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    struct err e = {0};
    const char *path =
        cli_printf(cli, "/api/v1/rollouts/%s/analysis", cli_quote(cli, cli->args[0]));
    int rc = cli_call(cli, "GET", path, NULL, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    if (cli->out.is_json)
        return EXIT_DONE;
    if (json_array_size(json_object_get(answer, "gates")) == 0)
        printf("nothing was measured in %s: it has no gate that looked at a node\n", cli->args[0]);
    else
        print_gates(cli, answer);
    if (*text_at(answer, "baseline"))
        out_say(&cli->out, "baseline: %s", text_at(answer, "baseline"));
    json_array_foreach(json_object_get(answer, "gates"), i, gate) say_merged(cli, gate);
    print_sides(cli, answer);
    return EXIT_DONE;
}

/* --- replay ----------------------------------------------------------------------------------- */

/* "error-ratio.ratio=1.3" into {"error-ratio":{"ratio":"1.3"}}; a name may have points. */
static int add_setting(struct cli *cli, const char *text, json_t *gates, struct err *e)
{
    const char *equals = strchr(text, '=');
    const char *point = NULL;
    for (const char *at = text; equals != NULL && at < equals; at++)
        point = *at == '.' ? at : point;
    if (equals == NULL || point == NULL || point == text || point + 1 == equals)
        return err_set(e, ERR_INVALID, "--set \"%.200s\": wanted GATE.SETTING=VALUE", text);
    const char *name = arena_copy(&cli->arena, text, (size_t)(point - text));
    const char *key = arena_copy(&cli->arena, point + 1, (size_t)(equals - point - 1));
    json_t *gate = json_object_get(gates, name);
    if (gate == NULL && json_object_set_new(gates, name, json_object()) == 0)
        gate = json_object_get(gates, name);
    if (gate == NULL || json_object_set_new(gate, key, json_string(equals + 1)) != 0)
        return err_set(e, ERR_INVALID, "--set \"%.200s\": not UTF-8", text);
    return ERR_OK;
}

static void print_replay(struct cli *cli, const json_t *answer)
{
    static const char *const heads[] = {"GATE", "WAS", "NOW", "REACHED", "CANARY", "BASELINE"};
    struct table t;
    const json_t *gate;
    size_t i;
    table_init(&t, &cli->out, 6, heads);
    json_array_foreach(json_object_get(answer, "gates"), i, gate)
    {
        const char *verdict = text_at(gate, "verdict");
        const char *when = text_at(gate, strcmp(verdict, "fail") == 0 ? "failed" : "passed");
        table_cell(&t, TONE_PLAIN, text_at(gate, "name"));
        table_cell(&t, tone_of(text_at(gate, "was")), text_at(gate, "was"));
        table_cell(&t, tone_of(verdict), verdict);
        table_cell(&t, TONE_PLAIN, when[0] != '\0' ? when : "never");
        put_arm(&t, gate, "canary");
        put_arm(&t, gate, "baseline");
    }
    table_print(&t);
    json_array_foreach(json_object_get(answer, "gates"), i, gate) say_merged(cli, gate);
}

int cmd_analysis_replay(struct cli *cli)
{
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    json_t *gates = json_object();
    struct err e = {0};
    const char *text;
    int rc = ERR_OK;
    json_object_set_new(body, "gates", gates);
    for (int i = 0; rc == ERR_OK && (text = opt_nth(cli, "set", i)) != NULL; i++)
        rc = add_setting(cli, text, gates, &e);
    const char *path =
        cli_printf(cli, "/api/v1/rollouts/%s/analysis/replay", cli_quote(cli, cli->args[0]));
    if (rc == ERR_OK)
        rc = cli_call(cli, "POST", path, body, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        print_replay(cli, answer);
    return EXIT_DONE;
}

/* --- posting ---------------------------------------------------------------------------------- */

int cmd_analysis_post(struct cli *cli)
{
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    struct err e = {0};
    int rc = ref_split(cli->args[0], model, &ref, &e);
    if (rc == ERR_OK && opt(cli, "env") == NULL)
        rc = err_set(&e, ERR_INVALID, "analysis post needs --env ENVIRONMENT");
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s*}", "value", cli->args[2], "node", opt(cli, "node"));
    const char *path =
        cli_printf(cli, "/api/v1/models/%s/versions/%s/metrics/%s", cli_quote(cli, model),
                   cli_quote(cli, ref), cli_quote(cli, cli->args[1]));
    path = cli_query(cli, path, "environment", opt(cli, "env"));
    rc = cli_call(cli, "POST", path, body, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        out_say(&cli->out, "%s of %s version %lld in %s: %s", cli->args[1], model,
                (long long)int_at(answer, "version", 0), opt(cli, "env"), cli->args[2]);
    return EXIT_DONE;
}
