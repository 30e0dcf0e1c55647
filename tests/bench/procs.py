"""Processes as the kernel accounts for them: trees, CPU time, memory."""

import os

_TICK = os.sysconf("SC_CLK_TCK")


def _read(path):
    with open(path, "rb") as f:
        return f.read()


def _stat(pid):
    """The fields of /proc/PID/stat after the name; proc(5)."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def parents():
    """{pid: parent} of everything that can be seen."""
    out = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                out[int(name)] = int(_stat(name)[1])
            except OSError:
                pass	# it has ended since
    return out


def tree(root):
    """root and everything below it, parents before children."""
    children = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    out = [root]
    for pid in out:
        out.extend(sorted(children.get(pid, ())))
    return out


def name(pid):
    return _read(f"/proc/{pid}/comm").decode(errors="replace").strip()


def numbers(pid):
    """The process's pid in each pid namespace, from ours down."""
    for row in _read(f"/proc/{pid}/status").splitlines():
        if row.startswith(b"NSpid:"):
            return [int(x) for x in row.split()[1:]]
    return [pid]


def pin(pids, cpus):
    """Let these processes, threads included, run on these CPUs only."""
    for pid in pids:
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(tid), cpus)
        except (FileNotFoundError, ProcessLookupError):
            pass	# it has ended since


def cpu(pids):
    """{(pid, thread): (ns on a CPU, ns by the clock of ticks)} now."""
    out = {}
    for pid in pids:
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                spent = _read(f"/proc/{pid}/task/{tid}/schedstat").split()[0]
                out[pid, int(tid)] = int(spent)
            f = _stat(pid)
            out[pid, 0] = (int(f[11]) + int(f[12])) * 1_000_000_000 // _TICK
        except FileNotFoundError:
            pass
    return out


def cpu_between(before, after):
    """Nanoseconds of CPU that the processes of both snapshots spent.

    The scheduler's figure is exact but forgets threads that have ended; the
    other one counts them, in ticks.  Where they are far apart threads ended.
    """
    exact = ticks = 0
    for (pid, tid), spent in after.items():
        diff = spent - before.get((pid, tid), 0)
        if tid == 0:
            ticks += diff
        else:
            exact += diff
    return max(exact, ticks - 2 * 1_000_000_000 // _TICK)


def memory(pid):
    """(proportional, unique, how) bytes of a process.

    A process that is not dumpable shows its map to nobody but root; then the
    pages that are its own stand for both.
    """
    try:
        rows = dict(x.split(b":", 1) for x in
                    _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
        kb = {k: int(v.split()[0]) for k, v in rows.items()}
        return (kb[b"Pss"] * 1024, (kb[b"Private_Clean"]
                                    + kb[b"Private_Dirty"]) * 1024, "pss")
    except PermissionError:
        rows = dict(x.split(b":", 1) for x in
                    _read(f"/proc/{pid}/status").splitlines())
        anon = int(rows[b"RssAnon"].split()[0]) * 1024
        return anon, anon, "anon"


_KERNEL = (b"Slab", b"KernelStack", b"PageTables", b"SecPageTables", b"Percpu")


def machine():
    """(bytes the kernel holds for itself, bytes available) now."""
    rows = dict(x.split(b":", 1) for x in
                _read("/proc/meminfo").splitlines())
    kb = {k: int(v.split()[0]) for k, v in rows.items()}
    return (sum(kb.get(k, 0) for k in _KERNEL) * 1024,
            kb[b"MemAvailable"] * 1024)
