/*
 * Texts of a router's record. Strict, because they end up in other programs' languages: commands of
 * HAProxy, configuration of nginx. Pure; any thread.
 */
#include "routing.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

#define PLACEHOLDER "{serve_as}"
#define SOCKET_PATH_MAX 107
#define PATH_MAX_BYTES 900

static const char *const drivers[] = {"haproxy", "nginx", NULL};

bool routing_name_ok(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= ROUTING_NAME_MAX && strspn(name, allowed) == n;
}

char *routing_backend(struct arena *a, const char *template, const char *serve_as)
{
    const char *at = strstr(template, PLACEHOLDER);
    if (at == NULL)
        return arena_strdup(a, template);
    return arena_printf(a, "%.*s%s%s", (int)(at - template), template, serve_as,
                        at + strlen(PLACEHOLDER));
}

bool routing_split(const char *address, char host[ROUTING_HOST_BYTES], const char **port)
{
    const char *colon = strrchr(address, ':');
    const char *from = address;
    if (colon == NULL || colon == address || strlen(colon + 1) > 5 || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    size_t n = (size_t)(colon - address);
    if (*from == '[' && n > 2 && from[n - 1] == ']') {
        from++;
        n -= 2;
    } else if (memchr(from, ':', n) != NULL) {
        return false;
    }
    if (n >= ROUTING_HOST_BYTES || n == 0)
        return false;
    memcpy(host, from, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

/* Nothing that ends a word, a string or a directive in somebody's configuration. */
static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("{};\"'$\\#`<>", text[i]) != NULL)
            return false;
    }
    return true;
}

char *routing_host(struct arena *a, const char *url)
{
    char name[ROUTING_HOST_BYTES];
    const char *port;
    const char *host = url != NULL && strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
    size_t n = host != NULL ? strcspn(host, "/?#") : 0;
    if (n == 0 || n > 255 || memchr(host, '@', n) != NULL || !is_plain(host, n))
        return NULL;
    char *whole = arena_printf(a, "%.*s", (int)n, host);
    if (routing_split(whole, name, &port))
        return whole;
    bool has_port = strrchr(whole, ':') != NULL && whole[n - 1] != ']';
    return has_port ? NULL : arena_printf(a, "%s:80", whole);
}

/* --- records ---------------------------------------------------------------------------------- */

static bool is_path(const char *path)
{
    return path[0] == '/' && path[1] != '\0' && strlen(path) <= PATH_MAX_BYTES &&
           path[strlen(path) - 1] != '/' && strstr(path, "/../") == NULL &&
           is_plain(path, strlen(path));
}

static int check_haproxy(const struct router_config *c, struct err *e)
{
    char host[ROUTING_HOST_BYTES];
    const char *port;
    bool is_unix = strncmp(c->address, "unix:", 5) == 0;
    bool is_good = is_unix ? c->address[5] == '/' && strlen(c->address + 5) <= SOCKET_PATH_MAX
                           : routing_split(c->address, host, &port);
    if (!is_good)
        return err_at(e, ERR_INVALID, "/address",
                      "the address of HAProxy's Runtime API is \"unix:/absolute/path\" (at most %d "
                      "bytes) or \"host:port\"",
                      SOCKET_PATH_MAX);
    if (c->file != NULL)
        return err_at(e, ERR_INVALID, "/file", "HAProxy is told by its socket, not by files");
    if (c->pid_file != NULL)
        return err_at(e, ERR_INVALID, "/pid_file", "HAProxy is told by its socket, not by files");
    return ERR_OK;
}

static int check_nginx(const struct router_config *c, struct err *e)
{
    bool is_url = strncmp(c->address, "http://", 7) == 0 || strncmp(c->address, "https://", 8) == 0;
    if (!is_url || !is_plain(c->address, strlen(c->address)))
        return err_at(e, ERR_INVALID, "/address",
                      "the address of an nginx router is the URL of the location that tells its "
                      "state");
    if (c->file == NULL)
        return err_at(e, ERR_INVALID, "/file",
                      "missing: the file that nginx includes and mreg writes");
    if (!is_path(c->file))
        return err_at(e, ERR_INVALID, "/file", "not an absolute path of plain characters");
    if (c->pid_file != NULL && !is_path(c->pid_file))
        return err_at(e, ERR_INVALID, "/pid_file", "not an absolute path of plain characters");
    return ERR_OK;
}

static int check_backend(const char *template, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    /* Without the placeholder, two models would share a pool. */
    if (strstr(template, PLACEHOLDER) == NULL)
        return err_at(e, ERR_INVALID, "/backend", "the name of a backend must hold " PLACEHOLDER);
    if (!routing_name_ok(routing_backend(&a, template, "a")))
        return err_at(e, ERR_INVALID, "/backend",
                      "the name of a backend is made of letters, digits and \"._-\" around "
                      "one " PLACEHOLDER);
    return ERR_OK;
}

int routing_check(const struct router_config *c, struct err *e)
{
    int rc = check_backend(c->backend, e);
    if (rc != ERR_OK)
        return rc;
    if (strcmp(c->driver, "haproxy") == 0)
        return check_haproxy(c, e);
    if (strcmp(c->driver, "nginx") == 0)
        return check_nginx(c, e);
    const char *near = json_nearest(c->driver, drivers);
    if (near != NULL)
        return err_at(e, ERR_INVALID, "/driver",
                      "no kind of router \"%.60s\"; did you mean \"%s\"?", c->driver, near);
    return err_at(e, ERR_INVALID, "/driver", "no kind of router \"%.60s\": haproxy or nginx",
                  c->driver);
}
