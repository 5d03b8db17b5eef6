/*
 * Keys, signatures and the schedule of webhooks, as Standard Webhooks describes them. Must not know
 * where keyrings are kept or how a delivery travels. Pure but for the random numbers of new keys;
 * any thread after seal_init.
 */
#include "webhook.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"

#define NEW_SECRET_BYTES 32
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

/* --- keys ------------------------------------------------------------------------------------- */

void webhook_keyring_rotate(struct webhook_keyring *r, int64_t until_ms)
{
    if (r->n_keys > 0) {
        r->keys[1] = r->keys[0];
        r->keys[1].until_ms = until_ms;
    }
    r->n_keys = r->n_keys > 0 ? 2 : 1;
    struct webhook_key *k = &r->keys[0];
    memset(k, 0, sizeof *k);
    k->n_secret = NEW_SECRET_BYTES;
    seal_random(k->secret, k->n_secret);
    seal_key_generate(&k->sign);
}

void webhook_keyring_clear(struct webhook_keyring *r)
{
    if (r)
        explicit_bzero(r, sizeof *r);
}

static char *prefixed(const char *prefix, const void *p, size_t n, char out[WEBHOOK_TEXT_BYTES])
{
    struct arena a CLEANUP(arena_clear) = {0};
    char *text = base64_encode(BASE64_STANDARD, p, n, &a);
    snprintf(out, WEBHOOK_TEXT_BYTES, "%s%s", prefix, text);
    explicit_bzero(text, strlen(text));
    return out;
}

char *webhook_secret_text(const struct webhook_key *k, char out[WEBHOOK_TEXT_BYTES])
{
    return prefixed("whsec_", k->secret, k->n_secret, out);
}

char *webhook_public_text(const struct webhook_key *k, char out[WEBHOOK_TEXT_BYTES])
{
    return prefixed("whpk_", k->sign.pub.b, sizeof k->sign.pub.b, out);
}

/* --- the keyring's file ----------------------------------------------------------------------- */

void webhook_keyring_write(const struct webhook_keyring *r, struct buf *out)
{
    char text[WEBHOOK_TEXT_BYTES];
    buf_puts(out, "{\"keys\":[");
    for (int i = 0; i < r->n_keys; i++) {
        const struct webhook_key *k = &r->keys[i];
        buf_putf(out, "%s{\"secret\":\"%s\"", i ? "," : "", webhook_secret_text(k, text));
        /* libsodium's secret form begins with the seed */
        prefixed("whsk_", k->sign.secret, SEAL_SEED_BYTES, text);
        buf_putf(out, ",\"sign\":\"%s\",\"until\":%lld}", text, (long long)k->until_ms);
    }
    explicit_bzero(text, sizeof text);
    buf_putf(out, "],\"token\":\"%s\"}\n", r->token);
}

/* Bytes of "prefix<base64>" into out of at most max bytes. */
static int read_secret(const json_t *obj, const char *key, const char *prefix, void *out,
                       size_t max, size_t *n, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *text = NULL;
    char *bytes = NULL;
    size_t skip = strlen(prefix);
    int rc = json_get_str(obj, "", key, WEBHOOK_TEXT_BYTES, &text, e);
    if (!rc && strncmp(text, prefix, skip) != 0)
        rc = err_set(e, ERR_INVALID, "%s does not begin with %s", key, prefix);
    if (!rc)
        rc = base64_decode(BASE64_STANDARD, text + skip, strlen(text) - skip, &a, &bytes, n, e);
    if (!rc && (*n == 0 || *n > max))
        rc = err_set(e, ERR_INVALID, "%s has a wrong length", key);
    if (!rc)
        memcpy(out, bytes, *n);
    if (bytes)
        explicit_bzero(bytes, *n);
    return rc;
}

static int read_key(const json_t *j, struct webhook_key *k, struct err *e)
{
    uint8_t seed[SEAL_SEED_BYTES] = {0};
    size_t n = 0;
    int rc = read_secret(j, "secret", "whsec_", k->secret, sizeof k->secret, &k->n_secret, e);
    if (!rc)
        rc = read_secret(j, "sign", "whsk_", seed, sizeof seed, &n, e);
    if (!rc)
        rc = json_get_int(j, "", "until", 0, JSON_MAX_INT, &k->until_ms, e);
    if (!rc && n != sizeof seed)
        rc = err_set(e, ERR_INVALID, "sign has a wrong length");
    if (!rc)
        seal_key_from_seed(&k->sign, seed);
    explicit_bzero(seed, sizeof seed);
    return rc;
}

int webhook_keyring_read(const char *text, size_t n, struct webhook_keyring *out, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *keys = NULL;
    const char *token = NULL;
    int rc = json_parse(text, n, 4, &j, e);
    if (!rc)
        rc = json_get_array(j, "", "keys", WEBHOOK_MAX_KEYS, &keys, e);
    if (!rc)
        rc = json_get_str(j, "", "token", WEBHOOK_TOKEN_MAX, &token, e);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; !rc && i < json_array_size(keys); i++, out->n_keys++)
        rc = read_key(json_array_get(keys, i), &out->keys[i], e);
    if (!rc)
        snprintf(out->token, sizeof out->token, "%s", token);
    if (rc)
        webhook_keyring_clear(out);
    return rc ? err_set(e, ERR_CORRUPT, "a webhook's secrets cannot be read") : ERR_OK;
}

/* --- signatures ------------------------------------------------------------------------------- */

void webhook_sign(const struct webhook_keyring *r, int64_t now_ms,
                  const struct webhook_message *message, struct buf *out)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf text CLEANUP(buf_clear);
    uint8_t mac[SEAL_HMAC_BYTES];
    uint8_t signature[SEAL_BARE_BYTES];
    buf_init(&text, message->n + 256);
    buf_putf(&text, "%s.%lld.", message->id, (long long)message->timestamp_s);
    buf_put(&text, message->body, message->n);
    for (int i = 0; i < r->n_keys; i++) {
        const struct webhook_key *k = &r->keys[i];
        if (k->until_ms && k->until_ms <= now_ms)
            continue;
        seal_hmac(k->secret, k->n_secret, text.data, text.len, mac);
        seal_sign_bare(&k->sign, text.data, text.len, signature);
        buf_putf(out, "%sv1,%s", i ? " " : "", base64_encode(BASE64_STANDARD, mac, sizeof mac, &a));
        buf_putf(out, " v1a,%s", base64_encode(BASE64_STANDARD, signature, sizeof signature, &a));
    }
}

/* --- schedule --------------------------------------------------------------------------------- */

int64_t webhook_delay_ms(int attempt, int64_t scale, uint32_t draw)
{
    static const int64_t delays[WEBHOOK_MAX_ATTEMPTS - 1] = {
        5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR,  5 * HOUR,
        10 * HOUR,  14 * HOUR,  20 * HOUR,   24 * HOUR,
    };
    if (attempt < 1 || attempt >= WEBHOOK_MAX_ATTEMPTS)
        return -1;
    int64_t delay = delays[attempt - 1] * scale / 1000000;
    return delay + delay * (int64_t)(draw % 201) / 1000;
}
