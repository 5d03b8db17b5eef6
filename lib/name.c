/*
 * The rules of names, paths inside a version, and the folder names that history makes of them.
 * Knows nothing of what exists. References are in ref.c. Pure: any thread.
 */
#include "name.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_BYTES 1024
#define SERVED_MAX_BYTES 63
#define FOLDER_PLAIN_BYTES 100

/* Rules of one part of a name, or of a path: n bytes, none of `forbidden`. Fills `why` (and
 * returns false) when one is broken. */
static bool part_is_fine(const char *part, size_t n, const char *forbidden, char why[64])
{
    if (n == 0) {
        snprintf(why, 64, "must not be empty");
        return false;
    }
    if (n > NAME_MAX_BYTES) {
        snprintf(why, 64, "must be at most %d bytes", NAME_MAX_BYTES);
        return false;
    }
    if (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.'))) {
        snprintf(why, 64, "must not be \".\" or \"..\"");
        return false;
    }
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t len = utf8_next(part + i, n - i, &code);
        if (len == 0 || utf8_is_control(code)) {
            snprintf(why, 64, len ? "must not contain control characters" : "must be UTF-8");
            return false;
        }
        if (len == 1 && strchr(forbidden, part[i])) {
            snprintf(why, 64, "must not contain '%c'", part[i]);
            return false;
        }
        i += len;
    }
    return true;
}

int name_check(const char *what, const char *name, struct err *e)
{
    char why[64];
    if (!part_is_fine(name, strlen(name), "/:@", why))
        return err_set(e, ERR_INVALID, "%s name \"%.64s\" %s", what, name, why);
    return ERR_OK;
}

int name_check_model(const char *name, struct err *e)
{
    char why[64];
    const char *slash = strchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    if (strlen(name) > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "model name \"%.64s\" must be at most %d bytes", name,
                       NAME_MAX_BYTES);
    if (slash && !part_is_fine(name, (size_t)(slash - name), "/:@", why))
        return err_set(e, ERR_INVALID, "namespace of model name \"%.64s\" %s", name, why);
    if (strchr(last, '/'))
        return err_set(e, ERR_INVALID, "model name \"%.64s\" has more than one namespace", name);
    if (!part_is_fine(last, strlen(last), "/:@", why))
        return err_set(e, ERR_INVALID, "model name \"%.64s\" %s", name, why);
    return ERR_OK;
}

int name_check_alias(const char *name, struct err *e)
{
    int rc = name_check("alias", name, e);
    if (rc != ERR_OK)
        return rc;
    if (name[strspn(name, "0123456789")] == '\0')
        return err_set(e, ERR_INVALID, "alias name \"%.64s\" would be taken for a version number",
                       name);
    if (strcmp(name, "latest") == 0)
        return err_set(e, ERR_INVALID, "alias name \"latest\" is reserved for the newest version");
    return ERR_OK;
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int name_check_served(const char *name, struct err *e)
{
    size_t n = 0;
    while (is_letter(name[n]) || is_digit(name[n]) || name[n] == '-')
        n++;
    if (!is_letter(name[0]) || name[n] || n > SERVED_MAX_BYTES)
        return err_set(
            e, ERR_INVALID,
            "served name \"%.80s\" must be a letter a-z, then up to 62 of a-z, 0-9 and -", name);
    return ERR_OK;
}

void name_make_served(const char *model, char out[64])
{
    size_t n = 0;
    char first = *model >= 'A' && *model <= 'Z' ? (char)(*model - 'A' + 'a') : *model;
    if (!is_letter(first)) {
        out[n++] = 'm';
        out[n++] = '-';
    }
    for (; *model && n < SERVED_MAX_BYTES; model++) {
        char c = *model >= 'A' && *model <= 'Z' ? (char)(*model - 'A' + 'a') : *model;
        out[n++] = is_letter(c) || is_digit(c) ? c : '-';
    }
    out[n] = '\0';
}

int name_check_path(const char *path, struct err *e)
{
    char why[64];
    if (strlen(path) > PATH_MAX_BYTES)
        return err_set(e, ERR_INVALID, "path \"%.64s\" must be at most %d bytes", path,
                       PATH_MAX_BYTES);
    if (path[0] == '/')
        return err_set(e, ERR_INVALID, "path \"%.64s\" must not start with '/'", path);
    char drive = (char)(path[0] | 0x20);
    if (is_letter(drive) && path[1] == ':')
        return err_set(e, ERR_INVALID, "path \"%.64s\" must not start with a drive letter", path);
    for (const char *part = path;; part++) {
        size_t n = strcspn(part, "/");
        if (!part_is_fine(part, n, "\\", why))
            return err_set(e, ERR_INVALID, "path \"%.64s\": a part of it %s", path, why);
        part += n;
        if (!*part)
            return ERR_OK;
    }
}

static bool is_plain_folder(const char *name)
{
    size_t n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool first_ok = is_letter(c) || is_digit(c);
        if (!first_ok && (n == 0 || !strchr("._-", c)))
            return false;
        if (c == '.' && name[n + 1] == '.')
            return false;
    }
    bool is_lock = n >= 5 && strcmp(name + n - 5, ".lock") == 0;
    return n > 0 && n <= FOLDER_PLAIN_BYTES && name[n - 1] != '.' && !is_lock;
}

void name_folder(const char *name, char out[NAME_FOLDER_BYTES])
{
    if (is_plain_folder(name)) {
        snprintf(out, NAME_FOLDER_BYTES, "%s", name);
        return;
    }
    struct digest d;
    char hex[DIGEST_HEX_BYTES];
    digest_of(name, strlen(name), &d);
    snprintf(out, NAME_FOLDER_BYTES, "~%.40s", digest_hex(&d, hex));
}

void name_shard(const char *name, char out[6])
{
    struct digest d;
    char hex[DIGEST_HEX_BYTES];
    digest_of(name, strlen(name), &d);
    digest_hex(&d, hex);
    snprintf(out, 6, "%c/%c/%c", hex[0], hex[1], hex[2]);
}

/* On a mismatch only the last '*' has to be tried again, one byte further: an earlier one could
 * not do better. So this is at worst the product of the lengths, without recursion. */
bool name_glob(const char *glob, const char *name)
{
    const char *star = NULL;
    const char *from = NULL;
    while (*name) {
        if (*glob == '*') {
            star = ++glob;
            from = name;
        } else if (*glob && (*glob == '?' || *glob == *name)) {
            glob++;
            name++;
        } else if (star) {
            glob = star;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}
