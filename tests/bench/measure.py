"""Taking the figures.  Every loop here is bounded in count and in time."""

import json
import os
import statistics
import subprocess
import sys
import time

from . import gateway, peers, procs
from .client import Error
from .figures import OPENSHELL, decisions

_REST_S = 3	# until a proxy is at rest


class Plan:
    """How much is measured; spans in milliseconds."""

    def __init__(self, quick):
        self.rounds = 1 if quick else 5
        self.span = 500 if quick else 700
        self.start_blocks = 3 if quick else 10
        self.start_rounds = 20
        self.idle = 30 if quick else 100
        self.edits = 8 if quick else 20
        self.held = (100, 400)	# connections that wait; squid takes no more


class Results:
    """What was measured, in each figure's unit.

    values  {figure: {program: number}}
    split   {figure: {role: number}}, the parts of our own number
    also    {figure: {name: number}}, what was measured along with it
    remarks sentences that a reader of the figures needs
    """

    def __init__(self, say):
        self.values, self.split, self.also, self.failed = {}, {}, {}, []
        self.remarks, self.say = [], say

    def remark(self, text):
        if text not in self.remarks:
            self.remarks.append(text)

    def put(self, figure, program, value):
        self.values.setdefault(figure, {})[program] = value

    def attempt(self, what, fn, *args):
        """fn's result, or None with the reason kept for the report."""
        self.say(what)
        try:
            return fn(*args)
        except (Error, OSError, ValueError, KeyError,
                subprocess.SubprocessError) as e:
            self.failed.append(f"{what}: {e}")
            self.say(f"{what}: {e}")
            return None


def percentile(values, p):
    v = sorted(values)
    return v[min(len(v) - 1, len(v) * p // 100)]


def start(world, plan, programs, out):
    """Blocks of each program in turn, so that noise meets all alike."""
    wraps = {}
    if OPENSHELL in programs:
        path = world.write("start.yaml", peers.policy(world, 1))
        wraps[OPENSHELL] = [*peers.run_openshell(world, path), "--"]
    if "bubblewrap" in programs:
        wraps["bubblewrap"] = peers.run_bwrap(world)
    ends = {"first": [world.tool("instant")], "true": ["/usr/bin/true"]}
    taken = {(p, e): [] for p in wraps for e in ends}

    def block(program, end):
        run = subprocess.run(
            [world.tool("starter"), str(plan.start_rounds), *wraps[program],
             *ends[end]], cwd=world.path("work"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
            check=False)
        if run.returncode != 0:
            raise Error(run.stderr.decode(errors="replace").strip()[-400:])
        column = 0 if end == "first" else 1
        taken[program, end] += [int(x.split()[column])
                                for x in run.stdout.splitlines()]

    for i in range(plan.start_blocks):
        for program in list(wraps):
            for end in ends:
                what = f"start {program} {end} {i + 1}/{plan.start_blocks}"
                out.attempt(what, block, program, end)
                if out.failed and out.failed[-1].startswith(what):
                    wraps.pop(program, None)
                    break
    for (program, end), ns in taken.items():
        for p in (50, 99):
            if program in wraps:
                out.put(f"start.{end}.p{p}", program, percentile(ns, p) / 1e6)


def idle(world, plan, programs, out):
    if OPENSHELL in programs:
        path = world.write("idle.yaml", peers.policy(world, 1))
        out.attempt("idle openshell", _idle, world, plan, OPENSHELL,
                    [*peers.run_openshell(world, path), "--"], out)
    if "bubblewrap" in programs:
        out.attempt("idle bubblewrap", _idle, world, plan, "bubblewrap",
                    peers.run_bwrap(world), out)


def _idle(world, plan, program, wrap, out):
    boxes = []
    try:
        # One that is measured against nothing: caches fill.
        _hold(world, wrap).close()
        before = procs.machine()
        for _ in range(plan.idle):
            boxes.append(_hold(world, wrap))
        after = procs.machine()
        memory, how = {}, set()
        for box in boxes:
            for role, pids in _holders(program, box.pid).items():
                for pid in pids:
                    pss, uss, kind = procs.memory(pid)
                    m = memory.setdefault(role, [0, 0])
                    m[0] += pss
                    m[1] += uss
                    how.add(kind)
    finally:
        for box in boxes:
            box.close()
    n = plan.idle * 1024
    out.put("idle.processes", program, sum(m[0] for m in memory.values()) / n)
    out.put("idle.unique", program, sum(m[1] for m in memory.values()) / n)
    out.put("idle.kernel", program, (after[0] - before[0]) / n)
    out.put("idle.available", program, (before[1] - after[1]) / n)
    if program == OPENSHELL:
        out.split["idle.processes"] = {r: m[0] / n for r, m in memory.items()}
        if how != {"pss"}:
            out.remark(
                "idle sandbox: processes of ours show their memory maps to "
                "root only; their anonymous pages are counted in full, those "
                "they share with each other too, so these are upper bounds: "
                "run as root for the exact figures")


def _holders(program, pid):
    """{role: pids} of what holds the sandbox; the program inside left out."""
    if program == OPENSHELL:
        out = peers.sandbox_roles(pid)
        del out["inside"]
        return out
    return {program: [p for p in procs.tree(pid)
                      if procs.name(p) != "instant"]}


class _Box:
    def __init__(self, argv, cwd):
        self._p = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=cwd)
        self.pid = self._p.pid
        if not self._p.stdout.readline().strip().isdigit():
            words = self._p.stderr.read().decode(errors="replace")
            self.close()
            raise Error(f"{argv[0]}: {words[-300:]}")

    def close(self):
        self._p.communicate(timeout=20)


def _hold(world, wrap):
    return _Box([*wrap, world.tool("instant"), "--hold"], world.path("work"))


def proxied(world, plan, programs, out):
    """Requests, connections and bulk, each program in turn, in rounds."""
    cpus = sorted(os.sched_getaffinity(0))
    one = ({cpus[0]}, {cpus[0]})
    apart = ({cpus[0]}, {cpus[-1]})
    origin = peers.origin(world)
    running = []
    # name, how it is made, what is added to the key of its figures
    makers = [("direct", lambda: peers.Direct(world), ""),
              ("nginx", lambda: peers.Nginx(world), ""),
              ("haproxy", lambda: peers.Haproxy(world), ""),
              ("squid", lambda: peers.Squid(world), ""),
              ("mitmproxy", lambda: peers.Mitmproxy(world), ""),
              *((OPENSHELL, lambda n=n: peers.Openshell(world, n),
                 "" if n == 1 else f".{n}") for n in (1, 100, 1000)),
              (OPENSHELL, lambda: peers.Openshell(world, 1, "h2load"), ".h2")]
    samples = {}

    def note(key, name, value):
        samples.setdefault((key, name), []).append(value)

    def run(peer, name, suffix):
        for conns, where in ((1, one), (32, apart)):
            r = peer.measure("keep", conns, plan.span, "/small", where)
            key = f"{conns}{suffix}"
            note("request.rps." + key, name, r["rps"])
            note("request.p50." + key, name, r["p50_us"])
            note("request.p99." + key, name, r["p99_us"])
            _cpu(note, "request.cpu." + key, name, r, r["requests"])
        if suffix or name == "direct":
            return
        for mode, key in (("fresh", "full"), ("resumed", "resumed")):
            r = peer.measure(mode, 4, plan.span, "/small", apart)
            if mode == "resumed" and r["resumed"] * 10 < r["connections"] * 7:
                out.remark(f"{name}: less than 7 in 10 of the connections "
                           "that should have been resumed were")
            _cpu(note, "connection." + key, name, r, r["requests"])
        r = peer.measure("bulk", 1, plan.span, "/big", apart)
        spent = r["cpu_ns"].get("net") or sum(r["cpu_ns"].values())
        note("bulk", name, r["bytes"] / 1e6 / (spent / 1e9))

    try:
        procs.pin(origin.pids(), {cpus[0]})
        for name, make, suffix in makers:
            if name in programs:
                peer = out.attempt(f"start {name}{suffix}", make)
                if peer:
                    running.append((peer, name, suffix))
                if peer and name != "direct" and not suffix:
                    out.attempt(f"memory of {name}", _rest, peer, name, out)
        for i in range(plan.rounds):
            for entry in list(running):
                peer, name, suffix = entry
                what = f"round {i + 1}/{plan.rounds} {name}{suffix}"
                out.attempt(what, run, peer, name, suffix)
                if out.failed and out.failed[-1].startswith(what):
                    running.remove(entry)
                    peer.close()
        for peer, name, suffix in running:
            if name != "direct" and not suffix:
                out.attempt(f"idle connections {name}", _held, peer, name,
                            plan, out)
        for peer, name, suffix in running:
            if name == OPENSHELL and not suffix:
                out.attempt("policy edits", _edits, peer, plan, out)
    finally:
        for peer, _, _ in running:
            peer.close()
        origin.close()
    for (key, name), values in samples.items():
        value = statistics.median(values)
        if "/" in name:
            out.also.setdefault(key, {})[name.partition("/")[2]] = value
        else:
            out.put(key, name, value)
    _compare(out)


def _cpu(note, key, name, r, count):
    """CPU of the proxy; of ours the one process that is it, the others beside."""
    if not r["cpu_ns"]:
        return
    every = sum(r["cpu_ns"].values())
    note(key, name, r["cpu_ns"].get("net", every) / count / 1000)
    if name == OPENSHELL:
        for role, spent in [*r["cpu_ns"].items(), ("all", every)]:
            if role != "net":
                note(key, f"{name}/{role}", spent / count / 1000)


def _compare(out):
    """What a proxy adds to no proxy, and a thousand policies to one."""
    p50 = out.values.get("request.p50.1", {})
    for name, value in p50.items():
        if name != "direct" and "direct" in p50:
            out.put("request.added.1", name, value - p50["direct"])
    one, many = (out.values.get(k, {}).get(OPENSHELL)
                 for k in ("request.cpu.32", "request.cpu.32.1000"))
    if one and many:
        out.put("request.more.1000", OPENSHELL, many - one)


def _pss(peer):
    """Of the process that is the proxy, in KiB."""
    pids = peer.roles()
    return sum(procs.memory(p)[0] for p in pids.get("net")
               or [p for some in pids.values() for p in some]) / 1024


def _rest(peer, name, out):
    """One connection is there, and has asked some; then nothing happens."""
    peer.measure("keep", 1, 100, "/small", peer.everywhere())
    time.sleep(_REST_S)
    out.put("held.rest", name, _pss(peer))


def _held(peer, name, plan, out):
    """What more connections take: pools that have a bound are full by then."""
    taken = []
    for n in plan.held:
        with peer.client("keep").held(n, "/small"):
            taken.append(_pss(peer))
    out.put("held.each", name,
            (taken[1] - taken[0]) / (plan.held[1] - plan.held[0]))


def _edits(peer, plan, out):
    """Rename a policy in, see when the open connection feels it."""
    every = sorted(os.sched_getaffinity(0))
    procs.pin(peer.client_pids("watch"), set(every))
    for pids in peer.roles().values():
        procs.pin(pids, set(every))
    client = peer.client("watch")
    client.watch(plan.edits, "/small")
    denied, allowed, changed = [], [], None
    for _ in range(plan.edits):
        seen = client.line(10)["allowed"]
        if changed is not None:
            allowed.append((seen - changed) / 1e6)
        time.sleep(0.02)	# requests flow for a while
        changed = peer.rewrite(False)
        denied.append((client.line(10)["denied"] - changed) / 1e6)
        time.sleep(0.02)
        changed = peer.rewrite(True)
    client.line(10)
    out.put("edit.denied.p50", OPENSHELL, percentile(denied, 50))
    out.put("edit.denied.max", OPENSHELL, max(denied))
    out.put("edit.allowed.p50", OPENSHELL, percentile(allowed, 50))


def decision(world, plan, programs, out):
    if OPENSHELL in programs:
        for shape in decisions():
            out.attempt(f"decision {shape}", _decision, world, shape, out)


def _decision(world, shape, out):
    run = subprocess.run([world.tool("bench_policy"), shape], timeout=120,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise Error("bench_policy: " + run.stderr.decode()[-300:])
    for text in run.stdout.splitlines():
        row = json.loads(text)
        key = f"decision.{row['shape']}.{row['rules']}"
        us = row["ns_per_decision"] / 1000
        if row["kind"] in ("request", "operation"):
            out.put(key, OPENSHELL, us)
        else:
            out.also.setdefault(key, {})[row["kind"]] = us


PARTS = {"start": start, "idle": idle, "gateway": gateway.everything,
         "decision": decision, "proxied": proxied}


def everything(world, plan, programs, parts, quiet=False):
    def say(text):
        if not quiet:
            sys.stderr.write(f"bench: {text}\n")

    out = Results(say)
    os.mkdir(world.path("work"), 0o755)
    for name in PARTS:
        if name in parts:
            out.attempt(name, PARTS[name], world, plan, programs, out)
    return out
