/*
 * fuzz_draft: a proposal of a sandbox that is kept is a policy by itself, of
 * exact hosts and programs, marked as proposed, and says nothing about
 * credentials; a reason for refusing one can be shown as it is.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;

static void
check_endpoint(const endpoint_msg *e)
{
	assert(e->advisor_proposed);
	assert(e->host[0] != '\0' && strchr(e->host, '*') == NULL);
	assert(!policy_host_never_reached(view_of(e->host)));
	assert(e->port != 0 || e->n_ports > 0);
	assert(strcmp(e->enforcement, "audit") != 0 && e->tls[0] == '\0');
	assert(e->credential_binding == NULL);
	assert(e->credential_signing[0] == '\0');
	assert(!e->request_body_credential_rewrite);
	assert(!e->websocket_credential_rewrite);
	assert(!e->allow_credential_placeholders);
	assert(!e->allow_uninspected_credentials);
}

static void
check_kept(const struct store_chunk *c)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	rule_msg *r = openshell__sandbox__v1__network_policy_rule__unpack(
	    NULL, c->n_rule, (const uint8_t *)c->rule);

	assert(r != NULL && r->n_endpoints > 0 && r->n_binaries > 0);
	for (size_t i = 0; i < r->n_endpoints; i++)
		check_endpoint(r->endpoints[i]);
	for (size_t i = 0; i < r->n_binaries; i++) {
		assert(r->binaries[i]->path[0] == '/');
		assert(strchr(r->binaries[i]->path, '*') == NULL);
	}
	assert(policy_wire_rule_to(c->rule_name, r, &p, &f) == 0);
	assert(policy_network_count(p) == 1);
	assert(strcmp(c->binary, r->binaries[0]->path) == 0);
	assert(strlen(c->rule_hash) == 64 && c->host[0] != '\0');
	assert(c->confidence >= 0 && c->confidence <= 1 && c->hit_count > 0);
	openshell__sandbox__v1__network_policy_rule__free_unpacked(r, NULL);
}

static void
check_reason(const struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);

	assert(e->text[0] != '\0');
	buf_put_escaped(&b, view_of(e->text));
	assert(view_eq(buf_view(&b), view_of(e->text)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	chunk_msg *m = openshell__v1__policy_chunk__unpack(NULL, n, p);
	struct store_chunk c = { 0 };
	struct err e = { 0 };

	if (m == NULL)
		return 0;
	if (draft_take(m, &c, &e) == 0)
		check_kept(&c);
	else
		check_reason(&e);
	store_chunk_fini(&c);
	openshell__v1__policy_chunk__free_unpacked(m, NULL);
	return 0;
}
