/*
 * Which process answers: what pages of metrics say about the server itself. Pure.
 */
#ifndef MREG_IDENTITY_H
#define MREG_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

/* When the process that wrote this page began, in ms UTC; 0: the page does not say. */
int64_t identity_started_ms(const char *page, size_t n);

#endif
