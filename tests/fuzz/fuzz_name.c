/* Names, paths, references and globs: what a check lets through must keep the promises that others
 * build on: one folder in git, one path segment, no way out of a directory. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_path(const char *text)
{
    if (name_check_path(text, NULL) != ERR_OK)
        return;
    must(*text && *text != '/' && strlen(text) <= 1024 && !strchr(text, '\\'));
    must(!strstr(text, "//") && !strstr(text, "/../") && strncmp(text, "../", 3) != 0);
    size_t n = strlen(text);
    must(text[n - 1] != '/' && strcmp(text, "..") != 0);
    must(n < 3 || strcmp(text + n - 3, "/..") != 0);
    for (const char *p = text; *p; p++)
        must((unsigned char)*p >= 0x20 && *p != 0x7F);
}

static void check_names(const char *text)
{
    char folder[NAME_FOLDER_BYTES];
    char shard[6];
    char served[64];
    struct ref r;
    name_folder(text, folder);
    must(*folder && !strchr(folder, '/') && folder[0] != '.' && !strstr(folder, ".."));
    name_shard(text, shard);
    must(strlen(shard) == 5);
    name_make_served(text, served);
    must(name_check_served(served, NULL) == ERR_OK);
    if (name_check("x", text, NULL) == ERR_OK)
        must(name_check_model(text, NULL) == ERR_OK && !strpbrk(text, "/:@"));
    if (name_check_alias(text, NULL) == ERR_OK)
        must(ref_parse(text, &r, NULL) == ERR_OK && r.kind == REF_ALIAS);
}

static void check_refs(const char *text)
{
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    struct ref r;
    struct err e;
    if (ref_split(text, model, &ref, &e) == ERR_OK) {
        must(name_check_model(model, NULL) == ERR_OK && *ref);
        int rc = ref_parse(ref, &r, &e);
        must(rc == ERR_OK || rc == ERR_INVALID);
    }
    if (ref_parse(text, &r, &e) == ERR_OK && r.kind == REF_NUMBER)
        must(r.number > 0);
}

/* The first half is the glob. */
static void check_glob(char *text)
{
    size_t n = strlen(text);
    if (n > 200)
        return;
    must(name_glob("*", text) && (strpbrk(text, "*?") || name_glob(text, text)));
    char kept = text[n / 2];
    char glob[201];
    memcpy(glob, text, n / 2);
    glob[n / 2] = '\0';
    bool matches = name_glob(glob, text + n / 2);
    must(strpbrk(glob, "*?") || matches == (strcmp(glob, text + n / 2) == 0));
    must(text[n / 2] == kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_free_ptr) char *text = mem_alloc(size + 1);
    if (size)
        memcpy(text, data, size);
    check_path(text);
    check_names(text);
    check_refs(text);
    check_glob(text);
    return 0;
}
