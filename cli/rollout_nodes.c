/*
 * The nodes in a rollout's picture: how many have the new version, and what each one is at. Nodes
 * with nothing to say share lines. Main thread.
 */
#include <string.h>

#include "rollout_parts.h"

#define PIPE_COLUMNS 100
#define SHARE_CELLS 20
#define SHOWN_PLAIN 60 /* nodes that share lines; the numbers tell of the others */

static const char *node_mark(const char *state)
{
    static const struct {
        const char *state, *mark;
    } marks[] = {{"serving", "✓"},      {"failed", "✗"}, {"unreachable", "✗"},
                 {"rolling-back", "↩"}, {"old", "·"},    {"left-out", "–"}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (strcmp(state, marks[i].state) == 0)
            return marks[i].mark;
    return "▸";
}

static bool is_plain(const json_t *node)
{
    const char *state = text_at(node, "state");
    return (strcmp(state, "serving") == 0 || strcmp(state, "old") == 0) &&
           int_at(node, "restarts", 0) == 0;
}

static bool is_moving(const char *state)
{
    static const char *const moving[] = {"waiting",   "placing",  "switching",    "loading",
                                         "observing", "golden",   "rolling-back", "draining",
                                         "routing",   "reloading"};
    for (size_t i = 0; i < ARRAY_LEN(moving); i++)
        if (strcmp(state, moving[i]) == 0)
            return true;
    return false;
}

static void put_share(struct view *v, const json_t *nodes)
{
    size_t i;
    json_t *node;
    long long n_new = 0;
    long long n_moving = 0;
    long long n = (long long)json_array_size(nodes);
    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        n_new += int_at(node, "version", 0) == int_at(v->r, "to", -1);
        n_moving += is_moving(text_at(node, "state"));
    }
    if (n == 0)
        return;
    buf_puts(v->out, "  nodes   ");
    draw_bar(v, TONE_GOOD, (double)n_new / (double)n, SHARE_CELLS);
    buf_putf(v->out, " %lld of %lld on version %lld", n_new, n, (long long)int_at(v->r, "to", 0));
    if (n_moving > 0)
        buf_putf(v->out, ", %lld at work", n_moving);
    buf_puts(v->out, "\n");
}

static void put_plain(struct view *v, const json_t *nodes)
{
    size_t i;
    json_t *node;
    int at = 0;
    int n_shown = 0;
    int width = v->cli->out.stdout_is_tty ? v->cli->out.columns : PIPE_COLUMNS;
    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        if (!is_plain(node) || n_shown++ >= SHOWN_PLAIN)
            continue;
        int64_t number = int_at(node, "version", 0);
        const char *version = number ? cli_printf(v->cli, "v%lld", (long long)number) : "-";
        const char *cell = cli_printf(v->cli, "%s %s %s", node_mark(text_at(node, "state")),
                                      draw_clean(v, text_at(node, "node")), version);
        int n = (int)strlen(cell);
        if (at && at + n + 3 > width) {
            buf_puts(v->out, "\n");
            at = 0;
        }
        buf_puts(v->out, at ? "   " : "  ");
        bool has_new = int_at(node, "version", 0) == int_at(v->r, "to", -1);
        draw_put(v, has_new ? TONE_GOOD : TONE_FAINT, cell);
        at += n + 3;
    }
    buf_puts(v->out, at ? "\n" : "");
    if (n_shown > SHOWN_PLAIN)
        buf_putf(v->out, "  and %d more as these\n", n_shown - SHOWN_PLAIN);
}

static const char *versions_of(struct view *v, const json_t *node)
{
    int64_t number = int_at(node, "version", 0);
    int64_t wanted = int_at(node, "wanted", 0);
    const char *now = number ? cli_printf(v->cli, "v%lld", (long long)number) : "-";
    if (!wanted || wanted == number)
        return now;
    return cli_printf(v->cli, "%s->v%lld", now, (long long)wanted);
}

static void put_busy(struct view *v, const json_t *node)
{
    const char *state = text_at(node, "state");
    int64_t attempt = int_at(node, "attempt", 0);
    int64_t restarts = int_at(node, "restarts", 0);
    bool is_bad = strcmp(state, "failed") == 0 || strcmp(state, "unreachable") == 0;
    buf_putf(v->out, "  %s %-12s %-7s ", node_mark(state), draw_clean(v, text_at(node, "node")),
             versions_of(v, node));
    draw_put(v, is_bad ? TONE_BAD : TONE_WARN, state);
    if (attempt > 1 && is_moving(state))
        buf_putf(v->out, ", attempt %lld", (long long)attempt);
    if (restarts > 0)
        buf_putf(v->out, ", %lld restart%s", (long long)restarts, restarts == 1 ? "" : "s");
    buf_putf(v->out, "  %s\n", draw_clean(v, text_at(node, "text")));
}

void draw_nodes(struct view *v)
{
    size_t i;
    json_t *node;
    const json_t *nodes = json_object_get(v->r, "nodes");
    put_share(v, nodes);
    put_plain(v, nodes);
    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        if (!is_plain(node))
            put_busy(v, node);
    }
}
