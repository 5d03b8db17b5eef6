/*
 * Rules of models, versions and aliases: the only writer of their facts. Reads return plain data
 * in the caller's arena. Handlers translate; nothing here knows HTTP.
 */
#ifndef MREG_REGISTRY_H
#define MREG_REGISTRY_H

#include "blob.h"
#include "db_registry.h"
#include "journal.h"
#include "manifest.h"
#include "name.h"
#include "seal.h"

/* What the rules need of the process. Borrowed handles. */
struct registry {
    struct store *store;
    struct blobs *blobs;
    const struct seal_key *identity;
    const char *registry_id, *domain;
};

struct registry_publish {
    const char *upload_id, *actor, *reason; /* reason and description may be NULL */
    const char *description;
    struct pairs metrics, params, lineage, tags;
    const char *aliases[16];
    size_t n_aliases;
    bool force_new_version;
};
struct published {
    int64_t number;
    bool is_already; /* the model had this content: nothing new was made */
    char model[NAME_MAX_BYTES * 2 + 2];
};
/* Turns a complete upload into a version: finishes the files, signs manifest and statement, and in
 * one transaction creates the model if needed, takes the next number, writes facts, documents and
 * the journal row. What else is given for content that the model has already is kept as annotations
 * of that version. Errors as upload_finish_file; ERR_CONFLICT parts missing, or an alias is named
 * like an environment. Not on the writer thread. */
MUST_USE int registry_publish(const struct registry *r, const struct registry_publish *in,
                              struct published *out, struct err *e);

/* Forgets an upload; its bytes go with the next sweep. */
MUST_USE int registry_abandon(const struct registry *r, const char *upload_id, struct err *e);

/* Resolves model + reference to a number inside an open snapshot (or a tx). *model_id may be NULL.
 * ERR_NOT_FOUND with a did-you-mean, also for deleted things; ERR_INVALID the reference is none.
 * Used by fleet, handlers and the controller. */
MUST_USE int registry_resolve(struct db *db, const char *model, const char *ref, int64_t *model_id,
                              int64_t *number, struct err *e);
/* Manifest of a version, also of a deleted one, from its stored document. */
MUST_USE int registry_manifest(struct db *db, const char *model, int64_t number, struct arena *a,
                               struct manifest *out, struct err *e);
/* Sets alias inside somebody's transaction, without a journal row of its own; *doc_path (in arena)
 * and the canonical document in doc (reset first) are for the caller's journal row, which must
 * follow in the same tx. Used by publish, by alias changes and by the end of a rollout (which alone
 * may move an environment's alias). ERR_NOT_FOUND no such living version. */
MUST_USE int registry_move_alias(struct tx *tx, int64_t model_id, const char *model,
                                 const char *alias, int64_t number, const char *actor,
                                 struct arena *a, const char **doc_path, struct buf *doc,
                                 struct err *e);

/* --- reading: what is, or what was at a journal row --- */

/* Who reads what. globs: the caller's models, comma-separated ("fraud,risk-?", "*" for
 * all): models outside do not exist. seq: INT64_MAX for now. */
struct registry_scope {
    struct db *db;
    const char *globs;
    int64_t seq;
    struct arena *arena; /* all results live here */
};
/* True if one of the comma-separated globs matches the model. */
bool registry_may_see(const char *globs, const char *model);
/* As registry_resolve, but suggests and finds only what the scope may see; as of scope->seq. The
 * record of the version is in *out; `with_deleted` accepts tombstones by number or digest. */
MUST_USE int registry_find(const struct registry_scope *s, const char *model, const char *ref,
                           bool with_deleted, struct version_row *out, struct err *e);
/* ERR_NOT_FOUND with a did-you-mean. */
MUST_USE int registry_get_model(const struct registry_scope *s, const char *model,
                                struct model_row *out, struct err *e);
/* The version with everything that is known of it, files included. */
MUST_USE int registry_get_version(const struct registry_scope *s, const char *model,
                                  const char *ref, struct version_row *out, struct err *e);
/* Pages, models as of the scope and the rest of what is now. prefix, after: "" for none; below: 0
 * for none. */
MUST_USE int registry_list_models(const struct registry_scope *s, const char *prefix,
                                  const char *after, int64_t limit, struct model_page *out,
                                  struct err *e);
MUST_USE int registry_list_versions(const struct registry_scope *s, const char *model,
                                    int64_t below, int64_t limit, struct version_page *out,
                                    struct err *e);
MUST_USE int registry_list_aliases(const struct registry_scope *s, const char *model,
                                   struct alias_row **out, size_t *n, struct err *e);
/* One file of a living version. ERR_NOT_FOUND with a did-you-mean. */
MUST_USE int registry_file(const struct registry_scope *s, const struct version_row *v,
                           const char *path, struct manifest_file *out, struct err *e);
/* ERR_NOT_FOUND unless the upload is there and for a model that the scope may see; cheap. */
MUST_USE int registry_check_upload(const struct registry_scope *s, const char *upload_id,
                                   struct err *e);
/* For uploads: fills have of files that the scope may read already. */
MUST_USE int registry_mark_have(const struct registry_scope *s, struct upload_file *files, size_t n,
                                struct err *e);

/* --- changes: each one transaction with one journal row, or none when nothing changes --- */
struct registry_change {
    const char *model, *actor, *reason; /* reason may be NULL */
};
/* description NULL keeps it; a tag with value "" goes. Metrics are for versions only. */
struct registry_edit {
    const char *description;
    struct pairs tags, metrics;
};
/* *created is false when the model was there (nothing is changed then). ERR_INVALID the name. */
MUST_USE int registry_create_model(const struct registry *r, const struct registry_change *c,
                                   const struct registry_edit *edit, bool *created, struct err *e);
MUST_USE int registry_update_model(const struct registry *r, const struct registry_change *c,
                                   const struct registry_edit *edit, struct err *e);
/* ERR_CONFLICT while live or rolled out somewhere. */
MUST_USE int registry_delete_model(const struct registry *r, const struct registry_change *c,
                                   struct err *e);
MUST_USE int registry_update_version(const struct registry *r, const struct registry_change *c,
                                     int64_t number, const struct registry_edit *edit,
                                     struct err *e);
/* ERR_CONFLICT while an alias or an environment points at it. */
MUST_USE int registry_delete_version(const struct registry *r, const struct registry_change *c,
                                     int64_t number, struct err *e);
/* number: where to; expected: where it must point before, 0 for nowhere, -1 for do not care;
 * *previous: where it pointed, 0 for nowhere. ERR_CONFLICT: it points elsewhere (message says
 * where), or the alias is an environment's. */
struct alias_move {
    const char *alias;
    int64_t number, expected;
};
MUST_USE int registry_set_alias(const struct registry *r, const struct registry_change *c,
                                const struct alias_move *move, int64_t *previous, struct err *e);
MUST_USE int registry_delete_alias(const struct registry *r, const struct registry_change *c,
                                   const char *alias, struct err *e);

#endif
