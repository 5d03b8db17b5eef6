/*
 * Plain structs to JSON members and back, by a table of fields: for records whose JSON form nobody
 * but mreg reads. Zero, false and "" are left out when written and are what an absent member means.
 */
#ifndef MREG_FIELDS_H
#define MREG_FIELDS_H

#include "json.h"
#include "jsonw.h"
#include "mem.h"

enum field_type {
    FIELD_INT,    /* int, 0 or positive */
    FIELD_SIGNED, /* int of any sign */
    FIELD_INT64,  /* int64_t within +-(2^53-1) */
    FIELD_BOOL,
    FIELD_TEXT, /* char array of `size` bytes */
    FIELD_STR,  /* const char *, read into the arena */
    FIELD_NAME  /* enum, written as names[value]; size is the number of names */
};
struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    size_t size;
    const char *const *names;
};

#define FIELD_OF(type_, struct_, member_)                                                  \
    {                                                                                      \
#member_, type_, offsetof(struct_, member_), sizeof(((struct_ *)0)->member_), NULL \
    }
#define FIELD_ENUM(struct_, member_, names_)                                        \
    {                                                                               \
#member_, FIELD_NAME, offsetof(struct_, member_), ARRAY_LEN(names_), names_ \
    }

/* Writes the n fields of the struct at base (borrowed) as members of the open object of w. */
void fields_write(struct jsonw *w, const struct field *fields, size_t n, const void *base);
/* Reads them from obj, whose JSON pointer is at, into the struct at base; strings are copied into
 * a. Other members of obj are ignored. ERR_INVALID with the pointer of the fault. */
MUST_USE int fields_read(const json_t *obj, const char *at, const struct field *fields, size_t n,
                         struct arena *a, void *base, struct err *e);

#endif
