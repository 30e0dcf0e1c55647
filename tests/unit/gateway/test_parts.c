/* The parts of the core that need no loop. */
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "gateway/gw.h"

TEST(page, clamps)
{
	CHECK_INT(gw_page(0, 100), ==, 100);
	CHECK_INT(gw_page(0, 50), ==, 50);
	CHECK_INT(gw_page(500, 100), ==, 500);
	CHECK_INT(gw_page(1000, 100), ==, 1000);
	CHECK_INT(gw_page(1001, 100), ==, 1000);
	CHECK_INT(gw_page(UINT32_MAX, 100), ==, 1000);
}

TEST(level, passes_by_rank_in_any_case)
{
	static const struct {
		const char *line, *least;
		bool passes;
	} rows[] = {
		{ "ERROR", "WARN", true },
		{ "warn", "WARN", true },
		{ "INFO", "warn", false },
		{ "TRACE", "", true },
		{ "odd", "TRACE", false },
		{ "odd", "also odd", true },
		{ "TRACE", "odd", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Openshell__V1__SandboxLogLine l =
		    OPENSHELL__V1__SANDBOX_LOG_LINE__INIT;
		const struct logbus_filter f = { .min_level = rows[i].least };

		l.level = (char *)(uintptr_t)rows[i].line;
		CHECK_INT(logbus_passes(&f, &l), ==, rows[i].passes);
	}
}

struct seen {
	size_t n;
	int64_t first, last;
	size_t longest;
};

static void
see(void *ctx, const Openshell__V1__SandboxLogLine *l)
{
	struct seen *s = ctx;

	if (s->n++ == 0)
		s->first = l->timestamp_ms;
	s->last = l->timestamp_ms;
	s->longest = MAX(s->longest, strlen(l->message));
}

TEST(logbus, drops_the_oldest_beyond_its_lines)
{
	struct seen s = { 0 };
	struct logbus b;

	logbus_init(&b);
	for (int i = 1; i <= LOGBUS_LINES + 10; i++) {
		Openshell__V1__SandboxLogLine l =
		    OPENSHELL__V1__SANDBOX_LOG_LINE__INIT;

		l.timestamp_ms = i;
		CHECK(logbus_add(&b, &l) != NULL);
	}
	logbus_tail(&b, SIZE_MAX, see, &s);
	CHECK_INT(s.n, ==, LOGBUS_LINES);
	CHECK_INT(s.first, ==, 11);
	s = (struct seen) { 0 };
	logbus_tail(&b, 2, see, &s);
	CHECK_INT(s.n, ==, 2);
	CHECK_INT(s.last, ==, LOGBUS_LINES + 10);
	logbus_fini(&b);
}

TEST(logbus, cuts_a_line_and_bounds_its_bytes)
{
	AUTO_FREE char *big = mem_calloc(1, 100001);
	struct seen s = { 0 };
	struct logbus b;

	memset(big, 'x', 100000);
	logbus_init(&b);
	for (unsigned i = 0; i < 1000; i++) {
		Openshell__V1__SandboxLogLine l =
		    OPENSHELL__V1__SANDBOX_LOG_LINE__INIT;

		l.message = big;
		CHECK(logbus_add(&b, &l) != NULL);
	}
	logbus_tail(&b, SIZE_MAX, see, &s);
	CHECK_INT(s.longest, ==, LOGBUS_LINE_MAX);
	CHECK_INT(b.bytes, <=, LOGBUS_BYTES);
	CHECK_INT(s.n, >, 1);
	logbus_fini(&b);
}

/* gateway-api section 13. */
TEST(config_revision, vectors)
{
	static const char *const restrictive =
	    "21ca0b7c8c0ee3fe71660bb18960bdb2d572b6904f6a22338eba727ca26add43";
	static const char *const empty =
	    "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119";
	policy_wire_msg p = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	Openshell__Sandbox__V1__GetSandboxConfigResponse m =
	    OPENSHELL__SANDBOX__V1__GET_SANDBOX_CONFIG_RESPONSE__INIT;
	Openshell__Sandbox__V1__GetSandboxConfigResponse__SettingsEntry
	    mode =
		OPENSHELL__SANDBOX__V1__GET_SANDBOX_CONFIG_RESPONSE__SETTINGS_ENTRY__INIT,
	    *entries[] = { &mode };
	Openshell__Sandbox__V1__EffectiveSetting set =
	    OPENSHELL__SANDBOX__V1__EFFECTIVE_SETTING__INIT;
	Openshell__Sandbox__V1__SettingValue value =
	    OPENSHELL__SANDBOX__V1__SETTING_VALUE__INIT;
	uint64_t unset;

	m.policy_source = 1;
	CHECK(gw_config_revision(&m) == 18442280127147387751u);
	m.policy = &p;
	m.policy_hash = (char *)(uintptr_t)restrictive;
	CHECK(gw_config_revision(&m) == 4045329247429009098u);
	m.policy_source = 2;
	CHECK(gw_config_revision(&m) == 16164516994123779660u);

	m.policy_source = 1;
	m.policy_hash = (char *)(uintptr_t)empty;
	mode.key = (char[]) { "mode" };
	mode.value = &set;
	m.settings = entries;
	m.n_settings = 1;
	/* A key that nobody has set counts too. */
	unset = gw_config_revision(&m);
	set.scope = 1;
	set.value = &value;
	value.value_case =
	    OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_STRING_VALUE;
	value.string_value = (char[]) { "strict" };
	CHECK(gw_config_revision(&m) == 10947948138541774219u);
	m.n_settings = 0;
	CHECK(gw_config_revision(&m) != unset);
}
