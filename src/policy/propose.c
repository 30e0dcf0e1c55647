/* propose: see propose.h. */
#include "policy/propose.h"

#include <stdarg.h>

#include "codec/sha256.h"
#include "codec/utf8.h"
#include "policy/learn_impl.h"

enum {
	TEXT_MAX = 4096,
	STEM_MAX = 200, /* of a name, before its end */
	HASH_SHOWN = 8,
	EPHEMERAL = 49152
};

/* What the reference knows by their ports, sandbox.md 11.3. */
static const struct port {
	uint16_t port;
	enum { PLAIN, WEB, DATA } kind; /* DATA: database, cache, queue */
	const char *name;
} ports[] = {
	{ 53, PLAIN, "DNS" },
	{ 80, WEB, "HTTP" },
	{ 443, WEB, "HTTPS" },
	{ 587, PLAIN, "SMTP" },
	{ 993, PLAIN, "IMAP" },
	{ 995, PLAIN, "POP3" },
	{ 2181, PLAIN, "ZooKeeper" },
	{ 3306, DATA, "MySQL" },
	{ 5432, DATA, "PostgreSQL" },
	{ 5672, DATA, "RabbitMQ" },
	{ 6379, DATA, "Redis" },
	{ 6443, WEB, "Kubernetes API" },
	{ 8080, WEB, "HTTP-alt" },
	{ 8443, WEB, "HTTPS-alt" },
	{ 9092, PLAIN, "Kafka" },
	{ 9200, DATA, "Elasticsearch" },
	{ 11211, DATA, "Memcached" },
	{ 27017, DATA, "MongoDB" },
};

static const struct port *
port_of(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		if (ports[i].port == port)
			return &ports[i];
	return NULL;
}

/* A port of something that is known and not HTTP. */
static bool
is_other_protocol(uint16_t port)
{
	const struct port *known = port_of(port);

	return port == 22 || (known != NULL && known->kind != WEB);
}

/* --- hosts -----------------------------------------------------------------
 */

bool
policy_never_proposed(struct view host)
{
	static const struct view never[] = {
		VIEW("localhost"),
		VIEW("metadata"),
		VIEW("metadata.goog"),
		VIEW("metadata.google.internal"),
		VIEW("instance-data"),
		VIEW("instance-data.ec2.internal"),
		VIEW("host.openshell.internal"),
		VIEW("host.containers.internal"),
		VIEW("host.docker.internal"),
		VIEW("inference.local"),
		VIEW("policy.local"),
	};
	static const struct view below = VIEW(".localhost");

	while (view_ends(host, VIEW(".")))
		host.n--;
	if (host.n > below.n &&
	    view_eq_nocase(view_slice(host, host.n - below.n, host.n), below))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (view_eq_nocase(host, never[i]))
			return true;
	return policy_host_never_reached(host);
}

/* --- parts -----------------------------------------------------------------
 */

float
propose_confidence(uint64_t count, uint16_t port, bool address)
{
	int percent = 50;

	if (count >= 10)
		percent += 20;
	else if (count >= 3)
		percent += 10;
	if (port_of(port) != NULL)
		percent += 15;
	if (address)
		percent -= 20;
	return (float)MAX(10, MIN(percent, 95)) / 100;
}

/*
 * What does not stand in a name as it is: then two hosts could have one name,
 * and a digest tells them apart.
 */
static bool
put_stem(struct view host, struct buf *out)
{
	bool whole = host.n <= STEM_MAX;

	for (size_t i = 0; i < MIN(host.n, (size_t)STEM_MAX); i++) {
		char c = host.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (plain)
			buf_putc(out, c);
		else if (c == '.' || c == '-')
			buf_putc(out, '_');
		whole &= plain || c == '.';
	}
	return whole;
}

void
propose_name(struct view host, uint16_t port, struct buf *out)
{
	char hash[SHA256_HEX];
	bool whole;

	buf_puts(out, "allow_");
	whole = put_stem(host, out);
	buf_printf(out, "_%u", port);
	if (whole)
		return;
	sha256_hex(host, hash);
	buf_printf(out, "_%.*s", (int)HASH_SHOWN, hash);
}

void
propose_path(struct view path, struct buf *out)
{
	size_t at = path.n;
	struct view last;

	while (at > 0 && path.p[at - 1] != '/')
		at--;
	last = view_slice(path, at, path.n);
	if (last.n < 2 || !learn_is_ident(last))
		at = path.n;
	learn_put_literal(out, view_slice(path, 0, at));
	if (at < path.n)
		buf_putc(out, '*');
}

/* --- a proposal ------------------------------------------------------------
 */

static bool
is_program(struct view v)
{
	return v.n > 1 && v.n <= PL_PATTERN_MAX && v.p[0] == '/' &&
	       view_find(v, '*') < 0 && !p_has_control(v) && utf8_valid(v);
}

static const char *
check(const struct propose_denial *d, struct p_host *host)
{
	if (!is_program(d->binary))
		return "the program is not known";
	if (d->port == 0 || p_host_normalise(d->host, host) < 0)
		return "the destination is neither a name nor an address";
	if (policy_never_proposed(d->host))
		return "the destination is this machine, link-local or a "
		       "metadata service";
	if (d->requests && d->n == 0)
		return "no rule of methods and paths allows what was asked";
	if (!d->requests && !d->connections)
		return "its address was refused, which no rule about the name "
		       "changes";
	return NULL;
}

static void
add_rule(struct proposal *p, const struct propose_request *r, struct arena *a)
{
	AUTO_BUF struct buf path = BUF_INIT(2 * PL_PATTERN_MAX);

	if (!learn_method_fits(r->method) || !learn_path_fits(r->path))
		return;
	propose_path(r->path, &path);
	for (size_t i = 0; i < p->n_rules; i++)
		if (view_eq(p->rules[i].method, r->method) &&
		    view_eq(p->rules[i].path, buf_view(&path)))
			return;
	if (p->n_rules < PROPOSE_RULES_MAX)
		p->rules[p->n_rules++] =
		    (struct propose_rule) { arena_view(a, r->method),
			    arena_view(a, buf_view(&path)) };
}

static struct view
base_name(struct view path)
{
	size_t at = path.n;

	while (at > 0 && path.p[at - 1] != '/')
		at--;
	return view_slice(path, at, path.n);
}

static void
put_rationale(const struct proposal *p, struct buf *out)
{
	const struct port *known = port_of(p->port);

	buf_puts(out, "Allow ");
	buf_put_escaped(out, base_name(p->binary));
	buf_puts(out, " to connect to ");
	buf_put_escaped(out, p->host);
	buf_printf(out, ":%u", p->port);
	if (known != NULL)
		buf_printf(out, " (%s)", known->name);
	if (p->n_rules == 0) {
		buf_puts(out,
		    p->read_only
			? " with L7 inspection. Only the connection was seen: "
			  "reading is allowed."
			: ". Only the connection was seen: whatever is asked "
			  "on it is allowed.");
		return;
	}
	buf_puts(out, " with L7 inspection. Allowed paths: ");
	for (size_t i = 0; i < p->n_rules; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		buf_put_escaped(out, p->rules[i].method);
		buf_putc(out, ' ');
		buf_put_escaped(out, view_slice(p->rules[i].path, 0, 150));
	}
	buf_putc(out, '.');
}

static PRINTF(2, 3) void note(struct buf *out, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (out->n > 0)
		buf_putc(out, ' ');
	buf_puts(out, text);
}

static void
put_notes(const struct proposal *p, bool address, struct buf *out)
{
	const struct port *known = port_of(p->port);

	if (address)
		note(out, "Some attempts were refused for the address behind "
			  "the name.");
	if (policy_host_internal(p->host))
		note(out, "%.*s is an address of an internal network.",
		    (int)p->host.n, p->host.p);
	if (p->port > EPHEMERAL)
		note(out, "Port %u is of the ephemeral range.", p->port);
	if (known != NULL && known->kind == DATA)
		note(out, "Port %u is that of a data store (%s).", p->port,
		    known->name);
}

const char *
policy_propose(
    const struct propose_denial *d, struct arena *a, struct proposal *out)
{
	AUTO_BUF struct buf name = BUF_INIT(PROPOSE_NAME_MAX),
			    text = BUF_INIT(TEXT_MAX), notes = BUF_INIT(1024);
	struct proposal p = { .port = d->port };
	struct p_host host;
	const char *why = check(d, &host);

	if (why != NULL)
		return why;
	p.host = arena_view(a, (struct view) { host.text, host.n });
	p.binary = arena_view(a, d->binary);
	for (size_t i = 0; i < d->n; i++)
		add_rule(&p, &d->v[i], a);
	if (d->requests && p.n_rules == 0)
		return "no rule can name the methods and paths";
	p.read_only = p.n_rules == 0 && !is_other_protocol(d->port);
	propose_name(p.host, p.port, &name);
	p.name = arena_view(a, buf_view(&name));
	p.confidence = propose_confidence(d->count, d->port, d->address);
	put_rationale(&p, &text);
	p.rationale = arena_view(a, buf_view(&text));
	put_notes(&p, d->address, &notes);
	p.notes = arena_view(a, buf_view(&notes));
	*out = p;
	return NULL;
}
