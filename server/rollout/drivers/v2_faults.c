/*
 * The table of what answers mean. The first row that fits decides. Statuses alone do not tell:
 * MLServer says 500 with a traceback for whatever a loader raises, also when its disk is full;
 * Triton says 400 or 503 when it was not started to be told what to load. Pure.
 */
#include "v2_faults.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "words.h"

#define BIT(action) (1u << (action))
#define LOADS (BIT(DRIVER_LOAD) | BIT(DRIVER_UNLOAD))
#define ANY (~0u)

/* Who made the body of an error: the v2 API says {"error"}, frameworks and proxies other things. */
enum form { FORM_ANY, FORM_API, FORM_FOREIGN };

static const struct {
    unsigned actions;
    int from, to; /* statuses */
    enum form form;
    const char *says; /* somewhere in the body; NULL: whatever */
    enum fault fault;
    const char *words;
} rows[] = {
    {ANY, 200, 299, FORM_ANY, NULL, FAULT_NONE, NULL},
    /* Who is it? */
    {ANY, 409, 409, FORM_API, "\"mreg_epoch\"", FAULT_DEPOSED, "the node obeys another registry"},
    {LOADS, 400, 599, FORM_ANY, "explicit model load", FAULT_REJECTED,
     "the server is not in explicit mode"},
    {ANY, 300, 399, FORM_ANY, NULL, FAULT_REJECTED, "the node's URL redirects elsewhere"},
    {ANY, 401, 401, FORM_ANY, NULL, FAULT_REJECTED, "the node refuses this call"},
    {ANY, 403, 403, FORM_ANY, NULL, FAULT_REJECTED, "the node refuses this call"},
    {ANY, 405, 405, FORM_ANY, NULL, FAULT_REJECTED, "the node refuses this call"},
    {ANY, 407, 407, FORM_ANY, NULL, FAULT_REJECTED, "the node refuses this call"},
    /* Not now. */
    {ANY, 408, 409, FORM_ANY, NULL, FAULT_BUSY, "the node is busy"},
    {ANY, 425, 425, FORM_ANY, NULL, FAULT_BUSY, "the node is busy"},
    {ANY, 429, 429, FORM_ANY, NULL, FAULT_BUSY, "the node is busy"},
    {ANY, 503, 503, FORM_ANY, NULL, FAULT_BUSY, "the node is busy"},
    /* A proxy gave up on a node that may go on with it. */
    {ANY, 502, 502, FORM_ANY, NULL, FAULT_UNKNOWN, "a proxy before the node had no answer"},
    {ANY, 504, 504, FORM_ANY, NULL, FAULT_UNKNOWN, "a proxy before the node had no answer"},
    /* The machine's fault, not the version's: it may pass. */
    {LOADS, 507, 507, FORM_ANY, NULL, FAULT_INFRA, "the node has no room"},
    {LOADS, 400, 599, FORM_ANY, "No space left on device", FAULT_INFRA, "the node's disk is full"},
    {LOADS, 400, 599, FORM_ANY, "Input/output error", FAULT_INFRA, "the node's disk fails"},
    {LOADS, 400, 599, FORM_ANY, "Read-only file system", FAULT_INFRA, "the node's disk fails"},
    {LOADS, 400, 599, FORM_ANY, "Stale file handle", FAULT_INFRA, "the node's disk fails"},
    {LOADS, 400, 599, FORM_ANY, "Too many open files", FAULT_INFRA, "the node is exhausted"},
    {LOADS, 400, 599, FORM_ANY, "Permission denied", FAULT_INFRA,
     "the node may not read its files"},
    /* Will not pass, but is no reason to distrust the version elsewhere. */
    {LOADS, 400, 599, FORM_ANY, "MemoryError", FAULT_REJECTED, "the node has too little memory"},
    {LOADS, 400, 599, FORM_ANY, "bad_alloc", FAULT_REJECTED, "the node has too little memory"},
    {LOADS, 400, 599, FORM_ANY, "annot allocate memory", FAULT_REJECTED,
     "the node has too little memory"},
    {LOADS, 400, 599, FORM_ANY, "out of memory", FAULT_REJECTED, "the node has too little memory"},
    /* Loading and unloading. */
    {LOADS, 404, 404, FORM_FOREIGN, NULL, FAULT_REJECTED, "the node has no model repository API"},
    {BIT(DRIVER_LOAD), 404, 404, FORM_API, NULL, FAULT_LOAD,
     "the node sees no settings it can read"},
    {BIT(DRIVER_LOAD), 400, 599, FORM_ANY, NULL, FAULT_LOAD, "loading failed"},
    /* Nothing of it is loaded, which was wanted. */
    {BIT(DRIVER_UNLOAD), 404, 404, FORM_API, NULL, FAULT_NONE, NULL},
    {BIT(DRIVER_UNLOAD), 400, 599, FORM_ANY, NULL, FAULT_LOAD, "unloading failed"},
    /* Golden requests. */
    {BIT(DRIVER_GOLDEN), 404, 404, FORM_ANY, NULL, FAULT_NOT_FOUND, "the version is not loaded"},
    {BIT(DRIVER_GOLDEN), 400, 400, FORM_API, "unknown model", FAULT_NOT_FOUND,
     "the version is not loaded"},
    {BIT(DRIVER_GOLDEN), 400, 400, FORM_API, "is not ready", FAULT_BUSY,
     "the version is not ready yet"},
    {BIT(DRIVER_GOLDEN), 500, 599, FORM_ANY, NULL, FAULT_WRONG_ANSWER,
     "the model failed on a golden request"},
    {BIT(DRIVER_GOLDEN), 400, 499, FORM_ANY, NULL, FAULT_WRONG_ANSWER,
     "the model refused a golden request"},
};

void v2_set_fault(struct driver_result *out, enum fault fault, const char *words,
                  const struct http_answer *answer)
{
    char head[80];

    out->fault = fault;
    out->text[0] = '\0';
    (void)snprintf(head, sizeof(head), "%s (%d)", words, answer->status);
    words_add(out, head, strlen(head));
    words_add_reason(out, answer);
}

static enum form form_of(const struct http_answer *answer, json_t **body)
{
    if (answer->body == NULL ||
        json_parse(answer->body, answer->body_len, JSON_MAX_DEPTH, body, NULL) != ERR_OK)
        return FORM_FOREIGN;
    return json_object_get(*body, "error") != NULL ? FORM_API : FORM_FOREIGN;
}

static bool says(const struct http_answer *answer, const char *text)
{
    return answer->body != NULL &&
           memmem(answer->body, answer->body_len, text, strlen(text)) != NULL;
}

bool v2_fault(enum driver_action action, const struct http_answer *answer,
              struct driver_result *out)
{
    json_t *body CLEANUP(json_decref_ptr) = NULL;
    enum form form = form_of(answer, &body);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((rows[i].actions & BIT(action)) == 0 || answer->status < rows[i].from ||
            answer->status > rows[i].to || (rows[i].form != FORM_ANY && rows[i].form != form) ||
            (rows[i].says != NULL && !says(answer, rows[i].says)))
            continue;
        out->fault = FAULT_NONE;
        if (rows[i].fault != FAULT_NONE)
            v2_set_fault(out, rows[i].fault, rows[i].words, answer);
        if (rows[i].fault == FAULT_DEPOSED)
            out->epoch = json_integer_value(json_object_get(body, "mreg_epoch"));
        return true;
    }
    return false;
}
