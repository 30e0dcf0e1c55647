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


def test_a_refused_upload_is_explained_in_the_middle_of_it(sandbox):
    """A reset that comes with the answer is a failure to curl, which then shows no answer."""
    out = sandbox(policy=READS).run("sh", "-c", "head -c 1000000 /dev/zero >big && curl -sS --http2 -o answer -w '%{http_code} "
                                    f"%{{http_version}}' --data-binary @big https://{HOST}/echo && grep -c policy_denied answer")
    assert out.code == 0 and out.stdout == "403 21\n", out


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


# ---- WebSocket, RFC 8441 --------------------------------------------------------------

# Arguments: host, path, what to say; prints what is heard, frame by frame, and how the stream ends.
SOCKET = r"""
import json, os, socket, ssl, struct, sys
import h2.config, h2.connection, h2.events as ev
host, path, *say = sys.argv[1:]
s = socket.create_connection(("10.200.0.1", 3128), 20)
s.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
got = b""
while not got.endswith(b"\r\n\r\n"):
    got += s.recv(1)
c = ssl.create_default_context()
c.set_alpn_protocols(["h2"])
s = c.wrap_socket(s, server_hostname=host)
k = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
k.initiate_connection()
s.sendall(k.data_to_send())
heard, settings, ended = b"", None, None
def read():
    global heard, settings, ended
    data = s.recv(65536)
    if not data:
        ended = ended or "closed"
    for e in k.receive_data(data):
        if isinstance(e, ev.RemoteSettingsChanged):
            settings = k.remote_settings.enable_connect_protocol
        elif isinstance(e, ev.ResponseReceived):
            put("head", {n: v for n, v in e.headers})
        elif isinstance(e, ev.DataReceived):
            heard += e.data
            k.acknowledge_received_data(e.flow_controlled_length, 1)
        elif isinstance(e, ev.StreamEnded):
            ended = "ended"
        elif isinstance(e, ev.StreamReset):
            ended = ended or f"reset {int(e.error_code)}"
    s.sendall(k.data_to_send())
def put(*what):
    print(json.dumps(what), flush=True)
def frames():
    global heard
    while len(heard) >= 2:
        n, at = heard[1] & 127, 2
        if n == 126:
            n, at = struct.unpack(">H", heard[2:4])[0], 4
        if len(heard) < at + n:
            return
        data, op = heard[at:at + n], heard[0] & 15
        heard = heard[at + n:]
        put("close", struct.unpack(">H", data[:2])[0], data[2:].decode()) if op == 8 else put("text", data.decode())
        yield op
while settings is None:
    read()
assert settings == 1
fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", host), (":path", path),
          ("sec-websocket-version", "13"), ("x-mine", "1")]
k.send_headers(1, fields)
s.sendall(k.data_to_send())
for text in say:
    mask, data = os.urandom(4), text.encode()
    if text == "-":  # the end, said first
        k.send_data(1, bytes([0x88, 0x82]) + mask + bytes(b ^ m for b, m in zip(struct.pack(">H", 1000), mask)))
    elif not ended:
        k.send_data(1, bytes([0x81, 0x80 | len(data)]) + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))
    s.sendall(k.data_to_send())
    while not ended and not list(frames()):
        read()
while not ended:
    read()
list(frames())
put(ended)
"""


def socket_policy(host, access="read-write", **more):
    return network({"host": host, "port": 443, "protocol": "websocket", "access": access, **more})


def heard(out):
    return [json.loads(line) for line in out.stdout.splitlines()]


@pytest.mark.parametrize("host", ["socket2.example.test", "socket.example.test"])
def test_websocket_over_http2_is_judged_message_by_message(sandbox, host):
    """Towards an upstream that speaks it over HTTP/2, and one that does over HTTP/1.1."""
    before = len(upstream_requests(host))
    out = sandbox(policy=socket_policy(host)).run(PYTHON, "-c", SOCKET, host, "/echo?q", "one", "two", "-")
    (_, head_), *rest_ = heard(out)
    assert head_[":status"] == "200" and "upgrade" not in head_ and "sec-websocket-accept" not in head_, out
    # The origin of HTTP/1.1 leaves TLS without close_notify, which is no end.
    end = ["ended"] if "2" in host else ["reset 8"]
    assert rest_ == [["text", "one"], ["text", "two"], ["close", 1000, ""], end], out
    assert out.event("CONNECT_L7", action="allow", reason="upgrade", path="/echo")
    assert len(out.event("L7_REQUEST", action="allow", method="WEBSOCKET_TEXT", path="/echo")) == 2
    (seen,) = upstream_requests(host)[before:]
    fields = {n.lower(): v for n, v in seen["headers"]}
    assert seen["target"] == "/echo?q" and fields["x-mine"] == "1"
    assert seen["version"] == ("HTTP/2" if "2" in host else "HTTP/1.1"), seen
    assert ("sec-websocket-key" in fields) == ("2" not in host), seen
    # The other side: text is denied.
    out = sandbox(policy=socket_policy(host, "read-only")).run(PYTHON, "-c", SOCKET, host, "/echo", "one")
    _, close, end = heard(out)
    assert close[:2] == ["close", 1008] and "not permitted" in close[2] and end == ["ended"], out
    assert out.event("L7_REQUEST", action="deny", method="WEBSOCKET_TEXT", stage="l7")
    # And the request itself.
    before = len(upstream_requests(host))
    out = sandbox(policy=socket_policy(host, path="/other")).run(PYTHON, "-c", SOCKET, host, "/echo")
    assert heard(out)[0][1][":status"] == "403" and len(upstream_requests(host)) == before, out


@pytest.mark.parametrize("host", ["socket2.example.test", "socket.example.test"])
def test_a_websocket_over_http2_that_policy_withdraws_is_closed_with_1012(sandbox, host):
    box = sandbox(policy=socket_policy(host))
    process = box.start(PYTHON, "-c", SOCKET, host, "/echo", "one")
    assert b"head" in process.stdout.readline()
    assert json.loads(process.stdout.readline()) == ["text", "one"]
    box.write_policy(socket_policy(host, path="/elsewhere"))
    out, err = process.communicate(timeout=60)
    close, end = map(json.loads, out.splitlines())
    assert close[:2] == ["close", 1012] and end == ["ended"], (out, err)
    assert [e for e in box.read_events() if e["kind"] == "REVOKED"]


def test_a_server_that_does_not_switch_opens_no_websocket_over_http2(sandbox):
    """2xx is what agrees in HTTP/2, and in HTTP/1.1 it refuses."""
    box = sandbox(policy=network(rest("files.example.test")))
    out = box.run(PYTHON, "-c", SOCKET, "files.example.test", "/echo")
    assert heard(out)[0][1][":status"] == "502", out
    box = sandbox(policy=network(rest("h2only.example.test")))
    out = box.run(PYTHON, "-c", SOCKET, "h2only.example.test", "/echo")
    assert heard(out)[0][1][":status"] == "502", out
