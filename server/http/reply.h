/*
 * From a struct reply to bytes: problem documents, conditions, ranges, the header block.
 */
#ifndef MREG_REPLY_H
#define MREG_REPLY_H

#include "guard.h"
#include "request.h"

#define REPLY_MAX_BYTES ((size_t)16 << 20)

void reply_init(struct reply *rp);
/* Closes the file and frees the body. */
void reply_clear(struct reply *rp);
/* Replaces whatever the reply holds by an error document with the status of e's code, or `status`
 * when it is not 0. request_id may be NULL. */
void reply_problem(struct reply *rp, const struct err *e, int status, const char *request_id);

/* One byte range of a representation of `size` bytes. */
enum range_kind {
    RANGE_WHOLE, /* no range, several, or not understood: send everything with 200 */
    RANGE_PART,  /* send bytes first..last with 206 */
    RANGE_NONE   /* 416 */
};
struct range {
    enum range_kind kind;
    int64_t first, last; /* inclusive; of RANGE_PART */
};
/* Reads a Range field (RFC 9110 §14; NULL: none). Pure. */
void range_parse(const char *field, int64_t size, struct range *out);

/* True if an If-None-Match list (or "*") names the etag, by weak comparison. Pure. */
bool etag_matches(const char *list, const char *etag);

/* What the answer depends on besides the reply itself. */
struct reply_context {
    const struct head *head;
    const char *request_id;
    const char *date; /* IMF-fixdate */
    bool is_head;     /* no body is sent, its length is */
    bool is_old;      /* HTTP/1.0 */
    bool keeps_alive;
};
/* Applies If-None-Match and Range: may turn status to 304, 206 or 416 and says which bytes of the
 * body or file are to be sent. Call once before reply_write_head. */
void reply_conditions(struct reply *rp, const struct reply_context *cx, struct range *part);
/* Appends status line and fields to out; length is that of the body as it would be sent. */
void reply_write_head(const struct reply *rp, const struct reply_context *cx,
                      const struct range *part, struct buf *out);
/* Bytes of the body under `part`. */
int64_t reply_length(const struct reply *rp, const struct range *part);
/* "Not Found"; constant text for any status. */
const char *reply_reason(int status);

#endif
