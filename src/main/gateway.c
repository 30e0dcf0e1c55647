/* openshell-gateway: the control plane of one user's sandboxes. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "gateway/serve.h"
#include "minter/minter.h"
#include "secrets/locked.h"
#include "vetter/vetter.h"

/* What was asked is wrong (2), or it could not be done (1). */
static int
fail(const struct err *e, int status)
{
	AUTO_BUF struct buf b = BUF_INIT(4 * sizeof(e->text));
	struct view rest = view_of(e->text), line;

	buf_puts(&b, "Error: ");
	for (;;) {
		line = view_cut(rest, '\n', &rest);
		buf_put_escaped(&b, line);
		if (rest.p == NULL)
			break;
		buf_puts(&b, "\n  ");
	}
	(void)fprintf(stderr, "%s\n", buf_str(&b));
	return status;
}

int
main(int argc, char *argv[])
{
	AUTO_BUF struct buf say = BUF_INIT(8192);
	struct options o;
	struct err e = { 0 };
	int status = 0;

	locked_process();
	/* What the gateway itself starts (job_run.h); no words for a person. */
	if (argc == 2 && strcmp(argv[1], "mint") == 0)
		return minter_main();
	if (argc == 2 && strcmp(argv[1], "vet") == 0)
		return vetter_main();
	if (options_parse(&o, argc, argv, &e) < 0) {
		status = fail(&e, 2);
	} else if (o.help) {
		options_usage(&say);
		status = fputs(buf_str(&say), stdout) < 0;
	} else if (o.version) {
		status = puts("openshell-gateway " OPENSHELL_VERSION) < 0;
	} else {
		bool go = options_confirm(&o, &say);

		(void)fputs(buf_str(&say), stderr);
		status = !go;
		if (go && serve_run(&o, &e) < 0)
			status = fail(&e, 1);
	}
	options_fini(&o);
	return status;
}
