"""Every status that every method of the gateway can end with: a row each, and no row is missing."""
import contextlib
import os
import pathlib
import queue
import re
import resource
import signal

import grpc
import pytest

from gateway import READ_GITHUB
from grpcapi import METHODS, Code, dm, fails, local, sb, secure, sup, token, v1, wire
from harness import STAGE, network, rest, until
from minting import minting_parts

SOURCES = STAGE / "src/gateway"
NOBODY = "11111111-1111-4111-8111-111111111111"


class World:
    """A user, a sandbox and what it dials with."""

    def __init__(self, g):
        self.g, self.n = g, 0
        self.api = secure(g)
        self.clients = [self.api]
        self.name, self.id, self.me = self.fresh()
        self.stopped = []

    def fresh(self):
        """Another one: (name, id, a client that is it)."""
        self.n += 1
        name = f"s{self.n}"
        self.g.create(name, policy=READ_GITHUB)
        identity = self.g.id_of(name)
        me = local(self.g, bearer=token(self.g, identity))
        self.clients.append(me)
        return name, identity, me

    def dead(self):
        """The id of one that is not Ready."""
        name, identity, _ = self.fresh()
        os.kill(self.g.keeper(identity), signal.SIGKILL)
        self.g.wait_phase(name, "error")
        return identity

    def deaf(self):
        """One whose keeper hears nothing: (id, a client that is it)."""
        _, identity, me = self.fresh()
        self.stopped.append(self.g.keeper(identity))
        os.kill(self.stopped[-1], signal.SIGSTOP)
        return identity, me

    @contextlib.contextmanager
    def full_disk(self):
        """The gateway can write no byte of a file."""
        pid = self.g.pid()
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    def close(self):
        for pid in self.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for client in self.clients:
            client.close()


@pytest.fixture
def world(shared):
    w = World(shared)
    yield w
    w.close()


class Asks:
    """Messages as they are put; the stream ends with None."""

    def __init__(self, *first):
        self.q = queue.Queue()
        for m in first:
            self.q.put(m)

    def __iter__(self):
        return iter(self.q.get, None)


def ends(call):
    """Reads a stream to its end, or takes the answer."""
    if hasattr(call, "__next__"):
        list(call)


def hello(identity, **more):
    return sup.Up(hello=sup.Hello(**{"sandbox_id": identity, "protocol": 1, "state": sup.State(phase=sup.PHASE_ISOLATED), **more}))


def start(identity, *command):
    return v1.ExecSandboxInput(start=v1.ExecSandboxRequest(sandbox_id=identity, command=command or ["true"]))


def chunk(host, name="allow_it"):
    """What a sandbox proposes: curl to that host."""
    rule = sb.NetworkPolicyRule(endpoints=[sb.NetworkEndpoint(host=host, port=443)],
                                binaries=[sb.NetworkBinary(path="/usr/bin/curl")])
    return v1.PolicyChunk(rule_name=name, proposed_rule=rule)


def proposed(w):
    """The id of a new proposal of the first sandbox."""
    w.n += 1
    r = w.me.SubmitPolicyAnalysis(name=NAME, proposed_chunks=[chunk(f"h{w.n}.example.test")])
    assert not r.rejected_chunks, r
    return r.accepted_chunk_ids[0]


def on_full_disk(w, call):
    with w.full_disk():
        call()


def under_global(w, call):
    """While there is a policy of every sandbox."""
    w.api.UpdateConfig(policy=wire(READ_GITHUB), **{"global": True})
    try:
        call()
    finally:
        w.api.UpdateConfig(setting_key="policy", delete_setting=True, **{"global": True})


def undeletable(w):
    """Deeper than a driver of ours ever made it."""
    name, identity, _ = w.fresh()
    top = w.g.sandbox_dir(identity) / "x"
    (top / "/".join("abcdefghijkl")).mkdir(parents=True)
    try:
        w.api.DeleteSandbox(name=name)
    finally:
        os.rename(top, w.g.home / "undeletable")
        w.g.delete(name)


def both(plain, interactive):
    """Rows of a command: asked whole, and by messages."""
    return {"ExecSandbox": plain, "ExecSandboxInteractive": interactive}


def too_many(w, ask):
    identity, _ = w.deaf()
    first = [w.api.ExecSandbox(sandbox_id=identity, command=["true"]) for _ in range(64)]
    try:
        ends(ask(identity))
    finally:
        for call in first:
            call.cancel()


def cut_off(w, ask):
    _, identity, _ = w.fresh()
    for event in ask(identity):
        if event.HasField("stdout"):
            os.kill(w.g.keeper(identity), signal.SIGKILL)


def gone_meanwhile(w, first, then, method):
    """The sandbox is deleted while its own call is open."""
    name, identity, me = w.fresh()

    def asks():
        yield from first(identity)
        w.g.delete(name)
        yield then(identity)
    ends(getattr(me, method)(asks()))


def taken_over(w):
    """Its real supervisor comes back, and is the newer one."""
    asks = Asks(hello(w.id))
    try:
        ends(w.me.Attend(iter(asks)))
    finally:
        asks.q.put(None)


def relayed(w, then):
    """As the supervisor of one: then(command, messages of the relay), the relay as it ends."""
    identity, me = w.deaf()
    mine = Asks(hello(identity))
    attend = me.Attend(iter(mine))
    assert next(attend).HasField("welcome")
    until(lambda: w.api.ListSandboxes() and w.g.phase(f"s{w.n}") == "ready", 5, "ready")
    command = w.api.ExecSandbox(sandbox_id=identity, command=["true"])
    opened = next(m for m in attend if m.HasField("open")).open
    up = Asks(sup.RelayUp(relay_id=opened.relay_id), sup.RelayUp(event=v1.ExecSandboxEvent(stdout=v1.ExecSandboxStdout(data=b"joined"))))
    relay = me.Relay(iter(up))
    assert next(command).stdout.data == b"joined"
    try:
        then(command, up)
        ends(relay)
    finally:
        up.q.put(None)
        mine.q.put(None)


def lagging(w):
    """A watcher that reads nothing, and a sandbox that says much."""
    # Its window stays shut: what is sent waits in the gateway.
    watch = w.api.WatchSandbox(id=w.id, follow_logs=True, follow_status=True)
    next(watch)
    batch = v1.PushSandboxLogsRequest(sandbox_id=w.id, logs=[v1.SandboxLogLine(level="INFO", message="x" * 2000) for _ in range(100)])
    w.me.PushSandboxLogs(batch for _ in range(300))
    w.api.Health()  # others are served
    ends(watch)


NAME = "s1"


def replaced_records(w):
    """Its records are somebody else's now: a link is not followed."""
    records = w.g.sandbox_dir(w.id) / "records"
    kept = records.rename(records.with_name("kept"))
    records.symlink_to(kept)
    try:
        ends(w.api.GetSandboxRecords(sandbox_id=w.id))
    finally:
        records.unlink()
        kept.rename(records)


def key(name, kind="github", **credentials):
    return dm.Provider(name=name, type=kind, credentials=credentials or {"A": "b"})


def kept(w):
    """A provider of that name is there."""
    if "kept" not in {p.name for p in w.api.ListProviders().providers}:
        w.api.CreateProvider(provider=key("kept"))
    return True


def how(socket="/nosuch/agent.sock", url="https://login.example.test/oauth2/token"):
    return dm.Minting(way="oauth2-client-assertion", key="T", settings={"oauth2-token-url": url, "spiffe-socket": str(socket)})


def minted(w):
    """A provider of that name whose credential the gateway is to get, and cannot."""
    if "minted" not in {p.name for p in w.api.ListProviders().providers}:
        w.api.CreateProvider(provider=dm.Provider(name="minted", type="generic", minting=how()))
    return True


def rotated(w):
    with minting_parts() as (agent, _):
        w.api.CreateProvider(provider=dm.Provider(name="well", type="generic", minting=how(agent.socket)))
        (status,) = w.api.RotateProviderCredential(provider="well").statuses
        assert status.available and status.minted_at_ms
        w.api.DeleteProvider(name="well")


ROWS = {
    "Health": {Code.OK: lambda w: w.api.Health()},
    "CreateSandbox": {
        Code.OK: lambda w: w.api.CreateSandbox(name="new", spec=dm.SandboxSpec()),
        Code.INVALID_ARGUMENT: lambda w: w.api.CreateSandbox(name="x"),
        Code.ALREADY_EXISTS: lambda w: w.api.CreateSandbox(name=NAME, spec=dm.SandboxSpec()),
        Code.FAILED_PRECONDITION: lambda w: w.api.CreateSandbox(spec=dm.SandboxSpec(gpu=True)),
        Code.INTERNAL: lambda w: on_full_disk(w, lambda: w.api.CreateSandbox(name="x", spec=dm.SandboxSpec())),
    },
    "GetSandbox": {
        Code.OK: lambda w: w.api.GetSandbox(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetSandbox(),
        Code.NOT_FOUND: lambda w: w.api.GetSandbox(name="nosuch"),
    },
    "ListSandboxes": {Code.OK: lambda w: w.api.ListSandboxes()},
    "DeleteSandbox": {
        Code.INVALID_ARGUMENT: lambda w: w.api.DeleteSandbox(),
        Code.NOT_FOUND: lambda w: w.api.DeleteSandbox(name="nosuch"),
        Code.INTERNAL: undeletable,
        Code.OK: lambda w: w.api.DeleteSandbox(name=NAME),
    },
    **{method: {
        Code.OK: lambda w, ask=ask: ends(ask(w, w.id, "true")),
        Code.INVALID_ARGUMENT: lambda w, ask=ask: ends(ask(w, "", "true")),
        Code.NOT_FOUND: lambda w, ask=ask: ends(ask(w, NOBODY, "true")),
        Code.FAILED_PRECONDITION: lambda w, ask=ask: ends(ask(w, w.dead(), "true")),
        Code.RESOURCE_EXHAUSTED: lambda w, ask=ask: too_many(w, lambda identity: ask(w, identity, "true")),
        Code.UNAVAILABLE: lambda w, ask=ask: cut_off(w, lambda identity: ask(w, identity, "sh", "-c", "echo up; exec sleep 1000")),
    } for method, ask in both(
        lambda w, identity, *command: w.api.ExecSandbox(sandbox_id=identity, command=command),
        lambda w, identity, *command: w.api.ExecSandboxInteractive(iter([start(identity, *command)]))).items()},
    "CreateProvider": {
        Code.OK: lambda w: w.api.CreateProvider(provider=key("new")),
        Code.ALREADY_EXISTS: lambda w: w.api.CreateProvider(provider=key("new")),
        Code.INVALID_ARGUMENT: lambda w: w.api.CreateProvider(provider=dm.Provider(name="x", type="github")),
        Code.INTERNAL: lambda w: on_full_disk(w, lambda: w.api.CreateProvider(provider=key("other"))),
    },
    "GetProvider": {
        Code.OK: lambda w: kept(w) and w.api.GetProvider(name="kept"),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetProvider(),
        Code.NOT_FOUND: lambda w: w.api.GetProvider(name="nosuch"),
    },
    "ListProviders": {Code.OK: lambda w: w.api.ListProviders()},
    "UpdateProvider": {
        Code.OK: lambda w: kept(w) and w.api.UpdateProvider(provider=key("kept", "", A="new")),
        Code.INVALID_ARGUMENT: lambda w: w.api.UpdateProvider(provider=key("kept", "gitlab")),
        Code.NOT_FOUND: lambda w: w.api.UpdateProvider(provider=key("nosuch")),
        Code.FAILED_PRECONDITION: lambda w: w.api.UpdateProvider(provider=key("kept", "", A="")),
    },
    "DeleteProvider": {
        Code.OK: lambda w: kept(w) and w.api.DeleteProvider(name="nosuch"),
        Code.INVALID_ARGUMENT: lambda w: w.api.DeleteProvider(),
        Code.FAILED_PRECONDITION: lambda w: w.api.CreateSandbox(spec=dm.SandboxSpec(providers=["kept"]))
        and w.api.DeleteProvider(name="kept"),
    },
    "GetProviderRefreshStatus": {
        Code.OK: lambda w: minted(w) and w.api.GetProviderRefreshStatus(),
        Code.NOT_FOUND: lambda w: w.api.GetProviderRefreshStatus(provider="nosuch"),
        Code.FAILED_PRECONDITION: lambda w: kept(w) and w.api.GetProviderRefreshStatus(provider="kept"),
    },
    "ConfigureProviderRefresh": {
        Code.OK: lambda w: minted(w) and w.api.ConfigureProviderRefresh(provider="minted", minting=how()),
        Code.INVALID_ARGUMENT: lambda w: w.api.ConfigureProviderRefresh(provider="minted", minting=dm.Minting(way="magic")),
        Code.NOT_FOUND: lambda w: w.api.ConfigureProviderRefresh(provider="nosuch", minting=how()),
    },
    "RotateProviderCredential": {
        Code.OK: rotated,
        Code.INVALID_ARGUMENT: lambda w: w.api.RotateProviderCredential(),
        Code.NOT_FOUND: lambda w: w.api.RotateProviderCredential(provider="nosuch"),
        Code.FAILED_PRECONDITION: lambda w: minted(w) and w.api.RotateProviderCredential(provider="minted"),
    },
    "DeleteProviderRefresh": {
        Code.OK: lambda w: kept(w) and w.api.DeleteProviderRefresh(provider="kept"),
        Code.INVALID_ARGUMENT: lambda w: w.api.DeleteProviderRefresh(),
        Code.NOT_FOUND: lambda w: w.api.DeleteProviderRefresh(provider="nosuch"),
        Code.FAILED_PRECONDITION: lambda w: minted(w) and w.api.DeleteProviderRefresh(provider="minted"),
    },
    "GetSandboxProviderEnvironment": {
        Code.OK: lambda w: w.me.GetSandboxProviderEnvironment(sandbox_id=w.id),
        Code.PERMISSION_DENIED: lambda w: w.me.GetSandboxProviderEnvironment(sandbox_id=NOBODY),
    },
    "GetSandboxConfig": {
        Code.OK: lambda w: w.me.GetSandboxConfig(sandbox_id=w.id),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetSandboxConfig(),
        Code.NOT_FOUND: lambda w: w.api.GetSandboxConfig(sandbox_id=NOBODY),
        Code.PERMISSION_DENIED: lambda w: w.me.GetSandboxConfig(sandbox_id=NOBODY),
    },
    "GetGatewayConfig": {Code.OK: lambda w: w.api.GetGatewayConfig()},
    "UpdateConfig": {
        Code.OK: lambda w: w.api.UpdateConfig(name=NAME, policy=wire(network(rest("a.example.test")))),
        Code.INVALID_ARGUMENT: lambda w: w.api.UpdateConfig(name=NAME),
        Code.NOT_FOUND: lambda w: w.api.UpdateConfig(name="nosuch", policy=wire(READ_GITHUB)),
        Code.PERMISSION_DENIED: lambda w: w.me.UpdateConfig(name=NAME, policy=wire(network(rest("b.example.test")))),
        Code.FAILED_PRECONDITION: lambda w: under_global(w, lambda: w.api.UpdateConfig(name=NAME, policy=wire(network(rest("d.example.test"))))),
        Code.INTERNAL: lambda w: on_full_disk(w, lambda: w.api.UpdateConfig(name=NAME, policy=wire(network(rest("c.example.test"))))),
    },
    "GetSandboxPolicyStatus": {
        Code.OK: lambda w: w.api.GetSandboxPolicyStatus(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetSandboxPolicyStatus(),
        Code.NOT_FOUND: lambda w: w.api.GetSandboxPolicyStatus(version=99, **{"global": True}),
    },
    "ListSandboxPolicies": {
        Code.OK: lambda w: w.api.ListSandboxPolicies(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.ListSandboxPolicies(),
        Code.NOT_FOUND: lambda w: w.api.ListSandboxPolicies(name="nosuch"),
    },
    "ReportPolicyStatus": {
        Code.OK: lambda w: w.me.ReportPolicyStatus(sandbox_id=w.id, version=1, status=v1.POLICY_STATUS_LOADED),
        Code.INVALID_ARGUMENT: lambda w: w.me.ReportPolicyStatus(sandbox_id=w.id, version=1),
        Code.NOT_FOUND: lambda w: w.me.ReportPolicyStatus(sandbox_id=w.id, version=99, status=v1.POLICY_STATUS_LOADED),
        Code.PERMISSION_DENIED: lambda w: w.me.ReportPolicyStatus(sandbox_id=NOBODY, version=1, status=v1.POLICY_STATUS_LOADED),
        Code.INTERNAL: lambda w: on_full_disk(w, lambda: w.me.ReportPolicyStatus(
            sandbox_id=w.id, version=1, status=v1.POLICY_STATUS_FAILED)),
    },
    "GetSandboxLogs": {
        Code.OK: lambda w: w.api.GetSandboxLogs(sandbox_id=w.id),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetSandboxLogs(),
    },
    "GetSandboxRecords": {
        Code.OK: lambda w: ends(w.api.GetSandboxRecords(sandbox_id=w.id)),
        Code.INVALID_ARGUMENT: lambda w: ends(w.api.GetSandboxRecords()),
        Code.NOT_FOUND: lambda w: ends(w.api.GetSandboxRecords(sandbox_id=NOBODY)),
        Code.INTERNAL: replaced_records,
    },
    "PushSandboxLogs": {
        Code.OK: lambda w: w.me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=w.id)])),
        Code.PERMISSION_DENIED: lambda w: w.me.PushSandboxLogs(iter([v1.PushSandboxLogsRequest(sandbox_id=NOBODY)])),
        Code.NOT_FOUND: lambda w: gone_meanwhile(
            w, lambda i: [v1.PushSandboxLogsRequest(sandbox_id=i)], lambda i: v1.PushSandboxLogsRequest(sandbox_id=i), "PushSandboxLogs"),
    },
    "WatchSandbox": {
        Code.OK: lambda w: ends(w.api.WatchSandbox(id=w.id, stop_on_terminal=True)),
        Code.INVALID_ARGUMENT: lambda w: ends(w.api.WatchSandbox()),
        Code.NOT_FOUND: lambda w: ends(w.api.WatchSandbox(id=NOBODY)),
        Code.RESOURCE_EXHAUSTED: lagging,
        Code.CANCELLED: lambda w: [w.g.delete(NAME) for e in w.api.WatchSandbox(id=w.id, follow_status=True)
                                   if e.sandbox.phase == dm.SANDBOX_PHASE_READY],
    },
    "SubmitPolicyAnalysis": {
        Code.OK: lambda w: w.me.SubmitPolicyAnalysis(name=NAME, proposed_chunks=[chunk("a.example.test")]),
        Code.INVALID_ARGUMENT: lambda w: w.me.SubmitPolicyAnalysis(),
        Code.PERMISSION_DENIED: lambda w: w.me.SubmitPolicyAnalysis(name="nosuch"),
        Code.INTERNAL: lambda w: on_full_disk(w, lambda: w.me.SubmitPolicyAnalysis(
            name=NAME, proposed_chunks=[chunk("b.example.test")])),
    },
    "GetDraftPolicy": {
        Code.OK: lambda w: w.me.GetDraftPolicy(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetDraftPolicy(),
        Code.NOT_FOUND: lambda w: w.api.GetDraftPolicy(name="nosuch"),
        Code.PERMISSION_DENIED: lambda w: w.me.GetDraftPolicy(name="nosuch"),
    },
    "ApproveDraftChunk": {
        Code.OK: lambda w: w.api.ApproveDraftChunk(name=NAME, chunk_id=proposed(w)),
        Code.INVALID_ARGUMENT: lambda w: w.api.ApproveDraftChunk(name=NAME),
        Code.NOT_FOUND: lambda w: w.api.ApproveDraftChunk(name=w.fresh()[0], chunk_id=proposed(w)),
        Code.FAILED_PRECONDITION: lambda w: under_global(w, lambda: w.api.ApproveDraftChunk(name=NAME, chunk_id=proposed(w))),
        Code.INTERNAL: lambda w: (i := proposed(w)) and on_full_disk(w, lambda: w.api.ApproveDraftChunk(name=NAME, chunk_id=i)),
    },
    "RejectDraftChunk": {
        Code.OK: lambda w: w.api.RejectDraftChunk(name=NAME, chunk_id=proposed(w), reason="no"),
        Code.INVALID_ARGUMENT: lambda w: w.api.RejectDraftChunk(name=NAME, chunk_id=proposed(w), reason="x" * 5000),
        Code.NOT_FOUND: lambda w: w.api.RejectDraftChunk(name=NAME, chunk_id=NOBODY),
        Code.FAILED_PRECONDITION: lambda w: [w.api.RejectDraftChunk(name=NAME, chunk_id=i) for i in [proposed(w)] * 2],
        Code.INTERNAL: lambda w: (i := proposed(w)) and on_full_disk(w, lambda: w.api.RejectDraftChunk(name=NAME, chunk_id=i)),
    },
    "ApproveAllDraftChunks": {
        Code.OK: lambda w: proposed(w) and w.api.ApproveAllDraftChunks(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.ApproveAllDraftChunks(),
        Code.NOT_FOUND: lambda w: w.api.ApproveAllDraftChunks(name="nosuch"),
        Code.FAILED_PRECONDITION: lambda w: w.api.ApproveAllDraftChunks(name=NAME),
        Code.INTERNAL: lambda w: proposed(w) and on_full_disk(w, lambda: w.api.ApproveAllDraftChunks(name=NAME)),
    },
    "EditDraftChunk": {
        Code.OK: lambda w: w.api.EditDraftChunk(
            name=NAME, chunk_id=proposed(w), proposed_rule=chunk("edited.example.test").proposed_rule),
        Code.INVALID_ARGUMENT: lambda w: w.api.EditDraftChunk(name=NAME, chunk_id=proposed(w)),
        Code.NOT_FOUND: lambda w: w.api.EditDraftChunk(name=NAME, chunk_id=NOBODY),
        Code.ALREADY_EXISTS: lambda w: w.api.EditDraftChunk(
            name=NAME, chunk_id=proposed(w), proposed_rule=chunk("edited.example.test").proposed_rule),
        Code.FAILED_PRECONDITION: lambda w: (i := proposed(w)) and w.api.RejectDraftChunk(name=NAME, chunk_id=i)
        and None or w.api.EditDraftChunk(name=NAME, chunk_id=i, proposed_rule=chunk("a.example.test").proposed_rule),
    },
    "UndoDraftChunk": {
        Code.OK: lambda w: (i := proposed(w)) and w.api.ApproveDraftChunk(name=NAME, chunk_id=i)
        and w.api.UndoDraftChunk(name=NAME, chunk_id=i),
        Code.INVALID_ARGUMENT: lambda w: w.api.UndoDraftChunk(name=NAME),
        Code.NOT_FOUND: lambda w: w.api.UndoDraftChunk(name=NAME, chunk_id=NOBODY),
        Code.FAILED_PRECONDITION: lambda w: w.api.UndoDraftChunk(name=NAME, chunk_id=proposed(w)),
    },
    "ClearDraftChunks": {
        Code.OK: lambda w: w.api.ClearDraftChunks(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.ClearDraftChunks(),
        Code.NOT_FOUND: lambda w: w.api.ClearDraftChunks(name="nosuch"),
    },
    "GetDraftHistory": {
        Code.OK: lambda w: w.api.GetDraftHistory(name=NAME),
        Code.INVALID_ARGUMENT: lambda w: w.api.GetDraftHistory(),
        Code.NOT_FOUND: lambda w: w.api.GetDraftHistory(name="nosuch"),
    },
    "Attend": {
        Code.INVALID_ARGUMENT: lambda w: ends(w.me.Attend(iter([sup.Up(logs=sup.Logs())]))),
        Code.PERMISSION_DENIED: lambda w: ends(w.me.Attend(iter([hello(NOBODY)]))),
        Code.FAILED_PRECONDITION: lambda w: ends(w.me.Attend(iter([hello(w.id, protocol=77)]))),
        Code.NOT_FOUND: lambda w: gone_meanwhile(w, lambda i: [], hello, "Attend"),
        Code.OK: lambda w: ends(w.me.Attend(iter([hello(w.id)]))),
        Code.ABORTED: taken_over,
    },
    "Relay": {
        Code.NOT_FOUND: lambda w: ends(w.me.Relay(iter([sup.RelayUp(relay_id="0" * 32)]))),
        Code.OK: lambda w: relayed(w, lambda command, up: up.q.put(
            sup.RelayUp(event=v1.ExecSandboxEvent(exit=v1.ExecSandboxExit(exit_code=0))))),
        Code.CANCELLED: lambda w: relayed(w, lambda command, up: command.cancel()),
    },
}


@pytest.mark.parametrize("method", ROWS)
def test_each_status_of(world, method):
    for code, call in ROWS[method].items():
        if code == Code.OK:
            call(world)
        else:
            assert fails(code, lambda call=call: call(world)), (method, code)
    assert world.api.Health().status == v1.SERVICE_STATUS_HEALTHY


def test_every_method_and_every_code_of_the_source_has_a_row():
    """A handler that ends a call as no row says is one without a test."""
    table = pathlib.Path(SOURCES / "methods.def").read_text()
    served = set(re.findall(r"^METHOD\([\w.]+, (\w+),", table, re.M))
    assert served == set(ROWS) and served <= {p.rpartition("/")[2] for p in METHODS}
    for method, rows in ROWS.items():
        assert Code.OK in rows, method
    for path in SOURCES.glob("*.c"):
        text = path.read_text()
        methods = set(re.findall(r"^rpc_(\w+)\(\s*struct rpc_call \*c", text, re.M))
        if not methods:
            continue
        # UpdateConfig is in a file by what is updated.
        methods |= {"UpdateConfig"} if path.name == "rpc_settings.c" else set()
        said = {c for c in re.findall(r"\bRPC_([A-Z_]+)\b", text) if hasattr(grpc.StatusCode, c)}
        # Of the gateway's gate and of its end, and of methods not served yet: tests of the access table, of the stop and
        # of the core have them.
        said -= {"UNAVAILABLE", "UNIMPLEMENTED"} if path.name in ("gateway.c", "attend.c") else set()
        known = {code.name for m in methods for code in ROWS[m]}
        # What is said of names and ids for others.
        known |= {c.name for rows in ROWS.values() for c in rows} if path.name == "gateway.c" else set()
        assert said <= known, (path.name, said - known)
