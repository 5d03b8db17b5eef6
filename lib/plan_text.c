/*
 * Why nothing happens, in words: what a rollout waits for, since and until when, and what or who
 * would help. Pure; any thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"
#include "when.h"

static int count_done(const struct planner *p)
{
    int n = 0;
    for (int i = 0; i < p->s->n_nodes; i++)
        n += p->s->nodes[i].is_done;
    return n;
}

/* " since 2026-11-21T03:23:29Z", "" for 0. */
static const char *at_time(struct planner *p, const char *word, int64_t ms)
{
    char text[WHEN_TEXT_BYTES];
    if (ms == 0)
        return "";
    return arena_printf(p->a, " %s %s", word, when_format(ms - ms % 1000, text));
}

static void say(char *out, const char *text)
{
    snprintf(out, ROLLOUT_TEXT_BYTES, "%s", text);
}

/* As commands want it. */
static const char *env_name(const struct planner *p)
{
    return p->v->rollout->environment != NULL ? p->v->rollout->environment : "ENV";
}

/* --- nodes --- */

/* The first node that is at work, with what it does. */
static const struct rollout_node *busy_node(const struct planner *p)
{
    const struct rollout_node *first = NULL;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->move.phase == MOVE_NONE)
            continue;
        if (first == NULL || (move_disturbs(&n->move) && !move_disturbs(&first->move)))
            first = n;
    }
    return first;
}

static const char *node_text(struct planner *p)
{
    const struct rollout_node *n = busy_node(p);
    if (n == NULL)
        return "";
    const char *phase = move_phase_name(n->move.phase);
    if (n->move.text[0] != '\0')
        return arena_printf(p->a, "; node %.60s: %s (%.100s)", n->name, phase, n->move.text);
    return arena_printf(p->a, "; node %.60s: %s", n->name, phase);
}

static int find_node(const struct planner *p, bool (*is_it)(const struct view_node *))
{
    bool is_way_back = planner_is_way_back(p) && count_done(p) == 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool is_open = (!p->s->nodes[i].is_left_out || is_way_back) && !p->s->nodes[i].is_back;
        if (is_open && is_it(p->seen[i]))
            return i;
    }
    return -1;
}

static bool is_gone(const struct view_node *vn)
{
    return !vn->is_reachable;
}

static bool is_cordoned(const struct view_node *vn)
{
    return vn->is_cordoned;
}

/* What failed on a way back, which goes on trying; "" for others. */
static const char *failures_text(struct planner *p)
{
    int n = p->s->n_rollback_failures;
    if (n == 0 || !(planner_is_rolling_back(p) || planner_is_way_back(p)))
        return "";
    return arena_printf(p->a, " (%d attempt%s failed, it keeps trying)", n, n == 1 ? "" : "s");
}

/* True if a node is why it stands, with what would help. */
static bool explain_missing_node(struct planner *p)
{
    int gone = find_node(p, is_gone);
    int cordoned = planner_is_way_back(p) ? -1 : find_node(p, is_cordoned);
    if (gone >= 0 && p->seen[gone]->owner_epoch != 0)
        say(p->s->unblock, arena_printf(p->a,
                                        "node %.100s is owned by another registry, epoch %" PRId64
                                        ": stop that one and restart this one, or mreg node remove "
                                        "%.150s %.100s",
                                        p->s->nodes[gone].name, p->seen[gone]->owner_epoch,
                                        env_name(p), p->s->nodes[gone].name));
    else if (gone >= 0)
        say(p->s->unblock,
            arena_printf(p->a,
                         "node %.100s cannot be reached%s: bring it back, or mreg node remove "
                         "%.150s %.100s",
                         p->s->nodes[gone].name,
                         at_time(p, "since", p->seen[gone]->reachable_since_ms), env_name(p),
                         p->s->nodes[gone].name));
    else if (cordoned >= 0 && !planner_is_rolling_back(p))
        say(p->s->unblock,
            arena_printf(p->a, "node %.100s is cordoned: mreg node uncordon %.150s %.100s",
                         p->s->nodes[cordoned].name, env_name(p), p->s->nodes[cordoned].name));
    return gone >= 0 || (cordoned >= 0 && !planner_is_rolling_back(p));
}

/* --- running --- */

/* What the step still waits for: a node at work, or the router. */
static const char *work_text(struct planner *p)
{
    const char *node = node_text(p);
    char baseline[ROLLOUT_BASELINE_BYTES];
    if (p->s->control == CONTROL_RELOADING && p->s->control_until_ms != 0)
        return arena_printf(p->a, "; waits for its %.100s%.120s", rollout_baseline(p->s, baseline),
                            node);
    if (node[0] == '\0' && !planner_traffic_fits(p))
        return "; the router has yet to do what is wanted";
    return node;
}

static void explain_apply(struct planner *p)
{
    struct rollout_status *s = p->s;
    const struct rollout_step *step = &s->steps[s->step - 1];
    const char *wave = "";
    if (step->wave != NULL)
        wave = arena_printf(p->a, " (wave %.40s)", step->wave[0] ? step->wave : "without label");
    say(s->waiting,
        arena_printf(p->a, "step %d/%d%s: version %" PRId64 " on %d of %d nodes%s%s%s", s->step,
                     s->n_steps, wave, p->v->rollout->to, count_done(p), step->n_nodes,
                     at_time(p, "since", step->started_ms), failures_text(p), work_text(p)));
    if (!explain_missing_node(p) && p->is_held_by_limit)
        say(s->unblock,
            arena_printf(p->a, "%d of at most %d nodes of the environment are unavailable",
                         p->n_unavailable,
                         policy_max_unavailable(p->v->policy, p->v->n_nodes, false)));
}

static int64_t most_missing(const struct planner *p)
{
    int64_t most = 0;
    for (int i = 0; i < p->s->n_gates; i++) {
        if (p->s->gates[i].n_missing > most && !p->s->gates[i].is_report_only)
            most = p->s->gates[i].n_missing;
    }
    return most;
}

/* The first gate that decides and is not passed. */
static const char *open_gate(struct planner *p)
{
    for (int i = 0; i < p->s->n_gates; i++) {
        const struct gate_result *g = &p->s->gates[i];
        if (!g->is_report_only && g->verdict != VERDICT_PASS && g->name != NULL)
            return arena_printf(p->a, ", gate %.40s: %s", g->name, verdict_name(g->verdict));
    }
    return "";
}

/* What ending the step now would do without. */
static const char *passed_text(struct planner *p)
{
    int n = 0;
    for (int i = 0; i < p->s->n_gates; i++)
        n += !p->s->gates[i].is_report_only && p->s->gates[i].verdict != VERDICT_PASS;
    if (n == 0)
        return "";
    return arena_printf(p->a, " and passes %d gate%s without evidence", n, n == 1 ? "" : "s");
}

static const char *time_left(struct planner *p, int64_t left_ms)
{
    char text[WHEN_TEXT_BYTES];
    return arena_printf(p->a, "%s left", when_format_duration((left_ms + 999) / 1000 * 1000, text));
}

static void explain_bake(struct planner *p)
{
    struct rollout_status *s = p->s;
    const struct rollout_step *step = &s->steps[s->step - 1];
    int64_t since = s->exposed_ms > s->bake_since_ms ? s->exposed_ms : s->bake_since_ms;
    int64_t left = since + step->bake_ms - p->v->now_ms;
    int64_t missing = most_missing(p);
    const char *time = left > 0
                           ? time_left(p, left)
                           : arena_printf(p->a, "time is over%s",
                                          at_time(p, "and waits at most until", s->bake_until_ms));
    const char *evidence =
        missing > 0 ? arena_printf(p->a, ", needs %" PRId64 " more requests", missing) : "";
    char baseline[ROLLOUT_BASELINE_BYTES];
    const char *base = rollout_baseline(s, baseline);
    say(s->waiting,
        arena_printf(p->a, "step %d/%d: baking %d of %d nodes; %s%s%s%s%s", s->step, s->n_steps,
                     count_done(p), s->n_nodes, time, evidence, left > 0 ? "" : open_gate(p),
                     base[0] != '\0' ? "; compared with " : "", base));
    say(s->unblock, arena_printf(p->a, "mreg rollout promote %s ends this step now%s",
                                 p->v->rollout->id, passed_text(p)));
}

static void explain_running(struct planner *p)
{
    struct rollout_status *s = p->s;
    const char *set = p->v->limits.set_text;
    switch (s->steps[s->step - 1].phase) {
    case STEP_PENDING:
    case STEP_APPLY:
        explain_apply(p);
        break;
    case STEP_SETTLE:
        say(s->waiting,
            arena_printf(p->a, "step %d/%d: %d node%s to stay ready a while", s->step, s->n_steps,
                         count_done(p), count_done(p) == 1 ? " has" : "s have"));
        explain_missing_node(p);
        break;
    case STEP_BAKE:
    case STEP_GATE:
        explain_bake(p);
        break;
    case STEP_DONE:
        if (!planner_waits_for_set(p))
            break;
        say(s->waiting,
            arena_printf(p->a, "step %d/%d is done%s: waits for its set%s%.200s", s->step,
                         s->n_steps, at_time(p, "since", s->steps[s->step - 1].ended_ms),
                         set != NULL ? ": " : "", set != NULL ? set : ""));
        say(s->unblock, "the others of the set finish the step, or one of them is aborted");
        break;
    default:
        break;
    }
    if (s->waiting[0] == '\0')
        say(s->waiting, arena_printf(p->a, "step %d/%d goes on", s->step, s->n_steps));
}

/* --- held --- */

/* Who or what ends it; %s is the rollout. */
static const char *const unblocks[PAUSE_REASON_COUNT + 1] = {
    [PAUSE_USER] = "mreg rollout resume %s",
    [PAUSE_GATE] = "mreg rollout resume %s, promote to go on without, or abort to roll back",
    [PAUSE_INCONCLUSIVE] =
        "mreg rollout resume %s, promote to go on without, extend to bake longer, or abort",
    [PAUSE_NO_DATA] = "mreg rollout resume %s once there are metrics, promote to go on without, or "
                      "abort to roll back",
    [PAUSE_METRICS_ERROR] = "mreg rollout resume %s once metrics can be read, promote to go on "
                            "without, or abort to roll back",
    [PAUSE_UNREACHABLE] =
        "bring the nodes back and mreg rollout resume %s, promote to go on without, or abort",
    [PAUSE_DEADLINE] = "mreg rollout resume %s for another try, or abort to roll back",
    [PAUSE_FREEZE] = "it goes on when the freeze ends; abort %s rolls back",
    [PAUSE_STOP] = "it goes on when the stop is lifted; abort %s rolls back",
    [PAUSE_FAILURE_BUDGET] = "failures leave the window by themselves; an approver passes over "
                             "them: mreg rollout override %s budget --reason WHY",
    [PAUSE_DEPENDENCY] = "it goes on when the other one is live; an approver passes over it: mreg "
                         "rollout override %s dependency --reason WHY",
    [PAUSE_APPROVAL] = "an approver other than the asker: mreg rollout approve %s",
    [PAUSE_REASON_COUNT] = "it begins by itself after the others; mreg rollout abort %s takes it "
                           "out",
};

/* The unblock text of a reason: its %s is the only conversion in the table. */
static const char *unblock_of(struct planner *p, enum pause_reason reason)
{
    bool is_lonely = reason == PAUSE_UNREACHABLE && rollout_promotes_nothing(p->s);
    const char *text =
        is_lonely ? "bring the nodes back and mreg rollout resume %s, or abort" : unblocks[reason];
    const char *gap = strstr(text, "%s");
    return arena_printf(p->a, "%.*s%s%s", (int)(gap - text), text, p->v->rollout->id, gap + 2);
}

void planner_explain_queue(struct planner *p, const struct rollout_pause *why)
{
    bool is_turn = why->reason == PAUSE_REASON_COUNT;
    say(p->s->waiting,
        arena_printf(p->a, "queued%s (%s): %.200s%s", at_time(p, "since", p->s->queued_ms),
                     is_turn ? "turn" : pause_reason_name(why->reason), why->text,
                     at_time(p, "until", why->until_ms)));
    say(p->s->unblock, unblock_of(p, why->reason));
}

/* The pause that outranks the others: the user's, then what holds from outside, then judgements. */
static const struct rollout_pause *first_pause(const struct rollout_status *s)
{
    const struct rollout_pause *first = &s->pauses[0];
    for (int i = 0; i < s->n_pauses; i++) {
        const struct rollout_pause *one = &s->pauses[i];
        bool is_outside = !pause_is_lifted(one->reason) && first->reason != PAUSE_USER;
        if (one->reason == PAUSE_USER || (is_outside && pause_is_lifted(first->reason)))
            first = one;
    }
    return first;
}

static void explain_pause(struct planner *p)
{
    const struct rollout_pause *pause = first_pause(p->s);
    const char *more =
        p->s->n_pauses > 1 ? arena_printf(p->a, " (and %d more)", p->s->n_pauses - 1) : "";
    say(p->s->waiting,
        arena_printf(p->a, "paused%s (%s): %.200s%s%s", at_time(p, "since", pause->since_ms),
                     pause_reason_name(pause->reason), pause->text,
                     at_time(p, "until", pause->until_ms), more));
    say(p->s->unblock,
        arena_printf(p->a, "%s%s", unblock_of(p, pause->reason),
                     pause_is_lifted(pause->reason) ? " (the role deployer may)" : ""));
    if (pause->reason == PAUSE_UNREACHABLE)
        explain_missing_node(p);
}

/* --- ending --- */

static void explain_back(struct planner *p)
{
    struct rollout_status *s = p->s;
    int n_left = 0;
    for (int i = 0; i < s->n_nodes; i++)
        n_left += planner_is_mending(p, i) ||
                  ((s->nodes[i].step > 0 || s->nodes[i].base != 0) && !s->nodes[i].is_back);
    say(s->waiting, arena_printf(p->a, "rolling back: %d node%s to go%s%s", n_left,
                                 n_left == 1 ? "" : "s", failures_text(p), node_text(p)));
    if (!explain_missing_node(p) && s->phase == ROLLOUT_ROLLBACK_STUCK)
        say(s->unblock, arena_printf(p->a,
                                     "somebody repairs the node, or mreg rollout halt %s leaves "
                                     "everything as it is",
                                     p->v->rollout->id));
}

static void explain_finalizing(struct planner *p)
{
    bool mends = false;
    for (int i = 0; i < p->s->n_nodes; i++)
        mends = mends || planner_is_mending(p, i);
    say(p->s->waiting,
        mends ? arena_printf(p->a, "the repair of a node beside it ends first%s", node_text(p))
              : "removing what is needed no more");
}

/* What goes on by itself says so, and until when. */
static void explain_rest(struct planner *p)
{
    struct rollout_status *s = p->s;
    const char *id = p->v->rollout->id;
    if (s->unblock[0] != '\0')
        return;
    if (s->is_halting || s->phase == ROLLOUT_FINALIZING)
        say(s->unblock, "it goes on by itself");
    else if (planner_is_rolling_back(p) || planner_is_way_back(p))
        say(s->unblock, arena_printf(p->a,
                                     "it goes on by itself; mreg rollout halt %s leaves everything "
                                     "as it is",
                                     id));
    else
        say(s->unblock,
            arena_printf(p->a, "it goes on by itself%s%s; mreg rollout abort %s rolls back",
                         s->step_deadline_ms != 0 ? "," : "",
                         at_time(p, "else the step fails at", s->step_deadline_ms), id));
}

void planner_explain(struct planner *p)
{
    struct rollout_status *s = p->s;
    if (s->phase == ROLLOUT_QUEUED)
        return; /* said when it was found */
    s->waiting[0] = '\0';
    s->unblock[0] = '\0';
    if (s->is_halting)
        say(s->waiting, arena_printf(p->a, "%s: operations that were begun end; %.200s",
                                     s->is_replaced ? "giving way" : "halting", s->cause));
    else if (s->phase == ROLLOUT_PAUSED && s->n_pauses > 0)
        explain_pause(p);
    else if (s->phase == ROLLOUT_RUNNING && s->step > 0)
        explain_running(p);
    else if (planner_is_rolling_back(p))
        explain_back(p);
    else if (s->phase == ROLLOUT_FINALIZING)
        explain_finalizing(p);
    else if (s->phase == ROLLOUT_SUBMITTED)
        say(s->waiting, "begins");
    explain_rest(p);
}
