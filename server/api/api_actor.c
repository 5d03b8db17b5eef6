/*
 * The name of who did something, beside the id. Must not know what was done. Runs on the worker of
 * the request.
 */
#include "api_actor.h"

#include "db_account.h"

void actor_write(struct jsonw *w, const char *key, const char *actor, struct db *db,
                 struct arena *a)
{
    const char *name = NULL;

    if (actor == NULL)
        return;
    jsonw_str(w, key, actor);
    if (db_actor_name(db, actor, a, &name, NULL) == ERR_OK && name != NULL)
        jsonw_str(w, arena_printf(a, "%s_name", key), name);
}

void actor_add(json_t *doc, const char *key, struct db *db, struct arena *a)
{
    const char *actor = json_string_value(json_object_get(doc, key));
    const char *name = NULL;

    if (actor != NULL && db_actor_name(db, actor, a, &name, NULL) == ERR_OK && name != NULL)
        json_object_set_new(doc, arena_printf(a, "%s_name", key), json_string(name));
}
