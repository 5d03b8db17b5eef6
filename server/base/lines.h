/*
 * One exchange of text with a service that answers and closes, over a unix or TCP socket.
 */
#ifndef MREG_LINES_H
#define MREG_LINES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "http.h"

#define LINES_DEFAULT_TIMEOUT_MS 5000

/* Connects, sends the text, reads until the service closes. Waits for call->timeout_ms at most, and
 * not beyond until_ms (wall clock); gives up soon after *stops (NULL: never) is set. *out: cleared
 * with http_answer_clear; outcome HTTP_ANSWERED with the body, HTTP_NOT_SENT or HTTP_UNKNOWN with
 * detail. Blocks: for threads of one's own. */
void lines_run(const struct lines_call *call, int64_t until_ms, const atomic_bool *stops,
               struct http_answer *out);

#endif
