/*
 * What remote.c and remote_transfer.c share. Nobody else includes this. Handles of libcurl are void
 * pointers here, so that its header stays in those two files.
 */
#ifndef MREG_REMOTE_INNER_H
#define MREG_REMOTE_INNER_H

#include "remote.h"

/* URL, limits and headers (a curl_slist) of a CURL handle. */
void remote_prepare(const struct remote *r, void *curl, const char *path, void *headers);
/* "Authorization: Bearer ..." or NULL. */
const char *remote_authorization(const struct remote *r);
/* libcurl's write function that fills a struct buf. */
size_t remote_on_answer(char *bytes, size_t size, size_t n, void *user);
/* An answer of 300 and up as an error; keeps its request id. */
MUST_USE int remote_problem(struct remote *r, const struct buf *answer, long status, struct err *e);
/* A CURLcode that is not CURLE_OK as an error. */
MUST_USE int remote_transport_error(const struct remote *r, int curl_code, struct err *e);

#endif
