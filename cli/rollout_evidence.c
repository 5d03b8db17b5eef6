/*
 * Traffic and evidence in a rollout's picture: what the routers do, what the gates counted on both
 * sides, and how far they are from a verdict. Decides nothing. Main thread.
 */
#include <stdlib.h>
#include <string.h>

#include "rollout_parts.h"

#define METER_CELLS 20
#define SHARE_CELLS 20

/* --- traffic --- */

static void put_route(struct view *v, const json_t *route)
{
    size_t i;
    json_t *node;
    double set = 0;
    double wanted = 0;
    json_array_foreach(json_object_get(route, "nodes"), i, node)
    {
        if (!draw_node_is_new(v, text_at(node, "node")))
            continue;
        set += strtod(text_at(node, "share"), NULL);
        wanted += strtod(text_at(node, "wanted"), NULL);
    }
    if (json_object_get(v->r, "weight_bp"))
        wanted = (double)int_at(v->r, "weight_bp", 0) / 100;
    buf_puts(v->out, "  traffic ");
    draw_bar(v, TONE_GOOD, set / 100, SHARE_CELLS);
    buf_putf(v->out, " %.4g %% set for version %lld, %.4g %% wanted (%s)\n", set,
             (long long)int_at(v->r, "to", 0), wanted, draw_clean(v, text_at(route, "router")));
}

void draw_traffic(struct view *v)
{
    size_t i;
    json_t *route;
    const json_t *traffic = json_object_get(v->r, "traffic");
    if (*text_at(v->r, "ended"))
        return;
    json_array_foreach((json_t *)(uintptr_t)traffic, i, route) put_route(v, route);
    if (json_array_size(traffic) == 0 && json_object_get(v->r, "weight_bp"))
        buf_putf(v->out, "  traffic %.4g %% wanted for version %lld; the router was not read yet\n",
                 (double)int_at(v->r, "weight_bp", 0) / 100, (long long)int_at(v->r, "to", 0));
}

/* --- evidence --- */

/* "pass ━━━━━─────│────────── fail": how far the evidence has gone to either side. */
static void put_meter(struct view *v, const json_t *gate)
{
    double fail_at = json_number_value(json_object_get(gate, "log_e_fail"));
    double pass_at = json_number_value(json_object_get(gate, "log_pass_at"));
    double to_fail = fail_at > 0 ? json_number_value(json_object_get(gate, "log_e")) / fail_at : 0;
    double to_pass =
        pass_at > 0 ? json_number_value(json_object_get(gate, "log_pass")) / pass_at : 0;
    const char *verdict = text_at(gate, "verdict");
    to_fail = strcmp(verdict, "fail") == 0 || to_fail > 1 ? 1 : to_fail > 0 ? to_fail : 0;
    to_pass = strcmp(verdict, "pass") == 0 || to_pass > 1 ? 1 : to_pass > 0 ? to_pass : 0;
    int half = METER_CELLS / 2;
    int n_pass = (int)(to_pass * half + 0.5);
    buf_puts(v->out, "       pass ");
    for (int i = 0; i < half; i++)
        draw_put(v, i >= half - n_pass ? TONE_GOOD : TONE_FAINT, i >= half - n_pass ? "━" : "─");
    buf_puts(v->out, "│");
    draw_bar(v, TONE_BAD, to_fail, half);
    buf_puts(v->out, " fail");
}

/* "512/7 (1.37 %)" of one side. */
static void put_arm(struct view *v, const char *side, int64_t n_bad, int64_t n)
{
    buf_putf(v->out, "%s %lld/%lld", side, (long long)n_bad, (long long)n);
    if (n > 0)
        buf_putf(v->out, " (%.3g %%)", 100.0 * (double)n_bad / (double)n);
}

static void put_arms(struct view *v, const json_t *gate)
{
    put_arm(v, "new", int_at(gate, "n_failures", 0), int_at(gate, "n_requests", 0));
    if (json_object_get(gate, "n_base_requests"))
        put_arm(v, ", old", int_at(gate, "n_base_failures", 0), int_at(gate, "n_base_requests", 0));
}

/* What would decide it, while nothing has. */
static void put_needs(struct view *v, const json_t *gate)
{
    int64_t to_pass = int_at(gate, "n_to_pass", 0);
    int64_t to_fail = int_at(gate, "n_to_fail", 0);
    double phi = json_number_value(json_object_get(gate, "phi"));
    if (to_pass || to_fail)
        buf_puts(v->out, "       needs ");
    if (to_pass)
        buf_putf(v->out, "%lld more clean requests to pass", (long long)to_pass);
    if (to_fail)
        buf_putf(v->out, "%s%lld more failures to fail", to_pass ? ", or " : "",
                 (long long)to_fail);
    if (to_pass || to_fail)
        buf_puts(v->out, "\n");
    if (phi > 1)
        buf_putf(v->out, "       errors come in bursts: evidence counts %.1f times less\n", phi);
}

/* The number of requests that the gate's policy wants before it judges; 0: none. */
static int64_t minimum_of(const struct view *v, const json_t *gate)
{
    size_t i;
    json_t *one;
    const char *name = text_at(gate, "name");
    json_array_foreach(json_object_get(json_object_get(v->r, "strategy"), "gates"), i, one)
    {
        bool is_it = strcmp(text_at(one, "kind"), text_at(gate, "kind")) == 0 &&
                     (!*text_at(one, "name") || strcmp(text_at(one, "name"), name) == 0);
        if (is_it)
            return int_at(one, "min_requests", 0);
    }
    return 0;
}

static void put_counts(struct view *v, const json_t *gate)
{
    int64_t minimum = minimum_of(v, gate);
    int64_t n = int_at(gate, "n_requests", 0);
    if (json_object_get(gate, "log_e_fail")) {
        put_meter(v, gate);
        buf_puts(v->out, "  ");
    } else if (!json_object_get(gate, "n_requests")) {
        return;
    } else if (minimum > 0) {
        buf_puts(v->out, "       ");
        draw_bar(v, n < minimum ? TONE_WARN : TONE_GOOD, (double)n / (double)minimum, METER_CELLS);
        buf_putf(v->out, " %lld of %lld requests  ", (long long)(n < minimum ? n : minimum),
                 (long long)minimum);
    } else {
        buf_puts(v->out, "       ");
    }
    put_arms(v, gate);
    buf_puts(v->out, "\n");
    put_needs(v, gate);
}

/* "latency" or "p99 (promql)". */
static const char *gate_name(struct view *v, const json_t *gate)
{
    const char *name = text_at(gate, "name");
    const char *kind = text_at(gate, "kind");
    if (!*name || strcmp(name, kind) == 0)
        return kind;
    return draw_clean(v, cli_printf(v->cli, "%s (%s)", name, kind));
}

static void put_gate(struct view *v, const json_t *gate)
{
    const char *verdict = text_at(gate, "verdict");
    enum tone tone = strcmp(verdict, "pass") == 0   ? TONE_GOOD
                     : strcmp(verdict, "fail") == 0 ? TONE_BAD
                                                    : TONE_WARN;
    buf_putf(v->out, "  gate %-12s ", gate_name(v, gate));
    draw_put(v, tone, cli_printf(v->cli, "%-12s", verdict));
    buf_putf(v->out, " %s%s\n", draw_clean(v, text_at(gate, "text")),
             json_is_true(json_object_get(gate, "report_only")) ? " (report only)" : "");
    put_counts(v, gate);
}

void draw_gates(struct view *v)
{
    size_t i;
    json_t *gate;
    const char *base = text_at(json_object_get(v->r, "control"), "baseline");
    if (*base)
        buf_putf(v->out, "  baseline: %s\n", draw_clean(v, base));
    json_array_foreach(json_object_get(v->r, "gates"), i, gate) put_gate(v, gate);
}
