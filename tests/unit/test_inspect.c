/* Format recognition: real heads, near misses, rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "inspect.h"

struct sample {
    const char *path;
    const char *head;
    size_t n;
    int64_t size;
    const char *format;
};

#define SAMPLE(path, head, size, format)           \
    {                                              \
        path, head, sizeof(head) - 1, size, format \
    }
#define MLMODEL "artifact_path: model\nflavors:\n  python_function:\n    env: conda.yaml\n"
#define SAFE "\x10\0\0\0\0\0\0\0{\"a\":{}}        "
/* ir_version 8, producer "pytorch", version "2.1", a graph of 300 bytes. */
#define ONNX                          \
    "\x08\x08\x12\x07pytorch\x1A\x03" \
    "2.1:\xAC\x02\x0A\x05node0"
#define ONNX_BYTES (19 + 300) /* the graph's bytes begin at offset 19 */
#define PICKLE "\x80\x04\x95\x10\0\0\0\0\0\0\0\x8C\x05numpy"
#define LINEAR "{\n \"format\" : \"mreg-linear\",\n \"weights\": [1]}"

static const struct sample samples[] = {
    SAMPLE("MLmodel", MLMODEL, sizeof MLMODEL - 1, "mlflow"),
    SAMPLE("MLmodel", "flavors:\n  x:\nmodel_uuid: 7\n", 28, "mlflow"),
    SAMPLE("MLmodel", "mlflow_version: 2.1\nflavors:\n", 29, "mlflow"),
    SAMPLE("MLmodel", "flavors:\n  x:\n  artifact_path: 7\n", 33, "unknown"), /* not at the top */
    SAMPLE("MLmodel", "artifact_path: x\n", 17, "unknown"),
    SAMPLE("sub/MLmodel", MLMODEL, sizeof MLMODEL - 1, "unknown"),
    SAMPLE("mlmodel", MLMODEL, sizeof MLMODEL - 1, "unknown"),
    SAMPLE("x", SAFE, 24, "safetensors"),
    SAMPLE("x", SAFE, 1000000, "safetensors"),
    SAMPLE("x", "\x02\0\0\0\0\0\0\0{}", 10, "safetensors"),
    SAMPLE("x", "\0\0\0\1\0\0\0\0{  ", 1 << 30, "safetensors"),         /* header goes on */
    SAMPLE("x", "\x11\0\0\0\0\0\0\0{\"a\":{}}        ", 24, "unknown"), /* longer than the file */
    SAMPLE("x", "\x01\0\0\0\0\0\0\0{}", 10, "unknown"),
    SAMPLE("x", "\x10\0\0\0\0\0\0\1{\"a\":{}}        ", INT64_MAX, "unknown"), /* > 100 MB */
    SAMPLE("x", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{\"", INT64_MAX, "unknown"),
    SAMPLE("x", "\x10\0\0\0\0\0\0\0[\"a\"]          ", 24, "unknown"),
    SAMPLE("x", "\x10\0\0\0\0\0\0\0{abc}           ", 24, "unknown"),
    SAMPLE("x", ONNX, ONNX_BYTES, "onnx"),
    SAMPLE("x", ONNX, ONNX_BYTES - 1, "unknown"), /* the graph does not fit */
    SAMPLE("x",
           "\x08\x07"
           "B\x04\x0A\0\x10\x0D",
           8, "onnx"), /* opset_import only */
    SAMPLE("x", "\x08\x07", 2, "unknown"),
    SAMPLE("x",
           "\x08\x07\x12\x03"
           "abc",
           7, "unknown"), /* no graph; so is a TensorFlow SavedModel */
    SAMPLE("x",
           "\x12\x03"
           "abc\x08\x07:\0",
           9, "unknown"), /* ir_version is not first */
    SAMPLE("x", "\x08\x07:\0\x08\x07", 6, "unknown"),
    SAMPLE("x", "\x08\0:\0", 4, "unknown"),
    SAMPLE("x", "\x08\x07\x4A\0:\0", 6, "unknown"), /* field 9 is none of a model */
    SAMPLE("x", "\x08\x07:\0\x42", 5, "unknown"),   /* cut within the file */
    SAMPLE("x", "\x08\x07:\0\x42", 500, "onnx"),    /* cut by the head */
    SAMPLE("x", "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 500, "unknown"),
    SAMPLE("x", "\x08\x07:\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 500, "unknown"),
    SAMPLE("model.pkl", PICKLE, 500, "pickle"),
    SAMPLE("x", "\x80\x02}q\0.", 6, "pickle"),
    SAMPLE("x",
           "\x80\x02\x8A\x0A"
           "l\xFC\x9C"
           "F",
           500, "pickle"), /* an old torch file */
    SAMPLE("x", "\x80\x05N.", 4, "pickle"),
    SAMPLE("x", "\x80\x04", 2, "unknown"),
    SAMPLE("x", "\x80\x01N.", 4, "unknown"),
    SAMPLE("x", "\x80\x06N.", 4, "unknown"),
    SAMPLE("x", "\x80\x04\xFF", 3, "unknown"),
    SAMPLE("x", "\x80\x04\0", 3, "unknown"),
    SAMPLE("model.joblib", "\x78\x9C\x01\x02\x03", 5, "unknown"), /* compressed: out of sight */
    SAMPLE("x", LINEAR, sizeof LINEAR - 1, "mreg-linear"),
    SAMPLE("x", "\n {\"format\":\"mreg-linear\"", 500, "mreg-linear"),
    SAMPLE("x", "{\"format\":\"mreg-linearx\"}", 25, "unknown"),
    SAMPLE("x", "{\"formats\":\"mreg-linear\"}", 25, "unknown"),
    SAMPLE("x", "[\"format\",\"mreg-linear\"]", 24, "unknown"),
    SAMPLE("x", "{\"format\"", 500, "unknown"),
    SAMPLE("x", "{\"format\":", 500, "unknown"),
    SAMPLE("x", "PK\x03\x04", 500, "unknown"),
    SAMPLE("x", "hello", 5, "unknown"),
    SAMPLE("x", "", 0, "unknown"),
};

static const char *format_of(const struct sample *s)
{
    struct inspect i;
    inspect_init(&i);
    /* A copy of exactly n bytes, so that a sanitizer sees any read past them. */
    CLEANUP(mem_free_ptr) char *head = mem_resize(NULL, s->n, 1);
    memcpy(head, s->head, s->n);
    inspect_file(&i, s->path, head, s->n, s->size);
    return inspect_format(&i);
}

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const char *got = format_of(&samples[i]);
        if (strcmp(got, samples[i].format) != 0)
            fail_msg("sample %zu: %s instead of %s", i, got, samples[i].format);
    }
}

/* Every prefix of every sample: no read past the end, no crash. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        for (size_t n = 0; n <= samples[i].n; n++) {
            struct sample cut = samples[i];
            cut.n = n;
            assert_non_null(format_of(&cut));
            cut.size = (int64_t)n;
            assert_non_null(format_of(&cut));
            cut.size = -1;
            assert_non_null(format_of(&cut));
        }
}

static void test_rank(void **state)
{
    (void)state;
    static const struct sample rising[] = {
        SAMPLE("README", "hello", 5, "unknown"),
        SAMPLE("l", LINEAR, sizeof LINEAR - 1, "mreg-linear"),
        SAMPLE("p", PICKLE, 500, "pickle"),
        SAMPLE("o", ONNX, ONNX_BYTES, "onnx"),
        SAMPLE("s", SAFE, 24, "safetensors"),
        SAMPLE("MLmodel", MLMODEL, sizeof MLMODEL - 1, "mlflow"),
    };
    struct inspect up;
    inspect_init(&up);
    assert_string_equal(inspect_format(&up), "unknown");
    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        inspect_file(&up, rising[i].path, rising[i].head, rising[i].n, rising[i].size);
        assert_string_equal(inspect_format(&up), rising[i].format);
    }
    assert_int_equal(up.n_files, 6);
    struct inspect down;
    inspect_init(&down);
    for (size_t i = ARRAY_LEN(rising); i-- > 0;) {
        inspect_file(&down, rising[i].path, rising[i].head, rising[i].n, rising[i].size);
        assert_string_equal(inspect_format(&down), "mlflow");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
