/*
 * Recognises a model format by content: feed it the first bytes of each file, ask at the end.
 * Pure: nothing is executed or loaded.
 */
#ifndef MREG_INSPECT_H
#define MREG_INSPECT_H

#include "mem.h"

#define INSPECT_HEAD_BYTES 4096

struct inspect {
    int best; /* internal: rank of the best format seen */
    int n_files;
};

void inspect_init(struct inspect *i);
/* One file: its path, the first n bytes (up to INSPECT_HEAD_BYTES; borrowed) and full size. */
void inspect_file(struct inspect *i, const char *path, const void *head, size_t n, int64_t size);
/* "mlflow", "safetensors", "onnx", "pickle" (also joblib), "mreg-linear" or "unknown". Static. */
const char *inspect_format(const struct inspect *i);

#endif
