"""What a person does: each row of the quickstart, typed."""
import json
import os
import subprocess
import time

import pytest

from harness import (FILESYSTEM, MODE, OPENSHELL, STAGE, Terminal, network, rest,
                     upstream_requests)

QUICKSTART = STAGE / "examples/quickstart/policy.yaml"
ZEN = "https://api.github.com/zen"


def cli(*args, **more):
    return subprocess.run([OPENSHELL, *map(str, args)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, **more)


# 1. doctor

def test_doctor_tells_people_and_machines(sandbox):
    table = cli("doctor")
    assert table.returncode == 0, table
    for word in ("user namespaces", "Landlock", "seccomp", "control groups"):
        assert word.lower() in table.stdout.lower(), table.stdout
    assert "\x1b" not in table.stdout
    answer = json.loads(cli("doctor", "-o", "json").stdout)
    assert answer["usable"] is True
    names = {row["name"] for row in answer["checks"]}
    assert {"user-namespaces", "landlock", "seccomp"} <= names, names


# 2. a shell with the default policy

def test_default_policy_gives_no_home_and_no_network(sandbox):
    home = os.environ["HOME"]
    secret = os.path.join(home, "secret-file")
    with open(secret, "w") as f:
        f.write("top secret")
    out = sandbox().run("sh", "-c", f"cat {secret}; ls -A {home}; curl -sS {ZEN}")
    assert out.code != 0, out
    assert "top secret" not in out.stdout and "secret-file" not in out.stdout, out
    assert "403" in out.stderr, out
    assert open(secret).read() == "top secret"



@pytest.fixture
def terminal(sandbox):
    def start(*command, policy=None, options=()):
        box = sandbox(policy=policy)
        return Terminal(box.argv(command, options), box.work)
    return start


def test_shell_has_prompt_job_control_and_resize(terminal):
    term = terminal("sh", "-i")
    term.send(b"echo $((40+2))-ok; tty\n")
    term.expect(b"42-ok")
    term.expect(b"/dev/pts/")
    term.resize(40, 132)
    term.send(b"until [ \"$(stty size)\" = '40 132' ]; do :; done; echo size-$(stty size | tr ' ' x)\n")
    term.expect(b"size-40x132\r")
    # What is waited for is never what was typed: the terminal echoes that.
    term.send(b"sh -c 'echo job-$((1+1))-up; exec sleep 1000' &\n")
    term.expect(b"job-2-up")
    term.send(b"jobs; kill %1; wait %1; echo jobs-$((1+1))-done\n")
    term.expect(b"Running")
    term.expect(b"jobs-2-done")
    term.send(b"exit 9\n")
    assert term.wait() == 9


def test_ctrl_c_reaches_the_program_not_openshell(terminal):
    term = terminal("sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done")
    term.expect(b"ready")
    term.send(b"\x03")
    term.expect(b"caught")
    assert term.wait() == 3


# 3 and 4. requests judged

def test_quickstart_policy_allows_get_and_denies_post(sandbox):
    box = sandbox(policy=QUICKSTART.read_text())
    out = box.run("curl", "-sS", "-w", "%{http_code}\n", ZEN)
    assert out.code == 0 and out.stdout.splitlines()[-1] == "200", out
    before = len(upstream_requests("api.github.com"))
    out = box.run("curl", "-sS", "-X", "POST", "-w", "\n%{http_code}",
                  "https://api.github.com/repos/octocat/hello-world/issues", "-d", '{"title":"oops"}')
    body, _, status = out.stdout.rpartition("\n")
    assert status == "403", out
    answer = json.loads(body)
    assert answer["error"] == "policy_denied"
    assert answer["policy"] == "github-api-readonly"
    assert answer["detail"] == "POST /repos/octocat/hello-world/issues not permitted by policy"
    assert len(upstream_requests("api.github.com")) == before


def test_without_policy_connect_is_refused_and_explained(sandbox):
    out = sandbox().run("sh", "-c", f"curl -sS {ZEN}; echo code $?;"
                        " printf 'CONNECT api.github.com:443 HTTP/1.1\\r\\nHost: api.github.com:443\\r\\n\\r\\n'"
                        " | socat - TCP:10.200.0.1:3128")
    assert "code 56" in out.stdout, out
    assert "403" in out.stderr, out
    body = out.stdout.split("\r\n\r\n", 1)[1]
    answer = json.loads(body)
    assert answer["error"] == "policy_denied"
    assert (answer["host"], answer["port"]) == ("api.github.com", 443)
    assert answer["detail"] == "network connections not allowed by policy"
    assert "api.github.com" in answer["suggestion"]
    assert "policy" in answer


# 5. the command's own status and streams

@pytest.mark.parametrize("script,status", [("exit 7", 7), ("exit 0", 0), ("exit 255", 255),
                                           ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_status_is_the_commands(sandbox, script, status):
    assert sandbox().run("sh", "-c", script).code == status


def test_status_126_and_127_as_in_a_shell(sandbox):
    box = sandbox()
    (box.work / "plain").write_text("not a program")
    out = box.run("no-such-program-here")
    assert out.code == 127 and "no-such-program-here" in out.stderr, out
    out = box.run("./plain")
    assert out.code == 126 and "plain" in out.stderr, out


def test_status_125_when_the_sandbox_cannot_be_made(sandbox):
    out = sandbox().run("true", options=["--workdir", "/does/not/exist"])
    assert out.code == 125 and "/does/not/exist" in out.stderr, out


def test_streams_are_apart_and_binary_safe(sandbox):
    data = bytes(range(256)) * 5000
    out = sandbox().run("sh", "-c", "cat; echo err >&2", input=data, options=["--quiet"])
    assert out.code == 0 and out.out == data, (out.code, len(out.out), out.err)
    assert out.err == b"err\n", out


def test_streams_through_a_socket_are_relayed(sandbox):
    """A socket is never handed to the sandbox: what comes out went through a pipe."""
    import socket
    box = sandbox()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = box.start("sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/1 >&2; cat",
                            stdin=theirs, stdout=theirs)
        theirs.close()
        ours.sendall(b"x" * 100000)
        ours.shutdown(socket.SHUT_WR)
        got = b""
        while part := ours.recv(65536):
            got += part
        err = process.stderr.read()
        assert process.wait() == 0
    assert got == b"x" * 100000
    assert b"socket:" not in err, err


def test_workdir_env_and_timeout(sandbox, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    box = sandbox()
    out = box.run("sh", "-c", "pwd; echo $ONE $TWO-$THREE", env={"TWO": "from-host", "THREE": "no"},
                  options=["--workdir", str(other), "--env", "ONE=1", "--env", "TWO"])
    assert out.stdout.split("\n")[0] == str(other), out
    assert out.stdout.split("\n")[1] == "1 from-host-", out
    started = time.monotonic()
    out = box.run("sleep", "1000", options=["--timeout", "1"])
    assert out.code == 124, out
    assert time.monotonic() - started < 30


def test_tty_and_no_tty_can_be_chosen(sandbox, terminal):
    out = sandbox().run("sh", "-c", "tty; exit 0")
    assert "not a tty" in out.stdout, out
    term = terminal("sh", "-c", "tty; exit 5", options=["--no-tty"])
    term.expect(b"not a tty")
    assert term.wait() == 5


# 6. live policy

HOLD = r"""
import http.client, os, sys
c = http.client.HTTPSConnection("10.200.0.1", 3128)
c.set_tunnel("api.github.com", 443)
for line in sys.stdin:
    method, path = line.split()
    try:
        c.request(method, path)
        r = c.getresponse(); r.read()
        print(r.status, flush=True)
        if r.will_close: c.close()
    except Exception as e:
        print("cut", type(e).__name__, flush=True)
        c.close()
"""


def test_policy_edit_is_applied_to_open_connections(sandbox):
    box = sandbox(policy=network(rest("api.github.com", access="read-write")))
    process = box.start("/usr/bin/python3", "-c", HOLD)

    def ask(line):
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def told(text):
        line = b""
        while text not in line:
            line = process.stderr.readline()
            assert line, f"stderr ended before {text!r}"
        return line

    post = b"POST /repos/octocat/hello-world/issues"
    assert ask(b"GET /zen") == b"200"
    assert ask(post) in (b"200", b"201", b"411", b"400"), "a POST is allowed at first"
    box.write_policy(network(rest("api.github.com", access="read-only")))
    told(b"policy revision 2 in force")
    assert ask(post) == b"403"
    assert ask(b"GET /zen") == b"200"
    # An invalid edit: reported with its place, the last good one stays.
    box.write_policy("version: 1\nnetwork_polices: {}\n")
    assert b":2:1:" in told(b"network_polices")
    assert ask(b"GET /zen") == b"200"
    # All permission withdrawn: the open tunnel is cut or the next request denied.
    box.write_policy({"version": 1, "filesystem_policy": FILESYSTEM})
    told(b"policy revision 3 in force")
    assert ask(b"GET /zen").startswith((b"cut", b"403"))
    process.stdin.close()
    assert process.wait(20) == 0


def test_raw_tunnel_is_cut_when_its_permission_goes(sandbox):
    box = sandbox(policy=network({"host": "files.example.test", "port": 80, "tls": "skip"}))
    script = ("import socket\ns = socket.create_connection(('10.200.0.1', 3128))\n"
              "s.sendall(b'CONNECT files.example.test:80 HTTP/1.1\\r\\nHost: files.example.test:80\\r\\n\\r\\n')\n"
              "print(s.recv(100)[:12].decode(), flush=True)\n"
              "try:\n  print('read', s.recv(100))\nexcept OSError as e:\n  print('reset', e)\n")
    process = box.start("/usr/bin/python3", "-c", script)
    assert process.stdout.readline().strip() == b"HTTP/1.1 200"
    box.write_policy({"version": 1, "filesystem_policy": FILESYSTEM})
    assert process.stdout.readline().startswith((b"reset", b"read b''"))
    assert process.wait(20) == 0
    assert [e for e in box.read_events() if e["kind"] == "REVOKED"], box.read_events()


# 8. what is told at the end

def test_denials_are_summed_up_at_the_end(sandbox, tmp_path):
    report = tmp_path / "report.json"
    box = sandbox(policy=network(rest("api.github.com")), options=["--report", str(report)])
    out = box.run("sh", "-c", "for i in 1 2 3; do curl -sS -X POST -d x https://api.github.com/zen >/dev/null; done;"
                  "curl -sS https://evil.example.test/; true")
    lines = [line for line in out.stderr.splitlines() if "denied" in line]
    assert any("3" in line and "curl" in line and "POST" in line and "/zen" in line
               and "api.github.com" in line for line in lines), out
    assert any("evil.example.test" in line for line in lines), out
    summary = json.loads(report.read_text())
    assert summary["exit"]["status"] == 0
    assert {d["host"]: d["count"] for d in summary["denials"]} == {
        "api.github.com": 3, "evil.example.test": 1}
    quiet = box.run("sh", "-c", "curl -sS https://evil.example.test/ 2>/dev/null; true",
                    options=["--quiet"])
    assert quiet.stderr == "", quiet


# 9. policy commands

def test_policy_check_reports_every_error_with_its_place(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nbogus: 1\nnetwork_policies:\n  a:\n    endpoints:\n"
                   "      - host: '*'\n        port: 443\n        protcol: rest\n    binaries: [{path: /x}]\n")
    out = cli("policy", "check", bad)
    assert out.returncode == 1, out
    text = out.stdout + out.stderr
    assert ":2:1:" in text and ":8:9:" in text and "bogus" in text and "protcol" in text, text
    good = cli("policy", "check", QUICKSTART)
    assert good.returncode == 0 and "valid" in good.stdout + good.stderr, good


def test_policy_test_gives_verdict_rule_and_reason():
    where = ("policy", "test", QUICKSTART, "--binary", "/usr/bin/curl")
    out = cli(*where, "GET", ZEN)
    assert out.returncode == 0 and "github-api-readonly" in out.stdout, out
    out = cli(*where, "POST", ZEN)
    assert out.returncode == 1 and "not permitted by policy" in out.stdout, out
    out = cli("policy", "test", QUICKSTART, "--binary", "/usr/bin/wget", "GET", ZEN)
    assert out.returncode == 1 and "/usr/bin/wget" in out.stdout, out


def test_policy_show_is_canonical(tmp_path):
    first = cli("policy", "show", QUICKSTART).stdout
    again = tmp_path / "again.yaml"
    again.write_text(first)
    assert cli("policy", "show", again).stdout == first
    assert first.startswith("version: 1\n")


# the work directory and what else is there

def test_work_directory_is_written_through_with_the_owners_id(sandbox):
    box = sandbox()
    out = box.run("sh", "-c", "echo made > made.txt; pwd")
    assert out.code == 0 and out.stdout.strip() == str(box.work), out
    made = box.work / "made.txt"
    assert made.read_text() == "made\n"
    assert made.stat().st_uid == os.getuid()


def test_work_directory_is_read_only_when_the_policy_says_so(sandbox):
    policy = {"version": 1, "filesystem_policy": {**FILESYSTEM, "include_workdir": False}}
    box = sandbox(policy=policy)
    (box.work / "there").write_text("seen")
    out = box.run("sh", "-c", "cat there; touch new")
    assert "seen" in out.stdout and out.code != 0, out
    assert not (box.work / "new").exists()


def test_home_root_and_their_parents_are_refused(sandbox):
    box = sandbox()
    home = os.environ["HOME"]
    for where in (home, "/", os.path.dirname(home)):
        out = box.run("true", cwd=where)
        assert out.code == 125 and "--workdir" in out.stderr, (where, out)


def test_ro_and_rw_bind_more_of_the_host(sandbox, tmp_path):
    (tmp_path / "ro").mkdir()
    (tmp_path / "rw").mkdir()
    (tmp_path / "ro/file").write_text("readable")
    box = sandbox(options=["--ro", str(tmp_path / "ro"), "--rw", str(tmp_path / "rw")])
    out = box.run("sh", "-c", f"cat {tmp_path}/ro/file; echo w > {tmp_path}/rw/out; echo w > {tmp_path}/ro/out")
    assert "readable" in out.stdout and out.code != 0, out
    assert (tmp_path / "rw/out").read_text() == "w\n"
    assert not (tmp_path / "ro/out").exists()
    # Not named: not there at all.
    out = sandbox().run("ls", str(tmp_path / "ro"))
    assert out.code != 0, out


def test_agent_is_never_host_root(sandbox):
    out = sandbox().run("sh", "-c", "cat /proc/self/uid_map; id -un; id -u")
    assert out.code == 0, out
    inside, outside = out.stdout.split("\n")[0].split()[:2]
    assert outside != "0", out
    assert "sandbox" in out.stdout, out
    if MODE == "rootless":
        assert int(out.stdout.split()[-1]) != 0



def test_work_directory_below_a_bound_directory_that_is_closed_to_the_agent(sandbox, tmp_path):
    """As root the agent is somebody else: /root is closed to it, and the message says what to do."""
    box = sandbox(options=["--ro", str(tmp_path)])
    tmp_path.chmod(0o700)
    out = box.run("echo", "hi")
    if MODE == "root":
        assert out.code == 125 and "chmod a+x" in out.stderr and str(box.work) in out.stderr, out
        tmp_path.chmod(0o711)
        box.path.chmod(0o711)
        out = box.run("echo", "hi")
    assert out.code == 0 and out.stdout == "hi\n", out
