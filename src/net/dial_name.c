#include "net/dial_name.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "net/resolve.h"

enum { FILE_MAX = 1 << 20, SERVERS_MAX = 512 };

struct dial_name {
	uv_loop_t *loop;
	uint16_t port;
	dial_fn *fn;
	void *arg;
	struct resolver *resolver;
	struct lookup *lookup;
	struct dial *dial;
	uv_timer_t later; /* tells what was known at once */
	struct err why;
	bool over; /* fn was called, or must not be */
};

/* --- files --------------------------------------------------------------- */

/* The next word of *rest, which ends at a '#'; empty at the end. */
static struct view
word(struct view *rest)
{
	size_t from = 0, to;

	while (
	    from < rest->n && (rest->p[from] == ' ' || rest->p[from] == '\t' ||
				  rest->p[from] == '\r'))
		from++;
	to = from;
	while (to < rest->n && strchr(" \t\r#", rest->p[to]) == NULL)
		to++;
	if (from < rest->n && rest->p[from] == '#')
		to = from;
	{
		struct view w = view_slice(*rest, from, to);

		*rest = view_slice(*rest, to, rest->n);
		return w;
	}
}

size_t
hosts_find(struct view text, const char *host, struct addr *out, size_t max)
{
	size_t n = 0;

	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text), name;
		struct view address = word(&line);
		struct addr a;

		if (!addr_parse(address, &a))
			continue;
		do
			name = word(&line);
		while (name.n > 0 && !view_eq_nocase(name, view_of(host)));
		if (name.n > 0 && n < max)
			out[n++] = a;
	}
	return n;
}

void
resolv_conf_servers(struct view text, struct buf *out)
{
	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text), address;
		struct addr a;

		if (!view_eq(word(&line), VIEW("nameserver")))
			continue;
		address = word(&line);
		if (!addr_parse(address, &a))
			continue;
		if (out->n > 0)
			buf_putc(out, ',');
		if (a.family == 6)
			buf_putc(out, '[');
		buf_put(out, address);
		if (a.family == 6)
			buf_puts(out, "]:53");
	}
}

static struct view
read_file(const char *path, char **text)
{
	struct err ignored;
	size_t n;

	if (file_read_path(path, false, FILE_MAX, text, &n, &ignored) < 0)
		return VIEW("");
	return (struct view) { *text, n };
}

/* --- the order of it ----------------------------------------------------- */

static void
on_later_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
drop(struct dial_name *d)
{
	d->over = true;
	resolver_free(d->resolver);
	d->resolver = NULL;
	uv_close((uv_handle_t *)&d->later, on_later_closed);
}

static void
tell(struct dial_name *d, int fd, const struct addr *to, const struct err *e)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;
	struct err why = { 0 };

	if (e != NULL)
		why = *e;
	drop(d);
	fn(arg, fd, to, e != NULL ? &why : NULL);
}

static void
on_later(uv_timer_t *t)
{
	struct dial_name *d = t->data;

	tell(d, -1, NULL, &d->why);
}

static void
fail_later(struct dial_name *d)
{
	(void)uv_timer_start(&d->later, on_later, 0, 0);
}

static void
on_dialled(void *arg, int fd, const struct addr *to, const struct err *e)
{
	struct dial_name *d = arg;

	d->dial = NULL;
	tell(d, fd, to, e);
}

static void
on_found(void *arg, const struct addr *v, size_t n, const struct err *e)
{
	struct dial_name *d = arg;

	d->lookup = NULL;
	if (e == NULL && n > 0) {
		d->dial = dial_start(d->loop, v, n, d->port, on_dialled, d);
		return;
	}
	if (e != NULL)
		d->why = *e;
	else
		(void)err_set(&d->why, ERR_NOT_FOUND, "it has no address");
	fail_later(d);
}

static void
ask_servers(struct dial_name *d, const char *host)
{
	AUTO_BUF struct buf servers = BUF_INIT(SERVERS_MAX);
	AUTO_FREE char *text = NULL;

	resolv_conf_servers(read_file("/etc/resolv.conf", &text), &servers);
	if (servers.n == 0 || servers.full) {
		(void)err_set(&d->why, ERR_NOT_FOUND,
		    "it is not in /etc/hosts, and /etc/resolv.conf names no "
		    "name server");
		fail_later(d);
		return;
	}
	if (resolver_new(d->loop, buf_view(&servers), &d->resolver, &d->why) <
	    0) {
		fail_later(d);
		return;
	}
	d->lookup = resolve_start(d->resolver, view_of(host), on_found, d);
}

struct dial_name *
dial_name_start(
    uv_loop_t *loop, const char *host, uint16_t port, dial_fn *fn, void *arg)
{
	struct dial_name *d = NEW(struct dial_name);
	struct addr found[DIAL_ADDRS_MAX];
	AUTO_FREE char *text = NULL;
	size_t n = 0;

	d->loop = loop;
	d->port = port;
	d->fn = fn;
	d->arg = arg;
	(void)uv_timer_init(loop, &d->later);
	d->later.data = d;
	if (addr_parse(view_of(host), &found[0]))
		n = 1;
	else
		n = hosts_find(read_file("/etc/hosts", &text), host, found,
		    ARRAY_LEN(found));
	/* RFC 6761: also where no file says so. */
	if (n == 0 && view_eq_nocase(view_of(host), VIEW("localhost")))
		n = addr_parse(VIEW("127.0.0.1"), &found[0]) ? 1 : 0;
	if (n > 0)
		d->dial = dial_start(loop, found, n, port, on_dialled, d);
	else
		ask_servers(d, host);
	return d;
}

void
dial_name_cancel(struct dial_name *d)
{
	if (d == NULL || d->over)
		return;
	if (d->lookup != NULL)
		resolve_cancel(d->lookup);
	if (d->dial != NULL)
		dial_cancel(d->dial);
	drop(d);
}
