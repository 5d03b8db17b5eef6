/*
 * SQL of models, versions, files, aliases, annotations and signatures. Rows as plain data in the
 * caller's arena; no rules here: what may be done is decided in server/rules. All functions run on
 * the thread that uses the connection; those that write need the writer's connection (tx_db).
 * Besides the codes named, every function returns the errors of store.h.
 */
#ifndef MREG_DB_REGISTRY_H
#define MREG_DB_REGISTRY_H

#include "manifest.h"
#include "store.h"

struct named_number {
    const char *name;
    int64_t number;
};
struct named_numbers {
    struct named_number *items; /* in arena, in order of name */
    size_t n;
};
struct texts {
    const char **items; /* in arena */
    size_t n;
};

struct model_row {
    int64_t model_id, next_number;
    const char *name, *description;
    int64_t created_seq, created_ms, updated_ms;
    int64_t deleted_ms; /* 0: lives */
    int64_t latest;     /* highest number that lives, 0: none */
    int64_t n_versions; /* that live */
    struct pairs tags;
    struct named_numbers aliases; /* without those of environments */
    struct named_numbers live;    /* environment -> number */
};
struct version_row {
    int64_t model_id, number;
    const char *model; /* filled by the rules */
    struct digest content, statement;
    const char *format, *description, *created_by;
    const char *creator; /* name of who created_by is; NULL: it has none */
    int64_t size_bytes, n_files, created_seq, created_ms;
    int64_t deleted_ms; /* 0: lives */
    struct texts aliases, live;
    struct pairs tags, metrics, params, lineage;
    struct manifest_file *files; /* NULL in lists */
};
struct alias_row {
    const char *alias, *set_by;
    int64_t number, set_ms;
};
struct model_page {
    struct model_row *items;
    size_t n;
    const char *next; /* name to go on after, NULL at the end */
};
struct version_page {
    struct version_row *items;
    size_t n;
    int64_t next; /* number to go on below, 0 at the end */
};
/* Asks for models: those above `after`, starting with `prefix`, that `see` accepts. */
struct model_query {
    const char *prefix, *after; /* "" for none */
    int64_t limit;
    bool (*see)(const char *globs, const char *model);
    const char *globs;
    bool is_bare; /* also deleted ones, and of all the records alone */
};

/* Adds to a growing list in arena; the strings are borrowed. */
void named_add(struct named_numbers *list, struct arena *a, const char *name, int64_t number);
void texts_add(struct texts *list, struct arena *a, const char *text);

/* --- models (db_model.c) --- */
/* The record alone, also of a deleted model. */
MUST_USE int db_model_find(struct db *db, const char *name, struct arena *a, struct model_row *out,
                           bool *found, struct err *e);
/* Fills latest, n_versions, tags, aliases and live of a record. */
MUST_USE int db_model_fill(struct db *db, struct arena *a, struct model_row *m, struct err *e);
/* A page in order of name, filled. At most 10,000 models are looked at, so a page can be short. */
MUST_USE int db_model_page(struct db *db, const struct model_query *q, struct arena *a,
                           struct model_page *out, struct err *e);
/* Names that `see` accepts and that start with `prefix`: at most 100, in arena, NULL-terminated. */
MUST_USE int db_model_names(struct db *db, const struct model_query *q, struct arena *a,
                            const char ***out, struct err *e);
/* Inserts the record, or brings a deleted one back; numbers go on. Uses name, description,
 * created_seq, created_ms of m and fills model_id. */
MUST_USE int db_model_insert(struct db *db, struct model_row *m, struct err *e);
MUST_USE int db_model_describe(struct db *db, int64_t model_id, const char *description,
                               struct err *e);
MUST_USE int db_model_touch(struct db *db, int64_t model_id, int64_t ms, struct err *e);
MUST_USE int db_model_set_next(struct db *db, int64_t model_id, int64_t next, struct err *e);
/* Tombstones the model and its versions, drops aliases and the model's tags. */
MUST_USE int db_model_tombstone(struct db *db, int64_t model_id, int64_t ms, struct err *e);
/* Name of an environment where the model (number 0) or that version is live or rolled out right
 * now, in arena; NULL when there is none. */
MUST_USE int db_model_used_by(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                              const char **env, struct err *e);
MUST_USE int db_env_exists(struct db *db, const char *name, bool *yes, struct err *e);

/* --- versions (db_version.c) --- */
/* The record alone, also of a deleted version. */
MUST_USE int db_version_find(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                             struct version_row *out, bool *found, struct err *e);
/* A moment as a journal row and its time; INT64_MAX both: now. A tombstone lived before its time.
 */
struct moment {
    int64_t seq, ms;
};
/* Newest version of the model with this content that lived then; *number is 0 when there is none.
 */
MUST_USE int db_version_by_content(struct db *db, int64_t model_id, const struct digest *content,
                                   struct moment at, int64_t *number, struct err *e);
/* Newest version that lived then; 0 when there is none. */
MUST_USE int db_version_newest(struct db *db, int64_t model_id, struct moment at, int64_t *number,
                               struct err *e);
MUST_USE int db_version_count(struct db *db, int64_t model_id, struct moment at, int64_t *n,
                              struct err *e);
/* Fills aliases, live and the annotations of a record; and the files. */
MUST_USE int db_version_fill(struct db *db, struct arena *a, struct version_row *v, struct err *e);
MUST_USE int db_version_files(struct db *db, struct arena *a, struct version_row *v, struct err *e);
/* Living versions below `below`, newest first, filled but for params, lineage and files. */
MUST_USE int db_version_page(struct db *db, int64_t model_id, int64_t below, int64_t limit,
                             struct arena *a, struct version_page *out, struct err *e);
MUST_USE int db_version_insert(struct db *db, const struct version_row *v, struct err *e);
MUST_USE int db_version_insert_file(struct db *db, const struct version_row *v,
                                    const struct manifest_file *f, struct err *e);
MUST_USE int db_version_describe(struct db *db, const struct version_row *v,
                                 const char *description, struct err *e);
MUST_USE int db_version_tombstone(struct db *db, const struct version_row *v, int64_t ms,
                                  struct err *e);
/* One file of a version. */
MUST_USE int db_version_file(struct db *db, const struct version_row *v, const char *path,
                             struct manifest_file *out, bool *found, struct err *e);
/* True if a living version of a model that q->see accepts has the blob. */
MUST_USE int db_blob_seen(struct db *db, const struct model_query *q, const struct digest *d,
                          bool *yes, struct err *e);

/* Model of an upload, in arena; NULL when there is no such upload. */
MUST_USE int db_upload_model(struct db *db, const char *upload_id, struct arena *a,
                             const char **model, struct err *e);

/* --- annotations, aliases, signatures, documents (db_annotation.c) --- */
struct annotation {
    int64_t model_id, number; /* number 0: the model */
    const char *kind, *source;
    int64_t ms;
};
/* Sets (or, for a tag, with value "" removes) one value. */
MUST_USE int db_annotation_set(struct db *db, const struct annotation *n, const struct pair *p,
                               struct err *e);
/* Values of one kind, in order of key; source NULL: all, "later": only those set after the push. */
MUST_USE int db_annotation_pairs(struct db *db, const struct annotation *n, struct arena *a,
                                 struct pairs *out, struct err *e);
MUST_USE int db_alias_find(struct db *db, int64_t model_id, const char *alias, int64_t *number,
                           struct err *e); /* 0: none */
MUST_USE int db_alias_list(struct db *db, int64_t model_id, struct arena *a, struct alias_row **out,
                           size_t *n, struct err *e);
/* One alias that points at the number, in arena; NULL when there is none. */
MUST_USE int db_alias_of(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                         const char **alias, struct err *e);
MUST_USE int db_alias_set(struct db *db, int64_t model_id, const struct alias_row *row, int64_t seq,
                          struct err *e);
MUST_USE int db_alias_delete(struct db *db, int64_t model_id, const char *alias, struct err *e);
struct signature_row {
    struct digest digest;
    const char *name_space, *key_id, *armor;
};
MUST_USE int db_signature_put(struct db *db, const struct signature_row *s, struct err *e);
/* Newest armor over the digest in the namespace, in arena; NULL when there is none. */
MUST_USE int db_signature_get(struct db *db, const struct digest *d, const char *name_space,
                              struct arena *a, const char **armor, struct err *e);
/* Bytes of a stored document, in arena. ERR_CORRUPT when it is missing. */
MUST_USE int db_document(struct db *db, const struct digest *d, struct arena *a, const char **bytes,
                         size_t *n, struct err *e);
/* Documents below a folder of the history ("models/.../aliases/") as of seq: calls `each`. */
typedef int document_fn(void *ctx, const char *path, const char *bytes, size_t n, struct err *e);
MUST_USE int db_documents_at(struct db *db, const char *folder, int64_t seq, document_fn *each,
                             void *ctx, struct err *e);
/* First path below a folder that ever had a document and comes after `after` (itself such a path,
 * or
 * ""); in arena, NULL when there is none. */
MUST_USE int db_path_next(struct db *db, const char *folder, const char *after, struct arena *a,
                          const char **path, struct err *e);
/* Time of a journal row; and of the newest row about `object` until seq (0 when none). */
MUST_USE int db_seq_ms(struct db *db, int64_t seq, int64_t *ms, struct err *e);
MUST_USE int db_object_ms(struct db *db, const char *object, int64_t seq, int64_t *ms,
                          struct err *e);

#endif
