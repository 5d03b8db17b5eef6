/*
 * A store with one environment "production" of two nodes and models with versions, for tests of the
 * rules of rollouts.
 */
#ifndef MREG_SUPPORT_FLEET_H
#define MREG_SUPPORT_FLEET_H

#include "fleet.h"
#include "db_queue.h"
#include "fleet_rollout.h"
#include "registry.h"
#include "rollout_end.h"
#include "support_dir.h"

struct fleet_fixture {
    struct temp_dir dir;
    struct store *store;
    struct blobs *blobs;
    struct seal_key key;
    struct registry r;
    struct arena arena;
    struct err e;
    int64_t now_ms; /* the store's clock */
};

/* In zeroed memory; the clock stands. */
void fleet_fixture_open(struct fleet_fixture *f);
void fleet_fixture_close(struct fleet_fixture *f);
/* cmocka set-up and tear-down; *state is the fixture. */
int fleet_fixture_setup(void **state);
int fleet_fixture_teardown(void **state);

/* Fail the test with the message of the error. */
void fixture_ok(struct fleet_fixture *f, int rc, const char *call);
#define FLEET_OK(f, call) fixture_ok((f), (call), #call)
/* Refused with this code, and these words in the message or the pointer. */
void fixture_refused(struct fleet_fixture *f, int rc, enum err_code code, const char *words);

/* Makes an environment with this policy and n nodes. */
void fixture_env(struct fleet_fixture *f, const char *env, const char *policy, int n_nodes);
/* Changes its policy. */
void fixture_policy(struct fleet_fixture *f, const char *env, const char *policy);
/* A body that holds the bytes. */
struct fixture_bytes {
    const char *at;
    size_t left;
};
struct body_source fixture_body(struct fixture_bytes *bytes);
struct fixture_file {
    const char *path, *text;
    size_t n; /* 0: strlen(text) */
};
/* Publishes one version and gives its number. */
int64_t fixture_publish(struct fleet_fixture *f, const char *model,
                        const struct fixture_file *files, size_t n);
/* Publishes n versions of a model. */
void fixture_push(struct fleet_fixture *f, const char *model, int n);
/* Asks for a rollout of "fraud" to production; more may be NULL. Gives the id in arena. */
const char *fixture_ask(struct fleet_fixture *f, const char *actor, const char *version,
                        const struct rollout_ask *more);
int fixture_try(struct fleet_fixture *f, const char *actor, const struct rollout_ask *ask,
                struct rollout_answer *out);
int fixture_command(struct fleet_fixture *f, const char *actor, const struct rollout_order *order);
/* What the controller does when a rollout ends, or begins to go back. */
void fixture_move(struct fleet_fixture *f, const char *id, enum rollout_phase phase,
                  enum rollout_fault fault);
/* The rollout as people see it now. */
struct fixture_seen {
    struct rollout_record record;
    struct rollout_more more;
    struct rollout_status status;
};
void fixture_see(struct fleet_fixture *f, const char *id, struct fixture_seen *out);
struct target_row fixture_target(struct fleet_fixture *f, const char *env, const char *model);
/* The document at path, or "". */
const char *fixture_doc(struct fleet_fixture *f, const char *path);
/* Message of the newest journal row; its kind in *kind (may be NULL). */
const char *fixture_message(struct fleet_fixture *f, const char **kind);

#endif
