"""Faults under the egress proxy: what breaks is said, recorded and over; what did not break goes on, and nothing stays open."""
import contextlib
import json
import os
import resource
import signal
import socket
import threading
import time

import pytest

from harness import TESTNET, leftovers, network, rest, tree, until, upstream_requests
from test_live import STREAMS, echoes  # noqa: F401

OWN = "closed.example.test"
PLAIN = 2010
CHAOS = "chaos.example.test"
TRUNCATED = ("SSLError", "SSLEOFError")  # as Python's ssl may call it
PARTS = STREAMS.split("cut = {", maxsplit=1)[0]

# What a broken upstream says, by path, before it ends (FIN) or breaks (RST) the connection.
OK = b"HTTP/1.1 200 OK\r\n"
SAYS = {
    "/length": (OK + b"Content-Length: 1000\r\n\r\nhalf", "fin"),
    "/chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "fin"),
    "/mid-chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n40\r\nhalf", "fin"),
    "/until-close": (OK + b"\r\nhalf", "rst"),
    "/whole": (OK + b"\r\nhalf", "fin"),
    "/held": (b"", "unread"),
    "/tapped": (OK + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + b'{"jsonrpc": "2.0", "id": 1, "res', "fin"),
    "/events": (OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + b"d\r\ndata: {\"json\n\r\n", "fin"),
}


def proxy_of(process):
    return next(p for p in tree(process.pid) if comm(p) == "openshell-net")


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def numbers(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return next([int(n) for n in line.split()[1:]] for line in f if line.startswith(name + ":"))


def limit(pid, kind, soft, hard):
    """prlimit(2) asks for the same ids, which as root are not ours."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(*numbers(pid, "Gid")[:3])
                os.setresuid(*numbers(pid, "Uid")[:3])
            resource.prlimit(pid, kind, (soft, hard))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def upstreams(host, port):
    """Connections to there that somebody here still holds: established, or ended by the other side alone."""
    address = socket.inet_aton(socket.gethostbyname(host))[::-1].hex().upper() + f":{port:04X}"
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f][1:]
    return [r for r in rows if r[2] == address and r[3] in ("01", "08")]


@pytest.fixture
def broken():
    """A server of ours that breaks as SAYS tells; ends with the test."""
    def serve(s):
        head = b""
        with s, contextlib.suppress(OSError):
            while not head.endswith(b"\r\n\r\n"):
                more = s.recv(1)
                if not more:
                    return
                head += more
            said, how = SAYS[head.split()[1].decode()]
            if how != "unread":
                n = [int(f.split(b":")[1]) for f in head.lower().split(b"\r\n") if f.startswith(b"content-length:")]
                left = (n or [0])[0]
                while left > 0:
                    left -= len(s.recv(min(left, 65536)))
            s.sendall(said)
            if how == "rst":
                time.sleep(0.3)  # what was said may arrive before
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    listener = socket.create_server((socket.gethostbyname(OWN), PLAIN))
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def inside(box, code, **more):
    out = box.run("/usr/bin/python3", "-c", PARTS + "told = {}\n" + code + "\nprint(json.dumps(told))", **more)
    assert out.code == 0, out
    return json.loads(out.stdout.splitlines()[-1]), out


def test_an_upstream_that_dies_in_the_middle_is_never_taken_for_a_whole_one(sandbox, broken):
    own = {"host": OWN, "port": PLAIN}
    box = sandbox(policy=network(
        *({**rest(OWN, PLAIN), "path": p} for p in ("/length", "/chunked", "/mid-chunk", "/until-close", "/whole")),
        {**own, "protocol": "json-rpc", "path": "/held", "json_rpc": {"max_body_bytes": 8 << 20}, "rules": [{"allow": {"method": "a"}}]},
        *({**own, "protocol": "mcp", "path": p, "rules": [{"allow": {"method": "ping"}}]} for p in ("/tapped", "/events")),
        {"host": "socket.example.test", "port": 443, "protocol": "websocket", "access": "read-write"}, rest(CHAOS)))
    told, out = inside(box, r'''
def end(s):
    data = b""
    try:
        while more := s.recv(65536):
            data += more
        how = "end"
    except OSError as e:
        how = type(e).__name__
    s.close()
    return how, data.decode("latin-1")
def post(path, n=0):
    s = connect(OWN, 2010)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "a" if n else "ping", "params": {"x": "x" * n}}).encode()
    try:
        ask(s, "POST", f"{OWN}:2010", path, f"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n", body)
    except OSError: pass
    return end(s)
for path in ("/length", "/chunked", "/mid-chunk", "/until-close", "/whole"):
    s = connect(OWN, 2010)
    ask(s, "GET", f"{OWN}:2010", path)
    told[path] = end(s)
told["/held"] = post("/held", 6 << 20)
told["/tapped"] = post("/tapped")
told["/events"] = post("/events")
for path in ("/unframed", "/goodbye", "/cut-length", "/cut-chunked"):
    s = secure("chaos.example.test")
    ask(s, "GET", "chaos.example.test", path)
    told["tls" + path] = end(s)
s = ws("/die")
s.sendall(b"\x81\x83\0\0\0\0die")
told["websocket"] = end(s)
''')
    for path in ("/length", "/chunked", "/mid-chunk"):
        how, data = told[path]
        assert "200" in data and "half" in data and not data.endswith("0\r\n\r\n"), (path, told[path])
    assert told["/until-close"][0] == "ConnectionResetError", told["/until-close"]
    assert told["/whole"][0] == "end" and told["/whole"][1].endswith("half"), told["/whole"]
    assert told["/held"][1].startswith("HTTP/1.1 502 "), told["/held"]
    for path in ("/tapped", "/events"):
        how, data = told[path]
        assert not data.endswith("0\r\n\r\n") and "jsonrpc" not in data, (path, told[path])
    assert told["websocket"][0] != "end", told["websocket"]
    # TLS: an end without close_notify is none, whatever says how long the body is.
    assert told["tls/unframed"][0] in TRUNCATED, (told, out)
    assert told["tls/goodbye"][0] == "end" and "ends this body" in told["tls/goodbye"][1], told["tls/goodbye"]
    for path in ("tls/cut-length", "tls/cut-chunked"):
        how, data = told[path]
        assert how in TRUNCATED and "half" in data and not data.endswith("0\r\n\r\n"), (path, told[path])
    failed = out.event("UPSTREAM_FAILED", action="deny")
    wanted = ["socket.example.test" if p == "websocket" else CHAOS if p.startswith("tls") else OWN for p in told if p not in ("/whole", "tls/goodbye")]
    assert sorted(e["host"] for e in failed) == sorted(wanted), out
    assert len([e for e in failed if "close_notify" in e["reason"]]) == 3, out
    assert not upstreams(OWN, PLAIN) and not upstreams(CHAOS, 443)


def test_a_client_that_breaks_off_is_never_taken_for_a_whole_one(sandbox):
    """Half a request, then an end with and without TLS's goodbye: the origin never has it as one."""
    box = sandbox(policy=network(rest(CHAOS, access="full")))
    told, out = inside(box, r'''
for n, fields in enumerate(("Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n")):
    for goodbye in (True, False):
        s = secure("chaos.example.test")
        ask(s, "POST", "chaos.example.test", f"/half?{n}{goodbye}", fields, b"4\r\nhalf\r\n")
        time.sleep(0.1)
        if goodbye:
            try: s.unwrap()
            except OSError: pass
        s.close()
s = secure("chaos.example.test")
ask(s, "POST", "chaos.example.test", "/half?whole", "Content-Length: 4\r\n", b"half")
told["whole"] = answer(s)
''')
    assert told["whole"] == "404"
    until(lambda: not upstreams(CHAOS, 443), what="nothing open")
    arrived = {r["target"]: r["malformed"] for r in upstream_requests(CHAOS) if r["target"].startswith("/half?")}
    assert arrived.pop("/half?whole") is None
    assert all(arrived.values()), arrived


HELD = r'''
def start(n, whole):
    s = connect(OWN, 2001)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "a", "params": {"x": "x" * n}}).encode()
    ask(s, "POST", f"{OWN}:2001", "/rpc", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", b"" if whole else body[:-1])
    return s, body
'''


def test_more_bodies_than_may_be_held_are_told_503_and_the_others_go_on(sandbox, echoes):  # noqa: F811
    box = sandbox(policy=network({"host": OWN, "port": 2001, "protocol": "json-rpc", "json_rpc": {"max_body_bytes": 8 << 20},
                                  "path": "/rpc", "rules": [{"allow": {"method": "a"}}]},
                                 {"host": OWN, "port": 2001, "protocol": "json-rpc", "json_rpc": {"max_body_bytes": 1000},
                                  "path": "/small", "rules": [{"allow": {"method": "a"}}]}))
    told, out = inside(box, HELD + r'''
held = [start((8 << 20) - 1000, False) for _ in range(8)]
s, body = start((8 << 20) - 1000, True)
try:
    s.sendall(body)
except OSError: pass
told["more"] = answer(s)
# The piece that is too long, and one behind it that would not be: what was refused does not go on with a hole.
s = connect(OWN, 2001)
small = b'{"jsonrpc": "2.0", "id": 1, "method": "a"}'
ask(s, "POST", f"{OWN}:2001", "/small", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
    b"".join(b"%x\r\n%b\r\n" % (len(b), b) for b in (small[:9], b" " * 2000, small[9:], b"")))
told["long"] = [answer(s), s.recv(1).decode()]
s, body = held[0]
s.sendall(body[-1:])
told["first"] = s.recv(4).decode()  # the server gives back what it gets
for s, body in held: s.close()
time.sleep(0.2)
s, body = start(1000, True)
s.sendall(body)
told["again"] = s.recv(4).decode()
''')
    assert told["more"] == "503", (told, out)
    assert told["long"] == ["413", ""], (told, out)
    refused = out.event("HTTP_REFUSED", action="deny")
    assert len([e for e in refused if "longer than the 1000 bytes" in e["reason"]]) == 1, out
    assert len([e for e in refused if "too many request bodies" in e["reason"]]) == 1, out
    assert told["again"] == told["first"], (told, out)


def test_a_proxy_without_descriptors_serves_nobody_new_says_so_and_recovers(sandbox, echoes):  # noqa: F811
    box = sandbox(policy=network({"host": OWN, "ports": [2001, 2003]}))
    process = box.start("/usr/bin/python3", "-c", PARTS + r'''
kept = raw(2001)
say("open")
sys.stdin.readline()
say("kept", echo(kept))
s = socket.create_connection(("10.200.0.1", 3128), 30)
s.settimeout(30)
s.sendall(f"CONNECT {OWN}:2003 HTTP/1.1\r\nHost: {OWN}:2003\r\n\r\n".encode())
say("asked")
say("answer", head(s)[9:12].decode())
sys.stdin.readline()
say("again", echo(raw(2003)), echo(kept))
''')
    heard = lambda: json.loads(process.stdout.readline())  # noqa: E731
    assert heard()["name"] == "open"
    net = proxy_of(process)
    with open(f"/proc/{net}/limits") as f:
        soft, hard = next(map(int, line.split()[3:5]) for line in f if line.startswith("Max open files"))
    limit(net, resource.RLIMIT_NOFILE, 0, hard)
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert heard()["how"] == ["ping"]
    assert heard()["name"] == "asked"
    told = []
    reader = threading.Thread(target=lambda: told.append(heard()), daemon=True)
    reader.start()
    time.sleep(0.5)
    assert told == [], told
    # One more at a time: enough to take the client in is too little to go on for it.
    for n in range(1, 128):
        limit(net, resource.RLIMIT_NOFILE, n, hard)
        reader.join(0.12)
        if told:
            break
    assert told and told[0]["how"][0] in ("502", "503"), told
    failed = until(lambda: [e for e in box.read_events() if e["kind"] == "UPSTREAM_FAILED"], what="the record")
    assert len(failed) == 1 and "Too many open files" in failed[0]["reason"], (told, box.read_events())
    limit(net, resource.RLIMIT_NOFILE, soft, hard)
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert heard()["how"] == ["ping", "ping"]
    process.stdin.close()
    assert process.wait(20) == 0
    err = process.stderr.read().decode()
    assert 1 <= err.count("ACCEPT_PAUSED") <= 3 and "ACCEPT_RESUMED" in err, err


def test_what_a_killed_proxy_let_pass_is_recorded(sandbox):
    """Records wait some milliseconds for others; not in its memory alone."""
    box = sandbox(policy=network(rest("api.github.com")))
    process = box.start("/usr/bin/python3", "-c", PARTS + r'''
s = kept("api.github.com", "/zen")
for n in range(1, 30):
    ask(s, "GET", "api.github.com", f"/repos/o/n{n}")
    answer(s)
print(29, flush=True)
time.sleep(60)
''')
    assert process.stdout.readline() == b"29\n", process.communicate(timeout=30)
    os.kill(proxy_of(process), signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 125, err
    paths = [e["path"] for e in box.read_events() if e["kind"] == "L7_REQUEST"]
    assert paths == ["/zen", *(f"/repos/o/n{n}" for n in range(1, 30))], paths


@pytest.mark.slow  # the address sanitizer needs memory to say that there is none, and waits for itself for ever
def test_a_proxy_out_of_memory_ends_the_sandbox_and_nothing_passes(sandbox, echoes):  # noqa: F811
    box = sandbox(policy=network({"host": OWN, "ports": [2003]},
                                 {"host": OWN, "port": 2001, "protocol": "json-rpc", "json_rpc": {"max_body_bytes": 8 << 20},
                                  "rules": [{"allow": {"method": "a"}}]}))
    process = box.start("/usr/bin/python3", "-c", PARTS + HELD + r'''
kept = raw(2003)
say("open")
sys.stdin.readline()
try:
    for _ in range(7):
        start(8000000, False)
    say("passed", echo(kept))
except OSError:
    pass  # it goes before we do
time.sleep(60)
''')
    assert json.loads(process.stdout.readline())["name"] == "open"
    net = proxy_of(process)
    with open(f"/proc/{net}/statm") as f:
        size = int(f.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    limit(net, resource.RLIMIT_AS, size + (8 << 20), size + (8 << 20))
    process.stdin.write(b"\n")
    process.stdin.flush()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 125 and b"passed" not in out, (process.returncode, out, err)
    assert b"proxy" in err or b"net" in err, err
    assert not upstreams(OWN, 2003)
    until(lambda: leftovers() == [], what="everything gone")
    # The next one is as ever.
    assert box.run("/usr/bin/python3", "-c", PARTS + "print(echo(raw(2003)))").stdout == "ping\n"


@pytest.mark.slow
def test_what_comes_too_slowly_ends_at_its_deadline_and_others_are_served(sandbox):
    """All at once: what is put together before it is judged, the name server, and what ignores the proxy."""
    box = sandbox(policy=network(
        rest("api.github.com"), {"host": "socket.example.test", "port": 443, "protocol": "websocket", "access": "read-write"},
        {"host": "tools.example.test", "port": 443, "protocol": "mcp", "rules": [{"allow": {"method": "ping"}}]}))
    told, out = inside(box, r'''
import threading
start, deadlines = time.monotonic(), []
def slow(name, s, *pieces):
    """Sends them, one each two seconds, then waits for the end."""
    def run():
        said = b""
        try:
            for piece in pieces:
                s.sendall(piece)
                s.settimeout(2)
                try:
                    more = s.recv(4096)
                    said += more
                    if not more: break
                except (TimeoutError, ssl.SSLWantReadError): pass
            s.settimeout(60)
            while more := s.recv(4096): said += more
        except OSError: pass
        told[name] = [time.monotonic() - start, said[:12].decode("latin-1")]
        s.close()
    t = threading.Thread(target=run)
    t.start()
    deadlines.append(t)
def direct_to(host, port=443):
    return socket.create_connection((host, port), 10)
w = ws("/echo")
m = secure("tools.example.test")
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
start = time.monotonic()
slow("websocket", w, b"\x01\x85\0\0\0\0hello")
ask(m, "POST", "tools.example.test", "/json", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
slow("held", m, body[:5].encode())
dns = b"\0\x1d" + b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"\3api\6github\3com\0\0\1\0\1"
slow("dns", direct_to("10.200.0.1", 53), dns[:9])
slow("dns drip", direct_to("10.200.0.1", 53), *(dns[i:i + 1] for i in range(20)))
hello = b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"x" * 40
slow("captured", direct_to("api.github.com"), hello[:5])
slow("captured drip", direct_to("api.github.com"), *(hello[i:i + 1] for i in range(20)))
slow("refused", direct_to("203.0.113.9"), b"G", b"E")
s = kept("api.github.com", "/zen")
for t in deadlines: t.join()
ask(s, "GET", "api.github.com", "/zen")
told["kept"] = answer(s)
ask(secure("tools.example.test"), "GET", "tools.example.test", "/json")
told["dns after"] = lookup("api.github.com")[:7]
''')
    print(told)
    assert told["kept"] == "200" and told["dns after"] == "198.18.", told
    late = {"websocket": (30, "\x88"), "held": (30, "HTTP/1.1 408"), "dns": (10, ""), "dns drip": (10, ""),
            "captured": (5, "\x15"), "captured drip": (5, "\x15"), "refused": (0, "")}
    for name, (at, said) in late.items():
        assert at - 1 <= told[name][0] <= at + 5 and told[name][1].startswith(said), (name, told)
    assert out.event("HTTP_REFUSED", host="tools.example.test", action="deny"), out
    assert len([e for e in out.events if e.get("host") == "api.github.com" and e["action"] == "deny"]) == 2, out
    assert [e for e in out.event("L7_REQUEST", stage="websocket") if "not whole in time" in e["reason"]], out
