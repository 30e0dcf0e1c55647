#include "capture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static void
slurp(int fd, char *to, size_t size)
{
	ssize_t n = pread(fd, to, size - 1, 0);

	to[n > 0 ? n : 0] = '\0';
}

void
capture(struct captured *c, const char *input, const char *const *args)
{
	AUTO_CLOSE int in = memfd_create("in", MFD_CLOEXEC);
	AUTO_CLOSE int out = memfd_create("out", MFD_CLOEXEC);
	AUTO_CLOSE int err = memfd_create("err", MFD_CLOEXEC);
	struct cli cli = { .in = in, .out = out, .err = err, .width = 80 };
	char *argv[64] = { (char[]) { "openshell" } };
	struct err e;
	int argc = 1;

	(void)signal(SIGPIPE, SIG_IGN); /* as cli_init does */
	memset(c, 0, sizeof(*c));
	if (input != NULL && (fd_write_all(in, input, strlen(input), &e) < 0 ||
				 lseek(in, 0, SEEK_SET) < 0))
		abort();
	while (args[argc - 1] != NULL) {
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
		argc++;
	}
	c->status = cli_main(&cli, argc, argv);
	slurp(out, c->out, sizeof(c->out));
	slurp(err, c->err, sizeof(c->err));
}

const char *
scratch_file(const char *text)
{
	static char path[64];
	AUTO_CLOSE int fd = -1;
	struct err e;

	(void)snprintf(path, sizeof(path), "/tmp/openshell-test-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || fd_write_all(fd, text, strlen(text), &e) < 0)
		abort();
	return path;
}
