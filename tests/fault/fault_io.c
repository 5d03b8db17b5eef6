/*
 * A preloaded wrapper with which a test makes file operations fail in a running server. The file
 * named by MREG_FAULTS is mapped: four numbers of 32 bits: errno for fsync and fdatasync, errno for
 * writes, how many calls still pass before that, and a count of the calls that failed. Zero
 * switches a fault off. Only regular files are hit. Runs on whatever thread makes the call.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct faults {
    _Atomic int32_t sync_errno, write_errno, n_pass, n_failed;
};

static struct faults *faults;

__attribute__((constructor)) static void map_faults(void)
{
    const char *path = getenv("MREG_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    faults = at == MAP_FAILED ? NULL : at;
}

static bool is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool fails(_Atomic int32_t *which, int fd)
{
    int code = atomic_load(which);
    if (!code || !is_file(fd) || atomic_fetch_sub(&faults->n_pass, 1) > 0)
        return false;
    atomic_store(&faults->n_pass, 0);
    atomic_fetch_add(&faults->n_failed, 1);
    errno = code;
    return true;
}

/* dlsym gives an object pointer; POSIX promises that it may be used as a function's. */
union real {
    void *object;
    int (*sync)(int fd);
    ssize_t (*write)(int fd, const void *bytes, size_t n);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t n, off_t at);
};

static union real real(const char *name)
{
    return (union real){dlsym(RTLD_NEXT, name)};
}

int fsync(int fd)
{
    return faults && fails(&faults->sync_errno, fd) ? -1 : real("fsync").sync(fd);
}

int fdatasync(int fd)
{
    return faults && fails(&faults->sync_errno, fd) ? -1 : real("fdatasync").sync(fd);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return faults && fails(&faults->write_errno, fd) ? -1 : real("write").write(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return faults && fails(&faults->write_errno, fd) ? -1 : real("pwrite").pwrite(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite(fd, bytes, n, at);
}
