/*
 * Histograms from the text of somebody else's process: bounds, counts and labels are checked before
 * anything is believed. Pure; any thread.
 */
#include "histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COUNT 9e15
#define MAX_BOUND_BYTES 39
#define PPM 1e6

/* The bound in the label "le". */
static bool bound_of(const struct prom_sample *s, double *le)
{
    char text[MAX_BOUND_BYTES + 1];
    char *stop;

    for (int i = 0; i < s->n_labels; i++) {
        const struct prom_label *l = &s->labels[i];
        if (l->name_len != 2 || memcmp(l->name, "le", 2) != 0)
            continue;
        if (l->value_len == 0 || l->value_len > MAX_BOUND_BYTES)
            return false;
        memcpy(text, l->value, l->value_len);
        text[l->value_len] = '\0';
        if (strpbrk(text, "xXpP( \t") != NULL)
            return false;
        *le = strtod(text, &stop);
        return *stop == '\0' && !isnan(*le);
    }
    return false;
}

static void put_bucket(struct histogram *h, double le, int64_t n)
{
    int at = 0;
    while (at < h->n_buckets && h->buckets[at].le < le)
        at++;
    struct histogram_bucket *b = &h->buckets[at];
    if (at == h->n_buckets || b->le > le) {
        if (h->n_buckets == HISTOGRAM_MAX_BUCKETS) {
            h->is_odd = true;
            return;
        }
        memmove(b + 1, b, (size_t)(h->n_buckets - at) * sizeof *b);
        *b = (struct histogram_bucket){.le = le};
        h->n_buckets++;
    }
    b->n += n;
    b->n_series++;
    if (b->n > (int64_t)MAX_COUNT)
        h->is_odd = true;
}

/* Every series must have every bound, the last bound must be infinite, counts must rise. */
static void check(struct histogram *h)
{
    const struct histogram_bucket *b = h->buckets;
    if (h->n_buckets == 0 || !isinf(b[h->n_buckets - 1].le))
        h->is_odd = true;
    for (int i = 1; i < h->n_buckets; i++)
        if (b[i].n < b[i - 1].n || b[i].n_series != b[0].n_series)
            h->is_odd = true;
}

static bool is_bucket_of(const struct prom_sample *s, const char *name)
{
    static const char suffix[] = "_bucket";
    size_t n = strlen(name), n_suffix = sizeof suffix - 1;
    return s->name_len == n + n_suffix && memcmp(s->name, name, n) == 0 &&
           memcmp(s->name + n, suffix, n_suffix) == 0;
}

/* A line without a label's value is not ours: most lines of a page of many models need not be read.
 * Values that would be escaped are not looked for. */
static bool may_be_ours(const struct prom *p, const struct histogram_label *labels, size_t n_labels)
{
    const char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    size_t n = (size_t)((end != NULL ? end : p->end) - p->at);
    for (size_t i = 0; i < n_labels; i++) {
        const char *value = labels[i].value;
        if (strpbrk(value, "\\\"\n") == NULL && memmem(p->at, n, value, strlen(value)) == NULL)
            return false;
    }
    return true;
}

bool histogram_collect(const char *text, size_t n, const char *name,
                       const struct histogram_label *labels, size_t n_labels, struct histogram *out)
{
    struct prom p;
    struct prom_sample s;

    memset(out, 0, sizeof *out);
    prom_init(&p, text, n);
    while (!out->is_odd && prom_seek(&p, name)) {
        if (!may_be_ours(&p, labels, n_labels)) {
            const char *end = memchr(p.at, '\n', (size_t)(p.end - p.at));
            p.at = end != NULL ? end + 1 : p.end;
            continue;
        }
        if (!prom_next(&p, &s))
            break;
        bool is_ours = is_bucket_of(&s, name);
        for (size_t i = 0; is_ours && i < n_labels; i++)
            is_ours = prom_has(&s, labels[i].name, labels[i].value);
        if (!is_ours)
            continue;
        double le;
        if (!bound_of(&s, &le) || !(s.value >= 0 && s.value <= MAX_COUNT))
            out->is_odd = true;
        else
            put_bucket(out, le, (int64_t)s.value);
    }
    check(out);
    return !out->is_odd;
}

static bool has_same_bounds(const struct histogram *a, const struct histogram *b)
{
    bool is_same = a->n_buckets == b->n_buckets;
    for (int i = 0; is_same && i < a->n_buckets; i++)
        is_same = a->buckets[i].le <= b->buckets[i].le && a->buckets[i].le >= b->buckets[i].le;
    return is_same;
}

void histogram_add(struct histogram *a, const struct histogram *b)
{
    if (a->n_buckets == 0 && !a->is_odd) {
        *a = *b;
        return;
    }
    a->is_odd = a->is_odd || b->is_odd || !has_same_bounds(a, b);
    for (int i = 0; !a->is_odd && i < a->n_buckets; i++) {
        a->buckets[i].n += b->buckets[i].n;
        a->buckets[i].n_series += b->buckets[i].n_series;
    }
}

void histogram_since(const struct histogram *before, const struct histogram *now,
                     struct histogram *out)
{
    *out = *now;
    if (!has_same_bounds(before, now))
        return;
    for (int i = 0; i < now->n_buckets; i++)
        if (now->buckets[i].n < before->buckets[i].n)
            return;
    for (int i = 0; i < now->n_buckets; i++)
        out->buckets[i].n -= before->buckets[i].n;
    /* The two may not be of one instant: rising again is restored, a request is moved at most. */
    for (int i = 1; i < out->n_buckets; i++)
        if (out->buckets[i].n < out->buckets[i - 1].n)
            out->buckets[i].n = out->buckets[i - 1].n;
}

/* The quantile's value, as if requests were spread evenly in their bucket. */
static bool quantile(const struct histogram *h, int64_t q_ppm, double *out)
{
    int last = h->n_buckets - 1;
    if (h->is_odd || last < 1 || h->buckets[last].n <= 0)
        return false;
    double rank = (double)h->buckets[last].n * (double)q_ppm / PPM;
    int i = 0;
    while (i < last && (double)h->buckets[i].n < rank)
        i++;
    if (i == last) {
        *out = h->buckets[last - 1].le;
        return true;
    }
    double low = i > 0 ? h->buckets[i - 1].le : 0;
    double n_low = i > 0 ? (double)h->buckets[i - 1].n : 0;
    double n = (double)h->buckets[i].n - n_low;
    double part = n > 0 ? (rank - n_low) / n : 1;
    *out = low + (h->buckets[i].le - low) * part;
    return true;
}

bool histogram_bound(const struct histogram *h, int64_t q_ppm, double *le)
{
    double v, best = INFINITY;
    if (!quantile(h, q_ppm, &v))
        return false;
    for (int i = 0; i < h->n_buckets - 1; i++) {
        double bound = h->buckets[i].le;
        if (!(bound > 0))
            continue;
        double far = v > bound ? v / bound : bound / v;
        if (far < best) {
            best = far;
            *le = bound;
        }
    }
    return isfinite(best);
}

bool histogram_split(const struct histogram *h, double le, int64_t *n_total, int64_t *n_good)
{
    for (int i = 0; !h->is_odd && i < h->n_buckets; i++)
        if (h->buckets[i].le <= le && h->buckets[i].le >= le) {
            *n_total = h->buckets[h->n_buckets - 1].n;
            *n_good = h->buckets[i].n;
            return true;
        }
    return false;
}
