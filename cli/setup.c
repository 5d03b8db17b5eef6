/*
 * Finds the value of a setting in the layers. Knows no command. The project file can come with a
 * checkout of somebody else's: it chooses among what the user has set up, and can name neither a
 * registry (which would be sent the token) nor a program. One thread.
 */
#include "setup.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile.h"

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

static const char *const switches[] = {"true", "false", "yes", "no", "on", "off", "1", "0", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};

const struct setting_row setup_rows[] = {
    {"context", "context", "MREG_CONTEXT", "default", false, true, true, NULL},
    {"url", "registry", "MREG_URL", NULL, true, false, false, NULL},
    {"protected", NULL, NULL, "false", true, false, false, switches},
    {"token-file", "token-file", "MREG_TOKEN_FILE", NULL, true, false, false, NULL},
    {"helper", NULL, NULL, NULL, true, false, false, NULL},
    {"ca", NULL, "MREG_CA", NULL, true, true, false, NULL},
    {"environment", NULL, NULL, NULL, true, false, true, NULL},
    {"output", "output", "MREG_OUTPUT", "auto", true, true, true, out_formats},
    {"color", "color", NULL, "auto", false, true, false, colours},
    {"accessible", "accessible", "MREG_ACCESSIBLE", "false", false, true, false, switches},
    {"debug", "debug", "MREG_DEBUG", "false", false, false, false, switches},
    {NULL, NULL, NULL, NULL, false, false, false, NULL},
};

static const struct setting_row *find_row(const char *key)
{
    for (const struct setting_row *r = setup_rows; r->key; r++)
        if (strcmp(r->key, key) == 0)
            return r;
    return NULL;
}

static int check_value(const struct setting_row *row, const char *value, struct err *e)
{
    if (!row->choices)
        return ERR_OK;
    for (size_t i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], value) == 0)
            return ERR_OK;
    const char *near = json_nearest(value, row->choices);
    struct buf all CLEANUP(buf_clear) = {0};
    buf_init(&all, 200);
    for (size_t i = 0; row->choices[i]; i++)
        buf_putf(&all, "%s%s", i ? ", " : "", row->choices[i]);
    return err_set(e, ERR_INVALID,
                   near ? "%s \"%.60s\": did you mean %s?" : "%s \"%.60s\": wanted %s", row->key,
                   value, near ? near : buf_str(&all));
}

const struct setting_row *setup_row(const char *key, struct err *e)
{
    const char *keys[32];
    size_t n = 0;
    for (const struct setting_row *r = setup_rows; r->key; r++)
        keys[n++] = r->key;
    keys[n] = NULL;
    const struct setting_row *row = find_row(key);
    const char *near = row ? NULL : json_nearest(key, keys);
    if (!row)
        err_set(e, ERR_INVALID, "there is no setting \"%.60s\"%s%s%s", key,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return row;
}

int setup_check(const char *key, const char *value, struct err *e)
{
    const struct setting_row *row = setup_row(key, e);
    return row ? check_value(row, value, e) : ERR_INVALID;
}

int setup_check_name(const char *name, struct err *e)
{
    size_t n = strlen(name);
    if (n >= 1 && n < SETUP_NAME_BYTES &&
        n == strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") && name[0] != '.' &&
        name[0] != '-')
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "\"%.80s\" is no name of a context: 1 to 63 of a-z 0-9 . _ -, not starting "
                   "with . or -",
                   name);
}

/* --- files --- */

static int unknown_entry(const char *path, const struct ini_entry *x, struct err *e)
{
    if (setup_row(x->key, e))
        return err_set(e, ERR_INVALID, "%s:%d: \"%s\" cannot be set here", path, x->line, x->key);
    err_prefix(e, "%s:%d: ", path, x->line);
    return ERR_INVALID;
}

static int check_entries(const struct ini *ini, const char *path, bool is_project, struct err *e)
{
    for (size_t i = 0; i < ini->n; i++) {
        const struct ini_entry *x = &ini->entries[i];
        const struct setting_row *row = find_row(x->key);
        bool is_core = strcmp(x->section, "core") == 0 && !*x->subsection;
        bool is_context = strcmp(x->section, "context") == 0 && *x->subsection;
        bool is_here = row && (is_project   ? row->is_in_project && !*x->section
                               : is_context ? row->is_in_context
                                            : is_core && row->is_in_core);
        if (!is_here)
            return unknown_entry(path, x, e);
        if (check_value(row, x->value, e) != ERR_OK) {
            err_prefix(e, "%s:%d: ", path, x->line);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

static int read_ini(const char *path, bool is_project, struct ini *out, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc = file_read(path, CONFIG_MAX_BYTES, &text, &n, e);
    if (rc != ERR_OK)
        return rc;
    rc = ini_parse(text, out, e);
    if (rc != ERR_OK) {
        err_prefix(e, "%s: ", path);
        return rc;
    }
    return check_entries(out, path, is_project, e);
}

static int read_user(struct setup *s, struct err *e)
{
    struct stat st;
    ini_clear(&s->user);
    if (stat(s->user_path, &st) != 0)
        return ERR_OK;
    if (st.st_mode & 022)
        return err_set(e, ERR_INVALID, "%s can be changed by others; run: chmod go-w %s",
                       s->user_path, s->user_path);
    return read_ini(s->user_path, false, &s->user, e);
}

/* The nearest .mreg upwards that belongs to the user (or root). */
static char *find_project(void)
{
    char folder[3072];
    struct stat st;
    if (!getcwd(folder, sizeof folder - 16))
        return NULL;
    for (;;) {
        size_t n = strlen(folder);
        snprintf(folder + n, sizeof folder - n, "%s.mreg", n > 1 ? "/" : "");
        if (stat(folder, &st) == 0 && S_ISREG(st.st_mode) &&
            (st.st_uid == getuid() || st.st_uid == 0))
            return mem_strdup(folder);
        if (n <= 1)
            return NULL;
        folder[n] = '\0';
        char *slash = strrchr(folder, '/');
        slash[slash == folder] = '\0';
    }
}

/* --- contexts --- */

const char *setup_credentials(struct arena *arena, const char *context)
{
    return strcmp(context, "default") == 0 ? "credentials.json"
                                           : arena_printf(arena, "credentials-%s.json", context);
}

const char *setup_of_context(const struct setup *s, const char *context, const char *key)
{
    const struct ini_entry *x = ini_find(&s->user, "context", context, key);
    return x ? x->value : NULL;
}

static bool has_section(const struct setup *s, const char *context)
{
    for (size_t i = 0; i < s->user.n; i++)
        if (strcmp(s->user.entries[i].section, "context") == 0 &&
            strcmp(s->user.entries[i].subsection, context) == 0)
            return true;
    return false;
}

bool setup_knows(const struct setup *s, const char *context)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct stat st;
    if (has_section(s, context))
        return true;
    char *path CLEANUP(mem_free_ptr) = profile_path(setup_credentials(&a, context));
    return stat(path, &st) == 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_name(const char **list, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(list[i], name) == 0)
            return;
    list[(*n)++] = name;
}

const char **setup_contexts(const struct setup *s, struct arena *arena)
{
    const char **list = arena_alloc(arena, (s->user.n + 2) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < s->user.n; i++)
        if (strcmp(s->user.entries[i].section, "context") == 0)
            add_name(list, &n, s->user.entries[i].subsection);
    if (setup_knows(s, "default"))
        add_name(list, &n, "default");
    qsort(list, n, sizeof *list, by_text);
    return list;
}

static int find_context(struct cli *cli, struct setup *s, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *name = setup_get(cli, "context", &s->context_from);
    if (setup_check_name(name, e) != ERR_OK)
        return ERR_INVALID;
    snprintf(s->context, sizeof s->context, "%s", name);
    bool may_be_new = strcmp(s->context, "default") == 0 || cli->makes_context;
    if (may_be_new || setup_knows(s, s->context))
        return ERR_OK;
    const char *near = json_nearest(s->context, setup_contexts(s, &a));
    return err_set(e, ERR_NOT_FOUND, "no context \"%s\" (%s)%s%s%s", s->context, s->context_from,
                   near ? "; did you mean " : "; \"mreg context list\" shows them",
                   near ? near : "", near ? "?" : "");
}

int setup_load(struct cli *cli, struct setup *s, struct err *e)
{
    cli->setup = s;
    s->user_path = profile_path("config");
    s->project_path = find_project();
    int rc = read_user(s, e);
    if (rc == ERR_OK && s->project_path)
        rc = read_ini(s->project_path, true, &s->project, e);
    return rc == ERR_OK ? find_context(cli, s, e) : rc;
}

void setup_clear(struct setup *s)
{
    ini_clear(&s->user);
    ini_clear(&s->project);
    free(s->user_path);
    free(s->project_path);
    *s = (struct setup){.user_path = NULL};
}

/* --- values --- */

static const char *from_outside(struct cli *cli, const struct setting_row *row, const char **from)
{
    const char *value = row->option ? opt(cli, row->option) : NULL;
    if (value) {
        *from = cli_printf(cli, "option --%s", row->option);
        return *value ? value : "true";
    }
    value = row->variable ? getenv(row->variable) : NULL;
    *from = cli_printf(cli, "variable %s", row->variable ? row->variable : "");
    return value && *value ? value : NULL;
}

static const char *from_files(struct cli *cli, const struct setting_row *row, const char **from)
{
    const struct setup *s = cli->setup;
    const struct ini_entry *x = ini_find(&s->project, "", "", row->key);
    *from = s->project_path;
    if (!x && s->context[0]) {
        x = ini_find(&s->user, "context", s->context, row->key);
        *from = cli_printf(cli, "%s, context %s", s->user_path, s->context);
    }
    if (!x) {
        x = ini_find(&s->user, "core", "", row->key);
        *from = s->user_path;
    }
    return x ? x->value : NULL;
}

const char *setup_get(struct cli *cli, const char *key, const char **from)
{
    const struct setting_row *row = find_row(key);
    const char *unused;
    const char *value = row ? from_outside(cli, row, from ? from : &unused) : NULL;
    if (!value && row && cli->setup)
        value = from_files(cli, row, from ? from : &unused);
    if (value || !row)
        return value;
    if (from)
        *from = "default";
    return row->fallback;
}

bool setup_is_on(struct cli *cli, const char *key)
{
    static const char *const on[] = {"true", "yes", "on", "1"};
    const char *value = setup_get(cli, key, NULL);
    for (size_t i = 0; i < ARRAY_LEN(on); i++)
        if (value && strcmp(value, on[i]) == 0)
            return true;
    return false;
}

/* --- changes --- */

/* Reads the file as it is (nothing, if there is none). */
static char *whole_text(const struct setup *s)
{
    char *text = NULL;
    size_t n = 0;
    return file_read(s->user_path, CONFIG_MAX_BYTES, &text, &n, NULL) == ERR_OK ? text
                                                                                : mem_strdup("");
}

/* Replaces the file and reads it again. */
static int replace(struct setup *s, const struct buf *text, struct err *e)
{
    if (!buf_ok(text))
        return err_set(e, ERR_TOO_LARGE, "%s would be too large", s->user_path);
    int rc = file_write(s->user_path, buf_str(text), text->len, 0600, e);
    return rc == ERR_OK ? read_user(s, e) : rc;
}

int setup_write(struct setup *s, const char *context, const char *key, const char *value,
                struct err *e)
{
    char *old CLEANUP(mem_free_ptr) = whole_text(s);
    struct buf text CLEANUP(buf_clear) = {0};
    struct ini_entry place = {.section = context ? "context" : "core",
                              .subsection = context ? context : "",
                              .key = key,
                              .value = value};
    if (value && strpbrk(value, "\r\n"))
        return err_set(e, ERR_INVALID, "%s has more than one line", key);
    buf_init(&text, CONFIG_MAX_BYTES);
    ini_set(old, &place, &text);
    return replace(s, &text, e);
}

int setup_drop(struct setup *s, const char *context, struct err *e)
{
    char *old CLEANUP(mem_free_ptr) = whole_text(s);
    struct buf text CLEANUP(buf_clear) = {0};
    buf_init(&text, CONFIG_MAX_BYTES);
    ini_drop(old, "context", context, &text);
    return replace(s, &text, e);
}
