/*
 * People: the only writer of their facts. The history holds name and role of a person, never a
 * password's hash or the subject at the identity provider. Must not know HTTP. Any thread but the
 * writer.
 */
#include "user.h"

#include <stdio.h>
#include <string.h>

#include "db_account.h"
#include "seal.h"
#include "utf8.h"
#include "when.h"

#define NAME_BYTES 63

/* A hash of nothing anybody knows: a wrong name costs the same work as a wrong password. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$3opMQT2vEQVVSYkKt"
                             "qKn3A$lRskoCZD3ur0gzDuNmgfl+oCS/4e1KMK49z2zTZSRXM";

static int check_name(const char *name, struct err *e)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._@-";
    size_t n = strlen(name);
    if (n == 0 || n > NAME_BYTES || strspn(name, letters) != n)
        return err_at(e, ERR_INVALID, "/name",
                      "a user's name has 1 to %d of the letters a-z 0-9 . _ @ -", NAME_BYTES);
    return 0;
}

static int check_password(const char *password, struct err *e)
{
    size_t n = password ? strlen(password) : USER_PASSWORD_MIN;
    if (n < USER_PASSWORD_MIN || n > USER_PASSWORD_MAX)
        return err_at(e, ERR_INVALID, "/password", "a password has %d to %d bytes",
                      USER_PASSWORD_MIN, USER_PASSWORD_MAX);
    return 0;
}

/* "issuer sub", as the login puts them together. */
static int check_subject(const char *subject, struct err *e)
{
    size_t n = strlen(subject);
    const char *space = strchr(subject, ' ');
    if (n > USER_SUBJECT_MAX || (n && (!space || space == subject || !space[1])))
        return err_at(e, ERR_INVALID, "/subject",
                      "a subject is the issuer's address, a space and its word for the person, "
                      "together at most %d bytes",
                      USER_SUBJECT_MAX);
    size_t at = utf8_plain(subject, n);
    if (at < n)
        return err_at(e, ERR_INVALID, "/subject",
                      "subject holds a control character, or is no UTF-8, at byte %zu", at + 1);
    return 0;
}

static int check_spec(const struct user_spec *s, struct err *e)
{
    bool may[PERM_COUNT];
    int rc = 0;
    if (s->role && (!auth_role(s->role, may) || strcmp(s->role, "node") == 0))
        return err_at(e, ERR_INVALID, "/role", "no role \"%.40s\" for people", s->role);
    if (s->models)
        rc = auth_check_models(s->models, e);
    if (!rc && s->subject)
        rc = check_subject(s->subject, e);
    return rc ? rc : check_password(s->password, e);
}

struct change {
    const struct user_spec *spec;
    char hash[SEAL_PASSWORD_BYTES]; /* "": none was given */
    char id[32];
    bool is_removal;
};

static const char *subject_words(const struct user_spec *s)
{
    if (!s->subject)
        return "";
    return s->subject[0] ? ", tied to the identity provider" : ", not tied to an identity provider";
}

static int journal(struct tx *tx, const struct db_user *u, const struct change *c,
                   enum journal_kind kind, struct err *e)
{
    static const char *const verbs[] = {"created", "changed", "removed"};
    struct arena a CLEANUP(arena_clear) = {0};
    char when[WHEN_TEXT_BYTES];
    int64_t seq = 0;
    json_t *doc CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "mreg.user", "schema", 1,
                  "id", u->id, "name", u->name, "role", u->role, "models", u->models, "created_by",
                  u->created_by, "created", when_format(u->created_ms, when));
    if (c->is_removal)
        json_object_set_new(doc, "removed_by", json_string(c->spec->actor));
    struct journal_entry entry = {
        .kind = kind,
        .actor = c->spec->actor,
        .object = u->id,
        .reason = c->spec->reason,
        .message = arena_printf(&a, "user %s (%s, %s) %s%s", u->name, u->id, u->role,
                                verbs[kind - JOURNAL_USER_CREATE], subject_words(c->spec))};
    return journal_append_json(tx, &entry, journal_path_user(&a, u->id), doc, &seq, e);
}

/* A subject is one person's. */
static int take_subject(struct db *db, const char *subject, struct db_user *u, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct db_user other;
    u->subject = subject[0] ? subject : NULL;
    int rc = u->subject ? db_user_by_subject(db, u->subject, &a, &other, e) : ERR_NOT_FOUND;
    if (!rc && strcmp(other.id, u->id) != 0)
        rc = err_at(e, ERR_EXISTS, "/subject", "%s has this subject", other.name);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int create_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    struct change *c = ctx;
    int64_t seq = 0;
    int rc = journal_next_seq(tx, &seq, e);
    if (rc)
        return rc;
    snprintf(c->id, sizeof c->id, "u-%lld", (long long)seq);
    struct db_user u = {.id = c->id,
                        .name = c->spec->name,
                        .role = c->spec->role,
                        .models = c->spec->models ? c->spec->models : "*",
                        .password = c->hash,
                        .created_by = c->spec->actor,
                        .created_ms = tx_now_ms(tx)};
    if (c->spec->subject)
        rc = take_subject(tx_db(tx), c->spec->subject, &u, e);
    if (rc)
        return rc;
    rc = db_user_insert(tx_db(tx), &u, e);
    if (rc == ERR_EXISTS)
        return err_at(e, ERR_EXISTS, "/name", "there is a user %s already", u.name);
    return rc ? rc : journal(tx, &u, c, JOURNAL_USER_CREATE, e);
}

static int hash_password(struct change *c, struct err *e)
{
    return c->spec->password ? seal_password_hash(c->spec->password, c->hash, e) : 0;
}

int user_create(struct store *s, const struct user_spec *spec, char id[32], struct err *e)
{
    struct change c = {.spec = spec};
    int rc = check_name(spec->name, e);
    if (!rc && !spec->role)
        rc = err_at(e, ERR_INVALID, "/role", "a user needs a role");
    if (!rc)
        rc = check_spec(spec, e);
    if (!rc)
        rc = hash_password(&c, e);
    if (!rc)
        rc = store_write(s, TX_FACT, create_in_tx, &c, e);
    if (!rc)
        memcpy(id, c.id, sizeof c.id);
    return rc;
}

static int change_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    struct change *c = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct db_user u;
    int rc = db_user_by_name(tx_db(tx), c->spec->name, &a, &u, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no user \"%.63s\"", c->spec->name)
                                   : rc;
    u.role = c->spec->role ? c->spec->role : u.role;
    u.models = c->spec->models ? c->spec->models : u.models;
    u.password = c->hash[0] ? c->hash : u.password;
    if (c->spec->subject)
        rc = take_subject(tx_db(tx), c->spec->subject, &u, e);
    if (!rc)
        rc = c->is_removal ? db_user_remove(tx_db(tx), u.id, e) : db_user_update(tx_db(tx), &u, e);
    if (!rc)
        rc = db_session_end_all(tx_db(tx), u.id, e);
    return rc ? rc
              : journal(tx, &u, c, c->is_removal ? JOURNAL_USER_DELETE : JOURNAL_USER_UPDATE, e);
}

int user_update(struct store *s, const struct user_spec *spec, struct err *e)
{
    struct change c = {.spec = spec};
    int rc = check_spec(spec, e);
    if (!rc)
        rc = hash_password(&c, e);
    return rc ? rc : store_write(s, TX_FACT, change_in_tx, &c, e);
}

int user_remove(struct store *s, const struct user_spec *spec, struct err *e)
{
    struct change c = {.spec = spec, .is_removal = true};
    return store_write(s, TX_FACT, change_in_tx, &c, e);
}

static int find_for_login(struct store *s, const char *name, struct arena *a, struct db_user *out,
                          struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(s, &r, e);
    return rc ? rc : db_user_by_name(r.db, name, a, out, e);
}

int user_check(struct store *s, struct auth *a, const struct user_login *in, char id[32],
               struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct db_user u = {0};
    int64_t wait_ms = auth_retry_after_ms(a, in->remote, in->now_ms);
    if (wait_ms)
        return err_set(e, ERR_THROTTLED, "too many wrong guesses from this address; wait %lld s",
                       (long long)((wait_ms + 999) / 1000));
    int rc = find_for_login(s, in->name, &arena, &u, e);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    bool has_password = rc == 0 && u.password[0];
    bool fits = seal_password_fits(has_password ? u.password : nobody, in->password);
    if (has_password && fits) {
        snprintf(id, 32, "%s", u.id);
        return 0;
    }
    auth_count_guess(a, in->remote, in->now_ms);
    return err_set(e, ERR_UNAUTHENTICATED, "user or password is wrong");
}

/* --- people whom the identity provider knows -------------------------------------------------- */

static int find_by_subject(struct store *s, const char *subject, char id[32], struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct db_user u;
    int rc = reader_begin(s, &r, e);
    if (!rc)
        rc = db_user_by_subject(r.db, subject, &a, &u, e);
    if (!rc)
        snprintf(id, 32, "%s", u.id);
    return rc;
}

static int add_admitted(struct store *s, const struct user_admission *in, char id[32],
                        struct err *e)
{
    struct user_spec spec = {.name = in->name,
                             .role = in->role,
                             .subject = in->subject,
                             .actor = "mregd",
                             .reason = "first login by the identity provider"};
    struct err ignored;
    int rc = user_create(s, &spec, id, e);
    if (rc == ERR_EXISTS && find_by_subject(s, in->subject, id, &ignored) == 0)
        return 0; /* two first logins at once */
    return rc;
}

int user_admit(struct store *s, const struct user_admission *in, char id[32], bool *is_new,
               struct err *e)
{
    *is_new = false;
    int rc = find_by_subject(s, in->subject, id, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    if (!in->role[0])
        return err_set(e, ERR_REFUSED, "nobody here has the subject \"%.300s\"", in->subject);
    if (!in->name[0])
        return err_set(e, ERR_REFUSED, "the provider names no usable name for \"%.300s\"",
                       in->subject);
    rc = add_admitted(s, in, id, e);
    *is_new = rc == 0;
    return rc == ERR_EXISTS || rc == ERR_INVALID ? ERR_REFUSED : rc;
}
