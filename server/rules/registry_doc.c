/*
 * The registry's documents of the history: model.json, annotations.json, aliases/<alias>.json.
 * Their layouts are frozen by the journal's fmt. Must not know HTTP. Runs on the writer thread.
 *
 * model.json: {"created","deleted"?,"description","kind":"mreg.model","name","schema":1,"tags":{}}
 * annotations.json: {"deleted"?,"description","kind":"mreg.annotations","lineage":{},"metrics":{},
 *   "model","params":{},"schema":1,"tags":{},"version"}; lineage, metrics and params hold only what
 *   was set after the push.
 * alias:
 * {"alias","by","environment"?:true,"kind":"mreg.alias","model","schema":1,"since","version"}
 */
#include "registry_inner.h"

#include "when.h"

#define DOC_MAX_BYTES (8u << 20)

json_t *pairs_to_json(const struct pairs *p)
{
    json_t *j = json_object();
    for (size_t i = 0; i < p->n; i++)
        json_object_set_new(j, p->items[i].key, json_string(p->items[i].value));
    return j;
}

int doc_set_add(struct doc_set *set, const char *path, const void *bytes, size_t n, struct err *e)
{
    if (set->n == REGISTRY_MAX_DOCS)
        return err_set(e, ERR_CONFLICT, "too much at once: more than %d documents",
                       REGISTRY_MAX_DOCS);
    set->docs[set->n++] = (struct journal_doc){.path = path, .bytes = bytes, .n = n};
    return ERR_OK;
}

int doc_set_add_json(struct doc_set *set, struct arena *a, const char *path, const json_t *j,
                     struct err *e)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, DOC_MAX_BYTES);
    int rc = json_canonical(j, &b, e);
    if (rc != ERR_OK)
        return rc;
    if (!buf_ok(&b))
        return err_set(e, ERR_TOO_LARGE, "too many annotations");
    return doc_set_add(set, path, arena_copy(a, b.data, b.len), b.len, e);
}

int doc_set_add_model(struct doc_set *set, struct arena *a, const struct model_row *m,
                      struct err *e)
{
    char text[WHEN_TEXT_BYTES];
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:o}", "kind", "mreg.model", "name", m->name,
                  "description", m->description, "created", when_format(m->created_ms, text),
                  "schema", 1, "tags", pairs_to_json(&m->tags));
    if (!j)
        return err_set(e, ERR_INVALID, "the description is not valid text");
    if (m->deleted_ms)
        json_object_set_new(j, "deleted", json_string(when_format(m->deleted_ms, text)));
    return doc_set_add_json(set, a, journal_path_model(a, m->name), j, e);
}

/* Everything that may be said of a version after its push, as the tx sees it. */
static int read_annotations(struct db *db, struct arena *a, struct version_row *v, struct err *e)
{
    static const char *const kinds[] = {"tag", "metric", "param", "lineage"};
    struct pairs *sets[] = {&v->tags, &v->metrics, &v->params, &v->lineage};
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(kinds); i++) {
        struct annotation as = {.model_id = v->model_id,
                                .number = v->number,
                                .kind = kinds[i],
                                .source = i ? "later" : NULL};
        rc = db_annotation_pairs(db, &as, a, sets[i], e);
    }
    return rc;
}

static bool has_annotations(const struct version_row *v)
{
    return *v->description || v->tags.n || v->metrics.n || v->params.n || v->lineage.n ||
           v->deleted_ms;
}

static json_t *annotations_json(const struct version_row *v)
{
    char text[WHEN_TEXT_BYTES];
    json_t *j = json_pack("{s:s, s:s, s:I, s:i, s:s, s:o, s:o, s:o, s:o}", "kind",
                          "mreg.annotations", "model", v->model, "version", (json_int_t)v->number,
                          "schema", 1, "description", v->description, "tags",
                          pairs_to_json(&v->tags), "metrics", pairs_to_json(&v->metrics), "params",
                          pairs_to_json(&v->params), "lineage", pairs_to_json(&v->lineage));
    if (j && v->deleted_ms)
        json_object_set_new(j, "deleted", json_string(when_format(v->deleted_ms, text)));
    return j;
}

int doc_set_add_annotations(struct doc_set *set, struct db *db, struct arena *a,
                            const struct version_row *v, struct err *e)
{
    struct version_row now = *v;
    const char *path = journal_path_version(a, v->model, v->number, "annotations.json");
    const char *before = NULL;
    size_t n = 0;
    int rc = read_annotations(db, a, &now, e);
    if (rc == ERR_OK && !has_annotations(&now)) {
        rc = journal_doc_at(db, path, INT64_MAX, a, &before, &n, e);
        if (rc == ERR_NOT_FOUND)
            return ERR_OK;
    }
    if (rc != ERR_OK)
        return rc;
    json_t *j CLEANUP(json_decref_ptr) = annotations_json(&now);
    if (!j)
        return err_set(e, ERR_INVALID, "the description is not valid text");
    return doc_set_add_json(set, a, path, j, e);
}

/* The row's own sequence number is known before it is written: they have no gaps. */
static int put_alias(struct tx *tx, int64_t model_id, const struct alias_row *row, struct err *e)
{
    int64_t seq = 0;
    int rc = journal_next_seq(tx, &seq, e);
    return rc == ERR_OK ? db_alias_set(tx_db(tx), model_id, row, seq, e) : rc;
}

static int alias_json(const struct alias_row *row, const char *model, bool is_env, struct buf *doc,
                      struct err *e)
{
    char text[WHEN_TEXT_BYTES];
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "kind", "mreg.alias", "alias", row->alias,
                  "model", model, "by", row->set_by, "since", when_format(row->set_ms, text),
                  "schema", 1, "version", (json_int_t)row->number);
    if (!j)
        return err_set(e, ERR_INVALID, "the alias is not valid text");
    if (is_env)
        json_object_set_new(j, "environment", json_true());
    buf_reset(doc);
    return json_canonical(j, doc, e);
}

int registry_move_alias(struct tx *tx, int64_t model_id, const char *model, const char *alias,
                        int64_t number, const char *actor, struct arena *a, const char **doc_path,
                        struct buf *doc, struct err *e)
{
    struct alias_row row = {
        .alias = alias, .set_by = actor, .number = number, .set_ms = tx_now_ms(tx)};
    struct version_row v;
    bool found = false;
    bool is_env = false;
    int rc = name_check_alias(alias, e);
    if (rc == ERR_OK)
        rc = db_version_find(tx_db(tx), model_id, number, a, &v, &found, e);
    if (rc == ERR_OK && (!found || v.deleted_ms))
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no version %lld", model,
                       (long long)number);
    if (rc == ERR_OK)
        rc = db_env_exists(tx_db(tx), alias, &is_env, e);
    if (rc == ERR_OK)
        rc = put_alias(tx, model_id, &row, e);
    if (rc == ERR_OK)
        rc = alias_json(&row, model, is_env, doc, e);
    if (rc == ERR_OK)
        *doc_path = journal_path_alias(a, model, alias);
    return rc;
}
