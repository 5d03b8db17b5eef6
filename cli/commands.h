/*
 * The functions behind the command tables, one file per topic.
 */
#ifndef MREG_COMMANDS_H
#define MREG_COMMANDS_H

#include "cli.h"

/* All commands: NULL-terminated list of tables, each of which ends with name NULL. */
extern const struct command *const command_tables[];
/* table_outside.c */
extern const struct command command_table_outside[];
extern const struct command command_table_tools[];
extern const struct command command_table_analysis[];
extern const struct command command_table_router[];
extern const struct command command_table_targets[];
extern const struct command command_table_inspect[];

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
int cmd_analysis_show(struct cli *cli);
int cmd_analysis_replay(struct cli *cli);
int cmd_analysis_post(struct cli *cli);
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
int cmd_node_show(struct cli *cli);
int cmd_node_cordon(struct cli *cli);
int cmd_node_uncordon(struct cli *cli);
int cmd_node_drain(struct cli *cli);
int cmd_node_check(struct cli *cli);
int cmd_node_adopt(struct cli *cli);
int cmd_node_register(struct cli *cli);
int cmd_router_add(struct cli *cli);
int cmd_router_list(struct cli *cli);
int cmd_router_show(struct cli *cli);
int cmd_router_check(struct cli *cli);
int cmd_router_remove(struct cli *cli);
int cmd_target_list(struct cli *cli);
int cmd_target_set(struct cli *cli);
int cmd_token_list(struct cli *cli);
int cmd_token_create(struct cli *cli);
int cmd_token_revoke(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_version_set(struct cli *cli);
int cmd_version_delete(struct cli *cli);

int cmd_queue_list(struct cli *cli);
int cmd_queue_move(struct cli *cli);
int cmd_queue_remove(struct cli *cli);
int cmd_queue_start(struct cli *cli);
int cmd_freeze_list(struct cli *cli);
int cmd_freeze_add(struct cli *cli);
int cmd_freeze_remove(struct cli *cli);
int cmd_stop_line(struct cli *cli); /* on, off: the verb is the name's */
int cmd_quarantine_list(struct cli *cli);
int cmd_quarantine_lift(struct cli *cli);
int cmd_approval_list(struct cli *cli);
int cmd_approval_give(struct cli *cli); /* approve, reject: the verb is the name's */
int cmd_rollout_override(struct cli *cli);
/* Prints the plan that a dry run gave. */
void plan_print(struct cli *cli, const json_t *plan);
int cmd_rollout_simulate(struct cli *cli);
int cmd_rollout_logs(struct cli *cli);
int cmd_rollout_retry(struct cli *cli);
int cmd_audit_list(struct cli *cli);
int cmd_env_show(struct cli *cli);
int cmd_target_show(struct cli *cli);
int cmd_node_edit(struct cli *cli);
int cmd_router_edit(struct cli *cli);
int cmd_server_settings(struct cli *cli);
int cmd_server_storage(struct cli *cli);
int cmd_keys_list(struct cli *cli);
int cmd_keys_export(struct cli *cli);
/* "freeze,budget" as a JSON list; caller owns it. */
json_t *targets_overrides(const char *text);

int cmd_diff(struct cli *cli);
int cmd_blame(struct cli *cli);
int cmd_search(struct cli *cli);
int cmd_model_create(struct cli *cli);
int cmd_model_edit(struct cli *cli);
int cmd_model_delete(struct cli *cli);
int cmd_user_list(struct cli *cli);
int cmd_user_create(struct cli *cli);
int cmd_user_edit(struct cli *cli);
int cmd_user_remove(struct cli *cli);
int cmd_context_list(struct cli *cli);
int cmd_context_add(struct cli *cli);
int cmd_context_use(struct cli *cli);
int cmd_context_show(struct cli *cli);
int cmd_context_remove(struct cli *cli);
int cmd_config_list(struct cli *cli);
int cmd_config_get(struct cli *cli);
int cmd_config_set(struct cli *cli);
int cmd_api(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_plugin_list(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_help(struct cli *cli);

int cmd_webhook_list(struct cli *cli);
int cmd_webhook_add(struct cli *cli);
int cmd_webhook_show(struct cli *cli);
int cmd_webhook_edit(struct cli *cli);
int cmd_webhook_remove(struct cli *cli);
int cmd_webhook_rotate(struct cli *cli);
int cmd_webhook_test(struct cli *cli);
int cmd_webhook_deliveries(struct cli *cli);
int cmd_webhook_redeliver(struct cli *cli);
int cmd_ci_init(struct cli *cli);

/* Follows rollout `id` until it ends (also used by promote --watch); returns the exit code. */
int watch_rollout(struct cli *cli, const char *id);
/* --timeout as milliseconds; *out keeps its value without it. */
MUST_USE int watch_timeout(struct cli *cli, int64_t *out, struct err *e);
/* Prints what a look at a node found (report may be NULL). */
void node_print_report(struct cli *cli, const json_t *report);
/* Prints one rollout as a picture of lines on stdout. */
void watch_print(struct cli *cli, const json_t *rollout);
/* Appends the rows of a rollout's history that are not in `rows` yet, oldest first. False when they
 * cannot be had, or not all: they are an extra. */
bool watch_changes(struct cli *cli, const char *id, json_t *rows);
/* Fetches pages of a list into one array, at most `max` items. Caller owns *items. */
MUST_USE int list_some(struct cli *cli, const char *path, size_t max, json_t **items,
                       bool *has_more, struct err *e);

#endif
