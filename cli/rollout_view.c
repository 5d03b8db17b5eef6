/*
 * One rollout as a picture of lines: sentence, clocks, step rail, traffic, evidence meters, node
 * strip, way back, time line. Draws what the API said and decides nothing. Pure but for the width
 * of the terminal.
 */
#include "rollout_view.h"

#include <stdio.h>
#include <string.h>

#include "listing.h"
#include "rollout_parts.h"
#include "when.h"

#define SHOWN_CHANGES 6
#define SHOWN_STEPS 12
#define SHOWN_ORDER 8
#define LINE_MAX_BYTES 4000

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

static void put_head(struct view *v)
{
    const char *phase = text_at(v->r, "phase");
    int64_t from = int_at(v->r, "from", 0);
    draw_put(v, TONE_STRONG, text_at(v->r, "id"));
    buf_putf(v->out, "  %s %s -> %lld in %s  ", draw_clean(v, text_at(v->r, "model")),
             from ? cli_printf(v->cli, "%lld", (long long)from) : "nothing",
             (long long)int_at(v->r, "to", 0), draw_clean(v, text_at(v->r, "environment")));
    draw_put(v, rollout_phase_tone(phase), phase);
    buf_puts(v->out, "\n");
    const char *outcome = text_at(v->r, "outcome");
    draw_wrapped(v, TONE_STRONG, *outcome ? outcome : text_at(v->r, "waiting"));
    if (!*outcome)
        draw_wrapped(v, TONE_FAINT, text_at(v->r, "unblock"));
}

static void put_clock(struct view *v, const char *words, const char *time)
{
    buf_putf(v->out, "%s ", words);
    draw_put(v, TONE_STRONG, time);
}

/* "step ends in 9m 59s at the earliest, 19m 59s at the latest": a step that bakes. */
static void put_bake_clock(struct view *v, const json_t *step)
{
    int64_t until = draw_time_at(v->r, "bake_until");
    int64_t bake_ms = 0;
    int64_t most_ms = 0;
    json_t *gate;
    size_t i;
    bool is_proven = true;
    json_array_foreach(json_object_get(v->r, "gates"), i, gate) is_proven =
        is_proven && (strcmp(text_at(gate, "verdict"), "pass") == 0 ||
                      json_is_true(json_object_get(gate, "report_only")));
    if (!until || when_parse_duration(text_at(step, "max_bake"), &most_ms, NULL) != ERR_OK ||
        when_parse_duration(text_at(step, "bake"), &bake_ms, NULL) != ERR_OK)
        return;
    int64_t soonest = until - most_ms + bake_ms - v->now_ms;
    if (soonest > 0)
        put_clock(v, "   step ends in", draw_span(v, soonest));
    else
        buf_puts(v->out, "   step ends with its evidence");
    if (!is_proven && until - v->now_ms > (soonest > 0 ? soonest : 0)) {
        put_clock(v, soonest > 0 ? " at the earliest," : ", in", draw_span(v, until - v->now_ms));
        buf_puts(v->out, " at the latest");
    }
}

/* Which time runs now: one of a step that bakes, or of one whose nodes change; none in a pause. */
static void put_step_clock(struct view *v)
{
    const char *phase = text_at(v->r, "phase");
    const char *step_phase = text_at(v->r, "step_phase");
    const json_t *steps = json_object_get(v->r, "steps");
    int64_t step = int_at(v->r, "step", 0);
    int64_t deadline = draw_time_at(v->r, "deadline");
    bool is_baking = strcmp(step_phase, "bake") == 0 || strcmp(step_phase, "gate") == 0;
    if (strcmp(phase, "paused") == 0)
        buf_puts(v->out, "   paused: the clocks of its step stand");
    else if (strcmp(phase, "running") != 0 || step == 0)
        return;
    else if (is_baking)
        put_bake_clock(v, json_array_get(steps, (size_t)step - 1));
    else if (deadline)
        put_clock(v, "   the next node has to be done in", draw_span(v, deadline - v->now_ms));
}

static void put_clocks(struct view *v)
{
    int64_t created = draw_time_at(v->r, "created");
    int64_t ended = draw_time_at(v->r, "ended");
    const char *eta = text_at(json_object_get(v->r, "way_back"), "eta");
    put_clock(v, ended ? "  took" : "  for", draw_span(v, (ended ? ended : v->now_ms) - created));
    if (!ended)
        put_step_clock(v);
    if (*eta && !ended)
        put_clock(v, "   back in", draw_duration(v, eta));
    buf_puts(v->out, "\n");
}

/* --- why it stands, and since when --- */

/* The command that lifts a pause. */
static const char *way_on(struct view *v, const char *reason)
{
    static const struct {
        const char *reason, *what;
    } passable[] = {{"freeze", "freeze"},
                    {"stop", "stop"},
                    {"failure-budget", "budget"},
                    {"dependency", "dependency"}};
    const char *id = draw_clean(v, text_at(v->r, "id"));
    for (size_t i = 0; i < ARRAY_LEN(passable); i++)
        if (strcmp(passable[i].reason, reason) == 0)
            return cli_printf(v->cli, "mreg rollout override %s %s --reason WHY", id,
                              passable[i].what);
    if (strcmp(reason, "approval") == 0)
        return cli_printf(v->cli, "mreg approval approve %s", id);
    return cli_printf(v->cli, "mreg rollout resume %s", id);
}

static void put_pauses(struct view *v)
{
    size_t i;
    json_t *pause;
    bool has_ended = *text_at(v->r, "ended") != '\0';
    json_array_foreach(json_object_get(v->r, "pauses"), i, pause)
    {
        const char *reason = text_at(pause, "reason");
        int64_t since = draw_time_at(pause, "since");
        if (has_ended || strstr(text_at(v->r, "waiting"), text_at(pause, "text")))
            continue; /* the sentence says it */
        draw_wrapped(v, TONE_WARN,
                     cli_printf(v->cli, "also held (%s) for %s: %s; %s", reason,
                                draw_span(v, v->now_ms - since), text_at(pause, "text"),
                                way_on(v, reason)));
    }
}

/* --- steps --- */

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

/* What the step is at; the end of the rollout ends its steps, too. */
static const char *step_state(struct view *v, const json_t *step, bool is_current)
{
    const char *phase = text_at(step, "phase");
    if (is_current || strcmp(phase, "done") == 0 || !*text_at(v->r, "ended"))
        return step_words(phase);
    return *text_at(step, "started") ? "stopped" : "not begun";
}

/* "bake 30s", "bake 30s..2m": at least and at most. */
static void put_bake(struct view *v, const json_t *step)
{
    const char *bake = text_at(step, "bake");
    const char *most = text_at(step, "max_bake");
    bool has_more = *most && *most != '0' && strcmp(most, bake) != 0;
    const char *text =
        cli_printf(v->cli, "bake %s%s%s", bake, has_more ? ".." : "", has_more ? most : "");
    buf_putf(v->out, "  %-11s", *bake == '0' ? "no bake" : text);
    buf_puts(v->out, "  ");
}

static void put_extras(struct view *v, const json_t *step)
{
    int64_t n = int_at(step, "approvals", 0);
    if (json_is_true(json_object_get(step, "promoted")))
        buf_puts(v->out, "  ended by hand");
    if (n > 0)
        buf_putf(v->out, "  %lld approval%s", (long long)n, n == 1 ? "" : "s");
    if (json_is_true(json_object_get(step, "mirrored")))
        buf_puts(v->out, "  mirrored");
}

static void put_step(struct view *v, const json_t *step, size_t number, bool is_current)
{
    const char *phase = text_at(step, "phase");
    const char *verdict = text_at(step, "verdict");
    bool has_failed = strcmp(verdict, "fail") == 0;
    bool is_done = strcmp(phase, "done") == 0;
    bool is_proven = is_done && (!*verdict || strcmp(verdict, "pass") == 0);
    enum tone tone = has_failed  ? TONE_BAD
                     : is_proven ? TONE_GOOD
                     : is_done   ? TONE_WARN
                                 : TONE_STRONG;
    int64_t started = draw_time_at(step, "started");
    int64_t ended = draw_time_at(step, "ended");
    int64_t over = draw_time_at(v->r, "ended");
    int64_t now = over ? over : v->now_ms;
    buf_puts(v->out, "  ");
    draw_put(v, tone, has_failed ? "✗" : is_proven ? "✓" : is_done ? "–" : is_current ? "▶" : "○");
    int64_t n_nodes = int_at(step, "n_nodes", 0);
    buf_putf(v->out, " %2zu  %4lld node%s", number, (long long)n_nodes, n_nodes == 1 ? " " : "s");
    if (*text_at(step, "weight"))
        buf_putf(v->out, "  %s %%", text_at(step, "weight"));
    if (*text_at(step, "wave"))
        buf_putf(v->out, "  %s", draw_clean(v, text_at(step, "wave")));
    put_bake(v, step);
    draw_put(v, is_current ? TONE_STRONG : TONE_FAINT, step_state(v, step, is_current));
    if (started)
        buf_putf(v->out, "  %s", draw_span(v, (ended ? ended : now) - started));
    if (*verdict && is_done)
        buf_putf(v->out, "  %s", verdict);
    put_extras(v, step);
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

/* --- the way back, and what else there is to know --- */

static void put_way_back(struct view *v)
{
    const json_t *back = json_object_get(v->r, "way_back");
    struct buf line CLEANUP(buf_clear) = {0};
    size_t i;
    json_t *name;
    if (!json_is_object(back) || *text_at(v->r, "ended"))
        return;
    int64_t n = int_at(back, "n_nodes", 0);
    int64_t from = int_at(v->r, "from", 0);
    buf_init(&line, LINE_MAX_BYTES);
    buf_putf(&line, "going back now (mreg rollout abort %s): %lld node%s", text_at(v->r, "id"),
             (long long)n, n == 1 ? "" : "s");
    if (from)
        buf_putf(&line, " to version %lld", (long long)from);
    if (*text_at(back, "eta"))
        buf_putf(&line, ", about %s", draw_duration(v, text_at(back, "eta")));
    if (from)
        buf_putf(&line, ", never fewer than %lld serving%s",
                 (long long)int_at(back, "low_point", 0),
                 json_is_false(json_object_get(back, "needs_load")) ? ", no load needed" : "");
    else
        buf_puts(&line, " to nothing");
    json_array_foreach(json_object_get(back, "order"), i, name)
    {
        if (i < SHOWN_ORDER)
            buf_putf(&line, "%s%s", i ? ", " : "; newest first: ", json_string_value(name));
    }
    draw_wrapped(v, TONE_PLAIN, buf_str(&line));
}

static const char *fault_words(const char *fault)
{
    static const struct {
        const char *fault, *words;
    } rows[] = {{"version", "by the fault of the version: it is in quarantine here"},
                {"infrastructure", "by the fault of nodes, not of the version"},
                {"user", "nobody's fault: a person ended it"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].fault, fault) == 0)
            return rows[i].words;
    return fault;
}

/* "word, word" of an array of texts or of objects' members. */
static void put_words(struct buf *line, const char *before, const json_t *list, const char *key)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
        buf_putf(line, "%s%s", i ? ", " : before,
                 json_is_object(item) ? text_at(item, key) : json_string_value(item));
}

static void put_beside(struct buf *line, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
        buf_putf(line, "%s%s (%s %lld, %s)", i ? ", " : "; beside it: ", text_at(item, "id"),
                 text_at(item, "model"), (long long)int_at(item, "to", 0), text_at(item, "phase"));
}

static void put_about(struct view *v)
{
    struct buf line CLEANUP(buf_clear) = {0};
    const char *reason = text_at(v->r, "reason");
    int64_t place = int_at(v->r, "queue_position", 0);
    buf_init(&line, LINE_MAX_BYTES);
    buf_putf(&line, "%s, %s; asked for %.19sZ by %s", text_at(v->r, "kind"),
             text_at(json_object_get(v->r, "strategy"), "strategy"), text_at(v->r, "created"),
             list_actor(v->cli, v->r, "actor"));
    if (*reason)
        buf_putf(&line, ": \"%s\"", reason);
    if (place > 0)
        buf_putf(&line, "; place %lld in the queue", (long long)place);
    put_words(&line, "; approved by ", json_object_get(v->r, "approvals"), "actor");
    put_words(&line, "; passes over ", json_object_get(v->r, "overrides"), "");
    if (json_is_true(json_object_get(v->r, "hotfix")))
        buf_puts(&line, "; hotfix");
    if (*text_at(v->r, "set"))
        buf_putf(&line, "; moves with %s", text_at(v->r, "set"));
    put_beside(&line, json_object_get(v->r, "in_flight"));
    if (*text_at(v->r, "fault"))
        buf_putf(&line, "; %s", fault_words(text_at(v->r, "fault")));
    draw_wrapped(v, TONE_FAINT, buf_str(&line));
}

static void put_changes(struct view *v, const json_t *changes)
{
    size_t n = json_array_size(changes);
    size_t first = n > SHOWN_CHANGES ? n - SHOWN_CHANGES : 0;
    if (first)
        buf_putf(v->out, "  %s%zu earlier: mreg rollout logs %s%s\n",
                 out_on(&v->cli->out, TONE_FAINT), first, text_at(v->r, "id"),
                 out_off(&v->cli->out));
    for (size_t i = first; i < n; i++) {
        const json_t *c = json_array_get(changes, i);
        const char *time = text_at(c, "time");
        const char *reason = text_at(c, "reason");
        buf_putf(v->out, "  %.8s  %-7s %s%s%s\n", strlen(time) > 19 ? time + 11 : time,
                 draw_clean(v, *text_at(c, "actor_name") ? text_at(c, "actor_name")
                                                         : text_at(c, "actor")),
                 draw_clean(v, text_at(c, "message")), *reason ? ": " : "", draw_clean(v, reason));
    }
}

void rollout_view(struct cli *cli, const json_t *rollout, const json_t *changes, int64_t now_ms,
                  struct buf *out)
{
    struct view v = {.cli = cli, .r = rollout, .now_ms = now_ms, .out = out};
    put_head(&v);
    put_clocks(&v);
    put_pauses(&v);
    put_steps(&v);
    draw_traffic(&v);
    draw_gates(&v);
    draw_nodes(&v);
    put_way_back(&v);
    put_about(&v);
    put_changes(&v, changes);
}
