/*
 * A file system in memory for the database of a simulation: no system calls, and a finished file
 * can be taken as bytes and put back. One process.
 */
#ifndef MREG_SIM_VFS_H
#define MREG_SIM_VFS_H

#include <stddef.h>

/* From now on SQLite opens its files here. */
void sim_vfs_use(void);
/* Makes the file exactly these bytes (borrowed). */
void sim_vfs_put(const char *path, const void *bytes, size_t n);
/* The bytes of a file (borrowed until it changes), NULL if there is none. */
const void *sim_vfs_get(const char *path, size_t *n);

#endif
