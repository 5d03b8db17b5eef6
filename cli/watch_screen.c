/*
 * The terminal of `mreg rollout watch`. Keys ask before they change anything; what they send names
 * the step that was on the screen, so a stale one is refused. Main thread only.
 */
#include "watch_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "commands.h"
#include "frame.h"
#include "keyboard.h"
#include "rollout_ask.h"
#include "rollout_view.h"

#define PICTURE_MAX_BYTES ((size_t)1 << 20)
#define STALE_MS 3000

struct screen {
    struct cli *cli;
    const char *id;
    json_t *changes; /* of the rollout, as of `revision` */
    int64_t revision;
    bool has_keys;
    char asked;         /* the key that waits for a y; 0: none */
    int64_t asked_step; /* at which the rollout was then */
    char said[240];     /* what came of the last key */
    char question[480];
    struct buf picture, foot, frame;
};

static const struct action {
    char key;
    const char *verb, *words;
    const char *phases; /* in which phases it is offered, between blanks */
    bool is_of_step;    /* void once the step is another than when it was asked */
} actions[] = {
    {'v', "approve", "approve", " queued running paused ", true},
    {'r', "resume", "resume", " paused ", true},
    {'p', "pause", "pause", " running ", false},
    {'n', "promote", "end this step now", " running paused ", true},
    {'a', "abort", "abort", " submitted queued running paused finalizing ", false},
};

struct screen *screen_open(struct cli *cli, const char *id)
{
    struct screen *s = mem_alloc(sizeof *s);
    s->cli = cli;
    s->id = id;
    s->revision = -1;
    s->changes = json_array();
    s->has_keys = keyboard_open();
    buf_init(&s->picture, PICTURE_MAX_BYTES);
    buf_init(&s->foot, PICTURE_MAX_BYTES);
    buf_init(&s->frame, PICTURE_MAX_BYTES * 2);
    fputs("\033[2J\033[?25l", stdout);
    return s;
}

void screen_close(struct screen *s)
{
    if (!s)
        return;
    keyboard_close();
    fputs("\033[?25h\n", stdout);
    fflush(stdout);
    json_decref(s->changes);
    buf_clear(&s->picture);
    buf_clear(&s->foot);
    buf_clear(&s->frame);
    free(s);
}

/* The rows of the history, asked for when the rollout has moved. */
static void load_changes(struct screen *s, const json_t *rollout)
{
    int64_t revision = int_at(rollout, "revision", 0);
    if (revision != s->revision && watch_changes(s->cli, s->id, s->changes))
        s->revision = revision;
}

static bool waits_for_people(const json_t *rollout)
{
    size_t i;
    json_t *pause;
    json_array_foreach(json_object_get(rollout, "pauses"), i, pause)
    {
        if (strcmp(text_at(pause, "reason"), "approval") == 0)
            return true;
    }
    return false;
}

static bool is_offered(const struct action *a, const json_t *rollout)
{
    char phase[40];
    snprintf(phase, sizeof phase, " %.30s ", text_at(rollout, "phase"));
    return strstr(a->phases, phase) != NULL && (a->key != 'v' || waits_for_people(rollout)) &&
           (a->key != 'n' || (int_at(rollout, "step", 0) > 0 && ask_may_promote(rollout)));
}

static const struct action *action_of(int key)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].key == key)
            return &actions[i];
    return NULL;
}

static void put_foot(struct screen *s, const json_t *rollout, int64_t age_ms)
{
    struct buf *out = &s->foot;
    buf_puts(out, "\n");
    if (s->said[0])
        buf_putf(out, "%s\n", s->said);
    if (*text_at(rollout, "ended"))
        return; /* the last picture */
    if (s->asked)
        buf_putf(out, "%s? y yes, any other key no\n", s->question);
    for (size_t i = 0; i < ARRAY_LEN(actions) && s->has_keys && !s->asked; i++)
        if (is_offered(&actions[i], rollout))
            buf_putf(out, "%c %s · ", actions[i].key, actions[i].words);
    if (!s->asked)
        buf_puts(out, s->has_keys ? "q leave (it goes on)" : "Ctrl-C leaves; the rollout goes on");
    if (age_ms > STALE_MS)
        buf_putf(out, "\nno answer for %lld s", (long long)(age_ms / 1000));
    buf_puts(out, "\n");
}

static void window_size(const struct screen *s, int *columns, int *rows)
{
    struct winsize w = {0};
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0;
    *columns = is_known ? w.ws_col : s->cli->out.columns;
    *rows = is_known ? w.ws_row - 1 : 0;
}

void screen_show(struct screen *s, const json_t *rollout, int64_t age_ms)
{
    int columns = 80;
    int rows = 0;
    load_changes(s, rollout);
    window_size(s, &columns, &rows);
    s->cli->out.columns = columns;
    buf_reset(&s->picture);
    buf_reset(&s->foot);
    buf_reset(&s->frame);
    rollout_view(s->cli, rollout, s->changes, out_now_ms(), &s->picture);
    put_foot(s, rollout, age_ms);
    frame_draw(buf_str(&s->picture), buf_str(&s->foot), columns, rows, &s->frame);
    fwrite(s->frame.data, 1, s->frame.len, stdout);
    fflush(stdout);
}

static void send_command(struct screen *s, const json_t *rollout, const struct action *a)
{
    struct err e = {0};
    const char *verb = a->verb;
    json_t *body CLEANUP(json_decref_ptr) = json_pack("{s:s}", "verb", verb);
    int64_t step = a->is_of_step ? s->asked_step : int_at(rollout, "step", 0);
    if (step > 0)
        json_object_set_new(body, "expected_step", json_integer(step));
    const char *path = cli_printf(s->cli, "/api/v1/rollouts/%s/commands", cli_quote(s->cli, s->id));
    if (cli_call(s->cli, "POST", path, body, NULL, &e) == ERR_OK)
        snprintf(s->said, sizeof s->said, "%s: accepted", verb);
    else
        snprintf(s->said, sizeof s->said, "%s: %.200s", verb, e.message);
}

bool screen_wait(struct screen *s, const json_t *rollout, int64_t ms)
{
    int key = s->has_keys ? keyboard_next(ms) : 0;
    if (!s->has_keys)
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
    if (!key)
        return true;
    if (s->asked) {
        if (key == 'y' || key == 'Y')
            send_command(s, rollout, action_of(s->asked));
        s->asked = 0;
        return true;
    }
    const struct action *a = action_of(key);
    s->said[0] = '\0';
    s->asked_step = int_at(rollout, "step", 0);
    s->asked = a && is_offered(a, rollout) ? a->key : 0;
    if (s->asked == 'n')
        snprintf(s->question, sizeof s->question, "%s",
                 ask_promote_text(s->cli, rollout, false, true));
    else if (s->asked)
        snprintf(s->question, sizeof s->question, "%s %s", a->words, s->id);
    return key != 'q';
}
