#include "proxy/load.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"

enum { REASON_MAX = 900 };

/*
 * A memfd's contents from its start, wherever its writer left the offset.
 * Without fstat(2): the C library may make it a newfstatat(2), which the
 * seccomp table refuses because it takes paths.
 */
static int
read_text(int fd, size_t max, struct buf *out, struct err *e)
{
	enum { PIECE = 65536 };

	*out = BUF_INIT(max + 1);
	for (;;) {
		ssize_t n;

		if (out->n > max ||
		    !buf_reserve(out, MIN((size_t)PIECE, max + 1 - out->n)))
			return err_set(
			    e, ERR_LIMIT, "longer than %zu bytes", max);
		n = pread(fd, out->p + out->n,
		    MIN((size_t)PIECE, max + 1 - out->n), (off_t)out->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			return 0;
		out->n += (size_t)n;
	}
}

/* "path NUL target NUL" ... as ctl wrote it. */
static int
split_links(struct view text, struct policy_link **out, size_t *n)
{
	size_t ends = 0;

	for (size_t i = 0; i < text.n; i++)
		ends += text.p[i] == '\0';
	if (ends % 2 != 0 || (text.n > 0 && text.p[text.n - 1] != '\0'))
		return -1;
	*n = ends / 2;
	*out = mem_calloc(*n + 1, sizeof(**out));
	for (size_t i = 0; i < *n; i++) {
		(*out)[i].path = view_cut(text, '\0', &text);
		(*out)[i].target = view_cut(text, '\0', &text);
	}
	return 0;
}

static int
compile(const struct px *px, const struct policy *p, uint64_t generation,
    struct view links, struct snapshot **out, struct err *e)
{
	AUTO_FREE struct policy_link *v = NULL;
	size_t n = 0;

	if (split_links(links, &v, &n) < 0)
		return err_set(e, ERR_PROTO, "ctl: malformed links");
	return snapshot_new_with(p, generation,
	    &(const struct snapshot_options) {
		.links = v, .n_links = n, .any_binary = px->any_binary },
	    out, e);
}

int
load_policy(struct px *px, int fd, uint64_t generation, struct snapshot **out,
    struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(0);
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	AUTO_BUF struct buf said = BUF_INIT(REASON_MAX);

	if (read_text(fd, POLICY_TEXT_MAX, &text, e) < 0)
		return err_wrap(e, "read the policy");
	if (policy_parse(buf_view(&text), &p, &found) < 0) {
		policy_findings_print(&found, "policy", &said);
		return err_set(e, ERR_INVALID, "%s", buf_str(&said));
	}
	return compile(px, p, generation, buf_view(&px->links), out, e);
}

int
load_links(struct px *px, int fd, size_t n, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(0);
	struct snapshot *s;

	if (read_text(fd, NET_LINKS_MAX, &text, e) < 0)
		return err_wrap(e, "read the links");
	if (text.n != n)
		return err_set(e, ERR_PROTO, "ctl: links are cut");
	if (compile(px, snapshot_policy(px->snap), px->generation,
		buf_view(&text), &s, e) < 0)
		return -1;
	buf_fini(&px->links);
	px->links = text;
	text = BUF_INIT(0);
	snapshot_unref(px->snap);
	px->snap = s;
	/* More policies may be about a program: the stricter of them counts. */
	px_rejudge(px);
	return 0;
}
