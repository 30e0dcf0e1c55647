/*
 * creds: credentials put into requests, and kept out of answers.
 *
 *	creds.c		what the sandbox may use, and where each may go
 *	creds_edit.c	placeholders of a head, and signatures, on the way out
 *	creds_hold.c	placeholders of a body
 *	creds_tap.c	answers that show what was sent
 *
 * A value leaves this process in one way: over TLS, to the host, port and path
 * its provider's profile names or a policy endpoint binds to that provider, in
 * a request the policy has allowed, with a method that does not echo.
 */
#ifndef PROXY_CREDS_H
#define PROXY_CREDS_H

#include "proxy/hx.h"
#include "secrets/creds.h"
#include "secrets/reflect.h"
#include "secrets/rewrite.h"

/* --- creds.c ---------------------------------------------------------------
 */

/* `n` bytes of that descriptor are all there is from now on.  When they cannot
 * be read there is nothing: an old credential is never kept. */
int creds_take(
    struct px *px, int fd, uint32_t revision, size_t n, struct err *e) MUST_USE;
void creds_drop(struct px *px);

/* What policy says of them for the request under way. */
const struct policy_treatment *creds_terms(struct px_conn *c);
/* Some credential may go where the request under way goes. */
bool creds_here(struct px_conn *c);
/* Such an endpoint must be inspected.  -1: the connection may not be. */
int creds_gate(struct px_conn *c, struct err *e) MUST_USE;
/* A struct rw's resolve; ctx is the px_conn. */
int creds_resolve(
    void *ctx, const struct ph *p, struct view *value, struct err *e) MUST_USE;
/* Its name goes into the record: "GITHUB_TOKEN of github". */
void creds_note_use(struct px_conn *c, const struct cred *k);
/* One named credential of the endpoint's provider; NULL: there is none that
 * may go here. */
const struct cred *creds_named(
    struct px_conn *c, const struct policy_treatment *t, struct view key);
/*
 * The one that goes with a request which has no Authorization of its own: of
 * the endpoint's provider, else the only one whose type belongs here.  NULL:
 * none does.
 */
const struct cred *creds_bearer(
    struct px_conn *c, const struct policy_treatment *t);

/* What would let a placeholder go: for the record and the answer. */
#define CREDS_PLACEHOLDER_FIX \
	"at the endpoint: request_body_credential_rewrite: true fills it in " \
	"(websocket_credential_rewrite in messages), " \
	"allow_credential_placeholders: true lets it pass as text"

/* --- creds_edit.c ----------------------------------------------------------
 */

struct creds_edit {
	bool on; /* what follows is to be sent */
	struct h1_head head;
	struct view path, query;
	struct view payload; /* of what is signed */
	struct buf out; /* where values are: a rw_out */
};
/*
 * The head as it goes out, when it is not what came.  -1 and ERR_DENIED (a
 * credential that may not go here), ERR_NOT_FOUND (none) or ERR_AGAIN (none at
 * present): creds_refuse.
 */
int creds_edit(struct px_conn *c, const struct h1_head *h,
    struct creds_edit *out, struct err *e) MUST_USE;
void creds_edit_fini(struct creds_edit *ed);
/* Answers, and records, what hx_send or a body was refused for. */
enum px_next creds_refuse(struct px_conn *c, const struct err *e);

/*
 * Whether no placeholder may be in the body of the request under way (NULL:
 * in a text message that is not filled in), since nothing replaces it: where
 * there are credentials, unless the policy says allow_credential_placeholders.
 */
bool creds_guards(struct px_conn *c, const struct h1_head *h);
/* One is in it: answers and records that; the body goes no further. */
enum px_next creds_refuse_body(struct px_conn *c);

/* --- creds_sign.c ----------------------------------------------------------
 */

/* Takes the client's signature from ed->head, and settles what is said of the
 * body. */
int creds_payload(struct px_conn *c, const struct policy_treatment *t,
    struct creds_edit *ed, struct err *e) MUST_USE;
/* Signs ed->head, after that; its values may be filled in already. */
int creds_sign(struct px_conn *c, const struct policy_treatment *t,
    struct creds_edit *ed, struct err *e) MUST_USE;
/* Whether the hash of the whole body has to be known. */
bool creds_signs_body(
    const struct policy_treatment *t, const struct h1_head *h);

#endif
