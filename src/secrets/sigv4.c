#include "secrets/sigv4.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"
#include "codec/sha256.h"
#include "secrets/impl.h"

enum { CANONICAL_MAX = 1 << 17, PAIRS_MAX = 512 };

static bool
is_in(struct view name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq_nocase(name, view_of(names[i])))
			return true;
	return false;
}

bool
sigv4_dropped(struct view name)
{
	static const char *const names[] = { "authorization", "x-amz-date",
		"x-amz-security-token", "x-amz-content-sha256", "expect" };

	return is_in(name, names, ARRAY_LEN(names));
}

bool
sigv4_signed(struct view name)
{
	static const char *const names[] = { "connection", "accept-encoding",
		"transfer-encoding", "content-length", "user-agent" };
	struct view sdk = VIEW("amz-sdk-");

	return !is_in(name, names, ARRAY_LEN(names)) &&
	       !view_eq_nocase(view_slice(name, 0, sdk.n), sdk);
}

void
sigv4_date(int64_t unix_seconds, char out[SIGV4_DATE])
{
	time_t t = (time_t)unix_seconds;
	struct tm tm = { 0 };

	(void)gmtime_r(&t, &tm);
	if (strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		out[0] = '\0';
}

/* --- region --------------------------------------------------------------- */

/* "us-east-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1". */
static bool
is_region(struct view v)
{
	size_t hyphens = 0;

	if (v.n < 8 || v.n >= SIGV4_REGION || v.p[2] != '-' ||
	    v.p[v.n - 1] < '0' || v.p[v.n - 1] > '9')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		bool digit = v.p[i] >= '0' && v.p[i] <= '9';

		hyphens += v.p[i] == '-';
		if (!(v.p[i] == '-' || (v.p[i] >= 'a' && v.p[i] <= 'z') ||
			(digit && hyphens >= 2)))
			return false;
	}
	return hyphens >= 2;
}

void
sigv4_region(struct view host, char out[SIGV4_REGION])
{
	struct view rest = host, found = { 0 };

	while (rest.p != NULL) {
		struct view label = view_cut(rest, '.', &rest);

		/* The last: a bucket may be called like a region. */
		if (is_region(label))
			found = label;
	}
	if (found.p == NULL)
		found = view_ends(host, VIEW(".amazonaws.com.cn"))
			    ? VIEW("cn-north-1")
			    : VIEW("us-east-1");
	(void)snprintf(out, SIGV4_REGION, "%.*s", (int)found.n, found.p);
}

/* --- canonical request ---------------------------------------------------- */

/* Others than S3 encode the path that is sent once more. */
static void
put_path(const struct sigv4 *s, struct buf *out)
{
	struct view rest = s->path;
	bool once = view_eq(s->service, VIEW("s3"));
	bool first = true;

	while (rest.p != NULL) {
		struct view segment = view_cut(rest, '/', &rest);
		AUTO_BUF struct buf plain = BUF_INIT(segment.n);

		if (!first)
			buf_putc(out, '/');
		first = false;
		if (once)
			pct_decode(segment, false, &plain);
		else
			buf_put(&plain, segment);
		pct_encode(buf_view(&plain), PCT_UNRESERVED, out);
	}
	buf_putc(out, '\n');
}

struct pair {
	struct view name, value; /* encoded */
};

static int
by_name(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int r = view_cmp(x->name, y->name);

	return r != 0 ? r : view_cmp(x->value, y->value);
}

/* Decoded, and encoded again in the one way; a view into `store`. */
static struct view
again(struct view v, struct buf *store)
{
	AUTO_BUF struct buf plain = BUF_INIT(v.n);
	size_t from = store->n;

	pct_decode(v, true, &plain);
	pct_encode(buf_view(&plain), PCT_UNRESERVED, store);
	return view_slice(buf_view(store), from, store->n);
}

static int
put_query(const struct sigv4 *s, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf store = BUF_INIT(3 * s->query.n + 1);
	AUTO_FREE struct pair *v = mem_calloc(PAIRS_MAX, sizeof(*v));
	struct view rest = s->query, value;
	size_t n = 0;

	(void)buf_reserve(&store, 3 * s->query.n + 1); /* views stay */
	while (rest.n > 0) {
		struct view piece = view_cut(rest, '&', &rest);

		if (piece.n == 0)
			continue;
		if (n == PAIRS_MAX)
			return err_set(e, ERR_LIMIT,
			    "too many query parameters to be signed");
		v[n].name = again(view_cut(piece, '=', &value), &store);
		v[n++].value = again(value, &store);
	}
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, '&');
		buf_put(out, v[i].name);
		buf_putc(out, '=');
		buf_put(out, v[i].value);
	}
	buf_putc(out, '\n');
	return 0;
}

static void
put_lower(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++)
		buf_putc(out, v.p[i] >= 'A' && v.p[i] <= 'Z'
				  ? (char)(v.p[i] | 0x20)
				  : v.p[i]);
}

/* Without blanks at the ends, and one blank for several. */
static void
put_value(struct view v, struct buf *out)
{
	v = view_trim(v);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != ' ' || v.p[i - 1] != ' ')
			buf_putc(out, v.p[i]);
}

/* The order of the lower-case names; of one name, that of the message. */
static int
by_field(const void *a, const void *b)
{
	const struct sigv4_field *x = *(const struct sigv4_field *const *)a;
	const struct sigv4_field *y = *(const struct sigv4_field *const *)b;

	for (size_t i = 0; i < MIN(x->name.n, y->name.n); i++) {
		int l = x->name.p[i], r = y->name.p[i];

		l |= l >= 'A' && l <= 'Z' ? 0x20 : 0;
		r |= r >= 'A' && r <= 'Z' ? 0x20 : 0;
		if (l != r)
			return l - r;
	}
	if (x->name.n != y->name.n)
		return x->name.n < y->name.n ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void
put_fields(
    const struct sigv4_field **v, size_t n, struct buf *out, struct buf *names)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && view_eq_nocase(v[i]->name, v[i - 1]->name)) {
			buf_putc(out, ',');
			put_value(v[i]->value, out);
			continue;
		}
		if (i > 0) {
			buf_putc(out, '\n');
			buf_putc(names, ';');
		}
		put_lower(v[i]->name, out);
		buf_putc(out, ':');
		put_value(v[i]->value, out);
		put_lower(v[i]->name, names);
	}
	buf_puts(out, "\n\n");
}

static int
canonical(
    const struct sigv4 *s, struct buf *out, struct buf *names, struct err *e)
{
	const struct sigv4_field *v[SIGV4_FIELDS_MAX];

	if (s->n_fields > SIGV4_FIELDS_MAX)
		return err_set(e, ERR_LIMIT, "too many fields to be signed");
	for (size_t i = 0; i < s->n_fields; i++)
		v[i] = &s->fields[i];
	qsort(v, s->n_fields, sizeof(v[0]), by_field);
	buf_put(out, s->method);
	buf_putc(out, '\n');
	put_path(s, out);
	if (put_query(s, out, e) < 0)
		return -1;
	put_fields(v, s->n_fields, out, names);
	buf_put(out, buf_view(names));
	buf_putc(out, '\n');
	buf_put(out, s->payload);
	return out->full ? err_set(e, ERR_LIMIT,
			       "the request is too long to be signed")
			 : 0;
}

/* --- signature ------------------------------------------------------------ */

static int
hmac(const void *key, size_t key_n, struct view text,
    unsigned char out[SHA256_SIZE], struct err *e)
{
	unsigned n = SHA256_SIZE;

	if (HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text.p,
		text.n, out, &n) == NULL)
		return err_set(e, ERR_INTERNAL, "HMAC failed");
	return 0;
}

static int
signing_key(
    const struct sigv4 *s, unsigned char key[SHA256_SIZE], struct err *e)
{
	const struct view parts[] = { { s->date, 8 }, s->region, s->service,
		VIEW("aws4_request") };
	AUTO_RW_OUT struct buf first = BUF_INIT(0);
	int r = 0;

	rw_out_init(&first, s->secret.n + 4);
	buf_puts(&first, "AWS4");
	buf_put(&first, s->secret);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = i == 0 ? hmac(first.p, first.n, parts[i], key, e)
			   : hmac(key, SHA256_SIZE, parts[i], key, e);
	return r;
}

int
sigv4_sign(const struct sigv4 *s, struct buf *authorization, struct err *e)
{
	AUTO_RW_OUT struct buf request = BUF_INIT(0);
	AUTO_RW_OUT struct buf names = BUF_INIT(CANONICAL_MAX);
	AUTO_BUF struct buf scope = BUF_INIT(512), text = BUF_INIT(1024);
	unsigned char key[SHA256_SIZE], mac[SHA256_SIZE];
	char digest[SHA256_HEX], signature[SHA256_HEX];
	int r;

	rw_out_init(&request, CANONICAL_MAX);
	if (canonical(s, &request, &names, e) < 0)
		return -1;
	sha256_hex(buf_view(&request), digest);
	buf_printf(&scope, "%.8s/", s->date);
	buf_put(&scope, s->region);
	buf_putc(&scope, '/');
	buf_put(&scope, s->service);
	buf_puts(&scope, "/aws4_request");
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n", s->date);
	buf_put(&text, buf_view(&scope));
	buf_printf(&text, "\n%s", digest);
	r = signing_key(s, key, e);
	if (r == 0)
		r = hmac(key, sizeof(key), buf_view(&text), mac, e);
	mem_wipe(key, sizeof(key));
	if (r < 0)
		return -1;
	sha256_text(mac, signature);
	buf_puts(authorization, "AWS4-HMAC-SHA256 Credential=");
	buf_put(authorization, s->access);
	buf_putc(authorization, '/');
	buf_put(authorization, buf_view(&scope));
	buf_puts(authorization, ", SignedHeaders=");
	buf_put(authorization, buf_view(&names));
	buf_printf(authorization, ", Signature=%s", signature);
	return authorization->full
		   ? err_set(e, ERR_LIMIT, "the signature does not fit")
		   : 0;
}
