"""The real agents, from npm, confined: their model answers through a policy that allows only that."""
import json
import os

import pytest

from harness import AGENTS, STAGE, upstream_requests

BIN = AGENTS / "node_modules/.bin"
PATH = f"{BIN}:{os.environ['PATH']}"

CLAUDE = (["claude", "-p", "hi"], "api.anthropic.com", "claude-code",
          ["ANTHROPIC_API_KEY=test", "DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"])
CODEX = (["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "hi"],
         "api.openai.com", "codex", ["CODEX_API_KEY=test"])

OPENCODE = (["opencode", "run", "--model", "anthropic/claude-sonnet-4-5", "hi"], "api.anthropic.com", "opencode",
            ["ANTHROPIC_API_KEY=test", "OPENCODE_DISABLE_PROJECT_CONFIG=1", "OPENCODE_DISABLE_MODELS_FETCH=1"])
COPILOT = (["copilot", "-p", "hi"], "api.anthropic.com", "copilot",
           ["COPILOT_OFFLINE=true", "COPILOT_PROVIDER_TYPE=anthropic", "COPILOT_PROVIDER_API_KEY=test",
            "COPILOT_PROVIDER_BASE_URL=https://api.anthropic.com", "COPILOT_MODEL=claude-sonnet-4-5"])
AGENTS_THAT_RUN = dict(argnames="command,host,example,env", argvalues=[CLAUDE, CODEX, OPENCODE, COPILOT],
                       ids=["claude", "codex", "opencode", "copilot"])


@pytest.mark.slow
@pytest.mark.parametrize(**AGENTS_THAT_RUN)
def test_agent_gets_its_answer_and_reaches_nothing_else(sandbox, command, host, example, env):
    policy = (STAGE / "examples" / example / "policy.yaml").read_text()
    options = [word for item in env for word in ("--env", item)]
    box = sandbox(policy=policy, options=options)
    (box.work / "README").write_text("a project\n")
    (box.work / "opencode.json").write_text("{}\n")  # what keeps its place is no file that OpenCode can read
    before = len(upstream_requests(host))
    out = box.run(*command, env={"PATH": PATH}, timeout=120)
    assert out.code == 0, out
    assert out.stdout.strip(), out
    answered = upstream_requests(host)[before:]
    assert [r for r in answered if r["method"] == "POST"], out
    allowed = {e["host"] for e in out.events if e["action"] == "allow"}
    assert allowed == {host}, allowed
    for other in ("chatgpt.com", "github.com", "api.github.com"):
        assert not [e for e in out.events if e["action"] == "allow" and e.get("host") == other]


@pytest.mark.slow
@pytest.mark.parametrize("command,host,example,env", [CLAUDE, CODEX], ids=["claude", "codex"])
def test_agent_without_its_policy_gets_nothing(sandbox, command, host, example, env):
    options = [word for item in env for word in ("--env", item)]
    box = sandbox(options=[*options, "--timeout", "8"])
    before = len(upstream_requests(host))
    out = box.run(*command, env={"PATH": PATH}, timeout=120)
    assert out.code != 0, out
    assert len(upstream_requests(host)) == before
    assert [e for e in out.events if e["action"] == "deny" and e["host"] == host], out


def test_the_agents_installation_is_read_only_and_the_rest_of_its_folder_absent(sandbox):
    box = sandbox()
    out = box.run("sh", "-c", f"touch {AGENTS}/node_modules/x; ls {AGENTS.parent}", env={"PATH": PATH})
    assert out.code != 0, out
    assert not (AGENTS / "node_modules/x").exists()


@pytest.mark.slow
@pytest.mark.parametrize(**AGENTS_THAT_RUN)
def test_agent_in_a_sandbox_that_stays(shared, command, host, example, env):
    """Row 7 of the quickstart: sandbox create -- AGENT, confined, with its own status."""
    g = shared
    policy = STAGE / "examples" / example / "policy.yaml"
    before = len(upstream_requests(host))
    options = [word for item in env for word in ("--env", item)]
    out = g.cli("sandbox", "create", "--name", "agent", "--no-auto-providers", "--policy", policy, *options, "--", *command,
                env={"PATH": PATH}, timeout=120)
    assert out.code == 0 and out.stdout.strip(), out
    assert [r for r in upstream_requests(host)[before:] if r["method"] == "POST"], out
    # Confined: its host and no other, and the sandbox stays.
    assert g.phase("agent") == "ready"
    log = g.ok("logs", "agent", "--since", "5m").stdout
    for other in ("chatgpt.com", "github.com", "registry"):
        assert not [x for x in log.splitlines() if other in x and "action=allow" in x], log
    # A status of its own; and once more in the same sandbox, by the quickest of them.
    assert g.cli("sandbox", "exec", "agent", "--", command[0], "--no-such-option-at-all", env={"PATH": PATH}, timeout=60).code not in (0, 127)
    if command[0] != "claude":
        return
    again = g.cli("sandbox", "exec", *options, "agent", "--", *command, env={"PATH": PATH}, timeout=120)
    assert again.code == 0 and again.stdout.strip(), again


TOOLS = """
  tools:
    endpoints:
      - host: tools.example.test
        port: 443
        protocol: mcp
        rules:
          - allow: {method: server/discover}
          - allow: {method: initialize}
          - allow: {method: notifications/initialized}
          - allow: {method: tools/list}
          - allow: {method: tools/call, tool: read_note}
    binaries:
      - path: /**/@anthropic-ai/**
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["json", "sse"])
def test_claude_is_shown_only_the_tools_of_an_mcp_server_that_it_may_call(sandbox, where):
    command, host, example, env = CLAUDE
    policy = (STAGE / "examples" / example / "policy.yaml").read_text() + TOOLS
    box = sandbox(policy=policy, options=[word for item in env for word in ("--env", item)])
    (box.work / "mcp.json").write_text(json.dumps(
        {"mcpServers": {"notes": {"type": "http", "url": f"https://tools.example.test/{where}"}}}))
    before = len(upstream_requests("tools.example.test"))
    out = box.run(*command, "--mcp-config", "mcp.json", "--strict-mcp-config", env={"PATH": PATH}, timeout=120)
    assert out.code == 0 and out.stdout.strip(), out
    assert upstream_requests("tools.example.test")[before:], out
    assert out.event("L7_REQUEST", action="allow", operation="initialize"), out
    hidden = out.event("L7_RESPONSE", operation="tools/list")
    assert hidden and "2 of 3 tools not shown" in hidden[0]["reason"], out
    denied = out.event("L7_REQUEST", action="deny", host="tools.example.test")
    assert not denied, [(e.get("method"), e.get("operation"), e["reason"]) for e in denied]


@pytest.mark.slow
@pytest.mark.parametrize("command,host,example,env,provider", [(*CLAUDE, "claude"), (*OPENCODE, "anthropic")],
                         ids=["claude", "opencode"])
def test_agent_reaches_its_model_with_a_key_that_it_never_has(sandbox, command, host, example, env, provider):
    key = "sk-ant-api03-testnet0123456789abcdefghij"
    policy = (STAGE / "examples" / example / "policy.yaml").read_text()
    rest = [word for item in env if not item.startswith("ANTHROPIC") for word in ("--env", item)]
    box = sandbox(policy=policy, options=["--provider", provider, *rest])
    (box.work / "README").write_text("a project\n")
    (box.work / "opencode.json").write_text("{}\n")
    before = len(upstream_requests(host))
    out = box.run(*command, env={"PATH": PATH, "ANTHROPIC_API_KEY": key}, timeout=120)
    assert out.code == 0 and out.stdout.strip(), out
    posts = [r for r in upstream_requests(host)[before:] if r["method"] == "POST"]
    sent = {v for r in posts for n, v in r["headers"] if n.lower() in ("x-api-key", "authorization")}
    assert posts and sent <= {key, f"Bearer {key}"} and sent, (sent, out)
    assert key not in out.stdout + out.stderr
    assert box.run("sh", "-c", "echo $ANTHROPIC_API_KEY", env={"ANTHROPIC_API_KEY": key}).stdout == "openshell:resolve:env:ANTHROPIC_API_KEY\n"
