/*
 * One row per descriptor number. accept() fills the row, the worker frees it before it closes the
 * descriptor, and a thread looks at all rows four times a second. So a row that is not free names
 * an open connection, and shutting it down under the lock never hits a stranger. Bytes moved come
 * from the kernel (TCP_INFO), because a worker blocked in one large read or write cannot count.
 * Must not know HTTP.
 */
#include "watchdog.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "interpose.h"
#include "metrics.h"
#include "thread.h"

#define TICK_MS 250
#define TABLE_MAX 65536
#define RESERVE_DESCRIPTORS 96 /* kept free for files of the database, blobs and history */

enum link_state {
    LINK_FREE,
    LINK_ACCEPTED, /* queued, or waiting for its first request */
    LINK_BOUND     /* has had a request */
};

struct link {
    int fd;           /* the row's own number */
    uint32_t address; /* network order; with port the identity of the peer */
    uint16_t port;
    uint8_t state; /* enum link_state; all three under the lock */
    bool is_shed;  /* shut to make room; under the lock */
    _Atomic uint8_t is_cut;
    _Atomic int phase;
    _Atomic int64_t since_ms;    /* of the phase */
    _Atomic int64_t deadline_ms; /* 0: none */
    /* The watchdog thread's own: one measured window of waiting. */
    int64_t waited_ms, last_seen_ms;
    uint64_t bytes_before, bytes_moved;
    int measured_phase; /* LINK_READ or LINK_WRITE once a window has begun */
};

struct watchdog {
    const struct config *config;
    struct metrics *metrics;
    int max_links;
    int table_size;
    int n_rows;      /* rows in use: the highest descriptor seen, plus one; under the lock */
    int refuse_from; /* a descriptor number this high means that few are left */
    struct link *table;
    pthread_mutex_t lock; /* guards states, n_open, reserve_fd, shutdown() of descriptors */
    int n_open;           /* connections that workers hold */
    int n_alive;          /* rows that are neither free nor shed */
    int reserve_fd;
    pthread_t thread;
    pthread_cond_t stop_asked;
    bool is_started;
    bool is_stopping; /* under the lock */
    bool is_refusing; /* under the lock */
    bool is_disabled; /* under the lock */
};

/* Raises the soft limit of descriptors to the hard one and returns it. */
static int raise_descriptors(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > TABLE_MAX ? TABLE_MAX : (int)limit.rlim_cur;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

struct watchdog *watchdog_new(const struct config *config, struct metrics *metrics, int max_links)
{
    struct watchdog *w = mem_alloc(sizeof *w);
    w->config = config;
    w->metrics = metrics;
    w->max_links = max_links;
    w->table_size = raise_descriptors();
    int reserve = w->table_size / 4 < RESERVE_DESCRIPTORS ? w->table_size / 4 : RESERVE_DESCRIPTORS;
    w->refuse_from = w->table_size - reserve;
    w->table = mem_alloc((size_t)w->table_size * sizeof *w->table);
    w->reserve_fd = open_reserve();
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->stop_asked);
    return w;
}

void watchdog_free(struct watchdog *w)
{
    if (!w)
        return;
    watchdog_stop(w);
    if (w->reserve_fd >= 0)
        close(w->reserve_fd);
    pthread_cond_destroy(&w->stop_asked);
    pthread_mutex_destroy(&w->lock);
    free(w->table);
    free(w);
}

/* ---- accept ---- */

static void start_phase(struct link *l, enum link_phase phase, int64_t deadline_ms)
{
    atomic_store(&l->since_ms, clock_monotonic_ms());
    atomic_store(&l->deadline_ms, deadline_ms);
    atomic_store(&l->phase, (int)phase);
}

/* Ends the connection that has been idle longest, so that its worker takes a new one. False when
 * all are at work. Locked. */
static bool shed_one(struct watchdog *w)
{
    int oldest = -1;
    int64_t oldest_ms = INT64_MAX;
    for (int fd = 0; fd < w->n_rows; fd++) {
        struct link *l = &w->table[fd];
        if (l->state == LINK_FREE || l->is_shed || atomic_load(&l->phase) != LINK_IDLE)
            continue;
        if (atomic_load(&l->since_ms) >= oldest_ms)
            continue;
        oldest_ms = atomic_load(&l->since_ms);
        oldest = fd;
    }
    if (oldest < 0)
        return false;
    w->table[oldest].is_shed = true;
    w->n_alive--;
    shutdown(oldest, SHUT_RDWR);
    metrics_add(w->metrics, METRIC_CONNECTIONS_SHED, 1);
    return true;
}

/* More connections than workers: some would wait behind silent ones. Locked. */
static void make_room(struct watchdog *w)
{
    while (w->n_alive > w->max_links && shed_one(w))
        continue;
}

/* No descriptor is left: takes the connection with the reserve one and closes it, because an accept
 * that keeps failing would spin. Locked. */
static void accept_and_drop(struct watchdog *w, int listener)
{
    if (w->reserve_fd < 0)
        return;
    close(w->reserve_fd);
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    int fd = poll(&waiting, 1, 0) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (fd >= 0)
        close(fd);
    w->reserve_fd = open_reserve();
    metrics_add(w->metrics, METRIC_CONNECTIONS_REFUSED, 1);
}

static void record(struct watchdog *w, int fd, const struct sockaddr_in *peer)
{
    struct link *l = &w->table[fd];
    if (w->is_disabled)
        return;
    if (fd >= w->n_rows)
        w->n_rows = fd + 1;
    l->fd = fd;
    l->address = peer->sin_addr.s_addr;
    l->port = ntohs(peer->sin_port);
    w->n_alive += l->state == LINK_FREE || l->is_shed;
    l->state = LINK_ACCEPTED;
    l->is_shed = false;
    l->waited_ms = 0;
    l->last_seen_ms = 0;
    l->measured_phase = LINK_WORK;
    atomic_store(&l->is_cut, 0);
    start_phase(l, LINK_IDLE, 0);
}

static int accept_hook(void *ctx, int listener, struct sockaddr_in *peer)
{
    struct watchdog *w = ctx;
    socklen_t length = sizeof *peer;
    int fd = accept4(listener, (struct sockaddr *)peer, &length, SOCK_CLOEXEC);
    int fault = errno;
    pthread_mutex_lock(&w->lock);
    if (fd < 0 && (fault == EMFILE || fault == ENFILE)) {
        shed_one(w);
        accept_and_drop(w, listener);
    } else if (fd >= 0 && (fd >= w->refuse_from || w->is_refusing)) {
        shed_one(w);
        close(fd);
        fd = -1;
        fault = EAGAIN;
        metrics_add(w->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    } else if (fd >= 0) {
        record(w, fd, peer);
        make_room(w);
    }
    pthread_mutex_unlock(&w->lock);
    errno = fault;
    return fd;
}

/* ---- links ---- */

/* Row of the connection from address:port. Locked. */
static struct link *find(struct watchdog *w, const char *address, int port)
{
    struct in_addr wanted;
    if (!address || inet_pton(AF_INET, address, &wanted) != 1)
        return NULL;
    for (int fd = 0; fd < w->n_rows; fd++) {
        struct link *l = &w->table[fd];
        if (l->state != LINK_FREE && l->port == port && l->address == wanted.s_addr)
            return l;
    }
    return NULL;
}

void watchdog_enter(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->n_open++;
    pthread_mutex_unlock(&w->lock);
}

struct link *watchdog_link(struct watchdog *w, const char *address, int port)
{
    pthread_mutex_lock(&w->lock);
    struct link *l = find(w, address, port);
    if (l)
        l->state = LINK_BOUND;
    pthread_mutex_unlock(&w->lock);
    return l;
}

void watchdog_leave(struct watchdog *w, const char *address, int port)
{
    pthread_mutex_lock(&w->lock);
    struct link *l = find(w, address, port);
    if (l) {
        w->n_alive -= !l->is_shed;
        l->state = LINK_FREE;
        l->is_shed = false;
    }
    w->n_open--;
    pthread_mutex_unlock(&w->lock);
}

void link_phase(struct link *l, enum link_phase phase, int64_t deadline_ms)
{
    if (l)
        start_phase(l, phase, deadline_ms);
}

bool link_was_cut(const struct link *l)
{
    return l && atomic_load(&l->is_cut);
}

bool link_has_left(const struct link *l)
{
    struct pollfd look = {.fd = l ? l->fd : -1, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0;
}

void watchdog_refuse(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_refusing = true;
    pthread_mutex_unlock(&w->lock);
}

void watchdog_disable(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_disabled = true;
    memset(w->table, 0, (size_t)w->table_size * sizeof *w->table);
    w->n_rows = 0;
    w->n_alive = 0;
    pthread_mutex_unlock(&w->lock);
}

bool watchdog_knows(struct watchdog *w, int port)
{
    bool is_known = false;
    pthread_mutex_lock(&w->lock);
    for (int fd = 0; fd < w->n_rows; fd++)
        is_known = is_known || (w->table[fd].state != LINK_FREE && w->table[fd].port == port);
    pthread_mutex_unlock(&w->lock);
    return is_known;
}

int watchdog_count(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    int n = w->n_open;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void watchdog_shut(struct watchdog *w, bool all)
{
    pthread_mutex_lock(&w->lock);
    for (int fd = 0; fd < w->n_rows; fd++) {
        struct link *l = &w->table[fd];
        if (l->state != LINK_FREE && (all || atomic_load(&l->phase) == LINK_IDLE))
            shutdown(fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- the thread ---- */

static uint64_t bytes_of(int fd, int phase)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return phase == LINK_READ ? info.tcpi_bytes_received : info.tcpi_bytes_acked;
}

static void cut(struct watchdog *w, int fd, int phase)
{
    atomic_store(&w->table[fd].is_cut, 1);
    /* A blocked read ends at once and the worker can still answer. */
    shutdown(fd, phase == LINK_READ ? SHUT_RD : SHUT_RDWR);
    metrics_add(w->metrics, METRIC_WATCHDOG_ENDED, 1);
}

/* Adds what happened since the last look to the window; only time spent waiting for the peer
 * counts, so a slow disk of ours never ends an upload. Locked. */
static void measure(struct watchdog *w, int fd, int64_t now_ms)
{
    struct link *l = &w->table[fd];
    int phase = atomic_load(&l->phase);
    bool is_waiting = phase == LINK_READ || phase == LINK_WRITE;
    if (!is_waiting || atomic_load(&l->is_cut)) {
        l->last_seen_ms = 0;
        return;
    }
    uint64_t bytes = bytes_of(fd, phase);
    if (phase != l->measured_phase) {
        l->measured_phase = phase;
        l->waited_ms = 0;
        l->bytes_moved = 0;
        l->bytes_before = bytes;
    }
    int64_t since_ms = atomic_load(&l->since_ms);
    int64_t from_ms = l->last_seen_ms > since_ms ? l->last_seen_ms : since_ms;
    l->waited_ms += now_ms > from_ms ? now_ms - from_ms : 0;
    l->bytes_moved += bytes - l->bytes_before;
    l->bytes_before = bytes;
    l->last_seen_ms = now_ms;
    int64_t deadline_ms = atomic_load(&l->deadline_ms);
    if (deadline_ms && now_ms >= deadline_ms) {
        cut(w, fd, phase);
        return;
    }
    int64_t window_ms = config_int(w->config, "server.rate-window");
    if (l->waited_ms < window_ms)
        return;
    int64_t wanted = config_int(w->config, "server.min-rate") * l->waited_ms / 1000;
    if ((int64_t)l->bytes_moved < wanted)
        cut(w, fd, phase);
    l->waited_ms = 0;
    l->bytes_moved = 0;
}

/* Sleeps one tick or until stopping. Locked. */
static void wait_tick(struct watchdog *w)
{
    struct timespec until = clock_in(TICK_MS);
    pthread_cond_timedwait(&w->stop_asked, &w->lock, &until);
}

static void *run(void *ctx)
{
    struct watchdog *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (!w->is_stopping) {
        wait_tick(w);
        int64_t now_ms = clock_monotonic_ms();
        make_room(w);
        for (int fd = 0; fd < w->n_rows; fd++)
            if (w->table[fd].state == LINK_BOUND)
                measure(w, fd, now_ms);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int watchdog_start(struct watchdog *w, struct err *e)
{
    w->is_stopping = false;
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return err_set(e, ERR_INTERNAL, "no thread for the watchdog");
    w->is_started = true;
    interpose_set_accept(accept_hook, w);
    return 0;
}

void watchdog_stop(struct watchdog *w)
{
    if (!w->is_started)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->stop_asked);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    interpose_set_accept(NULL, NULL);
    w->is_started = false;
}
