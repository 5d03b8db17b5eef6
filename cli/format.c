/*
 * Prints a result in the format of -o: JSON, lines of JSON, YAML, names or ids. Knows no command.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "filter.h"

/* --- YAML --- */

/* True if YAML reads the text as the same string without quotes. */
static bool is_plain_word(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    if (!isalpha((unsigned char)*text))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._/-@+", *p))
            return false;
    return true;
}

static void yaml_scalar(const json_t *v)
{
    const char *s = json_string_value(v);
    if (s && is_plain_word(s)) {
        fputs(s, stdout);
        return;
    }
    char *text CLEANUP(mem_free_ptr) = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    fputs(text ? text : "\"\"", stdout);
}

static void yaml_key(const char *key)
{
    json_t *v CLEANUP(json_decref_ptr) = json_string(key);
    yaml_scalar(v);
    putchar(':');
}

static bool is_nested(const json_t *v)
{
    return json_object_size(v) > 0 || json_array_size(v) > 0;
}

/* A value behind "key:" or "-", at this depth. is_item: its first line goes on behind "- ". */
static void yaml_value(const json_t *v, int depth, bool is_item)
{
    const char *key;
    json_t *child;
    size_t i;
    bool is_first = is_item;
    if (!is_nested(v)) {
        yaml_scalar(v);
        putchar('\n');
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)v, i, child)
    {
        printf("%*s- ", is_first ? 0 : depth * 2, "");
        is_first = false;
        yaml_value(child, depth + 1, true);
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, child)
    {
        printf("%*s", is_first ? 0 : depth * 2, "");
        is_first = false;
        yaml_key(key);
        putchar(is_nested(child) ? '\n' : ' ');
        yaml_value(child, depth + 1, false);
    }
}

/* --- names --- */

static const char *number_name(const json_t *item, char room[300])
{
    static const char *const keys[] = {"seq", "number", "version"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        int64_t n = int_at(item, keys[i], -1);
        if (n >= 0) {
            snprintf(room, 300, "%lld", (long long)n);
            return room;
        }
    }
    return "";
}

/* What other commands take to name the item. */
static const char *name_of(const json_t *item, enum format format, char room[300])
{
    static const char *const keys[] = {"name", "id", "alias", "rollout", "node", "model"};
    const char *model = text_at(item, "model");
    int64_t version = int_at(item, "version", 0);
    if (format == FORMAT_ID && *text_at(item, "id"))
        return text_at(item, "id");
    if (*model && json_object_get(item, "serve_as")) /* a target, whatever moves there */
        return model;
    if (*model && version > 0 && !*text_at(item, "id")) {
        snprintf(room, 300, "%.250s@%lld", model, (long long)version);
        return room;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (*text_at(item, keys[i]))
            return text_at(item, keys[i]);
    return number_name(item, room);
}

/* --- which members --- */

static bool is_wanted(const char *key, const char *wanted)
{
    size_t length = strlen(key);
    for (const char *p = wanted; *p;) {
        size_t n = strcspn(p, ",");
        if (n == length && strncasecmp(p, key, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static json_t *some_members(const json_t *item, const char *wanted)
{
    const char *key;
    json_t *value;
    json_t *some = json_object();
    json_object_foreach((json_t *)(uintptr_t)item, key, value)
    {
        if (is_wanted(key, wanted))
            json_object_set(some, key, value);
    }
    return some;
}

/* The result with the wanted members of its items, or of itself when it is no list. */
static json_t *reduced(const json_t *j, const char *wanted)
{
    size_t i;
    json_t *item;
    json_t *items = json_object_get(j, "items");
    if (!wanted || json_object_get(j, "error"))
        return json_incref((json_t *)(uintptr_t)j);
    if (!json_is_array(items))
        return some_members(j, wanted);
    json_t *less = json_copy((json_t *)(uintptr_t)j);
    json_t *list = json_array();
    json_array_foreach(items, i, item) json_array_append_new(list, some_members(item, wanted));
    json_object_set_new(less, "items", list);
    return less;
}

/* --- formats --- */

static void put_dump(const struct out *o, const json_t *j, size_t flags)
{
    char *text CLEANUP(mem_free_ptr) = json_dumps(j, flags);
    if (o->filter)
        filter_json(o, text ? text : "{}");
    else
        puts(text ? text : "{}");
}

static void put_item(const struct out *o, const json_t *item)
{
    char room[300];
    char line[320];
    if (o->format == FORMAT_NDJSON) {
        put_dump(o, item, JSON_COMPACT | JSON_ENCODE_ANY);
        return;
    }
    snprintf(line, sizeof line, "%s", name_of(item, o->format, room));
    puts(out_clean(line));
}

void cli_json(struct cli *cli, const json_t *j)
{
    const struct out *o = &cli->out;
    size_t i;
    json_t *item;
    json_t *less CLEANUP(json_decref_ptr) = reduced(j, o->wanted);
    json_t *items = json_object_get(less, "items");
    bool is_lines =
        o->format == FORMAT_NDJSON || o->format == FORMAT_NAME || o->format == FORMAT_ID;
    if (o->format == FORMAT_YAML)
        yaml_value(less, 0, false);
    else if (is_lines && json_is_array(items))
        json_array_foreach(items, i, item) put_item(o, item);
    else if (is_lines)
        put_item(o, less);
    else
        put_dump(o, less, o->stdout_is_tty ? JSON_INDENT(2) : JSON_COMPACT);
}
