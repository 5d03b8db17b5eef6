/*
 * The names of the enums that a rollout is made of, as arrays, for tables of fields. Others use the
 * *_name functions.
 */
#ifndef MREG_ROLLOUT_NAMES_H
#define MREG_ROLLOUT_NAMES_H

#include "fields.h"
#include "rollout.h"

extern const char *const rollout_phase_names[ROLLOUT_PHASE_COUNT];
extern const char *const step_phase_names[STEP_PHASE_COUNT];
extern const char *const node_state_names[NODE_STATE_COUNT];
extern const char *const rollout_control_names[CONTROL_COUNT];
extern const char *const rollout_fault_names[ROLLOUT_FAULT_COUNT];
extern const char *const pause_reason_names[PAUSE_REASON_COUNT];
extern const char *const verdict_names[VERDICT_COUNT];
/* These end with NULL. */
extern const char *const strategy_names[];
extern const char *const choice_names[];
extern const char *const residency_names[];
extern const char *const queue_names[];
extern const char *const gate_kind_names[GATE_KIND_COUNT];
extern const char *const move_phase_names[MOVE_PHASE_COUNT];

/* The fields of struct gate_result that say what was found, not what the gate is. */
#define N_GATE_RESULT_FIELDS 16
extern const struct field *const gate_result_fields;

#endif
