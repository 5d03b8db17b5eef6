/* Shared by analysis.c and analysis_replay.c only. */
#ifndef MREG_ANALYSIS_INNER_H
#define MREG_ANALYSIS_INNER_H

#include "analysis.h"

/* More than judging_store.c keeps of a gate. */
#define ANALYSIS_MAX_ROWS (2 * (int64_t)JUDGING_MAX_ROWS)

bool analysis_compares(enum gate_kind kind);
/* Opens the object of a gate. */
void analysis_begin_gate(struct jsonw *w, int gate, const struct policy_gate *pg);
void analysis_write_sums(struct jsonw *w, const struct seq_interval *sum);
void analysis_write_evidence(struct jsonw *w, const struct seq_result *r);
/* Member `merged`: what of it was added up, if anything was. */
void analysis_write_merged(struct jsonw *w, const struct analysis_interval *list, size_t n);
void analysis_write_thinned(struct jsonw *w, const struct analysis_value *list, size_t n);
/* What was stored, or what it is before anything was. Caller frees. ERR_CORRUPT. */
MUST_USE int analysis_load(const struct analysis *in, struct judging **out, struct err *e);

#endif
