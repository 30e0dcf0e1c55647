/*
 * decide: verdicts from an immutable compiled snapshot.
 *
 * Nothing here allocates or blocks.  A snapshot is shared by reference; a
 * connection pins one and each request re-pins the newest.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

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
enum policy_protocol { POLICY_PROTO_NONE, POLICY_PROTO_REST, POLICY_PROTO_SQL };
enum policy_enforcement { POLICY_ENFORCE, POLICY_AUDIT };

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
	/* Treatment: the most restrictive of all matching endpoints. */
	enum policy_protocol protocol;
	enum policy_enforcement enforcement;
	enum policy_tls tls;
	/* Lists an address must satisfy, every one of them (2.6). */
	struct {
		const struct policy_net *v;
		size_t n;
	} nets[POLICY_MATCHED_MAX];
	size_t n_nets;
	/* The matched endpoint's host is exactly this host (3.6, literals). */
	bool exact_host;
};

/*
 * host: as the client gave it, already valid (no brackets for IPv6 literals);
 * case and one trailing dot do not matter.  *why is filled when denied.
 */
void policy_decide_conn(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct policy_conn *out,
    struct policy_reason *why);

/* The verdict over one HTTP request on an allowed, inspected connection. */
struct policy_request {
	struct view method;
	struct view path; /* canonical (http/target.h), no query */
	struct view query; /* raw, without '?'; p == NULL when absent */
};

struct policy_verdict {
	bool allow;
	bool bad_query; /* the query cannot be decoded: answer 400 */
	const char *policy; /* the policy whose rule allowed it, or (denied) the
			       connection's policy */
	unsigned endpoint, rule; /* place of the allowing rule */
};

void policy_decide_request(const struct snapshot *s,
    const struct policy_who *who, struct view host, uint16_t port,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why);

/*
 * The smallest change that would allow it, as a policy fragment in YAML that
 * a person can paste under network_policies (method and path empty for a
 * connection).  Never touches the network.
 */
void policy_suggest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct view method, struct view path,
    struct buf *out);

#endif
