/*
 * Bounds what is stored of a judging: neighbouring intervals are added up, of values the extremes
 * stay. What the judge would say at the ends of the rows that are left is the same, but for those
 * that are marked as rough. Pure; any thread.
 */
#include <stdlib.h>

#include "judging.h"
#include "mem.h"

static bool is_two_sided(const struct seq_interval *in)
{
    return in->n_canary > 0 && in->n_base > 0;
}

static bool is_clean(const struct seq_interval *in)
{
    return in->bad_canary == 0 && in->bad_base == 0;
}

/* The canary's share of the traffic is the same in both. */
static bool is_same_share(const struct seq_interval *x, const struct seq_interval *y)
{
    double left = (double)x->n_canary * (double)y->n_base;
    double right = (double)y->n_canary * (double)x->n_base;
    return left <= right && left >= right;
}

/* *to gets the later one's time. */
static void merge(struct analysis_interval *to, const struct analysis_interval *next)
{
    to->ts_ms = next->ts_ms;
    to->n_merged += next->n_merged;
    to->is_rough = to->is_rough || next->is_rough;
    to->in.n_canary += next->in.n_canary;
    to->in.bad_canary += next->in.bad_canary;
    to->in.n_base += next->in.n_base;
    to->in.bad_base += next->in.bad_base;
}

/* An interval in which one side had no request is judged together with the next. */
static size_t complete_sides(struct analysis_interval *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct analysis_interval *last = kept > 0 ? &list[kept - 1] : NULL;
        bool is_open = last != NULL && last->kind == INTERVAL_JUDGED &&
                       list[i].kind == INTERVAL_JUDGED && !is_two_sided(&last->in);
        if (is_open)
            merge(last, &list[i]);
        else
            list[kept++] = list[i];
    }
    return kept;
}

static bool can_pair(const struct analysis_interval *x, const struct analysis_interval *y,
                     bool is_exact)
{
    if (x->kind != INTERVAL_JUDGED || y->kind != INTERVAL_JUDGED)
        return false;
    if (!is_two_sided(&x->in) || !is_two_sided(&y->in))
        return false;
    return !is_exact || (is_clean(&x->in) && is_clean(&y->in)) || is_same_share(&x->in, &y->in);
}

/* Each with its neighbour, at most once, until n_wanted are left. Those that were paired are left
 * alone: *is_paired says which. */
static size_t pair_up(struct analysis_interval *list, bool *is_paired, size_t n, size_t n_wanted,
                      bool is_exact)
{
    size_t kept = 0, left = n;
    for (size_t i = 0; i < n; i++, kept++) {
        list[kept] = list[i];
        is_paired[kept] = is_paired[i];
        bool can = left > n_wanted && i + 1 < n && !is_paired[i] && !is_paired[i + 1] &&
                   can_pair(&list[i], &list[i + 1], is_exact);
        if (!can)
            continue;
        merge(&list[kept], &list[++i]);
        list[kept].is_rough = list[kept].is_rough || !is_exact;
        is_paired[kept] = true;
        left--;
    }
    return kept;
}

size_t judging_merge_intervals(struct analysis_interval *list, size_t n)
{
    bool *is_paired = mem_alloc((n + 1) * sizeof is_paired[0]);
    size_t n_wanted = n / 2;
    size_t left = complete_sides(list, n);
    left = pair_up(list, is_paired, left, n_wanted, true);
    left = pair_up(list, is_paired, left, n_wanted, false);
    free(is_paired);
    return left;
}

/* --- values --- */

#define GROUP 4

static bool is_extreme(const struct analysis_value *group, size_t n, size_t i)
{
    size_t low = n, high = n, none = n;
    for (size_t k = 0; k < n; k++) {
        if (!group[k].has_value) {
            none = none == n ? k : none;
            continue;
        }
        low = low == n || group[k].value_micro < group[low].value_micro ? k : low;
        high = high == n || group[k].value_micro >= group[high].value_micro ? k : high;
    }
    return i == low || i == high || i == none;
}

/* Those of one group; the last that stays stands for those that do not. */
static size_t thin_group(struct analysis_value *to, const struct analysis_value *group, size_t n)
{
    size_t kept = 0;
    int64_t n_merged = 0;
    for (size_t i = 0; i < n; i++) {
        n_merged += group[i].n_merged;
        if (!is_extreme(group, n, i))
            continue;
        to[kept] = group[i];
        to[kept++].n_merged = n_merged;
        n_merged = 0;
    }
    to[kept - 1].n_merged += n_merged;
    return kept;
}

size_t judging_merge_values(struct analysis_value *list, size_t n)
{
    struct analysis_value group[GROUP];
    size_t kept = 0, n_group = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_restart = list[i].is_restart;
        struct analysis_value restart = list[i];
        if (!is_restart)
            group[n_group++] = list[i];
        if (n_group == GROUP || (n_group > 0 && (is_restart || i + 1 == n))) {
            kept += thin_group(&list[kept], group, n_group);
            n_group = 0;
        }
        if (is_restart)
            list[kept++] = restart;
    }
    return kept;
}
