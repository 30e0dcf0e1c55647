"""HTTP/2 through a whole sandbox; what the proxy does to each frame is in netproxy_h2.py."""
import json

import pytest

from harness import STAGE, network, rest, upstream_requests

HOST = "h2.example.test"
READS = network(rest(HOST))
PYTHON = "/usr/bin/python3"
# A list of header lists and flags on stdin; prints what became of each stream.
STREAMS = r"""
import json, os, socket, ssl, sys
import h2.config, h2.connection, h2.events as ev
host, acts = json.load(sys.stdin)
at = os.environ["HTTPS_PROXY"].split("//")[1].strip("/").rsplit(":", 1)
s = socket.create_connection((at[0], int(at[1])), 20)
s.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
got = b""
while not got.endswith(b"\r\n\r\n"):
    got += s.recv(1)
assert b" 200 " in got, got
c = ssl.create_default_context()
c.set_alpn_protocols(["h2"])
s = c.wrap_socket(s, server_hostname=host)
s.settimeout(20)
k = h2.connection.H2Connection(h2.config.H2Configuration(
    validate_outbound_headers=False, normalize_outbound_headers=False))
k.initiate_connection()
out = {}
if acts == "rapid reset":
    # Without waiting for anything, as fast as it goes.
    try:
        for i in range(3000):
            k.send_headers(2 * i + 1, [(":method", "GET"), (":scheme", "https"), (":authority", host),
                                       (":path", "/slow?ms=100")], end_stream=True)
            k.reset_stream(2 * i + 1, 8)
            if i % 100 == 99:
                s.sendall(k.data_to_send())
    except (OSError, ssl.SSLError):
        pass
    acts = []
for i, head in enumerate(acts):
    k.send_headers(2 * i + 1, head, end_stream=True)
    out[2 * i + 1] = {}
s.sendall(k.data_to_send()) if acts else None
left = set(out) or {0}
try:
    while left:
        data = s.recv(65536)
        if not data:
            break
        for e in k.receive_data(data):
            if isinstance(e, ev.ResponseReceived):
                out[e.stream_id]["status"] = int(dict(e.headers)[b":status"])
                out[e.stream_id]["grpc"] = dict(e.headers).get(b"grpc-status", b"").decode()
            elif isinstance(e, ev.StreamReset) and e.stream_id in out:
                out[e.stream_id]["reset"] = int(e.error_code)
            elif isinstance(e, ev.ConnectionTerminated):
                out["goaway"] = int(e.error_code)
                left.discard(0)
            if isinstance(e, (ev.StreamEnded, ev.StreamReset)):
                left.discard(e.stream_id)
        s.sendall(k.data_to_send())
except (OSError, ssl.SSLError) as e:
    out["error"] = str(e)
print(json.dumps(out))
"""


def streams(box, host, acts):
    out = box.run(PYTHON, "-c", STREAMS, input=json.dumps([host, acts]).encode())
    assert out.code == 0, out
    return json.loads(out.stdout), out


def head(method, path, *more, host=HOST):
    return [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *more]


CLIENTS = {
    "curl": (["curl", "-sSf", "--http2", f"https://{HOST}/echo"], []),
    "httpx": ([PYTHON, "-c", "import httpx; r = httpx.Client(http2=True).get("
               f"'https://{HOST}/echo'); r.raise_for_status(); print(r.text)"], []),
    "go": ([str(STAGE / "goclient"), "GET", f"https://{HOST}/echo"], ["--ro", str(STAGE)]),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_that_choose_http2_get_it_on_both_legs(sandbox, name):
    argv, options = CLIENTS[name]
    box = sandbox(policy=READS, options=options)
    before = len(upstream_requests(HOST))
    out = box.run(*argv)
    assert out.code == 0, out
    seen = upstream_requests(HOST)[before:]
    assert [r["version"] for r in seen] == ["HTTP/2"], seen
    assert out.event("L7_REQUEST", action="allow", host=HOST, path="/echo"), out


def test_each_stream_has_its_own_verdict(sandbox):
    box = sandbox(policy=READS)
    before = len(upstream_requests(HOST))
    got, out = streams(box, HOST, [head("GET", "/bytes/1"), head("DELETE", "/bytes/2"),
                                   head("GET", "/bytes/3"), head("GET", "/x", host="api.github.com")])
    assert [got[i].get("status") for i in "1357"] == [200, 403, 200, 421], got
    seen = [(r["method"], r["target"]) for r in upstream_requests(HOST)[before:]]
    assert sorted(seen) == [("GET", "/bytes/1"), ("GET", "/bytes/3")], seen
    denied = out.event("L7_REQUEST", action="deny", method="DELETE", path="/bytes/2")
    assert len(denied) == 1 and "suggestion" in denied[0], out


def test_a34_crlf_and_lengths_that_lie_reset_their_stream(sandbox):
    before = len(upstream_requests(HOST))
    for host in (HOST, "api.github.com"):  # upstream of HTTP/2 and of HTTP/1.1
        box = sandbox(policy=network(rest(host)))
        path = "/zen" if host != HOST else "/echo"
        got, out = streams(box, host, [
            head("GET", path, ("x", "a\r\nX-Evil: 1"), host=host),
            head("GET", path, ("x", "a\r\n\r\nGET /evil HTTP/1.1\r\nHost: b\r\n\r\n"), host=host),
            head("GET", path, ("content-length", "7"), host=host),
            head("GET", path, ("transfer-encoding", "chunked"), host=host),
            head("GET", path + "\r\nX: y", host=host),
            head("GET", path, host=host)])
        assert [got[i].get("reset") for i in ("1", "3", "5", "7", "9")] == [1] * 5, got
        assert got["11"]["status"] == 200, got
    assert "evil" not in json.dumps(upstream_requests(HOST)[before:]).lower()


def test_a35_rapid_reset_ends_the_connection_and_no_other(sandbox):
    box = sandbox(policy=READS)
    got, out = streams(box, HOST, "rapid reset")
    assert got.get("goaway") == 11 or "error" in got, got
    assert out.event("HTTP_REFUSED", action="deny", host=HOST, stage="h2"), out
    got, _ = streams(box, HOST, [head("GET", "/bytes/1")])
    assert got["1"]["status"] == 200, got


def test_a37_grpc_method_not_listed_is_denied_in_its_words(sandbox):
    rules = [{"allow": {"service": "test.Echo", "rpc": "Say"}}]
    box = sandbox(policy=network({"host": HOST, "port": 443, "protocol": "grpc", "rules": rules}))
    before = len(upstream_requests(HOST))
    kind = ("content-type", "application/grpc")
    got, out = streams(box, HOST, [head("POST", "/test.Echo/Say", kind), head("POST", "/test.Echo/Shout", kind),
                                   head("POST", "/test.Other/Say", kind)])
    # The origin has no such path; it was asked, which the others were not.
    assert got["1"]["status"] == 404, got
    assert [(got[i]["status"], got[i]["grpc"]) for i in "35"] == [(200, "7")] * 2, got
    assert [r["target"] for r in upstream_requests(HOST)[before:]] == ["/test.Echo/Say"]
    assert len(out.event("L7_REQUEST", action="deny", method="POST")) == 2, out
