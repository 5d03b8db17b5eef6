/*
 * mreg push: hash, plan, upload what the server lacks, commit. Interrupted pushes go on where they
 * were: the upload's id is remembered by content until the commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "layout.h"
#include "lineage.h"
#include "name.h"
#include "profile.h"
#include "remote.h"
#include "scan.h"

struct push {
    struct cli *cli;
    const char *model;
    struct scan scan;
    json_t *upload;
    const char *upload_id;
    struct progress progress;
    int64_t part_bytes;
    int64_t to_send;
    size_t file; /* next piece: index of file, position in its list of missing parts */
    size_t missing;
};

static json_t *describe_files(const struct push *p)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->scan.n; i++) {
        char hex[DIGEST_HEX_BYTES];
        const struct scan_file *f = &p->scan.files[i];
        json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "path", f->path, "size",
                                               (json_int_t)f->size, "sha256",
                                               digest_hex(&f->sha256, hex)));
    }
    return json_pack("{s:s, s:o}", "model", p->model, "files", files);
}

/* Name under which an unfinished upload is remembered: registry, model and content. */
static void resume_key(const struct push *p, const json_t *plan, char key[DIGEST_HEX_BYTES])
{
    char *text CLEANUP(mem_free_ptr) = json_dumps(plan, JSON_COMPACT | JSON_SORT_KEYS);
    const char *both = cli_printf(p->cli, "%s\n", p->cli->profile->url);
    struct digest_ctx *hash = digest_new();
    struct digest d;
    digest_add(hash, both, strlen(both));
    digest_add(hash, text, strlen(text));
    digest_peek(hash, &d);
    digest_free(hash);
    digest_hex(&d, key);
}

static json_t *resume_load(char **path)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *known = NULL;
    size_t n = 0;
    *path = profile_cache_path("uploads.json");
    if (file_read(*path, 1 << 20, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, 4, &known, NULL) != ERR_OK || !json_is_object(known) ||
        json_object_size(known) > 1000) {
        json_decref(known);
        return json_object();
    }
    return known;
}

/* Remembers (id) or forgets (NULL) an unfinished upload; best effort. */
static void resume_set(const char *key, const char *id)
{
    char *path CLEANUP(mem_free_ptr) = NULL;
    json_t *known CLEANUP(json_decref_ptr) = resume_load(&path);
    if (id)
        json_object_set_new(known, key, json_string(id));
    else
        json_object_del(known, key);
    char *text CLEANUP(mem_free_ptr) = json_dumps(known, JSON_COMPACT);
    if (text && file_write(path, text, strlen(text), 0600, NULL) != ERR_OK)
        unlink(path);
}

/* Finds the unfinished upload of this content, or plans a new one. */
static int plan_upload(struct push *p, char key[DIGEST_HEX_BYTES], struct err *e)
{
    char *path CLEANUP(mem_free_ptr) = NULL;
    json_t *plan CLEANUP(json_decref_ptr) = describe_files(p);
    json_t *known CLEANUP(json_decref_ptr) = resume_load(&path);
    resume_key(p, plan, key);
    const char *id = json_string_value(json_object_get(known, key));
    if (id) {
        const char *url = cli_printf(p->cli, "/api/v1/uploads/%s", cli_quote(p->cli, id));
        int rc = cli_call(p->cli, "GET", url, NULL, &p->upload, e);
        if (rc == ERR_OK)
            out_say(&p->cli->out, "  going on with the interrupted upload %s", id);
        bool is_gone = rc == ERR_NOT_FOUND || rc == ERR_CONFLICT || rc == ERR_FORBIDDEN;
        if (!is_gone)
            return rc;
    }
    int rc = cli_call(p->cli, "POST", "/api/v1/uploads", plan, &p->upload, e);
    if (rc == ERR_OK)
        resume_set(key, text_at(p->upload, "id"));
    return rc;
}

static const json_t *missing_of(const struct push *p, size_t file)
{
    const json_t *f = json_array_get(json_object_get(p->upload, "files"), file);
    return json_object_get(f, "missing");
}

static int64_t part_length(const struct push *p, size_t file, int64_t part)
{
    int64_t left = p->scan.files[file].size - part * p->part_bytes;
    return left < p->part_bytes ? left : p->part_bytes;
}

static bool next_piece(void *self, struct piece *out)
{
    struct push *p = self;
    while (p->file < p->scan.n && p->missing >= json_array_size(missing_of(p, p->file))) {
        p->file++;
        p->missing = 0;
    }
    if (p->file == p->scan.n)
        return false;
    int64_t part = json_integer_value(json_array_get(missing_of(p, p->file), p->missing++));
    *out = (struct piece){
        .path = cli_printf(p->cli, "/api/v1/uploads/%s/files/%zu/parts/%lld", p->upload_id, p->file,
                           (long long)part),
        .local_path = p->scan.files[p->file].local_path,
        .offset = part * p->part_bytes,
        .length = part_length(p, p->file, part),
    };
    return true;
}

static int piece_done(void *self, const struct piece *piece, struct err *e)
{
    (void)self, (void)piece, (void)e;
    return ERR_OK;
}

static void moved(void *self, int64_t n)
{
    struct push *p = self;
    progress_add(&p->progress, n);
}

static int send_parts(struct push *p, struct err *e)
{
    struct remote *remote = NULL;
    const struct transfer t = {true, p, next_piece, piece_done, moved};
    p->part_bytes = int_at(p->upload, "part_size", (int64_t)16 << 20);
    p->upload_id = text_at(p->upload, "id");
    if (json_array_size(json_object_get(p->upload, "files")) != p->scan.n)
        return err_set(e, ERR_INTERNAL, "the server's plan has another number of files");
    for (size_t i = 0; i < p->scan.n; i++)
        for (size_t k = 0; k < json_array_size(missing_of(p, i)); k++)
            p->to_send +=
                part_length(p, i, json_integer_value(json_array_get(missing_of(p, i), k)));
    progress_phase(&p->progress, &p->cli->out, "upload", p->to_send);
    int rc = cli_remote(p->cli, &remote, e);
    if (rc == ERR_OK)
        rc = remote_transfer(remote, &t, e);
    if (rc != ERR_OK)
        return rc;
    char saved[24];
    int64_t there = p->scan.total_bytes - p->to_send;
    progress_end(&p->progress,
                 there ? cli_printf(p->cli, "%s were there already", out_bytes(there, saved))
                       : NULL);
    return rc;
}

static void put_text(struct cli *cli, json_t *body, const char *option)
{
    const char *text = opt(cli, option);
    if (text)
        json_object_set_new(body, option, json_string(text));
}

/* The sets of name=value, checked here: a mistake should not wait until gigabytes are sent. */
static int commit_pairs(struct cli *cli, json_t *body, struct err *e)
{
    static const struct {
        const char *option, *member;
    } sets[] = {
        {"metric", "metrics"}, {"param", "params"}, {"tag", "tags"}, {"lineage", "lineage"}};
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(sets); i++) {
        json_t *set = strcmp(sets[i].option, "lineage") == 0 ? lineage_collect() : json_object();
        struct pairs checked;
        json_object_set_new(body, sets[i].member, set);
        rc = cli_pairs(cli, sets[i].option, set, e);
        if (rc == ERR_OK)
            rc = pairs_from_json(set, "", i == 0, &cli->arena, &checked, e);
        if (rc != ERR_OK && *e->pointer) {
            err_prefix(e, "--%s %s: ", sets[i].option, e->pointer + 1);
            e->pointer[0] = '\0';
        }
    }
    return rc;
}

static int commit_body(struct cli *cli, json_t **out, struct err *e)
{
    json_t *body = json_object();
    json_t *aliases = json_array();
    const char *alias;
    int rc = ERR_OK;
    *out = body;
    json_object_set_new(body, "alias", aliases);
    for (int i = 0; rc == ERR_OK && (alias = opt_nth(cli, "alias", i)); i++) {
        rc = name_check_alias(alias, e);
        json_array_append_new(aliases, json_string(alias));
    }
    put_text(cli, body, "description");
    put_text(cli, body, "reason");
    if (opt_has(cli, "new-version"))
        json_object_set_new(body, "new_version", json_true());
    return rc == ERR_OK ? commit_pairs(cli, body, e) : rc;
}

static int push_all(struct push *p, const json_t *body, json_t **version, struct err *e)
{
    char key[DIGEST_HEX_BYTES];
    size_t n_cached = 0;
    progress_phase(&p->progress, &p->cli->out, "hash", p->scan.total_bytes);
    int rc = scan_hash(&p->scan, &p->progress, &n_cached, e);
    if (rc != ERR_OK)
        return rc;
    progress_end(&p->progress, cli_printf(p->cli, "%s, %zu unchanged since the last push",
                                          cli_count(p->cli, (int64_t)p->scan.n, "file"), n_cached));
    rc = plan_upload(p, key, e);
    if (rc == ERR_OK)
        rc = send_parts(p, e);
    if (rc != ERR_OK)
        return rc;
    const char *url = cli_printf(p->cli, "/api/v1/uploads/%s/commit", p->upload_id);
    progress_phase(&p->progress, &p->cli->out, "finalise", 0);
    rc = cli_call(p->cli, "POST", url, body, version, e);
    if (rc == ERR_OK)
        progress_end(&p->progress, "the server checked all digests and published it");
    /* Bytes that do not have their digest cannot be repaired: the next push starts anew. */
    if (rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_NOT_FOUND)
        resume_set(key, NULL);
    return rc;
}

/* Can a node serve it as it is? Asked here with what the registry will ask of a rollout. */
static bool is_servable(struct cli *cli, const json_t *version, struct err *e)
{
    struct manifest m;
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:O?, s:s}", "files", json_object_get(version, "files"), "format",
                  text_at(version, "format"));
    return manifest_from_json(j, "", &cli->arena, &m, NULL) != ERR_OK ||
           layout_check(&m, e) == ERR_OK;
}

static bool is_new_model(struct cli *cli, const char *model, const json_t *version)
{
    json_t *made CLEANUP(json_decref_ptr) = NULL;
    struct err unused;
    const char *path = cli_printf(cli, "/api/v1/models/%s", cli_quote(cli, model));
    return int_at(version, "version", 0) == 1 &&
           cli_call(cli, "GET", path, NULL, &made, &unused) == ERR_OK &&
           strcmp(text_at(made, "created"), text_at(version, "created")) == 0;
}

static void report(struct cli *cli, const char *model, const json_t *version)
{
    struct err e = {0};
    char size[24];
    long long number = (long long)int_at(version, "version", 0);
    if (cli->out.is_json) {
        cli_json(cli, version);
        return;
    }
    bool is_already = json_is_true(json_object_get(version, "already"));
    printf("%s@%lld\t%s\n", model, number, text_at(version, "content"));
    out_say(&cli->out, "%s%s%s %s%s version %lld, %s%s, %s", out_err_on(&cli->out, TONE_GOOD),
            is_already ? "already there:" : "pushed:", out_err_off(&cli->out),
            !is_already && is_new_model(cli, model, version) ? "new model " : "", model, number,
            strcmp(text_at(version, "format"), "unknown") == 0 ? "format " : "",
            text_at(version, "format"), out_bytes(int_at(version, "size", 0), size));
    if (!is_servable(cli, version, &e))
        out_say(&cli->out, "%swarning:%s it cannot be served as it is: %s (mreg help formats)",
                out_err_on(&cli->out, TONE_WARN), out_err_off(&cli->out), e.message);
    else if (!is_already)
        out_say(&cli->out, "next: mreg promote %s ENVIRONMENT --watch",
                cli_shell(cli, cli_printf(cli, "%s@%lld", model, number)));
}

static int copy_stdin(const char *path, struct err *e)
{
    FILE *out = fopen(path, "wxe");
    char *bytes CLEANUP(mem_free_ptr) = mem_alloc(1 << 20);
    size_t n;
    bool is_written = out != NULL;
    while (is_written && (n = fread(bytes, 1, 1 << 20, stdin)) > 0)
        is_written = fwrite(bytes, 1, n, out) == n;
    int why = errno;
    if (out && fclose(out) != 0 && is_written) {
        is_written = false;
        why = errno;
    }
    if (ferror(stdin))
        return err_set(e, ERR_LOCAL_IO, "standard input: %s", strerror(why));
    return is_written ? ERR_OK : err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(why));
}

/* Standard input becomes a temporary file, named by --name. *folder is set once it exists. */
static int spool_stdin(struct cli *cli, const char **folder, const char **path, struct err *e)
{
    const char *name = opt(cli, "name");
    char *base CLEANUP(mem_free_ptr) = profile_cache_path("");
    if (!name)
        return err_set(e, ERR_INVALID, "pushing standard input needs --name FILE");
    int rc = name_check_path(name, e);
    if (rc == ERR_OK && (strchr(name, '/') || scan_leaves_out(name)))
        rc = err_set(e, ERR_INVALID, "--name \"%.200s\": wanted the name of one file", name);
    if (rc != ERR_OK)
        return rc;
    char *made = arena_printf(&cli->arena, "%sstdin-XXXXXX", base);
    if (!mkdtemp(made))
        return err_set(e, ERR_LOCAL_IO, "%s: %s", made, strerror(errno));
    *folder = made;
    *path = cli_printf(cli, "%s/%s", made, name);
    interrupt_temporary(*path, made);
    return copy_stdin(*path, e);
}

static int push_path(struct push *p, const char *path, json_t **version, struct err *e)
{
    json_t *body CLEANUP(json_decref_ptr) = NULL;
    int rc = scan_path(path, &p->scan, e);
    if (rc == ERR_OK && p->scan.n == 0)
        rc = err_set(e, ERR_INVALID, "%s: no files in it", path);
    if (rc == ERR_OK)
        rc = commit_body(p->cli, &body, e);
    if (rc == ERR_OK)
        rc = push_all(p, body, version, e);
    json_decref(p->upload);
    scan_clear(&p->scan);
    return rc;
}

static const char *push_hint(const struct err *e)
{
    if (e->code == ERR_CORRUPT)
        return "nothing was published; stop what writes the file, then run the same command again";
    if (e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT)
        return "nothing was lost; the same command goes on where this one stopped";
    return NULL;
}

int cmd_push(struct cli *cli)
{
    struct err e = {0};
    struct push p = {.cli = cli, .model = cli->args[0]};
    json_t *version CLEANUP(json_decref_ptr) = NULL;
    const char *path = cli->args[1];
    const char *folder = NULL;
    int rc = name_check_model(p.model, &e);
    if (rc == ERR_OK && strcmp(path, "-") == 0)
        rc = spool_stdin(cli, &folder, &path, &e);
    if (rc == ERR_OK)
        rc = push_path(&p, path, &version, &e);
    if (folder) {
        unlink(path);
        rmdir(folder);
        interrupt_temporary(NULL, NULL);
    }
    if (rc == ERR_OK)
        return report(cli, p.model, version), EXIT_DONE;
    const char *hint = push_hint(&e);
    return hint ? cli_fail_hint(cli, &e, hint) : cli_fail(cli, &e);
}
