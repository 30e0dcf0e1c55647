"""What script/testnet promises, from the outside and from the inside.

Runs as whoever starts pytest; script/test runs it as an ordinary user and as
root.  It needs curl, git, npm and Python's pip.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import stat
import subprocess
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTNET = HERE.parent.parent / "script" / "testnet"
PYTHON = "/usr/bin/python3"
SECONDS = 30	# no single step may take longer


def clean_env(**more):
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **more}


def run(*command, adds=(), env=None, text=True, **kw):
    """Run a command inside; the finished process."""
    words = [str(TESTNET)]
    for a in adds:
        words += ["--add", a]
    return subprocess.run([*words, "--", *command], capture_output=True,
                          text=text, env=env or clean_env(), timeout=SECONDS,
                          **kw)


def sh(script, **kw):
    """Run a shell script inside; its output.  It has to succeed."""
    out = run("sh", "-euc", script, **kw)
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


def py(script, *args, **kw):
    """Run a Python script inside; its output.  It has to succeed."""
    out = run(PYTHON, "-c", script, *args, **kw)
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


# Fetches without curl's own idea of where the roots are.
URLLIB = ('import urllib.request as u; '
          'print(u.urlopen("https://api.github.com/zen").read().decode(), end="")')


# The command and its surroundings


def test_command_keeps_uid_gid_and_working_directory(tmp_path):
    out = sh("id -u; id -g; pwd", cwd=tmp_path).split()
    assert out == [str(os.getuid()), str(os.getgid()), str(tmp_path)]


def test_environment_is_the_callers_plus_testnet_dir():
    out = run("/usr/bin/env", "-0", env={"ONE": "1", "PATH": "/usr/bin"}).stdout
    got = dict(x.split("=", 1) for x in out.split("\0") if x)
    assert got.pop("TESTNET_DIR").startswith("/")
    assert got == {"ONE": "1", "PATH": "/usr/bin"}


def test_streams_are_binary_safe_and_apart():
    data = os.urandom(300_000)
    out = run("sh", "-c", "cat; echo complaint >&2", input=data, text=False)
    assert out.stdout == data
    assert out.stderr == b"complaint\n"


def test_descriptors_of_the_caller_reach_the_command():
    r, w = os.pipe()
    with os.fdopen(r) as f:
        run(PYTHON, "-c", f"import os; os.write({w}, b'through')", pass_fds=[w])
        os.close(w)
        assert f.read() == "through"


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255),
    ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_exit_status_is_the_commands(script, status):
    assert run("sh", "-c", script).returncode == status


def test_command_that_cannot_run(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    assert run("no-such-program-anywhere").returncode == 127
    assert run(str(plain)).returncode == 126


WAIT_SIGNAL = """
import signal
all = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, all)
print("ready", flush=True)
print(signal.sigwait(all).name, flush=True)
raise SystemExit(9)
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"])
def test_signal_reaches_the_command(name):
    p = subprocess.Popen([TESTNET, "--", PYTHON, "-c", WAIT_SIGNAL],
                         stdout=subprocess.PIPE, text=True, env=clean_env())
    with p:
        assert p.stdout.readline() == "ready\n"
        p.send_signal(getattr(signal, name))
        assert p.stdout.readline() == name + "\n"
        assert p.wait(SECONDS) == 9


def test_deadly_signal_ends_it_with_128_and_the_number():
    p = subprocess.Popen([TESTNET, "--", "sh", "-c", "echo ready; exec sleep 999"],
                         stdout=subprocess.PIPE, text=True, env=clean_env())
    with p:
        assert p.stdout.readline() == "ready\n"
        p.terminate()
        assert p.wait(SECONDS) == 143


COUNT_INTERRUPTS = """
import os, signal, sys
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("tty", os.isatty(0), os.open("/dev/tty", os.O_RDWR) > 2, flush=True)
for line in sys.stdin:
    print("seen", len(seen), flush=True)
    break
"""


def test_terminal_stays_and_ctrl_c_arrives_once():
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(TESTNET, [TESTNET, "--", PYTHON, "-c", COUNT_INTERRUPTS],
                  clean_env())
    def until(pattern):
        text = b""
        while not re.search(pattern, text):
            assert select.select([fd], [], [], SECONDS)[0], text
            text += os.read(fd, 4096)
        return text
    try:
        assert b"tty True True" in until(rb"tty \w+ \w+")
        os.write(fd, b"\x03")
        until(rb"\^C")
        os.write(fd, b"go\n")
        assert b"seen 1" in until(rb"seen \d+")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(fd)


def test_low_ports_are_free_to_bind():
    py("""
import os, socket
mine = open(os.environ["TESTNET_DIR"] + "/own.example.test.addr").read().strip()
for where in ((mine, 80), (mine, 443), ("127.0.0.1", 81), ("0.0.0.0", 22)):
    s = socket.socket(); s.bind(where); s.listen()
""", adds=["own.example.test"])


def test_nested_sandbox_can_be_built():
    """What the product does as an ordinary user, done here with unshare(1)."""
    sh("""
unshare -Urmnpf --mount-proc sh -euc '
	test $$ -eq 1
	mount -t tmpfs x /mnt && mkdir /mnt/up /mnt/work /mnt/all
	mount -t overlay -o lowerdir=/usr,upperdir=/mnt/up,workdir=/mnt/work x /mnt/all
	echo hello >/mnt/all/new && test -f /mnt/up/new
	! curl -sS -m 5 https://api.github.com/zen 2>/dev/null'
curl -sS https://api.github.com/zen >/dev/null
""")


def test_test_internet_inside_a_test_internet():
    out = sh(f"""
echo "$TESTNET_DIR"
{TESTNET} -- sh -c 'echo "$TESTNET_DIR"
curl -sS https://api.github.com/zen
SSL_CERT_FILE=/none {PYTHON} -c "$URLLIB"'""",
             env=clean_env(URLLIB=URLLIB)).splitlines()
    assert out[0] != out[1]
    assert out[2:] == ["Keep it logically awesome."] * 2


def test_orphans_are_reaped():
    out = py("""
import os, subprocess, time

def there(pid):
    return os.path.exists(f"/proc/{pid}")

# One that ended and that its parent does not wait for stays.
mine = os.fork() or os._exit(0)
os.waitid(os.P_PID, mine, os.WEXITED | os.WNOWAIT)
print(there(mine))
os.waitpid(mine, 0)
orphan = ["sh", "-c", "sh -c 'exit 3' >/dev/null & echo $!"]
orphans = [int(subprocess.check_output(orphan)) for _ in range(5)]
end = time.monotonic() + 10
while any(map(there, orphans)) and time.monotonic() < end:
    time.sleep(0.01)
print([pid for pid in orphans if there(pid)])
""")
    assert out == "True\n[]\n"


# Nothing is left


def marked(marker):
    """The processes whose command line has that word."""
    out = []
    for d in pathlib.Path("/proc").iterdir():
        if d.name.isdigit() and int(d.name) != os.getpid():
            with contextlib.suppress(OSError):
                if marker.encode() in (d / "cmdline").read_bytes():
                    out.append(int(d.name))
    return out


def gone(marker):
    end = time.monotonic() + SECONDS
    while marked(marker) and time.monotonic() < end:
        time.sleep(0.01)	# between two looks
    return not marked(marker)


def mounts():
    """The mount points here.  Their set, as other tests may mount meanwhile."""
    return {line.split()[4] for line in open("/proc/self/mountinfo")}


@pytest.mark.parametrize("victim", ["outer", "init", "servers", "command"])
def test_sigkill_of_any_process_leaves_nothing(victim):
    marker = "marker-" + uuid.uuid4().hex
    before = mounts()
    # The command line of the outer process, PID 1 and the servers is the same;
    # what tells them apart is who forked whom.
    p = subprocess.Popen(
        [TESTNET, "--", "sh", "-c", 'sleep 999 & echo "$TESTNET_DIR"; wait', marker],
        stdout=subprocess.PIPE, text=True, env=clean_env())
    with p:
        base = p.stdout.readline().strip()
        init = children(p.pid)[0]
        servers, command = sorted(children(init))
        os.kill({"outer": p.pid, "init": init, "servers": servers,
                 "command": command}[victim], signal.SIGKILL)
        status = p.wait(SECONDS)
    assert gone(marker)
    assert status == {"outer": -9, "init": 137, "servers": 125,
                      "command": 137}[victim]
    assert mounts() == before
    assert os.listdir(base) == []


def children(pid):
    return [int(x) for x in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("percent", range(0, 120, 10))
def test_sigkill_during_the_start_leaves_nothing(percent, start_time):
    marker = "marker-" + uuid.uuid4().hex
    before = mounts()
    p = subprocess.Popen([TESTNET, "--", "sh", "-c", "exec sleep 999", marker],
                         env=clean_env())
    with p:
        # The moment is the point of this test, so it is time that it waits for.
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(start_time * percent / 100)
        p.kill()
    assert gone(marker)
    assert mounts() == before


@pytest.fixture(scope="module")
def start_time():
    began = time.monotonic()
    sh("true")
    return time.monotonic() - began


def test_background_processes_end_with_the_command():
    marker = "marker-" + uuid.uuid4().hex
    sh("setsid sh -c 'sleep 999' \"$0\" >/dev/null 2>&1 & exit 0".replace(
        '"$0"', marker))
    assert gone(marker)


# --add


def test_added_name_has_address_certificate_and_key():
    out = sh("""
cd "$TESTNET_DIR"
stat -c %a . own.example.test.key
cat own.example.test.addr; getent ahostsv4 own.example.test | awk 'NR==1{print $1}'
cat six.example.org.addr; getent ahostsv6 six.example.org | awk 'NR==1{print $1}'
openssl verify -CAfile ca.crt -verify_hostname own.example.test own.example.test.crt
grep -c BEGIN own.example.test.crt
cat given.example.test.addr""", adds=[
        "own.example.test", "six.example.org=2a0e:1:0::5", "given.example.test=20.9.8.7"])
    lines = out.split("\n")
    assert lines[:2] == ["700", "600"]
    assert lines[2] == lines[3] and lines[2].startswith("20.0.")
    assert lines[4] == lines[5] == "2a0e:1::5"
    assert lines[6:9] == ["own.example.test.crt: OK", "2", "20.9.8.7"]


OWN_SERVER = """
import http.server, os, ssl, subprocess, sys, threading
name, d = sys.argv[1], os.environ["TESTNET_DIR"] + "/"
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"mine")
s = http.server.HTTPServer((open(d + name + ".addr").read().strip(), 443), H)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(d + name + ".crt", d + name + ".key")
s.socket = ctx.wrap_socket(s.socket, server_side=True)
threading.Thread(target=s.serve_forever, daemon=True).start()
sys.exit(subprocess.run(["curl", "-sS", f"https://{name}/"]).returncode)
"""


@pytest.mark.parametrize("name", ["own.example.test", "api.github.com"])
def test_server_of_ones_own_is_trusted_by_curl(name):
    assert py(OWN_SERVER, name, adds=[name]) == "mine"


def test_nothing_listens_on_an_added_name():
    out = run("curl", "-sS", "https://api.github.com/zen", adds=["api.github.com"])
    assert out.returncode == 7


@pytest.mark.parametrize("adds, word", [
    (["plain"], "not a host name"), (["UPPER.test"], "not a host name"),
    (["../x.test"], "not a host name"), (["-a.test"], "not a host name"),
    (["a..test"], "not a host name"), (["1.2.3.4"], "not a host name"),
    ([""], "not a host name"), (["a" * 64 + ".test"], "not a host name"),
    (["a.test\n"], "not a host name"),
    (["a.test", "a.test"], "twice"), (["a.test", "a.test=20.1.1.1"], "twice"),
    (["a.test="], "not an address"), (["a.test=1.2.3"], "not an address"),
    (["a.test=0.0.0.0"], "not an address"), (["a.test=::1"], "not an address"),
    (["a.test=224.0.0.1"], "not an address"),
    (["a.test=fe80::1%lo"], "not an address"),
    (["a.test=::ffff:1.2.3.4"], "not an address"),
    (["a.test=10.0.5.9"], "uses that address"),
    (["a.test=20.0.0.10"], "uses that address"),
])
def test_bad_add_is_refused(adds, word):
    out = run("true", adds=adds)
    assert out.returncode == 125
    assert word in out.stderr and out.stdout == ""


@pytest.mark.parametrize("args", [
    [], ["--"], ["--add"], ["--add", "a.test"], ["--nonsense", "--", "true"],
    ["-x", "true"], ["--addx=a.test", "true"]])
def test_wrong_usage_is_125_and_says_so(args):
    out = subprocess.run([TESTNET, *args], capture_output=True, text=True,
                         timeout=SECONDS)
    assert out.returncode == 125
    assert "usage:" in out.stderr


def test_list_and_help():
    out = subprocess.run([TESTNET, "--list"], capture_output=True, text=True)
    assert out.returncode == 0
    assert re.search(r"^api\.anthropic\.com +20\.0\.", out.stdout, re.M)
    out = subprocess.run([TESTNET, "--help"], capture_output=True, text=True)
    assert out.returncode == 0 and "TESTNET_DIR" in out.stdout


# Names and addresses


RESOLVE = """
import json, os, socket, sys
def ask(name, family):
    try:
        return sorted({x[4][0] for x in socket.getaddrinfo(name, 1, family)})
    except socket.gaierror as e:
        return e.errno == socket.EAI_NONAME or e.errno == -5
out = [[ask(n, socket.AF_INET), ask(n, socket.AF_INET6)] for n in sys.argv[1:]]
log = [json.loads(x) for x in open(os.environ["TESTNET_DIR"] + "/dns.log")]
print(json.dumps([out, log]))
"""


def test_scripted_names_resolve_as_written():
    names = ["private.example.test", "meta.example.test", "loop.example.test",
             "nat64.example.test", "mixed.example.test", "six.example.test",
             "no-such.example.test", "Loop.Example.TEST"]
    out, log = json.loads(py(RESOLVE, *names))
    assert out[0] == [["10.0.5.9"], True]
    assert out[1] == [["169.254.169.254"], True]
    assert out[2] == out[7] == [["127.0.0.1"], True]
    assert out[3] == [True, ["64:ff9b::a9fe:a9fe"]]
    assert len(out[4][0]) == 2 and "10.0.5.9" in out[4][0]
    assert out[5] == [True, ["2a0e:7e57::9"]]
    assert out[6] == [True, True]
    assert {"no-such.example.test", *[n.lower() for n in names]} == \
        {x["name"] for x in log}
    assert {(x["type"], x["transport"]) for x in log} == \
        {("A", "udp"), ("AAAA", "udp")}


def test_rebinding_name_changes_its_answer():
    out = json.loads(py(RESOLVE, *["rebind.example.test"] * 3))[0]
    assert out[0][0][0].startswith("20.0.")
    assert out[1][0] == out[2][0] == ["127.0.0.1"]


RAW_DNS = """
import os, socket, struct
def query(name):
    q = b"".join(bytes([len(x)]) + x for x in name.split(b".")) + b"\\0"
    return b"ab\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + q + b"\\0\\1\\0\\1"
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(1); u.connect(("127.0.0.53", 53))
u.send(query(b"silent.example.test"))
u.send(query(b"loop.example.test"))
print(u.recv(512).endswith(b"\\x7f\\0\\0\\1"))	# the first was not answered
t = socket.create_connection(("127.0.0.53", 53), 5)
for name in (b"loop.example.test", b"nothing.here"):
    m = query(name); t.sendall(struct.pack("!H", len(m)) + m)
    n = struct.unpack("!H", t.recv(2, socket.MSG_WAITALL))[0]
    r = t.recv(n, socket.MSG_WAITALL)
    print(r[3] & 15, r.endswith(b"\\x7f\\0\\0\\1"))
u.send(b"garbage"); u.send(query(b"loop.example.test"))
while u.recv(512)[:2] != b"ab": pass
print(sum('"tcp"' in x for x in open(os.environ["TESTNET_DIR"] + "/dns.log")))
"""


def test_dns_by_udp_and_tcp_and_silence():
    assert py(RAW_DNS).split("\n")[:4] == ["True", "0 True", "3 False", "2"]


@pytest.mark.parametrize("url", [
    "http://10.0.5.9/", "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1/", "http://127.1.2.3:7777/", "http://[::1]/",
    "http://[fd00:ec2::254]/", "http://[fd12::9]:7777/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://100.100.100.200/",
    "http://evil.example.test/", "https://canary.example.test/"])
def test_canary_records_each_connection(url):
    out = sh('test ! -s "$TESTNET_DIR/canary.log"; curl -sS -g "$0" >/dev/null; '
             'cat "$TESTNET_DIR/canary.log"'.replace("$0", url))
    assert len(out.splitlines()) == 1
    assert json.loads(out)["server"] in url


def test_canary_sees_a_connection_that_says_nothing():
    out = py("""
import os, socket
socket.create_connection(("10.0.5.9", 443)).recv(0)
log = os.environ["TESTNET_DIR"] + "/canary.log"
s = socket.create_connection(("10.0.5.9", 7777)); s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
while s.recv(4096): pass	# by then both were accepted, which first is not said
print(open(log).read())""")
    assert sorted(json.loads(x)["port"] for x in out.split("\n") if x) == [443, 7777]


def test_there_is_no_way_out():
    out = run(PYTHON, "-c", 'import socket; socket.create_connection(("20.77.1.1", 443), 5)')
    assert "Network is unreachable" in out.stderr
    devices = sh("cat /proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


# Trust and TLS


VERIFY = """
import socket, ssl, sys
for name in sys.argv[1:]:
    try:
        with socket.create_connection((name, 443), 2) as s:
            ssl.create_default_context().wrap_socket(s, server_hostname=name)
        print("good")
    except ssl.SSLCertVerificationError as e:
        print(e.verify_message.split(",")[0])
    except OSError as e:
        print(type(e).__name__)
"""


def test_bad_tls_is_bad_in_exactly_one_way():
    names = {
        "files.example.test": "good",
        "expired.example.test": "certificate has expired",
        "wronghost.example.test": "Hostname mismatch",
        "selfsigned.example.test": "self-signed certificate",
        "untrusted-root.example.test":
            "self-signed certificate in certificate chain",
        "sha1.example.test": "CA signature digest algorithm too weak",
        "closed.example.test": "ConnectionRefusedError",
        "mute.example.test": "TimeoutError",
    }
    assert py(VERIFY, *names).splitlines() == list(names.values())


@pytest.mark.parametrize("client", [
    "curl -sS https://api.github.com/zen",
    "curl -sS http://api.github.com/zen",
    "wget -qO- https://api.github.com/zen",
    f"{PYTHON} -c '{URLLIB}'",
    # Only the folder of hashed names is left to find the root in.
    f"SSL_CERT_FILE=/none {PYTHON} -c '{URLLIB}'"])
def test_unmodified_clients_trust_the_root(client):
    assert sh(client).strip() == "Keep it logically awesome."


# Origins


def test_git_clones_and_pushes(tmp_path):
    sh("""
git clone -q https://github.com/octocat/hello-world.git a
cd a
test "$(cat README)" = "Hello World!"
echo more >more && git add more
git -c user.name=a -c user.email=a@b commit -qm more
git push -q origin main
cd .. && git clone -q https://github.com/octocat/hello-world b && test -f b/more
! git clone -q https://github.com/no/such.git c 2>/dev/null""",
       cwd=tmp_path, env=clean_env(HOME=str(tmp_path)))


def test_pip_installs_from_the_index(tmp_path):
    sh(f"""{PYTHON} -m pip install -q --isolated --no-cache-dir --target pkg \
        --index-url https://pypi.example.test/simple testnet-tiny
cd pkg && {PYTHON} -c 'import testnet_tiny as t; print(t.MESSAGE)'""",
       cwd=tmp_path, env=clean_env(HOME=str(tmp_path)))


def test_npm_installs_from_the_index(tmp_path):
    out = sh("""npm install --silent --no-audit --no-fund --prefix . \
        --registry https://registry.npm.example.test testnet-tiny
node -p 'require("./node_modules/testnet-tiny")'""",
             cwd=tmp_path, env=clean_env(
                 HOME=str(tmp_path),
                 NODE_EXTRA_CA_CERTS="/etc/ssl/certs/ca-certificates.crt"))
    assert out.strip().endswith("tiny from the test internet")


def test_github_api():
    out = sh("""
u=https://api.github.com/repos/octocat/hello-world
curl -sS $u
curl -sS -w '%{http_code}\\n' -o /dev/null -X POST -d '{"title":"oops"}' $u/issues
curl -sS -w '%{http_code}\\n' -o /dev/null -X DELETE $u
grep -c POST $TESTNET_DIR/requests.log""").splitlines()
    assert json.loads(out[0])["full_name"] == "octocat/hello-world"
    assert out[1:] == ["201", "404", "1"]


def events(text):
    """[(event, data)] of an SSE body."""
    return [(m[1], json.loads(m[2])) for m in
            re.finditer(r"event: (\S+)\ndata: (.*)\n\n", text)]


def test_anthropic_messages():
    call = "curl -sS -H x-api-key:k https://api.anthropic.com/v1/messages -d "
    whole = json.loads(sh(call + """'{"model":"m"}'"""))
    assert whole["content"][0]["text"] and whole["stop_reason"] == "end_turn"
    got = events(sh(call + """'{"model":"m","stream":true}'"""))
    names = [n for n, _ in got if n not in ("ping", "content_block_delta")]
    assert names == ["message_start", "content_block_start",
                     "content_block_stop", "message_delta", "message_stop"]
    assert all(n == d["type"] for n, d in got)
    text = "".join(d["delta"]["text"] for n, d in got
                   if n == "content_block_delta")
    assert text == whole["content"][0]["text"]


def test_openai_responses():
    call = ("curl -sS -H 'Authorization: Bearer k' "
            "https://api.openai.com/v1/responses -d ")
    whole = json.loads(sh(call + """'{"model":"m"}'"""))
    answer = whole["output"][0]["content"][0]["text"]
    got = events(sh(call + """'{"model":"m","stream":true}'"""))
    assert [n for n, _ in got if not n.endswith("delta")] == [
        "response.created", "response.in_progress",
        "response.output_item.added", "response.content_part.added",
        "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed"]
    assert "".join(d["delta"] for n, d in got if n.endswith("delta")) == answer
    assert got[-1][1]["response"]["usage"]["total_tokens"] > 0
    assert sh("curl -sS -o /dev/null -w '%{http_code}' --http1.1 "
              "-H 'Connection: Upgrade' -H 'Upgrade: websocket' "
              "https://api.openai.com/v1/responses") == "426"


def test_redirects():
    out = sh("""
for p in /evil /private /metadata '/to?url=http://x.test/%2Fy'; do
	curl -sS -o /dev/null -w '%{http_code} %{redirect_url}\\n' \
		"https://redirect.example.test$p"
done""").splitlines()
    assert out == ["302 https://evil.example.test/", "302 http://10.0.5.9/",
                   "302 http://169.254.169.254/latest/meta-data/",
                   "302 http://x.test//y"]


def test_files_give_the_bytes_asked_for(tmp_path):
    n = 1_000_001
    want = hashlib.sha256((bytes(range(256)) * (n // 256 + 1))[:n]).hexdigest()
    out = sh(f"""
b=https://files.example.test
curl -sS $b/bytes/{n} | sha256sum
curl -sS -r 5-7 $b/bytes/{n} | od -An -tu1
curl -sS $b/chunked/{n} | wc -c
curl -sS -o /dev/null -w '%{{http_code}}\\n' $b/status/418
curl -sS -N $b/sse | grep -c data:
head -c 100000 /dev/zero | curl -sS --data-binary @- -H 'Transfer-Encoding: chunked' $b/echo
""").splitlines()
    assert out[0].split()[0] == want
    assert out[1].split() == ["5", "6", "7"]
    assert out[2:5] == [str(n), "418", "3"]
    echo = json.loads(out[5])
    assert echo["body_length"] == 100_000
    assert echo["body_sha256"] == hashlib.sha256(bytes(100_000)).hexdigest()


RAW = """
import os, socket, sys
s = socket.create_connection((sys.argv[1], 80), 5)
s.settimeout(0.4 if sys.argv[3:] else 5)
s.sendall(sys.argv[2].encode("latin-1"))
out = b""
try:
    while d := s.recv(65536): out += d
    out += b"<closed>"
except ConnectionResetError: out += b"<reset>"
except TimeoutError: out += b"<open>"
sys.stdout.buffer.write(out[-3000:])
"""


def raw(host, request, *more):
    out = run(PYTHON, "-c", RAW, host, request, *more, text=False)
    assert out.returncode == 0, out.stderr
    return out.stdout


def test_trailers_follow_the_body():
    got = raw("files.example.test", "GET /trailers HTTP/1.1\r\nHost: f\r\n"
              "Connection: close\r\n\r\n")
    assert got.endswith(b"0\r\nX-After: the body\r\n\r\n<closed>")


def test_requests_are_logged_as_they_came():
    out = sh(f"""{PYTHON} -c '{RAW}' files.example.test \
"POST /a/../b%2e//c;x?q=%00#f HTTP/1.1\r
hOST: Two\r
X-Odd :  v \r
Content-Length: 3\r
Connection: close\r
\r
abc" >/dev/null
cat $TESTNET_DIR/requests.log""")
    r = json.loads(out)
    assert r["method"] == "POST" and r["target"] == "/a/../b%2e//c;x?q=%00#f"
    assert r["headers"][:2] == [["hOST", "Two"], ["X-Odd ", "v"]]
    assert r["body_length"] == 3 and r["host"] == "files.example.test"
    assert r["body_sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert r["sni"] is None and r["malformed"] is None


CHAOS = {
    "/die-mid-body": rb"Content-Length: 1000\r\n\r\nx{0,100}<reset>",
    "/cut-length": rb"Content-Length: 1000\r\n\r\nhalf<closed>",
    "/cut-chunked": rb"chunked\r\n\r\n4\r\nhalf\r\n<closed>",
    "/goodbye": rb"^HTTP/1.1 200 OK(?s:.*)<closed>",
    "/never": rb"^<open>",
    "/garbage": rb"^\x00\x01\x02",
    "/cl-te": rb"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
    "/two-cl": rb"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!<open>",
    "/bad-cl": rb"Content-Length: \+5",
    "/te-unknown": rb"Transfer-Encoding: xchunked",
    "/bad-chunk": rb"chunked\r\n\r\nzz\r\n",
    "/chunk-overflow": rb"10000000000000005\r\n",
    "/huge-header?n=2000": rb"X-Huge: h{2000}\r\n",
    "/half-header": rb"^HTTP/1.1 200 OK\r\nContent-Le<open>",
    "/early-close": rb"^<closed>",
    "/100-continue": rb"^HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "/1xx-flood?n=200": rb"103 Early Hints(?s:.*)103 Early Hints(?s:.*)200 OK",
    "/unframed": rb"^HTTP/1.1 200 OK\r\n\r\nthe end[^<]*<closed>",
    "/excess": rb"helloHTTP/1.1 200 OK(?s:.*)smuggled<open>",
    "/obs-fold": rb"X-Folded: one\r\n two\r\n",
    "/nul-header": rb"X-Nul: a\x00b",
    "/space-colon": rb"X-Space : a",
    "/bare-lf": rb"200 OK\nContent-Length: 5\n\nhello",
    "/bad-status": rb"HTTP/1.1 20x",
    "/bad-version": rb"HTTP/3.7 200",
    "/upgrade": rb"^HTTP/1.1 101 [^\r]*\r\n(?s:.*)\r\n\r\n",
    "/drip?n=3&ms=1": rb"Content-Length: 3\r\n\r\n\.\.\.<closed>",
}


@pytest.mark.parametrize("path", CHAOS)
def test_chaos_misbehaves_as_asked(path):
    got = raw("chaos.example.test", f"GET {path} HTTP/1.1\r\nHost: c\r\n\r\n",
              "quick")
    assert re.search(CHAOS[path], got), got


def test_chaos_lists_every_path_that_is_tested():
    out = sh("curl -sS https://chaos.example.test/").split()
    assert sorted(out) == sorted(p.split("?")[0] for p in CHAOS)


def test_secrets_of_the_test_internet_are_the_callers_alone():
    out = sh('stat -c "%a %n" "$TESTNET_DIR"/*.log "$TESTNET_DIR"/.origins/*.key')
    assert all(line.startswith("600 ") for line in out.splitlines())
    assert stat.S_IMODE(os.stat(TESTNET).st_mode) & 0o111
