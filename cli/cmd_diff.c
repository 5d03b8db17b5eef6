/*
 * mreg diff: what differs between two versions. Compares what the registry tells of both; bytes are
 * compared by their digests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "name.h"

/* Members of a version that are maps of texts, and how they are called. */
static const char *const maps[] = {"metrics", "params", "tags", "lineage", NULL};
static const char *const parts[] = {"about", "metrics", "params", "tags", "lineage", "files", NULL};

/* --- finding --- */

static int fetch_version(struct cli *cli, const char *text, const char *near, json_t **out,
                         struct err *e)
{
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    /* "@8" is another version of the model in front of it. */
    const char *whole = text[0] == '@' ? cli_printf(cli, "%s%s", near, text) : text;
    int rc = ref_split(whole, model, &ref, e);
    return rc == ERR_OK ? cli_call(cli, "GET",
                                   cli_printf(cli, "/api/v1/models/%s/versions/%s",
                                              cli_quote(cli, model), cli_quote(cli, ref)),
                                   NULL, out, e)
                        : rc;
}

static bool is_asked(struct cli *cli, const char *part)
{
    const char *only = opt(cli, "only");
    size_t length = strlen(part);
    for (const char *p = only; p && *p;) {
        size_t n = strcspn(p, ",");
        if (n == length && strncmp(p, part, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return !only;
}

static int check_only(struct cli *cli, struct err *e)
{
    for (const char *p = opt(cli, "only"); p && *p;) {
        size_t n = strcspn(p, ",");
        const char *word = arena_copy(&cli->arena, p, n);
        const char *near = json_nearest(word, parts);
        if (!near || strcmp(near, word) != 0)
            return err_set(e, ERR_INVALID, "--only \"%.60s\": %s%s", word,
                           near ? "did you mean "
                                : "there are about, "
                                  "metrics, params, tags, lineage and files",
                           near ? near : "");
        p += n + (p[n] == ',');
    }
    return ERR_OK;
}

/* --- comparing --- */

static void add(json_t *list, const char *name, const json_t *a, const json_t *b)
{
    json_array_append_new(list, json_pack("{s:s, s:s, s:O*, s:O*}", "name", name, "change",
                                          !a   ? "added"
                                          : !b ? "removed"
                                               : "changed",
                                          "a", a, "b", b));
}

static json_t *compare_maps(const json_t *a, const json_t *b)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (!other || !json_equal(value, other))
            add(list, key, value, other);
    }
    json_object_foreach((json_t *)(uintptr_t)b, key, value)
    {
        if (!json_object_get(a, key))
            add(list, key, NULL, value);
    }
    return list;
}

static const json_t *file_of(const json_t *files, const char *path)
{
    size_t i;
    json_t *file;
    json_array_foreach((json_t *)(uintptr_t)files, i, file)
    {
        if (strcmp(text_at(file, "path"), path) == 0)
            return file;
    }
    return NULL;
}

static json_t *compare_files(const json_t *a, const json_t *b, int64_t *n_same)
{
    json_t *list = json_array();
    size_t i;
    json_t *file;
    json_array_foreach((json_t *)(uintptr_t)a, i, file)
    {
        const json_t *other = file_of(b, text_at(file, "path"));
        bool is_same = other && strcmp(text_at(file, "sha256"), text_at(other, "sha256")) == 0;
        *n_same += is_same;
        if (!is_same)
            add(list, text_at(file, "path"), json_object_get(file, "size"),
                json_object_get(other, "size"));
    }
    json_array_foreach((json_t *)(uintptr_t)b, i, file)
    {
        if (!file_of(a, text_at(file, "path")))
            add(list, text_at(file, "path"), NULL, json_object_get(file, "size"));
    }
    return list;
}

static json_t *compare_about(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"model", "description", "format", "size", "created_by"};
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const json_t *x = json_object_get(a, keys[i]);
        const json_t *y = json_object_get(b, keys[i]);
        if ((x || y) && !(x && y && json_equal(x, y)))
            add(list, keys[i], x, y);
    }
    return list;
}

static json_t *compare(struct cli *cli, const json_t *a, const json_t *b)
{
    int64_t n_same = 0;
    json_t *j =
        json_pack("{s:{s:O*, s:O*}, s:{s:O*, s:O*}}", "a", "model", json_object_get(a, "model"),
                  "version", json_object_get(a, "version"), "b", "model",
                  json_object_get(b, "model"), "version", json_object_get(b, "version"));
    if (is_asked(cli, "about"))
        json_object_set_new(j, "about", compare_about(a, b));
    for (size_t i = 0; maps[i]; i++)
        if (is_asked(cli, maps[i]))
            json_object_set_new(
                j, maps[i], compare_maps(json_object_get(a, maps[i]), json_object_get(b, maps[i])));
    if (is_asked(cli, "files")) {
        json_object_set_new(
            j, "files",
            compare_files(json_object_get(a, "files"), json_object_get(b, "files"), &n_same));
        json_object_set_new(j, "files_same", json_integer(n_same));
    }
    bool is_same = true;
    for (size_t i = 0; parts[i]; i++)
        is_same = is_same && json_array_size(json_object_get(j, parts[i])) == 0;
    json_object_set_new(j, "same", json_boolean(is_same));
    return j;
}

/* --- printing --- */

static const char *show_value(struct cli *cli, const json_t *v, bool is_size)
{
    char text[24];
    if (json_is_string(v))
        return out_clean(arena_strdup(&cli->arena, json_string_value(v)));
    if (json_is_integer(v) && is_size)
        return arena_strdup(&cli->arena, out_bytes(json_integer_value(v), text));
    return json_is_integer(v) ? cli_printf(cli, "%lld", (long long)json_integer_value(v)) : "";
}

/* " (+0.005)" if both are numbers. */
static const char *difference(struct cli *cli, const json_t *a, const json_t *b)
{
    char *end_a = NULL;
    char *end_b = NULL;
    const char *x = json_string_value(a);
    const char *y = json_string_value(b);
    if (!x || !y || !*x || !*y)
        return "";
    double from = strtod(x, &end_a);
    double to = strtod(y, &end_b);
    return *end_a || *end_b ? "" : cli_printf(cli, "  (%+.6g)", to - from);
}

static void print_change(struct cli *cli, const char *part, const json_t *change)
{
    const char *kind = text_at(change, "change");
    const char *name = out_clean(arena_strdup(&cli->arena, text_at(change, "name")));
    const json_t *a = json_object_get(change, "a");
    const json_t *b = json_object_get(change, "b");
    bool is_size = strcmp(part, "files") == 0 || strcmp(name, "size") == 0;
    bool is_added = strcmp(kind, "added") == 0;
    bool is_removed = strcmp(kind, "removed") == 0;
    enum tone tone = is_added ? TONE_GOOD : is_removed ? TONE_BAD : TONE_WARN;
    const char *mark = is_added ? "+" : is_removed ? "-" : "~";
    if (is_added || is_removed)
        printf("%s%-9s%s %s%s %s  %s%s\n", out_on(&cli->out, TONE_FAINT), part, out_off(&cli->out),
               out_on(&cli->out, tone), mark, name, show_value(cli, is_added ? b : a, is_size),
               out_off(&cli->out));
    else
        printf("%s%-9s%s %s%s %s  %s -> %s%s%s\n", out_on(&cli->out, TONE_FAINT), part,
               out_off(&cli->out), out_on(&cli->out, tone), mark, name, show_value(cli, a, is_size),
               show_value(cli, b, is_size), difference(cli, a, b), out_off(&cli->out));
}

static void print_diff(struct cli *cli, const json_t *j)
{
    const json_t *a = json_object_get(j, "a");
    const json_t *b = json_object_get(j, "b");
    int64_t n_same = int_at(j, "files_same", 0);
    size_t i;
    json_t *change;
    printf("%s%s@%lld -> %s@%lld%s\n", out_on(&cli->out, TONE_STRONG), text_at(a, "model"),
           (long long)int_at(a, "version", 0), text_at(b, "model"),
           (long long)int_at(b, "version", 0), out_off(&cli->out));
    for (size_t k = 0; parts[k]; k++)
        json_array_foreach(json_object_get(j, parts[k]), i, change)
            print_change(cli, parts[k], change);
    if (n_same)
        printf("%s%-9s%s = %lld more\n", out_on(&cli->out, TONE_FAINT), "files", out_off(&cli->out),
               (long long)n_same);
    if (json_is_true(json_object_get(j, "same")))
        out_say(&cli->out, "no difference");
}

int cmd_diff(struct cli *cli)
{
    struct err e = {0};
    json_t *a CLEANUP(json_decref_ptr) = NULL;
    json_t *b CLEANUP(json_decref_ptr) = NULL;
    int rc = check_only(cli, &e);
    if (rc == ERR_OK)
        rc = fetch_version(cli, cli->args[0], "", &a, &e);
    if (rc == ERR_OK)
        rc = fetch_version(cli, cli->args[1], text_at(a, "model"), &b, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = compare(cli, a, b);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        print_diff(cli, j);
    bool is_same = json_is_true(json_object_get(j, "same"));
    return opt_has(cli, "exit-code") && !is_same ? EXIT_FAILED : EXIT_DONE;
}
