/*
 * THE route table: the topics' rows, joined. A row says who may call, what body is read, how much,
 * and which class of work it is; authorisation, limits, metrics and the listing follow from it.
 * Must not know how requests arrive. Read-only data.
 */
#include "api.h"

#include <stddef.h>

const struct route *const api_tables[] = {
    api_access_routes,
    api_models_routes,
    api_uploads_routes,
    api_history_routes,
    api_fleet_routes,
    api_rollouts_routes,
    NULL,
};
