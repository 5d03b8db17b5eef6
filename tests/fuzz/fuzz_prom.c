/*
 * Fuzz target: a node's metrics page is read to its end, every slice stays inside the text.
 */
#include <stdlib.h>

#include "prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    struct prom p;
    struct prom_sample s;

    if (n == 0)
        return 0;
    prom_init(&p, text, n);
    while (prom_next(&p, &s)) {
        if (s.name < text || s.name + s.name_len > text + n || s.n_labels > PROM_MAX_LABELS)
            abort();
        for (int i = 0; i < s.n_labels; i++)
            if (s.labels[i].value + s.labels[i].value_len > text + n)
                abort();
        (void)prom_has(&s, "model", "fraud");
    }
    return 0;
}
