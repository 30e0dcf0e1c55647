"""What a run leaves for its owner: events, report, and what doctor says."""
import json
import os
import re
import stat
import subprocess

from harness import MODE, OPENSHELL, network, rest

TROUBLE = ("curl -sS -o /dev/null https://api.github.com/zen; for i in 1 2; do curl -sS -o /dev/null -X POST -d x"
           " https://api.github.com/zen; done; exit 7")


def test_events_are_private_appended_and_one_object_a_line(sandbox):
    box = sandbox(policy=network(rest("api.github.com")))
    box.run("sh", "-c", TROUBLE)
    first = box.events.read_text()
    info = box.events.stat()
    assert stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == os.getuid()
    done = subprocess.run(box.argv(["sh", "-c", TROUBLE]), cwd=box.work, capture_output=True, timeout=60)
    assert done.returncode == 7, done
    both = box.events.read_text()
    assert both.startswith(first) and len(both) > len(first)
    events = [json.loads(line) for line in both.splitlines()]
    assert [i for i, e in enumerate(events) if e["kind"] == "CHAIN"] == [0, len(first.splitlines())]
    for event in (e for e in events if e["kind"] != "CHAIN"):
        assert {"time_ms", "kind", "action"} <= set(event), event
        assert "event_id" not in event or "generation" in event, event
        assert event["action"] in ("allow", "deny", "audit", "info"), event
        if event["kind"] == "L7_REQUEST":
            assert {"binary", "pid", "host", "port", "method", "path", "policy", "sha256"} <= set(event), event
            assert event["action"] == "allow" or event["reason"], event


def test_report_sums_the_run_up(sandbox, tmp_path):
    report = tmp_path / "report.json"
    box = sandbox(policy=network(rest("api.github.com")), options=["--report", str(report)])
    out = box.run("sh", "-c", TROUBLE)
    assert out.code == 7, out
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    told = json.loads(report.read_text())
    assert told["command"] == ["sh", "-c", TROUBLE]
    assert told["exit"] == {"status": 7, "kind": "exit"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["started"]), told
    assert 0 < told["duration_ms"] < 60000
    assert told["policy"]["file"] == str(box.policy) and told["policy"]["revision"] == 1
    assert re.fullmatch("[0-9a-f]{64}", told["policy"]["hash"]), told
    assert told["protections"]["rootless"] is (MODE == "rootless")
    assert told["protections"]["seccomp"] is True and told["protections"]["limits"], told
    denials = told["denials"]
    assert [(d["count"], d["method"], d["path"], d["host"], d["port"]) for d in denials] == [
        (2, "POST", "/zen", "api.github.com", 443)], denials
    assert denials[0]["suggestion"] and denials[0]["first"] <= denials[0]["last"]
    assert told["counts"]["deny"] == 2 and told["counts"]["allow"] == len(out.event(action="allow")), told
    assert told["other_denials"] == 0
    # A second run replaces it; a signal is told apart from a status.
    out = box.run("sh", "-c", "kill -TERM $$")
    assert out.code == 143, out
    assert json.loads(report.read_text())["exit"] == {"status": 143, "kind": "signal", "signal": 15}


def doctor(*args, **more):
    return subprocess.run([OPENSHELL, "doctor", *args], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **more)


def test_doctor_json_has_one_row_a_protection_with_verdict_and_remedy():
    done = doctor("-o", "json")
    assert done.returncode == 0 and done.stderr == "", done
    told = json.loads(done.stdout)
    assert set(told) == {"usable", "checks"} and told["usable"] is True
    rows = {row["name"]: row for row in told["checks"]}
    assert len(rows) == len(told["checks"])
    assert {"kernel", "user-namespaces", "apparmor", "landlock", "seccomp", "cgroup", "overlay", "nftables",
            "subuid", "container"} <= set(rows), rows
    for row in rows.values():
        assert set(row) == {"name", "title", "verdict", "found", "gives", "remedy"}, row
        assert row["title"] and row["found"] and row["gives"], row
        assert row["verdict"] in ("ok", "degraded", "missing", "info"), row
        assert row["verdict"] in ("ok", "info") or row["remedy"], row
    text = doctor()
    assert all(row["title"] in text.stdout for row in rows.values()), text


def test_doctor_exits_1_with_the_remedy_where_no_sandbox_can_be_made():
    """In a user namespace that allows no further one."""
    script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
    wrap = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", OPENSHELL]
    done = subprocess.run([*wrap, "doctor", "-o", "json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    told = json.loads(done.stdout)
    row = next(r for r in told["checks"] if r["name"] == "user-namespaces")
    assert told["usable"] is False and row["verdict"] == "missing" and "max_user_namespaces" in row["remedy"], row
    done = subprocess.run([*wrap, "run", "--", "true"], capture_output=True, text=True, timeout=60, cwd="/usr")
    assert done.returncode == 125 and "max_user_namespaces" in done.stderr, done
