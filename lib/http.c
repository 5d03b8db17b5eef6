/*
 * The life of an HTTP answer as data. Does no I/O and knows no client library. Any thread.
 */
#include "http.h"

#include <stdlib.h>
#include <string.h>

void http_answer_clear(struct http_answer *a)
{
    if (a == NULL)
        return;
    free(a->body);
    memset(a, 0, sizeof(*a));
    a->outcome = HTTP_NOT_SENT;
}
