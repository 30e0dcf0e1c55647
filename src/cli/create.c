/*
 * create: the order of `sandbox create`.
 *
 * What can be wrong in the user's files and options is found before a gateway
 * is started or a sandbox made.  With --no-keep the sandbox is deleted however
 * this ends: session over, provisioning failed, interrupted.
 */
#include "cli/create.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/later.h"
#include "cli/providers.h"
#include "cli/reach.h"
#include "cli/session.h"
#include "cli/state.h"
#include "cli/transfer.h"

/* --- a gateway ----------------------------------------------------------- */

static int
bootstrap(struct cli *c, struct reach **r, struct err *e)
{
	const struct deploy_options o = {
		.name = c->gateway != NULL ? c->gateway : "openshell"
	};
	struct cli with = *c;

	deploy_say(c, COLOR_HINT, "•", "-",
	    "No gateway found: starting one automatically (openshell status, "
	    "openshell gateway stop).");
	if (deploy_start(c, &o, e) < 0)
		return -1;
	with.gateway = o.name;
	return reach_open(&with, r, e);
}

/*
 * One that is registered and stopped is started again with all it has; one
 * that was mistyped is not made.
 */
static int
reach_or_start(struct cli *c, const struct create_options *o, struct reach **r,
    struct err *e)
{
	AUTO_FREE char *active = state_active();
	const char *name = c->gateway != NULL ? c->gateway : active;
	AUTO_GATEWAY g = { 0 };
	struct deploy_state s;
	struct err why;

	if (reach_open(c, r, e) == 0)
		return 0;
	if (e->code != ERR_NOT_FOUND || o->no_bootstrap || c->endpoint != NULL)
		return -1;
	if (name == NULL)
		return bootstrap(c, r, e);
	if (!state_is_name(name) || deploy_look(name, &s, &why) < 0)
		return -1;
	if (state_gateway_load(name, &g, &why) < 0 &&
	    (c->gateway != NULL && !s.exists && strcmp(name, "openshell") != 0))
		return -1; /* mistyped */
	if (g.is_remote || s.running)
		return -1;
	{
		struct deploy_options d = { .name = name,
			.plaintext = g.endpoint != NULL &&
				     strncmp(g.endpoint, "http:", 5) == 0 };
		AUTO_FREE char *had = NULL;

		if (deploy_had(name, &d, &had, e) < 0 ||
		    deploy_start(c, &d, e) < 0)
			return -1;
	}
	return reach_open(c, r, e);
}

static void
hold_signals(bool on)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* --- a sandbox ----------------------------------------------------------- */

static int
ask(struct reach *r, const Openshell__V1__CreateSandboxRequest *q,
    Openshell__Datamodel__V1__Sandbox **out, struct err *e)
{
	Openshell__V1__SandboxResponse *s = NULL;

	if (reach_call(r, "CreateSandbox", &q->base,
		&openshell__v1__sandbox_response__descriptor, &s, NULL, e) < 0)
		return -1;
	*out = take_ptr(s->sandbox);
	openshell__v1__sandbox_response__free_unpacked(s, NULL);
	return *out != NULL
		   ? 0
		   : err_set(e, ERR_PROTO, "sandbox missing from response");
}

static int
remove_it(struct reach *r, const char *name, bool again, struct err *e)
{
	Openshell__V1__DeleteSandboxRequest q =
	    OPENSHELL__V1__DELETE_SANDBOX_REQUEST__INIT;
	Openshell__V1__DeleteSandboxResponse *d = NULL;
	AUTO_FREE char *copy = mem_strdup(name);
	enum rpc_code code = RPC_OK;

	q.name = copy;
	if (reach_call(r, "DeleteSandbox", &q.base,
		&openshell__v1__delete_sandbox_response__descriptor, &d, &code,
		e) == 0) {
		openshell__v1__delete_sandbox_response__free_unpacked(d, NULL);
		return 0;
	}
	if (code == RPC_NOT_FOUND)
		return 0;
	/* The gateway may have been replaced while the session went on. */
	if (code == RPC_UNAVAILABLE && !again && reach_again(r) != NULL)
		return remove_it(r, name, true, e);
	return err_wrap(e, "sandbox %.100s was not deleted", name);
}

static void
say_created(struct cli *c, const char *name)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	cli_paint(&b, c->color_err, COLOR_HEADING, "Created sandbox:");
	buf_putc(&b, ' ');
	buf_put_escaped(&b, view_of(name));
	buf_putc(&b, '\n');
	cli_note(c, &b);
}

static int
print_name(struct cli *c, const char *name, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	buf_put_escaped(&b, view_of(name));
	buf_putc(&b, '\n');
	return cli_out(c, &b, e);
}

/* "LOCAL:DEST" at its first colon. */
struct sent {
	struct upload *upload; /* NULL: none */
	char *local, *dest;
};

static void
sent_fini(struct sent *s)
{
	upload_free(s->upload);
	free(s->local);
	free(s->dest);
}
#define AUTO_SENT CLEANUP(sent_fini)

/* Before anything is made: a path that is not there leaves no sandbox. */
static int
open_upload(struct cli *c, const struct create_options *o, struct sent *s,
    struct err *e)
{
	struct view local, dest;

	if (o->upload == NULL)
		return 0;
	local = view_cut(view_of(o->upload), ':', &dest);
	s->local = view_dup(local);
	s->dest = dest.n > 0 ? view_dup(dest) : mem_strdup(UPLOAD_DEST);
	return upload_open(c, s->local, o->no_git_ignore, &s->upload, e);
}

static int
send_upload(struct cli *c, const struct sent *s, struct reach *r,
    const Openshell__Datamodel__V1__Sandbox *box, struct err *e)
{
	int rc;

	if (s->upload == NULL)
		return 0;
	deploy_say(
	    c, COLOR_HINT, "•", "-", "Uploading files to %.300s...", s->dest);
	rc = upload_send(
	    c, s->upload, reach_rpc(r), box->name, box->id, s->dest, e);
	if (rc == 0)
		deploy_say(c, COLOR_OK, "✓", "*", "Files uploaded");
	return rc;
}

static int
session(struct cli *c, const struct create_options *o, struct reach *r,
    const Openshell__Datamodel__V1__Sandbox *s, struct err *e)
{
	struct attach_options a = {
		.sandbox = s->name, .command = o->command, .tty = o->tty
	};

	if (o->detach)
		return print_name(c, s->name, e);
	return session_attach(c, reach_rpc(r), s->id, &a, e);
}

/* *ran: it was ready and the session began. */
static int
wait_and_run(struct cli *c, const struct create_options *o,
    const struct sent *sent, struct reach *r,
    const Openshell__Datamodel__V1__Sandbox *s, bool *ran, struct err *e)
{
	int rc;

	say_created(c, s->name);
	rc = create_wait(c, r, s, e);
	if (rc == 0)
		rc = send_upload(c, sent, r, s, e);
	*ran = rc == 0;
	return rc != 0 ? rc : session(c, o, r, s, e);
}

static int
make(struct cli *c, const struct create_options *o, const struct sent *sent,
    struct reach *r, const Openshell__V1__CreateSandboxRequest *q,
    struct err *e)
{
	Openshell__Datamodel__V1__Sandbox *s = NULL;
	bool ran = false;
	struct err why;
	int status;

	/* What is asked for and not yet known cannot be deleted: a signal
	 * waits until the answer is here. */
	hold_signals(true);
	status = ask(r, q, &s, e);
	if (status < 0) {
		hold_signals(false);
		return -1;
	}
	if (!o->no_keep)
		reach_remember(r, s->name);
	status = wait_and_run(c, o, sent, r, s, &ran, e);
	if (o->no_keep && remove_it(r, s->name, false, &why) < 0) {
		if (status >= 0) {
			*e = why;
			status = -1;
		} else
			deploy_say(c, COLOR_WARN, "!", "!", "%s", why.text);
	} else if (!o->no_keep && (status < 0 || !ran))
		deploy_say(c, COLOR_WARN, "!", "!",
		    "sandbox %s stays: openshell sandbox get %s; openshell "
		    "sandbox delete %s",
		    s->name, s->name, s->name);
	openshell__datamodel__v1__sandbox__free_unpacked(s, NULL);
	return status;
}

static int
check_options(struct cli *c, const struct create_options *o)
{
	const char *why = NULL;
	struct err e;

	if (o->keep && o->no_keep)
		why = "--keep and --no-keep cannot be used together";
	else if (o->detach && o->no_keep)
		why = "--detach and --no-keep cannot be used together";
	else if (o->detach && o->command.n > 0)
		why = "--detach runs nothing: leave out the command";
	else if (o->no_git_ignore && o->upload == NULL)
		why = "--no-git-ignore requires --upload";
	if (why == NULL)
		return CLI_OK;
	(void)err_set(&e, ERR_INVALID, "%s", why);
	return cli_misused(c, &e);
}

static int
refuse_later(const struct create_options *o, struct err *e)
{
	if (o->editor != NULL)
		return later_ssh("--editor", e);
	if (o->forward != NULL)
		return later_ssh("--forward", e);
	if (o->remote != NULL || o->key != NULL)
		return later_remote("started", e);
	return 0;
}

int
create_sandbox(struct cli *c, const struct create_options *o, struct err *e)
{
	Openshell__V1__CreateSandboxRequest *q = NULL;
	AUTO_REACH struct reach *r = NULL;
	AUTO_SENT struct sent sent = { 0 };
	int rc;

	rc = check_options(c, o);
	if (rc != CLI_OK)
		return rc;
	if (refuse_later(o, e) < 0 || open_upload(c, o, &sent, e) < 0)
		return -1;
	rc = create_request(c, o, &q, e);
	if (rc != 0)
		return rc < 0 ? -1 : CLI_FAILED;
	rc = reach_or_start(c, o, &r, e);
	if (rc == 0)
		rc = provider_ensure(c, r, &o->providers,
		    o->command.n > 0 ? o->command.v[0] : NULL,
		    o->auto_providers, &q->spec->providers,
		    &q->spec->n_providers, e);
	if (rc == 0)
		rc = make(c, o, &sent, r, q, e);
	openshell__v1__create_sandbox_request__free_unpacked(q, NULL);
	return rc;
}
