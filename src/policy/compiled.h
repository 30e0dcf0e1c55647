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
	/* exact, one parent, a suffix a label, hostless */
	C_KEYS_MAX = P_HOST_MAX / 2 + 4
};

/* A parameter's matcher: every value must match one of the globs. */
struct c_query {
	struct view name;
	const struct glob *const *globs;
	size_t n;
};

struct c_rule {
	uint16_t policy, endpoint, rule;
	uint16_t methods; /* METHOD_ bits; 0: compare `method` */
	struct view method;
	const struct glob *path;
	const struct c_query *query;
	size_t nquery;
};

/* The rules whose path begins with `prefix`, in order of place. */
struct c_group {
	struct view prefix;
	uint32_t parent; /* the longest group that is a prefix, or C_NONE */
	uint32_t first, n;
};
#define C_NONE UINT32_MAX

/* Endpoints treated alike, as the set of their policies. */
struct c_class {
	enum policy_protocol protocol;
	enum policy_enforcement enforcement;
	enum policy_tls tls;
	const struct policy_net *nets;
	size_t nnets;
	uint64_t *policies;
};

struct c_place {
	uint16_t policy, endpoint;
};

struct c_key {
	bool exact; /* the selector is the very host */
	bool has_query; /* some rule looks at the query */
	uint64_t *policies;
	struct c_class *classes;
	size_t nclasses;
	struct c_place *places; /* sorted */
	size_t nplaces;
	struct c_rule *rules; /* by group */
	size_t nrules;
	struct c_group *groups;
	size_t ngroups;
	const uint32_t *globs; /* binary globs of its policies */
	size_t nglobs;
};

/* A binary pattern and the policies that list it. */
struct c_binary {
	const struct glob *glob; /* NULL for an exact path */
	struct view path;
	uint64_t *policies;
};

struct snapshot {
	atomic_uint refs;
	uint64_t generation;
	struct policy *source; /* names and strings are borrowed from it */
	struct arena arena;
	const struct p_policy *policies;
	size_t npolicies, words;
	bool has_star, has_globstar, has_any;
	struct strmap keymap; /* c_key_text to place in keys */
	struct c_key *keys;
	size_t nkeys;
	struct strmap binmap; /* exact path to place in binaries */
	struct c_binary *binaries;
	size_t nbinaries;
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
	METHOD_ANY = (1 << 8) - 1
};
/* The bit of a method, METHOD_OTHER for any that is not listed. */
uint16_t c_method(struct view method) MUST_USE;

/* The text a key is found by; room for C_KEY_HEAD + name.n bytes. */
enum { C_KEY_HEAD = 3 };
static inline void
c_key_head(char to[C_KEY_HEAD], enum p_hostkind kind, uint16_t port)
{
	to[0] = (char)kind;
	to[1] = (char)(port >> 8);
	to[2] = (char)port;
}

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

/* --- decide.c, for suggest.c ------------------------------------------ */

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
/* The first matching endpoint of a policy. */
unsigned c_endpoint_of(const struct c_found *f, unsigned policy) MUST_USE;

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
