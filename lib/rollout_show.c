/*
 * What people are shown of a rollout: the members of the API's object and the document of the
 * history. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "rollout.h"
#include "when.h"

static enum step_phase present_step_phase(const struct rollout_status *s)
{
    return s->step > 0 ? s->steps[s->step - 1].phase : STEP_PENDING;
}

static void show_pauses(const struct rollout_status *s, struct jsonw *w)
{
    jsonw_array(w, "pauses");
    for (int i = 0; i < s->n_pauses; i++) {
        jsonw_object(w, NULL);
        jsonw_str(w, "reason", pause_reason_name(s->pauses[i].reason));
        jsonw_time(w, "since", s->pauses[i].since_ms);
        jsonw_str(w, "text", s->pauses[i].text);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void show_steps(const struct rollout_status *s, struct jsonw *w)
{
    jsonw_array(w, "steps");
    for (int i = 0; i < s->n_steps; i++) {
        const struct rollout_step *step = &s->steps[i];
        char bake[WHEN_TEXT_BYTES];
        jsonw_object(w, NULL);
        jsonw_int(w, "n_nodes", step->n_nodes);
        jsonw_str(w, "bake", when_format_duration(step->bake_ms, bake));
        jsonw_str(w, "phase", step_phase_name(step->phase));
        jsonw_time(w, "started", step->started_ms);
        jsonw_time(w, "ended", step->ended_ms);
        if (step->verdict != VERDICT_NONE)
            jsonw_str(w, "verdict", verdict_name(step->verdict));
        jsonw_end(w);
    }
    jsonw_end(w);
}

/* "1.24 % of 812 requests failed, at most 2 % may" */
static void gate_text(const struct gate_result *g, char *text, size_t n)
{
    double v = (double)g->value;
    double limit = (double)g->limit;
    long long n_requests = (long long)g->n_requests;
    if (g->kind == GATE_HEALTH || g->kind == GATE_GOLDEN)
        snprintf(text, n, "%s",
                 g->kind == GATE_HEALTH ? "every node with the new version is ready"
                                        : "golden requests answered as expected");
    else if (g->verdict == VERDICT_NO_DATA)
        snprintf(text, n, "the nodes have no counters");
    else if (g->verdict == VERDICT_ERROR)
        snprintf(text, n, "the counters could not be read lately");
    else if (n_requests == 0)
        snprintf(text, n, "no request yet");
    else if (g->kind == GATE_ERROR_RATE)
        snprintf(text, n, "%.4g %% of %lld requests failed, at most %.4g %% may", v / 10000,
                 n_requests, limit / 10000);
    else
        snprintf(text, n, "%.4g ms on average over %lld requests, at most %.4g ms", v / 1000,
                 n_requests, limit / 1000);
}

/* Errors as a share (0.0124), latencies in milliseconds. */
static void gate_number(struct jsonw *w, const struct gate_result *g, const char *key, int64_t v)
{
    jsonw_real(w, key, (double)v / (g->kind == GATE_ERROR_RATE ? 1e6 : 1e3));
}

static void show_gates(const struct rollout_status *s, struct jsonw *w)
{
    jsonw_array(w, "gates");
    for (int i = 0; i < s->n_gates; i++) {
        const struct gate_result *g = &s->gates[i];
        if (g->verdict == VERDICT_NONE)
            continue;
        char text[160];
        gate_text(g, text, sizeof text);
        jsonw_object(w, NULL);
        jsonw_str(w, "kind", gate_name(g->kind));
        jsonw_str(w, "verdict", verdict_name(g->verdict));
        jsonw_str(w, "text", text);
        if (g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY) {
            jsonw_int(w, "n_requests", g->n_requests);
            jsonw_int(w, "n_failures", g->n_failures);
            gate_number(w, g, "value", g->value);
            gate_number(w, g, "limit", g->limit);
        }
        jsonw_end(w);
    }
    jsonw_end(w);
}

/* The version that the node's place in the rollout asks for. */
static int64_t wanted(const struct rollout_record *r, const struct rollout_status *s,
                      const struct rollout_node *n)
{
    if (n->move.phase != MOVE_NONE && n->move.phase != MOVE_CLEAN)
        return n->move.number;
    if (s->phase == ROLLOUT_SUCCEEDED)
        return r->to;
    bool has_new = n->step > 0 && !n->has_failed && n->state != NODE_OLD;
    return has_new ? r->to : r->from;
}

static void show_nodes(const struct rollout_record *r, const struct rollout_status *s,
                       struct jsonw *w)
{
    jsonw_array(w, "nodes");
    for (int i = 0; i < s->n_nodes; i++) {
        const struct rollout_node *n = &s->nodes[i];
        int64_t want = wanted(r, s, n);
        jsonw_object(w, NULL);
        jsonw_str(w, "node", n->name);
        if (n->version != 0)
            jsonw_int(w, "version", n->version);
        if (want != 0)
            jsonw_int(w, "wanted", want);
        jsonw_str(w, "state", node_state_name(n->state));
        jsonw_int(w, "attempt", n->move.attempt);
        if (n->move.text[0] != '\0')
            jsonw_str(w, "text", n->move.text);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void show_text(struct jsonw *w, const char *key, const char *text)
{
    if (text[0] != '\0')
        jsonw_str(w, key, text);
}

void rollout_status_api(const struct rollout_record *r, const struct rollout_status *s,
                        struct jsonw *w)
{
    jsonw_str(w, "phase", rollout_phase_name(s->phase));
    jsonw_int(w, "step", s->step);
    jsonw_int(w, "n_steps", s->n_steps);
    jsonw_str(w, "step_phase", step_phase_name(present_step_phase(s)));
    jsonw_int(w, "revision", s->revision);
    jsonw_time(w, "updated", s->updated_ms);
    show_text(w, "waiting", s->waiting);
    show_text(w, "unblock", s->unblock);
    show_text(w, "cause", s->cause);
    show_text(w, "outcome", s->outcome);
    show_pauses(s, w);
    show_steps(s, w);
    show_gates(s, w);
    show_nodes(r, s, w);
    if (!rollout_phase_is_terminal(s->phase))
        jsonw_time(w, "deadline", s->step_deadline_ms);
}

static void set_text(json_t *j, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(j, key, json_string(text));
}

static void set_int(json_t *j, const char *key, int64_t v)
{
    if (v != 0)
        json_object_set_new(j, key, json_integer(v));
}

static void set_time(json_t *j, const char *key, int64_t ms)
{
    char text[WHEN_TEXT_BYTES];
    if (ms != 0)
        set_text(j, key, when_format(ms, text));
}

static json_t *document_gates(const struct rollout_status *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->n_gates; i++) {
        const struct gate_result *g = &s->gates[i];
        json_t *one = json_object();
        char text[160];
        gate_text(g, text, sizeof text);
        set_text(one, "kind", gate_name(g->kind));
        set_text(one, "verdict", verdict_name(g->verdict));
        if (g->verdict != VERDICT_NONE)
            set_text(one, "text", text);
        set_int(one, "n_requests", g->n_requests);
        set_int(one, "n_failures", g->n_failures);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *document_steps(const struct rollout_status *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->n_steps; i++) {
        const struct rollout_step *step = &s->steps[i];
        if (step->phase == STEP_PENDING)
            break;
        json_t *one = json_object();
        set_int(one, "n_nodes", step->n_nodes);
        set_text(one, "phase", step_phase_name(step->phase));
        set_time(one, "started", step->started_ms);
        set_time(one, "ended", step->ended_ms);
        if (step->verdict != VERDICT_NONE)
            set_text(one, "verdict", verdict_name(step->verdict));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *document_failures(const struct rollout_status *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->n_nodes && json_array_size(list) < 20; i++) {
        if (!s->nodes[i].has_failed)
            continue;
        json_t *one = json_object();
        set_text(one, "node", s->nodes[i].name);
        set_text(one, "text", s->nodes[i].move.text);
        json_array_append_new(list, one);
    }
    return list;
}

static void document_status(json_t *j, const struct rollout_status *s)
{
    set_text(j, "phase", rollout_phase_name(s->phase));
    set_int(j, "step", s->step);
    set_int(j, "n_steps", s->n_steps);
    set_int(j, "n_nodes", s->n_nodes);
    set_text(j, "cause", s->cause);
    set_text(j, "outcome", s->outcome);
    json_object_set_new(j, "steps", document_steps(s));
    json_object_set_new(j, "gates", document_gates(s));
    json_object_set_new(j, "failed_nodes", document_failures(s));
    json_t *pauses = json_array();
    for (int i = 0; i < s->n_pauses; i++)
        json_array_append_new(pauses, json_string(pause_reason_name(s->pauses[i].reason)));
    json_object_set_new(j, "pauses", pauses);
}

int rollout_document(const struct rollout_record *r, const struct rollout_status *s, json_t **out,
                     struct err *e)
{
    json_t *strategy = NULL;
    int rc = json_parse(r->strategy, strlen(r->strategy), 8, &strategy, e);
    if (rc != ERR_OK)
        return rc;
    json_t *j = json_object();
    json_object_set_new(j, "strategy", strategy);
    set_text(j, "kind", "mreg.rollout");
    set_int(j, "schema", 1);
    set_text(j, "id", r->id);
    set_text(j, "model", r->model);
    set_text(j, "environment", r->environment);
    set_text(j, "serve_as", r->serve_as);
    set_text(j, "direction", r->kind);
    set_int(j, "from", r->from);
    set_int(j, "to", r->to);
    set_int(j, "generation", r->generation);
    set_text(j, "actor", r->actor);
    set_text(j, "reason", r->reason);
    set_time(j, "created", r->created_ms);
    set_time(j, "ended", r->ended_ms);
    if (s != NULL)
        document_status(j, s);
    else
        set_text(j, "phase", rollout_phase_name(ROLLOUT_SUBMITTED));
    *out = j;
    return ERR_OK;
}
