#include "policy/hosts.h"

#include "codec/glob.h"

static struct view
name_of(const struct hosts *s)
{
	return (struct view) { s->name.text, s->name.n };
}

int
hosts_of(struct view v, struct hosts *out)
{
	if (view_eq(v, VIEW("**"))) {
		*out = (struct hosts) { .kind = HOST_ANY };
		return 0;
	}
	return v.n == 0 ? -1 : p_host_selector(v, &out->kind, &out->name);
}

/* v is name, or behind labels of its own ends with it. */
static bool
is_within(struct view v, struct view name)
{
	return view_eq(v, name) || (v.n > name.n && view_ends(v, name) &&
				       v.p[v.n - name.n - 1] == '.');
}

static bool
labels_meet(struct view a, struct view b)
{
	struct glob *x = NULL, *y = NULL;
	size_t work = 0;
	struct err e;
	bool yes = glob_new(a, '.', &x, &e) < 0 ||
		   glob_new(b, '.', &y, &e) < 0 || glob_overlaps(x, y, &work);

	glob_free(x);
	glob_free(y);
	return yes;
}

/* Both are a label, or a pattern of one, in front of the same name. */
static bool
fronts_meet(struct view a, struct view b)
{
	struct view rest_a, rest_b;
	struct view first_a = view_cut(a, '.', &rest_a);
	struct view first_b = view_cut(b, '.', &rest_b);

	return rest_a.p != NULL && view_eq(rest_a, rest_b) &&
	       labels_meet(first_a, first_b);
}

/* Whether every host of `s` is one label in front of `name`, or deeper. */
static bool
lies_under(const struct hosts *s, struct view name, bool deeper)
{
	struct view rest = VIEW("");

	switch (s->kind) {
	case HOST_ANY:
		return false;
	case HOST_EXACT:
	case HOST_LABEL:
		(void)view_cut(name_of(s), '.', &rest);
		return rest.p != NULL &&
		       (deeper ? is_within(rest, name) : view_eq(rest, name));
	case HOST_STAR:
		return deeper ? is_within(name_of(s), name)
			      : view_eq(name_of(s), name);
	case HOST_GLOBSTAR:
		return deeper && is_within(name_of(s), name);
	}
	return false;
}

bool
hosts_contain(const struct hosts *in, const struct hosts *s)
{
	switch (in->kind) {
	case HOST_ANY:
		return true;
	case HOST_EXACT:
		return s->kind == HOST_EXACT &&
		       view_eq(name_of(in), name_of(s));
	case HOST_STAR:
		return lies_under(s, name_of(in), false);
	case HOST_GLOBSTAR:
		return lies_under(s, name_of(in), true);
	case HOST_LABEL:
		return (s->kind == HOST_EXACT &&
			   fronts_meet(name_of(in), name_of(s))) ||
		       (s->kind == HOST_LABEL &&
			   view_eq(name_of(in), name_of(s)));
	}
	return false;
}

bool
hosts_meet(const struct hosts *a, const struct hosts *b)
{
	if (hosts_contain(a, b) || hosts_contain(b, a))
		return true;
	return a->kind == HOST_LABEL && b->kind == HOST_LABEL &&
	       fronts_meet(name_of(a), name_of(b));
}
