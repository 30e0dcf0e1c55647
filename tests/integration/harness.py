"""The product as a person runs it: what the integration and end-to-end tests share.

They run inside the test internet (script/testnet), as an ordinary user and as
root; OPENSHELL_TEST_MODE says which.
"""
import fcntl
import json
import os
import pathlib
import pty
import secrets
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

OPENSHELL = os.environ["OPENSHELL"]
STAGE = pathlib.Path(os.environ["OPENSHELL_TEST_STAGE"])
MODE = os.environ["OPENSHELL_TEST_MODE"]
TESTNET = pathlib.Path(os.environ["TESTNET_DIR"])
AGENTS = pathlib.Path(os.environ["OPENSHELL_TEST_AGENTS"])
GROUPS = pathlib.Path("/sys/fs/cgroup")
NODES: list = []  # control groups of this test run alone (see `alone`)
SANITIZED = bool(os.environ.get("OPENSHELL_TEST_SANITIZED"))

# What a sandbox with a network policy needs of the host to run common tools.
FILESYSTEM = {
    "include_workdir": True,
    "read_only": ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/dev/urandom"],
    "read_write": ["/tmp", "/dev/null"],
}


class Result:
    """`events` are what the proxy decided, `records` all that was recorded."""

    def __init__(self, code, out, err, records):
        self.code, self.out, self.err, self.records = code, out, err, records
        self.events = [r for r in records if "event_id" in r]

    @property
    def stdout(self):
        return self.out.decode(errors="replace")

    @property
    def stderr(self):
        return self.err.decode(errors="replace")

    def event(self, kind=None, **fields):
        """The events of that kind whose fields equal the given ones."""
        return [e for e in self.events
                if (kind is None or e["kind"] == kind)
                and all(e.get(k) == v for k, v in fields.items())]

    def __repr__(self):
        shown = "\n".join(json.dumps(e) for e in self.events[-20:])
        return (f"exit {self.code}\n-- stdout\n{self.stdout[-4000:]}\n-- stderr\n"
                f"{self.stderr[-4000:]}\n-- events\n{shown}")


class Box:
    """openshell run with one policy, in one work directory."""

    def __init__(self, path, policy, options):
        self.path = path
        self.work = path / "work"
        self.work.mkdir(exist_ok=True)
        self.options = list(options)
        self.events = path / "events.jsonl"
        self.policy = None
        if policy is not None:
            self.policy = path / "policy.yaml"
            self.write_policy(policy)

    def write_policy(self, policy):
        text = policy if isinstance(policy, str) else json.dumps(policy)  # JSON is YAML
        fresh = self.path / "policy.new"
        fresh.write_text(text)
        fresh.rename(self.policy)

    def argv(self, command, options=()):
        argv = [OPENSHELL, "run", "--events", str(self.events)]
        if self.policy is not None:
            argv += ["--policy", str(self.policy)]
        return [*argv, *self.options, *options, "--", *map(str, command)]

    def read_events(self):
        """Its records; the first line of a run, which is none, left out."""
        if not self.events.exists():
            return []
        lines = map(json.loads, self.events.read_text().splitlines())
        return [e for e in lines if e["kind"] != "CHAIN"]

    def run(self, *command, input=b"", options=(), timeout=60, env=None, cwd=None):
        self.events.unlink(missing_ok=True)
        done = subprocess.run(self.argv(command, options), input=input, capture_output=True,
                              timeout=timeout, cwd=cwd or self.work, env={**os.environ, **(env or {})})
        return Result(done.returncode, done.stdout, done.stderr, self.read_events())

    def start(self, *command, options=(), **popen):
        """A running one; the caller ends it (the fixture does when it forgets)."""
        self.events.unlink(missing_ok=True)
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                 "cwd": self.work, **popen}
        process = subprocess.Popen(self.argv(command, options), **popen)
        self.running.append(process)
        return process

    running: list = []


@pytest.fixture
def sandbox(tmp_path):
    """sandbox(policy=..., options=[...]) makes a Box; policy is a dict or YAML text."""
    made = []

    def make(policy=None, options=()):
        path = tmp_path / f"box{len(made)}"
        path.mkdir()
        box = Box(path, policy, options)
        box.running = []
        made.append(box)
        return box

    yield make
    for box in made:
        for process in box.running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


def network(*endpoints, binaries=("/**",), **more):
    """A policy with one network policy 'test'; endpoints are dicts."""
    return {"version": 1, "filesystem_policy": FILESYSTEM,
            "network_policies": {"test": {"endpoints": list(endpoints),
                                          "binaries": [{"path": b} for b in binaries]}, **more}}


def rest(host, port=443, access="read-only", **more):
    return {"host": host, "port": port, "protocol": "rest", "enforcement": "enforce",
            "access": access, **more}


def until(condition, seconds=20, what="the condition"):
    """Waits for a state; fails naming it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def upstream_requests(host):
    """What reached that origin of the test internet."""
    log = TESTNET / "requests.log"
    if not log.exists():
        return []
    return [r for r in map(json.loads, log.read_text().splitlines()) if r["host"] == host]


def canary_lines():
    log = TESTNET / "canary.log"
    return log.read_text().splitlines() if log.exists() else []


class Terminal:
    """A real terminal around openshell."""

    def __init__(self, argv, cwd, rows=24, cols=80, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(argv[0], argv, {**os.environ} if env is None else env)
        self.resize(rows, cols)
        self.seen = b""

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, data):
        os.write(self.fd, data)

    def expect(self, what, seconds=20):
        end = time.monotonic() + seconds
        while what not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"no {what!r} in {self.seen[-3000:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    data = b""
                assert data, f"terminal closed before {what!r}: {self.seen[-3000:]!r}"
                self.seen += data
        at = self.seen.index(what) + len(what)
        self.seen = self.seen[at:]

    def wait(self, seconds=20):
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left < 0:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"still running: {self.seen[-3000:]!r}")
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.seen += data
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(p) for p in text.split()]


def tree(pid):
    found = []
    queue = [pid]
    while queue:
        p = queue.pop()
        found.append(p)
        queue += children(p)
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def leftovers():
    """What a sandbox may not leave: processes of ours, control groups, mounts.

    The test internet has processes and mounts of its own, and control groups are told apart by
    where they lie or whose they are: other sandboxes of this machine are not looked at.
    """
    names = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if comm.startswith("openshell") and alive(pid):
            names.append(f"{pid}:{comm}")
    groups = []
    # os.walk passes over what vanishes meanwhile.
    for top in NODES if MODE == "root" else [GROUPS]:
        for where, below, _ in os.walk(top):
            groups += [f"{where}/{name}" for name in below if name.startswith("openshell-")]
    if MODE == "rootless":
        groups = [g for g in groups if os.path.exists(g) and os.stat(g).st_uid == os.getuid()]
    mounts = [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if "openshell-sandbox" in line]
    return names + groups + mounts


def placeholders(work):
    """What a sandbox keeps on the host for one work directory: its lock."""
    st = work.stat()
    name = f"workdir-{st.st_dev:x}-{st.st_ino:x}.lock"
    places = ["/run/openshell"] if MODE == "root" else [f"/run/user/{os.getuid()}", f"/tmp/openshell-{os.getuid()}"]
    return [f"{p}/{name}" for p in places if os.path.exists(f"{p}/{name}")]


@pytest.fixture(scope="session", autouse=True)
def alone():
    """As root: control groups of this run's own, so that what others leave is not taken for ours."""
    if MODE != "root" or NODES:  # once, though two folders' conftests name it
        yield
        return
    own = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
    if (GROUPS / "cgroup.procs").exists():
        tops = [GROUPS / own[""].lstrip("/")]
    else:
        tops = [GROUPS / c / own[c].lstrip("/") for c in ("memory", "pids")]
    name = f"openshell-test-{secrets.token_hex(6)}"
    for top in tops:
        NODES.append(top / name)
        (top / name / "tests").mkdir(parents=True)
        (top / name / "tests/cgroup.procs").write_text(str(os.getpid()))
    yield
    for node in NODES:
        (node.parent / "cgroup.procs").write_text(str(os.getpid()))
        (node / "tests").rmdir()
        node.rmdir()
