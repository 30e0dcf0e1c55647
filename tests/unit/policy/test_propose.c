/* Proposals from denials: the vectors of sandbox.md 17 (Mapper), and ours. */
#include "policy/propose.h"

#include "test.h"

static struct arena arena;
static struct proposal p;

static struct propose_denial
denial(const char *binary, const char *host, uint16_t port, uint64_t count)
{
	return (struct propose_denial) { .host = view_of(host),
		.binary = view_of(binary),
		.port = port,
		.count = count,
		.connections = true };
}

static struct propose_request requests[32];

static struct propose_denial
denial_of(const char *host, size_t n)
{
	struct propose_denial d = denial("/usr/bin/python3", host, 443, n);

	d.connections = false;
	d.requests = true;
	d.v = requests;
	d.n = n;
	return d;
}

static void
request(size_t i, const char *method, const char *path)
{
	requests[i] =
	    (struct propose_request) { view_of(method), view_of(path) };
}

TEST(propose, names)
{
	static const struct {
		const char *host, *name;
	} rows[] = {
		{ "api.github.com", "allow_api_github_com_443" },
		{ "a.b", "allow_a_b_443" },
		{ "10.0.0.5", "allow_10_0_0_5_443" },
	};
	AUTO_BUF struct buf a = BUF_INIT(PROPOSE_NAME_MAX),
			    b = BUF_INIT(PROPOSE_NAME_MAX);
	char longest[254];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&a);
		propose_name(view_of(rows[i].host), 443, &a);
		CHECK_STR(buf_str(&a), rows[i].name);
	}
	/* Two hosts do not have one name. */
	buf_reset(&a);
	propose_name(VIEW("a-b"), 443, &a);
	CHECK_HAS(buf_str(&a), "allow_a_b_443_");
	propose_name(VIEW("2001:db8::1"), 443, &b);
	CHECK_HAS(buf_str(&b), "allow_2001db81_443_");
	memset(longest, 'a', sizeof(longest));
	buf_reset(&a);
	propose_name((struct view) { longest, 253 }, 65535, &a);
	CHECK(!a.full);
	longest[252] = 'b';
	buf_reset(&b);
	propose_name((struct view) { longest, 253 }, 65535, &b);
	CHECK(!view_eq(buf_view(&a), buf_view(&b)));
}

static int
percent(float f)
{
	return (int)(f * 100 + 0.5F);
}

TEST(propose, confidence)
{
	CHECK_INT(percent(propose_confidence(10, 443, false)), ==, 85);
	CHECK_INT(percent(propose_confidence(5, 80, true)), ==, 55);
	CHECK_INT(percent(propose_confidence(1, 12345, true)), ==, 30);
	CHECK_INT(percent(propose_confidence(3, 12345, false)), ==, 60);
	CHECK_INT(percent(propose_confidence(2, 12345, false)), ==, 50);
}

TEST(propose, paths)
{
	static const struct {
		const char *path, *glob;
	} rows[] = {
		{ "/", "/" },
		{ "/posts/42", "/posts/*" },
		{ "/chunks/550e8400-e29b-41d4-a716-446655440000", "/chunks/*" },
		{ "/api/breeds/image/random", "/api/breeds/image/random" },
		{ "/j/abc123def456abcd0099", "/j/*" },
		{ "/j/abc123def456abcd", "/j/*" },
		{ "/v1", "/v1" },
		{ "/page/7", "/page/7" },
		/* Only the last segment: what stands before says of whom. */
		{ "/users/12345/keys", "/users/12345/keys" },
		{ "/a*[b]/42", "/a\\*\\[b\\]/*" },
	};
	AUTO_BUF struct buf b = BUF_INIT(256);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		propose_path(view_of(rows[i].path), &b);
		CHECK_STR(buf_str(&b), rows[i].glob);
	}
}

TEST(propose, internal_addresses)
{
	static const char *const yes[] = { "10.0.0.1", "172.31.255.255",
		"169.254.169.254", "fe80::1", "192.168.1.1", "127.0.0.1", "::1",
		"fc00::1", "::ffff:10.0.0.1" };
	static const char *const no[] = { "8.8.8.8", "2001:db8::1",
		"172.32.0.1", "172.example.com", "10.example.com", "" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		CHECK(policy_host_internal(view_of(yes[i])));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		CHECK(!policy_host_internal(view_of(no[i])));
}

TEST(propose, a_connection)
{
	struct propose_denial d =
	    denial("/usr/bin/curl", "API.example.com", 443, 5);

	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_VIEW(p.name, "allow_api_example_com_443");
	CHECK_VIEW(p.host, "api.example.com");
	CHECK_VIEW(p.binary, "/usr/bin/curl");
	CHECK_INT(p.n_rules, ==, 0);
	CHECK(p.read_only);
	CHECK_INT(percent(p.confidence), ==, 75);
	CHECK_VIEW(p.rationale,
	    "Allow curl to connect to api.example.com:443 (HTTPS) with L7 "
	    "inspection. Only the connection was seen: reading is allowed.");
	CHECK_VIEW(p.notes, "");
	/* Of another protocol there is nothing to inspect. */
	d.port = 5432;
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK(!p.read_only);
	CHECK_VIEW(p.rationale,
	    "Allow curl to connect to api.example.com:5432 (PostgreSQL). Only "
	    "the connection was seen: whatever is asked on it is allowed.");
	arena_fini(&arena);
}

TEST(propose, requests)
{
	struct propose_denial d = denial_of("api.example.com", 4);

	request(0, "GET", "/");
	request(1, "GET", "/j/abc123def456abcd0099");
	request(2, "GET", "/j/abc123def456abcd0100"); /* the same pattern */
	request(3, "POST", "/j/abc123def456abcd0099");
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_INT(p.n_rules, ==, 3);
	CHECK(!p.read_only);
	CHECK_VIEW(p.rules[0].path, "/");
	CHECK_VIEW(p.rules[1].path, "/j/*");
	CHECK_VIEW(p.rules[1].method, "GET");
	CHECK_VIEW(p.rules[2].method, "POST");
	CHECK_VIEW(p.rationale,
	    "Allow python3 to connect to api.example.com:443 (HTTPS) with L7 "
	    "inspection. Allowed paths: GET /, GET /j/*, POST /j/*.");
	arena_fini(&arena);
}

TEST(propose, notes_for_who_decides)
{
	struct propose_denial d = denial("/usr/bin/psql", "10.1.2.3", 5432, 1);

	d.address = true;
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_VIEW(p.notes,
	    "Some attempts were refused for the address behind the name. "
	    "10.1.2.3 is an address of an internal network. Port 5432 is that "
	    "of a data store (PostgreSQL).");
	d = denial("/usr/bin/x", "a.example.com", 49153, 1);
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_VIEW(p.notes, "Port 49153 is of the ephemeral range.");
	arena_fini(&arena);
}

/* Attacks: what a sandbox may ask for and nobody may be asked about. */
TEST(propose, nothing_about_this_machine_or_an_unknown_program)
{
	static const char *const never[] = { "127.0.0.1", "127.9.9.9", "::1",
		"localhost", "LocalHost.", "x.localhost", "169.254.169.254",
		"fe80::1", "0.0.0.0", "metadata.google.internal",
		"metadata.google.internal.", "100.100.100.200", "fd00:ec2::254",
		"::ffff:127.0.0.1", "host.openshell.internal", "policy.local" };
	static const char *const programs[] = { "", "-", "curl", "/bin/*",
		"/bin/a\nb", "/" };
	static const char *const hosts[] = { "", "*.example.com", "a b",
		"a\033[2Jb", "-" };
	struct propose_denial d;

	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		d = denial("/usr/bin/curl", never[i], 443, 1);
		CHECK(policy_propose(&d, &arena, &p) != NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		d = denial(programs[i], "api.example.com", 443, 1);
		CHECK(policy_propose(&d, &arena, &p) != NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		d = denial("/usr/bin/curl", hosts[i], 443, 1);
		CHECK(policy_propose(&d, &arena, &p) != NULL);
	}
	d = denial("/usr/bin/curl", "api.example.com", 0, 1);
	CHECK(policy_propose(&d, &arena, &p) != NULL);
	/* The name is allowed, its address is not: no rule about it helps. */
	d = denial("/usr/bin/curl", "api.example.com", 443, 1);
	d.connections = false;
	d.address = true;
	CHECK(policy_propose(&d, &arena, &p) != NULL);
	arena_fini(&arena);
}

TEST(propose, a_request_that_no_rule_can_name_is_in_none)
{
	struct propose_denial d = denial_of("api.example.com", 3);

	request(0, "GET", "/a\nb");
	request(1, "get it", "/");
	request(2, "GET", "");
	CHECK(policy_propose(&d, &arena, &p) != NULL);
	request(2, "GET", "/ok");
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_INT(p.n_rules, ==, 1);
	/* Requests that rules of paths are not about: not the host whole. */
	d.n = 0;
	d.connections = true;
	CHECK(policy_propose(&d, &arena, &p) != NULL);
	arena_fini(&arena);
}

TEST(propose, a_name_that_carries_a_terminal_escape_is_shown_escaped)
{
	struct propose_denial d =
	    denial("/usr/bin/a\xc2\x9b", "api.example.com", 443, 1);

	if (policy_propose(&d, &arena, &p) == NULL)
		CHECK(memchr(p.rationale.p, 0x9b, p.rationale.n) == NULL);
	arena_fini(&arena);
}

TEST(propose, is_the_same_each_time_and_bounded)
{
	struct propose_denial d = denial_of("api.example.com", 32);
	static char paths[32][16];

	for (size_t i = 0; i < 32; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "/p%zu", i);
		request(i, "GET", paths[i]);
	}
	CHECK(policy_propose(&d, &arena, &p) == NULL);
	CHECK_INT(p.n_rules, ==, PROPOSE_RULES_MAX);
	arena_fini(&arena);
}
