/*
 * SHA-256 (and SHA-1 for git): with jwt_key.c the only file that knows
 * OpenSSL. The algorithm is fetched once per
 * process, because a fetch costs more than hashing a small document; that pointer is the one global
 * of lib, written once under pthread_once and read-only after. Any thread; a running hash belongs
 * to one thread.
 */
#include "digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MD *sha1;

struct digest_ctx {
    EVP_MD_CTX *md;
};

/* Hashing fails only without memory or without a working OpenSSL: neither can be survived. */
static void must(int ok)
{
    if (ok)
        return;
    fputs("SHA-256 is not available\n", stderr);
    abort();
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(sha256 != NULL);
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    must(sha1 != NULL);
}

static const EVP_MD *algorithm(void)
{
    must(pthread_once(&once, fetch) == 0);
    return sha256;
}

struct digest_ctx *digest_new(void)
{
    struct digest_ctx *c = mem_alloc(sizeof *c);
    c->md = EVP_MD_CTX_new();
    must(c->md && EVP_DigestInit_ex2(c->md, algorithm(), NULL));
    return c;
}

void digest_free(struct digest_ctx *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->md);
    free(c);
}

void digest_free_ptr(struct digest_ctx **c)
{
    digest_free(*c);
    *c = NULL;
}

void digest_add(struct digest_ctx *c, const void *p, size_t n)
{
    if (n)
        must(EVP_DigestUpdate(c->md, p, n));
}

void digest_peek(const struct digest_ctx *c, struct digest *out)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    must(copy && EVP_MD_CTX_copy_ex(copy, c->md) && EVP_DigestFinal_ex(copy, out->b, NULL));
    EVP_MD_CTX_free(copy);
}

void digest_of(const void *p, size_t n, struct digest *out)
{
    must(EVP_Digest(n ? p : "", n, out->b, NULL, algorithm(), NULL));
}

void digest_sha1(const void *head, size_t n_head, const void *body, size_t n_body,
                 uint8_t out[DIGEST_SHA1_BYTES])
{
    must(pthread_once(&once, fetch) == 0);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    must(md && EVP_DigestInit_ex2(md, sha1, NULL));
    must(!n_head || EVP_DigestUpdate(md, head, n_head));
    must(!n_body || EVP_DigestUpdate(md, body, n_body));
    must(EVP_DigestFinal_ex(md, out, NULL));
    EVP_MD_CTX_free(md);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->b, b->b, DIGEST_BYTES) == 0;
}

char *digest_hex(const struct digest *d, char out[DIGEST_HEX_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = hex[d->b[i] >> 4];
        out[2 * i + 1] = hex[d->b[i] & 15];
    }
    out[DIGEST_HEX_BYTES - 1] = '\0';
    return out;
}

char *digest_text(const struct digest *d, char out[DIGEST_TEXT_BYTES])
{
    memcpy(out, "sha256:", 7);
    digest_hex(d, out + 7);
    return out;
}

/* Value of a lower-case hex digit, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int digest_parse(const char *text, struct digest *out, struct err *e)
{
    const char *p = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
    struct digest d;
    size_t n = 0;
    while (n < DIGEST_BYTES && hex_value(p[0]) >= 0 && hex_value(p[1]) >= 0) {
        d.b[n++] = (uint8_t)(hex_value(p[0]) << 4 | hex_value(p[1]));
        p += 2;
    }
    if (n < DIGEST_BYTES || *p)
        return err_set(e, ERR_INVALID, "\"%.80s\" is not a SHA-256 of 64 lower-case hex digits",
                       text);
    *out = d;
    return ERR_OK;
}
