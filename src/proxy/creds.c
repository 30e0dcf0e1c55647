#include "proxy/creds.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "secrets/profile.h"

static void
record(struct px *px, enum audit_action action, struct view text)
{
	struct audit_event ev = { .kind = AUDIT_CREDENTIALS,
		.action = action,
		.stage = VIEW("credentials"),
		.reason = text,
		.generation = px->generation };

	px_events_add(&px->events, &ev);
}

void
creds_drop(struct px *px)
{
	reflect_free(take_ptr(px->reflect));
	creds_free(take_ptr(px->creds));
}

/* Exactly n bytes, straight into memory that is not swapped. */
static int
read_locked(int fd, size_t n, struct locked *out, struct err *e)
{
	size_t at = 0;

	if (n > CREDS_BYTES_MAX)
		return err_set(
		    e, ERR_LIMIT, "more than %d bytes", (int)CREDS_BYTES_MAX);
	if (locked_new(n, out, e) < 0)
		return -1;
	while (at < n) {
		ssize_t r = pread(fd, out->p + at, n - at, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			locked_free(out);
			return r < 0 ? err_sys(e, "read")
				     : err_set(e, ERR_PROTO, "cut off");
		}
		at += (size_t)r;
	}
	return 0;
}

/* How many have no value; each is recorded with the reason. */
static size_t
report_absent(struct px *px, const struct creds *all)
{
	int64_t now = clock_wall_ms();
	size_t n = 0;
	struct err why;

	for (size_t i = 0; i < all->n; i++) {
		if (cred_usable(&all->v[i], now, &why) == 0)
			continue;
		record(px, AUDIT_DENY, view_of(why.text));
		n++;
	}
	return n;
}

int
creds_take(struct px *px, int fd, uint32_t revision, size_t n, struct err *e)
{
	struct locked mem = { 0 };
	struct creds *next = NULL;
	struct reflect *reflect = NULL;
	AUTO_BUF struct buf text = BUF_INIT(200);
	int rc = read_locked(fd, n, &mem, e);

	if (rc == 0)
		rc = creds_read(&mem, revision, px->creds, &next, e);
	if (rc == 0 && (rc = reflect_new(next, px->creds, &reflect, e)) < 0)
		creds_free(take_ptr(next));
	creds_drop(px);
	px->creds = next;
	px->reflect = reflect;
	px->creds_change++;
	if (rc < 0) {
		(void)err_wrap(e, "credentials: none are in force");
		record(px, AUDIT_DENY, view_of(e->text));
		return -1;
	}
	buf_printf(&text, "credentials of revision %u: %zu in force%s",
	    revision, next->n - report_absent(px, next),
	    next->mem.held ? ""
			   : "; the system does not let them be kept "
			     "from swap (RLIMIT_MEMLOCK)");
	record(px, AUDIT_INFO, buf_view(&text));
	return 0;
}

/* --- where they may go -----------------------------------------------------
 */

/* Most policies say nothing: then it costs nothing to ask. */
const struct policy_treatment *
creds_terms(struct px_conn *c)
{
	static const struct policy_treatment nothing;

	return c->conn.credentials ? hx_treatment(c) : &nothing;
}

static bool
reaches(const struct cred *k, const struct px_conn *c)
{
	return profile_reaches(
	    k->type, k->key, view_of(c->dst.host), c->dst.port);
}

/* Some credential may go to this host and port, whatever the policy. */
static bool
creds_reach(struct px_conn *c)
{
	const struct creds *all = c->px->creds;

	if (c->creds_change == c->px->creds_change)
		return c->creds_reach;
	c->creds_change = c->px->creds_change;
	c->creds_reach = false;
	for (size_t i = 0; all != NULL && i < all->n && !c->creds_reach; i++)
		c->creds_reach = reaches(&all->v[i], c);
	return c->creds_reach;
}

bool
creds_here(struct px_conn *c)
{
	const struct creds *all = c->px->creds;
	struct view provider;

	if (creds_reach(c))
		return true;
	if (all == NULL)
		return false;
	provider = creds_terms(c)->provider;
	for (size_t i = 0; provider.n > 0 && i < all->n; i++)
		if (view_eq(all->v[i].provider, provider))
			return true;
	return false;
}

int
creds_gate(struct px_conn *c, struct err *e)
{
	if (c->conn.uninspected_credentials || !creds_reach(c) ||
	    (policy_protocol_is_inspected(c->conn.protocol) &&
		c->conn.tls != POLICY_TLS_SKIP))
		return 0;
	return err_set(e, ERR_DENIED,
	    "credentials of this sandbox belong to %s:%u, so its requests must "
	    "be inspected: give the endpoint of policy '%s' a protocol (rest) "
	    "with rules or access, and no tls: skip; or, to go without, "
	    "allow_uninspected_credentials",
	    c->dst.host, c->dst.port, c->policy);
}

static bool
bound(struct px_conn *c, const struct policy_treatment *t, const struct cred *k)
{
	/* Programs that share the socket, and may not send the same. */
	if (t->conflict)
		return false;
	if (t->provider.n > 0 && view_eq(t->provider, k->provider))
		return true;
	return profile_bound(k->type, k->key, view_of(c->dst.host), c->dst.port,
	    buf_view(&c->hx.path));
}

void
creds_note_use(struct px_conn *c, const struct cred *k)
{
	size_t n = strlen(c->hx.used);

	(void)snprintf(c->hx.used + n, sizeof(c->hx.used) - n, "%s%.*s of %.*s",
	    n > 0 ? ", " : "", (int)MIN(k->key.n, 64), k->key.p,
	    (int)MIN(k->provider.n, 64), k->provider.p);
}

int
creds_resolve(void *ctx, const struct ph *p, struct view *value, struct err *e)
{
	struct px_conn *c = ctx;
	const struct cred *k = creds_find(c->px->creds, p);
	if (k == NULL)
		return err_set(e, ERR_NOT_FOUND, "no such credential");
	if (!c->tls)
		return err_set(e, ERR_DENIED,
		    "a credential is sent over TLS only, never in the clear: "
		    "use https");
	if (!bound(c, creds_terms(c), k))
		return err_set(e, ERR_DENIED,
		    "the credential is not authorized for %s:%u%.200s: it "
		    "belongs to provider '%.*s'; to allow it, the endpoint in "
		    "the policy binds that provider (credential_binding)",
		    c->dst.host, c->dst.port,
		    c->hx.path.n > 0 ? buf_str(&c->hx.path) : "",
		    (int)MIN(k->provider.n, 100), k->provider.p);
	if (cred_usable(k, clock_wall_ms(), e) < 0)
		return -1;
	*value = k->value;
	creds_note_use(c, k);
	return 0;
}

const struct cred *
creds_bearer(struct px_conn *c, const struct policy_treatment *t)
{
	const struct creds *all = c->px->creds;
	const struct cred *only = NULL;

	for (size_t i = 0; c->tls && all != NULL && i < all->n; i++) {
		const struct cred *k = &all->v[i];

		if (k->put != CRED_BEARER || !bound(c, t, k))
			continue;
		if (t->provider.n > 0 && !view_eq(t->provider, k->provider))
			continue;
		if (only != NULL)
			return NULL; /* nobody says which */
		only = k;
	}
	return only;
}

const struct cred *
creds_named(
    struct px_conn *c, const struct policy_treatment *t, struct view key)
{
	const struct cred *k = creds_key(c->px->creds, t->provider, key);

	return k != NULL && c->tls && bound(c, t, k) ? k : NULL;
}
