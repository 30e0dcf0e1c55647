/*
 * capture: connections that ignored the proxy.  nftables in the sandbox sends
 * them here; they are attributed, recorded with what they wanted, and reset at
 * once, so that the program fails now and not after a timeout.
 *
 * Every distinct (program, address, port) is recorded; repeats of a flood are
 * counted and told with the next record of that pair, at most one a second.
 */
#include "proxy/px.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"

/* linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h */
enum { ORIGINAL_DST = 80 };
enum { SEEN_MAX = 4096, REPEAT_MS = 1000 };

struct capture_seen {
	struct {
		uint64_t key, told;
		uint32_t held;
	} v[SEEN_MAX];
};

void
capture_seen_free(struct capture_seen *s)
{
	free(s);
}

int
capture_original(int fd, struct addr *out, uint16_t *port, struct err *e)
{
	struct sockaddr_storage to;
	socklen_t n = sizeof(to);

	memset(&to, 0, sizeof(to));
	if (getsockopt(fd, IPPROTO_IP, ORIGINAL_DST, &to, &n) < 0) {
		n = sizeof(to);
		if (getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DST, &to, &n) < 0)
			return err_sys(e, "original destination");
	}
	if (!addr_from_sockaddr((struct sockaddr *)&to, out, port))
		return err_set(e, ERR_INVALID, "original destination unknown");
	return 0;
}

/* FNV-1a; collisions only make two pairs share the once-a-second record
 * after both differ in `key` for their slot, which shows the newer one. */
static uint64_t
pair_key(struct px_conn *c)
{
	uint64_t h = 1469598103934665603ULL;
	struct view parts[] = { px_binary(c), view_of(c->dst.host),
		{ (const char *)&c->dst.port, sizeof(c->dst.port) } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t j = 0; j < parts[i].n; j++) {
			h ^= (unsigned char)parts[i].p[j];
			h *= 1099511628211ULL;
		}
	return h | 1;
}

/* Whether to record now; *held repeats were not. */
static bool
tell(struct px_conn *c, uint32_t *held)
{
	struct px *px = c->px;
	uint64_t key = pair_key(c), now = uv_now(&px->loop);
	unsigned i;

	if (px->seen == NULL)
		px->seen = NEW(struct capture_seen);
	i = key % SEEN_MAX;
	*held = 0;
	if (px->seen->v[i].key == key) {
		if (now - px->seen->v[i].told < REPEAT_MS) {
			px->seen->v[i].held++;
			return false;
		}
		*held = px->seen->v[i].held;
	}
	px->seen->v[i].key = key;
	px->seen->v[i].told = now;
	px->seen->v[i].held = 0;
	return true;
}

static void
report(struct px_conn *c)
{
	char reason[640];
	uint32_t held;

	if (!tell(c, &held))
		return;
	(void)snprintf(reason, sizeof(reason),
	    "direct connection bypassed HTTP CONNECT proxy; set HTTPS_PROXY="
	    "http://%s:%u in the program's environment",
	    c->px->proxy_addr, c->px->proxy_port);
	if (c->identity_err.code != ERR_NONE)
		(void)snprintf(reason + strlen(reason),
		    sizeof(reason) - strlen(reason),
		    "; program unknown: %.200s", c->identity_err.text);
	if (held > 0)
		(void)snprintf(reason + strlen(reason),
		    sizeof(reason) - strlen(reason), "; %u like it", held);
	px_event(
	    c, AUDIT_BYPASS, AUDIT_DENY, "bypass", view_of(reason), VIEW(""));
}

enum px_next
px_captured(struct px_conn *c)
{
	struct err e;

	if (!c->identity_known) {
		if (capture_original(
			c->client.fd, &c->chosen, &c->dst.port, &e) == 0)
			(void)addr_format(&c->chosen, c->dst.host);
		else
			(void)snprintf(c->dst.host, sizeof(c->dst.host), "-");
		px_go(c, PX_IDENTIFY);
		return PX_MORE;
	}
	px_pin(c);
	report(c);
	px_close(c, true);
	return PX_WAIT;
}
