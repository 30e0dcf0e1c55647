"""The attacks of the naming, HTTP/1, TLS, SSRF and DNS sections, each from both sides.

Every test shows that the attempt is denied and recorded and that nothing arrived, and that the
same act works where it is allowed.
"""
import base64
import json

import pytest

from harness import STAGE, TESTNET, canary_lines, network, rest, upstream_requests

INSIDE = str(STAGE / "tests/integration/inside.py")


def say(box, *pieces, connect=None, tls=False, wait=1, **more):
    """Sends exact bytes from inside; gives (answer of inside.py, Result)."""
    what = {"connect": connect, "tls": tls, "wait": wait, **more,
            "send": [base64.b64encode(p if isinstance(p, bytes) else p.encode()).decode() for p in pieces]}
    out = box.run("/usr/bin/python3", INSIDE, input=json.dumps(what).encode(), options=["--ro", str(STAGE)])
    assert out.code == 0, out
    return json.loads(out.stdout), out


def request(method="GET", target="/zen", host="api.github.com", extra="", body=""):
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n{body}"


def denied(out, **fields):
    return [e for e in out.events if e["action"] == "deny" and all(e.get(k) == v for k, v in fields.items())]


@pytest.fixture
def github(sandbox):
    return sandbox(policy=network(rest("api.github.com")))


@pytest.fixture
def files(sandbox):
    return sandbox(policy=network(rest("files.example.test", access="full"),
                                  rest("files.example.test", port=80, access="full")))


# Naming and routing

def test_a01_literal_of_an_allowed_host_is_denied_unless_declared(sandbox, github):
    before = len(upstream_requests("api.github.com"))
    answer, out = say(github, connect="20.0.0.10:443")
    assert answer["connect_status"] == 403, answer
    assert len(denied(out)) == 1, out
    assert len(upstream_requests("api.github.com")) == before
    declared = sandbox(policy=network({"host": "20.0.0.10", "port": 443, "tls": "skip"}))
    answer, out = say(declared, connect="20.0.0.10:443", wait=0)
    assert answer["connect_status"] == 200, (answer, out)


def test_a_label_wildcard_takes_in_one_label_only(sandbox):
    box = sandbox(policy=network(rest("fi*.example.test", port=80)))
    answer, out = say(box, request(host="files.example.test"), connect="files.example.test:80")
    assert answer["connect_status"] == 200, (answer, out)
    for host in ("other.example.test", "files.deep.example.test", "fi.example.test.evil.test"):
        answer, out = say(box, connect=f"{host}:80", wait=0)
        assert answer["connect_status"] == 403, (host, answer)
        assert len(denied(out)) == 1, out


@pytest.mark.parametrize("spelling", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1"])
def test_a02_numeric_spellings_of_loopback(sandbox, spelling):
    box = sandbox(policy=network({"host": "files.example.test", "port": 80}))
    before = len(canary_lines())
    answer, out = say(box, connect=f"{spelling}:80")
    assert answer["connect_status"] in (400, 403), answer
    assert len(denied(out)) == 1, out
    assert len(canary_lines()) == before


@pytest.mark.parametrize("address", ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:127.0.0.1"])
def test_a04_translated_private_addresses(sandbox, address):
    box = sandbox(policy=network({"host": "files.example.test", "port": 80}))
    before = len(canary_lines())
    answer, out = say(box, connect=f"[{address}]:80")
    assert answer["connect_status"] == 403, answer
    assert len(denied(out)) == 1, out
    assert len(canary_lines()) == before


def test_a05_zone_id_is_refused(github):
    answer, out = say(github, connect="[fe80::1%lo]:80")
    assert answer["connect_status"] == 400, answer
    assert len(denied(out)) == 1, out


@pytest.mark.parametrize("host", ["api.github.com\0", "api github.com", "api.github.com%00", "api\tgithub.com",
                                  "api.github.com\r", "user@api.github.com"])
@pytest.mark.parametrize("form", ["connect", "absolute"])
def test_a07_a10_bytes_that_are_no_host(github, host, form):
    dns = (TESTNET / "dns.log").read_text()
    first = f"CONNECT {host}:443 HTTP/1.1\r\n" if form == "connect" else f"GET http://{host}/zen HTTP/1.1\r\n"
    answer, out = say(github, first + "Host: api.github.com\r\n\r\n")
    assert [a["status"] for a in answer["answers"]] == [400], answer
    assert len(denied(out)) == 1, out
    assert (TESTNET / "dns.log").read_text() == dns


@pytest.mark.parametrize("host", ["api\u3002github.com", "\uff41pi.github.com", "gith\u00fcb.com"])
def test_a08_names_outside_ascii(github, host):
    answer, out = say(github, f"CONNECT {host}:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [a["status"] for a in answer["answers"]] == [400], answer
    assert len(denied(out)) == 1, out


def test_a11_wildcard_never_spans_a_dot(sandbox):
    box = sandbox(policy=network({"host": "*.github.com", "port": 443}))
    answer, out = say(box, connect="a.api.github.com:443")
    assert answer["connect_status"] == 403 and len(denied(out)) == 1, (answer, out)
    answer, out = say(box, connect="api.github.com:443", wait=0)
    assert answer["connect_status"] == 200, (answer, out)


def test_trailing_dot_and_case_are_one_name(github):
    answer, _ = say(github, request(), connect="API.GitHub.com.:443", tls=True, sni="api.github.com")
    assert [a["status"] for a in answer["answers"]] in ([200], []), answer


# DNS

def test_a16_a17_answers_that_point_inside(sandbox):
    names = ["mixed.example.test", "private.example.test", "meta.example.test", "loop.example.test",
             "nat64.example.test"]
    box = sandbox(policy=network(*[{"host": n.replace("private.", "private*."), "port": 80} for n in names],
                                 {"host": "files.example.test", "port": 80}))
    before = len(canary_lines())
    for name in names:
        answer, out = say(box, connect=f"{name}:80")
        assert answer["connect_status"] == 403, (name, answer)
        body = json.loads(answer["connect_body"])
        assert body["error"] == "ssrf_denied", body
        for inside in ("10.0.5.9", "127.0.0.1", "169.254"):
            assert inside not in answer["connect_body"], body
        assert len(denied(out, stage="ssrf")) == 1, (name, out)
    assert len(canary_lines()) == before
    answer, _ = say(box, connect="files.example.test:80", wait=0)
    assert answer["connect_status"] == 200


def test_a16_rebinding_dials_only_what_was_checked(sandbox):
    box = sandbox(policy=network({"host": "rebind.example.test", "port": 80}))
    before = len(canary_lines())
    for _ in range(4):
        answer, out = say(box, connect="rebind.example.test:80", wait=0)
        assert answer["connect_status"] in (403, 502, 200), answer
    # The public address answers under that name; the loopback one was never dialled.
    assert all("rebind.example.test" in line for line in canary_lines()[before:])


def test_a19_hosts_file_in_the_sandbox_has_no_effect(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    edit = ("(echo 10.0.5.9 api.github.com >> /etc/hosts; echo nameserver 20.0.0.20 > /etc/resolv.conf;"
            " echo hosts: dns > /etc/nsswitch.conf) 2>&1;")
    out = box.run("sh", "-c", edit + " curl -sSf https://api.github.com/zen")
    assert out.code == 0 and "logically" in out.stdout, out
    assert out.stdout.count("Read-only file system") == 3, out
    # Nor for a program that ignores the proxy, whatever address it believes in and whomever it asks.
    out = box.run("curl", "-sSf", "--noproxy", "*", "--connect-to", "api.github.com:443:10.0.5.9:443",
                  "https://api.github.com/zen")
    assert out.code == 0 and "logically" in out.stdout, out
    assert out.event("L7_REQUEST", action="allow", host="api.github.com", detail="direct, to 10.0.5.9"), out


def test_a13_undeclared_names_are_not_asked_for(github):
    dns = (TESTNET / "dns.log").read_text()
    out = github.run("sh", "-c", "getent hosts secret.evil.example.test; curl -sS https://secret2.evil.example.test/;"
                     " curl -sS --noproxy '*' https://secret3.evil.example.test/; true")
    assert out.code == 0
    added = (TESTNET / "dns.log").read_text()[len(dns):]
    assert "secret" not in added, added
    refused = {e["host"] for e in out.event("DNS_REFUSED", action="deny", stage="dns")}
    assert {"secret.evil.example.test", "secret3.evil.example.test"} <= refused, out


# HTTP/1

BAD_HEADS = {
    "a22-te-xchunked": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "a22-te-vt": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "a22-te-twice": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a22-obs-fold": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nX-A: b\r\n c\r\n\r\n",
    "a22-space-colon": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nContent-Length : 5\r\n\r\n",
    "x37-cl-te": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "x38-cl-cl": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    "cl-plus": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nContent-Length: +5\r\n\r\nhello",
    "x42-bare-lf": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nX: v\nEvil: h\r\n\r\n",
    "a25-host-twice": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nHost: files.example.test\r\n\r\n",
    "a25-host-empty": "GET /bytes/1 HTTP/1.1\r\nHost:\r\n\r\n",
    "a25-host-joined": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test, evil.example.test\r\n\r\n",
    "no-host": "GET /bytes/1 HTTP/1.1\r\nX: y\r\n\r\n",
    "bare-cr": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nX: a\rb\r\n\r\n",
    "nul": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nX: a\0b\r\n\r\n",
    "two-spaces": "GET  /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\n\r\n",
    "http09": "GET /bytes/1\r\n\r\n",
    "http2-word": "GET /bytes/1 HTTP/2.0\r\nHost: files.example.test\r\n\r\n",
    "h2c": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "a07-fragment": "GET /bytes/1#x HTTP/1.1\r\nHost: files.example.test\r\n\r\n",
    "many-fields": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\n" + "".join(f"X-{i}: y\r\n" for i in range(200)) + "\r\n",
    "huge-head": "GET /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\nX: " + "y" * 40000 + "\r\n\r\n",
    "a28-trace": "TRACE /bytes/1 HTTP/1.1\r\nHost: files.example.test\r\n\r\n",
    "connect-inside": "CONNECT evil.example.test:443 HTTP/1.1\r\nHost: files.example.test\r\n\r\n",
    "host-mismatch": "GET /bytes/1 HTTP/1.1\r\nHost: evil.example.test\r\n\r\n",
    "absolute-other": "GET https://evil.example.test/bytes/1 HTTP/1.1\r\nHost: files.example.test\r\n\r\n",
    "chunk-overflow": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
    "chunk-sign": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk-ext-flood": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: chunked\r\n\r\n5;" + "e" * 1048576 + "\r\nhello\r\n0\r\n\r\n",
    "chunk-bad-end": "POST /echo HTTP/1.1\r\nHost: files.example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_requests_that_are_not_strict_http_are_refused(files, name):
    before = [r["target"] for r in upstream_requests("files.example.test") if r["malformed"] is None]
    answer, out = say(files, BAD_HEADS[name].encode("latin-1"), connect="files.example.test:443", tls=True)
    statuses = [a["status"] for a in answer["answers"]]
    if statuses:  # a flood may be cut before the answer can be read
        assert statuses[0] in (400, 405, 413, 414, 421, 431, 501, 505), answer
        assert json.loads(answer["answers"][0]["body"])["error"], answer
    else:
        assert answer["error"], answer
    assert len(denied(out)) == 1, out
    after = [r["target"] for r in upstream_requests("files.example.test") if r["malformed"] is None]
    assert after == before
    # The same connection with an honest request works.
    answer, out = say(files, request(target="/bytes/1", host="files.example.test"),
                      connect="files.example.test:443", tls=True)
    assert [a["status"] for a in answer["answers"]] == [200], (answer, out)


CANONICAL = {
    "/repos/../admin": "/admin", "/repos/%2e%2e/admin": "/admin", "/repos/./x": "/repos/x",
    "//repos//x": "/repos/x", "/repos;v=1/x": "/repos/x", "/repos/..;/admin": "/admin",
    "/users/%40alice": "/users/@alice",
}


@pytest.mark.parametrize("sent", CANONICAL)
def test_a26_policy_sees_the_path_that_is_sent_on(sandbox, sent):
    want = CANONICAL[sent]
    everywhere = network(rest("files.example.test", access="full"))
    answer, out = say(sandbox(policy=everywhere), request(target=sent, host="files.example.test"),
                      connect="files.example.test:443", tls=True)
    assert upstream_requests("files.example.test")[-1]["target"] == want, answer
    assert out.event("L7_REQUEST", action="allow", path=want), out
    repos = network({"host": "files.example.test", "port": 443, "protocol": "rest",
                     "rules": [{"allow": {"method": "GET", "path": "/repos/**"}}]})
    answer, out = say(sandbox(policy=repos), request(target=sent, host="files.example.test"),
                      connect="files.example.test:443", tls=True)
    status = answer["answers"][0]["status"]
    assert (status == 403) == (not want.startswith("/repos/")), (sent, answer)


@pytest.mark.parametrize("target", ["/a%2fb", "/a%00b", "/%zz", "/..", "/a\\b\x7f"])
def test_a26_paths_with_two_meanings_are_refused(files, target):
    answer, out = say(files, request(target=target, host="files.example.test").encode("latin-1"),
                      connect="files.example.test:443", tls=True)
    assert answer["answers"][0]["status"] == 400, answer
    assert len(denied(out)) == 1, out


def test_a26_an_encoded_slash_passes_where_an_endpoint_says_so(sandbox):
    box = sandbox(policy=network(
        {"host": "files.example.test", "port": 443, "protocol": "rest", "path": "/api/**",
         "access": "full", "allow_encoded_slash": True, "deny_rules": [{"path": "/api/a%2Fsecret"}]},
        {"host": "files.example.test", "port": 443, "protocol": "rest", "access": "full"}))
    for target, status in [("/api/a%2fb", 404), ("/api/a%2fsecret", 403), ("/other/a%2fb", 400),
                           ("/api/%2e%2e%2fx", 400)]:
        answer, out = say(box, request(target=target, host="files.example.test"),
                          connect="files.example.test:443", tls=True)
        # 404 is the server's own: it was asked.
        assert answer["answers"][0]["status"] == status, (target, answer, out)
        assert upstream_requests("files.example.test")[-1]["target"] == "/api/a%2Fb"


def test_deny_rules_outweigh_what_allows(sandbox):
    box = sandbox(policy=network(
        {"host": "files.example.test", "port": 443, "protocol": "rest", "access": "full",
         "deny_rules": [{"method": "GET", "path": "/admin/**"}, {"query": {"force": "*"}}]}))
    # 404 is the server's own: it was asked.
    for target, status in [("/a", 404), ("/admin/a", 403), ("/a?force=1", 403), ("/a?forced=1", 404)]:
        answer, out = say(box, request(target=target, host="files.example.test"),
                          connect="files.example.test:443", tls=True)
        assert answer["answers"][0]["status"] == status, (target, answer, out)
        if status == 403:
            assert "blocked by deny rule" in denied(out)[-1]["reason"], out


def test_a29_pipelined_second_request_is_judged(github):
    answer, out = say(github, request() + request("POST", "/repos/octocat/hello-world/issues",
                                                  extra="Content-Length: 2\r\n", body="{}"),
                      connect="api.github.com:443", tls=True, wait=2)
    assert [a["status"] for a in answer["answers"]] == [200, 403], (answer, out)
    assert len(denied(out, method="POST")) == 1, out


def test_x64_request_behind_a_chunked_body_is_judged(sandbox):
    box = sandbox(policy=network({"host": "files.example.test", "port": 443, "protocol": "rest",
                                  "rules": [{"allow": {"method": "POST", "path": "/echo"}}]}))
    sent = request("POST", "/echo", "files.example.test", "Transfer-Encoding: chunked\r\n",
                   "0\r\n\r\nDELETE /b HTTP/1.1\r\nHost: files.example.test\r\n\r\n")
    answer, out = say(box, sent, connect="files.example.test:443", tls=True, wait=2)
    assert [a["status"] for a in answer["answers"]] == [200, 403], (answer, out)
    assert not [r for r in upstream_requests("files.example.test") if r["method"] == "DELETE"]


def test_x65_bytes_that_are_not_http_are_never_passed_raw(github):
    answer, out = say(github, "\x00\x00\x00\x08garbage", connect="api.github.com:443")
    assert not answer["answers"] or answer["answers"][0]["status"] >= 400, answer
    assert len(denied(out)) == 1, out


def test_a32_expect_and_range_do_not_dodge_a_rule(sandbox):
    box = sandbox(policy=network(rest("files.example.test", access="read-only")))
    answer, out = say(box, request("PUT", "/echo", "files.example.test",
                                   "Expect: 100-continue\r\nContent-Length: 5\r\n", ""),
                      connect="files.example.test:443", tls=True)
    assert answer["answers"][0]["status"] == 403, answer
    answer, out = say(box, request("GET", "/bytes/10", "files.example.test", "Range: bytes=0-3\r\n"),
                      connect="files.example.test:443", tls=True)
    assert answer["answers"][0]["status"] in (200, 206), answer


def test_hop_by_hop_fields_do_not_pass(files):
    say(files, request("GET", "/bytes/1", "files.example.test",
                       "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nProxy-Authorization: Basic eA==\r\n"
                       "TE: trailers\r\n"), connect="files.example.test:443", tls=True)
    names = {n.lower() for n, _ in upstream_requests("files.example.test")[-1]["headers"]}
    assert not names & {"x-secret", "proxy-authorization", "te"}, names


CHAOS = {"/die-mid-body": None, "/garbage": 502, "/cl-te": 502, "/two-cl": 502, "/bad-chunk": None,
         "/early-close": 502, "/obs-fold": 502, "/nul-header": 502, "/upgrade": 502}


@pytest.mark.parametrize("path", CHAOS)
def test_answers_that_are_not_strict_http_do_not_reach_the_agent(sandbox, path):
    box = sandbox(policy=network(rest("chaos.example.test", access="full")))
    answer, out = say(box, request("GET", path, "chaos.example.test"), connect="chaos.example.test:443", tls=True)
    if CHAOS[path] is None:  # broken off where it cannot be answered any more, else 502
        assert answer["error"] or answer["answers"][0]["status"] == 502, answer
    else:
        assert answer["answers"][0]["status"] == CHAOS[path], answer
        assert json.loads(answer["answers"][0]["body"])["error"], answer
    assert out.event("UPSTREAM_FAILED"), out


def test_answers_that_are_unusual_but_right_do(sandbox):
    box = sandbox(policy=network(rest("chaos.example.test", access="full")))
    for path in ("/100-continue", "/unframed"):
        answer, out = say(box, request("GET", path, "chaos.example.test", "Connection: close\r\n"),
                          connect="chaos.example.test:443", tls=True, wait=2)
        assert answer["answers"][-1]["status"] == 200, (path, answer)


# TLS

def test_a41_sni_must_be_the_connect_host(sandbox):
    box = sandbox(policy=network(rest("api.github.com"), rest("files.example.test")))
    before = len(upstream_requests("files.example.test")) + len(upstream_requests("api.github.com"))
    answer, out = say(box, request(), connect="api.github.com:443", tls=True, sni="files.example.test")
    assert not answer["answers"] and answer["error"], answer
    assert len(denied(out)) == 1, out
    assert len(upstream_requests("files.example.test")) + len(upstream_requests("api.github.com")) == before


@pytest.mark.parametrize("name", ["expired", "wronghost", "selfsigned", "untrusted-root", "sha1"])
def test_a43_bad_upstream_certificate_is_never_signed_as_good(sandbox, name):
    host = f"{name}.example.test"
    box = sandbox(policy=network(rest(host), rest("files.example.test")))
    out = box.run("curl", "-sS", f"https://{host}/")
    assert out.code != 0 and out.stdout == "", out
    refused = out.event("TLS_REFUSED", host=host)
    assert len(refused) == 1 and refused[0]["reason"], out
    assert not upstream_requests(host)
    assert box.run("curl", "-sSf", "https://files.example.test/bytes/3").code == 0


def test_a44_no_private_key_is_to_be_found_inside(github):
    out = github.run("sh", "-c", "curl -sSf https://api.github.com/zen >/dev/null;"
                     " grep -rslE 'BEGIN [A-Z ]*PRIVATE KEY' /etc /run /tmp /sandbox /dev/shm 2>/dev/null;"
                     " ls /etc/openshell-tls; grep -c 'BEGIN CERT' /etc/openshell-tls/openshell-ca.pem")
    assert "PRIVATE" not in out.stdout, out
    assert out.stdout.split()[:2] == ["ca-bundle.pem", "openshell-ca.pem"], out
    assert out.stdout.split()[-1] == "1", out


def test_client_sees_our_authority_and_only_for_that_name(github):
    answer, _ = say(github, request(), connect="api.github.com:443", tls=True)
    assert "OpenShell Sandbox CA" in answer["issuer"], answer


# SSRF

@pytest.mark.parametrize("where", [
    "169.254.169.254", "[fd00:ec2::254]", "10.0.5.9", "127.0.0.1", "100.100.100.200", "168.63.129.16",
    "2852039166", "0xA9FEA9FE", "0xa9.254.0251.254", "0251.0376.0251.0376", "169.254.43518", "169.254.169.254.",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::]", "[fd00:ec2:0:0::254]", "metadata.google.internal", "metadata", "instance-data"])
def test_a46_metadata_and_inside_by_address(sandbox, where):
    """By every spelling."""
    box = sandbox(policy=network({"host": "files.example.test", "port": 80}))
    before = len(canary_lines())
    for target in (f"CONNECT {where}:80", f"GET http://{where}/latest/meta-data/"):
        answer, out = say(box, f"{target} HTTP/1.1\r\nHost: {where}\r\n\r\n")
        assert answer["answers"][0]["status"] in (400, 403), answer
        assert len(denied(out)) == 1, out
    out = box.run("curl", "-sS", "-m", "5", "--noproxy", "*", f"http://{where}/latest/meta-data/")
    assert out.code != 0 or '"policy_denied"' in out.stdout, out  # past the proxy
    assert len(canary_lines()) == before


def test_a46_declared_metadata_address_is_refused_all_the_same(sandbox):
    box = sandbox(policy=network({"host": "meta.example.test", "port": 80, "allowed_ips": ["20.0.0.0/8"]}))
    before = len(canary_lines())
    answer, out = say(box, connect="meta.example.test:80")
    assert answer["connect_status"] == 403 and len(denied(out, stage="ssrf")) == 1, (answer, out)
    assert len(canary_lines()) == before


def test_a47_redirect_inside_is_a_new_request_and_denied(sandbox):
    box = sandbox(policy=network(rest("redirect.example.test"), rest("redirect.example.test", port=80)))
    before = len(canary_lines())
    for way in ("private", "metadata", "evil"):
        out = box.run("curl", "-sSL", "--max-redirs", "3", f"https://redirect.example.test/{way}")
        assert out.event("L7_REQUEST", action="allow", host="redirect.example.test"), out
        assert len(denied(out)) == 1, out
    assert len(canary_lines()) == before


def test_declared_private_address_works_with_allowed_ips(sandbox):
    """The other side of the address check; a name that a person wrote exactly needs no list (spec 8.9)."""
    before = len(canary_lines())
    box = sandbox(policy=network({"host": "private.example.test", "port": 80}))
    box.run("curl", "-sS", "http://private.example.test/")
    assert len(canary_lines()) > before
    box = sandbox(policy=network({"host": "private.example.test", "port": 80, "advisor_proposed": True}))
    before = len(canary_lines())
    answer, out = say(box, connect="private.example.test:80")
    assert answer["connect_status"] == 403 and len(canary_lines()) == before, (answer, out)
    box = sandbox(policy=network({"host": "private.example.test", "port": 80, "allowed_ips": ["10.0.5.0/24"]}))
    box.run("curl", "-sS", "http://private.example.test/")
    assert len(canary_lines()) > before
    box = sandbox(policy=network({"host": "private.example.test", "port": 80, "allowed_ips": ["10.1.0.0/16"]}))
    before = len(canary_lines())
    answer, out = say(box, connect="private.example.test:80")
    assert answer["connect_status"] == 403 and len(canary_lines()) == before, (answer, out)


# Programs that ignore the proxy

def test_a_connection_that_ignores_the_proxy_is_judged_by_the_name_it_says(github):
    """Whatever address it is for, the name's own is dialled."""
    out = github.run("curl", "-sS", "--noproxy", "*", "--resolve", "api.github.com:443:20.0.0.20",
                     "https://api.github.com/zen")
    assert out.code == 0 and "logically" in out.stdout, out
    assert out.event("L7_REQUEST", action="allow", host="api.github.com", detail="direct, to 20.0.0.20"), out
    before = len(canary_lines())
    out = github.run("curl", "-sS", "--noproxy", "*", "--resolve", "evil.example.test:443:20.0.0.20",
                     "https://evil.example.test/")
    assert out.code != 0, out
    seen = out.event("CONNECT", action="deny", host="evil.example.test", port=443)
    assert len(seen) == 1 and seen[0]["binary"].endswith("curl"), out
    assert len(canary_lines()) == before


def test_a20_udp_and_icmp_are_refused_at_once(github):
    script = ("import socket,time\nt=time.time()\n"
              "for port in (137,123,443,3478,5353,5355):\n"
              "  s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n  s.settimeout(5)\n"
              "  try:\n    s.connect(('20.0.0.20',port)); s.send(b'x'); s.recv(10); print('ANSWERED')\n"
              "  except ConnectionRefusedError: print('refused')\n"
              "  except OSError as e: print('refused', e)\n"
              "for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):\n"
              "  try:\n    socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP); print('ICMP')\n"
              "  except OSError: print('refused')\n"
              "print('quick' if time.time()-t < 4 else 'slow')")
    out = github.run("/usr/bin/python3", "-c", script)
    assert out.stdout.split().count("refused") == 8 and "quick" in out.stdout, out
    (icmp,) = [r for r in out.records if r["kind"] == "BYPASS_DETECT" and r.get("detail") == "icmp"]
    assert icmp["action"] == "deny" and icmp["binary"].startswith("/usr/bin/python3") and icmp["pid"] > 1, icmp
    assert sorted(e["port"] for e in out.event("BYPASS_DETECT", action="deny", host="20.0.0.20")) == \
        [123, 137, 443, 3478, 5353, 5355], out


def test_audit_forwards_and_records(sandbox):
    box = sandbox(policy=network(rest("files.example.test", access="read-only", enforcement="audit")))
    answer, out = say(box, request("POST", "/echo", "files.example.test", "Content-Length: 2\r\n", "hi"),
                      connect="files.example.test:443", tls=True)
    assert answer["answers"][0]["status"] == 200, answer
    assert len(out.event("L7_REQUEST", action="audit", method="POST")) == 1, out


def test_a80_control_bytes_cannot_forge_a_record(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    answer, out = say(box, "GET http://api.github.com/\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer["answers"][0]["status"] == 400, answer
    assert "\x1b" not in box.events.read_text() and "\x1b" not in out.stderr
