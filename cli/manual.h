/*
 * The command tables as documents: manual pages (mdoc), Markdown, JSON.
 */
#ifndef MREG_MANUAL_H
#define MREG_MANUAL_H

#include "buf.h"
#include "cli.h"

/* The page mreg(1). */
void manual_overview(const struct command *const *tables, struct buf *out);
/* The page of one command, "mreg-rollout-pause(1)". */
void manual_page(const struct command *const *tables, const struct command *c, struct buf *out);
/* "mreg-rollout-pause" of "rollout pause". */
void manual_name(const struct command *c, char name[64]);
/* All commands and topics as one Markdown document. */
void manual_markdown(const struct command *const *tables, struct buf *out);
/* {"commands":[...],"options":[...],"aliases":{...},"topics":[...]}; caller owns it. */
json_t *manual_json(const struct command *const *tables);
/* One command as in "commands" above; caller owns it. */
json_t *manual_json_command(const struct command *c);

#endif
