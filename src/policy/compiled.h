/*
 * compiled: what a snapshot is made of.  Private to the folder.
 *
 * Endpoints are gathered under keys (port and host selector).  A connection
 * finds its keys by hashing: the exact host, one `*.` parent, each `**.`
 * suffix, the hostless one.  Who asks becomes a set of policies, a bit each;
 * the rest is intersecting sets, so neither the number of policies nor that of
 * endpoints matters much.
 *
 * The rules of a key are grouped by the literal beginning of their path.
 * Groups are sorted, and each knows the longest other group whose beginning is
 * a beginning of its own.  All groups that can match a path therefore lie on
 * one chain, which a binary search finds: 1,000 rules cost ten comparisons.
 */
#ifndef POLICY_COMPILED_H
#define POLICY_COMPILED_H

#include "codec/glob.h"
#include "codec/query.h"
#include "codec/strmap.h"
#include "policy/model.h"

enum {
	C_WORDS_MAX = PL_POLICIES_MAX / 64,
	/* exact, one parent and its label patterns, a suffix a label, hostless
	 */
	C_KEYS_MAX = P_HOST_MAX / 2 + 4 + PL_LABELS_MAX
};

struct c_text;

/* A parameter's matcher. */
struct c_query {
	struct view name;
	const struct glob *const *globs;
	size_t n;
};

struct c_place {
	uint16_t policy, endpoint;
};

/* A rule about HTTP requests, of `rules`, `access` or `deny_rules`. */
struct c_rule {
	struct c_place at;
	uint16_t rule;
	uint16_t methods; /* METHOD_ bits; 0: compare `method` */
	struct view method;
	struct view prefix; /* the longer of those of path and scope */
	const struct glob *path;
	const struct glob *scope; /* the endpoint's path; NULL: all */
	const struct c_query *query;
	size_t nquery;
};

/* Things that are only about paths that begin with `prefix`, in order. */
struct c_group {
	struct view prefix;
	uint32_t parent; /* the longest group that is a prefix, or C_NONE */
	uint32_t first, n;
};
#define C_NONE UINT32_MAX

struct c_groups {
	struct c_group *v;
	size_t n;
};

/* By group, in order of place. */
struct c_rules {
	struct c_rule *v;
	size_t n;
	struct c_groups groups;
	bool has_query; /* some rule looks at the query */
};

/*
 * What endpoints of one path say about the requests there, with the set of
 * their policies.  By group, the most specific first.
 */
struct c_scope {
	const struct glob *path;
	struct view text; /* of the path, as written */
	uint32_t rank; /* how specific; 0: every path */
	struct policy_treatment t; /* policy and endpoint are found later */
	uint64_t *policies;
	struct c_place at; /* on the way; then the first of `places` */
	struct c_place *places; /* the first endpoint of each, sorted */
	size_t nplaces;
};

struct c_scopes {
	struct c_scope *v;
	size_t n;
	struct c_groups groups;
};

/* A rule about operations (policy_op); NULL globs match everything. */
struct c_op {
	struct c_place at;
	uint16_t rule;
	const struct glob *scope;
	uint8_t types; /* GRAPHQL: GQL_ bits */
	bool names_tool; /* CALL: looks at params.name */
	const struct glob *first; /* CALL: method, GRPC: service */
	const struct glob *second; /* GRAPHQL: name, GRPC: method */
	const struct glob *const *fields; /* GRAPHQL */
	size_t nfields;
	const struct c_query *params; /* CALL */
	size_t nparams;
};

enum { GQL_QUERY = 1, GQL_MUTATION = 2, GQL_SUBSCRIPTION = 4, GQL_ANY = 7 };

/* Rules that share what they are found by; in order of place. */
struct c_oplist {
	const struct c_op **v;
	size_t n;
};

/* A registered GraphQL query; several policies may register one id. */
struct c_persisted {
	struct c_place at;
	const struct glob *scope;
	const struct p_operation *operation;
	const struct view *fields; /* as views */
	struct c_persisted *next; /* of the same id and key */
};

/* Endpoints treated alike, as the set of their policies. */
struct c_class {
	enum policy_protocol protocol;
	enum policy_enforcement enforcement;
	enum policy_tls tls;
	bool h2c, advised, uninspected_credentials, credentials;
	const struct policy_net *nets;
	size_t nnets;
	uint64_t *policies;
};

struct c_key {
	enum p_hostkind kind;
	bool has_ops; /* some rule is about operations */
	const struct glob *label; /* of the first label, or NULL */
	uint32_t next_label; /* the next such key for the same name */
	uint64_t *policies;
	struct c_class *classes;
	size_t nclasses;
	struct c_place *places; /* sorted */
	size_t nplaces;
	struct c_rules allow, deny;
	struct c_scopes scopes;
	const struct c_op **tools; /* rules that name a tool */
	size_t ntools;
	const uint32_t *globs; /* binary globs of its policies */
	size_t nglobs;
};

/* A binary pattern and the policies that list it. */
struct c_binary {
	const struct glob *glob; /* NULL for an exact path */
	struct view path;
	uint64_t *policies;
};

/* A port that some endpoint has. */
struct c_port {
	uint16_t port;
	bool inspected; /* by one of them */
};

struct c_middleware; /* middleware.c */

struct snapshot {
	atomic_uint refs;
	uint64_t generation;
	struct policy *source; /* names and strings are borrowed from it */
	struct arena arena;
	const struct p_policy *policies;
	size_t npolicies, words;
	bool has_star, has_globstar, has_any, has_label;
	struct strmap keymap; /* c_key_text to place in keys; port 0: any */
	struct c_key *keys;
	size_t nkeys;
	struct strmap opmap; /* c_op_text to place in oplists */
	struct c_oplist *oplists;
	size_t noplists;
	struct strmap idmap; /* c_op_text to place in persisted */
	struct c_persisted **persisted;
	size_t npersisted;
	struct c_port *ports; /* sorted */
	size_t nports;
	/* Instead of the rest: policies that list a binary; NULL otherwise. */
	uint64_t *any_binary;
	struct strmap binmap; /* exact path to place in binaries */
	struct c_binary *binaries;
	size_t nbinaries;
	struct c_middleware *middlewares; /* in their order */
	size_t n_middlewares;
	struct glob **globs; /* owned */
	size_t nglobs;
};

enum {
	METHOD_GET = 1 << 0,
	METHOD_HEAD = 1 << 1,
	METHOD_POST = 1 << 2,
	METHOD_PUT = 1 << 3,
	METHOD_DELETE = 1 << 4,
	METHOD_PATCH = 1 << 5,
	METHOD_OPTIONS = 1 << 6,
	METHOD_OTHER = 1 << 7,
	METHOD_ANY = (1 << 8) - 1, /* of HTTP */
	METHOD_TEXT = 1 << 8 /* WEBSOCKET_TEXT, which no request can have */
};
/* The bit of a method, METHOD_OTHER for any that is not listed. */
uint16_t c_method(struct view method) MUST_USE;

/* The text a key is found by; room for C_KEY_HEAD + name.n bytes. */
enum { C_KEY_HEAD = 3 };
static inline void
c_key_head(char to[C_KEY_HEAD], int kind, uint16_t port)
{
	to[0] = (char)kind;
	to[1] = (char)(port >> 8);
	to[2] = (char)port;
}

/* The kind under which label patterns of a name are chained. */
enum { HOST_LABELS = 'L' };

/*
 * The text that rules about operations are found by: the key's place, what
 * they are about, and two literals, each empty when the rule has a pattern
 * there.  *out is in `to`; false when no rule can have such literals.
 */
enum { C_OP_DENY = 0x80, C_OP_ID = 0x40, C_OP_TEXT = 6 + 2 * PL_PATTERN_MAX };
bool c_op_text(char to[C_OP_TEXT], uint32_t key, unsigned what,
    struct view first, struct view second, struct view *out);

/* --- treatment.c --------------------------------------------------------- */

/* How specific a path is: the more bytes it fixes; 0 for all paths. */
uint32_t c_rank(struct view path) MUST_USE;
/* Without policy and endpoint. */
struct policy_treatment c_treatment(const struct p_endpoint *e) MUST_USE;
bool c_treatment_eq(const struct policy_treatment *a,
    const struct policy_treatment *b) MUST_USE;

static inline void
c_set(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline bool
c_has(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

/* --- decide.c ----------------------------------------------------------- */

struct c_found {
	const struct c_key *keys[C_KEYS_MAX];
	size_t n;
	uint64_t endpoint[C_WORDS_MAX]; /* policies with a matching endpoint */
	uint64_t match[C_WORDS_MAX]; /* of those, whose binaries match */
};

/* false when the host cannot be one. */
bool c_find(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct c_found *out);
/* The smallest member, or -1. */
int c_first(const uint64_t *set, size_t words) MUST_USE;
/* The first place of the policy in a sorted list, or n. */
size_t c_place_find(
    const struct c_place *v, size_t n, unsigned policy) MUST_USE;
/* The first matching endpoint of a policy. */
unsigned c_endpoint_of(const struct c_found *f, unsigned policy) MUST_USE;
const char *c_name(const struct snapshot *s, unsigned policy) MUST_USE;

/* --- decide_request.c --------------------------------------------------- */

/* false: nobody's. */
bool c_treat(const struct snapshot *s, const struct c_found *f,
    struct view path, struct policy_treatment *out);

bool c_in_scope(const struct glob *scope, struct view path) MUST_USE;
bool c_is_before(struct c_place a, unsigned rule_a, struct c_place b,
    unsigned rule_b) MUST_USE;

/* One question to the rules about requests. */
struct c_ask {
	const struct c_found *f;
	struct view method, path;
	uint16_t bit;
	const struct query *query; /* NULL when there is none */
};
/* The first rule that matches; NULL when none does. */
const struct c_rule *c_ask_allow(const struct c_ask *a);
const struct c_rule *c_ask_deny(const struct c_ask *a);
/* false, with *why: the query is not one that rules can be sure about. */
bool c_query_of(const struct c_found *f, struct view raw, struct query *out,
    const struct query **q, struct c_text *why);
void c_place_of(const struct snapshot *s, struct c_place at, unsigned rule,
    struct policy_verdict *out);

/* --- reason.c ----------------------------------------------------------- */

/* Bounded text for reasons: escapes what must not reach a terminal or log. */
struct c_text {
	char *p;
	size_t n, max; /* max includes the NUL */
	bool cut;
};
void c_puts(struct c_text *t, const char *s);
void c_put(struct c_text *t, struct view v);
void c_put_host(struct c_text *t, struct view host, uint16_t port);
void c_end(struct c_text *t);

#endif
