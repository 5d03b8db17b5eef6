/*
 * A node's folder, versions to lie in it and the file jobs that put them there.
 */
#ifndef MREG_SUPPORT_PLACE_H
#define MREG_SUPPORT_PLACE_H

#include <stdatomic.h>

#include "place.h"
#include "support_fleet.h"

struct place_fixture {
    struct fleet_fixture f;
    struct place place;
    atomic_bool stops;
    int64_t now_ms; /* the jobs' clock */
    char *root;
};

/* cmocka set-up and tear-down; *state is the fixture. */
int place_fixture_setup(void **state);
int place_fixture_teardown(void **state);

/* A version that can be served: some text as a model, and settings of its own. Gives its number. */
int64_t place_publish(struct place_fixture *w, const char *model, const char *text);
/* A job about "team/fraud", served as "fraud". */
struct file_job place_job(const struct place_fixture *w, int64_t number);
int place_stage(struct place_fixture *w, int64_t number);
/* Switches to one version (0: none), or two. */
int place_show(struct place_fixture *w, int64_t number, int64_t also);

/* "<root>/<rest>", in arena. */
char *place_path(struct place_fixture *w, const char *rest);
bool place_exists(struct place_fixture *w, const char *rest);
void place_put(struct place_fixture *w, const char *rest, const char *text);

#endif
