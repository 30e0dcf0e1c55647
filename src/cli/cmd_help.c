/* openshell help [COMMAND...] */
#include <fcntl.h>

#include "base/fd.h"
#include "cli/cli.h"

struct args {
	const char *man;
	struct cli_list words;
};

static const struct cli_opt opts[] = {
	{ .name = "man",
	    .kind = OPT_STR,
	    OPT(man),
	    .value = "DIR",
	    .hidden = true,
	    .help = "Write every manual page into DIR" },
	OPT_END
};

static const struct cli_pos pos[] = {
	{ .name = "COMMAND",
	    .kind = OPT_LIST,
	    OPT(words),
	    .optional = true,
	    .help = "The command to explain, in as many words as it has" },
	{ 0 }
};

static int
write_page(int dir, const char *path, struct err *e)
{
	AUTO_BUF struct buf name = BUF_INIT(128);
	AUTO_BUF struct buf page = BUF_INIT(512 * 1024);
	AUTO_CLOSE int fd = -1;

	cli_man_name(path, &name);
	buf_puts(&name, ".1");
	cli_man(path, &page);
	fd = openat(dir, buf_str(&name),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "create %s", buf_str(&name));
	if (fd_write_all(fd, page.p, page.n, e) < 0)
		return err_wrap(e, "write %s", buf_str(&name));
	return 0;
}

static int
write_pages(const char *path, struct err *e)
{
	AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, "open %s", path);
	if (write_page(dir, "", e) < 0)
		return -1;
	for (const struct cli_group *g = cli_groups; g->path != NULL; g++)
		if (write_page(dir, g->path, e) < 0)
			return -1;
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
		if (!(*c)->hidden && write_page(dir, (*c)->path, e) < 0)
			return -1;
	return 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	char *argv[8] = { (char[]) { "openshell" } };
	struct cli_parsed p;
	AUTO_BUF struct buf b = BUF_INIT(512 * 1024);
	int argc = 1;

	if (a->man != NULL)
		return write_pages(a->man, e);
	if (a->words.n > ARRAY_LEN(argv) - 3)
		return err_set(e, ERR_INVALID, "no command has so many words");
	for (size_t i = 0; i < a->words.n; i++)
		argv[argc++] = (char *)(uintptr_t)a->words.v[i];
	argv[argc++] = (char[]) { "--help" };
	/* The parser finds commands, through aliases and with suggestions. */
	if (cli_parse(argc, argv, &p, e) < 0) {
		cli_parsed_fini(&p);
		return -1;
	}
	cli_help(p.path, false, c->color_out, c->width, &b);
	cli_parsed_fini(&p);
	return cli_out(c, &b, e);
}

const struct cli_cmd cmd_help = {
	.path = "help",
	.summary = "Show help for a command",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
