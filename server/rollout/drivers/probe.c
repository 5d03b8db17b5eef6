/*
 * The calls of a first look and what their answers mean, for servers that speak v2. The only call
 * that is not a plain read unloads a model that cannot exist: a server that is told nothing says so
 * then. Pure.
 */
#include "probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"
#include "identity.h"
#include "json.h"
#include "words.h"

/* Served names have no underscores. */
#define NO_MODEL "mreg_probe_nothing"
#define TIMEOUT_MS 3000
#define PAGE_MAX_BYTES ((size_t)16 << 20)

enum probe_call { CALL_SERVER, CALL_READY, CALL_INDEX, CALL_MODE, CALL_PAGE, CALL_VERSION };

int probe_n_calls(const struct driver_request *rq)
{
    return rq->serve_as != NULL ? CALL_VERSION + 1 : CALL_PAGE + 1;
}

static void make_post(struct http_call *out, const char *body)
{
    out->method = "POST";
    out->body = body;
    out->body_len = strlen(body);
    out->headers[0] = "Content-Type: application/json";
}

int probe_make(const struct driver_node *node, const struct driver_request *rq, int k,
               struct arena *a, struct http_call *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    out->method = "GET";
    out->timeout_ms = TIMEOUT_MS;
    switch (k) {
    case CALL_SERVER:
        out->url = arena_printf(a, "%s/v2", node->admin_url);
        return ERR_OK;
    case CALL_READY:
        out->url = arena_printf(a, "%s/v2/health/ready", node->admin_url);
        return ERR_OK;
    case CALL_INDEX:
        out->url = arena_printf(a, "%s/v2/repository/index", node->admin_url);
        make_post(out, "{}");
        return ERR_OK;
    case CALL_MODE:
        out->url = arena_printf(a, "%s/v2/repository/models/" NO_MODEL "/unload", node->admin_url);
        make_post(out, "");
        return ERR_OK;
    case CALL_PAGE:
        out->url = arena_strdup(a, node->metrics_url != NULL ? node->metrics_url : node->admin_url);
        out->max_answer_bytes = PAGE_MAX_BYTES;
        return ERR_OK;
    case CALL_VERSION:
        out->url = arena_printf(a, "%s/v2/models/%s/versions/%" PRId64 "/ready", node->admin_url,
                                rq->serve_as, rq->number);
        return ERR_OK;
    default:
        return err_set(e, ERR_INTERNAL, "a probe has no such call");
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool is_ok(const struct http_answer *answer)
{
    return answer->outcome == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300;
}

static json_t *read_json(const struct http_answer *answer)
{
    json_t *j = NULL;

    if (answer->body == NULL ||
        json_parse(answer->body, answer->body_len, JSON_MAX_DEPTH, &j, NULL) != ERR_OK)
        return NULL;
    return j;
}

/* Foreign text as one clean line, cut where it must be. */
static void copy_words(char *out, size_t size, const char *text)
{
    struct driver_result r = {0};

    words_add(&r, text, strlen(text));
    (void)snprintf(out, size, "%.*s", (int)size - 1, r.text);
}

static void copy_member(char *out, size_t size, const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    if (text != NULL)
        copy_words(out, size, text);
}

/* Why an answer was none or not good. */
static void say(char out[DRIVER_TEXT_BYTES], const struct http_answer *answer)
{
    struct driver_result r = {0};
    char head[32];

    if (answer->outcome != HTTP_ANSWERED) {
        words_add(&r, answer->detail, strnlen(answer->detail, sizeof(answer->detail)));
    } else {
        (void)snprintf(head, sizeof(head), "status %d", answer->status);
        words_add(&r, head, strlen(head));
        words_add_reason(&r, answer);
    }
    (void)snprintf(out, DRIVER_TEXT_BYTES, "%s", r.text[0] != '\0' ? r.text : "no answer");
}

static void read_server(struct driver_probe *p, const struct http_answer *answer)
{
    json_t *j CLEANUP(json_decref_ptr) = is_ok(answer) ? read_json(answer) : NULL;

    p->is_reachable = answer->outcome == HTTP_ANSWERED;
    p->is_v2 = json_is_object(j) && json_is_string(json_object_get(j, "name"));
    if (!p->is_v2)
        say(p->text, answer);
    copy_member(p->server, sizeof(p->server), j, "name");
    copy_member(p->version, sizeof(p->version), j, "version");
}

static void read_index(struct driver_probe *p, const struct http_answer *answer)
{
    json_t *j CLEANUP(json_decref_ptr) = is_ok(answer) ? read_json(answer) : NULL;

    p->has_index = json_is_array(j);
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *one = json_array_get(j, i);
        struct probe_model *m = &p->models[p->n_models];

        if (p->n_models == PROBE_MAX_MODELS) {
            p->lists_more = true;
            break;
        }
        copy_member(m->name, sizeof(m->name), one, "name");
        copy_member(m->version, sizeof(m->version), one, "version");
        copy_member(m->state, sizeof(m->state), one, "state");
        p->n_models += m->name[0] != '\0';
    }
}

/* Triton refuses in other modes than "explicit" with words about that mode, under several
 * statuses. */
static void read_mode(struct driver_probe *p, const struct http_answer *answer)
{
    const char *body = answer->body != NULL ? answer->body : "";
    bool is_about_mode = strstr(body, "explicit model load") != NULL;
    json_t *j CLEANUP(json_decref_ptr) = read_json(answer);

    if (answer->outcome != HTTP_ANSWERED)
        return;
    if (is_about_mode)
        p->mode = PROBE_MODE_REFUSED;
    else if (answer->status == 404 && json_object_get(j, "error") == NULL)
        p->mode = PROBE_MODE_MISSING;
    else if (answer->status == 401 || answer->status == 403 || answer->status == 405)
        p->mode = PROBE_MODE_REFUSED;
    else if (answer->status < 500)
        p->mode = PROBE_MODE_EXPLICIT;
    if (p->mode != PROBE_MODE_EXPLICIT)
        say(p->mode_text, answer);
}

static bool page_has(const struct http_answer *answer, const char *text)
{
    return memmem(answer->body, answer->body_len, text, strlen(text)) != NULL;
}

static void read_page(struct driver_probe *p, const struct http_answer *answer)
{
    p->has_page = is_ok(answer) && answer->body != NULL &&
                  (page_has(answer, "# TYPE ") || page_has(answer, "# HELP "));
    if (!p->has_page) {
        if (is_ok(answer))
            (void)snprintf(p->page_text, sizeof(p->page_text), "this is no page of metrics");
        else
            say(p->page_text, answer);
        return;
    }
    p->counts_requests = counters_are_on(answer->body, answer->body_len);
    p->times_models = page_has(answer, "model_infer_request_duration_bucket") ||
                      page_has(answer, "TYPE model_infer_request_duration histogram") ||
                      page_has(answer, "nv_inference_first_response_histogram_ms");
    p->times_server = page_has(answer, "rest_server_request_duration_seconds");
    p->tells_start = identity_started_ms(answer->body, answer->body_len) != 0;
}

bool probe_read(const struct driver_request *rq, int k, const struct http_answer *answer,
                struct driver_result *out)
{
    struct driver_probe *p = rq->probe;

    out->fault = FAULT_NONE;
    switch (k) {
    case CALL_SERVER:
        read_server(p, answer);
        out->is_alive = p->is_reachable;
        return p->is_reachable;
    case CALL_READY:
        p->is_ready = is_ok(answer);
        return true;
    case CALL_INDEX:
        read_index(p, answer);
        return true;
    case CALL_MODE:
        read_mode(p, answer);
        return true;
    case CALL_PAGE:
        read_page(p, answer);
        return rq->serve_as != NULL;
    default:
        p->version_is_ready = is_ok(answer);
        return false;
    }
}
