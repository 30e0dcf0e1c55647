#include "cli/boxes.h"

#include <strings.h>

static const char *const phases[] = { "Unspecified", "Provisioning", "Ready",
	"Error", "Deleting", "Unknown" };

/* "Ready", "Provisioning" ...; "Unknown" for numbers we do not know. */
static const char *
box_phase(int phase)
{
	return phase >= 0 && (size_t)phase < ARRAY_LEN(phases) ? phases[phase]
							       : "Unknown";
}

void
box_reason(const Openshell__Datamodel__V1__Sandbox *s, struct buf *out)
{
	for (size_t i = 0; s->status != NULL && i < s->status->n_conditions;
	     i++) {
		const Openshell__Datamodel__V1__SandboxCondition *k =
		    s->status->conditions[i];
		bool both = k->reason[0] != '\0' && k->message[0] != '\0';

		if (strcmp(k->type, "Ready") != 0 ||
		    strcasecmp(k->status, "False") != 0)
			continue;
		buf_puts(out, k->reason);
		buf_puts(out, both ? ": " : "");
		buf_puts(out, k->message);
		return;
	}
}

void
box_emit(struct emit_val *at, const Openshell__Datamodel__V1__Sandbox *s)
{
	const Openshell__Datamodel__V1__NativeSpec *n =
	    s->spec != NULL ? s->spec->native : NULL;
	AUTO_BUF struct buf why = BUF_INIT(16384);

	box_reason(s, &why);
	emit_text(at, "id", s->id);
	emit_text(at, "name", s->name);
	emit_text(at, "namespace", s->namespace_);
	emit_text(at, "phase", box_phase((int)s->phase));
	if (why.n > 0)
		emit_str(at, "reason", buf_view(&why));
	else
		emit_null(at, "reason");
	emit_time(at, "created_at", s->created_at_ms);
	emit_uint(at, "policy_version", s->current_policy_version);
	if (n != NULL && n->workdir[0] != '\0')
		emit_text(at, "workdir", n->workdir);
	else
		emit_null(at, "workdir");
}
