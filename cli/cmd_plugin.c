/*
 * mreg plugin list: the programs on PATH that add commands.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "plugin.h"

/* A command of mreg's own wins over a plugin, an earlier folder of PATH over a later one. */
static const char *state_of(const json_t *items, const char *name)
{
    size_t i;
    json_t *item;
    if (opt_of_word(command_tables, name))
        return "hidden by a command";
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        if (strcmp(text_at(item, "name"), name) == 0)
            return "hidden by another one";
    }
    return "ok";
}

static void add(void *user, const char *name, const char *path)
{
    json_t *items = user;
    json_array_append_new(items, json_pack("{s:s, s:s, s:s}", "name", name, "path", path, "state",
                                           state_of(items, name)));
}

int cmd_plugin_list(struct cli *cli)
{
    static const char *const heads[] = {"PLUGIN", "STATE", "PATH"};
    json_t *items = json_array();
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", items);
    struct table t;
    size_t i;
    json_t *item;
    plugin_each(add, items);
    if (cli->out.is_json) {
        cli_json(cli, j);
        return EXIT_DONE;
    }
    table_init(&t, &cli->out, 3, heads);
    json_array_foreach(items, i, item)
    {
        bool is_good = strcmp(text_at(item, "state"), "ok") == 0;
        table_cell(&t, TONE_PLAIN, text_at(item, "name"));
        table_cell(&t, is_good ? TONE_PLAIN : TONE_WARN, text_at(item, "state"));
        table_cell(&t, TONE_PLAIN, text_at(item, "path"));
    }
    table_print(&t);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "no program mreg-NAME on PATH");
    return EXIT_DONE;
}
