/*
 * JSON in: the checked door to Jansson's parser. Jansson recurses once per level of nesting, and
 * requests are parsed on threads with small stacks, so a linear scan refuses deep input first.
 * Knows nothing of what a document means. Pure: any thread.
 */
#include "json.h"

#include <string.h>

#define WORD_MAX 64

void json_decref_ptr(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* What the scan has seen up to `at`. */
struct scan {
    size_t at;
    size_t line;
    size_t line_start;
    int depth;
};

/* Moves s->at from an opening quote to its closing one, or to the end. Well-formedness is left to
 * Jansson: the scan only has to agree with it on where a string ends. */
static void skip_string(struct scan *s, const char *bytes, size_t n)
{
    for (s->at++; s->at < n && bytes[s->at] != '"'; s->at++) {
        if (bytes[s->at] == '\\')
            s->at++;
        else if (bytes[s->at] == '\n')
            return; /* never legal inside a string: Jansson stops here too */
    }
}

/* False when nesting passes max_depth; s then says where. */
static bool depth_is_fine(struct scan *s, const char *bytes, size_t n, int max_depth)
{
    for (; s->at < n; s->at++) {
        char c = bytes[s->at];
        if (c == '"') {
            skip_string(s, bytes, n);
        } else if (c == '[' || c == '{') {
            if (++s->depth > max_depth)
                return false;
        } else if (c == ']' || c == '}') {
            s->depth--;
        } else if (c == '\n') {
            s->line++;
            s->line_start = s->at + 1;
        }
    }
    return true;
}

/* Jansson adds the offending input to its messages; the place is enough, and the input may be a
 * secret or unprintable. */
static int parse_error(const json_error_t *je, struct err *e)
{
    const char *near = strstr(je->text, " near ");
    int len = near ? (int)(near - je->text) : (int)strlen(je->text);
    return err_set(e, ERR_INVALID, "not valid JSON: line %d, column %d: %.*s", je->line, je->column,
                   len, je->text);
}

int json_parse(const char *bytes, size_t n, int max_depth, json_t **out, struct err *e)
{
    if (!bytes || n == 0)
        return err_set(e, ERR_INVALID, "not valid JSON: line 1, column 1: nothing here");
    if (memchr(bytes, '\0', n)) /* Jansson would take it for the end of the text */
        return err_set(e, ERR_INVALID, "not valid JSON: a NUL byte is in it");
    struct scan s = {.line = 1};
    if (!depth_is_fine(&s, bytes, n, max_depth))
        return err_set(e, ERR_INVALID, "line %zu, column %zu: JSON nested more than %d deep",
                       s.line, s.at - s.line_start + 1, max_depth);
    json_error_t je;
    json_t *j = json_loadb(bytes, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (!j)
        return parse_error(&je, e);
    *out = j;
    return ERR_OK;
}

/* Levenshtein distance of two words of at most WORD_MAX bytes, by one row. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t nb = strlen(b);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < nb; j++) {
            size_t cost = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            size_t step = (row[j] < diagonal ? row[j] : diagonal) + 1;
            row[j + 1] = cost < step ? cost : step;
        }
    }
    return row[nb];
}

/* Lower is nearer; 4 is no likeness at all. */
static size_t unlikeness(const char *word, const char *entry)
{
    size_t nw = strlen(word);
    size_t ne = strlen(entry);
    if (nw == 0 || ne == 0 || nw > WORD_MAX || ne > WORD_MAX)
        return 4;
    size_t d = edit_distance(word, entry);
    if (d >= nw || d >= ne || d > 2) /* a short word is otherwise like every other short word */
        d = 4;
    if (d > 1 && strncmp(word, entry, nw < ne ? nw : ne) == 0)
        return 2;
    return d == 2 ? 3 : d;
}

const char *json_nearest(const char *word, const char *const *list)
{
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; list && list[i]; i++) {
        size_t u = unlikeness(word, list[i]);
        if (u < least) {
            least = u;
            best = list[i];
        }
    }
    return best;
}
