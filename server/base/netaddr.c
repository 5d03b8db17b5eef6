/*
 * Ranges of IPv4 and IPv6 addresses; an IPv4 address inside an IPv6 one counts as what it is. Knows
 * nothing of who connects. Pure; any thread.
 */
#include "netaddr.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool is_v6(const struct sockaddr *sa)
{
    const struct sockaddr_in6 *v6 = (const void *)sa;
    return sa->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
}

/* False if it is no IPv4 address, mapped or plain. */
static bool find_v4(const struct sockaddr *sa, uint32_t *ip)
{
    const struct sockaddr_in6 *v6 = (const void *)sa;
    uint32_t raw = 0;
    if (sa->sa_family == AF_INET)
        raw = ((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr;
    else if (sa->sa_family == AF_INET6 && !is_v6(sa))
        memcpy(&raw, v6->sin6_addr.s6_addr + 12, sizeof raw);
    else
        return false;
    *ip = ntohl(raw);
    return true;
}

bool netaddr_is_off_limits(const struct sockaddr *sa)
{
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    uint32_t ip;
    if (is_v6(sa))
        return IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a);
    return find_v4(sa, &ip) && (ip >> 16 == 0xa9fe || ip >> 28 >= 0xe);
}

bool netaddr_is_private(const struct sockaddr *sa)
{
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    uint32_t ip;
    if (is_v6(sa))
        return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) ||
               (a->s6_addr[0] & 0xfe) == 0xfc;
    return find_v4(sa, &ip) && (ip >> 24 == 127 || ip >> 24 == 10 || ip >> 24 == 0 ||
                                ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 || ip >> 22 == 0x191);
}
