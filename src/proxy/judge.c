/*
 * judge: puts the questions of a connection to the policy, for every program
 * that holds its socket.  All must be allowed; the treatment is the strictest
 * that any of them gets.
 */
#include "http/grpc.h"
#include "proxy/px.h"

#include "base/macros.h"

/* The connection's verdicts come from the newest snapshot from here on. */
void
px_pin(struct px_conn *c)
{
	if (c->snap == c->px->snap)
		return;
	if (c->snap != NULL)
		snapshot_unref(c->snap);
	c->snap = snapshot_ref(c->px->snap);
}

static void
merge(struct policy_conn *all, const struct policy_conn *one)
{
	all->protocol = MAX(all->protocol, one->protocol);
	all->h2c = all->h2c && one->h2c;
	if (!one->uninspected_credentials)
		all->uninspected_credentials = false;
	all->credentials |= one->credentials;
	if (one->enforcement == POLICY_ENFORCE)
		all->enforcement = POLICY_ENFORCE;
	if (one->tls == POLICY_TLS_AUTO)
		all->tls = POLICY_TLS_AUTO;
	all->exact_host = all->exact_host && one->exact_host;
	for (size_t i = 0; i < one->n_nets; i++) {
		if (all->n_nets == ARRAY_LEN(all->nets)) {
			/* A list that does not fit may not be dropped. */
			all->allow = false;
			return;
		}
		all->nets[all->n_nets++] = one->nets[i];
	}
}

/* In the snapshot `s`, which need not be the pinned one. */
bool
px_judge_conn(struct px_conn *c, struct snapshot *s, struct policy_conn *out,
    struct policy_reason *why)
{
	struct view host = view_of(c->dst.host);

	c->denied_owner = NULL;
	why->text[0] = '\0';
	for (unsigned i = 0; i < c->n_owners; i++) {
		struct policy_conn one;

		policy_decide_conn(
		    s, &c->owners[i].who, host, c->dst.port, &one, why);
		if (!one.allow) {
			c->denied_owner = &c->owners[i];
			*out = one;
			return false;
		}
		if (i == 0)
			*out = one;
		else
			merge(out, &one);
	}
	if (c->n_owners == 0 || !out->allow) {
		(void)snprintf(why->text, sizeof(why->text),
		    c->n_owners == 0 ? "missing input.exec"
				     : "the programs that share the socket "
				       "have too many allowed_ips lists");
		return false;
	}
	return true;
}

/* The strictest of them, as the treatment of a path is. */
static void
keep_strict(struct policy_verdict *all, const struct policy_verdict *one)
{
	bool operations = all->operations || one->operations;
	enum policy_enforcement e = one->enforcement == POLICY_ENFORCE
					? POLICY_ENFORCE
					: all->enforcement;
	enum policy_protocol p = MAX(all->protocol, one->protocol);

	*all = *one;
	all->operations = operations && one->allow;
	all->enforcement = e;
	all->protocol = p;
}

bool
px_judge_request(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why)
{
	struct view host = view_of(c->dst.host);

	c->denied_owner = NULL;
	*out = (struct policy_verdict) { .enforcement = POLICY_AUDIT };
	for (unsigned i = 0; i < c->n_owners; i++) {
		struct policy_verdict one;

		policy_decide_request(
		    s, &c->owners[i].who, host, c->dst.port, r, &one, why);
		keep_strict(out, &one);
		if (!out->allow) {
			c->denied_owner = &c->owners[i];
			return false;
		}
	}
	return c->n_owners > 0 && out->allow;
}

bool
px_judge_op(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, const struct policy_op *op,
    struct policy_verdict *out, struct policy_reason *why)
{
	struct view host = view_of(c->dst.host);

	c->denied_owner = NULL;
	*out = (struct policy_verdict) { .enforcement = POLICY_AUDIT };
	for (unsigned i = 0; i < c->n_owners; i++) {
		struct policy_verdict one;

		policy_decide_op(
		    s, &c->owners[i].who, host, c->dst.port, r, op, &one, why);
		keep_strict(out, &one);
		if (!out->allow) {
			c->denied_owner = &c->owners[i];
			return false;
		}
	}
	return c->n_owners > 0 && out->allow;
}

const char *
px_grpc_op(const struct px_conn *c, struct view path, struct policy_op *out)
{
	*out = (struct policy_op) { .kind = POLICY_OP_GRPC };
	if (!c->hx.grpc)
		return "Content-Type is not application/grpc";
	return grpc_path(path, &out->service, &out->method)
		   ? NULL
		   : "the path is not /Service/Method";
}

bool
px_judge_grpc(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why)
{
	struct policy_op op;
	const char *wrong;

	if (out->protocol != POLICY_PROTO_GRPC) {
		/* None of the inspectors is there that could read them. */
		out->enforcement = POLICY_ENFORCE;
		(void)snprintf(why->text, sizeof(why->text),
		    "operations of protocol %s cannot be judged",
		    policy_protocol_word(out->protocol));
		return false;
	}
	wrong = px_grpc_op(c, r->path, &op);
	if (wrong != NULL) {
		(void)snprintf(why->text, sizeof(why->text),
		    "not a call of gRPC, which alone is allowed here: %s",
		    wrong);
		return false;
	}
	if (!px_judge_op(c, s, r, &op, out, why))
		return false;
	out->operations = false; /* this was it */
	return true;
}

bool
px_treat_request(struct px_conn *c, struct snapshot *s, struct view path,
    struct policy_treatment *out)
{
	struct view host = view_of(c->dst.host);

	for (unsigned i = 0; i < c->n_owners; i++) {
		struct policy_treatment one;

		if (!policy_treat_request(
			s, &c->owners[i].who, host, c->dst.port, path, &one)) {
			*out = one;
			return false;
		}
		if (i == 0)
			*out = one;
		else
			policy_treatment_merge(out, &one);
	}
	return c->n_owners > 0;
}
