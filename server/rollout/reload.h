/*
 * A service on this host that reads a file which mreg generates: replacing the file, asking for the
 * reload, and how far the reload has come.
 */
#ifndef MREG_RELOAD_H
#define MREG_RELOAD_H

#include "io.h"

/* First line of every generated file: without it a file is somebody else's. */
#define RELOAD_MARK "# Written by mreg; changes are overwritten."

/* Does the job (io.h). *out (cleared with http_answer_clear) has lines "exists 0|1", "running 0|1"
 * and "draining N" (processes of before the last reload that still answer requests; only if it
 * runs), as far as they can be known. Blocks for disk only. Codes: io.h. */
MUST_USE int reload_run(const struct reload_job *job, struct http_answer *out, struct err *e);

#endif
