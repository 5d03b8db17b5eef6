/*
 * Absolute limits over a window of time, from readings as they come. Integers only, no clock: the
 * caller says what time it is. Pure; any thread.
 */
#include "window.h"

#include "fields.h"

void window_limits_of(const struct policy_gate *gate, int64_t gap_ms, struct window_limits *out)
{
    *out = (struct window_limits){.has_max = gate->has_max,
                                  .has_min = gate->has_min,
                                  .max_micro = gate->max_micro,
                                  .min_micro = gate->min_micro,
                                  .for_ms = gate->for_ms,
                                  .gap_ms = gap_ms};
}

void window_begin(struct window *w, int64_t now_ms)
{
    *w = (struct window){.since_ms = now_ms};
}

static bool is_violated(const struct window_limits *l, int64_t v)
{
    return (l->has_max && v > l->max_micro) || (l->has_min && v < l->min_micro);
}

bool window_add(struct window *w, const struct window_limits *l, const struct window_reading *r)
{
    if (r->ts_ms <= w->since_ms || r->ts_ms <= w->look_ms)
        return false;
    w->look_ms = r->ts_ms;
    w->is_empty = r->look == WINDOW_EMPTY;
    w->is_error = r->look == WINDOW_ERROR;
    if (r->look != WINDOW_VALUE)
        return true;
    bool is_continuous = w->value_ms > 0 && r->ts_ms - w->value_ms <= l->gap_ms;
    if (!is_violated(l, r->value_micro))
        w->bad_ms = 0;
    else if (w->bad_ms == 0 || !is_continuous)
        w->bad_ms = r->ts_ms;
    w->value_ms = r->ts_ms;
    w->value_micro = r->value_micro;
    w->n_values++;
    if (w->bad_ms > 0 && r->ts_ms - w->bad_ms >= l->for_ms)
        w->has_failed = true;
    return true;
}

static enum verdict judge(const struct window *w, const struct window_limits *l, int64_t now_ms)
{
    int64_t seen_ms = w->value_ms > 0 ? w->value_ms : w->since_ms;
    bool is_late = now_ms - seen_ms > l->gap_ms;

    if (w->has_failed)
        return VERDICT_FAIL;
    if (is_late)
        return w->is_empty ? VERDICT_NO_DATA : VERDICT_ERROR;
    if (w->is_empty)
        return VERDICT_INSUFFICIENT;
    if (w->value_ms == 0 || w->bad_ms > 0)
        return VERDICT_INSUFFICIENT;
    return VERDICT_PASS;
}

void window_verdict(const struct window *w, const struct window_limits *l, int64_t now_ms,
                    struct window_result *out)
{
    *out = (struct window_result){.verdict = judge(w, l, now_ms),
                                  .value_micro = w->value_micro,
                                  .value_ms = w->value_ms,
                                  .bad_ms = w->bad_ms,
                                  .fails_ms = w->bad_ms > 0 ? w->bad_ms + l->for_ms : 0};
}

static const struct field window_fields[] = {
    FIELD_OF(FIELD_INT64, struct window, since_ms),
    FIELD_OF(FIELD_INT64, struct window, value_ms),
    FIELD_OF(FIELD_INT64, struct window, value_micro),
    FIELD_OF(FIELD_INT64, struct window, bad_ms),
    FIELD_OF(FIELD_INT64, struct window, look_ms),
    FIELD_OF(FIELD_BOOL, struct window, is_empty),
    FIELD_OF(FIELD_BOOL, struct window, is_error),
    FIELD_OF(FIELD_BOOL, struct window, has_failed),
    FIELD_OF(FIELD_INT64, struct window, n_values),
};

void window_write(const struct window *win, struct jsonw *w)
{
    fields_write(w, window_fields, ARRAY_LEN(window_fields), win);
}

int window_read(const json_t *obj, const char *at, struct window *out, struct err *e)
{
    *out = (struct window){0};
    return fields_read(obj, at, window_fields, ARRAY_LEN(window_fields), NULL, out, e);
}
