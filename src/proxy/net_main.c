/*
 * net_main: the process that meets hostile bytes.
 *
 * It trusts ctl, and nothing it reads elsewhere.  Order at start: the CA first
 * (ctl waits for it to write the trust files of the sandbox), then selfbox,
 * and only then the policy text and the listeners.  When ctl is gone, so is
 * this process: a sandbox without its supervisor has no network.
 */
#include "proxy/net_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "inspect/toolbook.h"
#include "proxy/advisor.h"
#include "proxy/creds.h"
#include "proxy/flow.h"
#include "proxy/load.h"
#include "proxy/mw_service.h"
#include "proxy/px.h"
#include "proxy/selfbox.h"
#include "proxy/synth.h"
#include "proxy/through.h"
#include "proxy/told.h"

enum {
	ANCESTORS_MAX = NET_ANCESTORS_TEXT + 4 * NET_ANCESTORS,
	/* A path whose bytes are all escaped, a query, a credential in each
	 * part, the host. */
	PARTS_MAX =
	    TARGET_PATH_MAX * 3 + TARGET_MAX + RW_VALUE_MAX * 3 + HOST_MAX + 64
};

/* ---- from ctl ---------------------------------------------------------- */

static void
send_status(struct px *px, uint64_t generation, const struct err *why)
{
	union net_msg *m = px->events.msg;
	struct err e;

	/* Records of what the new policy did come before its status; when ctl
	 * is slow they follow from the loop. */
	if (px_events_flush(&px->events, px->ctl, &e) < 0)
		LOG_DEBUG("EVENTS_LATE", KV_STR("reason", e.text));
	memset(&m->policy_status, 0, sizeof(m->policy_status));
	m->policy_status.generation = generation;
	m->policy_status.loaded = why == NULL;
	if (why != NULL)
		(void)snprintf(m->policy_status.text,
		    sizeof(m->policy_status.text), "%s", why->text);
	if (net_send(px->ctl, m, NET_POLICY_STATUS, NULL, 0, &e) < 0)
		LOG_WARN("POLICY_STATUS_LOST", KV_STR("reason", e.text));
}

static int
on_policy(struct px *px, const union net_msg *m, int *fds, struct err *e)
{
	AUTO_CLOSE int fd = fd_take(&fds[0]);
	struct snapshot *s;
	struct err why;

	(void)e;
	if (load_policy(px, fd, m->policy.generation, &s, &why) < 0) {
		/* The last good policy stays. */
		send_status(px, m->policy.generation, &why);
		return 0;
	}
	snapshot_unref(px->snap);
	px->snap = s;
	px->generation = m->policy.generation;
	px_pool_flush(px);
	px_rejudge(px);
	send_status(px, m->policy.generation, NULL);
	advisor_policy(px);
	return 0;
}

static int
on_listen(struct px *px, const union net_msg *m, int *fds, struct err *e)
{
	int got[NET_NSOCKS];

	if (px->listening)
		return err_set(e, ERR_PROTO, "a second LISTEN");
	for (unsigned i = 0; i < NET_NSOCKS; i++)
		got[i] = i < m->listen.n ? fd_take(&fds[i]) : -1;
	return px_listen(px, got, e);
}

static int
on_identity(struct px *px, const union net_msg *m, int *fds UNUSED,
    struct err *e UNUSED)
{
	px_identity_answer(px, &m->identity);
	return 0;
}

/* The resolver itself comes with the first name (px_resolver). */
static void
set_servers(struct px *px, const char servers[NET_SERVERS_MAX])
{
	if (px->resolver != NULL)
		resolver_free(take_ptr(px->resolver));
	px->resolver_err.code = ERR_NONE;
	(void)snprintf(px->servers, sizeof(px->servers), "%.*s",
	    (int)strnlen(servers, NET_SERVERS_MAX), servers);
}

static int
on_resolver(
    struct px *px, const union net_msg *m, int *fds UNUSED, struct err *e)
{
	(void)e;
	px_pool_flush(px); /* the name may stand for another machine now */
	for (unsigned i = 0; i < PX_SLOTS; i++)
		if (px->slot[i] != NULL && px->slot[i]->resolving != NULL)
			resolve_cancel(take_ptr(px->slot[i]->resolving));
	set_servers(px, m->resolver.servers);
	px->through.n = 0;
	/* What was being asked is asked again, of the new servers. */
	for (unsigned i = 0; i < PX_SLOTS; i++)
		if (px->slot[i] != NULL && (px->slot[i]->step == PX_RESOLVE ||
					       px->slot[i]->step == PX_DIAL))
			px_run(px->slot[i]);
	return 0;
}

static int
on_packets(struct px *px, const union net_msg *m, int *fds UNUSED,
    struct err *e UNUSED)
{
	px_packets(px, (struct view) { m->packets.bytes, m->packets.n });
	return 0;
}

static int
on_credentials(
    struct px *px, const union net_msg *m, int *fds, struct err *e UNUSED)
{
	AUTO_CLOSE int fd = fd_take(&fds[0]);
	struct err why;

	if (creds_take(
		px, fd, m->credentials.revision, m->credentials.n, &why) < 0)
		LOG_WARN("CREDENTIALS", KV_STR("reason", why.text));
	px_rejudge(px);
	return 0;
}

static int
on_settings(struct px *px, const union net_msg *m, int *fds UNUSED,
    struct err *e UNUSED)
{
	advisor_set(px, m->settings.proposals != 0);
	return 0;
}

static int
on_links(struct px *px, const union net_msg *m, int *fds, struct err *e)
{
	AUTO_CLOSE int fd = fd_take(&fds[0]);

	return load_links(px, fd, m->links.n, e);
}

static int
on_proposed(struct px *px, const union net_msg *m, int *fds UNUSED,
    struct err *e UNUSED)
{
	advisor_proposed(px, &m->proposed);
	return 0;
}

static int
on_proposal(struct px *px, const union net_msg *m, int *fds UNUSED,
    struct err *e UNUSED)
{
	advisor_proposal(px, &m->proposal);
	return 0;
}

/* Sizes, descriptors and directions are checked by net_recv. */
static const struct ctl_rule {
	enum net_type type;
	unsigned nfds_min;
	int (*run)(struct px *, const union net_msg *, int *fds, struct err *);
} ctl_rules[] = {
	{ NET_LISTEN, 1, on_listen },
	{ NET_POLICY, 1, on_policy },
	{ NET_IDENTITY, 0, on_identity },
	{ NET_RESOLVER, 0, on_resolver },
	{ NET_PACKETS, 0, on_packets },
	{ NET_CREDENTIALS, 1, on_credentials },
	{ NET_LINKS, 1, on_links },
	{ NET_SETTINGS, 0, on_settings },
	{ NET_PROPOSED, 0, on_proposed },
	{ NET_PROPOSAL, 0, on_proposal },
};

static int
on_message(struct px *px, const union net_msg *m, int *fds, unsigned nfds,
    struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(ctl_rules); i++)
		if (ctl_rules[i].type == m->hdr.type &&
		    nfds >= ctl_rules[i].nfds_min)
			return ctl_rules[i].run(px, m, fds, e);
	return err_set(
	    e, ERR_PROTO, "ctl: message %u is not expected now", m->hdr.type);
}

static void
end(struct px *px, int status, const struct err *e)
{
	if (px->ending)
		return;
	px->ending = true;
	px->status = status;
	if (e != NULL)
		px->err = *e;
	uv_stop(&px->loop);
}

static void
read_ctl(struct px *px)
{
	struct err e;

	while (!px->ending) {
		int fds[FD_MSG_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1 };
		unsigned nfds = 0;
		int got = net_recv(
		    px->ctl, NET_SIDE_NET, px->received, fds, &nfds, &e);

		if (got < 0 && e.code == ERR_AGAIN)
			return;
		if (got == 0)
			end(px, 0, NULL);
		else if (got < 0 ||
			 on_message(px, px->received, fds, nfds, &e) < 0)
			end(px, 1, &e);
		for (unsigned i = 0; i < FD_MSG_MAX; i++)
			fd_close(&fds[i]);
	}
}

/* ---- to ctl ------------------------------------------------------------ */

static void on_ctl(uv_poll_t *p, int status, int events);

static void
watch_ctl(struct px *px, bool write)
{
	if (px->ctl_wants_write == write)
		return;
	px->ctl_wants_write = write;
	(void)uv_poll_start(
	    &px->ctl_poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_ctl);
}

/* Connections that stopped because records could not be sent go on. */
static void
wake_waiting(struct px *px)
{
	if (!px->events_waited || px_events_full(&px->events))
		return;
	px->events_waited = false;
	for (unsigned i = 0; i < PX_SLOTS; i++) {
		struct px_conn *c = px->slot[i];

		if (c != NULL && c->waits_events) {
			c->waits_events = false;
			px_run(c);
		}
	}
}

static void
flush(struct px *px)
{
	struct err e;

	if (px_events_flush(&px->events, px->ctl, &e) < 0 &&
	    e.code != ERR_AGAIN) {
		end(px, 1, &e);
		return;
	}
	watch_ctl(px, px->who_unsent || px->events.lines.n > px->events.at);
	wake_waiting(px);
}

static void
on_ctl(uv_poll_t *p, int status, int events)
{
	struct px *px = p->data;

	if (status < 0 || (events & UV_READABLE))
		read_ctl(px);
	if (!px->ending && (events & UV_WRITABLE)) {
		px_who_retry(px);
		flush(px);
	}
}

static void
on_late(uv_timer_t *t)
{
	flush(t->data);
}

/* The loop is about to sleep. */
static void
on_prepare(uv_prepare_t *h)
{
	struct px *px = h->data;

	px_tasks_run(px);
	px_rest_turn(px);
	if (px->who_unsent || px->ctl_wants_write ||
	    !px_events_may_wait(&px->events))
		flush(px);
	else if (px->events.lines.n > 0 &&
		 uv_is_active((uv_handle_t *)&px->late) == 0)
		(void)uv_timer_start(&px->late, on_late, PX_EVENTS_LATE_MS, 0);
}

/* ---- start and end ----------------------------------------------------- */

static void
keep_only(int sock)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, 0);
		(void)dup2(null, 1);
	}
	if (sock > 3)
		(void)close_range(3, (unsigned)sock - 1, 0);
	(void)close_range((unsigned)sock + 1, ~0U, 0);
}

static int
send_ca(struct px *px, struct view pem, struct err *e)
{
	union net_msg *m = px->events.msg;

	if (pem.n > NET_PEM_MAX)
		return err_set(e, ERR_INTERNAL, "CA certificate too long");
	memset(&m->ca, 0, sizeof(m->ca));
	m->ca.n = (uint32_t)pem.n;
	memcpy(m->ca.pem, pem.p, pem.n);
	return net_send(px->ctl, m, NET_CA, NULL, 0, e);
}

static int
start(struct px *px, const struct net_start *m, int *fds, struct err *e)
{
	uint64_t files;

	px->events.all = m->event_level != 0;
	px->generation = m->generation;
	px->proxy_port = m->proxy_port;
	(void)snprintf(
	    px->proxy_addr, sizeof(px->proxy_addr), "%.47s", m->proxy_addr);
	(void)snprintf(px->proxy_text, sizeof(px->proxy_text), "%s:%u",
	    px->proxy_addr, px->proxy_port);
	px->dest.own = px->own;
	if (addr_parse(view_of(px->proxy_addr), &px->own[0].addr)) {
		px->own[0].port = m->proxy_port;
		px->own[0].what = "the proxy itself";
		px->dest.n_own = 1;
	}
	px_io_trust(px->io, fd_take(&fds[1]));
	set_servers(px, m->servers);
	if (fds[2] >= 0 && through_read(px, fds[2], e) < 0)
		return -1;
	if (selfbox_enter(m->drop_uid, m->drop_gid, &files, e) < 0)
		return err_wrap(e, "confine the proxy");
	px->conns_max = px_conns_max(files);
	if (fds[3] >= 0)
		px->services = mw_services_new(px, fd_take(&fds[3]));
	if (through_open(px, e) < 0 ||
	    load_policy(px, fds[0], m->generation, &px->snap, e) < 0)
		return -1;
	/* What reading it took is not needed while the sandbox idles. */
	mem_settle();
	return 0;
}

static int
begin(struct px *px, struct net_late *late, struct err *e)
{
	int fds[FD_MSG_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	unsigned nfds = 0;
	struct view pem;
	int got, r;

	/* Its key takes longest to make: while ctl still reads the policy. */
	px_events_init(&px->events, true, late);
	if (px_io_new(&px->io, &pem, e) < 0 || send_ca(px, pem, e) < 0)
		return -1;
	got = net_recv(px->ctl, NET_SIDE_NET, px->received, fds, &nfds, e);
	if (got == 0)
		return err_set(e, ERR_IO, "ctl is gone");
	if (got < 0)
		return -1;
	if (px->received->hdr.type != NET_START || nfds < 2)
		return err_set(e, ERR_PROTO, "the first message is not START");
	r = start(px, &px->received->start, fds, e);
	for (unsigned i = 0; i < FD_MSG_MAX; i++)
		fd_close(&fds[i]);
	if (r < 0 || fd_set_nonblock(px->ctl, true, e) < 0)
		return -1;
	if (uv_timer_init(&px->loop, &px->late) < 0 ||
	    uv_poll_init(&px->loop, &px->ctl_poll, px->ctl) < 0 ||
	    uv_prepare_init(&px->loop, &px->prepare) < 0)
		return err_set(e, ERR_INTERNAL, "cannot watch ctl");
	px->late.data = px;
	px_rest_init(px);
	px->ctl_poll.data = px;
	px->prepare.data = px;
	(void)uv_poll_start(&px->ctl_poll, UV_READABLE, on_ctl);
	(void)uv_prepare_start(&px->prepare, on_prepare);
	return 0;
}

static void
close_handle(uv_handle_t *h, void *arg UNUSED)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/*
 * ctl has ended the session, or is gone: the records that are left go out
 * first, however long its owner takes (ctl kills us when nobody wants them).
 */
static void
flush_last(struct px *px)
{
	struct err e;

	if (fd_set_nonblock(px->ctl, false, &e) < 0 ||
	    px_events_flush(&px->events, px->ctl, &e) < 0)
		LOG_DEBUG("EVENTS_LOST", KV_STR("reason", e.text));
}

static void
give_up(struct px *px, const struct err *e)
{
	AUTO_FREE union net_msg *m = NEW(union net_msg);
	struct err ignored;

	LOG_ERROR("NET_FAILED", KV_STR("reason", e->text));
	(void)snprintf(m->failed.text, sizeof(m->failed.text), "%s", e->text);
	if (net_send(px->ctl, m, NET_FAILED, NULL, 0, &ignored) < 0)
		LOG_ERROR("NET_FAILED_LOST", KV_STR("reason", ignored.text));
}

static void
release(struct px *px)
{
	for (unsigned i = 0; i < PX_SLOTS; i++)
		if (px->slot[i] != NULL)
			px_close(px->slot[i], true);
	mw_services_close(px->services);
	px_flows_free(px);
	px_pool_free(px->pool);
	if (px->resolver != NULL)
		resolver_free(px->resolver);
	uv_walk(&px->loop, close_handle, NULL);
	(void)uv_run(&px->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&px->loop);
	free(px->services);
	if (px->listening) {
		fd_close(&px->listener);
		fd_close(&px->capture);
		fd_close(&px->dns);
	}
	px_io_free(px->io);
	through_close(px);
	if (px->snap != NULL)
		snapshot_unref(px->snap);
	px_events_fini(&px->events);
	buf_fini(&px->scratch);
	buf_fini(&px->parts);
	buf_fini(&px->ancestors);
	buf_fini(&px->links);
	rw_out_fini(&px->masked);
	creds_drop(px);
	advisor_free(px);
	synth_free(px->synth);
	told_free(px->told);
	toolbook_free(px->tools);
	free(px->received);
	(void)close(px->ctl);
	free(px);
}

int
net_main(int sock, struct net_late *late)
{
	struct px *px = NEW(struct px);
	struct err e;
	int status;

	log_set_name("net");
	(void)prctl(PR_SET_NAME, "openshell-net", 0, 0, 0);
	keep_only(sock);
	px->ctl = sock;
	px->received = NEW(union net_msg);
	px->tasks_end = &px->tasks;
	px->scratch = BUF_INIT(H1_RESPONSE_HEAD_MAX + 8192);
	px->parts = BUF_INIT(PARTS_MAX);
	px->ancestors = BUF_INIT(ANCESTORS_MAX);
	if (uv_loop_init(&px->loop) < 0)
		return 1;
	if (begin(px, late, &e) < 0) {
		give_up(px, &e);
		px->status = 1;
	} else {
		(void)uv_run(&px->loop, UV_RUN_DEFAULT);
		px_flows_free(px); /* their records are not to be lost */
		if (px->err.code != ERR_NONE)
			give_up(px, &px->err);
		else
			flush_last(px);
	}
	status = px->status;
	release(px);
	return status;
}
