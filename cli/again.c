/*
 * Draws a command's output again and again. Knows nothing of the command: takes what it prints from
 * a stream in memory that stands for standard output meanwhile. One thread.
 */
#include "again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "frame.h"
#include "interrupt.h"
#include "keyboard.h"

#define PERIOD_MS 2000
#define SCREEN_MAX_BYTES ((size_t)4 << 20)

/* What one run prints (heap); *code is its exit code. The arena is emptied behind it: this goes on
 * for days. */
static char *output_of(struct cli *cli, int *code)
{
    char *text = NULL;
    size_t n = 0;
    struct arena kept = cli->arena;
    FILE *terminal = stdout;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) {
        *code = EXIT_FAILED;
        return mem_strdup("");
    }
    arena_init(&cli->arena);
    stdout = memory;
    *code = cli->command->run(cli);
    stdout = terminal;
    fclose(memory);
    arena_clear(&cli->arena);
    cli->arena = kept;
    return text;
}

static void draw(struct cli *cli, const char *text, bool has_keys)
{
    struct winsize w = {0};
    struct buf picture CLEANUP(buf_clear) = {0};
    struct buf frame CLEANUP(buf_clear) = {0};
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0;
    buf_init(&picture, SCREEN_MAX_BYTES);
    buf_init(&frame, SCREEN_MAX_BYTES);
    buf_puts(&picture, *text ? text : "nothing here yet\n");
    cli->out.columns = is_known ? w.ws_col : cli->out.columns;
    frame_draw(buf_str(&picture), has_keys ? "\nq leaves\n" : "\nCtrl-C leaves\n", cli->out.columns,
               is_known ? w.ws_row - 1 : 0, &frame);
    fwrite(frame.data, 1, frame.len, stdout);
    fflush(stdout);
}

/* Two seconds, or until q or an interrupt. False: leave. */
static bool wait_a_while(bool has_keys)
{
    for (int i = 0; i < PERIOD_MS / 100 && !interrupt_code(); i++) {
        if (has_keys && keyboard_next(100) == 'q')
            return false;
        if (!has_keys)
            nanosleep(&(struct timespec){.tv_nsec = 100000000L}, NULL);
    }
    return !interrupt_code();
}

static int watch_lines(struct cli *cli)
{
    char *last CLEANUP(mem_free_ptr) = NULL;
    for (;;) {
        int code = EXIT_DONE;
        char *text = output_of(cli, &code);
        if (!last || strcmp(last, text) != 0)
            fputs(text, stdout);
        free(last);
        last = text;
        if (code != EXIT_DONE)
            return code;
        if (fflush(stdout) != 0 || ferror(stdout))
            return EXIT_LOCAL_IO;
        if (!wait_a_while(false))
            return interrupt_code();
    }
}

static int watch_screen(struct cli *cli)
{
    bool has_keys = keyboard_open();
    int code = EXIT_DONE;
    bool goes_on = true;
    bool was_quiet = cli->out.is_quiet;
    cli->out.is_quiet = true; /* talk would break the picture */
    fputs("\033[2J\033[?25l", stdout);
    while (goes_on && code == EXIT_DONE) {
        char *text CLEANUP(mem_free_ptr) = output_of(cli, &code);
        if (code == EXIT_DONE)
            draw(cli, text, has_keys);
        goes_on = code == EXIT_DONE && wait_a_while(has_keys);
    }
    cli->out.is_quiet = was_quiet;
    keyboard_close();
    fputs("\033[?25h\n", stdout);
    return interrupt_code() ? interrupt_code() : code;
}

int again_run(struct cli *cli)
{
    bool is_screen = cli->out.stdout_is_tty && out_is_aligned(&cli->out) && !cli->out.is_accessible;
    interrupt_ask();
    return is_screen ? watch_screen(cli) : watch_lines(cli);
}
