/*
 * linux_new: what newer kernels have and the headers we build with may lack.
 * Each is tried at run time, never assumed.
 */
#ifndef SANDBOX_LINUX_NEW_H
#define SANDBOX_LINUX_NEW_H

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000 /* 5.2 */
#endif

/* Landlock, landlock(7): ABI 3 (6.2), 5 (6.10), 6 (6.12). */
#define LL_FS_TRUNCATE (UINT64_C(1) << 14)
#define LL_FS_IOCTL_DEV (UINT64_C(1) << 15)
#define LL_SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0)
#define LL_SCOPE_SIGNAL (UINT64_C(1) << 1)
struct ll_ruleset_attr {
	uint64_t fs, net, scoped;
};

static inline int
sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
		.resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

#endif
