/* Format recognition over any head, size and name. The first byte chooses the name, the next eight
 * are the file's size. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"mlflow", "safetensors", "onnx",
                                        "pickle", "mreg-linear", "unknown"};
    struct inspect i;
    int64_t file_bytes = 0;
    if (size < 1 + sizeof file_bytes)
        return 0;
    memcpy(&file_bytes, data + 1, sizeof file_bytes);
    const uint8_t *head = data + 1 + sizeof file_bytes;
    size_t n = size - 1 - sizeof file_bytes;
    inspect_init(&i);
    inspect_file(&i, data[0] & 1 ? "MLmodel" : "model.bin", head,
                 n < INSPECT_HEAD_BYTES ? n : INSPECT_HEAD_BYTES, file_bytes);
    for (size_t k = 0; k < ARRAY_LEN(names); k++)
        if (strcmp(inspect_format(&i), names[k]) == 0)
            return 0;
    abort();
}
