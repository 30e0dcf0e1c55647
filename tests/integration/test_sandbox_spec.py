"""What every process of a sandbox is given and denied, statement by statement, and what a run says when it
cannot have it."""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess

import pytest

from harness import MODE, OPENSHELL, STAGE, Terminal, leftovers, network, tree, until

PYTHON = "/usr/bin/python3"
WITHOUT_LANDLOCK = [PYTHON, str(STAGE / "tests/integration/without.py"), "landlock"]


def python(box, script, **more):
    """The JSON that a Python script prints inside."""
    out = box.run(PYTHON, "-c", script, **more)
    assert out.code == 0, out
    return json.loads(out.stdout)


# The environment: an allow-list.

PROXY = "http://10.200.0.1:3128"
CA, BUNDLE = "/etc/openshell-tls/openshell-ca.pem", "/etc/openshell-tls/ca-bundle.pem"
GIVEN = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "grpc_proxy"),
                    PROXY),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1"),
    **dict.fromkeys(("NODE_EXTRA_CA_CERTS", "DENO_CERT"), CA),
    **dict.fromkeys(("SSL_CERT_FILE", "CODEX_CA_CERTIFICATE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
                     "PIP_CERT", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE", "npm_config_cafile",
                     "YARN_HTTPS_CA_FILE_PATH", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"), BUNDLE),
    "NODE_USE_ENV_PROXY": "1", "OPENSHELL_SANDBOX": "1",
}
BASE = {"HOME": "/sandbox", "USER": "sandbox", "LOGNAME": "sandbox", "TMPDIR": "/tmp", "TERM": "dumb"}
ENVIRON = "import json,os;print(json.dumps({k:v for k,v in os.environ.items()}))"


def test_the_environment_is_ours_and_nothing_of_the_hosts(sandbox):
    host = {"SECRET": "x", "OPENSHELL_SANDBOX": "name", "OPENSHELL_TLS_KEY": "x", "OPENSHELL_ENDPOINT": "x",
            "LD_PRELOAD": "", "LD_LIBRARY_PATH": "/x", "PYTHONSTARTUP": "/x", "HTTP_PROXY": "http://host:1",
            "SSH_AUTH_SOCK": "/x", "DBUS_SESSION_BUS_ADDRESS": "x", "XDG_RUNTIME_DIR": "/x", "DISPLAY": ":0"}
    env = python(sandbox(), ENVIRON, env=host)
    assert {k: env.pop(k, None) for k in GIVEN} == GIVEN
    assert {k: env.pop(k, None) for k in BASE} == BASE
    assert env.pop("SHELL") in ("/bin/bash", "/bin/sh")
    assert set(env.pop("PATH").split(":")) >= {"/usr/local/bin", "/usr/bin", "/bin"}
    assert re.fullmatch(r"[A-Za-z_.@0-9-]+", env.pop("LANG"))
    # How text is shown is the user's; Python adds LC_CTYPE to what it was given.
    assert set(env) <= {"LC_ALL", "LC_CTYPE", "COLORTERM", "NO_COLOR", "TZ"}, env


def test_options_add_to_the_environment_but_not_around_the_proxy(sandbox):
    wanted = [f"--env={name}=mine" for name in [*GIVEN, "MINE", "HOME"]]
    env = python(sandbox(), ENVIRON, options=wanted)
    assert {k: env[k] for k in GIVEN} == GIVEN
    assert env["MINE"] == env["HOME"] == "mine"


# Privileges, limits, signals: of every process, also of ours.

STATUS = """
import ctypes, json, os, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
def refused(call):
    try: call()
    except OSError as e: return e.errno
    return 0
print(json.dumps({"status": {k: v.split() for k, v in status.items()}, "securebits": libc.prctl(27, 0, 0, 0, 0),
    "uid": os.getresuid(), "gid": os.getresgid(), "setuid": refused(lambda: os.setuid(0)),
    "setgid": refused(lambda: os.setgid(0)), "umask": os.umask(0),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "sid": os.getsid(0) == os.getpid(), "pgid": os.getpgid(0) == os.getpid()}))
"""


def test_a_program_has_one_identity_and_no_privilege(sandbox):
    got = python(sandbox(), STATUS)
    assert len(set(got["uid"])) == len(set(got["gid"])) == 1 and got["uid"][0] != 0 and got["gid"][0] != 0, got
    assert got["setuid"] and got["setgid"], got
    assert got["status"]["Groups"] == [] or MODE != "root", got
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert got["status"][name] == ["0" * 16], (name, got)
    assert got["status"]["NoNewPrivs"] == ["1"] and got["status"]["Seccomp"] == ["2"], got
    # NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each locked; KEEP_CAPS off and locked.
    assert got["securebits"] == 0xEF, hex(got["securebits"])
    assert got["umask"] == 0o022 and got["core"] == [0, 0], got
    assert got["nofile"][0] == got["nofile"][1] <= 65536, got
    assert got["sid"] and got["pgid"], got


def test_a_program_starts_with_every_signal_as_it_should_be(sandbox):
    box = sandbox()
    out = box.run("grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
    masks = {line.split()[0]: int(line.split()[1], 16) for line in out.stdout.splitlines()}
    # 32 and 33 belong to the C library.
    assert masks["SigIgn:"] & 0x7FFFFFFF == 0 and masks["SigBlk:"] == 0, out
    out = box.run("bash", "-c", "yes | head -1; echo ${PIPESTATUS[0]}")
    assert out.stdout == "y\n141\n", out


def of_ours(pid):
    return [p for p in tree(pid)[1:] if pathlib.Path(f"/proc/{p}/comm").read_text().startswith("openshell")]


def test_our_own_processes_gain_nothing_and_show_nothing(sandbox):
    box = sandbox()
    process = box.start("sh", "-c", "echo up; cat")
    assert process.stdout.readline() == b"up\n"
    ours = of_ours(process.pid)
    assert len(ours) == 4, "ctl, net, spawn, init"
    for pid in ours:
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        assert status["NoNewPrivs"].strip() == "1", (pid, status)
        # Not dumpable: its files belong to root, or to nobody where root is not mapped.
        assert os.stat(f"/proc/{pid}/mem").st_uid in (0, 65534), pid
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
        if MODE == "rootless":
            with pytest.raises(PermissionError):
                os.readlink(f"/proc/{pid}/exe")
    process.stdin.close()
    assert process.wait(20) == 0


def test_children_and_grandchildren_share_every_namespace_and_none_of_ours(sandbox):
    names = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
    out = sandbox().run("sh", "-c", f"cd /proc/self/ns; readlink {' '.join(names)}; setsid sh -c 'readlink {' '.join(names)}'")
    inside = out.stdout.split()
    assert inside[:7] == inside[7:] and len(inside) == 14, out
    outside = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    assert not set(inside) & set(outside), out


# What is there.

def test_proc_is_masked_and_frozen(sandbox):
    out = sandbox().run("sh", "-c", """
        cd /proc
        for n in acpi asound kcore keys latency_stats sched_debug scsi timer_list timer_stats interrupts; do
            [ -e $n ] || continue
            if [ -d $n ]; then ls -A $n; else head -c 10 $n; fi
        done
        for n in bus fs irq sys sysrq-trigger; do
            [ -e $n ] || continue
            grep -q " /proc/$n ro," self/mountinfo || echo writable $n
        done
        touch sys/kernel/x 2>/dev/null && echo touched
        { echo x > sys/kernel/hostname; } 2>/dev/null && echo renamed
        for f in 1/environ 1/maps 1/mem; do { cat $f; } 2>/dev/null && echo read $f; done
        for f in 1/exe 1/cwd 1/root; do readlink $f && echo link $f; done
        ls -d [0-9]* | wc -l""")
    assert out.stdout.split()[:-1] == [] and int(out.stdout.split()[-1]) <= 5, out
    # The other side: one of them has something to say out here.
    assert pathlib.Path("/proc/interrupts").read_text() or pathlib.Path("/proc/timer_list").exists()


def test_dev_has_what_programs_need_and_nothing_else(sandbox):
    got = python(sandbox(), """
import json, os, stat
def kind(p):
    st = os.lstat(p)
    if stat.S_ISLNK(st.st_mode): return os.readlink(p)
    if stat.S_ISCHR(st.st_mode): return [os.major(st.st_rdev), os.minor(st.st_rdev), stat.S_IMODE(st.st_mode)]
    return "directory"
print(json.dumps({n: kind("/dev/" + n) for n in os.listdir("/dev")}))""")
    assert got == {
        "null": [1, 3, 0o666], "zero": [1, 5, 0o666], "full": [1, 7, 0o666], "random": [1, 8, 0o666],
        "urandom": [1, 9, 0o666], "tty": [5, 0, 0o666], "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx", "pts": "directory",
        "shm": "directory"}


def test_the_root_is_made_of_what_is_named(sandbox):
    box = sandbox()
    out = box.run("sh", "-c", "ls /; ls -A /run /var/log /sandbox /tmp /dev/shm; hostname")
    top = out.stdout.split("\n\n")[0].split("\n/")[0].split()
    assert {"dev", "etc", "proc", "run", "sandbox", "tmp", "usr", "var"} <= set(top), out
    allowed = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix", "gnu", box.work.parts[1]}
    assert set(top) <= allowed | {"dev", "etc", "proc", "run", "sandbox", "tmp", "usr", "var"}, out
    assert out.stdout.splitlines()[-1] == "sandbox", out
    gone = ["/sys", "/boot", "/root", "/srv", "/mnt", "/media"]
    assert any(os.path.exists(p) for p in gone)
    out = box.run("sh", "-c", f"ls -d {' '.join(gone)} /etc/shadow /etc/fstab /etc/ssh /etc/machine-id /var/lib 2>/dev/null")
    assert out.stdout == "", out


def test_generated_files_of_etc(sandbox):
    got = python(sandbox(), """
import json, os
names = ["passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf"]
print(json.dumps({"uid": os.getuid(), "gid": os.getgid(),
    "writable": [n for n in os.listdir("/etc") if not os.path.islink("/etc/" + n) and
                 not os.statvfs("/etc/" + n).f_flag & os.ST_RDONLY],
    **{n: open("/etc/" + n).read().splitlines() for n in names}}))""")
    assert got["writable"] == []
    users = {line.split(":")[0]: line.split(":") for line in got["passwd"]}
    assert set(users) == {"root", "sandbox", "nobody"}
    assert users["sandbox"][2:4] == [str(got["uid"]), str(got["gid"])] and users["sandbox"][5] == "/sandbox"
    assert f"sandbox:x:{got['gid']}:" in got["group"]
    assert got["hostname"] == ["sandbox"] and "127.0.0.1 localhost" in got["hosts"]
    assert not any("sandbox" not in line and "localhost" not in line for line in got["hosts"]), got["hosts"]
    assert got["resolv.conf"][0] == "nameserver 10.200.0.1"
    assert "hosts: files dns" in got["nsswitch.conf"]


def test_private_directories_are_empty_sized_and_take_no_devices_or_programs_with_rights(sandbox):
    got = python(sandbox(options=["--disk", "64M"]), """
import json, os
flags = {"nosuid": os.ST_NOSUID, "nodev": os.ST_NODEV}
print(json.dumps({p: [os.statvfs(p).f_blocks * os.statvfs(p).f_frsize, oct(os.stat(p).st_mode & 0o7777)] +
    [n for n, f in flags.items() if os.statvfs(p).f_flag & f] for p in ("/tmp", "/var/tmp", "/run", "/dev/shm", "/sandbox")}))""")
    modes = {"/tmp": "0o1777", "/var/tmp": "0o1777", "/run": "0o755", "/dev/shm": "0o1777", "/sandbox": "0o700"}
    assert got == {p: [64 << 20, m, "nosuid", "nodev"] for p, m in modes.items()}


# Streams.

REOPEN = """
import json, os, sys
def tell(call):
    try: return [0, call()]
    except OSError as e: return [e.errno, None]
fd = int(sys.argv[1])
path = f"/proc/self/fd/{fd}"
first = os.read(fd, 4).decode()
tell(lambda: os.write(os.open(path, os.O_RDWR | os.O_NONBLOCK), b"evil"))
tell(lambda: os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), b"evil"))
tell(lambda: os.truncate(path, 0)); tell(lambda: os.ftruncate(fd, 0))
tell(lambda: os.fchmod(fd, 0o777)); tell(lambda: os.chmod(path, 0o777))
tell(lambda: os.utime(fd, (1, 1)))
print(json.dumps({"read": first, "name": os.readlink(path)}))
"""


@pytest.mark.parametrize("landlock", [True, False])
@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_a_file_as_input_can_only_be_read(sandbox, tmp_path, landlock, mode):
    path = tmp_path / "input"
    path.write_bytes(b"text of the host")
    path.chmod(0o600)
    os.utime(path, (1000, 1000))
    box = sandbox()
    with open(path, mode) as f:
        argv = ([] if landlock else WITHOUT_LANDLOCK) + box.argv([PYTHON, "-c", REOPEN, "0"])
        done = subprocess.run(argv, stdin=f, capture_output=True, text=True, timeout=60, cwd=box.work)
        assert done.returncode == 0, done
        got = json.loads(done.stdout)
        # Never before where it was, whatever was written into the pipe from inside.
        assert 0 <= os.lseek(f.fileno(), 0, os.SEEK_CUR) <= 16, done
    assert got["read"] == "text" and str(path) not in got["name"], got
    st = path.stat()
    assert path.read_bytes() == b"text of the host" and stat.S_IMODE(st.st_mode) == 0o600 and st.st_mtime == 1000, got
    # The other side: out here all of it works.
    with open(path, "rb") as f:
        subprocess.run([PYTHON, "-c", REOPEN, "0"], stdin=f, capture_output=True, check=True, timeout=60)
    assert path.read_bytes() != b"text of the host" and stat.S_IMODE(path.stat().st_mode) == 0o777


def test_a_named_pipe_as_input_can_only_be_read(sandbox, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    box = sandbox()
    fd = os.open(path, os.O_RDWR)
    os.write(fd, b"text")
    done = subprocess.run(box.argv([PYTHON, "-c", REOPEN, "0"]), stdin=fd, capture_output=True, text=True, timeout=60,
                          cwd=box.work)
    os.set_blocking(fd, False)
    with pytest.raises(BlockingIOError):
        os.read(fd, 1)
    os.close(fd)
    assert done.returncode == 0 and json.loads(done.stdout)["read"] == "text", done
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, done


def test_input_from_a_file_arrives_whole_and_is_not_eaten(sandbox, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3 << 20))
    box = sandbox()
    with open(big, "rb") as f:
        done = subprocess.run(box.argv(["cat", "/dev/stdin"]), stdin=f, capture_output=True, timeout=60, cwd=box.work)
    assert done.stdout == big.read_bytes(), (done.returncode, len(done.stdout), done.stderr)
    lines = tmp_path / "lines"
    lines.write_text("one\ntwo\nthree\n")
    script = 'while read -r x; do echo "$x"; "$@"; done'
    with open(lines, "rb") as f:
        done = subprocess.run(["sh", "-c", script, "sh", *box.argv(["true"])], stdin=f, capture_output=True, text=True,
                              timeout=60, cwd=box.work)
    assert done.stdout == "one\ntwo\nthree\n", done
    with open(lines, "rb") as f:
        f.seek(1)
        os.lseek(f.fileno(), 1, os.SEEK_SET)
        done = subprocess.run(box.argv(["head", "-c", "3"]), stdin=f, capture_output=True, timeout=60, cwd=box.work)
        assert done.stdout == b"ne\n", done
        # head(1) gives back what it read too much only of a file; a pipe it empties.
        assert os.lseek(f.fileno(), 0, os.SEEK_CUR) in (4, 14), done


def test_streams_can_be_opened_anew(sandbox, tmp_path):
    """As programs do that are told to write to /dev/stdout or log to /dev/stderr."""
    box = sandbox()
    script = "echo out > /dev/stdout; echo err > /dev/stderr; echo more >> /dev/stderr; cat /dev/stdin"
    out = box.run("sh", "-c", script, input=b"in", options=["--quiet"])
    assert (out.code, out.stdout, out.stderr) == (0, "out\nin", "err\nmore\n"), out
    if MODE == "root":
        return  # a file of root's stays root's
    name = tmp_path / "log"
    with open(name, "ab") as f:
        done = subprocess.run(box.argv(["sh", "-c", "echo out >> /dev/stdout; echo err >> /dev/stderr; cat /dev/stdout"],
                                       ["--quiet"]), stdout=f, stderr=f, stdin=subprocess.DEVNULL, timeout=60, cwd=box.work)
    # For writing alone: what the file held before is not to be read.
    assert name.read_text() == "out\nerr\ncat: /dev/stdout: Permission denied\n" and done.returncode == 1, name.read_text()


def test_files_are_streams_of_a_terminal_too(sandbox, tmp_path):
    given, taken = tmp_path / "in", tmp_path / "out"
    given.write_text("typed\n")
    with open(given, "rb") as i, open(taken, "wb") as o:
        done = subprocess.run(sandbox().argv(["sh", "-c", "read x; tty; echo got $x"], ["--tty"]), stdin=i, stdout=o,
                              stderr=subprocess.PIPE, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done
    assert "/dev/pts/0" in taken.read_text() and "got typed" in taken.read_text(), taken.read_text()


# Terminal, signals, time.

def test_the_terminal_is_the_sandboxs_own(sandbox, tmp_path):
    box = sandbox()
    term = Terminal(box.argv(["sh", "-c", "stat -c '%n %u %a %F' $(tty); id -u; tty < /dev/tty; stty size; ls /dev/pts"]),
                    box.work, 33, 99)
    assert term.wait() == 0
    words = term.seen.decode().split()
    at = words.index("/dev/pts/0")
    assert words[at + 2:at + 6] == ["620", "character", "special", "file"], words
    assert words[at + 1] == words[at + 6], "owned by the agent"
    assert words[at + 7:] == ["/dev/tty", "33", "99", "0", "ptmx"] or words[at + 7:] == ["/dev/pts/0", "33", "99", "0", "ptmx"], words


GROUP = """
import os, signal, sys
sig = getattr(signal, "SIG" + sys.argv[1])
def told(*_):
    if child: os.waitpid(child, 0)
    os.write(1, b"outer\\n" if child else b"inner\\n")
    os._exit(9 if child else 0)
child = os.fork()
# A signal between "ready" and the wait must end the wait, which pause() does not promise.
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
signal.signal(sig, told)
os.write(1, b"ready\\n")
while True: os.read(r, 1)
"""


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_a_signal_reaches_the_whole_group(sandbox, name):
    process = sandbox().start(PYTHON, "-c", GROUP, name)
    assert process.stdout.readline() == process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, "SIG" + name))
    assert process.stdout.read() == b"inner\nouter\n"
    assert process.wait(30) == 9


def test_timeout_asks_first_and_says_124(sandbox):
    out = sandbox().run("sh", "-c", "trap 'echo asked; exit 0' TERM; while :; do sleep 0.05; done", options=["--timeout", "1"])
    assert out.code == 124 and out.stdout == "asked\n" and "--timeout" in out.stderr, out


# Limits.

HOG = "b = bytearray()\nwhile True: b += bytes(1 << 24)"


def test_memory_is_limited_and_the_limit_is_named(sandbox):
    base = leftovers()
    out = sandbox().run(PYTHON, "-c", HOG, options=["--memory", "120M"])
    if MODE == "root":
        assert out.code == 137 and "memory limit of 120 MB; --memory raises it" in out.stderr, out
        # All its processes together.
        hold = f"{PYTHON} -c 'b = b\"x\" * (60 << 20); import time; time.sleep(5)'"
        out = sandbox().run("sh", "-c", f"{hold} & a=$!; {hold} & b=$!; {hold} & c=$!; for p in $a $b $c; do wait $p || echo lost; done",
                            options=["--memory", "120M"])
        assert "lost" in out.stdout or out.code in (125, 137), out
    else:
        assert out.code == 1 and "MemoryError" in out.stderr, out
    until(lambda: leftovers() == base, 20, "nothing is left")


def test_processes_are_limited_as_a_whole(sandbox):
    base = leftovers()
    out = sandbox().run("sh", "-c", "for i in $(seq 60); do sleep 30 & done", options=["--pids", "20"])  # bash would try for 15 s
    assert re.search("[Rr]esource temporarily unavailable|Cannot fork", out.stderr), out
    until(lambda: leftovers() == base, 20, "nothing is left")


def test_control_groups_hold_the_limits_and_go_away(sandbox):
    box = sandbox(options=["--memory", "100M", "--pids", "50"])
    process = box.start("sh", "-c", "echo up; cat")
    assert process.stdout.readline() == b"up\n"
    agent = until(lambda: [p for p in tree(process.pid) if pathlib.Path(f"/proc/{p}/comm").read_text() == "cat\n"], what="cat")[0]
    text = pathlib.Path(f"/proc/{agent}/cgroup").read_text()
    if MODE == "root":
        lines = [line.split(":", 2) for line in text.splitlines() if "/openshell-" in line and "openshell-test" not in line.rsplit("/", 1)[1]]
        held = {c for _, names, _ in lines for c in (names.split(",") if names else ["memory", "pids"])}
        assert {"memory", "pids"} <= held, text
    else:
        # Nothing is delegated to this user: the limits are those of each process, and the run said so.
        limits = pathlib.Path(f"/proc/{agent}/limits").read_text()
        assert re.search(r"Max data size +104857600 +104857600 ", limits) and re.search(r"Max processes +50 +50 ", limits), limits
    process.stdin.close()
    assert process.wait(20) == 0
    if MODE != "root":
        assert b"no cgroup limit" in process.stderr.read()


# A memory file has no name that a policy could allow.
MEMFD_EXEC = """
import os, shutil
fd = os.memfd_create("x", 0)
with open("/bin/true", "rb") as f: os.write(fd, f.read())
try: os.execv(f"/proc/self/fd/{fd}", ["true"])
except OSError as e: print(e.errno); raise SystemExit(3)
"""


@pytest.mark.parametrize("user, group", [("4242", "sandbox"), ("sandbox", "4294967294"), ("65534", "5")])
def test_programs_have_the_ids_that_the_policy_gives_them_inside_and_no_others(sandbox, user, group):
    plain = sandbox(policy=network()).run("sh", "-c", "id -u; id -g").stdout.split()
    box = sandbox(policy={**network(), "process": {"run_as_user": user, "run_as_group": group}})
    out = box.run("sh", "-c", "id -u; id -g; id -un; echo hi > made; stat -c %u:%g made /sandbox; grep -c . /proc/self/uid_map")
    assert out.code == 0, out
    uid = plain[0] if user == "sandbox" else user
    gid = plain[1] if group == "sandbox" else group
    assert out.stdout.split() == [uid, gid, "sandbox", f"{uid}:{gid}", f"{uid}:{gid}", "1"], out
    # On the machine the file is its owner's, as always.
    made, work = os.stat(box.work / "made"), os.stat(box.work)
    assert (made.st_uid, made.st_gid) == (work.st_uid, work.st_gid)
    assert box.run("sh", "-c", "cat /proc/1/environ").code != 0
    assert box.run("id", "-u", options=[]).stdout.strip() == uid


def test_programs_in_memory_do_not_run_as_root_starts_them(sandbox):
    if not os.path.exists("/proc/sys/vm/memfd_noexec") or MODE != "root":
        # The switch is the host root's alone: it runs, and the proxy knows it for nobody (identity tests).
        assert sandbox().run(PYTHON, "-c", MEMFD_EXEC).code in (0, 3)
        return
    out = sandbox().run(PYTHON, "-c", MEMFD_EXEC)
    assert out.code == 3 and out.stdout == "13\n", out
    assert subprocess.run([PYTHON, "-c", MEMFD_EXEC], timeout=60).returncode == 0


# The network namespace.

def test_the_network_is_loopback_alone_and_refuses_at_once(sandbox):
    got = python(sandbox(), """
import json, socket
def connect(family, kind, address):
    s = socket.socket(family, kind); s.settimeout(5)
    try:
        s.connect(address)
        if kind == socket.SOCK_DGRAM: s.send(b"x"); s.recv(1)
    except OSError as e: return e.errno
    return 0
def make(*a):
    try: socket.socket(*a).close()
    except OSError as e: return e.errno
    return 0
with socket.create_server(("::1", 0), family=socket.AF_INET6) as s:
    own6 = connect(10, 1, s.getsockname())
print(json.dumps({"devices": [n for _, n in socket.if_nameindex()], "own6": own6,
    "udp4": connect(2, 2, ("8.8.8.8", 123)), "udp6": connect(10, 2, ("2001:db8::1", 123)),
    "ping4": make(2, 2, 1), "ping6": make(10, 2, 58), "raw6": make(10, 3, 58),
    "group": open("/proc/sys/net/ipv4/ping_group_range").read().split()}))""")
    assert got["devices"] == ["lo"] and got["own6"] == 0, got
    assert got["udp4"] == got["udp6"] == 111, got
    assert got["ping4"] == got["ping6"] == got["raw6"] == 1, got
    # "1 0": nobody; neither id is mapped inside.
    assert got["group"] in (["1", "0"], ["65534", "65534"]), got


# When it cannot be had.

def test_without_landlock_a_run_says_so(sandbox):
    box = sandbox()
    done = subprocess.run([*WITHOUT_LANDLOCK, *box.argv(["echo", "up"])], capture_output=True, text=True, timeout=60,
                          cwd=box.work)
    assert done.returncode == 0 and done.stdout == "up\n", done
    assert "! not in force: Landlock is not there: add lsm=landlock" in done.stderr, done
    done = subprocess.run([*WITHOUT_LANDLOCK, OPENSHELL, "doctor", "-o", "json"], capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    row = next(r for r in told["checks"] if r["name"] == "landlock")
    assert done.returncode == 0 and told["usable"] and row["verdict"] == "degraded" and "landlock" in row["remedy"], row


def test_without_landlock_a_hard_requirement_is_refused(sandbox):
    box = sandbox(policy={"version": 1, "landlock": {"compatibility": "hard_requirement"}})
    assert box.run("true").code == 0
    done = subprocess.run([*WITHOUT_LANDLOCK, *box.argv(["true"])], capture_output=True, text=True, timeout=60, cwd=box.work)
    assert done.returncode == 125 and "hard_requirement" in done.stderr and "kernel 6.2" in done.stderr, done


def test_hard_requirement_names_the_path_that_is_not_there(sandbox):
    missing = {"version": 1, "filesystem_policy": {"read_only": ["/usr", "/no/such/place"]}}
    assert sandbox(policy=missing).run("true").code == 0
    out = sandbox(policy={**missing, "landlock": {"compatibility": "hard_requirement"}}).run("true")
    assert out.code == 125 and "hard_requirement" in out.stderr and "/no/such/place" in out.stderr, out
    assert "does not exist" in out.stderr, out


def nested(before, *command):
    """The command inside a user and mount namespace of one id, as a container is, after a shell line."""
    return subprocess.run(["unshare", "-Urm", "sh", "-c", before + '\nexec "$@"', "sh", *command], capture_output=True,
                          text=True, timeout=60)


MASK = "mount -t tmpfs none /proc/fs && mount --bind /dev/null /proc/keys || exit 99"


def test_a_masked_proc_is_refused_with_the_remedy(sandbox):
    box = sandbox()
    done = nested("cd " + str(box.work) + "; " + MASK, *box.argv(["true"]))
    assert done.returncode == 125, done
    assert "systempaths=unconfined" in done.stderr and "Operation not permitted" in done.stderr, done
    done = nested(MASK, OPENSHELL, "doctor", "-o", "json")
    told = json.loads(done.stdout)
    rows = {r["name"]: r for r in told["checks"]}
    assert done.returncode == 1 and not told["usable"], done
    assert rows["proc"]["verdict"] == "missing" and "systempaths=unconfined" in rows["proc"]["remedy"]
    assert rows["user-namespaces"]["verdict"] == "ok"
    assert rows["sandbox"]["verdict"] == "missing" and "mount proc" in rows["sandbox"]["found"], rows["sandbox"]


def test_a_machine_without_user_namespaces_is_refused_with_the_remedy(sandbox):
    box = sandbox()
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces || exit 99; cd " + str(box.work)
    done = nested(forbid, *box.argv(["true"]))
    assert done.returncode == 125 and "sysctl -w user.max_user_namespaces" in done.stderr, done
    assert "No space left on device" in done.stderr, done
    done = nested(forbid, OPENSHELL, "doctor", "-o", "json")
    rows = {r["name"]: r for r in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1 and rows["user-namespaces"]["verdict"] == "missing", done
    assert "user.max_user_namespaces" in rows["user-namespaces"]["remedy"]
    # No remedy for what was not tried.
    for name in ("proc", "overlay", "nftables"):
        assert rows[name]["verdict"] == "info" and rows[name]["remedy"] is None, rows[name]


def test_one_id_is_enough(sandbox):
    box = sandbox()
    done = nested("cd " + str(box.work), *box.argv(["sh", "-c", "id -u; cat /proc/self/uid_map | wc -l; echo x > made"]))
    assert done.returncode == 0 and done.stdout.split() == ["1000", "1"], done
    assert (box.work / "made").stat().st_uid == os.getuid()


def test_an_id_without_a_mapping_says_what_the_kernel_said(sandbox):
    box = sandbox()
    done = subprocess.run(["unshare", "-U", *box.argv(["true"])], capture_output=True, text=True, timeout=60, cwd=box.work)
    assert done.returncode == 125 and "Operation not permitted" in done.stderr, done


ROWS = ["kernel", "user-namespaces", "apparmor", "proc", "landlock", "seccomp", "seccomp_listener", "cgroup", "overlay", "nftables",
        "nfnetlink_log", "idmap", "subuid", "container", "sandbox"]


def test_doctor_has_every_row_and_a_remedy_where_something_is_wanting():
    done = subprocess.run([OPENSHELL, "doctor", "-o", "json"], capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["usable"] is True, done
    assert [r["name"] for r in told["checks"]] == ROWS
    for r in told["checks"]:
        assert set(r) == {"name", "title", "verdict", "found", "gives", "remedy"} and r["found"] and r["gives"], r
        assert r["verdict"] in ("ok", "degraded", "missing", "info"), r
        assert r["remedy"] or r["verdict"] not in ("degraded", "missing"), r
    abi = next(r for r in told["checks"] if r["name"] == "landlock")["found"]
    assert re.fullmatch(r"ABI \d+", abi) or abi == "not there", abi
