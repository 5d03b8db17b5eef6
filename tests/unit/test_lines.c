/*
 * Exchanges with local services: text over sockets with peers that are slow, rude or gone, and the
 * generated file with a process that counts its signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"
#include "reload.h"
#include "support_dir.h"

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- a peer ----------------------------------------------------------------------------------- */

enum manners { ANSWERS, ANSWERS_IN_BITS, FLOODS, HANGS_UP, SAYS_NOTHING };

struct peer {
    enum manners manners;
    int fd;
    char heard[256];
    pthread_t thread;
};

static void *be_peer(void *arg)
{
    struct peer *p = arg;
    char block[4096];
    int fd = accept(p->fd, NULL, NULL);
    ssize_t n = recv(fd, p->heard, sizeof(p->heard) - 1, 0);

    memset(block, 'x', sizeof(block));
    if (p->manners == ANSWERS)
        n = send(fd, "done\n", 5, MSG_NOSIGNAL);
    for (int i = 0; p->manners == ANSWERS_IN_BITS && i < 5; i++) {
        n = send(fd, &"done\n"[i], 1, MSG_NOSIGNAL);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    while (p->manners == FLOODS && n > 0)
        n = send(fd, block, sizeof(block), MSG_NOSIGNAL);
    if (p->manners == SAYS_NOTHING)
        n = recv(fd, block, sizeof(block), 0); /* until the other side gives up */
    close(fd);
    return NULL;
}

static void peer_start(struct peer *p, enum manners manners, const char *path, char address[64])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t n = sizeof(in);

    *p = (struct peer){.manners = manners, .fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0)};
    if (path != NULL) {
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
        assert_int_equal(bind(p->fd, (struct sockaddr *)&un, sizeof(un)), 0);
        snprintf(address, 64, "unix:%.50s", path);
    } else {
        assert_int_equal(bind(p->fd, (struct sockaddr *)&in, sizeof(in)), 0);
        assert_int_equal(getsockname(p->fd, (struct sockaddr *)&in, &n), 0);
        snprintf(address, 64, "127.0.0.1:%d", ntohs(in.sin_port));
    }
    assert_int_equal(listen(p->fd, 4), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, be_peer, p), 0);
}

static void peer_end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->fd);
}

static void texts_are_exchanged(void **unused)
{
    static const struct {
        const char *what;
        enum manners manners;
        bool is_unix;
        enum http_outcome outcome;
        const char *body, *detail;
    } cases[] = {
        {"over tcp", ANSWERS, false, HTTP_ANSWERED, "done\n", NULL},
        {"over a unix socket", ANSWERS, true, HTTP_ANSWERED, "done\n", NULL},
        {"in bits", ANSWERS_IN_BITS, true, HTTP_ANSWERED, "done\n", NULL},
        {"nothing is an answer", HANGS_UP, false, HTTP_ANSWERED, "", NULL},
        {"too much", FLOODS, false, HTTP_UNKNOWN, NULL, "the answer is larger than allowed"},
        {"too late", SAYS_NOTHING, true, HTTP_UNKNOWN, NULL, "no answer in time"},
    };
    char path[40];

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p;
        char address[64];
        struct lines_call call = {
            .address = address, .text = "hello\n", .timeout_ms = 300, .max_answer_bytes = 20000};
        struct http_answer answer;

        snprintf(path, sizeof(path), "/tmp/mreg-lines-%d-%zu", (int)getpid(), i);
        peer_start(&p, cases[i].manners, cases[i].is_unix ? path : NULL, address);
        if (cases[i].manners != SAYS_NOTHING)
            call.timeout_ms = 20000;
        lines_run(&call, wall_ms() + 30000, NULL, &answer);
        peer_end(&p);
        unlink(path);
        if (answer.outcome != cases[i].outcome)
            fail_msg("%s: outcome %d: %s", cases[i].what, (int)answer.outcome, answer.detail);
        assert_string_equal(p.heard, "hello\n");
        if (cases[i].body != NULL)
            assert_string_equal(answer.body, cases[i].body);
        else
            assert_string_equal(answer.detail, cases[i].detail);
        http_answer_clear(&answer);
    }
}

static void what_never_left_is_known(void **unused)
{
    static const struct {
        const char *address, *detail;
    } cases[] = {
        {"unix:/nonexistent/socket", "cannot connect: No such file or directory"},
        {"169.254.169.254:80", "link-local addresses are not spoken to"},
        {"[::ffff:169.254.169.254]:80", "link-local addresses are not spoken to"},
        {"nonsense", "not an address"},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lines_call call = {.address = cases[i].address, .text = "x\n", .timeout_ms = 2000};
        struct http_answer answer;

        lines_run(&call, wall_ms() + 5000, NULL, &answer);
        assert_int_equal(answer.outcome, HTTP_NOT_SENT);
        assert_string_equal(answer.detail, cases[i].detail);
        http_answer_clear(&answer);
    }
}

static void a_stop_ends_the_wait(void **unused)
{
    struct peer p;
    char address[64];
    atomic_bool stops;
    struct lines_call call = {.address = address, .text = "hello\n", .timeout_ms = 60000};
    struct http_answer answer;
    int64_t begun = wall_ms();

    (void)unused;
    atomic_init(&stops, true);
    peer_start(&p, SAYS_NOTHING, NULL, address);
    lines_run(&call, begun + 60000, &stops, &answer);
    peer_end(&p);
    assert_true(answer.outcome != HTTP_ANSWERED);
    assert_true(wall_ms() - begun < 20000);
    http_answer_clear(&answer);
}

/* --- generated files -------------------------------------------------------------------------- */

static volatile sig_atomic_t n_signals;

static void count_signal(int signal)
{
    (void)signal;
    n_signals++;
}

/* A child called `name` that ends with the number of SIGHUPs it got before SIGTERM. */
static pid_t start_service(const char *name)
{
    int ready[2];
    char c;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        sigset_t none, both;
        struct sigaction act = {.sa_handler = count_signal};

        prctl(PR_SET_NAME, name);
        sigemptyset(&none);
        sigemptyset(&both);
        sigaddset(&both, SIGHUP);
        sigaddset(&both, SIGTERM);
        sigprocmask(SIG_BLOCK, &both, NULL);
        sigaction(SIGHUP, &act, NULL);
        if (write(ready[1], "r", 1) != 1)
            _exit(99);
        for (;;) {
            int signal = 0;

            sigwait(&both, &signal);
            if (signal == SIGTERM)
                _exit((int)n_signals);
            n_signals++;
        }
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static int stop_service(pid_t pid)
{
    int status = 0;

    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_file_is_replaced_and_the_service_told(void **unused)
{
    struct temp_dir dir CLEANUP(temp_dir_remove);
    struct arena a CLEANUP(arena_clear) = {0};
    char *file, *pid_file, number[16], got[128] = "";
    pid_t pid = start_service("nginx");
    struct http_answer answer;
    struct err e;
    FILE *f;

    (void)unused;
    temp_dir_make(&dir);
    file = temp_dir_file(&dir, &a, "routes.conf");
    pid_file = temp_dir_file(&dir, &a, "pid");
    snprintf(number, sizeof(number), "%d\n", (int)pid);
    put(pid_file, number);
    struct reload_job job = {.file = file, .pid_file = pid_file, .service = "nginx"};
    assert_int_equal(reload_run(&job, &answer, &e), ERR_OK);
    assert_string_equal(answer.body, "exists 0\nrunning 1\ndraining 0\n");
    http_answer_clear(&answer);
    job.text = RELOAD_MARK "\none\n";
    assert_int_equal(reload_run(&job, &answer, &e), ERR_OK);
    assert_string_equal(answer.body, "exists 1\nrunning 1\ndraining 0\n");
    http_answer_clear(&answer);
    job.text = RELOAD_MARK "\ntwo\n";
    assert_int_equal(reload_run(&job, &answer, &e), ERR_OK);
    http_answer_clear(&answer);
    f = fopen(file, "r");
    assert_non_null(f);
    (void)!fread(got, 1, sizeof(got) - 1, f);
    fclose(f);
    assert_string_equal(got, RELOAD_MARK "\ntwo\n");
    /* A service of another name is left alone, also of one that only begins alike. */
    job.service = "nginx-debug";
    assert_int_equal(reload_run(&job, &answer, &e), ERR_UNAVAILABLE);
    http_answer_clear(&answer);
    job.service = "haproxy";
    assert_int_equal(reload_run(&job, &answer, &e), ERR_UNAVAILABLE);
    assert_string_equal(answer.body, "exists 1\nrunning 0\n");
    http_answer_clear(&answer);
    job.pid_file = NULL;
    assert_int_equal(reload_run(&job, &answer, &e), ERR_OK);
    assert_string_equal(answer.body, "exists 1\n");
    http_answer_clear(&answer);
    assert_in_range(stop_service(pid), 1, 2); /* two signals may become one */
}

static void files_of_others_are_left_alone(void **unused)
{
    struct temp_dir dir CLEANUP(temp_dir_remove);
    struct arena a CLEANUP(arena_clear) = {0};
    char *file, *other;
    struct http_answer answer;
    struct stat st;
    struct err e;

    (void)unused;
    temp_dir_make(&dir);
    file = temp_dir_file(&dir, &a, "routes.conf");
    other = temp_dir_file(&dir, &a, "other");
    struct reload_job job = {.file = file, .text = RELOAD_MARK "\nx\n", .service = "nginx"};
    put(file, "upstream fraud { server 127.0.0.1:1; }\n");
    assert_int_equal(reload_run(&job, &answer, &e), ERR_CONFLICT);
    http_answer_clear(&answer);
    unlink(file);
    /* Nor is what stands where the draft goes written into, whatever it is another name of. */
    put(other, "precious");
    assert_int_equal(link(other, temp_dir_file(&dir, &a, "routes.conf.mreg-tmp")), 0);
    assert_int_equal(reload_run(&job, &answer, &e), ERR_OK);
    http_answer_clear(&answer);
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_size, strlen("precious"));
    unlink(file);
    put(other, "");
    assert_int_equal(symlink(other, file), 0);
    assert_int_equal(reload_run(&job, &answer, &e), ERR_CONFLICT);
    http_answer_clear(&answer);
    unlink(file);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(reload_run(&job, &answer, &e), ERR_CONFLICT);
    http_answer_clear(&answer);
    rmdir(file);
    job.file = "/nonexistent/routes.conf";
    assert_int_equal(reload_run(&job, &answer, &e), ERR_INVALID);
    http_answer_clear(&answer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_exchanged),
        cmocka_unit_test(what_never_left_is_known),
        cmocka_unit_test(a_stop_ends_the_wait),
        cmocka_unit_test(a_file_is_replaced_and_the_service_told),
        cmocka_unit_test(files_of_others_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
