/*
 * What could stand next on a command line: the hidden "mreg __complete WORD...", which the shells'
 * completions call.
 */
#ifndef MREG_COMPLETE_H
#define MREG_COMPLETE_H

#include "cli.h"

/* Prints candidates for the last of the words (those behind "mreg"), one per line with its
 * description behind a tab; the line ":files" or ":folders" asks the shell for those, ":nospace"
 * for no blank behind the word. Never fails. */
int complete_words(struct cli *cli, int n_words, char **words);

#endif
