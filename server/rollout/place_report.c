/*
 * Looks at a node's root: can it be read and written, is it one filesystem, how much is free, which
 * folders lie there. Changes nothing but, if it may, for a file that is made and removed at once:
 * permissions alone do not tell whether a mount can be written. Any thread.
 */
#include "place_report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "place.h"
#include "place_dir.h"

#define MAX_ENTRIES 1000

static bool can_write(int root)
{
    char name[48];
    uint64_t salt = 0;
    int fd;

    if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return false;
    (void)snprintf(name, sizeof(name), ".mreg-probe-%016" PRIx64, salt);
    fd = openat(root, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    (void)close(fd);
    return unlinkat(root, name, 0) == 0;
}

static bool is_one_filesystem(int root)
{
    struct stat above, below;

    if (fstat(root, &above) != 0 || fstatat(root, PLACE_HIDDEN, &below, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* it will be made there */
    return above.st_dev == below.st_dev;
}

void place_report(const char *root, bool tries, struct arena *a, struct place_report *out)
{
    int fd CLEANUP(dir_close_fd) = -1;
    struct statvfs fs;
    struct err e = {0};
    char **names = NULL;
    size_t n = 0;

    *out = (struct place_report){.text = ""};
    if (dir_open_root(root, &fd, &e) != ERR_OK ||
        dir_list(fd, MAX_ENTRIES, a, &names, &n, &e) != ERR_OK) {
        out->text = arena_strdup(a, e.message);
        return;
    }
    out->is_readable = true;
    out->names = arena_alloc(a, (n + 1) * sizeof(*out->names));
    for (size_t i = 0; i < n; i++)
        if (names[i][0] != '.')
            out->names[out->n_names++] = names[i];
    out->is_writable = tries ? can_write(fd) : faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
    if (!out->is_writable)
        out->text = arena_strdup(a, strerror(errno));
    out->is_one_filesystem = is_one_filesystem(fd);
    if (fstatvfs(fd, &fs) == 0)
        out->free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}
