/*
 * One rollout as a picture of lines: sentence, clocks, step rail, traffic, evidence meters, node
 * strip, way back, time line. Draws what the API said and decides nothing. Pure but for the width
 * of the terminal.
 */
#include "rollout_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "when.h"

#define METER_CELLS 20
#define SHOWN_CHANGES 6
#define SHOWN_STEPS 12

struct view {
    struct cli *cli;
    const json_t *r;
    int64_t now_ms;
    struct buf *out;
};

static const char *clean(struct view *v, const char *text)
{
    return out_clean(arena_strdup(&v->cli->arena, text));
}

static void put(struct view *v, enum tone tone, const char *text)
{
    buf_putf(v->out, "%s%s%s", out_on(&v->cli->out, tone), text, out_off(&v->cli->out));
}

enum tone rollout_phase_tone(const char *phase)
{
    static const struct {
        const char *phase;
        enum tone tone;
    } tones[] = {{"succeeded", TONE_GOOD},   {"rolled-back", TONE_BAD},
                 {"rolling-back", TONE_BAD}, {"rollback-stuck", TONE_BAD},
                 {"paused", TONE_WARN},      {"queued", TONE_WARN},
                 {"halted", TONE_BAD},       {"rejected", TONE_BAD},
                 {"cancelled", TONE_WARN},   {"superseded", TONE_WARN}};
    for (size_t i = 0; i < ARRAY_LEN(tones); i++)
        if (strcmp(phase, tones[i].phase) == 0)
            return tones[i].tone;
    return TONE_STRONG;
}

/* A span of time in two words at most: "3m 20s". */
static const char *span(struct view *v, int64_t ms)
{
    int64_t s = ms > 0 ? (ms + 500) / 1000 : 0;
    if (s < 60)
        return cli_printf(v->cli, "%llds", (long long)s);
    if (s < 3600)
        return cli_printf(v->cli, "%lldm %02llds", (long long)(s / 60), (long long)(s % 60));
    return cli_printf(v->cli, "%lldh %02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
}

static int64_t time_at(const json_t *obj, const char *key)
{
    int64_t ms = 0;
    const char *text = text_at(obj, key);
    return *text && when_parse(text, &ms, NULL) == ERR_OK ? ms : 0;
}

/* Text over several lines of the terminal's width, each behind two spaces. */
static void put_wrapped(struct view *v, enum tone tone, const char *text)
{
    int width = v->cli->out.stdout_is_tty ? v->cli->out.columns - 2 : 4000;
    const char *at = clean(v, text);
    while (*at) {
        size_t n = strlen(at);
        size_t most = (size_t)(width > 20 ? width : 20);
        if (n > most) {
            n = most;
            while (n > 0 && at[n] != ' ')
                n--;
            n = n ? n : most;
        }
        buf_puts(v->out, "  ");
        put(v, tone, cli_printf(v->cli, "%.*s", (int)n, at));
        buf_puts(v->out, "\n");
        at += n;
        at += strspn(at, " ");
    }
}

static void put_head(struct view *v)
{
    const char *phase = text_at(v->r, "phase");
    int64_t from = int_at(v->r, "from", 0);
    put(v, TONE_STRONG, text_at(v->r, "id"));
    buf_putf(v->out, "  %s %s -> %lld in %s  ", clean(v, text_at(v->r, "model")),
             from ? cli_printf(v->cli, "%lld", (long long)from) : "nothing",
             (long long)int_at(v->r, "to", 0), clean(v, text_at(v->r, "environment")));
    put(v, rollout_phase_tone(phase), phase);
    buf_puts(v->out, "\n");
    const char *outcome = text_at(v->r, "outcome");
    put_wrapped(v, TONE_STRONG, *outcome ? outcome : text_at(v->r, "waiting"));
    if (!*outcome)
        put_wrapped(v, TONE_FAINT, text_at(v->r, "unblock"));
}

static void put_clock(struct view *v, const char *before, const char *what)
{
    buf_putf(v->out, "%s%s ", before, what);
}

static void put_clocks(struct view *v)
{
    static const struct {
        const char *key, *words;
    } clocks[] = {{"bake_until", "evidence awaited"}, {"deadline", "step deadline in"}};
    int64_t created = time_at(v->r, "created");
    int64_t ended = time_at(v->r, "ended");
    put_clock(v, "  ", ended ? "took" : "for");
    put(v, TONE_STRONG, span(v, (ended ? ended : v->now_ms) - created));
    for (size_t i = 0; i < ARRAY_LEN(clocks) && !ended; i++) {
        int64_t at = time_at(v->r, clocks[i].key);
        if (!at)
            continue;
        put_clock(v, "   ", clocks[i].words);
        put(v, TONE_STRONG, span(v, at - v->now_ms));
    }
    buf_puts(v->out, "\n");
}

static const char *step_words(const char *phase)
{
    static const struct {
        const char *phase, *words;
    } rows[] = {{"pending", "to come"}, {"apply", "changing nodes"}, {"settle", "settling"},
                {"bake", "baking"},     {"gate", "judging"},         {"done", "done"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(phase, rows[i].phase) == 0)
            return rows[i].words;
    return phase;
}

static void put_step(struct view *v, const json_t *step, size_t number, bool is_current)
{
    const char *phase = text_at(step, "phase");
    const char *verdict = text_at(step, "verdict");
    bool has_failed = strcmp(verdict, "fail") == 0;
    bool is_done = strcmp(phase, "done") == 0;
    enum tone tone = has_failed ? TONE_BAD : is_done ? TONE_GOOD : TONE_STRONG;
    int64_t started = time_at(step, "started");
    int64_t ended = time_at(step, "ended");
    buf_puts(v->out, "  ");
    put(v, tone, has_failed ? "✗" : is_done ? "✓" : is_current ? "▶" : "○");
    int64_t n_nodes = int_at(step, "n_nodes", 0);
    buf_putf(v->out, " %2zu  %4lld node%s", number, (long long)n_nodes, n_nodes == 1 ? " " : "s");
    if (*text_at(step, "weight"))
        buf_putf(v->out, "  %s %%", text_at(step, "weight"));
    if (*text_at(step, "wave"))
        buf_putf(v->out, "  %s", clean(v, text_at(step, "wave")));
    const char *bake = text_at(step, "bake");
    buf_putf(v->out, "  %-11s", *bake == '0' ? "no bake" : cli_printf(v->cli, "bake %s", bake));
    put(v, is_current ? TONE_STRONG : TONE_FAINT, step_words(phase));
    if (started)
        buf_putf(v->out, "  %s", span(v, (ended ? ended : v->now_ms) - started));
    if (*verdict && is_done)
        buf_putf(v->out, "  %s", verdict);
    buf_puts(v->out, "\n");
}

static void put_steps(struct view *v)
{
    const json_t *steps = json_object_get(v->r, "steps");
    size_t n = json_array_size(steps);
    size_t now = (size_t)int_at(v->r, "step", 0);
    size_t first = n > SHOWN_STEPS && now > SHOWN_STEPS / 2 ? now - SHOWN_STEPS / 2 : 0;
    size_t i;
    json_t *step;
    bool has_ended = *text_at(v->r, "ended") != '\0';
    json_array_foreach(steps, i, step)
    {
        if (i >= first && i < first + SHOWN_STEPS)
            put_step(v, step, i + 1, i + 1 == now && !has_ended);
    }
    if (n > SHOWN_STEPS)
        buf_putf(v->out, "     %zu steps in all\n", n);
}

/* Does the node have the new version? */
static bool is_new(const struct view *v, const char *name)
{
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(v->r, "nodes"), i, node)
    {
        if (strcmp(text_at(node, "node"), name) == 0)
            return int_at(node, "version", 0) == int_at(v->r, "to", -1);
    }
    return false;
}

/* The share that the new version's nodes really have, as each router says. */
static void put_traffic(struct view *v)
{
    size_t i;
    size_t k;
    json_t *route;
    json_t *node;
    json_array_foreach(json_object_get(v->r, "traffic"), i, route)
    {
        double set = 0;
        double wanted = 0;
        json_array_foreach(json_object_get(route, "nodes"), k, node)
        {
            if (!is_new(v, text_at(node, "node")))
                continue;
            set += strtod(text_at(node, "share"), NULL);
            wanted += strtod(text_at(node, "wanted"), NULL);
        }
        buf_putf(v->out, "  traffic through %s: new version %.4g %% set, %.4g %% wanted\n",
                 clean(v, text_at(route, "router")), set, wanted);
    }
}

/* ---- evidence ---- */

/* "PASS ━━━━━─────│────────── FAIL": how far the evidence has gone to either side. */
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
    int n_fail = (int)(to_fail * half + 0.5);
    buf_puts(v->out, "       pass ");
    for (int i = 0; i < half; i++)
        put(v, i >= half - n_pass ? TONE_GOOD : TONE_FAINT, i >= half - n_pass ? "━" : "─");
    buf_puts(v->out, "│");
    for (int i = 0; i < half; i++)
        put(v, i < n_fail ? TONE_BAD : TONE_FAINT, i < n_fail ? "━" : "─");
    buf_puts(v->out, " fail");
}

static void put_arms(struct view *v, const json_t *gate)
{
    if (!json_object_get(gate, "n_base_requests"))
        return;
    buf_putf(v->out, "   new %lld/%lld, old %lld/%lld", (long long)int_at(gate, "n_failures", 0),
             (long long)int_at(gate, "n_requests", 0),
             (long long)int_at(gate, "n_base_failures", 0),
             (long long)int_at(gate, "n_base_requests", 0));
}

static void put_needs(struct view *v, const json_t *gate)
{
    int64_t to_pass = int_at(gate, "n_to_pass", 0);
    int64_t to_fail = int_at(gate, "n_to_fail", 0);
    if (to_pass)
        buf_putf(v->out, "; %lld more clean requests pass it", (long long)to_pass);
    if (to_fail)
        buf_putf(v->out, "; %lld more failures fail it", (long long)to_fail);
}

static void put_gate(struct view *v, const json_t *gate)
{
    const char *verdict = text_at(gate, "verdict");
    enum tone tone = strcmp(verdict, "pass") == 0   ? TONE_GOOD
                     : strcmp(verdict, "fail") == 0 ? TONE_BAD
                                                    : TONE_WARN;
    const char *name = *text_at(gate, "name") ? text_at(gate, "name") : text_at(gate, "kind");
    buf_putf(v->out, "  gate %-12s ", clean(v, name));
    put(v, tone, cli_printf(v->cli, "%-12s", verdict));
    buf_putf(v->out, " %s%s", clean(v, text_at(gate, "text")),
             json_is_true(json_object_get(gate, "report_only")) ? " (report only)" : "");
    if (json_object_get(gate, "log_e_fail")) {
        buf_puts(v->out, "\n");
        put_meter(v, gate);
        put_arms(v, gate);
        put_needs(v, gate);
    }
    buf_puts(v->out, "\n");
}

/* ---- nodes ---- */

static const char *node_mark(const char *state)
{
    static const struct {
        const char *state, *mark;
    } marks[] = {{"serving", "✓"},      {"failed", "✗"}, {"unreachable", "✗"},
                 {"rolling-back", "↩"}, {"old", "·"},    {"left-out", "–"}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (strcmp(state, marks[i].state) == 0)
            return marks[i].mark;
    return "▸";
}

static bool is_plain(const char *state)
{
    return strcmp(state, "serving") == 0 || strcmp(state, "old") == 0;
}

/* Nodes with nothing to say share lines; the others have one each. */
static void put_nodes(struct view *v)
{
    size_t i;
    json_t *node;
    int at = 0;
    int width = v->cli->out.stdout_is_tty ? v->cli->out.columns : 100;
    const json_t *nodes = json_object_get(v->r, "nodes");
    json_array_foreach(nodes, i, node)
    {
        const char *state = text_at(node, "state");
        if (!is_plain(state))
            continue;
        const char *cell =
            cli_printf(v->cli, "%s %s v%lld", node_mark(state), clean(v, text_at(node, "node")),
                       (long long)int_at(node, "version", 0));
        int n = (int)strlen(cell);
        if (at && at + n + 3 > width) {
            buf_puts(v->out, "\n");
            at = 0;
        }
        buf_puts(v->out, at ? "   " : "  ");
        bool has_new = int_at(node, "version", 0) == int_at(v->r, "to", -1);
        put(v, has_new ? TONE_GOOD : TONE_FAINT, cell);
        at += n + 3;
    }
    buf_puts(v->out, at ? "\n" : "");
    json_array_foreach(nodes, i, node)
    {
        const char *state = text_at(node, "state");
        if (is_plain(state))
            continue;
        int64_t number = int_at(node, "version", 0);
        buf_putf(v->out, "  %s %-16s %-4s ", node_mark(state), clean(v, text_at(node, "node")),
                 number ? cli_printf(v->cli, "v%lld", (long long)number) : "-");
        put(v, strcmp(state, "failed") == 0 ? TONE_BAD : TONE_WARN, state);
        buf_putf(v->out, "  %s\n", clean(v, text_at(node, "text")));
    }
}

static void put_way_back(struct view *v)
{
    const json_t *back = json_object_get(v->r, "way_back");
    if (!json_is_object(back) || *text_at(v->r, "ended"))
        return;
    int64_t n = int_at(back, "n_nodes", 0);
    int64_t eta_ms = 0;
    if (when_parse_duration(text_at(back, "eta"), &eta_ms, NULL) != ERR_OK)
        eta_ms = 0;
    buf_putf(v->out, "  going back now: %lld node%s, about %s, never fewer than %lld serving%s\n",
             (long long)n, n == 1 ? "" : "s", span(v, eta_ms < 1000 ? 1000 : eta_ms),
             (long long)int_at(back, "low_point", 0),
             json_is_false(json_object_get(back, "needs_load")) ? ", no load needed" : "");
}

static void put_changes(struct view *v, const json_t *changes)
{
    size_t n = json_array_size(changes);
    for (size_t i = n > SHOWN_CHANGES ? n - SHOWN_CHANGES : 0; i < n; i++) {
        const json_t *c = json_array_get(changes, i);
        const char *time = text_at(c, "time");
        const char *reason = text_at(c, "reason");
        buf_putf(v->out, "  %.8s  %-7s %s%s%s\n", strlen(time) > 19 ? time + 11 : time,
                 clean(v, text_at(c, "actor")), clean(v, text_at(c, "message")),
                 *reason ? ": " : "", clean(v, reason));
    }
}

void rollout_view(struct cli *cli, const json_t *rollout, const json_t *changes, int64_t now_ms,
                  struct buf *out)
{
    struct view v = {.cli = cli, .r = rollout, .now_ms = now_ms, .out = out};
    size_t i;
    json_t *gate;
    put_head(&v);
    put_clocks(&v);
    put_steps(&v);
    put_traffic(&v);
    json_array_foreach(json_object_get(rollout, "gates"), i, gate)
    {
        put_gate(&v, gate);
    }
    put_nodes(&v);
    put_way_back(&v);
    put_changes(&v, changes);
}
