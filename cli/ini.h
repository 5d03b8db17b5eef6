/*
 * Settings in text files: sections "[core]" and "[context \"prod\"]", lines "key = value", comments
 * behind '#' or ';', values in double quotes where they need them. The form is git's.
 */
#ifndef MREG_INI_H
#define MREG_INI_H

#include "buf.h"
#include "err.h"

struct ini_entry {
    const char *section;    /* lower case; "" before the first section */
    const char *subsection; /* "" if there is none */
    const char *key;        /* lower case */
    const char *value;
    int line; /* from 1 */
};
struct ini {
    struct arena arena; /* owns all texts */
    struct ini_entry *entries;
    size_t n;
};

/* Reads text (borrowed) into *out, which must be cleared with ini_clear in any case. ERR_INVALID
 * names the line. */
MUST_USE int ini_parse(const char *text, struct ini *out, struct err *e);
void ini_clear(struct ini *ini);
/* The last entry of that place, or NULL. Borrowed. */
const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *subsection,
                                 const char *key);
/* Appends to `out` the text with one key set (value NULL: removed). Everything else stays as it is.
 */
void ini_set(const char *text, const struct ini_entry *place, struct buf *out);
/* Appends to `out` the text without a whole section. */
void ini_drop(const char *text, const char *section, const char *subsection, struct buf *out);

#endif
