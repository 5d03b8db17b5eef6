/*
 * Policies: whatever is taken can be written, and what was written is taken again and means the
 * same.
 */
#include <stdlib.h>
#include <string.h>

#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void write_policy(const struct policy *p, struct buf *out)
{
    struct err e;
    buf_init(out, POLICY_MAX_BYTES);
    json_t *j CLEANUP(json_decref_ptr) = policy_json(p);
    if (json_canonical(j, out, &e) != ERR_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct buf first CLEANUP(buf_clear) = {0};
    struct buf second CLEANUP(buf_clear) = {0};
    static struct policy p;
    static struct policy again;
    struct err e;
    if (json_parse((const char *)bytes, n, 8, &j, &e) != ERR_OK ||
        policy_parse(j, "", &p, &e) != ERR_OK)
        return 0;
    write_policy(&p, &first);
    if (policy_read(buf_str(&first), &again, &e) != ERR_OK)
        abort();
    write_policy(&again, &second);
    if (strcmp(buf_str(&first), buf_str(&second)) != 0)
        abort();
    for (int nodes = 0; nodes <= 7; nodes++) {
        static const char *const labels[] = {"b", "a", NULL, "", "b", "c", "a"};
        struct arena a CLEANUP(arena_clear) = {0};
        struct step_node list[7] = {{0}};
        struct rollout_step *steps = NULL;
        int last = 0;
        for (int i = 0; i < nodes; i++)
            list[i] = (struct step_node){.wave = labels[i], .order_key = labels[6 - i]};
        int n_steps = steps_make(&p, list, nodes, &a, &steps);
        for (int k = 0; k < n_steps; k++) {
            if (steps[k].n_nodes < last || steps[k].n_nodes > nodes)
                abort();
            last = steps[k].n_nodes;
        }
        if (last != nodes)
            abort();
    }
    return 0;
}
