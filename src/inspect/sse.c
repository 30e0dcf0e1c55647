#include "inspect/sse.h"

#include "codec/utf8.h"

void
sse_init(struct sse *s, size_t max)
{
	*s = (struct sse) { .line = BUF_INIT(max),
		.type = BUF_INIT(256),
		.data = BUF_INIT(max),
		.id = BUF_INIT(4096) };
}

void
sse_fini(struct sse *s)
{
	buf_fini(&s->line);
	buf_fini(&s->type);
	buf_fini(&s->data);
	buf_fini(&s->id);
	*s = (struct sse) { 0 };
}

static void
forget(struct sse *s)
{
	buf_reset(&s->type);
	buf_reset(&s->data);
	buf_reset(&s->id);
	s->has_data = s->has_id = s->has_retry = s->ready = false;
}

static void
on_type(struct sse *s, struct view v)
{
	buf_reset(&s->type);
	buf_put(&s->type, v);
}

static void
on_data(struct sse *s, struct view v)
{
	if (s->has_data)
		buf_putc(&s->data, '\n');
	s->has_data = true;
	buf_put(&s->data, v);
}

static void
on_id(struct sse *s, struct view v)
{
	if (view_find(v, '\0') >= 0)
		return;
	s->has_id = true;
	buf_reset(&s->id);
	buf_put(&s->id, v);
}

static void
on_retry(struct sse *s, struct view v)
{
	uint64_t n;

	if (!view_u64(v, INT32_MAX, &n))
		return;
	s->has_retry = true;
	s->retry = n;
}

static const struct {
	struct view name;
	void (*on)(struct sse *, struct view value);
} fields[] = {
	{ VIEW("event"), on_type },
	{ VIEW("data"), on_data },
	{ VIEW("id"), on_id },
	{ VIEW("retry"), on_retry },
};

/* A whole line.  true: `ev` is complete. */
static bool
on_line(struct sse *s, struct view line, struct sse_event *ev)
{
	struct view name, value;

	*ev = (struct sse_event) { 0 };
	if (line.n == 0) {
		ev->type = buf_view(&s->type);
		ev->data = buf_view(&s->data);
		ev->id = buf_view(&s->id);
		ev->retry = s->retry;
		ev->has_data = s->has_data;
		ev->has_id = s->has_id;
		ev->has_retry = s->has_retry;
		return s->has_data || s->has_id || s->has_retry;
	}
	name = view_cut(line, ':', &value);
	if (name.n == 0) {
		ev->comment = true;
		return true;
	}
	if (value.n > 0 && value.p[0] == ' ')
		value = view_slice(value, 1, value.n);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (view_eq(name, fields[i].name))
			fields[i].on(s, value);
	return false;
}

/* The line in s->line has ended. */
static int
end_line(struct sse *s, bool *ready, struct sse_event *ev, struct err *e)
{
	struct view line = buf_view(&s->line);

	if (!s->begun && view_starts(line, VIEW("\xef\xbb\xbf")))
		line = view_slice(line, 3, line.n);
	s->begun = true;
	if (s->line.full)
		return err_set(e, ERR_LIMIT,
		    "event stream: a line of more than %zu bytes", s->line.max);
	if (!utf8_valid(line))
		return err_set(
		    e, ERR_PROTO, "event stream: bytes that are not UTF-8");
	*ready = on_line(s, line, ev);
	if (s->data.full || s->type.full || s->id.full)
		return err_set(
		    e, ERR_LIMIT, "event stream: an event is too large");
	/* The event's bytes are lent until the next call. */
	s->ready = line.n == 0;
	buf_reset(&s->line);
	return 0;
}

ssize_t
sse_feed(struct sse *s, struct view in, bool *ready, struct sse_event *ev,
    struct err *e)
{
	size_t i = 0;

	*ready = false;
	if (s->bad)
		return err_set(e, ERR_PROTO, "event stream: broken before");
	if (s->ready)
		forget(s);
	while (i < in.n && !*ready) {
		char c = in.p[i++];
		bool lf_of_cr = s->after_cr && c == '\n';

		s->after_cr = c == '\r';
		if (lf_of_cr)
			continue;
		if (c != '\r' && c != '\n') {
			buf_putc(&s->line, c);
			if (!s->line.full)
				continue;
		}
		if (s->ready)
			forget(s);
		if (end_line(s, ready, ev, e) < 0) {
			s->bad = true;
			return -1;
		}
	}
	return (ssize_t)i;
}

static void
put_field(struct buf *out, const char *name, struct view v)
{
	buf_puts(out, name);
	buf_puts(out, ": ");
	buf_put(out, v);
	buf_putc(out, '\n');
}

void
sse_write(struct buf *out, const struct sse_event *ev)
{
	struct view rest = ev->data;

	if (ev->comment) {
		buf_puts(out, ":\n");
		return;
	}
	if (ev->type.n > 0)
		put_field(out, "event", ev->type);
	if (ev->has_id)
		put_field(out, "id", ev->id);
	if (ev->has_retry)
		buf_printf(out, "retry: %llu\n", (unsigned long long)ev->retry);
	if (ev->has_data)
		do
			put_field(out, "data", view_cut(rest, '\n', &rest));
		while (rest.p != NULL);
	buf_putc(out, '\n');
}
