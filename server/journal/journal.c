/*
 * Appends journal rows and their documents, and answers "as of" questions. All that could make a
 * row impossible to publish is checked here, inside the transaction, so that the git thread never
 * meets a bad row. Knows nothing of git or HTTP. Appending runs on the writer thread, the rest
 * anywhere.
 */
#include "journal.h"

#include <stdlib.h>
#include <string.h>

#include "db_journal.h"
#include "journal_path.h"
#include "utf8.h"

#define JOURNAL_FMT 1
#define MAX_DOCS 64
#define ACTOR_MAX_BYTES 64
#define OBJECT_MAX_BYTES 1100
#define MESSAGE_MAX_BYTES 4000
#define REASON_MAX_BYTES 4000
#define DOC_MAX_BYTES (8u << 20)

static const char *const kind_names[JOURNAL_KIND_COUNT] = {
    [JOURNAL_REGISTRY_INIT] = "registry.init",
    [JOURNAL_REGISTRY_KEY] = "registry.key",
    [JOURNAL_MODEL_CREATE] = "model.create",
    [JOURNAL_MODEL_UPDATE] = "model.update",
    [JOURNAL_MODEL_DELETE] = "model.delete",
    [JOURNAL_VERSION_PUBLISH] = "version.publish",
    [JOURNAL_VERSION_ANNOTATE] = "version.annotate",
    [JOURNAL_VERSION_DELETE] = "version.delete",
    [JOURNAL_ALIAS_SET] = "alias.set",
    [JOURNAL_ALIAS_DELETE] = "alias.delete",
    [JOURNAL_ENV_CREATE] = "env.create",
    [JOURNAL_ENV_UPDATE] = "env.update",
    [JOURNAL_ENV_DELETE] = "env.delete",
    [JOURNAL_NODE_CREATE] = "node.create",
    [JOURNAL_NODE_UPDATE] = "node.update",
    [JOURNAL_NODE_DELETE] = "node.delete",
    [JOURNAL_NODE_SERVES] = "node.serves",
    [JOURNAL_TARGET_SET] = "target.set",
    [JOURNAL_TARGET_DELETE] = "target.delete",
    [JOURNAL_ROLLOUT_SUBMIT] = "rollout.submit",
    [JOURNAL_ROLLOUT_COMMAND] = "rollout.command",
    [JOURNAL_ROLLOUT_MOVE] = "rollout.move",
    [JOURNAL_ROLLOUT_END] = "rollout.end",
    [JOURNAL_TOKEN_CREATE] = "token.create",
    [JOURNAL_TOKEN_REVOKE] = "token.revoke",
    [JOURNAL_USER_CREATE] = "user.create",
    [JOURNAL_USER_UPDATE] = "user.update",
    [JOURNAL_USER_DELETE] = "user.delete",
    [JOURNAL_ROLLOUT_OVERRIDE] = "rollout.override",
    [JOURNAL_TARGET_QUEUE] = "target.queue",
    [JOURNAL_TARGET_RELEASE] = "target.release",
    [JOURNAL_TARGET_FREEZE] = "target.freeze",
    [JOURNAL_TARGET_UNFREEZE] = "target.unfreeze",
    [JOURNAL_ENV_FREEZE] = "env.freeze",
    [JOURNAL_ENV_UNFREEZE] = "env.unfreeze",
    [JOURNAL_ENV_STOP] = "env.stop",
    [JOURNAL_ENV_RESUME] = "env.resume",
    [JOURNAL_ROLLOUT_TOGETHER] = "rollout.together",
    [JOURNAL_NODE_REGISTER] = "node.register",
    [JOURNAL_NODE_LEAVE] = "node.leave",
    [JOURNAL_NODE_CORDON] = "node.cordon",
    [JOURNAL_NODE_UNCORDON] = "node.uncordon",
    [JOURNAL_NODE_RESTART] = "node.restart",
    [JOURNAL_NODE_ADOPT] = "node.adopt",
    [JOURNAL_ROUTER_CREATE] = "router.create",
    [JOURNAL_ROUTER_UPDATE] = "router.update",
    [JOURNAL_ROUTER_DELETE] = "router.delete",
    [JOURNAL_WEBHOOK_CREATE] = "webhook.create",
    [JOURNAL_WEBHOOK_UPDATE] = "webhook.update",
    [JOURNAL_WEBHOOK_DELETE] = "webhook.delete",
};

const char *journal_kind_name(enum journal_kind kind)
{
    return kind_names[kind];
}

static int check_text(const char *what, const char *text, size_t max_bytes, bool may_break,
                      struct err *e)
{
    size_t n = text ? strlen(text) : 0;
    if (!n || n > max_bytes)
        return err_set(e, ERR_INVALID, "the %s must have 1 to %zu bytes", what, max_bytes);
    if (!utf8_ok(text, n))
        return err_set(e, ERR_INVALID, "the %s is not UTF-8", what);
    for (const char *p = text; *p; p++) {
        bool is_break = *p == '\n' || *p == '\t';
        if (((unsigned char)*p < 0x20 || *p == 0x7f) && !(may_break && is_break))
            return err_set(e, ERR_INVALID, "the %s holds a control character", what);
    }
    return ERR_OK;
}

static int check_actor(const char *actor, struct err *e)
{
    size_t n = actor ? strlen(actor) : 0;
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (!n || n > ACTOR_MAX_BYTES || strspn(actor, allowed) != n)
        return err_set(e, ERR_INVALID, "bad actor id");
    return ERR_OK;
}

static int check_texts(const struct journal_entry *entry, struct err *e)
{
    if ((unsigned)entry->kind >= JOURNAL_KIND_COUNT)
        return err_set(e, ERR_INTERNAL, "unknown journal kind %d", (int)entry->kind);
    int rc = check_actor(entry->actor, e);
    if (!rc)
        rc = check_text("object", entry->object, OBJECT_MAX_BYTES, false, e);
    if (!rc)
        rc = check_text("message", entry->message, MESSAGE_MAX_BYTES, false, e);
    if (!rc && entry->reason && *entry->reason)
        rc = check_text("reason", entry->reason, REASON_MAX_BYTES, true, e);
    return rc;
}

static int check_paths(const struct journal_entry *entry, struct err *e)
{
    if (!entry->n_docs || entry->n_docs > MAX_DOCS)
        return err_set(e, ERR_INVALID, "a journal row has 1 to %d documents", MAX_DOCS);
    for (size_t i = 0; i < entry->n_docs; i++) {
        const char *path = entry->docs[i].path;
        if (!journal_path_ok(path))
            return err_set(e, ERR_INVALID, "\"%s\" is no path of the history", path ? path : "");
        for (size_t k = 0; k < i; k++)
            if (!strcmp(path, entry->docs[k].path))
                return err_set(e, ERR_INVALID, "\"%s\" is there twice", path);
    }
    return ERR_OK;
}

static int check_canonical(const struct journal_doc *doc, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct buf again CLEANUP(buf_clear);
    buf_init(&again, doc->n + 1);
    if (doc->n > DOC_MAX_BYTES)
        return err_set(e, ERR_INVALID, "%s is larger than %u bytes", doc->path, DOC_MAX_BYTES);
    int rc = json_parse(doc->bytes, doc->n, JSON_MAX_DEPTH, &j, e);
    if (!rc)
        rc = json_canonical(j, &again, e);
    if (rc) {
        err_prefix(e, "%s: ", doc->path);
        return ERR_INVALID;
    }
    if (!buf_ok(&again) || again.len != doc->n || memcmp(again.data, doc->bytes, doc->n) != 0)
        return err_set(e, ERR_INVALID, "%s is not canonical JSON", doc->path);
    return ERR_OK;
}

static int put_docs(struct db *db, int64_t seq, const struct journal_entry *entry, struct err *e)
{
    for (size_t i = 0; i < entry->n_docs; i++) {
        const struct journal_doc *doc = &entry->docs[i];
        struct digest digest;
        int rc = ERR_OK;
        if (doc->bytes) {
            digest_of(doc->bytes, doc->n, &digest);
            rc = db_document_put(db, &digest, doc->bytes, doc->n, e);
        }
        if (!rc)
            rc = db_journal_doc(db, seq, doc->path, doc->bytes ? &digest : NULL, e);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

/* The part after all checks. */
static int append_checked(struct tx *tx, const struct journal_entry *entry, int64_t *seq,
                          struct err *e)
{
    struct db *db = tx_db(tx);
    int64_t number = tx_journaled(tx);
    struct db_journal_row row = {
        .seq = number,
        .ts = tx_now_ms(tx),
        .epoch = tx_epoch(tx),
        .fmt = JOURNAL_FMT,
        .actor = entry->actor,
        .kind = journal_kind_name(entry->kind),
        .object = entry->object,
        .reason = entry->reason && *entry->reason ? entry->reason : NULL,
        .message = entry->message,
    };
    int rc = db_journal_insert(db, &row, e);
    if (!rc)
        rc = put_docs(db, number, entry, e);
    if (!rc)
        *seq = number;
    return rc;
}

int journal_append(struct tx *tx, const struct journal_entry *entry, int64_t *seq, struct err *e)
{
    int rc = check_texts(entry, e);
    if (!rc)
        rc = check_paths(entry, e);
    for (size_t i = 0; !rc && i < entry->n_docs; i++)
        if (entry->docs[i].bytes)
            rc = check_canonical(&entry->docs[i], e);
    return rc ? rc : append_checked(tx, entry, seq, e);
}

int journal_append_json(struct tx *tx, const struct journal_entry *entry, const char *path,
                        const json_t *doc, int64_t *seq, struct err *e)
{
    struct buf bytes CLEANUP(buf_clear);
    buf_init(&bytes, DOC_MAX_BYTES);
    int rc = json_canonical(doc, &bytes, e);
    if (rc)
        return rc;
    if (!buf_ok(&bytes))
        return err_set(e, ERR_INVALID, "%s is larger than %u bytes", path, DOC_MAX_BYTES);
    struct journal_doc one = {.path = path, .bytes = bytes.data, .n = bytes.len};
    struct journal_entry full = *entry;
    full.docs = &one;
    full.n_docs = 1;
    rc = check_texts(&full, e);
    if (!rc)
        rc = check_paths(&full, e);
    return rc ? rc : append_checked(tx, &full, seq, e);
}

int journal_next_seq(struct tx *tx, int64_t *seq, struct err *e)
{
    int64_t last = 0;
    int rc = db_journal_last(tx_db(tx), &last, e);
    if (!rc)
        *seq = last + 1;
    return rc;
}

int journal_seq_at(struct db *db, int64_t ms, int64_t *seq, struct err *e)
{
    return db_journal_seq_at(db, ms, seq, e);
}

int journal_doc_at(struct db *db, const char *path, int64_t seq, struct arena *a,
                   const char **bytes, size_t *n, struct err *e)
{
    return db_document_at(db, path, seq, a, bytes, n, e);
}
