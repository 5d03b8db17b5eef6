/*
 * Credentials and small files. Tokens never come from the command line, only from files, the
 * environment or the credential file.
 */
#include "profile.h"

#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int file_read(const char *path, size_t max, char **out, size_t *n, struct err *e)
{
    int fd CLEANUP(close_fd) =
        strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, max);
    for (;;) {
        char chunk[2048];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        buf_put(&b, chunk, (size_t)got);
        if (!buf_ok(&b))
            return err_set(e, ERR_TOO_LARGE, "%s: over %zu bytes", path, max);
    }
    *n = b.len;
    *out = mem_alloc(b.len + 1);
    memcpy(*out, buf_str(&b), b.len);
    return ERR_OK;
}

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

int file_write(const char *path, const void *bytes, size_t n, unsigned mode, struct err *e)
{
    char temporary[2048];
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    int fd CLEANUP(close_fd) = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || fchmod(fd, mode) != 0 || write_all(fd, bytes, n) != 0 || fsync(fd) != 0 ||
        rename(temporary, path) != 0) {
        int why = errno;
        unlink(temporary);
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(why));
    }
    return ERR_OK;
}

/* $variable/mreg/name or ~/fallback/mreg/name, with the folders made. */
static char *folder_path(const char *variable, const char *fallback, const char *name)
{
    char folder[2048];
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    if (!home || !*home) {
        const struct passwd *me = getpwuid(getuid());
        home = me ? me->pw_dir : "/";
    }
    if (base && *base)
        snprintf(folder, sizeof folder - 8, "%s", base);
    else
        snprintf(folder, sizeof folder - 8, "%s/%s", home, fallback);
    mkdir(folder, 0700);
    size_t used = strlen(folder);
    snprintf(folder + used, sizeof folder - used, "/mreg");
    mkdir(folder, 0700);
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}

char *profile_path(const char *name)
{
    return folder_path("XDG_CONFIG_HOME", ".config", name);
}

char *profile_cache_path(const char *name)
{
    return folder_path("XDG_CACHE_HOME", ".cache", name);
}

static char *trimmed(char *text)
{
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        text[--n] = '\0';
    return text;
}

static void set_string(char **field, const char *value)
{
    char *copy = mem_strdup(value);
    free(*field);
    *field = copy;
}

static int load_file(struct profile *p, const char *name, struct err *e)
{
    char *path CLEANUP(mem_free_ptr) = profile_path(name);
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct stat st;
    size_t n = 0;
    if (stat(path, &st) != 0)
        return ERR_OK;
    if (st.st_mode & 077)
        return err_set(e, ERR_INVALID, "%s is readable by others; run: chmod 600 %s", path, path);
    int rc = file_read(path, 1 << 20, &text, &n, e);
    if (rc == ERR_OK)
        rc = json_parse(text, n, 8, &j, e);
    if (rc != ERR_OK) {
        err_prefix(e, "%s: ", path);
        return rc;
    }
    set_string(&p->url, json_string_value(json_object_get(j, "url")));
    set_string(&p->token, json_string_value(json_object_get(j, "token")));
    set_string(&p->domain, json_string_value(json_object_get(j, "domain")));
    set_string(&p->signers, json_string_value(json_object_get(j, "allowed_signers")));
    set_string(&p->key_id, json_string_value(json_object_get(j, "key_id")));
    return ERR_OK;
}

static void use_url(struct profile *p, const char *url)
{
    if (!url || !*url)
        return;
    char *plain CLEANUP(mem_free_ptr) = mem_strdup(url);
    size_t n = strlen(plain);
    while (n && plain[n - 1] == '/')
        plain[--n] = '\0';
    if (p->url && strcmp(plain, p->url) == 0)
        return;
    profile_clear(p);
    set_string(&p->url, plain);
}

/* A token goes into a header line: it must not hold what ends one. */
static int use_token(struct profile *p, const char *token, const char *origin, struct err *e)
{
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(e, ERR_INVALID, "%s holds no token: it has blanks or odd letters in it",
                           origin);
    if (!*token)
        return err_set(e, ERR_INVALID, "%s is empty", origin);
    set_string(&p->token, token);
    return ERR_OK;
}

int profile_set_token(struct profile *p, char *typed, struct err *e)
{
    return use_token(p, trimmed(typed), "what was typed", e);
}

static int use_token_file(struct profile *p, const char *path, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc = file_read(path, 4096, &text, &n, e);
    return rc == ERR_OK ? use_token(p, trimmed(text), path, e) : rc;
}

static int load_token(struct profile *p, const struct profile_wish *wish, struct err *e)
{
    const char *token = getenv("MREG_TOKEN");
    const char *file = getenv("MREG_TOKEN_FILE");
    if (wish->token_file)
        return use_token_file(p, wish->token_file, e);
    if (token && *token)
        return use_token(p, token, "MREG_TOKEN", e);
    if (file && *file)
        return use_token_file(p, file, e);
    return wish->context_token_file ? use_token_file(p, wish->context_token_file, e) : ERR_OK;
}

int profile_load(struct profile *p, const struct profile_wish *wish, struct err *e)
{
    struct profile_wish w = *wish;
    int rc = load_file(p, w.credentials, e);
    if (rc != ERR_OK)
        return rc;
    use_url(p, w.context_url);
    char *own CLEANUP(mem_free_ptr) = mem_strdup(p->url);
    use_url(p, w.url);
    bool is_own = !own || (p->url && strcmp(own, p->url) == 0);
    if (is_own)
        set_string(&p->helper, w.helper);
    p->is_protected = is_own && w.is_protected;
    if (!is_own)
        w.context_token_file = NULL;
    set_string(&p->ca, w.ca);
    return load_token(p, &w, e);
}

int profile_need_token(struct profile *p, const char *context, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    if (p->token || !p->helper)
        return ERR_OK;
    int rc = helper_run(p->helper, p->url, context, &text, e);
    return rc == ERR_OK ? use_token(p, trimmed(text), "what the helper printed", e) : rc;
}

bool profile_odd_variable(char *const *environment, size_t *i, char variable[64], const char **near)
{
    static const char *const ours[] = {
        "MREG_URL", "MREG_TOKEN", "MREG_TOKEN_FILE", "MREG_CONTEXT",    "MREG_OUTPUT",
        "MREG_CA",  "MREG_DEBUG", "MREG_COMMAND",    "MREG_ACCESSIBLE", NULL};
    static const char *const others[] = {"MREG_REGISTRY_", "MREG_SERVER_",  "MREG_LIMITS_",
                                         "MREG_STORE_",    "MREG_ROLLOUT_", "MREG_LOG_",
                                         "MREG_WEBHOOK_",  "MREG_CI_"};
    for (; environment[*i]; ++*i) {
        const char *text = environment[*i];
        size_t n = strcspn(text, "=");
        bool is_known = strncmp(text, "MREG_", 5) != 0 || n >= 64;
        for (size_t k = 0; ours[k] && !is_known; k++)
            is_known = strlen(ours[k]) == n && strncmp(text, ours[k], n) == 0;
        for (size_t k = 0; k < ARRAY_LEN(others) && !is_known; k++)
            is_known = strncmp(text, others[k], strlen(others[k])) == 0;
        if (is_known)
            continue;
        snprintf(variable, 64, "%.*s", (int)n, text);
        *near = json_nearest(variable, ours);
        ++*i;
        return true;
    }
    return false;
}

int profile_save(const struct profile *p, const char *name, struct err *e)
{
    char *path CLEANUP(mem_free_ptr) = profile_path(name);
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "url", p->url, "token", p->token, "domain",
                  p->domain, "allowed_signers", p->signers, "key_id", p->key_id);
    char *text CLEANUP(mem_free_ptr) = json_dumps(j, JSON_INDENT(2));
    if (!text)
        return err_set(e, ERR_INTERNAL, "cannot write the credentials");
    return file_write(path, text, strlen(text), 0600, e);
}

void profile_clear(struct profile *p)
{
    if (!p)
        return;
    free(p->url);
    free(p->token);
    free(p->domain);
    free(p->signers);
    free(p->key_id);
    free(p->helper);
    free(p->ca);
    *p = (struct profile){0};
}
