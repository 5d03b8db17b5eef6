/*
 * mreg rollout watch: polls a rollout and shows it, redrawn on a terminal, as lines of changes in a
 * pipe, as one final object with --json. The exit code is the rollout's outcome.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "commands.h"
#include "interrupt.h"
#include "rollout_view.h"
#include "watch_screen.h"
#include "when.h"

#define POLL_MS 500
#define PICTURE_MAX_BYTES ((size_t)1 << 20)
#define LOST_MS 60000 /* a server that is away for longer is given up */

/* Exit code of an ended rollout; -1 while it runs. */
static int outcome(const char *phase)
{
    if (strcmp(phase, "succeeded") == 0)
        return EXIT_DONE;
    static const char *const bad[] = {"rolled-back", "halted", "rejected", "cancelled",
                                      "superseded"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (strcmp(phase, bad[i]) == 0)
            return EXIT_ROLLED_BACK;
    return -1;
}

bool watch_changes(struct cli *cli, const char *id, json_t *rows)
{
    const char *path = cli_query(cli, "/api/v1/changes?limit=500", "object", id);
    struct err e = {0};
    for (;;) {
        json_t *list CLEANUP(json_decref_ptr) = NULL;
        size_t n = json_array_size(rows);
        int64_t last = n ? int_at(json_array_get(rows, n - 1), "seq", 0) : 0;
        const char *since = cli_printf(cli, "%lld", (long long)last);
        if (cli_call(cli, "GET", cli_query(cli, path, "since", since), NULL, &list, &e) != ERR_OK)
            return false;
        json_array_extend(rows, json_object_get(list, "items"));
        if (json_array_size(rows) < n + 500)
            return true;
    }
}

void watch_print(struct cli *cli, const json_t *rollout)
{
    if (json_is_true(json_object_get(rollout, "dry_run"))) {
        plan_print(cli, rollout);
        return;
    }
    struct buf picture CLEANUP(buf_clear) = {0};
    json_t *changes CLEANUP(json_decref_ptr) = json_array();
    watch_changes(cli, text_at(rollout, "id"), changes);
    buf_init(&picture, PICTURE_MAX_BYTES);
    rollout_view(cli, rollout, changes, out_now_ms(), &picture);
    fputs(buf_str(&picture), stdout);
}

/* A pipe gets a line whenever the phase, the step or the step's phase changes. */
static void print_change(struct cli *cli, const json_t *rollout, char last[256])
{
    char now[256];
    char time_text[WHEN_TEXT_BYTES];
    const char *phase = text_at(rollout, "phase");
    const char *what =
        *text_at(rollout, "outcome") ? text_at(rollout, "outcome") : text_at(rollout, "waiting");
    snprintf(now, sizeof now, "%s/%lld/%s", phase, (long long)int_at(rollout, "step", 0),
             text_at(rollout, "step_phase"));
    if (strcmp(now, last) == 0)
        return;
    memcpy(last, now, sizeof now);
    const char *ended = text_at(rollout, "ended");
    when_format(out_now_ms(), time_text);
    printf("%s\t%s\t%s\t%s\n", *ended ? ended : time_text, text_at(rollout, "id"), phase,
           out_clean(arena_strdup(&cli->arena, what)));
}

/* Where a rollout that was rolled back has led. */
static const char *back_text(struct cli *cli, const json_t *rollout)
{
    long long from = (long long)int_at(rollout, "from", 0);
    const char *model = text_at(rollout, "model");
    const char *env = text_at(rollout, "environment");
    return from ? cli_printf(cli, "version %lld of %s is live in %s", from, model, env)
                : cli_printf(cli, "%s is not served in %s any more", model, env);
}

/* How a watch ends: --json gets the rollout as it was last seen. */
static int leave(struct cli *cli, const json_t *rollout, int code)
{
    const char *id = text_at(rollout, "id");
    if (cli->out.is_json && rollout)
        cli_json(cli, rollout);
    if (code == EXIT_ROLLED_BACK && cli->goes_back &&
        strcmp(text_at(rollout, "phase"), "rolled-back") == 0) {
        out_say(&cli->out, "%s was aborted: %s", id, back_text(cli, rollout));
        return EXIT_DONE;
    }
    if (code == EXIT_ROLLED_BACK && !cli->out.is_json)
        fprintf(stderr, "%serror%s: %s ended %s: %s\n", out_err_on(&cli->out, TONE_BAD),
                out_err_off(&cli->out), id, text_at(rollout, "phase"),
                out_clean(arena_strdup(&cli->arena, text_at(rollout, "outcome"))));
    else if (code != EXIT_DONE)
        out_say(&cli->out, "\n%s goes on; come back with: mreg rollout watch %s", id, id);
    return code;
}

/* True while nothing goes on before people have agreed. A question that fails is asked again. */
static bool waits_for_approval(struct cli *cli, const json_t *rollout)
{
    const char *phase = text_at(rollout, "phase");
    json_t *list CLEANUP(json_decref_ptr) = NULL;
    struct err e = {0};
    size_t i;
    json_t *item;
    if (strcmp(phase, "queued") != 0 && strcmp(phase, "paused") != 0)
        return false;
    const char *path = cli_query(cli, "/api/v1/approvals", "env", text_at(rollout, "environment"));
    path = cli_query(cli, path, "model", text_at(rollout, "model"));
    if (cli_call(cli, "GET", path, NULL, &list, &e) != ERR_OK)
        return false;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        if (strcmp(text_at(item, "rollout"), text_at(rollout, "id")) == 0)
            return true;
    }
    return false;
}

int watch_timeout(struct cli *cli, int64_t *out, struct err *e)
{
    const char *text = opt(cli, "timeout");
    if (!text || when_parse_duration(text, out, e) == ERR_OK)
        return ERR_OK;
    err_prefix(e, "--timeout: ");
    return ERR_INVALID;
}

static int64_t watch_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct watch {
    struct cli *cli;
    const char *path;
    json_t *seen;          /* the rollout as last seen */
    struct screen *screen; /* NULL: no terminal */
    char last[256];
    int64_t seen_ms;
};

static void show(struct watch *w)
{
    if (w->screen)
        screen_show(w->screen, w->seen, watch_clock_ms() - w->seen_ms);
    else if (!w->cli->out.is_json)
        print_change(w->cli, w->seen, w->last);
    fflush(stdout);
}

/* One look. *code is set (not negative) when the rollout has ended. */
static int look(struct watch *w, int *code, struct err *e)
{
    json_t *rollout = NULL;
    int rc = cli_call(w->cli, "GET", w->path, NULL, &rollout, e);
    int64_t now = watch_clock_ms();
    bool may_pass = rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_THROTTLED;
    if (rc != ERR_OK) {
        if (w->screen && w->seen)
            show(w);
        return may_pass && w->seen && now - w->seen_ms < LOST_MS ? ERR_OK : rc;
    }
    w->seen_ms = now;
    json_decref(w->seen);
    w->seen = rollout;
    show(w);
    *code = outcome(text_at(rollout, "phase"));
    return ERR_OK;
}

/* Half a second, or until a key was pressed and obeyed. False: the user leaves. */
static bool pause_a_moment(struct watch *w)
{
    if (w->screen)
        return screen_wait(w->screen, w->seen, POLL_MS);
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    return true;
}

int watch_rollout(struct cli *cli, const char *id)
{
    struct err e = {0};
    struct watch w = {.cli = cli};
    int64_t limit_ms = INT64_MAX;
    int64_t start = watch_clock_ms();
    int code = -1;
    w.path = cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, id));
    interrupt_ask();
    if (cli->out.stdout_is_tty && out_is_aligned(&cli->out) && !opt_has(cli, "plain") &&
        !cli->out.is_accessible)
        w.screen = screen_open(cli, id);
    int rc = watch_timeout(cli, &limit_ms, &e);
    while (rc == ERR_OK && code < 0) {
        rc = look(&w, &code, &e);
        if (rc != ERR_OK || code >= 0)
            break;
        if (interrupt_code())
            code = interrupt_code();
        else if (opt_has(cli, "until-approval") && waits_for_approval(cli, w.seen))
            code = EXIT_APPROVAL;
        else if (watch_clock_ms() - start >= limit_ms)
            code = EXIT_STILL_RUNNING;
        else if (ferror(stdout)) /* nobody reads any more */
            code = EXIT_LOCAL_IO;
        else if (!pause_a_moment(&w))
            code = EXIT_STILL_RUNNING;
    }
    screen_close(w.screen);
    code = rc == ERR_OK ? leave(cli, w.seen, code) : cli_fail(cli, &e);
    json_decref(w.seen);
    return code;
}

int cmd_rollout_watch(struct cli *cli)
{
    return watch_rollout(cli, cli->args[0]);
}
