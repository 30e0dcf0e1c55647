/* openshell: the command line. */
#include "cli/cli.h"

int
main(int argc, char *argv[])
{
	struct cli c;

	cli_init(&c);
	return cli_main(&c, argc, argv);
}
