/*
 * Keyrings of webhooks as files: DIR/webhooks/<name>, 0600, each written once under a new random
 * name and then named by the hook's record. A crash between the two leaves a file that nobody
 * names, never a record without its secrets. Any thread.
 */
#ifndef MREG_HOOK_SECRETS_H
#define MREG_HOOK_SECRETS_H

#include "webhook.h"

#define HOOK_SECRETS_NAME_BYTES 32

/* Writes the keyring to a new file of the data folder; its name goes to name. ERR_UNAVAILABLE,
 * ERR_NO_SPACE. */
MUST_USE int hook_secrets_save(const char *data, const struct webhook_keyring *r,
                               char name[HOOK_SECRETS_NAME_BYTES], struct err *e);
/* Reads one; wipe it with webhook_keyring_clear. ERR_NOT_FOUND, ERR_CORRUPT, ERR_UNAVAILABLE. */
MUST_USE int hook_secrets_load(const char *data, const char *name, struct webhook_keyring *out,
                               struct err *e);
/* Removes one; a missing file is fine. */
void hook_secrets_remove(const char *data, const char *name);
/* Removes all files but the n named ones. Only while nobody else saves. */
void hook_secrets_sweep(const char *data, const char *const *names, size_t n);

#endif
