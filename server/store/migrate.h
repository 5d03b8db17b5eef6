/*
 * Schema migrations: embedded SQL files, applied in order, each in one transaction, recorded with
 * their SHA-256; forward only.
 */
#ifndef MREG_MIGRATE_H
#define MREG_MIGRATE_H

#include "embed.h"
#include "store.h"

/* Applies what is missing. Before the first migration of a database that already holds data, a copy
 * is written to "<path>.before-<NNNN>". ERR_REFUSED: the database knows a migration that this
 * program does not (message names the version needed); ERR_CORRUPT: an applied one was edited. */
MUST_USE int migrate_run(struct db *db, const char *path, const struct embed_file *files,
                         struct err *e);

#endif
