"""The gateway and its command line: what a person waits for, and what it takes.

Everything runs in a home of its own, which is removed at the end.
"""

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import uuid

from . import peers, procs
from .client import Client, Error
from .figures import OPENSHELL

_LIMIT_S = 60


class Gateway:
    """One gateway, started by the command line."""

    def __init__(self, world):
        self.world = world
        self.home = tempfile.mkdtemp(prefix="osg")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = {**os.environ, "HOME": self.home,
                    "XDG_CONFIG_HOME": self.home + "/config"}
        self.state = self.home + "/.openshell/gateways/openshell"
        self.bundle = self.home + "/config/openshell/gateways/openshell/mtls"

    def argv(self, *words):
        return [self.world.openshell, *map(str, words)]

    def cli(self, *words, stdin=subprocess.DEVNULL):
        run = subprocess.run(self.argv(*words), env=self.env, stdin=stdin,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             cwd=self.world.path("work"), timeout=_LIMIT_S,
                             check=False)
        if run.returncode != 0:
            raise Error(f"openshell {words[0]} {words[1]}: "
                        + run.stderr.decode(errors="replace").strip()[-300:])
        return run.stdout

    def timed(self, *words):
        """Milliseconds of the whole command."""
        began = time.monotonic_ns()
        self.cli(*words)
        return (time.monotonic_ns() - began) / 1e6

    def start(self):
        return self.timed("gateway", "start", "--port", self.port)

    def stop(self):
        self.cli("gateway", "stop")

    def pid(self):
        with open(self.state + "/gateway.pid") as f:
            return int(f.read().split()[0])

    def create(self, *options):
        self.cli("sandbox", "create", "--no-auto-providers", *options, "--",
                 "true")

    def keepers(self):
        """{sandbox id: pid of its keeper}"""
        out, top = {}, self.state + "/sandboxes"
        for name in os.listdir(top) if os.path.isdir(top) else []:
            try:
                with open(f"{top}/{name}/keeper.pid") as f:
                    out[name] = int(f.read().split()[0])
            except (OSError, ValueError, IndexError):
                pass
        return out

    def close(self):
        for words in (("sandbox", "delete", "--all"), ("gateway", "stop")):
            try:
                self.cli(*words)
            except (Error, subprocess.TimeoutExpired):
                pass
        pids = [p for k in self.keepers().values() for p in procs.tree(k)]
        try:
            pids.append(self.pid())
        except (OSError, ValueError):
            pass
        for pid in pids:
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    ours = self.home.encode() in f.read()
                if ours:
                    os.kill(pid, signal.SIGKILL)
            except (OSError, ProcessLookupError):
                pass
        shutil.rmtree(self.home, ignore_errors=True)


def percentile(values, p):
    v = sorted(values)
    return v[min(len(v) - 1, len(v) * p // 100)]


def everything(world, plan, programs, out):
    if OPENSHELL not in programs:
        return
    for what, measure in (("gateway start", cold), ("create", create),
                          ("gateway policy", policy), ("rpc", rpc),
                          ("idle gateway", idle),
                          ("supervisors", supervisors)):
        out.attempt(what, _with, world, plan, programs, out, measure)


def _with(world, plan, programs, out, measure):
    g = Gateway(world)
    try:
        measure(g, plan, programs, out)
    finally:
        g.close()


def cold(g, plan, _, out):
    """`gateway start` returns when the gateway has answered."""
    out.put("gateway.fresh", OPENSHELL, g.start())
    again = []
    for _ in range(plan.edits):
        g.stop()
        again.append(g.start())
    out.put("gateway.start.p50", OPENSHELL, percentile(again, 50))
    out.put("gateway.start.max", OPENSHELL, max(again))


def create(g, plan, programs, out):
    """`sandbox create -- true`, and beside it what needs no gateway."""
    g.start()
    path = g.world.write("create.yaml", peers.policy(g.world, 1))
    wraps = {OPENSHELL: g.argv("sandbox", "create", "--no-auto-providers",
                               "--policy", path, "--"),
             "run": [*peers.run_openshell(g.world, path), "--"]}
    if "bubblewrap" in programs:
        wraps["bubblewrap"] = peers.run_bwrap(g.world)
    taken = {name: [] for name in wraps}
    for _ in range(plan.start_blocks):
        for name, wrap in wraps.items():
            run = subprocess.run(
                [g.world.tool("starter"), "10", *wrap, "/usr/bin/true"],
                cwd=g.world.path("work"), env=g.env, timeout=_LIMIT_S,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, check=False)
            if run.returncode != 0:
                raise Error(run.stderr.decode(errors="replace")[-300:])
            taken[name] += [int(x.split()[1]) / 1e6
                            for x in run.stdout.splitlines()
                            if len(x.split()) == 2]
        g.cli("sandbox", "delete", "--all")
    for name, ms in taken.items():
        out.put("create.true.p50", name, percentile(ms, 50))
        out.put("create.true.p99", name, percentile(ms, 99))
    g.create("--name", "demo", "--policy", path)
    ms = [g.timed("sandbox", "exec", "demo", "--", "true")
          for _ in range(plan.edits)]
    out.put("exec.true.p50", OPENSHELL, percentile(ms, 50))


def policy(g, plan, _, out):
    """The whole command, and when an open connection feels it."""
    g.start()
    world = g.world
    files = [world.write(f"gateway-{i}.yaml", peers.policy(world, 1, allowed))
             for i, allowed in enumerate((True, False))]
    origin = peers.origin(world)
    client = None
    try:
        g.create("--name", "demo", "--policy", files[0], "--ro", world.tools)
        client = Client(g.argv("sandbox", "exec", "demo", "--",
                               world.tool("load"), "--host", peers.HOST),
                        world.path("gateway.log"), cwd=world.path("work"),
                        env=g.env)
        client.watch(plan.edits, "/small")
        whole, denied, allowed, changed = [], [], [], None

        def change(i):
            began = time.monotonic_ns()
            whole.append(g.timed("policy", "set", "demo", "--policy",
                                 files[i], "--wait"))
            return began

        for _ in range(plan.edits):
            seen = client.line(10)["allowed"]
            if changed is not None:
                allowed.append((seen - changed) / 1e6)
            time.sleep(0.02)	# requests flow for a while
            changed = change(1)
            denied.append((client.line(10)["denied"] - changed) / 1e6)
            time.sleep(0.02)
            changed = change(0)
        client.line(10)
    finally:
        if client:
            client.close()
        origin.close()
        shutil.rmtree(world.path("origin"), ignore_errors=True)
    out.put("policy.set.p50", OPENSHELL, percentile(whole, 50))
    out.put("policy.set.p99", OPENSHELL, percentile(whole, 99))
    out.put("policy.denied.p50", OPENSHELL, percentile(denied, 50))
    out.put("policy.allowed.p50", OPENSHELL, percentile(allowed, 50))


def _rpc_round(g, ms, method, local):
    target = (["unix:" + g.state + "/gateway.sock", "-", "-", "-"] if local
              else [f"https://127.0.0.1:{g.port}", g.bundle + "/tls.crt",
                    g.bundle + "/tls.key", g.bundle + "/ca.crt"])
    p = subprocess.Popen([g.world.tool("rpcload"), *target, "4", "8", str(ms),
                          method], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        cpus = sorted(os.sched_getaffinity(0))
        procs.pin([p.pid], {cpus[0]})
        procs.pin([g.pid()], {cpus[-1]})
        if not p.stdout.readline():
            raise Error("rpcload: " + p.stderr.read().decode()[-300:])
        before = procs.cpu([g.pid()])
        p.stdin.write(b"go\n")
        p.stdin.flush()
        answer = json.loads(p.stdout.readline() or b"{}")
        spent = procs.cpu_between(before, procs.cpu([g.pid()]))
    finally:
        procs.pin([g.pid()], set(os.sched_getaffinity(0)))
        p.kill()
        p.communicate()
    if not answer.get("calls") or answer["errors"]:
        raise Error(f"rpcload {method}: {answer}")
    return answer["calls"] / (spent / 1e9), answer


def rpc(g, plan, _, out):
    """Unary calls a second of the gateway's CPU, on four connections."""
    g.start()
    g.create("--name", "demo")
    for key, method, local in (("rpc.health", "Health", False),
                               ("rpc.list", "ListSandboxes", False),
                               ("rpc.unix", "Health", True)):
        got = sorted(_rpc_round(g, plan.span, method, local)
                     for _ in range(plan.rounds))
        rate, answer = got[len(got) // 2]
        out.put(key, OPENSHELL, rate)
        out.also[key] = {"p50 us": answer["p50_us"],
                         "p99 us": answer["p99_us"]}


def _cpu_share(pids, seconds):
    """Per mille of one CPU."""
    before = procs.cpu(pids)
    time.sleep(seconds)
    return procs.cpu_between(before, procs.cpu(pids)) / seconds / 1e6


def idle(g, plan, _, out):
    """A gateway with many real sandboxes that wait."""
    g.start()
    many = 50 if plan.rounds == 1 else 500
    running = []
    before = procs.machine()
    began = time.monotonic()
    for i in range(many):
        running.append(subprocess.Popen(
            g.argv("sandbox", "create", "--name", f"idle{i}",
                   "--no-auto-providers", "--", "true"), env=g.env,
            cwd=g.world.path("work"), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        while len(running) >= 4:
            _ended(running.pop(0))
    for p in running:
        _ended(p)
    took = time.monotonic() - began
    after = procs.machine()
    keepers = g.keepers()
    if len(keepers) != many:
        raise Error(f"{len(keepers)} sandboxes of {many} stand")
    roles = {}
    for keeper in keepers.values():
        for pid in procs.tree(keeper):
            try:
                m = roles.setdefault(procs.name(pid), [0, 0])
                m[0] += procs.memory(pid)[0]
            except OSError:
                pass
    out.put("idle.gateway.memory", OPENSHELL,
            procs.memory(g.pid())[0] / (1 << 20))
    out.put("idle.gateway.cpu", OPENSHELL, _cpu_share([g.pid()], 3))
    out.put("idle.gateway.sandbox", OPENSHELL,
            sum(m[0] for m in roles.values()) / many / 1024)
    out.split["idle.gateway.sandbox"] = {r: m[0] / many / 1024
                                         for r, m in roles.items()}
    out.put("idle.gateway.available", OPENSHELL,
            (before[1] - after[1]) / many / 1024)
    out.put("idle.gateway.creates", OPENSHELL, many / took)
    if many != 500:
        out.remark(f"idle gateway: {many} sandboxes, not 500 (--quick)")


def _ended(p):
    if p.wait(_LIMIT_S) != 0:
        raise Error("create: " + p.stderr.read().decode()[-300:])
    p.stderr.close()


def supervisors(g, plan, _, out):
    """Rows and tokens as if made, and a program that is all supervisors."""
    g.start()
    before = g.world.write("model.yaml", peers.policy(g.world, 1))
    g.create("--name", "model", "--policy", before)
    g.stop()
    many = 500 if plan.rounds == 1 else 5000
    path = _rows(g, many)
    g.start()
    alone = procs.memory(g.pid())[0]
    client = Client([g.world.tool("supervisors"),
                     g.state + "/gateway.sock", path],
                    g.world.path("supervisors.log"))
    try:
        state = {}
        end = time.monotonic() + _LIMIT_S
        while state.get("connected") != many:
            if time.monotonic() > end or state.get("lost"):
                raise Error(f"supervisors: {state}")
            client._send("")
            state = client.line(20)
            time.sleep(0.05)
        out.put("supervisors.memory", OPENSHELL,
                procs.memory(g.pid())[0] / (1 << 20))
        out.also["supervisors.memory"] = {"before": alone / (1 << 20)}
        out.put("supervisors.connect", OPENSHELL, many / (state["took_ns"] / 1e9))
        out.put("supervisors.cpu", OPENSHELL, _cpu_share([g.pid()], 3))
        # A push to some of them; each must arrive and be acknowledged.
        file = g.world.write("push.yaml", peers.policy(g.world, 1, False))
        ms = [g.timed("policy", "set", f"stand-in-{i}", "--policy", file,
                      "--wait") for i in range(0, many, many // plan.edits)]
        client._send("")
        state = client.line(20)
        if state["pushes"] != len(ms) or state["connected"] != many:
            raise Error(f"pushes missed: {len(ms)} sent, {state}")
        out.put("supervisors.push.p50", OPENSHELL, percentile(ms, 50))
    finally:
        client.close()
        _forget(g)
    if many != 5000:
        out.remark(f"supervisors: {many}, not 5,000 (--quick)")


def _rows(g, many):
    """As many copies of the one sandbox that was made; a file of their tokens."""
    path = g.world.path("tokens")
    db = sqlite3.connect(g.state + "/data/openshell.db")
    try:
        kind, old, name, payload = db.execute(
            "SELECT object_type, id, name, payload FROM objects "
            "WHERE name = 'model'").fetchone()
        policies = db.execute("SELECT version, policy_payload, policy_hash, "
                              "status, created_at_ms, loaded_at_ms FROM "
                              "sandbox_policies WHERE sandbox_id = ?",
                              (old,)).fetchall()
        now = int(time.time() * 1000)
        with open(path, "w") as f:
            for i in range(many):
                new, token = str(uuid.uuid4()), secrets.token_hex(32)
                label = f"stand-in-{i}"
                db.execute("INSERT INTO objects (object_type, id, name, "
                           "payload, created_at_ms, updated_at_ms) "
                           "VALUES (?, ?, ?, ?, ?, ?)",
                           (kind, new, label, _renamed(payload, new, label),
                            now, now))
                db.execute("INSERT INTO sandbox_tokens VALUES (?, ?, ?)",
                           (new, hashlib.sha256(token.encode()).hexdigest(),
                            now))
                for row in policies:
                    db.execute("INSERT INTO sandbox_policies (id, sandbox_id,"
                               " version, policy_payload, policy_hash, status,"
                               " created_at_ms, loaded_at_ms) VALUES "
                               "(?, ?, ?, ?, ?, ?, ?, ?)",
                               (str(uuid.uuid4()), new, *row))
                f.write(f"{new} {token}\n")
        db.commit()
    finally:
        db.close()
    return path


def _renamed(payload, new, label):
    """The message with other strings in fields 1 (id) and 2 (name)."""
    out, at = bytearray(), 0
    for field, text in ((1, new), (2, label)):
        out += bytes([field << 3 | 2, len(text)]) + text.encode()
    while at < len(payload):
        begin = at
        key, at = _varint(payload, at)
        if key & 7 == 2:
            n, at = _varint(payload, at)
            at += n
        elif key & 7 == 0:
            _, at = _varint(payload, at)
        else:
            at += 8 if key & 7 == 1 else 4
        if key >> 3 > 2:
            out += payload[begin:at]
    return bytes(out)


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _forget(g):
    """Stand-ins have nothing that a delete could end: their rows go at once."""
    try:
        g.stop()
        db = sqlite3.connect(g.state + "/data/openshell.db")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM objects WHERE name LIKE 'stand-in-%'")
        db.commit()
        db.close()
        g.start()
    except (Error, OSError, sqlite3.Error):
        pass
