/*
 * mreg verify DIR: digests and signatures of a pulled version, without any server. Exit 7 on any
 * change, one line per difference. The copy of the keys that pull leaves in the folder is for
 * people: whoever changed the files could have changed it too, so it is never trusted here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "name.h"
#include "profile.h"
#include "scan.h"
#include "trust.h"
#include "trusted.h"

struct verify {
    struct cli *cli;
    const char *folder;
    struct trusted keys;
    struct trust_docs docs;
    struct trust_result found;
    json_t *faults; /* [{path, fault}] */
};

static int load(struct verify *v, const char *name, char **out, size_t *n, struct err *e)
{
    struct stat st;
    const char *path = cli_printf(v->cli, "%s/.mreg/%s", v->folder, name);
    if (stat(path, &st) != 0 && errno == ENOENT)
        return err_set(e, ERR_CORRUPT, "%s is missing", path);
    return file_read(path, MANIFEST_MAX_BYTES, out, n, e);
}

static int load_documents(struct verify *v, struct err *e)
{
    size_t n = 0;
    struct stat st;
    if (stat(v->folder, &st) != 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", v->folder, strerror(errno));
    if (stat(cli_printf(v->cli, "%s/.mreg", v->folder), &st) != 0)
        return err_set(e, ERR_NOT_FOUND, "%s holds no pulled version (it has no .mreg folder)",
                       v->folder);
    int rc = load(v, "manifest.json", &v->docs.manifest, &v->docs.n_manifest, e);
    if (rc == ERR_OK)
        rc = load(v, "manifest.json.sig", &v->docs.manifest_sig, &n, e);
    if (rc == ERR_OK)
        rc = load(v, "statement.json", &v->docs.statement, &v->docs.n_statement, e);
    return rc == ERR_OK ? load(v, "statement.json.sig", &v->docs.statement_sig, &n, e) : rc;
}

static void fault(struct verify *v, const char *path, const char *what)
{
    json_array_append_new(v->faults, json_pack("{s:s, s:s}", "path", path, "fault", what));
}

static void check_file(struct verify *v, const struct manifest_file *f, const struct scan *here)
{
    struct digest d;
    struct progress silent = {.out = NULL};
    const struct scan_file *found = scan_find(here, f->path);
    if (!found)
        fault(v, f->path, "missing");
    else if (found->size != f->size)
        fault(v, f->path, "another size");
    else if (scan_hash_file(found->local_path, f->size, &silent, &d, NULL) != ERR_OK)
        fault(v, f->path, "cannot be read");
    else if (!digest_equal(&d, &f->sha256))
        fault(v, f->path, "changed");
}

static int by_manifest_path(const void *key, const void *item)
{
    return strcmp(key, ((const struct manifest_file *)item)->path);
}

static void check_extra(struct verify *v, const struct scan *here)
{
    const struct manifest *m = &v->found.manifest;
    for (size_t i = 0; i < here->n; i++)
        if (!bsearch(here->files[i].path, m->files, m->n_files, sizeof *m->files, by_manifest_path))
            fault(v, here->files[i].path, "not part of the version");
}

static int check_files(struct verify *v, struct err *e)
{
    struct scan here CLEANUP(scan_clear) = {0};
    int rc = scan_path(v->folder, &here, e);
    if (rc == ERR_LOCAL_IO)
        return rc;
    if (rc != ERR_OK) { /* a link, an odd file, a name that no version can hold */
        e->code = ERR_CORRUPT;
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < v->found.manifest.n_files; i++)
        check_file(v, &v->found.manifest.files[i], &here);
    check_extra(v, &here);
    return ERR_OK;
}

/* "fraud@3" on the command line must be what the statement says. */
static int check_name(struct verify *v, struct err *e)
{
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    struct ref want;
    if (v->cli->n_args < 2)
        return ERR_OK;
    int rc = ref_split(v->cli->args[0], model, &ref, e);
    if (rc == ERR_OK)
        rc = ref_parse(ref, &want, e);
    if (rc != ERR_OK)
        return rc;
    bool is_other =
        strcmp(model, v->found.statement.model) != 0 ||
        (want.kind == REF_NUMBER && want.number != v->found.statement.version) ||
        (want.kind == REF_DIGEST && !digest_equal(&want.digest, &v->found.statement.content));
    if (is_other)
        return err_set(e, ERR_CORRUPT, "the folder holds %s@%lld, not %s", v->found.statement.model,
                       (long long)v->found.statement.version, v->cli->args[0]);
    if (want.kind == REF_NUMBER || want.kind == REF_DIGEST || !strchr(v->cli->args[0], '@'))
        return ERR_OK;
    /* Where an alias or a time points is the registry's to say. */
    json_t *version CLEANUP(json_decref_ptr) = NULL;
    rc = cli_call(v->cli, "GET",
                  cli_printf(v->cli, "/api/v1/models/%s/versions/%s", cli_quote(v->cli, model),
                             cli_quote(v->cli, ref)),
                  NULL, &version, e);
    if (rc == ERR_OK && int_at(version, "version", 0) != v->found.statement.version)
        rc = err_set(e, ERR_CORRUPT, "%s is version %lld now; the folder holds %lld",
                     v->cli->args[0], (long long)int_at(version, "version", 0),
                     (long long)v->found.statement.version);
    return rc;
}

static int verify_all(struct verify *v, struct err *e)
{
    int rc = load_documents(v, e);
    if (rc == ERR_OK)
        rc = trusted_keys(v->cli, &v->keys, e);
    if (rc == ERR_OK)
        rc = trust_check(&v->docs, v->keys.signers, &v->cli->arena, &v->found, e);
    if (rc == ERR_OK)
        rc = check_name(v, e);
    return rc == ERR_OK ? check_files(v, e) : rc;
}

static int report_verified(struct verify *v)
{
    const struct statement *s = &v->found.statement;
    size_t n = json_array_size(v->faults);
    if (v->cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:b, s:s, s:I, s:s, s:s, s:O}", "verified", n == 0, "model", s->model,
                      "version", (json_int_t)s->version, "signed_by", v->found.key_id, "key_from",
                      trusted_origin_name(v->keys.origin), "faults", v->faults);
        cli_json(v->cli, j);
        return n ? EXIT_CHANGED : EXIT_DONE;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *f = json_array_get(v->faults, i);
        printf("%s\t%s\n", text_at(f, "path"), text_at(f, "fault"));
    }
    if (n) {
        struct err e = {0};
        err_set(&e, ERR_CORRUPT, "%zu difference%s from the signed version %s@%lld", n,
                n == 1 ? "" : "s", s->model, (long long)s->version);
        return cli_fail_hint(v->cli, &e,
                             cli_printf(v->cli, "mreg pull %s@%lld %s fetches the signed bytes",
                                        cli_shell(v->cli, s->model), (long long)s->version,
                                        cli_shell(v->cli, v->folder)));
    }
    printf("%s@%lld\tverified\t%s\n", s->model, (long long)s->version, v->found.key_id);
    return EXIT_DONE;
}

int cmd_verify(struct cli *cli)
{
    struct err e = {0};
    struct verify v = {.cli = cli, .folder = cli->args[cli->n_args - 1], .faults = json_array()};
    int rc = verify_all(&v, &e);
    int code = rc == ERR_OK ? report_verified(&v) : cli_fail(cli, &e);
    json_decref(v.faults);
    trusted_clear(&v.keys);
    trust_docs_clear(&v.docs);
    return code;
}
