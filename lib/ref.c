/*
 * References to versions: number, alias, digest, time, latest. Declared in name.h. Knows nothing of
 * which versions exist. Pure: any thread.
 */
#include "name.h"

#include <stdio.h>
#include <string.h>

#include "when.h"

#define NUMBER_DIGITS_MAX 15 /* below 2^53 */

static int parse_number(const char *text, struct ref *r, struct err *e)
{
    size_t n = strlen(text);
    if (text[0] == '0' || n > NUMBER_DIGITS_MAX)
        return err_set(e, ERR_INVALID, "\"%.64s\" is not a version number", text);
    r->kind = REF_NUMBER;
    for (; *text; text++)
        r->number = r->number * 10 + (*text - '0');
    return ERR_OK;
}

/* text starts with "@{". */
static int parse_time(const char *text, struct ref *r, struct err *e)
{
    char inner[WHEN_TEXT_BYTES * 2];
    size_t n = strlen(text);
    if (text[n - 1] != '}' || n - 3 >= sizeof inner)
        return err_set(e, ERR_INVALID, "\"%.64s\" is not a time: write @{2026-05-03}", text);
    memcpy(inner, text + 2, n - 3);
    inner[n - 3] = '\0';
    r->kind = REF_TIME;
    return when_parse(inner, &r->time_ms, e);
}

static int parse_any(const char *text, struct ref *r, struct err *e)
{
    if (strcmp(text, "latest") == 0) {
        r->kind = REF_LATEST;
        return ERR_OK;
    }
    if (strncmp(text, "@{", 2) == 0)
        return parse_time(text, r, e);
    if (strncmp(text, "sha256:", 7) == 0) {
        r->kind = REF_DIGEST;
        return digest_parse(text, &r->digest, e);
    }
    if (*text && text[strspn(text, "0123456789")] == '\0')
        return parse_number(text, r, e);
    int rc = name_check_alias(text, e);
    if (rc != ERR_OK)
        return rc;
    r->kind = REF_ALIAS;
    snprintf(r->alias, sizeof r->alias, "%s", text);
    return ERR_OK;
}

int ref_parse(const char *text, struct ref *out, struct err *e)
{
    struct ref r = {0};
    int rc = parse_any(text, &r, e);
    if (rc == ERR_OK)
        *out = r;
    return rc;
}

int ref_split(const char *text, char model[NAME_MAX_BYTES * 2 + 2], const char **ref, struct err *e)
{
    char name[NAME_MAX_BYTES * 2 + 2];
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    if (n >= sizeof name)
        return err_set(e, ERR_INVALID, "model name \"%.64s\" must be at most %d bytes", text,
                       NAME_MAX_BYTES);
    memcpy(name, text, n);
    name[n] = '\0';
    int rc = name_check_model(name, e);
    if (rc != ERR_OK)
        return rc;
    if (at && !at[1])
        return err_set(e, ERR_INVALID, "\"%.64s\" has nothing after the '@'", text);
    memcpy(model, name, n + 1);
    /* A time keeps its '@': "@{2026-05-03}" is a reference of its own. */
    *ref = !at ? "latest" : at[1] == '{' ? at : at + 1;
    return ERR_OK;
}
