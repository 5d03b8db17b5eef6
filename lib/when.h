/*
 * Time as data: int64_t milliseconds since the Unix epoch, UTC. Nothing here reads a clock.
 */
#ifndef MREG_WHEN_H
#define MREG_WHEN_H

#include "err.h"

#define WHEN_TEXT_BYTES 32

/* Writes "2026-11-21T03:23:29.123Z" (RFC 3339; the fraction is left out when 0). Years 0..9999;
 * others are clamped. Returns out. */
char *when_format(int64_t ms, char out[WHEN_TEXT_BYTES]);
/* Reads RFC 3339 with any offset ("2026-05-03T10:00:00+02:00"), where seconds and offset may be
 * left out (UTC then), or a bare date, which means its last millisecond in UTC. ERR_INVALID
 * otherwise. */
MUST_USE int when_parse(const char *text, int64_t *ms, struct err *e);
/* As when_parse for the past: of a date that has begun but not ended by now_ms, that is now_ms. */
MUST_USE int when_parse_past(const char *text, int64_t now_ms, int64_t *ms, struct err *e);
/* Reads a duration: digits and one unit of ms s m h d, repeated in falling order ("1h30m"), or
 * "0". ERR_INVALID otherwise, also above 10 years. */
MUST_USE int when_parse_duration(const char *text, int64_t *ms, struct err *e);
/* Writes a duration in the largest two units ("1h 30m", "4.2s", "350ms"). Returns out. */
char *when_format_duration(int64_t ms, char out[WHEN_TEXT_BYTES]);

#endif
