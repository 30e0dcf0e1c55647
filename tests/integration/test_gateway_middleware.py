"""A gateway asks a middleware whether it takes its config before a policy is in force with it."""
import pathlib
import socket
import subprocess
import threading
import time

import grpc
import pytest

from gateway import comm
from grpcapi import Code, fails, local, secure, token, v1
from harness import tree, until
from mwservice import Service, allow, mw, service
from test_gateway_drafts import chunk, curl_of, propose
from test_middleware import HOST, URL, at, guard, policy, redact  # noqa: F401

SLOW = 30


def takes(q):
    """What the service says: `level` is at most 3."""
    good = "level" not in q.config or q.config["level"] <= 3
    return mw.ValidateConfigResponse(valid=good, reason="" if good else "level: at most 3\n\x1b[2J" + "\u202e" + "x" * 5000)


def levelled(level, **more):
    return policy(guard=guard(config={"level": level}, **more), keys=redact(order=1))


def version(g, name="a"):
    """Number and level of the policy that is wanted."""
    shown = g.json("policy", "get", name, "--full")
    return shown["version"], shown["policy"]["network_middlewares"]["guard"]["config"]["level"]


def vetters(g):
    """Those of that gateway: another's may run beside."""
    return [p for p in tree(g.pid()) if comm(p) == "openshell-vet"]


@pytest.fixture
def guarded(no_gateway, at):  # noqa: F811
    """A gateway with a service that takes levels up to 3, and a sandbox `a` at level 1."""
    with service(at[0], lambda q, context: allow(), validate=takes) as s:
        no_gateway.start(*at[1])
        no_gateway.create("a", policy=levelled(1))
        yield no_gateway, s


def refused(out):
    """Says which, who and why, in one bounded printable line."""
    assert out.code != 0, out
    line, = [x for x in out.stderr.splitlines() if "network_middlewares.guard" in x]
    assert "network_middlewares.guard: 'acme/guard' does not take this config: level: at most 3" in line, out
    assert "\\x0a\\x1b[2J\\xe2\\x80\\xaexxx" in line and line.isprintable() and "x" * 300 not in line, line


def test_a_config_that_is_not_taken_is_refused_and_what_was_in_force_stays(guarded):
    g, s = guarded
    asked = len(s.configs)
    assert asked >= 1 and s.configs[0].middleware == "acme/guard" and s.configs[0].config["level"] == 1
    g.ok("policy", "set", "a", "--policy", g.policy(levelled(2)), "--wait")
    before = version(g)
    assert before[1] == 2
    refused(g.cli("policy", "set", "a", "--policy", g.policy(levelled(4))))
    assert version(g) == before
    assert g.exec("a", "curl", "-sSf", "-o", "/dev/null", "-d", "x", URL).code == 0 and len(s.requests) == 1
    # The same for a sandbox that is not there yet, and for all at once.
    refused(g.cli("sandbox", "create", "--name", "b", "--policy", g.policy(levelled(4)), "--", "true"))
    assert "b" not in g.list()
    refused(g.cli("policy", "set", "--global", "--yes", "--policy", g.policy(levelled(4))))
    assert "No global policy history found" in g.ok("policy", "get", "--global").stderr
    g.create("b", policy=levelled(3))
    g.ok("policy", "set", "--global", "--yes", "--policy", g.policy(levelled(3)))
    # Its words are for who asks: no log has them.
    assert "at most 3" not in g.ok("logs", "a").stdout + (g.state / "logs/server.log").read_text()


def test_a_config_is_asked_about_again_with_every_change_of_the_policy(guarded):
    g, s = guarded
    api, me = secure(g), local(g, bearer=token(g, g.id_of("a")))
    curl, rules = curl_of(g, "a"), [("GET", "/zen")]
    identity, other = propose(me, "a", chunk(curl, rules=rules), chunk(curl, "git.example.test", name="git", rules=rules))
    before = version(g)
    add = ("policy", "update", "a", "--add-endpoint", "api.example.test:443:read-only:rest", "--binary", "/usr/bin/curl")
    s.validate = lambda q: mw.ValidateConfigResponse(valid=False, reason="level: not today")
    for call in (lambda: api.ApproveDraftChunk(name="a", chunk_id=identity), lambda: api.ApproveAllDraftChunks(name="a")):
        said = fails(Code.INVALID_ARGUMENT, call)
        assert said == "policy is invalid: network_middlewares.guard: 'acme/guard' does not take this config: level: not today"
    out = g.cli(*add)
    assert out.code != 0 and "not today" in out.stderr, out
    assert version(g) == before
    assert {c.status for c in api.GetDraftPolicy(name="a").chunks} == {"pending"}
    # What takes away is never held up.
    api.RejectDraftChunk(name="a", chunk_id=other)
    s.validate = takes
    assert api.ApproveDraftChunk(name="a", chunk_id=identity).policy_version == before[0] + 1
    g.ok(*add)
    assert version(g)[0] == before[0] + 2
    # A sandbox cannot make the gateway ask: what it may write of its policy leaves its middlewares as they are.
    asked = len(s.configs)
    mine = api.GetSandboxConfig(sandbox_id=g.id_of("a")).policy
    me.UpdateConfig(v1.UpdateConfigRequest(name="a", policy=mine))
    mine.network_middlewares["guard"].config["level"] = 2
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(v1.UpdateConfigRequest(name="a", policy=mine)))
    assert len(s.configs) == asked
    api.close()
    me.close()


def test_a_service_that_does_not_say_holds_up_nothing_and_that_is_told(no_gateway, at):  # noqa: F811
    g = no_gateway
    g.start(*at[1])
    out = g.cli("sandbox", "create", "--name", "a", "--policy", g.policy(levelled(4)), "--", "true")
    assert out.code == 0, out
    note = "network_middlewares.guard: 'acme/guard' did not say whether it takes this config (it cannot be reached"
    assert note in out.stderr and note in g.ok("logs", "a").stdout, out
    out = g.ok("policy", "set", "a", "--policy", g.policy(levelled(5)), "--wait")
    assert note in out.stderr and "requests that it should see are denied" in out.stderr, out
    out = g.ok("policy", "set", "a", "--policy", g.policy(levelled(6, on_error="fail_open")), "--wait")
    assert "requests that it should see pass unseen" in out.stderr, out
    log = (g.state / "logs/server.log").read_text()
    assert log.count("MIDDLEWARE_NOT_ASKED") == 3, log
    # Errors, and answers that are none: nothing of their texts is shown.
    for more, why in (({"validate": lambda q: 1 / 0}, "its ValidateConfig failed (UNKNOWN)"),
                      ({"describe": lambda q: 1 / 0}, "its Describe failed (UNKNOWN)")):
        with service(at[0], lambda q, context: allow(), **more):
            out = g.ok("policy", "set", "a", "--policy", g.policy(levelled(7)), "--wait")
            assert why in out.stderr and "division" not in out.stderr, out
    # And one that cannot be asked anything is no middleware.
    with service(at[0], lambda q, context: allow(), describe=lambda q: mw.DescribeResponse(name="x")):
        out = g.cli("policy", "set", "a", "--policy", g.policy(levelled(8)))
        assert out.code != 0 and "does not look at requests before their credentials" in out.stderr, out


def test_a_service_that_hangs_costs_its_time_and_nobody_else_waits(no_gateway, tmp_path):
    """Attack: a service that accepts and says nothing, to stop the gateway."""
    path = tmp_path / "guard.sock"
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(path))
    silent.listen(64)
    g = no_gateway
    g.start("--middleware", f"acme/guard=unix:{path},timeout=4000")
    g.create("a", policy=policy(keys=redact()))
    api = secure(g)
    set_ = g.spawn("policy", "set", "a", "--policy", g.policy(levelled(1)))
    until(lambda: vetters(g), 10, "somebody asks")
    began = time.monotonic()
    held = lambda: pathlib.Path(f"/proc/{vetters(g)[0]}/status").read_text()  # noqa: E731
    until(lambda: "Seccomp:\t2" in held() and "NoNewPrivs:\t1" in held(), 4, "it has given up what it can")
    for _ in range(20):
        api.Health()
    assert g.exec("a", "true").code == 0
    assert vetters(g) and set_.poll() is None and time.monotonic() - began < SLOW, "it still waits"
    _, said = set_.communicate(timeout=SLOW)
    assert set_.returncode == 0 and b"no answer in time" in said, said
    assert time.monotonic() - began < 9, "once its time, not that of each step, nor of HTTP/2"
    assert not vetters(g)
    # Whoever goes away meanwhile leaves nothing behind, and nothing is stored.
    before = version(g)
    set_ = g.spawn("policy", "set", "a", "--policy", g.policy(levelled(2)))
    until(lambda: vetters(g), 10, "somebody asks")
    set_.kill()
    set_.wait()
    until(lambda: not vetters(g), 10, "it is ended")
    assert version(g) == before
    # Many at a time: some are told to come again, and the gateway answers.
    calls = [api.channel.unary_unary("/openshell.v1.OpenShell/UpdateConfig", v1.UpdateConfigRequest.SerializeToString,
                                     v1.UpdateConfigResponse.FromString).future(request(g, api, n), timeout=SLOW) for n in range(30)]
    api.Health()
    codes = [c.code() for c in calls]
    assert codes.count(Code.RESOURCE_EXHAUSTED) == 10 and codes.count(Code.OK) == 20, codes
    api.close()
    # A gateway that ends, in order or not, takes them along.
    for end in (g.stop, g.kill_gateway):
        set_ = g.spawn("policy", "set", "a", "--policy", g.policy(levelled(99)))
        theirs = until(lambda: vetters(g), 10, "somebody asks")
        end()
        assert set_.wait(SLOW) != 0
        until(lambda: not any(comm(p) == "openshell-vet" for p in theirs), 10, "it is ended")
        g.start("--middleware", f"acme/guard=unix:{path},timeout=4000")
    assert version(g)[1] != 99
    silent.close()


def request(g, api, n):
    wanted = api.GetSandboxConfig(sandbox_id=g.id_of("a")).policy
    wanted.network_middlewares["guard"].config["level"] = n
    return v1.UpdateConfigRequest(name="a", policy=wanted)


def test_what_was_told_to_have_failed_is_not_stored(no_gateway, at):  # noqa: F811
    hold = threading.Event()
    g = no_gateway
    g.start("--middleware", f"{at[1][1].split(',')[0]},timeout=9000")
    with service(at[0], lambda q, context: allow()) as s:
        g.create("a", policy=levelled(1))
        api, before = secure(g), version(g)
        s.validate = lambda q: hold.wait(SLOW) and takes(q)
        wanted = request(g, api, 2)
        fails(Code.DEADLINE_EXCEEDED, lambda: api.UpdateConfig(wanted, timeout=1))
        hold.set()
        until(lambda: not vetters(g), 10, "it is ended")
        assert version(g) == before
        assert api.UpdateConfig(wanted).version == before[0] + 1
        api.close()


def test_a_vetter_reaches_a_service_by_its_name_over_mutual_tls(no_gateway, tmp_path):
    def cert(name, *more):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem", *more],
                       check=True, capture_output=True)
        return (tmp_path / f"{name}.key").read_bytes(), (tmp_path / f"{name}.pem").read_bytes()
    key, chain = cert("server", "-addext", "subjectAltName=DNS:localhost")
    _, client = cert("client")
    cert("other")
    s = Service(lambda q, context: allow(), validate=takes)
    s.start("127.0.0.1:0", credentials=grpc.ssl_server_credentials([(key, chain)], client, True))
    base = f"https://localhost:{s.ports[0]},timeout=5000,ca={tmp_path}/server.pem"
    mine, other = (f",cert={tmp_path}/{n}.pem,key={tmp_path}/{n}.key" for n in ("client", "other"))
    g = no_gateway
    try:
        g.start("--middleware", f"acme/guard={base}{mine}", "--middleware", f"acme/other={base}{other}")
        refused(g.cli("sandbox", "create", "--name", "a", "--policy", g.policy(levelled(4)), "--", "true"))
        g.create("a", policy=levelled(1))
        assert [q.config["level"] for q in s.configs] == [4, 1]
        out = g.ok("policy", "set", "a", "--policy", g.policy(levelled(1, middleware="acme/other")), "--wait")
        assert "'acme/other' did not say" in out.stderr and len(s.configs) == 2, out
    finally:
        s.stop()
