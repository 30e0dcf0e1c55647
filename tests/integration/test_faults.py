"""Bad input and faults: a clear error with the fix, a non-zero exit, and nothing left behind."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import FILESYSTEM, OPENSHELL, Terminal, leftovers, network, rest, until

BOMB = "version: 1\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(9))

BAD_POLICIES = {
    "broken YAML": ("version: 1\n  bad: [\n", ":2:"),
    "unknown key": ("version: 1\nbogus: 1\n", ":2:1: error: "),
    "duplicate key": ("version: 1\nversion: 1\n", ":2:1: error: "),
    "anchor bomb": (BOMB, ":2:"),
    "not a mapping": ("- 1\n", ":1:1: error: "),
    "empty": ("", "version"),
    "wrong version": ("version: 2\n", "unsupported policy version 2"),
    "not text": ("version: 1\n\0", "error"),
    "unknown protocol": (
        "version: 1\nnetwork_policies:\n  a:\n    endpoints: [{host: a.b, port: 1, protocol: http, access: full}]\n"
        "    binaries: [{path: /x}]\n", "protocol"),
    "root is writable": ("version: 1\nfilesystem_policy:\n  read_write: [/.]\n", "overly broad"),
}


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_bad_policy_is_refused_with_its_place(sandbox, name):
    text, said = BAD_POLICIES[name]
    box = sandbox(policy=text)
    out = box.run("true")
    assert out.code == 125 and said in out.stderr, out
    assert str(box.policy) in out.stderr, out
    assert leftovers() == []


def test_policy_files_that_are_no_plain_small_file(sandbox, tmp_path):
    box = sandbox(policy="version: 1\n")
    good = tmp_path / "good.yaml"
    good.write_text("version: 1\n")
    cases = {"symbolic link": lambda p: p.symlink_to(good), "directory": lambda p: p.mkdir(),
             "larger": lambda p: p.write_text("# " + "x" * (10 << 20)), "No such file": lambda p: None,
             "not a regular file": lambda p: os.mkfifo(p)}
    if os.getuid() != 0:
        cases["Permission denied"] = lambda p: (p.write_text("version: 1\n"), p.chmod(0))
    for n, (said, make) in enumerate(cases.items()):
        box.policy = tmp_path / f"policy{n}.yaml"
        make(box.policy)
        out = box.run("true")
        assert out.code == 125 and said in out.stderr and str(box.policy) in out.stderr, (said, out)


def test_usage_errors_exit_2_with_a_hint():
    for args, said in ((["run", "--polcy", "x"], "--policy"), (["rum"], "run"), (["run", "--timeout", "x", "--", "a"], "timeout"),
                       (["policy", "check"], "Usage"), (["run", "--env", "=x", "--", "a"], "env")):
        done = subprocess.run([OPENSHELL, *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and said in done.stderr, (args, done)


def test_program_that_ignores_sigterm_is_killed_after_the_timeout(sandbox):
    out = sandbox().run("sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=["--timeout", "1"], timeout=60)
    assert out.code == 124, out
    assert leftovers() == []


@pytest.mark.slow
def test_a_gigabyte_of_output_arrives_whole(sandbox):
    box = sandbox()
    process = box.start("head", "-c", str(1 << 30), "/dev/zero")
    total = 0
    while part := os.read(process.stdout.fileno(), 1 << 20):
        total += len(part)
    assert process.wait(60) == 0 and total == 1 << 30


def test_a_reader_that_goes_away_ends_the_writer(sandbox):
    box = sandbox()
    process = box.start("sh", "-c", "yes; echo $? >&2", stdout=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    process.wait(30)
    until(lambda: leftovers() == [], what="everything gone")


def test_names_and_upstreams_that_fail_are_told_apart(sandbox):
    hosts = ["nothing.example.test", "silent.example.test", "closed.example.test", "mute.example.test",
             "garbled.example.test", "liar.example.test"]
    box = sandbox(policy=network(*[rest(h) for h in hosts]))
    # All at once: two of them answer only when a deadline has passed.
    out = box.run("sh", "-c", f"for h in {' '.join(hosts)}; do (curl -sS -m 40 https://$h/; echo $h $?) & done; wait")
    codes = dict(line.split() for line in out.stdout.splitlines())
    for host, said in zip(hosts, ("resol", "resol", "refused", "", "resol", "resol")):
        assert codes[host] not in ("0", "28"), (host, out)
        events = out.event("UPSTREAM_FAILED", host=host) or out.event("TLS_REFUSED", host=host)
        assert len(events) >= 1 and said in events[0]["reason"].lower(), (host, out)


def test_no_home_and_read_only_home(sandbox, tmp_path):
    box = sandbox()
    env = {k: v for k, v in os.environ.items() if k != "HOME"}
    done = subprocess.run(box.argv(["sh", "-c", "echo ok"]), cwd=box.work, env=env, capture_output=True, timeout=30)
    assert done.returncode == 0 and done.stdout == b"ok\n", done
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    out = box.run("sh", "-c", "echo ok", env={"HOME": str(home)})
    assert out.code == 0 and out.stdout == "ok\n", out


def test_full_disk_for_events_and_report_is_said(sandbox):
    box = sandbox()
    box.events = pathlib.Path("/dev/full")
    done = subprocess.run(box.argv(["sh", "-c", "curl -sS https://x.example.test/; true"]), cwd=box.work,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "/dev/full" in done.stderr, done
    missing = box.path / "no/such/dir/events"
    done = subprocess.run([OPENSHELL, "run", "--events", str(missing), "--", "true"], cwd=box.work,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 125 and str(missing) in done.stderr, done


def test_two_runs_in_one_directory_at_once(sandbox):
    box = sandbox()
    first = box.start("sh", "-c", "echo up; cat; echo one > one.txt")
    assert first.stdout.readline() == b"up\n"
    out = subprocess.run([OPENSHELL, "run", "--quiet", "--", "sh", "-c", "echo two > two.txt; mkdir -p .git/hooks;"
                          " echo evil > .git/hooks/x"], cwd=box.work, capture_output=True, timeout=30)
    first.stdin.close()
    assert first.wait(20) == 0
    assert (box.work / "one.txt").exists() and (box.work / "two.txt").exists(), out
    assert sorted(p.name for p in box.work.iterdir()) == ["one.txt", "two.txt"]


def test_a_hundred_runs_at_once(sandbox):
    box = sandbox()
    base = leftovers()
    many = [subprocess.Popen([OPENSHELL, "run", "--quiet", "--", "sh", "-c", f"echo {i}"], cwd=box.work,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for i in range(100)]
    for i, process in enumerate(many):
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, f"{i}\n".encode()), (i, err)
    until(lambda: leftovers() == base, what="everything gone")
    assert list(box.work.iterdir()) == []


def test_closed_terminal_ends_the_sandbox(sandbox):
    box = sandbox()
    term = Terminal(box.argv(["sh", "-c", "echo up; sleep 1000"]), box.work)
    term.expect(b"up")
    os.close(term.fd)
    os.waitpid(term.pid, 0)
    until(lambda: leftovers() == [], what="everything gone")


def test_second_interrupt_ends_a_program_that_ignores_the_first(sandbox):
    box = sandbox()
    process = box.start("sh", "-c", "trap '' INT; echo up; while :; do sleep 0.1; done")
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.poll() is not None
    until(lambda: leftovers() == [], what="everything gone")


def test_background_children_do_not_outlive_the_command(sandbox):
    out = sandbox().run("sh", "-c", "setsid sleep 1000 & (trap '' HUP TERM; sleep 1000) & echo done")
    assert out.code == 0 and "done" in out.stdout, out
    until(lambda: leftovers() == [], what="everything gone")


def test_policy_replaced_by_something_else_while_running_keeps_the_last_good(sandbox, tmp_path):
    box = sandbox(policy=network(rest("api.github.com")))
    process = box.start("sh", "-c", "echo up; while read l; do curl -sS -o /dev/null -w '%{http_code}\\n'"
                        " https://api.github.com/zen; done")
    assert process.stdout.readline() == b"up\n"

    def ask():
        process.stdin.write(b"x\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def told(*words):
        while True:
            line = process.stderr.readline().decode()
            assert line, f"stderr ended before {words}"
            if any(w in line for w in words):
                return

    assert ask() == b"200"
    full = box.policy.read_text()
    for breakage, words in ((lambda: box.policy.write_text(full[: len(full) // 2]), ("error",)),
                            (lambda: (box.policy.unlink(), box.policy.symlink_to("/etc/passwd")), ("symbolic link",)),
                            (lambda: (box.policy.unlink(), box.policy.mkdir()), ("directory",))):
        breakage()
        told(*words)
        assert ask() == b"200"
    box.policy.rmdir()
    box.write_policy({"version": 1, "filesystem_policy": FILESYSTEM})
    told("policy revision 2 in force")
    assert ask() == b"000"
    process.stdin.close()
    process.wait(20)


def test_upstream_that_dies_hangs_or_talks_nonsense_is_told_by_the_client_and_recorded(sandbox):
    box = sandbox(policy=network(rest("chaos.example.test")))
    url = "https://chaos.example.test"
    out = box.run("curl", "-sS", f"{url}/die-mid-body")
    # Its head and its reset arrive in any order: broken off, or 502 where nothing was passed on yet.
    assert out.code in (18, 56) or '"upstream_failed"' in out.stdout, out
    assert out.event("UPSTREAM_FAILED", host="chaos.example.test"), out
    out = box.run("curl", "-sS", "-w", "%{http_code}", f"{url}/garbage")
    assert out.code == 0 and out.stdout.endswith("502") and "error" in out.stdout, out
    assert out.event("UPSTREAM_FAILED", host="chaos.example.test"), out
    out = box.run("curl", "-sS", "-m", "2", f"{url}/never")
    assert out.code == 28, out
    # The other side.
    assert box.run("curl", "-sSf", f"{url}/").code == 0
    assert leftovers() == []


# A small tmpfs of one's own: mount(2) needs a user namespace where one is not root.
SMALL = r"""
mount -t tmpfs -o "size=256k,nr_inodes=$1,mode=0755" small "$2" && cd "$2" && mkdir work && cd work || exit 90
case $3 in
inodes) i=0; while touch "f$i" 2>/dev/null; do i=$((i + 1)); done ;;
bytes) head -c 1000000 /dev/zero > fill 2>/dev/null ;;
esac
before=$(ls -A)
"$OPENSHELL" run -- sh -c 'echo up; echo text > new && cat new; exit 0' 2>"$2.err"
echo "status $?"
[ "$before" = "$(ls -A | grep -v '^new$')" ] && echo untouched
cat "$2.err"
"""


def on_small_disk(tmp_path, inodes, fill):
    place = tmp_path / "small"
    place.mkdir(exist_ok=True)
    unshare = ["unshare", "--mount"] + ([] if os.getuid() == 0 else ["--map-root-user"])
    done = subprocess.run([*unshare, "sh", "-c", SMALL, "sh", str(inodes), str(place), fill], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


def test_full_work_directory_is_said_and_stays_as_it_is(tmp_path):
    assert on_small_disk(tmp_path, 400, "nothing").startswith("up\ntext\nstatus 0\nuntouched")
    # No room for what protects names: no sandbox.
    out = on_small_disk(tmp_path, 12, "inodes")
    assert "status 125\nuntouched" in out and "No space left on device" in out and "free" in out, out
    # Room for that, and none for the program's own file: the program is told.
    out = on_small_disk(tmp_path, 400, "bytes")
    assert "untouched" in out and "up" in out and "I/O error" in out and "text" not in out.splitlines(), out
    assert leftovers() == []
