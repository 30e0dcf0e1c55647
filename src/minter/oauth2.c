#include "minter/oauth2.h"

#include <stdio.h>

#include "inspect/jdoc.h"
#include "minter/form.h"
#include "secrets/rewrite.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

void
oauth2_form(struct view client_id, struct view scope, struct view assertion,
    struct buf *form)
{
	form_put(form, "grant_type", VIEW("client_credentials"));
	form_put(form, "client_id", client_id);
	form_put(form, "scope", scope);
	form_put(form, "client_assertion_type", VIEW(ASSERTION_TYPE));
	form_put(form, "client_assertion", assertion);
}

/* VSCHAR of RFC 6749 appendix A, without the blank, which ends a field. */
static bool
is_token(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= 0x20 || v.p[i] > 0x7e)
			return false;
	return v.n > 0 && v.n <= RW_VALUE_MAX;
}

static bool
is_text(const struct jdoc_node *v)
{
	return v != NULL && v->type == JDOC_STRING;
}

static int
read_lifetime(const struct jdoc_node *v, uint64_t *out, struct err *e)
{
	*out = 0;
	if (v == NULL)
		return 0;
	if (v->type == JDOC_NUMBER && jdoc_is_integer(v) &&
	    view_u64(v->str, UINT32_MAX, out) && *out > 0)
		return 0;
	return err_set(e, ERR_PROTO,
	    "expires_in is no whole number of seconds from 1 to %u",
	    (unsigned)UINT32_MAX);
}

int
oauth2_answer(
    struct view body, struct buf *token, uint64_t *lifetime_s, struct err *e)
{
	AUTO_JDOC struct jdoc d = { 0 };
	const struct jdoc_node *text, *type;

	if (jdoc_parse(body, &d, e) < 0) {
		/* Its reason may show what stands there. */
		return err_set(e, ERR_PROTO, "the answer is no JSON");
	}
	text = jdoc_get(&d, &d.v[0], "access_token");
	type = jdoc_get(&d, &d.v[0], "token_type");
	if (!is_text(text) || !is_token(text->str))
		return err_set(e, ERR_PROTO,
		    "the answer has no access_token of 1 to %d printable "
		    "characters",
		    (int)RW_VALUE_MAX);
	if (!is_text(type) || !view_eq_nocase(type->str, VIEW("Bearer")))
		return err_set(
		    e, ERR_PROTO, "the token_type of the answer is not Bearer");
	if (read_lifetime(jdoc_get(&d, &d.v[0], "expires_in"), lifetime_s, e) <
	    0)
		return -1;
	buf_put(token, text->str);
	return token->full ? err_set(e, ERR_LIMIT, "the token is too long") : 0;
}

void
oauth2_error(struct view body, char out[OAUTH2_CODE_MAX])
{
	AUTO_JDOC struct jdoc d = { 0 };
	const struct jdoc_node *code;
	struct err ignored;

	out[0] = '\0';
	if (jdoc_parse(body, &d, &ignored) < 0)
		return;
	code = jdoc_get(&d, &d.v[0], "error");
	if (!is_text(code) || code->str.n >= OAUTH2_CODE_MAX)
		return;
	for (size_t i = 0; i < code->str.n; i++) {
		char c = code->str.p[i];

		if (!(c >= 'a' && c <= 'z') && c != '_')
			return;
	}
	(void)snprintf(
	    out, OAUTH2_CODE_MAX, "%.*s", (int)code->str.n, code->str.p);
}
