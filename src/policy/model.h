/*
 * model: a policy as parsed, with the place of everything.  Private to the
 * folder.  Lives in one arena and does not change once policy_parse returns.
 */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include <stdatomic.h>

#include "codec/arena.h"
#include "codec/ydoc.h"
#include "policy/decide.h"
#include "policy/middleware.h"

enum {
	/*
	 * 512 would do for people; the published benchmark runs 1,000.
	 */
	PL_POLICIES_MAX = 1024,
	PL_ENDPOINTS_MAX = 256,
	PL_BINARIES_MAX = 256,
	PL_RULES_MAX = 512,
	PL_NETS_MAX = POLICY_NETS_MAX,
	PL_PARAMS_MAX = 64,
	PL_ALTERNATES_MAX = 64,
	PL_PATTERN_MAX = 1024,
	PL_NAME_MAX = 256,
	PL_PERSISTED_MAX = 1024, /* registered GraphQL queries */
	PL_GQL_FIELDS_MAX = 256,
	PL_BODY_MAX = 16 << 20, /* what a body may be held up to */
	PL_BODY_DEFAULT = 65536,
	/* Host patterns with '*' inside the first label, for one port and the
	 * same name behind it: each costs a look at every connection. */
	PL_LABELS_MAX = 32,
	/* Endpoints and rules, once for each port: what a snapshot holds. */
	PL_EXPANDED_MAX = 1 << 17,
	PL_MIDDLEWARES_MAX = POLICY_MIDDLEWARES_MAX,
	PL_SELECTORS_MAX = 32, /* hosts that one middleware names */
	PL_CONFIG_MAX = 16384,
	PL_CONFIG_DEPTH = 8,
	PL_FS_PATHS_MAX = 256,
	PL_FS_PATH_MAX = 4096
};

struct p_mark {
	unsigned line, column;
};

/*
 * Every value begins with where it stood, whether it stood there at all, and
 * whether what stood there was refused: then it reads as empty, and later
 * checks say nothing more about it.
 */
struct p_head {
	struct p_mark at;
	bool set, bad;
};

struct p_uint {
	struct p_head h;
	uint32_t v;
};

struct p_int {
	struct p_head h;
	int32_t v;
};

struct p_bool {
	struct p_head h;
	bool v;
};

struct p_str {
	struct p_head h;
	struct view v;
};

struct p_strs {
	struct p_head h;
	struct p_str *v;
	size_t n;
};

struct p_uints {
	struct p_head h;
	struct p_uint *v;
	size_t n;
};

/* A list of some p_ struct; sorted by key when it has keys. */
struct p_list {
	struct p_head h;
	void *v;
	size_t n;
};

/* Mappings begin with this. */
struct p_map {
	struct p_head h;
	struct p_str key; /* of a NAMED member */
	bool faulty; /* an error was reported inside */
};

struct p_matcher {
	struct p_str name;
	bool any; /* {any: [...]}; else exactly one glob */
	struct p_strs globs;
};

struct p_query {
	struct p_head h;
	struct p_matcher *v; /* sorted by name */
	size_t n;
};

/* What a rule allows, and what an entry of deny_rules refuses. */
struct p_allow {
	struct p_map m;
	struct p_str method, path, command;
	struct p_query query;
	struct p_str operation_type, operation_name;
	struct p_strs fields;
	struct p_query params; /* of "a.b" when nested; tool is in there */
	struct p_head tool; /* where it stood */
	struct p_str service, rpc;
};

/* A registered GraphQL query; the key is its id. */
struct p_operation {
	struct p_map m;
	struct p_str operation_type, operation_name;
	struct p_strs fields;
};

struct p_json_rpc {
	struct p_map m;
	struct p_uint max_body_bytes;
};

struct p_mcp {
	struct p_map m;
	struct p_uint max_body_bytes;
	struct p_bool strict_tool_names, allow_all_known_mcp_methods;
};

struct p_binding {
	struct p_map m;
	struct p_str provider;
};

struct p_rule {
	struct p_map m;
	struct p_allow allow;
};

struct p_endpoint {
	struct p_map m;
	struct p_str host;
	struct p_uint port; /* the only one of ports, or 0 */
	struct p_uints ports;
	struct p_str path, protocol, tls, enforcement, access;
	struct p_list rules; /* p_rule */
	struct p_list deny_rules; /* p_allow */
	struct p_strs allowed_ips;
	struct p_bool allow_encoded_slash, h2c;
	struct p_str persisted_queries;
	struct p_list graphql_persisted_queries; /* p_operation */
	struct p_uint graphql_max_body_bytes;
	struct p_json_rpc json_rpc;
	struct p_mcp mcp;
	struct p_bool websocket_credential_rewrite,
	    request_body_credential_rewrite, allow_credential_placeholders;
	struct p_str credential_signing, signing_service, signing_region;
	struct p_binding credential_binding;
	struct p_bool allow_uninspected_credentials, advisor_proposed,
	    provider_credentialed;
};

struct p_binary {
	struct p_map m;
	struct p_str path;
	struct p_bool harness;
};

struct p_policy {
	struct p_map m;
	struct p_str name; /* the key when not set */
	struct p_list endpoints; /* p_endpoint */
	struct p_list binaries; /* p_binary */
};

struct p_selection {
	struct p_map m;
	struct p_strs include, exclude;
};

struct p_middleware {
	struct p_map m;
	struct p_str name; /* the key when not set */
	struct p_str middleware;
	struct p_int order;
	struct p_str config; /* TREE: the canonical text of it */
	struct p_str on_error;
	struct p_selection endpoints;
};

struct p_filesystem {
	struct p_map m;
	struct p_bool include_workdir;
	struct p_strs read_only, read_write;
};

struct p_landlock {
	struct p_map m;
	struct p_str compatibility;
};

struct p_process {
	struct p_map m;
	struct p_str run_as_user, run_as_group;
};

struct p_top {
	struct p_map m;
	struct p_uint version;
	struct p_filesystem filesystem_policy;
	struct p_landlock landlock;
	struct p_process process;
	struct p_list network_policies; /* p_policy */
	struct p_list network_middlewares; /* p_middleware */
};

struct policy {
	struct arena arena;
	atomic_uint refs;
	struct p_top top;
	/* filesystem_policy as C strings, NULL-terminated. */
	const char **read_only, **read_write;
};

static inline const struct p_policy *
p_policies(const struct policy *p)
{
	return p->top.network_policies.v;
}

static inline const struct p_middleware *
p_middlewares(const struct policy *p)
{
	return p->top.network_middlewares.v;
}

static inline const struct p_endpoint *
p_endpoints(const struct p_policy *p)
{
	return p->endpoints.v;
}

static inline const struct p_binary *
p_binaries(const struct p_policy *p)
{
	return p->binaries.v;
}

static inline const struct p_rule *
p_rules(const struct p_endpoint *e)
{
	return e->rules.v;
}

static inline const struct p_allow *
p_deny_rules(const struct p_endpoint *e)
{
	return e->deny_rules.v;
}

static inline const struct p_operation *
p_persisted(const struct p_endpoint *e)
{
	return e->graphql_persisted_queries.v;
}

/* What an ISTRUE one says. */
static inline bool
p_is_true(const struct p_bool *b)
{
	return !b->h.set || b->v;
}

/* --- the rows of fields.def ------------------------------------------ */

enum p_kind {
	K_UINT,
	K_INT,
	K_BOOL,
	K_STR,
	K_MAP,
	K_STRS,
	K_PORT,
	K_PORTS,
	K_LIST,
	K_NAMED,
	K_QUERY,
	K_PARAMS,
	K_TOOL,
	K_TREE
};

enum p_owner {
	P_none,
	P_top,
	P_filesystem,
	P_landlock,
	P_process,
	P_policy,
	P_endpoint,
	P_json_rpc,
	P_mcp,
	P_binding,
	P_operation,
	P_rule,
	P_allow,
	P_middleware,
	P_selection,
	P_binary
};

enum p_flag {
	REQUIRED = 1,
	NULLABLE = 2,
	ALWAYS = 4,
	STATIC = 8,
	IGNORED = 16,
	ISTRUE = 32,
	UNENFORCED = 64
};

struct p_field {
	enum p_owner owner;
	struct view key;
	enum p_kind kind;
	enum p_owner sub;
	uint64_t min, max;
	unsigned flags;
	size_t offset; /* of the member in struct p_<owner> */
	const char *doc;
};

/* The rows of one owner, in canonical order. */
struct p_rows {
	const struct p_field *v;
	size_t n;
};

struct p_rows p_rows_of(enum p_owner o) MUST_USE;
size_t p_size_of(enum p_owner o) MUST_USE; /* sizeof(struct p_<owner>) */
static inline const void *
p_member(const void *map, const struct p_field *f)
{
	return (const char *)map + f->offset;
}

/*
 * Where a key of a mapping stands; NULL when it says nothing: it is not there,
 * or it is a false, a 0 or an empty string.
 */
const struct p_head *p_said(const void *map, const struct p_field *f) MUST_USE;

/* canonical.c: a line, or lines, for one key; nothing when it says nothing. */
void p_put_key(
    struct buf *out, const struct p_field *f, const void *map, unsigned indent);

/* --- findings -------------------------------------------------------- */

void p_error(struct policy_findings *f, struct p_mark at, const char *class,
    const char *fmt, ...) PRINTF(4, 5);
void p_warn(struct policy_findings *f, struct p_mark at, const char *class,
    const char *fmt, ...) PRINTF(4, 5);
/* `v` for use in a finding: clipped to 80 bytes as spec'd, escaped. */
struct p_shown {
	char text[400];
};
struct p_shown p_show(struct view v) MUST_USE;
/* C0, DEL, C1 or bytes that are not UTF-8. */
bool p_has_control(struct view v) MUST_USE;

/* --- stages ---------------------------------------------------------- */

/* Reads the tree into p->top.  `whole`: nothing is missing at its end. */
void p_read(struct policy *p, const struct ydoc_node *root, bool whole,
    struct policy_findings *f);
void p_check_safety(const struct policy *p, struct policy_findings *f);
/* A user or group by number, 1 to 4294967294; 0 when it is none. */
uint32_t p_id(struct view v) MUST_USE;
/* Marks the endpoints that are at fault, which p_check_overlap leaves out. */
void p_check_network(struct policy *p, struct policy_findings *f);
/* middleware.c; after p_check_network. */
void p_check_middlewares(const struct policy *p, struct policy_findings *f);
/* Protocols and keys that the proxy does not do yet. */
void p_check_enforced(const struct policy *p, struct policy_findings *f);
void p_check_overlap(const struct policy *p, struct policy_findings *f);

/*
 * policy_parse that lets pass what its callers may not have.  For tests: of
 * the backstop in 2.6, and of the language ahead of the proxy.
 */
enum p_lenient {
	P_OVERLAPPING = 1, /* no p_check_overlap */
	P_UNENFORCED = 2 /* no p_check_enforced */
};
int p_parse_lenient(struct view yaml, unsigned lenient, struct policy **out,
    struct policy_findings *f) MUST_USE;

/* The protocol of an endpoint: NONE when it has none or an unknown one. */
enum policy_protocol p_protocol(const struct p_endpoint *e) MUST_USE;
bool p_has_port(const struct p_endpoint *e, uint32_t port) MUST_USE;

/* An entry of allowed_ips, masked, IPv4-mapped ones as IPv4. */
int p_net_parse(struct view v, struct policy_net *out) MUST_USE;
/* Clears the bits behind the prefix. */
void p_net_mask(struct policy_net *n);
/*
 * A host as endpoints are looked up by: lower case, no trailing dot, no
 * brackets, addresses in canonical spelling.  -1 when it is neither a name of
 * letters, digits and hyphens nor an address.
 */
enum { P_HOST_MAX = 253 };
struct p_host {
	char text[P_HOST_MAX + 1];
	size_t n;
};
int p_host_normalise(struct view v, struct p_host *out) MUST_USE;
/* Of a normalised host: an address, not a name. */
bool p_host_is_address(struct view host) MUST_USE;
/* The kinds of host selector, and the name they select by. */
enum p_hostkind {
	HOST_ANY = '-', /* hostless */
	HOST_EXACT = '=',
	HOST_STAR = '*', /* one label before the name */
	HOST_GLOBSTAR = 'g', /* one or more labels before it */
	HOST_LABEL = 'l' /* a first label with '*' in it, part of the name */
};
/* Not an address. */
bool p_host_is_name(const struct p_host *h) MUST_USE;
int p_host_selector(
    struct view v, enum p_hostkind *kind, struct p_host *name) MUST_USE;

/*
 * What an access preset stands for, NULL-terminated: methods, operation types
 * of GraphQL, services of gRPC.  NULL when there is no such.
 */
enum { PL_PRESET_MAX = 6 };
const char *const *p_preset(
    enum policy_protocol protocol, struct view access) MUST_USE;

#endif
