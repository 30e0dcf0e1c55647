/*
 * netharness: drives net_main alone, with ctl's side of netmsg played here.
 *
 *   netharness --policy FILE --trust PEM --servers ADDR[,ADDR] [--exe PATH]...
 *     [--ca FILE] [--events FILE] [--port N] [--deny-identity] [--user UID]
 *     -- COMMAND [ARG...]
 *
 * Runs COMMAND with HTTPS_PROXY, HTTP_PROXY and CURL_CA_BUNDLE set, answers
 * every question for an identity with the --exe programs (all of them: owners
 * of one socket), and exits with COMMAND's status.  SIGHUP sends the policy
 * file again; "policy GENERATION loaded|refused MICROSECONDS TEXT" is printed
 * on stderr.  At the end: "net cpu_us N maxrss_kb N".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/event.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "proxy/net_main.h"
#include "sandbox/netmsg.h"

enum { EXES_MAX = 16 };

static struct harness {
	const char *policy, *trust, *servers, *ca, *events;
	const char *exe[EXES_MAX];
	unsigned n_exe;
	unsigned port, user;
	bool deny_identity;
	int sock, ev_fd;
	pid_t net, child;
	uint64_t generation, sent_ns;
	union net_msg m;
} h = { .port = 3128, .sock = -1, .ev_fd = -1, .generation = 1 };

static void NORETURN
die(const char *what, const struct err *e)
{
	fprintf(stderr, "netharness: %s: %s\n", what,
	    e != NULL ? e->text : strerror(errno));
	if (h.child > 0)
		(void)kill(h.child, SIGKILL);
	exit(125);
}

static int
memfd_of(const char *path)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	struct err e;
	int fd = memfd_create("h", MFD_CLOEXEC);

	if (file_read_path(path, false, 8 << 20, &text, &n, &e) < 0 ||
	    fd_write_all(fd, text, n, &e) < 0)
		die(path, &e);
	return fd;
}

static int
listener(unsigned port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 4096) < 0)
		die("listen", NULL);
	return fd;
}

static void
send_msg(enum net_type type, const int *fds, unsigned nfds)
{
	struct err e;

	if (net_send(h.sock, &h.m, type, fds, nfds, &e) < 0)
		die("send", &e);
}

static void
send_policy(void)
{
	int fd = memfd_of(h.policy);

	memset(&h.m, 0, sizeof(h.m));
	h.m.policy.generation = ++h.generation;
	h.sent_ns = clock_mono_ns();
	send_msg(NET_POLICY, &fd, 1);
	(void)close(fd);
}

static void
answer_who(uint32_t id)
{
	for (unsigned i = 0; i < h.n_exe; i++) {
		memset(&h.m, 0, sizeof(h.m));
		h.m.identity.id = id;
		h.m.identity.ok = !h.deny_identity;
		h.m.identity.owners = (uint8_t)h.n_exe;
		h.m.identity.more = i + 1 < h.n_exe && !h.deny_identity;
		h.m.identity.pid = 4242 + i;
		if (h.deny_identity) {
			(void)snprintf(
			    h.m.identity.reason, 256, "no such socket");
			send_msg(NET_IDENTITY, NULL, 0);
			return;
		}
		(void)snprintf(h.m.identity.exe, NET_PATH_MAX, "%s", h.exe[i]);
		(void)snprintf(h.m.identity.sha256, 65, "%064u", i);
		send_msg(NET_IDENTITY, NULL, 0);
	}
}

/* As ctl does. */
static void
record_policy(void)
{
	const struct net_policy_status *m = &h.m.policy_status;
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_JSON_MAX);
	struct audit_event ev = { .kind = AUDIT_POLICY,
		.action = m->loaded ? AUDIT_INFO : AUDIT_DENY,
		.reason = view_of(m->text),
		.generation = m->generation };
	struct err e;

	audit_event_json(&ev, &line);
	if (h.ev_fd >= 0 && fd_write_all(h.ev_fd, line.p, line.n, &e) < 0)
		die("events", &e);
}

static void
on_message(void)
{
	int fds[FD_MSG_MAX];
	unsigned nfds;
	struct err e;
	int got = net_recv(h.sock, NET_SIDE_CTL, &h.m, fds, &nfds, &e);

	if (got < 0)
		die("receive", &e);
	if (got == 0) {
		int status = 0;

		(void)waitpid(h.net, &status, 0);
		fprintf(stderr, "net ended: %x\n", (unsigned)status);
		die("net is gone", NULL);
	}
	switch (h.m.hdr.type) {
	case NET_WHO:
		answer_who(h.m.who.id);
		break;
	case NET_EVENTS:
		if (h.ev_fd >= 0 && fd_write_all(h.ev_fd, h.m.events.json,
					h.m.events.n, &e) < 0)
			die("events", &e);
		break;
	case NET_POLICY_STATUS:
		record_policy();
		fprintf(stderr, "policy %llu %s %llu %s\n",
		    (unsigned long long)h.m.policy_status.generation,
		    h.m.policy_status.loaded ? "loaded" : "refused",
		    (unsigned long long)(clock_mono_ns() - h.sent_ns) / 1000,
		    h.m.policy_status.text);
		break;
	case NET_FAILED:
		fprintf(stderr, "net failed: %s\n", h.m.failed.text);
		exit(124);
	default:
		die("unexpected message", NULL);
	}
}

static void
start(void)
{
	int pair[2], fds[NET_NSOCKS];
	unsigned nfds;
	int got[FD_MSG_MAX];
	struct err e;
	uint64_t t0 = clock_mono_ns();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair", NULL);
	h.net = fork();
	if (h.net == 0) {
		(void)close(pair[0]);
		exit(net_main(pair[1], NULL));
	}
	(void)close(pair[1]);
	h.sock = pair[0];
	h.m.start.event_level = 1;
	h.m.start.drop_uid = h.m.start.drop_gid = h.user;
	h.m.start.generation = h.generation;
	h.m.start.proxy_port = (uint16_t)h.port;
	(void)snprintf(h.m.start.proxy_addr, 48, "127.0.0.1");
	(void)snprintf(h.m.start.servers, NET_SERVERS_MAX, "%s", h.servers);
	fds[0] = memfd_of(h.policy);
	fds[1] = memfd_of(h.trust);
	send_msg(NET_START, fds, 2);
	(void)close(fds[0]);
	(void)close(fds[1]);
	if (net_recv(h.sock, NET_SIDE_CTL, &h.m, got, &nfds, &e) <= 0)
		die("no CA", &e);
	if (h.m.hdr.type == NET_FAILED) {
		fprintf(stderr, "net failed: %s\n", h.m.failed.text);
		exit(124);
	}
	if (h.m.hdr.type != NET_CA)
		die("not the CA", NULL);
	fprintf(stderr, "ca after %llu us\n",
	    (unsigned long long)(clock_mono_ns() - t0) / 1000);
	if (h.ca != NULL) {
		AUTO_CLOSE int fd =
		    open(h.ca, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		if (fd < 0 || fd_write_all(fd, h.m.ca.pem, h.m.ca.n, &e) < 0)
			die(h.ca, NULL);
	}
	memset(&h.m, 0, sizeof(h.m));
	fds[0] = listener(h.port);
	fds[1] = listener(h.port + 1);
	fds[2] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	h.m.listen.n = NET_NSOCKS;
	send_msg(NET_LISTEN, fds, h.m.listen.n);
	for (unsigned i = 0; i < h.m.listen.n; i++)
		(void)close(fds[i]);
}

static void
run_child(char **argv)
{
	sigset_t none;
	char *url;

	h.child = fork();
	if (h.child != 0)
		return;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	url = mem_printf("http://127.0.0.1:%u", h.port);
	(void)setenv("HTTPS_PROXY", url, 1);
	(void)setenv("https_proxy", url, 1);
	(void)setenv("HTTP_PROXY", url, 1);
	(void)setenv("http_proxy", url, 1);
	if (h.ca != NULL) {
		(void)setenv("CURL_CA_BUNDLE", h.ca, 1);
		(void)setenv("SSL_CERT_FILE", h.ca, 1);
	}
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int
loop(int signals)
{
	struct pollfd p[2] = { { h.sock, POLLIN, 0 }, { signals, POLLIN, 0 } };

	for (;;) {
		struct signalfd_siginfo s;
		int status;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents != 0)
			on_message();
		if (p[1].revents == 0 ||
		    read(signals, &s, sizeof(s)) != sizeof(s))
			continue;
		if (s.ssi_signo == SIGHUP) {
			send_policy();
			continue;
		}
		if (waitpid(h.net, &status, WNOHANG) == h.net) {
			fprintf(stderr, "net ended: %x\n", (unsigned)status);
			(void)kill(h.child, SIGKILL);
			return 123;
		}
		if (waitpid(h.child, &status, WNOHANG) == h.child)
			return WIFEXITED(status) ? WEXITSTATUS(status)
						 : 128 + WTERMSIG(status);
	}
}

static const struct option options[] = { { "policy", 1, NULL, 'p' },
	{ "trust", 1, NULL, 't' }, { "servers", 1, NULL, 's' },
	{ "exe", 1, NULL, 'e' }, { "ca", 1, NULL, 'c' },
	{ "events", 1, NULL, 'v' }, { "port", 1, NULL, 'n' },
	{ "deny-identity", 0, NULL, 'd' }, { "user", 1, NULL, 'u' }, { 0 } };

static void
parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		switch (c) {
		case 'p':
			h.policy = optarg;
			break;
		case 't':
			h.trust = optarg;
			break;
		case 's':
			h.servers = optarg;
			break;
		case 'c':
			h.ca = optarg;
			break;
		case 'v':
			h.events = optarg;
			break;
		case 'n':
			h.port = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			h.user = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			h.deny_identity = true;
			break;
		case 'e':
			if (h.n_exe < EXES_MAX)
				h.exe[h.n_exe++] = optarg;
			break;
		default:
			exit(125);
		}
	if (h.n_exe == 0)
		h.exe[h.n_exe++] = "/usr/bin/curl";
	if (h.policy == NULL || h.trust == NULL || h.servers == NULL ||
	    optind >= argc) {
		fprintf(stderr, "usage: see the top of netharness.c\n");
		exit(125);
	}
}

int
main(int argc, char **argv)
{
	sigset_t set;
	struct rusage use;
	int status, net_status, signals;

	parse(argc, argv);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (h.events != NULL)
		h.ev_fd = open(h.events,
		    O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0644);
	start();
	run_child(argv + optind);
	status = loop(signals);
	/* What is on its way is taken before net is let go. */
	(void)shutdown(h.sock, SHUT_WR);
	for (;;) {
		int fds[FD_MSG_MAX];
		unsigned nfds;
		struct err e;

		if (net_recv(h.sock, NET_SIDE_CTL, &h.m, fds, &nfds, &e) <= 0)
			break;
		if (h.m.hdr.type == NET_EVENTS && h.ev_fd >= 0 &&
		    fd_write_all(h.ev_fd, h.m.events.json, h.m.events.n, &e) <
			0)
			break;
	}
	(void)close(h.sock);
	if (wait4(h.net, &net_status, 0, &use) == h.net)
		fprintf(stderr, "net cpu_us %lld maxrss_kb %ld status %x\n",
		    (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000LL +
			use.ru_utime.tv_usec + use.ru_stime.tv_usec,
		    use.ru_maxrss, (unsigned)net_status);
	return status;
}
