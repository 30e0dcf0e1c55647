"""The real agents, from npm, confined: their model answers through a policy that allows only that."""
import os

import pytest

from harness import AGENTS, STAGE, upstream_requests

BIN = AGENTS / "node_modules/.bin"
PATH = f"{BIN}:{os.environ['PATH']}"

CLAUDE = (["claude", "-p", "hi"], "api.anthropic.com", "claude-code",
          ["ANTHROPIC_API_KEY=test", "DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"])
CODEX = (["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "hi"],
         "api.openai.com", "codex", ["CODEX_API_KEY=test"])


@pytest.mark.slow
@pytest.mark.parametrize("command,host,example,env", [CLAUDE, CODEX], ids=["claude", "codex"])
def test_agent_gets_its_answer_and_reaches_nothing_else(sandbox, command, host, example, env):
    policy = (STAGE / "examples" / example / "policy.yaml").read_text()
    options = [word for item in env for word in ("--env", item)]
    box = sandbox(policy=policy, options=options)
    (box.work / "README").write_text("a project\n")
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
