/*
 * plan: the constructive root.
 *
 * Mounts are gathered with a rank: the machine's own (base), what the policy
 * lists, what the agent's installation needs, what the owner asked for.  The
 * same place named twice goes to the higher rank, and of one rank to the
 * later.  Sorted by path, every mount comes after the one it lies in.
 *
 * /etc is never the host's: it is an empty directory with the entries of
 * etc.def that programs need and that hold nothing secret, and with files of
 * our own for names, users and resolver.  /var/log, /run and the temporary
 * directories are private and empty for the same reason (journal, sockets of
 * the host's services, other people's files).
 *
 * The policy never writes to the host: what it lists as writable is shown
 * with an overlay, and the writes are gone at the end.  Only the work
 * directory and --rw reach the host.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "sandbox/plan_impl.h"

const char *
plan_keep(struct plan *p, const char *s)
{
	return arena_view(&p->mem, view_of(s)).p;
}

bool
plan_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || (n == 1 && dir[0] == '/'));
}

struct plan_entry *
plan_entry_at(struct plan *p, const char *dst)
{
	for (size_t i = 0; i < p->n_all; i++)
		if (strcmp(p->all[i].m.dst, dst) == 0)
			return &p->all[i];
	return NULL;
}

int
plan_add(struct plan *p, enum plan_rank rank, enum sbx_mount_kind kind,
    const char *src, const char *dst, unsigned mode, struct err *e)
{
	struct plan_entry *at = plan_entry_at(p, dst);

	if (at != NULL && at->rank > rank)
		return 0;
	if (at == NULL && p->n_all == PLAN_ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d paths to bind",
		    (int)PLAN_ENTRIES_MAX);
	if (at == NULL)
		at = &p->all[p->n_all++];
	*at = (struct plan_entry) { { kind,
					src != NULL ? plan_keep(p, src) : NULL,
					plan_keep(p, dst), false, mode },
		rank };
	return 0;
}

int
plan_bind_ro(
    struct plan *p, enum plan_rank rank, const char *path, struct err *e)
{
	return plan_add(p, rank, SBX_BIND_RO, path, path, 0, e);
}

const struct plan_entry *
plan_seen_through(const struct plan *p, const char *path)
{
	const struct plan_entry *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < p->n_all; i++) {
		const struct plan_entry *at = &p->all[i];
		size_t n = strlen(at->m.dst);

		if (plan_below(path, at->m.dst) && n >= longest) {
			best = at;
			longest = n;
		}
	}
	return best;
}

bool
plan_is_visible(const void *ctx, const char *path)
{
	const struct plan_entry *at = plan_seen_through(ctx, path);

	if (at == NULL)
		return false;
	switch (at->m.kind) {
	case SBX_BIND_RO:
	case SBX_BIND_RW:
	case SBX_OVERLAY:
	case SBX_SYMLINK:
		return true;
	case SBX_TMPFS:
	case SBX_FILE:
	case SBX_DIR:
	case SBX_ALIAS:
		break;
	}
	return false;
}

/* --- putting it together ------------------------------------------------ */

static int
by_path(const void *a, const void *b)
{
	const struct plan_entry *x = a, *y = b;

	return strcmp(x->m.dst, y->m.dst);
}

/* A read-only bind inside a read-only bind of the same tree adds nothing. */
static bool
redundant(const struct plan *p, size_t i)
{
	const struct sbx_mount *m = &p->all[i].m;

	if (m->kind != SBX_BIND_RO || strcmp(m->src, m->dst) != 0)
		return false;
	for (size_t j = i; j-- > 0;) {
		const struct sbx_mount *o = &p->all[j].m;

		if (plan_below(m->dst, o->dst))
			return o->kind == SBX_BIND_RO &&
			       strcmp(o->src, o->dst) == 0;
	}
	return false;
}

static void
add_rule(struct plan *p, const char *path, bool write, bool optional)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (plan_below(path, p->rules[i].path) &&
		    (p->rules[i].write || !write))
			return;
	p->rules[p->n_rules++] =
	    (struct sbx_rule) { path, write, optional, false };
}

/* Landlock says again what the mounts say. */
static void
add_rules(struct plan *p, const struct policy_fs *fs)
{
	static const char *const read[] = { "/proc" };
	static const char *const write[] = { "/dev/null", "/dev/zero",
		"/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
		"/dev/ptmx", "/dev/pts", "/dev/shm" };

	p->rules = ARENA_ARRAY(&p->mem,
	    p->sbx.n_mounts + ARRAY_LEN(read) + ARRAY_LEN(write) +
		fs->n_read_write + 1,
	    struct sbx_rule);
	for (size_t i = 0; i < p->sbx.n_mounts; i++) {
		const struct sbx_mount *m = &p->mounts[i];

		switch (m->kind) {
		case SBX_BIND_RW:
		case SBX_OVERLAY:
		case SBX_TMPFS:
			add_rule(p, m->dst, m->mode != 0555, false);
			break;
		case SBX_BIND_RO:
		case SBX_DIR:
			add_rule(p, m->dst, false, false);
			break;
		case SBX_SYMLINK:
		case SBX_FILE: /* below /etc */
		case SBX_ALIAS: /* in a tree that has its rule */
			break;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(read); i++)
		add_rule(p, read[i], false, false);
	for (size_t i = 0; i < ARRAY_LEN(write); i++)
		add_rule(p, write[i], true, true);
	/* The root was constructed: its names are no secret, and programs look
	 * at the directories above their own. */
	p->rules[p->n_rules++] =
	    (struct sbx_rule) { .path = "/", .names = true };
	p->sbx.rules = p->rules;
	p->sbx.n_rules = p->n_rules;
}

static void
finish(struct plan *p, const struct policy_fs *fs)
{
	qsort(p->all, p->n_all, sizeof(*p->all), by_path);
	p->mounts = ARENA_ARRAY(&p->mem, p->n_all, struct sbx_mount);
	for (size_t i = 0; i < p->n_all; i++)
		if (!redundant(p, i))
			p->mounts[p->sbx.n_mounts++] = p->all[i].m;
	p->sbx.mounts = p->mounts;
	add_rules(p, fs);
	free(take_ptr(p->all));
	p->n_all = 0;
}

static void
set_limits(struct sbx_plan *s, const struct session_spec *l)
{
	struct sysinfo si = { .mem_unit = 1 };
	uint64_t ram;

	(void)sysinfo(&si);
	ram = (uint64_t)si.totalram * si.mem_unit;
	s->pids_max = l->pids_max > 0 ? l->pids_max : 4096;
	s->nofile_max = l->nofile_max > 0 ? l->nofile_max : 65536;
	s->memory_max = l->memory_max > 0 ? l->memory_max : ram / 4 * 3;
	/* Private space lies in memory: what is written there is not free. */
	s->disk_max =
	    l->disk_max > 0 ? l->disk_max : MAX(ram / 4, (uint64_t)512 << 20);
}

/* What the owner says about itself: home and our own directories. */
static void
set_owner(struct plan *p, const struct blob *wish)
{
	const char *home = blob_get(wish, "home", 0), *state;
	char real[PATH_MAX];

	if (home != NULL && home[0] == '/' && home[1] != '\0')
		p->home =
		    plan_keep(p, realpath(home, real) != NULL ? real : home);
	for (size_t i = 0; p->n_states < PLAN_STATES_MAX &&
			   (state = blob_get(wish, "state", i)) != NULL;
	     i++)
		if (state[0] == '/' && state[1] != '\0')
			p->states[p->n_states++] = plan_keep(
			    p, realpath(state, real) != NULL ? real : state);
}

static int
build(struct plan *p, const struct policy *policy, const struct blob *wish,
    const struct policy_fs *fs, struct err *e)
{
	bool hard = policy_landlock_mode(policy) == POLICY_LANDLOCK_HARD;

	p->sbx.landlock_hard = hard;
	if (plan_add_base(p, e) < 0 || plan_add_policy(p, fs, hard, e) < 0 ||
	    plan_add_wishes(p, wish, fs->include_workdir, e) < 0 ||
	    plan_add_own_files(p, e) < 0 || plan_check_secrets(p, wish, e) < 0)
		return -1;
	if (p->sbx.workdir_writable)
		plan_add_protection(p);
	finish(p, fs);
	return 0;
}

/* It becomes part of paths: digits only, or one of our own. */
static void
set_id(struct plan *p, const struct blob *wish)
{
	const char *id = blob_get(wish, "id", 0);

	if (id != NULL && strlen(id) == SESSION_SHORT_ID - 1 &&
	    strspn(id, "0123456789abcdef") == SESSION_SHORT_ID - 1)
		memcpy(p->sbx.id, id, SESSION_SHORT_ID);
	else
		random_hex(p->sbx.id, SESSION_SHORT_ID - 1);
}

/* Another number inside is no other right outside: one id is mapped. */
static void
set_user(struct plan *p, const struct policy *policy)
{
	struct policy_ids ids;

	policy_identity(policy, &ids);
	p->sbx.uid = ids.user != 0 ? ids.user : spawn_inside_uid();
	p->sbx.gid = ids.group != 0 ? ids.group : spawn_inside_gid();
}

int
plan_new(const struct policy *policy, const struct session_spec *limits,
    const struct blob *wish, struct plan **out, struct err *e)
{
	static const char *const nothing[] = { NULL };
	struct plan *p = NEW(struct plan);
	struct policy_fs fs;

	p->all = mem_calloc(PLAN_ENTRIES_MAX, sizeof(*p->all));
	p->shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
	p->sbx = (struct sbx_plan) {
		.hostname = SBX_USER,
		.home = SBX_HOME,
		.user = SBX_USER,
		.protect = nothing,
		.proxy_addr = SBX_PROXY_ADDR,
		.proxy_port = SBX_PROXY_PORT,
		.capture_port = SBX_CAPTURE_PORT,
	};
	set_id(p, wish);
	set_user(p, policy);
	set_limits(&p->sbx, limits);
	set_owner(p, wish);
	policy_filesystem(policy, &fs);
	if (build(p, policy, wish, &fs, e) < 0) {
		plan_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void
plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	arena_fini(&p->mem);
	free(p->all);
	free(p);
}

const struct sbx_plan *
plan_sbx(const struct plan *p)
{
	return &p->sbx;
}

const char *
plan_path(const struct plan *p)
{
	return p->path;
}

const char *
plan_shell(const struct plan *p)
{
	return p->shell;
}

const char *
plan_program(const struct plan *p)
{
	return p->program;
}

const char *
plan_cwd(const struct plan *p)
{
	return p->cwd;
}
