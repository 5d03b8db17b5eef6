/*
 * The door to CivetWeb, which is used as a parser of heads and a pool of threads and nothing else:
 * begin_request takes every request, every option is set, none of its file, CGI, form or
 * authentication code is reachable. Must not know routes or handlers (exchange.c). Callbacks run on
 * CivetWeb's workers.
 */
#include "serve.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "watchdog.h"

#define DRAIN_BYTES ((int64_t)2 << 20)
#define DRAIN_MS 300
#define MAX_OPTIONS 48
#define LEAST_STACK_BYTES ((size_t)256 << 10)

struct server {
    struct service *service;
    struct watchdog *watchdog;
    struct mg_context *context;
    char address[32];
    int port;
    atomic_bool is_stopped;
    atomic_bool has_small_stack; /* a worker did not get the stack that it needs */
};

/* The connection of one request, for struct peer. */
struct carrier {
    struct mg_connection *connection;
    struct link *link;
};

/* ---- the peer ---- */

static int carrier_read(void *self, void *bytes, size_t n, int64_t deadline_ms)
{
    struct carrier *c = self;
    link_phase(c->link, LINK_READ, deadline_ms);
    int got = mg_read(c->connection, bytes, n);
    link_phase(c->link, LINK_WORK, 0);
    return link_was_cut(c->link) ? -1 : got;
}

static bool carrier_write(void *self, const void *bytes, size_t n)
{
    struct carrier *c = self;
    link_phase(c->link, LINK_WRITE, 0);
    int sent = mg_write(c->connection, bytes, n);
    link_phase(c->link, LINK_WORK, 0);
    return sent >= 0 && (size_t)sent == n;
}

static void carrier_close_after(void *self)
{
    struct carrier *c = self;
    mg_disable_connection_keep_alive(c->connection);
}

/* A client that is still sending would get a reset, and lose our answer, if we closed at once. */
static void carrier_drain(void *self)
{
    struct carrier *c = self;
    char bin[4096 - 256];
    int64_t until_ms = clock_monotonic_ms() + DRAIN_MS;
    /* Without the watchdog nobody would end a read from a silent client. */
    for (int64_t n = 0; c->link && n < DRAIN_BYTES && clock_monotonic_ms() < until_ms;) {
        int got = carrier_read(c, bin, sizeof bin, until_ms);
        if (got <= 0)
            break;
        n += got;
    }
}

static bool carrier_was_cut(void *self)
{
    const struct carrier *c = self;
    return link_was_cut(c->link);
}

static bool carrier_has_left(void *self)
{
    const struct carrier *c = self;
    return link_has_left(c->link);
}

static struct peer peer_of(struct carrier *c)
{
    return (struct peer){.self = c,
                         .read = carrier_read,
                         .write = carrier_write,
                         .close_after = carrier_close_after,
                         .drain = carrier_drain,
                         .was_cut = carrier_was_cut,
                         .has_left = carrier_has_left};
}

/* ---- callbacks ---- */

static void read_head(const struct mg_request_info *info, struct head *out)
{
    const char *path = info->local_uri_raw ? info->local_uri_raw : info->request_uri;
    *out = (struct head){.method = info->request_method,
                         .path = path ? path : "",
                         .query = info->query_string ? info->query_string : "",
                         .version = info->http_version,
                         .remote = info->remote_addr};
    for (int i = 0; i < info->num_headers && i < HEAD_MAX_HEADERS; i++) {
        out->fields[i].name = info->http_headers[i].name;
        out->fields[i].value = info->http_headers[i].value;
        out->n_fields = i + 1;
    }
}

/* Who holds this request. The descriptor is looked up at a connection's first request: before that
 * the library does not tell the peer. */
static struct carrier carrier_of(const struct server *s, struct mg_connection *connection)
{
    struct carrier c = {connection, mg_get_user_connection_data(connection)};
    const struct mg_request_info *info = mg_get_request_info(connection);
    if (!c.link && info) {
        c.link = watchdog_link(s->watchdog, info->remote_addr, info->remote_port);
        mg_set_user_connection_data(connection, c.link);
    }
    return c;
}

static int on_request(struct mg_connection *connection)
{
    struct server *s = mg_get_user_context_data(connection);
    struct carrier carrier = carrier_of(s, connection);
    struct peer peer = peer_of(&carrier);
    struct head head;
    read_head(mg_get_request_info(connection), &head);
    link_phase(carrier.link, LINK_WORK, 0);
    exchange_run(s->service, mg_get_thread_pointer(connection), &head, &peer);
    link_phase(carrier.link, LINK_IDLE, 0);
    return 1; /* always taken: the library's own code must not be reached */
}

static int on_error(struct mg_connection *connection, int status, const char *message)
{
    (void)message; /* it echoes bytes of the client */
    struct server *s = mg_get_user_context_data(connection);
    struct carrier carrier = carrier_of(s, connection);
    struct peer peer = peer_of(&carrier);
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct malformed what = {status, info ? info->remote_addr : "-"};
    exchange_malformed(s->service, mg_get_thread_pointer(connection), &what, &peer);
    return 0;
}

static int on_message(const struct mg_connection *connection, const char *message)
{
    (void)connection;
    log_line(LOG_WARNING, "civetweb", "%s", message);
    return 1;
}

static int on_open(const struct mg_connection *connection, void **data)
{
    struct server *s = mg_get_user_context_data(connection);
    *data = NULL;
    watchdog_enter(s->watchdog);
    return 0;
}

static void on_close(const struct mg_connection *connection)
{
    struct server *s = mg_get_user_context_data(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);
    watchdog_leave(s->watchdog, info ? info->remote_addr : NULL, info ? info->remote_port : 0);
    mg_set_user_connection_data(connection, NULL);
}

static bool is_small_stack(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return false;
    pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
    return bytes < LEAST_STACK_BYTES;
}

static void *on_thread(const struct mg_context *context, int kind)
{
    struct server *s = mg_get_user_data(context);
    if (is_small_stack())
        atomic_store(&s->has_small_stack, true);
    return kind == 1 ? worker_new() : NULL;
}

static void on_thread_end(const struct mg_context *context, int kind, void *worker)
{
    (void)context;
    if (kind == 1)
        worker_free(worker);
}

/* ---- start ---- */

struct options {
    const char *list[MAX_OPTIONS];
    size_t n;
    struct arena arena;
};

static void set(struct options *o, const char *name, const char *value)
{
    o->list[o->n++] = name;
    o->list[o->n++] = value;
}

static void set_number(struct options *o, const char *name, int64_t value)
{
    set(o, name, arena_printf(&o->arena, "%lld", (long long)value));
}

static void fill_options(struct options *o, const struct config *config)
{
    set(o, "listening_ports", config_text(config, "server.listen"));
    set_number(o, "num_threads", config_int(config, "server.threads"));
    set_number(o, "connection_queue", config_int(config, "server.queue"));
    set(o, "listen_backlog", "1024");
    set(o, "enable_keep_alive", "yes");
    set_number(o, "keep_alive_timeout_ms", config_int(config, "server.keep-alive"));
    set_number(o, "request_timeout_ms", config_int(config, "server.header-timeout"));
    set(o, "tcp_nodelay", "1");
    set(o, "decode_url", "no");
    set(o, "decode_query_string", "no");
    set(o, "enable_auth_domain_check", "no");
    set(o, "max_request_size", "16384");
    set(o, "access_control_allow_origin", "");
    set(o, "access_control_allow_methods", "");
    set(o, "access_control_allow_headers", "");
    set(o, "enable_directory_listing", "no");
    set(o, "cgi_pattern", "");
    set(o, "ssi_pattern", "");
    set(o, "index_files", "");
    set(o, "allow_index_script_resource", "no");
    o->list[o->n] = NULL;
}

/* No log_access: with one, the library writes out a line for each request, local time and all. */
static int start_context(struct server *s, const struct config *config, struct err *e)
{
    static const struct mg_callbacks callbacks = {.begin_request = on_request,
                                                  .http_error = on_error,
                                                  .log_message = on_message,
                                                  .init_connection = on_open,
                                                  .connection_close = on_close,
                                                  .init_thread = on_thread,
                                                  .exit_thread = on_thread_end};
    struct options o = {.n = 0};
    char reason[200] = "";
    unsigned code = 0;
    fill_options(&o, config);
    struct mg_init_data init = {&callbacks, s, o.list};
    struct mg_error_data fault = {&code, reason, sizeof reason};
    s->context = mg_start2(&init, &fault);
    arena_clear(&o.arena);
    if (!s->context)
        return err_set(e, ERR_UNAVAILABLE, "cannot listen on %s: %s",
                       config_text(config, "server.listen"), reason);
    struct mg_server_port port = {0};
    mg_get_server_ports(s->context, 1, &port);
    s->port = port.port;
    return 0;
}

/* One connection to ourselves; returns its local port, 0 if it failed. *out: the socket. */
static int connect_self(const struct server *s, int *out)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    struct sockaddr_in from = {0};
    socklen_t length = sizeof from;
    char dotted[16] = "";
    memcpy(dotted, s->address, strcspn(s->address, ":"));
    inet_pton(AF_INET, dotted, &to.sin_addr);
    if (to.sin_addr.s_addr == INADDR_ANY)
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out = fd;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        getsockname(fd, (struct sockaddr *)&from, &length) != 0)
        return 0;
    return ntohs(from.sin_port);
}

/* Waits up to a second until the watchdog knows the connection or has forgotten it. */
static bool wait_for(const struct server *s, int port, bool is_known)
{
    for (int i = 0; i < 200; i++) {
        if (watchdog_knows(s->watchdog, port) == is_known)
            return true;
        clock_pause(5);
    }
    return false;
}

/* True if accept() and the end of connections reach the watchdog: tried with a connection that says
 * nothing, which is the hardest case. */
static bool test_watchdog(const struct server *s)
{
    int fd = -1;
    int port = connect_self(s, &fd);
    bool is_seen = port && wait_for(s, port, true);
    if (fd >= 0)
        close(fd);
    return is_seen && wait_for(s, port, false);
}

int serve_start(struct service *service, const struct config *config, struct server **out,
                struct err *e)
{
    char dotted[16];
    int port = 0;
    int rc = config_address(config_text(config, "server.listen"), dotted, &port, e);
    if (rc)
        return rc;
    struct server *s = mem_alloc(sizeof *s);
    s->service = service;
    s->watchdog =
        watchdog_new(config, service->app->metrics, (int)config_int(config, "server.threads"));
    mg_init_library(MG_FEATURES_DEFAULT);
    rc = watchdog_start(s->watchdog, e);
    if (!rc)
        rc = start_context(s, config, e);
    if (rc) {
        serve_stop(s);
        return rc;
    }
    snprintf(s->address, sizeof s->address, "%s:%d", dotted, s->port);
    if (!test_watchdog(s)) {
        watchdog_disable(s->watchdog);
        log_line(LOG_WARNING, "watchdog",
                 "connections cannot be watched here: slow transfers are not ended");
    }
    if (atomic_load(&s->has_small_stack))
        log_line(LOG_WARNING, "stack", "workers have less than 256 KiB of stack here");
    *out = s;
    return 0;
}

const char *serve_address(const struct server *s)
{
    return s->address;
}

int serve_count(const struct server *s)
{
    return watchdog_count(s->watchdog);
}

/* ---- stop ---- */

void serve_quiesce(struct server *s)
{
    watchdog_refuse(s->watchdog);
    watchdog_shut(s->watchdog, false);
}

/* mg_stop waits for threads that look up every two seconds: connections to the own port wake the
 * listener, and shutting down descriptors wakes workers. */
static void *hurry(void *ctx)
{
    struct server *s = ctx;
    while (!atomic_load(&s->is_stopped)) {
        int fd = -1;
        watchdog_shut(s->watchdog, true);
        connect_self(s, &fd);
        if (fd >= 0)
            close(fd);
        clock_pause(5);
    }
    return NULL;
}

static void stop_context(struct server *s)
{
    pthread_t thread;
    bool is_hurried = pthread_create(&thread, NULL, hurry, s) == 0;
    mg_stop(s->context);
    atomic_store(&s->is_stopped, true);
    if (is_hurried)
        pthread_join(thread, NULL);
    s->context = NULL;
}

void serve_stop(struct server *s)
{
    if (!s)
        return;
    if (s->context)
        stop_context(s);
    watchdog_free(s->watchdog);
    mg_exit_library();
    free(s);
}
