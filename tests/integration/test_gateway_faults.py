"""Bad input and faults of gateway and command line: a clear error with the fix, not zero, and nothing left."""
import contextlib
import datetime
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess

import pytest

from gateway import READ_GITHUB
from grpcapi import Code, secure
from harness import MODE, alive, until


def refused(out, *said):
    """Exit 1 with every one of these words, and nothing of a crash."""
    assert out.code in (1, 255), out  # 255: a session that could not be opened
    assert out.stderr.startswith("Error:") or "\nError:" in out.stderr, out
    for word in said:
        assert word in out.stderr, (word, out)
    return out


# --- names

def test_unknown_sandbox_everywhere(shared):
    g = shared
    for args in (["sandbox", "get", "nosuch"], ["sandbox", "connect", "nosuch"], ["sandbox", "exec", "nosuch", "--", "true"],
                 ["logs", "nosuch"], ["policy", "get", "nosuch"], ["policy", "list", "nosuch"],
                 ["policy", "set", "nosuch", "--policy", g.policy(READ_GITHUB)]):
        refused(g.cli(*args), "not found")


def test_name_taken(shared):
    g = shared
    g.create("demo")
    identity = g.id_of("demo")
    refused(g.cli("sandbox", "create", "--name", "demo", "--", "true"), "sandbox 'demo' already exists")
    assert g.id_of("demo") == identity and g.exec("demo", "true").code == 0


@pytest.mark.parametrize("name", ["Upper", "../up", "a b", "a;b", "-x", "x-", "a" * 64, "a/b", "ü", "a.b", "a\nb", "$(id)"])
def test_invalid_name(shared, name):
    out = shared.cli("sandbox", "create", f"--name={name}", "--", "true")
    assert out.code in (1, 2) and "name" in out.stderr, out
    assert "\n" not in name or "a\nb" not in out.stderr, out
    assert shared.list() == {}


def test_no_last_used_sandbox(shared):
    with contextlib.suppress(FileNotFoundError):
        (shared.config / "gateways/openshell/last_sandbox").unlink()
    refused(shared.cli("sandbox", "get"), "No sandbox name provided", "openshell sandbox connect")


def test_bad_policy_leaves_nothing_behind(shared):
    g = shared
    for text, said in (("version: 1\nbogus: 1\n", "bogus"), ("version: 2\n", "version"), ("version: 1\nversion: 1\n", "duplicate"),
                       ("", "version")):
        out = g.cli("sandbox", "create", "--name", "demo", "--policy", g.policy(text), "--", "true")
        assert out.code == 1 and said in out.stderr, out
    out = g.cli("sandbox", "create", "--name", "demo", "--policy", g.home / "nosuch.yaml", "--", "true")
    assert out.code == 1 and "nosuch.yaml" in out.stderr, out
    assert g.list() == {}


# --- many and interrupted

@pytest.mark.slow
def test_a_hundred_creates_at_once(shared):
    g = shared
    many = [g.spawn("sandbox", "create", "--name", f"n{i}", "--", "sh", "-c", f"echo out{i}", stdin=subprocess.DEVNULL)
            for i in range(100)]
    for i, process in enumerate(many):
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0 and f"out{i}\n".encode() in out, (i, out, err)
    rows = g.json("sandbox", "list", "--limit", "1000")
    assert len(rows) == 100 and {r["phase"].lower() for r in rows} == {"ready"}
    assert len({r["id"] for r in rows}) == 100
    g.clean(60)


def test_twenty_creates_of_one_name_make_one(shared):
    g = shared
    many = [g.spawn("sandbox", "create", "--name", "same", "--", "true", stdin=subprocess.DEVNULL) for _ in range(20)]
    codes = [p.communicate(timeout=60) and p.returncode for p in many]
    assert codes.count(0) == 1 and set(codes) == {0, 1}, codes
    assert list(g.list()) == ["same"] and g.phase("same") == "ready"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_create_interrupted_at_any_moment(shared, sig):
    g = shared
    for n in range(8):
        name = f"n{n}"
        process = g.spawn("sandbox", "create", "--name", name, "--", "sleep", "1000", stdin=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(n * 0.012)
        process.send_signal(sig)
        assert process.wait(20) in (128 + sig, -sig, 1)
        # Either it was never made, or it is whole: usable and deletable.
        if g.wait_phase(name, "ready", "gone", "error") == "ready":
            assert g.exec(name, "true").code == 0
            g.delete(name)
        elif g.phase(name) == "error":
            g.delete(name)


def test_no_keep_interrupted_deletes(shared):
    g = shared
    process = g.spawn("sandbox", "create", "--name", "demo", "--no-keep", "--", "sh", "-c", "echo up; sleep 1000",
                      stdin=subprocess.DEVNULL)
    while b"up" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    g.wait_phase("demo", "gone")


# --- the port, the lock

def test_port_in_use_is_named_with_who_has_it(no_gateway):
    g = no_gateway
    with socket.socket() as s:
        s.bind(("127.0.0.1", g.port))
        s.listen()
        out = refused(g.cli("gateway", "start", "--port", g.port), str(g.port))
        assert "in use" in out.stderr or "held by" in out.stderr, out
        assert not g.up() and g.mine() == set()
    g.start()
    assert g.ok("status").stdout


def test_a_stale_lock_is_no_obstacle(no_gateway):
    g = no_gateway
    g.state.mkdir(parents=True, mode=0o700)
    for place in (g.home / ".openshell", g.home / ".openshell/gateways"):
        place.chmod(0o700)
    (g.state / "gateway.pid").write_text(f"{os.getpid()}\n")
    (g.state / "gateway.pid").chmod(0o600)
    g.start()
    assert g.pid() != os.getpid() and g.up()
    g.kill_gateway()
    assert g.sock.exists()  # what a killed one leaves
    g.start()
    assert g.up() and g.ok("sandbox", "list")


def test_stop_does_not_signal_a_pid_that_is_not_its_gateway(no_gateway):
    g = no_gateway
    g.start()
    g.stop()
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        (g.state / "gateway.pid").write_text(f"{bystander.pid}\n")
        g.cli("gateway", "stop")
        with pytest.raises(subprocess.TimeoutExpired):
            bystander.wait(0.3)
    finally:
        bystander.kill()
        bystander.wait()


def test_two_starts_at_once_make_one(no_gateway):
    g = no_gateway
    many = [g.spawn("gateway", "start", "--port", g.port, stdin=subprocess.DEVNULL) for _ in range(6)]
    for process in many:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    gateways = [p for p in g.mine() if open(f"/proc/{p}/comm").read().startswith("openshell-gatew")]
    assert gateways == [g.pid()], gateways


def test_a_lock_that_another_holds(no_gateway):
    """Held by another process, under root that of another user: refused, and that process untouched."""
    g = no_gateway
    g.start()
    g.stop()
    path = g.state / "gateway.pid"
    user = []
    if MODE == "root":
        for place in (g.home, g.home / ".openshell", g.home / ".openshell/gateways", g.state):
            place.chmod(0o755)
        path.chmod(0o666)
        user = ["setpriv", "--reuid=20002", "--regid=20002", "--clear-groups", "--"]
    holder = subprocess.Popen([*user, "flock", str(path), "sh", "-c", "echo held; exec sleep 1000"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        if MODE == "root":
            for place in (g.state, g.home):
                place.chmod(0o700)
        out = g.cli("gateway", "start", "--port", g.port)
        # It is no gateway: whatever is said, nothing may claim that one runs.
        assert out.code == 1 and "gateway.pid" in out.stderr, out
        g.cli("gateway", "stop", timeout=60)
        assert holder.poll() is None
    finally:
        both = [holder.pid, *children_of(holder.pid)]  # the child has the lock, too
        subprocess.run(["kill", "-9", *map(str, both)])
        holder.wait()
        holder.stdout.close()
        until(lambda: not any(map(alive, both)), 10, "the end of who held it")
    path.chmod(0o600)
    g.start()


def children_of(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# --- the database

def stopped(g):
    g.start()
    g.create("demo", policy=READ_GITHUB)
    g.stop_at_once()
    db = g.state / "data/openshell.db"
    # Closed, whenever the second signal came: all is in this one file, which the tests below damage.
    assert not pathlib.Path(f"{db}-wal").exists()
    return db


def test_corrupt_database_is_refused_and_kept(no_gateway):
    g = no_gateway
    db = stopped(g)
    for extra in ("-wal", "-shm"):
        pathlib.Path(f"{db}{extra}").unlink(missing_ok=True)
    whole = db.read_bytes()
    for bad in (b"this is no database" * 400, whole[:100] + os.urandom(len(whole) - 100), whole[: len(whole) // 2]):
        db.write_bytes(bad)
        out = g.cli("gateway", "start", "--port", g.port)
        if out.code == 0:  # a fault that only shows later may not lose what was there
            assert g.phase("demo") in ("ready", "provisioning"), out
            g.stop()
        else:
            refused(out, "openshell.db")
            assert db.read_bytes()[: len(bad)] == bad, "changed what a person might still save"
            assert not g.up()
    db.write_bytes(whole)
    g.start()
    g.wait_phase("demo", "ready")


def test_database_of_a_newer_version(no_gateway):
    g = no_gateway
    db = stopped(g)
    with contextlib.closing(sqlite3.connect(db)) as c:
        tables = {r[0] for r in c.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        assert {"objects", "sandbox_policies"} <= tables, tables
        c.execute("INSERT INTO schema_steps VALUES (9999, 0)")
        c.commit()
    refused(g.cli("gateway", "start", "--port", g.port), "openshell.db", "newer")
    with contextlib.closing(sqlite3.connect(db)) as c:
        c.execute("DELETE FROM schema_steps WHERE step = 9999")
        c.commit()
    g.start()
    g.wait_phase("demo", "ready")


@pytest.mark.slow
def test_full_disk(no_gateway):
    """The state lies on a file system of some megabytes that fills: errors, not lies; then all goes on."""
    g = no_gateway
    place = g.home / ".openshell"
    place.mkdir(mode=0o700)
    enter = ["unshare", "-m"] if MODE == "root" else ["unshare", "-Urm"]
    script = r"""
        set -e
        mount -t tmpfs -o size=8m,mode=0700 none "$1"
        "$OPENSHELL" gateway start --port "$2"
        state=$1/gateways/openshell
        "$OPENSHELL" sandbox create --name one -- true || echo "one-$?"
        head -c 100m /dev/zero > "$1/fill" 2>/dev/null || :
        "$OPENSHELL" sandbox create --name two -- true 2>"$3/err" && echo made || echo "refused-$?"
        "$OPENSHELL" sandbox list --names
        rm "$1/fill"
        "$OPENSHELL" sandbox create --name three -- true || echo "three-$?"
        "$OPENSHELL" sandbox list --names
        "$OPENSHELL" sandbox delete --all
        "$OPENSHELL" gateway stop
    """
    if MODE != "root":
        # A user namespace of one's own maps one id only; sandboxes need more of it.  The gateway does not.
        script = script.replace('-- true || echo "one-$?"', '-- true || :').replace('-- true || echo "three-$?"', '-- true || :')
    done = subprocess.run([*enter, "sh", "-c", script, "sh", str(place), str(g.port), str(g.home)], cwd=g.work, env=g.env,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    err = (g.home / "err").read_text()
    # Refused, in no list, and what was there before is; then there is room for a third.
    assert done.stdout.splitlines()[:4] == ["refused-1", "one", "one", "three"], (done, err)
    # Not "space" alone: that is in "namespace" too.
    assert "no space left" in err.lower() or "disk is full" in err.lower(), (err, done)
    assert g.mine() == set()


# --- certificates

def certificate(where, name, subject, ca=None, days=30, start=None, extra=""):
    """where/name.{crt,key} made by openssl, by `ca` (crt, key) or itself."""
    key, crt, csr, ext = (where / f"{name}.{s}" for s in ("key", "crt", "csr", "ext"))
    run = lambda *a: subprocess.run(["openssl", *map(str, a)], check=True, capture_output=True)  # noqa: E731
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    key.chmod(0o600)
    run("req", "-new", "-key", key, "-subj", subject, "-out", csr)
    ext.write_text(extra)
    signer = ["-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial"] if ca else ["-signkey", key]
    if start is None:
        run("x509", "-req", "-in", csr, *signer, "-days", days, "-extfile", ext, "-out", crt)
    else:
        db = where / f"{name}.d"
        db.mkdir()
        (db / "index").write_text("")
        (db / "serial").write_text("4242\n")
        (db / "conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={db}/index\nserial={db}/serial\nnew_certs_dir={db}\n"
                                 "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\norganizationName=optional\n")
        fmt = lambda t: t.strftime("%Y%m%d%H%M%SZ")  # noqa: E731
        run("ca", "-batch", "-config", db / "conf", "-in", csr, "-cert", ca[0], "-keyfile", ca[1], "-startdate", fmt(start),
            "-enddate", fmt(start + datetime.timedelta(days=days)), "-extfile", ext, "-out", crt, "-notext")
    return crt, key


USER = "subjectAltName=URI:openshell://user/x\nextendedKeyUsage=clientAuth\n"
NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture
def pki(shared):
    where = shared.home / "pki-test"
    where.mkdir(exist_ok=True)
    yield where, (shared.state / "pki/ca.crt", shared.state / "pki/ca.key")
    shutil.rmtree(where)


def test_certificates_of_the_pki_are_as_specified(shared):
    def text(path):
        return subprocess.run(["openssl", "x509", "-in", path, "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    ca, server, client = (text(p) for p in (shared.state / "pki/ca.crt", shared.state / "pki/tls.crt", shared.bundle / "tls.crt"))
    assert "CA:TRUE, pathlen:0" in ca and "O = openshell" in ca and "CN = openshell-ca" in ca
    assert "CA:TRUE" not in server + client
    for san in ("DNS:openshell", "DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"):
        assert san in server, san
    assert "TLS Web Server Authentication" in server and "TLS Web Client Authentication" not in server
    assert "TLS Web Client Authentication" in client and "URI:openshell://user/" in client
    for t in (ca, server, client):
        assert "prime256v1" in t and "ecdsa-with-SHA256" in t
    assert (shared.state / "pki/ca.crt").read_bytes() == (shared.bundle / "ca.crt").read_bytes()
    for path in (shared.state / "pki/tls.crt", shared.bundle / "tls.crt"):
        subprocess.run(["openssl", "verify", "-CAfile", shared.state / "pki/ca.crt", path], check=True, capture_output=True)


def connects(g, crt, key, ca=None):
    client = secure(g, crt=crt, key=key, ca=ca)
    try:
        client.ListSandboxes(timeout=5)
        return True
    except Exception as e:
        assert e.code() in (Code.UNAVAILABLE, Code.UNAUTHENTICATED, Code.PERMISSION_DENIED), e
        return e.code()
    finally:
        client.close()


def test_foreign_expired_and_roleless_certificates_are_refused(shared, pki):
    where, ca = pki
    # Two-sided: one that we make ourselves, of that CA and with that role, is let in.
    assert connects(shared, *certificate(where, "good", "/CN=test", ca, extra=USER)) is True
    own_ca = certificate(where, "foreign-ca", "/O=openshell/CN=openshell-ca", extra="basicConstraints=critical,CA:TRUE,pathlen:0\n")
    wrong = {
        "foreign": dict(ca=own_ca, extra=USER),
        "expired": dict(ca=ca, extra=USER, start=NOW - datetime.timedelta(days=60)),
        "future": dict(ca=ca, extra=USER, start=NOW + datetime.timedelta(days=60)),
        "self": dict(extra=USER),
        "server-use": dict(ca=ca, extra=USER.replace("clientAuth", "serverAuth")),
    }
    for name, how in wrong.items():
        got = connects(shared, *certificate(where, name, "/CN=openshell-client", **how))
        assert got == Code.UNAVAILABLE, (name, got)
    for name, extra in (("no-role", "extendedKeyUsage=clientAuth\n"),
                        ("other-role", "subjectAltName=URI:openshell://admin/x\nextendedKeyUsage=clientAuth\n"),
                        ("near", "subjectAltName=URI:openshell://users/x\nextendedKeyUsage=clientAuth\n"),
                        ("dns", "subjectAltName=DNS:openshell\nextendedKeyUsage=clientAuth\n"),
                        ("two", "subjectAltName=URI:openshell://sandbox/x,URI:openshell://user/x\nextendedKeyUsage=clientAuth\n"),
                        ("sandbox", "subjectAltName=URI:openshell://sandbox/nosuch\nextendedKeyUsage=clientAuth\n")):
        got = connects(shared, *certificate(where, name, "/CN=openshell-client", ca, extra=extra))
        assert got in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED), (name, got)
    # The server's own certificate is no client's.
    assert connects(shared, shared.state / "pki/tls.crt", shared.state / "pki/tls.key") is not True


def test_command_line_says_what_is_wrong_with_its_certificates(gateway):
    g = gateway
    keep = g.home / "keep"
    shutil.copytree(g.bundle, keep)

    def restore():
        shutil.rmtree(g.bundle)
        shutil.copytree(keep, g.bundle)
        g.bundle.chmod(0o700)
        (g.bundle / "tls.key").chmod(0o600)

    for name in ("ca.crt", "tls.crt", "tls.key"):
        (g.bundle / name).unlink()
        refused(g.cli("sandbox", "list"), f"mtls/{name}", "No such file")
        restore()
        (g.bundle / name).write_text("no certificate")
        (g.bundle / name).chmod(0o600)
        refused(g.cli("sandbox", "list"), name)
        restore()
    # Of another gateway: its server is not ours, and we are not its user.
    ca = certificate(g.home, "other-ca", "/O=openshell/CN=openshell-ca", extra="basicConstraints=critical,CA:TRUE,pathlen:0\n")
    crt, key = certificate(g.home, "other", "/CN=openshell-client", ca, extra=USER)
    shutil.copy(ca[0], g.bundle / "ca.crt")
    refused(g.cli("sandbox", "list"), "certificate")
    restore()
    shutil.copy(crt, g.bundle / "tls.crt")
    shutil.copy(key, g.bundle / "tls.key")
    refused(g.cli("sandbox", "list"), "certificate")
    restore()
    mine = (g.state / "pki/ca.crt", g.state / "pki/ca.key")
    crt, key = certificate(g.home, "old", "/CN=openshell-client", mine, extra=USER, start=NOW - datetime.timedelta(days=60))
    shutil.copy(crt, g.bundle / "tls.crt")
    shutil.copy(key, g.bundle / "tls.key")
    out = refused(g.cli("sandbox", "list"), "expired")
    assert "openshell gateway start" in out.stderr or "openshell gateway restart" in out.stderr, out
    restore()
    g.ok("sandbox", "list")


def test_certificates_are_renewed_before_they_end(gateway):
    """Nearly over, over, or not yet begun: a start makes new ones of the same CA, and sandboxes stay."""
    g = gateway
    g.create("demo")
    ca = (g.state / "pki/ca.crt", g.state / "pki/ca.key")
    before = ca[0].read_bytes()
    san = "subjectAltName=DNS:openshell,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
    for n, (start, days) in enumerate(((NOW - datetime.timedelta(days=364), 365), (NOW - datetime.timedelta(days=60), 30))):
        g.stop_at_once()
        for name, extra, place in (("srv", san, g.state / "pki"), ("cli", USER, g.bundle)):
            crt, key = certificate(g.home, f"{name}{n}", f"/CN=openshell-{name}", ca, extra=extra, days=days, start=start)
            shutil.copy(crt, place / "tls.crt")
            shutil.copy(key, place / "tls.key")
        g.start()
        for place in (g.state / "pki/tls.crt", g.bundle / "tls.crt"):
            subprocess.run(["openssl", "x509", "-in", place, "-noout", "-checkend", str(30 * 86400)], check=True, capture_output=True)
        g.wait_phase("demo", "ready")
    assert ca[0].read_bytes() == before


@pytest.mark.parametrize("days", [-400, -3, 3, 400])
def test_clock_that_jumped_while_no_gateway_ran(gateway, days):
    """As a clock set back or forward by so much finds things: certificates and rows of another time."""
    g = gateway
    g.create("demo", policy=READ_GITHUB)
    before = g.json("policy", "list", "demo")
    ca = (g.state / "pki/ca.crt", g.state / "pki/ca.key")
    san = "subjectAltName=DNS:openshell,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
    g.stop_at_once()
    then = NOW - datetime.timedelta(days=days)
    for name, extra, place in (("srv", san, g.state / "pki"), ("cli", USER, g.bundle)):
        crt, key = certificate(g.home, name, f"/CN=openshell-{name}", ca, extra=extra, days=365, start=then)
        shutil.copy(crt, place / "tls.crt")
        shutil.copy(key, place / "tls.key")
    with contextlib.closing(sqlite3.connect(g.state / "data/openshell.db")) as c:
        c.execute("UPDATE objects SET created_at_ms = created_at_ms - ?, updated_at_ms = updated_at_ms - ?", (days * 86400000,) * 2)
        c.execute("UPDATE sandbox_policies SET created_at_ms = created_at_ms - ?", (days * 86400000,))
        c.commit()
    g.start()
    g.wait_phase("demo", "ready", seconds=30)
    assert g.exec("demo", "echo", "here").stdout == "here\n"
    after = g.json("policy", "list", "demo")
    assert [(r["version"], r["status"], r["hash"]) for r in after] == [(r["version"], r["status"], r["hash"]) for r in before]
    g.ok("policy", "set", "demo", "--policy", g.policy({**READ_GITHUB, "network_policies": {}}), "--wait")
    g.create("second")
    assert set(g.list()) == {"demo", "second"}
    assert g.ok("logs", "demo", "--since", "5m")


# --- modes and places

def test_wrong_modes_are_refused_with_the_remedy(gateway):
    g = gateway
    g.stop()
    for path, mode in ((g.state / "pki/ca.key", 0o644), (g.state / "pki/tls.key", 0o640), (g.state / "data/openshell.db", 0o666),
                       (g.state, 0o777)):
        right = path.stat().st_mode & 0o777
        path.chmod(mode)
        out = refused(g.cli("gateway", "start", "--port", g.port), path.name, "chmod")
        assert not g.up(), out
        path.chmod(right)
    g.start()
    (g.bundle / "tls.key").chmod(0o644)
    refused(g.cli("sandbox", "list"), "tls.key", "chmod 600")
    (g.bundle / "tls.key").chmod(0o600)
    g.ok("sandbox", "list")


def test_symbolic_links_in_the_state_are_refused(gateway):
    g = gateway
    g.stop()
    key = g.state / "pki/ca.key"
    key.rename(g.home / "elsewhere")
    key.symlink_to(g.home / "elsewhere")
    refused(g.cli("gateway", "start", "--port", g.port), "ca.key")
    key.unlink()
    (g.home / "elsewhere").rename(key)
    g.start()


def test_a_home_that_cannot_be_written(no_gateway):
    g = no_gateway
    if MODE == "root":
        script = ('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd / && "$OPENSHELL" gateway start --port "$2"')
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(g.home), str(g.port)], env=g.env,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "Read-only file system" in done.stderr and str(g.home) in done.stderr, done
    else:
        g.home.chmod(0o500)
        refused(g.cli("gateway", "start", "--port", g.port), str(g.home), "Permission denied")
        g.home.chmod(0o700)
    assert g.mine() == set()


def test_no_home_at_all(no_gateway):
    g = no_gateway
    env = {k: v for k, v in g.env.items() if k not in ("HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(g.argv("gateway", "start", "--port", g.port), env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "HOME" in done.stderr, done


def test_a_home_whose_path_is_too_long_for_a_socket(no_gateway):
    """Works, or says why not and what to do."""
    g = no_gateway
    deep = g.home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    env = {"HOME": str(deep)}
    out = g.cli("gateway", "start", "--port", g.port, env=env)
    if out.code == 0:
        assert g.cli("sandbox", "create", "--name", "x", "--", "true", env=env).code == 0
        g.cli("sandbox", "delete", "--all", env=env)
        g.cli("gateway", "stop", env=env)
    else:
        refused(out, "HOME")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name":1}', '{"name":"openshell"}', "\0\xff", "{" * 10000, '{"name":"../x","gateway_endpoint":"","is_remote":false,"gateway_port":0}'],
                         ids=range(8))
def test_malformed_metadata_is_named(gateway, text):
    path = gateway.config / "gateways/openshell/metadata.json"
    keep = path.read_text()
    path.write_text(text)
    out = refused(gateway.cli("sandbox", "list"))
    assert "metadata.json" in out.stderr, out
    path.write_text(keep)
    gateway.ok("sandbox", "list")


def test_gateway_names_that_are_paths(gateway):
    g = gateway
    for bad in ("../../x", "a/b", ".", "..", "-x", "a b", "x" * 254):
        for args in (["gateway", "start", f"--name={bad}"], ["sandbox", "list", f"--gateway={bad}"], ["gateway", "stop", f"--name={bad}"]):
            out = g.cli(*args)
            assert out.code in (1, 2) and out.stderr, (args, out)
    (g.config / "active_gateway").write_text("../../../etc")
    assert g.cli("sandbox", "list").code == 1
    (g.config / "active_gateway").write_text("openshell\n")
    g.ok("sandbox", "list")
    refused(g.cli("sandbox", "list", "-g", "nosuch"), "Unknown gateway 'nosuch'.", "openshell gateway start")
    g.ok("sandbox", "list", env={"OPENSHELL_GATEWAY": "  "})
    g.ok("sandbox", "list", "--gateway-endpoint", f"https://127.0.0.1:{g.port}/")


# --- A76, A77: policy files

def test_a76_policy_files_that_are_not_what_they_seem(shared):
    g = shared
    good = g.policy(READ_GITHUB)
    g.ok("sandbox", "create", "--name", "demo", "--policy", good, "--", "true")
    link, half, deep, large = (g.home / n for n in ("link.yaml", "half.yaml", "deep.yaml", "large.yaml"))
    link.symlink_to(good)
    half.write_text(good.read_text()[:-20])
    deep.write_text("version: 1\nnetwork_policies: " + "[" * (10 << 20))
    large.write_text("version: 1\n" + "# comment\n" * (1 << 20))
    for path, said in ((link, "symbolic link"), (half, "half.yaml"), (deep, "deep.yaml"), (large, "large.yaml"), (g.home, "directory")):
        out = g.cli("policy", "set", "demo", "--policy", path, "--wait")
        assert out.code == 1 and said in out.stderr, (path, out)
    assert [r["version"] for r in g.json("policy", "list", "demo")] == [1]
    assert g.exec("demo", "curl", "-sSf", "https://api.github.com/zen").code == 0
    # Two-sided: the same words in a plain file apply.
    fresh = g.policy(READ_GITHUB | {"network_policies": {}})
    g.ok("policy", "set", "demo", "--policy", fresh, "--wait")
    assert g.exec("demo", "curl", "-sS", "https://api.github.com/zen").code == 56


BOMB = "version: 1\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(9))
CONFLICT = """version: 1
network_policies:
  one:
    endpoints: [{host: api.github.com, port: 443, protocol: rest, access: full, %s}]
    binaries: [{path: /usr/bin/curl}]
  two:
    endpoints: [{host: api.github.com, port: 443, protocol: rest, access: read-only, %s}]
    binaries: [{path: /usr/bin/curl}]
"""


@pytest.mark.parametrize("text,said", [(BOMB, "anchor"), (CONFLICT % ("tls: skip", "enforcement: enforce"), "one"),
                                       ("version: 1\nnetwork_policies:\n  a: {}\n  a: {}\n", "duplicate")],
                         ids=["anchor bomb", "conflicting", "duplicate key"])
def test_a77_ambiguous_policies_are_rejected_at_load(shared, text, said):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    out = g.cli("policy", "set", "demo", "--policy", g.policy(text), "--wait")
    assert out.code == 1 and said in out.stderr, out
    assert [r["version"] for r in g.json("policy", "list", "demo")] == [1]
    g.ok("policy", "set", "demo", "--policy", g.policy(READ_GITHUB), "--wait")


def test_two_writers_of_one_policy_both_get_an_answer(shared):
    g = shared
    g.create("demo", policy=READ_GITHUB)
    files = [g.policy({**READ_GITHUB, "network_policies": {**READ_GITHUB["network_policies"], f"p{i}": {
        "endpoints": [{"host": f"h{i}.example.test", "port": 443}], "binaries": [{"path": "/usr/bin/curl"}]}}}) for i in range(10)]
    many = [g.spawn("policy", "set", "demo", "--policy", f, "--wait", stdin=subprocess.DEVNULL) for f in files]
    for process in many:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    rows = g.json("policy", "list", "demo")
    assert [r["version"] for r in rows] == list(range(11, 0, -1))
    until(lambda: [r["status"].lower() for r in g.json("policy", "list", "demo")][0] == "loaded", 10, "the last one loaded")
    assert {r["status"].lower() for r in g.json("policy", "list", "demo")[1:]} == {"superseded"}
