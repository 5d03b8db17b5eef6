/* Webhooks as data: published signature vectors, keyrings, schedule, filters, CloudEvents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "webhook.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define MESSAGE_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY "{\"test\": 2432232314}"

static void unhex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i]; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
}

/* --- signatures ------------------------------------------------------------------------------- */

static void test_hmac(void **state)
{
    (void)state;
    static const char key[] = "It's a Secret to Everybody";
    static const char text[] = "Hello, World!";
    uint8_t wanted[SEAL_HMAC_BYTES], got[SEAL_HMAC_BYTES];
    unhex("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", wanted);
    seal_hmac(key, strlen(key), text, strlen(text), got);
    assert_memory_equal(got, wanted, sizeof got);
}

/* RFC 8032, 7.1, test 2. */
static void test_bare_signature(void **state)
{
    (void)state;
    struct seal_key key;
    uint8_t seed[SEAL_SEED_BYTES], wanted[SEAL_BARE_BYTES], got[SEAL_BARE_BYTES];
    const uint8_t text[] = {0x72, 0x73};
    unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
    unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
          wanted);
    seal_key_from_seed(&key, seed);
    seal_sign_bare(&key, text, 1, got);
    assert_memory_equal(got, wanted, sizeof got);
    assert_true(seal_bare_fits(&key.pub, text, 1, got));
    assert_false(seal_bare_fits(&key.pub, text, 2, got));
    got[5] ^= 1;
    assert_false(seal_bare_fits(&key.pub, text, 1, got));
}

static struct webhook_key known_key(const char *secret, int64_t until_ms)
{
    struct webhook_key key = {.until_ms = until_ms};
    struct arena a CLEANUP(arena_clear) = {0};
    struct err e;
    char *bytes = NULL;
    assert_int_equal(base64_decode(BASE64_STANDARD, secret + 6, strlen(secret) - 6, &a, &bytes,
                                   &key.n_secret, &e),
                     ERR_OK);
    memcpy(key.secret, bytes, key.n_secret);
    seal_key_generate(&key.sign);
    return key;
}

static const struct webhook_message message = {
    .id = MESSAGE_ID, .timestamp_s = 1614265330, .body = BODY, .n = sizeof BODY - 1};

/* Bytes of the i-th signature of a header that begins with prefix. */
static char *signature_at(const char *header, int i, const char *prefix, struct arena *a)
{
    char *bytes = NULL;
    size_t n = 0;
    struct err e;
    for (; i > 0; i--) {
        header = strchr(header, ' ');
        assert_non_null(header);
        header++;
    }
    assert_memory_equal(header, prefix, strlen(prefix));
    header += strlen(prefix);
    assert_int_equal(
        base64_decode(BASE64_STANDARD, header, strcspn(header, " "), a, &bytes, &n, &e), ERR_OK);
    return bytes;
}

static void test_standard_vector(void **state)
{
    (void)state;
    static const char signed_text[] = MESSAGE_ID ".1614265330." BODY;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf header CLEANUP(buf_clear);
    struct webhook_keyring ring = {.keys = {known_key(SECRET, 0)}, .n_keys = 1};
    char text[WEBHOOK_TEXT_BYTES];
    buf_init(&header, 4096);
    webhook_sign(&ring, 1, &message, &header);
    assert_memory_equal(header.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,", 52);
    const char *bare = signature_at(header.data, 1, "v1a,", &a);
    assert_true(seal_bare_fits(&ring.keys[0].sign.pub, signed_text, strlen(signed_text),
                               (const uint8_t *)bare));
    assert_null(strchr(strchr(header.data, ' ') + 1, ' '));
    assert_string_equal(webhook_secret_text(&ring.keys[0], text), SECRET);
    assert_memory_equal(webhook_public_text(&ring.keys[0], text), "whpk_", 5);
    assert_int_equal(strlen(text), 5 + 44);
}

static void test_two_keys(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf header CLEANUP(buf_clear);
    struct webhook_keyring ring = {.keys = {known_key(SECRET, 0)}, .n_keys = 1};
    buf_init(&header, 4096);
    webhook_keyring_rotate(&ring, 5000);
    assert_int_equal(ring.n_keys, 2);
    assert_int_equal(ring.keys[0].n_secret, 32);
    webhook_sign(&ring, 4999, &message, &header);
    signature_at(header.data, 0, "v1,", &a);
    signature_at(header.data, 1, "v1a,", &a);
    signature_at(header.data, 2, "v1,g0hM9SsE+OTPJTGt", &a);
    signature_at(header.data, 3, "v1a,", &a);
    buf_reset(&header);
    webhook_sign(&ring, 5000, &message, &header); /* the old one is over */
    assert_null(strstr(header.data, "g0hM9SsE"));
    assert_null(strchr(strchr(header.data, ' ') + 1, ' '));
    uint8_t second[32];
    memcpy(second, ring.keys[0].secret, sizeof second);
    webhook_keyring_rotate(&ring, 9000); /* a third is forgotten */
    assert_int_equal(ring.n_keys, 2);
    assert_memory_equal(ring.keys[1].secret, second, sizeof second);
    assert_int_equal(ring.keys[1].until_ms, 9000);
}

static void test_keyring_file(void **state)
{
    (void)state;
    struct err e;
    struct buf text CLEANUP(buf_clear);
    struct webhook_keyring ring = {.keys = {known_key(SECRET, 0)}, .n_keys = 1, .token = "glpat-x"};
    struct webhook_keyring again;
    buf_init(&text, 4096);
    webhook_keyring_rotate(&ring, 7000);
    webhook_keyring_write(&ring, &text);
    assert_int_equal(webhook_keyring_read(text.data, text.len, &again, &e), ERR_OK);
    assert_int_equal(again.n_keys, 2);
    assert_string_equal(again.token, "glpat-x");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(again.keys[i].until_ms, ring.keys[i].until_ms);
        assert_int_equal(again.keys[i].n_secret, ring.keys[i].n_secret);
        assert_memory_equal(again.keys[i].secret, ring.keys[i].secret, ring.keys[i].n_secret);
        assert_memory_equal(again.keys[i].sign.secret, ring.keys[i].sign.secret, 64);
    }
    static const char *const bad[] = {
        "",
        "{}",
        "{\"keys\":[],\"token\":1}",
        "{\"keys\":[{}],\"token\":\"\"}",
        "{\"keys\":[{\"secret\":\"whsec_\",\"sign\":\"whsk_AAAA\",\"until\":0}],\"token\":\"\"}",
        "{\"keys\":[{\"secret\":\"AAAA\",\"sign\":\"whsk_AAAA\",\"until\":0}],\"token\":\"\"}",
        ("{\"keys\":[{\"secret\":\"whsec_AAAA\",\"sign\":\"whsk_AAAA\",\"until\":0}],\"token\":"
         "\"\"}")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(webhook_keyring_read(bad[i], strlen(bad[i]), &again, &e), ERR_CORRUPT);
    for (size_t n = 0; n < text.len - 2; n++) /* every cut */
        assert_int_equal(webhook_keyring_read(text.data, n, &again, &e), ERR_CORRUPT);
}

/* --- schedule --------------------------------------------------------------------------------- */

static void test_schedule(void **state)
{
    (void)state;
    static const int64_t seconds[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    int64_t total = 0;
    for (int i = 0; i < 9; i++) {
        int64_t least = webhook_delay_ms(i + 1, 1000000, 0);
        int64_t most = webhook_delay_ms(i + 1, 1000000, 200);
        assert_int_equal(least, seconds[i] * 1000);
        assert_int_equal(most, seconds[i] * 1200);
        for (uint32_t draw = 0; draw < 1000; draw += 37) {
            assert_in_range(webhook_delay_ms(i + 1, 1000000, draw), least, most);
        }
        assert_int_equal(webhook_delay_ms(i + 1, 1000, 0), seconds[i]);
        total += least;
    }
    assert_in_range(total, INT64_C(3) * 86400000, INT64_C(4) * 86400000);
    assert_int_equal(webhook_delay_ms(WEBHOOK_MAX_ATTEMPTS, 1000000, 0), -1);
    assert_int_equal(webhook_delay_ms(0, 1000000, 0), -1);
}

/* --- filter ----------------------------------------------------------------------------------- */

static void test_filter(void **state)
{
    (void)state;
    static const struct {
        const char *kinds, *env, *models;           /* filter */
        const char *kind, *object, *ev_env, *model; /* event */
        bool wanted;
    } cases[] = {
        {"*", "", "*", "token.create", "t-4", NULL, NULL, true},
        {"rollout.*", "", "*", "token.create", "t-4", NULL, NULL, false},
        {"rollout.*,alias.set", "", "*", "alias.set", "fraud", NULL, NULL, true},
        {"alias.set,rollout.end", "", "*", "rollout.end", "r-5", "production", "fraud", true},
        {"*", "production", "*", "rollout.end", "r-5", "production", "fraud", true},
        {"*", "production", "*", "rollout.end", "r-5", "staging", "fraud", false},
        {"*", "production", "*", "node.create", "production/n1", NULL, NULL, true},
        {"*", "production", "*", "node.create", "production2/n1", NULL, NULL, false},
        {"*", "production", "*", "env.update", "production", NULL, NULL, true},
        {"*", "production", "*", "version.publish", "fraud", NULL, NULL, false},
        {"*", "", "fraud", "version.publish", "fraud", NULL, NULL, true},
        {"*", "", "fraud", "version.publish", "frauds", NULL, NULL, false},
        {"*", "", "team/*,fraud", "target.set", "production/team/x", NULL, NULL, true},
        {"*", "", "team/*,fraud", "target.set", "production/other", NULL, NULL, false},
        {"*", "", "team/*", "rollout.end", "r-5", "production", "team/x", true},
        {"*", "", "team/*", "env.create", "production", NULL, NULL, false},
        {"", "", "*", "env.create", "production", NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct webhook_filter f = {cases[i].kinds, cases[i].env, cases[i].models};
        struct webhook_event ev = {.kind = cases[i].kind,
                                   .object = cases[i].object,
                                   .env = cases[i].ev_env,
                                   .model = cases[i].model};
        webhook_event_scope(&ev, &a);
        if (webhook_wants(&f, &ev) != cases[i].wanted)
            fail_msg("case %zu", i);
    }
}

/* --- CloudEvents ------------------------------------------------------------------------------ */

static const char *text_at(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    assert_non_null(s);
    return s;
}

static void test_rollout_event(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf out CLEANUP(buf_clear);
    struct err e;
    json_t *doc =
        json_pack("{s:s,s:s,s:s,s:i,s:i,s:s,s:s,s:[s],s:{s:s}}", "id", "r-5", "model", "team/fraud",
                  "environment", "production", "from", 1, "to", 2, "phase", "paused", "direction",
                  "promote", "pauses", "approval", "strategy", "strategy", "canary");
    struct webhook_event ev = {.seq = 77,
                               .ts_ms = INT64_C(1795231409123),
                               .kind = "rollout.move",
                               .actor = "mregd",
                               .object = "r-5",
                               .message = "says \"x\"\xff",
                               .env = "production",
                               .model = "team/fraud",
                               .registry_id = "reg-0123456789abcdef",
                               .public_url = "https://mreg.example.com",
                               .rollout_doc = doc};
    const char *id = webhook_event_id(&ev, &a);
    assert_string_equal(id, "evt_0123456789abcdef_77");
    assert_null(strchr(id, '.')); /* the signed text is split at dots */
    buf_init(&out, 1 << 16);
    webhook_event_body(&ev, id, &out);
    json_t *j = NULL;
    assert_int_equal(json_parse(out.data, out.len, 8, &j, &e), ERR_OK);
    assert_string_equal(text_at(j, "specversion"), "1.0");
    assert_string_equal(text_at(j, "id"), id);
    assert_string_equal(text_at(j, "source"), "mreg:reg-0123456789abcdef");
    assert_string_equal(text_at(j, "type"), "dev.mreg.rollout.move");
    assert_string_equal(text_at(j, "subject"), "r-5");
    assert_string_equal(text_at(j, "time"), "2026-11-21T03:23:29.123Z");
    assert_string_equal(text_at(j, "datacontenttype"), "application/json");
    const json_t *data = json_object_get(j, "data");
    assert_string_equal(text_at(data, "url"), "https://mreg.example.com/rollouts/r-5");
    assert_null(json_object_get(data, "reason"));
    const json_t *rollout = json_object_get(data, "rollout");
    assert_string_equal(text_at(rollout, "phase"), "paused");
    assert_string_equal(text_at(rollout, "kind"), "promote");
    assert_int_equal(json_integer_value(json_object_get(rollout, "to")), 2);
    assert_null(json_object_get(rollout, "strategy")); /* thin */
    assert_string_equal(json_string_value(json_array_get(json_object_get(rollout, "pauses"), 0)),
                        "approval");
    json_decref(j);
    json_decref(doc);
}

static void test_plain_event(void **state)
{
    (void)state;
    struct buf out CLEANUP(buf_clear);
    struct webhook_event ev = {.seq = 3,
                               .ts_ms = 1000,
                               .kind = "alias.set",
                               .actor = "t-1",
                               .object = "fraud",
                               .reason = "why",
                               .message = "m",
                               .model = "fraud",
                               .registry_id = "reg-x",
                               .public_url = ""};
    buf_init(&out, 4096);
    webhook_event_body(&ev, "evt_x_3", &out);
    assert_string_equal(
        buf_str(&out),
        "{\"specversion\":\"1.0\",\"id\":\"evt_x_3\",\"source\":\"mreg:reg-x\","
        "\"type\":\"dev.mreg.alias.set\",\"subject\":\"fraud\",\"time\":\"1970-01-01T00:00:01Z\","
        "\"datacontenttype\":\"application/json\",\"data\":{\"seq\":3,"
        "\"time\":\"1970-01-01T00:00:01Z\",\"kind\":\"alias.set\",\"actor\":\"t-1\","
        "\"object\":\"fraud\",\"model\":\"fraud\",\"reason\":\"why\",\"message\":\"m\"}}");
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const good[] = {"http://127.0.0.1:9000/x", "https://h.example.com",
                                       "https://h/x?key=1", "http://[::1]:8/"};
    static const char *const bad[] = {"",
                                      "ftp://h/",
                                      "file:///etc/passwd",
                                      "http://",
                                      "https:///x",
                                      "http://user:pw@h/",
                                      "http://h/ x",
                                      "http://h/#f",
                                      "http://:80/",
                                      "HTTP://h/\n",
                                      "gopher://h/",
                                      "http://h\"/",
                                      "http://h\\@evil/"};
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(webhook_check_url(good[i], &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (webhook_check_url(bad[i], &e) != ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
    char *longest = malloc(1002);
    memset(longest, 'a', 1001);
    memcpy(longest, "http://", 7);
    longest[1001] = '\0';
    assert_int_equal(webhook_check_url(longest, &e), ERR_INVALID);
    longest[1000] = '\0';
    assert_int_equal(webhook_check_url(longest, &e), ERR_OK);
    free(longest);
}

static int setup(void **state)
{
    struct err e;
    (void)state;
    return seal_init(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_bare_signature),
        cmocka_unit_test(test_standard_vector),
        cmocka_unit_test(test_two_keys),
        cmocka_unit_test(test_keyring_file),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_rollout_event),
        cmocka_unit_test(test_plain_event),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
