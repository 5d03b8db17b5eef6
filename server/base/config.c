/*
 * Settings of a process, by name, over the table in settings.c. The git-config format is read by
 * libgit2, whose only user here this file is. Must not know what any setting means. Loading is done
 * by the main thread; values may be read by any thread while reloadable ones change.
 */
#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <git2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "settings.h"
#include "when.h"

#define N_MAX 64

struct value {
    _Atomic int64_t number;
    char *text;              /* as it was given */
    char origin[96];         /* "default", a file, a variable */
    atomic_bool is_reloaded; /* `number` holds, not `text` */
};

struct config {
    struct value values[N_MAX];
    size_t n;
};

static size_t setting_index(const char *name)
{
    size_t i = 0;
    while (settings[i].name && strcmp(settings[i].name, name) != 0)
        i++;
    return i;
}

static int parse_choice(const char *choices, const char *text, int64_t *out, struct err *e)
{
    int64_t index = 0;
    size_t length = strlen(text);
    for (const char *at = choices; *at; index++) {
        size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, text, word) == 0) {
            *out = index;
            return 0;
        }
        at += word;
        at += *at == ' ';
    }
    return err_set(e, ERR_INVALID, "\"%.40s\" is none of: %s", text, choices);
}

static int parse_bool(const char *text, int64_t *out, struct err *e)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i]) != 0)
            continue;
        *out = i >= ARRAY_LEN(words) / 2;
        return 0;
    }
    return err_set(e, ERR_INVALID, "\"%.40s\" is neither true nor false", text);
}

static int parse_int(const char *text, int64_t *out, struct err *e)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)text[0]))
        return err_set(e, ERR_INVALID, "\"%.40s\" is no whole number", text);
    *out = n;
    return 0;
}

static int parse_value(const struct setting *s, const char *text, int64_t *out, struct err *e)
{
    switch (s->type) {
    case SETTING_INT:
        return parse_int(text, out, e);
    case SETTING_BOOL:
        return parse_bool(text, out, e);
    case SETTING_DURATION:
        return when_parse_duration(text, out, e);
    case SETTING_SIZE:
        return config_size(text, out, e);
    case SETTING_CHOICE:
        return parse_choice(s->choices, text, out, e);
    case SETTING_TEXT:
        *out = (int64_t)strlen(text);
        return 0;
    }
    return err_set(e, ERR_INTERNAL, "unknown type of setting");
}

static int check_bounds(const struct setting *s, int64_t n, const char *text, struct err *e)
{
    if (s->type == SETTING_BOOL || s->type == SETTING_CHOICE || (n >= s->min && n <= s->max))
        return 0;
    char lo[WHEN_TEXT_BYTES];
    char hi[WHEN_TEXT_BYTES];
    if (s->type == SETTING_DURATION) {
        return err_set(e, ERR_INVALID, "\"%.40s\" is not between %s and %s", text,
                       when_format_duration(s->min, lo), when_format_duration(s->max, hi));
    }
    return err_set(e, ERR_INVALID, "\"%.40s\" is not between %lld and %lld%s", text,
                   (long long)s->min, (long long)s->max,
                   s->type == SETTING_TEXT ? " bytes long" : "");
}

static int unknown_name(const char *name, struct err *e)
{
    const char *names[N_MAX + 1] = {NULL};
    for (size_t i = 0; settings[i].name; i++)
        names[i] = settings[i].name;
    const char *near = json_nearest(name, names);
    if (near)
        return err_set(e, ERR_INVALID, "no setting \"%.80s\"; did you mean \"%s\"?", name, near);
    return err_set(e, ERR_INVALID, "no setting \"%.80s\"; mregd --help lists them", name);
}

int config_set(struct config *c, const char *name, const char *value, const char *origin,
               struct err *e)
{
    size_t i = setting_index(name);
    if (!settings[i].name)
        return unknown_name(name, e);
    int64_t number = 0;
    int rc = parse_value(&settings[i], value, &number, e);
    if (!rc)
        rc = check_bounds(&settings[i], number, value, e);
    if (rc) {
        err_prefix(e, "%s: ", name);
        return rc;
    }
    struct value *v = &c->values[i];
    char *copy = mem_strdup(value);
    free(v->text);
    v->text = copy;
    atomic_store(&v->number, number);
    snprintf(v->origin, sizeof v->origin, "%s", origin);
    return 0;
}

struct config *config_new(void)
{
    struct config *c = mem_alloc(sizeof *c);
    struct err e = {0};
    while (settings[c->n].name)
        c->n++;
    assert(c->n <= N_MAX);
    for (size_t i = 0; i < c->n; i++) {
        int rc = config_set(c, settings[i].name, settings[i].standard, "default", &e);
        assert(rc == 0);
        (void)rc;
    }
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        free(c->values[i].text);
    free(c);
}

void config_free_ptr(struct config **c)
{
    config_free(*c);
}

/* Line of `key` in a git-config file, 0 if not found: libgit2 gives names and values only. */
static int find_line(const char *path, const char *key)
{
    const char *dot = strrchr(key, '.');
    FILE *f = fopen(path, "re");
    if (!f || !dot) {
        if (f)
            fclose(f);
        return 0;
    }
    size_t section_len = (size_t)(dot - key);
    bool in_section = false;
    char line[512];
    int found = 0;
    for (int number = 1; !found && fgets(line, sizeof line, f); number++) {
        const char *at = line + strspn(line, " \t");
        if (*at == '[')
            in_section = strncasecmp(at + 1, key, section_len) == 0;
        if (*at == '[')
            at += strcspn(at, "]") + (strchr(at, ']') ? 1 : 0);
        at += strspn(at, " \t");
        size_t word = strlen(dot + 1);
        if (in_section && strncasecmp(at, dot + 1, word) == 0 && strchr(" \t=\r\n", at[word]))
            found = number;
    }
    fclose(f);
    return found;
}

struct file_read {
    struct config *config;
    const char *path;
    struct err *e;
    int rc;
};

static int file_entry(const git_config_entry *entry, void *payload)
{
    struct file_read *r = payload;
    /* A key without "=" means true in git's format. */
    const char *value = entry->value ? entry->value : "true";
    char origin[96];
    snprintf(origin, sizeof origin, "%s", r->path);
    r->rc = config_set(r->config, entry->name, value, origin, r->e);
    if (!r->rc)
        return 0;
    err_prefix(r->e, "%s:%d: ", r->path, find_line(r->path, entry->name));
    return GIT_EUSER;
}

static int read_entries(struct file_read *r)
{
    git_config *file = NULL;
    int rc = git_config_open_ondisk(&file, r->path);
    if (rc == 0)
        rc = git_config_foreach(file, file_entry, r);
    git_config_free(file);
    if (r->rc || rc == 0)
        return r->rc;
    const git_error *why = git_error_last();
    return err_set(r->e, ERR_INVALID, "%s: %s", r->path,
                   why && why->message ? why->message : "not in git's configuration format");
}

int config_file(struct config *c, const char *path, struct err *e)
{
    if (access(path, R_OK) != 0)
        return err_set(e, ERR_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    if (git_libgit2_init() < 0)
        return err_set(e, ERR_INTERNAL, "libgit2 did not start");
    struct file_read r = {.config = c, .path = path, .e = e};
    int rc = read_entries(&r);
    git_libgit2_shutdown();
    return rc;
}

/* "server.body-timeout" to "MREG_SERVER_BODY_TIMEOUT". */
static void variable_name(const char *name, char out[80])
{
    size_t n = (size_t)snprintf(out, 80, "MREG_%s", name);
    for (size_t i = 5; i < n && i < 79; i++) {
        int c = (unsigned char)out[i];
        out[i] = c == '.' || c == '-' ? '_' : (char)toupper(c);
    }
}

static size_t setting_of_variable(const char *variable, size_t length)
{
    size_t i = 0;
    for (; settings[i].name; i++) {
        char name[80];
        variable_name(settings[i].name, name);
        if (strlen(name) == length && memcmp(name, variable, length) == 0)
            break;
    }
    return i;
}

static bool has_known_section(const char *variable)
{
    for (size_t i = 0; settings[i].name; i++) {
        char name[80];
        variable_name(settings[i].name, name);
        size_t section = 5 + strcspn(settings[i].name, ".") + 1; /* with its underscore */
        if (strncmp(name, variable, section) == 0)
            return true;
    }
    return false;
}

static void list_add(struct buf *list, const char *word, size_t n)
{
    if (list->len)
        buf_puts(list, ", ");
    buf_put(list, word, n);
}

int config_environment(struct config *c, char *const *variables, struct buf *unknown, struct err *e)
{
    for (; *variables; variables++) {
        const char *equals = strchr(*variables, '=');
        if (!equals || strncmp(*variables, "MREG_", 5) != 0)
            continue;
        size_t length = (size_t)(equals - *variables);
        size_t i = setting_of_variable(*variables, length);
        if (!settings[i].name) {
            if (has_known_section(*variables))
                list_add(unknown, *variables, length);
            continue;
        }
        char origin[96];
        snprintf(origin, sizeof origin, "environment variable %.*s", (int)length, *variables);
        int rc = config_set(c, settings[i].name, equals + 1, origin, e);
        if (rc) {
            err_prefix(e, "%s: ", origin);
            return rc;
        }
    }
    return 0;
}

static const struct value *value_of(const struct config *c, const char *name, bool is_text)
{
    size_t i = setting_index(name);
    assert(settings[i].name);
    assert(!is_text || settings[i].type == SETTING_TEXT || settings[i].type == SETTING_CHOICE);
    return &c->values[i];
}

int64_t config_int(const struct config *c, const char *name)
{
    return atomic_load(&value_of(c, name, false)->number);
}

bool config_bool(const struct config *c, const char *name)
{
    return config_int(c, name) != 0;
}

const char *config_text(const struct config *c, const char *name)
{
    return value_of(c, name, true)->text;
}

void config_reload(struct config *c, const struct config *fresh, struct buf *restart)
{
    for (size_t i = 0; i < c->n; i++) {
        struct value *old = &c->values[i];
        const struct value *new = &fresh->values[i];
        int64_t number = atomic_load(&new->number);
        if (settings[i].is_reloadable && atomic_load(&old->number) != number) {
            atomic_store(&old->number, number);
            atomic_store(&old->is_reloaded, true);
        }
        if (!settings[i].is_reloadable && strcmp(old->text, new->text) != 0)
            list_add(restart, settings[i].name, strlen(settings[i].name));
    }
}

static void print_number(const struct setting *s, int64_t number, char *out, size_t size)
{
    const char *word = s->choices;
    if (s->type == SETTING_BOOL) {
        snprintf(out, size, "%s", number ? "true" : "false");
        return;
    }
    if (s->type != SETTING_CHOICE) {
        snprintf(out, size, "%lld%s", (long long)number, s->type == SETTING_DURATION ? "ms" : "");
        return;
    }
    for (int64_t i = 0; i < number && strchr(word, ' '); i++)
        word = strchr(word, ' ') + 1;
    snprintf(out, size, "%.*s", (int)strcspn(word, " "), word);
}

bool config_row(const struct config *c, size_t i, struct config_row *row)
{
    if (i >= c->n)
        return false;
    const struct setting *s = &settings[i];
    const struct value *v = &c->values[i];
    bool is_reloaded = atomic_load(&v->is_reloaded);
    *row = (struct config_row){.name = s->name,
                               .help = s->help,
                               .origin = is_reloaded ? "reloaded" : v->origin,
                               .is_default = !is_reloaded && strcmp(v->origin, "default") == 0,
                               .is_reloadable = s->is_reloadable};
    if (is_reloaded)
        print_number(s, atomic_load(&v->number), row->value, sizeof row->value);
    else
        snprintf(row->value, sizeof row->value, "%s", v->text);
    return true;
}

void config_print(const struct config *c, struct buf *out)
{
    const char *section = "";
    for (size_t i = 0; i < c->n; i++) {
        const char *dot = strchr(settings[i].name, '.');
        size_t n = (size_t)(dot - settings[i].name);
        if (strncmp(section, settings[i].name, n + 1) != 0)
            buf_putf(out, "%s[%.*s]\n", i ? "\n" : "", (int)n, settings[i].name);
        section = settings[i].name;
        buf_putf(out, "    %s = %s", dot + 1, c->values[i].text);
        if (strcmp(c->values[i].origin, "default") != 0)
            buf_putf(out, " ; %s", c->values[i].origin);
        buf_putc(out, '\n');
    }
}

void config_help(struct buf *out)
{
    for (size_t i = 0; settings[i].name; i++) {
        const struct setting *s = &settings[i];
        buf_putf(out, "  %-24s %s", s->name, s->standard);
        if (s->choices)
            buf_putf(out, " (one of: %s)", s->choices);
        buf_putf(out, "%s\n      %s\n", s->is_reloadable ? "; SIGHUP" : "", s->help);
    }
}
