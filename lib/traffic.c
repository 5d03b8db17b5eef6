/*
 * Arithmetic of traffic shares. Whole numbers only, so that everybody who computes it gets the
 * same: what the planner wants is compared with what a router says. Knows nothing of nodes or
 * routers. Pure; any thread.
 */
#include "traffic.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "mem.h"

#define MOST_WEIGHT 65535
/* A router that is within a fiftieth of what its weights can express does what was wanted. */
#define TOLERANCE_DIVISOR 50

/* `total` in equal parts among the nodes of a role; the first ones get what is left over. */
static void spread(const enum traffic_role *roles, int n, enum traffic_role role, int total,
                   int *bp)
{
    int n_members = 0;
    for (int i = 0; i < n; i++)
        n_members += roles[i] == role;
    if (n_members == 0)
        return;
    int share = total / n_members;
    int n_more = total % n_members;
    for (int i = 0; i < n; i++) {
        if (roles[i] != role)
            continue;
        bp[i] = share + (n_more > 0);
        n_more -= n_more > 0;
    }
}

/* Equal shares over two roles, as if they were one. */
static void spread_both(const enum traffic_role *roles, int n, int *bp)
{
    int n_members = 0;
    int at = 0;
    for (int i = 0; i < n; i++)
        n_members += roles[i] == TRAFFIC_BASE || roles[i] == TRAFFIC_CANARY;
    for (int i = 0; i < n; i++) {
        if (roles[i] != TRAFFIC_BASE && roles[i] != TRAFFIC_CANARY)
            continue;
        bp[i] = TRAFFIC_ALL_BP / n_members + (at < TRAFFIC_ALL_BP % n_members);
        at++;
    }
}

void traffic_wanted(const enum traffic_role *roles, int n, int canary_bp, int *bp)
{
    int count[TRAFFIC_ROLE_COUNT] = {0};
    for (int i = 0; i < n; i++) {
        count[roles[i]]++;
        bp[i] = 0;
    }
    /* Canaries without traffic do not make anybody else superfluous. */
    bool has_canary = count[TRAFFIC_CANARY] > 0 && canary_bp != 0;
    if (count[TRAFFIC_BASE] == 0 && !has_canary) {
        spread(roles, n, TRAFFIC_IDLE, TRAFFIC_ALL_BP, bp);
        return;
    }
    if (canary_bp < 0) {
        spread_both(roles, n, bp);
        return;
    }
    int canary = canary_bp > TRAFFIC_ALL_BP ? TRAFFIC_ALL_BP : canary_bp;
    if (count[TRAFFIC_CANARY] == 0)
        canary = 0;
    else if (count[TRAFFIC_BASE] == 0)
        canary = TRAFFIC_ALL_BP;
    spread(roles, n, TRAFFIC_CANARY, canary, bp);
    spread(roles, n, TRAFFIC_BASE, TRAFFIC_ALL_BP - canary, bp);
}

/* --- weights ---------------------------------------------------------------------------------- */

static int weight_of(int bp, int most_bp, int scale)
{
    int64_t w = ((int64_t)bp * scale * 2 + most_bp) / ((int64_t)most_bp * 2);
    return bp > 0 && w == 0 ? 1 : (int)w;
}

/* How far the proportions are off with the largest weight being `scale`, in parts of a whole. */
static int64_t distance(const int *bp, int n, int most_bp, int scale)
{
    int64_t sum = 0;
    int64_t total_bp = 0;
    int64_t off = 0;
    for (int i = 0; i < n; i++) {
        sum += weight_of(bp[i], most_bp, scale);
        total_bp += bp[i];
    }
    for (int i = 0; i < n; i++)
        off += llabs(weight_of(bp[i], most_bp, scale) * total_bp - (int64_t)bp[i] * sum);
    return off * 1000 / sum;
}

void traffic_weights(const int *bp, int n, int max_weight, int *weights)
{
    int most_bp = 0;
    assert(max_weight > 0 && max_weight <= MOST_WEIGHT);
    for (int i = 0; i < n; i++)
        most_bp = bp[i] > most_bp ? bp[i] : most_bp;
    /* Shares fit as they are where weights may be that large. */
    int best = most_bp <= max_weight ? most_bp : max_weight;
    int64_t least = INT64_MAX;
    for (int scale = max_weight; most_bp > max_weight && scale > 0 && least > 0; scale--) {
        int64_t off = distance(bp, n, most_bp, scale);
        if (off < least) {
            least = off;
            best = scale;
        }
    }
    for (int i = 0; i < n; i++)
        weights[i] = most_bp == 0 ? 0 : weight_of(bp[i], most_bp, best);
}

struct rest {
    int64_t remainder;
    int at;
};

static int by_remainder(const void *x, const void *y)
{
    const struct rest *a = x;
    const struct rest *b = y;
    if (a->remainder != b->remainder)
        return a->remainder > b->remainder ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

void traffic_shares(const int *weights, int n, int *bp)
{
    int64_t sum = 0;
    int left = TRAFFIC_ALL_BP;
    for (int i = 0; i < n; i++)
        sum += weights[i];
    struct rest *rests CLEANUP(mem_free_ptr) = mem_alloc(((size_t)n + 1) * sizeof rests[0]);
    for (int i = 0; i < n; i++) {
        int64_t scaled = sum == 0 ? 0 : (int64_t)weights[i] * TRAFFIC_ALL_BP;
        bp[i] = sum == 0 ? 0 : (int)(scaled / sum);
        rests[i] = (struct rest){.remainder = sum == 0 ? 0 : scaled % sum, .at = i};
        left -= bp[i];
    }
    if (sum == 0)
        return;
    qsort(rests, (size_t)n, sizeof rests[0], by_remainder);
    for (int i = 0; i < left; i++)
        bp[rests[i].at]++;
    /* Something is never shown as nothing. */
    for (int i = 0; i < n; i++) {
        int most = 0;
        if (weights[i] == 0 || bp[i] > 0)
            continue;
        for (int k = 1; k < n; k++)
            most = bp[k] > bp[most] ? k : most;
        bp[most]--;
        bp[i]++;
    }
}

bool traffic_fits(const int *wanted, const int *seen, int n, int max_weight)
{
    int *weights CLEANUP(mem_free_ptr) = mem_alloc(((size_t)n + 1) * sizeof weights[0]);
    int *near CLEANUP(mem_free_ptr) = mem_alloc(((size_t)n + 1) * sizeof near[0]);
    traffic_weights(wanted, n, max_weight, weights);
    traffic_shares(weights, n, near);
    for (int i = 0; i < n; i++) {
        int off = abs(seen[i] - near[i]);
        bool is_off = (seen[i] > 0) != (wanted[i] > 0);
        if (is_off || off > 1 + near[i] / TOLERANCE_DIVISOR)
            return false;
    }
    return true;
}
