/*
 * Programs on PATH that add commands: mreg-foo is run by "mreg foo".
 */
#ifndef MREG_PLUGIN_H
#define MREG_PLUGIN_H

#include "cli.h"

/* True if there is a program mreg-WORD on PATH. */
bool plugin_exists(const char *word);
/* Becomes the plugin of argv[word], with the words behind it; the options in front of it are
 * mreg's own. Returns (an exit code) only when that fails. */
int plugin_run(struct cli *cli, int argc, char **argv, int word);
/* Calls `each` for every plugin on PATH, first ones first; names may come twice. */
void plugin_each(void (*each)(void *user, const char *name, const char *path), void *user);

#endif
