#include "audit/chain.h"

#include "audit/seal.h"
#include "base/mem.h"

#define SEQ ",\"seq\":"
#define PREV ",\"prev\":\""
#define HASH ",\"hash\":\""
#define CLOSE "\"}"

enum { HEX = SHA256_HEX - 1 };

void
audit_head_init(struct audit_head *h)
{
	h->seq = 0;
	memset(h->hash, '0', HEX);
	h->hash[HEX] = '\0';
}

bool
audit_head_eq(const struct audit_head *a, const struct audit_head *b)
{
	return a->seq == b->seq && strcmp(a->hash, b->hash) == 0;
}

static bool
is_hex(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!(v.p[i] >= '0' && v.p[i] <= '9') &&
		    !(v.p[i] >= 'a' && v.p[i] <= 'f'))
			return false;
	return v.n == HEX;
}

int
audit_head_parse(struct view text, struct audit_head *out, struct err *e)
{
	struct view hash, seq = view_cut(text, ':', &hash);
	struct audit_head h;

	if (!view_u64(seq, UINT64_MAX, &h.seq) || !is_hex(hash))
		return err_set(e, ERR_INVALID,
		    "a head is the number of a record, ':' and its hash in 64 "
		    "hex digits");
	memcpy(h.hash, hash.p, HEX);
	h.hash[HEX] = '\0';
	*out = h;
	return 0;
}

/* The line in `body`, that ends in "}\n", as the one after *h. */
static void
seal(struct audit_head *h, struct buf *body, struct buf *out)
{
	char hash[SHA256_HEX];

	body->n -= 2;
	buf_printf(
	    body, SEQ "%llu" PREV "%s\"", (unsigned long long)h->seq, h->hash);
	sha256_hex(buf_view(body), hash);
	buf_put(out, buf_view(body));
	buf_printf(out, HASH "%s" CLOSE "\n", hash);
	memcpy(h->hash, hash, sizeof(hash));
}

void
audit_chain_add(
    struct audit_head *h, const struct audit_event *ev, struct buf *out)
{
	AUTO_BUF struct buf body = BUF_INIT(AUDIT_LINE_MAX);

	audit_event_json(ev, &body);
	h->seq++;
	seal(h, &body, out);
}

static void
digest_torn(struct view torn, char out[SHA256_HEX])
{
	unsigned char digest[SHA256_SIZE];
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, torn);
	sha256_add(&s, VIEW("!"));
	sha256_end(&s, digest);
	sha256_text(digest, out);
}

void
audit_chain_begin(
    struct audit_head *h, const struct audit_begin *b, struct buf *out)
{
	AUTO_BUF struct buf body = BUF_INIT(AUDIT_LINE_MAX);
	char torn[SHA256_HEX] = "";
	struct audit_event ev = {
		.time_ms = b->time_ms,
		.kind = AUDIT_CHAIN,
		.action = AUDIT_INFO,
		.sandbox = b->sandbox,
		.file = b->file,
		.kept = b->kept,
	};

	if (b->torn.n > 0) {
		/* Ended so that it cannot pass for a record. */
		buf_puts(out, "!\n");
		ev.torn = (uint32_t)b->torn.n + 1;
		digest_torn(b->torn, torn);
	}
	ev.sha256 = view_of(torn);
	audit_event_json(&ev, &body);
	if (b->anew)
		h->seq = 0;
	seal(h, &body, out);
}

/* Takes `what` off the end of *v. */
static bool
cut_end(struct view *v, struct view what)
{
	if (!view_ends(*v, what))
		return false;
	v->n -= what.n;
	return true;
}

static bool
cut_hex(struct view *v, struct view *hex)
{
	*hex = view_slice(*v, v->n - MIN(v->n, (size_t)HEX), v->n);
	v->n -= hex->n;
	return is_hex(*hex);
}

static bool
cut_number(struct view *v, uint64_t *out)
{
	size_t at = v->n;
	struct view digits;

	while (at > 0 && v->p[at - 1] >= '0' && v->p[at - 1] <= '9')
		at--;
	digits = view_slice(*v, at, v->n);
	v->n = at;
	return !(digits.n > 1 && digits.p[0] == '0') &&
	       view_u64(digits, UINT64_MAX, out);
}

bool
audit_seal_open(struct view line, struct seal *out)
{
	char hash[SHA256_HEX];
	struct view rest = line, body;

	if (!view_starts(line, VIEW("{")) || !cut_end(&rest, VIEW(CLOSE)) ||
	    !cut_hex(&rest, &out->hash) || !cut_end(&rest, VIEW(HASH)))
		return false;
	body = rest;
	if (!cut_end(&rest, VIEW("\"")) || !cut_hex(&rest, &out->prev) ||
	    !cut_end(&rest, VIEW(PREV)) || !cut_number(&rest, &out->seq) ||
	    !cut_end(&rest, VIEW(SEQ)))
		return false;
	sha256_hex(body, hash);
	return view_eq(out->hash, view_of(hash));
}

int
audit_chain_resume(struct view tail, struct audit_head *out, struct view *torn)
{
	size_t end = tail.n, from;
	struct seal s;

	while (end > 0 && tail.p[end - 1] != '\n')
		end--;
	*torn = view_slice(tail, end, tail.n);
	/* What an interrupted write left may stand before that. */
	for (; end > 0; end = from) {
		from = end - 1;
		while (from > 0 && tail.p[from - 1] != '\n')
			from--;
		if (!audit_seal_open(view_slice(tail, from, end - 1), &s))
			continue;
		out->seq = s.seq;
		memcpy(out->hash, s.hash.p, HEX);
		out->hash[HEX] = '\0';
		return 0;
	}
	return -1;
}

static void
chain_line(struct audit_head *h, struct view line, int64_t now_ms,
    struct buf *out, void (*each)(void *ctx, const struct audit_event *ev),
    void *ctx)
{
	struct audit_record *store = NULL;
	struct audit_event ev;
	char text[sizeof(((struct err *)0)->text)];
	struct err why;

	/* Hostile bytes stand behind it: a bad one costs itself only. */
	if (audit_record_parse(line, &store, &ev, &why) < 0) {
		(void)snprintf(text, sizeof(text),
		    "a record could not be read: %.400s", why.text);
		ev = (struct audit_event) { .time_ms = now_ms,
			.kind = AUDIT_RECORD_REFUSED,
			.action = AUDIT_DENY,
			.stage = VIEW("record"),
			.reason = view_of(text) };
	}
	audit_chain_add(h, &ev, out);
	if (each != NULL)
		each(ctx, &ev);
	audit_record_free(store);
}

void
audit_chain_lines(struct audit_head *h, struct view lines, int64_t now_ms,
    struct buf *out, void (*each)(void *ctx, const struct audit_event *ev),
    void *ctx)
{
	while (lines.n > 0) {
		struct view line = view_cut(lines, '\n', &lines);

		if (line.n > 0)
			chain_line(h, line, now_ms, out, each, ctx);
	}
}
