/*
 * What the files of the registry share: documents as canonical JSON, and the steps of a change.
 * Nobody else includes this.
 */
#ifndef MREG_REGISTRY_INNER_H
#define MREG_REGISTRY_INNER_H

#include "registry.h"

#define REGISTRY_MAX_DOCS 64

/* The documents of one journal row while they are made. Paths in arena, bytes in bufs. */
struct doc_set {
    struct journal_doc docs[REGISTRY_MAX_DOCS];
    size_t n;
};
/* Adds canonical bytes (borrowed; NULL deletes the path). ERR_CONFLICT when there are too many. */
MUST_USE int doc_set_add(struct doc_set *set, const char *path, const void *bytes, size_t n,
                         struct err *e);
/* Adds j (borrowed) in canonical form, the bytes in arena. */
MUST_USE int doc_set_add_json(struct doc_set *set, struct arena *a, const char *path,
                              const json_t *j, struct err *e);
/* model.json of the record as it will be (name, description, tags, created_ms, deleted_ms). */
MUST_USE int doc_set_add_model(struct doc_set *set, struct arena *a, const struct model_row *m,
                               struct err *e);
/* annotations.json of a version, read from what the tx sees: description, tags, and what was set
 * after the push. Nothing is added when there is nothing to say and no document before. */
MUST_USE int doc_set_add_annotations(struct doc_set *set, struct db *db, struct arena *a,
                                     const struct version_row *v, struct err *e);

/* One change: a TX_FACT whose fn works on this. Set up by change_run for each run of the fn. */
struct change {
    const struct registry *r;
    const struct registry_change *c;
    struct arena arena; /* lives for one run of the fn */
    struct doc_set docs;
    struct model_row model; /* found and living when the fn is called */
    bool is_nothing;        /* set by the fn: nothing to change, no row */
    int (*fn)(struct tx *tx, struct change *ch, void *ctx, struct err *e);
    void *ctx;
};
/* Runs fn in a transaction with the living model loaded (ERR_NOT_FOUND otherwise). */
MUST_USE int change_run(struct change *ch, struct err *e);
/* Appends the row over ch->docs about the model, and touches the model's time. */
MUST_USE int change_journal(struct tx *tx, struct change *ch, enum journal_kind kind,
                            const char *message, struct err *e);
/* Loads a living model, with its tags. ERR_NOT_FOUND. */
MUST_USE int change_load_model(struct db *db, const char *name, struct arena *a,
                               struct model_row *out, struct err *e);
/* Loads a living version with annotations. ERR_NOT_FOUND. */
MUST_USE int change_load_version(struct db *db, const struct model_row *m, int64_t number,
                                 struct arena *a, struct version_row *out, struct err *e);
/* ERR_CONFLICT when the alias belongs to an environment; ERR_INVALID its name. */
MUST_USE int change_check_alias(struct db *db, const char *alias, struct err *e);
/* Sets the values that differ; *n counts them. ERR_TOO_LARGE over 256 of one kind. */
MUST_USE int change_set_pairs(struct db *db, const struct annotation *as, const struct pairs *p,
                              struct arena *a, size_t *n, struct err *e);
/* Moves the alias and adds its document. */
MUST_USE int change_move_alias(struct tx *tx, struct change *ch, const char *alias, int64_t number,
                               struct err *e);

/* As of a row (registry_asof.c): tags, description, aliases, live, times. */
MUST_USE int asof_model(const struct registry_scope *s, struct model_row *m, struct err *e);
/* Fills latest and n_versions of the model. */
MUST_USE int asof_counts(const struct registry_scope *s, const struct moment *at,
                         struct model_row *m, struct err *e);
/* A page of the models that lived then, as registry_list_models. */
MUST_USE int asof_models(const struct registry_scope *s, struct model_query *q,
                         struct model_page *out, struct err *e);
/* A page of the versions of the model that lived then, newest first. */
struct version_bound {
    int64_t below, limit; /* below 0: from the newest on */
};
MUST_USE int asof_versions(const struct registry_scope *s, const struct model_row *m,
                           const struct version_bound *bound, struct version_page *out,
                           struct err *e);
MUST_USE int asof_version(const struct registry_scope *s, struct version_row *v, struct err *e);
/* Where an alias pointed, 0: nowhere. */
MUST_USE int asof_alias(const struct registry_scope *s, const char *model, const char *alias,
                        int64_t *number, struct err *e);
/* The moment of scope->seq. */
MUST_USE int asof_moment(const struct registry_scope *s, struct moment *at, struct err *e);
/* A set of texts from an object of a stored document. */
json_t *pairs_to_json(const struct pairs *p);

#endif
