/*
 * What a command will do to a rollout that is under way, in words, before it is done.
 */
#ifndef MREG_ROLLOUT_ASK_H
#define MREG_ROLLOUT_ASK_H

#include "cli.h"

/* "r-46 is under way: rolling back aborts it and goes back to version 2 (live before it)", and how
 * to go further back. rollout: the one under way. In the cli's arena. */
const char *ask_rollback_text(struct cli *cli, const json_t *rollout);
/* What an abort, or a halt, of a rollout does. In the cli's arena. */
const char *ask_end_text(struct cli *cli, const json_t *rollout, bool is_halt);
/* "; when it has ended, r-46 (version 4) starts" when one waits behind it, else "". A call; in the
 * cli's arena. */
const char *ask_queue_text(struct cli *cli, const json_t *rollout);
/* True if a person holds it: only a resume lets it go on. */
bool ask_is_paused(const json_t *rollout);
/* What ending the present step does: when, which gates it passes, what comes next, and, if
 * is_whole, who begins after it (a call). In the cli's arena. */
const char *ask_promote_text(struct cli *cli, const json_t *rollout, bool is_full, bool is_whole);
/* False if ending this step now can only fail the rollout: the last one, and no node serves it. */
bool ask_may_promote(const json_t *rollout);

#endif
