#include "sandbox/msg.h"

#include <string.h>

static const struct msg_rule *
rule_of(const struct msg_proto *p, unsigned type)
{
	return type < p->n_rules && p->rules[type].name != NULL
		   ? &p->rules[type]
		   : NULL;
}

/* The size this message must have; 0 when its own count is absurd. */
static size_t
size_of(const struct msg_rule *r, const void *msg)
{
	uint32_t n;

	if (r->n_at == 0)
		return r->size;
	memcpy(&n, (const char *)msg + r->n_at, sizeof(n));
	return n <= r->size - r->data_at ? r->data_at + n : 0;
}

/* The rows of both sides together: what must hold whoever sends it. */
static int
check_row(const struct msg_proto *p, const struct msg_rule *r, const void *msg,
    size_t got, unsigned nfds, struct err *e)
{
	size_t least = r->n_at > 0 ? r->data_at : r->size;

	if (got < least || got != size_of(r, msg))
		return err_set(e, ERR_PROTO, "%s: %s has the wrong size",
		    p->name, r->name);
	if (nfds < r->fds_min || nfds > r->fds_max)
		return err_set(e, ERR_PROTO, "%s: %s with %u descriptors",
		    p->name, r->name, nfds);
	if (r->ok != NULL && !r->ok(msg, nfds))
		return err_set(e, ERR_PROTO, "%s: %s contradicts itself",
		    p->name, r->name);
	return 0;
}

int
msg_check(const struct msg_proto *p, unsigned self, void *msg, size_t got,
    unsigned nfds, struct err *e)
{
	const struct msg_rule *r;
	struct msg_hdr h;

	if (got < sizeof(h))
		return err_set(
		    e, ERR_PROTO, "%s: message without a header", p->name);
	memcpy(&h, msg, sizeof(h));
	if (h.version != p->version)
		return err_set(e, ERR_PROTO,
		    "%s: version %u, this program speaks %u", p->name,
		    h.version, p->version);
	r = rule_of(p, h.type);
	if (r == NULL || r->from == self || h.size != got)
		return err_set(
		    e, ERR_PROTO, "%s: type %u refused", p->name, h.type);
	if (check_row(p, r, msg, got, nfds, e) < 0)
		return -1;
	for (const struct msg_text *t = r->text; t->size > 0; t++)
		((char *)msg)[t->at + t->size - 1] = '\0';
	return 0;
}

size_t
msg_size(const struct msg_proto *p, unsigned type, const void *msg)
{
	const struct msg_rule *r = rule_of(p, type);

	return r != NULL ? size_of(r, msg) : 0;
}

int
msg_send(const struct msg_proto *p, int sock, void *msg, unsigned type,
    const int *fds, unsigned nfds, struct err *e)
{
	const struct msg_rule *r = rule_of(p, type);
	struct msg_hdr h = { p->version, (uint16_t)type, 0 };

	if (r == NULL)
		return err_set(
		    e, ERR_INTERNAL, "%s: no type %u", p->name, type);
	h.size = (uint32_t)size_of(r, msg);
	memcpy(msg, &h, sizeof(h));
	if (check_row(p, r, msg, h.size, nfds, e) < 0) {
		e->code = ERR_INTERNAL;
		return -1;
	}
	if (fd_send(sock, msg, h.size, fds, nfds, e) < 0)
		return err_wrap(e, "%s: send %s", p->name, r->name);
	return 0;
}

int
msg_recv(const struct msg_proto *p, unsigned self, int sock, void *msg,
    size_t max, int fds[FD_MSG_MAX], unsigned *nfds, struct err *e)
{
	ssize_t got = fd_recv(sock, msg, max, fds, nfds, e);

	if (got > 0 && msg_check(p, self, msg, (size_t)got, *nfds, e) == 0)
		return 1;
	while (*nfds > 0)
		fd_close(&fds[--*nfds]);
	return got == 0 ? 0 : -1;
}
