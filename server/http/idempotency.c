/*
 * Keeps first replies in the database, by caller and key. Only successes are kept: a failed call
 * has changed nothing, so it may be corrected and sent again under the same key. Must not know
 * handlers. Runs on the worker of the request; running keys are a small list under one mutex.
 */
#include "idempotency.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "db_access.h"

#define KEY_MAX_BYTES 128
#define KEPT_BODY_MAX_BYTES ((size_t)1 << 20)
#define KEEP_MS (INT64_C(24) * 3600 * 1000)

struct running {
    struct running *next;
    char actor[32];
    char key[KEY_MAX_BYTES + 1];
};

struct idempotency {
    struct store *store;
    pthread_mutex_t lock;
    struct running *running; /* as many as requests with keys run now */
};

struct idempotency *idempotency_new(struct store *store)
{
    struct idempotency *i = mem_alloc(sizeof *i);
    i->store = store;
    pthread_mutex_init(&i->lock, NULL);
    return i;
}

void idempotency_free(struct idempotency *i)
{
    if (!i)
        return;
    pthread_mutex_destroy(&i->lock);
    free(i);
}

static struct running **find(struct idempotency *i, const char *actor, const char *key)
{
    struct running **at = &i->running;
    while (*at && (strcmp((*at)->actor, actor) != 0 || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

static bool enter(struct idempotency *i, const char *actor, const char *key)
{
    struct running *mine = mem_alloc(sizeof *mine);
    snprintf(mine->actor, sizeof mine->actor, "%s", actor);
    snprintf(mine->key, sizeof mine->key, "%s", key);
    pthread_mutex_lock(&i->lock);
    bool is_free = !*find(i, actor, key);
    if (is_free) {
        mine->next = i->running;
        i->running = mine;
    }
    pthread_mutex_unlock(&i->lock);
    if (!is_free)
        free(mine);
    return is_free;
}

static void leave(struct idempotency *i, const char *actor, const char *key)
{
    pthread_mutex_lock(&i->lock);
    struct running **at = find(i, actor, key);
    struct running *mine = *at;
    if (mine)
        *at = mine->next;
    pthread_mutex_unlock(&i->lock);
    free(mine);
}

/* Method, path, query and body: what "the same request" means. */
static void request_digest(const struct request *rq, const struct buf *body, struct digest *out)
{
    struct digest_ctx *c CLEANUP(digest_free_ptr) = digest_new();
    char method = (char)rq->method;
    digest_add(c, &method, 1);
    digest_add(c, rq->path, strlen(rq->path) + 1);
    digest_add(c, rq->query, strlen(rq->query) + 1);
    digest_add(c, buf_str(body), body->len);
    digest_peek(c, out);
}

static int check_key(const char *key, struct err *e)
{
    size_t n = strlen(key);
    for (size_t k = 0; k < n; k++)
        if (key[k] < 0x20 || key[k] > 0x7e)
            n = 0;
    if (n < 1 || n > KEY_MAX_BYTES)
        return err_set(e, ERR_INVALID, "Idempotency-Key must be 1 to %d printable ASCII bytes",
                       KEY_MAX_BYTES);
    return 0;
}

static int replay(const struct db_replay *kept, struct reply *rp, struct err *e)
{
    bool has_body = kept->status != 204;
    if (has_body && !kept->body)
        return err_set(e, ERR_CONFLICT,
                       "this call has succeeded before under this "
                       "Idempotency-Key; its reply was not kept");
    rp->status = (int)kept->status;
    if (has_body)
        buf_puts(&rp->body, kept->body);
    reply_header(rp, "Idempotent-Replay", "true");
    return 0;
}

static int look(struct idempotency *i, const struct request *rq, const char *key,
                struct db_replay *kept, bool *found, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(i->store, &r, e);
    if (!rc)
        rc = db_replay_get(r.db, rq->caller.actor, key, rq->arena, kept, found, e);
    *found = !rc && *found && kept->ts > rq->now_ms - KEEP_MS;
    return rc;
}

int idempotency_begin(struct idempotency *i, const struct request *rq, const struct buf *body,
                      struct reply *rp, enum idempotency_answer *out, struct err *e)
{
    const char *key = request_header(rq, "Idempotency-Key");
    *out = IDEMPOTENCY_NONE;
    if (!key || rq->method == METHOD_GET)
        return 0;
    int rc = check_key(key, e);
    if (rc)
        return rc;
    if (!enter(i, rq->caller.actor, key))
        return err_set(e, ERR_CONFLICT,
                       "the first request under this Idempotency-Key is still "
                       "running; try again");
    struct db_replay kept = {0};
    struct digest mine;
    bool found = false;
    rc = look(i, rq, key, &kept, &found, e);
    if (!rc && !found) {
        *out = IDEMPOTENCY_RUN;
        return 0;
    }
    leave(i, rq->caller.actor, key);
    if (rc)
        return rc;
    request_digest(rq, body, &mine);
    if (!digest_equal(&mine, &kept.request))
        return err_set(e, ERR_CONFLICT, "this Idempotency-Key was used for another request");
    *out = IDEMPOTENCY_REPLAY;
    return replay(&kept, rp, e);
}

struct keep {
    const char *actor, *key;
    struct db_replay row;
};

static int keep_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    struct keep *k = ctx;
    return db_replay_put(tx_db(tx), k->actor, k->key, &k->row, e);
}

int idempotency_end(struct idempotency *i, const struct request *rq, const struct buf *body,
                    const struct reply *rp, struct err *e)
{
    struct keep k = {.actor = rq->caller.actor, .key = request_header(rq, "Idempotency-Key")};
    bool is_success = rp->status >= 200 && rp->status < 300;
    bool is_kept = !rp->is_secret && rp->body.len <= KEPT_BODY_MAX_BYTES && rp->status != 204;
    int rc = 0;
    if (is_success) {
        request_digest(rq, body, &k.row.request);
        k.row.status = rp->status;
        k.row.body = is_kept ? buf_str(&rp->body) : NULL;
        k.row.ts = rq->now_ms;
        rc = store_write(i->store, TX_WORK, keep_in_tx, &k, e);
    }
    leave(i, k.actor, k.key);
    return rc;
}

static int purge_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    return db_replay_purge(tx_db(tx), *(const int64_t *)ctx, e);
}

int idempotency_purge(struct idempotency *i, int64_t now_ms, struct err *e)
{
    int64_t before_ms = now_ms - KEEP_MS;
    return store_write(i->store, TX_WORK, purge_in_tx, &before_ms, e);
}
