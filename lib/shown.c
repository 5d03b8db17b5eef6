/*
 * What a node's folder shows, by mreg's own switches. Knows nothing of files or tables. Pure; any
 * thread.
 */
#include "shown.h"

void shown_take(struct shown_files *f, int64_t number, enum op_state state, enum op_class why)
{
    /* What was refused was not begun. */
    bool is_refused = state == OP_FAILED && why == OP_CLASS_PERMANENT;
    if (state == OP_NONE || is_refused)
        return;
    bool is_same = f->is_known && !f->is_doubtful && f->number == number;
    *f = (struct shown_files){
        .is_known = true, .is_doubtful = state != OP_DONE && !is_same, .number = number};
}

bool shown_differs(const struct shown_files *f, int64_t number)
{
    return f->is_known && (f->is_doubtful || f->number != number);
}
