#include "proxy/px.h"
#include "test.h"

TEST(steps, every_step_has_a_name_of_its_own)
{
	for (unsigned i = 0; i < PX_NSTEPS; i++) {
		const char *name = px_step_name((enum px_step_id)i);

		if (name == NULL || name[0] == '\0')
			fail_msg("step %u has no row", i);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(name, px_step_name((enum px_step_id)j)) == 0)
				fail_msg("steps %u and %u share a name", i, j);
	}
}

TEST(steps, every_inspector_is_complete)
{
#define L7(proto) \
	CHECK(l7_##proto.name != NULL && l7_##proto.run != NULL && \
	      l7_##proto.late != NULL && l7_##proto.still_allowed != NULL);
#include "proxy/l7.def"
#undef L7
}
