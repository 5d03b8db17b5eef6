/*
 * The driver of servers that speak the KServe v2 protocol with its repository extension, with
 * MLServer's behaviour (docs/mlserver.md).
 */
#ifndef MREG_V2_H
#define MREG_V2_H

#include "driver.h"

extern const struct driver driver_v2;

#endif
