#include "base/log.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_level threshold = LOG_L_WARN;
static const char *process_name = "openshell";

void
log_set_level(enum log_level level)
{
	threshold = level;
}

bool
log_level_named(const char *name, enum log_level *out)
{
	static const char *const names[] = { "error", "warn", "info", "debug",
		"trace" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

enum log_level
log_get_level(void)
{
	return threshold;
}

void
log_set_name(const char *who)
{
	process_name = who;
}

static void
put_value(struct buf *b, struct view v)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_putc(b, '\\');
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_putc(b, v.p[i]);
		else {
			size_t run = i;

			while (run < v.n && v.p[run] != '"' && v.p[run] != '\\')
				run++;
			buf_put_escaped(b, view_slice(v, i, run));
			i = run - 1;
		}
	}
	buf_putc(b, '"');
}

void
log_write(enum log_level level, const char *event, const struct log_kv *kvs)
{
	static const char *const names[] = { "ERROR", "WARN", "INFO", "DEBUG",
		"TRACE" };
	AUTO_BUF struct buf b = BUF_INIT(8192);
	char when[CLOCK_TEXT_MAX];

	buf_printf(&b, "%s %-5s %s: %s", clock_text(clock_wall_ms(), when),
	    names[level], process_name, event);
	for (; kvs->kind != LOG_K_END; kvs++) {
		buf_printf(&b, " %s=", kvs->key);
		switch (kvs->kind) {
		case LOG_K_VIEW:
			put_value(&b, kvs->v);
			break;
		case LOG_K_UINT:
			buf_printf(&b, "%" PRIu64, kvs->u);
			break;
		case LOG_K_INT:
			buf_printf(&b, "%" PRId64, kvs->i);
			break;
		case LOG_K_END:
			break;
		}
	}
	/* A line that did not fit is cut, not lost. */
	b.full = false;
	b.max++;
	buf_putc(&b, '\n');
	/* Nothing can be done when stderr is gone. */
	(void)!write(STDERR_FILENO, b.p, b.n);
}
