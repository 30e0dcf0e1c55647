#include "cli/records.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/reach.h"

/* What a keeper keeps is less; files of runs are the user's own. */
enum { RECORDS_MAX = 512 << 20 };

void
records_fini(struct records *r)
{
	buf_fini(&r->text);
	free(r->name);
}

int
records_read_file(const char *file, struct records *out, struct err *e)
{
	char *text;
	size_t n;

	if (file_read_path(file, false, RECORDS_MAX, &text, &n, e) < 0)
		return err_wrap(e, "read records from %.200s", file);
	out->text = (struct buf) {
		.p = text, .n = n, .cap = n + 1, .max = RECORDS_MAX
	};
	out->name = mem_strdup(file);
	return 0;
}

/* --- from a gateway ------------------------------------------------------ */

struct fetch {
	struct records *out;
	bool over;
	enum rpc_code code;
	struct err why;
};

static void
on_message(void *ctx, const ProtobufCMessage *msg)
{
	const Openshell__V1__SandboxRecords *m = (const void *)msg;
	struct fetch *f = ctx;
	struct records *r = f->out;

	if (m->head != NULL && m->head->seq > 0 &&
	    strlen(m->head->hash) == sizeof(r->head.hash) - 1) {
		r->has_head = true;
		r->head.seq = m->head->seq;
		memcpy(r->head.hash, m->head->hash, sizeof(r->head.hash));
	}
	buf_put(&r->text,
	    (struct view) { (const char *)m->data.data, m->data.len });
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct fetch *f = ctx;

	f->over = true;
	f->code = code;
	if (code != RPC_OK)
		(void)err_set(&f->why,
		    code == RPC_NOT_FOUND ? ERR_NOT_FOUND : ERR_IO,
		    "%.400s (%s)", text, rpc_code_name(code));
}

int
records_fetch(
    struct reach *r, const char *sandbox, struct records *out, struct err *e)
{
	struct fetch f = { .out = out };
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = &f
	};
	Openshell__V1__GetSandboxRecordsRequest q =
	    OPENSHELL__V1__GET_SANDBOX_RECORDS_REQUEST__INIT;
	AUTO_FREE char *id = reach_sandbox_id(r, sandbox, e);
	struct rpc_out *o;

	if (id == NULL)
		return -1;
	out->text = BUF_INIT(RECORDS_MAX);
	out->name = mem_strdup(sandbox);
	q.sandbox_id = id;
	o = rpc_out_new(reach_rpc(r),
	    "/openshell.v1.OpenShell/GetSandboxRecords",
	    &openshell__v1__sandbox_records__descriptor, &hooks, 0);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	while (!f.over)
		(void)uv_run(reach_loop(r), UV_RUN_ONCE);
	if (f.code != RPC_OK) {
		*e = f.why;
		return err_wrap(e, "get the records of %.100s", sandbox);
	}
	if (out->text.full)
		return err_set(e, ERR_LIMIT, "there are too many records");
	return 0;
}

int
records_load(struct cli *c, const char *file, const char *sandbox,
    struct records *out, struct err *e)
{
	AUTO_REACH struct reach *r = NULL;
	const char *name;

	if (file != NULL)
		return records_read_file(file, out, e);
	if (reach_open(c, &r, e) < 0 ||
	    (name = reach_sandbox(c, r, sandbox, e)) == NULL)
		return -1;
	return records_fetch(r, name, out, e);
}

/* --- read ---------------------------------------------------------------- */

size_t
records_each(const struct records *r,
    void (*each)(void *ctx, const struct audit_event *ev, struct view line),
    void *ctx)
{
	struct view rest = buf_view(&r->text);
	size_t unread = 0;

	while (rest.n > 0) {
		struct view line = view_cut(rest, '\n', &rest);
		struct audit_record *store = NULL;
		struct audit_event ev;
		struct err why;

		if (line.n == 0)
			continue;
		if (audit_record_parse(line, &store, &ev, &why) < 0)
			unread++;
		else if (ev.kind != AUDIT_CHAIN)
			each(ctx, &ev, line);
		audit_record_free(store);
	}
	return unread;
}
