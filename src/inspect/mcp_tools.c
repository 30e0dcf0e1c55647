#include "inspect/mcp_tools.h"

#include <stdlib.h>

#include "base/mem.h"

struct pass {
	const struct jdoc *d;
	bool strict;
	mcp_tool_fn *keep;
	void *arg;
	struct buf *out;
	struct mcp_listing *done;
	struct view text;
	size_t at; /* the text before it is in `out` */
	struct arena *a; /* for digests */
	struct err *e;
};

/* ---- the digest of a definition ----------------------------------------- */

static void
add_sized(struct sha256 *s, struct view v)
{
	uint64_t n = v.n;

	sha256_add(s, (struct view) { (const char *)&n, sizeof(n) });
	sha256_add(s, v);
}

static int
by_digest(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_SIZE);
}

/*
 * The digest of `v` whatever its spelling: members of an object count in no
 * order, so their digests are sorted.  Depth is bounded by JDOC_DEPTH_MAX.
 */
static void
digest(struct pass *p, const struct jdoc_node *v, const char *const *without,
    unsigned char out[SHA256_SIZE])
{
	AUTO_FREE unsigned char *parts = mem_calloc(v->n + 1, SHA256_SIZE);
	char type = (char)v->type;
	size_t n = 0;
	struct sha256 s;

	JDOC_EACH(m, p->d, v)
	{
		bool skip = false;

		for (size_t i = 0; without != NULL && without[i] != NULL; i++)
			skip = skip || view_eq(m->key, view_of(without[i]));
		if (skip)
			continue;
		digest(p, m, NULL, parts + n * SHA256_SIZE);
		if (v->type == JDOC_OBJECT) {
			sha256_begin(&s);
			add_sized(&s, m->key);
			sha256_add(&s, (struct view) { (const char *)parts +
							   n * SHA256_SIZE,
					   SHA256_SIZE });
			sha256_end(&s, parts + n * SHA256_SIZE);
		}
		n++;
	}
	if (v->type == JDOC_OBJECT)
		qsort(parts, n, SHA256_SIZE, by_digest);
	sha256_begin(&s);
	sha256_add(&s, (struct view) { &type, 1 });
	if (v->type == JDOC_OBJECT || v->type == JDOC_ARRAY)
		add_sized(&s, (struct view) { (char *)parts, n * SHA256_SIZE });
	else
		add_sized(&s, jdoc_scalar(v, p->a));
	sha256_end(&s, out);
}

/* ---- the edit ----------------------------------------------------------- */

static bool
listed_before(struct pass *p, const struct jdoc_node *list,
    const struct jdoc_node *item, struct view name)
{
	JDOC_EACH(other, p->d, list)
	{
		const struct jdoc_node *v;

		if (other == item)
			return false;
		v = jdoc_get(p->d, other, "name");
		if (v != NULL && v->type == JDOC_STRING &&
		    view_eq(v->str, name))
			return true;
	}
	return false;
}

static bool
stays(
    struct pass *p, const struct jdoc_node *list, const struct jdoc_node *item)
{
	static const char *const without[] = { "name", "_meta", NULL };
	static const char *const known[] = { "name", "description",
		"inputSchema", "outputSchema", "annotations", "title", NULL };
	const struct jdoc_node *name = jdoc_get(p->d, item, "name");
	unsigned char sum[SHA256_SIZE];

	if (name == NULL || name->type != JDOC_STRING ||
	    jdoc_lookalike(p->d, item, known) != NULL ||
	    !mcp_tool_name(name->str, p->strict) ||
	    listed_before(p, list, item, name->str))
		return false;
	digest(p, item, without, sum);
	return p->keep(p->arg, name->str, sum);
}

static void
put_until(struct pass *p, const char *until)
{
	size_t to = (size_t)(until - p->text.p);

	buf_put(p->out, view_slice(p->text, p->at, to));
	p->at = to;
}

enum { TOOLS_MAX = 2048 };

static int
edit_list(struct pass *p, const struct jdoc_node *list)
{
	size_t removed = 0, kept = 0;
	AUTO_FREE bool *keep = NULL;
	size_t i = 0;

	if (list->n > TOOLS_MAX)
		return err_set(p->e, ERR_LIMIT,
		    "MCP: a list of more than %d tools", TOOLS_MAX);
	keep = mem_calloc(list->n + 1, sizeof(*keep));
	JDOC_EACH(item, p->d, list)
	{
		keep[i] = stays(p, list, item);
		kept += keep[i];
		removed += !keep[i++];
	}
	p->done->any = true;
	p->done->kept += kept;
	p->done->removed += removed;
	if (removed == 0)
		return 0;
	put_until(p, list->raw.p);
	buf_putc(p->out, '[');
	i = kept = 0;
	JDOC_EACH(item, p->d, list)
	{
		if (!keep[i++])
			continue;
		if (kept++ > 0)
			buf_putc(p->out, ',');
		buf_put(p->out, item->raw);
	}
	buf_putc(p->out, ']');
	p->at = (size_t)(list->raw.p + list->raw.n - p->text.p);
	return 0;
}

int
mcp_list_tools(const struct mcp *m, bool strict_names, mcp_tool_fn *keep,
    void *arg, struct buf *out, struct mcp_listing *done, struct err *e)
{
	static const char *const members[] = { "tools", "nextCursor",
		"inputRequests", NULL };
	struct arena a = { 0 };
	struct pass p = { .d = &m->rpc.doc,
		.strict = strict_names,
		.keep = keep,
		.arg = arg,
		.out = out,
		.done = done,
		.text = m->rpc.doc.v[0].raw,
		.a = &a,
		.e = e };
	int r = 0;

	*done = (struct mcp_listing) { 0 };
	for (size_t i = 0; i < m->rpc.n && r == 0; i++) {
		const struct jdoc_node *result = m->rpc.v[i].result, *tools;

		if (jdoc_lookalike(p.d, result, members) != NULL)
			r = err_set(e, ERR_PROTO,
			    "MCP: a member of a result differs from `tools` "
			    "only by case");
		tools = jdoc_get(p.d, result, "tools");
		if (r == 0 && tools != NULL && tools->type == JDOC_ARRAY)
			r = edit_list(&p, tools);
	}
	arena_fini(&a);
	put_until(&p, p.text.p + p.text.n);
	if (r == 0 && out->full)
		r = err_set(e, ERR_LIMIT, "MCP: the message is too large");
	return r;
}
