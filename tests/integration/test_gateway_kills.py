"""Gateway, keeper, the roles of a sandbox and the command line, each killed at random points of every operation.

Afterwards all converges: a sandbox is Ready, in Error with a reason, or gone; what was
acknowledged holds (an answered create, a revision said to be loaded, an answered delete);
nothing leaks.  OPENSHELL_TEST_SEED replays a run, OPENSHELL_TEST_KILLS says how many
rounds there are.
"""
import collections
import json
import os
import random
import signal
import subprocess
import time

import pytest

from gateway import Gateway
from grpcapi import Code, fails, secure
from harness import alive, network, rest, until, upstream_requests

SEED = int(os.environ.get("OPENSHELL_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("OPENSHELL_TEST_KILLS") or 40)
VICTIMS = ("gateway", "keeper", "ctl", "net", "spawn", "init", "cli")
OPERATIONS = ("create", "exec", "policy", "logs", "delete")
SPREAD = {"create": 0.12, "exec": 0.06, "policy": 0.06, "logs": 0.05, "delete": 0.08}


class World:
    """What the rounds know to be acknowledged."""

    def __init__(self, g, rng):
        self.g, self.rng = g, rng
        self.made = {}  # name: hosts of its acknowledged revision, or None while its fate is open
        self.revision = {}  # name: acknowledged version
        self.deleted = set()
        self.n = 0
        self.told = ""

    def check(self, condition, *more):
        assert condition, (self.told, *more)

    def policy(self, host):
        return self.g.policy(network(rest("api.github.com"), rest(host)))

    def fresh(self):
        """A Ready sandbox, made if there is none."""
        ready = [n for n in self.made if self.g.phase(n) == "ready"]
        if ready:
            return self.rng.choice(ready)
        self.n += 1
        name = f"k{self.n}"
        self.g.ok("sandbox", "create", "--name", name, "--policy", self.policy("first.example.test"), "--", "true")
        self.made[name], self.revision[name] = "first.example.test", 1
        return name

    # Each starts its operation: (process, what to do with its end).

    def create(self):
        self.n += 1
        name = f"k{self.n}"
        self.made[name], self.revision[name] = None, 0
        process = self.g.spawn("sandbox", "create", "--name", name, "--policy", self.policy("first.example.test"), "--", "true",
                               stdin=subprocess.DEVNULL)

        def ended(code):
            if code == 0:
                self.made[name], self.revision[name] = "first.example.test", 1
        return name, process, ended

    def exec(self):
        name = self.fresh()
        process = self.g.spawn("sandbox", "exec", name, "--", "sh", "-c", "curl -s -m 5 -o /dev/null https://api.github.com/zen;"
                               " curl -s -m 5 -o /dev/null -X POST -d x https://api.github.com/forbidden; exit 42",
                               stdin=subprocess.DEVNULL)

        def ended(code):
            # Its own status, or an error of ours: never another one's success.
            self.check(code == 42 or code in (1, 125, 137, 255, -9) or code > 128, "exec", code)
        return name, process, ended

    def policy_set(self):
        name = self.fresh()
        host = f"h{self.rng.randrange(1 << 30)}.example.test"
        process = self.g.spawn("policy", "set", name, "--policy", self.policy(host), "--wait", "--timeout", "10", "-v",
                               stdin=subprocess.DEVNULL)

        def ended(code):
            if code == 0:
                rows = json.loads(self.settled(lambda: self.g.cli("policy", "list", name, "-o", "json")).out)
                loaded = [r for r in rows if r["status"].lower() == "loaded"]
                self.check(loaded and loaded[0]["version"] > self.revision[name], "acknowledged", rows)
                self.made[name], self.revision[name] = host, loaded[0]["version"]
        return name, process, ended

    def logs(self):
        name = self.fresh()
        process = self.g.spawn("logs", name, "-f", stdin=subprocess.DEVNULL)
        return name, process, lambda code: None

    def delete(self):
        name = self.fresh()
        self.made[name] = None  # from here on it may be gone, answered or not
        process = self.g.spawn("sandbox", "delete", name, stdin=subprocess.DEVNULL)

        def ended(code):
            if code == 0:
                self.deleted.add(name)
                self.made.pop(name)
        return name, process, ended

    def settled(self, ask):
        """An answer of a gateway that runs: it is started again when it was killed."""
        if not self.g.up():
            self.g.start()
        out = ask()
        self.check(out.code == 0, out)
        return out

    def victim(self, role, name, process):
        if role == "cli":
            return process.pid
        if role == "gateway":
            return self.g.pid()
        boxes = self.g.state / "sandboxes"
        for box in boxes.iterdir() if boxes.exists() else []:
            pid = self.g.roles(box.name).get(role)
            if pid and self.names.get(box.name, name) == name:
                return pid
        return None

    def converge(self, name):
        """The sandbox of this round is Ready, in Error with a reason, or gone."""
        if not self.g.up():
            self.g.start()
        phase = until(lambda: (p := self.g.phase(name)) in ("ready", "error", "gone") and p, 30, f"{name} to settle: {self.told}")
        acknowledged = self.made.get(name) is not None
        if phase == "ready" and self.g.exec(name, "echo", "alive").stdout != "alive\n":
            # Its end was not told yet when it was asked for.
            phase = until(lambda: self.answers(name) or ((p := self.g.phase(name)) in ("error", "gone") and p), 30,
                          f"{name} to settle: {self.told}")
        if phase == "ready":
            self.check(name not in self.deleted, "an answered delete was lost")
        elif phase == "error":
            shown = self.g.json("sandbox", "get", name)
            said = [c for c in shown.get("conditions", []) if c.get("reason") or c.get("message")]
            self.check(said or shown.get("reason") or shown.get("message"), "an error without a reason", shown)
            self.g.ok("sandbox", "delete", name)
            self.made.pop(name, None)
        else:
            self.check(not acknowledged or name in self.deleted, "an answered create was lost", name)
            self.made.pop(name, None)
        if phase == "ready" and name in self.made:
            self.made[name] = self.made[name] or "first.example.test"
            rows = self.g.json("policy", "list", name)
            known = {r["version"]: r["status"].lower() for r in rows}
            version = self.revision.get(name, 0)
            if version:
                self.check(known.get(version) in ("loaded", "superseded"), "an acknowledged revision was lost", rows)
                newer = [v for v, s in known.items() if s == "loaded" and v >= version]
                self.check(newer, "what was in force is not", rows)

    def answers(self, name):
        return self.g.phase(name) == "ready" and self.g.exec(name, "echo", "alive").stdout == "alive\n" and "ready"

    @property
    def names(self):
        """{id: name} as far as a gateway answers."""
        try:
            return {s["id"]: n for n, s in self.g.list().items()} if self.g.up() else {}
        except AssertionError:
            return {}


def strike(world, role, name, process):
    while process.poll() is None:
        pid = world.victim(role, name, process)
        if pid and alive(pid):
            try:
                os.kill(pid, signal.SIGKILL)
                until(lambda: not alive(pid), 10, "the end of what was killed")
                return True
            except ProcessLookupError:
                pass
        if role in ("gateway", "cli"):
            return False
    return False


def one_round(world, role, operation):
    delay = world.rng.uniform(0, SPREAD[operation])
    world.told = f"OPENSHELL_TEST_SEED={SEED}: {role} killed {delay * 1000:.1f} ms into {operation}"
    start = {"policy": world.policy_set}.get(operation) or getattr(world, operation)
    name, process, ended = start()
    end = time.monotonic() + delay
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.0005)
    struck = strike(world, role, name, process)
    if operation == "logs":
        process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{world.told}: the command does not end") from None
    code = process.returncode
    world.g.running.remove(process)
    if not (role == "cli" and struck):
        ended(code)
    elif operation == "create":
        pass  # its fate is open, and converge says which it was
    world.converge(name)
    return struck


@pytest.mark.slow
@pytest.mark.timeout(max(240, ROUNDS * 15))
def test_everything_killed_at_random_points_converges():
    print(f"OPENSHELL_TEST_SEED={SEED} OPENSHELL_TEST_KILLS={ROUNDS}")
    rng = random.Random(SEED)
    g = Gateway()
    forbidden = lambda: [r for r in upstream_requests("api.github.com") if "forbidden" in r["target"]]  # noqa: E731
    before = len(forbidden())
    try:
        g.start()
        world = World(g, rng)
        plan = [(v, o) for v in VICTIMS for o in OPERATIONS]
        rng.shuffle(plan)
        struck = collections.Counter()
        for n in range(ROUNDS):
            role, operation = plan[n % len(plan)]
            if one_round(world, role, operation):
                struck[role] += 1
        # What was never touched in the last rounds still stands.
        for name in list(world.made):
            world.converge(name)
        for name in world.deleted:
            assert g.phase(name) == "gone", (name, "came back")
        g.ok("sandbox", "delete", "--all")
        until(lambda: g.leftovers() == [], 30, f"nothing left, seed {SEED}: {g.leftovers()}")
        assert len(forbidden()) == before
        assert ROUNDS < len(plan) or {"gateway", "cli", "keeper", "ctl"} <= set(struck), struck
    finally:
        g.destroy()


def test_a_gateway_killed_during_a_hundred_watches_is_back_with_all_sandboxes(gateway):
    g = gateway
    for i in range(5):
        g.create(f"n{i}")
    ids = [g.id_of(f"n{i}") for i in range(5)]
    follow = g.spawn("logs", "n0", "-f", stdin=subprocess.DEVNULL)
    for _ in range(3):
        # A connection has a hundred streams.
        clients = [secure(g), secure(g)]
        watchers = [clients[i % 2].WatchSandbox(id=ids[i % 5], follow_status=True, follow_logs=True) for i in range(100)]
        assert all(next(w).HasField("sandbox") for w in watchers)
        g.kill_gateway()
        for w in watchers:
            fails(Code.UNAVAILABLE, lambda w=w: w)
        for client in clients:
            client.close()
        g.start()
        for i in range(5):
            g.wait_phase(f"n{i}", "ready", seconds=30)
    assert [g.exec(f"n{i}", "echo", str(i)).stdout for i in range(5)] == [f"{i}\n" for i in range(5)]
    # The command line goes on or says why not; it does not hang.
    if follow.poll() is None:
        follow.send_signal(signal.SIGINT)
    assert follow.wait(10) in (0, 1, 130, -signal.SIGINT)
