/*
 * What is to know beside the commands: exit codes, environment, files, error codes. The same texts
 * are shown by "mreg help TOPIC" and stand in the manual pages.
 */
#ifndef MREG_TOPICS_H
#define MREG_TOPICS_H

struct topic_row {
    const char *term, *text;
};
struct topic {
    const char *name, *title;
    const char *text;             /* one paragraph */
    const struct topic_row *rows; /* ends with term NULL */
};

extern const struct topic topics[]; /* ends with name NULL */
/* The topic of that name, or NULL. */
const struct topic *topic_find(const char *name);
/* The row of a topic whose first word is `term`, or NULL. */
const struct topic_row *topic_row_find(const struct topic *topic, const char *term);

#endif
