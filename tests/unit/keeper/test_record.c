/* Records of ctl as lines of the log; hostile bytes stand behind them. */
#include "gate.h"

#include "test.h"

#include "audit/event.h"

static const char *
field(const Openshell__V1__SandboxLogLine *l, const char *key)
{
	for (size_t i = 0; i < l->n_fields; i++)
		if (strcmp(l->fields[i]->key, key) == 0)
			return l->fields[i]->value;
	return "(none)";
}

static void
add(enum audit_action a, const char *path)
{
	const struct audit_event ev = { .time_ms = 1234,
		.kind = AUDIT_L7_REQUEST,
		.action = a,
		.binary = VIEW("/usr/bin/curl"),
		.pid = 42,
		.host = VIEW("api.example.test"),
		.port = 443,
		.method = VIEW("GET"),
		.path = view_of(path),
		.reason = VIEW("not allowed by policy"),
		.generation = 3 };
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);

	audit_event_json(&ev, &b);
	record_add(&gate.k, view_slice(buf_view(&b), 0, b.n - 1));
}

TEST(record, becomes_a_line_with_its_fields)
{
	const Openshell__V1__SandboxLogLine *l;

	gate_open();
	add(AUDIT_ALLOW, "/zen");
	l = ring_at(&gate.k.ring, 1);
	CHECK(l != NULL);
	CHECK_INT(l->timestamp_ms, ==, 1234);
	CHECK_STR(l->level, "INFO");
	CHECK_STR(l->source, "sandbox");
	CHECK_STR(l->message, audit_kind_name(AUDIT_L7_REQUEST));
	CHECK_STR(field(l, "action"), audit_action_name(AUDIT_ALLOW));
	CHECK_STR(field(l, "dst_host"), "api.example.test");
	CHECK_STR(field(l, "dst_port"), "443");
	CHECK_STR(field(l, "pid"), "42");
	CHECK_STR(field(l, "binary"), "/usr/bin/curl");
	CHECK_STR(field(l, "l7_target"), "/zen");
	CHECK_STR(field(l, "generation"), "3");
	CHECK_STR(field(l, "stage"), "(none)"); /* empty is left out */
	gate_close();
}

TEST(record, of_a_denial_goes_out_at_once_and_others_wait)
{
	const struct rpc_out *up;

	gate_open();
	up = gate.k.attend;
	add(AUDIT_ALLOW, "/one");
	CHECK_INT(up->n, ==, 0);
	add(AUDIT_DENY, "/two");
	CHECK_INT(up->n, ==, 1);
	/* In order, with the one that waited. */
	CHECK_INT(gate_up(0)->logs->first_seq, ==, 1);
	CHECK_INT(gate_up(0)->logs->n_lines, ==, 2);
	CHECK_STR(field(gate_up(0)->logs->lines[0], "l7_target"), "/one");
	CHECK_STR(gate_up(0)->logs->lines[1]->level, "WARN");
	gate_close();
}

TEST(record, that_cannot_be_read_costs_itself_only_and_is_told)
{
	static const char *const bad[] = { "{", "[]", "null", "\"x\"", "{}",
		"{\"kind\":\"NOSUCH\"}", "\xff\xfe", "{\"time\":1e999}" };

	gate_open();
	record_add(&gate.k, VIEW(""));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		record_add(&gate.k, view_of(bad[i]));
	CHECK_INT(gate.k.ring.next, ==, 1 + ARRAY_LEN(bad));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_STR(
		    ring_at(&gate.k.ring, 1 + i)->message, "RECORD_REFUSED");
		CHECK_HAS(field(ring_at(&gate.k.ring, 1 + i), "reason"),
		    "a record could not be read: ");
	}
	add(AUDIT_ALLOW, "/after");
	CHECK_STR(field(ring_at(&gate.k.ring, 1 + ARRAY_LEN(bad)), "l7_target"),
	    "/after");
	gate_close();
}

/* What the gateway is told is stored, and it learns the head with it. */
TEST(record, is_stored_before_it_is_told)
{
	struct audit_head head;

	gate_open();
	add(AUDIT_DENY, "/x\n\x1b[2J");
	head = gate.k.journal.head;
	CHECK_INT(head.seq, ==, 1);
	CHECK_INT(gate_up(0)->logs->head->seq, ==, 1);
	CHECK_STR(gate_up(0)->logs->head->hash, head.hash);
	gate_close();
}

TEST(record, that_cannot_be_stored_ends_the_sandbox)
{
	gate_open();
	fd_close(&gate.k.journal.fd);
	add(AUDIT_DENY, "/x");
	CHECK(gate.k.failed && gate.k.stopping);
	CHECK_HAS(gate.k.why, "its records cannot be stored");
	CHECK_INT(gate_next(), ==, SESSION_STOP);
	gate_close();
}

TEST(record, missed_by_a_gateway_are_counted_in_their_place)
{
	const Openshell__Supervisor__V1__Logs *l;

	gate_open();
	gate.k.welcomed = false; /* away */
	for (unsigned i = 0; i < RING_LINES + 5; i++)
		add(AUDIT_ALLOW, "/x");
	CHECK_INT(gate.k.attend->n, ==, 0);
	gate.k.welcomed = true;
	ring_rewind(&gate.k.ring, 1);
	link_logs(&gate.k, true);
	CHECK_INT(gate.k.attend->n, >, 2);
	l = gate_up(0)->logs;
	CHECK_INT(l->n_lines, ==, 1);
	CHECK_HAS(l->lines[0]->message, "5 earlier records");
	CHECK_INT(l->first_seq, ==, gate.k.ring.first - 1);
	CHECK_INT(gate_up(1)->logs->first_seq, ==, gate.k.ring.first);
	CHECK_INT(gate.k.ring.sent, ==, gate.k.ring.next);
	gate_close();
}

TEST(record, waits_while_the_gateway_does_not_read)
{
	gate_open();
	gate.k.attend->queued = RPC_HIGH_WATER;
	add(AUDIT_DENY, "/held");
	CHECK_INT(gate.k.attend->n, ==, 0);
	gate.k.attend->queued = 0;
	link_logs(&gate.k, true);
	CHECK_INT(gate.k.attend->n, ==, 1);
	gate_close();
}
