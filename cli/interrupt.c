/*
 * Signal handlers of the command. Only async-signal-safe calls in them. One thread.
 */
#include "interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static char temporary_file[2048];
static char temporary_folder[2048];
static struct termios terminal;
static volatile sig_atomic_t has_temporary;
static volatile sig_atomic_t has_terminal;
static volatile sig_atomic_t is_asked;
static volatile sig_atomic_t code;
static volatile sig_atomic_t says_nothing;

static void on_signal(int number)
{
    static const char text[] =
        "\ninterrupted; nothing was lost: the same command goes on from here\n";
    code = 128 + number;
    if (is_asked)
        return;
    if (has_terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
        tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed half is nobody else's */
    }
    if (has_temporary) {
        unlink(temporary_file);
        rmdir(temporary_folder);
    }
    if (!says_nothing && write(STDERR_FILENO, text, sizeof text - 1) < 0)
        code = 128 + number;
    _exit(128 + number);
}

void interrupt_init(int is_silent)
{
    struct sigaction on = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    says_nothing = is_silent != 0;
    sigemptyset(&on.sa_mask);
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

void interrupt_temporary(const char *file, const char *folder)
{
    has_temporary = 0;
    if (!file || strlen(file) >= sizeof temporary_file || strlen(folder) >= sizeof temporary_folder)
        return;
    snprintf(temporary_file, sizeof temporary_file, "%s", file);
    snprintf(temporary_folder, sizeof temporary_folder, "%s", folder);
    has_temporary = 1;
}

void interrupt_terminal(const struct termios *before)
{
    has_terminal = 0;
    if (!before)
        return;
    terminal = *before;
    has_terminal = 1;
}

void interrupt_ask(void)
{
    is_asked = 1;
}

int interrupt_code(void)
{
    return code;
}
