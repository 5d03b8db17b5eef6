/*
 * Finds and starts plugins. What they get is told in their environment, never on their command
 * line. One thread.
 */
#include "plugin.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "profile.h"
#include "setup.h"

#define PATH_BYTES 3072

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool is_word(const char *text)
{
    return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* The next folder of PATH; false at its end. */
static bool next_folder(const char **rest, char folder[PATH_BYTES])
{
    const char *p = *rest;
    if (!p || !*p)
        return false;
    size_t n = strcspn(p, ":");
    snprintf(folder, PATH_BYTES, "%.*s", n ? (int)n : 1, n ? p : ".");
    *rest = p + n + (p[n] == ':');
    return true;
}

static bool find(const char *word, char path[PATH_BYTES + 300])
{
    char folder[PATH_BYTES];
    const char *rest = getenv("PATH");
    while (is_word(word) && next_folder(&rest, folder)) {
        snprintf(path, PATH_BYTES + 300, "%s/mreg-%.200s", folder, word);
        if (is_program(path))
            return true;
    }
    return false;
}

bool plugin_exists(const char *word)
{
    char path[PATH_BYTES + 300];
    return find(word, path);
}

void plugin_each(void (*each)(void *user, const char *name, const char *path), void *user)
{
    char folder[PATH_BYTES];
    char path[PATH_BYTES + 300];
    const char *rest = getenv("PATH");
    while (next_folder(&rest, folder)) {
        struct dirent **list = NULL;
        int n = scandir(folder, &list, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            const char *name = list[i]->d_name;
            snprintf(path, sizeof path, "%s/%s", folder, name);
            if (strncmp(name, "mreg-", 5) == 0 && is_word(name + 5) && is_program(path))
                each(user, name + 5, path);
            free(list[i]);
        }
        free(list);
    }
}

static void set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* Where this program lies. */
static void set_command(void)
{
    char path[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    set("MREG_COMMAND", n > 0 ? path : NULL);
}

static int prepare(struct cli *cli, struct err *e)
{
    int rc = setup_load(cli, cli->setup, e);
    if (rc == ERR_OK)
        rc = cli_profile(cli, NULL, e);
    if (rc == ERR_OK)
        rc = profile_need_token(cli->profile, cli->setup->context, e);
    if (rc != ERR_OK)
        return rc;
    set("MREG_URL", cli->profile->url);
    set("MREG_TOKEN", cli->profile->token);
    set("MREG_TOKEN_FILE", NULL);
    set("MREG_CONTEXT", cli->setup->context);
    set_command();
    return ERR_OK;
}

int plugin_run(struct cli *cli, int argc, char **argv, int word)
{
    struct err e = {0};
    struct setup setup = {0};
    struct profile profile = {0};
    char path[PATH_BYTES + 300];
    cli->setup = &setup;
    cli->profile = &profile;
    int rc = opt_parse(cli, word, argv, command_tables, &e);
    if (rc == ERR_OK)
        rc = prepare(cli, &e);
    if (rc == ERR_OK && find(argv[word], path)) {
        argv[word] = path;
        argv[argc] = NULL;
        execv(path, argv + word);
        err_set(&e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    }
    int code = cli_fail(cli, &e);
    setup_clear(&setup);
    profile_clear(&profile);
    return code;
}
