/*
 * ctl_files: the files of a sandbox that are ours, put into it before its first
 * program.
 */
#include "sandbox/ctl_impl.h"
#include "sandbox/environ.h"

/* Programs trust our CA through these two files (environ.h). */
static int
put_trust(struct ctl *c, struct err *e)
{
	AUTO_CLOSE int ca = -1;
	int parts[2];

	if (memfd_seal(buf_view(&c->ca), &ca, e) < 0)
		return -1;
	parts[0] = c->trust;
	parts[1] = ca;
	if (spawn_put_parts(c->spawn, SBX_CA_FILE, &ca, 1, e) < 0 ||
	    spawn_put_parts(c->spawn, SBX_BUNDLE_FILE, parts, 2, e) < 0)
		return -1;
	fd_close(&c->trust);
	return 0;
}

static const char skill[] =
#include "sandbox/skill.def"
    ;

static int
put_skill(struct ctl *c, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (memfd_seal(view_of(skill), &fd, e) < 0)
		return -1;
	return spawn_put_parts(c->spawn, SBX_SKILL_FILE, &fd, 1, e);
}

int
ctl_put_files(struct ctl *c, struct err *e)
{
	return put_trust(c, e) < 0 ? -1 : put_skill(c, e);
}
