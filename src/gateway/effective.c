/* effective: see effective.h. */
#include "gateway/effective.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define SCOPE(s) OPENSHELL__SANDBOX__V1__SETTING_SCOPE__SETTING_SCOPE_##s

/* gateway-api 7.3 */
struct place {
	const char *type, *name;
	char *id;
};

static void
place_fini(struct place *p)
{
	mem_free_at(&p->id);
}
#define AUTO_PLACE CLEANUP(place_fini) struct place

static struct place
place_of(const struct sbx *s)
{
	if (s == NULL)
		return (struct place) { "gateway_settings", "global",
			mem_strdup("gateway_settings:global") };
	return (struct place) { "sandbox_settings", s->name,
		mem_printf("settings:%s", s->id) };
}

int
settings_load(
    struct gateway *g, const struct sbx *s, struct settings *out, struct err *e)
{
	AUTO_PLACE p = place_of(s);
	struct store_object o;
	int rc;

	if (store_object_by_id(g->store, p.type, p.id, &o, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		*out = (struct settings) { 0 };
		return 0;
	}
	rc = settings_read((struct view) { o.payload, o.n }, out, e);
	store_object_fini(&o);
	return rc;
}

int
settings_save(struct gateway *g, const struct sbx *s, struct settings *changed,
    struct err *e)
{
	AUTO_BUF struct buf json = BUF_INIT(SETTINGS_BYTES_MAX);
	AUTO_PLACE p = place_of(s);
	int64_t now = clock_wall_ms();

	changed->revision++;
	settings_write(changed, &json);
	if (json.full)
		return err_set(e, ERR_LIMIT, "the settings are too long");
	if (store_object_update(
		g->store, p.type, p.id, buf_view(&json), 0, now, NULL, e) == 0)
		return 0;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	return store_object_insert(
	    g->store, p.type, p.id, p.name, buf_view(&json), now, e);
}

int
settings_touch(
    struct gateway *g, bool changed, uint64_t *revision, struct err *e)
{
	AUTO_SETTINGS all = { 0 };

	if (settings_load(g, NULL, &all, e) < 0 ||
	    (changed && settings_save(g, NULL, &all, e) < 0))
		return -1;
	*revision = all.revision;
	return 0;
}

void
effective_fini(struct effective *f)
{
	settings_fini(&f->all);
	settings_fini(&f->own);
}

/* A stored value that its row no longer takes is as none. */
static const struct setting_value *
usable(const struct settings *from, const struct setting *row)
{
	const struct setting_value *v = settings_find(from, view_of(row->key));
	struct err ignored;

	return v != NULL && setting_check(row, v, &ignored) == 0 ? v : NULL;
}

static void
overlay(struct effective *f, const struct settings *from, setting_scope scope)
{
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting_value *v = usable(from, &setting_rows[i]);

		if (v == NULL)
			continue;
		f->row[i].v = v;
		f->row[i].scope = scope;
	}
}

int
effective_load(const struct sbx *s, struct effective *out, struct err *e)
{
	*out = (struct effective) { 0 };
	if (settings_load(s->g, s, &out->own, e) < 0 ||
	    settings_load(s->g, NULL, &out->all, e) < 0)
		return -1;
	overlay(out, &out->own, SCOPE(SANDBOX));
	overlay(out, &out->all, SCOPE(GLOBAL));
	return 0;
}

bool
setting_is(const struct sbx *s, enum setting_id id, struct view text)
{
	AUTO_BUF struct buf is = BUF_INIT(SETTING_TEXT_MAX);
	AUTO_EFFECTIVE f = { 0 };
	struct setting_value v;
	struct err e;

	if (effective_load(s, &f, &e) < 0) {
		LOG_ERROR("SETTINGS_READ", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
		return false;
	}
	v = f.row[id].v != NULL ? *f.row[id].v : setting_initial(id);
	setting_put(&v, &is);
	return view_eq(buf_view(&is), text);
}

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

void
setting_fill(setting_value_msg *m, const struct setting_value *v)
{
	openshell__sandbox__v1__setting_value__init(m);
	switch (v->kind) {
	case SETTING_STRING:
		m->value_case = VALUE(STRING_VALUE);
		/* A row's text ends with a NUL. */
		m->string_value = (char *)(uintptr_t)v->text.p;
		break;
	case SETTING_BOOL:
		m->value_case = VALUE(BOOL_VALUE);
		m->bool_value = v->flag;
		break;
	case SETTING_INT:
		m->value_case = VALUE(INT_VALUE);
		m->int_value = v->number;
		break;
	}
}
