/*
 * A simulated serving node: what its disk, memory and HTTP interface do, after docs/mlserver.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define BIT(number) (1U << (unsigned)(number))

static enum quality quality_of(const struct sim *s, int model, int number)
{
    return s->models[model].quality[number];
}

static int highest(unsigned set)
{
    int best = 0;
    for (int i = 1; i < SIM_MAX_VERSIONS; i++) {
        if ((set & BIT(i)) != 0)
            best = i;
    }
    return best;
}

static void count_slot(struct sim *s, int model, struct sim_slot *slot, int64_t requests)
{
    int number = highest(slot->ready);
    if (number == 0)
        return;
    enum quality q = quality_of(s, model, number);
    if (number == s->models[model].to && s->models[model].rollout[0] != '\0')
        s->models[model].n_served_new += requests;
    for (int64_t i = 0; i < requests; i++) {
        bool fails =
            q == QUALITY_FAILS && (slot->counters.success + slot->counters.failure) % 3 == 0;
        slot->counters.failure += fails;
        slot->counters.success += !fails;
    }
    slot->counters.us += requests * (q == QUALITY_SLOW ? 500000 : 5000);
}

void sim_count_requests(struct sim *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        int64_t requests = (s->now_ms - n->counted_ms) * s->requests_per_s / 1000;
        if (requests == 0)
            continue;
        /* What was not enough for a whole request stays for the next time. */
        n->counted_ms += requests * 1000 / s->requests_per_s;
        for (int m = 0; n->is_up && m < s->n_models; m++)
            count_slot(s, m, &n->slots[m], requests);
    }
}

void sim_crash(struct sim *s, struct sim_node *n)
{
    n->is_up = false;
    n->dead_since_ms = s->now_ms;
    n->restart_ms = s->now_ms + 1000 + sim_random(s, sim_chance(s, 10) ? 600000 : 90000);
    for (int m = 0; m < s->n_models; m++) {
        n->slots[m].ready = 0;
        n->slots[m].counters = (struct sim_counters){0};
    }
    sim_say(s, "node %s dies", n->name);
}

void sim_lose_disk(struct sim_node *n)
{
    for (int m = 0; m < SIM_MAX_MODELS; m++)
        n->slots[m].visible = n->slots[m].hidden = 0;
}

void sim_start(struct sim *s, struct sim_node *n, bool loads_disk)
{
    /* Another machine of that name. */
    if (n->is_deleted)
        sim_lose_disk(n);
    for (int m = 0; m < s->n_models; m++) {
        for (int v = 1; v < SIM_MAX_VERSIONS && loads_disk; v++) {
            if ((n->slots[m].visible & BIT(v)) == 0)
                continue;
            if (quality_of(s, m, v) == QUALITY_NO_LOAD) {
                /* The whole server ends; whoever supervises it tries again. */
                n->restart_ms = s->now_ms + 5000 + sim_random(s, 5000);
                for (int k = 0; k < s->n_models; k++)
                    n->slots[k].ready = 0;
                return;
            }
            if (quality_of(s, m, v) != QUALITY_SILENT)
                n->slots[m].ready |= BIT(v);
        }
    }
    n->is_up = true;
    n->counted_ms = s->now_ms;
    sim_say(s, "node %s is up", n->name);
}

static void answer(struct sim_job *j, int status, const char *body)
{
    j->status = status;
    snprintf(j->body, sizeof j->body, "%s", body);
}

static void load(struct sim *s, struct sim_node *n, int model, struct sim_job *j)
{
    struct sim_slot *slot = &n->slots[model];
    if (slot->visible == 0) {
        answer(j, 404, "{\"error\":\"Model not found\"}");
        return;
    }
    for (int v = 1; v < SIM_MAX_VERSIONS; v++) {
        if ((slot->visible & BIT(v)) == 0)
            continue;
        if (quality_of(s, model, v) == QUALITY_NO_LOAD) {
            if (sim_has_faults(s) && sim_chance(s, 10))
                sim_crash(s, n);
            answer(j, 500, "Traceback\n  in load\nValueError: broken\n");
            return;
        }
        /* Sometimes a load that says 200 did nothing. */
        bool lies = sim_has_faults(s) && sim_chance(s, 5);
        if (quality_of(s, model, v) != QUALITY_SILENT && !lies)
            slot->ready |= BIT(v);
    }
    slot->ready &= slot->visible;
    answer(j, 200, "");
}

static void unload(struct sim_node *n, int model, struct sim_job *j)
{
    bool was_there = n->slots[model].ready != 0;
    n->slots[model].ready = 0;
    answer(j, was_there ? 200 : 404, was_there ? "" : "{\"error\":\"Model not found\"}");
}

static void metrics(struct sim *s, const struct sim_node *n, struct sim_job *j)
{
    size_t len = 0;
    j->body[0] = '\0';
    for (int m = 0; m < s->n_models; m++) {
        const struct sim_slot *slot = &n->slots[m];
        const char *name = s->models[m].serve_as;
        len += (size_t)snprintf(j->body + len, sizeof j->body - len,
                                "model_infer_request_success_total{model=\"%s\"} %" PRId64 "\n"
                                "model_infer_request_failure_total{model=\"%s\"} %" PRId64 "\n"
                                "model_infer_request_duration_sum{model=\"%s\"} %.3f\n",
                                name, slot->counters.success, name, slot->counters.failure, name,
                                (double)slot->counters.us / 1e6);
    }
    j->status = s->has_metrics ? 200 : 404;
    if (s->ways[WAY_BAD_PAGES] && sim_has_faults(s) && sim_chance(s, 20))
        answer(j, sim_chance(s, 50) ? 503 : 200, "<html><body>{what is this} 12\n");
}

void sim_http(struct sim *s, struct sim_job *j)
{
    struct sim_node *n = &s->nodes[j->node];
    const char *path = strstr(j->url, "/v2/");
    char name[32] = "";
    char verb[32] = "";
    int number = 0;
    if (path == NULL) {
        metrics(s, n, j);
        return;
    }
    for (j->model = s->n_models - 1; j->model > 0; j->model--) {
        if (strstr(path, s->models[j->model].serve_as) != NULL)
            break;
    }
    if (strcmp(path, "/v2/repository/index") == 0) {
        answer(j, 200, "[]");
    } else if (strcmp(path, "/v2/health/live") == 0) {
        answer(j, 200, "");
    } else if (sscanf(path, "/v2/repository/models/%31[a-z]/%31[a-z]", name, verb) == 2) {
        if (strcmp(verb, "load") == 0)
            load(s, n, j->model, j);
        else
            unload(n, j->model, j);
    } else if (sscanf(path, "/v2/models/%31[a-z]/versions/%d/%31s", name, &number, verb) == 3) {
        j->number = number;
        bool is_ready = (n->slots[j->model].ready & BIT(number)) != 0;
        bool is_wrong =
            quality_of(s, j->model, number) == QUALITY_WRONG && strchr(j->sent, '2') != NULL;
        if (!is_ready)
            answer(j, 404, "{\"error\":\"Model with that version not found\"}");
        else
            answer(j, 200,
                   strcmp(verb, "ready") == 0 ? ""
                   : is_wrong                 ? "{\"ok\":2}"
                                              : "{\"ok\":1}");
    } else {
        sim_fail(s, "a call that the node does not know: %s", j->url);
    }
}

static void switch_files(struct sim_slot *slot, struct sim_job *j)
{
    unsigned wanted = j->keep != 0 ? BIT(j->keep) : 0;
    wanted |= j->beside != 0 ? BIT(j->beside) : 0;
    if ((wanted & ~(slot->visible | slot->hidden)) != 0) {
        err_set(&j->error, ERR_NOT_FOUND, "version %" PRId64 " is not staged", j->keep);
        return;
    }
    slot->hidden |= slot->visible;
    slot->visible = wanted;
    slot->hidden &= ~wanted;
}

static void check_files(const struct sim_slot *slot, struct sim_job *j)
{
    unsigned wanted = j->number != 0 ? BIT(j->number) : 0;
    if ((slot->visible & wanted) != wanted)
        err_set(&j->error, ERR_NOT_FOUND, "version %" PRId64 " is missing", j->number);
    else if (slot->visible != wanted)
        err_set(&j->error, ERR_CORRUPT, "another version lies there too");
}

void sim_file(struct sim *s, struct sim_job *j)
{
    struct sim_slot *slot = &s->nodes[j->node].slots[j->model];
    switch (j->kind) {
    case JOB_STAGE:
        if ((slot->visible & BIT(j->number)) == 0)
            slot->hidden |= BIT(j->number);
        break;
    case JOB_SWITCH:
        switch_files(slot, j);
        break;
    case JOB_REMOVE:
        slot->hidden &= ~BIT(j->number);
        break;
    case JOB_CHECK:
        check_files(slot, j);
        break;
    default:
        break;
    }
}
