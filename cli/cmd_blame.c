/*
 * mreg blame and search: who set what holds now, and finding things by a word.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "listing.h"

#define MAX_CHANGES 5000

/* "fraud@champion" or "fraud@7": rows about aliases and versions have the model as object, and name
 * the rest in their message. */
static const char *object_of(struct cli *cli, const json_t *row)
{
    static const char word[] = " version ";
    const char *object = text_at(row, "object");
    const char *message = text_at(row, "message");
    const char *at = strstr(message, cli_printf(cli, " %s@", object));
    const char *number = strstr(message, cli_printf(cli, " %s%s", object, word));
    if (at)
        return arena_copy(&cli->arena, at + 1, strcspn(at + 1, " "));
    if (!number)
        return object;
    number += 1 + strlen(object) + strlen(word);
    return cli_printf(cli, "%s@%.*s", object, (int)strspn(number, "0123456789"), number);
}

/* The thing that a row is about: "alias fraud@champion". */
static const char *thing_of(struct cli *cli, const json_t *row)
{
    const char *kind = text_at(row, "kind");
    return cli_printf(cli, "%.*s %s", (int)strcspn(kind, "."), kind, object_of(cli, row));
}

static bool is_gone(const char *kind)
{
    return strstr(kind, ".delete") || strstr(kind, ".remove") || strstr(kind, ".revoke");
}

/* The newest row about each thing that still is; rows come newest first. Rollouts only move
 * targets, which have rows of their own. */
static json_t *who_set(struct cli *cli, const json_t *rows)
{
    json_t *seen CLEANUP(json_decref_ptr) = json_object();
    json_t *kept = json_array();
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        const char *thing = thing_of(cli, row);
        if (json_object_get(seen, thing) || strncmp(thing, "rollout ", 8) == 0)
            continue;
        json_object_set_new(seen, thing, json_true());
        if (is_gone(text_at(row, "kind")))
            continue;
        json_object_set_new(row, "thing", json_string(object_of(cli, row)));
        json_array_append(kept, row);
    }
    return kept;
}

static void print_rows(struct cli *cli, const json_t *rows)
{
    static const char *const heads[] = {"WHAT",  "OBJECT",  "SEQ",   "TIME",
                                        "ACTOR", "MESSAGE", "REASON"};
    bool is_short = out_is_short(&cli->out) && !cli->out.wanted;
    char ago[40];
    struct table t;
    size_t i;
    json_t *row;
    table_init(&t, &cli->out, is_short ? 6 : 7, heads);
    t.is_wordy = true;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        table_cell(&t, TONE_PLAIN, text_at(row, "kind"));
        table_cell(&t, TONE_STRONG, text_at(row, "thing"));
        int64_t seq = int_at(row, "seq", 0);
        const char *reason = text_at(row, "reason");
        table_cell(&t, TONE_FAINT, seq ? cli_printf(cli, "%lld", (long long)seq) : "");
        table_cell(&t, TONE_PLAIN, out_ago(&cli->out, text_at(row, "time"), ago));
        table_cell(&t, TONE_PLAIN, list_actor(cli, row, "actor"));
        table_cell(&t, TONE_PLAIN,
                   is_short && *reason ? cli_printf(cli, "%s: %s", text_at(row, "message"), reason)
                                       : text_at(row, "message"));
        if (!is_short)
            table_cell(&t, TONE_PLAIN, reason);
    }
    table_print(&t);
}

/* --- who put it live --- */

/* A row as of the history for what a rollout has put live. */
static json_t *live_row(struct cli *cli, const json_t *rollout)
{
    const char *place =
        cli_printf(cli, "%s/%s", text_at(rollout, "environment"), text_at(rollout, "model"));
    const char *message =
        cli_printf(cli, "version %lld is live in %s by %s", (long long)int_at(rollout, "to", 0),
                   text_at(rollout, "environment"), text_at(rollout, "id"));
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "live", "object", place,
                            "thing", place, "time", text_at(rollout, "ended"), "actor",
                            text_at(rollout, "actor"), "message", message);
    if (*text_at(rollout, "actor_name"))
        json_object_set_new(row, "actor_name", json_string(text_at(rollout, "actor_name")));
    if (*text_at(rollout, "reason"))
        json_object_set_new(row, "reason", json_string(text_at(rollout, "reason")));
    json_object_set_new(row, "rollout", json_string(text_at(rollout, "id")));
    json_object_set_new(row, "version", json_integer(int_at(rollout, "to", 0)));
    return row;
}

/* Of each target the newest rollout that succeeded; in front of the other rows. */
static int add_live(struct cli *cli, const char *model, const char *env, json_t *kept,
                    struct err *e)
{
    json_t *rollouts CLEANUP(json_decref_ptr) = NULL;
    json_t *seen CLEANUP(json_decref_ptr) = json_object();
    const char *path = cli_query(cli, "/api/v1/rollouts", "model", model);
    size_t n = 0;
    json_t *one;
    size_t i;
    path = cli_query(cli, cli_query(cli, path, "env", env), "at", opt(cli, "at"));
    int rc = list_some(cli, path, MAX_CHANGES, &rollouts, NULL, e);
    json_array_foreach(rollouts, i, one)
    {
        const char *key =
            cli_printf(cli, "%s/%s", text_at(one, "environment"), text_at(one, "model"));
        if (strcmp(text_at(one, "phase"), "succeeded") != 0 || json_object_get(seen, key))
            continue;
        json_object_set_new(seen, key, json_true());
        json_array_insert_new(kept, n++, live_row(cli, one));
    }
    return rc;
}

int cmd_blame(struct cli *cli)
{
    struct err e = {0};
    json_t *rows CLEANUP(json_decref_ptr) = NULL;
    bool has_more = false;
    const char *model = cli->n_args ? cli->args[0] : NULL;
    const char *env = opt(cli, "env");
    const char *path =
        cli_query(cli, cli_query(cli, "/api/v1/history", "model", model), "env", env);
    path = cli_query(cli, path, "at", opt(cli, "at"));
    int rc = list_some(cli, path, MAX_CHANGES, &rows, &has_more, &e);
    if (rc == ERR_OK && json_array_size(rows) == 0)
        rc = list_check(cli, env, model, opt(cli, "at"), &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *kept = who_set(cli, rows);
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:o, s:b}", "items", kept, "more", has_more);
    if (add_live(cli, model, env, kept, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        print_rows(cli, kept);
    if (json_array_size(kept) == 0)
        out_say(&cli->out, "nothing was set here");
    if (has_more)
        out_say(&cli->out, "only the newest %d changes were looked at", MAX_CHANGES);
    return EXIT_DONE;
}

int cmd_search(struct cli *cli)
{
    static const struct listing l = {{{"KIND", "kind", SHAPE_TEXT},
                                      {"NAME", "name", SHAPE_TEXT},
                                      {"MODEL", "model", SHAPE_TEXT},
                                      {"VERSION", "version", SHAPE_INT},
                                      {"ENVIRONMENT", "environment", SHAPE_TEXT},
                                      {"TEXT", "text", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *words = cli->args[0];
    for (int i = 1; i < cli->n_args; i++)
        words = cli_printf(cli, "%s %s", words, cli->args[i]);
    return list_print_or(cli, cli_query(cli, "/api/v1/search", "q", words), &l,
                         cli_printf(cli, "nothing found for \"%s\"", words));
}
