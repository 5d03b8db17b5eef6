/*
 * Output: results on stdout, talk on stderr. A terminal gets tables and colour, a pipe plain tab-
 * separated lines, --json one object.
 */
#ifndef MREG_OUT_H
#define MREG_OUT_H

#include <stdbool.h>

#include "err.h"

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_WARN, TONE_FAINT, TONE_STRONG };

/* What -o says. */
enum format {
    FORMAT_AUTO, /* a terminal gets a table, a pipe plain lines */
    FORMAT_TABLE,
    FORMAT_WIDE,
    FORMAT_JSON,
    FORMAT_NDJSON,
    FORMAT_YAML,
    FORMAT_NAME,
    FORMAT_ID,
    FORMAT_PLAIN,
    FORMAT_COUNT
};

/* How long commands tell how far they are. */
enum progress_style {
    PROGRESS_AUTO, /* a bar on a terminal, else a line per phase */
    PROGRESS_BAR,
    PROGRESS_PLAIN,
    PROGRESS_JSON, /* an object per line, on stderr */
    PROGRESS_NONE
};

struct out {
    bool is_json;       /* the result goes through cli_json, in one of the formats from JSON on */
    bool is_accessible; /* nothing is drawn over, no faint text */
    bool is_headless;   /* tables without heads */
    enum format format;
    const char *filter; /* --jq; NULL: none */
    enum progress_style progress;
    const char *wanted; /* columns of tables: "NAME,VERSIONS"; NULL: all */
    char *fault;        /* OUT_FAULT_BYTES: what is wrong with `wanted`; "" if nothing */
    bool is_quiet;
    bool stdout_is_tty;
    bool stderr_is_tty;
    bool has_colour;        /* on stdout */
    bool stderr_has_colour; /* on stderr */
    int columns;            /* width of the terminal, 80 if unknown */
    int64_t as_of_ms;       /* what "2 h ago" is counted from; 0: now */
};

/* Looks at the terminal and the environment (NO_COLOR, TERM, COLUMNS). */
void out_init(struct out *o);
/* NULL-terminated names of the formats, as -o takes them. */
extern const char *const out_formats[];
void out_set_format(struct out *o, enum format format);
/* "bar", "plain", "json", "none" or "auto"; ERR_INVALID names them. */
MUST_USE int out_set_progress(struct out *o, const char *style, struct err *e);
/* Colour "always", "never" or "auto": as a terminal and the environment say. */
void out_set_colour(struct out *o, const char *when);
/* True if tables are aligned under heads, not lines with tabs. */
bool out_is_aligned(const struct out *o);
/* True if failures are told as an object on stdout, too. */
bool out_tells_errors(const struct out *o);
/* Talk on stderr; not with --quiet or --json. */
void out_say(const struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Start and end sequences of a tone for a stream ("" without colour). */
const char *out_on(const struct out *o, enum tone tone);
const char *out_off(const struct out *o);
/* The same for stderr. */
const char *out_err_on(const struct out *o, enum tone tone);
const char *out_err_off(const struct out *o);
/* Turns control characters of text into spaces, in place: what others wrote (reasons, messages,
 * descriptions) must neither drive a terminal nor break a line of a table. Returns text. */
char *out_clean(char *text);
/* "3 h ago" for a terminal, the RFC 3339 text for a pipe. text: RFC 3339 or "". In buffer. */
const char *out_ago(const struct out *o, const char *text, char buffer[40]);
/* "6.2 GB" */
const char *out_bytes(int64_t n, char buffer[24]);

#define TABLE_MAX_COLUMNS 12
#define OUT_FAULT_BYTES 160

/* Collects rows. A terminal gets them aligned, with heads, and cut to its width (the widest columns
 * give way first); a pipe gets them whole and tab-separated, without heads. */
struct table {
    const struct out *out;
    struct arena arena;
    int n_columns;
    const char **cells; /* row by row, the heads first; heap */
    enum tone *tones;   /* one for each cell */
    size_t n_cells, cap;
    bool is_wordy; /* the last column is text, which a terminal gets over several lines */
    const char *const *lesser; /* heads that a narrow terminal does not get, the first one first,
                                  unless they were asked for; ends with NULL; may be NULL */
};
/* heads: n column names, upper case. */
void table_init(struct table *t, const struct out *o, int n, const char *const *heads);
/* Milliseconds since the Unix epoch by this machine's clock. */
int64_t out_now_ms(void);
/* True if times are told as "2 h ago" and short forms are wanted: a terminal, without -o wide. */
bool out_is_short(const struct out *o);
/* Adds a cell to the row under construction; rows are full after n_columns cells. */
void table_cell(struct table *t, enum tone tone, const char *text);
void table_cellf(struct table *t, enum tone tone, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Prints to stdout, the wanted columns in their order, and frees. A column that is not there is a
 * fault of the command line: nothing is printed, out->fault says it. */
void table_print(struct table *t);
/* Frees without printing. */
void table_clear(struct table *t);

#endif
