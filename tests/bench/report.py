"""Printing what was measured: a table for people, JSON for machines."""

import json
import os

from .figures import OPENSHELL, SECTIONS

_OTHER = "reference (measured elsewhere)"


def machine(load):
    with open("/proc/cpuinfo") as f:
        model = next((x.split(":", 1)[1].strip() for x in f
                      if x.startswith("model name")), "unknown")
    return {"cpus": len(os.sched_getaffinity(0)), "cpu": model,
            "kernel": os.uname().release, "uid": os.getuid(),
            "load_before": load[0], "load_after": load[1]}


def as_json(out, plan, host):
    figures = []
    for _, _, rows in SECTIONS:
        for f in rows:
            got = dict(out.values.get(f.key, {}))
            mine = got.pop(OPENSHELL, None)
            figures.append({
                "id": f.key, "what": f.what, "unit": f.unit,
                OPENSHELL: mine, "split": out.split.get(f.key, {}),
                "also": out.also.get(f.key, {}),
                "goal": f.goal[1] if f.goal else None,
                "met": None if mine is None else f.met(mine),
                "by_nginx": f.there(mine, got.get("nginx")),
                "peers": got, "elsewhere": f.other or None})
    return json.dumps({"version": 1, "machine": host, "rounds": plan.rounds,
                       "span_ms": plan.span, "figures": figures,
                       "remarks": out.remarks, "failed": out.failed},
                      indent=1)


def table(out, plan, host):
    lines = [f"{host['cpus']} CPUs ({host['cpu']}), Linux {host['kernel']}, "
             f"uid {host['uid']}, load {host['load_before']:.2f} before and "
             f"{host['load_after']:.2f} after",
             f"medians of {plan.rounds} round(s) of {plan.span} ms each"]
    missed, unknown, empty = [], [], []
    for title, beside, rows in SECTIONS:
        title = title.format(idle=plan.idle)
        if not any(out.values.get(f.key) for f in rows):
            empty.append(title)
            continue
        lines += ["", title]
        head = ["", OPENSHELL, "goal", "", *beside, _OTHER]
        body = []
        for f in rows:
            got = out.values.get(f.key, {})
            mine = got.get(OPENSHELL)
            verdict = ""
            if f.goal:
                verdict = ("not measured" if mine is None else
                           "met" if f.met(mine) else "MISSED")
                if verdict == "MISSED":
                    missed.append(f"{f.what}: {f.show(mine)} {f.unit}, "
                                  f"goal {f.goal[1]:,}"
                                  + _there(f, mine, got))
                elif mine is None:
                    unknown.append(f.what)
            body.append([f"{f.what} [{f.unit}]", _cell(f, mine),
                         f"{f.goal[0]} {f.goal[1]:,}" if f.goal else "",
                         verdict, *(_cell(f, got.get(b)) for b in beside),
                         f.other])
            for word, more in (("of which", out.split), ("also:", out.also)):
                parts = [f"{name} {f.show(v)}" for name, v
                         in sorted(more.get(f.key, {}).items()) if v > 0]
                if parts:
                    body.append([f"  {word} " + ", ".join(parts)])
        lines += _align(head, body)
    lines.append("")
    lines += ["goals missed: " + str(len(missed))] + \
        ["  " + m for m in missed]
    if unknown:
        lines += [f"goals not measured: {len(unknown)}"] + \
            ["  " + u for u in unknown]
    if empty:
        lines += ["nothing measured of:"] + ["  " + x for x in empty]
    if out.remarks:
        lines += ["remarks:"] + ["  " + x for x in out.remarks]
    if out.failed:
        lines += ["could not be measured:"] + ["  " + x for x in out.failed]
    return "\n".join(lines) + "\n"


def _there(f, mine, got):
    """The same, as where the goal was set: told by nginx in this run."""
    value = f.there(mine, got.get("nginx"))
    if value is None:
        return ""
    word = "met" if f.met(value) else "missed"
    return f" (where nginx takes {f.nginx}: {f.show(value)}, {word})"


def _cell(figure, value):
    return "-" if value is None else figure.show(value)


def _align(head, body):
    full = [r for r in body if len(r) == len(head)]
    wide = [max(len(r[i]) for r in [head, *full]) for i in range(len(head))]
    wide[0] = max(wide[0], 42)
    wide[1] = max(wide[1], 10)
    out = []
    for r in [head, *body]:
        if len(r) != len(head):
            out.append("  " + r[0])
            continue
        cells = [r[0].ljust(wide[0])]
        last = len(r) - 1
        for i in range(1, len(r)):
            cells.append(r[i].ljust(wide[i]) if i in (3, last)
                         else r[i].rjust(wide[i]))
        out.append(("  " + "  ".join(cells)).rstrip())
    return out
