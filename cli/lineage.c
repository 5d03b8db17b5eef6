/*
 * One table: which CI sets which variable. Reads the environment only.
 */
#include "lineage.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The first row whose mark is set names the system; its variables fill the fields. */
static const struct {
    const char *ci, *mark, *commit, *branch, *repository, *run, *actor;
} systems[] = {
    {"github", "GITHUB_ACTIONS", "GITHUB_SHA", "GITHUB_REF_NAME", "GITHUB_REPOSITORY",
     "GITHUB_RUN_ID", "GITHUB_ACTOR"},
    {"gitlab", "GITLAB_CI", "CI_COMMIT_SHA", "CI_COMMIT_REF_NAME", "CI_PROJECT_PATH", "CI_JOB_URL",
     "GITLAB_USER_LOGIN"},
    {"circleci", "CIRCLECI", "CIRCLE_SHA1", "CIRCLE_BRANCH", "CIRCLE_REPOSITORY_URL",
     "CIRCLE_BUILD_URL", "CIRCLE_USERNAME"},
    {"travis", "TRAVIS", "TRAVIS_COMMIT", "TRAVIS_BRANCH", "TRAVIS_REPO_SLUG",
     "TRAVIS_BUILD_WEB_URL", NULL},
    {"buildkite", "BUILDKITE", "BUILDKITE_COMMIT", "BUILDKITE_BRANCH", "BUILDKITE_REPO",
     "BUILDKITE_BUILD_URL", "BUILDKITE_BUILD_CREATOR"},
    {"jenkins", "JENKINS_URL", "GIT_COMMIT", "GIT_BRANCH", "GIT_URL", "BUILD_URL", NULL},
};

static void put(json_t *into, const char *key, const char *variable)
{
    const char *value = variable ? getenv(variable) : NULL;
    if (value && *value && strlen(value) <= 4096)
        json_object_set_new(into, key, json_string(value));
}

json_t *lineage_collect(void)
{
    json_t *lineage = json_object();
    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        const char *mark = getenv(systems[i].mark);
        if (!mark || !*mark)
            continue;
        json_object_set_new(lineage, "ci", json_string(systems[i].ci));
        put(lineage, "git_commit", systems[i].commit);
        put(lineage, "git_branch", systems[i].branch);
        put(lineage, "git_repository", systems[i].repository);
        put(lineage, "ci_run", systems[i].run);
        put(lineage, "ci_actor", systems[i].actor);
        break;
    }
    return lineage;
}
