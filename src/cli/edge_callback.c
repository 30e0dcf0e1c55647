/* edge_callback: the one request that a login waits for, read strictly. */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "cli/edge.h"
#include "http/h1.h"

void
edge_code(char out[EDGE_CODE_SIZE])
{
	/* 32 of them, none that is mistaken for another: each as likely. */
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	enum { N = sizeof(letters) - 1 };
	unsigned char r[EDGE_CODE_SIZE];

	_Static_assert(256 % N == 0, "a byte would favour some letters");
	random_bytes(r, sizeof(r));
	for (size_t i = 0; i < EDGE_CODE_SIZE - 1; i++)
		out[i] = letters[r[i] % N];
	out[3] = '-';
	out[EDGE_CODE_SIZE - 1] = '\0';
}

char *
edge_origin(const char *endpoint)
{
	struct view v = view_of(endpoint), scheme, rest, host;
	const char *mark = strstr(endpoint, "://");

	if (mark == NULL || mark == endpoint)
		return NULL;
	scheme = view_slice(v, 0, (size_t)(mark - endpoint));
	host = view_cut(view_slice(v, scheme.n + 3, v.n), '/', &rest);
	if (host.n == 0 || view_find(host, '@') >= 0)
		return NULL;
	return mem_printf(
	    "%.*s://%.*s", (int)scheme.n, scheme.p, (int)host.n, host.p);
}

/* --- answers ------------------------------------------------------------- */

static enum edge_outcome
answer(struct buf *out, const struct edge_expect *want, unsigned status,
    const char *json, enum edge_outcome outcome)
{
	const struct h1_field fields[] = {
		{ VIEW("Vary"), VIEW("Origin") },
		{ VIEW("Access-Control-Allow-Methods"), VIEW("POST, OPTIONS") },
		{ VIEW("Access-Control-Allow-Headers"), VIEW("Content-Type") },
		{ VIEW("Access-Control-Max-Age"), VIEW("60") },
		{ VIEW("Access-Control-Allow-Origin"), view_of(want->origin) },
	};

	h1_simple_response(out, status,
	    *json != '\0' ? VIEW("application/json") : (struct view) { 0 },
	    fields, want->origin != NULL ? ARRAY_LEN(fields) : 0, view_of(json),
	    true);
	return outcome;
}

#define REFUSE(status, error, outcome) \
	answer(out, want, (status), "{\"ok\":false,\"error\":\"" error "\"}", \
	    (outcome))

/* --- the body ------------------------------------------------------------ */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* The time does not tell how much of the code is right. */
static bool
is_code(const char *given, const char *code)
{
	size_t n = strlen(code);

	return strlen(given) == n && CRYPTO_memcmp(given, code, n) == 0;
}

static enum edge_outcome
take_body(struct view body, const struct edge_expect *want, struct buf *out,
    char **token)
{
	json_error_t why;
	json_t *o = json_loadb(
	    body.n > 0 ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &why);
	const char *given = text_of(o, "token"), *code = text_of(o, "code");
	enum edge_outcome rc;

	if (*given == '\0' || *code == '\0')
		rc = REFUSE(400, "missing token or code", EDGE_OVER);
	else if (!is_code(code, want->code))
		rc = REFUSE(403, "confirmation code mismatch", EDGE_OVER);
	else if (!edge_token_valid(view_of(given)))
		rc = REFUSE(400, "invalid edge token value", EDGE_OVER);
	else {
		*token = mem_strdup(given);
		rc = answer(out, want, 200, "{\"ok\":true}", EDGE_TOKEN);
	}
	json_decref(o);
	return rc;
}

/* --- the head ------------------------------------------------------------ */

static bool
is_path(const struct h1_head *h)
{
	struct view query;

	return view_eq(view_cut(h->target, '?', &query), VIEW("/callback"));
}

static bool
is_origin(const struct h1_head *h, const struct edge_expect *want)
{
	const struct h1_field *f = h1_find(h, VIEW("origin"));

	return want->origin == NULL ||
	       (f != NULL && view_eq(f->value, view_of(want->origin)));
}

static enum edge_outcome
take_head(const struct h1_head *h, struct view body,
    const struct edge_expect *want, struct buf *out, char **token)
{
	if (!is_path(h))
		return answer(out, want, 404, "", EDGE_GO_ON);
	if (!is_origin(h, want))
		return REFUSE(403, "origin not allowed", EDGE_STRANGER);
	if (view_eq(h->method, VIEW("OPTIONS")))
		return answer(out, want, 204, "", EDGE_GO_ON);
	if (!view_eq(h->method, VIEW("POST")))
		return answer(out, want, 405,
		    "{\"error\":\"method not allowed\"}", EDGE_GO_ON);
	if (h->framing != H1_BODY_LENGTH || h->content_length > EDGE_BODY_MAX)
		return REFUSE(400, "invalid request body", EDGE_OVER);
	if (body.n < h->content_length)
		return EDGE_MORE;
	return take_body(
	    view_slice(body, 0, (size_t)h->content_length), want, out, token);
}

enum edge_outcome
edge_callback(struct view request, const struct edge_expect *want,
    struct buf *out, char **token)
{
	struct h1_refusal refusal;
	struct h1_head h;
	size_t scanned = 0;
	struct err e;
	ssize_t n = h1_head_end(request, H1_REQUEST_HEAD_MAX, &scanned, &e);

	if (n == 0)
		return EDGE_MORE;
	if (n < 0)
		return answer(out, want, 400, "", EDGE_GO_ON);
	if (h1_parse_request(
		view_slice(request, 0, (size_t)n), &h, &refusal, &e) < 0)
		return answer(out, want, refusal.status, "", EDGE_GO_ON);
	return take_head(
	    &h, view_slice(request, (size_t)n, request.n), want, out, token);
}
