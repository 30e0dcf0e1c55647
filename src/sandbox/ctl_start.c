/*
 * ctl_start: from SPEC to two children, before any loop or thread exists.
 *
 * The order is the start time.  net comes first: it makes its key while the
 * owner still reads the policy, and reads the policy while ctl does; being
 * older, it has nothing of the session in its memory.  spawn is forked as soon
 * as the plan is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"

enum { TRUST_MAX = 4 << 20 };

static int
receive_spec(struct ctl *c, int fds[FD_MSG_MAX], struct err *e)
{
	unsigned nfds = 0;
	int rc;

	for (unsigned i = 0; i < FD_MSG_MAX; i++)
		fds[i] = -1;
	rc = session_recv(c->sock, SESSION_SUPERVISOR, &c->got, fds, &nfds, e);

	if (rc == 0) {
		c->owner_gone = true;
		return err_set(e, ERR_IO, "the owner is gone");
	}
	if (rc < 0)
		return -1;
	if (c->got.hdr.type != SESSION_SPEC) {
		while (nfds > 0)
			fd_close(&fds[--nfds]);
		return err_set(
		    e, ERR_PROTO, "session: the first message is not SPEC");
	}
	return 0;
}

/* --- what the proxy needs of the host ----------------------------------- */

/* Appends a file; a line that has no end gets one. */
static int
add_roots(struct ctl *c, const char *path, size_t *n, struct err *e)
{
	/* O_NONBLOCK: opening a FIFO must not hang us. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t before = *n;
	char last = '\n';

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fd_copy(c->trust, fd, TRUST_MAX, n, e) < 0)
		return err_wrap(e, "read %s", path);
	if (*n == before)
		return 0;
	if (pread(c->trust, &last, 1, (off_t)*n - 1) != 1)
		return err_sys(e, "read trusted roots");
	if (last == '\n')
		return 0;
	(*n)++;
	return fd_write_all(c->trust, "\n", 1, e);
}

/* The first system bundle there is; nothing when there is none. */
static void
add_system_roots(struct ctl *c, size_t *n)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct err ignored;

		if (add_roots(c, places[i], n, &ignored) == 0 && *n > 0)
			return;
	}
	LOG_WARN("NO_SYSTEM_ROOTS",
	    KV_STR("fix", "install ca-certificates, or give --trust"));
}

static int
read_trust(struct ctl *c, const struct blob *wish, struct err *e)
{
	const char *path;
	size_t n = 0;

	if (memfd_new(&c->trust, e) < 0)
		return -1;
	add_system_roots(c, &n);
	for (size_t i = 0; (path = blob_get(wish, "trust", i)) != NULL; i++)
		if (add_roots(c, path, &n, e) < 0)
			return err_wrap(e, "extra trusted roots");
	return memfd_finish(c->trust, e);
}

/* "nameserver" lines of resolv.conf(5) as "addr,addr". */
static void
read_servers(char out[NET_SERVERS_MAX])
{
	AUTO_FREE char *text = NULL;
	struct view rest, line;
	struct err ignored;
	size_t n = 0, used = 0;

	out[0] = '\0';
	if (file_read_path(
		"/etc/resolv.conf", false, 65536, &text, &n, &ignored) < 0)
		return;
	rest = (struct view) { text, n };
	while (rest.p != NULL) {
		struct view word, addr;
		int len;

		line = view_trim(view_cut(rest, '\n', &rest));
		for (size_t i = 0; i < line.n; i++)
			if (line.p[i] == '\t')
				text[line.p + i - text] = ' ';
		word = view_cut(line, ' ', &addr);
		if (!view_eq(word, VIEW("nameserver")))
			continue;
		addr = view_trim(addr);
		addr = view_cut(addr, ' ', &line);
		if (addr.n == 0 || used + addr.n + 2 > NET_SERVERS_MAX)
			continue;
		len = snprintf(out + used, NET_SERVERS_MAX - used, "%s%.*s",
		    used > 0 ? "," : "", (int)addr.n, addr.p);
		used += len > 0 ? (size_t)len : 0;
	}
}

/* --- net ---------------------------------------------------------------- */

static bool
id_is_mapped(const char *map, uint32_t id)
{
	AUTO_FREE char *text = NULL;
	struct view rest, line;
	struct err ignored;
	size_t n = 0;

	/* Files of /proc have no size: file_read reads to the end. */
	if (file_read_path(map, false, 65536, &text, &n, &ignored) < 0)
		return false;
	rest = (struct view) { text, n };
	while (rest.p != NULL) {
		unsigned inside, outside, count;
		char row[64];

		line = view_cut(rest, '\n', &rest);
		(void)snprintf(row, sizeof(row), "%.*s", (int)line.n,
		    line.n > 0 ? line.p : "");
		if (sscanf(row, "%u %u %u", &inside, &outside, &count) == 3 &&
		    id >= inside && id - inside < count)
			return true;
	}
	return false;
}

/*
 * As root net becomes an id that nobody has: one of its own while we live
 * (systemd leaves this range unused), or nobody where ids are few.
 */
static void
choose_ids(struct net_start *m)
{
	uint32_t own = 1900000000u + (uint32_t)getpid();
	const uint32_t candidates[] = { own, 65534 };

	m->drop_uid = (uint32_t)geteuid();
	m->drop_gid = (uint32_t)getegid();
	for (size_t i = 0; m->drop_uid == 0 && i < ARRAY_LEN(candidates); i++)
		if (id_is_mapped("/proc/self/uid_map", candidates[i]) &&
		    id_is_mapped("/proc/self/gid_map", candidates[i]))
			m->drop_uid = m->drop_gid = candidates[i];
}

static int
fork_net(struct ctl *c, net_main_fn *net_main, struct err *e)
{
	int pair[2];

	c->late = mmap(NULL, sizeof(*c->late), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->late == MAP_FAILED) {
		c->late = NULL;
		return err_sys(e, "mmap for records");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	c->net_pid = fork();
	if (c->net_pid < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return err_sys(e, "fork the proxy");
	}
	if (c->net_pid == 0) {
		/* Neither the session nor the way to init. */
		(void)close_range(3, (unsigned)pair[1] - 1, 0);
		(void)close_range((unsigned)pair[1] + 1, ~0U, 0);
		_exit(net_main(pair[1], c->late));
	}
	(void)close(pair[1]);
	c->net_sock = pair[0];
	return 0;
}

static int
start_net(struct ctl *c, const int spec[FD_MSG_MAX], struct err *e)
{
	struct net_start *m = &c->n.start;
	/* What is not there comes last. */
	const int fds[] = { spec[1], c->trust, spec[2], spec[3] };
	unsigned n = 2 + (spec[2] >= 0) + (spec[3] >= 0);

	memset(m, 0, sizeof(*m));
	m->event_level = c->event_level;
	m->proxy_port = SBX_PROXY_PORT;
	m->generation = c->revision;
	(void)snprintf(
	    m->proxy_addr, sizeof(m->proxy_addr), "%s", SBX_PROXY_ADDR);
	read_servers(m->servers);
	choose_ids(m);
	if (net_send(c->net_sock, &c->n, NET_START, fds, n, e) < 0)
		return err_wrap(e, "start the proxy");
	return fd_set_nonblock(c->net_sock, true, e);
}

/* --- all of it ---------------------------------------------------------- */

static int
build(struct ctl *c, int *fds, struct err *e)
{
	struct blob *wish = NULL;
	int rc;

	if (blob_open(fds[0], &wish, e) < 0)
		return err_wrap(e, "wishes of the owner");
	rc = read_trust(c, wish, e);
	if (rc == 0)
		rc = start_net(c, fds, e);
	fd_close(&fds[2]); /* unread: nothing forked from here holds them */
	fd_close(&fds[3]);
	if (rc == 0 && (rc = ctl_parse_policy(fds[1], &c->policy, e)) < 0)
		(void)err_wrap(e, "policy");
	if (rc == 0)
		rc = plan_new(c->policy, &c->got.spec, wish, &c->plan, e);
	if (rc == 0)
		rc = spawn_start(plan_sbx(c->plan), c->net_sock, &c->spawn, e);
	blob_free(wish);
	return rc;
}

int
ctl_start(struct ctl *c, net_main_fn *net_main, struct err *e)
{
	int fds[FD_MSG_MAX], rc;

	/* No directory of the owner's is kept busy. */
	if (chdir("/") < 0)
		return err_sys(e, "change to /");
	if (fork_net(c, net_main, e) < 0 || receive_spec(c, fds, e) < 0)
		return -1;
	c->event_level = c->got.spec.event_level;
	(void)snprintf(c->hash, sizeof(c->hash), "%s", c->got.spec.hash);
	c->revision = 1;
	rc = build(c, fds, e);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	fd_close(&fds[2]);
	fd_close(&fds[3]);
	if (rc < 0 || fd_set_nonblock(c->sock, true, e) < 0)
		return -1;
	ctl_send_state(c, SESSION_PREPARING);
	return 0;
}
