/*
 * Upload speed without HTTP: one body of a file, and its parts sent by four threads, each until the
 * blob is durable. The reference in the same run writes the same bytes to a file, syncs it and then
 * hashes it by reading it back ("cp, sync, then openssl dgst").
 *
 *     bench_blob [FOLDER [MEBIBYTES]]      ratio > 1: faster than the reference
 *
 * Not part of ctest.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blob.h"
#include "seal.h"

#define N_SENDERS 4
#define BLOCK ((size_t)1 << 20)

static char block[BLOCK];
static struct store *store;
static struct blobs *blobs;
static int64_t size;
static struct digest digest;

static void check(int code, const struct err *e)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_blob: %s\n", e->message);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Copies of the block, from `at` to `end`. */
struct repeated {
    struct body_source source;
    int64_t at, end;
};

static int read_repeated(void *self, void *to, size_t n, size_t *got, struct err *e)
{
    struct repeated *r = self;
    size_t in_block = (size_t)(r->at % (int64_t)BLOCK), k = BLOCK - in_block;
    (void)e;
    k = k < n ? k : n;
    k = (int64_t)k < r->end - r->at ? k : (size_t)(r->end - r->at);
    memcpy(to, block + in_block, k);
    r->at += (int64_t)k;
    *got = k;
    return ERR_OK;
}

static double reference(const char *folder)
{
    char path[300];
    char *copy = mem_alloc(BLOCK);
    struct digest_ctx *c = digest_new();
    double start = now_s();
    snprintf(path, sizeof path, "%.200s/reference", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int64_t at = 0; at < size; at += (int64_t)BLOCK)
        if (write(fd, block, BLOCK) != (ssize_t)BLOCK)
            exit(1);
    if (fd < 0 || fsync(fd) != 0)
        exit(1);
    for (int64_t at = 0; at < size; at += (int64_t)BLOCK) {
        if (pread(fd, copy, BLOCK, at) != (ssize_t)BLOCK)
            exit(1);
        digest_add(c, copy, BLOCK);
    }
    digest_peek(c, &digest);
    double took = now_s() - start;
    close(fd);
    unlink(path);
    digest_free(c);
    free(copy);
    return took;
}

static void create(char id[40])
{
    struct upload_file f = {.size = size, .sha256 = digest, .path = "model.bin"};
    struct err e;
    check(upload_create(blobs, "m", "t-1", &f, 1, id, &e), &e);
}

static double whole(void)
{
    char id[40];
    struct err e;
    struct repeated r = {.source = {&r, read_repeated}, .end = size};
    create(id);
    double start = now_s();
    check(upload_put_file(blobs, id, 0, &r.source, &e), &e);
    check(upload_finish_file(blobs, id, 0, &e), &e);
    return now_s() - start;
}

struct sender {
    const char *id;
    int64_t first;
};

static void *send_parts(void *ctx)
{
    const struct sender *s = ctx;
    struct err e;
    for (int64_t part = s->first; part * BLOB_PART_BYTES < size; part += N_SENDERS) {
        int64_t at = part * BLOB_PART_BYTES, end = at + BLOB_PART_BYTES;
        struct repeated r = {{&r, read_repeated}, at, end < size ? end : size};
        check(upload_put_part(blobs, s->id, 0, part, NULL, &r.source, &e), &e);
    }
    return NULL;
}

static double parts(void)
{
    char id[40];
    struct err e;
    pthread_t threads[N_SENDERS];
    struct sender senders[N_SENDERS];
    create(id);
    double start = now_s();
    for (int i = 0; i < N_SENDERS; i++) {
        senders[i] = (struct sender){id, i};
        if (pthread_create(&threads[i], NULL, send_parts, &senders[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < N_SENDERS; i++)
        pthread_join(threads[i], NULL);
    check(upload_finish_file(blobs, id, 0, &e), &e);
    return now_s() - start;
}

/* The blob goes again, so that the next round writes it anew. */
static void forget_blob(const char *folder)
{
    char path[400], hex[DIGEST_HEX_BYTES];
    digest_hex(&digest, hex);
    snprintf(path, sizeof path, "%.200s/blobs/%.2s/%s", folder, hex, hex);
    unlink(path);
}

static void print(const char *name, double took, double base)
{
    printf("%-22s %8.0f MB/s   ratio %5.2f\n", name, (double)size / 1e6 / took, base / took);
}

int main(int argc, char **argv)
{
    char folder[256], path[300], command[300];
    struct err e;
    snprintf(folder, sizeof folder, "%.200s/bench-blob-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    size = (argc > 2 ? strtol(argv[2], NULL, 10) : 512) * (int64_t)BLOCK;
    if (size <= 0 || !mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/m.db", folder);
    struct store_options options = {.path = path, .n_readers = 8};
    check(seal_init(&e), &e);
    check(store_open(&options, &store, &e), &e);
    check(blobs_open(folder, store, &blobs, &e), &e);
    seal_random(block, BLOCK);
    for (int round = 0; round < 3; round++) {
        double base = reference(folder);
        print("write, sync, then hash", base, base);
        print("one body", whole(), base);
        forget_blob(folder);
        print("parts, 4 threads", parts(), base);
        forget_blob(folder);
    }
    blobs_close(blobs);
    store_close(store);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
