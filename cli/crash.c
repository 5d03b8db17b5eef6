/*
 * Turns a crash of the command into exit code 70 and a report without arguments or secrets. Only
 * async-signal-safe calls in the handler. One thread.
 */
#include "crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* The address sanitizer tells more about a crash than this does; aborting is left to us. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static char report_path[2048];
static const char *volatile noted = "none";

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        return;
}

static void put_report(int fd, int number)
{
    const char digits[] = {(char)('0' + number / 10), (char)('0' + number % 10), '\n', '\0'};
    put(fd, "mreg " MREG_VERSION "\ncommand ");
    put(fd, noted);
    put(fd, "\nsignal ");
    put(fd, digits);
}

static void on_crash(int number)
{
    int fd = open(report_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        put_report(fd, number);
        close(fd);
    }
    put(STDERR_FILENO, "error: bug: mreg has crashed; nothing was lost on the server\nreport: ");
    put(STDERR_FILENO, fd >= 0 ? report_path : "could not be written");
    put(STDERR_FILENO, "\n");
    _exit(EXIT_BUG);
}

/* $XDG_CACHE_HOME, ~/.cache or /tmp: a folder that exists is all that is asked for. */
static void set_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache && *cache)
        snprintf(report_path, sizeof report_path, "%s/mreg-crash-%ld.txt", cache, (long)getpid());
    else
        snprintf(report_path, sizeof report_path, "%s/.mreg-crash-%ld.txt", home ? home : "/tmp",
                 (long)getpid());
}

void crash_init(void)
{
    struct sigaction on = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
    set_path();
    sigemptyset(&on.sa_mask);
    sigaction(SIGABRT, &on, NULL);
#if !defined(HAS_SANITIZER)
    sigaction(SIGSEGV, &on, NULL);
    sigaction(SIGBUS, &on, NULL);
    sigaction(SIGFPE, &on, NULL);
    sigaction(SIGILL, &on, NULL);
#endif
}

void crash_note(const char *command)
{
    noted = command;
}
