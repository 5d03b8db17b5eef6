/*
 * The plan of a rollout as pictures of lines and tables: what changes, the steps with their times,
 * every operation, how low and how long, what will hold it. The server made it; this only shows.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "when.h"

static const char *duration(struct cli *cli, int64_t ms)
{
    char text[WHEN_TEXT_BYTES];
    int64_t whole = ms >= 10000 ? (ms + 500) / 1000 * 1000 : ms;
    return arena_strdup(&cli->arena, when_format_duration(whole, text));
}

static double real_at(const json_t *obj, const char *key)
{
    return json_number_value(json_object_get(obj, key));
}

static void print_head(struct cli *cli, const json_t *plan)
{
    int64_t from = int_at(plan, "from", 0);
    printf("%splan%s  %s %s -> %lld in %s  %s, %s\n", out_on(&cli->out, TONE_STRONG),
           out_off(&cli->out), text_at(plan, "model"), cli_version(cli, from, "nothing"),
           (long long)int_at(plan, "to", 0), text_at(plan, "environment"),
           cli_count(cli, int_at(plan, "n_nodes", 0), "node"),
           cli_count(cli, int_at(plan, "n_steps", 0), "step"));
}

/* "0.91 -> 0.94" of each metric that one of them has. */
static void print_metrics(struct cli *cli, const json_t *from, const json_t *to)
{
    const char *key;
    json_t *value;
    json_t *list = json_object_get(to, "metrics");
    json_object_foreach(list, key, value)
    {
        const char *old = text_at(json_object_get(from, "metrics"), key);
        printf("  metric  %s  %s%s%s\n", out_clean(arena_strdup(&cli->arena, key)), old,
               *old ? " -> " : "", json_string_value(value));
    }
}

static void print_diff(struct cli *cli, const json_t *plan)
{
    const json_t *diff = json_object_get(plan, "diff");
    const json_t *from = json_object_get(diff, "from");
    const json_t *to = json_object_get(diff, "to");
    const json_t *files = json_object_get(diff, "files");
    char before[24];
    char after[24];
    if (!to)
        return;
    out_bytes(int_at(from, "size", 0), before);
    out_bytes(int_at(to, "size", 0), after);
    if (from)
        printf("  size    %s -> %s\n", before, after);
    else
        printf("  size    %s\n", after);
    printf("  content %.19s\n", text_at(to, "content"));
    printf("  files   %lld new, %lld changed, %lld gone, %lld the same\n",
           (long long)int_at(files, "new", 0), (long long)int_at(files, "changed", 0),
           (long long)int_at(files, "gone", 0), (long long)int_at(files, "same", 0));
    print_metrics(cli, from, to);
}

static const char *evidence_text(struct cli *cli, const json_t *step)
{
    const json_t *ev = json_object_get(step, "evidence");
    if (!ev)
        return "";
    if (!json_object_get(ev, "needs_ms"))
        return cli_printf(cli, "%lld requests: none come", (long long)int_at(ev, "wanted", 0));
    return cli_printf(cli, "%lld requests: %s%s", (long long)int_at(ev, "wanted", 0),
                      duration(cli, int_at(ev, "needs_ms", 0)),
                      json_is_true(json_object_get(ev, "is_enough")) ? "" : ", too few");
}

static void print_steps(struct cli *cli, const json_t *plan)
{
    static const char *const heads[] = {"STEP", "NODES",    "BEGINS",   "TAKES",
                                        "BAKE", "EVIDENCE", "APPROVALS"};
    struct table t;
    json_t *step;
    size_t i;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        int64_t begin = int_at(step, "begin_ms", 0);
        table_cellf(&t, TONE_PLAIN, "%zu", i + 1);
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(step, "n_nodes", 0));
        table_cell(&t, TONE_PLAIN, duration(cli, begin));
        table_cell(&t, TONE_PLAIN, duration(cli, int_at(step, "end_ms", 0) - begin));
        table_cell(&t, TONE_PLAIN, text_at(step, "bake"));
        table_cell(&t, TONE_PLAIN, evidence_text(cli, step));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(step, "approvals", 0));
    }
    table_print(&t);
}

static void print_operations(struct cli *cli, const json_t *plan)
{
    static const char *const heads[] = {"AT", "STEP", "NODE", "OPERATION", "VERSION", "TAKES"};
    const json_t *list = json_object_get(plan, "operations");
    struct table t;
    json_t *op;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach((json_t *)(uintptr_t)list, i, op)
    {
        table_cell(&t, TONE_PLAIN, duration(cli, int_at(op, "at_ms", 0)));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(op, "step", 0));
        table_cell(&t, TONE_PLAIN, *text_at(op, "node") ? text_at(op, "node") : "router");
        table_cell(&t, TONE_PLAIN, text_at(op, "action"));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(op, "version", 0));
        table_cell(&t, TONE_PLAIN, duration(cli, int_at(op, "takes_ms", 0)));
    }
    table_print(&t);
    int64_t more = int_at(plan, "n_operations", 0) - (int64_t)json_array_size(list);
    if (more > 0)
        out_say(&cli->out, "and %lld operations more", (long long)more);
}

/* It would wait for somebody on its way, or not come to its end at all. */
static bool stands_still(const json_t *plan)
{
    const json_t *f = json_object_get(plan, "forecast");
    return int_at(f, "stops_step", 0) != 0 || json_is_false(json_object_get(f, "complete"));
}

/* What matters more than its steps: it would not go through by itself. */
static void print_trouble(struct cli *cli, const json_t *plan)
{
    const json_t *f = json_object_get(plan, "forecast");
    if (stands_still(plan))
        printf("%swill not go through as things are%s: %s\n", out_on(&cli->out, TONE_BAD),
               out_off(&cli->out), out_clean(arena_strdup(&cli->arena, text_at(f, "outcome"))));
}

static void print_way_back(struct cli *cli, const json_t *back)
{
    bool needs_load = json_is_true(json_object_get(back, "needs_load"));
    int64_t n = int_at(back, "n_nodes", 0);
    if (n != 0)
        printf("rollback from the last step: %s over %lld node%s, %s; fewest that serve: %lld\n",
               duration(cli, int_at(back, "takes_ms", 0)), (long long)n, n == 1 ? "" : "s",
               needs_load ? "loads the old version again" : "needs no load",
               (long long)int_at(back, "low_point", 0));
}

static void print_forecast(struct cli *cli, const json_t *plan)
{
    const json_t *f = json_object_get(plan, "forecast");
    if (!f)
        return;
    int64_t step = int_at(f, "stops_step", 0);
    if (step)
        printf("stands still after %s; what follows step %lld is as it would be if somebody lets "
               "it go on at once\n",
               duration(cli, int_at(f, "stops_ms", 0)), (long long)step);
    printf("%s %s at %.3g requests/s; fewest nodes that serve: %lld of %lld (after %s)\n",
           step || !stands_still(plan) ? "takes" : "stands still at the latest after",
           duration(cli, int_at(f, "takes_ms", 0)), real_at(f, "requests_per_second"),
           (long long)int_at(f, "low_point", 0), (long long)int_at(plan, "n_nodes", 0),
           duration(cli, int_at(f, "low_at_ms", 0)));
    print_way_back(cli, json_object_get(plan, "rollback"));
    if (*text_at(f, "outcome") && !stands_still(plan))
        printf("ends: %s\n", out_clean(arena_strdup(&cli->arena, text_at(f, "outcome"))));
}

static void print_holds(struct cli *cli, const json_t *plan)
{
    json_t *freeze;
    size_t i;
    json_array_foreach(json_object_get(plan, "freezes"), i, freeze)
    {
        bool holds = json_is_true(json_object_get(freeze, "holds"));
        printf("%s%s %s%s %s%s%s%s: %s\n", out_on(&cli->out, TONE_WARN), text_at(freeze, "type"),
               text_at(freeze, "id"), out_off(&cli->out), holds ? "holds now" : "begins ",
               holds ? "" : text_at(freeze, "begins"), *text_at(freeze, "until") ? " until " : "",
               text_at(freeze, "until"),
               out_clean(arena_strdup(&cli->arena, text_at(freeze, "reason"))));
    }
    if (int_at(plan, "approvals", 0))
        printf("waits for %lld approvals before anything is touched\n",
               (long long)int_at(plan, "approvals", 0));
    if (*text_at(plan, "behind"))
        printf("waits behind rollout %s\n", text_at(plan, "behind"));
}

void plan_print(struct cli *cli, const json_t *plan)
{
    print_head(cli, plan);
    print_trouble(cli, plan);
    print_diff(cli, plan);
    print_steps(cli, plan);
    print_operations(cli, plan);
    print_forecast(cli, plan);
    print_holds(cli, plan);
    if (*text_at(plan, "plan"))
        printf("apply it: --plan %s\n", text_at(plan, "plan"));
}
