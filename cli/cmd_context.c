/*
 * mreg context and mreg config: named registries and settings in mreg/config. Talks to nobody.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "profile.h"
#include "setup.h"

/* What a stored login of a context says, without its token; {} if there is none. */
static json_t *login_of(struct cli *cli, const char *context)
{
    char *path CLEANUP(mem_free_ptr) = profile_path(setup_credentials(&cli->arena, context));
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *j = NULL;
    size_t n = 0;
    if (file_read(path, 1 << 20, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, 8, &j, NULL) != ERR_OK)
        return json_object();
    json_t *out =
        json_pack("{s:s*, s:s*, s:b}", "url", json_string_value(json_object_get(j, "url")),
                  "key_id", json_string_value(json_object_get(j, "key_id")), "has_token",
                  json_object_get(j, "token") != NULL);
    json_decref(j);
    return out;
}

static json_t *describe(struct cli *cli, const char *context)
{
    const struct setup *s = cli->setup;
    const char *protected = setup_of_context(s, context, "protected");
    const char *url = setup_of_context(s, context, "url");
    json_t *login CLEANUP(json_decref_ptr) = login_of(cli, context);
    const char *token = setup_of_context(s, context, "helper")              ? "helper"
                        : setup_of_context(s, context, "token-file")        ? "file"
                        : json_is_true(json_object_get(login, "has_token")) ? "login"
                                                                            : "none";
    static const char *const on[] = {"true", "yes", "on", "1", NULL};
    bool is_protected = false;
    for (size_t i = 0; protected && on[i]; i++)
        is_protected = is_protected || strcmp(on[i], protected) == 0;
    return json_pack("{s:s, s:b, s:s*, s:b, s:s, s:s*, s:s*}", "name", context, "current",
                     strcmp(context, s->context) == 0, "url", url ? url : text_at(login, "url"),
                     "protected", is_protected, "token", token, "key_id",
                     json_string_value(json_object_get(login, "key_id")), "environment",
                     setup_of_context(s, context, "environment"));
}

int cmd_context_list(struct cli *cli)
{
    static const char *const heads[] = {"CONTEXT", "CURRENT", "URL", "PROTECTED", "TOKEN"};
    const char **names = setup_contexts(cli->setup, &cli->arena);
    json_t *items = json_array();
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", items);
    struct table t;
    table_init(&t, &cli->out, 5, heads);
    for (; *names; names++) {
        json_t *x = describe(cli, *names);
        bool is_current = json_is_true(json_object_get(x, "current"));
        json_array_append_new(items, x);
        table_cell(&t, is_current ? TONE_STRONG : TONE_PLAIN, *names);
        table_cell(&t, TONE_PLAIN, is_current ? "yes" : "");
        table_cell(&t, TONE_PLAIN, text_at(x, "url"));
        table_cell(&t, TONE_WARN, json_is_true(json_object_get(x, "protected")) ? "yes" : "");
        table_cell(&t, TONE_PLAIN, text_at(x, "token"));
    }
    if (cli->out.is_json) {
        table_clear(&t);
        cli_json(cli, j);
        return EXIT_DONE;
    }
    table_print(&t);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "no context yet; \"mreg login URL\" makes the default one");
    return EXIT_DONE;
}

/* The context that an argument names must exist. */
static int check_known(struct cli *cli, const char *name, struct err *e)
{
    if (setup_check_name(name, e) != ERR_OK)
        return ERR_INVALID;
    if (setup_knows(cli->setup, name))
        return ERR_OK;
    const char *near = json_nearest(name, setup_contexts(cli->setup, &cli->arena));
    return err_set(e, ERR_NOT_FOUND, "no context \"%s\"%s%s%s", name,
                   near ? "; did you mean " : "; \"mreg context list\" shows them",
                   near ? near : "", near ? "?" : "");
}

static int tell(struct cli *cli, const char *name, const char *done)
{
    json_t *j CLEANUP(json_decref_ptr) = describe(cli, name);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        out_say(&cli->out, "%s", done);
    return EXIT_DONE;
}

int cmd_context_use(struct cli *cli)
{
    struct err e = {0};
    const char *name = cli->args[0];
    int rc = check_known(cli, name, &e);
    if (rc == ERR_OK)
        rc = setup_write(cli->setup, NULL, "context", name, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    snprintf(cli->setup->context, sizeof cli->setup->context, "%s", name);
    return tell(cli, name, cli_printf(cli, "context %s is used from now on", name));
}

/* Which option of "context add" sets which key. */
static int write_options(struct cli *cli, const char *name, struct err *e)
{
    static const char *const keys[] = {"helper", "ca", "environment"};
    int rc =
        opt_has(cli, "protected") ? setup_write(cli->setup, name, "protected", "true", e) : ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(keys) && rc == ERR_OK; i++)
        if (opt(cli, keys[i]))
            rc = setup_write(cli->setup, name, keys[i], opt(cli, keys[i]), e);
    if (rc == ERR_OK && opt(cli, "token-file")) {
        char *whole CLEANUP(mem_free_ptr) = realpath(opt(cli, "token-file"), NULL);
        rc = setup_write(cli->setup, name, "token-file", whole ? whole : opt(cli, "token-file"), e);
    }
    return rc;
}

int cmd_context_add(struct cli *cli)
{
    struct err e = {0};
    const char *name = cli->args[0];
    char *url = arena_strdup(&cli->arena, cli->args[1]);
    for (size_t n = strlen(url); n && url[n - 1] == '/'; n--)
        url[n - 1] = '\0';
    int rc = setup_check_name(name, &e);
    const char *old = rc == ERR_OK ? setup_of_context(cli->setup, name, "url") : NULL;
    if (rc == ERR_OK && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        rc = err_set(&e, ERR_INVALID, "\"%.200s\" is no http:// or https:// address", url);
    if (rc == ERR_OK && old && strcmp(old, url) != 0)
        rc = err_set(&e, ERR_EXISTS, "context %s is of %s; \"mreg context remove %s\" forgets it",
                     name, old, name);
    if (rc == ERR_OK)
        rc = setup_write(cli->setup, name, "url", url, &e);
    if (rc == ERR_OK)
        rc = write_options(cli, name, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    return tell(cli, name,
                cli_printf(cli, "context %s added; next: mreg login --context %s --token-file FILE",
                           name, cli_shell(cli, name)));
}

int cmd_context_remove(struct cli *cli)
{
    struct err e = {0};
    const char *name = cli->args[0];
    int rc = check_known(cli, name, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (!cli_confirm(cli, cli_printf(cli, "forget context %s and its login?", name)))
        return EXIT_REFUSED;
    char *path CLEANUP(mem_free_ptr) = profile_path(setup_credentials(&cli->arena, name));
    const struct ini_entry *current = ini_find(&cli->setup->user, "core", "", "context");
    bool was_current = current && strcmp(current->value, name) == 0;
    if (unlink(path) != 0 && errno != ENOENT)
        rc = err_set(&e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    if (rc == ERR_OK && was_current)
        rc = setup_write(cli->setup, NULL, "context", NULL, &e);
    if (rc == ERR_OK)
        rc = setup_drop(cli->setup, name, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s, s:b}", "name", name, "removed", true);
    if (cli->out.is_json)
        cli_json(cli, j);
    out_say(&cli->out, "context %s is forgotten", name);
    return EXIT_DONE;
}

int cmd_context_show(struct cli *cli)
{
    static const char *const keys[] = {"name", "url", "token", "key_id", "environment"};
    struct err e = {0};
    const char *name = cli->n_args ? cli->args[0] : cli->setup->context;
    if (cli->n_args && check_known(cli, name, &e) != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = describe(cli, name);
    if (cli->out.is_json) {
        cli_json(cli, j);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (*text_at(j, keys[i]))
            printf("%s%-12s%s %s\n", out_on(&cli->out, TONE_FAINT), keys[i], out_off(&cli->out),
                   text_at(j, keys[i]));
    printf("%s%-12s%s %s\n", out_on(&cli->out, TONE_FAINT), "protected", out_off(&cli->out),
           json_is_true(json_object_get(j, "protected")) ? "yes" : "no");
    if (!cli->n_args)
        printf("%s%-12s%s %s\n", out_on(&cli->out, TONE_FAINT), "chosen by", out_off(&cli->out),
               cli->setup->context_from);
    return EXIT_DONE;
}

/* --- config --- */

static json_t *setting_json(struct cli *cli, const char *key)
{
    const char *from = "";
    const char *value = setup_get(cli, key, &from);
    json_t *login CLEANUP(json_decref_ptr) = NULL;
    if (!value && strcmp(key, "url") == 0) {
        login = login_of(cli, cli->setup->context);
        value = json_string_value(json_object_get(login, "url"));
        from = cli_printf(cli, "login of context %s", cli->setup->context);
    }
    return json_pack("{s:s, s:s*, s:s}", "key", key, "value", value, "origin",
                     value ? from : "not set");
}

int cmd_config_list(struct cli *cli)
{
    static const char *const heads[] = {"KEY", "VALUE", "ORIGIN"};
    json_t *items = json_array();
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", items);
    struct table t;
    table_init(&t, &cli->out, 3, heads);
    for (const struct setting_row *r = setup_rows; r->key; r++) {
        json_t *x = setting_json(cli, r->key);
        json_array_append_new(items, x);
        table_cell(&t, TONE_PLAIN, r->key);
        table_cell(&t, TONE_PLAIN, text_at(x, "value"));
        table_cell(&t, TONE_FAINT, text_at(x, "origin"));
    }
    if (cli->out.is_json) {
        table_clear(&t);
        cli_json(cli, j);
        return EXIT_DONE;
    }
    table_print(&t);
    return EXIT_DONE;
}

int cmd_config_get(struct cli *cli)
{
    struct err e = {0};
    const char *key = cli->args[0];
    if (!setup_row(key, &e))
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = setting_json(cli, key);
    const char *value = json_string_value(json_object_get(j, "value"));
    if (!value) {
        err_set(&e, ERR_NOT_FOUND, "%s is not set", key);
        return cli_fail(cli, &e);
    }
    if (cli->out.is_json)
        cli_json(cli, j);
    else if (opt_has(cli, "origin"))
        printf("%s\t%s\n", value, text_at(j, "origin"));
    else
        printf("%s\n", value);
    return EXIT_DONE;
}

/* Settings of contexts go into the current one, others into [core]. */
int cmd_config_set(struct cli *cli)
{
    struct err e = {0};
    const char *key = cli->args[0];
    const char *value = cli->n_args > 1 ? cli->args[1] : NULL;
    const struct setting_row *row = setup_row(key, &e);
    if (row && !row->is_in_core && !row->is_in_context)
        row = err_set(&e, ERR_INVALID, "%s can be given for one command only", key) ? NULL : row;
    if (!row || (value && setup_check(key, value, &e) != ERR_OK))
        return cli_fail(cli, &e);
    const char *context = row->is_in_core ? NULL : cli->setup->context;
    if (setup_write(cli->setup, context, key, value, &e) != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = setting_json(cli, key);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        out_say(&cli->out, "%s %s%s%s", key, value ? "is set" : "is removed",
                context ? " in context " : "", context ? context : "");
    return EXIT_DONE;
}
