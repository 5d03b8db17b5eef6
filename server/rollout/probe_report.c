/*
 * Words for what a first look at a node found. Knows how MLServer's and Triton's settings are
 * called. Pure.
 */
#include "probe_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum maker { MAKER_OTHER, MAKER_MLSERVER, MAKER_TRITON };

static enum maker maker_of(const struct driver_probe *p)
{
    if (strcasecmp(p->server, "mlserver") == 0)
        return MAKER_MLSERVER;
    return strncasecmp(p->server, "triton", 6) == 0 ? MAKER_TRITON : MAKER_OTHER;
}

void probe_problem(json_t *report, const char *what, const char *fix, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    json_t *list = json_object_get(report, "problems");
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s*}", "what", what, "text", text, "fix", fix));
}

/* As above for what is missing to judge by. */
static void lacks(json_t *report, const char *what, const char *const *gates, const char *fix,
                  const char *text)
{
    json_t *list = json_array();
    probe_problem(report, what, fix, "%s", text);
    json_t *problems = json_object_get(report, "problems");
    for (; *gates != NULL; gates++)
        json_array_append_new(list, json_string(*gates));
    json_object_set_new(json_array_get(problems, json_array_size(problems) - 1), "gates", list);
}

static json_t *models_of(const struct driver_probe *p)
{
    json_t *list = json_array();
    for (int i = 0; i < p->n_models; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s}", "name", p->models[i].name, "version",
                                        p->models[i].version, "state", p->models[i].state));
    return list;
}

static void check_server(const struct driver_probe *p, const struct driver_node *node,
                         json_t *report)
{
    if (!p->is_reachable) {
        probe_problem(report, "unreachable",
                      "start the serving software, or correct the node's admin_url",
                      "%s does not answer: %s", node->admin_url, p->text);
        return;
    }
    if (!p->is_v2)
        probe_problem(report, "protocol",
                      "give the address at which GET /v2 tells the server's name and version",
                      "%s/v2 is not a v2 server: %s", node->admin_url, p->text);
    if (!p->is_ready)
        probe_problem(report, "ready", NULL,
                      "the server says that it is not ready: it may be starting, or one of its "
                      "models failed");
}

static void check_control(const struct driver_probe *p, json_t *report)
{
    bool is_triton = maker_of(p) == MAKER_TRITON;
    if (p->is_v2 && !p->has_index)
        probe_problem(report, "repository", NULL, "the server does not list its models");
    if (p->is_v2 && p->mode == PROBE_MODE_MISSING)
        probe_problem(report, "repository",
                      maker_of(p) == MAKER_MLSERVER
                          ? "leave load_models_at_startup and the repository extension on"
                          : "use a server with the model repository extension of v2",
                      "the server has no model repository API: it cannot be told to load (%s)",
                      p->mode_text);
    if (p->mode == PROBE_MODE_REFUSED)
        probe_problem(report, "mode",
                      is_triton ? "start it with --model-control-mode=explicit" : NULL,
                      "the server does not load and unload when told to: %s", p->mode_text);
}

static void check_metrics(const struct driver_probe *p, const struct driver_node *node,
                          json_t *report)
{
    static const char *const counting[] = {"error-rate", "error-ratio", "latency", "slow-ratio",
                                           NULL};
    static const char *const timing[] = {"slow-ratio", NULL};
    static const char *const page_fix[] = {
        [MAKER_OTHER] = "switch the server's Prometheus page on and set the node's metrics_url",
        [MAKER_MLSERVER] =
            "settings.json: \"metrics_endpoint\": \"/metrics\", \"metrics_port\": 8082 (it has a "
            "port of its own); then set the node's metrics_url to http://HOST:8082/metrics",
        [MAKER_TRITON] = "start it with --allow-metrics=true (and --metrics-port=8002); then set "
                         "the node's metrics_url to http://HOST:8002/metrics"};
    char text[600];
    if (!p->has_page) {
        (void)snprintf(text, sizeof text, "%.300s has no metrics: %s",
                       node->metrics_url != NULL ? node->metrics_url : "the node (no metrics_url)",
                       p->page_text);
        lacks(report, "metrics", counting, page_fix[maker_of(p)], text);
        return;
    }
    if (!p->counts_requests)
        lacks(report, "counters", counting,
              "set the node's metrics_url to the page of its serving software",
              "the page of metrics counts no requests to models");
    else if (!p->times_models)
        lacks(report, "histogram", timing,
              maker_of(p) == MAKER_TRITON
                  ? "use a Triton later than 2.51, started with --metrics-config "
                    "histogram_latencies=true"
                  : NULL,
              p->times_server
                  ? "the page of metrics has durations of the whole server only, not of "
                    "each model: the gate slow-ratio judges all its models together"
                  : "the page of metrics has no histogram of durations");
}

json_t *probe_report(const struct driver_probe *p, const struct driver_node *node,
                     bool asks_version)
{
    static const char *const modes[] = {
        [PROBE_MODE_UNKNOWN] = "unknown",
        [PROBE_MODE_EXPLICIT] = "explicit",
        [PROBE_MODE_REFUSED] = "refused",
        [PROBE_MODE_MISSING] = "missing",
    };
    json_t *report = json_pack(
        "{s:b, s:b, s:s, s:o, s:{s:b, s:b, s:s, s:b}, s:[]}", "reachable", p->is_reachable ? 1 : 0,
        "ready", p->is_ready ? 1 : 0, "control", modes[p->mode], "models", models_of(p), "metrics",
        "found", p->has_page ? 1 : 0, "counts_requests", p->counts_requests ? 1 : 0, "durations",
        p->times_models   ? "model"
        : p->times_server ? "server"
                          : "none",
        "process_start", p->tells_start ? 1 : 0, "problems");
    if (p->is_v2)
        json_object_set_new(report, "server",
                            json_pack("{s:s, s:s}", "name", p->server, "version", p->version));
    if (asks_version)
        json_object_set_new(report, "version_ready", json_boolean(p->version_is_ready));
    check_server(p, node, report);
    if (p->is_reachable) {
        check_control(p, report);
        check_metrics(p, node, report);
    }
    return report;
}
