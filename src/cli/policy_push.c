/* policy_push: `policy set`, until the sandbox has acknowledged it. */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/policy_file.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"
#include "codec/ydoc.h"

enum { CALL_MS = 30000, NOTES_MAX = 1 << 20, FIRST_MS = 4, AGAIN_MS = 250 };

#define PATH(name) "/openshell.v1.OpenShell/" name

typedef Openshell__V1__UpdateConfigRequest update_req;
typedef Openshell__V1__UpdateConfigResponse update_resp;
typedef Openshell__V1__GetSandboxPolicyStatusRequest status_req;
typedef Openshell__V1__GetSandboxPolicyStatusResponse status_resp;

void
policy_answer_free_at(void *pp)
{
	ProtobufCMessage *m = *(ProtobufCMessage **)pp;

	if (m != NULL)
		protobuf_c_message_free_unpacked(m, NULL);
}

int
policy_place_find(struct cli *c, struct reach *r, bool global,
    const char *given, struct policy_place *out, struct err *e)
{
	*out = (struct policy_place) { .reach = r };
	if (global && given != NULL)
		return err_set(e, ERR_INVALID,
		    "--global does not accept a sandbox name\nleave out "
		    "'%.100s', or --global",
		    given);
	if (global)
		return 0;
	out->sandbox = reach_sandbox(c, r, given, e);
	return out->sandbox != NULL ? 0 : -1;
}

/* --- the file --- */

static void
ignore_fault(void *ctx UNUSED, unsigned line UNUSED, unsigned column UNUSED,
    const char *text UNUSED)
{
}

/* What the file names at its top; it has been checked already. */
static void
find_sections(struct view text, struct policy_upload *u)
{
	struct arena a = { 0 };
	struct ydoc_node *root = NULL;

	u->no_filesystem = u->no_landlock = u->no_process = true;
	if (ydoc_parse(text, &a, &root, ignore_fault, NULL) && root != NULL &&
	    root->kind == YDOC_MAP)
		for (struct ydoc_node *k = root->first; k; k = k->next) {
			if (view_eq(k->text, VIEW("filesystem_policy")) ||
			    view_eq(k->text, VIEW("filesystem")))
				u->no_filesystem = false;
			if (view_eq(k->text, VIEW("landlock")))
				u->no_landlock = false;
			if (view_eq(k->text, VIEW("process")))
				u->no_process = false;
		}
	arena_fini(&a);
}

int
policy_upload_read(
    struct cli *c, const char *file, struct policy_upload *u, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_POLICY struct policy *p = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_BUF struct buf lines = BUF_INIT(NOTES_MAX);
	size_t n;
	int rc;

	if (policy_text(c, file, &text, &n, e) < 0)
		return -1;
	rc = policy_parse((struct view) { text, n }, &p, &found);
	policy_findings_print(
	    &found, strcmp(file, "-") == 0 ? "<stdin>" : file, &lines);
	cli_note(c, &lines);
	if (rc < 0)
		return policy_refuse(file, e);
	u->m = policy_wire_from(p);
	find_sections((struct view) { text, n }, u);
	return 0;
}

void
policy_upload_fini(struct policy_upload *u)
{
	policy_wire_free(u->m);
	u->m = NULL;
}

/* --- telling --- */

enum mark { MARK_OK, MARK_SAME, MARK_BAD, MARK_WARN };

static void
put_mark(struct buf *b, struct cli *c, bool color, enum mark mark)
{
	static const struct {
		const char *utf8, *ascii;
		enum cli_color color;
	} marks[] = {
		[MARK_OK] = { "✓", "*", COLOR_OK },
		[MARK_SAME] = { "·", "-", COLOR_LABEL },
		[MARK_BAD] = { "✗", "x", COLOR_BAD },
		[MARK_WARN] = { "⚠", "!", COLOR_WARN },
	};

	cli_paint(b, color, marks[mark].color,
	    c->utf8 ? marks[mark].utf8 : marks[mark].ascii);
	buf_putc(b, ' ');
}

static PRINTF(3, 4) void tell(
    struct cli *c, enum mark mark, const char *fmt, ...)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	put_mark(&b, c, c->color_err, mark);
	buf_put_escaped(&b, view_of(line));
	buf_putc(&b, '\n');
	cli_note(c, &b);
}

/* --- asking the gateway --- */

static int
get_status(const struct policy_place *p, unsigned version, status_resp **out,
    enum rpc_code *code, struct err *e)
{
	status_req q = OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(p->sandbox != NULL ? p->sandbox : "");
	ProtobufCMessage *m;

	q.name = name;
	q.version = version;
	q.global = p->sandbox == NULL;
	if (rpc_unary(reach_rpc(p->reach), PATH("GetSandboxPolicyStatus"),
		&q.base,
		&openshell__v1__get_sandbox_policy_status_response__descriptor,
		&m, CALL_MS, code, e) < 0)
		return -1;
	*out = (status_resp *)(void *)m;
	return 0;
}

static int
update(const struct policy_place *p, update_req *q, update_resp **out,
    struct err *e)
{
	AUTO_FREE char *name = mem_strdup(p->sandbox != NULL ? p->sandbox : "");
	ProtobufCMessage *m;

	q->name = name;
	q->global = p->sandbox == NULL;
	if (rpc_unary(reach_rpc(p->reach), PATH("UpdateConfig"), &q->base,
		&openshell__v1__update_config_response__descriptor, &m, CALL_MS,
		NULL, e) < 0)
		return -1;
	q->name = NULL;
	*out = (update_resp *)(void *)m;
	return 0;
}

/* --- static sections that the file leaves out --- */

#define SWAP(a, b) \
	do { \
		void *swap_ = (a); \
		(a) = (b); \
		(b) = swap_; \
	} while (0)

/* Takes them from the policy in force, and says which. */
static void
keep_sections(struct cli *c, struct policy_upload *u, policy_wire_msg *now)
{
	AUTO_BUF struct buf kept = BUF_INIT(128);

	if (u->no_filesystem && now->filesystem != NULL) {
		SWAP(u->m->filesystem, now->filesystem);
		buf_puts(&kept, ", filesystem_policy");
	}
	if (u->no_landlock && now->landlock != NULL) {
		SWAP(u->m->landlock, now->landlock);
		buf_puts(&kept, ", landlock");
	}
	if (u->no_process && now->process != NULL) {
		/* Whoever leaves it out means the only one there is. */
		SWAP(u->m->process, now->process);
	}
	if (kept.n > 0)
		tell(c, MARK_SAME,
		    "not in the file, the sandbox keeps its own: %s",
		    buf_str(&kept) + 2);
}

/* --- waiting --- */

struct waiting {
	struct policy_place *place;
	struct rpc_out *watch;
	bool dirty; /* something changed: ask again */
	uv_timer_t timer;
	bool timer_on;
	unsigned tick_ms; /* of the next look, told or not; doubles */
};

static void
on_event(void *ctx, const ProtobufCMessage *m UNUSED)
{
	((struct waiting *)ctx)->dirty = true;
}

static void
on_watch_closed(void *ctx, enum rpc_code code UNUSED, const char *text UNUSED)
{
	((struct waiting *)ctx)->watch = NULL;
}

static void
on_tick(uv_timer_t *t)
{
	((struct waiting *)t->data)->dirty = true;
}

static void
on_timer_closed(uv_handle_t *h)
{
	((struct waiting *)h->data)->timer_on = false;
}

/* The gateway tells when a sandbox changes; no answer leaves the timer. */
static void
open_watch(struct waiting *w, const char *id)
{
	Openshell__V1__WatchSandboxRequest q =
	    OPENSHELL__V1__WATCH_SANDBOX_REQUEST__INIT;
	const struct rpc_out_hooks hooks = {
		.message = on_event, .closed = on_watch_closed, .ctx = w
	};
	AUTO_FREE char *copy = mem_strdup(id);

	q.id = copy;
	q.follow_status = true;
	w->watch = rpc_out_new(reach_rpc(w->place->reach), PATH("WatchSandbox"),
	    &openshell__v1__sandbox_stream_event__descriptor, &hooks, 0);
	rpc_out_send(w->watch, &q.base);
	rpc_out_end(w->watch);
}

/* -1: still pending; else the exit status, told. */
static int
tell_outcome(struct cli *c, unsigned version, const status_resp *s)
{
	const Openshell__V1__SandboxPolicyRevision *r = s->revision;

	if (r == NULL)
		return -1;
	switch (r->status) {
	case OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_LOADED:
		tell(c, MARK_OK,
		    "Policy version %u loaded (active version: %u)", version,
		    s->active_version);
		return CLI_OK;
	case OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_SUPERSEDED:
		tell(c, MARK_WARN,
		    "Policy version %u was superseded (active version: %u)",
		    version, s->active_version);
		return CLI_OK;
	case OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_FAILED: {
		struct view rest,
		    first = view_cut(view_of(r->load_error), '\n', &rest);

		tell(c, MARK_BAD, "Policy version %u failed to load: %.*s",
		    version, (int)MIN(first.n, 800), first.p);
		while (rest.n > 0) {
			AUTO_BUF struct buf b = BUF_INIT(65536);

			first = view_cut(rest, '\n', &rest);
			buf_puts(&b, "  ");
			buf_put_escaped(&b, first);
			buf_putc(&b, '\n');
			cli_note(c, &b);
		}
		return CLI_FAILED;
	}
	case OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_UNSPECIFIED:
	case OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_PENDING:
	case _OPENSHELL__V1__POLICY_STATUS_IS_INT_SIZE:
		return -1;
	}
	return -1;
}

/* Until an event, a tick or the deadline. */
static void
wait_change(struct waiting *w, uint64_t end)
{
	uv_loop_t *loop = reach_loop(w->place->reach);
	uint64_t now = clock_mono_ms();
	uint64_t ms = now < end ? MIN(end - now, (uint64_t)w->tick_ms) : 0;

	w->tick_ms = MIN(2 * w->tick_ms, (unsigned)AGAIN_MS);
	w->dirty = false;
	(void)uv_timer_start(&w->timer, on_tick, ms, 0);
	while (!w->dirty)
		(void)uv_run(loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&w->timer);
}

/* A gateway that restarts is back in a moment: not our failure yet. */
static bool
reconnect(struct waiting *w)
{
	if (reach_again(w->place->reach) == NULL)
		return false;
	w->watch = NULL; /* closed with its connection */
	return true;
}

static int
wait_loop(struct cli *c, struct waiting *w, const char *id, unsigned version,
    uint64_t end, struct err *e)
{
	for (;;) {
		AUTO_MSG status_resp *s = NULL;
		enum rpc_code code = RPC_OK;
		int status = -1;

		if (get_status(w->place, version, &s, &code, e) == 0)
			status = tell_outcome(c, version, s);
		else if (code != RPC_UNAVAILABLE)
			return err_wrap(
			    e, "wait for policy version %u", version);
		else
			(void)reconnect(w);
		if (status >= 0)
			return status;
		if (clock_mono_ms() >= end) {
			tell(c, MARK_BAD,
			    "Timeout waiting for policy version %u to load",
			    version);
			return CLI_TIMEOUT;
		}
		if (w->watch == NULL && id != NULL && code == RPC_OK)
			open_watch(w, id);
		wait_change(w, end);
	}
}

static int
wait_for(struct cli *c, struct policy_place *p, unsigned version,
    unsigned timeout_s, struct err *e)
{
	struct waiting w = {
		.place = p, .timer_on = true, .tick_ms = FIRST_MS
	};
	uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000;
	uv_loop_t *loop = reach_loop(p->reach);
	struct err ignored; /* without a watch, asking now and then will do */
	AUTO_FREE char *id = reach_sandbox_id(p->reach, p->sandbox, &ignored);
	int status;

	(void)uv_timer_init(loop, &w.timer);
	w.timer.data = &w;
	status = wait_loop(c, &w, id, version, end, e);
	if (w.watch != NULL)
		rpc_out_cancel(w.watch);
	uv_close((uv_handle_t *)&w.timer, on_timer_closed);
	while (w.timer_on)
		(void)uv_run(loop, UV_RUN_ONCE);
	return status;
}

/* --- set --- */

static bool
pending_or_failed(const struct policy_place *p, unsigned version)
{
	AUTO_MSG status_resp *s = NULL;
	enum rpc_code code;
	struct err ignored;

	if (get_status(p, version, &s, &code, &ignored) < 0)
		return true; /* waiting tells */
	return s->revision != NULL &&
	       s->revision->status !=
		   OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_LOADED;
}

static void
tell_warnings(struct cli *c, const update_resp *r)
{
	for (size_t i = 0; i < r->n_warnings; i++)
		tell(c, MARK_WARN, "%s", r->warnings[i]);
}

/* What `q` asks for, told; `before` is the version there was. */
static int
push(struct cli *c, struct policy_place *p, update_req *q, unsigned before,
    bool wait, unsigned timeout_s, struct err *e)
{
	AUTO_MSG update_resp *r = NULL;

	if (update(p, q, &r, e) < 0)
		return err_wrap(e, "the policy of sandbox '%.100s' was not set",
		    p->sandbox);
	tell_warnings(c, r);
	if (r->version == before) {
		tell(c, MARK_SAME, "Policy unchanged (version %u, hash: %.12s)",
		    r->version, r->policy_hash);
		if (!wait || !pending_or_failed(p, r->version))
			return CLI_OK;
	} else
		tell(c, MARK_OK, "Policy version %u submitted (hash: %.12s)",
		    r->version, r->policy_hash);
	return wait ? wait_for(c, p, r->version, timeout_s, e) : CLI_OK;
}

int
policy_push(struct cli *c, struct policy_place *p, struct policy_upload *u,
    bool wait, unsigned timeout_s, struct err *e)
{
	update_req q = OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	AUTO_MSG status_resp *now = NULL;
	enum rpc_code code;
	unsigned before = 0;

	/* No revision yet is no error; what else is wrong, set tells. */
	if (get_status(p, 0, &now, &code, e) == 0 && now->revision != NULL) {
		before = now->revision->version;
		if (now->revision->policy != NULL)
			keep_sections(c, u, now->revision->policy);
	}
	q.policy = u->m;
	return push(c, p, &q, before, wait, timeout_s, e);
}

int
policy_push_edits(struct cli *c, struct policy_place *p, edit_msg **ops,
    size_t n, bool wait, unsigned timeout_s, struct err *e)
{
	update_req q = OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	AUTO_MSG status_resp *now = NULL;
	enum rpc_code code;

	if (get_status(p, 0, &now, &code, e) < 0)
		return -1;
	q.merge_operations = ops;
	q.n_merge_operations = n;
	return push(c, p, &q,
	    now->revision != NULL ? now->revision->version : 0, wait, timeout_s,
	    e);
}

/* --- global --- */

static void
drop(void *field)
{
	ProtobufCMessage **m = field;

	if (*m != NULL)
		protobuf_c_message_free_unpacked(*m, NULL);
	*m = NULL;
}

/* What the file does not say is each sandbox's own. */
static void
leave_to_sandboxes(struct policy_upload *u)
{
	if (u->no_filesystem)
		drop(&u->m->filesystem);
	if (u->no_landlock)
		drop(&u->m->landlock);
	if (u->no_process)
		drop(&u->m->process);
}

int
policy_push_global(struct cli *c, struct policy_place *p,
    struct policy_upload *u, struct err *e)
{
	update_req q = OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	AUTO_MSG update_resp *r = NULL;

	leave_to_sandboxes(u);
	q.policy = u->m;
	if (update(p, &q, &r, e) < 0)
		return err_wrap(e, "the global policy was not set");
	tell_warnings(c, r);
	tell(c, MARK_OK,
	    "Global policy configured (hash: %.12s, settings revision: %llu)",
	    r->policy_hash, (unsigned long long)r->settings_revision);
	return CLI_OK;
}

int
policy_delete_global(struct cli *c, struct policy_place *p, struct err *e)
{
	update_req q = OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	AUTO_MSG update_resp *r = NULL;
	AUTO_FREE char *key = mem_strdup("policy");
	AUTO_BUF struct buf b = BUF_INIT(256);

	q.setting_key = key;
	q.delete_setting = true;
	if (update(p, &q, &r, e) < 0)
		return err_wrap(e, "the global policy was not deleted");
	put_mark(&b, c, c->color_out, r->deleted ? MARK_OK : MARK_WARN);
	if (r->deleted)
		buf_printf(&b,
		    "Deleted global setting policy (revision %llu)\n",
		    (unsigned long long)r->settings_revision);
	else
		buf_puts(&b, "Global setting policy not found\n");
	return cli_out(c, &b, e);
}
