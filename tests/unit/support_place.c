/* See the header. */
#include "support_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int64_t now_of(void *self)
{
    return ((struct place_fixture *)self)->now_ms;
}

int place_fixture_setup(void **state)
{
    struct place_fixture *w = mem_alloc(sizeof(*w));

    fleet_fixture_open(&w->f);
    w->place = (struct place){.store = w->f.store,
                              .blobs = w->f.blobs,
                              .registry_id = "reg-test",
                              .stops = &w->stops,
                              .now_ms = now_of,
                              .self = w};
    w->root = temp_dir_file(&w->f.dir, &w->f.arena, "root");
    assert_int_equal(mkdir(w->root, 0755), 0);
    *state = w;
    return 0;
}

int place_fixture_teardown(void **state)
{
    struct place_fixture *w = *state;

    fleet_fixture_close(&w->f);
    free(w);
    return 0;
}

int64_t place_publish(struct place_fixture *w, const char *model, const char *text)
{
    struct fixture_file files[] = {
        {"model.bin", text, 0},
        {"data/deep/er.txt", "more", 0},
        {"serving/model-settings.json", "{\"implementation\":\"a.B\",\"x\":0.5}", 0}};

    return fixture_publish(&w->f, model, files, ARRAY_LEN(files));
}

struct file_job place_job(const struct place_fixture *w, int64_t number)
{
    return (struct file_job){
        .root = w->root, .serve_as = "fraud", .model = "team/fraud", .number = number};
}

int place_stage(struct place_fixture *w, int64_t number)
{
    struct file_job job = place_job(w, number);

    return place_run(&w->place, JOB_STAGE, &job, INT64_MAX, &w->f.e);
}

int place_show(struct place_fixture *w, int64_t number, int64_t also)
{
    int64_t keep[] = {number, also};
    struct file_job job = place_job(w, 0);

    job.keep = keep;
    job.n_keep = (size_t)(number != 0) + (size_t)(also != 0);
    return place_run(&w->place, JOB_SWITCH, &job, INT64_MAX, &w->f.e);
}

char *place_path(struct place_fixture *w, const char *rest)
{
    return arena_printf(&w->f.arena, "%s/%s", w->root, rest);
}

bool place_exists(struct place_fixture *w, const char *rest)
{
    struct stat st;

    return lstat(place_path(w, rest), &st) == 0;
}

void place_put(struct place_fixture *w, const char *rest, const char *text)
{
    FILE *f = fopen(place_path(w, rest), "wb");

    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}
