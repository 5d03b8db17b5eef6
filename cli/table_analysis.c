/*
 * The command table of judging: what a rollout's gates saw. Same form as in table.c.
 */
#include "commands.h"

#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }

static const struct option replay_options[] = {
    {"set", 0, "GATE.SETTING=VALUE", "judge with another setting of a gate (repeatable)"}, END};
static const struct option post_options[] = {{"env", 'e', "ENV", "only this environment"},
                                             {"node", 0, "NODE", "what this node alone measured"},
                                             END};

const struct command command_table_analysis[] = {
    {"analysis show", "ROLLOUT", 1, 1, NULL, "Show what the gates of a rollout saw.",
     "mreg analysis show r-55", cmd_analysis_show},
    {"analysis replay", "ROLLOUT", 1, 1, replay_options,
     "Judge a rollout again, with other settings if wanted; changes nothing.",
     "mreg analysis replay r-55 --set error-ratio.ratio=1.3", cmd_analysis_replay},
    {"analysis post", "MODEL[@REF] METRIC VALUE", 3, 3, post_options,
     "Post a metric of a version for gates of kind metric.",
     "mreg analysis post fraud@7 chargebacks 0.012 --env production", cmd_analysis_post},
    {.name = NULL},
};
