/*
 * The command table of what decides when a rollout may go: queues, freezes, quarantine, approvals.
 * Same form as in table.c.
 */
#include "commands.h"

#define REASON                                            \
    {                                                     \
        "reason", 0, "TEXT", "why; goes into the history" \
    }
#define STEP                                                       \
    {                                                              \
        "step", 0, "N", "refuse if the rollout is at another step" \
    }
#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }

static const struct option limit_options[] = {{"limit", 0, "N", "at most N rows (100)"},
                                              {"watch", 'w', NULL, "show it again when it changes"},
                                              END};
static const struct option reason_options[] = {REASON, END};
static const struct option move_options[] = {
    {"place", 0, "N", "its new place, 1 is next (1)"}, REASON, END};
static const struct option freeze_options[] = {
    {"from", 0, "TIME", "begin, as in 2026-12-20T18:00:00Z (now)"},
    {"until", 0, "TIME", "end (until it is removed)"},
    {"weekly", 0, "WINDOW", "every week in UTC, as in \"Fri 16:00-Mon 08:00\""},
    REASON,
    END};
static const struct option simulate_options[] = {
    {"env", 'e', "ENV", "the environment, instead of the second argument"},
    {"strategy", 's', "NAME", "another strategy than the policy's"},
    {"steps", 0, "LIST", "canary steps: nodes or percent with bake time, 1:30s,50%:1m,100%"},
    {"policy", 0, "FILE", "JSON file with policy members (- is standard input)"},
    {"plan-out", 0, "FILE", "also write the plan here, for review and promote --plan"},
    END};
static const struct option vote_options[] = {STEP, REASON, END};
static const struct option halt_options[] = {STEP, REASON, END};
static const struct option extend_options[] = {
    {"for", 0, "DURATION", "how much longer it bakes"}, STEP, REASON, END};

const struct command command_table_targets[] = {
    {"queue list", "[ENV [MODEL]]", 0, 2, limit_options, "List rollouts that wait for others.",
     "mreg queue list production fraud", cmd_queue_list},
    {"queue move", "ID", 1, 1, move_options, "Give a waiting rollout another place.",
     "mreg queue move r-57 --place 1 --reason \"customer waits\"", cmd_queue_move},
    {"queue remove", "ID", 1, 1, reason_options, "Take a waiting rollout out of its queue.",
     "mreg queue remove r-57 --reason \"not needed any more\"", cmd_queue_remove},
    {"queue start", "ENV MODEL", 2, 2, reason_options,
     "Start the next one when the queue stands after a halt.", "mreg queue start production fraud",
     cmd_queue_start},
    {"freeze list", "[ENV]", 0, 1, limit_options, "List freezes and stops of the line.",
     "mreg freeze list production", cmd_freeze_list},
    {"freeze add", "[ENV [MODEL]]", 0, 2, freeze_options,
     "Let nothing new begin for a time; rollbacks go on.",
     "mreg freeze add production --weekly \"Fri 16:00-Mon 08:00\" --reason weekend",
     cmd_freeze_add},
    {"freeze remove", "ID", 1, 1, reason_options, "Remove a freeze.",
     "mreg freeze remove f-12 --reason \"sale is over\"", cmd_freeze_remove},
    {"stop-line on", "[ENV]", 0, 1, reason_options,
     "Stop everything new at once, in one or all environments; rollbacks go on.",
     "mreg stop-line on --reason \"incident 12\"", cmd_stop_line},
    {"stop-line off", "[ENV]", 0, 1, reason_options, "Let the line go on.",
     "mreg stop-line off --reason \"incident 12 is over\"", cmd_stop_line},
    {"quarantine list", "ENV", 1, 1, limit_options, "List versions that failed by their own fault.",
     "mreg quarantine list production", cmd_quarantine_list},
    {"quarantine lift", "ENV MODEL@VERSION", 2, 2, reason_options,
     "Allow a quarantined version again.",
     "mreg quarantine lift production fraud@7 --reason \"the probe was wrong\"",
     cmd_quarantine_lift},
    {"approval list", "[ENV]", 0, 1, limit_options, "List rollouts that wait for an approval.",
     "mreg approval list production", cmd_approval_list},
    {"approval approve", "ID", 1, 1, vote_options, "Agree to somebody else's rollout.",
     "mreg approval approve r-57", cmd_approval_give},
    {"approval reject", "ID", 1, 1, vote_options, "Refuse somebody else's rollout: it ends.",
     "mreg approval reject r-57 --reason \"not reviewed\"", cmd_approval_give},
    {"rollout override", "ID WHAT", 2, 2, reason_options,
     "Let a rollout pass over freeze, stop, budget or dependency (commas between).",
     "mreg rollout override r-57 freeze --reason \"fixes incident 12\"", cmd_rollout_override},
    {"rollout simulate", "MODEL[@REF] [ENV]", 1, 2, simulate_options,
     "Show how a rollout would go: steps, operations, times, the way back.",
     "mreg rollout simulate fraud@candidate production", cmd_rollout_simulate},
    {"rollout halt", "ID", 1, 1, halt_options,
     "End a rollout and leave everything as it stands (a mixed fleet).",
     "mreg rollout halt r-57 --reason \"look at it as it is\"", cmd_rollout_command},
    {"rollout extend", "ID", 1, 1, extend_options, "Let this step bake longer.",
     "mreg rollout extend r-57 --for 10m", cmd_rollout_command},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};
