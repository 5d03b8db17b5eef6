/*
 * What happens when the command itself is broken.
 */
#ifndef MREG_CRASH_H
#define MREG_CRASH_H

/* From now on a crash leaves a report in the cache folder, says where, and ends with exit code 70.
 */
void crash_init(void);
/* The command for the report; text (borrowed) must stay. */
void crash_note(const char *command);

#endif
