#include "cli/git_list.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/mem.h"

enum { NAMES_MAX = 256 << 20, WORDS_MAX = 65536, NO_GIT = 127 };

void
git_list_fini(struct git_list *l)
{
	free(l->names);
	*l = (struct git_list) { 0 };
}

/* In the child: becomes git. */
static void
become_git(const char *dir, const char *only, int out, int words)
{
	const char *argv[] = { "git", "-c", "core.fsmonitor=false", "-c",
		"core.hooksPath=/dev/null", "-C", dir, "ls-files", "-z",
		"--cached", "--others", "--exclude-standard", "--", only,
		NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* Of another repository than the one that `dir` is in. */
	(void)unsetenv("GIT_DIR");
	(void)unsetenv("GIT_WORK_TREE");
	(void)unsetenv("GIT_INDEX_FILE");
	(void)setenv("GIT_LITERAL_PATHSPECS", "1", 1);
	(void)setenv("GIT_OPTIONAL_LOCKS", "0", 1);
	(void)setenv("LC_ALL", "C", 1);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(words, 2) < 0)
		_exit(NO_GIT);
	(void)execvp("git", (char *const *)(uintptr_t)argv);
	_exit(NO_GIT);
}

static int
run_git(const char *dir, const char *only, int out, int words, int *status,
    struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "start git");
	if (pid == 0)
		become_git(dir, only, out, words);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for git");
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
	return 0;
}

/* Looks like a repository, whatever git says. */
static bool
has_repository(const char *dir)
{
	AUTO_FREE char *at = realpath(dir, NULL);

	while (at != NULL && at[0] != '\0') {
		AUTO_FREE char *mark = mem_printf("%s/.git", at);

		if (access(mark, F_OK) == 0)
			return true;
		*strrchr(at, '/') = '\0';
	}
	return false;
}

static int
cannot_tell(const char *dir, const char *words, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "cannot tell which files git ignores in %.200s\n%.200s\nto send "
	    "everything, use --no-git-ignore",
	    dir, words);
}

int
git_list(const char *dir, const char *only, struct git_list *l, struct err *e)
{
	AUTO_CLOSE int out = memfd_create("names", MFD_CLOEXEC);
	AUTO_CLOSE int words = memfd_create("words", MFD_CLOEXEC);
	AUTO_FREE char *text = NULL;
	size_t n;
	int status;

	*l = (struct git_list) { 0 };
	if (out < 0 || words < 0)
		return err_sys(e, "make room for git's answer");
	if (run_git(dir, only, out, words, &status, e) < 0)
		return -1;
	/* Git and we share where it stopped writing. */
	if (lseek(out, 0, SEEK_SET) < 0 || lseek(words, 0, SEEK_SET) < 0)
		return err_sys(e, "read git's answer");
	if (file_read(words, WORDS_MAX, &text, &n, e) < 0)
		return -1;
	if (status != 0) {
		if (!has_repository(dir))
			return 0;
		return cannot_tell(
		    dir, status == NO_GIT ? "there is no git" : text, e);
	}
	l->repo = true;
	return file_read(out, NAMES_MAX, &l->names, &l->n, e);
}
