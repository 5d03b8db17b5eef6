/* Finds the model-settings.json files below the root, as MLServer does: at any depth, folders with
 * a leading dot left out, unreadable files skipped without a word. Knows nothing of what is loaded.
 * Any thread. */
#include "refnode.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 16

static bool copy(char *out, size_t size, const char *text)
{
    return (size_t)snprintf(out, size, "%s", text) < size;
}

static bool model_file(char *out, const char *folder, const char *uri)
{
    int n = uri[0] == '/' ? snprintf(out, RN_PATH_MAX, "%s", uri)
                          : snprintf(out, RN_PATH_MAX, "%s/%s", folder, uri);
    return n > 0 && n < RN_PATH_MAX;
}

static struct rn_settings *settings_parse(const json_t *object, const char *folder)
{
    const json_t *parameters = json_object_get(object, "parameters");
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *version = json_string_value(json_object_get(parameters, "version"));
    const char *uri = json_string_value(json_object_get(parameters, "uri"));
    if (!name || !json_is_string(json_object_get(object, "implementation")))
        return NULL;
    struct rn_settings *settings = rn_alloc(1, sizeof *settings);
    if (copy(settings->name, sizeof settings->name, name) &&
        copy(settings->version, sizeof settings->version, version ? version : "") &&
        model_file(settings->file, folder, uri ? uri : "model.json"))
        return settings;
    free(settings);
    return NULL;
}

static struct rn_settings *settings_read(const char *folder)
{
    char path[RN_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/model-settings.json", folder);
    if (n < 0 || n >= RN_PATH_MAX)
        return NULL;
    json_t *object = json_load_file(path, 0, NULL);
    struct rn_settings *settings = object ? settings_parse(object, folder) : NULL;
    json_decref(object);
    return settings;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Adds what lies in folder to the end of the list; returns the new end. */
static struct rn_settings **scan_folder(const char *folder, int depth, struct rn_settings **end)
{
    struct dirent **entries = NULL;
    int n = depth > MAX_DEPTH ? 0 : scandir(folder, &entries, NULL, alphasort);
    *end = settings_read(folder);
    if (*end)
        end = &(*end)->next;
    for (int i = 0; i < n; i++) {
        char path[RN_PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && length < RN_PATH_MAX && is_folder(path))
            end = scan_folder(path, depth + 1, end);
        free(entries[i]);
    }
    free(entries);
    return end;
}

struct rn_settings *rn_scan(const char *root)
{
    struct rn_settings *list = NULL;
    scan_folder(root, 0, &list);
    return list;
}

void rn_settings_free(struct rn_settings *list)
{
    while (list) {
        struct rn_settings *next = list->next;
        free(list);
        list = next;
    }
}
