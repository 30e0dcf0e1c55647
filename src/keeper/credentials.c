/*
 * credentials: values on their way from the gateway to the proxy.
 *
 * They are here for as long as it takes to put them into a sealed memfd, whose
 * descriptor goes through ctl; what is kept is their names, for the
 * environment of commands, and a digest, so that a gateway that dials again
 * changes nothing.  Order does the rest: ctl passes messages on in turn, so
 * that what a command started later asks meets the new values.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "codec/sha256.h"
#include "keeper/impl.h"
#include "secrets/creds.h"
#include "secrets/rewrite.h"

typedef Openshell__Supervisor__V1__Credentials credentials_msg;

static int
pack(const credentials_msg *m, struct buf *out, struct err *e)
{
	creds_begin(out);
	for (size_t i = 0; m != NULL && i < m->n_items; i++) {
		const Openshell__Supervisor__V1__Credential *one = m->items[i];
		const struct cred c = { .provider = view_of(one->provider),
			.type = view_of(one->type),
			.key = view_of(one->key),
			.value = { (const char *)one->value.data,
			    one->value.len },
			.absent = view_of(one->absent),
			.ends_ms = one->ends_at_ms,
			.put = (enum cred_put)one->put };

		if (creds_add(out, &c, e) < 0)
			return -1;
	}
	return 0;
}

static void
forget_keys(struct keeper *k)
{
	while (k->n_keys > 0)
		free(k->keys[--k->n_keys]);
	free(take_ptr(k->keys));
}

static void
keep_keys(struct keeper *k, const credentials_msg *m)
{
	forget_keys(k);
	if (m == NULL)
		return;
	k->keys = mem_calloc(m->n_items + 1, sizeof(*k->keys));
	for (size_t i = 0; i < m->n_items; i++)
		k->keys[k->n_keys++] = mem_strdup(m->items[i]->key);
}

static void
wipe(credentials_msg *m)
{
	for (size_t i = 0; m != NULL && i < m->n_items; i++)
		mem_wipe(m->items[i]->value.data, m->items[i]->value.len);
}

static int
pass_on(struct keeper *k, struct view bytes, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (memfd_seal(bytes, &fd, e) < 0)
		return -1;
	memset(&k->m.credentials, 0, sizeof(k->m.credentials));
	k->m.credentials.revision = ++k->credentials;
	k->m.credentials.n = (uint32_t)bytes.n;
	return keeper_send(k, SESSION_CREDENTIALS, &fd, 1, e);
}

void
keeper_credentials_wanted(struct keeper *k, credentials_msg *m)
{
	AUTO_RW_OUT struct buf bytes = BUF_INIT(0);
	unsigned char digest[SHA256_SIZE];
	struct err e;
	int rc;

	_Static_assert(
	    sizeof(k->digest) == SHA256_SIZE, "the digest has its place");
	/* A sandbox that never had any is not told so. */
	if (k->stopping ||
	    (k->credentials == 0 && (m == NULL || m->n_items == 0)))
		return;
	rw_out_init(&bytes, CREDS_BYTES_MAX);
	rc = pack(m, &bytes, &e);
	if (rc < 0) {
		/* None at all rather than some, or the old ones. */
		keeper_note(k, e.text);
		wipe(m);
		m = NULL;
		rw_out_wipe(&bytes);
		creds_begin(&bytes);
	}
	sha256(buf_view(&bytes), digest);
	if (k->credentials == 0 ||
	    memcmp(digest, k->digest, sizeof(digest)) != 0) {
		if (pass_on(k, buf_view(&bytes), &e) < 0)
			keeper_note(k, e.text);
		memcpy(k->digest, digest, sizeof(digest));
		keep_keys(k, m);
	}
	wipe(m);
}
