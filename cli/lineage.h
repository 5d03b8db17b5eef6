/*
 * Where a version comes from, as far as the environment tells: in CI the commit, branch, run and
 * actor are filled in by themselves.
 */
#ifndef MREG_LINEAGE_H
#define MREG_LINEAGE_H

#include <jansson.h>

/* New object of strings ("git_commit", "git_branch", "git_repository", "ci", "ci_run", "ci_actor");
 * empty outside CI. Caller owns it. */
json_t *lineage_collect(void);

#endif
