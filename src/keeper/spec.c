/* spec: what the gateway wants, as the supervisor is told it. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "http/egress.h"
#include "keeper/impl.h"
#include "rpc/carry.h"

enum { YAML_MAX = POLICY_TEXT_MAX };

/* .../gateways/NAME of .../gateways/NAME/sandboxes/ID. */
static char *
state_of(const char *dir)
{
	const char *cut = dir + strlen(dir);

	for (unsigned i = 0; i < 2 && cut > dir; i++)
		do
			cut--;
		while (cut > dir && *cut != '/');
	return mem_strndup(dir, (size_t)(cut - dir));
}

static void
add_states(struct blob *b, const struct keeper *k)
{
	const char *home = getenv("HOME");
	const char *config = getenv("XDG_CONFIG_HOME");
	AUTO_FREE char *state = state_of(k->dir), *a = NULL, *c = NULL,
		       *d = NULL;

	blob_add(b, "state", state);
	if (home != NULL && home[0] == '/') {
		a = mem_printf("%s/.openshell", home);
		c = mem_printf("%s/.config/openshell", home);
		blob_add(b, "home", home);
		blob_add(b, "state", a);
		blob_add(b, "state", c);
	}
	if (config != NULL && config[0] == '/') {
		d = mem_printf("%s/openshell", config);
		blob_add(b, "state", d);
	}
}

static void
add_list(struct blob *b, const char *key, size_t n, char *const *v)
{
	for (size_t i = 0; i < n; i++)
		blob_add(b, key, v[i]);
}

static int
seal_wish(const struct keeper *k, int *fd, struct err *e)
{
	const Openshell__Datamodel__V1__NativeSpec *n = k->msg->spec->native;
	struct view login = egress_auth_file(view_of(k->egress));
	AUTO_FREE char *at = NULL;
	struct blob *b = blob_new();
	char id[SESSION_SHORT_ID];
	int rc;

	session_short_id(k->msg->id, id);
	blob_add(b, "id", id);
	add_states(b, k);
	if (login.n > 0) {
		at = view_dup(login);
		blob_add(b, "secret", at);
	}
	for (size_t i = 0; i < k->services.n; i++)
		if (k->services.v[i].key != NULL)
			blob_add(b, "secret", k->services.v[i].key);
	if (n != NULL) {
		if (n->workdir[0] != '\0') {
			blob_add(b, "workdir", n->workdir);
			blob_add(b, "workdir_explicit", "1");
		}
		if (n->path[0] != '\0')
			blob_add(b, "path", n->path);
		if (n->program[0] != '\0')
			blob_add(b, "command0", n->program);
		add_list(b, "ro", n->n_read_only, n->read_only);
		add_list(b, "rw", n->n_read_write, n->read_write);
		add_list(b, "home", n->n_homes, n->homes);
		add_list(b, "trust", n->n_trust, n->trust);
	}
	rc = blob_seal(b, fd, e);
	blob_free(b);
	return rc;
}

/* What the driver wrote, with the login that it names a file for. */
static int
seal_egress(const struct keeper *k, int *fd, struct err *e)
{
	AUTO_BUF struct buf whole = BUF_INIT(EGRESS_TEXT_MAX);
	int rc = egress_complete(view_of(k->egress), &whole, e);

	if (rc == 0)
		rc = memfd_seal(buf_view(&whole), fd, e);
	egress_wipe(&whole);
	return rc;
}

int
keeper_spec(struct keeper *k, struct err *e)
{
	const Openshell__Datamodel__V1__NativeSpec *n = k->msg->spec->native;
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);
	AUTO_CLOSE int wish = -1, text = -1, egress = -1, carrier = -1;
	int fds[4];

	policy_wire_yaml(k->msg->spec->policy, &yaml);
	if (yaml.full)
		return err_set(e, ERR_LIMIT, "the policy is too large");
	if (seal_wish(k, &wish, e) < 0 ||
	    memfd_seal(buf_view(&yaml), &text, e) < 0 ||
	    seal_egress(k, &egress, e) < 0 ||
	    carry_start(&k->services, &carrier, e) < 0)
		return -1;
	memset(&k->m.spec, 0, sizeof(k->m.spec));
	k->m.spec.event_level = SESSION_EVENTS_ALL;
	if (n != NULL) {
		k->m.spec.pids_max = n->pids_max;
		k->m.spec.memory_max = n->memory_max;
		k->m.spec.disk_max = n->disk_max;
	}
	fds[0] = wish;
	fds[1] = text;
	fds[2] = egress;
	fds[3] = carrier;
	k->revision = 1;
	policy_wire_hash(k->msg->spec->policy, k->now.hash);
	(void)snprintf(
	    k->m.spec.hash, sizeof(k->m.spec.hash), "%s", k->now.hash);
	k->now.revision = 1;
	return session_send(
	    k->sock, &k->m, SESSION_SPEC, fds, carrier >= 0 ? 4 : 3, e);
}
