/*
 * run_creds: `openshell run --provider TYPE`: the user's own variables, as the
 * type knows them, to the proxy of this run; the command sees names.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/providers.h"
#include "cli/run.h"
#include "secrets/creds.h"
#include "secrets/rewrite.h"

typedef Openshell__Datamodel__V1__Provider__CredentialsEntry credential_msg;

/* `each` gets every credential once: the first provider's, on a clash. */
static int
each_credential(const struct run_options *o,
    int (*each)(void *ctx, const struct cred *c, struct err *e), void *ctx,
    struct err *e)
{
	AUTO_BUF struct buf seen = BUF_INIT(65536);

	for (size_t i = 0; i < o->providers.n; i++) {
		AUTO_PROVIDER provider_msg *p = provider_new();
		const char *type = provider_type(o->providers.v[i], e);

		if (type == NULL)
			return -1;
		p->type = mem_strdup(type);
		if (provider_discover(p, e) < 0)
			return -1;
		for (size_t k = 0; k < p->n_credentials; k++) {
			const credential_msg *en = p->credentials[k];
			const struct cred c = { .provider = view_of(type),
				.type = view_of(type),
				.key = view_of(en->key),
				.value = view_of(en->value) };
			AUTO_FREE char *mark = mem_printf("\n%s\n", en->key);

			if (seen.n > 0 && strstr(buf_str(&seen), mark) != NULL)
				continue;
			buf_puts(&seen, mark);
			if (each(ctx, &c, e) < 0)
				return -1;
		}
	}
	return 0;
}

static int
add(void *ctx, const struct cred *c, struct err *e)
{
	return creds_add(ctx, c, e);
}

int
run_creds_seal(const struct run_options *o, int *fd, size_t *n, struct err *e)
{
	AUTO_RW_OUT struct buf bytes = BUF_INIT(0);

	rw_out_init(&bytes, CREDS_BYTES_MAX);
	creds_begin(&bytes);
	if (each_credential(o, add, &bytes, e) < 0)
		return err_wrap(e, "--provider");
	*n = bytes.n;
	return memfd_seal(buf_view(&bytes), fd, e);
}

static int
add_env(void *ctx, const struct cred *c, struct err *e UNUSED)
{
	AUTO_BUF struct buf kv = BUF_INIT(1024);

	ph_environ(c->key, &kv);
	blob_add(ctx, "env", buf_str(&kv));
	return 0;
}

int
run_creds_environ(const struct run_options *o, struct blob *b, struct err *e)
{
	return each_credential(o, add_env, b, e);
}
