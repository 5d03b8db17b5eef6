/*
 * Questions before changes. cli_confirm and cli_confirm_name are declared in cli.h.
 */
#ifndef MREG_CONFIRM_H
#define MREG_CONFIRM_H

#include "cli.h"

/* Before a command that takes --reason runs in a protected context: wants the context's name and a
 * reason. When false, the refusal has been printed: end with EXIT_REFUSED. */
bool confirm_command(struct cli *cli);
/* Before a call: a change in a protected context that nobody was asked about yet (what is sent with
 * "dry_run" is none). ERR_REFUSED, with cli->is_refused set. body may be NULL. */
MUST_USE int confirm_call(struct cli *cli, const char *method, const char *path, const json_t *body,
                          struct err *e);
/* Asks for a token on the terminal, without echo, for the registry at url. ERR_INVALID without a
 * terminal or without an answer. */
MUST_USE int confirm_token(struct cli *cli, const char *url, struct err *e);
/* Prints a refusal; returns EXIT_REFUSED. hint may be NULL. */
int confirm_refuse(struct cli *cli, const char *what, const char *hint);

#endif
