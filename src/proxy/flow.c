#include "proxy/flow.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "proxy/px.h"
#include "proxy/told.h"

struct entry {
	uint32_t id; /* 0: free */
	uint64_t began; /* loop time, ms */
	struct flow f;
	uint64_t held;
};

struct px_flows {
	struct px *px;
	uv_timer_t timer;
	uint32_t serial;
	unsigned n;
	struct entry *v[PX_FLOWS_MAX];
};

/* Once. */
static void
send_reply(struct px *px, struct flow_reply *r)
{
	struct iovec io = { .iov_base = (char *)r->bytes, .iov_len = r->n };
	struct msghdr m = { .msg_name = (char *)r->to,
		.msg_namelen = (socklen_t)r->n_to,
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = (char *)r->control,
		.msg_controllen = r->n_control };

	/* A datagram that is lost is asked for again. */
	if (r->n > 0)
		(void)!sendmsg(px->dns, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	r->n = 0;
}

static void
record(struct px *px, const struct flow *f, uint64_t held,
    const struct px_owner *o)
{
	AUTO_BUF struct buf ancestors =
	    BUF_INIT(NET_ANCESTORS_TEXT + 4 * NET_ANCESTORS);
	AUTO_BUF struct buf reason = BUF_INIT(1024);
	struct audit_event ev = { .kind = f->kind,
		.action = AUDIT_DENY,
		.stage = view_of(f->stage),
		.binary = VIEW("-"),
		.host = view_of(f->host),
		.port = f->port,
		.policy = VIEW("-"),
		.generation = snapshot_generation(px->snap),
		.detail = view_of(f->detail) };

	buf_puts(&reason, f->reason);
	if (held > 0)
		buf_printf(&reason, "; %llu more were not recorded",
		    (unsigned long long)held);
	ev.reason = buf_view(&reason);
	if (o != NULL) {
		px_put_ancestors(o, &ancestors);
		ev.binary = o->who.exe;
		ev.ancestors = buf_view(&ancestors);
		ev.pid = o->pid;
		ev.sha256 = o->sha256;
	}
	px_events_add(&px->events, &ev);
}

static void
finish(struct px_flows *v, unsigned i, const struct px_owner *o)
{
	struct entry *at = take_ptr(v->v[i]);

	v->n--;
	record(v->px, &at->f, at->held, o);
	send_reply(v->px, &at->f.reply);
	free(at);
	if (v->n == 0)
		(void)uv_timer_stop(&v->timer);
}

static void
on_timer(uv_timer_t *t)
{
	struct px_flows *v = t->data;
	uint64_t now = uv_now(&v->px->loop);

	for (unsigned i = 0; i < PX_FLOWS_MAX; i++) {
		struct entry *at = v->v[i];

		if (at != NULL && now - at->began >= PX_FLOW_MS)
			finish(v, i, NULL);
		else if (at != NULL && now - at->began >= PX_FLOW_REPLY_MS)
			send_reply(v->px, &at->f.reply);
	}
}

static struct px_flows *
flows(struct px *px)
{
	struct px_flows *v = px->flows;

	if (v == NULL) {
		v = px->flows = NEW(struct px_flows);
		v->px = px;
		(void)uv_timer_init(&px->loop, &v->timer);
		v->timer.data = v;
	}
	return v;
}

static int
ask(struct px *px, uint32_t id, const struct flow *f, struct err *e)
{
	union net_msg *m = px->events.msg;

	memset(&m->who, 0, sizeof(m->who));
	m->who.id = id;
	m->who.family = f->peer.family;
	m->who.protocol = IPPROTO_UDP;
	m->who.peer_port = f->peer_port;
	m->who.local_port = f->local_port;
	memcpy(m->who.peer, f->peer.b, sizeof(m->who.peer));
	memcpy(m->who.local, f->local.b, sizeof(m->who.local));
	return net_send(px->ctl, m, NET_WHO, NULL, 0, e);
}

/* false: no place, or ctl is busy; then nobody is asked. */
static bool
begin(struct px_flows *v, const struct flow *f, uint64_t held)
{
	unsigned i = 0;
	struct entry *at;
	struct err e;

	while (i < PX_FLOWS_MAX && v->v[i] != NULL)
		i++;
	if (i == PX_FLOWS_MAX || f->peer.family != f->local.family)
		return false;
	at = NEW(struct entry);
	at->id = PX_FLOW_ID + ++v->serial % PX_FLOW_ID;
	at->began = uv_now(&v->px->loop);
	at->held = held;
	at->f = *f;
	if (ask(v->px, at->id, f, &e) < 0) {
		free(at);
		return false;
	}
	v->v[i] = at;
	if (v->n++ == 0)
		(void)uv_timer_start(&v->timer, on_timer, PX_FLOW_REPLY_MS,
		    PX_FLOW_REPLY_MS / 3);
	return true;
}

void
px_flow_refused(struct px *px, struct flow *f)
{
	struct view parts[] = { view_of(f->stage), view_of(f->host),
		{ (const char *)&f->port, sizeof(f->port) } };
	uint64_t key = told_key(parts, ARRAY_LEN(parts)), held;

	if (!told_tell(
		told_of(&px->told), key, true, uv_now(&px->loop), &held)) {
		send_reply(px, &f->reply);
		return;
	}
	if (begin(flows(px), f, held))
		return;
	record(px, f, held, NULL);
	send_reply(px, &f->reply);
}

/* Programs that share a socket: the first stands for them. */
void
px_flow_identity(struct px *px, const struct net_identity *m)
{
	struct px_owner *o = NULL;
	unsigned n = 0;

	for (unsigned i = 0; px->flows != NULL && i < PX_FLOWS_MAX; i++) {
		if (px->flows->v[i] == NULL || px->flows->v[i]->id != m->id)
			continue;
		/* Also one that is not what it was: it asked. */
		if (m->ok || m->sha256[0] != '\0')
			px_owner_add(&o, &n, m);
		finish(px->flows, i, o);
		px_owners_free(&o, &n);
		return;
	}
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
px_flows_free(struct px *px)
{
	struct px_flows *v = take_ptr(px->flows);

	if (v == NULL)
		return;
	for (unsigned i = 0; i < PX_FLOWS_MAX; i++)
		if (v->v[i] != NULL)
			finish(v, i, NULL);
	uv_close((uv_handle_t *)&v->timer, on_closed);
}
