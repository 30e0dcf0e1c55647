"""without_landlock.py PROGRAM [ARG...]: runs it on a kernel that seems to have no Landlock.

The three calls fail with ENOSYS, in it and in all it starts; nothing else changes.
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
FIRST, LAST = 444, 446  # landlock_create_ruleset to landlock_restrict_self, on every architecture


def instruction(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)


class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("at", ctypes.c_void_p)]


FILTER = b"".join([
    instruction(0x20, 0, 0, 0),                            # the number
    instruction(0x35, 0, 2, FIRST),                        # below: allow
    instruction(0x25, 1, 0, LAST),                         # above: allow
    instruction(0x06, 0, 0, 0x00050000 | errno.ENOSYS),
    instruction(0x06, 0, 0, 0x7FFF0000),
])

libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(FILTER, len(FILTER))
program = Program(len(FILTER) // 8, ctypes.addressof(code))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
