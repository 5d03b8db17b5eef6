/*
 * The texts of a login at an OpenID Connect issuer: tickets and what is done to them, addresses,
 * the issuer's description, requests, names of people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "digest.h"
#include "openid.h"
#include "seal.h"

static const uint8_t key[32] = {1, 2, 3};
static const uint8_t other_key[32] = {1, 2, 4};

static int start(void **state)
{
    (void)state;
    return seal_init(NULL);
}

static void test_ticket(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct openid_ticket t;
    struct openid_ticket back;
    struct openid_ticket second;
    struct digest d;
    openid_ticket_new(key, 1000000, &t);
    openid_ticket_new(key, 1000000, &second);
    assert_string_not_equal(t.state, second.state);
    assert_int_equal(openid_ticket_read(key, t.text, 1000000, &back, NULL), ERR_OK);
    assert_memory_equal(&t, &back, sizeof t);
    assert_int_equal(t.expires_ms, 1000000 + OPENID_TICKET_MS);
    assert_int_equal(strlen(t.verifier), 43);
    digest_of(t.verifier, 43, &d);
    assert_string_equal(t.challenge, base64_encode(BASE64_URL, d.b, 32, &a));
    const char *all[] = {t.state, t.nonce, t.verifier, t.challenge, t.text};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        for (size_t j = 0; j < ARRAY_LEN(all); j++)
            assert_true(i == j || !strstr(all[i], all[j]));
}

static void test_ticket_of_others(void **state)
{
    (void)state;
    struct openid_ticket t;
    struct openid_ticket back;
    openid_ticket_new(key, 1000000, &t);
    const int64_t end_ms = t.expires_ms;
    assert_int_equal(openid_ticket_read(key, t.text, end_ms - 1, &back, NULL), ERR_OK);
    assert_int_equal(openid_ticket_read(key, t.text, end_ms, &back, NULL), ERR_REFUSED);
    assert_int_equal(openid_ticket_read(other_key, t.text, 1000000, &back, NULL), ERR_REFUSED);
    static const char *const odd[] = {"",  ".",     "..",
                                      "x", "a.b.c", "................................."};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        assert_int_equal(openid_ticket_read(key, odd[i], 0, &back, NULL), ERR_REFUSED);
    for (size_t i = 0; t.text[i]; i++) {
        char text[OPENID_TICKET_BYTES];
        memcpy(text, t.text, sizeof text);
        text[i] = text[i] == '9' ? '8' : '9';
        assert_int_equal(openid_ticket_read(key, text, 0, &back, NULL), ERR_REFUSED);
        text[i] = '\0';
        assert_int_equal(openid_ticket_read(key, text, 0, &back, NULL), ERR_REFUSED);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"https://id.example",      "https://id.example:8443/a?b=c",
                                       "http://127.0.0.1:7/x",    "http://localhost",
                                       "http://[::1]:80/",        "https://[2001:db8::1]/x",
                                       "https://id.example/~a@b", "http://localhost?x"};
    static const char *const bad[] = {"",
                                      "id.example",
                                      "ftp://id.example",
                                      "HTTPS://id.example",
                                      "https://",
                                      "https:///x",
                                      "https://:80/",
                                      "https://a@id.example",
                                      "https://id.example/#x",
                                      "https://id.example/ x",
                                      "https://id.example/\n",
                                      "https://id.example/\xc3\xa4",
                                      "http://id.example",
                                      "http://127.0.0.1.id.example",
                                      "http://127.0.0.1@id.example",
                                      "http://localhost.example",
                                      "http://localhos",
                                      "http://10.0.0.1",
                                      "http://id.example?@127.0.0.1",
                                      "http://id.example\\@127.0.0.1",
                                      "javascript:alert(1)"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!openid_url_ok(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (openid_url_ok(bad[i]))
            fail_msg("%s", bad[i]);
    struct arena a CLEANUP(arena_clear) = {0};
    assert_string_equal(openid_discovery_url("https://i/t", &a),
                        "https://i/t/.well-known/openid-configuration");
    assert_string_equal(openid_discovery_url("https://i/t/", &a),
                        "https://i/t/.well-known/openid-configuration");
}

#define DESCRIBED(more)                                                                  \
    "{\"issuer\":\"https://i\",\"authorization_endpoint\":\"https://i/a\",\"jwks_uri\":" \
    "\"https://i/k\",\"token_endpoint\":\"https://i/t\"" more "}"

static void test_issuer(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct openid_issuer o;
    const char *text = DESCRIBED("");
    assert_int_equal(openid_read_issuer(text, strlen(text), "https://i", &a, &o, NULL), ERR_OK);
    assert_string_equal(o.authorize, "https://i/a");
    assert_string_equal(o.token, "https://i/t");
    assert_string_equal(o.keys, "https://i/k");
    assert_null(o.userinfo);
    assert_false(o.wants_post || o.names_itself);
    text =
        DESCRIBED(",\"userinfo_endpoint\":\"https://u/\",\"token_endpoint_auth_methods_supported\":"
                  "[\"private_key_jwt\",\"client_secret_post\"],"
                  "\"authorization_response_iss_parameter_supported\":true");
    assert_int_equal(openid_read_issuer(text, strlen(text), "https://i", &a, &o, NULL), ERR_OK);
    assert_string_equal(o.userinfo, "https://u/");
    assert_true(o.wants_post && o.names_itself);
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"issuer\":\"https://i\"}",
        DESCRIBED(",\"userinfo_endpoint\":\"http://127.0.0.1/\""), /* https became http */
        DESCRIBED(",\"userinfo_endpoint\":7"),
        DESCRIBED(",\"issuer\":\"https://i\""),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(openid_read_issuer(bad[i], strlen(bad[i]), "https://i", &a, &o, NULL),
                         ERR_INVALID);
    assert_int_equal(openid_read_issuer(text, strlen(text), "https://i/", &a, &o, NULL),
                     ERR_INVALID);
}

static void test_requests(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct openid_ticket t = {.state = "S", .nonce = "N", .verifier = "V", .challenge = "C"};
    struct openid_issuer o = {.authorize = "https://i/a?x=1"};
    struct openid_client c = {"m&r", "p:s %", "https://m/back?"};
    struct openid_token_request rq;
    assert_string_equal(
        openid_authorize_url(&o, &c, &t, &a),
        "https://i/a?x=1&response_type=code&client_id=m%26r&redirect_uri=https%3A%2F%2Fm%2Fback%3F&"
        "scope=openid%20profile%20email&state=S&nonce=N&code_challenge=C&code_challenge_method="
        "S256");
    openid_token_request(&o, &c, "a+b", &t, &a, &rq);
    assert_string_equal(rq.body, "grant_type=authorization_code&code=a%2Bb&redirect_uri="
                                 "https%3A%2F%2Fm%2Fback%3F&code_verifier=V");
    /* m%26r:p%3As%20%25 */
    assert_string_equal(rq.authorization, "Authorization: Basic bSUyNnI6cCUzQXMlMjAlMjU=");
    o.wants_post = true;
    openid_token_request(&o, &c, "a", &t, &a, &rq);
    assert_non_null(strstr(rq.body, "&client_id=m%26r&client_secret=p%3As%20%25"));
    assert_null(rq.authorization);
    c.secret = "";
    openid_token_request(&o, &c, "a", &t, &a, &rq);
    assert_non_null(strstr(rq.body, "&client_id=m%26r"));
    assert_null(strstr(rq.body, "secret"));
    assert_null(rq.authorization);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *claim, *name;
    } cases[] = {
        {"{\"n\":\"Ada\"}", "n", "ada"},
        {"{\"n\":\"a.b_c-d@e9\"}", "n", "a.b_c-d@e9"},
        {"{\"n\":\"a b\"}", "n", ""},
        {"{\"n\":\"\"}", "n", ""},
        {"{\"n\":7}", "n", ""},
        {"{\"n\":[\"a\"]}", "n", ""},
        {"{\"n\":\"\\u00e4\"}", "n", ""},
        {"{}", "n", ""},
        {"{\"n\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "n",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"{\"n\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "n", ""},
        {"{\"email\":\"a@b\"}", "email", "a@b"},
        {"{\"email\":\"a@b\",\"email_verified\":true}", "email", "a@b"},
        {"{\"email\":\"a@b\",\"email_verified\":\"true\"}", "email", "a@b"},
        {"{\"email\":\"a@b\",\"email_verified\":false}", "email", ""},
        {"{\"email\":\"a@b\",\"email_verified\":\"false\"}", "email", ""},
        {"{\"n\":\"a@b\",\"email_verified\":false}", "n", "a@b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char name[OPENID_NAME_BYTES];
        json_t *claims CLEANUP(json_decref_ptr) = NULL;
        assert_int_equal(json_parse(cases[i].claims, strlen(cases[i].claims), 8, &claims, NULL), 0);
        openid_user_name(claims, cases[i].claim, name);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"{\"error\":\"invalid_grant\"}", "invalid_grant"},
                                           {"{\"error\":\"A\\n<b>\"}", "???b?"},
                                           {"{\"error\":7}", ""},
                                           {"<html>", ""},
                                           {"", ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char word[64];
        openid_error(cases[i][0], strlen(cases[i][0]), word);
        assert_string_equal(word, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticket),    cmocka_unit_test(test_ticket_of_others),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_issuer),
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
