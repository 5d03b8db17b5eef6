/*
 * Shared by the controller's files only: the world as the controller holds it in memory (a cache of
 * the database plus what was last seen), and the jobs in flight. One thread; no locks.
 */
#ifndef MREG_CONTROLLER_INNER_H
#define MREG_CONTROLLER_INNER_H

#include <stdatomic.h>

#include "controller.h"
#include "counted.h"
#include "db_rollout.h"
#include "driver.h"
#include "due.h"
#include "plan.h"

#define MAX_FLIGHTS 512
#define MAX_FLIGHTS_OF_LOOKS (MAX_FLIGHTS / 2) /* idle looks leave room for work */
#define MISSED_LOOKS 3

/* One target on one node. */
struct spot {
    struct observation seen;
    int64_t written_ms; /* when `seen` was stored last */
    struct sample sample;
    int64_t sampled_ms;
    struct counted *counted;  /* on the heap; NULL: counters were never read */
    int64_t n_own, n_own_bad; /* golden requests that the node counts, and as failed */
    int64_t n_unsure;         /* golden requests of which nobody knows whether it counts them */
    struct op_view op;        /* of the target's present lane; text is op_text */
    char *op_text;            /* owned, may be NULL */
    struct shown_files shown; /* what its folder was switched to last, by whichever lane */
    struct drift *drift; /* owned: what is wrong with its files; NULL: nothing is known (files.c) */
    int64_t checked_ms;  /* its files were asked about */
    bool is_unwritten;   /* `seen` changed since it was stored: it is in controller.unwritten */
    int64_t left;        /* what a rollout that was replaced brought, before the next is admitted */
    bool was_midway;     /* whoever had the target before was in the middle of this node; said
                            while target_is_new */
    bool disturbs;       /* what target_count added to the node: its move disturbs it, */
    bool lacks;          /* it serves nothing although it should */
};

/* What is known of the process behind a node (nodes.c). */
struct process {
    int64_t started_ms;   /* as it says itself; 0: not known */
    int64_t restarted_ms; /* another one was noticed last; 0: never */
    int64_t n_restarts;
    int64_t asked_ms; /* when a page of metrics was read last, or asked for */
    bool is_unsaid;   /* a restart that the history does not tell yet */
};

struct env;
struct node {
    struct due look; /* the next look at it, while nothing runs on it */
    struct env *env;
    int64_t node_id;
    const char *name, *root;
    struct driver_node urls;
    const char *labels;          /* JSON object */
    const struct driver *driver; /* NULL: unknown, the node is never reached */
    bool is_reachable, is_unwritten;
    int64_t since_ms, observed_ms, written_ms, looked_ms;
    int n_missed;
    char detail[DRIVER_TEXT_BYTES];
    int64_t scraped_ms;                  /* its counters were asked for; 0: never */
    int64_t scrape_ok_ms;                /* and came; 0: never */
    bool is_scraping;                    /* the answer is on its way */
    bool counts_requests;                /* its page counts requests to models */
    char scrape_text[DRIVER_TEXT_BYTES]; /* why they did not come; "" */
    int n_busy;                          /* jobs in flight */
    int n_disturbing;                    /* targets whose move disturbs it */
    int n_lacking;                       /* targets that are not served here as they should be */
    bool serves_changed; /* what it serves may have changed: it is in controller.serving */
    bool is_cordoned;    /* nothing new is put there */
    bool is_drained;     /* and the routers shall send nothing there */
    bool wants_none;     /* and its models shall be unloaded */
    int64_t owner_epoch; /* it follows another registry, of that epoch; 0: it does not (leader.c) */
    struct process process;
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
    struct due plan; /* the next plan of it */
    struct env *env;
    int64_t target_id, model_id;
    const char *model, *serve_as;
    const struct policy *policy; /* of the environment and the target, for repairs; shared */
    int64_t live, last_good, last_to, last_ended_ms;
    bool is_halted;
    struct rollout_record record;  /* valid if is_rolling */
    const struct policy *strategy; /* of the rollout, if is_rolling */
    bool is_rolling;
    bool is_broken;    /* its records cannot be read: it is left alone */
    bool takes_over;   /* it began where another one gave way to it */
    bool has_commands; /* commands may be waiting in the database */
    int n_planned;     /* how often it was planned at planned_ms */
    int64_t planned_ms;
    bool waits; /* its last plan did: for a node to be free, or the limit */
    struct lane lane;
    struct spot *spots; /* owned: one per node of the environment */
    struct golden_set golden;
    struct counted_times times;
    int64_t window_slot;          /* the newest slice of its window that was stored */
    bool is_window_unwritten;     /* it is in controller.windows */
    struct target_limits *limits; /* in arena; NULL: not loaded. See view_limits.h */
    struct judging *judging;      /* on the heap; NULL: nothing is judged, or not loaded */
    int n_repairs;                /* moves outside of a rollout, as target_count saw them */
    int busy_at;                  /* 1 + place in env->busy; 0: nothing goes on */
    struct arena arena;           /* of the rollout: record, strategy */
};

/* An environment's policy with a target's over it; many targets have the same. */
struct shared_policy {
    struct shared_policy *next;
    const char *over; /* JSON text of the target's part */
    struct policy policy;
};

struct env {
    struct arena arena;  /* nodes, targets, policies */
    struct due sampling; /* the next read of counters */
    int64_t env_id;
    const char *name;
    struct node *nodes; /* by node_id */
    int n_nodes;
    struct target *targets; /* by target_id */
    int n_targets;
    const char *policy_text;        /* JSON */
    struct shared_policy *policies; /* that are in use here, by the targets' own part */
    int n_repairs;                  /* sum over the targets */
    int64_t last_repair_ms;         /* when one began last; 0: never */
    int *busy; /* indexes of the targets in which something goes on, in no order */
    int n_busy;
    bool has_changed; /* what its targets share did, since env_stir: counts, reachable nodes */
};

struct world {
    struct arena arena; /* the environments */
    struct env *envs;   /* by env_id */
    int n_envs;
    int64_t n_spots;
    int64_t journal_seq; /* newest row that was looked at */
    int64_t command_seq; /* newest command that was looked at */
};

/* Places in the world that something has to be done about; they may be gone when it is done. */
struct mark {
    int64_t env_id, node_id, target_id; /* target_id 0: the node as such */
};
struct marks {
    struct mark *items;
    size_t n, cap;
};

enum flight_kind {
    FLIGHT_OP,
    FLIGHT_LOOK,
    FLIGHT_SCRAPE,
    FLIGHT_HEALTH,
    FLIGHT_QUERY,
    FLIGHT_PROBE,
    FLIGHT_ROUTE,
    FLIGHT_FILES
};
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
    int gate;                 /* FLIGHT_QUERY: its place in the policy */
    struct driver_result result;
    int64_t deadline_ms;
    int64_t asked_ms;           /* FLIGHT_PROBE: which question it answers; FLIGHT_FILES: when */
    const char *adopts;         /* FLIGHT_PROBE: model whose files are to be taken over, or NULL */
    struct route_flight *route; /* FLIGHT_ROUTE */
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
    uint32_t flight_hash[MAX_FLIGHTS]; /* of the key; 0: free, 1: not known yet */
    int n_flights;
    struct closing *closings;
    size_t n_closings, cap_closings;
    struct watch_sample *samples; /* to be stored */
    size_t n_samples, cap_samples;
    struct due_queue plans, looks; /* targets and nodes by the time they are due */
    struct due_queue samplings;    /* environments whose counters are to be read */
    struct marks unwritten;        /* spots and nodes that have to be stored */
    struct marks serving;          /* nodes whose serving list may have changed */
    struct marks judged;           /* targets whose judging has to be stored */
    struct marks windows;          /* targets whose window has a slice to be stored */
    int n_windows;                 /* of spots, at most WINDOWS_MAX */
    struct marks stale;            /* targets that somebody else changed: load them again */
    int64_t read_seq;              /* makes keys of reads unique */
    int64_t now_ms;                /* of this round */
    int64_t due_ms;                /* the next round at the latest */
    int64_t trimmed_ms;            /* old samples and operations were removed */
    atomic_bool is_woken;          /* somebody says that the database changed */
    int64_t noticed_ms;            /* when the database was asked for changes last */
    bool was_doubted;              /* open operations of an earlier process were marked */
    struct limits *limits;         /* freezes, budgets, sets: view_limits.h */
    struct env_routes *routes;     /* of the environments that have routers: routes.h */
    struct completion *inbox;
    struct thread_state *thread;
    bool has_files;        /* what was known of drifted files was dropped */
    int64_t epoch;         /* of this process, sent with each call; 0: not loaded */
    bool is_deposed;       /* another registry leads: most nodes, or the database, say so */
    int64_t deposed_ms;    /* that was logged last */
    int64_t leases_ms;     /* leases were looked at */
    int64_t leases_due_ms; /* and shall be again; INT64_MAX: there are none */
    int64_t grace_ms;      /* since then nodes can renew their leases */
    int64_t held_told_ms;  /* the log said last that nodes are kept beyond them; 0: none are */
};

/* --- nodes.c --- */
/* Reads what the record says of taking the node out. */
void node_set_cordon(struct node *n, const char *cordon);
/* Removes nodes whose lease ended. */
MUST_USE int nodes_expire(struct controller *c, struct err *e);
/* Takes in what a page of metrics, or counters of one target that are not in the spot yet, say
 * about the process behind the node. */
void nodes_see_page(struct controller *c, struct env *env, struct node *n,
                    const struct http_answer *answer);
void nodes_see_counts(struct controller *c, struct env *env, struct node *n,
                      const struct spot *spot, const struct sample *now);
/* True if it is time to read the node's page of metrics for that alone. */
bool nodes_wants_page(const struct controller *c, const struct node *n);
/* True if the process is another one than that in which the target was loaded at loaded_ms. */
bool nodes_has_restarted(const struct node *n, const struct target *t, int64_t loaded_ms);

/* --- leader.c --- */
/* Loads the epoch, or notices that the database has a later one by now. */
MUST_USE int leader_load(struct controller *c, struct db *db, struct err *e);
/* Adds headers that say who commands; strings in a. */
void leader_sign(const struct controller *c, const struct flight *f, struct arena *a,
                 struct http_call *call);
/* A node obeys a registry of that epoch and not this one: it is left alone from here on. */
void leader_refused(struct controller *c, struct node *n, int64_t epoch);
/* True: nothing may be done any more. Sets the next round. */
bool leader_is_deposed(struct controller *c);

/* --- probing.c --- */
/* Begins the looks that people asked for. */
MUST_USE int probing_begin(struct controller *c, struct db *db, struct err *e);
/* Takes in the answer to a call of FLIGHT_PROBE, or (NULL) why there is none. */
void probing_take(struct controller *c, struct flight *f, const struct http_answer *answer,
                  const char *text);
/* Takes in the end of its file job. */
void probing_adopted(struct controller *c, struct flight *f, const struct err *error);

/* --- files.c --- */
/* Compares the files of t on node i with what was placed, if it is time and nothing goes on. */
void files_look(struct controller *c, struct env *env, struct target *t, int i);
/* Takes in the answer to FLIGHT_FILES. */
void files_take(struct controller *c, struct flight *f, const struct err *error);
/* Files of t were switched on node i: what was known is worth nothing. */
void files_switched(struct controller *c, struct env *env, struct target *t, int i);
/* True if something differs that can be put right. */
bool files_have_drifted(const struct spot *spot);

/* --- world.c: finding, counting, waking --- */
void world_free(struct controller *c, struct world *w);
/* Takes everything of an environment or a target out of the queues and frees what it owns. */
void env_clear(struct controller *c, struct env *env);
void target_clear(struct controller *c, struct target *t);
struct env *world_env(struct world *w, int64_t env_id);
/* Index in env->nodes, -1 if there is none. */
int world_node(const struct env *env, int64_t node_id);
struct target *world_target(struct env *env, int64_t target_id);
/* Key of the operation `attempt` of a lane on a node. */
void op_key_make(char key[JOB_KEY_BYTES], const struct target *t, int64_t node_id, int attempt);
/* The two versions of a target that are worth asking about: the wanted one and the other. */
void target_versions(const struct target *t, int64_t *number, int64_t *other);
/* Brings the counts of its nodes and environment up to date after status or spots of t changed:
 * disturbed and lacking nodes, repairs, whether something goes on. */
void target_count(struct env *env, struct target *t);
/* Takes out what target_count added. */
void target_uncount(struct env *env, struct target *t);
/* Plan the target in this round; all (but one, may be NULL) of the environment in which something
 * goes on; the same of all environments. */
void target_wake(struct controller *c, struct target *t);
void env_wake(struct controller *c, struct env *env, const struct target *but);
/* A node became free, or what the targets of the environment share changed: plan those (but one)
 * to whom it matters. */
void env_stir(struct controller *c, struct env *env, const struct target *but);
/* What was seen has to be stored. */
void spot_changed(struct controller *c, const struct env *env, struct target *t, int node);
void node_changed(struct controller *c, struct node *n);
/* What the node serves may have changed. */
void node_serves_changed(struct controller *c, struct node *n);
void marks_add(struct marks *m, int64_t env_id, int64_t node_id, int64_t target_id);
/* Takes out the first n. */
void marks_drop(struct marks *m, size_t n);
void marks_clear(struct marks *m);

/* --- world_load.c --- */
/* Loads everything and carries over from c->world (may be NULL), which it replaces, what only
 * memory knows. On failure nothing has changed. */
MUST_USE int world_load(struct controller *c, struct db *db, struct err *e);
/* Loads one environment again, or one target of it. */
MUST_USE int env_load(struct controller *c, struct db *db, struct env *env, struct err *e);
MUST_USE int target_load(struct controller *c, struct db *db, struct target *t, struct err *e);

/* --- world_target.c: loading of one target --- */
/* Fills *t (zeroed) of env from its row but for what was seen; one that cannot be read is broken,
 * loudly. Names are borrowed from the row. */
MUST_USE int target_fill(struct controller *c, struct db *db, struct env *env,
                         const struct watch_target *row, struct target *t, struct err *e);
/* Has its lane not been planned yet since it is the target's? */
bool target_is_new(const struct target *t);

/* --- world_changes.c --- */
/* Brings the world up to date with the rows of the journal and the commands that are new. */
MUST_USE int world_follow(struct controller *c, struct db *db, struct err *e);

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
struct recording {
    struct target *t;
    const struct plan *plan;
    int *rc; /* outcome; *e is filled if it is not ERR_OK */
    struct err *e;
};
void record_plans(struct controller *c, struct recording *list, int n);
/* Stores closed operations, samples, changed views and health in one transaction, if any. */
MUST_USE int record_seen(struct controller *c, struct err *e);
/* Journals what nodes serve, where it changed; some nodes per round. Lowers c->due_ms while there
 * are more. */
void record_serving(struct controller *c);

/* --- execute.c --- */
/* Carries out one action of a plan that was recorded; failures to submit close the operation. */
void execute_action(struct controller *c, struct env *env, struct target *t,
                    const struct plan_action *action);
/* Looks at nodes that are due. */
void execute_looks(struct controller *c);
/* Submits the present HTTP call of a flight. */
MUST_USE int execute_call(struct controller *c, struct flight *f, const struct node *node,
                          struct err *e);

/* --- sampling.c --- */
/* How often the counters of targets that do not roll out are read, which is also how wide a slice
 * of their window is. */
int64_t sampling_idle_ms(const struct controller *c);
/* Reads the counters of nodes that are due. */
void sampling_looks(struct controller *c);
/* Reads those of one node now, unless that goes on already. */
bool sampling_ask(struct controller *c, struct env *env, int node);
/* Takes in the answer to FLIGHT_SCRAPE, or that there is none. */
void sampling_take(struct controller *c, struct flight *f, const struct http_answer *answer);
void sampling_missed(struct controller *c, struct flight *f, const char *text);

/* --- deciding.c --- */
/* Plans targets that are due, records the plans and carries them out; some per round. Lowers
 * c->due_ms when a rollout ended. */
void decide_due(struct controller *c);

/* --- window_store.c --- */
/* A window is some 200 bytes, and as much for each quantile: 100,000 are 40 MB. */
#define WINDOWS_MAX 100000
/* Something was counted for t: when a slice is complete, it will be stored. */
void window_note(struct controller *c, struct target *t);
/* Stores those of c->windows; runs on the writer. Then notes that; on the controller's thread. */
MUST_USE int windows_put_all(struct controller *c, struct db *db, struct err *e);
void windows_mark_all(struct controller *c);
/* Puts back what an earlier process stored, when c->world was just loaded; the log says what cannot
 * be read. */
void windows_load(struct controller *c, struct db *db);

/* --- collect.c --- */
/* Takes in n completions. */
void collect(struct controller *c, struct completion *list, size_t n);
/* Ends a flight as if it had been answered so (used when a job could not be submitted). */
void collect_failure(struct controller *c, struct flight *f, enum fault fault, const char *text);
/* What became of an operation, to be stored. */
void collect_close(struct controller *c, const char *key, const struct op_view *op);
/* The clock was set forward, or the process slept: nobody worked on the flights meanwhile, or not
 * for so long, and their outcome still comes. */
void collect_wait_longer(struct controller *c, int64_t ms);
/* Gives up flights whose completion never came. */
void collect_overdue(struct controller *c);
struct flight *flight_new(struct controller *c);
void flight_end(struct controller *c, struct flight *f);
/* False: it disturbs nobody, so its node is not busy by it. */
bool flight_is_work(const struct flight *f);

#endif
