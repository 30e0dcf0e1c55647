"""A31: a policy that changes under open streams: what it no longer permits ends at once, said and recorded once; the rest
goes on.

Every kind of stream is open twice in one sandbox, once with a permission that goes and once with one that stays.  How
long after the acknowledgement each end was seen is printed (-s shows it); only a second is asserted.
"""
import contextlib
import json
import socket
import threading
import time

import pytest

from harness import network, rest, until

# Its address is there, and nothing listens: here the test does.
OWN = "closed.example.test"
GONE_RAW, GONE_DIRECT, KEPT_RAW, KEPT_DIRECT = range(2001, 2005)

STREAMS = r'''
import json, os, socket, ssl, sys, threading, time
OWN = "closed.example.test"
out = threading.Lock()
def say(name, *how):
    with out:
        print(json.dumps({"name": name, "at": time.time(), "how": how}), flush=True)
def head(s):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        assert more, data
        data += more
    return data
def connect(host, port):
    s = socket.create_connection(("10.200.0.1", 3128), 30)
    s.settimeout(30)
    s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert b" 200 " in head(s)
    return s
def secure(host):
    """Where an end without close_notify is an error, as TLS has it."""
    c = ssl.create_default_context()
    c.options &= ~ssl.Options(1 << 7)  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
    return c.wrap_socket(connect(host, 443), server_hostname=host, suppress_ragged_eofs=False)
def ask(s, method, host, target, fields="", body=b""):
    s.sendall(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode() + body)
def answer(s):
    h = head(s)
    n = [int(f.split(b":")[1]) for f in h.lower().split(b"\r\n") if f.startswith(b"content-length:")]
    body = b""
    while len(body) < (n or [0])[0]:
        body += s.recv(4096)
    return h[9:12].decode()
def watch(name, s):
    """Its end, and the last that came."""
    def run():
        tail = b""
        try:
            while more := s.recv(65536):
                tail = (tail + more)[-200:]
            how = "end"
        except OSError as e:
            how = type(e).__name__
        # tcp(7): after RST the state is CLOSE; TLS calls it an end without close_notify.
        if s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7:
            how = "reset"
        say(name, how, tail.decode("latin-1"))
    threading.Thread(target=run, daemon=True).start()

def echo(s):
    s.sendall(b"ping")
    return s.recv(4).decode()
def raw(port):
    s = connect(OWN, port)
    assert echo(s) == "ping"
    return s
def direct(port):
    s = socket.create_connection((OWN, port), 30)
    assert echo(s) == "ping"
    return s
def kept(host, path="/"):
    s = secure(host)
    ask(s, "GET", host, path)
    assert answer(s) == "200"
    return s
def dripping(method, s=None):
    s = s or secure("chaos.example.test")
    ask(s, method, "chaos.example.test", "/drip?n=100000&ms=20")
    assert b" 200 " in head(s) and s.recv(1)
    return s
def forwarded():
    s = socket.create_connection(("10.200.0.1", 3128), 30)
    ask(s, "GET", "chaos.example.test", "http://chaos.example.test/drip?n=100000&ms=20")
    assert b" 200 " in head(s) and s.recv(1)
    return s
def upload():
    s = secure("chaos.example.test")
    ask(s, "PUT", "chaos.example.test", "/unframed", "Content-Length: 1000000\r\n", b"x" * 10000)
    return s
def text(s, data):
    s.sendall(bytes([0x81, 0x80 | len(data)]) + bytes(4) + data)
    return s.recv(100)[2:].decode()
def ws(path):
    s = secure("socket.example.test")
    ask(s, "GET", "socket.example.test", path, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    assert b" 101 " in head(s) and text(s, b"one") == "one"
    return s
def live(path):
    s = secure("tools.example.test")
    ask(s, "GET", "tools.example.test", path, "Accept: text/event-stream\r\n")
    assert b" 200 " in head(s) and s.recv(1)
    return s
def more(s):
    """That it goes on: bytes that came after the policy did."""
    s.setblocking(False)
    try:
        while s.recv(65536): pass
    except (BlockingIOError, ssl.SSLWantReadError): pass
    s.settimeout(20)
    return len(s.recv(1))
def lookup(name):
    try:
        return socket.gethostbyname(name)
    except OSError as e:
        return type(e).__name__

cut = {"raw": raw(2001), "direct": direct(2002), "idle": kept("files.example.test", "/bytes/3"), "answer": dripping("GET"), "upload": upload(),
       "forward": forwarded(), "websocket": ws("/echo"), "sse": live("/live/gone")}
stay = {"raw": raw(2003), "direct": direct(2004), "idle": kept("dual.example.test", "/bytes/3"), "answer": dripping("POST"),
        "websocket": ws("/deflate"), "sse": live("/live/kept")}
judged = kept("api.github.com", "/zen")
names = {n: lookup(n) for n in (OWN, "redirect.example.test")}
for name, s in cut.items():
    watch(name, s)
say("open")
for line in sys.stdin:
    if line == "changed\n":
        ask(judged, "GET", "api.github.com", "/zen")
        say("next", answer(judged))
        say("names", {n: lookup(n) for n in names}, names)
        try:
            socket.create_connection((names["redirect.example.test"], 80), 10).recv(1)
            say("mapped", "open")
        except OSError as e:
            say("mapped", type(e).__name__)
        say("stay", {"raw": echo(stay["raw"]), "direct": echo(stay["direct"]), "websocket": text(stay["websocket"], b"two"),
                     "answer": more(stay["answer"]), "sse": more(stay["sse"]),
                     "idle": (ask(stay["idle"], "GET", "dual.example.test", "/bytes/3"), answer(stay["idle"]))[1]})
'''

CUT = {"raw": (OWN, GONE_RAW), "direct": (OWN, GONE_DIRECT), "idle": ("files.example.test", 443),
       "answer": ("chaos.example.test", 443), "upload": ("chaos.example.test", 443),
       "forward": ("chaos.example.test", 80), "websocket": ("socket.example.test", 443), "sse": ("tools.example.test", 443)}


def rules(*pairs):
    return {"rules": [{"allow": {"method": m, "path": p}} for m, p in pairs]}


def ruled(host, *pairs, port=443):
    return {"host": host, "port": port, "protocol": "rest", "enforcement": "enforce", **rules(*pairs)}


def policy(before):
    own = [KEPT_RAW, KEPT_DIRECT] + before * [GONE_RAW, GONE_DIRECT]
    ways = ["/live/kept"] + before * ["/live/gone"]
    sockets = ["/deflate"] + before * ["/echo"]
    more = [ruled("chaos.example.test", ("GET", "/drip"), port=80), rest("files.example.test"),
            {"host": "redirect.example.test", "port": 80}]
    return network(
        {"host": OWN, "ports": own}, rest("dual.example.test"),
        ruled("chaos.example.test", ("POST", "/drip"), *before * [("GET", "/drip"), ("PUT", "/unframed")]),
        ruled("api.github.com", ("GET", "/zen" if before else "/other")),
        *({"host": "socket.example.test", "port": 443, "protocol": "websocket", "path": p, "access": "read-write"} for p in sockets),
        *({"host": "tools.example.test", "port": 443, "protocol": "mcp", "path": p, **{"rules": [{"allow": {"method": "ping"}}]}}
          for p in ways),
        *before * more)


@pytest.fixture
def echoes():
    """Servers on the ports of OWN that give back what they get."""
    def serve(s):
        with s, contextlib.suppress(OSError):
            while data := s.recv(4096):
                s.sendall(data)

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    listeners = [socket.create_server((socket.gethostbyname(OWN), p)) for p in range(2001, 2005)]
    for each in listeners:
        threading.Thread(target=accept, args=(each,), daemon=True).start()
    yield
    for each in listeners:
        each.shutdown(socket.SHUT_RDWR)
        each.close()


def lines_of(process, heard):
    for line in process.stdout:
        told = json.loads(line)
        heard[told["name"]] = told


def check(process, change, records):
    """change() returns when the new policy is acknowledged, with the time of that."""
    heard = {}
    reader = threading.Thread(target=lines_of, args=(process, heard), daemon=True)
    reader.start()
    until(lambda: "open" in heard or process.poll() is not None, 40, "the streams")
    assert "open" in heard and not set(CUT) & set(heard), (heard, process.stderr.read() if process.poll() is not None else "")
    acknowledged = change()
    process.stdin.write(b"changed\n")
    process.stdin.flush()
    until(lambda: set(CUT) | {"stay"} <= set(heard), 30, f"each end: {heard}")
    process.stdin.close()
    process.wait(20)
    reader.join(20)

    late = {n: heard[n]["at"] - acknowledged for n in CUT}
    print("seen after the acknowledgement, ms:", {n: round(v * 1000, 1) for n, v in late.items()})
    assert max(late.values()) < 1, late
    how = {n: heard[n]["how"] for n in CUT}
    assert {n for n, h in how.items() if h[0] == "reset"} == set(CUT) - {"websocket"}, how
    assert how["websocket"][1][:1] == "\x88" and how["websocket"][1][2:4] == "\x03\xf4", how
    assert "policy" in how["websocket"][1], how
    assert heard["next"]["how"] == ["403"], heard["next"]
    assert heard["stay"]["how"] == [{"raw": "ping", "direct": "ping", "websocket": "two", "answer": 1, "sse": 1, "idle": "200"}]
    after, names = heard["names"]["how"]
    assert after == {OWN: names[OWN], "redirect.example.test": "gaierror"}, (after, names)
    assert names["redirect.example.test"].startswith("198.18."), names
    assert heard["mapped"]["how"][0] in ("ConnectionResetError", "ConnectionRefusedError"), heard["mapped"]

    events = records()
    revoked = [e for e in events if e["kind"] == "REVOKED"]
    assert sorted((e["host"], e["port"]) for e in revoked) == sorted(CUT.values()), revoked
    assert all(e["action"] == "deny" and e["reason"] for e in revoked), revoked
    assert len([e for e in events if e.get("host") == "api.github.com" and e["action"] == "deny"]) == 1, events


def test_streams_of_every_kind_follow_the_policy_of_a_run(sandbox, echoes):
    box = sandbox(policy=policy(True))
    process = box.start("/usr/bin/python3", "-c", STREAMS)

    def change():
        box.write_policy(policy(False))
        for line in process.stderr:
            if b"policy revision 2 in force" in line:
                return time.time()
        raise AssertionError("no acknowledgement")

    check(process, change, box.read_events)


def test_streams_of_every_kind_follow_the_policy_of_a_kept_sandbox(shared, echoes):
    g = shared
    g.create("live", policy=policy(True))
    process = g.spawn("sandbox", "exec", "live", "--", "/usr/bin/python3", "-c", STREAMS)

    def change():
        g.ok("policy", "set", "live", "--policy", g.policy(policy(False)), "--wait")
        return time.time()

    def records():
        told = [json.loads(line) for f in sorted((g.sandbox_dir(g.id_of("live")) / "records").iterdir())
                for line in f.read_text().splitlines()]
        return [e for e in told if e["kind"] != "CHAIN"]

    check(process, change, records)


def test_a_websocket_that_nobody_looked_into_ends_when_its_messages_are_to_be_judged(sandbox):
    """`rest` admits one blindly; once the policy says `websocket`, no message may go on unseen."""
    def socket_policy(protocol):
        return network({"host": "socket.example.test", "port": 443, "protocol": protocol, "access": "read-only"})

    box = sandbox(policy=socket_policy("rest"))
    parts = STREAMS.split("cut = {")
    process = box.start("/usr/bin/python3", "-c", parts[0] + '''
s = ws("/echo")
watch("end", s)
say("open")
sys.stdin.read()
''')
    assert json.loads(process.stdout.readline())["name"] == "open"
    box.write_policy(socket_policy("websocket"))
    until(lambda: any(e["kind"] == "REVOKED" for e in box.read_events()), 10, "the record")
    told = json.loads(process.stdout.readline())
    assert told["how"][0] == "reset", told
    (revoked,) = [e for e in box.read_events() if e["kind"] == "REVOKED"]
    assert "inspected now" in revoked["reason"], revoked
    process.stdin.close()
    assert process.wait(20) == 0


def test_a_stream_of_http2_ends_and_its_neighbour_on_the_connection_goes_on(sandbox):
    """RST_STREAM for what is withdrawn; the connection goes only when nothing of it is permitted."""
    slow = "https://h2.example.test/slow?ms=4000"
    both, one = ([ruled("h2.example.test", *pairs)] for pairs in ((("GET", "/slow"), ("POST", "/slow")), (("POST", "/slow"),)))
    box = sandbox(policy=network(*both))
    say = ["-sS", "-o", "/dev/null", "-w", "%{method} %{num_connects} %{exitcode}\n"]
    process = box.start("curl", "-Z", "--http2", *say, slow, "--next", "-X", "POST", *say, slow)
    until(lambda: len([e for e in box.read_events() if e["kind"] == "L7_REQUEST"]) == 2, 10, "two streams")
    box.write_policy(network(*one))
    out, err = process.communicate(timeout=30)
    told = sorted(line.split() for line in out.decode().splitlines())
    assert [t[0::2] for t in told] == [["GET", "92"], ["POST", "0"]], (out, err)
    assert sorted(t[1] for t in told) == ["0", "1"], out  # on one connection
    assert len([e for e in box.read_events() if e["kind"] == "REVOKED"]) == 1, box.read_events()
