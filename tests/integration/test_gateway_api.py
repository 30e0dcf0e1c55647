"""The contract, driven by another implementation: every method, every status, every caller."""
import hashlib
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import threading
import time

import grpc
import pytest

from gateway import READ_GITHUB
from grpcapi import METHODS, Code, dm, fails, local, sb, secure, sup, token, v1, wire
from harness import FILESYSTEM, STAGE, network, rest, until, upstream_requests

ZEN = "https://api.github.com/zen"
# Part of the contract, not served yet.
LATER = {"CreateSshSession", "RevokeSshSession", "GetInferenceBundle", "SetClusterInference", "GetClusterInference"}
ANYONE = {"Health"}
SANDBOX = {"ReportPolicyStatus", "PushSandboxLogs", "GetSandboxProviderEnvironment", "SubmitPolicyAnalysis",
           "GetInferenceBundle", "Attend", "Relay"}
EITHER = {"GetSandboxConfig", "UpdateConfig", "GetDraftPolicy"}


@pytest.fixture
def api(shared):
    client = secure(shared)
    yield client
    client.close()


def ready(api, name, policy=None, **spec):
    """Creates and waits for Ready through the API alone; the sandbox."""
    request = v1.CreateSandboxRequest(name=name, spec=dm.SandboxSpec(**spec))
    if policy is not None:
        request.spec.policy.CopyFrom(wire(policy))
    made = api.CreateSandbox(request).sandbox
    assert made.phase == dm.SANDBOX_PHASE_PROVISIONING and made.id and made.name
    for event in api.WatchSandbox(id=made.id, follow_status=True, follow_events=True, stop_on_terminal=True, timeout=30):
        if event.HasField("sandbox") and event.sandbox.phase == dm.SANDBOX_PHASE_READY:
            return event.sandbox
    raise AssertionError("the watch ended before Ready")


def run(api, sandbox_id, *command, **fields):
    out, err, code = b"", b"", None
    for event in api.ExecSandbox(sandbox_id=sandbox_id, command=command, **fields):
        assert code is None, "an event after exit"
        kind = event.WhichOneof("payload")
        if kind == "stdout":
            out += event.stdout.data
        elif kind == "stderr":
            err += event.stderr.data
        elif kind == "exit":
            code = event.exit.exit_code
    return code, out, err


def loaded(api, name, version):
    return until(lambda: (s := api.GetSandboxPolicyStatus(name=name, version=version)).revision.status
                 == v1.POLICY_STATUS_LOADED and s, 10, f"revision {version} loaded")


# --- the whole of it

def test_create_watch_exec_policy_logs_list_get_delete(shared, api):
    made = ready(api, "demo", {**READ_GITHUB, "network_policies": {}})
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made.id)
    assert made.name == "demo" and abs(made.created_at_ms / 1000 - time.time()) < 60
    code, out, err = run(api, made.id, "sh", "-c", "cat; echo err >&2; exit 7", stdin=b"in\0\xff")
    assert (code, out, err) == (7, b"in\0\xff", b"err\n")
    assert run(api, made.id, "curl", "-sS", ZEN)[0] == 56
    answer = api.UpdateConfig(v1.UpdateConfigRequest(name="demo", policy=wire(READ_GITHUB)))
    assert answer.version == 2 and re.fullmatch("[0-9a-f]{64}", answer.policy_hash)
    status = loaded(api, "demo", 2)
    assert status.active_version == 2 and status.revision.policy_hash == answer.policy_hash
    assert status.revision.policy.network_policies["test"].endpoints[0].host == "api.github.com"
    assert run(api, made.id, "curl", "-sSf", ZEN)[0] == 0
    logs = until(lambda: [x for x in api.GetSandboxLogs(sandbox_id=made.id).logs if "api.github.com" in str(x)], 5, "logs")
    assert {x.source for x in logs} == {"sandbox"} and {x.sandbox_id for x in logs} == {made.id}
    assert [s.name for s in api.ListSandboxes().sandboxes] == ["demo"]
    got = api.GetSandbox(name="demo").sandbox
    assert (got.id, got.phase, got.current_policy_version) == (made.id, dm.SANDBOX_PHASE_READY, 2)
    assert any(c.type == "Ready" and c.status == "True" for c in got.status.conditions), got.status
    assert api.DeleteSandbox(name="demo").deleted is True
    until(lambda: not api.ListSandboxes().sandboxes, 10, "an empty list")


def test_the_command_line_and_the_api_see_the_same(shared, api):
    made = ready(api, "demo", READ_GITHUB)
    assert shared.id_of("demo") == made.id
    assert shared.exec("demo", "echo", "hi").stdout == "hi\n"
    shared.create("other")
    assert {s.name for s in api.ListSandboxes().sandboxes} == {"demo", "other"}
    shared.delete("demo")
    fails(Code.NOT_FOUND, lambda: api.GetSandbox(name="demo"), "sandbox not found")


def test_interactive_exec_carries_input_sizes_and_signals(shared, api):
    made = ready(api, "demo")
    asks = [v1.ExecSandboxInput(start=v1.ExecSandboxRequest(sandbox_id=made.id, command=["cat"])),
            v1.ExecSandboxInput(stdin=b"one\n"), v1.ExecSandboxInput(stdin=b"two\n"), v1.ExecSandboxInput(stdin_eof=True)]
    events = list(api.ExecSandboxInteractive(iter(asks)))
    assert events[0].HasField("started") and events[-1].exit.exit_code == 0
    assert b"".join(e.stdout.data for e in events if e.HasField("stdout")) == b"one\ntwo\n"
    asks = [v1.ExecSandboxInput(start=v1.ExecSandboxRequest(
        sandbox_id=made.id, command=["sh", "-c", "stty size; read x; stty size"], tty=True, rows=10, cols=20)),
        v1.ExecSandboxInput(resize=v1.ExecSandboxResize(rows=30, cols=40)), v1.ExecSandboxInput(stdin=b"x\n")]
    out = b"".join(e.stdout.data for e in api.ExecSandboxInteractive(iter(asks)) if e.HasField("stdout"))
    assert b"30 40" in out, out
    asks = [v1.ExecSandboxInput(start=v1.ExecSandboxRequest(sandbox_id=made.id, command=["sleep", "100"])),
            v1.ExecSandboxInput(signal=15)]

    def slowly():
        yield asks[0]
        time.sleep(0.3)  # a signal to a command that runs; what it waits for has no event
        yield asks[1]
    last = list(api.ExecSandboxInteractive(slowly()))[-1]
    assert last.exit.exit_code == 143, last


def test_a_slow_reader_of_an_exec_holds_the_writer_and_loses_nothing(shared, api):
    made = ready(api, "demo")
    stream = api.ExecSandbox(sandbox_id=made.id, command=["sh", "-c", "head -c 50000000 /dev/zero; echo end"], timeout=60)
    total, tail = 0, b""
    gateway = shared.pid()
    for n, event in enumerate(stream):
        if n == 3:
            time.sleep(1)  # a reader that does something else
            rss = int(open(f"/proc/{gateway}/statm").read().split()[1]) * 4096
            assert rss < 150 << 20, rss
        if event.HasField("stdout"):
            total += len(event.stdout.data)
            tail = (tail + event.stdout.data)[-4:]
    assert total == 50000004 and tail == b"end\n"


def test_an_exec_that_is_cancelled_ends_inside(shared, api):
    made = ready(api, "demo")
    stream = api.ExecSandbox(sandbox_id=made.id, command=["sh", "-c", "echo up; exec sleep 4712"])
    for event in stream:
        if event.HasField("stdout"):
            break
    stream.cancel()
    until(lambda: b"sleep 4712" not in run(api, made.id, "sh", "-c", "for f in /proc/[0-9]*/cmdline; do"
          " tr '\\0' ' ' <$f; echo; done | grep '^sleep'; :")[1], 10, "the end of the command")


def test_watch_tells_progress_logs_and_the_end(shared, api):
    made = api.CreateSandbox(name="demo", spec=dm.SandboxSpec()).sandbox
    stream = api.WatchSandbox(id=made.id, follow_status=True, follow_logs=True, follow_events=True, timeout=30)
    phases, reasons = [], []
    for event in stream:
        if event.HasField("sandbox"):
            phases.append(event.sandbox.phase)
            if event.sandbox.phase == dm.SANDBOX_PHASE_READY:
                break
        elif event.HasField("event"):
            reasons.append(event.event.reason)
    assert phases[-1] == dm.SANDBOX_PHASE_READY
    run(api, made.id, "curl", "-sS", ZEN)
    for event in stream:
        if event.HasField("log") and "api.github.com" in str(event.log):
            break
    api.DeleteSandbox(name="demo")
    rest_of = list_until_end(stream)
    assert dm.SANDBOX_PHASE_DELETING in [e.sandbox.phase for e in rest_of if e.HasField("sandbox")]


def list_until_end(stream):
    events = []
    try:
        for event in stream:
            events.append(event)
    except grpc.RpcError as e:
        assert e.code() == Code.CANCELLED, e
    return events


def test_many_watchers_and_one_that_never_reads(shared, api):
    made = ready(api, "demo")
    idle = api.WatchSandbox(id=made.id, follow_logs=True, follow_status=True, timeout=60)
    next(idle)
    watchers = [api.WatchSandbox(id=made.id, follow_logs=True, log_tail_lines=1, timeout=60) for _ in range(50)]
    for w in watchers:
        assert next(w).HasField("sandbox")
    for w in watchers[1:]:
        w.cancel()
    # More than one that reads nothing can be owed: it is dropped, the one that reads has it all.
    said = [v1.SandboxLogLine(level="INFO", message="x" * 2000) for _ in range(100)]
    read = []
    reader = threading.Thread(target=lambda: read.extend(itertools.islice(
        (e for e in watchers[0] if e.HasField("log") and e.log.message in ("end", said[0].message)), 20001)))
    reader.start()
    me = local(shared, bearer=token(shared, made.id))
    for n in range(200):
        me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=made.id, logs=said)]))
        until(lambda n=n: len(read) >= (n + 1) * 100, 10, "the reader")
    me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=made.id, logs=[v1.SandboxLogLine(message="end")])]))
    me.close()
    reader.join(20)
    assert len(read) == 20001 and read[-1].log.message == "end"
    watchers[0].cancel()
    fails(Code.RESOURCE_EXHAUSTED, lambda: idle, "watch stream lagged")
    assert api.GetSandbox(name="demo").sandbox.phase == dm.SANDBOX_PHASE_READY


def test_log_filters(shared, api):
    made = ready(api, "demo", {**READ_GITHUB, "network_policies": {}})
    run(api, made.id, "sh", "-c", f"for i in 1 2 3; do curl -s {ZEN}; done")
    ask = lambda **f: list(api.GetSandboxLogs(sandbox_id=made.id, **f).logs)  # noqa: E731
    until(lambda: len([x for x in ask() if "api.github.com" in str(x)]) >= 1, 5, "lines")
    assert len(ask(lines=1)) == 1
    assert all(x.source == "sandbox" for x in ask(sources=["sandbox"])) and ask(sources=["sandbox"])
    assert {x.source or "gateway" for x in ask(sources=["gateway"])} <= {"gateway"}
    assert len(ask(sources=["gateway"])) + len(ask(sources=["sandbox"])) == len(ask())
    assert ask(since_ms=int(time.time() * 1000) + 60000) == []
    line = lambda level: v1.SandboxLogLine(level=level, message=f"of {level}")  # noqa: E731
    me = local(shared, bearer=token(shared, made.id))
    me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=made.id, logs=[line("INFO"), line("WARN"), line("ERROR")])]))
    me.close()
    assert {x.level.upper() for x in ask()} == {"INFO", "WARN", "ERROR"}
    assert {x.level.upper() for x in ask(min_level="warn")} == {"WARN", "ERROR"}
    assert {x.level.upper() for x in ask(min_level="error")} == {"ERROR"}
    assert api.GetSandboxLogs(sandbox_id=made.id).buffer_total == len(ask())
    assert not api.GetSandboxLogs(sandbox_id="11111111-1111-4111-8111-111111111111").logs


# --- a test a status of each method

def text_of(n):
    return "x" * n


CREATE_REFUSED = {
    "no spec": ({}, "spec is required"),
    "name too long": ({"spec": {}, "name": text_of(254)}, "name exceeds maximum length (254 > 253)"),
    "33 providers": ({"spec": {"providers": ["p"] * 33}}, "providers list exceeds maximum (33 > 32)"),
    "log level": ({"spec": {"log_level": text_of(33)}}, "log_level exceeds maximum length (33 > 32)"),
    "129 variables": ({"spec": {"environment": {f"K{i}": "" for i in range(129)}}}, "spec.environment exceeds maximum entries (129 > 128)"),
    "variable's name": ({"spec": {"environment": {text_of(257): ""}}}, "spec.environment key exceeds maximum length"),
    "variable's value": ({"spec": {"environment": {"K": text_of(8193)}}}, "spec.environment value exceeds maximum length"),
    "no variable's name": ({"spec": {"environment": {"1PATH": ""}}}, "environment keys must match"),
    "reserved variable": ({"spec": {"environment": {"OPENSHELL_SANDBOX_ID": "x"}}}, "OPENSHELL_"),
    "image": ({"spec": {"template": {"image": text_of(1025)}}}, "template.image exceeds maximum length"),
    "labels": ({"spec": {"template": {"labels": {f"k{i}": "" for i in range(129)}}}}, "template.labels exceeds maximum entries"),
    "upper case": ({"spec": {}, "name": "Demo"}, "Demo"),
    "a path": ({"spec": {}, "name": "../x"}, "name"),
    "shell": ({"spec": {}, "name": "a;rm -rf"}, "name"),
    "64 letters": ({"spec": {}, "name": text_of(64)}, "name"),
    "leading dash": ({"spec": {}, "name": "-x"}, "name"),
}


@pytest.mark.parametrize("case", CREATE_REFUSED)
def test_create_invalid_argument(shared, api, case):
    fields, text = CREATE_REFUSED[case]
    fails(Code.INVALID_ARGUMENT, lambda: api.CreateSandbox(**fields), text)
    assert list(api.ListSandboxes().sandboxes) == []


UNSAFE = {
    "root": ({"process": {"run_as_user": "root", "run_as_group": "root"}}, ["run_as_user must be 'sandbox', got 'root'", "run_as_group"]),
    "traversal": ({"filesystem_policy": {"read_only": ["/usr/../etc/shadow"]}}, ["traversal"]),
    "relative": ({"filesystem_policy": {"read_only": ["usr"]}}, ["path must be absolute"]),
    "broad": ({"filesystem_policy": {"read_write": ["/"]}}, ["read-write path is overly broad: /"]),
    "broad with a dot": ({"filesystem_policy": {"read_write": ["/."]}}, ["overly broad"]),
    "many": ({"filesystem_policy": {"read_only": [f"/{i}" for i in range(257)]}}, ["too many filesystem paths (257 > 256)"]),
    "long": ({"filesystem_policy": {"read_only": ["/" + "x" * 4097]}}, ["path exceeds maximum length (4098 > 4096)"]),
    "and bad rules": ({"process": {"run_as_user": "root"}, "network_policies": {
        "a": {"endpoints": [{"host": "*", "port": 443}], "binaries": [{"path": "/**"}]}}},
                      ["run_as_user", "\nL7 policy validation failed:\na.endpoints[0]: host wildcard"]),
    "two at once": ({"process": {"run_as_user": "root"}, "filesystem_policy": {"read_write": ["/"]}}, ["run_as_user", "overly broad"]),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_unsafe_policy_is_refused_by_create_and_update(shared, api, case):
    policy, texts = UNSAFE[case]
    request = v1.CreateSandboxRequest(name="bad", spec=dm.SandboxSpec(policy=wire(policy)))
    said = fails(Code.INVALID_ARGUMENT, lambda: api.CreateSandbox(request), "policy contains unsafe content: ")
    assert all(t in said for t in texts), said
    made = ready(api, "demo")
    said = fails(Code.INVALID_ARGUMENT, lambda: api.UpdateConfig(v1.UpdateConfigRequest(name="demo", policy=wire(policy))))
    assert all(t in said for t in texts) or "live sandbox" in said, said
    assert made.id


def test_invalid_network_rules_are_refused_before_they_are_stored(shared, api):
    ready(api, "demo", READ_GITHUB)
    bad = {**READ_GITHUB, "network_policies": {
        "a": {"endpoints": [{"host": "*", "port": 443}], "binaries": [{"path": "/**"}]},
        "b": {"endpoints": [{"host": "x.test", "port": 443, "protocol": "rest"}], "binaries": [{"path": "/**"}]}}}
    said = fails(Code.INVALID_ARGUMENT, lambda: api.UpdateConfig(v1.UpdateConfigRequest(name="demo", policy=wire(bad))))
    assert said == ("L7 policy validation failed:\n"
                    "a.endpoints[0]: host wildcard '*' matches all hosts; use specific patterns like '*.example.com'\n"
                    "b.endpoints[0]: protocol requires rules or access to define allowed traffic"), said
    assert [r.version for r in api.ListSandboxPolicies(name="demo").revisions] == [1]


def test_create_other_statuses(shared, api):
    ready(api, "demo")
    fails(Code.ALREADY_EXISTS, lambda: api.CreateSandbox(name="demo", spec=dm.SandboxSpec()), "sandbox 'demo' already exists")
    fails(Code.FAILED_PRECONDITION, lambda: api.CreateSandbox(spec=dm.SandboxSpec(providers=["nosuch"])), "provider 'nosuch' not found")
    big = v1.CreateSandboxRequest(spec=dm.SandboxSpec(environment={"K": "x" * (1 << 20)}))
    fails(Code.OUT_OF_RANGE, lambda: api.CreateSandbox(big), "decoded message length too large")
    fails(Code.INVALID_ARGUMENT, lambda: api.CreateSandbox(b"\xff\xff\xff"))
    fails(Code.INVALID_ARGUMENT, lambda: api.CreateSandbox(b"\x0a\x00\x12\x02\xff\xfe"))  # a name that is no UTF-8
    policy = wire(network(*[rest(f"h{i}.example.test") for i in range(250)]))
    for i in range(40):
        policy.network_policies[f"p{i}"].CopyFrom(policy.network_policies["test"])
    assert policy.ByteSize() > 262144
    fails(Code.INVALID_ARGUMENT, lambda: api.CreateSandbox(v1.CreateSandboxRequest(spec=dm.SandboxSpec(policy=policy))),
          "policy serialized size exceeds maximum")


def test_get_list_delete_statuses(shared, api):
    fails(Code.INVALID_ARGUMENT, lambda: api.GetSandbox(name=""), "name is required")
    fails(Code.NOT_FOUND, lambda: api.GetSandbox(name="nosuch"), "sandbox not found")
    fails(Code.INVALID_ARGUMENT, lambda: api.DeleteSandbox(name=""), "name is required")
    fails(Code.NOT_FOUND, lambda: api.DeleteSandbox(name="nosuch"), "sandbox not found")
    for i in range(5):
        api.CreateSandbox(name=f"s{i}", spec=dm.SandboxSpec())
    names = lambda **f: [s.name for s in api.ListSandboxes(**f).sandboxes]  # noqa: E731
    assert names() == [f"s{i}" for i in range(5)]
    assert names(limit=2, offset=1) == ["s1", "s2"]
    assert names(limit=2**32 - 1) == names() and names(offset=5) == []
    fails(Code.NOT_FOUND, lambda: api.GetSandbox(name="S0"))


def test_watch_statuses(shared, api):
    fails(Code.INVALID_ARGUMENT, lambda: api.WatchSandbox(id=""), "id is required")
    fails(Code.NOT_FOUND, lambda: api.WatchSandbox(id="nosuch"), "sandbox not found")
    made = ready(api, "demo")
    events = list(api.WatchSandbox(id=made.id, stop_on_terminal=True))
    assert [e.WhichOneof("payload") for e in events] == ["sandbox"]


def test_exec_statuses(shared, api):
    ask = lambda **f: (lambda: api.ExecSandbox(**f))  # noqa: E731
    fails(Code.INVALID_ARGUMENT, ask(), "sandbox_id is required")
    fails(Code.INVALID_ARGUMENT, ask(sandbox_id="x"), "command is required")
    fails(Code.NOT_FOUND, ask(sandbox_id="x", command=["true"]), "sandbox not found")
    made = ready(api, "demo")
    for fields, text in (({"environment": {"BAD-KEY": ""}}, "environment keys must match"),
                         ({"environment": {"": ""}}, "environment keys must match"),
                         ({"workdir": "x" * 4097}, "workdir"),
                         ({"command": ["a\0b"]}, "NUL"),
                         ({"command": ["x"] * 1025}, "1024 argument limit"),
                         ({"command": ["x" * 32769]}, "32768 byte limit"),
                         ({"environment": {"K": "x" * 32769}}, "environment value")):
        fails(Code.INVALID_ARGUMENT, ask(**{"sandbox_id": made.id, "command": ["true"], **fields}), text)
    fails(Code.OUT_OF_RANGE, ask(sandbox_id=made.id, command=["true"], stdin=b"x" * (1 << 20)))
    assert run(api, made.id, "sleep", "100", timeout_seconds=1)[0] == 124
    fails(Code.INVALID_ARGUMENT, lambda: api.ExecSandboxInteractive(iter([v1.ExecSandboxInput(stdin=b"x")])))
    fails(Code.DEADLINE_EXCEEDED, lambda: api.ExecSandbox(sandbox_id=made.id, command=["sleep", "100"], timeout=1))


def test_exec_before_ready_is_a_failed_precondition(shared, api):
    made = ready(api, "demo")
    os.kill(shared.keeper(made.id), signal.SIGKILL)
    until(lambda: api.GetSandbox(name="demo").sandbox.phase != dm.SANDBOX_PHASE_READY, 20, "no longer Ready")
    fails(Code.FAILED_PRECONDITION, lambda: api.ExecSandbox(sandbox_id=made.id, command=["true"]), "sandbox is not ready")
    got = api.GetSandbox(name="demo").sandbox
    said = [c for c in got.status.conditions if c.type == "Ready"]
    assert said and said[0].status == "False" and (said[0].reason or said[0].message), got


def test_update_config_statuses(shared, api):
    ask = lambda **f: (lambda: api.UpdateConfig(**f))  # noqa: E731
    policy = wire(READ_GITHUB)
    value = sb.SettingValue(string_value="x")
    ready(api, "demo", READ_GITHUB)
    fails(Code.INVALID_ARGUMENT, ask(name="demo", policy=policy, setting_key="k"),
          "policy and setting_key cannot be set in the same request")
    fails(Code.INVALID_ARGUMENT, ask(name="demo"), "either policy or setting_key must be provided")
    fails(Code.INVALID_ARGUMENT, ask(policy=policy), "name is required for sandbox-scoped updates")
    fails(Code.NOT_FOUND, ask(name="nosuch", policy=policy), "sandbox not found")
    fails(Code.INVALID_ARGUMENT, ask(name="demo", setting_key="policy", setting_value=value), "reserved key 'policy'")
    fails(Code.INVALID_ARGUMENT, ask(name="demo", setting_key="nosuch", setting_value=value), "unknown setting key")
    fails(Code.INVALID_ARGUMENT, ask(policy=policy, delete_setting=True, **{"global": True}),
          "delete_setting cannot be combined with policy payload")
    fails(Code.INVALID_ARGUMENT, ask(setting_key="policy", setting_value=value, **{"global": True}),
          "reserved key 'policy' must be set via the policy field")
    fails(Code.INVALID_ARGUMENT, ask(setting_key="nosuch", setting_value=value, **{"global": True}), "unknown setting key")
    static = {
        "landlock policy cannot be changed": {**READ_GITHUB, "landlock": {"compatibility": "hard_requirement"}},
        "include_workdir cannot be changed": {**READ_GITHUB, "filesystem_policy": {**FILESYSTEM, "include_workdir": False}},
        "read_only path '/usr' cannot be removed": {**READ_GITHUB, "filesystem_policy": {**FILESYSTEM, "read_only": FILESYSTEM["read_only"][1:]}},
        "read_write path '/tmp' cannot be removed": {**READ_GITHUB, "filesystem_policy": {**FILESYSTEM, "read_write": ["/dev/null"]}},
        "filesystem policy cannot be removed": {k: v for k, v in READ_GITHUB.items() if k != "filesystem_policy"},
    }
    for text, changed in static.items():
        fails(Code.INVALID_ARGUMENT, ask(name="demo", policy=wire(changed)), text)
    same = api.UpdateConfig(name="demo", policy=policy)
    assert same.version == 1
    more = wire({**READ_GITHUB, "filesystem_policy": {**FILESYSTEM, "read_only": [*FILESYSTEM["read_only"], "/opt"]}})
    assert api.UpdateConfig(name="demo", policy=more).version == 2


def test_policy_status_and_list_statuses(shared, api):
    fails(Code.INVALID_ARGUMENT, lambda: api.GetSandboxPolicyStatus(name=""), "name is required")
    fails(Code.NOT_FOUND, lambda: api.GetSandboxPolicyStatus(name="nosuch"), "sandbox not found")
    fails(Code.INVALID_ARGUMENT, lambda: api.ListSandboxPolicies(name=""), "name is required")
    fails(Code.NOT_FOUND, lambda: api.ListSandboxPolicies(name="nosuch"), "sandbox not found")
    ready(api, "demo", READ_GITHUB)
    fails(Code.NOT_FOUND, lambda: api.GetSandboxPolicyStatus(name="demo", version=99), "no policy revision found for this sandbox")
    assert api.GetSandboxPolicyStatus(name="demo").revision.version == 1
    rows = api.ListSandboxPolicies(name="demo").revisions
    assert [r.version for r in rows] == [1] and not rows[0].HasField("policy")


def test_config_and_settings_reads(shared, api):
    fails(Code.NOT_FOUND, lambda: api.GetSandboxConfig(sandbox_id="nosuch"), "sandbox not found")
    made = ready(api, "demo", READ_GITHUB)
    got = api.GetSandboxConfig(sandbox_id=made.id)
    assert got.version == 1 and got.policy_source == sb.POLICY_SOURCE_SANDBOX
    assert got.policy.process.run_as_user == "sandbox"
    assert set(api.GetGatewayConfig().settings) == set(got.settings)
    again = api.GetSandboxConfig(sandbox_id=made.id)
    assert again.config_revision == got.config_revision
    api.UpdateConfig(name="demo", policy=wire(network(rest("a.example.test"))))
    assert api.GetSandboxConfig(sandbox_id=made.id).config_revision != got.config_revision


# The restrictive default; the hash is that of the reference, computed from its definition.
RESTRICTIVE = {"version": 1, "filesystem_policy": {
    "include_workdir": True, "read_only": ["/usr", "/lib", "/proc", "/dev/urandom", "/app", "/etc", "/var/log"],
    "read_write": ["/sandbox", "/tmp", "/dev/null"]}, "landlock": {"compatibility": "best_effort"},
    "process": {"run_as_user": "sandbox", "run_as_group": "sandbox"}}


def fingerprint(c):
    """The config_revision of gateway-api 4.7, of what nobody has set."""
    h = hashlib.sha256(struct.pack("<i", c.policy_source) + c.policy_hash.encode())
    for key in sorted(c.settings):
        assert not c.settings[key].HasField("value")
        h.update(key.encode() + struct.pack("<i", c.settings[key].scope))
    return int.from_bytes(h.digest()[:8], "little")


def test_policy_hash_is_the_references(shared, api):
    made = api.CreateSandbox(v1.CreateSandboxRequest(name="demo", spec=dm.SandboxSpec(policy=wire(RESTRICTIVE)))).sandbox
    got = api.GetSandboxConfig(sandbox_id=made.id)
    assert got.policy_hash == "21ca0b7c8c0ee3fe71660bb18960bdb2d572b6904f6a22338eba727ca26add43"
    assert fingerprint(got) == got.config_revision
    p = wire(RESTRICTIVE)
    h = hashlib.sha256(struct.pack("<I", 1))
    for part in (p.filesystem, p.landlock, p.process):
        h.update(part.SerializeToString())
    assert h.hexdigest() == got.policy_hash


def test_later_methods_are_unimplemented_and_unknown_ones_too(shared, api):
    for path, (kind, ask, _) in METHODS.items():
        name = path.rpartition("/")[2]
        if name in LATER - SANDBOX:
            fails(Code.UNIMPLEMENTED, lambda name=name: api.call(name))
    raw = api.channel.unary_unary("/openshell.v1.OpenShell/Nosuch")
    fails(Code.UNIMPLEMENTED, lambda: raw(b"", timeout=10))
    raw = api.channel.unary_unary("/nosuch.Service/Method")
    fails(Code.UNIMPLEMENTED, lambda: raw(b"", timeout=10))


def test_a_deadline_and_a_cancellation_free_what_they_hold(shared, api):
    made = ready(api, "demo")
    fails(Code.DEADLINE_EXCEEDED, lambda: api.WatchSandbox(id=made.id, follow_logs=True, timeout=0.5))
    # A connection has a hundred streams and a sandbox 60 commands: more of each come one after the other.
    for _ in range(5):
        calls = [api.WatchSandbox(id=made.id, follow_logs=True) for _ in range(30)]
        for c in calls:
            assert next(c).HasField("sandbox")
            c.cancel()
    for _ in range(4):
        calls = [api.ExecSandbox(sandbox_id=made.id, command=["sleep", "1000"]) for _ in range(20)]
        for c in calls:
            assert next(c).HasField("started")
            c.cancel()
        until(lambda: run(api, made.id, "sh", "-c", "cat /proc/[0-9]*/comm | grep -cx -e sleep -e cat")[1] == b"1\n", 10,
              "the end of the commands, by a look that sees itself")
    assert run(api, made.id, "echo", "here")[1] == b"here\n"


# --- who may call what (6.4), from outside

def classify(call):
    """OK or the status, however far the call gets."""
    try:
        answer = call()
        if hasattr(answer, "__next__"):
            next(answer, None)
            answer.cancel()
        return None
    except grpc.RpcError as e:
        return e.code()


def requests_of(path):
    (ins, _), ask, _ = METHODS[path]
    return iter(()) if ins else ask()


def test_without_a_certificate_nothing_but_health(shared):
    """The handshake refuses; where it did not, the table would."""
    client = secure(shared)
    assert client.Health().status == v1.SERVICE_STATUS_HEALTHY  # two-sided: the same way, with one
    client.close()
    client = secure(shared, cert=False)
    for path in METHODS:
        name = path.rpartition("/")[2]
        got = classify(lambda path=path, name=name: client.call(name, requests_of(path), 5, (), path.split("/")[1]))
        if name in ANYONE:
            assert got in (None, Code.UNAVAILABLE, Code.UNAUTHENTICATED), (name, got)
        else:
            assert got in (Code.UNAVAILABLE, Code.UNAUTHENTICATED), (name, got)
    client.close()


def test_a_bearer_that_is_no_sandboxs_is_nobody(shared):
    for make in (local, secure):
        for bad in ("x" * 64, "0" * 64, "openshell"):
            client = make(shared, bearer=bad)
            for path in METHODS:
                name = path.rpartition("/")[2]
                if name in ANYONE:
                    continue
                got = classify(lambda path=path, name=name: client.call(name, requests_of(path), 5, (), path.split("/")[1]))
                assert got == Code.UNAUTHENTICATED, (name, got)
            client.close()


def test_the_user_may_not_speak_as_a_sandbox(shared, api):
    made = ready(api, "demo")
    for client in (api, local(shared)):
        assert client.ListSandboxes().sandboxes
        fails(Code.PERMISSION_DENIED, lambda: client.ReportPolicyStatus(
            sandbox_id=made.id, version=1, status=v1.POLICY_STATUS_LOADED))
        fails(Code.PERMISSION_DENIED, lambda: client.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=made.id)])))
        fails(Code.PERMISSION_DENIED, lambda: client.Attend(iter([sup.Up(hello=sup.Hello(sandbox_id=made.id))])))
        fails(Code.PERMISSION_DENIED, lambda: client.Relay(iter([sup.RelayUp(relay_id="0" * 32)])))
        for name in ("GetSandboxProviderEnvironment", "SubmitPolicyAnalysis", "GetInferenceBundle"):
            assert classify(lambda name=name: client.call(name)) == Code.PERMISSION_DENIED, name


def test_a_sandbox_may_do_its_own_and_nothing_else(shared, api):
    mine = ready(api, "mine", READ_GITHUB)
    other = ready(api, "other", READ_GITHUB)
    me = local(shared, bearer=token(shared, mine.id))
    for path in METHODS:
        name = path.rpartition("/")[2]
        if name in ANYONE | SANDBOX | EITHER:
            continue
        got = classify(lambda path=path, name=name: me.call(name, requests_of(path), 5, (), path.split("/")[1]))
        assert got == Code.PERMISSION_DENIED, (name, got)
    assert me.Health().status == v1.SERVICE_STATUS_HEALTHY
    # Its own.
    assert me.GetSandboxConfig(sandbox_id=mine.id).version == 1
    line = v1.SandboxLogLine(level="INFO", target="test", message="pushed", source="gateway", sandbox_id=other.id)
    me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=mine.id, logs=[line])]))
    got = [x for x in api.GetSandboxLogs(sandbox_id=mine.id).logs if x.message == "pushed"]
    assert [(x.source, x.sandbox_id) for x in got] == [("sandbox", mine.id)]
    # Another's: refused, and recorded.
    fails(Code.PERMISSION_DENIED, lambda: me.GetSandboxConfig(sandbox_id=other.id))
    fails(Code.PERMISSION_DENIED, lambda: me.ReportPolicyStatus(sandbox_id=other.id, version=1, status=v1.POLICY_STATUS_FAILED))
    fails(Code.PERMISSION_DENIED, lambda: me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=other.id, logs=[line])])))
    fails(Code.PERMISSION_DENIED, lambda: me.PushSandboxLogs(iter([
        v1.PushSandboxLogsRequest(sandbox_id=mine.id), v1.PushSandboxLogsRequest(sandbox_id=other.id, logs=[line])])))
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(name="other", policy=wire(READ_GITHUB)))
    fails(Code.PERMISSION_DENIED, lambda: me.Attend(iter([sup.Up(hello=sup.Hello(sandbox_id=other.id, protocol=1))])))
    assert "pushed" not in [x.message for x in api.GetSandboxLogs(sandbox_id=other.id).logs]
    assert api.GetSandboxPolicyStatus(name="other").revision.status == v1.POLICY_STATUS_LOADED
    recorded = (shared.state / "logs/server.log").read_text()
    assert mine.id in recorded and other.id in recorded
    assert any(mine.id in line and other.id in line for line in recorded.splitlines()), recorded[-2000:]
    # Widening itself.
    wide = wire(network(rest("api.github.com", access="full")))
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(name="mine", policy=wide))
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(policy=wide, **{"global": True}))
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(name="mine", setting_key="x", setting_value=sb.SettingValue(int_value=1)))
    # Taking back what its owner took away; what only adds to the file system is its own affair.
    api.UpdateConfig(name="mine", policy=wire({**READ_GITHUB, "network_policies": {}}))
    loaded(api, "mine", 2)
    fails(Code.PERMISSION_DENIED, lambda: me.UpdateConfig(name="mine", policy=wire(READ_GITHUB)))
    more = {**READ_GITHUB, "filesystem_policy": {**FILESYSTEM, "read_only": [*FILESYSTEM["read_only"], "/opt"]}, "network_policies": {}}
    assert me.UpdateConfig(name="mine", policy=wire(more)).version == 3
    # The other one never noticed.
    assert api.GetSandbox(name="other").sandbox.phase == dm.SANDBOX_PHASE_READY
    assert run(api, other.id, "echo", "here")[1] == b"here\n"
    me.close()


def test_a_deleted_sandboxs_token_is_worth_nothing(shared, api):
    made = ready(api, "demo")
    kept = token(shared, made.id)
    api.DeleteSandbox(name="demo")
    until(lambda: not api.ListSandboxes().sandboxes, 10, "gone")
    me = local(shared, bearer=kept)
    fails(Code.UNAUTHENTICATED, lambda: me.GetSandboxConfig(sandbox_id=made.id))
    me.close()


def test_status_reports_of_a_sandbox(shared, api):
    made = ready(api, "demo", READ_GITHUB)
    me = local(shared, bearer=token(shared, made.id))
    ask = lambda **f: (lambda: me.ReportPolicyStatus(**f))  # noqa: E731
    fails(Code.INVALID_ARGUMENT, ask(version=1, status=v1.POLICY_STATUS_LOADED), "sandbox_id is required")
    fails(Code.INVALID_ARGUMENT, ask(sandbox_id=made.id, status=v1.POLICY_STATUS_LOADED), "version is required")
    fails(Code.INVALID_ARGUMENT, ask(sandbox_id=made.id, version=1), "status must be LOADED or FAILED")
    fails(Code.NOT_FOUND, ask(sandbox_id=made.id, version=99, status=v1.POLICY_STATUS_LOADED), "policy revision not found")
    api.UpdateConfig(name="demo", policy=wire(network(rest("a.example.test"))))
    loaded(api, "demo", 2)
    # A late report of an old revision does not bring it back.
    assert classify(ask(sandbox_id=made.id, version=1, status=v1.POLICY_STATUS_LOADED)) is None
    assert api.GetSandbox(name="demo").sandbox.current_policy_version == 2
    assert {r.version: r.status for r in api.ListSandboxPolicies(name="demo").revisions} == {
        1: v1.POLICY_STATUS_SUPERSEDED, 2: v1.POLICY_STATUS_LOADED}
    me.close()


# --- HTTP on the same port

def curl(g, path, *more):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", g.bundle / "ca.crt", "-w", "\n%{http_code}",
                           f"https://127.0.0.1:{g.port}{path}", *more], capture_output=True, text=True, timeout=20)
    body, _, code = done.stdout.rpartition("\n")
    return code, body, done


def test_health_over_http_on_the_same_port(shared):
    pair = ["--cert", shared.bundle / "tls.crt", "--key", shared.bundle / "tls.key"]
    for path in ("/health", "/healthz"):
        code, body, done = curl(shared, path, "--http1.1", *pair)
        assert (code, body) == ("200", ""), done
    code, body, done = curl(shared, "/readyz", *pair)
    answer = json.loads(body)
    assert code == "200" and answer["status"] == "healthy" and answer["version"], done
    assert curl(shared, "/nosuch", "--http1.1", *pair)[0] == "404"
    assert curl(shared, "/healthz", "--http1.1", "-X", "POST", "-d", "x", *pair)[0] == "405"
    assert curl(shared, "/healthz", "--http1.1")[0] in ("000", "200")  # refused in the handshake, or open to anyone


# --- the policy files of the specification apply unchanged

POLICIES = sorted((STAGE / "tests/integration/policies").glob("*.yaml"))


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: p.stem)
def test_a_policy_of_the_specification_applies_unchanged(shared, path):
    g = shared
    check = g.ok("policy", "check", path)
    g.ok("sandbox", "create", "--name", "demo", "--policy", path, "--", "true")
    g.wait_phase("demo", "ready")
    newest = g.json("policy", "get", "demo")
    assert newest["status"].lower() == "loaded", (newest, check)
    assert g.exec("demo", "true").code == 0
    assert upstream_requests("nothing.example.test") == []


# --- providers (gateway-api 4.5, inference-and-providers 2.8) ---


def provider(name="", kind="gitlab", config=None, **credentials):
    return dm.Provider(name=name, type=kind, credentials=credentials, config=config or {})


def test_providers_by_the_contract(api):
    made = api.CreateProvider(provider=provider("p", " GLAB ", {"region": "x"}, API_TOKEN="one\n", SECONDARY="two")).provider
    assert made.id and made.name == "p" and made.type == "gitlab"
    assert dict(made.credentials) == {"API_TOKEN": "REDACTED", "SECONDARY": "REDACTED"} and made.config["region"] == "x"
    fails(Code.ALREADY_EXISTS, lambda: api.CreateProvider(provider=provider("p", A="b")), "provider already exists")
    assert api.GetProvider(name="p").provider == made
    assert [x.name for x in api.ListProviders().providers] == ["p"]
    same = api.UpdateProvider(provider=dm.Provider(name="p")).provider
    assert same == made
    got = api.UpdateProvider(provider=provider("p", "GitLab", {"region": ""}, SECONDARY="", NEW="x")).provider
    assert set(got.credentials) == {"API_TOKEN", "NEW"} and not got.config and got.id == made.id and got.type == "gitlab"
    fails(Code.INVALID_ARGUMENT, lambda: api.UpdateProvider(provider=provider("p", "openai", A="b")), "type cannot be changed")
    fails(Code.INVALID_ARGUMENT, lambda: api.UpdateProvider(provider=provider("p", "", A="REDACTED")), "not a credential")
    assert api.DeleteProvider(name="p").deleted is True and api.DeleteProvider(name="p").deleted is False
    fails(Code.NOT_FOUND, lambda: api.GetProvider(name="p"), "provider not found")
    assert len(api.CreateProvider(provider=provider(A="b")).provider.name) == 6
    for p in api.ListProviders().providers:
        api.DeleteProvider(name=p.name)


@pytest.mark.parametrize("asked, said", [
    (None, "provider is required"),
    (provider("p", " ", A="b"), "provider.type is required"),
    (provider("p"), "provider.credentials must not be empty"),
    (provider("n" * 254, A="b"), "provider.name exceeds maximum length (254 > 253)"),
    (provider("p", "t" * 65, A="b"), "provider.type exceeds maximum length (65 > 64)"),
    (provider("p", **{f"K{i}": "v" for i in range(33)}), "provider.credentials exceeds maximum entries (33 > 32)"),
    (provider("p", config={f"K{i}": "v" for i in range(65)}, A="b"), "provider.config exceeds maximum entries (65 > 64)"),
    (provider("p", **{"K" * 257: "v"}), "provider.credentials key exceeds maximum length"),
    (provider("p", A="v" * 8193), "provider.credentials value exceeds maximum length"),
    (provider("p", **{"nested.key": "v"}), "must match"),
    (provider("p", **{"bad-key": "v"}), "must match"),
    (provider("p", A="a\nb"), "several lines"),
    (provider("p", A=""), "is empty"),
    (provider("p", LD_PRELOAD="x"), "is reserved"),
    (provider("p/q", A="x"), "invalid provider name"),
])
def test_what_is_no_provider(api, asked, said):
    fails(Code.INVALID_ARGUMENT, lambda: api.CreateProvider(provider=asked), said)
    assert not api.ListProviders().providers


def test_the_environment_of_a_sandbox_is_its_own(shared, api):
    api.CreateProvider(provider=provider("a" * 253, SHARED="first", ONE="1"))
    api.CreateProvider(provider=provider("b", SHARED="second", TWO="2"))
    mine = ready(api, "mine", providers=["a" * 253, "b"])
    other = ready(api, "other")
    me, it = (local(shared, bearer=token(shared, x.id)) for x in (mine, other))
    assert dict(me.GetSandboxProviderEnvironment(sandbox_id=mine.id).environment) == {"SHARED": "first", "ONE": "1", "TWO": "2"}
    assert not it.GetSandboxProviderEnvironment(sandbox_id=other.id).environment
    fails(Code.PERMISSION_DENIED, lambda: it.GetSandboxProviderEnvironment(sandbox_id=mine.id), "another sandbox's")
    code, out, _ = run(api, mine.id, "sh", "-c", "echo $SHARED $ONE $TWO")
    assert code == 0 and out.split() == [f"openshell:resolve:env:{k}".encode() for k in ("SHARED", "ONE", "TWO")]
    for p in api.ListProviders().providers:
        api.DeleteProvider(name=p.name, force=True)
    for client in (me, it):
        client.close()
