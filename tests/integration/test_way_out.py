"""The way out as the operator says it: names of the host, and the proxy of the network."""
import http.server
import json
import socket
import threading

import pytest
from harness import TESTNET, canary_lines, network, rest, until, upstream_requests
from upproxy import Proxy

ALIASES = ("host.openshell.internal", "host.containers.internal", "host.docker.internal")
ZEN = "https://api.github.com/zen"
CURL = ["curl", "-sS", "--max-time", "20"]
DIRECT = ["env", *(f"-u{v}" for v in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"))]


class Here(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        body = b"here\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Six(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture
def here():
    """here(address) serves HTTP on a loopback address of the host."""
    made = []

    def start(address="127.0.0.1"):
        kind = Six if ":" in address else http.server.ThreadingHTTPServer
        server = kind((address, 0), Here)
        server.paths = []
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        made.append((server, thread))
        return server

    yield start
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def upstream():
    """upstream(answer=..., ...) is a Proxy."""
    made = []

    def start(**how):
        made.append(Proxy(**how))
        return made[-1]

    yield start
    for proxy in made:
        proxy.end()


# Names of the host

@pytest.mark.parametrize("name", ALIASES)
def test_the_host_is_reached_by_its_name_where_a_person_wrote_it(sandbox, here, name):
    server = here()
    port = server.server_address[1]
    box = sandbox(policy=network(rest(name, port=port)))
    out = box.run("sh", "-c", f"{' '.join(CURL)} http://{name}:{port}/by-proxy && "
                              f"{' '.join(DIRECT)} {' '.join(CURL)} http://{name}:{port}/directly && "
                              f"{' '.join(CURL)} -o /dev/null -w '%{{http_code}}' -X DELETE http://{name}:{port}/no")
    assert out.code == 0 and out.stdout == "here\nhere\n403", out
    assert server.paths == ["/by-proxy", "/directly"]
    assert out.event("FORWARD", action="allow", host=name, port=port), out
    assert out.event("L7_REQUEST", action="allow", host=name, path="/directly"), out


def test_a_server_of_the_host_on_ipv6_is_reached_too(sandbox, here):
    server = here("::1")
    port = server.server_address[1]
    out = sandbox(policy=network(rest(ALIASES[0], port=port))).run(*CURL, f"http://{ALIASES[0]}:{port}/six")
    assert out.code == 0 and server.paths == ["/six"], out


def test_nothing_else_leads_to_the_host(sandbox, here):
    """Neither a pattern, nor another name of loopback, nor the address, nor a name nobody wrote."""
    server = here()
    port = server.server_address[1]
    before = len(canary_lines())
    for endpoint, url in (
            (rest("**.openshell.internal", port=port), f"http://{ALIASES[0]}:{port}/"),
            (rest("loop.example.test", port=port), f"http://loop.example.test:{port}/"),
            (rest("127.0.0.1", port=port), f"http://127.0.0.1:{port}/"),
            (rest("meta.example.test", port=80), "http://meta.example.test/"),
            (rest("api.github.com", port=port), f"http://{ALIASES[0]}:{port}/")):
        out = sandbox(policy=network(endpoint)).run(*CURL, "--noproxy", "", "-o", "/dev/null", "-w", "%{http_code}", url)
        assert out.stdout == "403", (endpoint, out)
    assert server.paths == [] and len(canary_lines()) == before
    # It is no name of the network's: nobody is asked for it.
    assert not [q for q in map(json.loads, (TESTNET / "dns.log").read_text().splitlines()) if "openshell" in q["name"]]


def test_control_plane_ports_of_the_host_stay_closed(sandbox):
    out = sandbox(policy=network(rest(ALIASES[0], port=6443))).run(
        *CURL, "-o", "/dev/null", "-w", "%{http_code}", f"http://{ALIASES[0]}:6443/")
    assert out.stdout == "403" and "control-plane" in out.event("FORWARD", action="deny")[0]["reason"], out


def test_a_sandbox_of_a_gateway_reaches_the_host_and_not_the_gateway(shared, here):
    g, server = shared, here()
    port = server.server_address[1]
    g.create("demo", policy=network(rest(ALIASES[0], port=port),
                                    {"host": ALIASES[0], "port": g.port, "protocol": "tcp"}))
    out = g.exec("demo", *CURL, f"http://{ALIASES[0]}:{port}/")
    assert out.code == 0 and out.stdout == "here\n", out
    out = g.exec("demo", *CURL, "-k", f"https://{ALIASES[0]}:{g.port}/")
    assert out.code == 56 and "403" in out.stderr, out
    assert "(the gateway)" in g.ok("logs", "demo").stdout


# The upstream proxy

def through(proxy, *more):
    return ["--upstream-proxy", proxy.url, *more]


def address_of(host):
    return socket.getaddrinfo(host, 443, socket.AF_INET)[0][4][0]


def test_what_is_allowed_goes_through_the_upstream_proxy_by_its_checked_address(sandbox, upstream):
    proxy = upstream()
    box = sandbox(policy=network(rest("api.github.com"), rest("files.example.test", port=80)), options=through(proxy))
    out = box.run("sh", "-c", f"{' '.join(CURL)} -f {ZEN} && {' '.join(DIRECT)} {' '.join(CURL)} -f {ZEN} && "
                              f"{' '.join(CURL)} -f http://files.example.test/bytes/10 >/dev/null && "
                              f"! {' '.join(CURL)} -f https://files.example.test/bytes/10")
    assert out.code == 0 and out.stdout.count("logically") == 2, out
    zen, files = f"{address_of('api.github.com')}:443", f"{address_of('files.example.test')}:80"
    assert set(proxy.targets()) == {zen, files} and proxy.targets()[-1] == files
    assert proxy.asked[0] == f"CONNECT {zen} HTTP/1.1\r\nHost: {zen}\r\n\r\n"
    for asked in (*out.event("CONNECT_L7", action="allow"), *out.event("L7_REQUEST", action="allow"),
                  *out.event("FORWARD", action="allow")):
        assert "through the upstream proxy" in asked["detail"], asked
    assert "through" not in out.event("CONNECT", action="deny")[0].get("detail", ""), out


def test_the_environment_names_no_upstream_proxy(sandbox, upstream):
    proxy = upstream()
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "OPENSHELL_UPSTREAM_PROXY", "UPSTREAM_PROXY")
    out = sandbox(policy=network(rest("api.github.com"))).run(*CURL, "-f", ZEN, env={n: proxy.url for n in names})
    assert out.code == 0 and proxy.asked == [], out


def test_the_login_reaches_the_proxy_and_nobody_else(sandbox, upstream, tmp_path):
    proxy = upstream()
    file = tmp_path / "login"
    file.write_text("agent:s3cret-Wort\n")
    box = sandbox(policy=network(rest("api.github.com")), options=through(
        proxy, "--upstream-proxy-auth-file", str(file), "--upstream-proxy-auth-allow-insecure"))
    out = box.run("sh", "-c", f"{' '.join(CURL)} -fi {ZEN}; env; cat /proc/*/cmdline /proc/*/environ 2>/dev/null; cat {file}")
    assert "logically" in out.stdout, out
    assert proxy.asked[0].endswith("\r\nProxy-Authorization: Basic YWdlbnQ6czNjcmV0LVdvcnQ=\r\n\r\n")
    seen = out.stdout + out.stderr + json.dumps(out.events)
    assert "s3cret" not in seen and "YWdlbnQ6" not in seen and "No such file" in out.stderr, out
    (asked,) = upstream_requests("api.github.com")[-1:]
    assert not [h for h in asked["headers"] if h[0].lower().startswith("proxy-")], asked


def test_a_login_that_the_sandbox_would_see_is_refused(sandbox, upstream):
    proxy = upstream()
    box = sandbox(policy=network(rest("api.github.com")))
    file = box.work / "login"
    file.write_text("agent:s3cret")
    more = through(proxy, "--upstream-proxy-auth-file", str(file), "--upstream-proxy-auth-allow-insecure")
    out = box.run("true", options=more)
    assert out.code == 125 and "the sandbox would see it" in out.stderr and "s3cret" not in out.stderr, out


def test_names_are_asked_for_where_the_operator_wants_it(sandbox, upstream):
    proxy = upstream()
    box = sandbox(policy=network(rest("api.github.com"), rest("private.example.test", allowed_ips=["10.0.9.0/24"])),
                  options=through(proxy, "--upstream-proxy-connect-by-hostname"))
    out = box.run("sh", "-c", f"{' '.join(CURL)} -f {ZEN}; {' '.join(CURL)} -f https://private.example.test/")
    # Looked up and checked here all the same.
    assert "logically" in out.stdout and proxy.targets() == ["api.github.com:443"], out
    assert out.event("CONNECT", action="deny", stage="ssrf", host="private.example.test"), out


@pytest.mark.parametrize("entry", ["api.github.com", ".github.com", "*.github.com", "GitHub.com:443", "20.0.0.0/24", "*",
                                   "20.0.0.0/24:443", "nothing.test, api.github.com"])
def test_no_proxy_entries_are_reached_directly(sandbox, upstream, entry):
    proxy = upstream()
    box = sandbox(policy=network(rest("api.github.com")), options=through(proxy, "--upstream-no-proxy", entry))
    out = box.run(*CURL, "-f", ZEN)
    assert out.code == 0 and proxy.asked == [] and "detail" not in out.event("L7_REQUEST")[0], out


@pytest.mark.parametrize("entry", ["hub.com", "github.com:80", "10.0.0.0/8", "localhost", "*:80"])
def test_what_no_entry_names_is_not(sandbox, upstream, entry):
    proxy = upstream()
    box = sandbox(policy=network(rest("api.github.com")), options=through(proxy, "--upstream-no-proxy", entry))
    assert box.run(*CURL, "-f", ZEN).code == 0 and len(proxy.asked) == 1


def test_addresses_are_checked_as_without_a_proxy(sandbox, upstream):
    """Nothing that is refused is asked of it, and the proxy itself is no destination."""
    proxy = upstream()
    before = len(canary_lines())
    hosts = ("private.example.test", "meta.example.test", "loop.example.test", "mixed.example.test", "nat64.example.test")
    wild = [{"host": "*.example.test", "port": 443, "protocol": "rest", "access": "full"}]
    box = sandbox(policy=network(*wild, {"host": ALIASES[0], "port": proxy.port, "protocol": "tcp"}), options=through(proxy))
    for host in hosts:
        out = box.run(*CURL, f"https://{host}/")
        assert out.code == 56 and out.event("CONNECT", action="deny", stage="ssrf", host=host), out
    out = box.run(*CURL, "-p", "-x", f"http://{ALIASES[0]}:{proxy.port}", "https://evil.example.test/",
                  options=["--upstream-no-proxy", "*"])
    assert out.code != 0 and "the upstream proxy" in out.event("CONNECT", action="deny")[0]["reason"], out
    assert proxy.asked == [] and len(canary_lines()) == before


def test_a_server_that_speaks_first_may_do_so_behind_it(sandbox, upstream):
    """Its first bytes come in one piece with the proxy's answer, or long after each byte of it."""
    for how in ("with the banner", "by byte"):
        origin = socket.create_server((address_of("closed.example.test"), 0))

        def greet(origin=origin):
            peer, _ = origin.accept()
            with peer:
                peer.sendall(b"220 hello\r\n")
                peer.recv(100)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        proxy = upstream(step=how)
        port = origin.getsockname()[1]
        box = sandbox(policy=network({"host": "closed.example.test", "port": port, "protocol": "tcp"}), options=through(proxy))
        out = box.run(*DIRECT, "/usr/bin/python3", "-c",
                      f"import socket; s = socket.create_connection(('closed.example.test', {port}), 10); "
                      "print(s.recv(100)); s.sendall(b'bye')")
        origin.close()
        assert out.code == 0 and "220 hello" in out.stdout and len(proxy.asked) == 1, out
        thread.join(5)


BAD = {
    "a refusal": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret", "answered 403"),
    "a login wanted": (b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n", "answered 407"),
    "a redirect": (b"HTTP/1.1 302 x\r\nLocation: http://evil.example.test/\r\n\r\n", "answered 302"),
    "an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "status 100"),
    "a switch": (b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "status 101"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.0 or HTTP/1.1"),
    "another version": (b"HTTP/2 200\r\n\r\n", "not HTTP/1.0 or HTTP/1.1"),
    "bare newlines": (b"HTTP/1.1 200 OK\n\n", ""),
    "a field that is none": (b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n", ""),
    "control bytes": (b"HTTP/1.1 200 \x1b[2J\r\n\r\n", "control byte"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 9000, "8192"),
    "nothing": (b"", "without an answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\n", "without an answer"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_answer_of_it_is_a_failure_and_no_way_round(sandbox, upstream, what):
    answer, said = BAD[what]
    proxy = upstream(answer=answer, tunnel=False)
    before = len(upstream_requests("api.github.com"))
    box = sandbox(policy=network(rest("api.github.com")), options=through(proxy))
    out = box.run(*CURL, "-i", ZEN)
    assert out.code == 56 and "502" in out.stderr, out
    (failed,) = out.event("UPSTREAM_FAILED", action="deny", stage="upstream-proxy", host="api.github.com")
    assert said in failed["reason"] and "secret" not in json.dumps(out.events), out
    assert len(proxy.asked) == 1 and len(upstream_requests("api.github.com")) == before


def test_one_that_is_not_there_is_a_failure_too(sandbox, upstream):
    proxy = upstream()
    proxy.end()
    before = len(upstream_requests("files.example.test"))
    box = sandbox(policy=network(rest("files.example.test", port=80)), options=through(proxy))
    out = box.run(*CURL, "http://files.example.test/bytes/3")
    assert json.loads(out.stdout)["detail"] == "the upstream proxy of this machine gave no answer", out
    (failed,) = out.event("UPSTREAM_FAILED", stage="upstream-proxy")
    # Where it is, is for the person and not for the sandbox.
    assert str(proxy.port) in failed["reason"] and str(proxy.port) not in out.stdout, out
    assert len(upstream_requests("files.example.test")) == before


def test_its_name_is_looked_up(sandbox, upstream):
    proxy = upstream(address=address_of("closed.example.test"))
    box = sandbox(policy=network(rest("api.github.com"), {"host": "closed.example.test", "port": proxy.port, "protocol": "tcp"}),
                  options=["--upstream-proxy", f"http://closed.example.test:{proxy.port}/"])
    out = box.run("sh", "-c", f"{' '.join(CURL)} -f {ZEN}; {' '.join(CURL)} -kf https://closed.example.test:{proxy.port}/")
    assert "logically" in out.stdout and len(proxy.asked) == 1, out
    assert "is the upstream proxy itself" in out.event("CONNECT", action="deny")[0]["reason"], out


WRONG = [
    (["--upstream-proxy", "https://proxy.test:3128"], "http://HOST:PORT"),
    (["--upstream-proxy", "proxy.test:3128"], "http://HOST:PORT"),
    (["--upstream-proxy", "http://proxy.test"], "http://HOST:PORT"),
    (["--upstream-proxy", "http://proxy.test:0"], "http://HOST:PORT"),
    (["--upstream-proxy", "http://a:b@proxy.test:3128"], "--upstream-proxy-auth-file"),
    (["--upstream-proxy", "http://proxy.test:3128/x"], "http://HOST:PORT"),
    (["--upstream-proxy", "http://proxy.test:3128\nhost 10.0.0.1"], "control byte"),
    (["--upstream-proxy", "http://127.1:3128"], "http://HOST:PORT"),
    (["--upstream-no-proxy", "*"], "no --upstream-proxy"),
    (["--upstream-proxy-connect-by-hostname"], "no --upstream-proxy"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-no-proxy", "10.0.0.0/33"], "10.0.0.0/33"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-no-proxy", "a..b"], "a..b"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-no-proxy", "a.test:99999"], "malformed port"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-no-proxy", ","], "no entry"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-proxy-auth-file", "/etc/hostname"], "--upstream-proxy-auth-allow-insecure"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-proxy-auth-allow-insecure"], "which is not given"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-proxy-auth-allow-insecure", "--upstream-proxy-auth-file", "/nowhere"],
     "/nowhere"),
    (["--upstream-proxy", "http://p.test:1", "--upstream-proxy-auth-allow-insecure", "--upstream-proxy-auth-file", "/etc/hostname"],
     "USER:PASSWORD"),
]


@pytest.mark.parametrize("options,said", WRONG, ids=[" ".join(w[0][-2:])[-40:].replace("\n", "_") for w in WRONG])
def test_a_wrong_value_is_fatal(sandbox, no_gateway, options, said):
    out = sandbox(policy=network(rest("api.github.com"))).run("true", options=options)
    assert out.code == 125 and said in out.stderr, out
    out = no_gateway.cli("gateway", "start", *options)
    assert out.code == 1 and said in out.stderr and not no_gateway.up(), out


def test_sandboxes_of_a_gateway_go_through_the_proxy_of_its_operator(no_gateway, upstream):
    g, proxy = no_gateway, upstream()
    login = g.home / "login"
    login.write_text("agent:s3cret-Wort")
    options = through(proxy, "--upstream-no-proxy", "files.example.test", "--upstream-proxy-auth-file", str(login),
                      "--upstream-proxy-auth-allow-insecure")
    g.start(*options)
    policy = network(rest("api.github.com"), rest("files.example.test"))
    g.create("demo", policy=policy)
    assert g.exec("demo", *CURL, "-f", ZEN).code == 0
    assert g.exec("demo", *CURL, "-f", "https://files.example.test/bytes/3").code == 0
    assert len(proxy.asked) == 1 and "Basic YWdlbnQ6czNjcmV0LVdvcnQ=\r\n" in proxy.asked[0]
    until(lambda: "through the upstream proxy" in g.ok("logs", "demo").stdout, what="its record")
    box = g.sandbox_dir(g.id_of("demo"))
    kept = b"".join(p.read_bytes() for p in [*box.iterdir(), *(g.state / "logs").iterdir()] if p.is_file())
    assert b"s3cret" not in kept and b"YWdlbnQ6" not in kept
    # A start with other words than it runs with does not pass over them.
    out = g.cli("gateway", "start", "--upstream-proxy", "http://127.0.0.1:1")
    assert out.code == 1 and "not with that upstream proxy" in out.stderr, out
    g.ok("gateway", "restart")
    g.create("more", policy=policy)
    assert g.exec("more", *CURL, "-f", ZEN).code == 0 and len(proxy.asked) == 2
    # The login is read anew for each; without it none is made.
    login.unlink()
    out = g.cli("sandbox", "create", "--name", "none", "--policy", g.policy(policy), "--", "true")
    assert out.code != 0 and "the login of the upstream proxy" in out.stderr, out
    assert g.exec("demo", *CURL, "-f", ZEN).code == 0


# Programs that are not told apart

def test_binaries_are_ignored_only_when_the_operator_says_so(sandbox):
    policy = network(rest("api.github.com", access="read-only"), binaries=("/usr/bin/git",))
    plain = sandbox(policy=policy)
    out = plain.run(*CURL, "-f", ZEN)
    assert out.code != 0 and "not allowed in policy 'test'" in out.event("CONNECT", action="deny")[0]["reason"], out
    assert not [e for e in out.event("PROTECTIONS_MISSING") if "binaries" in e["reason"]], out
    box = sandbox(policy=policy, options=("--ignore-binaries",))
    out = box.run("sh", "-c", f"{' '.join(CURL)} -f {ZEN} && ! {' '.join(CURL)} -f -X DELETE {ZEN} && "
                              f"! {' '.join(CURL)} -f https://files.example.test/")
    assert out.code == 0 and "not in force: binaries (--ignore-binaries)" in out.stderr, out
    told = [e for e in out.event("PROTECTIONS_MISSING") if "--ignore-binaries" in e["reason"]]
    assert len(told) == 1, out
    # The program is still named where it is known.
    assert [e["binary"] for e in out.event("L7_REQUEST", action="allow")] == ["/usr/bin/curl"], out
    denied = out.event("L7_REQUEST", action="deny")
    assert len(denied) == 1 and denied[0]["method"] == "DELETE", out


def test_a_program_that_nobody_knows_may_connect_where_binaries_are_ignored(sandbox):
    ask = (f"import os, urllib.request as u; os.unlink('p'); print(u.urlopen('{ZEN}').status)")
    gone = f"cp /usr/bin/python3 ./p && exec ./p -c \"{ask}\""
    policy = network(rest("api.github.com"), binaries=("/**",))
    out = sandbox(policy=policy).run("sh", "-c", gone)
    assert out.code != 0 and "failed to resolve peer binary" in out.event("CONNECT", action="deny")[0]["reason"], out
    out = sandbox(policy=policy, options=("--ignore-binaries",)).run("sh", "-c", gone)
    assert out.code == 0 and out.stdout == "200\n", out
    assert out.event("L7_REQUEST", action="allow")[0]["binary"] == "-", out


def test_a_gateway_ignores_binaries_for_its_sandboxes(no_gateway):
    g = no_gateway
    g.start("--ignore-binaries")
    policy = network(rest("api.github.com"), binaries=("/usr/bin/git",))
    g.create("demo", policy=policy)
    assert g.exec("demo", *CURL, "-f", ZEN).code == 0
    until(lambda: "--ignore-binaries" in g.ok("logs", "demo").stdout, what="its record")
    g.ok("gateway", "restart")
    g.create("more", policy=policy)
    assert g.exec("more", *CURL, "-f", ZEN).code == 0
    g.ok("gateway", "stop")
    g.start()
    g.create("plain", policy=policy)
    assert g.exec("plain", *CURL, "-f", ZEN).code != 0
    out = g.cli("gateway", "start", "--ignore-binaries")
    assert out.code == 1 and "--ignore-binaries" in out.stderr, out
