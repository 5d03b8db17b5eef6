/*
 * THE route table: the topics' rows, joined. A row says who may call, what body is read, how much,
 * and which class of work it is; authorisation, limits, metrics and the listing follow from it.
 * Must not know how requests arrive. Read-only data.
 */
#include "api.h"

#include <stddef.h>

const struct route *const api_tables[] = {
    api_access_routes,  api_session_routes,  api_oidc_routes,
    api_models_routes,  api_uploads_routes,  api_history_routes,
    api_fleet_routes,   api_summary_routes,  api_nodes_routes,
    api_routers_routes, api_rollouts_routes, api_analysis_routes,
    api_queue_routes,   api_freezes_routes,  api_webhooks_routes,
    api_storage_routes, api_settings_routes, NULL,
};
