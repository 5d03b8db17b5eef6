/*
 * Values of every type of setting, addresses and environment variables from hostile bytes; and
 * whole files through libgit2's reader.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct config *c)
{
    for (size_t i = 0; settings[i].name; i++) {
        const struct setting *s = &settings[i];
        int64_t n = config_int(c, s->name);
        if (s->type != SETTING_BOOL && s->type != SETTING_CHOICE)
            assert(n >= s->min && n <= s->max);
    }
}

/* libgit2 wants a file with a name: one in memory has one. */
static void try_file(struct config *c, const uint8_t *data, size_t size)
{
    struct err e = {0};
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (config_file(c, path, &e) != 0)
        assert(e.message[0]);
    close(fd);
}

static void try_values(struct config *c, const char *text)
{
    struct err e = {0};
    char address[16];
    int port = -1;
    int64_t bytes = -1;
    for (size_t i = 0; settings[i].name; i++)
        if (config_set(c, settings[i].name, text, "fuzz", &e) != 0)
            assert(e.code == ERR_INVALID);
    if (config_address(text, address, &port, &e) == 0)
        assert(port >= 0 && port <= 65535 && strlen(address) < sizeof address);
    if (config_size(text, &bytes, &e) == 0)
        assert(bytes >= 0);
    int unknown_name = config_set(c, text, "1", "fuzz", &e);
    (void)unknown_name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = config_new();
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    try_values(c, text);
    check_bounds(c);
    if (text[0] == '[') /* libgit2 starts and stops with each file, which is slow */
        try_file(c, data, size);
    check_bounds(c);
    char *const variables[] = {text, NULL};
    struct buf unknown;
    struct err e = {0};
    buf_init(&unknown, 4096);
    int rc = config_environment(c, variables, &unknown, &e);
    assert(rc == 0 || rc == ERR_INVALID);
    check_bounds(c);
    buf_clear(&unknown);
    free(text);
    config_free(c);
    return 0;
}
