/*
 * mreg ci init: writes the pipeline of a CI system and the script that all of them call. The files
 * are embedded when mreg is built. Never overwrites what somebody else wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "embed.h"
#include "profile.h"

#define SCRIPT "mreg-ci.sh"
#define SCRIPT_PATH "ci/mreg-ci.sh"

/* mark: what tells, in a checkout, that this system is in use. */
static const struct ci_system {
    const char *name, *variable, *file, *path, *mark, *host;
} systems[] = {
    {"github", "GITHUB_ACTIONS", "github-workflow.yml", ".github/workflows/mreg.yml", ".github",
     "github.com"},
    {"gitlab", "GITLAB_CI", "gitlab-ci.yml", ".gitlab-ci.yml", ".gitlab-ci.yml", "gitlab"},
    {"jenkins", "JENKINS_URL", "Jenkinsfile", "Jenkinsfile", "Jenkinsfile", NULL},
    {"circleci", "CIRCLECI", "circleci-config.yml", ".circleci/config.yml", ".circleci", NULL},
    {"travis", "TRAVIS", "travis.yml", ".travis.yml", ".travis.yml", NULL},
};

/* --- which system ----------------------------------------------------------------------------- */

static bool remote_is_at(const char *config, const char *host)
{
    const char *url = strstr(config, "url = ");
    return host && url && strstr(url, host);
}

/* By the environment of a job, then by files of the checkout, then by where it was cloned from. */
static const struct ci_system *detect(void)
{
    char *config CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        const char *value = getenv(systems[i].variable);
        if (value && *value)
            return &systems[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(systems); i++)
        if (access(systems[i].mark, F_OK) == 0)
            return &systems[i];
    if (file_read(".git/config", 1 << 20, &config, &n, NULL) != ERR_OK)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(systems); i++)
        if (remote_is_at(config, systems[i].host))
            return &systems[i];
    return NULL;
}

static int choose(const char *name, const struct ci_system **out, struct err *e)
{
    const char *names[ARRAY_LEN(systems) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        names[i] = systems[i].name;
        if (name && strcmp(name, names[i]) == 0)
            *out = &systems[i];
    }
    if (!name)
        *out = detect();
    if (*out)
        return ERR_OK;
    if (!name)
        return err_set(e, ERR_INVALID,
                       "no CI system shows here; name one: github gitlab jenkins circleci travis");
    const char *near = json_nearest(name, names);
    return err_set(e, ERR_INVALID, "no CI system \"%.40s\"; %s%s%s", name,
                   near ? "did you mean " : "there are github gitlab jenkins circleci travis",
                   near ? near : "", near ? "?" : "");
}

/* --- files ------------------------------------------------------------------------------------ */

static const struct embed_file *file_of(const char *name)
{
    const struct embed_file *f = embed_ci;
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f;
}

/* Makes the folders above a path. */
static int make_folders(const char *path, struct err *e)
{
    char *copy CLEANUP(mem_free_ptr) = mem_strdup(path);
    for (char *p = strchr(copy, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return err_set(e, ERR_LOCAL_IO, "%s: %s", copy, strerror(errno));
        *p = '/';
    }
    return ERR_OK;
}

/* True if the file is there with just these bytes. */
static bool is_same(const char *path, const struct embed_file *f)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    return file_read(path, 1 << 20, &text, &n, NULL) == ERR_OK && n == f->length &&
           memcmp(text, f->bytes, n) == 0;
}

static int write_new(const char *path, const struct embed_file *f, struct err *e)
{
    int rc = make_folders(path, e);
    if (rc != ERR_OK)
        return rc;
    mode_t mode = strcmp(f->name, SCRIPT) == 0 ? 0777 : 0666;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    ssize_t n = write(fd, f->bytes, f->length);
    if (close(fd) != 0 || n != (ssize_t)f->length) {
        unlink(path);
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, n < 0 ? strerror(errno) : "disk full?");
    }
    return ERR_OK;
}

struct ci_file {
    const char *path;
    const struct embed_file *file;
    bool is_there;
};

/* Nothing is written unless everything can be. */
static int write_files(struct ci_file *files, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        files[i].is_there = is_same(files[i].path, files[i].file);
        if (!files[i].is_there && access(files[i].path, F_OK) == 0)
            return err_set(e, ERR_EXISTS, "%s is there already, and not what mreg writes",
                           files[i].path);
    }
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (!files[i].is_there)
            rc = write_new(files[i].path, files[i].file, e);
    return rc;
}

static void print_files(const struct ci_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fwrite(files[i].file->bytes, 1, files[i].file->length, stdout);
}

int cmd_ci_init(struct cli *cli)
{
    struct err e = {0};
    const struct ci_system *system = NULL;
    int rc = choose(cli->n_args ? cli->args[0] : NULL, &system, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    struct ci_file files[] = {{.path = system->path, .file = file_of(system->file)},
                              {.path = SCRIPT_PATH, .file = file_of(SCRIPT)}};
    if (opt_has(cli, "stdout")) {
        print_files(files, 1);
        return EXIT_DONE;
    }
    rc = write_files(files, ARRAY_LEN(files), &e);
    if (rc == ERR_EXISTS)
        return cli_fail_hint(cli, &e, "mreg ci init SYSTEM --stdout prints the pipeline");
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:[s, s]}", "system", system->name, "files", files[0].path, files[1].path);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        printf("%s\n%s\n", files[0].path, files[1].path);
    out_say(&cli->out,
            "next: set MREG_CI_MODEL, MREG_CI_PATH and MREG_CI_ENVIRONMENT in %s, and MREG_URL "
            "and MREG_TOKEN in the settings of %s",
            files[0].path, system->name);
    return EXIT_DONE;
}
