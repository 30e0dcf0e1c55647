/* openshell logs [NAME] */
#include <signal.h>
#include <stdlib.h>
#include <strings.h>

#include "audit/ocsf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/reach.h"
#include "cli/records.h"
#include "codec/json.h"

typedef Openshell__V1__SandboxLogLine line_msg;

struct args {
	const char *name, *file;
	unsigned lines, since_s, output;
	const char *level;
	struct cli_list sources;
	bool follow, denied;
};

enum { LINES = 200, OUT_TEXT = 0, OUT_JSON, OUT_OCSF, OUT_SHORT };

static const char *const outputs[] = { "text", "json", "ocsf", "short", NULL };
static const char *const levels[] = { "ERROR", "WARN", "INFO", "DEBUG",
	"TRACE" };

static const struct cli_opt opts[] = { { .name = "lines",
					   .letter = 'n',
					   .kind = OPT_UINT,
					   OPT(lines),
					   .min = 1,
					   .max = 2000,
					   .value = "N",
					   .help =
					       "Show the last N lines (200)" },
	{ .name = "follow",
	    .letter = 'f',
	    .kind = OPT_FLAG,
	    OPT(follow),
	    .help = "Go on as new lines come, until interrupted" },
	{ .name = "tail",
	    .kind = OPT_FLAG,
	    OPT(follow),
	    .help = "The same as --follow" },
	{ .name = "since",
	    .kind = OPT_DURATION,
	    OPT(since_s),
	    .set = 1,
	    .value = "DURATION",
	    .help = "Only of this last time (30s, 5m, 1h30m)" },
	{ .name = "source",
	    .kind = OPT_LIST,
	    OPT(sources),
	    .value = "SOURCE",
	    .help = "gateway, sandbox or all" },
	{ .name = "level",
	    .kind = OPT_STR,
	    OPT(level),
	    .value = "LEVEL",
	    .help = "error, warn, info, debug or trace, and what is more "
		    "severe" },
	{ .name = "denied",
	    .kind = OPT_FLAG,
	    OPT(denied),
	    .help = "Only what was denied" },
	{ .name = "output",
	    .letter = 'o',
	    .kind = OPT_ENUM,
	    OPT(output),
	    .value = "FORMAT",
	    .choices = outputs,
	    .help = "text, a JSON object a line, an OCSF 1.7.0 event a line, "
		    "or its short form" },
	{ .name = "format",
	    .kind = OPT_ENUM,
	    OPT(output),
	    .value = "FORMAT",
	    .choices = outputs,
	    .help = "The same as --output" },
	RECORDS_FILE_OPT(file), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(name), { 0 } };

/* --- one line ------------------------------------------------------------ */

static int
by_key(const void *a, const void *b)
{
	const Openshell__V1__SandboxLogLine__FieldsEntry
	    *x = *(Openshell__V1__SandboxLogLine__FieldsEntry *const *)a,
	    *y = *(Openshell__V1__SandboxLogLine__FieldsEntry *const *)b;

	return strcmp(x->key, y->key);
}

static const char *
field(const line_msg *l, const char *key)
{
	for (size_t i = 0; i < l->n_fields; i++)
		if (strcmp(l->fields[i]->key, key) == 0)
			return l->fields[i]->value;
	return NULL;
}

static enum cli_color
color_of(const char *level)
{
	if (strcasecmp(level, "ERROR") == 0)
		return COLOR_BAD;
	return strcasecmp(level, "WARN") == 0 ? COLOR_WARN : COLOR_LABEL;
}

/* Every byte of a line may be a sandbox's: the level and source too. */
static void
put_padded(struct buf *b, const char *s, size_t width)
{
	size_t from = b->n;

	buf_put_escaped(b, view_slice(view_of(s), 0, 40));
	while (!b->full && b->n - from < width)
		buf_putc(b, ' ');
}

static void
put_level(struct cli *c, const char *level, struct buf *b)
{
	AUTO_BUF struct buf text = BUF_INIT(256);

	put_padded(&text, level, 5);
	cli_paint(b, c->color_out, color_of(level), buf_str(&text));
}

/* Quoted when it would run into what follows; a quote inside is marked. */
static void
put_value(struct buf *b, struct view v)
{
	bool quoted = v.n == 0 || view_find(v, ' ') >= 0 ||
		      view_find(v, '"') >= 0 || view_find(v, '=') >= 0;

	if (!quoted) {
		buf_put_escaped(b, v);
		return;
	}
	buf_putc(b, '"');
	while (v.n > 0) {
		struct view rest, part = view_cut(v, '"', &rest);

		buf_put_escaped(b, part);
		if (rest.p != NULL)
			buf_puts(b, "\\\"");
		v = rest;
	}
	buf_putc(b, '"');
}

static void
put_text(struct cli *c, const line_msg *l, struct buf *b)
{
	const char *source = l->source[0] != '\0' ? l->source : "gateway";

	buf_printf(b, "[%lld.%03lld] [", (long long)(l->timestamp_ms / 1000),
	    (long long)(l->timestamp_ms % 1000));
	put_padded(b, source, 7);
	buf_puts(b, "] [");
	put_level(c, l->level, b);
	buf_puts(b, "] [");
	buf_put_escaped(b, view_of(l->target));
	buf_puts(b, "] ");
	buf_put_escaped(b, view_of(l->message));
	/* It came from a sandbox: nothing of it may drive a terminal. */
	for (size_t i = 0; i < l->n_fields; i++) {
		buf_putc(b, ' ');
		buf_put_escaped(b, view_of(l->fields[i]->key));
		buf_putc(b, '=');
		put_value(b, view_of(l->fields[i]->value));
	}
	buf_putc(b, '\n');
}

static void
put_json(const line_msg *l, struct buf *b)
{
	struct json j = JSON_INIT(b);
	char when[CLOCK_TEXT_MAX];

	json_open(&j, '{');
	json_key(&j, "time");
	json_str(&j, clock_text(l->timestamp_ms, when));
	json_key(&j, "timestamp_ms");
	json_int(&j, l->timestamp_ms);
	json_key(&j, "source");
	json_str(&j, l->source[0] != '\0' ? l->source : "gateway");
	json_key(&j, "level");
	json_str(&j, l->level);
	json_key(&j, "target");
	json_str(&j, l->target);
	json_key(&j, "message");
	json_str(&j, l->message);
	json_key(&j, "fields");
	json_open(&j, '{');
	for (size_t i = 0; i < l->n_fields; i++) {
		json_key_view(&j, view_of(l->fields[i]->key));
		json_str(&j, l->fields[i]->value);
	}
	json_close(&j, '}');
	json_close(&j, '}');
	buf_putc(b, '\n');
}

/* The record that a line was made of, or what it is without one. */
static void
put_ocsf(const line_msg *l, const char *sandbox, bool shorthand, struct buf *b)
{
	const struct audit_source from = { view_of(l->sandbox_id),
		view_of(sandbox) };
	const struct audit_remark remark = { l->timestamp_ms, l->level,
		l->source[0] != '\0' ? l->source : "gateway", l->target,
		view_of(l->message) };
	struct audit_event ev = { .time_ms = l->timestamp_ms };
	bool record = strcmp(l->source, "sandbox") == 0 &&
		      audit_kind_find(view_of(l->message), &ev.kind);

	for (size_t i = 0; record && i < l->n_fields; i++)
		record = audit_log_take(&ev, view_of(l->fields[i]->key),
		    view_of(l->fields[i]->value));
	if (record && shorthand)
		audit_shorthand(&ev, b);
	else if (record)
		audit_ocsf_json(&ev, &from, b);
	else if (shorthand)
		audit_shorthand_remark(&remark, b);
	else
		audit_ocsf_remark(&remark, &from, b);
}

struct show {
	struct cli *c;
	const struct args *a;
	const char *sandbox; /* its name */
	struct err e; /* of a failed write */
	bool bad, over;
	uv_signal_t intr, term;
	enum rpc_code code;
	char text[512];
	bool closed;
};

static void
show(struct show *s, const line_msg *l)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	const char *action = field(l, "action");

	if (s->bad ||
	    (s->a->denied && (action == NULL || strcmp(action, "deny") != 0)))
		return;
	if (l->n_fields > 0)
		qsort(l->fields, l->n_fields, sizeof(*l->fields), by_key);
	if (s->a->output == OUT_JSON)
		put_json(l, &b);
	else if (s->a->output == OUT_OCSF || s->a->output == OUT_SHORT)
		put_ocsf(l, s->sandbox, s->a->output == OUT_SHORT, &b);
	else
		put_text(s->c, l, &b);
	if (cli_out(s->c, &b, &s->e) < 0)
		s->bad = s->over = true;
}

/* --- asked once ---------------------------------------------------------- */

struct filter {
	int64_t since_ms;
	char **sources;
	size_t n_sources;
	const char *level;
};

static int
find_level(const char *word, const char **out, struct err *e)
{
	*out = "";
	if (word == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcasecmp(levels[i], word) == 0) {
			*out = levels[i];
			return 0;
		}
	return err_set(e, ERR_INVALID,
	    "--level %.60s: possible values: error, warn, info, debug, trace",
	    word);
}

static int
make_filter(const struct args *a, struct filter *f, struct err *e)
{
	bool all = false;

	*f = (struct filter) { 0 };
	if (a->since_s > 0)
		f->since_ms = clock_wall_ms() - (int64_t)a->since_s * 1000;
	for (size_t i = 0; i < a->sources.n; i++) {
		const char *s = a->sources.v[i];

		all |= strcmp(s, "all") == 0;
		if (strcmp(s, "all") != 0 && strcmp(s, "gateway") != 0 &&
		    strcmp(s, "sandbox") != 0)
			return err_set(e, ERR_INVALID,
			    "--source %.60s: possible values: gateway, "
			    "sandbox, all",
			    s);
	}
	if (!all) {
		f->sources = (char **)(uintptr_t)a->sources.v;
		f->n_sources = a->sources.n;
	}
	return find_level(a->level, &f->level, e);
}

static int
once(struct show *s, struct reach *r, char *id, struct filter *f, struct err *e)
{
	Openshell__V1__GetSandboxLogsRequest q =
	    OPENSHELL__V1__GET_SANDBOX_LOGS_REQUEST__INIT;
	Openshell__V1__GetSandboxLogsResponse *l = NULL;
	AUTO_BUF struct buf b = BUF_INIT(256);

	q.sandbox_id = id;
	/* Filters come after the cut: what is asked for is looked for in all.
	 */
	q.lines = s->a->denied || f->since_ms > 0 || f->n_sources > 0 ||
			  f->level[0] != '\0'
		      ? 0
		  : s->a->lines > 0 ? s->a->lines
				    : LINES;
	q.since_ms = f->since_ms;
	q.sources = f->sources;
	q.n_sources = f->n_sources;
	q.min_level = (char *)(uintptr_t)f->level;
	if (reach_call(r, "GetSandboxLogs", &q.base,
		&openshell__v1__get_sandbox_logs_response__descriptor, &l, NULL,
		e) < 0)
		return -1;
	if (s->a->since_s > 0 && l->buffer_total >= 2000) {
		buf_printf(&b,
		    "Warning: log buffer contains only the last %u lines; "
		    "--since results may be incomplete.\n",
		    l->buffer_total);
		cli_note(s->c, &b);
	}
	for (size_t i = 0; i < l->n_logs; i++) {
		size_t keep = s->a->lines > 0 ? s->a->lines : LINES;

		if (q.lines != 0 || s->a->denied || l->n_logs - i <= keep)
			show(s, l->logs[i]);
	}
	openshell__v1__get_sandbox_logs_response__free_unpacked(l, NULL);
	if (s->bad)
		*e = s->e;
	return s->bad ? -1 : 0;
}

/* --- followed ------------------------------------------------------------ */

static void
on_message(void *ctx, const ProtobufCMessage *msg)
{
	const Openshell__V1__SandboxStreamEvent *m = (const void *)msg;
	struct show *s = ctx;
	AUTO_BUF struct buf b = BUF_INIT(4096);

	if (m->payload_case == OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_LOG)
		show(s, m->log);
	if (m->payload_case !=
	    OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_WARNING)
		return;
	buf_puts(&b, "Warning: ");
	buf_put_escaped(&b, view_of(m->warning->message));
	buf_putc(&b, '\n');
	cli_note(s->c, &b);
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct show *s = ctx;

	s->closed = s->over = true;
	s->code = code;
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
}

static void
on_signal(uv_signal_t *h, int signo UNUSED)
{
	struct show *s = h->data;

	s->over = true;
}

static int
follow_end(const struct show *s, struct err *e)
{
	if (s->bad) {
		*e = s->e;
		return -1;
	}
	if (!s->closed || s->code == RPC_OK)
		return 0;
	if (s->code == RPC_CANCELLED)
		return err_set(e, ERR_NOT_FOUND, "the sandbox was deleted");
	return err_set(
	    e, ERR_IO, "%.400s (%s)", s->text, rpc_code_name(s->code));
}

static int
follow(
    struct show *s, struct reach *r, char *id, struct filter *f, struct err *e)
{
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = s
	};
	Openshell__V1__WatchSandboxRequest q =
	    OPENSHELL__V1__WATCH_SANDBOX_REQUEST__INIT;
	struct rpc_out *o;

	q.id = id;
	q.follow_logs = true;
	q.log_tail_lines = s->a->lines > 0 ? s->a->lines : LINES;
	q.log_since_ms = f->since_ms;
	q.log_sources = f->sources;
	q.n_log_sources = f->n_sources;
	q.log_min_level = (char *)(uintptr_t)f->level;
	(void)uv_signal_init(reach_loop(r), &s->intr);
	(void)uv_signal_init(reach_loop(r), &s->term);
	s->intr.data = s->term.data = s;
	if (!cli_signal_ignored(SIGINT))
		(void)uv_signal_start(&s->intr, on_signal, SIGINT);
	if (!cli_signal_ignored(SIGTERM))
		(void)uv_signal_start(&s->term, on_signal, SIGTERM);
	o = rpc_out_new(reach_rpc(r), "/openshell.v1.OpenShell/WatchSandbox",
	    &openshell__v1__sandbox_stream_event__descriptor, &hooks, 0);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	while (!s->over)
		(void)uv_run(reach_loop(r), UV_RUN_ONCE);
	if (!s->closed)
		rpc_out_cancel(o);
	uv_close((uv_handle_t *)&s->intr, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	(void)uv_run(reach_loop(r), UV_RUN_NOWAIT);
	return follow_end(s, e);
}

/* A file has records only, and all of them at once. */
static int
print_file(struct cli *c, const struct args *a, struct err *e)
{
	static const enum records_form forms[] = { [OUT_TEXT] = RECORDS_SHORT,
		[OUT_JSON] = RECORDS_JSON,
		[OUT_OCSF] = RECORDS_OCSF,
		[OUT_SHORT] = RECORDS_SHORT };

	if (a->name != NULL || a->follow || a->since_s > 0 ||
	    a->level != NULL || a->sources.n > 0) {
		(void)err_set(e, ERR_INVALID,
		    "--file goes with --denied, --lines and --output only");
		return cli_misused(c, e);
	}
	return records_print(
	    c, a->file, forms[a->output], a->denied, a->lines, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	struct show s = { .c = c, .a = argp };
	AUTO_REACH struct reach *r = NULL;
	AUTO_FREE char *id = NULL;
	struct filter f;
	const char *name;

	if (s.a->file != NULL)
		return print_file(c, argp, e);
	if (make_filter(argp, &f, e) < 0)
		return cli_misused(c, e);
	if (reach_open(c, &r, e) < 0)
		return -1;
	name = reach_sandbox(c, r, s.a->name, e);
	s.sandbox = name;
	if (name == NULL || (id = reach_sandbox_id(r, name, e)) == NULL)
		return -1;
	return s.a->follow ? follow(&s, r, id, &f, e) : once(&s, r, id, &f, e);
}

const struct cli_cmd cmd_logs = {
	.path = "logs",
	.summary = "Show what a sandbox did and was denied",
	.about = "Shows the records of a sandbox and what its gateway says of "
		 "it. Text from the sandbox is escaped. The gateway keeps the "
		 "last 2,000 lines; the records themselves are stored beside "
		 "the sandbox, and 'openshell logs verify' checks that none "
		 "was altered or taken out.",
	.examples = "openshell logs demo --since 5m\n"
		    "openshell logs demo --denied\n"
		    "openshell logs demo --format ocsf\n"
		    "openshell logs demo -f -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
