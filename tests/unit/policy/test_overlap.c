/* The ambiguity check: pairs of endpoints that disagree. */
#include "fixture.h"

#define TWO(a, b) \
	"version: 1\nnetwork_policies:\n" \
	"  a: {endpoints: [" a "], binaries: [{path: /c}]}\n" \
	"  b: {endpoints: [" b "], binaries: [{path: /d}]}\n"

TEST(overlap, refuses_pairs_that_disagree)
{
	static const struct {
		const char *text, *what;
	} v[] = {
		{ TWO("{host: h.com, port: 443}",
		      "{host: h.com, port: 443, tls: skip}"),
		    "p:4:19: error: network policies 'a' endpoint[0] "
		    "(h.com:443) and 'b' endpoint[0] (h.com:443) overlap on "
		    "port(s) 443 with conflicting metadata: tls=auto vs "
		    "skip" },
		{ TWO("{host: H.com., port: 443}",
		      "{host: '*.com', ports: [80, 443], tls: skip}"),
		    "(H.com.:443) and 'b' endpoint[0] (*.com:80,443) overlap "
		    "on port(s) 443" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: x.a.b.com, port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '*.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '*.a.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '**.a.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{port: 443, allowed_ips: [10.1.0.0/16]}",
		      "{host: h.com, port: 443}"),
		    "(any host:443) and 'b' endpoint[0] (h.com:443) overlap on "
		    "port(s) 443 with conflicting metadata: "
		    "allowed_ips=[10.1.0.0/16] vs []" },
		{ TWO("{host: h.com, ports: [1, 2, 3], protocol: rest, access: "
		      "full}",
		      "{host: h.com, ports: [2, 3, 4], protocol: "
		      "rest, access: full, enforcement: audit, tls: skip}"),
		    "overlap on port(s) 2, 3 with conflicting metadata: "
		    "tls=auto vs skip; enforcement=enforce vs audit" },
		{ TWO("{host: h.com, port: 1, protocol: rest, access: full}",
		      "{host: h.com, port: 1, protocol: sql, access: full}"),
		    "protocol=rest vs sql" },
		/* the second that judges requests is not the first of all */
		{ TWO("{host: h.com, port: 1}, {host: h.com, port: 1, "
		      "protocol: rest, access: full}",
		      "{host: h.com, port: 1, protocol: rest, access: full, "
		      "enforcement: audit}"),
		    "'a' endpoint[1] (h.com:1) and 'b' endpoint[0]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i].text);

		if (r.p != NULL)
			fail_msg("accepted: %s", v[i].text);
		CHECK_INT(r.f.errors, ==, 1);
		CHECK_HAS(buf_str(&r.text), v[i].what);
		CHECK_STR(r.f.v[0].class, "network");
	}
}

TEST(overlap, accepts_pairs_that_agree_or_never_meet)
{
	static const char *const v[] = {
		TWO("{host: h.com, port: 443}",
		    "{host: h.com, port: 443, protocol: rest, access: full}"),
		TWO("{host: h.com, port: 443, protocol: rest, access: full}",
		    "{host: h.com, port: 443, protocol: REST, access: "
		    "read-only, enforcement: enforce}"),
		TWO("{host: h.com, port: 443}",
		    "{host: h.com, port: 80, tls: skip}"),
		TWO("{host: h.com, port: 443}",
		    "{host: g.com, port: 443, tls: skip}"),
		TWO("{host: b.com, port: 443}",
		    "{host: '*.b.com', port: 443, tls: skip}"),
		TWO("{host: x.y.b.com, port: 443}",
		    "{host: '*.b.com', port: 443, tls: skip}"),
		TWO("{host: '*.b.com', port: 443}",
		    "{host: '**.a.b.com', port: 443, tls: skip}"),
		TWO("{host: h.com, port: 443, allowed_ips: [10.1.0.0/16, "
		    "10.2.0.0/16]}",
		    "{host: h.com, port: 443, allowed_ips: [10.2.0.0/16, "
		    "10.1.9.9/16]}"),
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i]);

		if (r.p == NULL)
			fail_msg("%s: %s", v[i], buf_str(&r.text));
	}
}
