#include "sandbox/session.h"

#include <assert.h>
#include <stddef.h>

#include "sandbox/msg.h"

static_assert(
    sizeof(struct session_hdr) == sizeof(struct msg_hdr), "one header");
static_assert(
    offsetof(struct session_hdr, type) == offsetof(struct msg_hdr, type) &&
	offsetof(struct session_hdr, size) == offsetof(struct msg_hdr, size),
    "one header");

/* A terminal is made inside; without one the three streams come along. */
static bool
exec_ok(const void *msg, unsigned nfds)
{
	const struct session_exec *m = msg;

	return m->tty <= 1 && nfds == (m->tty ? 1u : 4u);
}

static bool
spec_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_spec *m = msg;

	return m->event_level <= SESSION_EVENTS_ALL;
}

static bool
signal_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_signal *m = msg;

	return m->signo >= 1 && m->signo <= 64;
}

static bool
settings_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_settings *m = msg;

	return m->proposals <= 1;
}

static bool
state_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_state *m = msg;

	return m->phase >= SESSION_PREPARING && m->phase <= SESSION_ENDING;
}

static bool
exited_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_exited *m = msg;

	return m->end >= SESSION_END_EXIT &&
	       m->end <= SESSION_END_NOT_EXECUTABLE && m->status <= 255;
}

/* Whole lines. */
static bool
events_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct session_events *m = msg;

	return m->n > 0 && m->json[m->n - 1] == '\n';
}

#define ROW(st) .name = #st, .size = sizeof(struct st)
#define FROM_OWNER .from = SESSION_OWNER
#define FROM_SUPERVISOR .from = SESSION_SUPERVISOR

static const struct msg_rule session_rules[] = {
	[SESSION_SPEC] = { ROW(session_spec), FROM_OWNER, .fds_min = 2,
	    .fds_max = 4, .ok = spec_ok,
	    .text = { MSG_TEXT(session_spec, hash) } },
	[SESSION_POLICY] = { ROW(session_policy), FROM_OWNER, .fds_min = 1,
	    .fds_max = 1, .text = { MSG_TEXT(session_policy, hash) } },
	[SESSION_EXEC] = { ROW(session_exec), FROM_OWNER, .fds_min = 1,
	    .fds_max = 4, .ok = exec_ok },
	[SESSION_SIGNAL] = { ROW(session_signal), FROM_OWNER, .ok = signal_ok },
	[SESSION_RESIZE] = { ROW(session_resize), FROM_OWNER },
	[SESSION_STOP] = { ROW(session_stop), FROM_OWNER },
	[SESSION_CREDENTIALS] = { ROW(session_credentials), FROM_OWNER,
	    .fds_min = 1, .fds_max = 1 },
	[SESSION_SETTINGS] = { ROW(session_settings), FROM_OWNER,
	    .ok = settings_ok },
	[SESSION_STATE] = { ROW(session_state), FROM_SUPERVISOR, .ok = state_ok,
	    .text = { MSG_TEXT(session_state, cgroup),
		MSG_TEXT(session_state, id), MSG_TEXT(session_state, limits),
		MSG_TEXT(session_state, missing) } },
	[SESSION_POLICY_STATUS] = { ROW(session_policy_status), FROM_SUPERVISOR,
	    .text = { MSG_TEXT(session_policy_status, text) } },
	[SESSION_STARTED] = { ROW(session_started), FROM_SUPERVISOR,
	    .fds_max = 1 },
	[SESSION_EXITED] = { ROW(session_exited), FROM_SUPERVISOR,
	    .ok = exited_ok, .text = { MSG_TEXT(session_exited, text) } },
	[SESSION_EVENTS] = { ROW(session_events), FROM_SUPERVISOR,
	    .n_at = offsetof(struct session_events, n),
	    .data_at = offsetof(struct session_events, json), .ok = events_ok },
	[SESSION_FAILED] = { ROW(session_failed), FROM_SUPERVISOR,
	    .text = { MSG_TEXT(session_failed, text) } },
	[SESSION_NOTE] = { ROW(session_note), FROM_SUPERVISOR,
	    .text = { MSG_TEXT(session_note, text) } },
	[SESSION_PROPOSE] = { ADVICE_ROW_PROPOSE, FROM_SUPERVISOR },
	[SESSION_PROPOSED] = { ADVICE_ROW_PROPOSED, FROM_OWNER },
	[SESSION_INQUIRE] = { ADVICE_ROW_INQUIRE, FROM_SUPERVISOR },
	[SESSION_PROPOSAL] = { ADVICE_ROW_PROPOSAL, FROM_OWNER },
};

static const struct msg_proto session_proto = { "session", SESSION_VERSION,
	ARRAY_LEN(session_rules), session_rules };

int
session_check(enum session_side self, union session_msg *m, size_t got,
    unsigned nfds, struct err *e)
{
	return msg_check(&session_proto, self, m, got, nfds, e);
}

size_t
session_size(enum session_type type, const union session_msg *m)
{
	return msg_size(&session_proto, type, m);
}

int
session_send(int sock, union session_msg *m, enum session_type type,
    const int *fds, unsigned nfds, struct err *e)
{
	return msg_send(&session_proto, sock, m, type, fds, nfds, e);
}

int
session_recv(int sock, enum session_side self, union session_msg *m,
    int fds[FD_MSG_MAX], unsigned *nfds, struct err *e)
{
	return msg_recv(
	    &session_proto, self, sock, m, sizeof(*m), fds, nfds, e);
}

void
session_short_id(const char *uuid, char out[SESSION_SHORT_ID])
{
	size_t n = 0;

	for (; *uuid != '\0' && n < SESSION_SHORT_ID - 1; uuid++)
		if (*uuid != '-')
			out[n++] = *uuid;
	out[n] = '\0';
}
