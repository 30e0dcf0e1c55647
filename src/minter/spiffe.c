#include "minter/spiffe.h"

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/rpc.h"
#include "workload.pb-c.h"

enum { ANSWER_MAX = 256 << 10 };

/* The agent refuses who does not send it: a browser cannot. */
static const struct rpc_metadata metadata[] = {
	{ "workload.spiffe.io", "true" },
	{ NULL, NULL },
};

bool
spiffe_is_jwt(struct view v)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789-_";
	struct view rest = v, part;

	for (unsigned parts = 1;; parts++) {
		part = view_cut(rest, '.', &rest);
		if (part.n == 0)
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (part.p[i] == '\0' ||
			    strchr(good, part.p[i]) == NULL)
				return false;
		if (rest.p == NULL)
			return parts == 3;
	}
}

static int
take(const JWTSVIDResponse *r, struct view id, struct buf *svid, struct err *e)
{
	const JWTSVID *one = r->n_svids > 0 ? r->svids[0] : NULL;

	if (one == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "it gives no identity to this gateway: make an entry for "
		    "it there");
	if (id.n > 0 && !view_eq(view_of(one->spiffe_id), id))
		return err_set(
		    e, ERR_PROTO, "it answered for another identity");
	if (strlen(one->svid) > SPIFFE_SVID_MAX ||
	    !spiffe_is_jwt(view_of(one->svid)))
		return err_set(e, ERR_PROTO, "what it gave is no JWT");
	buf_puts(svid, one->svid);
	return svid->full ? err_set(e, ERR_LIMIT, "its JWT is too long") : 0;
}

static unsigned
left_ms(const struct minter_job *j)
{
	uint64_t now = clock_mono_ms();

	return now < j->ends_ms ? (unsigned)(j->ends_ms - now) : 1;
}

static int
fetch(const struct minter_job *j, const char *url, const JWTSVIDRequest *ask,
    JWTSVIDResponse **out, struct err *e)
{
	const struct rpc_target target = { .url = url,
		.metadata = metadata,
		.answer_max = ANSWER_MAX,
		.connect_ms = left_ms(j) };
	struct rpc_client *c = NULL;
	ProtobufCMessage *answer = NULL;
	enum rpc_code code = RPC_OK;
	int rc;

	if (rpc_client_new(j->loop, &target, NULL, &c, e) < 0)
		return -1;
	rc = rpc_unary(c, "/SpiffeWorkloadAPI/FetchJWTSVID", &ask->base,
	    &jwtsvidresponse__descriptor, &answer, left_ms(j), &code, e);
	rpc_client_free(c);
	if (rc == 0)
		*out = (JWTSVIDResponse *)(void *)answer;
	else if (code == RPC_PERMISSION_DENIED)
		(void)err_set(e, ERR_DENIED,
		    "it gives no identity to this gateway: make an entry for "
		    "it there");
	return rc;
}

int
spiffe_jwt(const struct minter_job *j, struct view socket, struct view id,
    struct view audience, struct buf *svid, struct err *e)
{
	AUTO_FREE char *path = view_dup(way_socket_path(socket));
	AUTO_FREE char *url = mem_printf("unix:%s", path);
	AUTO_FREE char *whom = view_dup(audience), *who = view_dup(id);
	JWTSVIDRequest ask = JWTSVIDREQUEST__INIT;
	JWTSVIDResponse *r = NULL;
	int rc;

	ask.audience = &whom;
	ask.n_audience = 1;
	ask.spiffe_id = who;
	rc = fetch(j, url, &ask, &r, e);
	if (rc == 0)
		rc = take(r, id, svid, e);
	for (size_t i = 0; r != NULL && i < r->n_svids; i++)
		mem_wipe(r->svids[i]->svid, strlen(r->svids[i]->svid));
	jwtsvidresponse__free_unpacked(r, NULL);
	return rc == 0 ? 0 : err_wrap(e, "SPIFFE agent at %.200s", path);
}
