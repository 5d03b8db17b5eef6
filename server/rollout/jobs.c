/*
 * The real `struct io`. HTTP jobs go to wire on the controller's thread; file jobs to two threads
 * with 1 MiB of stack that take them in order, but never two of one root at once; short exchanges
 * with local services have two more threads, so that no large file holds them up. Knows nothing
 * about what the jobs are for.
 */
#include "jobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lines.h"
#include "place.h"
#include "reload.h"
#include "thread.h"
#include "wire.h"

#define N_FILE_THREADS 2
#define N_THREADS 4

/* A job with its own copies of everything. */
struct item {
    struct item *next;
    char key[JOB_KEY_BYTES];
    enum job_kind kind;
    struct file_job file;
    int64_t *keep;
    char *root, *serve_as, *model; /* root: what only one thread may work on at a time */
    struct lines_call lines;
    struct reload_job reload;
    char *texts[4]; /* what lines and reload point at */
    int64_t deadline_ms;
    struct http_answer answer;
    struct err error;
};

struct items {
    struct item *first, *last;
};

struct jobs {
    struct io io;
    struct place place;
    struct wire *wire;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct items queued, done;        /* under lock */
    const char *busy_root[N_THREADS]; /* under lock */
    bool is_closing;                  /* under lock */
    atomic_bool stops;
    pthread_t threads[N_THREADS];
    int n_threads;
};

struct worker {
    struct jobs *jobs;
    int index;
};

static int64_t even_ms(void *self)
{
    (void)self;
    return clock_now_ms();
}

static void items_put(struct items *l, struct item *i)
{
    i->next = NULL;
    if (l->last != NULL)
        l->last->next = i;
    else
        l->first = i;
    l->last = i;
}

static struct item *items_take(struct items *l, struct item *before)
{
    struct item *i = before != NULL ? before->next : l->first;

    if (i == NULL)
        return NULL;
    if (before != NULL)
        before->next = i->next;
    else
        l->first = i->next;
    if (l->last == i)
        l->last = before;
    return i;
}

static bool is_short(enum job_kind kind)
{
    return kind == JOB_LINES || kind == JOB_RELOAD;
}

static void copy_short(struct item *i, const struct job *job)
{
    if (job->kind == JOB_LINES) {
        i->lines = job->lines;
        i->root = mem_strdup(job->lines.address);
        i->lines.address = i->root;
        i->lines.text = i->texts[0] = mem_strdup(job->lines.text);
        return;
    }
    i->reload.file = i->root = mem_strdup(job->reload.file);
    i->reload.pid_file = i->texts[0] = mem_strdup(job->reload.pid_file);
    i->reload.text = i->texts[1] = mem_strdup(job->reload.text);
    i->reload.service = i->texts[2] = mem_strdup(job->reload.service);
}

static struct item *item_new(const struct job *job)
{
    struct item *i = mem_alloc(sizeof(*i));

    memcpy(i->key, job->key, sizeof(i->key));
    i->key[sizeof(i->key) - 1] = '\0';
    i->kind = job->kind;
    i->deadline_ms = job->deadline_ms;
    if (is_short(job->kind))
        copy_short(i, job);
    if (job->kind == JOB_HTTP || is_short(job->kind))
        return i;
    i->root = mem_strdup(job->file.root);
    i->serve_as = mem_strdup(job->file.serve_as);
    i->model = mem_strdup(job->file.model);
    i->keep = mem_alloc(job->file.n_keep * sizeof(*i->keep));
    if (job->file.n_keep > 0)
        memcpy(i->keep, job->file.keep, job->file.n_keep * sizeof(*i->keep));
    i->file = (struct file_job){.root = i->root,
                                .serve_as = i->serve_as,
                                .model = i->model,
                                .number = job->file.number,
                                .keep = i->keep,
                                .n_keep = job->file.n_keep};
    return i;
}

static void item_free(struct item *i)
{
    free(i->root);
    free(i->serve_as);
    free(i->model);
    free(i->keep);
    for (size_t k = 0; k < ARRAY_LEN(i->texts); k++)
        free(i->texts[k]);
    http_answer_clear(&i->answer);
    free(i);
}

/* --- file threads ----------------------------------------------------------------------------- */

static bool is_busy(const struct jobs *j, const char *root)
{
    for (int i = 0; i < N_THREADS; i++)
        if (j->busy_root[i] != NULL && strcmp(j->busy_root[i], root) == 0)
            return true;
    return false;
}

/* First queued job for such a thread whose root nobody works on. Under lock. */
static struct item *pick(struct jobs *j, bool takes_short)
{
    struct item *before = NULL;

    for (struct item *i = j->queued.first; i != NULL; before = i, i = i->next)
        if (is_short(i->kind) == takes_short && !is_busy(j, i->root))
            return items_take(&j->queued, before);
    return NULL;
}

static void run_item(struct jobs *j, struct item *i)
{
    int rc = ERR_OK;

    if (i->kind == JOB_LINES)
        lines_run(&i->lines, i->deadline_ms, &j->stops, &i->answer);
    else if (i->kind == JOB_RELOAD)
        rc = reload_run(&i->reload, &i->answer, &i->error);
    else
        rc = place_run(&j->place, i->kind, &i->file, i->deadline_ms, &i->error);
    if (rc == ERR_OK)
        memset(&i->error, 0, sizeof(i->error));
    i->error.code = (enum err_code)rc;
}

static void *work(void *arg)
{
    struct worker me = *(struct worker *)arg;
    struct jobs *j = me.jobs;
    struct item *i;

    free(arg);
    pthread_mutex_lock(&j->lock);
    while (!j->is_closing) {
        i = pick(j, me.index >= N_FILE_THREADS);
        if (i == NULL) {
            pthread_cond_wait(&j->changed, &j->lock);
            continue;
        }
        j->busy_root[me.index] = i->root;
        pthread_mutex_unlock(&j->lock);
        run_item(j, i);
        pthread_mutex_lock(&j->lock);
        j->busy_root[me.index] = NULL;
        items_put(&j->done, i);
        pthread_cond_broadcast(&j->changed);
        wire_wake(j->wire);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

/* --- struct io -------------------------------------------------------------------------------- */

static int jobs_submit(void *self, const struct job *job, struct err *e)
{
    struct jobs *j = self;
    struct item *i = item_new(job);
    int rc;

    if (job->kind == JOB_HTTP) {
        rc = wire_submit(j->wire, &job->call, i, job->deadline_ms, e);
        if (rc != ERR_OK)
            item_free(i);
        return rc;
    }
    bool is_whole = is_short(i->kind) || (i->serve_as != NULL && i->model != NULL);
    if (i->root == NULL || !is_whole) {
        item_free(i);
        return err_set(e, ERR_INVALID, "a file job without root, served name or model");
    }
    pthread_mutex_lock(&j->lock);
    items_put(&j->queued, i);
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    return ERR_OK;
}

static void complete(struct completion *out, struct item *i)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->key, i->key, sizeof(out->key));
    out->kind = i->kind;
    out->error = i->error;
    out->answer = i->answer;
    i->answer = (struct http_answer){0};
    item_free(i);
}

static size_t take_finished(struct jobs *j, struct completion *out, size_t max)
{
    struct http_answer answer;
    struct item *i;
    size_t n = 0;
    void *tag;

    pthread_mutex_lock(&j->lock);
    while (n < max && (i = items_take(&j->done, NULL)) != NULL)
        complete(&out[n++], i);
    pthread_mutex_unlock(&j->lock);
    while (n < max && wire_take(j->wire, &tag, &answer)) {
        complete(&out[n], tag);
        out[n++].answer = answer;
    }
    return n;
}

static size_t jobs_poll(void *self, int64_t until_ms, struct completion *out, size_t max)
{
    struct jobs *j = self;
    size_t n = take_finished(j, out, max);

    /* Calls move on also when others have finished. */
    wire_wait(j->wire, n > 0 ? 0 : until_ms - even_ms(NULL));
    return n > 0 ? n : take_finished(j, out, max);
}

static void jobs_wake(void *self)
{
    struct jobs *j = self;

    wire_wake(j->wire);
}

/* --- life ------------------------------------------------------------------------------------- */

static int start_thread(struct jobs *j, struct err *e)
{
    struct worker *w = mem_alloc(sizeof(*w));
    int rc;

    w->jobs = j;
    w->index = j->n_threads;
    rc = thread_start(&j->threads[j->n_threads], work, w, "file jobs", e);
    if (rc != ERR_OK) {
        free(w);
        return rc;
    }
    j->n_threads++;
    return ERR_OK;
}

int jobs_new(const struct jobs_options *options, struct jobs **out, struct err *e)
{
    struct jobs *j = mem_alloc(sizeof(*j));
    int rc;

    j->io = (struct io){
        .self = j, .now_ms = even_ms, .submit = jobs_submit, .poll = jobs_poll, .wake = jobs_wake};
    j->place = (struct place){.store = options->store,
                              .blobs = options->blobs,
                              .registry_id = options->registry_id,
                              .stops = &j->stops,
                              .now_ms = even_ms};
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    rc = wire_new(&j->wire, e);
    for (int i = 0; i < N_THREADS && rc == ERR_OK; i++)
        rc = start_thread(j, e);
    if (rc != ERR_OK) {
        jobs_free(j);
        return rc;
    }
    *out = j;
    return ERR_OK;
}

void jobs_free(struct jobs *j)
{
    struct http_answer answer;
    struct item *i;
    void *tag;

    if (j == NULL)
        return;
    atomic_store(&j->stops, true);
    pthread_mutex_lock(&j->lock);
    j->is_closing = true;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    for (int k = 0; k < j->n_threads; k++)
        pthread_join(j->threads[k], NULL);
    while ((i = items_take(&j->queued, NULL)) != NULL || (i = items_take(&j->done, NULL)) != NULL)
        item_free(i);
    if (j->wire != NULL)
        wire_stop(j->wire);
    while (j->wire != NULL && wire_take(j->wire, &tag, &answer)) {
        http_answer_clear(&answer);
        item_free(tag);
    }
    wire_free(j->wire);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

struct io *jobs_io(struct jobs *j)
{
    return &j->io;
}
