/*
 * A writer of git packs without deltas. Knows bytes, not what the objects mean and not libgit2.
 * Runs on the git thread.
 */
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_MAX_BYTES ((size_t)1 << 30) /* below 2 GiB: 32-bit offsets in the index */
#define HEADER_BYTES 12
#define STORED_BLOCK_BYTES 65535u /* of RFC 1951 */

struct pack_object {
    struct git_id id;
    uint32_t crc;
    uint32_t offset;
};

struct pack {
    struct buf bytes;
    struct pack_object *objects;
    size_t n, cap;
    uint32_t *slots; /* open addressing: index + 1 into objects, 0 is free */
    size_t n_slots;  /* power of two, at least twice n */
    uint32_t crc_table[256];
};

static const char hex_digits[] = "0123456789abcdef";

char *git_id_hex(const struct git_id *id, char out[GIT_ID_HEX_BYTES])
{
    for (size_t i = 0; i < sizeof id->b; i++) {
        out[2 * i] = hex_digits[id->b[i] >> 4];
        out[2 * i + 1] = hex_digits[id->b[i] & 15];
    }
    out[GIT_ID_HEX_BYTES - 1] = '\0';
    return out;
}

bool git_id_parse(const char *text, struct git_id *out)
{
    struct git_id id;
    for (size_t i = 0; i < sizeof id.b; i++) {
        const char *high = text[2 * i] ? strchr(hex_digits, text[2 * i]) : NULL;
        const char *low = high && text[2 * i + 1] ? strchr(hex_digits, text[2 * i + 1]) : NULL;
        if (!low)
            return false;
        id.b[i] = (uint8_t)((high - hex_digits) << 4 | (low - hex_digits));
    }
    *out = id;
    return true;
}

bool git_id_equal(const struct git_id *a, const struct git_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* ---- checksums ---- */

static void make_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
}

static uint32_t crc32_of(const uint32_t table[256], const char *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++)
        c = table[(c ^ (uint8_t)p[i]) & 0xff] ^ c >> 8;
    return c ^ 0xffffffffu;
}

static uint32_t adler32_of(const uint8_t *p, size_t n)
{
    uint32_t a = 1;
    uint32_t b = 0;
    while (n) {
        size_t run = n < 5552 ? n : 5552; /* the sums stay below 2^32 that long (RFC 1950) */
        for (size_t i = 0; i < run; i++) {
            a += p[i];
            b += a;
        }
        a %= 65521;
        b %= 65521;
        p += run;
        n -= run;
    }
    return b << 16 | a;
}

/* ---- the pack in memory ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    buf_put(b, bytes, 4);
}

struct pack *pack_new(void)
{
    struct pack *p = mem_alloc(sizeof *p);
    buf_init(&p->bytes, PACK_MAX_BYTES);
    p->n_slots = 1024;
    p->slots = mem_alloc(p->n_slots * sizeof *p->slots);
    make_crc_table(p->crc_table);
    pack_reset(p);
    return p;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    buf_clear(&p->bytes);
    free(p->objects);
    free(p->slots);
    free(p);
}

void pack_reset(struct pack *p)
{
    static const char header[HEADER_BYTES] = {'P', 'A', 'C', 'K', 0, 0, 0, 2, 0, 0, 0, 0};
    buf_reset(&p->bytes);
    buf_put(&p->bytes, header, sizeof header);
    memset(p->slots, 0, p->n_slots * sizeof *p->slots);
    p->n = 0;
}

size_t pack_bytes(const struct pack *p)
{
    return p->bytes.len;
}

/* The slot of id: where it is, or where it would go. An id is already a hash. */
static size_t find_slot(const struct pack *p, const struct git_id *id)
{
    uint64_t hash;
    memcpy(&hash, id->b, sizeof hash);
    size_t at = (size_t)hash & (p->n_slots - 1);
    while (p->slots[at] && !git_id_equal(&p->objects[p->slots[at] - 1].id, id))
        at = (at + 1) & (p->n_slots - 1);
    return at;
}

static void grow_slots(struct pack *p)
{
    free(p->slots);
    p->n_slots *= 2;
    p->slots = mem_alloc(p->n_slots * sizeof *p->slots);
    for (size_t i = 0; i < p->n; i++)
        p->slots[find_slot(p, &p->objects[i].id)] = (uint32_t)i + 1;
}

/* Kind and size: 4 bits of the size in the first byte, then 7 per byte, lowest first. */
static void put_entry_header(struct buf *b, enum pack_kind kind, size_t n)
{
    unsigned byte = (unsigned)kind << 4 | (unsigned)(n & 15);
    for (n >>= 4; n; n >>= 7) {
        buf_putc(b, (char)(byte | 0x80));
        byte = (unsigned)(n & 127);
    }
    buf_putc(b, (char)byte);
}

/* A zlib stream of stored blocks. */
static void put_stored(struct buf *b, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t left = n;
    buf_put(b, "\x78\x01", 2);
    do {
        uint32_t run = left < STORED_BLOCK_BYTES ? (uint32_t)left : STORED_BLOCK_BYTES;
        uint8_t head[5] = {run == left, (uint8_t)run, (uint8_t)(run >> 8), (uint8_t)~run,
                           (uint8_t)(~run >> 8)};
        buf_put(b, head, sizeof head);
        buf_put(b, p, run);
        p += run;
        left -= run;
    } while (left);
    put_u32(b, adler32_of(bytes, n));
}

void pack_add(struct pack *p, enum pack_kind kind, const void *bytes, size_t n, struct git_id *id)
{
    static const char *const names[] = {"", "commit", "tree", "blob"};
    char head[40];
    int n_head = snprintf(head, sizeof head, "%s %zu", names[kind], n);
    digest_sha1(head, (size_t)n_head + 1, bytes, n, id->b); /* the NUL belongs to it */
    size_t slot = find_slot(p, id);
    if (p->slots[slot])
        return;
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 1024;
        p->objects = mem_resize(p->objects, p->cap, sizeof *p->objects);
    }
    size_t start = p->bytes.len;
    put_entry_header(&p->bytes, kind, n);
    put_stored(&p->bytes, n ? bytes : "", n);
    p->objects[p->n++] = (struct pack_object){
        .id = *id,
        .crc = crc32_of(p->crc_table, p->bytes.data + start, p->bytes.len - start),
        .offset = (uint32_t)start,
    };
    p->slots[slot] = (uint32_t)p->n;
    if (2 * p->n > p->n_slots)
        grow_slots(p);
}

/* ---- writing ---- */

static int compare_objects(const void *a, const void *b)
{
    const struct pack_object *x = a;
    const struct pack_object *y = b;
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* Index version 2. Sorts the objects. */
static void make_index(struct pack *p, const uint8_t pack_sum[DIGEST_SHA1_BYTES], struct buf *out)
{
    uint8_t sum[DIGEST_SHA1_BYTES];
    size_t k = 0;
    qsort(p->objects, p->n, sizeof *p->objects, compare_objects);
    buf_put(out, "\377tOc\0\0\0\2", 8);
    for (unsigned first = 0; first < 256; first++) {
        while (k < p->n && p->objects[k].id.b[0] <= first)
            k++;
        put_u32(out, (uint32_t)k);
    }
    for (size_t i = 0; i < p->n; i++)
        buf_put(out, p->objects[i].id.b, sizeof p->objects[i].id.b);
    for (size_t i = 0; i < p->n; i++)
        put_u32(out, p->objects[i].crc);
    for (size_t i = 0; i < p->n; i++)
        put_u32(out, p->objects[i].offset);
    buf_put(out, pack_sum, DIGEST_SHA1_BYTES);
    digest_sha1(NULL, 0, out->data, out->len, sum);
    buf_put(out, sum, sizeof sum);
}

static int file_error(struct err *e, const char *what)
{
    int number = errno;
    bool is_full = number == ENOSPC || number == EDQUOT;
    return err_set(e, is_full ? ERR_NO_SPACE : ERR_INTERNAL, "%s: %s", what, strerror(number));
}

static int write_whole(int fd, const struct buf *bytes, struct err *e)
{
    size_t done = 0;
    while (done < bytes->len) {
        ssize_t n = write(fd, bytes->data + done, bytes->len - done);
        if (n < 0 && errno != EINTR)
            return file_error(e, "write a pack");
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) ? file_error(e, "fsync of a pack") : ERR_OK;
}

/* Writes bytes under a temporary name, then renames to dir/name. */
static int write_file(const char *dir, const char *name, const struct buf *bytes, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    char *temporary = arena_printf(&a, "%s/tmp_%s", dir, name);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return file_error(e, temporary);
    int code = write_whole(fd, bytes, e);
    if (!code && fchmod(fd, 0444))
        code = file_error(e, temporary);
    if (close(fd) && !code)
        code = file_error(e, temporary);
    if (!code && rename(temporary, arena_printf(&a, "%s/%s", dir, name)))
        code = file_error(e, "rename a pack");
    if (code)
        unlink(temporary);
    return code;
}

static int sync_dir(const char *dir, struct err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_error(e, dir);
    int code = fsync(fd) ? file_error(e, dir) : ERR_OK;
    close(fd);
    return code;
}

int pack_write(struct pack *p, const char *dir, char name[PACK_NAME_BYTES], struct err *e)
{
    struct buf index CLEANUP(buf_clear);
    struct git_id sum;
    char hex[GIT_ID_HEX_BYTES];
    char file[PACK_NAME_BYTES + 8];
    buf_init(&index, PACK_MAX_BYTES);
    name[0] = '\0';
    if (!p->n)
        return ERR_OK;
    for (int i = 0; i < 4; i++)
        p->bytes.data[8 + i] = (char)(uint8_t)(p->n >> (24 - 8 * i));
    digest_sha1(NULL, 0, p->bytes.data, p->bytes.len, sum.b);
    buf_put(&p->bytes, sum.b, sizeof sum.b);
    make_index(p, sum.b, &index);
    if (!buf_ok(&p->bytes) || !buf_ok(&index))
        return err_set(e, ERR_TOO_LARGE, "a pack of over %zu bytes", PACK_MAX_BYTES);
    snprintf(name, PACK_NAME_BYTES, "pack-%s", git_id_hex(&sum, hex));
    snprintf(file, sizeof file, "%s.pack", name);
    int code = write_file(dir, file, &p->bytes, e);
    snprintf(file, sizeof file, "%s.idx", name);
    if (!code)
        code = write_file(dir, file, &index, e);
    return code ? code : sync_dir(dir, e);
}
