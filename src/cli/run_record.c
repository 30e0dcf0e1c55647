/* run_record: the events of a run, its denials in words and its report. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/run.h"
#include "codec/json.h"
#include "codec/utf8.h"

enum {
	REASON_SHOWN = 240,
	PATH_SHOWN = 160,
	REPORT_MAX = 64 << 20,
	TAIL_MAX = 4 * AUDIT_LINE_MAX,
	SEALED_MAX = 1 << 23 /* the lines of one message */
};

void
run_record_fini(struct run_record *r)
{
	fd_close(&r->events);
	fd_close(&r->report);
	audit_summary_free(r->sum);
	r->sum = NULL;
}

/*
 * O_NOFOLLOW and a regular file: an earlier run may have left a link in a
 * directory that a sandbox could write.
 */
static int
open_file(
    const char *option, const char *path, int flags, int *fd, struct err *e)
{
	AUTO_CLOSE int opened = open(path,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
		flags,
	    0600);
	struct stat st;

	if (opened < 0 && errno == ELOOP)
		return err_set(e, ERR_INVALID,
		    "%s %s is a symbolic link\n"
		    "name the file itself",
		    option, path);
	if (opened < 0)
		return err_sys(e, "open %s %s", option, path);
	if (fstat(opened, &st) < 0)
		return err_sys(e, "open %s %s", option, path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s %s is not a regular file",
		    option, path);
	*fd = take_fd(opened);
	return 0;
}

static int
read_tail(int fd, char **text, struct view *out, struct err *e)
{
	struct stat st;
	size_t n, got = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "read --events");
	n = (size_t)MIN(st.st_size, (off_t)TAIL_MAX);
	*text = mem_calloc(1, n + 1);
	while (got < n) {
		ssize_t r = pread(
		    fd, *text + got, n - got, st.st_size - (off_t)(n - got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_sys(e, "read --events");
		got += (size_t)r;
	}
	*out = (struct view) { *text, n };
	return 0;
}

/*
 * The chain of this run begins where the one of the last run in that file
 * ended, so that a run that is taken out of it shows.
 */
static int
begin_chain(struct run_record *r, struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_LINE_MAX + 2);
	AUTO_FREE char *text = NULL;
	struct audit_begin b = { .time_ms = r->started_ms, .anew = true };
	struct view tail;

	/* Two chains in one file at a time would break both. */
	if (flock(r->events, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK)
		return err_sys(e, "lock --events %s", r->events_path);
	if (flock(r->events, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_INVALID,
		    "--events %s: another run writes there\n"
		    "give each its own file",
		    r->events_path);
	audit_head_init(&r->head);
	if (read_tail(r->events, &text, &tail, e) < 0)
		return -1;
	/* Without a record in it, it begins from nothing; verify says so. */
	if (audit_chain_resume(tail, &r->head, &b.torn) < 0)
		b.torn = VIEW("");
	audit_chain_begin(&r->head, &b, &line);
	return fd_write_all(r->events, line.p, line.n, e);
}

int
run_record_open(
    const struct run_options *o, struct run_record *r, struct err *e)
{
	*r = (struct run_record) { .events = -1,
		.report = -1,
		.events_path = o->events,
		.report_path = o->report,
		.started_ms = clock_wall_ms(),
		.started_mono = clock_mono_ms(),
		.revision = 1 };
	r->sum = audit_summary_new();
	if (o->events != NULL &&
	    open_file("--events", o->events, O_APPEND, &r->events, e) < 0)
		return -1;
	if (o->events != NULL && begin_chain(r, e) < 0) {
		fd_close(&r->events); /* another's: not a byte of ours in it */
		return -1;
	}
	if (o->report != NULL &&
	    open_file("--report", o->report, 0, &r->report, e) < 0)
		return -1;
	return 0;
}

static void
on_record(void *ctx, const struct audit_event *ev)
{
	struct run_record *r = ctx;

	audit_summary_add(r->sum, ev);
	r->told_end |= ev->kind == AUDIT_SANDBOX_STOPPED ||
		       ev->kind == AUDIT_SANDBOX_FAILED;
}

int
run_record_events(struct run_record *r, struct view lines, struct err *e)
{
	AUTO_BUF struct buf sealed = BUF_INIT(SEALED_MAX);

	audit_chain_lines(
	    &r->head, lines, clock_wall_ms(), &sealed, on_record, r);
	if (r->events < 0)
		return 0;
	if (sealed.full)
		return err_set(e, ERR_LIMIT, "too many records at once");
	if (fd_write_all(r->events, sealed.p, sealed.n, e) < 0)
		return err_wrap(e, "write events to %s", r->events_path);
	return 0;
}

int
run_record_event(struct run_record *r, struct audit_event *ev, struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_JSON_MAX);

	ev->time_ms = clock_wall_ms();
	audit_event_json(ev, &line);
	return run_record_events(r, buf_view(&line), e);
}

static void
put_where(struct buf *out, const struct audit_summary_row *row)
{
	bool v6 = view_find(row->host, ':') >= 0;

	if (row->method.n > 0) {
		buf_put_escaped(out, row->method);
		buf_putc(out, ' ');
	}
	buf_puts(out, v6 ? "[" : "");
	buf_put_escaped(out, row->host);
	buf_puts(out, v6 ? "]" : "");
	if (row->port > 0)
		buf_printf(out, ":%u", row->port);
	buf_put_escaped(out, utf8_clip(row->path, PATH_SHOWN));
	if (row->path.n > PATH_SHOWN)
		buf_puts(out, "...");
}

void
run_record_denials(const struct run_record *r, struct buf *out)
{
	const struct audit_summary_row *rows;
	size_t n = audit_summary_rows(r->sum, &rows);
	uint64_t others = audit_summary_others(r->sum);

	for (size_t i = 0; i < n; i++) {
		bool named =
		    rows[i].policy.n > 0 && !view_eq(rows[i].policy, VIEW("-"));

		buf_printf(
		    out, "denied %llux ", (unsigned long long)rows[i].count);
		buf_put_escaped(
		    out, rows[i].binary.n > 0 ? rows[i].binary : VIEW("-"));
		if (rows[i].host.n > 0) {
			buf_puts(out, " -> ");
			put_where(out, &rows[i]);
		}
		buf_puts(out, " (");
		if (named) {
			buf_puts(out, "policy ");
			buf_put_escaped(out, rows[i].policy);
			buf_puts(out, rows[i].reason.n > 0 ? ": " : "");
		}
		buf_put_escaped(out, utf8_clip(rows[i].reason, REASON_SHOWN));
		buf_puts(out, rows[i].reason.n > REASON_SHOWN ? "...)" : ")");
		if (rows[i].event_id > 0)
			buf_printf(out, " [event %llu]",
			    (unsigned long long)rows[i].event_id);
		buf_putc(out, '\n');
	}
	if (others > 0)
		buf_printf(out, "denied %llux more, of other kinds\n",
		    (unsigned long long)others);
}

static void
put_denials(struct json *j, const struct audit_summary *sum)
{
	const struct audit_summary_row *rows;
	size_t n = audit_summary_rows(sum, &rows);
	char when[CLOCK_TEXT_MAX];

	json_key(j, "denials");
	json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		const struct {
			const char *key;
			struct view v;
		} texts[] = {
			{ "binary", rows[i].binary },
			{ "host", rows[i].host },
			{ "method", rows[i].method },
			{ "path", rows[i].path },
			{ "policy", rows[i].policy },
			{ "reason", rows[i].reason },
			{ "suggestion", rows[i].suggestion },
		};

		json_open(j, '{');
		json_key(j, "count");
		json_uint(j, rows[i].count);
		json_key(j, "event_id");
		json_uint(j, rows[i].event_id);
		for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
			if (texts[t].v.n == 0)
				continue;
			json_key(j, texts[t].key);
			json_view(j, texts[t].v);
		}
		json_key(j, "port");
		json_uint(j, rows[i].port);
		json_key(j, "first");
		json_str(j, clock_text(rows[i].first_ms, when));
		json_key(j, "last");
		json_str(j, clock_text(rows[i].last_ms, when));
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "other_denials");
	json_uint(j, audit_summary_others(sum));
}

static void
put_protections(struct json *j, const struct session_state *s)
{
	struct view rest = view_of(s->missing);

	json_key(j, "protections");
	json_open(j, '{');
	json_key(j, "rootless");
	json_bool(j, s->rootless != 0);
	json_key(j, "landlock_abi");
	json_uint(j, s->landlock_abi);
	json_key(j, "seccomp");
	json_bool(j, s->seccomp != 0);
	json_key(j, "capture");
	json_bool(j, s->capture != 0);
	json_key(j, "cgroup");
	json_str(j, s->cgroup);
	json_key(j, "limits");
	json_str(j, s->limits);
	json_key(j, "missing");
	json_open(j, '[');
	while (rest.n > 0)
		json_view(j, view_cut(rest, '\n', &rest));
	json_close(j, ']');
	json_close(j, '}');
}

static void
put_policy(struct json *j, const struct run_record *r,
    const struct run_options *o, const struct policy *policy)
{
	char hash[65];

	policy_hash(policy, hash);
	json_key(j, "policy");
	json_open(j, '{');
	json_key(j, "file");
	json_str(j, o->policy);
	json_key(j, "hash");
	json_str(j, hash);
	json_key(j, "revision");
	json_uint(j, r->revision);
	json_key(j, "policies");
	json_uint(j, policy_network_count(policy));
	json_close(j, '}');
}

static void
put_result(struct json *j, const struct run_result *result)
{
	json_key(j, "exit");
	json_open(j, '{');
	json_key(j, "status");
	json_int(j, result->status);
	json_key(j, "kind");
	json_str(j, result->kind);
	if (strcmp(result->kind, "signal") == 0) {
		json_key(j, "signal");
		json_int(j, result->detail);
	}
	if (result->text[0] != '\0') {
		json_key(j, "text");
		json_str(j, result->text);
	}
	json_close(j, '}');
}

static void
put_counts(struct json *j, const struct audit_summary *sum)
{
	static const enum audit_action actions[] = { AUDIT_ALLOW, AUDIT_DENY,
		AUDIT_AUDIT, AUDIT_INFO };

	json_key(j, "counts");
	json_open(j, '{');
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		json_key(j, audit_action_name(actions[i]));
		json_uint(j, audit_summary_total(sum, actions[i]));
	}
	json_close(j, '}');
}

/* Kept apart from the records, this tells a chain that was cut or made anew. */
static void
put_head(struct json *j, const struct run_record *r)
{
	json_key(j, "records");
	if (r->events < 0) {
		json_none(j);
		return;
	}
	json_open(j, '{');
	json_key(j, "count");
	json_uint(j, r->head.seq);
	json_key(j, "hash");
	json_str(j, r->head.hash);
	json_close(j, '}');
}

int
run_record_report(struct run_record *r, const struct run_options *o,
    const struct policy *policy, const struct run_result *result, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(REPORT_MAX);
	struct json j = JSON_INIT(&out);
	char when[CLOCK_TEXT_MAX];

	if (r->report < 0)
		return 0;
	json_open(&j, '{');
	json_key(&j, "sandbox");
	json_str(&j, r->isolated ? r->state.id : NULL);
	json_key(&j, "command");
	json_open(&j, '[');
	for (size_t i = 0; i < o->command.n; i++)
		json_str(&j, o->command.v[i]);
	json_close(&j, ']');
	json_key(&j, "started");
	json_str(&j, clock_text(r->started_ms, when));
	json_key(&j, "duration_ms");
	json_uint(&j, clock_mono_ms() - r->started_mono);
	put_result(&j, result);
	put_policy(&j, r, o, policy);
	if (r->isolated)
		put_protections(&j, &r->state);
	put_head(&j, r);
	put_counts(&j, r->sum);
	put_denials(&j, r->sum);
	json_close(&j, '}');
	buf_putc(&out, '\n');
	if (out.full)
		return err_set(e, ERR_LIMIT, "the report is too large");
	if (ftruncate(r->report, 0) < 0)
		return err_sys(e, "write report to %s", r->report_path);
	if (fd_write_all(r->report, out.p, out.n, e) < 0)
		return err_wrap(e, "write report to %s", r->report_path);
	return 0;
}
