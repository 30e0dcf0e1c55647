#include "proxy/deny.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/mem.h"
#include "http/grpc.h"
#include "http/h1.h"

/*
 * Hostile bytes are shown escaped.  JSON's own escapes suffice for control
 * characters; invalid UTF-8 must not reach the encoder.
 */
static void
put(json_t *o, const char *key, struct view v)
{
	AUTO_BUF struct buf b = BUF_INIT(DENY_BODY_MAX);
	json_t *s = json_stringn(v.p != NULL ? v.p : "", v.n);

	if (s == NULL) {
		buf_put_escaped(&b, v);
		s = json_stringn(b.p, b.n);
	}
	(void)json_object_set_new(o, key, s);
}

static void
put_if(json_t *o, const char *key, struct view v)
{
	if (v.n > 0)
		put(o, key, v);
}

/* The rule that is not there, in upstream's form. */
static json_t *
rule_missing(const struct deny *d)
{
	json_t *o = json_object();
	bool rest = d->layer[1] == '7';

	put(o, "type", rest ? VIEW("rest_allow") : VIEW("endpoint_allow"));
	put(o, "layer", view_of(d->layer));
	if (rest) {
		put_if(o, "method", d->method);
		put_if(o, "path", d->path);
	}
	put_if(o, "host", d->host);
	if (d->port != 0)
		(void)json_object_set_new(o, "port", json_integer(d->port));
	put_if(o, "binary", d->binary);
	return o;
}

/*
 * Words for a model, which tends to try the next way round: what cannot help,
 * what can, and whom to ask.
 */
static const struct guidance {
	const char *error;
	bool changeable; /* a rule would allow it */
	const char *text;
} guidances[] = {
	{ "policy_denied", true,
	    "The policy of this sandbox does not allow this request. Do not "
	    "retry it, and do not try another program, host name, port, "
	    "encoding or proxy: every way out is judged by the same policy. "
	    "If the task can be done without this request, go on without it. "
	    "If it cannot, stop and tell the person who runs this sandbox "
	    "what you need and why, with event_id and suggestion of this "
	    "answer; a change of the policy is in force at once, and then the "
	    "same request succeeds." },
	{ "policy_denied", false,
	    "The policy of this sandbox does not allow this request, and no "
	    "rule that could be added to it would. Do not retry it or look "
	    "for another way to send it. Go on without it, or stop and tell "
	    "the person who runs this sandbox, with event_id and detail of "
	    "this answer." },
	{ "credential_placeholder", false,
	    "The body holds a placeholder: the name that stands for a "
	    "credential in this sandbox, as its variables have them. Send the "
	    "request again without it: leave out what shows the environment. "
	    "If a credential is meant to be in the body, or such names are "
	    "to be talked about here, tell the person who runs this sandbox "
	    "what detail says." },
	{ "credential_unavailable", false,
	    "The request needs a credential that the gateway of this sandbox "
	    "gets by itself and does not have now; detail says why. The "
	    "gateway goes on trying: the same request may succeed in a minute. "
	    "No other program, name or header helps. If it goes on, tell the "
	    "person who runs this sandbox, with event_id of this answer." },
	{ "middleware_denied", false,
	    "A middleware that looks at the requests of this sandbox does not "
	    "let this one pass; reason_code, where there is one, says why. Do "
	    "not try to send the same in another form. Go on without it, or "
	    "stop and tell the person who runs this sandbox, with event_id of "
	    "this answer." },
	{ "middleware_failed", false,
	    "Requests to this host must be looked at by a middleware before "
	    "they go, and it could not look at this one, so nothing was sent. "
	    "If the body is compressed or very large, send it plain and "
	    "smaller; else try again once, a little later. Then stop and tell "
	    "the person who runs this sandbox, with event_id of this answer." },
	{ "ssrf_denied", false,
	    "The address behind this name is one that this sandbox may not "
	    "reach. Other names, spellings or redirects to the same address "
	    "are refused as well. Go on without it, or stop and tell the "
	    "person who runs this sandbox, with event_id of this answer; what "
	    "would have to change is in the record with that number." },
};

static const char *
guidance_of(const struct deny *d)
{
	for (size_t i = 0; i < ARRAY_LEN(guidances); i++)
		if (strcmp(guidances[i].error, d->error) == 0 &&
		    guidances[i].changeable == (d->suggestion.n > 0))
			return guidances[i].text;
	return NULL;
}

static void
put_event_id(json_t *o, const struct deny *d)
{
	if (d->event_id > 0)
		(void)json_object_set_new(
		    o, "event_id", json_integer((json_int_t)d->event_id));
}

/* What the agent can do itself, where it is let: proxy/advisor.h. */
static const struct advice_step {
	const char *action, *key, *value, *method;
} advice_steps[] = {
	{ "read_skill", "path", "/etc/openshell/skills/policy_advisor.md",
	    NULL },
	{ "inspect_policy", "url", "http://policy.local/v1/policy/current",
	    "GET" },
	{ "inspect_recent_denials", "url",
	    "http://policy.local/v1/denials?last=10", "GET" },
	{ "submit_proposal", "url", "http://policy.local/v1/proposals",
	    "POST" },
};

static void
put_advice_steps(json_t *steps)
{
	for (size_t i = 0; i < ARRAY_LEN(advice_steps); i++) {
		const struct advice_step *s = &advice_steps[i];
		json_t *o = json_object();

		put(o, "action", view_of(s->action));
		put_if(o, "method", view_of(s->method));
		put(o, s->key, view_of(s->value));
		(void)json_array_append_new(steps, o);
	}
}

/* What the owner is to be asked for; the agent itself can change nothing. */
static json_t *
next_steps(const struct deny *d)
{
	json_t *steps = json_array(), *ask = json_object();
	char why[64];

	put(ask, "action", VIEW("ask_owner"));
	put_event_id(ask, d);
	if (d->event_id > 0) {
		(void)snprintf(why, sizeof(why),
		    "openshell policy why SANDBOX %llu",
		    (unsigned long long)d->event_id);
		put(ask, "owner_command", view_of(why));
	}
	if (d->suggestion.n > 0)
		put(ask, "policy_change",
		    VIEW("what `suggestion` says, under network_policies"));
	(void)json_array_append_new(steps, ask);
	if (d->advisor && d->suggestion.n > 0)
		put_advice_steps(steps);
	return steps;
}

static const char proposing[] =
    " Here you may also propose the change yourself: read "
    "/etc/openshell/skills/policy_advisor.md, then send the narrowest rule "
    "that does to http://policy.local/v1/proposals. Nothing is allowed until "
    "it is approved.";

static void
put_advice(json_t *o, const struct deny *d)
{
	AUTO_BUF struct buf text = BUF_INIT(DENY_BODY_MAX);
	const char *guidance = guidance_of(d);

	put_if(o, "nearest", d->nearest);
	put_if(o, "miss", d->miss);
	if (d->suggestion.n > 0) {
		(void)json_object_set_new(o, "rule_missing", rule_missing(d));
		put(o, "suggestion", d->suggestion);
	}
	if (guidance == NULL)
		return;
	(void)json_object_set_new(o, "next_steps", next_steps(d));
	buf_puts(&text, guidance);
	if (d->advisor && d->suggestion.n > 0)
		buf_puts(&text, proposing);
	put(o, "agent_guidance", buf_view(&text));
}

static json_t *
object_of(const struct deny *d)
{
	json_t *o = json_object();
	AUTO_BUF struct buf rule = BUF_INIT(DENY_BODY_MAX);

	put(o, "error", view_of(d->error));
	if (d->layer != NULL) {
		put(o, "policy", d->policy.n > 0 ? d->policy : VIEW("-"));
		buf_put(&rule, d->method);
		buf_putc(&rule, ' ');
		buf_put(&rule, d->path);
		put(o, "rule", buf_view(&rule));
	}
	put(o, "detail", d->detail);
	if (d->layer != NULL) {
		put(o, "layer", view_of(d->layer));
		put(o, "protocol", view_of(d->protocol));
	}
	put_if(o, "method", d->method);
	put_if(o, "path", d->path);
	put_if(o, "host", d->host);
	if (d->port != 0)
		(void)json_object_set_new(o, "port", json_integer(d->port));
	put_if(o, "binary", d->binary);
	put_event_id(o, d);
	if (d->middleware.n > 0) {
		put_if(o, "policy", d->policy);
		put(o, "middleware", d->middleware);
		put_if(o, "reason_code", d->reason_code);
	}
	put_if(o, "operation", d->operation);
	put_if(o, "tool", d->tool);
	put_advice(o, d);
	return o;
}

/* The error of one call; `id` is JSON already. */
static json_t *
rpc_error(struct view id, json_t *data, struct view detail)
{
	json_t *o = json_object(), *err = json_object();

	(void)json_object_set_new(o, "jsonrpc", json_string("2.0"));
	(void)json_object_set_new(o, "id",
	    json_loadb(id.p, id.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
	(void)json_object_set_new(err, "code", json_integer(DENY_RPC_CODE));
	put(err, "message", detail);
	if (data != NULL)
		(void)json_object_set(err, "data", data);
	(void)json_object_set_new(o, "error", err);
	return o;
}

static json_t *
rpc_answer(const struct deny *d, json_t *data)
{
	AUTO_BUF struct buf detail = BUF_INIT(DENY_BODY_MAX);
	json_t *all, *one = NULL;

	buf_puts(&detail, "denied by the sandbox's policy: ");
	buf_put(&detail, d->detail);
	if (!d->rpc_batch)
		return rpc_error(d->rpc_ids[0], data, buf_view(&detail));
	all = json_array();
	for (size_t i = 0; i < d->n_rpc_ids; i++) {
		/* Told once in full. */
		one = i == 0 ? rpc_error(d->rpc_ids[i], data, buf_view(&detail))
			     : rpc_error(d->rpc_ids[i], NULL,
				   VIEW("denied with its batch"));
		(void)json_array_append_new(all, one);
	}
	return all;
}

void
deny_body(const struct deny *d, struct buf *out)
{
	json_t *o = object_of(d), *answer;
	char *text;

	answer = d->n_rpc_ids > 0 ? rpc_answer(d, o) : json_incref(o);
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	json_decref(o);
	if (text != NULL)
		buf_puts(out, text);
	buf_putc(out, '\n');
	free(text);
}

/* Policy keys are checked at load to be printable, so this is defence only:
 * Attack: response splitting through a policy name. */
static bool
field_safe(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	return v.n > 0 && v.n <= 256;
}

static void
put_policy(const struct deny *d, struct buf *out)
{
	if (d->layer == NULL)
		return;
	buf_puts(out, "X-OpenShell-Policy: ");
	buf_put(out, field_safe(d->policy) ? d->policy : VIEW("-"));
	buf_puts(out, "\r\n");
}

void
deny_grpc(const struct deny *d, struct buf *out)
{
	buf_printf(out,
	    "HTTP/1.1 200 OK\r\n"
	    "Content-Type: application/grpc\r\n"
	    "grpc-status: %u\r\n"
	    "grpc-message: ",
	    grpc_status(d->status));
	grpc_message_put(out, d->detail);
	buf_puts(out, "\r\n");
	put_policy(d, out);
	/* Without a length, so that one frame of HTTP/2 says it all. */
	buf_puts(out, "Transfer-Encoding: chunked\r\n"
		      "Connection: close\r\n\r\n0\r\n\r\n");
}

void
deny_response(const struct deny *d, struct buf *out)
{
	AUTO_BUF struct buf body = BUF_INIT(DENY_BODY_MAX);

	deny_body(d, &body);
	buf_printf(out, "HTTP/1.1 %u %s\r\n", d->status, h1_reason(d->status));
	buf_printf(out,
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n",
	    body.n);
	put_policy(d, out);
	buf_puts(out, "Connection: close\r\n\r\n");
	if (!view_eq(d->method, VIEW("HEAD")))
		buf_put(out, buf_view(&body));
}
