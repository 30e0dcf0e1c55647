"""One table of requests, sent every way there is out of a sandbox: a CONNECT tunnel, captured though
the program ignored the proxy, absolute form; HTTP/1.1 and HTTP/2.  The same verdict in the answer and in
the record, and the same bytes at the origin, whichever way.
"""
import json
import re

import pytest

from harness import network, upstream_requests

TOKEN = "ghp_testnet0123456789abcdefghijklmnop"
MARK = "openshell:resolve:env:GITHUB_TOKEN"
SECURE = ("connect-h1", "connect-h2", "direct-h1", "direct-h2")
PLAIN = ("connect-h1", "direct-h1", "absolute-h1")

# Argument: how; stdin: host, port and rows.  Prints what became of each: a connection of its own each.
CLIENT = r'''
import json, os, socket, ssl, sys
way, version = sys.argv[1].split("-")
work = json.load(sys.stdin)
PROXY = ("10.200.0.1", 3128)
TLS = ssl.create_default_context()
TLS.set_alpn_protocols(["h2"] if version == "h2" else ["http/1.1"])
def reach(host, port):
    s = socket.create_connection((host, port) if way == "direct" else PROXY, 30)
    s.settimeout(30)
    if way == "connect":
        s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            more = s.recv(1)
            assert more, got
            got += more
        assert b" 200 " in got, got
    if port == 443:
        s = TLS.wrap_socket(s, server_hostname=host)
    return s
def until(s, buf, mark):
    while mark not in buf:
        more = s.recv(65536)
        if not more:
            raise EOFError(buf)
        buf += more
    return buf.split(mark, 1)
def body_h1(s, rest, fields, method, status):
    body, trailers = b"", []
    if method == "HEAD" or status in (204, 304):
        return body, trailers
    if fields.get("transfer-encoding") == "chunked":
        while True:
            line, rest = until(s, rest, b"\r\n")
            n = int(line, 16)
            if n == 0:
                break
            while len(rest) < n + 2:
                rest += s.recv(65536)
            body, rest = body + rest[:n], rest[n + 2:]
        while True:
            line, rest = until(s, rest, b"\r\n")
            if not line:
                return body, trailers
            trailers.append(line.decode())
    n = int(fields.get("content-length", -1))
    while len(rest) < n or n < 0:
        more = s.recv(65536)
        if not more:
            break
        rest += more
    assert n < 0 or len(rest) == n, rest  # one answer, not two
    return rest, trailers
def h1(r):
    host, port, target = r["host"], r["port"], r["target"]
    if way == "absolute":
        target = f"http://{host}" + ("" if target == "*" else target)
    s = reach(host, port)
    lines = [f"{r['method']} {target} HTTP/1.1", f"Host: {r.get('authority', host)}"]
    body = r["body"].encode() if r["body"] is not None else None
    fields = [list(f) for f in r["fields"]]
    if body is not None and r["framing"] == "length":
        fields.append(["Content-Length", str(len(body))])
    elif body is not None:
        fields.append(["Transfer-Encoding", "chunked"])
        half = len(body) // 2
        parts = [p for p in (body[:half], body[half:]) if p]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n"
        body += "".join(f"{n}: {v}\r\n" for n, v in r["trailers"]).encode() + b"\r\n"
    head = "\r\n".join(lines + [f"{n}: {v}" for n, v in fields]).encode() + b"\r\n\r\n"
    interim, rest = [], b""
    if any(n.lower() == "expect" for n, _ in fields):
        s.sendall(head)
    else:
        s.sendall(head + (body or b""))
        body = None
    while True:
        top, rest = until(s, rest, b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        if status >= 200:
            break
        interim.append(status)
        if body is not None:
            s.sendall(body)
            body = None
    got = {n.lower(): v.strip() for n, v in (x.split(":", 1) for x in lines)}
    body, trailers = body_h1(s, rest, got, r["method"], status)
    return {"status": status, "interim": interim, "fields": got, "body": body.decode("latin-1"),
            "trailers": [t.replace(": ", ":") for t in trailers]}
def h2(r):
    sys.path.append("/usr/lib/python3/dist-packages")
    import h2.config, h2.connection, h2.events as ev
    s = reach(r["host"], r["port"])
    assert s.selected_alpn_protocol() == "h2"
    k = h2.connection.H2Connection(h2.config.H2Configuration(
        header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False))
    k.initiate_connection()
    body = r["body"].encode() if r["body"] is not None else None
    fields = [(n.lower(), v) for n, v in r["fields"]]
    if body is not None and r["framing"] == "length":
        fields.append(("content-length", str(len(body))))
    k.send_headers(1, [(":method", r["method"]), (":scheme", "https"), (":authority", r.get("authority", r["host"])),
                       (":path", r["target"]), *fields], end_stream=body is None)
    def rest(body):  # as much as the window takes; what is left
        while True:
            n = min(len(body), k.local_flow_control_window(1), k.max_outbound_frame_size)
            if n == 0 and body:
                return body
            k.send_data(1, body[:n], end_stream=n == len(body) and not r["trailers"])
            body = body[n:]
            if not body:
                if r["trailers"]:
                    k.send_headers(1, r["trailers"], end_stream=True)
                return None
    go = not any(n == "expect" for n, _ in fields)
    if body is not None and go:
        body = rest(body)
    s.sendall(k.data_to_send())
    out = {"interim": [], "body": "", "trailers": []}
    while True:
        data = s.recv(65536)
        if not data:
            raise EOFError(out)
        for e in k.receive_data(data):
            if isinstance(e, ev.InformationalResponseReceived):
                out["interim"].append(int(dict(e.headers)[":status"]))
                go = True
            elif isinstance(e, ev.ResponseReceived):
                out["fields"] = {n: v for n, v in e.headers if n != ":status"}
                out["status"] = int(dict(e.headers)[":status"])
            elif isinstance(e, ev.DataReceived):
                out["body"] += e.data.decode("latin-1")
                k.acknowledge_received_data(e.flow_controlled_length, 1)
            elif isinstance(e, ev.TrailersReceived):
                out["trailers"] = [f"{n}:{v}" for n, v in e.headers]
            elif isinstance(e, ev.StreamEnded):
                s.close()
                return out
            elif isinstance(e, ev.StreamReset):
                return {**out, "reset": int(e.error_code)}
            elif isinstance(e, ev.ConnectionTerminated) and e.error_code:
                return {**out, "goaway": int(e.error_code)}
        if body is not None and go and "status" not in out:
            body = rest(body)
        s.sendall(k.data_to_send())
for r in work:
    try:
        out = (h1 if version == "h1" else h2)(r)
    except (OSError, EOFError) as e:
        out = {"broken": type(e).__name__, "why": str(e)}
    print(json.dumps(out), flush=True)
'''

RULES = {"rules": [{"allow": {"method": "GET", "path": "/**"}}, {"allow": {"method": "OPTIONS", "path": "**"}},
                   {"allow": {"method": "HEAD", "path": "/bytes/*"}},
                   {"allow": {"method": "POST", "path": "/echo"}},
                   {"allow": {"method": "PUT", "path": "/echo", "query": {"draft": "true"}}}],
         "deny_rules": [{"method": "GET", "path": "/secret/**"}, {"query": {"force": "1"}}]}


def rules_for(port):
    def row(host, protocol, **more):
        return {"host": host, "port": port, "protocol": protocol, **more}

    return network(
        row("h2.example.test", "rest", **RULES), row("files.example.test", "rest", **RULES),
        row("h2only.example.test", "rest", **RULES),
        row("dual.example.test", "rest", access="full", allow_encoded_slash=True, deny_rules=[{"path": "/api/a%2Fsecret"}]),
        row("registry.npm.example.test", "rest", access="read-only", enforcement="audit"),
        row("tools.example.test", "mcp", rules=[{"allow": {"method": "initialize"}}, {"allow": {"method": "tools/list"}},
                                                {"allow": {"method": "tools/call", "tool": "read_note"}}]),
        row("graph.example.test", "graphql", path="/graphql", rules=[
            {"allow": {"operation_type": "query", "fields": ["viewer"]}}]),
        row("evil.example.test", "json-rpc", path="/echo", rules=[{"allow": {"method": "eth_getBalance"}}]),
        row("six.example.test", "grpc", rules=[{"allow": {"service": "test.Echo", "rpc": "Say*"}}]),
        row("api.github.com", "rest", access="full"))


def row(name, method, target, host="files.example.test", fields=(), body=None, framing="length", trailers=(), **more):
    return {"name": name, "method": method, "target": target, "host": host, "fields": list(fields), "body": body,
            "framing": framing, "trailers": list(trailers), **more}


def rpc(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


JSON = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
GRPC = [("Content-Type", "application/grpc"), ("TE", "trailers")]


def of_rest(host):
    """What is asked of an origin, whichever version of HTTP it speaks."""
    paths = ["/echo", "/x/../echo", "/%65cho", "/..", "//echo", "/echo//x", "/./echo", "/echo/.", "/a%2fb", "/a%2Fb",
             "/%2e%2e/secret/x", "/secret/x", "/secret%2fx", "/s%65cret/x", "/a/../secret/x", "/a;b/c", "/%zz", "/%00",
             "/%0d%0aX:y", "/a%5cb", "/a\\b", "/echo?", "/echo?x=%2e&y=a+b", "/echo?force=1", "/echo?%66orce=1",
             "/echo?x=%zz", "/echo?a=1;force=1", "/echo#x", "/bytes/10?x=/../y", "/%E2%98%83", "/~u", "/%7Eu", "/a//b/",
             "/" + "a" * 9000]
    rows = [row(f"path {p[:40]}", "GET", p, host) for p in paths]
    rows += [row(f"method {m}", m, "/echo", host) for m in ("POST", "PUT", "DELETE", "PATCH", "get", "TRACE", "PROPFIND")]
    rows += [
        row("query allowed", "PUT", "/echo?draft=true", host, body="x"),
        row("query denied", "PUT", "/echo?draft=false", host, body="x"),
        row("query twice", "PUT", "/echo?draft=true&draft=false", host, body="x"),
        row("HEAD", "HEAD", "/bytes/10", host), row("HEAD denied", "HEAD", "/echo", host),
        row("OPTIONS", "OPTIONS", "/echo", host), row("OPTIONS *", "OPTIONS", "*", host), row("GET *", "GET", "*", host),
        row("status 404", "GET", "/status/404", host), row("status 204", "GET", "/status/204", host),
        row("chunked answer", "GET", "/chunked/100000", host), row("empty answer", "GET", "/bytes/0", host),
        row("trailers back", "GET", "/trailers", host), row("events", "GET", "/sse", host),
        row("length", "POST", "/echo", host, body="hello"), row("length 0", "POST", "/echo", host, body=""),
        row("chunks", "POST", "/echo", host, body="hello, world", framing="chunked"),
        row("no chunks", "POST", "/echo", host, body="", framing="chunked"),
        row("trailers", "POST", "/echo", host, body="abc", framing="chunked",
            trailers=[("x-sum", "7"), ("authorization", "no")]),
        row("a body with GET", "GET", "/echo", host, body="abc"),
        row("denied with a body", "DELETE", "/echo", host, body="abc"),
        row("long body", "POST", "/echo", host, body="x" * 50000),
        row("fields", "GET", "/echo", host, [("X-Many", "1"), ("Accept-Language", "en"), ("X-Many", "2"), ("X-Empty", ""),
                                             ("User-Agent", "t"), ("Cookie", "a=1; b=2"), ("Via", "1.1 other")]),
        row("fields of a proxy", "GET", "/echo", host, [("Proxy-Authorization", "Basic YTpi"), ("Forwarded", "for=1.2.3.4"),
                                                        ("X-Forwarded-For", "1.2.3.4")]),
        row("cookies", "GET", "/echo", host, [("Cookie", "a=1; b=2"), ("X-After", "1")]),
        row("range", "GET", "/bytes/100", host, [("Range", "bytes=3-7")]),
        row("expect", "POST", "/echo", host, [("Expect", "100-continue")], body="hello"),
        row("expect, denied", "DELETE", "/echo", host, [("Expect", "100-continue")], body="hello"),
        row("expect what?", "POST", "/echo", host, [("Expect", "the-inquisition")], body="hello"),
        row("long head", "GET", "/echo", host, [("X-Long", "a" * 7000), ("X-Longer", "b" * 7000)]),
        row("too long a head", "GET", "/echo", host, [(f"X-Long-{i}", "a" * 5000) for i in range(4)]),
        row("too many fields", "GET", "/echo", host, [(f"X-{i}", "a") for i in range(110)]),
        row("authority with port", "GET", "/echo", host, authority=None),
        row("capitals", "GET", "/echo", host, authority=host.upper()),
        row("other host", "GET", "/echo", host, authority="api.github.com")]
    rows += [row(f"override {n}", "POST", "/echo", host, [(n, "DELETE")], body="x")
             for n in ("X-HTTP-Method-Override", "x-http-method", "X-Original-URL")]
    return rows


def of_bodies(framing):
    def post(name, host, target, body, fields=JSON):
        return row(f"{name}, {framing}", "POST", target, host, fields, body, framing)

    call = "tools.example.test", "/json"
    return [
        post("mcp", *call, rpc("tools/call", name="read_note", arguments={"path": "/x"})),
        post("mcp denied", *call, rpc("tools/call", name="delete_note", arguments={})),
        post("mcp list", *call, rpc("tools/list")), post("mcp events", "tools.example.test", "/sse", rpc("tools/list")),
        post("mcp twice a key", *call, '{"jsonrpc":"2.0","id":1,"method":"initialize","method":"tools/call"}'),
        post("mcp no JSON", *call, "{"), post("mcp empty", *call, ""),
        post("mcp type", *call, rpc("initialize"), [("Content-Type", "text/plain")]),
        post("mcp batch", *call, f"[{rpc('tools/list')}, {rpc('tools/call', name='delete_note')}]"),
        post("rpc", "evil.example.test", "/echo", rpc("eth_getBalance")),
        post("rpc denied", "evil.example.test", "/echo", rpc("eth_send")),
        post("rpc elsewhere", "evil.example.test", "/other", rpc("eth_getBalance")),
        post("graphql", "graph.example.test", "/graphql", json.dumps({"query": "{viewer {id}}"})),
        post("graphql denied", "graph.example.test", "/graphql", json.dumps({"query": "mutation {x}"})),
        post("graphql broken", "graph.example.test", "/graphql", json.dumps({"query": "{viewer"})),
        post("too long to hold", "graph.example.test", "/graphql", json.dumps({"query": "{viewer {id}}" + " " * 70000})),
        post("audited", "registry.npm.example.test", "/x", "body"),
        post("encoded slash", "dual.example.test", "/api/a%2fb", "x"),
        post("encoded slash denied", "dual.example.test", "/api/a%2fsecret", "x"),
        post("grpc", "six.example.test", "/test.Echo/Say", "\0\0\0\0\0", GRPC),
        post("grpc denied", "six.example.test", "/test.Echo/Shout", "\0\0\0\0\0", GRPC),
        post("grpc of no kind", "six.example.test", "/test.Echo/Say", "\0\0\0\0\0", [("Content-Type", "text/plain")]),
        post("grpc no path", "six.example.test", "/Say", "\0\0\0\0\0", GRPC)]


def of_credentials():
    api, bearer = "api.github.com", [("Authorization", f"Bearer {MARK}")]
    return [
        row("credential", "GET", "/zen", api, bearer),
        row("credential with a body", "POST", "/repos/a/b/issues", api, bearer, body="{}"),
        row("credential, chunks", "POST", "/repos/a/b/issues", api, bearer, body="{}", framing="chunked"),
        row("credential in the path", "GET", f"/x/{MARK}/y", api),
        row("credential in the query", "GET", f"/zen?token={MARK}", api),
        row("credential, other host", "GET", "/echo", "files.example.test", bearer),
        row("credential unknown", "GET", "/zen", api, [("Authorization", "Bearer openshell:resolve:env:NO_SUCH")]),
        row("credential malformed", "GET", "/zen", api, [("Authorization", "Bearer openshell:resolve:env:")]),
        row("credential in a name", "GET", "/zen", api, [("X-A", f"{MARK}{MARK}")])]


def table(port):
    rows = of_rest("files.example.test") + of_bodies("length") + of_bodies("chunked") + of_credentials()
    if port == 80:
        # Absolute form has no such target, and ignores Host: RFC 9112 sections 3.2.2 and 3.2.4.
        rows = [r for r in rows if r["name"] not in ("GET *", "other host")]
    else:
        rows += of_rest("h2.example.test") + [row("GET", "GET", "/echo", "h2only.example.test")]
    for i, r in enumerate(rows):
        r["port"], r["fields"] = port, [*r["fields"], ("X-Row", str(i))]
        if r.get("authority", "") is None:
            r["authority"] = f"{r['host']}:{port}"
    return rows


# HTTP/2 has its own word for what is no message: the stream is reset (RFC 9113 section 8.1.1).
MALFORMED = ("path /echo#x", "GET *", "too many fields")
# Fields of an event that are the same whichever way.
TOLD = ("action", "stage", "host", "port", "method", "path", "query_names", "policy", "rule", "reason", "operation", "tool",
        "suggestion", "nearest", "miss")
STAGES = {"forward-l7-deny": "l7", "forward": "parse"}


def record_of(event, name):
    said = {k: event[k] for k in TOLD if k in event}
    said["stage"] = STAGES.get(said.get("stage"), said.get("stage"))
    if said["stage"] == "parse":  # in absolute form it is read before any policy is asked
        said = {k: said[k] for k in ("action", "stage", "reason")}
        if name in MALFORMED:
            said["reason"] = bool(said["reason"])
    return said


def of_connection(event):
    """That a connection was allowed, or a forwarded request was sent: not every way has such a record."""
    return event["kind"] == "FORWARD" or (event["action"] == "allow" and "method" not in event)


def at_origin(request):
    """Method, target and fields of a request, without what each version says in its own way."""
    host, fields = [], []
    for n, v in request["headers"]:
        n = n.lower()
        if n in ("host", ":authority"):
            host.append(v)
        elif not n.startswith(":") and n not in ("transfer-encoding", "connection", "te"):
            fields.append([n, v])
    # A forwarded request says that it was.
    fields = [f for f in fields if f != ["via", "1.1 openshell-sandbox"]]
    # Framing by each version's own means; the origin's library puts Cookie last.
    apart = {n: [f for f in fields if f[0] == n] for n in ("content-length", "cookie")}
    fields = [f for f in fields if f[0] not in apart]
    # Between ends of HTTP/1.1 trailers are dropped, which RFC 9110 section 6.5.1 lets a proxy do.
    assert request["trailers"] == ([["x-sum", "7"]] if request["trailers"] and request["version"] == "HTTP/2" else []), request
    return [request["method"], request["target"], host, fields, apart, request["body_length"], request["body_sha256"],
            request["malformed"]]


def without_event(value):
    if isinstance(value, list):
        return [without_event(v) for v in value]
    if isinstance(value, dict):
        refused_unread = value.get("error") == "bad_request"
        return {k: without_event(v) for k, v in value.items()
                if k != "event_id" and not (refused_unread and k in ("host", "port"))}
    return re.sub(r"SANDBOX \d+", "SANDBOX N", value) if isinstance(value, str) else value


def answer_of(r, got, way):
    """What the client was told; malformed requests are refused by status, or by a reset of the stream."""
    if got.get("reset") == 1:
        return "malformed"
    if "status" not in got:
        return got
    if r["name"] in MALFORMED and got["status"] in (400, 431):
        return "malformed"
    out = {k: got[k] for k in ("status", "interim")}
    if got["trailers"] or (r["name"] == "trailers back" and "h2" in way):
        assert got["trailers"] == ["x-after:the body"] and "h2" in way, (way, got)
    out["type"] = got["fields"].get("content-type")
    try:
        value = json.loads(got["body"])
        if isinstance(value, dict) and "body_sha256" in value:
            return out  # an origin that shows the request, which is compared by itself
        out["body"] = without_event(value)
    except ValueError:
        out["body"] = got["body"]
    return out


def send_all(sandbox, way, rows):
    hosts = {r["host"] for r in rows}
    before = {h: len(upstream_requests(h)) for h in hosts}
    box = sandbox(rules_for(rows[0]["port"]), options=["--provider", "github"])
    out = box.run("/usr/bin/python3", "-c", CLIENT, way, input=json.dumps(rows).encode(), env={"GITHUB_TOKEN": TOKEN},
                  timeout=240)
    assert out.code == 0, (way, out.stderr[-3000:])
    answers = [json.loads(line) for line in out.stdout.splitlines()]
    assert len(answers) == len(rows), (way, len(answers), out.stderr)
    seen = {}
    for h in hosts:
        for request in upstream_requests(h)[before[h]:]:
            seen.setdefault(dict((n.lower(), v) for n, v in request["headers"]).get("x-row"), []).append(at_origin(request))
    # A connection each, one after the other.
    numbers = sorted({e["connection"] for e in out.events if "connection" in e})
    assert len(numbers) == len(rows), (way, len(numbers), len(rows))
    names = dict(zip(numbers, (r["name"] for r in rows), strict=True))
    told = {n: [] for n in numbers}
    for e in out.events:
        if "connection" in e and not of_connection(e):
            told[e["connection"]].append(record_of(e, names[e["connection"]]))
    return {r["name"] + " at " + r["host"]: {"answer": answer_of(r, a, way), "origin": seen.get(str(i), []), "record": told[numbers[i]]}
            for i, (r, a) in enumerate(zip(rows, answers, strict=True))}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("port,ways", [(443, SECURE), (80, PLAIN)], ids=["https", "http"])
def test_every_way_gives_the_same_verdict_and_the_same_bytes(sandbox, port, ways):
    rows = table(port)
    got = {way: send_all(sandbox, way, rows) for way in ways}
    differ = []
    for name in got[ways[0]]:
        one = got[ways[0]][name]
        for way in ways[1:]:
            for part in one:
                if got[way][name][part] != one[part]:
                    differ.append(f"{name}: {part}\n  {ways[0]}: {json.dumps(one[part])[:1500]}\n  {way}: "
                                  f"{json.dumps(got[way][name][part])[:1500]}")
    # Two-sided: of every kind there are some, and what was denied reached nobody.
    for name, one in got[ways[0]].items():
        verdicts = {r["action"] for r in one["record"]}
        assert verdicts and (bool(one["origin"]) == ("deny" not in verdicts)), (name, one)
    assert not differ, f"{len(differ)} differences\n" + "\n".join(differ)
