/*
 * Documents of rollouts and targets inside a transaction. Must not know why they change. On the
 * writer, or wherever the connection is used.
 */
#include "fleet_doc.h"

#include <string.h>

#include "db_limits.h"
#include "db_rollout.h"
#include "when.h"

#define DOC_MAX_BYTES ((size_t)4 << 20)

/* "freeze,budget" as a list. */
static json_t *split(const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return list;
}

static void add_more(json_t *doc, const struct rollout_more *more)
{
    if (more->overrides[0] != '\0')
        json_object_set_new(doc, "overrides", split(more->overrides));
    if (more->set_id != NULL)
        json_object_set_new(doc, "set", json_string(more->set_id));
    if (more->is_hotfix)
        json_object_set_new(doc, "hotfix", json_true());
    if (more->fault != NULL)
        json_object_set_new(doc, "fault", json_string(more->fault));
    if (more->in_flight != NULL)
        json_object_set_new(doc, "in_flight", json_loads(more->in_flight, 0, NULL));
}

int fleet_doc_rollout(struct db *db, const struct rollout_record *r,
                      const struct rollout_status *status, struct arena *a, json_t **out,
                      struct err *e)
{
    struct rollout_more more;
    int rc = db_rollout_more(db, r->id, a, &more, e);

    if (rc == ERR_OK)
        rc = rollout_document(r, status, out, e);
    if (rc == ERR_OK)
        add_more(*out, &more);
    return rc;
}

/* --- targets ---------------------------------------------------------------------------------- */

static int add_queue(struct db *db, const struct target_brief *t, struct arena *a, json_t *doc,
                     struct err *e)
{
    struct queue_item *items = NULL;
    json_t *list;
    size_t n = 0;
    int rc = db_queue_list(db, t->target_id, a, &items, &n, e);

    json_object_del(doc, "queue");
    if (rc != ERR_OK || n == 0)
        return rc;
    list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(items[i].id));
    json_object_set_new(doc, "queue", list);
    return ERR_OK;
}

static int add_quarantine(struct db *db, const struct target_brief *t, struct arena *a, json_t *doc,
                          struct err *e)
{
    struct quarantine_row *rows = NULL;
    json_t *list;
    size_t n = 0;
    char when[WHEN_TEXT_BYTES];
    int rc = db_quarantine_list(db, t->env_id, t->target_id, a, &rows, &n, e);

    json_object_del(doc, "quarantine");
    if (rc != ERR_OK || n == 0)
        return rc;
    list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s}", "version",
                                              (json_int_t)rows[i].number, "rollout",
                                              rows[i].rollout, "cause", rows[i].cause, "since",
                                              when_format(rows[i].since_ms, when)));
    json_object_set_new(doc, "quarantine", list);
    return ERR_OK;
}

/* What is stored of it: whoever made it knows the rest, its policy for one. */
static int load_stored(struct db *db, const struct target_brief *t, struct arena *a, json_t **out,
                       struct err *e)
{
    const char *bytes = NULL;
    size_t n = 0;
    struct err none;
    int rc = journal_doc_at(db, journal_path_target(a, t->env, t->model), INT64_MAX, a, &bytes, &n,
                            &none);

    if (rc == ERR_NOT_FOUND) {
        *out = json_pack("{s:s, s:i}", "kind", "mreg.target", "schema", 1);
        return ERR_OK;
    }
    if (rc != ERR_OK) {
        *e = none;
        return rc;
    }
    return json_parse(bytes, n, JSON_MAX_DEPTH, out, e);
}

static void set_number(json_t *doc, const char *key, int64_t v)
{
    if (v != 0)
        json_object_set_new(doc, key, json_integer(v));
    else
        json_object_del(doc, key);
}

int fleet_doc_target(struct db *db, int64_t target_id, struct arena *a, const char **env,
                     const char **model, json_t **out, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct target_brief t;
    int rc = db_target_brief(db, target_id, a, &t, e);

    if (rc == ERR_OK)
        rc = load_stored(db, &t, a, &doc, e);
    if (rc != ERR_OK)
        return rc;
    json_object_set_new(doc, "model", json_string(t.model));
    json_object_set_new(doc, "environment", json_string(t.env));
    json_object_set_new(doc, "serve_as", json_string(t.serve_as));
    set_number(doc, "live", t.live);
    set_number(doc, "last_good", t.last_good);
    if ((rc = add_queue(db, &t, a, doc, e)) != ERR_OK ||
        (rc = add_quarantine(db, &t, a, doc, e)) != ERR_OK)
        return rc;
    *env = t.env;
    *model = t.model;
    *out = json_incref(doc);
    return ERR_OK;
}

int fleet_doc_add(struct doc_list *list, struct arena *a, const char *path, const json_t *j,
                  struct err *e)
{
    struct buf b CLEANUP(buf_clear);
    int rc;

    buf_init(&b, DOC_MAX_BYTES);
    if (list->n == list->max)
        return err_set(e, ERR_INTERNAL, "too many documents in one row");
    if ((rc = json_canonical(j, &b, e)) != ERR_OK)
        return rc;
    list->docs[list->n++] =
        (struct journal_doc){.path = path, .bytes = arena_copy(a, b.data, b.len), .n = b.len};
    return ERR_OK;
}
