/*
 * port: see port.h.
 *
 * Who holds a port: /proc/net/tcp (proc_pid_net(5)) has the inode of the
 * listening socket, and the holder has a link to it among its descriptors.  Of
 * other users' processes we see no descriptors; then nobody is named.
 */
#include "gateway/port.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

enum { TCP_LISTENING = 0x0a, BACKLOG = 512 };

static bool
inode_of(uint16_t port, const char *table, unsigned long *inode)
{
	FILE *f = fopen(table, "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		unsigned at, state;

		found = sscanf(line,
			    " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s "
			    "%*s %*s %*s %lu",
			    &at, &state, inode) == 3 &&
			at == port && state == TCP_LISTENING;
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

static bool
has_socket(const char *pid, const char *want)
{
	AUTO_FREE char *path = mem_printf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	const struct dirent *en;
	bool found = false;

	while (d != NULL && !found && (en = readdir(d)) != NULL) {
		char link[64];
		ssize_t n =
		    readlinkat(dirfd(d), en->d_name, link, sizeof(link));

		found = n > 0 && view_eq((struct view) { link, (size_t)n },
				     view_of(want));
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

static void
put_program(struct buf *b, const char *pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%s/comm", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char comm[32];
	ssize_t n = fd >= 0 ? read(fd, comm, sizeof(comm)) : -1;

	buf_puts(b, " by program \"");
	if (n > 1)
		buf_put_escaped(b, (struct view) { comm, (size_t)n - 1 });
	buf_printf(b, "\" (process %s)", pid);
}

static void
put_holder(struct buf *b, uint16_t port)
{
	unsigned long inode;
	AUTO_FREE char *want = NULL;
	const struct dirent *en;
	DIR *d;

	if (!inode_of(port, "/proc/net/tcp", &inode) &&
	    !inode_of(port, "/proc/net/tcp6", &inode))
		return;
	want = mem_printf("socket:[%lu]", inode);
	d = opendir("/proc");
	while (d != NULL && (en = readdir(d)) != NULL)
		if (en->d_name[0] >= '1' && en->d_name[0] <= '9' &&
		    has_socket(en->d_name, want)) {
			put_program(b, en->d_name);
			break;
		}
	if (d != NULL)
		(void)closedir(d);
}

static int
in_use(uint16_t port, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	put_holder(&b, port);
	return err_set(e, ERR_EXISTS,
	    "port %u of 127.0.0.1 is in use%s: end it, or choose another with "
	    "--port",
	    (unsigned)port, buf_str(&b));
}

int
port_listen(uint16_t *port, int *out, struct err *e)
{
	AUTO_CLOSE int fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_sys(e, "socket");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0)
		return errno == EADDRINUSE
			   ? in_use(*port, e)
			   : err_sys(
				 e, "listen on 127.0.0.1:%u", (unsigned)*port);
	*port = ntohs(at.sin_port);
	*out = take_fd(fd);
	return 0;
}
