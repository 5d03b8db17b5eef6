/*
 * Results of gates for people: a sentence that says what was seen and what is missing, and the
 * numbers. Knows nothing of the rollout around it. Pure; any thread.
 */
#include "gate_show.h"

#include <stdio.h>

static bool compares(const struct gate_result *g)
{
    return g->kind == GATE_ERROR_RATIO || g->kind == GATE_SLOW_RATIO;
}

static double percent(int64_t bad, int64_t n)
{
    return n > 0 ? 100.0 * (double)bad / (double)n : 0;
}

/* "2.1 % of 812 new requests failed, 0.2 % of 2436 old ones; 4 more failures would fail it, 120
 * more clean requests pass it" */
static void compared_text(const struct gate_result *g, char *text, size_t n)
{
    const char *bad = g->kind == GATE_SLOW_RATIO ? "were slow" : "failed";
    int len =
        snprintf(text, n, "%.3g %% of %lld new requests %s, %.3g %% of %lld old ones",
                 percent(g->n_failures, g->n_requests), (long long)g->n_requests, bad,
                 percent(g->n_base_failures, g->n_base_requests), (long long)g->n_base_requests);
    if (g->verdict != VERDICT_INSUFFICIENT || len < 0 || (size_t)len >= n)
        return;
    text += len;
    n -= (size_t)len;
    if (g->n_to_fail > 0 && g->n_missing > 0)
        snprintf(text, n, "; %lld more bad ones would fail it, %lld more good ones pass it",
                 (long long)g->n_to_fail, (long long)g->n_missing);
    else if (g->n_missing > 0)
        snprintf(text, n, "; %lld more good ones pass it", (long long)g->n_missing);
}

/* Of the gates that know an absolute limit only. */
static void absolute_text(const struct gate_result *g, char *text, size_t n)
{
    double v = (double)g->value, limit = (double)g->limit;
    long long n_requests = (long long)g->n_requests;

    if (g->kind == GATE_ERROR_RATE)
        snprintf(text, n, "%.4g %% of %lld requests failed, at most %.4g %% may", v / 10000,
                 n_requests, limit / 10000);
    else if (g->kind == GATE_LATENCY)
        snprintf(text, n, "%.4g ms on average over %lld requests, at most %.4g ms", v / 1000,
                 n_requests, limit / 1000);
    else
        snprintf(text, n, "%.6g, limit %.6g", v / 1e6, limit / 1e6);
}

static bool counts_requests(const struct gate_result *g)
{
    return g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY || compares(g);
}

static bool reads_values(const struct gate_result *g)
{
    return g->kind == GATE_PROMQL || g->kind == GATE_METRIC;
}

void gate_text(const struct gate_result *g, char *text, size_t n)
{
    if (g->kind == GATE_HEALTH || g->kind == GATE_GOLDEN)
        snprintf(text, n, "%s",
                 g->kind == GATE_HEALTH ? "every node with the new version is ready"
                                        : "golden requests answered as expected");
    else if (g->cause[0] != '\0' && g->verdict != VERDICT_FAIL)
        snprintf(text, n, "%s", g->cause);
    else if (g->verdict == VERDICT_NO_DATA)
        snprintf(text, n, "%s",
                 reads_values(g) ? "there is no value" : "the nodes have no counters");
    else if (g->verdict == VERDICT_ERROR)
        snprintf(text, n, "the %s could not be read lately",
                 reads_values(g) ? "value" : "counters");
    else if (counts_requests(g) && g->n_requests == 0)
        snprintf(text, n, "no request yet");
    else if (compares(g))
        compared_text(g, text, n);
    else
        absolute_text(g, text, n);
}

/* Shares and values as they are (0.0124), latencies in milliseconds. */
static void show_number(struct jsonw *w, const struct gate_result *g, const char *key, int64_t v)
{
    jsonw_real(w, key, (double)v / (g->kind == GATE_LATENCY ? 1e3 : 1e6));
}

static void show_thousandths(struct jsonw *w, const char *key, int64_t milli)
{
    jsonw_real(w, key, (double)milli / 1e3);
}

/* Natural logarithms of the evidence, and where each decides. */
static void show_evidence(const struct gate_result *g, struct jsonw *w)
{
    jsonw_int(w, "n_base_requests", g->n_base_requests);
    jsonw_int(w, "n_base_failures", g->n_base_failures);
    show_thousandths(w, "log_e", g->log_e_milli);
    show_thousandths(w, "log_e_fail", g->log_e_fail_milli);
    show_thousandths(w, "log_pass", g->log_pass_milli);
    show_thousandths(w, "log_pass_at", g->log_pass_at_milli);
    show_thousandths(w, "phi", g->phi_milli);
    if (g->verdict != VERDICT_INSUFFICIENT)
        return;
    if (g->n_to_fail > 0)
        jsonw_int(w, "n_to_fail", g->n_to_fail);
    if (g->n_missing > 0)
        jsonw_int(w, "n_to_pass", g->n_missing);
}

void gate_show(const struct gate_result *g, struct jsonw *w)
{
    char text[GATE_TEXT_BYTES];

    gate_text(g, text, sizeof text);
    jsonw_object(w, NULL);
    jsonw_str(w, "kind", gate_name(g->kind));
    jsonw_str(w, "name", g->name);
    jsonw_str(w, "verdict", verdict_name(g->verdict));
    jsonw_str(w, "text", text);
    jsonw_time(w, "since", g->since_ms);
    if (g->is_report_only)
        jsonw_bool(w, "report_only", true);
    if (counts_requests(g)) {
        jsonw_int(w, "n_requests", g->n_requests);
        jsonw_int(w, "n_failures", g->n_failures);
    }
    if (counts_requests(g) || reads_values(g)) {
        show_number(w, g, "value", g->value);
        show_number(w, g, "limit", g->limit);
    }
    if (compares(g))
        show_evidence(g, w);
    jsonw_end(w);
}
