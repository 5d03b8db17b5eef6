/*
 * The text of a commit made from a journal row, layout 1 (frozen: the same row gives the same bytes
 * for ever).
 */
#ifndef MREG_HISTORY_COMMIT_H
#define MREG_HISTORY_COMMIT_H

#include "db_journal.h"
#include "pack.h"

struct commit_parts {
    const struct db_journal_row *row;
    const struct db_journal_doc *docs; /* by path */
    size_t n_docs;
    const struct git_id *tree;
    const struct git_id *parent; /* NULL: the first commit */
    const char *registry_id, *domain;
};
/* Appends the commit without a signature: exactly the bytes that are signed. Any thread. */
void commit_write(const struct commit_parts *parts, struct buf *out);
/* Appends the commit `text` (as written above) with the SSHSIG armor in its header. */
void commit_write_signed(const struct buf *text, const char *armor, struct buf *out);
/* Row number that a commit's text (n bytes, borrowed) names in its last "Seq: " line; 0 if none. */
int64_t commit_seq(const char *text, size_t n);
/* Tree of a commit's text; false if it does not begin with one. */
bool commit_tree(const char *text, size_t n, struct git_id *tree);

#endif
