/*
 * px: the egress proxy of one sandbox, shared by the files of this folder.
 *
 * One process, one loop, no threads.  A connection is one struct px_conn and
 * moves through the step table of conn.c; every step has an absolute deadline.
 * Nothing here blocks.  All buffers have a bound and exist only while they
 * hold something, so that an idle connection costs little.
 */
#ifndef PROXY_PX_H
#define PROXY_PX_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "http/egress.h"
#include "http/h1.h"
#include "http/target.h"
#include "net/addr.h"
#include "net/dial.h"
#include "net/resolve.h"
#include "policy/decide.h"
#include "proxy/assembly.h"
#include "proxy/deny.h"
#include "proxy/dest.h"
#include "proxy/events.h"
#include "proxy/io.h"
#include "proxy/pool.h"
#include "proxy/rest.h"
#include "sandbox/netmsg.h"
#include "secrets/locked.h"
#include "secrets/placeholder.h"

enum {
	/* Of one sandbox; fewer when the process may open fewer files. */
	PX_CONNS_MAX = 10240,
	PX_SOCKETS_MAX = PX_CONNS_MAX + 256, /* and the refused ones */
	PX_STREAMS_MAX =
	    2048, /* of HTTP/2 clients, in all; beyond it refused */
	PX_SLOTS = PX_SOCKETS_MAX + PX_STREAMS_MAX,
	PX_OWNERS_MAX = 8, /* programs sharing one socket */
	PX_ADDRS_MAX = 16, /* of one name */
	PX_OWN_MAX = 1 + EGRESS_CLOSED_MAX + PX_ADDRS_MAX, /* and its proxy's */
	PX_INTERIM_MAX = 8 /* 1xx before a final response */
};
_Static_assert(
    (int)PX_EVENTS_CONNS == (int)PX_SLOTS, "room for a record of each");

/* One program that holds the client's socket. */
struct px_owner {
	struct policy_who who; /* views into text */
	struct view sha256;
	uint32_t pid;
	char *text;
};

/* What a step tells the driver. */
enum px_next {
	PX_MORE, /* the step changed, or there is more to do: run again */
	PX_WAIT, /* an event, a timer or an answer will wake it */
	PX_CLOSE /* the end: release everything, politely (FIN) */
};

enum px_step_id {
	PX_READ_HEAD,
	PX_IDENTIFY,
	PX_DECIDE,
	PX_RESOLVE,
	PX_DIAL,
	PX_ANSWER,
	PX_SNIFF,
	PX_TLS_UPSTREAM,
	PX_TLS_CLIENT,
	PX_SNIFF_INNER,
	PX_H2,
	PX_H2_AWAIT,
	PX_L7,
	PX_RAW,
	PX_WS,
	PX_LINGER,
	PX_CAPTURED,
	PX_PEEK,
	PX_DNS,
	PX_ADVISE,
	PX_NSTEPS
};

enum px_mode { PX_MODE_CONNECT, PX_MODE_FORWARD };

/* An inspector of one protocol; rows in l7.def. */
struct px_conn;
struct l7_proto {
	const char *name;
	enum px_next (*run)(struct px_conn *c);
	/* Its deadline passed. */
	enum px_next (*late)(struct px_conn *c);
	/* Policy changed: whether what is under way may go on. */
	bool (*still_allowed)(struct px_conn *c);
};

/* A place in a policy: which endpoint of it, which rule of that. */
struct px_place {
	unsigned endpoint, rule; /* POLICY_NO_RULE: the endpoint itself */
	bool by_deny_rule;
};

/* The request under way in a tunnel or a forwarded one (hx.h). */
enum hx_resp { HX_RESP_HEAD, HX_RESP_BODY, HX_RESP_DONE };
struct hx_body {
	enum h1_framing framing;
	uint64_t left;
	struct h1_chunk chunk;
	struct buf trailers; /* as they came, with their empty line */
	bool guarded; /* no placeholder may be in it */
	struct ph_scan scan;
	bool done;
};
/* A request body that is seen whole before it goes (hx_hold.c). */
struct hx_held {
	bool on; /* still coming in */
	bool asterisk; /* the target is * */
	/* Said by a holder that lets it wait, or changed the body: hx.h. */
	bool later, again;
	bool unseen; /* goes on as it comes, whatever is left of it */
	uint8_t next; /* of the holders: to be asked */
	uint8_t by; /* of them: the one whose limit it is */
	size_t limit; /* bytes of body it may have as it comes */
	size_t counted; /* of px->held */
	struct assembly clock; /* of its coming in */
	size_t at; /* of body, gone upstream */
	struct buf head, body;
	struct h1_head *parsed; /* of head, as the holders leave it */
};
/* An answer that is looked at on its way (hx_tap.c). */
enum { HX_TAPS_MAX = 4 };
struct hx_tap;
struct hx_tapped {
	const struct hx_tap *tap[HX_TAPS_MAX];
	void *state[HX_TAPS_MAX];
	size_t n; /* 0: it passes as it comes */
	struct buf out; /* what they let go */
	size_t at; /* of out, gone to the client */
	bool last; /* they have seen the end */
	bool refused; /* by one of them */
	struct buf head; /* of the answer, until something follows it */
};
struct hx {
	bool active;
	bool inspected; /* rules were asked */
	bool client_keeps, upstream_keeps;
	bool client_minor0; /* HTTP/1.0 cannot read the chunked coding */
	bool want_websocket, want_upgrade;
	bool sent_continue;
	bool started; /* response bytes went to the client */
	bool head_begun; /* part of the next head is there */
	bool rechunk; /* the response goes on in chunks */
	bool unframed; /* the end of the connection is its end */
	unsigned interim;
	enum hx_resp resp_state;
	struct hx_body req, resp;
	struct hx_held held;
	struct hx_tapped tapped;
	size_t scanned; /* h1_head_end's memory for the client side */
	size_t scanned_up;
	uint64_t requests;
	char method[H1_METHOD_MAX + 1];
	struct buf replay; /* head that may be sent again on a fresh upstream */
	struct buf path; /* canonical, of the request under way */
	struct buf query; /* raw, of the same */
	bool has_query;
	/* The path as it came, with placeholders; empty when there are none
	 * and it is that of `path`. */
	struct buf wire_path;
	/* What policy says of its path; hx_treatment. */
	struct policy_treatment treatment;
	uint64_t treated; /* requests, when it was asked */
	uint64_t treated_generation;
	bool injected; /* a credential was filled in */
	char used[160]; /* their names, for the record */
	char body_hash[65]; /* hex SHA-256 of a held body, when it is signed */
	bool grpc; /* who asks reads a status of gRPC */
	const char *override; /* a field that names another method or path */
	bool operations; /* it carries some, which are judged one by one */
	struct buf ops_body; /* the body they are in, while the answer lasts */
	struct mw_run *mw; /* who looks at it (mw.h); NULL: nobody yet */
};

/* The operator's proxy: where it is, and until when that is believed. */
struct px_through {
	struct addr addrs[PX_ADDRS_MAX];
	size_t n;
	uint64_t until; /* loop time */
};

struct px;
struct mw_run;
struct mw_services;
struct creds;
struct reflect;

/* Something to be run before the loop sleeps; part of its owner. */
struct px_task {
	struct px_task *next, **at; /* at: what points here; NULL: not queued */
	void (*run)(void *owner);
	void *owner;
};
void px_task_queue(struct px *px, struct px_task *t);
void px_task_drop(struct px *px, struct px_task *t);
/* Runs them all, and those that they queue. */
void px_tasks_run(struct px *px);

/*
 * A connection of the client's, or one stream of an HTTP/2 connection: then
 * `parent` is that connection, and client is a port of it.
 */
struct px_conn {
	struct px *px;
	struct px_task task;
	struct px_conn *parent;
	unsigned n_children; /* streams that are not freed yet */
	uint32_t id; /* on the wire to ctl: a count * PX_SLOTS + slot */
	uint32_t serial; /* number of the connection in this sandbox */
	enum px_step_id step;
	enum px_mode mode;
	bool running; /* inside px_run: do not enter it again */
	bool closing, closed;
	bool judged; /* conn and policy below hold */
	bool counted; /* against PX_CONNS_MAX */
	bool waits_events; /* stopped until ctl takes records */

	/* Of one that ignored the proxy (capture.c); its mode is CONNECT. */
	bool direct;
	bool by_address; /* and the address stands for no name */
	bool peeked; /* what the client says first was looked at, */
	bool plain_http; /* and is an HTTP request in the clear */
	bool dns; /* it is a question to the policy DNS */
	struct addr orig; /* where it wanted to go */
	uint16_t orig_port, src_port;
	struct addr src; /* the client's end; family 0: not known */

	uv_timer_t timer;
	uint64_t deadline, timer_at; /* loop time, ms; 0: none */

	struct px_end client, up;

	/* Who asked.  With identity_err: who it was once, if that is known. */
	struct px_owner *owners;
	unsigned n_owners;
	bool who_unsent, who_sent, identity_known;
	const struct px_owner *denied_owner; /* the one the verdict fell on */
	struct err identity_err;

	/* What was asked and judged. */
	struct authority dst;
	struct snapshot *snap;
	struct policy_conn conn;
	char policy[128]; /* key; outlives the snapshot */
	char rule[48]; /* place in it: "endpoints[0].rules[1]" */
	struct px_place place; /* the same in numbers; of no use when empty */
	uint64_t event_id; /* of the last record; for the answer about it */

	/* On the way there. */
	struct lookup *resolving;
	struct dial *dialing;
	struct uproxy_dial *by_proxy; /* instead of it */
	bool through; /* up leads through the operator's proxy */
	struct addr addrs[PX_ADDRS_MAX];
	size_t n_addrs;
	struct addr chosen; /* the one in use */
	bool have_answer, have_dialed;
	bool reused; /* up is of the pool, and has not answered yet */
	bool fresh_only; /* not of the pool again */
	bool unpooled; /* up must end with this connection */
	uint64_t rested; /* ms that a reused one was idle */
	int dialed_fd;
	struct err async_err;

	/* Inside the tunnel. */
	const struct l7_proto *l7;
	bool tls; /* terminated: both sides speak TLS */
	bool prior; /* HTTP/2 without TLS, by prior knowledge */
	bool spoke; /* the client sent something after the 200 */
	bool event_done; /* the verdict over the connection is recorded */
	unsigned client_alpn; /* STREAM_ALPN_*: what the client would speak */
	unsigned up_alpn; /* what is offered upstream */
	struct h2_leg *h2; /* the client speaks HTTP/2 */
	struct h2_leg *h2_up; /* the upstream does; it has the socket */
	uint64_t quiet_at; /* when silence is decided, loop ms */
	struct hx hx;
	struct px_ws *ws; /* upgraded, and its messages are judged */
	struct adv *adv; /* a request to policy.local (advisor.h) */

	size_t scanned; /* of the first head */
	size_t forward_n; /* length of that head, which stays in client.in */
	uint64_t forward_generation; /* that judged the request */

	uint32_t creds_change; /* of px, that creds_reach is of */
	bool creds_reach;
	uint64_t last_io;
	unsigned lingered; /* reads thrown away after the answer */
};
/* There are thousands, and the allocator's words come to each. */
_Static_assert(sizeof(struct px_conn) <= 4064, "a connection fits a page");

struct px {
	uv_loop_t loop;
	int ctl;
	uv_poll_t ctl_poll;
	bool ctl_wants_write;
	uv_prepare_t prepare;
	uv_timer_t late; /* of records that wait for others */
	struct px_rest rest;
	uv_timer_t accept_timer; /* back-off after EMFILE */
	/* -1 where there is none (enum net_sock). */
	int listener, capture, dns;
	uv_poll_t listener_poll, capture_poll, dns_poll;
	bool listening, capturing, answering;
	bool dns_v6; /* the sandbox has IPv6 */

	struct snapshot *snap;
	uint64_t generation;
	struct buf links; /* load.h */
	struct px_events events;
	/* Of the last record: what came nearest, for the answer about it. */
	struct policy_nearest nearest;
	uint64_t nearest_id;
	union net_msg *received;
	struct px_io *io;
	struct px_pool *pool; /* NULL until the first is kept */
	struct creds *creds; /* NULL: none */
	struct reflect *reflect; /* NULL: nothing to look for */
	uint32_t creds_change; /* grows with each of their changes */
	struct buf masked; /* fields of an answer, masked */
	/* For one use each, so that none of them allocates for a request. */
	struct buf scratch; /* one head that is written */
	struct buf parts; /* the request-target and the host of that head */
	struct buf ancestors; /* of one record */
	char servers[NET_SERVERS_MAX]; /* to ask for names */
	struct resolver *resolver; /* NULL: not needed yet, or resolver_err */
	struct err resolver_err;
	/* What the operator says of the way out, in the text that has its
	 * login; NULL: nothing was said. */
	struct egress *egress;
	struct locked egress_text;
	struct px_through through;
	bool any_binary; /* programs are not told apart */
	struct dest_own own[PX_OWN_MAX];
	struct dest_rules dest; /* own and the names of the host */
	char proxy_addr[48];
	uint16_t proxy_port;
	char src_text[ADDR_TEXT_MAX], proxy_text[64]; /* of records */

	struct px_conn *slot[PX_SLOTS];
	struct px_task *tasks, **tasks_end;
	unsigned n_conns, n_counted, n_streams, conns_max; /* beyond it 503 */
	size_t held; /* bytes of all bodies that are held */
	uint16_t free_slot; /* where to look first */
	struct toolbook *tools; /* of MCP servers; NULL: none seen yet */
	uint32_t serial, n_ids;
	bool who_unsent; /* some connection's question waits for room */
	bool events_waited;
	bool accept_paused, ending;
	bool starved; /* the last that came could not be let in */
	int status;
	struct err err;

	struct synth *synth; /* NULL until the first name is answered */
	struct told *told; /* refusals recorded lately; by told_of */
	struct px_flows *flows; /* NULL until the first */
	struct advisor *advisor; /* NULL: never on, nor asked */
	struct mw_services *services; /* NULL: none is registered */
};

/* conn.c */
const char *px_step_name(enum px_step_id step);
struct px_conn *px_conn_new(struct px *px, int fd, bool direct);
/*
 * A stream of `parent`: identified and judged as that is.  Both ends and the
 * first step are the caller's to set.  NULL when there are too many.
 */
struct px_conn *px_conn_stream(struct px_conn *parent);
void px_go(struct px_conn *c, enum px_step_id step);
void px_run(struct px_conn *c);
/*
 * ctl does not take records: the connection must stop here, as nothing may
 * pass unrecorded, and is run again when they are taken.
 */
bool px_waits_events(struct px_conn *c) MUST_USE;
void px_deadline(struct px_conn *c, uint64_t ms_from_now);
/* Ends it now; reset: with RST on both sides, so that nobody takes a cut
 * stream for a whole one. */
void px_close(struct px_conn *c, bool reset);

/* accept.c */
/* fds by enum net_sock, -1 where there is none; taken over. */
int px_listen(struct px *px, const int fds[NET_NSOCKS], struct err *e) MUST_USE;
/* How many connections so many descriptors are enough for. */
unsigned px_conns_max(uint64_t files);
void px_accept_pause(struct px *px, bool pause);

/* identity_ask.c */
enum px_next px_identify(struct px_conn *c);
void px_identity_answer(struct px *px, const struct net_identity *m);
void px_who_retry(struct px *px);
void px_owner_add(
    struct px_owner **owners, unsigned *n, const struct net_identity *m);
void px_owners_free(struct px_owner **owners, unsigned *n);
struct view px_binary(const struct px_conn *c);

/* judge.c */
bool px_judge_conn(struct px_conn *c, struct snapshot *s,
    struct policy_conn *out, struct policy_reason *why);
bool px_judge_request(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why);
bool px_judge_op(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, const struct policy_op *op,
    struct policy_verdict *out, struct policy_reason *why);
/* The call that a request of gRPC is; NULL, or why it is none. */
const char *px_grpc_op(
    const struct px_conn *c, struct view path, struct policy_op *out);
/*
 * The same, asked about: a head alone tells it.  `out` is the verdict over the
 * request, and then over the call.
 */
bool px_judge_grpc(struct px_conn *c, struct snapshot *s,
    const struct policy_request *r, struct policy_verdict *out,
    struct policy_reason *why);
/* As policy_treat_request, for all of them. */
bool px_treat_request(struct px_conn *c, struct snapshot *s, struct view path,
    struct policy_treatment *out);
void px_pin(struct px_conn *c);

/* connect.c, forward.c: dispatch of the first head; upstream.c: the way out */
enum px_next px_read_head(struct px_conn *c);
enum px_next px_decide(struct px_conn *c);
enum px_next px_answer(struct px_conn *c);
enum px_next px_refuse_head(
    struct px_conn *c, unsigned status, const char *stage, const struct err *e);
/* What the connection goes by: a policy and its endpoint; key NULL: nothing. */
void px_set_policy(struct px_conn *c, const char *key, unsigned endpoint);
/* The rule that decided, also one of deny_rules; nothing when v has no policy.
 */
void px_set_verdict(struct px_conn *c, const struct policy_verdict *v);
enum px_next px_forward_start(
    struct px_conn *c, const struct h1_head *h, size_t head_n);
enum px_next px_forward_judge(struct px_conn *c);
enum px_next px_forward_send(struct px_conn *c);
/* Makes the resolver at the first need; NULL: px->resolver_err says why. */
struct resolver *px_resolver(struct px *px);
enum px_next px_resolve(struct px_conn *c);
enum px_next px_dial(struct px_conn *c);
/* The reused upstream is of no use: reaches it anew, and goes on here. */
enum px_next px_redial(struct px_conn *c);

/* tunnel.c: what is inside, and TLS both ways */
enum px_next px_sniff(struct px_conn *c);
enum px_next px_tls_upstream(struct px_conn *c);
enum px_next px_tls_client(struct px_conn *c);
enum px_next px_sniff_inner(struct px_conn *c);

/* l7_http.c and hx_*.c; l7.def */
#define L7(name) extern const struct l7_proto l7_##name;
#include "proxy/l7.def"
#undef L7
enum px_next px_l7(struct px_conn *c);
#define HOLD(name) extern const struct hx_holder hold_##name;
#include "proxy/hold.def"
#undef HOLD
#define TAP(name) extern const struct hx_tap tap_##name;
#include "proxy/taps.def"
#undef TAP

/* relay.c */
enum px_next px_raw(struct px_conn *c);

/* reply.c */
void px_put_ancestors(const struct px_owner *o, struct buf *out);
enum px_next px_reply(struct px_conn *c, const struct deny *d);
enum px_next px_linger(struct px_conn *c);
enum px_next px_deny_conn(struct px_conn *c, const struct policy_reason *why);
/* These addresses may not be dialled; they and `why` are for the record. */
enum px_next px_deny_dest(
    struct px_conn *c, const struct addr *v, size_t n, const struct err *why);
void px_event(struct px_conn *c, enum audit_kind kind, enum audit_action action,
    const char *stage, struct view reason, struct view suggestion);
/* Fields of a request (method, path, names of its query) added. */
void px_event_request(struct px_conn *c, enum audit_kind kind,
    enum audit_action action, const char *stage, struct view method,
    struct view path, struct view query, struct view reason,
    struct view suggestion);
/* The same, about an operation inside a request. */
struct px_request_event {
	struct view method, path, query, operation, tool;
	const struct policy_op *op; /* as it was judged; NULL: none was */
};
void px_event_operation(struct px_conn *c, enum audit_kind kind,
    enum audit_action action, const char *stage,
    const struct px_request_event *r, struct view reason,
    struct view suggestion);
/* An agent proposes rules: their names, why, and what they are. */
void px_event_proposal(
    struct px_conn *c, struct view names, struct view intent, struct view yaml);
enum px_next px_fail(struct px_conn *c, unsigned status, enum audit_kind kind,
    const char *stage, const char *error, const char *shown,
    const struct err *recorded);

/* rejudge.c */
void px_rejudge(struct px *px);

/* capture.c */
enum px_next px_captured(struct px_conn *c);
/* A destination that is an address of synth.c becomes the name again. */
void px_name_synthetic(struct px_conn *c);
/* Whether it is worth a look at what a refused client says first. */
bool px_wants_peek(const struct px_conn *c);
enum px_next px_peek(struct px_conn *c);
/* Datagrams that were refused, as nfnetlink_log tells it. */
void px_packets(struct px *px, struct view msgs);

/* dns.c */
/* As synth_give. */
int px_name(struct px *px, struct view host, bool pattern, struct addr *v4,
    struct addr *v6, struct err *e) MUST_USE;
void px_dns_read(struct px *px);
enum px_next px_dns_tcp(struct px_conn *c);

#endif
