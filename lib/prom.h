/*
 * Reader of the Prometheus text format, one sample at a time, without allocation. Comments, HELP
 * and TYPE lines are skipped; a line that is not a sample is skipped and counted.
 */
#ifndef MREG_PROM_H
#define MREG_PROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROM_MAX_LABELS 16
#define PROM_MAX_NAME_BYTES 255

struct prom_label {
    const char *name;
    size_t name_len;
    const char *value; /* between the quotes, still escaped */
    size_t value_len;
};
struct prom_sample {
    const char *name;
    size_t name_len;
    struct prom_label labels[PROM_MAX_LABELS]; /* slices of the text given to prom_init */
    int n_labels;
    double value; /* may be infinite or NaN, as the format allows */
};
struct prom {
    const char *at, *end;
    int64_t n_samples; /* read so far */
    int64_t n_bad;     /* lines skipped because they are no sample */
};

/* Starts reading n bytes of text (borrowed until the last use of a sample). */
void prom_init(struct prom *p, const char *text, size_t n);
/* Reads the next sample; false at the end of the text. */
bool prom_next(struct prom *p, struct prom_sample *out);
/* Moves on to the next line that begins with this text, from the beginning of a line; false (at the
 * end) if there is none. Much faster than reading every sample. */
bool prom_seek(struct prom *p, const char *text);
/* True if the sample has exactly this name. */
bool prom_is(const struct prom_sample *s, const char *name);
/* True if the sample has the label with this (unescaped) value. */
bool prom_has(const struct prom_sample *s, const char *label, const char *value);

#endif
