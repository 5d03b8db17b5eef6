/*
 * The order in which the server's parts start and stop; each part is a line here and knows nothing
 * of the others. Main thread only.
 */
#include "daemon_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "auth.h"
#include "clock.h"
#include "controller.h"
#include "datadir.h"
#include "db_access.h"
#include "log.h"
#include "oidc.h"
#include "metrics.h"
#include "pulse.h"
#include "outbound.h"

#define DATABASE "mreg.db"
#define PEPPER "pepper"
#define ADMIN_TOKEN "admin.token"
#define HISTORY_STOP_MS 5000

/* ---- opening ---- */

/* The pepper exists before the first token, so a database without it has lost it. */
static int open_pepper(struct daemon *d, struct err *e)
{
    if (datadir_has(d->data, PEPPER))
        return datadir_read(d->data, PEPPER, d->app.pepper, sizeof d->app.pepper, e);
    if (datadir_has(d->data, DATABASE))
        return err_set(e, ERR_CORRUPT,
                       "%s/%s is missing: without it no token is valid; restore it from a backup",
                       d->data, PEPPER);
    seal_random(d->app.pepper, sizeof d->app.pepper);
    return datadir_write(d->data, PEPPER, d->app.pepper, sizeof d->app.pepper, e);
}

static int open_store(struct daemon *d, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct store_options options = {
        .path = arena_printf(&a, "%s/" DATABASE, d->data),
        .n_readers = (int)config_int(d->config, "store.readers"),
    };
    int rc = store_open(&options, &d->app.store, e);
    if (!rc)
        rc = blobs_open(d->data, d->app.store, &d->app.blobs, e);
    return rc;
}

static int open_identity(struct daemon *d, struct err *e)
{
    int rc = keys_open(d->app.store, d->data, config_text(d->config, "registry.domain"),
                       &d->identity, e);
    if (rc)
        return rc;
    d->has_identity = true;
    d->app.identity = &d->identity.key;
    d->app.registry_id = d->identity.registry_id;
    d->app.domain = d->identity.domain;
    return 0;
}

/* The first admin's token: made until some admin token has been used, so a crash between the
 * database and the file locks nobody out. */
static int open_admin(struct daemon *d, struct err *e)
{
    if (datadir_has(d->data, ADMIN_TOKEN))
        return 0;
    bool is_used = false;
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(d->app.store, &r, e);
    if (!rc)
        rc = db_token_admin_used(r.db, &is_used, e);
    reader_end(&r);
    r = (struct reader){0};
    if (rc || is_used)
        return rc;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct auth_grant grant = {.name = "first admin",
                               .role = "admin",
                               .models = "*",
                               .actor = "mregd",
                               .reason = "first start"};
    rc = auth_create(d->app.auth, &grant, token, id, e);
    if (rc)
        return rc;
    char line[AUTH_TOKEN_BYTES + 1];
    int n = snprintf(line, sizeof line, "%s\n", token);
    rc = datadir_write(d->data, ADMIN_TOKEN, line, (size_t)n, e);
    explicit_bzero(token, sizeof token);
    explicit_bzero(line, sizeof line);
    return rc;
}

static int open_router(struct daemon *d, struct err *e)
{
    int rc = router_new(api_tables, &d->router, e);
    if (rc)
        return rc;
    size_t n = router_count(d->router);
    struct metrics_route *labels = mem_alloc(n * sizeof *labels);
    for (size_t i = 0; i < n; i++) {
        const struct route *row = router_row(d->router, i);
        labels[i] = (struct metrics_route){method_name(row->method), row->pattern};
    }
    d->app.metrics = metrics_new(labels, n);
    d->app.pulse = pulse_new();
    free(labels);
    return 0;
}

static void open_history(struct daemon *d)
{
    struct history_options options = {.dir = d->data,
                                      .store = d->app.store,
                                      .key = d->app.identity,
                                      .registry_id = d->app.registry_id,
                                      .domain = d->app.domain};
    d->app.history = history_new(&options);
}

static int start_outbound(struct daemon *d, struct err *e)
{
    struct outbound_options options = {
        .store = d->app.store,
        .data = d->data,
        .registry_id = d->app.registry_id,
        .public_url = config_text(d->config, "server.url"),
        .timeout_ms = config_int(d->config, "webhook.timeout"),
        .retry_scale = config_int(d->config, "webhook.retry-scale"),
        .refuses_private = strcmp(config_text(d->config, "webhook.private"), "deny") == 0};
    d->app.outbound = outbound_new(&options);
    return outbound_start(d->app.outbound, e);
}

static int start_oidc(struct daemon *d, struct err *e)
{
    bool may[PERM_COUNT];
    const char *role = config_text(d->config, "oidc.role-default");
    struct oidc_options options = {.issuer = config_text(d->config, "oidc.issuer"),
                                   .client_id = config_text(d->config, "oidc.client-id"),
                                   .secret_file = config_text(d->config, "oidc.client-secret-file"),
                                   .claim = config_text(d->config, "oidc.claim")};
    if (!options.issuer[0])
        return 0;
    if (role[0] && (!auth_role(role, may) || strcmp(role, "node") == 0))
        return err_set(e, ERR_INVALID, "oidc.role-default: no role \"%s\" for people", role);
    int rc = oidc_new(&options, &d->app.oidc, e);
    return rc ? rc : oidc_start(d->app.oidc, e);
}

int daemon_open(const char *data, struct config *config, struct daemon **out, struct err *e)
{
    struct daemon *d = mem_alloc(sizeof *d);
    d->config = config;
    d->data = d->app.data = data;
    d->lock_fd = -1;
    d->app.config = config;
    daemon_report_init(d);
    int rc = seal_init(e);
    if (!rc)
        rc = datadir_open(data, &d->lock_fd, e);
    if (!rc)
        rc = open_pepper(d, e);
    if (!rc)
        rc = open_store(d, e);
    if (!rc)
        rc = open_identity(d, e);
    if (rc) {
        daemon_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

/* ---- serving ---- */

static int start_rollouts(struct daemon *d, struct err *e)
{
    struct jobs_options options = {
        .store = d->app.store, .blobs = d->app.blobs, .registry_id = d->app.registry_id};
    int rc = jobs_new(&options, &d->jobs, e);
    if (rc)
        return rc;
    struct controller_options controller = {
        .store = d->app.store,
        .io = jobs_io(d->jobs),
        .blobs = d->app.blobs,
        .registry_id = d->app.registry_id,
        .observe_every_ms = config_int(d->config, "rollout.observe-every"),
        .check_every_ms = config_int(d->config, "rollout.check-every"),
        .sample_every_ms = config_int(d->config, "rollout.sample-every")};
    d->app.controller = controller_new(&controller);
    return controller_start(d->app.controller, e);
}

static void fill_service(struct daemon *d)
{
    struct service *s = &d->service;
    s->app = &d->app;
    s->router = d->router;
    s->web = d->web = web_new(embed_web);
    s->idempotency = idempotency_new(d->app.store);
    s->gates.limits[WORK_HEAVY] = (int)config_int(d->config, "limits.heavy");
    s->gates.limits[WORK_UPLOAD] = (int)config_int(d->config, "limits.uploads");
    s->gates.limits[WORK_DOWNLOAD] = (int)config_int(d->config, "limits.downloads");
    s->gates.limits[WORK_STREAM] = (int)config_int(d->config, "limits.streams");
    s->is_behind_proxy = strcmp(config_text(d->config, "server.proxy"), "declared") == 0;
    seal_random(&s->id_prefix, sizeof s->id_prefix);
}

static int publish_ports(struct daemon *d, const char *port_file, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    log_line(LOG_INFO, "start", "mregd %s serves %s on http://%s, operations on http://%s",
             MREG_VERSION, d->app.registry_id, serve_address(d->server), ops_address(d->ops));
    if (!port_file)
        return 0;
    return datadir_publish(
        port_file, arena_printf(&a, "%s\n%s\n", serve_address(d->server), ops_address(d->ops)), e);
}

int daemon_serve(struct daemon *d, const char *port_file, struct err *e)
{
    d->app.auth = auth_new(d->app.store, d->app.pepper);
    open_history(d);
    int rc = open_admin(d, e);
    if (!rc)
        rc = open_router(d, e);
    if (rc)
        return rc;
    fill_service(d);
    rc = history_start(d->app.history, e);
    if (!rc)
        rc = start_rollouts(d, e);
    if (!rc)
        rc = start_outbound(d, e);
    if (!rc)
        rc = start_oidc(d, e);
    if (!rc)
        rc = housekeeping_start(&d->app, d->service.idempotency, &d->housekeeping, e);
    if (!rc)
        rc = serve_start(&d->service, d->config, &d->server, e);
    if (!rc)
        rc = ops_start(config_text(d->config, "server.ops"), &d->source, &d->ops, e);
    return rc ? rc : publish_ports(d, port_file, e);
}

int daemon_rotate_key(struct daemon *d, const char *reason, struct err *e)
{
    char before[SEAL_ID_BYTES];
    memcpy(before, d->identity.key.id, sizeof before);
    int rc = keys_rotate(d->app.store, d->data, &d->identity, reason, e);
    if (rc)
        return rc;
    printf("old key %s\nnew key %s\n", before, d->identity.key.id);
    return 0;
}

/* ---- stopping ---- */

void daemon_drain(struct daemon *d)
{
    atomic_store(&d->app.draining, true);
    pulse_beat(d->app.pulse);
    log_line(LOG_INFO, "stop", "finishing %lld running requests",
             (long long)metrics_n_in_flight(d->app.metrics));
    clock_pause(config_int(d->config, "server.drain-delay"));
    serve_quiesce(d->server);
    int64_t until_ms = clock_monotonic_ms() + config_int(d->config, "server.drain-timeout");
    while (metrics_n_in_flight(d->app.metrics) > 0 && clock_monotonic_ms() < until_ms)
        clock_pause(5);
}

static void stop_threads(struct daemon *d)
{
    ops_stop(d->ops);
    if (d->app.oidc)
        oidc_stop(d->app.oidc); /* workers wait for it */
    serve_stop(d->server);
    if (d->app.controller)
        controller_stop(d->app.controller);
    if (d->app.outbound)
        outbound_stop(d->app.outbound);
    housekeeping_stop(d->housekeeping);
    if (d->app.history)
        history_stop(d->app.history, HISTORY_STOP_MS);
}

void daemon_close(struct daemon *d)
{
    if (!d)
        return;
    stop_threads(d);
    oidc_free(d->app.oidc);
    outbound_free(d->app.outbound);
    controller_free(d->app.controller);
    jobs_free(d->jobs);
    history_free(d->app.history);
    idempotency_free(d->service.idempotency);
    web_free(d->web);
    auth_free(d->app.auth);
    blobs_close(d->app.blobs);
    store_close(d->app.store);
    metrics_free(d->app.metrics);
    pulse_free(d->app.pulse);
    router_free(d->router);
    if (d->has_identity)
        seal_key_clear(&d->identity.key);
    explicit_bzero(d->app.pepper, sizeof d->app.pepper);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    free(d);
}
