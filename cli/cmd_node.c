/*
 * mreg node: showing one node, looking at it now, taking it out of service and back.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "interrupt.h"
#include "listing.h"
#include "name.h"
#include "when.h"

#define POLL_MS 250

static const char *node_path(struct cli *cli, const char *rest)
{
    return cli_printf(cli, "/api/v1/environments/%s/nodes/%s%s", cli_quote(cli, cli->args[0]),
                      cli_quote(cli, cli->args[1]), rest);
}

static json_t *with_reason(const struct cli *cli, json_t *body)
{
    if (opt(cli, "reason"))
        json_object_set_new(body, "reason", json_string(opt(cli, "reason")));
    return body;
}

/* One call with a body (given away); *out is the answer. */
static int post(struct cli *cli, const char *rest, json_t *body, json_t **out, struct err *e)
{
    json_t *mine CLEANUP(json_decref_ptr) = with_reason(cli, body);
    return cli_call(cli, "POST", node_path(cli, rest), mine, out, e);
}

static const char *clean(struct cli *cli, const char *text)
{
    return out_clean(arena_strdup(&cli->arena, text));
}

/* --- reports ---------------------------------------------------------------------------------- */

void node_print_report(struct cli *cli, const json_t *report)
{
    const json_t *server = json_object_get(report, "server");
    size_t i;
    json_t *one;
    if (!report)
        return;
    if (json_is_true(json_object_get(report, "reachable")))
        printf("reachable: %s %s\n", clean(cli, text_at(server, "name")),
               clean(cli, text_at(server, "version")));
    json_array_foreach(json_object_get(report, "problems"), i, one)
    {
        printf("%sproblem%s: %s\n", out_on(&cli->out, TONE_WARN), out_off(&cli->out),
               clean(cli, text_at(one, "text")));
        if (*text_at(one, "fix"))
            printf("    fix: %s\n", clean(cli, text_at(one, "fix")));
    }
    if (json_array_size(json_object_get(report, "problems")) == 0)
        printf("nothing is missing\n");
}

int cmd_node_check(struct cli *cli)
{
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    if (post(cli, "/check", json_object(), &answer, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        node_print_report(cli, answer);
    return json_is_true(json_object_get(answer, "ok")) ? EXIT_DONE : EXIT_FAILED;
}

/* --- one node --------------------------------------------------------------------------------- */

static void print_cordon(struct cli *cli, const json_t *node)
{
    const json_t *cordon = json_object_get(node, "cordon");
    if (!cordon)
        return;
    printf("  %s%s%s since %s by %s%s%s\n", out_on(&cli->out, TONE_WARN), text_at(cordon, "kind"),
           out_off(&cli->out), text_at(cordon, "since"), clean(cli, list_actor(cli, cordon, "by")),
           *text_at(cordon, "reason") ? ": " : "", clean(cli, text_at(cordon, "reason")));
    if (*text_at(cordon, "waiting"))
        printf("  %s\n", clean(cli, text_at(cordon, "waiting")));
}

static void print_serving(struct cli *cli, const json_t *node)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(node, "serving"), i, one)
        printf("  serves %s %lld as %s\n", clean(cli, text_at(one, "model")),
               (long long)int_at(one, "version", 0), text_at(one, "serve_as"));
    json_array_foreach(json_object_get(node, "drifted"), i, one)
        printf("  %sdrifted%s %s: %s\n", out_on(&cli->out, TONE_WARN), out_off(&cli->out),
               clean(cli, text_at(one, "model")), clean(cli, text_at(one, "text")));
    json_array_foreach(json_object_get(node, "unmanaged"), i, one)
        printf("  unmanaged %s\n", clean(cli, json_string_value(one)));
}

static void print_operations(struct cli *cli, const json_t *node)
{
    static const char *const heads[] = {"STARTED", "OPERATION", "MODEL", "VERSION",
                                        "ATTEMPT", "STATE",     "TEXT"};
    struct table t;
    size_t i;
    json_t *one;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(node, "operations"), i, one)
    {
        const char *state =
            *text_at(one, "class")
                ? cli_printf(cli, "%s (%s)", text_at(one, "state"), text_at(one, "class"))
                : text_at(one, "state");
        table_cell(&t, TONE_PLAIN, text_at(one, "started"));
        table_cell(&t, TONE_PLAIN, text_at(one, "action"));
        table_cell(&t, TONE_PLAIN, text_at(one, "model"));
        table_cell(&t, TONE_PLAIN, cli_printf(cli, "%lld", (long long)int_at(one, "version", 0)));
        table_cell(&t, TONE_PLAIN, cli_printf(cli, "%lld", (long long)int_at(one, "attempt", 0)));
        table_cell(&t, TONE_PLAIN, state);
        table_cell(&t, TONE_PLAIN, text_at(one, "text"));
    }
    table_print(&t);
}

static void print_node(struct cli *cli, const json_t *node)
{
    bool is_up = json_is_true(json_object_get(node, "reachable"));
    const json_t *lease = json_object_get(node, "lease");
    printf("%s%s/%s%s  %s%s%s since %s  %s\n", out_on(&cli->out, TONE_STRONG),
           text_at(node, "environment"), text_at(node, "name"), out_off(&cli->out),
           out_on(&cli->out, is_up ? TONE_GOOD : TONE_BAD), is_up ? "reachable" : "unreachable",
           out_off(&cli->out), *text_at(node, "since") ? text_at(node, "since") : "ever",
           text_at(node, "admin_url"));
    if (*text_at(node, "detail"))
        printf("  %s\n", clean(cli, text_at(node, "detail")));
    if (*text_at(node, "started"))
        printf("  its process began %s; restarts seen: %lld\n", text_at(node, "started"),
               (long long)int_at(node, "restarts", 0));
    if (lease)
        printf("  registered itself (%s), lease of %s until %s%s\n",
               clean(cli, list_actor(cli, lease, "by")), text_at(lease, "lasts"),
               text_at(lease, "ends"),
               json_is_true(json_object_get(lease, "held"))
                   ? "; kept, as most nodes are silent at the same time"
                   : "");
    print_cordon(cli, node);
    print_serving(cli, node);
    if (*text_at(node, "next_retry"))
        printf("  next try %s\n", text_at(node, "next_retry"));
    if (json_array_size(json_object_get(node, "operations")) > 0)
        print_operations(cli, node);
    if (json_object_get(node, "probe"))
        node_print_report(cli, json_object_get(node, "probe"));
}

static int show(struct cli *cli, const json_t *node)
{
    if (cli->out.is_json)
        cli_json(cli, node);
    else
        print_node(cli, node);
    return EXIT_DONE;
}

int cmd_node_show(struct cli *cli)
{
    struct err e = {0};
    json_t *node CLEANUP(json_decref_ptr) = NULL;
    if (cli_call(cli, "GET", node_path(cli, ""), NULL, &node, &e) != ERR_OK)
        return cli_fail(cli, &e);
    return show(cli, node);
}

/* --- out of service and back ------------------------------------------------------------------ */

static int change(struct cli *cli, const char *rest, json_t *body, const char *done)
{
    struct err e = {0};
    json_t *node CLEANUP(json_decref_ptr) = NULL;
    if (post(cli, rest, body, &node, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, node);
    else
        out_say(&cli->out, "node %s of %s %s", cli->args[1], cli->args[0], done);
    return EXIT_DONE;
}

int cmd_node_cordon(struct cli *cli)
{
    return change(cli, "/cordon", json_object(), "is cordoned: nothing new is put there");
}

int cmd_node_uncordon(struct cli *cli)
{
    return change(cli, "/uncordon", json_object(), "is in service again");
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Until the node is out of service; prints what it waits for when that changes. */
static int wait_drained(struct cli *cli, struct err *e)
{
    char last[256] = "";
    int64_t patience_ms = INT64_MAX;
    int64_t began_ms = out_now_ms();
    int rc = watch_timeout(cli, &patience_ms, e);
    interrupt_ask();
    while (rc == ERR_OK) {
        json_t *node CLEANUP(json_decref_ptr) = NULL;
        rc = cli_call(cli, "GET", node_path(cli, ""), NULL, &node, e);
        const json_t *cordon = json_object_get(node, "cordon");
        if (rc != ERR_OK)
            break;
        if (json_is_true(json_object_get(cordon, "is_drained")) || !cordon)
            return cordon ? show(cli, node) : EXIT_FAILED;
        if (strncmp(last, text_at(cordon, "waiting"), sizeof last - 1) != 0)
            out_say(&cli->out, "%s", text_at(cordon, "waiting"));
        snprintf(last, sizeof last, "%s", text_at(cordon, "waiting"));
        if (interrupt_code())
            return interrupt_code();
        if (out_now_ms() - began_ms >= patience_ms)
            return EXIT_STILL_RUNNING;
        pause_ms(POLL_MS);
    }
    return cli_fail(cli, e);
}

int cmd_node_drain(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_pack("{s:b}", "unload", opt_has(cli, "unload") ? 1 : 0);
    json_t *node CLEANUP(json_decref_ptr) = NULL;
    if (post(cli, "/drain", body, &node, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (opt_has(cli, "wait"))
        return wait_drained(cli, &e);
    return show(cli, node);
}

/* --- adoption --------------------------------------------------------------------------------- */

int cmd_node_adopt(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    int rc = ref_split(cli->args[2], model, &ref, &e);
    if (rc == ERR_OK)
        rc = post(cli, "/adopt",
                  json_pack("{s:s, s:s, s:s*}", "model", model, "version", ref, "serve_as",
                            opt(cli, "serve-as")),
                  &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        out_say(&cli->out, "%s", clean(cli, text_at(answer, "text")));
    return EXIT_DONE;
}
