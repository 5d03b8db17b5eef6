/*
 * The table of settings: every name that a configuration file, an environment variable or an option
 * may set, with type, default and bounds. Adding a setting is adding a row.
 */
#ifndef MREG_SETTINGS_H
#define MREG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum setting_type {
    SETTING_INT,
    SETTING_BOOL,
    SETTING_DURATION, /* "15s"; milliseconds */
    SETTING_SIZE,     /* "16MiB"; bytes */
    SETTING_CHOICE,   /* one word of `choices`; the value is its index */
    SETTING_TEXT
};

struct setting {
    const char *name; /* "server.body-timeout" */
    enum setting_type type;
    const char *standard; /* default, as text */
    int64_t min, max;     /* of numbers; of a text's length in bytes */
    const char *choices;  /* SETTING_CHOICE: "none declared" */
    bool is_reloadable;   /* SIGHUP takes a new value */
    const char *help;
};

extern const struct setting settings[]; /* ends with name NULL */

#endif
