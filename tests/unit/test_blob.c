/*
 * The blob store: uploads in any order, resumed, repeated, damaged, in parallel, on a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blob_inner.h"
#include "seal.h"
#include "support_dir.h"

#define MIB ((int64_t)1 << 20)
#define BIG (2 * BLOB_PART_BYTES + 5 * MIB + 7) /* three parts */
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static struct temp_dir dir;
static struct arena arena;
static _Thread_local struct err err;
static struct store *store;
static struct blobs *blobs;
static char *bytes; /* BIG of them */

static void open_all(const char *path)
{
    struct store_options options = {.path = arena_printf(&arena, "%s/m.db", path), .n_readers = 4};
    if (store_open(&options, &store, &err) != ERR_OK ||
        blobs_open(path, store, &blobs, &err) != ERR_OK)
        fail_msg("%s", err.message);
}

static void close_all(void)
{
    blobs_close(blobs);
    store_close(store);
    blobs = NULL;
    store = NULL;
}

static void reopen(void)
{
    close_all();
    open_all(dir.path);
}

static int make_bytes(void **state)
{
    uint64_t x = 88172645463325252u;
    (void)state;
    bytes = mem_alloc((size_t)BIG + 1);
    for (int64_t i = 0; i + 8 <= BIG; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(bytes + i, &x, 8);
    }
    return seal_init(&err);
}

static int free_bytes(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    temp_dir_make(&dir);
    open_all(dir.path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    temp_dir_remove(&dir);
    arena_clear(&arena);
    return 0;
}

/* ---- helpers ---- */

struct memory_body {
    struct body_source source;
    const char *at;
    int64_t left;
    size_t step;               /* most bytes per read */
    void (*before)(void *ctx); /* called once, when half is read */
    void *ctx;
    int64_t half;
};

static int read_memory(void *self, void *to, size_t n, size_t *got, struct err *e)
{
    struct memory_body *m = self;
    (void)e;
    if (m->before && m->left <= m->half) {
        void (*before)(void *) = m->before;
        m->before = NULL;
        before(m->ctx);
    }
    size_t k = m->left < (int64_t)n ? (size_t)m->left : n;
    k = k < m->step ? k : m->step;
    memcpy(to, m->at, k);
    m->at += k;
    m->left -= (int64_t)k;
    *got = k;
    return ERR_OK;
}

static struct memory_body body_of(const char *from, int64_t n)
{
    struct memory_body m = {.at = from, .left = n, .step = 100003, .half = n / 2};
    m.source.read = read_memory;
    return m;
}

static int put_part_at(const char *id, const char *from, int64_t size, int64_t part)
{
    int64_t n = blob_part_size(size, part);
    struct memory_body m = body_of(from + part * BLOB_PART_BYTES, n);
    struct digest d;
    struct err e;
    m.source.self = &m;
    digest_of(from + part * BLOB_PART_BYTES, (size_t)n, &d);
    int code = upload_put_part(blobs, id, 0, part, part % 2 ? &d : NULL, &m.source, &e);
    if (code)
        err = e;
    return code;
}

static int put_part(const char *id, int64_t size, int64_t part)
{
    return put_part_at(id, bytes, size, part);
}

static int put_file(const char *id, size_t file, const char *from, int64_t n)
{
    struct memory_body m = body_of(from, n);
    m.source.self = &m;
    return upload_put_file(blobs, id, file, &m.source, &err);
}

/* An upload of the first `size` bytes. */
static void create(char id[40], int64_t size, bool have)
{
    struct upload_file f = {.size = size, .path = "model.bin", .have = have};
    digest_of(bytes, (size_t)size, &f.sha256);
    assert_int_equal(upload_create(blobs, "fraud", "t-1", &f, 1, id, &err), ERR_OK);
    assert_int_equal(strlen(id), 20);
}

static int adopt_all(struct tx *tx, void *ctx, struct err *e)
{
    const char *id = ctx;
    int code = upload_adopt(blobs, tx, id, 0, e);
    if (!code)
        code = upload_forget(blobs, tx, id, e);
    if (code)
        return code;
    return db_run(tx_db(tx), e,
                  "INSERT INTO journal (seq, ts, epoch, actor, kind, object, fmt, message)"
                  " VALUES (?1, ?2, ?3, 't-1', 'version.publish', 'fraud', 1, 'x')",
                  "iii", tx_journaled(tx), tx_now_ms(tx), tx_epoch(tx));
}

static int publish(char *id)
{
    int code = upload_finish_file(blobs, id, 0, &err);
    return code ? code : store_write(store, TX_FACT, adopt_all, id, &err);
}

static struct upload load(const char *id)
{
    struct upload u = {0};
    assert_int_equal(upload_load(blobs, id, &arena, &u, &err), ERR_OK);
    return u;
}

static int64_t n_received(const char *id)
{
    struct upload u = load(id);
    int64_t n = 0;
    for (int64_t i = 0; i < u.files[0].n_parts; i++)
        n += (u.files[0].bitmap[i / 8] >> (i % 8)) & 1;
    return n;
}

static void assert_stored(int64_t size)
{
    struct digest d;
    const char *got = NULL;
    size_t n = 0;
    digest_of(bytes, (size_t)size, &d);
    assert_int_equal(blob_read(blobs, &d, (size_t)BIG, &arena, &got, &n, &err), ERR_OK);
    assert_int_equal(n, size);
    assert_int_equal(memcmp(got, bytes, n), 0);
}

static int count_files(const char *folder)
{
    char command[160];
    int n = -1;
    snprintf(command, sizeof command, "find %s/%s -type f | wc -l", dir.path, folder);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static char *stored_path(int64_t size)
{
    char name[BLOB_NAME_BYTES];
    struct digest d;
    digest_of(bytes, (size_t)size, &d);
    return arena_printf(&arena, "%s/blobs/%s", dir.path, blob_name(&d, name));
}

/* ---- tests ---- */

static void test_part_numbers(void **state)
{
    static const struct {
        int64_t size, n_parts, last;
    } cases[] = {
        {0, 1, 0},
        {1, 1, 1},
        {BLOB_PART_BYTES - 1, 1, BLOB_PART_BYTES - 1},
        {BLOB_PART_BYTES, 1, BLOB_PART_BYTES},
        {BLOB_PART_BYTES + 1, 2, 1},
        {INT64_C(5) << 30, 320, BLOB_PART_BYTES},
        {(INT64_C(5) << 30) + 3, 321, 3},
        {INT64_C(9007199254740991), 536870912, BLOB_PART_BYTES - 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t n = blob_n_parts(cases[i].size);
        assert_int_equal(n, cases[i].n_parts);
        assert_int_equal(blob_part_size(cases[i].size, n - 1), cases[i].last);
        if (n > 1)
            assert_int_equal(blob_part_size(cases[i].size, 0), BLOB_PART_BYTES);
        assert_int_equal((n - 1) * BLOB_PART_BYTES + cases[i].last, cases[i].size);
    }
}

static void test_sizes(void **state)
{
    static const int64_t sizes[] = {0,       1,           BLOB_INLINE_MAX, BLOB_INLINE_MAX + 1,
                                    3 * MIB, 8 * MIB + 1, BLOB_PART_BYTES, BLOB_PART_BYTES + 1};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (int whole = 0; whole < 2; whole++) {
            char id[40];
            create(id, sizes[i], false);
            assert_int_equal(n_received(id), 0);
            assert_int_equal(publish(id), ERR_CONFLICT);
            if (whole)
                assert_int_equal(put_file(id, 0, bytes, sizes[i]), ERR_OK);
            else
                for (int64_t part = 0; part < blob_n_parts(sizes[i]); part++)
                    assert_int_equal(put_part(id, sizes[i], part), ERR_OK);
            assert_int_equal(n_received(id), blob_n_parts(sizes[i]));
            assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_OK);
            assert_int_equal(publish(id), ERR_OK);
            assert_stored(sizes[i]);
            assert_int_equal(publish(id), ERR_NOT_FOUND);
        }
    assert_int_equal(count_files("blobs"), 5);
}

static void test_any_order(void **state)
{
    static const int64_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        char id[40];
        create(id, BIG, false);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_CONFLICT);
            assert_int_equal(put_part(id, BIG, orders[i][k]), ERR_OK);
            assert_int_equal(n_received(id), k + 1);
        }
        assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_OK);
        assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_OK);
        assert_int_equal(put_part(id, BIG, 1), ERR_OK); /* a late repetition */
        assert_int_equal(publish(id), ERR_OK);
        assert_stored(BIG);
    }
    assert_int_equal(count_files("blobs"), 1);
    assert_int_equal(count_files("staging"), 0);
}

static void test_resume(void **state)
{
    char id[40];
    (void)state;
    create(id, BIG, false);
    assert_int_equal(put_part(id, BIG, 0), ERR_OK);
    assert_int_equal(put_part(id, BIG, 2), ERR_OK);
    reopen();
    struct upload u = load(id);
    assert_int_equal(u.files[0].bitmap[0], 5);
    assert_string_equal(u.model, "fraud");
    assert_string_equal(u.files[0].path, "model.bin");
    assert_int_equal(put_part(id, BIG, 0), ERR_OK); /* the client did not see the answer */
    assert_int_equal(put_part(id, BIG, 1), ERR_OK);
    reopen();
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

static void damage(const char *path, int64_t offset)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "damaged", 7, offset), 7);
    close(fd);
}

/* What a crash does to bytes that were not synced. */
static void test_lost_parts(void **state)
{
    char id[40];
    (void)state;
    create(id, BIG, false);
    for (int64_t part = 0; part < 3; part++)
        assert_int_equal(put_part(id, BIG, part), ERR_OK);
    const char *path = arena_printf(&arena, "%s/staging/%s-0", dir.path, id);
    close_all();
    damage(path, BLOB_PART_BYTES + 100);
    assert_int_equal(truncate(path, 2 * BLOB_PART_BYTES + 5), 0);
    open_all(dir.path);
    assert_int_equal(publish(id), ERR_CONFLICT);
    assert_int_equal(load(id).files[0].bitmap[0], 5);
    assert_int_equal(put_part(id, BIG, 1), ERR_OK);
    assert_int_equal(publish(id), ERR_CONFLICT);
    assert_int_equal(load(id).files[0].bitmap[0], 3);
    assert_int_equal(put_part(id, BIG, 2), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

static void test_lost_whole_files(void **state)
{
    static const int64_t sizes[] = {100, MIB};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char id[40];
        create(id, sizes[i], false);
        assert_int_equal(put_part(id, sizes[i], 0), ERR_OK);
        if (sizes[i] > BLOB_INLINE_MAX)
            assert_int_equal(unlink(stored_path(sizes[i])), 0);
        else
            damage(arena_printf(&arena, "%s/staging/%s-0", dir.path, id), 3);
        assert_int_equal(publish(id), ERR_CORRUPT);
        assert_int_equal(n_received(id), 0);
        assert_int_equal(publish(id), ERR_CONFLICT);
        assert_int_equal(put_part(id, sizes[i], 0), ERR_OK);
        assert_int_equal(publish(id), ERR_OK);
        assert_stored(sizes[i]);
    }
}

static void test_wrong_bytes(void **state)
{
    char id[40];
    (void)state;
    create(id, MIB, false);
    assert_int_equal(put_file(id, 0, bytes + 1, MIB), ERR_CORRUPT);
    assert_int_equal(put_file(id, 0, bytes, MIB - 1), ERR_CORRUPT);
    assert_int_equal(put_file(id, 0, bytes, MIB + 1), ERR_CORRUPT);
    assert_int_equal(put_part_at(id, bytes + 1, MIB, 0), ERR_CORRUPT);
    assert_int_equal(n_received(id), 0);
    assert_int_equal(count_files("staging"), 0);
    struct memory_body m = body_of(bytes, 1);
    assert_int_equal(upload_put_part(blobs, id, 0, 1, NULL, &m.source, &err), ERR_NOT_FOUND);
    assert_int_equal(upload_put_part(blobs, id, 0, -1, NULL, &m.source, &err), ERR_NOT_FOUND);
    assert_int_equal(put_file(id, 1, bytes, MIB), ERR_NOT_FOUND);
    assert_int_equal(put_file("unknown", 0, bytes, MIB), ERR_NOT_FOUND);
    assert_int_equal(put_file("../../etc/passwd", 0, bytes, MIB), ERR_NOT_FOUND);
    assert_int_equal(put_part(id, MIB, 0), ERR_OK);
    assert_int_equal(put_part(id, MIB, 0), ERR_OK);
    assert_int_equal(put_part_at(id, bytes + 1, MIB, 0), ERR_CONFLICT);
    assert_int_equal(put_file(id, 0, bytes + 1, MIB), ERR_CONFLICT);
    assert_int_equal(publish(id), ERR_OK);
}

static void test_wrong_parts(void **state)
{
    char id[40];
    struct digest wrong = {{1}};
    (void)state;
    create(id, BIG, false);
    struct memory_body m = body_of(bytes, BLOB_PART_BYTES);
    m.source.self = &m;
    assert_int_equal(upload_put_part(blobs, id, 0, 0, &wrong, &m.source, &err), ERR_CORRUPT);
    m = body_of(bytes, BLOB_PART_BYTES - 1);
    m.source.self = &m;
    assert_int_equal(upload_put_part(blobs, id, 0, 0, NULL, &m.source, &err), ERR_CORRUPT);
    assert_int_equal(n_received(id), 0);
    assert_int_equal(put_part(id, BIG, 0), ERR_OK);
    assert_int_equal(put_part_at(id, bytes + 1, BIG - 1, 0), ERR_CONFLICT);
    assert_int_equal(put_part_at(id, bytes - 1, BIG, 1), ERR_OK); /* other bytes than announced */
    assert_int_equal(put_part(id, BIG, 2), ERR_OK);
    assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_CORRUPT);
    assert_int_equal(n_received(id), 0);
    assert_int_equal(count_files("blobs"), 0);
    for (int64_t part = 0; part < 3; part++)
        assert_int_equal(put_part(id, BIG, part), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

/* A whole body replaces parts that came before. */
static void test_file_after_parts(void **state)
{
    char id[40];
    (void)state;
    create(id, BIG, false);
    assert_int_equal(put_part(id, BIG, 1), ERR_OK);
    assert_int_equal(put_file(id, 0, bytes, BIG), ERR_OK);
    assert_int_equal(n_received(id), 3);
    assert_int_equal(count_files("staging"), 0);
    assert_int_equal(put_part(id, BIG, 2), ERR_OK);
    assert_int_equal(put_part_at(id, bytes - 1, BIG, 2), ERR_CONFLICT);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

static void test_have(void **state)
{
    static const int64_t sizes[] = {100, MIB, BIG};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char first[40], second[40], third[40];
        create(first, sizes[i], true); /* may have it, but it is not stored */
        assert_false(load(first).files[0].have);
        assert_int_equal(put_file(first, 0, bytes, sizes[i]), ERR_OK);
        create(second, sizes[i], true);
        assert_false(load(second).files[0].have); /* staged is not stored */
        assert_int_equal(publish(first), ERR_OK);
        create(second, sizes[i], true);
        create(third, sizes[i], false); /* stored, but this caller must prove to have it */
        assert_true(load(second).files[0].have);
        assert_false(load(third).files[0].have);
        assert_int_equal(publish(third), ERR_CONFLICT);
        assert_int_equal(put_file(second, 0, bytes, sizes[i]), ERR_OK);
        assert_int_equal(put_file(second, 0, bytes + 1, sizes[i]), ERR_CONFLICT);
        assert_int_equal(publish(second), ERR_OK);
        assert_int_equal(put_file(third, 0, bytes, sizes[i]), ERR_OK);
        assert_int_equal(publish(third), ERR_OK);
        assert_stored(sizes[i]);
    }
    assert_int_equal(count_files("blobs"), 2);
}

/* A file of the right name and another size cannot be the blob. */
static void test_damaged_blob(void **state)
{
    char id[40];
    struct digest d;
    struct blob_file f;
    (void)state;
    create(id, MIB, false);
    assert_int_equal(put_part(id, MIB, 0), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    assert_int_equal(truncate(stored_path(MIB), 5), 0);
    digest_of(bytes, (size_t)MIB, &d);
    assert_int_equal(blob_open(blobs, &d, &f, &err), ERR_CORRUPT);
    create(id, MIB, false);
    assert_int_equal(put_part(id, MIB, 0), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(MIB);
    unlink(stored_path(MIB));
    assert_int_equal(blob_open(blobs, &d, &f, &err), ERR_CORRUPT);
    d.b[0] ^= 1;
    assert_int_equal(blob_open(blobs, &d, &f, &err), ERR_NOT_FOUND);
}

static void test_read_limit(void **state)
{
    char id[40];
    struct digest d;
    const char *got;
    size_t n;
    (void)state;
    create(id, 1000, false);
    assert_int_equal(put_part(id, 1000, 0), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    digest_of(bytes, 1000, &d);
    assert_int_equal(blob_read(blobs, &d, 999, &arena, &got, &n, &err), ERR_TOO_LARGE);
    assert_int_equal(blob_read(blobs, &d, 1000, &arena, &got, &n, &err), ERR_OK);
}

static void test_head(void **state)
{
    static const int64_t sizes[] = {0, 10, MIB, BIG};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char id[40], head[64];
        size_t got = 99, want = sizes[i] < 64 ? (size_t)sizes[i] : 64;
        create(id, sizes[i], false);
        assert_int_equal(upload_head(blobs, id, 0, head, 64, &got, &err), ERR_OK);
        assert_int_equal(got, 0);
        for (int64_t part = 0; part < blob_n_parts(sizes[i]); part++)
            assert_int_equal(put_part(id, sizes[i], part), ERR_OK);
        for (int finished = 0; finished < 3; finished++) {
            memset(head, 0, sizeof head);
            assert_int_equal(upload_head(blobs, id, 0, head, 64, &got, &err), ERR_OK);
            assert_int_equal(got, want);
            assert_memory_equal(head, bytes, want);
            if (finished == 0)
                assert_int_equal(upload_finish_file(blobs, id, 0, &err), ERR_OK);
            if (finished == 1) {
                assert_int_equal(publish(id), ERR_OK);
                create(id, sizes[i], true);
            }
        }
    }
}

/* ---- threads ---- */

struct part_sender {
    const char *id;
    int first, step;
    atomic_int *n_wrong;
};

static void *send_parts(void *ctx)
{
    struct part_sender *s = ctx;
    for (int i = 0; i < 9; i++)
        if (put_part(s->id, BIG, (s->first + i * s->step) % 3) == ERR_CORRUPT)
            atomic_fetch_add(s->n_wrong, 1);
    return NULL;
}

/* Several threads send all parts again and again: some are refused, none is mixed up. */
static void test_parallel(void **state)
{
    char id[40];
    pthread_t threads[4];
    struct part_sender senders[4];
    atomic_int n_wrong = 0;
    (void)state;
    create(id, BIG, false);
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct part_sender){id, i, i % 2 + 1, &n_wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, send_parts, &senders[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(n_wrong, 0);
    assert_int_equal(n_received(id), 3);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

struct takeover {
    const char *id;
    int code;
};

static void send_again(void *ctx)
{
    struct takeover *t = ctx;
    t->code = put_part(t->id, BIG, 0);
}

/* A connection that hangs in the middle of a part does not stop the client's next try. */
static void test_takeover(void **state)
{
    char id[40];
    struct takeover t = {id, -1};
    (void)state;
    create(id, BIG, false);
    struct memory_body old = body_of(bytes + 1, BLOB_PART_BYTES); /* other bytes */
    old.source.self = &old;
    old.before = send_again;
    old.ctx = &t;
    assert_int_equal(upload_put_part(blobs, id, 0, 0, NULL, &old.source, &err), ERR_CONFLICT);
    assert_int_equal(t.code, ERR_OK);
    assert_int_equal(put_part(id, BIG, 1), ERR_OK);
    assert_int_equal(put_part(id, BIG, 2), ERR_OK);
    assert_int_equal(publish(id), ERR_OK);
    assert_stored(BIG);
}

static void *upload_small(void *ctx)
{
    atomic_int *n_wrong = ctx;
    for (int i = 0; i < 20; i++) {
        char id[40];
        struct err e;
        struct upload_file f = {.size = 20000, .path = "a"};
        struct memory_body m = body_of(bytes, 20000);
        m.source.self = &m;
        digest_of(bytes, 20000, &f.sha256);
        if (upload_create(blobs, "m", "t", &f, 1, id, &e) != ERR_OK ||
            upload_put_file(blobs, id, 0, &m.source, &e) != ERR_OK ||
            upload_finish_file(blobs, id, 0, &e) != ERR_OK ||
            store_write(store, TX_FACT, adopt_all, id, &e) != ERR_OK)
            atomic_fetch_add(n_wrong, 1);
    }
    return NULL;
}

/* The same content by everybody at once, with the sweep running beside. */
static void test_parallel_dedup(void **state)
{
    pthread_t threads[4];
    atomic_int n_wrong = 0;
    int64_t n;
    struct timespec now;
    (void)state;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, upload_small, &n_wrong), 0);
    for (int i = 0; i < 5; i++) /* two hours ahead: nothing counts as young */
        assert_int_equal(blobs_sweep(blobs, (int64_t)now.tv_sec * 1000 + DAY_MS / 12, &n, &err),
                         ERR_OK);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(n_wrong, 0);
    assert_stored(20000);
    assert_int_equal(count_files("blobs"), 1);
}

/* ---- sweep ---- */

static int64_t sweep(int64_t ahead_ms)
{
    struct timespec now;
    int64_t n = -1;
    clock_gettime(CLOCK_REALTIME, &now);
    assert_int_equal(blobs_sweep(blobs, (int64_t)now.tv_sec * 1000 + ahead_ms, &n, &err), ERR_OK);
    return n;
}

static void test_sweep(void **state)
{
    char stored[40], staged[40], gone[40], parts[40];
    (void)state;
    create(stored, MIB, false);
    assert_int_equal(put_part(stored, MIB, 0), ERR_OK);
    assert_int_equal(publish(stored), ERR_OK);
    create(staged, 2 * MIB, false); /* in blobs/, only the upload names it */
    assert_int_equal(put_part(staged, 2 * MIB, 0), ERR_OK);
    create(parts, BIG, false);
    assert_int_equal(put_part(parts, BIG, 0), ERR_OK);
    create(gone, 100, false);
    assert_int_equal(put_part(gone, 100, 0), ERR_OK);
    assert_int_equal(publish(gone), ERR_OK); /* its inline staging file is left */
    assert_int_equal(count_files("staging"), 2);
    assert_int_equal(count_files("blobs"), 2);
    assert_int_equal(sweep(0), 1);
    assert_int_equal(sweep(DAY_MS), 0);
    assert_int_equal(n_received(staged) + n_received(parts), 2);
    assert_int_equal(sweep(8 * DAY_MS), 4); /* two uploads, a staging file, a blob */
    assert_int_equal(count_files("staging"), 0);
    assert_int_equal(count_files("blobs"), 1);
    assert_stored(MIB);
    assert_stored(100);
    assert_int_equal(put_part(parts, BIG, 1), ERR_NOT_FOUND);
}

static void test_leftovers(void **state)
{
    char id[40];
    (void)state;
    create(id, MIB, false);
    const char *path = arena_printf(&arena, "%s/staging/%s-0.0", dir.path, id);
    close_all();
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    open_all(dir.path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(put_part(id, MIB, 0), ERR_OK);
}

/* ---- full disk ---- */

static int fill_disk(const char *path)
{
    char big[40], small[40];
    int wrong = 0;
    open_all(path);
    create(big, BIG, false);
    create(small, MIB, false);
    wrong += put_file(big, 0, bytes, BIG) != ERR_NO_SPACE;
    wrong += put_part(big, BIG, 0) != ERR_OK; /* 16 of 24 MiB */
    wrong += put_part(big, BIG, 1) != ERR_NO_SPACE;
    wrong += n_received(big) != 1;
    wrong += put_part(small, MIB, 0) != ERR_OK;
    wrong += publish(small) != ERR_OK;
    close_all();
    return wrong;
}

static void test_full_disk(void **state)
{
    struct temp_dir disk CLEANUP(temp_dir_remove);
    (void)state;
    temp_dir_make(&disk);
    int rc = run_on_small_disk(disk.path, 24 << 20, fill_disk);
    arena_clear(&arena);
    if (rc == -1)
        skip();
    assert_int_equal(rc, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_numbers),
        cmocka_unit_test(test_full_disk), /* forks, so before any thread */
        TEST(test_sizes),
        TEST(test_any_order),
        TEST(test_resume),
        TEST(test_lost_parts),
        TEST(test_lost_whole_files),
        TEST(test_wrong_bytes),
        TEST(test_wrong_parts),
        TEST(test_file_after_parts),
        TEST(test_have),
        TEST(test_damaged_blob),
        TEST(test_read_limit),
        TEST(test_head),
        TEST(test_parallel),
        TEST(test_takeover),
        TEST(test_parallel_dedup),
        TEST(test_sweep),
        TEST(test_leftovers),
    };
    return cmocka_run_group_tests(tests, make_bytes, free_bytes);
}
