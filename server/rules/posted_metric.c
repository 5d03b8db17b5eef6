/*
 * The rule of posting a metric: what it is about must exist, its time must be believable. The value
 * itself is nobody's business here. Any thread but the writer; the inner function runs on it.
 */
#include "posted_metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db_analysis.h"
#include "fleet.h"
#include "registry.h"

#define AHEAD_MS ((int64_t)5 * 60000)
#define OLDEST_MS ((int64_t)86400000)
#define MOST 9e12

struct put_ctx {
    const struct posted_metric *in;
    int64_t number;
};

int posted_metric_value(const char *text, int64_t *micro, struct err *e)
{
    char *end = NULL;
    bool is_plain = text[0] != '\0' && strspn(text, "+-.0123456789eE") == strlen(text);
    double v = is_plain ? strtod(text, &end) : NAN;
    if (!is_plain || end == text || *end != '\0' || !isfinite(v))
        return err_at(e, ERR_INVALID, "/value", "not a decimal number");
    if (v > MOST || v < -MOST)
        return err_at(e, ERR_INVALID, "/value", "too large: at most 9000000000000");
    *micro = llround(v * 1e6);
    return ERR_OK;
}

/* As names of gates are. */
static int check_name(const char *name, struct err *e)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
    size_t n = strlen(name);
    if (n == 0 || n >= POLICY_NAME_BYTES || strspn(name, allowed) != n)
        return err_set(e, ERR_INVALID,
                       "a metric's name has 1 to %d letters, digits, '.', '_', '/' and '-'",
                       POLICY_NAME_BYTES - 1);
    return ERR_OK;
}

static int check_time(int64_t ts_ms, int64_t now_ms, struct err *e)
{
    if (ts_ms > now_ms + AHEAD_MS)
        return err_at(e, ERR_INVALID, "/time", "lies in the future");
    if (ts_ms < now_ms - OLDEST_MS)
        return err_at(e, ERR_INVALID, "/time", "is more than a day old");
    return ERR_OK;
}

static int put_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct put_ctx *put = ctx;
    const struct posted_metric *in = put->in;
    struct arena a CLEANUP(arena_clear) = {0};
    struct target_row target;
    struct node_row node;
    int64_t ts_ms = in->ts_ms != 0 ? in->ts_ms : tx_now_ms(tx);
    int rc = check_time(ts_ms, tx_now_ms(tx), e);
    if (rc == ERR_OK)
        rc = registry_resolve(tx_db(tx), in->model, in->ref, NULL, &put->number, e);
    if (rc == ERR_OK)
        rc = fleet_target_find(tx_db(tx), in->environment, in->model, &a, &target, e);
    if (rc == ERR_OK && in->node != NULL)
        rc = fleet_node_find(tx_db(tx), in->environment, in->node, &a, &node, e);
    if (rc != ERR_OK)
        return rc;
    struct metric_point point = {.target_id = target.target_id,
                                 .number = put->number,
                                 .name = in->name,
                                 .node = in->node != NULL ? in->node : "",
                                 .ts_ms = ts_ms,
                                 .value_micro = in->value_micro,
                                 .actor = in->actor};
    return db_metric_put(tx_db(tx), &point, e);
}

int posted_metric_put(struct store *s, const struct posted_metric *in, int64_t *number,
                      struct err *e)
{
    struct put_ctx ctx = {.in = in};
    int rc = check_name(in->name, e);
    if (rc == ERR_OK)
        rc = store_write(s, TX_WORK, put_fn, &ctx, e);
    if (rc == ERR_OK)
        *number = ctx.number;
    return rc;
}
