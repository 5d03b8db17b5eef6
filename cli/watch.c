/*
 * mreg rollout watch: polls a rollout and shows it, redrawn on a terminal, as lines of changes in a
 * pipe, as one final object with --json. The exit code is the rollout's outcome.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "interrupt.h"
#include "when.h"

#define POLL_MS 500
#define LOST_MS 60000 /* a server that is away for longer is given up */

static enum tone phase_tone(const char *phase)
{
    static const struct {
        const char *phase;
        enum tone tone;
    } tones[] = {{"succeeded", TONE_GOOD},   {"rolled-back", TONE_BAD},
                 {"rolling-back", TONE_BAD}, {"rollback-stuck", TONE_BAD},
                 {"paused", TONE_WARN},      {"halted", TONE_BAD},
                 {"rejected", TONE_BAD},     {"cancelled", TONE_WARN}};
    for (size_t i = 0; i < ARRAY_LEN(tones); i++)
        if (strcmp(phase, tones[i].phase) == 0)
            return tones[i].tone;
    return TONE_STRONG;
}

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

static void print_steps(const json_t *rollout)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(rollout, "steps"), i, step)
    {
        const char *phase = text_at(step, "phase");
        bool is_done = strcmp(phase, "done") == 0;
        bool is_open = !is_done && *phase && strcmp(phase, "pending") != 0;
        const char *mark = is_done ? "✓" : is_open ? "▶" : "○";
        printf("  %s step %zu  %lld nodes  bake %s  %s\n", mark, i + 1,
               (long long)int_at(step, "n_nodes", 0), text_at(step, "bake"), phase);
    }
}

static void print_gates(struct cli *cli, const json_t *rollout)
{
    size_t i;
    json_t *gate;
    json_array_foreach(json_object_get(rollout, "gates"), i, gate)
    {
        const char *verdict = text_at(gate, "verdict");
        enum tone tone = strcmp(verdict, "pass") == 0   ? TONE_GOOD
                         : strcmp(verdict, "fail") == 0 ? TONE_BAD
                                                        : TONE_WARN;
        printf("  gate %-11s %s%-12s%s %s\n", text_at(gate, "kind"), out_on(&cli->out, tone),
               verdict, out_off(&cli->out),
               out_clean(arena_strdup(&cli->arena, text_at(gate, "text"))));
    }
}

static void print_nodes(struct cli *cli, const json_t *rollout)
{
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(rollout, "nodes"), i, node)
    {
        int64_t number = int_at(node, "version", 0);
        printf("  node %-16s %s%s%s  %-12s %s\n", text_at(node, "node"),
               out_on(&cli->out, TONE_STRONG),
               number ? cli_printf(cli, "v%lld", (long long)number) : "-", out_off(&cli->out),
               text_at(node, "state"), out_clean(arena_strdup(&cli->arena, text_at(node, "text"))));
    }
}

static void print_plan(struct cli *cli, const json_t *plan)
{
    int64_t from = int_at(plan, "from", 0);
    printf("%splan%s  %s %s -> %lld in %s  %lld nodes, %lld steps\n",
           out_on(&cli->out, TONE_STRONG), out_off(&cli->out), text_at(plan, "model"),
           from ? cli_printf(cli, "%lld", (long long)from) : "nothing",
           (long long)int_at(plan, "to", 0), text_at(plan, "environment"),
           (long long)int_at(plan, "n_nodes", 0), (long long)int_at(plan, "n_steps", 0));
    print_steps(plan);
}

void watch_print(struct cli *cli, const json_t *rollout)
{
    if (json_is_true(json_object_get(rollout, "dry_run"))) {
        print_plan(cli, rollout);
        return;
    }
    const char *phase = text_at(rollout, "phase");
    const char *waiting = text_at(rollout, "waiting");
    const char *what = *text_at(rollout, "outcome") ? text_at(rollout, "outcome") : waiting;
    printf("%s%s%s  %s %s -> %s in %s  %s%s%s\n", out_on(&cli->out, TONE_STRONG),
           text_at(rollout, "id"), out_off(&cli->out), text_at(rollout, "model"),
           int_at(rollout, "from", 0)
               ? cli_printf(cli, "%lld", (long long)int_at(rollout, "from", 0))
               : "nothing",
           cli_printf(cli, "%lld", (long long)int_at(rollout, "to", 0)),
           text_at(rollout, "environment"), out_on(&cli->out, phase_tone(phase)), phase,
           out_off(&cli->out));
    if (*what)
        printf("%s\n", out_clean(arena_strdup(&cli->arena, what)));
    if (*text_at(rollout, "unblock"))
        printf("  %s\n", out_clean(arena_strdup(&cli->arena, text_at(rollout, "unblock"))));
    print_steps(rollout);
    print_gates(cli, rollout);
    print_nodes(cli, rollout);
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
    when_format((int64_t)time(NULL) * 1000, time_text);
    printf("%s\t%s\t%s\t%s\n", time_text, text_at(rollout, "id"), phase,
           out_clean(arena_strdup(&cli->arena, what)));
}

static void show(struct cli *cli, const json_t *rollout, char last[256])
{
    if (cli->out.is_json)
        return;
    if (cli->out.stdout_is_tty) {
        fputs("\033[H\033[J", stdout);
        watch_print(cli, rollout);
        puts("\nCtrl-C leaves; the rollout goes on");
    } else {
        print_change(cli, rollout, last);
    }
    fflush(stdout);
}

/* How a watch ends: --json gets the rollout as it was last seen. */
static int leave(struct cli *cli, const json_t *rollout, int code)
{
    const char *id = text_at(rollout, "id");
    if (cli->out.is_json && rollout)
        cli_json(cli, rollout);
    if (code == EXIT_ROLLED_BACK && !cli->out.is_json)
        fprintf(stderr, "%serror%s: %s ended %s: %s\n", out_err_on(&cli->out, TONE_BAD),
                out_err_off(&cli->out), id, text_at(rollout, "phase"),
                out_clean(arena_strdup(&cli->arena, text_at(rollout, "outcome"))));
    else if (code != EXIT_DONE)
        out_say(&cli->out, "\n%s goes on; come back with: mreg rollout watch %s", id, id);
    return code;
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
    json_t *seen; /* the rollout as last seen */
    char last[256];
    int64_t seen_ms;
};

/* One look. *code is set (not negative) when the rollout has ended. */
static int look(struct watch *w, int *code, struct err *e)
{
    json_t *rollout = NULL;
    int rc = cli_call(w->cli, "GET", w->path, NULL, &rollout, e);
    int64_t now = watch_clock_ms();
    bool may_pass = rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_THROTTLED;
    if (rc != ERR_OK)
        return may_pass && w->seen && now - w->seen_ms < LOST_MS ? ERR_OK : rc;
    w->seen_ms = now;
    json_decref(w->seen);
    w->seen = rollout;
    show(w->cli, rollout, w->last);
    *code = outcome(text_at(rollout, "phase"));
    return ERR_OK;
}

int watch_rollout(struct cli *cli, const char *id)
{
    struct err e = {0};
    struct watch w = {.cli = cli};
    int64_t limit_ms = INT64_MAX;
    int64_t start = watch_clock_ms();
    int code = -1;
    w.path = cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, id));
    int rc = watch_timeout(cli, &limit_ms, &e);
    interrupt_ask();
    while (rc == ERR_OK && code < 0) {
        rc = look(&w, &code, &e);
        if (rc != ERR_OK || code >= 0)
            break;
        if (interrupt_code())
            code = interrupt_code();
        else if (watch_clock_ms() - start >= limit_ms)
            code = EXIT_STILL_RUNNING;
        else if (ferror(stdout)) /* nobody reads any more */
            code = EXIT_LOCAL_IO;
        else
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    code = rc == ERR_OK ? leave(cli, w.seen, code) : cli_fail(cli, &e);
    json_decref(w.seen);
    return code;
}

int cmd_rollout_watch(struct cli *cli)
{
    return watch_rollout(cli, cli->args[0]);
}
