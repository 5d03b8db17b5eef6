/*
 * Single keys from a terminal, without Enter and without echo.
 */
#ifndef MREG_KEYBOARD_H
#define MREG_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>

/* Switches the terminal on stdin; false when stdin is none. It is switched back at the end of the
 * process, however it ends but by SIGKILL. */
bool keyboard_open(void);
void keyboard_close(void);
/* The next key, 0 when none came within timeout_ms. */
int keyboard_next(int64_t timeout_ms);

#endif
