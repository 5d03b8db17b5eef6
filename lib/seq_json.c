/*
 * The stored form of the sequential judge's state. Doubles are hex floats in strings: reading gives
 * the same bits as were written, and a reader of another locale or rounding cannot change them.
 * Pure; any thread.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "jsonw.h"
#include "sequential.h"

#define MOST 1e300
#define MAX_NUMBER_BYTES 40

static void write_list(struct jsonw *w, const char *key, const double *v, size_t n)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < n; i++)
        jsonw_strf(w, NULL, "%a", v[i]);
    jsonw_end(w);
}

static void write_counts(struct jsonw *w, const char *key, const struct seq_interval *in)
{
    jsonw_array(w, key);
    jsonw_int(w, NULL, in->n_canary);
    jsonw_int(w, NULL, in->bad_canary);
    jsonw_int(w, NULL, in->n_base);
    jsonw_int(w, NULL, in->bad_base);
    jsonw_end(w);
}

void seq_write(const struct seq_state *st, struct buf *out)
{
    struct jsonw w;
    const double prior[2] = {st->prior.phi, st->prior.widen};

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    write_list(&w, "prior", prior, 2);
    jsonw_bool(&w, "is_false", st->prior.is_false);
    write_list(&w, "fail_rel", st->fail_rel, SEQ_GRID);
    write_list(&w, "fail_floor", st->fail_floor, SEQ_GRID);
    write_list(&w, "pass_max", st->pass_max, SEQ_GRID);
    write_list(&w, "pass_rel", st->pass_rel, SEQ_GRID);
    write_counts(&w, "carry", &st->carry);
    write_counts(&w, "sum", &st->sum);
    jsonw_int(&w, "n_intervals", st->n_intervals);
    jsonw_bool(&w, "has_failed", st->has_failed);
    jsonw_end(&w);
}

/* Exactly what "%a" gives: no blanks, no other spellings, no infinities. */
static bool read_double(const json_t *j, double *out)
{
    const char *text = json_string_value(j);
    char *stop;

    if (text == NULL || text[strspn(text, "0123456789abcdefpx+-.")] != '\0' ||
        strlen(text) > MAX_NUMBER_BYTES || strchr(text, 'x') == NULL)
        return false;
    *out = strtod(text, &stop);
    return stop != text && *stop == '\0' && isfinite(*out) && fabs(*out) < MOST;
}

static int read_list(const json_t *obj, const char *key, double *v, size_t n, struct err *e)
{
    json_t *list;
    int rc = json_get_array(obj, "", key, n, &list, e);
    if (rc != ERR_OK)
        return rc;
    bool is_good = json_array_size(list) == n;
    for (size_t i = 0; is_good && i < n; i++)
        is_good = read_double(json_array_get(list, i), &v[i]);
    if (!is_good)
        rc = err_set(e, ERR_INVALID, "must be %zu hex floats", n);
    return json_blame(rc, "", key, e);
}

static int read_counts(const json_t *obj, const char *key, struct seq_interval *out, struct err *e)
{
    int64_t v[4] = {0};
    json_t *list;
    int rc = json_get_array(obj, "", key, 4, &list, e);
    if (rc != ERR_OK)
        return rc;
    bool is_good = json_array_size(list) == 4;
    for (size_t i = 0; is_good && i < 4; i++) {
        const json_t *one = json_array_get(list, i);
        v[i] = json_integer_value(one);
        is_good = json_is_integer(one) && v[i] >= 0 && v[i] <= JSON_MAX_INT;
    }
    if (!is_good || v[1] > v[0] || v[3] > v[2])
        rc = err_set(e, ERR_INVALID, "must be 4 counts");
    *out = (struct seq_interval){v[0], v[1], v[2], v[3]};
    return json_blame(rc, "", key, e);
}

static int read_sums(const json_t *j, struct seq_state *out, struct err *e)
{
    int rc = read_list(j, "fail_rel", out->fail_rel, SEQ_GRID, e);
    if (rc == ERR_OK)
        rc = read_list(j, "fail_floor", out->fail_floor, SEQ_GRID, e);
    if (rc == ERR_OK)
        rc = read_list(j, "pass_max", out->pass_max, SEQ_GRID, e);
    if (rc == ERR_OK)
        rc = read_list(j, "pass_rel", out->pass_rel, SEQ_GRID, e);
    return rc;
}

static int read_rest(const json_t *j, struct seq_state *out, struct err *e)
{
    int rc = json_opt_bool(j, "", "is_false", &out->prior.is_false, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(j, "", "has_failed", &out->has_failed, e);
    if (rc == ERR_OK)
        rc = read_counts(j, "carry", &out->carry, e);
    if (rc == ERR_OK)
        rc = read_counts(j, "sum", &out->sum, e);
    if (rc == ERR_OK)
        rc = json_get_int(j, "", "n_intervals", 0, JSON_MAX_INT, &out->n_intervals, e);
    return rc;
}

int seq_read(const char *text, size_t n, struct seq_state *out, struct err *e)
{
    CLEANUP(json_decref_ptr) json_t *j = NULL;
    double prior[2] = {0};
    int rc = json_parse(text, n, 3, &j, e);

    seq_init(out, NULL);
    if (rc == ERR_OK && !json_is_object(j))
        rc = err_set(e, ERR_INVALID, "must be an object");
    if (rc == ERR_OK)
        rc = read_list(j, "prior", prior, 2, e);
    if (rc == ERR_OK &&
        (prior[0] < 1 || prior[0] > SEQ_MAX_PHI || prior[1] < 1 || prior[1] > SEQ_MAX_WIDEN))
        rc = err_at(e, ERR_INVALID, "/prior", "is out of range");
    if (rc != ERR_OK)
        return rc;
    out->prior = (struct seq_prior){.phi = prior[0], .widen = prior[1]};
    rc = read_sums(j, out, e);
    return rc == ERR_OK ? read_rest(j, out, e) : rc;
}
