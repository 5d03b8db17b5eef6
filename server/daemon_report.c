/*
 * What /readyz and /metrics say. Reads counters of all parts; never waits. Runs on the thread of
 * the operations listener.
 */
#include "daemon_inner.h"

#include "datadir.h"
#include "metrics.h"
#include "outbound.h"

static bool check(struct buf *out, const char *name, bool is_ok, const char *why)
{
    buf_putf(out, "%s %s%s%s\n", is_ok ? "ok" : "fail", name, is_ok ? "" : ": ", is_ok ? "" : why);
    return is_ok;
}

static bool is_ready(void *self, struct buf *out)
{
    struct daemon *d = self;
    struct buf why CLEANUP(buf_clear);
    buf_init(&why, 1024);
    bool can_write = housekeeping_can_write(d->housekeeping, &why);
    int64_t free_bytes = datadir_free_bytes(d->data);
    bool has_space = free_bytes < 0 || free_bytes >= config_int(d->config, "limits.free-space");
    bool ready = check(out, "serving", !atomic_load(&d->app.draining), "shutting down");
    ready = check(out, "store", can_write, buf_str(&why)) && ready;
    return check(out, "space", has_space, "less room than limits.free-space") && ready;
}

static void write_store(struct daemon *d, struct buf *out)
{
    struct store_stats s = {0};
    store_get_stats(d->app.store, &s);
    metrics_counter(out, "mreg_db_commits_total", "Committed batches.", (double)s.n_commits);
    metrics_counter(out, "mreg_db_writes_total", "Committed changes.", (double)s.n_writes);
    metrics_gauge(out, "mreg_db_writes_waiting", "Changes waiting for the writer.",
                  (double)s.n_waiting);
    metrics_gauge(out, "mreg_db_wal_bytes", "Size of the write-ahead log.", (double)s.wal_bytes);
}

static void write_history(struct daemon *d, struct buf *out)
{
    struct history_stats s = {0};
    history_get_stats(d->app.history, &s);
    metrics_gauge(out, "mreg_history_lag_rows", "Journal rows that are not in git yet.",
                  (double)(s.journal_seq - s.published_seq));
    metrics_counter(out, "mreg_history_commits_total", "Commits written.", (double)s.n_commits);
    metrics_counter(out, "mreg_history_failures_total", "Failed attempts to publish.",
                    (double)s.n_failures);
}

static void write_webhooks(struct daemon *d, struct buf *out)
{
    struct outbound_stats s = {0};
    if (!d->app.outbound)
        return;
    outbound_get_stats(d->app.outbound, &s);
    buf_puts(out, "# HELP mreg_webhook_deliveries_total Attempts to deliver webhooks and commit "
                  "statuses.\n# TYPE mreg_webhook_deliveries_total counter\n");
    buf_putf(out, "mreg_webhook_deliveries_total{result=\"delivered\"} %lld\n",
             (long long)s.n_delivered);
    buf_putf(out, "mreg_webhook_deliveries_total{result=\"retried\"} %lld\n",
             (long long)s.n_retried);
    buf_putf(out, "mreg_webhook_deliveries_total{result=\"failed\"} %lld\n", (long long)s.n_failed);
    metrics_gauge(out, "mreg_webhooks", "Enabled webhooks.", (double)s.n_hooks);
    metrics_gauge(out, "mreg_webhook_pending", "Deliveries that are still to be made.",
                  (double)s.n_pending);
    metrics_counter(out, "mreg_webhooks_disabled_total", "Webhooks that the server disabled.",
                    (double)s.n_disabled);
}

static void write_metrics(void *self, struct buf *out)
{
    struct daemon *d = self;
    metrics_write(d->app.metrics, out);
    metrics_gauge(out, "mreg_http_connections", "Connections held by workers.",
                  d->server ? serve_count(d->server) : 0);
    metrics_gauge(out, "mreg_http_workers", "Most connections at the same time.",
                  (double)config_int(d->config, "server.threads"));
    write_store(d, out);
    write_history(d, out);
    write_webhooks(d, out);
    metrics_gauge(out, "mreg_data_free_bytes", "Room on the data filesystem.",
                  (double)datadir_free_bytes(d->data));
    metrics_gauge(out, "mreg_draining", "1 while shutting down.", atomic_load(&d->app.draining));
}

void daemon_report_init(struct daemon *d)
{
    d->source =
        (struct ops_source){.self = d, .is_ready = is_ready, .write_metrics = write_metrics};
}
