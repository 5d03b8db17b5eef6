/*
 * Counters, a histogram per route row, and their Prometheus text. Updates come from any thread by
 * relaxed atomics; reading may see two numbers of one request at different times, which Prometheus
 * allows. Must not know HTTP beyond method, pattern and status.
 */
#include "metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define N_CLASSES 5 /* 1xx .. 5xx */

static const int64_t bounds_us[] = {1000,   2500,   5000,    10000,   25000,   50000,   100000,
                                    250000, 500000, 1000000, 2500000, 5000000, 10000000};
static const char *const bounds_text[] = {"0.001", "0.0025", "0.005", "0.01", "0.025",
                                          "0.05",  "0.1",    "0.25",  "0.5",  "1",
                                          "2.5",   "5",      "10"};
#define N_BOUNDS ARRAY_LEN(bounds_us)

struct route_row {
    struct metrics_route labels;
    _Atomic int64_t by_class[N_CLASSES];
    _Atomic int64_t buckets[N_BOUNDS + 1];
    _Atomic int64_t sum_us;
};

struct metrics {
    struct route_row *rows; /* n_rows + 1: the last for unmatched requests */
    size_t n_rows;
    _Atomic int64_t counters[METRIC_COUNT];
    _Atomic int64_t n_in_flight;
    int64_t started_s;
};

static const struct {
    const char *name, *help;
} counter_rows[METRIC_COUNT] = {
    [METRIC_AUTH_FAILURES] = {"mreg_auth_failures_total",
                              "Requests with a token that is not valid."},
    [METRIC_REJECTED_GUARD] = {"mreg_guard_refused_total", "Requests refused as malformed."},
    [METRIC_REJECTED_BUSY] = {"mreg_busy_refused_total", "Requests refused because their class of "
                                                         "work was full."},
    [METRIC_REJECTED_THROTTLE] = {"mreg_throttled_total", "Requests refused after bad tokens."},
    [METRIC_WATCHDOG_ENDED] = {"mreg_slow_transfers_ended_total", "Transfers ended as too slow."},
    [METRIC_CONNECTIONS_SHED] = {"mreg_idle_connections_closed_total",
                                 "Idle connections closed to make room."},
    [METRIC_CONNECTIONS_REFUSED] = {"mreg_connections_refused_total",
                                    "Connections closed at once: no descriptor or no room."},
    [METRIC_UPLOAD_BYTES] = {"mreg_upload_bytes_total", "Bytes of streamed request bodies."},
    [METRIC_DOWNLOAD_BYTES] = {"mreg_download_bytes_total", "Bytes of files sent."},
    [METRIC_IDEMPOTENT_REPLAYS] = {"mreg_idempotent_replays_total", "Replies given again for the "
                                                                    "same Idempotency-Key."},
};

struct metrics *metrics_new(const struct metrics_route *routes, size_t n)
{
    struct metrics *m = mem_alloc(sizeof *m);
    m->rows = mem_alloc((n + 1) * sizeof *m->rows);
    m->n_rows = n;
    for (size_t i = 0; i < n; i++)
        m->rows[i].labels = routes[i];
    m->rows[n].labels = (struct metrics_route){"other", "none"};
    m->started_s = (int64_t)time(NULL);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    free(m->rows);
    free(m);
}

static void add(_Atomic int64_t *to, int64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

void metrics_request(struct metrics *m, size_t route, int status, int64_t duration_us)
{
    struct route_row *row = &m->rows[route < m->n_rows ? route : m->n_rows];
    int class = status / 100 - 1;
    if (class < 0 || class >= N_CLASSES)
        class = N_CLASSES - 1;
    size_t bucket = 0;
    while (bucket < N_BOUNDS && duration_us > bounds_us[bucket])
        bucket++;
    add(&row->by_class[class], 1);
    add(&row->buckets[bucket], 1);
    add(&row->sum_us, duration_us);
}

void metrics_add(struct metrics *m, enum metric what, int64_t n)
{
    if (m)
        add(&m->counters[what], n);
}

void metrics_in_flight(struct metrics *m, int delta)
{
    add(&m->n_in_flight, delta);
}

int64_t metrics_n_in_flight(const struct metrics *m)
{
    return get(&m->n_in_flight);
}

static void put_head(struct buf *out, const char *name, const char *help, const char *type)
{
    buf_putf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_gauge(struct buf *out, const char *name, const char *help, double value)
{
    put_head(out, name, help, "gauge");
    buf_putf(out, "%s %.17g\n", name, value);
}

void metrics_counter(struct buf *out, const char *name, const char *help, double value)
{
    put_head(out, name, help, "counter");
    buf_putf(out, "%s %.17g\n", name, value);
}

static void write_requests(const struct metrics *m, struct buf *out)
{
    put_head(out, "mreg_http_requests_total", "Answered requests by route and class of status.",
             "counter");
    for (size_t i = 0; i <= m->n_rows; i++) {
        const struct route_row *row = &m->rows[i];
        for (int c = 0; c < N_CLASSES; c++) {
            int64_t n = get(&row->by_class[c]);
            if (n)
                buf_putf(
                    out,
                    "mreg_http_requests_total{route=\"%s\",method=\"%s\",code=\"%dxx\"} %lld\n",
                    row->labels.pattern, row->labels.method, c + 1, (long long)n);
        }
    }
}

static void write_histogram(const struct route_row *row, struct buf *out)
{
    static const char name[] = "mreg_http_request_duration_seconds";
    int64_t total = 0;
    for (size_t b = 0; b <= N_BOUNDS; b++)
        total += get(&row->buckets[b]);
    if (total == 0)
        return;
    int64_t below = 0;
    for (size_t b = 0; b < N_BOUNDS; b++) {
        below += get(&row->buckets[b]);
        buf_putf(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"%s\"} %lld\n", name,
                 row->labels.pattern, row->labels.method, bounds_text[b], (long long)below);
    }
    buf_putf(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"+Inf\"} %lld\n", name,
             row->labels.pattern, row->labels.method, (long long)total);
    buf_putf(out, "%s_sum{route=\"%s\",method=\"%s\"} %.6f\n", name, row->labels.pattern,
             row->labels.method, (double)get(&row->sum_us) / 1e6);
    buf_putf(out, "%s_count{route=\"%s\",method=\"%s\"} %lld\n", name, row->labels.pattern,
             row->labels.method, (long long)total);
}

static double resident_bytes(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*s %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 0;
    double n = -3; /* "." and ".." and the one of this listing */
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void write_process(const struct metrics *m, struct buf *out)
{
    struct rusage use = {0};
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    metrics_counter(out, "process_cpu_seconds_total", "CPU time spent.", cpu);
    metrics_gauge(out, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    metrics_gauge(out, "process_open_fds", "Open file descriptors.", open_descriptors());
    metrics_gauge(out, "process_max_fds", "Most file descriptors allowed.", (double)limit.rlim_cur);
    metrics_gauge(out, "process_start_time_seconds", "Start of the process, Unix time.",
                  (double)m->started_s);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
    put_head(out, "mreg_build_info", "Version of the program.", "gauge");
    buf_puts(out, "mreg_build_info{version=\"" MREG_VERSION "\"} 1\n");
    write_requests(m, out);
    put_head(out, "mreg_http_request_duration_seconds", "Time to answer, by route.", "histogram");
    for (size_t i = 0; i <= m->n_rows; i++)
        write_histogram(&m->rows[i], out);
    metrics_gauge(out, "mreg_http_requests_in_flight", "Requests being answered.",
                  (double)get(&m->n_in_flight));
    for (size_t i = 0; i < METRIC_COUNT; i++)
        metrics_counter(out, counter_rows[i].name, counter_rows[i].help,
                        (double)get(&m->counters[i]));
    write_process(m, out);
}
