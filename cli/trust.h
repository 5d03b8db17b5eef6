/*
 * Checking documents against pinned keys, without asking any server.
 */
#ifndef MREG_TRUST_H
#define MREG_TRUST_H

#include <stdbool.h>

#include "manifest.h"

/* The four documents of a version as `pull` keeps them in DIR/.mreg/. Strings are heap. */
struct trust_docs {
    char *manifest, *manifest_sig, *statement, *statement_sig;
    size_t n_manifest, n_statement;
};
void trust_docs_clear(struct trust_docs *d);

/* What a successful check found; strings in arena. */
struct trust_result {
    struct manifest manifest;
    struct statement statement;
    char key_id[64]; /* fingerprint of the signing key */
};
/*
 * signers is allowed_signers text of OpenSSH. A line is trusted for a document if it is an Ed25519
 * key of a principal "registry@<domain>", its namespaces (if any) hold "mreg-<document>@<domain>"
 * exactly, it is no certificate authority, and the statement's time lies in its lifetime. Options
 * that this program does not know, and times without "Z", make a line count for nothing.
 */
/* Checks both signatures against signers and that the statement names the manifest's digest.
 * ERR_CORRUPT: a signature does not fit, its key is not trusted, a document is damaged, or the two
 * do not belong together. */
MUST_USE int trust_check(const struct trust_docs *d, const char *signers, struct arena *a,
                         struct trust_result *out, struct err *e);
/* Domain of the first usable line, copied; false if there is none. */
bool trust_domain(const char *signers, char domain[256]);
/* Fingerprints of all usable keys, with ", " between them; in arena. "" if there is none. */
const char *trust_key_ids(const char *signers, struct arena *a);

#endif
