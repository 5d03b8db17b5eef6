/* The reference serving node: a small stand-in for MLServer that the tests and the demo can run
 * anywhere. It speaks the same v2 calls with the behaviour that docs/mlserver.md describes, reads
 * the same version folders and can be told to misbehave. It is not part of the product and knows
 * nothing of mreg.
 *
 * Threads: civetweb's workers run the routes; node->lock guards everything below it and is never
 * held while a file is read or a pause is taken; node->load_lock makes loads and unloads follow one
 * another. */
#ifndef REFNODE_H
#define REFNODE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

#define RN_NAME_MAX 128
#define RN_PATH_MAX 1024

/* What to do wrong. Guarded by node->lock. */
struct rn_faults {
    long load_delay_ms;
    long latency_ms;
    double error_rate;
    double error_owed;         /* the part of an error that has built up: at 1 a request fails */
    long crash_after_requests; /* 0: never */
    bool wrong_answers;
    bool busy_loading; /* predictions are refused while something is loaded */
    bool keeps_others; /* a load leaves versions alone that are loaded already, as Triton does */
    bool lie_ready;    /* loads report success and every version says it is ready */
    bool metrics_off;
    bool model_buckets;          /* durations per model have buckets, which MLServer's have not */
    char fail_load[RN_NAME_MAX]; /* glob over "name/version", empty: none */
    char only_version[RN_NAME_MAX]; /* error_rate, latency_ms, wrong_answers only for it */
};

enum rn_kind { RN_LINEAR, RN_LOGISTIC };

struct rn_model {
    int refs; /* guarded by node->lock */
    enum rn_kind kind;
    size_t n_features;
    size_t n_outputs;
    double *coef; /* n_outputs rows of n_features */
    double *intercept;
    bool raise;
    double error_rate;
    double error_owed; /* guarded by node->lock */
    long latency_ms;
};

struct rn_version {
    struct rn_version *next;
    char name[RN_NAME_MAX];
    char version[RN_NAME_MAX];
    bool ready;
    struct rn_model *model; /* NULL while loading */
};

/* One readable model-settings.json. */
struct rn_settings {
    struct rn_settings *next;
    char name[RN_NAME_MAX];
    char version[RN_NAME_MAX];
    char file[RN_PATH_MAX]; /* the model file, resolved */
};

#define RN_N_BUCKETS 15

struct rn_series {
    struct rn_series *next;
    char model[RN_NAME_MAX];
    char version[RN_NAME_MAX]; /* as in the request's URL, or "None" */
    unsigned long long n_ok;
    unsigned long long n_failed;
    unsigned long long buckets[RN_N_BUCKETS];
    double sum_s;
};

struct rn_rest {
    struct rn_rest *next;
    char method[8];
    char path[96];
    int status;
    unsigned long long n;
    unsigned long long buckets[RN_N_BUCKETS];
    double sum_s;
};

#define RN_N_LEADERS 8

struct rn_leader {
    char registry[64]; /* empty: free */
    long long epoch;
};

struct rn_node {
    char root[RN_PATH_MAX];
    pthread_mutex_t lock;
    pthread_mutex_t load_lock;
    pthread_cond_t wake;
    bool stopping;
    size_t n_running;                 /* requests being answered */
    size_t n_loading;                 /* versions that are being loaded */
    unsigned long long n_during_load; /* predictions that came meanwhile */
    struct rn_faults faults;
    struct rn_version *versions;
    struct rn_series *series;
    struct rn_rest *rest;
    struct rn_leader leaders[RN_N_LEADERS];
    double started; /* wall clock, seconds */
};

/* A reply being made; body is owned and freed by rn_reply_clear. */
struct rn_reply {
    int status;
    const char *type;
    char *body;
};

/* refnode_reply.c */
void *rn_alloc(size_t n, size_t size);
char *rn_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rn_reply_clear(struct rn_reply *reply);
void rn_reply_json(struct rn_reply *reply, int status, json_t *value); /* takes value */
void rn_reply_text(struct rn_reply *reply, int status, char *text);    /* takes text */
void rn_reply_error(struct rn_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 500 with several lines of text, the last one being "ValueError: ...", as an exception looks. */
void rn_reply_raise(struct rn_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void rn_reply_detail(struct rn_reply *reply, int status, const char *detail);

/* refnode_faults.c; the setters return false and leave *why when a member has a wrong type. */
bool rn_faults_merge(struct rn_faults *faults, const json_t *object, const char **why);
bool rn_faults_read(struct rn_faults *faults, const char *path, const char **why);
json_t *rn_faults_show(const struct rn_faults *faults);
/* True each time a whole error is owed: 0.1 fails every tenth call. */
bool rn_error_due(double rate, double *owed);
/* Waits ms or until the node stops. */
void rn_pause(struct rn_node *node, long ms);

/* refnode_scan.c */
struct rn_settings *rn_scan(const char *root);
void rn_settings_free(struct rn_settings *list);

/* refnode_model.c */
struct rn_model *rn_model_read(const char *path, char **why); /* NULL: *why is owned */
void rn_model_free(struct rn_model *model);
/* Scores of one row: n_outputs values of Xw+b. */
void rn_model_scores(const struct rn_model *model, const double *row, double *scores);
size_t rn_model_n_classes(const struct rn_model *model);
void rn_model_probabilities(const struct rn_model *model, const double *scores, double *out);

/* refnode_registry.c */
void rn_load(struct rn_node *node, const char *name, struct rn_reply *reply);
bool rn_load_all(struct rn_node *node, struct rn_reply *reply);
void rn_unload(struct rn_node *node, const char *name, struct rn_reply *reply);
void rn_index(struct rn_node *node, bool only_ready, struct rn_reply *reply);
/* version NULL: the default one. With the lock held. */
struct rn_version *rn_find(struct rn_node *node, const char *name, const char *version);
void rn_not_found(struct rn_reply *reply, const char *name, const char *version);
struct rn_model *rn_model_ref(struct rn_model *model);
void rn_model_unref(struct rn_node *node, struct rn_model *model); /* takes the lock */

/* refnode_epoch.c: false, with the reply, if the caller was overtaken by a later epoch; registry
 * and epoch are headers or NULL. */
bool rn_obeys(struct rn_node *node, const char *registry, const char *epoch,
              struct rn_reply *reply);

/* refnode_infer.c */
void rn_infer(struct rn_node *node, const char *name, const char *version, const char *body,
              struct rn_reply *reply);

/* refnode_metrics.c */
void rn_count_infer(struct rn_node *node, const char *name, const char *version, int status,
                    double seconds);
void rn_count_rest(struct rn_node *node, const char *method, const char *path, int status,
                   double seconds);
char *rn_metrics(struct rn_node *node);

/* refnode_routes.c: path is decoded; body is "" when there is none. *pattern is the path for the
 * counters. */
void rn_route(struct rn_node *node, const char *method, const char *path, const char *body,
              struct rn_reply *reply, const char **pattern);

#endif
