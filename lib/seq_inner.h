/* Shared by sequential.c and seq_show.c only. */
#ifndef MREG_SEQ_INNER_H
#define MREG_SEQ_INNER_H

#include "sequential.h"

/* The four kinds of evidence; each is a mixture over SEQ_GRID alternatives. */
enum seq_kind { SEQ_FAIL_REL, SEQ_FAIL_FLOOR, SEQ_PASS_MAX, SEQ_PASS_REL, SEQ_KIND_COUNT };

/* What one bad and one good request of each side add to each alternative of a kind. */
struct seq_weights {
    double bad_canary[SEQ_GRID], good_canary[SEQ_GRID], bad_base[SEQ_GRID];
};

/* share: of the requests that the canary gets (for the comparing kinds). */
void seq_weigh(const struct seq_state *st, const struct seq_settings *s, enum seq_kind kind,
               double share, struct seq_weights *out);
/* ln E of a kind if `more` came with these weights (NULL: as it is). */
double seq_log_e(const struct seq_state *st, enum seq_kind kind, const struct seq_weights *w,
                 double bad_canary, double good_canary, double bad_base);
/* ln(1 / level). */
double seq_log_at(const struct seq_settings *s, enum seq_kind kind);
int64_t seq_milli(double v);
/* Whether the others' own rate is near max or above. */
bool seq_base_is_bad(const struct seq_state *st, const struct seq_settings *s);
double seq_ratio(const struct seq_state *st, const struct seq_settings *s);

#endif
