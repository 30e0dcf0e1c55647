/* extent_langs: the sets that patterns stand for, each made once in a run. */
#include "policy/extent_impl.h"

#include <stdlib.h>

#include "base/mem.h"

/* --- patterns ---------------------------------------------------------- */

/* The place of a text that is new, with room for it, or of the old one. */
static uint32_t
place_of(struct x_run *r, char kind, struct view text, bool *known)
{
	char *key = arena_alloc(&r->arena, text.n + 1, 1);
	uint32_t at;

	key[0] = kind;
	if (text.n > 0)
		memcpy(key + 1, text.p, text.n);
	at = strmap_add(
	    &r->langs, (struct view) { key, text.n + 1 }, (uint32_t)r->n_langs);
	*known = at < r->n_langs;
	if (*known)
		return at;
	if (r->n_langs == r->cap_langs) {
		r->cap_langs = r->cap_langs > 0 ? 2 * r->cap_langs : 64;
		r->lang = mem_realloc(r->lang, r->cap_langs, sizeof(*r->lang));
		r->globs =
		    mem_realloc(r->globs, r->cap_langs, sizeof(*r->globs));
	}
	r->lang[at] = NULL;
	r->globs[at] = NULL;
	r->n_langs++;
	return at;
}

int
x_glob(struct x_run *r, struct view pattern, char delim, uint32_t *out)
{
	bool known;
	uint32_t at = place_of(r, delim, pattern, &known);

	*out = at;
	if (known)
		return 0;
	if (glob_new(pattern, delim, &r->globs[at], r->e) < 0)
		return err_wrap(r->e, "pattern '%s'", p_show(pattern).text);
	r->lang[at] = automaton_of_glob(r->globs[at]);
	return 0;
}

uint32_t
x_word(struct x_run *r, struct view word)
{
	bool known;
	uint32_t at = place_of(r, '=', word, &known);

	if (!known)
		r->lang[at] = automaton_of_word(arena_view(&r->arena, word));
	return at;
}

static int
part_of(struct x_run *r, struct view pattern, struct automaton **out)
{
	uint32_t at;

	*out = NULL;
	if (pattern.n == 0)
		return 0;
	if (x_glob(r, pattern, '.', &at) < 0)
		return -1;
	*out = r->lang[at];
	return 0;
}

int
x_call(struct x_run *r, struct view service, struct view method, uint32_t *out)
{
	AUTO_BUF struct buf both = BUF_INIT(2 * GLOB_MAX + 32);
	struct automaton *first, *second;
	bool known;

	if (part_of(r, service, &first) < 0 || part_of(r, method, &second) < 0)
		return -1;
	buf_printf(&both, "%zu.", service.n);
	buf_put(&both, service);
	buf_put(&both, method);
	*out = place_of(r, 'c', buf_view(&both), &known);
	if (!known)
		r->lang[*out] = automaton_of_pair(first, second);
	return 0;
}

int
x_binary(struct x_run *r, struct view path, uint32_t *out)
{
	if (view_find(path, '*') >= 0)
		return x_glob(r, path, '/', out);
	*out = x_word(r, path);
	return 0;
}

void
x_init(struct x_run *r)
{
	r->langs = STRMAP_INIT(&r->arena);
	r->names = automaton_of_rules(&extent_names);
	r->paths = automaton_of_rules(&extent_paths);
	r->slashes = automaton_of_rules(&extent_slashes);
	r->exes = automaton_of_rules(&extent_programs);
	r->values = automaton_of_rules(&extent_values);
	r->strings = automaton_of_rules(&extent_strings);
	r->calls = automaton_of_rules(&extent_calls);
	r->tools = automaton_of_rules(&extent_tools);
	r->graphql = automaton_of_rules(&extent_graphql);
	r->graphql_or_none = automaton_of_rules(&extent_graphql_or_none);
}

void
x_fini(struct x_run *r)
{
	for (size_t i = 0; i < r->n_langs; i++) {
		automaton_free(r->lang[i]);
		glob_free(r->globs[i]);
	}
	free(r->lang);
	free(r->globs);
	automaton_free(r->names);
	automaton_free(r->paths);
	automaton_free(r->slashes);
	automaton_free(r->exes);
	automaton_free(r->values);
	automaton_free(r->strings);
	automaton_free(r->calls);
	automaton_free(r->tools);
	automaton_free(r->graphql);
	automaton_free(r->graphql_or_none);
	arena_fini(&r->arena);
}
