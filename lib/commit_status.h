/*
 * A rollout as the status of a commit on GitHub, GitLab or Gitea: which call with which body says
 * it. Pure; any thread.
 */
#ifndef MREG_COMMIT_STATUS_H
#define MREG_COMMIT_STATUS_H

#include "http.h"
#include "webhook.h"

enum hook_format { HOOK_STANDARD, HOOK_GITHUB, HOOK_GITLAB, HOOK_GITEA, HOOK_FORMAT_COUNT };
/* NULL-terminated list, for errors and did-you-mean. */
const char *const *hook_format_names(void);
/* False if the name is unknown; *out is then untouched. */
bool hook_format_by_name(const char *name, enum hook_format *out);

/* "owner/name" of what a lineage calls its repository: a path, or any URL that git takes. In arena;
 * NULL when there are fewer than two parts or odd letters. */
char *commit_repository(const char *text, struct arena *a);
/* True for a whole commit id (40 or 64 hex digits). */
bool commit_id_ok(const char *text);

struct commit_status {
    enum hook_format format; /* not HOOK_STANDARD */
    const char *base_url;    /* of the API, as in the hook */
    const char *repository;  /* from commit_repository */
    const char *commit;
    const char *token;
    const struct webhook_event *event; /* of a rollout, with its document */
};
/* Fills method, url, headers and body of a call; all of it in arena. ERR_INVALID: the repository
 * has not the parts that the format needs, or the event has no rollout. */
MUST_USE int commit_status_call(const struct commit_status *s, struct arena *a,
                                struct http_call *call, struct err *e);
/* True if an answer that is no success means that the status is already what it should be. */
bool commit_status_is_settled(enum hook_format format, int status, const char *body);

#endif
