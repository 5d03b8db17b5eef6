/*
 * Half-fetched files of a pull: FOLDER/.mreg/<number>.part, and a list of the pieces that they
 * hold, so that an interrupted pull goes on where it was. Pieces are trusted only for not being
 * fetched again: every file's digest is checked before it gets its name.
 */
#ifndef MREG_PARTS_H
#define MREG_PARTS_H

#include <stdbool.h>

#include "manifest.h"

#define PARTS_PIECE_BYTES ((int64_t)16 << 20)

struct parts {
    const char *folder; /* the pulled folder; borrowed */
    int fd;             /* the list, or -1 */
    bool **has;         /* one array for each file; heap */
    const struct manifest *manifest;
    struct arena arena;
};

/* Opens the list of FOLDER (whose .mreg exists) for this content; leftovers of another content are
 * removed. ERR_LOCAL_IO. */
MUST_USE int parts_open(struct parts *p, const char *folder, const struct manifest *m,
                        const struct digest *content, struct err *e);
/* Makes the partial file of file i with its full size, unless it is there. ERR_LOCAL_IO. */
MUST_USE int parts_make(struct parts *p, size_t i, struct err *e);
/* Path of the partial file, in p's arena. */
const char *parts_path(struct parts *p, size_t i);
bool parts_has(const struct parts *p, size_t i, int64_t piece);
/* Bytes of file i that are still to be fetched. */
int64_t parts_missing(const struct parts *p, size_t i);
/* Notes a fetched piece. ERR_LOCAL_IO. */
MUST_USE int parts_add(struct parts *p, size_t i, int64_t piece, struct err *e);
/* Removes the partial file and forgets its pieces. */
void parts_drop(struct parts *p, size_t i);
/* Closes; is_done also removes the list and stray partial files. */
void parts_close(struct parts *p, bool is_done);

#endif
