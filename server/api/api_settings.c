/*
 * The handler that tells the settings that the server runs with. No setting is a secret: secrets
 * are in files, and the settings name these. Words of HTTP only. Runs on the worker of the request.
 */
#include "api.h"
#include "app.h"
#include "config.h"

static int get_settings(struct request *rq, struct reply *rp, struct err *e)
{
    struct config_row row;
    struct jsonw w;
    (void)e;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; config_row(rq->app->config, i, &row); i++) {
        jsonw_object(&w, NULL);
        jsonw_str(&w, "name", row.name);
        jsonw_str(&w, "value", row.value);
        jsonw_bool(&w, "default", row.is_default);
        if (!row.is_default)
            jsonw_str(&w, "origin", row.origin);
        jsonw_bool(&w, "reloadable", row.is_reloadable);
        jsonw_str(&w, "help", row.help);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return 0;
}

const struct route api_settings_routes[] = {
    {METHOD_GET, "/api/v1/settings", PERM_AUDIT, BODY_NONE, WORK_LIGHT, 0, get_settings,
     "The settings that the server runs with, and where each comes from"},
    {.handler = NULL},
};
