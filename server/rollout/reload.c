/*
 * Generated files of other services. A file is replaced whole or not at all, a signal goes only to
 * the process that the pid file names and that is called as it should be. Knows nothing of what is
 * in the file. Blocks; runs on threads that are there for that.
 */
#include "reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

#define PATH_MAX_BYTES 1024
#define PROC_MAX_BYTES ((size_t)256 << 10)
#define OLD_WORKER "process is shutting down"
#define COMM_MAX_BYTES 15 /* names of processes are cut there */

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* At most PROC_MAX_BYTES of a small file; false if it cannot be read. */
static bool read_small(const char *path, struct buf *out)
{
    int fd CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[1024];
    ssize_t n = 0;

    while (fd >= 0 && buf_ok(out) && (n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_put(out, chunk, (size_t)n);
    return fd >= 0 && n >= 0;
}

static int fail_errno(struct err *e, const char *what, const char *path)
{
    int error = errno;
    enum err_code code = error == ENOSPC || error == EDQUOT    ? ERR_NO_SPACE
                         : error == EACCES || error == EPERM   ? ERR_FORBIDDEN
                         : error == ENOENT || error == ENOTDIR ? ERR_INVALID
                                                               : ERR_UNAVAILABLE;

    return err_set(e, code, "%s %.200s: %s", what, path, strerror(error));
}

/* --- the file --------------------------------------------------------------------------------- */

static int check_ours(const char *path, bool *exists, struct err *e)
{
    struct buf head CLEANUP(buf_clear);
    struct stat st;

    buf_init(&head, PROC_MAX_BYTES);
    *exists = lstat(path, &st) == 0;
    if (!*exists)
        return errno == ENOENT ? ERR_OK : fail_errno(e, "cannot look at", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFLICT, "%.200s is not a plain file", path);
    (void)read_small(path, &head);
    if (st.st_size == 0 || strncmp(buf_str(&head), RELOAD_MARK, strlen(RELOAD_MARK)) == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%.200s was not written by mreg: it is left as it is", path);
}

static int write_all(int fd, const char *text, const char *path, struct err *e)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(e, "cannot write", path);
        text += n;
        left -= (size_t)n;
    }
    return fsync(fd) == 0 ? ERR_OK : fail_errno(e, "cannot sync", path);
}

static int sync_folder(const char *path, struct err *e)
{
    char folder[PATH_MAX_BYTES];
    char *slash;
    int fd CLEANUP(close_fd) = -1;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL)
        return err_set(e, ERR_INVALID, "not an absolute path: %.200s", path);
    slash[slash == folder ? 1 : 0] = '\0';
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_errno(e, "cannot sync", folder);
    return ERR_OK;
}

static int replace(const char *path, const char *text, struct err *e)
{
    char draft[PATH_MAX_BYTES];
    int fd CLEANUP(close_fd) = -1;
    int rc;

    if (path[0] != '/' ||
        (size_t)snprintf(draft, sizeof(draft), "%s.mreg-tmp", path) >= sizeof(draft))
        return err_set(e, ERR_INVALID, "not a path that can be written: %.200s", path);
    /* What lies there is from a process that died, or is no file of ours: never written into. */
    (void)unlink(draft);
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(e, "cannot write", draft);
    rc = write_all(fd, text, draft, e);
    if (rc == ERR_OK && rename(draft, path) != 0)
        rc = fail_errno(e, "cannot replace", path);
    if (rc != ERR_OK)
        (void)unlink(draft);
    return rc == ERR_OK ? sync_folder(path, e) : rc;
}

/* --- the process ------------------------------------------------------------------------------ */

/* comm: the name of a process with a line's end, as the kernel tells it. */
static bool is_called(const struct buf *comm, const char *name)
{
    size_t n = strlen(name) < COMM_MAX_BYTES ? strlen(name) : COMM_MAX_BYTES;

    return comm->len == n + 1 && memcmp(comm->data, name, n) == 0;
}

/* The service's main process, or 0. */
static pid_t find_process(const struct reload_job *job)
{
    struct buf text CLEANUP(buf_clear);
    struct buf name CLEANUP(buf_clear);
    char path[64];
    long pid;

    buf_init(&text, 64);
    buf_init(&name, 64);
    if (job->pid_file == NULL || !read_small(job->pid_file, &text))
        return 0;
    pid = strtol(buf_str(&text), NULL, 10);
    if (pid <= 1 || pid > 0x3fffffff)
        return 0;
    snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    if (!read_small(path, &name) || !is_called(&name, job->service))
        return 0;
    return (pid_t)pid;
}

/* The name is checked again once the process cannot be another one any more. */
static int send_reload(const struct reload_job *job, struct err *e)
{
    pid_t pid = find_process(job);
    int fd CLEANUP(close_fd) = pid > 0 ? pidfd_open(pid, 0) : -1;

    if (fd < 0 || find_process(job) != pid)
        return err_set(e, ERR_UNAVAILABLE, "%s does not run by %.200s", job->service,
                       job->pid_file);
    if (pidfd_send_signal(fd, SIGHUP, NULL, 0) == 0)
        return ERR_OK;
    if (errno == EPERM)
        return err_set(e, ERR_FORBIDDEN, "this process may not signal %s (pid %d)", job->service,
                       (int)pid);
    return err_set(e, ERR_UNAVAILABLE, "%s does not run by %.200s", job->service, job->pid_file);
}

static bool is_old_worker(long pid)
{
    struct buf line CLEANUP(buf_clear);
    char path[64];

    buf_init(&line, 4096);
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
    return read_small(path, &line) && strstr(buf_str(&line), OLD_WORKER) != NULL;
}

/* -1: cannot be known. */
static int count_old_workers(pid_t pid)
{
    struct buf list CLEANUP(buf_clear);
    char path[64];
    const char *at;
    char *end;
    int n = 0;

    buf_init(&list, PROC_MAX_BYTES);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (!read_small(path, &list))
        return -1;
    for (at = buf_str(&list);; at = end) {
        long child = strtol(at, &end, 10);

        if (end == at)
            return n;
        n += is_old_worker(child);
    }
}

static void describe(const struct reload_job *job, bool exists, struct http_answer *out)
{
    struct buf text;
    pid_t pid = find_process(job);
    int n_old = pid > 0 ? count_old_workers(pid) : -1;

    buf_init(&text, 256);
    buf_putf(&text, "exists %d\n", exists);
    if (job->pid_file != NULL)
        buf_putf(&text, "running %d\n", pid > 0);
    if (n_old >= 0)
        buf_putf(&text, "draining %d\n", n_old);
    *out = (struct http_answer){
        .outcome = HTTP_ANSWERED, .status = 200, .body = text.data, .body_len = text.len};
}

int reload_run(const struct reload_job *job, struct http_answer *out, struct err *e)
{
    bool exists = false;
    int rc = check_ours(job->file, &exists, e);

    if (rc == ERR_OK && job->text != NULL) {
        rc = replace(job->file, job->text, e);
        exists = rc == ERR_OK || exists;
        if (rc == ERR_OK && job->pid_file != NULL)
            rc = send_reload(job, e);
    }
    describe(job, exists, out);
    return rc;
}
