/*
 * The texts of a login at an OpenID Connect issuer. The ticket's parts are keyed hashes of one
 * random word, each for its own purpose: whoever sees state and nonce on their way learns nothing
 * about the verifier. Must not know sockets, cookies or users. Pure: any thread.
 */
#include "openid.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "digest.h"
#include "seal.h"

#define WORD_LETTERS 32
#define SCOPES "openid profile email"
#define MAX_DEPTH 16

/* --- the ticket ------------------------------------------------------------------------------- */

static void letters_of(const uint8_t b[32], char out[OPENID_SECRET_BYTES])
{
    struct arena a CLEANUP(arena_clear) = {0};
    memcpy(out, base64_encode(BASE64_URL, b, 32, &a), OPENID_SECRET_BYTES);
}

static void derive(const uint8_t key[32], const char *purpose, const char *word,
                   char out[OPENID_SECRET_BYTES])
{
    char text[2 * OPENID_TICKET_BYTES];
    uint8_t hash[32];
    snprintf(text, sizeof text, "oidc-%s:%s", purpose, word);
    seal_token_hash(text, key, hash);
    letters_of(hash, out);
}

/* word: "<random>.<expiry in seconds>" */
static void fill_ticket(const uint8_t key[32], const char *word, struct openid_ticket *t)
{
    char mac[OPENID_SECRET_BYTES];
    struct digest d;
    derive(key, "state", word, t->state);
    derive(key, "nonce", word, t->nonce);
    derive(key, "verifier", word, t->verifier);
    derive(key, "ticket", word, mac);
    digest_of(t->verifier, strlen(t->verifier), &d);
    letters_of(d.b, t->challenge);
    snprintf(t->text, sizeof t->text, "%.60s.%s", word, mac);
}

void openid_ticket_new(const uint8_t key[32], int64_t now_ms, struct openid_ticket *out)
{
    char random[WORD_LETTERS + 1];
    char word[64];
    *out = (struct openid_ticket){.expires_ms = (now_ms + OPENID_TICKET_MS) / 1000 * 1000};
    seal_random_base62(random, WORD_LETTERS);
    snprintf(word, sizeof word, "%s.%lld", random, (long long)(out->expires_ms / 1000));
    fill_ticket(key, word, out);
}

int openid_ticket_read(const uint8_t key[32], const char *text, int64_t now_ms,
                       struct openid_ticket *out, struct err *e)
{
    char word[64] = "";
    long long expires_s = 0;
    const char *last = strrchr(text, '.');
    size_t n = last ? (size_t)(last - text) : 0;
    *out = (struct openid_ticket){0};
    if (n > WORD_LETTERS && n < 60)
        memcpy(word, text, n);
    fill_ticket(key, word, out);
    if (!word[0] || strlen(text) != strlen(out->text) ||
        !seal_equal(text, out->text, strlen(text)) ||
        sscanf(word + WORD_LETTERS, ".%lld", &expires_s) != 1)
        return err_set(e, ERR_REFUSED, "the login did not begin in this browser");
    out->expires_ms = expires_s * 1000;
    if (out->expires_ms <= now_ms)
        return err_set(e, ERR_REFUSED, "the login took too long");
    return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

bool openid_url_is_plain(const char *url)
{
    return strncmp(url, "http://", 7) == 0;
}

static bool is_this_machine(const char *host, size_t n)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (n == strlen(names[i]) && memcmp(host, names[i], n) == 0)
            return true;
    return false;
}

bool openid_url_ok(const char *url)
{
    bool is_plain = openid_url_is_plain(url);
    if (!is_plain && strncmp(url, "https://", 8) != 0)
        return false;
    const char *authority = url + (is_plain ? 7 : 8);
    size_t n = strcspn(authority, "/?");
    for (const char *p = url; *p; p++)
        if (*p <= 0x20 || *p > 0x7e || strchr("#\\\"<>", *p))
            return false;
    if (n == 0 || memchr(authority, '@', n))
        return false;
    const char *bracket = authority[0] == '[' ? memchr(authority, ']', n) : NULL;
    size_t n_host = bracket ? (size_t)(bracket + 1 - authority) : strcspn(authority, ":/?");
    return n_host > 0 && (!is_plain || is_this_machine(authority, n_host));
}

char *openid_discovery_url(const char *issuer, struct arena *a)
{
    size_t n = strlen(issuer);
    n -= n && issuer[n - 1] == '/';
    return arena_printf(a, "%.*s/.well-known/openid-configuration", (int)n, issuer);
}

/* --- what the issuer says --------------------------------------------------------------------- */

static int read_url(const json_t *doc, const char *name, const char *issuer, struct arena *a,
                    const char **out, struct err *e)
{
    const char *url = NULL;
    int rc = json_opt_str(doc, "", name, 2000, &url, e);
    if (!rc && url &&
        (!openid_url_ok(url) || (openid_url_is_plain(url) && !openid_url_is_plain(issuer))))
        rc = err_set(e, ERR_INVALID, "the issuer's %s is not an https address", name);
    *out = rc ? NULL : arena_strdup(a, url);
    return rc;
}

/* Basic unless the issuer lists only the other way. */
static bool wants_post(const json_t *doc)
{
    const json_t *ways = json_object_get(doc, "token_endpoint_auth_methods_supported");
    bool has_post = false;
    for (size_t i = 0; i < json_array_size(ways); i++) {
        const char *way = json_string_value(json_array_get(ways, i));
        if (way && strcmp(way, "client_secret_basic") == 0)
            return false;
        has_post = has_post || (way && strcmp(way, "client_secret_post") == 0);
    }
    return has_post;
}

static int read_urls(const json_t *doc, const char *issuer, struct arena *a,
                     struct openid_issuer *out, struct err *e)
{
    int rc = read_url(doc, "authorization_endpoint", issuer, a, &out->authorize, e);
    if (!rc)
        rc = read_url(doc, "token_endpoint", issuer, a, &out->token, e);
    if (!rc)
        rc = read_url(doc, "jwks_uri", issuer, a, &out->keys, e);
    if (!rc)
        rc = read_url(doc, "userinfo_endpoint", issuer, a, &out->userinfo, e);
    if (!rc && (!out->authorize || !out->token || !out->keys))
        rc = err_set(e, ERR_INVALID, "the issuer's description lacks an endpoint");
    return rc;
}

int openid_read_issuer(const char *bytes, size_t n, const char *issuer, struct arena *a,
                       struct openid_issuer *out, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    *out = (struct openid_issuer){0};
    int rc = json_parse(bytes, n, MAX_DEPTH, &doc, e);
    if (rc)
        return rc;
    const char *own = json_string_value(json_object_get(doc, "issuer"));
    if (!own || strcmp(own, issuer) != 0)
        return err_set(e, ERR_INVALID,
                       "the issuer calls itself \"%.120s\": set oidc.issuer to exactly that",
                       own ? own : "");
    out->wants_post = wants_post(doc);
    out->names_itself =
        json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported"));
    return read_urls(doc, issuer, a, out, e);
}

/* --- what is said to it ----------------------------------------------------------------------- */

static void put_escaped(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            (*p < 0x80 && strchr("-._~", *p)))
            buf_putc(out, (char)*p);
        else
            buf_putf(out, "%%%02X", *p);
}

static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_puts(out, name);
    buf_putc(out, '=');
    put_escaped(out, value);
}

static char *taken(struct buf *b, struct arena *a)
{
    char *text = arena_strdup(a, buf_str(b));
    if (b->data)
        explicit_bzero(b->data, b->len);
    buf_clear(b);
    return text;
}

char *openid_authorize_url(const struct openid_issuer *o, const struct openid_client *c,
                           const struct openid_ticket *t, struct arena *a)
{
    struct buf b;
    buf_init(&b, 16384);
    buf_puts(&b, o->authorize);
    buf_putc(&b, strchr(o->authorize, '?') ? '&' : '?');
    put_field(&b, "response_type", "code");
    put_field(&b, "&client_id", c->id);
    put_field(&b, "&redirect_uri", c->redirect);
    put_field(&b, "&scope", SCOPES);
    put_field(&b, "&state", t->state);
    put_field(&b, "&nonce", t->nonce);
    put_field(&b, "&code_challenge", t->challenge);
    put_field(&b, "&code_challenge_method", "S256");
    return taken(&b, a);
}

/* RFC 6749 2.3.1: both halves are escaped as in a form before they are joined. */
static char *basic(const struct openid_client *c, struct arena *a)
{
    struct buf b;
    buf_init(&b, 16384);
    put_escaped(&b, c->id);
    buf_putc(&b, ':');
    put_escaped(&b, c->secret);
    char *pair = taken(&b, a);
    char *text = arena_printf(a, "Authorization: Basic %s",
                              base64_encode(BASE64_STANDARD, pair, strlen(pair), a));
    explicit_bzero(pair, strlen(pair));
    return text;
}

void openid_token_request(const struct openid_issuer *o, const struct openid_client *c,
                          const char *code, const struct openid_ticket *t, struct arena *a,
                          struct openid_token_request *out)
{
    struct buf b;
    bool has_secret = c->secret[0] != '\0';
    buf_init(&b, 32768);
    put_field(&b, "grant_type", "authorization_code");
    put_field(&b, "&code", code);
    put_field(&b, "&redirect_uri", c->redirect);
    put_field(&b, "&code_verifier", t->verifier);
    if (!has_secret || o->wants_post)
        put_field(&b, "&client_id", c->id);
    if (has_secret && o->wants_post)
        put_field(&b, "&client_secret", c->secret);
    out->body = taken(&b, a);
    out->authorization = has_secret && !o->wants_post ? basic(c, a) : NULL;
}

void openid_error(const char *bytes, size_t n, char out[64])
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    const char *word = json_parse(bytes, n, MAX_DEPTH, &doc, NULL)
                           ? NULL
                           : json_string_value(json_object_get(doc, "error"));
    size_t k = 0;
    for (; word && *word && k < 63; word++)
        out[k++] = (*word >= 'a' && *word <= 'z') || *word == '_' ? *word : '?';
    out[k] = '\0';
}

/* --- the person ------------------------------------------------------------------------------- */

void openid_user_name(const json_t *claims, const char *claim, char out[OPENID_NAME_BYTES])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._@-";
    const char *text = json_string_value(json_object_get(claims, claim));
    const json_t *verified = json_object_get(claims, "email_verified");
    const char *word = json_string_value(verified); /* some write the text "true" */
    bool is_verified = !verified || json_is_true(verified) || (word && strcmp(word, "true") == 0);
    size_t n = 0;
    for (; text && text[n] && n < OPENID_NAME_BYTES - 1; n++)
        out[n] = (char)(text[n] >= 'A' && text[n] <= 'Z' ? text[n] - 'A' + 'a' : text[n]);
    out[n] = '\0';
    bool is_name = text && !text[n] && n > 0 && strspn(out, letters) == n;
    if (!is_name || (strcmp(claim, "email") == 0 && !is_verified))
        out[0] = '\0';
}
