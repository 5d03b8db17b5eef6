/*
 * Names and references: "fraud", "team/fraud", "fraud@champion", "sha256:...", "@{2026-05-03}".
 * Rules: PRODUCT words: 1-255 bytes of UTF-8 without '/', ':', '@' or control characters; a model
 * may have one namespace.
 */
#ifndef MREG_NAME_H
#define MREG_NAME_H

#include <stdbool.h>

#include "digest.h"
#include "err.h"

#define NAME_MAX_BYTES 255
#define NAME_FOLDER_BYTES 128

/* `what` is the word for errors ("model"). ERR_INVALID says which rule is broken. "." and ".." are
 * refused. Models: at most one '/', both halves non-empty names. */
MUST_USE int name_check_model(const char *name, struct err *e);
MUST_USE int name_check(const char *what, const char *name, struct err *e);
/* An alias is a name that is neither all digits nor "latest" nor starting with "sha256:". */
MUST_USE int name_check_alias(const char *name, struct err *e);
/* serve_as: [a-z][a-z0-9-]{0,62}. */
MUST_USE int name_check_served(const char *name, struct err *e);
/* Writes a served name made from a model name (lower-cased, other bytes to '-', 63 at most). */
void name_make_served(const char *model, char out[64]);
/* A relative path inside a version: UTF-8, '/' between parts, each part 1-255 bytes, not "." or
 * "..", no control characters, no backslash, no leading '/', no drive letter; 1024 bytes at most.
 */
MUST_USE int name_check_path(const char *path, struct err *e);

enum ref_kind { REF_NUMBER, REF_ALIAS, REF_DIGEST, REF_TIME, REF_LATEST };

struct ref {
    enum ref_kind kind;
    int64_t number; /* REF_NUMBER: 1.. */
    char alias[NAME_MAX_BYTES + 1];
    struct digest digest; /* REF_DIGEST: content digest */
    int64_t time_ms;      /* REF_TIME: the version that was newest then */
};

/* Reads "7", "champion", "latest", "sha256:<64 hex>", "@{time}". ERR_INVALID otherwise. */
MUST_USE int ref_parse(const char *text, struct ref *out, struct err *e);
/* Splits "model@ref" ("model" alone means latest): model is copied (256 bytes), *ref points into
 * text or is "latest". ERR_INVALID when the model name is bad. */
MUST_USE int ref_split(const char *text, char model[NAME_MAX_BYTES * 2 + 2], const char **ref,
                       struct err *e);

/* Folder of an object in the history: the name itself if [a-z0-9][a-z0-9._-]{0,99} without a git-
 * special form (".git*", "..", ".lock" end, trailing dot), else "~" + 40 hex digits of its SHA-256.
 * A namespace's '/' always takes the hashed form. */
void name_folder(const char *name, char out[NAME_FOLDER_BYTES]);
/* Three shard letters of a name ("a/3/f": first three hex digits of its SHA-256). */
void name_shard(const char *name, char out[6]);
/* True if the glob ('*' any run, '?' one byte, rest literal) matches the whole name. */
bool name_glob(const char *glob, const char *name);

#endif
