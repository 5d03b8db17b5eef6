/*
 * People and tokens in answers: their id, and the name beside it.
 */
#ifndef MREG_API_ACTOR_H
#define MREG_API_ACTOR_H

#include <jansson.h>

#include "jsonw.h"
#include "store.h"

/* Writes member `key` (the id) and `key`_name, if it has a name; nothing for NULL. A name that
 * cannot be read is left out. On the worker of the request. */
void actor_write(struct jsonw *w, const char *key, const char *actor, struct db *db,
                 struct arena *a);

/* The same for a document that has member `key`: adds `key`_name. */
void actor_add(json_t *doc, const char *key, struct db *db, struct arena *a);

#endif
