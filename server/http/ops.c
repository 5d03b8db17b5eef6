/*
 * A listener of a few dozen lines for probes and scrapes: reads a request line, answers, closes.
 * All sockets are non-blocking and have two seconds, so no client can hold it. Must not know what
 * is reported. One thread of its own.
 */
#include "ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"

#define MAX_CLIENTS 32
#define REQUEST_BYTES 4096
#define CLIENT_MS 2000
#define ANSWER_MAX_BYTES ((size_t)4 << 20)

struct client {
    int fd; /* -1: free */
    int64_t until_ms;
    size_t n_read, n_sent;
    bool is_answering;
    struct buf answer;
    char request[REQUEST_BYTES + 1];
};

struct ops {
    const struct ops_source *source;
    int listener, stop_fd;
    char address[32];
    pthread_t thread;
    struct client clients[MAX_CLIENTS];
};

static void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    buf_clear(&c->answer);
    c->fd = -1;
}

static void put_answer(struct client *c, const char *status, const char *type,
                       const struct buf *body)
{
    bool is_head = strncmp(c->request, "HEAD ", 5) == 0;
    buf_putf(&c->answer,
             "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
             "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
             status, type, body->len);
    if (!is_head)
        buf_put(&c->answer, buf_str(body), body->len);
    c->is_answering = true;
}

static bool is_path(const char *request, const char *path)
{
    size_t n = strlen(path);
    const char *at = strchr(request, ' ');
    return at && strncmp(at + 1, path, n) == 0 && strchr(" ?", at[1 + n]) && at[1 + n];
}

static void answer(struct ops *o, struct client *c)
{
    static const char text[] = "text/plain; charset=utf-8";
    struct buf body CLEANUP(buf_clear);
    buf_init(&body, ANSWER_MAX_BYTES - 4096);
    bool is_read = strncmp(c->request, "GET ", 4) == 0 || strncmp(c->request, "HEAD ", 5) == 0;
    if (!is_read) {
        buf_puts(&body, "only GET and HEAD\n");
        put_answer(c, "405 Method Not Allowed", text, &body);
    } else if (is_path(c->request, "/livez")) {
        buf_puts(&body, "ok\n");
        put_answer(c, "200 OK", text, &body);
    } else if (is_path(c->request, "/readyz") || is_path(c->request, "/healthz")) {
        bool is_ready = o->source->is_ready(o->source->self, &body);
        put_answer(c, is_ready ? "200 OK" : "503 Service Unavailable", text, &body);
    } else if (is_path(c->request, "/metrics")) {
        o->source->write_metrics(o->source->self, &body);
        put_answer(c, "200 OK", "text/plain; version=0.0.4; charset=utf-8", &body);
    } else {
        buf_puts(&body, "try /livez, /readyz or /metrics\n");
        put_answer(c, "404 Not Found", text, &body);
    }
}

static void client_read(struct ops *o, struct client *c)
{
    ssize_t n = recv(c->fd, c->request + c->n_read, REQUEST_BYTES - c->n_read, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            client_close(c);
        return;
    }
    c->n_read += (size_t)n;
    c->request[c->n_read] = 0;
    /* The whole head is read before answering: closing with unread bytes would reset. */
    if (strstr(c->request, "\r\n\r\n") || strstr(c->request, "\n\n"))
        answer(o, c);
    else if (c->n_read == REQUEST_BYTES)
        client_close(c);
}

static void client_write(struct client *c)
{
    ssize_t n = send(c->fd, c->answer.data + c->n_sent, c->answer.len - c->n_sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->n_sent += (size_t)n;
    if (n < 0 || c->n_sent == c->answer.len)
        client_close(c);
}

/* Takes a new client; when all places are taken the oldest one goes. */
static void accept_client(struct ops *o)
{
    int fd = accept4(o->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* Out of descriptors: without a pause poll would spin. */
        if (errno == EMFILE || errno == ENFILE)
            clock_pause(20);
        return;
    }
    struct client *place = &o->clients[0];
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        struct client *c = &o->clients[i];
        if (c->fd < 0 || (place->fd >= 0 && c->until_ms < place->until_ms))
            place = c;
        if (place->fd < 0)
            break;
    }
    client_close(place);
    place->fd = fd;
    place->until_ms = clock_monotonic_ms() + CLIENT_MS;
    place->n_read = place->n_sent = 0;
    place->is_answering = false;
    buf_init(&place->answer, ANSWER_MAX_BYTES);
}

static int fill_polls(struct ops *o, struct pollfd polls[MAX_CLIENTS + 2])
{
    polls[0] = (struct pollfd){.fd = o->stop_fd, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = o->listener, .events = POLLIN};
    int wait_ms = -1;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct client *c = &o->clients[i];
        polls[i + 2] = (struct pollfd){.fd = c->fd, /* -1 is skipped by poll */
                                       .events = c->is_answering ? POLLOUT : POLLIN};
        if (c->fd >= 0)
            wait_ms = 250;
    }
    return wait_ms;
}

static void *run(void *ctx)
{
    struct ops *o = ctx;
    struct pollfd polls[MAX_CLIENTS + 2];
    for (;;) {
        int wait_ms = fill_polls(o, polls);
        poll(polls, MAX_CLIENTS + 2, wait_ms);
        if (polls[0].revents)
            return NULL;
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
            struct client *c = &o->clients[i];
            if (c->fd < 0)
                continue;
            if (polls[i + 2].revents && c->is_answering)
                client_write(c);
            else if (polls[i + 2].revents)
                client_read(o, c);
            if (c->fd >= 0 && clock_monotonic_ms() > c->until_ms)
                client_close(c);
        }
        if (polls[1].revents)
            accept_client(o);
    }
}

static int open_listener(struct ops *o, const char *dotted, int port, struct err *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof at;
    int yes = 1;
    inet_pton(AF_INET, dotted, &at.sin_addr);
    o->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (o->listener >= 0)
        setsockopt(o->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (o->listener < 0 || bind(o->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(o->listener, 64) != 0 ||
        getsockname(o->listener, (struct sockaddr *)&at, &length) != 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot listen on %s:%d: %s", dotted, port,
                       strerror(errno));
    snprintf(o->address, sizeof o->address, "%s:%d", dotted, ntohs(at.sin_port));
    return 0;
}

static void ops_free(struct ops *o)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        client_close(&o->clients[i]);
    if (o->listener >= 0)
        close(o->listener);
    if (o->stop_fd >= 0)
        close(o->stop_fd);
    free(o);
}

int ops_start(const char *listen, const struct ops_source *source, struct ops **out, struct err *e)
{
    char dotted[16];
    int port = 0;
    int rc = config_address(listen, dotted, &port, e);
    if (rc)
        return rc;
    struct ops *o = mem_alloc(sizeof *o);
    o->source = source;
    o->listener = -1;
    o->stop_fd = eventfd(0, EFD_CLOEXEC);
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        o->clients[i].fd = -1;
    rc = open_listener(o, dotted, port, e);
    if (!rc && pthread_create(&o->thread, NULL, run, o) != 0)
        rc = err_set(e, ERR_INTERNAL, "no thread for the operations listener");
    if (rc) {
        ops_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

const char *ops_address(const struct ops *o)
{
    return o->address;
}

void ops_stop(struct ops *o)
{
    if (!o)
        return;
    uint64_t one = 1;
    if (write(o->stop_fd, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(o->thread, NULL);
    ops_free(o);
}
