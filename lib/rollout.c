/*
 * Phases of rollouts, steps and nodes as tables, with their allowed moves, and the commands. Knows
 * nothing of why a move is made. Pure; any thread.
 */
#include "rollout_names.h"

#include <stdio.h>
#include <string.h>

const char *const rollout_phase_names[ROLLOUT_PHASE_COUNT] = {
    "submitted", "queued",       "running",     "paused",         "finalizing",
    "succeeded", "rolling-back", "rolled-back", "rollback-stuck", "halted",
    "rejected",  "cancelled",    "superseded"};
const char *const step_phase_names[STEP_PHASE_COUNT] = {"pending", "apply", "settle",
                                                        "bake",    "gate",  "done"};
const char *const node_state_names[NODE_STATE_COUNT] = {
    "old",       "waiting", "placing",     "switching",    "loading",
    "observing", "golden",  "draining",    "routing",      "left-out",
    "serving",   "failed",  "unreachable", "rolling-back", "reloading"};
const char *const pause_reason_names[PAUSE_REASON_COUNT] = {
    "user",          "gate",   "inconclusive", "no-data",        "unreachable", "deadline",
    "metrics-error", "freeze", "stop",         "failure-budget", "dependency",  "approval"};
const char *const rollout_control_names[CONTROL_COUNT] = {"none", "reloading", "warm", "lost",
                                                          "over"};
const char *const rollout_fault_names[ROLLOUT_FAULT_COUNT] = {"none", "version", "infrastructure",
                                                              "user"};
static const char *const verb_names[] = {"pause",  "resume",    "promote", "promote-full",
                                         "abort",  "approve",   "reject",  "halt",
                                         "extend", "supersede", NULL};

#define BIT(x) (1U << (x))

/* Row: from; bits: to. A terminal phase has an empty row. */
static const unsigned phase_moves[ROLLOUT_PHASE_COUNT] = {
    [ROLLOUT_SUBMITTED] = BIT(ROLLOUT_QUEUED) | BIT(ROLLOUT_RUNNING) | BIT(ROLLOUT_REJECTED) |
                          BIT(ROLLOUT_CANCELLED) | BIT(ROLLOUT_SUPERSEDED),
    [ROLLOUT_QUEUED] = BIT(ROLLOUT_RUNNING) | BIT(ROLLOUT_REJECTED) | BIT(ROLLOUT_CANCELLED) |
                       BIT(ROLLOUT_SUPERSEDED),
    [ROLLOUT_RUNNING] = BIT(ROLLOUT_PAUSED) | BIT(ROLLOUT_FINALIZING) | BIT(ROLLOUT_ROLLING_BACK) |
                        BIT(ROLLOUT_HALTED) | BIT(ROLLOUT_SUPERSEDED),
    [ROLLOUT_PAUSED] = BIT(ROLLOUT_RUNNING) | BIT(ROLLOUT_ROLLING_BACK) | BIT(ROLLOUT_HALTED) |
                       BIT(ROLLOUT_SUPERSEDED),
    [ROLLOUT_FINALIZING] = BIT(ROLLOUT_SUCCEEDED) | BIT(ROLLOUT_ROLLING_BACK) | BIT(ROLLOUT_HALTED),
    [ROLLOUT_ROLLING_BACK] =
        BIT(ROLLOUT_ROLLED_BACK) | BIT(ROLLOUT_ROLLBACK_STUCK) | BIT(ROLLOUT_HALTED),
    [ROLLOUT_ROLLBACK_STUCK] = BIT(ROLLOUT_ROLLED_BACK) | BIT(ROLLOUT_HALTED),
};
static const unsigned step_moves[STEP_PHASE_COUNT] = {
    [STEP_PENDING] = BIT(STEP_APPLY),
    [STEP_APPLY] = BIT(STEP_SETTLE),
    [STEP_SETTLE] = BIT(STEP_APPLY) | BIT(STEP_BAKE),
    [STEP_BAKE] = BIT(STEP_APPLY) | BIT(STEP_GATE),
    [STEP_GATE] = BIT(STEP_APPLY) | BIT(STEP_BAKE) | BIT(STEP_DONE), /* extended: bake again */
    [STEP_DONE] = BIT(STEP_APPLY), /* a node fell out while the last step waited for its set */
};
/* A node whose new version stops being ready is loaded again, hence the ways back. */
#define NODE_MOVING                                                                      \
    (BIT(NODE_PLACING) | BIT(NODE_SWITCHING) | BIT(NODE_LOADING) | BIT(NODE_OBSERVING) | \
     BIT(NODE_GOLDEN) | BIT(NODE_DRAINING) | BIT(NODE_ROUTING))
#define NODE_ENDS                                                                            \
    (BIT(NODE_SERVING) | BIT(NODE_FAILED) | BIT(NODE_ROLLING_BACK) | BIT(NODE_UNREACHABLE) | \
     BIT(NODE_LEFT_OUT))
static const unsigned node_moves[NODE_STATE_COUNT] = {
    [NODE_OLD] = BIT(NODE_WAITING) | NODE_MOVING | BIT(NODE_ROLLING_BACK) | BIT(NODE_UNREACHABLE) |
                 BIT(NODE_LEFT_OUT) | BIT(NODE_RELOADING),
    [NODE_WAITING] = BIT(NODE_OLD) | NODE_MOVING | NODE_ENDS,
    [NODE_PLACING] = BIT(NODE_OLD) | BIT(NODE_WAITING) | NODE_MOVING | NODE_ENDS,
    [NODE_SWITCHING] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING),
    [NODE_LOADING] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING),
    [NODE_OBSERVING] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING),
    [NODE_GOLDEN] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING),
    [NODE_DRAINING] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING) | BIT(NODE_OLD),
    [NODE_ROUTING] = NODE_MOVING | NODE_ENDS | BIT(NODE_WAITING),
    [NODE_LEFT_OUT] = ~0U,
    [NODE_SERVING] = NODE_MOVING | BIT(NODE_WAITING) | NODE_ENDS,
    /* Somebody resumed: the node gets another chance. */
    [NODE_FAILED] = NODE_MOVING | BIT(NODE_WAITING) | BIT(NODE_OLD) | BIT(NODE_ROLLING_BACK) |
                    BIT(NODE_UNREACHABLE),
    [NODE_UNREACHABLE] = ~0U,
    /* A control that was given up is repaired, and may get the new version instead. */
    [NODE_ROLLING_BACK] = BIT(NODE_OLD) | BIT(NODE_FAILED) | BIT(NODE_WAITING) |
                          BIT(NODE_UNREACHABLE) | BIT(NODE_PLACING) | BIT(NODE_LEFT_OUT),
    [NODE_RELOADING] = BIT(NODE_OLD) | BIT(NODE_ROLLING_BACK) | BIT(NODE_PLACING) |
                       BIT(NODE_UNREACHABLE) | BIT(NODE_LEFT_OUT),
};

const char *rollout_phase_name(enum rollout_phase p)
{
    return rollout_phase_names[p];
}

const char *step_phase_name(enum step_phase p)
{
    return step_phase_names[p];
}

const char *node_state_name(enum node_state s)
{
    return node_state_names[s];
}

const char *pause_reason_name(enum pause_reason r)
{
    return pause_reason_names[r];
}

const char *rollout_control_name(enum rollout_control c)
{
    return rollout_control_names[c];
}

const char *rollout_fault_name(enum rollout_fault f)
{
    return rollout_fault_names[f];
}

bool pause_is_lifted(enum pause_reason r)
{
    return r < PAUSE_FREEZE;
}

bool pause_reason_by_name(const char *name, enum pause_reason *out)
{
    for (int i = 0; i < PAUSE_REASON_COUNT; i++) {
        if (strcmp(pause_reason_names[i], name) == 0) {
            *out = (enum pause_reason)i;
            return true;
        }
    }
    return false;
}

const char *command_verb_name(enum command_verb v)
{
    return verb_names[v];
}

const char *const *command_verb_names(void)
{
    return verb_names;
}

bool rollout_phase_by_name(const char *name, enum rollout_phase *out)
{
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        if (strcmp(rollout_phase_names[i], name) == 0) {
            *out = (enum rollout_phase)i;
            return true;
        }
    }
    return false;
}

bool command_verb_by_name(const char *name, enum command_verb *out)
{
    for (int i = 0; i < COMMAND_VERB_COUNT; i++) {
        if (strcmp(verb_names[i], name) == 0) {
            *out = (enum command_verb)i;
            return true;
        }
    }
    return false;
}

/* Where a rollout is, as far as commands care. */
enum { BEFORE = 1, FORWARD = 2, ENDING = 4, BACK = 8 };
static const unsigned places[ROLLOUT_PHASE_COUNT] = {
    [ROLLOUT_SUBMITTED] = BEFORE,   [ROLLOUT_QUEUED] = BEFORE,     [ROLLOUT_RUNNING] = FORWARD,
    [ROLLOUT_PAUSED] = FORWARD,     [ROLLOUT_FINALIZING] = ENDING, [ROLLOUT_ROLLING_BACK] = BACK,
    [ROLLOUT_ROLLBACK_STUCK] = BACK};
static const unsigned command_places[COMMAND_VERB_COUNT] = {
    [COMMAND_PAUSE] = BEFORE | FORWARD,
    [COMMAND_RESUME] = BEFORE | FORWARD,
    [COMMAND_PROMOTE] = FORWARD,
    [COMMAND_PROMOTE_FULL] = FORWARD,
    [COMMAND_ABORT] = BEFORE | FORWARD | ENDING,
    [COMMAND_APPROVE] = BEFORE | FORWARD,
    [COMMAND_REJECT] = BEFORE | FORWARD,
    [COMMAND_HALT] = BEFORE | FORWARD | ENDING | BACK,
    [COMMAND_EXTEND] = FORWARD,
    [COMMAND_SUPERSEDE] = BEFORE | FORWARD,
};

bool command_counts(enum command_verb verb, enum rollout_phase phase)
{
    return (command_places[verb] & places[phase]) != 0;
}

bool rollout_phase_is_terminal(enum rollout_phase p)
{
    return phase_moves[p] == 0;
}

bool rollout_phase_may(enum rollout_phase from, enum rollout_phase to)
{
    return from == to || (phase_moves[from] & BIT(to)) != 0;
}

bool step_phase_may(enum step_phase from, enum step_phase to)
{
    return from == to || (step_moves[from] & BIT(to)) != 0;
}

bool node_state_may(enum node_state from, enum node_state to)
{
    return from == to || (node_moves[from] & BIT(to)) != 0;
}

void rollout_status_init(struct rollout_status *s, int64_t now_ms)
{
    *s = (struct rollout_status){.phase = ROLLOUT_SUBMITTED, .updated_ms = now_ms};
}

bool rollout_status_is_older(const struct rollout_status *s, int64_t than_ms)
{
    return s->revision == 0 || s->updated_ms < than_ms;
}

/* True if it is paused only by what ends with its cause. */
static bool is_held_from_outside(const struct rollout_status *s)
{
    for (int i = 0; i < s->n_pauses; i++) {
        enum pause_reason r = s->pauses[i].reason;
        if (r != PAUSE_FREEZE && r != PAUSE_STOP && r != PAUSE_APPROVAL)
            return false;
    }
    return s->n_pauses > 0;
}

bool rollout_promotes_nothing(const struct rollout_status *s)
{
    bool is_last = s->step > 0 && s->step == s->n_steps && s->n_nodes > 0;
    for (int i = 0; is_last && i < s->n_nodes; i++)
        is_last = !s->nodes[i].is_done;
    return is_last;
}

/* What would change nothing is refused: to accept it would tell an untruth. */
static int check_use(const struct rollout_status *s, enum command_verb verb, struct err *e)
{
    bool is_promotion = verb == COMMAND_PROMOTE || verb == COMMAND_PROMOTE_FULL;
    if (is_promotion && rollout_promotes_nothing(s))
        return err_set(e, ERR_CONFLICT,
                       "no node serves the new version yet, and step %d is the last one: to end it "
                       "now would take the rollout back",
                       s->step);
    if (verb == COMMAND_RESUME && s->phase == ROLLOUT_RUNNING && s->n_pauses == 0)
        return err_set(e, ERR_CONFLICT, "the rollout is not paused");
    if (verb == COMMAND_RESUME && is_held_from_outside(s))
        return err_set(e, ERR_CONFLICT, "a resume does not end this: %s; %s", s->waiting,
                       s->unblock);
    return ERR_OK;
}

int rollout_command_check(const struct rollout_status *s, enum command_verb verb,
                          int64_t expected_step, struct err *e)
{
    bool is_backwards = s->phase == ROLLOUT_ROLLING_BACK || s->phase == ROLLOUT_ROLLBACK_STUCK;
    if (rollout_phase_is_terminal(s->phase))
        return err_set(e, ERR_CONFLICT, "the rollout has ended: %s%s%s",
                       rollout_phase_name(s->phase), s->outcome[0] != '\0' ? "; " : "", s->outcome);
    if (is_backwards && verb != COMMAND_ABORT && verb != COMMAND_HALT)
        return err_set(e, ERR_CONFLICT, "the rollout is being rolled back: %s", s->cause);
    if (expected_step != 0 && expected_step != s->step)
        return err_set(e, ERR_CONFLICT, "the rollout stands at step %d, not %lld", s->step,
                       (long long)expected_step);
    if (s->is_halting)
        return err_set(e, ERR_CONFLICT, "the rollout is being %s: %s",
                       s->is_replaced ? "replaced" : "halted", s->cause);
    if (!is_backwards && !command_counts(verb, s->phase))
        return err_set(e, ERR_CONFLICT, "a %s does nothing while the rollout is %s",
                       command_verb_name(verb), rollout_phase_name(s->phase));
    return check_use(s, verb, e);
}
