/* rpc_settings: settings, of a sandbox and of all (gateway-api 4.8, 4.9). */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/effective.h"

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

/* --- writing ------------------------------------------------------------- */

struct change {
	struct rpc_call *c;
	struct sbx *s; /* NULL: of every sandbox */
	struct view key;
	const struct setting_value *value; /* NULL: it is deleted */
	struct settings all, own;
};

/* What is changed. */
static struct settings *
list_of(struct change *h)
{
	return h->s != NULL ? &h->own : &h->all;
}

static int
load(struct change *h, struct err *e)
{
	struct gateway *g = gw_of(h->c);

	if (settings_load(g, NULL, &h->all, e) < 0)
		return -1;
	return h->s != NULL ? settings_load(g, h->s, &h->own, e) : 0;
}

static bool
is_managed(const struct change *h, const char *before)
{
	if (h->s == NULL || settings_find(&h->all, h->key) == NULL)
		return false;
	rpc_finish(h->c, RPC_FAILED_PRECONDITION,
	    "setting '%.*s' is managed globally; delete the global setting "
	    "%s",
	    (int)h->key.n, h->key.p, before);
	return true;
}

/* Who is told: their supervisors, now or when they dial. */
static void
tell(const struct change *h)
{
	AUTO_BUF struct buf value = BUF_INIT(SETTING_TEXT_MAX);
	struct sbx *s, *next;

	if (h->value != NULL)
		setting_put(h->value, &value);
	else
		buf_puts(&value, "not set");
	LOG_INFO("SETTING",
	    KV_STR("sandbox", h->s != NULL ? h->s->name : "all"),
	    KV_VIEW("key", h->key), KV_VIEW("value", buf_view(&value)));
	HASH_ITER (by_id, gw_of(h->c)->ids, s, next) {
		if (h->s != NULL && h->s != s)
			continue;
		sbx_log(s, "INFO", "setting %.*s is now %s%s", (int)h->key.n,
		    h->key.p, buf_str(&value),
		    h->s == NULL ? " for every sandbox" : "");
		attend_push_settings(s);
	}
}

static void
finish(struct change *h, bool changed, struct err *e)
{
	Openshell__V1__UpdateConfigResponse r =
	    OPENSHELL__V1__UPDATE_CONFIG_RESPONSE__INIT;

	if (changed && settings_save(gw_of(h->c), h->s, list_of(h), e) < 0) {
		rpc_finish_err(h->c, e);
		return;
	}
	r.settings_revision = list_of(h)->revision;
	r.deleted = h->value == NULL && changed;
	rpc_answer(h->c, &r.base);
	if (changed)
		tell(h);
}

/* What came, as one of ours; finishes the call unless it may be set. */
static bool
take_value(const struct change *h, const struct setting *row,
    const setting_value_msg *m, struct setting_value *out)
{
	const char *why = NULL;
	struct err e;

	switch ((int)(m != NULL ? m->value_case : VALUE(_NOT_SET))) {
	case VALUE(STRING_VALUE):
		*out = (struct setting_value) { .kind = SETTING_STRING,
			.text = view_of(m->string_value) };
		break;
	case VALUE(BOOL_VALUE):
		*out = (struct setting_value) { .kind = SETTING_BOOL,
			.flag = m->bool_value };
		break;
	case VALUE(INT_VALUE):
		*out = (struct setting_value) { .kind = SETTING_INT,
			.number = m->int_value };
		break;
	case VALUE(BYTES_VALUE):
		rpc_finish(h->c, RPC_INVALID_ARGUMENT,
		    "setting '%s' expects %s value; bytes are not supported "
		    "for this key",
		    row->key, setting_kind_name(row->kind));
		return false;
	default:
		why = m == NULL ? "setting_value is required"
				: "setting_value.value is required";
		rpc_finish(h->c, RPC_INVALID_ARGUMENT, "%s", why);
		return false;
	}
	if (setting_check(row, out, &e) == 0)
		return true;
	rpc_finish(h->c, RPC_INVALID_ARGUMENT, "%s", e.text);
	return false;
}

static void
update(struct change *h, const setting_value_msg *m)
{
	const struct setting *row = setting_find(h->key);
	struct setting_value v;
	bool changed;
	struct err e;

	if (row == NULL && setting_unknown(h->key, &e) < 0) {
		rpc_finish_err(h->c, &e);
		return;
	}
	if (load(h, &e) < 0) {
		rpc_finish_err(h->c, &e);
		return;
	}
	if (is_managed(h, "before sandbox update") ||
	    !take_value(h, row, m, &v))
		return;
	h->value = &v;
	if (settings_set(list_of(h), h->key, &v, &changed, &e) < 0)
		rpc_finish_err(h->c, &e);
	else
		finish(h, changed, &e);
}

/* Keys that were taken out of the registry are deleted as others. */
static void
drop(struct change *h)
{
	struct err e;

	if (load(h, &e) < 0) {
		rpc_finish_err(h->c, &e);
		return;
	}
	if (is_managed(h, "first"))
		return;
	if (h->s == NULL && setting_find(h->key) == NULL &&
	    settings_find(&h->all, h->key) == NULL &&
	    setting_unknown(h->key, &e) < 0)
		rpc_finish_err(h->c, &e);
	else
		finish(h, settings_drop(list_of(h), h->key), &e);
}

static void
end(struct change *h)
{
	settings_fini(&h->all);
	settings_fini(&h->own);
}

/* Its key and its scope are ones that can be. */
static bool
may_be(const struct change *h)
{
	if (h->key.n > SETTING_KEY_MAX)
		rpc_finish(h->c, RPC_INVALID_ARGUMENT,
		    "setting_key is longer than %d bytes",
		    (int)SETTING_KEY_MAX);
	else if (view_eq(h->key, VIEW("policy")))
		rpc_finish(h->c, RPC_INVALID_ARGUMENT,
		    h->s == NULL
			? "reserved key 'policy' must be set via the policy "
			  "field"
			: "reserved key 'policy' must be set via policy "
			  "commands");
	else
		return true;
	return false;
}

void
settings_update(struct rpc_call *c, struct sbx *s, struct view key,
    const setting_value_msg *value)
{
	struct change h = { .c = c, .s = s, .key = key };

	if (may_be(&h))
		update(&h, value);
	end(&h);
}

void
settings_delete(struct rpc_call *c, struct sbx *s, struct view key)
{
	struct change h = { .c = c, .s = s, .key = key };

	if (may_be(&h))
		drop(&h);
	end(&h);
}

/* --- reading ------------------------------------------------------------- */

typedef Openshell__Sandbox__V1__GetGatewayConfigResponse config_msg;
typedef Openshell__Sandbox__V1__GetGatewayConfigResponse__SettingsEntry
    entry_msg;

struct entries {
	entry_msg *entry, **list;
	setting_value_msg *value;
	size_t n;
};

/* The value of the entry that was added; without one it is set by nobody. */
static setting_value_msg *
add(struct entries *t, const char *key, bool is_set)
{
	entry_msg *m = &t->entry[t->n];

	openshell__sandbox__v1__get_gateway_config_response__settings_entry__init(
	    m);
	m->key = (char *)(uintptr_t)key;
	m->value = is_set ? &t->value[t->n] : NULL;
	t->list[t->n++] = m;
	return m->value;
}

static void
add_all(struct entries *t, const struct settings *all)
{
	for (size_t i = 0; i < SETTINGS_N; i++)
		if (settings_find(all, view_of(setting_rows[i].key)) == NULL)
			(void)add(t, setting_rows[i].key, false);
	for (size_t i = 0; i < all->n; i++)
		setting_fill(add(t, all->v[i].key, true), &all->v[i].value);
}

/* The policy of every sandbox is read as one of the settings. */
void
rpc_GetGatewayConfig(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	config_msg r =
	    OPENSHELL__SANDBOX__V1__GET_GATEWAY_CONFIG_RESPONSE__INIT;
	const struct global *over = &gw_of(c)->global;
	AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
	AUTO_FREE entry_msg *entry = NULL;
	AUTO_FREE entry_msg **list = NULL;
	AUTO_FREE setting_value_msg *value = NULL;
	AUTO_SETTINGS all = { 0 };
	struct entries t = { 0 };
	struct err e;

	if (settings_load(gw_of(c), NULL, &all, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	t.entry = entry = mem_calloc(SETTINGS_N + all.n + 1, sizeof(*entry));
	t.list = list = mem_calloc(SETTINGS_N + all.n + 1, sizeof(*list));
	t.value = value = mem_calloc(SETTINGS_N + all.n + 1, sizeof(*value));
	add_all(&t, &all);
	if (over->version != 0) {
		setting_value_msg *v = add(&t, "policy", true);

		policy_wire_pack(over->policy, &packed);
		openshell__sandbox__v1__setting_value__init(v);
		v->value_case = VALUE(BYTES_VALUE);
		v->bytes_value.data = (uint8_t *)packed.p;
		v->bytes_value.len = packed.n;
	}
	r.settings_revision = all.revision;
	r.settings = t.list;
	r.n_settings = t.n;
	rpc_answer(c, &r.base);
}
