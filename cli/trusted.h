/*
 * Which keys a command trusts: given by file, pinned at login, or (said aloud) shown by the server.
 */
#ifndef MREG_TRUSTED_H
#define MREG_TRUSTED_H

#include "cli.h"

enum trusted_origin { TRUSTED_FILE, TRUSTED_PINNED, TRUSTED_SERVER };

struct trusted {
    char *signers; /* allowed_signers text; heap */
    enum trusted_origin origin;
};

/* --allowed-signers, else the keys pinned by login, else those that the registry shows now, with a
 * warning: they prove only that the documents come from that server. ERR_INVALID when no key can be
 * had; ERR_LOCAL_IO; errors of a call. */
MUST_USE int trusted_keys(struct cli *cli, struct trusted *out, struct err *e);
/* Asks the registry for its keys; *out is heap. ERR_INTERNAL when there are none. */
MUST_USE int trusted_fetch(struct cli *cli, char **out, struct err *e);
/* "file", "pinned" or "server". */
const char *trusted_origin_name(enum trusted_origin origin);
void trusted_clear(struct trusted *t);

#endif
