/*
 * Secret keys on disk. Knows files, not which key is trusted. Any thread, one at a time.
 */
#include "keys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES (2 * SEAL_SEED_BYTES + 1) /* hex and a newline */

static int fail(struct err *e, const char *path)
{
    int number = errno;
    if (number == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
    return err_set(e, number == ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, "%s: %s", path,
                   strerror(number));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Overwrites in a way that the compiler keeps. */
static void wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

static bool parse_seed(const char *text, size_t n, uint8_t seed[SEAL_SEED_BYTES])
{
    if (n != TEXT_BYTES || text[n - 1] != '\n')
        return false;
    for (size_t i = 0; i < SEAL_SEED_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        seed[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int keys_file_load(const char *dir, const char *name, struct seal_key *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    char text[TEXT_BYTES + 1];
    uint8_t seed[SEAL_SEED_BYTES];
    arena_init(&a);
    char *path = arena_printf(&a, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, path);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    bool is_fine = n > 0 && parse_seed(text, (size_t)n, seed);
    if (is_fine)
        seal_key_from_seed(out, seed);
    wipe(text, sizeof text);
    wipe(seed, sizeof seed);
    return is_fine ? ERR_OK : err_set(e, ERR_CORRUPT, "%s is not a key file", path);
}

static int sync_dir(const char *dir, struct err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, dir);
    int code = fsync(fd) ? fail(e, dir) : ERR_OK;
    close(fd);
    return code;
}

static int write_text(const char *path, const char *text, size_t n, struct err *e)
{
    unlink(path); /* a leftover might have another mode */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(e, path);
    int code = write(fd, text, n) == (ssize_t)n && !fsync(fd) ? ERR_OK : fail(e, path);
    if (close(fd) && !code)
        code = fail(e, path);
    return code;
}

int keys_file_save(const char *dir, const char *name, const struct seal_key *key, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    char text[TEXT_BYTES + 1];
    arena_init(&a);
    char *path = arena_printf(&a, "%s/%s", dir, name);
    char *temporary = arena_printf(&a, "%s.tmp", path);
    for (size_t i = 0; i < SEAL_SEED_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)key->secret[i]);
    text[TEXT_BYTES - 1] = '\n';
    int code = write_text(temporary, text, TEXT_BYTES, e);
    wipe(text, sizeof text);
    if (!code && rename(temporary, path))
        code = fail(e, path);
    return code ? code : sync_dir(dir, e);
}

int keys_file_promote(const char *dir, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    char *next = arena_printf(&a, "%s/" KEYS_FILE_NEXT, dir);
    if (rename(next, arena_printf(&a, "%s/" KEYS_FILE, dir)))
        return fail(e, next);
    return sync_dir(dir, e);
}

int keys_file_drop_next(const char *dir, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    char *next = arena_printf(&a, "%s/" KEYS_FILE_NEXT, dir);
    return unlink(next) ? fail(e, next) : sync_dir(dir, e);
}
