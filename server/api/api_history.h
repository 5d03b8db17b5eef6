/*
 * What the handlers of the history share. Nobody else includes this.
 */
#ifndef MREG_API_HISTORY_H
#define MREG_API_HISTORY_H

#include "request.h"

/* True if the caller's token covers all models: such callers see everything. */
bool history_sees_all(const struct request *rq);
/* ERR_NOT_FOUND when the caller's globs do not cover the model, in the words for a missing one. */
MUST_USE int history_may_see(const struct request *rq, const char *model, struct err *e);

struct change_row;
/* True if the caller may see this row of the journal. */
bool history_may_see_row(const struct request *rq, const struct change_row *row);

route_handler api_events;                    /* api_events.c */
route_handler api_search;                    /* api_search.c */
route_handler api_changes, api_history_page; /* api_changes.c */
route_handler api_serving;                   /* api_serving.c */
route_handler api_repository;                /* api_repository.c */

#endif
