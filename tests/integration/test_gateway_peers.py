"""Peers that break the rules: clients on the wire, supervisors that lie, log lines that forge."""
import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import ssl
import struct
import threading
import time

import grpc
import pytest

from gateway import READ_GITHUB
from grpcapi import Code, fails, local, secure, sup, token, v1
from harness import SANITIZED, alive, leftovers, until


# --- hostile clients on the wire

def tls(g, alpn="h2", cert=True):
    context = ssl.create_default_context(cafile=g.bundle / "ca.crt")
    if cert:
        context.load_cert_chain(g.bundle / "tls.crt", g.bundle / "tls.key")
    context.set_alpn_protocols([alpn])
    raw = socket.create_connection(("127.0.0.1", g.port), 10)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    assert len(name) < 127 and len(value) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path=b"/openshell.v1.OpenShell/ListSandboxes"):
    return b"".join(literal(*h) for h in ((b":method", b"POST"), (b":scheme", b"https"), (b":path", path),
                                          (b":authority", b"x"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))


def serves(g):
    """The gateway answers others, and is the same process."""
    client = local(g)
    assert client.Health(timeout=5).status == v1.SERVICE_STATUS_HEALTHY
    client.close()
    assert g.ok("sandbox", "list", timeout=20)


def closed(s, seconds):
    """Has the other side ended this connection within that time?"""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except (ConnectionError, ssl.SSLError):
        return True
    except TimeoutError:
        return False


# What is freed stays in the quarantine of the address sanitizer, 256 MiB.
SLACK = 300 << 20 if SANITIZED else 0


def memory(g):
    return int(pathlib.Path(f"/proc/{g.pid()}/statm").read_text().split()[1]) * 4096


class SlowPeers:
    """All that wait for a deadline of the gateway's, begun at once."""

    def __init__(self, g):
        self.began = time.monotonic()
        self.held = [(how, socket.create_connection(("127.0.0.1", g.port), 5)) for how in NO_HANDSHAKES for _ in range(20)]
        for how, s in self.held:
            with contextlib.suppress(ConnectionError):
                s.sendall(NO_HANDSHAKES[how])
        self.head_ended = []
        self.head = threading.Thread(target=lambda: self.head_ended.append(slow_head(g)), daemon=True)
        self.head.start()
        self.many = []
        for kind, where, n in ((socket.AF_INET, ("127.0.0.1", g.port), 900), (socket.AF_UNIX, str(g.sock), 200)):
            with contextlib.suppress(OSError):  # a listener may take no more at last; the test counts
                for _ in range(n):
                    s = socket.socket(kind)
                    self.many.append(s)
                    s.settimeout(1)
                    s.connect(where)
        for s in self.many[::10]:
            with contextlib.suppress(OSError):
                s.sendall(b"\x16")


@pytest.fixture(scope="module")
def slow_peers(module_gateway):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    peers = SlowPeers(module_gateway)
    yield peers
    for s in [*peers.many, *(s for _, s in peers.held)]:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, files)


def slow_head(g):
    """Did the gateway end a connection whose request head came a byte a second?"""
    with tls(g, alpn="http/1.1") as s:
        end = time.monotonic() + 25
        s.settimeout(1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 60:
            try:
                s.send(bytes([byte]))
                if s.recv(4096) == b"":
                    return True
            except TimeoutError:
                pass
            except OSError:
                return True
            if time.monotonic() > end:
                break
    return False


NO_HANDSHAKES = {"nothing": b"", "half a hello": b"\x16\x03\x01", "plain HTTP": b"GET / HTTP/1.1\r\n", "noise": os.urandom(4000),
                 "plain HTTP/2": b"PRI * HTTP/2.0\r\n\r\n", "zeros": b"\0" * 70000}


def test_many_connections_that_say_nothing_leave_room_for_others(shared, slow_peers):
    """A82: half-open and byte by byte, on both listeners."""
    pid = shared.pid()
    many = slow_peers.many
    assert len(many) > 1000
    began = time.monotonic()
    serves(shared)
    assert time.monotonic() - began < 10
    assert memory(shared) < (200 << 20) + SLACK
    assert closed(many[0], 20), "a handshake that never comes ends"
    for s in many:
        s.close()
    assert shared.pid() == pid
    serves(shared)


def test_bytes_that_are_no_handshake(shared, slow_peers):
    """All of them at once: each is ended within the time that a handshake has, and nobody else waits."""
    pid = shared.pid()
    serves(shared)
    for how, s in slow_peers.held:
        assert closed(s, max(0.1, slow_peers.began + 15 - time.monotonic())), (how, "a handshake has 10 s")
    assert shared.pid() == pid


FRAMES = {
    "half a frame": PREFACE + frame(1, 4, 1, head())[:20],
    "half a message": PREFACE + frame(1, 4, 1, head()) + frame(0, 0, 1, b"\0\0\0\0\x10abc"),
    "nothing after the preface": PREFACE,
    "settings flood": PREFACE + frame(4, 0, 0) * 20000,
    "ping flood": PREFACE + frame(6, 0, 0, b"x" * 8) * 20000,
    "reset flood": PREFACE + b"".join(frame(1, 4, i, head()) + frame(3, 0, i, struct.pack(">I", 8)) for i in range(1, 6001, 2)),
    "endless continuation": PREFACE + frame(1, 0, 1, head()) + frame(9, 0, 1, literal(b"x", b"y" * 100) * 100) * 500,
    "data on no stream": PREFACE + frame(0, 0, 7, b"x"),
    "even stream": PREFACE + frame(1, 4, 2, head()),
    "frame too large": PREFACE + frame(0, 0, 1, b"x" * 70000),
    "bad padding": PREFACE + frame(1, 12, 1, b"\xff" + head()),
    "window overflow": PREFACE + frame(8, 0, 0, struct.pack(">I", 0x7fffffff)) * 2,
    "hpack index": PREFACE + frame(1, 5, 1, b"\xff\xff\xff\xff\xff\x0f"),
    "hpack table size": PREFACE + frame(1, 5, 1, b"\x3f\xff\xff\xff\xff\x0f"),
    "no method": PREFACE + frame(1, 5, 1, literal(b":path", b"/x")),
    "upper case": PREFACE + frame(1, 5, 1, head() + literal(b"X-Upper", b"x")),
    "zero window": PREFACE + frame(4, 0, 0, struct.pack(">HI", 4, 0)) + frame(1, 4, 1, head()) + frame(0, 1, 1, b"\0\0\0\0\0"),
    "compressed flag": PREFACE + frame(1, 4, 1, head()) + frame(0, 1, 1, b"\1\0\0\0\0"),
    "push": PREFACE + frame(5, 4, 1, struct.pack(">I", 2) + head()),
}


@pytest.mark.parametrize("how", FRAMES)
def test_frames_that_break_the_rules_hurt_nobody_else(shared, how):
    pid, before = shared.pid(), memory(shared)
    with tls(shared) as s:
        with contextlib.suppress(OSError):
            s.sendall(FRAMES[how])
        serves(shared)
        with contextlib.suppress(OSError):
            s.settimeout(0.2)
            s.recv(65536)
    serves(shared)
    assert shared.pid() == pid
    assert memory(shared) - before < (64 << 20) + SLACK


def test_a_message_of_a_gigabyte_is_refused_before_it_is_kept(shared):
    before = memory(shared)
    with tls(shared) as s:
        s.sendall(PREFACE + frame(1, 4, 1, head()) + frame(0, 0, 1, b"\0" + (1 << 30).to_bytes(4, "big")))
        sent = 0
        s.settimeout(3)
        with contextlib.suppress(OSError):
            while sent < 16 << 20:
                s.sendall(frame(0, 0, 1, b"x" * 16000))
                sent += 16000
        assert memory(shared) - before < (8 << 20) + SLACK  # while it still may send
    serves(shared)
    # By a client that keeps the rules: it is told.
    client = secure(shared)
    fails(Code.OUT_OF_RANGE, lambda: client.ListSandboxes(b"\x1a\xff\xff\x7f" + b"x" * (2 << 20)))
    client.close()


def test_ten_thousand_streams(shared):
    pid, before = shared.pid(), memory(shared)
    with tls(shared) as s:
        with contextlib.suppress(OSError):
            s.sendall(PREFACE)
            for i in range(1, 20001, 2):
                s.sendall(frame(1, 4, i, head(b"/openshell.v1.OpenShell/ListSandboxes")))
        serves(shared)
        assert memory(shared) - before < (64 << 20) + SLACK
    assert shared.pid() == pid


def test_a_slow_request_head_over_http_ends(shared, slow_peers):
    """A82: one byte now and then does not hold a connection for ever."""
    slow_peers.head.join(30)
    assert slow_peers.head_ended == [True], "still reading a head that takes for ever"
    serves(shared)


@pytest.mark.parametrize("request_line", [b"GET /healthz HTTP/1.1\r\n\r\n", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n\r\n\r\n",
                                          b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                                          b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                                          b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"], ids=range(6))
def test_strange_http_requests(shared, request_line):
    with tls(shared, alpn="http/1.1") as s:
        s.settimeout(15)
        try:
            s.sendall(request_line)
            answer = s.recv(4096)
        except (ConnectionError, ssl.SSLError):
            answer = b""  # cut off while it was sent; a silence is no answer
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
    serves(shared)


# --- sandboxes that lie

def test_a_supervisor_that_claims_anothers_id_is_refused_and_recorded(shared):
    g = shared
    g.create("mine")
    g.create("other")
    mine, other = g.id_of("mine"), g.id_of("other")
    keeper = g.keeper(other)
    me = local(g, bearer=token(g, mine))
    hello = sup.Up(hello=sup.Hello(sandbox_id=other, protocol=1, state=sup.State(phase=sup.PHASE_FAILED, reason="lie")))
    fails(Code.PERMISSION_DENIED, lambda: me.Attend(iter([hello])))
    me.close()
    assert g.phase("other") == "ready" and g.keeper(other) == keeper
    assert g.exec("other", "true").code == 0
    log = (g.state / "logs/server.log").read_text()
    assert any(mine in line and other in line for line in log.splitlines()), log[-3000:]
    text = g.ok("logs", "other").stdout
    assert f"a supervisor of sandbox {mine} claimed to be this one and was refused" in text, text
    assert token(g, mine) not in log


HELLO = "the hello of a good one"
# What it says, and how that ends; what is only untrue is passed over.
LIES = {
    "no hello": ([sup.Up(logs=sup.Logs(first_seq=1))], Code.INVALID_ARGUMENT),
    "hello twice": ([HELLO, HELLO], Code.INVALID_ARGUMENT),
    "unknown protocol": ([sup.Up(hello=sup.Hello(protocol=77))], Code.FAILED_PRECONDITION),
    "an empty message": ([HELLO, sup.Up()], Code.INVALID_ARGUMENT),
    "acknowledges what was never sent": ([HELLO, sup.Up(policy_status=sup.PolicyStatus(version=4000000000, loaded=True))], None),
    "a log line of a megabyte": ([HELLO, sup.Up(logs=sup.Logs(first_seq=1, lines=[v1.SandboxLogLine(message="x" * 900000)]))], None),
    "no UTF-8": ([HELLO, b"\x22\x08\x08\x01\x12\x04\x2a\x02\xff\xfe"], Code.INVALID_ARGUMENT),
    "noise": ([HELLO, b"\xff" * 100], Code.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_supervisor_that_breaks_the_protocol(shared, lie):
    g = shared
    g.create("demo")
    g.create("other")
    identity = g.id_of("demo")
    me = local(g, bearer=token(g, identity))
    said, code = LIES[lie]
    asks = [sup.Up(hello=sup.Hello(sandbox_id=identity, protocol=1, state=sup.State(phase=sup.PHASE_ISOLATED))) if m is HELLO else m
            for m in said]
    for m in asks:
        if not isinstance(m, bytes) and m.HasField("hello"):
            m.hello.sandbox_id = identity
    if code is None:
        try:
            list(me.Attend(iter(asks), timeout=10))
        except grpc.RpcError as e:  # the real one may be back already
            assert e.code() == Code.ABORTED and "newer session" in e.details(), e
    else:
        fails(code, lambda: me.Attend(iter(asks), timeout=10))
    me.close()
    serves(g)
    # The real one comes back, and the neighbour saw nothing.
    g.wait_phase("demo", "ready", seconds=40)
    assert g.exec("demo", "echo", "true").stdout == "true\n"
    assert g.phase("other") == "ready"
    assert max(r["version"] for r in g.json("policy", "list", "demo") or [{"version": 1}]) < 10


def test_a_relay_that_was_never_asked_for(shared):
    g = shared
    g.create("demo")
    me = local(g, bearer=token(g, g.id_of("demo")))
    for relay in ("", "0" * 32, "x" * 100000):
        with pytest.raises(Exception) as e:
            list(me.Relay(iter([sup.RelayUp(relay_id=relay)]), timeout=5))
        assert e.value.code() == Code.NOT_FOUND, e.value
    me.close()
    assert g.exec("demo", "true").code == 0


def test_a_keeper_that_dies_is_told_with_its_reason_and_deleted(shared):
    g = shared
    for role in ("keeper", "ctl", "spawn", "init"):
        g.create("demo")
        pids = g.roles(g.id_of("demo"))
        os.kill(pids[role], signal.SIGKILL)
        assert g.wait_phase("demo", "error", seconds=20) == "error", role
        assert g.exec("demo", "true").code not in (0, 127)
        shown = g.ok("sandbox", "get", "demo").stdout
        assert re.search("ended|killed|gone|died|lost|exit|signal", shown, re.I), (role, shown)
        g.delete("demo")
        until(lambda pids=pids: not any(map(alive, pids.values())), 10, "every process gone")


def test_all_of_a_sandbox_killed_at_once_leaves_nothing(shared):
    g = shared
    before = set(leftovers())
    g.create("demo")
    pids = g.roles(g.id_of("demo"))
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)  # nobody cleans up meanwhile
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, pids.values())), 10, "every process gone")
    assert g.wait_phase("demo", "error", seconds=20) == "error"
    g.delete("demo")
    until(lambda: set(leftovers()) == before, 10, "nothing left")


def test_a_proxy_that_dies_fails_closed_and_is_told(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    assert g.exec("demo", "curl", "-sSf", "https://api.github.com/zen").code == 0
    net = g.roles(g.id_of("demo"))["net"]
    os.kill(net, signal.SIGKILL)
    state = g.wait_phase("demo", "error")
    out = g.exec("demo", "curl", "-sS", "-m", "10", "-X", "POST", "-d", "x", "https://api.github.com/forbidden")
    assert "policy_denied" in out.stdout or out.code != 0, (state, out)


# --- A80: what a sandbox makes of its log

EVIL = "x\x1b]0;pwned\x07\x1b[31mred\r\nfake: [1.000] [gateway] [INFO ] all is well\x9b31m\u202e\u2028{\"a\":1}"


def test_a80_log_text_of_a_sandbox_cannot_forge_lines_or_reach_the_terminal(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    identity = g.id_of("demo")
    me = local(g, bearer=token(g, identity))
    me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=identity, logs=[
        v1.SandboxLogLine(level=EVIL, target=EVIL, message=EVIL + "-evil-line", fields={EVIL: EVIL, "plain": "value"}, source="gateway")])]))
    me.close()
    # And by the way a program has: a URL and headers with such bytes.
    g.exec("demo", "curl", "-s", "https://api.github.com/%1b%5b31m%0afake?x=%00", "-H", "X-Tool: \x1b[31m")
    g.exec("demo", "curl", "-s", "-X", "POST", "https://api.github.com/%1b%5b31m%0afake")
    out = g.ok("logs", "demo")
    lines = out.stdout.splitlines()
    assert len([x for x in lines if "-evil-line" in x]) == 1, out
    assert "plain=value" in out.stdout  # two-sided: it is shown, escaped
    for bad in ("\x1b", "\x07", "\x9b", "\u202e", "\u2028", "\r"):
        assert bad not in out.stdout, repr(bad)
    assert not any(line.startswith("fake:") for line in out.out.decode().split("\n"))
    assert re.match(r"\[\d+\.\d{3}\] \[sandbox\] ", next(x for x in lines if "-evil-line" in x))
    raw = (g.state / "logs/server.log").read_bytes()
    assert b"\x1b" not in raw


def test_a80_names_and_reasons_from_the_wire_are_escaped(shared):
    out = shared.cli("sandbox", "get", "x\x1b[31mred\nError: fake")
    assert out.code == 1 and "\x1b" not in out.stderr and "\nError: fake" not in out.stderr, out
