"""Tunnels against the proxy's specification: what they carry that is not HTTP, their certificates, and who does without.

As in test_proxy_spec.py the client says exact bytes.
"""
import ssl
import subprocess

import pytest

from harness import TESTNET, network, rest, until
from test_proxy_spec import INSIDE, Origin, check_refusal, exchange, inside, network_events, plain

# What stops to be HTTP

@pytest.mark.parametrize("inspected", [True, False])
def test_protocol_switches(sandbox, inspected):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nfirst"

    def serve(origin, conn):
        head = origin.head(conn)
        conn.sendall(switch % (b"other" if b"/other" in head else b"websocket"))
        conn.sendall(conn.recv(5))
    answers, out, got = exchange(sandbox, serve, """
def ask(name, path, extra):
    s = tunnel(T); s.sendall(get(path, T, extra=extra)); head = read_head(s)
    if head.startswith(b"HTTP/1.1 101 "):
        s.sendall(b"\\x81\\x00PI\\n")
    put(name, head, read_all(s))
ask("websocket", "/", "Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n")
ask("other", "/other", "Connection: Upgrade\\r\\nUpgrade: other\\r\\n")
ask("unasked", "/", "")
""", plain() if inspected else {"host": "closed.example.test", "port": 8080})
    assert answers["websocket"] == ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\n\r\n", "first\x81\x00PI\n"], answers
    assert answers["other"][0].startswith(f"HTTP/1.1 {502 if inspected else 101} "), answers
    assert answers["unasked"][0].startswith("HTTP/1.1 502 "), answers
    upgrades = [e for e in out.event("CONNECT_L7", action="allow") if e.get("reason") == "upgrade"]
    assert len(upgrades) == (1 if inspected else 0), out
    assert b"Upgrade: websocket\r\nConnection: Upgrade\r\n" in got[0], got


@pytest.mark.parametrize("word, before, after, why", [
    ("websocket", plain(), {**plain(), "protocol": "websocket", "access": "read-only"},
     "the messages of the WebSocket are inspected now"),
    ("other", {"host": "closed.example.test", "port": 8080}, plain(), "the endpoint is inspected now"),
], ids=["websocket", "other"])
def test_an_upgrade_that_nobody_looked_into_ends_when_the_policy_wants_to_look(sandbox, word, before, after, why):
    """Attack: opened while a rule of rest, or none, let it pass; what is said behind it was never judged."""
    def serve(origin, conn):
        origin.head(conn)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % word.encode())
        while data := conn.recv(100):
            conn.sendall(data)
    box = sandbox(policy=network(before))

    def revoked():
        return [e["reason"] for e in box.read_events() if e["kind"] == "REVOKED"]
    with Origin(serve):
        process = box.start("/usr/bin/python3", "-c", INSIDE + f"""
s = tunnel("closed.example.test:8080")
s.sendall(get("/", "closed.example.test:8080", extra="Connection: Upgrade\\r\\nUpgrade: {word}\\r\\n"))
print(read_head(s)[:12].decode(), flush=True)
sys.stdin.readline()
s.sendall(b"still")
print(s.recv(5).decode(), flush=True)
print(read_all(s).decode(), flush=True)
""", stdin=subprocess.PIPE)
        assert process.stdout.readline() == b"HTTP/1.1 101\n"
        loaded = len([e for e in box.read_events() if e["kind"] == "POLICY"])
        box.write_policy(network(before, rest("files.example.test")))  # the other side
        until(lambda: len([e for e in box.read_events() if e["kind"] == "POLICY"]) > loaded)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"still\n" and not revoked()
        box.write_policy(network(after))
        assert process.communicate(timeout=60)[0] == b"<RST>\n"
        assert revoked() == [why]


# What is not HTTP

def test_first_bytes_decide_and_only_http_passes_inspection(sandbox):
    def echo(origin, conn):
        data = conn.recv(65536)
        origin.got.append(data)
        conn.sendall(b"got " + data)
    firsts = {"ssh": "SSH-2.0-x\r\n", "zeros": "\0\0\0\x08abcdefgh", "propfind": "propfind / HTP/1.1\r\n\r\n",
              "hello": "HELLO\r\n", "almost": "GETT / HTPT/1.1\r\n\r\n", "record": "\x17\x03\x03\0\x01a"}
    script = """
for name, first in firsts.items():
    s = tunnel(T); s.sendall(first.encode("latin-1")); s.shutdown(socket.SHUT_WR); put(name, read_all(s))
s = tunnel(T); s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"); s.shutdown(socket.SHUT_WR); put("h2", read_all(s))
s = tunnel(T)
for b in b"HELLO":
    s.sendall(bytes([b]))
s.shutdown(socket.SHUT_WR); put("slow", read_all(s))
"""
    script = f"firsts = {firsts!r}\n" + script
    answers, out, got = exchange(sandbox, echo, script)
    assert not any(got), got
    check_refusal(answers.pop("h2")[0], 400)
    assert all(v[0] in ("", "<RST>") for v in answers.values()), answers
    denied = out.event("CONNECT_L7", action="deny", stage="l7")
    assert len(denied) == len(firsts) + 2, out
    assert sum(e["reason"] == "non-HTTP traffic on an L7-inspected endpoint" for e in denied) == len(firsts) + 1, out
    answers, out, got = exchange(sandbox, echo, script, {"host": "closed.example.test", "port": 8080})
    assert {n: v[0] for n, v in answers.items() if n in firsts} == {n: "got " + f for n, f in firsts.items()}, answers
    assert not [e for e in network_events(out) if e["action"] != "allow"], out


def test_a_server_that_speaks_first_is_heard_after_250_ms(sandbox):
    def serve(origin, conn):
        conn.sendall(b"220 hello\r\n")
        origin.got.append(conn.recv(100))
        conn.sendall(b"bye")
    with Origin(serve) as o:
        box = sandbox(policy=network({"host": o.host, "port": o.port}))
        answers, out = inside(box, """
s = tunnel("closed.example.test:8080"); t = time.monotonic(); put("banner", s.recv(100)); put("took", time.monotonic() - t)
s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n"); put("rest", read_all(s))
""")
        assert answers["banner"] == ["220 hello\r\n"] and 0.2 < answers["took"][0] < 5, answers
        # Silence made it raw: what looks like HTTP afterwards is not taken for it.
        assert answers["rest"] == ["bye"] and o.got == [b"GET / HTTP/1.1\r\n\r\n"], (answers, o.got)
    assert [(e["kind"], e["action"]) for e in network_events(out)] == [("CONNECT", "allow")], out


@pytest.mark.parametrize("words", [{"tls": "skip"}, {"protocol": "tcp"}], ids=["skip", "tcp"])
def test_tls_skip_leaves_tls_alone(sandbox, words):
    box = sandbox(policy=network({"host": "files.example.test", "port": 443, **words}))
    answers, out = inside(box, """
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
s = c.wrap_socket(tunnel("files.example.test:443"), server_hostname="files.example.test")
put("der", s.getpeercert(True).hex()); s.sendall(get("/bytes/3", "files.example.test")); put("a", *response(s))
""")
    pem = (TESTNET / ".origins/files.example.test.crt").read_text()
    first = pem[:pem.index("-----END CERTIFICATE-----") + 26]
    assert answers["der"][0] == ssl.PEM_cert_to_DER_cert(first).hex()
    assert answers["a"][0] == 200 and [e["kind"] for e in network_events(out)] == ["CONNECT"], out


@pytest.mark.parametrize("speaks", ["client", "server"])
def test_tls_without_rules_carries_what_is_not_http(sandbox, speaks):
    def serve(origin, conn):
        if speaks == "server":
            conn.sendall(b"* OK ready\r\n")
        data = conn.recv(100)
        origin.got.append(data)
        conn.sendall(b"got " + data)
    with Origin(serve, "files.example.test", 9443, tls=True) as o:
        box = sandbox(policy=network({"host": o.host, "port": o.port}))
        answers, out = inside(box, """
s = tls("files.example.test:9443"); put("issuer", str(s.getpeercert()["issuer"]))
if speaks == "server":
    put("banner", s.recv(100))
s.sendall(b"\\x00\\x01binary"); put("a", read_all(s))
""", speaks=speaks)
        assert "OpenShell Sandbox CA" in answers["issuer"][0], answers
        assert answers["a"] == ["got \0\x01binary"], (answers, out)
        assert answers.get("banner", ["* OK ready\r\n"]) == ["* OK ready\r\n"], answers
    assert [(e["kind"], e["action"]) for e in network_events(out)] == [("CONNECT", "allow")], out


def test_tls_with_rules_refuses_what_is_not_http(sandbox):
    seen = []
    with Origin(lambda o, c: seen.append(c.recv(100)), "files.example.test", 9444, tls=True):
        box = sandbox(policy=network(rest("files.example.test", port=9444, access="full")))
        answers, out = inside(box, "s = tls('files.example.test:9444'); s.sendall(b'\\0\\1binary\\r\\n\\r\\n')\n"
                              "put('a', read_all(s))")
        check_refusal(answers["a"][0], 400)
    assert seen in ([], [b""]) and len(out.event(action="deny")) == 1, (seen, out)


# Certificates

def test_leaf_and_chain(sandbox):
    box = sandbox(policy=network(rest("files.example.test"), rest("20.0.0.16")))
    out = box.run("sh", "-c", "openssl s_client -proxy 10.200.0.1:3128 -connect files.example.test:443"
                  " -servername files.example.test -showcerts </dev/null 2>/dev/null")
    blocks = ["-----BEGIN" + b.split("-----END")[0] + "-----END CERTIFICATE-----\n"
              for b in out.stdout.split("-----BEGIN")[1:] if b.startswith(" CERTIFICATE")]
    # s_client shows the leaf once more at the end.
    assert len(blocks) in (2, 3) and blocks[0] != blocks[1], out
    assert "Verify return code: 0 (ok)" in out.stdout or "Verification: OK" in out.stdout, out
    leaf, ca = (subprocess.run(["openssl", "x509", "-noout", "-text"], input=b, text=True, check=True,
                               capture_output=True).stdout for b in blocks[:2])
    assert "Issuer: O = OpenShell, CN = OpenShell Sandbox CA" in leaf, leaf
    assert "Subject: CN = files.example.test\n" in leaf and "DNS:files.example.test\n" in leaf, leaf
    assert "TLS Web Server Authentication" in leaf and "CA:FALSE" in leaf and "Authority Key Identifier" in leaf
    assert "CA:TRUE, pathlen:0" in ca and "Certificate Sign, CRL Sign" in ca and "prime256v1" in ca, ca
    answers, out = inside(box, "s = tls('20.0.0.16:443'); put('names', s.getpeercert()['subjectAltName'])\n"
                          "s.sendall(get('/bytes/1', '20.0.0.16')); put('a', *response(s))")
    assert answers["names"] == [[["IP Address", "20.0.0.16"]]] and answers["a"][0] == 200, (answers, out)


def test_alpn_and_server_name(sandbox):
    box = sandbox(policy=network(rest("files.example.test")))
    answers, out = inside(box, """
def hand(name, **more):
    try:
        put(name, tls("files.example.test:443", **more).selected_alpn_protocol())
    except (ssl.SSLError, OSError) as e:
        put(name, str(e))
hand("both", alpn=["h2", "http/1.1"]); hand("none"); hand("h2", alpn=["h2"]); hand("sni", sni="evil.example.test")
c = ssl.create_default_context(); c.check_hostname = False
s = c.wrap_socket(tunnel("files.example.test:443"))
s.sendall(get("/bytes/1", "files.example.test")); put("no-sni", *response(s))
""")
    assert answers["both"] == ["http/1.1"] and answers["none"] == [None], answers
    assert answers["h2"] == ["h2"], answers  # though the upstream speaks the other
    assert "unrecognized" in answers["sni"][0].lower(), answers
    assert answers["no-sni"][0] == 200
    refused = out.event("TLS_REFUSED", action="deny", stage="tls")
    assert len(refused) == 1 and "differs from the CONNECT host" in refused[0]["reason"], out


def test_the_upstream_is_verified_before_the_client_gets_a_certificate(sandbox):
    box = sandbox(policy=network({"host": "expired.example.test", "port": 443}))
    answers, out = inside(box, """
s = tunnel("expired.example.test:443")
inn, outb = ssl.MemoryBIO(), ssl.MemoryBIO()
o = ssl.create_default_context().wrap_bio(inn, outb, server_hostname="expired.example.test")
try:
    o.do_handshake()
except ssl.SSLWantReadError:
    s.sendall(outb.read())
put("a", read_all(s).hex())
""")
    assert answers["a"] == ["1503030002022a"], answers  # one fatal alert, bad_certificate, and no ServerHello
    (event,) = out.event("TLS_REFUSED")
    assert "expired" in event["reason"], out


# Past the proxy

def test_direct_connections_of_either_family_are_recorded(sandbox):
    box = sandbox(policy=network(rest("files.example.test")))
    answers, out = inside(box, """
datagrams = []  # their sockets stay open until they are asked about
for a in ("20.0.0.16", "2a0e:7e57::8", "::ffff:20.0.0.16", "10.0.5.9"):
    t = time.monotonic()
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET); s.settimeout(20)
    try:
        s.connect((a, 443)); data = s.recv(10); put(a, "got " + repr(data), time.monotonic() - t)
    except OSError as e:
        put(a, type(e).__name__, time.monotonic() - t)
for a in ("20.0.0.20", "2a0e:7e57::8"):
    t = time.monotonic()
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
    datagrams.append(s)
    try:
        s.connect((a, 443)); s.send(b"x"); s.recv(10); put("udp " + a, "answered", 0)
    except OSError as e:
        put("udp " + a, type(e).__name__, time.monotonic() - t)
time.sleep(0.5)
""")
    assert all(v[1] < 2 for v in answers.values()), answers
    assert all(v[0] in ("ConnectionResetError", "ConnectionRefusedError") for n, v in answers.items()
               if not n.startswith("udp")), answers
    assert "answered" not in [v[0] for v in answers.values()], answers
    seen = out.event("CONNECT", action="deny", stage="connect", port=443)
    assert [e["host"] for e in seen] == ["20.0.0.16", "2a0e:7e57::8", "20.0.0.16", "10.0.5.9"] or \
        [e["host"] for e in seen] == ["20.0.0.16", "2a0e:7e57::8", "10.0.5.9"], out
    assert all("is not allowed by any policy" in e["reason"] and e["detail"] == f"direct, to {e['host']}"
               for e in seen), out
    packets = out.event("BYPASS_DETECT", action="deny", stage="bypass", port=443)
    assert [e["host"] for e in packets] == ["20.0.0.20", "2a0e:7e57::8"], out
    assert all(e["reason"].startswith("UDP does not leave the sandbox") for e in packets), out
    assert all(e["binary"].startswith("/usr/bin/python3") for e in seen + packets), out
