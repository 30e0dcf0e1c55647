/*
 * identity_linux: from a tuple to processes, sock_diag(7) and proc(5).
 *
 * Attack: process ids that are reused, and programs that exec between two
 * looks.  Everything about a process is read through one descriptor of its
 * directory, which dies with it; at the end its start time, its descriptor and
 * its executable are looked at again and must be what they were.
 *
 * Paths are as the sandbox sees them: the kernel names a file from the root of
 * the mount namespace that it lies in.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/identity_proc.h"

/* --- the socket --------------------------------------------------------- */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* The addresses of `who`, IPv4 when both are v4 or v4-mapped. */
struct tuple {
	bool v4, udp;
	uint8_t peer[16], local[16];
	uint16_t peer_port, local_port;
};

static struct tuple
tuple_of(const struct net_who *w)
{
	struct tuple t = { .v4 = w->family == 4,
		.udp = w->protocol == IPPROTO_UDP,
		.peer_port = w->peer_port,
		.local_port = w->local_port };

	memcpy(t.peer, w->peer, 16);
	memcpy(t.local, w->local, 16);
	if (!t.v4 && memcmp(w->peer, mapped, 12) == 0 &&
	    memcmp(w->local, mapped, 12) == 0) {
		t.v4 = true;
		memcpy(t.peer, w->peer + 12, 4);
		memcpy(t.local, w->local + 12, 4);
	}
	return t;
}

/*
 * The kernel's question: for TCP from the socket's side; for UDP "src and dst
 * are swapped for historical reasons" (net/ipv4/udp_diag.c).
 */
static struct inet_diag_sockid
diag_id(const struct tuple *t)
{
	struct inet_diag_sockid id = { .idiag_sport = htons(t->peer_port),
		.idiag_dport = htons(t->local_port),
		.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } };
	size_t len = t->v4 ? 4 : 16;

	memcpy(id.idiag_src, t->udp ? t->local : t->peer, len);
	memcpy(id.idiag_dst, t->udp ? t->peer : t->local, len);
	if (t->udp) {
		id.idiag_sport = htons(t->local_port);
		id.idiag_dport = htons(t->peer_port);
	}
	return id;
}

/*
 * Of TCP only the exact pair counts, as the kernel falls back to listeners; a
 * datagram's socket need not be connected.
 */
static bool
is_asked(const struct inet_diag_msg *m, const struct tuple *t)
{
	if (m->id.idiag_sport != htons(t->peer_port))
		return false;
	return t->udp || (m->id.idiag_dport == htons(t->local_port) &&
			     m->idiag_state != TCP_LISTEN);
}

uint64_t
id_inode_diag(int diag, const struct net_who *who)
{
	struct tuple t = tuple_of(who);
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} ask = {
		.h = { .nlmsg_len = sizeof(ask),
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST },
		.r = { .sdiag_family = t.v4 ? AF_INET : AF_INET6,
		    .sdiag_protocol = t.udp ? IPPROTO_UDP : IPPROTO_TCP,
		    .idiag_states = ~0U,
		    .id = diag_id(&t) },
	};
	union {
		struct nlmsghdr h;
		char space[1024];
	} got;
	const struct inet_diag_msg *m;
	ssize_t n;

	if (diag < 0)
		return 0;
	/* An answer nobody took, of an earlier question, must not be ours. */
	while (recv(diag, &got, sizeof(got), MSG_DONTWAIT) >= 0)
		continue;
	if (send(diag, &ask, sizeof(ask), MSG_DONTWAIT) != sizeof(ask))
		return 0;
	n = recv(diag, &got, sizeof(got), MSG_DONTWAIT);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*m)) ||
	    got.h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	m = NLMSG_DATA(&got.h);
	return is_asked(m, &t) ? m->idiag_inode : 0;
}

/* Hexadecimal address of /proc/net/tcp: 32-bit words in host order. */
static bool
hex_addr(const char *s, size_t bytes, uint8_t out[16])
{
	for (size_t w = 0; w < bytes / 4; w++) {
		char word[9] = "";
		uint32_t v;
		char *end;

		memcpy(word, s + w * 8, 8);
		v = (uint32_t)strtoul(word, &end, 16);
		if (*end != '\0')
			return false;
		memcpy(out + w * 4, &v, 4);
	}
	return true;
}

/* One row: "sl local:port remote:port st tx:rx tr:when retr uid to inode". */
static uint64_t
row_inode(const char *line, size_t bytes, const uint8_t peer[16],
    const uint8_t local[16], const struct tuple *t)
{
	const char *a = strchr(line, ':');
	unsigned long long inode = 0;
	unsigned lport, rport, state;
	uint8_t la[16], ra[16];
	size_t hex = bytes * 2;

	if (a == NULL || strlen(a) < 2 + hex + 6 + hex + 8)
		return 0;
	a += 2;
	if (!hex_addr(a, bytes, la) || !hex_addr(a + hex + 6, bytes, ra) ||
	    sscanf(a + hex, ":%4X", &lport) != 1 ||
	    sscanf(a + hex + 6 + hex, ":%4X %2X %*s %*s %*s %*u %*u %llu",
		&rport, &state, &inode) != 3)
		return 0;
	return state != TCP_LISTEN && lport == t->peer_port &&
		       rport == t->local_port && memcmp(la, peer, bytes) == 0 &&
		       memcmp(ra, local, bytes) == 0
		   ? inode
		   : 0;
}

static uint64_t
table_inode(int proc, const char *path, size_t bytes, const uint8_t peer[16],
    const uint8_t local[16], const struct tuple *t)
{
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "re") : NULL;
	uint64_t inode = 0;
	char line[512];

	if (f == NULL) {
		fd_close(&fd);
		return 0;
	}
	while (inode == 0 && fgets(line, sizeof(line), f) != NULL)
		inode = row_inode(line, bytes, peer, local, t);
	(void)fclose(f);
	return inode;
}

uint64_t
id_inode_proc(int proc, const struct net_who *who)
{
	struct tuple t = tuple_of(who);
	uint8_t peer[16], local[16];
	uint64_t inode = 0;

	if (t.udp)
		return 0; /* of whom it matters less: they get no further */
	memcpy(peer, mapped, 12);
	memcpy(local, mapped, 12);
	if (t.v4) {
		inode = table_inode(proc, "1/net/tcp", 4, t.peer, t.local, &t);
		memcpy(peer + 12, t.peer, 4);
		memcpy(local + 12, t.local, 4);
	} else {
		memcpy(peer, t.peer, 16);
		memcpy(local, t.local, 16);
	}
	return inode != 0
		   ? inode
		   : table_inode(proc, "1/net/tcp6", 16, peer, local, &t);
}

/* --- one process -------------------------------------------------------- */

/* What may still be looked at; `spent` when it was not enough. */
struct look {
	unsigned fds;
	size_t bytes;
	bool spent;
};

/* Start time (field 22) and parent (field 4) of /proc/PID/stat. */
static bool
read_stat(int dir, uint64_t *start, uint32_t *parent)
{
	AUTO_CLOSE int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
	unsigned long long when = 0;
	char text[1024], *at;
	unsigned ppid = 0;
	ssize_t n;

	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may hold anything, also ") R 1": the last one ends it. */
	at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 1,
			      " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			      "%*u %*u %*d %*d %*d %*d %*d %*d %llu",
			      &ppid, &when) != 2)
		return false;
	*start = when;
	*parent = ppid;
	return true;
}

bool
id_file_of(int fd, struct id_file *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*out = (struct id_file) { st.st_dev, st.st_ino, (uint64_t)st.st_size,
		st.st_mtim.tv_sec, st.st_ctim.tv_sec,
		(uint32_t)st.st_mtim.tv_nsec, (uint32_t)st.st_ctim.tv_nsec };
	return true;
}

/*
 * The executable: a path that still names it, and the file itself.  Attack:
 * memfd with execveat, a file removed after its start: there is no path that a
 * person could have meant.
 */
static bool
read_exe(int dir, struct id_prog *out, char reason[256])
{
	ssize_t n = readlinkat(dir, "exe", out->path, sizeof(out->path));

	out->fd = -1;
	if (n <= 0) {
		(void)snprintf(reason, 256, "cannot read its executable: %s",
		    strerrordesc_np(errno));
		return false;
	}
	if ((size_t)n == sizeof(out->path)) {
		out->path[n - 1] = '\0';
		(void)snprintf(reason, 256,
		    "the path of its executable is "
		    "longer than %d bytes",
		    (int)NET_PATH_MAX);
		return false;
	}
	out->path[n] = '\0';
	if (out->path[0] != '/' ||
	    view_ends(
		(struct view) { out->path, (size_t)n }, VIEW(" (deleted)"))) {
		(void)snprintf(reason, 256,
		    "its executable %.150s has no "
		    "file any more",
		    out->path);
		return false;
	}
	out->fd = openat(dir, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (out->fd < 0 || !id_file_of(out->fd, &out->file)) {
		(void)snprintf(reason, 256,
		    "cannot open its executable "
		    "%.150s: %s",
		    out->path, strerrordesc_np(errno));
		fd_close(&out->fd);
		return false;
	}
	return true;
}

/*
 * What makes a program run somebody else's code from its first instruction.
 * Attack: A55.  `needle` NULL: the variable alone is enough; else it must hold
 * one of the words.
 */
static const struct {
	const char *name;
	const char *words[6];
} injections[] = {
	{ "LD_PRELOAD", { NULL } },
	{ "LD_AUDIT", { NULL } },
	{ "NODE_OPTIONS", { "--require", "-r ", "--import", "--loader",
			      "--experimental-loader" } },
	{ "BUN_OPTIONS", { "--preload", "-r ", "--require", "--import" } },
	{ "PYTHONSTARTUP", { NULL } },
	{ "GIT_SSH_COMMAND", { NULL } },
	{ "GIT_SSH", { NULL } },
};

static const char *
injected_by(struct view item)
{
	for (size_t i = 0; i < ARRAY_LEN(injections); i++) {
		struct view value, name = view_cut(item, '=', &value);
		AUTO_FREE char *text = NULL;

		if (value.n == 0 || !view_eq(name, view_of(injections[i].name)))
			continue;
		if (injections[i].words[0] == NULL)
			return injections[i].name;
		text = mem_printf("%.*s ", (int)value.n, value.p);
		for (const char *const *w = injections[i].words; *w != NULL;
		     w++)
			if (strstr(text, *w) != NULL)
				return injections[i].name;
	}
	return NULL;
}

enum { ENVIRON_MAX = 4 << 20 };

/* The variable that injects code into the process, or NULL. */
static const char *
read_injection(int dir, struct look *l)
{
	AUTO_CLOSE int fd = openat(dir, "environ", O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf b = BUF_INIT(ENVIRON_MAX);
	struct view rest, item;
	const char *by;

	if (fd < 0)
		return "environ";
	for (;;) {
		ssize_t n;

		if (!buf_reserve(&b, 8192))
			return "environ";
		n = read(fd, b.p + b.n, 8192);
		if (n <= 0)
			break;
		b.n += (size_t)n;
		if ((size_t)n > l->bytes) {
			l->spent = true;
			return "environ";
		}
		l->bytes -= (size_t)n;
	}
	rest = buf_view(&b);
	while (rest.p != NULL && rest.n > 0) {
		item = view_cut(rest, '\0', &rest);
		by = injected_by(item);
		if (by != NULL)
			return by;
	}
	return NULL;
}

/* Absolute arguments, ", " joined: for people, never for the verdict. */
static void
read_cmdline(int dir, char out[256])
{
	AUTO_CLOSE int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct view rest = { text, n > 0 ? (size_t)n : 0 }, item;
	size_t used = 0;

	out[0] = '\0';
	while (rest.p != NULL && rest.n > 0 && used < 256) {
		int len;

		item = view_cut(rest, '\0', &rest);
		if (item.n == 0 || item.p[0] != '/')
			continue;
		len = snprintf(out + used, 256 - used, "%s%.*s",
		    used > 0 ? ", " : "", (int)item.n, item.p);
		used += len > 0 ? (size_t)len : 0;
	}
}

static int
open_pid(int proc, uint32_t pid)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", pid);
	return openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
say_injected(char reason[256], const char *path, const char *by)
{
	(void)snprintf(reason, 256,
	    "identity of %.150s cannot be trusted: %s %s", path,
	    strcmp(by, "environ") == 0 ? "its environment" : by,
	    strcmp(by, "environ") == 0 ? "cannot be read"
				       : "puts other code into it");
}

/* The chain of parents up to PID 1, which is our own init. */
static void
read_ancestors(int proc, uint32_t parent, struct id_owner *o, struct look *l)
{
	struct id_prog chain[ID_ANCESTORS_MAX];
	unsigned n = 0;

	for (unsigned depth = 0; parent > 1 && !l->spent; depth++) {
		AUTO_CLOSE int dir = open_pid(proc, parent);
		char ignored[256];
		const char *by;
		uint64_t start;

		if (depth == ID_ANCESTORS_MAX) {
			o->cut = true;
			break;
		}
		if (dir < 0 || !read_stat(dir, &start, &parent))
			break;
		if (!read_exe(dir, &chain[n], ignored))
			continue; /* gives no right, and takes none */
		by = read_injection(dir, l);
		if (by != NULL && o->reason[0] == '\0')
			say_injected(o->reason, chain[n].path, by);
		n++;
	}
	o->ancestors = mem_calloc(n + 1, sizeof(*o->ancestors));
	memcpy(o->ancestors, chain, n * sizeof(chain[0]));
	o->n_ancestors = n;
}

/* The numbers in `fds`, as the kernel lists them: ascending. */
static size_t
list_fds(int fds, struct look *l, struct buf *out)
{
	int copy = dup(fds);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *at;

	if (d == NULL) {
		fd_close(&copy);
		return 0;
	}
	while ((at = readdir(d)) != NULL) {
		int n = (int)strtol(at->d_name, NULL, 10);

		if (!isdigit((unsigned char)at->d_name[0]))
			continue;
		buf_put(out, (struct view) { (const char *)&n, sizeof(n) });
		if (out->full) {
			l->spent = true;
			break;
		}
	}
	(void)closedir(d);
	return out->n / sizeof(int);
}

static bool
is_socket(int fds, int fd, const char *want)
{
	char name[16], to[64];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d", fd);
	n = readlinkat(fds, name, to, sizeof(to) - 1);
	if (n <= 0)
		return false;
	to[n] = '\0';
	return strcmp(to, want) == 0;
}

/*
 * Numbers without gaps, as most programs have them, end where there are as many
 * (the size of the folder, kernel >= 6.2; 0 before): not even a list is needed.
 */
static int
find_last(int fds, const char *want)
{
	struct stat st;

	if (fstat(fds, &st) < 0 || st.st_size > ID_FDS_MAX)
		return -1;
	for (int fd = (int)st.st_size - 1, left = 12; fd >= 0 && left > 0;
	     fd--, left--)
		if (is_socket(fds, fd, want))
			return fd;
	return -1;
}

/*
 * The descriptor of `fds` that is socket:[inode], or -1.  The newest first: a
 * program with ten thousand connections has just made the one in question.
 */
static int
find_fd(int fds, const char *want, struct look *l)
{
	AUTO_BUF struct buf numbers = BUF_INIT(ID_FDS_MAX * sizeof(int));
	int last = find_last(fds, want);
	size_t left;

	if (last >= 0)
		return last;
	left = list_fds(fds, l, &numbers);
	while (left-- > 0 && !l->spent) {
		int fd;

		if (l->fds == 0) {
			l->spent = true;
			break;
		}
		l->fds--;
		memcpy(&fd, numbers.p + left * sizeof(fd), sizeof(fd));
		if (is_socket(fds, fd, want))
			return fd;
	}
	return -1;
}

/* The process still is what was read of it. */
static bool
unchanged(int dir, int fds, int fd, const char *want, const struct id_owner *o)
{
	char exe[NET_PATH_MAX];
	ssize_t n = readlinkat(dir, "exe", exe, sizeof(exe));
	uint64_t start;
	uint32_t parent;

	if (n <= 0 || (size_t)n != strlen(o->self.path) ||
	    memcmp(exe, o->self.path, (size_t)n) != 0 ||
	    !read_stat(dir, &start, &parent) || start != o->starttime)
		return false;
	return is_socket(fds, fd, want);
}

static void
read_owner(int proc, uint32_t pid, int dir, int fds, int fd, const char *want,
    struct id_owner *o, struct look *l)
{
	const char *by;
	uint32_t parent;

	o->pid = pid;
	o->self.fd = -1;
	if (!read_stat(dir, &o->starttime, &parent)) {
		(void)snprintf(o->reason, sizeof(o->reason),
		    "process %u ended meanwhile", pid);
		return;
	}
	if (!read_exe(dir, &o->self, o->reason))
		return;
	by = read_injection(dir, l);
	if (by != NULL)
		say_injected(o->reason, o->self.path, by);
	read_ancestors(proc, parent, o, l);
	read_cmdline(dir, o->cmdline);
	if (!unchanged(dir, fds, fd, want, o))
		(void)snprintf(o->reason, sizeof(o->reason),
		    "process %u changed while it was looked at", pid);
}

static void
find(int proc, uint64_t inode, struct look *l, struct id_found *out)
{
	int copy = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *at;
	char want[48];

	*out = (struct id_found) {
		mem_calloc(ID_OWNERS_MAX, sizeof(struct id_owner)), 0, ""
	};
	(void)snprintf(
	    want, sizeof(want), "socket:[%llu]", (unsigned long long)inode);
	while (d != NULL && (at = readdir(d)) != NULL) {
		uint32_t pid = (uint32_t)strtoul(at->d_name, NULL, 10);
		AUTO_CLOSE int dir = pid > 0 ? open_pid(proc, pid) : -1;
		AUTO_CLOSE int fds =
		    dir >= 0
			? openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			: -1;
		int fd = fds >= 0 ? find_fd(fds, want, l) : -1;

		/* A process is something to look at, too. */
		if (pid > 0 && l->fds == 0)
			l->spent = true;
		else if (pid > 0)
			l->fds--;
		if (l->spent)
			break;
		if (fd < 0)
			continue;
		if (out->n == ID_OWNERS_MAX) {
			(void)snprintf(out->reason, sizeof(out->reason),
			    "more than %d processes share the socket",
			    (int)ID_OWNERS_MAX);
			break;
		}
		read_owner(
		    proc, pid, dir, fds, fd, want, &out->owners[out->n++], l);
		if (l->spent)
			break;
	}
	if (d != NULL)
		(void)closedir(d);
	else
		fd_close(&copy);
	if (out->n == 0 && out->reason[0] == '\0')
		(void)snprintf(out->reason, sizeof(out->reason),
		    "no process of the sandbox holds the socket");
}

void
id_find(int proc, uint64_t inode, struct id_found *out)
{
	struct look l = { ID_FDS_MAX, ID_BYTES_MAX, false };

	find(proc, inode, &l, out);
	if (l.spent)
		(void)snprintf(out->reason, sizeof(out->reason),
		    "more than %d open descriptors or %d MB of environments "
		    "to look at",
		    (int)ID_FDS_MAX, (int)(ID_BYTES_MAX >> 20));
}

bool
id_find_quick(int proc, uint64_t inode, struct id_found *out)
{
	struct look l = { ID_QUICK_FDS, ID_QUICK_BYTES, false };

	find(proc, inode, &l, out);
	if (l.spent)
		id_found_fini(out);
	return !l.spent;
}

void
id_found_fini(struct id_found *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct id_owner *o = &f->owners[i];

		fd_close(&o->self.fd);
		for (unsigned j = 0; j < o->n_ancestors; j++)
			fd_close(&o->ancestors[j].fd);
		free(o->ancestors);
	}
	free(f->owners);
	*f = (struct id_found) { NULL, 0, "" };
}
