/*
 * identity_ask: who holds the client's socket?  ctl knows; net asks.
 *
 * Attack: a socket shared between an allowed and another program.  Every
 * owner is kept, and judge.c lets nobody through unless all of them may.
 */
#include "proxy/px.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "proxy/flow.h"

void
px_owners_free(struct px_owner **owners, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		free((*owners)[i].text);
	free(take_ptr(*owners));
	*n = 0;
}

static int
fill_tuple(const struct px_conn *c, struct net_who *w, struct err *e)
{
	struct sockaddr_storage peer, local;
	socklen_t np = sizeof(peer), nl = sizeof(local);
	struct addr a, b;

	if (getpeername(c->client.fd, (struct sockaddr *)&peer, &np) < 0 ||
	    getsockname(c->client.fd, (struct sockaddr *)&local, &nl) < 0)
		return err_sys(e, "name the client's socket");
	if (!addr_from_sockaddr((struct sockaddr *)&peer, &a, &w->peer_port) ||
	    !addr_from_sockaddr((struct sockaddr *)&local, &b, &w->local_port))
		return err_set(e, ERR_INVALID, "client is not over IP");
	a = addr_unmap(a);
	b = addr_unmap(b);
	/* A redirected client's own socket still names where it wanted to go.
	 */
	if (c->direct && c->orig.family == a.family) {
		b = c->orig;
		w->local_port = c->orig_port;
	}
	w->family = a.family;
	w->protocol = IPPROTO_TCP;
	memcpy(w->peer, a.b, sizeof(w->peer));
	memcpy(w->local, b.b, sizeof(w->local));
	return 0;
}

static int
ask(struct px_conn *c, struct err *e)
{
	union net_msg *m = c->px->events.msg; /* one buffer for all we send */

	memset(&m->who, 0, sizeof(m->who));
	m->who.id = c->id;
	if (fill_tuple(c, &m->who, e) < 0)
		return -1;
	c->src.family = m->who.family;
	memcpy(c->src.b, m->who.peer, sizeof(c->src.b));
	c->src_port = m->who.peer_port;
	return net_send(c->px->ctl, m, NET_WHO, NULL, 0, e);
}

/* Sends the question, or leaves it for when ctl takes messages again. */
static int
ask_or_wait(struct px_conn *c, struct err *e)
{
	c->who_unsent = false;
	if (ask(c, e) == 0) {
		c->who_sent = true;
		return 0;
	}
	if (e->code != ERR_AGAIN)
		return -1;
	c->who_unsent = c->px->who_unsent = true;
	return 0;
}

void
px_who_retry(struct px *px)
{
	if (!px->who_unsent)
		return;
	px->who_unsent = false;
	for (unsigned i = 0; i < PX_SLOTS; i++)
		if (px->slot[i] != NULL && px->slot[i]->who_unsent)
			px_run(px->slot[i]);
}

/* Nobody, or somebody who is not what it was: then owners[0] says who. */
static enum px_next
unknown(struct px_conn *c)
{
	struct policy_reason why;

	(void)snprintf(why.text, sizeof(why.text), "%s%s",
	    c->n_owners > 0 ? "" : "failed to resolve peer binary: ",
	    c->identity_err.text);
	px_pin(c);
	return px_deny_conn(c, &why);
}

/* Where programs are not told apart, somebody asks whom we need not know. */
static void
stand_in(struct px_conn *c)
{
	static const struct net_identity nobody = { .exe = "-" };

	c->identity_err = (struct err) { .code = ERR_NONE };
	px_owners_free(&c->owners, &c->n_owners);
	px_owner_add(&c->owners, &c->n_owners, &nobody);
}

enum px_next
px_identify(struct px_conn *c)
{
	/* Names are for every program; who asks is for the record only. */
	if (c->identity_known && c->dns) {
		px_go(c, PX_DNS);
		return PX_MORE;
	}
	if (c->identity_known && c->identity_err.code != ERR_NONE) {
		if (!c->px->any_binary)
			return unknown(c);
		stand_in(c);
	}
	if (c->identity_known) {
		px_go(c, PX_DECIDE);
		return PX_MORE;
	}
	c->client.reading = false;
	if (!c->who_sent && ask_or_wait(c, &c->identity_err) < 0)
		return unknown(c);
	return PX_WAIT;
}

_Static_assert((int)NET_ANCESTORS <= (int)POLICY_ANCESTORS_MAX, "they fit");

static struct view
text_of(const char *p, size_t max)
{
	return (struct view) { p, strnlen(p, max) };
}

/* Copies what the message says into storage of its own. */
void
px_owner_add(
    struct px_owner **owners, unsigned *n_owners, const struct net_identity *m)
{
	struct px_owner *o;
	struct view parts[3 + NET_ANCESTORS];
	size_t n = 0, total = 0;
	char *at;

	*owners = mem_realloc(*owners, *n_owners + 1, sizeof(*o));
	o = &(*owners)[(*n_owners)++];
	*o = (struct px_owner) { .pid = m->pid };
	parts[n++] = text_of(m->exe, sizeof(m->exe));
	parts[n++] = text_of(m->sha256, sizeof(m->sha256));
	parts[n++] = text_of(m->cmdline, sizeof(m->cmdline));
	for (size_t i = 0, from = 0; i < m->n_ancestors && i < NET_ANCESTORS &&
				     from < sizeof(m->ancestors);
	     i++) {
		parts[n] =
		    text_of(m->ancestors + from, sizeof(m->ancestors) - from);
		from += parts[n++].n + 1;
	}
	for (size_t i = 0; i < n; i++)
		total += parts[i].n;
	at = o->text = mem_calloc(1, total + 1);
	for (size_t i = 0; i < n; i++) {
		if (parts[i].n > 0)
			memcpy(at, parts[i].p, parts[i].n);
		parts[i].p = at;
		at += parts[i].n;
	}
	o->who.exe = parts[0];
	o->sha256 = parts[1];
	o->who.cmdline = parts[2];
	o->who.n_ancestors = n - 3;
	memcpy(o->who.ancestors, parts + 3, (n - 3) * sizeof(parts[0]));
}

void
px_identity_answer(struct px *px, const struct net_identity *m)
{
	struct px_conn *c = px->slot[m->id % PX_SLOTS];

	if (m->id >= PX_FLOW_ID) {
		px_flow_identity(px, m);
		return;
	}
	/* The connection may have ended meanwhile. */
	if (c == NULL || c->id != m->id || !c->who_sent || c->identity_known)
		return;
	if (!m->ok) {
		(void)err_set(&c->identity_err, ERR_NOT_FOUND, "%.*s",
		    (int)strnlen(m->reason, sizeof(m->reason)), m->reason);
		/* Only for the record: it is never asked about. */
		px_owners_free(&c->owners, &c->n_owners);
		if (m->sha256[0] != '\0')
			px_owner_add(&c->owners, &c->n_owners, m);
	} else if (c->n_owners == PX_OWNERS_MAX) {
		(void)err_set(&c->identity_err, ERR_LIMIT,
		    "more than %d programs share the socket", PX_OWNERS_MAX);
		px_owners_free(&c->owners, &c->n_owners);
	} else {
		px_owner_add(&c->owners, &c->n_owners, m);
	}
	if (m->more && m->ok)
		return;
	c->identity_known = true;
	px_run(c);
}
