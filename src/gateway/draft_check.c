/*
 * draft_check: which proposals of a sandbox are kept for a person to decide.
 *
 * Attacks: a proposal that a tired person approves and that opens more than it
 * seems to (wildcards, every program, audit instead of enforce, credentials
 * for another host, the metadata service under a friendly name).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/sha256.h"
#include "codec/utf8.h"
#include "gateway/draft.h"
#include "policy/propose.h"

typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;

enum { NAME_MAX_BYTES = 256 };

/* What of a proposal is told, safe for a terminal and short. */
struct shown {
	char text[160];
};

static struct shown
show(const char *s)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct view v = view_of(s), fit;
	struct shown out;

	buf_put_escaped(&b, utf8_clip(v, 100));
	fit = utf8_clip(buf_view(&b), 140);
	(void)snprintf(out.text, sizeof(out.text), "%.*s%s", (int)fit.n,
	    fit.n > 0 ? fit.p : "", v.n > 100 || fit.n < b.n ? "..." : "");
	return out;
}

/* --- a rule by itself ----------------------------------------------------- */

/* The first error, without its place in a text that nobody wrote. */
static int
first_error(const struct policy_findings *f, const char *name, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].warning) {
			struct view why = utf8_clip(view_of(f->v[i].text), 300);

			return err_set(e, ERR_INVALID, "chunk '%s': %.*s",
			    show(name).text, (int)why.n, why.p);
		}
	return err_set(e, ERR_INVALID, "chunk '%s' cannot be read as a rule",
	    show(name).text);
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

/* The canonical form, packed; its hash is without the name. */
static int
keep(const char *name, rule_msg *rule, struct store_chunk *out, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(DRAFT_RULE_MAX);
	size_t n =
	    openshell__sandbox__v1__network_policy_rule__get_packed_size(rule);
	const endpoint_msg *first = rule->endpoints[0];
	char hash[SHA256_HEX];
	char *label = rule->name;

	if (!buf_reserve(&b, n))
		return err_set(e, ERR_LIMIT,
		    "chunk '%s' is larger than %d bytes", show(name).text,
		    (int)DRAFT_RULE_MAX);
	out->n_rule = openshell__sandbox__v1__network_policy_rule__pack(
	    rule, (uint8_t *)b.p);
	out->rule = mem_strndup(b.p, out->n_rule);
	rule->name = (char *)(uintptr_t)protobuf_c_empty_string;
	b.n = openshell__sandbox__v1__network_policy_rule__pack(
	    rule, (uint8_t *)b.p);
	rule->name = label;
	sha256_hex(buf_view(&b), hash);
	out->rule_hash = mem_strdup(hash);
	out->rule_name = mem_strdup(name);
	out->host = mem_strdup(first->host);
	lower(out->host);
	out->port = first->n_ports > 0 ? first->ports[0] : first->port;
	out->binary = mem_strdup(rule->binaries[0]->path);
	return 0;
}

/* Names of that kind are the gateway's own. */
static bool
is_reserved(const char *name)
{
	return view_starts(view_of(name), VIEW("_provider_"));
}

/* What is shown of it is what it is. */
static bool
is_printable(const char *name)
{
	AUTO_BUF struct buf b = BUF_INIT(4 * NAME_MAX_BYTES);

	if (strlen(name) > NAME_MAX_BYTES)
		return false;
	buf_put_escaped(&b, view_of(name));
	return view_eq(buf_view(&b), view_of(name));
}

static int
check_whole(const char *name, const rule_msg *rule, struct err *e)
{
	if (name[0] == '\0')
		return err_set(e, ERR_INVALID, "chunk missing rule_name");
	if (rule == NULL)
		return err_set(e, ERR_INVALID,
		    "chunk '%s' missing proposed_rule", show(name).text);
	if (!is_printable(name))
		return err_set(e, ERR_INVALID,
		    "chunk '%s': its name is too long or has bytes that "
		    "cannot be shown",
		    show(name).text);
	if (is_reserved(name))
		return err_set(e, ERR_INVALID,
		    "chunk '%s': names that begin with _provider_ are reserved",
		    show(name).text);
	if (rule->n_endpoints == 0)
		return err_set(e, ERR_INVALID, "chunk '%s' has no endpoint",
		    show(name).text);
	if (rule->n_binaries == 0)
		return err_set(e, ERR_INVALID, "chunk '%s' names no binary",
		    show(name).text);
	return 0;
}

int
draft_take_rule(const char *name, const rule_msg *rule, struct store_chunk *out,
    struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	policy_wire_msg *canonical;
	int rc;

	if (check_whole(name, rule, e) < 0)
		return -1;
	if (policy_wire_rule_to(name, rule, &p, &f) < 0)
		return first_error(&f, name, e);
	canonical = policy_wire_from(p);
	rc = keep(name, canonical->network_policies[0]->value, out, e);
	policy_wire_free(canonical);
	return rc;
}

/* --- a sandbox's proposal ------------------------------------------------- */

static int
check_host(const char *name, const endpoint_msg *ep, struct err *e)
{
	if (ep->host[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "chunk '%s': an endpoint without a host cannot be proposed",
		    show(name).text);
	if (strchr(ep->host, '*') != NULL)
		return err_set(e, ERR_INVALID,
		    "chunk '%s': host '%s' is a wildcard; propose the one host "
		    "that is needed",
		    show(name).text, show(ep->host).text);
	if (policy_never_proposed(view_of(ep->host)))
		return err_set(e, ERR_INVALID,
		    "chunk '%s': host '%s' is this machine, link-local "
		    "or a metadata service; its owner may name it in the "
		    "policy, nobody proposes it",
		    show(name).text, show(ep->host).text);
	return 0;
}

/* What only the owner of the sandbox can grant: NULL when there is none. */
static const char *
beyond(const endpoint_msg *ep)
{
	const struct {
		const char *key;
		bool said;
	} keys[] = {
		{ "enforcement: audit",
		    view_eq_nocase(view_of(ep->enforcement), VIEW("audit")) },
		{ "tls: skip", ep->tls[0] != '\0' },
		{ "websocket_credential_rewrite",
		    ep->websocket_credential_rewrite },
		{ "request_body_credential_rewrite",
		    ep->request_body_credential_rewrite },
		{ "allow_credential_placeholders",
		    ep->allow_credential_placeholders },
		{ "credential_signing", ep->credential_signing[0] != '\0' },
		{ "signing_service", ep->signing_service[0] != '\0' },
		{ "signing_region", ep->signing_region[0] != '\0' },
		{ "credential_binding", ep->credential_binding != NULL },
		{ "allow_uninspected_credentials",
		    ep->allow_uninspected_credentials },
		{ "provider_credentialed", ep->provider_credentialed },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].said)
			return keys[i].key;
	return NULL;
}

static int
check_endpoint(const char *name, const endpoint_msg *ep, struct err *e)
{
	const char *key = beyond(ep);

	if (check_host(name, ep, e) < 0)
		return -1;
	if (ep->port == 0 && ep->n_ports == 0)
		return err_set(e, ERR_INVALID,
		    "chunk '%s': the endpoint '%s' has no port",
		    show(name).text, show(ep->host).text);
	return key == NULL ? 0
			   : err_set(e, ERR_INVALID,
				 "chunk '%s': '%s' cannot be proposed, only "
				 "set by the owner of the sandbox",
				 show(name).text, key);
}

static int
check_binary(const char *name, const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_set(e, ERR_INVALID,
		    "chunk '%s': '%s' is not the path of a binary",
		    show(name).text, show(path).text);
	if (strchr(path, '*') != NULL)
		return err_set(e, ERR_INVALID,
		    "chunk '%s': binary '%s' is a wildcard; propose the "
		    "programs that need it",
		    show(name).text, show(path).text);
	return 0;
}

static int
check_text(const char *name, const char *field, const char *s, size_t max,
    struct err *e)
{
	return strlen(s) <= max ? 0
				: err_set(e, ERR_LIMIT,
				      "chunk '%s': %s is longer than %zu bytes",
				      show(name).text, field, max);
}

static int
check_parts(const chunk_msg *c, struct err *e)
{
	const rule_msg *r = c->proposed_rule;

	for (size_t i = 0; i < r->n_endpoints; i++)
		if (check_endpoint(c->rule_name, r->endpoints[i], e) < 0)
			return -1;
	for (size_t i = 0; i < r->n_binaries; i++)
		if (check_binary(c->rule_name, r->binaries[i]->path, e) < 0)
			return -1;
	if (check_text(c->rule_name, "rationale", c->rationale, DRAFT_TEXT_MAX,
		e) < 0 ||
	    check_text(c->rule_name, "security_notes", c->security_notes,
		DRAFT_TEXT_MAX, e) < 0)
		return -1;
	return check_text(c->rule_name, "stage", c->stage, 64, e);
}

/* Ports of what has no requests to judge, and much to take away. */
static const uint32_t databases[] = { 5432, 3306, 6379, 27017, 9200, 11211,
	5672 };

static bool
has_port(const endpoint_msg *ep, uint32_t from, uint32_t to)
{
	bool any = ep->n_ports == 0 && ep->port >= from && ep->port <= to;

	for (size_t i = 0; i < ep->n_ports; i++)
		any |= ep->ports[i] >= from && ep->ports[i] <= to;
	return any;
}

static bool
is_database(const endpoint_msg *ep)
{
	for (size_t i = 0; i < ARRAY_LEN(databases); i++)
		if (has_port(ep, databases[i], databases[i]))
			return true;
	return false;
}

static bool
is_ephemeral(const endpoint_msg *ep)
{
	return has_port(ep, 49152, 65535);
}

static bool
lists_addresses(const endpoint_msg *ep)
{
	return ep->n_allowed_ips > 0;
}

static bool
is_address(const endpoint_msg *ep)
{
	return policy_host_is_address(view_of(ep->host));
}

/*
 * What the gateway itself says of a rule, behind what its sender said: a
 * sandbox that keeps quiet about it would else be approved without a person.
 */
static const struct {
	bool (*is)(const endpoint_msg *ep);
	const char *text;
} notes[] = {
	{ lists_addresses,
	    "It opens addresses of internal networks (allowed_ips)." },
	{ is_address, "Its host is an address, not a name." },
	{ is_database, "Its port is that of a database." },
	{ is_ephemeral, "Its port is an ephemeral one." },
};

static char *
notes_of(const chunk_msg *c)
{
	AUTO_BUF struct buf b = BUF_INIT(2 * DRAFT_TEXT_MAX);
	const rule_msg *r = c->proposed_rule;

	buf_puts(&b, c->security_notes);
	for (size_t k = 0; k < ARRAY_LEN(notes); k++)
		for (size_t i = 0; i < r->n_endpoints; i++)
			if (notes[k].is(r->endpoints[i])) {
				buf_printf(&b, "%s%s", b.n > 0 ? " " : "",
				    notes[k].text);
				break;
			}
	return mem_strdup(buf_str(&b));
}

static double
confidence_of(float f)
{
	/* Of a NaN no comparison holds. */
	return f >= 0 && f <= 1 ? (double)f : 0;
}

int
draft_take(const chunk_msg *c, struct store_chunk *out, struct err *e)
{
	rule_msg *r = c->proposed_rule;
	struct store_chunk taken = { 0 };

	if (check_whole(c->rule_name, r, e) < 0 || check_parts(c, e) < 0)
		return -1;
	for (size_t i = 0; i < r->n_endpoints; i++)
		r->endpoints[i]->advisor_proposed = true;
	if (draft_take_rule(c->rule_name, r, &taken, e) < 0) {
		store_chunk_fini(&taken);
		return -1;
	}
	taken.rationale = mem_strdup(c->rationale);
	taken.security_notes = notes_of(c);
	taken.stage = mem_strdup(c->stage);
	taken.confidence = confidence_of(c->confidence);
	taken.hit_count = c->hit_count > 0 ? c->hit_count : 1;
	taken.first_seen_ms = c->first_seen_ms;
	taken.last_seen_ms = c->last_seen_ms;
	taken.validation = mem_strdup("");
	*out = taken;
	return 0;
}
