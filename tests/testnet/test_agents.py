"""The real agents get their answers from the test internet, no proxy between.

OPENSHELL_TEST_AGENTS names the folder that tests/agents/install filled;
without it this file installs them itself.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ANSWER = "Hello from the test internet."


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    where = os.environ.get("OPENSHELL_TEST_AGENTS")
    if not where:
        where = tmp_path_factory.mktemp("agents")
        subprocess.run([ROOT / "tests/agents/install", where], check=True)
    return pathlib.Path(where) / "node_modules" / ".bin"


def ask(agents, home, command, **env):
    """(output, names asked of DNS, requests that arrived)"""
    work = home / "work"
    work.mkdir()
    out = subprocess.run(
        [ROOT / "script/testnet", "--", "sh", "-c",
         '"$@" >out 2>err </dev/null; echo $? >status; '
         'cp "$TESTNET_DIR"/*.log .', "sh", *command],
        cwd=work, capture_output=True, text=True, timeout=120,
        env={"PATH": f"{agents}:/usr/bin:/bin", "HOME": str(home), **env})
    assert out.returncode == 0, out.stderr
    said = (work / "out").read_text()
    assert (work / "status").read_text() == "0\n", \
        said + (work / "err").read_text()

    def lines(name):
        return [json.loads(x) for x in (work / name).read_text().splitlines()]
    return (said, {x["name"] for x in lines("dns.log")},
            [(x["host"], x["method"], x["target"].split("?")[0])
             for x in lines("requests.log")])


def test_claude_code_answers(agents, tmp_path):
    said, names, requests = ask(
        agents, tmp_path, ["claude", "-p", "hi"], ANTHROPIC_API_KEY="test",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_AUTOUPDATER="1")
    assert said.strip() == ANSWER
    assert names == {"api.anthropic.com"}
    assert ("api.anthropic.com", "POST", "/v1/messages") in requests


def test_codex_answers_with_the_template(agents, tmp_path):
    (tmp_path / ".codex").mkdir()
    shutil.copy(ROOT / "tests/agents/codex-config.toml",
                tmp_path / ".codex" / "config.toml")
    said, names, requests = ask(
        agents, tmp_path, ["codex", "exec", "--skip-git-repo-check", "hi"],
        OPENAI_API_KEY="test")
    assert said.strip() == ANSWER
    assert names == {"api.openai.com"}
    assert requests == [("api.openai.com", "POST", "/v1/responses")]


def test_codex_falls_back_from_the_websocket(agents, tmp_path):
    """Without a configuration it tries one first, and asks more hosts."""
    said, _, requests = ask(
        agents, tmp_path, ["codex", "exec", "--skip-git-repo-check", "hi"],
        CODEX_API_KEY="test")
    assert said.strip() == ANSWER
    model = [r for r in requests if r[0] == "api.openai.com"]
    assert model == [("api.openai.com", "GET", "/v1/responses"),
                     ("api.openai.com", "POST", "/v1/responses")]
