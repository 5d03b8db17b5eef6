/*
 * References for the benchmarks, on the same HTTP library with the same settings as the server:
 *
 *     bench_ref mutex DATABASE SCHEMA   a POST is one SQLite transaction behind a mutex, writing
 * the same rows as the creation of a model bench_ref empty DATABASE SCHEMA   initialises all
 * libraries, answers every GET with "{}"
 *
 * Prints its port. Ends when its standard input does. Must not use any code of the server. Handlers
 * run on the workers of CivetWeb.
 */
#include <civetweb.h>
#include <curl/curl.h>
#include <git2.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const statements[] = {
    "BEGIN IMMEDIATE",
    "INSERT INTO models (name, created_seq, created_ts, updated_ts) VALUES (?1, ?2, ?3, ?3)",
    "INSERT INTO journal VALUES (?2, ?3, 1, 't-1', 'model.create', ?1, NULL, 1, 'created')",
    "INSERT INTO documents VALUES (?4, ?5)",
    "INSERT INTO journal_docs VALUES (?2, ?1, ?4)",
    "INSERT INTO doc_spans VALUES (?1, ?2, 9223372036854775807, ?4)",
    "COMMIT",
};
#define N_STATEMENTS (sizeof statements / sizeof statements[0])

struct reference {
    sqlite3 *db;
    sqlite3_stmt *prepared[N_STATEMENTS];
    pthread_mutex_t lock;
    sqlite3_int64 seq;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_ref: %s\n", what);
    exit(1);
}

static char *read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (!in || !text || fread(text, 1, (1 << 20) - 1, in) == 0)
        die("cannot read the schema");
    fclose(in);
    return text;
}

static void open_database(struct reference *r, const char *path, const char *schema)
{
    char *sql = read_file(schema);
    if (sqlite3_open(path, &r->db) != SQLITE_OK ||
        sqlite3_exec(r->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL) ||
        sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(r->db ? sqlite3_errmsg(r->db) : "no database");
    free(sql);
    for (size_t i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v2(r->db, statements[i], -1, &r->prepared[i], NULL) != SQLITE_OK)
            die(sqlite3_errmsg(r->db));
}

static void bind_row(sqlite3_stmt *q, const char *name, sqlite3_int64 seq,
                     const unsigned char *digest, const char *doc)
{
    int n = sqlite3_bind_parameter_count(q);
    if (n >= 1)
        sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    if (n >= 2)
        sqlite3_bind_int64(q, 2, seq);
    if (n >= 3)
        sqlite3_bind_int64(q, 3, (sqlite3_int64)time(NULL) * 1000);
    if (n >= 4)
        sqlite3_bind_blob(q, 4, digest, SHA256_DIGEST_LENGTH, SQLITE_STATIC);
    if (n >= 5)
        sqlite3_bind_blob(q, 5, doc, (int)strlen(doc), SQLITE_STATIC);
}

static int write_row(struct reference *r, const char *name, const char *doc)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int rc = SQLITE_DONE;
    SHA256((const unsigned char *)doc, strlen(doc), digest);
    pthread_mutex_lock(&r->lock);
    r->seq++;
    for (size_t i = 0; i < N_STATEMENTS && rc == SQLITE_DONE; i++) {
        bind_row(r->prepared[i], name, r->seq, digest, doc);
        rc = sqlite3_step(r->prepared[i]);
        sqlite3_reset(r->prepared[i]);
    }
    pthread_mutex_unlock(&r->lock);
    return rc == SQLITE_DONE ? 201 : 500;
}

static int post(struct mg_connection *c, struct reference *r)
{
    char body[1024];
    int n = mg_read(c, body, sizeof body - 1);
    json_t *j = n > 0 ? json_loadb(body, (size_t)n, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(j, "name"));
    char doc[1024];
    snprintf(
        doc, sizeof doc,
        "{\"created\":\"2026-01-01T00:00:00.000Z\",\"description\":\"\",\"kind\":\"mreg.model\","
        "\"name\":\"%s\",\"schema\":1,\"tags\":{}}",
        name ? name : "");
    int status = name ? write_row(r, name, doc) : 400;
    json_decref(j);
    char out[1536];
    n = snprintf(out, sizeof out,
                 "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 status, strlen(doc), doc);
    mg_write(c, out, (size_t)n);
    return status;
}

static int begin_request(struct mg_connection *c)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    const struct mg_request_info *info = mg_get_request_info(c);
    if (strcmp(info->request_method, "POST") == 0)
        return post(c, info->user_data);
    mg_write(c, answer, sizeof answer - 1);
    return 200;
}

static struct mg_context *serve(struct reference *r)
{
    static const char *const options[] = {
        "listening_ports",       "127.0.0.1:0", "num_threads", "512",
        "enable_keep_alive",     "yes",         "tcp_nodelay", "1",
        "keep_alive_timeout_ms", "15000",       NULL};
    struct mg_callbacks callbacks = {.begin_request = begin_request};
    return mg_start(&callbacks, r, (const char **)options);
}

int main(int argc, char **argv)
{
    static struct reference r = {.lock = PTHREAD_MUTEX_INITIALIZER};
    if (argc != 4)
        die("usage: bench_ref mutex|empty DATABASE SCHEMA");
    mg_init_library(0);
    if (strcmp(argv[1], "empty") == 0) {
        git_libgit2_init();
        curl_global_init(CURL_GLOBAL_DEFAULT);
    }
    open_database(&r, argv[2], argv[3]);
    struct mg_context *ctx = serve(&r);
    struct mg_server_port port;
    if (!ctx || mg_get_server_ports(ctx, 1, &port) != 1)
        die("no server");
    printf("%d\n", port.port);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    _exit(0);
}
