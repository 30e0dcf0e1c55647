"""How a command gets into the test internet.

Three processes.  The outer one is the caller's child: it makes the
namespaces, passes signals on and reports the status.  Its child is PID 1 of
the pid namespace: it builds the mounts and the network, opens every listener,
starts the servers and COMMAND, and reaps.  It dies with the outer process
(and looks at a pipe too, for a parent that died before it could ask), and the
kernel then ends everything in its pid namespace, with which the mounts, the
addresses and the files, all in a tmpfs, go too.  So nothing has to be cleaned
up, whoever is killed, and whenever.
"""

import errno
import os
import select
import signal
import sys

from . import kernel, pki, plan, serve

EX_TESTNET, EX_CANNOT_RUN, EX_NOT_FOUND = 125, 126, 127
_FORWARD = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
            signal.SIGUSR1, signal.SIGUSR2)
_JOB = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_SI_KERNEL = 0x80
_FROM_TERMINAL = 0x80	# bit beside the signal's number on the control pipe

# Folders that every Debian has and nobody fills; the first one that is empty
# gets the tmpfs mounted over it.
_BASES = ("/media", "/srv", "/mnt", "/var/local", "/var/opt",
          "/usr/local/games", "/usr/local/src")
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def complain(text):
    os.write(2, f"testnet: {text}\n".encode(errors="surrogateescape"))


def run(hosts, argv):
    """Run argv in a test internet of these hosts; the status to exit with."""
    env = _environment()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARD, signal.SIGCHLD))
    control_r, control_w = os.pipe()
    try:
        _enter_namespaces()
    except OSError as e:
        complain(f"cannot make the namespaces: {e}" + _hint(e))
        return EX_TESTNET
    init = os.fork()
    if init == 0:
        os.close(control_w)
        status = EX_TESTNET
        try:
            status = _init(hosts, argv, env, mask, control_r)
        except (OSError, plan.Error) as e:
            complain(str(e))
        finally:
            os._exit(status)
    os.close(control_r)
    _release_streams((0, 1))
    while True:
        info = signal.sigwaitinfo((*_FORWARD, signal.SIGCHLD))
        if info.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(init, os.WNOHANG)
            if pid:
                break
            continue
        terminal = _FROM_TERMINAL if info.si_code == _SI_KERNEL else 0
        try:
            os.write(control_w, bytes([info.si_signo | terminal]))
        except BrokenPipeError:
            pass	# PID 1 has gone; SIGCHLD follows
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _environment():
    """What the caller passed, exactly: Python may have added LC_CTYPE."""
    with open("/proc/self/environ", "rb") as f:
        items = [x.partition(b"=") for x in f.read().split(b"\0") if b"=" in x]
    return {name: value for name, _, value in items}


def _hint(e):
    if e.errno in (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EINVAL):
        return ("\ntestnet: this machine must allow user namespaces: see the "
                "sysctls kernel.unprivileged_userns_clone, "
                "user.max_user_namespaces and "
                "kernel.apparmor_restrict_unprivileged_userns; a container "
                "must allow unshare(2) and mount(2)")
    return ""


def _enter_namespaces():
    flags = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWPID
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        flags |= kernel.CLONE_NEWUSER
    kernel.unshare(flags, "unshare")
    if uid != 0:
        kernel.map_own_ids(uid, gid)


def _release_streams(fds):
    """Let go of the caller's streams: only COMMAND keeps a pipe open."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def _init(hosts, argv, env, mask, control):
    """PID 1: build, start, reap; the status of COMMAND."""
    kernel.die_with_parent(signal.SIGKILL)
    if select.select([control], [], [], 0)[0]:
        return EX_TESTNET	# the parent died before the line above
    old = {s: signal.signal(s, signal.SIG_IGN) for s in _JOB}
    umask = os.umask(0o022)
    root = _mounts()
    private = os.path.join(root, ".origins")
    os.mkdir(private, 0o700)
    ipv6 = _network(hosts)
    _certificates(hosts, root, private)
    _etc(root)
    world = serve.World(root, private)
    listeners = serve.open_listeners(hosts, ipv6)
    servers = os.fork()
    if servers == 0:
        _servers(world, hosts, listeners, control)
    for row in listeners:
        row[0].close()
    os.umask(umask)
    command = os.fork()
    if command == 0:
        for s, handler in old.items():
            signal.signal(s, handler)
        _exec(argv, dict(env, TESTNET_DIR=root.encode()), mask)
    _release_streams((0, 1))
    return _reap(command, servers, control)


def _mounts():
    """Mounts of our own, /proc, and the tmpfs; where that is."""
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    hard = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", hard | kernel.MS_NOEXEC)
    cwd = os.getcwd()
    for base in _BASES:
        if os.path.isdir(base) and base != cwd and not _entries(base):
            kernel.mount("testnet", base, "tmpfs", hard, "mode=0700")
            return base
    raise plan.Error("none of these folders is there and empty: "
                     + " ".join(_BASES))


def _entries(folder):
    try:
        return os.listdir(folder)
    except PermissionError:
        return ["?"]


def _network(hosts):
    """lo with every address; whether there is IPv6."""
    kernel.lo_up()
    kernel.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
    wanted = [a for h in hosts for a in h.addresses]
    wanted += [a for a in plan.CANARIES if not a.startswith("127.")]
    ipv6 = True
    try:
        kernel.write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0")
    except FileNotFoundError:
        ipv6 = False
        complain("this kernel has no IPv6: names have only IPv4 addresses")
    kernel.lo_add(dict.fromkeys(a for a in wanted
                                if a != "::1" and (ipv6 or ":" not in a)))
    return ipv6


def _certificates(hosts, root, private):
    ca = pki.Authority("Test internet root")
    stranger = pki.Authority("Root that nobody trusts")
    with open(os.path.join(root, "ca.crt"), "wb") as f:
        f.write(ca.pem)
    shared = pki.Key()
    _secret(os.path.join(private, "origins.key"), shared.pem())
    for h in hosts:
        if h.role == "added":
            key = pki.Key()
            _secret(os.path.join(root, h.name + ".key"), key.pem())
            kernel.write(os.path.join(root, h.name + ".addr"),
                         h.addresses[0] + "\n")
            folder = root
        elif h.role is not None:
            key, folder = shared, private
        else:
            continue
        if h.cert == "selfsigned":
            pem = pki.self_signed(h.name, key, h.addresses)
        elif h.cert == "untrusted-root":
            pem = stranger.leaf(h.name, key, h.addresses)
        elif h.cert == "wronghost":
            pem = ca.leaf("other.example.test", key)
        else:
            pem = ca.leaf(h.name, key, h.addresses,
                          h.cert if h.cert in ("expired", "sha1") else "")
        with open(os.path.join(folder, h.name + ".crt"), "wb") as f:
            f.write(pem)
    os.mkdir(os.path.join(root, ".etc"))
    _trust(ca, os.path.join(root, ".etc", "certs"))


def _secret(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                 0o600)
    with open(fd, "wb") as f:
        f.write(data)


def _trust(ca, folder):
    """Put our root where the programs of this machine look: the bundle, and
    the folder of hashed names, which OpenSSL searches without a bundle."""
    system = os.path.dirname(_BUNDLE)
    try:
        with open(_BUNDLE, "rb") as f:
            bundle = f.read()
    except FileNotFoundError:
        raise plan.Error(f"{_BUNDLE} is missing: install the package "
                         "ca-certificates") from None
    os.mkdir(folder)
    for e in os.scandir(system):
        if e.is_symlink():
            os.symlink(os.readlink(e.path), os.path.join(folder, e.name))
        elif e.is_file() and e.path != _BUNDLE:
            with open(e.path, "rb") as src, \
                    open(os.path.join(folder, e.name), "wb") as dst:
                dst.write(src.read())
    for name, data in ((os.path.basename(_BUNDLE), bundle + ca.pem),
                       ("testnet.pem", ca.pem)):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    # Roots of the same name follow each other as .0, .1: so it is when a test
    # internet runs inside another.
    n = 0
    while os.path.lexists(os.path.join(folder, f"{ca.name_hash}.{n}")):
        n += 1
    os.symlink("testnet.pem", os.path.join(folder, f"{ca.name_hash}.{n}"))
    kernel.mount(folder, system, None, kernel.MS_BIND)


def _etc(root):
    """The resolver's files, each bound over the machine's own."""
    etc = os.path.join(root, ".etc")
    files = {"resolv.conf": f"nameserver {plan.DNS_ADDRESS}\n"
                            "options timeout:2 attempts:2\n",
             "hosts": "127.0.0.1\tlocalhost\n"
                      "::1\tlocalhost ip6-localhost ip6-loopback\n"}
    try:
        with open("/etc/nsswitch.conf") as f:
            kept = [x for x in f if not x.lstrip().startswith("hosts:")]
        files["nsswitch.conf"] = "".join(kept) + "hosts: files dns\n"
    except FileNotFoundError:
        pass	# glibc then asks DNS by itself
    for name, text in files.items():
        target = os.path.realpath("/etc/" + name)
        if not os.path.exists(target):
            raise plan.Error(f"/etc/{name} leads nowhere: there must be a "
                             "file to mount ours over")
        kernel.write(os.path.join(etc, name), text)
        kernel.mount(os.path.join(etc, name), target, None, kernel.MS_BIND)
    # A running nscd would answer from the machine's own network.
    if os.path.isdir("/run/nscd"):
        os.mkdir(os.path.join(etc, "nscd"))
        kernel.mount(os.path.join(etc, "nscd"), "/run/nscd", None,
                     kernel.MS_BIND)


def _servers(world, hosts, listeners, control):
    """The process of all servers; never returns."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.close(control)
        err = os.open(os.path.join(world.private, "server.log"),
                      os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(err, 2)
        _release_streams((0, 1))
        _close_inherited({err, 2, *(r[0].fileno() for r in listeners)}, world)
        serve.serve(world, hosts, listeners)
    finally:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _close_inherited(keep, world):
    """Close what the caller handed down to COMMAND beyond 0, 1 and 2."""
    keep |= {0, 1, world.requests, world.connections, world.canary,
             world.queries}
    for fd in [int(x) for x in os.listdir("/proc/self/fd")]:
        if fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass	# the descriptor of the listing itself


def _exec(argv, env, mask):
    """Become COMMAND; never returns."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)	# Python ignores them
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as e:
        complain(f"{argv[0]}: {e.strerror}")
        os._exit(EX_NOT_FOUND if e.errno == errno.ENOENT else EX_CANNOT_RUN)
    finally:
        os._exit(EX_CANNOT_RUN)


def _reap(command, servers, control):
    """Wait for COMMAND, handing it the signals that the outer process sends."""
    wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_w)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
    poll = select.poll()
    for fd in (wake_r, control):
        poll.register(fd, select.POLLIN)
    # A child that ended before SIGCHLD was unblocked has left it pending.
    while True:
        for fd, _ in poll.poll():
            if fd == control:
                data = os.read(control, 64)
                if not data:
                    return EX_TESTNET	# the outer process has died
                for b in data:
                    _pass_on(command, b)
                continue
            os.read(wake_r, 64)
            status = _collect(command, servers)
            if status is not None:
                return status


def _pass_on(command, byte):
    # The terminal signals its whole foreground group, COMMAND included unless
    # it moved to a group of its own.
    if byte & _FROM_TERMINAL and os.getpgid(command) == os.getpgid(0):
        return
    os.kill(command, byte & ~_FROM_TERMINAL)


def _collect(command, servers):
    """Reap whoever ended; the exit status once COMMAND is among them."""
    result = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == 0:
            return result
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == servers:
            complain("the servers died")
            result = EX_TESTNET
