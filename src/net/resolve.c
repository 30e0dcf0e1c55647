/*
 * resolve: see resolve.h.
 *
 * A lookup asks c-ares for A and AAAA as two questions, so that the order of
 * the addresses does not depend on which answer came first.  c-ares calls back
 * into the middle of its own work, so results are kept and reported from the
 * lookup's timer, which is also its time limit.
 *
 * Lifetime: a lookup lives until its timer has closed and both questions have
 * come back; `fn` is NULL once nothing may be reported.
 */
#include "net/resolve.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"

enum {
	SERVERS_TEXT_MAX = 512,
	TRY_MS = 2000,
	TRIES = 2,
	EDNS_SIZE = 1232 /* avoids IP fragments */
};

struct watch {
	struct resolver *r;
	struct watch *next;
	ares_socket_t fd;
	uv_poll_t poll;
};

struct resolver {
	uv_loop_t *loop;
	ares_channel channel;
	uv_timer_t timer; /* c-ares' own retries */
	struct watch *watches;
	struct lookup *lookups;
	bool timer_on;
};

struct question {
	struct lookup *l;
	bool pending;
	int status; /* ARES_* */
	size_t n;
	struct addr v[RESOLVE_ADDRS_MAX];
	bool more; /* there were more than fit */
};

struct lookup {
	struct resolver *r;
	struct lookup *next, **prev;
	resolve_fn *fn;
	void *arg;
	uv_timer_t timer;
	bool timer_open;
	char host[256];
	struct question q[2]; /* A, AAAA */
};

static void
lookup_unlink(struct lookup *l)
{
	if (l->prev == NULL)
		return;
	*l->prev = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	l->prev = NULL;
}

static void
lookup_release(struct lookup *l)
{
	if (!l->timer_open && !l->q[0].pending && !l->q[1].pending)
		free(l);
}

static void
on_lookup_closed(uv_handle_t *h)
{
	struct lookup *l = h->data;

	l->timer_open = false;
	lookup_release(l);
}

static void
lookup_end(struct lookup *l)
{
	l->fn = NULL;
	lookup_unlink(l);
	uv_close((uv_handle_t *)&l->timer, on_lookup_closed);
}

/* Why this process cannot have a socket now, or 0: the DNS client does not
 * tell that from a server that nobody reaches. */
static int
no_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

/* NULL, or why there is no answer in l->q: the cause, without the name. */
static const struct err *
lookup_error(const struct lookup *l, size_t n, struct err *e)
{
	bool none = true, late = false;
	int worst = ARES_SUCCESS, why = 0;

	if (l->q[0].more || l->q[1].more) {
		(void)err_set(
		    e, ERR_LIMIT, "more than %d addresses", RESOLVE_ADDRS_MAX);
		return e;
	}
	if (n > 0)
		return NULL;
	for (int i = 0; i < 2; i++) {
		late |= l->q[i].pending;
		if (l->q[i].status != ARES_SUCCESS &&
		    l->q[i].status != ARES_ENODATA) {
			none = false;
			worst = l->q[i].status;
		}
	}
	if (late)
		(void)err_set(
		    e, ERR_IO, "no answer in %d s", RESOLVE_TIMEOUT_MS / 1000);
	else if (none)
		return NULL;
	else if (worst == ARES_ECONNREFUSED && (why = no_socket()) != 0)
		(void)err_set(e, ERR_IO, "%s", strerror(why));
	else
		(void)err_set(e,
		    worst == ARES_ENOTFOUND ? ERR_NOT_FOUND : ERR_IO, "%s",
		    ares_strerror(worst));
	return e;
}

/* Both questions are answered, or time is up. */
static void
on_lookup_timer(uv_timer_t *timer)
{
	struct lookup *l = timer->data;
	struct addr v[RESOLVE_ADDRS_MAX];
	resolve_fn *fn = l->fn;
	void *arg = l->arg;
	const struct err *why;
	struct err e;
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		for (size_t j = 0; j < l->q[i].n; j++) {
			if (n == RESOLVE_ADDRS_MAX)
				l->q[i].more = true;
			else
				v[n++] = l->q[i].v[j];
		}
	why = lookup_error(l, n, &e);
	lookup_end(l);
	fn(arg, v, why == NULL ? n : 0, why);
}

static void
on_answer(
    void *arg, int status, int timeouts UNUSED, struct ares_addrinfo *answer)
{
	struct question *q = arg;
	struct lookup *l = q->l;

	q->pending = false;
	q->status = status;
	for (struct ares_addrinfo_node *node = answer != NULL ? answer->nodes
							      : NULL;
	     node != NULL; node = node->ai_next) {
		uint16_t port;

		if (q->n == RESOLVE_ADDRS_MAX)
			q->more = true;
		else if (addr_from_sockaddr(node->ai_addr, &q->v[q->n], &port))
			q->n++;
	}
	if (answer != NULL)
		ares_freeaddrinfo(answer);
	if (l->fn == NULL)
		lookup_release(l);
	else if (!l->q[0].pending && !l->q[1].pending)
		(void)uv_timer_start(&l->timer, on_lookup_timer, 0, 0);
}

static void on_ares_timer(uv_timer_t *timer);

/* c-ares' next retry. */
static void
arm(struct resolver *r)
{
	struct timeval max = { TRY_MS / 1000, 0 }, left, *t;

	if (r->watches == NULL) {
		(void)uv_timer_stop(&r->timer);
		r->timer_on = false;
		return;
	}
	if (r->timer_on)
		return;
	t = ares_timeout(r->channel, &max, &left);
	r->timer_on = true;
	(void)uv_timer_start(&r->timer, on_ares_timer,
	    (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000 + 1, 0);
}

static void
on_ares_timer(uv_timer_t *timer)
{
	struct resolver *r = timer->data;

	r->timer_on = false;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(r);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct resolver *r = w->r;
	ares_socket_t fd = w->fd;
	bool in = status < 0 || (events & UV_READABLE);
	bool out = status < 0 || (events & UV_WRITABLE);

	/* w may be gone after this. */
	ares_process_fd(
	    r->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
	arm(r);
}

static void
on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

/* c-ares tells which sockets it waits for; neither means it closes it now. */
static void
on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch **at = &r->watches, *w;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	w = *at;
	if (!readable && !writable) {
		if (w == NULL)
			return;
		*at = w->next;
		(void)uv_poll_stop(&w->poll);
		uv_close((uv_handle_t *)&w->poll, on_watch_closed);
		return;
	}
	if (w == NULL) {
		w = NEW(struct watch);
		w->r = r;
		w->fd = fd;
		if (uv_poll_init(r->loop, &w->poll, fd) < 0) {
			free(w); /* the time limit reports it */
			return;
		}
		w->poll.data = w;
		w->next = r->watches;
		r->watches = w;
	}
	(void)uv_poll_start(&w->poll,
	    (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
	    on_poll);
}

/*
 * Everything that c-ares would else take from files is given, so it opens
 * none; "b" is DNS only.
 */
static int
channel_open(struct resolver *r, struct err *e)
{
	static char lookups[] = "b";
	struct in_addr none = { 0 };
	struct ares_options o = {
		.flags =
		    ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.ednspsz = EDNS_SIZE,
		.timeout = TRY_MS,
		.tries = TRIES,
		.ndots = 0,
		.servers = &none,
		.nservers = 1,
		.lookups = lookups,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = r,
	};
	int rc = ares_init_options(&r->channel, &o,
	    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
		ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_SORTLIST |
		ARES_OPT_SOCK_STATE_CB);

	if (rc != ARES_SUCCESS)
		return err_set(
		    e, ERR_INTERNAL, "DNS client: %s", ares_strerror(rc));
	return 0;
}

int
resolver_new(
    uv_loop_t *loop, struct view servers, struct resolver **out, struct err *e)
{
	char csv[SERVERS_TEXT_MAX];
	struct resolver *r;
	unsigned seed;

	servers = view_trim(servers);
	if (servers.n == 0 || servers.n >= sizeof(csv))
		return err_set(e, ERR_INVALID,
		    "list of name servers is empty or too long");
	memcpy(csv, servers.p, servers.n);
	csv[servers.n] = '\0';
	for (char *p = csv; *p != '\0'; p++)
		if (*p == ' ' || *p == '\n' || *p == '\t')
			*p = ',';
	/* Attack: forged answers.  Older c-ares draws its query ids from
	 * rand(3) when it may not open /dev/urandom. */
	random_bytes(&seed, sizeof(seed));
	srand(seed);
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return err_set(e, ERR_INTERNAL, "DNS client does not start");
	r = NEW(struct resolver);
	r->loop = loop;
	if (channel_open(r, e) < 0) {
		free(r);
		return -1;
	}
	if (ares_set_servers_ports_csv(r->channel, csv) != ARES_SUCCESS) {
		ares_destroy(r->channel);
		free(r);
		return err_set(
		    e, ERR_INVALID, "bad name server in \"%s\"", csv);
	}
	(void)uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	*out = r;
	return 0;
}

static void
on_resolver_closed(uv_handle_t *h)
{
	free(h->data);
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	while (r->lookups != NULL)
		lookup_end(r->lookups);
	ares_destroy(r->channel); /* answers every question, closes sockets */
	uv_close((uv_handle_t *)&r->timer, on_resolver_closed);
}

static void
ask(struct lookup *l, struct question *q, int family)
{
	struct ares_addrinfo_hints hints = { .ai_family = family,
		.ai_flags = ARES_AI_NOSORT,
		.ai_socktype = SOCK_STREAM };

	ares_getaddrinfo(l->r->channel, l->host, NULL, &hints, on_answer, q);
}

/* RFC 6761 section 6.3: never asked of a server. */
static bool
is_localhost(struct view host)
{
	static const struct view name = VIEW("localhost");

	if (host.n < name.n ||
	    !view_eq_nocase(view_slice(host, host.n - name.n, host.n), name))
		return false;
	return host.n == name.n || host.p[host.n - name.n - 1] == '.';
}

struct lookup *
resolve_start(struct resolver *r, struct view host, resolve_fn *fn, void *arg)
{
	struct lookup *l = NEW(struct lookup);
	struct addr literal;

	l->r = r;
	l->fn = fn;
	l->arg = arg;
	l->next = r->lookups;
	l->prev = &r->lookups;
	if (l->next != NULL)
		l->next->prev = &l->next;
	r->lookups = l;
	(void)uv_timer_init(r->loop, &l->timer);
	l->timer.data = l;
	l->timer_open = true;
	for (int i = 0; i < 2; i++)
		l->q[i].l = l;
	if (addr_parse(host, &literal)) {
		l->q[0].v[l->q[0].n++] = literal;
	} else if (is_localhost(host)) {
		(void)addr_parse(VIEW("127.0.0.1"), &l->q[0].v[0]);
		(void)addr_parse(VIEW("::1"), &l->q[1].v[0]);
		l->q[0].n = l->q[1].n = 1;
	} else if (host.n == 0 || host.n >= sizeof(l->host) ||
		   memchr(host.p, '\0', host.n) != NULL) {
		l->q[0].status = l->q[1].status = ARES_EBADNAME;
	} else {
		memcpy(l->host, host.p, host.n);
		l->q[0].pending = l->q[1].pending = true;
		(void)uv_timer_start(
		    &l->timer, on_lookup_timer, RESOLVE_TIMEOUT_MS, 0);
		ask(l, &l->q[0], AF_INET);
		ask(l, &l->q[1], AF_INET6);
		arm(r);
		return l;
	}
	(void)uv_timer_start(&l->timer, on_lookup_timer, 0, 0);
	return l;
}

void
resolve_cancel(struct lookup *l)
{
	if (l != NULL && l->fn != NULL)
		lookup_end(l);
}
