/*
 * A beat that many threads can wait for: "something changed, look". It carries nothing and may come
 * for nothing; who needs certainty looks anew now and then.
 */
#ifndef MREG_PULSE_H
#define MREG_PULSE_H

#include <stdint.h>

struct pulse;

struct pulse *pulse_new(void);
void pulse_free(struct pulse *p);
/* Any thread; p may be NULL. */
void pulse_beat(struct pulse *p);
/* Waits until a beat after number `seen` or for timeout_ms; returns the newest beat's number. */
uint64_t pulse_wait(struct pulse *p, uint64_t seen, int64_t timeout_ms);

#endif
