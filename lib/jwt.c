/*
 * JSON Web Tokens: taking them apart and judging their claims. The algorithm is chosen from a list
 * of two and never by what a key or an algorithm's name could talk it into. Must not know OpenSSL,
 * HTTP or users. Pure: any thread.
 */
#include "jwt.h"

#include <math.h>
#include <string.h>

#include "base64.h"
#include "jwt_inner.h"
#include "seal.h"

#define MAX_DEPTH 16
#define MAX_SUBJECT 255
#define MAX_KEYS 64
#define MAX_SECONDS 1e11 /* past it, milliseconds would be no use either */

/* --- taking apart ----------------------------------------------------------------------------- */

/* Decodes one part that must be a JSON object. */
static int read_object(const char *text, size_t n, struct arena *a, json_t **out, struct err *e)
{
    char *bytes = NULL;
    size_t length = 0;
    int rc = base64_decode(BASE64_URL, text, n, a, &bytes, &length, e);
    if (!rc)
        rc = json_parse(bytes, length, MAX_DEPTH, out, e);
    if (!rc && !json_is_object(*out))
        rc = err_set(e, ERR_INVALID, "not a JSON object");
    if (rc)
        err_prefix(e, "token: ");
    return rc;
}

static int read_header(struct jwt *t, struct err *e)
{
    const char *alg = json_string_value(json_object_get(t->header, "alg"));
    const json_t *kid = json_object_get(t->header, "kid");
    if (alg && strcmp(alg, "RS256") == 0)
        t->alg = JWT_RS256;
    else if (alg && strcmp(alg, "ES256") == 0)
        t->alg = JWT_ES256;
    else
        return err_set(e, ERR_INVALID,
                       "token: algorithm \"%.20s\" is not accepted, RS256 and ES256 are",
                       alg ? alg : "");
    if (json_object_get(t->header, "crit") || json_object_get(t->header, "b64"))
        return err_set(e, ERR_INVALID, "token: its header demands an extension");
    if (kid && !json_is_string(kid))
        return err_set(e, ERR_INVALID, "token: kid is not a text");
    t->kid = json_string_value(kid);
    return 0;
}

int jwt_parse(const char *text, struct arena *a, struct jwt *out, struct err *e)
{
    size_t n = strnlen(text, JWT_MAX_BYTES + 1);
    const char *dot = memchr(text, '.', n);
    const char *last = dot ? memchr(dot + 1, '.', n - (size_t)(dot + 1 - text)) : NULL;
    char *signature = NULL;
    *out = (struct jwt){.text = text};
    if (n > JWT_MAX_BYTES)
        return err_set(e, ERR_INVALID, "token: more than %d bytes", JWT_MAX_BYTES);
    if (!last)
        return err_set(e, ERR_INVALID, "token: not three parts");
    out->n_signed = (size_t)(last - text);
    int rc = read_object(text, (size_t)(dot - text), a, &out->header, e);
    if (!rc)
        rc = read_header(out, e);
    if (!rc)
        rc = read_object(dot + 1, (size_t)(last - dot - 1), a, &out->claims, e);
    if (!rc)
        rc = base64_decode(BASE64_URL, last + 1, n - out->n_signed - 1, a, &signature,
                           &out->n_signature, e);
    out->signature = signature;
    return rc;
}

void jwt_clear(struct jwt *t)
{
    json_decref(t->header);
    json_decref(t->claims);
    *t = (struct jwt){0};
}

/* --- keys ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

/* RFC 7517: members that are there must not speak against the use. */
static bool is_for(const json_t *key, enum jwt_alg alg)
{
    static const char *const names[] = {[JWT_RS256] = "RS256", [JWT_ES256] = "ES256"};
    static const char *const types[] = {[JWT_RS256] = "RSA", [JWT_ES256] = "EC"};
    const char *kty = text_of(key, "kty");
    const char *use = text_of(key, "use");
    const char *own = text_of(key, "alg");
    const char *crv = text_of(key, "crv");
    const json_t *ops = json_object_get(key, "key_ops");
    bool may_verify = !ops;
    size_t i;
    json_t *op;
    json_array_foreach(ops, i, op)
    {
        may_verify =
            may_verify || (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0);
    }
    return kty && strcmp(kty, types[alg]) == 0 && (!use || strcmp(use, "sig") == 0) &&
           (!own || strcmp(own, names[alg]) == 0) && may_verify &&
           (alg != JWT_ES256 || (crv && strcmp(crv, "P-256") == 0));
}

int jwt_verify(const struct jwt *t, const json_t *key, struct err *e)
{
    if (!is_for(key, t->alg))
        return err_set(e, ERR_INVALID, "the key is not for this token's algorithm");
    return t->alg == JWT_RS256 ? jwt_verify_rs256(t, key, e) : jwt_verify_es256(t, key, e);
}

static bool is_named(const struct jwt *t, const json_t *key)
{
    const char *kid = text_of(key, "kid");
    return !t->kid || (kid && strcmp(kid, t->kid) == 0);
}

int jwt_verify_set(const struct jwt *t, const json_t *set, struct err *e)
{
    const json_t *keys = json_object_get(set, "keys");
    int rc = err_set(e, ERR_NOT_FOUND, "the issuer has no key \"%.60s\" for this token",
                     t->kid ? t->kid : "");
    for (size_t i = 0; rc && i < json_array_size(keys) && i < MAX_KEYS; i++) {
        const json_t *key = json_array_get(keys, i);
        if (!is_named(t, key) || !is_for(key, t->alg))
            continue;
        rc = jwt_verify(t, key, e);
    }
    return rc == ERR_INVALID ? ERR_CORRUPT : rc;
}

/* --- claims ----------------------------------------------------------------------------------- */

static bool equals(const char *a, const char *b)
{
    size_t n = strlen(b);
    return a && strlen(a) == n && seal_equal(a, b, n);
}

/* A time in seconds as milliseconds; false when it is no sensible one. */
static bool read_ms(const json_t *claims, const char *name, int64_t *ms)
{
    const json_t *j = json_object_get(claims, name);
    double seconds = json_is_number(j) ? json_number_value(j) : -1;
    if (!isfinite(seconds) || seconds < 0 || seconds > MAX_SECONDS)
        return false;
    *ms = (int64_t)(seconds * 1000);
    return true;
}

static int check_times(const json_t *claims, int64_t now_ms, struct err *e)
{
    int64_t ms = 0;
    if (!read_ms(claims, "exp", &ms) || ms + JWT_SKEW_MS <= now_ms)
        return err_set(e, ERR_REFUSED, "the ID token has expired");
    if (!read_ms(claims, "iat", &ms) || ms - JWT_SKEW_MS > now_ms)
        return err_set(e, ERR_REFUSED, "the ID token was issued in the future: compare the clocks");
    if (json_object_get(claims, "nbf") &&
        (!read_ms(claims, "nbf", &ms) || ms - JWT_SKEW_MS > now_ms))
        return err_set(e, ERR_REFUSED, "the ID token is not valid yet");
    return 0;
}

static int check_audience(const json_t *claims, const char *audience, struct err *e)
{
    const json_t *aud = json_object_get(claims, "aud");
    const json_t *azp = json_object_get(claims, "azp");
    bool is_ours = equals(json_string_value(aud), audience);
    for (size_t i = 0; i < json_array_size(aud); i++)
        is_ours = is_ours || equals(json_string_value(json_array_get(aud, i)), audience);
    if (!is_ours)
        return err_set(e, ERR_REFUSED, "the ID token is for another client (aud)");
    if ((azp || json_array_size(aud) > 1) && !equals(json_string_value(azp), audience))
        return err_set(e, ERR_REFUSED, "the ID token was given to another client (azp)");
    return 0;
}

static bool is_subject(const char *sub)
{
    size_t n = sub ? strlen(sub) : 0;
    for (size_t i = 0; i < n; i++)
        if (sub[i] < 0x20 || sub[i] > 0x7e)
            return false;
    return n > 0 && n <= MAX_SUBJECT;
}

int jwt_check(const json_t *claims, const struct jwt_expect *want, struct err *e)
{
    if (!equals(text_of(claims, "iss"), want->issuer))
        return err_set(e, ERR_REFUSED, "the ID token is of another issuer (iss)");
    if (!is_subject(text_of(claims, "sub")))
        return err_set(e, ERR_REFUSED, "the ID token names nobody (sub)");
    int rc = check_audience(claims, want->audience, e);
    if (!rc)
        rc = check_times(claims, want->now_ms, e);
    if (!rc && want->nonce && !equals(text_of(claims, "nonce"), want->nonce))
        rc = err_set(e, ERR_REFUSED, "the ID token answers another login (nonce)");
    return rc;
}
