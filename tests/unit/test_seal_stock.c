/* Signatures against stock ssh-keygen, in both directions. Skipped where there is no ssh-keygen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seal.h"

/* A directory of its own for the tests that run ssh-keygen. */
struct place {
    char dir[64];
    int home; /* the directory to go back to */
};

static int run(const char *const *argv, const char *input)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int in = open(input ? input : "/dev/null", O_RDONLY | O_CLOEXEC);
        int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void read_file(const char *name, char *out, size_t size)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
}

static int enter_place(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    *state = p;
    snprintf(p->dir, sizeof p->dir, "/tmp/mreg-test-seal-XXXXXX");
    p->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->home < 0 || !mkdtemp(p->dir))
        return -1;
    return chdir(p->dir);
}

static int leave_place(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"allowed", "message", "message.sig", "key", "key.pub"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(names[i]);
    int rc = fchdir(p->home);
    close(p->home);
    rc |= rmdir(p->dir);
    free(p);
    return rc;
}

static int stock_verify(const char *name_space)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "verify",   "-f", "allowed",     "-I",
                                "me@example", "-n", name_space, "-s", "message.sig", NULL};
    int status = run(argv, "message");
    if (status == 127)
        skip(); /* no ssh-keygen here */
    return status;
}

static void test_stock_verifies_ours(void **state)
{
    (void)state;
    struct seal_key k;
    seal_key_generate(&k);
    char line[SEAL_LINE_BYTES];
    char allowed[SEAL_LINE_BYTES + 64];
    char armor[SEAL_ARMOR_MAX];
    seal_public_line(&k.pub, line);
    snprintf(allowed, sizeof allowed, "me@example %s\n", line);
    write_file("allowed", allowed);
    write_file("message", "the manifest\n");
    seal_sign(&k, "mreg-manifest@example", "the manifest\n", 13, armor);
    write_file("message.sig", armor);
    assert_int_equal(stock_verify("mreg-manifest@example"), 0);
    assert_int_not_equal(stock_verify("git"), 0);
    write_file("message", "the manifesT\n");
    assert_int_not_equal(stock_verify("mreg-manifest@example"), 0);
    write_file("message", "the manifest\n");
    seal_key_generate(&k); /* another key than the allowed one */
    seal_sign(&k, "mreg-manifest@example", "the manifest\n", 13, armor);
    write_file("message.sig", armor);
    assert_int_not_equal(stock_verify("mreg-manifest@example"), 0);
}

static void test_we_verify_stock(void **state)
{
    (void)state;
    static const char *const make[] = {"ssh-keygen", "-q",        "-t", "ed25519", "-N", "",
                                       "-C",         "a comment", "-f", "key",     NULL};
    int status = run(make, NULL);
    if (status == 127)
        skip();
    assert_int_equal(status, 0);
    char text[SEAL_ARMOR_MAX];
    struct seal_public signer;
    read_file("key.pub", text, sizeof text);
    assert_int_equal(seal_public_parse(text, &signer, NULL), ERR_OK);
    static const char *const hashes[] = {"hashalg=sha512", "hashalg=sha256"};
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        const char *const sign[] = {"ssh-keygen", "-Y",   "sign", "-q",  "-O",      hashes[i],
                                    "-n",         "file", "-f",   "key", "message", NULL};
        write_file("message", "pushed by a client\n");
        unlink("message.sig");
        assert_int_equal(run(sign, NULL), 0);
        read_file("message.sig", text, sizeof text);
        struct seal_public by;
        assert_int_equal(seal_verify(text, "file", "pushed by a client\n", 19, &by, NULL), ERR_OK);
        assert_memory_equal(by.b, signer.b, sizeof by.b);
        assert_int_equal(seal_verify(text, "file", "pushed by a client", 18, &by, NULL),
                         ERR_CORRUPT);
        assert_int_equal(seal_verify(text, "git", "pushed by a client\n", 19, &by, NULL),
                         ERR_CORRUPT);
    }
}

/* A signature by another kind of key is malformed for us, not merely wrong. */
static void test_other_key_types_are_refused(void **state)
{
    (void)state;
    static const char *const make[] = {"ssh-keygen", "-q", "-t",  "ecdsa", "-N",
                                       "",           "-f", "key", NULL};
    static const char *const sign[] = {"ssh-keygen", "-Y", "sign", "-q",      "-n",
                                       "file",       "-f", "key",  "message", NULL};
    int status = run(make, NULL);
    if (status == 127)
        skip();
    assert_int_equal(status, 0);
    write_file("message", "m");
    assert_int_equal(run(sign, NULL), 0);
    char text[SEAL_ARMOR_MAX];
    read_file("message.sig", text, sizeof text);
    struct seal_public by;
    struct err e;
    assert_int_equal(seal_verify(text, "file", "m", 1, &by, &e), ERR_INVALID);
}

static int start(void **state)
{
    (void)state;
    struct err e;
    return seal_init(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stock_verifies_ours, enter_place, leave_place),
        cmocka_unit_test_setup_teardown(test_we_verify_stock, enter_place, leave_place),
        cmocka_unit_test_setup_teardown(test_other_key_types_are_refused, enter_place, leave_place),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
