/*
 * The command tables. Everything a person sees of a command (help, errors about arguments) comes
 * from its row. An option of one name has one shape (flag or value) in all commands.
 */
#include "commands.h"

#define REASON                                            \
    {                                                     \
        "reason", 0, "TEXT", "why; goes into the history" \
    }
#define LIMIT                                   \
    {                                           \
        "limit", 0, "N", "at most N rows (100)" \
    }
#define AT                                                                               \
    {                                                                                    \
        "at", 0, "TIME", "as it was then: 2026-05-03T10:00 (UTC), or a date for its end" \
    }
#define DRAW_AGAIN                                          \
    {                                                       \
        "watch", 'w', NULL, "show it again when it changes" \
    }
#define WATCH                                         \
    {                                                 \
        "watch", 'w', NULL, "follow it until it ends" \
    }
#define TIMEOUT                                                              \
    {                                                                        \
        "timeout", 0, "DURATION", "stop following after this long (exit 11)" \
    }
#define UNTIL_APPROVAL                                                                  \
    {                                                                                   \
        "until-approval", 0, NULL, "stop following when people have to agree (exit 14)" \
    }
#define POLICY                                                                     \
    {                                                                              \
        "policy", 0, "FILE", "JSON file with policy members (- is standard input)" \
    }
#define SIGNERS                                                                           \
    {                                                                                     \
        "allowed-signers", 0, "FILE", "trusted keys (OpenSSH), not the ones of the login" \
    }
#define PROGRESS                                                            \
    {                                                                       \
        "progress", 0, "STYLE", "bar, plain, json or none on stderr (auto)" \
    }
#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }

static const struct option reason_options[] = {REASON, END};
static const struct option limit_options[] = {LIMIT, DRAW_AGAIN, END};
static const struct option list_options[] = {AT, LIMIT, DRAW_AGAIN, END};
static const struct option push_options[] = {
    {"alias", 'a', "NAME", "set this alias on the version (repeatable)"},
    {"metric", 'm', "NAME=VALUE", "a metric of this version (repeatable)"},
    {"param", 'p', "NAME=VALUE", "a training parameter (repeatable)"},
    {"tag", 't', "NAME=VALUE", "a tag (repeatable)"},
    {"lineage", 0, "NAME=VALUE", "where it comes from; CI fills it in by itself (repeatable)"},
    {"description", 'd', "TEXT", "a description"},
    {"name", 0, "FILE", "file name when PATH is - (standard input)"},
    {"new-version", 0, NULL, "make a new number even if the model has this content"},
    PROGRESS,
    REASON,
    END};
static const struct option pull_options[] = {
    {"files", 0, "GLOB", "only files whose path matches"}, SIGNERS, PROGRESS, END};
static const struct option verify_options[] = {SIGNERS, END};
static const struct option login_options[] = {
    {"pin", 0, NULL, "pin the key shown now, although another one was pinned"}, END};
static const struct option show_options[] = {AT, END};
static const struct option history_options[] = {
    {"env", 'e', "ENV", "only this environment"}, AT, LIMIT, END};
static const struct option status_options[] = {
    {"env", 'e', "ENV", "only this environment"}, AT, DRAW_AGAIN, END};
static const struct option promote_options[] = {
    {"env", 'e', "ENV", "the environment, instead of the second argument"},
    {"strategy", 's', "NAME",
     "canary, rolling, all-at-once, blue-green or shadow, not the policy's"},
    {"steps", 0, "LIST", "canary steps: nodes or percent with bake time, 1:30s,50%:1m,100%"},
    POLICY,
    {"dry-run", 'n', NULL, "show the plan, change nothing"},
    {"plan", 0, "PLAN", "only if nothing changed since --dry-run gave this token or file"},
    {"plan-out", 0, "FILE", "with --dry-run: also write the plan here, for review and --plan"},
    {"hotfix", 0, NULL, "to the front of the queue; the active rollout is aborted"},
    {"together", 0, NULL, "all arguments are models: they go live together or not at all"},
    {"to", 0, "ENV", "with --together: the environment"},
    {"override", 0, "LIST", "pass over freeze, stop, budget, quarantine or dependency"},
    REASON,
    WATCH,
    TIMEOUT,
    UNTIL_APPROVAL,
    END};
static const struct option rollback_options[] = {
    {"env", 'e', "ENV", "environment to roll back in"},
    {"to", 0, "VERSION", "another version than the last good one"},
    {"dry-run", 'n', NULL, "show the plan, change nothing"},
    {"plan", 0, "PLAN", "only if nothing changed since --dry-run gave this token or file"},
    {"plan-out", 0, "FILE", "with --dry-run: also write the plan here, for review and --plan"},
    REASON,
    WATCH,
    TIMEOUT,
    END};
static const struct option rollout_list_options[] = {{"env", 'e', "ENV", "only this environment"},
                                                     {"model", 0, "MODEL", "only this model"},
                                                     {"active", 0, NULL, "only running ones"},
                                                     {"phase", 0, "PHASE", "only in this phase"},
                                                     AT,
                                                     LIMIT,
                                                     DRAW_AGAIN,
                                                     END};
static const struct option rollout_options[] = {
    {"step", 0, "N", "refuse if the rollout is at another step"}, REASON, END};
static const struct option rollout_promote_options[] = {
    {"full", 0, NULL, "all remaining steps at once"},
    {"step", 0, "N", "refuse if the rollout is at another step"},
    REASON,
    END};
static const struct option watch_options[] = {
    TIMEOUT,
    UNTIL_APPROVAL,
    {"plain", 0, NULL, "a line for each change, as in a pipe, instead of a picture"},
    END};
static const struct option policy_options[] = {POLICY, REASON, END};
static const struct option env_set_options[] = {
    POLICY, {"position", 0, "N", "its place in lists, from 0"}, REASON, END};
static const struct option alias_options[] = {
    {"expect", 0, "N", "only if it points at this version now (0: at none)"}, REASON, END};
static const struct option resume_options[] = {
    {"lift", 0, "LIST", "only these of the reasons that hold it, as in user,gate"},
    {"step", 0, "N", "refuse if the rollout is at another step"},
    REASON,
    END};
static const struct option node_list_options[] = {
    {"state", 0, "STATE", "only nodes in this state"},
    {"label", 'l', "NAME=VALUE", "only nodes with this label"},
    {"search", 0, "TEXT", "only nodes whose name or address has this in it"},
    AT,
    LIMIT,
    DRAW_AGAIN,
    END};
static const struct option node_add_options[] = {
    {"url", 0, "URL", "admin (and inference) address"},
    {"root", 0, "FOLDER", "model repository folder of this node, as this server sees it"},
    {"driver", 0, "NAME", "serving software: v2 (MLServer) or triton (v2)"},
    {"infer-url", 0, "URL", "inference address if another"},
    {"metrics-url", 0, "URL", "metrics address if not URL/metrics"},
    {"label", 'l', "NAME=VALUE", "a label (repeatable)"},
    REASON,
    END};
static const struct option drain_options[] = {{"unload", 0, NULL, "also unload its models"},
                                              {"wait", 0, NULL, "until it is out of service"},
                                              TIMEOUT,
                                              REASON,
                                              END};
static const struct option adopt_options[] = {
    {"serve-as", 0, "NAME", "name under which the node serves it, if not made from the model's"},
    REASON,
    END};
static const struct option register_options[] = {
    {"url", 0, "URL", "admin (and inference) address, as the registry reaches it"},
    {"root", 0, "FOLDER", "model repository folder of this node, as the registry sees it"},
    {"driver", 0, "NAME", "serving software: v2 (MLServer) or triton (v2)"},
    {"infer-url", 0, "URL", "inference address if another"},
    {"metrics-url", 0, "URL", "metrics address if not URL/metrics"},
    {"label", 'l', "NAME=VALUE", "a label (repeatable)"},
    {"lease", 0, "DURATION", "without a sign of life for so long the node is gone (30s)"},
    {"once", 0, NULL, "register or renew once, and leave it at that"},
    END};
static const struct option target_options[] = {
    {"serve-as", 0, "NAME", "name of the model on the nodes; fixed by the first rollout"},
    POLICY,
    REASON,
    END};
static const struct option token_options[] = {
    {"role", 'r', "ROLE", "reader, pusher, deployer, approver, auditor, admin or node (reader)"},
    {"models", 0, "GLOBS", "models it may see, as in team/*,fraud (*)"},
    {"expires", 0, "DURATION", "as in 90d; never without"},
    {"env", 'e', "ENV", "role node: whose nodes it may register"},
    {"root", 0, "FOLDER", "role node: the folder in which their roots lie"},
    REASON,
    END};
static const struct option annotate_options[] = {
    {"description", 'd', "TEXT", "a description"},
    {"tag", 't', "NAME=VALUE", "a tag; NAME= removes it (repeatable)"},
    {"metric", 'm', "NAME=VALUE", "a metric found later (repeatable)"},
    REASON,
    END};

static const struct command daily[] = {
    {"login", "[URL]", 0, 1, login_options, "Log in and pin the registry's key.",
     "mreg login http://127.0.0.1:7070 --token-file admin.token", cmd_login},
    {"logout", "", 0, 0, NULL, "Forget the token and the pinned key.", "mreg logout", cmd_logout},
    {"whoami", "", 0, 0, NULL, "Show who the token is.", "mreg whoami", cmd_whoami},
    {"push", "MODEL PATH", 2, 2, push_options,
     "Push a folder, a file or - as a new version of MODEL.",
     "mreg push fraud ./out --alias candidate --metric auc=0.941", cmd_push},
    {"pull", "MODEL[@REF] [FOLDER]", 1, 2, pull_options,
     "Fetch a version into FOLDER (else ./MODEL), checking signature and digests.",
     "mreg pull fraud@production ./model", cmd_pull},
    {"verify", "[MODEL@REF] FOLDER", 1, 2, verify_options,
     "Check a pulled version offline; exit 7 on any change.", "mreg verify fraud@3 ./model",
     cmd_verify},
    {"list", "[MODEL]", 0, 1, list_options, "List models, or the versions of one.",
     "mreg list fraud", cmd_list},
    {"show", "MODEL[@REF]", 1, 1, show_options, "Show a model or a version.",
     "mreg show fraud@champion", cmd_show},
    {"history", "[MODEL]", 0, 1, history_options, "Who did what and why, newest first.",
     "mreg history fraud --at 2026-05-03", cmd_history},
    {"status", "[ENV]", 0, 1, status_options, "What is live where, now or at a past time.",
     "mreg status --env production", cmd_status},
    {"promote", "MODEL[@REF] [ENV]", 1, CLI_MAX_ARGS, promote_options,
     "Take a version live in an environment by a rollout; several with --together --to ENV.",
     "mreg promote fraud@candidate production --watch", cmd_promote},
    {"rollback", "MODEL [ENV]", 1, 2, rollback_options, "Go back to the last good version.",
     "mreg rollback fraud --env production", cmd_rollback},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};

static const struct command objects[] = {
    {"rollout list", "", 0, 0, rollout_list_options, "List rollouts, newest first.",
     "mreg rollout list --active", cmd_rollout_list},
    {"rollout show", "ID", 1, 1, NULL, "Show one rollout.", "mreg rollout show r-55",
     cmd_rollout_show},
    {"rollout watch", "ID", 1, 1, watch_options, "Follow a rollout; the exit code is its outcome.",
     "mreg rollout watch r-55", cmd_rollout_watch},
    {"rollout pause", "ID", 1, 1, rollout_options, "Hold a rollout where it is.",
     "mreg rollout pause r-55 --reason \"incident 12\"", cmd_rollout_command},
    {"rollout resume", "ID", 1, 1, resume_options, "Let a paused rollout go on.",
     "mreg rollout resume r-55", cmd_rollout_command},
    {"rollout promote", "ID", 1, 1, rollout_promote_options, "End this step's bake now.",
     "mreg rollout promote r-55 --step 1", cmd_rollout_command},
    {"rollout abort", "ID", 1, 1, rollout_options, "Stop and go back to the version before.",
     "mreg rollout abort r-55 --reason \"wrong model\"", cmd_rollout_command},
    {"alias list", "MODEL", 1, 1, limit_options, "List a model's aliases.", "mreg alias list fraud",
     cmd_alias_list},
    {"alias set", "MODEL@REF ALIAS", 2, 2, alias_options, "Point an alias at a version.",
     "mreg alias set fraud@7 champion", cmd_alias_set},
    {"alias delete", "MODEL ALIAS", 2, 2, reason_options, "Remove an alias.",
     "mreg alias delete fraud old", cmd_alias_delete},
    {"version set", "MODEL@REF", 1, 1, annotate_options, "Annotate a version.",
     "mreg version set fraud@7 --tag reviewed=yes", cmd_version_set},
    {"version delete", "MODEL@REF", 1, 1, reason_options, "Delete a version (a tombstone stays).",
     "mreg version delete fraud@3 --reason \"trained on wrong data\"", cmd_version_delete},
    {"env list", "", 0, 0, limit_options, "List environments.", "mreg env list", cmd_env_list},
    {"env create", "ENV", 1, 1, policy_options, "Make an environment.",
     "mreg env create production --policy policy.json", cmd_env_create},
    {"env set", "ENV", 1, 1, env_set_options, "Change an environment's policy or place.",
     "mreg env set production --policy policy.json", cmd_env_set},
    {"env delete", "ENV", 1, 1, reason_options, "Remove an empty environment.",
     "mreg env delete staging", cmd_env_delete},
    {"node list", "ENV", 1, 1, node_list_options, "List an environment's nodes.",
     "mreg node list production", cmd_node_list},
    {"node add", "ENV NODE", 2, 2, node_add_options, "Add a serving node.",
     "mreg node add production n1 --url http://127.0.0.1:8080 --root /srv/n1", cmd_node_add},
    {"node remove", "ENV NODE", 2, 2, reason_options, "Forget a node.",
     "mreg node remove production n1", cmd_node_remove},
    {"node show", "ENV NODE", 2, 2, NULL, "Show a node: state, files, last operations.",
     "mreg node show production n1", cmd_node_show},
    {"node check", "ENV NODE", 2, 2, NULL, "Look at a node now and say what is missing.",
     "mreg node check production n1", cmd_node_check},
    {"node cordon", "ENV NODE", 2, 2, reason_options, "Put nothing new on a node.",
     "mreg node cordon production n1 --reason \"disk fails\"", cmd_node_cordon},
    {"node uncordon", "ENV NODE", 2, 2, reason_options, "Take a node back into service.",
     "mreg node uncordon production n1", cmd_node_uncordon},
    {"node drain", "ENV NODE", 2, 2, drain_options, "Take a node out of service.",
     "mreg node drain production n1 --wait --reason \"disk fails\"", cmd_node_drain},
    {"node adopt", "ENV NODE MODEL[@REF]", 3, 3, adopt_options,
     "Take over what a node serves already.", "mreg node adopt production n1 fraud@3",
     cmd_node_adopt},
    {"node register", "ENV NODE [-- CMD ...]", 2, CLI_MAX_ARGS, register_options,
     "Enter this node and keep it entered while CMD runs.",
     "mreg node register production n7 --url http://10.0.0.7:8080 --root /srv/n7 -- mlserver start "
     "/srv/n7",
     cmd_node_register},
    {"target list", "ENV", 1, 1, limit_options, "List what an environment serves.",
     "mreg target list production", cmd_target_list},
    {"target set", "ENV MODEL", 2, 2, target_options, "Set a target's name on nodes or policy.",
     "mreg target set production fraud --serve-as fraud", cmd_target_set},
    {"token list", "", 0, 0, limit_options, "List tokens.", "mreg token list", cmd_token_list},
    {"token create", "NAME", 1, 1, token_options, "Make a token; it is shown once.",
     "mreg token create ci --role pusher --models 'team/*'", cmd_token_create},
    {"token revoke", "ID", 1, 1, reason_options, "Revoke a token.", "mreg token revoke t-12",
     cmd_token_revoke},
    {"version", "", 0, 0, NULL, "Print the version of this program.", "mreg version", cmd_version},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};

const struct command_alias command_aliases[] = {
    {"ls", "list"}, {"get", "show"}, {"log", "history"}, {"undo", "rollback"}, {NULL, NULL}};

const struct command_alias command_pointers[] = {{"models", "list"},
                                                 {"model list", "list"},
                                                 {"model show", "show MODEL"},
                                                 {"versions", "list MODEL"},
                                                 {"version list", "list MODEL"},
                                                 {"version show", "show MODEL@REF"},
                                                 {"version push", "push MODEL PATH"},
                                                 {"rollouts", "rollout list"},
                                                 {"rollout start", "promote MODEL ENV"},
                                                 {"rollout create", "promote MODEL ENV"},
                                                 {"rollout rollback", "rollback MODEL ENV"},
                                                 {"environments", "env list"},
                                                 {"target status", "status ENV"},
                                                 {"env status", "status ENV"},
                                                 {NULL, NULL}};

const struct command *const command_tables[] = {daily,
                                                objects,
                                                command_table_targets,
                                                command_table_tools,
                                                command_table_analysis,
                                                command_table_router,
                                                command_table_inspect,
                                                command_table_outside,
                                                NULL};
