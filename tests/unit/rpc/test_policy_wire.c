#include "rpc/policy_wire.h"

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

static struct policy *
parsed(const char *yaml)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	CHECK_INT(policy_parse(view_of(yaml), &p, &f), ==, 0);
	return p;
}

/* YAML, message, bytes, message, YAML: the canonical text comes back. */
static void
check_round_trip(const char *yaml)
{
	AUTO_POLICY struct policy *p = parsed(yaml), *q = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_BUF struct buf a = BUF_INIT(POLICY_TEXT_MAX),
			    b = BUF_INIT(POLICY_TEXT_MAX),
			    bytes = BUF_INIT(1 << 20);
	policy_wire_msg *m = policy_wire_from(p), *n;

	policy_wire_pack(m, &bytes);
	policy_wire_free(m);
	n = openshell__sandbox__v1__sandbox_policy__unpack(
	    NULL, bytes.n, (const uint8_t *)bytes.p);
	CHECK(n != NULL);
	CHECK_INT(policy_wire_to(n, &q, &f), ==, 0);
	policy_wire_free(n);
	policy_canonical(p, &a);
	policy_canonical(q, &b);
	CHECK_STR(buf_str(&b), buf_str(&a));
}

TEST(policy_wire, gives_every_field_back)
{
	check_round_trip("version: 1\n");
	check_round_trip(
	    "version: 1\n"
	    "filesystem_policy:\n"
	    "  include_workdir: true\n"
	    "  read_only: [/usr, '/opt/a b']\n"
	    "  read_write: [/tmp]\n"
	    "landlock: {compatibility: hard_requirement}\n"
	    "process: {run_as_user: sandbox, run_as_group: sandbox}\n"
	    "network_policies:\n"
	    "  api:\n"
	    "    name: the api\n"
	    "    endpoints:\n"
	    "    - host: api.example.com\n"
	    "      ports: [443, 8443]\n"
	    "      protocol: rest\n"
	    "      enforcement: audit\n"
	    "      rules:\n"
	    "      - allow:\n"
	    "          method: GET\n"
	    "          path: /v1/**\n"
	    "          query: {q: 'a*', lang: {any: [c, 'no']}}\n"
	    "      - allow: {method: POST, path: /v1/x}\n"
	    "    - host: 'other.example.com'\n"
	    "      port: 22\n"
	    "      tls: skip\n"
	    "      allowed_ips: [10.0.0.0/8]\n"
	    "    binaries:\n"
	    "    - path: /usr/bin/curl\n"
	    "    - path: /usr/lib/**\n"
	    "  'other: one': {endpoints: [{host: a.example.com, port: 80}], "
	    "binaries: [{path: '/**'}]}\n");
}

TEST(policy_wire, reads_strings_that_look_like_yaml)
{
	AUTO_POLICY struct policy *p = NULL,
				  *from =
				      parsed("version: 1\nfilesystem_policy: "
					     "{read_only: ['/a: b', '/#c', "
					     "'/\"d']}\n");
	policy_wire_msg *m = policy_wire_from(from);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy_fs fs;

	CHECK_INT(policy_wire_to(m, &p, &f), ==, 0);
	policy_filesystem(p, &fs);
	CHECK_INT(fs.n_read_only, ==, 3);
	CHECK_STR(fs.read_only[0], "/a: b");
	CHECK_STR(fs.read_only[1], "/#c");
	CHECK_STR(fs.read_only[2], "/\"d");
	policy_wire_free(m);
}

TEST(policy_wire, refuses_a_message_as_the_parser_would)
{
	Openshell__Sandbox__V1__FilesystemPolicy fs =
	    OPENSHELL__SANDBOX__V1__FILESYSTEM_POLICY__INIT;
	policy_wire_msg m = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	char *paths[] = { (char[]) { "/usr/../etc/shadow" },
		(char[]) { "relative\nread_write: [/]" } };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	m.version = 1;
	m.filesystem = &fs;
	fs.n_read_only = 2;
	fs.read_only = paths;
	CHECK_INT(policy_wire_to(&m, &p, &f), ==, -1);
	CHECK_INT(f.errors, >=, 2);
	CHECK_HAS(f.v[0].text, "traversal");
}

/* An endpoint may name its ports twice on the wire; the list wins. */
TEST(policy_wire, lets_ports_win_over_port)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\nnetwork_policies: {a: {endpoints: [{host: "
		   "a.example.com, ports: [1, 2]}], binaries: [{path: "
		   "/bin/x}]}}\n");
	AUTO_POLICY struct policy *q = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	policy_wire_msg *m = policy_wire_from(p);
	AUTO_BUF struct buf b = BUF_INIT(65536);

	m->network_policies[0]->value->endpoints[0]->port = 77;
	CHECK_INT(policy_wire_to(m, &q, &f), ==, 0);
	policy_canonical(q, &b);
	CHECK(strstr(buf_str(&b), "77") == NULL);
	policy_wire_free(m);
}

TEST(policy_wire, hashes_as_the_reference_does)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\n"
		   "filesystem_policy:\n"
		   "  include_workdir: true\n"
		   "  read_only: [/usr, /lib, /proc, /dev/urandom, /app, /etc, "
		   "/var/log]\n"
		   "  read_write: [/sandbox, /tmp, /dev/null]\n"
		   "landlock: {compatibility: best_effort}\n"
		   "process: {run_as_user: sandbox, run_as_group: sandbox}\n");
	policy_wire_msg none = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	policy_wire_msg *m = policy_wire_from(p);
	char hash[65];

	policy_wire_hash(&none, hash);
	CHECK_STR(hash, "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524"
			"c014b81119");
	policy_wire_hash(m, hash);
	CHECK_STR(hash, "21ca0b7c8c0ee3fe71660bb18960bdb2d572b6904f6a22338eba72"
			"7ca26add43");
	policy_wire_free(m);
}

TEST(policy_wire, hashes_maps_in_the_order_of_their_keys)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\nnetwork_policies:\n"
		   "  b: {endpoints: [{host: b.example.com, port: 1}], "
		   "binaries: [{path: /bin/x}]}\n"
		   "  a: {endpoints: [{host: a.example.com, port: 1}], "
		   "binaries: [{path: /bin/x}]}\n");
	policy_wire_msg *m = policy_wire_from(p);
	char one[65], two[65];
	void *first = m->network_policies[0];

	policy_wire_hash(m, one);
	m->network_policies[0] = m->network_policies[1];
	m->network_policies[1] = first;
	policy_wire_hash(m, two);
	CHECK_STR(two, one);
	policy_wire_free(m);
}
