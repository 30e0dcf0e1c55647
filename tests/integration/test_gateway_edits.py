"""A policy changed by operations: what is meant changes, live, and nothing else."""
import pytest

from gateway import READ_GITHUB
from grpcapi import Code, fails, local, sb, secure, token, v1, wire
from harness import network, rest
from test_gateway_drafts import ZEN, fetch, passes


@pytest.fixture
def api(shared):
    client = secure(shared)
    yield client
    client.close()


def rules(api, name="demo"):
    return api.GetSandboxPolicyStatus(name=name).revision.policy.network_policies


def test_a_request_is_allowed_and_refused_by_options(shared, api):
    shared.create("demo", policy=READ_GITHUB)
    post = ("-X", "POST")
    assert fetch(shared, "demo", ZEN, *post) == "refused"
    before = rules(api)["test"].endpoints[0]
    out = shared.ok("policy", "update", "demo", "--add-allow", "api.github.com:443:POST:/zen", "--dry-run").stdout
    assert "+ widens" in out and "POST api.github.com:443/zen" in out and "narrows" not in out, out
    assert rules(api)["test"].endpoints[0] == before and fetch(shared, "demo", ZEN, *post) == "refused"
    out = shared.ok("policy", "update", "demo", "--add-allow", "api.github.com:443:POST:/zen", "--wait")
    assert "Policy version 2 loaded" in out.stderr + out.stdout, out
    passes(shared, "demo", ZEN, *post)
    passes(shared, "demo")
    # The preset became what it stood for.
    assert [(r.allow.method, r.allow.path) for r in rules(api)["test"].endpoints[0].rules] == [
        ("GET", "**"), ("HEAD", "**"), ("OPTIONS", "**"), ("POST", "/zen")]
    shared.ok("policy", "update", "demo", "--add-deny", "api.github.com:443:GET:/zen", "--wait")
    assert fetch(shared, "demo") == "refused"
    passes(shared, "demo", "https://api.github.com/repos/octocat/hello-world")
    shared.ok("policy", "update", "demo", "--remove-endpoint", "api.github.com:443", "--wait")
    assert not rules(api) and fetch(shared, "demo", ZEN, *post) == "refused"


def test_an_endpoint_comes_with_its_programs_or_those_of_its_rule(shared, api):
    shared.create("demo", policy=network(rest("api.github.com"), binaries=["/usr/bin/git"]))
    out = shared.cli("policy", "update", "demo", "--add-endpoint", "files.example.test:443")
    assert out.code == 1 and "who may use the endpoint?" in out.stderr, out
    shared.ok("policy", "update", "demo", "--add-endpoint", "files.example.test:443:read-only", "--rule-name", "test")
    shared.ok("policy", "update", "demo", "--add-endpoint", "[2001:db8::1]:8443", "--binary", "/usr/bin/curl")
    got = rules(api)
    assert [(e.host, e.protocol, e.access) for e in got["test"].endpoints] == [
        ("api.github.com", "rest", "read-only"), ("files.example.test", "rest", "read-only")]
    assert [(e.host, e.port) for e in got["allow_2001_db8__1_8443"].endpoints] == [("2001:db8::1", 8443)]
    shared.ok("policy", "update", "demo", "--remove-rule", "allow_2001_db8__1_8443")
    shared.ok("policy", "update", "demo", "--rule-name", "test", "--remove-binary", "/usr/bin/git")
    assert not rules(api)


@pytest.mark.parametrize("words, why", [
    ([], "nothing to change"),
    (["--binary", "/x"], "--add-endpoint, which is missing"),
    (["--add-endpoint", "nothing", "--binary", "/x"], "does not begin with HOST:PORT"),
    (["--add-endpoint", "a.example.test:70000", "--binary", "/x"], "does not begin with HOST:PORT"),
    (["--add-endpoint", "a.example.test:443:never", "--binary", "/x"], "never"),
    (["--remove-endpoint", "a.example.test:443:GET"], "says more than HOST:PORT"),
    (["--remove-endpoint", "a.example.test:443"], "no endpoint a.example.test:443"),
    (["--add-allow", "api.github.com:443:GET"], "is not HOST:PORT:METHOD:PATH"),
    (["--add-allow", "api.github.com:80:GET:/"], "no endpoint api.github.com:80"),
    (["--remove-binary", "/x"], "of which rule?"),
    (["--remove-rule", "nosuch"], "no rule 'nosuch'"),
    (["--remove-rule", "test", "--remove-rule", "nosuch"], "no rule 'nosuch'"),
    (["--add-endpoint", "a.example.test:443", "--binary", "/x", "--rule-name", "_provider_x"], "reserved"),
])
def test_what_cannot_be_changed_says_why_and_changes_nothing(shared, api, words, why):
    shared.create("demo", policy=READ_GITHUB)
    out = shared.cli("policy", "update", "demo", *words)
    assert out.code == 1 and why in out.stderr, out
    assert api.GetSandboxPolicyStatus(name="demo").revision.version == 1


def test_operations_are_the_owners_and_of_one_sandbox(shared, api):
    shared.create("demo", policy=READ_GITHUB)
    me = local(shared, bearer=token(shared, shared.id_of("demo")))
    remove = [v1.PolicyMergeOperation(remove_rule=v1.RemoveNetworkRule(rule_name="test"))]
    rule = sb.NetworkPolicyRule(endpoints=[sb.NetworkEndpoint(host="a.example.test", port=443)],
                                binaries=[sb.NetworkBinary(path="/**")])
    add = [v1.PolicyMergeOperation(add_rule=v1.AddNetworkRule(rule_name="mine", rule=rule))]
    for ops in (remove, add):
        fails(Code.PERMISSION_DENIED, lambda ops=ops: me.UpdateConfig(name="demo", merge_operations=ops))
        fails(Code.PERMISSION_DENIED, lambda ops=ops: me.UpdateConfig(
            name="demo", merge_operations=ops, policy=wire(READ_GITHUB)))
    for more in ({"policy": wire(READ_GITHUB)}, {"setting_key": "x"}, {"global": True}):
        fails(Code.INVALID_ARGUMENT, lambda more=more: api.UpdateConfig(name="demo", merge_operations=remove, **more),
              "nothing else")
    fails(Code.INVALID_ARGUMENT, lambda: api.UpdateConfig(name="demo", merge_operations=[v1.PolicyMergeOperation()]))
    fails(Code.RESOURCE_EXHAUSTED, lambda: api.UpdateConfig(name="demo", merge_operations=add * 65))
    fails(Code.FAILED_PRECONDITION, lambda: api.UpdateConfig(name="demo", merge_operations=[*remove, *remove]), "no rule 'test'")
    assert api.GetSandboxPolicyStatus(name="demo").revision.version == 1
    api.UpdateConfig(policy=wire(READ_GITHUB), **{"global": True})
    try:
        fails(Code.FAILED_PRECONDITION, lambda: api.UpdateConfig(name="demo", merge_operations=remove), "managed globally")
    finally:
        api.UpdateConfig(setting_key="policy", delete_setting=True, **{"global": True})
    assert api.UpdateConfig(name="demo", merge_operations=[*remove, *add]).version == 2
    assert set(rules(api)) == {"mine"}
    me.close()
