/*
 * Plan tokens. Each part of the token is the digest of one kind of thing that the plan depends on,
 * so that a token that does not fit any more says what changed. Must not know HTTP. Any thread.
 */
#include "fleet_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_limits.h"
#include "db_queue.h"
#include "digest.h"
#include "fleet_inner.h"

#define TOKEN_START "p1"
#define PART_LETTERS 10
#define FACTS_MAX_BYTES ((size_t)16 << 20)

enum part { PART_ASK, PART_TARGET, PART_LIVE, PART_POLICY, PART_NODES, PART_LIMITS, PART_COUNT };

static const char *const part_names[PART_COUNT] = {
    [PART_ASK] = "what is asked for", [PART_TARGET] = "rollouts of the target",
    [PART_LIVE] = "the live version", [PART_POLICY] = "the policy",
    [PART_NODES] = "the nodes",       [PART_LIMITS] = "freezes or quarantine",
};

/* Facts are lines of text; texts of other people are quoted by their length. */
static void put_text(struct buf *b, const char *name, const char *text)
{
    buf_putf(b, "%s %zu:%s\n", name, text != NULL ? strlen(text) : 0, text != NULL ? text : "");
}

static int put_ask(const struct plan_subject *s, struct buf *b, struct err *e)
{
    char *strategy CLEANUP(mem_free_ptr) = NULL;

    if (json_object_size(s->ask->strategy) > 0)
        strategy = json_dumps(s->ask->strategy, JSON_COMPACT | JSON_SORT_KEYS);
    put_text(b, "model", s->ask->model);
    put_text(b, "environment", s->ask->environment);
    put_text(b, "strategy", strategy);
    put_text(b, "overrides", s->ask->overrides);
    buf_putf(b, "to %" PRId64 "\nrollback %d\nhotfix %d\n", s->to, s->ask->is_rollback,
             s->ask->is_hotfix);
    return buf_ok(b) ? ERR_OK : err_set(e, ERR_TOO_LARGE, "the strategy is too large");
}

static int put_target(struct db *db, const struct plan_subject *s, struct arena *a, struct buf *b,
                      struct err *e)
{
    struct queue_item *items = NULL;
    size_t n = 0;
    int rc = db_queue_list(db, s->target->target_id, a, &items, &n, e);

    buf_putf(b, "generation %" PRId64 "\n", s->target->generation);
    put_text(b, "active", s->target->rollout);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        put_text(b, "waits", items[i].id);
    return rc;
}

static int put_nodes(struct db *db, const struct plan_subject *s, struct arena *a, struct buf *b,
                     struct err *e)
{
    struct node_row *rows = NULL;
    size_t n = 0;
    int rc = db_node_page(db, s->env->name, "", ROLLOUT_MAX_NODES, a, &rows, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        buf_putf(b, "node %" PRId64 "\n", rows[i].node_id);
        put_text(b, "name", rows[i].name);
        put_text(b, "driver", rows[i].driver);
        put_text(b, "admin", rows[i].admin_url);
        put_text(b, "infer", rows[i].infer_url);
        put_text(b, "root", rows[i].root);
        put_text(b, "labels", rows[i].labels);
        put_text(b, "cordon", rows[i].cordon);
    }
    return rc;
}

static int put_limits(struct db *db, const struct plan_subject *s, struct arena *a, struct buf *b,
                      struct err *e)
{
    struct freeze_row *rows = NULL;
    struct quarantine_row bad;
    size_t n = 0;
    int rc = db_freeze_list(db, a, &rows, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        bool is_about = (rows[i].env_id == 0 || rows[i].env_id == s->env->env_id) &&
                        (rows[i].model_id == 0 || rows[i].model_id == s->model_id);

        if (is_about) /* ids are never used twice, and a window does not change */
            put_text(b, "freeze", rows[i].id);
    }
    if (rc == ERR_OK)
        rc = db_quarantine_get(db, s->target->target_id, s->to, a, &bad, e);
    if (rc == ERR_OK)
        put_text(b, "quarantine", bad.rollout);
    return rc;
}

static int put_part(struct db *db, const struct plan_subject *s, enum part part, struct buf *b,
                    struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};

    switch (part) {
    case PART_ASK:
        return put_ask(s, b, e);
    case PART_TARGET:
        return put_target(db, s, &a, b, e);
    case PART_LIVE:
        buf_putf(b, "live %" PRId64 "\nlast_good %" PRId64 "\n", s->target->live,
                 s->target->last_good);
        return ERR_OK;
    case PART_POLICY:
        put_text(b, "environment", s->target->env_policy);
        put_text(b, "target", s->target->policy);
        return ERR_OK;
    case PART_NODES:
        return put_nodes(db, s, &a, b, e);
    default:
        return put_limits(db, s, &a, b, e);
    }
}

static int make_part(struct db *db, const struct plan_subject *s, enum part part,
                     char out[PART_LETTERS + 1], struct err *e)
{
    struct buf b CLEANUP(buf_clear);
    struct digest digest;
    int rc;

    buf_init(&b, FACTS_MAX_BYTES);
    if ((rc = put_part(db, s, part, &b, e)) != ERR_OK)
        return rc;
    if (!buf_ok(&b))
        return err_set(e, ERR_TOO_LARGE, "%s: too much to make a plan of", part_names[part]);
    digest_of(b.data, b.len, &digest);
    for (int i = 0; i < PART_LETTERS / 2; i++)
        (void)snprintf(out + (ptrdiff_t)2 * i, 3, "%02x", digest.b[i]);
    return ERR_OK;
}

int plan_token_make(struct db *db, const struct plan_subject *s, char token[PLAN_TOKEN_BYTES],
                    struct err *e)
{
    size_t n = (size_t)snprintf(token, PLAN_TOKEN_BYTES, "%s", TOKEN_START);
    int rc = ERR_OK;

    for (int i = 0; rc == ERR_OK && i < PART_COUNT; i++) {
        char part[PART_LETTERS + 1];

        if ((rc = make_part(db, s, (enum part)i, part, e)) == ERR_OK)
            n += (size_t)snprintf(token + n, PLAN_TOKEN_BYTES - n, "-%s", part);
    }
    return rc;
}

int plan_token_check(struct db *db, const struct plan_subject *s, const char *token, struct err *e)
{
    char now[PLAN_TOKEN_BYTES];
    char text[300] = "";
    size_t n = 0;
    int rc = plan_token_make(db, s, now, e);

    if (rc != ERR_OK)
        return rc;
    if (strlen(token) != strlen(now) || strncmp(token, TOKEN_START "-", 3) != 0)
        return err_at(e, ERR_INVALID, "/plan", "is no token of a plan");
    for (int i = 0; i < PART_COUNT; i++) {
        size_t at = sizeof(TOKEN_START) + (size_t)i * (PART_LETTERS + 1);

        if (memcmp(token + at, now + at, PART_LETTERS) != 0)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "",
                                  part_names[i]);
    }
    if (n == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "the plan does not hold any more: changed since: %s; plan again", text);
}
