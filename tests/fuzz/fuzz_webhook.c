/* Keyring files, webhook addresses and what lineages call a repository: any bytes. */
#include <stdlib.h>
#include <string.h>

#include "commit_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct webhook_keyring ring;
    struct err e;
    char *text = arena_copy(&a, data, n);
    if (seal_init(&e) != ERR_OK)
        abort();
    if (webhook_keyring_read(text, n, &ring, &e) == ERR_OK) {
        struct buf once CLEANUP(buf_clear);
        struct webhook_keyring again;
        buf_init(&once, 8192);
        webhook_keyring_write(&ring, &once);
        /* a token of odd letters cannot come back, but is refused before it is stored */
        if (!*ring.token && webhook_keyring_read(buf_str(&once), once.len, &again, &e) != ERR_OK)
            abort();
    }
    if (webhook_check_url(text, &e) == ERR_OK && strpbrk(text, " \r\n\"#\\"))
        abort();
    const char *path = commit_repository(text, &a);
    if (path && (strpbrk(path, " ?#%&\r\n\"\\:") || !strchr(path, '/') || strstr(path, "..")))
        abort();
    return 0;
}
