"""without.py WHAT PROGRAM [ARG...]: runs it on a kernel that seems to have no WHAT: landlock, nf_tables,
seccomp_listener.

Its system calls fail as they do there, in PROGRAM and in all it starts; nothing else changes.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
FIRST, LAST = 444, 446  # landlock_create_ruleset to landlock_restrict_self, on every architecture
SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
SECCOMP, NEW_LISTENER = {"x86_64": 317, "aarch64": 277}[platform.machine()], 8
AF_NETLINK, NETLINK_NETFILTER = 16, 12
LOAD, EQUAL, AT_LEAST, ABOVE, RETURN = 0x20, 0x15, 0x35, 0x25, 0x06
NUMBER, FAMILY, FLAGS, PROTOCOL = 0, 16, 24, 32  # offsets in struct seccomp_data, of the low halves
ALLOW, FAIL = 0x7FFF0000, 0x00050000


def instruction(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)


FILTERS = {
    "landlock": [
        instruction(LOAD, 0, 0, NUMBER),
        instruction(AT_LEAST, 0, 2, FIRST),
        instruction(ABOVE, 1, 0, LAST),
        instruction(RETURN, 0, 0, FAIL | errno.ENOSYS),
        instruction(RETURN, 0, 0, ALLOW),
    ],
    "nf_tables": [
        instruction(LOAD, 0, 0, NUMBER),
        instruction(EQUAL, 0, 5, SOCKET),
        instruction(LOAD, 0, 0, FAMILY),
        instruction(EQUAL, 0, 3, AF_NETLINK),
        instruction(LOAD, 0, 0, PROTOCOL),
        instruction(EQUAL, 0, 1, NETLINK_NETFILTER),
        instruction(RETURN, 0, 0, FAIL | errno.EPROTONOSUPPORT),
        instruction(RETURN, 0, 0, ALLOW),
    ],
    "seccomp_listener": [
        instruction(LOAD, 0, 0, NUMBER),
        instruction(EQUAL, 0, 3, SECCOMP),
        instruction(LOAD, 0, 0, FLAGS),
        instruction(EQUAL, 0, 1, NEW_LISTENER),
        instruction(RETURN, 0, 0, FAIL | errno.EINVAL),
        instruction(RETURN, 0, 0, ALLOW),
    ],
}


class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("at", ctypes.c_void_p)]


rules = FILTERS[sys.argv[1]]
libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(b"".join(rules))
program = Program(len(rules), ctypes.addressof(code))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[2], sys.argv[2:])
