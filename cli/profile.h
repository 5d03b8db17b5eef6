/*
 * Whom we talk to: URL, token and the pinned keys of the registry, from options, environment and
 * the credential files (${XDG_CONFIG_HOME:-~/.config}/mreg/credentials*.json, 0600).
 */
#ifndef MREG_PROFILE_H
#define MREG_PROFILE_H

#include <stdbool.h>

#include "json.h"

struct profile {
    char *url;         /* heap, or NULL */
    char *token;       /* heap, or NULL */
    char *domain;      /* of the pinned key; heap, or NULL */
    char *signers;     /* pinned allowed_signers text; heap, or NULL */
    char *key_id;      /* pinned fingerprint; heap, or NULL */
    char *helper;      /* command that prints the token, if there is no other; heap, or NULL */
    char *ca;          /* file of certificates to trust; heap, or NULL */
    bool is_protected; /* changes want the context's name and a reason */
};

/* What decides whom we talk to; any member may be NULL. */
struct profile_wish {
    const char *url;         /* option, MREG_URL or the command's argument: wins */
    const char *context_url; /* of the context */
    const char *credentials; /* name of the credential file */
    const char *token_file;  /* option: wins */
    const char *ca;
    /* Of the context: only for its own registry. */
    const char *context_token_file, *helper;
    bool is_protected;
};

/* Reads the credential file and the token. A URL that is not the context's gets neither its token
 * nor its keys, helper and protection. ERR_INVALID: unsafe or damaged file or token; ERR_LOCAL_IO.
 */
MUST_USE int profile_load(struct profile *p, const struct profile_wish *wish, struct err *e);
/* Takes the token that somebody has typed (changed). ERR_INVALID when it cannot be one. */
MUST_USE int profile_set_token(struct profile *p, char *typed, struct err *e);
/* The token if there is one, else what the helper prints. ERR_LOCAL_IO: the helper failed. */
MUST_USE int profile_need_token(struct profile *p, const char *context, struct err *e);
/* Writes the credential file of that name (0600, replaced atomically, synced). ERR_LOCAL_IO. */
MUST_USE int profile_save(const struct profile *p, const char *name, struct err *e);
void profile_clear(struct profile *p);
/* A variable of the environment that looks like ours (MREG_...) but is neither one of the command
 * nor one of the server: its name in `variable`, the nearest known one in *near (or NULL). Starts
 * at *i, which is advanced; false at the end. */
bool profile_odd_variable(char *const *environment, size_t *i, char variable[64],
                          const char **near);
/* Path of a file in the configuration ("credentials.json") or cache folder, which is made if
 * missing; heap. */
char *profile_path(const char *name);
char *profile_cache_path(const char *name);
/* Whole file of at most max bytes ("-" is standard input) into *out (heap, NUL-terminated).
 * ERR_LOCAL_IO, also when it does not exist; ERR_TOO_LARGE. */
MUST_USE int file_read(const char *path, size_t max, char **out, size_t *n, struct err *e);
/* Replaces a file atomically: temporary name, fsync, rename. ERR_LOCAL_IO. */
MUST_USE int file_write(const char *path, const void *bytes, size_t n, unsigned mode,
                        struct err *e);

#endif
