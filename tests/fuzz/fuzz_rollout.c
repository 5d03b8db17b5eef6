/*
 * Stored statuses of rollouts: whatever is read can be written, shown and put into the history, and
 * reading what was written gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include "rollout.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct rollout_record record = {.id = "r-1",
                                             .model = "m",
                                             .environment = "e",
                                             .serve_as = "m",
                                             .from = 1,
                                             .to = 2,
                                             .kind = "promote",
                                             .actor = "t-1",
                                             .strategy = "{}"};

static void show(const struct rollout_status *s)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    json_t *shown CLEANUP(json_decref_ptr) = NULL;
    struct buf out CLEANUP(buf_clear);
    struct buf canonical CLEANUP(buf_clear);
    struct jsonw w;
    struct err e;
    buf_init(&out, 64 << 20);
    buf_init(&canonical, 64 << 20);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    rollout_status_api(&record, s, &w);
    jsonw_end(&w);
    if (json_parse(buf_str(&out), out.len, 16, &shown, &e) != ERR_OK)
        abort();
    if (rollout_document(&record, s, &doc, &e) != ERR_OK ||
        json_canonical(doc, &canonical, &e) != ERR_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf first CLEANUP(buf_clear);
    struct buf second CLEANUP(buf_clear);
    struct rollout_status s;
    struct rollout_status again;
    struct err e;
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    if (rollout_status_read((const char *)bytes, n, &a, &s, &e) != ERR_OK)
        return 0;
    rollout_status_write(&s, &first);
    if (rollout_status_read(buf_str(&first), first.len, &a, &again, &e) != ERR_OK)
        abort();
    rollout_status_write(&again, &second);
    if (strcmp(buf_str(&first), buf_str(&second)) != 0)
        abort();
    show(&s);
    return 0;
}
