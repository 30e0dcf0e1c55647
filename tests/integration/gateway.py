"""A private gateway for tests: its own home, its own port, started as a person does.

Everything is asked of the real command line; what lies on disk and what runs is
looked at from outside.  Nothing here knows how the product does it.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from harness import OPENSHELL, Result, alive, leftovers, network, rest, tree, until

READ_GITHUB = network(rest("api.github.com"))
ZEN = "https://api.github.com/zen"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def locked(path):
    """Does a process hold the lock on that file?"""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def number_in(path):
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


class Gateway:
    """One home with one gateway; `stop` and `destroy` leave nothing of it."""

    def __init__(self, name="openshell", port=None):
        # The path of a Unix socket is short: so is this.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="og"))
        self.name = name
        self.port = port or free_port()
        self.work = self.home / "work"
        self.work.mkdir()
        self.env = {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        self.env.pop("OPENSHELL_GATEWAY", None)
        self.state = self.home / ".openshell/gateways" / name
        self.config = self.home / "config/openshell"
        self.bundle = self.config / "gateways" / name / "mtls"
        self.sock = self.state / "gateway.sock"
        self.running = []
        self.files = 0

    # --- the command line

    def argv(self, *args):
        return [OPENSHELL, *map(str, args)]

    def cli(self, *args, input=b"", timeout=60, env=None, cwd=None, **popen):
        done = subprocess.run(self.argv(*args), input=input, capture_output=True, timeout=timeout,
                              cwd=cwd or self.work, env={**self.env, **(env or {})}, **popen)
        return Result(done.returncode, done.stdout, done.stderr, [])

    def ok(self, *args, **more):
        """As cli; it must succeed."""
        out = self.cli(*args, **more)
        assert out.code == 0, (args, out)
        return out

    def json(self, *args):
        return json.loads(self.ok(*args, "-o", "json").out)

    def spawn(self, *args, env=None, **popen):
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                 "cwd": self.work, **popen}
        process = subprocess.Popen(self.argv(*args), env={**self.env, **(env or {})}, **popen)
        self.running.append(process)
        return process

    def start(self, *options):
        return self.ok("gateway", "start", "--name", self.name, "--port", self.port, *options)

    def stop(self):
        return self.ok("gateway", "stop", "--name", self.name)

    def stop_at_once(self):
        """An orderly end too, by a second signal: without the patience that the first has for calls that are open."""
        pid = self.pid()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not listens(self.port), 10, "no new connection")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not self.up(), 10, "the end of the gateway")
        assert not self.sock.exists()

    def policy(self, policy):
        """A file with that policy (dict or text)."""
        self.files += 1
        path = self.home / f"policy{self.files}.yaml"
        path.write_text(policy if isinstance(policy, str) else json.dumps(policy))
        return path

    def create(self, name, *command, policy=None, options=()):
        args = ["sandbox", "create", "--name", name, "--no-auto-providers"]
        if policy is not None:
            args += ["--policy", self.policy(policy)]
        self.ok(*args, *options, "--", *(command or ("true",)))
        return name

    def exec(self, name, *command, options=(), **more):
        return self.cli("sandbox", "exec", *options, name, "--", *command, **more)

    def delete(self, *names):
        return self.ok("sandbox", "delete", *names)

    def list(self):
        return {s["name"]: s for s in self.json("sandbox", "list")}

    def phase(self, name):
        """In lower case; "gone" when there is no such sandbox."""
        out = self.cli("sandbox", "get", name, "-o", "json")
        if out.code:
            assert "not found" in out.stderr.lower(), out
            return "gone"
        return json.loads(out.out)["phase"].lower()

    def wait_phase(self, name, *wanted, seconds=20):
        return until(lambda: (p := self.phase(name)) in wanted and p, seconds, f"{name}: {wanted}")

    def id_of(self, name):
        return self.json("sandbox", "get", name)["id"]

    # --- what runs

    def pid(self):
        return number_in(self.state / "gateway.pid")

    def up(self):
        return locked(self.state / "gateway.pid")

    def sandbox_dir(self, sandbox_id):
        return self.state / "sandboxes" / sandbox_id

    def keeper(self, sandbox_id):
        pid = number_in(self.sandbox_dir(sandbox_id) / "keeper.pid")
        return pid if pid and alive(pid) else None

    def roles(self, sandbox_id):
        """{role: pid} of a sandbox's processes outside: keeper, ctl, net, spawn, init."""
        keeper = self.keeper(sandbox_id)
        if not keeper:
            return {}
        found = {"keeper": keeper}
        for pid in tree(keeper):
            name = comm(pid)
            if pid != keeper and name.startswith("openshell-"):
                found.setdefault(name.removeprefix("openshell-"), pid)
        return found

    def kill_gateway(self, sig=signal.SIGKILL):
        pid = self.pid()
        os.kill(pid, sig)
        until(lambda: not alive(pid), 10, "the end of the gateway")

    def mine(self):
        """Processes that name this home: gateway, keepers and what they started."""
        found = set()
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if pid != os.getpid() and any(str(self.home) in w for w in words(pid)) and alive(pid):
                found.update(tree(pid))
        return {p for p in found if alive(p)}

    def leftovers(self):
        """What sandboxes left, the gateway itself aside."""
        boxes = self.state / "sandboxes"
        # A gateway is not what a sandbox left; the module's may run beside a test's own.
        return ([x for x in leftovers() if not x.endswith(":openshell-gatew")]
                + [str(p) for p in (boxes.iterdir() if boxes.exists() else [])]
                + [str(p) for p in self.work.iterdir()])

    def clean(self, seconds=20):
        """Deletes every sandbox; nothing of them may be left."""
        self.end_commands()
        self.ok("sandbox", "delete", "--all")
        for path in self.work.iterdir():
            path.unlink() if not path.is_dir() else shutil.rmtree(path)
        until(lambda: self.leftovers() == [], seconds, f"nothing left: {self.leftovers()}")

    def end_commands(self):
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        self.running = []

    def destroy(self):
        """The end, by force; the check comes first, so that a leak fails the test and not its neighbours."""
        self.end_commands()
        wrong = []
        try:
            if self.up():
                self.cli("sandbox", "delete", "--all")
                end = time.monotonic() + 15
                while self.leftovers() and time.monotonic() < end:
                    time.sleep(0.02)
                wrong = [x for x in self.leftovers() if not x.startswith(str(self.work))]
                self.cli("gateway", "stop", "--name", self.name)
                end = time.monotonic() + 5
                while self.mine() and time.monotonic() < end:
                    time.sleep(0.02)
                wrong += [f"{p}:{comm(p)} after the stop" for p in self.mine()]
                wrong += [str(self.sock)] if self.sock.exists() and not wrong else []
        finally:
            for _ in range(50):
                left = self.mine()
                if not left:
                    break
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            subprocess.run(["chmod", "-R", "u+rwX", str(self.home)], check=False)
            shutil.rmtree(self.home, ignore_errors=True)
        assert not wrong, wrong


@pytest.fixture
def gateway():
    """A started gateway of this test's own."""
    g = Gateway()
    try:
        g.start()
        yield g
    finally:
        g.destroy()


@pytest.fixture
def no_gateway():
    """A home in which no gateway was ever started."""
    g = Gateway()
    try:
        yield g
    finally:
        g.destroy()


@pytest.fixture(scope="module")
def module_gateway(alone):
    g = Gateway()
    try:
        g.start()
        yield g
    finally:
        g.destroy()


@pytest.fixture
def shared(module_gateway):
    """The module's gateway; sandboxes of a test end with it, and leave nothing."""
    g = module_gateway
    if not g.up():
        g.start()
    yield g
    if not g.up():
        g.start()
    g.clean()
