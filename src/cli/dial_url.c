#include "cli/dial_url.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "net/dial_name.h"

enum { HOST_MAX = 253 };

char *
url_without_slash(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return mem_strndup(url, n);
}

int
url_host_of(const char *url, size_t scheme, struct url_host *at, struct err *e)
{
	struct view rest, host, port = { 0 };
	uint64_t n = at->port;

	at->host = NULL;
	host =
	    view_cut(view_slice(view_of(url), scheme, strlen(url)), '/', &rest);
	at->authority = view_dup(host);
	if (host.n > 0 && host.p[0] == '[') {
		host = view_cut(view_slice(host, 1, host.n), ']', &port);
		if (port.n > 0 && port.p[0] == ':')
			port = view_slice(port, 1, port.n);
	} else
		host = view_cut(host, ':', &port);
	if (host.n == 0 || host.n > HOST_MAX ||
	    (port.n > 0 && (!view_u64(port, 65535, &n) || n == 0)))
		return err_set(
		    e, ERR_INVALID, "%.200s: gateway URL missing host", url);
	at->host = view_dup(host);
	at->port = (uint16_t)n;
	return 0;
}

void
url_host_fini(struct url_host *at)
{
	free(at->authority);
	free(at->host);
	at->authority = at->host = NULL;
}

struct dialled {
	bool done;
	int fd;
	struct err why;
};

static void
on_dialled(void *arg, int fd, const struct addr *to UNUSED, const struct err *e)
{
	struct dialled *d = arg;

	d->done = true;
	d->fd = fd;
	if (e != NULL)
		d->why = *e;
}

int
dial_url(const char *host, uint16_t port, struct err *e)
{
	struct dialled d = { .fd = -1 };
	struct dial_name *under_way;
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0)
		return err_set(e, ERR_INTERNAL, "no event loop");
	under_way = dial_name_start(&loop, host, port, on_dialled, &d);
	while (!d.done && uv_run(&loop, UV_RUN_ONCE) != 0)
		continue;
	if (!d.done)
		dial_name_cancel(under_way);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
	if (d.fd < 0)
		*e = d.why;
	return d.fd;
}
