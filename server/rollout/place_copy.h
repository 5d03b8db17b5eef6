/*
 * Copying a stored file to a node's folder, checked against its digest on the way.
 */
#ifndef MREG_PLACE_COPY_H
#define MREG_PLACE_COPY_H

#include "manifest.h"
#include "place.h"

/* ERR_TIMEOUT after deadline_ms, ERR_UNAVAILABLE when the server stops. */
MUST_USE int place_check_time(const struct place *p, int64_t deadline_ms, struct err *e);
/* Writes file f of a version to dir/<its path>, making folders, synced. ERR_CORRUPT: the stored
 * bytes are not those of the digest; ERR_NO_SPACE and others as place_run. */
MUST_USE int place_copy(const struct place *p, int dir, const struct manifest_file *f,
                        int64_t deadline_ms, struct err *e);

#endif
