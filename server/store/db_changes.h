/*
 * Queries behind the event feed and the history pages. Each gives row numbers in order, a page at a
 * time by keyset, from an index; db_change reads one row with what belongs to it.
 */
#ifndef MREG_DB_CHANGES_H
#define MREG_DB_CHANGES_H

#include "store.h"

/* Row numbers collected from several queries. */
struct seq_list {
    int64_t *seqs; /* in arena */
    size_t n;
    struct arena *arena;
};

struct change_row {
    int64_t seq, ts;
    const char *actor, *kind, *object, *message; /* in arena */
    const char *reason, *commit_id;              /* NULL when there is none */
    const char *model; /* of a rollout's row: the rollout's model; else NULL */
};
/* One row. ERR_NOT_FOUND. */
MUST_USE int db_change(struct db *db, int64_t seq, struct arena *a, struct change_row *out,
                       struct err *e);

/* Rows after seq, ascending; kind and object may be NULL (at most one of them is used by index, the
 * caller filters by the other). Appends at most `limit`. */
MUST_USE int db_changes_after(struct db *db, int64_t seq, const char *kind, const char *object,
                              int64_t limit, struct seq_list *out, struct err *e);
/* A bound on rows for what follows: newest first, only seq < before, at most limit. */
struct seq_page {
    int64_t before, limit;
};
MUST_USE int db_changes_before(struct db *db, const struct seq_page *page, struct seq_list *out,
                               struct err *e);
/* Rows about a model itself, its versions and aliases. */
MUST_USE int db_changes_of_model(struct db *db, const char *model, const struct seq_page *page,
                                 struct seq_list *out, struct err *e);
/* Rows about a target (object "env/model"). */
MUST_USE int db_changes_of_target(struct db *db, const char *object, const struct seq_page *page,
                                  struct seq_list *out, struct err *e);
/* Rows of the rollouts of a target, which never overlap in time. */
MUST_USE int db_changes_of_rollouts(struct db *db, int64_t target_id, const struct seq_page *page,
                                    struct seq_list *out, struct err *e);
/* Rows of one kind whose object is env or "env/...". */
MUST_USE int db_changes_in_env(struct db *db, const char *env, const char *kind,
                               const struct seq_page *page, struct seq_list *out, struct err *e);
/* Rows of one kind about rollouts into an environment. */
MUST_USE int db_changes_of_env_rollouts(struct db *db, int64_t env_id, const char *kind,
                                        const struct seq_page *page, struct seq_list *out,
                                        struct err *e);

/* Id of an environment; 0 when there is none of that name. */
MUST_USE int db_env_id(struct db *db, const char *env, int64_t *id, struct err *e);

struct target_ref {
    int64_t target_id;
    const char *env; /* in arena */
};
/* Environments that a model is in, in arena. */
MUST_USE int db_targets_of_model(struct db *db, const char *model, struct arena *a,
                                 struct target_ref **out, size_t *n, struct err *e);

#endif
