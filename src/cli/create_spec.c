/* create_spec: options and surroundings, as the gateway is told them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/create.h"
#include "cli/policy_file.h"
#include "cli/state.h"
#include "rpc/policy_wire.h"

typedef Openshell__V1__CreateSandboxRequest request_msg;
typedef Openshell__Datamodel__V1__SandboxSpec spec_msg;
typedef Openshell__Datamodel__V1__SandboxSpec__EnvironmentEntry env_msg;
typedef Openshell__Datamodel__V1__NativeSpec native_msg;

static void
add(char ***list, size_t *n, char *item)
{
	*list = mem_realloc(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = item;
}

static int
add_real(const char *option, const char *path, char ***list, size_t *n,
    struct err *e)
{
	char *at = realpath(path, NULL);

	if (at == NULL)
		return err_sys(e, "%s %.300s", option, path);
	add(list, n, at);
	return 0;
}

static int
add_paths(const char *option, const struct cli_list *from, char ***list,
    size_t *n, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		if (add_real(option, from->v[i], list, n, e) < 0)
			return -1;
	return 0;
}

static int
add_env(spec_msg *spec, const struct cli_list *env, struct err *e)
{
	for (size_t i = 0; i < env->n; i++) {
		const char *value;
		struct view key;
		env_msg *m;

		if (cli_value_env(env->v[i], &key, &value, e) < 0)
			return -1;
		m = NEW(env_msg);
		openshell__datamodel__v1__sandbox_spec__environment_entry__init(
		    m);
		m->key = view_dup(key);
		m->value = mem_strdup(value);
		spec->environment = mem_realloc(
		    spec->environment, spec->n_environment + 1, sizeof(void *));
		spec->environment[spec->n_environment++] = m;
	}
	return 0;
}

/* Roots the user's own programs trust, the proxy trusts too. */
static int
add_trust(native_msg *n, const char *file, struct err *e)
{
	if (file == NULL) {
		file = getenv("SSL_CERT_FILE");
		if (file == NULL || *file == '\0' || access(file, R_OK) < 0)
			return 0;
	}
	if (access(file, R_OK) < 0)
		return err_sys(e, "--trust %.300s", file);
	return add_real("--trust", file, &n->trust, &n->n_trust, e);
}

static void
add_homes(native_msg *n)
{
	const char *home = getenv("HOME");

	if (home != NULL && home[0] == '/')
		add(&n->homes, &n->n_homes, mem_strdup(home));
}

static int
fill_native(native_msg *n, const struct create_options *o, struct err *e)
{
	const char *path = getenv("PATH");
	struct stat st;

	if (o->workdir != NULL) {
		n->workdir = realpath(o->workdir, NULL);
		if (n->workdir == NULL) {
			n->workdir = (char *)&protobuf_c_empty_string;
			return err_sys(e, "--workdir %.300s", o->workdir);
		}
		if (stat(n->workdir, &st) < 0 || !S_ISDIR(st.st_mode))
			return err_set(e, ERR_INVALID,
			    "--workdir %.300s is not a directory", o->workdir);
	}
	if (path != NULL)
		n->path = mem_strdup(path);
	if (o->command.n > 0)
		n->program = mem_strdup(o->command.v[0]);
	n->memory_max = o->memory;
	n->disk_max = o->disk;
	n->pids_max = o->pids;
	add_homes(n);
	if (add_paths("--ro", &o->ro, &n->read_only, &n->n_read_only, e) < 0 ||
	    add_paths("--rw", &o->rw, &n->read_write, &n->n_read_write, e) < 0)
		return -1;
	return add_trust(n, o->trust, e);
}

static int
fill_policy(struct cli *c, spec_msg *spec, const char *file, struct err *e)
{
	AUTO_POLICY struct policy *p = NULL;
	int rc;

	if (file == NULL)
		return 0;
	rc = policy_load(c, file, &p, e);
	if (rc != 0)
		return rc < 0 ? -1 : policy_refuse(file, e);
	spec->policy = policy_wire_from(p);
	return 0;
}

int
create_request(struct cli *c, const struct create_options *o, request_msg **out,
    struct err *e)
{
	request_msg *m = NEW(request_msg);
	int rc;

	openshell__v1__create_sandbox_request__init(m);
	m->spec = NEW(spec_msg);
	openshell__datamodel__v1__sandbox_spec__init(m->spec);
	m->spec->native = NEW(native_msg);
	openshell__datamodel__v1__native_spec__init(m->spec->native);
	if (o->name != NULL)
		m->name = mem_strdup(o->name);
	m->spec->gpu = o->gpu;
	if (o->from != NULL) {
		m->spec->template_ =
		    NEW(Openshell__Datamodel__V1__SandboxTemplate);
		openshell__datamodel__v1__sandbox_template__init(
		    m->spec->template_);
		m->spec->template_->image = mem_strdup(o->from);
	}
	rc = fill_policy(c, m->spec, o->policy, e);
	if (rc == 0)
		rc = add_env(m->spec, &o->env, e);
	if (rc == 0)
		rc = fill_native(m->spec->native, o, e);
	if (rc == 0)
		*out = m;
	else
		openshell__v1__create_sandbox_request__free_unpacked(m, NULL);
	return rc;
}
