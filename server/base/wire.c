/*
 * The only server file that knows libcurl. Calls run in one multi handle; what is asked for beyond
 * its limit waits in line. The point of care is the outcome: a call that never left is harmless to
 * repeat, one that left without a whole answer is not. Knows nothing about nodes. All but wire_wake
 * run on the thread that owns the wire.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "netaddr.h"

#define DEFAULT_MAX_ANSWER ((size_t)4 << 20)
#define DEFAULT_TIMEOUT_MS 30000
#define MAX_WAIT_MS 60000

struct transfer {
    struct transfer *next;
    void *tag;
    CURL *easy; /* NULL while it waits in line */
    struct curl_slist *headers;
    struct buf body, answer;
    char *url, *method;
    int64_t timeout_ms, until_ms;
    bool has_body, may_cut, refuses_private;
    CURLcode result;
    char error[CURL_ERROR_SIZE];
};

struct line {
    struct transfer *first, *last;
};

struct wire {
    CURLM *multi;
    struct line waiting, finished;
    struct transfer *active[WIRE_MAX_ACTIVE];
    size_t n_active, n_open;
    atomic_bool is_woken;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void init_global(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static void line_put(struct line *l, struct transfer *t)
{
    t->next = NULL;
    if (l->last != NULL)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
}

static struct transfer *line_take(struct line *l)
{
    struct transfer *t = l->first;

    if (t != NULL) {
        l->first = t->next;
        if (l->first == NULL)
            l->last = NULL;
    }
    return t;
}

static void finish(struct wire *w, struct transfer *t, CURLcode result)
{
    t->result = result;
    line_put(&w->finished, t);
}

static void transfer_free(struct transfer *t)
{
    if (t == NULL)
        return;
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    buf_clear(&t->body);
    buf_clear(&t->answer);
    free(t->url);
    free(t->method);
    free(t);
}

int wire_new(struct wire **out, struct err *e)
{
    struct wire *w = mem_alloc(sizeof(*w));

    pthread_once(&global_once, init_global);
    w->multi = curl_multi_init();
    if (w->multi == NULL) {
        free(w);
        return err_set(e, ERR_INTERNAL, "libcurl does not start");
    }
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)WIRE_MAX_ACTIVE * 2);
    atomic_init(&w->is_woken, false);
    *out = w;
    return ERR_OK;
}

void wire_stop(struct wire *w)
{
    struct transfer *t;

    while (w->n_active > 0) {
        t = w->active[--w->n_active];
        curl_multi_remove_handle(w->multi, t->easy);
        finish(w, t, CURLE_ABORTED_BY_CALLBACK);
    }
    while ((t = line_take(&w->waiting)) != NULL)
        finish(w, t, CURLE_ABORTED_BY_CALLBACK);
}

void wire_free(struct wire *w)
{
    struct transfer *t;

    if (w == NULL)
        return;
    wire_stop(w);
    while ((t = line_take(&w->finished)) != NULL)
        transfer_free(t);
    curl_multi_cleanup(w->multi);
    free(w);
}

/* --- one call --------------------------------------------------------------------------------- */

static size_t take_bytes(char *bytes, size_t size, size_t n, void *self)
{
    struct transfer *t = self;

    buf_put(&t->answer, bytes, size * n);
    return buf_ok(&t->answer) ? size * n : 0;
}

static curl_socket_t open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *address)
{
    const struct transfer *t = self;

    (void)purpose;
    if (netaddr_is_off_limits(&address->addr) ||
        (t->refuses_private && netaddr_is_private(&address->addr)))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_limits(struct transfer *t, int64_t left_ms)
{
    int64_t total = t->timeout_ms < left_ms ? t->timeout_ms : left_ms;

    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)WIRE_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(total > 0 ? total : 1));
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    /* A connection that is open already was not asked about. */
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, t->refuses_private ? 1L : 0L);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "mreg/" MREG_VERSION);
}

static void set_request(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_URL, t->url);
    if (t->has_body || strcmp(t->method, "POST") == 0) {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, buf_str(&t->body));
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    }
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, t->method);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

/* The length of a call's headers is small; curl copies each. */
static struct curl_slist *copy_headers(const struct http_call *call)
{
    /* Without this, a larger body waits a second for a "100 Continue". */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; i < HTTP_MAX_HEADERS && call->headers[i] != NULL; i++)
        list = curl_slist_append(list, call->headers[i]);
    return list;
}

int wire_submit(struct wire *w, const struct http_call *call, void *tag, int64_t until_ms,
                struct err *e)
{
    struct transfer *t;

    if (call->url == NULL || call->method == NULL ||
        (strncasecmp(call->url, "http://", 7) != 0 && strncasecmp(call->url, "https://", 8) != 0))
        return err_set(e, ERR_INVALID, "not an http or https URL");
    t = mem_alloc(sizeof(*t));
    t->tag = tag;
    t->url = mem_strdup(call->url);
    t->method = mem_strdup(call->method);
    t->headers = copy_headers(call);
    t->timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
    t->until_ms = until_ms;
    t->has_body = call->body != NULL;
    t->may_cut = call->may_cut;
    t->refuses_private = call->refuses_private;
    buf_init(&t->body, call->body_len + 1);
    buf_put(&t->body, call->body, call->body_len);
    buf_init(&t->answer, call->max_answer_bytes > 0 ? call->max_answer_bytes : DEFAULT_MAX_ANSWER);
    line_put(&w->waiting, t);
    w->n_open++;
    return ERR_OK;
}

/* Starts one call; false when it ended at once. */
static bool start(struct wire *w, struct transfer *t)
{
    int64_t left_ms = t->until_ms - clock_now_ms();

    if (left_ms <= 0) {
        finish(w, t, CURLE_OPERATION_TIMEDOUT);
        return false;
    }
    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        finish(w, t, CURLE_FAILED_INIT);
        return false;
    }
    set_limits(t, left_ms);
    set_request(t);
    if (curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
        finish(w, t, CURLE_FAILED_INIT);
        return false;
    }
    return true;
}

static void start_waiting(struct wire *w)
{
    while (w->n_active < WIRE_MAX_ACTIVE && w->waiting.first != NULL) {
        struct transfer *t = line_take(&w->waiting);

        if (start(w, t))
            w->active[w->n_active++] = t;
    }
}

static void collect(struct wire *w)
{
    CURLMsg *m;
    int n;

    while ((m = curl_multi_info_read(w->multi, &n)) != NULL) {
        struct transfer *t = NULL;
        CURLcode result = m->data.result;

        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
            continue;
        curl_multi_remove_handle(w->multi, t->easy);
        for (size_t i = 0; i < w->n_active; i++)
            if (w->active[i] == t)
                w->active[i] = w->active[--w->n_active];
        finish(w, t, result);
    }
}

static void move_bytes(struct wire *w)
{
    int n;

    do {
        start_waiting(w);
        curl_multi_perform(w->multi, &n);
        collect(w);
    } while (w->waiting.first != NULL && w->n_active < WIRE_MAX_ACTIVE);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* A request of which not one byte was handed to the network did nothing at the peer. */
static bool was_sent(const struct transfer *t)
{
    long n = 0;

    switch (t->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_FAILED_INIT:
        return false;
    default:
        break;
    }
    return t->easy != NULL && curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &n) == CURLE_OK &&
           n > 0;
}

static void set_detail(const struct transfer *t, struct http_answer *answer)
{
    const char *text = t->error[0] != '\0' ? t->error : curl_easy_strerror(t->result);

    if (t->easy == NULL && t->result == CURLE_OPERATION_TIMEDOUT)
        text = "the deadline came before the call could be made";
    if (t->answer.full)
        text = "the answer is larger than allowed";
    (void)snprintf(answer->detail, sizeof(answer->detail), "%.*s", (int)sizeof(answer->detail) - 1,
                   text);
}

static void read_result(struct transfer *t, struct http_answer *answer)
{
    curl_off_t took_us = 0;
    curl_off_t retry_s = 0;
    long status = 0;

    memset(answer, 0, sizeof(*answer));
    if (t->easy != NULL) {
        curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &took_us);
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_s);
    }
    answer->took_ms = (int64_t)(took_us / 1000);
    answer->retry_after_ms = (int64_t)retry_s * 1000;
    bool is_cut = t->may_cut && t->answer.full;
    if ((t->result != CURLE_OK && !is_cut) || status == 0) {
        answer->outcome = was_sent(t) ? HTTP_UNKNOWN : HTTP_NOT_SENT;
        set_detail(t, answer);
        return;
    }
    answer->outcome = HTTP_ANSWERED;
    answer->status = (int)status;
    answer->body_len = t->answer.len;
    answer->body = t->answer.data != NULL ? t->answer.data : mem_alloc(1);
    buf_init(&t->answer, 0); /* the bytes have moved */
}

bool wire_take(struct wire *w, void **tag, struct http_answer *answer)
{
    struct transfer *t = line_take(&w->finished);

    if (t == NULL)
        return false;
    *tag = t->tag;
    read_result(t, answer);
    transfer_free(t);
    w->n_open--;
    return true;
}

void wire_wait(struct wire *w, int64_t wait_ms)
{
    int64_t until = clock_now_ms() + wait_ms;

    move_bytes(w);
    while (w->finished.first == NULL && !atomic_exchange(&w->is_woken, false)) {
        int64_t left = until - clock_now_ms();

        if (left <= 0)
            return;
        curl_multi_poll(w->multi, NULL, 0, (int)(left < MAX_WAIT_MS ? left : MAX_WAIT_MS), NULL);
        move_bytes(w);
    }
}

void wire_wake(struct wire *w)
{
    atomic_store(&w->is_woken, true);
    curl_multi_wakeup(w->multi);
}

size_t wire_n_open(const struct wire *w)
{
    return w->n_open;
}
