/*
 * A store in a temporary folder with a clock of its own, journal rows made from a number, and stock
 * git: what tests of the journal and the history share.
 */
#ifndef MREG_SUPPORT_HISTORY_H
#define MREG_SUPPORT_HISTORY_H

#include "buf.h"
#include "history.h"
#include "journal.h"
#include "support_dir.h"

struct history_fixture {
    struct temp_dir dir;
    struct store *store;
    _Atomic int64_t now_ms; /* the store's clock */
    int64_t n_made;         /* rows made by fixture_rows so far */
};

/* Empty store; the clock stands at 2026-05-03T10:00:00.250Z. */
void fixture_make(struct history_fixture *f);
void fixture_remove(struct history_fixture *f);
/* Appends one row with one document. Returns its seq; stops the test on errors. */
int64_t fixture_row(struct history_fixture *f, enum journal_kind kind, const char *object,
                    const char *path, const char *doc);
/* Appends n rows of mixed kinds, the same at every run; the clock advances 137 ms per row. */
void fixture_rows(struct history_fixture *f, int64_t n);
/* Last row of the journal. */
int64_t fixture_last_seq(struct history_fixture *f);
/* Runs a shell command in the fixture's folder with nobody's git configuration; stdout to out
 * (which is reset). Returns the exit code. */
int fixture_shell(struct history_fixture *f, struct buf *out, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
