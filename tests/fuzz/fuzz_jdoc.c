/*
 * What jdoc takes, jansson takes too, with the same values in the same places;
 * and the raw bytes of every value are that value.  jansson is told to refuse
 * members twice, as jdoc does; what jdoc refuses beyond it is its own affair.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "inspect/flat.h"
#include "inspect/jdoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY |
		JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL
};

static double
number(const struct jdoc_node *v)
{
	AUTO_FREE char *text = view_dup(v->str);

	return strtod(text, NULL);
}

static void same(
    const struct jdoc *d, const struct jdoc_node *v, const json_t *want);

static void
same_members(
    const struct jdoc *d, const struct jdoc_node *v, const json_t *want)
{
	assert(json_is_object(want) && json_object_size(want) == v->n);
	JDOC_EACH(m, d, v)
	{
		AUTO_FREE char *key = view_dup(m->key);

		assert(strlen(key) == m->key.n);
		same(d, m, json_object_get(want, key));
	}
}

static void
same(const struct jdoc *d, const struct jdoc_node *v, const json_t *want)
{
	size_t i = 0;

	assert(want != NULL);
	switch (v->type) {
	case JDOC_NULL:
		assert(json_is_null(want));
		return;
	case JDOC_FALSE:
		assert(json_is_false(want));
		return;
	case JDOC_TRUE:
		assert(json_is_true(want));
		return;
	case JDOC_NUMBER:
		assert(json_is_number(want));
		assert(json_number_value(want) == number(v));
		return;
	case JDOC_STRING:
		assert(json_is_string(want));
		assert(json_string_length(want) == v->str.n);
		assert(v->str.n == 0 || memcmp(json_string_value(want),
					    v->str.p, v->str.n) == 0);
		return;
	case JDOC_ARRAY:
		assert(json_is_array(want) && json_array_size(want) == v->n);
		JDOC_EACH(item, d, v)
		same(d, item, json_array_get(want, i++));
		return;
	case JDOC_OBJECT:
		same_members(d, v, want);
		return;
	}
}

/* The raw bytes of a value alone are a text of that value. */
static void
check_raw(const struct jdoc *d, const json_t *want)
{
	for (size_t i = 0; i < d->n && i < 16; i++) {
		struct jdoc one;
		struct err e;

		assert(jdoc_parse(d->v[i].raw, &one, &e) == 0);
		assert(
		    one.v[0].type == d->v[i].type && one.v[0].n == d->v[i].n);
		assert(view_eq(one.v[0].raw, d->v[i].raw));
		if (i == 0)
			same(&one, &one.v[0], want);
		jdoc_fini(&one);
	}
}

/*
 * At least as many pairs as there are leaves; and whoever looks for a name
 * finds no fewer values under it than under any that is like it.
 */
static void
check_flat(struct jdoc *d)
{
	struct flat f;
	struct err e;
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->v[i].type != JDOC_ARRAY && d->v[i].type != JDOC_OBJECT;
	if (flat_new(d, &d->v[0], &d->arena, &f, &e) < 0)
		return;
	assert(f.n >= n);
	for (size_t i = 0; i < f.n && i < 8; i++) {
		size_t same_name = 0, alike = 0;

		for (size_t j = 0; j < n; j++)
			alike += jdoc_name_like(f.v[i].name, f.v[j].name);
		for (size_t j = 0; j < f.n; j++)
			same_name += view_eq(f.v[i].name, f.v[j].name);
		assert(same_name == alike);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };
	struct jdoc d;
	struct err e;

	if (jdoc_parse(in, &d, &e) == 0) {
		json_error_t why;
		json_t *want = json_loadb(in.p, in.n, FLAGS, &why);

		assert(want != NULL);
		same(&d, &d.v[0], want);
		check_raw(&d, want);
		check_flat(&d);
		json_decref(want);
	}
	jdoc_fini(&d);
	return 0;
}
