/* The local side of pushes and pulls: walking and hashing folders, half-fetched files, CI
 * variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lineage.h"
#include "parts.h"
#include "profile.h"
#include "scan.h"
#include "support_dir.h"

struct place {
    struct temp_dir dir;
    struct arena arena;
};

static int setup(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    temp_dir_make(&p->dir);
    setenv("XDG_CACHE_HOME", p->dir.path, 1);
    mkdir(temp_dir_file(&p->dir, &p->arena, "m"), 0777);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    temp_dir_remove(&p->dir);
    arena_clear(&p->arena);
    free(p);
    return 0;
}

static char *file(struct place *p, const char *name)
{
    return temp_dir_file(&p->dir, &p->arena, name);
}

/* Writes a file below the folder, making the folders above it. */
static void put(struct place *p, const char *name, const char *text)
{
    char *path = file(p, name);
    for (char *slash = strchr(path + strlen(p->dir.path) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_out;
    } cases[] = {{".git", true},        {"a/.git/config", true}, {".GIT/config", true},
                 {".mreg/x", true},     {".mreg-state", true},   {"a/.mreg-x/b", true},
                 {".gitignore", false}, {"git", false},          {"a/.gitx/b", false},
                 {"mreg", false},       {"a.git", false},        {"", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(scan_leaves_out(cases[i].path), cases[i].is_out);
}

static void test_folder(void **state)
{
    struct place *p = *state;
    struct scan s CLEANUP(scan_clear) = {0};
    struct err e = {0};
    put(p, "m/b.bin", "bb");
    put(p, "m/a/z", "z");
    put(p, "m/a.txt", "");
    put(p, "m/.git/config", "no");
    put(p, "m/.mreg/manifest.json", "no");
    assert_int_equal(scan_path(file(p, "m"), &s, &e), ERR_OK);
    static const char *const paths[] = {"a.txt", "a/z", "b.bin"}; /* by bytes: '.' before '/' */
    assert_int_equal(s.n, 3);
    for (size_t i = 0; i < s.n; i++)
        assert_string_equal(s.files[i].path, paths[i]);
    assert_int_equal(s.total_bytes, 3);
    assert_ptr_equal(scan_find(&s, "a/z"), &s.files[1]);
    assert_null(scan_find(&s, "a"));
}

static void test_one_file_and_none(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct scan one CLEANUP(scan_clear) = {0};
    put(p, "m/b.bin", "bb");
    assert_int_equal(scan_path(file(p, "m/b.bin"), &one, &e), ERR_OK);
    assert_int_equal(one.n, 1);
    assert_string_equal(one.files[0].path, "b.bin");
    struct scan none CLEANUP(scan_clear) = {0};
    mkdir(file(p, "empty"), 0777);
    assert_int_equal(scan_path(file(p, "empty"), &none, &e), ERR_OK);
    assert_int_equal(none.n, 0);
    assert_null(scan_find(&none, "x"));
}

static void test_odd_files(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct scan s CLEANUP(scan_clear) = {0};
    assert_int_equal(scan_path(file(p, "nowhere"), &s, &e), ERR_LOCAL_IO);
    put(p, "m/b.bin", "bb");
    assert_int_equal(symlink("b.bin", file(p, "m/link")), 0);
    assert_int_equal(scan_path(file(p, "m"), &s, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "link"));
    scan_clear(&s);
    unlink(file(p, "m/link"));
    assert_int_equal(mkfifo(file(p, "m/pipe"), 0600), 0);
    assert_int_equal(scan_path(file(p, "m"), &s, &e), ERR_INVALID);
    scan_clear(&s);
    assert_int_equal(scan_path(file(p, "m/pipe"), &s, &e), ERR_INVALID);
    scan_clear(&s);
    unlink(file(p, "m/pipe"));
    put(p, "m/back\\slash", "");
    assert_int_equal(scan_path(file(p, "m"), &s, &e), ERR_INVALID);
}

static size_t hash_again(struct place *p, struct digest *first)
{
    struct scan s CLEANUP(scan_clear) = {0};
    struct progress silent = {.out = NULL};
    struct err e = {0};
    size_t n_cached = 99;
    assert_int_equal(scan_path(file(p, "m"), &s, &e), ERR_OK);
    assert_int_equal(scan_hash(&s, &silent, &n_cached, &e), ERR_OK);
    *first = s.files[0].sha256;
    return n_cached;
}

/* A file that has just been written is hashed again: its times do not tell a second change. Its
 * change time cannot be set, so the test waits for the clock. */
static void test_hash_cache(void **state)
{
    struct place *p = *state;
    struct digest one;
    struct digest again;
    struct digest want;
    put(p, "m/b.bin", "abc");
    digest_of("abc", 3, &want);
    assert_int_equal(hash_again(p, &one), 0);
    assert_true(digest_equal(&one, &want));
    assert_int_equal(hash_again(p, &again), 0);
    struct stat st;
    do {
        usleep(50000);
        assert_int_equal(stat(file(p, "m/b.bin"), &st), 0);
    } while (time(NULL) <= st.st_ctim.tv_sec + 2);
    assert_int_equal(hash_again(p, &again), 0);
    assert_int_equal(hash_again(p, &again), 1);
    assert_true(digest_equal(&again, &want));
    put(p, "m/b.bin", "abd");
    assert_int_equal(hash_again(p, &again), 0);
    assert_false(digest_equal(&again, &want));
    put(p, "mreg/hashes.json", "[1,2"); /* a damaged cache is no cache */
    assert_int_equal(hash_again(p, &again), 0);
}

static void test_hash_file(void **state)
{
    struct place *p = *state;
    struct progress silent = {.out = NULL};
    struct digest d;
    struct err e = {0};
    put(p, "m/b.bin", "abc");
    assert_int_equal(symlink("b.bin", file(p, "m/link")), 0);
    assert_int_equal(scan_hash_file(file(p, "m/b.bin"), 3, &silent, &d, &e), ERR_OK);
    assert_int_equal(scan_hash_file(file(p, "m/b.bin"), 2, &silent, &d, &e), ERR_CORRUPT);
    assert_int_equal(scan_hash_file(file(p, "m/link"), 3, &silent, &d, &e), ERR_LOCAL_IO);
    assert_int_equal(scan_hash_file(file(p, "m/none"), 3, &silent, &d, &e), ERR_LOCAL_IO);
}

static void test_parts(void **state)
{
    struct place *p = *state;
    struct manifest_file files[] = {{.path = "a", .size = PARTS_PIECE_BYTES * 2 + 5},
                                    {.path = "b", .size = 0},
                                    {.path = "c", .size = 7}};
    struct manifest m = {.files = files, .n_files = 3};
    struct digest content = {{1}};
    struct digest other = {{2}};
    struct parts parts;
    struct err e = {0};
    struct stat st;
    const char *folder = file(p, "m");
    put(p, "m/.mreg/7.part", "left by an older pull");
    assert_int_equal(parts_open(&parts, folder, &m, &content, &e), ERR_OK);
    assert_int_not_equal(stat(file(p, "m/.mreg/7.part"), &st), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(parts_make(&parts, i, &e), ERR_OK);
    assert_int_equal(parts_missing(&parts, 0), files[0].size);
    assert_int_equal(parts_missing(&parts, 1), 0);
    assert_int_equal(parts_add(&parts, 0, 2, &e), ERR_OK);
    assert_int_equal(parts_add(&parts, 2, 0, &e), ERR_OK);
    assert_int_equal(parts_missing(&parts, 0), PARTS_PIECE_BYTES * 2);
    parts_close(&parts, false);

    /* The writer was killed in the middle of a line. */
    FILE *list = fopen(file(p, "m/.mreg/pull.list"), "a");
    assert_non_null(list);
    fputs("0 1", list);
    fclose(list);
    assert_int_equal(parts_open(&parts, folder, &m, &content, &e), ERR_OK);
    assert_int_equal(parts_make(&parts, 0, &e), ERR_OK);
    assert_true(parts_has(&parts, 0, 2));
    assert_false(parts_has(&parts, 0, 0));
    assert_false(parts_has(&parts, 0, 1));
    assert_true(parts_has(&parts, 2, 0));
    /* The partial file is gone, or of another size: its pieces are, too, for good. */
    assert_int_equal(truncate(file(p, "m/.mreg/2.part"), 3), 0);
    assert_int_equal(parts_make(&parts, 2, &e), ERR_OK);
    assert_false(parts_has(&parts, 2, 0));
    parts_close(&parts, false);
    assert_int_equal(parts_open(&parts, folder, &m, &content, &e), ERR_OK);
    assert_int_equal(parts_make(&parts, 2, &e), ERR_OK);
    assert_false(parts_has(&parts, 2, 0));
    assert_true(parts_has(&parts, 0, 2));
    parts_close(&parts, false);

    assert_int_equal(parts_open(&parts, folder, &m, &other, &e), ERR_OK);
    assert_false(parts_has(&parts, 0, 2));
    parts_close(&parts, true);
    assert_int_not_equal(stat(file(p, "m/.mreg/pull.list"), &st), 0);
    assert_int_not_equal(stat(file(p, "m/.mreg/0.part"), &st), 0);
}

static void test_parts_without_folder(void **state)
{
    struct place *p = *state;
    struct manifest m = {.n_files = 0};
    struct digest content = {{1}};
    struct parts parts;
    struct err e = {0};
    assert_int_equal(parts_open(&parts, file(p, "nowhere"), &m, &content, &e), ERR_LOCAL_IO);
    parts_close(&parts, false);
}

static void test_files(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct stat st;
    char *text = NULL;
    size_t n = 0;
    const char *path = file(p, "m/x");
    assert_int_equal(file_write(path, "ab\0c", 4, 0600, &e), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_read(path, 4, &text, &n, &e), ERR_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "ab\0c", 5);
    free(text);
    assert_int_equal(file_read(path, 3, &text, &n, &e), ERR_TOO_LARGE);
    assert_int_equal(file_read(file(p, "none"), 3, &text, &n, &e), ERR_LOCAL_IO);
    assert_int_equal(file_read(file(p, "m"), 3, &text, &n, &e), ERR_LOCAL_IO);
    assert_int_equal(file_write(file(p, "none/x"), "a", 1, 0600, &e), ERR_LOCAL_IO);
}

static void test_lineage(void **state)
{
    (void)state;
    static const char *const marks[] = {"GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI",
                                        "TRAVIS",         "BUILDKITE", "JENKINS_URL"};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        unsetenv(marks[i]);
    json_t *none CLEANUP(json_decref_ptr) = lineage_collect();
    assert_int_equal(json_object_size(none), 0);
    setenv("GITLAB_CI", "true", 1);
    setenv("CI_COMMIT_SHA", "4f1c2e9", 1);
    setenv("CI_COMMIT_REF_NAME", "main", 1);
    setenv("GITLAB_USER_LOGIN", "", 1);
    setenv("GITHUB_SHA", "not this one", 1);
    json_t *some CLEANUP(json_decref_ptr) = lineage_collect();
    assert_string_equal(json_string_value(json_object_get(some, "ci")), "gitlab");
    assert_string_equal(json_string_value(json_object_get(some, "git_commit")), "4f1c2e9");
    assert_string_equal(json_string_value(json_object_get(some, "git_branch")), "main");
    assert_null(json_object_get(some, "ci_actor"));
    unsetenv("GITLAB_CI");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_out),
        cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_file_and_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_without_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test(test_lineage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
