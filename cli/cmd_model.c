/*
 * mreg model and mreg user: make, change and remove, one call each; removal of several goes on
 * after a failure and says so with exit code 12.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "listing.h"
#include "profile.h"

/* Runs one call (body is given away) and prints `done`, or the answer with --json. */
static int finish(struct cli *cli, const char *method, const char *path, json_t *body,
                  const char *done)
{
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    const char *reason = opt(cli, "reason");
    if (reason)
        json_object_set_new(body, "reason", json_string(reason));
    int rc = cli_call(cli, method, path, body, &answer, &e);
    json_decref(body);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        out_say(&cli->out, "%s", done);
    return EXIT_DONE;
}

/* Removes all arguments, each by DELETE on its own path. */
static int remove_all(struct cli *cli, const char *collection, json_t *gone, json_t *failed)
{
    struct err e = {0};
    int code = EXIT_DONE;
    for (int i = 0; i < cli->n_args; i++) {
        const char *name = cli->args[i];
        const char *path = cli_printf(cli, "/api/v1/%s/%s", collection, cli_quote(cli, name));
        if (cli_call(cli, "DELETE", cli_query(cli, path, "reason", opt(cli, "reason")), NULL, NULL,
                     &e) == ERR_OK) {
            json_array_append_new(gone, json_string(name));
            continue;
        }
        if (cli->n_args == 1)
            return cli_fail(cli, &e);
        code = err_exit_code(e.code);
        json_array_append_new(failed, json_pack("{s:s, s:s, s:s}", "name", name, "code",
                                                err_name(e.code), "message", e.message));
        if (!cli->out.is_json)
            fprintf(stderr, "%serror%s: %s: %s: %s\n", out_err_on(&cli->out, TONE_BAD),
                    out_err_off(&cli->out), err_name(e.code), name, e.message);
    }
    return code;
}

static int remove_objects(struct cli *cli, const char *collection, const char *what)
{
    json_t *gone = json_array();
    json_t *failed = json_array();
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o, s:o}", "removed", gone, "failed", failed);
    int code = remove_all(cli, collection, gone, failed);
    size_t n = json_array_size(gone);
    bool is_alone = cli->n_args == 1 && code != EXIT_DONE; /* its error has been printed */
    if (cli->out.is_json && !is_alone)
        cli_json(cli, j);
    else if (n)
        out_say(&cli->out, "%zu %s%s removed", n, what, n == 1 ? "" : "s");
    return code != EXIT_DONE && n ? EXIT_PARTLY : code;
}

/* --- models --- */

static int model_body(struct cli *cli, json_t *body, struct err *e)
{
    json_t *tags = json_object();
    int rc = cli_pairs(cli, "tag", tags, e);
    if (opt(cli, "description"))
        json_object_set_new(body, "description", json_string(opt(cli, "description")));
    if (json_object_size(tags))
        json_object_set(body, "tags", tags);
    json_decref(tags);
    return rc;
}

int cmd_model_create(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_pack("{s:s}", "name", cli->args[0]);
    if (model_body(cli, body, &e) == ERR_OK)
        return finish(cli, "POST", "/api/v1/models", body,
                      cli_printf(cli, "model %s made; next: mreg push %s PATH", cli->args[0],
                                 cli_shell(cli, cli->args[0])));
    json_decref(body);
    return cli_fail(cli, &e);
}

int cmd_model_edit(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_object();
    int rc = model_body(cli, body, &e);
    if (rc == ERR_OK && json_object_size(body) == 0)
        rc = err_set(&e, ERR_INVALID, "nothing to change: give --description or --tag");
    if (rc == ERR_OK)
        return finish(cli, "PATCH",
                      cli_printf(cli, "/api/v1/models/%s", cli_quote(cli, cli->args[0])), body,
                      "model changed");
    json_decref(body);
    return cli_fail(cli, &e);
}

int cmd_model_delete(struct cli *cli)
{
    for (int i = 0; i < cli->n_args; i++)
        if (!cli_confirm_name(
                cli, cli_printf(cli, "delete model %s with all its versions?", cli->args[i]),
                cli->args[i]))
            return EXIT_REFUSED;
    return remove_objects(cli, "models", "model");
}

/* --- people --- */

int cmd_user_list(struct cli *cli)
{
    static const struct listing l = {{{"USER", "name", SHAPE_TEXT},
                                      {"ID", "id", SHAPE_TEXT},
                                      {"ROLE", "role", SHAPE_TEXT},
                                      {"MODELS", "models", SHAPE_TEXT},
                                      {"PASSWORD", "has_password", SHAPE_INT},
                                      {"CREATED", "created", SHAPE_AGO},
                                      {"LAST LOGIN", "last_login", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(cli, "/api/v1/users", &l);
}

/* --password-file without the end of its line: never a password as an argument. */
static int add_password(struct cli *cli, json_t *body, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    const char *path = opt(cli, "password-file");
    size_t n = 0;
    int rc = path ? file_read(path, 4096, &text, &n, e) : ERR_OK;
    if (rc != ERR_OK || !path)
        return rc;
    text[strcspn(text, "\r\n")] = '\0';
    if (json_object_set_new(body, "password", json_string(text)) != 0)
        return err_set(e, ERR_INVALID, "%s: not UTF-8", path);
    return ERR_OK;
}

static int user_body(struct cli *cli, json_t *body, struct err *e)
{
    static const char *const keys[] = {"role", "models", "subject"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (opt(cli, keys[i]))
            json_object_set_new(body, keys[i], json_string(opt(cli, keys[i])));
    return add_password(cli, body, e);
}

int cmd_user_create(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_pack("{s:s}", "name", cli->args[0]);
    if (user_body(cli, body, &e) == ERR_OK)
        return finish(cli, "POST", "/api/v1/users", body,
                      cli_printf(cli, "user %s made", cli->args[0]));
    json_decref(body);
    return cli_fail(cli, &e);
}

int cmd_user_edit(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_object();
    int rc = user_body(cli, body, &e);
    if (rc == ERR_OK && json_object_size(body) == 0)
        rc = err_set(&e, ERR_INVALID,
                     "nothing to change: give --role, --models, --subject or --password-file");
    if (rc == ERR_OK)
        return finish(cli, "PATCH",
                      cli_printf(cli, "/api/v1/users/%s", cli_quote(cli, cli->args[0])), body,
                      "user changed");
    json_decref(body);
    return cli_fail(cli, &e);
}

int cmd_user_remove(struct cli *cli)
{
    const char *first = cli->args[0];
    const char *question =
        cli->n_args == 1 ? cli_printf(cli, "remove user %s?", first)
                         : cli_printf(cli, "remove %s and %d more users?", first, cli->n_args - 1);
    return cli_confirm(cli, question) ? remove_objects(cli, "users", "user") : EXIT_REFUSED;
}
