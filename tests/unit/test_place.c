/*
 * File jobs on real folders: what a node's server would find after each, what is refused, and that
 * a job repeated after a crash at any point ends in the same state. Also the settings files made
 * for versions of each format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs.h"
#include "layout.h"
#include "place.h"
#include "registry.h"
#include "support_dir.h"

struct world {
    struct temp_dir dir;
    struct store *store;
    struct blobs *blobs;
    struct seal_key key;
    struct registry r;
    struct place place;
    struct arena arena;
    atomic_bool stops;
    int64_t now_ms;
    char *root;
    struct err e;
};

static int64_t now_of(void *self)
{
    return ((struct world *)self)->now_ms;
}

static void assert_ok(struct world *w, int rc, const char *call)
{
    if (rc != ERR_OK)
        fail_msg("%s: %s: %s", call, err_name((enum err_code)rc), w->e.message);
}
#define OK(w, call) assert_ok((w), (call), #call)

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    uint8_t seed[SEAL_SEED_BYTES] = {7};

    temp_dir_make(&w->dir);
    struct store_options options = {.path = temp_dir_file(&w->dir, &w->arena, "mreg.db"),
                                    .n_readers = 2};
    assert_int_equal(seal_init(&w->e), ERR_OK);
    OK(w, store_open(&options, &w->store, &w->e));
    OK(w, blobs_open(w->dir.path, w->store, &w->blobs, &w->e));
    seal_key_from_seed(&w->key, seed);
    w->r = (struct registry){w->store, w->blobs, &w->key, "reg-test", "test.local"};
    w->place = (struct place){.store = w->store,
                              .blobs = w->blobs,
                              .registry_id = "reg-test",
                              .stops = &w->stops,
                              .now_ms = now_of,
                              .self = w};
    w->root = temp_dir_file(&w->dir, &w->arena, "root");
    assert_int_equal(mkdir(w->root, 0755), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    blobs_close(w->blobs);
    store_close(w->store);
    arena_clear(&w->arena);
    temp_dir_remove(&w->dir);
    free(w);
    return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

struct file {
    const char *path, *text;
    size_t n; /* 0: strlen(text) */
};

struct text_source {
    const char *at;
    size_t left;
};

static int read_text(void *self, void *bytes, size_t n, size_t *got, struct err *e)
{
    struct text_source *s = self;

    (void)e;
    *got = n < s->left ? n : s->left;
    memcpy(bytes, s->at, *got);
    s->at += *got;
    s->left -= *got;
    return ERR_OK;
}

static int64_t publish(struct world *w, const char *model, const struct file *files, size_t n)
{
    struct upload_file *plan = arena_alloc(&w->arena, n * sizeof(*plan));
    struct registry_publish in = {.actor = "t-1"};
    struct published out;
    char id[40];

    for (size_t i = 0; i < n; i++) {
        size_t size = files[i].n > 0 ? files[i].n : strlen(files[i].text);

        plan[i].path = files[i].path;
        plan[i].size = (int64_t)size;
        digest_of(files[i].text, size, &plan[i].sha256);
    }
    OK(w, upload_create(w->blobs, model, "t-1", plan, n, id, &w->e));
    for (size_t i = 0; i < n; i++) {
        struct text_source source = {files[i].text, (size_t)plan[i].size};
        struct body_source body = {&source, read_text};

        OK(w, upload_put_file(w->blobs, id, i, &body, &w->e));
    }
    in.upload_id = id;
    OK(w, registry_publish(&w->r, &in, &out, &w->e));
    return out.number;
}

/* A version that can be served: some text as a model, and settings of its own. */
static int64_t publish_text(struct world *w, const char *model, const char *text)
{
    struct file files[] = {
        {"model.bin", text, 0},
        {"data/deep/er.txt", "more", 0},
        {"serving/model-settings.json", "{\"implementation\":\"a.B\",\"x\":0.5}", 0}};

    return publish(w, model, files, ARRAY_LEN(files));
}

static struct file_job job_of(const struct world *w, int64_t number)
{
    return (struct file_job){
        .root = w->root, .serve_as = "fraud", .model = "team/fraud", .number = number};
}

static int stage(struct world *w, int64_t number)
{
    struct file_job job = job_of(w, number);

    return place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->e);
}

static int drop(struct world *w, int64_t number)
{
    struct file_job job = job_of(w, number);

    return place_run(&w->place, JOB_REMOVE, &job, INT64_MAX, &w->e);
}

/* Switches to one version (0: none), or two. */
static int show(struct world *w, int64_t number, int64_t also)
{
    int64_t keep[] = {number, also};
    struct file_job job = job_of(w, 0);

    job.keep = keep;
    job.n_keep = (size_t)(number != 0) + (size_t)(also != 0);
    return place_run(&w->place, JOB_SWITCH, &job, INT64_MAX, &w->e);
}

static char *path_of(struct world *w, const char *rest)
{
    return arena_printf(&w->arena, "%s/%s", w->root, rest);
}

static bool exists(struct world *w, const char *rest)
{
    struct stat st;

    return lstat(path_of(w, rest), &st) == 0;
}

static const char *text_of(struct world *w, const char *rest)
{
    char *text = arena_alloc(&w->arena, 4096);
    FILE *f = fopen(path_of(w, rest), "rb");

    assert_non_null(f);
    (void)!fread(text, 1, 4095, f);
    fclose(f);
    return text;
}

static void put_file(struct world *w, const char *rest, const char *text)
{
    FILE *f = fopen(path_of(w, rest), "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_folder(struct world *w, const char *rest)
{
    assert_int_equal(mkdir(path_of(w, rest), 0755), 0);
}

/* --- stage, switch, remove ---------------------------------------------------------------------
 */

static void test_cycle(void **state)
{
    struct world *w = *state;
    struct stat st;

    assert_int_equal(publish_text(w, "team/fraud", "one"), 1);
    assert_int_equal(publish_text(w, "team/fraud", "two"), 2);
    OK(w, stage(w, 1));
    OK(w, stage(w, 1));
    assert_true(exists(w, ".mreg/fraud/1/model.bin") && !exists(w, "fraud"));
    assert_string_equal(text_of(w, ".mreg/fraud/1/data/deep/er.txt"), "more");
    assert_false(exists(w, ".mreg/fraud/1/serving/model-settings.json"));
    assert_non_null(strstr(text_of(w, ".mreg/fraud/1/.mreg.json"), "\"model\": \"team/fraud\""));
    OK(w, show(w, 1, 0));
    assert_true(exists(w, "fraud/1/model.bin") && !exists(w, ".mreg/fraud/1"));
    assert_int_equal(stat(path_of(w, "fraud/1/model.bin"), &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 0777, 0644);

    OK(w, stage(w, 2));
    OK(w, show(w, 1, 2));
    assert_true(exists(w, "fraud/1") && exists(w, "fraud/2"));
    OK(w, show(w, 2, 0));
    OK(w, show(w, 2, 0));
    assert_true(!exists(w, "fraud/1") && exists(w, ".mreg/fraud/1/model.bin"));
    assert_string_equal(text_of(w, "fraud/2/model.bin"), "two");
    OK(w, show(w, 1, 0)); /* back, without staging again */
    assert_true(exists(w, "fraud/1") && !exists(w, "fraud/2"));
    OK(w, drop(w, 2));
    OK(w, drop(w, 2));
    assert_false(exists(w, ".mreg/fraud/2"));
    OK(w, drop(w, 1)); /* what is visible is not removed */
    assert_true(exists(w, "fraud/1"));
    OK(w, show(w, 0, 0));
    assert_true(!exists(w, "fraud") && exists(w, ".mreg/fraud/1"));
}

static void test_settings_of_version(void **state)
{
    struct world *w = *state;
    json_t *j;

    publish_text(w, "team/fraud", "one");
    OK(w, stage(w, 1));
    j = json_loads(text_of(w, ".mreg/fraud/1/model-settings.json"), 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "name")), "fraud");
    assert_string_equal(json_string_value(json_object_get(j, "implementation")), "a.B");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(j, "parameters"), "version")), "1");
    json_decref(j);
}

/* A large file, so that it is a file in the blob store and takes several steps. */
static void test_large(void **state)
{
    struct world *w = *state;
    size_t n = (size_t)3 << 20;
    char *bytes = mem_alloc(n + 1);
    struct stat st;

    memset(bytes, 'x', n);
    bytes[n - 1] = 'y';
    struct file files[] = {{"m.joblib", bytes, n},
                           {"serving/model-settings.json", "{\"implementation\":\"a.B\"}", 0}};
    publish(w, "team/fraud", files, 2);
    OK(w, stage(w, 1));
    assert_int_equal(stat(path_of(w, ".mreg/fraud/1/m.joblib"), &st), 0);
    assert_int_equal(st.st_size, n);
    free(bytes);
}

/* What a crash may leave, and that the job repairs it. */
static void test_leftovers(void **state)
{
    struct world *w = *state;

    publish_text(w, "team/fraud", "one");
    publish_text(w, "team/fraud", "two");
    OK(w, stage(w, 1));
    make_folder(w, ".mreg/fraud/2.tmp-0123"); /* died while copying */
    put_file(w, ".mreg/fraud/2.tmp-0123/model.bin", "tw");
    make_folder(w, ".mreg/fraud/2"); /* died while removing: the marker went first */
    put_file(w, ".mreg/fraud/2/model.bin", "two");
    OK(w, stage(w, 2));
    assert_false(exists(w, ".mreg/fraud/2.tmp-0123"));
    assert_true(exists(w, ".mreg/fraud/2/.mreg.json"));

    assert_int_equal(unlink(path_of(w, ".mreg/fraud/2/model.bin")), 0); /* somebody cleaned up */
    OK(w, stage(w, 2));
    assert_string_equal(text_of(w, ".mreg/fraud/2/model.bin"), "two");

    OK(w, show(w, 1, 0));
    OK(w, show(w, 1, 2)); /* died between in and out */
    OK(w, show(w, 2, 0));
    assert_true(!exists(w, "fraud/1") && exists(w, "fraud/2"));

    OK(w, stage(w, 1)); /* is there, retired */
    OK(w, show(w, 1, 2));
    assert_int_equal(rename(path_of(w, "fraud/2"), path_of(w, ".mreg/fraud/2")), 0);
    OK(w, show(w, 1, 2));
    assert_true(exists(w, "fraud/2"));
}

static void test_twice_there(void **state)
{
    struct world *w = *state;

    publish_text(w, "team/fraud", "one");
    OK(w, stage(w, 1));
    OK(w, show(w, 1, 0));
    make_folder(w, ".mreg/fraud/1"); /* a stale copy beside the visible one */
    put_file(w, ".mreg/fraud/1/old", "x");
    OK(w, show(w, 0, 0));
    assert_true(exists(w, ".mreg/fraud/1/model.bin") && !exists(w, ".mreg/fraud/1/old"));
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void test_unmanaged(void **state)
{
    struct world *w = *state;
    const char **names;
    size_t n;

    publish_text(w, "team/fraud", "one");
    OK(w, stage(w, 1));
    make_folder(w, "fraud");
    OK(w, show(w, 1, 0)); /* an empty folder is nobody's */
    make_folder(w, "fraud/7");
    put_file(w, "fraud/7/model-settings.json", "{}");
    put_file(w, "fraud/README", "a note");
    assert_int_equal(stage(w, 1), ERR_CONFLICT);
    assert_int_equal(show(w, 0, 0), ERR_CONFLICT);
    assert_non_null(strstr(w->e.message, "fraud/7"));
    assert_true(exists(w, "fraud/1") && exists(w, "fraud/7/model-settings.json"));
    OK(w, place_unmanaged(w->root, &w->arena, &names, &n, &w->e));
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "fraud");
    assert_int_equal(unlink(path_of(w, "fraud/7/model-settings.json")), 0);
    assert_int_equal(rmdir(path_of(w, "fraud/7")), 0);
    OK(w, stage(w, 1));
    make_folder(w, "other");
    make_folder(w, "other/1");
    make_folder(w, "empty");
    put_file(w, "fraud/model-settings.json", "{}");
    assert_int_equal(stage(w, 1), ERR_CONFLICT);
    OK(w, place_unmanaged(w->root, &w->arena, &names, &n, &w->e));
    assert_int_equal(n, 2);
    assert_string_equal(names[1], "other");
}

static void test_links(void **state)
{
    struct world *w = *state;
    char *outside = temp_dir_file(&w->dir, &w->arena, "outside");

    publish_text(w, "team/fraud", "one");
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(symlink(outside, path_of(w, "fraud")), 0);
    assert_int_equal(stage(w, 1), ERR_CONFLICT);
    assert_int_equal(unlink(path_of(w, "fraud")), 0);
    assert_int_equal(symlink(outside, path_of(w, ".mreg2")), 0);
    OK(w, stage(w, 1));
    assert_int_equal(rename(path_of(w, ".mreg/fraud"), path_of(w, ".mreg/away")), 0);
    assert_int_equal(symlink(outside, path_of(w, ".mreg/fraud")), 0);
    assert_int_equal(stage(w, 1), ERR_CONFLICT);
    assert_int_equal(drop(w, 1), ERR_CONFLICT);
    assert_int_equal(rmdir(outside), 0); /* still empty */
}

/* Removing a staged folder removes links in it, not what they point at. */
static void test_remove_link(void **state)
{
    struct world *w = *state;
    char *outside = temp_dir_file(&w->dir, &w->arena, "outside");
    char *kept = temp_dir_file(&w->dir, &w->arena, "outside/kept");
    FILE *f;

    publish_text(w, "team/fraud", "one");
    OK(w, stage(w, 1));
    assert_int_equal(mkdir(outside, 0755), 0);
    f = fopen(kept, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(symlink(outside, path_of(w, ".mreg/fraud/1/link")), 0);
    OK(w, drop(w, 1));
    assert_int_equal(access(kept, F_OK), 0);
    assert_false(exists(w, ".mreg/fraud/1"));
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    struct file_job job;
    int64_t keep[] = {1};

    publish_text(w, "team/fraud", "one");
    assert_int_equal(stage(w, 9), ERR_NOT_FOUND);
    assert_int_equal(show(w, 1, 0), ERR_NOT_FOUND); /* not staged */
    assert_false(exists(w, "fraud"));
    job = job_of(w, 1);
    job.serve_as = "../up";
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->e), ERR_INVALID);
    job = job_of(w, 1);
    job.root = "/nonexistent/root";
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->e), ERR_UNAVAILABLE);
    w->now_ms = 1001;
    job = job_of(w, 1);
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, 1000, &w->e), ERR_TIMEOUT);
    w->stops = true;
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, 2000, &w->e), ERR_UNAVAILABLE);
    w->stops = false;
    OK(w, stage(w, 1));
    w->place.registry_id = "reg-other"; /* another registry does not touch ours */
    job = job_of(w, 0);
    job.keep = keep;
    job.n_keep = 1;
    assert_int_equal(place_run(&w->place, JOB_SWITCH, &job, INT64_MAX, &w->e), ERR_NOT_FOUND);
    w->place.registry_id = "reg-test";
    OK(w, show(w, 1, 0));
    w->place.registry_id = "reg-other";
    assert_int_equal(stage(w, 1), ERR_CONFLICT);
}

/* Stored bytes that are not those of the digest never get a version's name. */
static void test_corrupt(void **state)
{
    struct world *w = *state;
    size_t n = 100000;
    char *bytes = mem_alloc(n + 1), hex[DIGEST_HEX_BYTES], *path;
    struct file files[] = {{"m.bin", bytes, n},
                           {"serving/model-settings.json", "{\"implementation\":\"a.B\"}", 0}};
    struct digest d;
    int fd;

    memset(bytes, 'x', n);
    publish(w, "team/fraud", files, 2);
    digest_of(bytes, n, &d);
    digest_hex(&d, hex);
    path = arena_printf(&w->arena, "%s/blobs/%.2s/%s", w->dir.path, hex, hex);
    assert_int_equal(chmod(path, 0644), 0);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "Z", 1, 50000), 1);
    close(fd);
    assert_int_equal(stage(w, 1), ERR_CORRUPT);
    assert_false(exists(w, ".mreg/fraud/1"));
    free(bytes);
}

/* --- settings -----------------------------------------------------------------------------------
 */

struct layout_case {
    const char *format;
    const char *paths[6];
    const char *own;
    int rc;
    const char *text; /* in the settings, or in the error */
};

static const struct layout_case layouts[] = {
    {"pickle", {"model.joblib"}, NULL, ERR_OK, "./model.joblib"},
    {"pickle", {"a/m.pkl", "readme.md"}, NULL, ERR_OK, "./a/m.pkl"},
    {"pickle", {"a.pkl", "golden/x.pkl"}, NULL, ERR_OK, "mlserver_sklearn.SKLearnModel"},
    {"pickle", {"a.pkl", "b.joblib"}, NULL, ERR_INVALID, "2 files"},
    {"pickle", {"readme.md"}, NULL, ERR_INVALID, "serving/model-settings.json"},
    {"mlflow", {"MLmodel", "model.pkl"}, NULL, ERR_OK, "\"./\""},
    {"mlflow", {"sub/MLmodel"}, NULL, ERR_OK, "\"./sub/\""},
    {"mreg-linear", {"linear.json", "golden/a.json"}, NULL, ERR_OK, "./linear.json"},
    {"onnx", {"model.onnx"}, NULL, ERR_INVALID, "format \"onnx\""},
    {"onnx", {"model.onnx"}, "{\"implementation\":\"x.Y\"}", ERR_OK, "\"x.Y\""},
    {"onnx", {"model.onnx"}, "{\"parameters\":{}}", ERR_INVALID, "no implementation"},
    {"onnx",
     {"model.onnx"},
     "{\"implementation\":\"x\",\"parameters\":3}",
     ERR_INVALID,
     "parameters"},
    {"onnx", {"model.onnx"}, "not json", ERR_INVALID, "model-settings.json: "},
    {"pickle", {"m.pkl", "sub/model-settings.json"}, NULL, ERR_INVALID, "a model of its own"},
    {"pickle", {"m.pkl", ".mreg.json"}, NULL, ERR_INVALID, ".mreg.json"},
};

static void test_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        const struct layout_case *c = &layouts[i];
        struct manifest_file files[6] = {0};
        struct manifest m = {.files = files, .format = c->format};
        struct buf out;
        struct err e = {0};
        int rc;

        while (m.n_files < 6 && c->paths[m.n_files] != NULL) {
            files[m.n_files].path = c->paths[m.n_files];
            m.n_files++;
        }
        buf_init(&out, 65536);
        rc = layout_check_paths(&m, &e);
        if (rc == ERR_OK)
            rc = layout_write(&m, "fraud", 7, c->own, c->own ? strlen(c->own) : 0, &out, &e);
        if (rc != c->rc || strstr(rc == ERR_OK ? buf_str(&out) : e.message, c->text) == NULL)
            fail_msg("layout %zu: rc %d \"%s\" %s", i, rc, e.message, buf_str(&out));
        if (rc == ERR_OK)
            assert_non_null(strstr(buf_str(&out), "\"version\": \"7\""));
        if (c->own == NULL)
            assert_int_equal(layout_check(&m, &e), c->rc);
        buf_clear(&out);
    }
}

/* --- through struct io
 * ---------------------------------------------------------------------------- */

static void submit(struct world *w, struct io *io, enum job_kind kind, const char *key)
{
    struct job job = {.kind = kind, .file = job_of(w, 1), .deadline_ms = INT64_MAX};

    (void)snprintf(job.key, sizeof(job.key), "%s", key);
    OK(w, io->submit(io->self, &job, &w->e));
}

static void test_jobs(void **state)
{
    struct world *w = *state;
    struct jobs_options options = {.store = w->store, .blobs = w->blobs, .registry_id = "reg-test"};
    struct completion done[8];
    struct jobs *jobs;
    struct io *io;
    size_t n = 0;

    publish_text(w, "team/fraud", "one");
    OK(w, jobs_new(&options, &jobs, &w->e));
    io = jobs_io(jobs);
    submit(w, io, JOB_STAGE, "a"); /* one root: in order, never two at once */
    submit(w, io, JOB_REMOVE, "b");
    submit(w, io, JOB_STAGE, "c");
    submit(w, io, JOB_SWITCH, "d");
    while (n < 4)
        n += io->poll(io->self, io->now_ms(io->self) + 10000, done + n, 8 - n);
    for (size_t i = 0; i < 4; i++) {
        char key[2] = {(char)('a' + i), 0};

        assert_string_equal(done[i].key, key);
        assert_int_equal(done[i].error.code, ERR_OK);
    }
    assert_true(exists(w, ".mreg/fraud/1/.mreg.json"));
    io->wake(io->self);
    assert_int_equal(io->poll(io->self, io->now_ms(io->self) + 60000, done, 8), 0);
    submit(w, io, JOB_STAGE, "dropped"); /* jobs_free does not wait for its completion */
    jobs_free(jobs);
    jobs_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cycle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_of_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twice_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmanaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs, setup, teardown),
        cmocka_unit_test(test_layout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
