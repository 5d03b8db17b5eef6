/*
 * What people are shown of a rollout: the members of the API's object and the document of the
 * history. Pure; any thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_show.h"
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
        jsonw_str(w, "actor", s->pauses[i].actor);
        jsonw_time(w, "until", s->pauses[i].until_ms);
        jsonw_end(w);
    }
    jsonw_end(w);
}

/* Records from before weights have 0 everywhere, which is what nobody would ask for. */
static bool has_weights(const struct rollout_status *s)
{
    for (int i = 0; i < s->n_steps; i++) {
        if (s->steps[i].weight_bp != 0)
            return true;
    }
    return false;
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
        if (step->max_bake_ms > step->bake_ms)
            jsonw_str(w, "max_bake", when_format_duration(step->max_bake_ms, bake));
        if (step->weight_bp >= 0 && has_weights(s))
            jsonw_strf(w, "weight", "%d.%02d", step->weight_bp / 100, step->weight_bp % 100);
        if (step->is_mirrored)
            jsonw_bool(w, "mirrored", true);
        if (step->n_approvals > 0)
            jsonw_int(w, "approvals", step->n_approvals);
        jsonw_str(w, "wave", step->wave);
        jsonw_str(w, "phase", step_phase_name(step->phase));
        jsonw_time(w, "started", step->started_ms);
        jsonw_time(w, "ended", step->ended_ms);
        if (step->is_promoted)
            jsonw_bool(w, "promoted", true);
        if (step->verdict != VERDICT_NONE)
            jsonw_str(w, "verdict", verdict_name(step->verdict));
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void show_gates(const struct rollout_status *s, struct jsonw *w)
{
    jsonw_array(w, "gates");
    for (int i = 0; i < s->n_gates; i++) {
        const struct gate_result *g = &s->gates[i];
        if (g->verdict == VERDICT_NONE)
            continue;
        gate_show(g, w);
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
        if (n->n_restarts > 0)
            jsonw_int(w, "restarts", n->n_restarts);
        if (n->move.text[0] != '\0')
            jsonw_str(w, "text", n->move.text);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static int compare_order(const void *x, const void *y)
{
    const struct rollout_node *const *a = x;
    const struct rollout_node *const *b = y;
    return (*b)->order - (*a)->order;
}

/* Names of the nodes that would go back, newest first. */
static void show_order(const struct rollout_status *s, struct jsonw *w)
{
    const struct rollout_node **nodes CLEANUP(mem_free_ptr) =
        mem_alloc(((size_t)s->n_nodes + 1) * sizeof(*nodes));
    size_t n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].step > 0 && !s->nodes[i].is_back)
            nodes[n++] = &s->nodes[i];
    }
    qsort(nodes, n, sizeof nodes[0], compare_order);
    jsonw_array(w, "order");
    for (size_t i = 0; i < n; i++)
        jsonw_str(w, NULL, nodes[i]->name);
    jsonw_end(w);
}

static void show_way_back(const struct rollout_status *s, struct jsonw *w)
{
    char eta[WHEN_TEXT_BYTES];
    const struct rollout_way_back *back = &s->way_back;
    if (s->n_steps == 0 || rollout_phase_is_terminal(s->phase))
        return;
    jsonw_object(w, "way_back");
    jsonw_int(w, "n_nodes", back->n_nodes);
    jsonw_int(w, "n_at_a_time", back->n_at_a_time);
    jsonw_int(w, "low_point", back->low_point);
    if (back->eta_ms > 0)
        jsonw_str(w, "eta", when_format_duration(back->eta_ms, eta));
    jsonw_bool(w, "needs_load", back->needs_load);
    show_order(s, w);
    jsonw_end(w);
}

static void show_approvals(const struct rollout_status *s, struct jsonw *w)
{
    if (s->n_approvals == 0)
        return;
    jsonw_array(w, "approvals");
    for (int i = 0; i < s->n_approvals; i++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "step", s->approvals[i].step);
        jsonw_str(w, "actor", s->approvals[i].actor);
        jsonw_time(w, "at", s->approvals[i].at_ms);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static const char *control_name(const struct rollout_status *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->control_id != 0 && s->nodes[i].node_id == s->control_id)
            return s->nodes[i].name;
    }
    return NULL;
}

const char *rollout_baseline(const struct rollout_status *s, char out[ROLLOUT_BASELINE_BYTES])
{
    const char *name = control_name(s);
    name = name != NULL ? name : "";
    out[0] = '\0';
    if (s->control == CONTROL_RELOADING)
        snprintf(out, ROLLOUT_BASELINE_BYTES, "control %s, which is loaded again", name);
    else if (s->control == CONTROL_WARM)
        snprintf(out, ROLLOUT_BASELINE_BYTES, "control %s", name);
    else if (s->control != CONTROL_NONE)
        snprintf(out, ROLLOUT_BASELINE_BYTES, "all nodes with the old version (%s)",
                 s->control_text);
    return out;
}

static void show_control(const struct rollout_status *s, struct jsonw *w)
{
    char text[ROLLOUT_BASELINE_BYTES];
    if (s->control == CONTROL_NONE)
        return;
    jsonw_object(w, "control");
    jsonw_str(w, "node", control_name(s));
    jsonw_str(w, "state", rollout_control_name(s->control));
    jsonw_time(w, "since", s->control_ms);
    jsonw_str(w, "baseline", rollout_baseline(s, text));
    jsonw_end(w);
}

static void show_fault(const struct rollout_status *s, struct jsonw *w)
{
    if (s->fault != ROLLOUT_FAULT_NONE)
        jsonw_str(w, "fault", rollout_fault_name(s->fault));
    if (s->n_version_failures > 0)
        jsonw_int(w, "version_failures", s->n_version_failures);
    if (s->n_infra_failures > 0)
        jsonw_int(w, "infrastructure_failures", s->n_infra_failures);
    if (s->n_rollback_failures > 0)
        jsonw_int(w, "rollback_failures", s->n_rollback_failures);
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
    show_control(s, w);
    show_fault(s, w);
    show_approvals(s, w);
    show_way_back(s, w);
    if (rollout_phase_is_terminal(s->phase))
        return;
    jsonw_time(w, "deadline", s->step_deadline_ms);
    jsonw_time(w, "bake_until", s->bake_until_ms);
    if (s->weight_bp >= 0 && s->step > 0 && has_weights(s))
        jsonw_int(w, "weight_bp", s->weight_bp);
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
        char text[GATE_TEXT_BYTES];
        gate_text(g, text, sizeof text);
        set_text(one, "kind", gate_name(g->kind));
        if (g->name != NULL && strcmp(g->name, gate_name(g->kind)) != 0)
            set_text(one, "name", g->name);
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
    char baseline[ROLLOUT_BASELINE_BYTES];
    set_text(j, "baseline", rollout_baseline(s, baseline));
    set_text(j, "phase", rollout_phase_name(s->phase));
    set_int(j, "step", s->step);
    set_int(j, "n_steps", s->n_steps);
    set_int(j, "n_nodes", s->n_nodes);
    set_text(j, "cause", s->cause);
    set_text(j, "outcome", s->outcome);
    if (s->fault != ROLLOUT_FAULT_NONE)
        set_text(j, "fault", rollout_fault_name(s->fault));
    json_t *approvals = json_array();
    for (int i = 0; i < s->n_approvals; i++)
        json_array_append_new(approvals, json_pack("{s:i,s:s}", "step", s->approvals[i].step,
                                                   "actor", s->approvals[i].actor));
    if (s->n_approvals > 0)
        json_object_set(j, "approvals", approvals);
    json_decref(approvals);
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
