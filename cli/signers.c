/*
 * Reads allowed_signers text. What cannot be understood is not trusted. Pure.
 */
#include "signers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "when.h"

#define LINE_BYTES 3072

/* "20261121032329Z", "202611210323Z" or "20261121Z" as milliseconds. */
static bool read_time(const char *text, int64_t *ms)
{
    char full[24] = "00000000000000";
    char iso[WHEN_TEXT_BYTES];
    size_t n = strspn(text, "0123456789");
    if ((n != 8 && n != 12 && n != 14) || strcmp(text + n, "Z") != 0)
        return false;
    memcpy(full, text, n);
    snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", full, full + 4, full + 6, full + 8,
             full + 10, full + 12);
    return when_parse(iso, ms, NULL) == ERR_OK;
}

static bool use_option(struct signer *s, const char *name, const char *value)
{
    if (strcasecmp(name, "namespaces") == 0)
        return (size_t)snprintf(s->namespaces, sizeof s->namespaces, "%s", value) <
               sizeof s->namespaces;
    if (strcasecmp(name, "valid-after") == 0)
        return read_time(value, &s->after_ms);
    if (strcasecmp(name, "valid-before") == 0)
        return read_time(value, &s->before_ms);
    return false;
}

/* name="value",name="value" up to a blank; *at is advanced. */
static bool read_options(struct signer *s, char **at)
{
    char *p = *at;
    while (*p && !isspace((unsigned char)*p)) {
        char *equals = strstr(p, "=\"");
        char *quote = equals ? strchr(equals + 2, '"') : NULL;
        if (!quote || equals > p + strcspn(p, " \t,"))
            return false;
        *equals = *quote = '\0';
        if (!use_option(s, p, equals + 2))
            return false;
        p = quote + 1;
        if (*p == ',')
            p++;
    }
    *at = p;
    return true;
}

/* The first "registry@<domain>" among the principals. */
static bool read_domain(struct signer *s, char *principals)
{
    char *name;
    while ((name = strsep(&principals, ","))) {
        size_t n = strlen(name);
        if (strncmp(name, "registry@", 9) == 0 && n > 9 && n - 9 < sizeof s->domain &&
            !strpbrk(name, "*?!")) {
            memcpy(s->domain, name + 9, n - 8);
            return true;
        }
    }
    return false;
}

static bool read_line(char *line, struct signer *s)
{
    static const char blanks[] = " \t\r";
    *s = (struct signer){.after_ms = INT64_MIN, .before_ms = INT64_MAX};
    line += strspn(line, blanks);
    char *rest = line + strcspn(line, blanks);
    if (*line == '#' || !*rest)
        return false;
    *rest++ = '\0';
    rest += strspn(rest, blanks);
    if (!read_domain(s, line))
        return false;
    if (strncmp(rest, "ssh-", 4) != 0 && !read_options(s, &rest))
        return false;
    rest += strspn(rest, blanks);
    return seal_public_parse(rest, &s->key, NULL) == ERR_OK;
}

bool signers_next(const char **text, struct signer *out)
{
    while (**text) {
        char line[LINE_BYTES];
        size_t n = strcspn(*text, "\n");
        bool fits = n < sizeof line;
        if (fits) {
            memcpy(line, *text, n);
            line[n] = '\0';
        }
        *text += n + ((*text)[n] == '\n');
        if (fits && read_line(line, out))
            return true;
    }
    return false;
}

static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (;;) {
        size_t n = strcspn(list, ",");
        if (n == length && strncmp(list, word, n) == 0)
            return true;
        if (!list[n])
            return false;
        list += n + 1;
    }
}

bool signer_allows(const struct signer *s, const char *name_space, int64_t time_ms)
{
    bool is_time = time_ms >= s->after_ms && time_ms < s->before_ms;
    return is_time && (!*s->namespaces || list_has(s->namespaces, name_space));
}
