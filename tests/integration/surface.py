"""Tries one act of the kernel surface and prints "done" or the errno's name.

Run inside the sandbox and outside of it: the same act must fail there and work here.
"""
import ctypes
import errno
import os
import platform
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
# Numbers that both architectures share since the tables were unified, and those that they do not.
NR = {"io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438, "landlock_create_ruleset": 444,
      "bpf": 321 if X86 else 280, "perf_event_open": 298 if X86 else 241,
      "userfaultfd": 323 if X86 else 282, "keyctl": 250 if X86 else 219,
      "add_key": 248 if X86 else 217, "kexec_load": 246 if X86 else 104, "init_module": 175 if X86 else 105,
      "ptrace": 101 if X86 else 117, "process_vm_readv": 310 if X86 else 270, "kcmp": 312 if X86 else 272,
      "unshare": 272 if X86 else 97, "setns": 308 if X86 else 268, "mount": 165 if X86 else 40,
      "open_by_handle_at": 304 if X86 else 265, "personality": 135 if X86 else 92,
      "execveat": 322 if X86 else 281, "memfd_create": 319 if X86 else 279}


def call(name, *args):
    ctypes.set_errno(0)
    result = LIBC.syscall(NR[name], *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def sock(family, kind, proto=0):
    return lambda: socket.socket(family, kind, proto).close()


def ptrace_parent():
    pid = os.fork()
    if pid == 0:
        try:
            call("ptrace", 16, os.getppid(), 0, 0)
        except OSError as e:
            os._exit(e.errno)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, "ptrace")


def ptrace_child():
    pid = os.fork()
    if pid == 0:
        os.pause() if hasattr(os, "pause") else __import__("signal").pause()
    try:
        call("ptrace", 16, pid, 0, 0)
        os.waitpid(pid, 0)
    finally:
        os.kill(pid, 9)


def self_pidfd_getfd():
    call("pidfd_getfd", os.pidfd_open(os.getpid()), 0, 0)


def vm_read():
    class Iov(ctypes.Structure):
        _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]
    a, b = ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)
    call("process_vm_readv", os.getpid(), ctypes.byref(Iov(ctypes.addressof(a), 8)), ctypes.c_ulong(1),
         ctypes.byref(Iov(ctypes.addressof(b), 8)), ctypes.c_ulong(1), ctypes.c_ulong(0))


def memfd_exec():
    fd = call("memfd_create", b"x", 0)
    with open("/bin/true", "rb") as f:
        os.write(fd, f.read())
    pid = os.fork()
    if pid == 0:
        argv = (ctypes.c_char_p * 2)(b"true", None)
        LIBC.syscall(NR["execveat"], fd, b"", argv, None, 0x1000)
        os._exit(ctypes.get_errno() or 1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, "execveat")


def tiocsti():
    import fcntl
    master, slave = os.openpty()
    del master
    fcntl.ioctl(slave, 0x5412, b"x")


def fastopen():
    s = socket.socket()
    s.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", 9))


def abstract():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0openshell-test-abstract")


ACTS = {
    "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
    "userfaultfd": lambda: call("userfaultfd", 1),  # UFFD_USER_MODE_ONLY
    "perf": lambda: call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "bpf": lambda: call("bpf", 0, ctypes.create_string_buffer(72), 72),
    "keyctl": lambda: call("keyctl", 0, -3, 1),
    "add_key": lambda: call("add_key", b"user", b"openshell-test", b"x", ctypes.c_ulong(1), -3),
    "kexec": lambda: call("kexec_load", 0, 0, 0, 0),
    "module": lambda: call("init_module", 0, 0, b""),
    "ptrace-child": ptrace_child,
    "ptrace-parent": ptrace_parent,
    "pidfd_getfd": self_pidfd_getfd,
    "process_vm_readv": vm_read,
    "kcmp": lambda: call("kcmp", os.getpid(), os.getpid(), 1, 0, 0),
    "userns": lambda: call("unshare", 0x10000000),
    "clone3-userns": lambda: call("clone3", (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88) or os._exit(0),
    "personality": lambda: call("personality", 0x0040000),  # ADDR_NO_RANDOMIZE
    "memfd-exec": memfd_exec,
    "tiocsti": tiocsti,
    "packet": sock(socket.AF_PACKET, socket.SOCK_DGRAM),
    "vsock": sock(socket.AF_VSOCK, socket.SOCK_STREAM),
    "alg": sock(socket.AF_ALG, socket.SOCK_SEQPACKET),
    "netlink-audit": sock(socket.AF_NETLINK, socket.SOCK_RAW, 9),
    "netlink-diag": sock(socket.AF_NETLINK, socket.SOCK_RAW, 4),
    "netlink-route": sock(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "raw-icmp": sock(socket.AF_INET, socket.SOCK_RAW, 1),
    "sctp": sock(socket.AF_INET, socket.SOCK_STREAM, 132),
    "mptcp": sock(socket.AF_INET, socket.SOCK_STREAM, 262),
    "fastopen": fastopen,
    "abstract": abstract,
    "tcp": sock(socket.AF_INET, socket.SOCK_STREAM),
    "unix": sock(socket.AF_UNIX, socket.SOCK_STREAM),
    "memfd": lambda: call("memfd_create", b"x", 0),
}

for act in sys.argv[1:]:
    try:
        ACTS[act]()
        print(act, "done")
    except OSError as e:
        print(act, errno.errorcode.get(e.errno, e.errno))
