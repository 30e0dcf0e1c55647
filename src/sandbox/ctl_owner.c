/*
 * ctl_owner: what the owner says, and what it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"

void
ctl_to_owner(
    struct ctl *c, enum session_type type, const int *fds, unsigned nfds)
{
	struct err e = { .code = ERR_AGAIN };

	if (c->owner_gone)
		return;
	if (c->to_owner.n == 0 &&
	    session_send(c->sock, &c->m, type, fds, nfds, &e) == 0)
		return;
	if (c->to_owner.n > 0) {
		/* Behind what waits: the header is what session_send fills. */
		c->m.hdr = (struct session_hdr) { SESSION_VERSION,
			(uint16_t)type, (uint32_t)session_size(type, &c->m) };
	} else if (e.code != ERR_AGAIN) {
		if (e.code == ERR_INTERNAL)
			LOG_ERROR("SESSION_SEND", KV_STR("reason", e.text));
		else
			c->owner_gone = true;
		return;
	}
	if (outq_push(&c->to_owner, &c->m, c->m.hdr.size, fds, nfds, &e) < 0) {
		LOG_ERROR("SESSION_QUEUE", KV_STR("reason", e.text));
		c->owner_gone = true;
	}
}

void
ctl_send_state(struct ctl *c, enum session_phase phase)
{
	struct session_state *m = &c->m.state;
	const struct sbx_report *r = &c->report;

	memset(m, 0, sizeof(*m));
	m->phase = phase;
	m->rootless = r->rootless;
	m->landlock_abi = (uint8_t)r->landlock_abi;
	m->seccomp = r->seccomp;
	m->capture = r->capture;
	(void)snprintf(m->cgroup, sizeof(m->cgroup), "%s", r->cgroup);
	(void)snprintf(m->id, sizeof(m->id), "%s", plan_sbx(c->plan)->id);
	(void)snprintf(m->limits, sizeof(m->limits), "%s", r->limits);
	(void)snprintf(m->missing, sizeof(m->missing), "%s", r->missing);
	ctl_to_owner(c, SESSION_STATE, NULL, 0);
}

/* --- policy ------------------------------------------------------------- */

static int
findings_err(const struct policy_findings *f, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);

	policy_findings_print(f, "policy", &text);
	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	return err_set(e, ERR_INVALID, "%s", buf_str(&text));
}

int
ctl_parse_policy(int fd, struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_FREE char *text = NULL;
	size_t n = 0;

	if (memfd_read(fd, POLICY_TEXT_MAX, &text, &n, e) < 0)
		return -1;
	if (policy_parse((struct view) { text, n }, out, &f) < 0)
		return findings_err(&f, e);
	return 0;
}

static void
policy_status(struct ctl *c, uint64_t revision, const char *why)
{
	struct session_policy_status *m = &c->m.policy_status;

	memset(m, 0, sizeof(*m));
	m->revision = revision;
	m->loaded = why == NULL;
	(void)snprintf(m->text, sizeof(m->text), "%s", why != NULL ? why : "");
	ctl_to_owner(c, SESSION_POLICY_STATUS, NULL, 0);
}

static int
check_next(struct ctl *c, uint64_t revision, int fd, struct policy **out,
    struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *next = NULL;

	if (revision <= c->revision)
		return err_set(e, ERR_INVALID,
		    "revision %llu does not follow %llu",
		    (unsigned long long)revision,
		    (unsigned long long)c->revision);
	if (c->n_sent == CTL_POLICIES_MAX)
		return err_set(e, ERR_LIMIT,
		    "the proxy has not taken the last %d changes yet",
		    (int)CTL_POLICIES_MAX);
	if (ctl_parse_policy(fd, &next, e) < 0)
		return -1;
	if (policy_static_check(c->policy, next, &f) != 0)
		return findings_err(&f, e);
	*out = take_ptr(next);
	return 0;
}

/* A refused revision changes nothing: the last good policy stays. */
static void
on_policy(
    struct ctl *c, const union session_msg *m, int *fds, unsigned nfds UNUSED)
{
	struct policy *next = NULL;
	struct ctl_revision *at;
	struct err e;

	if (check_next(c, m->policy.revision, fds[0], &next, &e) < 0) {
		ctl_record_policy(
		    c, m->policy.revision, m->policy.hash, e.text);
		policy_status(c, m->policy.revision, e.text);
		return;
	}
	c->revision = m->policy.revision;
	at = &c->sent[c->n_sent++];
	*at = (struct ctl_revision) { c->revision, next, "" };
	memcpy(at->hash, m->policy.hash, sizeof(at->hash));
	if (c->links != NULL)
		ctl_follow_links(c, next);
	memset(&c->n.policy, 0, sizeof(c->n.policy));
	c->n.policy.generation = c->revision;
	ctl_to_net(c, NET_POLICY, fds, 1);
}

void
ctl_policy_answer(struct ctl *c, const struct net_policy_status *m)
{
	const char *why = m->loaded ? NULL : m->text;
	size_t i = 0;

	while (i < c->n_sent && c->sent[i].revision != m->generation)
		i++;
	if (i == c->n_sent)
		return; /* the first policy: nobody asked */
	ctl_record_policy(c, m->generation, c->sent[i].hash, why);
	if (m->loaded) {
		policy_free(c->policy);
		c->policy = c->sent[i].policy;
	} else {
		policy_free(c->sent[i].policy);
	}
	memmove(&c->sent[i], &c->sent[i + 1],
	    (c->n_sent - i - 1) * sizeof(c->sent[0]));
	c->n_sent--;
	policy_status(c, m->generation, why);
}

/* --- messages ----------------------------------------------------------- */

static void
on_exec(struct ctl *c, const union session_msg *m, int *fds, unsigned nfds)
{
	ctl_exec(c, &m->exec, fds, nfds);
}

static void
on_signal(struct ctl *c, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	ctl_signal(c, m->signal.id, (int)m->signal.signo);
}

static void
on_resize(struct ctl *c, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	ctl_resize(c, m->resize.id, m->resize.rows, m->resize.cols);
}

static void
on_stop(struct ctl *c, const union session_msg *m UNUSED, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	ctl_end(c);
}

/* Passed on, never looked into: ctl holds no secret. */
static void
on_credentials(
    struct ctl *c, const union session_msg *m, int *fds, unsigned nfds UNUSED)
{
	memset(&c->n.credentials, 0, sizeof(c->n.credentials));
	c->n.credentials.revision = m->credentials.revision;
	c->n.credentials.n = m->credentials.n;
	ctl_to_net(c, NET_CREDENTIALS, fds, 1);
}

static void
on_settings(struct ctl *c, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	memset(&c->n.settings, 0, sizeof(c->n.settings));
	c->n.settings.proposals = m->settings.proposals;
	ctl_to_net(c, NET_SETTINGS, NULL, 0);
}

/* What became of the agent's proposals: net asked, and tells it. */
static void
on_proposed(struct ctl *c, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	c->n.proposed = m->proposed;
	ctl_to_net(c, NET_PROPOSED, NULL, 0);
}

static void
on_proposal(struct ctl *c, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	c->n.proposal = m->proposal;
	ctl_to_net(c, NET_PROPOSAL, NULL, 0);
}

static const struct owner_rule {
	unsigned when; /* enum ctl_state */
	void (*run)(
	    struct ctl *, const union session_msg *, int *fds, unsigned nfds);
} owner_rules[] = {
	[SESSION_SPEC] = { 0, NULL }, /* only as the first message */
	[SESSION_POLICY] = { CTL_STARTING | CTL_ISOLATED, on_policy },
	[SESSION_EXEC] = { CTL_STARTING | CTL_ISOLATED, on_exec },
	[SESSION_SIGNAL] = { CTL_STARTING | CTL_ISOLATED, on_signal },
	[SESSION_RESIZE] = { CTL_STARTING | CTL_ISOLATED, on_resize },
	[SESSION_STOP] = { CTL_STARTING | CTL_ISOLATED, on_stop },
	[SESSION_CREDENTIALS] = { CTL_STARTING | CTL_ISOLATED, on_credentials },
	[SESSION_SETTINGS] = { CTL_STARTING | CTL_ISOLATED, on_settings },
	[SESSION_PROPOSED] = { CTL_ISOLATED, on_proposed },
	[SESSION_PROPOSAL] = { CTL_ISOLATED, on_proposal },
};

static void
dispatch(struct ctl *c, int *fds, unsigned nfds)
{
	const struct owner_rule *r = c->got.hdr.type < ARRAY_LEN(owner_rules)
					 ? &owner_rules[c->got.hdr.type]
					 : NULL;

	/* While it ends, what was sent before the owner knew is no fault. */
	if (c->state >= CTL_ENDING)
		return;
	if (r == NULL || r->run == NULL || !(r->when & c->state)) {
		char text[80];

		(void)snprintf(text, sizeof(text),
		    "session: message %u is not expected now", c->got.hdr.type);
		ctl_fail(c, text);
		return;
	}
	r->run(c, &c->got, fds, nfds);
}

void
ctl_read_owner(struct ctl *c)
{
	while (!c->owner_gone && c->to_owner.n < CTL_OUT_MAX) {
		int fds[FD_MSG_MAX];
		unsigned nfds = 0;
		struct err e;
		int rc = session_recv(
		    c->sock, SESSION_SUPERVISOR, &c->got, fds, &nfds, &e);

		if (rc < 0 && e.code == ERR_AGAIN)
			return;
		if (rc == 0 || (rc < 0 && c->state >= CTL_ENDING)) {
			c->owner_gone = true;
			return;
		}
		if (rc < 0) {
			ctl_fail_err(c, "", &e);
			return;
		}
		dispatch(c, fds, nfds);
		for (unsigned i = 0; i < nfds; i++)
			fd_close(&fds[i]);
	}
}
