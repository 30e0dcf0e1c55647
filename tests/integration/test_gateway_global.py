"""The policy of every sandbox at once: policy set, get, list and delete --global."""
import contextlib
import json

import pytest

from gateway import READ_GITHUB, ZEN
from grpcapi import sb, secure, wire
from harness import FILESYSTEM, Terminal, network, rest, until

DENIED = {"version": 1, "filesystem_policy": FILESYSTEM}
ORIGIN = "https://api.openai.com/"
OTHER = network(rest("api.openai.com"))


def zen(g, name):
    return g.exec(name, "curl", "-sSf", ZEN).code


@pytest.fixture
def g(shared):
    yield shared
    shared.cli("policy", "delete", "--global", "--yes")


def set_global(g, policy, *options):
    return g.ok("policy", "set", "--global", "--yes", "--policy", g.policy(policy), *options)


def in_force(g, name, version):
    until(lambda: f"global policy version {version} is in force" in g.ok("logs", name).stdout, 10, "the global policy")


def test_it_holds_for_every_sandbox_at_once_and_its_delete_gives_each_its_own_back(g):
    g.create("may", policy=READ_GITHUB)
    g.create("maynot", policy=DENIED)
    assert zen(g, "may") == 0 and zen(g, "maynot") == 22
    out = set_global(g, OTHER)
    assert out.stdout == "" and "Global policy configured (hash: " in out.stderr and "settings revision: " in out.stderr, out
    version = g.json("policy", "get", "--global")["version"]
    for name in ("may", "maynot"):
        in_force(g, name, version)
        assert zen(g, name) == 22
        assert g.exec(name, "curl", "-sS", "-o", "/dev/null", ORIGIN).code == 0
    # A sandbox's own is locked, shown with a word, and none of its revisions is touched.
    out = g.cli("policy", "set", "may", "--policy", g.policy(DENIED))
    assert out.code == 1 and "policy is managed globally; delete global policy before sandbox policy update" in out.stderr, out
    out = g.ok("policy", "get", "may")
    assert f"Global policy version {version} is in force in its place" in out.stderr, out
    assert g.json("policy", "get", "may")["version"] == 1
    assert g.json("sandbox", "get", "may")["policy_source"] == "global"
    out = g.ok("policy", "delete", "--global", "--yes")
    assert "Deleted global setting policy (revision " in out.stdout, out
    until(lambda: zen(g, "may") == 0, 10, "its own policy again")
    assert zen(g, "maynot") == 22
    assert "in its place" not in g.ok("policy", "get", "may").stderr
    assert g.json("sandbox", "get", "may")["policy_source"] == "sandbox"
    g.ok("policy", "set", "maynot", "--policy", g.policy(READ_GITHUB), "--wait")
    assert zen(g, "maynot") == 0


def test_a_sandbox_made_under_it_begins_under_it(g):
    read_only = [*FILESYSTEM["read_only"], "/opt"]
    set_global(g, {**OTHER, "filesystem_policy": {**FILESYSTEM, "read_only": read_only}})
    version = g.json("policy", "get", "--global")["version"]
    # What it runs first is judged already.
    out = g.cli("sandbox", "create", "--name", "demo", "--policy", g.policy(READ_GITHUB), "--", "curl", "-sSf", ZEN)
    assert out.code == 22, out
    assert f"made under global policy version {version}" in g.ok("logs", "demo").stdout
    assert "/opt" in g.ok("policy", "get", "demo").stdout
    g.ok("policy", "delete", "--global", "--yes")
    until(lambda: zen(g, "demo") == 0, 10, "its own policy")


def test_it_reaches_who_was_away(gateway):
    g = gateway
    g.create("demo", policy=READ_GITHUB)
    set_global(g, OTHER)
    g.kill_gateway()
    assert zen(g, "demo") != 0  # no gateway, no command
    g.start()
    g.wait_phase("demo", "ready")
    assert zen(g, "demo") == 22
    g.stop_at_once()
    g.start()
    g.wait_phase("demo", "ready")
    g.ok("policy", "delete", "--global", "--yes")
    until(lambda: zen(g, "demo") == 0, 10, "its own policy")


def test_revisions_are_listed_and_shown(g):
    set_global(g, READ_GITHUB)
    first = g.json("policy", "get", "--global")
    assert first["scope"] == "global" and first["status"] == "Loaded" and "active_version" not in first, first
    assert set_global(g, READ_GITHUB).stderr.split("(")[1] == set_global(g, READ_GITHUB).stderr.split("(")[1]
    assert g.json("policy", "get", "--global")["version"] == first["version"]
    set_global(g, OTHER)
    rows = {r["version"]: r["status"] for r in g.json("policy", "list", "--global")}
    assert rows[first["version"] + 1] == "Loaded" and rows[first["version"]] == "Superseded", rows
    # What is shown can be set again.
    again = g.home / "again.yaml"
    again.write_bytes(g.ok("policy", "get", "--global").out)
    set_global(g, again.read_text())
    assert g.json("policy", "get", "--global")["version"] == first["version"] + 1
    old = g.ok("policy", "get", "--global", "--rev", first["version"]).stdout
    assert "api.github.com" in old
    g.ok("policy", "delete", "--global", "--yes")
    assert {r["status"] for r in g.json("policy", "list", "--global")} == {"Superseded"}
    out = g.ok("policy", "delete", "--global", "--yes")
    assert "Global setting policy not found" in out.stdout, out


def test_the_config_of_a_sandbox_names_its_source(g):
    g.create("demo", policy=READ_GITHUB)
    with contextlib.closing(secure(g)) as api:
        i = g.id_of("demo")
        own = api.GetSandboxConfig(sandbox_id=i)
        assert own.policy_source == sb.POLICY_SOURCE_SANDBOX and own.global_policy_version == 0
        before = api.GetGatewayConfig()
        assert "policy" not in before.settings
        made = api.UpdateConfig(policy=wire(OTHER), **{"global": True})
        over = api.GetSandboxConfig(sandbox_id=i)
        assert over.policy_source == sb.POLICY_SOURCE_GLOBAL and over.global_policy_version == made.version, over
        assert over.policy_hash == made.policy_hash and over.config_revision != own.config_revision
        assert over.version == own.version and list(over.policy.network_policies)
        after = api.GetGatewayConfig()
        assert after.settings_revision == before.settings_revision + 1 == made.settings_revision
        assert sb.SandboxPolicy.FromString(after.settings["policy"].bytes_value) == over.policy
        gone = api.UpdateConfig(setting_key="policy", delete_setting=True, **{"global": True})
        assert gone.deleted and api.GetSandboxConfig(sandbox_id=i) == own


def test_it_is_asked_before_it_changes_everything(g):
    path = g.policy(OTHER)
    out = g.cli("policy", "set", "--global", "--policy", path)
    assert out.code == 1 and "global setting updates require confirmation; pass --yes in non-interactive mode" in out.stderr, out
    out = g.cli("policy", "delete", "--global")
    assert out.code == 1 and "global setting deletes require confirmation" in out.stderr, out
    out = g.cli("policy", "set", "--global", "--yes", "--wait", "--policy", path)
    assert out.code == 1 and "--wait is not supported for global policies" in out.stderr, out
    for command in (["set", "--policy", path], ["get"], ["list"]):
        out = g.cli("policy", command[0], "demo", "--global", *command[1:], *(["--yes"] if command[0] == "set" else []))
        assert out.code == 1 and "--global does not accept a sandbox name" in out.stderr, out
    # A file with faults is told before anybody is asked.
    term = Terminal(g.argv("policy", "set", "--global", "--policy", g.policy({"version": 1, "nosuch": 1})), g.work, env=g.env)
    assert term.wait() == 1
    for answer, code in ((b"\n", 1), (b"n\n", 1), (b"y\n", 0)):
        term = Terminal(g.argv("policy", "set", "--global", "--policy", path), g.work, env=g.env)
        term.expect(b"[y/N]")
        term.send(answer)
        assert term.wait() == code
    assert "api.openai.com" in json.dumps(g.json("policy", "get", "--global"))
