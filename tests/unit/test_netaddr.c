/* Which addresses are off limits, and which are private. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "mem.h"
#include "netaddr.h"

enum kind { PUBLIC, PRIVATE, OFF };

static const struct {
    const char *text;
    enum kind kind;
} rows[] = {
    {"1.2.3.4", PUBLIC},
    {"169.253.255.255", PUBLIC},
    {"169.254.0.0", OFF},
    {"169.254.169.254", OFF},
    {"169.255.0.0", PUBLIC},
    {"223.255.255.255", PUBLIC},
    {"224.0.0.1", OFF},
    {"255.255.255.255", OFF},
    {"127.0.0.1", PRIVATE},
    {"10.0.0.0", PRIVATE},
    {"11.0.0.0", PUBLIC},
    {"0.0.0.0", PRIVATE},
    {"172.15.255.255", PUBLIC},
    {"172.16.0.0", PRIVATE},
    {"172.31.255.255", PRIVATE},
    {"172.32.0.0", PUBLIC},
    {"192.168.0.1", PRIVATE},
    {"192.169.0.1", PUBLIC},
    {"100.63.255.255", PUBLIC},
    {"100.64.0.0", PRIVATE},
    {"100.127.255.255", PRIVATE},
    {"100.128.0.0", PUBLIC},
    {"::1", PRIVATE},
    {"::", PRIVATE},
    {"fd00::1", PRIVATE},
    {"fc00::1", PRIVATE},
    {"fe00::1", PUBLIC},
    {"fe80::1", OFF},
    {"ff02::1", OFF},
    {"2001:db8::1", PUBLIC},
    {"::ffff:1.2.3.4", PUBLIC},
    {"::ffff:127.0.0.1", PRIVATE},
    {"::ffff:169.254.169.254", OFF},
};

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        const struct sockaddr *sa = (const void *)&v4;
        if (inet_pton(AF_INET, rows[i].text, &v4.sin_addr) != 1) {
            assert_int_equal(inet_pton(AF_INET6, rows[i].text, &v6.sin6_addr), 1);
            sa = (const void *)&v6;
        }
        if (netaddr_is_off_limits(sa) != (rows[i].kind == OFF) ||
            netaddr_is_private(sa) != (rows[i].kind == PRIVATE))
            fail_msg("%s", rows[i].text);
    }
}

static void test_other_families(void **state)
{
    (void)state;
    struct sockaddr_un un;
    memset(&un, 0xfe, sizeof un);
    un.sun_family = AF_UNIX;
    assert_false(netaddr_is_off_limits((const void *)&un));
    assert_false(netaddr_is_private((const void *)&un));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_other_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
