/*
 * spawn_msg: what ctl and init say to each other, and when.
 *
 * SOCK_SEQPACKET, fixed-size structs, counted descriptors.  Text of any
 * length (argv, environment, files) is a sealed memfd.  init trusts ctl no
 * further than this table: a surprise ends the sandbox.
 */
#ifndef SANDBOX_SPAWN_MSG_H
#define SANDBOX_SPAWN_MSG_H

#include "base/fd.h"
#include "sandbox/msg.h"
#include "sandbox/spawn.h"

enum {
	SPAWN_VERSION = 1,
	SPAWN_ARGS_MAX = 65536, /* strings of one program */
	SPAWN_ARGS_BYTES = 4 << 20,
	SPAWN_FILE_BYTES = 4 << 20,
	SPAWN_PATH_MAX = 1024
};

enum spawn_side { SPAWN_CTL, SPAWN_INIT };

enum spawn_type {
	/* ctl to init */
	SPAWN_M_EXEC = 1, /* fds: strings [, stdin, stdout, stderr] */
	SPAWN_M_SIGNAL,
	SPAWN_M_RESIZE,
	SPAWN_M_FILE, /* fds: contents, in one or two parts */
	/* init (or the spawner, before there is one) to ctl */
	SPAWN_M_READY, /* fds: diag, proc, root, by enum net_sock
			  [, packets] [, questions] */
	SPAWN_M_STARTED, /* fds: [terminal] */
	SPAWN_M_EXITED,
	SPAWN_M_FAILED,
	SPAWN_M_COUNT
};

/* When init takes a message; ctl takes its own at any time. */
enum spawn_state {
	SPAWN_SETUP = 1, /* the root may still get files */
	SPAWN_RUNNING = 2 /* something was run */
};

struct spawn_m_exec {
	struct msg_hdr hdr;
	uint32_t id, argc, envc;
	uint8_t tty, pad[3];
	uint16_t rows, cols;
};

struct spawn_m_signal {
	struct msg_hdr hdr;
	uint32_t id;
	int32_t signo;
};

struct spawn_m_resize {
	struct msg_hdr hdr;
	uint32_t id;
	uint16_t rows, cols;
};

struct spawn_m_file {
	struct msg_hdr hdr;
	char path[SPAWN_PATH_MAX];
};

struct spawn_m_ready {
	struct msg_hdr hdr;
	uint8_t rootless, seccomp, sockets, packets; /* so many; 0 or 1 */
	uint8_t questions, pad[3]; /* 0 or 1 */
	int32_t landlock_abi;
	char cgroup[16], limits[160], missing[512];
};

struct spawn_m_started {
	struct msg_hdr hdr;
	uint32_t id;
	int32_t pid;
};

struct spawn_m_exited {
	struct msg_hdr hdr;
	uint32_t id;
	int32_t wstatus, exec_errno;
	uint8_t oom, pad[3];
	char text[256];
};

struct spawn_m_failed {
	struct msg_hdr hdr;
	char text[1024];
};

union spawn_msg {
	struct msg_hdr hdr;
	struct spawn_m_exec exec;
	struct spawn_m_signal signal;
	struct spawn_m_resize resize;
	struct spawn_m_file file;
	struct spawn_m_ready ready;
	struct spawn_m_started started;
	struct spawn_m_exited exited;
	struct spawn_m_failed failed;
};

/* Checks what `self` received in `state`; ends the strings inside. */
int spawn_msg_check(enum spawn_side self, enum spawn_state state,
    union spawn_msg *m, size_t got, unsigned nfds, struct err *e) MUST_USE;
/* As msg_send and msg_recv. */
int spawn_msg_send(int sock, union spawn_msg *m, enum spawn_type type,
    const int *fds, unsigned nfds, struct err *e) MUST_USE;
int spawn_msg_recv(enum spawn_side self, enum spawn_state state, int sock,
    union spawn_msg *m, int fds[FD_MSG_MAX], unsigned *nfds,
    struct err *e) MUST_USE;
/* Tells ctl why there will be no sandbox; best effort. */
void spawn_msg_failed(int sock, const struct err *why);

/*
 * A program's strings: argv, environment, working directory, each ended by
 * NUL, in this order.
 */
struct spawn_args {
	char *text; /* owned */
	const char **argv, **env; /* owned lists, NULL-terminated */
	const char *cwd;
	size_t argc, envc;
};
/* A sealed memfd, the caller's; counts into *argc and *envc. */
int spawn_args_seal(const struct spawn_exec *x, uint32_t *argc, uint32_t *envc,
    int *fd, struct err *e) MUST_USE;
/* Takes `text` (n bytes) over, also when it fails. */
int spawn_args_open(struct spawn_args *a, char *text, size_t n, size_t argc,
    size_t envc, struct err *e) MUST_USE;
void spawn_args_fini(struct spawn_args *a);

#endif
