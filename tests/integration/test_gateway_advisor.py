"""http://policy.local in a sandbox of a gateway: a person decides what the agent asked for (spec 8.8)."""
import json

import pytest

from gateway import READ_GITHUB, comm
from grpcapi import secure
from harness import rest, tree, until
from test_advisor import INSIDE, ROUTES, SKILL

KEY = "agent_policy_proposals_enabled"
NOBODY = {**READ_GITHUB, "network_policies": {}}


@pytest.fixture
def api(shared):
    client = secure(shared)
    yield client
    client.close()


@pytest.fixture
def box(shared):
    """A sandbox whose agent may propose."""
    shared.create("demo", policy=NOBODY)
    shared.ok("settings", "set", "--key", KEY, "--value", "true", "demo")
    until(lambda: inside(shared, "say(ask('/v1/denials')[0])")[0] == [200], 10, "proposals are on")
    return "demo"


def inside(shared, code, name="demo", timeout=90):
    out = shared.exec(name, "python3", "-c", INSIDE + code, timeout=timeout)
    assert out.code == 0, out
    return [json.loads(line) for line in out.stdout.splitlines()]


class Agent:
    """A program in the sandbox that goes on while the person acts."""

    def __init__(self, shared, code, name="demo"):
        self.process = shared.spawn("sandbox", "exec", name, "--", "python3", "-c", INSIDE + code)

    def next(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def end(self):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return [json.loads(line) for line in out.splitlines()]


def state(chunk, status, **more):
    """What is said of a proposal that the prover found nothing in."""
    return {"chunk_id": chunk, "status": status, "validation_result": "no finding", **more}


PROPOSE = """
code, body = ask("/v1/proposals", proposal("zen", rule("api.github.com", "/zen"), "to read zen"))
assert code == 202, body
(chunk,) = body["accepted_chunk_ids"]
say(chunk)
"""
WAIT = """
say(*ask("/v1/proposals/%s/wait?timeout=60" % chunk))
"""


def test_denied_read_proposed_approved_and_then_it_passes(shared, api, box):
    agent = Agent(shared, f"""
say(*curl("https://api.github.com/zen")[:2])
assert "/v1/proposals" in open({SKILL!r}).read()
say(*ask("/v1/policy/current"))
say(*ask("/v1/denials?last=1"))
""" + PROPOSE + """
say(*ask("/v1/proposals/" + chunk))
""" + WAIT + """
say(curl("https://api.github.com/zen")[0], curl("https://api.github.com/user")[0])
""")
    assert agent.next()[0] == 0
    code, current = agent.next()
    assert code == 200 and "api.github.com" not in current["policy_yaml"], current
    code, denials = agent.next()
    assert code == 200 and "dst_host=api.github.com" in denials["denials"][0], denials
    (chunk,) = agent.next()
    assert agent.next() == [200, state(chunk, "pending")]
    (row,) = api.GetDraftPolicy(name=box, chunk_id=chunk).chunks
    assert (row.id, row.status, row.rule_name, row.rationale) == (chunk, "pending", "zen", "to read zen")
    assert row.proposed_rule.endpoints[0].advisor_proposed
    assert api.GetSandboxPolicyStatus(name=box).revision.version == 1, "a proposal widens nothing by itself"
    assert "to read zen" in shared.ok("rule", "get", box).stdout
    shared.ok("rule", "approve", box, "--chunk-id", chunk)
    assert agent.next() == [200, state(chunk, "approved", policy_reloaded=True)]
    assert agent.end() == [[200, 403]]
    log = shared.ok("logs", box).stdout
    assert "PROPOSED" in log and "to read zen" in log, log


def test_a_rejection_comes_with_its_reason(shared, api, box):
    agent = Agent(shared, PROPOSE + WAIT)
    (chunk,) = agent.next()
    shared.ok("rule", "reject", box, "--chunk-id", chunk, "--reason", "not today")
    code, body = agent.end()[0]
    assert code == 200 and body["status"] == "rejected" and body["rejection_reason"] == "not today", body
    assert "policy_reloaded" not in body


def test_where_its_owner_says_so_the_prover_decides_at_once(shared, api, box):
    shared.ok("settings", "set", "--key", "proposal_approval_mode", "--value", "auto", box)
    said = inside(shared, PROPOSE + WAIT + "say(curl('https://api.github.com/zen')[0])")
    (chunk,), waited, (code,) = said
    assert waited == [200, state(chunk, "approved", policy_reloaded=True)] and code == 200, said


def test_text_of_the_agent_is_shown_escaped(shared, api, box):
    inside(shared, r"""
say(*ask("/v1/proposals", proposal("z\u001b[2J", rule("api.github.com", "/zen"), "\u001b]0;x\u0007\nforged: yes")))
""")
    for command in (("rule", "get", box), ("logs", box)):
        out = shared.ok(*command).out
        assert b"\x1b" not in out and b"\x07" not in out and b"\nforged" not in out, out


def test_what_the_gateway_takes_no_proposal_of_is_told(shared, api, box):
    said = inside(shared, """
ok = rule("api.github.com", "/zen")
ops = [("a", rule("*.github.com", "/zen")), ("b", rule("api.github.com", "/zen", program="/**")),
       ("c", rule("169.254.169.254", "/x")), ("d", ok)]
say(*ask("/v1/proposals", {"intent_summary": "x", "operations": [
    {"addRule": {"ruleName": n, "rule": r}} for n, r in ops]}))
""")
    code, body = said[0]
    assert code == 202 and body["accepted_chunks"] == 1 and body["rejected_chunks"] == 3, body
    assert len(body["accepted_chunk_ids"]) == 1 and len(body["rejection_reasons"]) == 3, body
    assert any("wildcard" in r for r in body["rejection_reasons"]), body


def test_it_is_off_until_it_is_set_and_off_again_at_once(shared, api):
    shared.create("demo", policy=NOBODY)
    for code, body in inside(shared, f"for m, p in {ROUTES}: say(*ask(p, None, False, '-X', m))"):
        assert code == 404 and body["error"] == "feature_disabled", body
    shared.ok("settings", "set", "--key", KEY, "--value", "true", "demo")
    until(lambda: inside(shared, "say(ask('/v1/denials')[0])")[0] == [200], 10, "on")
    shared.ok("settings", "set", "--key", KEY, "--value", "false", "demo")
    until(lambda: inside(shared, "say(ask('/v1/denials')[0])")[0] == [404], 10, "off")
    assert inside(shared, "say(*ask('/v1/proposals', proposal('a', rule('a.example', '/'))))")[0][0] == 404
    # Who waits is told, too.
    shared.ok("settings", "set", "--key", KEY, "--value", "true", "demo")
    until(lambda: inside(shared, "say(ask('/v1/denials')[0])")[0] == [200], 10, "on")
    agent = Agent(shared, PROPOSE + WAIT)
    (chunk,) = agent.next()
    shared.ok("settings", "set", "--key", KEY, "--value", "false", "demo")
    (waited,) = agent.end()
    assert waited[0] == 404 and waited[1]["error"] == "feature_disabled", waited
    assert [c.id for c in api.GetDraftPolicy(name="demo").chunks] == [chunk], "none came while it was off"


def test_proposals_of_others_are_not_there(shared, api, box):
    shared.create("other", policy=NOBODY)
    shared.ok("settings", "set", "--key", KEY, "--value", "true", "other")
    (chunk,), *_ = inside(shared, PROPOSE)
    until(lambda: inside(shared, "say(ask('/v1/denials')[0])", "other")[0] == [200], 10, "on")
    said = inside(shared, f"say(*ask('/v1/proposals/{chunk}'))\nsay(*ask('/v1/proposals/{chunk}/wait?timeout=5'))", "other")
    assert [(code, body["error"]) for code, body in said] == [(404, "not_found")] * 2, said


def test_approved_is_not_reloaded_while_the_policy_says_less(shared, api, box):
    """The owner approved it, and then set a policy without it: the agent is told the truth."""
    (chunk,), *_ = inside(shared, PROPOSE)
    api.ApproveDraftChunk(name=box, chunk_id=chunk)
    path = shared.policy({**NOBODY, "network_policies": {"other": {
        "endpoints": [rest("api.github.com", rules=[{"allow": {"method": "GET", "path": "/user"}}], access="")],
        "binaries": [{"path": "/**"}]}}})
    shared.ok("policy", "set", box, "--policy", path, "--wait")
    said = inside(shared, f"say(*ask('/v1/proposals/{chunk}'))\nsay(*ask('/v1/proposals/{chunk}/wait?timeout=2'))")
    assert said == [[200, state(chunk, "approved", policy_reloaded=False)]] * 2, said


def test_without_a_gateway_it_says_so_and_who_waits_goes_on_when_it_is_back(gateway):
    g = gateway
    g.create("demo", policy=NOBODY)
    g.ok("settings", "set", "--key", KEY, "--value", "true", "demo")
    # In the background, as what a gateway relays ends with it.
    g.exec("demo", "sh", "-c", "nohup python3 -c \"$1\" > /tmp/said 2>&1 &", "sh", INSIDE + """
while ask("/v1/denials")[0] != 200:
    pass
""" + PROPOSE + """
subprocess.Popen(["curl", "-sS", "-o", "/tmp/decided", "http://policy.local/v1/proposals/%s/wait?timeout=300" % chunk])
while True:
    code, body = ask("/v1/proposals/" + chunk)
    if code != 200:
        break
say(code, body)
""")
    identity = g.id_of("demo")
    (chunk,) = json.loads(until(lambda: g.exec("demo", "cat", "/tmp/said").stdout, 20, "the proposal"))
    keeper = g.keeper(identity)
    g.kill_gateway()
    until(lambda: not any(comm(p).startswith("python3") for p in tree(keeper)), 20, "the agent saw it go")
    assert any(comm(p) == "curl" for p in tree(keeper)), "who waits waits on"
    g.start()
    g.wait_phase("demo", "ready")
    code, body = json.loads(g.exec("demo", "cat", "/tmp/said").stdout.splitlines()[1])
    assert code == 503 and body["error"] == "gateway_unavailable", body
    assert g.exec("demo", "cat", "/tmp/decided").stdout == ""
    client = secure(g)
    client.ApproveDraftChunk(name="demo", chunk_id=chunk)
    client.close()
    got = until(lambda: g.exec("demo", "cat", "/tmp/decided").stdout, 20, "the decision")
    assert json.loads(got) == state(chunk, "approved", policy_reloaded=True), got
