/*
 * ctl_net: what the proxy asks and reports.
 *
 * net meets hostile bytes, so it is believed in one thing only: what it says
 * about traffic.  Records are passed on as they are; ctl does not parse them.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "sandbox/ctl_impl.h"

void
ctl_to_net(struct ctl *c, enum net_type type, const int *fds, unsigned nfds)
{
	struct err e = { .code = ERR_AGAIN };

	if (c->net_sock < 0 || c->state >= CTL_DRAINING)
		return;
	if (c->to_net.n == 0 &&
	    net_send(c->net_sock, &c->n, type, fds, nfds, &e) == 0)
		return;
	if (c->to_net.n > 0) {
		c->n.hdr = (struct net_hdr) { NET_VERSION, (uint16_t)type,
			(uint32_t)net_size(type, &c->n) };
	} else if (e.code != ERR_AGAIN) {
		LOG_ERROR("NET_SEND", KV_STR("reason", e.text));
		return; /* the end of its socket says the rest */
	}
	if (outq_push(&c->to_net, &c->n, c->n.hdr.size, fds, nfds, &e) < 0)
		ctl_fail_err(c, "message to the proxy", &e);
}

static void
pass_on(struct ctl *c, const char *json, uint32_t n)
{
	_Static_assert(
	    (int)SESSION_EVENTS_MAX >= (int)NET_EVENTS_MAX, "records fit");
	c->m.events.pad = 0;
	c->m.events.n = n;
	memcpy(c->m.events.json, json, n);
	ctl_to_owner(c, SESSION_EVENTS, NULL, 0);
}

/*
 * The records that it kept for others to come.  It may still write there: what
 * is looked at is a copy.
 */
static void
pass_on_late(struct ctl *c)
{
	struct net_late *late = take_ptr(c->late);
	struct net_events *m = &c->from_net.events;
	uint64_t known;
	uint32_t n;

	if (late == NULL)
		return;
	n = atomic_load_explicit(&late->n, memory_order_acquire);
	known = c->recorded - late->before; /* killed between two steps */
	if (n <= sizeof(m->json) && known < n) {
		n -= (uint32_t)known;
		memcpy(m->json, late->json + known, n);
		if (m->json[n - 1] == '\n')
			pass_on(c, m->json, n);
	}
	(void)munmap(late, sizeof(*late));
}

void
ctl_net_gone(struct ctl *c)
{
	if (c->net_sock < 0)
		return;
	if (c->watching)
		(void)uv_poll_stop(&c->net_poll);
	(void)uv_timer_stop(&c->deadline);
	fd_close(&c->net_sock);
	outq_fini(&c->to_net);
	pass_on_late(c);
	ctl_fail(c, "the proxy died: the sandbox has no way out, and ends");
	ctl_watch(c);
}

static void
on_ca(struct ctl *c, const union net_msg *m)
{
	if (c->ca.n > 0 || c->state != CTL_STARTING) {
		ctl_fail(c, "the proxy sent a second CA");
		return;
	}
	c->ca = BUF_INIT(NET_PEM_MAX);
	buf_put(&c->ca, (struct view) { m->ca.pem, m->ca.n });
	ctl_try_isolate(c);
}

static void
on_status(struct ctl *c, const union net_msg *m)
{
	ctl_policy_answer(c, &m->policy_status);
}

static void
on_who(struct ctl *c, const union net_msg *m)
{
	if (c->identity == NULL) {
		ctl_fail(c, "the proxy asks before there is a sandbox");
		return;
	}
	identity_ask(c->identity, &m->who);
}

static void
on_events(struct ctl *c, const union net_msg *m)
{
	c->recorded += m->events.n;
	pass_on(c, m->events.json, m->events.n);
}

static void
on_failed(struct ctl *c, const union net_msg *m)
{
	char text[SESSION_TEXT];

	(void)snprintf(
	    text, sizeof(text), "the proxy failed\n%.900s", m->failed.text);
	ctl_fail(c, text);
}

/* Not looked into: whoever decides reads it as strictly as net did. */
static void
on_propose(struct ctl *c, const union net_msg *m)
{
	c->m.propose = m->propose;
	ctl_to_owner(c, SESSION_PROPOSE, NULL, 0);
}

static void
on_inquire(struct ctl *c, const union net_msg *m)
{
	c->m.inquire = m->inquire;
	ctl_to_owner(c, SESSION_INQUIRE, NULL, 0);
}

void
ctl_read_packets(struct ctl *c)
{
	enum { BATCH = 16 };
	struct net_packets *m = &c->n.packets;

	for (unsigned i = 0; i < BATCH && c->to_net.n == 0; i++) {
		ssize_t n =
		    recv(c->packets, m->bytes, sizeof(m->bytes), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS)
			continue; /* more than fit; its rate says as much */
		if (n <= 0)
			return;
		m->n = (uint32_t)n;
		m->pad = 0;
		ctl_to_net(c, NET_PACKETS, NULL, 0);
	}
}

void
ctl_follow_links(struct ctl *c, const struct policy *p)
{
	AUTO_BUF struct buf text = BUF_INIT(NET_LINKS_MAX);
	AUTO_CLOSE int fd = -1;
	struct err e;

	if (!links_follow(c->links, p))
		return;
	links_put(c->links, &text);
	if (memfd_seal(buf_view(&text), &fd, &e) < 0) {
		/* Fewer programs are known by their names: none too many. */
		LOG_ERROR("LINKS", KV_STR("reason", e.text));
		return;
	}
	memset(&c->n.links, 0, sizeof(c->n.links));
	c->n.links.n = (uint32_t)text.n;
	ctl_to_net(c, NET_LINKS, &fd, 1);
}

static void (*const net_handlers[])(struct ctl *, const union net_msg *) = {
	[NET_CA] = on_ca,
	[NET_POLICY_STATUS] = on_status,
	[NET_WHO] = on_who,
	[NET_EVENTS] = on_events,
	[NET_FAILED] = on_failed,
	[NET_PROPOSE] = on_propose,
	[NET_INQUIRE] = on_inquire,
};

/* A batch at a time, so that neither owner nor commands wait for a busy net. */
void
ctl_read_net(struct ctl *c)
{
	for (unsigned batch = 0; batch < 32 && c->net_sock >= 0 &&
				 c->to_owner.bytes < CTL_EVENTS_MAX;
	     batch++) {
		int fds[FD_MSG_MAX];
		unsigned nfds = 0;
		struct err e;
		int rc = net_recv(
		    c->net_sock, NET_SIDE_CTL, &c->from_net, fds, &nfds, &e);

		if (rc < 0 && e.code == ERR_AGAIN)
			return;
		if (rc == 0) {
			ctl_net_gone(c);
			return;
		}
		if (rc < 0) {
			ctl_fail_err(c, "the proxy broke the protocol", &e);
			return;
		}
		/* net_recv lets pass only types that net may send. */
		net_handlers[c->from_net.hdr.type](c, &c->from_net);
	}
}
