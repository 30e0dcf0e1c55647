/*
 * extent_impl: what the files of extent share.  Private to them.
 *
 * All points that a policy cannot tell apart form a cell, and one example
 * stands for each: first ports with the same endpoints, then hosts with the
 * same of those (extent_cells.c), then programs with the same policies.  In a
 * cell the connection has one treatment, which the engine itself is asked
 * for; where requests are judged, extent_requests.c goes through the paths and
 * extent_query.c finds the parameters.  Every example is judged again by the
 * engine before it is believed (extent.c).
 */
#ifndef POLICY_EXTENT_IMPL_H
#define POLICY_EXTENT_IMPL_H

#include "codec/atoms.h"
#include "codec/strmap.h"
#include "policy/compiled.h"
#include "policy/extent.h"

/* --- strings that requests can hold (extent_words.c) ------------------- */

extern const struct automaton_rules extent_names; /* RFC 1123 host names */
extern const struct automaton_rules extent_paths; /* canonical, or "*" */
extern const struct automaton_rules extent_slashes; /* with "%2F" */
extern const struct automaton_rules extent_segments; /* of a path */
extern const struct automaton_rules extent_programs; /* as the kernel writes */
extern const struct automaton_rules extent_values; /* UTF-8 without NUL */
extern const struct automaton_rules extent_strings; /* UTF-8 */
extern const struct automaton_rules extent_calls; /* UTF-8, not empty */
extern const struct automaton_rules extent_tools; /* strict_tool_names */
extern const struct automaton_rules extent_graphql; /* GraphQL names */
/* and none: of operations */
extern const struct automaton_rules extent_graphql_or_none;

enum {
	EXTENT_PATH_MAX = 4096,
	EXTENT_PROGRAM_MAX = 4095,
	EXTENT_VALUE_MAX = 2048,
	EXTENT_METHOD_MAX = 32,
	EXTENT_CALL_MAX = 256,
	EXTENT_TOOL_MAX = 128
};

/* Such a path passes where allow_encoded_slash says so. */
bool extent_has_slash(struct view path) MUST_USE;
/* May be sent to an inspected endpoint: a token that the proxy offers. */
bool extent_method_valid(struct view m) MUST_USE;

/* --- never ------------------------------------------------------------- */

enum extent_host { NEVER_ANY_HOST, NEVER_ADDRESS, NEVER_NAMES };

struct extent_never {
	struct arena arena;
	struct view *methods; /* upper case */
	size_t n_methods; /* 0: any */
	enum extent_host host;
	struct p_host literal; /* of NEVER_ADDRESS */
	uint16_t port; /* 0: any */
	struct glob *host_glob, *path_glob; /* path: NULL for any */
	struct automaton *names, *paths;
	bool messages; /* EXTENT_TEXT, or what is in one, and no requests */
	/* An operation inside of a request. */
	bool op;
	enum policy_op_kind kind; /* of gRPC they are in `paths`, too */
	struct view type; /* of GraphQL; empty: any */
	struct glob *call_glob, *tool_glob; /* tool: or a root field */
	struct automaton *call, *tool; /* NULL: any */
};

/* --- a run ------------------------------------------------------------- */

/* The policy whose reach is searched is side 0, the other one side 1. */
enum { X_MINE, X_OTHER };

struct x_side {
	const struct policy *p;
	struct snapshot *s; /* NULL: there is no other side */
};

/* The hosts of an endpoint. */
struct x_host {
	enum p_hostkind kind;
	bool address;
	struct p_host name;
	uint32_t lang; /* EXTENT_NONE: any host, or an address */
};

/* An endpoint under one of its ports. */
struct x_entry {
	uint16_t side, port, policy, endpoint;
	const struct p_endpoint *e;
	const struct x_host *host;
};

struct x_entries {
	struct x_entry **v;
	size_t n;
};

/* Hosts and programs that both policies treat alike, by one of each. */
struct x_cell {
	struct view host, program;
	const uint16_t *ports;
	size_t n_ports;
	struct x_entries at; /* those that match host, port and program */
	bool others; /* some of the other side match host and port */
	struct policy_conn conn[2];
};

/* What the other side does with a connection. */
enum x_other { NOT_THERE, DENIES, PASSES_ALL, JUDGES };

/* A rule about requests; what it does not say is filled in. */
struct x_rule {
	const struct x_entry *entry;
	uint32_t rule; /* its place */
	bool deny;
	struct view method, path;
	struct view scope; /* of its endpoint; empty: all paths */
	const struct p_query *query; /* NULL: any */
	size_t set, scope_set; /* in a search; EXTENT_IGNORED: has no say */
};
#define EXTENT_IGNORED SIZE_MAX

/* The rules of a cell, on both sides, and the methods they tell apart. */
struct x_rules {
	struct x_rule *v;
	size_t n;
	struct view *methods;
	size_t n_methods;
	/* On that side: what no rule allows is only recorded under some
	 * paths, and some may have an encoded slash. */
	bool audits[2], slashes[2];
	bool ops[2]; /* some endpoint judges operations instead */
};

/* A request that mine lets pass and the other one, if any, does not. */
struct x_hit {
	const struct x_cell *cell;
	enum extent_how how;
	enum extent_dim dim;
	const struct x_entry *entry;
	uint32_t rule;
	struct view method, path, query;
	enum extent_carries carries;
	const struct policy_op *op;
};

struct x_run {
	struct x_side side[2];
	const struct extent_never *never; /* NULL: all requests */
	const struct view *programs;
	size_t n_programs;
	struct atoms_budget budget;
	struct arena arena;
	struct strmap langs; /* text to place in lang */
	struct automaton **lang;
	struct glob **globs; /* NULL where lang is of a word */
	size_t n_langs, cap_langs;
	struct automaton *names, *paths, *slashes, *exes, *values;
	struct automaton *strings, *calls, *tools, *graphql, *graphql_or_none;
	bool stop; /* enough was found */
	/* Takes a hit, or sets *e.  May set `stop`. */
	int (*hit)(struct x_run *r, const struct x_hit *h, struct err *e);
	/* Whether a hit like this one is of no more interest. */
	bool (*known)(struct x_run *r, const struct x_hit *h);
	void *out;
	struct err *e;
};

void x_init(struct x_run *r);
void x_fini(struct x_run *r);
/* The place in `lang` of a pattern, which is made once.  -1 with *r->e. */
int x_glob(
    struct x_run *r, struct view pattern, char delim, uint32_t *out) MUST_USE;
uint32_t x_word(struct x_run *r, struct view word);
/* The paths of calls of gRPC, by rules' patterns; empty ones are any. */
int x_call(struct x_run *r, struct view service, struct view method,
    uint32_t *out) MUST_USE;
/* An entry of binaries: a glob when it contains '*'. */
int x_binary(struct x_run *r, struct view path, uint32_t *out) MUST_USE;

/* Some endpoint of that side is about this host, on any port. */
bool x_knows_host(const struct x_side *side, struct view host);

/* All cells of mine, each given to x_requests.  -1 with *r->e. */
int x_cells(struct x_run *r) MUST_USE;
/*
 * The programs of a host and port; `at`: what matches them, in order.  Fills
 * in the rest of the cell and gives each to x_requests.
 */
int x_programs(
    struct x_run *r, const struct x_cell *cell, struct x_entries at) MUST_USE;
/* The requests of a cell. */
int x_requests(struct x_run *r, const struct x_cell *c) MUST_USE;

void x_rules_collect(const struct x_run *r, const struct x_cell *c,
    struct arena *a, struct x_rules *out);
bool x_is_mine(const struct x_rule *r) MUST_USE;
bool x_has_method(const struct x_rule *r, struct view method) MUST_USE;
/*
 * The other side has this very rule, and refuses nothing: most rules of two
 * versions of a policy are the same, and need no search.
 */
bool x_is_covered(
    const struct x_rules *all, const struct x_rule *mine) MUST_USE;
/* The same matchers of the same parameters; NULL is no query. */
bool x_same_query(const struct p_query *a, const struct p_query *b) MUST_USE;
/*
 * Each endpoint of one side has one of the same words on the other: both treat
 * every request and message of the cell alike.
 */
bool x_says_the_same(const struct x_cell *c) MUST_USE;
/* The paths it is about, as the engine has it; empty: all, "*" too. */
struct view x_scope(const struct p_endpoint *e) MUST_USE;
/* Requests to it are judged; what no rule allows is only recorded. */
bool x_is_judged(const struct p_endpoint *e) MUST_USE;
bool x_is_audit(const struct p_endpoint *e) MUST_USE;
/* GraphQL in messages of a WebSocket, not a request. */
bool x_is_graphql(const struct p_allow *a) MUST_USE;
/* Text messages of a WebSocket. */
bool x_is_about_text(const struct x_rule *r) MUST_USE;
/* By their operations, not by rules about requests. */
bool x_has_operations(const struct p_endpoint *e) MUST_USE;
/* In what a connection that the other side refuses is out of reach there. */
enum extent_dim x_conn_dim(const struct x_run *r, const struct x_cell *c);

/*
 * What the query of a request, or the parameters of an operation, have to do,
 * by the rules that match the rest.
 */
struct x_demand {
	const struct p_query *allow; /* matches; NULL: free */
	const struct p_query *also; /* the same, of another rule */
	const struct x_rule *const *my_denies; /* none matches */
	size_t n_my_denies;
	const struct x_rule *const *their_allows; /* none matches, or ... */
	size_t n_their_allows;
	const struct x_rule *const *their_denies; /* ... one matches */
	size_t n_their_denies;
	struct automaton *values; /* what a value can be */
	char delim; /* of the patterns */
	bool nul; /* values may have NUL, which no pattern is asked about */
	struct view some; /* a parameter that has a value; empty: none */
	struct automaton *asked; /* one value of that is in it; NULL: any */
};

struct x_pairs {
	struct policy_param *v;
	size_t n;
};

/*
 * 1 with *out (made in `a`), 0 when no values do it, -1 with *r->e.
 */
int x_values(struct x_run *r, const struct x_demand *d, struct arena *a,
    struct x_pairs *out) MUST_USE;
/* Of a query, encoded; empty: no query. */
int x_query(struct x_run *r, struct x_demand *d, struct buf *out) MUST_USE;

/* --- messages (extent_messages.c) ---------------------------------------- */

/* Stands for the method of a text message of a WebSocket's client. */
#define EXTENT_TEXT "WEBSOCKET_TEXT"
/*
 * Those that a cell of mine lets out, `how`; of two policies, those that the
 * other one judges and does not.
 */
int x_messages(struct x_run *r, const struct x_cell *c, enum extent_how how,
    enum x_other other) MUST_USE;

/* --- operations (extent_ops.c) ------------------------------------------- */

/* Those that requests to inspected endpoints of a cell carry. */
int x_operations(
    struct x_run *r, const struct x_cell *c, enum x_other other) MUST_USE;

/* --- order (extent.c) ----------------------------------------------------- */

/* As they stand in a policy: for qsort(3). */
int extent_cause_order(
    const struct extent_cause *a, const struct extent_cause *b) MUST_USE;

/* middleware_diff.c */
void extent_compare_middlewares(
    const struct policy *from, const struct policy *to, struct extent_diff *d);

#endif
