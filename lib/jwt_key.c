/*
 * The public keys of JSON Web Tokens, by OpenSSL: the one other place of lib that knows it, because
 * NIST's curve and RSA are not libsodium's. Must not know claims. Pure: any thread.
 */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base64.h"
#include "jwt_inner.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define EXPONENT_MAX_BITS 33 /* a larger one only costs time */
#define P256_BYTES 32

static void bn_free(BIGNUM **b)
{
    BN_free(*b);
}

static void key_free(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void md_free(EVP_MD_CTX **m)
{
    EVP_MD_CTX_free(*m);
}

/* A member that holds bytes in base64url. */
static int read_bytes(const json_t *key, const char *name, struct arena *a, char **out, size_t *n,
                      struct err *e)
{
    const char *text = json_string_value(json_object_get(key, name));
    if (!text || strlen(text) > RSA_MAX_BITS / 4)
        return err_set(e, ERR_INVALID, "the key has no usable \"%s\"", name);
    return base64_decode(BASE64_URL, text, strlen(text), a, out, n, e);
}

static int read_number(const json_t *key, const char *name, BIGNUM **out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char *bytes = NULL;
    size_t n = 0;
    int rc = read_bytes(key, name, &a, &bytes, &n, e);
    if (rc)
        return rc;
    *out = BN_bin2bn((const unsigned char *)bytes, (int)n, NULL);
    return *out ? 0 : err_set(e, ERR_INTERNAL, "no memory for a key");
}

static int make_key(const char *type, OSSL_PARAM_BLD *build, EVP_PKEY **out, struct err *e)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *cx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool is_made = params && cx && EVP_PKEY_fromdata_init(cx) == 1 &&
                   EVP_PKEY_fromdata(cx, out, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(cx);
    OSSL_PARAM_free(params);
    ERR_clear_error(); /* others on this thread ask the same list */
    return is_made ? 0 : err_set(e, ERR_INVALID, "the key is not a valid one");
}

static int check_signature(EVP_PKEY *key, const struct jwt *t, const void *signature, size_t n,
                           struct err *e)
{
    EVP_MD_CTX *md CLEANUP(md_free) = EVP_MD_CTX_new();
    if (md && EVP_DigestVerifyInit_ex(md, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
        EVP_DigestVerify(md, signature, n, (const unsigned char *)t->text, t->n_signed) == 1)
        return 0;
    ERR_clear_error();
    return err_set(e, ERR_CORRUPT, "the token's signature does not fit the key");
}

static int make_rsa(const BIGNUM *n, const BIGNUM *exponent, EVP_PKEY **out, struct err *e)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool is_ok = build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
                 OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent);
    int rc = is_ok ? make_key("RSA", build, out, e) : err_set(e, ERR_INTERNAL, "no memory");
    OSSL_PARAM_BLD_free(build);
    return rc;
}

int jwt_verify_rs256(const struct jwt *t, const json_t *key, struct err *e)
{
    BIGNUM *n CLEANUP(bn_free) = NULL;
    BIGNUM *exponent CLEANUP(bn_free) = NULL;
    EVP_PKEY *pkey CLEANUP(key_free) = NULL;
    int rc = read_number(key, "n", &n, e);
    if (!rc)
        rc = read_number(key, "e", &exponent, e);
    if (rc)
        return rc;
    if (BN_num_bits(n) < RSA_MIN_BITS || BN_num_bits(n) > RSA_MAX_BITS || !BN_is_odd(n) ||
        BN_num_bits(exponent) > EXPONENT_MAX_BITS || !BN_is_odd(exponent) || BN_is_one(exponent))
        return err_set(e, ERR_INVALID, "an RSA key must have %d to %d bits", RSA_MIN_BITS,
                       RSA_MAX_BITS);
    rc = make_rsa(n, exponent, &pkey, e);
    return rc ? rc : check_signature(pkey, t, t->signature, t->n_signature, e);
}

/* The point as OpenSSL wants it: 04, x, y. */
static int make_ec(const json_t *key, struct arena *a, EVP_PKEY **out, struct err *e)
{
    unsigned char point[1 + 2 * P256_BYTES] = {4};
    char *x = NULL;
    char *y = NULL;
    size_t n_x = 0;
    size_t n_y = 0;
    int rc = read_bytes(key, "x", a, &x, &n_x, e);
    if (!rc)
        rc = read_bytes(key, "y", a, &y, &n_y, e);
    if (rc)
        return rc;
    if (n_x != P256_BYTES || n_y != P256_BYTES)
        return err_set(e, ERR_INVALID, "a point of P-256 has two times %d bytes", P256_BYTES);
    memcpy(point + 1, x, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y, P256_BYTES);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool is_ok =
        build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    rc = is_ok ? make_key("EC", build, out, e) : err_set(e, ERR_INTERNAL, "no memory");
    OSSL_PARAM_BLD_free(build);
    return rc;
}

/* r and s of a token's signature as DER, in arena; 0 bytes when that fails. */
static size_t der_of(const char *raw, struct arena *a, unsigned char **out)
{
    const unsigned char *b = (const unsigned char *)raw;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(b, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(b + P256_BYTES, P256_BYTES, NULL);
    if (!sig || !r || !s || !ECDSA_SIG_set0(sig, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return 0;
    }
    int n = i2d_ECDSA_SIG(sig, NULL);
    unsigned char *at = *out = arena_alloc(a, n > 0 ? (size_t)n : 1);
    n = n > 0 ? i2d_ECDSA_SIG(sig, &at) : 0;
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

int jwt_verify_es256(const struct jwt *t, const json_t *key, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    EVP_PKEY *pkey CLEANUP(key_free) = NULL;
    unsigned char *der = NULL;
    if (t->n_signature != 2 * (size_t)P256_BYTES)
        return err_set(e, ERR_CORRUPT, "a signature of ES256 has %d bytes", 2 * P256_BYTES);
    int rc = make_ec(key, &a, &pkey, e);
    if (rc)
        return rc;
    size_t n = der_of(t->signature, &a, &der);
    return n ? check_signature(pkey, t, der, n, e)
             : err_set(e, ERR_CORRUPT, "the token's signature does not fit the key");
}
