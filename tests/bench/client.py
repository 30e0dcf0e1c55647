"""Driving tests/bench/load: orders down its stdin, JSON lines back."""

import contextlib
import json
import os
import select
import subprocess
import time

from . import procs


class Error(Exception):
    """A measurement that could not be made; the text says why."""


class Client:
    """One load process, perhaps behind other programs that pass its streams.

    argv    how it is started
    """

    def __init__(self, argv, log, cwd=None, env=None):
        self._name = os.path.basename(argv[0])
        self._log = log
        self._rest = b""
        with open(log, "ab") as err:
            self._p = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=err,
                                       cwd=cwd, env=env, bufsize=0)
        self.pid = self._p.pid

    def close(self):
        self._p.stdin.close()
        try:
            self._p.wait(10)
        except subprocess.TimeoutExpired:
            self._p.kill()
            self._p.wait()
        self._p.stdout.close()

    def _send(self, line):
        try:
            self._p.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise Error(self._last_words()) from None

    def _last_words(self):
        with open(self._log, "rb") as f:
            lines = f.read().decode(errors="replace").splitlines()
        return f"{self._name}: " + " / ".join(lines[-3:])

    def line(self, seconds):
        until = time.monotonic() + seconds
        fd = self._p.stdout.fileno()
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise Error(f"{self._name}: no answer in {seconds} s; "
                            + self._last_words())
            data = os.read(fd, 65536)
            if not data:
                raise Error(self._last_words())
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def measure(self, mode, conns, ms, path, roles):
        """One run.  roles: {role: pids} whose CPU time is of interest.

        Gives load's own figures, with cpu_ns a role.
        """
        self._send(f"{mode} {conns} {ms} {path}")
        self.line(20)
        pids = roles()
        before = {r: procs.cpu(p) for r, p in pids.items()}
        self._send("go")
        out = self.line(ms / 1000 + 15)
        out["cpu_ns"] = {r: procs.cpu_between(before[r], procs.cpu(p))
                         for r, p in pids.items()}
        self._send("end")
        self.line(15)
        if out["requests"] + out["bytes"] == 0 or \
                out["errors"] * 100 > out["requests"]:
            raise Error(f"{self._name}: {mode} {conns}: {out['requests']} "
                        f"requests, {out['errors']} errors, first: "
                        f"{out['first_error']}")
        return out

    @contextlib.contextmanager
    def held(self, conns, path):
        """Connections that have had some answers each and wait."""
        self._send(f"keep {conns} 500 {path}")
        self.line(20)
        self._send("go")
        out = self.line(20)
        if out["errors"]:
            raise Error(f"{self._name}: {conns} connections: "
                        + out["first_error"])
        yield
        self._send("end")
        self.line(15)

    def watch(self, rounds, path):
        self._send(f"watch {rounds} {path}")
