/*
 * OpenID Connect as a client's texts: the authorization code flow with PKCE (RFC 6749, RFC 7636,
 * OpenID Connect Core and Discovery). Pure: no I/O; random bytes but for the ticket, no clock.
 */
#ifndef MREG_OPENID_H
#define MREG_OPENID_H

#include "json.h"

#define OPENID_ISSUER_MAX 240
#define OPENID_TICKET_MS (INT64_C(10) * 60 * 1000) /* a person's time to log in over there */
#define OPENID_TICKET_BYTES 128
#define OPENID_SECRET_BYTES 44 /* 43 letters and a NUL */
#define OPENID_NAME_BYTES 64

/* One login on its way. The browser keeps `text` in a cookie; all else is derived from it and a key
 * of the server, so that nothing has to be stored and nobody else can make one. */
struct openid_ticket {
    char text[OPENID_TICKET_BYTES];
    char state[OPENID_SECRET_BYTES], nonce[OPENID_SECRET_BYTES];
    char verifier[OPENID_SECRET_BYTES], challenge[OPENID_SECRET_BYTES];
    int64_t expires_ms;
};
/* key: the server's 32 secret bytes (borrowed). */
void openid_ticket_new(const uint8_t key[32], int64_t now_ms, struct openid_ticket *out);
/* ERR_REFUSED: not made with this key, or older than OPENID_TICKET_MS. */
MUST_USE int openid_ticket_read(const uint8_t key[32], const char *text, int64_t now_ms,
                                struct openid_ticket *out, struct err *e);

/* True if the URL is https, or http to this machine, names a host and has no user, blank or
 * fragment. */
bool openid_url_ok(const char *url);
/* True if it is http. */
bool openid_url_is_plain(const char *url);

/* What an issuer says about itself; strings in the arena given. */
struct openid_issuer {
    const char *authorize, *token, *keys;
    const char *userinfo; /* NULL: none */
    bool wants_post;      /* the client's secret goes into the body */
    bool names_itself;    /* answers carry `iss` (RFC 9207) */
};
/* Where it says so, in arena. */
char *openid_discovery_url(const char *issuer, struct arena *a);
/* Reads the discovery document. ERR_INVALID: it is none, or not of this issuer, or its endpoints
 * are no URLs as above (http only for an issuer that is). */
MUST_USE int openid_read_issuer(const char *bytes, size_t n, const char *issuer, struct arena *a,
                                struct openid_issuer *out, struct err *e);

struct openid_client {
    const char *id;
    const char *secret; /* "": a public client */
    const char *redirect;
};
/* Where the browser is sent to, in arena. */
char *openid_authorize_url(const struct openid_issuer *o, const struct openid_client *c,
                           const struct openid_ticket *t, struct arena *a);
/* The body of the token request and its Authorization header (NULL: none), in arena. */
struct openid_token_request {
    const char *body, *authorization;
};
void openid_token_request(const struct openid_issuer *o, const struct openid_client *c,
                          const char *code, const struct openid_ticket *t, struct arena *a,
                          struct openid_token_request *out);
/* What an error answer of the issuer says ("invalid_grant"), cut and without odd letters. */
void openid_error(const char *bytes, size_t n, char out[64]);

/* The person's name here out of a claim, in lower case; "" when it is missing, no name, or an
 * address that the issuer says is not verified. */
void openid_user_name(const json_t *claims, const char *claim, char out[OPENID_NAME_BYTES]);

#endif
