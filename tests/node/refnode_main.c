/* mreg-node, the reference serving node: options, the HTTP server, start and stop. Knows nothing of
 * models. The main thread loads everything and then waits for a signal; civetweb's workers answer.
 */
#include "refnode.h"

#include <civetweb.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_BODY (64u << 20)

struct options {
    const char *root;
    const char *port_file;
    int port;
    struct rn_faults faults;
};

static const char usage[] =
    "usage: mreg-node --root DIR --port-file FILE [--port N] [--faults FILE] [--load-delay-ms N]\n"
    "                 [--fail-load GLOB] [--error-rate R] [--latency-ms N] [--crash-after N]\n";

static void fail_usage(const char *what)
{
    fprintf(stderr, "mreg-node: %s\n%s", what, usage);
    exit(2);
}

/* The options that are faults take the same way as POST /faults, so the same checks hold. */
static void take_fault(struct rn_faults *faults, const char *key, const char *text)
{
    const char *why = NULL;
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (strcmp(key, "fail_load") == 0) {
        json_decref(value);
        value = json_string(text);
    }
    json_t *object = json_object();
    json_object_set_new(object, key, value);
    if (!value || !rn_faults_merge(faults, object, &why))
        fail_usage("a fault option has a value that cannot be used");
    json_decref(object);
}

static void take_faults_file(struct rn_faults *faults, const char *path)
{
    const char *why = NULL;
    if (!rn_faults_read(faults, path, &why))
        fail_usage("the file of --faults cannot be used");
}

static int take_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (*end || end == text || port < 0 || port > 65535)
        fail_usage("--port wants 0 to 65535");
    return (int)port;
}

static void parse_options(int argc, char **argv, struct options *options)
{
    enum { ROOT = 1, PORT_FILE, PORT, FAULTS, FIRST_FAULT };
    static const char *const keys[] = {"load_delay_ms", "fail_load", "error_rate", "latency_ms",
                                       "crash_after_requests"};
    static const struct option known[] = {{"root", 1, NULL, ROOT},
                                          {"port-file", 1, NULL, PORT_FILE},
                                          {"port", 1, NULL, PORT},
                                          {"faults", 1, NULL, FAULTS},
                                          {"load-delay-ms", 1, NULL, FIRST_FAULT},
                                          {"fail-load", 1, NULL, FIRST_FAULT + 1},
                                          {"error-rate", 1, NULL, FIRST_FAULT + 2},
                                          {"latency-ms", 1, NULL, FIRST_FAULT + 3},
                                          {"crash-after", 1, NULL, FIRST_FAULT + 4},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == ROOT)
            options->root = optarg;
        else if (c == PORT_FILE)
            options->port_file = optarg;
        else if (c == PORT)
            options->port = take_port(optarg);
        else if (c == FAULTS)
            take_faults_file(&options->faults, optarg);
        else if (c >= FIRST_FAULT && c != '?')
            take_fault(&options->faults, keys[c - FIRST_FAULT], optarg);
        else
            fail_usage("unknown option");
    }
    if (!options->root || !options->port_file || optind != argc)
        fail_usage("--root and --port-file are needed");
}

/* The whole body, or NULL when it is too large or broken off; owned by the caller. */
static char *read_body(struct mg_connection *conn, long long length)
{
    size_t size = length > 0 ? (size_t)length : 4096;
    size_t used = 0;
    if (size > MAX_BODY)
        return NULL;
    char *body = rn_alloc(size + 1, 1);
    for (int n; (n = mg_read(conn, body + used, size - used)) > 0;) {
        used += (size_t)n;
        if (used < size)
            continue;
        if (length >= 0 || size > MAX_BODY / 2)
            break;
        body = realloc(body, 2 * size + 1); /* a chunked body: its size shows at its end */
        if (!body)
            abort();
        size *= 2;
    }
    body[used] = 0;
    return body;
}

/* In one write, so that a reply is one packet where it fits. */
static void send_reply(struct mg_connection *conn, const struct rn_reply *reply)
{
    const char *body = reply->body ? reply->body : "";
    char *text = rn_format("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                           "Connection: keep-alive\r\n\r\n%s",
                           reply->status, mg_get_response_code_text(conn, reply->status),
                           reply->type, strlen(body), body);
    mg_write(conn, text, strlen(text));
    free(text);
}

static void count_running(struct rn_node *node, bool begins)
{
    pthread_mutex_lock(&node->lock);
    node->n_running = begins ? node->n_running + 1 : node->n_running - 1;
    pthread_cond_broadcast(&node->wake);
    pthread_mutex_unlock(&node->lock);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start->tv_sec) + (double)(end.tv_nsec - start->tv_nsec) / 1e9;
}

static int on_request(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct rn_node *node = info->user_data;
    struct rn_reply reply = {0};
    const char *pattern = NULL;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    count_running(node, true);
    char *body = info->content_length == 0 ? rn_alloc(1, 1) : read_body(conn, info->content_length);
    if (body && !rn_obeys(node, mg_get_header(conn, "Mreg-Registry"),
                          mg_get_header(conn, "Mreg-Epoch"), &reply))
        pattern = "";
    else if (body)
        rn_route(node, info->request_method, info->local_uri, body, &reply, &pattern);
    else
        rn_reply_detail(&reply, 413, "the body is too large");
    if (pattern && strncmp(pattern, "/v2", 3) == 0)
        rn_count_rest(node, info->request_method, pattern, reply.status, seconds_since(&start));
    send_reply(conn, &reply);
    free(body);
    rn_reply_clear(&reply);
    count_running(node, false);
    return 1;
}

static int on_message(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    fprintf(stderr, "mreg-node: %s\n", message);
    return 1;
}

static struct mg_context *serve(struct rn_node *node, int port)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    const char *settings[] = {"listening_ports",
                              address,
                              "num_threads",
                              "32",
                              "enable_keep_alive",
                              "yes",
                              "keep_alive_timeout_ms",
                              "500",
                              "tcp_nodelay",
                              "1",
                              NULL};
    struct mg_callbacks callbacks = {.begin_request = on_request, .log_message = on_message};
    return mg_start(&callbacks, node, settings);
}

static bool write_port(const struct mg_context *server, const char *path)
{
    struct mg_server_port port = {0};
    char temporary[RN_PATH_MAX];
    if (mg_get_server_ports(server, 1, &port) < 1 ||
        snprintf(temporary, sizeof temporary, "%s.tmp", path) >= RN_PATH_MAX)
        return false;
    FILE *out = fopen(temporary, "w");
    if (!out)
        return false;
    bool written = fprintf(out, "%d\n", port.port) > 0;
    written = fclose(out) == 0 && written;
    return written && rename(temporary, path) == 0;
}

static void node_init(struct rn_node *node, const struct options *options)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    node->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    pthread_condattr_t monotonic;
    snprintf(node->root, sizeof node->root, "%s", options->root);
    node->faults = options->faults;
    pthread_mutex_init(&node->lock, NULL);
    pthread_mutex_init(&node->load_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&node->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Runs until a signal to end comes, also while the models are still being loaded. */
static void *wait_for_signal(void *cookie)
{
    struct rn_node *node = cookie;
    sigset_t signals;
    int received = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigwait(&signals, &received);
    pthread_mutex_lock(&node->lock);
    node->stopping = true;
    pthread_cond_broadcast(&node->wake);
    pthread_mutex_unlock(&node->lock);
    return NULL;
}

/* Blocks the signals for all threads and leaves them to one; call before any other thread starts.
 */
static void watch_signals(struct rn_node *node)
{
    sigset_t signals;
    pthread_t thread;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_signal, node) != 0)
        abort();
    pthread_detach(thread);
}

/* Cuts pauses short and lets running requests end, for a second at most. The process then just
 * exits: civetweb's own stop would wait two seconds for its listener. */
static void node_stop(struct rn_node *node)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&node->lock);
    node->stopping = true;
    pthread_cond_broadcast(&node->wake);
    int rc = 0;
    while (node->n_running && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&node->wake, &node->lock, &until);
    pthread_mutex_unlock(&node->lock);
}

/* Like MLServer: the port answers before the models are there, and one bad model ends the server.
 */
static int run(struct rn_node *node, struct mg_context *server, const char *port_file)
{
    struct rn_reply reply = {0};
    bool loaded = rn_load_all(node, &reply);
    if (!loaded)
        fprintf(stderr, "mreg-node: a model failed to load during startup: %s\n", reply.body);
    rn_reply_clear(&reply);
    if (!loaded)
        return 0;
    if (!write_port(server, port_file)) {
        fprintf(stderr, "mreg-node: cannot write %s\n", port_file);
        return 1;
    }
    pthread_mutex_lock(&node->lock);
    while (!node->stopping)
        pthread_cond_wait(&node->wake, &node->lock);
    pthread_mutex_unlock(&node->lock);
    return 0;
}

int main(int argc, char **argv)
{
    static struct rn_node node;
    struct options options = {0};
    parse_options(argc, argv, &options);
    node_init(&node, &options);
    watch_signals(&node);
    mg_init_library(0);
    struct mg_context *server = serve(&node, options.port);
    if (!server) {
        fprintf(stderr, "mreg-node: cannot listen on port %d\n", options.port);
        return 3;
    }
    int status = run(&node, server, options.port_file);
    node_stop(&node);
    fflush(stderr);
    _exit(status);
}
