/*
 * Many pieces of files over a few connections, with repeats: the second half of libcurl's door in
 * the CLI. Knows nothing of what the files are. One thread.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base64.h"
#include "digest.h"
#include "remote_inner.h"

#define N_LANES 4
#define MAX_TRIES 5
#define ERROR_TEXT_MAX 65536

/* One connection's worth of a transfer. */
struct lane {
    CURL *curl;
    struct curl_slist *headers;
    struct piece piece;
    char *bytes; /* the piece being sent, or NULL */
    int fd;      /* the file being received into, or -1 */
    int local_errno;
    int64_t moved;
    struct buf answer; /* error text */
    int tries;
    bool is_busy;
    int64_t retry_at_ms;
    struct remote *remote;
    const struct transfer *transfer;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void count(struct lane *lane, int64_t n)
{
    lane->moved += n;
    lane->transfer->progress(lane->transfer->self, n);
}

static size_t on_send(char *room, size_t size, size_t n, void *user)
{
    struct lane *lane = user;
    int64_t left = lane->piece.length - lane->moved;
    size_t give = size * n < (uint64_t)left ? size * n : (size_t)left;
    memcpy(room, lane->bytes + lane->moved, give);
    count(lane, (int64_t)give);
    return give;
}

static int on_rewind(void *user, curl_off_t offset, int origin)
{
    struct lane *lane = user;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    count(lane, offset - lane->moved);
    return CURL_SEEKFUNC_OK;
}

/* Returning less than what came makes libcurl stop the transfer. */
static size_t on_receive(char *bytes, size_t size, size_t n, void *user)
{
    struct lane *lane = user;
    size_t length = size * n;
    long status = 0;
    curl_easy_getinfo(lane->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300)
        return remote_on_answer(bytes, size, n, &lane->answer);
    /* A server that ignores Range sends the file from its start. */
    bool is_wanted = status == 206 || lane->piece.offset == 0;
    if (!is_wanted || (int64_t)length > lane->piece.length - lane->moved)
        return 0;
    for (size_t put = 0; put < length;) {
        ssize_t k = pwrite(lane->fd, bytes + put, length - put,
                           lane->piece.offset + lane->moved + (int64_t)put);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            lane->local_errno = errno ? errno : EIO;
            return 0;
        }
        put += (size_t)k;
    }
    count(lane, (int64_t)length);
    return length;
}

static int local_error(const struct lane *lane, int why, struct err *e)
{
    return err_set(e, ERR_LOCAL_IO, "%s: %s", lane->piece.local_path, strerror(why));
}

static void close_lane_file(struct lane *lane)
{
    if (lane->fd >= 0)
        close(lane->fd);
    lane->fd = -1;
}

static int read_piece(struct lane *lane, struct err *e)
{
    size_t n = (size_t)lane->piece.length;
    lane->fd = open(lane->piece.local_path, O_RDONLY | O_CLOEXEC);
    if (lane->fd < 0)
        return local_error(lane, errno, e);
    lane->bytes = mem_resize(lane->bytes, n + 1, 1);
    for (size_t got = 0; got < n;) {
        ssize_t k = pread(lane->fd, lane->bytes + got, n - got, lane->piece.offset + (int64_t)got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return local_error(lane, errno, e);
        if (k == 0)
            return err_set(e, ERR_CORRUPT, "%s became shorter while it was being sent",
                           lane->piece.local_path);
        got += (size_t)k;
    }
    close_lane_file(lane);
    return ERR_OK;
}

static void add_header(struct lane *lane, const char *line)
{
    lane->headers = curl_slist_append(lane->headers, line);
}

static void add_digest(struct lane *lane)
{
    struct digest d;
    struct arena a CLEANUP(arena_clear) = {0};
    digest_of(lane->bytes, (size_t)lane->piece.length, &d);
    add_header(lane, arena_printf(&a, "Content-Digest: sha-256=:%s:",
                                  base64_encode(BASE64_STANDARD, d.b, sizeof d.b, &a)));
}

static int prepare_send(struct lane *lane, struct err *e)
{
    int rc = read_piece(lane, e);
    if (rc != ERR_OK)
        return rc;
    add_digest(lane);
    add_header(lane, "Content-Type: application/octet-stream");
    add_header(lane, "Expect:");
    curl_easy_setopt(lane->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(lane->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)lane->piece.length);
    curl_easy_setopt(lane->curl, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(lane->curl, CURLOPT_READDATA, lane);
    curl_easy_setopt(lane->curl, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(lane->curl, CURLOPT_SEEKDATA, lane);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEFUNCTION, remote_on_answer);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEDATA, &lane->answer);
    return ERR_OK;
}

static int prepare_receive(struct lane *lane, struct err *e)
{
    char range[64];
    lane->fd = open(lane->piece.local_path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lane->fd < 0)
        return local_error(lane, errno, e);
    snprintf(range, sizeof range, "%lld-%lld", (long long)lane->piece.offset,
             (long long)(lane->piece.offset + lane->piece.length - 1));
    curl_easy_setopt(lane->curl, CURLOPT_RANGE, range);
    curl_easy_setopt(lane->curl, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEFUNCTION, on_receive);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEDATA, lane);
    return ERR_OK;
}

/* Sets the lane's handle up for its piece; the multi handle then runs it. */
static int lane_start(struct lane *lane, CURLM *multi, struct err *e)
{
    const char *authorization = remote_authorization(lane->remote);
    curl_slist_free_all(lane->headers);
    lane->headers = NULL;
    lane->moved = 0;
    lane->local_errno = 0;
    buf_reset(&lane->answer);
    curl_easy_reset(lane->curl);
    if (authorization)
        add_header(lane, authorization);
    int rc = lane->transfer->is_sending ? prepare_send(lane, e) : prepare_receive(lane, e);
    if (rc != ERR_OK)
        return rc;
    remote_prepare(lane->remote, lane->curl, lane->piece.path, lane->headers);
    curl_easy_setopt(lane->curl, CURLOPT_PRIVATE, lane);
    lane->is_busy = true;
    lane->tries++;
    curl_multi_add_handle(multi, lane->curl);
    return ERR_OK;
}

static bool may_pass(int code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_THROTTLED;
}

/* Reads how the lane's piece ended. */
static int lane_outcome(struct lane *lane, CURLcode code, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(lane->curl, CURLINFO_RESPONSE_CODE, &status);
    if (lane->local_errno)
        return local_error(lane, lane->local_errno, e);
    if (status >= 300)
        return remote_problem(lane->remote, &lane->answer, status, e);
    if (code != CURLE_OK)
        return remote_transport_error(lane->remote, (int)code, e);
    if (lane->moved != lane->piece.length)
        return err_set(e, ERR_UNAVAILABLE, "a transfer ended early");
    return ERR_OK;
}

static int lane_finish(struct lane *lane, CURLM *multi, CURLcode code, struct err *e)
{
    int rc = lane_outcome(lane, code, e);
    curl_multi_remove_handle(multi, lane->curl);
    close_lane_file(lane);
    lane->is_busy = false;
    if (rc == ERR_OK) {
        lane->tries = 0;
        return lane->transfer->done(lane->transfer->self, &lane->piece, e);
    }
    if (!may_pass(rc) || lane->tries >= MAX_TRIES)
        return rc;
    count(lane, -lane->moved);
    lane->retry_at_ms = now_ms() + (INT64_C(250) << (2 * (lane->tries - 1)));
    return ERR_OK;
}

/* Gives idle lanes work. *active counts lanes that are busy or wait for a repeat. */
static int feed(struct lane *lanes, CURLM *multi, bool *is_dry, int *active, struct err *e)
{
    *active = 0;
    for (int i = 0; i < N_LANES; i++) {
        struct lane *lane = &lanes[i];
        bool is_idle = !lane->is_busy && lane->tries == 0;
        if (is_idle && !*is_dry)
            *is_dry = !lane->transfer->next(lane->transfer->self, &lane->piece);
        bool is_new = is_idle && !*is_dry;
        bool is_due = !lane->is_busy && lane->tries > 0 && now_ms() >= lane->retry_at_ms;
        int rc = is_new || is_due ? lane_start(lane, multi, e) : ERR_OK;
        if (rc != ERR_OK)
            return rc;
        *active += lane->is_busy || lane->tries > 0;
    }
    return ERR_OK;
}

static int drive(struct lane *lanes, CURLM *multi, struct err *e)
{
    bool is_dry = false;
    int active = 0;
    int rc = feed(lanes, multi, &is_dry, &active, e);
    while (rc == ERR_OK && active > 0) {
        int running = 0;
        int left = 0;
        CURLMsg *message;
        curl_multi_perform(multi, &running);
        while (rc == ERR_OK && (message = curl_multi_info_read(multi, &left))) {
            struct lane *lane = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&lane);
            rc = lane_finish(lane, multi, message->data.result, e);
        }
        if (rc == ERR_OK)
            rc = feed(lanes, multi, &is_dry, &active, e);
        if (rc == ERR_OK && active > 0)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    return rc;
}

int remote_transfer(struct remote *r, const struct transfer *t, struct err *e)
{
    struct lane lanes[N_LANES];
    CURLM *multi = curl_multi_init();
    memset(lanes, 0, sizeof lanes);
    for (int i = 0; i < N_LANES; i++) {
        lanes[i].curl = curl_easy_init();
        lanes[i].fd = -1;
        lanes[i].remote = r;
        lanes[i].transfer = t;
        buf_init(&lanes[i].answer, ERROR_TEXT_MAX);
    }
    int rc = drive(lanes, multi, e);
    for (int i = 0; i < N_LANES; i++) {
        if (lanes[i].is_busy)
            curl_multi_remove_handle(multi, lanes[i].curl);
        close_lane_file(&lanes[i]);
        curl_easy_cleanup(lanes[i].curl);
        curl_slist_free_all(lanes[i].headers);
        buf_clear(&lanes[i].answer);
        free(lanes[i].bytes);
    }
    curl_multi_cleanup(multi);
    return rc;
}
