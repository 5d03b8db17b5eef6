/*
 * Counters of one node turned into what was counted between two readings. A counter that fell means
 * that the server started again and its whole value is new. Two counters of a page need not be read
 * at the same instant, so what does not fit into an interval is owed to the next one. Pure; any
 * thread.
 */
#include "feed.h"

#include "fields.h"

void feed_begin(struct feed *f, int64_t now_ms)
{
    *f = (struct feed){.since_ms = now_ms};
}

/* What is owed is taken from v as far as it goes, the rest stays owed; v does not get negative. */
static int64_t pay(int64_t v, int64_t *owed)
{
    int64_t left = v - *owed;
    *owed = left < 0 ? -left : 0;
    return left < 0 ? 0 : left;
}

/* Total and bad requests since the last reading, whoever sent them. */
static void grown(struct feed *f, const struct feed_reading *r, int64_t *n, int64_t *bad)
{
    const struct feed_reading *b = &f->last;
    int64_t good = r->n_good - b->n_good;

    *n = r->n_total - b->n_total;
    if (*n < 0 || good < 0) {
        /* What was owed is of the process before. */
        f->n_resets++;
        f->owed_bad = 0;
        f->owed_own = 0;
        f->owed_own_bad = 0;
        f->unsure_last = 0;
        *n = r->n_total;
        good = r->n_good;
    }
    *bad = pay(*n > good ? *n - good : 0, &f->owed_bad);
    if (good > *n)
        f->owed_bad += good - *n;
}

static void leave_out_own(struct feed *f, const struct feed_reading *r, int64_t *n, int64_t *bad)
{
    int64_t own = r->n_own - f->last.n_own;
    int64_t own_bad = r->n_own_bad - f->last.n_own_bad;

    /* It counts from 0 again after mreg itself was started again. */
    f->owed_own += own >= 0 ? own : r->n_own;
    f->owed_own_bad += own_bad >= 0 ? own_bad : r->n_own_bad;
    *n = pay(*n, &f->owed_own);
    *bad = pay(*bad, &f->owed_own_bad);
    if (*bad > *n)
        *bad = *n;
}

/* An unanswered request of mreg's own is perhaps counted, as bad at worst. Taking it out for
 * certain would hide somebody else's request where the server never saw it; so it excuses a bad
 * request that comes now, and lapses if none does. */
static void pardon(struct feed *f, const struct feed_reading *r, int64_t *n, int64_t *bad)
{
    int64_t fresh = r->n_unsure - f->last.n_unsure;
    int64_t left = FEED_MAX_PARDONS - f->n_pardons;
    f->unsure_before = f->unsure_last;
    f->unsure_last = fresh >= 0 ? fresh : r->n_unsure;
    int64_t most = f->unsure_before + f->unsure_last;
    most = most < left ? most : left;
    int64_t excused = *bad < most ? *bad : most;
    *n -= excused;
    *bad -= excused;
    f->n_pardons += excused;
    int64_t of_before = excused < f->unsure_before ? excused : f->unsure_before;
    f->unsure_before -= of_before;
    f->unsure_last -= excused - of_before;
}

/* True while the interval since the last reading, with n requests, belongs to the warm-up. */
static bool is_warming(struct feed *f, const struct feed_warmup *warm, int64_t n)
{
    /* One that began in the warm-up belongs to it as a whole. */
    bool is_early = f->last.ts_ms - f->first_ms < warm->warm_ms;
    if (!is_early && f->n_warm >= warm->warm_requests)
        return false;
    f->n_warm += n;
    return true;
}

bool feed_add(struct feed *f, const struct feed_warmup *warm, const struct feed_reading *r,
              int64_t *n, int64_t *bad)
{
    *n = 0;
    *bad = 0;
    if (r->ts_ms <= f->since_ms || r->ts_ms <= f->last.ts_ms || r->n_total < 0 || r->n_good < 0)
        return false;
    if (f->last.ts_ms == 0) {
        f->first_ms = r->ts_ms;
        f->last = *r;
        return true;
    }
    grown(f, r, n, bad);
    leave_out_own(f, r, n, bad);
    pardon(f, r, n, bad);
    if (is_warming(f, warm, *n)) {
        *n = 0;
        *bad = 0;
    }
    f->last = *r;
    return true;
}

static const struct field feed_fields[] = {
    FIELD_OF(FIELD_INT64, struct feed, since_ms),
    FIELD_OF(FIELD_INT64, struct feed, first_ms),
    FIELD_OF(FIELD_INT64, struct feed, owed_bad),
    FIELD_OF(FIELD_INT64, struct feed, owed_own),
    FIELD_OF(FIELD_INT64, struct feed, owed_own_bad),
    FIELD_OF(FIELD_INT64, struct feed, unsure_before),
    FIELD_OF(FIELD_INT64, struct feed, unsure_last),
    FIELD_OF(FIELD_INT64, struct feed, n_pardons),
    FIELD_OF(FIELD_INT64, struct feed, n_warm),
    FIELD_OF(FIELD_INT64, struct feed, n_resets),
    {"last_ts", FIELD_INT64, offsetof(struct feed, last.ts_ms), 0, NULL},
    {"last_total", FIELD_INT64, offsetof(struct feed, last.n_total), 0, NULL},
    {"last_good", FIELD_INT64, offsetof(struct feed, last.n_good), 0, NULL},
    {"last_own", FIELD_INT64, offsetof(struct feed, last.n_own), 0, NULL},
    {"last_own_bad", FIELD_INT64, offsetof(struct feed, last.n_own_bad), 0, NULL},
    {"last_unsure", FIELD_INT64, offsetof(struct feed, last.n_unsure), 0, NULL},
};

void feed_write(const struct feed *f, struct jsonw *w)
{
    fields_write(w, feed_fields, ARRAY_LEN(feed_fields), f);
}

int feed_read(const json_t *obj, const char *at, struct feed *out, struct err *e)
{
    *out = (struct feed){0};
    return fields_read(obj, at, feed_fields, ARRAY_LEN(feed_fields), NULL, out, e);
}
