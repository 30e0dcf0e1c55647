"""The figures: what each is called, its goal, what was measured elsewhere."""


class Figure:
    """A row of the report.

    goal    ("<=", number) or None, in the figure's unit
    other   what was measured on other machines of this kind, as text
    nginx   what nginx took on the machine that the goal was set for
    """

    def __init__(self, key, what, unit, goal=None, other="", digits=1,
                 nginx=None):
        self.key, self.what, self.unit = key, what, unit
        self.goal, self.other, self.digits = goal, other, digits
        self.nginx = nginx

    def show(self, value):
        return f"{value:,.{self.digits}f}"

    def there(self, value, nginx):
        """The value as on that machine, by what nginx takes on this one."""
        if not (self.goal and self.nginx and nginx and value is not None):
            return None
        return value * self.nginx / nginx

    def met(self, value):
        if self.goal is None:
            return None
        if self.goal[0] == ">=":
            return value >= self.goal[1]
        return value <= self.goal[1]


def _most(value):
    return "<=", value


def _least(value):
    return ">=", value


# (title, programs beside us, rows)
SECTIONS = [
    ("Start", ["bubblewrap"], [
        Figure("start.first.p50", "start to first instruction, p50", "ms",
               _most(10), "fastest rival 5-8"),
        Figure("start.first.p99", "start to first instruction, p99", "ms"),
        Figure("start.true.p50", "whole run of true, p50", "ms", None,
               "upstream 132"),
        Figure("start.true.p99", "whole run of true, p99", "ms"),
    ]),
    ("Idle sandbox, mean of {idle}", ["bubblewrap"], [
        Figure("idle.processes", "our processes, proportional (PSS)", "KiB",
               _most(1024), "upstream 28 MB", 0),
        Figure("idle.unique", "our processes, unique (USS)", "KiB", None,
               "", 0),
        Figure("idle.kernel", "kernel's share: slab, stacks, tables", "KiB",
               None, "231-336", 0),
        Figure("idle.available", "all, by fall of MemAvailable", "KiB", None,
               "", 0),
    ]),
    ("Gateway, started by its command line", [], [
        Figure("gateway.start.p50", "cold start to first answer, p50", "ms",
               _most(80)),
        Figure("gateway.start.max", "cold start to first answer, worst",
               "ms"),
        Figure("gateway.fresh", "the very first: certificates, database",
               "ms"),
    ]),
    ("Sandbox that stays, whole command", ["run", "bubblewrap"], [
        Figure("create.true.p50", "sandbox create -- true, p50", "ms",
               _most(60), "upstream 580 to Ready"),
        Figure("create.true.p99", "sandbox create -- true, p99", "ms"),
        Figure("exec.true.p50", "sandbox exec -- true, p50", "ms", None,
               "upstream 20"),
    ]),
    ("policy set --wait", [], [
        Figure("policy.set.p50", "whole command, p50", "ms", _most(20),
               "upstream 10,040"),
        Figure("policy.set.p99", "whole command, p99", "ms"),
        Figure("policy.denied.p50",
               "to the first refusal on an open connection, p50", "ms",
               _most(20)),
        Figure("policy.allowed.p50", "to the first answer again, p50", "ms",
               _most(20)),
    ]),
    ("Unary calls for each second of the gateway's CPU", [], [
        Figure("rpc.health", "Health over mutual TLS", "1/s",
               _least(10000), "", 0),
        Figure("rpc.list", "ListSandboxes over mutual TLS", "1/s", None,
               "", 0),
        Figure("rpc.unix", "Health over the Unix socket", "1/s", None,
               "", 0),
    ]),
    ("Gateway with 500 sandboxes that wait", [], [
        Figure("idle.gateway.memory", "memory of the gateway", "MiB"),
        Figure("idle.gateway.cpu", "CPU of the gateway, idle", "permille"),
        Figure("idle.gateway.sandbox", "our processes a sandbox (PSS)", "KiB",
               None, "upstream 28 MB", 0),
        Figure("idle.gateway.available",
               "all a sandbox, by fall of MemAvailable", "KiB", None, "", 0),
        Figure("idle.gateway.creates", "creates, four at a time", "1/s"),
    ]),
    ("Gateway with 5,000 connected stand-in supervisors", [], [
        Figure("supervisors.memory", "memory of the gateway", "MiB",
               _most(400)),
        Figure("supervisors.cpu", "CPU of the gateway, idle", "permille"),
        Figure("supervisors.connect", "streams that come to stand", "1/s",
               None, "", 0),
        Figure("supervisors.push.p50", "policy set --wait, p50", "ms"),
    ]),
    ("Inspected request on a keep-alive connection",
     ["direct", "nginx", "haproxy", "squid", "mitmproxy"], [
        Figure("request.cpu.32", "proxy CPU, 32 connections, 1 policy", "us",
               _most(25), "upstream 407, fastest rival 30", nginx=27),
        Figure("request.cpu.32.100", "proxy CPU, 32 connections, 100 policies",
               "us", _most(25)),
        Figure("request.cpu.32.1000",
               "proxy CPU, 32 connections, 1,000 policies", "us", _most(25),
               "upstream 9,900"),
        Figure("request.more.1000", "1,000 policies more than 1", "us",
               _most(1), "", 2),
        Figure("request.cpu.1", "proxy CPU, 1 connection", "us",
               _most(55), "upstream 419, fastest rival 54", nginx=61),
        Figure("request.cpu.32.h2",
               "proxy CPU, HTTP/2 on both legs, 32 streams", "us", _most(25)),
        Figure("request.cpu.1.h2",
               "proxy CPU, HTTP/2 on both legs, 1 stream", "us"),
        Figure("request.rps.32", "requests/s, 32 connections", "1/s", None,
               "", 0),
        Figure("request.p50.32", "latency p50, 32 connections", "us", None,
               "", 0),
        Figure("request.p99.32", "latency p99, 32 connections", "us", None,
               "", 0),
        Figure("request.rps.32.1000", "requests/s, 32 conns, 1,000 policies",
               "1/s", None, "upstream 100", 0),
        Figure("request.p99.32.1000", "latency p99, 32 conns, 1,000 policies",
               "us", None, "", 0),
        Figure("request.rps.1", "requests/s, 1 connection", "1/s", None,
               "", 0),
        Figure("request.p50.1", "latency p50, 1 connection", "us"),
        Figure("request.added.1", "latency p50 added, 1 connection", "us",
               _most(60), "upstream 390", nginx=35),
        Figure("request.p99.1", "latency p99, 1 connection", "us"),
    ]),
    ("New inspected connection, its first request included",
     ["nginx", "haproxy", "squid", "mitmproxy"], [
        Figure("connection.full", "proxy CPU, full handshake", "us",
               _most(400), "upstream 4,300, fastest rival 755", 0,
               nginx=379),
        Figure("connection.resumed", "proxy CPU, client resumes", "us",
               _most(150), "", 0, nginx=139),
    ]),
    ("Bulk through interception", ["nginx", "haproxy", "squid", "mitmproxy"], [
        Figure("bulk", "per CPU second of the proxy", "MB", _least(1200),
               "upstream 940, fastest rival 1,040", 0, nginx=783),
    ]),
    ("Memory of the proxy process",
     ["nginx", "haproxy", "squid", "mitmproxy"], [
        Figure("held.rest", "at rest (PSS)", "KiB", _most(3072),
               "upstream 28 MB, fastest rival 11 MB", 0),
        Figure("held.each", "an idle inspected connection", "KiB", _most(40),
               "upstream 174"),
    ]),
    ("Decision over one request, connection's included", [], [
        Figure("decision.policies.10", "10 policies of a rule, own hosts",
               "us", _most(1), "", 3),
        Figure("decision.policies.1000", "1,000 policies of a rule, own hosts",
               "us", _most(1), "upstream about 9,500", 3),
        Figure("decision.one-policy.10", "10 rules in one policy", "us",
               _most(1), "", 3),
        Figure("decision.one-policy.1000", "1,000 rules in one policy", "us",
               _most(1), "", 3),
        Figure("decision.same-host.10", "10 policies of a rule, one host",
               "us", _most(1), "", 3),
        Figure("decision.same-host.1000",
               "1,000 policies of a rule, one host", "us", _most(1), "", 3),
        Figure("decision.policies.10000",
               "1,000 policies of ten rules, own hosts", "us", _most(3), "", 3),
        Figure("decision.one-policy.10000", "10,000 rules in one policy", "us",
               _most(3), "", 3),
        Figure("decision.deny.10000", "10,000 deny rules", "us", _most(3), "", 3),
        Figure("decision.paths.1000", "1,000 endpoints of one host, by path",
               "us", _most(1), "", 3),
    ]),
    ("Decision over one operation inside a request", [], [
        Figure("decision.tools.1000", "1,000 MCP tools", "us", _most(1), "", 3),
        Figure("decision.tools.10000", "10,000 MCP tools", "us", _most(3), "", 3),
        Figure("decision.graphql.10000", "10,000 GraphQL operations", "us",
               _most(3), "", 3),
        Figure("decision.grpc.10000", "10,000 gRPC services", "us",
               _most(3), "", 3),
    ]),
    ("Policy edit to effect, on an open connection", [], [
        Figure("edit.denied.p50", "first refusal after the rename, p50", "ms",
               _most(20), "upstream 10,040"),
        Figure("edit.denied.max", "first refusal after the rename, worst",
               "ms", _most(20)),
        Figure("edit.allowed.p50", "first answer after allowing again, p50",
               "ms", _most(20)),
    ]),
]

OPENSHELL = "openshell"


def decisions():
    """The shapes of policy that decisions are measured over."""
    return sorted({f.key.split(".")[1] for f in rows()
                   if f.key.startswith("decision.")})


def rows():
    return [f for _, _, figures in SECTIONS for f in figures]
