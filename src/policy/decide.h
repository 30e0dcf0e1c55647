/*
 * decide: verdicts from an immutable compiled snapshot.
 *
 * Nothing here allocates or blocks.  A snapshot is shared by reference; a
 * connection pins one and each request re-pins the newest.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "policy/policy.h"

struct snapshot;

/* Compiles a parsed policy; `generation` only grows. */
int snapshot_new(const struct policy *p, uint64_t generation,
    struct snapshot **out, struct err *e) MUST_USE;
/* A path of `binaries` that is a link, and the file it led to. */
struct policy_link {
	struct view path, target;
};
struct snapshot_options {
	/* A binary that is one of them stands for its target, too; copied. */
	const struct policy_link *links;
	size_t n_links;
	/* Destinations alone are judged: a policy that lists binaries is open
	 * to every program.  One that lists none stays closed. */
	bool any_binary;
};
int snapshot_new_with(const struct policy *p, uint64_t generation,
    const struct snapshot_options *o, struct snapshot **out,
    struct err *e) MUST_USE;
/* What it was made of. */
const struct policy *snapshot_policy(const struct snapshot *s);
struct snapshot *snapshot_ref(struct snapshot *s) MUST_USE;
void snapshot_unref(struct snapshot *s);
uint64_t snapshot_generation(const struct snapshot *s);

enum { POLICY_ANCESTORS_MAX = 64, POLICY_REASON_MAX = 1024 };

/*
 * Who asks: the executable that owns the socket and its parents, nearest
 * first, all as the kernel names them inside the sandbox.  Borrowed.
 */
struct policy_who {
	struct view exe;
	struct view ancestors[POLICY_ANCESTORS_MAX];
	size_t n_ancestors;
	struct view cmdline; /* for reasons only: absolute argv entries, ", " */
};

enum policy_tls { POLICY_TLS_AUTO, POLICY_TLS_SKIP };
enum policy_enforcement { POLICY_ENFORCE, POLICY_AUDIT };
/* protocols.def: the more restrictive, the larger. */
enum policy_protocol {
	POLICY_PROTO_NONE,
#define PROTOCOL(id, word, judged, enforced) POLICY_PROTO_##id,
#include "policy/protocols.def"
#undef PROTOCOL
	POLICY_PROTOCOLS
};
/* What is judged, beyond the connection. */
enum policy_judged {
	POLICY_BY_CONNECTION,
	POLICY_BY_REQUEST,
	POLICY_BY_OPERATION
};

/* "json-rpc"; "" for NONE. */
const char *policy_protocol_word(enum policy_protocol p);
enum policy_judged policy_protocol_judged(enum policy_protocol p);
/* HTTP that is looked into. */
static inline bool
policy_protocol_is_inspected(enum policy_protocol p)
{
	return p >= POLICY_PROTO_REST;
}

enum { POLICY_MATCHED_MAX = 16, POLICY_NETS_MAX = 64 };

/* An entry of allowed_ips. */
struct policy_net {
	uint8_t addr[16]; /* IPv4 in the first four bytes */
	uint8_t family; /* 4 or 6 */
	uint8_t prefix;
};

struct policy_reason {
	char text[POLICY_REASON_MAX];
};

/* The verdict over (program, host, port), and how to treat the connection. */
struct policy_conn {
	bool allow;
	const char *policy; /* smallest matching key; NULL when denied */
	unsigned endpoint; /* its endpoint's place in that policy */
	/*
	 * Treatment: the most restrictive of all matching endpoints.  When
	 * the protocol is an inspected one, each request has its own
	 * (policy_treat_request), which another of them may be about.
	 */
	enum policy_protocol protocol;
	enum policy_enforcement enforcement;
	enum policy_tls tls;
	bool h2c; /* HTTP/2 by prior knowledge without TLS may be taken */
	/* Credentials belong to the host, and yet nothing need look at its
	 * requests: all endpoints say so. */
	bool uninspected_credentials;
	/* The treatment of some path says more of credentials than nothing. */
	bool credentials;
	/* Lists an address must satisfy, every one of them (2.6). */
	struct {
		const struct policy_net *v;
		size_t n;
	} nets[POLICY_MATCHED_MAX];
	size_t n_nets;
	/*
	 * An endpoint that a person wrote has exactly this host (3.6): it may
	 * be an address, or a name of internal ones.
	 */
	bool exact_host;
};

/*
 * host: as the client gave it, already valid (no brackets for IPv6 literals);
 * case and one trailing dot do not matter.  *why is filled when denied.
 */
void policy_decide_conn(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct policy_conn *out,
    struct policy_reason *why);

/* --- requests ---------------------------------------------------------- */

enum policy_signing {
	POLICY_SIGN_NONE,
	POLICY_SIGN_SIGV4,
	POLICY_SIGN_SIGV4_BODY,
	POLICY_SIGN_SIGV4_NO_BODY
};

/*
 * How to treat a request, by its path: what the endpoint says whose `path` is
 * the most specific one that matches.  Strings are borrowed from the snapshot.
 */
struct policy_treatment {
	enum policy_protocol protocol; /* NONE: nothing is for this path */
	enum policy_enforcement enforcement;
	const char *policy; /* whose it is; NULL: nobody's */
	unsigned endpoint;
	uint32_t max_body; /* bytes held for inspection; more is refused */
	bool strict_tool_names, allow_all_methods; /* MCP */
	bool allow_registered; /* GraphQL: persisted queries may be used */
	/* WEBSOCKET: client messages are GraphQL over WebSocket; each operation
	 * in them is one of POLICY_OP_GRAPHQL, none of POLICY_OP_TEXT. */
	bool graphql_messages;
	bool allow_encoded_slash;
	bool h2c; /* as of the connection */
	bool rewrite_body, rewrite_websocket; /* placeholders there, too */
	bool pass_placeholders; /* where that is not, they are but text */
	bool uninspected_credentials;
	enum policy_signing signing;
	struct view signing_service, signing_region;
	struct view provider; /* whose credentials; empty: by provider rules */
	bool conflict; /* merged ones disagree on credentials: give none */
};

/*
 * path: canonical, without query.  false, and *out as for nobody, when no
 * endpoint that is open to the program is about this path; such a request is
 * denied by policy_decide_request unless nothing is inspected there.
 *
 * Whether %2F may stay in a path depends on the path: canonicalise with the
 * slash allowed, ask, and refuse when it is there and may not be.
 */
bool policy_treat_request(const struct snapshot *s,
    const struct policy_who *who, struct view host, uint16_t port,
    struct view path, struct policy_treatment *out);
/* Of two programs that hold one socket: the stricter in everything. */
void policy_treatment_merge(
    struct policy_treatment *all, const struct policy_treatment *one);

/* The verdict over one HTTP request on an allowed, inspected connection. */
struct policy_request {
	struct view method;
	struct view path; /* canonical (http/target.h), no query */
	struct view query; /* raw, without '?'; p == NULL when absent */
};

#define POLICY_NO_RULE UINT_MAX

struct policy_verdict {
	bool allow;
	bool bad_query; /* the query cannot be decoded: answer 400 */
	/* An operation that no rule could allow as it is: of another protocol
	 * than the endpoint's, a tool without a proper name, a persisted query
	 * that is not registered. */
	bool malformed;
	bool by_deny_rule; /* `rule` is a place in deny_rules */
	/*
	 * The request may only go on if each operation in it is allowed
	 * (policy_decide_op).  Set with `allow` for protocols that are judged
	 * BY_OPERATION; whoever cannot read them must refuse.
	 */
	bool operations;
	enum policy_protocol protocol; /* as in the treatment of the path */
	enum policy_enforcement enforcement;
	const char *policy; /* whose rule decided, or (denied by none) the
			       policy of the path or of the connection */
	unsigned endpoint, rule; /* place of that rule, or POLICY_NO_RULE */
};

void policy_decide_request(const struct snapshot *s,
    const struct policy_who *who, struct view host, uint16_t port,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why);

/* --- operations inside requests ----------------------------------------- */

enum policy_op_kind {
	POLICY_OP_CALL, /* JSON-RPC or MCP: a request or a notification */
	POLICY_OP_GRAPHQL,
	POLICY_OP_GRPC,
	POLICY_OP_TEXT /* a text message of a WebSocket's client */
};

/*
 * A parameter of a call.  Nested names are joined by dots ("arguments.path");
 * every element of a list has the list's name.  Strings decoded, numbers in one
 * spelling (1.0 and 1e0 are 1), words as they are, null "null"; empty lists
 * and objects are not there.
 */
struct policy_param {
	struct view name, value;
};

/* One operation; only what its kind has is looked at.  All borrowed. */
struct policy_op {
	enum policy_op_kind kind;
	struct view method; /* CALL: method; GRPC: name of the method */
	struct view service; /* GRPC: package.Service */
	const struct policy_param *params; /* CALL */
	size_t n_params;
	/* CALL: not this call, but whether some call with these parameters and
	 * others may be allowed: what rules say of parameters that are not
	 * here is left out. */
	bool some_call;
	struct view type; /* GRAPHQL: query, mutation, subscription */
	struct view name; /* GRAPHQL: of the operation; empty: anonymous */
	const struct view *fields; /* GRAPHQL: root fields, aliases resolved,
				      fragments followed */
	size_t n_fields;
	/* GRAPHQL without a document: the id it names.  Type, name and fields
	 * are then those registered in the policy, not the ones above. */
	struct view persisted;
};

/*
 * r: the request that carries it (for a WebSocket, its upgrade); path and
 * query are looked at, the method is not.  The request itself must have been
 * allowed by policy_decide_request.
 */
void policy_decide_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct policy_verdict *out,
    struct policy_reason *why);

/* --- names, whoever asks ------------------------------------------------- */

/* How the best of the endpoints that some program may use selects a host. */
enum policy_name {
	POLICY_NAME_NONE,
	POLICY_NAME_HOSTLESS, /* any name, by its addresses (allowed_ips) */
	POLICY_NAME_WILDCARD,
	POLICY_NAME_EXACT
};

/* On any port.  Names that cannot be names are NONE. */
enum policy_name policy_names(const struct snapshot *s, struct view host);
/* Whether any endpoint has it; *inspected: requests to it may be judged. */
bool policy_names_port(
    const struct snapshot *s, uint16_t port, bool *inspected);

/* --- what would help ------------------------------------------------------ */

/*
 * The smallest change that would allow it, as a policy fragment in YAML that
 * a person can paste under network_policies (method and path empty for a
 * connection).  Never touches the network.  Nothing when no rule that is added
 * could help; a comment alone when one has to go.
 */
void policy_suggest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct view method, struct view path,
    struct buf *out);

/* The same for an operation that policy_decide_op has denied. */
void policy_suggest_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct buf *out);

/*
 * What came nearest to allowing what was refused: "KEY endpoints[0].rules[1]"
 * (empty: nothing, also when it is allowed), and why it did not.
 */
struct policy_nearest {
	char where[320];
	char miss[480];
};
void policy_nearest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    struct policy_nearest *out);
/* The same for an operation that policy_decide_op has denied. */
void policy_nearest_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct policy_nearest *out);

#endif
