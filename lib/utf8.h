/*
 * The one UTF-8 check that names, paths and JSON output share.
 */
#ifndef MREG_UTF8_H
#define MREG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length (1..4) of the well-formed UTF-8 sequence at p, of which n bytes (borrowed) may be read; 0
 * when there is none: overlong forms, surrogates and code points above U+10FFFF are refused. *code
 * (may be NULL) is its code point, untouched on 0. Any thread. */
size_t utf8_next(const char *p, size_t n, uint32_t *code);
/* True if all n bytes (borrowed) are well-formed UTF-8. */
bool utf8_ok(const char *p, size_t n);
/* Bytes before the first control character or ill-formed sequence in n bytes (borrowed); n: neither
 * is there. */
size_t utf8_plain(const char *p, size_t n);
/* True for the code points that names refuse: U+0000..U+001F and U+007F..U+009F. */
bool utf8_is_control(uint32_t code);

#endif
