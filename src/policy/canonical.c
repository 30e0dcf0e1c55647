/*
 * canonical: the one text of a policy, and the encoding its hash is over.
 * Both follow the rows of fields.def and leave out what is implied, so equal
 * text means equal hash.
 */
#include "codec/sha256.h"
#include "policy/model.h"

static bool map_is_empty(enum p_owner owner, const void *map);

static bool
is_absent(const struct p_field *f, const void *m)
{
	if (f->flags & IGNORED)
		return true;
	switch (f->kind) {
	case K_UINT:
	case K_PORT:
		return !(f->flags & ALWAYS) &&
		       ((const struct p_uint *)m)->v == 0;
	case K_INT:
		return ((const struct p_int *)m)->v == 0;
	case K_BOOL:
		if (f->flags & ISTRUE)
			return p_is_true(m);
		return !(f->flags & ALWAYS) && !((const struct p_bool *)m)->v;
	case K_STR:
	case K_TREE:
		return !(f->flags & ALWAYS) &&
		       ((const struct p_str *)m)->v.n == 0;
	case K_MAP:
		return !((const struct p_map *)m)->h.set ||
		       (!(f->flags & ALWAYS) && map_is_empty(f->sub, m));
	case K_STRS:
		return ((const struct p_strs *)m)->n == 0;
	case K_PORTS:
		return ((const struct p_uints *)m)->n == 0;
	case K_LIST:
	case K_NAMED:
		return ((const struct p_list *)m)->n == 0;
	case K_QUERY:
	case K_PARAMS:
		return ((const struct p_query *)m)->n == 0;
	case K_TOOL:
		return true; /* among the params */
	}
	return true;
}

/* PORT and PORTS are one list; the text has the shorter of the two. */
static bool
is_written(const struct p_field *f, const void *m)
{
	if (f->kind == K_PORTS && ((const struct p_uints *)m)->n < 2)
		return false;
	return !is_absent(f, m);
}

static bool
map_is_empty(enum p_owner owner, const void *map)
{
	struct p_rows rows = p_rows_of(owner);

	for (size_t i = 0; i < rows.n; i++)
		if (!is_absent(&rows.v[i], p_member(map, &rows.v[i])))
			return false;
	return true;
}

static void
line(struct buf *out, unsigned indent)
{
	buf_printf(out, "\n%*s", (int)indent, "");
}

static void put_map(
    struct buf *out, enum p_owner owner, const void *map, unsigned indent);

static void
put_strs(struct buf *out, const struct p_strs *s, unsigned indent)
{
	for (size_t i = 0; i < s->n; i++) {
		line(out, indent);
		buf_puts(out, "- ");
		ydoc_put_str(out, s->v[i].v);
	}
}

static void
put_query(struct buf *out, const struct p_query *q, unsigned indent)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct p_matcher *m = &q->v[i];

		line(out, indent);
		ydoc_put_str(out, m->name.v);
		buf_putc(out, ':');
		if (m->any) {
			line(out, indent + 2);
			buf_puts(out, "any:");
			put_strs(out, &m->globs, indent + 2);
		} else {
			buf_putc(out, ' ');
			ydoc_put_str(out, m->globs.v[0].v);
		}
	}
}

static void
put_ports(struct buf *out, const struct p_uints *u, unsigned indent)
{
	for (size_t i = 0; i < u->n; i++) {
		line(out, indent);
		buf_printf(out, "- %u", u->v[i].v);
	}
}

/* A mapping, on lines of its own. */
static void
put_below(struct buf *out, enum p_owner owner, const void *map, unsigned indent)
{
	if (map_is_empty(owner, map)) {
		buf_puts(out, " {}");
		return;
	}
	line(out, indent);
	put_map(out, owner, map, indent);
}

static void
put_list(struct buf *out, enum p_owner owner, const struct p_list *l,
    unsigned indent)
{
	size_t size = p_size_of(owner);

	for (size_t i = 0; i < l->n; i++) {
		line(out, indent);
		buf_puts(out, "- ");
		put_map(out, owner, (const char *)l->v + i * size, indent + 2);
	}
}

static void
put_named(struct buf *out, enum p_owner owner, const struct p_list *l,
    unsigned indent)
{
	size_t size = p_size_of(owner);

	for (size_t i = 0; i < l->n; i++) {
		const struct p_map *e =
		    (const void *)((const char *)l->v + i * size);

		line(out, indent);
		ydoc_put_str(out, e->key.v);
		buf_putc(out, ':');
		put_below(out, owner, e, indent + 2);
	}
}

/* After "key:"; members of a collection start on lines of their own. */
static void
put_value(
    struct buf *out, const struct p_field *f, const void *m, unsigned indent)
{
	switch (f->kind) {
	case K_UINT:
	case K_PORT:
		buf_printf(out, " %u", ((const struct p_uint *)m)->v);
		break;
	case K_INT:
		buf_printf(out, " %d", ((const struct p_int *)m)->v);
		break;
	case K_TREE:
		buf_putc(out, ' ');
		buf_put(out, ((const struct p_str *)m)->v);
		break;
	case K_BOOL:
		buf_puts(
		    out, ((const struct p_bool *)m)->v ? " true" : " false");
		break;
	case K_STR:
		buf_putc(out, ' ');
		ydoc_put_str(out, ((const struct p_str *)m)->v);
		break;
	case K_MAP:
		put_below(out, f->sub, m, indent + 2);
		break;
	case K_STRS:
		put_strs(out, m, indent);
		break;
	case K_PORTS:
		put_ports(out, m, indent);
		break;
	case K_LIST:
		put_list(out, f->sub, m, indent);
		break;
	case K_NAMED:
		put_named(out, f->sub, m, indent + 2);
		break;
	case K_QUERY:
	case K_PARAMS:
		put_query(out, m, indent + 2);
		break;
	case K_TOOL:
		break;
	}
}

/* Starts where the writer stands; later keys go to `indent`. */
static void
put_map(struct buf *out, enum p_owner owner, const void *map, unsigned indent)
{
	struct p_rows rows = p_rows_of(owner);
	bool first = true;

	for (size_t i = 0; i < rows.n; i++) {
		const struct p_field *f = &rows.v[i];
		const void *m = p_member(map, f);

		if (!is_written(f, m))
			continue;
		if (!first)
			line(out, indent);
		first = false;
		buf_put(out, f->key);
		buf_putc(out, ':');
		put_value(out, f, m, indent);
	}
	if (first)
		buf_puts(out, "{}");
}

void
p_put_key(
    struct buf *out, const struct p_field *f, const void *map, unsigned indent)
{
	const void *m = p_member(map, f);

	if (!is_written(f, m))
		return;
	buf_printf(out, "%*s", (int)indent, "");
	buf_put(out, f->key);
	buf_putc(out, ':');
	put_value(out, f, m, indent);
	buf_putc(out, '\n');
}

void
policy_canonical(const struct policy *p, struct buf *out)
{
	put_map(out, P_top, &p->top, 0);
	buf_putc(out, '\n');
}

static void
le32(struct buf *out, size_t n)
{
	for (unsigned shift = 0; shift < 32; shift += 8)
		buf_putc(out, (char)(n >> shift & 0xff));
}

/* A part in front of which its length is filled in later. */
static size_t
part_open(struct buf *out)
{
	le32(out, 0);
	return out->n;
}

static void
part_close(struct buf *out, size_t start)
{
	size_t n = out->n - start;

	if (out->full)
		return;
	for (unsigned i = 0; i < 4; i++)
		out->p[start - 4 + i] = (char)(n >> (8 * i) & 0xff);
}

static void
part(struct buf *out, struct view v)
{
	le32(out, v.n);
	buf_put(out, v);
}

static void
hash_strs(struct buf *out, const struct p_strs *s)
{
	for (size_t i = 0; i < s->n; i++)
		part(out, s->v[i].v);
}

static void hash_map(struct buf *out, enum p_owner owner, const void *map);

static void
hash_value(struct buf *out, const struct p_field *f, const void *m)
{
	size_t size = p_size_of(f->sub), at;

	switch (f->kind) {
	case K_UINT:
	case K_PORT:
		le32(out, ((const struct p_uint *)m)->v);
		break;
	case K_INT:
		le32(out, (uint32_t)((const struct p_int *)m)->v);
		break;
	case K_BOOL:
		buf_putc(out, ((const struct p_bool *)m)->v);
		break;
	case K_STR:
	case K_TREE:
		buf_put(out, ((const struct p_str *)m)->v);
		break;
	case K_MAP:
		hash_map(out, f->sub, m);
		break;
	case K_STRS:
		hash_strs(out, m);
		break;
	case K_PORTS: {
		const struct p_uints *u = m;

		for (size_t i = 0; i < u->n; i++)
			le32(out, u->v[i].v);
		break;
	}
	case K_LIST:
	case K_NAMED: {
		const struct p_list *l = m;

		for (size_t i = 0; i < l->n; i++) {
			const struct p_map *e =
			    (const void *)((const char *)l->v + i * size);

			if (f->kind == K_NAMED)
				part(out, e->key.v);
			at = part_open(out);
			hash_map(out, f->sub, e);
			part_close(out, at);
		}
		break;
	}
	case K_TOOL:
		break;
	case K_QUERY:
	case K_PARAMS: {
		const struct p_query *q = m;

		for (size_t i = 0; i < q->n; i++) {
			part(out, q->v[i].name.v);
			buf_putc(out, q->v[i].any);
			at = part_open(out);
			hash_strs(out, &q->v[i].globs);
			part_close(out, at);
		}
		break;
	}
	}
}

static void
hash_map(struct buf *out, enum p_owner owner, const void *map)
{
	struct p_rows rows = p_rows_of(owner);

	for (size_t i = 0; i < rows.n; i++) {
		const struct p_field *f = &rows.v[i];
		const void *m = p_member(map, f);
		size_t at;

		if (f->kind == K_PORT || is_absent(f, m))
			continue;
		part(out, f->key);
		at = part_open(out);
		hash_value(out, f, m);
		part_close(out, at);
	}
}

void
policy_hash(const struct policy *p, char out[65])
{
	/* Bounded by the text: at most some dozen bytes for each of its. */
	AUTO_BUF struct buf b = BUF_INIT(64 << 20);

	hash_map(&b, P_top, &p->top);
	sha256_hex(buf_view(&b), out);
}
