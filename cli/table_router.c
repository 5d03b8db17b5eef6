/*
 * The command table of routers. Same form as in table.c.
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

static const struct option add_options[] = {
    {"driver", 0, "NAME", "haproxy or nginx (haproxy)"},
    {"address", 0, "ADDRESS", "haproxy: unix:/PATH or HOST:PORT; nginx: URL that tells its state"},
    {"file", 0, "FILE", "nginx: the file that it includes and mreg writes"},
    {"pid-file", 0, "FILE", "nginx: of its master process; without, somebody else reloads it"},
    {"backend", 0, "NAME", "name of a model's backend ({serve_as})"},
    {"server-label", 0, "LABEL", "label of a node that holds its server's name (the node's name)"},
    REASON,
    END};
static const struct option remove_options[] = {REASON, END};

const struct command command_table_router[] = {
    {"router add", "ENV NAME", 2, 2, add_options,
     "Add the software before an environment's nodes that spreads requests over them.",
     "mreg router add production lb --address unix:/run/haproxy/admin.sock", cmd_router_add},
    {"router list", "ENV", 1, 1, NULL, "List the routers of an environment.",
     "mreg router list production", cmd_router_list},
    {"router show", "ENV NAME", 2, 2, NULL, "Show a router and which node gets how much.",
     "mreg router show production lb", cmd_router_show},
    {"router check", "ENV NAME", 2, 2, NULL, "Say what a router lacks to carry rollouts.",
     "mreg router check production lb", cmd_router_check},
    {"router remove", "ENV NAME", 2, 2, remove_options,
     "Forget a router; what it does stays as it is.", "mreg router remove production lb",
     cmd_router_remove},
    {.name = NULL},
};
