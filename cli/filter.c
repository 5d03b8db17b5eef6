/*
 * Runs jq on the JSON of a command. One thread; waits for it.
 */
#include "filter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES 4096

int filter_check(struct err *e)
{
    const char *path = getenv("PATH");
    char file[PATH_BYTES];
    while (path && *path) {
        size_t n = strcspn(path, ":");
        int length = snprintf(file, sizeof file, "%.*s/jq", (int)n, path);
        if (n > 0 && length < PATH_BYTES && access(file, X_OK) == 0)
            return ERR_OK;
        path += n + (path[n] == ':');
    }
    return err_set(e, ERR_INVALID,
                   "--jq needs the program jq, which is not on PATH; --columns picks members "
                   "without it");
}

/* A blank before the expression: no jq takes it for an option then. */
static NORETURN void become(const char *expression, int from, int to)
{
    char *text = mem_alloc(strlen(expression) + 2);
    memcpy(text, " ", 1);
    memcpy(text + 1, expression, strlen(expression) + 1);
    dup2(from, STDIN_FILENO);
    dup2(to, STDOUT_FILENO);
    execlp("jq", "jq", "-r", text, (char *)NULL);
    _exit(127);
}

/* All of the text, unless jq has seen enough. */
static void feed(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t got = write(fd, text, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        text += got;
        n -= (size_t)got;
    }
}

/* The standard output may stand for a stream in memory: what jq gives goes through it. */
static void copy_out(FILE *from)
{
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, from)) > 0)
        fwrite(chunk, 1, n, stdout);
}

/* Runs jq on the whole text (a file: jq may answer before it has read all). */
static int run(const char *expression, const char *text)
{
    int status = 0;
    FILE *in = tmpfile();
    FILE *out = tmpfile();
    pid_t pid = -1;
    if (in && out) {
        feed(fileno(in), text);
        rewind(in);
        pid = fork();
    }
    if (pid == 0)
        become(expression, fileno(in), fileno(out));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid > 0) {
        rewind(out);
        copy_out(out);
    }
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void filter_json(const struct out *o, const char *text)
{
    int code = run(o->filter, text);
    if (code != 0)
        snprintf(o->fault, OUT_FAULT_BYTES, "--jq \"%.60s\": jq failed (exit %d)", o->filter, code);
}
