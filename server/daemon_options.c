/*
 * Reads mregd's command line and puts the configuration together from its four sources. Must not
 * know what settings mean, but for the one rule about listening beyond loopback. Main thread.
 */
#include "daemon_options.h"

#include <string.h>
#include <unistd.h>

#include "json.h"

struct option_row {
    const char *name, *argument, *help;
    size_t offset; /* of the text in struct daemon_options */
    int verb;      /* -1: takes an argument */
};

#define TEXT(name) offsetof(struct daemon_options, name)

static const struct option_row rows[] = {
    {"--data", "DIR", "folder for everything that is kept; made at the first start", TEXT(data),
     -1},
    {"--config", "FILE", "settings; DIR/mregd.conf if it is there", TEXT(config_file), -1},
    {"--listen", "ADDR:PORT", "API and dashboard (server.listen)", TEXT(listen), -1},
    {"--ops", "ADDR:PORT", "/livez /readyz /metrics (server.ops)", TEXT(ops), -1},
    {"--port-file", "FILE", "gets both addresses, one a line, when requests are served",
     TEXT(port_file), -1},
    {"--reason", "TEXT", "why, for the history (with rotate-key)", TEXT(reason), -1},
    {"rotate-key", NULL, "makes a new identity key; the server must be stopped", 0,
     DAEMON_ROTATE_KEY},
    {"--print-config", NULL, "prints all settings and where they come from", 0,
     DAEMON_PRINT_CONFIG},
    {"--help", NULL, "prints this", 0, DAEMON_HELP},
    {"--version", NULL, "prints the version", 0, DAEMON_VERSION},
};

static const struct option_row *find(const char *word, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, word, n) == 0)
            return &rows[i];
    return NULL;
}

static int unknown_option(const char *word, struct err *e)
{
    const char *names[ARRAY_LEN(rows) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        names[i] = rows[i].name;
    const char *near = json_nearest(word, names);
    return err_set(e, ERR_INVALID, "mregd does not know \"%.60s\"%s%s; try --help", word,
                   near ? ", did you mean " : "", near ? near : "");
}

int daemon_options_read(int argc, char **argv, struct daemon_options *out, struct err *e)
{
    *out = (struct daemon_options){.verb = DAEMON_SERVE};
    for (int i = 1; i < argc; i++) {
        size_t n = strcspn(argv[i], "=");
        const struct option_row *row = find(argv[i], n);
        if (!row || (argv[i][n] && row->verb >= 0))
            return unknown_option(argv[i], e);
        if (row->verb >= 0) {
            out->verb = (enum daemon_verb)row->verb;
            continue;
        }
        const char *value = argv[i][n] ? argv[i] + n + 1 : argv[++i];
        if (!value || !value[0])
            return err_set(e, ERR_INVALID, "%s needs %s", row->name, row->argument);
        memcpy((char *)out + row->offset, &value, sizeof value);
    }
    bool needs_data = out->verb == DAEMON_SERVE || out->verb == DAEMON_ROTATE_KEY;
    if (needs_data && !out->data)
        return err_set(e, ERR_INVALID, "--data DIR is needed: where everything is kept");
    return 0;
}

static int check_listen(const struct config *c, struct err *e)
{
    char address[16];
    int port = 0;
    int rc = config_address(config_text(c, "server.ops"), address, &port, e);
    if (!rc)
        rc = config_address(config_text(c, "server.listen"), address, &port, e);
    if (rc || config_is_loopback(address) ||
        strcmp(config_text(c, "server.proxy"), "declared") == 0)
        return rc;
    return err_set(e, ERR_REFUSED,
                   "server.listen = %s would be reachable from other machines without TLS; put a "
                   "proxy in front and set server.proxy = declared",
                   config_text(c, "server.listen"));
}

static int read_file(const struct daemon_options *o, struct config *c, struct err *e)
{
    if (o->config_file)
        return config_file(c, o->config_file, e);
    struct arena a CLEANUP(arena_clear) = {0};
    const char *path = o->data ? arena_printf(&a, "%s/mregd.conf", o->data) : NULL;
    return path && access(path, F_OK) == 0 ? config_file(c, path, e) : 0;
}

int daemon_options_config(const struct daemon_options *o, struct config **out, struct buf *unknown,
                          struct err *e)
{
    struct config *c CLEANUP(config_free_ptr) = config_new();
    int rc = read_file(o, c, e);
    if (!rc)
        rc = config_environment(c, environ, unknown, e);
    if (!rc && o->listen)
        rc = config_set(c, "server.listen", o->listen, "option --listen", e);
    if (!rc && o->ops)
        rc = config_set(c, "server.ops", o->ops, "option --ops", e);
    if (!rc)
        rc = check_listen(c, e);
    if (rc)
        return rc;
    *out = c;
    c = NULL;
    return 0;
}

void daemon_options_help(struct buf *out)
{
    buf_puts(out, "mregd " MREG_VERSION ", the mreg server: model registry and deployments\n\n"
                  "  mregd --data DIR [options]\n"
                  "  mregd --data DIR rotate-key [--reason TEXT]\n\nOptions:\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_putf(out, "  %-14s %-10s %s\n", rows[i].name, rows[i].argument ? rows[i].argument : "",
                 rows[i].help);
    buf_puts(out, "\nSettings, in a file of git's format ([server] threads = 512) or as variables "
                  "(MREG_SERVER_THREADS):\n");
    config_help(out);
    buf_puts(out, "\nSignals: TERM and INT finish running requests and end with 0 (a second one "
                  "ends at once);\nHUP reads the settings again.\n");
}
