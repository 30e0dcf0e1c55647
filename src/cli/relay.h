/*
 * relay: copies bytes between one of the user's streams and the sandbox.
 *
 * A descriptor of a host terminal, socket or device is never given to the
 * sandbox: it would carry ioctls, ancillary data and peers along.  Nor is an
 * input that has a name on the host: its mode could be changed, and without
 * Landlock it could be opened again for writing.  Such streams get a pipe, and
 * a relay that holds at most RELAY_SIZE bytes, so that a slow reader slows the
 * writer down.
 *
 * At most one side of a relay is a regular file: the other is the sandbox's.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/err.h"

enum { RELAY_SIZE = 65536 };

struct relay {
	uv_poll_t poll_in, poll_out;
	int in, out; /* owned, non-blocking; -1 when finished */
	int in_flags, out_flags; /* to be restored; -1: ours alone */
	bool in_on, out_on; /* sides are open */
	bool in_file, out_file; /* never blocks: has no handle */
	unsigned handles; /* not yet closed */
	bool at_end_eot; /* end of input is the ^D of a terminal */
	bool active;
	size_t at, n; /* bytes of buf not yet written */
	char buf[RELAY_SIZE];
	void (*done)(struct relay *r); /* once; both sides are closed */
	void *owner;
};

/* How a stream of the user's reaches the sandbox. */
enum stream_kind { STREAM_GIVE, STREAM_RELAY, STREAM_CLOSED };

/*
 * Pipes, regular files for output and the harmless memory devices are given
 * as they are: two outputs into one file keep their order.  Directories and
 * handles without access are refused: in the sandbox they would be a way out.
 */
int stream_kind(int fd, const char *name, bool input, enum stream_kind *out,
    struct err *e) MUST_USE;
/*
 * As root the agent has another id than the owner of a pipe, and programs open
 * /dev/stdout anew.  Nobody else gets at a pipe that has no name.
 */
void stream_open_pipe(int fd);
/* A regular file: always ready, and with a position that others share. */
bool stream_is_file(int fd);
/*
 * A descriptor of our own for a stream of the user's, non-blocking.  *flags
 * is what to restore on it at the end, or -1.
 */
int stream_own(int fd, int *own, int *flags, struct err *e) MUST_USE;

/* Takes both descriptors, also on failure. */
int relay_start(
    uv_loop_t *loop, struct relay *r, int in, int out, struct err *e) MUST_USE;
/* Ends at once; what is buffered is lost. */
void relay_stop(struct relay *r);

#endif
