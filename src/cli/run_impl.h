/*
 * run_impl: the state of a run, and what its files ask of each other.  run.c
 * has its life, run_signals.c and run_streams.c what comes from the user,
 * run_policy.c the policy that may change, run_say.c what the user reads.
 */
#ifndef CLI_RUN_IMPL_H
#define CLI_RUN_IMPL_H

#include "cli/run.h"

enum { RUN_COMMAND_ID = 1, RUN_NSIGNALS = 9, RUN_PROPOSALS_MAX = 64 };
enum run_phase { RUN_STARTING, RUN_RUNNING, RUN_ENDING, RUN_GONE };
enum { RUN_IN, RUN_OUT, RUN_ERR, RUN_STREAMS };

struct run {
	struct cli *c;
	const struct run_options *o;
	enum run_phase phase;
	uv_loop_t loop;
	uv_poll_t sock_poll, watch_poll;
	uv_signal_t signals[RUN_NSIGNALS];
	uv_timer_t timer;
	bool loop_on, sock_on, watch_on, timer_on;
	size_t n_signals;
	int sock, watch_fd;
	pid_t pid;
	int pid_status;
	bool reaped;
	int asked_to_end; /* the signal that came first */

	struct policy_file file;
	struct policy *policy; /* last one sent */
	char hash[65]; /* of the last one sent, once hashed; "": refused */
	uint64_t revision;
	dev_t dev; /* of the file the run began with */
	ino_t ino;
	bool pinned; /* only that file counts */
	bool changed_early, hashed;

	bool tty;
	struct term term;
	struct relay relays[RUN_STREAMS];
	int inner[RUN_STREAMS]; /* our ends of pipes, until their relay starts
				 */
	int unread; /* sees what the command left of a file as input */
	off_t input_at; /* where that file was */
	int given[RUN_STREAMS]; /* what EXEC carries */
	bool own_given[RUN_STREAMS];

	struct run_proposal *proposals; /* run_advice.c */
	size_t n_proposals;

	struct run_paths paths;
	struct run_record rec;
	struct run_result result;
	struct services services; /* that may look at requests */
	union session_msg got; /* large: not on a stack that waits */
};

/* --- run.c --- */

void run_send(struct run *r, union session_msg *m, enum session_type type,
    const int *fds, unsigned nfds);
/* What then happens depends on the phase. */
void run_timer(struct run *r, unsigned ms);
/* A signal of the user's ends it. */
void run_interrupt(struct run *r, int signo);
void run_relay_done(struct relay *relay);
/* A record of our own; when it cannot be kept the run ends. */
void run_record_own(struct run *r, struct audit_event *ev);

/* --- run_say.c --- */

/* Whole lines on stderr; a raw terminal does not return the carriage. */
void run_say(struct run *r, const struct buf *b);
/* A marked line for each line of text. */
void run_say_lines(
    struct run *r, enum cli_color color, const char *mark, struct view text);
void run_say_error(struct run *r, struct view text);

/* --- run_signals.c --- */

int run_signals_watch(struct run *r, struct err *e) MUST_USE;
void run_signals_close(struct run *r);

/* --- run_streams.c --- */

void run_streams_init(struct run *r);
/* The streams of the command; a closed one becomes /dev/null. */
int run_streams_prepare(struct run *r, struct err *e) MUST_USE;
/* The command has them: ours of what it was given are closed. */
void run_streams_given(struct run *r);
/* The command runs; `master` is of its pty, if it has one. */
int run_streams_start(struct run *r, int master, struct err *e) MUST_USE;
/* The size of the terminal goes to the command. */
void run_streams_size(struct run *r);
bool run_streams_active(const struct run *r);
/* Nothing more goes in. */
void run_streams_cut(struct run *r);
/* What has nothing to write ends, or all. */
void run_streams_stop_idle(struct run *r);
void run_streams_stop(struct run *r);
void run_streams_fini(struct run *r);

/* --- run_policy.c --- */

int run_policy_read(
    struct run *r, char **text, size_t *n, struct err *e) MUST_USE;
/* The supervisor parses it at the same time; what is wrong is told here. */
int run_policy_check(struct run *r, struct view text, struct err *e) MUST_USE;
/* Changes of the file are sent while the command runs. */
int run_policy_watch(struct run *r, struct err *e) MUST_USE;
void run_policy_unwatch(struct run *r);
void run_policy_reload(struct run *r);
/* What the supervisor says of one that was sent. */
void run_policy_status(struct run *r, const struct session_policy_status *s);
void run_policy_fini(struct run *r);

/* --- run_advice.c --- */

struct run_proposal;
/* What the agent proposes is shown and kept; what it asks is answered. */
void run_propose(struct run *r, const struct advice_propose *m);
void run_inquire(struct run *r, const struct advice_inquire *m);
/* A line for each that the policy does not cover. */
void run_advice_left(const struct run *r, struct buf *out);
void run_advice_fini(struct run *r);

#endif
