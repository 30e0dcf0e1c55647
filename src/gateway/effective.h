/*
 * effective: the settings of a gateway as they are stored, of every sandbox at
 * once and of each, and what holds of a sandbox (gateway-api 4.9): the one set
 * for every sandbox, else its own, else the initial one.
 *
 * They are read from the store each time: there is no copy that could say
 * otherwise.
 */
#ifndef GATEWAY_EFFECTIVE_H
#define GATEWAY_EFFECTIVE_H

#include "gateway/gw.h"
#include "settings/settings.h"

typedef Openshell__Sandbox__V1__SettingValue setting_value_msg;
typedef Openshell__Sandbox__V1__SettingScope setting_scope;

/* `s` NULL: those of every sandbox.  None stored is an empty list. */
int settings_load(struct gateway *g, const struct sbx *s, struct settings *out,
    struct err *e) MUST_USE;
/* Stores it as the next revision. */
int settings_save(struct gateway *g, const struct sbx *s,
    struct settings *changed, struct err *e) MUST_USE;
/* The global policy is one of the global settings: it changed, or (false) not.
 * Either way *revision is that of the settings now. */
int settings_touch(struct gateway *g, bool changed, uint64_t *revision,
    struct err *e) MUST_USE;

struct effective {
	struct settings all, own;
	struct {
		const struct setting_value *v; /* NULL: set by nobody */
		setting_scope scope;
	} row[SETTINGS_N];
};

int effective_load(
    const struct sbx *s, struct effective *out, struct err *e) MUST_USE;
void effective_fini(struct effective *f);
#define AUTO_EFFECTIVE CLEANUP(effective_fini) struct effective
/*
 * Whether that is what holds of a sandbox, as a person would write it.  One
 * that cannot be read is not what anybody hopes for: false, and in the log.
 */
bool setting_is(const struct sbx *s, enum setting_id id, struct view text);

/* As a message that borrows from `v`. */
void setting_fill(setting_value_msg *m, const struct setting_value *v);

/* --- rpc_settings.c --- */
/* UpdateConfig with a key: of one sandbox, or (NULL) of all; answers. */
void settings_update(struct rpc_call *c, struct sbx *s, struct view key,
    const setting_value_msg *value);
void settings_delete(struct rpc_call *c, struct sbx *s, struct view key);

#endif
