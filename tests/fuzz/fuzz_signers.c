/* allowed_signers text: every line that is used has a domain and a lifetime check that ends. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "signers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct signer s;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    const char *at = text;
    while (signers_next(&at, &s)) {
        if (!*s.domain || strlen(s.domain) >= sizeof s.domain || at > text + size)
            abort();
        if (signer_allows(&s, "", 0) && *s.namespaces && *s.namespaces != ',' &&
            !strstr(s.namespaces, ",,") && s.namespaces[strlen(s.namespaces) - 1] != ',')
            abort();
    }
    free(text);
    return 0;
}
