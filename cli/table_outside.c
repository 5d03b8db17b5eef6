/*
 * The command table of what connects the registry with other systems: webhooks and CI. Same form as
 * in table.c.
 */
#include "commands.h"

#define REASON                                            \
    {                                                     \
        "reason", 0, "TEXT", "why; goes into the history" \
    }
#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }
#define FILTER                                                                          \
    {"kind", 'k', "GLOB", "only changes of this kind, as in 'rollout.*' (repeatable)"}, \
        {"env", 'e', "ENV", "only this environment"},                                   \
        {"models", 0, "GLOBS", "only these models, as in team/*,fraud"},                \
        {"repository", 0, "OWNER/NAME", "commit statuses: only this repository"},       \
    {                                                                                   \
        "api-token", 0, "FILE",                                                         \
            "commit statuses: file with the token of the other server "                 \
            "(- is standard input)"                                                     \
    }

static const struct option limit_options[] = {{"limit", 0, "N", "at most N rows (100)"}, END};
static const struct option reason_options[] = {REASON, END};
static const struct option add_options[] = {
    {"format", 0, "NAME", "standard (signed events), or statuses of commits: github gitlab gitea"},
    FILTER,
    REASON,
    END};
static const struct option edit_options[] = {
    {"name", 0, "NAME", "another name"},
    {"url", 0, "URL", "another address"},
    FILTER,
    {"enable", 0, NULL, "send again, from now on"},
    {"disable", 0, NULL, "send nothing; what is pending is dropped"},
    {"since", 0, "SEQ", "send all changes after this one (again)"},
    REASON,
    END};
static const struct option rotate_options[] = {
    {"overlap", 0, "DURATION", "how long the old secret signs, too (24h)"}, REASON, END};
static const struct option ci_options[] = {
    {"stdout", 0, NULL, "print the pipeline instead of writing files"}, END};

const struct command command_table_outside[] = {
    {"webhook list", "", 0, 0, limit_options, "List webhooks.", "mreg webhook list",
     cmd_webhook_list},
    {"webhook add", "NAME URL", 2, 2, add_options,
     "Tell another server about changes; the secret is shown once.",
     "mreg webhook add chat https://bot.example.com/mreg --kind 'rollout.*'", cmd_webhook_add},
    {"webhook show", "ID", 1, 1, NULL, "Show one webhook and how it fares.",
     "mreg webhook show h-12", cmd_webhook_show},
    {"webhook edit", "ID", 1, 1, edit_options, "Change, enable, disable or replay a webhook.",
     "mreg webhook edit h-12 --enable --since 1200", cmd_webhook_edit},
    {"webhook remove", "ID", 1, 1, reason_options, "Remove a webhook.", "mreg webhook remove h-12",
     cmd_webhook_remove},
    {"webhook rotate", "ID", 1, 1, rotate_options, "Make a new secret; it is shown once.",
     "mreg webhook rotate h-12 --overlap 48h", cmd_webhook_rotate},
    {"webhook test", "ID", 1, 1, NULL, "Send a test event and wait for the answer.",
     "mreg webhook test h-12", cmd_webhook_test},
    {"webhook deliveries", "ID", 1, 1, limit_options, "Show the log of deliveries.",
     "mreg webhook deliveries h-12", cmd_webhook_deliveries},
    {"webhook redeliver", "ID NUMBER", 2, 2, NULL, "Send a delivery once more.",
     "mreg webhook redeliver h-12 37", cmd_webhook_redeliver},
    {"ci init", "[SYSTEM]", 0, 1, ci_options,
     "Write the pipeline for github, gitlab, jenkins, circleci or travis.", "mreg ci init github",
     cmd_ci_init},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};
