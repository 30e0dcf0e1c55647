/*
 * check_safety: the static sections must not undo the sandbox.  Attacks: root
 * identity, a writable root or system directory, "..", sizes.
 */
#include "policy/model.h"

/* Never writable, with everything beneath ('/' at the end) or by itself. */
static const char *const protected[] = {
	"/bin/",
	"/boot/",
	"/etc/",
	"/proc/",
	"/sbin/",
	"/sys/",
	"/usr",
	"/usr/bin/",
	"/usr/sbin/",
	"/usr/lib/",
	"/usr/lib32/",
	"/usr/lib64/",
	"/usr/libexec/",
	"/lib/",
	"/lib32/",
	"/lib64/",
	"/libx32/",
	/* the supervisor's own, and what they are in */
	"/run",
	"/run/openshell/",
	"/var",
	"/var/lib",
	"/var/lib/openshell/",
};

/* What of /dev a program may be given to write. */
static const char *const devices[] = {
	"/dev/null",
	"/dev/zero",
	"/dev/full",
	"/dev/random",
	"/dev/urandom",
	"/dev/tty",
	"/dev/ptmx",
	"/dev/pts",
	"/dev/shm",
	"/dev/dri",
	"/dev/kfd",
	"/dev/fuse",
};

static bool
is_beneath(struct view path, struct view dir)
{
	return view_eq(path, dir) ||
	       (view_starts(path, dir) && path.p[dir.n] == '/');
}

static bool
is_device(struct view path)
{
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (is_beneath(path, view_of(devices[i])))
			return true;
	return view_starts(path, VIEW("/dev/nvidia"));
}

static bool
is_overly_broad(struct view path)
{
	if (view_eq(path, VIEW("/")))
		return true;
	if (is_beneath(path, VIEW("/dev")))
		return !is_device(path);
	for (size_t i = 0; i < ARRAY_LEN(protected); i++) {
		struct view p = view_of(protected[i]);
		bool tree = view_ends(p, VIEW("/"));

		if (tree)
			p.n--;
		if (tree ? is_beneath(path, p) : view_eq(path, p))
			return true;
	}
	return false;
}

static bool
has_dotdot(struct view path)
{
	struct view rest = path;

	do {
		if (view_eq(view_cut(rest, '/', &rest), VIEW("..")))
			return true;
	} while (rest.p != NULL);
	return false;
}

static void
check_path(const struct p_str *s, bool writable, struct policy_findings *f)
{
	struct p_shown shown = p_show(s->v);

	if (s->v.n > PL_FS_PATH_MAX) {
		p_error(f, s->h.at, "safety",
		    "path exceeds maximum length (%zu > %d): %s", s->v.n,
		    PL_FS_PATH_MAX, shown.text);
		return;
	}
	if (!view_starts(s->v, VIEW("/")))
		p_error(f, s->h.at, "safety",
		    "path must be absolute (start with '/'): %s", shown.text);
	if (has_dotdot(s->v))
		p_error(f, s->h.at, "safety",
		    "path contains '..' traversal component: %s", shown.text);
	if (p_has_control(s->v))
		p_error(f, s->h.at, "safety",
		    "path contains control characters: %s", shown.text);
	if (writable && is_overly_broad(s->v))
		p_error(f, s->h.at, "safety",
		    "read-write path is overly broad: %s", shown.text);
}

uint32_t
p_id(struct view v)
{
	uint64_t n = 0;

	/* -1 is nobody's: setresuid(2). */
	if (v.n == 0 || v.p[0] == '0' || !view_u64(v, UINT32_MAX - 1, &n))
		return 0;
	return (uint32_t)n;
}

/* A field that is not there is filled in with 'sandbox' later. */
static void
check_identity(
    const struct p_str *s, const char *field, struct policy_findings *f)
{
	if (s->h.set && !s->h.bad && !view_eq(s->v, VIEW("sandbox")) &&
	    p_id(s->v) == 0)
		p_error(f, s->h.at, "safety", "%s must be 'sandbox', got '%s'",
		    field, p_show(s->v).text);
}

void
p_check_safety(const struct policy *p, struct policy_findings *f)
{
	const struct p_filesystem *fs = &p->top.filesystem_policy;
	const struct p_str *mode = &p->top.landlock.compatibility;
	size_t n = fs->read_only.n + fs->read_write.n;

	check_identity(&p->top.process.run_as_user, "run_as_user", f);
	check_identity(&p->top.process.run_as_group, "run_as_group", f);
	if (mode->v.n > 0 && !view_eq(mode->v, VIEW("best_effort")) &&
	    !view_eq(mode->v, VIEW("hard_requirement")))
		p_error(f, mode->h.at, "safety",
		    "unknown landlock compatibility '%s' (expected best_effort "
		    "or hard_requirement)",
		    p_show(mode->v).text);
	if (n > PL_FS_PATHS_MAX)
		p_error(f, fs->m.h.at, "safety",
		    "too many filesystem paths (%zu > %d)", n, PL_FS_PATHS_MAX);
	for (size_t i = 0; i < fs->read_only.n; i++)
		check_path(&fs->read_only.v[i], false, f);
	for (size_t i = 0; i < fs->read_write.n; i++)
		check_path(&fs->read_write.v[i], true, f);
}
