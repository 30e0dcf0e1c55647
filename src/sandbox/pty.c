#include "sandbox/pty.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

int
pty_resize(int master, uint16_t rows, uint16_t cols, struct err *e)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	if (ioctl(master, TIOCSWINSZ, &ws) < 0)
		return err_sys(e, "set window size");
	return 0;
}

int
pty_open(uint16_t rows, uint16_t cols, int *master, int *slave, struct err *e)
{
	AUTO_CLOSE int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int s = -1;

	if (m < 0)
		return err_sys(e, "open /dev/ptmx");
	if (unlockpt(m) < 0)
		return err_sys(e, "unlock terminal");
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s < 0)
		return err_sys(e, "open terminal");
	if (rows > 0 && cols > 0 && pty_resize(m, rows, cols, e) < 0)
		return -1;
	*master = take_fd(m);
	*slave = take_fd(s);
	return 0;
}
