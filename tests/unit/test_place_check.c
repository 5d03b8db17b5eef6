/*
 * Comparing what lies on a node with what was placed, putting it right by a fresh copy, and taking
 * over folders that others placed; on real folders.
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

static void put(struct world *w, const char *rest, const char *text)
{
    FILE *f = fopen(path_of(w, rest), "wb");

    assert_non_null(f);
    (void)fwrite(text, 1, strlen(text), f);
    fclose(f);
}

static int check(struct world *w, int64_t number)
{
    struct file_job job = job_of(w, number);

    job.keep = &number;
    job.n_keep = 1;
    return place_run(&w->place, JOB_CHECK, &job, INT64_MAX, &w->e);
}

static int adopt(struct world *w, int64_t number)
{
    struct file_job job = job_of(w, number);

    return place_run(&w->place, JOB_ADOPT, &job, INT64_MAX, &w->e);
}

/* Refused with this code and these words. */
static void refused(struct world *w, int rc, enum err_code code, const char *words)
{
    if (rc != (int)code || strstr(w->e.message, words) == NULL)
        fail_msg("got %s \"%s\" instead of %s \"%s\"", err_name((enum err_code)rc), w->e.message,
                 err_name(code), words);
}

/* Version 1 visible, as it should be. */
static void show_one(struct world *w)
{
    assert_int_equal(publish_text(w, "team/fraud", "model one"), 1);
    OK(w, stage(w, 1));
    OK(w, show(w, 1, 0));
    OK(w, check(w, 1));
}

/* Changing a file, whether that is drift, and that staging and switching again puts it right. */
static void test_drift(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *path, *text; /* text NULL: removed */
        const char *words;
    } rows[] = {
        {"fraud/1/model.bin", "model two", "model.bin was changed"}, /* the same size */
        {"fraud/1/model.bin", "model", "model.bin has another size"},
        {"fraud/1/model.bin", NULL, "model.bin is missing"},
        {"fraud/1/data/deep/er.txt", "MORE", "er.txt was changed"},
        {"fraud/1/model-settings.json", "{}", "model-settings.json was changed"},
        {"fraud/1/model-settings.json", NULL, "model-settings.json is missing"},
    };

    show_one(w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text != NULL)
            put(w, rows[i].path, rows[i].text);
        else
            assert_int_equal(unlink(path_of(w, rows[i].path)), 0);
        refused(w, check(w, 1), ERR_CORRUPT, rows[i].words);
        OK(w, stage(w, 1));
        assert_true(exists(w, "fraud/1")); /* never gone meanwhile */
        OK(w, show(w, 1, 0));
        OK(w, check(w, 1));
        assert_false(exists(w, ".mreg/fraud/1"));
    }
}

/* A touched file with the right bytes is right, and is not read at each check. */
static void test_touched(void **state)
{
    struct world *w = *state;
    struct stat before, after;

    show_one(w);
    put(w, "fraud/1/model.bin", "model one");
    assert_int_equal(stat(path_of(w, "fraud/1/.mreg.json"), &before), 0);
    OK(w, check(w, 1));
    assert_int_equal(stat(path_of(w, "fraud/1/.mreg.json"), &after), 0);
    assert_true(after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
                after.st_ctim.tv_nsec > before.st_ctim.tv_nsec);
    OK(w, check(w, 1));
}

static void test_missing_and_beside(void **state)
{
    struct world *w = *state;

    show_one(w);
    assert_int_equal(publish_text(w, "team/fraud", "model two"), 2);
    OK(w, stage(w, 2));
    refused(w, check(w, 2), ERR_NOT_FOUND, "fraud/2 is missing");
    OK(w, show(w, 1, 2));
    refused(w, check(w, 1), ERR_CORRUPT, "fraud/2 lies there too");
    OK(w, show(w, 1, 0));
    OK(w, check(w, 1));
    put(w, "fraud/1/.mreg.json", "{}");
    refused(w, check(w, 1), ERR_CONFLICT, "not marked");
    refused(w, stage(w, 1), ERR_CONFLICT, "not placed by this registry");
}

/* A link in the place of a file is no file, wherever it points. */
static void test_links(void **state)
{
    struct world *w = *state;

    show_one(w);
    put(w, "copy", "model one");
    assert_int_equal(unlink(path_of(w, "fraud/1/model.bin")), 0);
    assert_int_equal(symlink(path_of(w, "copy"), path_of(w, "fraud/1/model.bin")), 0);
    refused(w, check(w, 1), ERR_CORRUPT, "model.bin is missing");
    OK(w, stage(w, 1));
    OK(w, show(w, 1, 0));
    OK(w, check(w, 1));
    assert_true(exists(w, "copy"));
}

/* --- taking over ------------------------------------------------------------------------------ */

static const char settings[] =
    "{\"name\":\"fraud\",\"implementation\":\"a.B\",\"parameters\":{\"version\":\"1\"}}";

/* What somebody else placed: version 1, right in all ways. */
static void place_by_hand(struct world *w)
{
    (void)mkdir(path_of(w, "fraud"), 0755);
    (void)mkdir(path_of(w, "fraud/1"), 0755);
    (void)mkdir(path_of(w, "fraud/1/data"), 0755);
    (void)mkdir(path_of(w, "fraud/1/data/deep"), 0755);
    put(w, "fraud/1/model.bin", "model one");
    put(w, "fraud/1/data/deep/er.txt", "more");
    put(w, "fraud/1/model-settings.json", settings);
}

static void test_adopt(void **state)
{
    struct world *w = *state;
    struct file files[] = {
        {"model.bin", "model one", 0},
        {"data/deep/er.txt", "more", 0},
        {"golden/one.json",
         "{\"request\":{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
         "\"datatype\":\"FP64\",\"data\":[1]}]},\"expect\":{}}",
         0},
        {"serving/model-settings.json", "{\"implementation\":\"a.B\",\"x\":0.5}", 0}};

    assert_int_equal(publish(w, "team/fraud", files, ARRAY_LEN(files)), 1);
    place_by_hand(w);
    OK(w, adopt(w, 1));
    OK(w, adopt(w, 1));
    assert_true(exists(w, "fraud/1/golden/one.json")); /* no server reads it: it is added */
    OK(w, check(w, 1));                                /* its own settings are the right ones */
    put(w, "fraud/1/model-settings.json", "{}");
    refused(w, check(w, 1), ERR_CORRUPT, "model-settings.json was changed");
    OK(w, stage(w, 1));
    OK(w, show(w, 1, 0));
    OK(w, check(w, 1));
}

static void test_adopt_refused(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *path, *text; /* text NULL: removed */
        const char *words;
    } rows[] = {
        {"fraud/1/model.bin", "model two", "other bytes"},
        {"fraud/1/model.bin", "model", "another size"},
        {"fraud/1/model.bin", NULL, "is not there"},
        {"fraud/1/model-settings.json", NULL, "is not there"},
        {"fraud/1/model-settings.json", "{", "not valid JSON"},
        {"fraud/1/model-settings.json", "{\"name\":\"x\",\"parameters\":{\"version\":\"1\"}}",
         "another \"name\""},
        {"fraud/1/model-settings.json", "{\"name\":\"fraud\",\"parameters\":{\"version\":\"2\"}}",
         "\"version\""},
        {"fraud/1/.mreg.json", "{\"kind\":\"mreg.placed\",\"registry\":\"other\"}",
         "another registry"},
        {"fraud/model-settings.json", "{}", "lies there too"},
    };

    assert_int_equal(publish_text(w, "team/fraud", "model one"), 1);
    refused(w, adopt(w, 1), ERR_CONFLICT, "is not there");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        place_by_hand(w);
        if (rows[i].text != NULL)
            put(w, rows[i].path, rows[i].text);
        else
            assert_int_equal(unlink(path_of(w, rows[i].path)), 0);
        refused(w, adopt(w, 1), ERR_CONFLICT, rows[i].words);
        bool is_marker = strstr(rows[i].path, ".mreg.json") != NULL;
        assert_int_equal(exists(w, "fraud/1/.mreg.json"), is_marker);
        (void)unlink(path_of(w, rows[i].path));
    }
    place_by_hand(w);
    OK(w, adopt(w, 1));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_drift), T(test_touched), T(test_missing_and_beside),
        T(test_links), T(test_adopt),   T(test_adopt_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
