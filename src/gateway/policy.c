/* policy: which policies a gateway accepts, and what a report about one does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/sha256.h"
#include "codec/utf8.h"
#include "gateway/gw.h"
#include "policy/middleware.h"

enum { POLICY_PACKED_MAX = 262144 };

policy_wire_msg *
gw_policy_unpack(const char *p, size_t n)
{
	return openshell__sandbox__v1__sandbox_policy__unpack(
	    NULL, n, (const uint8_t *)p);
}

policy_wire_msg *
gw_policy_default(void)
{
	AUTO_POLICY struct policy *p = policy_default();

	return policy_wire_from(p);
}

static void
fill(char **at)
{
	if ((*at)[0] != '\0')
		return;
	if (*at != (char *)&protobuf_c_empty_string)
		free(*at);
	*at = mem_strdup("sandbox");
}

/* Identity fill, gateway-api 4.8. */
static void
fill_identity(policy_wire_msg *m)
{
	if (m->process == NULL) {
		m->process = NEW(Openshell__Sandbox__V1__ProcessPolicy);
		openshell__sandbox__v1__process_policy__init(m->process);
	}
	fill(&m->process->run_as_user);
	fill(&m->process->run_as_group);
}

/* All errors of one class, behind what their readers know them by. */
static void
join(const struct policy_findings *f, const char *class, const char *head,
    const char *between, struct buf *why)
{
	bool first = true;

	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].warning || strcmp(f->v[i].class, class) != 0)
			continue;
		if (first && why->n > 0)
			buf_putc(why, '\n');
		buf_puts(why, first ? head : between);
		buf_puts(why, f->v[i].text);
		first = false;
	}
}

/* Every reason is told, whatever its class. */
static void
explain(const struct policy_findings *f, struct buf *why)
{
	join(f, "safety", "policy contains unsafe content: ", "; ", why);
	join(f, "parse", "policy is invalid: ", "; ", why);
	join(f, "network", "L7 policy validation failed:\n", "\n", why);
}

static policy_wire_msg *
copy_of(const policy_wire_msg *in, struct buf *why)
{
	AUTO_BUF struct buf b = BUF_INIT(4 << 20);

	policy_wire_pack(in, &b);
	if (b.full || b.n > POLICY_PACKED_MAX) {
		buf_printf(why,
		    "policy serialized size exceeds maximum (%zu > %d)", b.n,
		    (int)POLICY_PACKED_MAX);
		return NULL;
	}
	return gw_policy_unpack(b.p != NULL ? b.p : "", b.n);
}

static int
check_static(
    const policy_wire_msg *baseline, const struct policy *next, struct buf *why)
{
	AUTO_FINDINGS struct policy_findings f = { 0 }, ignored = { 0 };
	AUTO_POLICY struct policy *now = NULL;

	if (policy_wire_to(baseline, &now, &ignored) < 0) {
		buf_puts(why, "the sandbox's own policy cannot be read");
		return -1;
	}
	if (policy_static_check(now, next, &f) == 0)
		return 0;
	join(&f, "static", "", "; ", why);
	return -1;
}

/* Rules that the gateway itself derives from providers have such keys. */
static int
check_keys(const policy_wire_msg *m, struct buf *why)
{
	for (size_t i = 0; i < m->n_network_policies; i++)
		if (view_starts(view_of(m->network_policies[i]->key),
			VIEW("_provider_"))) {
			buf_puts(why,
			    "names of network policies that begin with "
			    "_provider_ are reserved: ");
			buf_put_escaped(
			    why, view_of(m->network_policies[i]->key));
			return -1;
		}
	return 0;
}

int
gw_policy_accept(const struct gateway *g, const policy_wire_msg *in,
    const policy_wire_msg *baseline, policy_wire_msg **out, struct buf *why)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	policy_wire_msg *m = copy_of(in, why);
	int rc = -1;

	if (m == NULL)
		return -1;
	fill_identity(m);
	if (policy_wire_to(m, &p, &f) < 0 ||
	    policy_check_services(p, g->services.names, g->services.n, &f) < 0)
		explain(&f, why);
	else if (check_keys(m, why) == 0)
		rc = baseline != NULL ? check_static(baseline, p, why) : 0;
	if (rc < 0) {
		policy_wire_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

/*
 * Both rows or neither: a gateway killed between them would say for ever that
 * an older version is the active one.
 */
static int
store_report(struct sbx *s, uint32_t version, bool loaded, const char *error,
    struct err *e)
{
	struct store *st = s->g->store;
	uint32_t before = s->msg->current_policy_version;

	if (store_begin(st, e) < 0)
		return -1;
	if (loaded && version > before)
		s->msg->current_policy_version = version;
	if (store_revision_report(st, s->id, version,
		loaded ? STORE_LOADED : STORE_FAILED, error, clock_wall_ms(),
		e) < 0 ||
	    (s->msg->current_policy_version != before && sbx_save(s, e) < 0)) {
		store_rollback(st);
		s->msg->current_policy_version = before;
		return -1;
	}
	if (store_commit(st, e) == 0)
		return 0;
	s->msg->current_policy_version = before;
	return -1;
}

int
gw_policy_report(struct sbx *s, uint32_t version, bool loaded,
    const char *error, struct err *e)
{
	if (store_report(s, version, loaded, error, e) < 0)
		return -1;
	if (loaded)
		sbx_log(s, "INFO", "policy version %u is in force", version);
	else
		sbx_log(s, "WARN", "policy version %u was refused: %s", version,
		    error);
	sbx_notify(s);
	return 0;
}

int
gw_policy_store(struct sbx *s, const policy_wire_msg *policy,
    struct gw_revision *out, struct err *e)
{
	AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
	struct store_revision newest = { 0 };
	struct gw_revision r = { .added = true };
	bool same;

	policy_wire_hash(policy, r.hash);
	if (store_revision_get(s->g->store, s->id, 0, &newest, e) == 0) {
		same = strcmp(newest.hash, r.hash) == 0 &&
		       newest.status != STORE_FAILED;
		r.version = newest.version;
		store_revision_fini(&newest);
		if (same) {
			r.added = false;
			*out = r;
			return 0;
		}
	}
	policy_wire_pack(policy, &packed);
	if (store_revision_add(s->g->store, s->id, r.hash, buf_view(&packed),
		STORE_PENDING, clock_wall_ms(), &r.version, e) < 0)
		return -1;
	*out = r;
	return 0;
}

void
gw_policy_tell(struct sbx *s)
{
	attend_push(s);
	sbx_notify(s);
}

static int
read_wire(const policy_wire_msg *m, struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };

	if (m == NULL || policy_wire_to(m, out, &f) < 0)
		return err_set(e, ERR_INTERNAL,
		    "the database holds a policy that cannot be read");
	return 0;
}

int
gw_policy_now(struct sbx *s, struct policy **out, struct err *e)
{
	struct store_revision r = { 0 };
	policy_wire_msg *m;
	int rc;

	/* Without a revision there is what it was made with (4.11). */
	if (store_revision_wanted(s->g->store, s->id, &r, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (s->msg->spec != NULL && s->msg->spec->policy != NULL)
			return read_wire(s->msg->spec->policy, out, e);
		*out = policy_default();
		return 0;
	}
	m = gw_policy_unpack(r.payload, r.n);
	store_revision_fini(&r);
	rc = read_wire(m, out, e);
	policy_wire_free(m);
	return rc;
}

/* The revision that is wanted already. */
static int
unchanged(struct sbx *s, struct gw_revision *out, struct err *e)
{
	struct store_revision r = { 0 };

	*out = (struct gw_revision) { 0 };
	if (store_revision_wanted(s->g->store, s->id, &r, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	out->version = r.version;
	memcpy(out->hash, r.hash, sizeof(out->hash));
	store_revision_fini(&r);
	return 0;
}

int
gw_policy_revise(struct sbx *s, const struct policy *next,
    struct gw_revision *out, struct err *e)
{
	AUTO_BUF struct buf why = BUF_INIT(4096);
	const policy_wire_msg *baseline =
	    s->msg->spec != NULL ? s->msg->spec->policy : NULL;
	policy_wire_msg *m, *accepted = NULL;
	int rc;

	if (next == NULL)
		return unchanged(s, out, e);
	m = policy_wire_from(next);
	rc = gw_policy_accept(s->g, m, baseline, &accepted, &why);
	policy_wire_free(m);
	if (rc < 0) {
		struct view v = utf8_clip(buf_view(&why), 400);

		return err_set(e, ERR_INVALID, "%.*s", (int)v.n, v.p);
	}
	rc = gw_policy_store(s, accepted, out, e);
	policy_wire_free(accepted);
	return rc;
}

/* --- fingerprint --------------------------------------------------------- */

static void
le(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_putc(b, (char)(v >> (8 * i) & 0xff));
}

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

/* A tag byte, and the bytes of the value. */
static void
put_value(struct buf *b, const Openshell__Sandbox__V1__SettingValue *v)
{
	switch ((int)v->value_case) {
	case VALUE(STRING_VALUE):
		buf_putc(b, 0);
		buf_puts(b, v->string_value);
		break;
	case VALUE(BOOL_VALUE):
		buf_putc(b, 1);
		buf_putc(b, v->bool_value ? 1 : 0);
		break;
	case VALUE(INT_VALUE):
		buf_putc(b, 2);
		le(b, (uint64_t)v->int_value, 8);
		break;
	case VALUE(BYTES_VALUE):
		buf_putc(b, 3);
		buf_put(b, (struct view) { (const char *)v->bytes_value.data,
			       v->bytes_value.len });
		break;
	default:
		break;
	}
}

uint64_t
gw_config_revision(const Openshell__Sandbox__V1__GetSandboxConfigResponse *m)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	unsigned char digest[SHA256_SIZE];
	uint64_t out = 0;

	le(&b, (uint32_t)m->policy_source, 4);
	if (m->policy != NULL)
		buf_puts(&b, m->policy_hash);
	for (size_t i = 0; i < m->n_settings; i++) {
		buf_puts(&b, m->settings[i]->key);
		le(&b, (uint32_t)m->settings[i]->value->scope, 4);
		if (m->settings[i]->value->value != NULL)
			put_value(&b, m->settings[i]->value->value);
	}
	sha256(buf_view(&b), digest);
	for (unsigned i = 0; i < 8; i++)
		out |= (uint64_t)digest[i] << (8 * i);
	return out;
}
