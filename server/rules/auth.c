/*
 * Who is asking: tokens are looked up by their keyed hash, through a small cache; roles are sets of
 * permissions. Writes tokens as facts with a journal row. Must not know HTTP. Any thread; the cache
 * and the list of last uses have one mutex.
 */
#include "auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "auth_throttle.h"
#include "db_access.h"
#include "name.h"
#include "seal.h"
#include "utf8.h"
#include "when.h"

#define CACHE_ROWS 512
#define CACHE_MS INT64_C(30000) /* how long a hash is trusted without looking again */
#define MAX_PENDING 1024
#define SECRET_LETTERS 30
#define CHECK_LETTERS 6
#define TOKEN_LETTERS (4 + SECRET_LETTERS + CHECK_LETTERS)

struct known {
    struct digest hash;
    struct caller caller;
    int64_t until_ms;   /* 0: empty row */
    int64_t expires_ms; /* of the token; 0: never */
};

struct use {
    char id[32];
    int64_t ms;
};

struct auth {
    struct store *store;
    uint8_t pepper[32];
    struct throttle *throttle;
    pthread_mutex_t lock; /* guards all below */
    struct known cache[CACHE_ROWS];
    uint64_t generation; /* rises with auth_forget: a lookup that began before is not cached */
    struct use pending[MAX_PENDING];
    size_t n_pending;
};

struct auth *auth_new(struct store *store, const uint8_t pepper[32])
{
    struct auth *a = mem_alloc(sizeof *a);
    a->store = store;
    memcpy(a->pepper, pepper, sizeof a->pepper);
    a->throttle = throttle_new();
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    throttle_free(a->throttle);
    pthread_mutex_destroy(&a->lock);
    explicit_bzero(a->pepper, sizeof a->pepper);
    free(a);
}

/* ---- the token's text ---- */

/* CRC-32 as of zlib, bit by bit: 30 letters need no table. */
static uint32_t crc32_of(const char *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

/* Six base62 digits, most significant first, zero-padded. */
static void write_check(const char *secret, char out[CHECK_LETTERS])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t crc = crc32_of(secret, SECRET_LETTERS);
    for (int i = CHECK_LETTERS - 1; i >= 0; i--, crc /= 62)
        out[i] = digits[crc % 62];
}

static void make_token(char token[AUTH_TOKEN_BYTES])
{
    memcpy(token, "mrg_", 4);
    seal_random_base62(token + 4, SECRET_LETTERS);
    write_check(token + 4, token + 4 + SECRET_LETTERS);
    token[TOKEN_LETTERS] = 0;
}

bool auth_token_ok(const char *token)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (strnlen(token, TOKEN_LETTERS + 1) != TOKEN_LETTERS || strncmp(token, "mrg_", 4) != 0)
        return false;
    if (strspn(token + 4, letters) != SECRET_LETTERS + CHECK_LETTERS)
        return false;
    char check[CHECK_LETTERS];
    write_check(token + 4, check);
    return memcmp(check, token + 4 + SECRET_LETTERS, CHECK_LETTERS) == 0;
}

/* ---- identifying ---- */

static struct known *cache_row(struct auth *a, const struct digest *hash)
{
    return &a->cache[(hash->b[0] | hash->b[1] << 8) % CACHE_ROWS];
}

static void remember_use(struct auth *a, const char *id, int64_t now_ms)
{
    for (size_t i = 0; i < a->n_pending; i++) {
        if (strcmp(a->pending[i].id, id) != 0)
            continue;
        a->pending[i].ms = now_ms;
        return;
    }
    if (a->n_pending == MAX_PENDING)
        return; /* the next flush makes room; a lost last-used time hurts nobody */
    struct use *u = &a->pending[a->n_pending++];
    snprintf(u->id, sizeof u->id, "%s", id);
    u->ms = now_ms;
}

static bool cache_find(struct auth *a, const struct digest *hash, int64_t now_ms,
                       struct caller *out, uint64_t *generation)
{
    pthread_mutex_lock(&a->lock);
    struct known *k = cache_row(a, hash);
    bool is_known = k->until_ms > now_ms && k->until_ms - now_ms <= CACHE_MS &&
                    digest_equal(&k->hash, hash) && (!k->expires_ms || k->expires_ms > now_ms);
    if (is_known) {
        *out = k->caller;
        remember_use(a, out->actor, now_ms);
    }
    *generation = a->generation;
    pthread_mutex_unlock(&a->lock);
    return is_known;
}

static void cache_put(struct auth *a, const struct known *k, uint64_t generation, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    if (a->generation == generation)
        *cache_row(a, &k->hash) = *k;
    remember_use(a, k->caller.actor, now_ms);
    pthread_mutex_unlock(&a->lock);
}

static int lookup(struct auth *a, const struct digest *hash, int64_t now_ms, struct known *out,
                  struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct db_token t;
    int rc = reader_begin(a->store, &r, e);
    if (!rc)
        rc = db_token_by_hash(r.db, hash, &arena, &t, e);
    if (rc)
        return rc;
    if (t.revoked_ms || (t.expires_ms && t.expires_ms <= now_ms))
        return err_set(e, ERR_NOT_FOUND, "expired or revoked");
    struct caller *c = &out->caller;
    if (!auth_role(t.role, c->may))
        return err_set(e, ERR_NOT_FOUND, "unknown role");
    out->hash = *hash;
    out->until_ms = now_ms + CACHE_MS;
    out->expires_ms = t.expires_ms;
    snprintf(c->actor, sizeof c->actor, "%s", t.id);
    snprintf(c->name, sizeof c->name, "%s", t.name);
    snprintf(c->role, sizeof c->role, "%s", t.role);
    snprintf(c->models, sizeof c->models, "%s", t.models);
    snprintf(c->environment, sizeof c->environment, "%s", t.environment ? t.environment : "");
    snprintf(c->root, sizeof c->root, "%s", t.root ? t.root : "");
    return 0;
}

static int refuse_token(struct auth *a, const char *remote, int64_t now_ms, struct err *e)
{
    throttle_bad(a->throttle, remote, now_ms);
    return err_set(e, ERR_UNAUTHENTICATED, "this token is not valid");
}

void auth_count_guess(struct auth *a, const char *remote, int64_t now_ms)
{
    throttle_bad(a->throttle, remote, now_ms);
}

int64_t auth_retry_after_ms(struct auth *a, const char *remote, int64_t now_ms)
{
    return throttle_wait_ms(a->throttle, remote, now_ms);
}

int auth_identify(struct auth *a, const char *token, const char *remote, int64_t now_ms,
                  struct caller *out, struct err *e)
{
    struct known found = {0};
    struct digest hash;
    uint64_t generation = 0;
    if (!token)
        return err_set(e, ERR_UNAUTHENTICATED,
                       "this call needs a token: Authorization: Bearer mrg_...");
    bool has_form = auth_token_ok(token);
    if (has_form) {
        seal_token_hash(token, a->pepper, hash.b);
        /* A holder of a good token is let in even from an address that others guess from. */
        if (cache_find(a, &hash, now_ms, out, &generation))
            return 0;
    }
    int64_t wait_ms = throttle_wait_ms(a->throttle, remote, now_ms);
    if (wait_ms)
        return err_set(e, ERR_THROTTLED, "too many bad tokens from this address; wait %lld s",
                       (long long)((wait_ms + 999) / 1000));
    if (!has_form)
        return refuse_token(a, remote, now_ms, e);
    int rc = lookup(a, &hash, now_ms, &found, e);
    if (rc == ERR_NOT_FOUND)
        return refuse_token(a, remote, now_ms, e);
    if (rc)
        return rc;
    cache_put(a, &found, generation, now_ms);
    *out = found.caller;
    return 0;
}

void auth_forget(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    a->generation++;
    memset(a->cache, 0, sizeof a->cache);
    pthread_mutex_unlock(&a->lock);
}

struct flush {
    struct use *uses;
    size_t n;
};

static int flush_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    const struct flush *f = ctx;
    int rc = 0;
    for (size_t i = 0; i < f->n && !rc; i++)
        rc = db_token_used(tx_db(tx), f->uses[i].id, f->uses[i].ms, e);
    return rc;
}

int auth_flush(struct auth *a, struct err *e)
{
    struct flush f = {0};
    pthread_mutex_lock(&a->lock);
    f.n = a->n_pending;
    f.uses = mem_alloc((f.n + 1) * sizeof *f.uses);
    memcpy(f.uses, a->pending, f.n * sizeof *f.uses);
    a->n_pending = 0;
    pthread_mutex_unlock(&a->lock);
    int rc = f.n ? store_write(a->store, TX_WORK, flush_in_tx, &f, e) : 0;
    free(f.uses);
    return rc;
}

/* ---- creating and revoking ---- */

int auth_check_models(const char *models, struct err *e)
{
    size_t n = strlen(models);
    if (n == 0 || n >= sizeof((struct caller *)0)->models)
        return err_at(e, ERR_INVALID, "/models", "models must have 1 to %d bytes",
                      (int)sizeof((struct caller *)0)->models - 1);
    size_t at = utf8_plain(models, n);
    if (at < n)
        return err_at(e, ERR_INVALID, "/models",
                      "models holds a control character, or is no UTF-8, at byte %zu", at + 1);
    return 0;
}

/* Who registers nodes makes this server call them and write into their roots. */
static int check_scope(const struct auth_grant *g, struct err *e)
{
    bool is_node = strcmp(g->role, "node") == 0;
    const struct caller *c = NULL;
    if (!is_node && (g->environment || g->root))
        return err_at(e, ERR_INVALID, g->environment ? "/environment" : "/root",
                      "only a token of role node has an environment and a root");
    if (!is_node)
        return 0;
    if (!g->environment || !*g->environment || strlen(g->environment) >= sizeof c->environment)
        return err_at(e, ERR_INVALID, "/environment",
                      "a token of role node needs the environment of its nodes");
    if (!g->root || g->root[0] != '/' || !g->root[1] || strlen(g->root) >= sizeof c->root)
        return err_at(e, ERR_INVALID, "/root",
                      "a token of role node needs the absolute path of the folder in which the "
                      "roots of its nodes lie");
    return 0;
}

static int check_grant(const struct auth_grant *g, struct err *e)
{
    bool may[PERM_COUNT];
    if (!auth_role(g->role, may))
        return err_at(
            e, ERR_INVALID, "/role",
            "no role \"%.40s\"; roles are reader, pusher, deployer, approver, auditor, admin, node",
            g->role);
    int rc = name_check("token name", g->name, e);
    if (!rc && strlen(g->name) >= sizeof((struct caller *)0)->name)
        rc = err_set(e, ERR_INVALID, "a token's name has at most 63 bytes");
    if (rc)
        snprintf(e->pointer, sizeof e->pointer, "/name");
    if (!rc)
        rc = check_scope(g, e);
    return rc ? rc : auth_check_models(g->models, e);
}

/* The document never holds the secret, its hash or its hint. */
static json_t *token_document(const struct db_token *t)
{
    char when[WHEN_TEXT_BYTES];
    json_t *doc = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "kind", "mreg.token", "schema",
                            1, "id", t->id, "name", t->name, "role", t->role, "models", t->models,
                            "created_by", t->created_by);
    json_object_set_new(doc, "created", json_string(when_format(t->created_ms, when)));
    if (t->expires_ms)
        json_object_set_new(doc, "expires", json_string(when_format(t->expires_ms, when)));
    if (t->environment)
        json_object_set_new(doc, "environment", json_string(t->environment));
    if (t->root)
        json_object_set_new(doc, "root", json_string(t->root));
    return doc;
}

struct creation {
    const struct auth_grant *grant;
    struct digest hash;
    char hint[5];
    char id[32];
};

static int create_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    struct creation *c = ctx;
    struct arena arena CLEANUP(arena_clear) = {0};
    int64_t seq = 0;
    int rc = journal_next_seq(tx, &seq, e);
    if (rc)
        return rc;
    snprintf(c->id, sizeof c->id, "t-%lld", (long long)seq);
    struct db_token t = {.id = c->id,
                         .name = c->grant->name,
                         .hint = c->hint,
                         .role = c->grant->role,
                         .models = c->grant->models,
                         .environment = c->grant->environment,
                         .root = c->grant->root,
                         .created_by = c->grant->actor,
                         .created_ms = tx_now_ms(tx),
                         .expires_ms = c->grant->expires_ms};
    rc = db_token_insert(tx_db(tx), &t, &c->hash, e);
    if (rc)
        return rc;
    json_t *doc CLEANUP(json_decref_ptr) = token_document(&t);
    struct journal_entry entry = {
        .kind = JOURNAL_TOKEN_CREATE,
        .actor = t.created_by,
        .object = c->id,
        .reason = c->grant->reason,
        .message = arena_printf(&arena, "token %s (%s) for %s", c->id, t.role, t.name)};
    return journal_append_json(tx, &entry, journal_path_token(&arena, c->id), doc, &seq, e);
}

int auth_create(struct auth *a, const struct auth_grant *grant, char token[AUTH_TOKEN_BYTES],
                char id[32], struct err *e)
{
    int rc = check_grant(grant, e);
    if (rc)
        return rc;
    char text[AUTH_TOKEN_BYTES];
    make_token(text);
    struct creation c = {.grant = grant};
    seal_token_hash(text, a->pepper, c.hash.b);
    memcpy(c.hint, text + TOKEN_LETTERS - 4, 4);
    rc = store_write(a->store, TX_FACT, create_in_tx, &c, e);
    if (!rc) {
        memcpy(token, text, sizeof text);
        memcpy(id, c.id, sizeof c.id);
    }
    explicit_bzero(text, sizeof text);
    return rc;
}

struct revocation {
    const char *id, *actor, *reason;
    bool is_done_already;
};

static int revoke_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    struct revocation *r = ctx;
    struct arena arena CLEANUP(arena_clear) = {0};
    struct db_token t;
    int64_t seq = 0;
    int64_t now_ms = tx_now_ms(tx);
    r->is_done_already = false;
    int rc = db_token_by_id(tx_db(tx), r->id, &arena, &t, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no token \"%.40s\"", r->id) : rc;
    bool changed = false;
    rc = db_token_revoke(tx_db(tx), r->id, now_ms, &changed, e);
    r->is_done_already = !rc && !changed;
    if (rc || !changed)
        return rc ? rc : err_set(e, ERR_CONFLICT, "revoked already"); /* nothing to write */
    json_t *doc CLEANUP(json_decref_ptr) = token_document(&t);
    char when[WHEN_TEXT_BYTES];
    json_object_set_new(doc, "revoked", json_string(when_format(now_ms, when)));
    json_object_set_new(doc, "revoked_by", json_string(r->actor));
    struct journal_entry entry = {.kind = JOURNAL_TOKEN_REVOKE,
                                  .actor = r->actor,
                                  .object = t.id,
                                  .reason = r->reason,
                                  .message =
                                      arena_printf(&arena, "token %s (%s) revoked", t.id, t.name)};
    return journal_append_json(tx, &entry, journal_path_token(&arena, t.id), doc, &seq, e);
}

int auth_revoke(struct auth *a, const char *id, const char *actor, const char *reason,
                struct err *e)
{
    struct revocation r = {.id = id, .actor = actor, .reason = reason};
    int rc = store_write(a->store, TX_FACT, revoke_in_tx, &r, e);
    auth_forget(a);
    return rc && r.is_done_already ? 0 : rc;
}
