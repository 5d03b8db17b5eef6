/*
 * mregd, the server: reads its options, opens what it keeps, serves until it is told to stop. A
 * table of contents; the parts are in daemon.c. This is the main thread, which only waits for
 * signals once everything runs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"

#define EXIT_USAGE 2

static int fail(const struct err *e, int status)
{
    fprintf(stderr, "mregd: %s\n", e->message);
    return status;
}

static void print(const struct buf *text)
{
    fputs(buf_str(text), stdout);
}

static int print_help(void)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 65536);
    daemon_options_help(&text);
    print(&text);
    return 0;
}

static int print_config(const struct config *config)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 65536);
    config_print(config, &text);
    print(&text);
    return 0;
}

static void configure_log(const struct config *c)
{
    log_configure((enum log_level)config_int(c, "log.level"),
                  (enum log_format)config_int(c, "log.format"));
}

/* Blocked in all threads, so that only sigwait sees them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigprocmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void end_now(int number)
{
    _exit(128 + number);
}

/* While stopping, a second signal ends the process at once: a restart resumes whatever was going
 * on. */
static void end_at_next_signal(void)
{
    sigset_t set;
    signal(SIGTERM, end_now);
    signal(SIGINT, end_now);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void reload(const struct daemon_options *options, struct config *config)
{
    struct config *fresh CLEANUP(config_free_ptr) = NULL;
    struct buf unknown CLEANUP(buf_clear);
    struct buf restart CLEANUP(buf_clear);
    struct err e = {0};
    buf_init(&unknown, 4096);
    buf_init(&restart, 4096);
    if (daemon_options_config(options, &fresh, &unknown, &e)) {
        log_line(LOG_ERROR, "reload", "nothing was changed: %s", e.message);
        return;
    }
    config_reload(config, fresh, &restart);
    configure_log(config);
    log_line(LOG_INFO, "reload", "settings read again%s%s",
             restart.len ? "; these need a restart: " : "", buf_str(&restart));
}

static void wait_for_stop(const sigset_t *set, const struct daemon_options *options,
                          struct config *config)
{
    int number = 0;
    while (sigwait(set, &number) == 0 && number == SIGHUP)
        reload(options, config);
}

struct run {
    const struct daemon_options *options;
    struct config *config;
    sigset_t signals;
};

static int serve(const struct run *r, struct daemon *d, struct err *e)
{
    int rc = daemon_serve(d, r->options->port_file, e);
    if (rc)
        return rc;
    wait_for_stop(&r->signals, r->options, r->config);
    end_at_next_signal();
    daemon_drain(d);
    return 0;
}

static int run(const struct daemon_options *options, struct config *config)
{
    struct run r = {.options = options, .config = config};
    struct daemon *d = NULL;
    struct err e = {0};
    block_signals(&r.signals); /* before the first thread */
    int rc = daemon_open(options->data, config, &d, &e);
    if (!rc && options->verb == DAEMON_ROTATE_KEY)
        rc = daemon_rotate_key(d, options->reason, &e);
    else if (!rc)
        rc = serve(&r, d, &e);
    daemon_close(d);
    return rc ? fail(&e, 1) : 0;
}

int main(int argc, char **argv)
{
    struct daemon_options options;
    struct config *config CLEANUP(config_free_ptr) = NULL;
    struct buf unknown CLEANUP(buf_clear);
    struct err e = {0};
    buf_init(&unknown, 4096);
    if (daemon_options_read(argc, argv, &options, &e))
        return fail(&e, EXIT_USAGE);
    if (options.verb == DAEMON_HELP)
        return print_help();
    if (options.verb == DAEMON_VERSION)
        return puts("mregd " MREG_VERSION) < 0;
    if (daemon_options_config(&options, &config, &unknown, &e))
        return fail(&e, EXIT_USAGE);
    if (options.verb == DAEMON_PRINT_CONFIG)
        return print_config(config);
    configure_log(config);
    if (unknown.len)
        log_line(LOG_WARNING, "config", "no setting has the variables %s", buf_str(&unknown));
    return run(&options, config);
}
