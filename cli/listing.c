/*
 * Lists of the API as tables: fetches the pages, shapes the cells. Knows no command. One thread.
 */
#include "listing.h"

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "rollout.h"

#define PHASE_LOOKED_AT 5000 /* rollouts among which --phase chooses */

int list_some(struct cli *cli, const char *path, size_t max, json_t **items, bool *has_more,
              struct err *e)
{
    const char *cursor = "";
    json_t *all = json_array();
    int rc = ERR_OK;
    size_t n_last = 1;
    while (rc == ERR_OK && cursor && json_array_size(all) < max) {
        json_t *page CLEANUP(json_decref_ptr) = NULL;
        size_t left = max - json_array_size(all);
        size_t n = left < 500 && n_last ? left : 500; /* behind a page of hidden rows: a long one */
        const char *url = cli_query(cli, path, "limit", cli_printf(cli, "%zu", n));
        url = cli_query(cli, url, "cursor", *cursor ? cursor : NULL);
        rc = cli_call(cli, "GET", url, NULL, &page, e);
        if (rc != ERR_OK)
            break;
        json_array_extend(all, json_object_get(page, "items"));
        const char *next = json_string_value(json_object_get(page, "next"));
        n_last = json_array_size(json_object_get(page, "items"));
        if (next && strcmp(next, cursor) == 0)
            next = NULL; /* the end of a list that goes on for ever */
        cursor = next ? arena_strdup(&cli->arena, next) : NULL;
    }
    bool is_cut = json_array_size(all) > max; /* not every list of the API has pages */
    while (json_array_size(all) > max)
        json_array_remove(all, json_array_size(all) - 1);
    if (rc != ERR_OK)
        json_decref(all);
    else
        *items = all;
    if (has_more)
        *has_more = cursor != NULL || is_cut;
    return rc;
}

/* "a, b" of an array of strings, or "k=v, k=v" of an object. */
static const char *join(struct cli *cli, const json_t *value)
{
    struct buf b CLEANUP(buf_clear);
    const char *key;
    json_t *v;
    size_t i;
    buf_init(&b, 400);
    json_array_foreach((json_t *)(uintptr_t)value, i, v)
    {
        if (json_is_string(v))
            buf_putf(&b, "%s%s", b.len ? "," : "", json_string_value(v));
        else if (json_is_object(v))
            buf_putf(&b, "%s%s@%lld", b.len ? "," : "", text_at(v, "serve_as"),
                     (long long)int_at(v, "version", 0));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, v)
    {
        if (json_is_string(v))
            buf_putf(&b, "%s%s=%s", b.len ? "," : "", key, json_string_value(v));
        else if (json_is_integer(v))
            buf_putf(&b, "%s%s=%lld", b.len ? "," : "", key, (long long)json_integer_value(v));
    }
    return arena_strdup(&cli->arena, buf_str(&b));
}

const char *list_actor(struct cli *cli, const json_t *item, const char *key)
{
    const char *id = text_at(item, key);
    const char *name = text_at(item, cli_printf(cli, "%s_name", key));
    if (*name && out_is_short(&cli->out))
        return name;
    return *name ? cli_printf(cli, "%s (%s)", name, id) : id;
}

/* "message: reason" */
static const char *with_reason(struct cli *cli, const json_t *item, const char *key)
{
    const char *reason = text_at(item, "reason");
    bool is_short = out_is_short(&cli->out) && *reason;
    return is_short ? cli_printf(cli, "%s: %s", text_at(item, key), reason) : text_at(item, key);
}

static void add_cell(struct cli *cli, struct table *t, const struct column *c, const json_t *item)
{
    char text[40];
    const json_t *value = json_object_get(item, c->key);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    switch (c->shape) {
    case SHAPE_TEXT:
    case SHAPE_LONG:
    case SHAPE_REASON:
        table_cell(t, TONE_PLAIN, text_at(item, c->key));
        break;
    case SHAPE_MESSAGE:
        table_cell(t, TONE_PLAIN, with_reason(cli, item, c->key));
        break;
    case SHAPE_ACTOR:
        table_cell(t, TONE_PLAIN, list_actor(cli, item, c->key));
        break;
    case SHAPE_INT:
        if (json_is_integer(value))
            table_cellf(t, TONE_PLAIN, "%lld", (long long)n);
        else
            table_cell(t, TONE_PLAIN,
                       json_is_true(value)    ? "yes"
                       : json_is_false(value) ? "no"
                                              : "");
        break;
    case SHAPE_BYTES:
        table_cell(t, TONE_PLAIN,
                   out_is_aligned(&cli->out) ? out_bytes(n, text)
                                             : cli_printf(cli, "%lld", (long long)n));
        break;
    case SHAPE_AGO:
        table_cell(t, TONE_PLAIN, out_ago(&cli->out, json_string_value(value), text));
        break;
    case SHAPE_WORDS:
    case SHAPE_MAP:
        table_cell(t, TONE_PLAIN, join(cli, value));
        break;
    }
}

/* --phase: a list that is read further and of which only some are kept. */
static int keep_phase(const char *phase, int64_t max, json_t *items, bool *has_more, struct err *e)
{
    const char *names[ROLLOUT_PHASE_COUNT + 1];
    bool is_known = false;
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        names[i] = rollout_phase_name((enum rollout_phase)i);
        is_known = is_known || strcmp(names[i], phase) == 0;
    }
    names[ROLLOUT_PHASE_COUNT] = NULL;
    const char *near = is_known ? NULL : json_nearest(phase, names);
    if (!is_known)
        return err_set(e, ERR_INVALID, "--phase \"%.40s\": no such phase%s%s%s", phase,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    for (size_t i = 0; i < json_array_size(items);) {
        bool is_it = strcmp(text_at(json_array_get(items, i), "phase"), phase) == 0;
        bool is_over = is_it && i == (size_t)max;
        *has_more = *has_more || is_over;
        if (is_it && !is_over)
            i++;
        else
            json_array_remove(items, i);
    }
    return ERR_OK;
}

static int check_one(struct cli *cli, const char *path, const char *at, struct err *e)
{
    json_t *found CLEANUP(json_decref_ptr) = NULL;
    return cli_call(cli, "GET", cli_query(cli, path, "at", at), NULL, &found, e);
}

int list_check(struct cli *cli, const char *env, const char *model, const char *at, struct err *e)
{
    int rc = ERR_OK;
    if (env)
        rc = check_one(cli, cli_printf(cli, "/api/v1/environments/%s", cli_quote(cli, env)), at, e);
    if (rc == ERR_OK && model)
        rc = check_one(cli, cli_printf(cli, "/api/v1/models/%s", cli_quote(cli, model)), at, e);
    if (rc != ERR_NOT_FOUND || !at)
        return rc;
    /* What came later was nothing then; a name that is wrong now, too, has a better one near. */
    return list_check(cli, env, model, NULL, e);
}

/* The columns that are shown, without those that a short table puts elsewhere. */
static int pick_columns(struct cli *cli, const struct listing *l,
                        const struct column *picked[TABLE_MAX_COLUMNS])
{
    int n = 0;
    for (int i = 0; i < TABLE_MAX_COLUMNS && l->columns[i].head; i++)
        if (l->columns[i].shape != SHAPE_REASON || !out_is_short(&cli->out) || cli->out.wanted)
            picked[n++] = &l->columns[i];
    return n;
}

static void print_items(struct cli *cli, const json_t *items, const struct listing *l)
{
    static const char *const lesser[] = {"FORMAT", NULL};
    const struct column *columns[TABLE_MAX_COLUMNS];
    const char *heads[TABLE_MAX_COLUMNS];
    struct table t;
    json_t *item;
    size_t i;
    int n = pick_columns(cli, l, columns);
    for (int c = 0; c < n; c++)
        heads[c] = columns[c]->head;
    table_init(&t, &cli->out, n, heads);
    t.lesser = lesser;
    t.is_wordy = columns[n - 1]->shape == SHAPE_LONG || columns[n - 1]->shape == SHAPE_MESSAGE;
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        for (int c = 0; c < n; c++)
            add_cell(cli, &t, columns[c], item);
    }
    table_print(&t);
}

/* Fewer than --limit of a list that goes on: --phase has looked at as many as it does. */
static void say_more(struct cli *cli, int64_t max, size_t n)
{
    if (n < (size_t)max)
        out_say(&cli->out, "only the newest %d rollouts were looked at", PHASE_LOOKED_AT);
    else
        out_say(&cli->out, "there are more than %s: --limit N shows them",
                max == 1 ? "this one" : cli_printf(cli, "these %lld", (long long)max));
}

/* about: an environment and a model; none: what is said of an empty list. */
static int print_list(struct cli *cli, const char *path, const struct listing *l,
                      const char *const about[2], const char *none)
{
    struct err e = {0};
    json_t *items CLEANUP(json_decref_ptr) = NULL;
    int64_t max = 100;
    bool has_more = false;
    int rc = cli_number(cli, "limit", 1, 1000000, &max, &e);
    const char *phase = opt(cli, "phase");
    if (rc == ERR_OK)
        rc = list_some(cli, path, phase ? PHASE_LOOKED_AT : (size_t)max, &items, &has_more, &e);
    if (rc == ERR_OK && phase)
        rc = keep_phase(phase, max, items, &has_more, &e);
    if (rc == ERR_OK && json_array_size(items) == 0)
        rc = list_check(cli, about[0], about[1], opt(cli, "at"), &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:O, s:b}", "items", items, "more", has_more);
        cli_json(cli, j);
        return EXIT_DONE;
    }
    print_items(cli, items, l);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "%s", none);
    if (has_more)
        say_more(cli, max, json_array_size(items));
    return EXIT_DONE;
}

int list_print_of(struct cli *cli, const char *path, const struct listing *l,
                  const char *const about[2])
{
    return print_list(cli, path, l, about, "nothing here yet");
}

int list_print_or(struct cli *cli, const char *path, const struct listing *l, const char *none)
{
    return print_list(cli, path, l, (const char *const[2]){NULL, NULL}, none);
}

int list_print(struct cli *cli, const char *path, const struct listing *l)
{
    return list_print_or(cli, path, l, "nothing here yet");
}
