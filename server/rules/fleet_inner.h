/*
 * What the files of the fleet's rules share. Nobody else includes this.
 */
#ifndef MREG_FLEET_INNER_H
#define MREG_FLEET_INNER_H

#include "fleet.h"

/* One change: a TX_FACT whose fn works on this; the arena lives for one run of the fn. */
struct fleet_edit {
    const struct fleet_change *c;
    struct arena arena;
    bool is_nothing; /* set by the fn: nothing to change, no row, success */
    const void *spec;
    int (*fn)(struct tx *tx, struct fleet_edit *ed, struct err *e);
};
/* Runs fn in a transaction. */
MUST_USE int fleet_edit_run(struct store *s, struct fleet_edit *ed, struct err *e);
/* A change's journal row about `object` over docs, at most FLEET_MAX_DOCS. */
#define FLEET_MAX_DOCS 4
struct fleet_row {
    enum journal_kind kind;
    const char *object, *message;
    struct journal_doc docs[FLEET_MAX_DOCS];
    size_t n_docs;
};
/* Adds a document; doc (owned by the caller) NULL deletes the path. */
MUST_USE int fleet_row_add(struct fleet_row *row, struct arena *a, const char *path,
                           const json_t *doc, struct err *e);
MUST_USE int fleet_row_append(struct tx *tx, struct fleet_edit *ed, const struct fleet_row *row,
                              int64_t *seq, struct err *e);
/* JSON text as it is stored in a column, in arena; j NULL: "{}". ERR_INVALID: it holds floats or
 * nulls, or is too long. */
MUST_USE int fleet_json_text(const json_t *j, struct arena *a, const char **out, struct err *e);
/* A stored column as JSON; caller owns it. */
MUST_USE int fleet_json_read(const char *text, json_t **out, struct err *e);
/* ERR_INVALID with a pointer below /policy unless the policy (NULL: fine) can be read. */
MUST_USE int fleet_check_policy(const json_t *policy, const char *at, struct err *e);
/* Inside a tx: the target, created when it is not there yet (its document is added to row). */
struct target_wish {
    const struct env_row *env;
    const char *model;
    int64_t model_id;
    const char *serve_as; /* or NULL */
    int64_t seq;          /* of the journal row that will be written */
};
MUST_USE int fleet_target_need(struct tx *tx, struct fleet_edit *ed, const struct target_wish *wish,
                               struct target_row *out, bool *created, struct err *e);
/* The document of a target. Caller owns it. */
MUST_USE int fleet_target_doc(const struct target_row *t, json_t **out, struct err *e);

#endif
