#include "cli/policy_edits.h"

#include <stdlib.h>

#include "base/mem.h"

typedef Openshell__Sandbox__V1__NetworkPolicyRule rule_msg;
typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;
typedef Openshell__Sandbox__V1__NetworkBinary binary_msg;

#define OP(name) OPENSHELL__V1__POLICY_MERGE_OPERATION__OPERATION_##name

void
policy_edits_fini(struct policy_edits *d)
{
	for (size_t i = 0; i < d->n; i++)
		openshell__v1__policy_merge_operation__free_unpacked(
		    d->v[i], NULL);
	free(d->v);
	*d = (struct policy_edits) { 0 };
}

/* A new operation with a message of its own, which the macro gives back. */
static void *
add(struct policy_edits *d, int what, const ProtobufCMessageDescriptor *type)
{
	edit_msg *m = NEW(edit_msg);
	ProtobufCMessage *payload = mem_calloc(1, type->sizeof_message);

	openshell__v1__policy_merge_operation__init(m);
	protobuf_c_message_init(type, payload);
	m->operation_case = what;
	m->add_rule = (void *)payload; /* every member is a pointer */
	d->v = mem_realloc(d->v, d->n + 1, sizeof(edit_msg *));
	d->v[d->n++] = m;
	return payload;
}
#define ADD(d, what, type) \
	add((d), OP(what), &openshell__v1__##type##__descriptor)

/* --- words ---------------------------------------------------------------- */

/* "HOST:PORT" and what follows the next colon; rest->p NULL: nothing does. */
static int
cut_place(const char *word, struct view *host, uint32_t *port,
    struct view *rest, struct err *e)
{
	struct view v = view_of(word), digits;
	ssize_t close = word[0] == '[' ? view_find(v, ']') : 0;
	uint64_t n = 0;

	if (word[0] == '[' && close > 0) {
		*host = view_slice(v, 1, (size_t)close);
		v = view_slice(v, (size_t)close + 1, v.n);
		(void)view_cut(v, ':', &v);
	} else
		*host = view_cut(v, ':', &v);
	digits = view_cut(v, ':', rest);
	if (host->n == 0 || !view_u64(digits, UINT16_MAX, &n) || n == 0)
		return err_set(e, ERR_INVALID,
		    "'%.200s' does not begin with HOST:PORT", word);
	*port = (uint32_t)n;
	return 0;
}

static int
need_end(const char *word, struct view rest, struct err *e)
{
	return rest.p == NULL
		   ? 0
		   : err_set(e, ERR_INVALID, "'%.200s' says more than %s", word,
			 "HOST:PORT");
}

static char *
text_or_empty(struct view v)
{
	return v.n > 0 ? view_dup(v)
		       : (char *)(uintptr_t)protobuf_c_empty_string;
}

static char *
rule_of(const struct edit_words *w)
{
	return text_or_empty(view_of(w->rule));
}

/* --- an endpoint more ----------------------------------------------------- */

static endpoint_msg *
endpoint_of(const char *word, struct err *e)
{
	struct view host, rest, access, protocol;
	uint32_t port;
	endpoint_msg *m;

	if (cut_place(word, &host, &port, &rest, e) < 0)
		return NULL;
	m = NEW(endpoint_msg);
	openshell__sandbox__v1__network_endpoint__init(m);
	m->host = view_dup(host);
	m->port = port;
	access = view_cut(rest, ':', &rest);
	protocol = view_cut(rest, ':', &rest);
	/* An access without a word for it is that of HTTP. */
	if (access.n > 0 && protocol.n == 0)
		protocol = VIEW("rest");
	m->access = text_or_empty(access);
	m->protocol = text_or_empty(protocol);
	m->enforcement = text_or_empty(rest);
	return m;
}

static void
add_binary(rule_msg *r, const char *path)
{
	binary_msg *b = NEW(binary_msg);

	openshell__sandbox__v1__network_binary__init(b);
	b->path = mem_strdup(path);
	r->binaries[r->n_binaries++] = b;
}

static const rule_msg *
find_rule(const policy_wire_msg *now, const char *key)
{
	for (size_t i = 0; key != NULL && i < now->n_network_policies; i++)
		if (strcmp(now->network_policies[i]->key, key) == 0)
			return now->network_policies[i]->value;
	return NULL;
}

static int
add_binaries(const struct edit_words *w, const policy_wire_msg *now,
    rule_msg *r, struct err *e)
{
	const rule_msg *is = find_rule(now, w->rule);
	size_t n = w->binaries.n > 0 ? w->binaries.n
		   : is != NULL      ? is->n_binaries
				     : 0;

	r->binaries = mem_calloc(n + 1, sizeof(binary_msg *));
	for (size_t i = 0; i < n; i++)
		add_binary(r, w->binaries.n > 0 ? w->binaries.v[i]
						: is->binaries[i]->path);
	return n > 0 ? 0
		     : err_set(e, ERR_INVALID,
			   "who may use the endpoint? give --binary, or "
			   "--rule-name of a rule that has binaries");
}

/* "allow_api_github_com_443" */
static char *
name_of(const endpoint_msg *ep)
{
	char *name = mem_printf("allow_%s_%u", ep->host, ep->port);

	for (char *p = name; *p != '\0'; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9'))
			*p = '_';
	return name;
}

static int
read_add(const struct edit_words *w, const policy_wire_msg *now,
    struct policy_edits *d, struct err *e)
{
	size_t n = w->add_endpoints.n;
	Openshell__V1__AddNetworkRule *m;
	rule_msg *r;

	if (n == 0 && w->binaries.n > 0)
		return err_set(e, ERR_INVALID,
		    "--binary is of --add-endpoint, which is missing");
	if (n == 0)
		return 0;
	m = ADD(d, ADD_RULE, add_network_rule);
	r = m->rule = NEW(rule_msg);
	openshell__sandbox__v1__network_policy_rule__init(r);
	r->endpoints = mem_calloc(n, sizeof(endpoint_msg *));
	for (size_t i = 0; i < n; i++) {
		endpoint_msg *ep = endpoint_of(w->add_endpoints.v[i], e);

		if (ep == NULL)
			return -1;
		r->endpoints[r->n_endpoints++] = ep;
	}
	m->rule_name =
	    w->rule != NULL ? mem_strdup(w->rule) : name_of(r->endpoints[0]);
	return add_binaries(w, now, r, e);
}

/* --- requests more -------------------------------------------------------- */

/* METHOD:PATH */
static int
cut_request(const char *word, struct view rest, struct view *method,
    struct view *path, struct err *e)
{
	*method = view_cut(rest, ':', path);
	return method->n > 0 && path->p != NULL && path->n > 0
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "'%.200s' is not HOST:PORT:METHOD:PATH", word);
}

static int
read_allow(const struct edit_words *w, const char *word, struct policy_edits *d,
    struct err *e)
{
	Openshell__V1__AddAllowRules *m;
	struct view host, rest, method, path;
	uint32_t port;

	if (cut_place(word, &host, &port, &rest, e) < 0 ||
	    cut_request(word, rest, &method, &path, e) < 0)
		return -1;
	m = ADD(d, ADD_ALLOW_RULES, add_allow_rules);
	m->rule_name = rule_of(w);
	m->host = view_dup(host);
	m->port = port;
	m->rules = mem_calloc(1, sizeof(*m->rules));
	m->rules[0] = NEW(Openshell__Sandbox__V1__L7Rule);
	m->n_rules = 1;
	openshell__sandbox__v1__l7_rule__init(m->rules[0]);
	m->rules[0]->allow = NEW(Openshell__Sandbox__V1__L7Allow);
	openshell__sandbox__v1__l7_allow__init(m->rules[0]->allow);
	m->rules[0]->allow->method = view_dup(method);
	m->rules[0]->allow->path = view_dup(path);
	return 0;
}

static int
read_deny(const struct edit_words *w, const char *word, struct policy_edits *d,
    struct err *e)
{
	Openshell__V1__AddDenyRules *m;
	struct view host, rest, method, path;
	uint32_t port;

	if (cut_place(word, &host, &port, &rest, e) < 0 ||
	    cut_request(word, rest, &method, &path, e) < 0)
		return -1;
	m = ADD(d, ADD_DENY_RULES, add_deny_rules);
	m->rule_name = rule_of(w);
	m->host = view_dup(host);
	m->port = port;
	m->deny_rules = mem_calloc(1, sizeof(*m->deny_rules));
	m->deny_rules[0] = NEW(Openshell__Sandbox__V1__L7DenyRule);
	m->n_deny_rules = 1;
	openshell__sandbox__v1__l7_deny_rule__init(m->deny_rules[0]);
	m->deny_rules[0]->method = view_dup(method);
	m->deny_rules[0]->path = view_dup(path);
	return 0;
}

/* --- what goes ------------------------------------------------------------ */

static int
read_remove_rule(const struct edit_words *w UNUSED, const char *word,
    struct policy_edits *d, struct err *e UNUSED)
{
	Openshell__V1__RemoveNetworkRule *m =
	    ADD(d, REMOVE_RULE, remove_network_rule);

	m->rule_name = mem_strdup(word);
	return 0;
}

static int
read_remove_endpoint(const struct edit_words *w, const char *word,
    struct policy_edits *d, struct err *e)
{
	Openshell__V1__RemoveNetworkEndpoint *m;
	struct view host, rest;
	uint32_t port;

	if (cut_place(word, &host, &port, &rest, e) < 0 ||
	    need_end(word, rest, e) < 0)
		return -1;
	m = ADD(d, REMOVE_ENDPOINT, remove_network_endpoint);
	m->rule_name = rule_of(w);
	m->host = view_dup(host);
	m->port = port;
	return 0;
}

static int
read_remove_binary(const struct edit_words *w, const char *word,
    struct policy_edits *d, struct err *e)
{
	Openshell__V1__RemoveNetworkBinary *m;

	if (w->rule == NULL)
		return err_set(e, ERR_INVALID,
		    "--remove-binary needs --rule-name: of which rule?");
	m = ADD(d, REMOVE_BINARY, remove_network_binary);
	m->rule_name = rule_of(w);
	m->binary_path = mem_strdup(word);
	return 0;
}

static int
read_each(const struct edit_words *w, const struct cli_list *words,
    int (*one)(const struct edit_words *w, const char *word,
	struct policy_edits *d, struct err *e),
    struct policy_edits *d, struct err *e)
{
	for (size_t i = 0; i < words->n; i++)
		if (one(w, words->v[i], d, e) < 0)
			return -1;
	return 0;
}

int
policy_edits_read(const struct edit_words *w, const policy_wire_msg *now,
    struct policy_edits *out, struct err *e)
{
	if (read_each(w, &w->remove_rules, read_remove_rule, out, e) < 0 ||
	    read_each(w, &w->remove_endpoints, read_remove_endpoint, out, e) <
		0 ||
	    read_each(w, &w->remove_binaries, read_remove_binary, out, e) < 0 ||
	    read_add(w, now, out, e) < 0 ||
	    read_each(w, &w->add_allows, read_allow, out, e) < 0 ||
	    read_each(w, &w->add_denies, read_deny, out, e) < 0)
		return -1;
	return out->n > 0
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "nothing to change: give --add-endpoint, --add-allow, "
			 "--add-deny or one of the --remove options");
}
