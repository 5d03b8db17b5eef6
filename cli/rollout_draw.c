/*
 * What all parts of a rollout's picture share: tones, spans of time, wrapped text, bars. Pure but
 * for the width of the terminal. Main thread.
 */
#include "rollout_draw.h"

#include <string.h>

#include "when.h"

#define PIPE_COLUMNS 4000 /* a pipe's lines are as long as they are */

const char *draw_clean(struct view *v, const char *text)
{
    return out_clean(arena_strdup(&v->cli->arena, text));
}

void draw_put(struct view *v, enum tone tone, const char *text)
{
    buf_putf(v->out, "%s%s%s", out_on(&v->cli->out, tone), text, out_off(&v->cli->out));
}

const char *draw_span(struct view *v, int64_t ms)
{
    int64_t s = ms > 0 ? (ms + 500) / 1000 : 0;
    if (s < 60)
        return cli_printf(v->cli, "%llds", (long long)s);
    if (s < 3600)
        return cli_printf(v->cli, "%lldm %02llds", (long long)(s / 60), (long long)(s % 60));
    return cli_printf(v->cli, "%lldh %02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
}

const char *draw_duration(struct view *v, const char *text)
{
    int64_t ms = 0;
    if (when_parse_duration(text, &ms, NULL) != ERR_OK)
        return draw_clean(v, text);
    return draw_span(v, ms > 0 && ms < 1000 ? 1000 : ms);
}

int64_t draw_time_at(const json_t *obj, const char *key)
{
    int64_t ms = 0;
    const char *text = text_at(obj, key);
    return *text && when_parse(text, &ms, NULL) == ERR_OK ? ms : 0;
}

void draw_wrapped(struct view *v, enum tone tone, const char *text)
{
    int width = v->cli->out.stdout_is_tty ? v->cli->out.columns - 2 : PIPE_COLUMNS;
    const char *at = draw_clean(v, text);
    while (*at) {
        size_t n = strlen(at);
        size_t most = (size_t)(width > 20 ? width : 20);
        if (n > most) {
            n = most;
            while (n > 0 && at[n] != ' ')
                n--;
            n = n ? n : most;
        }
        buf_puts(v->out, "  ");
        draw_put(v, tone, cli_printf(v->cli, "%.*s", (int)n, at));
        buf_puts(v->out, "\n");
        at += n;
        at += strspn(at, " ");
    }
}

void draw_bar(struct view *v, enum tone tone, double part, int n_cells)
{
    double share = part < 0 ? 0 : part > 1 ? 1 : part;
    int n = (int)(share * n_cells + 0.5);
    for (int i = 0; i < n_cells; i++)
        draw_put(v, i < n ? tone : TONE_FAINT, i < n ? "━" : "─");
}

bool draw_node_is_new(const struct view *v, const char *name)
{
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(v->r, "nodes"), i, node)
    {
        if (strcmp(text_at(node, "node"), name) == 0)
            return int_at(node, "version", 0) == int_at(v->r, "to", -1);
    }
    return false;
}
