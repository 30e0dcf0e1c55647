#include "gateway/logbus.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "codec/utf8.h"

typedef Openshell__V1__SandboxLogLine line_msg;
typedef Openshell__V1__PlatformEvent event_msg;

struct logbus_line {
	struct logbus_line *next;
	line_msg *m;
	size_t bytes;
};

void
logbus_init(struct logbus *b)
{
	*b = (struct logbus) { .tail = &b->head };
}

static void
drop_first(struct logbus *b)
{
	struct logbus_line *l = b->head;

	b->head = l->next;
	if (b->head == NULL)
		b->tail = &b->head;
	b->n--;
	b->bytes -= l->bytes;
	openshell__v1__sandbox_log_line__free_unpacked(l->m, NULL);
	free(l);
}

void
logbus_fini(struct logbus *b)
{
	while (b->head != NULL)
		drop_first(b);
	for (size_t i = 0; i < LOGBUS_EVENTS; i++)
		if (b->events[i] != NULL)
			openshell__v1__platform_event__free_unpacked(
			    b->events[i], NULL);
	logbus_init(b);
}

/* A copy of any message, by way of its bytes. */
static ProtobufCMessage *
copy(const ProtobufCMessage *m, size_t *bytes)
{
	AUTO_BUF struct buf b = BUF_INIT(8 << 20);
	ProtobufCMessage *out;

	*bytes = protobuf_c_message_get_packed_size(m);
	if (!buf_reserve(&b, *bytes))
		return NULL;
	(void)protobuf_c_message_pack(m, (uint8_t *)b.p);
	out = protobuf_c_message_unpack(
	    m->descriptor, NULL, *bytes, (const uint8_t *)b.p);
	return out;
}

static void
cut(line_msg *m)
{
	struct view v = view_of(m->message);

	if (v.n <= LOGBUS_LINE_MAX)
		return;
	v = utf8_clip(v, LOGBUS_LINE_MAX);
	m->message[v.n] = '\0';
}

const line_msg *
logbus_add(struct logbus *b, const line_msg *line)
{
	struct logbus_line *l = NEW(struct logbus_line);

	l->m = (line_msg *)copy(&line->base, &l->bytes);
	if (l->m == NULL || l->bytes > 4 * LOGBUS_LINE_MAX) {
		/* Fields without end: the message alone says enough. */
		line_msg bare = *line;

		if (l->m != NULL)
			openshell__v1__sandbox_log_line__free_unpacked(
			    l->m, NULL);
		bare.n_fields = 0;
		bare.fields = NULL;
		l->m = (line_msg *)copy(&bare.base, &l->bytes);
		if (l->m == NULL) {
			free(l);
			return NULL;
		}
	}
	cut(l->m);
	l->bytes = MIN(l->bytes, 5 * LOGBUS_LINE_MAX) + sizeof(*l) + 256;
	*b->tail = l;
	b->tail = &l->next;
	b->n++;
	b->bytes += l->bytes;
	while (b->n > LOGBUS_LINES || (b->bytes > LOGBUS_BYTES && b->n > 1))
		drop_first(b);
	return l->m;
}

const event_msg *
logbus_event(struct logbus *b, const event_msg *ev)
{
	event_msg **at = &b->events[b->n_events % LOGBUS_EVENTS];
	size_t n;

	if (*at != NULL)
		openshell__v1__platform_event__free_unpacked(*at, NULL);
	*at = (event_msg *)copy(&ev->base, &n);
	b->n_events++;
	return *at;
}

/* ERROR 0 ... TRACE 4, anything else 5; any case. */
static unsigned
logbus_level(const char *name)
{
	static const char *const names[] = { "ERROR", "WARN", "INFO", "DEBUG",
		"TRACE" };
	unsigned i = 0;

	while (i < ARRAY_LEN(names) && strcasecmp(names[i], name) != 0)
		i++;
	return i;
}

bool
logbus_passes(const struct logbus_filter *f, const line_msg *line)
{
	const char *source = line->source[0] != '\0' ? line->source : "gateway";
	bool found = f->n_sources == 0;

	if (f->since_ms > 0 && line->timestamp_ms < f->since_ms)
		return false;
	for (size_t i = 0; i < f->n_sources; i++)
		found |= strcmp(f->sources[i], source) == 0;
	return found &&
	       (f->min_level == NULL || f->min_level[0] == '\0' ||
		   logbus_level(line->level) <= logbus_level(f->min_level));
}

void
logbus_tail(const struct logbus *b, size_t lines,
    void (*each)(void *ctx, const line_msg *line), void *ctx)
{
	size_t skip = b->n > lines ? b->n - lines : 0;

	for (struct logbus_line *l = b->head; l != NULL; l = l->next) {
		if (skip > 0)
			skip--;
		else
			each(ctx, l->m);
	}
}

void
logbus_events(const struct logbus *b, size_t last,
    void (*each)(void *ctx, const event_msg *ev), void *ctx)
{
	size_t have = MIN(b->n_events, LOGBUS_EVENTS);
	size_t from = b->n_events - MIN(last, have);

	for (size_t i = from; i < b->n_events; i++)
		if (b->events[i % LOGBUS_EVENTS] != NULL)
			each(ctx, b->events[i % LOGBUS_EVENTS]);
}
