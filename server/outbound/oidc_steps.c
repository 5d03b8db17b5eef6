/*
 * What is asked of the issuer, step by step: its description, then for a login the tokens, its keys
 * when they are not known, and the person's name when the ID token lacks it. Errors say what went
 * wrong without a code, a token or a secret in them. The oidc thread.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "oidc_inner.h"

#define FRESH_MS (INT64_C(3600) * 1000)
#define ANSWER_MAX ((size_t)256 << 10)
#define MAX_DEPTH 16

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct oidc *o, struct oidc_job *j, struct http_call *call,
                void (*then)(struct oidc *, struct oidc_job *, const struct http_answer *))
{
    j->on_answer = then;
    call->max_answer_bytes = ANSWER_MAX;
    call->timeout_ms = j->until_ms - clock_now_ms();
    if (call->timeout_ms <= 0) {
        oidc_end(o, j, err_set(&j->err, ERR_UNAVAILABLE, "the issuer took too long"));
        return;
    }
    int rc = wire_submit(o->wire, call, j, j->until_ms, &j->err);
    if (rc)
        oidc_end(o, j, rc);
}

static int check_answer(const struct http_answer *answer, const char *what, struct err *e)
{
    char word[64];
    if (answer->outcome != HTTP_ANSWERED)
        return err_set(e, ERR_UNAVAILABLE, "the issuer's %s: %s", what, answer->detail);
    if (answer->status == 200)
        return 0;
    openid_error(answer->body, answer->body_len, word);
    return err_set(e, answer->status / 100 == 4 ? ERR_REFUSED : ERR_UNAVAILABLE,
                   "the issuer's %s answered %d %s", what, answer->status, word);
}

static bool is_fresh(int64_t fetched_ms)
{
    int64_t age_ms = clock_now_ms() - fetched_ms;
    return fetched_ms && age_ms >= 0 && age_ms < FRESH_MS;
}

/* --- the name --------------------------------------------------------------------------------- */

/* Only a name is lost when this fails; who the person is, is known. */
static void on_userinfo(struct oidc *o, struct oidc_job *j, const struct http_answer *answer)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct err e;
    int rc = check_answer(answer, "userinfo endpoint", &e);
    if (!rc)
        rc = json_parse(answer->body, answer->body_len, MAX_DEPTH, &doc, &e);
    const char *sub = rc ? NULL : json_string_value(json_object_get(doc, "sub"));
    const char *want = json_string_value(json_object_get(j->id_token.claims, "sub"));
    if (sub && want && strcmp(sub, want) == 0)
        openid_user_name(doc, o->claim, j->person.name);
    oidc_end(o, j, 0);
}

static void ask_userinfo(struct oidc *o, struct oidc_job *j)
{
    struct http_call call = {.method = "GET", .url = o->said.userinfo};
    call.headers[0] = arena_printf(&j->arena, "Authorization: Bearer %s", j->access_token);
    call.headers[1] = "Accept: application/json";
    ask(o, j, &call, on_userinfo);
}

/* --- the ID token ----------------------------------------------------------------------------- */

static void accept_token(struct oidc *o, struct oidc_job *j)
{
    const json_t *claims = j->id_token.claims;
    struct jwt_expect want = {o->issuer, o->client_id, j->ticket.nonce, clock_wall_ms()};
    int rc = jwt_check(claims, &want, &j->err);
    if (rc) {
        oidc_end(o, j, rc);
        return;
    }
    snprintf(j->person.subject, sizeof j->person.subject, "%s %s", o->issuer,
             json_string_value(json_object_get(claims, "sub")));
    openid_user_name(claims, o->claim, j->person.name);
    if (!j->person.name[0] && !json_object_get(claims, o->claim) && j->access_token &&
        o->said.userinfo)
        ask_userinfo(o, j);
    else
        oidc_end(o, j, 0);
}

static void ask_keys(struct oidc *o, struct oidc_job *j);

/* Keys may have changed since they were fetched. The token came from the issuer's own endpoint, so
 * nobody else can make us ask again and again. */
static void verify_token(struct oidc *o, struct oidc_job *j)
{
    if (!is_fresh(o->keys_ms) && !j->has_new_keys) {
        ask_keys(o, j);
        return;
    }
    int rc = jwt_verify_set(&j->id_token, o->keys, &j->err);
    if (!rc)
        accept_token(o, j);
    else if ((rc == ERR_NOT_FOUND || !j->id_token.kid) && !j->has_new_keys)
        ask_keys(o, j);
    else
        oidc_end(o, j, ERR_REFUSED);
}

static void on_keys(struct oidc *o, struct oidc_job *j, const struct http_answer *answer)
{
    json_t *doc = NULL;
    int rc = check_answer(answer, "keys", &j->err);
    if (!rc)
        rc = json_parse(answer->body, answer->body_len, MAX_DEPTH, &doc, &j->err);
    if (!rc && !json_is_array(json_object_get(doc, "keys")))
        rc = err_set(&j->err, ERR_INVALID, "the issuer's keys are no JSON Web Key Set");
    if (rc) {
        json_decref(doc);
        oidc_end(o, j, rc == ERR_REFUSED ? ERR_UNAVAILABLE : rc);
        return;
    }
    json_decref(o->keys);
    o->keys = doc;
    o->keys_ms = clock_now_ms();
    j->has_new_keys = true;
    verify_token(o, j);
}

static void ask_keys(struct oidc *o, struct oidc_job *j)
{
    struct http_call call = {.method = "GET", .url = o->said.keys};
    call.headers[0] = "Accept: application/json";
    ask(o, j, &call, on_keys);
}

/* --- the tokens ------------------------------------------------------------------------------- */

static bool is_bearer(const char *text)
{
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= 0x20 || text[i] > 0x7e)
            return false;
    return n > 0 && n <= JWT_MAX_BYTES;
}

static int read_tokens(struct oidc_job *j, const struct http_answer *answer)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    const char *id = NULL;
    int rc = check_answer(answer, "token endpoint", &j->err);
    if (!rc)
        rc = json_parse(answer->body, answer->body_len, MAX_DEPTH, &doc, &j->err);
    if (!rc)
        rc = json_get_str(doc, "", "id_token", JWT_MAX_BYTES, &id, &j->err);
    if (rc)
        return rc;
    const char *access = json_string_value(json_object_get(doc, "access_token"));
    j->access_token = is_bearer(access) ? arena_strdup(&j->arena, access) : NULL;
    rc = jwt_parse(arena_strdup(&j->arena, id), &j->arena, &j->id_token, &j->err);
    return rc ? ERR_REFUSED : 0;
}

static void on_tokens(struct oidc *o, struct oidc_job *j, const struct http_answer *answer)
{
    int rc = read_tokens(j, answer);
    if (rc)
        oidc_end(o, j, rc);
    else
        verify_token(o, j);
}

static void ask_tokens(struct oidc *o, struct oidc_job *j)
{
    struct openid_client client = {.id = o->client_id, .redirect = j->redirect};
    struct openid_token_request request;
    char *secret = NULL;
    int rc = oidc_secret(o, &j->arena, &secret, &j->err);
    if (rc) {
        oidc_end(o, j, rc);
        return;
    }
    client.secret = secret;
    openid_token_request(&o->said, &client, j->code, &j->ticket, &j->arena, &request);
    struct http_call call = {.method = "POST",
                             .url = o->said.token,
                             .body = request.body,
                             .body_len = strlen(request.body)};
    call.headers[0] = "Content-Type: application/x-www-form-urlencoded";
    call.headers[1] = "Accept: application/json";
    call.headers[2] = request.authorization;
    explicit_bzero(secret, strlen(secret));
    ask(o, j, &call, on_tokens);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void go_on(struct oidc *o, struct oidc_job *j)
{
    struct openid_client client = {.id = o->client_id, .redirect = j->redirect};
    bool has_issuer = j->issuer != NULL;
    if (!j->code) {
        j->url = openid_authorize_url(&o->said, &client, &j->ticket, &j->arena);
        oidc_end(o, j, 0);
    } else if ((has_issuer && strcmp(j->issuer, o->issuer) != 0) ||
               (!has_issuer && o->said.names_itself)) {
        oidc_end(o, j, err_set(&j->err, ERR_REFUSED, "the answer is of another issuer"));
    } else {
        ask_tokens(o, j);
    }
}

static void on_description(struct oidc *o, struct oidc_job *j, const struct http_answer *answer)
{
    struct arena a = {0};
    struct openid_issuer said;
    int rc = check_answer(answer, "description", &j->err);
    if (!rc)
        rc = openid_read_issuer(answer->body, answer->body_len, o->issuer, &a, &said, &j->err);
    if (rc) {
        arena_clear(&a);
        oidc_end(o, j, rc == ERR_REFUSED ? ERR_UNAVAILABLE : rc);
        return;
    }
    arena_clear(&o->said_arena);
    o->said_arena = a;
    o->said = said;
    o->said_ms = clock_now_ms();
    go_on(o, j);
}

void oidc_job_start(struct oidc *o, struct oidc_job *j)
{
    struct http_call call = {.method = "GET", .url = openid_discovery_url(o->issuer, &j->arena)};
    call.headers[0] = "Accept: application/json";
    if (is_fresh(o->said_ms))
        go_on(o, j);
    else
        ask(o, j, &call, on_description);
}
