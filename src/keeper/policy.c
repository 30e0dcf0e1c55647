/*
 * policy: revisions of the gateway and of the session with ctl, which count
 * separately: the session's begin with the policy of SPEC and only grow.
 */
#include <string.h>

#include "base/fd.h"
#include "keeper/impl.h"
#include "policy/middleware.h"

/* The gateway may know more of them than this sandbox was made with. */
static int
check_services(const struct keeper *k, const policy_wire_msg *m, struct err *e)
{
	for (size_t i = 0; i < m->n_network_middlewares; i++) {
		const Openshell__Sandbox__V1__NetworkMiddleware *w =
		    m->network_middlewares[i]->value;
		struct view name =
		    w != NULL ? view_of(w->middleware) : VIEW("");

		if (!view_starts(name, VIEW(POLICY_BUILT_IN)) &&
		    services_find(&k->services, name) == NULL)
			return err_set(e, ERR_INVALID,
			    "middleware '%.64s' was registered after this "
			    "sandbox was made: make it anew",
			    name.p);
	}
	return 0;
}

static int
send_policy(
    struct keeper *k, const Openshell__Supervisor__V1__Policy *p, struct err *e)
{
	AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_CLOSE int fd = -1;

	if (k->n_sent == KEEPER_POLICIES_MAX)
		return err_set(e, ERR_LIMIT,
		    "too many policy changes at once; send it again");
	if (check_services(k, p->policy, e) < 0)
		return -1;
	policy_wire_yaml(p->policy, &yaml);
	if (yaml.full)
		return err_set(e, ERR_LIMIT, "the policy is too large");
	if (memfd_seal(buf_view(&yaml), &fd, e) < 0)
		return -1;
	memset(&k->m.policy, 0, sizeof(k->m.policy));
	k->m.policy.revision = ++k->revision;
	k->sent[k->n_sent] = (struct keeper_policy) { k->revision, p->version,
		p->global_version, "" };
	policy_wire_hash(p->policy, k->sent[k->n_sent].hash);
	(void)snprintf(k->m.policy.hash, sizeof(k->m.policy.hash), "%s",
	    k->sent[k->n_sent].hash);
	k->n_sent++;
	if (keeper_send(k, SESSION_POLICY, &fd, 1, e) == 0)
		return 0;
	k->n_sent--;
	return -1;
}

static bool
is_same(
    const struct keeper_policy *a, const Openshell__Supervisor__V1__Policy *b)
{
	return a->version == b->version && a->global == b->global_version;
}

/*
 * Only the last one counts: of own, global, own the third is wanted again, and
 * not what the second put out of force.
 */
static bool
is_under_way(const struct keeper *k, const Openshell__Supervisor__V1__Policy *p)
{
	return k->n_sent > 0 && is_same(&k->sent[k->n_sent - 1], p);
}

void
keeper_policy_wanted(
    struct keeper *k, const Openshell__Supervisor__V1__Policy *p)
{
	struct keeper_policy refused = { .version = p->version,
		.global = p->global_version };
	char hash[65];
	struct err e;

	if (p->policy == NULL || k->stopping || is_under_way(k, p))
		return;
	policy_wire_hash(p->policy, hash);
	/* In force already, and nothing else is on its way. */
	if (k->n_sent == 0 && strcmp(hash, k->now.hash) == 0) {
		bool told = is_same(&k->now, p);

		k->now.version = p->version;
		k->now.global = p->global_version;
		if (told)
			return; /* Hello said it */
		/* Not before it is true: see keeper.c, on isolated. */
		if (k->isolated)
			link_policy_status(k, &k->now, true, "");
		return;
	}
	if (send_policy(k, p, &e) < 0) {
		struct audit_event ev = { .kind = AUDIT_POLICY,
			.action = AUDIT_DENY,
			.stage = VIEW("policy"),
			.reason = view_of(e.text) };

		record_event(k, &ev);
		link_policy_status(k, &refused, false, e.text);
	}
}

void
keeper_policy_answer(struct keeper *k, const struct session_policy_status *m)
{
	struct keeper_policy p;
	size_t i = 0;

	while (i < k->n_sent && k->sent[i].revision != m->revision)
		i++;
	if (i == k->n_sent)
		return; /* the one of SPEC */
	p = k->sent[i];
	memmove(&k->sent[i], &k->sent[i + 1],
	    (k->n_sent - i - 1) * sizeof(k->sent[0]));
	k->n_sent--;
	if (m->loaded)
		k->now = p;
	link_policy_status(k, &p, m->loaded != 0, m->text);
}
