/*
 * Replies as bytes: ranges, conditions, header block, problem documents; bodies from a scripted
 * peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "answer.h"

static const struct {
    const char *field;
    enum range_kind kind;
    int64_t first, last;
} range_cases[] = {
    {NULL, RANGE_WHOLE, 0, 0},
    {"bytes=0-0", RANGE_PART, 0, 0},
    {"bytes=0-9", RANGE_PART, 0, 9},
    {"bytes=2-", RANGE_PART, 2, 9},
    {"bytes=9-100", RANGE_PART, 9, 9},
    {"bytes=-3", RANGE_PART, 7, 9},
    {"bytes=-10", RANGE_PART, 0, 9},
    {"bytes=-11", RANGE_PART, 0, 9},
    {"bytes=-0", RANGE_NONE, 0, 0},
    {"bytes=10-", RANGE_NONE, 0, 0},
    {"bytes=10-12", RANGE_NONE, 0, 0},
    {"bytes=5-3", RANGE_WHOLE, 0, 0},
    {"bytes=0-1,3-4", RANGE_WHOLE, 0, 0},
    {"bytes=", RANGE_WHOLE, 0, 0},
    {"bytes=-", RANGE_WHOLE, 0, 0},
    {"bytes=a-b", RANGE_WHOLE, 0, 0},
    {"bytes=1-2 ", RANGE_WHOLE, 0, 0},
    {"bytes=--3", RANGE_WHOLE, 0, 0},
    {"lines=0-1", RANGE_WHOLE, 0, 0},
    {"bytes=0-9223372036854775807999", RANGE_WHOLE, 0, 0},
    {"bytes= 1-2", RANGE_PART, 1, 2},
};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(range_cases); i++) {
        struct range r;
        range_parse(range_cases[i].field, 10, &r);
        if (r.kind != range_cases[i].kind)
            fail_msg("%s: kind %d", range_cases[i].field, (int)r.kind);
        if (r.kind == RANGE_PART) {
            assert_int_equal(r.first, range_cases[i].first);
            assert_int_equal(r.last, range_cases[i].last);
        }
    }
    struct range r;
    range_parse("bytes=0-", 0, &r);
    assert_int_equal(r.kind, RANGE_NONE);
    range_parse("bytes=-5", 0, &r);
    assert_int_equal(r.kind, RANGE_NONE);
}

static void test_etags(void **state)
{
    (void)state;
    assert_true(etag_matches("\"a\"", "\"a\""));
    assert_true(etag_matches("*", "\"a\""));
    assert_true(etag_matches("\"b\", W/\"a\"", "\"a\""));
    assert_true(etag_matches("\"x,y\",\"a\"", "\"a\""));
    assert_false(etag_matches("\"b\"", "\"a\""));
    assert_false(etag_matches("a", "\"a\""));
    assert_false(etag_matches("\"a", "\"a\""));
    assert_false(etag_matches("", "\"a\""));
    assert_false(etag_matches(NULL, "\"a\""));
    assert_false(etag_matches("\"a\"", NULL));
}

static void get_head(struct reply *rp, const struct head *head, struct buf *out)
{
    struct reply_context cx = {.head = head,
                               .request_id = "id-1",
                               .date = "now",
                               .keeps_alive = true,
                               .is_head = strcmp(head->method, "HEAD") == 0};
    struct range part;
    buf_init(out, 65536);
    reply_conditions(rp, &cx, &part);
    reply_write_head(rp, &cx, &part, out);
}

static void has(const struct buf *out, const char *text)
{
    if (!strstr(buf_str(out), text))
        fail_msg("no \"%s\" in:\n%s", text, buf_str(out));
}

static void test_head_block(void **state)
{
    (void)state;
    struct head head = {.method = "GET", .path = "/", .query = "", .version = "1.1"};
    struct reply rp;
    struct buf out CLEANUP(buf_clear);
    reply_init(&rp);
    buf_puts(&rp.body, "{}");
    reply_header(&rp, "X-Evil", "a\r\nSet-Cookie: b");
    get_head(&rp, &head, &out);
    has(&out, "HTTP/1.1 200 OK\r\n");
    has(&out, "Content-Length: 2\r\n");
    has(&out, "X-Evil: a\r\n");
    has(&out, "Cache-Control: no-store\r\n");
    has(&out, "X-Request-Id: id-1\r\n");
    assert_null(strstr(buf_str(&out), "Set-Cookie"));
    assert_string_equal(out.data + out.len - 4, "\r\n\r\n");
    reply_clear(&rp);
}

static void test_not_modified(void **state)
{
    (void)state;
    struct head head = {.method = "GET",
                        .path = "/",
                        .query = "",
                        .version = "1.1",
                        .n_fields = 1,
                        .fields = {{"If-None-Match", "\"v1\""}}};
    struct reply rp;
    struct buf out CLEANUP(buf_clear);
    reply_init(&rp);
    rp.etag = "\"v1\"";
    buf_puts(&rp.body, "{}");
    get_head(&rp, &head, &out);
    has(&out, "HTTP/1.1 304 Not Modified\r\n");
    assert_null(strstr(buf_str(&out), "Content-Length"));
    reply_clear(&rp);
}

static void test_problem(void **state)
{
    (void)state;
    struct reply rp;
    struct err e = {0};
    reply_init(&rp);
    buf_puts(&rp.body, "half an answer");
    rp.etag = "\"x\"";
    err_at(&e, ERR_CORRUPT, "/files/0", "wrong <digest>");
    reply_problem(&rp, &e, 0, "id-2");
    assert_int_equal(rp.status, 422);
    assert_null(rp.etag);
    assert_string_equal(
        buf_str(&rp.body),
        "{\"type\":\"about:blank\",\"title\":\"corrupt\",\"status\":422,\"code\":\"corrupt\","
        "\"detail\":\"wrong <digest>\",\"pointer\":\"/files/0\",\"request_id\":\"id-2\"}");
    reply_clear(&rp);
}

static void test_date(void **state)
{
    (void)state;
    struct answer_clock c = {0};
    assert_string_equal(answer_date(&c, 784111777123), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(answer_date(&c, 784111777999), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(answer_date(&c, 784111778000), "Sun, 06 Nov 1994 08:49:38 GMT");
}

/* ---- bodies ---- */

struct script {
    const char *bytes; /* what the peer sends, `step` bytes at a time */
    size_t n, step, at;
    bool is_cut;
    char written[200];
};

static int script_read(void *self, void *bytes, size_t n, int64_t deadline_ms)
{
    struct script *s = self;
    (void)deadline_ms;
    size_t left = s->n - s->at;
    n = n < left ? n : left;
    n = s->step && n > s->step ? s->step : n;
    memcpy(bytes, s->bytes + s->at, n);
    s->at += n;
    return (int)n;
}

static bool script_write(void *self, const void *bytes, size_t n)
{
    struct script *s = self;
    strncat(s->written, bytes, n);
    return true;
}

static bool script_cut(void *self)
{
    return ((struct script *)self)->is_cut;
}

static struct peer peer_of(struct script *s)
{
    return (struct peer){.self = s,
                         .read = script_read,
                         .write = script_write,
                         .was_cut = script_cut,
                         .has_left = script_cut};
}

static int read_body(struct script *s, struct guard g, json_t **out, struct body *b)
{
    struct peer peer = peer_of(s);
    struct buf raw CLEANUP(buf_clear);
    struct err e = {0};
    body_init(b, &peer, &g, 1000);
    int rc = body_json(b, &raw, out, &e);
    b->peer = NULL;
    b->guard = NULL;
    return rc;
}

static void test_bodies(void **state)
{
    (void)state;
    static const char text[] = "{\"name\":\"fraud\"}";
    struct guard g = {.has_body = true, .content_length = sizeof text - 1};
    for (size_t step = 1; step < sizeof text; step++) {
        struct script s = {.bytes = text, .n = sizeof text - 1, .step = step};
        struct body b;
        json_t *j CLEANUP(json_decref_ptr) = NULL;
        assert_int_equal(read_body(&s, g, &j, &b), 0);
        assert_string_equal(json_string_value(json_object_get(j, "name")), "fraud");
        assert_string_equal(s.written, "");
    }
}

static void test_continue_comes_first(void **state)
{
    (void)state;
    struct script s = {.bytes = "{}", .n = 2};
    struct guard g = {.has_body = true, .content_length = 2, .expects_continue = true};
    struct body b;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    assert_int_equal(read_body(&s, g, &j, &b), 0);
    assert_string_equal(s.written, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void test_bad_bodies(void **state)
{
    (void)state;
    char large[3000];
    memset(large, ' ', sizeof large);
    static const struct guard chunked = {
        .has_body = true, .is_chunked = true, .content_length = -1};
    struct script s = {.bytes = "{}", .n = 2};
    struct guard g = {.has_body = true, .content_length = 100};
    struct body b;
    json_t *j = NULL;
    assert_int_equal(read_body(&s, g, &j, &b), ERR_INVALID); /* ends early */
    s = (struct script){.bytes = "{}", .n = 2, .is_cut = true};
    assert_int_equal(read_body(&s, g, &j, &b), ERR_TIMEOUT);
    assert_int_equal(b.status, 408);
    s = (struct script){.bytes = large, .n = sizeof large};
    assert_int_equal(read_body(&s, chunked, &j, &b), ERR_TOO_LARGE);
    s = (struct script){.bytes = "[1]", .n = 3};
    g.content_length = 3;
    assert_int_equal(read_body(&s, g, &j, &b), ERR_INVALID); /* no object */
    assert_null(j);
}

static void test_no_body_is_an_empty_object(void **state)
{
    (void)state;
    struct script s = {.n = 0};
    struct body b;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    assert_int_equal(read_body(&s, (struct guard){.content_length = 0}, &j, &b), 0);
    assert_int_equal(json_object_size(j), 0);
}

static void test_rest_of_a_body(void **state)
{
    (void)state;
    static const struct {
        struct guard guard;
        size_t sent;
        bool is_clean;
    } rows[] = {
        {{.content_length = -1}, 0, true},
        {{.has_body = true, .content_length = 100}, 100, true},
        {{.has_body = true, .content_length = 100}, 50, false},
        {{.has_body = true, .content_length = 70000}, 0, false},
        {{.has_body = true, .is_chunked = true, .content_length = -1}, 100, true},
        {{.has_body = true, .content_length = 10, .expects_continue = true}, 10, false},
    };
    static const char bytes[100];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct script s = {.bytes = bytes, .n = rows[i].sent};
        struct peer peer = peer_of(&s);
        struct body b;
        body_init(&b, &peer, &rows[i].guard, 0);
        if (body_finish(&b) != rows[i].is_clean)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),         cmocka_unit_test(test_etags),
        cmocka_unit_test(test_head_block),     cmocka_unit_test(test_not_modified),
        cmocka_unit_test(test_problem),        cmocka_unit_test(test_date),
        cmocka_unit_test(test_bodies),         cmocka_unit_test(test_continue_comes_first),
        cmocka_unit_test(test_bad_bodies),     cmocka_unit_test(test_no_body_is_an_empty_object),
        cmocka_unit_test(test_rest_of_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
