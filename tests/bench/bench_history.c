/*
 * Signed commits per second: the server's publisher against the obvious way with the same library
 * (treebuilder, one loose object at a time, fsync), on the same events over the same 10,000 model
 * folders of two documents, each event rewriting both. Prints "measured N" and "reference N" in
 * events/s, then bytes and files per event of both. Makes its folder in TMPDIR. Main thread; rows
 * are filled in by helpers beforehand.
 */
#include <git2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "history.h"
#include "journal.h"
#include "name.h"

#define MODELS 10000
#define MODELS_PER_ROW 32
#define EVENTS 5120
#define REFERENCE_EVENTS 200
#define FILLERS 32
#define REGISTRY "reg-bench"
#define DOMAIN "bench.test"

static char folder[512];
static struct seal_key key;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void must(int code, const struct err *e)
{
    if (code)
        fail(err_name((enum err_code)code), e->message);
}

static void must_git(int rc, const char *what)
{
    if (rc)
        fail(what, git_error_last() ? git_error_last()->message : "?");
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs a shell command in the folder. */
static void run(const char *command)
{
    static char text[1024];
    snprintf(text, sizeof text, "cd '%s' && %s", folder, command);
    if (system(text) != 0)
        fail("shell", command);
}

/* Bytes and files under folder/name. */
static void measure(const char *name, double *bytes, double *files)
{
    char line[128];
    static char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && find %s -type f -printf '%%b\\n' | awk '{b+=$1*512} "
             "END {print b, NR}'",
             folder, name);
    FILE *p = popen(command, "r");
    if (!p || !fgets(line, sizeof line, p) || sscanf(line, "%lf %lf", bytes, files) != 2)
        fail("find", name);
    pclose(p);
}

/* ---- events: number i rewrites both documents of a model ---- */

static void model_of(long i, char name[32])
{
    snprintf(name, 32, "model-%05ld", i * 7919 % MODELS);
}

/* A document of about 400 bytes. */
static size_t make_doc(char out[600], const char *model, long i, int which)
{
    int n =
        snprintf(out, 600,
                 "{\n  \"description\": \"%s\",\n  \"n\": %ld,\n  \"name\": \"%s\",\n"
                 "  \"which\": %d\n}\n",
                 "some words that people write about a model, and more of them, so that the size "
                 "is that of a document which holds a few tags, a digest and a sentence or two; "
                 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                 i, model, which);
    return (size_t)n;
}

struct fill {
    struct store *store;
    atomic_long next;
    long n_models_rows, n;
};

struct row {
    struct journal_entry entry;
    struct journal_doc docs[2 * MODELS_PER_ROW];
    char texts[2 * MODELS_PER_ROW][600];
    struct arena arena;
};

static void add_model(struct row *r, const char *model, long i)
{
    size_t n = r->entry.n_docs;
    for (int k = 0; k < 2; k++) {
        r->docs[n + (size_t)k].path = k ? journal_path_alias(&r->arena, model, "champion")
                                        : journal_path_model(&r->arena, model);
        r->docs[n + (size_t)k].bytes = r->texts[n + (size_t)k];
        r->docs[n + (size_t)k].n = make_doc(r->texts[n + (size_t)k], model, i, k);
    }
    r->entry.n_docs += 2;
}

static int append(struct tx *tx, void *ctx, struct err *e)
{
    int64_t seq;
    return journal_append(tx, &((struct row *)ctx)->entry, &seq, e);
}

static void *fill_rows(void *arg)
{
    struct fill *f = arg;
    struct err e;
    for (long i; (i = atomic_fetch_add(&f->next, 1)) < f->n;) {
        struct row *r = mem_alloc(sizeof *r);
        char model[32];
        arena_init(&r->arena);
        r->entry = (struct journal_entry){.kind = JOURNAL_MODEL_UPDATE,
                                          .actor = "t-1",
                                          .object = "model",
                                          .message = "Model changed",
                                          .docs = r->docs};
        bool is_fill = i < f->n_models_rows;
        for (long k = 0; k < (is_fill ? MODELS_PER_ROW : 1); k++) {
            long number = is_fill ? i * MODELS_PER_ROW + k : i;
            if (is_fill && number >= MODELS)
                break;
            model_of(number, model);
            add_model(r, model, i);
        }
        must(store_write(f->store, TX_FACT, append, r, &e), &e);
        arena_clear(&r->arena);
        free(r);
    }
    return NULL;
}

static void fill(struct store *store, long from, long n_models_rows, long n)
{
    struct fill f = {.store = store, .n_models_rows = n_models_rows, .n = n};
    pthread_t threads[FILLERS];
    atomic_store(&f.next, from);
    for (int i = 0; i < FILLERS; i++)
        pthread_create(&threads[i], NULL, fill_rows, &f);
    for (int i = 0; i < FILLERS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- the reference ---- */

static void write_tree(git_repository *git, const git_oid *old, const char *name,
                       git_filemode_t mode, const git_oid *entry, git_oid *out)
{
    git_tree *tree = NULL;
    git_treebuilder *tb = NULL;
    if (old)
        must_git(git_tree_lookup(&tree, git, old), "tree");
    must_git(git_treebuilder_new(&tb, git, tree), "treebuilder");
    must_git(git_treebuilder_insert(NULL, tb, name, entry, mode), "insert");
    must_git(git_treebuilder_write(out, tb), "write");
    git_treebuilder_free(tb);
    git_tree_free(tree);
}

static void write_leaf(git_repository *git, const git_oid *old, const git_oid blobs[2],
                       git_oid *out)
{
    git_tree *tree = NULL;
    git_treebuilder *tb = NULL;
    if (old)
        must_git(git_tree_lookup(&tree, git, old), "tree");
    must_git(git_treebuilder_new(&tb, git, tree), "treebuilder");
    for (int k = 0; k < 2; k++)
        must_git(git_treebuilder_insert(NULL, tb, k ? "champion.json" : "candidate.json", &blobs[k],
                                        GIT_FILEMODE_BLOB),
                 "insert");
    must_git(git_treebuilder_write(out, tb), "write");
    git_treebuilder_free(tb);
    git_tree_free(tree);
}

/* Puts two files into the folder of path below the tree `old` (NULL: none), folder by folder. */
static void put_pair(git_repository *git, const git_oid *old, const char *path,
                     const git_oid blobs[2], git_oid *out)
{
    const char *slash = strchr(path, '/');
    char name[256];
    git_tree *tree = NULL;
    git_oid below;
    if (!slash) {
        write_leaf(git, old, blobs, out);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
    if (old)
        must_git(git_tree_lookup(&tree, git, old), "tree");
    const git_tree_entry *entry = tree ? git_tree_entry_byname(tree, name) : NULL;
    put_pair(git, entry ? git_tree_entry_id(entry) : NULL, slash + 1, blobs, &below);
    write_tree(git, old, name, GIT_FILEMODE_TREE, &below, out);
    git_tree_free(tree);
}

static void reference_event(git_repository *git, git_oid *head, long i)
{
    struct arena a CLEANUP(arena_clear);
    git_commit *parent = NULL;
    git_tree *tree = NULL;
    git_signature *who = NULL;
    git_reference *ref = NULL;
    git_oid blobs[2];
    git_oid root;
    git_oid id;
    git_buf text = {0};
    char model[32];
    char doc[600];
    char armor[SEAL_ARMOR_MAX];
    arena_init(&a);
    model_of(i, model);
    must_git(git_commit_lookup(&parent, git, head), "commit");
    root = *git_commit_tree_id(parent);
    for (int k = 0; k < 2; k++) {
        size_t n = make_doc(doc, model, i + 1000000, k);
        must_git(git_blob_create_from_buffer(&blobs[k], git, doc, n), "blob");
    }
    put_pair(git, &root, journal_path_alias(&a, model, "x"), blobs, &root);
    must_git(git_tree_lookup(&tree, git, &root), "root");
    must_git(git_signature_new(&who, "mreg", "registry@bench.test", 1777802400, 0), "signature");
    const git_commit *parents[] = {parent};
    must_git(
        git_commit_create_buffer(&text, git, who, who, NULL, "Model changed\n", tree, 1, parents),
        "commit");
    seal_sign(&key, "git", text.ptr, text.size, armor);
    must_git(git_commit_create_with_signature(&id, git, text.ptr, armor, "gpgsig"), "sign");
    must_git(git_reference_create_matching(&ref, git, "refs/heads/main", &id, 1, head, NULL),
             "ref");
    *head = id;
    git_reference_free(ref);
    git_buf_dispose(&text);
    git_signature_free(who);
    git_tree_free(tree);
    git_commit_free(parent);
}

static double run_reference(double *bytes, double *files)
{
    git_repository *git = NULL;
    git_oid head;
    static char path[600];
    double bytes_before;
    double files_before;
    snprintf(path, sizeof path, "%s/reference.git", folder);
    git_libgit2_init();
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
    must_git(git_repository_open_bare(&git, path), "open");
    must_git(git_reference_name_to_id(&head, git, "refs/heads/main"), "main");
    measure("reference.git", &bytes_before, &files_before);
    double start = now_s();
    for (long i = 0; i < REFERENCE_EVENTS; i++)
        reference_event(git, &head, i);
    double took = now_s() - start;
    git_repository_free(git);
    git_libgit2_shutdown();
    measure("reference.git", bytes, files);
    *bytes = (*bytes - bytes_before) / REFERENCE_EVENTS;
    *files = (*files - files_before) / REFERENCE_EVENTS;
    return REFERENCE_EVENTS / took;
}

struct result {
    double events_per_s, bytes, files; /* bytes and files per event */
};

static struct result run_ours(struct store *store, struct history *h)
{
    struct err e;
    double bytes[2];
    double files[2];
    long n_fill = (MODELS + MODELS_PER_ROW - 1) / MODELS_PER_ROW;
    fill(store, 0, n_fill, n_fill);
    must(history_publish_all(h, &e), &e);
    run("cp -r history.git reference.git");
    fill(store, n_fill, n_fill, n_fill + EVENTS);
    measure("history.git", &bytes[0], &files[0]);
    double start = now_s();
    must(history_publish_all(h, &e), &e);
    double took = now_s() - start;
    measure("history.git", &bytes[1], &files[1]);
    return (struct result){EVENTS / took, (bytes[1] - bytes[0]) / EVENTS,
                           (files[1] - files[0]) / EVENTS};
}

static void show(const char *word, const struct result *r)
{
    printf("%s %.0f events/s, %.2f KiB and %.3f files per event\n", word, r->events_per_s,
           r->bytes / 1024, r->files);
}

int main(void)
{
    struct err e;
    struct store *store = NULL;
    static char path[600];
    const char *tmp = getenv("TMPDIR");
    const uint8_t seed[SEAL_SEED_BYTES] = {1};
    snprintf(folder, sizeof folder, "%.400s/bench-history-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        fail("mkdtemp", folder);
    must(seal_init(&e), &e);
    seal_key_from_seed(&key, seed);
    snprintf(path, sizeof path, "%s/mreg.db", folder);
    must(store_open(&(struct store_options){.path = path, .n_readers = 2}, &store, &e), &e);
    struct history *h = history_new(&(struct history_options){
        .dir = folder, .store = store, .key = &key, .registry_id = REGISTRY, .domain = DOMAIN});
    struct result ours = run_ours(store, h);
    struct result reference = {0};
    reference.events_per_s = run_reference(&reference.bytes, &reference.files);
    show("measured", &ours);
    show("reference", &reference);
    printf("ratio %.1f\n", ours.events_per_s / reference.events_per_s);
    history_free(h);
    store_close(store);
    run("rm -rf mreg.db* history.git reference.git");
    return remove(folder) != 0;
}
