/*
 * The route table. Each topic file ends with its rows; api.c joins them.
 */
#ifndef MREG_API_H
#define MREG_API_H

#include "request.h"

/* Rows of one topic; each ends with a row whose handler is NULL. */
extern const struct route api_access_routes[];
extern const struct route api_models_routes[];
extern const struct route api_uploads_routes[];
extern const struct route api_history_routes[];
extern const struct route api_fleet_routes[];
extern const struct route api_nodes_routes[];
extern const struct route api_routers_routes[];
extern const struct route api_rollouts_routes[];
extern const struct route api_analysis_routes[];
extern const struct route api_queue_routes[];
extern const struct route api_freezes_routes[];
extern const struct route api_webhooks_routes[];
extern const struct route api_session_routes[];
extern const struct route api_oidc_routes[];
extern const struct route api_storage_routes[];
extern const struct route api_settings_routes[];
extern const struct route api_summary_routes[];

/* All of them, for router_new; ends with NULL. */
extern const struct route *const api_tables[];

#endif
