/*
 * Two functions of the C library that the executable replaces, because the web server's library
 * calls them without a way to configure it: accept (to learn each connection's descriptor) and
 * pthread_attr_setstacksize (its workers would get 100 KiB).
 */
#ifndef MREG_INTERPOSE_H
#define MREG_INTERPOSE_H

#include <netinet/in.h>
#include <stdbool.h>

/* Called instead of accept for every listening socket of the process that uses accept(). Returns a
 * descriptor, or -1 with errno. */
typedef int interpose_accept_fn(void *ctx, int listener, struct sockaddr_in *peer);

/* Sets what accept() calls; NULL: the kernel's accept. Not while another thread accepts. */
void interpose_set_accept(interpose_accept_fn *fn, void *ctx);

#endif
