/*
 * identity: which programs hold the other end of a connection to the proxy.
 *
 * Attribution and least privilege, not a barrier between programs of one
 * sandbox, which share a uid: who may write into another's memory may speak
 * in its name (ptrace is denied by seccomp for that reason).
 */
#ifndef SANDBOX_IDENTITY_H
#define SANDBOX_IDENTITY_H

#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "sandbox/netmsg.h"

struct identity;

/*
 * One answer; of a socket with several owners the calls follow each other with
 * `more` set on all but the last.  Only hdr is unset.
 */
typedef void identity_answer_fn(void *ctx, const struct net_identity *m);

/*
 * `diag`: a NETLINK_SOCK_DIAG socket of the sandbox's network namespace, -1
 * when there is none; `proc`: a directory descriptor of its /proc.  Both stay
 * the caller's and outlive it.
 */
struct identity *identity_new(uv_loop_t *loop, int diag, int proc,
    identity_answer_fn *answer, void *ctx) MUST_USE;
/*
 * Answers at once, when what is asked is known and little, or later; files are
 * hashed by workers, and they read /proc where there is much of it.
 */
void identity_ask(struct identity *id, const struct net_who *who);
/*
 * Hashes a file now that is likely to be asked about: agents are programs of
 * hundreds of megabytes.  Fills the digests, gives no trust.  Takes fd.
 */
void identity_warm(struct identity *id, int fd);
/* Questions not answered yet. */
unsigned identity_pending(const struct identity *id);
/* Files hashed so far (for tests: what is unchanged is hashed once). */
unsigned identity_hashed(const struct identity *id);
/* Nothing may be pending. */
void identity_free(struct identity *id);

#endif
