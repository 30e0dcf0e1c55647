/* refresh: providers that say how their credentials are made. */
#ifndef CLI_REFRESH_H
#define CLI_REFRESH_H

#include "cli/emit.h"
#include "cli/reach.h"
#include "secrets/ways.h"

typedef Openshell__Datamodel__V1__Minting minting_msg;

/* What the rows of refresh_rows.def fill in. */
struct refresh_args {
	const char *settings[WAY_SETTINGS];
	struct cli_list secrets;
	const char *key;
};

bool refresh_given(const struct refresh_args *a);
/* The message; the way is that of the settings.  -1 when they are of two. */
int refresh_read(struct cli *c, const struct refresh_args *a, minting_msg **out,
    struct err *e) MUST_USE;
void refresh_wipe(minting_msg *m);
/* The n-th credential that it makes; NULL behind the last. */
const char *refresh_key(const minting_msg *m, size_t n);
/* How a provider is minted; NULL: it is not. */
void refresh_emit(struct emit_val *at, const minting_msg *m, bool table);

typedef Openshell__V1__GetProviderRefreshStatusResponse refresh_statuses;
/* RotateProviderCredential; the caller's. */
int refresh_rotate(struct reach *r, const char *name, refresh_statuses **out,
    struct err *e) MUST_USE;
/* Waits for the first ones and says what came: the exit status. */
int refresh_first(
    struct cli *c, struct reach *r, const char *name, struct err *e) MUST_USE;
int refresh_print(struct cli *c, const refresh_statuses *s, unsigned format,
    struct err *e) MUST_USE;

#endif
