/*
 * What a version is (content manifest) and who says so (statement): two canonical JSON documents.
 *
 * Manifest: {"files":[{"path","sha256","size"}...sorted by path bytes],"format":"sklearn-joblib",
 *   "kind":"mreg.manifest","schema":1}
 *   Its SHA-256 is the content digest. "serving" and "golden" are ordinary files (serving/ and
 * golden/ folders). Statement: {"content":"sha256:..","created":"<RFC
 * 3339>","format","kind":"mreg.statement", "lineage":{string:string},"metrics":{name:decimal
 * string},"model","params":{string:string},
 *   "publisher":"t-1","registry":"<id>","schema":1,"version":7}
 */
#ifndef MREG_MANIFEST_H
#define MREG_MANIFEST_H

#include "digest.h"
#include "json.h"

#define MANIFEST_MAX_FILES 10000
#define MANIFEST_MAX_BYTES (4 << 20)

struct manifest_file {
    const char *path; /* in arena */
    int64_t size;     /* bytes */
    struct digest sha256;
};
struct manifest {
    struct manifest_file *files; /* in arena, sorted by path */
    size_t n_files;
    const char *format; /* in arena */
    int64_t total_bytes;
};
struct pair {
    const char *key;
    const char *value;
};
struct pairs {
    struct pair *items; /* in arena, sorted by key */
    size_t n;
};
struct statement {
    const char *registry, *model, *publisher, *format;
    int64_t version;
    int64_t created_ms;
    struct digest content;
    struct pairs metrics, params, lineage;
};

/* Reads a manifest from JSON (a request body or a stored document) and sorts the files. Checks
 * paths, sizes, digests and counts, and that no two paths are equal, or a file and a folder at
 * once, after ASCII case folding. "kind" and "schema" may be absent; an absent "format" is
 * "unknown". `at` is the JSON pointer of j. ERR_INVALID with pointer; *out is then untouched. */
MUST_USE int manifest_from_json(const json_t *j, const char *at, struct arena *a,
                                struct manifest *out, struct err *e);
/* A format's name: [a-z0-9][a-z0-9._+-]{0,63}. ERR_INVALID otherwise. */
MUST_USE int manifest_check_format(const char *format, struct err *e);
/* Appends the canonical bytes to out; their digest into *digest (may be NULL). ERR_TOO_LARGE above
 * MANIFEST_MAX_BYTES or out's maximum; ERR_INVALID for text that is not UTF-8 or a size beyond
 * 2^53. */
MUST_USE int manifest_write(const struct manifest *m, struct buf *out, struct digest *digest,
                            struct err *e);
/* What both writers end with: appends the canonical form of j (borrowed) to out, under the same
 * limits and errors; out is as before on failure. */
MUST_USE int manifest_put_document(const json_t *j, struct buf *out, struct digest *digest,
                                   struct err *e);
/* Reads {"k":"v"} with bounds: at most 256 members, keys 1-128 bytes, values up to 4096 bytes. With
 * decimals, each value must be a finite decimal number as text (JSON's grammar, 64 bytes) or a JSON
 * number; kept as text. NULL j gives an empty set. Sorted by key. ERR_INVALID with pointer. */
MUST_USE int pairs_from_json(const json_t *j, const char *at, bool decimals, struct arena *a,
                             struct pairs *out, struct err *e);
/* As manifest_write, for a statement. */
MUST_USE int statement_write(const struct statement *s, struct buf *out, struct digest *digest,
                             struct err *e);
/* Reads a stored statement: every member of the layout above, and no other. ERR_INVALID with
 * pointer; *out is then untouched. */
MUST_USE int statement_from_json(const json_t *j, struct arena *a, struct statement *out,
                                 struct err *e);

#endif
