"""Runs the tests and counts them; script/test is its front.

Unit tests run straight from the build directory.  Integration tests run
against the product as script/install lays it out, in a staging directory that
an ordinary user can read, inside the test internet: once as an ordinary user
("rootless") and once as root.  A skipped test counts as a failed one: nothing
is passed over in silence.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
# The ordinary user of a run that was started as root: an id without a name,
# a home or a group, so that nothing can lean on them.
PLAIN_ID = 20001
RETRIES_MAX = 5


class Count:
    def __init__(self):
        self.passed = 0
        self.failures = []

    def ok(self, n=1):
        self.passed += n

    def fail(self, name):
        self.failures.append(name)


def say(text):
    print(text, flush=True)


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
    """Every test program of the build; cmocka's own lines are counted."""
    tests = json.loads(subprocess.run(
        ["meson", "introspect", "--tests", str(where)],
        capture_output=True, check=True, text=True).stdout)
    for test in tests:
        env = {**os.environ, **sanitizer_env(args)}
        env.update(test.get("env") or {})

        def once():
            return subprocess.run(test["cmd"], capture_output=True, text=True, errors="replace",
                                  cwd=test.get("workdir") or where, timeout=600,
                                  env=env, stdin=subprocess.DEVNULL)

        try:
            result = once()
            if result.returncode:  # a second chance, as with the others, named and shown
                say((result.stdout + result.stderr)[-6000:])
                result = once()
                if result.returncode == 0:
                    say(f"UNSTEADY unit {test['name']}: passed at the second try only")
        except subprocess.TimeoutExpired:
            count.fail(f"unit {test['name']}: still running after 600 s")
            continue
        text = result.stdout + result.stderr
        passed = re.findall(r"^\[       OK \] (.*)$", text, re.M)
        failed = sorted(set(re.findall(r"^\[  FAILED  \] (\w+: \w+)", text, re.M)))
        replayed = re.search(r"^replayed (\d+) inputs$", text, re.M)
        count.ok(len(passed))
        if replayed and result.returncode == 0:
            count.ok()
        for name in failed:
            count.fail(f"unit {test['name']}: {name}")
        if result.returncode and not failed:
            count.fail(f"unit {test['name']}: exit status {result.returncode}")
        if result.returncode == 0 and not passed and not replayed:
            count.fail(f"unit {test['name']}: ran no test")
        if result.returncode:
            say(text[-6000:])
        say(f"-- unit {test['name']}: {len(passed) or 'corpus'} ok, {len(failed)} failed")


def sanitizer_env(args):
    if not args.sanitize:
        return {}
    return {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0:allocator_may_return_null=0",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
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


def become(mode):
    """The words in front of a command that make it run as that user."""
    if mode == "root":
        return [] if os.getuid() == 0 else ["sudo", "-n", "--preserve-env"]
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={PLAIN_ID}", f"--regid={PLAIN_ID}", "--clear-groups", "--"]


def run_pytest(mode, staged, agents_dir, args, count, inside, paths):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"openshell-{mode}-", dir="/var/tmp"))
    os.chmod(scratch, 0o777)
    report = scratch / "junit.xml"
    home = scratch / "home"
    plain = mode == "rootless" and os.getuid() == 0
    for d in (home, scratch / "tmp"):
        d.mkdir()
        if plain:
            os.chown(d, PLAIN_ID, PLAIN_ID)
    env = {"PATH": f"{staged}/prefix/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
           "HOME": str(home), "TMPDIR": str(scratch / "tmp"), "LANG": "C.UTF-8",
           "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1",
           "OPENSHELL": f"{staged}/prefix/bin/openshell",
           "OPENSHELL_TEST_STAGE": str(staged), "OPENSHELL_TEST_MODE": mode,
           "OPENSHELL_TEST_AGENTS": str(agents_dir or ""), **sanitizer_env(args)}
    env.update((k, os.environ[k]) for k in ("OPENSHELL_TEST_SEED", "OPENSHELL_TEST_KILLS", "OPENSHELL_TEST_NAMES") if k in os.environ)
    command = become(mode)
    if inside:
        command += [f"{staged}/script/testnet", "--add", "load.example.test", "--"]
    command += [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
                "--durations=5", "--timeout=240", f"--rootdir={staged}/tests", f"--junitxml={report}",
                f"--basetemp={scratch}/tmp/pytest"]
    if args.keyword:
        command += ["-k", args.keyword]
    if args.sanitize:
        command += ["-m", "not slow"]
    name = f"{mode} {' '.join(paths)}"

    def once(chosen):
        """Runs those; {node id: passed}, None without a report."""
        report.unlink(missing_ok=True)
        done = subprocess.run([*command, *chosen], cwd=staged / "tests", env=env, stdin=subprocess.DEVNULL)
        try:
            cases = list(ET.parse(report).getroot().iter("testcase"))
        except (OSError, ET.ParseError):
            count.fail(f"{name}: ended with status {done.returncode} and no report")
            return None
        return {f"{c.get('classname').replace('.', '/')}.py::{c.get('name')}":
                all(c.find(bad) is None for bad in ("failure", "error", "skipped")) for c in cases}

    seen = once([str(staged / "tests" / p) for p in paths])
    if seen is not None:
        if not seen and not args.keyword:
            count.fail(f"{name}: ran no test")
        failed = [node for node, passed in seen.items() if not passed]
        count.ok(len(seen) - len(failed))
        # On a busy machine a test of timing may fail by itself.  A few get a
        # second chance, alone, and are named; a fault that holds fails again.
        again = once(failed) if 0 < len(failed) <= RETRIES_MAX else {}
        for node in failed:
            if (again or {}).get(node):
                count.ok()
                say(f"UNSTEADY {name}: {node} passed at the second try only")
            else:
                count.fail(f"{name}: {node}")
    subprocess.run([*(become(mode) if mode == "root" else []), "rm", "-rf", str(scratch)])


def main():
    parser = argparse.ArgumentParser(prog="script/test")
    parser.add_argument("--unit", action="store_true", help="unit tests only")
    parser.add_argument("--rootless", action="store_true", help="integration as an ordinary user only")
    parser.add_argument("--root", action="store_true", help="integration as root only")
    parser.add_argument("--sanitize", action="store_true",
                        help="under the address and undefined sanitizers, without the slow tests")
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
        if modes:
            agents_dir = agents(count)
            staged = stage(where, args)
            try:
                for mode in modes:
                    if mode == "root" and os.getuid() and subprocess.run(
                            ["sudo", "-n", "true"], capture_output=True).returncode:
                        count.fail("root: sudo asks for a password, so nothing was run as root")
                        continue
                    say(f"-- {mode}: the test internet")
                    run_pytest(mode, staged, agents_dir, args, count, False, ["testnet"])
                    say(f"-- {mode}: integration")
                    run_pytest(mode, staged, agents_dir, args, count, True, ["integration", "e2e"])
            finally:
                shutil.rmtree(staged, ignore_errors=True)
    for name in count.failures:
        say(f"FAILED {name}")
    say(f"{count.passed} passed, {len(count.failures)} failed")
    return 1 if count.failures else 0


sys.exit(main())
