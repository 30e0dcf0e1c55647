/*
 * settings: what is set of this sandbox, on its way from the gateway.  The
 * keeper holds what holds; of it ctl and the proxy are told what they need,
 * once for each change.
 */
#include <string.h>

#include "keeper/impl.h"
#include "settings/settings.h"

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

static bool
take(const Openshell__Supervisor__V1__Setting *m, struct setting_value *v)
{
	if (m->value == NULL)
		return false;
	switch ((int)m->value->value_case) {
	case VALUE(STRING_VALUE):
		*v = (struct setting_value) { .kind = SETTING_STRING,
			.text = view_of(m->value->string_value) };
		return true;
	case VALUE(BOOL_VALUE):
		*v = (struct setting_value) { .kind = SETTING_BOOL,
			.flag = m->value->bool_value };
		return true;
	case VALUE(INT_VALUE):
		*v = (struct setting_value) { .kind = SETTING_INT,
			.number = m->value->int_value };
		return true;
	default:
		return false;
	}
}

/* One that this program does not take is as if nobody had set it. */
static struct setting_value
value_of(const Openshell__Supervisor__V1__Settings *m, enum setting_id id)
{
	const struct setting *row = &setting_rows[id];
	struct setting_value v;
	struct err ignored;

	for (size_t i = 0; m != NULL && i < m->n_items; i++)
		if (strcmp(m->items[i]->key, row->key) == 0 &&
		    take(m->items[i], &v) &&
		    setting_check(row, &v, &ignored) == 0)
			return v;
	return setting_initial(id);
}

void
keeper_settings_wanted(
    struct keeper *k, const Openshell__Supervisor__V1__Settings *m)
{
	bool proposals =
	    value_of(m, SETTING_ID_agent_policy_proposals_enabled).flag;

	if (k->stopping || proposals == k->proposals)
		return;
	k->proposals = proposals;
	memset(&k->m.settings, 0, sizeof(k->m.settings));
	k->m.settings.proposals = proposals;
	keeper_tell(k, SESSION_SETTINGS);
}
