/*
 * The settings file that tells a serving node what to load, made from a version's files.
 */
#ifndef MREG_LAYOUT_H
#define MREG_LAYOUT_H

#include "manifest.h"

#define LAYOUT_MARKER ".mreg.json" /* in each folder that mreg placed */
#define LAYOUT_MAX_DEPTH 32        /* folders inside a version */
#define LAYOUT_FILE "model-settings.json"
#define LAYOUT_SOURCE "serving/model-settings.json"
#define LAYOUT_MAX_BYTES ((size_t)256 << 10)

/* The version's own settings file (serving/model-settings.json, or model-settings.json at its top),
 * or NULL. */
const struct manifest_file *layout_source(const struct manifest *m);
/* Writes the settings of version `number` served as `serve_as` to out. own: the bytes of the
 * version's own settings file, n of them, or NULL: made by format. ERR_INVALID: no settings can be
 * made; the message says what to add. Pure. */
MUST_USE int layout_write(const struct manifest *m, const char *serve_as, int64_t number,
                          const char *own, size_t n, struct buf *out, struct err *e);
/* ERR_INVALID if a file of the version would be taken for a model of its own or clashes with what
 * delivery writes. Pure. */
MUST_USE int layout_check_paths(const struct manifest *m, struct err *e);
/* As above, and ERR_INVALID when no settings can be made for its format: asked before a rollout
 * begins. Pure. */
MUST_USE int layout_check(const struct manifest *m, struct err *e);

#endif
