/*
 * libcurl's door in the CLI: single JSON calls, and what transfers (remote_transfer.c) share with
 * them. Knows nothing of commands. One thread.
 */
#include "remote.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote_inner.h"
#include "seal.h"

struct remote {
    CURL *curl;
    char *url;
    char *authorization; /* header line, or NULL */
    char *ca;
    bool is_loud;
    char problem_id[64];
    long patience_ms; /* of one call */
};

int remote_new(const char *url, const char *token, struct remote **out, struct err *e)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return err_set(e, ERR_INVALID, "\"%.200s\" is no http:// or https:// address", url);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_INTERNAL, "libcurl does not start");
    struct remote *r = mem_alloc(sizeof *r);
    r->url = mem_strdup(url);
    r->curl = curl_easy_init();
    if (token) {
        size_t n = strlen(token) + 32;
        r->authorization = mem_alloc(n);
        snprintf(r->authorization, n, "Authorization: Bearer %s", token);
    }
    *out = r;
    return ERR_OK;
}

void remote_free(struct remote *r)
{
    if (!r)
        return;
    curl_easy_cleanup(r->curl);
    free(r->url);
    free(r->authorization);
    free(r->ca);
    free(r);
}

void remote_trust(struct remote *r, const char *ca_file)
{
    free(r->ca);
    r->ca = mem_strdup(ca_file);
}

void remote_debug(struct remote *r, bool is_on)
{
    r->is_loud = is_on;
}

const char *remote_authorization(const struct remote *r)
{
    return r->authorization;
}

size_t remote_on_answer(char *bytes, size_t size, size_t n, void *user)
{
    struct buf *b = user;
    buf_put(b, bytes, size * n);
    return buf_ok(b) ? size * n : 0;
}

void remote_prepare(const struct remote *r, void *curl, const char *path, void *headers)
{
    CURL *c = curl;
    size_t n = strlen(r->url) + strlen(path) + 1;
    char *url CLEANUP(mem_free_ptr) = mem_alloc(n);
    snprintf(url, n, "%s%s", r->url, path);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 300L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "mreg/" MREG_VERSION);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (r->ca)
        curl_easy_setopt(c, CURLOPT_CAINFO, r->ca);
    if (r->is_loud)
        fprintf(stderr, "debug: %s\n", url);
}

/* What came of a call, for --debug. */
static void debug_answer(const struct remote *r, const char *method, CURLcode code)
{
    double seconds = 0;
    long status = 0;
    if (!r->is_loud)
        return;
    curl_easy_getinfo(r->curl, CURLINFO_TOTAL_TIME, &seconds);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    fprintf(stderr, "debug: %s: %s, status %ld, %.0f ms\n", method, curl_easy_strerror(code),
            status, seconds * 1000);
}

void remote_hurry(struct remote *r, long ms)
{
    r->patience_ms = ms;
}

const char *remote_problem_id(const struct remote *r)
{
    return r->problem_id;
}

/* For codes that this program does not know, and answers of something in between. */
static enum err_code code_of_status(long status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTHENTICATED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 412:
        return ERR_CONFLICT;
    case 413:
        return ERR_TOO_LARGE;
    case 429:
        return ERR_THROTTLED;
    case 502:
    case 503:
    case 504:
        return ERR_UNAVAILABLE;
    default:
        return status >= 400 && status < 500 ? ERR_INVALID : ERR_INTERNAL;
    }
}

int remote_problem(struct remote *r, const struct buf *answer, long status, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    if (json_parse(buf_str(answer), answer->len, 16, &j, NULL) == ERR_OK && json_is_object(j)) {
        const char *name = json_string_value(json_object_get(j, "code"));
        const char *detail = json_string_value(json_object_get(j, "detail"));
        const char *pointer = json_string_value(json_object_get(j, "pointer"));
        const char *id = json_string_value(json_object_get(j, "request_id"));
        snprintf(r->problem_id, sizeof r->problem_id, "%s", id ? id : "");
        if (name && detail) {
            enum err_code code = err_by_name(name);
            bool is_known = strcmp(err_name(code), name) == 0 && code != ERR_LOCAL_IO;
            return err_at(e, is_known ? code : code_of_status(status), pointer, "%s", detail);
        }
    }
    return err_set(e, code_of_status(status), "%s answered %ld without saying why", r->url, status);
}

int remote_transport_error(const struct remote *r, int curl_code, struct err *e)
{
    CURLcode code = (CURLcode)curl_code;
    return err_set(e, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE, "%s: %s",
                   r->url, curl_easy_strerror(code));
}

static struct curl_slist *call_headers(const struct remote *r, bool has_body, bool is_mutation)
{
    struct curl_slist *list = NULL;
    if (r->authorization)
        list = curl_slist_append(list, r->authorization);
    list = curl_slist_append(list, "Expect:");
    if (has_body)
        list = curl_slist_append(list, "Content-Type: application/json");
    if (is_mutation) {
        char key[24];
        char line[64];
        seal_random_base62(key, 20);
        snprintf(line, sizeof line, "Idempotency-Key: %s", key);
        list = curl_slist_append(list, line);
    }
    return list;
}

static void free_headers(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

int remote_call(struct remote *r, const char *method, const char *path, const json_t *body,
                struct buf *answer, struct err *e)
{
    bool is_mutation = strcmp(method, "GET") != 0;
    char *text CLEANUP(mem_free_ptr) = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist *headers CLEANUP(free_headers) = call_headers(r, body != NULL, is_mutation);
    CURLcode code = CURLE_OK;
    r->problem_id[0] = '\0';
    for (int try = 0; try < 3; try++) {
        buf_reset(answer);
        curl_easy_reset(r->curl);
        remote_prepare(r, r->curl, path, headers);
        curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS,
                         r->patience_ms > 0 ? r->patience_ms : 600000L);
        curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, remote_on_answer);
        curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, answer);
        if (is_mutation) {
            curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE, text ? (long)strlen(text) : 0L);
            curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, text ? text : "");
        }
        code = curl_easy_perform(r->curl);
        debug_answer(r, method, code);
        if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING)
            break;
    }
    if (code != CURLE_OK)
        return remote_transport_error(r, (int)code, e);
    long status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 300 ? remote_problem(r, answer, status, e) : ERR_OK;
}
