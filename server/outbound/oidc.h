/*
 * People's login at an OpenID Connect issuer, as far as it needs the network: one thread with a
 * wire of its own asks the issuer; callers wait for it, a few at a time and never for long.
 */
#ifndef MREG_OIDC_H
#define MREG_OIDC_H

#include "openid.h"

struct oidc;

#define OIDC_WAIT_MS 10000
#define OIDC_MAX_WAITING 6

struct oidc_options {
    const char *issuer, *client_id; /* copied, as all texts */
    const char *secret_file;        /* "": a public client; read at each login */
    const char *claim;              /* that holds the person's name */
};

/* Makes the object; nothing runs yet. *out: caller frees. ERR_INVALID: the issuer is neither https
 * nor on this machine, no client id, the secret cannot be read. */
MUST_USE int oidc_new(const struct oidc_options *options, struct oidc **out, struct err *e);
/* Stops the thread if it runs. Accepts NULL. */
void oidc_free(struct oidc *o);
/* ERR_INTERNAL: no thread or wire. */
MUST_USE int oidc_start(struct oidc *o, struct err *e);
/* Everybody who waits gets ERR_UNAVAILABLE. */
void oidc_stop(struct oidc *o);

/* What the browser came back with. All borrowed. */
struct oidc_return {
    const struct openid_ticket *ticket;
    const char *redirect; /* this server's address that the issuer was told */
    const char *code;     /* NULL at the beginning */
    const char *issuer;   /* the `iss` parameter, or NULL */
};
struct oidc_person {
    char subject[OPENID_ISSUER_MAX + 260]; /* "issuer sub" */
    char name[OPENID_NAME_BYTES];          /* "" when the issuer does not say a usable one */
};

/* Where to send the browser, in arena. Any thread; waits at most OIDC_WAIT_MS. ERR_UNAVAILABLE: the
 * issuer cannot be reached, or too many wait already. */
MUST_USE int oidc_begin(struct oidc *o, const struct oidc_return *r, struct arena *a, char **url,
                        struct err *e);
/* Turns the code into a person: token request, check of the ID token, the name. A ticket serves
 * once. Any thread; waits as above. ERR_REFUSED: whatever does not fit; ERR_UNAVAILABLE. */
MUST_USE int oidc_finish(struct oidc *o, const struct oidc_return *r, struct oidc_person *out,
                         struct err *e);

#endif
