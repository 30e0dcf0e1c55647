"""The proxy against its specification, statement by statement: what exactly it answers, records and sends on.

The client is Python inside the sandbox, saying exact bytes; the servers are those of the test internet,
and scripted ones of this file on other ports of their addresses.
"""
import json
import socket
import ssl
import threading

import pytest

from harness import TESTNET, network, rest, upstream_requests

INSIDE = r'''
import json, socket, ssl, sys, time
PROXY = ("10.200.0.1", 3128)
def dial():
    s = socket.create_connection(PROXY, 30)
    s.settimeout(30)
    return s
def read_head(s):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        if not more:
            break
        data += more
    return data
def fields(head):
    lines = head.split(b"\r\n")[1:]
    return [[n.decode("latin-1"), v.strip().decode("latin-1")] for n, _, v in (l.partition(b":") for l in lines if l)]
def read_all(s):
    data = b""
    try:
        while more := s.recv(65536):
            data += more
    except ConnectionResetError:
        data += b"<RST>"
    except ssl.SSLError as e:
        data += b"<TLS>"
    return data
def response(s, method="GET"):
    head = read_head(s)
    body = b""
    known = {n.lower(): v for n, v in fields(head)}
    status = int(head.split(b" ")[1]) if head else 0
    if method == "HEAD" or status < 200 or status in (204, 304):
        pass
    elif "content-length" in known:
        n = int(known["content-length"])
        while len(body) < n:
            more = s.recv(n - len(body))
            if not more:
                break
            body += more
    elif "transfer-encoding" in known:
        while not body.endswith(b"0\r\n\r\n"):
            more = s.recv(1)
            if not more:
                break
            body += more
    else:
        body = read_all(s)
    return status, head, body
def connect(target, first=b""):
    s = dial()
    s.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target.encode(), target.encode()) + first)
    return s, read_head(s)
def tunnel(target, first=b""):
    s, head = connect(target, first)
    assert head == b"HTTP/1.1 200 Connection Established\r\n\r\n", (head, read_all(s))
    return s
def tls(target, sni=None, alpn=None, **more):
    c = ssl.create_default_context()
    if alpn:
        c.set_alpn_protocols(alpn)
    return c.wrap_socket(tunnel(target), server_hostname=sni or target.rsplit(":", 1)[0].strip("[]"))
def get(path, host, method="GET", extra="", body=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n{body}".encode("latin-1")
out = {}
def put(name, *values):
    out[name] = [v.decode("latin-1") if isinstance(v, bytes) else v for v in values]
def done():
    print(json.dumps(out))
'''


def inside(box, script, **given):
    """Runs the script in the sandbox; gives what it put, and the Result."""
    code = INSIDE + "".join(f"{k} = {v!r}\n" for k, v in given.items()) + script + "\ndone()\n"
    out = box.run("/usr/bin/python3", "-c", code, timeout=90)
    assert out.code == 0, out
    return json.loads(out.stdout), out


class Origin:
    """Serves on a port of a name of the test internet whose own servers are elsewhere.

    serve(conn, say) runs for each connection: conn is the socket, say(bytes) sends; what was read is in got.
    """

    def __init__(self, serve, host="closed.example.test", port=8080, tls=False, family=socket.AF_INET, alpn=None):
        self.address = socket.getaddrinfo(host, port, family)[0][4][0]
        self.host, self.port, self.serve = host, port, serve
        self.got, self.errors = [], []
        self._tls = None
        if tls:
            private = TESTNET / ".origins"
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(private / f"{host}.crt", private / "origins.key")
            if alpn:
                self._tls.set_alpn_protocols(alpn)

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, self.port), family=family)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        conn.settimeout(30)
        try:
            with conn:
                if self._tls:
                    conn = self._tls.wrap_socket(conn, server_side=True)
                self.serve(self, conn)
                conn.close()
        except OSError as e:
            self.errors.append(e)

    def head(self, conn):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = conn.recv(1)
            if not more:
                return data
            data += more
        self.got.append(data)
        return data


def answering(*answers):
    """A server that gives each request of a connection the next answer, then waits for the end."""
    def serve(origin, conn):
        for answer in answers:
            if not origin.head(conn):
                return
            conn.sendall(answer)
        while conn.recv(65536):
            pass
    return serve


def plain(host="closed.example.test", port=8080, **more):
    return rest(host, port=port, access="full", **more)


def split(raw):
    """(status line, [[name, value]...], body) of a whole answer."""
    head, _, body = raw.partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    return line, [f.split(": ", 1) for f in fields], body


def network_events(out):
    return out.events


# Refusals

H = "Host: files.example.test\r\n"
FIRST_HEADS = [
    ("connect-without-port", 400, "CONNECT files.example.test HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect-port-0", 400, "CONNECT files.example.test:0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect-port-big", 400, "CONNECT files.example.test:65536 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect-with-body", 400, f"CONNECT files.example.test:443 HTTP/1.1\r\n{H}Content-Length: 3\r\n\r\nabc"),
    ("origin-form", 400, f"GET / HTTP/1.1\r\n{H}\r\n"),
    ("no-scheme", 400, f"GET example.com/path HTTP/1.1\r\n{H}\r\n"),
    ("empty-host", 400, f"GET http:///path HTTP/1.1\r\n{H}\r\n"),
    ("https", 400, f"GET https://files.example.test/ HTTP/1.1\r\n{H}\r\n"),
    ("userinfo", 400, f"GET http://a@files.example.test/ HTTP/1.1\r\n{H}\r\n"),
    ("fragment", 400, f"GET http://files.example.test/#x HTTP/1.1\r\n{H}\r\n"),
    ("bad-escape", 400, f"GET http://files.example.test/%zz HTTP/1.1\r\n{H}\r\n"),
    ("no-host", 400, "GET http://files.example.test/ HTTP/1.1\r\n\r\n"),
    ("trace", 405, f"TRACE http://files.example.test/ HTTP/1.1\r\n{H}\r\n"),
    ("long-target", 414, f"GET http://files.example.test/{'a' * 9000} HTTP/1.1\r\n{H}\r\n"),
    ("long-path", 414, f"GET http://files.example.test/{'a' * 5000} HTTP/1.1\r\n{H}\r\n"),
    ("large-head", 431, f"GET http://files.example.test/ HTTP/1.1\r\n{H}X: {'a' * 20000}\r\n\r\n"),
    ("many-fields", 431, f"GET http://files.example.test/ HTTP/1.1\r\n{H}" + "A: b\r\n" * 101 + "\r\n"),
    ("gzip-request", 501, f"POST http://files.example.test/echo HTTP/1.1\r\n{H}Transfer-Encoding: gzip\r\n\r\n"),
    ("version-2", 505, f"GET http://files.example.test/ HTTP/2.0\r\n{H}\r\n"),
]
PHRASES = {400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout",
           414: "URI Too Long", 421: "Misdirected Request", 431: "Request Header Fields Too Large",
           501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
           505: "HTTP Version Not Supported"}


def check_refusal(raw, status, error="bad_request"):
    """One shape for all that no policy refused."""
    line, fields, body = split(raw)
    assert line == f"HTTP/1.1 {status} {PHRASES[status]}", raw
    assert fields == [["Content-Type", "application/json"], ["Content-Length", str(len(body))],
                      ["Connection", "close"]], raw
    answer = json.loads(body)
    assert answer["error"] == error and answer["detail"] and "\n" not in answer["detail"], raw
    return answer


def test_every_refusal_of_a_first_head_has_one_shape_and_one_record(sandbox):
    box = sandbox(policy=network({"host": "files.example.test", "ports": [80, 443]}))
    before = len(upstream_requests("files.example.test"))
    answers, out = inside(box, "for name, raw in heads:\n"
                          "    s = dial(); s.sendall(raw.encode()); put(name, read_all(s))",
                          heads=[(n, raw) for n, _, raw in FIRST_HEADS])
    for name, status, _ in FIRST_HEADS:
        check_refusal(answers[name][0], status)
    assert "Use CONNECT for HTTPS URLs" in answers["https"][0]
    events = network_events(out)
    assert {(e["kind"], e["action"]) for e in events} == {("HTTP_REFUSED", "deny")}, out
    assert len(events) == len(FIRST_HEADS) and all(e["reason"] for e in events), out
    assert len(upstream_requests("files.example.test")) == before


INNER_HEADS = [
    ("other-host", 421, "GET / HTTP/1.1\r\nHost: evil.example.test\r\n\r\n"),
    ("other-port", 421, "GET / HTTP/1.1\r\nHost: files.example.test:80\r\n\r\n"),
    ("other-absolute", 421, f"GET https://evil.example.test/ HTTP/1.1\r\n{H}\r\n"),
    ("other-scheme", 421, f"GET http://files.example.test/ HTTP/1.1\r\n{H}\r\n"),
    ("two-hosts", 400, f"GET / HTTP/1.1\r\n{H}{H}\r\n"),
    ("connect", 405, f"CONNECT files.example.test:443 HTTP/1.1\r\n{H}\r\n"),
    ("connect-as-path", 405, f"connect / HTTP/1.1\r\n{H}\r\n"),
    ("trace", 405, f"TRACE / HTTP/1.1\r\n{H}\r\n"),
    ("track", 405, f"track / HTTP/1.1\r\n{H}\r\n"),
    ("asterisk", 400, f"GET * HTTP/1.1\r\n{H}\r\n"),
    ("h2c", 400, f"GET / HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
    ("h2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("bare-lf", 400, f"GET / HTTP/1.1\r\n{H}X-Injected: value\nEvil: header\r\n\r\n"),
    ("not-utf8", 400, f"GET / HTTP/1.1\r\n{H}X: \xc0\xaf\r\n\r\n"),
    ("cl-blank", 400, f"POST / HTTP/1.1\r\n{H}Content-Length : 5\r\n\r\nhello"),
    ("cl-te", 400, f"POST / HTTP/1.1\r\n{H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("te-cl", 400, f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("cl-0-50", 400, f"POST / HTTP/1.1\r\n{H}Content-Length: 0\r\nContent-Length: 50\r\n\r\n"),
    ("cl-abc", 400, f"POST / HTTP/1.1\r\n{H}Content-Length: 42\r\nContent-Length: abc\r\n\r\n"),
    ("te-twice", 400, f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("te-list", 400, f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("te-x", 501, f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n"),
    ("te-http10", 400, f"POST / HTTP/1.0\r\n{H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunk-size", 400, f"POST /echo HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
    ("long-path", 414, f"GET /{'a' * 5000} HTTP/1.1\r\n{H}\r\n"),
    ("large-head", 431, f"GET / HTTP/1.1\r\n{H}X: {'a' * 20000}\r\n\r\n"),
    ("query-escape", 400, f"GET /?a=%2 HTTP/1.1\r\n{H}\r\n"),
]


@pytest.mark.parametrize("endpoint", ["rest", "none"])
def test_every_refusal_in_a_tunnel_has_one_shape_and_one_record(sandbox, endpoint):
    """Strictness does not depend on whether there are rules."""
    heads = [h for h in INNER_HEADS if endpoint == "rest" or h[0] not in ("h2", "connect-as-path", "track",
                                                                         "query-escape")]
    box = sandbox(policy=network(rest("files.example.test", access="full") if endpoint == "rest"
                                 else {"host": "files.example.test", "port": 443}))
    answers, out = inside(box, "for name, raw in heads:\n"
                          "    s = tls('files.example.test:443'); s.sendall(raw.encode('latin-1'))\n"
                          "    put(name, read_all(s))", heads=[(n, raw) for n, _, raw in heads])
    for name, status, _ in heads:
        check_refusal(answers[name][0], status)
    refused = out.event("HTTP_REFUSED", action="deny")
    assert len(refused) == len(heads) and {e["policy"] for e in refused} == {"test"}, out
    opened = out.event("CONNECT_L7" if endpoint == "rest" else "CONNECT", action="allow")
    assert len(opened) == len(heads), out
    # The only request that was whole enough to be judged is the one whose body broke later.
    judged = out.event("L7_REQUEST" if endpoint == "rest" else "HTTP_REQUEST")
    assert [(e["action"], e["path"]) for e in judged] == [("allow", "/echo")], out


@pytest.mark.slow
def test_what_does_not_end_or_answer_ends_at_its_deadline(sandbox):
    box = sandbox(policy=network(rest("files.example.test", access="full"), rest("silent.example.test"),
                                 rest("mute.example.test")))
    # All at once: each is a deadline of its own.
    answers, out = inside(box, """
import threading
def dns():
    t = time.monotonic()
    s, head = connect("silent.example.test:443"); put("dns", head + read_all(s), time.monotonic() - t)
def handshake():
    t = time.monotonic()
    try:
        tls("mute.example.test:443")
    except ssl.SSLError as e:
        put("handshake", str(e), time.monotonic() - t)
workers = [threading.Thread(target=f) for f in (dns, handshake)]
for worker in workers: worker.start()
a = dial(); a.sendall(b"GET http://files.example.test/ HTTP/1.1\\r\\n")
b = tls("files.example.test:443"); b.sendall(b"GET / HTTP/1.1\\r\\n")
c = dial()
t = time.monotonic()
put("first", read_all(a)); put("inner", read_all(b)); put("silent", read_all(c))
put("took", time.monotonic() - t)
for worker in workers: worker.join()
""")
    raw, took = answers["dns"]
    a = check_refusal(raw, 502, "upstream_failed")
    assert a["detail"] == "DNS resolution failed for silent.example.test:443: no answer in 5 s" and took < 8, answers
    assert "alert" in answers["handshake"][0] and 13 < answers["handshake"][1] < 25, answers
    assert [e["stage"] for e in out.event("UPSTREAM_FAILED")] == ["dns", "tls-upstream"], out
    check_refusal(answers["first"][0], 408, "request_timeout")
    check_refusal(answers["inner"][0], 408)
    assert answers["silent"] == [""] and 13 < answers["took"][0] < 25, answers
    assert len(out.event("HTTP_REFUSED")) == 2, out


# Denials

def check_denial(raw, policy, layer, error="policy_denied"):
    line, fields, body = split(raw)
    assert line == "HTTP/1.1 403 Forbidden", raw
    assert fields == [["Content-Type", "application/json"], ["Content-Length", str(len(body))],
                      ["X-OpenShell-Policy", policy], ["Connection", "close"]], raw
    answer = json.loads(body)
    assert (answer["error"], answer["policy"], answer["layer"]) == (error, policy, layer), raw
    assert answer["binary"].startswith("/usr/bin/python3"), raw
    return answer


def test_denials_say_what_and_are_recorded_once(sandbox):
    box = sandbox(policy=network(rest("api.github.com"), rest("files.example.test", port=80),
                                 {"host": "private*.example.test", "ports": [80, 443]}))
    answers, out = inside(box, """
s = dial(); s.sendall(b"CONNECT evil.example.test:443 HTTP/1.1\\r\\nHost: evil.example.test:443\\r\\n\\r\\n")
put("connect", read_all(s))
s = dial(); s.sendall(get("http://evil.example.test/a?key=secretvalue", "evil.example.test"))
put("forward", read_all(s))
s = dial(); s.sendall(get("http://files.example.test/echo?key=secretvalue&b", "files.example.test", "DELETE"))
put("forward-l7", read_all(s))
s = tls("api.github.com:443"); s.sendall(get("/repos/a/b?key=secretvalue&b", "api.github.com", "DELETE"))
put("l7", read_all(s))
s = dial(); s.sendall(b"CONNECT private.example.test:443 HTTP/1.1\\r\\nHost: private.example.test:443\\r\\n\\r\\n")
put("ssrf", read_all(s))
s = dial(); s.sendall(get("http://private.example.test/in", "private.example.test"))
put("ssrf-forward", read_all(s))
s = dial(); s.sendall(get("http://evil.example.test/", "evil.example.test", "HEAD"))
put("head", read_all(s))
s = dial(); s.sendall(get("http://api.github.com/", "api.github.com"))
put("X-62", read_all(s))
""")
    a = check_denial(answers["X-62"][0], "-", "l4")  # the policy has its port 443 alone
    assert a["detail"] == "endpoint api.github.com:80 is not allowed by any policy"
    a = check_denial(answers["connect"][0], "-", "l4")
    assert (a["protocol"], a["rule"], a["host"], a["port"], a["method"]) == (
        "connect", "CONNECT evil.example.test:443", "evil.example.test", 443, "CONNECT")
    assert a["detail"] == "endpoint evil.example.test:443 is not allowed by any policy"
    a = check_denial(answers["forward"][0], "-", "l4")
    assert (a["protocol"], a["rule"], a["path"]) == ("http", "GET /a", "/a")
    assert a["detail"] == "endpoint evil.example.test:80 is not allowed by any policy"
    a = check_denial(answers["forward-l7"][0], "test", "l7")
    assert (a["protocol"], a["rule"]) == ("rest", "DELETE /echo")
    assert a["detail"] == "DELETE /echo not permitted by policy"
    a = check_denial(answers["l7"][0], "test", "l7")
    assert (a["protocol"], a["rule"], a["method"], a["path"]) == (
        "rest", "DELETE /repos/a/b", "DELETE", "/repos/a/b")
    assert a["rule_missing"]["type"] == "rest_allow"
    a = check_denial(answers["ssrf"][0], "test", "l4", "ssrf_denied")
    assert a["rule"] == "CONNECT private.example.test:443" and "10.0.5.9" not in answers["ssrf"][0]
    a = check_denial(answers["ssrf-forward"][0], "test", "l4", "ssrf_denied")
    assert a["rule"] == "GET /in" and "10.0.5.9" not in answers["ssrf-forward"][0]
    line, fields, body = split(answers["head"][0])
    assert line == "HTTP/1.1 403 Forbidden" and body == "" and int(dict(fields)["Content-Length"]) > 0
    assert [(e["kind"], e["action"], e.get("stage", "")) for e in network_events(out)] == [
        ("CONNECT", "deny", "connect"), ("FORWARD", "deny", "forward"),
        ("FORWARD_L7", "deny", "forward-l7-deny"), ("CONNECT_L7", "allow", ""), ("L7_REQUEST", "deny", "l7"),
        ("CONNECT", "deny", "ssrf"), ("FORWARD", "deny", "ssrf"), ("FORWARD", "deny", "forward"),
        ("FORWARD", "deny", "forward")], out
    reasons = [e["reason"] for e in network_events(out) if e.get("stage") == "ssrf"]
    assert reasons == ["private.example.test resolves to internal address 10.0.5.9, connection rejected (private)"] * 2
    assert "secretvalue" not in box.events.read_text()
    assert "secretvalue" not in "".join(v[0] for v in answers.values())
    assert [e.get("query_names") for e in out.event("L7_REQUEST")] == ["key, b"], out


def test_inference_local_is_never_asked_for_outside(sandbox):
    """3.4: without a router it is refused before the 200, though a policy names it."""
    box = sandbox(policy=network(rest("inference.local"), rest("inference.local", port=80), rest("api.github.com")))
    answers, out = inside(box, """
for name in ("inference.local", "Inference.Local."):
    s = dial(); s.sendall(b"CONNECT %s:443 HTTP/1.1\\r\\nHost: %s:443\\r\\n\\r\\n" % (name.encode(), name.encode()))
    put(name, read_all(s))
s = dial(); s.sendall(get("http://inference.local/v1/models", "inference.local")); put("forward", read_all(s))
try:
    socket.create_connection(("inference.local", 443), 10).recv(1); put("direct", "open")
except OSError as e:
    put("direct", type(e).__name__)
s = tls("api.github.com:443"); s.sendall(get("/zen", "api.github.com"))
put("other", response(s)[0])
""")
    for name in ("inference.local", "Inference.Local.", "forward"):
        a = check_refusal(answers[name][0], 503, "inference_unavailable")
        assert "no model router" in a["detail"], answers
    assert answers["other"] == [200]
    assert answers["direct"] == ["ConnectionResetError"], answers
    stages = [e["stage"] for e in out.event("CONNECT", action="deny")]
    assert set(stages) == {"inference"} and len(stages) >= 3, out  # direct: perhaps once for each of its addresses
    assert [e["stage"] for e in out.event("FORWARD", action="deny")] == ["inference"], out
    assert not out.event("UPSTREAM_FAILED"), out


def test_paths_are_cut_in_records_only(sandbox):
    box = sandbox(policy=network(rest("files.example.test", access="full")))
    _, out = inside(box, "s = tls('files.example.test:443'); s.sendall(get('/' + 'a' * 3000, 'files.example.test'))\n"
                    "put('a', *response(s))")
    (event,) = out.event("L7_REQUEST", action="allow")
    assert len(event["path"]) <= 1024 and event["truncated"] is True, event
    assert upstream_requests("files.example.test")[-1]["target"] == "/" + "a" * 3000


def test_a_denial_names_the_policy_of_the_connection_not_of_the_last_request(sandbox):
    policy = network()
    policy["network_policies"] = {
        "a": {"endpoints": [{"host": "files.example.test", "port": 443, "protocol": "rest",
                             "rules": [{"allow": {"method": "GET", "path": "/bytes/*"}}]}],
              "binaries": [{"path": "/**"}]},
        "b": {"endpoints": [{"host": "files.example.test", "port": 443, "protocol": "rest",
                             "rules": [{"allow": {"method": "POST", "path": "/echo"}}]}],
              "binaries": [{"path": "/**"}]}}
    answers, out = inside(sandbox(policy=policy), """
s = tls("files.example.test:443")
s.sendall(get("/echo", "files.example.test", "POST", "Content-Length: 2\\r\\n", "hi")); put("one", *response(s))
s.sendall(get("/other", "files.example.test")); put("two", read_all(s))
""")
    assert answers["one"][0] == 200
    check_denial(answers["two"][0], "a", "l7")
    assert [(e["action"], e["policy"]) for e in out.event("L7_REQUEST")] == [("allow", "b"), ("deny", "a")], out


def test_audit_mode_passes_and_is_recorded_as_such(sandbox):
    box = sandbox(policy=network(rest("files.example.test", enforcement="audit"),
                                 rest("files.example.test", port=80, enforcement="audit")))
    answers, out = inside(box, """
s = tls("files.example.test:443")
s.sendall(get("/echo", "files.example.test", "POST", "Content-Length: 2\\r\\n", "hi")); put("tunnel", *response(s))
s = dial()
s.sendall(get("http://files.example.test/echo", "x", "POST", "Content-Length: 2\\r\\n", "hi")); put("forward", *response(s))
""")
    assert answers["tunnel"][0] == answers["forward"][0] == 200
    assert [(e["kind"], e["action"], e.get("stage", "")) for e in network_events(out)] == [
        ("CONNECT_L7", "allow", ""), ("L7_REQUEST", "audit", "l7_audit"),
        ("FORWARD_L7", "audit", "l7_audit"), ("FORWARD", "allow", "")], out
    assert all("not permitted by policy" in e["reason"] for e in network_events(out) if e["action"] == "audit")


def test_a_program_that_changed_is_denied_and_named(sandbox):
    box = sandbox(policy=network({"host": "files.example.test", "port": 80}))
    ask = "curl -sS -o /dev/null -w '%{http_connect}\\n' -p http://files.example.test/bytes/1"
    out = box.run("sh", "-c", f"cp /usr/bin/curl x; ./x{ask[4:]}; cp /usr/bin/curl y; echo >>y; mv y x; ./x{ask[4:]}")
    assert out.stdout.split() == ["200", "403"], out
    (event,) = out.event("CONNECT", action="deny")
    assert event["reason"].startswith("binary integrity check failed: Binary integrity violation: "), event
    assert event["stage"] == "connect" and event["binary"].endswith("/x") and "suggestion" not in event, event
    (found,) = [r for r in out.records if r["kind"] == "PROGRAM_CHANGED"]
    assert found["binary"] == event["binary"] and found["sha256"] == event["sha256"] and found["reason"] == event["reason"], found


# Destinations

def test_upstreams_that_cannot_be_reached_get_502(sandbox):
    hosts = ["nothing.example.test", "closed.example.test"]
    box = sandbox(policy=network(*[{"host": h, "ports": [80, 443]} for h in hosts]))
    answers, out = inside(box, """
for h in hosts:
    s = dial(); s.sendall(f"CONNECT {h}:443 HTTP/1.1\\r\\nHost: {h}:443\\r\\n\\r\\n".encode()); put("c " + h, read_all(s))
    s = dial(); s.sendall(get(f"http://{h}/", h)); put("f " + h, read_all(s))
""", hosts=hosts)
    for raw in answers.values():
        check_refusal(raw[0], 502, "upstream_failed")
    events = network_events(out)
    assert [(e["kind"], e["stage"]) for e in events] == [("UPSTREAM_FAILED", "dns")] * 2 + [
        ("UPSTREAM_FAILED", "dial")] * 2, out
    assert events[0]["reason"].startswith("DNS resolution failed for nothing.example.test:443: ")
    assert events[0]["reason"].count("DNS resolution") == 1
    assert "refused" in events[2]["reason"].lower()


@pytest.mark.parametrize("more", [{}, {"allowed_ips": ["20.0.0.0/8"]}])
def test_control_plane_ports_in_both_modes(sandbox, more):
    ports = [2379, 2380, 6443, 10250, 10255]
    box = sandbox(policy=network({"host": "files.example.test", "ports": ports, **more}))
    answers, out = inside(box, """
for p in ports:
    s = dial(); s.sendall(f"CONNECT files.example.test:{p} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n".replace("Host: a", f"Host: files.example.test:{p}").encode())
    put(str(p), read_all(s))
""", ports=ports)
    for port in ports:
        a = check_denial(answers[str(port)][0], "test", "l4", "ssrf_denied")
        assert a["detail"] == f"port {port} is a blocked control-plane port, connection rejected"
    assert [(e["kind"], e["stage"]) for e in network_events(out)] == [("CONNECT", "ssrf")] * len(ports), out


def test_literals_and_lists(sandbox):
    """X-14 to X-18, X-58 and X-60: what a list opens, and what nothing opens."""
    box = sandbox(policy=network(
        {"host": "10.200.0.1", "port": 19999}, {"host": "10.200.0.1", "port": 3128},
        {"host": "169.254.169.254", "port": 80},
        {"host": "10.0.5.9", "port": 80}, {"host": "10.0.5.9", "port": 7777, "allowed_ips": ["192.168.0.0/16"]},
        {"host": "::ffff:10.0.5.9", "port": 443},
        {"host": "fd12::9", "port": 80}, {"host": "fd00:ec2::254", "port": 80}))
    targets = ["10.200.0.1:19999", "10.200.0.1:3128", "169.254.169.254:80", "10.0.5.9:80", "10.0.5.9:7777",
               "10.0.5.9:443", "[fd12::9]:80", "[fd00:ec2::254]:80", "[FD12:0:0::9]:80"]
    answers, out = inside(box, "for t in targets:\n    s, head = connect(t); put(t, head)", targets=targets)
    status = {t: int(v[0].split()[1]) for t, v in answers.items()}
    assert status == {"10.200.0.1:19999": 502, "10.200.0.1:3128": 403, "169.254.169.254:80": 403,
                      "10.0.5.9:80": 200, "10.0.5.9:7777": 403, "10.0.5.9:443": 403,
                      "[fd12::9]:80": 200, "[fd00:ec2::254]:80": 403, "[FD12:0:0::9]:80": 200}, (status, out)
    reasons = {f"{e['host']}:{e['port']}": e["reason"] for e in network_events(out) if e.get("stage") == "ssrf"}
    assert reasons == {
        "10.200.0.1:3128": "10.200.0.1 resolves to always-blocked address 10.200.0.1, connection rejected (the proxy itself)",
        "169.254.169.254:80": "169.254.169.254 resolves to always-blocked address 169.254.169.254, connection rejected (link-local)",
        "10.0.5.9:7777": "10.0.5.9 resolves to 10.0.5.9 which is not in allowed_ips, connection rejected",
        "fd00:ec2::254:80": "fd00:ec2::254 resolves to always-blocked address fd00:ec2::254, connection rejected (cloud metadata)",
    }, out


def test_wildcard_does_not_make_a_literal_its_own_list(sandbox):
    """The reference exempts any literal that a pattern happens to match; here none is a pattern."""
    for pattern in ("*.0.5.9", "**.5.9"):
        out = sandbox(policy=network({"host": pattern, "port": 80})).run("true")
        assert out.code == 125 and f"host wildcard '{pattern}'" in out.stderr, out


def test_addresses_are_tried_in_order_until_one_connects(sandbox):
    def serve(origin, conn):
        origin.got.append(conn.getpeername())
        conn.sendall(b"six")
    with Origin(serve, "dual.example.test", 8081, family=socket.AF_INET6) as o:
        box = sandbox(policy=network({"host": "dual.example.test", "port": 8081, "tls": "skip"}))
        answers, out = inside(box, "s = tunnel('dual.example.test:8081'); put('a', read_all(s))")
        assert answers["a"] == ["six"] and len(o.got) == 1, out


def test_names_ports_and_literals_have_one_spelling(sandbox):
    box = sandbox(policy=network(rest("FILES.example.test.", access="full"),
                                 {"host": "2a0e:7e57::8", "port": 80}, {"host": "six.example.test", "port": 80}))
    answers, out = inside(box, """
s = tls("Files.Example.TEST.:443", sni="FILES.example.test")
s.sendall(get("/bytes/1", "files.example.test.:443")); put("name", *response(s))
s.sendall(get("https://FILES.example.test/bytes/1", "FILES.EXAMPLE.TEST")); put("absolute", *response(s))
s = tunnel("[2a0e:7e57:0::8]:80"); s.sendall(get("/bytes/1", "[2a0e:7e57::8]")); put("v6", *response(s))
s = dial(); s.sendall(get("http://[2A0E:7E57::8]:80/bytes/1", "x")); put("forward-v6", *response(s))
s = tunnel("six.example.test:80"); s.sendall(get("/bytes/1", "six.example.test:80")); put("six", *response(s))
s, head = connect("2a0e:7e57::8:80"); put("unbracketed", head)
s, head = connect("files.example.test:8443"); put("port", head)
""")
    assert [answers[n][0] for n in ("name", "absolute", "v6", "forward-v6", "six")] == [200] * 5, (answers, out)
    assert " 400 " in answers["unbracketed"][0] and " 403 " in answers["port"][0], answers
    assert {e["host"] for e in out.event("L7_REQUEST")} == {"files.example.test"}, out
    assert {e["host"] for e in out.event("FORWARD")} == {"2a0e:7e57::8"}, out
    seen = upstream_requests("files.example.test")[-1]
    assert seen["sni"] == "files.example.test" and ["Host", "files.example.test"] in seen["headers"], seen


# The forward proxy

def test_forward_rewrites_one_request(sandbox):
    with Origin(answering(b"HTTP/1.1 200 OK\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\n"
                          b"Proxy-Authenticate: Basic\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nokEXCESS")) as o:
        box = sandbox(policy=network({"host": o.host, "port": o.port}))
        answers, out = inside(box, """
s = dial()
s.sendall(b"GET http://closed.example.test:8080?key=val&foo=bar HTTP/1.1\\r\\nHost: evil.example.test\\r\\n"
          b"Accept: a\\r\\nX-Two: 1\\r\\nProxy-Authorization: Basic x\\r\\nProxy-Connection: keep-alive\\r\\n"
          b"Proxy-Foo: 1\\r\\nConnection: keep-alive, X-Named\\r\\nX-Named: 1\\r\\nKeep-Alive: 5\\r\\nTE: trailers\\r\\n"
          b"Trailer: X\\r\\nUpgrade: websocket\\r\\nX-two: 2\\r\\n\\r\\n"
          b"GET http://closed.example.test:8080/second HTTP/1.1\\r\\nHost: closed.example.test:8080\\r\\n\\r\\n")
put("a", read_all(s))
""")
        assert o.got == [b"GET /?key=val&foo=bar HTTP/1.1\r\nHost: closed.example.test:8080\r\nAccept: a\r\n"
                         b"X-Two: 1\r\nX-two: 2\r\nVia: 1.1 openshell-sandbox\r\nConnection: close\r\n\r\n"], o.got
        line, fields, body = split(answers["a"][0])
        assert (line, body) == ("HTTP/1.1 200 OK", "ok"), answers
        assert fields == [["X-Stays", "1"], ["Content-Length", "2"], ["Connection", "close"]], answers
    assert [(e["kind"], e["action"]) for e in network_events(out)] == [("FORWARD", "allow")], out


def test_forward_records_both_verdicts_and_keeps_a_via(sandbox):
    with Origin(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as o:
        box = sandbox(policy=network(plain()))
        answers, out = inside(box, "s = dial(); s.sendall(get('http://closed.example.test:8080/x', 'y', 'POST',"
                              " 'Via: 1.0 upstream\\r\\nContent-Length: 3\\r\\nExpect: 100-continue\\r\\n'))\n"
                              "put('first', read_head(s)); s.sendall(b'abc'); put('rest', read_all(s))")
        assert answers["first"] == ["HTTP/1.1 100 Continue\r\n\r\n"], answers
        assert answers["rest"][0].startswith("HTTP/1.1 204 No Content\r\n"), answers
        assert o.got[0].count(b"Via:") == 1 and b"Via: 1.0 upstream\r\n" in o.got[0], o.got
        assert b"Expect" not in o.got[0] and b"Content-Length: 3\r\n" in o.got[0], o.got
    assert [(e["kind"], e["action"]) for e in network_events(out)] == [("FORWARD_L7", "allow"), ("FORWARD", "allow")], out


# Requests and responses in a tunnel

def exchange(sandbox, serve, script, endpoint=None):
    """One scripted upstream behind a plain tunnel; gives (answers, Result, heads that arrived)."""
    with Origin(serve) as o:
        box = sandbox(policy=network(endpoint or plain()))
        answers, out = inside(box, "T = 'closed.example.test:8080'\n" + script)
        return answers, out, o.got


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_bodiless_answers_leave_the_connection_usable(sandbox):
    answers, out, got = exchange(sandbox, answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: x\r\n\r\n", OK), """
s = tunnel(T)
s.sendall(get("/1", T, "HEAD")); put("head", *response(s, "HEAD"))
s.sendall(get("/2", T)); put("204", *response(s))
s.sendall(get("/3", T)); put("304", *response(s))
s.sendall(get("/4", T)); put("last", *response(s))
""")
    assert [answers[n][0] for n in ("head", "204", "304", "last")] == [200, 204, 304, 200], (answers, out)
    assert "Content-Length: 1000" in answers["head"][1] and "Content-Length: 77" in answers["304"][1]
    assert "Content-Length" not in answers["204"][1] and answers["last"][2] == "ok"
    assert [h.split()[1] for h in got] == [b"/1", b"/2", b"/3", b"/4"]
    assert len(out.event("L7_REQUEST", action="allow")) == 4 and len(out.event("CONNECT_L7")) == 1, out


def test_chunked_answers_end_at_their_empty_line(sandbox):
    """X-52 and X-53: whole in one piece, or with a trailer, on a connection that stays open."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    answers, out, got = exchange(sandbox, answering(
        chunked + b"\r\n", chunked + b"x-checksum: 1\r\n\r\n", OK), """
s = tunnel(T)
for n in ("whole", "trailer", "after"):
    t = time.monotonic(); s.sendall(get("/" + n, T)); put(n, *response(s), time.monotonic() - t)
""")
    for name in ("whole", "trailer"):
        status, _, body, took = answers[name]
        assert status == 200 and body == "2\r\nok\r\n0\r\n\r\n" and took < 3, answers
    assert answers["after"][2] == "ok" and [h.split()[1] for h in got] == [b"/whole", b"/trailer", b"/after"], answers
    assert len(out.event("CONNECT_L7")) == 1, out


@pytest.mark.parametrize("n,status", [(8, 200), (9, 502)])
def test_up_to_eight_interim_answers_go_on(sandbox, n, status):
    interim = b"".join(b"HTTP/1.1 103 Early Hints\r\nLink: <%d>\r\n\r\n" % i for i in range(n))
    answers, out, _ = exchange(sandbox, answering(interim + OK, OK), """
s = tunnel(T); s.sendall(get("/", T)); heads = []
while not heads or heads[-1][0] == 103:
    heads.append(response(s))
put("all", [h[0] for h in heads], heads[-1][2])
""")
    assert answers["all"][0] == [103] * 8 + [status], answers
    assert len(out.event("UPSTREAM_FAILED")) == (status == 502), out


def test_a_continue_of_ours_is_the_only_one(sandbox):
    def serve(origin, conn):
        if not origin.head(conn):
            return
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        assert conn.recv(5) == b"hello"
        conn.sendall(OK)
    answers, out, got = exchange(sandbox, serve, """
s = tunnel(T); s.sendall(get("/", T, "PUT", "Content-Length: 5\\r\\nExpect: 100-continue\\r\\n"))
put("continue", read_head(s)); s.sendall(b"hello")
put("second", read_head(s)); put("last", *response(s))
s = tunnel(T); s.sendall(get("/", T, "PUT", "Content-Length: 5\\r\\nExpect: 200-ok\\r\\n", "hello")); put("unknown", read_all(s))
""")
    assert answers["continue"] == ["HTTP/1.1 100 Continue\r\n\r\n"], answers
    assert answers["second"][0].startswith("HTTP/1.1 103 ") and answers["last"][0] == 200, answers
    assert b"xpect" not in got[0] and len(got) == 1, got
    check_refusal(answers["unknown"][0], 400)


def test_early_answers_and_half_closed_clients_are_served(sandbox):
    def serve(origin, conn):
        head = origin.head(conn)
        if b"/early" in head:
            conn.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        elif head:
            conn.sendall(OK)
            conn.recv(1)
    answers, out, got = exchange(sandbox, serve, """
s = tunnel(T); s.sendall(get("/early", T, "POST", "Content-Length: 10000000\\r\\n", "x" * 1000)); put("early", read_all(s))
s = tunnel(T); s.sendall(get("/half", T)); s.shutdown(socket.SHUT_WR); put("half", read_all(s))
s = dial(); s.sendall(get("http://" + T + "/forward", T)); s.shutdown(socket.SHUT_WR); put("forward", read_all(s))
s = tunnel(T); s.sendall(get("*", T, "OPTIONS")); put("options", *response(s))
s = dial(); s.sendall(b"CONNECT closed.example.test:8080 HTTP/1.0\\r\\n\\r\\n"); put("connect", read_head(s))
s.sendall(b"GET /old HTTP/1.0\\r\\n\\r\\n"); put("old", read_all(s))
""")
    assert answers["early"] == ["HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"]
    assert answers["half"] == ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], answers
    assert answers["forward"] == ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"], answers
    assert answers["options"][0] == 200 and answers["connect"] == ["HTTP/1.1 200 Connection Established\r\n\r\n"]
    assert answers["old"] == answers["forward"], answers
    assert [h.split(b"\r\n")[0] for h in got if h] == [
        b"POST /early HTTP/1.1", b"GET /half HTTP/1.1", b"GET /forward HTTP/1.1", b"OPTIONS * HTTP/1.1",
        b"GET /old HTTP/1.0"], got


def test_answers_without_framing_end_with_the_connection(sandbox):
    def serve(origin, conn):
        origin.head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello ")
        conn.sendall(b"world")
    answers, out, _ = exchange(sandbox, serve, """
s = tunnel(T); s.sendall(get("/", T)); put("a", read_all(s))
""")
    assert answers["a"] == ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world"], answers


def test_half_an_answer_does_not_look_whole_to_a_client_of_http_1_0(sandbox):
    """It cannot read chunks, so only a reset tells it that the last one is missing."""
    def serve(origin, conn):
        head = origin.head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        if b"/whole" in head:
            conn.sendall(b"0\r\n\r\n")
    answers, out, _ = exchange(sandbox, serve, """
for name in ("whole", "half"):
    s = tunnel(T); s.sendall(f"GET /{name} HTTP/1.0\\r\\nHost: {T}\\r\\n\\r\\n".encode())
    put(name, read_head(s), read_all(s))
""")
    assert answers["whole"][1] == "hello", (answers, out)
    assert answers["half"][1].endswith("<RST>"), (answers, out)
    assert len(out.event("UPSTREAM_FAILED", action="deny", stage="response")) == 1, out


def test_close_and_excess_of_the_upstream(sandbox):
    def serve(origin, conn):
        conn.sendall({b"/close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
                      b"/excess": OK + b"HTTP/1.1 200 OK\r\nX: smuggled\r\nContent-Length: 0\r\n\r\n",
                      b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\n"
                                   b"X-Checksum: 1\r\n\r\n",
                      b"/http10": b"HTTP/1.0 200 OK\r\n\r\nold",
                      b"/two": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
                      }[origin.head(conn).split()[1]])
        if b"/http10" not in origin.got[-1]:
            conn.recv(1)
    answers, out, _ = exchange(sandbox, serve, """
for p in ("/close", "/excess", "/chunked", "/http10", "/two"):
    s = tunnel(T); s.sendall(get(p, T))
    if p in ("/chunked", "/two"):
        put(p, *response(s))
    else:
        put(p, read_all(s))
s = tunnel(T); s.sendall(b"GET /chunked HTTP/1.0\\r\\n\\r\\n"); put("to10", read_all(s))
""")
    assert answers["/close"] == ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"]
    assert answers["/excess"] == ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], answers
    assert answers["/chunked"][2] == "5\r\nhello\r\n0\r\n\r\n", answers
    assert answers["/http10"] == ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nold"], answers
    assert answers["/two"][1].count("Content-Length: 2") == 1 and answers["/two"][2] == "ok", answers
    assert answers["to10"] == ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"], answers


def test_chunked_requests_are_framed_anew_without_trailers(sandbox):
    def serve(origin, conn):
        origin.head(conn)
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += conn.recv(65536)
        origin.got.append(data)
        conn.sendall(OK)
        origin.head(conn)
        conn.sendall(OK)
    answers, out, got = exchange(sandbox, serve, """
s = tunnel(T)
s.sendall(get("/a", T, "POST", "Transfer-Encoding: chunked\\r\\n", "5;a=b\\r\\nhello\\r\\n00\\r\\nAuthorization: x\\r\\n\\r\\n")
          + get("/b", T))
put("a", *response(s)); put("b", *response(s))
""")
    assert got[1] == b"5\r\nhello\r\n0\r\n\r\n" and got[2].startswith(b"GET /b "), got
    assert [answers[n][0] for n in "ab"] == [200, 200], answers


def test_http_without_rules_is_judged_by_nobody_but_recorded(sandbox):
    answers, out, got = exchange(sandbox, answering(OK, OK), """
s = tunnel(T, get("/a/../b?x=1", T)); put("a", *response(s))
s.sendall(get("/c", T, "PATCH")); put("c", *response(s))
""", {"host": "closed.example.test", "port": 8080})
    assert [h.split()[1] for h in got] == [b"/b?x=1", b"/c"], got
    assert [(e["kind"], e["action"], e.get("path")) for e in network_events(out)] == [
        ("CONNECT", "allow", None), ("HTTP_REQUEST", "allow", "/b"), ("HTTP_REQUEST", "allow", "/c")], out
