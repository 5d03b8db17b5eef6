/*
 * What the pages of metrics of servers that speak v2 say about models: MLServer's names and
 * Triton's. Pure.
 */
#ifndef MREG_COUNTERS_H
#define MREG_COUNTERS_H

#include "driver.h"
#include "histogram.h"

/* As driver.scrape. */
void counters_read(const char *text, size_t n, const char *const *names, size_t n_names,
                   struct driver_counts *out, struct driver_page *page);
/* True for the page of a server whose requests can be counted, also if there were none yet. */
bool counters_are_on(const char *text, size_t n);
/* As driver.histogram. */
bool counters_histogram(const char *text, size_t n, const char *serve_as, struct histogram *out,
                        enum driver_timing *what);

#endif
