/*
 * What commands share: the connection, JSON calls, error style, small conversions. Knows no command
 * by name. One thread.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "confirm.h"
#include "profile.h"
#include "remote.h"
#include "setup.h"

int cli_profile(struct cli *cli, const char *url, struct err *e)
{
    const struct setup *s = cli->setup;
    const char *file = opt(cli, "token-file");
    bool is_typed = file && strcmp(file, "-") == 0 && cli_can_ask(cli);
    const struct profile_wish wish = {
        .url = url ? url : setup_get(cli, "url", NULL),
        .context_url = setup_of_context(s, s->context, "url"),
        .credentials = setup_credentials(&cli->arena, s->context),
        .token_file = is_typed ? NULL : file,
        .context_token_file = setup_of_context(s, s->context, "token-file"),
        .helper = setup_of_context(s, s->context, "helper"),
        .ca = setup_get(cli, "ca", NULL),
        .is_protected = setup_is_on(cli, "protected"),
    };
    int rc = profile_load(cli->profile, &wish, e);
    return rc == ERR_OK && is_typed ? confirm_token(cli, cli->profile->url, e) : rc;
}

int cli_remote(struct cli *cli, struct remote **out, struct err *e)
{
    cli->lacks_registry = !cli->profile->url;
    if (cli->lacks_registry)
        return err_set(e, ERR_INVALID,
                       "no registry is known: nobody is logged in, and there is "
                       "neither --registry nor MREG_URL");
    if (!cli->remote) {
        int rc = profile_need_token(cli->profile, cli->setup ? cli->setup->context : "", e);
        if (rc == ERR_OK)
            rc = remote_new(cli->profile->url, cli->profile->token, &cli->remote, e);
        if (rc != ERR_OK)
            return rc;
        remote_trust(cli->remote, cli->profile->ca);
        remote_debug(cli->remote, setup_is_on(cli, "debug"));
    }
    *out = cli->remote;
    return ERR_OK;
}

int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body,
             json_t **out, struct err *e)
{
    struct remote *remote = NULL;
    struct buf answer CLEANUP(buf_clear);
    buf_init(&answer, (size_t)64 << 20);
    int rc = cli_remote(cli, &remote, e);
    if (rc == ERR_OK)
        rc = confirm_call(cli, method, path, body, e);
    if (rc == ERR_OK)
        rc = remote_call(remote, method, path, body, &answer, e);
    if (rc != ERR_OK || !out)
        return rc;
    if (answer.len == 0) {
        *out = json_object();
        return ERR_OK;
    }
    if (json_parse(buf_str(&answer), answer.len, JSON_MAX_DEPTH, out, NULL) == ERR_OK)
        return ERR_OK;
    return err_set(e, ERR_INTERNAL, "%s answered something that is not JSON; is it a registry?",
                   cli->profile->url);
}

static void print_error(const struct out *o, const struct err *e, const char *hint, const char *id)
{
    char message[sizeof e->message];
    snprintf(message, sizeof message, "%s", e->message);
    fprintf(stderr, "%serror%s: %s: %s\n", out_err_on(o, TONE_BAD), out_err_off(o),
            err_name(e->code), out_clean(message));
    if (*e->pointer)
        fprintf(stderr, "  at %s of what was sent\n", e->pointer);
    if (hint)
        fprintf(stderr, "hint: %s\n", hint);
    if (*id)
        fprintf(stderr, "request: %s\n", id);
}

const char *cli_request(struct cli *cli)
{
    if (!cli->request)
        cli->request = arena_strdup(&cli->arena, cli->remote ? remote_problem_id(cli->remote) : "");
    return cli->request;
}

int cli_fail_hint(struct cli *cli, const struct err *e, const char *hint)
{
    int code = err_exit_code(e->code);
    const char *id = cli_request(cli);
    cli->request = NULL;
    if (cli->is_refused)
        return confirm_refuse(cli, e->message, hint);
    if (!out_tells_errors(&cli->out)) {
        print_error(&cli->out, e, hint, id);
        return code;
    }
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:{s:s, s:s, s:s*, s:s*, s:s*, s:i}}", "error", "code", err_name(e->code),
                  "message", e->message, "pointer", *e->pointer ? e->pointer : NULL, "hint", hint,
                  "request_id", *id ? id : NULL, "exit", code);
    cli_json(cli, j);
    return code;
}

int cli_fail(struct cli *cli, const struct err *e)
{
    cli_request(cli); /* a hint may ask the API, too */
    return cli_fail_hint(cli, e, cli_hint(cli, e));
}

const char *cli_quote(struct cli *cli, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(&cli->arena, strlen(text) * 3 + 1);
    char *p = out;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~", c)) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }
    }
    return out;
}

const char *cli_printf(struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t room = n > 0 ? (size_t)n + 1 : 1;
    char *text = arena_alloc(&cli->arena, room);
    va_start(ap, fmt);
    vsnprintf(text, room, fmt, ap);
    va_end(ap);
    return text;
}

const char *cli_query(struct cli *cli, const char *path, const char *key, const char *value)
{
    return value ? cli_printf(cli, "%s%c%s=%s", path, strchr(path, '?') ? '&' : '?', key,
                              cli_quote(cli, value))
                 : path;
}

int cli_number(const struct cli *cli, const char *option, int64_t lo, int64_t hi, int64_t *out,
               struct err *e)
{
    const char *text = opt(cli, option);
    char *end = NULL;
    if (!text)
        return ERR_OK;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || n < lo || n > hi)
        return err_set(e, ERR_INVALID, "--%s \"%.40s\": wanted a whole number from %lld to %lld",
                       option, text, (long long)lo, (long long)hi);
    *out = n;
    return ERR_OK;
}

const char *text_at(const json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : "";
}

int64_t int_at(const json_t *obj, const char *key, int64_t none)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? json_integer_value(v) : none;
}

int cli_pairs(struct cli *cli, const char *option, json_t *into, struct err *e)
{
    const char *text;
    for (int i = 0; (text = opt_nth(cli, option, i)); i++) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return err_set(e, ERR_INVALID, "--%s \"%.200s\": wanted NAME=VALUE", option, text);
        char *key = arena_copy(&cli->arena, text, (size_t)(equals - text));
        if (json_object_set_new(into, key, json_string(equals + 1)) != 0)
            return err_set(e, ERR_INVALID, "--%s \"%.200s\": not UTF-8", option, text);
    }
    return ERR_OK;
}

int cli_read_json(const char *path, json_t **out, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc = file_read(path, 1 << 20, &text, &n, e);
    if (rc == ERR_OK && (rc = json_parse(text, n, JSON_MAX_DEPTH, out, e)) != ERR_OK)
        err_prefix(e, "%s: ", path);
    return rc;
}

int cli_change(struct cli *cli, const char *method, const char *path, json_t *body,
               const char *done)
{
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    const char *reason = opt(cli, "reason");
    if (body && reason)
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
