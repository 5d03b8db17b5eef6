/*
 * Ctrl-C and SIGTERM: commands end with exit 130 or 143 after tidying up a temporary file and
 * saying that nothing was lost; a watch asks instead, so that it can say how to come back.
 */
#ifndef MREG_INTERRUPT_H
#define MREG_INTERRUPT_H

struct termios;

/* Sets the handlers; also turns broken pipes into ordinary write errors. is_silent: say nothing. */
void interrupt_init(int is_silent);
/* A file and its folder that are removed on interruption; file NULL forgets them. */
void interrupt_temporary(const char *file, const char *folder);
/* The state that the terminal of standard input gets back on interruption; NULL forgets it. */
void interrupt_terminal(const struct termios *before);
/* From now on an interruption only sets a mark. */
void interrupt_ask(void);
/* The mark: 0, 130 or 143. */
int interrupt_code(void);

#endif
