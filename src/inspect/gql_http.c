#include "inspect/gql_http.h"

#include "codec/query.h"
#include "codec/sha256.h"

enum field {
	F_QUERY,
	F_OPERATION_NAME,
	F_EXTENSIONS,
	F_VARIABLES,
	F_ID,
	F_DOCUMENT_ID,
	F_QUERY_ID,
	N_FIELDS
};

static const char *const names[N_FIELDS + 1] = {
	[F_QUERY] = "query",
	[F_OPERATION_NAME] = "operationName",
	[F_EXTENSIONS] = "extensions",
	[F_VARIABLES] = "variables",
	[F_ID] = "id",
	[F_DOCUMENT_ID] = "documentId",
	[F_QUERY_ID] = "queryId",
};

/* What one request gives; p == NULL for what it does not. */
struct given {
	struct view text[N_FIELDS]; /* all but extensions */
	struct view sha256; /* of extensions.persistedQuery */
};

static int
refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTO, "GraphQL: %s", what);
}

/* The one persisted id; two ways to give it at once leave a choice. */
static int
choose_id(const struct given *g, struct view *id, struct err *e)
{
	*id = g->sha256;
	for (int f = F_ID; f <= F_QUERY_ID; f++) {
		if (g->text[f].p == NULL)
			continue;
		if (id->p != NULL)
			return refuse(e, "more than one persisted id");
		*id = g->text[f];
	}
	if (id->p != NULL && (id->n == 0 || id->n > 256))
		return refuse(e, "a persisted id of no or over 256 bytes");
	return 0;
}

/*
 * Attack: a document that is allowed, with the id of another one, which the
 * server prefers.  Only the id that a document has by itself may be with it.
 */
static int
check_pair(const struct given *g, struct view id, struct err *e)
{
	char hex[SHA256_HEX];

	if (id.p == NULL)
		return 0;
	sha256_hex(g->text[F_QUERY], hex);
	if (g->sha256.p == NULL || !view_eq_nocase(id, view_of(hex)))
		return refuse(e, "a persisted id that is not the document's");
	return 0;
}

static int
settle(
    struct gql_http *out, const struct given *g, size_t *tokens, struct err *e)
{
	struct gql_request *r = &out->v[out->n++];
	struct view name = g->text[F_OPERATION_NAME];

	if (choose_id(g, &r->id, e) < 0)
		return -1;
	r->has_document = g->text[F_QUERY].p != NULL;
	if (r->has_document)
		return check_pair(g, r->id, e) < 0
			   ? -1
			   : gql_operation(g->text[F_QUERY], name, &out->arena,
				 tokens, &r->op, e);
	if (r->id.p == NULL)
		return refuse(e, "neither a document nor a persisted id");
	r->op.name = name.p != NULL ? name : VIEW("");
	return 0;
}

/* ---- JSON --------------------------------------------------------------- */

static int
read_string(const struct jdoc_node *v, const char *name, struct view *out,
    struct err *e)
{
	if (v == NULL || v->type == JDOC_NULL)
		return 0;
	if (v->type != JDOC_STRING)
		return err_set(
		    e, ERR_PROTO, "GraphQL: %s is not a string", name);
	*out = (struct view) { v->str.p != NULL ? v->str.p : "", v->str.n };
	return 0;
}

static int
read_extensions(const struct jdoc *d, const struct jdoc_node *v,
    struct view *sha, struct err *e)
{
	static const char *const outer[] = { "persistedQuery", NULL };
	static const char *const inner[] = { "sha256Hash", "version", NULL };
	const struct jdoc_node *persisted;

	if (v == NULL || v->type == JDOC_NULL)
		return 0;
	if (v->type != JDOC_OBJECT)
		return refuse(e, "extensions is not an object");
	persisted = jdoc_get(d, v, "persistedQuery");
	if (jdoc_lookalike(d, v, outer) != NULL ||
	    jdoc_lookalike(d, persisted, inner) != NULL)
		return refuse(e, "a member of extensions differs from "
				 "persistedQuery or sha256Hash only by case");
	if (persisted == NULL || persisted->type == JDOC_NULL)
		return 0;
	if (persisted->type != JDOC_OBJECT)
		return refuse(e, "persistedQuery is not an object");
	return read_string(
	    jdoc_get(d, persisted, "sha256Hash"), "sha256Hash", sha, e);
}

static int
read_object(struct gql_http *out, const struct jdoc_node *v, size_t *tokens,
    struct err *e)
{
	const struct jdoc *d = &out->doc;
	struct given g = { 0 };

	if (v == NULL || v->type != JDOC_OBJECT)
		return refuse(e, "a request is not an object");
	if (jdoc_lookalike(d, v, names) != NULL)
		return refuse(e, "a member that differs from a known one only "
				 "by case");
	for (int f = 0; f < N_FIELDS; f++) {
		const struct jdoc_node *m = jdoc_get(d, v, names[f]);
		int r;

		if (f == F_EXTENSIONS)
			r = read_extensions(d, m, &g.sha256, e);
		else if (f == F_VARIABLES)
			r = m == NULL || m->type == JDOC_NULL ||
				    m->type == JDOC_OBJECT
				? 0
				: refuse(e, "variables is not an object");
		else
			r = read_string(m, names[f], &g.text[f], e);
		if (r < 0)
			return -1;
	}
	return settle(out, &g, tokens, e);
}

/* ---- the query of a request-target -------------------------------------- */

/* Which of the names this is; N_FIELDS: none; -1: it may be taken for one. */
static int
field_of(struct view name, struct err *e)
{
	for (int f = 0; f < N_FIELDS; f++) {
		struct view known = view_of(names[f]);

		if (view_eq(name, known))
			return f;
		/* "query[]" and "query[0]" are "query" to some servers. */
		if (jdoc_name_like(name, known) ||
		    (name.n > known.n && name.p[known.n] == '[' &&
			jdoc_name_like(view_slice(name, 0, known.n), known)))
			return refuse(e, "a query parameter that a server may "
					 "take for a known one");
	}
	return N_FIELDS;
}

static int
read_query(struct view raw, struct arena *a, struct given *g,
    struct view *extensions, bool *any, struct err *e)
{
	struct query *q = ARENA_NEW(a, struct query);
	bool seen[N_FIELDS] = { false };

	if (view_find(raw, ';') >= 0)
		return refuse(e, "';' in the query, which some servers take "
				 "for '&': write %3B");
	if (query_decode(raw, q, e) < 0)
		return -1;
	for (size_t i = 0; i < q->n; i++) {
		int f = field_of(q->pairs[i].name, e);

		if (f < 0)
			return -1;
		if (f == N_FIELDS)
			continue;
		if (seen[f])
			return refuse(e, "a query parameter occurs twice");
		seen[f] = *any = true;
		if (f == F_EXTENSIONS)
			*extensions = q->pairs[i].value;
		else
			g->text[f] = q->pairs[i].value;
	}
	return 0;
}

int
gql_http_get(struct view query, struct gql_http *out, struct err *e)
{
	struct view extensions = { NULL, 0 };
	struct given g = { 0 };
	size_t tokens = GQL_TOKENS_MAX;
	bool any = false;

	*out = (struct gql_http) { 0 };
	out->v = ARENA_NEW(&out->arena, struct gql_request);
	if (read_query(query, &out->arena, &g, &extensions, &any, e) < 0)
		return -1;
	if (extensions.n > 0 &&
	    (jdoc_parse(extensions, &out->doc, e) < 0 ||
		read_extensions(&out->doc, &out->doc.v[0], &g.sha256, e) < 0))
		return -1;
	return settle(out, &g, &tokens, e);
}

int
gql_http_post(
    struct view query, struct view body, struct gql_http *out, struct err *e)
{
	struct view extensions = { NULL, 0 };
	size_t tokens = GQL_TOKENS_MAX;
	const struct jdoc_node *top;
	struct given g = { 0 };
	bool any = false;

	*out = (struct gql_http) { 0 };
	if (read_query(query, &out->arena, &g, &extensions, &any, e) < 0)
		return -1;
	if (any)
		return refuse(e, "a POST that also has a request in its query");
	if (jdoc_parse(body, &out->doc, e) < 0)
		return -1;
	top = &out->doc.v[0];
	out->batch = top->type == JDOC_ARRAY;
	if (out->batch && top->n == 0)
		return refuse(e, "an empty batch");
	if (out->batch && top->n > GQL_BATCH_MAX)
		return err_set(e, ERR_LIMIT,
		    "GraphQL: a batch of more than %d requests", GQL_BATCH_MAX);
	out->v = ARENA_ARRAY(
	    &out->arena, out->batch ? top->n : 1, struct gql_request);
	if (!out->batch)
		return read_object(out, top, &tokens, e);
	JDOC_EACH(item, &out->doc, top)
	if (read_object(out, item, &tokens, e) < 0)
		return -1;
	return 0;
}

/* ---- WebSocket ---------------------------------------------------------- */

int
gql_ws_message(struct view text, struct gql_http *out, struct err *e)
{
	static const char *const members[] = { "type", "payload", "id", NULL };
	static const struct {
		const char *type;
		bool starts;
	} types[] = {
		{ "connection_init", false },
		{ "connection_terminate", false },
		{ "ping", false },
		{ "pong", false },
		{ "complete", false },
		{ "stop", false },
		{ "subscribe", true },
		{ "start", true },
	};
	const struct jdoc_node *top, *type;
	size_t tokens = GQL_TOKENS_MAX;

	*out = (struct gql_http) { 0 };
	if (jdoc_parse(text, &out->doc, e) < 0)
		return -1;
	top = &out->doc.v[0];
	type = jdoc_get(&out->doc, top, "type");
	if (jdoc_lookalike(&out->doc, top, members) != NULL)
		return refuse(e, "a member that differs from a known one only "
				 "by case");
	if (type == NULL || type->type != JDOC_STRING)
		return refuse(e, "a WebSocket message without type");
	out->v = ARENA_NEW(&out->arena, struct gql_request);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!view_eq(type->str, view_of(types[i].type)))
			continue;
		if (!types[i].starts)
			return 0;
		return read_object(
		    out, jdoc_get(&out->doc, top, "payload"), &tokens, e);
	}
	return refuse(e, "a WebSocket message of unknown type");
}

void
gql_http_fini(struct gql_http *g)
{
	jdoc_fini(&g->doc);
	arena_fini(&g->arena);
	*g = (struct gql_http) { 0 };
}
