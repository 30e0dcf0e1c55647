/*
 * fd: file descriptors with a scope, whole reads and writes, and messages
 * that carry descriptors (unix(7) SCM_RIGHTS).
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

void fd_close_at(int *fd);
#define AUTO_CLOSE CLEANUP(fd_close_at)
/* Hands a descriptor over, leaving -1. */
int fd_take(int *fd);
#define take_fd(fd) fd_take(&(fd))
/* Closes if >= 0 and stores -1; keeps errno. */
void fd_close(int *fd);

int fd_set_nonblock(int fd, bool on, struct err *e) MUST_USE;
int fd_set_cloexec(int fd, bool on, struct err *e) MUST_USE;
/* All n bytes, restarting after EINTR.  For blocking descriptors. */
int fd_write_all(int fd, const void *p, size_t n, struct err *e) MUST_USE;

/*
 * Writes a regular file from its first byte on, whatever its offset, to `to`;
 * *n grows by what was written.  More than `max` bytes is ERR_LIMIT.
 */
int fd_copy(int to, int from, size_t max, size_t *n, struct err *e) MUST_USE;
/*
 * To the end, up to `max` bytes; more is ERR_LIMIT.  *text is NUL-terminated
 * (not counted) and the caller's to free.
 */
int fd_read_all(
    int fd, size_t max, char **text, size_t *n, struct err *e) MUST_USE;
/* The whole of a regular file, likewise. */
int file_read(
    int fd, size_t max, char **text, size_t *n, struct err *e) MUST_USE;
/* The same by path; refuses a final symbolic link when `nofollow`. */
int file_read_path(const char *path, bool nofollow, size_t max, char **text,
    size_t *n, struct err *e) MUST_USE;
/* Writes a small kernel file (/proc, cgroup) with one write(2). */
int file_put(
    int dirfd, const char *path, const char *text, struct err *e) MUST_USE;
/*
 * Makes a file of ours (0600) or replaces what is in it; a symbolic link is
 * refused.  Neither atomic nor synced: for what is made before anybody looks,
 * and is worth nothing after a power cut.
 */
int file_keep(
    int dirfd, const char *name, struct view v, struct err *e) MUST_USE;

enum { FD_MSG_MAX = 8 };

/*
 * One message of a SOCK_SEQPACKET socket with up to FD_MSG_MAX descriptors
 * (borrowed).  Blocks unless the socket is non-blocking (then ERR_AGAIN).
 */
int fd_send(int sock, const void *p, size_t n, const int *fds, unsigned nfds,
    struct err *e) MUST_USE;
/*
 * Length of the message, 0 when the peer is gone, -1 on error (ERR_AGAIN when
 * nothing is there on a non-blocking socket; ERR_PROTO when it was cut short or
 * carried too many descriptors, all of which are closed).  Received descriptors
 * are close-on-exec and the caller's; *nfds is set even on return 0.
 */
ssize_t fd_recv(int sock, void *p, size_t max, int fds[FD_MSG_MAX],
    unsigned *nfds, struct err *e) MUST_USE;

#endif
