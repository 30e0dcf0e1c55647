/*
 * extent: what a policy lets out, as a set: which program may send which
 * request to which host and port.  Two questions about such sets are answered
 * exactly, each with an example: does it meet another one (prove), and how do
 * two of them differ (diff).
 *
 * A pure library like the rest of the folder: no I/O, no clock.  Work and
 * memory are bounded; when a bound is hit the answer is an error, never a
 * guess.
 *
 * What counts as a request: a program by its path as the kernel names it; a
 * host (a name, or an address as written); a port; and for HTTP a method, a
 * canonical path (http/target.h) and decoded query parameters; where the
 * operations in requests are judged, one of those.  Parents of
 * the program need no place in it: what a program may do because of its
 * parents, one of them may do alone, since each parent that is added can only
 * add endpoints, and with them restrictions.  What names resolve to
 * (allowed_ips) is compared as text by diff and left out by prove.
 */
#ifndef POLICY_EXTENT_H
#define POLICY_EXTENT_H

#include "codec/arena.h"
#include "policy/decide.h"
#include "policy/middleware.h"

#define EXTENT_NONE UINT32_MAX

/* Steps of all automata that a question may take, together. */
enum {
	EXTENT_STEPS = 400 * 1000 * 1000, /* some seconds: for a command */
	/* Tens of milliseconds: in a loop that has others to serve. */
	EXTENT_STEPS_SOON = 4 * 1000 * 1000
};

/* Why the example passes. */
enum extent_how {
	EXTENT_RULE, /* a rule allows it */
	EXTENT_UNINSPECTED, /* no protocol: nothing looks at requests */
	EXTENT_TLS_SKIP, /* the tunnel is passed on as it is */
	EXTENT_TCP, /* protocol tcp: bytes */
	EXTENT_SQL, /* passed through */
	EXTENT_AUDIT, /* no rule allows it, but that is only recorded */
	EXTENT_KNOWN, /* mcp.allow_all_known_mcp_methods */
	EXTENT_STREAM /* MCP: it carries no operation */
};
/* "not inspected: ..." for people; NULL for EXTENT_RULE. */
const char *extent_how_text(enum extent_how h);
/* "rule", "uninspected", "tls_skip", "tcp", "sql", "audit", "known",
 * "stream" */
const char *extent_how_word(enum extent_how h);

/* What a request to an endpoint that judges operations has in it. */
enum extent_carries {
	EXTENT_ANYTHING, /* whatever it is */
	EXTENT_NOTHING, /* no operation: a stream, an answer, an end */
	EXTENT_OPERATION_IN /* that one */
};

/* A request that really passes.  Strings are NUL-terminated too. */
struct extent_request {
	struct view program, host;
	uint16_t port;
	struct view method, path; /* empty when only the connection matters */
	struct view query; /* encoded, without '?'; p == NULL: none */
	enum extent_carries carries;
	struct policy_op op; /* of OPERATION_IN */
};

/* What in the policy lets it pass. */
struct extent_cause {
	enum extent_how how;
	struct view policy; /* its key */
	uint32_t endpoint, rule; /* places; rule EXTENT_NONE: the endpoint */
	struct view access; /* the preset that has the rule; empty: rules has */
	uint32_t binary; /* the entry of binaries that names the program */
};

/* --- prove ------------------------------------------------------------- */

/*
 * A set of requests: [METHOD] [scheme://]HOST[:PORT][/PATH-GLOB], or of those
 * that carry an operation: an operation in the place of METHOD, which is
 *
 *	json-rpc METHOD		a call, by a glob over its method
 *	mcp METHOD [TOOL]	the same; TOOL: a glob over params.name
 *	graphql TYPE [FIELD]	TYPE: query, mutation, subscription or *;
 *				FIELD: a glob that some root field matches
 *	grpc SERVICE [METHOD]	globs ("**": any); TARGET has no path then
 *
 * Of GraphQL a scheme of ws or wss asks about messages of WebSockets alone.
 */
struct extent_never;

/*
 * METHOD: "*" or "GET,POST"; any when left out.  scheme: http(s) or ws(s),
 * which gives the port when PORT does not (any port without either; PORT may be
 * "*").  HOST: a name, an address ([v6] in brackets), a glob over names
 * ("*.a.com" one label, "**.a.com" one or more), or "*", any host.  PATH: a
 * glob over canonical paths; any path when left out.  Refuses what no request
 * can match, which would hold of every policy.
 */
int extent_never_parse(
    struct view text, struct extent_never **out, struct err *e) MUST_USE;
void extent_never_free(struct extent_never *n);
void extent_never_free_at(struct extent_never **n);
#define AUTO_NEVER CLEANUP(extent_never_free_at)

/* A program filter: refused when no program can match it. */
int extent_program_check(struct view v, struct err *e) MUST_USE;

struct extent_proof {
	bool holds;
	/* When it does not: the first request found, in policy order. */
	struct extent_request request;
	struct extent_cause cause;
	struct arena arena; /* owns the strings */
};
void extent_proof_fini(struct extent_proof *p);
#define AUTO_PROOF CLEANUP(extent_proof_fini)

/*
 * May no program (of those that match one of `programs`, when there are any:
 * paths, or globs when they contain '*') send a request of that set?
 */
int extent_prove(const struct policy *p, const struct extent_never *never,
    const struct view *programs, size_t n_programs, struct extent_proof *out,
    struct err *e) MUST_USE;

/* --- diff -------------------------------------------------------------- */

enum extent_kind { EXTENT_WIDENS, EXTENT_NARROWS, EXTENT_CHANGES };

/* In what the example was out of reach on the other side. */
enum extent_dim {
	EXTENT_HOST,
	EXTENT_PORT,
	EXTENT_PROGRAM,
	EXTENT_INSPECTION, /* requests are judged there */
	EXTENT_METHOD,
	EXTENT_PATH,
	EXTENT_QUERY,
	EXTENT_OPERATION, /* or its parameters */
	EXTENT_ADDRESS /* which addresses the name may have; EXTENT_CHANGES */
};
const char *extent_dim_word(enum extent_dim d);

struct extent_change {
	enum extent_kind kind;
	enum extent_dim dim;
	struct extent_cause cause; /* of the policy that lets it pass */
	const uint16_t *ports; /* all for which the same is true */
	size_t n_ports;
	struct extent_request request;
};

enum { EXTENT_CHANGES_MAX = 4096 };

/* A middleware that is another, or not there, in the other policy. */
struct extent_middleware {
	enum extent_kind kind;
	struct view key, middleware;
	const char *what; /* for people: "it is gone" */
};
/* One of each policy, with all that can differ in it. */
enum { EXTENT_MIDDLEWARES_MAX = 4 * 2 * POLICY_MIDDLEWARES_MAX };

struct extent_diff {
	struct extent_change *v; /* widening first, then in policy order */
	size_t n;
	size_t dropped; /* beyond the bound */
	/* Static sections (filesystem, landlock), which are not about reach. */
	bool static_differs;
	/* Who looks at requests: the changes above are about rules alone. */
	struct extent_middleware middlewares[EXTENT_MIDDLEWARES_MAX];
	size_t n_middlewares;
	struct arena arena;
};
void extent_diff_fini(struct extent_diff *d);
#define AUTO_EXTENT_DIFF CLEANUP(extent_diff_fini)

int extent_compare(const struct policy *from, const struct policy *to,
    struct extent_diff *out, struct err *e) MUST_USE;
/* Only what `to` lets pass beyond `from`, and only requests of that set;
 * *steps is what may still be done, and then what is left of it. */
int extent_widened(const struct policy *from, const struct policy *to,
    const struct extent_never *within, uint64_t *steps, struct extent_diff *out,
    struct err *e) MUST_USE;

/*
 * Whether `p` lets everything pass that `rules` does.  Which addresses a name
 * may have is not compared.
 */
int extent_covers(const struct policy *p, const struct policy *rules,
    uint64_t steps, bool *covers, struct err *e) MUST_USE;

/* --- findings (extent_findings.c) ---------------------------------------- */

/* What a person has to look at before such a change is in force. */
enum extent_finding_kind {
	/* Addresses of the link, and the metadata of clouds. */
	EXTENT_LINK_LOCAL,
	/* Where a credential belongs, nothing looks at requests any more. */
	EXTENT_L7_BYPASS,
	/* A program reaches a host and port where a credential belongs. */
	EXTENT_CREDENTIAL_REACH,
	/* It did, and may do more there. */
	EXTENT_CAPABILITY
};
/* "link_local_reach", "l7_bypass_credentialed", "credential_reach_expansion",
 * "capability_expansion" */
const char *extent_finding_word(enum extent_finding_kind k);

/* A place that the credentials of a provider belong to. */
struct extent_place {
	struct view provider;
	struct view host; /* a name, or a pattern as extent_never has them */
	uint16_t port;
};

struct extent_finding {
	enum extent_finding_kind kind;
	struct view provider; /* whose; empty for EXTENT_LINK_LOCAL */
	struct extent_cause cause;
	struct extent_request request; /* one that passes now */
};

struct extent_findings {
	struct extent_finding *v; /* by kind, then in policy order */
	size_t n;
	struct arena arena;
};
void extent_findings_fini(struct extent_findings *f);
#define AUTO_EXTENT_FINDINGS CLEANUP(extent_findings_fini)

/*
 * What the step from one policy to the other means for the credentials of
 * `places`, and for those that an endpoint's credential_binding names.  Every
 * program counts as one that can send anything anywhere it may.
 */
int extent_find(const struct policy *from, const struct policy *to,
    const struct extent_place *places, size_t n, uint64_t steps,
    struct extent_findings *out, struct err *e) MUST_USE;

#endif
