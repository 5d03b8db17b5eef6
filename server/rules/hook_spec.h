/*
 * What a webhook's record must be like. Inside the rules of webhooks only.
 */
#ifndef MREG_HOOK_SPEC_H
#define MREG_HOOK_SPEC_H

#include "hooks.h"

/* Puts the spec over the record *row (texts in arena or borrowed) and checks the result.
 * ERR_INVALID with a pointer. */
MUST_USE int hook_spec_apply(const struct hook_spec *spec, struct arena *a, struct hook_row *row,
                             struct err *e);
/* ERR_INVALID unless the token can be one of the format's. */
MUST_USE int hook_spec_token(const struct hook_spec *spec, const char *format, struct err *e);
/* The document of the history. Caller owns it. */
json_t *hook_document(const struct hook_row *row);
/* A list of "a,b" as JSON array. Caller owns it. */
json_t *hook_words(const char *list);

#endif
