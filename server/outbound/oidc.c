/*
 * The thread that asks the OpenID Connect issuer, and the callers that wait for it. A caller that
 * has waited long enough leaves; its job is freed by the thread when the wire gives it up. Must not
 * know HTTP handlers or users. oidc_begin and oidc_finish: any thread.
 */
#include "oidc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "oidc_inner.h"
#include "seal.h"
#include "thread.h"

#define IDLE_MS 60000
#define SECRET_MAX 1024
#define GRACE_MS 500 /* between the calls' deadline and the caller's */

/* --- making ----------------------------------------------------------------------------------- */

int oidc_secret(const struct oidc *o, struct arena *a, char **out, struct err *e)
{
    char text[SECRET_MAX + 2];
    *out = arena_strdup(a, "");
    if (!o->secret_file[0])
        return 0;
    FILE *f = fopen(o->secret_file, "re");
    if (!f)
        return err_set(e, ERR_INVALID, "oidc.client-secret-file %.200s: %s", o->secret_file,
                       strerror(errno));
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    bool is_fine = n > 0 && n <= SECRET_MAX && strlen(text) == n;
    if (is_fine)
        *out = arena_strdup(a, text);
    explicit_bzero(text, sizeof text);
    return is_fine ? 0
                   : err_set(e, ERR_INVALID, "oidc.client-secret-file %.200s holds no secret",
                             o->secret_file);
}

static int check(const struct oidc *o, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char *secret = NULL;
    if (!openid_url_ok(o->issuer) || strchr(o->issuer, '?'))
        return err_set(e, ERR_INVALID,
                       "oidc.issuer must be an https address (http only on this machine)");
    if (!o->client_id[0])
        return err_set(e, ERR_INVALID, "oidc.issuer needs oidc.client-id");
    if (!o->claim[0])
        return err_set(e, ERR_INVALID, "oidc.claim is empty");
    int rc = oidc_secret(o, &a, &secret, e);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    return rc;
}

int oidc_new(const struct oidc_options *options, struct oidc **out, struct err *e)
{
    struct oidc *o = mem_alloc(sizeof *o);
    o->issuer = mem_strdup(options->issuer);
    o->client_id = mem_strdup(options->client_id);
    o->secret_file = mem_strdup(options->secret_file);
    o->claim = mem_strdup(options->claim);
    pthread_mutex_init(&o->lock, NULL);
    thread_cond_init(&o->done);
    int rc = check(o, e);
    if (rc) {
        oidc_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    oidc_stop(o);
    wire_free(o->wire);
    json_decref(o->keys);
    arena_clear(&o->said_arena);
    pthread_cond_destroy(&o->done);
    pthread_mutex_destroy(&o->lock);
    free(o->issuer);
    free(o->client_id);
    free(o->secret_file);
    free(o->claim);
    free(o);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void job_free(struct oidc_job *j)
{
    jwt_clear(&j->id_token);
    arena_clear(&j->arena);
    explicit_bzero(&j->ticket, sizeof j->ticket);
    free(j);
}

void oidc_end(struct oidc *o, struct oidc_job *j, int rc)
{
    struct oidc_job **at = &o->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    pthread_mutex_lock(&o->lock);
    j->rc = rc;
    j->is_done = true;
    bool is_abandoned = j->is_abandoned;
    o->n_waiting -= is_abandoned; /* its place was kept until now */
    pthread_cond_broadcast(&o->done);
    pthread_mutex_unlock(&o->lock);
    if (is_abandoned)
        job_free(j);
}

/* New jobs, in any order; false: time to stop. */
static bool take_jobs(struct oidc *o)
{
    pthread_mutex_lock(&o->lock);
    bool must_stop = o->must_stop;
    struct oidc_job *j = o->queue;
    o->queue = NULL;
    pthread_mutex_unlock(&o->lock);
    while (j) {
        struct oidc_job *next = j->next;
        j->next = o->jobs;
        o->jobs = j;
        if (!must_stop)
            oidc_job_start(o, j);
        j = next;
    }
    return !must_stop;
}

static void *run(void *ctx)
{
    struct oidc *o = ctx;
    struct http_answer answer;
    void *tag = NULL;
    while (take_jobs(o)) {
        while (wire_take(o->wire, &tag, &answer)) {
            struct oidc_job *j = tag;
            j->on_answer(o, j, &answer);
            if (answer.body)
                explicit_bzero(answer.body, answer.body_len);
            http_answer_clear(&answer);
        }
        wire_wait(o->wire, IDLE_MS);
    }
    while (o->jobs)
        oidc_end(o, o->jobs, err_set(&o->jobs->err, ERR_UNAVAILABLE, "the server is stopping"));
    return NULL;
}

int oidc_start(struct oidc *o, struct err *e)
{
    int rc = wire_new(&o->wire, e);
    if (!rc)
        rc = thread_start(&o->thread, run, o, "logins", e);
    if (rc)
        return rc;
    pthread_mutex_lock(&o->lock);
    o->is_running = true;
    pthread_mutex_unlock(&o->lock);
    return 0;
}

void oidc_stop(struct oidc *o)
{
    pthread_mutex_lock(&o->lock);
    bool was_running = o->is_running;
    o->is_running = false;
    o->must_stop = true;
    pthread_mutex_unlock(&o->lock);
    if (!was_running)
        return;
    wire_wake(o->wire);
    pthread_join(o->thread, NULL);
}

/* --- callers ---------------------------------------------------------------------------------- */

static struct oidc_job *new_job(const struct oidc_return *r)
{
    struct oidc_job *j = mem_alloc(sizeof *j);
    j->ticket = *r->ticket;
    j->redirect = arena_strdup(&j->arena, r->redirect);
    j->code = arena_strdup(&j->arena, r->code);
    j->issuer = arena_strdup(&j->arena, r->issuer);
    j->until_ms = clock_now_ms() + OIDC_WAIT_MS - GRACE_MS;
    return j;
}

static void wait_for(struct oidc *o, struct oidc_job *j)
{
    struct timespec t = clock_in(OIDC_WAIT_MS);
    int rc = 0;
    while (!j->is_done && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&o->done, &o->lock, &t);
}

/* Lets the thread do the job. The job is the caller's afterwards, unless *out is NULL. */
static int do_job(struct oidc *o, const struct oidc_return *r, struct oidc_job **out, struct err *e)
{
    int rc = 0;
    *out = NULL;
    pthread_mutex_lock(&o->lock);
    if (!o->is_running || o->n_waiting >= OIDC_MAX_WAITING) {
        rc = err_set(e, ERR_UNAVAILABLE, "too many people log in at the moment");
        pthread_mutex_unlock(&o->lock);
        return rc;
    }
    struct oidc_job *j = new_job(r);
    j->next = o->queue;
    o->queue = j;
    o->n_waiting++;
    wire_wake(o->wire);
    wait_for(o, j);
    if (j->is_done) {
        o->n_waiting--;
        *out = j;
    } else {
        j->is_abandoned = true;
        rc = err_set(e, ERR_UNAVAILABLE, "the issuer took too long");
    }
    pthread_mutex_unlock(&o->lock);
    if (*out && j->rc) {
        rc = j->rc;
        *e = j->err;
    }
    return rc;
}

/* False when this ticket has come back before. The oldest is forgotten when there are too many: the
 * issuer's code serves once, too. */
static bool use_ticket(struct oidc *o, const struct openid_ticket *t)
{
    bool is_new = true;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < OIDC_MAX_USED && is_new; i++)
        is_new = o->used[i].expires_ms != t->expires_ms || strcmp(o->used[i].state, t->state) != 0;
    if (is_new) {
        struct oidc_used *u = &o->used[o->next_used++ % OIDC_MAX_USED];
        u->expires_ms = t->expires_ms;
        memcpy(u->state, t->state, sizeof u->state);
    }
    pthread_mutex_unlock(&o->lock);
    return is_new;
}

int oidc_begin(struct oidc *o, const struct oidc_return *r, struct arena *a, char **url,
               struct err *e)
{
    struct oidc_job *j = NULL;
    int rc = do_job(o, r, &j, e);
    if (!rc)
        *url = arena_strdup(a, j->url);
    if (j)
        job_free(j);
    return rc;
}

int oidc_finish(struct oidc *o, const struct oidc_return *r, struct oidc_person *out, struct err *e)
{
    struct oidc_job *j = NULL;
    if (!use_ticket(o, r->ticket))
        return err_set(e, ERR_REFUSED, "this login has been finished before");
    int rc = do_job(o, r, &j, e);
    if (!rc)
        *out = j->person;
    if (j)
        job_free(j);
    return rc;
}
