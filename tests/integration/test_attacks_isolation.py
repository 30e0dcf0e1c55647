"""The attacks of the file-system and kernel-surface sections: they fail inside and work outside."""
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from harness import MODE, STAGE, children, leftovers, network, rest, tree, until

SURFACE = str(STAGE / "tests/integration/surface.py")
PYTHON = "/usr/bin/python3"


def acts(box, *names):
    """{act: outcome} inside and outside."""
    out = box.run(PYTHON, SURFACE, *names, options=["--ro", str(STAGE / "tests")])
    inside = dict(line.split() for line in out.stdout.splitlines())
    assert set(inside) == set(names), out
    done = subprocess.run([PYTHON, SURFACE, *names], capture_output=True, text=True, timeout=60)
    return inside, dict(line.split() for line in done.stdout.splitlines())


# What an ordinary program needs works inside; what it must not have is refused, and works outside
# where this user may do it at all.
def test_a67_a68_a70_kernel_surface(sandbox):
    refused = {
        "io_uring": {"ENOSYS", "EPERM"}, "userfaultfd": {"EPERM"}, "perf": {"EPERM"}, "bpf": {"EPERM"},
        "keyctl": {"ENOSYS", "EPERM"}, "add_key": {"ENOSYS", "EPERM"}, "kexec": {"EPERM"}, "module": {"EPERM"},
        "ptrace-child": {"EPERM"}, "ptrace-parent": {"EPERM"}, "pidfd_getfd": {"EPERM"},
        "process_vm_readv": {"EPERM"}, "kcmp": {"EPERM"}, "userns": {"EPERM", "ENOSPC"},
        "clone3-userns": {"ENOSYS"}, "personality": {"EPERM"}, "memfd-exec": {"EPERM", "EACCES"},
        "tiocsti": {"EPERM"}, "packet": {"EPERM", "EAFNOSUPPORT"}, "vsock": {"EPERM", "EAFNOSUPPORT"},
        "alg": {"EPERM", "EAFNOSUPPORT"}, "netlink-audit": {"EPERM", "EAFNOSUPPORT"},
        "netlink-diag": {"EPERM", "EAFNOSUPPORT"}, "raw-icmp": {"EPERM"}, "sctp": {"EPERM", "EPROTONOSUPPORT"},
        "mptcp": {"EPERM", "EPROTONOSUPPORT"}, "fastopen": {"EPERM"},
    }
    box = sandbox()
    out = box.run(PYTHON, SURFACE, *refused, options=["--ro", str(STAGE / "tests")])
    inside = dict(line.split() for line in out.stdout.splitlines())
    assert set(inside) == set(refused), out
    wrong = {a: o for a, o in inside.items() if o not in refused[a]}
    assert not wrong, wrong
    # The other side: these need no privilege, so they work for this very user outside.
    free = ("io_uring", "process_vm_readv", "kcmp", "pidfd_getfd", "ptrace-child", "memfd-exec", "add_key",
            "personality", "mptcp", "netlink-audit", "netlink-diag", "userns")
    done = subprocess.run([PYTHON, SURFACE, *free], capture_output=True, text=True, timeout=60)
    outside = dict(line.split() for line in done.stdout.splitlines())
    assert outside == dict.fromkeys(free, "done"), outside


def test_what_programs_need_works_inside(sandbox):
    inside, _ = acts(sandbox(), "tcp", "unix", "memfd", "netlink-route")
    assert set(inside.values()) == {"done"}, inside


def test_every_process_carries_the_same_restrictions(sandbox):
    out = sandbox().run("sh", "-c", "cat /proc/self/status; sh -c 'cat /proc/self/status' &  wait")
    lines = [line.split() for line in out.stdout.splitlines()]
    for key, want in {"NoNewPrivs:": "1", "Seccomp:": "2", "CapEff:": "0" * 16, "CapPrm:": "0" * 16,
                      "CapBnd:": "0" * 16, "CapAmb:": "0" * 16, "CapInh:": "0" * 16}.items():
        values = [line[1] for line in lines if line and line[0] == key]
        assert values == [want, want], (key, values)


def test_a71_no_socket_of_the_host_is_in_reach(sandbox, tmp_path):
    path = tmp_path / "bus"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(path))
        named.listen()
        abstract.bind("\0openshell-test-abstract")
        abstract.listen()
        inside, outside = acts(sandbox(), "abstract")
        assert inside["abstract"] in ("ECONNREFUSED", "EPERM"), inside
        assert outside["abstract"] == "done", outside
        out = sandbox().run("sh", "-c", f"ls {path} /run/dbus /var/run/docker.sock /run/user /run/systemd /tmp/.X11-unix")
        assert "bus" not in out.stdout and out.code != 0, out


def test_a50_nothing_of_the_hosts_environment_or_processes(sandbox):
    secret = "sk-test-0123456789"
    out = sandbox().run("sh", "-c", "env; cat /proc/*/environ /proc/*/cmdline; ps ax 2>/dev/null; ls /proc",
                        env={"ANTHROPIC_API_KEY": secret, "AWS_SECRET_ACCESS_KEY": secret})
    assert secret not in out.stdout, out
    pids = [w for w in out.stdout.split() if w.isdigit() and int(w) == os.getpid()]
    assert not pids, out


def test_a52_a53_agents_sockets_and_caches_of_the_home_are_absent(sandbox):
    home = pathlib.Path(os.environ["HOME"])
    for name in (".netrc", ".npmrc", ".git-credentials", ".aws/credentials", ".ssh/id_ed25519", ".config/gh/hosts.yml"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("canary-credential")
    out = sandbox().run("sh", "-c", f"cd {home} && ls -A; cat {home}/.netrc {home}/.ssh/id_ed25519;"
                        " grep -rs canary-credential / --include=.netrc --include=.npmrc 2>/dev/null; echo $SSH_AUTH_SOCK",
                        env={"SSH_AUTH_SOCK": str(home / "agent.sock")})
    assert "canary-credential" not in out.stdout and "agent.sock" not in out.stdout, out
    assert (home / ".netrc").read_text() == "canary-credential"


SWAP = """
import os, sys
if os.fork() == 0:
    for i in range(1 << 30):
        try:
            if i % 3 == 0:
                os.symlink(sys.argv[1], 'next')
            elif i % 3 == 1:
                open('next', 'w').write('mine')
            else:
                os.link('link', 'next')
            os.rename('next', 'swap')
        except OSError:
            pass
n = 0
while n < 10000:
    try:
        if 'private' in open('swap').read():
            print('LEAK')
    except OSError:
        pass
    n += 1
print('read', n)
"""


def test_a59_links_and_renames_in_the_work_directory_lead_nowhere(sandbox):
    home = pathlib.Path(os.environ["HOME"])
    (home / "id").write_text("private")
    box = sandbox()
    (box.work / "link").symlink_to(home / "id")
    script = f"cat link; cat {home}/id; ln -s {home} dir; cat dir/id; ln {home}/id hard 2>/dev/null; cat hard"
    out = box.run("sh", "-c", script)
    assert "private" not in out.stdout, out
    # One process swaps what a name is, another follows it: 10,000 times.
    out = box.run(PYTHON, "-c", SWAP, str(home / "id"), timeout=180)
    assert out.code == 0 and out.stdout == "read 10000\n", out
    assert subprocess.run(["cat", str(box.work / "link")], capture_output=True).stdout == b"private"


PROTECTED = [".git/hooks/pre-commit", ".git/config", ".claude/settings.json", ".vscode/tasks.json", ".envrc",
             ".idea/workspace.xml", ".bashrc", ".mcp.json"]


@pytest.mark.parametrize("exists", [True, False])
def test_a61_what_the_user_would_execute_later_is_read_only(sandbox, exists):
    box = sandbox()
    if exists:
        subprocess.run(["git", "init", "-q", str(box.work)], check=True)
        for name in PROTECTED:
            (box.work / name).parent.mkdir(parents=True, exist_ok=True)
            (box.work / name).write_text("original\n")
    listing = sorted(p.relative_to(box.work) for p in box.work.rglob("*"))
    for name in PROTECTED:
        out = box.run("sh", "-c", f"mkdir -p $(dirname {name}); echo evil > {name}; echo evil >> {name};"
                      f" rm -rf {name}; mv .git .git2; mkdir -p $(dirname {name}); echo evil > {name}; echo free > free.txt")
        path = box.work / name
        assert (path.read_text() if path.exists() else "original\n") == "original\n", (name, out)
        if not exists:
            assert not path.exists() or path.read_text() == "", (name, out)
        assert (box.work / "free.txt").read_text() == "free\n"
        (box.work / "free.txt").unlink()
    # Placeholders are gone again.
    left = sorted(p.relative_to(box.work) for p in box.work.rglob("*"))
    assert left == listing, (left, listing)


def test_a62_git_on_the_host_runs_nothing_the_agent_planted(sandbox):
    box = sandbox()
    subprocess.run(["git", "init", "-q", str(box.work)], check=True)
    out = box.run("sh", "-c", "git config core.fsmonitor /bin/evil; git config core.pager 'touch PWNED';"
                  " printf '[core]\\n fsmonitor = touch PWNED\\n' >> .git/config;"
                  " printf '#!/bin/sh\\ntouch PWNED\\n' > .git/hooks/post-commit; chmod +x .git/hooks/post-commit;"
                  " git add -A; true")
    env = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", str(box.work), "status"], env=env, capture_output=True)
    subprocess.run(["git", "-C", str(box.work), "commit", "-q", "--allow-empty", "-m", "x"], env=env, check=True,
                   capture_output=True)
    assert not (box.work / "PWNED").exists(), out


def test_a64_disk_is_limited(sandbox):
    box = sandbox(options=["--disk", "64M"])
    out = box.run("sh", "-c", "head -c 500000000 /dev/zero > /tmp/big; ls -l /tmp/big | awk '{print $5}';"
                  " rm /tmp/big; mkdir /tmp/many; for i in $(seq 300000); do echo -n > /tmp/many/$i || break; done 2>/dev/null;"
                  " ls -f /tmp/many | wc -l", timeout=180)
    size, count = [int(w) for w in out.stdout.split()[-2:]]
    assert 0 < size <= 66 << 20, out  # the limit is rounded to pages
    assert 0 < count < 300000, out


def test_a73_fork_bomb_is_capped_and_leaves_nothing(sandbox):
    box = sandbox(options=["--pids", "200"])
    script = ("import os,time\nn=0\n"
              "while True:\n  try:\n    if os.fork()==0: time.sleep(1000)\n    n+=1\n"
              "  except OSError as e: print('capped', n, e.errno); break\n")
    out = box.run(PYTHON, "-c", script)
    words = out.stdout.split()
    assert words and words[0] == "capped" and int(words[1]) <= 200, out


def test_a73_memory_bomb_ends_the_program_not_the_host(sandbox):
    box = sandbox(options=["--memory", "300M"])
    out = box.run(PYTHON, "-c", "b=bytearray()\nwhile True: b+=bytes(1<<24)", timeout=120)
    assert out.code in (1, 137), out
    out = box.run(PYTHON, "-c", "b=bytearray(1<<26); print('fits')")
    assert "fits" in out.stdout, out


def test_descriptors_of_the_caller_do_not_leak(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("in an inherited descriptor")
    box = sandbox()
    with open(secret) as f:
        done = subprocess.run(box.argv(["sh", "-c", "ls -l /proc/self/fd"]), cwd=box.work,
                              capture_output=True, text=True, timeout=60, pass_fds=[f.fileno()],
                              stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and str(secret) not in done.stdout, done
    # ls sees 0, 1, 2 and the directory it reads.
    assert len(done.stdout.splitlines()) == 5, done


def test_agent_runs_under_an_unprivileged_host_id(sandbox):
    box = sandbox()
    process = box.start("sh", "-c", "echo up; cat")
    assert process.stdout.readline() == b"up\n"

    def agent():
        for pid in tree(process.pid):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "cat":
                    return os.stat(f"/proc/{pid}")
            except FileNotFoundError:
                continue
        return None

    seen = until(agent, what="cat below openshell")
    assert seen.st_uid != 0
    assert MODE == "root" or seen.st_uid == os.getuid()
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_end_of_openshell_at_any_moment_leaves_nothing(sandbox, sig):
    base = leftovers()
    for delay_ms in (0, 1, 2, 4, 6, 9, 14, 30, 100):
        box = sandbox()
        process = box.start("sh", "-c", "sleep 1000 & sleep 1000")
        end = time.monotonic() + delay_ms / 1000
        while time.monotonic() < end:
            pass
        process.send_signal(sig)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            # A shell that was just forking its next program outlives one SIGINT, anywhere.
            assert sig == signal.SIGINT, f"{sig} at {delay_ms} ms"
            process.send_signal(sig)
            process.wait(30)
        until(lambda: leftovers() == base, 20, f"everything gone after {sig} at {delay_ms} ms: {leftovers()}")


@pytest.mark.parametrize("victim", ["ctl", "net", "spawn", "init"])
def test_a74_any_of_our_processes_killed_ends_the_sandbox_closed(sandbox, victim):
    base = leftovers()
    box = sandbox(policy=network(rest("api.github.com")))
    process = box.start("sh", "-c", "echo up; sleep 1000 & wait")
    assert process.stdout.readline() == b"up\n"
    ours = {pathlib.Path(f"/proc/{p}/comm").read_text().strip(): p for p in tree(process.pid)}
    os.kill(ours[f"openshell-{victim}"], signal.SIGKILL)
    assert process.wait(30) in (125, 137), ours
    err = process.stderr.read().decode()
    assert "sandbox" in err or "supervisor" in err, err
    until(lambda: leftovers() == base, 20, f"everything gone: {leftovers()}")
