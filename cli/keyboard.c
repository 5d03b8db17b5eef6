/*
 * Single keys from a terminal. One terminal per process, so its former state is kept here. Main
 * thread only.
 */
#include "keyboard.h"

#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static bool is_open;

void keyboard_close(void)
{
    if (is_open)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    is_open = false;
}

bool keyboard_open(void)
{
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    struct termios now = before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &now) != 0)
        return false;
    is_open = true;
    atexit(keyboard_close);
    return true;
}

int keyboard_next(int64_t timeout_ms)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char key = 0;
    if (poll(&p, 1, (int)timeout_ms) <= 0 || read(STDIN_FILENO, &key, 1) != 1)
        return 0;
    return key;
}
