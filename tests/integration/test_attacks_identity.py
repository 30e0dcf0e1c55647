"""Programs that pretend to be another: the verdict follows the file that the kernel runs, and nothing it says."""
import os

import pytest

from harness import network, rest, upstream_requests

CURL, PYTHON, NODE = "/usr/bin/curl", "/usr/bin/python3", "/usr/bin/node"
URL = "https://api.github.com/zen"
ASK = f"import urllib.request; print(urllib.request.urlopen('{URL}').status)"


def only(sandbox, program):
    return sandbox(policy=network(rest("api.github.com"), binaries=(program,)))


def denied(out):
    return [e for e in out.events if e["action"] == "deny" and e["host"] == "api.github.com"]


def fails(box, *command, env=None, says=None):
    """Denied and recorded, nothing upstream; gives the record."""
    before = len(upstream_requests("api.github.com"))
    out = box.run(*command, env=env)
    assert out.code != 0, out
    found = denied(out)
    assert len(found) == 1, out
    assert len(upstream_requests("api.github.com")) == before, out
    if says:
        assert says in found[0]["reason"], found
    return found[0]


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_AUDIT"])
def test_a55_a_library_put_into_an_allowed_program_makes_it_nobody(sandbox, variable):
    box = only(sandbox, CURL)
    fails(box, "env", f"{variable}=/usr/lib/x86_64-linux-gnu/libm.so.6", CURL, "-sSf", URL, says=variable)
    out = box.run("env", "LD_UNRELATED=/usr/lib/x86_64-linux-gnu/libm.so.6", CURL, "-sSf", URL)
    assert out.code == 0 and not denied(out), out


def test_a55_options_that_load_code_into_node(sandbox):
    box = sandbox(policy=network(rest("api.github.com"), binaries=("/**/node",)))
    ask = ("require('http').request({host: '10.200.0.1', port: 3128, method: 'CONNECT', path: 'api.github.com:443',"
           " headers: {Host: 'api.github.com:443'}})"
           ".on('connect', r => process.exit(r.statusCode === 200 ? 0 : 1)).end()")
    (box.work / "evil.js").write_text("")
    fails(box, "env", "NODE_OPTIONS=--require ./evil.js", "node", "-e", ask, says="NODE_OPTIONS")
    out = box.run("env", "NODE_OPTIONS=--max-old-space-size=512", "node", "-e", ask)
    assert out.code == 0 and not denied(out), out


def test_a55_a_startup_file_of_python(sandbox):
    box = only(sandbox, "/usr/bin/python3*")
    fails(box, "env", "PYTHONSTARTUP=/tmp/evil.py", PYTHON, "-c", ASK, says="PYTHONSTARTUP")
    out = box.run(PYTHON, "-c", ASK)
    assert out.code == 0 and not denied(out), out


def test_a56_the_loader_is_the_program_when_it_runs_one(sandbox):
    box = only(sandbox, CURL)
    record = fails(box, "/lib64/ld-linux-x86-64.so.2", CURL, "-sSf", URL)
    assert "ld-linux" in record["binary"], record


MEMFD = """
import os
fd = os.memfd_create('curl')
with open('/usr/bin/curl', 'rb') as f:
    os.write(fd, f.read())
os.execve(fd, ['/usr/bin/curl', '-sSf', '%s'], dict(os.environ))
""" % URL


def test_a56_programs_without_a_file(sandbox):
    """From memory it does not even start; deleted while it runs it is nobody."""
    box = only(sandbox, CURL)
    before = len(upstream_requests("api.github.com"))
    out = box.run(PYTHON, "-c", MEMFD)
    assert out.code != 0 and "PermissionError" in out.stderr or denied(out), out
    assert len(upstream_requests("api.github.com")) == before
    box = sandbox(policy=network(rest("api.github.com"), binaries=("/**",)))
    gone = f"cp {PYTHON} ./p && exec ./p -c \"import os; os.unlink('p'); {ASK}\""
    fails(box, "sh", "-c", gone)
    assert box.run("sh", "-c", gone.replace("os.unlink('p')", "pass")).code == 0


def test_a56_another_way_to_the_same_file_is_the_same_program(sandbox):
    """/proc/self/cwd/usr/bin/python3 is python3, allowed or not."""
    fails(only(sandbox, CURL), "sh", "-c", f"cd / && exec /proc/self/cwd{PYTHON} -c '{ASK.replace(chr(39), chr(34))}'")
    out = only(sandbox, CURL).run("sh", "-c", f"cd / && exec /proc/self/cwd{CURL} -sSf {URL}")
    assert out.code == 0, out


SPOOF = """
import ctypes
libc = ctypes.CDLL(None)
libc.prctl(15, b'curl', 0, 0, 0)
assert open('/proc/self/comm').read() == 'curl\\n'
""" + ASK


def test_a58_what_a_program_calls_itself_does_not_matter(sandbox):
    box = only(sandbox, CURL)
    record = fails(box, "bash", "-c", f"exec -a {CURL} {PYTHON} -c \"$0\"", SPOOF)
    assert record["binary"].startswith("/usr/bin/python3"), record
    out = box.run("bash", "-c", f"exec -a /usr/bin/python3 {CURL} -sSf {URL}")
    assert out.code == 0 and not denied(out), out


@pytest.mark.parametrize("link", ["/usr/bin/python3", "/bin/python3"])
def test_a_binary_named_by_a_link_is_the_file_it_leads_to(sandbox, link):
    """The kernel says python3.11; people write python3. Nothing else comes in by it."""
    box = only(sandbox, link)
    out = box.run(PYTHON, "-c", ASK)
    assert out.code == 0 and not denied(out), out
    allowed = [e for e in out.events if e["host"] == "api.github.com" and e["action"] == "allow"]
    assert allowed and all(e["binary"] == os.path.realpath(link) for e in allowed), out
    fails(box, CURL, "-sSf", URL, says="not allowed in policy")


def test_a_link_changed_by_the_sandbox_leads_where_it_led(sandbox):
    """The first policy that names it settles what it is."""
    box = only(sandbox, CURL)
    tool = box.work / "tool"
    box.write_policy(network(rest("api.github.com"), binaries=(str(tool),)))
    tool.symlink_to(PYTHON)
    ask = [PYTHON, "-c", ASK]
    assert box.run(*ask).code == 0
    out = box.run("sh", "-c", f'ln -sf {CURL} tool; ./tool -sSf {URL} && exit 9; exec "$@"', "sh", *ask)
    assert os.readlink(tool) == CURL, out
    assert out.code == 0 and len(denied(out)) == 1, out
    assert denied(out)[0]["binary"] == os.path.realpath(CURL), out


def test_a_link_in_a_policy_that_comes_later_is_followed(sandbox):
    box = only(sandbox, CURL)
    running = box.start("sh", "-c", 'until "$@" 2>/dev/null; do echo waits; sleep 0.05; done', "sh", PYTHON, "-c", ASK)
    assert running.stdout.readline() == b"waits\n"
    box.write_policy(network(rest("api.github.com"), binaries=("/bin/python3",)))
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0 and out.endswith(b"200\n"), (out, err)


def test_a_program_far_down_the_tree_has_the_rights_of_its_ancestor(sandbox):
    """Forty shells between them; the one that nobody allowed has none, however deep."""
    deep = 'n=$1; shift; if [ $n = 0 ]; then "$@"; else sh -c "$DEEP" sh $((n - 1)) "$@"; fi; exit $?'
    start = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    box = only(sandbox, PYTHON)
    line = ("env", f"DEEP={deep}", PYTHON, "-c", start, "sh", "-c", deep, "sh", "40", CURL, "-sSf", URL)
    out = box.run(*line)
    assert out.code == 0 and not denied(out), out
    record = fails(box, "env", f"DEEP={deep}", *line[5:], says="not allowed in policy")
    assert record["ancestors"].count(" -> ") >= 40, record


def test_the_script_that_runs_is_named_for_people_and_decides_nothing(sandbox):
    """D-01 and D-23: argv is what its program says."""
    box = only(sandbox, PYTHON)
    script = box.work / "tool.py"
    script.write_text(ASK)
    out = box.run(PYTHON, script)
    assert out.code == 0, out
    (opened,) = out.event("CONNECT_L7", action="allow")
    assert opened["cmdline"].split(", ")[-1] == str(script), opened
    assert all("cmdline" not in e for e in out.event("L7_REQUEST")), out
    box.write_policy(network(rest("api.github.com"), binaries=(str(script),)))
    record = fails(box, PYTHON, script, says=f"cmdline: [{opened['cmdline']}]")
    assert record["cmdline"] == opened["cmdline"], record
