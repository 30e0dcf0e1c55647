"""sandbox upload, sandbox download and sandbox create --upload."""
import filecmp
import io
import os
import pathlib
import signal
import subprocess
import tarfile

import pytest

from harness import FILESYSTEM, Terminal, until

OPEN = {"version": 1, "filesystem_policy": FILESYSTEM, "landlock": {"compatibility": "best_effort"}}


@pytest.fixture(scope="module")
def box(module_gateway):
    """One sandbox for all of them; each works in a directory of its own."""
    g = module_gateway
    g.create("files", policy=OPEN)
    return g


@pytest.fixture
def place(box, tmp_path, request):
    """(here, there): an empty directory on either side."""
    there = f"/sandbox/{request.node.name.translate(str.maketrans('[]-/', '____'))[:40]}"
    here = tmp_path / "here"
    here.mkdir()
    os.chmod(tmp_path, 0o755)
    return here, there


def sh(g, script, *args, code=0):
    out = g.exec("files", "sh", "-c", script, "sh", *args)
    assert out.code == code, out
    return out.stdout


def tree(top):
    """{name: (kind, mode, content)} of everything below."""
    found = {}
    for path in sorted(pathlib.Path(top).rglob("*")):
        mode = path.lstat().st_mode & 0o7777
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("dir", mode)
        else:
            found[name] = ("file", mode, path.read_bytes())
    return found


def fill(top):
    (top / "sub/empty").mkdir(parents=True)
    (top / "sub/deep").mkdir()
    (top / "sub/empty").chmod(0o750)
    (top / "plain.txt").write_bytes(b"hello\n")
    (top / "plain.txt").chmod(0o640)
    (top / "sub/run.sh").write_bytes(b"#!/bin/sh\necho ran\n")
    (top / "sub/run.sh").chmod(0o755)
    (top / "sub/deep/binary").write_bytes(bytes(range(256)) * 5000)
    (top / "-odd name\n\t*'\"é").write_bytes(b"odd")
    (top / ".hidden").write_bytes(b"h")
    (top / "zero").write_bytes(b"")
    (top / "link").symlink_to("sub/run.sh")
    (top / "sub/up").symlink_to("../plain.txt")
    (top / "sub/dangling").symlink_to("nowhere")
    return top


def test_a_directory_goes_in_and_comes_back_as_it_was(box, place):
    here, there = place
    a = fill(here / "a")
    out = box.ok("sandbox", "upload", "files", a, there)
    assert f"Uploading {a} -> sandbox:{there}" in out.stderr and "Upload complete (9 files, " in out.stderr and out.stdout == "", out
    assert sh(box, 'cd "$1" && ./sub/run.sh && stat -c %a plain.txt sub/empty sub/run.sh', there).split() == ["ran", "640", "750", "755"]
    assert sh(box, 'cat "$1/sub/up"; readlink "$1/link"', there) == "hello\nsub/run.sh\n"
    out = box.ok("sandbox", "download", "files", there, here / "b")
    assert f"Downloading sandbox:{there} -> {here / 'b'}" in out.stderr and "Download complete (9 files, " in out.stderr, out
    assert tree(here / "b") == tree(a)
    # Once more over what is there: files are replaced, others stay.
    (here / "b/plain.txt").write_bytes(b"old")
    (here / "b/mine").write_bytes(b"mine")
    box.ok("sandbox", "download", "files", there + "/", here / "b")
    assert (here / "b/plain.txt").read_bytes() == b"hello\n" and (here / "b/mine").read_bytes() == b"mine"
    assert not [p for p in (here / "b").iterdir() if "openshell" in p.name]
    assert sh(box, 'ls -A "$1" | grep -c openshell', there, code=1) == "0\n"


def test_one_file_goes_under_its_name_and_comes_as_cp_has_it(box, place):
    here, there = place
    (here / "a.txt").write_bytes(b"a")
    (here / "alias").symlink_to("a.txt")
    box.ok("sandbox", "upload", "files", here / "a.txt", there)
    box.ok("sandbox", "upload", "files", here / "alias", there)
    assert sh(box, 'cat "$1/a.txt" "$1/alias"; [ -L "$1/alias" ] || echo file', there) == "aafile\n"
    (here / "dir").mkdir()
    for dest, made in (("b.txt", "b.txt"), ("dir", "dir/a.txt"), ("dir/", "dir/a.txt"), ("dir/c", "dir/c"), ("new/d", "new/d")):
        box.ok("sandbox", "download", "files", f"{there}/a.txt", dest, cwd=here)
        assert (here / made).read_bytes() == b"a", dest
        (here / made).unlink()
    box.ok("sandbox", "download", "files", f"{there}/a.txt", cwd=here / "dir")
    assert (here / "dir/a.txt").read_bytes() == b"a"
    out = box.cli("sandbox", "download", "files", f"{there}/a.txt", "nosuch/", cwd=here)
    assert out.code == 1 and "is not a directory" in out.stderr, out


def test_what_is_not_there_is_said(box, place):
    here, there = place
    out = box.cli("sandbox", "upload", "files", here / "nosuch", there)
    assert out.code == 1 and f"local path does not exist: {here / 'nosuch'}" in out.stderr, out
    out = box.cli("sandbox", "download", "files", there + "/nosuch", here / "x")
    assert out.code == 1 and f"there is no {there}/nosuch in the sandbox" in out.stderr and not (here / "x").exists(), out
    out = box.cli("sandbox", "download", "files", "/dev/null", here / "x")
    assert out.code == 1 and "neither a file nor a directory" in out.stderr and not (here / "x").exists(), out
    out = box.cli("sandbox", "upload", "nosuch", here, there)
    assert out.code == 1 and "not found" in out.stderr.lower(), out
    out = box.cli("sandbox", "upload", "files", here, "/usr/x")
    assert out.code == 1 and "nothing was put in place" in out.stderr and "sandbox: mkdir:" in out.stderr, out
    assert list(here.iterdir()) == []


def test_git_decides_what_is_sent(box, place):
    here, there = place
    repo = fill(here / "repo")
    subprocess.run(["git", "init", "-q", repo], check=True)
    (repo / ".gitignore").write_text("*.secret\nsub/deep/\n")
    (repo / "key.secret").write_text("no")
    (repo / "[x]").write_text("no pattern")
    git = ["git", "-C", repo, "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "add", "plain.txt", "zero"], check=True)
    (repo / "zero").unlink()
    # Git runs nothing of what the repository says: its files may be an agent's.
    mark = here / "ran"
    subprocess.run([*git, "config", "core.fsmonitor", f"touch {mark}; true"], check=True)
    box.ok("sandbox", "upload", "files", repo, there)
    names = set(sh(box, 'cd "$1" && find . -mindepth 1', there).split("\n")) - {""}
    assert "./plain.txt" in names and "./sub/run.sh" in names and "./[x]" in names and "./link" in names, names
    assert not {"./key.secret", "./zero", "./.git", "./sub/deep"} & names, names
    assert not mark.exists()
    out = box.cli("sandbox", "upload", "files", repo / "key.secret", there)
    assert out.code == 1 and "git ignores" in out.stderr and "--no-git-ignore" in out.stderr, out
    box.ok("sandbox", "upload", "files", repo / "key.secret", there, "--no-git-ignore")
    box.ok("sandbox", "upload", "files", repo / "[x]", there + "/one")
    assert sh(box, 'ls -A "$1/one"', there) == "[x]\n"
    box.ok("sandbox", "upload", "files", repo / "sub", there + "/sub2")
    assert "run.sh" in sh(box, 'ls -A "$1/sub2"', there)
    box.ok("sandbox", "upload", "files", repo, there + "/all", "--no-git-ignore")
    assert {".git", "key.secret"} <= set(sh(box, 'ls -A "$1/all"', there).split())
    # A repository that git will not read: nothing is guessed.
    (repo / ".git/HEAD").write_text("nonsense")
    out = box.cli("sandbox", "upload", "files", repo, there)
    assert out.code == 1 and "cannot tell which files git ignores" in out.stderr and "--no-git-ignore" in out.stderr, out


def test_create_uploads_before_anything_runs(box, place):
    here, there = place
    a = fill(here / "a")
    out = box.cli("sandbox", "create", "--name", "with", "--no-keep", "--policy", box.policy(OPEN), "--upload", f"{a}:/sandbox/in",
                  "--", "sh", "/sandbox/in/sub/run.sh")
    assert out.code == 0 and out.stdout == "ran\n" and "Uploading files to /sandbox/in..." in out.stderr and "Files uploaded" in out.stderr, out
    out = box.cli("sandbox", "create", "--name", "with", "--upload", here / "nosuch", "--", "true")
    assert out.code == 1 and "local path does not exist" in out.stderr and "with" not in box.list(), out
    out = box.cli("sandbox", "create", "--no-git-ignore", "--", "true")
    assert out.code == 2 and "--no-git-ignore requires --upload" in out.stderr, out


def test_a_large_and_a_sparse_file(box, place):
    here, there = place
    with open(here / "large", "wb") as f:
        for _ in range(48):
            f.write(os.urandom(1 << 20))
    box.ok("sandbox", "upload", "files", here / "large", there)
    sh(box, 'truncate -s 3G "$1/sparse" && echo end >> "$1/sparse"', there)
    out = box.ok("sandbox", "download", "files", there, here / "back", timeout=120)
    assert filecmp.cmp(here / "large", here / "back/large", shallow=False), out
    st = (here / "back/sparse").stat()
    assert st.st_size == (3 << 30) + 4 and st.st_blocks * 512 < 1 << 20, st
    out = box.cli("sandbox", "download", "files", there, here / "less", "--max-size", "1G")
    assert out.code == 1 and "larger than" in out.stderr and "--max-size" in out.stderr, out
    assert list((here / "less").iterdir()) == []


# A65: what a sandbox may send

HOSTILE = {
    "parent": [("../escaped", b"x")],
    "deeper": [("ok/", None), ("ok/../../escaped", b"x")],
    "absolute": [("/tmp/escaped", b"x")],
    "symlink": [("out", "link:../"), ("out/escaped", b"x")],
    "absolute symlink": [("out", "link:/tmp"), ("out/escaped", b"x")],
    "symlink by links": [("here", "link:."), ("out", "link:here/here/../.."), ("out/escaped", b"x")],
    "hard link": [("out", "hard:../outside"), ("out", b"x")],
    "hard link to link": [("l", "link:ok"), ("h", "hard:l")],
    "device": [("dev", "char")],
    "fifo": [("pipe", "fifo")],
}


def archive(entries):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as t:
        for name, what in [("./", None), *entries, ("fine", b"fine")]:
            i = tarfile.TarInfo(name)
            i.mode = 0o6777
            data = b""
            if what is None:
                i.type = tarfile.DIRTYPE
            elif isinstance(what, bytes):
                data, i.size = what, len(what)
            elif what.startswith(("link:", "hard:")):
                i.type = tarfile.SYMTYPE if what.startswith("link:") else tarfile.LNKTYPE
                i.linkname = what[5:]
            else:
                i.type = tarfile.CHRTYPE if what == "char" else tarfile.FIFOTYPE
                i.devmajor, i.devminor = 1, 3
            t.addfile(i, io.BytesIO(data))
    return raw.getvalue()


@pytest.fixture
def lying(box, place):
    """A sandbox of which the tar sends what the test wants."""
    here, there = place
    name = "liar"
    box.create(name, policy=OPEN, options=["--env", f"PATH={there}/bin:/usr/bin:/bin"])

    def send(payload, tail=""):
        (here / "payload").write_bytes(payload)
        (here / "tar").write_text(f"#!/bin/sh\ncase $1 in --version) exit 0 ;; esac\n/bin/cat {there}/bin/payload{tail}\n")
        (here / "tar").chmod(0o755)
        out = box.exec(name, "/bin/sh", "-c", 'mkdir -p "$1/bin" "$1/data" && cd "$1/bin" && /bin/tar -xf -', "sh", there,
                       input=subprocess.run(["tar", "-C", here, "-cf", "-", "payload", "tar"], stdout=subprocess.PIPE, check=True).stdout)
        assert out.code == 0, out
        (here / "payload").unlink()
        (here / "tar").unlink()
        return box.cli("sandbox", "download", name, f"{there}/data", here / "into/got")

    yield here, send
    box.delete(name)


@pytest.mark.parametrize("attack", HOSTILE)
def test_what_leads_out_of_the_destination_is_left_out(lying, attack):
    here, send = lying
    (here / "into").mkdir()
    (here / "outside").write_bytes(b"outside")
    out = send(archive(HOSTILE[attack]))
    assert out.code == 1 and "! left out " in out.stderr and "left out)" in out.stderr, out
    # The rest came, and nothing is anywhere else.
    assert (here / "into/got/fine").read_bytes() == b"fine"
    assert sorted(p.name for p in here.iterdir()) == ["into", "outside"]
    assert [p.name for p in (here / "into").iterdir()] == ["got"]
    assert not pathlib.Path("/tmp/escaped").exists() and (here / "outside").read_bytes() == b"outside"
    for path in (here / "into/got").rglob("*"):
        assert path.is_symlink() or path.lstat().st_mode & 0o7022 == 0, oct(path.lstat().st_mode)
        assert path.is_symlink() or path.is_dir() or path.is_file()


def test_names_that_forge_lines_are_escaped(lying):
    here, send = lying
    (here / "into").mkdir()
    out = send(archive([("../\x1b[2J\nforged", b"x")]))
    assert out.code == 1 and "\x1b" not in out.stderr and "\\x1b[2J\\x0aforged" in out.stderr, out


@pytest.mark.parametrize("payload", [b"", b"no archive at all" * 100, archive([("a", b"x" * 5000)])[:1800]], ids=["empty", "none", "cut"])
def test_a_broken_stream_leaves_nothing(lying, payload):
    here, send = lying
    (here / "into/got").mkdir(parents=True)
    (here / "into/got/mine").write_bytes(b"mine")
    out = send(payload, "; exit 2")
    assert out.code == 1 and "nothing was put in place" in out.stderr, out
    assert tree(here / "into") == {"got": ("dir", 0o755), "got/mine": ("file", 0o644, b"mine")}


def test_what_comes_after_the_end_of_the_archive_is_read_too(lying):
    """tar fills its last block: it would end by SIGPIPE, and the download fail."""
    here, send = lying
    (here / "into").mkdir()
    out = send(archive([]), "; sleep 0.5; exec head -c 600000 /dev/zero")
    assert out.code == 0 and (here / "into/got/fine").read_bytes() == b"fine", out


def test_a_link_that_was_in_the_destination_is_not_followed(lying):
    here, send = lying
    (here / "into/got").mkdir(parents=True)
    (here / "elsewhere").mkdir()
    (here / "into/got/sub").symlink_to(here / "elsewhere")
    (here / "into/got/fine").symlink_to(here / "elsewhere/file")
    out = send(archive([]))
    assert out.code == 0 and not (here / "into/got/fine").is_symlink(), out
    out = send(archive([("sub/", None), ("sub/x", b"x")]))
    assert out.code == 1 and list((here / "elsewhere").iterdir()) == [], out


def test_an_upload_takes_no_device_nor_set_id_bit_and_follows_no_link(box, place):
    here, there = place
    a = here / "a"
    a.mkdir()
    (here / "secret").write_bytes(b"secret")
    (a / "out").symlink_to("../secret")
    (a / "suid").write_bytes(b"s")
    (a / "suid").chmod(0o6755)
    os.mkfifo(a / "pipe")
    out = box.cli("sandbox", "upload", "files", a, there)
    assert out.code == 1 and "left out pipe: it is a device, a FIFO or a socket" in out.stderr, out
    assert sh(box, 'cd "$1" && stat -c %a suid && readlink out && ls -A', there) == "755\n../secret\nout\nsuid\n"


# signals and terminals

@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_an_upload_that_is_broken_off_leaves_nothing(box, place, sig):
    here, there = place
    os.mkdir(here / "a")
    with open(here / "a/huge", "wb") as f:
        f.truncate(40 << 30)
    process = box.spawn("sandbox", "upload", "files", here / "a", there)
    until(lambda: "huge" in sh(box, 'echo "$1"/.openshell-upload.*/files/*', there), 20, "the beginning of it")
    process.send_signal(sig)
    assert process.wait(20) == 128 + sig, process.stderr.read()
    until(lambda: sh(box, 'ls -A "$1"', there) == "", 10, "nothing left inside")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_download_that_is_broken_off_leaves_nothing(box, place, sig):
    here, there = place
    sh(box, 'mkdir -p "$1" && head -c 300M /dev/zero | tr "\\0" x > "$1/big"', there)
    process = box.spawn("sandbox", "download", "files", there, here / "got")
    until(lambda: any((here / "got").glob(".openshell-download.*/*")), 20, "the beginning of it")
    process.send_signal(sig)
    assert process.wait(20) == 128 + sig, process.stderr.read()
    assert list((here / "got").iterdir()) == []
    sh(box, 'rm -rf "$1"', there)


def test_progress_is_shown_on_a_terminal_and_nowhere_else(box, place):
    here, there = place
    with open(here / "big", "wb") as f:
        f.truncate(200 << 20)
    term = Terminal(box.argv("sandbox", "upload", "files", here / "big", there), here, env=box.env)
    term.expect(b"\r\x1b[K  0 files, ")
    term.expect(b"Upload complete (1 file, 209 MB)")
    assert term.wait() == 0
    out = box.ok("sandbox", "download", "files", there, here / "got")
    assert "\r" not in out.stderr and "\x1b" not in out.stderr, out


def test_a_sandbox_without_tar_says_so(box, place):
    here, there = place
    box.ok("sandbox", "create", "--name", "bare", "--detach", "--policy", box.policy(OPEN), "--env", "PATH=/nowhere")
    try:
        for args in (("upload", "bare", here), ("download", "bare", "/sandbox", here / "x")):
            out = box.cli("sandbox", *args)
            assert out.code == 1 and "there is no tar" in out.stderr, out
    finally:
        box.delete("bare")


def test_the_process_that_unpacks_has_given_up_everything_else(box, place):
    """Looked at while it waits for more."""
    here, there = place
    sh(box, 'mkdir -p "$1" && head -c 300M /dev/zero | tr "\\0" x > "$1/big"', there)
    process = box.spawn("sandbox", "download", "files", there, here / "got")
    try:
        until(lambda: any((here / "got").glob(".openshell-download.*/*")), 20, "the beginning of it")
        process.send_signal(signal.SIGSTOP)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{children[0]}/status").read_text().splitlines() if ":\t" in line)
        assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", status
        assert int(status["CapEff"], 16) & ~(1 << 1) == 0 and int(status["CapPrm"], 16) & ~(1 << 1) == 0, status
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        process.wait(20)
    sh(box, 'rm -rf "$1"', there)
