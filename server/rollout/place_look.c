/*
 * What lies in a node's root that mreg did not place: listed for people, never touched. Knows the
 * layout, not the models. Any thread.
 */
#include "place.h"

#include "place_dir.h"

#define MAX_ENTRIES 1000
#define MAX_NAMES 100

/* True if the folder holds something without a marker. */
static bool is_unmanaged(int root, const char *name, struct arena *a)
{
    int fd CLEANUP(dir_close_fd) = -1;
    char **names;
    size_t n;

    if (dir_open(root, name, false, &fd, NULL) != ERR_OK)
        return false;
    if (dir_list(fd, MAX_ENTRIES, a, &names, &n, NULL) != ERR_OK)
        return true;
    for (size_t i = 0; i < n; i++) {
        int inner CLEANUP(dir_close_fd) = -1;
        bool is_folder = dir_open(fd, names[i], false, &inner, NULL) == ERR_OK;

        if (names[i][0] != '.' && !(is_folder && dir_has(inner, PLACE_MARKER)))
            return true;
    }
    return false;
}

int place_unmanaged(const char *root, struct arena *a, const char ***names, size_t *n,
                    struct err *e)
{
    int fd CLEANUP(dir_close_fd) = -1;
    char **all;
    const char **out;
    size_t n_all, count = 0;
    int rc;

    if ((rc = dir_open_root(root, &fd, e)) != ERR_OK ||
        (rc = dir_list(fd, MAX_ENTRIES, a, &all, &n_all, e)) != ERR_OK)
        return rc;
    out = arena_alloc(a, MAX_NAMES * sizeof(*out));
    for (size_t i = 0; i < n_all && count < MAX_NAMES; i++)
        if (all[i][0] != '.' && is_unmanaged(fd, all[i], a))
            out[count++] = all[i];
    *names = out;
    *n = count;
    return ERR_OK;
}
