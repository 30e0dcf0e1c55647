/*
 * spawn: builds one sandbox and runs programs in it, from ctl's point of view.
 *
 * spawn_start forks the spawner (single-threaded, before ctl has any thread),
 * which clones PID 1 of the sandbox into new user, mount, pid, net, ipc, uts
 * and cgroup namespaces.  The plan is inherited by fork, not sent.  Afterwards
 * ctl talks with init through one SOCK_SEQPACKET pair (spawn_ask.c), init
 * answers (spawn_answer.c); the spawner only waits, and kills and cleans up
 * when either end is gone.  Any of the three dying ends the sandbox and
 * leaves nothing.
 */
#ifndef SANDBOX_SPAWN_H
#define SANDBOX_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sandbox/netmsg.h"

enum sbx_mount_kind {
	SBX_BIND_RO, /* host path, read-only, nosuid, nodev */
	SBX_BIND_RW, /* host path, writes reach the host */
	SBX_OVERLAY, /* host path below, writes to private discarded space */
	SBX_TMPFS, /* private, size-limited */
	SBX_SYMLINK, /* src is the link's text */
	SBX_FILE, /* src is the contents; generated, read-only */
	SBX_DIR, /* an empty directory */
	SBX_ALIAS /* src, a file of the private root, again at dst */
};

struct sbx_mount {
	enum sbx_mount_kind kind;
	const char *src, *dst; /* dst absolute, inside */
	bool optional; /* skip quietly when src does not exist */
	unsigned mode; /* of DIR, FILE, TMPFS; 0: default */
};

struct sbx_rule {
	const char *path; /* inside */
	bool write;
	bool optional; /* path may be missing */
	bool names; /* only the names in directories may be read */
};

struct sbx_plan {
	char id[20];
	const char *hostname;
	const struct sbx_mount *mounts; /* in order; parents made as needed */
	size_t n_mounts;
	/*
	 * Names under the writable work directory that a later act of the user
	 * would execute: re-bound read-only; missing ones become read-only
	 * placeholders (and are removed from the host again at the end when
	 * they were ours and are still empty).  Relative to workdir.
	 */
	const char *workdir;
	bool workdir_writable;
	const char *const *protect; /* NULL-terminated */
	const struct sbx_rule *rules; /* Landlock */
	size_t n_rules;
	bool landlock_hard; /* every rule and ABI >= 3 must hold */
	const char *home; /* inside, e.g. "/sandbox" */
	const char *user; /* name shown inside: "sandbox" */
	/* The ids that it has inside; 0: spawn_inside_uid and _gid. */
	uid_t uid;
	gid_t gid;
	uint32_t pids_max, nofile_max;
	uint64_t memory_max, disk_max; /* bytes */
	const char *proxy_addr; /* "10.200.0.1" */
	uint16_t proxy_port, capture_port;
};

struct spawn;

/* What holds in this sandbox; goes into session_state. */
struct sbx_report {
	bool rootless, seccomp, capture;
	int landlock_abi; /* 0: not enforced */
	char cgroup[16];
	char limits[160];
	char missing[512];
};

enum spawn_event_type {
	SPAWN_READY, /* sealed: namespaces, mounts, listeners, rules stand */
	SPAWN_STARTED, /* id, pid; pty_master >= 0 for a terminal */
	SPAWN_EXITED, /* id, wstatus as from waitpid(2); or exec_errno */
	SPAWN_FAILED, /* text: what could not be made and the fix */
	SPAWN_GONE /* the sandbox has ended; nothing more comes */
};

struct spawn_event {
	enum spawn_event_type type;
	uint32_t id;
	pid_t pid; /* inside */
	int wstatus;
	int exec_errno; /* EXITED without having run: errno of exec or chdir */
	bool oom;
	int pty_master; /* STARTED; the caller's */
	int sockets[NET_NSOCKS]; /* READY; the caller's; -1: none */
	int packets; /* READY: nfnetlink_log of refused packets; -1: none */
	int questions; /* READY: of seccomp_listen; -1: none */
	int diag; /* READY: NETLINK_SOCK_DIAG socket made inside */
	int proc; /* READY: O_PATH directory of the sandbox's own /proc */
	int root; /* READY: O_PATH directory of its root */
	struct sbx_report report;
	char text[1024];
};

/*
 * The ids the agent has inside where nobody says otherwise: the caller's own
 * without root; 1000:1000 when started as root, where they stand for ids of the
 * host that nobody has.
 */
uid_t spawn_inside_uid(void);
gid_t spawn_inside_gid(void);

/* `foreign`: a descriptor that the spawner is not to hold open, or -1. */
int spawn_start(const struct sbx_plan *plan, int foreign, struct spawn **out,
    struct err *e) MUST_USE;
/* Poll this descriptor for reading; then call spawn_read until ERR_AGAIN. */
int spawn_fd(const struct spawn *s);
/* 1: *ev is filled; -1 with ERR_AGAIN: nothing now; other errors are final. */
int spawn_read(struct spawn *s, struct spawn_event *ev, struct err *e) MUST_USE;

/*
 * A file of the private root that comes late (the CA), before the first exec:
 * from one or two sealed memfds (session.h), one after the other.
 */
int spawn_put_parts(struct spawn *s, const char *path, const int *parts,
    unsigned n, struct err *e) MUST_USE;

struct spawn_exec {
	uint32_t id;
	bool tty;
	uint16_t rows, cols;
	const char *const
	    *argv; /* NULL-terminated; argv[0] looked up in PATH of env */
	const char *const *env;
	const char *cwd;
};
/* stdio: three descriptors (borrowed) unless x->tty. */
int spawn_exec(struct spawn *s, const struct spawn_exec *x, const int stdio[3],
    struct err *e) MUST_USE;
int spawn_signal(
    struct spawn *s, uint32_t id, int signo, struct err *e) MUST_USE;
int spawn_resize(struct spawn *s, uint32_t id, uint16_t rows, uint16_t cols,
    struct err *e) MUST_USE;
/* Kills everything in the sandbox; SPAWN_GONE follows. */
void spawn_kill(struct spawn *s);
/* Kills if needed, waits for the end, removes cgroup and placeholders. */
void spawn_free(struct spawn *s);

#endif
