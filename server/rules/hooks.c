/*
 * Changes of webhooks' records. New secrets are on disk before the record names them, old ones are
 * removed after it does not. Must not know how anything is sent. Any thread but the writer; the
 * functions with a tx run on it.
 */
#include "hooks.h"

#include <stdio.h>
#include <string.h>

#include "hook_secrets.h"
#include "hook_spec.h"
#include "journal.h"

/* One change of a record that exists. */
struct hook_edit {
    const struct hook_change_by *by;
    const char *id;
    const struct hook_spec *spec; /* NULL: only the secrets change */
    const char *old_secrets;      /* NULL: unchanged; else the record must still name these */
    const char *secrets, *public_keys;
    int64_t old_until_ms;
    const char *what; /* "changed" */
    bool is_nothing;
};

/* "whpk_...,whpk_..." in arena. */
static const char *public_keys(const struct webhook_keyring *r, struct arena *a)
{
    char text[WEBHOOK_TEXT_BYTES];
    const char *out = "";
    for (int i = 0; i < r->n_keys; i++)
        out = arena_printf(a, "%s%s%s", out, i ? "," : "", webhook_public_text(&r->keys[i], text));
    return out;
}

static int append_row(struct tx *tx, enum journal_kind kind, const struct hook_change_by *by,
                      const struct hook_row *row, const char *what, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = hook_document(row);
    int64_t seq = 0;
    struct journal_entry entry = {
        .kind = kind,
        .actor = by->actor,
        .object = row->id,
        .reason = by->reason,
        .message = arena_printf(&a, "webhook %s (%s) %s", row->id, row->name, what)};
    return journal_append_json(tx, &entry, journal_path_webhook(&a, row->id), doc, &seq, e);
}

/* --- creation --------------------------------------------------------------------------------- */

struct hook_creation {
    const struct hook_change_by *by;
    struct hook_row row;
    char id[32];
};

static int create_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct hook_creation *c = ctx;
    struct hook_row row = c->row;
    int64_t n = 0;
    int rc = db_hook_count(tx_db(tx), &n, e);
    if (!rc && n >= HOOKS_MAX)
        rc = err_set(e, ERR_CONFLICT, "there are %d webhooks, which is the most", HOOKS_MAX);
    if (!rc)
        rc = journal_next_seq(tx, &row.created_seq, e);
    if (rc)
        return rc;
    snprintf(c->id, sizeof c->id, "h-%lld", (long long)row.created_seq);
    row.id = c->id;
    row.created_ms = tx_now_ms(tx);
    row.created_by = c->by->actor;
    row.cursor = row.created_seq;
    rc = db_hook_insert(tx_db(tx), &row, e);
    return rc ? rc : append_row(tx, JOURNAL_WEBHOOK_CREATE, c->by, &row, "made", e);
}

static int check_new(const struct hook_spec *spec, struct err *e)
{
    enum hook_format format = HOOK_STANDARD;
    if (!spec->name || !spec->url)
        return err_at(e, ERR_INVALID, spec->name ? "/url" : "/name", "is needed");
    if (spec->format && !hook_format_by_name(spec->format, &format)) {
        const char *near = json_nearest(spec->format, hook_format_names());
        return err_at(e, ERR_INVALID, "/format", "no format \"%.40s\"; %s%s", spec->format,
                      near ? "did you mean " : "there are standard, github, gitlab, gitea",
                      near ? near : "");
    }
    if (format != HOOK_STANDARD && !spec->token)
        return err_at(e, ERR_INVALID, "/token", "the API of %s needs a token", spec->format);
    if (format != HOOK_STANDARD && spec->kinds)
        return err_at(e, ERR_INVALID, "/kinds", "commit statuses are about rollouts only");
    return hook_spec_token(spec, spec->format ? spec->format : "standard", e);
}

int hooks_create(const struct hooks *h, const struct hook_change_by *by,
                 const struct hook_spec *spec, struct hook_made *made, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct webhook_keyring keyring CLEANUP(webhook_keyring_clear) = {0};
    char secrets[HOOK_SECRETS_NAME_BYTES];
    int rc = check_new(spec, e);
    if (rc)
        return rc;
    bool is_standard = !spec->format || strcmp(spec->format, "standard") == 0;
    struct hook_creation c = {.by = by,
                              .row = {.format = spec->format ? spec->format : "standard",
                                      .kinds = is_standard ? "*" : "rollout.*",
                                      .env = "",
                                      .models = "*",
                                      .repository = "",
                                      .is_enabled = true}};
    rc = hook_spec_apply(spec, &a, &c.row, e);
    if (rc)
        return rc;
    if (is_standard)
        webhook_keyring_rotate(&keyring, 0);
    if (spec->token)
        snprintf(keyring.token, sizeof keyring.token, "%s", spec->token);
    c.row.public_keys = public_keys(&keyring, &a);
    rc = hook_secrets_save(h->data, &keyring, secrets, e);
    if (rc)
        return rc;
    c.row.secrets = secrets;
    rc = store_write(h->store, TX_FACT, create_fn, &c, e);
    if (rc) {
        hook_secrets_remove(h->data, secrets);
        return rc;
    }
    memcpy(made->id, c.id, sizeof made->id);
    made->secret[0] = '\0';
    if (is_standard)
        webhook_secret_text(&keyring.keys[0], made->secret);
    return ERR_OK;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* What a change of the record means for what is to be sent. */
static int steer(struct tx *tx, const struct hook_edit *ed, const struct hook_row *was,
                 const struct hook_row *now, struct err *e)
{
    int64_t seq = 0;
    int64_t since = ed->spec ? ed->spec->since : -1;
    int rc = ERR_OK;
    if (was->is_enabled && !now->is_enabled)
        rc = db_delivery_drop(tx_db(tx), now->id, tx_now_ms(tx), e);
    if (!rc)
        rc = journal_next_seq(tx, &seq, e);
    if (!rc && since >= seq)
        return err_at(e, ERR_INVALID, "/since", "the last change is %lld", (long long)seq - 1);
    if (!rc && since < 0 && !was->is_enabled && now->is_enabled)
        since = seq;
    return rc || since < 0 ? rc : db_hook_restart(tx_db(tx), now->id, since, e);
}

static int edit_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct hook_edit *ed = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct hook_row was;
    int rc = db_hook_get(tx_db(tx), ed->id, &a, &was, e);
    if (rc)
        return rc;
    struct hook_row now = was;
    if (ed->spec)
        rc = hook_spec_apply(ed->spec, &a, &now, e);
    if (!rc && ed->old_secrets && strcmp(ed->old_secrets, was.secrets) != 0)
        rc = err_set(e, ERR_CONFLICT, "somebody else changed the secrets of webhook %s", was.id);
    if (rc)
        return rc;
    if (ed->old_secrets) {
        now.secrets = ed->secrets;
        now.public_keys = ed->public_keys;
        now.old_until_ms = ed->old_until_ms;
    }
    rc = steer(tx, ed, &was, &now, e);
    if (!rc)
        rc = db_hook_update(tx_db(tx), &now, e);
    return rc ? rc : append_row(tx, JOURNAL_WEBHOOK_UPDATE, ed->by, &now, ed->what, e);
}

static int get_hook(const struct hooks *h, const char *id, struct arena *a, struct hook_row *out,
                    struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(h->store, &r, e);
    return rc ? rc : db_hook_get(r.db, id, a, out, e);
}

/* Stores the keyring, runs the edit, and removes whichever file is then not named any more. */
static int edit_secrets(const struct hooks *h, struct hook_edit *ed,
                        const struct webhook_keyring *keyring, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char name[HOOK_SECRETS_NAME_BYTES];
    int rc = hook_secrets_save(h->data, keyring, name, e);
    if (rc)
        return rc;
    ed->secrets = name;
    ed->public_keys = public_keys(keyring, &a);
    rc = store_write(h->store, TX_FACT, edit_fn, ed, e);
    hook_secrets_remove(h->data, rc ? name : ed->old_secrets);
    return rc;
}

int hooks_update(const struct hooks *h, const struct hook_change_by *by, const char *id,
                 const struct hook_spec *spec, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct webhook_keyring keyring CLEANUP(webhook_keyring_clear) = {0};
    struct hook_row row;
    int rc = get_hook(h, id, &a, &row, e);
    if (!rc)
        rc = hook_spec_token(spec, row.format, e);
    if (!rc && spec->kinds && strcmp(row.format, "standard") != 0)
        rc = err_at(e, ERR_INVALID, "/kinds", "commit statuses are about rollouts only");
    /* The token was given for the old address: nobody who cannot say it sends it elsewhere. */
    if (!rc && spec->url && !spec->token && strcmp(row.format, "standard") != 0 &&
        strcmp(spec->url, row.url) != 0)
        rc = err_at(e, ERR_INVALID, "/token", "another address needs the token again");
    if (rc)
        return rc;
    const char *what = "changed";
    if (spec->enabled >= 0 && row.is_enabled != (bool)spec->enabled)
        what = spec->enabled ? "enabled" : "disabled by hand";
    struct hook_edit ed = {.by = by, .id = id, .spec = spec, .what = what};
    if (!spec->token)
        return store_write(h->store, TX_FACT, edit_fn, &ed, e);
    snprintf(keyring.token, sizeof keyring.token, "%s", spec->token);
    ed.old_secrets = row.secrets;
    return edit_secrets(h, &ed, &keyring, e);
}

int hooks_rotate(const struct hooks *h, const struct hook_change_by *by, const char *id,
                 int64_t overlap_ms, struct hook_made *made, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct webhook_keyring keyring CLEANUP(webhook_keyring_clear) = {0};
    struct hook_row row;
    int rc = get_hook(h, id, &a, &row, e);
    if (!rc && strcmp(row.format, "standard") != 0)
        rc = err_set(e, ERR_CONFLICT, "webhook %s has a token and no secret: give it another token",
                     id);
    if (!rc && hook_secrets_load(h->data, row.secrets, &keyring, NULL) != ERR_OK)
        webhook_keyring_clear(&keyring); /* lost: rotation makes the hook whole again */
    if (rc)
        return rc;
    int64_t until_ms = store_now_ms(h->store) + overlap_ms;
    bool has_old = keyring.n_keys > 0 && overlap_ms > 0;
    webhook_keyring_rotate(&keyring, until_ms);
    if (!has_old)
        keyring.n_keys = 1;
    struct hook_edit ed = {.by = by,
                           .id = id,
                           .old_secrets = row.secrets,
                           .old_until_ms = has_old ? until_ms : 0,
                           .what = "has a new secret"};
    rc = edit_secrets(h, &ed, &keyring, e);
    if (rc)
        return rc;
    snprintf(made->id, sizeof made->id, "%s", id);
    webhook_secret_text(&keyring.keys[0], made->secret);
    return ERR_OK;
}

/* --- disabling and deleting ------------------------------------------------------------------- */

struct disabling {
    const char *id, *why;
    bool is_done_already;
};

static int disable_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct disabling *d = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct hook_row row;
    struct hook_change_by by = {.actor = "mregd", .reason = d->why};
    int rc = db_hook_get(tx_db(tx), d->id, &a, &row, e);
    d->is_done_already = rc == ERR_NOT_FOUND || (!rc && !row.is_enabled);
    if (rc || d->is_done_already)
        return rc ? rc : err_set(e, ERR_CONFLICT, "disabled already");
    row.is_enabled = false;
    row.why = d->why;
    rc = db_hook_update(tx_db(tx), &row, e);
    if (!rc)
        rc = db_delivery_drop(tx_db(tx), row.id, tx_now_ms(tx), e);
    return rc ? rc : append_row(tx, JOURNAL_WEBHOOK_UPDATE, &by, &row, "disabled", e);
}

int hooks_disable(const struct hooks *h, const char *id, const char *why, struct err *e)
{
    struct disabling d = {.id = id, .why = why};
    int rc = store_write(h->store, TX_FACT, disable_fn, &d, e);
    return d.is_done_already ? ERR_OK : rc;
}

struct deletion {
    const struct hook_change_by *by;
    const char *id;
    char secrets[HOOK_SECRETS_NAME_BYTES];
};

static int delete_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct deletion *d = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct hook_row row;
    int64_t seq = 0;
    int rc = db_hook_get(tx_db(tx), d->id, &a, &row, e);
    if (!rc)
        rc = db_hook_delete(tx_db(tx), d->id, e);
    if (rc)
        return rc;
    snprintf(d->secrets, sizeof d->secrets, "%s", row.secrets);
    struct journal_doc doc = {.path = journal_path_webhook(&a, row.id)};
    struct journal_entry entry = {.kind = JOURNAL_WEBHOOK_DELETE,
                                  .actor = d->by->actor,
                                  .object = row.id,
                                  .reason = d->by->reason,
                                  .message =
                                      arena_printf(&a, "webhook %s (%s) removed", row.id, row.name),
                                  .docs = &doc,
                                  .n_docs = 1};
    return journal_append(tx, &entry, &seq, e);
}

int hooks_delete(const struct hooks *h, const struct hook_change_by *by, const char *id,
                 struct err *e)
{
    struct deletion d = {.by = by, .id = id};
    int rc = store_write(h->store, TX_FACT, delete_fn, &d, e);
    if (!rc)
        hook_secrets_remove(h->data, d.secrets);
    return rc;
}
