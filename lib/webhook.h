/*
 * Webhooks as data: signatures of Standard Webhooks, when to try again, which change goes to which
 * hook, and the CloudEvents body. Nothing here does I/O or reads a clock.
 */
#ifndef MREG_WEBHOOK_H
#define MREG_WEBHOOK_H

#include "json.h"
#include "seal.h"

/* --- keys and signatures --- */

#define WEBHOOK_SECRET_MAX 64
#define WEBHOOK_TEXT_BYTES 96 /* "whsec_" or "whpk_", base64 and a NUL */
#define WEBHOOK_TOKEN_MAX 512
#define WEBHOOK_MAX_KEYS 2

struct webhook_key {
    uint8_t secret[WEBHOOK_SECRET_MAX]; /* of the HMAC */
    size_t n_secret;
    struct seal_key sign; /* Ed25519 */
    int64_t until_ms;     /* signs until then; 0: the present one */
};
/* What only the server knows of one hook. Wipe with webhook_keyring_clear. */
struct webhook_keyring {
    struct webhook_key keys[WEBHOOK_MAX_KEYS]; /* newest first */
    int n_keys;
    char token[WEBHOOK_TOKEN_MAX + 1]; /* for the other server's API; "" if there is none */
};

/* A new random secret of 32 bytes and a new key pair in front; an older one signs until until_ms
 * and a third is forgotten. */
void webhook_keyring_rotate(struct webhook_keyring *r, int64_t until_ms);
void webhook_keyring_clear(struct webhook_keyring *r);
/* "whsec_..." of a secret (to be shown once) and "whpk_..." of a public key. Return out. */
char *webhook_secret_text(const struct webhook_key *k, char out[WEBHOOK_TEXT_BYTES]);
char *webhook_public_text(const struct webhook_key *k, char out[WEBHOOK_TEXT_BYTES]);
/* The keyring as the JSON text of its file, and back. ERR_CORRUPT. */
void webhook_keyring_write(const struct webhook_keyring *r, struct buf *out);
MUST_USE int webhook_keyring_read(const char *text, size_t n, struct webhook_keyring *out,
                                  struct err *e);

/* What is signed besides the keys. */
struct webhook_message {
    const char *id;
    int64_t timestamp_s;
    const char *body;
    size_t n;
};
/* Appends the value of webhook-signature: "v1,..." and "v1a,..." of every key that is valid at
 * now_ms, with spaces between. */
void webhook_sign(const struct webhook_keyring *r, int64_t now_ms,
                  const struct webhook_message *message, struct buf *out);

/* --- when to try again --- */

#define WEBHOOK_MAX_ATTEMPTS 10
/* Milliseconds to wait after attempt number `attempt` (from 1) has failed; -1: no further one.
 * scale is in millionths (1000000: as documented), draw is a random number that spreads the result
 * over 100 % to 120 %. */
int64_t webhook_delay_ms(int attempt, int64_t scale, uint32_t draw);

/* --- which change goes to which hook --- */

/* One change as a hook sees it. All borrowed; NULL where there is none. */
struct webhook_event {
    int64_t seq, ts_ms;
    const char *kind, *actor, *object, *reason, *message;
    const char *env, *model;   /* that it is about */
    const char *registry_id;   /* "reg-..." */
    const char *public_url;    /* of this server, without a slash at its end; "" unknown */
    const json_t *rollout_doc; /* the rollout as of this change, from the history */
};
/* Fills env and model from kind and object where they stand in these; strings in arena. Those of
 * rollouts must be known already. */
void webhook_event_scope(struct webhook_event *ev, struct arena *a);

struct webhook_filter {
    const char *kinds;  /* comma-separated globs: "rollout.*,alias.set" */
    const char *env;    /* "": any */
    const char *models; /* comma-separated globs; "*": any, and changes about no model */
};
bool webhook_wants(const struct webhook_filter *f, const struct webhook_event *ev);
/* True if one of the comma-separated globs matches all of `name`. */
bool webhook_glob_list(const char *globs, const char *name);

/* --- what is sent --- */

/* "evt_<registry>_<seq>", the same for every hook and every attempt. In arena. */
char *webhook_event_id(const struct webhook_event *ev, struct arena *a);
/* Address of a rollout's page, in arena; NULL when the public URL is unknown. */
char *webhook_page_url(const struct webhook_event *ev, struct arena *a);
/* Appends the CloudEvents 1.0 JSON of a change; id as from webhook_event_id. */
void webhook_event_body(const struct webhook_event *ev, const char *id, struct buf *out);

/* ERR_INVALID unless url is http or https with a host, without credentials, blanks or a fragment,
 * of at most 1000 bytes. */
MUST_USE int webhook_check_url(const char *url, struct err *e);

#endif
