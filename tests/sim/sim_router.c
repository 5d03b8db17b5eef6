/*
 * A simulated HAProxy before the nodes: one backend per model, weights that it forgets when it
 * starts again, requests that take a while. It knows the two commands that mreg sends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CONFIGURED 100
/* Who routes a node by restarting is not noticed at once: looks at idle pools are far apart, and
 * one may be lost. */
#define NOTICE_MS 30000

void sim_router_address(int router, char out[24])
{
    snprintf(out, 24, "unix:/lb%d", router + 1);
}

int sim_router_at(const struct sim *s, const char *address)
{
    char mine[24];
    for (int i = 0; i < s->n_routers; i++) {
        sim_router_address(i, mine);
        if (strcmp(mine, address) == 0)
            return i;
    }
    return -1;
}

void sim_router_start(struct sim *s, struct sim_router *r)
{
    r->is_up = true;
    r->since_ms = s->now_ms;
    for (int m = 0; m < SIM_MAX_MODELS; m++) {
        for (int i = 0; i < SIM_MAX_NODES; i++)
            r->weight[m][i] = CONFIGURED;
    }
}

static void hurt(struct sim *s, struct sim_router *r)
{
    if (r->is_up && sim_has_faults(s) && sim_random(s, 400) == 0) {
        sim_say(s, "router %d dies", (int)(r - s->routers) + 1);
        r->is_up = false;
        r->since_ms = s->now_ms;
    }
    if (!r->is_up && (!sim_has_faults(s) || s->now_ms > r->since_ms + 3000))
        sim_router_start(s, r);
}

void sim_router_hurt(struct sim *s)
{
    for (int i = 0; i < s->n_routers; i++)
        hurt(s, &s->routers[i]);
}

static int find_model(const struct sim *s, const char *name, size_t n)
{
    for (int m = 0; m < s->n_models; m++) {
        if (strlen(s->models[m].serve_as) == n && strncmp(s->models[m].serve_as, name, n) == 0)
            return m;
    }
    return -1;
}

static int find_node(const struct sim *s, const char *name, size_t n)
{
    for (int i = 0; i < s->n_nodes; i++) {
        if (strlen(s->nodes[i].name) == n && strncmp(s->nodes[i].name, name, n) == 0)
            return i;
    }
    return -1;
}

/* "set server alpha/n1 weight 12" */
static void set_weight(struct sim *s, const char *command, struct sim_job *j)
{
    struct sim_router *r = &s->routers[j->router];
    const char *model = command + strlen("set server ");
    const char *node = strchr(model, '/') + 1;
    const char *end = strchr(node, ' ');
    int m = find_model(s, model, (size_t)(node - model) - 1);
    int i = find_node(s, node, (size_t)(end - node));
    size_t used = strlen(j->body);
    if (m < 0 || i < 0) {
        snprintf(j->body + used, sizeof j->body - used, "No such server.\n\n");
        return;
    }
    int weight = (int)strtol(end + strlen(" weight "), NULL, 10);
    if (weight == 0 && r->weight[m][i] > 0)
        r->zero_ms[m][i] = s->now_ms + sim_random(s, 2000);
    r->weight[m][i] = weight;
    snprintf(j->body + used, sizeof j->body - used, "\n");
}

/* "show stat alpha 4 -1" */
static void show_stat(struct sim *s, const char *command, struct sim_job *j)
{
    const struct sim_router *r = &s->routers[j->router];
    const char *name = command + strlen("show stat ");
    int m = find_model(s, name, strcspn(name, " "));
    if (m < 0) {
        snprintf(j->body, sizeof j->body, "No such proxy.\n\n");
        return;
    }
    size_t used = (size_t)snprintf(j->body, sizeof j->body, "# pxname,svname,scur,status,weight\n");
    for (int i = 0; i < s->n_nodes; i++) {
        bool is_busy = r->weight[m][i] > 0 || s->now_ms < r->zero_ms[m][i];
        used += (size_t)snprintf(j->body + used, sizeof j->body - used, "%s,%s,%d,UP,%d\n",
                                 s->models[m].serve_as, s->nodes[i].name, is_busy, r->weight[m][i]);
    }
}

void sim_router_talk(struct sim *s, struct sim_job *j)
{
    char text[sizeof j->lines];
    char *rest = NULL;
    snprintf(text, sizeof text, "%s", j->lines);
    j->body[0] = '\0';
    for (char *c = strtok_r(text, ";\n", &rest); c != NULL; c = strtok_r(NULL, ";\n", &rest)) {
        if (strncmp(c, "set server ", 11) == 0)
            set_weight(s, c, j);
        else if (strncmp(c, "show stat ", 10) == 0)
            show_stat(s, c, j);
        else
            sim_fail(s, "the router does not know \"%s\"", c);
    }
}

static void check_one(struct sim *s, const struct sim_router *r, const struct sim_job *j, int model)
{
    if (!r->is_up || s->now_ms < r->since_ms + NOTICE_MS)
        return;
    if (r->weight[model][j->node] > 0)
        sim_fail(s, "%s begins on %s, to which requests go", j->key, s->nodes[j->node].name);
    if (s->now_ms < r->zero_ms[model][j->node])
        sim_fail(s, "%s begins on %s while requests run there", j->key, s->nodes[j->node].name);
}

void sim_router_check(struct sim *s, const struct sim_job *j, int model)
{
    for (int i = 0; i < s->n_routers; i++)
        check_one(s, &s->routers[i], j, model);
}

/* All nodes of the model have the same share. What a halted rollout left may keep a server from
 * starting, which then serves nothing. */
static bool is_even(const struct sim *s, const struct sim_router *r, int model, char why[200])
{
    int weight = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].is_deleted || !s->nodes[i].is_up)
            continue;
        weight = weight == 0 ? r->weight[model][i] : weight;
        if (r->weight[model][i] == weight && weight > 0)
            continue;
        snprintf(why, 200, "node %s has weight %d for %s at router %d, another one %d",
                 s->nodes[i].name, r->weight[model][i], s->models[model].name,
                 (int)(r - s->routers) + 1, weight);
        return false;
    }
    return true;
}

bool sim_router_is_quiet(const struct sim *s, int model, char why[200])
{
    for (int k = 0; k < s->n_routers && s->models[model].live != 0; k++) {
        if (!is_even(s, &s->routers[k], model, why))
            return false;
    }
    return true;
}
