#include "rpc/struct_wire.h"

#include <math.h>

#include "base/mem.h"

enum { DEPTH_MAX = 32 };

typedef Google__Protobuf__Struct wire_struct;
typedef Google__Protobuf__Value wire_value;

/* --- from YAML ----------------------------------------------------------- */

static wire_value *value_of(const struct ydoc_node *n);

static double
number_of(struct view v)
{
	bool minus = v.n > 0 && v.p[0] == '-';
	uint64_t n = 0;

	/* At most 2^53, which a double holds exactly. */
	(void)view_u64(minus ? view_slice(v, 1, v.n) : v, UINT64_MAX, &n);
	return minus ? -(double)n : (double)n;
}

static void
put_scalar(wire_value *v, const struct ydoc_node *n)
{
	switch (n->type) {
	case YDOC_STR:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
		v->string_value = view_dup(n->text);
		return;
	case YDOC_BOOL:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
		v->bool_value = view_eq(n->text, VIEW("true"));
		return;
	case YDOC_INT:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
		v->number_value = number_of(n->text);
		return;
	case YDOC_NULL:
	case YDOC_FLOAT:
		return; /* in no policy */
	}
}

static Google__Protobuf__ListValue *
list_of(const struct ydoc_node *n)
{
	Google__Protobuf__ListValue *l = NEW(Google__Protobuf__ListValue);

	google__protobuf__list_value__init(l);
	l->values = mem_calloc(n->n + 1, sizeof(*l->values));
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next)
		l->values[l->n_values++] = value_of(k);
	return l;
}

static wire_value *
value_of(const struct ydoc_node *n)
{
	wire_value *v = NEW(wire_value);

	google__protobuf__value__init(v);
	switch (n->kind) {
	case YDOC_SCALAR:
		put_scalar(v, n);
		break;
	case YDOC_SEQ:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
		v->list_value = list_of(n);
		break;
	case YDOC_MAP:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
		v->struct_value = struct_wire_of(n);
		break;
	case YDOC_BAD:
		break;
	}
	return v;
}

wire_struct *
struct_wire_of(const struct ydoc_node *map)
{
	wire_struct *s = NEW(wire_struct);

	google__protobuf__struct__init(s);
	s->fields = mem_calloc(map->n + 1, sizeof(*s->fields));
	for (const struct ydoc_node *k = map->first; k != NULL; k = k->next) {
		Google__Protobuf__Struct__FieldsEntry *entry =
		    NEW(Google__Protobuf__Struct__FieldsEntry);

		google__protobuf__struct__fields_entry__init(entry);
		entry->key = view_dup(k->text);
		entry->value = value_of(k->value);
		s->fields[s->n_fields++] = entry;
	}
	return s;
}

static void
ignore_fault(void *ctx UNUSED, unsigned line UNUSED, unsigned column UNUSED,
    const char *text UNUSED)
{
}

wire_struct *
struct_wire_parse(struct view text)
{
	static const struct ydoc_node nothing = { .kind = YDOC_MAP };
	struct arena a = { 0 };
	struct ydoc_node *root = NULL;
	wire_struct *s;

	if (text.n > 0 && !ydoc_parse(text, &a, &root, ignore_fault, NULL))
		root = NULL;
	s = struct_wire_of(
	    root != NULL && root->kind == YDOC_MAP ? root : &nothing);
	arena_fini(&a);
	return s;
}

/* --- to YAML ------------------------------------------------------------- */

static void put_struct(const wire_struct *s, unsigned depth, struct buf *out);
static void put_value(const wire_value *v, unsigned depth, struct buf *out);

static void
put_number(double n, struct buf *out)
{
	/* Also of NaN: it is not within. */
	if (fabs(n) <= (double)(1LL << 53) && (double)(long long)n == n)
		buf_printf(out, "%lld", (long long)n);
	else
		buf_puts(out, "0.5"); /* some number that is refused */
}

static void
put_list(const Google__Protobuf__ListValue *l, unsigned depth, struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < l->n_values; i++) {
		buf_puts(out, i > 0 ? ", " : "");
		put_value(l->values[i], depth + 1, out);
	}
	buf_putc(out, ']');
}

/* A case that this version does not know is null, and so is none. */
static void
put_value(const wire_value *v, unsigned depth, struct buf *out)
{
	bool whole =
	    v != NULL && depth <= DEPTH_MAX && v->base.n_unknown_fields == 0;
	Google__Protobuf__Value__KindCase kind =
	    whole ? v->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET;

	if (kind == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE)
		ydoc_put_quoted(out, view_of(v->string_value));
	else if (kind == GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE)
		buf_puts(out, v->bool_value ? "true" : "false");
	else if (kind == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE)
		put_number(v->number_value, out);
	else if (kind == GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE &&
		 v->list_value->base.n_unknown_fields == 0)
		put_list(v->list_value, depth, out);
	else if (kind == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
		put_struct(v->struct_value, depth, out);
	else
		buf_puts(out, "null");
}

static void
put_struct(const wire_struct *s, unsigned depth, struct buf *out)
{
	if (s->base.n_unknown_fields > 0) {
		buf_puts(out, "null");
		return;
	}
	buf_putc(out, '{');
	for (size_t i = 0; i < s->n_fields; i++) {
		const Google__Protobuf__Struct__FieldsEntry *f = s->fields[i];

		buf_puts(out, i > 0 ? ", " : "");
		ydoc_put_quoted(out, view_of(f->key));
		buf_puts(out, ": ");
		if (f->base.n_unknown_fields > 0)
			buf_puts(out, "null");
		else
			put_value(f->value, depth + 1, out);
	}
	buf_putc(out, '}');
}

void
struct_wire_yaml(const wire_struct *s, struct buf *out)
{
	put_struct(s, 0, out);
}
