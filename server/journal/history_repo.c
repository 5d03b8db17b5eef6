/*
 * The door to libgit2 for the history's repository. Knows objects and refs, not journal rows. Runs
 * on the git thread (or on the only thread of a tool); libgit2 wants 80 KiB of stack.
 */
#include "history_repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_repo_inner.h"

#define MAIN_REF "refs/heads/main"

int repo_error(struct err *e, enum err_code code, const char *what)
{
    const git_error *last = git_error_last();
    const char *text = last && last->message ? last->message : "unknown error";
    if (last && last->klass == GIT_ERROR_OS && strstr(text, strerror(ENOSPC)))
        code = ERR_NO_SPACE;
    return err_set(e, code, "%s: %s", what, text);
}

static int system_error(struct err *e, const char *what)
{
    int number = errno;
    return err_set(e, number == ENOSPC || number == EDQUOT ? ERR_NO_SPACE : ERR_INTERNAL, "%s: %s",
                   what, strerror(number));
}

/* Settings of the whole process, the same each time: nobody's git configuration counts here, the
 * folder is ours whoever owns it, refs are fsynced, and our own packs are not hashed again. */
static void configure(void)
{
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, "");
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, "");
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, "");
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
}

static void detach(struct history_repo *r)
{
    git_odb_free(r->odb);
    git_repository_free(r->git);
    r->odb = NULL;
    r->git = NULL;
}

int repo_attach(struct history_repo *r, struct err *e)
{
    detach(r);
    int rc = git_repository_open_bare(&r->git, r->path);
    if (!rc)
        rc = git_repository_odb(&r->odb, r->git);
    return rc ? repo_error(e, ERR_CORRUPT, r->path) : ERR_OK;
}

/* libgit2 writes a new repository without a sync, and it is whole only with its small files. */
static int sync_new(const char *path, struct err *e)
{
    static const char *const names[] = {"HEAD",         "config",  "refs/heads", "refs",
                                        "objects/pack", "objects", ".",          ".."};
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = arena_printf(&a, "%s/%s", path, names[i]);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        int rc = fd < 0 ? -1 : fsync(fd);
        if (rc)
            (void)system_error(e, name);
        if (fd >= 0)
            close(fd);
        if (rc)
            return ERR_INTERNAL;
    }
    return ERR_OK;
}

/* libgit2 opens a repository whose HEAD a power failure emptied; git does not. */
static int check_head_file(const char *path, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct stat st;
    arena_init(&a);
    const char *name = arena_printf(&a, "%s/HEAD", path);
    if (stat(name, &st) || st.st_size == 0)
        return err_set(e, ERR_CORRUPT, "%s is empty or not there", name);
    return ERR_OK;
}

static int create(const char *path, struct err *e)
{
    git_repository *made = NULL;
    git_repository_init_options options;
    git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
    options.initial_head = "main";
    int rc = git_repository_init_ext(&made, path, &options);
    git_repository_free(made);
    return rc ? repo_error(e, ERR_INTERNAL, "make the history's repository") : sync_new(path, e);
}

/* A killed process leaves these behind, and libgit2 would wait for their owner for ever. */
static void remove_leftovers(struct history_repo *r)
{
    static const char *const locks[] = {MAIN_REF ".lock", "HEAD.lock", "packed-refs.lock",
                                        "config.lock"};
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(locks); i++)
        unlink(arena_printf(&a, "%s/%s", r->path, locks[i]));
    DIR *dir = opendir(r->pack_dir);
    if (!dir)
        return;
    for (struct dirent *d; (d = readdir(dir));)
        if (!strncmp(d->d_name, "tmp_", 4) || !strncmp(d->d_name, "pack_git2_", 10))
            unlink(arena_printf(&a, "%s/%s", r->pack_dir, d->d_name));
    closedir(dir);
}

static char *join(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}

int history_repo_open(const char *path, struct history_repo **out, struct err *e)
{
    struct stat st;
    if (git_libgit2_init() < 0)
        return repo_error(e, ERR_INTERNAL, "libgit2");
    configure();
    struct history_repo *r = mem_alloc(sizeof *r);
    r->path = mem_strdup(path);
    r->pack_dir = join(path, "objects/pack");
    int code = stat(path, &st) && errno == ENOENT ? create(path, e) : ERR_OK;
    if (!code)
        code = check_head_file(path, e);
    if (!code) {
        remove_leftovers(r);
        code = repo_attach(r, e);
    }
    if (!code)
        code = repo_check_packs(r, e);
    if (code) {
        history_repo_close(r);
        return code;
    }
    *out = r;
    return ERR_OK;
}

void history_repo_close(struct history_repo *r)
{
    if (!r)
        return;
    detach(r);
    free(r->retired);
    free(r->pack_dir);
    free(r->path);
    free(r);
    git_libgit2_shutdown();
}

int history_repo_set_aside(const char *path, int64_t now_ms, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    if (rename(path, arena_printf(&a, "%s.old-%lld", path, (long long)now_ms)) && errno != ENOENT)
        return system_error(e, path);
    return ERR_OK;
}

int64_t history_repo_n_packs(const struct history_repo *r)
{
    return r->n_packs;
}

/* ---- objects and refs ---- */

int history_repo_head(struct history_repo *r, struct git_id *head, bool *found, struct err *e)
{
    git_oid oid;
    int rc = git_reference_name_to_id(&oid, r->git, MAIN_REF);
    *found = rc == 0;
    if (rc == GIT_ENOTFOUND)
        return ERR_OK;
    if (rc)
        return repo_error(e, ERR_CORRUPT, MAIN_REF);
    memcpy(head->b, oid.id, sizeof head->b);
    return ERR_OK;
}

/* Our own check: libgit2 does not hash what it reads from packs, and a wrong folder would go into
 * every later commit. */
static bool is_content_of(const git_oid *oid, const char *kind, const void *bytes, size_t n)
{
    char head[40];
    uint8_t sum[DIGEST_SHA1_BYTES];
    int n_head = snprintf(head, sizeof head, "%s %zu", kind, n);
    digest_sha1(head, (size_t)n_head + 1, bytes, n, sum);
    return memcmp(sum, oid->id, sizeof sum) == 0;
}

int history_repo_read(struct history_repo *r, const struct git_id *id, enum pack_kind kind,
                      struct buf *out, struct err *e)
{
    git_odb_object *object = NULL;
    git_oid oid;
    char hex[GIT_ID_HEX_BYTES];
    memcpy(oid.id, id->b, sizeof id->b);
    if (git_odb_read(&object, r->odb, &oid))
        return repo_error(e, ERR_CORRUPT, git_id_hex(id, hex));
    git_object_t type = git_odb_object_type(object);
    const void *bytes = git_odb_object_data(object);
    size_t n = git_odb_object_size(object);
    bool is_right =
        (int)type == (int)kind && is_content_of(&oid, git_object_type2string(type), bytes, n);
    if (is_right)
        buf_put(out, bytes, n);
    git_odb_object_free(object);
    if (!is_right)
        return err_set(e, ERR_CORRUPT, "object %s is damaged", git_id_hex(id, hex));
    return ERR_OK;
}

int history_repo_add(struct history_repo *r, struct pack *pack, struct err *e)
{
    char name[PACK_NAME_BYTES];
    int code = pack_write(pack, r->pack_dir, name, e);
    if (!code && git_odb_refresh(r->odb))
        code = repo_error(e, ERR_INTERNAL, "read the new pack");
    return code;
}

int history_repo_move(struct history_repo *r, const struct git_id *from, const struct git_id *to,
                      struct err *e)
{
    git_reference *made = NULL;
    git_oid old = {{0}};
    git_oid new;
    memcpy(new.id, to->b, sizeof to->b);
    if (from)
        memcpy(old.id, from->b, sizeof from->b);
    /* Without a former value "force" is off: an existing ref is then an error. */
    int rc = from ? git_reference_create_matching(&made, r->git, MAIN_REF, &new, 1, &old, NULL)
                  : git_reference_create(&made, r->git, MAIN_REF, &new, 0, NULL);
    git_reference_free(made);
    if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS || rc == GIT_ENOTFOUND)
        return repo_error(e, ERR_CONFLICT, "main was moved by somebody else");
    return rc ? repo_error(e, ERR_INTERNAL, "move main") : ERR_OK;
}

/* ---- files for dumb HTTP ---- */

/* Replaces path/name at once. Not fsynced: it is written again at the next start. */
static int replace_file(const struct history_repo *r, const char *name, const struct buf *bytes,
                        struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    char *path = arena_printf(&a, "%s/%s", r->path, name);
    char *temporary = arena_printf(&a, "%s.new", path);
    FILE *f = fopen(temporary, "we");
    if (!f)
        return system_error(e, temporary);
    bool is_written = fwrite(buf_str(bytes), 1, bytes->len, f) == bytes->len;
    if (fclose(f) || !is_written || rename(temporary, path))
        return system_error(e, path);
    return ERR_OK;
}

int history_repo_announce(struct history_repo *r, const struct git_id *head, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct buf text CLEANUP(buf_clear);
    struct pack_file *packs;
    size_t n;
    char hex[GIT_ID_HEX_BYTES];
    arena_init(&a);
    buf_init(&text, (size_t)1 << 20);
    int code = repo_list_packs(r, &a, &packs, &n, e);
    if (code)
        return code;
    r->n_packs = (int64_t)n;
    for (size_t i = 0; i < n; i++)
        buf_putf(&text, "P %s.pack\n", packs[i].name);
    buf_putc(&text, '\n');
    mkdir(arena_printf(&a, "%s/info", r->path), 0777);
    mkdir(arena_printf(&a, "%s/objects/info", r->path), 0777);
    code = replace_file(r, "objects/info/packs", &text, e);
    buf_reset(&text);
    buf_putf(&text, "%s\t" MAIN_REF "\n", git_id_hex(head, hex));
    return code ? code : replace_file(r, "info/refs", &text, e);
}
