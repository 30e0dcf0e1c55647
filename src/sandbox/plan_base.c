/* plan_base: what every sandbox has of the machine, or instead of it. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/environ.h"
#include "sandbox/plan_impl.h"

/* A directory of the host's root, as the host has it: link or directory. */
static int
add_like_host(struct plan *p, const char *path, struct err *e)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		return plan_bind_ro(p, PLAN_BASE, path, e);
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(e, "read link %s", path);
	target[n] = '\0';
	return plan_add(p, PLAN_BASE, SBX_SYMLINK, target, path, 0, e);
}

static int
add_system(struct plan *p, struct err *e)
{
	/* On merged-usr machines all but the first are links into it. */
	static const char *const dirs[] = { "/usr", "/bin", "/sbin", "/lib",
		"/lib32", "/lib64", "/libx32", "/opt", "/nix/store",
		"/gnu/store" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (add_like_host(p, dirs[i], e) < 0)
			return -1;
	return 0;
}

#define ETC(pattern) pattern,
static const char *const etc_shown[] = {
#include "sandbox/etc.def"
};
#undef ETC

static int
add_etc_entry(struct plan *p, const char *name, struct err *e)
{
	size_t dir;

	for (size_t i = 0; i < ARRAY_LEN(etc_shown); i++) {
		char path[PATH_MAX];

		dir = strcspn(etc_shown[i], "/");
		if (etc_shown[i][dir] == '\0'
			? fnmatch(etc_shown[i], name, 0) != 0
			: (strncmp(etc_shown[i], name, dir) != 0 ||
			      name[dir] != '\0'))
			continue;
		(void)snprintf(path, sizeof(path), "/etc/%s",
		    etc_shown[i][dir] == '\0' ? name : etc_shown[i]);
		if (add_like_host(p, path, e) < 0)
			return -1;
	}
	return 0;
}

/* One pass over the directory is cheaper than a look for every pattern. */
static int
add_etc(struct plan *p, struct err *e)
{
	DIR *d = opendir("/etc");
	const struct dirent *at;
	int rc = plan_add(p, PLAN_BASE, SBX_DIR, NULL, "/etc", 0755, e);

	while (rc == 0 && d != NULL && (at = readdir(d)) != NULL)
		if (at->d_name[0] != '.')
			rc = add_etc_entry(p, at->d_name, e);
	if (d != NULL)
		(void)closedir(d);
	return rc;
}

/* Private directories that every sandbox has: path and mode. */
static const struct {
	const char *path;
	unsigned mode;
	enum sbx_mount_kind kind;
} private_dirs[] = {
	{ SBX_HOME, 0700, SBX_TMPFS },
	{ "/tmp", 01777, SBX_TMPFS },
	{ "/var/tmp", 01777, SBX_TMPFS },
	{ "/run", 0755, SBX_TMPFS },
	{ "/dev/shm", 01777, SBX_TMPFS },
	{ "/var/log", 0755, SBX_DIR },
	{ "/etc/openshell-tls", 0755, SBX_DIR },
	{ "/etc/openshell", 0755, SBX_DIR },
	{ "/etc/openshell/skills", 0755, SBX_DIR },
};

static int
add_private(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(private_dirs); i++)
		if (plan_add(p, PLAN_BASE, private_dirs[i].kind, NULL,
			private_dirs[i].path, private_dirs[i].mode, e) < 0)
			return -1;
	return plan_add(p, PLAN_BASE, SBX_SYMLINK, "/run", "/var/run", 0, e);
}

int
plan_add_base(struct plan *p, struct err *e)
{
	if (add_system(p, e) < 0 || add_etc(p, e) < 0)
		return -1;
	return add_private(p, e);
}

static int
add_file(struct plan *p, const char *path, const char *text, struct err *e)
{
	return plan_add(p, PLAN_OPTION, SBX_FILE, text, path, 0644, e);
}

/* Files that must not be the host's. */
static int
add_generated(struct plan *p, struct err *e)
{
	unsigned uid = (unsigned)p->sbx.uid;
	unsigned gid = (unsigned)p->sbx.gid;
	AUTO_FREE char *passwd = mem_printf("root:x:0:0:root:/root:"
					    "/usr/sbin/nologin\n"
					    "%s:x:%u:%u:sandbox:%s:%s\n"
					    "nobody:x:65534:65534:nobody:"
					    "/nonexistent:/usr/sbin/nologin\n",
	    SBX_USER, uid, gid, SBX_HOME, p->shell);
	AUTO_FREE char *group = mem_printf("root:x:0:\n%s:x:%u:\n"
					   "tty:x:5:\nnogroup:x:65534:\n",
	    SBX_USER, gid);
	AUTO_FREE char *hosts = mem_printf("127.0.0.1 localhost\n"
					   "::1 localhost ip6-localhost\n"
					   "127.0.1.1 %s\n",
	    p->sbx.hostname);
	AUTO_FREE char *hostname = mem_printf("%s\n", p->sbx.hostname);

	if (add_file(p, "/etc/passwd", passwd, e) < 0 ||
	    add_file(p, "/etc/group", group, e) < 0 ||
	    add_file(p, "/etc/hosts", hosts, e) < 0 ||
	    add_file(p, "/etc/hostname", hostname, e) < 0)
		return -1;
	/* The proxy answers, whatever address is asked; without nf_tables
	 * nobody does, and a query ends at once. */
	if (add_file(p, "/etc/resolv.conf",
		"nameserver " SBX_PROXY_ADDR "\noptions timeout:2 attempts:2\n",
		e) < 0)
		return -1;
	return add_file(p, "/etc/nsswitch.conf",
	    "passwd: files\ngroup: files\nshadow: files\n"
	    "hosts: files dns\nservices: files\nprotocols: files\n",
	    e);
}

/*
 * Programs that know no variable for it (GnuTLS: wget, and others) read the
 * machine's own bundle: ours, which holds the machine's roots and the
 * sandbox's CA, is shown in its place.  It is written when the CA exists.
 */
static int
add_trust(struct plan *p, struct err *e)
{
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};
	char real[PATH_MAX];

	if (add_file(p, SBX_BUNDLE_FILE, "", e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
		if (realpath(bundles[i], real) != NULL &&
		    plan_is_visible(p, real) &&
		    plan_add(p, PLAN_OPTION, SBX_ALIAS, SBX_BUNDLE_FILE, real,
			0, e) < 0)
			return -1;
	return 0;
}

int
plan_add_own_files(struct plan *p, struct err *e)
{
	return add_generated(p, e) < 0 ? -1 : add_trust(p, e);
}
