/*
 * The wire against a small server in this program: what a call's outcome is when the peer answers,
 * is not there, stays silent, hangs up or says too much; deadlines, many calls at once, waking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define MAX_CLIENTS 300

struct peer {
    pthread_t thread;
    int fd, port;
    atomic_bool stops;
    atomic_int n_connections, n_requests;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void say(int fd, const char *head, const char *body)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head,
                     strlen(body), body);

    (void)!send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

static void say_big(int fd)
{
    static char big[100000];

    memset(big, 'x', sizeof(big));
    (void)!send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 44, MSG_NOSIGNAL);
    (void)!send(fd, big, sizeof(big), MSG_NOSIGNAL);
}

/* Answers one request by its path; false: hang up. */
static bool serve(int fd, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n");

    if (strstr(request, " /silent") != NULL)
        return true;
    if (strstr(request, " /hangup") != NULL)
        return false;
    if (strstr(request, " /cut") != NULL) {
        (void)!send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 41, MSG_NOSIGNAL);
        return false;
    }
    if (strstr(request, " /redirect") != NULL)
        say(fd, "302 Found\r\nLocation: /echo", "");
    else if (strstr(request, " /big") != NULL)
        say_big(fd);
    else if (strstr(request, " /later") != NULL)
        say(fd, "503 Later\r\nRetry-After: 7", "");
    else if (strstr(request, " /fail") != NULL)
        say(fd, "500 Oh", "{\"error\":\"no\"}");
    else if (strstr(request, " /headers") != NULL)
        say(fd, "200 OK", request);
    else
        say(fd, "200 OK", body != NULL ? body + 4 : "");
    return true;
}

static void accept_one(struct peer *p, struct pollfd *fds, nfds_t *n)
{
    int fd = accept(p->fd, NULL, NULL);

    if (fd < 0)
        return;
    if (*n == MAX_CLIENTS) {
        close(fd);
        return;
    }
    p->n_connections++;
    fds[(*n)++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void *run_peer(void *arg)
{
    struct peer *p = arg;
    struct pollfd fds[MAX_CLIENTS + 1] = {{.fd = p->fd, .events = POLLIN}};
    nfds_t n = 1;

    while (!p->stops) {
        if (poll(fds, n, 20) <= 0)
            continue;
        for (nfds_t i = n; i-- > 1;) {
            char request[4096];
            ssize_t got;

            if (fds[i].revents == 0)
                continue;
            got = recv(fds[i].fd, request, sizeof(request) - 1, 0);
            request[got > 0 ? got : 0] = '\0';
            p->n_requests += got > 0;
            if (got <= 0 || !serve(fds[i].fd, request)) {
                close(fds[i].fd);
                fds[i] = fds[--n];
            }
        }
        if (fds[0].revents != 0)
            accept_one(p, fds, &n);
    }
    while (n > 1)
        close(fds[--n].fd);
    return NULL;
}

static int listen_any(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(listen(fd, 256), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int start_peer(void **state)
{
    struct peer *p = mem_alloc(sizeof(*p));

    p->fd = listen_any(&p->port);
    *state = p;
    return pthread_create(&p->thread, NULL, run_peer, p);
}

static int stop_peer(void **state)
{
    struct peer *p = *state;

    p->stops = true;
    pthread_join(p->thread, NULL);
    close(p->fd);
    free(p);
    return 0;
}

static struct http_answer call_one(struct wire *w, const struct http_call *call, int64_t until_ms)
{
    struct http_answer answer = {0};
    int tag, *back = NULL;
    struct err e;

    assert_int_equal(wire_submit(w, call, &tag, until_ms, &e), ERR_OK);
    while (!wire_take(w, (void **)&back, &answer))
        wire_wait(w, 10000);
    assert_ptr_equal(back, &tag);
    assert_int_equal(wire_n_open(w), 0);
    return answer;
}

struct wire_case {
    const char *method, *path, *body;
    size_t max_answer;
    enum http_outcome outcome;
    int status;
    const char *answer, *detail;
};

static const struct wire_case cases[] = {
    {"POST", "/echo", "{\"a\":1}", 0, HTTP_ANSWERED, 200, "{\"a\":1}", ""},
    {"GET", "/echo", NULL, 0, HTTP_ANSWERED, 200, "", ""},
    {"POST", "/echo", "", 0, HTTP_ANSWERED, 200, "", ""},
    {"GET", "/fail", NULL, 0, HTTP_ANSWERED, 500, "{\"error\":\"no\"}", ""},
    {"GET", "/redirect", NULL, 0, HTTP_ANSWERED, 302, "", ""},
    {"GET", "/big", NULL, 1000, HTTP_UNKNOWN, 0, NULL, "larger than allowed"},
    {"GET", "/cut", NULL, 0, HTTP_UNKNOWN, 0, NULL, ""},
    {"POST", "/hangup", "x", 0, HTTP_UNKNOWN, 0, NULL, "Empty reply"},
    {"POST", "/silent", "x", 0, HTTP_UNKNOWN, 0, NULL, "timed out"},
};

static void test_outcomes(void **state)
{
    struct peer *p = *state;
    struct wire *w;
    struct err e;

    assert_int_equal(wire_new(&w, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct wire_case *c = &cases[i];
        char url[100];
        struct http_call call = {.method = c->method,
                                 .url = url,
                                 .body = c->body,
                                 .body_len = c->body != NULL ? strlen(c->body) : 0,
                                 .timeout_ms = strcmp(c->path, "/silent") == 0 ? 300 : 10000,
                                 .max_answer_bytes = c->max_answer};
        struct http_answer a;

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", p->port, c->path);
        a = call_one(w, &call, now_ms() + 20000);
        if (a.outcome != c->outcome || a.status != c->status ||
            (c->detail[0] != '\0' && strstr(a.detail, c->detail) == NULL))
            fail_msg("%s: outcome %d status %d \"%s\"", c->path, (int)a.outcome, a.status,
                     a.detail);
        if (c->answer != NULL)
            assert_string_equal(a.body, c->answer);
        http_answer_clear(&a);
    }
    wire_free(w);
}

static void test_not_sent(void **state)
{
    struct http_call call = {.method = "POST", .body = "x", .body_len = 1, .timeout_ms = 5000};
    char refused[100];
    const char *urls[] = {refused, "http://169.254.169.254/latest/", "http://[fe80::1]/",
                          "http://no-such-host.invalid/", "http://127.0.0.1:0/"};
    struct wire *w;
    struct err e;
    int port, fd = listen_any(&port);

    (void)state;
    close(fd);
    (void)snprintf(refused, sizeof(refused), "http://127.0.0.1:%d/", port);
    assert_int_equal(wire_new(&w, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_answer a;

        call.url = urls[i];
        a = call_one(w, &call, now_ms() + 10000);
        if (a.outcome != HTTP_NOT_SENT || a.detail[0] == '\0')
            fail_msg("%s: outcome %d \"%s\"", urls[i], (int)a.outcome, a.detail);
        http_answer_clear(&a);
    }
    call.url = "file:///etc/passwd";
    assert_int_equal(wire_submit(w, &call, NULL, INT64_MAX, &e), ERR_INVALID);
    call.url = NULL;
    assert_int_equal(wire_submit(w, &call, NULL, INT64_MAX, &e), ERR_INVALID);
    wire_free(w);
}

/* What webhooks ask for: long answers are cut, inner networks can be left out, waits are told. */
static void test_webhook_manners(void **state)
{
    struct peer *p = *state;
    char url[100];
    struct http_call call = {.method = "GET",
                             .url = url,
                             .timeout_ms = 10000,
                             .max_answer_bytes = 1000,
                             .may_cut = true};
    struct http_answer a;
    struct wire *w;
    struct err e;
    int before;

    assert_int_equal(wire_new(&w, &e), ERR_OK);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/big", p->port);
    a = call_one(w, &call, now_ms() + 20000);
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_true(a.body_len <= 1000);
    http_answer_clear(&a);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/later", p->port);
    a = call_one(w, &call, now_ms() + 20000);
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_after_ms, 7000);
    http_answer_clear(&a);
    before = p->n_connections;
    call.refuses_private = true;
    static const char *const hosts[] = {
        "127.0.0.1",  "127.8.8.8", "10.1.2.3",  "172.16.0.1",        "172.31.9.9", "192.168.1.1",
        "100.64.0.1", "[::1]",     "[fd00::1]", "[::ffff:10.0.0.1]", "0.0.0.0",    "localhost"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        (void)snprintf(url, sizeof(url), "http://%s:%d/echo", hosts[i], p->port);
        a = call_one(w, &call, now_ms() + 20000);
        if (a.outcome != HTTP_NOT_SENT || a.took_ms > 1000)
            fail_msg("%s: outcome %d after %d ms", hosts[i], (int)a.outcome, (int)a.took_ms);
        http_answer_clear(&a);
    }
    assert_int_equal(p->n_connections, before);
    wire_free(w);
}

/* A deadline that is over, and one that comes before the call's own timeout. */
static void test_deadline(void **state)
{
    struct peer *p = *state;
    char url[100];
    struct http_call call = {.method = "GET", .url = url, .timeout_ms = 60000};
    struct http_answer a;
    struct wire *w;
    struct err e;
    int before = p->n_requests;

    assert_int_equal(wire_new(&w, &e), ERR_OK);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/silent", p->port);
    a = call_one(w, &call, now_ms() - 1);
    assert_int_equal(a.outcome, HTTP_NOT_SENT);
    assert_non_null(strstr(a.detail, "deadline"));
    assert_int_equal(p->n_requests, before);
    http_answer_clear(&a);
    a = call_one(w, &call, now_ms() + 200);
    assert_int_equal(a.outcome, HTTP_UNKNOWN);
    assert_true(a.took_ms < 5000);
    http_answer_clear(&a);
    wire_free(w);
}

/* More calls than may be active: all are answered, connections are used again. */
static void test_many(void **state)
{
    enum { N = 400 };
    static int tags[N];
    struct peer *p = *state;
    char url[100];
    struct http_call call = {.method = "GET", .url = url, .timeout_ms = 20000};
    struct wire *w;
    struct err e;
    int before = p->n_connections, n = 0;

    memset(tags, 0, sizeof(tags));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/echo", p->port);
    assert_int_equal(wire_new(&w, &e), ERR_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(wire_submit(w, &call, &tags[i], now_ms() + 20000, &e), ERR_OK);
    while (wire_n_open(w) > 0) {
        struct http_answer a;
        int *tag;

        wire_wait(w, 10000);
        while (wire_take(w, (void **)&tag, &a)) {
            assert_int_equal(a.outcome, HTTP_ANSWERED);
            assert_int_equal((*tag)++, 0);
            http_answer_clear(&a);
            n++;
        }
    }
    assert_int_equal(n, N);
    assert_true(p->n_connections - before <= WIRE_MAX_ACTIVE);
    wire_free(w);
}

static void test_request_bytes(void **state)
{
    struct peer *p = *state;
    char url[100];
    struct http_call call = {.method = "POST",
                             .url = url,
                             .body = "{}",
                             .body_len = 2,
                             .headers = {"Content-Type: application/json", "X-One: 1"},
                             .timeout_ms = 10000};
    struct http_answer a;
    struct wire *w;
    struct err e;

    assert_int_equal(wire_new(&w, &e), ERR_OK);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/headers", p->port);
    a = call_one(w, &call, now_ms() + 10000);
    assert_non_null(strstr(a.body, "POST /headers HTTP/1.1\r\n"));
    assert_non_null(strstr(a.body, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(a.body, "X-One: 1\r\n"));
    assert_non_null(strstr(a.body, "Content-Length: 2\r\n"));
    assert_null(strstr(a.body, "Expect"));
    http_answer_clear(&a);
    wire_free(w);
}

static void *wake_later(void *arg)
{
    wire_wake(arg);
    return NULL;
}

static void test_wake(void **state)
{
    struct peer *p = *state;
    char url[100];
    struct http_call call = {.method = "GET", .url = url, .timeout_ms = 60000};
    struct http_answer a;
    pthread_t t;
    struct wire *w;
    struct err e;
    void *tag;
    int64_t from = now_ms();

    assert_int_equal(wire_new(&w, &e), ERR_OK);
    wire_wake(w); /* before the wait */
    wire_wait(w, 30000);
    assert_int_equal(pthread_create(&t, NULL, wake_later, w), 0);
    wire_wait(w, 30000);
    pthread_join(t, NULL);
    wire_wait(w, 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/silent", p->port);
    assert_int_equal(wire_submit(w, &call, &call, now_ms() + 60000, &e), ERR_OK);
    wire_wait(w, 20);
    assert_false(wire_take(w, &tag, &a));
    assert_true(now_ms() - from < 20000);
    wire_stop(w); /* a call under way comes back as unknown */
    assert_true(wire_take(w, &tag, &a));
    assert_ptr_equal(tag, &call);
    assert_int_not_equal(a.outcome, HTTP_ANSWERED);
    http_answer_clear(&a);
    wire_free(w);
    wire_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhook_manners),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_not_sent),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_request_bytes),
    };

    return cmocka_run_group_tests(tests, start_peer, stop_peer);
}
