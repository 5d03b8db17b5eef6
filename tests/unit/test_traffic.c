/*
 * Shares of traffic: tables of what is wanted, and properties over many random inputs.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mem.h"
#include "traffic.h"

#define MOST 40

static uint64_t state = 88172645463325252ULL;

static int random_below(int n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)((state >> 11) % (uint64_t)n);
}

static int sum(const int *v, int n)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s += v[i];
    return s;
}

#define O TRAFFIC_OUT
#define I TRAFFIC_IDLE
#define B TRAFFIC_BASE
#define C TRAFFIC_CANARY

static void wanted_by_table(void **unused)
{
    static const struct {
        enum traffic_role roles[4];
        int canary_bp;
        int want[4];
    } cases[] = {
        {{B, B, B, B}, -1, {2500, 2500, 2500, 2500}},
        {{B, B, B, O}, -1, {3334, 3333, 3333, 0}},
        {{C, B, B, B}, 1000, {1000, 3000, 3000, 3000}},
        {{C, C, B, B}, 1250, {625, 625, 4375, 4375}},
        {{C, B, B, B}, 0, {0, 3334, 3333, 3333}},
        {{C, C, B, B}, 10000, {5000, 5000, 0, 0}},
        {{O, C, B, B}, -1, {0, 3334, 3333, 3333}},
        /* Nobody has the share of a group that is not there. */
        {{O, B, B, B}, 5000, {0, 3334, 3333, 3333}},
        {{C, C, O, O}, 1000, {5000, 5000, 0, 0}},
        /* What serves nothing gets something only while nobody else can. */
        {{C, I, I, I}, -1, {10000, 0, 0, 0}},
        {{I, I, I, I}, -1, {2500, 2500, 2500, 2500}},
        {{O, I, I, O}, -1, {0, 5000, 5000, 0}},
        {{C, I, I, I}, 0, {0, 3334, 3333, 3333}},
        /* Unproven nodes get nothing, also when nobody else is there. */
        {{C, C, C, C}, 0, {0, 0, 0, 0}},
        {{O, O, O, O}, -1, {0, 0, 0, 0}},
        {{C, B, B, B}, 20000, {10000, 0, 0, 0}},
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int bp[4];
        traffic_wanted(cases[i].roles, 4, cases[i].canary_bp, bp);
        for (int k = 0; k < 4; k++) {
            if (bp[k] != cases[i].want[k])
                fail_msg("case %zu: node %d has %d, not %d", i, k, bp[k], cases[i].want[k]);
        }
    }
}

static void wanted_has_its_properties(void **unused)
{
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        enum traffic_role roles[MOST];
        int bp[MOST];
        int n = 1 + random_below(MOST);
        int canary = random_below(3) == 0 ? -1 : random_below(10001);
        bool has_base = false;
        bool has_canary = false;
        bool has_any = false;
        for (int i = 0; i < n; i++) {
            roles[i] = (enum traffic_role)random_below(4);
            has_base = has_base || roles[i] == B;
            has_canary = has_canary || roles[i] == C;
            has_any = has_any || roles[i] == I;
        }
        traffic_wanted(roles, n, canary, bp);
        has_any = has_any || has_base || (has_canary && canary != 0);
        assert_int_equal(sum(bp, n), has_any ? 10000 : 0);
        int low[4] = {INT_MAX, INT_MAX, INT_MAX, INT_MAX};
        int high[4] = {0};
        int group = 0;
        for (int i = 0; i < n; i++) {
            assert_true(bp[i] >= 0);
            assert_true(roles[i] != O || bp[i] == 0);
            assert_true(roles[i] != I || bp[i] == 0 || (!has_base && !(has_canary && canary != 0)));
            low[roles[i]] = bp[i] < low[roles[i]] ? bp[i] : low[roles[i]];
            high[roles[i]] = bp[i] > high[roles[i]] ? bp[i] : high[roles[i]];
            group += roles[i] == C ? bp[i] : 0;
        }
        for (int k = 0; k < 4; k++)
            assert_true(low[k] == INT_MAX || high[k] - low[k] <= 1);
        if (canary >= 0 && has_base && has_canary)
            assert_int_equal(group, canary);
        if (canary == 0)
            assert_int_equal(group, 0);
    }
}

static void weights_stay_near(void **unused)
{
    (void)unused;
    for (int round = 0; round < 4000; round++) {
        enum traffic_role roles[MOST];
        int bp[MOST];
        int weights[MOST];
        int shares[MOST];
        int n = 1 + random_below(MOST);
        for (int i = 0; i < n; i++)
            roles[i] = random_below(4) == 0 ? C : random_below(8) == 0 ? O : B;
        traffic_wanted(roles, n, random_below(10001), bp);
        traffic_weights(bp, n, 256, weights);
        traffic_shares(weights, n, shares);
        int most = 1;
        bool has_tiny = false;
        for (int i = 0; i < n; i++)
            most = bp[i] > most ? bp[i] : most;
        for (int i = 0; i < n; i++)
            has_tiny = has_tiny || (bp[i] > 0 && bp[i] * 256 < most);
        for (int i = 0; i < n; i++) {
            assert_in_range(weights[i], 0, 256);
            assert_int_equal(weights[i] == 0, bp[i] == 0);
            assert_int_equal(shares[i] == 0, bp[i] == 0);
            /* Shares below the smallest weight take more than they should from the others. */
            if (!has_tiny)
                assert_in_range(abs(shares[i] - bp[i]), 0, 60);
        }
        assert_int_equal(sum(shares, n), sum(bp, n));
        assert_true(traffic_fits(bp, shares, n, 256));
        assert_true(traffic_fits(bp, bp, n, 10000));
    }
}

static void weights_by_table(void **unused)
{
    static const struct {
        int bp[4], want[4];
    } cases[] = {
        {{2500, 2500, 2500, 2500}, {256, 256, 256, 256}},
        {{3334, 3333, 3333, 0}, {256, 256, 256, 0}},
        {{1000, 3000, 3000, 3000}, {85, 255, 255, 255}},
        {{10000, 0, 0, 0}, {256, 0, 0, 0}},
        {{0, 0, 0, 0}, {0, 0, 0, 0}},
        {{1, 3333, 3333, 3333}, {1, 256, 256, 256}},
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int weights[4];
        traffic_weights(cases[i].bp, 4, 256, weights);
        for (int k = 0; k < 4; k++) {
            if (weights[k] != cases[i].want[k])
                fail_msg("case %zu: weight %d is %d, not %d", i, k, weights[k], cases[i].want[k]);
        }
    }
}

static void shares_sum_up(void **unused)
{
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        int weights[MOST];
        int shares[MOST];
        int n = 1 + random_below(MOST);
        for (int i = 0; i < n; i++)
            weights[i] = random_below(5) == 0 ? 0 : random_below(257);
        traffic_shares(weights, n, shares);
        assert_int_equal(sum(shares, n), sum(weights, n) > 0 ? 10000 : 0);
        for (int i = 0; i < n; i++) {
            assert_int_equal(shares[i] == 0, weights[i] == 0);
            for (int k = 0; k < n; k++)
                assert_true(weights[i] <= weights[k] || shares[i] >= shares[k]);
        }
    }
}

static void a_difference_is_seen(void **unused)
{
    static const struct {
        int wanted[3], seen[3];
        bool fits;
    } cases[] = {
        {{3334, 3333, 3333}, {3334, 3333, 3333}, true},
        {{3334, 3333, 3333}, {3320, 3340, 3340}, true},
        {{3334, 3333, 3333}, {3000, 3500, 3500}, false},
        {{1250, 4375, 4375}, {1248, 4376, 4376}, true},
        {{1250, 4375, 4375}, {1400, 4300, 4300}, false},
        {{0, 5000, 5000}, {1, 5000, 4999}, false},
        {{1, 5000, 4999}, {0, 5000, 5000}, false},
        {{10000, 0, 0}, {5000, 5000, 0}, false},
        {{0, 0, 0}, {0, 0, 0}, true},
        {{0, 0, 0}, {10000, 0, 0}, false},
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (traffic_fits(cases[i].wanted, cases[i].seen, 3, 256) != cases[i].fits)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_by_table),   cmocka_unit_test(wanted_has_its_properties),
        cmocka_unit_test(weights_stay_near), cmocka_unit_test(weights_by_table),
        cmocka_unit_test(shares_sum_up),     cmocka_unit_test(a_difference_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
