/*
 * mreg show: one model or version in words.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "listing.h"
#include "name.h"

static void line(struct cli *cli, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    const char *clean = out_clean(arena_strdup(&cli->arena, value));
    printf("%s%-12s%s %s\n", out_on(&cli->out, TONE_FAINT), label, out_off(&cli->out), clean);
}

/* Text of several lines keeps them. */
static void text_lines(struct cli *cli, const char *label, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (n)
            line(cli, label, arena_copy(&cli->arena, text, n));
        else
            putchar('\n');
        label = "";
        text += n + (text[n] == '\n');
    }
}

static void map_lines(struct cli *cli, const char *label, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        if (json_is_string(value))
            line(cli, label, cli_printf(cli, "%s = %s", key, json_string_value(value)));
        else
            line(cli, label,
                 cli_printf(cli, "%s = version %lld", key, (long long)json_integer_value(value)));
    }
}

static void show_model(struct cli *cli, const json_t *m)
{
    char ago[40];
    printf("%s%s%s\n", out_on(&cli->out, TONE_STRONG), text_at(m, "name"), out_off(&cli->out));
    text_lines(cli, "description", text_at(m, "description"));
    line(cli, "versions",
         cli_printf(cli, "%lld, latest %lld", (long long)int_at(m, "n_versions", 0),
                    (long long)int_at(m, "latest", 0)));
    line(cli, "created", out_ago(&cli->out, text_at(m, "created"), ago));
    map_lines(cli, "live", json_object_get(m, "live"));
    map_lines(cli, "alias", json_object_get(m, "aliases"));
    map_lines(cli, "tag", json_object_get(m, "tags"));
}

static void show_version(struct cli *cli, const json_t *v)
{
    char text[40];
    json_t *item;
    size_t i;
    printf("%s%s@%lld%s\n", out_on(&cli->out, TONE_STRONG), text_at(v, "model"),
           (long long)int_at(v, "version", 0), out_off(&cli->out));
    text_lines(cli, "description", text_at(v, "description"));
    line(cli, "content", text_at(v, "content"));
    line(cli, "format", text_at(v, "format"));
    line(cli, "size", out_bytes(int_at(v, "size", 0), text));
    line(cli, "pushed",
         cli_printf(cli, "%s by %s", out_ago(&cli->out, text_at(v, "created"), text),
                    list_actor(cli, v, "created_by")));
    json_array_foreach(json_object_get(v, "live"), i, item)
        line(cli, "live in", json_string_value(item));
    json_array_foreach(json_object_get(v, "aliases"), i, item)
        line(cli, "alias", json_string_value(item));
    map_lines(cli, "metric", json_object_get(v, "metrics"));
    map_lines(cli, "param", json_object_get(v, "params"));
    map_lines(cli, "lineage", json_object_get(v, "lineage"));
    map_lines(cli, "tag", json_object_get(v, "tags"));
    json_array_foreach(json_object_get(v, "files"), i, item)
        line(cli, "file",
             cli_printf(cli, "%s  %s  %.12s", text_at(item, "path"),
                        out_bytes(int_at(item, "size", 0), text), text_at(item, "sha256")));
}

int cmd_show(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    json_t *found CLEANUP(json_decref_ptr) = NULL;
    const char *at = opt(cli, "at");
    bool has_ref = strchr(cli->args[0], '@') != NULL;
    int rc = ref_split(cli->args[0], model, &ref, &e);
    if (rc == ERR_OK && cli->out.wanted && !cli->out.is_json)
        rc = err_set(&e, ERR_INVALID, "show prints no table: --columns picks members with -o json");
    if (rc == ERR_OK)
        rc = cli_call(
            cli, "GET",
            cli_query(cli,
                      cli_printf(cli, "/api/v1/models/%s%s%s", cli_quote(cli, model),
                                 has_ref ? "/versions/" : "", has_ref ? cli_quote(cli, ref) : ""),
                      "at", at),
            NULL, &found, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, found);
    else if (has_ref)
        show_version(cli, found);
    else
        show_model(cli, found);
    return EXIT_DONE;
}
