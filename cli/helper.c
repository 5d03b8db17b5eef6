/*
 * The credential helper: a command line of the user's own configuration. Knows nothing of what it
 * prints. One thread.
 */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"

#define TOKEN_MAX_BYTES 4096

static NORETURN void become(const char *command, const char *url, const char *context, int to)
{
    dup2(to, STDOUT_FILENO);
    if (url)
        setenv("MREG_URL", url, 1);
    setenv("MREG_CONTEXT", context, 1);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void read_all(int fd, struct buf *b)
{
    char chunk[512];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_put(b, chunk, (size_t)n);
    }
}

int helper_run(const char *command, const char *url, const char *context, char **out, struct err *e)
{
    int ends[2];
    int status = 0;
    struct buf b CLEANUP(buf_clear) = {0};
    buf_init(&b, TOKEN_MAX_BYTES);
    if (pipe(ends) != 0)
        return err_set(e, ERR_LOCAL_IO, "the helper \"%s\": %s", command, strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become(command, url, context, ends[1]);
    }
    close(ends[1]);
    if (pid > 0)
        read_all(ends[0], &b);
    close(ends[0]);
    if (pid < 0)
        return err_set(e, ERR_LOCAL_IO, "the helper \"%s\": %s", command, strerror(errno));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !buf_ok(&b))
        return err_set(e, ERR_LOCAL_IO, "the helper \"%s\" failed (exit %d)", command,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    *out = mem_strdup(buf_str(&b));
    return ERR_OK;
}
