/*
 * Recognises model formats by the first bytes of files, never by their names (but for MLmodel,
 * which has no other mark). A guess for people and for defaults, not a security check: what a file
 * may do when loaded is not judged here. Pure: any thread.
 */
#include "inspect.h"

#include <stdbool.h>
#include <string.h>

/* In order of rank: the highest that any file shows is the format. */
enum format { UNKNOWN, LINEAR, PICKLE, ONNX, SAFETENSORS, MLFLOW };

static const char *const names[] = {
    [UNKNOWN] = "unknown", [LINEAR] = "mreg-linear",      [PICKLE] = "pickle",
    [ONNX] = "onnx",       [SAFETENSORS] = "safetensors", [MLFLOW] = "mlflow",
};

/* The visible start of a file. */
struct head {
    const uint8_t *p;
    size_t n;
    uint64_t size; /* of the whole file */
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(const struct head *h, size_t at)
{
    while (at < h->n && is_space(h->p[at]))
        at++;
    return at;
}

/* 8 bytes of header length, little-endian, then a JSON object of that length that fits the file. */
static bool is_safetensors(const struct head *h)
{
    if (h->n < 10 || h->p[8] != '{')
        return false;
    uint64_t len = 0;
    for (size_t i = 8; i-- > 0;)
        len = len << 8 | h->p[i];
    if (len < 2 || len > 100000000 || len > h->size - 8)
        return false;
    size_t at = skip_space(h, 9);
    return at == h->n || h->p[at] == '"' || h->p[at] == '}';
}

/* A base-128 varint at *at, which moves past it; false if it is cut or too long. */
static bool read_varint(const struct head *h, size_t *at, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *at < h->n; shift += 7) {
        uint8_t b = h->p[(*at)++];
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* Wire type of a field of onnx.ModelProto (onnx.proto3), or -1. */
static int onnx_wire_type(uint64_t field)
{
    switch (field) {
    case 1: /* ir_version */
    case 5: /* model_version */
        return 0;
    case 2:  /* producer_name */
    case 3:  /* producer_version */
    case 4:  /* domain */
    case 6:  /* doc_string */
    case 7:  /* graph */
    case 8:  /* opset_import */
    case 14: /* metadata_props */
    case 20: /* training_info */
    case 25: /* functions */
    case 26: /* configuration */
        return 2;
    default:
        return -1;
    }
}

/* Walks the top-level fields that can be seen: ir_version first, then only fields of a model with
 * lengths that fit the file, among them a graph or an operator set. */
static bool is_onnx(const struct head *h)
{
    size_t at = 0;
    bool has_model_field = false;
    while (at < h->n) {
        uint64_t key = 0;
        uint64_t v = 0;
        bool first = at == 0;
        if (!read_varint(h, &at, &key) || !read_varint(h, &at, &v))
            return has_model_field && at == h->n && h->n < h->size; /* cut by the head's end */
        if (onnx_wire_type(key >> 3) != (int)(key & 7) || first != (key >> 3 == 1))
            return false;
        if (first && (v < 1 || v > 100))
            return false;
        if ((key & 7) != 2)
            continue;
        if (v > h->size - at)
            return false;
        has_model_field = has_model_field || key >> 3 == 7 || key >> 3 == 8;
        if (v >= h->n - at)
            break; /* the rest is out of sight */
        at += (size_t)v;
    }
    return has_model_field;
}

/* PROTO 2..5 and an opcode that pickle knows. */
static bool is_pickle(const struct head *h)
{
    static const char opcodes[] = "().012FGIJKLMNPQRSTUVX]abcdeghijloprstuq}\x81\x82\x83\x84\x85"
                                  "\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94"
                                  "\x95\x96\x97\x98"
                                  "BC";
    return h->n >= 3 && h->p[0] == 0x80 && h->p[1] >= 2 && h->p[1] <= 5 &&
           memchr(opcodes, h->p[2], sizeof opcodes - 1);
}

static bool has_text_at(const struct head *h, size_t at, const char *text)
{
    size_t n = strlen(text);
    return at <= h->n && n <= h->n - at && memcmp(h->p + at, text, n) == 0;
}

static bool has_line_with(const struct head *h, const char *start)
{
    for (size_t at = 0; at < h->n; at++)
        if ((at == 0 || h->p[at - 1] == '\n') && has_text_at(h, at, start))
            return true;
    return false;
}

static bool is_mlmodel(const struct head *h)
{
    return has_line_with(h, "flavors:") &&
           (has_line_with(h, "artifact_path:") || has_line_with(h, "model_uuid:") ||
            has_line_with(h, "mlflow_version:"));
}

/* A JSON object with "format": "mreg-linear" in sight. */
static bool is_linear(const struct head *h)
{
    size_t start = skip_space(h, 0);
    if (!has_text_at(h, start, "{"))
        return false;
    for (size_t at = start; at < h->n; at++) {
        if (!has_text_at(h, at, "\"format\""))
            continue;
        size_t colon = skip_space(h, at + strlen("\"format\""));
        if (has_text_at(h, colon, ":") &&
            has_text_at(h, skip_space(h, colon + 1), "\"mreg-linear\""))
            return true;
    }
    return false;
}

static enum format recognise(const char *path, const struct head *h)
{
    if (strcmp(path, "MLmodel") == 0 && is_mlmodel(h))
        return MLFLOW;
    if (is_safetensors(h))
        return SAFETENSORS;
    if (is_onnx(h))
        return ONNX;
    if (is_pickle(h))
        return PICKLE;
    return is_linear(h) ? LINEAR : UNKNOWN;
}

void inspect_init(struct inspect *i)
{
    *i = (struct inspect){.best = UNKNOWN};
}

void inspect_file(struct inspect *i, const char *path, const void *head, size_t n, int64_t size)
{
    /* A caller whose file grew or shrank meanwhile must not lead to sizes below what is seen. */
    uint64_t whole = size > 0 && (uint64_t)size > n ? (uint64_t)size : n;
    struct head h = {head, n, whole};
    i->n_files++;
    int found = n ? (int)recognise(path, &h) : UNKNOWN;
    if (found > i->best)
        i->best = found;
}

const char *inspect_format(const struct inspect *i)
{
    return names[i->best];
}
