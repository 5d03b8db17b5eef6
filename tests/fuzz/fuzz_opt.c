/*
 * Command lines from hostile bytes (words end with NUL) through the parser, with the real tables;
 * and settings files through their reader and editor.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ini.h"

#define MAX_WORDS 80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_line(char *text, size_t size)
{
    char *words[MAX_WORDS + 1] = {text};
    struct cli cli = {0};
    struct err e = {0};
    int n = 1;
    char first[] = "mreg";
    words[0] = first;
    for (size_t at = 0; at < size && n < MAX_WORDS; at += strlen(text + at) + 1)
        words[n++] = text + at;
    int word = opt_first_word(n, words, command_tables);
    assert(word >= 0 && word < n);
    if (word)
        assert(!opt_of_word(command_tables, words[word]) || *words[word]);
    int rc = opt_parse(&cli, n, words, command_tables, &e);
    if (rc != ERR_OK)
        assert(rc == ERR_INVALID && e.message[0]);
    else if (cli.command && !opt_has(&cli, "help"))
        assert(cli.n_args >= cli.command->min_args && cli.n_args <= cli.command->max_args);
    assert(cli.n_args <= CLI_MAX_ARGS && cli.n_values <= CLI_MAX_VALUES);
    for (int i = 0; i < cli.n_values; i++)
        assert(cli.values[i].name && cli.values[i].value);
    arena_clear(&cli.arena);
}

/* What is set is found again, and the file still is one. */
static void try_settings(const char *text)
{
    struct ini ini = {.n = 0};
    struct ini again = {.n = 0};
    struct err e = {0};
    struct buf edited;
    const struct ini_entry place = {
        .section = "context", .subsection = "a \"b\"", .key = "url", .value = " odd # value\\"};
    buf_init(&edited, 1 << 20);
    if (ini_parse(text, &ini, &e) == ERR_OK) {
        ini_set(text, &place, &edited);
        int rc = ini_parse(buf_str(&edited), &again, &e);
        assert(rc == ERR_OK);
        const struct ini_entry *x = ini_find(&again, "context", "a \"b\"", "url");
        assert(x && strcmp(x->value, place.value) == 0);
        ini_clear(&again);
        buf_reset(&edited);
        ini_drop(text, "context", "a \"b\"", &edited);
        rc = ini_parse(buf_str(&edited), &again, &e);
        assert(rc == ERR_OK && !ini_find(&again, "context", "a \"b\"", "url"));
    } else {
        assert(e.message[0]);
    }
    ini_clear(&ini);
    ini_clear(&again);
    buf_clear(&edited);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    try_settings(text);
    try_line(text, size);
    free(text);
    return 0;
}
