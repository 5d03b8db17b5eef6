/*
 * Finding things by part of a name, for the dashboard's search box and `mreg search`.
 */
#ifndef MREG_DB_SEARCH_H
#define MREG_DB_SEARCH_H

#include "store.h"

struct search_hit {
    const char
        *kind; /* "model", "version", "alias", "node", "environment", "rollout", "token", "user" */
    const char *name;        /* in arena, as are the others */
    const char *model;       /* of a version, an alias, a rollout; else NULL */
    const char *environment; /* of a node, a rollout; else NULL */
    const char *text;        /* more words, or NULL */
    int64_t version;         /* 0: none */
};
struct search_hits {
    struct search_hit *rows; /* in arena */
    size_t n;
    struct arena *arena;
};
/* What is looked for; NULL: not asked for. Texts are lower-case. */
struct search_query {
    const char *word;   /* part of a name, or the start of a rollout's id */
    const char *env;    /* exact */
    const char *state;  /* phase of rollouts, exact */
    const char *by;     /* actor of rollouts, the id or the name, exact */
    const char *digest; /* 8 to 64 hex digits: start of a content digest */
    int64_t limit;      /* of each kind */
    bool sees_roles;    /* tokens and people come with their role and "revoked" */
    /* False: rows about this model are as if they were not there. NULL: all are seen. */
    bool (*may_see)(const void *self, const char *model);
    const void *self; /* borrowed */
};

/* Each appends at most q->limit hits of one kind. Any reader. */
MUST_USE int db_search_models(struct db *db, const struct search_query *q, struct search_hits *out,
                              struct err *e);
MUST_USE int db_search_aliases(struct db *db, const struct search_query *q, struct search_hits *out,
                               struct err *e);
MUST_USE int db_search_nodes(struct db *db, const struct search_query *q, struct search_hits *out,
                             struct err *e);
MUST_USE int db_search_environments(struct db *db, const struct search_query *q,
                                    struct search_hits *out, struct err *e);
/* Tokens and people by name or id. */
MUST_USE int db_search_actors(struct db *db, const struct search_query *q, struct search_hits *out,
                              struct err *e);
MUST_USE int db_search_rollouts(struct db *db, const struct search_query *q,
                                struct search_hits *out, struct err *e);
MUST_USE int db_search_digests(struct db *db, const struct search_query *q, struct search_hits *out,
                               struct err *e);

#endif
