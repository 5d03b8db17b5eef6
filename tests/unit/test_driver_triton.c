/*
 * The driver of Triton where it differs from v2: what its statuses mean, by the documented answers
 * of its repository API and by those of Triton 2.51 (tests/interop/test_triton.py asks a real one).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static void statuses_mean_what_triton_means(void **unused)
{
    static const struct {
        enum driver_action action;
        int k, status;
        const char *body;
        enum fault fault;
        int n_ready;
        const char *says;
    } cases[] = {
        {DRIVER_LOAD, 0, 200, "", FAULT_NONE, 0, NULL},
        {DRIVER_LOAD, 0, 400,
         "{\"error\":\"load failed for model 'm': version 2 is at "
         "UNAVAILABLE state: broken;\"}",
         FAULT_LOAD, 0, NULL},
        {DRIVER_LOAD, 0, 400,
         "{\"error\":\"load failed for model 'm': version 2 is at UNAVAILABLE state: Internal: "
         "RuntimeError: planted\\n\\nAt:\\n  /srv/m/2/model.py(2): <module>\\n  <frozen "
         "importlib._bootstrap>(241): _call_with_frames_removed\\n;\\n\"}",
         FAULT_LOAD, 0, "Internal: RuntimeError: planted"},
        {DRIVER_LOAD, 0, 500, "{\"error\":\"failed to poll from model repository\"}",
         FAULT_NOT_FOUND, 0, NULL},
        {DRIVER_LOAD, 0, 500,
         "{\"error\":\"failed to load 'm', failed to poll from model repository\"}",
         FAULT_NOT_FOUND, 0, NULL},
        {DRIVER_LOAD, 0, 503,
         "{\"error\":\"explicit model load / unload is not allowed if polling "
         "is enabled\"}",
         FAULT_REJECTED, 0, NULL},
        {DRIVER_LOAD, 0, 503, "{\"error\":\"busy\"}", FAULT_BUSY, 0, NULL},
        {DRIVER_UNLOAD, 0, 200, "", FAULT_NONE, 0, NULL},
        {DRIVER_OBSERVE, 1, 200, "", FAULT_NONE, 1, NULL},
        {DRIVER_OBSERVE, 1, 503, "", FAULT_NONE, 0, NULL}, /* known, not ready */
        {DRIVER_OBSERVE, 1, 400, "{\"error\":\"Model version not ready\"}", FAULT_NONE, 0, NULL},
        {DRIVER_OBSERVE, 1, 404, "{\"error\":\"unknown model\"}", FAULT_NONE, 0, NULL},
        {DRIVER_OBSERVE, 2, 503, "", FAULT_NONE, 0, NULL},
        {DRIVER_OBSERVE, 0, 503, "", FAULT_BUSY, 0, NULL}, /* the server itself */
    };
    const struct driver *d = driver_find("triton");

    (void)unused;
    assert_non_null(d);
    assert_true((d->flags & DRIVER_KEEPS_OTHERS) != 0);
    assert_true((d->flags & DRIVER_LOAD_RECREATES_ALL) == 0);
    assert_true((driver_find("v2")->flags & DRIVER_KEEPS_OTHERS) == 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct driver_request rq = {
            .action = cases[i].action, .serve_as = "m", .number = 2, .other = 1};
        struct driver_result res = {0};
        struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                     .status = cases[i].status,
                                     .body = mem_strdup(cases[i].body),
                                     .body_len = strlen(cases[i].body)};

        (void)d->read(&rq, cases[i].k, &answer, &res);
        free(answer.body);
        if (res.fault != cases[i].fault || res.n_ready != cases[i].n_ready)
            fail_msg("case %zu: fault %s, %d ready: %s", i, fault_name(res.fault), res.n_ready,
                     res.text);
        /* The whole end: where it happened is left out. */
        size_t n = cases[i].says ? strlen(cases[i].says) : 0;
        if (n > strlen(res.text) ||
            (n && strcmp(res.text + strlen(res.text) - n, cases[i].says) != 0))
            fail_msg("case %zu says: %s", i, res.text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(statuses_mean_what_triton_means)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
