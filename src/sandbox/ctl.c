/*
 * ctl: one loop over three peers - owner, spawn, net - and the order of the
 * end.
 *
 *   STARTING   policy and plan hold, spawn and net were forked
 *   ISOLATED   the sandbox stands; commands run
 *   ENDING     everything in it was killed; its end is awaited
 *   DRAINING   it is gone; net sends its last records, the owner takes them
 *
 * Whatever dies ends the sandbox: fail closed.  ctl itself may be killed at
 * any point; spawn and net then see the end of their sockets, and the kernel
 * takes the namespaces with the last process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"

/* --- the end ------------------------------------------------------------ */

static void
reap_net(struct ctl *c)
{
	if (c->net_pid <= 0)
		return;
	(void)kill(c->net_pid, SIGKILL);
	while (waitpid(c->net_pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	c->net_pid = 0;
}

/* The owner is gone, or nothing is left to say. */
static void
ctl_finish(struct ctl *c)
{
	if (c->watching)
		uv_stop(&c->loop);
	c->watching = false;
}

static void
on_flush_late(uv_timer_t *t)
{
	struct ctl *c = t->data;

	/* Not net is late, its records wait for the owner. */
	if (c->to_owner.n > 0) {
		(void)uv_timer_start(t, on_flush_late, CTL_FLUSH_MS, 0);
		return;
	}
	LOG_WARN("NET_LATE", KV_STR("action", "kill"));
	reap_net(c);
	ctl_net_gone(c);
}

/* The sandbox is gone: nothing new can happen in net. */
static void
drain(struct ctl *c)
{
	if (c->state == CTL_DRAINING)
		return;
	c->state = CTL_DRAINING;
	if (c->net_sock >= 0) {
		(void)shutdown(c->net_sock, SHUT_WR);
		(void)uv_timer_start(
		    &c->deadline, on_flush_late, CTL_FLUSH_MS, 0);
	}
	spawn_free(take_ptr(c->spawn)); /* waits, while net finishes too */
	ctl_watch(c);
}

void
ctl_end(struct ctl *c)
{
	if (c->state >= CTL_ENDING)
		return;
	c->state = CTL_ENDING;
	if (!c->watching)
		return;
	(void)uv_timer_stop(&c->deadline);
	spawn_kill(c->spawn);
	ctl_watch(c);
}

void
ctl_fail(struct ctl *c, const char *text)
{
	if (c->state >= CTL_ENDING)
		return;
	LOG_INFO("SANDBOX_FAILED", KV_STR("reason", text)); /* owner shows it */
	c->why = mem_strdup(text);
	if (!c->watching)
		ctl_record_end(c); /* nothing of it is left to end */
	memset(&c->m.failed, 0, sizeof(c->m.failed));
	(void)snprintf(c->m.failed.text, sizeof(c->m.failed.text), "%s", text);
	c->status = 1;
	ctl_to_owner(c, SESSION_FAILED, NULL, 0);
	ctl_end(c);
}

void
ctl_fail_err(struct ctl *c, const char *what, const struct err *e)
{
	char text[SESSION_TEXT];

	(void)snprintf(text, sizeof(text), "%s%s%s", what,
	    what[0] != '\0' ? "\n" : "", e->text);
	ctl_fail(c, text);
}

/* --- the loop ----------------------------------------------------------- */

static void
on_owner(uv_poll_t *p, int status, int events)
{
	struct ctl *c = p->data;
	struct err e;

	if ((events & UV_WRITABLE) && outq_flush(&c->to_owner, c->sock, &e) < 0)
		c->owner_gone = true;
	if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
		ctl_read_owner(c);
	ctl_watch(c);
}

static void
on_net(uv_poll_t *p, int status, int events)
{
	struct ctl *c = p->data;
	struct err e;

	if ((events & UV_WRITABLE) &&
	    outq_flush(&c->to_net, c->net_sock, &e) < 0) {
		ctl_read_net(c); /* what it said before it died */
		ctl_net_gone(c);
	} else if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
		ctl_read_net(c);
	ctl_watch(c);
}

static void
on_spawn(uv_poll_t *p, int status, int events)
{
	struct ctl *c = p->data;

	(void)status;
	(void)events;
	ctl_read_spawn(c);
	ctl_watch(c);
}

static void
watch_one(uv_poll_t *p, int *now, int want, uv_poll_cb cb)
{
	if (*now == want)
		return;
	*now = want;
	if (want == 0)
		(void)uv_poll_stop(p);
	else
		(void)uv_poll_start(p, want, cb);
}

/* Of the owner we read only as long as our answers do not pile up. */
static void
watch_owner(struct ctl *c)
{
	int want = UV_DISCONNECT;

	if (c->to_owner.n < CTL_OUT_MAX && c->state < CTL_DRAINING)
		want |= UV_READABLE;
	if (c->to_owner.n > 0)
		want |= UV_WRITABLE;
	watch_one(&c->sock_poll, &c->sock_events, want, on_owner);
}

/* Of net we read only as long as the owner takes the records. */
static void
watch_net(struct ctl *c)
{
	int want = UV_DISCONNECT;

	if (c->net_sock < 0)
		return;
	if (c->to_owner.bytes < CTL_EVENTS_MAX && c->to_net.n < CTL_WHO_MAX &&
	    (c->identity == NULL ||
		identity_pending(c->identity) < CTL_WHO_MAX))
		want = UV_READABLE;
	if (c->to_net.n > 0)
		want |= UV_WRITABLE;
	watch_one(&c->net_poll, &c->net_events, want, on_net);
}

static void
on_packets(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct ctl *c = p->data;

	ctl_read_packets(c);
	ctl_watch(c);
}

/* They come last: while anything else waits for net, the kernel keeps them. */
static void
watch_packets(struct ctl *c)
{
	bool want =
	    c->state == CTL_ISOLATED && c->net_sock >= 0 && c->to_net.n == 0;

	if (c->packets >= 0)
		watch_one(&c->packets_poll, &c->packets_events,
		    want ? UV_READABLE : 0, on_packets);
}

void
ctl_watch(struct ctl *c)
{
	if (!c->watching)
		return;
	if (c->owner_gone) {
		ctl_finish(c);
		return;
	}
	watch_owner(c);
	watch_net(c);
	watch_packets(c);
	ctl_watch_sockets(c);
	if (c->state == CTL_DRAINING && c->net_sock < 0) {
		if (!c->told_end) {
			c->told_end = true;
			ctl_record_end(c);
			ctl_send_state(c, SESSION_ENDING);
		}
		if (c->owner_gone || c->to_owner.n == 0)
			ctl_finish(c);
	}
}

void
ctl_gone(struct ctl *c)
{
	(void)uv_poll_stop(&c->spawn_poll);
	ctl_sockets_gone(c);
	drain(c);
}

static void
on_start_late(uv_timer_t *t)
{
	ctl_fail(t->data, "the sandbox did not stand within 30 seconds; "
			  "openshell doctor says what this machine offers");
}

static void
on_signal(uv_signal_t *s, int signo)
{
	char text[80];

	(void)snprintf(text, sizeof(text),
	    "the supervisor was told to end (signal %d)", signo);
	ctl_fail(s->data, text);
}

static int
begin_loop(struct ctl *c, struct err *e)
{
	static const int signos[] = { SIGTERM, SIGINT, SIGHUP };

	c->looped = true;
	if (uv_loop_init(&c->loop) < 0 ||
	    uv_poll_init(&c->loop, &c->sock_poll, c->sock) < 0 ||
	    uv_poll_init(&c->loop, &c->spawn_poll, spawn_fd(c->spawn)) < 0 ||
	    uv_poll_init(&c->loop, &c->net_poll, c->net_sock) < 0 ||
	    uv_timer_init(&c->loop, &c->deadline) < 0)
		return err_set(e, ERR_INTERNAL, "cannot make the event loop");
	c->sock_poll.data = c->spawn_poll.data = c->net_poll.data = c;
	c->deadline.data = c;
	for (size_t i = 0; i < ARRAY_LEN(signos); i++) {
		(void)uv_signal_init(&c->loop, &c->signals[i]);
		c->signals[i].data = c;
		(void)uv_signal_start(&c->signals[i], on_signal, signos[i]);
	}
	(void)uv_timer_start(&c->deadline, on_start_late, CTL_START_MS, 0);
	(void)uv_poll_start(&c->spawn_poll, UV_READABLE, on_spawn);
	c->watching = true;
	return 0;
}

/* --- the process -------------------------------------------------------- */

static void
set_log_level(void)
{
	const char *want = getenv("OPENSHELL_LOG_LEVEL");
	enum log_level level;

	if (want != NULL && log_level_named(want, &level))
		log_set_level(level);
}

/* Nothing that was inherited, but what the owner may pass. */
static void
shed(void)
{
	char *kept[16] = { NULL };
	size_t n = 0;

	(void)close_range(CTL_SOCK + 1, ~0U, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
	for (size_t i = 0; ctl_environment[i] != NULL && n < 15; i++) {
		const char *v = getenv(ctl_environment[i]);

		if (v != NULL)
			kept[n++] = mem_printf("%s=%s", ctl_environment[i], v);
	}
	(void)clearenv();
	for (size_t i = 0; i < n; i++)
		(void)putenv(kept[i]); /* stays the environment's */
}

/*
 * After the forks: spawn needs what this gives up (/proc/PID of a process that
 * is not dumpable is root's, and through it ids are mapped).
 */
static void
confine(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void
release(struct ctl *c)
{
	spawn_free(take_ptr(c->spawn)); /* kills and cleans up */
	reap_net(c);
	plan_free(c->plan);
	policy_free(c->policy);
	while (c->n_sent > 0)
		policy_free(c->sent[--c->n_sent].policy);
	outq_fini(&c->to_owner);
	outq_fini(&c->to_net);
	buf_fini(&c->ca);
	free(take_ptr(c->why));
	fd_close(&c->trust);
}

/* From SPEC to the end of the session. */
static int
serve(struct ctl *c, net_main_fn *net_main)
{
	struct err e;

	if (fd_set_cloexec(c->sock, true, &e) < 0 ||
	    ctl_start(c, net_main, &e) < 0) {
		if (!c->owner_gone)
			ctl_fail_err(c, "", &e);
		return 1;
	}
	confine();
	if (begin_loop(c, &e) < 0) {
		ctl_fail_err(c, "", &e);
		return 1;
	}
	ctl_watch(c);
	(void)uv_run(&c->loop, UV_RUN_DEFAULT);
	return c->status;
}

static bool
is_session(int fd)
{
	socklen_t n = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_SEQPACKET;
}

int
ctl_main(net_main_fn *net_main)
{
	struct ctl *c;
	int status;

	log_set_name("ctl");
	(void)prctl(PR_SET_NAME, "openshell-ctl", 0, 0, 0);
	set_log_level();
	shed();
	if (!is_session(CTL_SOCK)) {
		(void)fprintf(stderr,
		    "openshell-sandbox: ctl is started by openshell, not by "
		    "hand: descriptor %d is no session\n",
		    (int)CTL_SOCK);
		return 2;
	}
	c = NEW(struct ctl);
	c->sock = CTL_SOCK;
	c->state = CTL_STARTING;
	c->net_sock = c->packets = c->diag = c->proc = -1;
	c->root = c->trust = c->questions = -1;
	for (size_t i = 0; i < NET_NSOCKS; i++)
		c->sockets[i] = -1;
	outq_init(&c->to_owner);
	outq_init(&c->to_net);
	status = serve(c, net_main);
	release(c);
	/*
	 * Workers may still read a file for the identity: once there was a
	 * loop, it and what hangs on it go with the process.
	 */
	if (!c->looped)
		free(c);
	return status;
}
