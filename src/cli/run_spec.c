/* run_spec: options and surroundings, as the supervisor is told them. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/run.h"

void
run_paths_fini(struct run_paths *p)
{
	free(p->cwd);
	free(p->workdir);
	free(p->policy);
	free(p->events);
	free(p->report);
}

static int
real(const char *what, const char *path, char **out, struct err *e)
{
	*out = realpath(path, NULL);
	if (*out == NULL)
		return err_sys(e, "%s %s", what, path);
	return 0;
}

int
run_paths_find(const struct run_options *o, struct run_paths *p, struct err *e)
{
	struct stat st;

	if (real("the work directory", o->workdir != NULL ? o->workdir : ".",
		&p->workdir, e) < 0)
		return -1;
	if (stat(p->workdir, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "--workdir %s is not a directory", o->workdir);
	p->cwd = mem_strdup(p->workdir);
	if (o->policy != NULL && real("policy", o->policy, &p->policy, e) < 0)
		return -1;
	if (o->events != NULL && real("--events", o->events, &p->events, e) < 0)
		return -1;
	if (o->report != NULL && real("--report", o->report, &p->report, e) < 0)
		return -1;
	return 0;
}

/* Is `path` the directory `dir` or below it? */
static bool
below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (n == 1)
		return true;
	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

bool
run_paths_writable(const struct run_options *o, const struct run_paths *p,
    const struct policy *policy, const char *path)
{
	struct policy_fs fs = { 0 };

	/* What the policy calls writable is private; these two are not. */
	policy_filesystem(policy, &fs);
	if (fs.include_workdir && below(path, p->workdir))
		return true;
	for (size_t i = 0; i < o->rw.n; i++) {
		AUTO_FREE char *dir = realpath(o->rw.v[i], NULL);

		if (dir != NULL && below(path, dir))
			return true;
	}
	return false;
}

static int
add_binds(struct blob *b, const char *key, const char *option,
    const struct cli_list *paths, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++) {
		AUTO_FREE char *at = NULL;

		if (real(option, paths->v[i], &at, e) < 0)
			return -1;
		blob_add(b, key, at);
	}
	return 0;
}

/* Homes to keep out: what HOME says and what the system says. */
static void
add_homes(struct blob *b)
{
	const char *home = getenv("HOME");
	const char *config = getenv("XDG_CONFIG_HOME");
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw = NULL;

	if (home != NULL && home[0] == '/') {
		AUTO_FREE char *state = mem_printf("%s/.openshell", home);
		AUTO_FREE char *conf = mem_printf("%s/.config/openshell", home);

		blob_add(b, "home", home);
		blob_add(b, "state", state);
		blob_add(b, "state", conf);
	}
	if (config != NULL && config[0] == '/') {
		AUTO_FREE char *conf = mem_printf("%s/openshell", config);

		blob_add(b, "state", conf);
	}
	/* Not getpwuid: a static program must not load name services. */
	while (f != NULL && (pw = fgetpwent(f)) != NULL)
		if (pw->pw_uid == getuid())
			break;
	if (pw != NULL && pw->pw_dir[0] == '/' &&
	    (home == NULL || strcmp(home, pw->pw_dir) != 0))
		blob_add(b, "home", pw->pw_dir);
	if (f != NULL)
		(void)fclose(f);
}

/* Roots the user's own programs trust, the proxy trusts too. */
static int
add_trust(struct blob *b, const struct run_options *o, struct err *e)
{
	const char *file = o->trust;
	AUTO_FREE char *at = NULL;

	if (file == NULL) {
		file = getenv("SSL_CERT_FILE");
		if (file == NULL || *file == '\0' || access(file, R_OK) < 0)
			return 0;
	}
	if (real("--trust", file, &at, e) < 0)
		return -1;
	if (access(at, R_OK) < 0)
		return err_sys(e, "--trust %s", file);
	blob_add(b, "trust", at);
	return 0;
}

/* What a sandbox could see of it is refused there. */
static int
add_login_file(struct blob *b, const struct run_options *o, struct err *e)
{
	AUTO_FREE char *at = NULL;

	if (o->egress.auth_file == NULL)
		return 0;
	if (real("--upstream-proxy-auth-file", o->egress.auth_file, &at, e) < 0)
		return -1;
	blob_add(b, "secret", at);
	return 0;
}

int
run_egress_seal(const struct run_options *o, int *fd, struct err *e)
{
	AUTO_BUF struct buf said = BUF_INIT(EGRESS_TEXT_MAX);
	AUTO_BUF struct buf text = BUF_INIT(EGRESS_TEXT_MAX);
	struct egress_options with = o->egress;
	AUTO_FREE char *at = NULL;
	int rc;

	if (with.auth_file != NULL &&
	    real("--upstream-proxy-auth-file", with.auth_file, &at, e) < 0)
		return -1;
	with.auth_file = at;
	buf_puts(&said, EGRESS_THIS_HOST);
	rc = egress_write(&with, &said, e);
	if (rc == 0)
		rc = egress_complete(buf_view(&said), &text, e);
	if (rc == 0)
		rc = memfd_seal(buf_view(&text), fd, e);
	egress_wipe(&text);
	return rc;
}

/* Files of ours: where the sandbox can write it may only read them. */
static void
add_own_files(struct blob *b, const struct run_paths *p)
{
	const char *const own[] = { p->policy, p->events, p->report };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i] != NULL)
			blob_add(b, "own", own[i]);
}

/* What runs when no command is named. */
static const char *
shell(void)
{
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

int
run_spec_blob(const struct run_options *o, const struct run_paths *p,
    const struct services *services, int *fd, struct err *e)
{
	struct blob *b = blob_new();
	const char *path = getenv("PATH");
	int rc = -1;

	blob_add(b, "workdir", p->workdir);
	if (o->workdir != NULL)
		blob_add(b, "workdir_explicit", "1");
	if (path != NULL)
		blob_add(b, "path", path);
	add_homes(b);
	blob_add(b, "command0", o->command.n > 0 ? o->command.v[0] : shell());
	if (add_binds(b, "ro", "--ro", &o->ro, e) == 0 &&
	    add_binds(b, "rw", "--rw", &o->rw, e) == 0 &&
	    add_trust(b, o, e) == 0 && add_login_file(b, o, e) == 0) {
		add_own_files(b, p);
		for (size_t i = 0; i < services->n; i++)
			if (services->v[i].key != NULL)
				blob_add(b, "secret", services->v[i].key);
		rc = blob_seal(b, fd, e);
	}
	blob_free(b);
	return rc;
}

static void
add_env(struct blob *b, bool tty)
{
	for (size_t i = 0; i < CLI_PASSED; i++) {
		const char *v = getenv(cli_passed[i].name);
		AUTO_FREE char *kv = NULL;

		if (v == NULL || (cli_passed[i].tty_only && !tty))
			continue;
		kv = mem_printf("%s=%s", cli_passed[i].name, v);
		blob_add(b, "env", kv);
	}
}

static int
add_user_env(struct blob *b, const struct cli_list *env, struct err *e)
{
	for (size_t i = 0; i < env->n; i++) {
		AUTO_FREE char *kv = NULL;
		const char *value;
		struct view key;

		if (cli_value_env(env->v[i], &key, &value, e) < 0)
			return -1;
		kv = mem_printf("%.*s=%s", (int)key.n, key.p, value);
		blob_add(b, "env", kv);
	}
	return 0;
}

int
run_command_blob(const struct run_options *o, const struct run_paths *p,
    bool tty, int *fd, struct err *e)
{
	struct blob *b = blob_new();
	int rc = -1;

	if (o->command.n == 0)
		blob_add(b, "arg", shell());
	for (size_t i = 0; i < o->command.n; i++)
		blob_add(b, "arg", o->command.v[i]);
	blob_add(b, "cwd", p->cwd);
	add_env(b, tty);
	/* First: what the user sets himself stays as he set it. */
	if (run_creds_environ(o, b, e) == 0 && add_user_env(b, &o->env, e) == 0)
		rc = blob_seal(b, fd, e);
	blob_free(b);
	return rc;
}
