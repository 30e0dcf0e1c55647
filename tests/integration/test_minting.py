"""Credentials that the gateway gets by itself: for its SPIFFE identity, or as keys of a role of AWS."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess

import pytest

from gateway import comm
from harness import MODE, network, rest, tree, until, upstream_requests
from minting import GATEWAY_ID, LONG_LIVED, Sts, Tokens, minting_parts
from testnet.origins import aws
from upproxy import Proxy

VAULT = "https://vault.example.test"
MARK = "openshell:resolve:env:API_TOKEN"
BOUND = network(rest("vault.example.test", access="full", credential_binding={"provider": "api"}),
                rest("files.example.test", access="full"))
CURL = ["curl", "-sS", "-w", "\n%{http_code}"]


@pytest.fixture
def parts():
    with minting_parts() as made:
        yield made


def options(agent, **more):
    given = {"oauth2-token-url": Tokens.URL, "oauth2-client-id": "openshell", "oauth2-scope": "read write",
             "spiffe-socket": agent.socket, "credential-key": "API_TOKEN", **more}
    return [x for k, v in given.items() if v is not None for x in (f"--{k}", str(v))]


@pytest.fixture
def minted(gateway, parts):
    """A gateway with a minted provider `api`, and a sandbox whose policy binds it."""
    agent, tokens = parts
    gateway.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    gateway.create("box", policy=BOUND, options=["--provider", "api"])
    return gateway, agent, tokens


def status(g, name="api"):
    (one,) = g.json("provider", "refresh", "status", name)
    return one


def ask(g, *args):
    """Body and status of a request from the sandbox."""
    out = g.exec("box", *CURL, *args)
    assert out.code == 0, out
    body, code = out.stdout.rsplit("\n", 1)
    return body, int(code)


def nowhere(g, agent, tokens):
    """No token and no SVID in what the gateway keeps, logs or shows."""
    logs = g.ok("logs", "box").stdout + g.ok("provider", "get", "api", "-o", "json").stdout + g.ok(
        "provider", "refresh", "status", "-o", "yaml").stdout
    kept = b"".join(p.read_bytes() for p in g.state.rglob("*") if p.is_file())
    for value in [*tokens.issued, *agent.given]:
        assert value not in logs and value.encode() not in kept
    assert tokens.issued and agent.given


# --- what it is for ------------------------------------------------------------


def test_a_token_is_minted_and_goes_along_where_it_belongs(minted):
    g, agent, tokens = minted
    assert agent.asked[0][0] == [Tokens.URL] and agent.asked[0][2]["workload.spiffe.io"] == "true"
    form = tokens.forms[0]
    assert (form["client_id"], form["scope"]) == (["openshell"], ["read write"]) and tokens.refused == []
    # No header needed, and what shows it is masked.
    body, code = ask(g, f"{VAULT}/a")
    (token,) = tokens.issued
    assert code == 200 and body == f"welcome, Bearer {'*' * len(token)}, ", body
    assert tokens.seen() == [f"Bearer {token}"]
    # The placeholder is filled in; another header is its sender's own.
    assert ask(g, "-H", f"Authorization: Bearer {MARK}", "-d", "x", f"{VAULT}/a")[1] == 200
    assert ask(g, "-H", "Authorization: Bearer mine", f"{VAULT}/a") == ("not with 'Bearer mine'", 401)
    assert ask(g, "-H", f"X-Key: {MARK}", "-H", "Authorization: Basic bTpl", f"{VAULT}/a")[1] == 401
    assert tokens.seen()[1:] == [f"Bearer {token}", "Bearer mine", "Basic bTpl"]
    assert g.exec("box", "sh", "-c", "echo $API_TOKEN").stdout == f"{MARK}\n"
    nowhere(g, agent, tokens)


def test_it_goes_nowhere_else(minted):
    g, agent, tokens = minted
    n = len(upstream_requests("files.example.test"))
    assert ask(g, "https://files.example.test/echo")[1] == 200
    body, code = ask(g, "-H", f"Authorization: Bearer {MARK}", "https://files.example.test/echo")
    assert code == 403 and json.loads(body)["error"] == "credential_endpoint_mismatch"
    (only,) = upstream_requests("files.example.test")[n:]
    assert "authorization" not in [k.lower() for k, _ in only["headers"]]
    # A sandbox without the provider asks as it is.
    g.create("other", policy=BOUND)
    out = g.exec("other", *CURL, f"{VAULT}/a")
    assert out.stdout.endswith("\n401") and tokens.seen() == [""], out


def test_never_in_the_clear(gateway, parts):
    agent, tokens = parts
    gateway.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    bound = {"access": "full", "credential_binding": {"provider": "api"}}
    gateway.create("box", policy=network(rest("files.example.test", port=80, **bound), rest("files.example.test", **bound)),
                   options=["--provider", "api"])
    n = len(upstream_requests("files.example.test"))
    assert ask(gateway, "http://files.example.test/echo")[1] == 200
    assert ask(gateway, "https://files.example.test/echo")[1] == 200
    clear, secured = upstream_requests("files.example.test")[n:]
    seen = [[v for k, v in r["headers"] if k.lower() == "authorization"] for r in (clear, secured)]
    assert seen == [[], [f"Bearer {tokens.issued[0]}"]]


def test_over_http2_too(gateway, parts):
    agent, tokens = parts
    gateway.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    gateway.create("box", policy=network(rest("h2.example.test", access="full", credential_binding={"provider": "api"})),
                   options=["--provider", "api"])
    n = len(upstream_requests("h2.example.test"))
    assert ask(gateway, "--http2", "https://h2.example.test/echo")[1] == 200
    (got,) = upstream_requests("h2.example.test")[n:]
    assert [v for k, v in got["headers"] if k.lower() == "authorization"] == [f"Bearer {tokens.issued[0]}"]


def test_with_the_request_for_a_websocket_too(gateway, parts):
    agent, tokens = parts
    gateway.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    endpoint = {"host": "socket.example.test", "port": 443, "protocol": "websocket", "access": "full",
                "credential_binding": {"provider": "api"}}
    gateway.create("box", policy=network(endpoint), options=["--provider", "api"])
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    n = len(upstream_requests("socket.example.test"))
    out = gateway.exec("box", "curl", "-sS", "-i", "-m", "3", "--http1.1", *[x for k, v in upgrade.items() for x in ("-H", f"{k}: {v}")],
                       "https://socket.example.test/echo")
    assert "HTTP/1.1 101 " in out.stdout, out
    (got,) = upstream_requests("socket.example.test")[n:]
    assert [v for k, v in got["headers"] if k.lower() == "authorization"] == [f"Bearer {tokens.issued[0]}"]


# --- time ----------------------------------------------------------------------


def test_it_is_renewed_under_a_running_program(minted):
    """And by command: the program inside goes on with the name that it has."""
    g, agent, tokens = minted
    before = status(g)
    assert (before["state"], before["available"], before["failures"], before["last_error"]) == ("refreshed", True, 0, None)
    process = g.spawn("sandbox", "exec", "box", "--", "sh", "-c", f'while read x; do curl -sS -o /dev/null -w "%{{http_code}}\\n" {VAULT}/$x; done')

    def inside(word):
        process.stdin.write(f"{word}\n".encode())
        process.stdin.flush()
        return process.stdout.readline()

    assert inside("a") == b"200\n"
    assert "Rotated provider api" in g.ok("provider", "refresh", "rotate", "api").stdout
    assert inside("b") == b"200\n"
    first, second = tokens.issued
    assert tokens.seen() == [f"Bearer {first}", f"Bearer {second}"]
    after = status(g)
    assert after["minted_at"] > before["minted_at"] and after["expires_at"] > after["next_refresh_at"] > after["minted_at"]
    process.stdin.close()
    assert process.wait(20) == 0


def test_it_is_renewed_by_itself_before_it_ends(minted):
    g, agent, tokens = minted
    tokens.lifetime = 4
    g.ok("provider", "refresh", "rotate", "api")
    n = len(tokens.issued)
    until(lambda: len(tokens.issued) >= n + 2, 20, "two more tokens")
    assert ask(g, f"{VAULT}/a")[1] == 200 and status(g)["failures"] == 0
    assert tokens.seen()[-1].removeprefix("Bearer ") in tokens.issued[-2:]


@pytest.mark.parametrize("told, good", [(None, 270), (300, 270), (3600, 3570), (86400, 3570), (40, 20)])
def test_how_long_one_is_good_for(shared, parts, told, good):
    """What the server says less 30 s, at most an hour, five minutes when it says nothing."""
    agent, tokens = parts
    tokens.lifetime = told
    shared.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    try:
        now = status(shared)
        minted, ends, again = (datetime.datetime.fromisoformat(now[k].replace("Z", "+00:00")).timestamp()
                               for k in ("minted_at", "expires_at", "next_refresh_at"))
        assert round(ends - minted, 3) == good and good * 0.68 <= again - minted <= good * 0.75
    finally:
        shared.ok("provider", "delete", "api")


def test_an_agent_that_is_gone_ends_it_and_says_so(minted):
    g, agent, tokens = minted
    tokens.lifetime = 6
    g.ok("provider", "refresh", "rotate", "api")
    agent.stop()
    out = g.cli("provider", "refresh", "rotate", "api")
    assert out.code == 1 and "api" in out.stderr and "SPIFFE agent" in out.stderr and str(agent.socket) in out.stderr, out
    # What was good stays good, for as long as it is.
    now = status(g)
    assert now["failures"] >= 1 and "SPIFFE agent" in now["last_error"]
    until(lambda: not status(g)["available"], 20, "the end of the token")
    n = len(tokens.seen())
    for more in ([], ["-H", f"Authorization: Bearer {MARK}"]):
        body, code = ask(g, *more, f"{VAULT}/a")
        said = json.loads(body)
        assert code == 503 and said["error"] == "credential_unavailable", body
        assert "provider 'api'" in said["detail"] and "API_TOKEN" in said["detail"], body
    assert len(tokens.seen()) == n, "nothing is sent without it"
    # Who brings something of its own is not held up.
    assert ask(g, "-H", "Authorization: Bearer mine", f"{VAULT}/a")[1] == 401
    log = g.ok("logs", "box").stdout
    assert "have ended and are taken away" in log and "SPIFFE agent" in log, log
    # Back again, with no word from anybody.
    tokens.lifetime = 3600
    agent.start()
    until(lambda: status(g)["available"], 90, "a new token")
    assert ask(g, f"{VAULT}/a")[1] == 200
    assert "renewed again" in g.ok("logs", "box").stdout


def test_the_end_holds_without_a_gateway(minted):
    """The proxy knows when a token ends: nobody has to tell it."""
    g, agent, tokens = minted
    tokens.lifetime = 20
    g.ok("provider", "refresh", "rotate", "api")
    sandbox_id = g.id_of("box")
    assert ask(g, f"{VAULT}/a")[1] == 200
    process = g.spawn("sandbox", "exec", "box", "--", "true")
    process.wait(20)
    g.kill_gateway()
    assert g.keeper(sandbox_id)
    agent.stop()
    g.start()
    g.wait_phase("box", "ready")
    # What it had came back with the gateway, until its end.
    assert ask(g, f"{VAULT}/a")[1] == 200 and len(tokens.issued) == 2
    until(lambda: ask(g, f"{VAULT}/a")[1] == 503, 30, "the end of the token")


def test_a_gateway_that_starts_again_has_what_it_had(minted):
    g, agent, tokens = minted
    agent.stop()
    g.kill_gateway()
    g.start()
    g.wait_phase("box", "ready")
    assert ask(g, f"{VAULT}/a")[1] == 200 and len(tokens.issued) == 1
    assert status(g)["available"]


# --- what goes wrong --------------------------------------------------------------


@pytest.mark.parametrize("answer, said", [
    ((302, {"Location": "https://files.example.test/steal"}, b""), "redirects are not followed"),
    ((200, {}, b"not json"), "no JSON"),
    ((200, {}, b'{"access_token": "a", "access_token": "b", "token_type": "Bearer"}'), "no JSON"),
    ((200, {}, b'{"access_token": "a\\r\\nX: y", "token_type": "Bearer"}'), "access_token"),
    ((200, {}, b'{"access_token": "a", "token_type": "mac"}'), "not Bearer"),
    ((200, {}, b'{"access_token": "a", "token_type": "Bearer", "expires_in": "soon"}'), "expires_in"),
    ((200, {}, b'{"access_token": "a", "token_type": "Bearer", "expires_in": -5}'), "expires_in"),
    ((200, {}, b"{" + b" " * 70000 + b"}"), "longer than 65536"),
    ((200, {"Content-Encoding": "gzip"}, b"x"), "compressed"),
    ((200, {"Content-Length": "100"}, b"{}"), "cut off"),
    ((400, {}, b'{"error": "invalid_scope", "error_description": "\\u001b[2J"}'), "400: invalid_scope"),
    ((500, {}, b"oops"), "answered 500"),
    ((None, {}, b""), "cut off"),
])
def test_a_token_server_that_does_not_do_it(shared, parts, answer, said):
    agent, tokens = parts
    tokens.answer = answer
    n = len(upstream_requests("files.example.test"))
    try:
        out = shared.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
        assert said in out.stderr and "goes on trying" in out.stderr, out
        now = status(shared)
        assert said in now["last_error"] and not now["available"] and now["state"] in ("error", "rotation_requested"), now
        assert len(upstream_requests("files.example.test")) == n
        text = out.stderr + json.dumps(now)
        assert not any(svid in text for svid in agent.given) and "\x1b" not in out.stderr
    finally:
        shared.ok("provider", "delete", "api")


@pytest.fixture
def proxy():
    made = Proxy()
    yield made
    made.end()


def started(g, proxy, *more):
    """With that upstream proxy and a login for it."""
    login = g.home / "login"
    login.write_text("agent:s3cret-Wort")
    g.start("--upstream-proxy", proxy.url, "--upstream-proxy-auth-file", str(login),
            "--upstream-proxy-auth-allow-insecure", *more)


def test_it_is_asked_for_through_the_proxy_of_the_operator(no_gateway, parts, proxy):
    g, (agent, tokens) = no_gateway, parts
    started(g, proxy)
    g.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    assert status(g)["available"] and len(tokens.forms) == 1
    (head,) = proxy.asked
    assert head.startswith("CONNECT login.example.test:443 HTTP/1.1\r\nHost: login.example.test:443\r\n"), head
    assert "Proxy-Authorization: Basic YWdlbnQ6czNjcmV0LVdvcnQ=\r\n" in head
    # What it reads is the tunnel's, though it comes with the answer.
    proxy.step = "by byte"
    g.ok("provider", "refresh", "rotate", "api")
    assert len(proxy.asked) == len(tokens.forms) == 2
    for answer, said in [(b"HTTP/1.1 407 No\r\n\r\n", "--upstream-proxy-auth-file"), (b"HTTP/1.1 503 No\r\n\r\n", "503"),
                         (b"HTTP/1.1 503 \x1b[31mNo\r\n\r\n", "control byte"),
                         (b"SSH-2.0-x\r\n\r\n", "the answer of the upstream proxy"), (b"", "without an answer")]:
        proxy.answer, proxy.tunnel, proxy.step = answer, False, 0
        out = g.cli("provider", "refresh", "rotate", "api")
        assert out.code == 1 and "upstream proxy" in out.stderr and said in out.stderr and "\x1b" not in out.stderr, out
    assert len(tokens.forms) == 2


def test_servers_that_need_no_proxy_are_asked_directly(no_gateway, parts, proxy):
    g, (agent, tokens) = no_gateway, parts
    started(g, proxy, "--upstream-no-proxy", "login.example.test")
    g.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    assert status(g)["available"] and len(tokens.forms) == 1 and proxy.asked == []


def test_a_proxy_that_is_not_there_is_not_gone_round(no_gateway, parts, proxy):
    g, (agent, tokens) = no_gateway, parts
    started(g, proxy)
    proxy.end()
    out = g.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
    assert "upstream proxy" in out.stderr and tokens.forms == [], out
    # Nor is one whose login cannot be read.
    (g.home / "login").unlink()
    out = g.cli("provider", "refresh", "rotate", "api")
    assert out.code == 1 and "the login of the upstream proxy" in out.stderr, out


@pytest.mark.parametrize("mode, said", [("nobody", "no identity"), ("garbage", "no JWT"), ("flood", "SPIFFE agent")])
def test_an_agent_that_does_not_do_it(shared, parts, mode, said):
    agent, tokens = parts
    agent.mode = mode
    try:
        out = shared.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent))
        assert said in out.stderr and tokens.forms == [], out
    finally:
        shared.ok("provider", "delete", "api")


@pytest.mark.parametrize("url, said", [
    ("https://wronghost.example.test/token", "wronghost.example.test"),
    ("https://selfsigned.example.test/token", "selfsigned.example.test"),
    ("https://untrusted-root.example.test/token", "untrusted-root.example.test"),
    ("https://closed.example.test/token", "closed.example.test"),
    ("https://nobody.example.test/token", "nobody.example.test"),
])
def test_only_a_server_that_proves_its_name_is_told_who_we_are(shared, parts, url, said):
    agent, _ = parts
    try:
        out = shared.ok("provider", "create", "--name", "api", "--type", "generic",
                        *options(agent, **{"oauth2-token-url": url}))
        assert said in out.stderr and "could not be minted" in out.stderr, out
        assert upstream_requests(said) == []
    finally:
        shared.ok("provider", "delete", "api")


def test_roots_that_are_given_are_the_only_ones(shared, parts, tmp_path):
    agent, _ = parts
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=other",
                    "-out", other], check=True, capture_output=True)
    try:
        out = shared.ok("provider", "create", "--name", "api", "--type", "generic",
                        *options(agent, **{"oauth2-ca-file": other}))
        assert "could not be minted" in out.stderr, out
        root = pathlib.Path(os.environ["TESTNET_DIR"]) / "ca.crt"
        out = shared.ok("provider", "refresh", "configure", "api", *options(agent, **{"oauth2-ca-file": root}))
        assert "Minted" in out.stderr and status(shared)["available"], out
    finally:
        shared.ok("provider", "delete", "api")


@pytest.mark.parametrize("args, said", [
    (["--oauth2-token-url", "http://login.example.test/token"], "must be an https:// URL"),
    (["--oauth2-token-url", "https://u:p@login.example.test/token"], "without user"),
    (["--spiffe-socket", "agent.sock"], "absolute path"),
    (["--oauth2-scope", "a\nb"], "printable"),
    (["--aws-role-arn", "arn:aws:iam::123456789012:role/x"], "are of two ways"),
    (["--credential-key", "PATH"], "must match"),
    (["--credential-key"], "needs --credential-key"),
    (["--credential", "API_TOKEN=x"], "is minted: it cannot be given"),
    (["--mint-secret", "A=b"], "has no secret 'A'"),
])
def test_what_is_no_way_to_mint(shared, parts, args, said):
    agent, _ = parts
    given = options(agent)
    if args[0] in given:
        at = given.index(args[0])
        given[at:at + 2] = args if len(args) > 1 else []
    else:
        given += args
    out = shared.cli("provider", "create", "--name", "api", "--type", "generic", *given)
    assert out.code != 0 and said in out.stderr, out
    assert shared.json("provider", "list") == []


# --- its life ---------------------------------------------------------------------


def test_the_life_of_a_minted_provider(shared, parts):
    agent, tokens = parts
    assert shared.ok("provider", "refresh", "status").stdout == "No provider is minted.\n"
    shared.ok("provider", "create", "--name", "api", "--type", "generic", "--credential", "OTHER=given", *options(agent))
    got = shared.json("provider", "get", "api")
    assert got["credential_keys"] == ["API_TOKEN", "OTHER"] and got["minting"]["strategy"] == "oauth2-client-assertion"
    assert got["minting"]["settings"]["oauth2-token-url"] == Tokens.URL
    table = shared.ok("provider", "refresh", "status").stdout
    assert "api" in table and "oauth2-client-assertion" in table and "refreshed" in table, table
    out = shared.cli("provider", "update", "api", "--credential", "API_TOKEN=x")
    assert out.code == 1 and "is minted" in out.stderr, out
    out = shared.ok("provider", "refresh", "configure", "api", *options(agent, **{"oauth2-scope": "other"}))
    assert "Configured provider api" in out.stdout and tokens.forms[-1]["scope"] == ["other"], out
    assert "No longer minted" in shared.ok("provider", "refresh", "delete", "api").stdout
    out = shared.cli("provider", "refresh", "rotate", "api")
    assert out.code == 1 and "is not minted" in out.stderr, out
    assert shared.json("provider", "get", "api")["credential_keys"] == ["OTHER"]
    shared.ok("provider", "delete", "api")
    assert "not found" in shared.cli("provider", "refresh", "status", "api").stderr
    assert "not found" in shared.cli("provider", "refresh", "rotate", "api").stderr


def minters(parent):
    """Those of that gateway: another's may run beside."""
    return [p for p in tree(parent) if comm(p) == "openshell-mint"]


def start_silent(g, agent):
    """A `rotate` whose minter waits for the agent, and that minter."""
    n, parent = len(agent.asked), g.pid()
    agent.mode = "silent"
    process = g.spawn("provider", "refresh", "rotate", "api")
    until(lambda: minters(parent) and len(agent.asked) > n, 10, "a minter that waits")
    return process, minters(parent)


@pytest.mark.parametrize("end", ["deleted", "configured", "killed"])
def test_what_is_under_way_ends_with_what_it_is_for(minted, end):
    """A provider that goes, or changes, is not made good again by an answer that comes later."""
    g, agent, tokens = minted
    process, theirs = start_silent(g, agent)
    if end == "deleted":
        g.ok("provider", "delete", "--force", "api")
    elif end == "configured":
        agent.mode = "good"
        g.ok("provider", "refresh", "configure", "api", *options(agent, **{"oauth2-scope": "less"}))
        assert tokens.forms[-1]["scope"] == ["less"]
    else:
        g.kill_gateway()
    assert process.wait(20) == 1
    if end != "killed":
        assert b"meanwhile" in process.stderr.read()
    until(lambda: not any(comm(p) == "openshell-mint" for p in theirs), 10, "the end of the minter")
    if end == "deleted":
        body, code = ask(g, "-H", f"Authorization: Bearer {MARK}", f"{VAULT}/a")
        assert code == 500 and "credential_unresolved" in body and g.json("provider", "list") == []
    agent.mode = "good"
    if end == "killed":
        g.start()
        g.wait_phase("box", "ready")
        assert ask(g, f"{VAULT}/a")[1] == 200


def test_a_minter_is_a_process_that_ends(minted):
    g, agent, _ = minted
    process, theirs = start_silent(g, agent)
    for pid in theirs:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        assert line == b"openshell-gateway\0mint\0"
        fields = dict(x.split(":\t", 1) for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in x)
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
        with pytest.raises(PermissionError) if MODE == "rootless" else contextlib.nullcontext():
            pathlib.Path(f"/proc/{pid}/mem").open("rb").close()
        os.kill(pid, signal.SIGKILL)
    assert process.wait(20) == 1 and b"ended without an answer" in process.stderr.read()
    assert ask(g, f"{VAULT}/a")[1] == 200  # with what it has
    agent.mode = "good"


# --- AWS ----------------------------------------------------------------------------

QUEUE = "sqs.us-east-1.amazonaws.com"
ROLE = ["--aws-role-arn", "arn:aws:iam::123456789012:role/reader", "--mint-secret", "AWS_ACCESS_KEY_ID",
        "--mint-secret", "AWS_SECRET_ACCESS_KEY=-"]
SIGNED = ["--aws-sigv4", "aws:amz:us-east-1:sqs", "-u", "openshell:resolve:env:AWS_ACCESS_KEY_ID:x"]


@pytest.fixture
def sts():
    made = Sts()
    try:
        yield made
    finally:
        made.stop()


def test_keys_of_a_role_sign_and_the_long_lived_ones_stay(gateway, sts):
    g = gateway
    out = g.ok("provider", "create", "--name", "aws", "--type", "aws", *ROLE, env={"AWS_ACCESS_KEY_ID": LONG_LIVED[0]},
               input=LONG_LIVED[1].encode() + b"\n")
    assert "Minted" in out.stderr, out
    (form,) = sts.forms
    assert form == {"Action": ["AssumeRole"], "Version": ["2011-06-15"], "DurationSeconds": ["3600"],
                    "RoleArn": ["arn:aws:iam::123456789012:role/reader"], "RoleSessionName": ["openshell-sandbox"]}
    policy = network(rest(QUEUE, access="full", credential_signing="sigv4", signing_service="sqs",
                          credential_binding={"provider": "aws"}))
    g.create("box", policy=policy, options=["--provider", "aws"])
    body, code = ask(g, f"https://{QUEUE}/q?Action=y")
    got = json.loads(body)
    assert code == 200 and set(got["token"]) == {"*"}, body
    n = upstream_requests(QUEUE)[-1]
    assert [v for k, v in n["headers"] if k.lower() == "x-amz-security-token"] == [Sts.TOKEN]
    shown = g.ok("provider", "get", "aws", "-o", "json").stdout + g.ok("logs", "box").stdout + body
    kept = b"".join(p.read_bytes() for p in g.state.rglob("*") if p.is_file())
    for secret in (LONG_LIVED[1], aws.SECRET, Sts.TOKEN):
        assert secret not in shown and secret.encode() not in kept
    assert g.json("provider", "get", "aws")["minting"]["secret_keys"] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert g.exec("box", "sh", "-c", "env").stdout.count("openshell:resolve:env:AWS_") == 3


def test_a_role_that_may_not_be_taken(shared, sts):
    try:
        out = shared.ok("provider", "create", "--name", "aws", "--type", "aws", *ROLE,
                        env={"AWS_ACCESS_KEY_ID": LONG_LIVED[0]}, input=b"another\n")
        assert "answered 403: SignatureDoesNotMatch" in out.stderr and sts.forms == [], out
        # The secrets are kept when only settings change, and can be given anew.
        out = shared.ok("provider", "refresh", "configure", "aws", *ROLE, "--aws-role-session-name", "me",
                        env={"AWS_ACCESS_KEY_ID": LONG_LIVED[0]}, input=LONG_LIVED[1].encode())
        assert "Minted" in out.stderr and sts.forms[-1]["RoleSessionName"] == ["me"], out
        out = shared.ok("provider", "refresh", "configure", "aws", *ROLE[:2], "--aws-role-session-name", "you")
        assert "Minted" in out.stderr and sts.forms[-1]["RoleSessionName"] == ["you"], out
    finally:
        shared.ok("provider", "delete", "aws")


def test_its_identity_is_the_one_that_is_asked_for(shared, parts):
    agent, tokens = parts
    try:
        out = shared.ok("provider", "create", "--name", "api", "--type", "generic", *options(agent, **{"spiffe-id": GATEWAY_ID}))
        assert "Minted" in out.stderr and agent.asked[-1][1] == GATEWAY_ID, out
        out = shared.ok("provider", "refresh", "configure", "api",
                        *options(agent, **{"spiffe-id": "spiffe://example.test/another", "oauth2-audience": "them"}))
        assert "answered for another identity" in out.stderr and agent.asked[-1][0] == ["them"], out
    finally:
        shared.ok("provider", "delete", "api")
