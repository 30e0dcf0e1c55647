/*
 * ctl_record: what happened to the sandbox itself, as records among those of
 * net: it stood, what protects it, its policies, its commands, its end.
 *
 * ctl knows these first hand, for `openshell run` and for a keeper alike; net,
 * which meets hostile bytes, has no say in them.  They have no event_id, which
 * is net's to count.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "audit/command.h"
#include "audit/event.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"

enum { LINE_SHOWN = 4096, DIGEST_TEXT = SESSION_HASH + 8 };

/* An owner who stores nothing is told of denials alone. */
static bool
wanted(const struct ctl *c, enum audit_action action)
{
	return c->event_level == SESSION_EVENTS_ALL || action == AUDIT_DENY;
}

static void
record(struct ctl *c, struct audit_event *ev)
{
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_JSON_MAX);

	_Static_assert((int)SESSION_EVENTS_MAX >= (int)AUDIT_JSON_MAX, "fits");
	if (!wanted(c, ev->action))
		return;
	ev->time_ms = clock_wall_ms();
	audit_event_json(ev, &line);
	c->m.events.pad = 0;
	c->m.events.n = (uint32_t)line.n;
	memcpy(c->m.events.json, line.p, line.n);
	ctl_to_owner(c, SESSION_EVENTS, NULL, 0);
}

/* --- the sandbox --------------------------------------------------------- */

static void
put_protections(const struct sbx_report *r, struct buf *out)
{
	buf_printf(
	    out, "namespaces (%s), seccomp", r->rootless ? "rootless" : "root");
	if (r->landlock_abi > 0)
		buf_printf(out, ", Landlock ABI %d", r->landlock_abi);
	if (r->capture)
		buf_puts(out, ", nf_tables");
	buf_printf(out, ", cgroup %s", r->cgroup);
}

static void
record_protections(struct ctl *c)
{
	AUTO_BUF struct buf missing = BUF_INIT(1024), held = BUF_INIT(256);
	const struct sbx_report *r = &c->report;
	struct view rest = view_of(r->missing);
	struct audit_event ev = { .kind = AUDIT_PROTECTIONS,
		.action = AUDIT_INFO,
		.reason = VIEW("every protection is in force") };

	put_protections(r, &held);
	ev.detail = buf_view(&held);
	if (rest.n > 0) {
		buf_puts(&missing, "not in force: ");
		while (rest.n > 0) {
			buf_put(&missing, view_cut(rest, '\n', &rest));
			buf_puts(&missing, rest.n > 0 ? "; " : "");
		}
		ev.kind = AUDIT_PROTECTIONS_MISSING;
		ev.reason = buf_view(&missing);
	}
	record(c, &ev);
}

void
ctl_record_standing(struct ctl *c, const char *hash)
{
	struct utsname host = { .nodename = "" };
	struct audit_event ev = { .kind = AUDIT_SANDBOX_STARTED,
		.action = AUDIT_INFO,
		.sandbox = view_of(plan_sbx(c->plan)->id),
		.reason = VIEW("it stands") };
	char own[SESSION_HASH];

	if (!wanted(c, AUDIT_INFO))
		return;
	(void)uname(&host);
	ev.detail = view_of(host.nodename);
	record(c, &ev);
	record_protections(c);
	if (hash[0] == '\0')
		policy_hash(c->policy, own);
	ctl_record_policy(c, c->revision, hash[0] != '\0' ? hash : own, NULL);
}

void
ctl_record_policy(
    struct ctl *c, uint64_t revision, const char *hash, const char *why)
{
	char digest[DIGEST_TEXT] = "";
	struct audit_event ev = { .kind = AUDIT_POLICY,
		.action = why == NULL ? AUDIT_INFO : AUDIT_DENY,
		.stage = why == NULL ? VIEW("") : VIEW("policy"),
		.reason = why == NULL ? VIEW("policy loaded") : view_of(why),
		.generation = revision };

	if (hash[0] != '\0')
		(void)snprintf(digest, sizeof(digest), "sha256:%s", hash);
	ev.detail = view_of(digest);
	record(c, &ev);
}

void
ctl_record_end(struct ctl *c)
{
	struct audit_event ev = { .kind = AUDIT_SANDBOX_STOPPED,
		.action = AUDIT_INFO,
		.reason = VIEW("its owner ended it") };

	if (c->why != NULL) {
		ev.kind = AUDIT_SANDBOX_FAILED;
		ev.reason = view_of(c->why);
	}
	record(c, &ev);
}

void
ctl_record_socket(struct ctl *c, const char *binary, uint32_t pid,
    const char *what, const char *reason)
{
	struct audit_event ev = { .kind = AUDIT_BYPASS,
		.action = AUDIT_DENY,
		.stage = VIEW("bypass"),
		.binary = view_of(binary),
		.pid = pid,
		.host = VIEW("-"),
		.policy = VIEW("-"),
		.reason = view_of(reason),
		.generation = c->revision,
		.detail = view_of(what) };

	record(c, &ev);
}

void
ctl_record_changed(struct ctl *c, const struct net_identity *m)
{
	struct audit_event ev = { .kind = AUDIT_PROGRAM_CHANGED,
		.action = AUDIT_INFO,
		.binary = view_of(m->exe),
		.pid = m->pid,
		.sha256 = view_of(m->sha256),
		.reason = view_of(m->reason) };

	record(c, &ev);
}

/* --- commands ------------------------------------------------------------ */

void
ctl_record_line(struct ctl_command *k, const char *const *argv, size_t n)
{
	AUTO_BUF struct buf line = BUF_INIT(LINE_SHOWN);

	if (!wanted(k->c, AUDIT_INFO))
		return;
	audit_command(argv, n, &line);
	k->line = view_dup(buf_view(&line));
}

static void
record_command(struct ctl_command *k, struct audit_event *ev)
{
	ev->action = AUDIT_INFO;
	ev->binary = view_of(k->name);
	ev->pid = k->pid;
	/* Of the end of one that started the pid says which. */
	if (ev->kind != AUDIT_PROCESS_ENDED || !k->started)
		ev->detail = view_of(k->line);
	record(k->c, ev);
}

void
ctl_record_started(struct ctl_command *k)
{
	struct audit_event ev = { .kind = AUDIT_PROCESS_STARTED };

	record_command(k, &ev);
}

static void
put_how(const struct session_exited *m, struct buf *out)
{
	if (m->text[0] != '\0')
		buf_puts(out, m->text);
	else if (m->end == SESSION_END_SIGNAL)
		buf_printf(out, "killed by signal %u (SIG%s)", m->status,
		    sigabbrev_np((int)m->status) != NULL
			? sigabbrev_np((int)m->status)
			: "?");
	else if (m->end == SESSION_END_TIMEOUT)
		buf_puts(out, "its time was over");
	else
		buf_puts(out, "exited");
}

/*
 * The end may overtake the word that it had started, when all ends at once: a
 * command that init was given and that did not say why not counts as one that
 * ran.
 */
static bool
ran(const struct ctl_command *k, const struct session_exited *m)
{
	return k->started || (!k->waiting && m->end != SESSION_END_NOT_FOUND &&
				 m->end != SESSION_END_NOT_EXECUTABLE);
}

void
ctl_record_exited(struct ctl_command *k, const struct session_exited *m)
{
	AUTO_BUF struct buf how = BUF_INIT(512);
	char status[8];
	struct audit_event ev = { .kind = AUDIT_PROCESS_FAILED };

	put_how(m, &how);
	ev.reason = buf_view(&how);
	if (ran(k, m)) {
		(void)snprintf(status, sizeof(status), "%u",
		    m->end == SESSION_END_SIGNAL ? 128 + m->status : m->status);
		ev.kind = AUDIT_PROCESS_ENDED;
		ev.status = view_of(status);
	}
	record_command(k, &ev);
}
