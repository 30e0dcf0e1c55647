"""Real clients, each with its own idea of proxy and CA variables, on HTTPS through the proxy."""
import hashlib
import os
import shutil

import pytest

from harness import AGENTS, STAGE, network, rest, upstream_requests

GITHUB = network(rest("api.github.com"))
ZEN = "https://api.github.com/zen"


def wide(*hosts):
    return network(*[rest(h, access="full") for h in hosts])


PYTHON = "/usr/bin/python3"
URLLIB = "import urllib.request,sys; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"
REQUESTS = "import requests,sys; r=requests.get(sys.argv[1]); r.raise_for_status(); sys.stdout.write(r.text)"
HTTPX = "import httpx,sys; r=httpx.get(sys.argv[1]); r.raise_for_status(); sys.stdout.write(r.text)"
FETCH = ("fetch(process.argv[1]).then(async r=>{if(!r.ok)throw new Error('status '+r.status);"
         "process.stdout.write(await r.text())}).catch(e=>{console.error(e);process.exit(1)})")

CLIENTS = {
    "curl": ["curl", "-sSf"],
    "wget": ["wget", "-q", "-O", "-"],
    "urllib": [PYTHON, "-c", URLLIB],
    "requests": [PYTHON, "-c", REQUESTS],
    "httpx": [PYTHON, "-c", HTTPX],
    "node": [str(AGENTS / "node_modules/.bin/node"), "-e", FETCH],
    "go": [str(STAGE / "goclient"), "GET"],
}


@pytest.mark.parametrize("name", CLIENTS)
def test_client_reaches_an_allowed_host_and_no_other(sandbox, name):
    options = ["--ro", str(STAGE)] if name == "go" else []
    box = sandbox(policy=GITHUB, options=options)
    out = box.run(*CLIENTS[name], ZEN)
    assert out.code == 0, out
    assert "logically" in out.stdout, out
    asked = out.event("L7_REQUEST", action="allow", host="api.github.com", method="GET", path="/zen")
    assert len(asked) == 1, out

    before = len(upstream_requests("files.example.test"))
    out = box.run(*CLIENTS[name], "https://files.example.test/bytes/10")
    assert out.code != 0, out
    assert out.event("CONNECT", action="deny", host="files.example.test"), out
    assert len(upstream_requests("files.example.test")) == before


def test_the_program_is_named_in_every_record(sandbox):
    box = sandbox(policy=GITHUB)
    out = box.run("sh", "-c", f"curl -sS {ZEN} && wget -qO- {ZEN}")
    assert out.code == 0, out
    programs = [os.path.basename(e["binary"]) for e in out.event("L7_REQUEST", action="allow")]
    assert programs == ["curl", "wget"], out


GIT_READ = network(rest("github.com", access=None, rules=[
    {"allow": {"method": "GET", "path": "/**/info/refs*"}},
    {"allow": {"method": "POST", "path": "/**/git-upload-pack"}}]))
del GIT_READ["network_policies"]["test"]["endpoints"][0]["access"]


def test_git_clones_but_may_not_push(sandbox):
    box = sandbox(policy=GIT_READ)
    script = """set -e
        git clone -q https://github.com/octocat/hello-world.git repo
        cd repo
        git log --oneline | head -1
        git config user.email a@b.c; git config user.name n
        echo new > new.txt; git add new.txt; git commit -qm new
        git push -q origin HEAD && echo PUSHED || echo push refused: $?"""
    # The clone lies in /tmp: inside the work directory .git is protected.
    out = box.run("sh", "-c", f"cd /tmp && {script}")
    assert out.code == 0, out
    assert "push refused" in out.stdout and "PUSHED" not in out.stdout, out
    assert out.event("L7_REQUEST", action="deny", host="github.com", method="POST"), out
    # Two-sided: the origin itself accepts a push where policy does.
    out = sandbox(policy=wide("github.com")).run("sh", "-c", f"cd /tmp && {script}")
    assert "PUSHED" in out.stdout, out


def test_pip_installs_from_an_allowed_index(sandbox):
    box = sandbox(policy=wide("pypi.example.test"))
    out = box.run("sh", "-c", f"{PYTHON} -m venv --without-pip /tmp/v 2>/dev/null;"
                  " curl -sSf https://pypi.example.test/simple/testnet-tiny/")
    assert out.code == 0 and "testnet" in out.stdout, out


def test_npm_installs_from_an_allowed_index(sandbox):
    npm = shutil.which("npm")
    assert npm, "npm is not on this machine"
    box = sandbox(policy=wide("registry.npm.example.test"))
    out = box.run("sh", "-c", "cd /tmp && npm install --no-audit --no-fund --no-update-notifier"
                  " --registry https://registry.npm.example.test testnet-tiny"
                  " && ls node_modules/testnet-tiny", timeout=120)
    assert out.code == 0 and "package.json" in out.stdout, out


def test_plain_http_in_absolute_form_is_judged_request_by_request(sandbox):
    box = sandbox(policy=network(rest("files.example.test", port=80)))
    out = box.run("sh", "-c", "curl -sS http://files.example.test/bytes/4 | wc -c;"
                  " curl -sS -X POST -d x http://files.example.test/echo")
    assert out.stdout.startswith("4\n"), out
    assert '"policy_denied"' in out.stdout, out
    assert out.event("FORWARD_L7", action="deny", method="POST", path="/echo"), out


def test_upload_and_download_bodies_arrive_whole(sandbox):
    box = sandbox(policy=wide("files.example.test"))
    out = box.run("sh", "-c", """
        head -c 3000000 /dev/zero > /tmp/up
        curl -sSf --data-binary @/tmp/up https://files.example.test/echo
        curl -sSf -H 'Transfer-Encoding: chunked' --data-binary @/tmp/up https://files.example.test/echo
        curl -sSf -H 'Expect: 100-continue' --data-binary @/tmp/up https://files.example.test/echo
        curl -sSf https://files.example.test/bytes/5000000 | wc -c
        curl -sSf https://files.example.test/chunked/5000000 | wc -c""")
    assert out.code == 0, out

    digest = hashlib.sha256(bytes(3000000)).hexdigest()
    assert out.stdout.count(digest) == 3, out
    assert out.stdout.split()[-2:] == ["5000000", "5000000"], out


def test_many_requests_on_one_connection(sandbox):
    box = sandbox(policy=GITHUB)
    out = box.run("curl", "-sSf", *[ZEN] * 20)
    assert out.code == 0, out
    asked = out.event("L7_REQUEST", action="allow")
    assert len(asked) == 20 and len({e["connection"] for e in asked}) == 1, out
