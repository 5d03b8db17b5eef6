/*
 * Settings of the command and where each comes from: option, environment, the file .mreg of this
 * folder or a parent, the context, a default.
 */
#ifndef MREG_SETUP_H
#define MREG_SETUP_H

#include "cli.h"
#include "ini.h"

#define SETUP_NAME_BYTES 64

struct setup {
    struct ini user;    /* mreg/config */
    struct ini project; /* .mreg */
    char *user_path;    /* heap */
    char *project_path; /* heap; NULL: there is none */
    char context[SETUP_NAME_BYTES];
    const char *context_from; /* where its name comes from; in the cli's arena */
};

/* A setting that a person can ask for. */
struct setting_row {
    const char *key;
    const char *option;         /* NULL: none */
    const char *variable;       /* NULL: none */
    const char *fallback;       /* NULL: none */
    bool is_in_context;         /* it may stand in [context "NAME"] */
    bool is_in_core;            /* it may stand in [core] */
    bool is_in_project;         /* it may stand in .mreg: nothing that tokens or programs follow */
    const char *const *choices; /* NULL-terminated, or NULL */
};
extern const struct setting_row setup_rows[]; /* ends with key NULL */

/* Reads both files and finds the context. ERR_INVALID: a damaged file, an unknown setting;
 * ERR_NOT_FOUND: no such context; ERR_LOCAL_IO. *s must be cleared in any case. */
MUST_USE int setup_load(struct cli *cli, struct setup *s, struct err *e);
void setup_clear(struct setup *s);
/* A setting's value or NULL; *from (may be NULL): where it comes from, in the cli's arena. */
const char *setup_get(struct cli *cli, const char *key, const char **from);
/* As setup_get; true for "true", "yes", "on" and "1". */
bool setup_is_on(struct cli *cli, const char *key);
/* A setting of a context alone, or NULL. */
const char *setup_of_context(const struct setup *s, const char *context, const char *key);
/* True if the configuration or a stored login knows the context. */
bool setup_knows(const struct setup *s, const char *context);
/* Names of all contexts, sorted; in arena, NULL-terminated. */
const char **setup_contexts(const struct setup *s, struct arena *arena);
/* Sets (value NULL: removes) one key in mreg/config. `context` NULL: in [core]. ERR_LOCAL_IO. */
MUST_USE int setup_write(struct setup *s, const char *context, const char *key, const char *value,
                         struct err *e);
/* Removes a context's section. ERR_LOCAL_IO. */
MUST_USE int setup_drop(struct setup *s, const char *context, struct err *e);
/* [a-z0-9._-]{1,63}, not starting with '.' or '-'. ERR_INVALID. */
MUST_USE int setup_check_name(const char *name, struct err *e);
/* ERR_INVALID if there is no such setting, or the value does not fit it. */
MUST_USE int setup_check(const char *key, const char *value, struct err *e);
/* The row of a setting; NULL with a suggestion in the error when there is none. */
const struct setting_row *setup_row(const char *key, struct err *e);
/* "credentials.json" of the default context, "credentials-NAME.json" of others; in arena. */
const char *setup_credentials(struct arena *arena, const char *context);

#endif
