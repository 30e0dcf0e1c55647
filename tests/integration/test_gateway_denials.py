"""What a sandbox was denied becomes a proposal by itself, and nothing more than one."""
import json
import os
import signal

import pytest

from gateway import READ_GITHUB, ZEN, Gateway
from grpcapi import local, token
from harness import TESTNET, network, until

AWAY = "away.example.com"
NOTHING = {**READ_GITHUB, "network_policies": {}}


@pytest.fixture(scope="module")
def own():
    """A gateway whose sandboxes tell of denials after a second."""
    g = Gateway()
    g.env["OPENSHELL_DENIAL_FLUSH_INTERVAL_SECS"] = "1"
    try:
        g.start()
        yield g
    finally:
        g.destroy()


@pytest.fixture
def g(own):
    yield own
    if not own.up():
        own.start()
    own.clean()


@pytest.fixture
def api(g):
    c = local(g)
    yield c
    c.close()


def fetch(g, name, url=ZEN, *options):
    out = g.exec(name, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, url).stdout
    return "refused" if out in ("000", "403") else out


def proposals(api, name):
    return {c.rule_name: c for c in api.GetDraftPolicy(name=name).chunks}


def proposed(api, name, rule):
    return until(lambda: proposals(api, name).get(rule), 15, f"the proposal {rule}")


def test_a_denied_program_is_proposed_and_passes_when_a_person_approves(g, api):
    g.create("demo", policy=NOTHING)
    assert fetch(g, "demo") == "refused"
    c = proposed(api, "demo", "allow_api_github_com_443")
    assert c.status == "pending" and c.stage == "connect" and c.binary.endswith("curl") and c.hit_count == 1
    assert 0.64 < c.confidence < 0.66
    assert "Allow curl to connect to api.github.com:443 (HTTPS) with L7 inspection." in c.rationale
    rule = c.proposed_rule
    assert [(e.host, e.port or list(e.ports)) for e in rule.endpoints] == [("api.github.com", 443)] and not rule.endpoints[0].allowed_ips
    # It widens nothing by itself; the person sees it and decides.
    assert fetch(g, "demo") == "refused"
    shown = g.ok("rule", "get", "demo").stdout
    assert "allow_api_github_com_443" in shown and "api.github.com:443" in shown, shown
    g.ok("rule", "approve", "demo", "--chunk-id", c.id)
    until(lambda: fetch(g, "demo") == "200", 10, "the same request passes")
    # Only the connection had been seen: reading is what was proposed.
    assert fetch(g, "demo", ZEN, "-X", "POST") == "refused"
    # And so is the next.
    until(lambda: len(api.GetDraftPolicy(name="demo").chunks) == 2, 15, "a proposal of what was asked then")
    new, = (x for x in api.GetDraftPolicy(name="demo").chunks if x.status == "pending")
    assert [(r.allow.method, r.allow.path) for r in new.proposed_rule.endpoints[0].rules] == [("POST", "/zen")]


def test_requests_are_proposed_by_method_and_path(g, api):
    g.create("demo", policy=READ_GITHUB)
    for path in ("/zen", "/repos/42"):
        assert fetch(g, "demo", f"https://api.github.com{path}", "-X", "POST") == "refused"
    c = proposed(api, "demo", "allow_api_github_com_443")
    assert c.stage == "l7"
    allowed = {(r.allow.method, r.allow.path) for c in api.GetDraftPolicy(name="demo").chunks
               for r in c.proposed_rule.endpoints[0].rules}
    until(lambda: {(r.allow.method, r.allow.path) for c in api.GetDraftPolicy(name="demo").chunks
                   for r in c.proposed_rule.endpoints[0].rules} == {("POST", "/zen"), ("POST", "/repos/*")}, 10, "both")
    assert allowed <= {("POST", "/zen"), ("POST", "/repos/*")}
    for c in api.GetDraftPolicy(name="demo").chunks:
        api.ApproveDraftChunk(name="demo", chunk_id=c.id)
    until(lambda: fetch(g, "demo", ZEN, "-X", "POST") != "refused", 10, "it passes")
    assert fetch(g, "demo", "https://api.github.com/other", "-X", "POST") == "refused"


def test_nothing_is_proposed_about_this_machine_or_metadata(g, api):
    g.create("demo", policy=NOTHING)
    for url in ("http://127.0.0.1:8080/", "http://169.254.169.254/latest/", "http://metadata.google.internal/", "http://localhost:9/",
                "http://host.openshell.internal:8080/"):
        # -x: what asks the proxy although its own rules would not.
        g.exec("demo", "sh", "-c", f"curl -sS --noproxy '' -x $http_proxy -o /dev/null {url}")
    assert fetch(g, "demo") == "refused"
    # The one that came last is there: so are all that there will be.
    proposed(api, "demo", "allow_api_github_com_443")
    assert set(proposals(api, "demo")) == {"allow_api_github_com_443"}
    records = [json.loads(line) for line in g.ok("logs", "demo", "--format", "json").stdout.splitlines() if line.startswith("{")]
    assert any("169.254.169.254" in json.dumps(r) for r in records), "the attempt was seen"


def test_what_was_denied_while_the_gateway_was_away_is_told_when_it_is_back(g, api):
    g.create("demo", policy=NOTHING)
    made = g.id_of("demo")
    # A program of the sandbox's own that goes on without the gateway.
    p = g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", f"(sleep 2; curl -sS https://{AWAY}/) >/dev/null 2>&1 & echo on")
    p.wait(20)
    g.kill_gateway()
    until(lambda: not g.up(), 10, "the gateway is gone")
    records = g.sandbox_dir(made) / "records/000001.jsonl"
    denial = f'"host":"{AWAY}"'
    assert denial not in records.read_text()
    until(lambda: denial in records.read_text(), 20, "the denial")
    assert not g.up() and g.keeper(made)
    g.start()
    again = local(g)
    proposed(again, "demo", "allow_away_example_com_443")
    again.close()
    # Attack: a name that is looked up because it was denied carries data out.
    assert AWAY not in (TESTNET / "dns.log").read_text()


def test_the_last_denials_are_told_when_the_sandbox_ends():
    g = Gateway()
    g.env["OPENSHELL_DENIAL_FLUSH_INTERVAL_SECS"] = "3600"
    try:
        g.start()
        g.create("demo", policy=NOTHING)
        assert fetch(g, "demo") == "refused"
        api = local(g)
        assert not proposals(api, "demo")
        os.kill(g.roles(g.id_of("demo"))["keeper"], signal.SIGTERM)
        proposed(api, "demo", "allow_api_github_com_443")
        api.close()
    finally:
        g.destroy()


def test_what_an_endpoint_only_audits_is_told_and_not_proposed(g, api):
    audited = network({"host": "api.github.com", "port": 443, "protocol": "rest", "access": "read-only", "enforcement": "audit"})
    g.create("demo", policy=audited)
    assert fetch(g, "demo", ZEN, "-X", "POST") != "refused"
    assert fetch(g, "demo", "https://other.example.com/") == "refused"
    proposed(api, "demo", "allow_other_example_com_443")
    assert set(proposals(api, "demo")) == {"allow_other_example_com_443"}


def test_what_was_only_denied_waits_for_a_person_even_where_the_gateway_may_decide(g, api):
    """Else all that a program has to do is to be denied."""
    g.ok("settings", "set", "--global", "--yes", "--key", "proposal_approval_mode", "--value", "auto")
    try:
        g.create("demo", policy=NOTHING)
        assert fetch(g, "demo") == "refused"
        c = proposed(api, "demo", "allow_api_github_com_443")
        assert (c.status, c.validation_result) == ("pending", "no finding")
        assert fetch(g, "demo") == "refused"
        # The same, asked for, is what the setting is about.
        me = local(g, bearer=token(g, g.id_of("demo")))
        me.SubmitPolicyAnalysis(name="demo", proposed_chunks=[c], analysis_mode="llm")
        me.close()
        assert proposals(api, "demo")["allow_api_github_com_443"].status == "approved"
        until(lambda: fetch(g, "demo") == "200", 10, "it passes")
    finally:
        g.ok("settings", "delete", "--global", "--yes", "--key", "proposal_approval_mode")
