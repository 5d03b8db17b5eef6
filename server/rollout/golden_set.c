/*
 * The golden requests of a version: its files golden/<name>.json as texts, read once per rollout.
 * Must not know what is in them; the driver does. Controller's thread only.
 */
#include <string.h>

#include "controller_inner.h"
#include "log.h"
#include "registry.h"

#define MAX_GOLDEN 64
#define MAX_GOLDEN_BYTES ((size_t)1 << 20)

void golden_set_clear(struct golden_set *g)
{
    arena_clear(&g->arena);
    *g = (struct golden_set){0};
}

static bool is_golden(const char *path)
{
    static const char folder[] = "golden/";
    size_t n = strlen(path);
    return strncmp(path, folder, sizeof folder - 1) == 0 && n > 5 &&
           strcmp(path + n - 5, ".json") == 0;
}

static int load_texts(struct controller *c, struct db *db, const char *model, struct golden_set *g,
                      struct err *e)
{
    struct manifest m;
    int rc = registry_manifest(db, model, g->number, &g->arena, &m, e);
    if (rc != ERR_OK)
        return rc;
    g->texts = arena_alloc(&g->arena, MAX_GOLDEN * sizeof g->texts[0]);
    for (size_t i = 0; i < m.n_files && g->n < MAX_GOLDEN; i++) {
        const char *bytes = NULL;
        size_t n = 0;
        if (!is_golden(m.files[i].path))
            continue;
        rc = blob_read(c->o.blobs, &m.files[i].sha256, MAX_GOLDEN_BYTES, &g->arena, &bytes, &n, e);
        if (rc != ERR_OK)
            return rc;
        g->texts[g->n++] = arena_copy(&g->arena, bytes, n);
    }
    return ERR_OK;
}

void golden_set_load(struct controller *c, struct db *db, struct target *t, int64_t number)
{
    struct err e;
    golden_set_clear(&t->golden);
    t->golden.number = number;
    if (c->o.blobs == NULL)
        return;
    if (load_texts(c, db, t->model, &t->golden, &e) == ERR_OK)
        return;
    log_err(LOG_ERROR, "golden", &e);
    golden_set_clear(&t->golden);
    t->golden.number = number;
    t->golden.n = -1;
}
