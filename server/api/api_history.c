/*
 * The route rows of everything about the past (feed, history pages, "what served then", the
 * repository), and whose eyes look at it. Runs on the worker of the request.
 */
#include "api_history.h"

#include <string.h>

#include "registry.h"

extern const struct route api_history_routes[];

bool history_sees_all(const struct request *rq)
{
    return strcmp(rq->caller.models, "*") == 0;
}

int history_may_see(const struct request *rq, const char *model, struct err *e)
{
    if (registry_may_see(rq->caller.models, model))
        return ERR_OK;
    return err_set(e, ERR_NOT_FOUND, "no model \"%.120s\"", model);
}

const struct route api_history_routes[] = {
    {METHOD_GET, "/api/v1/changes", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_changes,
     "the feed of changes, oldest first"},
    {METHOD_GET, "/api/v1/events", PERM_READ, BODY_NONE, WORK_STREAM, 0, api_events,
     "the feed of changes as server-sent events"},
    {METHOD_GET, "/api/v1/search", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_search,
     "find models, versions, aliases, nodes, environments, rollouts, tokens and people"},
    {METHOD_GET, "/api/v1/history", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_history_page,
     "changes, newest first, of a model or an environment"},
    {METHOD_GET, "/api/v1/serving", PERM_READ, BODY_NONE, WORK_HEAVY, 0, api_serving,
     "what each node serves, or served at a time"},
    {METHOD_GET, "/history.git/{path...}", PERM_READ, BODY_NONE, WORK_DOWNLOAD, 0, api_repository,
     "the history as a git repository, for git clone"},
    {0},
};
