/* rpc_sandbox: create, get, list and delete (gateway-api 4.2). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/sha256.h"
#include "gateway/gw.h"
#include "gateway/bounds.h"
#include "gateway/provider.h"
#include "gateway/vetting.h"

typedef Openshell__V1__CreateSandboxRequest create_msg;
typedef Openshell__Datamodel__V1__SandboxSpec spec_msg;
typedef Openshell__Datamodel__V1__SandboxTemplate template_msg;

enum {
	NAME_BYTES = 253,
	PROVIDERS_MAX = 32,
	LOG_LEVEL_BYTES = 32,
	ENTRIES_MAX = 128,
	TEMPLATE_BYTES = 1024,
	STRUCT_BYTES = 65536,
	NAME_TRIES = 5,
	SANDBOXES = 100
};

/* --- checks -------------------------------------------------------------- */

static int
check_struct(const char *field, const ProtobufCMessage *m, struct err *e)
{
	size_t n = m != NULL ? protobuf_c_message_get_packed_size(m) : 0;

	return n <= STRUCT_BYTES
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "%s serialized size exceeds maximum (%zu > %d)", field,
			 n, (int)STRUCT_BYTES);
}

static int
check_template(const template_msg *t, struct err *e)
{
	if (t == NULL)
		return 0;
	if (gw_check_length(
		"template.image", strlen(t->image), TEMPLATE_BYTES, e) < 0 ||
	    gw_check_length("template.runtime_class_name",
		strlen(t->runtime_class_name), TEMPLATE_BYTES, e) < 0 ||
	    gw_check_length("template.agent_socket", strlen(t->agent_socket),
		TEMPLATE_BYTES, e) < 0)
		return -1;
	if (gw_check_map("template.labels", t->n_labels, (void *)t->labels,
		ENTRIES_MAX, e) < 0 ||
	    gw_check_map("template.annotations", t->n_annotations,
		(void *)t->annotations, ENTRIES_MAX, e) < 0 ||
	    gw_check_map("template.environment", t->n_environment,
		(void *)t->environment, ENTRIES_MAX, e) < 0)
		return -1;
	if (check_struct("template.resources",
		t->resources != NULL ? &t->resources->base : NULL, e) < 0)
		return -1;
	return check_struct("template.volume_claim_templates",
	    t->volume_claim_templates != NULL ? &t->volume_claim_templates->base
					      : NULL,
	    e);
}

static int
check_environment(const spec_msg *spec, struct err *e)
{
	for (size_t i = 0; i < spec->n_environment; i++) {
		const char *k = spec->environment[i]->key;

		if (gw_check_variable(k, e) < 0)
			return -1;
		if (strncmp(k, "OPENSHELL_", 10) == 0)
			return err_set(e, ERR_INVALID,
			    "environment key '%.100s' is reserved", k);
	}
	return 0;
}

/* A DNS label: it becomes a path component, a host alias, part of a name. */
static bool
is_label(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > GW_NAME_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
			(s[i] >= '0' && s[i] <= '9') || s[i] == '-'))
			return false;
	return true;
}

static int
check_request(const create_msg *m, struct err *e)
{
	const spec_msg *spec = m->spec;

	if (spec == NULL)
		return err_set(e, ERR_INVALID, "spec is required");
	if (gw_check_length("name", strlen(m->name), NAME_BYTES, e) < 0)
		return -1;
	if (spec->n_providers > PROVIDERS_MAX)
		return err_set(e, ERR_INVALID,
		    "providers list exceeds maximum (%zu > %d)",
		    spec->n_providers, (int)PROVIDERS_MAX);
	if (gw_check_length(
		"log_level", strlen(spec->log_level), LOG_LEVEL_BYTES, e) < 0 ||
	    gw_check_map("spec.environment", spec->n_environment,
		(void *)spec->environment, ENTRIES_MAX, e) < 0 ||
	    check_template(spec->template_, e) < 0)
		return -1;
	if (m->name[0] != '\0' && !is_label(m->name))
		return err_set(e, ERR_INVALID,
		    "invalid sandbox name '%.100s': use 1 to 63 lower-case "
		    "letters, digits and hyphens, no hyphen at either end",
		    m->name);
	return check_environment(spec, e);
}

/* --- create -------------------------------------------------------------- */

static void
new_name(char out[GW_NAME_MAX + 1])
{
	static const char *const first[] = { "amber", "brave", "calm", "clear",
		"crisp", "daring", "deft", "eager", "early", "fair", "fleet",
		"gentle", "glad", "grand", "happy", "keen", "kind", "lively",
		"lucid", "merry", "mild", "neat", "noble", "nimble", "plain",
		"proud", "quick", "quiet", "rapid", "sharp", "steady",
		"witty" };
	static const char *const second[] = { "badger", "beaver", "bison",
		"cobra", "condor", "crane", "dingo", "dolphin", "eagle",
		"falcon", "ferret", "finch", "gecko", "heron", "ibis", "jackal",
		"koala", "lemur", "lynx", "marten", "newt", "ocelot", "osprey",
		"otter", "panda", "puffin", "raven", "robin", "stoat", "tapir",
		"walrus", "wombat" };
	unsigned char r[2];

	random_bytes(r, sizeof(r));
	(void)snprintf(out, GW_NAME_MAX + 1, "%s-%s",
	    first[r[0] % ARRAY_LEN(first)], second[r[1] % ARRAY_LEN(second)]);
}

static spec_msg *
copy_spec(const spec_msg *spec)
{
	size_t n =
	    openshell__datamodel__v1__sandbox_spec__get_packed_size(spec);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);

	(void)openshell__datamodel__v1__sandbox_spec__pack(spec, p);
	return openshell__datamodel__v1__sandbox_spec__unpack(NULL, n, p);
}

static sandbox_msg *
new_sandbox(const create_msg *m, policy_wire_msg *policy)
{
	sandbox_msg *s = NEW(sandbox_msg);
	char id[GW_ID];

	openshell__datamodel__v1__sandbox__init(s);
	gw_new_uuid(id);
	s->id = mem_strdup(id);
	s->name = mem_strdup(m->name);
	s->spec = copy_spec(m->spec);
	if (s->spec->policy != NULL)
		policy_wire_free(s->spec->policy);
	s->spec->policy = policy;
	s->phase = PHASE(PROVISIONING);
	s->created_at_ms = clock_wall_ms();
	return s;
}

static int
persist(struct gateway *g, const sandbox_msg *m, char token[65], struct err *e)
{
	size_t n = openshell__datamodel__v1__sandbox__get_packed_size(m);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);
	AUTO_BUF struct buf policy = BUF_INIT(1 << 20);
	char hash[65], token_hash[SHA256_HEX];

	(void)openshell__datamodel__v1__sandbox__pack(m, p);
	policy_wire_pack(m->spec->policy, &policy);
	policy_wire_hash(m->spec->policy, hash);
	random_hex(token, 64);
	sha256_hex(view_of(token), token_hash);
	return store_sandbox_insert(g->store, m->id, m->name,
	    (struct view) { (const char *)p, n }, hash, buf_view(&policy),
	    token_hash, m->created_at_ms, e);
}

/* A name of its own, or one that is free. */
static int
choose_name(struct gateway *g, sandbox_msg *m, struct err *e)
{
	bool given = m->name[0] != '\0';
	char name[GW_NAME_MAX + 1];

	for (unsigned i = 0; !given && i < NAME_TRIES; i++) {
		new_name(name);
		if (gw_by_name(g, name) != NULL)
			continue;
		free(m->name);
		m->name = mem_strdup(name);
		return 0;
	}
	if (!given) {
		new_name(name);
		free(m->name);
		m->name = mem_printf(
		    "%.40s-%04x", name, (unsigned)(uv_hrtime() & 0xffff));
	}
	return gw_by_name(g, m->name) == NULL
		   ? 0
		   : err_set(
			 e, ERR_EXISTS, "sandbox '%s' already exists", m->name);
}

static void
answer_sandbox(struct rpc_call *c, sandbox_msg *m)
{
	Openshell__V1__SandboxResponse r =
	    OPENSHELL__V1__SANDBOX_RESPONSE__INIT;

	r.sandbox = m;
	rpc_answer(c, &r.base);
}

static int
accept_policy(const struct gateway *g, const create_msg *m,
    policy_wire_msg **out, struct buf *why)
{
	policy_wire_msg *normal;
	int rc;

	if (m->spec->policy != NULL)
		return gw_policy_accept(g, m->spec->policy, NULL, out, why);
	normal = gw_policy_default();
	rc = gw_policy_accept(g, normal, NULL, out, why);
	policy_wire_free(normal);
	return rc;
}

static int
create(struct gateway *g, const create_msg *m, policy_wire_msg *policy,
    struct sbx **out, struct err *e)
{
	sandbox_msg *msg;
	struct sbx *s;
	char token[65];

	global_adopt(g, policy);
	msg = new_sandbox(m, policy);
	if (choose_name(g, msg, e) < 0 || persist(g, msg, token, e) < 0) {
		if (e->code == ERR_EXISTS)
			(void)err_set(e, ERR_EXISTS,
			    "sandbox '%s' already exists", msg->name);
		openshell__datamodel__v1__sandbox__free_unpacked(msg, NULL);
		return -1;
	}
	s = sbx_add(g, msg, 1);
	memcpy(s->token, token, sizeof(s->token));
	mem_wipe(token, sizeof(token));
	*out = s;
	return 0;
}

void
rpc_CreateSandbox(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const create_msg *m = (const void *)msg;
	AUTO_BUF struct buf why = BUF_INIT(RPC_STATUS_MAX - 1);
	policy_wire_msg *policy = NULL;
	struct gateway *g = gw_of(c);
	struct sbx *s = NULL;
	struct err e;

	if (check_request(m, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	for (size_t i = 0; i < m->spec->n_providers; i++)
		if (!provider_exists(g, m->spec->providers[i])) {
			rpc_finish(c, RPC_FAILED_PRECONDITION,
			    "provider '%.200s' not found\ncreate it first: "
			    "openshell "
			    "provider create",
			    m->spec->providers[i]);
			return;
		}
	if (g->driver->validate(g->drv, m->spec, &e) < 0) {
		rpc_finish(c, RPC_FAILED_PRECONDITION, "%s", e.text);
		return;
	}
	/* Every reason, which is more than an error holds. */
	if (accept_policy(gw_of(c), m, &policy, &why) < 0) {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "%s", buf_str(&why));
		return;
	}
	if (vetting_waits_wire(c, msg, policy, rpc_CreateSandbox)) {
		policy_wire_free(policy);
		return;
	}
	if (create(g, m, policy, &s, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	/* The answer says PROVISIONING; the rest is ours, whoever listens. */
	answer_sandbox(c, s->msg);
	sbx_event(s, false, "Scheduled", "accepted by this machine");
	(void)vetting_warn(c, s, NULL);
	if (g->global.version != 0)
		sbx_log(s, "INFO",
		    "made under global policy version %u; its own comes into "
		    "force when that is deleted",
		    g->global.version);
	sbx_provision(s);
}

/* --- get, list ----------------------------------------------------------- */

void
rpc_GetSandbox(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetSandboxRequest *m = (const void *)msg;
	struct sbx *s = gw_need_name(c, m->name);

	if (s != NULL)
		answer_sandbox(c, s->msg);
}

static int
by_age(struct sbx *a, struct sbx *b)
{
	if (a->msg->created_at_ms != b->msg->created_at_ms)
		return a->msg->created_at_ms < b->msg->created_at_ms ? -1 : 1;
	return strcmp(a->name, b->name);
}

void
rpc_ListSandboxes(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ListSandboxesRequest *m = (const void *)msg;
	Openshell__V1__ListSandboxesResponse r =
	    OPENSHELL__V1__LIST_SANDBOXES_RESPONSE__INIT;
	uint32_t limit = gw_page(m->limit, SANDBOXES), at = 0;
	struct gateway *g = gw_of(c);
	struct sbx *s, *next;

	HASH_SRT(by_name, g->names, by_age);
	r.sandboxes = mem_calloc(limit + 1, sizeof(*r.sandboxes));
	HASH_ITER (by_name, g->names, s, next)
		if (at++ >= m->offset && r.n_sandboxes < limit)
			r.sandboxes[r.n_sandboxes++] = s->msg;
	rpc_answer(c, &r.base);
	free(r.sandboxes);
}

/* --- delete -------------------------------------------------------------- */

static void
waiter_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct waiter *w = rpc_call_data(c);

	if (w->sbx != NULL)
		for (struct waiter **at = &w->sbx->waiters; *at != NULL;
		     at = &(*at)->next)
			if (*at == w) {
				*at = w->next;
				break;
			}
	free(w);
}

static const struct call_ops waiter_ops = { .closed = waiter_closed };

void
rpc_DeleteSandbox(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__DeleteSandboxRequest *m = (const void *)msg;
	struct sbx *s = gw_need_name(c, m->name);
	struct waiter *w;

	if (s == NULL)
		return;
	w = NEW(struct waiter);
	w->data.ops = &waiter_ops;
	w->call = c;
	w->sbx = s;
	rpc_call_set_data(c, w);
	sbx_delete(s, w);
}
