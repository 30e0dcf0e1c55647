"""The quickstart of the gateway: each row, typed as a person types it."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
import yaml

from gateway import READ_GITHUB, ZEN, comm
from harness import FILESYSTEM, MODE, OPENSHELL, STAGE, Terminal, alive, network, rest, tree, until, upstream_requests

QUICKSTART = STAGE / "examples/quickstart/policy.yaml"
DENIED = {"version": 1, "filesystem_policy": {**FILESYSTEM, "read_only": [
    "/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/dev/urandom", "/dev/random", "/dev/zero"],
    "read_write": ["/tmp", "/dev/null", "/dev/tty"]}, "landlock": {"compatibility": "best_effort"}}


def terminal(g, *args):
    return Terminal(g.argv(*args), g.work, env=g.env)


# 1. create, with no gateway

def test_create_starts_a_gateway_by_itself_and_gives_a_shell(no_gateway):
    g = no_gateway
    g.port = 8080  # of a gateway that starts by itself
    term = terminal(g, "sandbox", "create", "--name", "demo")
    term.expect(b"No gateway found")
    term.send(b"echo in-$((40+2)); tty; id -u\n")
    term.expect(b"in-42")
    term.expect(b"/dev/pts/")
    # 2. the same curl, typed there
    term.send(b"curl -sS " + ZEN.encode() + b"; echo code-$?\n")
    term.expect(b"403")
    term.expect(b"code-56")
    term.send(b"printf 'CONNECT api.github.com:443 HTTP/1.1\\r\\nHost: api.github.com:443\\r\\n\\r\\n'"
              b" | socat - TCP:10.200.0.1:3128; echo; echo told-$((1+1))\n")
    term.expect(b'"error":"policy_denied"')
    term.expect(b"told-2")
    term.send(b"exit 3\n")
    assert term.wait() == 3
    assert g.up()
    assert g.phase("demo") == "ready"
    assert g.ok("status").stdout.count("Connected") == 1
    # The second needs no new one.
    pid = g.pid()
    g.create("second")
    assert g.pid() == pid
    assert (g.config / "active_gateway").read_text().strip() == "openshell"
    assert (g.config / "gateways/openshell/last_sandbox").read_text().strip() == "second"


def test_create_with_no_bootstrap_says_what_to_do(no_gateway):
    out = no_gateway.cli("sandbox", "create", "--no-bootstrap", "--", "true")
    assert out.code == 1 and "No active gateway." in out.stderr and "openshell gateway start" in out.stderr, out
    assert not no_gateway.state.exists()


def test_create_without_a_name_makes_one_of_two_words(shared):
    out = shared.ok("sandbox", "create", "--", "true")
    names = list(shared.list())
    assert len(names) == 1 and re.fullmatch(r"[a-z]+-[a-z]+", names[0]), names
    assert names[0] in out.stdout + out.stderr, out


# 2 and 3. the denial and its record

def denial(g, name, *options):
    text = g.ok("logs", name, *options).stdout
    return [line for line in text.splitlines() if "api.github.com" in line]


def test_a_denied_request_is_explained_and_logged(shared):
    g = shared
    g.create("demo", policy=DENIED)
    out = g.exec("demo", "curl", "-sS", ZEN)
    assert out.code == 56 and "403" in out.stderr, out
    lines = until(lambda: denial(g, "demo", "--since", "5m"), 5, "the denial in the logs")
    for said in ("443", "/usr/bin/curl", "deny", "not allowed by policy"):
        assert any(said in line for line in lines), (said, lines)
    assert re.match(r"\[\d+\.\d{3}\] \[sandbox\] \[[A-Z]+ *\] ", lines[0]), lines[0]
    assert denial(g, "demo", "--source", "gateway") == []
    assert denial(g, "demo", "--source", "sandbox", "--level", "warn")
    assert len(g.ok("logs", "demo", "-n", "1").stdout.splitlines()) == 1


@pytest.mark.parametrize("option", ["-f", "--tail"])
def test_logs_follow_live(shared, option):
    g = shared
    g.create("demo", policy=DENIED)
    follow = g.spawn("logs", "demo", option)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(iter(follow.stdout.readline, b"")), daemon=True)
    reader.start()
    g.exec("demo", "curl", "-sS", ZEN)
    until(lambda: any(b"api.github.com" in line for line in seen), 5, f"a live line: {seen}")
    assert follow.poll() is None
    follow.send_signal(signal.SIGINT)
    assert follow.wait(5) in (0, 130, -signal.SIGINT)
    reader.join(5)


def test_log_durations_are_checked(shared):
    shared.create("demo")
    for bad in ("", "5", "x", "5q", "-5m"):
        out = shared.cli("logs", "demo", f"--since={bad}")
        assert out.code in (1, 2) and "duration" in out.stderr, (bad, out)


# 4. policy set

def test_policy_set_waits_for_the_acknowledgement(shared):
    g = shared
    g.create("demo", policy=DENIED)
    assert g.exec("demo", "curl", "-sS", ZEN).code == 56
    out = g.ok("policy", "set", "demo", "--policy", QUICKSTART, "--wait")
    assert "loaded" in out.stderr.lower() and out.stdout == "", out
    # Acknowledged means in force: the very next request passes.
    got = g.exec("demo", "curl", "-sS", "-w", "\n%{http_code}", ZEN)
    assert got.code == 0 and got.stdout.endswith("\n200"), got
    newest = g.json("policy", "get", "demo")
    assert newest["status"].lower() == "loaded" and newest["version"] >= 2, newest
    again = g.ok("policy", "set", "demo", "--policy", QUICKSTART, "--wait")
    assert "unchanged" in again.stderr.lower(), again
    assert g.json("policy", "get", "demo")["version"] == newest["version"]


def test_policy_set_rejected_says_every_reason(shared):
    g = shared
    g.create("demo", policy=DENIED)
    bad = {**READ_GITHUB, "network_policies": {
        "one": {"endpoints": [{"host": "*", "port": 443}], "binaries": [{"path": "/**"}]},
        "two": {"endpoints": [rest("a.example.test", access="all")], "binaries": [{"path": "/**"}]}}}
    out = g.cli("policy", "set", "demo", "--policy", g.policy(bad), "--wait")
    assert out.code == 1, out
    assert "matches all hosts" in out.stderr and "all" in out.stderr and "two" in out.stderr, out
    static = {**DENIED, "filesystem_policy": {**DENIED["filesystem_policy"], "include_workdir": False}}
    out = g.cli("policy", "set", "demo", "--policy", g.policy(static), "--wait")
    assert out.code == 1 and "include_workdir cannot be changed on a live sandbox" in out.stderr, out
    less = {**DENIED, "filesystem_policy": {**DENIED["filesystem_policy"], "read_only": ["/usr"]}}
    out = g.cli("policy", "set", "demo", "--policy", g.policy(less), "--wait")
    assert out.code == 1 and "cannot be removed on a live sandbox" in out.stderr, out
    locked = {**DENIED, "landlock": {"compatibility": "hard_requirement"}}
    out = g.cli("policy", "set", "demo", "--policy", g.policy(locked), "--wait")
    assert out.code == 1 and "landlock policy cannot be changed" in out.stderr, out
    # What was in force stays.
    assert g.json("policy", "get", "demo")["version"] == 1
    assert g.exec("demo", "curl", "-sS", ZEN).code == 56
    assert g.ok("policy", "set", "demo", "--policy", QUICKSTART, "--wait").code == 0


def test_policy_set_waits_to_its_end_when_gateway_and_certificates_go(gateway):
    """There is nothing to connect with any more: a timeout, told, and no crash."""
    g = gateway
    g.create("demo", policy=DENIED)
    pid = g.roles(g.id_of("demo"))["keeper"]
    os.kill(pid, signal.SIGSTOP)
    try:
        process = g.spawn("policy", "set", "demo", "--policy", QUICKSTART, "--wait", "--timeout", "2")
        while b"submitted" not in (line := process.stderr.readline()):
            assert line, "it ended before the policy was submitted"
        g.bundle.rename(g.home / "away")
        g.kill_gateway()
        assert process.wait(20) == 124 and b"Timeout waiting" in process.stderr.read()
        (g.home / "away").rename(g.bundle)
    finally:
        os.kill(pid, signal.SIGCONT)
    g.start()


def test_policy_set_without_an_acknowledgement_times_out_with_124(shared):
    g = shared
    g.create("demo", policy=DENIED)
    stopped = list(g.roles(g.id_of("demo")).values())
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        out = g.cli("policy", "set", "demo", "--policy", QUICKSTART, "--wait", "--timeout", "1")
        assert out.code == 124 and "timeout" in out.stderr.lower(), out
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    # It was stored, and comes into force once the sandbox can hear it.
    until(lambda: g.json("policy", "get", "demo")["status"].lower() == "loaded", 20, "the revision loaded")
    assert g.exec("demo", "curl", "-sSf", ZEN).code == 0


def test_policy_change_meets_an_open_connection(shared):
    """One connection, kept open by the client: allowed, then refused, as policy changes."""
    g = shared
    g.create("demo", policy=READ_GITHUB)
    script = ("import http.client, os, sys\n"
              "c = http.client.HTTPSConnection('10.200.0.1', 3128, timeout=20)\n"
              "c.set_tunnel('api.github.com', 443)\n"
              "for line in sys.stdin:\n"
              "    try:\n"
              "        c.request('GET', '/zen'); r = c.getresponse(); r.read(); print(r.status, flush=True)\n"
              "    except Exception as e:\n"
              "        print('cut', flush=True); sys.exit(0)\n")
    script = script.replace("HTTPSConnection('10.200.0.1', 3128, timeout=20)",
                            "HTTPSConnection(*os.environ['HTTPS_PROXY'].split('//')[1].rstrip('/').split(':'), timeout=20)")
    process = g.spawn("sandbox", "exec", "demo", "--", "/usr/bin/python3", "-c", script)
    process.stdin.write(b"go\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"200\n", process.stderr.read1()
    g.ok("policy", "set", "demo", "--policy", g.policy({**READ_GITHUB, "network_policies": {}}), "--wait")
    process.stdin.write(b"go\n")
    process.stdin.flush()
    assert process.stdout.readline() in (b"403\n", b"cut\n")


# 5. connect

def test_connect_to_a_sandbox_after_its_policy_was_set(shared):
    g = shared
    g.create("demo", policy=DENIED)
    g.ok("policy", "set", "demo", "--policy", QUICKSTART, "--wait")
    posts = len([r for r in upstream_requests("api.github.com") if r["method"] == "POST"])
    term = terminal(g, "sandbox", "connect", "demo")
    term.send(b"curl -sS -w '\\nstatus-%{http_code}\\n' " + ZEN.encode() + b"\n")
    term.expect(b"status-200")
    term.send(b"curl -sS -X POST -d x -w '\\nstatus-%{http_code}\\n' https://api.github.com/repos/octocat/hello-world/issues\n")
    term.expect(b"policy_denied")
    term.expect(b"status-403")
    term.resize(41, 133)
    term.send(b"until [ \"$(stty size)\" = '41 133' ]; do :; done; echo size-$(stty size | tr ' ' x)\n")
    term.expect(b"size-41x133\r")
    term.send(b"exit 5\n")
    assert term.wait() == 5
    assert len([r for r in upstream_requests("api.github.com") if r["method"] == "POST"]) == posts
    # Without a name: the last used.
    term = terminal(g, "sandbox", "connect")
    term.expect(b"Using sandbox 'demo' (last used)")
    term.send(b"exit\n")
    term.wait()


# 6. exec

def test_exec_passes_status_streams_and_bytes(shared):
    g = shared
    g.create("demo")
    for script, status in (("exit 7", 7), ("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
        out = g.exec("demo", "sh", "-c", script)
        assert out.code == status, (script, out)
    out = g.exec("demo", "sh", "-c", "echo to-out; echo to-err >&2")
    assert (out.out, out.err) == (b"to-out\n", b"to-err\n"), out
    data = bytes(range(256)) * 4096 * 3 + os.urandom(70000)
    out = g.exec("demo", "cat", input=data)
    assert out.code == 0 and out.out == data, (out.code, len(out.out), out.err[-500:])
    out = g.exec("demo", "sh", "-c", "cat >&2", input=data)
    assert out.err == data and out.out == b"", (out.code, len(out.err))
    assert g.exec("demo", "no-such-program").code == 127
    assert g.exec("demo", "/etc/passwd").code == 126


def running(g):
    """The commands of "demo", as one inside sees them: itself too."""
    seen = g.exec("demo", "sh", "-c", "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done").stdout
    assert "for f in" in seen, seen
    return seen


def test_exec_options(shared):
    g = shared
    g.create("demo")
    out = g.exec("demo", "sh", "-c", 'pwd; echo "$A|$B"', options=["--workdir", "/tmp", "--env", "A=x y", "--env", "B=2"])
    assert out.stdout == "/tmp\nx y|2\n", out
    began = time.monotonic()
    out = g.exec("demo", "sleep", "100", options=["--timeout", "1"])
    assert out.code == 124 and time.monotonic() - began < 15, out
    # The command is gone too, not only its answer.
    until(lambda: "sleep 100" not in running(g), 10, "the end of the command")
    assert g.exec("demo", "true", options=["--workdir", "/no/such"]).code not in (0, 124)
    assert g.exec("demo", "sh", "-c", "tty", options=["--tty"]).stdout.startswith("/dev/pts/")
    assert g.exec("demo", "sh", "-c", "tty").stdout.strip() == "not a tty"


def test_a_relative_workdir_costs_its_command_and_not_the_sandbox(shared):
    g = shared
    g.create("demo")
    out = g.exec("demo", "true", options=["--workdir", "tmp"])
    assert out.code == 126 and "not absolute" in out.stderr, out
    assert g.phase("demo") == "ready"
    assert g.exec("demo", "true").code == 0


def test_exec_in_a_terminal(shared):
    g = shared
    g.create("demo")
    term = terminal(g, "sandbox", "exec", "--tty", "demo", "--", "sh", "-c",
                    "trap 'echo caught; exit 9' INT; stty size; echo ready; while :; do sleep 0.05; done")
    term.expect(b"24 80")
    term.expect(b"ready")
    term.send(b"\x03")
    term.expect(b"caught")
    assert term.wait() == 9


def test_an_interrupted_exec_ends_its_command(shared):
    g = shared
    g.create("demo")
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", "echo up; exec sleep 4711")
        assert process.stdout.readline() == b"up\n"
        assert "sleep 4711" in running(g)
        process.send_signal(sig)
        assert process.wait(10) in (128 + sig, -sig)
        until(lambda: "sleep 4711" not in running(g), 10, f"the end of the command after {sig.name}")


def test_many_execs_at_once_keep_their_bytes_apart(shared):
    g = shared
    g.create("demo")
    many = [g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", f"cat; echo {i}; exit {i}") for i in range(20)]
    for i, process in enumerate(many):
        out, err = process.communicate(f"in {i}\n".encode() * 1000, timeout=60)
        assert (process.returncode, out) == (i, f"in {i}\n".encode() * 1000 + f"{i}\n".encode()), (i, err)


def test_a_sandbox_keeps_its_files_between_commands(shared):
    g = shared
    g.create("demo")
    assert g.exec("demo", "sh", "-c", "echo kept >/tmp/file; echo $$ >/tmp/pid").code == 0
    assert g.exec("demo", "cat", "/tmp/file").stdout == "kept\n"
    g.create("other")
    assert g.exec("other", "cat", "/tmp/file").code != 0


def test_a_sandbox_has_nothing_of_the_home_and_of_its_gateway(shared):
    g = shared
    g.create("demo")
    (g.home / "secret").write_text("top secret")
    out = g.exec("demo", "sh", "-c", f"cat {g.home}/secret {g.state}/pki/ca.key {g.bundle}/tls.key; ls -A {g.state};"
                 f" ls {g.sock}; cat /proc/*/environ | tr '\\0' '\\n' | grep -i token")
    assert (g.sandbox_dir(g.id_of("demo")) / "token").read_text().strip() not in out.stdout and "token" not in out.stdout.lower(), out
    assert "top secret" not in out.stdout and "PRIVATE KEY" not in out.stdout and "gateway.pid" not in out.stdout, out
    assert (g.home / "secret").read_text() == "top secret"
    # Nor may it dial the gateway: neither port nor socket is there.
    # By what curl says of a connection that cannot be made: a refused certificate is a connection.
    dial = (f"curl -sk -m 5 --noproxy '*' https://127.0.0.1:{g.port}/healthz; echo code $?;"
            f" curl -s -m 5 --unix-socket {g.sock} http://x/healthz; echo code $?")
    out = g.exec("demo", "sh", "-c", dial)
    assert out.stdout == "code 7\ncode 7\n", out
    outside = subprocess.run(["sh", "-c", dial], capture_output=True, text=True, timeout=20).stdout
    assert "code 7" not in outside and "code 0" in outside, outside


def test_create_runs_a_command_and_exits_with_its_status(shared):
    g = shared
    out = g.cli("sandbox", "create", "--name", "a", "--", "sh", "-c", "echo hello; exit 11")
    assert out.code == 11 and "hello" in out.stdout, out
    assert g.phase("a") == "ready"
    out = g.cli("sandbox", "create", "--name", "b", "--no-keep", "--", "sh", "-c", "exit 12")
    assert out.code == 12, out
    assert g.phase("b") == "gone"
    out = g.cli("sandbox", "create", "--name", "c", "--no-keep", "--", "cat", input=b"piped")
    assert out.code == 0 and out.stdout.endswith("piped"), out


def test_a_sandbox_outlives_the_terminal_that_made_it(shared):
    g = shared
    term = terminal(g, "sandbox", "create", "--name", "demo")
    term.send(b"echo up-$((1+1))\n")
    term.expect(b"up-2")
    os.close(term.fd)
    os.waitpid(term.pid, 0)
    assert g.phase("demo") == "ready"
    assert g.exec("demo", "echo", "still").stdout == "still\n"


# 8. what scripts and people read

def test_list_get_policy_and_status_in_three_forms(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    g.create("zulu")
    commands = {("sandbox", "list"): list, ("sandbox", "get", "demo"): dict, ("policy", "get", "demo"): dict,
                ("policy", "list", "demo"): list, ("status",): dict, ("gateway", "status"): dict}
    answers = {}
    for words, kind in commands.items():
        plain = g.ok(*words)
        assert plain.stdout and "\x1b" not in plain.stdout, (words, plain)
        answer = json.loads(g.ok(*words, "-o", "json").out)
        assert isinstance(answer, kind), (words, answer)
        text = g.ok(*words, "-o", "yaml").stdout
        assert yaml.safe_load(text) is not None and "\x1b" not in text
        assert g.ok(*words, "--output=json").out
        assert g.cli(*words, "-o", "xml").code == 2
        answers[words] = answer
        if words[0] != "status" and words[0] != "gateway":
            # Times become a type of their own in YAML: compare without.
            plain_yaml = yaml.load(text, Loader=yaml.BaseLoader)
            if words[:2] == ("policy", "get"):
                assert plain_yaml["version"] == "1"  # the policy alone: it can be given back to set
            else:
                assert names_of(plain_yaml) == names_of(answer), words
    names = [s["name"] for s in answers["sandbox", "list"]]
    assert names == ["demo", "zulu"]
    one = answers["sandbox", "get", "demo"]
    assert one["name"] == "demo" and one["phase"].lower() == "ready"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one["id"]), one
    assert answers["policy", "get", "demo"]["version"] == 1
    assert answers["policy", "list", "demo"][0]["status"].lower() == "loaded"
    assert [s["name"] for s in g.json("sandbox", "list", "--limit", "1", "--offset", "1")] == ["zulu"]
    assert g.ok("sandbox", "list", "--names").stdout == "demo\nzulu\n"
    assert g.ok("sandbox", "list", "--ids").stdout.split() == [s["id"] for s in answers["sandbox", "list"]]
    table = g.ok("sandbox", "list").stdout.splitlines()
    assert table[0].split()[0] == "NAME" and "PHASE" in table[0] and "Ready" in table[1], table


def names_of(answer):
    rows = answer if isinstance(answer, list) else [answer]
    return [(r.get("name"), str(r.get("version", "")), sorted(r)) for r in rows]


def test_policy_get_is_given_back_to_policy_set(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    text = g.ok("policy", "get", "demo", "--full").stdout
    file = g.policy(text)
    out = g.ok("policy", "set", "demo", "--policy", file, "--wait")
    assert "unchanged" in out.stderr.lower(), (text, out)


def test_policy_revisions_are_kept_and_told(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    for n in range(3):
        more = network(rest("api.github.com"), rest(f"host{n}.example.test"))
        g.ok("policy", "set", "demo", "--policy", g.policy(more), "--wait")
    rows = g.json("policy", "list", "demo")
    assert [r["version"] for r in rows] == [4, 3, 2, 1], rows
    assert [r["status"].lower() for r in rows] == ["loaded", "superseded", "superseded", "superseded"], rows
    assert len({r["hash"] for r in rows}) == 4
    assert g.json("policy", "get", "demo", "--rev", "2")["version"] == 2
    assert [r["version"] for r in g.json("policy", "list", "demo", "--limit", "2")] == [4, 3]
    out = g.cli("policy", "get", "demo", "--rev", "99")
    assert out.code == 1 and "no policy revision found" in out.stderr.lower(), out


def test_status_without_any_gateway(no_gateway):
    out = no_gateway.ok("status")
    assert "No gateway configured" in out.stdout and "openshell gateway start" in out.stdout, out
    assert no_gateway.cli("status", "-g", "nosuch").code == 1


def test_colours_only_for_terminals(shared):
    g = shared
    g.create("demo")
    term = terminal(g, "sandbox", "list")
    term.wait()
    assert b"\x1b[" in term.seen
    plain = Terminal(g.argv("sandbox", "list"), g.work, env={**g.env, "NO_COLOR": "1"})
    plain.wait()
    assert b"\x1b[" not in plain.seen and b"demo" in plain.seen


# 9. the gateway goes, the sandbox stays

LOOP = ("setsid sh -c 'while :; do curl -s -m 5 -o /dev/null " + ZEN + ";"
        " curl -s -m 5 -o /dev/null -X POST -d x https://api.github.com/forbidden; sleep 0.02; done'"
        " >/dev/null 2>&1 </dev/null & echo going")


def passed(what):
    return [r for r in upstream_requests("api.github.com") if what in r["target"]]


@pytest.mark.parametrize("how", ["kill", "stop", "restart"])
def test_a_sandbox_goes_on_and_enforces_without_its_gateway(gateway, how):
    g = gateway
    g.create("demo", policy=READ_GITHUB)
    more = network(rest("api.github.com"), rest("other.example.test"))
    g.ok("policy", "set", "demo", "--policy", g.policy(more), "--wait")
    before = g.json("policy", "list", "demo")
    identity = g.id_of("demo")
    roles = g.roles(identity)
    assert "going" in g.exec("demo", "sh", "-c", LOOP).stdout
    until(lambda: passed("/zen"), 10, "traffic")
    until(lambda: "forbidden" in g.ok("logs", "demo").stdout, 10, "a denial in the log")
    if how == "restart":
        g.ok("gateway", "restart")
    else:
        g.kill_gateway() if how == "kill" else g.stop()
        assert not g.up()
        seen = len(passed("/zen"))
        until(lambda: len(passed("/zen")) > seen + 3, 10, "traffic while there is no gateway")
        assert g.roles(identity)["keeper"] == roles["keeper"]
        out = g.cli("sandbox", "list")
        assert out.code == 1 and "gateway" in out.stderr and "openshell gateway start" in out.stderr, out
        assert g.cli("status").code == 1
        assert "stopped" in (g.cli("gateway", "status").stdout + g.cli("gateway", "status").stderr).lower()
        g.start()
    assert g.up()
    g.wait_phase("demo", "ready")
    assert g.id_of("demo") == identity
    assert g.roles(identity)["keeper"] == roles["keeper"] and g.roles(identity)["ctl"] == roles["ctl"]
    assert g.json("policy", "list", "demo") == before
    # All as before: commands, live policy, logs.
    assert g.exec("demo", "echo", "back").stdout == "back\n"
    g.ok("policy", "set", "demo", "--policy", g.policy({**READ_GITHUB, "network_policies": {}}), "--wait")
    assert g.exec("demo", "curl", "-sS", ZEN).code == 56
    assert "forbidden" in g.ok("logs", "demo", "--since", "5m").stdout
    assert passed("/forbidden") == []


def test_a_gateway_that_stops_lets_a_short_command_end_and_tells_who_watches(gateway):
    g = gateway
    g.create("demo")
    follow = g.spawn("logs", "demo", "-f")
    assert follow.stdout.readline() != b""
    command = g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", "echo up; read x; sleep 0.5; echo done; exit 9")
    assert command.stdout.readline() == b"up\n"
    command.stdin.write(b"go\n")
    command.stdin.flush()
    g.stop()
    assert not g.up()
    assert (command.wait(20), command.stdout.read()) == (9, b"done\n"), command.stderr.read()
    assert follow.wait(20) == 1
    assert "the gateway stops" in follow.stderr.read().decode()
    # One that is coming back is waited for.
    g.start()
    assert g.exec("demo", "echo", "back").stdout == "back\n"


def test_an_open_exec_resumes_or_ends_with_a_clear_error(gateway):
    g = gateway
    g.create("demo")
    process = g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", "echo up; read x; echo got $x")
    assert process.stdout.readline() == b"up\n"
    g.kill_gateway()
    g.start()
    g.wait_phase("demo", "ready")
    try:
        process.stdin.write(b"word\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass
    code = process.wait(20)
    out, err = process.stdout.read(), process.stderr.read().decode()
    if code == 0:
        assert out == b"got word\n"
    else:
        assert code in (1, 255) and "gateway" in err, (code, err)
    assert g.exec("demo", "true").code == 0


def test_gateway_start_stop_status_say_what_is(no_gateway):
    g = no_gateway
    out = g.cli("gateway", "status")
    assert "gateway start" in out.stdout + out.stderr, out
    g.start()
    first = g.pid()
    out = g.start()
    assert "running" in out.stderr.lower() and g.pid() == first, out
    state = g.json("gateway", "status")
    assert state["pid"] == first, state
    assert (g.state.stat().st_mode & 0o777) == 0o700
    g.stop()
    assert not g.up() and not alive(first)
    g.stop()  # again: no error
    g.start()
    assert g.pid() != first
    # The daemon belongs to no terminal and to no command.
    stat = open(f"/proc/{g.pid()}/stat").read().rsplit(")", 1)[1].split()
    assert int(stat[3]) == g.pid() or int(stat[4]) == 0, stat  # its own session, no terminal
    # It holds credentials: who is not root cannot look into it, nor at what it has open.
    if MODE == "root":
        assert os.readlink(f"/proc/{g.pid()}/fd/0") == "/dev/null"
    else:
        with pytest.raises(PermissionError):
            os.readlink(f"/proc/{g.pid()}/fd/0")


def test_files_of_a_gateway_are_of_their_owner_alone(gateway):
    g = gateway
    for path in (g.state / "pki/ca.key", g.state / "pki/tls.key", g.bundle / "tls.key", g.state / "data/openshell.db"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in (g.state, g.bundle):
        assert path.stat().st_mode & 0o777 == 0o700, path
    assert g.sock.stat().st_mode & 0o077 == 0
    meta = json.loads((g.config / "gateways/openshell/metadata.json").read_text())
    assert meta["gateway_endpoint"] == f"https://127.0.0.1:{g.port}" and meta["is_remote"] is False
    assert (meta["name"], meta["gateway_port"]) == ("openshell", g.port)
    # WAL, and only this user's.
    assert (g.state / "data/openshell.db").read_bytes()[18:20] == b"\x02\x02"
    g.create("demo")
    for path in (g.state / "sandboxes").rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o007 == 0, (path, oct(path.stat().st_mode))


# 10. delete

def test_delete_leaves_nothing(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    g.create("stays")
    stays = set(g.roles(g.id_of("stays")).values())
    identity = g.id_of("demo")
    g.exec("demo", "curl", "-s", ZEN)  # the proxy runs
    gone = g.roles(identity)
    assert {"keeper", "ctl", "spawn", "init", "net"} <= set(gone), gone
    inside = g.spawn("sandbox", "exec", "demo", "--", "sh", "-c", "echo up; exec sleep 1000")
    assert inside.stdout.readline() == b"up\n"
    # Of a program: the first process of a sandbox shows its own to nobody but root.
    until(lambda: "sleep" in map(comm, tree(gone["keeper"])), 10, "the shell has become sleep")
    program = next(p for p in tree(gone["keeper"]) if comm(p) == "sleep")
    namespaces = {os.readlink(f"/proc/{program}/ns/{n}") for n in ("net", "pid", "mnt")}
    out = g.delete("demo")
    assert "Deleted sandbox demo" in out.stdout, out
    assert g.phase("demo") == "gone"
    assert inside.wait(10) != 0
    until(lambda: not any(map(alive, [*gone.values(), program])), 10, "every process gone")
    assert not g.sandbox_dir(identity).exists()
    held = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for n in ("net", "pid", "mnt"):
            try:
                held.add(os.readlink(f"/proc/{pid}/ns/{n}"))
            except OSError:
                pass
    assert not namespaces & held
    assert set(g.roles(g.id_of("stays")).values()) == stays
    assert g.exec("stays", "echo", "here").stdout == "here\n"
    # Its name is free, and nothing of the old one comes back.
    g.create("demo")
    assert g.id_of("demo") != identity
    assert len(g.json("policy", "list", "demo")) <= 1


def test_delete_all_and_unknown_names(shared):
    g = shared
    for name in ("a", "b", "c"):
        g.create(name)
    out = g.cli("sandbox", "delete", "nosuch")
    assert "nosuch not found" in out.stdout + out.stderr, out
    assert g.cli("sandbox", "delete").code == 2
    assert g.cli("sandbox", "delete", "a", "--all").code == 2
    out = g.ok("sandbox", "delete", "a", "b")
    assert "Deleted sandbox a" in out.stdout and "Deleted sandbox b" in out.stdout
    g.ok("sandbox", "delete", "--all")
    assert g.list() == {}
    assert "No sandboxes" in g.ok("sandbox", "delete", "--all").stdout
    assert "No sandboxes found." in g.ok("sandbox", "list").stdout
    assert not (g.config / "gateways/openshell/last_sandbox").exists()


def test_stopping_the_last_gateway_and_deleting_after_a_restart(gateway):
    """A sandbox of a gateway that was killed is deleted by the next one."""
    g = gateway
    g.create("demo")
    pids = g.roles(g.id_of("demo")).values()
    g.kill_gateway()
    g.start()
    g.wait_phase("demo", "ready")
    g.delete("demo")
    until(lambda: not any(map(alive, pids)), 10, "every process gone")
    assert g.leftovers() == []


# 11. help, completion, man pages

COMMANDS = ["sandbox create", "sandbox connect", "sandbox exec", "sandbox list", "sandbox get", "sandbox delete",
            "policy set", "policy get", "policy list", "logs", "status",
            "gateway start", "gateway stop", "gateway status", "gateway restart"]


def test_help_and_man_pages_name_every_command_and_option():
    man = os.path.join(os.path.dirname(os.path.dirname(OPENSHELL)), "share/man/man1")
    pages = set(os.listdir(man))
    root = subprocess.run([OPENSHELL], capture_output=True, text=True, check=True).stdout
    for command in COMMANDS:
        words = command.split()
        assert words[0] in root
        text = subprocess.run([OPENSHELL, "help", *words], capture_output=True, text=True, check=True).stdout
        page = f"openshell-{'-'.join(words)}.1"
        assert page in pages, page
        source = open(os.path.join(man, page)).read().replace("\\-", "-")
        options = set(re.findall(r"--[a-z][a-z-]+", text))
        assert options, command
        # Global ones are told in the page of the program.
        own = options - {"--help", "--version", "--verbose", "--gateway", "--gateway-endpoint"}
        for option in own:
            assert option in source, (page, option)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell):
    out = subprocess.run([OPENSHELL, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "openshell" in out
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=out, text=True).returncode == 0


def test_bash_completes_commands_of_the_gateway():
    script = """
        source <("$OPENSHELL" completion bash)
        offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); f=$(complete -p openshell | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            "$f" openshell "${COMP_WORDS[COMP_CWORD]}" "" ; printf '%s\\n' "${COMPREPLY[@]}"; }
        PATH=$(dirname "$OPENSHELL"):$PATH
        offer openshell sandbox ''
        offer openshell policy set --w
        offer openshell gateway sta
    """
    out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "OPENSHELL": OPENSHELL})
    offered = set(out.stdout.split())
    assert {"create", "connect", "exec", "list", "get", "delete", "--wait", "start", "status"} <= offered, out


def test_usage_errors_name_the_nearest_word():
    for args, said in ((["sandbox", "creat"], "create"), (["gateway", "strat"], "start"), (["sandbox", "list", "--limt", "1"], "--limit"),
                       (["policy", "set", "x"], "--policy"), (["sandbox", "exec", "x"], "Usage")):
        done = subprocess.run([OPENSHELL, *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and said in done.stderr, (args, done)


