/*
 * edge_login: the browser flow.
 *
 * A listener on loopback for the one request that the gateway's page sends
 * from the user's browser; edge_callback.c judges it.  The code ties the page
 * to this process, the origin keeps other pages from posting a token of their
 * choice (login CSRF).  Whoever connects and says nothing costs a place for
 * CONN_MS, no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/dial_url.h"
#include "cli/edge.h"

extern char **environ;

enum {
	WAIT_MS = 120000,
	CONN_MS = 5000,
	CONNS = 8,
	STRANGERS_MAX = 3,
	REQUEST_MAX = 16384 + EDGE_BODY_MAX
};

struct conn {
	int fd; /* -1: free */
	uint64_t until;
	struct buf in;
};

struct login {
	struct cli *c;
	struct edge_expect want;
	char *url;
	int listener;
	struct conn conns[CONNS];
	unsigned strangers;
	bool asked; /* Enter is waited for */
	char *token;
};

static void
login_fini(struct login *l)
{
	for (size_t i = 0; i < CONNS; i++) {
		fd_close(&l->conns[i].fd);
		buf_fini(&l->conns[i].in);
	}
	fd_close(&l->listener);
	free(l->url);
	free((char *)(uintptr_t)l->want.origin);
	edge_token_free(&l->token);
}
#define AUTO_LOGIN CLEANUP(login_fini)

/* --- the browser --------------------------------------------------------- */

/* Suppressed, or nobody could press Enter. */
static bool
no_browser(const struct cli *c)
{
	const char *v = getenv("OPENSHELL_NO_BROWSER");

	return (v != NULL &&
		   (strcmp(v, "1") == 0 || strcasecmp(v, "true") == 0)) ||
	       !isatty(c->in);
}

static void
show_url(const struct login *l)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);

	buf_puts(&b, "Open this address in a browser:\n  ");
	buf_put_escaped(&b, view_of(l->url));
	buf_putc(&b, '\n');
	cli_note(l->c, &b);
}

/* Its own output would be in the middle of ours. */
static void
open_browser(const struct login *l)
{
	char *const argv[] = { (char[]) { "xdg-open" }, l->url, NULL };
	posix_spawn_file_actions_t to_null;
	pid_t pid;
	int rc;

	(void)posix_spawn_file_actions_init(&to_null);
	for (int fd = 0; fd < 3; fd++)
		(void)posix_spawn_file_actions_addopen(&to_null, fd,
		    "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
	rc = posix_spawnp(&pid, argv[0], &to_null, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&to_null);
	if (rc != 0)
		show_url(l);
}

static void
ask_person(struct login *l)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	buf_printf(&b, "Confirmation code: %s\n", l->want.code);
	buf_puts(&b, "Compare it with the one in the browser before you click "
		     "Connect.\n");
	l->asked = !no_browser(l->c);
	if (l->asked)
		buf_puts(&b, "Press Enter to open the browser for "
			     "authentication...\n");
	cli_note(l->c, &b);
	if (!l->asked)
		show_url(l);
}

static void
on_enter(struct login *l)
{
	char line[256];
	ssize_t n = read(l->c->in, line, sizeof(line));

	/* The end of input is as good as Enter. */
	if (n > 0 && memchr(line, '\n', (size_t)n) == NULL)
		return;
	l->asked = false;
	open_browser(l);
}

/* --- connections --------------------------------------------------------- */

static int
listen_here(int *out, unsigned *port, struct err *e)
{
	AUTO_CLOSE int fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 ||
	    listen(fd, CONNS) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return err_sys(e, "listen for the browser");
	*port = ntohs(a.sin_port);
	*out = take_fd(fd);
	return 0;
}

static void
hang_up(struct conn *c)
{
	fd_close(&c->fd);
	buf_fini(&c->in);
}

static void
on_connect(struct login *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CONNS; i++)
		if (l->conns[i].fd < 0) {
			l->conns[i].in = BUF_INIT(REQUEST_MAX);
			l->conns[i].until = clock_mono_ms() + CONN_MS;
			l->conns[i].fd = take_fd(fd);
		}
	fd_close(&fd);
}

static void
send_answer(struct conn *c, const struct buf *b)
{
	/* Short, and the socket's buffer is empty. */
	if (b->n > 0 && send(c->fd, b->p, b->n, MSG_NOSIGNAL) >= 0)
		(void)shutdown(c->fd, SHUT_WR);
}

/* 0: it goes on; 1: the token is there; -1: it is over. */
static int
on_request(struct login *l, struct conn *c, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(4096);
	enum edge_outcome o =
	    edge_callback(buf_view(&c->in), &l->want, &out, &l->token);

	if (o == EDGE_MORE && !c->in.full)
		return 0;
	send_answer(c, &out);
	hang_up(c);
	switch (o) {
	case EDGE_TOKEN:
		return 1;
	case EDGE_STRANGER:
		if (++l->strangers < STRANGERS_MAX)
			return 0;
		break;
	case EDGE_OVER:
		break;
	case EDGE_MORE:
	case EDGE_GO_ON:
		return 0;
	}
	return err_set(e, ERR_DENIED,
	    "auth callback channel closed unexpectedly\nthe browser sent what "
	    "was not expected; try again: openshell gateway login");
}

static int
on_readable(struct login *l, struct conn *c, struct err *e)
{
	char bytes[4096];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		hang_up(c);
		return 0;
	}
	buf_put(&c->in, (struct view) { bytes, (size_t)n });
	return on_request(l, c, e);
}

/* --- the wait ------------------------------------------------------------ */

enum { P_LISTENER = CONNS, P_INPUT, P_N };

static int
look(struct login *l, const struct pollfd p[P_N], struct err *e)
{
	uint64_t now = clock_mono_ms();

	for (size_t i = 0; i < CONNS; i++) {
		struct conn *c = &l->conns[i];
		int rc = 0;

		if (c->fd < 0)
			continue;
		if (p[i].revents != 0)
			rc = on_readable(l, c, e);
		else if (now >= c->until)
			hang_up(c);
		if (rc != 0)
			return rc;
	}
	if (p[P_LISTENER].revents != 0)
		on_connect(l);
	if (p[P_INPUT].revents != 0)
		on_enter(l);
	return 0;
}

static int
wait_token(struct login *l, struct err *e)
{
	uint64_t end = clock_mono_ms() + WAIT_MS, now;
	int rc = 0;

	while (rc == 0 && (now = clock_mono_ms()) < end) {
		struct pollfd p[P_N];
		uint64_t until = end;

		for (size_t i = 0; i < CONNS; i++) {
			p[i] = (struct pollfd) { l->conns[i].fd, POLLIN, 0 };
			if (l->conns[i].fd >= 0)
				until = MIN(until, l->conns[i].until);
		}
		p[P_LISTENER] = (struct pollfd) { l->listener, POLLIN, 0 };
		p[P_INPUT] =
		    (struct pollfd) { l->asked ? l->c->in : -1, POLLIN, 0 };
		if (poll(p, P_N, until > now ? (int)(until - now) : 0) < 0 &&
		    errno != EINTR)
			return err_sys(e, "wait for the browser");
		rc = look(l, p, e);
	}
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return err_set(e, ERR_AGAIN,
	    "authentication timed out after 120 seconds.\nTry again: openshell "
	    "gateway login");
}

int
edge_login(
    struct cli *c, const char *gateway, const char *endpoint, struct err *e)
{
	AUTO_LOGIN struct login l = { .c = c, .listener = -1 };
	AUTO_FREE char *base = url_without_slash(endpoint);
	char code[EDGE_CODE_SIZE];
	unsigned port;

	for (size_t i = 0; i < CONNS; i++)
		l.conns[i].fd = -1;
	if (listen_here(&l.listener, &port, e) < 0)
		return -1;
	edge_code(code);
	l.want.code = code;
	l.want.origin = edge_origin(base);
	l.url = mem_printf(
	    "%s/auth/connect?callback_port=%u&code=%s", base, port, code);
	ask_person(&l);
	if (wait_token(&l, e) < 0)
		return -1;
	return edge_token_save(gateway, l.token, e);
}
