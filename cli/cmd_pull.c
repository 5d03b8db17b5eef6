/*
 * mreg pull: fetches a version's documents, checks them against trusted keys, fetches the files in
 * parallel ranges, checks each digest, and only then gives a file its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "name.h"
#include "parts.h"
#include "profile.h"
#include "remote.h"
#include "scan.h"
#include "trust.h"
#include "trusted.h"

struct pull {
    struct cli *cli;
    char model[NAME_MAX_BYTES * 2 + 2];
    struct ref asked;
    const char *ref; /* as asked, then the number */
    const char *folder;
    struct trusted keys;
    struct trust_docs docs;
    struct trust_result found;
    struct progress progress;
    struct parts parts;
    size_t *wanted; /* indexes of files that are not here yet; heap */
    size_t n_wanted;
    size_t n_left; /* files that --files leaves out */
    size_t at;     /* next piece: place in wanted, number in the file */
    int64_t piece;
};

static int fetch_text(struct pull *p, const char *file, char **out, size_t *n, struct err *e)
{
    struct remote *remote = NULL;
    struct buf b CLEANUP(buf_clear);
    const char *path = cli_printf(p->cli, "/api/v1/models/%s/versions/%s/%s",
                                  cli_quote(p->cli, p->model), cli_quote(p->cli, p->ref), file);
    buf_init(&b, MANIFEST_MAX_BYTES);
    int rc = cli_remote(p->cli, &remote, e);
    if (rc == ERR_OK)
        rc = remote_call(remote, "GET", path, NULL, &b, e);
    if (rc != ERR_OK)
        return rc;
    *n = b.len;
    *out = mem_alloc(b.len + 1);
    memcpy(*out, buf_str(&b), b.len);
    return ERR_OK;
}

static int fetch_documents(struct pull *p, struct err *e)
{
    size_t n = 0;
    /* The number is fixed first: an alias may move between two calls. */
    json_t *version CLEANUP(json_decref_ptr) = NULL;
    const char *path = cli_printf(p->cli, "/api/v1/models/%s/versions/%s",
                                  cli_quote(p->cli, p->model), cli_quote(p->cli, p->ref));
    int rc = cli_call(p->cli, "GET", path, NULL, &version, e);
    if (rc != ERR_OK)
        return rc;
    p->ref = cli_printf(p->cli, "%lld", (long long)int_at(version, "version", 0));
    rc = fetch_text(p, "manifest", &p->docs.manifest, &p->docs.n_manifest, e);
    if (rc == ERR_OK)
        rc = fetch_text(p, "manifest.sig", &p->docs.manifest_sig, &n, e);
    if (rc == ERR_OK)
        rc = fetch_text(p, "statement", &p->docs.statement, &p->docs.n_statement, e);
    if (rc == ERR_OK)
        rc = fetch_text(p, "statement.sig", &p->docs.statement_sig, &n, e);
    return rc;
}

/* Signed documents of another version are no answer, however good their signatures. */
static int check_documents(struct pull *p, struct err *e)
{
    int rc = trust_check(&p->docs, p->keys.signers, &p->cli->arena, &p->found, e);
    if (rc != ERR_OK)
        return rc;
    const struct statement *s = &p->found.statement;
    int64_t number = strtoll(p->ref, NULL, 10);
    bool is_other = strcmp(s->model, p->model) != 0 || s->version != number ||
                    (p->asked.kind == REF_NUMBER && p->asked.number != number) ||
                    (p->asked.kind == REF_DIGEST && !digest_equal(&p->asked.digest, &s->content));
    if (is_other)
        return err_set(e, ERR_CORRUPT, "asked for %s, the server sent documents of %s@%lld",
                       p->cli->args[0], s->model, (long long)s->version);
    for (size_t i = 0; i < p->found.manifest.n_files; i++)
        if (scan_leaves_out(p->found.manifest.files[i].path))
            return err_set(e, ERR_CORRUPT, "the version holds %s, which is never written",
                           p->found.manifest.files[i].path);
    return ERR_OK;
}

/* Makes the folders above a file. */
static int make_folders(const char *path, struct err *e)
{
    char *copy CLEANUP(mem_free_ptr) = mem_strdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return err_set(e, ERR_LOCAL_IO, "%s: %s", copy, strerror(errno));
        *slash = '/';
    }
    return ERR_OK;
}

static const char *local_path(struct pull *p, const char *path)
{
    return cli_printf(p->cli, "%s/%s", p->folder, path);
}

/* A file that is here with the right bytes need not be fetched. */
static bool is_here(struct pull *p, const struct manifest_file *f)
{
    struct stat st;
    struct digest d;
    const char *path = local_path(p, f->path);
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == f->size &&
           scan_hash_file(path, f->size, &p->progress, &d, NULL) == ERR_OK &&
           digest_equal(&d, &f->sha256);
}

static bool next_piece(void *self, struct piece *out)
{
    struct pull *p = self;
    for (; p->at < p->n_wanted; p->at++, p->piece = 0) {
        size_t i = p->wanted[p->at];
        const struct manifest_file *f = &p->found.manifest.files[i];
        while (p->piece * PARTS_PIECE_BYTES < f->size && parts_has(&p->parts, i, p->piece))
            p->piece++;
        int64_t offset = p->piece * PARTS_PIECE_BYTES;
        if (offset >= f->size)
            continue;
        *out = (struct piece){
            .path = cli_printf(p->cli, "/api/v1/models/%s/versions/%s/files/%s",
                               cli_quote(p->cli, p->model), p->ref, cli_quote(p->cli, f->path)),
            .local_path = parts_path(&p->parts, i),
            .offset = offset,
            .length = f->size - offset < PARTS_PIECE_BYTES ? f->size - offset : PARTS_PIECE_BYTES,
            .user = i,
        };
        p->piece++;
        return true;
    }
    return false;
}

static int piece_done(void *self, const struct piece *piece, struct err *e)
{
    struct pull *p = self;
    return parts_add(&p->parts, piece->user, piece->offset / PARTS_PIECE_BYTES, e);
}

static void moved(void *self, int64_t n)
{
    struct pull *p = self;
    progress_add(&p->progress, n);
}

/* In a folder that no pull has made, other people's files are not replaced without being asked. */
static int check_replace(struct pull *p, const struct manifest_file *f, struct err *e)
{
    struct stat st;
    const char *path = local_path(p, f->path);
    bool is_pulled = lstat(cli_printf(p->cli, "%s/.mreg/manifest.json", p->folder), &st) == 0;
    if (is_pulled || opt_has(p->cli, "yes") || lstat(path, &st) != 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "%s is there already with other bytes, and not from a pull; name another "
                   "folder, or replace it with --yes",
                   path);
}

/* Finds what is not here, and makes a partial file for each. */
static int plan_files(struct pull *p, int64_t *n_bytes, struct err *e)
{
    const struct manifest *m = &p->found.manifest;
    const char *glob = opt(p->cli, "files");
    p->wanted = mem_alloc((m->n_files + 1) * sizeof *p->wanted);
    *n_bytes = 0;
    for (size_t i = 0; i < m->n_files; i++) {
        if (glob && !name_glob(glob, m->files[i].path)) {
            p->n_left++;
            continue;
        }
        if (is_here(p, &m->files[i]))
            continue;
        int rc = check_replace(p, &m->files[i], e);
        if (rc == ERR_OK)
            rc = parts_make(&p->parts, i, e);
        if (rc != ERR_OK)
            return rc;
        p->wanted[p->n_wanted++] = i;
        *n_bytes += parts_missing(&p->parts, i);
    }
    if (glob && p->n_left == m->n_files)
        return err_set(e, ERR_NOT_FOUND, "no file of %s@%s matches \"%.200s\"", p->model, p->ref,
                       glob);
    return ERR_OK;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -1 : fsync(fd);
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return rc;
}

/* Checks a fetched file and gives it its name. */
static int finish_file(struct pull *p, size_t i, struct err *e)
{
    struct digest d;
    const struct manifest_file *f = &p->found.manifest.files[i];
    const char *part = parts_path(&p->parts, i);
    const char *path = local_path(p, f->path);
    int rc = scan_hash_file(part, f->size, &p->progress, &d, e);
    if (rc == ERR_OK && !digest_equal(&d, &f->sha256)) {
        parts_drop(&p->parts, i);
        rc = err_set(e, ERR_CORRUPT, "%s: the bytes received do not have the signed digest",
                     f->path);
    }
    if (rc == ERR_OK)
        rc = make_folders(path, e);
    if (rc == ERR_OK && (sync_file(part) != 0 || rename(part, path) != 0))
        rc = err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    return rc;
}

static int fetch_files(struct pull *p, struct err *e)
{
    struct remote *remote = NULL;
    const struct transfer t = {false, p, next_piece, piece_done, moved};
    int64_t n_bytes = 0;
    progress_phase(&p->progress, &p->cli->out, "check", 0);
    int rc = plan_files(p, &n_bytes, e);
    if (rc == ERR_OK)
        rc = cli_remote(p->cli, &remote, e);
    if (rc != ERR_OK)
        return rc;
    if (p->progress.done)
        progress_end(&p->progress, "were here already or are replaced");
    progress_phase(&p->progress, &p->cli->out, "download", n_bytes);
    rc = remote_transfer(remote, &t, e);
    if (rc != ERR_OK)
        return rc;
    progress_end(&p->progress, NULL);
    progress_phase(&p->progress, &p->cli->out, "verify", n_bytes);
    for (size_t i = 0; i < p->n_wanted && rc == ERR_OK; i++)
        rc = finish_file(p, p->wanted[i], e);
    if (rc == ERR_OK)
        progress_end(&p->progress, NULL);
    return rc;
}

/* Keeps the documents beside the files, so that `mreg verify DIR` needs no server. */
static int keep_documents(struct pull *p, struct err *e)
{
    const struct {
        const char *name, *bytes;
    } files[] = {{"manifest.json", p->docs.manifest},
                 {"manifest.json.sig", p->docs.manifest_sig},
                 {"statement.json", p->docs.statement},
                 {"statement.json.sig", p->docs.statement_sig},
                 {"allowed_signers", p->keys.signers}};
    int rc = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(files) && rc == ERR_OK; i++)
        rc = file_write(cli_printf(p->cli, "%s/.mreg/%s", p->folder, files[i].name), files[i].bytes,
                        strlen(files[i].bytes), 0644, e);
    return rc;
}

static int compare_manifest_path(const void *key, const void *item)
{
    return strcmp(key, ((const struct manifest_file *)item)->path);
}

/* Files of an earlier pull, or of somebody else: left alone, but `mreg verify` will name them. */
static void tell_strangers(struct pull *p)
{
    struct scan here CLEANUP(scan_clear) = {0};
    const struct manifest *m = &p->found.manifest;
    size_t n = 0;
    if (scan_path(p->folder, &here, NULL) != ERR_OK)
        return;
    for (size_t i = 0; i < here.n; i++)
        n += !bsearch(here.files[i].path, m->files, m->n_files, sizeof *m->files,
                      compare_manifest_path);
    if (n)
        out_say(&p->cli->out,
                "warning: %s also holds %zu file%s that %s not of this version; mreg verify will "
                "say which",
                p->folder, n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

/* FOLDER, or the model's name without its namespace. */
static int pull_folder(struct cli *cli, const char **folder, struct err *e)
{
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    int rc = ref_split(cli->args[0], model, &ref, e);
    const char *slash = rc == ERR_OK ? strchr(model, '/') : NULL;
    *folder = cli->n_args > 1 ? cli->args[1] : cli_printf(cli, "%s", slash ? slash + 1 : model);
    return rc;
}

static int pull_all(struct pull *p, struct err *e)
{
    int rc = ref_split(p->cli->args[0], p->model, &p->ref, e);
    if (rc == ERR_OK)
        rc = ref_parse(p->ref, &p->asked, e);
    if (rc == ERR_OK)
        rc = trusted_keys(p->cli, &p->keys, e);
    if (rc == ERR_OK)
        rc = fetch_documents(p, e);
    if (rc == ERR_OK)
        rc = check_documents(p, e);
    if (rc == ERR_OK)
        rc = make_folders(cli_printf(p->cli, "%s/.mreg/", p->folder), e);
    if (rc == ERR_OK)
        rc = parts_open(&p->parts, p->folder, &p->found.manifest, &p->found.statement.content, e);
    if (rc == ERR_OK)
        rc = fetch_files(p, e);
    if (rc == ERR_OK)
        rc = keep_documents(p, e);
    parts_close(&p->parts, rc == ERR_OK);
    return rc;
}

static void report_pull(struct pull *p)
{
    struct cli *cli = p->cli;
    size_t n_files = p->found.manifest.n_files;
    char hex[DIGEST_HEX_BYTES];
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:s, s:I, s:s, s:s, s:i, s:i, s:s, s:s}", "model", p->model, "version",
                      (json_int_t)p->found.statement.version, "folder", p->folder, "content",
                      cli_printf(cli, "sha256:%s", digest_hex(&p->found.statement.content, hex)),
                      "n_files", (int)n_files, "n_fetched", (int)p->n_wanted, "signed_by",
                      p->found.key_id, "key_from", trusted_origin_name(p->keys.origin));
        cli_json(cli, j);
        return;
    }
    printf("%s@%s\t%s\n", p->model, p->ref, p->folder);
    out_say(&cli->out, "%s%zu of %s fetched%s, signature of %s", out_err_on(&cli->out, TONE_GOOD),
            p->n_wanted, cli_count(cli, (int64_t)n_files, "file"), out_err_off(&cli->out),
            p->found.key_id);
    if (p->n_left)
        out_say(&cli->out, "--files left out %s; mreg verify calls that missing",
                cli_count(cli, (int64_t)p->n_left, "file"));
    tell_strangers(p);
}

int cmd_pull(struct cli *cli)
{
    struct err e = {0};
    struct pull p = {.cli = cli, .parts = {.fd = -1}};
    int rc = pull_folder(cli, &p.folder, &e);
    if (rc == ERR_OK)
        rc = pull_all(&p, &e);
    if (rc == ERR_OK)
        report_pull(&p);
    free(p.wanted);
    trusted_clear(&p.keys);
    trust_docs_clear(&p.docs);
    if (rc == ERR_OK)
        return EXIT_DONE;
    if (rc == ERR_CORRUPT)
        return cli_fail_hint(cli, &e, "nothing that failed its check was kept under its name");
    return cli_fail(cli, &e);
}
