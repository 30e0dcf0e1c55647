/*
 * global: the policy of every sandbox at once.
 *
 * It is set exactly while its newest revision is loaded: there is no second
 * place that could say otherwise.
 */
#include <string.h>

#include "store/db.h"

int
store_global_get(struct store *s, struct store_revision *out, struct err *e)
{
	struct store_revision r = { 0 };

	if (store_revision_get(s, STORE_GLOBAL, 0, &r, e) < 0)
		return -1;
	if (r.status != STORE_LOADED) {
		store_revision_fini(&r);
		return err_set(e, ERR_NOT_FOUND, "no global policy is set");
	}
	*out = r;
	return 0;
}

static int
set(struct store *s, const char *hash, struct view payload, int64_t now_ms,
    uint32_t *version, bool *changed, struct err *e)
{
	struct store_revision now = { 0 };
	bool same = false;

	if (store_global_get(s, &now, e) == 0) {
		same = strcmp(now.hash, hash) == 0;
		*version = now.version;
		store_revision_fini(&now);
	} else if (e->code != ERR_NOT_FOUND)
		return -1;
	*changed = !same;
	if (same)
		return 0;
	if (store_revision_add(s, STORE_GLOBAL, hash, payload, STORE_LOADED,
		now_ms, version, e) < 0)
		return -1;
	return store_revision_supersede(s, STORE_GLOBAL, *version, NULL, e);
}

int
store_global_set(struct store *s, const char *hash, struct view payload,
    int64_t now_ms, uint32_t *version, bool *changed, struct err *e)
{
	if (store_begin(s, e) < 0)
		return -1;
	if (set(s, hash, payload, now_ms, version, changed, e) < 0) {
		store_rollback(s);
		return err_wrap(e, "set the global policy");
	}
	return store_commit(s, e);
}

int
store_global_delete(struct store *s, bool *existed, struct err *e)
{
	unsigned changed = 0;

	if (store_revision_supersede(s, STORE_GLOBAL, UINT32_MAX, &changed, e) <
	    0)
		return err_wrap(e, "delete the global policy");
	*existed = changed > 0;
	return 0;
}
