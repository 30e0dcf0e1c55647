/*
 * gate: a keeper whose gateway and supervisor are the test.
 *
 * The gateway's side is gate.c's own rpc_out_*: what is sent is kept, what is
 * to come is given by the test.  Of ctl there is the far end of the session.
 */
#ifndef TESTS_KEEPER_GATE_H
#define TESTS_KEEPER_GATE_H

#include "keeper/impl.h"

enum { GATE_SENT_MAX = 256 };

struct rpc_out {
	const ProtobufCMessageDescriptor *what; /* of what is sent */
	struct rpc_out_hooks hooks;
	ProtobufCMessage *sent[GATE_SENT_MAX];
	size_t n, queued;
	bool held, ended, cancelled;
};

struct gate {
	struct keeper k;
	uv_timer_t tick;
	int ctl; /* the supervisor's end of the session */
	struct rpc_out *relay; /* the call made last */
	union session_msg got;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	char dir[64]; /* of the journal */
};

extern struct gate gate;

void gate_open(void);
void gate_close(void);
/* The next message of the keeper to ctl, its descriptors too; 0: none now. */
enum session_type gate_next(void);
void gate_close_fds(void);
/* One turn of the loop; false when too many were needed already. */
bool gate_turn(void);
#define GATE_WAIT(cond) \
	do { \
		while (!(cond) && gate_turn()) \
			continue; \
		CHECK(cond); \
	} while (0)

/* The relay is over for the keeper. */
void gate_hang_up(struct rpc_out *o);
/* The answer of a unary call (NULL: none), and its status. */
void gate_answer(
    struct rpc_out *o, const ProtobufCMessage *m, enum rpc_code code);
/* The message number `i` of that stream as RelayUp. */
const Openshell__Supervisor__V1__RelayUp *gate_relay_up(
    const struct rpc_out *o, size_t i);
const Openshell__Supervisor__V1__Up *gate_up(size_t i);

#endif
