#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "codec/sha256.h"
#include "gateway/access.h"

/* gateway-api 6.4, written out a second time. */
static const char *const sandbox_only[] = {
	"/openshell.v1.OpenShell/GetSandboxProviderEnvironment",
	"/openshell.v1.OpenShell/ReportPolicyStatus",
	"/openshell.v1.OpenShell/PushSandboxLogs",
	"/openshell.v1.OpenShell/SubmitPolicyAnalysis",
	"/openshell.inference.v1.Inference/GetInferenceBundle",
	"/openshell.supervisor.v1.Supervisor/Attend",
	"/openshell.supervisor.v1.Supervisor/Relay",
};
static const char *const of_both[] = {
	"/openshell.v1.OpenShell/GetSandboxConfig",
	"/openshell.v1.OpenShell/UpdateConfig",
	/* Of its own name: what became of its proposals (policy spec 8.8). */
	"/openshell.v1.OpenShell/GetDraftPolicy",
};
static const char *const of_anyone[] = { "/openshell.v1.OpenShell/Health" };

static const char *const paths[] = {
#define METHOD(service, name, kind, access, max_request, deadline_ms, in, out) \
	"/" #service "/" #name,
#define LATER METHOD
#include "gateway/methods.def"
#undef LATER
#undef METHOD
};

static bool
in(const char *const *list, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], path) == 0)
			return true;
	return false;
}
#define IN(list, path) in(list, ARRAY_LEN(list), path)

static enum rpc_code
ask(const char *path, enum caller_kind kind)
{
	AUTO_BUF struct buf text = BUF_INIT(RPC_STATUS_MAX);
	enum rpc_code code = access_check(access_rule_of(path), kind, &text);

	/* A refusal says why; a pass says nothing. */
	CHECK((code == RPC_OK) == (text.n == 0));
	return code;
}

TEST(access, every_method_for_every_caller_as_the_matrix_says)
{
	CHECK_INT(ARRAY_LEN(paths), ==, 43);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		const char *p = paths[i];
		bool any = IN(of_anyone, p), both = IN(of_both, p);
		bool own = IN(sandbox_only, p);

		CHECK_INT(ask(p, CALLER_ANONYMOUS), ==,
		    any ? RPC_OK : RPC_UNAUTHENTICATED);
		CHECK_INT(ask(p, CALLER_UNKNOWN), ==, RPC_UNAUTHENTICATED);
		CHECK_INT(ask(p, CALLER_USER), ==,
		    own ? RPC_PERMISSION_DENIED : RPC_OK);
		CHECK_INT(ask(p, CALLER_SANDBOX), ==,
		    any || both || own ? RPC_OK : RPC_PERMISSION_DENIED);
	}
}

TEST(access, unknown_methods_are_denied)
{
	static const char *const none[] = { "", "/", "/openshell.v1.OpenShell/",
		"/openshell.v1.OpenShell/Nothing",
		"/openshell.v1.OpenShell/health",
		"/openshell.v1.OpenShell/Health/",
		"//openshell.v1.OpenShell/Health",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" };

	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		CHECK_INT(
		    ask(none[i], CALLER_ANONYMOUS), ==, RPC_UNAUTHENTICATED);
		CHECK_INT(
		    ask(none[i], CALLER_UNKNOWN), ==, RPC_UNAUTHENTICATED);
		CHECK_INT(ask(none[i], CALLER_USER), ==, RPC_UNIMPLEMENTED);
		CHECK_INT(
		    ask(none[i], CALLER_SANDBOX), ==, RPC_PERMISSION_DENIED);
	}
}

/* ---- who asks ------------------------------------------------------------
 */

struct scene {
	char dir[64];
	struct store *store;
	struct access_config config;
};

static void
scene_make(struct scene *t)
{
	struct err e = { 0 };
	char path[96], hash[SHA256_HEX];

	*t = (struct scene) { .dir = "/tmp/openshell-test-XXXXXX" };
	t->config.owner = 1000;
	CHECK(mkdtemp(t->dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/db", t->dir);
	CHECK_INT(store_open(path, &t->store, &e), ==, 0);
	sha256_hex(VIEW("token-1"), hash);
	CHECK_INT(store_object_insert(
		      t->store, "sandbox", "box-1", "a", VIEW(""), 1, &e),
	    ==, 0);
	CHECK_INT(store_token_set(t->store, "box-1", hash, 1, &e), ==, 0);
}

static void
scene_end(struct scene *t)
{
	char path[96];

	store_close(t->store);
	(void)snprintf(path, sizeof(path), "%s/db", t->dir);
	(void)unlink(path);
	CHECK_INT(rmdir(t->dir), ==, 0);
}

/* "user", "anonymous", "unknown" or the sandbox's id. */
static const char *
who(struct scene *t, struct rpc_peer peer)
{
	static const char *const names[] = {
		[CALLER_ANONYMOUS] = "anonymous",
		[CALLER_UNKNOWN] = "unknown",
		[CALLER_USER] = "user",
	};
	static struct caller c;
	struct err e = { 0 };

	CHECK_INT(access_identify(&peer, &t->config, t->store, &c, &e), ==, 0);
	return c.kind == CALLER_SANDBOX ? c.sandbox : names[c.kind];
}

#define BEARER(t) .bearer = VIEW(t)
#define TLS_AS(uri) \
	((struct rpc_peer) { .transport = RPC_TLS, \
	    .verified = true, \
	    .san_uri = (uri), \
	    .subject = "openshell-client" })
#define UNIX_OF(u) .transport = RPC_UNIX, .uid = (u), .beside = true

TEST(access, the_user_is_a_certificate_or_the_owner_on_the_socket)
{
	struct scene t;

	scene_make(&t);
	CHECK_STR(who(&t, TLS_AS("openshell://user/ada")), "user");
	CHECK_STR(who(&t, (struct rpc_peer) { UNIX_OF(1000) }), "user");
	CHECK_STR(who(&t, (struct rpc_peer) { UNIX_OF(1001) }), "anonymous");
	CHECK_STR(who(&t, (struct rpc_peer) { UNIX_OF(0) }), "anonymous");
	scene_end(&t);
}

TEST(access, certificates_without_a_clear_role_are_nobodys)
{
	static const char *const bad[] = { "", "openshell://user/",
		"openshell://user", "openshell://users/ada",
		"Openshell://user/ada", "openshell://user/a/b",
		"openshell://user/a b", "https://openshell/user/ada",
		"openshell://admin/ada", "openshell://sandbox/",
		"openshell://sandbox/box-2", "openshell://sandbox/box-1/x",
		" openshell://user/ada" };
	struct scene t;

	scene_make(&t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_STR(who(&t, TLS_AS(bad[i])), "unknown");
	CHECK_STR(who(&t, TLS_AS("openshell://sandbox/box-1")), "box-1");
	scene_end(&t);
}

TEST(access, a_token_makes_a_sandbox_or_nobody_of_any_connection)
{
	struct rpc_peer peer;
	struct scene t;

	scene_make(&t);
	t.config.open_access = true;
	CHECK_STR(
	    who(&t, (struct rpc_peer) { UNIX_OF(1000), BEARER("token-1") }),
	    "box-1");
	CHECK_STR(
	    who(&t, (struct rpc_peer) { UNIX_OF(1001), BEARER("token-1") }),
	    "box-1");
	CHECK_STR(
	    who(&t, (struct rpc_peer) { UNIX_OF(1000), BEARER("token-2") }),
	    "unknown");
	CHECK_STR(who(&t, (struct rpc_peer) { UNIX_OF(1000), BEARER("") }),
	    "unknown");
	peer = TLS_AS("openshell://user/ada");
	peer.bearer = VIEW("token-1");
	CHECK_STR(who(&t, peer), "box-1");
	peer.bearer = VIEW("token-2");
	CHECK_STR(who(&t, peer), "unknown");
	CHECK_STR(who(&t, (struct rpc_peer) { .transport = RPC_PLAIN,
			      BEARER("token-2") }),
	    "unknown");
	scene_end(&t);
}

TEST(access, nothing_shown_is_anonymous_unless_access_is_open)
{
	struct scene t;

	scene_make(&t);
	CHECK_STR(who(&t, (struct rpc_peer) { .transport = RPC_TLS,
			      .san_uri = "openshell://user/ada" }),
	    "anonymous");
	CHECK_STR(
	    who(&t, (struct rpc_peer) { .transport = RPC_PLAIN }), "anonymous");
	t.config.open_access = true;
	CHECK_STR(who(&t, (struct rpc_peer) { .transport = RPC_TLS }), "user");
	CHECK_STR(
	    who(&t, (struct rpc_peer) { .transport = RPC_PLAIN }), "user");
	CHECK_STR(who(&t, (struct rpc_peer) { UNIX_OF(1001) }), "anonymous");
	scene_end(&t);
}

TEST(access, the_owners_uid_in_another_user_namespace_is_not_the_user)
{
	struct scene t;

	scene_make(&t);
	CHECK_STR(
	    who(&t, (struct rpc_peer) { .transport = RPC_UNIX, .uid = 1000 }),
	    "anonymous");
	scene_end(&t);
}
