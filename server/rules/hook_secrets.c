/*
 * Files with the secrets of webhooks: the only code that reads or writes them. Must not know
 * records or deliveries, and nothing here may reach a log. Any thread.
 */
#include "hook_secrets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datadir.h"

#define FOLDER "webhooks"
#define FILE_MAX_BYTES 4096
#define NAME_LETTERS 20

static const char *folder_of(const char *data, struct arena *a)
{
    return arena_printf(a, "%s/" FOLDER, data);
}

int hook_secrets_save(const char *data, const struct webhook_keyring *r,
                      char name[HOOK_SECRETS_NAME_BYTES], struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf text CLEANUP(buf_clear);
    char letters[NAME_LETTERS + 1];
    const char *folder = folder_of(data, &a);
    buf_init(&text, FILE_MAX_BYTES);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(e, ERR_UNAVAILABLE, "cannot make %s: %s", folder, strerror(errno));
    seal_random_base62(letters, NAME_LETTERS);
    snprintf(name, HOOK_SECRETS_NAME_BYTES, "k-%s.json", letters);
    webhook_keyring_write(r, &text);
    int rc = datadir_write(folder, name, text.data, text.len, e);
    explicit_bzero(text.data, text.len);
    return rc;
}

/* The whole small file; *n counts its bytes. */
static int read_all(const char *path, char text[FILE_MAX_BYTES], size_t *n, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
                       "the webhook's secrets cannot be opened: %s", strerror(errno));
    ssize_t got = read(fd, text, FILE_MAX_BYTES);
    close(fd);
    if (got < 0)
        return err_set(e, ERR_UNAVAILABLE, "the webhook's secrets cannot be read: %s",
                       strerror(errno));
    *n = (size_t)got;
    return ERR_OK;
}

int hook_secrets_load(const char *data, const char *name, struct webhook_keyring *out,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char *text CLEANUP(mem_free_ptr) = mem_alloc(FILE_MAX_BYTES);
    size_t n = 0;
    memset(out, 0, sizeof *out);
    int rc = read_all(arena_printf(&a, "%s/%s", folder_of(data, &a), name), text, &n, e);
    if (!rc)
        rc = webhook_keyring_read(text, n, out, e);
    explicit_bzero(text, FILE_MAX_BYTES);
    return rc;
}

void hook_secrets_remove(const char *data, const char *name)
{
    struct arena a CLEANUP(arena_clear) = {0};
    unlink(arena_printf(&a, "%s/%s", folder_of(data, &a), name));
}

static bool is_named(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

void hook_secrets_sweep(const char *data, const char *const *names, size_t n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    DIR *folder = opendir(folder_of(data, &a));
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && !is_named(entry->d_name, names, n))
            hook_secrets_remove(data, entry->d_name);
    if (folder)
        closedir(folder);
}
