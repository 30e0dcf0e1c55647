"""One verdict everywhere: what the proxy does, what policy test says, what a suggestion promises."""
import json
import subprocess

import pytest

from harness import OPENSHELL, network, rest, upstream_requests

CURL, WGET, PYTHON = "/usr/bin/curl", "/usr/bin/wget", "/usr/bin/python3"


def cli(*args):
    return subprocess.run([OPENSHELL, *map(str, args)], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)


def canonical(box):
    """The policy of a box as text, in the form that suggestions are written in."""
    shown = cli("policy", "show", box.policy)
    assert shown.returncode == 0, shown
    return shown.stdout


def paste(text, suggestion):
    """Puts a suggestion where it says it belongs, as a person would."""
    lines = suggestion.splitlines()
    if not lines[0].lstrip().startswith("#"):
        if "network_policies:" not in text:
            text += "network_policies:\n"
        return text.replace("network_policies: {}\n", "network_policies:\n") + suggestion
    # "# add to the WHAT of ...": what is below WHAT goes below the same line of the policy.
    what = lines[0].split()[4] + ":"
    at = next(i for i, line in enumerate(lines) if line.strip() == what)
    out = text.splitlines()
    below = out.index(lines[at], out.index(lines[1])) + 1
    return "\n".join([*out[:below], *lines[at + 1:], *out[below:], ""])


GET = [CURL, "-sS", "-o", "/dev/null", "-w", "%{http_code}"]
ZEN = "https://api.github.com/zen"
REPOS = "https://api.github.com/repos/octocat/hello-world"
SUGGESTED = {
    "nothing is allowed": (network(), [*GET, ZEN]),
    "plain http": (network(), [*GET, "http://files.example.test/bytes/4"]),
    "another program": (network(rest("api.github.com"), binaries=[CURL]), [WGET, "-qO", "/dev/null", ZEN]),
    "another port": (network(rest("files.example.test")), [*GET, "http://files.example.test/bytes/4"]),
    "another host": (network(rest("api.github.com")), [*GET, "https://files.example.test/bytes/4"]),
    "a method that access leaves out": (network(rest("files.example.test")),
                                        [*GET, "-X", "POST", "-d", "x", "https://files.example.test/echo"]),
    "a path that no rule names": (network({"host": "api.github.com", "port": 443, "protocol": "rest", "rules": [
        {"allow": {"method": "GET", "path": "/zen"}}]}), [*GET, REPOS]),
    "a path with glob characters in it": (network({"host": "files.example.test", "port": 443, "protocol": "rest", "rules": [
        {"allow": {"method": "GET", "path": "/echo"}}]}), [*GET, "-g", "https://files.example.test/bytes/4*[x]"]),
    "a method nobody knows": (network(rest("files.example.test")),
                              [*GET, "-X", "PROPFIND", "https://files.example.test/bytes/4"]),
    "a query that no rule names": (network({"host": "files.example.test", "port": 443, "protocol": "rest", "rules": [
        {"allow": {"method": "GET", "path": "/slow", "query": {"ms": "1"}}}]}),
        [*GET, "https://files.example.test/slow?ms=2"]),
    "a host by wildcard": (network(rest("*.github.com")), [*GET, "-X", "POST", "-d", "x", ZEN]),
    "a first request that would write": (network(), [*GET, "-X", "DELETE", "https://files.example.test/bytes/4"]),
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_a_suggestion_pasted_into_the_policy_is_valid_and_allows_the_request(sandbox, name):
    policy, command = SUGGESTED[name]
    box = sandbox(policy=policy)
    text = canonical(box)
    # First the connection, then the request: at most two suggestions.
    for pasted in range(3):
        box.write_policy(text)
        assert cli("policy", "check", box.policy).returncode == 0, text
        out = box.run(*command)
        refused = out.event(action="deny")
        if not refused:
            break
        assert pasted < 2, (out, text)
        suggestion = refused[0]["suggestion"]
        text = paste(text, suggestion)
        box.write_policy(text)
        checked = cli("policy", "check", box.policy)
        assert checked.returncode == 0, (checked.stdout + checked.stderr, suggestion, text)
    assert pasted > 0, "it was allowed without any suggestion"
    assert out.event(action="allow") and out.stdout.strip() not in ("000", "403"), (out, text)


TABLE = {"version": 1, "network_policies": {
    "readers": {"endpoints": [{"host": "api.github.com", "port": 443, "protocol": "rest", "access": "read-only"},
                              {"host": "*.example.test", "port": 80, "protocol": "rest", "access": "full"}],
                "binaries": [{"path": CURL}]},
    "rules": {"endpoints": [{"host": "files.example.test", "port": 443, "protocol": "rest", "rules": [
        {"allow": {"method": "GET", "path": "/bytes/*"}},
        {"allow": {"method": "POST", "path": "/echo"}},
        {"allow": {"method": "*", "path": "/status/**"}},
        {"allow": {"method": "GET", "path": "/slow", "query": {"ms": {"any": ["1", "2*"]}}}}]}],
        "binaries": [{"path": CURL}]},
    "python": {"endpoints": [{"host": "dual.example.test", "port": 443, "protocol": "rest", "access": "read-write"}],
               "binaries": [{"path": "/usr/bin/python3*"}]},
    "plain": {"endpoints": [{"host": "pypi.example.test", "port": 443}], "binaries": [{"path": "/usr/bin/c*"}]}}}
ASKED = [("GET", ZEN), ("HEAD", ZEN), ("OPTIONS", ZEN), ("POST", ZEN), ("DELETE", REPOS), ("PATCH", REPOS),
         ("GET", "http://api.github.com/zen"), ("GET", "https://api.github.com:8443/zen"),
         ("POST", "http://files.example.test/echo"), ("GET", "http://a.files.example.test/"),
         ("GET", "https://files.example.test/bytes/4"), ("GET", "https://files.example.test/bytes/4/5"),
         ("GET", "https://files.example.test/bytes/../echo"), ("POST", "https://files.example.test/bytes/../echo"),
         ("GET", "https://files.example.test/x/%2e%2e/bytes/4"), ("GET", "https://files.example.test/BYTES/4"),
         ("GET", "https://files.example.test//bytes/4"), ("GET", "https://files.example.test/bytes/4?x=1"),
         ("PUT", "https://files.example.test/status/200"), ("GET", "https://files.example.test/status/200/x/y"),
         ("GET", "https://files.example.test/slow?ms=1"), ("GET", "https://files.example.test/slow?ms=20"),
         ("GET", "https://files.example.test/slow?ms=3"), ("GET", "https://files.example.test/slow?ms=1&ms=3"),
         ("GET", "https://files.example.test/slow"), ("GET", "https://FILES.example.TEST/bytes/4"),
         ("GET", "https://dual.example.test/bytes/4"), ("GET", "https://pypi.example.test/simple/"),
         ("DELETE", "https://pypi.example.test/simple/"), ("GET", "https://github.com/"),
         ("POST", "https://files.example.test/echo"), ("POST", "https://files.example.test/echo?_method=DELETE"),
         ("POST", "https://files.example.test/echo?a=1&_method=post"),
         ("GET", "https://evil.example.test/"), ("GET", "https://files.example.test/")]
ASK_ALL = r"""
while read -r method url; do
    curl -s --path-as-is -g -m 20 -o /tmp/body -X "$method" $([ "$method" = HEAD ] && echo -I) \
        -w '%{http_connect} %{http_code} ' "$url"
    grep -c -e policy_denied -e ssrf_denied /tmp/body 2>/dev/null || [ -e /tmp/body ] || echo 0
    rm -f /tmp/body
done"""


def test_policy_test_and_the_proxy_give_the_same_verdict(sandbox):
    policy = network()
    policy["network_policies"] = TABLE["network_policies"]
    box = sandbox(policy=policy)
    out = box.run("sh", "-c", ASK_ALL, input="".join(f"{m} {u}\n" for m, u in ASKED).encode(), timeout=120)
    answers = [line.split() for line in out.stdout.splitlines() if line.strip()]
    assert len(answers) == len(ASKED), out
    differ, verdicts = [], set()
    for (method, url), (connect, code, refused) in zip(ASKED, answers):
        done = cli("policy", "test", box.policy, "--binary", CURL, "--output", "json", method, url)
        assert done.returncode in (0, 1), done
        said = json.loads(done.stdout)["verdict"] == "allow"
        assert said == (done.returncode == 0), done
        # A HEAD has no body to tell by; no origin here answers 403 of itself.
        did = connect != "403" and refused == "0" and code != "403"
        verdicts.add(did)
        if said != did:
            differ.append((method, url, said, connect, code, refused))
    assert not differ, differ
    assert verdicts == {True, False}
    # For another program the same request has another verdict, in both.
    for binary, command in ((WGET, [WGET, "-qO-", ZEN]), (PYTHON, [PYTHON, "-c", "import urllib.request as u;"
                                                                   f"u.urlopen('{ZEN}')"])):
        assert cli("policy", "test", box.policy, "--binary", binary, "GET", ZEN).returncode == 1
        before = len(upstream_requests("api.github.com"))
        assert box.run(*command).event(action="deny", host="api.github.com")
        assert len(upstream_requests("api.github.com")) == before
