/*
 * What history_repo.c and history_packs.c share.
 */
#ifndef MREG_HISTORY_REPO_INNER_H
#define MREG_HISTORY_REPO_INNER_H

#include <git2.h>

#include "history_repo.h"

/* A merged pack that readers may still want. */
struct retired_pack {
    char name[PACK_NAME_BYTES];
    int64_t since_ms;
};

struct history_repo {
    char *path, *pack_dir;
    git_repository *git;
    git_odb *odb;
    struct retired_pack *retired;
    size_t n_retired;
    int64_t n_packs;       /* as of the last listing */
    bool (*go_on)(void *); /* may a merge go on? NULL: yes */
    void *go_on_arg;
};

struct pack_file {
    char name[PACK_NAME_BYTES]; /* "pack-<40 hex>" */
    uint32_t n_objects;
};

/* libgit2's last error as ours. */
int repo_error(struct err *e, enum err_code code, const char *what);
/* (Re)opens libgit2's handles on r->path. */
MUST_USE int repo_attach(struct history_repo *r, struct err *e);
/* Packs in use (with an index, not retired), in arena. */
MUST_USE int repo_list_packs(struct history_repo *r, struct arena *a, struct pack_file **packs,
                             size_t *n, struct err *e);
/* How many of the packs (ascending by size) to merge: as long as a pack has less than twice what
 * the smaller ones have together, so that each object is rewritten a logarithmic number of times,
 * and no more than take a few seconds. */
size_t repo_choose_packs(const struct pack_file *packs, size_t n_small);
/* ERR_CORRUPT if a pack is cut short or lacks: its last bytes are its checksum, which the index
 * repeats. The content is not read. */
MUST_USE int repo_check_packs(struct history_repo *r, struct err *e);

#endif
