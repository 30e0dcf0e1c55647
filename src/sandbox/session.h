/*
 * session: what the owner of a sandbox (the CLI today, a gateway next) and its
 * supervisor say to each other.
 *
 * SOCK_SEQPACKET; each message is one fixed-size struct below and a counted
 * number of descriptors.  Text of any length (policy, argv, environment)
 * travels as a sealed memfd, never inline.  session_rules in session.c says
 * which message has which size and descriptors and when it may come; anything
 * else ends the session, and the end of the session ends the sandbox.
 *
 *   owner                          supervisor (ctl)
 *   SPEC(spec, policy)       ->
 *                            <-    STATE preparing ... isolated
 *   EXEC(command, 0,1,2)     ->
 *                            <-    STARTED [pty], EVENTS*, EXITED
 *   POLICY(revision)         ->    ... at any time
 *                            <-    POLICY_STATUS(revision)
 *   CREDENTIALS(revision)    ->    ... at any time; passed on to net unread
 *   SETTINGS                 ->    ... at any time; passed on to net
 *                            <-    PROPOSE, INQUIRE (advice.h)
 *   PROPOSED, PROPOSAL       ->
 *   STOP or close            ->    everything ends
 *                            <-    EVENTS*, STATE ending, end of file
 *
 * EXEC may follow SPEC at once: it waits until the sandbox stands.  After STOP
 * (or FAILED) the owner reads on until the end of file: the last records and
 * the ends of commands still come.  Closing instead gives them up.
 */
#ifndef SANDBOX_SESSION_H
#define SANDBOX_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/advice.h"

enum {
	SESSION_VERSION = 1,
	SESSION_TEXT = 1024,
	SESSION_EVENTS_MAX = 32768,
	SESSION_HASH = 72 /* 64 digits and an end, in whole words */
};

enum session_type {
	/* owner to supervisor */
	SESSION_SPEC = 1, /* fds: spec blob, policy text [, the way out
			     (http/egress.h) [, the carrier of middlewares
			     (rpc/carry.h)]], for net alone */
	SESSION_POLICY, /* fds: policy text */
	SESSION_EXEC, /* fds: command blob [, stdin, stdout, stderr] */
	SESSION_SIGNAL,
	SESSION_RESIZE,
	SESSION_STOP,
	SESSION_CREDENTIALS, /* fds: their bytes (secrets/creds.h), sealed */
	SESSION_SETTINGS,
	SESSION_PROPOSED, /* advice.h */
	SESSION_PROPOSAL,
	/* supervisor to owner */
	SESSION_STATE = 64,
	SESSION_POLICY_STATUS,
	SESSION_STARTED, /* fds: [pty master] */
	SESSION_EXITED,
	SESSION_EVENTS,
	SESSION_FAILED, /* the sandbox cannot be made, or ended by a fault */
	SESSION_NOTE, /* something the owner should show */
	SESSION_PROPOSE, /* advice.h */
	SESSION_INQUIRE
};

struct session_hdr {
	uint16_t version, type;
	uint32_t size; /* of the whole message */
};

enum session_event_level { SESSION_EVENTS_DENIED, SESSION_EVENTS_ALL };

struct session_spec {
	struct session_hdr hdr;
	uint32_t event_level; /* enum session_event_level */
	uint32_t pids_max; /* 0: default 4096 */
	uint64_t memory_max; /* bytes, 0: default 75 % of the host's */
	uint64_t disk_max; /* bytes of private writable space; 0: default */
	uint32_t nofile_max; /* 0: default 65536 */
	char hash[SESSION_HASH]; /* as in session_policy */
};

struct session_policy {
	struct session_hdr hdr;
	uint64_t revision; /* grows; 1 is the one of SPEC */
	/* Hex SHA-256 by which its owner knows it; "": ctl makes its own. */
	char hash[SESSION_HASH];
};

struct session_exec {
	struct session_hdr hdr;
	uint32_t id; /* chosen by the owner, echoed in answers */
	uint8_t tty; /* 1: a pty is made inside; no stdio descriptors */
	uint8_t pad[3];
	uint16_t rows, cols;
	uint32_t timeout_s; /* 0: none; then TERM, grace, KILL: status 124 */
	uint32_t grace_ms; /* between TERM and KILL; 0: default 10,000 */
};

struct session_signal {
	struct session_hdr hdr;
	uint32_t id, signo; /* to the command's process group */
};

struct session_resize {
	struct session_hdr hdr;
	uint32_t id;
	uint16_t rows, cols;
};

struct session_stop {
	struct session_hdr hdr;
};

/* All that the sandbox has from now on; what was before is revoked. */
struct session_credentials {
	struct session_hdr hdr;
	uint32_t revision; /* grows */
	uint32_t n; /* bytes */
};

/* What holds from now on; before the first one everything is off. */
struct session_settings {
	struct session_hdr hdr;
	uint8_t proposals; /* the agent may ask for policy and propose rules */
	uint8_t pad[7];
};

enum session_phase {
	SESSION_PREPARING = 1,
	SESSION_ISOLATED, /* namespaces, mounts, network and proxy stand */
	SESSION_ENDING
};

/* Protections in force (SESSION_ISOLATED), for status and --report. */
struct session_state {
	struct session_hdr hdr;
	uint32_t phase;
	uint8_t rootless, landlock_abi, seccomp,
	    capture; /* capture: nftables */
	char cgroup[16]; /* "v2", "v1", "none" */
	char id[20]; /* of the sandbox */
	char limits[160]; /* in words: what limits hold and how */
	char missing[512]; /* '\n' separated protections not in force */
};

struct session_policy_status {
	struct session_hdr hdr;
	uint64_t revision;
	uint8_t loaded, pad[7];
	char text[SESSION_TEXT]; /* why not */
};

struct session_started {
	struct session_hdr hdr;
	uint32_t id, pid; /* inside the sandbox */
};

enum session_end {
	SESSION_END_EXIT = 1, /* status: 0..255 */
	SESSION_END_SIGNAL, /* status: signal number */
	SESSION_END_TIMEOUT,
	SESSION_END_NOT_FOUND, /* 127 */
	SESSION_END_NOT_EXECUTABLE /* 126 */
};

struct session_exited {
	struct session_hdr hdr;
	uint32_t id, end, status;
	uint8_t oom; /* the cgroup's OOM killer struck */
	uint8_t pad[3];
	char text[256]; /* for NOT_FOUND and NOT_EXECUTABLE, or OOM */
};

struct session_events {
	struct session_hdr hdr;
	uint32_t n; /* bytes used of json: whole lines */
	uint32_t pad;
	char json[SESSION_EVENTS_MAX];
};

struct session_failed {
	struct session_hdr hdr;
	char text[SESSION_TEXT]; /* '\n' between causes; the fix included */
};

struct session_note {
	struct session_hdr hdr;
	char text[SESSION_TEXT];
};

union session_msg {
	struct session_hdr hdr;
	struct session_spec spec;
	struct session_policy policy;
	struct session_exec exec;
	struct session_signal signal;
	struct session_resize resize;
	struct session_stop stop;
	struct session_credentials credentials;
	struct session_settings settings;
	struct session_state state;
	struct session_policy_status policy_status;
	struct session_started started;
	struct session_exited exited;
	struct session_events events;
	struct session_failed failed;
	struct session_note note;
	struct advice_propose propose;
	struct advice_proposed proposed;
	struct advice_inquire inquire;
	struct advice_proposal proposal;
};

/*
 * Sends a message whose hdr.type is set; fills version and size.  EVENTS is
 * sent only as long as its text needs.
 */
int session_send(int sock, union session_msg *m, enum session_type type,
    const int *fds, unsigned nfds, struct err *e) MUST_USE;

enum session_side { SESSION_OWNER, SESSION_SUPERVISOR };
/*
 * Receives and checks one message that `self` may receive.  1 on a message,
 * 0 when the peer is gone, -1 on error (ERR_AGAIN: none yet).  Strings inside
 * are NUL-terminated on return.  Descriptors are the caller's.
 */
int session_recv(int sock, enum session_side self, union session_msg *m,
    int fds[FD_MSG_MAX], unsigned *nfds, struct err *e) MUST_USE;
/* Bytes that session_send would send: for messages that must wait. */
size_t session_size(enum session_type type, const union session_msg *m);
/* The check of session_recv alone: `got` bytes in *m, `nfds` came along. */
int session_check(enum session_side self, union session_msg *m, size_t got,
    unsigned nfds, struct err *e) MUST_USE;

/*
 * The short id of a sandbox that a gateway keeps, from its UUID: it names the
 * control group, so that who removes the sandbox finds what is left of it.
 */
enum { SESSION_SHORT_ID = 13 };
void session_short_id(const char *uuid, char out[SESSION_SHORT_ID]);

/*
 * A blob: a sealed memfd holding lists of NUL-terminated strings by key.
 * Written by one side, mapped read-only and checked by the other.
 * Spec keys: "workdir", "workdir_explicit"("1"), "ro", "rw" (repeated),
 * "path" (the owner's PATH), "home" (the owner's home, to be kept out),
 * "state" (the project's own directories, never visible), "command0" (the
 * program to be found and bound), "trust" (PEM file of extra upstream roots),
 * "own" (a file of the owner's; where the sandbox can write, it is read-only),
 * "secret" (a file that must not be visible; where it is, no sandbox is made),
 * "id" (of session_short_id; random when absent).
 * Command keys: "arg" (repeated), "env" ("K=V", repeated), "cwd".
 */
enum { BLOB_MAX = 4 << 20, BLOB_ITEMS_MAX = 65536 };
struct blob;
struct blob *blob_new(void) MUST_USE;
void blob_free(struct blob *b);
void blob_add(struct blob *b, const char *key, const char *value);
/* A sealed descriptor with the contents, the caller's. */
int blob_seal(const struct blob *b, int *fd, struct err *e) MUST_USE;
/* Refuses what is not sealed, too large, or malformed.  Does not close fd. */
int blob_open(int fd, struct blob **out, struct err *e) MUST_USE;
/* The n-th value of `key` (0-based), or NULL. */
const char *blob_get(const struct blob *b, const char *key, size_t n);

/*
 * A sealed memfd with any bytes (policy text), and its checked readers.  One
 * that is filled in parts is made by memfd_new and sealed by memfd_finish.
 */
int memfd_new(int *fd, struct err *e) MUST_USE;
int memfd_finish(int fd, struct err *e) MUST_USE;
/* What is in a sealed one, on to `to`; *n grows as with fd_copy. */
int memfd_copy(int to, int fd, size_t max, size_t *n, struct err *e) MUST_USE;
int memfd_seal(struct view bytes, int *fd, struct err *e) MUST_USE;
int memfd_read(
    int fd, size_t max, char **text, size_t *n, struct err *e) MUST_USE;

/*
 * Starts the supervisor program: *sock is the owner's end.  The program is
 * "openshell-sandbox" beside the running executable (or in
 * ../libexec/openshell,
 * ../lib/openshell).  *pid is the child's, to be waited for.
 */
int session_spawn(int *sock, pid_t *pid, struct err *e) MUST_USE;

#endif
