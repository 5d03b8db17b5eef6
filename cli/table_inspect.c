/*
 * The command table of what is looked at and mended: environments, targets, nodes and routers as
 * they are, the journal, keys, the server's own settings. Same form as in table.c.
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
#define DRAW_AGAIN                                          \
    {                                                       \
        "watch", 'w', NULL, "show it again when it changes" \
    }
#define END                 \
    {                       \
        NULL, 0, NULL, NULL \
    }

static const struct option env_options[] = {
    {"by", 0, "LABEL", "also count nodes by this label, as in zone"},
    {"effective", 0, NULL, "the whole policy, with every default"},
    DRAW_AGAIN,
    END};
static const struct option watch_options[] = {DRAW_AGAIN, END};
static const struct option limit_options[] = {LIMIT, DRAW_AGAIN, END};
static const struct option plain_limit_options[] = {LIMIT, END};
static const struct option audit_options[] = {
    {"since", 0, "SEQ", "rows after this number"},
    {"kind", 0, "KIND", "only rows of this kind, as in rollout.submit"},
    {"object", 0, "NAME", "only rows about this, as in r-55 or fraud"},
    {"actor", 0, "WHO", "only what this token or person did, as in t-2"},
    LIMIT,
    DRAW_AGAIN,
    END};
static const struct option vote_options[] = {
    {"step", 0, "N", "refuse if the rollout is at another step"}, REASON, END};
/* The retry's --watch follows the rollout; with --timeout it is not drawn again and again. */
static const struct option retry_options[] = {
    {"dry-run", 'n', NULL, "show the plan, change nothing"},
    REASON,
    {"watch", 'w', NULL, "follow it until it ends"},
    {"timeout", 0, "DURATION", "stop following after this long (exit 11)"},
    END};
static const struct option node_options[] = {
    {"url", 0, "URL", "admin (and inference) address"},
    {"root", 0, "FOLDER", "model repository folder of this node, as this server sees it"},
    {"driver", 0, "NAME", "serving software: v2 (MLServer) or triton (v2)"},
    {"infer-url", 0, "URL", "inference address if another"},
    {"metrics-url", 0, "URL", "metrics address if not URL/metrics"},
    {"label", 'l', "NAME=VALUE", "a label; NAME= removes it (repeatable)"},
    REASON,
    END};
static const struct option router_options[] = {
    {"driver", 0, "NAME", "haproxy or nginx (haproxy)"},
    {"address", 0, "ADDRESS", "haproxy: unix:/PATH or HOST:PORT; nginx: URL that tells its state"},
    {"file", 0, "FILE", "nginx: the file that it includes and mreg writes"},
    {"pid-file", 0, "FILE", "nginx: of its master process; without, somebody else reloads it"},
    {"backend", 0, "NAME", "name of a model's backend ({serve_as})"},
    {"server-label", 0, "LABEL", "label of a node that holds its server's name (the node's name)"},
    REASON,
    END};

const struct command command_table_inspect[] = {
    {"env show", "ENV", 1, 1, env_options, "Show an environment: policy, what it serves, numbers.",
     "mreg env show production --by zone", cmd_env_show},
    {"target show", "ENV MODEL", 2, 2, watch_options,
     "Show a model in an environment: versions, the policy that holds, nodes.",
     "mreg target show production fraud", cmd_target_show},
    {"node edit", "ENV NODE", 2, 2, node_options, "Change a node's labels or addresses.",
     "mreg node edit production n1 --label zone=a", cmd_node_edit},
    {"router edit", "ENV NAME", 2, 2, router_options, "Change how a router is reached.",
     "mreg router edit production lb --server-label host", cmd_router_edit},
    {"rollout logs", "ID", 1, 1, limit_options, "Show what happened in a rollout, oldest first.",
     "mreg rollout logs r-55", cmd_rollout_logs},
    {"rollout retry", "ID", 1, 1, retry_options, "Ask again for what an ended rollout wanted.",
     "mreg rollout retry r-55 --reason \"node is repaired\"", cmd_rollout_retry},
    {"rollout approve", "ID", 1, 1, vote_options, "The same as approval approve.",
     "mreg rollout approve r-57", cmd_approval_give},
    {"rollout reject", "ID", 1, 1, vote_options, "The same as approval reject.",
     "mreg rollout reject r-57 --reason \"not reviewed\"", cmd_approval_give},
    {"audit list", "", 0, 0, audit_options, "List the journal's rows, oldest first.",
     "mreg audit list --object fraud --limit 3", cmd_audit_list},
    {"keys list", "", 0, 0, NULL, "List the keys that the registry signs with.", "mreg keys list",
     cmd_keys_list},
    {"keys export", "", 0, 0, NULL, "Print these keys for ssh-keygen and --allowed-signers.",
     "mreg keys export", cmd_keys_export},
    {"server settings", "", 0, 0, plain_limit_options,
     "Show what the server runs with, and where it comes from.", "mreg server settings --limit 5",
     cmd_server_settings},
    {"server storage", "", 0, 0, watch_options, "Show how much is stored, and how much is free.",
     "mreg server storage", cmd_server_storage},
    {"auth status", "", 0, 0, NULL, "The same as whoami: exit 4 if the token is not known.",
     "mreg auth status", cmd_whoami},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};
