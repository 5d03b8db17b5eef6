/*
 * The dashboard: files embedded in the binary, or a plain page where none are.
 */
#ifndef MREG_WEB_H
#define MREG_WEB_H

#include "embed.h"
#include "request.h"

struct web;

/* files: table that ends with name NULL (borrowed). Computes the ETags. */
struct web *web_new(const struct embed_file *files);
void web_free(struct web *w);
/* True when there is no dashboard in the binary: the plain page then needs a caller who may read.
 */
bool web_is_plain(const struct web *w);
/* Fills rp with the file for rq->path: index.html for paths without an extension, because the
 * dashboard routes them itself. ERR_NOT_FOUND. */
MUST_USE int web_reply(const struct web *w, struct request *rq, struct reply *rp, struct err *e);

#endif
