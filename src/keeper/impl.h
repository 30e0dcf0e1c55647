/* impl: the state of a keeper, shared by the files of this folder alone. */
#ifndef KEEPER_IMPL_H
#define KEEPER_IMPL_H

#include <stdbool.h>
#include <uv.h>

#include "audit/denials.h"
#include "datamodel.pb-c.h"
#include "keeper/journal.h"
#include "keeper/ring.h"
#include "rpc/policy_wire.h"
#include "rpc/services.h"
#include "rpc/rpc.h"
#include "sandbox/session.h"
#include "supervisor.pb-c.h"

typedef Openshell__Datamodel__V1__Sandbox keeper_sandbox;
typedef Openshell__Supervisor__V1__Up up_msg;
typedef Openshell__Supervisor__V1__Down down_msg;

enum {
	KEEPER_COMMANDS_MAX = 60, /* ctl takes 64 */
	KEEPER_POLICIES_MAX = 8, /* sent, not answered */
	KEEPER_BACKOFF_MIN_MS = 50,
	KEEPER_BACKOFF_MAX_MS = 1000,
	KEEPER_DISOWNED_MS = 60000,
	KEEPER_FLUSH_MS = 100, /* records wait at most this long */
	KEEPER_KILL_MS = 2000,
	KEEPER_DRAIN_MS = 100, /* silence of an ended command's output */
	KEEPER_FAREWELL_MS = 2000,
	KEEPER_QUEUE_MAX = 256, /* messages for ctl */
	KEEPER_ASKS_MAX = 16, /* of the gateway, not answered */
	KEEPER_ASK_MS = 15000
};

struct command;

/* A message for ctl that its socket did not take at once. */
struct keeper_message {
	struct keeper_message *next;
	enum session_type type;
	int fds[4];
	unsigned nfds;
	union session_msg m;
};

struct keeper_policy {
	uint64_t revision; /* of the session with ctl */
	uint32_t version, global; /* of the gateway */
	char hash[65];
};

struct keeper {
	uv_loop_t loop;
	const char *dir;
	int dirfd, lock;
	keeper_sandbox *msg;
	char *token, *endpoint;
	char *egress; /* lines of http/egress.h; NULL: none */
	struct services services; /* that may look at requests */
	int status;

	/* ctl */
	int sock;
	pid_t ctl;
	uv_poll_t sock_poll;
	bool sock_on, stopping, gone;
	struct keeper_message *queue, **queue_tail;
	unsigned queued;
	union session_msg m, got;
	struct session_state state;
	bool isolated, failed;
	char why[SESSION_TEXT];

	/* policy */
	struct keeper_policy now; /* in force */
	struct keeper_policy sent[KEEPER_POLICIES_MAX];
	size_t n_sent;
	uint64_t revision;

	/* denials, for the gateway */
	struct denials *denials;
	struct denials *denials_sent; /* not answered; NULL: none */
	uv_timer_t denials_timer;
	unsigned denials_ms, denials_failed;

	bool proposals; /* the agent may make some: as ctl was told last */

	/* credentials: the names alone, and what was sent last */
	char **keys;
	size_t n_keys;
	uint32_t credentials;
	unsigned char digest[32];

	/* gateway */
	struct rpc_client *client;
	struct rpc_out *attend;
	bool welcomed, farewell_sent;
	unsigned n_asks;
	uv_timer_t dial, flush, farewell;
	unsigned backoff_ms;
	uint64_t disowned_ms; /* since when it says that it does not know us */

	struct ring ring;
	struct journal journal;
	bool urgent; /* a record that waits is of a denial */
	bool told_end; /* the last record of ctl's has come */
	struct command *commands;
	unsigned n_commands;
	uint32_t next_id;
	uv_signal_t signals[2];
};

/* keeper.c */
/* Everything ends; the reason is told and kept. */
void keeper_stop(struct keeper *k);
/* A line of the supervisor's own in the log. */
void keeper_note(struct keeper *k, const char *text);
/* What it must do it cannot: the sandbox ends, and why is told and kept. */
void keeper_fail(struct keeper *k, const char *why);
/* Of a sandbox that is gone: the last word to the gateway. */
void keeper_farewell(struct keeper *k);
/* The gateway has taken the last word, or there is none to take it. */
void keeper_farewell_over(struct keeper *k);
/*
 * Sends k->m to ctl, or queues it with copies of the descriptors.  -1: it will
 * not arrive, and *e says why.
 */
int keeper_send(struct keeper *k, enum session_type type, const int *fds,
    unsigned nfds, struct err *e) MUST_USE;
/* The same without descriptors; when it cannot arrive the session ends. */
void keeper_tell(struct keeper *k, enum session_type type);

/* link.c: the gateway's side */
void link_dial(struct keeper *k);
/* It is there and has said what it wants. */
bool link_is_up(const struct keeper *k);
void link_state(struct keeper *k);
void link_policy_status(struct keeper *k, const struct keeper_policy *p,
    bool loaded, const char *error);
/* Lines that wait go out; `now`: at once. */
void link_logs(struct keeper *k, bool now);
void link_farewell(struct keeper *k);
void link_close(struct keeper *k);

/*
 * ask.c: a unary call of openshell.v1.OpenShell, as this sandbox.  0: `done` is
 * called once, later, as of rpc_ask_new, also when the gateway goes away or
 * does not answer within KEEPER_ASK_MS; of what is asked when the keeper ends
 * it is not.  -1: it was not asked, ERR_AGAIN when the gateway is not there,
 * ERR_LIMIT when there are too many already.
 */
int keeper_ask(struct keeper *k, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *answer, rpc_ask_done *done, void *ctx,
    struct err *e) MUST_USE;

/* policy.c */
void keeper_policy_wanted(
    struct keeper *k, const Openshell__Supervisor__V1__Policy *p);
void keeper_policy_answer(
    struct keeper *k, const struct session_policy_status *m);

/* credentials.c */
/* Passes them on and wipes them in *m; NULL: there are none. */
void keeper_credentials_wanted(
    struct keeper *k, Openshell__Supervisor__V1__Credentials *m);

/* settings.c */
void keeper_settings_wanted(
    struct keeper *k, const Openshell__Supervisor__V1__Settings *m);

/* command.c */
void command_open(struct keeper *k, const Openshell__Supervisor__V1__Open *o);
void command_started(
    struct keeper *k, const struct session_started *m, int *fds, unsigned nfds);
void command_exited(struct keeper *k, const struct session_exited *m);
void command_end_all(struct keeper *k);

/* advice.c: on to the gateway; the answers come later */
void keeper_propose(struct keeper *k, const struct advice_propose *m);
void keeper_inquire(struct keeper *k, const struct advice_inquire *m);

/* spec.c */
int keeper_spec(struct keeper *k, struct err *e) MUST_USE;

/* denials.c */
void keeper_denials_init(struct keeper *k);
void keeper_denials_fini(struct keeper *k);
void keeper_denials_add(struct keeper *k, const struct audit_event *ev);
/* The rest goes out; true: keeper_farewell is called when it was answered. */
bool keeper_denials_last(struct keeper *k);

/* record.c: lines of ctl's, stored and as lines of the log */
void record_add(struct keeper *k, struct view lines);
/* One of our own. */
void record_event(struct keeper *k, struct audit_event *ev);

#endif
