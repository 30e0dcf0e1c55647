"""Middlewares: who looks at what policy allows, before it goes."""
import gzip
import hashlib
import json
import os
import subprocess
import threading
import time

import grpc
import pytest

from harness import OPENSHELL, STAGE, network, rest, until, upstream_requests
from mwservice import Service, allow, deny, mw, service
from test_operations import CLIENT, endpoint, inside

HOST = "files.example.test"
URL = f"https://{HOST}/echo"
SECRET = "sk-proj-Abc_123-xyz789"
OUT = "[REDACTED]"


def redact(*include, order=0, **more):
    return {"middleware": "openshell/regex", "config": {"mode": "redact"}, "order": order,
            "endpoints": {"include": list(include) or ["**"]}, **more}


def policy(*endpoints, **middlewares):
    return network(*(endpoints or (rest(HOST, access="full"),))) | {"network_middlewares": middlewares}


def sha(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def arrived(since, host=HOST):
    """The bodies that reached it, as digests."""
    return [r["body_sha256"] for r in upstream_requests(host)[since:]]


def seen(host=HOST):
    return len(upstream_requests(host))


def leaks(out):
    return [e for e in out.records if SECRET in json.dumps(e)] or SECRET in out.stderr


# ---- openshell/regex, in a run without a gateway ---------------------------------------------------


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("options, sent, want", [
    ([], f"a {SECRET} b", f"a {OUT} b"),
    (["-H", "Transfer-Encoding: chunked"], f"{SECRET}\n{SECRET}", f"{OUT}\n{OUT}"),
    (["-H", "Expect: 100-continue", "-H", "Content-Type: application/json"],
     '{"k":"\\u0073k-proj-Abc_123-xyz789","n":[1]}', '{"k":"[REDACTED]","n":[1]}'),
    (["-H", "Content-MD5: x", "-H", "Digest: y"], f"k={SECRET}&b=1", f"k={OUT}&b=1"),
    ([], "task-abcdefgh, nothing else", "task-abcdefgh, nothing else"),
    ([], "", ""),
], ids=["plain", "chunked", "json", "form", "no-token", "empty"])
def test_tokens_are_taken_out_of_bodies(sandbox, version, options, sent, want):
    box = sandbox(policy(keys=redact()))
    n = seen()
    out = box.run("curl", "-sS", "-w", "\n%{http_code}", version, *options, "--data-binary", "@-", URL, input=sent.encode())
    assert out.stdout.endswith("\n200"), out
    assert arrived(n) == [sha(want)], out
    request, = upstream_requests(HOST)[n:]
    names = [k.lower() for k, _ in request["headers"]]
    assert "content-md5" not in names and "digest" not in names or want == sent
    found = out.event("MIDDLEWARE", stage="middleware")
    assert bool(found) == (want != sent) and not leaks(out), out
    if found:
        times = 2 if "\n" in sent else 1
        assert found[0]["action"] == "audit" and found[0]["host"] == HOST and found[0]["path"] == "/echo"
        assert found[0]["reason"].startswith(f"openshell/regex (keys): taken out: token sk-..., {times} time"), found


def test_only_hosts_that_are_named_are_looked_at(sandbox):
    box = sandbox(policy(rest(HOST, access="full"), rest("api.github.com", access="full"),
                         keys=redact() | {"endpoints": {"include": ["**"], "exclude": [HOST]}}))
    a, b = seen(), seen("api.github.com")
    out = box.run("curl", "-sS", "-d", SECRET, URL, "-d", SECRET, "https://api.github.com/repos/o/r/issues")
    assert arrived(a) == [sha(f"{SECRET}&{SECRET}")] and arrived(b, "api.github.com") == [sha(f"{OUT}&{OUT}")], out
    assert len(out.event("MIDDLEWARE")) == 1, out


@pytest.mark.parametrize("on_error, code", [("fail_closed", "403"), ("fail_open", "200")])
@pytest.mark.parametrize("options, body, why", [
    (["-H", "Content-Encoding: gzip"], gzip.compress(SECRET.encode()), "the body is compressed"),
    (["-H", "Content-Type: application/grpc-x"], b"\0\0\0\0\x16" + SECRET.encode(), "a body that is no text"),
    ([], b"x" * (4 << 20) + SECRET.encode(), "longer than 4 MiB"),
    (["-H", "Transfer-Encoding: chunked"], b"y" * (5 << 20) + SECRET.encode(), "longer than 4 MiB"),
], ids=["compressed", "binary", "long", "chunked"])
def test_what_cannot_be_looked_at_is_denied_or_passes_as_it_was(sandbox, on_error, code, options, body, why):
    box = sandbox(policy(keys=redact(on_error=on_error)))
    n = seen()
    out = box.run("curl", "-sS", "-w", "\n%{http_code}", *options, "--data-binary", "@-", URL, input=body)
    text, status = out.stdout.rsplit("\n", 1)
    record, = out.event("MIDDLEWARE", stage="middleware_failed")
    assert why in record["reason"] and not leaks(out), record
    assert status == code, out
    if code == "200":
        assert arrived(n) == [sha(body)] and record["action"] == "audit", out
    else:
        answer = json.loads(text)
        assert arrived(n) == [] and record["action"] == "deny", out
        assert answer["error"] == "middleware_failed" and answer["middleware"] == "keys" and answer["policy"] == "test"
        assert answer["event_id"] == record["event_id"] and why in answer["detail"], answer


def test_what_only_a_middleware_may_say_does_not_ride_on_a_body_that_nobody_sees(sandbox, at):
    with service(at[0], lambda q, context: allow()):
        box = sandbox(policy(guard=guard(on_error="fail_open")), options=at[1])
        for body in (b"x", b"x" * (5 << 20)):
            n = seen()
            out = box.run("curl", "-sS", "-o", "/dev/null", "-H", "X-OpenShell-Middleware-Verdict: clean", "-H", "X-Own: 1",
                          "--data-binary", "@-", URL, input=body)
            request, = upstream_requests(HOST)[n:]
            fields = {k.lower(): v for k, v in request["headers"]}
            assert fields["x-own"] == "1" and not [k for k in fields if k.startswith("x-openshell")], (len(body), fields, out)


def test_a_body_that_just_fits_is_looked_at(sandbox):
    body = b"z" * ((4 << 20) - len(SECRET) - 1) + b" " + SECRET.encode()
    box = sandbox(policy(keys=redact()))
    n = seen()
    out = box.run("curl", "-sS", "-o", "/dev/null", "--data-binary", "@-", URL, input=body)
    assert out.code == 0 and arrived(n) == [sha(body.replace(SECRET.encode(), OUT.encode()))], out


def test_audit_endpoints_are_looked_at_all_the_same(sandbox):
    box = sandbox(policy(rest(HOST, access="read-only", enforcement="audit"), keys=redact()))
    n = seen()
    out = box.run("curl", "-sS", "-d", SECRET, URL)
    assert arrived(n) == [sha(OUT)], out
    assert out.event("L7_REQUEST", action="audit") and out.event("MIDDLEWARE"), out


def test_what_policy_denies_is_not_looked_at(sandbox):
    box = sandbox(policy(rest(HOST, access="read-only"), keys=redact()))
    out = box.run("curl", "-sS", "-d", SECRET, URL)
    assert json.loads(out.stdout)["error"] == "policy_denied" and not out.event("MIDDLEWARE"), out


def test_names_of_credentials_pass_and_are_filled_in(sandbox):
    rule = rest("api.github.com", access="full", request_body_credential_rewrite=True)
    box = sandbox(policy(rule, keys=redact()), options=["--provider", "github"])
    n = seen("api.github.com")
    body = json.dumps({"a": "sk-OPENSHELL-RESOLVE-ENV-GITHUB_TOKEN", "b": SECRET})
    out = box.run("curl", "-sS", "-H", "Content-Type: application/json", "-d", body, "https://api.github.com/repos/o/r/issues",
                  env={"GITHUB_TOKEN": "ghp_testnet0123456789abcdefghijklmnop"})
    want = json.dumps({"a": "ghp_testnet0123456789abcdefghijklmnop", "b": OUT})
    assert arrived(n, "api.github.com") == [sha(want)], out


def test_a_held_operation_is_judged_again_as_it_goes(sandbox):
    """Attack: the replacement is another tool than the one that was allowed."""
    def calls(*tools):
        box = sandbox(policy(endpoint("tools.example.test", "mcp", rules=[
            {"allow": {"method": "tools/call", "tool": {"any": list(tools)}}}], mcp={"strict_tool_names": False}), keys=redact()))
        return inside(box, f'out["code"] = call("https://tools.example.test/mcp", tool("{SECRET}"))')
    n = seen("tools.example.test")
    out, done = calls(SECRET)
    assert out["code"][0] == 200 and "denied by the sandbox's policy" in out["code"][1], (out, done)
    assert seen("tools.example.test") == n
    out, done = calls(SECRET, "\\[REDACTED\\]")
    assert "denied" not in out["code"][1] and seen("tools.example.test") == n + 1, (out, done)


def test_text_messages_of_websockets_are_looked_at(sandbox):
    socket = endpoint("socket.example.test", "websocket", access="read-write")
    box = sandbox(policy(socket, keys=redact()))
    open_ = sandbox(policy(socket, keys=redact(on_error="fail_open")))
    unread = sandbox(policy(rest("socket.example.test", access="full"), keys=redact()))
    script = f'''
out["text"] = asyncio.run(ws("wss://socket.example.test/deflate", "a {SECRET}", "b", "c {SECRET} {SECRET}"))
out["bytes"] = [v if isinstance(v, list) else v.hex() for v in asyncio.run(ws("wss://socket.example.test/echo", b"\\0\\1"))]
'''
    for b in (box, open_, unread):
        out, done = inside(b, script)
        assert out["text"] == [["open", False, None], f"a {OUT}", "b", f"c {OUT} {OUT}"], (out, done)
        found = done.event("MIDDLEWARE", stage="middleware", method="WEBSOCKET_TEXT")
        assert len(found) == 2 and not leaks(done), done
        if b is open_:
            assert out["bytes"][1] == "0001", out
        else:
            assert out["bytes"][1] == [1008, "a binary message cannot be inspected"], out


def test_findings_are_those_of_ocsf(sandbox):
    box = sandbox(policy(keys=redact()))
    box.run("curl", "-sS", "-d", SECRET, URL)
    text = subprocess.run([OPENSHELL, "logs", "--file", str(box.events), "--format", "ocsf"], capture_output=True, check=True).stdout
    found = [e for e in map(json.loads, text.splitlines()) if e.get("finding_info", {}).get("uid") == "MIDDLEWARE"]
    assert [e["class_uid"] for e in found] == [2004], found
    assert SECRET not in text.decode()


# ---- services, over gRPC ----------------------------------------------------------------------------


def guard(order=0, **more):
    return {"middleware": "acme/guard", "order": order, "endpoints": {"include": [HOST]}, **more}


@pytest.fixture
def at(tmp_path):
    """Where a service listens, and how it is registered."""
    path = tmp_path / "guard.sock"
    return f"unix:{path}", ["--middleware", f"acme/guard=unix:{path},timeout=3000"]


def denial(out, error="middleware_denied"):
    answer = json.loads(out.stdout)
    assert answer["error"] == error and answer["policy"] == "test" and answer["middleware"] == "guard", out
    return answer


def test_a_service_sees_the_request_and_says_what_goes(sandbox, at):
    def evaluate(q, context):
        return allow(replacement=mw.Replacement(body=q.body.upper()),
                     headers=[mw.Header(name="x-openshell-middleware-seen", value=b"by guard")],
                     findings=[mw.Finding(type="pii.name", count=2)])
    with service(at[0], evaluate) as s:
        box = sandbox(policy(guard=guard(config={"level": 3, "words": ["a", True]})), options=at[1])
        n = seen()
        out = box.run("curl", "-sS", "-H", "X-OpenShell-Middleware-Seen: forged", "-H", "X-Mine: 1", "-H", "Transfer-Encoding: chunked",
                      "-d", "hello", URL + "?q=1")
        assert out.code == 0 and arrived(n) == [sha("HELLO")], out
        request, = upstream_requests(HOST)[n:]
        fields = {k.lower(): v for k, v in request["headers"]}
        assert fields["x-openshell-middleware-seen"] == "by guard" and fields["content-length"] == "5", fields
        assert "transfer-encoding" not in fields
        q, = s.requests
        assert (q.target.scheme, q.target.host, q.target.port, q.target.method, q.target.path, q.target.query) == \
            ("https", HOST, 443, "POST", "/echo", "q=1")
        assert q.body == b"hello" and q.phase == mw.PHASE_PRE_CREDENTIALS and q.context.key == "guard" and q.context.policy == "test"
        assert q.context.binary.endswith("curl") and dict(q.context.config) == {"level": 3.0, "words": q.context.config["words"]}
        names = [h.name.lower() for h in q.headers]
        assert "x-mine" in names and "x-openshell-middleware-seen" not in names, names
        assert s.configs[0].config["level"] == 3 and s.configs[0].middleware == s.described[0].middleware == "acme/guard"
        record, = out.event("MIDDLEWARE")
        assert record["reason"] == "acme/guard (guard): replaced: pii.name, 2 times", record


def test_a_service_denies_with_a_code_and_no_word_more(sandbox, at):
    for code, shown in (("pii.found", "pii.found"), ("no\nsuch: code", None), (SECRET.upper(), None), ("", None)):
        with service(at[0], lambda q, context: deny(reason_code=code, reason=SECRET)) as s:
            box = sandbox(policy(guard=guard(on_error="fail_open")), options=at[1])
            n = seen()
            out = box.run("curl", "-sS", URL)
            answer = denial(out)
            assert answer["detail"] == "Request rejected by configured middleware" and answer.get("reason_code") == shown
            assert seen() == n and len(s.requests) == 1 and s.requests[0].body == b""
            record, = out.event("MIDDLEWARE", action="deny", stage="middleware_denied")
            assert record["event_id"] == answer["event_id"] and not leaks(out) and "such" not in record["reason"], out


BAD = {
    "no decision": mw.Evaluation(),
    "a field that ends the head": allow(headers=[mw.Header(name="x-openshell-middleware-a", value=b"a\r\nX-Evil: 1")]),
    "a name that ends the head": allow(headers=[mw.Header(name="x-openshell-middleware-a\r\nx", value=b"a")]),
    "a field of the request": allow(headers=[mw.Header(name="authorization", value=b"a")]),
    "capitals": allow(headers=[mw.Header(name="X-OpenShell-Middleware-A", value=b"a")]),
    "a field twice": allow(headers=[mw.Header(name="x-openshell-middleware-a", value=b"a")] * 2),
    "many fields": allow(headers=[mw.Header(name=f"x-openshell-middleware-{i}", value=b"a") for i in range(17)]),
    "many findings": allow(findings=[mw.Finding(type="a", count=1)] * 33),
    "a finding that shows": allow(findings=[mw.Finding(type=SECRET.upper(), count=1)]),
    "a long body": allow(replacement=mw.Replacement(body=b"x" * ((4 << 20) + 1))),
}


@pytest.mark.parametrize("what", BAD)
def test_an_answer_that_breaks_the_contract_is_a_failure(sandbox, at, what):
    with service(at[0], lambda q, context: BAD[what]):
        n = seen()
        out = sandbox(policy(guard=guard()), options=at[1]).run("curl", "-sS", "-d", "x", URL)
        denial(out, "middleware_failed")
        assert seen() == n and out.event("MIDDLEWARE", action="deny", stage="middleware_failed") and not leaks(out), out
        out = sandbox(policy(guard=guard(on_error="fail_open")), options=at[1]).run("curl", "-sS", "-d", "x", URL)
        assert arrived(n) == [sha("x")] and out.event("MIDDLEWARE", action="audit", stage="middleware_failed"), out
        request, = upstream_requests(HOST)[n:]
        assert not [k for k, _ in request["headers"] if "evil" in k.lower() or "openshell" in k.lower()]


def test_a_body_that_just_fits_goes_to_a_service_and_back(sandbox, at):
    body = bytes(range(256)) * 16384
    with service(at[0], lambda q, context: allow(replacement=mw.Replacement(body=q.body[::-1]))):
        n = seen()
        out = sandbox(policy(guard=guard()), options=at[1]).run("curl", "-sS", "-o", "/dev/null", "--data-binary", "@-", URL, input=body)
        assert arrived(n) == [sha(body[::-1])], out


def test_they_run_in_order_each_on_what_the_last_one_left(sandbox, at):
    with service(at[0], lambda q, context: allow(replacement=mw.Replacement(body=q.body + f" {q.context.key}".encode()))) as s:
        box = sandbox(policy(guard=guard(order=5), first=guard(order=-5), redact=redact(order=0),
                             last=guard(order=9)), options=at[1])
        n = seen()
        out = box.run("curl", "-sS", "-d", SECRET, URL)
        assert arrived(n) == [sha(f"{OUT} first guard last")], out
        assert [q.body.decode() for q in s.requests] == [SECRET, f"{OUT} first", f"{OUT} first guard"], s.requests


def test_a_service_that_stalls_dies_or_is_not_there(sandbox, tmp_path):
    path = tmp_path / "guard.sock"
    option = ["--middleware", f"acme/guard=unix:{path},timeout=300"]
    hold = threading.Event()
    box, loose = sandbox(policy(guard=guard()), options=option), sandbox(policy(guard=guard(on_error="fail_open")), options=option)

    def both(why):
        n = seen()
        out = box.run("curl", "-sS", "-d", "x", URL)
        assert why in denial(out, "middleware_failed")["detail"] and seen() == n, out
        out = loose.run("curl", "-sS", "-d", "x", URL)
        assert arrived(n) == [sha("x")] and why in out.event("MIDDLEWARE", action="audit")[0]["reason"], out
    both("it cannot be reached")
    with service(f"unix:{path}", lambda q, context: hold.wait(20)) as s:
        both("it did not answer in time")
        assert s.cancelled.wait(10)
        hold.set()
    with service(f"unix:{path}", lambda q, context: context.abort(grpc.StatusCode.INTERNAL, SECRET)):
        both("its answer is an error (INTERNAL)")
    with service(f"unix:{path}", allow, validate=lambda q: mw.ValidateConfigResponse(valid=False, reason=SECRET)) as s:
        both("it does not take its config")
        assert not s.requests
    with service(f"unix:{path}", allow, describe=lambda q: mw.DescribeResponse(name="x")):
        both("its Describe failed (no PRE_CREDENTIALS)")


def test_a_service_that_comes_back_is_used_again(sandbox, at):
    box = sandbox(policy(guard=guard()), options=at[1])
    script = f"for i in 1 2 3; do read x; curl -sS -o /dev/null -w '%{{http_code}}\\n' {URL}; done"
    process = box.start("sh", "-c", script)

    def next_():
        process.stdin.write(b"\n")
        process.stdin.flush()
        return process.stdout.readline().strip()
    with service(at[0], lambda q, context: allow()):
        assert next_() == b"200"
    assert next_() == b"403"
    time.sleep(0.3)  # the pause before it is tried again
    with service(at[0], lambda q, context: allow()):
        assert next_() == b"200"
    process.stdin.close()
    assert process.wait(20) == 0


def test_over_mutual_tls_and_in_the_clear_on_this_machine(sandbox, tmp_path):
    def cert(name, *more):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem", *more],
                       check=True, capture_output=True)
        return (tmp_path / f"{name}.key").read_bytes(), (tmp_path / f"{name}.pem").read_bytes()
    key, chain = cert("server", "-addext", "subjectAltName=IP:127.0.0.1")
    _, client = cert("client")
    cert("other")
    s = Service(lambda q, context: allow())
    credentials = grpc.ssl_server_credentials([(key, chain)], client, True)
    s.start("127.0.0.1:0", credentials=credentials)
    port, = s.ports
    base = f"acme/guard=https://127.0.0.1:{port},timeout=5000,ca={tmp_path}/server.pem"
    try:
        for more, code in ((f",cert={tmp_path}/client.pem,key={tmp_path}/client.key", "200"),
                           (f",cert={tmp_path}/other.pem,key={tmp_path}/other.key", "403"), ("", "403")):
            box = sandbox(policy(guard=guard()), options=["--middleware", base + more])
            out = box.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", URL)
            assert out.stdout == code, (more, out)
        base = base.replace("server.pem", "other.pem")
        out = sandbox(policy(guard=guard()), options=["--middleware", base]).run("curl", "-sS", URL)
        assert "it cannot be reached" in denial(out, "middleware_failed")["detail"], out
    finally:
        s.stop()
    s = Service(lambda q, context: allow()).start("127.0.0.1:0")
    try:
        box = sandbox(policy(guard=guard()), options=["--middleware", f"acme/guard=http://127.0.0.1:{s.ports[0]}"])
        assert box.run("curl", "-sSf", URL).code == 0
    finally:
        s.stop()


def test_more_than_32_and_64_are_refused(sandbox, at):
    hold = threading.Event()
    with service(at[0], lambda q, context: hold.wait(30) and allow()) as s:
        box = sandbox(policy(guard=guard(on_error="fail_open")), options=[at[1][0], at[1][1].replace("3000", "30000")])
        script = f"seq 120 | xargs -P 120 -I@ curl -sS -o /dev/null -w '%{{http_code}}\\n' -d @ {URL}"
        process = box.start("sh", "-c", script)
        until(lambda: len(s.requests) == 32)
        lines = [process.stdout.readline() for _ in range(120 - 96)]
        assert lines == [b"503\n"] * 24 and len(s.requests) == 32
        hold.set()
        rest_ = process.stdout.read().split()
        assert rest_ == [b"200"] * 96, rest_
        assert process.wait(20) == 0


def test_a_stream_that_is_reset_ends_its_evaluation(sandbox, at):
    hold = threading.Event()
    with service(at[0], lambda q, context: hold.wait(20) and allow()) as s:
        n = seen()
        box = sandbox(policy(guard=guard()), options=at[1])
        out = box.run("curl", "-sS", "--http2", "-m", "1", "-d", "x", URL)
        assert out.code == 28 and len(s.requests) == 1 and seen() == n, out
        assert s.cancelled.wait(10)
        hold.set()


def test_what_is_not_registered_is_refused(sandbox, at, tmp_path):
    out = sandbox(policy(guard=guard())).run("true")
    assert out.code == 125 and "no middleware 'acme/guard' is registered here (known: openshell/regex)" in out.stderr, out
    for bad, why in (("x", "the address is"), ("openshell/x=unix:/a", "NAME=ADDRESS"), ("a=http://10.0.0.1:1", "the address is"),
                     ("a=https://a.example:1", "https needs ca=FILE"), ("a=unix:/x,timeout=9", "10 to 30000"),
                     ("a=unix:/x;a=unix:/y", "registered twice"), ("a=https://a:1,ca=/x,key=/y", "key needs cert")):
        out = sandbox(policy()).run("true", options=["--middleware", bad])
        assert out.code == 125 and why in out.stderr, (bad, out)
    # A file that a running sandbox is to take names one that is not there: the last good policy stays.
    box = sandbox(policy(redact=redact()), options=at[1])
    process = box.start("sh", "-c", f"read x; curl -sS -d {SECRET} {URL}")
    until(lambda: any(e["kind"] == "PROCESS_STARTED" for e in box.read_events()))
    box.write_policy(policy(other=guard() | {"middleware": "acme/other"}))
    until(lambda: any(e["kind"] == "POLICY" and e["action"] == "deny" for e in box.read_events()))
    n = seen()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(20) == 0 and arrived(n) == [sha(OUT)]



def test_http2_bodies_without_a_length_and_their_trailers(sandbox, at):
    """What is held goes on with its length, what is too long in pieces, on a leg of HTTP/2 as well."""
    host = "h2.example.test"
    url = f"https://{host}/echo"
    body = b"w" * (5 << 20) + SECRET.encode()
    post = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--http2", "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url]
    loose = sandbox(policy(rest(host, access="full"), keys=redact(on_error="fail_open")))
    n = seen(host)
    assert loose.run(*post, input=body).stdout == "200" and arrived(n, host) == [sha(body)]
    assert loose.run(*post, input=SECRET.encode()).stdout == "200" and arrived(n, host)[1:] == [sha(OUT)]
    closed = sandbox(policy(rest(host, access="full"), keys=redact()))
    out = closed.run(*post, input=body)
    assert out.stdout != "200" and seen(host) == n + 2 and out.event("MIDDLEWARE", action="deny", stage="middleware_failed"), out
    with service(at[0], lambda q, context: allow(replacement=mw.Replacement(body=q.body + b"!"))):
        box = sandbox(policy(rest(host, access="full"), guard=guard() | {"endpoints": {"include": ["**"]}}), options=at[1])
        assert box.run(*post, input=b"abc").stdout == "200" and arrived(n, host)[2:] == [sha("abc!")]


def test_the_upstream_may_go_while_a_service_thinks(sandbox, at):
    """A kept upstream connection that ends meanwhile is made anew, and the request goes once."""
    def evaluate(q, context):
        if q.body == b"slow":
            time.sleep(2.5)
        return allow()
    with service(at[0], evaluate):
        box = sandbox(policy(guard=guard()), options=at[1])
        n = seen()
        out = box.run("sh", "-c", f"curl -sSf {URL} -o /dev/null; sleep 1; curl -sS -o /dev/null -w '%{{http_code}}' -d slow {URL}")
        assert out.stdout == "200" and len(arrived(n)) == 2 and arrived(n)[1] == sha("slow"), out


def test_a_denied_call_of_grpc_hears_it_in_its_words(sandbox, at):
    with service(at[0], lambda q, context: deny(reason_code="no")):
        box = sandbox(policy(guard=guard()), options=at[1])
        out = box.run("curl", "-sS", "-D", "-", "--http2", "-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--data-binary", "x", URL)
        assert "grpc-status: 7" in out.stdout.lower() and "rejected by configured middleware" in out.stdout, out


# ---- WebSockets and services ------------------------------------------------------------------------


def socket_guard(**more):
    return {"middleware": "acme/guard", "endpoints": {"include": ["socket.example.test"]}, **more}


SOCKET = endpoint("socket.example.test", "websocket", access="read-write")


def test_a_service_sees_each_message_of_a_websocket_in_its_stream(sandbox, at):
    def message(text, opened):
        if b"deny" in text:
            return deny(reason_code="not.this", reason=SECRET)
        return allow(replacement=mw.Replacement(body=text[::-1])) if b"turn" in text else allow(findings=[mw.Finding(type="seen", count=1)])
    with service(at[0], lambda q, context: allow(), message=message) as s:
        box = sandbox(policy(SOCKET, guard=socket_guard(order=1, config={"a": 1}), redact=redact(order=2)), options=at[1])
        out, done = inside(box, f'''
out["text"] = asyncio.run(ws("wss://socket.example.test/echo", "plain", "turn", "x {SECRET} turn", "deny"))
''')
        assert out["text"] == [["open", False, None], "plain", "nrut", f"nrut {SECRET[::-1]} x", [1008, "rejected by configured middleware"]], (out, done)
        session, = s.sessions
        assert session[0].target.path == "/echo" and session[0].context.key == "guard" and session[0].context.config["a"] == 1
        assert session[1:5] == [b"plain", b"turn", f"x {SECRET} turn".encode(), b"deny"], session
        assert len(s.requests) == 1 and s.requests[0].target.method == "GET"
        record, = done.event("MIDDLEWARE", action="deny", method="WEBSOCKET_TEXT")
        assert record["reason"] == "acme/guard (guard): denied, reason_code not.this" and not leaks(done), record


def test_what_becomes_of_a_message_is_judged_again(sandbox, at):
    """Attack: a replacement that is an operation the policy denies."""
    graph = endpoint("socket.example.test", "websocket", rules=[
        {"allow": {"method": "GET", "path": "/**"}}, {"allow": {"operation_type": "query"}}])
    evil = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "mutation {deleteRepo}"}}).encode()
    with service(at[0], lambda q, context: allow(), message=lambda text, opened: allow(replacement=mw.Replacement(body=evil)) if b"subscribe" in text else allow()):
        box = sandbox(policy(graph, guard=socket_guard()), options=at[1])
        out, done = inside(box, '''
out["text"] = asyncio.run(ws("wss://socket.example.test/echo", json.dumps({"type": "connection_init"}),
    json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "{viewer {id}}"}}), subprotocols=["graphql-transport-ws"]))
''')
        assert out["text"][-1][0] == 1008 and "not permitted" in out["text"][-1][1], (out, done)
        assert done.event("L7_REQUEST", action="allow", operation="query") and done.event("L7_REQUEST", action="deny"), done


@pytest.mark.parametrize("on_error", ["fail_closed", "fail_open"])
def test_messages_that_no_service_looks_at(sandbox, at, on_error):
    options = [at[1][0], at[1][1].replace("3000", "300")]
    box = sandbox(policy(SOCKET, guard=socket_guard(on_error=on_error)), options=options)
    script = 'out["text"] = asyncio.run(ws("wss://socket.example.test/echo", "hello", "again"))'
    hold = threading.Event()

    def stall(text, opened):
        hold.wait(20)
        return allow()
    for message, why in ((None, "it does not look at messages of WebSockets"), (stall, "it did not answer in time"),
                         (lambda text, opened: allow(replacement=mw.Replacement()), "place is empty"),
                         (lambda text, opened: 1 / 0, "it ended the WebSocket's stream (UNKNOWN)")):
        hold.clear()
        with service(at[0], lambda q, context: allow(), message=message):
            out, done = inside(box, script)
            failed = done.event("MIDDLEWARE", stage="middleware_failed", method="WEBSOCKET_TEXT")
            assert failed and all(why in r["reason"] for r in failed), (why, done)
            if on_error == "fail_open":
                assert out["text"][1:] == ["hello", "again"] and len(failed) == 2, (out, done)
            else:
                assert out["text"][1:] == [[1008, "could not be inspected by configured middleware"]], (out, done)
            hold.set()


def test_a_policy_that_lets_somebody_look_is_about_the_next_message(sandbox, at):
    box = sandbox(policy(SOCKET, guard=socket_guard()), options=at[1])
    with service(at[0], lambda q, context: allow(), message=lambda text, opened: allow(replacement=mw.Replacement(body=opened.context.key.encode()))) as s:
        process = box.start("/usr/bin/python3", "-c", CLIENT + '''
async def main():
    import websockets
    async with websockets.connect("wss://socket.example.test/echo", sock=connect("socket.example.test"), server_hostname="socket.example.test") as w:
        for line in sys.stdin:
            await w.send(line)
            print(await w.recv(), flush=True)
asyncio.run(main())
''')

        def say():
            process.stdin.write(b"x\n")
            process.stdin.flush()
            return process.stdout.readline()
        assert say() == b"guard\n" and say() == b"guard\n"
        box.write_policy(policy(SOCKET, other=socket_guard()))
        until(lambda: len([e for e in box.read_events() if e["kind"] == "POLICY"]) == 2)
        assert say() == b"other\n"
        assert [len(x) for x in s.sessions][0] in (3, 4) and len(s.sessions) == 2
        process.stdin.close()
        assert process.wait(20) == 0


# ---- a gateway ----------------------------------------------------------------------------------------


def test_a_gateway_registers_services_for_its_sandboxes(no_gateway, at):
    g = no_gateway
    option = at[1]
    with service(at[0], lambda q, context: allow(headers=[mw.Header(name="x-openshell-middleware-by", value=b"guard")])) as s:
        assert "the address is" in g.cli("gateway", "start", "--name", g.name, "--port", g.port, "--middleware", "a=ftp://x").stderr
        g.start(*option)
        n = seen()
        g.create("a", "curl", "-sS", "-d", SECRET, URL, policy=policy(guard=guard(), redact=redact(order=1)))
        assert arrived(n) == [sha(OUT)] and [q.body.decode() for q in s.requests] == [SECRET]
        assert ["x-openshell-middleware-by", "guard"] in [[k.lower(), v] for k, v in upstream_requests(HOST)[n]["headers"]]
        shown = g.ok("policy", "get", "a", "--full", "-o", "yaml").stdout
        assert "network_middlewares" in shown and "acme/guard" in shown
        # What is not registered is refused, with what is.
        for args in (("policy", "set", "a", "--policy", g.policy(policy(guard=guard() | {"middleware": "acme/none"}))),
                     ("sandbox", "create", "--name", "b", "--policy", g.policy(policy(guard=guard() | {"middleware": "acme/none"})), "--", "true")):
            out = g.cli(*args)
            assert out.code != 0 and "known: openshell/regex, acme/guard" in out.stderr, out
        # Without the guard, live; then a gateway that was started again knows it still.
        g.ok("policy", "set", "a", "--policy", g.policy(policy(redact=redact())), "--wait")
        n = seen()
        assert g.exec("a", "curl", "-sSf", "-o", "/dev/null", "-d", "x", URL).code == 0 and len(s.requests) == 1
        g.ok("gateway", "restart", "--name", g.name)
        g.ok("policy", "set", "a", "--policy", g.policy(policy(guard=guard())), "--wait")
        assert g.exec("a", "curl", "-sSf", "-o", "/dev/null", "-d", "x", URL).code == 0 and len(s.requests) == 2
        assert arrived(n) == [sha("x"), sha("x")]
        out = g.cli("gateway", "start", "--name", g.name, "--middleware", "other=unix:/nowhere")
        assert out.code != 0 and "not with those middlewares" in out.stderr, out
        text = g.cli("policy", "diff", "a", g.policy(policy())).stdout
        assert "widens middleware: guard (acme/guard)" in text and "it is gone" in text, text


def test_the_example_does_what_it_says(sandbox, tmp_path):
    path = tmp_path / "guard.sock"
    where = STAGE / "examples/middleware"
    guard_ = subprocess.Popen(["/usr/bin/python3", where / "guard.py", f"unix:{path}"],
                              env={**os.environ, "PYTHONPATH": os.path.dirname(mw.__file__)})
    try:
        until(path.exists)
        box = sandbox((where / "policy.yaml").read_text(), options=["--middleware", f"acme/guard=unix:{path},timeout=5000"])
        api = "https://api.github.com/repos/o/r/issues"
        n = seen("api.github.com")
        out = box.run("curl", "-sS", "-d", f"a {SECRET}", api, "--next", "-sS", "-d", "internal-only", api)
        assert out.stdout.endswith("}\n") and '"reason_code":"word.forbidden"' in out.stdout, out
        assert arrived(n, "api.github.com") == [sha(f"a {OUT}")], out
    finally:
        guard_.kill()
        guard_.wait()
