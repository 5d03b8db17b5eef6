/*
 * What the handlers of past environments, nodes and rollouts share: documents of the journal as the
 * API shows them. Only what the journal keeps is answered; member "unknown" of such an answer names
 * what it does not keep. Nobody else includes this.
 */
#ifndef MREG_API_THEN_H
#define MREG_API_THEN_H

#include "api_fleet.h"

/* True if the look is of the past: opened with look_begin_at and ?at=. */
bool look_is_past(const struct look *l);
/* The document at path as of the look. Caller owns *out; NULL when there was none. */
MUST_USE int then_document(const struct look *l, const char *path, json_t **out, struct err *e);
/* Writes j (borrowed) as member or item. */
void then_write(struct jsonw *w, const char *key, const json_t *j);
/* Value of member "unknown"; names end with NULL. Caller owns it. */
json_t *then_unknown(const char *const *names);
/* Answers a list: items that are written by the caller between begin and end. */
void then_list_begin(struct reply *rp, struct jsonw *w);
void then_list_end(struct jsonw *w, const char *const *unknown);
/* Answers doc (borrowed, changed) with member "unknown". */
MUST_USE int then_reply(struct request *rq, struct reply *rp, json_t *doc,
                        const char *const *unknown, struct err *e);
/* ERR_NOT_FOUND unless there was an environment of that name. */
MUST_USE int then_env_check(const struct look *l, const char *env, struct err *e);

/* Answers in place of the handlers of the same resource as it is now. */
MUST_USE int then_envs(struct request *rq, struct reply *rp, const struct look *l, struct err *e);
MUST_USE int then_env(struct request *rq, struct reply *rp, struct err *e);
MUST_USE int then_nodes(struct request *rq, struct reply *rp, const struct look *l,
                        const struct node_pick *pick, struct err *e);
MUST_USE int then_node(struct request *rq, struct reply *rp, struct err *e);
MUST_USE int then_rollouts(struct request *rq, struct reply *rp, const struct look *l,
                           const struct rollout_query *query, struct err *e);
MUST_USE int then_rollout(struct request *rq, struct reply *rp, struct err *e);

#endif
