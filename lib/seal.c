/*
 * Ed25519 keys and SSHSIG signatures, byte for byte as OpenSSH writes them (PROTOCOL.sshsig). The
 * only file that knows libsodium; also the only one of lib that draws random numbers. Knows nothing
 * of which keys are trusted. Any thread after seal_init.
 */
#include "seal.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_TYPE "ssh-ed25519"
#define MAGIC "SSHSIG"
#define MAGIC_BYTES 6
#define BEGIN_LINE "-----BEGIN SSH SIGNATURE-----\n"
#define END_LINE "\n-----END SSH SIGNATURE-----"
#define PUBLIC_BLOB_BYTES 51
#define NAMESPACE_MAX 255
#define BLOB_MAX (170 + NAMESPACE_MAX)  /* signature blob: 170 and the namespace */
#define SIGNED_MAX (92 + NAMESPACE_MAX) /* what Ed25519 signs: 92 and the namespace */
#define ARMOR_COLUMNS 70                /* as OpenSSH writes; readers take any */
#define VARIANT sodium_base64_VARIANT_ORIGINAL

/* SSH wire format being written into a buffer whose size was computed beforehand. */
struct writer {
    uint8_t *p;
    size_t n;
};

/* SSH wire format being read. A failed read leaves p NULL and all later reads fail. */
struct reader {
    const uint8_t *p;
    size_t n;
};

struct bytes {
    const uint8_t *p;
    size_t n;
};

static void write_raw(struct writer *w, const void *p, size_t n)
{
    if (n)
        memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void write_u32(struct writer *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    write_raw(w, b, sizeof b);
}

static void write_string(struct writer *w, const void *p, size_t n)
{
    write_u32(w, (uint32_t)n);
    write_raw(w, p, n);
}

static struct bytes read_raw(struct reader *r, size_t n)
{
    struct bytes b = {r->p, n};
    if (!r->p || n > r->n) {
        *r = (struct reader){NULL, 0};
        return (struct bytes){NULL, 0};
    }
    r->p += n;
    r->n -= n;
    return b;
}

static uint32_t read_u32(struct reader *r)
{
    struct bytes b = read_raw(r, 4);
    return b.p ? (uint32_t)b.p[0] << 24 | (uint32_t)b.p[1] << 16 | (uint32_t)b.p[2] << 8 | b.p[3]
               : 0;
}

static struct bytes read_string(struct reader *r)
{
    uint32_t n = read_u32(r);
    return read_raw(r, n);
}

static bool bytes_are(struct bytes b, const char *text)
{
    size_t n = strlen(text);
    return b.p && b.n == n && memcmp(b.p, text, n) == 0;
}

static bool read_is_complete(const struct reader *r)
{
    return r->p && r->n == 0;
}

/* Decodes len bytes of strict base64; line feeds are passed over. libsodium 1.0.18 takes some bytes
 * above 0x7F for letters, so the alphabet is checked here. */
static bool decode_base64(const char *text, size_t len, uint8_t *out, size_t max, size_t *n)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n";
    return strspn(text, allowed) >= len &&
           sodium_base642bin(out, max, text, len, "\n", n, NULL, VARIANT) == 0;
}

static void public_blob(const struct seal_public *p, uint8_t out[PUBLIC_BLOB_BYTES])
{
    struct writer w = {out, 0};
    write_string(&w, KEY_TYPE, strlen(KEY_TYPE));
    write_string(&w, p->b, SEAL_PUBLIC_BYTES);
}

static bool public_from_blob(struct bytes blob, struct seal_public *out)
{
    struct reader r = {blob.p, blob.n};
    bool is_ours = bytes_are(read_string(&r), KEY_TYPE);
    struct bytes key = read_string(&r);
    if (!is_ours || !key.p || key.n != SEAL_PUBLIC_BYTES || !read_is_complete(&r))
        return false;
    memcpy(out->b, key.p, SEAL_PUBLIC_BYTES);
    return true;
}

int seal_init(struct err *e)
{
    if (sodium_init() < 0)
        return err_set(e, ERR_INTERNAL, "libsodium does not start");
    return ERR_OK;
}

void seal_key_from_seed(struct seal_key *k, const uint8_t seed[SEAL_SEED_BYTES])
{
    crypto_sign_seed_keypair(k->pub.b, k->secret, seed);
    seal_key_id(&k->pub, k->id);
}

void seal_key_generate(struct seal_key *k)
{
    crypto_sign_keypair(k->pub.b, k->secret);
    seal_key_id(&k->pub, k->id);
}

void seal_key_clear(struct seal_key *k)
{
    if (k)
        sodium_memzero(k, sizeof *k);
}

void seal_key_id(const struct seal_public *p, char out[SEAL_ID_BYTES])
{
    uint8_t blob[PUBLIC_BLOB_BYTES];
    uint8_t hash[crypto_hash_sha256_BYTES];
    public_blob(p, blob);
    crypto_hash_sha256(hash, blob, sizeof blob);
    memcpy(out, "SHA256:", 7);
    sodium_bin2base64(out + 7, SEAL_ID_BYTES - 7, hash, sizeof hash,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

void seal_public_line(const struct seal_public *p, char out[SEAL_LINE_BYTES])
{
    uint8_t blob[PUBLIC_BLOB_BYTES];
    public_blob(p, blob);
    size_t n = strlen(KEY_TYPE " ");
    memcpy(out, KEY_TYPE " ", n);
    sodium_bin2base64(out + n, SEAL_LINE_BYTES - n, blob, sizeof blob, VARIANT);
}

int seal_public_parse(const char *line, struct seal_public *out, struct err *e)
{
    size_t n = strlen(KEY_TYPE " ");
    if (strncmp(line, KEY_TYPE " ", n) != 0)
        return err_set(e, ERR_INVALID, "not a public key: it must start with \"" KEY_TYPE " \"");
    const char *text = line + n;
    size_t len = strcspn(text, " \r\n");
    const char *rest = text + len;
    rest += strcspn(rest, "\r\n"); /* the comment says nothing that counts */
    rest += *rest == '\r';
    rest += *rest == '\n';
    uint8_t blob[PUBLIC_BLOB_BYTES];
    size_t blob_n = 0;
    if (*rest || !decode_base64(text, len, blob, sizeof blob, &blob_n))
        return err_set(e, ERR_INVALID, "not a public key: one line of base64 is expected");
    struct seal_public found;
    if (!public_from_blob((struct bytes){blob, blob_n}, &found))
        return err_set(e, ERR_INVALID, "not an Ed25519 public key");
    *out = found;
    return ERR_OK;
}

/* What a signature says about itself; all point into the decoded blob. */
struct sshsig {
    struct bytes public_blob;
    struct bytes name_space;
    struct bytes reserved;
    struct bytes hash_name;
    struct bytes signature; /* 64 bytes */
    struct seal_public by;
};

/* The bytes that Ed25519 signs (PROTOCOL.sshsig, "Signed Data"). Returns their number; 0 when the
 * hash is none of the two allowed. */
static size_t signed_bytes(const struct sshsig *s, const void *message, size_t n,
                           uint8_t out[SIGNED_MAX])
{
    uint8_t hash[crypto_hash_sha512_BYTES];
    size_t hash_n = sizeof hash;
    if (bytes_are(s->hash_name, "sha512")) {
        crypto_hash_sha512(hash, message, n);
    } else if (bytes_are(s->hash_name, "sha256")) {
        crypto_hash_sha256(hash, message, n);
        hash_n = crypto_hash_sha256_BYTES;
    } else {
        return 0;
    }
    struct writer w = {out, 0};
    write_raw(&w, MAGIC, MAGIC_BYTES);
    write_string(&w, s->name_space.p, s->name_space.n);
    write_string(&w, s->reserved.p, s->reserved.n);
    write_string(&w, s->hash_name.p, s->hash_name.n);
    write_string(&w, hash, hash_n);
    return w.n;
}

static size_t signature_blob(const struct sshsig *s, uint8_t out[BLOB_MAX])
{
    uint8_t inner[4 + sizeof KEY_TYPE - 1 + 4 + crypto_sign_BYTES];
    struct writer in = {inner, 0};
    write_string(&in, KEY_TYPE, strlen(KEY_TYPE));
    write_string(&in, s->signature.p, s->signature.n);
    struct writer w = {out, 0};
    write_raw(&w, MAGIC, MAGIC_BYTES);
    write_u32(&w, 1);
    write_string(&w, s->public_blob.p, s->public_blob.n);
    write_string(&w, s->name_space.p, s->name_space.n);
    write_string(&w, s->reserved.p, s->reserved.n);
    write_string(&w, s->hash_name.p, s->hash_name.n);
    write_string(&w, inner, in.n);
    return w.n;
}

static void put_armor(const uint8_t *blob, size_t blob_n, char out[SEAL_ARMOR_MAX])
{
    char text[sodium_base64_ENCODED_LEN(BLOB_MAX, VARIANT)];
    sodium_bin2base64(text, sizeof text, blob, blob_n, VARIANT);
    struct writer w = {(uint8_t *)out, 0};
    write_raw(&w, BEGIN_LINE, strlen(BEGIN_LINE));
    size_t left = strlen(text);
    for (const char *p = text; left;) {
        size_t n = left < ARMOR_COLUMNS ? left : ARMOR_COLUMNS;
        write_raw(&w, p, n);
        p += n;
        left -= n;
        if (left)
            write_raw(&w, "\n", 1);
    }
    write_raw(&w, END_LINE "\n", sizeof END_LINE "\n");
}

void seal_sign(const struct seal_key *k, const char *name_space, const void *message, size_t n,
               char out[SEAL_ARMOR_MAX])
{
    uint8_t blob[BLOB_MAX];
    uint8_t pub[PUBLIC_BLOB_BYTES];
    uint8_t to_sign[SIGNED_MAX];
    uint8_t signature[crypto_sign_BYTES];
    size_t ns_n = strlen(name_space);
    if (ns_n == 0 || ns_n > NAMESPACE_MAX) {
        fputs("seal_sign: bad namespace\n", stderr);
        abort();
    }
    public_blob(&k->pub, pub);
    struct sshsig s = {
        .public_blob = {pub, sizeof pub},
        .name_space = {(const uint8_t *)name_space, ns_n},
        .reserved = {(const uint8_t *)"", 0},
        .hash_name = {(const uint8_t *)"sha512", 6},
        .signature = {signature, sizeof signature},
    };
    size_t to_sign_n = signed_bytes(&s, message, n, to_sign);
    crypto_sign_detached(signature, NULL, to_sign, to_sign_n, k->secret);
    put_armor(blob, signature_blob(&s, blob), out);
}

/* Takes the frame off and decodes. Strict: the frame is the whole text but for one final newline,
 * lines are not empty, base64 is padded and has no stray bits. */
static bool read_armor(const char *armor, uint8_t blob[BLOB_MAX], size_t *blob_n)
{
    size_t begin_n = strlen(BEGIN_LINE);
    if (strncmp(armor, BEGIN_LINE, begin_n) != 0)
        return false;
    const char *text = armor + begin_n;
    const char *end = strstr(text, END_LINE);
    if (!end)
        return false;
    const char *rest = end + strlen(END_LINE);
    rest += *rest == '\n';
    const char *empty_line = strstr(text, "\n\n");
    if (*rest || *text == '\n' || (empty_line && empty_line < end))
        return false;
    return decode_base64(text, (size_t)(end - text), blob, BLOB_MAX, blob_n);
}

static int read_blob(const uint8_t *blob, size_t n, struct sshsig *s, struct err *e)
{
    struct reader r = {blob, n};
    struct bytes magic = read_raw(&r, MAGIC_BYTES);
    uint32_t version = read_u32(&r);
    if (!bytes_are(magic, MAGIC) || version != 1)
        return err_set(e, ERR_INVALID, "not an SSH signature of version 1");
    s->public_blob = read_string(&r);
    s->name_space = read_string(&r);
    s->reserved = read_string(&r);
    s->hash_name = read_string(&r);
    struct bytes inner = read_string(&r);
    if (!read_is_complete(&r))
        return err_set(e, ERR_INVALID, "SSH signature of a wrong length");
    if (!public_from_blob(s->public_blob, &s->by))
        return err_set(e, ERR_INVALID, "SSH signature by a key that is not plain Ed25519");
    struct reader in = {inner.p, inner.n};
    bool is_ours = bytes_are(read_string(&in), KEY_TYPE);
    s->signature = read_string(&in);
    if (!is_ours || s->signature.n != crypto_sign_BYTES || !read_is_complete(&in))
        return err_set(e, ERR_INVALID, "SSH signature that is not Ed25519");
    return ERR_OK;
}

int seal_verify(const char *armor, const char *name_space, const void *message, size_t n,
                struct seal_public *by, struct err *e)
{
    uint8_t blob[BLOB_MAX];
    size_t blob_n = 0;
    if (!read_armor(armor, blob, &blob_n))
        return err_set(e, ERR_INVALID, "not an armored SSH signature");
    struct sshsig s;
    int rc = read_blob(blob, blob_n, &s, e);
    if (rc != ERR_OK)
        return rc;
    if (!*name_space || !bytes_are(s.name_space, name_space))
        return err_set(e, ERR_CORRUPT, "the signature is not for the namespace \"%.64s\"",
                       name_space);
    if (s.name_space.n + s.reserved.n > NAMESPACE_MAX)
        return err_set(e, ERR_INVALID, "SSH signature with an unknown extension");
    uint8_t to_verify[SIGNED_MAX];
    size_t to_verify_n = signed_bytes(&s, message, n, to_verify);
    if (to_verify_n == 0)
        return err_set(e, ERR_INVALID, "SSH signature with a hash other than sha256 and sha512");
    if (crypto_sign_verify_detached(s.signature.p, to_verify, to_verify_n, s.by.b) != 0)
        return err_set(e, ERR_CORRUPT, "the signature does not fit the content");
    *by = s.by;
    return ERR_OK;
}

void seal_hmac(const void *key, size_t n_key, const void *message, size_t n,
               uint8_t out[SEAL_HMAC_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, n_key);
    crypto_auth_hmacsha256_update(&state, message, n);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

void seal_sign_bare(const struct seal_key *k, const void *message, size_t n,
                    uint8_t out[SEAL_BARE_BYTES])
{
    crypto_sign_detached(out, NULL, message, n, k->secret);
}

bool seal_bare_fits(const struct seal_public *p, const void *message, size_t n,
                    const uint8_t signature[SEAL_BARE_BYTES])
{
    return crypto_sign_verify_detached(signature, message, n, p->b) == 0;
}

void seal_random(void *out, size_t n)
{
    randombytes_buf(out, n);
}

void seal_random_base62(char *out, size_t n)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < n; i++)
        out[i] = letters[randombytes_uniform(62)];
    out[n] = '\0';
}

void seal_token_hash(const char *token, const uint8_t pepper[32], uint8_t out[32])
{
    crypto_generichash(out, 32, (const uint8_t *)token, strlen(token), pepper, 32);
}

static_assert(crypto_pwhash_STRBYTES <= SEAL_PASSWORD_BYTES, "text of libsodium");

int seal_password_hash(const char *password, char out[SEAL_PASSWORD_BYTES], struct err *e)
{
    int code =
        crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE);
    return code == 0 ? ERR_OK : err_set(e, ERR_UNAVAILABLE, "no memory to hash a password");
}

bool seal_password_fits(const char *text, const char *password)
{
    return crypto_pwhash_str_verify(text, password, strlen(password)) == 0;
}

bool seal_equal(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}
