"""Middlewares: who looks at what policy allows, before it goes."""
import gzip
import hashlib
import json
import subprocess

import pytest

from harness import OPENSHELL, network, rest, upstream_requests
from test_operations import endpoint, inside

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
    found = [e for e in map(json.loads, text.splitlines()) if e["class_uid"] == 2004]
    assert len(found) == 1 and found[0]["finding_info"]["uid"] == "MIDDLEWARE", found
    assert SECRET not in text.decode()
