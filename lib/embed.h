/*
 * Files embedded in the binary at build time (packaging/embed.cmake). Tables end with name NULL.
 */
#ifndef MREG_EMBED_H
#define MREG_EMBED_H

#include <stddef.h>

struct embed_file {
    const char *name;           /* base name, "0001_start.sql" */
    const unsigned char *bytes; /* `length` bytes and a NUL that is not counted */
    size_t length;
};

extern const struct embed_file embed_migrations[]; /* ascending by name */
extern const struct embed_file embed_web[];        /* empty when built with MREG_WEB=off */
extern const struct embed_file embed_shell[];      /* completions, in the command */
extern const struct embed_file embed_ci[];         /* pipelines and their script, in the command */

#endif
