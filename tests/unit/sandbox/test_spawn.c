/*
 * Sandboxes really made, and attacked from inside; the same acts are shown to
 * work outside.  Runs as root and as an ordinary user.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "test.h"

#include "base/fd.h"

/* Starts or fails the test with the sandbox's own words. */
static void
up(struct test_box *b)
{
	if (!box_start(b))
		fail_msg("no sandbox: %s", b->end.text);
}

TEST(spawn, runs_a_program_and_tells_its_status)
{
	struct test_box b;

	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, "echo out; echo err >&2; exit 7"), ==, 7);
	CHECK_STR(b.out, "out\nerr\n");
	box_end(&b);
}
