/*
 * ctl_impl: the state of ctl, shared by ctl*.c and by nobody else.
 */
#ifndef SANDBOX_CTL_IMPL_H
#define SANDBOX_CTL_IMPL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "policy/policy.h"
#include "sandbox/ctl.h"
#include "sandbox/identity.h"
#include "sandbox/links.h"
#include "sandbox/outq.h"
#include "sandbox/plan.h"
#include "sandbox/session.h"
#include "sandbox/spawn.h"

enum {
	CTL_COMMANDS_MAX = 64,
	CTL_POLICIES_MAX = 16, /* sent to net, not acknowledged */
	CTL_EVENTS_MAX = 1 << 20, /* bytes held for a slow owner */
	CTL_OUT_MAX = 256, /* messages; then its own are not read */
	CTL_WHO_MAX = 64, /* questions of net at a time */
	CTL_REFUSED_MAX = 10, /* sockets recorded a second */
	CTL_START_MS = 30000, /* from SPEC to isolated */
	CTL_FLUSH_MS = 2000, /* net, to send its last records */
	CTL_GRACE_MS = 10000 /* default between TERM and KILL */
};

enum ctl_state {
	CTL_STARTING = 1 << 0,
	CTL_ISOLATED = 1 << 1,
	CTL_ENDING = 1 << 2, /* the sandbox is being killed */
	CTL_DRAINING = 1 << 3 /* it is gone; records follow */
};

struct ctl_command {
	struct ctl *c;
	uint32_t id;
	bool used, started;
	/* An EXEC that came before the sandbox stood. */
	bool waiting;
	int blob, stdio[3];
	bool tty;
	uint16_t rows, cols;
	uv_timer_t timer;
	uint32_t timeout_s, grace_ms;
	enum { TIMEOUT_NONE, TIMEOUT_TERM, TIMEOUT_KILL } timeout;
	char name[96]; /* for sentences */
	uint32_t pid; /* inside, once it started */
	char *line; /* its command line for records, or NULL */
};

struct ctl_revision {
	uint64_t revision;
	struct policy *policy;
	char hash[SESSION_HASH];
};

/*
 * Sockets refused, which cost the sandbox nothing: of each thread one of a kind
 * is recorded in a second, and of all some; the rest is counted.
 */
struct ctl_refused {
	uint64_t since; /* loop time, ms */
	unsigned n;
	uint32_t told[CTL_REFUSED_MAX][2]; /* thread, kind */
	uint64_t held;
};

struct ctl {
	uv_loop_t loop;
	enum ctl_state state;
	bool looped; /* there is, or was, a loop */
	bool watching; /* it is worth watching descriptors */
	int status; /* of the process */
	char *why; /* it failed, or NULL */
	bool told_end; /* the owner has the last record and state */

	/* owner */
	int sock;
	bool owner_gone;
	uv_poll_t sock_poll;
	int sock_events;
	struct outq to_owner;
	union session_msg m; /* scratch for sending */
	union session_msg got;

	/* the sandbox */
	struct plan *plan;
	struct spawn *spawn;
	uv_poll_t spawn_poll;
	bool ready;
	int sockets[NET_NSOCKS], packets, diag, proc, root;
	uv_poll_t packets_poll;
	int packets_events;
	int questions; /* of seccomp_listen, or -1 */
	uv_poll_t questions_poll;
	int questions_events;
	struct ctl_refused refused;
	struct sbx_report report;
	struct identity *identity;
	struct links *links; /* once the root is there */
	bool warmed; /* the program asked for is being hashed */
	struct ctl_command commands[CTL_COMMANDS_MAX];

	/* the proxy */
	int net_sock;
	pid_t net_pid;
	uv_poll_t net_poll;
	int net_events;
	struct outq to_net;
	uint64_t recorded; /* bytes that came as EVENTS */
	struct net_late *late; /* what it did not send; NULL: passed on */
	union net_msg n;
	union net_msg from_net;
	struct buf ca; /* PEM; until the files are written */
	int trust; /* a sealed memfd: PEM of what upstreams may chain to */

	/* policy */
	struct policy *policy; /* the last good one */
	char hash[SESSION_HASH]; /* of the first one; "": not told */
	uint64_t revision;
	struct ctl_revision sent[CTL_POLICIES_MAX];
	size_t n_sent;

	uint32_t event_level;
	uv_timer_t deadline; /* of the start, then of the end */
	uv_signal_t signals[3];
};

/* ctl.c: the end. */
/* The owner learns why (once), then everything ends. */
void ctl_fail(struct ctl *c, const char *text);
void ctl_fail_err(struct ctl *c, const char *what, const struct err *e);
/* Everything ends; what was recorded still reaches the owner. */
void ctl_end(struct ctl *c);
/* SPAWN_GONE came: what the sandbox was is gone. */
void ctl_gone(struct ctl *c);
/* Watches each descriptor for what is wanted of it now. */
void ctl_watch(struct ctl *c);

/* ctl_owner.c */
void ctl_to_owner(struct ctl *c, enum session_type type, const int *fds,
    unsigned nfds); /* sends c->m */
void ctl_read_owner(struct ctl *c);
void ctl_send_state(struct ctl *c, enum session_phase phase);
/* net has taken a revision, or will not. */
void ctl_policy_answer(struct ctl *c, const struct net_policy_status *m);
/* 0, or -1 and *e holds what is wrong with the policy. */
int ctl_parse_policy(int fd, struct policy **out, struct err *e);

/* ctl_start.c: until the loop stands. */
int ctl_start(struct ctl *c, net_main_fn *net_main, struct err *e);

/* ctl_net.c */
void ctl_to_net(struct ctl *c, enum net_type type, const int *fds,
    unsigned nfds); /* sends c->n */
void ctl_read_net(struct ctl *c);
/* What `p` names by a link, to net: before `p` itself is. */
void ctl_follow_links(struct ctl *c, const struct policy *p);
/* The log of refused packets: on to net, as it is. */
void ctl_read_packets(struct ctl *c);
void ctl_net_gone(struct ctl *c);

/* ctl_sockets.c: programs that wait for a socket they do not get. */
void ctl_watch_sockets(struct ctl *c);
void ctl_sockets_gone(struct ctl *c);

/* ctl_record.c: records of what ctl itself did. */
/* The sandbox stands: what protects it, and the policy of its start. */
void ctl_record_standing(struct ctl *c, const char *hash);
/* `why` NULL: in force. */
void ctl_record_policy(
    struct ctl *c, uint64_t revision, const char *hash, const char *why);
/* Keeps the command line of `k` for its records. */
void ctl_record_line(struct ctl_command *k, const char *const *argv, size_t n);
void ctl_record_started(struct ctl_command *k);
/* Its end, or that it could not be started. */
void ctl_record_exited(struct ctl_command *k, const struct session_exited *m);
/* A socket that goes around the proxy: `what` as in audit/event.h, detail. */
void ctl_record_socket(struct ctl *c, const char *binary, uint32_t pid,
    const char *what, const char *reason);
/* A program that asks for the network is not what its path was. */
void ctl_record_changed(struct ctl *c, const struct net_identity *m);
/* The last one. */
void ctl_record_end(struct ctl *c);

/* ctl_files.c: those of the trust in our CA, and what agents read. */
int ctl_put_files(struct ctl *c, struct err *e) MUST_USE;

/* ctl_box.c: the sandbox and its commands. */
void ctl_read_spawn(struct ctl *c);
/* When both stand: trust files, listeners, isolated, waiting commands. */
void ctl_try_isolate(struct ctl *c);
void ctl_exec(
    struct ctl *c, const struct session_exec *m, int *fds, unsigned nfds);
void ctl_signal(struct ctl *c, uint32_t id, int signo);
void ctl_resize(struct ctl *c, uint32_t id, uint16_t rows, uint16_t cols);

#endif
