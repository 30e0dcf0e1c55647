/* What a change of policy means for credentials. */
#include "fixture.h"

#include "base/mem.h"
#include "policy/extent.h"

/* One network policy with these endpoints, for these programs. */
static struct policy *
with(const char *endpoints, const char *programs)
{
	AUTO_FREE char *yaml = mem_printf("version: 1\n"
					  "network_policies:\n"
					  "  p:\n"
					  "    endpoints: [%s]\n"
					  "    binaries: [%s]\n",
	    endpoints, programs);

	return must_parse("p", yaml);
}

#define GH "{path: /usr/bin/gh}"
#define READ \
	"{host: api.github.com, port: 443, protocol: rest, access: read-only}"

/* "kind provider METHOD host:port how; ..." */
static const char *
found(const char *from, const char *from_programs, const char *to,
    const char *to_programs)
{
	static struct buf out = BUF_INIT(1 << 16);
	static const struct extent_place places[] = {
		{ VIEW("github"), VIEW("api.github.com"), 443 },
		{ VIEW("aws"), VIEW("**.amazonaws.com"), 443 }
	};
	AUTO_POLICY struct policy *a = with(from, from_programs);
	AUTO_POLICY struct policy *b = with(to, to_programs);
	AUTO_EXTENT_FINDINGS struct extent_findings f = { 0 };
	struct err e;

	buf_reset(&out);
	if (extent_find(a, b, places, ARRAY_LEN(places), EXTENT_STEPS, &f, &e) <
	    0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < f.n; i++)
		buf_printf(&out, "%s%s %s %s %s:%u %s", i > 0 ? "; " : "",
		    extent_finding_word(f.v[i].kind),
		    f.v[i].provider.n > 0 ? f.v[i].provider.p : "-",
		    f.v[i].request.method.p, f.v[i].request.host.p,
		    f.v[i].request.port, extent_how_word(f.v[i].cause.how));
	return buf_str(&out);
}

TEST(extent_findings, nothing_is_found_where_nothing_changed_or_narrowed)
{
	CHECK_STR(found(READ, GH, READ, GH), "");
	CHECK_STR(found("{host: api.github.com, port: 443, protocol: rest, "
			"access: full}",
		      GH, READ, GH),
	    "");
	/* Without a credential that belongs there. */
	CHECK_STR(found(READ, GH,
		      READ ", {host: docs.test, port: 443, protocol: rest, "
			   "access: full}",
		      GH),
	    "");
	/* The port is not that of the credential. */
	CHECK_STR(found(READ, GH,
		      READ ", {host: api.github.com, port: 22, protocol: rest, "
			   "access: full}",
		      GH),
	    "");
}

TEST(extent_findings, a_program_that_comes_to_a_credential)
{
	CHECK_STR(found("{host: a.test, port: 443}", GH,
		      "{host: a.test, port: 443}, " READ, GH),
	    "credential_reach_expansion github GET api.github.com:443 rule");
	CHECK_STR(found(READ, GH, READ, GH ", {path: /usr/bin/curl}"),
	    "credential_reach_expansion github GET api.github.com:443 rule");
	/* One name of a pattern is enough, whatever other it has. */
	CHECK_STR(found("{host: a.test, port: 443}", GH,
		      "{host: a.test, port: 443}, {host: '*.github.com', port: "
		      "443, protocol: rest, access: read-only}",
		      GH),
	    "credential_reach_expansion github GET api.github.com:443 rule");
	CHECK_STR(found("{host: a.test, port: 443}", GH,
		      "{host: a.test, port: 443}, {host: "
		      "s3.eu-west-1.amazonaws.com, port: 443, protocol: rest, "
		      "access: read-only}",
		      GH),
	    "credential_reach_expansion aws GET "
	    "s3.eu-west-1.amazonaws.com:443 rule");
}

TEST(extent_findings, one_that_may_do_more_there)
{
	CHECK_STR(found(READ, GH,
		      READ ", {host: api.github.com, port: 443, path: /x, "
			   "protocol: rest, rules: [{allow: {method: DELETE, "
			   "path: /x}}]}",
		      GH),
	    "capability_expansion github DELETE api.github.com:443 rule");
	CHECK_HAS(found(READ, GH,
		      "{host: api.github.com, port: 443, protocol: rest, "
		      "access: read-write}",
		      GH),
	    "capability_expansion github PO");
}

TEST(extent_findings, where_nothing_looks_at_requests_any_more)
{
	CHECK_HAS(found(READ, GH, "{host: api.github.com, port: 443}", GH),
	    "l7_bypass_credentialed github");
	CHECK_HAS(found(READ, GH,
		      "{host: api.github.com, port: 443, protocol: rest, "
		      "enforcement: audit, access: read-only}",
		      GH),
	    "l7_bypass_credentialed github");
	CHECK_HAS(found("{host: a.test, port: 443}", GH,
		      "{host: api.github.com, port: 443, protocol: tcp}", GH),
	    "l7_bypass_credentialed github");
}

TEST(extent_findings, credentials_that_the_policy_itself_gives)
{
	static const char plain[] = "{host: b.test, port: 8443, protocol: "
				    "rest, access: read-only}",
			  bound[] = "{host: b.test, port: 8443, protocol: "
				    "rest, access: read-only, "
				    "credential_binding: {provider: mine}}",
			  other[] = "{host: b.test, port: 8443, protocol: "
				    "rest, access: read-only, "
				    "credential_binding: {provider: yours}}",
			  more[] = "{host: b.test, port: 8443, protocol: "
				   "rest, access: full, "
				   "credential_binding: {provider: mine}}";

	/* What may be reached is the same: what goes there is not. */
	CHECK_STR(found(plain, GH, bound, GH),
	    "credential_reach_expansion mine GET b.test:8443 rule");
	CHECK_STR(found(other, GH, bound, GH),
	    "credential_reach_expansion mine GET b.test:8443 rule");
	CHECK_STR(found(bound, GH, bound, GH), "");
	CHECK_STR(found(bound, GH, plain, GH), "");
	CHECK_HAS(found(bound, GH, more, GH), "capability_expansion mine ");
	CHECK_STR(found("{host: b.test, port: 8443}", GH,
		      "{host: b.test, port: 8443, "
		      "allow_uninspected_credentials: true}",
		      GH),
	    "l7_bypass_credentialed any GET b.test:8443 uninspected");
}

TEST(extent_findings, link_local_addresses_and_metadata)
{
	CHECK_HAS(found(READ, GH,
		      READ ", {host: 169.254.169.254, port: 80, protocol: "
			   "rest, access: read-only}",
		      GH),
	    "link_local_reach - GET 169.254.169.254:80 rule");
	CHECK_HAS(found(READ, GH, READ ", {host: '[fe80::1]', port: 80}", GH),
	    "link_local_reach - ");
	CHECK_HAS(found(READ, GH,
		      READ ", {host: '*.google.internal', port: 80, protocol: "
			   "rest, access: read-only}",
		      GH),
	    "link_local_reach - GET metadata.google.internal:80 rule");
	CHECK_STR(found(READ ", {host: 169.254.169.254, port: 80}", GH,
		      READ ", {host: 169.254.169.254, port: 80}", GH),
	    "");
	CHECK_STR(found(READ, GH, READ ", {host: 10.0.0.1, port: 80}", GH), "");
}
