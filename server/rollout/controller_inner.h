/*
 * Shared by the controller's files only: the world as the controller holds it in memory (a cache of
 * the database plus what was last seen), and the jobs in flight. One thread; no locks.
 */
#ifndef MREG_CONTROLLER_INNER_H
#define MREG_CONTROLLER_INNER_H

#include <stdatomic.h>

#include "controller.h"
#include "db_rollout.h"
#include "driver.h"
#include "plan.h"

#define MAX_FLIGHTS 128
#define MISSED_LOOKS 3
#define REWRITE_EVERY_MS 30000

/* One target on one node. */
struct spot {
    struct observation seen;
    int64_t written_ms; /* when `seen` was stored last */
    bool is_unwritten;  /* it changed since */
    struct sample sample;
    int64_t sampled_ms;
    bool is_repairing; /* a rollout that is not admitted yet found a repair under way */
    struct op_view op; /* of the target's present lane; text points at op_text */
    char op_text[MOVE_TEXT_BYTES];
};

struct node {
    int64_t node_id;
    const char *name, *root;
    struct driver_node urls;
    const struct driver *driver; /* NULL: unknown, the node is never reached */
    bool is_reachable, is_unwritten;
    int64_t since_ms, observed_ms, written_ms, looked_ms;
    int n_missed;
    char detail[DRIVER_TEXT_BYTES];
    int n_busy;          /* jobs in flight */
    int n_disturbing;    /* targets whose move disturbs it */
    int n_lacking;       /* targets that are not served here as they should be */
    bool serves_changed; /* what it serves may have changed: compare with the history */
};

/* A status that is planned: of the active rollout, or of the target's repairs. */
struct lane {
    char id[64]; /* "r-55" or "target-12" */
    struct rollout_status status;
    struct arena arena; /* of status */
};

/* Golden requests of one version, as texts. */
struct golden_set {
    int64_t number; /* 0: not loaded */
    int n;          /* -1: unreadable */
    const char **texts;
    struct arena arena;
};

struct target {
    int64_t target_id, model_id;
    const char *model, *serve_as;
    struct policy policy; /* of the environment and the target, for repairs */
    int64_t live, last_good, last_to, last_ended_ms;
    struct rollout_record record; /* valid if is_rolling */
    struct policy strategy;
    bool is_rolling;
    bool is_broken; /* its records cannot be read: it is left alone */
    struct lane lane;
    struct spot *spots; /* one per node of the environment */
    struct golden_set golden;
    int64_t plan_at_ms;  /* 0: now */
    int64_t command_seq; /* up to here its commands were taken in */
};

struct env {
    int64_t env_id;
    const char *name;
    struct node *nodes;
    int n_nodes;
    struct target *targets;
    int n_targets;
};

struct world {
    struct arena arena; /* the fleet: names, arrays */
    struct env *envs;
    int n_envs;
    int64_t journal_seq; /* newest row that was looked at */
    int64_t command_seq; /* newest command that was looked at */
};

enum flight_kind { FLIGHT_OP, FLIGHT_LOOK, FLIGHT_SAMPLE, FLIGHT_HEALTH };
/* A job that was submitted; `key` is free when empty. */
struct flight {
    char key[JOB_KEY_BYTES];
    enum flight_kind kind;
    int64_t env_id, node_id, target_id;
    char lane[64]; /* FLIGHT_OP: whose operation it is */
    enum op_action action;
    int attempt;
    enum job_kind job;
    struct driver_request rq; /* strings in arena */
    int call;                 /* present HTTP call of the action */
    struct driver_result result;
    int64_t deadline_ms;
    struct arena arena;
};

/* What happened to one operation, until it is stored. */
struct closing {
    char key[JOB_KEY_BYTES];
    enum op_state state;
    enum op_class why;
    char text[DRIVER_TEXT_BYTES];
    int64_t ended_ms;
};

struct controller {
    struct controller_options o;
    struct world *world; /* NULL: to be loaded */
    struct flight flights[MAX_FLIGHTS];
    int n_flights;
    struct closing *closings;
    size_t n_closings, cap_closings;
    struct watch_sample *samples; /* to be stored */
    size_t n_samples, cap_samples;
    int64_t read_seq;     /* makes keys of reads unique */
    int64_t now_ms;       /* of this round */
    int64_t due_ms;       /* the next round at the latest */
    int64_t trimmed_ms;   /* old samples and operations were removed */
    bool is_dirty;        /* something seen is not stored yet */
    atomic_bool is_woken; /* somebody says that the database changed */
    int64_t noticed_ms;   /* when the database was asked for changes last */
    bool was_doubted;     /* open operations of an earlier process were marked */
    struct completion *inbox;
    struct thread_state *thread;
};

/* --- world.c: loading --- */
/* Loads everything and carries over from the old world (may be NULL) what only memory knows. */
MUST_USE int world_load(struct controller *c, struct db *db, struct world *old, struct world **out,
                        struct err *e);
void world_free(struct world *w);
struct env *world_env(struct world *w, int64_t env_id);
/* Index in env->nodes, -1 if there is none. */
int world_node(const struct env *env, int64_t node_id);
struct target *world_target(struct env *env, int64_t target_id);
/* Key of the operation `attempt` of a lane on a node. */
void op_key_make(char key[JOB_KEY_BYTES], const struct target *t, int64_t node_id, int attempt);
/* The two versions of a target that are worth asking about: the wanted one and the other. */
void target_versions(const struct target *t, int64_t *number, int64_t *other);
/* Counts per node of the environment how many targets disturb it and are missed on it. */
void env_count(struct env *env);
int env_repairs(const struct env *env, const struct target *but);

/* --- golden_set.c --- */
/* Makes t->golden the set of that version; unreadable is remembered as n = -1. */
void golden_set_load(struct controller *c, struct db *db, struct target *t, int64_t number);
void golden_set_clear(struct golden_set *g);

/* --- view.c --- */
/* The view of one target; arrays in a; borrows from the world. Reads the database only for commands
 * and golden requests that are new. */
MUST_USE int view_make(struct controller *c, struct env *env, struct target *t, struct arena *a,
                       struct view *out, struct err *e);

/* --- record.c --- */
/* How long an operation may take before its outcome is unknown. */
int64_t op_timeout_ms(const struct target *t, enum op_action action);
/* Stores the plan with its intents; then takes it over into memory. ERR_CONFLICT: reload. */
MUST_USE int record_plan(struct controller *c, struct env *env, struct target *t,
                         const struct plan *plan, struct err *e);
/* Stores closed operations, samples, changed views and health in one transaction, if any. */
MUST_USE int record_seen(struct controller *c, struct err *e);
/* Journals what nodes serve, where it changed. */
MUST_USE int record_serving(struct controller *c, struct env *env, struct err *e);

/* --- execute.c --- */
/* Carries out one action of a plan that was recorded; failures to submit close the operation. */
void execute_action(struct controller *c, struct env *env, struct target *t,
                    const struct plan_action *action);
/* Looks at nodes that are due. Lowers c->due_ms to the next look. */
void execute_looks(struct controller *c, struct env *env);
/* Submits the present HTTP call of a flight. */
MUST_USE int execute_call(struct controller *c, struct flight *f, const struct node *node,
                          struct err *e);

/* --- collect.c --- */
/* Takes in n completions. */
void collect(struct controller *c, struct completion *list, size_t n);
/* Ends a flight as if it had been answered so (used when a job could not be submitted). */
void collect_failure(struct controller *c, struct flight *f, enum fault fault, const char *text);
/* Gives up flights whose completion never came. */
void collect_overdue(struct controller *c);
struct flight *flight_new(struct controller *c);
void flight_end(struct controller *c, struct flight *f);

#endif
