"""What was decided is explained, recorded so that it cannot be altered unseen, and learned from."""
import json
import os
import re
import signal
import subprocess

import pytest
import yaml

from gateway import READ_GITHUB, ZEN
from harness import FILESYSTEM, OPENSHELL, alive, network, rest, until, upstream_requests

EVIL = "%0a%1b[2J{\"action\":\"allow\"}"
NOTHING = {"version": 1, "filesystem_policy": FILESYSTEM}


def cli(*args, **more):
    return subprocess.run([OPENSHELL, *map(str, args)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **more)


def verify(path, *more):
    done = cli("logs", "verify", "--file", path, "-o", "json", *more)
    return done.returncode, json.loads(done.stdout)


def head_of(report):
    records = json.loads(report.read_text())["records"]
    return f"{records['count']}:{records['hash']}"


# --- explained

def test_a_denial_tells_the_program_what_to_do_and_the_owner_why(sandbox):
    box = sandbox(policy=network(rest("api.github.com"), binaries=["/usr/bin/curl"]))
    out = box.run("curl", "-sS", "-X", "POST", "-d", "x", ZEN)
    told = json.loads(out.out)
    assert told["error"] == "policy_denied" and told["layer"] == "l7" and told["protocol"] == "rest", told
    assert (told["method"], told["path"], told["host"], told["port"]) == ("POST", "/zen", "api.github.com", 443)
    assert told["binary"] == "/usr/bin/curl" and told["policy"] == "test"
    assert told["nearest"] == "test endpoints[0].access" and "not POST" in told["miss"], told
    assert told["rule_missing"] == {"type": "rest_allow", "layer": "l7", "method": "POST", "path": "/zen",
                                    "host": "api.github.com", "port": 443, "binary": "/usr/bin/curl"}
    assert "Do not retry" in told["agent_guidance"], told
    step = told["next_steps"][0]
    assert step["action"] == "ask_owner" and step["owner_command"].endswith(f" {told['event_id']}"), told
    (event,) = out.event("L7_REQUEST", action="deny")
    assert event["event_id"] == told["event_id"] and event["nearest"] == told["nearest"]
    assert f"[event {told['event_id']}]" in out.stderr
    # The owner finds it by that number.
    why = cli("policy", "why", "--file", box.events, told["event_id"])
    assert why.returncode == 0, why
    for shown in ("/usr/bin/curl", "POST", "/zen", "test endpoints[0].access", "not POST", "network_policies"):
        assert shown in why.stdout, why.stdout
    data = yaml.safe_load(cli("policy", "why", "--file", box.events, told["event_id"], "-o", "yaml").stdout)
    assert data["suggestion"] == told["suggestion"]
    (rule,) = data["network_policies"]["test"]["endpoints"][0]["rules"]
    assert rule == {"allow": {"method": "POST", "path": "/zen"}}
    assert json.loads(cli("policy", "why", "--file", box.events, told["event_id"], "-o", "json").stdout) == json.loads(
        json.dumps(data))
    none = cli("policy", "why", "--file", box.events, "9999")
    assert none.returncode == 1 and "no record of event 9999" in none.stderr, none


def test_an_allowed_request_names_its_rule(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    out = box.run("curl", "-sS", "-o", "/dev/null", ZEN)
    assert out.code == 0, out
    (event,) = out.event("L7_REQUEST", action="allow")
    assert event["policy"] == "test" and event["rule"] == "endpoints[0].rules[0]" and event["scheme"] == "https", event
    ids = [e["event_id"] for e in out.events]
    assert ids == list(range(1, len(ids) + 1)), ids


def test_the_records_of_a_run_are_shown_in_every_form(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    out = box.run("sh", "-c", f"curl -sS -o /dev/null {ZEN}; curl -sS -X POST -d x {ZEN}")
    shown = {how: cli("logs", "--file", box.events, "-o", how).stdout for how in ("text", "short", "json", "ocsf")}
    assert shown["text"] == shown["short"] and len(shown["short"].splitlines()) == len(out.records), shown
    assert re.search(r" M HTTP:POST DENIED /usr/bin/curl\(\d+\) -> POST https://api\.github\.com/zen \[policy:test\]", shown["short"])
    ids = [e.get("event_id") for e in out.records]
    assert [json.loads(line).get("event_id") for line in shown["json"].splitlines()] == ids
    ocsf = [json.loads(line) for line in shown["ocsf"].splitlines()]
    assert [e["unmapped"].get("event_id") for e in ocsf] == ids
    assert {e["metadata"]["uid"] for e in ocsf} == {out.records[0]["sandbox"]}
    denied = cli("logs", "--file", box.events, "--denied", "-n", "1", "-o", "json").stdout
    assert json.loads(denied)["method"] == "POST"
    wrong = cli("logs", "--file", box.events, "--follow")
    assert wrong.returncode == 2, wrong


# --- recorded

def test_a_run_leaves_a_chain_and_every_change_is_named(sandbox, tmp_path):
    report = tmp_path / "report.json"
    box = sandbox(policy=network(rest("api.github.com")), options=["--report", str(report)])
    out = box.run("sh", "-c", f"for i in 1 2 3; do curl -sS -o /dev/null {ZEN}; done; curl -sS http://other.test/x")
    code, told = verify(box.events, "--head", head_of(report))
    assert code == 0 and told["verdict"] == "intact" and told["records"] == len(out.records), told
    lines = box.events.read_bytes().splitlines(keepends=True)
    copy = tmp_path / "copy.jsonl"

    def broken(data, *more):
        copy.write_bytes(data if isinstance(data, bytes) else b"".join(data))
        code, told = verify(copy, *more)
        assert code == 1, told
        return told["verdict"], told["seq"]

    # A byte of the third record, which is the fourth line.
    altered = bytearray(b"".join(lines))
    altered[sum(map(len, lines[:3])) + 40] ^= 1
    assert broken(bytes(altered)) == ("altered", 3)
    assert broken(lines[:2] + lines[3:]) == ("missing", 2)
    assert broken(lines[:2] + [lines[3], lines[2]] + lines[4:]) == ("reordered", 2)
    assert broken(lines[:-1], "--head", head_of(report)) == ("missing", len(lines) - 1)
    # Without the head that is kept apart a cut end cannot be told, and no more is claimed.
    copy.write_bytes(b"".join(lines[:-1]))
    code, told = verify(copy)
    assert code == 0 and told["checked"].startswith("by themselves"), told
    # Half a line is what a crash leaves.
    copy.write_bytes(b"".join(lines)[:-30])
    code, told = verify(copy)
    assert code == 0 and told["interrupted"] == 1, told


def test_control_bytes_are_escaped_everywhere(sandbox):
    """A80: in URL, query, field and method; from the proxy's first line on."""
    box = sandbox(policy=network(rest("api.github.com")))
    out = box.run("sh", "-c", f"""
        curl -gsS -o /dev/null -X POST -d x 'https://api.github.com/{EVIL}?a{EVIL}=1'
        printf 'GET http://api.github.com/x\\001\\033[2J HTTP/1.1\\r\\nHost: api.github.com\\r\\n\\r\\n' | socat - TCP:10.200.0.1:3128
        printf 'GET /x HTTP/1.1\\r\\nHost: a\\033[2J\\nb\\r\\n\\r\\n' | socat - TCP:10.200.0.1:3128
        printf 'CONNECT ev\\nil"}}:443 HTTP/1.1\\r\\n\\r\\n' | socat - TCP:10.200.0.1:3128
        exit 0""")
    assert len(out.events) >= 3, out
    raw = box.events.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw), raw
    code, told = verify(box.events)
    assert code == 0 and told["verdict"] == "intact" and told["records"] == len(out.records), told
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", out.stderr.replace("\r\n", "\n")), out.stderr
    for event in out.events:
        why = cli("policy", "why", "--file", box.events, event["event_id"])
        assert why.returncode == 0 and "\x1b" not in why.stdout, why
    # A program's own name, too.
    evil = box.work / "evil\x1b[2J\nname"
    evil.write_bytes(open("/usr/bin/curl", "rb").read())
    evil.chmod(0o755)
    out = box.run(evil, "-sS", "-o", "/dev/null", ZEN)
    raw = box.events.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw), raw
    assert verify(box.events)[0] == 0


def test_runs_share_a_file_one_after_another_only(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    for _ in range(2):
        done = subprocess.run(box.argv(["curl", "-sS", "-o", "/dev/null", ZEN]), cwd=box.work, capture_output=True, timeout=60)
        assert done.returncode == 0, done
    code, told = verify(box.events)
    assert code == 0 and told["records"] == len(box.read_events()), told
    # The first run cannot be taken out.
    lines = box.events.read_bytes().splitlines(keepends=True)
    second = next(i for i, line in enumerate(lines) if i and b'"kind":"CHAIN"' in line)
    box.events.write_bytes(b"".join(lines[second:]))
    assert verify(box.events)[1]["verdict"] == "missing"
    box.events.write_bytes(b"".join(lines))
    process = subprocess.Popen(box.argv(["sh", "-c", "echo up; cat"]), cwd=box.work, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n"
        done = subprocess.run(box.argv(["true"]), cwd=box.work, capture_output=True, timeout=60)
        assert done.returncode == 125 and b"another run writes there" in done.stderr, done
    finally:
        process.communicate(timeout=60)
    assert verify(box.events)[0] == 0


def test_a_killed_run_leaves_a_chain(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    for i in range(6):
        process = subprocess.Popen(
            box.argv(["sh", "-c", f"while :; do curl -s -o /dev/null {ZEN} {ZEN} {ZEN}; done"]), cwd=box.work,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: box.events.exists() and box.events.read_bytes().count(b"\n") > 4 * (i + 1), 30, "records")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        code, told = verify(box.events)
        assert code == 0, (i, told)
    assert told["records"] > 6, told


# --- kept sandboxes

def stored(g, name):
    return sorted((g.sandbox_dir(g.id_of(name)) / "records").iterdir())


def test_logs_of_a_kept_sandbox_verify_and_tampering_is_named(gateway):
    g = gateway
    g.create("kept", policy=READ_GITHUB)
    for _ in range(3):
        g.exec("kept", "curl", "-sS", "-o", "/dev/null", ZEN)
    out = g.exec("kept", "curl", "-sS", "-X", "POST", "-d", "x", ZEN)
    event_id = json.loads(out.out)["event_id"]
    logs = g.ok("logs", "kept", "--denied").stdout
    assert f"event_id={event_id}" in logs and "nearest=" in logs, logs
    why = g.ok("policy", "why", "kept", event_id).stdout
    assert "/usr/bin/curl" in why and "not POST" in why, why
    told = g.json("logs", "verify", "kept")
    assert told["verdict"] == "intact" and told["records"] >= 7 and "known elsewhere" in told["checked"], told
    # The number stays over a restart of the gateway, and so does what it knows.
    g.stop_at_once()
    g.start()
    g.wait_phase("kept", "ready")
    assert f"event_id={event_id}" in g.ok("logs", "kept", "--denied").stdout
    assert "not POST" in g.ok("policy", "why", "kept", event_id).stdout
    assert g.json("logs", "verify", "kept")["verdict"] == "intact"
    (path,) = stored(g, "kept")
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)

    def broken(data):
        path.write_bytes(data)
        out = g.cli("logs", "verify", "kept", "-o", "json")
        path.write_bytes(whole)
        assert out.code == 1, out
        told = json.loads(out.out)
        return told["verdict"], told["seq"]

    assert broken(whole.replace(b"POST", b"GET ", 1))[0] == "altered"
    assert broken(b"".join(lines[:3] + lines[4:])) == ("missing", 3)
    # The gateway keeps the head: the end cannot be cut off.
    assert broken(b"".join(lines[:-1])) == ("missing", len(lines) - 1)
    assert g.json("logs", "verify", "kept")["verdict"] == "intact"


@pytest.mark.parametrize("victim", ["keeper", "ctl", "gateway"])
def test_a_kill_leaves_a_chain(gateway, victim):
    g = gateway
    g.create("kept", policy=READ_GITHUB)
    loop = g.spawn("sandbox", "exec", "kept", "--", "sh", "-c", f"while :; do curl -s -o /dev/null {ZEN} {ZEN}; done",
                   stdin=subprocess.DEVNULL)
    (path,) = stored(g, "kept")
    until(lambda: path.read_bytes().count(b"\n") > 20, 30, "records")
    roles = g.roles(g.id_of("kept"))
    pid = g.pid() if victim == "gateway" else roles[victim]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), 20, "the end of " + victim)
    if victim == "gateway":
        g.start()
        g.wait_phase("kept", "ready")
    else:
        g.wait_phase("kept", "error")
    loop.kill()
    loop.wait()
    told = g.json("logs", "verify", "kept")
    assert told["verdict"] == "intact" and told["records"] > 10, told


def test_logs_are_ocsf_lines_and_short_ones(gateway):
    g = gateway
    g.create("kept", policy=READ_GITHUB)
    g.exec("kept", "curl", "-gsS", "-o", "/dev/null", "-X", "POST", "-d", "x", f"https://api.github.com/{EVIL}")
    g.exec("kept", "curl", "-gsS", "-o", "/dev/null", "-X", "POST", "-d", "x", ZEN)
    g.ok("policy", "set", "kept", "--policy", g.policy(network(rest("api.github.com"), rest("other.test"))), "--wait")
    until(lambda: "POLICY" in g.ok("logs", "kept").stdout, 5, "the record of the policy")
    lines = g.ok("logs", "kept", "--format", "ocsf").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        assert event["metadata"]["version"] == "1.7.0" and event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    (http,) = [e for e in events if e["class_uid"] == 4002]
    assert http["activity_name"] == "Post" and http["action"] == "Denied" and http["http_response"] == {"code": 403}, http
    assert http["http_request"]["url"]["hostname"] == "api.github.com", http
    assert http["actor"]["process"]["name"] == "/usr/bin/curl" and http["container"]["name"] == "kept", http
    assert {e["class_uid"] for e in events} >= {4001, 4002, 5019, 0}, events
    ends = [(e["src_endpoint"]["ip"], e["proxy_endpoint"]["ip"]) for e in events if "src_endpoint" in e]
    assert ends and all(src and proxy == "10.200.0.1" for src, proxy in ends), ends
    line = next(e["fields"] for e in map(json.loads, g.ok("logs", "kept", "-o", "json").stdout.splitlines())
                if e["message"] == "CONNECT_L7")
    assert line["src_addr"] == ends[0][0] and int(line["src_port"]) > 0 and line["proxy_addr"].startswith("10.200.0.1:"), line
    short = g.ok("logs", "kept", "-o", "short").stdout
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} M HTTP:POST DENIED /usr/bin/curl\(\d+\) -> POST https://api\.github\.com/", short,
                     re.M), short
    assert re.search(r"NET:OPEN ALLOWED .* -> api\.github\.com:443/tcp \[policy:test engine:policy\]", short), short
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", short + "".join(lines)), short
    assert json.loads(g.ok("logs", "kept", "--denied", "-n", "1", "-o", "json").stdout.splitlines()[-1])["fields"]["l7_action"] == "POST"


# --- learned

WORK = f"curl -sS -f -o /dev/null {ZEN} && curl -sS -f -o /dev/null http://api.github.com/repos/a/b"


def test_what_a_run_was_denied_is_learned_and_then_works(sandbox, tmp_path):
    box = sandbox(policy=NOTHING)
    assert box.run("sh", "-c", WORK + f"; {WORK.split(' && ')[1]}").code != 0
    learned = tmp_path / "learned.yaml"
    done = cli("policy", "learn", "--file", box.events, "-p", box.policy, "-o", learned)
    assert done.returncode == 0, done
    again = cli("policy", "learn", "--file", box.events, "-p", box.policy, "-o", learned)
    assert again.returncode == 1 and "is there already" in again.stderr, again
    check = cli("policy", "check", learned)
    assert check.returncode == 0 and check.stderr == "", check
    text = learned.read_text()
    assert "only connections were seen" in text and "**" not in text, text
    box.write_policy(text)
    assert box.run("sh", "-c", WORK).code == 0
    # What is beside it is still refused: method, path, host, program.
    sent = len(upstream_requests("api.github.com"))
    for beside in ("curl -sS -f -X POST -d x " + ZEN, "curl -sS -f http://api.github.com/repos/a/c",
                   "curl -sS -f https://raw.githubusercontent.com/x", f"python3 -c 'import urllib.request as u; u.urlopen(\"{ZEN}\")'"):
        out = box.run("sh", "-c", beside)
        assert out.code != 0 and out.event(action="deny"), (beside, out)
    assert len(upstream_requests("api.github.com")) == sent


def test_names_that_were_only_looked_up_are_listed(sandbox, tmp_path):
    box = sandbox(policy=NOTHING)
    code = "import socket\nfor name in ('files.example.test', 'files.example.test', 'evil\x1b[31m.example.test'):\n" \
           "    try: print(socket.getaddrinfo(name, 443))\n    except (OSError, UnicodeError): pass"
    out = box.run("/usr/bin/python3", "-c", code)
    assert out.event("DNS_REFUSED"), out
    done = cli("policy", "learn", "--file", box.events, "-p", box.policy)
    assert done.returncode == 0 and "endpoints" not in done.stdout, done
    lines = [x for x in done.stdout.splitlines() if x.startswith("#   ")]
    assert sum("files.example.test by /usr/bin/python3" in x for x in lines) == 1, done
    assert "files.example.test by /usr/bin/python3" in done.stderr and "\x1b" not in done.stdout + done.stderr, done


def test_what_an_audited_run_did_is_learned_and_enforced(sandbox, tmp_path):
    box = sandbox(policy=network({"host": "api.github.com", "port": 443, "protocol": "rest", "enforcement": "audit",
                                  "rules": [{"allow": {"method": "GET", "path": "/zen"}}]}))
    asked = " ".join(f"https://api.github.com/repos/a/b/issues/{n}" for n in (1, 22, 333))
    out = box.run("sh", "-c", f"curl -sS -o /dev/null {asked}; curl -sS -o /dev/null {ZEN}")
    assert len(out.event("L7_REQUEST", action="audit")) == 3, out
    done = cli("policy", "learn", "--file", box.events, "-p", box.policy, "--enforce")
    assert done.returncode == 0, done
    assert "# generalised: segment 5: * stands for a number, 3 seen (1, 22, 333)" in done.stdout, done.stdout
    assert "/repos/a/b/issues/*" in done.stdout and "audit" not in done.stdout.split("version:")[1], done.stdout
    box.write_policy(done.stdout)
    out = box.run("curl", "-sS", "-o", "/dev/null", "https://api.github.com/repos/a/b/issues/4444")
    assert out.event("L7_REQUEST", action="allow") and not out.event(action="deny"), out
    out = box.run("curl", "-sS", "-o", "/dev/null", "https://api.github.com/repos/a/b/issues/4/comments")
    assert out.event("L7_REQUEST", action="deny"), out


def test_a_kept_sandbox_learns_sets_and_works(gateway):
    g = gateway
    g.create("kept", policy=NOTHING)
    assert g.exec("kept", "sh", "-c", WORK).code != 0
    assert g.exec("kept", "sh", "-c", WORK.split(" && ")[1]).code != 0
    learned = g.home / "learned.yaml"
    g.ok("policy", "learn", "kept", "-o", learned)
    g.ok("policy", "check", learned)
    g.ok("policy", "set", "kept", "--policy", learned, "--wait")
    out = g.exec("kept", "sh", "-c", WORK)
    assert out.code == 0, out
    assert g.exec("kept", "curl", "-sS", "-f", "-X", "POST", "-d", "x", ZEN).code != 0
    assert g.exec("kept", "curl", "-sS", "-f", "https://raw.githubusercontent.com/x").code != 0
    # What is allowed by now is not learned again.
    text = g.ok("policy", "learn", "kept").stdout
    assert "allowed by the policy already" in text, text
