/* The newest record of a sandbox: kept, and never an older one. */
#include <fcntl.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"
#include "core.h"

static struct got {
	uint64_t seq;
	char data[64];
	size_t n;
	bool over;
	enum rpc_code code;
} got;

static void
on_records(void *ctx UNUSED, const ProtobufCMessage *msg)
{
	const Openshell__V1__SandboxRecords *m = (const void *)msg;

	if (m->head != NULL)
		got.seq = m->head->seq;
	CHECK_INT(m->data.len, <=, sizeof(got.data) - got.n);
	if (m->data.len > 0)
		memcpy(got.data + got.n, m->data.data, m->data.len);
	got.n += m->data.len;
}

static void
on_records_end(void *ctx UNUSED, enum rpc_code code, const char *text UNUSED)
{
	got.over = true;
	got.code = code;
}

static void
get_records(void)
{
	static const struct rpc_out_hooks hooks = { .message = on_records,
		.closed = on_records_end };
	Openshell__V1__GetSandboxRecordsRequest m =
	    OPENSHELL__V1__GET_SANDBOX_RECORDS_REQUEST__INIT;
	struct rpc_out *o =
	    rpc_out_new(core.user, CORE_USER "GetSandboxRecords",
		&openshell__v1__sandbox_records__descriptor, &hooks, 5000);

	got = (struct got) { 0 };
	m.sandbox_id = fake.id;
	rpc_out_send(o, &m.base);
	rpc_out_end(o);
	while (!got.over)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
}

static void
tell_head(uint64_t seq)
{
	Openshell__Supervisor__V1__Logs l =
	    OPENSHELL__SUPERVISOR__V1__LOGS__INIT;
	Openshell__V1__RecordHead head = OPENSHELL__V1__RECORD_HEAD__INIT;
	char hash[65];

	memset(hash, 'a', 64);
	hash[64] = '\0';
	head.seq = seq;
	head.hash = hash;
	l.head = &head;
	core_send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_LOGS, &l);
}

TEST(core, the_newest_record_is_kept_over_restarts_and_never_goes_back)
{
	AUTO_FREE char *one = NULL, *two = NULL;
	int fd;

	core_open();
	one = mem_printf("%s/000001.jsonl", core.dir);
	two = mem_printf("%s/000002.jsonl", core.dir);
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	get_records();
	CHECK_INT(got.code, ==, RPC_NOT_FOUND);
	fake.records = core.dir;
	tell_head(7);
	do
		get_records();
	while (got.seq != 7);
	CHECK_INT(got.code, ==, RPC_OK);
	core_stop();
	core_start();
	core_attend(fake.id, CORE_ISOLATED);
	tell_head(5); /* its records were cut */
	CHECK_INT(core_phase("demo"), ==, PHASE(READY));
	fd = open(two, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "two", 3), ==, 3);
	(void)close(fd);
	fd = open(one, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "one", 3), ==, 3);
	(void)close(fd);
	get_records();
	CHECK_INT(got.code, ==, RPC_OK);
	CHECK_INT(got.seq, ==, 7);
	CHECK(view_eq((struct view) { got.data, got.n }, VIEW("onetwo")));
	CHECK_INT(unlink(one) | unlink(two), ==, 0);
	core_close();
}
