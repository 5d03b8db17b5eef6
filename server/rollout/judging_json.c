/*
 * The judging of a rollout as JSON text and back: read by mreg only, after a restart and by the
 * API. Pure; any thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "judging.h"
#include "rollout_names.h"

#define MAX_DEPTH 8

static const char *const arm_names[ARM_COUNT] = {"none", "base", "canary"};

static const struct field head_fields[] = {
    FIELD_OF(FIELD_INT64, struct judging, begun_ms),
    FIELD_OF(FIELD_INT64, struct judging, closed_ms),
    FIELD_OF(FIELD_INT64, struct judging, anew_ms),
};
static const struct field node_fields[] = {
    FIELD_OF(FIELD_INT64, struct judged_node, node_id),
    FIELD_ENUM(struct judged_node, arm, arm_names),
    FIELD_OF(FIELD_INT64, struct judged_node, since_ms),
    FIELD_OF(FIELD_INT64, struct judged_node, away_ms),
};
static const struct field link_fields[] = {
    FIELD_OF(FIELD_INT64, struct judged_link, router_id),
    FIELD_OF(FIELD_INT, struct judged_link, feed),
};
static const struct field gate_fields[] = {
    FIELD_OF(FIELD_INT64, struct judged_gate, asked_ms),
    FIELD_OF(FIELD_INT64, struct judged_gate, point_id),
    FIELD_OF(FIELD_BOOL, struct judged_gate, is_routed),
    FIELD_OF(FIELD_TEXT, struct judged_gate, text),
};

static void write_gate(const struct judged_gate *g, struct jsonw *w)
{
    jsonw_object(w, NULL);
    fields_write(w, gate_fields, ARRAY_LEN(gate_fields), g);
    jsonw_object(w, "result");
    fields_write(w, gate_result_fields, N_GATE_RESULT_FIELDS, &g->result);
    jsonw_end(w);
    if (g->feed >= 0) {
        struct buf text CLEANUP(buf_clear);
        buf_init(&text, 65536);
        seq_write(&g->state, &text);
        jsonw_raw(w, "state", buf_str(&text), text.len);
        jsonw_strf(w, "bound", "%a", g->bound);
        jsonw_int(w, "timing", (int64_t)g->timing);
    } else if (g->kind == GATE_PROMQL || g->kind == GATE_METRIC) {
        jsonw_object(w, "window");
        window_write(&g->window, w);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void write_node(const struct judging *j, const struct judged_node *n, struct jsonw *w)
{
    jsonw_object(w, NULL);
    fields_write(w, node_fields, ARRAY_LEN(node_fields), n);
    jsonw_array(w, "feeds");
    for (int k = 0; k < j->n_feeds; k++) {
        jsonw_object(w, NULL);
        feed_write(&n->feeds[k], w);
        jsonw_end(w);
    }
    jsonw_end(w);
    if (n->n_links > 0)
        jsonw_array(w, "links");
    for (int i = 0; i < n->n_links; i++) {
        jsonw_object(w, NULL);
        fields_write(w, link_fields, ARRAY_LEN(link_fields), &n->links[i]);
        feed_write(&n->links[i].counts, w);
        jsonw_end(w);
    }
    if (n->n_links > 0)
        jsonw_end(w);
    jsonw_end(w);
}

void judging_write(const struct judging *j, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    fields_write(&w, head_fields, ARRAY_LEN(head_fields), j);
    jsonw_array(&w, "gates");
    for (int i = 0; i < j->n_gates; i++)
        write_gate(&j->gates[i], &w);
    jsonw_end(&w);
    jsonw_array(&w, "nodes");
    for (int i = 0; i < j->n_nodes; i++)
        write_node(j, &j->nodes[i], &w);
    jsonw_end(&w);
    jsonw_end(&w);
}

/* --- and back --- */

static int read_state(const json_t *obj, struct judged_gate *g, struct err *e)
{
    const char *bound = NULL;
    int64_t timing = 0;
    char *text = json_dumps(json_object_get(obj, "state"), JSON_COMPACT);
    int rc = text == NULL ? err_set(e, ERR_INVALID, "a gate has no state")
                          : seq_read(text, strlen(text), &g->state, e);
    free(text);
    if (rc == ERR_OK)
        rc = json_get_str(obj, "", "bound", 40, &bound, e);
    if (rc == ERR_OK)
        rc = json_get_int(obj, "", "timing", 0, DRIVER_TIMES_SERVER, &timing, e);
    if (rc != ERR_OK)
        return rc;
    if (sscanf(bound, "%la", &g->bound) != 1)
        return err_set(e, ERR_INVALID, "a gate's bound is no number");
    g->timing = (enum driver_timing)timing;
    return ERR_OK;
}

static int read_gate(const json_t *obj, struct judged_gate *g, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *result = json_object_get(obj, "result");
    enum gate_kind kind = g->kind;
    int rc = fields_read(obj, "", gate_fields, ARRAY_LEN(gate_fields), &a, g, e);
    if (rc == ERR_OK)
        rc = fields_read(result, "", gate_result_fields, N_GATE_RESULT_FIELDS, &a, &g->result, e);
    g->result.kind = kind;
    if (rc == ERR_OK && g->feed >= 0)
        return read_state(obj, g, e);
    if (rc == ERR_OK && (kind == GATE_PROMQL || kind == GATE_METRIC))
        rc = window_read(json_object_get(obj, "window"), "", &g->window, e);
    return rc;
}

static int read_links(const struct judging *j, const json_t *obj, struct judged_node *n,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const json_t *links = json_object_get(obj, "links");
    size_t n_links = json_array_size(links);
    int rc = ERR_OK;
    n->links = mem_alloc((n_links + 1) * sizeof n->links[0]);
    for (size_t i = 0; rc == ERR_OK && i < n_links; i++) {
        const json_t *one = json_array_get(links, i);
        struct judged_link *l = &n->links[n->n_links++];
        rc = fields_read(one, "", link_fields, ARRAY_LEN(link_fields), &a, l, e);
        if (rc == ERR_OK && l->feed >= j->n_feeds)
            rc = err_set(e, ERR_INVALID, "the judging is of another policy");
        if (rc == ERR_OK)
            rc = feed_read(one, "", &l->counts, e);
    }
    return rc;
}

static int read_node(const struct judging *j, const json_t *obj, struct judged_node *n,
                     struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *feeds = NULL;
    int rc = fields_read(obj, "", node_fields, ARRAY_LEN(node_fields), &a, n, e);
    n->feeds = mem_alloc(((size_t)j->n_feeds + 1) * sizeof n->feeds[0]);
    if (rc == ERR_OK)
        rc = json_get_array(obj, "", "feeds", POLICY_MAX_GATES, &feeds, e);
    if (rc == ERR_OK && json_array_size(feeds) != (size_t)j->n_feeds)
        return err_set(e, ERR_INVALID, "the judging is of another policy");
    for (int k = 0; rc == ERR_OK && k < j->n_feeds; k++)
        rc = feed_read(json_array_get(feeds, (size_t)k), "", &n->feeds[k], e);
    return rc == ERR_OK ? read_links(j, obj, n, e) : rc;
}

static int read_nodes(const json_t *nodes, struct judging *out, struct err *e)
{
    int rc = ERR_OK;
    size_t n = json_array_size(nodes);
    out->nodes = mem_alloc((n + 1) * sizeof out->nodes[0]);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = read_node(out, json_array_get(nodes, i), &out->nodes[out->n_nodes++], e);
    return rc;
}

int judging_read(const char *text, struct judging *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *gates = NULL, *nodes = NULL;
    int rc = json_parse(text, strlen(text), MAX_DEPTH, &j, e);
    if (rc == ERR_OK)
        rc = fields_read(j, "", head_fields, ARRAY_LEN(head_fields), &a, out, e);
    if (rc == ERR_OK)
        rc = json_get_array(j, "", "gates", POLICY_MAX_GATES, &gates, e);
    if (rc == ERR_OK && json_array_size(gates) != (size_t)out->n_gates)
        return err_set(e, ERR_INVALID, "the judging is of another policy");
    for (int i = 0; rc == ERR_OK && i < out->n_gates; i++)
        rc = read_gate(json_array_get(gates, (size_t)i), &out->gates[i], e);
    if (rc == ERR_OK)
        rc = json_get_array(j, "", "nodes", ROLLOUT_MAX_NODES, &nodes, e);
    return rc == ERR_OK ? read_nodes(nodes, out, e) : rc;
}
