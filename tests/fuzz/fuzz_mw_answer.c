/*
 * fuzz_mw_answer: whatever a middleware answers, what is believed of it keeps
 * the contract: fields that cannot end a head, words of our letters, bounds;
 * and a denial is never taken for anything else.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/utf8.h"
#include "middleware.pb-c.h"
#include "proxy/mw_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_word(const char *s)
{
	assert(strlen(s) <= MW_WORD_MAX);
	assert(
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == strlen(s));
}

static void
check_fields(const struct mw_answer *a)
{
	for (size_t i = 0; i < a->n_fields; i++) {
		const struct h1_field *f = &a->fields[i];

		assert(view_starts(f->name, VIEW("x-openshell-middleware-")));
		assert(view_find(f->name, ':') < 0);
		for (size_t k = 0; k < f->name.n; k++)
			assert(f->name.p[k] > ' ' && f->name.p[k] < 0x7f);
		for (size_t k = 0; k < f->value.n; k++)
			assert(f->value.p[k] >= ' ' && f->value.p[k] < 0x7f);
	}
}

static void
check(const Openshell__Middleware__V1__Evaluation *m, bool of_text)
{
	struct mw_answer a;
	enum mw_said said;

	mw_answer_init(&a);
	said = mw_read_answer(&m->base, of_text, &a);
	assert((said == MW_DENIES) ==
	       (m->decision ==
		   OPENSHELL__MIDDLEWARE__V1__DECISION__DECISION_DENY));
	assert(said == MW_DENIES || a.reason_code[0] == '\0');
	assert((said == MW_FAILS) == (a.why != NULL));
	assert(said != MW_WAITS && said != MW_BUSY);
	assert(said != MW_REPLACES || !of_text ||
	       (a.body.n > 0 && utf8_valid(buf_view(&a.body))));
	assert(a.body.n <= MW_PAYLOAD_MAX && a.n_found <= MW_FOUND_MAX);
	assert(a.n_fields <= (of_text ? 0 : MW_FIELDS_MAX));
	check_word(a.reason_code);
	for (size_t i = 0; i < a.n_found; i++)
		check_word(a.found[i].what);
	check_fields(&a);
	mw_answer_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Openshell__Middleware__V1__Evaluation *m =
	    openshell__middleware__v1__evaluation__unpack(NULL, n, p);

	if (m == NULL)
		return 0;
	check(m, false);
	check(m, true);
	openshell__middleware__v1__evaluation__free_unpacked(m, NULL);
	return 0;
}
