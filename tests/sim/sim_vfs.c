/*
 * The file system of sim_vfs.h as SQLite wants it: files with locks on their shared memory, which
 * the log needs. Files are never freed: there are three, over and over. Any thread; every call
 * holds one lock.
 */
#include "sim_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

#include "mem.h"

#define MAX_FILES 16
#define MAX_REGIONS 64

struct file {
    char path[256];
    bool is_there;
    unsigned char *bytes;
    size_t n, cap;
    void *regions[MAX_REGIONS];
    int n_shared[SQLITE_SHM_NLOCK];
    bool is_exclusive[SQLITE_SHM_NLOCK];
};

/* What a connection holds. */
struct handle {
    sqlite3_file base;
    struct file *file;
    bool is_deleted_on_close;
    unsigned shared, exclusive; /* bits of slots */
};

static struct file files[MAX_FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct file *find_file(const char *path, bool makes)
{
    struct file *free_one = NULL;
    for (int i = 0; i < MAX_FILES; i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
        if (files[i].path[0] == '\0' && free_one == NULL)
            free_one = &files[i];
    }
    if (makes && free_one != NULL && strlen(path) < sizeof free_one->path)
        strcpy(free_one->path, path);
    return makes ? free_one : NULL;
}

static void make_room(struct file *f, size_t n)
{
    if (n <= f->cap)
        return;
    size_t cap = f->cap * 2 > n ? f->cap * 2 : n;
    f->bytes = mem_resize(f->bytes, cap, 1);
    memset(f->bytes + f->cap, 0, cap - f->cap);
    f->cap = cap;
}

/* --- bytes --- */

static int vfs_close(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    pthread_mutex_lock(&lock);
    if (h->is_deleted_on_close)
        h->file->is_there = false;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    const struct file *f = ((struct handle *)base)->file;
    pthread_mutex_lock(&lock);
    size_t from = (size_t)at < f->n ? (size_t)at : f->n;
    size_t there = f->n - from < (size_t)n ? f->n - from : (size_t)n;
    if (there > 0)
        memcpy(out, f->bytes + from, there);
    pthread_mutex_unlock(&lock);
    if (there == (size_t)n)
        return SQLITE_OK;
    memset((char *)out + there, 0, (size_t)n - there);
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
    struct file *f = ((struct handle *)base)->file;
    size_t end = (size_t)at + (size_t)n;
    pthread_mutex_lock(&lock);
    make_room(f, end);
    memcpy(f->bytes + at, bytes, (size_t)n);
    f->n = end > f->n ? end : f->n;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 n)
{
    struct file *f = ((struct handle *)base)->file;
    pthread_mutex_lock(&lock);
    if ((size_t)n < f->n) {
        memset(f->bytes + n, 0, f->n - (size_t)n);
        f->n = (size_t)n;
    }
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    (void)base;
    (void)flags;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct handle *)base)->file->n;
    return SQLITE_OK;
}

/* One process, and the log is kept apart by its own locks. */
static int vfs_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int vfs_reserved(sqlite3_file *base, int *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int vfs_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- shared memory of the log --- */

static int shm_map(sqlite3_file *base, int region, int size, int extends, void volatile **out)
{
    struct file *f = ((struct handle *)base)->file;
    *out = NULL;
    if (region >= MAX_REGIONS)
        return SQLITE_FULL;
    pthread_mutex_lock(&lock);
    if (f->regions[region] == NULL && extends)
        f->regions[region] = mem_alloc((size_t)size);
    *out = f->regions[region];
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static bool may_lock(const struct handle *h, int slot, bool is_exclusive)
{
    const struct file *f = h->file;
    bool is_mine = (h->exclusive & 1U << slot) != 0;
    int n_others = f->n_shared[slot] - ((h->shared & 1U << slot) != 0);
    if (f->is_exclusive[slot] && !is_mine)
        return false;
    return !is_exclusive || n_others == 0;
}

static void set_lock(struct handle *h, int slot, bool is_exclusive)
{
    if (is_exclusive) {
        h->exclusive |= 1U << slot;
        h->file->is_exclusive[slot] = true;
    } else if ((h->shared & 1U << slot) == 0) {
        h->shared |= 1U << slot;
        h->file->n_shared[slot]++;
    }
}

static void clear_lock(struct handle *h, int slot, bool is_exclusive)
{
    if (is_exclusive && (h->exclusive & 1U << slot) != 0) {
        h->exclusive &= ~(1U << slot);
        h->file->is_exclusive[slot] = false;
    } else if (!is_exclusive && (h->shared & 1U << slot) != 0) {
        h->shared &= ~(1U << slot);
        h->file->n_shared[slot]--;
    }
}

static int shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct handle *h = (struct handle *)base;
    bool is_exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    bool is_free = true;
    pthread_mutex_lock(&lock);
    for (int i = offset; (flags & SQLITE_SHM_LOCK) != 0 && i < offset + n; i++)
        is_free = is_free && may_lock(h, i, is_exclusive);
    for (int i = offset; is_free && i < offset + n; i++) {
        if ((flags & SQLITE_SHM_LOCK) != 0)
            set_lock(h, i, is_exclusive);
        else
            clear_lock(h, i, is_exclusive);
    }
    pthread_mutex_unlock(&lock);
    return is_free ? SQLITE_OK : SQLITE_BUSY;
}

static void shm_barrier(sqlite3_file *base)
{
    (void)base;
    __sync_synchronize();
}

static int shm_unmap(sqlite3_file *base, int deletes)
{
    struct handle *h = (struct handle *)base;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        clear_lock(h, i, true);
        clear_lock(h, i, false);
    }
    for (int i = 0; deletes && i < MAX_REGIONS; i++)
        mem_free_ptr(&h->file->regions[i]);
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* --- names --- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out)
{
    struct handle *h = (struct handle *)base;
    (void)vfs;
    pthread_mutex_lock(&lock);
    struct file *f = find_file(path != NULL ? path : "temporary", true);
    bool is_there = f != NULL && (f->is_there || (flags & SQLITE_OPEN_CREATE) != 0);
    if (is_there && !f->is_there) {
        f->is_there = true;
        f->n = 0;
    }
    pthread_mutex_unlock(&lock);
    *h =
        (struct handle){.file = f, .is_deleted_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
    if (!is_there)
        return SQLITE_CANTOPEN;
    h->base.pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncs)
{
    (void)vfs;
    (void)syncs;
    pthread_mutex_lock(&lock);
    struct file *f = find_file(path, false);
    bool was_there = f != NULL && f->is_there;
    if (was_there)
        f->is_there = false;
    pthread_mutex_unlock(&lock);
    return was_there ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    pthread_mutex_lock(&lock);
    const struct file *f = find_file(path, false);
    *out = f != NULL && f->is_there;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int vfs_full(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    if (strlen(path) >= (size_t)size)
        return SQLITE_CANTOPEN;
    strcpy(out, path);
    return SQLITE_OK;
}

void sim_vfs_use(void)
{
    static sqlite3_vfs vfs;
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == &vfs)
        return;
    /* What has nothing to do with files stays as it is. */
    vfs = *real;
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(struct handle);
    vfs.zName = "simulation";
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full;
    sqlite3_vfs_register(&vfs, 1);
}

void sim_vfs_put(const char *path, const void *bytes, size_t n)
{
    pthread_mutex_lock(&lock);
    struct file *f = find_file(path, true);
    make_room(f, n);
    memcpy(f->bytes, bytes, n);
    f->n = n;
    f->is_there = true;
    pthread_mutex_unlock(&lock);
}

const void *sim_vfs_get(const char *path, size_t *n)
{
    pthread_mutex_lock(&lock);
    const struct file *f = find_file(path, false);
    bool is_there = f != NULL && f->is_there;
    *n = is_there ? f->n : 0;
    pthread_mutex_unlock(&lock);
    return is_there ? f->bytes : NULL;
}
