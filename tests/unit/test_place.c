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
#include "support_place.h"

static int drop(struct place_fixture *w, int64_t number)
{
    struct file_job job = place_job(w, number);

    return place_run(&w->place, JOB_REMOVE, &job, INT64_MAX, &w->f.e);
}

static const char *text_of(struct place_fixture *w, const char *rest)
{
    char *text = arena_alloc(&w->f.arena, 4096);
    FILE *f = fopen(place_path(w, rest), "rb");

    assert_non_null(f);
    (void)!fread(text, 1, 4095, f);
    fclose(f);
    return text;
}

static void make_folder(struct place_fixture *w, const char *rest)
{
    assert_int_equal(mkdir(place_path(w, rest), 0755), 0);
}

/* --- stage, switch, remove ---------------------------------------------------------------------
 */

static void test_cycle(void **state)
{
    struct place_fixture *w = *state;
    struct stat st;

    assert_int_equal(place_publish(w, "team/fraud", "one"), 1);
    assert_int_equal(place_publish(w, "team/fraud", "two"), 2);
    FLEET_OK(&w->f, place_stage(w, 1));
    FLEET_OK(&w->f, place_stage(w, 1));
    assert_true(place_exists(w, ".mreg/fraud/1/model.bin") && !place_exists(w, "fraud"));
    assert_string_equal(text_of(w, ".mreg/fraud/1/data/deep/er.txt"), "more");
    assert_false(place_exists(w, ".mreg/fraud/1/serving/model-settings.json"));
    assert_non_null(strstr(text_of(w, ".mreg/fraud/1/.mreg.json"), "\"model\": \"team/fraud\""));
    FLEET_OK(&w->f, place_show(w, 1, 0));
    assert_true(place_exists(w, "fraud/1/model.bin") && !place_exists(w, ".mreg/fraud/1"));
    assert_int_equal(stat(place_path(w, "fraud/1/model.bin"), &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 0777, 0644);

    FLEET_OK(&w->f, place_stage(w, 2));
    FLEET_OK(&w->f, place_show(w, 1, 2));
    assert_true(place_exists(w, "fraud/1") && place_exists(w, "fraud/2"));
    FLEET_OK(&w->f, place_show(w, 2, 0));
    FLEET_OK(&w->f, place_show(w, 2, 0));
    assert_true(!place_exists(w, "fraud/1") && place_exists(w, ".mreg/fraud/1/model.bin"));
    assert_string_equal(text_of(w, "fraud/2/model.bin"), "two");
    FLEET_OK(&w->f, place_show(w, 1, 0)); /* back, without staging again */
    assert_true(place_exists(w, "fraud/1") && !place_exists(w, "fraud/2"));
    FLEET_OK(&w->f, drop(w, 2));
    FLEET_OK(&w->f, drop(w, 2));
    assert_false(place_exists(w, ".mreg/fraud/2"));
    FLEET_OK(&w->f, drop(w, 1)); /* what is visible is not removed */
    assert_true(place_exists(w, "fraud/1"));
    FLEET_OK(&w->f, place_show(w, 0, 0));
    assert_true(!place_exists(w, "fraud") && place_exists(w, ".mreg/fraud/1"));
}

static void test_settings_of_version(void **state)
{
    struct place_fixture *w = *state;
    json_t *j;

    place_publish(w, "team/fraud", "one");
    FLEET_OK(&w->f, place_stage(w, 1));
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
    struct place_fixture *w = *state;
    size_t n = (size_t)3 << 20;
    char *bytes = mem_alloc(n + 1);
    struct stat st;

    memset(bytes, 'x', n);
    bytes[n - 1] = 'y';
    struct fixture_file files[] = {
        {"m.joblib", bytes, n}, {"serving/model-settings.json", "{\"implementation\":\"a.B\"}", 0}};
    fixture_publish(&w->f, "team/fraud", files, 2);
    FLEET_OK(&w->f, place_stage(w, 1));
    assert_int_equal(stat(place_path(w, ".mreg/fraud/1/m.joblib"), &st), 0);
    assert_int_equal(st.st_size, n);
    free(bytes);
}

/* What a crash may leave, and that the job repairs it. */
static void test_leftovers(void **state)
{
    struct place_fixture *w = *state;

    place_publish(w, "team/fraud", "one");
    place_publish(w, "team/fraud", "two");
    FLEET_OK(&w->f, place_stage(w, 1));
    make_folder(w, ".mreg/fraud/2.tmp-0123"); /* died while copying */
    place_put(w, ".mreg/fraud/2.tmp-0123/model.bin", "tw");
    make_folder(w, ".mreg/fraud/2"); /* died while removing: the marker went first */
    place_put(w, ".mreg/fraud/2/model.bin", "two");
    FLEET_OK(&w->f, place_stage(w, 2));
    assert_false(place_exists(w, ".mreg/fraud/2.tmp-0123"));
    assert_true(place_exists(w, ".mreg/fraud/2/.mreg.json"));

    assert_int_equal(unlink(place_path(w, ".mreg/fraud/2/model.bin")), 0); /* somebody cleaned up */
    FLEET_OK(&w->f, place_stage(w, 2));
    assert_string_equal(text_of(w, ".mreg/fraud/2/model.bin"), "two");

    FLEET_OK(&w->f, place_show(w, 1, 0));
    FLEET_OK(&w->f, place_show(w, 1, 2)); /* died between in and out */
    FLEET_OK(&w->f, place_show(w, 2, 0));
    assert_true(!place_exists(w, "fraud/1") && place_exists(w, "fraud/2"));

    FLEET_OK(&w->f, place_stage(w, 1)); /* is there, retired */
    FLEET_OK(&w->f, place_show(w, 1, 2));
    assert_int_equal(rename(place_path(w, "fraud/2"), place_path(w, ".mreg/fraud/2")), 0);
    FLEET_OK(&w->f, place_show(w, 1, 2));
    assert_true(place_exists(w, "fraud/2"));
}

static void test_twice_there(void **state)
{
    struct place_fixture *w = *state;

    place_publish(w, "team/fraud", "one");
    FLEET_OK(&w->f, place_stage(w, 1));
    FLEET_OK(&w->f, place_show(w, 1, 0));
    make_folder(w, ".mreg/fraud/1"); /* a stale copy beside the visible one */
    place_put(w, ".mreg/fraud/1/old", "x");
    FLEET_OK(&w->f, place_show(w, 0, 0));
    assert_true(place_exists(w, ".mreg/fraud/1/model.bin") &&
                !place_exists(w, ".mreg/fraud/1/old"));
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void test_unmanaged(void **state)
{
    struct place_fixture *w = *state;
    const char **names;
    size_t n;

    place_publish(w, "team/fraud", "one");
    FLEET_OK(&w->f, place_stage(w, 1));
    make_folder(w, "fraud");
    FLEET_OK(&w->f, place_show(w, 1, 0)); /* an empty folder is nobody's */
    make_folder(w, "fraud/7");
    place_put(w, "fraud/7/model-settings.json", "{}");
    place_put(w, "fraud/README", "a note");
    assert_int_equal(place_stage(w, 1), ERR_CONFLICT);
    assert_int_equal(place_show(w, 0, 0), ERR_CONFLICT);
    assert_non_null(strstr(w->f.e.message, "fraud/7"));
    assert_true(place_exists(w, "fraud/1") && place_exists(w, "fraud/7/model-settings.json"));
    FLEET_OK(&w->f, place_unmanaged(w->root, &w->f.arena, &names, &n, &w->f.e));
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "fraud");
    assert_int_equal(unlink(place_path(w, "fraud/7/model-settings.json")), 0);
    assert_int_equal(rmdir(place_path(w, "fraud/7")), 0);
    FLEET_OK(&w->f, place_stage(w, 1));
    make_folder(w, "other");
    make_folder(w, "other/1");
    make_folder(w, "empty");
    place_put(w, "fraud/model-settings.json", "{}");
    assert_int_equal(place_stage(w, 1), ERR_CONFLICT);
    FLEET_OK(&w->f, place_unmanaged(w->root, &w->f.arena, &names, &n, &w->f.e));
    assert_int_equal(n, 2);
    assert_string_equal(names[1], "other");
}

static void test_links(void **state)
{
    struct place_fixture *w = *state;
    char *outside = temp_dir_file(&w->f.dir, &w->f.arena, "outside");

    place_publish(w, "team/fraud", "one");
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(symlink(outside, place_path(w, "fraud")), 0);
    assert_int_equal(place_stage(w, 1), ERR_CONFLICT);
    assert_int_equal(unlink(place_path(w, "fraud")), 0);
    assert_int_equal(symlink(outside, place_path(w, ".mreg2")), 0);
    FLEET_OK(&w->f, place_stage(w, 1));
    assert_int_equal(rename(place_path(w, ".mreg/fraud"), place_path(w, ".mreg/away")), 0);
    assert_int_equal(symlink(outside, place_path(w, ".mreg/fraud")), 0);
    assert_int_equal(place_stage(w, 1), ERR_CONFLICT);
    assert_int_equal(drop(w, 1), ERR_CONFLICT);
    assert_int_equal(rmdir(outside), 0); /* still empty */
}

/* Removing a staged folder removes links in it, not what they point at. */
static void test_remove_link(void **state)
{
    struct place_fixture *w = *state;
    char *outside = temp_dir_file(&w->f.dir, &w->f.arena, "outside");
    char *kept = temp_dir_file(&w->f.dir, &w->f.arena, "outside/kept");
    FILE *f;

    place_publish(w, "team/fraud", "one");
    FLEET_OK(&w->f, place_stage(w, 1));
    assert_int_equal(mkdir(outside, 0755), 0);
    f = fopen(kept, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(symlink(outside, place_path(w, ".mreg/fraud/1/link")), 0);
    FLEET_OK(&w->f, drop(w, 1));
    assert_int_equal(access(kept, F_OK), 0);
    assert_false(place_exists(w, ".mreg/fraud/1"));
}

static void test_refusals(void **state)
{
    struct place_fixture *w = *state;
    struct file_job job;
    int64_t keep[] = {1};

    place_publish(w, "team/fraud", "one");
    assert_int_equal(place_stage(w, 9), ERR_NOT_FOUND);
    assert_int_equal(place_show(w, 1, 0), ERR_NOT_FOUND); /* not staged */
    assert_false(place_exists(w, "fraud"));
    job = place_job(w, 1);
    job.serve_as = "../up";
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->f.e), ERR_INVALID);
    job = place_job(w, 1);
    job.root = "/nonexistent/root";
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->f.e), ERR_UNAVAILABLE);
    w->now_ms = 1001;
    job = place_job(w, 1);
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, 1000, &w->f.e), ERR_TIMEOUT);
    w->stops = true;
    assert_int_equal(place_run(&w->place, JOB_STAGE, &job, 2000, &w->f.e), ERR_UNAVAILABLE);
    w->stops = false;
    FLEET_OK(&w->f, place_stage(w, 1));
    w->place.registry_id = "reg-other"; /* another registry does not touch ours */
    job = place_job(w, 0);
    job.keep = keep;
    job.n_keep = 1;
    assert_int_equal(place_run(&w->place, JOB_SWITCH, &job, INT64_MAX, &w->f.e), ERR_NOT_FOUND);
    w->place.registry_id = "reg-test";
    FLEET_OK(&w->f, place_show(w, 1, 0));
    w->place.registry_id = "reg-other";
    assert_int_equal(place_stage(w, 1), ERR_CONFLICT);
}

/* Stored bytes that are not those of the digest never get a version's name. */
static void test_corrupt(void **state)
{
    struct place_fixture *w = *state;
    size_t n = 100000;
    char *bytes = mem_alloc(n + 1), hex[DIGEST_HEX_BYTES], *path;
    struct fixture_file files[] = {
        {"m.bin", bytes, n}, {"serving/model-settings.json", "{\"implementation\":\"a.B\"}", 0}};
    struct digest d;
    int fd;

    memset(bytes, 'x', n);
    fixture_publish(&w->f, "team/fraud", files, 2);
    digest_of(bytes, n, &d);
    digest_hex(&d, hex);
    path = arena_printf(&w->f.arena, "%s/blobs/%.2s/%s", w->f.dir.path, hex, hex);
    assert_int_equal(chmod(path, 0644), 0);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "Z", 1, 50000), 1);
    close(fd);
    assert_int_equal(place_stage(w, 1), ERR_CORRUPT);
    assert_false(place_exists(w, ".mreg/fraud/1"));
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

static void submit(struct place_fixture *w, struct io *io, enum job_kind kind, const char *key)
{
    struct job job = {.kind = kind, .file = place_job(w, 1), .deadline_ms = INT64_MAX};

    (void)snprintf(job.key, sizeof(job.key), "%s", key);
    FLEET_OK(&w->f, io->submit(io->self, &job, &w->f.e));
}

static void test_jobs(void **state)
{
    struct place_fixture *w = *state;
    struct jobs_options options = {
        .store = w->f.store, .blobs = w->f.blobs, .registry_id = "reg-test"};
    struct completion done[8];
    struct jobs *jobs;
    struct io *io;
    size_t n = 0;

    place_publish(w, "team/fraud", "one");
    FLEET_OK(&w->f, jobs_new(&options, &jobs, &w->f.e));
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
    assert_true(place_exists(w, ".mreg/fraud/1/.mreg.json"));
    io->wake(io->self);
    assert_int_equal(io->poll(io->self, io->now_ms(io->self) + 60000, done, 8), 0);
    submit(w, io, JOB_STAGE, "dropped"); /* jobs_free does not wait for its completion */
    jobs_free(jobs);
    jobs_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cycle, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_settings_of_version, place_fixture_setup,
                                        place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_large, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, place_fixture_setup,
                                        place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_twice_there, place_fixture_setup,
                                        place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_unmanaged, place_fixture_setup,
                                        place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_links, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_remove_link, place_fixture_setup,
                                        place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_corrupt, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_jobs, place_fixture_setup, place_fixture_teardown),
        cmocka_unit_test(test_layout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
