/*
 * Back-off for addresses that present bad tokens: ten a minute are free, then each further one
 * doubles the wait. A fixed table: addresses that share a row share the wait, which is rare and
 * harmless.
 */
#ifndef MREG_AUTH_THROTTLE_H
#define MREG_AUTH_THROTTLE_H

#include <stdint.h>

struct throttle;

struct throttle *throttle_new(void);
void throttle_free(struct throttle *t);
/* Milliseconds that the address still has to wait; 0: it may try. Any thread. */
int64_t throttle_wait_ms(struct throttle *t, const char *remote, int64_t now_ms);
/* Counts a bad token from the address. Any thread. */
void throttle_bad(struct throttle *t, const char *remote, int64_t now_ms);

#endif
