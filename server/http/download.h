/*
 * Sends a range of a stored file through a peer.
 */
#ifndef MREG_DOWNLOAD_H
#define MREG_DOWNLOAD_H

#include "body.h"

/* Sends bytes first..first+length of the file (borrowed, checked size) in steps of 256 KiB. False
 * when the peer is gone or the file cannot be mapped: the connection must then be closed. */
bool download_send(const struct blob_file *file, int64_t first, int64_t length, struct peer *peer);

#endif
