/*
 * mreg api: any call of the API, for what has no command.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "confirm.h"
#include "remote.h"

#define ANSWER_MAX_BYTES ((size_t)256 << 20)

/* "/models" and "models" are below /api/v1. */
static const char *whole_path(struct cli *cli, const char *path)
{
    bool is_whole = strncmp(path, "/api/", 5) == 0 || strncmp(path, "/history.git/", 13) == 0;
    if (is_whole || strcmp(path, "/api") == 0)
        return path;
    return cli_printf(cli, "/api/v1%s%s", *path == '/' || !*path ? "" : "/",
                      strcmp(path, "/") ? path : "");
}

/* NAME=VALUE as text, NAME:=VALUE as JSON. */
static int add_field(struct cli *cli, const char *field, json_t *body, struct err *e)
{
    const char *equals = strchr(field, '=');
    json_t *value = NULL;
    if (!equals || equals == field)
        return err_set(e, ERR_INVALID, "--field \"%.200s\": wanted NAME=TEXT or NAME:=JSON", field);
    bool is_json = equals[-1] == ':' && equals - 1 > field;
    const char *name = arena_copy(&cli->arena, field, (size_t)(equals - field) - is_json);
    if (is_json)
        value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
    else
        value = json_string(equals + 1);
    if (!value || json_object_set_new(body, name, value) != 0)
        return err_set(e, ERR_INVALID, "--field \"%.200s\": the value is no %s", field,
                       is_json ? "JSON" : "UTF-8");
    return ERR_OK;
}

static int read_body(struct cli *cli, json_t **out, struct err *e)
{
    const char *field;
    const char *file = opt(cli, "input");
    int rc = file ? cli_read_json(file, out, e) : ERR_OK;
    for (int i = 0; rc == ERR_OK && (field = opt_nth(cli, "field", i)); i++) {
        if (!*out)
            *out = json_object();
        rc = add_field(cli, field, *out, e);
    }
    return rc;
}

static int print_answer(struct cli *cli, const struct buf *answer)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    bool is_json = answer->len &&
                   json_parse(answer->data, answer->len, JSON_MAX_DEPTH, &j, NULL) == ERR_OK &&
                   (json_is_object(j) || json_is_array(j));
    if (is_json)
        cli_json(cli, j);
    else
        fwrite(buf_str(answer), 1, answer->len, stdout);
    return EXIT_DONE;
}

/* All pages of a list as one. */
static int print_pages(struct cli *cli, const char *path, struct err *e)
{
    json_t *items = NULL;
    int rc = list_some(cli, path, 10000000, &items, NULL, e);
    if (rc != ERR_OK)
        return cli_fail(cli, e);
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", items);
    cli_json(cli, j);
    return EXIT_DONE;
}

int cmd_api(struct cli *cli)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
    struct err e = {0};
    struct remote *remote = NULL;
    json_t *body CLEANUP(json_decref_ptr) = NULL;
    struct buf answer CLEANUP(buf_clear) = {0};
    const char *method = cli->args[0];
    const char *path = whole_path(cli, cli->args[1]);
    bool is_known = false;
    for (size_t i = 0; methods[i]; i++)
        is_known = is_known || strcmp(methods[i], method) == 0;
    buf_init(&answer, ANSWER_MAX_BYTES);
    int rc = is_known ? ERR_OK
                      : err_set(&e, ERR_INVALID,
                                "\"%.40s\" is none of GET, POST, PUT, PATCH, DELETE", method);
    if (rc == ERR_OK)
        rc = read_body(cli, &body, &e);
    if (rc == ERR_OK && opt_has(cli, "paginate"))
        return print_pages(cli, path, &e);
    if (rc == ERR_OK)
        rc = cli_remote(cli, &remote, &e);
    if (rc == ERR_OK)
        rc = confirm_call(cli, method, path, body, &e);
    if (rc == ERR_OK)
        rc = remote_call(remote, method, path, body, &answer, &e);
    return rc == ERR_OK ? print_answer(cli, &answer) : cli_fail(cli, &e);
}
