/* setting_change: see setting_change.h. */
#include "cli/setting_change.h"

#include "base/mem.h"
#include "cli/confirm.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

typedef Openshell__V1__UpdateConfigRequest update_req;
typedef Openshell__V1__UpdateConfigResponse update_resp;
typedef Openshell__Sandbox__V1__SettingValue value_msg;

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

/* `text` owns what a string borrows. */
static void
fill(value_msg *m, const struct setting_value *v, char **text)
{
	switch (v->kind) {
	case SETTING_STRING:
		m->value_case = VALUE(STRING_VALUE);
		m->string_value = *text = view_dup(v->text);
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

static int
update(struct policy_place *p, const struct setting_change *h,
    update_resp **out, struct err *e)
{
	AUTO_FREE char *name = mem_strdup(p->sandbox != NULL ? p->sandbox : "");
	AUTO_FREE char *key = mem_strdup(h->key), *text = NULL;
	update_req q = OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	value_msg value = OPENSHELL__SANDBOX__V1__SETTING_VALUE__INIT;

	q.name = name;
	q.global = p->sandbox == NULL;
	q.setting_key = key;
	q.delete_setting = h->value == NULL;
	if (h->value != NULL) {
		fill(&value, h->value, &text);
		q.setting_value = &value;
	}
	return reach_call(p->reach, "UpdateConfig", &q.base,
	    &openshell__v1__update_config_response__descriptor, out, NULL, e);
}

static int
say(struct cli *c, const struct policy_place *p, const struct setting_change *h,
    const update_resp *r, struct err *e)
{
	AUTO_BUF struct buf what = BUF_INIT(2 * SETTING_TEXT_MAX),
			    of = BUF_INIT(256), tail = BUF_INIT(512);

	buf_puts(&what, h->key);
	if (h->value != NULL) {
		buf_putc(&what, '=');
		setting_put(h->value, &what);
	}
	if (p->sandbox != NULL)
		buf_printf(&of, " for %.63s", p->sandbox);
	if (h->value == NULL && !r->deleted) {
		buf_printf(&tail, " not found%s", buf_str(&of));
		return cli_say(c, false,
		    p->sandbox != NULL ? "Sandbox setting" : "Global setting",
		    buf_str(&what), buf_str(&tail), e);
	}
	buf_printf(&tail, "%s (revision %llu)", buf_str(&of),
	    (unsigned long long)r->settings_revision);
	buf_reset(&of);
	buf_printf(&of, "%s %s setting", h->value != NULL ? "Set" : "Deleted",
	    p->sandbox != NULL ? "sandbox" : "global");
	return cli_say(
	    c, true, buf_str(&of), buf_str(&what), buf_str(&tail), e);
}

int
setting_change(struct cli *c, const struct setting_change *h, struct err *e)
{
	AUTO_REACH struct reach *r = NULL;
	AUTO_MSG update_resp *answer = NULL;
	struct policy_place p;

	if (h->global && !h->yes && h->sandbox == NULL &&
	    confirm_global(c, h->value != NULL ? "updates" : "deletes",
		"a setting", e) < 0)
		return -1;
	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, h->global, h->sandbox, &p, e) < 0)
		return -1;
	if (update(&p, h, &answer, e) < 0)
		return err_wrap(e, "setting '%.100s' was not %s", h->key,
		    h->value != NULL ? "set" : "deleted");
	return say(c, &p, h, answer, e);
}
