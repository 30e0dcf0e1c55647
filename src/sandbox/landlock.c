#include "sandbox/landlock.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "sandbox/linux_new.h"

enum { ABI_ENFORCED = 3 /* below, truncate(2) is not covered */ };

#define RIGHTS_READ \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	    LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_FILE \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_ACCESS_FS_READ_FILE | LL_FS_TRUNCATE | LL_FS_IOCTL_DEV)

int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

uint64_t
landlock_rights(int abi)
{
	/* Bits 0 to 12 came with ABI 1, REFER (13) with 2, then one each. */
	if (abi >= 5)
		return (LL_FS_IOCTL_DEV << 1) - 1;
	if (abi >= 3)
		return (LL_FS_TRUNCATE << 1) - 1;
	return abi == 2   ? LL_FS_TRUNCATE - 1
	       : abi == 1 ? LANDLOCK_ACCESS_FS_REFER - 1
			  : 0;
}

uint64_t
landlock_mask(uint64_t rights, unsigned mode)
{
	return S_ISDIR(mode) ? rights : rights & RIGHTS_FILE;
}

static const char *
why(int sys)
{
	switch (sys) {
	case ENOENT:
		return "path does not exist";
	case EACCES:
	case EPERM:
		return "permission denied";
	case ELOOP:
		return "too many symlink levels";
	case ENAMETOOLONG:
		return "path name too long";
	case ENOTDIR:
		return "path component is not a directory";
	default:
		return "unexpected error";
	}
}

static int
add_rule(int ruleset, const struct sbx_rule *r, uint64_t handled)
{
	struct landlock_path_beneath_attr a = { 0 };
	AUTO_CLOSE int fd = open(r->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	a.parent_fd = fd;
	a.allowed_access =
	    landlock_mask(handled & (r->names      ? LANDLOCK_ACCESS_FS_READ_DIR
					: r->write ? handled
						   : RIGHTS_READ),
		st.st_mode);
	return (int)syscall(
	    SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
}

int
landlock_build(const struct sbx_rule *rules, size_t n, bool hard, int *fd,
    int *abi, struct err *e)
{
	struct ll_ruleset_attr a = { 0 };
	AUTO_CLOSE int set = -1;

	*fd = -1;
	*abi = landlock_abi();
	if (hard && *abi < ABI_ENFORCED)
		return err_set(e, ERR_DENIED,
		    "hard_requirement: Landlock ABI %d, 3 is needed: run "
		    "kernel 6.2 or later with lsm=landlock in its command "
		    "line, or set landlock.compatibility to best_effort",
		    *abi);
	if (*abi == 0)
		return 0;
	a.fs = landlock_rights(*abi);
	if (*abi >= 6)
		a.scoped = LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL;
	set = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0);
	if (set < 0)
		return err_sys(e, "create Landlock ruleset");
	for (size_t i = 0; i < n; i++) {
		if (add_rule(set, &rules[i], a.fs) == 0)
			continue;
		/* A rule less is a right less: only `hard` minds. */
		if (hard && !(rules[i].optional && errno == ENOENT))
			return err_set(e, ERR_DENIED,
			    "hard_requirement: Landlock rule for %s: %s",
			    rules[i].path, why(errno));
	}
	*fd = take_fd(set);
	return 0;
}

void
landlock_add_output(int ruleset, int fd)
{
	struct landlock_path_beneath_attr a = { .parent_fd = fd,
		.allowed_access =
		    LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE };
	struct stat st;

	if (ruleset < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	/* Below ABI 3 truncation is not known, and free. */
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&a, 0) == 0 ||
	    errno != EINVAL)
		return;
	a.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE;
	(void)syscall(
	    SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
}

int
landlock_enter(int fd)
{
	return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}
