/*
 * policy_wire: the two forms of a policy, by descriptor.
 *
 * Field names of the message are the keys of the YAML, so both directions walk
 * the descriptors that protoc-c made: a field that the contract gets later
 * needs a row in policy/fields.def and nothing here.  What differs is in
 * `aliases`, and four shapes: PORT and PORTS of an endpoint are one list, a
 * matcher is a string or {any: [...]}, the body limit of JSON-RPC, a number
 * of its own on the wire, is in a mapping named after the protocol, and a free
 * mapping is a Struct (struct_wire.h).
 */
#include "rpc/policy_wire.h"

#include <stdlib.h>

#include "base/mem.h"
#include "codec/sha256.h"
#include "codec/ydoc.h"
#include "rpc/struct_wire.h"

enum {
	YAML_MAX = POLICY_TEXT_MAX,
	PACKED_MAX = 1 << 20,
	DIGITS_MAX = 11 /* of a uint32, and a NUL */
};

static const struct {
	const char *key, *field;
} aliases[] = {
	{ "filesystem_policy", "filesystem" },
};

/* --- messages by descriptor ---------------------------------------------- */

static void *
member(const ProtobufCMessage *m, unsigned offset)
{
	return (char *)(uintptr_t)m + offset;
}

static size_t
count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return *(const size_t *)member(m, f->quantifier_offset);
}

static ProtobufCMessage *
message_new(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = mem_calloc(1, d->sizeof_message);

	protobuf_c_message_init(d, m);
	return m;
}

/* map<K, V> is a repeated message of a key and a value. */
static bool
is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	return f->label == PROTOBUF_C_LABEL_REPEATED &&
	       f->type == PROTOBUF_C_TYPE_MESSAGE && d->n_fields == 2 &&
	       strcmp(d->fields[0].name, "key") == 0 &&
	       strcmp(d->fields[1].name, "value") == 0;
}

/* proto3 `optional`, which protoc-c wants written as a oneof. */
static bool
is_optional(const ProtobufCFieldDescriptor *f)
{
	return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static bool
is_endpoint(const ProtobufCMessage *m)
{
	return m->descriptor ==
	       &openshell__sandbox__v1__network_endpoint__descriptor;
}

static bool
is_mcp(const Openshell__Sandbox__V1__NetworkEndpoint *e)
{
	return view_eq_nocase(view_of(e->protocol), VIEW("mcp"));
}

static bool
is_matcher(const ProtobufCMessageDescriptor *d)
{
	return d == &openshell__sandbox__v1__l7_query_matcher__descriptor;
}

static bool
is_struct(const ProtobufCMessageDescriptor *d)
{
	return d == &google__protobuf__struct__descriptor;
}

/* --- from YAML ----------------------------------------------------------- */

static void fill(ProtobufCMessage *m, const struct ydoc_node *map);

static ProtobufCMessage *
message_of(const ProtobufCMessageDescriptor *d, const struct ydoc_node *n)
{
	ProtobufCMessage *m;

	if (is_struct(d))
		return &struct_wire_of(n)->base;
	m = message_new(d);
	if (is_matcher(d) && n->kind == YDOC_SCALAR) {
		Openshell__Sandbox__V1__L7QueryMatcher *q = (void *)m;

		q->glob = view_dup(n->text);
		return m;
	}
	fill(m, n);
	return m;
}

static uint32_t
number_of(struct view v)
{
	uint64_t n = 0;

	/* policy_parse has checked it. */
	return view_u64(v, UINT32_MAX, &n) ? (uint32_t)n : 0;
}

static int32_t
signed_of(struct view v)
{
	if (view_starts(v, VIEW("-")))
		return (int32_t) - (int64_t)number_of(view_slice(v, 1, v.n));
	return (int32_t)number_of(v);
}

static void
put_scalar(void *at, const ProtobufCFieldDescriptor *f, struct view v)
{
	if (f->type == PROTOBUF_C_TYPE_STRING)
		*(char **)at = view_dup(v);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		*(protobuf_c_boolean *)at = view_eq(v, VIEW("true"));
	else if (f->type == PROTOBUF_C_TYPE_INT32)
		*(int32_t *)at = signed_of(v);
	else
		*(uint32_t *)at = number_of(v);
}

static size_t
scalar_size(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING ||
		       f->type == PROTOBUF_C_TYPE_MESSAGE
		   ? sizeof(void *)
		   : sizeof(uint32_t);
}

static void
put_list(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    const struct ydoc_node *list)
{
	size_t size = scalar_size(f), i = 0;
	char *v = mem_calloc(list->n + 1, size);

	for (const struct ydoc_node *n = list->first; n != NULL; n = n->next) {
		void *at = v + i++ * size;

		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			*(ProtobufCMessage **)at = message_of(f->descriptor, n);
		else
			put_scalar(at, f, n->text);
	}
	*(size_t *)member(m, f->quantifier_offset) = i;
	*(void **)member(m, f->offset) = v;
}

static void
put_entries(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    const struct ydoc_node *map)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage **v =
	    mem_calloc(map->n + 1, sizeof(ProtobufCMessage *));
	size_t i = 0;

	for (const struct ydoc_node *k = map->first; k != NULL; k = k->next) {
		ProtobufCMessage *entry = message_new(d);

		put_scalar(
		    member(entry, d->fields[0].offset), &d->fields[0], k->text);
		*(ProtobufCMessage **)member(entry, d->fields[1].offset) =
		    message_of(d->fields[1].descriptor, k->value);
		v[i++] = entry;
	}
	*(size_t *)member(m, f->quantifier_offset) = i;
	*(void **)member(m, f->offset) = v;
}

static const ProtobufCFieldDescriptor *
field_of(const ProtobufCMessageDescriptor *d, struct view key)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (view_eq(key, view_of(aliases[i].key)))
			key = view_of(aliases[i].field);
	for (unsigned i = 0; i < d->n_fields; i++)
		if (view_eq(key, view_of(d->fields[i].name)))
			return &d->fields[i];
	return NULL;
}

static void
fill_limit(
    Openshell__Sandbox__V1__NetworkEndpoint *e, const struct ydoc_node *map)
{
	for (const struct ydoc_node *k = map->first; k != NULL; k = k->next)
		if (view_eq(k->text, VIEW("max_body_bytes")) &&
		    k->value != NULL)
			e->json_rpc_max_body_bytes = number_of(k->value->text);
}

static void
fill_plain(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    const struct ydoc_node *value)
{
	put_scalar(member(m, f->offset), f, value->text);
	if (is_optional(f))
		*(uint32_t *)member(m, f->quantifier_offset) = f->id;
}

static void
fill(ProtobufCMessage *m, const struct ydoc_node *map)
{
	for (const struct ydoc_node *k = map->first; k != NULL; k = k->next) {
		const ProtobufCFieldDescriptor *f =
		    field_of(m->descriptor, k->text);

		if (is_endpoint(m) && k->value != NULL &&
		    (view_eq(k->text, VIEW("json_rpc")) ||
			view_eq(k->text, VIEW("mcp"))))
			fill_limit((void *)m, k->value);
		/* Null is absence; canonical text has no other key. */
		if (f == NULL || k->value == NULL ||
		    (k->value->kind == YDOC_SCALAR &&
			k->value->type == YDOC_NULL))
			continue;
		if (is_map(f))
			put_entries(m, f, k->value);
		else if (f->label == PROTOBUF_C_LABEL_REPEATED)
			put_list(m, f, k->value);
		else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			*(ProtobufCMessage **)member(m, f->offset) =
			    message_of(f->descriptor, k->value);
		else
			fill_plain(m, f, k->value);
	}
}

static void
ignore_fault(void *ctx UNUSED, unsigned line UNUSED, unsigned column UNUSED,
    const char *text UNUSED)
{
}

policy_wire_msg *
policy_wire_from(const struct policy *p)
{
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);
	struct arena a = { 0 };
	struct ydoc_node *root = NULL;
	ProtobufCMessage *m =
	    message_new(&openshell__sandbox__v1__sandbox_policy__descriptor);

	policy_canonical(p, &yaml);
	/* Canonical text is ours: it always reads. */
	if (ydoc_parse(buf_view(&yaml), &a, &root, ignore_fault, NULL) &&
	    root != NULL)
		fill(m, root);
	arena_fini(&a);
	return (policy_wire_msg *)m;
}

void
policy_wire_free(policy_wire_msg *m)
{
	if (m != NULL)
		protobuf_c_message_free_unpacked(&m->base, NULL);
}

/* --- to YAML ------------------------------------------------------------- */

struct yaml {
	struct buf *out;
	unsigned indent;
	bool started; /* something stands on this line already */
};

static void put_message(struct yaml *y, const ProtobufCMessage *m);

static void
begin_line(struct yaml *y)
{
	if (!y->started)
		buf_printf(y->out, "%*s", (int)y->indent, "");
	y->started = false;
}

static void
put_key(struct yaml *y, const char *key)
{
	begin_line(y);
	ydoc_put_str(y->out, view_of(key));
	buf_putc(y->out, ':');
}

static void
put_number(struct yaml *y, uint32_t n)
{
	char digits[DIGITS_MAX];

	(void)snprintf(digits, sizeof(digits), "%u", n);
	buf_puts(y->out, digits);
}

static void
put_plain(struct yaml *y, const ProtobufCFieldDescriptor *f, const void *at)
{
	if (f->type == PROTOBUF_C_TYPE_STRING)
		ydoc_put_str(y->out, view_of(*(char *const *)at));
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		buf_puts(
		    y->out, *(const protobuf_c_boolean *)at ? "true" : "false");
	else if (f->type == PROTOBUF_C_TYPE_INT32)
		buf_printf(y->out, "%d", *(const int32_t *)at);
	else
		put_number(y, *(const uint32_t *)at);
	buf_putc(y->out, '\n');
}

static bool
is_default(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    const void *at)
{
	if (is_optional(f))
		return *(uint32_t *)member(m, f->quantifier_offset) != f->id;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(ProtobufCMessage *const *)at == NULL;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return (*(char *const *)at)[0] == '\0';
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return !*(const protobuf_c_boolean *)at;
	return *(const uint32_t *)at == 0;
}

/* `ports` wins over `port` when it has any. */
static bool
is_hidden_port(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return is_endpoint(m) && strcmp(f->name, "port") == 0 &&
	       ((const Openshell__Sandbox__V1__NetworkEndpoint *)m)->n_ports >
		   0;
}

/* The one number that stands there even when it is 0. */
static bool
is_always(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return m->descriptor ==
		   &openshell__sandbox__v1__sandbox_policy__descriptor &&
	       strcmp(f->name, "version") == 0;
}

static void
put_list_items(struct yaml *y, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f)
{
	size_t n = count(m, f), size = scalar_size(f);
	const char *v = *(char *const *)member(m, f->offset);

	buf_putc(y->out, '\n');
	for (size_t i = 0; i < n; i++) {
		const void *at = v + i * size;

		begin_line(y);
		buf_puts(y->out, "- ");
		if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
			put_plain(y, f, at);
			continue;
		}
		y->started = true;
		y->indent += 2;
		put_message(y, *(ProtobufCMessage *const *)at);
		y->indent -= 2;
	}
}

static void
put_matcher(struct yaml *y, const Openshell__Sandbox__V1__L7QueryMatcher *q)
{
	if (q->n_any == 0 && q->base.n_unknown_fields == 0) {
		buf_putc(y->out, ' ');
		ydoc_put_str(y->out, view_of(q->glob));
		buf_putc(y->out, '\n');
		return;
	}
	buf_putc(y->out, '\n');
	y->indent += 2;
	/* Both forms at once are refused by the parser, as they should be. */
	put_message(y, &q->base);
	y->indent -= 2;
}

/* What follows "key:" for a message. */
static void
put_nested(struct yaml *y, const ProtobufCMessage *m)
{
	if (is_matcher(m->descriptor)) {
		put_matcher(y, (const void *)m);
		return;
	}
	if (is_struct(m->descriptor)) {
		buf_putc(y->out, ' ');
		struct_wire_yaml((const void *)m, y->out);
		buf_putc(y->out, '\n');
		return;
	}
	buf_putc(y->out, '\n');
	y->indent += 2;
	put_message(y, m);
	y->indent -= 2;
}

static void
put_map_entries(struct yaml *y, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage *const *v =
	    *(ProtobufCMessage * *const *)member(m, f->offset);
	size_t n = count(m, f);

	buf_putc(y->out, '\n');
	y->indent += 2;
	for (size_t i = 0; i < n; i++) {
		const ProtobufCMessage *value = *(
		    ProtobufCMessage *const *)member(v[i], d->fields[1].offset);

		put_key(y, *(char *const *)member(v[i], d->fields[0].offset));
		if (value != NULL)
			put_nested(y, value);
		else
			buf_puts(y->out, " {}\n");
	}
	y->indent -= 2;
}

static const char *
key_of(const ProtobufCFieldDescriptor *f)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].field, f->name) == 0)
			return aliases[i].key;
	return f->name;
}

/* Something of a message without lists would be written. */
static bool
has_fields(const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (!is_default(m, f, member(m, f->offset)))
			return true;
	}
	return m->n_unknown_fields > 0;
}

static void
put_limit(struct yaml *y, uint32_t n)
{
	put_key(y, "max_body_bytes");
	buf_putc(y->out, ' ');
	put_number(y, n);
	buf_putc(y->out, '\n');
}

/* The two fields whose limit is beside them; true when it was one of them. */
static bool
put_limited(struct yaml *y, const Openshell__Sandbox__V1__NetworkEndpoint *e,
    const ProtobufCFieldDescriptor *f, bool *any)
{
	uint32_t n = e->json_rpc_max_body_bytes;

	if (strcmp(f->name, "json_rpc_max_body_bytes") == 0) {
		*any = n > 0 && !is_mcp(e);
		if (!*any)
			return true;
		put_key(y, "json_rpc");
		buf_putc(y->out, '\n');
		y->indent += 2;
		put_limit(y, n);
		y->indent -= 2;
		return true;
	}
	if (strcmp(f->name, "mcp") != 0)
		return false;
	n = is_mcp(e) ? n : 0;
	*any = n > 0 || e->mcp != NULL;
	if (!*any)
		return true;
	put_key(y, "mcp");
	buf_putc(y->out, '\n');
	y->indent += 2;
	if (n > 0)
		put_limit(y, n);
	if (e->mcp != NULL && (n == 0 || has_fields(&e->mcp->base)))
		put_message(y, &e->mcp->base);
	y->indent -= 2;
	return true;
}

/* false: the field says nothing. */
static bool
put_field(struct yaml *y, const ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f)
{
	const void *at = member(m, f->offset);
	bool any;

	if (is_endpoint(m) && put_limited(y, (const void *)m, f, &any))
		return any;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		if (count(m, f) == 0)
			return false;
		put_key(y, key_of(f));
		if (is_map(f))
			put_map_entries(y, m, f);
		else
			put_list_items(y, m, f);
		return true;
	}
	if ((is_default(m, f, at) && !is_always(m, f)) || is_hidden_port(m, f))
		return false;
	put_key(y, key_of(f));
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		put_nested(y, *(ProtobufCMessage *const *)at);
		return true;
	}
	buf_putc(y->out, ' ');
	put_plain(y, f, at);
	return true;
}

/*
 * Fields that this version does not know become keys that no parser knows.
 * Attack: a restriction that a newer client believes in, dropped on the way.
 */
static bool
put_unknown(struct yaml *y, const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->n_unknown_fields; i++) {
		begin_line(y);
		buf_printf(y->out, "field_%u: not known to this version\n",
		    m->unknown_fields[i].tag);
	}
	return m->n_unknown_fields > 0;
}

static void
put_message(struct yaml *y, const ProtobufCMessage *m)
{
	bool any = put_unknown(y, m);

	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		any |= put_field(y, m, &m->descriptor->fields[i]);
	if (any)
		return;
	begin_line(y);
	buf_puts(y->out, "{}\n");
}

void
policy_wire_yaml(const policy_wire_msg *m, struct buf *b)
{
	struct yaml y = { .out = b };

	put_message(&y, &m->base);
}

int
policy_wire_to(
    const policy_wire_msg *m, struct policy **out, struct policy_findings *f)
{
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);

	policy_wire_yaml(m, &yaml);
	/* Cut text would be another policy: let the parser's limit speak. */
	if (yaml.full) {
		buf_reset(&yaml);
		while (!yaml.full)
			buf_puts(
			    &yaml, "# larger than the limit of a policy\n");
	}
	return policy_parse(buf_view(&yaml), out, f);
}

/* A policy of one rule; borrows. */
struct one_rule {
	policy_wire_msg m;
	Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry entry,
	    *entries[1];
};

static void
fill_one(struct one_rule *o, const char *key,
    const Openshell__Sandbox__V1__NetworkPolicyRule *rule)
{
	openshell__sandbox__v1__sandbox_policy__init(&o->m);
	openshell__sandbox__v1__sandbox_policy__network_policies_entry__init(
	    &o->entry);
	o->entry.key = (char *)(uintptr_t)key;
	o->entry.value =
	    (Openshell__Sandbox__V1__NetworkPolicyRule *)(uintptr_t)rule;
	o->entries[0] = &o->entry;
	o->m.version = 1;
	o->m.network_policies = o->entries;
	o->m.n_network_policies = 1;
}

void
policy_wire_rule_yaml(const char *key,
    const Openshell__Sandbox__V1__NetworkPolicyRule *rule, struct buf *b)
{
	struct one_rule o;

	fill_one(&o, key, rule);
	policy_wire_yaml(&o.m, b);
}

int
policy_wire_rule_to(const char *key,
    const Openshell__Sandbox__V1__NetworkPolicyRule *rule, struct policy **out,
    struct policy_findings *f)
{
	struct one_rule o;

	fill_one(&o, key, rule);
	return policy_wire_to(&o.m, out, f);
}

/* --- packed, and hashed -------------------------------------------------- */

static int
entry_cmp(const void *a, const void *b)
{
	const ProtobufCMessage *x = *(ProtobufCMessage *const *)a,
			       *y = *(ProtobufCMessage *const *)b;
	unsigned at = x->descriptor->fields[0].offset;

	return strcmp(
	    *(char *const *)member(x, at), *(char *const *)member(y, at));
}

/* Sorts the maps of a message, all the way down. */
static void
sort_maps(ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		ProtobufCMessage **v;
		size_t n;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE ||
		    (is_optional(f) &&
			*(uint32_t *)member(m, f->quantifier_offset) != f->id))
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			v = member(m, f->offset);
			if (*v != NULL)
				sort_maps(*v);
			continue;
		}
		v = *(ProtobufCMessage ***)member(m, f->offset);
		n = count(m, f);
		for (size_t k = 0; k < n; k++)
			sort_maps(v[k]);
		if (n > 1 && is_map(f))
			qsort(v, n, sizeof(ProtobufCMessage *), entry_cmp);
	}
}

static void
pack(struct buf *b, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);

	if (!buf_reserve(b, n))
		return;
	b->n += protobuf_c_message_pack(m, (uint8_t *)b->p + b->n);
}

/* A copy whose maps are sorted, the caller's; NULL when it is too large. */
static policy_wire_msg *
sorted_copy(const policy_wire_msg *m)
{
	AUTO_BUF struct buf b = BUF_INIT(4 * PACKED_MAX);
	policy_wire_msg *copy;

	pack(&b, &m->base);
	copy = b.full ? NULL
		      : openshell__sandbox__v1__sandbox_policy__unpack(
			    NULL, b.n, (const uint8_t *)b.p);
	if (copy != NULL)
		sort_maps(&copy->base);
	return copy;
}

void
policy_wire_pack(const policy_wire_msg *m, struct buf *b)
{
	policy_wire_msg *copy = sorted_copy(m);

	if (copy != NULL)
		pack(b, &copy->base);
	else
		b->full = true;
	policy_wire_free(copy);
}

void
policy_wire_hash(const policy_wire_msg *m, char out[65])
{
	AUTO_BUF struct buf b = BUF_INIT(4 * PACKED_MAX);
	policy_wire_msg *s = sorted_copy(m);

	for (unsigned shift = 0; shift < 32; shift += 8)
		buf_putc(&b, (char)(m->version >> shift & 0xff));
	if (s != NULL) {
		const ProtobufCMessage *parts[] = {
			s->filesystem != NULL ? &s->filesystem->base : NULL,
			s->landlock != NULL ? &s->landlock->base : NULL,
			s->process != NULL ? &s->process->base : NULL,
		};

		for (size_t i = 0; i < ARRAY_LEN(parts); i++)
			if (parts[i] != NULL)
				pack(&b, parts[i]);
		for (size_t i = 0; i < s->n_network_policies; i++) {
			buf_puts(&b, s->network_policies[i]->key);
			if (s->network_policies[i]->value != NULL)
				pack(&b, &s->network_policies[i]->value->base);
		}
		for (size_t i = 0; i < s->n_network_middlewares; i++) {
			buf_puts(&b, s->network_middlewares[i]->key);
			if (s->network_middlewares[i]->value != NULL)
				pack(&b,
				    &s->network_middlewares[i]->value->base);
		}
	}
	sha256_hex(buf_view(&b), out);
	policy_wire_free(s);
}
