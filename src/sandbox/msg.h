/*
 * msg: the checks that session.c and netmsg.c share.
 *
 * A protocol is a table with a row a message type: its size, how many
 * descriptors it carries, who sends it, and which parts are text.  A message
 * that differs in anything is refused before anybody looks into it; the
 * receiver then gives the peer up.
 */
#ifndef SANDBOX_MSG_H
#define SANDBOX_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fd.h"

/* What every message of both protocols begins with. */
struct msg_hdr {
	uint16_t version, type;
	uint32_t size; /* of the whole message */
};

/* A string of `size` bytes from offset `at`. */
struct msg_text {
	size_t at, size;
};
#define MSG_TEXT(st, member) \
	{ \
		offsetof(struct st, member), sizeof(((struct st *)0)->member) \
	}

enum { MSG_TEXTS_MAX = 6 }; /* the last stays empty */

struct msg_rule {
	const char *name; /* NULL: there is no such type */
	size_t size;
	unsigned from; /* side that sends it */
	unsigned fds_min, fds_max;
	/*
	 * Of a message that is only as long as its text: where the count of
	 * bytes lies (uint32_t) and where the bytes begin.  0: of fixed size.
	 */
	size_t n_at, data_at;
	struct msg_text text[MSG_TEXTS_MAX];
	/* What the columns cannot say. */
	bool (*ok)(const void *msg, unsigned nfds);
};

struct msg_proto {
	const char *name;
	uint16_t version;
	size_t n_rules;
	const struct msg_rule *rules;
};

/*
 * Checks `got` bytes at `msg` that came from the other side than `self`, with
 * `nfds` descriptors, and ends the strings inside.
 */
int msg_check(const struct msg_proto *p, unsigned self, void *msg, size_t got,
    unsigned nfds, struct err *e) MUST_USE;
/* Bytes of `msg` as it would be sent; 0 when there is no such type. */
size_t msg_size(const struct msg_proto *p, unsigned type, const void *msg);
/* Fills the header, checks our own message by the same table, sends it. */
int msg_send(const struct msg_proto *p, int sock, void *msg, unsigned type,
    const int *fds, unsigned nfds, struct err *e) MUST_USE;
/* 1, 0 (peer gone) or -1; no descriptor stays open unless 1. */
int msg_recv(const struct msg_proto *p, unsigned self, int sock, void *msg,
    size_t max, int fds[FD_MSG_MAX], unsigned *nfds, struct err *e) MUST_USE;

#endif
