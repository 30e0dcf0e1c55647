"""What an attacker tried and got, once: each line fails inside and the same act works outside."""
import base64
import json
import os
import stat
import subprocess

import pytest

from harness import MODE, STAGE, network, rest, upstream_requests

INSIDE = str(STAGE / "tests/integration/inside.py")
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "safe.directory=*")


def git(where, *args):
    done = subprocess.run([*GIT, *args], cwd=where, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def repository(sandbox, tmp_path):
    """A box whose work directory is a repository with one commit, and a trap that git would spring."""
    box = sandbox()
    trap = tmp_path / "trap"
    sprung = tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho sprung > {sprung}\n")
    trap.chmod(0o755)
    git(box.work, "init", "-q", ".")
    git(box.work, "commit", "-q", "--allow-empty", "-m", "first")
    box.trap, box.sprung = trap, sprung
    return box


# A second git directory whose configuration runs the trap, and what leads git to it.
def plant(box, where, to):
    return f"""
        mkdir evil && cp -r .git/objects .git/refs .git/HEAD evil/
        printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = {box.trap}\\n' > evil/config
        echo {to} > {where}"""


def test_a62_commondir_cannot_lead_git_to_another_configuration(repository):
    box = repository
    script = plant(box, ".git/commondir", "../evil")
    out = box.run("sh", "-c", script + " || mv .git/commondir .git/x || rm -rf .git/commondir;"
                  " git status && git log --oneline")
    assert "first" in out.stdout, out
    git(box.work, "status")
    assert not box.sprung.exists(), out
    assert not (box.work / ".git/commondir").exists()
    # The other side: without the sandbox this is how the trap springs.
    subprocess.run(["sh", "-c", "rm -rf evil;" + script], cwd=box.work, check=True, timeout=60)
    git(box.work, "status")
    assert box.sprung.exists()


def test_a62_worktrees_elsewhere_keep_their_configuration(repository, tmp_path):
    box = repository
    tree = tmp_path / "tree"
    git(box.work, "worktree", "add", "-q", str(tree))
    script = plant(box, ".git/worktrees/tree/commondir", "../../../evil")
    out = box.run("sh", "-c", script + " || mv .git/worktrees .git/w || mv .git/worktrees/tree .git/worktrees/t;"
                  " git worktree add -q inner && echo made")
    assert "made" in out.stdout, out
    git(tree, "status")
    assert not box.sprung.exists(), out
    subprocess.run(["sh", "-c", "rm -rf evil;" + script], cwd=box.work, check=True, timeout=60)
    git(tree, "status")
    assert box.sprung.exists()


def test_git_works_where_a_configuration_of_the_worktree_is_expected(repository):
    box = repository
    git(box.work, "config", "extensions.worktreeConfig", "true")
    out = box.run("sh", "-c", "git status && ! git config --worktree core.fsmonitor x 2>/dev/null && echo kept")
    assert out.code == 0 and "kept" in out.stdout, out
    assert not (box.work / ".git/config.worktree").exists()


def test_no_program_of_roots_group_is_left_behind(sandbox):
    out = (box := sandbox()).run("sh", "-c", "cp /usr/bin/id p && chmod 755 p && echo plain;"
                              " chmod 2755 p; chmod 4755 p; chmod u+s p")
    assert "plain" in out.stdout, out
    mode = os.stat(box.work / "p").st_mode
    assert not mode & stat.S_ISUID
    if MODE == "root":
        assert not mode & stat.S_ISGID
    os.chmod(box.work / "p", 0o6755)
    assert os.stat(box.work / "p").st_mode & 0o6000 == 0o6000


OVERRIDES = ["X-HTTP-Method-Override: DELETE", "x-http-method: DELETE", "X-Method-Override: PUT",
             "X_HTTP_Method_Override: DELETE", "x-http_method: DELETE", "X-Original-URL: /status/200",
             "X-Rewrite-Url: /status/200"]


def ask(box, extra, forward=False, method="POST", query=""):
    head = f"Host: files.example.test\r\nContent-Length: 0\r\n{extra}\r\n\r\n"
    target = ("http://files.example.test/echo" if forward else "/echo") + query
    send = base64.b64encode(f"{method} {target} HTTP/1.1\r\n{head}".encode()).decode()
    what = {"connect": None if forward else "files.example.test:443", "tls": not forward, "send": [send]}
    out = box.run("/usr/bin/python3", INSIDE, input=json.dumps(what).encode(), options=["--ro", str(STAGE)])
    assert out.code == 0, out
    return json.loads(out.stdout)["answers"][0]["status"], out


@pytest.mark.parametrize("forward", [False, True], ids=["tunnel", "forward"])
@pytest.mark.parametrize("field", OVERRIDES)
def test_fields_that_name_another_method_or_path_are_denied(sandbox, field, forward):
    rules = [{"allow": {"method": "POST", "path": "/echo"}}]
    ports = [{"host": "files.example.test", "port": p, "protocol": "rest", "enforcement": "enforce", "rules": rules}
             for p in (80, 443)]
    box = sandbox(policy=network(*ports))
    before = len(upstream_requests("files.example.test"))
    status, out = ask(box, field, forward)
    assert status == 403, out
    assert len([e for e in out.events if e["action"] == "deny"]) == 1, out
    assert len(upstream_requests("files.example.test")) == before
    # The other side: the same request without it, and with it where no method is judged.
    assert ask(box, "X-Other: 1", forward)[0] == 200
    free = sandbox(policy=network({"host": "files.example.test", "port": 80},
                                  {"host": "files.example.test", "port": 443}))
    assert ask(free, field, forward)[0] == 200


@pytest.mark.parametrize("forward", [False, True], ids=["tunnel", "forward"])
@pytest.mark.parametrize("query", ["?_method=DELETE", "?a=b&%5Fmethod=delete", "?.Method=PUT", "?_method=POST&_method=DELETE"])
def test_a_parameter_that_names_another_method_is_judged_as_it(sandbox, query, forward):
    def endpoints(*methods):
        rules = [{"allow": {"method": m, "path": "/echo"}} for m in methods]
        return network(*({"host": "files.example.test", "port": p, "protocol": "rest", "rules": rules} for p in (80, 443)))

    box = sandbox(policy=endpoints("POST", "GET"))
    before = len(upstream_requests("files.example.test"))
    status, out = ask(box, "X: 1", forward, query=query)
    assert status == 403, out
    denied = [e for e in out.events if e["action"] == "deny"]
    assert len(denied) == 1 and "_method" in denied[0]["reason"] and "suggestion" not in denied[0], out
    assert len(upstream_requests("files.example.test")) == before
    # The other side: no other method, no POST, and rules that allow what it becomes.
    assert ask(box, "X: 1", forward, query="?_method=POST&method=DELETE")[0] == 200
    assert ask(box, "X: 1", forward, method="GET", query=query)[0] == 200
    assert ask(sandbox(policy=endpoints("POST", "DELETE", "PUT")), "X: 1", forward, query=query)[0] == 200
