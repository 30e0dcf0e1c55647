/*
 * keeper: one loop between ctl, which has the sandbox, and the gateway, which
 * may be away.
 *
 * The end: STOP is sent to ctl, its last records come, its socket closes; the
 * gateway is told, if it is there, within KEEPER_FAREWELL_MS; then the process
 * exits.  Its directory is the driver's to remove.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/egress.h"
#include "keeper/impl.h"
#include "secrets/locked.h"

enum {
	SPEC_MAX = 4 << 20,
	TOKEN_MAX = 256,
	LOCK_TRIES = 50,
	LOCK_WAIT_MS = 20
};

/* --- files --------------------------------------------------------------- */

static int
read_text(const struct keeper *k, const char *name, size_t max, char **text,
    size_t *n, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s", k->dir, name);

	return file_read_path(path, true, max, text, n, e);
}

/* A sandbox that was made before there were any has no such file. */
static int
read_services(struct keeper *k, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t n;

	if (read_text(k, "services", SERVICES_TEXT_MAX, &text, &n, e) < 0)
		return e->sys == ENOENT ? 0 : -1;
	return services_add(&k->services, (struct view) { text, n }, e);
}

static int
read_dir(struct keeper *k, struct err *e)
{
	AUTO_FREE char *spec = NULL;
	size_t n;

	k->dirfd =
	    open(k->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->dirfd < 0)
		return err_sys(e, "open %s", k->dir);
	if (read_text(k, "token", TOKEN_MAX, &k->token, &n, e) < 0 ||
	    read_text(k, "endpoint", 4096, &k->endpoint, &n, e) < 0 ||
	    read_text(k, "egress", EGRESS_TEXT_MAX, &k->egress, &n, e) < 0 ||
	    read_services(k, e) < 0 ||
	    read_text(k, "spec.pb", SPEC_MAX, &spec, &n, e) < 0)
		return -1;
	k->msg = openshell__datamodel__v1__sandbox__unpack(
	    NULL, n, (const uint8_t *)spec);
	if (k->msg == NULL || k->msg->spec == NULL ||
	    k->msg->spec->policy == NULL)
		return err_set(
		    e, ERR_INVALID, "%s/spec.pb is no sandbox", k->dir);
	return 0;
}

/* A gateway that looks takes the lock for a moment: so it is tried again. */
static int
take_lock(struct keeper *k, struct err *e)
{
	const struct timespec wait = { 0, LOCK_WAIT_MS * 1000000L };
	char text[24];

	k->lock = openat(k->dirfd, "keeper.pid",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->lock < 0)
		return err_sys(e, "open %s/keeper.pid", k->dir);
	for (unsigned i = 0; flock(k->lock, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
			(void)err_sys(e, "lock %s/keeper.pid", k->dir);
			/* Another is its keeper: nothing here is ours. */
			fd_close(&k->lock);
			return -1;
		}
		(void)nanosleep(&wait, NULL);
	}
	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(k->lock, 0) < 0)
		return err_sys(e, "write keeper.pid");
	return fd_write_all(k->lock, text, strlen(text), e);
}

/* --- ctl ----------------------------------------------------------------- */

static void on_session(uv_poll_t *h, int status, int events);

static void
watch_session(struct keeper *k)
{
	int want = UV_READABLE | UV_DISCONNECT;

	if (k->sock_on)
		(void)uv_poll_start(&k->sock_poll,
		    k->queue != NULL ? want | UV_WRITABLE : want, on_session);
}

static void
free_message(struct keeper_message *q)
{
	while (q->nfds > 0)
		fd_close(&q->fds[--q->nfds]);
	free(q);
}

static void
drop_message(struct keeper *k)
{
	struct keeper_message *q = k->queue;

	k->queue = q->next;
	if (k->queue == NULL)
		k->queue_tail = &k->queue;
	k->queued--;
	free_message(q);
}

/*
 * A word to ctl would be lost.  Rather than that, the session is ended, and
 * with it the sandbox; the next receive sees it.
 */
static void
break_session(struct keeper *k, const char *why)
{
	LOG_ERROR("SESSION_BROKEN", KV_STR("reason", why));
	(void)shutdown(k->sock, SHUT_RDWR);
}

static int
queue_message(struct keeper *k, enum session_type type, const int *fds,
    unsigned nfds, struct err *e)
{
	struct keeper_message *q;

	if (k->queued == KEEPER_QUEUE_MAX) {
		(void)err_set(e, ERR_LIMIT, "the supervisor takes nothing");
		break_session(k, e->text);
		return -1;
	}
	q = NEW(struct keeper_message);
	q->type = type;
	q->m = k->m;
	for (; q->nfds < nfds && q->nfds < ARRAY_LEN(q->fds); q->nfds++) {
		int fd = fcntl(fds[q->nfds], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			(void)err_sys(e, "keep what the supervisor is sent");
			free_message(q);
			return -1;
		}
		q->fds[q->nfds] = fd;
	}
	*k->queue_tail = q;
	k->queue_tail = &q->next;
	k->queued++;
	watch_session(k);
	return 0;
}

static void
flush_messages(struct keeper *k)
{
	struct err e;

	while (k->queue != NULL && k->sock >= 0) {
		struct keeper_message *q = k->queue;

		if (session_send(k->sock, &q->m, q->type, q->fds, q->nfds, &e) <
		    0) {
			if (e.code != ERR_AGAIN)
				break_session(k, e.text);
			return;
		}
		drop_message(k);
	}
	watch_session(k);
}

int
keeper_send(struct keeper *k, enum session_type type, const int *fds,
    unsigned nfds, struct err *e)
{
	if (k->sock < 0)
		return err_set(e, ERR_IO, "the sandbox has ended");
	if (k->queue == NULL) {
		int rc = session_send(k->sock, &k->m, type, fds, nfds, e);

		if (rc == 0 || e->code != ERR_AGAIN)
			return rc;
	}
	return queue_message(k, type, fds, nfds, e);
}

void
keeper_tell(struct keeper *k, enum session_type type)
{
	struct err e;

	if (k->sock >= 0 && keeper_send(k, type, NULL, 0, &e) < 0)
		break_session(k, e.text);
}

void
keeper_stop(struct keeper *k)
{
	if (k->stopping)
		return;
	k->stopping = true;
	memset(&k->m.stop, 0, sizeof(k->m.stop));
	keeper_tell(k, SESSION_STOP);
}

void
keeper_fail(struct keeper *k, const char *why)
{
	struct err ignored;

	if (k->failed)
		return;
	k->failed = true;
	k->status = 1;
	(void)snprintf(k->why, sizeof(k->why), "%s", why);
	LOG_ERROR("SANDBOX_FAILED", KV_STR("reason", why));
	/* For a gateway that is not there to be told. */
	if (file_keep(k->dirfd, "failed", view_of(why), &ignored) < 0)
		LOG_WARN("FAILED_FILE", KV_STR("reason", ignored.text));
	link_state(k);
}

static void
on_state(struct keeper *k, const union session_msg *m)
{
	if (m->state.phase != SESSION_ISOLATED)
		return;
	k->state = m->state;
	k->isolated = true;
	link_state(k);
	/* Asked for before it stood. */
	if (k->now.version != 0)
		link_policy_status(k, &k->now, true, "");
	mem_settle();
}

static void
on_events(struct keeper *k, const union session_msg *m)
{
	record_add(k, (struct view) { m->events.json, m->events.n });
}

void
keeper_note(struct keeper *k, const char *text)
{
	Openshell__V1__SandboxLogLine *line =
	    NEW(Openshell__V1__SandboxLogLine);

	openshell__v1__sandbox_log_line__init(line);
	line->timestamp_ms = clock_wall_ms();
	line->level = mem_strdup("WARN");
	line->target = mem_strdup("supervisor");
	line->message = mem_strdup(text);
	ring_add(&k->ring, line);
	link_logs(k, true);
}

static void
on_message(
    struct keeper *k, const union session_msg *m, int *fds, unsigned nfds)
{
	switch (m->hdr.type) {
	case SESSION_STATE:
		on_state(k, m);
		break;
	case SESSION_POLICY_STATUS:
		keeper_policy_answer(k, &m->policy_status);
		break;
	case SESSION_STARTED:
		command_started(k, &m->started, fds, nfds);
		break;
	case SESSION_EXITED:
		command_exited(k, &m->exited);
		break;
	case SESSION_EVENTS:
		on_events(k, m);
		break;
	case SESSION_FAILED:
		keeper_fail(k, m->failed.text);
		break;
	case SESSION_NOTE:
		keeper_note(k, m->note.text);
		break;
	case SESSION_PROPOSE:
		keeper_propose(k, &m->propose);
		break;
	case SESSION_INQUIRE:
		keeper_inquire(k, &m->inquire);
		break;
	}
}

void
keeper_farewell_over(struct keeper *k)
{
	link_close(k);
	uv_stop(&k->loop);
}

static void
on_farewell_over(uv_timer_t *t)
{
	keeper_farewell_over(t->data);
}

void
keeper_farewell(struct keeper *k)
{
	if (k->farewell_sent)
		return;
	link_farewell(k);
	/* Sooner when the gateway has taken it, or is not there. */
	(void)uv_timer_start(&k->farewell, on_farewell_over,
	    k->farewell_sent ? KEEPER_FAREWELL_MS : 1, 0);
}

/* The gateway does not answer what it was asked last. */
static void
on_farewell_late(uv_timer_t *t)
{
	keeper_farewell(t->data);
}

/* ctl, whose record it is, could not say how it ended. */
static void
record_lost(struct keeper *k)
{
	struct audit_event ev = { .kind = AUDIT_SANDBOX_FAILED,
		.action = AUDIT_INFO,
		.reason = k->why[0] != '\0'
			      ? view_of(k->why)
			      : VIEW("its supervisor was killed at its end") };

	if (!k->told_end)
		record_event(k, &ev);
}

/* The sandbox is no more. */
static void
gone(struct keeper *k)
{
	int status = 0;

	if (k->gone)
		return;
	uv_close((uv_handle_t *)&k->sock_poll, NULL);
	k->sock_on = false;
	fd_close(&k->sock);
	while (k->queue != NULL)
		drop_message(k);
	while (waitpid(k->ctl, &status, 0) < 0 && errno == EINTR)
		continue;
	(void)unlinkat(k->dirfd, "ctl.pid", 0);
	if (!k->stopping)
		keeper_fail(k, WIFSIGNALED(status) ? "its supervisor was killed"
						   : "its supervisor ended");
	record_lost(k);
	command_end_all(k);
	if (k->why[0] == '\0')
		(void)snprintf(k->why, sizeof(k->why), "it was stopped");
	k->gone = true;
	if (keeper_denials_last(k))
		(void)uv_timer_start(
		    &k->farewell, on_farewell_late, KEEPER_FAREWELL_MS, 0);
	else
		keeper_farewell(k);
}

static void
on_session(uv_poll_t *h, int status UNUSED, int events)
{
	struct keeper *k = h->data;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	struct err e;

	if (events & UV_WRITABLE)
		flush_messages(k);
	while (k->sock >= 0) {
		int rc = session_recv(
		    k->sock, SESSION_OWNER, &k->got, fds, &nfds, &e);

		if (rc < 0 && e.code == ERR_AGAIN)
			return;
		if (rc <= 0) {
			gone(k);
			return;
		}
		on_message(k, &k->got, fds, nfds);
		for (unsigned i = 0; i < nfds; i++)
			fd_close(&fds[i]);
	}
}

static int
start_ctl(struct keeper *k, struct err *e)
{
	char text[24];

	if (session_spawn(&k->sock, &k->ctl, e) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "%d\n", (int)k->ctl);
	if (file_keep(k->dirfd, "ctl.pid", view_of(text), e) < 0 ||
	    keeper_spec(k, e) < 0 || fd_set_nonblock(k->sock, true, e) < 0)
		return -1;
	if (uv_poll_init(&k->loop, &k->sock_poll, k->sock) < 0)
		return err_set(e, ERR_INTERNAL, "watch the supervisor");
	k->sock_poll.data = k;
	k->sock_on = true;
	watch_session(k);
	return 0;
}

/* --- the process --------------------------------------------------------- */

static void
on_signal(uv_signal_t *s, int signo UNUSED)
{
	keeper_stop(s->data);
}

static int
begin(struct keeper *k, struct err *e)
{
	static const int signos[] = { SIGTERM, SIGINT };

	if (uv_loop_init(&k->loop) < 0)
		return err_set(e, ERR_INTERNAL, "cannot make the event loop");
	(void)uv_timer_init(&k->loop, &k->dial);
	(void)uv_timer_init(&k->loop, &k->flush);
	(void)uv_timer_init(&k->loop, &k->farewell);
	k->dial.data = k->flush.data = k->farewell.data = k;
	keeper_denials_init(k);
	if (read_dir(k, e) < 0 || take_lock(k, e) < 0 ||
	    journal_open(&k->journal, k->dirfd, view_of(k->msg->id), e) < 0 ||
	    start_ctl(k, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(signos); i++) {
		(void)uv_signal_init(&k->loop, &k->signals[i]);
		k->signals[i].data = k;
		(void)uv_signal_start(&k->signals[i], on_signal, signos[i]);
	}
	link_dial(k);
	return 0;
}

static void
set_log_level(void)
{
	const char *want = getenv("OPENSHELL_LOG_LEVEL");
	enum log_level level;

	if (want != NULL && log_level_named(want, &level))
		log_set_level(level);
}

int
keeper_main(const char *dir)
{
	struct keeper *k = NEW(struct keeper);
	struct err e;
	int status;

	log_set_name("keeper");
	(void)prctl(PR_SET_NAME, "openshell-keep", 0, 0, 0);
	set_log_level();
	(void)signal(SIGPIPE, SIG_IGN);
	locked_process();
	(void)signal(SIGHUP, SIG_IGN);
	(void)umask(077);
	k->dir = dir;
	k->dirfd = k->lock = k->sock = -1;
	k->journal.dir = k->journal.fd = -1;
	k->queue_tail = &k->queue;
	ring_init(&k->ring);
	if (begin(k, &e) < 0) {
		LOG_ERROR("KEEPER_START", KV_STR("reason", e.text));
		if (k->dirfd >= 0 && k->lock >= 0) {
			struct err ignored;

			if (file_keep(k->dirfd, "failed", view_of(e.text),
				&ignored) < 0)
				LOG_WARN("FAILED_FILE",
				    KV_STR("reason", ignored.text));
		}
		fd_close(&k->sock); /* ends what was started */
		return 1;
	}
	(void)uv_run(&k->loop, UV_RUN_DEFAULT);
	status = k->status;
	/* The process ends here: what is left is the kernel's to take. */
	ring_fini(&k->ring);
	keeper_denials_fini(k);
	journal_close(&k->journal);
	return status;
}
