/*
 * The bare repository of the history, behind libgit2: reading objects, moving main, the files of
 * dumb HTTP clones, merging of packs. One thread at a time, with 128 KiB of stack or more.
 */
#ifndef MREG_HISTORY_REPO_H
#define MREG_HISTORY_REPO_H

#include "pack.h"

struct history_repo;

/* Opens the repository at path (copied); makes an empty one when nothing is there. Removes locks
 * and temporary files of a killed process: the caller holds the process lock of the data folder.
 * ERR_CORRUPT: what is there is no repository. *out: caller ends with history_repo_close. */
MUST_USE int history_repo_open(const char *path, struct history_repo **out, struct err *e);
/* Accepts NULL. */
void history_repo_close(struct history_repo *r);
/* Moves what is at path, if anything, to "<path>.old-<ms>". */
MUST_USE int history_repo_set_aside(const char *path, int64_t now_ms, struct err *e);

/* What main points at; *found is false for an empty repository. */
MUST_USE int history_repo_head(struct history_repo *r, struct git_id *head, bool *found,
                               struct err *e);
/* Appends the content of an object to out. ERR_CORRUPT: missing, unreadable or of another kind. */
MUST_USE int history_repo_read(struct history_repo *r, const struct git_id *id, enum pack_kind kind,
                               struct buf *out, struct err *e);
/* Writes the pack and makes its objects readable. */
MUST_USE int history_repo_add(struct history_repo *r, struct pack *pack, struct err *e);
/* Moves main from `from` (NULL: does not exist) to `to`. ERR_CONFLICT: main was elsewhere. */
MUST_USE int history_repo_move(struct history_repo *r, const struct git_id *from,
                               const struct git_id *to, struct err *e);
/* Writes info/refs and objects/info/packs for dumb HTTP. */
MUST_USE int history_repo_announce(struct history_repo *r, const struct git_id *head,
                                   struct err *e);
/* Merging asks go_on(arg) now and then, in the thread that merges, and gives up when it says no. */
void history_repo_ask(struct history_repo *r, bool (*go_on)(void *), void *arg);
/* Merges small packs when there are more than 50 and deletes packs that were merged 10 minutes ago
 * or earlier; *changed tells whether objects/info/packs must be written again. ERR_UNAVAILABLE:
 * given up, nothing has changed. */
MUST_USE int history_repo_tidy(struct history_repo *r, int64_t now_ms, bool *changed,
                               struct err *e);
/* Packs in use. */
int64_t history_repo_n_packs(const struct history_repo *r);

#endif
