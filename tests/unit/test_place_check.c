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
#include "support_place.h"

static int check(struct place_fixture *w, int64_t number)
{
    struct file_job job = place_job(w, number);

    job.keep = &number;
    job.n_keep = 1;
    return place_run(&w->place, JOB_CHECK, &job, INT64_MAX, &w->f.e);
}

static int adopt(struct place_fixture *w, int64_t number)
{
    struct file_job job = place_job(w, number);

    return place_run(&w->place, JOB_ADOPT, &job, INT64_MAX, &w->f.e);
}

/* Version 1 visible, as it should be. */
static void show_one(struct place_fixture *w)
{
    assert_int_equal(place_publish(w, "team/fraud", "model one"), 1);
    FLEET_OK(&w->f, place_stage(w, 1));
    FLEET_OK(&w->f, place_show(w, 1, 0));
    FLEET_OK(&w->f, check(w, 1));
}

/* Changing a file, whether that is drift, and that staging and switching again puts it right. */
static void test_drift(void **state)
{
    struct place_fixture *w = *state;
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
            place_put(w, rows[i].path, rows[i].text);
        else
            assert_int_equal(unlink(place_path(w, rows[i].path)), 0);
        fixture_refused(&w->f, check(w, 1), ERR_CORRUPT, rows[i].words);
        FLEET_OK(&w->f, place_stage(w, 1));
        assert_true(place_exists(w, "fraud/1")); /* never gone meanwhile */
        FLEET_OK(&w->f, place_show(w, 1, 0));
        FLEET_OK(&w->f, check(w, 1));
        assert_false(place_exists(w, ".mreg/fraud/1"));
    }
}

/* A touched file with the right bytes is right, and is not read at each check. */
static void test_touched(void **state)
{
    struct place_fixture *w = *state;
    struct stat before, after;

    show_one(w);
    place_put(w, "fraud/1/model.bin", "model one");
    assert_int_equal(stat(place_path(w, "fraud/1/.mreg.json"), &before), 0);
    FLEET_OK(&w->f, check(w, 1));
    assert_int_equal(stat(place_path(w, "fraud/1/.mreg.json"), &after), 0);
    assert_true(after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
                after.st_ctim.tv_nsec > before.st_ctim.tv_nsec);
    FLEET_OK(&w->f, check(w, 1));
}

static void test_missing_and_beside(void **state)
{
    struct place_fixture *w = *state;

    show_one(w);
    assert_int_equal(place_publish(w, "team/fraud", "model two"), 2);
    FLEET_OK(&w->f, place_stage(w, 2));
    fixture_refused(&w->f, check(w, 2), ERR_NOT_FOUND, "fraud/2 is missing");
    FLEET_OK(&w->f, place_show(w, 1, 2));
    fixture_refused(&w->f, check(w, 1), ERR_CORRUPT, "fraud/2 lies there too");
    FLEET_OK(&w->f, place_show(w, 1, 0));
    FLEET_OK(&w->f, check(w, 1));
    place_put(w, "fraud/1/.mreg.json", "{}");
    fixture_refused(&w->f, check(w, 1), ERR_CONFLICT, "not marked");
    fixture_refused(&w->f, place_stage(w, 1), ERR_CONFLICT, "not placed by this registry");
}

static int check_none(struct place_fixture *w)
{
    struct file_job job = place_job(w, 0);

    return place_run(&w->place, JOB_CHECK, &job, INT64_MAX, &w->f.e);
}

/* With nothing live nothing of ours is visible; what is somebody else's may be. */
static void test_nothing_wanted(void **state)
{
    struct place_fixture *w = *state;

    FLEET_OK(&w->f, check_none(w));
    show_one(w);
    fixture_refused(&w->f, check_none(w), ERR_CORRUPT, "fraud/1 lies there too");
    FLEET_OK(&w->f, place_show(w, 0, 0));
    FLEET_OK(&w->f, check_none(w));
    (void)mkdir(place_path(w, "fraud"), 0755);
    (void)mkdir(place_path(w, "fraud/9"), 0755);
    place_put(w, "fraud/9/model.bin", "somebody else's");
    FLEET_OK(&w->f, check_none(w));
}

/* A link in the place of a file is no file, wherever it points. */
static void test_links(void **state)
{
    struct place_fixture *w = *state;

    show_one(w);
    place_put(w, "copy", "model one");
    assert_int_equal(unlink(place_path(w, "fraud/1/model.bin")), 0);
    assert_int_equal(symlink(place_path(w, "copy"), place_path(w, "fraud/1/model.bin")), 0);
    fixture_refused(&w->f, check(w, 1), ERR_CORRUPT, "model.bin is missing");
    FLEET_OK(&w->f, place_stage(w, 1));
    FLEET_OK(&w->f, place_show(w, 1, 0));
    FLEET_OK(&w->f, check(w, 1));
    assert_true(place_exists(w, "copy"));
}

/* --- taking over ------------------------------------------------------------------------------ */

static const char settings[] =
    "{\"name\":\"fraud\",\"implementation\":\"a.B\",\"parameters\":{\"version\":\"1\"}}";

/* What somebody else placed: version 1, right in all ways. */
static void place_by_hand(struct place_fixture *w)
{
    (void)mkdir(place_path(w, "fraud"), 0755);
    (void)mkdir(place_path(w, "fraud/1"), 0755);
    (void)mkdir(place_path(w, "fraud/1/data"), 0755);
    (void)mkdir(place_path(w, "fraud/1/data/deep"), 0755);
    place_put(w, "fraud/1/model.bin", "model one");
    place_put(w, "fraud/1/data/deep/er.txt", "more");
    place_put(w, "fraud/1/model-settings.json", settings);
}

static void test_adopt(void **state)
{
    struct place_fixture *w = *state;
    struct fixture_file files[] = {
        {"model.bin", "model one", 0},
        {"data/deep/er.txt", "more", 0},
        {"golden/one.json",
         "{\"request\":{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
         "\"datatype\":\"FP64\",\"data\":[1]}]},\"expect\":{}}",
         0},
        {"serving/model-settings.json", "{\"implementation\":\"a.B\",\"x\":0.5}", 0}};

    assert_int_equal(fixture_publish(&w->f, "team/fraud", files, ARRAY_LEN(files)), 1);
    place_by_hand(w);
    FLEET_OK(&w->f, adopt(w, 1));
    FLEET_OK(&w->f, adopt(w, 1));
    assert_true(place_exists(w, "fraud/1/golden/one.json")); /* no server reads it: it is added */
    FLEET_OK(&w->f, check(w, 1));         /* its own settings are the right ones */
    FLEET_OK(&w->f, check_none(w));       /* it becomes live when the last node was adopted */
    FLEET_OK(&w->f, place_show(w, 0, 0)); /* and a way to nothing leaves it */
    assert_true(place_exists(w, "fraud/1/model.bin"));
    place_put(w, "fraud/1/model-settings.json", "{}");
    fixture_refused(&w->f, check(w, 1), ERR_CORRUPT, "model-settings.json was changed");
    FLEET_OK(&w->f, place_stage(w, 1));
    FLEET_OK(&w->f, place_show(w, 1, 0));
    FLEET_OK(&w->f, check(w, 1));
}

static void test_adopt_refused(void **state)
{
    struct place_fixture *w = *state;
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

    assert_int_equal(place_publish(w, "team/fraud", "model one"), 1);
    fixture_refused(&w->f, adopt(w, 1), ERR_CONFLICT, "is not there");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        place_by_hand(w);
        if (rows[i].text != NULL)
            place_put(w, rows[i].path, rows[i].text);
        else
            assert_int_equal(unlink(place_path(w, rows[i].path)), 0);
        fixture_refused(&w->f, adopt(w, 1), ERR_CONFLICT, rows[i].words);
        bool is_marker = strstr(rows[i].path, ".mreg.json") != NULL;
        assert_int_equal(place_exists(w, "fraud/1/.mreg.json"), is_marker);
        (void)unlink(place_path(w, rows[i].path));
    }
    place_by_hand(w);
    FLEET_OK(&w->f, adopt(w, 1));
}

#define T(f) cmocka_unit_test_setup_teardown(f, place_fixture_setup, place_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_drift), T(test_touched), T(test_missing_and_beside), T(test_nothing_wanted),
        T(test_links), T(test_adopt),   T(test_adopt_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
