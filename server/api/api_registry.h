/*
 * What the handlers of models, versions and uploads share: reading scopes, JSON of the registry's
 * records, cursors. Nobody else includes this.
 */
#ifndef MREG_API_REGISTRY_H
#define MREG_API_REGISTRY_H

#include "app.h"
#include "registry.h"
#include "request.h"

/* A snapshot with the caller's eyes. */
struct look {
    struct reader reader;
    struct registry_scope scope;
};
/* Opens it as of now. End with look_end (CLEANUP). */
MUST_USE int look_begin(struct request *rq, struct look *l, struct err *e);
/* As above, as of the ?at= parameter. */
MUST_USE int look_begin_at(struct request *rq, struct look *l, struct err *e);
void look_end(struct look *l);

/* What the rules need, from the process's handles. */
struct registry registry_of(const struct request *rq);
/* The change of {model} by the caller; the reason is the body's, or ?reason= without a body.
 * ERR_NOT_FOUND when the caller may not see the model or it does not exist. */
MUST_USE int change_begin(struct request *rq, struct registry_change *c, struct err *e);
/* As above for {model}/{ref}: the number of the living version. */
MUST_USE int change_begin_version(struct request *rq, struct registry_change *c, int64_t *number,
                                  struct err *e);
/* Optional description, at most 10,000 bytes, or NULL. */
MUST_USE int read_description(const json_t *body, const char **text, struct err *e);

/* Cursors: base64url of a key. *key is "" without a cursor. ERR_INVALID. */
MUST_USE int cursor_read(struct request *rq, int64_t *limit, const char **key, struct err *e);
void cursor_write(struct request *rq, struct jsonw *w, const char *key);

void write_model(struct jsonw *w, const struct model_row *m);
/* is_whole: with files, params and lineage. The object is left open for more members. */
void write_version(struct jsonw *w, const struct version_row *v, bool is_whole);
/* Answers {model} or a version as it is now. */
MUST_USE int reply_model(struct request *rq, struct reply *rp, const char *model, struct err *e);
MUST_USE int reply_version(struct request *rq, struct reply *rp, const char *model, int64_t number,
                           struct err *e);
/* Gives the body an ETag by its bytes, and checks that it fitted. */
MUST_USE int reply_etag(struct request *rq, struct reply *rp, struct err *e);

route_handler api_version_list, api_version_get, api_version_patch, api_version_delete;
route_handler api_manifest, api_manifest_sig, api_statement, api_statement_sig, api_file;
route_handler api_alias_list, api_alias_put, api_alias_delete;

#endif
