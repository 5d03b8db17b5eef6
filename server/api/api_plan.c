/*
 * The plan of a rollout as an answer: what changes, what is done where and when, how low and how
 * long, and the token under which it may be applied. Translates only. Runs on the worker of the
 * request.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_rollouts.h"
#include "db_limits.h"
#include "fleet_freeze.h"
#include "foresee.h"
#include "when.h"

#define SHOWN_OPS 500

/* All that a plan is made of. */
struct plan_answer {
    const struct rollout_ask *ask;
    const struct rollout_answer *answer;
    struct env_row env;
    struct target_row target;
    struct version_row from, to;
    struct foreseen seen;
};

/* --- the difference --------------------------------------------------------------------------- */

static void write_pairs(struct jsonw *w, const char *key, const struct pairs *p)
{
    jsonw_object(w, key);
    for (size_t i = 0; i < p->n; i++)
        jsonw_str(w, p->items[i].key, p->items[i].value);
    jsonw_end(w);
}

static void write_version_of(struct jsonw *w, const char *key, const struct version_row *v)
{
    char content[DIGEST_HEX_BYTES];

    jsonw_object(w, key);
    jsonw_int(w, "version", v->number);
    jsonw_strf(w, "content", "sha256:%s", digest_hex(&v->content, content));
    jsonw_str(w, "format", v->format);
    jsonw_int(w, "size", v->size_bytes);
    jsonw_int(w, "n_files", v->n_files);
    write_pairs(w, "metrics", &v->metrics);
    jsonw_end(w);
}

static size_t n_listed(const struct version_row *v)
{
    return v->files != NULL ? (size_t)v->n_files : 0;
}

static const struct manifest_file *find_file(const struct version_row *v, const char *path)
{
    for (size_t i = 0; i < n_listed(v); i++)
        if (strcmp(v->files[i].path, path) == 0)
            return &v->files[i];
    return NULL;
}

static void write_files(struct jsonw *w, const struct version_row *from,
                        const struct version_row *to)
{
    int64_t n_same = 0, n_changed = 0, n_new = 0;

    for (size_t i = 0; i < n_listed(to); i++) {
        const struct manifest_file *old = find_file(from, to->files[i].path);

        if (old == NULL)
            n_new++;
        else if (digest_equal(&old->sha256, &to->files[i].sha256))
            n_same++;
        else
            n_changed++;
    }
    jsonw_object(w, "files");
    jsonw_int(w, "same", n_same);
    jsonw_int(w, "changed", n_changed);
    jsonw_int(w, "new", n_new);
    jsonw_int(w, "gone", (int64_t)n_listed(from) - n_same - n_changed);
    jsonw_end(w);
}

static void write_diff(struct jsonw *w, const struct plan_answer *p)
{
    jsonw_object(w, "diff");
    if (p->answer->from != 0)
        write_version_of(w, "from", &p->from);
    write_version_of(w, "to", &p->to);
    write_files(w, &p->from, &p->to);
    jsonw_end(w);
}

/* --- steps and operations --------------------------------------------------------------------- */

static void write_evidence(struct jsonw *w, const struct forecast_step *s)
{
    if (s->n_wanted == 0)
        return;
    jsonw_object(w, "evidence");
    jsonw_int(w, "wanted", s->n_wanted);
    jsonw_real(w, "requests_per_second", (double)s->milli_rps / 1e3);
    if (s->evidence_ms >= 0)
        jsonw_int(w, "needs_ms", s->evidence_ms);
    jsonw_bool(w, "is_enough",
               s->evidence_ms >= 0 && (s->max_bake_ms == 0 || s->evidence_ms <= s->max_bake_ms));
    jsonw_end(w);
}

static void write_steps(struct jsonw *w, const struct forecast *f)
{
    char text[WHEN_TEXT_BYTES];

    jsonw_int(w, "n_steps", f->n_steps);
    jsonw_array(w, "steps");
    for (int k = 0; k < f->n_steps; k++) {
        const struct forecast_step *s = &f->steps[k];

        jsonw_object(w, NULL);
        jsonw_int(w, "n_nodes", s->n_nodes);
        jsonw_str(w, "bake", when_format_duration(s->bake_ms, text));
        if (s->weight_bp >= 0)
            jsonw_int(w, "weight_bp", s->weight_bp);
        if (s->wave != NULL)
            jsonw_str(w, "wave", s->wave);
        if (s->n_approvals > 0)
            jsonw_int(w, "approvals", s->n_approvals);
        jsonw_int(w, "begin_ms", s->begin_ms);
        jsonw_int(w, "end_ms", s->end_ms);
        write_evidence(w, s);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void write_operations(struct jsonw *w, const struct foreseen *seen)
{
    const struct forecast *f = &seen->forecast;

    jsonw_array(w, "operations");
    for (int i = 0; i < f->n_ops && i < SHOWN_OPS; i++) {
        const struct forecast_op *op = &f->ops[i];

        jsonw_object(w, NULL);
        jsonw_int(w, "at_ms", op->at_ms);
        if (op->node >= 0)
            jsonw_str(w, "node", seen->nodes[op->node].name);
        jsonw_str(w, "action", op_action_name(op->action));
        if (op->number != 0)
            jsonw_int(w, "version", op->number);
        jsonw_int(w, "takes_ms", op->took_ms);
        jsonw_int(w, "step", op->step);
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_int(w, "n_operations", f->n_ops);
}

static void write_forecast(struct jsonw *w, const struct foreseen *seen)
{
    const struct forecast *f = &seen->forecast;
    int64_t milli_rps = 0;

    for (int i = 0; i < seen->in.n_nodes; i++)
        milli_rps += seen->nodes[i].milli_rps;
    jsonw_object(w, "forecast");
    jsonw_bool(w, "complete", f->is_complete);
    jsonw_str(w, "outcome", f->outcome);
    jsonw_int(w, "takes_ms", f->total_ms);
    jsonw_int(w, "stops_step", f->stops_step);
    jsonw_int(w, "stops_ms", f->stops_ms);
    jsonw_int(w, "low_point", f->low_point);
    jsonw_int(w, "low_at_ms", f->low_at_ms);
    jsonw_real(w, "requests_per_second", (double)milli_rps / 1e3);
    jsonw_int(w, "traffic_of_ms", seen->traffic_ms);
    jsonw_array(w, "measured");
    for (int i = 0; i < OP_ACTION_COUNT; i++)
        if (seen->is_measured[i])
            jsonw_str(w, NULL, op_action_name((enum op_action)i));
    jsonw_end(w);
    jsonw_end(w);
    jsonw_object(w, "rollback");
    jsonw_int(w, "n_nodes", f->n_back_nodes);
    jsonw_int(w, "takes_ms", f->back_ms);
    jsonw_int(w, "low_point", f->back_low_point);
    jsonw_bool(w, "needs_load", f->back_needs_load);
    jsonw_end(w);
}

/* --- what will hold it ------------------------------------------------------------------------ */

static int write_freeze(struct request *rq, struct jsonw *w, const struct plan_answer *p,
                        const struct freeze_row *v, struct err *e)
{
    bool is_about = (v->env_id == 0 || v->env_id == p->env.env_id) &&
                    (v->model == NULL || strcmp(v->model, p->ask->model) == 0);
    struct freeze_rule rule;
    int64_t until = 0, next;
    bool holds;
    int rc = freeze_rule_of(v, &rule, e);

    if (rc != ERR_OK || !is_about || p->ask->is_rollback)
        return rc;
    holds = freeze_holds(&rule, rq->now_ms, &until);
    next = freeze_next_ms(&rule, rq->now_ms);
    if (!holds && next > rq->now_ms + p->seen.forecast.total_ms)
        return ERR_OK;
    jsonw_object(w, NULL);
    jsonw_str(w, "id", v->id);
    jsonw_str(w, "type", v->kind);
    jsonw_str(w, "reason", v->reason);
    jsonw_bool(w, "holds", holds);
    jsonw_time(w, "begins", holds ? 0 : next);
    jsonw_time(w, "until", until);
    jsonw_end(w);
    return ERR_OK;
}

static int write_holds(struct request *rq, struct look *l, struct jsonw *w,
                       const struct plan_answer *p, struct err *e)
{
    struct freeze_row *rows = NULL;
    size_t n = 0;
    int rc = db_freeze_list(l->scope.db, rq->arena, &rows, &n, e);

    jsonw_array(w, "freezes");
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = write_freeze(rq, w, p, &rows[i], e);
    jsonw_end(w);
    if (p->answer->policy.n_approvals > 0)
        jsonw_int(w, "approvals", p->answer->policy.n_approvals);
    if (p->target.rollout != NULL)
        jsonw_str(w, "behind", p->target.rollout);
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int load(struct request *rq, struct look *l, struct plan_answer *p, struct err *e)
{
    struct foresee_ask ask = {.ask = p->ask, .answer = p->answer, .now_ms = rq->now_ms};
    const struct registry_scope *scope = &l->scope;
    char number[24];
    bool found = false;
    int rc = fleet_env_find(scope->db, p->ask->environment, rq->arena, &p->env, e);

    if (rc == ERR_OK)
        rc = db_target_find(scope->db, p->ask->environment, p->ask->model, rq->arena, &p->target,
                            &found, e);
    (void)snprintf(number, sizeof(number), "%" PRId64, p->answer->to);
    if (rc == ERR_OK)
        rc = registry_get_version(scope, p->ask->model, number, &p->to, e);
    (void)snprintf(number, sizeof(number), "%" PRId64, p->answer->from);
    if (rc == ERR_OK && p->answer->from != 0 &&
        registry_get_version(scope, p->ask->model, number, &p->from, NULL) != ERR_OK)
        p->from = (struct version_row){.number = p->answer->from}; /* deleted meanwhile */
    if (rc != ERR_OK)
        return rc;
    ask.env_id = p->env.env_id;
    ask.size_bytes = p->to.size_bytes;
    return foresee(scope->db, &ask, rq->arena, &p->seen, e);
}

static void write_head(struct jsonw *w, const struct plan_answer *p)
{
    jsonw_object(w, NULL);
    jsonw_bool(w, "dry_run", true);
    if (p->answer->token[0] != '\0')
        jsonw_str(w, "plan", p->answer->token);
    jsonw_str(w, "model", p->ask->model);
    jsonw_str(w, "environment", p->ask->environment);
    jsonw_int(w, "version", p->answer->to);
    if (p->answer->from != 0)
        jsonw_int(w, "from", p->answer->from);
    jsonw_int(w, "to", p->answer->to);
    jsonw_str(w, "kind", p->ask->is_rollback ? "rollback" : "promote");
    jsonw_int(w, "generation", p->answer->generation);
    jsonw_int(w, "n_nodes", p->answer->n_nodes);
}

int reply_plan(struct request *rq, struct reply *rp, const struct rollout_ask *ask,
               const struct rollout_answer *answer, struct err *e)
{
    json_t *policy CLEANUP(json_decref_ptr) = policy_json(&answer->policy);
    char *text CLEANUP(mem_free_ptr) = json_dumps(policy, JSON_COMPACT);
    struct look l CLEANUP(look_end) = {0};
    struct plan_answer *p = arena_alloc(rq->arena, sizeof(*p));
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (text == NULL)
        return err_set(e, ERR_INTERNAL, "the policy cannot be written");
    p->ask = ask;
    p->answer = answer;
    if (rc == ERR_OK)
        rc = load(rq, &l, p, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_head(&w, p);
    write_diff(&w, p);
    write_steps(&w, &p->seen.forecast);
    write_operations(&w, &p->seen);
    write_forecast(&w, &p->seen);
    rc = write_holds(rq, &l, &w, p, e);
    jsonw_raw(&w, "strategy", text, strlen(text));
    jsonw_end(&w);
    return rc == ERR_OK && !buf_ok(&rp->body) ? err_set(e, ERR_TOO_LARGE, "the plan is too large")
                                              : rc;
}
