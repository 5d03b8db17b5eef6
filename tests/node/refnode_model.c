/* The model format of the reference node: JSON with the coefficients of a linear or logistic model,
 * and the arithmetic. Knows nothing of requests. Any thread; a model does not change once it is
 * read. */
#include "refnode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_NUMBERS 1000000

void rn_model_free(struct rn_model *model)
{
    if (!model)
        return;
    free(model->coef);
    free(model->intercept);
    free(model);
}

static bool numbers(const json_t *array, size_t n, double *out)
{
    if (json_array_size(array) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_number(value))
            return false;
        out[i] = json_number_value(value);
    }
    return true;
}

static const char *parse_weights(const json_t *object, struct rn_model *model)
{
    const json_t *coef = json_object_get(object, "coef");
    model->n_outputs = json_array_size(coef);
    model->n_features = json_array_size(json_array_get(coef, 0));
    if (!model->n_outputs || !model->n_features ||
        model->n_features > MAX_NUMBERS / model->n_outputs)
        return "coef is not a list of rows";
    model->coef = rn_alloc(model->n_outputs * model->n_features, sizeof *model->coef);
    model->intercept = rn_alloc(model->n_outputs, sizeof *model->intercept);
    for (size_t i = 0; i < model->n_outputs; i++) {
        if (!numbers(json_array_get(coef, i), model->n_features,
                     model->coef + i * model->n_features))
            return "the rows of coef differ in length or hold something else than numbers";
    }
    if (!numbers(json_object_get(object, "intercept"), model->n_outputs, model->intercept))
        return "intercept does not have one number per row of coef";
    return NULL;
}

static const char *parse_model(const json_t *object, struct rn_model *model)
{
    const char *format = json_string_value(json_object_get(object, "format"));
    const char *kind = json_string_value(json_object_get(object, "kind"));
    if (!format || strcmp(format, "mreg-linear") != 0)
        return "the format is not mreg-linear";
    if (!kind || (strcmp(kind, "linear") != 0 && strcmp(kind, "logistic") != 0))
        return "the kind is neither linear nor logistic";
    if (json_is_true(json_object_get(object, "fail_load")))
        return "the model asks to fail its load";
    model->kind = strcmp(kind, "linear") == 0 ? RN_LINEAR : RN_LOGISTIC;
    model->raise = json_is_true(json_object_get(object, "raise"));
    model->error_rate = json_number_value(json_object_get(object, "error_rate"));
    model->latency_ms = (long)json_integer_value(json_object_get(object, "latency_ms"));
    return parse_weights(object, model);
}

struct rn_model *rn_model_read(const char *path, char **why)
{
    json_error_t error;
    json_t *object = json_load_file(path, 0, &error);
    if (!object) {
        *why = rn_format("not JSON: %s", error.text);
        return NULL;
    }
    struct rn_model *model = rn_alloc(1, sizeof *model);
    model->refs = 1;
    const char *wrong = parse_model(object, model);
    json_decref(object);
    if (!wrong)
        return model;
    *why = rn_format("%s", wrong);
    rn_model_free(model);
    return NULL;
}

void rn_model_scores(const struct rn_model *model, const double *row, double *scores)
{
    for (size_t i = 0; i < model->n_outputs; i++) {
        const double *weights = model->coef + i * model->n_features;
        scores[i] = model->intercept[i];
        for (size_t k = 0; k < model->n_features; k++)
            scores[i] += weights[k] * row[k];
    }
}

size_t rn_model_n_classes(const struct rn_model *model)
{
    return model->n_outputs == 1 ? 2 : model->n_outputs;
}

void rn_model_probabilities(const struct rn_model *model, const double *scores, double *out)
{
    if (model->n_outputs == 1) {
        out[1] = 1 / (1 + exp(-scores[0]));
        out[0] = 1 - out[1];
        return;
    }
    double top = scores[0];
    double sum = 0;
    for (size_t i = 1; i < model->n_outputs; i++)
        top = fmax(top, scores[i]);
    for (size_t i = 0; i < model->n_outputs; i++)
        sum += out[i] = exp(scores[i] - top);
    for (size_t i = 0; i < model->n_outputs; i++)
        out[i] /= sum;
}
