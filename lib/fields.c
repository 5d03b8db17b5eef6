/*
 * Plain structs to JSON members and back, by a table of fields. Knows nothing of what the fields
 * mean. Pure; any thread.
 */
#include "fields.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void write_field(struct jsonw *w, const struct field *f, const char *at)
{
    switch (f->type) {
    case FIELD_INT:
    case FIELD_SIGNED:
        if (*(const int *)(const void *)at != 0)
            jsonw_int(w, f->name, *(const int *)(const void *)at);
        break;
    case FIELD_INT64:
        if (*(const int64_t *)(const void *)at != 0)
            jsonw_int(w, f->name, *(const int64_t *)(const void *)at);
        break;
    case FIELD_BOOL:
        if (*(const bool *)(const void *)at)
            jsonw_bool(w, f->name, true);
        break;
    case FIELD_TEXT:
        if (at[0] != '\0')
            jsonw_str(w, f->name, at);
        break;
    case FIELD_STR:
        jsonw_str(w, f->name, *(const char *const *)(const void *)at);
        break;
    case FIELD_NAME:
        if (*(const int *)(const void *)at != 0)
            jsonw_str(w, f->name, f->names[*(const int *)(const void *)at]);
        break;
    }
}

void fields_write(struct jsonw *w, const struct field *fields, size_t n, const void *base)
{
    for (size_t i = 0; i < n; i++)
        write_field(w, &fields[i], (const char *)base + fields[i].offset);
}

static int read_int(const json_t *obj, const char *at, const struct field *f, void *to,
                    struct err *e)
{
    int64_t v = 0;
    int64_t limit = f->type == FIELD_INT64 ? JSON_MAX_INT : INT_MAX;
    int64_t low = f->type == FIELD_INT ? 0 : -limit;
    int rc = json_opt_int(obj, at, f->name, low, limit, &v, e);
    if (rc != ERR_OK)
        return rc;
    if (f->type == FIELD_INT64)
        *(int64_t *)to = v;
    else
        *(int *)to = (int)v;
    return ERR_OK;
}

static int read_name(const json_t *obj, const char *at, const struct field *f, int *to,
                     struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(obj, at, f->name, 64, &text, e);
    if (rc != ERR_OK)
        return rc;
    *to = 0;
    if (text == NULL)
        return ERR_OK;
    for (size_t i = 0; i < f->size; i++) {
        if (strcmp(f->names[i], text) == 0) {
            *to = (int)i;
            return ERR_OK;
        }
    }
    char pointer[256];
    snprintf(pointer, sizeof pointer, "%s/%s", at, f->name);
    return err_at(e, ERR_INVALID, pointer, "unknown value \"%s\"", text);
}

static int read_text(const json_t *obj, const char *at, const struct field *f, struct arena *a,
                     void *to, struct err *e)
{
    const char *text = NULL;
    size_t max = f->type == FIELD_TEXT ? f->size - 1 : 4096;
    int rc = json_opt_str(obj, at, f->name, max, &text, e);
    if (rc != ERR_OK)
        return rc;
    if (f->type == FIELD_STR)
        *(const char **)to = arena_strdup(a, text);
    else
        snprintf(to, f->size, "%s", text == NULL ? "" : text);
    return ERR_OK;
}

int fields_read(const json_t *obj, const char *at, const struct field *fields, size_t n,
                struct arena *a, void *base, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        void *to = (char *)base + f->offset;
        int rc = ERR_OK;
        if (f->type == FIELD_INT || f->type == FIELD_SIGNED || f->type == FIELD_INT64) {
            rc = read_int(obj, at, f, to, e);
        } else if (f->type == FIELD_BOOL) {
            *(bool *)to = false;
            rc = json_opt_bool(obj, at, f->name, to, e);
        } else if (f->type == FIELD_NAME) {
            rc = read_name(obj, at, f, to, e);
        } else {
            rc = read_text(obj, at, f, a, to, e);
        }
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}
