/*
 * identity_proc: what /proc and the socket tables say about one connection.
 * Private to identity.
 */
#ifndef SANDBOX_IDENTITY_PROC_H
#define SANDBOX_IDENTITY_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/netmsg.h"

enum {
	ID_OWNERS_MAX = 8, /* programs sharing one socket */
	ID_ANCESTORS_MAX = 64, /* then the chain is cut */
	ID_FDS_MAX = 200000, /* descriptors looked at for one question */
	ID_BYTES_MAX = 256 << 20, /* of environments, likewise */
	/* A few tenths of a millisecond: what the loop may spend itself. */
	ID_QUICK_FDS = 512,
	ID_QUICK_BYTES = 128 << 10
};

/* A file as its content is known by. */
struct id_file {
	uint64_t dev, ino, size;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};

/* The program of one process. */
struct id_prog {
	char path[NET_PATH_MAX];
	int fd; /* the very file that is mapped; -1 once released */
	struct id_file file;
};

struct id_owner {
	struct id_prog self;
	struct id_prog *ancestors; /* nearest first */
	unsigned n_ancestors;
	bool cut; /* there were more */
	uint32_t pid;
	uint64_t starttime;
	char cmdline[256];
	char reason[256]; /* "": known */
};

struct id_found {
	struct id_owner *owners;
	unsigned n;
	char reason[256]; /* "": known */
};

/*
 * Inode of the sandbox's socket with exactly this tuple; 0 when there is none.
 * One netlink round trip, which the kernel answers at once (3 us): may run on
 * the loop.
 */
uint64_t id_inode_diag(int diag, const struct net_who *who);
/* The same of TCP from /proc/1/net/tcp and tcp6, without sock_diag. */
uint64_t id_inode_proc(int proc, const struct net_who *who);

/*
 * Every process that holds socket `inode`.  Takes as long as the sandbox has
 * processes and descriptors: for a worker.
 */
void id_find(int proc, uint64_t inode, struct id_found *out);
/*
 * The same, complete or not at all: false, and nothing in *out, when there is
 * more to look at than ID_QUICK_*.  Nothing in a sandbox can make it wait: the
 * kernel reads environments from anonymous memory only (FOLL_ANON, 4.17), and
 * userfaultfd(2) is refused there.
 */
bool id_find_quick(int proc, uint64_t inode, struct id_found *out) MUST_USE;
void id_found_fini(struct id_found *f);

/* fstat of fd as an id_file; false when it is no regular file. */
bool id_file_of(int fd, struct id_file *out);

#endif
