/*
 * What jwt.c asks of jwt_key.c. Nobody else includes this.
 */
#ifndef MREG_JWT_INNER_H
#define MREG_JWT_INNER_H

#include "jwt.h"

/* Check the signature by a key whose kty fits. ERR_INVALID: malformed or weak; ERR_CORRUPT. */
MUST_USE int jwt_verify_rs256(const struct jwt *t, const json_t *key, struct err *e);
MUST_USE int jwt_verify_es256(const struct jwt *t, const json_t *key, struct err *e);

#endif
