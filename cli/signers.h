/*
 * Lines of OpenSSH's allowed_signers that speak of a registry:
 *
 *   registry@<domain>[,...] [namespaces="..."][,valid-after="..."][,valid-before="..."] ssh-ed25519
 * ...
 */
#ifndef MREG_SIGNERS_H
#define MREG_SIGNERS_H

#include <stdbool.h>

#include "seal.h"

#define SIGNERS_DOMAIN_BYTES 256

struct signer {
    char domain[SIGNERS_DOMAIN_BYTES]; /* of "registry@<domain>" */
    char namespaces[1024];             /* separated by commas; "" means any */
    struct seal_public key;
    int64_t after_ms, before_ms; /* lifetime: after <= t < before */
};

/* Reads the next usable line at *text, which is advanced behind it; false at the end. Skipped:
 * comments, other principals, other key types, certificate authorities, and lines with an option
 * that is unknown or cannot be read. Pure. */
bool signers_next(const char **text, struct signer *out);
/* True if the line's namespaces hold name_space exactly and time_ms lies in its lifetime. */
bool signer_allows(const struct signer *s, const char *name_space, int64_t time_ms);

#endif
