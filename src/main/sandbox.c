/* openshell-sandbox: the supervisor of one sandbox. */
#include <stdio.h>
#include <string.h>

#include "keeper/keeper.h"
#include "proxy/net_main.h"
#include "sandbox/ctl.h"

static const char usage[] =
    "usage: openshell-sandbox ctl | keep DIR | --version | --help\n"
    "\n"
    "The supervisor of one sandbox.  openshell starts it; a person has no use\n"
    "for it alone.  `ctl` expects the session with its owner as descriptor "
    "3;\n`keep` owns one for a gateway, which made DIR.\n";

int
main(int argc, char *argv[])
{
	const char *word = argc == 2 ? argv[1] : "";

	if (argc == 3 && strcmp(argv[1], "keep") == 0)
		return keeper_main(argv[2]);
	if (strcmp(word, "ctl") == 0)
		return ctl_main(net_main);
	if (strcmp(word, "--version") == 0)
		return puts("openshell-sandbox " OPENSHELL_VERSION) < 0;
	if (strcmp(word, "--help") == 0)
		return fputs(usage, stdout) < 0;
	(void)fputs(usage, stderr);
	return 2;
}
