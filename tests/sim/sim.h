/*
 * The simulated world: serving nodes with a disk, a memory and moods, a clock, and the `struct io`
 * through which the real controller reaches them. One seed is one run; everything random comes from
 * it. A check that fails ends the run with words and the seed.
 */
#ifndef MREG_SIM_H
#define MREG_SIM_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "controller.h"
#include "db_rollout.h"
#include "fleet_nodes.h"
#include "steady.h"
#include "store.h"

#define SIM_MAX_NODES 6
#define SIM_MAX_MODELS 2
#define SIM_MAX_VERSIONS 6 /* numbers 1..5 */
#define SIM_MAX_JOBS 160
#define SIM_LEASE_MS 10000
/* After this long a dead node must be known to be dead: three looks and what may be in between. */
#define SIM_KNOWN_DEAD_MS 135000 /* 120 s by a clock that follows one set back */

/* What a version is like. */
enum quality {
    QUALITY_GOOD,
    QUALITY_NO_LOAD, /* its load fails; a server that starts with it ends by itself */
    QUALITY_WRONG,   /* golden requests are answered wrongly */
    QUALITY_FAILS,   /* a third of its requests fail */
    QUALITY_SLOW,    /* 500 ms per request */
    QUALITY_SILENT,  /* its load says 200 but it does not get ready */
    QUALITY_COUNT
};

struct sim_counters {
    int64_t success, failure, us;
};
/* One model on one node. Sets are bit masks over version numbers. */
struct sim_slot {
    unsigned visible, hidden; /* on disk: shown to the server; staged or retired */
    unsigned ready;           /* loaded and answering */
    unsigned staged_ever;     /* a STAGE of it was submitted */
    struct sim_counters counters;
    unsigned started; /* versions that mreg ever switched to here */
};
struct sim_node {
    int64_t node_id;
    char name[16];
    bool is_up, is_deleted;
    bool has_lease; /* it entered itself: if it is silent for too long, it is deleted for a while */
    int64_t renewed_ms;
    enum node_cordon cordon;
    int64_t cordoned_ms;
    int64_t dead_since_ms;
    int64_t restart_ms; /* 0: none planned */
    struct sim_slot slots[SIM_MAX_MODELS];
    int64_t counted_ms;
    bool is_busy_for[SIM_MAX_MODELS]; /* switched, not seen ready again */
    int64_t switched_to[SIM_MAX_MODELS];
    bool was_disturbed[SIM_MAX_MODELS];  /* by a rollout, as stored before the present round */
    unsigned told_ready[SIM_MAX_MODELS]; /* what the controller was told last */
    bool was_told[SIM_MAX_MODELS];
    int64_t worked_ms; /* an operation ended on it, or has to: nobody looks at it until then */
};
/* What must not move because the controller starts again. */
struct sim_clocks {
    enum rollout_phase phase;
    enum rollout_control control;
    int step;
    int n_failures; /* of a way back */
    unsigned done;  /* nodes, by index */
    int64_t command_seq, step_deadline_ms, bake_since_ms;
};
struct sim_model {
    int64_t model_id, target_id;
    char name[16], serve_as[16];
    enum quality quality[SIM_MAX_VERSIONS];
    int64_t live;     /* of the finished rollouts */
    int64_t from, to; /* of the active rollout */
    char rollout[32]; /* the active one, "" */
    int n_rollouts;
    int64_t noted_revision; /* of the active rollout's status */
    char *noted_text;       /* that status, until it was read */
    int64_t generation;     /* of the target */
    bool was_restarted;     /* the controller, since the status was written: then it was so */
    struct sim_clocks clocks;
    int n_commands;     /* in the active rollout */
    unsigned given;     /* nodes that got the new version in it */
    unsigned touched;   /* the same, also if they went back since */
    char overrides[64]; /* what it passes over */
    bool is_in_set;
    int64_t n_served_new; /* requests to its new version */
    bool is_rollback;     /* of kind rollback */
    bool is_halted;       /* the last one was halted: nobody tidies up */
    struct policy policy; /* of the active rollout */
    int64_t next_ms;      /* next rollout is submitted */
};

/* HAProxy before the nodes, with one backend per model. */
#define SIM_MAX_ROUTERS 3
struct sim_router {
    bool is_up;
    int64_t since_ms; /* it started or died */
    int weight[SIM_MAX_MODELS][SIM_MAX_NODES];
    int64_t zero_ms[SIM_MAX_MODELS][SIM_MAX_NODES]; /* with weight 0: requests run until then */
};

enum sim_fate { FATE_DONE, FATE_NOT_SENT, FATE_LOST_DONE, FATE_LOST_NOT_DONE };
struct sim_job {
    bool is_there;
    char key[JOB_KEY_BYTES];
    enum job_kind kind;
    char url[256], method[8];
    char sent[64]; /* the body, if it is short */
    int node, model;
    int64_t node_id;              /* of the node when it began */
    int64_t deadline_ms;          /* by the clock of mreg */
    int64_t number, keep, beside; /* beside: visible as well, or 0 */
    int64_t effect_ms, end_ms;    /* effect_ms 0: happened */
    enum sim_fate fate;
    bool is_forgotten; /* its controller is gone: nobody is told */
    int status;
    bool is_router; /* no node */
    int router;
    char lines[700];
    char body[900];
    struct err error;
};

/* What a world has beyond crashes and losses; each is drawn for itself. */
enum sim_way {
    WAY_JUMPS,     /* the clock that mreg reads is set, forward and backward */
    WAY_FREEZES,   /* freeze windows and stop-the-line */
    WAY_CORDONS,   /* nodes are taken out of service */
    WAY_QUEUE,     /* rollouts are submitted while another one is active; hotfixes */
    WAY_APPROVALS, /* people have to agree */
    WAY_LEASES,    /* some nodes enter themselves, and are gone when they are silent */
    WAY_SETS,      /* rollouts of both models together */
    WAY_BAD_PAGES, /* metrics do not come, or are something else, now and then */
    WAY_ROUTERS,   /* two or three routers before the same nodes, if there are any */
    WAY_BOTH,      /* servers load versions one by one, and rollouts may keep the old one loaded */
    WAY_COUNT
};

/* A stored status that was read; the text is only read again if it has another revision. */
struct sim_status {
    char id[32];
    struct rollout_status status;
    struct arena arena;
};

/* A rollout that ended stays so. */
#define SIM_MAX_ENDED 40
struct sim_ended {
    char id[32];
    enum rollout_phase phase;
};

struct sim {
    uint64_t seed, random;
    uint64_t digest;         /* of everything that happened */
    _Atomic int64_t now_ms;  /* the true time */
    _Atomic int64_t skew_ms; /* what the machines' clocks show more */
    bool ways[WAY_COUNT];
    struct steady steady; /* by which mreg lives; of this process */
    bool is_stopped;      /* stop-the-line */
    int64_t stopped_ms;
    struct sim_ended ended[SIM_MAX_ENDED];
    int n_ended;
    int64_t restarted_ms; /* the controller began */
    bool is_woken;
    struct sim_node nodes[SIM_MAX_NODES];
    int n_nodes, n_entered;
    struct sim_model models[SIM_MAX_MODELS];
    int n_models;
    struct sim_router routers[SIM_MAX_ROUTERS];
    int n_routers;
    int64_t env_id;
    int64_t faults_end_ms;
    int64_t grain_ms; /* times of effects and answers are multiples of it */
    int loss_percent, crash_percent, requests_per_s;
    bool has_metrics, fleet_changes;
    struct sim_job jobs[SIM_MAX_JOBS];
    int n_jobs; /* those behind are free */
    struct sim_status status[SIM_MAX_MODELS];
    struct store *store;
    struct blobs *blobs;
    char dir[64]; /* of blobs */
    struct io io;
    struct controller *controller;
    int64_t n_writes; /* of the store, when it was looked into last */
    jmp_buf failed;
    char failure[600];
    int n_restarts, n_commands, n_rounds, n_actions;
    int n_by_end[ROLLOUT_PHASE_COUNT];
    bool is_loud;
};

/* --- sim_world.c --- */
uint32_t sim_random(struct sim *s, uint32_t below);
bool sim_chance(struct sim *s, int percent);
void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3) NORETURN;
/* Says what happens, when is_loud. */
void sim_say(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool sim_has_faults(const struct sim *s);
/* Some registries do without comparing files. */
bool sim_checks_files(const struct sim *s);
/* The time that mreg sees. */
int64_t sim_clock(struct sim *s);
/* The true time, ms, at which a wait of mreg until then ends. */
int64_t sim_until(struct sim *s, int64_t until_ms);
/* The machine's clock is read anew, by a new process. */
void sim_clock_begin(struct sim *s);
void sim_io_init(struct sim *s);
/* Forgets what the dead controller waits for: file jobs may or may not have happened. */
void sim_forget_jobs(struct sim *s);

/* --- sim_node.c: a server as docs/mlserver.md describes it --- */
void sim_count_requests(struct sim *s);
void sim_http(struct sim *s, struct sim_job *job);
void sim_file(struct sim *s, struct sim_job *job);
void sim_crash(struct sim *s, struct sim_node *n);
void sim_start(struct sim *s, struct sim_node *n, bool loads_disk);
void sim_lose_disk(struct sim_node *n);

/* --- sim_router.c --- */
void sim_router_start(struct sim *s, struct sim_router *r);
/* Which router has the address; -1: none. */
int sim_router_at(const struct sim *s, const char *address);
void sim_router_address(int router, char out[24]);
/* They may die, and start again with the weights of their configuration. */
void sim_router_hurt(struct sim *s);
void sim_router_talk(struct sim *s, struct sim_job *job);
/* An operation that disturbs the model's service on the job's node begins. */
void sim_router_check(struct sim *s, const struct sim_job *job, int model);
bool sim_router_is_quiet(const struct sim *s, int model, char why[200]);

/* --- sim_store.c: facts that the rest of mreg would write --- */
void sim_store_open(struct sim *s);
/* Removes all that a run wrote; statements stay prepared. */
void sim_store_empty(struct sim *s);
/* Its threads hash uploads, of which there are none: what is forked does without them. */
void sim_blobs_open(struct sim *s);
void sim_setup(struct sim *s);
/* The fleet changes: a node comes or goes. */
void sim_add_node(struct sim *s);
void sim_delete_node(struct sim *s, struct sim_node *n);
/* What is stored of the rollout; good until the next call. */
const struct rollout_status *sim_status(struct sim *s, const char *id);
enum rollout_phase sim_phase(struct sim *s, const char *id);
void sim_refresh(struct sim *s, struct sim_model *m);

/* A node enters itself again; or is gone, as far as mreg knows. */
void sim_enter_node(struct sim *s, struct sim_node *n);
void sim_forget_node(struct sim *s, struct sim_node *n);
/* Runs of the rules that are refused for an expected reason are fine, others end the run. */
bool sim_is_fine(struct sim *s, int rc, const struct err *e);

/* --- sim_people.c: what people ask for, by the rules that the API uses --- */
struct sim_wish {
    int64_t to;
    bool is_rollback, is_hotfix;
    const char *overrides; /* or NULL */
    const struct policy *policy;
};
void sim_submit(struct sim *s, struct sim_model *m, const struct sim_wish *wish);
void sim_submit_set(struct sim *s, const struct sim_wish *wishes);
void sim_command(struct sim *s, struct sim_model *m, enum command_verb verb, int64_t step);
/* Freezes, cordons, approvals, leases: a little at a time. */
void sim_people(struct sim *s);
/* Has the registry a row of it? A lease may have ended since the world looked. */
bool sim_is_in_fleet(struct sim *s, const struct sim_node *n);
/* After the faults: nothing holds anything any more. */
void sim_tidy_up(struct sim *s);
/* Rollouts that wait for their turn. */
int sim_n_waiting(struct sim *s, const struct sim_model *m);

/* --- sim_check.c --- */
void sim_check_submit(struct sim *s, const struct job *job, const struct sim_job *mine);
void sim_check_answer(struct sim *s, const struct sim_job *job);
/* A rollout has just become active. */
void sim_check_begun(struct sim *s, struct sim_model *m, int64_t generation);
/* The controller ends: what is stored now has to hold afterwards. */
void sim_note_restart(struct sim *s);
/* A control that was given up on its way goes straight on to the new version: nothing holds that,
 * the node is out of service already. */
bool sim_was_control(struct sim *s, const struct sim_model *m, const struct sim_node *n);
/* True if a stored status calls the node unreachable; what the fleet knows of it may be written a
 * moment later. */
bool sim_is_noted_gone(struct sim *s, const struct sim_node *n);
/* Which phase and how many nodes of the present step, cumulative, the stored status allows. */
struct sim_stored {
    enum rollout_phase phase;
    int n_nodes;
    int64_t command_seq;
};
void sim_stored(struct sim *s, const char *rollout, struct sim_stored *out);
/* Takes in what the stored statuses say of nodes. */
void sim_read_noted(struct sim *s);
/* Nodes that are out of the fleet, or whose repair failed and waits, count as busy no more. */
void sim_note_given_up(struct sim *s);
bool sim_is_known_dead(struct sim *s, const struct sim_node *n);

/* --- sim_check_end.c --- */
/* A rollout has just ended so. */
void sim_check_ended(struct sim *s, const struct sim_model *m, enum rollout_phase phase);
void sim_check_end(struct sim *s);
/* It is gone for so long that it must be known. */
bool sim_is_long_dead(struct sim *s, const struct sim_node *n);
/* Now and then: who is gone for long is known to be gone. */
void sim_check_dead(struct sim *s);
/* After each round: which nodes the active rollout of a model says it disturbs. */
void sim_note_disturbed(struct sim *s, int model);
/* True if nothing is left to be done. */
bool sim_is_quiet(struct sim *s, char why[200]);
/* An operation, not a read, is not answered yet. */
bool sim_is_at_work(const struct sim *s);

/* --- sim_run.c --- */
/* Makes the empty database, to run seeds with blobs in dir; s is zero. Starts no thread: the
 * process may fork. False with s->failure set. */
bool sim_open(struct sim *s, const char *dir);
void sim_close(struct sim *s);
/* Runs a few seeds in this process, some years before the others, and forgets what they did: what
 * is forked from it finds its statements prepared. False: a check failed, and s has to be opened
 * anew. */
bool sim_warm_up(struct sim *s);
/* Runs one seed and forgets what it did. False with s->failure set if a check failed: then the
 * process has to end. */
bool sim_run(struct sim *s, uint64_t seed);

#endif
