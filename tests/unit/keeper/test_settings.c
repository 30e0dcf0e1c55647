/* Settings on their way through a keeper: ctl is told of changes. */
#include "gate.h"

#include "test.h"

typedef Openshell__Supervisor__V1__Settings settings_msg;
typedef Openshell__Supervisor__V1__Setting setting_msg;
typedef Openshell__Sandbox__V1__SettingValue value_msg;

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

static settings_msg m;
static setting_msg item, *items[] = { &item };
static value_msg value;

static const settings_msg *
nothing(void)
{
	openshell__supervisor__v1__settings__init(&m);
	return &m;
}

static const settings_msg *
flag(const char *key, bool on)
{
	(void)nothing();
	openshell__supervisor__v1__setting__init(&item);
	openshell__sandbox__v1__setting_value__init(&value);
	value.value_case = VALUE(BOOL_VALUE);
	value.bool_value = on;
	item.key = (char *)(uintptr_t)key;
	item.value = &value;
	m.items = items;
	m.n_items = 1;
	return &m;
}

static const char *const proposals = "agent_policy_proposals_enabled";

static void
check_told(bool on)
{
	CHECK_INT(gate_next(), ==, SESSION_SETTINGS);
	CHECK_INT(gate.nfds, ==, 0);
	CHECK_INT(gate.got.settings.proposals, ==, on);
	CHECK_INT(gate_next(), ==, 0);
}

TEST(settings, are_off_until_they_are_on_and_again_when_nobody_sets_them)
{
	gate_open();
	keeper_settings_wanted(&gate.k, nothing());
	keeper_settings_wanted(&gate.k, flag(proposals, false));
	CHECK_INT(gate_next(), ==, 0);
	keeper_settings_wanted(&gate.k, flag(proposals, true));
	check_told(true);
	keeper_settings_wanted(&gate.k, flag(proposals, true));
	CHECK_INT(gate_next(), ==, 0);
	keeper_settings_wanted(&gate.k, nothing());
	check_told(false);
	gate_close();
}

TEST(settings, that_are_of_another_kind_or_unknown_are_as_none)
{
	gate_open();
	keeper_settings_wanted(&gate.k, flag("nosuch", true));
	(void)flag(proposals, true);
	value.value_case = VALUE(STRING_VALUE);
	value.string_value = (char[]) { "true" };
	keeper_settings_wanted(&gate.k, &m);
	value.value_case = VALUE(_NOT_SET);
	keeper_settings_wanted(&gate.k, &m);
	item.value = NULL;
	keeper_settings_wanted(&gate.k, &m);
	CHECK_INT(gate_next(), ==, 0);
	gate_close();
}

TEST(settings, are_not_told_to_who_ends)
{
	gate_open();
	gate.k.stopping = true;
	keeper_settings_wanted(&gate.k, flag(proposals, true));
	CHECK_INT(gate_next(), ==, 0);
	gate_close();
}
