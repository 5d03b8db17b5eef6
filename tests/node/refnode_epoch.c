/* Whom the reference node obeys: the highest epoch of each registry that commanded it. One that was
 * overtaken is told so with 409. Worker threads. */
#include "refnode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool rn_obeys(struct rn_node *node, const char *registry, const char *epoch, struct rn_reply *reply)
{
    if (!epoch)
        return true; /* people and other programs have none */
    long long mine = atoll(epoch);
    long long highest = mine;
    struct rn_leader *free_one = NULL;
    pthread_mutex_lock(&node->lock);
    for (size_t i = 0; i < RN_N_LEADERS; i++) {
        struct rn_leader *l = &node->leaders[i];
        if (!l->registry[0] && !free_one)
            free_one = l;
        if (!l->registry[0] || strcmp(l->registry, registry ? registry : "-") != 0)
            continue;
        free_one = NULL;
        if (mine > l->epoch)
            l->epoch = mine;
        highest = l->epoch;
        break;
    }
    if (free_one) {
        snprintf(free_one->registry, sizeof free_one->registry, "%s", registry ? registry : "-");
        free_one->epoch = mine;
    }
    pthread_mutex_unlock(&node->lock);
    if (mine >= highest)
        return true;
    rn_reply_json(reply, 409,
                  json_pack("{s:s, s:I}", "error", "this node obeys a later epoch", "mreg_epoch",
                            (json_int_t)highest));
    return false;
}
