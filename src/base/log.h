/*
 * log: one event a line on stderr: time, level, event name, typed fields.
 * Never a sentence; values are escaped, so that hostile text cannot forge a
 * line or drive a terminal.  The sink is the only mutable global we have.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/bytes.h"

enum log_level {
	LOG_L_ERROR,
	LOG_L_WARN,
	LOG_L_INFO,
	LOG_L_DEBUG,
	LOG_L_TRACE
};

enum log_kind { LOG_K_END, LOG_K_VIEW, LOG_K_UINT, LOG_K_INT };

struct log_kv {
	const char *key;
	enum log_kind kind;
	struct view v;
	uint64_t u;
	int64_t i;
};

#define KV_VIEW(k, val) ((struct log_kv) { (k), LOG_K_VIEW, (val), 0, 0 })
#define KV_STR(k, val) KV_VIEW(k, view_of(val))
#define KV_UINT(k, val) ((struct log_kv) { (k), LOG_K_UINT, { 0 }, (val), 0 })
#define KV_INT(k, val) ((struct log_kv) { (k), LOG_K_INT, { 0 }, 0, (val) })

/* Below this, nothing is written.  Default LOG_L_WARN. */
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug" or "trace"; false, *out as it was, else. */
bool log_level_named(const char *name, enum log_level *out);
enum log_level log_get_level(void);
/* `who` (borrowed, static) names the process in each line. */
void log_set_name(const char *who);
void log_write(
    enum log_level level, const char *event, const struct log_kv *kvs);

#define LOG_AT(level, event, ...) \
	do { \
		if ((level) <= log_get_level()) \
			log_write((level), (event), \
			    (const struct log_kv[]) { \
				__VA_ARGS__ __VA_OPT__(, ) { 0 } }); \
	} while (0)
#define LOG_ERROR(event, ...) \
	LOG_AT(LOG_L_ERROR, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_WARN(event, ...) \
	LOG_AT(LOG_L_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_INFO(event, ...) \
	LOG_AT(LOG_L_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_DEBUG(event, ...) \
	LOG_AT(LOG_L_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)

#endif
