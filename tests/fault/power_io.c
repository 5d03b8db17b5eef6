/*
 * A preloaded wrapper that knows what a power failure would leave of a folder: each fsync of a file
 * copies its bytes, each fsync of a folder its list of names, into the shadow folder MREG_SHADOW.
 * What is below MREG_POWER when the process starts counts as synced. test_power.py builds the
 * folder after the failure from both. Runs on whatever thread syncs; a copy is complete before its
 * fsync returns.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 1200
#define KEY_BYTES 64

static const char *shadow;
static _Atomic unsigned n_temporary;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* An inode's number is used again; number and birth together are not. */
static bool key_of(int dir, const char *name, char key[KEY_BYTES])
{
    struct statx st;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(dir, name, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &st) != 0)
        return false;
    snprintf(key, KEY_BYTES, "%c%llu-%lld.%u", S_ISDIR(st.stx_mode) ? 'd' : 'f',
             (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
    return true;
}

static FILE *open_temporary(char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/tmp-%d-%u", shadow, (int)getpid(),
             atomic_fetch_add(&n_temporary, 1));
    return fopen(path, "wb");
}

static void put_in_place(FILE *out, const char *temporary, const char *key)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", shadow, key);
    if (fclose(out) != 0 || rename(temporary, path) != 0)
        abort();
}

static void copy_bytes(int fd, FILE *out)
{
    char bytes[4096];
    off_t at = 0;
    ssize_t n = 0;
    while ((n = pread(fd, bytes, sizeof bytes, at)) > 0) {
        if (fwrite(bytes, 1, (size_t)n, out) != (size_t)n)
            abort();
        at += n;
    }
    if (n < 0)
        abort();
}

static void copy_names(int fd, FILE *out)
{
    char key[KEY_BYTES];
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!dir)
        abort();
    for (struct dirent *d = readdir(dir); d; d = readdir(dir))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
            key_of(fd, d->d_name, key))
            fprintf(out, "%s %s\n", key, d->d_name);
    closedir(dir);
}

static int open_again(int fd)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return open(self, O_RDONLY | O_CLOEXEC);
}

/* The descriptor may be write-only, so the inode is opened again. One at a time: a later sync must
 * not be overwritten by an earlier one. */
static void remember(int fd)
{
    char key[KEY_BYTES];
    char temporary[PATH_BYTES];
    struct stat st;
    if (!shadow || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    pthread_mutex_lock(&lock);
    int in = open_again(fd);
    FILE *out = open_temporary(temporary);
    if (in < 0 || !out || !key_of(in, "", key))
        abort();
    if (S_ISDIR(st.st_mode))
        copy_names(in, out);
    else
        copy_bytes(in, out);
    put_in_place(out, temporary, key);
    close(in);
    pthread_mutex_unlock(&lock);
}

static int remember_path(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)where;
    int fd = type == FTW_F || type == FTW_D ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    remember(fd);
    close(fd);
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("MREG_POWER");
    shadow = getenv("MREG_SHADOW");
    if (folder && shadow)
        nftw(folder, remember_path, 32, FTW_PHYS);
}

/* dlsym gives an object pointer; POSIX promises that it may be used as a function's. */
static int call_real(const char *name, int fd)
{
    union {
        void *object;
        int (*function)(int fd);
    } real = {dlsym(RTLD_NEXT, name)};
    return real.function(fd);
}

int fsync(int fd)
{
    int rc = call_real("fsync", fd);
    if (rc == 0)
        remember(fd);
    return rc;
}

int fdatasync(int fd)
{
    int rc = call_real("fdatasync", fd);
    if (rc == 0)
        remember(fd);
    return rc;
}
