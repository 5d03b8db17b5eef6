/*
 * Text over a socket until the peer closes. The point of care is the same as with HTTP: what never
 * left did nothing, what left without a whole answer may have done something. Knows nothing of what
 * is said. Blocks with poll; runs on threads that are there for that.
 */
#include "lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "netaddr.h"
#include "routing.h"

#define DEFAULT_MAX_ANSWER ((size_t)4 << 20)
#define CHUNK_BYTES 2048
#define STOP_LOOK_MS 200

struct exchange {
    const struct lines_call *call;
    const atomic_bool *stops;
    int64_t end_ms; /* monotonic */
    int fd;
    bool is_sent; /* some of it left */
    char why[120];
};

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* True when the socket is ready; false with x->why when time is over. */
static bool await(struct exchange *x, short events)
{
    for (;;) {
        int64_t left = x->end_ms - clock_monotonic_ms();
        struct pollfd p = {.fd = x->fd, .events = events};
        int n;

        if (left <= 0) {
            snprintf(x->why, sizeof(x->why), "no answer in time");
            return false;
        }
        if (x->stops != NULL && atomic_load(x->stops)) {
            snprintf(x->why, sizeof(x->why), "given up: the server stops");
            return false;
        }
        n = poll(&p, 1, (int)(left < STOP_LOOK_MS ? left : STOP_LOOK_MS));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR) {
            snprintf(x->why, sizeof(x->why), "poll: %s", strerror(errno));
            return false;
        }
    }
}

static bool fail_errno(struct exchange *x, const char *what, int error)
{
    snprintf(x->why, sizeof(x->why), "%s: %s", what, strerror(error));
    return false;
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool connect_to(struct exchange *x, const struct sockaddr *sa, socklen_t n)
{
    int error = 0;
    socklen_t size = sizeof(error);

    x->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (x->fd < 0)
        return fail_errno(x, "socket", errno);
    if (connect(x->fd, sa, n) == 0)
        return true;
    if (errno != EINPROGRESS)
        return fail_errno(x, "cannot connect", errno);
    if (!await(x, POLLOUT))
        return false;
    if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return fail_errno(x, "cannot connect", error != 0 ? error : errno);
    return true;
}

static bool connect_unix(struct exchange *x, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(un.sun_path)) {
        snprintf(x->why, sizeof(x->why), "the socket's path is too long");
        return false;
    }
    memcpy(un.sun_path, path, strlen(path) + 1);
    return connect_to(x, (const struct sockaddr *)&un, sizeof(un));
}

static bool connect_tcp(struct exchange *x, const char *address)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char host[ROUTING_HOST_BYTES];
    const char *port;
    bool done = false;
    int rc;

    if (!routing_split(address, host, &port)) {
        snprintf(x->why, sizeof(x->why), "not an address");
        return false;
    }
    rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        snprintf(x->why, sizeof(x->why), "%.40s: %.60s", host, gai_strerror(rc));
        return false;
    }
    for (struct addrinfo *i = list; i != NULL && !done; i = i->ai_next) {
        if (x->fd >= 0)
            close(x->fd);
        x->fd = -1;
        if (netaddr_is_off_limits(i->ai_addr))
            snprintf(x->why, sizeof(x->why), "link-local addresses are not spoken to");
        else
            done = connect_to(x, i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(list);
    return done;
}

/* --- talking ---------------------------------------------------------------------------------- */

static bool send_all(struct exchange *x)
{
    const char *at = x->call->text;
    size_t left = strlen(at);

    while (left > 0) {
        ssize_t n = send(x->fd, at, left, MSG_NOSIGNAL);

        if (n > 0) {
            x->is_sent = true;
            at += n;
            left -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!await(x, POLLOUT))
                return false;
        } else if (errno != EINTR) {
            return fail_errno(x, "cannot send", errno);
        }
    }
    /* Some services answer only when they know that nothing more comes; HAProxy needs no hint. */
    return true;
}

static bool read_all(struct exchange *x, struct buf *answer)
{
    char chunk[CHUNK_BYTES];

    while (buf_ok(answer)) {
        ssize_t n;

        if (!await(x, POLLIN))
            return false;
        n = recv(x->fd, chunk, sizeof(chunk), 0);
        if (n == 0)
            return true;
        if (n > 0)
            buf_put(answer, chunk, (size_t)n);
        else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            return fail_errno(x, "cannot read", errno);
    }
    snprintf(x->why, sizeof(x->why), "the answer is larger than allowed");
    return false;
}

static bool talk(struct exchange *x, struct buf *answer)
{
    const char *address = x->call->address;
    bool done = is_unix(address) ? connect_unix(x, address + 5) : connect_tcp(x, address);

    return done && send_all(x) && read_all(x, answer);
}

void lines_run(const struct lines_call *call, int64_t until_ms, const atomic_bool *stops,
               struct http_answer *out)
{
    int64_t begun = clock_monotonic_ms();
    int64_t wait_ms = call->timeout_ms > 0 ? call->timeout_ms : LINES_DEFAULT_TIMEOUT_MS;
    int64_t left_ms = until_ms - clock_now_ms();
    struct exchange x = {.call = call, .stops = stops, .fd = -1};
    struct buf answer CLEANUP(buf_clear);
    bool done;

    buf_init(&answer, call->max_answer_bytes > 0 ? call->max_answer_bytes : DEFAULT_MAX_ANSWER);
    x.end_ms = begun + (left_ms < wait_ms ? left_ms : wait_ms);
    done = talk(&x, &answer);
    if (x.fd >= 0)
        close(x.fd);
    memset(out, 0, sizeof(*out));
    out->took_ms = clock_monotonic_ms() - begun;
    if (!done) {
        out->outcome = x.is_sent ? HTTP_UNKNOWN : HTTP_NOT_SENT;
        snprintf(out->detail, sizeof(out->detail), "%s", x.why);
        return;
    }
    out->outcome = HTTP_ANSWERED;
    out->body_len = answer.len;
    out->body = answer.data != NULL ? answer.data : mem_alloc(1);
    buf_init(&answer, 0); /* the bytes have moved */
}
