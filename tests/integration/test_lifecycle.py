"""What happened to the sandbox itself is recorded: its start and end, its protections, policies and commands."""
import json
import os
import re
import signal
import subprocess

import pytest

from gateway import READ_GITHUB, ZEN
from harness import FILESYSTEM, OPENSHELL, STAGE, children, network, rest, until

NOTHING = {"version": 1, "filesystem_policy": FILESYSTEM}


def cli(*args):
    return subprocess.run([OPENSHELL, *map(str, args)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


def kinds(records):
    return [r["kind"] for r in records]


def intact(box):
    done = cli("logs", "verify", "--file", box.events, "-o", "json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


PROTECTED = ("PROTECTIONS", "PROTECTIONS_MISSING")


def test_a_run_records_its_life_in_order(sandbox, tmp_path):
    report = tmp_path / "report.json"
    box = sandbox(policy=network(rest("api.github.com")), options=["--report", str(report)])
    out = box.run("sh", "-c", f"curl -sS -o /dev/null {ZEN}; exit 3")
    assert out.code == 3, out
    started, protections, policy, launched, *middle, stopped = out.records
    (ended,) = [r for r in middle if r["kind"] == "PROCESS_ENDED"]
    middle.remove(ended)  # what was allowed may wait a moment, and follow it
    told = json.loads(report.read_text())
    assert started["kind"] == "SANDBOX_STARTED" and started["sandbox"] == told["sandbox"], out
    assert started["detail"] == os.uname().nodename, out
    missing = told["protections"]["missing"]
    assert protections["kind"] == PROTECTED[bool(missing)], out
    assert all(line in protections["reason"] for line in missing), out
    assert "seccomp" in protections["detail"] and "namespaces" in protections["detail"], out
    assert policy["kind"] == "POLICY" and policy["generation"] == 1, out
    assert policy["detail"] == "sha256:" + told["policy"]["hash"], out
    assert launched["kind"] == "PROCESS_STARTED" and launched["binary"] == "sh" and launched["pid"] > 1, out
    assert launched["detail"].startswith("sh -c 'curl -sS -o /dev/null https://"), out
    assert ended["kind"] == "PROCESS_ENDED" and ended["status"] == "3" and ended["pid"] == launched["pid"], out
    assert stopped["kind"] == "SANDBOX_STOPPED", out
    assert kinds(middle) == ["CONNECT_L7", "L7_REQUEST"] and middle == out.events, out
    assert intact(box)["records"] == len(out.records)
    short = cli("logs", "--file", box.events).stdout
    assert re.search(r" I LIFECYCLE:START OpenShell Sandbox Supervisor SUCCESS$", short, re.M), short
    assert re.search(r" I PROC:LAUNCH sh\(\d+\) \[cmd:sh -c ", short), short
    assert re.search(r" I PROC:TERMINATE sh\(\d+\) \[exit:3\]$", short, re.M), short
    assert re.search(r" I CONFIG:LOADED policy loaded \[version:v1 hash:sha256:[0-9a-f]{64}\]$", short, re.M), short
    classes = {json.loads(line)["class_uid"] for line in cli("logs", "--file", box.events, "-o", "ocsf").stdout.splitlines()}
    assert classes >= {1007, 4001, 4002, 5019, 6002}, classes


def test_a_command_line_is_recorded_without_its_secrets(sandbox):
    box = sandbox(policy=NOTHING)
    out = box.run("sh", "-c", "true", "x", "--token", "hunter2", "PASSWORD=hunter2", "https://me:hunter2@a.test/?k=hunter2",
                  "Authorization: Bearer hunter2")
    assert out.code == 0, out
    assert "hunter2" not in box.events.read_text()
    (launched,) = [r for r in out.records if r["kind"] == "PROCESS_STARTED"]
    assert "--token ***" in launched["detail"] and "https://***@a.test/?***" in launched["detail"], launched


@pytest.mark.parametrize("command, options, status, reason", [
    (["sh", "-c", "kill -9 $$"], [], "137", "killed by signal 9 (SIGKILL)"),
    (["sleep", "60"], ["--timeout", "1"], "124", "its time was over"),
])
def test_how_a_command_ended_is_recorded(sandbox, command, options, status, reason):
    box = sandbox(policy=NOTHING)
    out = box.run(*command, options=options)
    assert out.code == int(status), out
    (ended,) = [r for r in out.records if r["kind"] == "PROCESS_ENDED"]
    assert ended["status"] == status and ended["reason"] == reason, out
    assert kinds(out.records)[-1] == "SANDBOX_STOPPED", out


def test_a_command_that_cannot_start_is_recorded_and_is_no_denial(sandbox):
    box = sandbox(policy=NOTHING)
    out = box.run("no-such-program", "--password", "hunter2")
    assert out.code == 127 and "denied" not in out.stderr, out
    (failed,) = [r for r in out.records if r["kind"].startswith("PROCESS_")]
    assert failed["kind"] == "PROCESS_FAILED" and "not found" in failed["reason"], failed
    assert failed["detail"] == "no-such-program --password ***", failed
    assert " L PROC:LAUNCH no-such-program(0) " in cli("logs", "--file", box.events).stdout


def test_policies_of_a_run_are_recorded_applied_and_rejected(sandbox):
    box = sandbox(policy=NOTHING)
    process = box.start("sh", "-c", "echo up; cat")
    assert process.stdout.readline() == b"up\n"

    def policies():
        return [r for r in box.read_events() if r["kind"] == "POLICY"]

    until(lambda: len(policies()) == 1, what="the first policy")
    box.write_policy(network(rest("api.github.com")))
    until(lambda: len(policies()) == 2, what="the second policy")
    box.write_policy("version: 1\nbogus: 1\n")
    until(lambda: len(policies()) == 3, what="the refusal of what has errors")
    box.write_policy({"version": 1})
    until(lambda: len(policies()) == 4, what="the refusal of what needs a new run")
    _, err = process.communicate(timeout=60)
    first, second, errors, static = policies()
    assert [p["action"] for p in policies()] == ["info", "info", "deny", "deny"]
    assert (first["generation"], second["generation"]) == (1, 2) and first["detail"] != second["detail"]
    assert "it has errors" in errors["reason"] and "bogus" in errors["reason"], errors
    assert "this needs a new run" in static["reason"], static
    # Told when it happened, and not once more as a request that was denied.
    assert b"denied" not in err, err
    assert " M CONFIG:REFUSED it has errors" in cli("logs", "--file", box.events).stdout
    intact(box)


def test_a_run_whose_supervisor_is_killed_says_so_once(sandbox):
    box = sandbox(policy=NOTHING)
    process = box.start("sh", "-c", "echo up; cat")
    assert process.stdout.readline() == b"up\n"
    (ctl,) = children(process.pid)
    os.kill(ctl, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 125
    ends = [r for r in box.read_events() if r["kind"] in ("SANDBOX_FAILED", "SANDBOX_STOPPED")]
    assert kinds(ends) == ["SANDBOX_FAILED"] and "killed by signal 9" in ends[0]["reason"], ends
    intact(box)


def test_a_run_whose_proxy_is_killed_says_so_once(sandbox):
    box = sandbox(policy=NOTHING)
    process = box.start("sh", "-c", "echo up; exec sleep 60")
    assert process.stdout.readline() == b"up\n"
    (ctl,) = children(process.pid)
    (net,) = [p for p in children(ctl) if open(f"/proc/{p}/comm").read() == "openshell-net\n"]
    os.kill(net, signal.SIGKILL)
    process.communicate(timeout=60)
    records = box.read_events()
    assert kinds(records)[-2:] == ["PROCESS_ENDED", "SANDBOX_FAILED"], records
    assert records[-2]["status"] == "137" and "the proxy died" in records[-1]["reason"], records


def test_a_sandbox_that_cannot_be_made_is_recorded(sandbox):
    policy = {**NOTHING, "filesystem_policy": {**FILESYSTEM, "read_only": [*FILESYSTEM["read_only"], "/no/such/path"]},
              "landlock": {"compatibility": "hard_requirement"}}
    box = sandbox(policy=policy)
    out = box.run("true")
    assert out.code == 125, out
    assert kinds(out.records) == ["SANDBOX_FAILED"] and "/no/such/path" in out.records[0]["reason"], out


# --- sockets that go around the proxy

SOCKETS = """
import errno, os, socket, threading
def ask(family, kind, protocol):
    try: socket.socket(family, kind, protocol)
    except OSError as e: print(errno.errorcode[e.errno], flush=True); return
    print("MADE")
for family in (socket.AF_INET, socket.AF_INET6):
    ask(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6)
    if os.fork() == 0:
        ask(family, socket.SOCK_RAW, socket.IPPROTO_RAW); os._exit(0)
    os.wait()
t = threading.Thread(target=ask, args=(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)); t.start(); t.join()
ask(socket.AF_INET, socket.SOCK_DGRAM, 0)
"""


def sockets(records):
    return sorted(r["detail"] for r in records if r["kind"] == "BYPASS_DETECT")


def test_sockets_for_icmp_and_raw_ones_are_refused_and_recorded(sandbox):
    box = sandbox(policy=NOTHING)
    out = box.run("/usr/bin/python3", "-c", SOCKETS)
    assert out.stdout.split() == ["EPERM"] * 5 + ["MADE"], out
    assert sockets(out.records) == ["icmp", "icmp", "icmpv6", "raw", "raw"], out
    asked = [r for r in out.records if r["kind"] == "BYPASS_DETECT"]
    assert all(r["action"] == "deny" and r["binary"].startswith("/usr/bin/python3") for r in asked), asked
    (launched,) = [r for r in out.records if r["kind"] == "PROCESS_STARTED"]
    # Of a thread that of its process; of a child its own.
    assert [r["pid"] == launched["pid"] for r in asked if r["detail"] != "raw"] == [True] * 3, asked
    assert launched["pid"] not in [r["pid"] for r in asked if r["detail"] == "raw"], asked
    assert "denied 5x /usr/bin/python3" in out.stderr and " -> - (ICMP does not leave the sandbox: use TCP)" in out.stderr, out
    short = cli("logs", "--file", box.events).stdout
    assert re.search(r" M NET:REFUSE DENIED /usr/bin/python3[.\d]*\(\d+\) -> -/icmpv6 \[policy:bypass-detect engine:seccomp\]",
                     short), short
    ocsf = [json.loads(line) for line in cli("logs", "--file", box.events, "-o", "ocsf").stdout.splitlines()]
    assert {e["connection_info"]["protocol_name"] for e in ocsf if e["class_uid"] == 4001} == {"icmp", "icmpv6", "raw"}
    intact(box)


def test_where_nobody_can_be_asked_sockets_are_refused_without_a_record_and_the_run_says_so(sandbox):
    without = ["/usr/bin/python3", str(STAGE / "tests/integration/without.py"), "seccomp_listener"]
    box = sandbox(policy=NOTHING)
    done = subprocess.run([*without, *box.argv(["/usr/bin/python3", "-c", SOCKETS])], capture_output=True, text=True, timeout=60,
                          cwd=box.work)
    assert done.stdout.split() == ["EPERM"] * 5 + ["MADE"], done
    missing = "ICMP and raw sockets are refused but not recorded (Invalid argument)"
    assert "! not in force: " in done.stderr and missing in done.stderr, done
    records = box.read_events()
    assert sockets(records) == [], records
    (told,) = [r for r in records if r["kind"] == "PROTECTIONS_MISSING"]
    assert missing in told["reason"], told
    assert " H FINDING:ALERT " in cli("logs", "--file", box.events).stdout
    doctor = subprocess.run([*without, OPENSHELL, "doctor", "-o", "json"], capture_output=True, text=True, timeout=60)
    rows = {r["name"]: r for r in json.loads(doctor.stdout)["checks"]}
    assert rows["seccomp_listener"]["verdict"] == "degraded" and "5.0" in rows["seccomp_listener"]["remedy"], rows


def test_a_flood_of_refused_sockets_is_bounded_and_counted(sandbox):
    box = sandbox(policy=NOTHING)
    out = box.run("/usr/bin/python3", "-c", """
import os, socket, time
def flood(n):
    for _ in range(n):
        try: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        except OSError: pass
for i in range(4):
    if os.fork() == 0: flood(500); os._exit(0)
for i in range(4): os.wait()
""")
    asked = [r for r in out.records if r["kind"] == "BYPASS_DETECT"]
    # Each process has one of its own; the rest is counted, also at the end.
    assert len({r["pid"] for r in asked if r["binary"] != "-"}) == 4 and len(asked) < 200, asked
    told = sum(int(n) for r in asked for n in re.findall(r"(\d+) more", r["reason"]))
    assert told + len([r for r in asked if r["binary"] != "-"]) == 2000, asked


def test_a_program_that_is_killed_while_it_asks_harms_nobody(sandbox):
    box = sandbox(policy=NOTHING)
    out = box.run("/usr/bin/python3", "-c", """
import os, signal, socket
def flood():
    while True:
        try: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except OSError: pass
for i in range(50):
    pids = [os.fork() or flood() for _ in range(4)]
    for pid in pids: os.kill(pid, signal.SIGKILL)
    for pid in pids: os.waitpid(pid, 0)
print("done")
""")
    assert out.code == 0 and out.stdout == "done\n", out


# --- kept sandboxes

def logged(g, name, kind):
    lines = map(json.loads, g.ok("logs", name, "-o", "json").stdout.splitlines())
    return [line for line in lines if line["message"] == kind]


def test_a_kept_sandbox_records_its_life(gateway):
    g = gateway
    g.create("kept", policy=READ_GITHUB)
    assert g.exec("kept", "sh", "-c", "exit 4", "x", "--token=hunter2").code == 4
    assert g.exec("kept", "no-such-program").code == 127
    until(lambda: logged(g, "kept", "PROCESS_FAILED"), what="the last record")
    (started,) = logged(g, "kept", "SANDBOX_STARTED")
    assert started["target"] == "supervisor" and started["source"] == "sandbox", started
    assert len(logged(g, "kept", "PROTECTIONS") + logged(g, "kept", "PROTECTIONS_MISSING")) == 1
    (launched,) = [x for x in logged(g, "kept", "PROCESS_STARTED") if "exit 4" in x["fields"]["detail"]]
    assert launched["fields"]["detail"] == "sh -c 'exit 4' x --token=***", launched
    (ended,) = [x for x in logged(g, "kept", "PROCESS_ENDED") if x["fields"]["pid"] == launched["fields"]["pid"]]
    assert ended["fields"]["status"] == "4", ended
    # The digest is the one by which its gateway knows the policy.
    assert g.exec("kept", "/usr/bin/python3", "-c", SOCKETS).stdout.split() == ["EPERM"] * 5 + ["MADE"]
    assert sorted(x["fields"]["detail"] for x in logged(g, "kept", "BYPASS_DETECT")) == ["icmp", "icmp", "icmpv6", "raw", "raw"]
    (policy,) = logged(g, "kept", "POLICY")
    assert policy["fields"]["detail"] == "sha256:" + g.json("policy", "get", "kept")["hash"], policy
    g.ok("policy", "set", "kept", "--policy", g.policy(network(rest("api.github.com"), rest("other.test"))), "--wait")
    until(lambda: len(logged(g, "kept", "POLICY")) == 2, what="the record of the second policy")
    second = logged(g, "kept", "POLICY")[1]
    assert second["fields"]["detail"] == "sha256:" + g.json("policy", "get", "kept")["hash"], second
    events = [json.loads(line) for line in g.ok("logs", "kept", "--format", "ocsf").stdout.splitlines()]
    assert {e["type_uid"] for e in events} >= {600203, 100701, 100702, 501901}, events
    assert {e["unmapped"].get("policy_hash") for e in events} >= {policy["fields"]["detail"], second["fields"]["detail"]}
    short = g.ok("logs", "kept", "-o", "short").stdout
    assert re.search(r" I PROC:TERMINATE sh\(\d+\) \[exit:4\]$", short, re.M), short
    assert re.search(r" I PROC:LAUNCH sh\(\d+\) \[cmd:sh -c 'exit 4' x --token=\*\*\*\]$", short, re.M), short
    assert g.json("logs", "verify", "kept")["verdict"] == "intact"


@pytest.mark.parametrize("victim, reason", [("ctl", "its supervisor was killed"), ("net", "the proxy died"),
                                            ("init", "its first process")])
def test_a_kept_sandbox_that_breaks_says_so_once(gateway, victim, reason):
    g = gateway
    g.create("kept", policy=READ_GITHUB)
    os.kill(g.roles(g.id_of("kept"))[victim], signal.SIGKILL)
    g.wait_phase("kept", "error")
    (failed,) = until(lambda: logged(g, "kept", "SANDBOX_FAILED"), what="the record of the end")
    assert reason in failed["fields"]["reason"], failed
    assert g.json("logs", "verify", "kept")["verdict"] == "intact"
