/*
 * People who log in with a password (Argon2id) or by an identity provider. Programs use tokens.
 */
#ifndef MREG_USER_H
#define MREG_USER_H

#include "auth.h"

#define USER_PASSWORD_MIN 12
#define USER_PASSWORD_MAX 1024
#define USER_SUBJECT_MAX 500

struct user_spec {
    const char *name;
    /* NULL: unchanged (update), or nobody can log in with one (creation). */
    const char *password;
    const char *role, *models; /* NULL: unchanged; models NULL at creation: all */
    /* "issuer subject" at the identity provider; "": none. NULL: unchanged; none at creation. */
    const char *subject;
    const char *actor, *reason;
};
/* ERR_INVALID with pointer (name: 1 to 63 of a-z 0-9 . _ @ -; role; models; subject; password too
 * short or long); ERR_EXISTS with pointer /name or /subject. id[] is the new user's. */
MUST_USE int user_create(struct store *s, const struct user_spec *spec, char id[32], struct err *e);
/* As user_create; ERR_NOT_FOUND. The name stays. Any change ends all sessions of the person. */
MUST_USE int user_update(struct store *s, const struct user_spec *spec, struct err *e);
/* ERR_NOT_FOUND. Sessions end. */
MUST_USE int user_remove(struct store *s, const struct user_spec *spec, struct err *e);

/* Checks name and password; id[] is the user's. ERR_UNAUTHENTICATED, with the same text and after
 * the same work for a wrong name and a wrong password; ERR_THROTTLED: `remote` guessed too often.
 * Takes about 0.1 s and 64 MiB. */
struct user_login {
    const char *name, *password, *remote;
    int64_t now_ms;
};
MUST_USE int user_check(struct store *s, struct auth *a, const struct user_login *in, char id[32],
                        struct err *e);

/* Somebody whom the identity provider has proved to be `subject`; id[] is the user's. A person who
 * is not known here is added under `name` when there is a role for such people; *is_new says so.
 * ERR_REFUSED: not known here, or the name is somebody's or none. */
struct user_admission {
    const char *subject;
    const char *name; /* "": the provider does not say */
    const char *role; /* "": nobody is added */
};
MUST_USE int user_admit(struct store *s, const struct user_admission *in, char id[32], bool *is_new,
                        struct err *e);

#endif
