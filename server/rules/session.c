/*
 * Sessions of browsers. Knows users and tokens as owners of sessions; must not know cookies or
 * HTTP. Any thread but the writer.
 */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "db_access.h"
#include "db_account.h"
#include "seal.h"

#define SECRET_LETTERS (SESSION_SECRET_BYTES - 1)
#define LONGEST_MS (7 * 2 * SESSION_MS) /* a week, however often it is used */

static void hash_of(const uint8_t pepper[32], const char *secret, const char *purpose,
                    struct digest *out)
{
    char text[SESSION_SECRET_BYTES + 32];
    snprintf(text, sizeof text, "%s:%.*s", purpose, SECRET_LETTERS, secret);
    seal_token_hash(text, pepper, out->b);
    explicit_bzero(text, sizeof text);
}

void session_csrf(const uint8_t pepper[32], const char *secret, char word[SESSION_SECRET_BYTES])
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct digest d;
    hash_of(pepper, secret, "csrf", &d);
    for (int i = 0; i < 32; i++)
        word[i] = letters[d.b[i] % 62];
    word[32] = '\0';
}

static int put_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    const struct db_session *s = ctx;
    int rc = db_session_purge(tx_db(tx), tx_now_ms(tx), e);
    if (!rc)
        rc = db_session_put(tx_db(tx), s, e);
    if (!rc && s->actor[0] == 'u')
        rc = db_user_login(tx_db(tx), s->actor, tx_now_ms(tx), e);
    return rc;
}

int session_open(const struct sessions *s, const char *actor, int64_t now_ms,
                 char secret[SESSION_SECRET_BYTES], struct err *e)
{
    struct db_session row = {
        .actor = actor, .created_ms = now_ms, .expires_ms = now_ms + SESSION_MS};
    seal_random_base62(secret, SECRET_LETTERS);
    hash_of(s->pepper, secret, "session", &row.hash);
    return store_write(s->store, TX_WORK, put_in_tx, &row, e);
}

/* Texts of c come from rows that were checked when they were written. */
static int fill_caller(const char *role, const char *models, struct caller *c, struct err *e)
{
    if (!auth_role(role, c->may))
        return err_set(e, ERR_NOT_FOUND, "unknown role");
    snprintf(c->role, sizeof c->role, "%s", role);
    snprintf(c->models, sizeof c->models, "%s", models);
    return 0;
}

static int find_token(struct db *db, const char *id, int64_t now_ms, struct caller *c,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct db_token t;
    int rc = db_token_by_id(db, id, &a, &t, e);
    if (!rc && (t.revoked_ms || (t.expires_ms && t.expires_ms <= now_ms)))
        rc = err_set(e, ERR_NOT_FOUND, "expired or revoked");
    if (rc)
        return rc;
    snprintf(c->actor, sizeof c->actor, "%s", t.id);
    snprintf(c->name, sizeof c->name, "%s", t.name);
    return fill_caller(t.role, t.models, c, e);
}

static int find_user(struct db *db, const char *id, struct caller *c, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct db_user u;
    int rc = db_user_by_id(db, id, &a, &u, e);
    if (rc)
        return rc;
    snprintf(c->actor, sizeof c->actor, "%s", u.id);
    snprintf(c->name, sizeof c->name, "%s", u.name);
    return fill_caller(u.role, u.models, c, e);
}

static int look_up(const struct sessions *s, const struct digest *hash, int64_t now_ms,
                   struct db_session *row, struct caller *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(s->store, &r, e);
    if (!rc)
        rc = db_session_get(r.db, hash, &a, row, e);
    if (!rc && row->expires_ms <= now_ms)
        rc = err_set(e, ERR_NOT_FOUND, "over");
    if (!rc && row->actor[0] == 'u')
        rc = find_user(r.db, row->actor, out, e);
    else if (!rc)
        rc = find_token(r.db, row->actor, now_ms, out, e);
    row->actor = out->actor;
    return rc;
}

/* Failing to lengthen a session is no reason to refuse it. */
static void lengthen(const struct sessions *s, struct db_session *row, int64_t now_ms)
{
    int64_t most_ms = row->created_ms + LONGEST_MS;
    int64_t until_ms = now_ms + SESSION_MS < most_ms ? now_ms + SESSION_MS : most_ms;
    if (row->expires_ms - now_ms > SESSION_MS / 2 || until_ms <= row->expires_ms)
        return;
    struct err ignored;
    row->expires_ms = until_ms;
    if (store_write(s->store, TX_WORK, put_in_tx, row, &ignored))
        return;
}

int session_identify(const struct sessions *s, const char *secret, int64_t now_ms,
                     struct caller *out, struct err *e)
{
    struct caller c = {0};
    struct db_session row = {0};
    struct digest hash;
    if (strlen(secret) != SECRET_LETTERS)
        return err_set(e, ERR_UNAUTHENTICATED, "the session is over; log in again");
    hash_of(s->pepper, secret, "session", &hash);
    int rc = look_up(s, &hash, now_ms, &row, &c, e);
    if (rc == ERR_NOT_FOUND)
        return err_set(e, ERR_UNAUTHENTICATED, "the session is over; log in again");
    if (rc)
        return rc;
    lengthen(s, &row, now_ms);
    *out = c;
    return 0;
}

static int end_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    return db_session_end(tx_db(tx), ctx, e);
}

int session_close(const struct sessions *s, const char *secret, struct err *e)
{
    struct digest hash;
    hash_of(s->pepper, secret, "session", &hash);
    return store_write(s->store, TX_WORK, end_in_tx, &hash, e);
}
