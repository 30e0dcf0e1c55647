"""System calls that Python 3.11 has no name for: namespaces, mounts, lo."""

import ctypes
import errno
import os
import socket
import struct

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p,) * 3 + (ctypes.c_ulong,
                                                 ctypes.c_char_p)


def _check(result, what):
    if result < 0:
        n = ctypes.get_errno()
        raise OSError(n, f"{what}: {os.strerror(n)}")


def unshare(flags, what):
    _check(_libc.unshare(flags), what)


def mount(source, target, kind=None, flags=0, data=None):
    enc = [None if s is None else os.fsencode(s)
           for s in (source, target, kind, data)]
    _check(_libc.mount(enc[0], enc[1], enc[2], flags, enc[3]),
           f"mount on {target}")


def die_with_parent(signum):
    """The kernel sends signum to this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0), "prctl")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def map_own_ids(uid, gid):
    """In a new user namespace: be oneself, and nobody else."""
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {uid} 1")
    write("/proc/self/gid_map", f"{gid} {gid} 1")


# rtnetlink(7)
_RTM_NEWLINK, _RTM_NEWADDR, _NLMSG_ERROR = 16, 20, 2
_NLM_F_REQUEST, _NLM_F_ACK = 1, 4
_NLM_F_EXCL, _NLM_F_CREATE = 0x200, 0x400
_IFF_UP, _IFA_ADDRESS, _IFA_LOCAL = 1, 1, 2
_IFA_F_NODAD = 2
_SCOPE_GLOBAL, _SCOPE_LINK = 0, 253
LO_INDEX = 1		# lo is the first interface of every network namespace


def _message(kind, flags, body):
    return struct.pack("=IHHII", 16 + len(body), kind,
                       flags | _NLM_F_REQUEST | _NLM_F_ACK, 0, 0) + body


def _transact(messages):
    """Send all, read one acknowledgement each; the first errors as a list."""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    out = []
    with s:
        s.bind((0, 0))
        for m in messages:
            s.send(m)
            reply = s.recv(4096)
            if struct.unpack_from("=IH", reply)[1] != _NLMSG_ERROR:
                raise OSError(errno.EPROTO, "rtnetlink: unexpected reply")
            out.append(-struct.unpack_from("=i", reply, 16)[0])
    return out


def lo_up():
    n = _transact([_message(_RTM_NEWLINK, 0, struct.pack(
        "=BxHiII", socket.AF_UNSPEC, 0, LO_INDEX, _IFF_UP, _IFF_UP))])[0]
    if n:
        raise OSError(n, f"bring up lo: {os.strerror(n)}")


def lo_add(addresses):
    """Configure addresses on lo, each alone in its prefix."""
    messages = []
    for a in addresses:
        family = socket.AF_INET6 if ":" in a else socket.AF_INET
        raw = socket.inet_pton(family, a)
        scope = _SCOPE_LINK if raw[:2] == b"\xfe\x80" else _SCOPE_GLOBAL
        attr = struct.pack("=HH", 4 + len(raw), _IFA_LOCAL) + raw
        attr += struct.pack("=HH", 4 + len(raw), _IFA_ADDRESS) + raw
        messages.append(_message(
            _RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_EXCL,
            struct.pack("=BBBBi", family, len(raw) * 8,
                        _IFA_F_NODAD if family == socket.AF_INET6 else 0,
                        scope, LO_INDEX) + attr))
    for a, n in zip(addresses, _transact(messages)):
        if n not in (0, errno.EEXIST):
            raise OSError(n, f"address {a} on lo: {os.strerror(n)}")
