/*
 * Signed tokens: the examples of RFC 7515 (A.2 and A.3) and RFC 7519, what is done to them to get
 * something else accepted, keys that do not fit, and every claim of an ID token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "jwt.h"

#define HEAD_RS256 "eyJhbGciOiJSUzI1NiJ9"
#define HEAD_ES256 "eyJhbGciOiJFUzI1NiJ9"
#define CLAIMS                                                                                  \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c" \
    "nVlfQ"
#define SIGNED_RS256                                                                             \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F" \
    "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQB" \
    "MHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeY" \
    "I2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define SIGNED_ES256 \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define MODULUS                                                                                  \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B" \
    "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5" \
    "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7" \
    "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define POINT_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define POINT_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

#define RS256 HEAD_RS256 "." CLAIMS "." SIGNED_RS256
#define ES256 HEAD_ES256 "." CLAIMS "." SIGNED_ES256
#define RSA_MEMBERS "'kty':'RSA','n':'" MODULUS "','e':'AQAB'"
#define EC_MEMBERS "'kty':'EC','crv':'P-256','x':'" POINT_X "','y':'" POINT_Y "'"

/* JSON with ' for ". */
static json_t *read_json(const char *text)
{
    char bytes[2048];
    json_t *j = NULL;
    struct err e = {0};
    snprintf(bytes, sizeof bytes, "%s", text);
    for (char *p = bytes; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    if (json_parse(bytes, strlen(bytes), 16, &j, &e))
        fail_msg("%s: %s", text, e.message);
    return j;
}

struct case_verify {
    const char *token, *key;
    int rc;
};

static const struct case_verify verifying[] = {
    {RS256, "{" RSA_MEMBERS "}", ERR_OK},
    {ES256, "{" EC_MEMBERS "}", ERR_OK},
    {RS256, "{" RSA_MEMBERS ",'use':'sig','alg':'RS256','key_ops':['sign','verify']}", ERR_OK},
    /* another text, another signature */
    {HEAD_RS256 "." CLAIMS "." SIGNED_ES256, "{" RSA_MEMBERS "}", ERR_CORRUPT},
    {HEAD_ES256 "." CLAIMS "." SIGNED_RS256, "{" EC_MEMBERS "}", ERR_CORRUPT},
    {HEAD_RS256 ".eyJpc3MiOiJqb2UifQ." SIGNED_RS256, "{" RSA_MEMBERS "}", ERR_CORRUPT},
    {HEAD_ES256 ".eyJpc3MiOiJqb2UifQ." SIGNED_ES256, "{" EC_MEMBERS "}", ERR_CORRUPT},
    {"eyJhbGciOiJSUzI1NiIsImEiOjF9." CLAIMS "." SIGNED_RS256, "{" RSA_MEMBERS "}", ERR_CORRUPT},
    {HEAD_RS256 "." CLAIMS ".", "{" RSA_MEMBERS "}", ERR_CORRUPT},
    {HEAD_ES256 "." CLAIMS ".", "{" EC_MEMBERS "}", ERR_CORRUPT},
    /* 63 bytes; r = s = 0 */
    {HEAD_ES256 "." CLAIMS
                ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-"
                "Kg6NU",
     "{" EC_MEMBERS "}", ERR_CORRUPT},
    {HEAD_ES256 "." CLAIMS
                ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                "AAAAAA",
     "{" EC_MEMBERS "}", ERR_CORRUPT},
    /* keys that are for something else */
    {RS256, "{" EC_MEMBERS "}", ERR_INVALID},
    {ES256, "{" RSA_MEMBERS "}", ERR_INVALID},
    {RS256, "{" RSA_MEMBERS ",'use':'enc'}", ERR_INVALID},
    {RS256, "{" RSA_MEMBERS ",'alg':'PS256'}", ERR_INVALID},
    {RS256, "{" RSA_MEMBERS ",'key_ops':['encrypt']}", ERR_INVALID},
    {RS256, "{'kty':'oct','k':'AQAB'}", ERR_INVALID},
    {RS256, "{}", ERR_INVALID},
    /* keys that are none: too short, even, exponent 1, missing; a point that is not on the curve */
    {RS256, "{'kty':'RSA','n':'AQAB','e':'AQAB'}", ERR_INVALID},
    {RS256, "{'kty':'RSA','n':'" MODULUS "','e':'AQ'}", ERR_INVALID},
    {RS256, "{'kty':'RSA','n':'" MODULUS "','e':'AQAA'}", ERR_INVALID},
    {RS256, "{'kty':'RSA','n':'" MODULUS "'}", ERR_INVALID},
    {RS256, "{'kty':'RSA','n':'" MODULUS "=','e':'AQAB'}", ERR_INVALID},
    {ES256, "{'kty':'EC','crv':'P-384','x':'" POINT_X "','y':'" POINT_Y "'}", ERR_INVALID},
    {ES256, "{'kty':'EC','crv':'P-256','x':'" POINT_X "','y':'" POINT_X "'}", ERR_INVALID},
    {ES256, "{'kty':'EC','crv':'P-256','x':'" POINT_X "','y':'AQAB'}", ERR_INVALID},
    {ES256, "{'kty':'EC','crv':'P-256','x':'" POINT_X "'}", ERR_INVALID},
    /* another key of the right kind: the curve's base point */
    {ES256,
     "{'kty':'EC','crv':'P-256','x':'axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY',"
     "'y':'T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU'}",
     ERR_CORRUPT},
};

static void test_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verifying); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct jwt t CLEANUP(jwt_clear) = {0};
        struct err e = {0};
        json_t *key CLEANUP(json_decref_ptr) = read_json(verifying[i].key);
        assert_int_equal(jwt_parse(verifying[i].token, &a, &t, &e), ERR_OK);
        int rc = jwt_verify(&t, key, &e);
        if (rc != verifying[i].rc)
            fail_msg("case %zu: %d, not %d (%s)", i, rc, verifying[i].rc, e.message);
    }
}

/* Every letter of a good token matters. */
static void test_each_letter(void **state)
{
    (void)state;
    static const struct case_verify good[] = {{RS256, "{" RSA_MEMBERS "}", 0},
                                              {ES256, "{" EC_MEMBERS "}", 0}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        json_t *key CLEANUP(json_decref_ptr) = read_json(good[i].key);
        for (size_t at = 0; good[i].token[at]; at++) {
            struct arena a CLEANUP(arena_clear) = {0};
            struct jwt t CLEANUP(jwt_clear) = {0};
            char *text = arena_strdup(&a, good[i].token);
            text[at] = text[at] == 'A' ? 'B' : 'A';
            if (jwt_parse(text, &a, &t, NULL) == ERR_OK)
                assert_int_not_equal(jwt_verify(&t, key, NULL), ERR_OK);
        }
    }
}

static const char *const malformed[] = {
    "",
    ".",
    "..",
    "a.b",
    HEAD_RS256 "." CLAIMS,
    HEAD_RS256 "." CLAIMS "." SIGNED_RS256 ".x",
    HEAD_RS256 "=." CLAIMS "." SIGNED_RS256,
    HEAD_RS256 "." CLAIMS "." SIGNED_RS256 "==",
    " " RS256,
    RS256 "\n",
    /* RFC 7519 6.1: "none"; 3.1: HS256 */
    "eyJhbGciOiJub25lIn0." CLAIMS ".",
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "e30." CLAIMS "." SIGNED_RS256,                         /* {} */
    "W10." CLAIMS "." SIGNED_RS256,                         /* [] */
    "eyJhbGciOjF9." CLAIMS "." SIGNED_RS256,                /* {"alg":1} */
    "eyJhbGciOiJyczI1NiJ9." CLAIMS ".AA",                   /* "rs256" */
    "eyJhbGciOiJub25lIiwiYWxnIjoiUlMyNTYifQ." CLAIMS ".AA", /* alg twice */
    "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9." CLAIMS ".AA",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6N30." CLAIMS ".AA", /* "kid":7 */
    HEAD_RS256 ".W10." SIGNED_RS256,
    HEAD_RS256 ".e30x." SIGNED_RS256,
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct jwt t CLEANUP(jwt_clear) = {0};
        struct err e = {0};
        if (jwt_parse(malformed[i], &a, &t, &e) != ERR_INVALID)
            fail_msg("case %zu is accepted", i);
        assert_true(e.message[0]);
    }
}

static void test_long(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct jwt t CLEANUP(jwt_clear) = {0};
    char *text = arena_alloc(&a, JWT_MAX_BYTES + 2);
    memset(text, 'A', JWT_MAX_BYTES + 1);
    memcpy(text, HEAD_RS256 ".e30.", sizeof HEAD_RS256 + 4);
    assert_int_equal(jwt_parse(text, &a, &t, NULL), ERR_INVALID);
    jwt_clear(&t);
    text[JWT_MAX_BYTES] = '\0';
    assert_int_equal(jwt_parse(text, &a, &t, NULL), ERR_OK);
}

/* Header {"alg":"RS256","kid":"k"}: the signature never fits, but it shows which keys are tried. */
#define NAMED "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ." CLAIMS "." SIGNED_RS256

static const struct case_verify sets[] = {
    {RS256, "{'keys':[{" RSA_MEMBERS "}]}", ERR_OK},
    {RS256, "{'keys':[{" EC_MEMBERS "},{" RSA_MEMBERS ",'kid':'any'}]}", ERR_OK},
    {RS256, "{'keys':[7,null,{'kty':'RSA'},{" RSA_MEMBERS "}]}", ERR_OK},
    {RS256, "{'keys':[{'kty':'RSA'}]}", ERR_CORRUPT},
    {RS256, "{'keys':[{" EC_MEMBERS "}]}", ERR_NOT_FOUND},
    {RS256, "{'keys':[]}", ERR_NOT_FOUND},
    {RS256, "{'keys':{'0':{" RSA_MEMBERS "}}}", ERR_NOT_FOUND},
    {RS256, "{}", ERR_NOT_FOUND},
    {NAMED, "{'keys':[{" RSA_MEMBERS ",'kid':'l'}]}", ERR_NOT_FOUND},
    {NAMED, "{'keys':[{" RSA_MEMBERS "}]}", ERR_NOT_FOUND},
    {NAMED, "{'keys':[{" RSA_MEMBERS ",'kid':'k'}]}", ERR_CORRUPT},
    {NAMED, "{'keys':[{" EC_MEMBERS ",'kid':'k'}]}", ERR_NOT_FOUND},
};

static void test_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct jwt t CLEANUP(jwt_clear) = {0};
        json_t *set CLEANUP(json_decref_ptr) = read_json(sets[i].key);
        assert_int_equal(jwt_parse(sets[i].token, &a, &t, NULL), ERR_OK);
        int rc = jwt_verify_set(&t, set, NULL);
        if (rc != sets[i].rc)
            fail_msg("case %zu: %d, not %d", i, rc, sets[i].rc);
    }
}

#define WHO "'iss':'https://i','sub':'s'"
#define WHEN "'exp':1060,'iat':1000"

struct case_claims {
    const char *claims;
    int64_t now_s;
    const char *fault; /* NULL: none */
};

static const struct case_claims claimed[] = {
    {"{" WHO ",'aud':'me','nonce':'n'," WHEN "}", 1000, NULL},
    {"{" WHO ",'aud':['me'],'nonce':'n'," WHEN "}", 1000, NULL},
    {"{" WHO ",'aud':['me'],'azp':'me','nonce':'n'," WHEN "}", 1000, NULL},
    {"{" WHO ",'aud':['a','me'],'azp':'me','nonce':'n'," WHEN "}", 1000, NULL},
    {"{" WHO ",'aud':'me','nonce':'n','exp':1060.5,'iat':1000.25,'nbf':1000}", 1000, NULL},
    {"{" WHO ",'aud':['a','me'],'nonce':'n'," WHEN "}", 1000, "(azp)"},
    {"{" WHO ",'aud':'me','azp':'a','nonce':'n'," WHEN "}", 1000, "(azp)"},
    {"{" WHO ",'aud':'me','azp':7,'nonce':'n'," WHEN "}", 1000, "(azp)"},
    {"{" WHO ",'aud':'a','nonce':'n'," WHEN "}", 1000, "(aud)"},
    {"{" WHO ",'aud':'mea','nonce':'n'," WHEN "}", 1000, "(aud)"},
    {"{" WHO ",'aud':[],'nonce':'n'," WHEN "}", 1000, "(aud)"},
    {"{" WHO ",'aud':{'me':'me'},'nonce':'n'," WHEN "}", 1000, "(aud)"},
    {"{" WHO ",'nonce':'n'," WHEN "}", 1000, "(aud)"},
    {"{'iss':'https://i/','sub':'s','aud':'me','nonce':'n'," WHEN "}", 1000, "(iss)"},
    {"{'iss':['https://i'],'sub':'s','aud':'me','nonce':'n'," WHEN "}", 1000, "(iss)"},
    {"{'sub':'s','aud':'me','nonce':'n'," WHEN "}", 1000, "(iss)"},
    {"{'iss':'https://i','sub':'','aud':'me','nonce':'n'," WHEN "}", 1000, "(sub)"},
    {"{'iss':'https://i','sub':'a\\nb','aud':'me','nonce':'n'," WHEN "}", 1000, "(sub)"},
    {"{'iss':'https://i','sub':7,'aud':'me','nonce':'n'," WHEN "}", 1000, "(sub)"},
    {"{" WHO ",'aud':'me','nonce':'N'," WHEN "}", 1000, "(nonce)"},
    {"{" WHO ",'aud':'me','nonce':''," WHEN "}", 1000, "(nonce)"},
    {"{" WHO ",'aud':'me'," WHEN "}", 1000, "(nonce)"},
    /* a minute each way for clocks */
    {"{" WHO ",'aud':'me','nonce':'n'," WHEN "}", 1119, NULL},
    {"{" WHO ",'aud':'me','nonce':'n'," WHEN "}", 1120, "expired"},
    {"{" WHO ",'aud':'me','nonce':'n'," WHEN "}", 940, NULL},
    {"{" WHO ",'aud':'me','nonce':'n'," WHEN "}", 939, "in the future"},
    {"{" WHO ",'aud':'me','nonce':'n','nbf':1061," WHEN "}", 1000, "not valid yet"},
    {"{" WHO ",'aud':'me','nonce':'n','nbf':'x'," WHEN "}", 1000, "not valid yet"},
    {"{" WHO ",'aud':'me','nonce':'n','iat':1000}", 1000, "expired"},
    {"{" WHO ",'aud':'me','nonce':'n','iat':1000,'exp':'1060'}", 1000, "expired"},
    {"{" WHO ",'aud':'me','nonce':'n','iat':1000,'exp':-1}", 1000, "expired"},
    {"{" WHO ",'aud':'me','nonce':'n','iat':1000,'exp':1e300}", 1000, "expired"},
    {"{" WHO ",'aud':'me','nonce':'n','exp':1060}", 1000, "in the future"},
};

static void test_claims(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(claimed); i++) {
        struct err e = {0};
        json_t *claims CLEANUP(json_decref_ptr) = read_json(claimed[i].claims);
        struct jwt_expect want = {"https://i", "me", "n", claimed[i].now_s * 1000};
        int rc = jwt_check(claims, &want, &e);
        if (!claimed[i].fault)
            assert_int_equal(rc, ERR_OK);
        else if (rc != ERR_REFUSED || !strstr(e.message, claimed[i].fault))
            fail_msg("case %zu: %d %s", i, rc, e.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),    cmocka_unit_test(test_each_letter),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_long),
        cmocka_unit_test(test_sets),      cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
