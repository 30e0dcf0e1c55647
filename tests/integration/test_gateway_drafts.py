"""Rules that a sandbox proposes: from a refusal to the same request passing, and who decides what."""
import pytest

from gateway import READ_GITHUB
from grpcapi import Code, fails, local, sb, secure, token, v1
from harness import network, until

ZEN = "https://api.github.com/zen"


@pytest.fixture
def api(shared):
    client = secure(shared)
    yield client
    client.close()


@pytest.fixture
def box(shared):
    """Makes sandboxes: a name to a client that is that sandbox."""
    clients = []

    def make(name, policy=None):
        shared.create(name, policy=policy)
        clients.append(local(shared, bearer=token(shared, shared.id_of(name))))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def curl_of(shared, name):
    """The program as the kernel names it inside."""
    return shared.exec(name, "readlink", "-f", "/usr/bin/curl").stdout.strip()


def chunk(binary, host="api.github.com", port=443, name="allow_github", **fields):
    endpoint = sb.NetworkEndpoint(host=host, port=port)
    for method, path in fields.pop("rules", []):
        endpoint.protocol = "rest"
        allow = endpoint.rules.add().allow
        allow.method, allow.path = method, path
    rule = sb.NetworkPolicyRule(endpoints=[endpoint], binaries=[sb.NetworkBinary(path=binary)])
    return v1.PolicyChunk(rule_name=name, proposed_rule=rule, **fields)


def propose(me, name, *chunks):
    r = me.SubmitPolicyAnalysis(name=name, proposed_chunks=chunks, analysis_mode="llm")
    assert not r.rejected_chunks, r
    return r.accepted_chunk_ids[0] if len(chunks) == 1 else list(r.accepted_chunk_ids)


def fetch(shared, name, url=ZEN, *options):
    """The status that the origin or the proxy answers: 403, or 000 without a tunnel, when it is refused."""
    out = shared.exec(name, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, url).stdout
    return "refused" if out in ("000", "403") else out


def passes(shared, name, url=ZEN, *options):
    got = until(lambda: (got := fetch(shared, name, url, *options)) != "refused" and got, 10, f"{url} passes")
    assert options or got == "200", got


def test_what_was_refused_passes_once_its_rule_is_approved_and_not_when_it_is_taken_back(shared, api, box):
    me = box("demo", {**READ_GITHUB, "network_policies": {}})
    assert fetch(shared, "demo") == "refused"
    identity = propose(me, "demo", chunk(curl_of(shared, "demo")))
    assert fetch(shared, "demo") == "refused", "a proposal widens nothing by itself"
    answer = api.ApproveDraftChunk(name="demo", chunk_id=identity)
    assert answer.policy_version == 2 and len(answer.policy_hash) == 64
    passes(shared, "demo")
    # It is a revision like any other.
    status = api.GetSandboxPolicyStatus(name="demo")
    assert (status.revision.version, status.revision.policy_hash) == (2, answer.policy_hash)
    assert status.revision.policy.network_policies["allow_github"].endpoints[0].host == "api.github.com"
    assert status.revision.policy.filesystem == api.GetSandboxPolicyStatus(name="demo", version=1).revision.policy.filesystem
    assert "api.github.com" in shared.ok("policy", "get", "demo", "--full").stdout
    assert api.UndoDraftChunk(name="demo", chunk_id=identity).policy_version == 3
    until(lambda: fetch(shared, "demo") == "refused", 10, "refused again")


def test_a_request_that_was_refused_passes_beside_those_of_its_owner(shared, api, box):
    """The same host, another method: the rule of the owner is as it was."""
    me = box("demo", READ_GITHUB)
    passes(shared, "demo")
    post = ("-X", "POST")
    assert fetch(shared, "demo", ZEN, *post) == "refused"
    identity = propose(me, "demo", chunk(curl_of(shared, "demo"), rules=[("POST", "/zen")]))
    api.ApproveDraftChunk(name="demo", chunk_id=identity)
    passes(shared, "demo", ZEN, *post)
    assert fetch(shared, "demo", "https://api.github.com/other", *post) == "refused"
    passes(shared, "demo")
    before = api.GetSandboxPolicyStatus(name="demo", version=1).revision.policy.network_policies["test"]
    assert api.GetSandboxPolicyStatus(name="demo").revision.policy.network_policies["test"] == before
    api.RejectDraftChunk(name="demo", chunk_id=identity, reason="once was enough")
    until(lambda: fetch(shared, "demo", ZEN, *post) == "refused", 10, "refused again")
    passes(shared, "demo")
    got = me.GetDraftPolicy(name="demo", chunk_id=identity).chunks[0]
    assert (got.status, got.rejection_reason) == ("rejected", "once was enough")


def test_a_proposal_of_one_sandbox_is_nothing_to_another(shared, api, box):
    a, b = box("a", {**READ_GITHUB, "network_policies": {}}), box("b", {**READ_GITHUB, "network_policies": {}})
    identity = propose(b, "b", chunk(curl_of(shared, "b")))
    for call in (api.ApproveDraftChunk, api.RejectDraftChunk, api.UndoDraftChunk):
        fails(Code.NOT_FOUND, lambda call=call: call(name="a", chunk_id=identity), "chunk not found")
    fails(Code.NOT_FOUND, lambda: api.EditDraftChunk(name="a", chunk_id=identity, proposed_rule=chunk("/x").proposed_rule))
    assert not api.GetDraftPolicy(name="a", chunk_id=identity).chunks
    assert api.GetSandboxPolicyStatus(name="a").revision.version == 1 and fetch(shared, "a") == "refused"
    fails(Code.PERMISSION_DENIED, lambda: a.GetDraftPolicy(name="b"))
    fails(Code.PERMISSION_DENIED, lambda: a.SubmitPolicyAnalysis(name="b", proposed_chunks=[chunk("/usr/bin/curl")]))
    # Nor does a sandbox decide, not even about its own.
    for name in ("ApproveDraftChunk", "RejectDraftChunk", "UndoDraftChunk"):
        fails(Code.PERMISSION_DENIED, lambda name=name: b.call(name, name="b", chunk_id=identity))
    fails(Code.PERMISSION_DENIED, lambda: b.ApproveAllDraftChunks(name="b"))
    # And where it belongs it is approved.
    api.ApproveDraftChunk(name="b", chunk_id=identity)
    passes(shared, "b")
    assert fetch(shared, "a") == "refused"


def test_a_watcher_hears_of_proposals(shared, api, box):
    me = box("demo")
    watch = api.WatchSandbox(id=shared.id_of("demo"), follow_events=True)
    assert next(watch).HasField("sandbox")
    propose(me, "demo", chunk("/usr/bin/curl"), chunk("/usr/bin/git"))
    for event in watch:
        if event.HasField("draft_policy_update"):
            break
    watch.cancel()
    update = event.draft_policy_update
    assert (update.draft_version, update.new_chunks, update.total_pending) == (1, 2, 2)
    assert "2 new proposals" in update.summary


def test_a_proposal_that_no_policy_can_have_says_why_and_waits(shared, api, box):
    """The owner has closed TLS to that host: no request in it can be judged."""
    closed = network({"host": "api.github.com", "port": 443, "tls": "skip"})
    me = box("demo", closed)
    identity = propose(me, "demo", chunk("/usr/bin/curl", rules=[("POST", "/zen")]))
    fails(Code.FAILED_PRECONDITION, lambda: api.ApproveDraftChunk(name="demo", chunk_id=identity), "tls=auto vs skip")
    assert api.GetDraftPolicy(name="demo").chunks[0].status == "pending"
    assert api.GetSandboxPolicyStatus(name="demo").revision.version == 1


def test_proposals_go_with_their_sandbox_and_outlive_the_gateway(shared, api, box):
    me = box("demo")
    identity = propose(me, "demo", chunk("/usr/bin/curl"))
    shared.stop()
    shared.start()
    again = secure(shared)
    assert [c.id for c in again.GetDraftPolicy(name="demo").chunks] == [identity]
    shared.delete("demo")
    shared.create("demo")
    assert not again.GetDraftPolicy(name="demo").chunks
    again.close()



# --- the prover as a gate

def test_where_no_credential_belongs_the_gateway_decides_when_it_was_told_to(shared, api):
    """The sandbox may use a token for api.github.com: what reaches that is a person's to decide."""
    shared.ok("provider", "create", "--name", "gh", "--type", "github", "--credential", "GITHUB_TOKEN=ghp_0123456789abcdef")
    shared.create("demo", policy={**READ_GITHUB, "network_policies": {}}, options=["--provider", "gh"])
    me = local(shared, bearer=token(shared, shared.id_of("demo")))
    curl = curl_of(shared, "demo")
    files = "https://files.example.test/bytes/10"
    waits = propose(me, "demo", chunk(curl, "files.example.test", name="files"))
    assert me.GetDraftPolicy(name="demo", chunk_id=waits).chunks[0].status == "pending"
    shared.ok("settings", "set", "demo", "--key", "proposal_approval_mode", "--value", "auto")
    github = propose(me, "demo", chunk(curl, rules=[("POST", "/zen")]))
    got = me.GetDraftPolicy(name="demo", chunk_id=github).chunks[0]
    assert got.status == "pending" and got.validation_result.startswith(
        f"credential_reach_expansion of github: POST api.github.com:443/zen by {curl}"), got
    assert f"  Checked:     {got.validation_result}" in shared.ok("rule", "get", "demo").stdout
    assert propose(me, "demo", chunk(curl, "files.example.test", name="files")) == waits
    got = me.GetDraftPolicy(name="demo", chunk_id=waits).chunks[0]
    assert (got.status, got.validation_result) == ("approved", "no finding")
    passes(shared, "demo", files)
    assert fetch(shared, "demo", ZEN, "-X", "POST") == "refused"
    # A person may decide otherwise.
    shared.ok("rule", "approve", "demo", "--chunk-id", github)
    passes(shared, "demo", ZEN, "-X", "POST")
    me.close()
    shared.delete("demo")
    shared.ok("provider", "delete", "gh")


# --- the command line

def test_the_owner_sees_and_decides_on_the_command_line(shared, box):
    me = box("demo", {**READ_GITHUB, "network_policies": {}})
    assert shared.ok("rule", "get", "demo").stdout == "No network rules for sandbox 'demo'\n"
    assert shared.ok("rl", "history", "demo").stdout == "No rule history for sandbox 'demo'\n"
    assert shared.cli("rule", "approve-all", "demo").code == 1
    curl = curl_of(shared, "demo")
    identity = propose(me, "demo", chunk(curl, rules=[("GET", "/zen")], confidence=0.65, rationale="to see the zen"))
    out = shared.ok("rule", "get", "demo").stdout
    assert out.startswith("Network Rules:  (version 1, 1 chunk)\n"), out
    for line in (f"  Chunk:       {identity}", "  Status:      pending", "  Rule:        allow_github",
                 f"  Binary:      {curl}", "  Confidence:  65%", "  Rationale:   to see the zen",
                 "  Endpoints:   api.github.com:443", "  Requests:    rest GET /zen", f"  Binaries:    {curl}"):
        assert f"{line}\n" in out, (line, out)
    assert fetch(shared, "demo") == "refused"
    out = shared.ok("rule", "approve", "demo", "--chunk-id", identity[:8]).stdout
    assert f"GET api.github.com:443/zen by {curl}" in out and "+ widens" in out, out
    assert "OK Chunk approved. Policy version: 2, hash: " in out, out
    passes(shared, "demo")
    assert "OK Approval taken back. Policy version: 3" in shared.ok("rule", "undo", "demo", "--chunk-id", identity[:8]).stdout
    until(lambda: fetch(shared, "demo") == "refused", 10, "refused again")
    assert shared.ok("rule", "reject", "demo", "--chunk-id", identity, "--reason", "no").stdout == "OK Chunk rejected.\n"
    assert "  Rejected:    no\n" in shared.ok("rule", "get", "demo", "--status", "rejected").stdout
    assert "Rule 'allow_github' rejected" in shared.ok("rule", "history", "demo").stdout
    assert shared.cli("rule", "reject", "demo", "--chunk-id", "nosuch").code == 1


def test_all_that_was_shown_is_approved_but_what_has_notes(shared, box):
    me = box("demo", {**READ_GITHUB, "network_policies": {}})
    curl = curl_of(shared, "demo")
    propose(me, "demo", chunk(curl), chunk(curl, "files.example.test", name="files"),
            chunk(curl, "db.example.test", 5432, name="db", security_notes="A database."))
    out = shared.ok("rule", "approve-all", "demo").stdout
    assert f"  allow_github: {curl} -> api.github.com:443\n" in out and "  skipped: db: " in out, out
    assert "OK 2 chunk(s) approved, 1 skipped. Policy version: 3\n" in out, out
    passes(shared, "demo")
    assert shared.ok("rule", "clear", "demo").stdout == "OK 1 pending chunk(s) cleared.\n"


def test_a_proposal_is_edited_in_the_form_that_it_is_shown(shared, box):
    me = box("demo", {**READ_GITHUB, "network_policies": {}})
    identity = propose(me, "demo", chunk(curl_of(shared, "demo"), rules=[("GET", "/**")]))
    text = shared.ok("rule", "get", "demo", "--full").stdout.partition("---\n")[2]
    path = shared.policy(text.replace("/**", "/zen"))
    assert shared.ok("rule", "edit", "demo", "--chunk-id", identity, "--policy", path).stdout == "OK Chunk changed.\n"
    shared.ok("rule", "approve", "demo", "--chunk-id", identity)
    passes(shared, "demo")
    assert fetch(shared, "demo", "https://api.github.com/other") == "refused"
    two = shared.policy(network({"host": "a.example.test", "port": 443}, other={
        "endpoints": [{"host": "b.example.test", "port": 443}], "binaries": [{"path": "/**"}]}))
    out = shared.cli("rule", "edit", "demo", "--chunk-id", identity, "--policy", two)
    assert out.code == 1 and "a proposal is one rule" in out.stderr, out


def test_text_of_an_agent_is_shown_escaped_and_given_to_programs_whole(shared, box):
    me = box("demo")
    propose(me, "demo", chunk("/usr/bin/curl", rationale="a\x1b[2Jb\nStatus: approved", security_notes="n\x07"))
    out = shared.ok("rule", "get", "demo").out
    assert b"\x1b" not in out and b"\x07" not in out and b"\nStatus: approved" not in out, out
    assert b"a\\x1b[2Jb\\x0aStatus: approved" in out, out
    chunks = shared.json("rule", "get", "demo")["chunks"]
    assert chunks[0]["rationale"] == "a\x1b[2Jb\nStatus: approved" and chunks[0]["status"] == "pending"
    assert chunks[0]["policy"]["network_policies"]["allow_github"]["endpoints"][0]["host"] == "api.github.com"
    assert [e["event"] for e in shared.json("rule", "history", "demo")] == ["proposed"]
    identity = chunks[0]["id"]
    assert shared.json("rule", "reject", "demo", "--chunk-id", identity) == {
        "sandbox": "demo", "chunk_id": identity, "status": "rejected"}
    done = shared.json("rule", "approve", "demo", "--chunk-id", identity)
    assert (done["status"], done["policy_version"], len(done["policy_hash"])) == ("approved", 2, 64), done
    assert shared.json("rule", "undo", "demo", "--chunk-id", identity)["policy_version"] == 3
    assert shared.json("rule", "approve-all", "demo", "--include-security-flagged") == {
        "sandbox": "demo", "approved": 1, "skipped": 0, "policy_version": 4}
    assert shared.json("rule", "clear", "demo") == {"sandbox": "demo", "cleared": 0}


def test_names_of_sandboxes_complete_after_rule(shared, box):
    box("demo")
    out = shared.ok("__complete", "3", "--", "openshell", "rule", "approve", "de").stdout
    assert out.startswith("demo\t"), out
