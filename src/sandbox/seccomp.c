/*
 * seccomp: filter assembler.
 *
 * The numbers of the table cut the number line into segments, each with one
 * outcome: allow (the gaps), refuse with an errno, or a block of code that
 * looks at arguments.  A balanced tree of >= comparisons finds the segment, so
 * any call costs about eight jumps.  On x86-64 the last segment, from
 * 0x40000000 up, is the x32 ABI, which would miss every number of the table:
 * ENOSYS.
 *
 * Sockets that would go around everything are refused by a second filter that
 * asks (seccomp_unotify(2)): the answer is always no, what is gained is the
 * record.  One filter of init's, which all inherit, so there is one descriptor.
 * Of two filters the stricter result counts, and an errno is stricter than a
 * question: so the table lets those two through when they are asked about.
 * Attack: a program adds a filter with a listener of its own that says "go on".
 * The kernel allows one listener to a process (EBUSY), and without it such a
 * filter refuses (ENOSYS); nor would the kernel make either socket without
 * CAP_NET_RAW and with the ping_group_range of a new namespace, which is empty.
 *
 * Only the low 32 bits of arguments are compared, as the kernel takes these
 * arguments as int.  Attack: TIOCSTI with a high bit set passed filters that
 * compared 64 (CVE-2019-10063).
 */
#include "sandbox/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define FOREIGN_ABI UINT32_C(0x40000000) /* x32 */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define FOREIGN_ABI UINT32_C(0xffffffff) /* none */
#else
#error "no system call table for this architecture"
#endif

#define NEW_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
enum {
	NEWTIME = 0x80, /* 5.6; means a signal to clone, not here */
	FASTOPEN_CONNECT = 30, /* TCP_FASTOPEN_CONNECT, 4.11 */
	IOC_STI = 0x5412, /* TIOCSTI */
	IOC_LINUX = 0x541C, /* TIOCLINUX */
	EMPTY_PATH = 0x1000 /* AT_EMPTY_PATH */
};

#define RET_ALLOW SECCOMP_RET_ALLOW
#define RET_ERRNO(n) (SECCOMP_RET_ERRNO | ((n)&SECCOMP_RET_DATA))

#define OP(code, k, t, f) \
	{ \
		(code), (t), (f), (k) \
	}
#define LOAD(at) OP(BPF_LD | BPF_W | BPF_ABS, (at), 0, 0)
/* Low half of an argument; both architectures are little-endian. */
#define ARG(i) LOAD(offsetof(struct seccomp_data, args) + 8 * (i))
#define AND(k) OP(BPF_ALU | BPF_AND | BPF_K, (k), 0, 0)
#define EQ(k, t, f) OP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(k), t, f)
#define GE(k, t, f) OP(BPF_JMP | BPF_JGE | BPF_K, (k), t, f)
#define SET(k, t, f) OP(BPF_JMP | BPF_JSET | BPF_K, (k), t, f)
#define GOTO(k) OP(BPF_JMP | BPF_JA, (k), 0, 0)
#define RET(k) OP(BPF_RET | BPF_K, (k), 0, 0)
#define ALLOW RET(RET_ALLOW)
#define REFUSE RET(RET_ERRNO(EPERM))

/* Blocks: jumps are relative, so each stands alone. */
static const struct sock_filter block_clone[] = { ARG(0),
	SET(NEW_NAMESPACES, 0, 1), REFUSE, ALLOW };
static const struct sock_filter block_unshare[] = { ARG(0),
	SET(NEW_NAMESPACES | NEWTIME, 0, 1), REFUSE, ALLOW };
static const struct sock_filter block_ioctl[] = { ARG(1), EQ(IOC_STI, 1, 0),
	EQ(IOC_LINUX, 0, 1), REFUSE, ALLOW };
/*
 * Families UNIX, INET and INET6, but not raw, and of the internet protocols
 * only TCP and UDP: MPTCP escapes Landlock's port rules, and SCTP, DCCP or
 * ping sockets have no proxy.  NETLINK for rtnetlink (getifaddrs) only.
 * With `asked`, 1 or 0, raw and ping sockets go one further than REFUSE.
 */
#define SOCKET_BLOCK(asked) \
	{ \
		/*  0 */ ARG(0), /*  1 */ EQ(AF_UNIX, 5, 0), \
		    /*  2 */ EQ(AF_INET, 7, 0), /*  3 */ EQ(AF_INET6, 6, 0), \
		    /*  4 */ EQ(AF_NETLINK, 0, 15), /*  5 */ \
		    ARG(2), /* netlink: protocol */ /*  6 */ EQ(0, 14, 13), \
		    /*  7 */ ARG(1), /* unix: type without its flags */ \
		    /*  8 */ AND(0xf), /*  9 */ EQ(SOCK_RAW, 10, 11), /* 10 */ \
		    ARG(1), /* inet: type, then protocol */ /* 11 */ AND(0xf), \
		    /* 12 */ EQ(SOCK_RAW, 7 + (asked), 0), \
		    /* 13 */ EQ(SOCK_PACKET, 6, 0), /* 14 */ ARG(2), \
		    /* 15 */ EQ(0, 5, 0), /* 16 */ EQ(IPPROTO_TCP, 4, 0), \
		    /* 17 */ EQ(IPPROTO_UDP, 3, 0), \
		    /* 18 */ EQ(IPPROTO_ICMP, 1 + (asked), 0), \
		    /* 19 */ EQ(IPPROTO_ICMPV6, (asked), 0), /* 20 */ REFUSE, \
		    /* 21 */ ALLOW, \
	}
static const struct sock_filter block_socket[] = SOCKET_BLOCK(0);
static const struct sock_filter block_asked[] = SOCKET_BLOCK(1);
/* Those two of the internet's families, and nothing else. */
static const struct sock_filter ask[] = {
	/*  0 */ LOAD(offsetof(struct seccomp_data, arch)),
	/*  1 */ EQ(ARCH, 0, 11),
	/*  2 */ LOAD(offsetof(struct seccomp_data, nr)),
	/*  3 */ EQ(__NR_socket, 0, 9),
	/*  4 */ ARG(0),
	/*  5 */ EQ(AF_INET, 1, 0),
	/*  6 */ EQ(AF_INET6, 0, 6),
	/*  7 */ ARG(1),
	/*  8 */ AND(0xf),
	/*  9 */ EQ(SOCK_RAW, 4, 0),
	/* 10 */ ARG(2),
	/* 11 */ EQ(IPPROTO_ICMP, 2, 0),
	/* 12 */ EQ(IPPROTO_ICMPV6, 1, 0),
	/* 13 */ ALLOW,
	/* 14 */ RET(SECCOMP_RET_USER_NOTIF),
};
static const struct sock_filter block_socketpair[] = { ARG(0),
	EQ(AF_UNIX, 1, 0), REFUSE, ALLOW };
static const struct sock_filter block_flags2[] = { ARG(2),
	SET(MSG_FASTOPEN, 0, 1), REFUSE, ALLOW };
static const struct sock_filter block_flags3[] = { ARG(3),
	SET(MSG_FASTOPEN, 0, 1), REFUSE, ALLOW };
static const struct sock_filter block_setsockopt[] = { ARG(1),
	EQ(IPPROTO_TCP, 0, 3), ARG(2), EQ(FASTOPEN_CONNECT, 0, 1), REFUSE,
	ALLOW };
static const struct sock_filter block_personality[] = { ARG(0), EQ(0, 5, 0),
	EQ(8, 4, 0), EQ(0x20000, 3, 0), EQ(0x20008, 2, 0), EQ(0xffffffff, 1, 0),
	REFUSE, ALLOW };
/* fexecve of a memfd: a program without a path has no identity. */
static const struct sock_filter block_execveat[] = { ARG(4),
	SET(EMPTY_PATH, 0, 1), REFUSE, ALLOW };

/* The bits are put in by seccomp_build, which knows them. */
enum { MODE_BITS = S_ISUID };
#define SUID_BLOCK(i) \
	{ \
		ARG(i), SET(MODE_BITS, 0, 1), REFUSE, ALLOW \
	}
static const struct sock_filter block_suid1[] = SUID_BLOCK(1);
static const struct sock_filter block_suid2[] = SUID_BLOCK(2);
static const struct sock_filter block_suid3[] = SUID_BLOCK(3);

struct block {
	const struct sock_filter *insn;
	size_t n;
};

enum block_id {
	B_NONE,
	B_clone,
	B_unshare,
	B_ioctl,
	B_socket,
	B_asked,
	B_socketpair,
	B_flags2,
	B_flags3,
	B_setsockopt,
	B_personality,
	B_execveat,
	B_suid1,
	B_suid2,
	B_suid3,
	B_COUNT
};

#define BLOCK(name) [B_##name] = { block_##name, ARRAY_LEN(block_##name) }
static const struct block blocks[B_COUNT] = {
	BLOCK(clone),
	BLOCK(unshare),
	BLOCK(ioctl),
	BLOCK(socket),
	BLOCK(asked),
	BLOCK(socketpair),
	BLOCK(flags2),
	BLOCK(flags3),
	BLOCK(setsockopt),
	BLOCK(personality),
	BLOCK(execveat),
	BLOCK(suid1),
	BLOCK(suid2),
	BLOCK(suid3),
};

/* Either an errno or a block; neither: allow. */
struct rule {
	uint32_t nr;
	int refuse;
	enum block_id block;
};

#define DENY(call, err) { __NR_##call, (err), B_NONE },
#define DENY_NR(nr, err) { (nr), (err), B_NONE },
#define CHECK(call, what) { __NR_##call, 0, B_##what },
#define CHECK_NR(nr, what) { (nr), 0, B_##what },
static const struct rule table[] = {
#include "sandbox/seccomp_rules.def"
};
#undef DENY
#undef DENY_NR
#undef CHECK
#undef CHECK_NR

struct segment {
	uint32_t from; /* up to the next one's from */
	struct rule r;
};

enum { SEGMENTS_MAX = 2 * ARRAY_LEN(table) + 2 };

struct assembler {
	struct seccomp_prog *p;
	struct segment seg[SEGMENTS_MAX];
	size_t n;
	/* Leaves that go to a block, to be aimed once blocks have a place. */
	struct {
		size_t at;
		enum block_id block;
	} aim[ARRAY_LEN(table)];
	size_t n_aim;
};

static int
by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct rule *)a)->nr;
	uint32_t y = ((const struct rule *)b)->nr;

	return x < y ? -1 : x > y;
}

static void
cut(struct assembler *a)
{
	struct rule sorted[ARRAY_LEN(table)];
	uint32_t next = 0;

	memcpy(sorted, table, sizeof(table));
	qsort(sorted, ARRAY_LEN(sorted), sizeof(sorted[0]), by_number);
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		if (sorted[i].nr > next || i == 0)
			a->seg[a->n++] = (struct segment) { .from = next };
		assert(i == 0 || sorted[i].nr != sorted[i - 1].nr);
		a->seg[a->n++] = (struct segment) { sorted[i].nr, sorted[i] };
		next = sorted[i].nr + 1;
	}
	a->seg[a->n++] = (struct segment) { .from = next };
	a->seg[a->n++] = (struct segment) { FOREIGN_ABI, { .refuse = ENOSYS } };
}

static size_t
emit(struct assembler *a, struct sock_filter insn)
{
	assert(a->p->n < SECCOMP_INSNS_MAX);
	a->p->insn[a->p->n] = insn;
	return a->p->n++;
}

static void
tree(struct assembler *a, size_t lo, size_t hi)
{
	size_t mid, jump, far;

	if (hi - lo == 1) {
		const struct rule *r = &a->seg[lo].r;

		if (r->block != B_NONE) {
			a->aim[a->n_aim].block = r->block;
			a->aim[a->n_aim++].at =
			    emit(a, (struct sock_filter)GOTO(0));
		} else {
			(void)emit(a,
			    (struct sock_filter)RET(
				r->refuse != 0 ? RET_ERRNO((uint32_t)r->refuse)
					       : RET_ALLOW));
		}
		return;
	}
	mid = lo + (hi - lo) / 2;
	/* A conditional jump spans 255 at most, so a long one helps it. */
	jump = emit(a, (struct sock_filter)GE(a->seg[mid].from, 0, 1));
	far = emit(a, (struct sock_filter)GOTO(0));
	tree(a, lo, mid);
	a->p->insn[far].k = (uint32_t)(a->p->n - far - 1);
	assert(jump + 1 == far);
	tree(a, mid, hi);
}

static struct sock_filter
with_bits(enum block_id b, struct sock_filter insn, unsigned bits)
{
	if (b >= B_suid1 && b <= B_suid3 &&
	    insn.code == (BPF_JMP | BPF_JSET | BPF_K))
		insn.k = bits;
	return insn;
}

void
seccomp_build(struct seccomp_prog *p, unsigned bits, bool asked)
{
	struct assembler a = { .p = p };
	size_t at[B_COUNT] = { 0 };

	p->n = 0;
	cut(&a);
	(void)emit(
	    &a, (struct sock_filter)LOAD(offsetof(struct seccomp_data, arch)));
	(void)emit(&a, (struct sock_filter)EQ(ARCH, 1, 0));
	(void)emit(&a, (struct sock_filter)RET(SECCOMP_RET_KILL_PROCESS));
	(void)emit(
	    &a, (struct sock_filter)LOAD(offsetof(struct seccomp_data, nr)));
	tree(&a, 0, a.n);
	for (size_t b = B_NONE + 1; b < B_COUNT; b++) {
		at[b] = p->n;
		for (size_t i = 0; i < blocks[b].n; i++)
			(void)emit(&a, with_bits((enum block_id)b,
					   blocks[b].insn[i], bits));
	}
	for (size_t i = 0; i < a.n_aim; i++) {
		bool other = asked && a.aim[i].block == B_socket;
		size_t to = at[other ? B_asked : a.aim[i].block];

		p->insn[a.aim[i].at].k = (uint32_t)(to - a.aim[i].at - 1);
	}
}

int
seccomp_enter(const struct seccomp_prog *p)
{
	struct sock_fprog prog = { p->n,
		(struct sock_filter *)(uintptr_t)p->insn };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/* --- what is asked ------------------------------------------------------- */

void
seccomp_ask(struct seccomp_prog *p)
{
	memcpy(p->insn, ask, sizeof(ask));
	p->n = ARRAY_LEN(ask);
}

int
seccomp_listen(const struct seccomp_prog *p)
{
	struct sock_fprog prog = { p->n,
		(struct sock_filter *)(uintptr_t)p->insn };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/*
 * The kernel writes its own size of the struct, which may have grown, and
 * wants zeros there.
 */
int
seccomp_next(int fd, struct seccomp_question *out)
{
	union {
		struct seccomp_notif n;
		char room[1024];
	} got = { .room = "" };

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &got.n) < 0)
		return -1;
	*out = (struct seccomp_question) {
		.id = got.n.id,
		.thread = got.n.pid,
		.family = (int)got.n.data.args[0],
		.type = (int)got.n.data.args[1] & 0xf,
		.protocol = (int)got.n.data.args[2],
	};
	return 0;
}

void
seccomp_refuse(int fd, const struct seccomp_question *q)
{
	union {
		struct seccomp_notif_resp r;
		char room[1024];
	} say = { .r = { .id = q->id, .error = -EPERM } };

	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &say.r);
}

bool
seccomp_waits(int fd, const struct seccomp_question *q)
{
	uint64_t id = q->id;

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}
