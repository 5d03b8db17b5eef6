/*
 * Shared by the policy*.c files only: members of a policy as a table, read and written by one pair
 * of functions. Unlike fields.h this is what people write: bounds, units and hints matter.
 */
#ifndef MREG_POLICY_PARAMS_H
#define MREG_POLICY_PARAMS_H

#include "policy.h"

enum param_type {
    PARAM_INT,      /* int */
    PARAM_INT64,    /* int64_t */
    PARAM_BOOL,     /* bool */
    PARAM_DURATION, /* int64_t, ms; text such as "1h30m" */
    PARAM_CHOICE,   /* enum; text out of names, those whose bit is in `hi`; NULL ends them */
    PARAM_AMOUNT,   /* struct policy_amount; 2 or "25%" */
    PARAM_NAME,     /* char[POLICY_NAME_BYTES] */
    PARAM_TEXT,     /* int, place of a text of the policy; at most `hi` bytes */
    PARAM_DECIMAL,  /* int64_t of 10^-n_decimals; text such as "0.02" */
    PARAM_LIMIT,    /* as PARAM_DECIMAL, of any sign, followed by whether it is there: see has_at */
    PARAM_WEIGHT    /* int, basis points; text in percent such as "12.5"; -1: not there */
};
struct param {
    const char *key;
    enum param_type type;
    size_t at;      /* in the struct */
    int64_t lo, hi; /* of the value as it is stored */
    int n_decimals;
    bool is_required;
    bool is_quiet; /* not written while it is 0 */
    const char *const *names;
    size_t has_at; /* PARAM_LIMIT: the bool */
    const char *why;
};

/* The struct at base, the policy that has its texts, and the JSON pointer of the object. */
struct param_place {
    void *base;
    struct policy *policy;
    const char *at;
};

/* Reads the members of j that the n params name; absent ones keep their value. */
MUST_USE int params_read(const json_t *j, const struct param *params, size_t n,
                         const struct param_place *place, struct err *e);
/* Writes them into the object j. base and policy (borrowed) are only read. */
void params_write(json_t *j, const struct param *params, size_t n, const void *base,
                  const struct policy *policy);
/* Appends the keys to a NULL-terminated list for json_only; returns the new length. */
size_t params_keys(const struct param *params, size_t n, const char **keys, size_t len);
/* ERR_INVALID at the pointer at/key. */
MUST_USE int policy_blame(struct err *e, const char *at, const char *key, const char *why);

/* --- policy_gates.c --- */
/* Reads the member "gates" of j into p; absent: p keeps its gates. */
MUST_USE int policy_gates_parse(const json_t *j, const char *at, struct policy *p, struct err *e);
/* Array of gates; caller owns one reference. */
json_t *policy_gates_json(const struct policy *p);

#endif
