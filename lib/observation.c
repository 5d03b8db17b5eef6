/*
 * What nodes say about their versions, and the names of operations and their outcomes. Pure; any
 * thread.
 */
#include "rollout_names.h"

#include <stdbool.h>

const char *const move_phase_names[MOVE_PHASE_COUNT] = {
    "none", "stage", "unroute", "drain", "switch", "load", "observe", "golden", "route", "clean"};
static const char *const action_names[] = {"stage",  "switch",  "load",    "unload", "golden",
                                           "remove", "weights", "observe", "sample", "routes"};
static const char *const state_names[] = {"none", "open", "done", "failed", "unknown"};
static const char *const class_names[] = {"none", "transient", "permanent", "version", "missing"};

const char *move_phase_name(enum move_phase p)
{
    return move_phase_names[p];
}

const char *op_action_name(enum op_action a)
{
    return action_names[a];
}

const char *op_state_name(enum op_state s)
{
    return state_names[s];
}

const char *op_class_name(enum op_class c)
{
    return class_names[c];
}

bool op_is_read(enum op_action a)
{
    return a == OP_OBSERVE || a == OP_SAMPLE || a == OP_ROUTES;
}

bool observation_has(const struct observation *o, int64_t number)
{
    for (int i = 0; i < o->n_ready; i++) {
        if (o->ready[i] == number)
            return true;
    }
    return false;
}

bool observation_fits(const struct observation *o, int64_t number)
{
    if (o->observed_ms == 0)
        return false;
    if (number == 0)
        return o->n_ready == 0;
    return o->n_ready == 1 && o->ready[0] == number;
}

bool observation_fits_with(const struct observation *o, int64_t number, int64_t other)
{
    bool has_both = number != 0 && other != 0 && o->n_ready == 2 && observation_has(o, number) &&
                    observation_has(o, other);
    return observation_fits(o, number) || (has_both && o->observed_ms != 0);
}

int64_t observation_serves(const struct observation *o)
{
    return o->n_ready > 0 ? o->ready[o->n_ready - 1] : 0;
}
