/*
 * The kinds of routers against answers recorded from Debian's HAProxy 2.6.12
 * (tests/golden/routers), and against answers that only broken ones give; nginx's generated file;
 * the texts of records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reload.h"
#include "router.h"
#include "routing.h"

#define MAX_BYTES ((size_t)1 << 16)

static struct router_server servers[4] = {
    {"n1", "127.0.0.1:9001", 1250, false},
    {"n2", "127.0.0.1:9002", 8750, false},
    {"n3", "127.0.0.1:9003", 0, false},
    {"n4", NULL, 0, false}, /* has no http URL */
};
static const struct router_pool pool = {"fraud", servers, 4};
static const struct router_config haproxy = {.name = "lb", .address = "unix:/run/lb.sock"};
static const struct router_config nginx = {.name = "lb",
                                           .address = "http://127.0.0.1:8080/mreg-router",
                                           .file = "/etc/nginx/mreg.conf",
                                           .pid_file = "/run/nginx.pid"};

static char *recorded(const char *name)
{
    char path[512];
    char *text = mem_alloc(MAX_BYTES);
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/tests/golden/routers/%s.txt", MREG_SOURCE_DIR, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_true(fread(text, 1, MAX_BYTES - 1, f) > 0);
    fclose(f);
    return text;
}

/* What the router of that kind makes of one answer; out->seen is the caller's. */
static void read_text(const char *kind, enum router_action action, int k, const char *text,
                      struct router_result *out)
{
    const struct router_driver *d = router_find(kind);
    struct router_request rq = {.action = action,
                                .config = d->flags & ROUTER_COUNTS ? &haproxy : &nginx,
                                .pools = &pool,
                                .n_pools = 1};
    struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                 .status = 200,
                                 .body = mem_strdup(text),
                                 .body_len = strlen(text)};
    struct err error = {0};

    (void)d->read(&rq, k, &answer, &error, out);
    free(answer.body);
}

/* --- haproxy ---------------------------------------------------------------------------------- */

static void haproxy_says_what_it_does(void **unused)
{
    struct router_seen seen[4] = {0};
    struct router_result res = {.seen = seen};
    char *text CLEANUP(mem_free_ptr) = recorded("haproxy_stat");

    (void)unused;
    read_text("haproxy", ROUTER_LOOK, 0, text, &res);
    assert_int_equal(res.fault, FAULT_NONE);
    assert_true(res.has_pool && res.has_counts);
    assert_int_equal(seen[0].weight, 32);
    assert_true(seen[0].is_known && seen[0].is_up);
    assert_int_equal(seen[1].weight, 224);
    assert_false(seen[1].is_up); /* in state DRAIN */
    assert_int_equal(seen[1].n_sessions, 0);
    assert_false(seen[2].is_known);
    assert_int_equal(res.n_others, 0);
}

#define HEAD "# pxname,svname,qcur,scur,stot,econ,eresp,status,weight,hrsp_5xx,\n"

static void haproxy_tables_are_read_by_column(void **unused)
{
    static const struct {
        const char *what, *text;
        enum fault fault;
        bool has_pool;
        struct router_seen first;
        int n_others;
    } cases[] = {
        {"an older one without uweight",
         HEAD "fraud,n1,2,3,40,1,2,UP,77,5,\n\n",
         FAULT_NONE,
         true,
         {.is_known = true,
          .is_up = true,
          .weight = 77,
          .n_sessions = 5,
          .n_requests = 40,
          .n_errors = 8},
         0},
        {"another order",
         "# svname,scur,weight,pxname,status\nn1,4,9,fraud,DOWN\n",
         FAULT_NONE,
         true,
         {.is_known = true, .weight = 9, .n_sessions = 4},
         0},
        {"quoted cells",
         HEAD "\"fraud\",\"n1\",0,0,\"1,000\"\"\",0,0,UP 1/3,8,0,\n",
         FAULT_NONE,
         true,
         {.is_known = true, .is_up = true, .weight = 8, .n_sessions = 0},
         0},
        {"another backend", HEAD "other,n1,0,0,0,0,0,UP,8,0,\n", FAULT_NONE, true, {0}, 0},
        {"a stranger",
         HEAD "fraud,old,0,0,0,0,0,UP,8,0,\nfraud,off,0,0,0,0,0,UP,0,0,\n",
         FAULT_NONE,
         true,
         {0},
         1},
        {"a short row", HEAD "fraud,n1", FAULT_NONE, true, {.is_known = true}, 0},
        {"a row of nothing", HEAD ",,,,\n,\n", FAULT_NONE, true, {0}, 0},
        {"huge numbers",
         HEAD "fraud,n1,0,99999999999999999999,1,0,0,UP,99999999999,0,\n",
         FAULT_NONE,
         true,
         {.is_known = true,
          .is_up = true,
          .weight = 1000000,
          .n_sessions = 1000000,
          .n_requests = 1},
         0},
        {"columns that are missing", "# pxname,svname\nfraud,n1\n", FAULT_REJECTED, false, {0}, 0},
        {"no table", "Permission denied\n\n", FAULT_REJECTED, false, {0}, 0},
        {"nothing", "", FAULT_REJECTED, false, {0}, 0},
        {"a sign only", "# ", FAULT_REJECTED, false, {0}, 0},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct router_seen seen[4] = {0};
        struct router_result res = {.seen = seen};

        read_text("haproxy", ROUTER_LOOK, 0, cases[i].text, &res);
        if (res.fault != cases[i].fault || res.has_pool != cases[i].has_pool ||
            memcmp(&seen[0], &cases[i].first, sizeof(seen[0])) != 0 ||
            res.n_others != cases[i].n_others)
            fail_msg("%s: fault %s, weight %d, sessions %d, others %d", cases[i].what,
                     fault_name(res.fault), seen[0].weight, seen[0].n_sessions, res.n_others);
        assert_int_equal(res.fault == FAULT_NONE, res.text[0] == '\0');
    }
}

static void haproxy_refuses_in_words(void **unused)
{
    static const struct {
        const char *recording;
        enum router_action action;
        enum fault fault;
        const char *words;
    } cases[] = {
        {"haproxy_set", ROUTER_SET, FAULT_NONE, ""},
        {"haproxy_set_unknown", ROUTER_SET, FAULT_REJECTED, "HAProxy says: No such server."},
        {"haproxy_set_static", ROUTER_SET, FAULT_REJECTED,
         "HAProxy says: Backend is using a static LB algorithm and only accepts weights '0%' and "
         "'100%'."},
        {"haproxy_denied", ROUTER_SET, FAULT_REJECTED, "HAProxy says: Permission denied"},
        {"haproxy_unknown_command", ROUTER_LOOK, FAULT_REJECTED,
         "HAProxy says: Unknown command, but maybe one of the following ones is a better match:"},
        {"haproxy_stat_absent", ROUTER_LOOK, FAULT_NONE, "HAProxy has no backend \"fraud\""},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct router_seen seen[4] = {0};
        struct router_result res = {.seen = seen};
        char *text CLEANUP(mem_free_ptr) = recorded(cases[i].recording);

        read_text("haproxy", cases[i].action, 0, text, &res);
        if (res.fault != cases[i].fault || strcmp(res.text, cases[i].words) != 0)
            fail_msg("%s: fault %s: %s", cases[i].recording, fault_name(res.fault), res.text);
        assert_false(res.has_pool);
    }
}

static void haproxy_is_told_absolute_weights(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const struct router_driver *d = router_find("haproxy");
    struct router_pool three = {"fraud", servers, 3};
    struct router_request rq = {
        .action = ROUTER_SET, .config = &haproxy, .pools = &three, .n_pools = 1};
    struct router_call call;
    struct err e;

    (void)unused;
    assert_int_equal(d->n_calls(&rq), 1);
    assert_int_equal(d->make(&rq, 0, &a, &call, &e), ERR_OK);
    assert_int_equal(call.kind, ROUTER_CALL_LINES);
    assert_string_equal(call.lines.address, "unix:/run/lb.sock");
    assert_string_equal(call.lines.text, "set server fraud/n1 weight 36;"
                                         "set server fraud/n2 weight 252;"
                                         "set server fraud/n3 weight 0\n");
    three.backend = "fraud;disable server x/y";
    assert_int_equal(d->make(&rq, 0, &a, &call, &e), ERR_INVALID);
    rq.action = ROUTER_LOOK;
    assert_int_equal(d->make(&rq, 0, &a, &call, &e), ERR_INVALID);
}

static void haproxy_gets_short_lines(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const struct router_driver *d = router_find("haproxy");
    struct router_pool many = {"b", NULL, 101};
    struct router_request rq = {
        .action = ROUTER_SET, .config = &haproxy, .pools = &many, .n_pools = 1};
    int n_told = 0;
    struct err e;

    (void)unused;
    many.servers = arena_alloc(&a, 101 * sizeof(many.servers[0]));
    for (int i = 0; i < 101; i++) {
        many.servers[i].name = arena_printf(&a, "%0120d", i);
        many.servers[i].share_bp = 99;
    }
    for (int k = 0; k < d->n_calls(&rq); k++) {
        struct router_call call;

        assert_int_equal(d->make(&rq, k, &a, &call, &e), ERR_OK);
        assert_true(strlen(call.lines.text) < 12000);
        for (const char *p = call.lines.text; (p = strstr(p, "set server ")) != NULL; p++)
            n_told++;
    }
    assert_int_equal(n_told, 101);
}

static void an_answer_that_is_lost_is_told_from_one_that_never_came(void **unused)
{
    const struct router_driver *d = router_find("haproxy");
    struct router_seen seen[4] = {0};
    struct err error = {0};

    (void)unused;
    for (int k = 0; k < 4; k++) {
        struct router_request rq = {.action = k % 2 ? ROUTER_SET : ROUTER_LOOK,
                                    .config = &haproxy,
                                    .pools = &pool,
                                    .n_pools = 1};
        struct router_result res = {.seen = seen};
        struct http_answer answer = {.outcome = k < 2 ? HTTP_NOT_SENT : HTTP_UNKNOWN,
                                     .detail = "no answer in time"};

        assert_false(d->read(&rq, 0, &answer, &error, &res));
        assert_int_equal(res.fault, k == 3 ? FAULT_UNKNOWN : FAULT_TRANSPORT);
        assert_string_equal(res.text, "no answer in time");
    }
}

/* --- nginx ------------------------------------------------------------------------------------ */

static const char *make_file(struct arena *a, const struct router_pool *pools, int n)
{
    const struct router_driver *d = router_find("nginx");
    struct router_request rq = {
        .action = ROUTER_SET, .config = &nginx, .pools = pools, .n_pools = n, .generation = 17};
    struct router_call call;
    struct err e;
    int rc = d->make(&rq, 0, a, &call, &e);

    if (rc != ERR_OK)
        return NULL;
    assert_int_equal(call.kind, ROUTER_CALL_RELOAD);
    assert_string_equal(call.service, "nginx");
    return call.text;
}

static void nginx_includes_what_is_wanted(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *text = make_file(&a, &pool, 1);

    (void)unused;
    assert_string_equal(text, RELOAD_MARK "\n"
                                          "upstream fraud {\n"
                                          "    zone mreg_fraud 136k;\n"
                                          "    server 127.0.0.1:9001 weight=1250; # n1\n"
                                          "    server 127.0.0.1:9002 weight=8750; # n2\n"
                                          "    server 127.0.0.1:9003 down; # n3\n"
                                          "}\n"
                                          "map \"\" $mreg_router_0 { default \"mreg 17;fraud "
                                          "n1=1250 n2=8750 n3=0\"; }\n"
                                          "map \"\" $mreg_router { default "
                                          "\"${mreg_router_0}\"; }\n"
                                          "map \"\" $mreg_mirror_fraud { default \"\"; }\n");
}

static void nginx_mirrors(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct router_server mine[2] = {{"n1", "127.0.0.1:9001", 10000, false},
                                    {"n2", "127.0.0.1:9002", 0, true}};
    struct router_pool one = {"credit-risk", mine, 2};
    const char *text = make_file(&a, &one, 1);

    (void)unused;
    assert_non_null(strstr(text, "upstream credit-risk-mirror {\n"
                                 "    zone mreg_credit-risk-mirror 132k;\n"
                                 "    server 127.0.0.1:9002; # n2\n}\n"));
    assert_non_null(strstr(text, "$mreg_mirror_credit_risk { default \"credit-risk-mirror\"; }"));
    assert_non_null(strstr(text, "n2=0m"));
}

static void nginx_refuses_names_that_clash(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct router_pool pools[2] = {{"a-b", servers, 1}, {"a.b", servers, 1}};
    struct router_server bad = {"n1\"; }", "127.0.0.1:1", 10000, false};

    (void)unused;
    assert_null(make_file(&a, pools, 2));
    pools[1] = (struct router_pool){"c", &bad, 1};
    assert_null(make_file(&a, pools, 2));
    pools[1].servers = servers;
    assert_non_null(make_file(&a, pools, 2));
}

static void nginx_states_of_any_length_fit(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct router_pool many = {"big", arena_alloc(&a, 2000 * sizeof(struct router_server)), 2000};
    const char *text, *line, *end;

    (void)unused;
    for (int i = 0; i < 2000; i++)
        many.servers[i] = (struct router_server){
            arena_printf(&a, "node-%d", i), arena_printf(&a, "127.0.0.1:%d", 1000 + i), 5, false};
    text = make_file(&a, &many, 1);
    assert_non_null(text);
    for (line = text; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_true(end - line < 4096);
    }
}

static void nginx_is_believed_by_its_answer(void **unused)
{
    static const struct {
        const char *what, *text;
        enum fault fault;
        int64_t generation;
        int weights[4];
        bool is_mirrored[4];
        int n_others;
    } cases[] = {
        {"as made", "mreg 17;fraud n1=1250 n2=8750 n3=0", FAULT_NONE, 17, {1250, 8750, 0}, {0}, 0},
        {"among others",
         "mreg 3;a n1=1;fraud n1=5 n2=0m;fraud-x n1=9",
         FAULT_NONE,
         3,
         {5, 0, 0},
         {false, true},
         0},
        {"not made yet", "mreg 3;other n1=1", FAULT_NONE, 3, {0}, {0}, 0},
        {"a stranger", "mreg 3;fraud old=10 off=0", FAULT_NONE, 3, {0}, {0}, 1},
        {"nonsense inside", "mreg 3;fraud n1 =5 n2=-1 n3=99999999;;;", FAULT_NONE, 3, {0}, {0}, 0},
        {"another page", "<html>", FAULT_REJECTED, 0, {0}, {0}, 0},
        {"nothing", "", FAULT_REJECTED, 0, {0}, {0}, 0},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct router_seen seen[4] = {0};
        struct router_result res = {.seen = seen, .n_draining = 0};

        read_text("nginx", ROUTER_LOOK, 1, cases[i].text, &res);
        if (res.fault != cases[i].fault || res.generation != cases[i].generation ||
            res.n_others != cases[i].n_others)
            fail_msg("%s: fault %s, generation %lld", cases[i].what, fault_name(res.fault),
                     (long long)res.generation);
        for (int k = 0; k < 4; k++) {
            if (seen[k].weight != cases[i].weights[k] ||
                seen[k].is_mirrored != cases[i].is_mirrored[k])
                fail_msg("%s: server %d has %d", cases[i].what, k, seen[k].weight);
        }
        assert_int_equal(res.has_pool, res.fault == FAULT_NONE);
        assert_false(seen[3].is_known);
        /* Old workers are gone: nothing is in flight where nothing is sent. */
        if (res.fault == FAULT_NONE && seen[2].weight == 0)
            assert_int_equal(seen[2].n_sessions, 0);
        if (seen[1].is_mirrored)
            assert_int_equal(seen[1].n_sessions, -1);
    }
}

static void nginx_says_when_its_file_is_missing(void **unused)
{
    const struct router_driver *d = router_find("nginx");
    static const struct {
        const char *body;
        enum err_code code;
        enum router_action action;
        enum fault fault;
        bool is_missing, goes_on;
        int n_draining;
    } cases[] = {
        {"exists 1\nrunning 1\ndraining 2\n", ERR_OK, ROUTER_LOOK, FAULT_NONE, false, true, 2},
        {"exists 1\nrunning 1\n", ERR_OK, ROUTER_LOOK, FAULT_NONE, false, true, -1},
        {"exists 0\nrunning 0\n", ERR_OK, ROUTER_LOOK, FAULT_NOT_FOUND, true, false, -1},
        {"exists 1\n", ERR_CONFLICT, ROUTER_LOOK, FAULT_REJECTED, false, false, -1},
        {"exists 1\n", ERR_OK, ROUTER_SET, FAULT_NONE, false, false, -1},
        {"exists 1\n", ERR_UNAVAILABLE, ROUTER_SET, FAULT_INFRA, false, false, -1},
        {"exists 1\n", ERR_FORBIDDEN, ROUTER_SET, FAULT_REJECTED, false, false, -1},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct router_seen seen[4] = {0};
        struct router_result res = {.seen = seen, .n_draining = -1};
        struct router_request rq = {
            .action = cases[i].action, .config = &nginx, .pools = &pool, .n_pools = 1};
        struct http_answer answer = {
            .outcome = HTTP_ANSWERED, .status = 200, .body = mem_strdup(cases[i].body)};
        struct err error = {.code = cases[i].code, .message = "words"};

        answer.body_len = strlen(answer.body);
        assert_int_equal(d->read(&rq, 0, &answer, &error, &res), cases[i].goes_on);
        free(answer.body);
        if (res.fault != cases[i].fault || res.is_missing != cases[i].is_missing ||
            res.n_draining != cases[i].n_draining)
            fail_msg("case %zu: fault %s", i, fault_name(res.fault));
    }
}

/* --- records ---------------------------------------------------------------------------------- */

static void records_are_checked(void **unused)
{
    static const struct {
        struct router_config c;
        const char *pointer; /* of the fault, or NULL */
    } cases[] = {
        {{.driver = "haproxy", .address = "unix:/run/a.sock", .backend = "{serve_as}"}, NULL},
        {{.driver = "haproxy", .address = "127.0.0.1:9999", .backend = "be_{serve_as}"}, NULL},
        {{.driver = "haproxy", .address = "[::1]:9999", .backend = "{serve_as}"}, NULL},
        {{.driver = "haproxy", .address = "lb.example:9999", .backend = "{serve_as}.v2"}, NULL},
        {{.driver = "haproxy", .address = "unix:run/a.sock", .backend = "{serve_as}"}, "/address"},
        {{.driver = "haproxy", .address = "127.0.0.1", .backend = "{serve_as}"}, "/address"},
        {{.driver = "haproxy", .address = "::1:80", .backend = "{serve_as}"}, "/address"},
        {{.driver = "haproxy", .address = "a:99999", .backend = "{serve_as}"}, "/address"},
        {{.driver = "haproxy", .address = "a:80x", .backend = "{serve_as}"}, "/address"},
        {{.driver = "haproxy", .address = "a:80", .backend = "all"}, "/backend"},
        {{.driver = "haproxy", .address = "a:80", .backend = "{serve_as};x"}, "/backend"},
        {{.driver = "haproxy", .address = "a:80", .backend = "{serve_as}{serve_as}"}, "/backend"},
        {{.driver = "haproxy", .address = "a:80", .file = "/a", .backend = "{serve_as}"}, "/file"},
        {{.driver = "nginx", .address = "http://a/b", .file = "/etc/x", .backend = "{serve_as}"},
         NULL},
        {{.driver = "nginx", .address = "http://a/b", .backend = "{serve_as}"}, "/file"},
        {{.driver = "nginx", .address = "a:80", .file = "/etc/x", .backend = "{serve_as}"},
         "/address"},
        {{.driver = "nginx", .address = "http://a/b", .file = "etc/x", .backend = "{serve_as}"},
         "/file"},
        {{.driver = "nginx", .address = "http://a/b", .file = "/e/../x", .backend = "{serve_as}"},
         "/file"},
        {{.driver = "nginx",
          .address = "http://a/b",
          .file = "/x",
          .pid_file = "pid",
          .backend = "{serve_as}"},
         "/pid_file"},
        {{.driver = "envoy", .address = "a:80", .backend = "{serve_as}"}, "/driver"},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        int rc = routing_check(&cases[i].c, &e);

        if (rc != (cases[i].pointer != NULL ? ERR_INVALID : ERR_OK) ||
            strcmp(e.pointer, cases[i].pointer != NULL ? cases[i].pointer : "") != 0)
            fail_msg("case %zu: %s %s", i, e.pointer, e.message);
    }
}

static void hosts_are_taken_from_urls(void **unused)
{
    struct arena a CLEANUP(arena_clear) = {0};
    static const struct {
        const char *url, *host;
    } cases[] = {
        {"http://10.0.0.1:8080/v2", "10.0.0.1:8080"},
        {"http://node-1", "node-1:80"},
        {"http://[::1]:80", "[::1]:80"},
        {"http://[::1]/x", "[::1]:80"},
        {"https://a:443", NULL},
        {"http://user@a:80", NULL},
        {"http://a;b:80", NULL},
        {"http://a:port", NULL},
        {"http://", NULL},
        {NULL, NULL},
        {"http://a b:80", NULL},
        {"http://a:80?x", "a:80"},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *host = routing_host(&a, cases[i].url);

        if (cases[i].host == NULL ? host != NULL : host == NULL || strcmp(host, cases[i].host) != 0)
            fail_msg("%s: %s", cases[i].url, host != NULL ? host : "none");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(haproxy_says_what_it_does),
        cmocka_unit_test(haproxy_tables_are_read_by_column),
        cmocka_unit_test(haproxy_refuses_in_words),
        cmocka_unit_test(haproxy_is_told_absolute_weights),
        cmocka_unit_test(haproxy_gets_short_lines),
        cmocka_unit_test(an_answer_that_is_lost_is_told_from_one_that_never_came),
        cmocka_unit_test(nginx_includes_what_is_wanted),
        cmocka_unit_test(nginx_mirrors),
        cmocka_unit_test(nginx_refuses_names_that_clash),
        cmocka_unit_test(nginx_states_of_any_length_fit),
        cmocka_unit_test(nginx_is_believed_by_its_answer),
        cmocka_unit_test(nginx_says_when_its_file_is_missing),
        cmocka_unit_test(records_are_checked),
        cmocka_unit_test(hosts_are_taken_from_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
