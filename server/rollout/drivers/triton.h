/*
 * The driver of Triton: v2 with a repository whose loads leave versions alone that have not
 * changed.
 */
#ifndef MREG_TRITON_H
#define MREG_TRITON_H

#include "driver.h"

extern const struct driver driver_triton;

#endif
