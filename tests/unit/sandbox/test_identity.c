/*
 * identity over this machine's own /proc: the processes are children of the
 * test, so no sandbox is needed to see what is found and what is refused.
 */
#include "sandbox/identity.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/identity_proc.h"
#include "test.h"
#include "tree.h"

struct answers {
	struct net_identity v[16];
	size_t n;
};

static void
on_answer(void *ctx, const struct net_identity *m)
{
	struct answers *a = ctx;

	if (a->n < ARRAY_LEN(a->v))
		a->v[a->n++] = *m;
}

struct rig {
	uv_loop_t loop;
	struct identity *id;
	struct answers got;
	int diag, proc;
};

static struct rig *
rig_new(bool with_diag)
{
	struct rig *r = NEW(struct rig);

	CHECK_INT(uv_loop_init(&r->loop), ==, 0);
	r->diag = with_diag ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				  NETLINK_SOCK_DIAG)
			    : -1;
	CHECK(!with_diag || r->diag >= 0);
	r->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(r->proc >= 0);
	r->id = identity_new(&r->loop, r->diag, r->proc, on_answer, &r->got);
	return r;
}

static void
rig_free(struct rig *r)
{
	identity_free(r->id);
	CHECK_INT(uv_loop_close(&r->loop), ==, 0);
	fd_close(&r->diag);
	fd_close(&r->proc);
	free(r);
}

static const struct net_identity *
ask(struct rig *r, const struct net_who *w)
{
	r->got.n = 0;
	identity_ask(r->id, w);
	CHECK_INT(uv_run(&r->loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(identity_pending(r->id), ==, 0);
	CHECK(r->got.n > 0);
	return &r->got.v[0];
}

/* A connection over loopback: `client` is what a program would hold. */
struct conn {
	int listener, client, server;
	struct net_who who;
};

static struct conn
conn_open(int family)
{
	struct conn c = { .who = { .id = 5,
			      .family = family == AF_INET ? 4 : 6,
			      .protocol = IPPROTO_TCP } };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t n = family == AF_INET ? sizeof(a4) : sizeof(a6);

	if (family == AF_INET)
		at.v4 = a4;
	else
		at.v6 = a6;
	c.listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(c.listener, &at.sa, n), ==, 0);
	CHECK_INT(listen(c.listener, 1), ==, 0);
	CHECK_INT(getsockname(c.listener, &at.sa, &n), ==, 0);
	c.client = socket(family, SOCK_STREAM, 0); /* inherited by exec */
	CHECK_INT(connect(c.client, &at.sa, n), ==, 0);
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(c.server >= 0);
	c.who.local_port = ntohs(at.v4.sin_port);
	CHECK_INT(getpeername(c.server, &at.sa, &n), ==, 0);
	c.who.peer_port = ntohs(at.v4.sin_port);
	if (family == AF_INET) {
		memcpy(c.who.peer, &a4.sin_addr, 4);
		memcpy(c.who.local, &a4.sin_addr, 4);
	} else {
		memcpy(c.who.peer, &a6.sin6_addr, 16);
		memcpy(c.who.local, &a6.sin6_addr, 16);
	}
	return c;
}

static void
conn_close(struct conn *c)
{
	fd_close(&c->listener);
	fd_close(&c->client);
	fd_close(&c->server);
}

/* A copy of a program that waits for the end of its standard input. */
static void
copy_program(const struct tree *t, const char *rel, const char *extra)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *path = mem_printf("%s/%s", t->top, rel);
	struct err e;
	size_t n;
	int fd;

	CHECK_INT(
	    file_read_path("/bin/cat", false, 8 << 20, &text, &n, &e), ==, 0);
	(void)unlink(path);
	tree_file(t, rel, 0755, "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_INT(fd_write_all(fd, text, n, &e), ==, 0);
	CHECK_INT(fd_write_all(fd, extra, strlen(extra), &e), ==, 0);
	(void)close(fd);
}

struct child {
	pid_t pid;
	int in; /* its standard input: closing it ends the program */
};

/* Runs `path` with the connection's client end, and nobody else has it. */
static struct child
run_with(const char *path, int *client, const char *const env[])
{
	int in[2], out[2];
	struct child c;
	char byte;

	CHECK_INT(pipe2(in, O_CLOEXEC), ==, 0);
	CHECK_INT(pipe2(out, O_CLOEXEC), ==, 0);
	c.pid = fork();
	CHECK(c.pid >= 0);
	if (c.pid == 0) {
		char *const argv[] = { (char *)(uintptr_t)path, NULL };

		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		execve(path, argv, (char *const *)(uintptr_t)env);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	if (client != NULL)
		fd_close(client);
	/* It echoes: the exec is over. */
	CHECK_INT(write(in[1], "x", 1), ==, 1);
	CHECK_INT(read(out[0], &byte, 1), ==, 1);
	(void)close(out[0]);
	c.in = in[1];
	return c;
}

static void
end_child(struct child *c)
{
	int status;

	fd_close(&c->in);
	(void)kill(c->pid, SIGKILL);
	CHECK_INT(waitpid(c->pid, &status, 0), ==, c->pid);
}

static const char *const no_env[] = { NULL };

static void
finds_the_program(int family, bool with_diag)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(with_diag);
	struct conn c = conn_open(family);
	const struct net_identity *m;
	struct child k;

	copy_program(&t, "prog", "");
	k = run_with(prog, &c.client, no_env);
	m = ask(r, &c.who);
	CHECK_STR(m->reason, "");
	CHECK_INT(m->ok, ==, 1);
	CHECK_INT(m->id, ==, 5);
	CHECK_INT(m->owners, ==, 1);
	CHECK_INT(m->more, ==, 0);
	CHECK_INT(m->pid, ==, k.pid);
	CHECK_STR(m->exe, prog);
	CHECK_INT(strlen(m->sha256), ==, 64);
	CHECK_INT(m->n_ancestors, >, 0);
	CHECK_HAS(m->ancestors, "test_sandbox");
	CHECK(m->starttime > 0);
	end_child(&k);
	conn_close(&c);
	rig_free(r);
	tree_free(&t);
}

TEST(identity, finds_the_program_behind_an_ipv4_connection)
{
	finds_the_program(AF_INET, true);
}

TEST(identity, finds_the_program_behind_an_ipv6_connection)
{
	finds_the_program(AF_INET6, true);
}

TEST(identity, finds_it_without_sock_diag_too)
{
	finds_the_program(AF_INET, false);
	finds_the_program(AF_INET6, false);
}

TEST(identity, only_the_exact_tuple_counts)
{
	struct rig *r = rig_new(true);
	struct conn c = conn_open(AF_INET);
	struct net_who w = c.who;

	w.peer_port = c.who.local_port; /* the listener itself */
	w.local_port = 1;
	CHECK_INT(id_inode_diag(r->diag, &w), ==, 0);
	CHECK_INT(id_inode_proc(r->proc, &w), ==, 0);
	w = c.who;
	w.peer[3] = 9;
	CHECK_INT(id_inode_diag(r->diag, &w), ==, 0);
	CHECK(id_inode_diag(r->diag, &c.who) != 0);
	CHECK_INT(
	    id_inode_diag(r->diag, &c.who), ==, id_inode_proc(r->proc, &c.who));
	/* The v4-mapped spelling is the same connection. */
	w = c.who;
	w.family = 6;
	memset(w.peer, 0, 16);
	memset(w.local, 0, 16);
	w.peer[10] = w.peer[11] = w.local[10] = w.local[11] = 0xff;
	memcpy(w.peer + 12, c.who.peer, 4);
	memcpy(w.local + 12, c.who.local, 4);
	CHECK_INT(
	    id_inode_diag(r->diag, &w), ==, id_inode_diag(r->diag, &c.who));
	conn_close(&c);
	CHECK_INT(ask(r, &c.who)->ok, ==, 0);
	CHECK_HAS(r->got.v[0].reason, "socket table");
	rig_free(r);
}

/* Attack: an allowed program's socket passed to another. */
TEST(identity, every_owner_is_told)
{
	struct tree t = tree_new();
	AUTO_FREE char *a = mem_printf("%s/a", t.top);
	AUTO_FREE char *b = mem_printf("%s/b", t.top);
	struct rig *r = rig_new(true);
	struct conn c = conn_open(AF_INET);
	struct child ka, kb;

	copy_program(&t, "a", "");
	copy_program(&t, "b", "other");
	ka = run_with(a, NULL, no_env);
	kb = run_with(b, &c.client, no_env);
	(void)ask(r, &c.who);
	CHECK_INT(r->got.n, ==, 2);
	CHECK_INT(r->got.v[0].owners, ==, 2);
	CHECK_INT(r->got.v[0].more, ==, 1);
	CHECK_INT(r->got.v[1].more, ==, 0);
	CHECK(strcmp(r->got.v[0].exe, r->got.v[1].exe) != 0);
	CHECK(strcmp(r->got.v[0].sha256, r->got.v[1].sha256) != 0);
	end_child(&ka);
	end_child(&kb);
	conn_close(&c);
	rig_free(r);
	tree_free(&t);
}

/*
 * Attack: so many descriptors that the loop would be busy with looking.  The
 * quick look says all or nothing; a worker finds every owner.
 */
TEST(identity, what_is_much_is_looked_at_by_a_worker)
{
	struct tree t = tree_new();
	AUTO_FREE char *a = mem_printf("%s/a", t.top);
	AUTO_FREE char *b = mem_printf("%s/b", t.top);
	struct rig *r = rig_new(true);
	struct conn c = conn_open(AF_INET);
	struct id_found quick;
	static int many[ID_QUICK_FDS];
	struct child ka, kb;

	copy_program(&t, "a", "");
	copy_program(&t, "b", "other");
	ka = run_with(a, NULL, no_env);
	kb = run_with(b, &c.client, no_env);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = dup(r->proc);
		CHECK(many[i] >= 0);
	}
	CHECK(!id_find_quick(r->proc, id_inode_diag(r->diag, &c.who), &quick));
	CHECK_INT(quick.n, ==, 0);
	CHECK(quick.owners == NULL);
	(void)ask(r, &c.who);
	CHECK_INT(r->got.n, ==, 2);
	CHECK(strcmp(r->got.v[0].exe, r->got.v[1].exe) != 0);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		fd_close(&many[i]);
	end_child(&ka);
	end_child(&kb);
	conn_close(&c);
	rig_free(r);
	tree_free(&t);
}

/* A56 */
TEST(identity, a_program_without_a_file_is_nobody)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	struct conn c = conn_open(AF_INET);
	struct child k;

	copy_program(&t, "prog", "");
	k = run_with(prog, &c.client, no_env);
	CHECK_INT(unlink(prog), ==, 0);
	CHECK_INT(ask(r, &c.who)->ok, ==, 0);
	CHECK_HAS(r->got.v[0].reason, "no file any more");
	end_child(&k);
	conn_close(&c);
	rig_free(r);
	tree_free(&t);
}

/* A55 */
TEST(identity, code_put_into_a_program_makes_it_nobody)
{
	static const char *const rows[] = { "LD_PRELOAD=/nowhere/evil.so",
		"LD_AUDIT=/nowhere/evil.so", "NODE_OPTIONS=--require /tmp/x.js",
		"NODE_OPTIONS=-r /tmp/x", "BUN_OPTIONS=--preload /tmp/x.ts",
		"PYTHONSTARTUP=/tmp/x.py", "GIT_SSH_COMMAND=/tmp/x" };
	static const char *const fine[] = {
		"NODE_OPTIONS=--max-old-space-size=4096",
		"LD_PRELOAD=", "XLD_PRELOAD=x", NULL
	};
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	struct child k;

	copy_program(&t, "prog", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const env[] = { rows[i], NULL };
		struct conn c = conn_open(AF_INET);

		k = run_with(prog, &c.client, env);
		if (ask(r, &c.who)->ok)
			fail_msg("%s is trusted", rows[i]);
		CHECK_HAS(r->got.v[0].reason, "cannot be trusted");
		end_child(&k);
		conn_close(&c);
	}
	{
		struct conn c = conn_open(AF_INET);

		k = run_with(prog, &c.client, fine);
		CHECK_STR(ask(r, &c.who)->reason, "");
		end_child(&k);
		conn_close(&c);
	}
	rig_free(r);
	tree_free(&t);
}

static const struct net_identity *
run_once(struct rig *r, const char *prog)
{
	struct conn c = conn_open(AF_INET);
	struct child k = run_with(prog, &c.client, no_env);
	const struct net_identity *m = ask(r, &c.who);

	end_child(&k);
	conn_close(&c);
	return m;
}

TEST(identity, an_unchanged_file_is_hashed_once)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
	char first[65];
	unsigned hashed;

	copy_program(&t, "prog", "");
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	memcpy(first, r->got.v[0].sha256, sizeof(first));
	hashed = identity_hashed(r->id);
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	CHECK_INT(identity_hashed(r->id), ==, hashed);
	/* Touched: hashed again, the same. */
	CHECK_INT(utimensat(AT_FDCWD, prog, times, 0), ==, 0);
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	CHECK_INT(identity_hashed(r->id), ==, hashed + 1);
	CHECK_STR(r->got.v[0].sha256, first);
	rig_free(r);
	tree_free(&t);
}

/* Attack: an allowed program replaced inside the sandbox, times restored. */
TEST(identity, a_changed_program_is_an_integrity_violation)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };

	copy_program(&t, "prog", "");
	CHECK_INT(utimensat(AT_FDCWD, prog, times, 0), ==, 0);
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	copy_program(&t, "prog", "evil");
	CHECK_INT(utimensat(AT_FDCWD, prog, times, 0), ==, 0);
	CHECK_INT(run_once(r, prog)->ok, ==, 0);
	CHECK_HAS(r->got.v[0].reason, "Binary integrity violation");
	CHECK(r->got.v[0].changed);
	CHECK_HAS(r->got.v[0].reason, "binary integrity check failed");
	rig_free(r);
	tree_free(&t);
}

TEST(identity, a_file_hashed_ahead_is_not_hashed_again_nor_trusted)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	unsigned before;

	copy_program(&t, "prog", "");
	CHECK_INT(run_once(r, "/bin/cat")->ok, ==, 1); /* the ancestors */
	before = identity_hashed(r->id);
	identity_warm(r->id, open(prog, O_RDONLY | O_CLOEXEC));
	CHECK_INT(uv_run(&r->loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(identity_hashed(r->id), ==, before + 1);
	/* Replaced before its first connection: that one is the first use. */
	copy_program(&t, "prog", "other");
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	CHECK_INT(identity_hashed(r->id), ==, before + 2);
	CHECK_INT(run_once(r, prog)->ok, ==, 1);
	CHECK_INT(identity_hashed(r->id), ==, before + 2);
	rig_free(r);
	tree_free(&t);
}

TEST(identity, questions_at_the_same_time_share_one_hash)
{
	struct tree t = tree_new();
	AUTO_FREE char *prog = mem_printf("%s/prog", t.top);
	struct rig *r = rig_new(true);
	struct conn c[4];
	struct child k[4];
	unsigned before;

	copy_program(&t, "prog", "");
	/* The ancestors' digests first. */
	CHECK_INT(run_once(r, "/bin/cat")->ok, ==, 1);
	before = identity_hashed(r->id);
	for (size_t i = 0; i < 4; i++) {
		c[i] = conn_open(AF_INET);
		k[i] = run_with(prog, &c[i].client, no_env);
	}
	r->got.n = 0;
	for (size_t i = 0; i < 4; i++)
		identity_ask(r->id, &c[i].who);
	CHECK_INT(identity_pending(r->id), ==, 4);
	CHECK_INT(uv_run(&r->loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(r->got.n, ==, 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_STR(r->got.v[i].reason, "");
	CHECK_INT(identity_hashed(r->id), ==, before + 1);
	for (size_t i = 0; i < 4; i++) {
		end_child(&k[i]);
		conn_close(&c[i]);
	}
	rig_free(r);
	tree_free(&t);
}
