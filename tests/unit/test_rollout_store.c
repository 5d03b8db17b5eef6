/*
 * What keeps two planners from writing over each other: a status is stored only over the revision
 * that it was planned from. And the size of a fleet that a rollout may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_fleet.h"

static int put(struct fleet_fixture *f, const char *id, int64_t base_revision,
               enum rollout_phase phase)
{
    struct fixture_seen seen;
    fixture_see(f, id, &seen);
    seen.status.revision = base_revision + 1;
    seen.status.phase = phase;
    struct rollout_progress in = {.id = id,
                                  .record = &seen.record,
                                  .base_revision = base_revision,
                                  .status = &seen.status,
                                  .is_fact = true,
                                  .message = "words"};
    return rollout_progress(f->store, &in, &f->e);
}

static void test_only_over_its_revision(void **state)
{
    struct fleet_fixture *f = *state;
    struct fixture_seen seen;
    fixture_env(f, "production", "{}", 2);
    fixture_push(f, "fraud", 1);
    const char *id = fixture_ask(f, "t-1", "1", NULL);
    fixture_see(f, id, &seen);
    int64_t first = seen.status.revision;
    FLEET_OK(f, put(f, id, first, ROLLOUT_RUNNING));
    FLEET_OK(f, put(f, id, first + 1, ROLLOUT_PAUSED));
    for (int64_t base = first > 0 ? first : 1; base <= first + 4; base++) {
        if (base == first + 2)
            continue;
        fixture_refused(f, put(f, id, base, ROLLOUT_RUNNING), ERR_CONFLICT, "revision");
        fixture_see(f, id, &seen);
        assert_int_equal(seen.status.phase, ROLLOUT_PAUSED);
        assert_int_equal(seen.status.revision, first + 2);
    }
    FLEET_OK(f, put(f, id, first + 2, ROLLOUT_RUNNING));
}

static void test_size_of_the_fleet(void **state)
{
    static const struct {
        const char *env;
        int n_nodes;
        const char *words; /* NULL: it goes */
    } cases[] = {
        {"none", 0, "has no nodes"},
        {"most", ROLLOUT_MAX_NODES, NULL},
        {"more", ROLLOUT_MAX_NODES + 1, "at most 2000"},
    };
    struct fleet_fixture *f = *state;
    struct fleet_change me = {.actor = "t-1"};
    fixture_push(f, "fraud", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rollout_ask ask = {
            .model = "fraud", .environment = cases[i].env, .version = "1", .is_dry_run = true};
        struct rollout_answer out;
        fixture_env(f, cases[i].env, "{}", cases[i].n_nodes);
        int rc = fleet_rollout_submit(f->store, &me, &ask, &out, &f->e);
        if (cases[i].words != NULL)
            fixture_refused(f, rc, ERR_CONFLICT, cases[i].words);
        else
            FLEET_OK(f, rc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_over_its_revision, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_size_of_the_fleet, fleet_fixture_setup,
                                        fleet_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
