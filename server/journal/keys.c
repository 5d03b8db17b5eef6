/*
 * The registry's identity and its keys over time. The secret never enters the database, the journal
 * or the log. Called at start and by the offline subcommand, on the main thread.
 */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_journal.h"
#include "journal.h"
#include "keys_file.h"
#include "when.h"

#define ACTOR "mregd"

static int check_domain(const char *domain, struct err *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t n = strlen(domain);
    if (!n || n > 253 || strspn(domain, allowed) != n || domain[0] == '.' || domain[0] == '-')
        return err_set(e, ERR_INVALID, "\"%.100s\" is not a domain (a-z, 0-9, '-', '.')", domain);
    return ERR_OK;
}

/* ---- registry.json ---- */

static void put_text(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

static json_t *key_to_json(const struct db_key *key)
{
    char time[WHEN_TEXT_BYTES];
    json_t *j = json_object();
    put_text(j, "id", key->key_id);
    put_text(j, "public", key->public_line);
    put_text(j, "state", key->state);
    put_text(j, "valid_after", when_format(key->valid_after, time));
    if (key->valid_before)
        put_text(j, "valid_before", when_format(key->valid_before, time));
    return j;
}

/* The newest commit known when a key changes: everything up to it was signed before. */
static int add_trusted_head(struct db *db, struct arena *a, json_t *doc, struct err *e)
{
    int64_t seq = 0;
    const char *id = NULL;
    int code = db_commit_last(db, &seq, e);
    if (!code)
        code = db_commit_id(db, seq, a, &id, e);
    if (code || !id)
        return code;
    json_t *trusted = json_object();
    put_text(trusted, "commit", id);
    json_object_set_new(trusted, "seq", json_integer(seq));
    json_object_set_new(doc, "trusted_head", trusted);
    return ERR_OK;
}

static int registry_document(struct db *db, struct arena *a, json_t *doc, struct err *e)
{
    struct db_key *keys;
    const char *id = NULL;
    const char *domain = NULL;
    size_t n = 0;
    int code = db_keys(db, a, &keys, &n, e);
    if (!code)
        code = db_meta_get(db, "registry_id", a, &id, e);
    if (!code)
        code = db_meta_get(db, "domain", a, &domain, e);
    if (code)
        return code;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, key_to_json(&keys[i]));
    json_object_set_new(doc, "keys", list);
    put_text(doc, "kind", "mreg.registry");
    put_text(doc, "registry", id);
    put_text(doc, "domain", domain);
    json_object_set_new(doc, "schema", json_integer(1));
    return add_trusted_head(db, a, doc, e);
}

static int append_registry(struct tx *tx, struct journal_entry *entry, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    json_t *doc CLEANUP(json_decref_ptr) = json_object();
    int64_t seq;
    arena_init(&a);
    int code = registry_document(tx_db(tx), &a, doc, e);
    if (code)
        return code;
    entry->actor = ACTOR;
    entry->object = "registry";
    return journal_append_json(tx, entry, journal_path_registry(&a), doc, &seq, e);
}

static int insert_key(struct db *db, const struct seal_key *key, int64_t valid_after, struct err *e)
{
    char line[SEAL_LINE_BYTES];
    seal_public_line(&key->pub, line);
    struct db_key row = {
        .key_id = key->id, .public_line = line, .valid_after = valid_after, .state = "active"};
    return db_key_put(db, &row, e);
}

/* ---- first start ---- */

static int tx_init(struct tx *tx, void *ctx, struct err *e)
{
    const struct keys_identity *id = ctx;
    struct journal_entry entry = {.kind = JOURNAL_REGISTRY_INIT, .message = "Registry created"};
    int code = db_meta_put(tx_db(tx), "registry_id", id->registry_id, e);
    if (!code)
        code = db_meta_put(tx_db(tx), "domain", id->domain, e);
    if (!code)
        code = insert_key(tx_db(tx), &id->key, tx_now_ms(tx), e);
    return code ? code : append_registry(tx, &entry, e);
}

static int make_identity(struct store *store, const char *dir, const char *domain,
                         struct keys_identity *out, struct err *e)
{
    int code = check_domain(domain, e);
    if (code)
        return code;
    code = keys_file_load(dir, KEYS_FILE, &out->key, e);
    if (code == ERR_NOT_FOUND) { /* else a first start was cut short after the file */
        seal_key_generate(&out->key);
        code = keys_file_save(dir, KEYS_FILE, &out->key, e);
    }
    if (code)
        return code;
    memcpy(out->registry_id, "reg-", 4);
    seal_random_base62(out->registry_id + 4, 16);
    memcpy(out->domain, domain, strlen(domain) + 1);
    return store_write(store, TX_FACT, tx_init, out, e);
}

/* ---- later starts ---- */

/* Reads what the database says; *exists is false at the first start. */
static int read_identity(struct store *store, struct keys_identity *out, char active[SEAL_ID_BYTES],
                         bool *exists, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct reader reader CLEANUP(reader_end) = {0};
    struct db_key *keys;
    size_t n = 0;
    const char *id = NULL;
    const char *domain = NULL;
    arena_init(&a);
    int code = reader_begin(store, &reader, e);
    if (!code)
        code = db_meta_get(reader.db, "registry_id", &a, &id, e);
    if (!code)
        code = db_meta_get(reader.db, "domain", &a, &domain, e);
    if (!code)
        code = db_keys(reader.db, &a, &keys, &n, e);
    if (code)
        return code;
    *exists = id && domain;
    active[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!strcmp(keys[i].state, "active") && strlen(keys[i].key_id) < SEAL_ID_BYTES)
            memcpy(active, keys[i].key_id, strlen(keys[i].key_id) + 1);
    if (*exists && (strlen(id) >= sizeof out->registry_id || strlen(domain) >= sizeof out->domain))
        return err_set(e, ERR_CORRUPT, "bad registry id or domain in the database");
    if (*exists) {
        memcpy(out->registry_id, id, strlen(id) + 1);
        memcpy(out->domain, domain, strlen(domain) + 1);
    }
    return ERR_OK;
}

/* A rotation leaves the new key beside the old one until the database has it. */
static int finish_rotation(const char *dir, const char *active, struct err *e)
{
    struct seal_key next;
    int code = keys_file_load(dir, KEYS_FILE_NEXT, &next, e);
    if (code)
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    bool is_active = !strcmp(next.id, active);
    seal_key_clear(&next);
    return is_active ? keys_file_promote(dir, e) : keys_file_drop_next(dir, e);
}

int keys_open(struct store *store, const char *dir, const char *domain, struct keys_identity *out,
              struct err *e)
{
    struct keys_identity id = {0};
    char active[SEAL_ID_BYTES];
    bool exists = false;
    int code = read_identity(store, &id, active, &exists, e);
    if (!code && !exists)
        code = make_identity(store, dir, domain, &id, e);
    else if (!code)
        code = finish_rotation(dir, active, e);
    if (!code && exists) {
        code = keys_file_load(dir, KEYS_FILE, &id.key, e);
        if (code == ERR_NOT_FOUND)
            code = err_set(e, ERR_CORRUPT, "%s/" KEYS_FILE " is missing", dir);
        else if (!code && strcmp(id.key.id, active) != 0)
            code = err_set(e, ERR_CORRUPT, "%s/" KEYS_FILE " is key %s, the database wants %s", dir,
                           id.key.id, active);
    }
    if (!code)
        *out = id;
    seal_key_clear(&id.key);
    return code;
}

/* ---- rotation ---- */

struct rotation {
    const char *old_id, *reason;
    const struct seal_key *next;
};

static int tx_rotate(struct tx *tx, void *ctx, struct err *e)
{
    const struct rotation *r = ctx;
    struct db *db = tx_db(tx);
    struct journal_entry entry = {
        .kind = JOURNAL_REGISTRY_KEY, .message = "Identity key replaced", .reason = r->reason};
    /* Rows that are not commits yet will be signed by the new key, with their own time. */
    int64_t valid_after = tx_now_ms(tx);
    int code = db_commit_pending_ms(db, &valid_after, e);
    if (!code)
        code = db_key_retire(db, r->old_id, tx_now_ms(tx), e);
    if (!code)
        code = insert_key(db, r->next, valid_after, e);
    return code ? code : append_registry(tx, &entry, e);
}

int keys_rotate(struct store *store, const char *dir, struct keys_identity *id, const char *reason,
                struct err *e)
{
    struct seal_key next;
    seal_key_generate(&next);
    struct rotation r = {.old_id = id->key.id, .reason = reason, .next = &next};
    int code = keys_file_save(dir, KEYS_FILE_NEXT, &next, e);
    if (!code)
        code = store_write(store, TX_FACT, tx_rotate, &r, e);
    if (!code)
        code = keys_file_promote(dir, e);
    if (!code) {
        seal_key_clear(&id->key);
        id->key = next;
    }
    seal_key_clear(&next);
    return code;
}

/* ---- trust file ---- */

/* "20261121032329Z" of a time in milliseconds. */
static void signer_time(int64_t ms, char out[WHEN_TEXT_BYTES])
{
    char text[WHEN_TEXT_BYTES];
    size_t n = 0;
    when_format(ms - ms % 1000, text);
    for (const char *p = text; *p; p++)
        if (!strchr("-:T", *p))
            out[n++] = *p;
    out[n] = '\0';
}

int keys_allowed_signers(struct db *db, const char *domain, struct buf *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct db_key *keys;
    size_t n = 0;
    char time[WHEN_TEXT_BYTES];
    arena_init(&a);
    int code = db_keys(db, &a, &keys, &n, e);
    for (size_t i = 0; !code && i < n; i++) {
        signer_time(keys[i].valid_after, time);
        buf_putf(out,
                 "registry@%s namespaces=\"git,mreg-manifest@%s,mreg-statement@%s\","
                 "valid-after=\"%s\"",
                 domain, domain, domain, time);
        if (keys[i].valid_before) {
            signer_time(keys[i].valid_before + 999,
                        time); /* rounded up: seconds are all it can say */
            buf_putf(out, ",valid-before=\"%s\"", time);
        }
        buf_putf(out, " %s\n", keys[i].public_line);
    }
    return code;
}
