/*
 * What a first look at a node found, in words: what is missing for which gate and how to switch it
 * on. Pure.
 */
#ifndef MREG_PROBE_REPORT_H
#define MREG_PROBE_REPORT_H

#include "json.h"
#include "probe.h"

/* {"reachable","server"?:{"name","version"},"ready","control","models":[{"name","version","state"}],
 * "metrics":{"found","counts_requests","durations","process_start"},"version_ready"?,
 * "problems":[{"what","text","fix"?,"gates"?:[]}]}. asks_version: the probe asked about a version.
 * Caller owns it. */
json_t *probe_report(const struct driver_probe *p, const struct driver_node *node,
                     bool asks_version);
/* One more problem; fix may be NULL. */
void probe_problem(json_t *report, const char *what, const char *fix, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
