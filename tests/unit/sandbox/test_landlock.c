#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "sandbox/landlock.h"

TEST(landlock, knows_the_rights_of_each_abi)
{
	CHECK_INT(landlock_rights(0), ==, 0);
	CHECK_INT(landlock_rights(1), ==, 0x1fff);
	CHECK_INT(landlock_rights(2), ==, 0x3fff);
	CHECK_INT(landlock_rights(3), ==, 0x7fff);
	CHECK_INT(landlock_rights(4), ==, 0x7fff);
	CHECK_INT(landlock_rights(5), ==, 0xffff);
	CHECK_INT(landlock_rights(9), ==, 0xffff);
}

TEST(landlock, leaves_directory_rights_off_files)
{
	uint64_t all = landlock_rights(7);

	CHECK_INT(landlock_mask(all, S_IFDIR), ==, all);
	/* EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV */
	CHECK_INT(landlock_mask(all, S_IFREG), ==, 0xc007);
	CHECK_INT(landlock_mask(all, S_IFCHR), ==, 0xc007);
}

TEST(landlock, refuses_a_gap_when_it_is_hard)
{
	static const struct sbx_rule rules[] = {
		{ "/usr", false, false },
		{ "/no/such/path", false, false },
	};
	static const struct sbx_rule optional[] = {
		{ "/no/such/path", false, true },
		{ "/dev/null", true, false },
	};
	struct err e = { 0 };
	int fd, abi;

	CHECK_INT(landlock_build(rules, 2, true, &fd, &abi, &e), ==, -1);
	CHECK_HAS(e.text, "hard_requirement");
	CHECK_HAS(e.text, "path does not exist");
	CHECK_INT(landlock_build(rules, 2, false, &fd, &abi, &e), ==, 0);
	CHECK(fd >= 0);
	fd_close(&fd);
	CHECK_INT(landlock_build(optional, 2, true, &fd, &abi, &e), ==, 0);
	CHECK(fd >= 0);
	fd_close(&fd);
}

/* Exit status: which of the acts succeeded, as bits. */
static int
acts(const char *dir)
{
	char file[96], other[96];
	int can = 0;

	(void)snprintf(file, sizeof(file), "%s/ro/f", dir);
	(void)snprintf(other, sizeof(other), "%s/rw/f", dir);
	can |= open(file, O_RDONLY) >= 0 ? 1 : 0;
	can |= open(file, O_WRONLY) >= 0 ? 2 : 0;
	can |= truncate(file, 0) == 0 ? 4 : 0;
	can |= open(other, O_WRONLY | O_CREAT, 0600) >= 0 ? 8 : 0;
	can |= rename(other, file) == 0 ? 16 : 0;
	can |= open("/etc/hostname", O_RDONLY) >= 0 ? 32 : 0;
	return can;
}

static int
confined(const char *dir, bool confine)
{
	char ro[96], rw[96];
	struct sbx_rule rules[2] = { { ro, false, false },
		{ rw, true, false } };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err e;
		int fd, abi;

		(void)snprintf(ro, sizeof(ro), "%s/ro", dir);
		(void)snprintf(rw, sizeof(rw), "%s/rw", dir);
		if (landlock_build(rules, 2, true, &fd, &abi, &e) < 0 ||
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    (confine && landlock_enter(fd) < 0))
			_exit(128);
		_exit(acts(dir));
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(landlock, holds_and_covers_truncate)
{
	char dir[] = "/var/tmp/ll-XXXXXX", path[96];
	int fd;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/rw", dir);
	CHECK_INT(mkdir(path, 0755), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/ro", dir);
	CHECK_INT(mkdir(path, 0755), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/ro/f", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	fd_close(&fd);
	/* Without the domain every act works; in it, two. */
	CHECK_INT(confined(dir, false) & 31, ==, 31);
	CHECK_INT(confined(dir, true), ==, 1 | 8);
	CHECK_INT(unlink(path), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/rw/f", dir);
	CHECK_INT(unlink(path), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/rw", dir);
	CHECK_INT(rmdir(path), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/ro", dir);
	CHECK_INT(rmdir(path), ==, 0);
	CHECK_INT(rmdir(dir), ==, 0);
}
