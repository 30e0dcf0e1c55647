#include "policy/policy.h"

#include <stdlib.h>

#include "base/mem.h"
#include "policy/model.h"

static const char default_text[] = "version: 1\n"
				   "filesystem_policy:\n"
				   "  include_workdir: true\n"
				   "  read_only:\n"
				   "  - /usr\n"
				   "  - /lib\n"
				   "  - /proc\n"
				   "  - /dev/urandom\n"
				   "  - /app\n"
				   "  - /etc\n"
				   "  - /var/log\n"
				   "  read_write:\n"
				   "  - /sandbox\n"
				   "  - /tmp\n"
				   "  - /dev/null\n"
				   "landlock:\n"
				   "  compatibility: best_effort\n"
				   "process:\n"
				   "  run_as_user: sandbox\n"
				   "  run_as_group: sandbox\n";

static void
on_fault(void *ctx, unsigned line, unsigned column, const char *text)
{
	p_error(ctx, (struct p_mark) { line, column }, "parse", "%s", text);
}

static const char **
c_strings(struct arena *a, const struct p_strs *s)
{
	const char **out = ARENA_ARRAY(a, s->n + 1, const char *);

	for (size_t i = 0; i < s->n; i++)
		out[i] = s->v[i].v.p;
	return out;
}

/* What was parsed must be storable: its one text is bounded like any other. */
static void
check_size(const struct policy *p, struct policy_findings *f)
{
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);

	policy_canonical(p, &text);
	if (text.full)
		p_error(f, (struct p_mark) { 0 }, "parse",
		    "canonical form larger than %d bytes", POLICY_TEXT_MAX);
}

/*
 * `openshell policy get --full` prints rows about a revision, "---" and the
 * policy; what it printed can be used as a policy.  Bytes of such a header up
 * to its "---", or 0.
 */
static size_t
header_span(struct view text)
{
	static const char *const labels[] = { "Scope:", "Version:", "Hash:",
		"Status:", "Active:", "Created:", "Loaded:", "Error:" };
	struct view rest = text, line;

	while (rest.n > 0) {
		size_t at = text.n - rest.n, i = 0;

		line = view_cut(rest, '\n', &rest);
		if (view_ends(line, VIEW("\r")))
			line.n--;
		if (at > 0 && view_eq(line, VIEW("---")))
			return at;
		while (i < ARRAY_LEN(labels) &&
		       !view_starts(line, view_of(labels[i])))
			i++;
		if (i == ARRAY_LEN(labels))
			return 0;
	}
	return 0;
}

/* The text with a header blanked, so that places stay those of the file. */
static struct view
skip_header(struct arena *a, struct view yaml)
{
	size_t n = header_span(yaml);
	char *copy;

	if (n == 0)
		return yaml;
	copy = arena_alloc(a, yaml.n, 1);
	memcpy(copy, yaml.p, yaml.n);
	for (size_t i = 0; i < n; i++)
		if (copy[i] != '\n')
			copy[i] = ' ';
	return (struct view) { copy, yaml.n };
}

static void
read_text(struct policy *p, struct view yaml, unsigned lenient,
    struct policy_findings *f)
{
	struct ydoc_node *root;
	size_t before = f->errors;
	bool whole;

	if (yaml.n > POLICY_TEXT_MAX) {
		p_error(f, (struct p_mark) { 0 }, "parse",
		    "document larger than %d bytes", POLICY_TEXT_MAX);
		return;
	}
	yaml = skip_header(&p->arena, yaml);
	whole = ydoc_parse(yaml, &p->arena, &root, on_fault, f);
	if (root != NULL)
		p_read(p, root, whole, f);
	else if (whole)
		p_error(f, (struct p_mark) { 1, 1 }, "parse",
		    "empty document: missing key 'version'");
	if (whole && root != NULL) {
		p_check_safety(p, f);
		p_check_network(p, f);
		p_check_middlewares(p, f);
		if (!(lenient & P_UNENFORCED))
			p_check_enforced(p, f);
		if (!(lenient & P_OVERLAPPING))
			p_check_overlap(p, f);
		if (f->errors == before)
			check_size(p, f);
	}
}

int
p_parse_lenient(struct view yaml, unsigned lenient, struct policy **out,
    struct policy_findings *f)
{
	AUTO_POLICY struct policy *p = NEW(struct policy);
	size_t before = f->errors;

	atomic_init(&p->refs, 1);
	read_text(p, yaml, lenient, f);
	if (f->errors > before)
		return -1;
	p->read_only =
	    c_strings(&p->arena, &p->top.filesystem_policy.read_only);
	p->read_write =
	    c_strings(&p->arena, &p->top.filesystem_policy.read_write);
	*out = take_ptr(p);
	return 0;
}

int
policy_parse(struct view yaml, struct policy **out, struct policy_findings *f)
{
	return p_parse_lenient(yaml, 0, out, f);
}

struct policy *
policy_default(void)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	if (policy_parse(view_of(default_text), &p, &f) < 0)
		abort(); /* the text above is wrong; tests would have said */
	return p;
}

struct policy *
policy_ref(const struct policy *p)
{
	struct policy *mut = (struct policy *)(uintptr_t)p;

	atomic_fetch_add_explicit(&mut->refs, 1, memory_order_relaxed);
	return mut;
}

void
policy_free(struct policy *p)
{
	if (p == NULL ||
	    atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_fini(&p->arena);
	free(p);
}

void
policy_free_at(struct policy **p)
{
	policy_free(*p);
}

void
policy_filesystem(const struct policy *p, struct policy_fs *out)
{
	const struct p_filesystem *fs = &p->top.filesystem_policy;

	*out = (struct policy_fs) {
		/* Without the section the working directory is included. */
		.include_workdir = !fs->m.h.set || fs->include_workdir.v,
		.read_only = p->read_only,
		.read_write = p->read_write,
		.n_read_only = fs->read_only.n,
		.n_read_write = fs->read_write.n,
	};
}

void
policy_identity(const struct policy *p, struct policy_ids *out)
{
	const struct p_process *process = &p->top.process;

	out->user = p_id(process->run_as_user.v);
	out->group = p_id(process->run_as_group.v);
}

enum policy_landlock
policy_landlock_mode(const struct policy *p)
{
	return view_eq(
		   p->top.landlock.compatibility.v, VIEW("hard_requirement"))
		   ? POLICY_LANDLOCK_HARD
		   : POLICY_LANDLOCK_BEST_EFFORT;
}

size_t
policy_network_count(const struct policy *p)
{
	return p->top.network_policies.n;
}

/* Empty or missing means sandbox. */
static struct view
identity(const struct p_str *s)
{
	return s->v.n > 0 ? s->v : VIEW("sandbox");
}

static bool
has_path(const struct p_strs *s, struct view path)
{
	for (size_t i = 0; i < s->n; i++)
		if (view_eq(s->v[i].v, path))
			return true;
	return false;
}

static void
check_removed(const struct p_strs *now, const struct p_strs *next,
    struct p_mark at, const char *field, struct policy_findings *f)
{
	for (size_t i = 0; i < now->n; i++)
		if (!has_path(next, now->v[i].v))
			p_error(f, at, "static",
			    "filesystem %s path '%s' cannot be removed on a "
			    "live sandbox",
			    field, p_show(now->v[i].v).text);
}

static void
check_filesystem(const struct policy *now, const struct policy *next,
    struct policy_findings *f)
{
	const struct p_filesystem *a = &now->top.filesystem_policy,
				  *b = &next->top.filesystem_policy;
	struct policy_fs was, is;

	if (a->m.h.set && !b->m.h.set) {
		p_error(f, next->top.m.h.at, "static",
		    "filesystem policy cannot be removed on a live sandbox");
		return;
	}
	policy_filesystem(now, &was);
	policy_filesystem(next, &is);
	if (was.include_workdir != is.include_workdir)
		p_error(f,
		    b->include_workdir.h.set ? b->include_workdir.h.at
					     : b->m.h.at,
		    "static",
		    "filesystem include_workdir cannot be "
		    "changed on a live sandbox");
	check_removed(&a->read_only, &b->read_only, b->m.h.at, "read_only", f);
	check_removed(
	    &a->read_write, &b->read_write, b->m.h.at, "read_write", f);
}

int
policy_static_check(const struct policy *now, const struct policy *next,
    struct policy_findings *f)
{
	const struct p_process *a = &now->top.process, *b = &next->top.process;
	size_t before = f->errors;

	check_filesystem(now, next, f);
	if (policy_landlock_mode(now) != policy_landlock_mode(next))
		p_error(f, next->top.landlock.m.h.at, "static",
		    "landlock policy cannot be changed on a live sandbox "
		    "(applied at startup)");
	if (!view_eq(identity(&a->run_as_user), identity(&b->run_as_user)) ||
	    !view_eq(identity(&a->run_as_group), identity(&b->run_as_group)))
		p_error(f, b->m.h.at, "static",
		    "process policy cannot be changed on a live sandbox "
		    "(applied at startup)");
	return f->errors > before ? -1 : 0;
}

void
policy_each_binary(const struct policy *p,
    void (*each)(void *ctx, struct view path), void *ctx)
{
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->binaries.n; k++)
			each(ctx, p_binaries(q)[k].path.v);
	}
}
