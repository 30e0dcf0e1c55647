"""Settings: of a sandbox and of all, as the contract has them."""
import json

import pytest

from grpcapi import Code, fails, local, sb, token, v1
from gateway import READ_GITHUB
from harness import Terminal, until

PROPOSALS, MODE = "agent_policy_proposals_enabled", "proposal_approval_mode"
NONE, OWN, ALL = sb.SETTING_SCOPE_UNSPECIFIED, sb.SETTING_SCOPE_SANDBOX, sb.SETTING_SCOPE_GLOBAL
ON, OFF = sb.SettingValue(bool_value=True), sb.SettingValue(bool_value=False)
AUTO = sb.SettingValue(string_value="auto")


@pytest.fixture
def api(shared):
    c = local(shared)
    yield c
    for key in (PROPOSALS, MODE):
        c.UpdateConfig(setting_key=key, delete_setting=True, **{"global": True})
    c.close()


def put(api, key, value=None, name=""):
    return api.UpdateConfig(v1.UpdateConfigRequest(name=name, setting_key=key, setting_value=value, **{"global": not name}))


def drop(api, key, name=""):
    return api.UpdateConfig(name=name, setting_key=key, delete_setting=True, **{"global": not name})


def of(api, made):
    """{key: (value or None, scope)} of a sandbox."""
    return {k: (s.value if s.HasField("value") else None, s.scope) for k, s in api.GetSandboxConfig(sandbox_id=made).settings.items()}


def sandbox(g, api, name):
    g.create(name, policy=READ_GITHUB)
    return api.GetSandbox(name=name).sandbox.id


def test_a_key_is_the_ones_of_all_then_its_own_then_nobodys(shared, api):
    made = sandbox(shared, api, "demo")
    other = sandbox(shared, api, "other")
    assert of(api, made) == {PROPOSALS: (None, NONE), MODE: (None, NONE)}
    before = api.GetSandboxConfig(sandbox_id=made).config_revision
    first = put(api, PROPOSALS, ON, "demo")
    assert first.settings_revision == 1 and not first.deleted and first.version == 0
    assert of(api, made)[PROPOSALS] == (ON, OWN) and of(api, other)[PROPOSALS] == (None, NONE)
    assert api.GetSandboxConfig(sandbox_id=made).config_revision != before
    # An equal value is no change.
    assert put(api, PROPOSALS, ON, "demo").settings_revision == 1
    put(api, PROPOSALS, OFF)
    assert of(api, made)[PROPOSALS] == (OFF, ALL) == of(api, other)[PROPOSALS]
    fails(Code.FAILED_PRECONDITION, lambda: put(api, PROPOSALS, ON, "demo"),
          f"setting '{PROPOSALS}' is managed globally; delete the global setting before sandbox update")
    fails(Code.FAILED_PRECONDITION, lambda: drop(api, PROPOSALS, "demo"),
          f"setting '{PROPOSALS}' is managed globally; delete the global setting first")
    assert drop(api, PROPOSALS).deleted
    assert of(api, made)[PROPOSALS] == (ON, OWN)
    gone = drop(api, PROPOSALS, "demo")
    assert gone.deleted and gone.settings_revision == 2
    again = drop(api, PROPOSALS, "demo")
    assert not again.deleted and again.settings_revision == 2
    assert of(api, made)[PROPOSALS] == (None, NONE)
    assert api.GetSandboxConfig(sandbox_id=made).config_revision == before


def test_the_settings_of_all_are_read_with_their_revision(shared, api):
    before = api.GetGatewayConfig()
    assert set(before.settings) == {PROPOSALS, MODE}
    assert not any(v.WhichOneof("value") for v in before.settings.values())
    assert put(api, MODE, AUTO).settings_revision == before.settings_revision + 1
    after = api.GetGatewayConfig()
    assert after.settings_revision == before.settings_revision + 1 and after.settings[MODE] == AUTO
    assert set(after.settings) == {PROPOSALS, MODE}
    assert drop(api, MODE).settings_revision == before.settings_revision + 2
    assert not drop(api, MODE).deleted
    assert api.GetGatewayConfig().settings_revision == before.settings_revision + 2


def test_what_cannot_be_set_is_refused(shared, api):
    sandbox(shared, api, "demo")
    bad = lambda text, *a: fails(Code.INVALID_ARGUMENT, lambda: put(api, *a), text)  # noqa: E731
    allowed = f"unknown setting key 'nosuch'. Allowed keys: {PROPOSALS}, {MODE}"
    for name in ("", "demo"):
        bad(allowed, "nosuch", ON, name)
        bad("setting_value is required", MODE, None, name)
        bad("setting_value.value is required", MODE, sb.SettingValue(), name)
        bad(f"setting '{MODE}' expects string value; bytes are not supported for this key", MODE,
            sb.SettingValue(bytes_value=b"auto"), name)
        bad(f"setting '{MODE}' expects string value", MODE, ON, name)
        bad(f"setting '{PROPOSALS}' expects bool value", PROPOSALS, sb.SettingValue(int_value=1), name)
        bad(f"setting '{MODE}' must be one of: manual, auto", MODE, sb.SettingValue(string_value="always"), name)
    bad("reserved key 'policy' must be set via the policy field", "policy", ON)
    bad("reserved key 'policy' must be set via policy commands", "policy", ON, "demo")
    fails(Code.INVALID_ARGUMENT, lambda: drop(api, "nosuch"), allowed)
    assert not drop(api, "nosuch", "demo").deleted
    fails(Code.NOT_FOUND, lambda: put(api, MODE, AUTO, "nobody"), "sandbox not found")
    assert put(api, f" {MODE} ", AUTO, "demo").settings_revision == 1


def test_a_sandbox_sets_nothing_of_its_own(shared, api):
    made = sandbox(shared, api, "demo")
    own = local(shared, bearer=token(shared, made))
    for ask in (lambda: put(own, PROPOSALS, ON, "demo"), lambda: drop(own, PROPOSALS, "demo"), lambda: put(own, PROPOSALS, ON)):
        fails(Code.PERMISSION_DENIED, ask)
    assert of(api, made)[PROPOSALS] == (None, NONE)
    put(api, PROPOSALS, ON, "demo")
    assert own.GetSandboxConfig(sandbox_id=made).settings[PROPOSALS].value == ON
    own.close()


def test_they_go_with_the_sandbox_and_survive_the_gateway(gateway):
    g = gateway
    api = local(g)
    made = sandbox(g, api, "demo")
    put(api, PROPOSALS, ON, "demo")
    put(api, MODE, AUTO)
    api.close()
    g.stop()
    g.start()
    api = local(g)
    assert of(api, made) == {PROPOSALS: (ON, OWN), MODE: (AUTO, ALL)}
    g.ok("sandbox", "delete", "demo")
    made = sandbox(g, api, "demo")
    assert of(api, made)[PROPOSALS] == (None, NONE)
    assert put(api, PROPOSALS, ON, "demo").settings_revision == 1
    until(lambda: f"setting {PROPOSALS} is now true" in g.ok("logs", "demo").stdout, 10, "the log line")
    api.close()


# --- the command ---

def test_the_command_sets_shows_and_deletes(shared, api):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    out = g.ok("settings", "get", "demo").stdout
    assert out.startswith("Sandbox:       demo\n") and "\nPolicy Source: sandbox\n" in out, out
    assert out.endswith(f"Settings:\n  {PROPOSALS} = <unset> (unset: false)\n  {MODE} = <unset> (unset: manual)\n"), out
    out = g.ok("settings", "set", "demo", "--key", PROPOSALS, "--value", "YES")
    assert out.stdout.endswith(f" Set sandbox setting {PROPOSALS}=true for demo (revision 1)\n"), out
    assert f"  {PROPOSALS} = true (sandbox)\n" in g.ok("settings", "get", "demo").stdout
    before = api.GetGatewayConfig().settings_revision
    out = g.ok("settings", "set", "--global", "--yes", "--key", MODE, "--value", "auto")
    assert out.stdout.endswith(f" Set global setting {MODE}=auto (revision {before + 1})\n"), out
    out = g.ok("settings", "get", "--global").stdout
    assert out == (f"Scope:         global\nSettings Rev:  {before + 1}\nSettings:\n"
                   f"  {PROPOSALS} = <unset>\n  {MODE} = auto\n"), out
    out = g.cli("settings", "set", "demo", "--key", MODE, "--value", "manual")
    assert out.code == 1 and "is managed globally; delete the global setting before sandbox update" in out.stderr, out
    out = g.cli("settings", "delete", "demo", "--key", MODE)
    assert out.code == 1 and "is managed globally; delete the global setting first" in out.stderr, out
    got = g.json("settings", "get", "demo")
    assert list(got) == ["config_revision", "policy_hash", "policy_source", "sandbox", "settings"]
    assert got["settings"] == {PROPOSALS: {"scope": "sandbox", "value": True}, MODE: {"scope": "global", "value": "auto"}}
    assert g.json("settings", "get", "--global") == {
        "scope": "global", "settings": {PROPOSALS: None, MODE: "auto"}, "settings_revision": before + 1}
    assert json.loads(g.ok("settings", "get", "demo", "--json").stdout)["settings"][PROPOSALS] == {"scope": "sandbox", "value": "true"}
    out = g.ok("settings", "delete", "demo", "--key", PROPOSALS)
    assert out.stdout.endswith(f" Deleted sandbox setting {PROPOSALS} for demo (revision 2)\n"), out
    out = g.ok("settings", "delete", "demo", "--key", PROPOSALS)
    assert out.stdout == f"! Sandbox setting {PROPOSALS} not found for demo\n", out
    out = g.ok("settings", "delete", "--global", "--yes", "--key", MODE)
    assert out.stdout.endswith(f" Deleted global setting {MODE} (revision {before + 2})\n"), out
    assert g.ok("settings", "delete", "--global", "--yes", "--key", MODE).stdout == f"! Global setting {MODE} not found\n"


def test_the_command_refuses_before_it_asks_and_asks_before_it_changes_everything(shared, api):
    g = shared
    out = g.cli("settings", "set", "--global", "--key", "log_level", "--value", "debug")
    assert out.code == 1 and f"unknown setting key 'log_level'. Allowed keys: {PROPOSALS}, {MODE}" in out.stderr, out
    out = g.cli("settings", "set", "--global", "--key", PROPOSALS, "--value", "maybe")
    assert out.code == 1 and f"invalid bool value 'maybe' for key '{PROPOSALS}'" in out.stderr, out
    for what, more in (("updates", ["set", "--value", "on"]), ("deletes", ["delete"])):
        out = g.cli("settings", *more, "--global", "--key", PROPOSALS)
        assert out.code == 1 and f"global setting {what} require confirmation; pass --yes in non-interactive mode" in out.stderr, out
    out = g.cli("settings", "get", "demo", "--global")
    assert out.code == 1 and "settings get --global does not accept a sandbox name" in out.stderr, out
    for more in (["set", "--yes", "--key", PROPOSALS, "--value", "on"], ["delete", "--yes", "--key", PROPOSALS]):
        out = g.cli("settings", more[0], "demo", "--global", *more[1:])
        assert out.code == 1 and "--global does not accept a sandbox name" in out.stderr, out
    for answer, code in ((b"\n", 1), (b"n\n", 1), (b"y\n", 0)):
        term = Terminal(g.argv("settings", "set", "--global", "--key", PROPOSALS, "--value", "on"), g.work, env=g.env)
        term.expect(b"[y/N]")
        assert not api.GetGatewayConfig().settings[PROPOSALS].WhichOneof("value")
        term.send(answer)
        assert term.wait() == code
    assert api.GetGatewayConfig().settings[PROPOSALS] == ON


def test_keys_complete(shared):
    out = shared.ok("__complete", "5", "--", "openshell", "settings", "set", "demo", "--key", "prop").stdout
    assert out.startswith(f"{MODE}\t") and out.count("\n") == 1, out
