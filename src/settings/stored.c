/* stored: a list of settings, and its form in a database. */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "settings/settings.h"

static void
row_fini(struct setting_row *r)
{
	free(r->key);
	free(r->text);
}

void
settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++)
		row_fini(&s->v[i]);
	free(s->v);
	*s = (struct settings) { 0 };
}

/* Where it is, or where it would be. */
static size_t
place_of(const struct settings *s, struct view key, bool *there)
{
	size_t i = 0;
	int cmp = 1;

	while (i < s->n && (cmp = view_cmp(view_of(s->v[i].key), key)) < 0)
		i++;
	*there = i < s->n && cmp == 0;
	return i;
}

const struct setting_value *
settings_find(const struct settings *s, struct view key)
{
	bool there;
	size_t i = place_of(s, key, &there);

	return there ? &s->v[i].value : NULL;
}

static bool
is_equal(const struct setting_value *a, const struct setting_value *b)
{
	return a->kind == b->kind && a->flag == b->flag &&
	       a->number == b->number && view_eq(a->text, b->text);
}

static void
fill(struct setting_row *r, const struct setting_value *v)
{
	free(take_ptr(r->text));
	r->value = *v;
	if (v->kind == SETTING_STRING) {
		r->text = view_dup(v->text);
		r->value.text.p = r->text;
	}
}

int
settings_set(struct settings *s, struct view key, const struct setting_value *v,
    bool *changed, struct err *e)
{
	bool there;
	size_t i = place_of(s, key, &there);

	if (there && is_equal(&s->v[i].value, v)) {
		*changed = false;
		return 0;
	}
	if (!there) {
		if (s->n == SETTINGS_MAX)
			return err_set(e, ERR_LIMIT,
			    "there are %d settings already: delete one",
			    (int)SETTINGS_MAX);
		s->v = mem_realloc(s->v, s->n + 1, sizeof(*s->v));
		memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(*s->v));
		s->v[i] = (struct setting_row) { .key = view_dup(key) };
		s->n++;
	}
	fill(&s->v[i], v);
	*changed = true;
	return 0;
}

bool
settings_drop(struct settings *s, struct view key)
{
	bool there;
	size_t i = place_of(s, key, &there);

	if (!there)
		return false;
	row_fini(&s->v[i]);
	s->n--;
	memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
	return true;
}

/* --- JSON ---------------------------------------------------------------- */

static const char *const types[] = {
	[SETTING_STRING] = "String",
	[SETTING_BOOL] = "Bool",
	[SETTING_INT] = "Int",
};

static void
write_value(struct json *j, const struct setting_value *v)
{
	json_open(j, '{');
	json_key(j, "type");
	json_str(j, types[v->kind]);
	json_key(j, "value");
	switch (v->kind) {
	case SETTING_STRING:
		json_view(j, v->text);
		break;
	case SETTING_BOOL:
		json_bool(j, v->flag);
		break;
	case SETTING_INT:
		json_int(j, v->number);
		break;
	}
	json_close(j, '}');
}

void
settings_write(const struct settings *s, struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_open(&j, '{');
	json_key(&j, "revision");
	json_uint(&j, s->revision);
	json_key(&j, "settings");
	json_open(&j, '{');
	for (size_t i = 0; i < s->n; i++) {
		json_key(&j, s->v[i].key);
		write_value(&j, &s->v[i].value);
	}
	json_close(&j, '}');
	json_close(&j, '}');
}

static bool
read_value(const json_t *o, struct setting_value *v)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	const json_t *is = json_object_get(o, "value");
	size_t k = 0;

	if (type == NULL || is == NULL)
		return false;
	while (k < ARRAY_LEN(types) && strcmp(type, types[k]) != 0)
		k++;
	*v = (struct setting_value) { .kind = (enum setting_kind)k };
	if (k == SETTING_STRING && json_is_string(is)) {
		v->text.p = json_string_value(is);
		v->text.n = json_string_length(is);
		return true;
	}
	if (k == SETTING_BOOL && json_is_boolean(is)) {
		v->flag = json_is_true(is);
		return true;
	}
	if (k == SETTING_INT && json_is_integer(is)) {
		v->number = json_integer_value(is);
		return true;
	}
	return false;
}

static int
read_all(json_t *root, struct settings *out, struct err *e)
{
	json_t *revision = json_object_get(root, "revision");
	json_t *all = json_object_get(root, "settings"), *one;
	const char *key;

	if (!json_is_integer(revision) || json_integer_value(revision) < 0 ||
	    !json_is_object(all))
		return err_set(e, ERR_INVALID, "no revision, or no settings");
	out->revision = (uint64_t)json_integer_value(revision);
	json_object_foreach(all, key, one)
	{
		struct setting_value v;
		bool changed;

		if (!read_value(one, &v))
			return err_set(e, ERR_INVALID,
			    "the value of '%.100s' cannot be read", key);
		if (settings_set(out, view_of(key), &v, &changed, e) < 0)
			return -1;
	}
	return 0;
}

int
settings_read(struct view json, struct settings *out, struct err *e)
{
	AUTO_SETTINGS got = { 0 };
	json_error_t why;
	json_t *root;
	int rc;

	if (json.n > SETTINGS_BYTES_MAX)
		return err_set(e, ERR_LIMIT, "stored settings are too long");
	root = json_loadb(json.n > 0 ? json.p : "", json.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	rc = json_is_object(root) ? read_all(root, &got, e)
				  : err_set(e, ERR_INVALID, "no JSON object");
	json_decref(root);
	if (rc < 0)
		return err_wrap(e, "read stored settings");
	*out = got;
	got = (struct settings) { 0 };
	return 0;
}
