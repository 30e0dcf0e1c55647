/* openshell doctor logs */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/remote.h"
#include "cli/state.h"

struct args {
	const char *name, *remote, *key;
	unsigned lines;
	bool tail;
};

enum { PIECE = 65536, LOOK_MS = 200 };

static const struct cli_opt opts[] = { DEPLOY_OPT(name),
	{ .name = "lines",
	    .letter = 'l',
	    .kind = OPT_UINT,
	    OPT(lines),
	    .value = "N",
	    .min = 1,
	    .max = UINT32_MAX,
	    .help = "Show the last N lines; all when left out" },
	{ .name = "tail",
	    .kind = OPT_FLAG,
	    OPT(tail),
	    .help = "Go on as new lines come, until interrupted" },
	REMOTE_OPTS(remote, key), OPT_END };

/* Where the last `lines` lines begin. */
static int
find_start(int fd, unsigned lines, off_t *at, struct err *e)
{
	AUTO_FREE char *piece = mem_calloc(1, PIECE);
	off_t end = lseek(fd, 0, SEEK_END), from = end;
	unsigned seen = 0;

	*at = 0;
	while (lines > 0 && from > 0) {
		size_t n = (size_t)MIN((off_t)PIECE, from);

		if (pread(fd, piece, n, from - (off_t)n) != (ssize_t)n)
			return err_sys(e, "read the gateway's log");
		for (size_t i = n; i > 0; i--) {
			off_t after = from - (off_t)(n - i);

			/* The one that ends the file begins nothing. */
			if (piece[i - 1] != '\n' || after == end)
				continue;
			if (++seen == lines) {
				*at = after;
				return 0;
			}
		}
		from -= (off_t)n;
	}
	return 0;
}

static int
copy(struct cli *c, int fd, off_t *at, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(PIECE);
	ssize_t n;

	if (!buf_reserve(&b, PIECE))
		return -1;
	while ((n = pread(fd, b.p, PIECE, *at)) > 0) {
		b.n = (size_t)n;
		*at += n;
		if (cli_out(c, &b, e) < 0)
			return -1;
	}
	return n == 0 ? 0 : err_sys(e, "read the gateway's log");
}

/* Truncated, or another file of that name: from its beginning. */
static void
look_again(const char *path, int *fd, off_t *at)
{
	struct stat now, named;

	if (fstat(*fd, &now) == 0 && now.st_size < *at)
		*at = 0;
	if (stat(path, &named) == 0 &&
	    (named.st_ino != now.st_ino || named.st_dev != now.st_dev)) {
		int other = open(path, O_RDONLY | O_CLOEXEC);

		if (other < 0)
			return;
		(void)close(*fd);
		*fd = other;
		*at = 0;
	}
}

static int
show(struct cli *c, const char *path, const struct args *a, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf b = BUF_INIT(64);
	off_t at;

	if (fd < 0) {
		buf_puts(&b, "server logs: not available\n");
		return cli_out(c, &b, e) < 0 ? -1 : CLI_FAILED;
	}
	if (find_start(fd, a->lines, &at, e) < 0 || copy(c, fd, &at, e) < 0)
		return -1;
	while (a->tail) {
		(void)poll(NULL, 0, LOOK_MS);
		look_again(path, &fd, &at);
		if (copy(c, fd, &at, e) < 0)
			return -1;
	}
	return CLI_OK;
}

static int
show_remote(
    const char *name, const char *host, const struct args *a, struct err *e)
{
	AUTO_FREE char *command = mem_printf("tail -n %s%u %s -- "
					     ".openshell/gateways/%s/logs/"
					     "server.log",
	    a->lines > 0 ? "" : "+", a->lines > 0 ? a->lines : 1,
	    a->tail ? "-F" : "", name);

	return remote_become(host, a->key, false, command, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	AUTO_FREE char *dir = NULL, *path = NULL, *host = NULL;

	if (state_runtime_dir(name, &dir, e) < 0 ||
	    remote_host_of(name, a->remote, &host, e) < 0)
		return -1;
	if (host != NULL)
		return show_remote(name, host, a, e);
	path = mem_printf("%s/logs/server.log", dir);
	c->pipe_ends = true;
	return show(c, path, a, e);
}

const struct cli_cmd cmd_doctor_logs = {
	.path = "doctor logs",
	.summary = "Show what a gateway wrote to its log",
	.about = "The log of the gateway itself, not that of a sandbox "
		 "(openshell logs). It begins anew with each start.",
	.examples = "openshell doctor logs -l 50\nopenshell doctor logs --tail",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
