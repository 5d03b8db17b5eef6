/*
 * The command table of what surrounds the registry's objects: people, contexts, help. Same form as
 * in table.c.
 */
#include "commands.h"

#define REASON                                            \
    {                                                     \
        "reason", 0, "TEXT", "why; goes into the history" \
    }
#define MODELS                                                        \
    {                                                                 \
        "models", 0, "GLOBS", "models it may see, as in team/*,fraud" \
    }
#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }

static const struct option limit_options[] = {{"limit", 0, "N", "at most N rows (100)"}, END};
static const struct option diff_options[] = {
    {"only", 0, "LIST", "some of about, metrics, params, tags, lineage, files"},
    {"exit-code", 0, NULL, "exit 1 if they differ"},
    END};
static const struct option blame_options[] = {
    {"env", 'e', "ENV", "only this environment"},
    {"at", 0, "TIME", "as it was then (2026-05-03 or 2026-05-03T10:00:00Z)"},
    END};
static const struct option model_options[] = {
    {"description", 'd', "TEXT", "a description"},
    {"tag", 't', "NAME=VALUE", "a tag; NAME= removes it (repeatable)"},
    REASON,
    END};
static const struct option reason_options[] = {REASON, END};
static const struct option user_options[] = {
    {"role", 'r', "ROLE", "reader, pusher, deployer, approver, auditor or admin"},
    MODELS,
    {"password-file", 0, "FILE", "file that holds the password (- is standard input)"},
    {"subject", 0, "TEXT", "issuer and sub for single sign-on, with a space between; '' unties"},
    REASON,
    END};
static const struct option context_options[] = {
    {"protected", 0, NULL, "every change asks for the context's name and a reason"},
    {"helper", 0, "COMMAND", "command line that prints the token, instead of a login"},
    {"ca", 0, "FILE", "certificates to trust instead of the system's"},
    {"environment", 0, "ENV", "what --env of rollback is when it is not given"},
    END};
static const struct option get_options[] = {{"origin", 0, NULL, "also where the value comes from"},
                                            END};
static const struct option api_options[] = {
    {"field", 'f', "NAME=TEXT",
     "a member of the body; NAME:=JSON for other than text (repeatable)"},
    {"input", 'i', "FILE", "JSON body (- is standard input)"},
    {"paginate", 0, NULL, "all pages of a list"},
    END};
static const struct option help_options[] = {
    {"all", 0, NULL, "all commands with their arguments"},
    {"man", 0, "FOLDER", "write the manual pages into a folder"},
    {"markdown", 0, NULL, "print everything as Markdown"},
    END};

const struct command command_table_tools[] = {
    {"diff", "MODEL[@REF] MODEL[@REF]", 2, 2, diff_options,
     "Show what differs between two versions; @REF alone is of the same model.",
     "mreg diff fraud@production fraud@candidate", cmd_diff},
    {"blame", "[MODEL]", 0, 1, blame_options, "Who set what holds now, and why.",
     "mreg blame fraud", cmd_blame},
    {"search", "WORD ...", 1, 16, limit_options,
     "Find models, aliases, digests, environments, nodes and rollouts.", "mreg search fra",
     cmd_search},
    {"model create", "MODEL", 1, 1, model_options, "Make a model without versions.",
     "mreg model create team/churn --description \"who leaves\"", cmd_model_create},
    {"model edit", "MODEL", 1, 1, model_options, "Change a model's description and tags.",
     "mreg model edit fraud --tag owner=risk --reason \"new team\"", cmd_model_edit},
    {"model delete", "MODEL ...", 1, 32, reason_options,
     "Delete models (tombstones stay); not while they are live.",
     "mreg model delete old-fraud --confirm old-fraud --reason \"replaced\"", cmd_model_delete},
    {"user list", "", 0, 0, limit_options, "List people.", "mreg user list", cmd_user_list},
    {"user create", "USER", 1, 1, user_options, "Add a person.",
     "mreg user create ana --role deployer --password-file ana.password", cmd_user_create},
    {"user edit", "USER", 1, 1, user_options,
     "Change a person's role, models, password or subject.", "mreg user edit ana --role approver",
     cmd_user_edit},
    {"user remove", "USER ...", 1, 32, reason_options, "Remove people.",
     "mreg user remove ana --yes --reason \"left\"", cmd_user_remove},
    {"context list", "", 0, 0, NULL, "List the registries that have a name.", "mreg context list",
     cmd_context_list},
    {"context add", "NAME URL", 2, 2, context_options, "Give a registry a name.",
     "mreg context add prod https://models.example.com --protected", cmd_context_add},
    {"context use", "CONTEXT", 1, 1, NULL, "Use a context from now on.", "mreg context use prod",
     cmd_context_use},
    {"context show", "[CONTEXT]", 0, 1, NULL, "Show a context, or which one is used and why.",
     "mreg context show", cmd_context_show},
    {"context remove", "CONTEXT", 1, 1, NULL, "Forget a context and its login.",
     "mreg context remove prod --yes", cmd_context_remove},
    {"config list", "", 0, 0, NULL, "List all settings and where they come from.",
     "mreg config list", cmd_config_list},
    {"config get", "KEY", 1, 1, get_options, "Show a setting.", "mreg config get --origin url",
     cmd_config_get},
    {"config set", "KEY [VALUE]", 1, 2, NULL, "Set a setting; without VALUE it is removed.",
     "mreg config set color never", cmd_config_set},
    {"api", "METHOD PATH", 2, 2, api_options, "Call the API; PATH is below /api/v1.",
     "mreg api GET /models", cmd_api},
    {"doctor", "", 0, 0, NULL, "Find what is wrong here and on the server, and how to mend it.",
     "mreg doctor", cmd_doctor},
    {"plugin list", "", 0, 0, NULL, "List the programs mreg-NAME on PATH, which add commands.",
     "mreg plugin list", cmd_plugin_list},
    {"completion", "SHELL", 1, 1, NULL, "Print the completion script of bash, zsh or fish.",
     "mreg completion bash", cmd_completion},
    {"help", "[COMMAND|TOPIC] [WORD]", 0, 3, help_options, "Show help of a command or a topic.",
     "mreg help rollout pause", cmd_help},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};
