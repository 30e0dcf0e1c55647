"""http://policy.local: the agent reads the policy and what was denied, and proposes rules (spec 8.8)."""
import json
import re
import subprocess

import pytest
import yaml

from harness import FILESYSTEM, OPENSHELL, network, rest, upstream_requests

SKILL = "/etc/openshell/skills/policy_advisor.md"
NOBODY = {"version": 1, "filesystem_policy": FILESYSTEM, "network_policies": {}}

# What the program in the sandbox does: `ask` by curl, through the proxy variables or around them.
INSIDE = r"""
import json, os, socket, subprocess, sys

def curl(*args, direct=False):
    env = {k: v for k, v in os.environ.items() if not (direct and k.lower().endswith("_proxy"))}
    done = subprocess.run(["curl", "-sS", "-m", "40", "-w", "\n%{http_code}", *args],
                          env=env, capture_output=True, text=True)
    body, _, code = done.stdout.rpartition("\n")
    return int(code or 0), body, done.stderr

def ask(path, body=None, direct=False, *more):
    args = ["http://policy.local" + path, *more]
    if body is not None:
        args += ["-d", body if isinstance(body, str) else json.dumps(body)]
    code, text, err = curl(*args, direct=direct)
    try:
        return code, json.loads(text)
    except ValueError:
        return code, text + err

def raw(data, at=("10.200.0.1", 3128)):
    s = socket.create_connection(at, 10)
    s.settimeout(20)
    s.sendall(data)
    out = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                break
            out += got
    except OSError:
        pass
    return out.decode("latin-1")

def rule(host, path, method="GET", port=443, program="/usr/bin/curl"):
    return {"endpoints": [{"host": host, "port": port, "protocol": "rest",
                           "rules": [{"allow": {"method": method, "path": path}}]}],
            "binaries": [{"path": program}]}

def proposal(name, rule, why="to see it"):
    return {"intent_summary": why, "operations": [{"addRule": {"ruleName": name, "rule": rule}}]}

def say(*what):
    print(json.dumps(what), flush=True)

"""


def inside(box, code, options=("--advisor",), **more):
    """What the program said, one value a line, and the run."""
    script = box.work / "inside.py"
    script.write_text(INSIDE + code)
    out = box.run("python3", script, options=options, **more)
    assert out.code == 0, out
    return [json.loads(line) for line in out.stdout.splitlines()], out


# --- what is there when it is off, and when it is on -------------------------

ROUTES = [("GET", "/v1/policy/current"), ("GET", "/v1/denials"), ("POST", "/v1/proposals"),
          ("GET", "/v1/proposals/1"), ("GET", "/v1/proposals/1/wait"), ("GET", "/"), ("PUT", "/x")]


@pytest.mark.parametrize("direct", [False, True], ids=["proxy", "direct"])
def test_off_it_says_so_on_every_route(sandbox, direct):
    said, out = inside(sandbox(policy=network(rest("api.github.com"))), f"""
for method, path in {ROUTES}:
    say(*ask(path, None, {direct}, "-X", method))
say(*curl("https://api.github.com/zen", "-X", "DELETE"))
say(open({SKILL!r}).read())
""", options=())
    for code, body in said[:len(ROUTES)]:
        assert code == 404 and body["error"] == "feature_disabled", (said, out)
    code, body, _ = said[-2]
    denied = json.loads(body)
    assert code == 403 and "policy.local" not in denied["agent_guidance"], denied
    assert [s["action"] for s in denied["next_steps"]] == ["ask_owner"], denied
    assert "feature_disabled" in said[-1][0], "the skill says what this means"
    assert not out.event("PROPOSED"), out


@pytest.mark.parametrize("direct", [False, True], ids=["proxy", "direct"])
def test_the_policy_in_force_is_shown(sandbox, direct):
    policy = network(rest("api.github.com"))
    said, out = inside(sandbox(policy=policy), f"say(*ask('/v1/policy/current', None, {direct}))")
    code, body = said[0]
    assert code == 200 and body["format"] == "yaml" and body["revision"] == 1, (said, out)
    shown = yaml.safe_load(body["policy_yaml"])
    assert shown["network_policies"]["test"]["endpoints"][0]["host"] == "api.github.com", shown
    (event,) = out.event("HTTP_REQUEST", host="policy.local")
    assert event["action"] == "allow" and event["binary"].endswith("/curl"), event


def test_denials_are_told_newest_first_and_without_secrets(sandbox):
    said, out = inside(sandbox(policy=network(rest("api.github.com", rules=[{"allow": {"method": "GET", "path": "/zen"}}],
                                                   access=""),
                                              {"host": "*.example.test", "port": 443})), """
curl("https://api.github.com/user?token=verysecret")
curl("https://nobody.test/")
curl("https://private.example.test/")
curl("https://unknown.test/", direct=True)
say(*ask("/v1/denials"))
say(*ask("/v1/denials?last=1"))
for q in ("last=0", "last=101", "last=x", "last=1&last=2"):
    say(*ask("/v1/denials?" + q))
""")
    code, body = said[0]
    assert code == 200 and body["log_available"] is True
    lines = body["denials"]
    names = [re.search(r"dst_host=(\S+)", line).group(1) for line in lines]
    assert names == ["unknown.test", "private.example.test", "nobody.test", "api.github.com"], lines
    assert all(len(line) <= 4096 for line in lines)
    text = "\n".join(lines)
    assert "verysecret" not in text and "l7_query_params=token" in text, text
    assert "10.0.5.9" in str(out.events) and "10.0.5.9" not in text, "addresses are for the record alone"
    assert "suggestion=" in lines[-1] and "l7_target=/user" in lines[-1], lines
    assert said[1][1]["denials"] == lines[:1]
    for code, body in said[2:]:
        assert code == 400 and body["error"] == "bad_request", said


def test_a_denial_names_the_way_to_propose(sandbox):
    said, out = inside(sandbox(policy=network(rest("api.github.com"))),
                       "say(*curl('https://api.github.com/zen', '-X', 'DELETE'))")
    denied = json.loads(said[0][1])
    assert [s["action"] for s in denied["next_steps"]] == [
        "ask_owner", "read_skill", "inspect_policy", "inspect_recent_denials", "submit_proposal"], denied
    assert "policy.local" in denied["agent_guidance"] and denied["suggestion"], denied


# --- the whole way, in a run ---------------------------------------------------

LOOP = """
d = DIRECT
code, text, _ = curl("https://api.github.com/zen", direct=d)
say("before", code, text)
assert "policy.local/v1/proposals" in open("SKILL").read()
say("current", *ask("/v1/policy/current", None, d))
say("denials", *ask("/v1/denials?last=1", None, d))
say("proposed", *ask("/v1/proposals", proposal("zen", rule("api.github.com", "/zen"), "to read\\x1b[31m zen"), d))
say("pending", *ask("/v1/proposals/1", None, d))
say("waited", *ask("/v1/proposals/1/wait?timeout=30", None, d))
say("after", *curl("https://api.github.com/zen", direct=d)[:2])
say("other", curl("https://api.github.com/user", direct=d)[0])
"""


@pytest.mark.parametrize("direct", [False, True], ids=["proxy", "direct"])
def test_denied_proposed_allowed_by_the_file_and_then_it_passes(sandbox, direct):
    box = sandbox(policy=NOBODY)
    script = box.work / "inside.py"
    script.write_text(INSIDE + LOOP.replace("DIRECT", str(direct)).replace("SKILL", SKILL))
    before = len(upstream_requests("api.github.com"))
    run = box.start("python3", script, options=("--advisor",))
    said = {}

    def read(last):
        while last not in said:
            line = run.stdout.readline()
            assert line, (said, run.stderr.read())
            name, *what = json.loads(line)
            said[name] = what

    read("pending")
    assert len(upstream_requests("api.github.com")) == before, "a proposal opens nothing"
    # The person: pastes what was shown into the policy.
    shown = b""
    while b"network_policies of" not in shown:
        shown += run.stderr.readline()
    assert b"\x1b[31m" not in shown and rb"\x1b[31m zen" in shown, shown
    lines = [line[2:] for line in shown.decode().splitlines() if line.startswith("? ")]
    assert "the agent proposes" in lines[0], shown
    rules = yaml.safe_load("\n".join(lines[1:-1]))
    assert rules["zen"]["endpoints"][0]["advisor_proposed"] is True, rules
    box.write_policy({**NOBODY, "network_policies": rules})
    out, err = run.communicate(timeout=60)
    for line in out.splitlines():
        name, *what = json.loads(line)
        said[name] = what
    assert run.returncode == 0, (said, err)
    if not direct:
        assert said["before"][0] == 0 and "403" not in said["before"][1]
    assert said["current"][0] == 200 and "api.github.com" not in said["current"][1]["policy_yaml"]
    assert "api.github.com" in said["denials"][1]["denials"][0]
    assert said["proposed"] == [202, {"status": "submitted", "accepted_chunks": 1, "rejected_chunks": 0,
                                      "rejection_reasons": [], "accepted_chunk_ids": ["1"]}]
    assert said["pending"] == [200, {"chunk_id": "1", "status": "pending"}]
    assert said["waited"] == [200, {"chunk_id": "1", "status": "approved", "policy_reloaded": True}], said
    assert said["after"][0] == 200 and said["after"][1], said
    assert said["other"] != [200], said
    (event,) = [e for e in box.read_events() if e["kind"] == "PROPOSED"]
    assert event["binary"].endswith("/curl") and event["reason"].startswith("zen: to read"), event
    assert "api.github.com" in event["suggestion"] and event["action"] == "info", event


def test_what_nobody_allowed_is_told_at_the_end(sandbox):
    said, out = inside(sandbox(policy=NOBODY), """
say(*ask("/v1/proposals", proposal("zen", rule("api.github.com", "/zen"), "for zen")))
say(*ask("/v1/proposals/1/wait?timeout=1"))
""")
    assert said[1] == [200, {"chunk_id": "1", "status": "pending"}], said
    assert "proposed and not allowed: for zen" in out.stderr, out


def test_the_record_of_a_proposal_is_in_the_form_of_config(sandbox):
    box = sandbox(policy=NOBODY)
    inside(box, """
say(*ask("/v1/proposals", proposal("zen", rule("api.github.com", "/zen"), "for zen\\n2026 forged")))
""")
    shown = subprocess.run([OPENSHELL, "logs", "--file", str(box.events), "--format", "short"],
                           capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in shown.splitlines() if "CONFIG:PROPOSED" in line]
    assert "zen: for zen: 2026 forged" in line, line


# --- strictness and bounds -------------------------------------------------------

def test_what_is_no_proposal_is_refused_and_why(sandbox):
    said, out = inside(sandbox(policy=NOBODY), """
ok = rule("api.github.com", "/zen")
bad = [
    "", "{}", "[1]", '{"intent_summary":"a","intent_summary":"b","operations":[]}',
    proposal("", ok), proposal("_provider_x", ok), {**proposal("a", ok), "approve": True},
    proposal("a", {**ok, "binaries": []}),
]
for b in bad:
    say(*ask("/v1/proposals", b))
""")
    for code, body in said:
        assert code == 400 and body["error"] == "invalid_proposal" and body["detail"], (said, out)
    assert not out.event("PROPOSED"), out


def test_faults_of_a_rule_are_named(sandbox):
    said, out = inside(sandbox(policy=NOBODY), """
say(*ask("/v1/proposals", proposal("a", rule("api.github.com", "/x", port=70000))))
say(*ask("/v1/proposals", proposal("a", {**rule("api.github.com", "/x"), "endpoint": []})))
""")
    for (code, body), word in zip(said, ("port", "endpoint")):
        assert code == 400 and "a" in body["detail"] and word in body["detail"], (said, out)


def test_requests_that_are_not_for_it_are_refused(sandbox):
    said, out = inside(sandbox(policy=NOBODY), """
say(*ask("/v1/nothing"))
say(*ask("/v1/policy/current", "{}"))
say(*ask("/v1/proposals", None))
say(*ask("/v1/proposals/a_b"))
say(*ask("/v1/policy/current", None, True, "-H", "Host: api.github.com"))
say(*ask("/v1/policy/current", None, True, "-H", "Origin: https://evil.example"))
say(*ask("/v1/policy/current", None, True, "-H", "Origin: http://policy.local"))
say(*ask("/v1/proposals", "x" * 70000))
say(*ask("/v1/proposals", "x" * 70000, False, "-H", "Transfer-Encoding: chunked"))
say(curl("https://policy.local/v1/policy/current")[0])
say(curl("http://policy.local:8080/v1/policy/current")[0])
say(curl("https://policy.local/v1/policy/current", direct=True)[0])
say(*ask("/v1/policy/current", None, False, "-p"))
""")
    codes = [s[0] for s in said]
    assert codes == [404, 405, 405, 404, 421, 403, 200, 413, 413, 0, 403, 0, 200], (said, out)
    assert "not_found" in str(said[0]) and "method_not_allowed" in str(said[1]), said


def test_strict_http_alone_is_spoken_there(sandbox):
    said, out = inside(sandbox(policy=NOBODY), r"""
head = b"GET http://policy.local/v1/policy/current HTTP/1.1\r\nHost: policy.local\r\n"
say(raw(head + b"\r\n" + head + b"\r\n"))
for extra in (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"Bad Field: x\r\n", b"Host: policy.local\r\n"):
    say(raw(head + extra + b"\r\n"))
say(raw(b"CONNECT policy.local:80 HTTP/1.1\r\nHost: policy.local:80\r\n\r\n"
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
s = socket.create_connection(("10.200.0.1", 3128), 10)
s.sendall(b"POST http://policy.local/v1/proposals HTTP/1.1\r\nHost: policy.local\r\nExpect: 100-continue\r\n"
          b"Content-Length: 2\r\n\r\n")
f = s.makefile("rb")
say(f.readline().decode(), f.readline().decode())
s.sendall(b"{}")
say(f.readline().decode())
""", timeout=90)
    first = said[0][0]
    assert first.startswith("HTTP/1.1 200 OK") and first.count("HTTP/1.1") == 1, "one request a connection"
    for (answer,) in said[1:4]:
        assert answer.startswith("HTTP/1.1 400"), answer
    assert said[4][0].split("\r\n\r\n")[1].startswith("HTTP/1.1 4") or said[4][0].count("HTTP/1.1") == 1, said[4]
    assert said[5] == ["HTTP/1.1 100 Continue\r\n", "\r\n"] and said[6][0].startswith("HTTP/1.1 400"), said[5:]


def test_proposals_and_waiters_are_bounded_and_the_proxy_serves_on(sandbox):
    said, out = inside(sandbox(policy=network(rest("api.github.com"))), r"""
import threading, time
codes = [ask("/v1/proposals", proposal("r%d" % i, rule("api.github.com", "/p%d" % i, "POST")))[0] for i in range(12)]
say(codes)
held = []
for i in range(8):
    s = socket.create_connection(("10.200.0.1", 3128), 10)
    s.sendall(b"GET http://policy.local/v1/proposals/1/wait?timeout=300 HTTP/1.1\r\nHost: policy.local\r\n\r\n")
    held.append(s)
code = 200
for i in range(200):
    code = ask("/v1/proposals/1/wait?timeout=1")[0]
    if code == 429:
        break
say(code)
say(curl("https://api.github.com/zen")[0])
for s in held:
    s.close()
for i in range(200):
    code = ask("/v1/proposals/1/wait?timeout=1")[0]
    if code == 200:
        break
say(code)
""", timeout=120)
    assert said[0][0] == [202] * 10 + [429] * 2, (said, out)
    assert [s[0] for s in said[1:]] == [429, 200, 200], (said, out)
    assert len(out.event("PROPOSED")) == 10, out


def test_connections_are_bounded(sandbox):
    said, out = inside(sandbox(policy=network(rest("api.github.com"))), r"""
held = []
for i in range(64):
    s = socket.create_connection(("10.200.0.1", 3128), 10)
    s.sendall(b"CONNECT policy.local:80 HTTP/1.1\r\nHost: policy.local:80\r\n\r\n")
    assert b" 200 " in s.recv(100)
    held.append(s)
say(ask("/v1/policy/current")[0], curl("https://api.github.com/zen")[0])
for s in held:
    s.close()
for i in range(200):
    code = ask("/v1/policy/current")[0]
    if code == 200:
        break
say(code)
""", timeout=90)
    assert said == [[503, 200], [200]], (said, out)


def test_a_policy_that_names_it_changes_nothing(sandbox):
    said, out = inside(sandbox(policy=network(rest("policy.local", port=80), rest("policy.local"))),
                       "say(*ask('/v1/policy/current'))\nsay(*ask('/v1/policy/current', None, True))")
    assert [s[0] for s in said] == [200, 200] and not upstream_requests("policy.local"), (said, out)


def test_large_policies_are_shown_whole(sandbox):
    policy = network(*[rest(f"h{i}.example.test") for i in range(250)])
    policy["network_policies"] = {f"p{k}": policy["network_policies"]["test"] | {
        "endpoints": [rest(f"h{k}-{i}.example.test") for i in range(250)]} for k in range(8)}
    said, out = inside(sandbox(policy=policy), """
code, body = ask('/v1/policy/current')
say(code, body["policy_yaml"].count("host: h7-"), len(body["policy_yaml"]))
""")
    assert said[0][:2] == [200, 250] and said[0][2] > 150000, (said, out)
