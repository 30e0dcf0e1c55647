"""Runs the tests and counts them; script/test is its front.

Unit tests run straight from the build directory.  Integration tests run
against the product as script/install lays it out, in a staging directory that
an ordinary user can read, inside the test internet: once as an ordinary user
("rootless") and once as root, file by file, several files side by side.  A
skipped test counts as a failed one: nothing is passed over in silence.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
# The ordinary user of a run that was started as root, of the first worker: an
# id without a name, a home or a group, so that nothing can lean on them.
PLAIN_ID = 20001
RETRIES_MAX = 5
# Names behind which tests serve themselves.
ADDED = ("load.example.test", "login.example.test", "vault.example.test", "sts.us-east-1.amazonaws.com")
FOLDERS = ("testnet", "integration", "e2e")


class Count:
    """What passed and what failed; counted from several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = 0
        self.failures = []

    def ok(self, n=1):
        with self.lock:
            self.passed += n

    def fail(self, name):
        with self.lock:
            self.failures.append(name)


def say(text):
    sys.stdout.write(text + "\n")  # one write: several threads say something
    sys.stdout.flush()


def build(args):
    name = os.environ.get("BUILD") or ("build-asan" if args.sanitize else "build")
    extra = []
    if args.sanitize:
        extra = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
    started = time.monotonic()
    result = subprocess.run(["script/build", *extra], cwd=ROOT,
                            env={**os.environ, "BUILD": name})
    if result.returncode:
        return None
    say(f"-- built {name} in {time.monotonic() - started:.1f} s")
    return ROOT / name


def run_unit(where, count, args):
    """Every test program of the build, several side by side; cmocka's own lines are counted."""
    tests = json.loads(subprocess.run(
        ["meson", "introspect", "--tests", str(where)],
        capture_output=True, check=True, text=True).stdout)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = pool.map(lambda test: run_unit_program(test, where, args), tests)
        for test, (result, first) in zip(tests, results):
            count_unit(test["name"], result, count)
            if first and result and result.returncode == 0:
                say(f"{first[-6000:]}\nUNSTEADY unit {test['name']}: passed at the second try only")


def run_unit_program(test, where, args):
    """The result, None when it went on for too long, and what a first try said that failed: it gets a second chance."""
    env = {**os.environ, **sanitizer_env(args), **(test.get("env") or {})}

    def once():
        return subprocess.run(test["cmd"], capture_output=True, text=True, errors="replace",
                              cwd=test.get("workdir") or where, timeout=600,
                              env=env, stdin=subprocess.DEVNULL)

    try:
        result = once()
        if result.returncode == 0:
            return result, ""
        return once(), f"exit status {result.returncode}\n{result.stdout}{result.stderr}"
    except subprocess.TimeoutExpired:
        return None, ""


def count_unit(name, result, count):
    """Counts what one program said of itself."""
    if result is None:
        count.fail(f"unit {name}: still running after 600 s")
        return
    text = result.stdout + result.stderr
    passed = re.findall(r"^\[       OK \] (.*)$", text, re.M)
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (\w+: \w+)", text, re.M)))
    replayed = re.search(r"^replayed (\d+) inputs$", text, re.M)
    count.ok(len(passed))
    if replayed and result.returncode == 0:
        count.ok()
    for one in failed:
        count.fail(f"unit {name}: {one}")
    if result.returncode and not failed:
        count.fail(f"unit {name}: exit status {result.returncode}")
    if result.returncode == 0 and not passed and not replayed:
        count.fail(f"unit {name}: ran no test")
    if result.returncode:
        say(text[-6000:])
    say(f"-- unit {name}: {len(passed) or 'corpus'} ok, {len(failed)} failed")


def sanitizer_env(args):
    if not args.sanitize:
        return {}
    # By _exit: abort(3) needs a system call that jailed processes do not have.
    return {"ASAN_OPTIONS": "abort_on_error=0:exitcode=134:detect_leaks=0:allocator_may_return_null=0",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=134",
            "OPENSHELL_TEST_SANITIZED": "1"}


def agents(count):
    """The real agents and a current node, from npm, kept between runs."""
    cache = pathlib.Path(os.environ.get("OPENSHELL_TEST_CACHE") or
                         f"/var/tmp/openshell-test-cache-{os.getuid()}")
    cache.mkdir(mode=0o755, exist_ok=True)
    info = cache.lstat()
    if cache.is_symlink() or info.st_uid != os.getuid() or info.st_mode & 0o022:
        count.fail(f"{cache}: not a directory of this user's alone")
        return None
    where = cache / "agents"
    result = subprocess.run([str(ROOT / "tests/agents/install"), str(where)],
                            capture_output=True, text=True)
    if result.returncode:
        say(result.stdout + result.stderr)
        count.fail("install the agents from npm")
        return None
    return where


def stage(build_dir, args):
    """What the tests run against, readable by everyone."""
    where = pathlib.Path(tempfile.mkdtemp(prefix="openshell-test-", dir="/var/tmp"))
    where.chmod(0o755)
    subprocess.run([str(ROOT / "script/install"), "--prefix", str(where / "prefix")],
                   check=True, stderr=subprocess.DEVNULL,
                   env={**os.environ, "BUILD": str(build_dir), **sanitizer_env(args)})
    for name in ("tests", "script", "examples", "proto", "docs"):
        shutil.copytree(ROOT / name, where / name, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copytree(ROOT / "src/gateway", where / "src/gateway")  # a test reads what its methods can answer
    go = shutil.which("go") or "/usr/local/go/bin/go"
    subprocess.run([go, "build", "-o", str(where / "goclient"), "main.go"], check=True,
                   cwd=ROOT / "tests/integration/goclient",
                   env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    subprocess.run(["chmod", "-R", "a+rX", str(where)], check=True)
    return where


def become(mode, number):
    """The words in front of a command that make it run as that user, each worker's ordinary one another."""
    if mode == "root":
        return [] if os.getuid() == 0 else ["sudo", "-n", "--preserve-env"]
    if os.getuid() != 0:
        return []
    plain = PLAIN_ID + number
    return ["setpriv", f"--reuid={plain}", f"--regid={plain}", "--clear-groups", "--"]


class Worker:
    """One place in which tests run, as one user; what runs there shares nothing with another's."""

    def __init__(self, mode, number, staged, agents_dir, args):
        self.mode, self.staged, self.args = mode, staged, args
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"openshell-{mode}-", dir="/var/tmp"))
        self.scratch.chmod(0o777)
        self.report = self.scratch / "junit.xml"
        self.user = become(mode, number)
        plain = PLAIN_ID + number if mode == "rootless" and os.getuid() == 0 else None
        for d in ("home", "tmp"):
            (self.scratch / d).mkdir()
            if plain:
                os.chown(self.scratch / d, plain, plain)
        self.env = {"PATH": f"{staged}/prefix/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                    "HOME": str(self.scratch / "home"), "TMPDIR": str(self.scratch / "tmp"), "LANG": "C.UTF-8",
                    "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1",
                    "OPENSHELL": f"{staged}/prefix/bin/openshell",
                    "OPENSHELL_TEST_STAGE": str(staged), "OPENSHELL_TEST_MODE": mode,
                    "OPENSHELL_TEST_AGENTS": str(agents_dir or ""), **sanitizer_env(args)}
        self.env.update((k, os.environ[k]) for k in ("OPENSHELL_TEST_SEED", "OPENSHELL_TEST_KILLS", "OPENSHELL_TEST_NAMES")
                        if k in os.environ)

    def pytest(self, chosen, inside):
        """Runs those; what was printed, and {node id: passed} or None without a report."""
        command = [*self.user]
        if inside:
            command += [f"{self.staged}/script/testnet"]
            for name in ADDED:
                command += ["--add", name]
            command += ["--"]
        command += [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
                    "--durations=5", "--timeout=240", f"--rootdir={self.staged}/tests", f"--junitxml={self.report}",
                    f"--basetemp={self.scratch}/tmp/pytest"]
        if self.args.keyword:
            command += ["-k", self.args.keyword]
        if self.args.sanitize:
            command += ["-m", "not slow"]
        self.report.unlink(missing_ok=True)
        done = subprocess.run([*command, *chosen], cwd=self.staged / "tests", env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            cases = list(ET.parse(self.report).getroot().iter("testcase"))
        except (OSError, ET.ParseError):
            return f"{done.stdout}\nended with status {done.returncode} and no report", None
        return done.stdout, {f"{c.get('classname').replace('.', '/')}.py::{c.get('name')}":
                             all(c.find(bad) is None for bad in ("failure", "error", "skipped")) for c in cases}

    def end(self):
        subprocess.run([*(self.user if self.mode == "root" else []), "rm", "-rf", str(self.scratch)])


def parts(args):
    """Lists of what is run by itself: a file of tests; those that take long first, so that no worker waits for a last one."""
    if args.keyword:  # a few of all: to begin anew for each file would take longer
        return collections.deque([FOLDERS[1:], FOLDERS[:1]])
    files = [f for d in FOLDERS for f in sorted((ROOT / "tests" / d).glob("test_*.py"))]
    files.sort(key=lambda f: (f.parent.name != "e2e", -f.stat().st_size))
    return collections.deque([str(f.relative_to(ROOT / "tests"))] for f in files)


def is_slow(path):
    """All its tests are left out under the sanitizers."""
    text = path.read_text()
    return text.count("\ndef test_") == text.count("\n@pytest.mark.slow\n") > 0


def run_part(worker, paths, count, failed):
    """One part, its verdicts counted; what failed is kept, to be tried again."""
    name = f"{worker.mode} {' '.join(paths)}"
    started = time.monotonic()
    text, seen = worker.pytest([str(worker.staged / "tests" / p) for p in paths], paths[0].split("/")[0] != "testnet")
    passed = seen is not None and all(seen.values())
    summary = (text.strip().splitlines() or ["said nothing"])[-1].strip("= ")
    say(f"-- {name}: {summary}; {time.monotonic() - started:.0f} s" + ("" if passed else "\n" + text))
    if seen is None:
        count.fail(f"{name}: no report")
    elif not seen and not (worker.args.keyword or worker.args.sanitize and is_slow(ROOT / "tests" / paths[0])):
        count.fail(f"{name}: ran no test")
    else:
        count.ok(sum(seen.values()))
        failed[worker.mode] += [node for node, well in seen.items() if not well]


def run_again(worker, nodes, count):
    """On a busy machine a test of timing may fail by itself.

    A few get a second chance, alone, and are named; a fault that holds fails again.
    """
    again = {}
    for inside in (False, True) if len(nodes) <= RETRIES_MAX else ():
        chosen = [n for n in nodes if n.startswith("testnet/") != inside]
        if chosen:
            text, seen = worker.pytest(chosen, inside)
            say(f"-- {worker.mode}: once more, alone\n{text}")
            again.update(seen or {})
    for node in nodes:
        if again.get(node):
            count.ok()
            say(f"UNSTEADY {worker.mode}: {node} passed at the second try only")
        else:
            count.fail(f"{worker.mode}: {node}")


def run_modes(modes, staged, agents_dir, args, count):
    """Files side by side, a worker each: many tests wait for a deadline.

    Workers share nothing but the machine: each part has a test internet of its own, with its network, processes and
    mounts, and each worker its own files, user (rootless) or control groups (root).
    """
    left, failed, lock = {m: parts(args) for m in modes}, {m: [] for m in modes}, threading.Lock()

    def work(number):
        # Started by an ordinary user, there is no second one whose control groups and limits could be told apart.
        may = [m for m in modes if m == "root" or os.getuid() == 0 or number == 0]
        own = {m: Worker(m, number, staged, agents_dir, args) for m in may}
        try:
            while True:
                with lock:
                    mode = max(may, key=lambda m: len(left[m]), default=None)
                    if not (mode and left[mode]):
                        return
                    paths = left[mode].popleft()
                run_part(own[mode], paths, count, failed)
        finally:
            for w in own.values():
                w.end()

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        try:
            for done in [pool.submit(work, n) for n in range(args.jobs)]:
                done.result()
        except BaseException:  # interrupted: what runs ends by the same signal, nothing else begins
            left.update((m, ()) for m in modes)
            raise
    for mode, nodes in failed.items():
        if nodes:
            alone = Worker(mode, 0, staged, agents_dir, args)
            try:
                run_again(alone, nodes, count)
            finally:
                alone.end()


def main():
    parser = argparse.ArgumentParser(prog="script/test")
    parser.add_argument("--unit", action="store_true", help="unit tests only")
    parser.add_argument("--rootless", action="store_true", help="integration as an ordinary user only")
    parser.add_argument("--root", action="store_true", help="integration as root only")
    parser.add_argument("--sanitize", action="store_true",
                        help="under the address and undefined sanitizers, without the slow tests")
    parser.add_argument("-j", "--jobs", type=int, default=max(2, os.cpu_count() or 2), choices=range(1, 65), metavar="N",
                        help="files of tests that run side by side")
    parser.add_argument("-k", dest="keyword", help="pytest's -k expression")
    args = parser.parse_args()
    # Started by nohup or in the background, signals are ignored, and what we
    # start would inherit that; tests send these signals.
    for signo in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signo, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    everything = not (args.unit or args.rootless or args.root)
    count = Count()

    os.chdir(ROOT)
    where = build(args)
    if where is None:
        count.fail("build")
    else:
        if args.unit or everything:
            run_unit(where, count, args)
        modes = [m for m in ("rootless", "root") if everything or getattr(args, m)]
        if "root" in modes and os.getuid() and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode:
            count.fail("root: sudo asks for a password, so nothing was run as root")
            modes.remove("root")
        if modes:
            agents_dir = agents(count)
            staged = stage(where, args)
            try:
                run_modes(modes, staged, agents_dir, args, count)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
    for name in count.failures:
        say(f"FAILED {name}")
    say(f"{count.passed} passed, {len(count.failures)} failed")
    return 1 if count.failures else 0


sys.exit(main())
