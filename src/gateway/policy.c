/* policy: which policies a gateway accepts, and what a report about one does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/sha256.h"
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
	else
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

/* --- fingerprint --------------------------------------------------------- */

static void
le32(struct buf *b, int32_t v)
{
	for (unsigned shift = 0; shift < 32; shift += 8)
		buf_putc(b, (char)((uint32_t)v >> shift & 0xff));
}

uint64_t
gw_config_revision(const policy_wire_msg *policy, const char *hash,
    int32_t source, const char *setting, const char *value)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	unsigned char digest[SHA256_SIZE];
	uint64_t out = 0;

	le32(&b, source);
	if (policy != NULL)
		buf_puts(&b, hash);
	if (setting != NULL) {
		buf_puts(&b, setting);
		le32(&b, 1); /* of the sandbox */
		buf_putc(&b, 0); /* a string */
		buf_puts(&b, value);
	}
	sha256(buf_view(&b), digest);
	for (unsigned i = 0; i < 8; i++)
		out |= (uint64_t)digest[i] << (8 * i);
	return out;
}
