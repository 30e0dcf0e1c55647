"""The command line against a real sandbox: what the unit tests' fake supervisor cannot show."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from grpcapi import Code, dm, fails, secure, v1, wire
from harness import FILESYSTEM, OPENSHELL, STAGE, Terminal, network, rest, until


def told(process, text):
    """Reads stderr up to a line that holds text."""
    while True:
        line = process.stderr.readline().decode()
        assert line, f"stderr ended before {text!r}"
        if text in line:
            return line


POLICY_IN_WORKDIR = {"version": 1, "filesystem_policy": FILESYSTEM}
TAMPER = r"""
echo evil >> policy.yaml && echo appended
echo evil > evil.yaml; mv -f evil.yaml policy.yaml && echo replaced
rm -f policy.yaml && echo removed
ln policy.yaml hard && echo evil >> hard && echo linked
(: > events.jsonl) && echo truncated
rm -f events.jsonl && echo removed-events
rm -f report.json && echo removed-report
cat >/dev/null; echo end
"""


def test_files_of_the_run_in_the_work_directory_cannot_be_touched_from_inside(sandbox):
    box = sandbox()
    for name, text in (("policy.yaml", json.dumps(POLICY_IN_WORKDIR)), ("events.jsonl", "before\n"),
                       ("report.json", "")):
        (box.work / name).write_text(text)
    argv = [OPENSHELL, "run", "--policy", "policy.yaml", "--events", "events.jsonl",
            "--report", "report.json", "--", "sh", "-c", TAMPER]
    done = subprocess.run(argv, cwd=box.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.stdout == "end\n", done
    assert json.loads((box.work / "policy.yaml").read_text()) == POLICY_IN_WORKDIR
    assert (box.work / "events.jsonl").read_text().startswith("before\n")
    assert json.loads((box.work / "report.json").read_text())["exit"]["status"] == 0
    # The other side: outside the same acts work.
    done = subprocess.run(["sh", "-c", TAMPER], cwd=box.work, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    for word in ("appended", "replaced", "removed", "truncated", "removed-events", "removed-report"):
        assert word in done.stdout, done


def test_policy_in_the_work_directory_is_followed_in_place_only(sandbox):
    box = sandbox()
    policy = box.work / "policy.yaml"
    policy.write_text(json.dumps(POLICY_IN_WORKDIR))
    process = subprocess.Popen([OPENSHELL, "run", "--policy", "policy.yaml", "--", "sh", "-c", "echo up; cat"],
                               cwd=box.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n"
        policy.write_text(json.dumps(network(rest("api.github.com"))))
        told(process, "policy revision 2 in force")
        fresh = box.work / "fresh"
        fresh.write_text(json.dumps(network(rest("api.github.com", access="full"))))
        fresh.rename(policy)
        assert "replaced" in told(process, "revision 2 stays in force")
    finally:
        process.stdin.close()
        assert process.wait(20) == 0
        process.stdout.close()
        process.stderr.close()


def test_a_directory_as_a_stream_is_refused(sandbox):
    box = sandbox()
    fd = os.open("/", os.O_RDONLY)
    try:
        argv = [OPENSHELL, "run", "-q", "--", "ls", "/proc/self/fd/0/"]
        done = subprocess.run(argv, cwd=box.work, stdin=fd, capture_output=True, text=True, timeout=30)
        assert done.returncode == 125 and "standard input is a directory" in done.stderr, done
        done = subprocess.run(argv[4:], stdin=fd, capture_output=True, text=True)
        assert "etc" in done.stdout, done
    finally:
        os.close(fd)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_dev_null_inside(sandbox, closed):
    box = sandbox()
    script = f"import os; open('out', 'w').write(os.readlink('/proc/self/fd/{closed}'))"
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}{"<" if closed == 0 else ">"}&-', "sh", OPENSHELL, "run",
                           "-q", "--", "/usr/bin/python3", "-c", script], cwd=box.work, capture_output=True, timeout=30)
    assert done.returncode == 0, done
    assert (box.work / "out").read_text() == "/dev/null"


def test_a_run_writes_nothing_to_the_home_directory(sandbox, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    out = sandbox(policy=network(rest("api.github.com"))).run("sh", "-c", "curl -sS https://api.github.com/zen",
                                                              env={"HOME": str(home), "XDG_RUNTIME_DIR": ""})
    assert out.code == 0, out
    assert list(home.iterdir()) == []


def test_ignored_signals_stay_ignored(sandbox):
    """nohup: a hangup of the terminal does not end the run."""
    box = sandbox()
    argv = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *box.argv(["sh", "-c", "echo up; cat; echo done"])]
    process = subprocess.Popen(argv, cwd=box.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGHUP)
    process.stdin.close()
    assert process.stdout.read() == b"done\n"
    process.stdout.close()
    assert process.wait(20) == 0


def states(marker):
    """States of the processes whose arguments hold marker."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if marker in (process / "cmdline").read_bytes():
                found[process.name] = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            pass
    return found


def test_stopped_run_stops_the_command_and_both_go_on(sandbox):
    marker = f"marker-{os.getpid()}"
    process = sandbox().start("sh", "-c", f": {marker}; while :; do echo tick; sleep 0.01; done")
    assert process.stdout.readline() == b"tick\n"
    process.send_signal(signal.SIGTSTP)
    # openshell itself and the shell inside; or, in the middle of a vfork, the child, for which the shell waits (D).
    def stopped():
        now = list(states(marker.encode()).values())
        return now.count("T") >= 2 and set(now) <= {"T", "D"}

    until(stopped, what="both stopped")
    process.send_signal(signal.SIGCONT)
    until(lambda: "T" not in states(marker.encode()).values(), what="both running")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def test_a_gateway_that_closes_while_it_is_written_to_is_told(tmp_path):
    """It closes at once: often before the first bytes are written, hence the many tries."""
    path, tries = tmp_path / "gw.sock", 20

    def close_early(listener):
        for _ in range(tries):
            listener.accept()[0].close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=close_early, args=[listener])
        thread.start()
        outs = [subprocess.run([OPENSHELL, "--gateway-endpoint", f"unix:{path}", "sandbox", "list"], text=True,
                               capture_output=True, timeout=30, env={**os.environ, "HOME": str(tmp_path)})
                for _ in range(tries)]
        thread.join()
    for out in outs:
        assert out.returncode == 1 and out.stderr.startswith(f"Error: Gateway 'unix:{path}' is not reachable"), out


@pytest.mark.parametrize("ignored, status, said", [(False, -signal.SIGPIPE, ""), (True, 1, "Broken pipe")])
def test_a_closed_standard_output_ends_a_command_as_it_ends_others(ignored, status, said):
    """Quietly, as `openshell --help | head -1` does; told where the caller ignores SIGPIPE."""
    ours, theirs = os.pipe()
    os.close(ours)
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        out = subprocess.run([OPENSHELL, "--help"], stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=30,
                             restore_signals=False)
    finally:
        signal.signal(signal.SIGPIPE, before)
        os.close(theirs)
    assert out.returncode == status and said in out.stderr and (said or not out.stderr), out


@pytest.mark.parametrize("words, said", [
    ("sandbox exec one -n two -- true", "two sandboxes are named"),
    ("sandbox list --ids --names", "cannot be used together"),
    ("sandbox create --detach --no-keep", "cannot be used together"),
    ("sandbox delete --all demo", "not both"),
    ("gateway start --port 99999", "--port 99999"),
    ("logs demo --level loud", "possible values: error"), ("logs demo --source moon", "possible values: gateway"),
    ("logs demo --since 5", "a duration like 90s, 5m or 1h30m")])
def test_a_wrong_command_line_ends_with_2_before_anything_is_asked(tmp_path, words, said):
    out = subprocess.run([OPENSHELL, *words.split()], capture_output=True, text=True, timeout=30,
                         env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert out.returncode == 2 and said in out.stderr, out
    assert not list(tmp_path.rglob("*"))


def test_a_gateway_that_never_was_is_not_destroyed_nor_restarted(no_gateway):
    g = no_gateway
    out = g.ok("gateway", "destroy", "--name", "nosuch", "--yes")
    assert "no gateway nosuch" in out.stderr and "destroyed" not in out.stderr, out
    out = g.cli("gateway", "restart", "--name", "nosuch")
    assert out.code == 1 and "openshell gateway start --name nosuch" in out.stderr, out
    assert not g.state.parent.exists()


def test_create_under_nohup_is_not_ended_by_a_hangup(gateway):
    g = gateway
    process = subprocess.Popen(["sh", "-c", 'trap "" HUP; echo up; exec "$@"', "sh", *g.argv(
        "sandbox", "create", "--detach", "--name", "demo")], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"

    def hung_up():
        process.send_signal(signal.SIGHUP)
        return process.poll() is not None

    until(hung_up, what="the end of create")
    out, err = process.communicate()
    assert (process.returncode, out) == (0, b"demo\n"), err


def test_what_a_failed_start_left_is_destroyed(no_gateway):
    g = no_gateway
    assert g.cli("gateway", "start", "--log-level", "loud", "--port", g.port).code == 1
    assert g.state.exists()
    assert "destroyed" in g.ok("gateway", "destroy", "--yes").stderr
    assert not g.state.exists()


def test_a_gateway_starts_with_the_log_level_it_is_given(no_gateway):
    g = no_gateway
    g.start("--log-level", "debug")
    pid = g.json("gateway", "status")["pid"]
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert words[words.index("--log-level") + 1] == "debug", words


def test_a_policy_that_cannot_be_read_is_told_once(no_gateway):
    out = no_gateway.cli("sandbox", "create", "--policy", "nosuch.yaml", "--", "true")
    assert out.code == 1
    assert out.stderr == "Error: failed to read sandbox policy from nosuch.yaml: No such file or directory\n", out


@pytest.mark.parametrize("command", ["sandbox create --policy {}", "policy set demo --policy {}"])
def test_a_policy_that_is_invalid_is_told_with_places_and_as_such(no_gateway, tmp_path, command):
    (tmp_path / "bad.yaml").write_text("version: 1\nbogus: 1\n")
    out = no_gateway.cli(*command.format(tmp_path / "bad.yaml").split())
    assert out.code == 1
    first, *rest = out.stderr.splitlines()
    assert first.startswith(f"{tmp_path}/bad.yaml:2:1: error: unknown key 'bogus'"), out
    assert rest == ["Error: failed to parse sandbox policy YAML", f"  {tmp_path}/bad.yaml is invalid"], out


PROVED = """
version: 1
network_policies:
  github:
    endpoints:
    - {host: api.github.com, port: 443, protocol: rest, access: read-only}
    - host: "*.github.com"
      port: 443
      protocol: rest
      rules:
      - allow: {method: GET, path: "/**"}
      - allow: {method: POST, path: "/repos/*/issues", query: {draft: "true"}}
    binaries: [{path: /usr/bin/gh}, {path: /usr/bin/curl}]
  mirror:
    endpoints: [{host: mirror.example.test, port: 443}]
    binaries: [{path: "/usr/bin/*"}]
"""


def ask_policy(*args, text=None):
    return subprocess.run([OPENSHELL, "policy", *map(str, args)], input=text, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("never, holds, said", [
    ("DELETE https://**.github.com", True, "yes, never: DELETE https://**.github.com\n"),
    ("https://*.github.com/**", False, "GET a.github.com:443/ by /usr/bin/gh"),
    ("POST https://*.github.com/**", False, "POST a.github.com:443/repos/a/issues?draft=true by /usr/bin/gh"),
    ("DELETE mirror.example.test", False, "because: mirror.endpoints[0] (not inspected: every method and path passes)"),
    ("HEAD https://api.github.com/[!r]*", False, "because: github.endpoints[0].access")])
def test_policy_prove_says_never_or_shows_a_request_that_policy_test_allows(tmp_path, never, holds, said):
    policy = tmp_path / "p.yaml"
    policy.write_text(PROVED)
    out = ask_policy("prove", policy, "--never", never)
    assert (out.returncode, out.stderr) == (0 if holds else 1, "") and said in out.stdout, out
    answer = json.loads(ask_policy("prove", policy, "--never", never, "-o", "json").stdout)
    proof, = answer["proofs"]
    assert answer["holds"] == proof["holds"] == holds and proof["never"] == never
    if holds:
        assert proof["counterexample"] is None
        return
    q = proof["counterexample"]
    url = f"https://{q['host']}:{q['port']}{q['path']}" + (f"?{q['query']}" if q["query"] is not None else "")
    out = ask_policy("test", policy, "--binary", q["program"], q["method"], url, "-o", "json")
    verdict = json.loads(out.stdout)
    assert out.returncode == 0 and verdict["verdict"] == "allow" and verdict["policy"] == proof["policy"], out


def test_policy_prove_takes_several_questions_and_programs(tmp_path):
    asked = ("prove", "-", "--never", "*.github.com", "--never", "DELETE *.github.com", "--program", "/usr/local/**")
    out = ask_policy(*asked, text=PROVED)
    assert out.returncode == 0 and out.stdout.count("yes, never: ") == 2, out
    out = ask_policy(*asked, "--program", "/usr/bin/curl", text=PROVED)
    assert out.returncode == 1 and "by /usr/bin/curl" in out.stdout and out.stdout.count("yes, never: ") == 1, out


@pytest.mark.parametrize("never, said", [
    ("POST https://a.test/x//y", "no canonical path can match: '/x//y'"), ("ftp://a.test", "neither http nor https"),
    ("https://a.test:99999/", "the port is not 1 to 65535"), ("POST GET", "")])
def test_policy_prove_refuses_a_question_that_every_policy_would_pass(never, said):
    out = ask_policy("prove", "-", "--never", never, "--program", "curl", text=PROVED)
    assert out.returncode == 2 and out.stdout == "" and said in out.stderr, out


def test_policy_prove_without_a_question_or_a_policy_is_no_yes(tmp_path):
    for args, text in ((("prove", "-"), PROVED), (("prove", "-", "--never", "a.test"), "version: 1\nnonsense: 1\n"),
                       (("prove", tmp_path / "nosuch.yaml", "--never", "a.test"), None)):
        out = ask_policy(*args, text=text)
        assert out.returncode == 2 and "yes" not in out.stdout and out.stderr, out


def test_policy_diff_says_what_widens_and_what_narrows(tmp_path):
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(PROVED)
    after.write_text(PROVED.replace(', query: {draft: "true"}', "").replace('"/usr/bin/*"', "/usr/bin/pip")
                     .replace("port: 443}", "ports: [443, 8443]}").replace("  mirror:", "  renamed:"))
    out = ask_policy("diff", before, after)
    assert out.returncode == 1 and out.stderr == "", out
    lines = out.stdout.splitlines()
    assert "+ widens query: github.endpoints[1].rules[1]" in lines, out
    assert "    POST a.github.com:443/repos/a/issues by /usr/bin/gh" in lines, out
    assert any(line.startswith("+ widens port: renamed.endpoints[0], not inspected") for line in lines), out
    assert any(line.startswith("- narrows program: mirror.binaries[0], not inspected") for line in lines), out
    assert len(lines) == 6, out
    back = ask_policy("diff", after, before).stdout
    assert sorted(back.replace("+ widens", "- NARROWS").replace("- narrows", "+ widens").replace("NARROWS", "narrows")
                  .splitlines()) == sorted(lines)
    changes = json.loads(ask_policy("diff", before, after, "-o", "json").stdout)["changes"]
    assert [(c["kind"], c["dimension"], c["policy"]) for c in changes] == [
        ("widens", "query", "github"), ("widens", "port", "renamed"), ("narrows", "program", "mirror")]
    same = ask_policy("diff", before, "-", text=PROVED.replace("  mirror:", "  another_name:"))
    assert (same.returncode, same.stdout) == (0, "no difference in what may be reached\n"), same
    assert ask_policy("diff", "-", "-", text=PROVED).returncode == 2
    assert ask_policy("diff", before, tmp_path / "nosuch.yaml").returncode == 2


TOOLS = """
version: 1
network_policies:
  tools:
    endpoints:
    - host: tools.example.test
      port: 443
      protocol: mcp
      rules:
      - allow: {method: initialize}
      - allow: {method: tools/call, tool: "read_*"}
      deny_rules:
      - {method: tools/call, tool: read_secret}
    - {host: graph.example.test, port: 443, protocol: graphql, access: read-only}
    binaries: [{path: /usr/bin/agent}]
"""


@pytest.mark.parametrize("never, holds, said", [
    ("mcp tools/call delete_* https://tools.example.test", True, "yes, never: "),
    ("mcp tools/call read_secret tools.example.test", True, "yes, never: "),
    ("mcp tools/call https://tools.example.test", False, "(tools/call name=read_) by /usr/bin/agent"),
    ("graphql mutation https://graph.example.test", True, "yes, never: "),
    ("graphql query secret graph.example.test", False, "(query { secret }) by /usr/bin/agent"),
    ("DELETE https://graph.example.test", True, "yes, never: ")])
def test_policy_prove_answers_for_operations(never, holds, said):
    out = ask_policy("prove", "-", "--never", never, text=TOOLS)
    assert (out.returncode, out.stderr) == (0 if holds else 1, "") and said in out.stdout, out
    proof, = json.loads(ask_policy("prove", "-", "--never", never, "-o", "json", text=TOOLS).stdout)["proofs"]
    assert holds or proof["counterexample"]["operation"] is not None


CALLS = """
version: 1
network_policies:
  store:
    endpoints:
    - host: rpc.example.test
      port: 443
      path: "/*/*"
      protocol: grpc
      rules:
      - allow: {service: store.v1.*}
    - host: rpc.example.test
      port: 443
      protocol: rest
      rules:
      - allow: {method: GET, path: /health}
      deny_rules:
      - {method: POST, path: "/store.v1.Admin/**"}
      - {method: "*", path: "/**", query: {debug: "1"}}
    binaries: [{path: /usr/bin/agent}]
"""


@pytest.mark.parametrize("never, holds, said", [
    ("grpc store.v1.Admin https://rpc.example.test", True, "yes, never: "),
    ("grpc store.v2.** https://rpc.example.test", True, "yes, never: "),
    ("grpc store.v1.Items Del* https://rpc.example.test", False, "POST rpc.example.test:443/store.v1.Items/Del"),
    ("POST https://rpc.example.test/store.v1.Items/Get", False, "POST rpc.example.test:443/store.v1.Items/Get"),
    ("POST https://rpc.example.test/*", True, "yes, never: ")])
def test_policy_prove_answers_for_calls_of_grpc_beside_paths(tmp_path, never, holds, said):
    out = ask_policy("prove", "-", "--never", never, text=CALLS)
    assert (out.returncode, out.stderr) == (0 if holds else 1, "") and said in out.stdout, out
    proof, = json.loads(ask_policy("prove", "-", "--never", never, "-o", "json", text=CALLS).stdout)["proofs"]
    assert holds or proof["counterexample"]["operation"] is not None


def test_policy_diff_compares_calls_of_grpc_beside_paths(tmp_path):
    before = tmp_path / "before.yaml"
    before.write_text(CALLS)
    assert ask_policy("diff", before, "-", text=CALLS).returncode == 0
    out = ask_policy("diff", before, "-", text=CALLS.replace("Admin/**", "Admin/D*"))
    assert (out.returncode, out.stderr) == (1, ""), out
    assert out.stdout.splitlines() == ["+ widens path: store.endpoints[0].rules[0]",
                                       "    POST rpc.example.test:443/store.v1.Admin/a by /usr/bin/agent"], out
    out = ask_policy("diff", before, "-", text=CALLS.replace('debug: "1"', 'debug: "{1,2}"'))
    assert (out.returncode, out.stderr) == (1, ""), out
    assert "- narrows query: store.endpoints[0].rules[0]" in out.stdout and "/a?debug=2 by" in out.stdout, out


SOCKETS = json.dumps(network({"host": "ws.example.test", "port": 443, "protocol": "websocket", "rules": [
    {"allow": {"method": "GET", "path": "/**"}}, {"allow": {"method": "WEBSOCKET_TEXT", "path": "/chat"}}]},
    rest("rest.example.test")))


@pytest.mark.parametrize("never, holds, said", [
    ("WEBSOCKET_TEXT wss://ws.example.test/news", True, "yes, never: "),
    ("WEBSOCKET_TEXT wss://ws.example.test", False, "WEBSOCKET_TEXT ws.example.test:443/chat by /"),
    ("WEBSOCKET_TEXT rest.example.test", False, "WEBSOCKET_TEXT rest.example.test:443/ by /"),
    ("POST https://ws.example.test", True, "yes, never: "),
    ("ws.example.test", False, "GET ws.example.test:443/ by /")])
def test_policy_prove_answers_for_messages_of_websockets(never, holds, said):
    out = ask_policy("prove", "-", "--never", never, text=SOCKETS)
    assert (out.returncode, out.stderr) == (0 if holds else 1, "") and said in out.stdout, out


def test_policy_diff_compares_messages_of_websockets(tmp_path):
    before = tmp_path / "before.yaml"
    before.write_text(SOCKETS)
    assert ask_policy("diff", before, "-", text=SOCKETS).returncode == 0
    out = ask_policy("diff", before, "-", text=SOCKETS.replace("/chat", "/chats"))
    assert out.returncode == 1 and "WEBSOCKET_TEXT ws.example.test:443/chats" in out.stdout, out
    assert "- narrows method: " in out.stdout and "WEBSOCKET_TEXT ws.example.test:443/chat by" in out.stdout, out


GRAPHQL_SOCKET = json.dumps(network({"host": "gql.example.test", "port": 443, "protocol": "websocket", "rules": [
    {"allow": {"method": "GET", "path": "/graphql", "query": {"v": "1"}}}, {"allow": {"operation_type": "query"}},
    {"allow": {"operation_type": "mutation", "fields": ["add*"]}}],
    "deny_rules": [{"operation_type": "*", "fields": ["secret"]}]}))


@pytest.mark.parametrize("never, holds, said", [
    ("graphql mutation delete* wss://gql.example.test", True, "yes, never: "),
    ("graphql * secret wss://gql.example.test", True, "yes, never: "),
    ("graphql mutation wss://gql.example.test/other", True, "yes, never: "),
    ("graphql mutation wss://gql.example.test", False,
     "WEBSOCKET_TEXT gql.example.test:443/graphql?v=1 (mutation { add }) by /"),
    ("graphql mutation delete https://gql.example.test", False, "GET gql.example.test:443/graphql?v=1 by /")])
def test_policy_prove_answers_for_graphql_in_messages(never, holds, said):
    out = ask_policy("prove", "-", "--never", never, text=GRAPHQL_SOCKET)
    assert (out.returncode, out.stderr) == (0 if holds else 1, "") and said in out.stdout, out


def test_policy_diff_compares_graphql_in_messages(tmp_path):
    before = tmp_path / "before.yaml"
    before.write_text(GRAPHQL_SOCKET)
    assert ask_policy("diff", before, "-", text=GRAPHQL_SOCKET).returncode == 0
    out = ask_policy("diff", before, "-", text=GRAPHQL_SOCKET.replace("secret", "sec*"))
    assert (out.returncode, out.stderr) == (1, ""), out
    assert "- narrows operation: " in out.stdout and "+ widens" not in out.stdout, out
    assert "WEBSOCKET_TEXT gql.example.test:443/graphql?v=1 (query { sec }) by /" in out.stdout, out


def test_policy_diff_names_the_operation(tmp_path):
    before = tmp_path / "before.yaml"
    before.write_text(TOOLS)
    after = TOOLS.replace('"read_*"', '"*"').replace("access: read-only", "access: read-write")
    out = ask_policy("diff", before, "-", text=after)
    assert (out.returncode, out.stderr) == (1, ""), out
    lines = out.stdout.splitlines()
    assert lines[0] == "+ widens operation: tools.endpoints[0].rules[1]" and "(tools/call name=" in lines[1], out
    assert lines[2] == "+ widens operation: tools.endpoints[1].access" and "(mutation { " in lines[3], out
    assert len(lines) == 4, out
    assert ask_policy("diff", before, "-", text=TOOLS).returncode == 0


def test_the_manual_of_prove_and_diff_shows_what_they_print(tmp_path):
    blocks = re.findall(r"```(\w+)\n(.*?)```", (STAGE / "docs/policy-prove.md").read_text(), re.S)
    (_, before), (_, proved), (_, change), (_, differs), (_, found), (_, tools), (_, operations) = blocks
    (tmp_path / "before.yaml").write_text(before)
    for old, new in re.findall(r"^-(  .*\n)\+(  .*\n)", change, re.M):
        assert old in before, old
        before = before.replace(old, new)
    (tmp_path / "after.yaml").write_text(before)
    (tmp_path / "tools.yaml").write_text(tools)
    for shown in (proved, differs, found, operations):
        command, _, output = re.fullmatch(r"\$ (([^\n]*\\\n)*[^\n]*\n)(.*)", shown, re.S).groups()
        out = subprocess.run(["sh", "-c", f'openshell() {{ "{OPENSHELL}" "$@"; }}; {command}'], cwd=tmp_path,
                             capture_output=True, text=True, timeout=60)
        assert (out.stdout, out.returncode) == (output, 1), out


def test_policy_diff_finds_what_a_change_means_for_credentials(tmp_path):
    before, endpoint = tmp_path / "before.yaml", rest("api.github.com")
    before.write_text(json.dumps(network(endpoint)))
    # What may be reached stays the same; that a credential goes there is news.
    bound = json.dumps(network({**endpoint, "credential_binding": {"provider": "mine"}}))
    out = ask_policy("diff", before, "-", text=bound)
    assert (out.returncode, out.stderr) == (1, "") and out.stdout.splitlines() == ["no difference in what may be reached",
        "! credential_reach_expansion, of mine: test.endpoints[0].access", "    GET api.github.com:443/ by /a"], out
    opened = json.dumps(network({"host": "**.github.com", "port": 443}))
    answer = json.loads(ask_policy("diff", before, "-", "--provider", "gh", "-o", "json", text=opened).stdout)
    hosts = {(f["kind"], f["provider"], f["how"], f["example"]["host"]) for f in answer["findings"]}
    assert ("l7_bypass_credentialed", "github", "uninspected", "api.github.com") in hosts, answer
    assert ("l7_bypass_credentialed", "github", "uninspected", "uploads.github.com") in hosts, answer
    assert json.loads(ask_policy("diff", before, before, "--provider", "github", "-o", "json").stdout)["findings"] == []
    assert ask_policy("diff", before, before, "--provider", "nosuch").returncode == 2


def test_policy_diff_compares_what_a_sandbox_has_with_a_file(gateway):
    g = gateway
    g.create("demo", policy=network(rest("api.github.com")))
    wider = g.policy(network(rest("api.github.com"), rest("api.openai.com")))
    out = g.cli("policy", "diff", "demo", wider)
    assert out.code == 1 and "+ widens host: " in out.stdout and "api.openai.com:443" in out.stdout, out
    assert "narrows" not in out.stdout, out
    g.ok("policy", "set", "demo", "--policy", wider, "--wait")
    out = g.cli("policy", "diff", "demo", wider)
    assert (out.code, out.stdout) == (0, "no difference in what may be reached\n"), out
    out = g.cli("policy", "diff", "nosuch", wider)
    assert out.code == 2 and "nosuch" in out.stderr, out


def test_bash_completes_from_the_printed_script(sandbox):
    box = sandbox()
    (box.work / "policy.yaml").write_text("version: 1\n")
    script = r"""
        PATH="${OPENSHELL%/*}:$PATH"
        source <("$OPENSHELL" completions bash)
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _openshell openshell "${COMP_WORDS[COMP_CWORD]}" "" 2>/dev/null
                printf '%s ' "${COMPREPLY[@]}"; echo; }
        ask openshell ru
        ask openshell policy ""
        ask openshell run --policy pol
        ask openshell doctor -o j
    """
    done = subprocess.run(["bash", "-c", script], cwd=box.work, capture_output=True, text=True, timeout=30,
                          env={**os.environ, "OPENSHELL": OPENSHELL})
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["run", "rule"], "set update get list delete check test show why learn diff prove".split(), ["policy.yaml"], ["json"]], done


# (typed, what the shell makes of it or offers): commands, options, values, files, sandboxes, the command inside.
COMPLETED = [("openshell doc", "doctor"), ("openshell policy che", "check"), ("openshell run --policy pol", "policy.yaml"),
             ("openshell doctor -o j", "json"), ("openshell sandbox create --work", "--workdir"),
             ("openshell sandbox get de", "demo"), ("openshell sandbox exec demo -- inner --all", "--all-of-it"),
             ("openshell run inner --all", "--all-of-it"), ("openshell run -- inn", "inner")]


@pytest.fixture
def completing(gateway, tmp_path):
    """(directory, environment): a gateway with one sandbox, one file here, and a program `inner` on PATH."""
    gateway.create("demo")
    (tmp_path / "policy.yaml").write_text("version: 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/inner").write_text("#!/bin/sh\n")
    (tmp_path / "bin/inner").chmod(0o755)
    path = f"{tmp_path}/bin:{os.path.dirname(OPENSHELL)}:{gateway.env['PATH']}"
    return tmp_path, {**gateway.env, "PATH": path}


def test_fish_completes_from_the_printed_script(completing):
    here, env = completing
    script = ("openshell completions fish | source; complete -c inner -l all-of-it\n"
              "for line in $argv; complete -C $line | string split -f 1 \\t | string join ' '; end\n")
    done = subprocess.run(["fish", "--no-config", "-c", script, *(typed for typed, _ in COMPLETED)], cwd=here,
                          env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [want for _, want in COMPLETED], done


def test_zsh_completes_from_the_printed_script(completing):
    here, env = completing
    term = Terminal(["/usr/bin/zsh", "-f", "-i"], here, env={**env, "TERM": "dumb"})
    term.send(b"PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D\n"
              b"source <(openshell completions zsh); _inner() { _arguments --all-of-it }; compdef _inner inner\n"
              b"show() { zle -I; print -r -- \"<$BUFFER>\"; BUFFER= }; zle -N show; bindkey '^X' show; echo rea''dy\n")
    term.expect(b"ready")
    for typed, want in COMPLETED:
        term.send(typed.encode() + b"\t\x18")
        term.expect(f"<{typed[:typed.rindex(' ')]} {want} >".encode())
    term.send(b"exit\n")
    assert term.wait() == 0


@pytest.mark.parametrize("words, said", [
    (["sandbox", "create", "--editor", "vscode"], ["--editor is not there yet", "SSH", "openshell sandbox connect"]),
    (["sandbox", "create", "--forward", "8080"], ["--forward is not there yet", "SSH"]),
    (["sandbox", "connect", "--editor", "cursor"], ["--editor is not there yet", "openshell sandbox exec"]),
    (["sandbox", "ssh-config", "demo"], ["sandbox ssh-config is not there yet", "openshell sandbox upload"]),
])
def test_what_needs_ssh_is_refused_by_name(no_gateway, words, said):
    out = no_gateway.cli(*words)
    assert out.code == 1 and all(s in out.stderr for s in said), out
    assert not no_gateway.state.exists()  # nothing was started for it
    assert "--editor" not in no_gateway.ok("sandbox", "create", "--help").stdout


@pytest.mark.parametrize("option, said", [
    (["--gpu"], ["GPUs are not available", "--gpu"]), (["--from", "base"], ["images are not available", "--from"]),
    (["--provider", "claude"], ["missing required provider 'claude'", "openshell provider create"])])
def test_what_is_not_there_is_refused_by_name(shared, option, said):
    out = shared.cli("sandbox", "create", "--name", "demo", *option, "--", "true")
    assert out.code == 1 and all(s in out.stderr for s in said) and shared.phase("demo") == "gone", out


def test_a_restart_keeps_how_the_gateway_was_started(no_gateway):
    g = no_gateway
    g.start("--disable-gateway-auth", "--log-level", "debug")
    g.ok("gateway", "restart")

    def words():
        return pathlib.Path(f"/proc/{g.pid()}/cmdline").read_text().split("\0")
    assert "--disable-gateway-auth" in words() and words()[words().index("--log-level") + 1] == "debug", words()
    # A start is a new beginning.
    g.stop()
    g.start()
    assert "--disable-gateway-auth" not in words() and "--log-level" not in words()
    g.ok("gateway", "restart")
    assert "--disable-gateway-auth" not in words()


def test_connect_ends_with_its_input(shared):
    g = shared
    g.create("demo")
    started = time.monotonic()
    out = g.cli("sandbox", "connect", "demo", stdin=subprocess.DEVNULL, input=None, timeout=20)
    assert out.code == 0 and time.monotonic() - started < 10, out
    out = g.cli("sandbox", "connect", "demo", input=b"echo in-$((40+2)); sleep 1; exit 9\n", timeout=20)
    assert out.code == 9 and "in-42" in out.stdout, out


def test_every_reason_of_a_refused_policy_arrives(shared):
    """More of them than an error of ours holds."""
    policy = wire(network(rest("a.example.test")))
    for i in range(20):
        policy.filesystem.read_write.append(f"/etc/../directory-number-{i}")
    api = secure(shared)
    try:
        text = fails(Code.INVALID_ARGUMENT, lambda: api.call(
            "CreateSandbox", v1.CreateSandboxRequest(name="demo", spec=dm.SandboxSpec(policy=policy))))
    finally:
        api.close()
    assert all(f"directory-number-{i}" in text for i in range(20)), text


@pytest.mark.parametrize("words", [
    ["gateway", "start", "--remote", "me@there"], ["gateway", "stop", "--remote", "me@there"], ["gateway", "destroy", "--yes", "--remote", "me@there"],
    ["gateway", "start", "--gpu"], ["gateway", "start", "--gateway-host", "there"], ["gateway", "start", "--registry-token", "x"],
    ["sandbox", "create", "--remote", "me@there"]])
def test_an_option_that_does_nothing_yet_is_refused(no_gateway, words):
    """Passed over, it would start or end another gateway than was meant."""
    out = no_gateway.cli(*words)
    option = next(w for w in words if w.startswith("--") and w != "--yes")
    assert out.code == 1 and option in out.stderr, out
    assert not no_gateway.state.exists()


def test_doctor_shows_the_log_of_a_gateway(no_gateway):
    g = no_gateway
    out = g.cli("doctor", "logs")
    assert out.code == 1 and out.stdout == "server logs: not available\n", out
    g.start()
    log = g.state / "logs/server.log"
    log.write_text("one\ntwo\nthree\n")
    assert g.ok("doctor", "logs").stdout == "one\ntwo\nthree\n"
    assert g.ok("doctor", "logs", "-l", "2").stdout == "two\nthree\n"
    assert g.ok("doctor", "logs", "--lines", "9").stdout == "one\ntwo\nthree\n"
    log.write_text("x" * 200000 + "\nlast")
    assert g.ok("doctor", "logs", "-l", "1").stdout == "last"
    assert len(g.ok("doctor", "logs", "-l", "2").stdout) == 200005
    log.write_text("begin\n")
    follow = g.spawn("doctor", "logs", "--tail")
    assert follow.stdout.readline() == b"begin\n"
    with open(log, "a") as f:
        f.write("more\n")
    assert follow.stdout.readline() == b"more\n"
    log.rename(log.with_suffix(".old"))  # rotated
    log.write_text("fresh\n")
    assert follow.stdout.readline() == b"fresh\n"
    log.write_text("")  # and cut
    time.sleep(0.5)
    with open(log, "a") as f:
        f.write("again\n")
    assert follow.stdout.readline() == b"again\n"
    follow.send_signal(signal.SIGINT)
    assert follow.wait(5) == -signal.SIGINT


def test_doctor_runs_a_command_where_the_gateway_is(no_gateway, tmp_path):
    g = no_gateway
    out = g.cli("doctor", "exec", "--", "true")
    assert out.code == 1 and "There is no gateway openshell on this machine" in out.stderr, out
    g.start()
    out = g.cli("doctor", "exec", "--", "sh", "-c", 'pwd; echo "$OPENSHELL_GATEWAY"; exit 7')
    assert out.code == 7 and out.stdout == f"{g.state}\nopenshell\n", out
    # Elsewhere by ssh, each word as it is.
    (tmp_path / "ssh").write_text('#!/bin/sh\nfor a; do printf "[%s]" "$a"; done\n')
    (tmp_path / "ssh").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    out = g.cli("doctor", "exec", "--remote", "me@there", "--ssh-key", "k", "--", "echo", "it's", "a b", "", env=env)
    assert out.stdout == ("[-i][k][me@there][cd .openshell/gateways/openshell && OPENSHELL_GATEWAY=openshell exec echo "
                          "'it'\"'\"'s' 'a b' '']"), out
    out = g.cli("doctor", "logs", "--remote", "me@there", "-l", "5", env=env)
    assert out.stdout == "[me@there][tail -n 5  -- .openshell/gateways/openshell/logs/server.log]", out
    out = g.cli("doctor", "exec", "--remote=-oProxyCommand=x", "--", "true", env=env)
    assert out.code == 1 and "no destination for ssh" in out.stderr, out
    text = g.ok("doctor", "llm.txt").stdout
    assert text.startswith("# ") and "openshell doctor logs" in text and "data/openshell.db" in text


def test_help_groups_the_commands(no_gateway):
    text = no_gateway.ok().stdout
    assert [line for line in text.splitlines() if line.isupper() and line.endswith("COMMANDS")] == [
        "SANDBOX COMMANDS", "GATEWAY COMMANDS", "ADDITIONAL COMMANDS"], text
    text = no_gateway.ok("sandbox").stdout
    assert "ALIAS\n  openshell sb\n" in text, text
    text = no_gateway.ok("doctor", "--help").stdout
    assert "COMMANDS\n  logs" in text and "llm.txt" in text, text
