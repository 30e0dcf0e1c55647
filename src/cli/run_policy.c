/*
 * run_policy: the policy file of a run, read at the start and again with
 * every change, which the sandbox takes while the command runs.
 */
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/run_impl.h"
#include "cli/watch.h"
#include "policy/middleware.h"

static void
report_findings(struct run *r, const struct policy_findings *f)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	policy_findings_print(f, r->o->policy, &b);
	run_say(r, &b);
}

/* Of what it names, all is there. */
static int
parse(struct run *r, struct view text, struct policy **out,
    struct policy_findings *found)
{
	AUTO_POLICY struct policy *p = NULL;

	if (policy_parse(text, &p, found) < 0 ||
	    policy_check_services(p, r->services.names, r->services.n, found) <
		0)
		return -1;
	*out = take_ptr(p);
	return 0;
}

/* --- the first one --- */

int
run_policy_read(struct run *r, char **text, size_t *n, struct err *e)
{
	struct err why;

	if (r->o->policy == NULL) {
		AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);

		r->policy = policy_default();
		policy_canonical(r->policy, &yaml);
		(void)buf_str(&yaml);
		*n = yaml.n;
		*text = take_ptr(yaml.p);
		return 0;
	}
	if (policy_file_open(r->o->policy, &r->file, e) < 0)
		return -1;
	/* Before the file is read: no edit falls between. */
	if (watch_open(r->file.dirfd, &r->watch_fd, &why) < 0) {
		run_say_lines(r, COLOR_WARN,
		    "! policy edits are not followed:", view_of(why.text));
		r->watch_fd = -1;
	}
	if (policy_file_read(&r->file, text, n, e) < 0)
		return -1;
	r->dev = r->file.dev;
	r->ino = r->file.ino;
	return 0;
}

int
run_policy_check(struct run *r, struct view text, struct err *e)
{
	AUTO_FINDINGS struct policy_findings found = { 0 };

	if (r->policy != NULL)
		return 0; /* the default */
	if (parse(r, text, &r->policy, &found) < 0) {
		report_findings(r, &found);
		return policy_refuse(r->o->policy, e);
	}
	if (!r->o->quiet)
		report_findings(r, &found);
	r->pinned =
	    r->paths.policy != NULL &&
	    run_paths_writable(r->o, &r->paths, r->policy, r->paths.policy);
	return 0;
}

/* --- the next ones --- */

static void
say_kept(struct run *r, const char *why)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	buf_printf(&b, "policy not applied: %s; revision %llu stays in force",
	    why, (unsigned long long)r->rec.revision);
	run_say_lines(r, COLOR_WARN, "!", buf_view(&b));
}

/* The supervisor never saw it, so the record is ours; `f` may be NULL. */
static void
keep_policy(struct run *r, const char *why, const struct policy_findings *f)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 16);
	struct audit_event ev = { .kind = AUDIT_POLICY,
		.action = AUDIT_DENY,
		.stage = VIEW("policy") };

	say_kept(r, why);
	buf_puts(&text, why);
	if (f != NULL) {
		buf_puts(&text, "\n");
		policy_findings_print(f, "policy", &text);
	}
	ev.reason = buf_view(&text);
	run_record_own(r, &ev);
}

void
run_policy_status(struct run *r, const struct session_policy_status *s)
{
	AUTO_BUF struct buf b = BUF_INIT(128);

	if (!s->loaded) {
		run_say_error(r, view_of(s->text));
		say_kept(r, "the supervisor refused it");
		r->hash[0] = '\0'; /* saving it again tries again */
		return;
	}
	r->rec.revision = s->revision;
	if (s->revision <= 1 || r->o->quiet)
		return;
	buf_printf(&b, "policy revision %llu in force",
	    (unsigned long long)s->revision);
	run_say_lines(r, COLOR_OK, r->c->utf8 ? "✓" : "*", buf_view(&b));
}

static int
send_policy(struct run *r, struct view text, const char *hash, struct err *e)
{
	union session_msg m = { .policy = { .revision = r->revision + 1 } };
	AUTO_CLOSE int fd = -1;

	(void)snprintf(m.policy.hash, sizeof(m.policy.hash), "%s", hash);
	if (memfd_seal(text, &fd, e) < 0)
		return -1;
	r->revision++;
	run_send(r, &m, SESSION_POLICY, &fd, 1);
	return 0;
}

void
run_policy_reload(struct run *r)
{
	AUTO_FREE char *text = NULL;
	AUTO_POLICY struct policy *next = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	struct err e;
	char hash[65];
	size_t n;

	if (policy_file_read(&r->file, &text, &n, &e) < 0) {
		/* Being written: the end of that write is an event too. */
		if (e.code == ERR_AGAIN)
			return;
		run_say_error(r, view_of(e.text));
		keep_policy(r, "it cannot be read", NULL);
		return;
	}
	/*
	 * Attack: a program in the sandbox puts a policy of its own in place
	 * of this one.  The file itself is read-only inside.
	 */
	if (r->pinned && (r->file.dev != r->dev || r->file.ino != r->ino)) {
		keep_policy(r,
		    "the file was replaced, in a directory where "
		    "the sandbox can write; edit it in place or "
		    "keep it elsewhere",
		    NULL);
		return;
	}
	if (parse(r, (struct view) { text, n }, &next, &found) < 0) {
		report_findings(r, &found);
		keep_policy(r, "it has errors", &found);
		return;
	}
	if (!r->hashed) {
		policy_hash(r->policy, r->hash);
		r->hashed = true;
	}
	policy_hash(next, hash);
	if (strcmp(hash, r->hash) == 0)
		return;
	if (policy_static_check(r->policy, next, &found) < 0) {
		report_findings(r, &found);
		keep_policy(r, "this needs a new run", &found);
		return;
	}
	if (send_policy(r, (struct view) { text, n }, hash, &e) < 0) {
		run_say_error(r, view_of(e.text));
		return;
	}
	if (!r->o->quiet)
		report_findings(r, &found);
	policy_free(r->policy);
	r->policy = take_ptr(next);
	memcpy(r->hash, hash, sizeof(hash));
}

static void
on_watch(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct run *r = h->data;

	if (!watch_changed(r->watch_fd, r->file.dirfd, r->file.base))
		return;
	if (r->phase == RUN_STARTING)
		r->changed_early = true;
	else if (r->phase == RUN_RUNNING)
		run_policy_reload(r);
}

int
run_policy_watch(struct run *r, struct err *e)
{
	int rc;

	if (r->watch_fd < 0)
		return 0;
	rc = uv_poll_init(&r->loop, &r->watch_poll, r->watch_fd);
	if (rc != 0)
		return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
	r->watch_on = true;
	r->watch_poll.data = r;
	(void)uv_poll_start(&r->watch_poll, UV_READABLE, on_watch);
	return 0;
}

void
run_policy_unwatch(struct run *r)
{
	if (r->watch_on)
		uv_close((uv_handle_t *)&r->watch_poll, NULL);
	r->watch_on = false;
}

void
run_policy_fini(struct run *r)
{
	fd_close(&r->watch_fd);
	policy_file_close(&r->file);
	policy_free(r->policy);
}
