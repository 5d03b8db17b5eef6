/*
 * The stored JSON form of a rollout's status: written and read by tables of fields. Only mreg reads
 * it; what people get is made in rollout_show.c. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "rollout_names.h"

static const struct field status_fields[] = {
    FIELD_OF(FIELD_INT64, struct rollout_status, revision),
    FIELD_OF(FIELD_INT64, struct rollout_status, updated_ms),
    FIELD_ENUM(struct rollout_status, phase, rollout_phase_names),
    FIELD_OF(FIELD_INT, struct rollout_status, step),
    FIELD_OF(FIELD_INT64, struct rollout_status, command_seq),
    FIELD_OF(FIELD_INT64, struct rollout_status, step_deadline_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, bake_since_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, paused_since_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, anew_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, bake_until_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, exposed_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, queued_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, waived),
    FIELD_OF(FIELD_BOOL, struct rollout_status, promotes_full),
    FIELD_OF(FIELD_BOOL, struct rollout_status, is_halting),
    FIELD_OF(FIELD_BOOL, struct rollout_status, is_replaced),
    FIELD_OF(FIELD_INT64, struct rollout_status, repair_ms),
    FIELD_OF(FIELD_INT, struct rollout_status, n_chosen),
    FIELD_OF(FIELD_INT, struct rollout_status, n_rollback_failures),
    FIELD_OF(FIELD_INT, struct rollout_status, n_version_failures),
    FIELD_OF(FIELD_INT, struct rollout_status, n_infra_failures),
    FIELD_ENUM(struct rollout_status, fault, rollout_fault_names),
    FIELD_OF(FIELD_SIGNED, struct rollout_status, weight_bp),
    FIELD_OF(FIELD_INT, struct rollout_status, router_attempt),
    FIELD_ENUM(struct rollout_status, control, rollout_control_names),
    FIELD_OF(FIELD_INT64, struct rollout_status, control_id),
    FIELD_OF(FIELD_INT64, struct rollout_status, control_ms),
    FIELD_OF(FIELD_INT64, struct rollout_status, control_until_ms),
    FIELD_OF(FIELD_TEXT, struct rollout_status, control_text),
    FIELD_OF(FIELD_TEXT, struct rollout_status, cause),
    FIELD_OF(FIELD_TEXT, struct rollout_status, outcome),
    FIELD_OF(FIELD_TEXT, struct rollout_status, waiting),
    FIELD_OF(FIELD_TEXT, struct rollout_status, unblock),
};
#define WAY_BACK(type, member)                                                               \
    {                                                                                        \
        "way_back_" #member, type, offsetof(struct rollout_status, way_back.member), 0, NULL \
    }
static const struct field way_back_fields[] = {
    WAY_BACK(FIELD_INT, n_nodes),  WAY_BACK(FIELD_INT, n_at_a_time), WAY_BACK(FIELD_INT, low_point),
    WAY_BACK(FIELD_INT64, eta_ms), WAY_BACK(FIELD_BOOL, needs_load),
};
static const struct field approval_fields[] = {
    FIELD_OF(FIELD_INT, struct rollout_approval, step),
    FIELD_OF(FIELD_STR, struct rollout_approval, actor),
    FIELD_OF(FIELD_INT64, struct rollout_approval, at_ms),
};
static const struct field pause_fields[] = {
    FIELD_ENUM(struct rollout_pause, reason, pause_reason_names),
    FIELD_OF(FIELD_INT64, struct rollout_pause, since_ms),
    FIELD_OF(FIELD_STR, struct rollout_pause, text),
    FIELD_OF(FIELD_STR, struct rollout_pause, actor),
    FIELD_OF(FIELD_INT64, struct rollout_pause, until_ms),
};
static const struct field step_fields[] = {
    FIELD_OF(FIELD_INT, struct rollout_step, n_nodes),
    FIELD_OF(FIELD_INT64, struct rollout_step, bake_ms),
    FIELD_OF(FIELD_INT64, struct rollout_step, max_bake_ms),
    FIELD_OF(FIELD_INT, struct rollout_step, reach),
    FIELD_OF(FIELD_SIGNED, struct rollout_step, weight_bp),
    FIELD_OF(FIELD_BOOL, struct rollout_step, is_mirrored),
    FIELD_OF(FIELD_INT, struct rollout_step, n_approvals),
    FIELD_OF(FIELD_STR, struct rollout_step, wave),
    FIELD_ENUM(struct rollout_step, phase, step_phase_names),
    FIELD_OF(FIELD_INT64, struct rollout_step, started_ms),
    FIELD_OF(FIELD_INT64, struct rollout_step, ended_ms),
    FIELD_ENUM(struct rollout_step, verdict, verdict_names),
    FIELD_OF(FIELD_BOOL, struct rollout_step, is_promoted),
};
/* What a gate is comes first; what was found follows, in gate_result_fields. */
#define N_GATE_OWN 3
static const struct field gate_fields[N_GATE_OWN + N_GATE_RESULT_FIELDS] = {
    FIELD_ENUM(struct gate_result, kind, gate_kind_names),
    FIELD_OF(FIELD_STR, struct gate_result, name),
    FIELD_OF(FIELD_BOOL, struct gate_result, is_report_only),
    FIELD_ENUM(struct gate_result, verdict, verdict_names),
    FIELD_OF(FIELD_INT64, struct gate_result, n_requests),
    FIELD_OF(FIELD_INT64, struct gate_result, n_failures),
    FIELD_OF(FIELD_INT64, struct gate_result, value),
    FIELD_OF(FIELD_INT64, struct gate_result, limit),
    FIELD_OF(FIELD_INT64, struct gate_result, n_missing),
    FIELD_OF(FIELD_INT64, struct gate_result, n_base_requests),
    FIELD_OF(FIELD_INT64, struct gate_result, n_base_failures),
    FIELD_OF(FIELD_INT64, struct gate_result, log_e_milli),
    FIELD_OF(FIELD_INT64, struct gate_result, log_e_fail_milli),
    FIELD_OF(FIELD_INT64, struct gate_result, log_pass_milli),
    FIELD_OF(FIELD_INT64, struct gate_result, log_pass_at_milli),
    FIELD_OF(FIELD_INT64, struct gate_result, n_to_fail),
    FIELD_OF(FIELD_INT64, struct gate_result, phi_milli),
    FIELD_OF(FIELD_INT64, struct gate_result, since_ms),
    FIELD_OF(FIELD_TEXT, struct gate_result, cause),
};
const struct field *const gate_result_fields = gate_fields + N_GATE_OWN;
static const struct field node_fields[] = {
    FIELD_OF(FIELD_INT64, struct rollout_node, node_id),
    FIELD_OF(FIELD_STR, struct rollout_node, name),
    FIELD_ENUM(struct rollout_node, state, node_state_names),
    FIELD_OF(FIELD_INT, struct rollout_node, step),
    FIELD_OF(FIELD_INT, struct rollout_node, rank),
    FIELD_OF(FIELD_INT, struct rollout_node, order),
    FIELD_OF(FIELD_INT64, struct rollout_node, base),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_touched),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_done),
    FIELD_OF(FIELD_BOOL, struct rollout_node, has_failed),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_returning),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_back),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_left_out),
    FIELD_OF(FIELD_BOOL, struct rollout_node, is_fault_ours),
    FIELD_OF(FIELD_INT, struct rollout_node, n_lost),
    FIELD_OF(FIELD_INT, struct rollout_node, n_restarts),
    FIELD_OF(FIELD_INT64, struct rollout_node, restarted_ms),
    FIELD_OF(FIELD_INT64, struct rollout_node, version),
    FIELD_OF(FIELD_INT64, struct rollout_node, ready_since_ms),
    FIELD_OF(FIELD_INT64, struct rollout_node, odd_since_ms),
    FIELD_OF(FIELD_INT64, struct rollout_node, began_ms),
    FIELD_OF(FIELD_INT64, struct rollout_node, moved_ms),
};
#define EVIDENCE(member)                                                                    \
    {                                                                                       \
        "ev_" #member, FIELD_INT64, offsetof(struct rollout_node, evidence.member), 0, NULL \
    }
static const struct field evidence_fields[] = {
    EVIDENCE(since_ms),
    EVIDENCE(n_success),
    EVIDENCE(n_failure),
    EVIDENCE(duration_us),
    {"ev_n_samples", FIELD_INT, offsetof(struct rollout_node, evidence.n_samples), 0, NULL},
    {"last_ts", FIELD_INT64, offsetof(struct rollout_node, evidence.last.ts_ms), 0, NULL},
    {"last_is", FIELD_BOOL, offsetof(struct rollout_node, evidence.last.has_counters), 0, NULL},
    {"last_success", FIELD_INT64, offsetof(struct rollout_node, evidence.last.n_success), 0, NULL},
    {"last_failure", FIELD_INT64, offsetof(struct rollout_node, evidence.last.n_failure), 0, NULL},
    {"last_us", FIELD_INT64, offsetof(struct rollout_node, evidence.last.duration_us), 0, NULL},
};
static const struct field move_fields[] = {
    FIELD_ENUM(struct move, phase, move_phase_names),
    FIELD_OF(FIELD_INT64, struct move, number),
    FIELD_OF(FIELD_INT64, struct move, clean),
    FIELD_OF(FIELD_BOOL, struct move, is_issued),
    FIELD_OF(FIELD_BOOL, struct move, wants_golden),
    FIELD_OF(FIELD_INT64, struct move, keep),
    FIELD_OF(FIELD_BOOL, struct move, is_drop),
    FIELD_OF(FIELD_BOOL, struct move, is_drained),
    FIELD_OF(FIELD_BOOL, struct move, is_leaving),
    FIELD_OF(FIELD_BOOL, struct move, was_switched),
    FIELD_OF(FIELD_BOOL, struct move, reloads),
    FIELD_OF(FIELD_INT, struct move, attempt),
    FIELD_OF(FIELD_INT, struct move, n_failures),
    FIELD_OF(FIELD_INT, struct move, n_rounds),
    FIELD_OF(FIELD_INT, struct move, golden),
    FIELD_OF(FIELD_INT64, struct move, since_ms),
    FIELD_OF(FIELD_INT64, struct move, loaded_ms),
    FIELD_OF(FIELD_INT64, struct move, not_before_ms),
    FIELD_OF(FIELD_INT64, struct move, deadline_ms),
    FIELD_OF(FIELD_TEXT, struct move, text),
};

static void write_list(struct jsonw *w, const char *key, const struct field *f, size_t n_fields,
                       const void *items, size_t n, size_t size)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        fields_write(w, f, n_fields, (const char *)items + i * size);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void write_nodes(struct jsonw *w, const struct rollout_status *s)
{
    jsonw_array(w, "nodes");
    for (int i = 0; i < s->n_nodes; i++) {
        jsonw_object(w, NULL);
        fields_write(w, node_fields, ARRAY_LEN(node_fields), &s->nodes[i]);
        fields_write(w, evidence_fields, ARRAY_LEN(evidence_fields), &s->nodes[i]);
        jsonw_object(w, "move");
        fields_write(w, move_fields, ARRAY_LEN(move_fields), &s->nodes[i].move);
        jsonw_end(w);
        jsonw_end(w);
    }
    jsonw_end(w);
}

void rollout_status_write(const struct rollout_status *s, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    fields_write(&w, status_fields, ARRAY_LEN(status_fields), s);
    fields_write(&w, way_back_fields, ARRAY_LEN(way_back_fields), s);
    write_list(&w, "approvals", approval_fields, ARRAY_LEN(approval_fields), s->approvals,
               (size_t)s->n_approvals, sizeof s->approvals[0]);
    write_list(&w, "pauses", pause_fields, ARRAY_LEN(pause_fields), s->pauses, (size_t)s->n_pauses,
               sizeof s->pauses[0]);
    write_list(&w, "gates", gate_fields, ARRAY_LEN(gate_fields), s->gates, (size_t)s->n_gates,
               sizeof s->gates[0]);
    write_list(&w, "steps", step_fields, ARRAY_LEN(step_fields), s->steps, (size_t)s->n_steps,
               sizeof s->steps[0]);
    write_nodes(&w, s);
    jsonw_end(&w);
}

/* One array of plain records: at most max items of `size` bytes. */
struct list {
    const char *key;
    const struct field *fields;
    size_t n_fields, max, size;
};

static int read_list(const json_t *j, const struct list *list, struct arena *a, void *items, int *n,
                     struct err *e)
{
    json_t *array = NULL;
    int rc = json_get_array(j, "", list->key, list->max, &array, e);
    if (rc != ERR_OK)
        return rc;
    *n = (int)json_array_size(array);
    for (size_t i = 0; i < json_array_size(array); i++) {
        char at[64];
        snprintf(at, sizeof at, "/%s/%zu", list->key, i);
        rc = fields_read(json_array_get(array, i), at, list->fields, list->n_fields, a,
                         (char *)items + i * list->size, e);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static size_t array_size(const json_t *j, const char *key)
{
    return json_array_size(json_object_get(j, key));
}

/* Memory for a list; its limit is checked when it is read, so too long a list needs none. */
static void *new_items(const json_t *j, const struct list *list, struct arena *a)
{
    size_t n = array_size(j, list->key);
    return arena_alloc(a, (n <= list->max ? n : 0) * list->size);
}

/* What older programs wrote. */
static void modernise(json_t *j)
{
    size_t i;
    json_t *pause;
    json_array_foreach(json_object_get(j, "pauses"), i, pause)
    {
        const char *reason = json_string_value(json_object_get(pause, "reason"));
        if (reason != NULL && strcmp(reason, "no_data") == 0)
            json_object_set_new(pause, "reason", json_string("no-data"));
    }
}

static int read_node_parts(const json_t *j, struct arena *a, struct rollout_status *s,
                           struct err *e)
{
    json_t *array = json_object_get(j, "nodes");
    for (int i = 0; i < s->n_nodes; i++) {
        char at[64];
        snprintf(at, sizeof at, "/nodes/%d", i);
        const json_t *one = json_array_get(array, (size_t)i);
        json_t *move = NULL;
        int rc =
            fields_read(one, at, evidence_fields, ARRAY_LEN(evidence_fields), a, &s->nodes[i], e);
        if (rc == ERR_OK)
            rc = json_opt_object(one, at, "move", &move, e);
        if (rc == ERR_OK && move != NULL)
            rc =
                fields_read(move, at, move_fields, ARRAY_LEN(move_fields), a, &s->nodes[i].move, e);
        if (rc == ERR_OK && s->nodes[i].name == NULL)
            rc = err_at(e, ERR_INVALID, at, "a node without a name");
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int read_status(const json_t *j, struct arena *a, struct rollout_status *s, struct err *e)
{
    const struct list pause_list = {"pauses", pause_fields, ARRAY_LEN(pause_fields),
                                    PAUSE_REASON_COUNT, sizeof s->pauses[0]};
    const struct list approval_list = {"approvals", approval_fields, ARRAY_LEN(approval_fields),
                                       ROLLOUT_MAX_APPROVALS, sizeof s->approvals[0]};
    const struct list gate_list = {"gates", gate_fields, ARRAY_LEN(gate_fields), POLICY_MAX_GATES,
                                   sizeof s->gates[0]};
    const struct list step_list = {"steps", step_fields, ARRAY_LEN(step_fields), ROLLOUT_MAX_STEPS,
                                   sizeof s->steps[0]};
    const struct list node_list = {"nodes", node_fields, ARRAY_LEN(node_fields), ROLLOUT_MAX_NODES,
                                   sizeof s->nodes[0]};
    int rc = fields_read(j, "", status_fields, ARRAY_LEN(status_fields), a, s, e);
    if (rc == ERR_OK)
        rc = fields_read(j, "", way_back_fields, ARRAY_LEN(way_back_fields), a, s, e);
    s->approvals = new_items(j, &approval_list, a);
    s->gates = new_items(j, &gate_list, a);
    s->steps = new_items(j, &step_list, a);
    s->nodes = new_items(j, &node_list, a);
    if (rc == ERR_OK && json_object_get(j, "approvals") != NULL) /* older records have none */
        rc = read_list(j, &approval_list, a, s->approvals, &s->n_approvals, e);
    if (rc == ERR_OK)
        rc = read_list(j, &pause_list, a, s->pauses, &s->n_pauses, e);
    if (rc == ERR_OK)
        rc = read_list(j, &gate_list, a, s->gates, &s->n_gates, e);
    if (rc == ERR_OK)
        rc = read_list(j, &step_list, a, s->steps, &s->n_steps, e);
    if (rc == ERR_OK)
        rc = read_list(j, &node_list, a, s->nodes, &s->n_nodes, e);
    if (rc == ERR_OK)
        rc = read_node_parts(j, a, s, e);
    if (rc == ERR_OK && s->step > s->n_steps)
        rc = err_at(e, ERR_INVALID, "/step", "there is no such step");
    return rc;
}

int rollout_status_read(const char *text, size_t n, struct arena *a, struct rollout_status *out,
                        struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct rollout_status *s = arena_alloc(a, sizeof *s);
    int rc = json_parse(text, n, 8, &j, e);
    if (rc == ERR_OK && !json_is_object(j))
        rc = err_set(e, ERR_INVALID, "not an object");
    if (rc == ERR_OK) {
        modernise(j);
        rc = read_status(j, a, s, e);
    }
    if (rc != ERR_OK) {
        err_prefix(e, "status of a rollout: ");
        e->code = ERR_CORRUPT;
        return ERR_CORRUPT;
    }
    *out = *s;
    return ERR_OK;
}

static void *copy_items(struct arena *a, const void *items, int n, size_t size)
{
    return n == 0 ? NULL : arena_copy(a, items, (size_t)n * size);
}

void rollout_status_copy(const struct rollout_status *s, struct arena *a,
                         struct rollout_status *out)
{
    *out = *s;
    out->steps = copy_items(a, s->steps, s->n_steps, sizeof s->steps[0]);
    out->nodes = copy_items(a, s->nodes, s->n_nodes, sizeof s->nodes[0]);
    out->gates = copy_items(a, s->gates, s->n_gates, sizeof s->gates[0]);
    out->approvals = copy_items(a, s->approvals, s->n_approvals, sizeof s->approvals[0]);
    for (int i = 0; i < s->n_pauses; i++) {
        out->pauses[i].text = arena_strdup(a, s->pauses[i].text);
        out->pauses[i].actor = arena_strdup(a, s->pauses[i].actor);
    }
    for (int i = 0; i < s->n_steps; i++)
        out->steps[i].wave = arena_strdup(a, s->steps[i].wave);
    for (int i = 0; i < s->n_gates; i++)
        out->gates[i].name = arena_strdup(a, s->gates[i].name);
    for (int i = 0; i < s->n_approvals; i++)
        out->approvals[i].actor = arena_strdup(a, s->approvals[i].actor);
    for (int i = 0; i < s->n_nodes; i++)
        out->nodes[i].name = arena_strdup(a, s->nodes[i].name);
}
