/*
 * Rules of webhooks: who is told about which change, with which secrets. The only writer of their
 * records; each change is a row of the journal without any secret. What is then sent is the matter
 * of server/outbound. All functions are for any thread but the writer; wake the outbound thread
 * afterwards.
 */
#ifndef MREG_HOOKS_H
#define MREG_HOOKS_H

#include "commit_status.h"
#include "db_webhook.h"

#define HOOKS_MAX 100

struct hooks {
    struct store *store; /* borrowed, as data */
    const char *data;    /* data folder */
};
struct hook_change_by {
    const char *actor, *reason; /* reason may be NULL */
};
struct hook_spec {
    /* NULL: the default at creation, else unchanged. */
    const char *name, *url, *format, *environment, *models, *repository, *token;
    const json_t *kinds; /* array of globs */
    int enabled;         /* -1: unchanged */
    int64_t since;       /* send changes after this row (again); -1: not asked for */
};
/* What is shown once. */
struct hook_made {
    char id[32];
    char secret[WEBHOOK_TEXT_BYTES]; /* "" for commit statuses */
};

/* ERR_INVALID with a pointer; ERR_CONFLICT: there are HOOKS_MAX. */
MUST_USE int hooks_create(const struct hooks *h, const struct hook_change_by *by,
                          const struct hook_spec *spec, struct hook_made *made, struct err *e);
/* ERR_NOT_FOUND, ERR_INVALID. Disabling drops what is pending; enabling goes on with changes from
 * then, or after `since`. */
MUST_USE int hooks_update(const struct hooks *h, const struct hook_change_by *by, const char *id,
                          const struct hook_spec *spec, struct err *e);
MUST_USE int hooks_delete(const struct hooks *h, const struct hook_change_by *by, const char *id,
                          struct err *e);
/* A new secret and key pair; the old ones sign, too, for overlap_ms. ERR_CONFLICT: the format has
 * none, or somebody else changes them now. */
MUST_USE int hooks_rotate(const struct hooks *h, const struct hook_change_by *by, const char *id,
                          int64_t overlap_ms, struct hook_made *made, struct err *e);
/* By the server itself, which says why. A hook that is gone or disabled already is fine. */
MUST_USE int hooks_disable(const struct hooks *h, const char *id, const char *why, struct err *e);

/* Queue a test event, or a delivery of the log once more; *number is the new delivery's.
 * ERR_NOT_FOUND; ERR_CONFLICT: it is still pending, or the format knows no test. */
MUST_USE int hooks_ping(const struct hooks *h, const char *id, int64_t *number, struct err *e);
MUST_USE int hooks_redeliver(const struct hooks *h, const char *id, int64_t old, int64_t *number,
                             struct err *e);

#endif
