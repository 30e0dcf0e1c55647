/*
 * ctl_sockets: raw sockets and those for ICMP, which nobody in the sandbox
 * gets.
 *
 * Whoever tries waits in the kernel (seccomp.h) until it is refused here, so
 * that there is a record and its program is still there to be named.  The
 * answer is no whatever can be found out; what is slow is only the one that
 * asks.  Attack: floods; the records of a second are counted, and one question
 * is read a turn of the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"
#include "sandbox/seccomp.h"

/* --- who ----------------------------------------------------------------- */

/* What a thread is inside: the last number of NStgid, proc_pid_status(5). */
static uint32_t
pid_inside(uint32_t thread)
{
	AUTO_FREE char *path = mem_printf("/proc/%u/status", thread);
	AUTO_FREE char *text = NULL;
	struct view rest, line, name, last;
	struct err ignored;
	size_t n = 0;
	uint64_t pid = 0;

	if (file_read_path(path, false, 65536, &text, &n, &ignored) < 0)
		return 0;
	rest = (struct view) { text, n };
	while (rest.n > 0) {
		line = view_cut(rest, '\n', &rest);
		name = view_cut(line, ':', &last);
		if (!view_eq(name, VIEW("NStgid")))
			continue;
		for (size_t i = last.n; i > 0; i--)
			if (last.p[i - 1] == '\t') {
				last = view_slice(last, i, last.n);
				break;
			}
		return view_u64(last, UINT32_MAX, &pid) ? (uint32_t)pid : 0;
	}
	return 0;
}

/* Its executable, as the sandbox names it; "-" when it cannot be known. */
static void
program_of(const struct ctl *c, uint32_t pid, char out[NET_PATH_MAX])
{
	char path[32];
	ssize_t n = -1;

	(void)snprintf(path, sizeof(path), "%u/exe", pid);
	if (pid > 0)
		n = readlinkat(c->proc, path, out, NET_PATH_MAX - 1);
	if (n <= 0)
		n = snprintf(out, NET_PATH_MAX, "-");
	out[n] = '\0';
}

/* --- what ---------------------------------------------------------------- */

static const struct kind {
	int protocol; /* -1: any, of raw sockets */
	const char *what, *name;
} kinds[] = {
	{ IPPROTO_ICMP, "icmp", "ICMP" },
	{ IPPROTO_ICMPV6, "icmpv6", "ICMPv6" },
	{ -1, "raw", "what a raw socket sends" },
};

static const struct kind *
kind_of(const struct seccomp_question *q)
{
	const struct kind *k = kinds;

	while (k->protocol >= 0 && k->protocol != q->protocol)
		k++;
	return k;
}

static uint64_t
take_count(uint64_t *n)
{
	uint64_t was = *n;

	*n = 0;
	return was;
}

/* Whether to record it now; *held: so many before it were not. */
static bool
tell(struct ctl *c, uint32_t thread, uint32_t kind, uint64_t *held)
{
	struct ctl_refused *r = &c->refused;
	uint64_t now = uv_now(&c->loop);
	bool told = false;

	if (now - r->since >= 1000) {
		r->since = now;
		r->n = 0;
	}
	for (unsigned i = 0; i < r->n; i++)
		told |= r->told[i][0] == thread && r->told[i][1] == kind;
	if (told || r->n == CTL_REFUSED_MAX) {
		r->held++;
		return false;
	}
	r->told[r->n][0] = thread;
	r->told[r->n++][1] = kind;
	*held = take_count(&r->held);
	return true;
}

static void
record(struct ctl *c, const struct seccomp_question *q)
{
	const struct kind *k = kind_of(q);
	char program[NET_PATH_MAX], more[64] = "", reason[192];
	uint64_t held;
	uint32_t pid;

	if (!tell(c, q->thread, (uint32_t)(k - kinds), &held))
		return;
	pid = pid_inside(q->thread);
	program_of(c, pid, program);
	/* Attack: it was killed, and another has its number by now. */
	if (!seccomp_waits(c->questions, q)) {
		(void)snprintf(program, sizeof(program), "-");
		pid = 0;
	}
	if (held > 0)
		(void)snprintf(more, sizeof(more),
		    "; %llu more were not recorded", (unsigned long long)held);
	(void)snprintf(reason, sizeof(reason),
	    "%s does not leave the sandbox: use TCP%s", k->name, more);
	ctl_record_socket(c, program, pid, k->what, reason);
}

/* Those after which none was recorded any more. */
static void
record_rest(struct ctl *c)
{
	uint64_t held = take_count(&c->refused.held);
	char reason[96];

	if (held == 0)
		return;
	(void)snprintf(reason, sizeof(reason),
	    "%llu more sockets like those before were refused",
	    (unsigned long long)held);
	ctl_record_socket(c, "-", 0, "raw", reason);
}

/* --- the descriptor ------------------------------------------------------ */

void
ctl_sockets_gone(struct ctl *c)
{
	if (c->questions < 0)
		return;
	record_rest(c);
	(void)uv_poll_stop(&c->questions_poll);
	c->questions_events = 0;
	fd_close(&c->questions);
}

static void
on_question(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct ctl *c = p->data;
	struct pollfd now = { .fd = c->questions, .events = POLLIN };
	struct seccomp_question q;

	/* Nobody is left who could ask. */
	if (poll(&now, 1, 0) == 1 && !(now.revents & POLLIN)) {
		ctl_sockets_gone(c);
		return;
	}
	if (seccomp_next(c->questions, &q) < 0)
		return;
	record(c, &q);
	seccomp_refuse(c->questions, &q);
	ctl_watch(c);
}

/* Who asks waits while the owner does not take the records there are. */
void
ctl_watch_sockets(struct ctl *c)
{
	int want =
	    c->state == CTL_ISOLATED && c->to_owner.bytes < CTL_EVENTS_MAX
		? UV_READABLE
		: 0;

	if (c->questions < 0 || c->questions_events == want)
		return;
	c->questions_events = want;
	if (want == 0)
		(void)uv_poll_stop(&c->questions_poll);
	else
		(void)uv_poll_start(&c->questions_poll, want, on_question);
}
