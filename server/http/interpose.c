/*
 * Replaces accept and pthread_attr_setstacksize for all shared libraries of the process: the
 * dynamic linker finds the executable's symbol first. serve.c tests at start that this works and
 * goes on without when it does not. Must not know HTTP. Any thread.
 */
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define LEAST_STACK_BYTES ((size_t)512 << 10)

static interpose_accept_fn *accept_fn;
static void *accept_ctx;

void interpose_set_accept(interpose_accept_fn *fn, void *ctx)
{
    accept_ctx = ctx;
    accept_fn = fn;
}

/* glibc declares the address as a transparent union in C. */
int accept(int listener, __SOCKADDR_ARG address, socklen_t *restrict length)
{
    struct sockaddr_in peer = {0};
    socklen_t peer_length = sizeof peer;
    if (!accept_fn)
        return accept4(listener, address, length, SOCK_CLOEXEC);
    int fd = accept_fn(accept_ctx, listener, &peer);
    if (fd < 0 || !length)
        return fd;
    struct sockaddr *to = address.__sockaddr__;
    memcpy(to, &peer, *length < peer_length ? *length : peer_length);
    *length = peer_length;
    return fd;
}

/* Only touched pages of a stack cost memory. */
int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t bytes)
{
    int (*real)(pthread_attr_t *, size_t) = NULL;
    void *found = dlsym(RTLD_NEXT, "pthread_attr_setstacksize");
    memcpy(&real, &found, sizeof real); /* ISO C has no cast from an object to a function */
    if (!real)
        return EINVAL;
    return real(attributes, bytes < LEAST_STACK_BYTES ? LEAST_STACK_BYTES : bytes);
}
