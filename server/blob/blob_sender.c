/*
 * Senders: the requests that are sending parts of a trail's file. At most one sends a given part at
 * a time, so that what is in the file is what was hashed and recorded. Runs on request threads;
 * everything here is guarded by the trail's lock.
 */
#include "blob_trail.h"

static void unlink_sender(struct trail *t, struct sender *s)
{
    struct sender **link = &t->senders;
    while (*link && *link != s)
        link = &(*link)->next;
    if (*link)
        *link = s->next;
}

static struct sender *find_sender(struct trail *t, int64_t part)
{
    struct sender *s = t->senders;
    while (s && s->part != part)
        s = s->next;
    return s;
}

/* The newest request wins, because the older one is often a dead connection. It is told so before
 * its next write; one that is being recorded is waited for. */
void sender_begin(struct sender *s, struct trail *t, int64_t part, bool *is_received)
{
    struct sender *other;
    *s = (struct sender){.trail = t, .part = part};
    pthread_mutex_lock(&t->lock);
    while ((other = find_sender(t, part)) != NULL) {
        if (other->is_recording || other->is_writing) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        other->is_replaced = true;
        unlink_sender(t, other);
    }
    *is_received = trail_bit(t->received, part);
    if (!*is_received) {
        s->next = t->senders;
        t->senders = s;
    }
    pthread_mutex_unlock(&t->lock);
}

static int sender_claim(struct sender *s, bool *flag, struct err *e)
{
    pthread_mutex_lock(&s->trail->lock);
    bool is_replaced = s->is_replaced;
    *flag = !is_replaced;
    pthread_mutex_unlock(&s->trail->lock);
    if (is_replaced)
        return err_set(e, ERR_CONFLICT, "another request has begun to send this part");
    return ERR_OK;
}

int sender_write_begin(struct sender *s, struct err *e)
{
    return sender_claim(s, &s->is_writing, e);
}

void sender_write_end(struct sender *s)
{
    pthread_mutex_lock(&s->trail->lock);
    s->is_writing = false;
    pthread_cond_broadcast(&s->trail->changed);
    pthread_mutex_unlock(&s->trail->lock);
}

int sender_record_begin(struct sender *s, struct err *e)
{
    return sender_claim(s, &s->is_recording, e);
}

void sender_end(struct sender *s, bool is_recorded)
{
    struct trail *t = s->trail;
    pthread_mutex_lock(&t->lock);
    unlink_sender(t, s);
    if (is_recorded) {
        trail_set_bit(t->received, s->part, true);
        trail_enqueue(t);
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}
