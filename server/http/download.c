/*
 * File bodies: mapped in steps and written from the map, which measured faster than reading into a
 * buffer. Stored files never change after their rename, so a map cannot be cut short under us. Must
 * not know HTTP. Runs on the worker of the request.
 */
#include "download.h"

#include <sys/mman.h>
#include <unistd.h>

#define STEP_BYTES ((int64_t)256 << 10)

static bool send_step(int fd, int64_t at, size_t n, struct peer *peer)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t start = at - at % page;
    size_t skip = (size_t)(at - start);
    void *map = mmap(NULL, n + skip, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, (off_t)start);
    if (map == MAP_FAILED)
        return false;
    bool is_sent = peer->write(peer->self, (const char *)map + skip, n);
    munmap(map, n + skip);
    return is_sent;
}

bool download_send(const struct blob_file *file, int64_t first, int64_t length, struct peer *peer)
{
    if (file->inline_bytes)
        return peer->write(peer->self, file->inline_bytes + first, (size_t)length);
    bool is_sent = true;
    while (length > 0 && is_sent) {
        int64_t n = length < STEP_BYTES ? length : STEP_BYTES;
        is_sent = send_step(file->fd, first, (size_t)n, peer);
        first += n;
        length -= n;
    }
    return is_sent;
}
