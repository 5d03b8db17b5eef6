/*
 * What the files of the fleet's rules share. Nobody else includes this.
 */
#ifndef MREG_FLEET_INNER_H
#define MREG_FLEET_INNER_H

#include "fleet.h"
#include "rollout.h"

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
#define FLEET_MAX_DOCS 64
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
/* Takes a rollout that waits out of its queue, with the journal row; `how` as in "rejected". */
MUST_USE int queue_take_out(struct tx *tx, struct fleet_edit *ed, const char *id, const char *how,
                            struct err *e);
/* Inside a tx: records a command for a rollout, with its journal row (fleet_command.c). */
struct rollout_order;
MUST_USE int fleet_put_command(struct tx *tx, struct fleet_edit *ed,
                               const struct rollout_order *order, struct err *e);
/* As above without a row of its own: the caller's row takes the rollout's document. */
MUST_USE int fleet_note_command(struct tx *tx, struct fleet_edit *ed,
                                const struct rollout_order *order, struct fleet_row *row,
                                struct err *e);
/* A rollout that finds another one active: what becomes of both, and of those that wait
 * (fleet_newcomer.c). Its record is there already, not active. Documents go to row; text says in
 * words what was done. ERR_CONFLICT: the policy rejects it, or too many wait. */
struct newcomer {
    const char *id, *active;
    const struct policy *policy;
    int64_t target_id, to;
    bool is_hotfix, is_in_set;
};
MUST_USE int newcomer_enqueue(struct tx *tx, struct fleet_edit *ed, const struct newcomer *who,
                              struct fleet_row *row, char text[ROLLOUT_TEXT_BYTES], struct err *e);
/* Whether a set may be submitted to this target: ERR_CONFLICT, it would start before another one
 * that waits in a queue that stands. */
MUST_USE int newcomer_check_set(struct db *db, const struct target_row *t, struct arena *a,
                                struct err *e);
/* ERR_CONFLICT that names the active rollout. */
MUST_USE int newcomer_refuse(struct db *db, struct arena *a, const char *active, struct err *e);
/* Raises the policy of a rollout to what its environment and target demand (fleet_guard.c). */
MUST_USE int fleet_keep_guards(const struct target_row *t, struct policy *p, struct err *e);
/* The document of a target. Caller owns it. */
MUST_USE int fleet_target_doc(const struct target_row *t, json_t **out, struct err *e);

/* ERR_NOT_FOUND: no node or router (`what`) of that name, with the nearest of the names there
 * (NULL-terminated). */
struct fleet_missing {
    const char *what, *name, *env;
};
MUST_USE int fleet_no_such(const struct fleet_missing *m, const char *const *names, struct err *e);
/* ERR_CONFLICT while the environment has routers (fleet_router.c). */
MUST_USE int fleet_no_routers(struct db *db, const struct env_row *v, struct arena *a,
                              struct err *e);

/* --- nodes: fleet_node_check.c, fleet_node.c --- */
/* The folder's real path, in arena. Looks at the file system: not on the writer. */
MUST_USE int fleet_node_root(const char *root, struct arena *a, const char **out, struct err *e);
/* True if path is folder or lies below it. */
bool fleet_path_inside(const char *path, const char *folder);
/* ERR_CONFLICT if another node's root overlaps with v->root. */
MUST_USE int fleet_node_root_free(struct db *db, const struct node_row *v, struct arena *a,
                                  struct err *e);
/* Puts the spec over *v and checks it; a root was checked before. */
MUST_USE int fleet_node_apply(const struct node_spec *spec, struct arena *a, struct node_row *v,
                              struct err *e);
/* A whole new record, checked; strings in a or borrowed. Not on the writer. */
MUST_USE int fleet_node_new(const struct node_spec *spec, struct arena *a, struct node_row *out,
                            struct err *e);
/* True if the two say the same, but for times and cordons. */
bool fleet_node_same(const struct node_row *a, const struct node_row *b);
/* Inserts *v, filling in env_id, node_id and the times. ERR_NOT_FOUND (environment), ERR_CONFLICT
 * (root). Inside a tx, as all below. */
MUST_USE int fleet_node_enter(struct tx *tx, struct fleet_edit *ed, struct node_row *v,
                              struct err *e);
/* The journal row with the record's document. */
MUST_USE int fleet_node_write(struct tx *tx, struct fleet_edit *ed, const struct node_row *v,
                              enum journal_kind kind, const char *message, struct err *e);
/* Deletes the record, what was seen of it and its documents, with the journal row. */
MUST_USE int fleet_node_drop(struct tx *tx, struct fleet_edit *ed, const struct node_row *v,
                             enum journal_kind kind, const char *message, struct err *e);

/* --- fleet_approval.c --- */
/* Refuses an approval by who may not give it: ERR_CONFLICT, ERR_FORBIDDEN. */
MUST_USE int approval_check(struct db *db, struct fleet_edit *ed, const struct rollout_record *r,
                            const struct rollout_status *status, struct err *e);

/* --- fleet_server_name.c --- */
struct router_row;
/* ERR_CONFLICT if routers would take the node (env, env_id, node_id, labels; node_id 0: a new one)
 * for another one of its environment; or if a router, as it will be, would take two for one. */
MUST_USE int fleet_server_of_node(struct db *db, const struct node_row *v, struct arena *a,
                                  struct err *e);
MUST_USE int fleet_server_of_router(struct db *db, const struct router_row *v, struct arena *a,
                                    struct err *e);

#endif
