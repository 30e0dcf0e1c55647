"""Credentials that never enter a sandbox: names inside, values outside, and nowhere else."""
import base64
import hashlib
import json
import os
import pathlib
import re
import time

import pytest

from harness import MODE, alive, network, rest, tree, until, upstream_requests
from test_operations import inside

TOKEN = "ghp_testnet0123456789abcdefghijklmnop"
SECOND = "ghp_rotated9876543210zyxwvutsrqponmlk"
MARK = "openshell:resolve:env:GITHUB_TOKEN"
API = "https://api.github.com"
GITHUB = network(rest("api.github.com", access="full"), rest("files.example.test", access="full"),
                 rest("github.com", access="full"), {"host": "api.github.com", "port": 80, "protocol": "rest",
                                                     "access": "full"})


@pytest.fixture
def box(sandbox):
    """One that may use the test's GitHub token."""
    made = sandbox(GITHUB, options=["--provider", "github"])
    plain = made.run

    def run(*command, **more):
        return plain(*command, env={"GITHUB_TOKEN": TOKEN}, **more)

    made.run = run
    return made


def sent(host, since=0):
    return [r for r in upstream_requests(host)[since:]]


def field(request, name):
    return [v for n, v in request["headers"] if n.lower() == name]


def seen_secret(out):
    return TOKEN.encode() in out.out + out.err or any(TOKEN in json.dumps(e) for e in out.events)


# --- where they go ----------------------------------------------------------


def test_a_bound_host_gets_the_value_and_the_sandbox_never_has_it(box):
    n = len(sent("api.github.com"))
    out = box.run("sh", "-c", f'echo "$GITHUB_TOKEN"; curl -sS -H "Authorization: Bearer $GITHUB_TOKEN" {API}/zen')
    assert out.code == 0 and out.stdout == f"{MARK}\nKeep it logically awesome.\n", out
    assert [field(r, "authorization") for r in sent("api.github.com", n)] == [[f"Bearer {TOKEN}"]]
    assert out.event("CREDENTIAL", action="allow", reason="filled in: GITHUB_TOKEN of github"), out
    assert not seen_secret(out)


def test_no_other_host_gets_it(box):
    n = len(sent("files.example.test"))
    out = box.run("curl", "-sS", "-H", f"Authorization: Bearer {MARK}", "https://files.example.test/echo")
    answer = json.loads(out.stdout)
    assert answer["error"] == "credential_endpoint_mismatch" and "credential_binding" in answer["detail"], out
    assert len(out.event("CREDENTIAL", action="deny")) == 1
    # Without it the same request passes.
    assert box.run("curl", "-sSf", "https://files.example.test/echo").code == 0
    assert len(sent("files.example.test", n)) == 1


def test_never_in_the_clear(box):
    n = len(sent("api.github.com"))
    out = box.run("curl", "-sS", "-H", f"Authorization: Bearer {MARK}", "http://api.github.com/zen")
    assert json.loads(out.stdout)["error"] == "credential_endpoint_mismatch" and "TLS" in out.stdout, out
    out = box.run("curl", "-sS", "-p", "-H", f"Authorization: Bearer {MARK}", "http://api.github.com/zen")
    assert json.loads(out.stdout)["error"] == "credential_endpoint_mismatch", out
    assert box.run("curl", "-sSf", "http://api.github.com/zen").code == 0
    assert len(sent("api.github.com", n)) == 1


@pytest.mark.parametrize("args, target, name, value", [
    (["-H", f"Authorization: token {MARK}", f"{API}/zen"], "/zen", "authorization", f"token {TOKEN}"),
    (["-H", f"X-Api-Key: {MARK}", f"{API}/zen"], "/zen", "x-api-key", TOKEN),
    (["-H", "Authorization: Bearer ghp-OPENSHELL-RESOLVE-ENV-GITHUB_TOKEN", f"{API}/zen"], "/zen", "authorization", f"Bearer {TOKEN}"),
    (["-H", "Authorization: Bearer openshell:resolve:env:v1_GITHUB_TOKEN", f"{API}/zen"], "/zen", "authorization", f"Bearer {TOKEN}"),
    (["-u", f"u:{MARK}", f"{API}/zen"], "/zen", "authorization", "Basic " + base64.b64encode(f"u:{TOKEN}".encode()).decode()),
    ([f"{API}/zen?a=b&t={MARK}&c"], f"/zen?a=b&t={TOKEN}&c", None, None),
    ([f"{API}/repos/bot{MARK}/x"], f"/repos/bot{TOKEN}/x", None, None),
    (["-r", "0-3", "-H", f"X-Key: {MARK}", f"{API}/zen"], "/zen", "x-key", TOKEN),
    (["-H", "Expect: 100-continue", "-H", f"X-Key: {MARK}", "-d", "{}", f"{API}/repos/o/r/issues"], "/repos/o/r/issues", "x-key", TOKEN),
])
def test_every_place_that_is_understood(box, args, target, name, value):
    n = len(sent("api.github.com"))
    out = box.run("curl", "-sS", *args)
    got = sent("api.github.com", n)
    assert [r["target"] for r in got] == [target], out
    assert name is None or field(got[0], name) == [value]
    assert not seen_secret(out)


@pytest.mark.parametrize("args", [
    ["-H", "Authorization: Bearer openshell:resolve:env:NOBODY"],
    ["-H", "Authorization: Bearer openshell:resolve:env:v9_GITHUB_TOKEN"],
    ["-H", f"Cookie: a={MARK}"],
    ["-H", f"X: {MARK}{MARK}"],
    ["-u", "u:openshell:resolve:env:NOBODY"],
    ["-H", "Authorization: Bearer openshell:resolve:env:"],
    ["-G", "-d", f"{MARK}=x"],
    ["-G", "-d", f"x=a{MARK}"],
    ["-G", "-d", "x=openshell%3Aresolve%3aenv%3ANOBODY"],
])
def test_what_cannot_be_filled_in_is_not_sent(box, args):
    n = len(sent("api.github.com"))
    out = box.run("curl", "-sS", "-w", "\n%{http_code}", *args, f"{API}/zen")
    body, code = out.stdout.rsplit("\n", 1)
    assert code == "500" and json.loads(body)["error"] == "credential_unresolved", out
    assert "NOBODY" not in json.loads(body)["detail"]
    assert sent("api.github.com", n) == [] and len(out.event("CREDENTIAL", action="deny")) == 1


def test_the_path_is_judged_and_recorded_without_the_value(sandbox):
    rule = {"allow": {"method": "GET", "path": "/repos/bot*/**"}}
    made = sandbox(network({"host": "api.github.com", "port": 443, "protocol": "rest", "rules": [rule]}),
                   options=["--provider", "github"])
    out = made.run("curl", "-sS", f"{API}/repos/bot{MARK}/x", f"{API}/repos/{MARK}/x", env={"GITHUB_TOKEN": TOKEN})
    assert out.event("L7_REQUEST", action="allow", path="/repos/bot[CREDENTIAL]/x"), out
    assert out.event("L7_REQUEST", action="deny", path="/repos/[CREDENTIAL]/x"), out
    assert not seen_secret(out)


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND", "DEBUG"])
def test_methods_that_show_what_they_are_sent(box, method):
    n = len(sent("api.github.com"))
    for more in ([], ["-H", f"Authorization: Bearer {MARK}"]):
        out = box.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, *more, f"{API}/mirror")
        assert out.stdout in ("403", "405"), out
        assert len([e for e in out.events if e["action"] == "deny"]) == 1, out
    assert sent("api.github.com", n) == []
    # Where no credential goes it is policy's to say, of those that are a method of anybody.
    if method in ("PROPFIND", "DEBUG"):
        assert box.run("curl", "-sS", "-X", method, "https://files.example.test/echo").event("L7_REQUEST", action="allow")


@pytest.mark.parametrize("endpoint", [
    {"host": "api.github.com", "port": 443},
    {"host": "api.github.com", "port": 443, "tls": "skip"},
])
def test_an_endpoint_that_nobody_looks_into_is_closed(sandbox, endpoint):
    made = sandbox(network(endpoint), options=["--provider", "github"])
    out = made.run("curl", "-sS", f"{API}/zen", env={"GITHUB_TOKEN": TOKEN})
    assert out.code != 0 and out.event("CONNECT", action="deny", stage="credentials"), out
    # Without credentials that belong there, it is open.
    assert sandbox(network(endpoint)).run("curl", "-sSf", f"{API}/zen").code == 0


# --- what comes back -----------------------------------------------------------


def test_an_answer_that_shows_the_value_is_masked(box):
    out = box.run("curl", "-sS", "-i", "-H", f"Authorization: Bearer {MARK}", f"{API}/mirror?t={MARK}")
    assert out.code == 0 and "*" * len(TOKEN) in out.stdout and not seen_secret(out), out
    assert re.search(r"Location: https://api.github.com/\?t=\*{%d}\r" % len(TOKEN), out.stdout), out
    reasons = [e["reason"] for e in out.event("CREDENTIAL", action="deny", stage="reflection")]
    assert len(reasons) == 2 and "head" in reasons[0] and "body" in reasons[1], out


def test_basic_is_masked_too(box):
    out = box.run("curl", "-sS", "--compressed", "-u", f"user:{MARK}", f"{API}/mirror")
    assert base64.b64encode(f"user:{TOKEN}".encode()).decode() not in out.stdout
    assert base64.b64encode(TOKEN.encode()).decode()[:40] not in out.stdout and "****" in out.stdout, out


def test_a_server_that_compresses_unasked_does_not_hide_it(box):
    """Attack: A49 by way of a coding that nobody looks into."""
    for how in ("--compressed", "-i"):
        out = box.run("curl", "-sS", how, "-H", f"Authorization: Bearer {MARK}", f"{API}/mirror/gzip")
        assert out.code == 0 and f"Bearer {'*' * len(TOKEN)}" in out.stdout and not seen_secret(out), out
        assert len(out.event("CREDENTIAL", action="deny", stage="reflection")) == 1, out
    assert "content-encoding" not in out.stdout.lower()
    out = box.run("curl", "-sS", "-H", f"Authorization: Bearer {MARK}", f"{API}/mirror/br")
    assert json.loads(out.stdout)["error"] == "upstream_failed", out
    assert "compressed (br)" in out.event("UPSTREAM_FAILED", action="deny")[0]["reason"], out
    # Also what has none in it is asked for as it is: it may tell of another that had one.
    n = len(sent("api.github.com"))
    assert box.run("curl", "-sSf", "--compressed", f"{API}/zen").code == 0
    assert field(sent("api.github.com", n)[0], "accept-encoding") == ["identity"]
    n = len(sent("files.example.test"))
    assert box.run("curl", "-sSf", "--compressed", "https://files.example.test/echo").code == 0
    assert "gzip" in field(sent("files.example.test", n)[0], "accept-encoding")[0]


def test_trailers_are_masked_too(sandbox):
    """Those of HTTP/2, which go on."""
    made = sandbox(network(rest("h2.example.test", access="full", credential_binding={"provider": "github"})),
                   options=["--provider", "github"])
    out = made.run("curl", "-sS", "-i", "--http2", "-H", f"X-Key: {MARK}", "https://h2.example.test/trailers",
                   env={"GITHUB_TOKEN": TOKEN})
    assert "HTTP/2 200" in out.stdout and "body\n" in out.stdout and not seen_secret(out), out
    assert f"x-after: {'*' * len(TOKEN)}" in out.stdout, out
    assert len(out.event("CREDENTIAL", action="deny", stage="reflection")) == 1, out


def test_an_answer_without_it_is_left_as_it_is(box):
    out = box.run("curl", "-sS", f"{API}/mirror?{'x' * 5000}")
    assert json.loads(out.stdout)["target"] == f"/mirror?{'x' * 5000}"
    assert not out.event("CREDENTIAL")


# --- what can be seen inside ------------------------------------------------------


LOOK = r"""
import glob, os, sys
found = []
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + ["/proc/self/mountinfo"]:
    try:
        found.append(open(path, "rb").read())
    except OSError:
        pass
for top in ("/tmp", "/etc", "/run", os.getcwd(), os.path.expanduser("~")):
    for where, _, names in os.walk(top):
        for name in names:
            try:
                found.append(open(os.path.join(where, name), "rb").read(1 << 20))
            except OSError:
                pass
sys.stdout.buffer.write(b"\n".join(found))
"""


def test_environment_arguments_files_and_processes_show_names_only(box):
    out = box.run("/usr/bin/python3", "-c", LOOK)
    assert out.code == 0 and MARK.encode() in out.out, out.err
    assert TOKEN.encode() not in out.out


def test_outside_the_value_is_in_the_proxy_alone(box):
    env = {**os.environ, "GITHUB_TOKEN": TOKEN}
    process = box.start("sh", "-c", "echo up; read x", env=env)
    try:
        assert process.stdout.readline() == b"up\n"
        names = {p: pathlib.Path(f"/proc/{p}/comm").read_text().strip() for p in tree(process.pid)}
        net = [p for p, n in names.items() if n == "openshell-net"]
        assert len(net) == 1, names
        if MODE == "rootless":  # root may look into everything
            with pytest.raises(PermissionError):
                pathlib.Path(f"/proc/{net[0]}/mem").open("rb").close()
        for pid, name in names.items():
            if name in ("openshell-ctl", "openshell-init", "openshell-spawn") and alive(pid):
                for what in ("environ", "cmdline"):
                    try:
                        text = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
                    except PermissionError:
                        continue
                    if name == "openshell-init" or what == "cmdline":
                        assert TOKEN.encode() not in text, (name, what)
    finally:
        process.stdin.close()
        process.wait(20)


def test_a_variable_that_is_not_set_is_said(sandbox):
    out = sandbox(GITHUB).run("true", options=["--provider", "gitlab"])
    assert out.code == 125 and "no existing local credentials" in out.stderr, out
    out = sandbox(GITHUB).run("true", options=["--provider", "nosuch"])
    assert out.code == 125 and "not a known provider type" in out.stderr and "github" in out.stderr, out


def test_git_over_https(box):
    url = f"https://x-access-token:{MARK}@github.com/octocat/private.git"
    out = box.run("git", "clone", "-q", url, "copy")
    assert out.code == 0, out
    assert (box.work / "copy/README").read_text() == "Hello World!\n"
    assert TOKEN not in (box.work / "copy/.git/config").read_text()
    out = box.run("git", "clone", "-q", "https://x-access-token:wrong@github.com/octocat/private.git", "other")
    assert out.code != 0


# A connection that stays open, and a request on it for each line read.
KEEP = f'''
import http.client, os, sys
c = http.client.HTTPSConnection("10.200.0.1", 3128, timeout=20)
c.set_tunnel("api.github.com", 443)
c.connect()
c.auto_open = 0
print("up", flush=True)
for line in sys.stdin:
    try:
        c.request("GET", "/zen", headers={{"Authorization": "Bearer {MARK}"}} if "value" in line else {{}})
        r = c.getresponse()
        r.read()
        print(r.status, flush=True)
    except (OSError, http.client.HTTPException) as e:
        print(type(e).__name__, flush=True)
'''


def line_of(process, line):
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline().decode().strip()


@pytest.mark.parametrize("lifted", [False, True])
def test_a_connection_that_is_open_must_be_inspected_as_a_new_one(sandbox, lifted):
    """A policy that stops judging requests: no value goes on by a connection from before."""
    plain = {"host": "api.github.com", "port": 443, **({"allow_uninspected_credentials": True} if lifted else {})}
    made = sandbox(policy=GITHUB)
    process = made.start("/usr/bin/python3", "-c", KEEP, options=["--provider", "github"],
                         env={**os.environ, "GITHUB_TOKEN": TOKEN})
    assert process.stdout.readline() == b"up\n"
    assert line_of(process, b"value\n") == "200"
    n = len(sent("api.github.com"))
    made.write_policy(network(plain))
    until(lambda: any(e["kind"] == "POLICY" and e["generation"] == 2 for e in made.read_events()), 10, "the policy")
    told = line_of(process, b"value\n")
    process.stdin.close()
    assert process.wait(20) == 0
    revoked = [e for e in made.read_events() if e["kind"] == "REVOKED"]
    if lifted:
        assert told == "200" and revoked == [] and len(sent("api.github.com", n)) == 1
    else:
        assert told != "200" and sent("api.github.com", n) == [], told
        assert len(revoked) == 1 and "must be inspected" in revoked[0]["reason"], revoked


# --- with a gateway ------------------------------------------------------------------


@pytest.fixture
def kept(gateway):
    """A gateway with the token and a sandbox 'box' that may use it."""
    gateway.ok("provider", "create", "--name", "gh", "--type", "github", "--credential", "GITHUB_TOKEN",
               env={"GITHUB_TOKEN": TOKEN})
    gateway.create("box", policy=GITHUB, options=["--provider", "gh"])
    return gateway


def last_token():
    got = [field(r, "authorization") for r in sent("api.github.com")]
    return got[-1] if got else None


ASK = f'curl -sS -H "Authorization: Bearer $GITHUB_TOKEN" {API}/zen'


def test_a_kept_sandbox_sees_names_and_its_requests_carry_values(kept):
    out = kept.exec("box", "sh", "-c", f'echo "$GITHUB_TOKEN"; {ASK}')
    assert out.code == 0 and out.stdout.startswith(MARK), out
    assert last_token() == [f"Bearer {TOKEN}"]


def test_no_file_log_or_answer_has_the_value(kept):
    kept.exec("box", "sh", "-c", f"{ASK}; curl -sS {API}/mirror?t=$GITHUB_TOKEN")
    shown = b"".join(kept.ok(*args).out for args in (
        ("provider", "get", "gh"), ("provider", "get", "gh", "-o", "json"), ("provider", "list", "-o", "yaml"),
        ("sandbox", "get", "box", "-o", "json"), ("logs", "box", "-n", "500")))
    assert TOKEN.encode() not in shown and b"GITHUB_TOKEN" in shown
    found = []
    for where, _, names in os.walk(kept.home):
        for name in names:
            path = pathlib.Path(where) / name
            if path.is_file():
                assert path.stat().st_mode & 0o077 == 0 or "config" in str(path) or path.parent == kept.home, path
                if TOKEN.encode() in path.read_bytes():
                    found.append(path)
    assert found == []


def test_a_change_reaches_a_running_program(kept):
    process = kept.spawn("sandbox", "exec", "box", "--", "sh", "-c", f"echo up; while read x; do {ASK}; done")
    assert process.stdout.readline() == b"up\n"

    def ask():
        process.stdin.write(b"\n")
        process.stdin.flush()
        return process.stdout.readline()

    assert ask() == b"Keep it logically awesome.\n" and last_token() == [f"Bearer {TOKEN}"]
    kept.ok("provider", "update", "gh", "--credential", f"GITHUB_TOKEN={SECOND}")
    assert ask() == b"Keep it logically awesome.\n" and last_token() == [f"Bearer {SECOND}"]
    n = len(sent("api.github.com"))
    out = kept.cli("provider", "delete", "gh")
    assert out.code == 1 and "is used by: box" in out.stderr, out
    kept.ok("provider", "delete", "--force", "gh")
    process.stdin.write(b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert answer["error"] == "credential_unresolved" and len(sent("api.github.com")) == n
    # A new program has no name for it either.
    assert kept.exec("box", "sh", "-c", 'echo "[$GITHUB_TOKEN]"').stdout == "[]\n"


def test_revoked_at_once(kept):
    """From the answer to the revocation to the first refusal."""
    script = (f"echo up; read x; while true; do curl -sS -o /dev/null -w '%{{http_code}} ' "
              f"-H \"Authorization: Bearer $GITHUB_TOKEN\" {API}/zen; date +%s.%N; done")
    process = kept.spawn("sandbox", "exec", "box", "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n"
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"200 ")
    kept.ok("provider", "delete", "--force", "gh")
    gone = time.time()
    n = len(sent("api.github.com"))
    codes = [process.stdout.readline().split() for _ in range(3)]
    assert codes[-1][0] == b"500", codes
    # Nothing that was asked after the answer got through.
    late = [r for r in sent("api.github.com", n) if r["time"] > gone + 0.05]
    assert late == []


def test_a_gateway_killed_loses_nothing_and_shows_nothing(kept):
    kept.kill_gateway()
    # The sandbox goes on; its gateway comes back with what it had.
    kept.start()
    kept.wait_phase("box", "ready")
    out = kept.exec("box", "sh", "-c", ASK)
    assert out.stdout == "Keep it logically awesome.\n" and last_token() == [f"Bearer {TOKEN}"]
    kept.kill_gateway()
    kept.start()
    kept.ok("provider", "update", "gh", "--credential", f"GITHUB_TOKEN={SECOND}")
    kept.wait_phase("box", "ready")
    assert kept.exec("box", "sh", "-c", ASK).code == 0 and last_token() == [f"Bearer {SECOND}"]
    for where, _, names in os.walk(kept.home):
        for name in names:
            path = pathlib.Path(where) / name
            assert not path.is_file() or not {TOKEN.encode(), SECOND.encode()} & {
                m for m in (TOKEN.encode(), SECOND.encode()) if m in path.read_bytes()}, path


def test_gateway_and_keeper_cannot_be_looked_into(kept):
    """By their own user, that is; root may look into everything."""
    for pid in (kept.pid(), kept.keeper(kept.id_of("box"))) if MODE == "rootless" else ():
        with pytest.raises(PermissionError):
            pathlib.Path(f"/proc/{pid}/mem").open("rb").close()
        with pytest.raises(PermissionError):
            pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def test_a_generic_one_goes_nowhere_by_itself(gateway):
    gateway.ok("provider", "create", "--name", "any", "--type", "generic", "--credential", "API_KEY=-", input=b"s3cret-of-mine\n")
    gateway.create("box", policy=GITHUB, options=["--provider", "any"])
    out = gateway.exec("box", "sh", "-c", f'echo "$API_KEY"; curl -sS -H "X: $API_KEY" {API}/zen')
    assert "openshell:resolve:env:API_KEY" in out.stdout and "credential_endpoint_mismatch" in out.stdout, out


def test_a_key_swapped_in_the_database_is_refused(kept):
    """Rows are bound to their provider, and to the key beside the database."""
    kept.stop_at_once()
    key = kept.state / "credentials.key"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_size == 32
    key.write_bytes(bytes(32))
    kept.start()
    out = kept.cli("provider", "get", "gh")
    assert out.code == 1 and "cannot be decrypted" in out.stderr and TOKEN not in out.stderr, out


@pytest.mark.parametrize("args, said", [
    (["--name", "a", "--type", "nosuch", "--credential", "A=b"], "not a known provider type"),
    (["--name", "a", "--type", "generic", "--credential", "=b"], "--credential key cannot be empty"),
    (["--name", "a", "--type", "generic", "--credential", "NOT_SET_HERE"], "requires local env var 'NOT_SET_HERE'"),
    (["--name", "a", "--type", "generic", "--credential", "A=b", "--config", "x"], "--config expects KEY=VALUE, got 'x'"),
    (["--name", "a", "--type", "generic", "--credential", "PATH=b"], "is reserved"),
    (["--name", "a", "--type", "generic", "--credential", "1A=b"], "must match"),
    (["--name", "a", "--type", "generic", "--credential", "v1_A=b"], "must match"),
    (["--name", "a b", "--type", "generic", "--credential", "A=b"], "invalid provider name"),
    (["--name", "a", "--type", "generic", "--credential", "A=REDACTED"], "not a credential"),
    (["--name", "a", "--type", "gitlab", "--from-existing"], "no existing local credentials"),
    (["--name", "a", "--type", "generic", "--credential", "A@/nonexistent"], "nonexistent"),
])
def test_what_is_no_provider(shared, args, said):
    out = shared.cli("provider", "create", *args, env={"GITLAB_TOKEN": "", "GLAB_TOKEN": "", "CI_JOB_TOKEN": ""})
    assert out.code == 1 and said in out.stderr, out
    assert json.loads(shared.ok("provider", "list", "-o", "json").out) == []


def test_usage_errors(shared):
    for args in (["--name", "a", "--type", "github"],
                 ["--name", "a", "--type", "github", "--from-existing", "--credential", "A=b"],
                 ["--type", "github", "--credential", "A=b"]):
        assert shared.cli("provider", "create", *args).code == 2, args
    assert shared.cli("provider", "update", "a").code == 2


def test_the_life_of_a_provider(shared):
    key = shared.home / "key.txt"
    key.write_text("from-a-file\n")
    shared.ok("provider", "create", "--name", "p", "--type", "GLAB", "--credential", f"A@{key}", "--credential", "B=two",
              "--config", "region=x")
    assert shared.cli("provider", "create", "--name", "p", "--type", "gitlab", "--credential", "A=b").code == 1
    got = shared.json("provider", "get", "p")
    assert got["type"] == "gitlab" and got["credential_keys"] == ["A", "B"] and got["config"] == {"region": "x"}
    assert shared.ok("provider", "list", "--names").stdout == "p\n"
    shared.ok("provider", "update", "p", "--credential", "B=", "--credential", "C=three", "--config", "region=")
    got = shared.json("provider", "get", "p")
    assert got["credential_keys"] == ["A", "C"] and got["config"] == {}
    out = shared.cli("provider", "update", "p", "--credential", "A=", "--credential", "C=")
    assert out.code == 1 and "delete it" in out.stderr
    assert "not found" in shared.cli("provider", "get", "q").stderr
    assert "Deleted provider p" in shared.ok("provider", "delete", "p").stdout
    assert "Provider p not found" in shared.ok("provider", "delete", "p").stdout
    assert shared.ok("provider", "list").stdout == "No providers found.\n"


def test_create_makes_a_missing_provider_when_it_may(gateway):
    env = {"GITHUB_TOKEN": TOKEN}
    out = gateway.cli("sandbox", "create", "--detach", "--name", "a", "--provider", "github", env=env)
    assert out.code == 1 and "missing required provider 'github'" in out.stderr, out
    out = gateway.cli("sandbox", "create", "--detach", "--name", "a", "--provider", "my-thing", env=env)
    assert out.code == 1 and "not a recognized provider type" in out.stderr, out
    gateway.ok("sandbox", "create", "--detach", "--name", "a", "--provider", "github", "--auto-providers", env=env)
    assert [p["name"] for p in gateway.json("provider", "list")] == ["github"]
    assert gateway.exec("a", "sh", "-c", 'echo "$GITHUB_TOKEN"').stdout == f"{MARK}\n"
    out = gateway.ok("sandbox", "create", "--detach", "--name", "b", "--provider", "gitlab", "--no-auto-providers")
    assert "Skipping provider 'gitlab'" in out.stderr


# --- where the policy says they go -------------------------------------------------

AWS = {"AWS_ACCESS_KEY_ID": "AKIATESTNET000000001", "AWS_SECRET_ACCESS_KEY": "testnet/secret+key0123456789abcdefghijkl",
       "AWS_SESSION_TOKEN": "testnet-session-token-0123456789"}
BUCKET = "bucket.s3.eu-west-1.amazonaws.com"
QUEUE = "sqs.us-east-1.amazonaws.com"


@pytest.fixture
def generic(gateway):
    """A provider 'any' of type generic and its policy's endpoint."""
    gateway.ok("provider", "create", "--name", "any", "--type", "generic", "--credential", "API_KEY=-", input=b"s3cret-of-mine\n")

    def make(**more):
        policy = network(rest("files.example.test", access="full", **more), rest("api.github.com", access="full"))
        gateway.create("box", policy=policy, options=["--provider", "any"])
        return gateway

    return make


def test_the_policy_binds_a_provider_to_an_endpoint(generic):
    g = generic(path="/echo", credential_binding={"provider": "any"})
    n = len(sent("files.example.test"))
    out = g.exec("box", "sh", "-c", 'curl -sS -H "X-Key: $API_KEY" https://files.example.test/echo')
    assert "s3cret-of-mine" not in out.stdout and [field(r, "x-key") for r in sent("files.example.test", n)] == [["s3cret-of-mine"]], out
    # Not elsewhere, and what it shows is masked.
    out = g.exec("box", "sh", "-c", f'curl -sS -H "X-Key: $API_KEY" {API}/zen')
    assert "credential_endpoint_mismatch" in out.stdout, out
    # A method that shows what it is sent is refused there.
    out = g.exec("box", "sh", "-c", "curl -sS -X PROPFIND https://files.example.test/echo")
    assert "credential_endpoint_mismatch" in out.stdout, out


def test_a_binding_taken_from_the_policy_ends_at_once(generic):
    g = generic(credential_binding={"provider": "any"})
    ask = 'curl -sS -o /dev/null -w "%{http_code}" -H "X-Key: $API_KEY" https://files.example.test/echo'
    assert g.exec("box", "sh", "-c", ask).stdout == "200"
    g.ok("policy", "set", "box", "--policy", g.policy(network(rest("files.example.test", access="full"))), "--wait")
    assert g.exec("box", "sh", "-c", ask).stdout == "403"


@pytest.mark.parametrize("kind, body, want", [
    ("application/json", '{"k": "$K", "n": [1, "a $K"]}', '{"k": "s3cret-of-mine", "n": [1, "a s3cret-of-mine"]}'),
    ("application/x-www-form-urlencoded", "a=b&k=$K", "a=b&k=s3cret-of-mine"),
    ("text/plain", "k is $K.", "k is s3cret-of-mine."),
])
def test_bodies_that_the_policy_lets_be_filled_in(generic, kind, body, want):
    mark = "openshell:resolve:env:API_KEY"
    g = generic(credential_binding={"provider": "any"}, request_body_credential_rewrite=True)
    for how in (["-d"], ["-H", "Transfer-Encoding: chunked", "-d"]):
        n = len(sent("files.example.test"))
        out = g.exec("box", "curl", "-sS", "-H", f"Content-Type: {kind}", *how, body.replace("$K", mark),
                     "https://files.example.test/echo")
        whole = want.replace("$K", mark).encode()
        got = sent("files.example.test", n)
        assert [(r["body_length"], r["body_sha256"]) for r in got] == [(len(whole), hashlib.sha256(whole).hexdigest())], out
        assert "s3cret-of-mine" not in out.stdout


def test_a_body_with_a_name_that_is_nobodys_is_refused_whole(generic):
    g = generic(credential_binding={"provider": "any"}, request_body_credential_rewrite=True)
    n = len(sent("files.example.test"))
    for body in ('{"k": "openshell:resolve:env:NOBODY"}', '{"openshell:resolve:env:API_KEY": 1}',
                 '{"k": "openshell\\u003aresolve:env:NOBODY"}'):
        out = g.exec("box", "curl", "-sS", "-H", "Content-Type: application/json", "-d", body, "https://files.example.test/echo")
        assert json.loads(out.stdout)["error"] == "credential_unresolved", out
    assert sent("files.example.test", n) == []


# --- bodies that nobody fills in ---------------------------------------------

ECHO = "https://files.example.test/echo"
SHOWN = json.dumps({"messages": [f"env says GITHUB_TOKEN={MARK}"]})
UPLOAD = r"""
import http.client, json, ssl, sys
c = http.client.HTTPConnection("10.200.0.1", 3128, timeout=30)
c.set_tunnel("files.example.test", 443)
c.connect()
c.sock = ssl.create_default_context().wrap_socket(c.sock, server_hostname="files.example.test")
kind, mark = sys.argv[1], sys.argv[2].encode()
pieces = [b"a" * 300000, mark[:9], mark[9:]] if kind == "pieces" else [mark[i:i + 1] for i in range(len(mark))]
try:
    c.request("POST", "/echo", body=iter([*pieces, b"tail"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    answer = c.getresponse()
    print(answer.status, json.loads(answer.read())["error"])
except OSError as e:
    print(type(e).__name__)
"""


@pytest.mark.parametrize("more", [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Content-Type: application/octet-stream"],
                                  ["--http2", "https://h2.example.test/echo"], ["http://files.example.test/echo"]])
def test_a_placeholder_in_a_body_that_nobody_fills_in_does_not_leave(sandbox, more):
    """And the refusal says so, why, and what to do: an agent that shows its variables to a model is not cut off in silence."""
    url = [] if any("/echo" in m for m in more) else [ECHO]
    host = "h2.example.test" if "--http2" in more else "files.example.test"
    policy = network(rest("files.example.test", access="full"), rest("h2.example.test", access="full"),
                     rest("files.example.test", port=80, access="full"))
    made = sandbox(policy, options=["--provider", "github"])
    n = len(sent(host))
    out = made.run("curl", "-sS", "-H", "Content-Type: application/json", "-d", SHOWN, *more, *url, env={"GITHUB_TOKEN": TOKEN})
    said = json.loads(out.stdout)
    assert said["error"] == "credential_placeholder" and "does not fill in bodies" in said["detail"], out
    assert "allow_credential_placeholders: true" in json.dumps(said), out
    assert [r for r in sent(host, n) if r["body_length"] >= len(SHOWN)] == [], out
    (refused,) = out.event("CREDENTIAL", action="deny", stage="placeholder", method="POST")
    assert "request_body_credential_rewrite: true" in refused["suggestion"], out
    # The same of a sandbox that has no credentials, where the words mean nothing, and of other words here.
    out = sandbox(policy).run("curl", "-sSf", "-d", SHOWN, *more, *url)
    assert out.code == 0, out
    out = made.run("curl", "-sSf", "-d", SHOWN.replace("openshell:", "openshell;"), *more, *url, env={"GITHUB_TOKEN": TOKEN})
    assert out.code == 0 and not out.event("CREDENTIAL", stage="placeholder"), out


@pytest.mark.parametrize("kind", ["pieces", "bytes"])
def test_it_does_not_leave_in_pieces_either(sandbox, kind):
    made = sandbox(network(rest("files.example.test", access="full")), options=["--provider", "github"])
    n = len(sent("files.example.test"))
    out = made.run("/usr/bin/python3", "-c", UPLOAD, kind, MARK, env={"GITHUB_TOKEN": TOKEN})
    assert out.stdout.strip() in ("403 credential_placeholder", "BrokenPipeError", "ConnectionResetError"), out
    assert out.event("CREDENTIAL", action="deny", stage="placeholder"), out
    # What came before it went, and was no whole request to anybody.
    assert [r for r in sent("files.example.test", n) if not r["malformed"]] == [], out


def test_it_may_pass_as_text_where_the_policy_says_so(sandbox):
    made = sandbox(network(rest("files.example.test", access="full", allow_credential_placeholders=True)),
                   options=["--provider", "github"])
    n = len(sent("files.example.test"))
    out = made.run("curl", "-sSf", "-d", SHOWN, ECHO, env={"GITHUB_TOKEN": TOKEN})
    assert out.code == 0 and not out.event("CREDENTIAL") and not seen_secret(out), out
    (got,) = sent("files.example.test", n)
    assert got["body_sha256"] == hashlib.sha256(SHOWN.encode()).hexdigest()


def test_a_call_that_shows_one_is_refused_too(sandbox):
    """A body that was held for its operations."""
    tools = {"host": "tools.example.test", "port": 443, "protocol": "mcp", "rules": [{"allow": {"method": "*"}}]}
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": MARK}}})
    say = ["curl", "-sS", "-H", "Content-Type: application/json", "-H", "Accept: application/json, text/event-stream", "-d", call,
           "https://tools.example.test/json"]
    n = len(sent("tools.example.test"))
    out = sandbox(network(tools), options=["--provider", "github"]).run(*say, env={"GITHUB_TOKEN": TOKEN})
    assert json.loads(out.stdout)["error"] == "credential_placeholder" and sent("tools.example.test", n) == [], out
    out = sandbox(network({**tools, "allow_credential_placeholders": True}), options=["--provider", "github"]).run(
        *say, env={"GITHUB_TOKEN": TOKEN})
    assert len(sent("tools.example.test", n)) == 1, out


def test_endpoints_may_say_that_nobody_looks(sandbox):
    policy = network({"host": "api.github.com", "port": 443, "tls": "skip", "allow_uninspected_credentials": True})
    n = len(sent("api.github.com"))
    out = sandbox(policy, options=["--provider", "github"]).run(
        "curl", "-sSf", "-k", "-H", f"Authorization: Bearer {MARK}", f"{API}/zen", env={"GITHUB_TOKEN": TOKEN})
    # The tunnel is open, and what goes through it is the name.
    assert out.code == 0 and [field(r, "authorization") for r in sent("api.github.com", n)] == [[f"Bearer {MARK}"]], out


def aws_box(sandbox, host, **more):
    return sandbox(network(rest(host, access="full", **more)), options=["--provider", "aws"])


SIGNED = ["-H", "Authorization: AWS4-HMAC-SHA256 Credential=openshell:resolve:env:AWS_ACCESS_KEY_ID/x, SignedHeaders=host, Signature=0",
          "-H", "X-Amz-Security-Token: openshell:resolve:env:AWS_SESSION_TOKEN"]


@pytest.mark.parametrize("how, args, payload", [
    ("sigv4", [], None),
    ("sigv4", ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-X", "PUT", "-d", "hello"], "UNSIGNED-PAYLOAD"),
    ("sigv4", ["-X", "PUT", "-d", "hello"], None),
    ("sigv4:body", ["-X", "PUT", "-d", "hello", "-H", "x-amz-content-sha256: 0"], None),
    ("sigv4:body", ["-X", "PUT", "-H", "Transfer-Encoding: chunked", "-d", "hello"], None),
    ("sigv4:no_body", ["-X", "PUT", "-d", "hello"], "UNSIGNED-PAYLOAD"),
])
@pytest.mark.parametrize("url", [f"https://{BUCKET}/a%20b/c:d?x=1&list-type=2&prefix=a%2Fb", f"https://{QUEUE}/q%20x/?Action=y"])
def test_requests_are_signed_anew(sandbox, how, args, payload, url):
    host = url.split("/")[2]
    box = aws_box(sandbox, host, credential_signing=how, signing_service="s3" if host == BUCKET else "sqs")
    out = box.run("curl", "-sS", "-g", *SIGNED, *args, url, env=AWS)
    got = json.loads(out.stdout)
    assert "error" not in got, out
    # What it shows of the token is masked; the origin checked everything.
    assert set(got["token"]) == {"*"} and (payload is None or got["payload"] == payload), out
    assert got["body"] == ("hello" if "hello" in args else "")
    for value in AWS.values():
        assert value.encode() not in out.out + out.err and value not in json.dumps(out.events)


def test_what_cannot_be_signed_is_not_sent(sandbox):
    box = aws_box(sandbox, BUCKET, credential_signing="sigv4", signing_service="s3")
    n = len(sent(BUCKET))
    out = box.run("curl", "-sS", *SIGNED, "-H", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "-X", "PUT", "-d", "x",
                  f"https://{BUCKET}/a", env=AWS)
    assert "chunk by chunk" in out.stdout, out
    box = aws_box(sandbox, BUCKET, credential_signing="sigv4", signing_service="s3")
    box.options = []
    out = box.run("curl", "-sS", f"https://{BUCKET}/a")
    assert json.loads(out.stdout)["error"] == "credential_unresolved" and sent(BUCKET, n) == [], out


# --- in the messages of WebSockets --------------------------------------------


SOCKET = {"host": "socket.example.test", "port": 443, "protocol": "websocket", "access": "read-write",
          "websocket_credential_rewrite": True, "credential_binding": {"provider": "github"}}


def socket_box(sandbox, **more):
    made = sandbox(network({**SOCKET, **more}), options=["--provider", "github"])
    plain = made.run
    made.run = lambda *command, **options: plain(*command, env={"GITHUB_TOKEN": TOKEN}, **options)
    return made


def told(box, path, *messages, scheme="wss", **options):
    """What the server says to each, after the line about the handshake."""
    out, done = inside(box, f"out = asyncio.run(ws('{scheme}://socket.example.test{path}', *{list(messages)!r}, **{options!r}))")
    return out, done


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("protocol", [{}, {"protocol": "rest", "access": "full"}])
def test_text_of_a_websocket_gets_the_value(sandbox, protocol):
    box = socket_box(sandbox, **protocol)
    out, done = told(box, "/digest", json.dumps({"auth": MARK, "n": 1}), f"auth {MARK}", "no name")
    # No compression is agreed on, though the client offers it.
    assert out == [["open", False, None], digest(json.dumps({"auth": TOKEN, "n": 1})), digest(f"auth {TOKEN}"),
                   digest("no name")], (out, done)
    used = done.event("CREDENTIAL", action="allow", method="WEBSOCKET_TEXT", reason="filled in: GITHUB_TOKEN of github")
    assert len(used) == 2 and not seen_secret(done), done


def test_a_server_that_sends_the_value_back_is_masked(sandbox):
    box = socket_box(sandbox)
    out, done = told(box, "/echo", f"auth {MARK}", "plain")
    assert out[1:] == ["auth " + "*" * len(TOKEN), "plain"], (out, done)
    assert done.event("CREDENTIAL", action="deny", stage="reflection") and not seen_secret(done), done


@pytest.mark.parametrize("text", ["openshell:resolve:env:NOBODY", '{"a": "openshell:resolve:env:NOBODY"}',
                                  '{"a": "\\u006fpenshell:resolve:env:NOBODY"}', "openshell:resolve:env:"])
def test_text_that_cannot_be_filled_in_closes_with_1008(sandbox, text):
    out, done = told(socket_box(sandbox), "/digest", "before", text, "after")
    assert out[1] == digest("before") and out[2][0] == 1008 and len(out) == 3, (out, done)
    assert done.event("CREDENTIAL", action="deny", method="WEBSOCKET_TEXT"), done
    assert "NOBODY" not in out[2][1]


def test_text_is_filled_in_over_tls_and_where_bound_and_after_the_policy_only(sandbox):
    clear = socket_box(sandbox, port=80)
    done = clear.run("/usr/bin/python3", "-c", CLEAR % MARK, timeout=45)
    out = json.loads(done.stdout)
    assert out[0] == 1008 and "TLS" in out[1], (out, done)
    unbound, done = told(socket_box(sandbox, credential_binding={"provider": "other"}), "/digest", MARK)
    assert unbound[1][0] == 1008 and done.event("CREDENTIAL", action="deny"), (unbound, done)
    denied, done = told(socket_box(sandbox, access="read-only"), "/digest", MARK)
    assert denied[1][0] == 1008 and "not permitted by policy" in denied[1][1], (denied, done)
    assert not done.event("CREDENTIAL"), done
    # Without the key nothing is filled in, and a name that stands for nothing does not go.
    off, done = told(socket_box(sandbox, websocket_credential_rewrite=False), "/digest", "plain", MARK, "after")
    assert off[1] == digest("plain") and off[2][0] == 1008 and "placeholder" in off[2][1] and len(off) == 3, (off, done)
    (refused,) = done.event("CREDENTIAL", action="deny", stage="placeholder", method="WEBSOCKET_TEXT")
    assert "websocket_credential_rewrite" in refused["suggestion"], done
    # ... but where the policy says that it is text like any other.
    text, done = told(socket_box(sandbox, websocket_credential_rewrite=False, allow_credential_placeholders=True), "/digest", MARK)
    assert text[1] == digest(MARK) and not done.event("CREDENTIAL"), (text, done)


CLEAR = r"""
import asyncio, json, socket, websockets
async def main():
    s = socket.create_connection(("10.200.0.1", 3128), 30)
    s.sendall(b"CONNECT socket.example.test:80 HTTP/1.1\r\nHost: socket.example.test:80\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += s.recv(1)
    assert b" 200 " in head, head
    try:
        async with websockets.connect("ws://socket.example.test/digest", sock=s, open_timeout=30) as w:
            await w.send(%r)
            return ["sent", await asyncio.wait_for(w.recv(), 30)]
    except websockets.ConnectionClosed as e:
        return [e.rcvd.code, e.rcvd.reason]
print(json.dumps(asyncio.run(main())))
"""
