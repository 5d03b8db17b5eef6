/*
 * The journal: one append-only, gapless row per change, written in the transaction of the change,
 * with the documents (canonical JSON) that the change wrote or deleted. Git history, event feed
 * and "as of" queries read nothing else.
 */
#ifndef MREG_JOURNAL_H
#define MREG_JOURNAL_H

#include "json.h"
#include "store.h"

/* The closed list of kinds; the text form is frozen ("model.create"). */
enum journal_kind {
    JOURNAL_REGISTRY_INIT,
    JOURNAL_REGISTRY_KEY, /* a key was added, retired or revoked */
    JOURNAL_MODEL_CREATE,
    JOURNAL_MODEL_UPDATE, /* description, tags */
    JOURNAL_MODEL_DELETE,
    JOURNAL_VERSION_PUBLISH,
    JOURNAL_VERSION_ANNOTATE, /* description, tags, later metrics, another lineage */
    JOURNAL_VERSION_DELETE,
    JOURNAL_ALIAS_SET,
    JOURNAL_ALIAS_DELETE,
    JOURNAL_ENV_CREATE,
    JOURNAL_ENV_UPDATE,
    JOURNAL_ENV_DELETE,
    JOURNAL_NODE_CREATE,
    JOURNAL_NODE_UPDATE,
    JOURNAL_NODE_DELETE,
    JOURNAL_NODE_SERVES, /* what a node serves changed, or it is unobserved since */
    JOURNAL_TARGET_SET,
    JOURNAL_TARGET_DELETE,
    JOURNAL_ROLLOUT_SUBMIT,
    JOURNAL_ROLLOUT_COMMAND,
    JOURNAL_ROLLOUT_MOVE, /* phase or step changed */
    JOURNAL_ROLLOUT_END,  /* terminal phase; moves the environment's alias when it succeeded */
    JOURNAL_TOKEN_CREATE,
    JOURNAL_TOKEN_REVOKE,
    JOURNAL_NODE_REGISTER, /* a node entered itself */
    JOURNAL_NODE_LEAVE,    /* it left, or its lease ended */
    JOURNAL_NODE_CORDON,   /* cordoned or drained */
    JOURNAL_NODE_UNCORDON,
    JOURNAL_NODE_RESTART, /* another process is behind it while it served */
    JOURNAL_NODE_ADOPT,   /* what it serves already was taken over */
    JOURNAL_WEBHOOK_CREATE,
    JOURNAL_WEBHOOK_UPDATE, /* by somebody, or disabled by the server itself */
    JOURNAL_WEBHOOK_DELETE,
    JOURNAL_ROLLOUT_OVERRIDE, /* it passes over something from now on */
    JOURNAL_TARGET_QUEUE,     /* order changed, one taken out, or started by hand */
    JOURNAL_TARGET_RELEASE,   /* a version left the quarantine */
    JOURNAL_TARGET_FREEZE,    /* of one model in one environment */
    JOURNAL_TARGET_UNFREEZE,
    JOURNAL_ENV_FREEZE, /* object "*": all environments */
    JOURNAL_ENV_UNFREEZE,
    JOURNAL_ENV_STOP, /* stop-the-line */
    JOURNAL_ENV_RESUME,
    JOURNAL_USER_CREATE,
    JOURNAL_USER_UPDATE, /* role, models, password or subject */
    JOURNAL_USER_DELETE,
    JOURNAL_ROUTER_CREATE,
    JOURNAL_ROUTER_UPDATE,
    JOURNAL_ROUTER_DELETE,
    JOURNAL_ROLLOUT_TOGETHER, /* a set was submitted; object: its first rollout */
    JOURNAL_KIND_COUNT
};
const char *journal_kind_name(enum journal_kind kind);

struct journal_doc {
    const char *path;  /* in the history's tree; see journal_path_* */
    const void *bytes; /* canonical JSON; NULL deletes the path */
    size_t n;
};
struct journal_entry {
    enum journal_kind kind;
    const char *actor;   /* opaque id: "t-12", or "mregd" for the server itself */
    const char *object;  /* model name, "env/node", "r-55" ... */
    const char *reason;  /* why, given by the actor; may be NULL */
    const char *message; /* one line: what happened */
    const struct journal_doc *docs;
    size_t n_docs; /* 1..64 */
};
/* Appends the row, its documents and the "as of" index inside tx (a TX_FACT); *seq is its number.
 * ERR_INVALID: a document is not canonical JSON, a path is none of layout 1 or there twice, or a
 * text is too long or holds control characters (reason may hold newlines and tabs). */
MUST_USE int journal_append(struct tx *tx, const struct journal_entry *entry, int64_t *seq,
                            struct err *e);
/* As above with one document given as a json_t (borrowed), made canonical here. */
MUST_USE int journal_append_json(struct tx *tx, const struct journal_entry *entry, const char *path,
                                 const json_t *doc, int64_t *seq, struct err *e);

/* The number that the next journal_append in this transaction will get: public ids are a prefix and
 * the creating seq ("r-55"), and the documents of the row carry them. On the writer, inside tx. */
MUST_USE int journal_next_seq(struct tx *tx, int64_t *seq, struct err *e);

/* Paths of documents in the history, in arena. Sharded by name_shard, folders by name_folder. */
char *journal_path_model(struct arena *a, const char *model); /* models/a/3/f/<f>/model.json */
char *journal_path_version(struct arena *a, const char *model, int64_t number,
                           const char *file); /* models/.../versions/<n>/<file> */
char *journal_path_alias(struct arena *a, const char *model, const char *alias);
char *journal_path_registry(struct arena *a);             /* registry.json: id, domain, keys */
char *journal_path_env(struct arena *a, const char *env); /* environments/<f>/environment.json */
/* environments/<f>/nodes/<shard>/<node>.json, .../serving/..., .../targets/<shard>/<model>.json */
char *journal_path_node(struct arena *a, const char *env, const char *node);
char *journal_path_serving(struct arena *a, const char *env, const char *node);
char *journal_path_router(struct arena *a, const char *env, const char *router);
char *journal_path_target(struct arena *a, const char *env, const char *model);
char *journal_path_rollout(struct arena *a, const char *rollout); /* rollouts/<shard>/r-5.json */
char *journal_path_user(struct arena *a, const char *user);       /* users/u-12.json */
char *journal_path_token(struct arena *a, const char *token);     /* tokens/t-12.json */
char *journal_path_freeze(struct arena *a, const char *freeze);   /* freezes/f-12.json */
char *journal_path_webhook(struct arena *a, const char *hook);    /* webhooks/h-12.json */

/* Last sequence number whose time is <= ms, 0 if none. */
MUST_USE int journal_seq_at(struct db *db, int64_t ms, int64_t *seq, struct err *e);
/* Document at `path` as of seq (INT64_MAX: now); *bytes in arena; ERR_NOT_FOUND. */
MUST_USE int journal_doc_at(struct db *db, const char *path, int64_t seq, struct arena *a,
                            const char **bytes, size_t *n, struct err *e);

#endif
