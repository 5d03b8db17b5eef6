/*
 * mreg node register: enters a node and keeps its lease alive, alone or around the serving process
 * that it starts. What it starts must not depend on the registry: a registry that is away is tried
 * again for ever, the process goes on. One thread; signals only set a mark.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "remote.h"
#include "when.h"

#define DEFAULT_LEASE "30s"
#define SLICE_MS 100
#define FIRST_RETRY_MS 500
#define MAX_CALL_MS 10000

struct keeper {
    struct cli *cli;
    json_t *body;
    const char *path, *leave_path;
    int64_t lease_ms;
    pid_t child; /* 0: none, or it has ended */
    int child_status;
    bool is_entered, is_failing;
};

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int make_body(struct cli *cli, struct keeper *k, struct err *e)
{
    const char *lease = opt(cli, "lease") ? opt(cli, "lease") : DEFAULT_LEASE;
    json_t *labels = json_object();
    k->body =
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:s, s:o}", "name", cli->args[1], "driver",
                  opt(cli, "driver") ? opt(cli, "driver") : "v2", "admin_url", opt(cli, "url"),
                  "infer_url", opt(cli, "infer-url"), "metrics_url", opt(cli, "metrics-url"),
                  "root", opt(cli, "root"), "lease", lease, "labels", labels);
    if (!opt(cli, "url") || !opt(cli, "root"))
        return err_set(e, ERR_INVALID, "node register needs --url URL and --root FOLDER");
    if (when_parse_duration(lease, &k->lease_ms, NULL) != ERR_OK)
        return err_set(e, ERR_INVALID, "--lease \"%.40s\": wanted a duration like 30s", lease);
    return cli_pairs(cli, "label", labels, e);
}

/* --- the process ------------------------------------------------------------------------------ */

static int start_child(struct keeper *k, struct err *e)
{
    char *argv[CLI_MAX_ARGS + 1] = {NULL};
    for (int i = 2; i < k->cli->n_args; i++)
        argv[i - 2] = (char *)(uintptr_t)k->cli->args[i];
    k->child = fork();
    if (k->child < 0)
        return err_set(e, ERR_LOCAL_IO, "no process can be started: %s", strerror(errno));
    if (k->child > 0)
        return ERR_OK;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    unsetenv("MREG_TOKEN"); /* what serves models has no business in the registry */
    unsetenv("MREG_TOKEN_FILE");
    execvp(argv[0], argv);
    fprintf(stderr, "mreg: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool has_child_ended(struct keeper *k)
{
    if (k->child > 0 && waitpid(k->child, &k->child_status, WNOHANG) == k->child)
        k->child = 0;
    return k->cli->n_args > 2 && k->child == 0;
}

static int child_code(const struct keeper *k)
{
    if (WIFEXITED(k->child_status))
        return WEXITSTATUS(k->child_status);
    return 128 + WTERMSIG(k->child_status);
}

/* --- the lease -------------------------------------------------------------------------------- */

static bool may_pass(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_THROTTLED ||
           e->code == ERR_INTERNAL || e->code == ERR_NO_SPACE;
}

static int renew(struct keeper *k, struct err *e)
{
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(k->cli, "POST", k->path, k->body, &answer, e);
    if (rc != ERR_OK)
        return rc;
    const char *result = text_at(answer, "result");
    if (!k->is_entered || k->is_failing || strcmp(result, "renewed") != 0)
        out_say(&k->cli->out, "node %s is entered in %s (%s)", k->cli->args[1], k->cli->args[0],
                result);
    k->is_entered = true;
    k->is_failing = false;
    return ERR_OK;
}

static void tell_failure(struct keeper *k, const struct err *e)
{
    if (!k->is_failing)
        out_say(&k->cli->out, "the node could not be entered, going on trying: %s", e->message);
    k->is_failing = true;
}

/* Waits; false when it is time to go. */
static bool keep_waiting(struct keeper *k, int64_t ms)
{
    int64_t until = monotonic_ms() + ms;
    while (!interrupt_code() && !has_child_ended(k)) {
        int64_t left = until - monotonic_ms();
        if (left <= 0)
            return true;
        int64_t slice = left < SLICE_MS ? left : SLICE_MS;
        struct timespec t = {.tv_sec = slice / 1000, .tv_nsec = slice % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
    return false;
}

/* Until a signal or the end of the process. An error only before anything was entered, and when
 * nothing was started: then trying again is the caller's business. */
static int keep(struct keeper *k, struct err *e)
{
    int64_t retry_ms = FIRST_RETRY_MS;
    bool goes_on = true;
    while (goes_on) {
        int rc = renew(k, e);
        bool is_hopeless = rc != ERR_OK && !k->is_entered && k->child == 0 && !may_pass(e);
        if (is_hopeless)
            return rc;
        if (rc == ERR_OK) {
            retry_ms = FIRST_RETRY_MS;
            goes_on = keep_waiting(k, k->lease_ms / 3);
            continue;
        }
        tell_failure(k, e);
        goes_on = keep_waiting(k, retry_ms < k->lease_ms / 3 ? retry_ms : k->lease_ms / 3);
        retry_ms *= 2;
    }
    return ERR_OK;
}

static void leave(struct keeper *k)
{
    struct err e = {0};
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    if (!k->is_entered)
        return;
    if (cli_call(k->cli, "POST", k->leave_path, body, NULL, &e) == ERR_OK)
        out_say(&k->cli->out, "node %s has left %s", k->cli->args[1], k->cli->args[0]);
    else
        out_say(&k->cli->out, "node %s could not leave and will go with its lease: %s",
                k->cli->args[1], e.message);
}

/* First out of the registry, then the process: nothing new is begun on a node that goes. */
static int finish(struct keeper *k)
{
    leave(k);
    if (k->child > 0) {
        kill(k->child, SIGTERM);
        while (waitpid(k->child, &k->child_status, 0) < 0 && errno == EINTR)
            continue;
        k->child = 0;
    }
    if (k->cli->n_args > 2)
        return child_code(k);
    /* Asked to end, it has done its work. */
    return interrupt_code() == EXIT_TERMINATED ? EXIT_DONE : interrupt_code();
}

static int run(struct keeper *k, struct err *e)
{
    struct remote *remote = NULL;
    int64_t call_ms = k->lease_ms / 3 < MAX_CALL_MS ? k->lease_ms / 3 : MAX_CALL_MS;
    int rc = cli_remote(k->cli, &remote, e);
    if (rc != ERR_OK)
        return rc;
    if (opt_has(k->cli, "once"))
        return renew(k, e);
    remote_hurry(remote, (long)(call_ms > 1000 ? call_ms : 1000));
    interrupt_ask();
    if (k->cli->n_args > 2)
        rc = start_child(k, e);
    return rc == ERR_OK ? keep(k, e) : rc;
}

int cmd_node_register(struct cli *cli)
{
    struct err e = {0};
    struct keeper k = {.cli = cli};
    const char *env = cli_quote(cli, cli->args[0]);
    k.path = cli_printf(cli, "/api/v1/environments/%s/nodes/register", env);
    k.leave_path = cli_printf(cli, "/api/v1/environments/%s/nodes/%s/leave", env,
                              cli_quote(cli, cli->args[1]));
    int rc = make_body(cli, &k, &e);
    if (rc == ERR_OK)
        rc = run(&k, &e);
    int code = rc != ERR_OK ? cli_fail(cli, &e) : opt_has(cli, "once") ? EXIT_DONE : finish(&k);
    json_decref(k.body);
    return code;
}
