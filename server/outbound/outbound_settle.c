/*
 * After an attempt: delivered, to be tried again, or given up, and what that means for the hook.
 * The answer's text is kept for people in the log of deliveries, unless it holds a secret. Outbound
 * thread; the functions with a tx run on the writer.
 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "outbound_inner.h"
#include "utf8.h"

#define DETAIL_BYTES 240
#define ANSWER_TEXT_BYTES 160
#define FAULT_PAUSE_MS 5000
#define LONGEST_WAIT_MS INT64_C(86400000)

struct result {
    const struct outbound *o;
    const struct flight *flight;
    bool is_delivered;
    int64_t status, took_ms, retry_after_ms;
    char detail[DETAIL_BYTES];
    uint32_t draw;
    /* filled by the transaction: */
    bool is_last, was_fine;
    const char *disable; /* why the hook shall be disabled; NULL: it shall not */
};

/* --- the answer in words ---------------------------------------------------------------------- */

static bool holds_secret(const char *text, const struct webhook_keyring *r)
{
    char secret[WEBHOOK_TEXT_BYTES];
    bool yes = *r->token && strstr(text, r->token);
    for (int i = 0; i < r->n_keys && !yes; i++) {
        webhook_secret_text(&r->keys[i], secret);
        yes = strstr(text, secret + strlen("whsec_")) != NULL;
    }
    explicit_bzero(secret, sizeof secret);
    return yes;
}

static void describe(const struct flight *f, const struct http_answer *answer, struct result *out)
{
    char text[ANSWER_TEXT_BYTES + 1];
    size_t n = answer->body_len < ANSWER_TEXT_BYTES ? answer->body_len : ANSWER_TEXT_BYTES;
    if (answer->outcome != HTTP_ANSWERED) {
        snprintf(out->detail, sizeof out->detail, "%s", answer->detail);
        return;
    }
    if (answer->status / 100 == 3) {
        snprintf(out->detail, sizeof out->detail, "a redirect, which is not followed");
        return;
    }
    if (holds_secret(answer->body, &f->keyring)) {
        snprintf(out->detail, sizeof out->detail, "(the answer repeats a secret)");
        return;
    }
    memcpy(text, answer->body, n);
    for (int i = 0; i < 3 && n == ANSWER_TEXT_BYTES - (size_t)i && !utf8_ok(text, n); i++)
        n--; /* a letter may have been cut in the middle */
    text[n] = '\0';
    bool is_text = utf8_ok(text, n);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || (!is_text && (unsigned char)*p > 0x7f))
            *p = ' ';
    snprintf(out->detail, sizeof out->detail, "%s", text);
}

/* --- durable ---------------------------------------------------------------------------------- */

static int64_t next_try_ms(const struct result *r, int64_t now_ms)
{
    int64_t delay = webhook_delay_ms((int)r->flight->attempts + 1, r->o->o.retry_scale, r->draw);
    int64_t asked = r->retry_after_ms < LONGEST_WAIT_MS ? r->retry_after_ms : LONGEST_WAIT_MS;
    if (delay < 0 || r->flight->is_ping || r->status == 410)
        return 0;
    return now_ms + (delay > asked ? delay : asked);
}

static void judge_hook(struct result *r, struct hook_row *hook, int64_t now_ms)
{
    hook->last_try_ms = now_ms;
    hook->last_status = r->status;
    hook->last_detail = r->detail;
    r->was_fine = hook->failing_since_ms == 0;
    r->disable = NULL;
    if (r->is_delivered) {
        hook->failing_since_ms = 0;
        hook->last_ok_ms = now_ms;
        return;
    }
    if (hook->failing_since_ms == 0)
        hook->failing_since_ms = now_ms;
    if (r->status == 410)
        r->disable = "the receiver answered 410 Gone";
    else if (r->is_last && !r->flight->is_ping && hook->last_ok_ms < r->flight->created_ms)
        r->disable = "an event could not be delivered for days, and no other one was";
}

static int settle_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct result *r = ctx;
    const struct flight *f = r->flight;
    struct arena a CLEANUP(arena_clear) = {0};
    struct hook_row hook;
    bool changed = false;
    int64_t now_ms = tx_now_ms(tx);
    int64_t next_ms = r->is_delivered ? 0 : next_try_ms(r, now_ms);
    r->is_last = next_ms == 0;
    struct delivery_row d = {.hook_id = f->hook_id,
                             .number = f->number,
                             .state = r->is_delivered ? "delivered"
                                      : next_ms       ? "pending"
                                                      : "failed",
                             .attempts = f->attempts + 1,
                             .next_ms = next_ms,
                             .status = r->status,
                             .took_ms = r->took_ms,
                             .detail = r->detail,
                             .ended_ms = next_ms ? 0 : now_ms};
    int rc = db_hook_get(tx_db(tx), f->hook_id, &a, &hook, e);
    if (!rc)
        rc = db_delivery_note(tx_db(tx), &d, &changed, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc; /* the hook was removed meanwhile */
    judge_hook(r, &hook, now_ms);
    rc = db_hook_note(tx_db(tx), &hook, e);
    if (!rc && hook.next_number > OUTBOUND_KEEP)
        rc = db_delivery_trim(tx_db(tx), f->hook_id, hook.next_number - OUTBOUND_KEEP, e);
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void count_result(struct outbound *o, const struct result *r)
{
    pthread_mutex_lock(&o->lock);
    o->stats.n_delivered += r->is_delivered;
    o->stats.n_retried += !r->is_delivered && !r->is_last;
    o->stats.n_failed += !r->is_delivered && r->is_last;
    o->stats.n_disabled += r->disable != NULL;
    pthread_mutex_unlock(&o->lock);
}

static void finish(struct outbound *o, struct flight *f, struct result *r)
{
    struct err e = {0};
    seal_random(&r->draw, sizeof r->draw);
    int rc = store_write(o->o.store, TX_WORK, settle_fn, r, &e);
    if (!rc)
        count_result(o, r);
    if (!rc && !r->is_delivered && r->was_fine)
        log_line(LOG_WARNING, "webhook-fails", "%s: status %lld, %s", f->hook_id,
                 (long long)r->status, r->detail);
    if (!rc && r->disable) {
        rc = hooks_disable(&o->hooks, f->hook_id, r->disable, &e);
        log_line(LOG_WARNING, "webhook-disabled", "%s: %s", f->hook_id, r->disable);
    }
    if (rc) { /* the attempt counts as not made; do not make it at once */
        log_err(LOG_ERROR, "webhooks", &e);
        o->quiet_until_ms = store_now_ms(o->o.store) + FAULT_PAUSE_MS;
    }
    outbound_flight_free(f);
}

void outbound_settle(struct outbound *o, struct flight *f, const struct http_answer *answer)
{
    struct result r = {.o = o, .flight = f, .took_ms = answer->took_ms};
    bool is_answered = answer->outcome == HTTP_ANSWERED;
    r.status = is_answered ? answer->status : 0;
    r.retry_after_ms = answer->retry_after_ms;
    r.is_delivered =
        is_answered && (answer->status / 100 == 2 ||
                        commit_status_is_settled(f->format, answer->status, answer->body));
    if (!r.is_delivered || answer->status / 100 != 2)
        describe(f, answer, &r);
    finish(o, f, &r);
}

void outbound_settle_unsent(struct outbound *o, struct flight *f, const char *why)
{
    struct result r = {.o = o, .flight = f};
    snprintf(r.detail, sizeof r.detail, "%.200s", why);
    finish(o, f, &r);
}
