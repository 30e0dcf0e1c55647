#include "sandbox/spawn_msg.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/session.h"

static bool
exec_ok(const void *msg, unsigned nfds)
{
	const struct spawn_m_exec *m = msg;

	return m->tty <= 1 && nfds == (m->tty ? 1 : 4) && m->argc > 0 &&
	       m->argc <= SPAWN_ARGS_MAX && m->envc <= SPAWN_ARGS_MAX;
}

static bool
signal_ok(const void *msg, unsigned nfds)
{
	const struct spawn_m_signal *m = msg;

	(void)nfds;
	return m->signo > 0 && m->signo <= SIGRTMAX;
}

static bool
file_ok(const void *msg, unsigned nfds)
{
	const struct spawn_m_file *m = msg;

	(void)nfds;
	return m->path[0] == '/';
}

static bool
ready_ok(const void *msg, unsigned nfds)
{
	const struct spawn_m_ready *m = msg;

	return net_socks_ok(m->sockets) && m->packets <= 1 &&
	       m->questions <= 1 &&
	       nfds == 3u + m->sockets + m->packets + m->questions;
}

#define SIZE(st) .size = sizeof(struct st)
static const struct msg_rule rules[SPAWN_M_COUNT] = {
	[SPAWN_M_EXEC] = { "exec", SIZE(spawn_m_exec), SPAWN_CTL, 1, 4,
	    .ok = exec_ok },
	[SPAWN_M_SIGNAL] = { "signal", SIZE(spawn_m_signal), SPAWN_CTL, 0, 0,
	    .ok = signal_ok },
	[SPAWN_M_RESIZE] = { "resize", SIZE(spawn_m_resize), SPAWN_CTL, 0, 0 },
	[SPAWN_M_FILE] = { "file", SIZE(spawn_m_file), SPAWN_CTL, 1, 2,
	    .text = { MSG_TEXT(spawn_m_file, path) }, .ok = file_ok },
	[SPAWN_M_READY] = { "ready", SIZE(spawn_m_ready), SPAWN_INIT, 4,
	    5 + NET_NSOCKS,
	    .text = { MSG_TEXT(spawn_m_ready, cgroup),
		MSG_TEXT(spawn_m_ready, limits),
		MSG_TEXT(spawn_m_ready, missing) },
	    .ok = ready_ok },
	[SPAWN_M_STARTED] = { "started", SIZE(spawn_m_started), SPAWN_INIT, 0,
	    1 },
	[SPAWN_M_EXITED] = { "exited", SIZE(spawn_m_exited), SPAWN_INIT, 0, 0,
	    .text = { MSG_TEXT(spawn_m_exited, text) } },
	[SPAWN_M_FAILED] = { "failed", SIZE(spawn_m_failed), SPAWN_INIT, 0, 0,
	    .text = { MSG_TEXT(spawn_m_failed, text) } },
};
static const struct msg_proto proto = { "spawn", SPAWN_VERSION, SPAWN_M_COUNT,
	rules };

/* What init takes when. */
static const unsigned when[SPAWN_M_COUNT] = {
	[SPAWN_M_EXEC] = SPAWN_SETUP | SPAWN_RUNNING,
	[SPAWN_M_SIGNAL] = SPAWN_RUNNING,
	[SPAWN_M_RESIZE] = SPAWN_RUNNING,
	[SPAWN_M_FILE] = SPAWN_SETUP,
};

int
spawn_msg_check(enum spawn_side self, enum spawn_state state,
    union spawn_msg *m, size_t got, unsigned nfds, struct err *e)
{
	if (msg_check(&proto, self, m, got, nfds, e) < 0)
		return -1;
	if (self == SPAWN_INIT && !(when[m->hdr.type] & state))
		return err_set(e, ERR_PROTO, "spawn: %s out of turn",
		    rules[m->hdr.type].name);
	return 0;
}

int
spawn_msg_send(int sock, union spawn_msg *m, enum spawn_type type,
    const int *fds, unsigned nfds, struct err *e)
{
	return msg_send(&proto, sock, m, type, fds, nfds, e);
}

int
spawn_msg_recv(enum spawn_side self, enum spawn_state state, int sock,
    union spawn_msg *m, int fds[FD_MSG_MAX], unsigned *nfds, struct err *e)
{
	ssize_t got = fd_recv(sock, m, sizeof(*m), fds, nfds, e);

	if (got > 0 &&
	    spawn_msg_check(self, state, m, (size_t)got, *nfds, e) == 0)
		return 1;
	while (*nfds > 0)
		fd_close(&fds[--*nfds]);
	return got == 0 ? 0 : -1;
}

void
spawn_msg_failed(int sock, const struct err *why)
{
	union spawn_msg m = { 0 };
	struct err ignored;

	(void)snprintf(m.failed.text, sizeof(m.failed.text), "%s", why->text);
	(void)!spawn_msg_send(sock, &m, SPAWN_M_FAILED, NULL, 0, &ignored);
}

static size_t
put_list(struct buf *b, const char *const *list)
{
	size_t n = 0;

	for (; list != NULL && list[n] != NULL; n++)
		buf_put(b, (struct view) { list[n], strlen(list[n]) + 1 });
	return n;
}

int
spawn_args_seal(const struct spawn_exec *x, uint32_t *argc, uint32_t *envc,
    int *fd, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(SPAWN_ARGS_BYTES);
	size_t na = put_list(&b, x->argv), ne = put_list(&b, x->env);
	const char *cwd = x->cwd != NULL ? x->cwd : "/";

	buf_put(&b, (struct view) { cwd, strlen(cwd) + 1 });
	if (na == 0)
		return err_set(e, ERR_INVALID, "no program given");
	if (b.full || na > SPAWN_ARGS_MAX || ne > SPAWN_ARGS_MAX)
		return err_set(e, ERR_LIMIT,
		    "arguments and environment are larger than %d bytes",
		    SPAWN_ARGS_BYTES);
	*argc = (uint32_t)na;
	*envc = (uint32_t)ne;
	return memfd_seal(buf_view(&b), fd, e);
}

/* The next string of the rest; NULL when it does not end. */
static const char *
next_string(char **at, const char *end)
{
	char *s = *at;
	char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return s;
}

int
spawn_args_open(struct spawn_args *a, char *text, size_t n, size_t argc,
    size_t envc, struct err *e)
{
	char *at = text;
	const char *end = text + n;
	bool ok = argc > 0 && argc <= SPAWN_ARGS_MAX && envc <= SPAWN_ARGS_MAX;

	*a = (struct spawn_args) { .text = text, .argc = argc, .envc = envc };
	if (ok) {
		a->argv = mem_calloc(argc + 1, sizeof(*a->argv));
		a->env = mem_calloc(envc + 1, sizeof(*a->env));
	}
	for (size_t i = 0; ok && i < argc; i++)
		ok = (a->argv[i] = next_string(&at, end)) != NULL;
	for (size_t i = 0; ok && i < envc; i++)
		ok = (a->env[i] = next_string(&at, end)) != NULL;
	if (ok)
		a->cwd = next_string(&at, end);
	if (!ok || a->cwd == NULL || at != end || a->cwd[0] != '/') {
		spawn_args_fini(a);
		return err_set(e, ERR_PROTO, "spawn: malformed strings");
	}
	return 0;
}

void
spawn_args_fini(struct spawn_args *a)
{
	free(a->text);
	free(a->argv);
	free(a->env);
	*a = (struct spawn_args) { 0 };
}
