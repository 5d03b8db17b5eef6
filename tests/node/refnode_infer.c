/* Predictions of the reference node: decodes a v2 request, computes, encodes the reply. Knows
 * nothing of the registry beyond finding a version. Worker threads. */
#include "refnode.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 4000000

struct tensor {
    size_t n_rows;
    size_t n_columns;
    double *data;
};

/* What one request needs of the version that answers it. */
struct call {
    struct rn_node *node;
    struct rn_model *model;
    char version[RN_NAME_MAX];
    bool wrong;
    bool fail;
    long latency_ms;
};

/* Flat and nested data alike; returns false at something that is no number or when there is too
 * much. */
static bool flatten(const json_t *value, struct tensor *tensor, size_t *used)
{
    if (!json_is_array(value)) {
        if (!json_is_number(value) || *used >= tensor->n_rows * tensor->n_columns)
            return false;
        tensor->data[(*used)++] = json_number_value(value);
        return true;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!flatten(json_array_get(value, i), tensor, used))
            return false;
    }
    return true;
}

static bool known_type(const char *type)
{
    return strcmp(type, "FP32") == 0 || strcmp(type, "FP64") == 0 || strcmp(type, "INT64") == 0 ||
           strcmp(type, "INT32") == 0;
}

static bool shape_of(const json_t *shape, struct tensor *tensor)
{
    json_int_t rows = json_integer_value(json_array_get(shape, 0));
    json_int_t columns = json_integer_value(json_array_get(shape, 1));
    if (json_array_size(shape) != 2 || rows < 1 || columns < 1 || columns > MAX_VALUES / rows)
        return false;
    tensor->n_rows = (size_t)rows;
    tensor->n_columns = (size_t)columns;
    return true;
}

static bool decode(const json_t *request, struct tensor *tensor, struct rn_reply *reply)
{
    const json_t *inputs = json_object_get(request, "inputs");
    const json_t *input = json_array_get(inputs, 0);
    const char *type = json_string_value(json_object_get(input, "datatype"));
    size_t n_used = 0;
    if (json_array_size(inputs) != 1 || !type || !known_type(type)) {
        rn_reply_error(reply, 400,
                       "There was an error encoding / decoding the payload: one input tensor of "
                       "FP32, FP64, INT64 or INT32 is supported");
        return false;
    }
    if (!shape_of(json_object_get(input, "shape"), tensor)) {
        rn_reply_raise(reply, "the shape of the input is not two positive numbers");
        return false;
    }
    tensor->data = rn_alloc(tensor->n_rows * tensor->n_columns, sizeof *tensor->data);
    if (flatten(json_object_get(input, "data"), tensor, &n_used) &&
        n_used == tensor->n_rows * tensor->n_columns)
        return true;
    rn_reply_raise(reply, "cannot reshape array into shape (%zu,%zu)", tensor->n_rows,
                   tensor->n_columns);
    return false;
}

static json_t *output_new(const char *name, const char *type, size_t n_rows, size_t n_columns)
{
    return json_pack("{s:s, s:[I, I], s:s, s:{s:s}, s:[]}", "name", name, "shape",
                     (json_int_t)n_rows, (json_int_t)n_columns, "datatype", type, "parameters",
                     "content_type", "np", "data");
}

static size_t best_class(const double *probabilities, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = probabilities[i] > probabilities[best] ? i : best;
    return best;
}

static void add_linear_row(const struct call *call, const double *scores, json_t *data)
{
    for (size_t i = 0; i < call->model->n_outputs; i++)
        json_array_append_new(data, json_real(call->wrong ? scores[i] + 1000 : scores[i]));
}

static void add_logistic_row(const struct call *call, const double *scores, bool probabilities,
                             json_t *data)
{
    size_t n_classes = rn_model_n_classes(call->model);
    double *values = rn_alloc(n_classes, sizeof *values);
    rn_model_probabilities(call->model, scores, values);
    size_t shift = call->wrong ? 1 : 0;
    size_t best = (best_class(values, n_classes) + shift) % n_classes;
    if (!probabilities)
        json_array_append_new(data, json_integer((json_int_t)best));
    for (size_t i = 0; probabilities && i < n_classes; i++)
        json_array_append_new(data, json_real(values[(i + shift) % n_classes]));
    free(values);
}

static json_t *compute(const struct call *call, const struct tensor *tensor, const char *name)
{
    const struct rn_model *model = call->model;
    bool probabilities = strcmp(name, "predict_proba") == 0;
    bool linear = model->kind == RN_LINEAR;
    size_t n_columns = linear ? model->n_outputs : probabilities ? rn_model_n_classes(model) : 1;
    json_t *output =
        output_new(name, linear || probabilities ? "FP64" : "INT64", tensor->n_rows, n_columns);
    json_t *data = json_object_get(output, "data");
    double *scores = rn_alloc(model->n_outputs, sizeof *scores);
    for (size_t i = 0; i < tensor->n_rows; i++) {
        rn_model_scores(model, tensor->data + i * tensor->n_columns, scores);
        if (linear)
            add_linear_row(call, scores, data);
        else
            add_logistic_row(call, scores, probabilities, data);
    }
    free(scores);
    return output;
}

static bool output_supported(const struct rn_model *model, const char *name, struct rn_reply *reply)
{
    bool probabilities = name && strcmp(name, "predict_proba") == 0;
    if (name && (strcmp(name, "predict") == 0 || (probabilities && model->kind == RN_LOGISTIC)))
        return true;
    rn_reply_error(reply, 400, "the model does not support '%s' as output", name ? name : "");
    return false;
}

static bool outputs_of(const struct call *call, const struct tensor *tensor, const json_t *wanted,
                       json_t *outputs, struct rn_reply *reply)
{
    if (json_array_size(wanted) == 0)
        json_array_append_new(outputs, compute(call, tensor, "predict"));
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *name = json_object_get(json_array_get(wanted, i), "name");
        if (!output_supported(call->model, json_string_value(name), reply))
            return false;
        json_array_append_new(outputs, compute(call, tensor, json_string_value(name)));
    }
    return true;
}

static void predict(const struct call *call, const char *name, const json_t *request,
                    struct rn_reply *reply)
{
    struct tensor tensor = {0};
    json_t *outputs = json_array();
    const char *id = json_string_value(json_object_get(request, "id"));
    if (!decode(request, &tensor, reply)) {
        free(tensor.data);
        json_decref(outputs);
        return;
    }
    if (call->fail || call->model->raise)
        rn_reply_raise(reply, "the model %s was told to raise", name);
    else if (tensor.n_columns != call->model->n_features)
        rn_reply_raise(reply, "X has %zu features, but the model is expecting %zu features",
                       tensor.n_columns, call->model->n_features);
    else if (outputs_of(call, &tensor, json_object_get(request, "outputs"), outputs, reply))
        rn_reply_json(reply, 200,
                      json_pack("{s:s, s:s, s:s, s:{}, s:O}", "model_name", name, "model_version",
                                call->version, "id", id ? id : "none", "parameters", "outputs",
                                outputs));
    free(tensor.data);
    json_decref(outputs);
}

/* Takes a reference to the model and settles, under one lock, what this request will suffer. */
static bool call_open(struct call *call, const char *name, const char *version,
                      struct rn_reply *reply)
{
    struct rn_faults *faults = &call->node->faults;
    const struct rn_version *v = rn_find(call->node, name, version);
    if (!v) {
        rn_not_found(reply, name, version);
        return false;
    }
    if (!v->ready) {
        rn_reply_error(reply, 400, "Model %s is not ready yet.", name);
        return false;
    }
    memcpy(call->version, v->version, sizeof call->version);
    call->model = rn_model_ref(v->model);
    call->fail = rn_error_due(call->model->error_rate, &call->model->error_owed);
    call->latency_ms = call->model->latency_ms;
    if (!faults->only_version[0] || strcmp(faults->only_version, v->version) == 0) {
        call->fail = rn_error_due(faults->error_rate, &faults->error_owed) || call->fail;
        call->latency_ms += faults->latency_ms;
        call->wrong = faults->wrong_answers;
    }
    return true;
}

/* The countdown to the crash that was asked for. */
static bool crash_due(struct rn_faults *faults)
{
    if (faults->crash_after_requests == 0)
        return false;
    faults->crash_after_requests--;
    return faults->crash_after_requests == 0;
}

void rn_infer(struct rn_node *node, const char *name, const char *version, const char *body,
              struct rn_reply *reply)
{
    struct call call = {.node = node};
    json_t *request = json_loads(body, 0, NULL);
    if (!json_is_array(json_object_get(request, "inputs"))) {
        rn_reply_detail(reply, 422, request ? "Field required: inputs" : "JSON decode error");
        json_decref(request);
        return;
    }
    pthread_mutex_lock(&node->lock);
    if (crash_due(&node->faults))
        _Exit(42);
    bool refused = node->n_loading > 0 && node->faults.busy_loading;
    node->n_during_load += node->n_loading > 0;
    bool open = !refused && call_open(&call, name, version, reply);
    if (refused)
        rn_reply_error(reply, 503, "something is being loaded");
    pthread_mutex_unlock(&node->lock);
    if (open) {
        rn_pause(node, call.latency_ms);
        predict(&call, name, request, reply);
        rn_model_unref(node, call.model);
    }
    json_decref(request);
}
