/*
 * Lists of the API as tables: fetches the pages, shapes the cells. Knows no command. One thread.
 */
#include "listing.h"

#include <stdio.h>
#include <string.h>

#include "commands.h"

int list_some(struct cli *cli, const char *path, size_t max, json_t **items, bool *has_more,
              struct err *e)
{
    const char *cursor = "";
    json_t *all = json_array();
    int rc = ERR_OK;
    while (rc == ERR_OK && cursor && json_array_size(all) < max) {
        json_t *page CLEANUP(json_decref_ptr) = NULL;
        size_t left = max - json_array_size(all);
        const char *url =
            cli_query(cli, path, "limit", cli_printf(cli, "%zu", left < 500 ? left : (size_t)500));
        url = cli_query(cli, url, "cursor", *cursor ? cursor : NULL);
        rc = cli_call(cli, "GET", url, NULL, &page, e);
        if (rc != ERR_OK)
            break;
        json_array_extend(all, json_object_get(page, "items"));
        const char *next = json_string_value(json_object_get(page, "next"));
        if (json_array_size(json_object_get(page, "items")) == 0)
            next = NULL; /* lists that go on for ever have a next page always */
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

static void add_cell(struct cli *cli, struct table *t, const struct column *c, const json_t *item)
{
    char text[40];
    const json_t *value = json_object_get(item, c->key);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    switch (c->shape) {
    case SHAPE_TEXT:
        table_cell(t, TONE_PLAIN, text_at(item, c->key));
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

int list_print(struct cli *cli, const char *path, const struct listing *l)
{
    struct err e = {0};
    json_t *items CLEANUP(json_decref_ptr) = NULL;
    int64_t max = 100;
    bool has_more = false;
    int rc = cli_number(cli, "limit", 1, 1000000, &max, &e);
    if (rc == ERR_OK)
        rc = list_some(cli, path, (size_t)max, &items, &has_more, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:O, s:b}", "items", items, "more", has_more);
        cli_json(cli, j);
        return EXIT_DONE;
    }
    const char *heads[TABLE_MAX_COLUMNS];
    int n = 0;
    for (; n < TABLE_MAX_COLUMNS && l->columns[n].head; n++)
        heads[n] = l->columns[n].head;
    struct table t;
    json_t *item;
    size_t i;
    table_init(&t, &cli->out, n, heads);
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < n; c++)
            add_cell(cli, &t, &l->columns[c], item);
    }
    table_print(&t);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "nothing here yet");
    if (has_more)
        out_say(&cli->out, "there are more than these %lld: --limit N shows them", (long long)max);
    return EXIT_DONE;
}
