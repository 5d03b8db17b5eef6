/*
 * Fuzz target: whatever HAProxy or nginx seem to say, what is read of it stays within the pool, and
 * texts are well-formed lines.
 */
#include <stdlib.h>
#include <string.h>

#include "router.h"
#include "utf8.h"

#define N_SERVERS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct router_server servers[N_SERVERS] = {{"n1", "127.0.0.1:1", 2500, false},
                                                  {"n2", "127.0.0.1:2", 2500, true},
                                                  {"node-3", "127.0.0.1:3", 5000, false},
                                                  {"n4", NULL, 0, false}};

static void check(const struct router_result *res)
{
    const char *p = res->text;
    size_t left = strnlen(p, sizeof(res->text));

    if (left == sizeof(res->text) || res->n_others < 0)
        abort();
    for (int i = 0; i < N_SERVERS; i++)
        if (res->seen[i].weight < 0 || res->seen[i].n_sessions < -1 || res->seen[i].n_errors < 0)
            abort();
    /* One more than the pool has was left alone. */
    if (res->seen[N_SERVERS].weight != 4711)
        abort();
    while (left > 0) {
        uint32_t code = 0;
        size_t len = utf8_next(p, left, &code);

        if (len == 0 || utf8_is_control(code))
            abort();
        p += len;
        left -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct router_pool pool = {"fraud", servers, N_SERVERS};
    const struct router_config config = {.name = "lb", .address = "http://a/b", .file = "/f"};
    const char *const kinds[] = {"haproxy", "nginx"};
    char *text = mem_alloc(n + 1);
    struct http_answer answer = {
        .outcome = HTTP_ANSWERED, .status = 200, .body = text, .body_len = n};

    if (n > 0)
        memcpy(text, data, n);
    for (int k = 0; k < 6; k++) {
        struct router_seen seen[N_SERVERS + 1] = {[N_SERVERS] = {.weight = 4711}};
        struct router_result res = {.seen = seen, .n_draining = -1};
        struct router_request rq = {.action = k / 2 % 2 ? ROUTER_SET : ROUTER_LOOK,
                                    .config = &config,
                                    .pools = &pool,
                                    .n_pools = 1};
        struct err error = {0};

        (void)router_find(kinds[k % 2])->read(&rq, k / 4, &answer, &error, &res);
        check(&res);
    }
    free(text);
    return 0;
}
