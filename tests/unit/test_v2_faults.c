/*
 * What each answer of a server that speaks v2 means for the next decision: again later, never
 * again, look first, or the version's own fault. The rows are cases that MLServer, Triton, proxies
 * and machines in trouble show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "v2_faults.h"

#define TRACE(last) "Traceback (most recent call last):\n  File \"x.py\"\n" last "\n"
#define POLLED "{\"error\":\"explicit model load / unload is not allowed if polling is enabled\"}"

static const struct {
    enum driver_action action;
    int status;
    const char *body;
    enum fault fault;
    const char *text;
} rows[] = {
    /* It worked. */
    {DRIVER_LOAD, 200, "", FAULT_NONE, ""},
    {DRIVER_UNLOAD, 200, "", FAULT_NONE, ""},
    {DRIVER_UNLOAD, 404, "{\"error\":\"Model fraud not found\"}", FAULT_NONE, ""},
    /* Transient: not now. */
    {DRIVER_LOAD, 408, "", FAULT_BUSY, "busy"},
    {DRIVER_LOAD, 409, "{\"error\":\"loading\"}", FAULT_BUSY, "busy"},
    {DRIVER_LOAD, 425, "", FAULT_BUSY, "busy"},
    {DRIVER_LOAD, 429, "", FAULT_BUSY, "busy"},
    {DRIVER_UNLOAD, 503, "", FAULT_BUSY, "busy"},
    {DRIVER_GOLDEN, 503, "", FAULT_BUSY, "busy"},
    {DRIVER_GOLDEN, 400, "{\"error\":\"Model fraud is not ready yet.\"}", FAULT_BUSY, "not ready"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 28] No space left on device: 'x'"), FAULT_INFRA,
     "disk is full"},
    {DRIVER_LOAD, 507, "", FAULT_INFRA, "no room"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 5] Input/output error"), FAULT_INFRA, "disk fails"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 30] Read-only file system: 'm'"), FAULT_INFRA,
     "disk fails"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 116] Stale file handle"), FAULT_INFRA, "disk fails"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 24] Too many open files"), FAULT_INFRA, "exhausted"},
    {DRIVER_LOAD, 500, TRACE("PermissionError: [Errno 13] Permission denied: 'm'"), FAULT_INFRA,
     "may not read"},
    /* Permanent: no use in repeating, and not the version's fault. */
    {DRIVER_LOAD, 401, "", FAULT_REJECTED, "refuses"},
    {DRIVER_LOAD, 403, "", FAULT_REJECTED, "refuses"},
    {DRIVER_LOAD, 405, "{\"detail\":\"Method Not Allowed\"}", FAULT_REJECTED, "refuses"},
    {DRIVER_LOAD, 407, "", FAULT_REJECTED, "refuses"},
    {DRIVER_LOAD, 302, "", FAULT_REJECTED, "redirects"},
    {DRIVER_LOAD, 404, "{\"detail\":\"Not Found\"}", FAULT_REJECTED, "no model repository API"},
    {DRIVER_UNLOAD, 404, "<html>", FAULT_REJECTED, "no model repository API"},
    {DRIVER_LOAD, 400, POLLED, FAULT_REJECTED, "not in explicit mode"},
    {DRIVER_LOAD, 503, POLLED, FAULT_REJECTED, "not in explicit mode"},
    {DRIVER_UNLOAD, 400, POLLED, FAULT_REJECTED, "not in explicit mode"},
    {DRIVER_LOAD, 500, TRACE("MemoryError"), FAULT_REJECTED, "too little memory"},
    {DRIVER_LOAD, 400, "{\"error\":\"load failed: std::bad_alloc\"}", FAULT_REJECTED,
     "too little memory"},
    {DRIVER_LOAD, 500, TRACE("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"),
     FAULT_REJECTED, "too little memory"},
    {DRIVER_LOAD, 500, TRACE("OSError: [Errno 12] Cannot allocate memory"), FAULT_REJECTED,
     "too little memory"},
    /* Unknown: perhaps it happened. */
    {DRIVER_LOAD, 502, "<html>", FAULT_UNKNOWN, "proxy"},
    {DRIVER_LOAD, 504, "<html>", FAULT_UNKNOWN, "proxy"},
    {DRIVER_UNLOAD, 504, "", FAULT_UNKNOWN, "proxy"},
    /* The version's own. */
    {DRIVER_LOAD, 500, TRACE("KeyError: 110"), FAULT_LOAD, "loading failed (500): KeyError: 110"},
    {DRIVER_LOAD, 422, "{\"error\":\"Invalid URI specified for model m (x)\"}", FAULT_LOAD,
     "Invalid URI"},
    {DRIVER_LOAD, 404, "{\"error\":\"Model m not found\"}", FAULT_LOAD, "no settings"},
    {DRIVER_LOAD, 400, "{\"error\":\"failed to load 'm', failed to poll from model repository\"}",
     FAULT_LOAD, "failed to load"},
    {DRIVER_UNLOAD, 500, "{\"error\":\"x\"}", FAULT_LOAD, "unloading failed"},
    {DRIVER_GOLDEN, 404, "{\"error\":\"Model m with version 3 not found\"}", FAULT_NOT_FOUND,
     "not loaded"},
    {DRIVER_GOLDEN, 400, "{\"error\":\"Request for unknown model: 'm' version 3 is not found\"}",
     FAULT_NOT_FOUND, "not loaded"},
    {DRIVER_GOLDEN, 500, TRACE("ValueError: X has 3 features"), FAULT_WRONG_ANSWER,
     "failed on a golden request (500): ValueError"},
    {DRIVER_GOLDEN, 422, "{\"detail\":[{\"msg\":\"Field required\"}]}", FAULT_WRONG_ANSWER,
     "refused a golden request"},
    /* A request's own words about disks say nothing about the node. */
    {DRIVER_GOLDEN, 500, TRACE("OSError: No space left on device"), FAULT_WRONG_ANSWER, "failed"},
    /* Another leader, also where the call only reads. */
    {DRIVER_LOAD, 409, "{\"error\":\"later\",\"mreg_epoch\":9}", FAULT_DEPOSED, "another registry"},
    {DRIVER_OBSERVE, 409, "{\"error\":\"later\",\"mreg_epoch\":9}", FAULT_DEPOSED, "another"},
    {DRIVER_HEALTH, 409, "{\"error\":\"later\",\"mreg_epoch\":9}", FAULT_DEPOSED, "another"},
    {DRIVER_LOAD, 409, "\"mreg_epoch\"", FAULT_BUSY, "busy"},
};

static struct http_answer answer_of(int status, const char *body)
{
    struct http_answer a = {.outcome = HTTP_ANSWERED, .status = status};

    a.body_len = strlen(body);
    a.body = mem_strdup(body);
    return a;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_answer a = answer_of(rows[i].status, rows[i].body);
        struct driver_result out = {0};

        assert_true(v2_fault(rows[i].action, &a, &out));
        if (out.fault != rows[i].fault || strstr(out.text, rows[i].text) == NULL ||
            (rows[i].text[0] == '\0') != (out.text[0] == '\0'))
            fail_msg("row %zu (%d %.60s): %s \"%s\"", i, rows[i].status, rows[i].body,
                     fault_name(out.fault), out.text);
        if (rows[i].fault == FAULT_DEPOSED)
            assert_int_equal(out.epoch, 9);
        http_answer_clear(&a);
    }
}

/* Every load and unload gets a meaning, whatever the status; what only reads decides for itself. */
static void test_total(void **state)
{
    static const char *const bodies[] = {"", "{}", "{\"error\":1}", "\xff\x00", "[", "null"};

    (void)state;
    for (int status = 200; status < 600; status++)
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
            struct http_answer a = answer_of(status, bodies[i]);
            struct driver_result out = {0};

            assert_true(v2_fault(DRIVER_LOAD, &a, &out));
            assert_true((out.fault == FAULT_NONE) == (status < 300));
            assert_true(v2_fault(DRIVER_UNLOAD, &a, &out));
            assert_true(v2_fault(DRIVER_GOLDEN, &a, &out));
            assert_true((out.fault == FAULT_NONE) == (status < 300));
            http_answer_clear(&a);
        }
}

/* As the driver reads it: what was sent and not answered is unknown, what was not sent is not. */
static void test_not_answered(void **state)
{
    static const struct {
        enum driver_action action;
        enum http_outcome outcome;
        enum fault fault;
    } cases[] = {
        {DRIVER_LOAD, HTTP_NOT_SENT, FAULT_TRANSPORT},
        {DRIVER_LOAD, HTTP_UNKNOWN, FAULT_UNKNOWN},
        {DRIVER_UNLOAD, HTTP_UNKNOWN, FAULT_UNKNOWN},
        {DRIVER_OBSERVE, HTTP_UNKNOWN, FAULT_TRANSPORT},
        {DRIVER_HEALTH, HTTP_UNKNOWN, FAULT_TRANSPORT},
        {DRIVER_GOLDEN, HTTP_UNKNOWN, FAULT_TRANSPORT},
    };
    const struct driver *d = driver_find("v2");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct driver_request rq = {
            .action = cases[i].action, .serve_as = "m", .number = 1, .golden = "{}"};
        struct http_answer a = {.outcome = cases[i].outcome};
        struct driver_result out = {0};

        assert_false(d->read(&rq, 0, &a, &out));
        assert_int_equal(out.fault, cases[i].fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
