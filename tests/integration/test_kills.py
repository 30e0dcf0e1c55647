"""Each process of a sandbox ended at random moments: it fails closed and leaves nothing.

OPENSHELL_TEST_SEED replays a run, OPENSHELL_TEST_KILLS says how many rounds there are.
"""
import collections
import os
import pathlib
import pty
import random
import signal
import subprocess
import time

import pytest

from harness import OPENSHELL, leftovers, network, placeholders, rest, tree, until, upstream_requests

SEED = int(os.environ.get("OPENSHELL_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("OPENSHELL_TEST_KILLS") or 40)
VICTIMS = ("cli", "ctl", "net", "spawn", "init")
PHASES = ("start", "run", "edit", "end")
# How long after the phase began, at most: a start takes some ten milliseconds.
SPREAD = {"start": 0.015, "run": 0.15, "edit": 0.02, "end": 0.01}

# What goes on meanwhile: one request that policy allows, and three that no revision does.
TRAFFIC = """
echo up
( while :; do
    curl -s -m 10 -o /dev/null https://api.github.com/zen
    curl -s -m 10 -o /dev/null -X POST -d x https://api.github.com/forbidden
    curl -s -m 10 -o /dev/null https://files.example.test/forbidden
    curl -s -m 10 -o /dev/null --noproxy '*' --resolve files.example.test:80:20.0.0.16 http://files.example.test/forbidden
done ) &
read -r line
"""
REVISIONS = [network(rest("api.github.com")), network(rest("api.github.com"), rest("pypi.example.test"))]


def find(victim, cli):
    """The pid of that role below the command line, or None while there is none."""
    if victim == "cli":
        return cli
    for pid in tree(cli):
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == f"openshell-{victim}":
                return pid
        except OSError:
            pass
    return None


def strike(victim, process):
    """Kills the victim, waiting for it to exist; False when the run ended first."""
    while process.poll() is None:
        try:
            pid = find(victim, process.pid)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return True
        except ProcessLookupError:
            pass
    return False


def wait_until(moment):
    while time.monotonic() < moment:
        pass


def one_round(box, rng, victim, phase):
    """One sandbox, one kill; the exit status, or None when it ended before."""
    delay = rng.uniform(0, SPREAD[phase])
    before = allowed()
    process = box.start("sh", "-c", TRAFFIC, options=["--quiet"])
    began = time.monotonic()
    if phase != "start":
        assert process.stdout.readline() == b"up\n", process.stderr.read()
        if phase == "end":
            process.stdin.write(b"end\n")
            process.stdin.flush()
        elif phase == "edit":
            box.write_policy(rng.choice(REVISIONS))
        elif phase == "run":  # amid the traffic, however long the machine takes to begin it
            until(lambda: allowed() > before, 30, "a request")
        began = time.monotonic()
    wait_until(began + delay)
    struck = strike(victim, process)
    told = f"seed {SEED}: {victim} killed {delay * 1000:.2f} ms after {phase}"
    until(lambda: process.poll() is not None, 30, f"the end of openshell, {told}: {leftovers()}")
    code = process.returncode
    err = process.stderr.read().decode(errors="replace")
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    until(lambda: leftovers() == [], 20, f"everything gone, {told}: {leftovers()}")
    until(lambda: list(box.work.iterdir()) == [] and placeholders(box.work) == [], 5,
          f"an untouched work directory, {told}: {list(box.work.iterdir())} {placeholders(box.work)}")
    if struck and victim != "cli" and phase != "end":
        assert code in (125, 137), (told, code, err)
        assert "openshell" in err or "sandbox" in err or "supervisor" in err, (told, code, err)
    return code if struck else None


def forbidden():
    return [r for r in upstream_requests("files.example.test") + upstream_requests("api.github.com")
            if "forbidden" in r["target"]]


def allowed():
    return len(upstream_requests("api.github.com"))


def test_each_process_killed_at_random_moments_leaves_nothing_and_opens_nothing(sandbox):
    print(f"OPENSHELL_TEST_SEED={SEED} OPENSHELL_TEST_KILLS={ROUNDS}")
    rng = random.Random(SEED)
    box = sandbox(policy=REVISIONS[0])
    before, passed = len(forbidden()), allowed()
    plan = [(v, p) for v in VICTIMS for p in PHASES]
    struck = collections.Counter()
    for n in range(ROUNDS):
        victim, phase = plan[n % len(plan)]
        if one_round(box, rng, victim, phase) is not None:
            struck[victim] += 1
    assert len(forbidden()) == before, forbidden()[before:]
    # Two-sided: the kills struck, and there was traffic that could have passed.
    assert ROUNDS < len(plan) or set(struck) == set(VICTIMS), struck
    assert ROUNDS < len(plan) or allowed() > passed
    out = box.run("curl", "-sSf", "https://api.github.com/zen")
    assert out.code == 0, out


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_random_moment_of_the_start_leaves_nothing(sandbox, sig):
    rng = random.Random(SEED)
    box = sandbox()
    for _ in range(max(4, ROUNDS // 4)):
        delay = rng.uniform(0, SPREAD["start"])
        process = box.start("sleep", "1000")
        wait_until(time.monotonic() + delay)
        process.send_signal(sig)
        code = process.wait(30)
        told = f"seed {SEED}: {sig.name} {delay * 1000:.2f} ms after the start"
        assert code in (128 + sig, -sig, 125), (told, code, process.stderr.read())
        until(lambda: leftovers() == [] and list(box.work.iterdir()) == [], 20, f"everything gone, {told}")


def test_a_terminal_closed_in_the_middle_of_the_start_leaves_nothing(sandbox):
    rng = random.Random(SEED)
    box = sandbox()
    for _ in range(max(4, ROUNDS // 4)):
        delay = rng.uniform(0, SPREAD["start"])
        argv = box.argv(["sleep", "1000"])
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(box.work)
            os.execv(OPENSHELL, argv)
        wait_until(time.monotonic() + delay)
        os.close(fd)
        told = f"seed {SEED}: terminal closed {delay * 1000:.2f} ms after the start"
        until(lambda p=pid: os.waitpid(p, os.WNOHANG)[0] == p, 20, f"the end of openshell, {told}")
        until(lambda: leftovers() == [] and list(box.work.iterdir()) == [], 20, f"everything gone, {told}")


def test_a_neighbour_is_not_touched_by_a_kill(sandbox):
    stays, dies = sandbox(), sandbox()
    first = stays.start("sh", "-c", "echo up; cat")
    assert first.stdout.readline() == b"up\n"
    for victim in VICTIMS:
        process = dies.start("sh", "-c", "echo up; cat")
        assert process.stdout.readline() == b"up\n"
        assert strike(victim, process), victim
        process.wait(30)
    first.stdin.write(b"still here\n")
    first.stdin.close()
    assert first.stdout.read() == b"still here\n"
    assert first.wait(20) == 0
    assert subprocess.run([OPENSHELL, "--version"], capture_output=True).returncode == 0
