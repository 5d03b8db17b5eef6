/*
 * The functions behind the command tables, one file per topic.
 */
#ifndef MREG_COMMANDS_H
#define MREG_COMMANDS_H

#include "cli.h"

/* All commands: NULL-terminated list of tables, each of which ends with name NULL. */
extern const struct command *const command_tables[];

int cmd_login(struct cli *cli);
int cmd_logout(struct cli *cli);
int cmd_whoami(struct cli *cli);
int cmd_push(struct cli *cli);
int cmd_pull(struct cli *cli);
int cmd_verify(struct cli *cli);

int cmd_list(struct cli *cli);
int cmd_show(struct cli *cli);
int cmd_history(struct cli *cli);
int cmd_status(struct cli *cli);

int cmd_promote(struct cli *cli);
int cmd_rollback(struct cli *cli);
int cmd_rollout_list(struct cli *cli);
int cmd_rollout_show(struct cli *cli);
int cmd_rollout_watch(struct cli *cli);
int cmd_rollout_command(
    struct cli *cli); /* pause, resume, promote, abort: the verb is the name's */

int cmd_alias_list(struct cli *cli);
int cmd_alias_set(struct cli *cli);
int cmd_alias_delete(struct cli *cli);
int cmd_env_list(struct cli *cli);
int cmd_env_create(struct cli *cli);
int cmd_env_set(struct cli *cli);
int cmd_env_delete(struct cli *cli);
int cmd_node_list(struct cli *cli);
int cmd_node_add(struct cli *cli);
int cmd_node_remove(struct cli *cli);
int cmd_target_list(struct cli *cli);
int cmd_target_set(struct cli *cli);
int cmd_token_list(struct cli *cli);
int cmd_token_create(struct cli *cli);
int cmd_token_revoke(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_version_set(struct cli *cli);
int cmd_version_delete(struct cli *cli);

/* Follows rollout `id` until it ends (also used by promote --watch); returns the exit code. */
int watch_rollout(struct cli *cli, const char *id);
/* --timeout as milliseconds; *out keeps its value without it. */
MUST_USE int watch_timeout(struct cli *cli, int64_t *out, struct err *e);
/* Prints one rollout as a picture of lines on stdout. */
void watch_print(struct cli *cli, const json_t *rollout);
/* Fetches pages of a list into one array, at most `max` items. Caller owns *items. */
MUST_USE int list_some(struct cli *cli, const char *path, size_t max, json_t **items,
                       bool *has_more, struct err *e);

#endif
