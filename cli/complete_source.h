/*
 * Names that the registry knows, for completion.
 */
#ifndef MREG_COMPLETE_SOURCE_H
#define MREG_COMPLETE_SOURCE_H

#include "cli.h"

/* One place to complete. */
struct place {
    struct cli *cli;         /* the command line in front of it, parsed as far as it goes */
    const char *placeholder; /* "MODEL@REF" */
    const char *word;        /* what is typed so far */
    const char *prefix;      /* put in front of candidates: "--env=" */
};

/* Prints a candidate if what is typed so far is its beginning. */
void complete_offer(const struct place *p, const char *value, const char *text);
/* Offers what the registry has for a placeholder; false when that is none of its objects. */
bool complete_from_registry(const struct place *p);

#endif
