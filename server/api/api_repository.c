/*
 * Files of the bare repository for `git clone` over dumb HTTP: a closed list of shapes, nothing
 * else of the folder can be named. Runs on the worker of the request.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_history.h"
#include "app.h"
#include "history.h"

static bool is_hex(const char *p, size_t n)
{
    return strspn(p, "0123456789abcdef") >= n;
}

/* "pack-<40 hex>.pack" or ".idx". */
static bool is_pack(const char *name)
{
    return !strncmp(name, "pack-", 5) && is_hex(name + 5, 40) &&
           (!strcmp(name + 45, ".pack") || !strcmp(name + 45, ".idx"));
}

/* "ab/<38 hex>". */
static bool is_loose(const char *name)
{
    return is_hex(name, 2) && name[2] == '/' && is_hex(name + 3, 38) && !name[41];
}

struct shape {
    const char *type;
    bool is_for_ever; /* the name says the content */
};

static bool find_shape(const char *path, struct shape *out)
{
    *out = (struct shape){.type = "text/plain; charset=utf-8"};
    if (!strcmp(path, "HEAD") || !strcmp(path, "info/refs") || !strcmp(path, "objects/info/packs"))
        return true;
    out->is_for_ever = true;
    out->type = "application/x-git-loose-object";
    if (!strncmp(path, "objects/pack/", 13) && is_pack(path + 13)) {
        bool is_index = path[58] == '.' && path[59] == 'i';
        out->type =
            is_index ? "application/x-git-packed-objects-toc" : "application/x-git-packed-objects";
        return true;
    }
    return !strncmp(path, "objects/", 8) && is_loose(path + 8);
}

static int open_file(struct request *rq, const char *path, struct reply *rp, struct err *e)
{
    struct stat st;
    const char *whole = arena_printf(rq->arena, "%s/%s", history_path(rq->app->history), path);
    int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        return err_set(e, ERR_UNAVAILABLE, "the history cannot be read now");
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return err_set(e, ERR_NOT_FOUND, "no such file in the history");
    }
    rp->file = (struct blob_file){.fd = fd, .size = st.st_size};
    rp->has_file = true;
    return ERR_OK;
}

int api_repository(struct request *rq, struct reply *rp, struct err *e)
{
    struct shape shape;
    const char *path = rq->params[0];
    if (!history_sees_all(rq))
        return err_set(e, ERR_FORBIDDEN,
                       "the repository holds all models; your token covers some of them");
    if (!find_shape(path, &shape))
        return err_set(e, ERR_NOT_FOUND, "no such file in the history");
    int rc = open_file(rq, path, rp, e);
    if (rc)
        return rc;
    rp->content_type = shape.type;
    if (shape.is_for_ever)
        rp->etag = arena_printf(rq->arena, "\"%s\"", path);
    reply_header(rp, "Cache-Control",
                 shape.is_for_ever ? "private, max-age=31536000, immutable" : "no-cache");
    return ERR_OK;
}
