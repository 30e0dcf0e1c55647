"""A gateway behind an edge: login in the browser, the token, the tunnel."""
import json
import os
import re
import socket
import stat
import subprocess
import time
from concurrent import futures

import grpc
import pytest

from edge import Edge, jwt, post
from gateway import READ_GITHUB
from grpcapi import v1
from harness import Terminal, until

SOON = 3600


@pytest.fixture
def edge(shared, tmp_path):
    token = jwt(int(time.time()) + SOON)
    e = Edge(tmp_path, shared.sock, {token})
    e.token = token
    e.dir = shared.config / "gateways/cloud"
    e.dir.mkdir(parents=True, exist_ok=True)
    (e.dir / "metadata.json").write_text(json.dumps({
        "name": "cloud", "gateway_endpoint": e.url, "is_remote": True, "gateway_port": 0, "auth_mode": "cloudflare_jwt"}))
    e.env = {"SSL_CERT_FILE": str(e.cert), "OPENSHELL_NO_BROWSER": "1"}
    yield e
    e.close()
    for f in e.dir.iterdir():
        f.unlink()
    e.dir.rmdir()


def put(e, token, name="edge_token", mode=0o600):
    path = e.dir / name
    path.write_text(token + "\n")
    path.chmod(mode)
    return path


def cloud(g, e, *args, **more):
    return g.cli("-g", "cloud", *args, env=e.env, **more)


# the tunnel

def test_every_command_goes_through_the_tunnel(shared, edge):
    g = shared
    put(edge, edge.token)
    out = cloud(g, edge, "status")
    assert out.code == 0 and "Connected" in out.stdout and "Edge (bearer token)" in out.stdout, out
    out = cloud(g, edge, "sandbox", "create", "--name", "demo", "--policy", g.policy(READ_GITHUB), "--", "echo", "in")
    assert out.code == 0 and out.stdout == "in\n", out
    assert "demo" in g.list()
    big = os.urandom(3 << 20)
    out = cloud(g, edge, "sandbox", "exec", "demo", "--", "cat", input=big)
    assert out.code == 0 and out.out == big, out.code
    assert cloud(g, edge, "sandbox", "exec", "demo", "--", "sh", "-c", "exit 7").code == 7
    line, fields = edge.requests[-1]
    assert line == "GET /_ws_tunnel HTTP/1.1" and fields["host"] == f"localhost:{edge.port}", (line, fields)
    assert not (edge.dir / "mtls").exists()  # no certificate was needed


@pytest.mark.parametrize("tunnel", [True, False])
def test_every_call_carries_the_token(shared, edge, tmp_path, tunnel):
    """Through the tunnel, and to an edge on this machine without TLS."""
    seen = []

    def health(request, context):
        seen.append(dict(context.invocation_metadata()))
        return v1.HealthResponse(status=v1.SERVICE_STATUS_HEALTHY, version="9.9")

    handler = grpc.unary_unary_rpc_method_handler(
        health, request_deserializer=v1.HealthRequest.FromString, response_serializer=v1.HealthResponse.SerializeToString)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("openshell.v1.OpenShell", {"Health": handler}),))
    edge.sock = shared.home / "g.sock"
    server.add_insecure_port(f"unix:{edge.sock}")
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    put(edge, edge.token)
    if not tunnel:
        meta = json.loads((edge.dir / "metadata.json").read_text())
        (edge.dir / "metadata.json").write_text(json.dumps({**meta, "gateway_endpoint": f"http://127.0.0.1:{port}"}))
    try:
        out = cloud(shared, edge, "status")
        assert out.code == 0 and "9.9" in out.stdout, out
    finally:
        server.stop(None)
    assert seen[-1]["cf-access-jwt-assertion"] == edge.token and seen[-1]["cookie"] == f"CF_Authorization={edge.token}", seen
    assert len(edge.requests) == tunnel


def test_nobody_else_can_use_the_tunnel(shared, edge):
    """No process of it listens anywhere, and it ends with the command."""
    g = shared
    put(edge, edge.token)
    g.create("demo", policy=READ_GITHUB)
    process = g.spawn("-g", "cloud", "sandbox", "exec", "demo", "--", "sh", "-c", "echo up; exec cat", env=edge.env)
    assert process.stdout.readline() == b"up\n"
    mine = {str(process.pid), *open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()}
    assert len(mine) == 2
    listening = subprocess.run(["ss", "-Hlntxp"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listening.splitlines() if any(f"pid={p}," in line for p in mine)], listening
    for p in mine:
        assert edge.token not in open(f"/proc/{p}/cmdline").read()
    process.stdin.close()
    assert process.wait(10) == 0
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in mine), 5, "the end of the tunnel")


def test_a_token_that_is_missing_expired_open_or_wrong_is_told(shared, edge):
    g = shared
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 1 and "no edge token" in out.stderr.lower() and "openshell gateway login cloud" in out.stderr, out
    put(edge, jwt(int(time.time()) - 10))
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 1 and "expired" in out.stderr and "openshell gateway login cloud" in out.stderr, out
    assert edge.requests == []
    path = put(edge, edge.token, mode=0o644)
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 1 and "can be read by others" in out.stderr and "chmod 600" in out.stderr, out
    path.unlink()
    put(edge, "a b\tc")
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 1 and "invalid edge token value" in out.stderr, out
    put(edge, jwt(int(time.time()) + 9999))
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 1 and "HTTP 302" in out.stderr and "openshell gateway login cloud" in out.stderr, out
    soon = jwt(int(time.time()) + 60)
    edge.tokens.add(soon)
    put(edge, soon)
    out = cloud(g, edge, "sandbox", "list")
    assert out.code == 0 and "expires in" in out.stderr and "openshell gateway login cloud" in out.stderr, out


def test_the_token_of_earlier_versions_is_taken_over(shared, edge):
    put(edge, edge.token, "cf_token")
    assert cloud(shared, edge, "sandbox", "list").code == 0
    assert not (edge.dir / "cf_token").exists() and (edge.dir / "edge_token").read_text() == edge.token
    assert stat.S_IMODE((edge.dir / "edge_token").stat().st_mode) == 0o600


def test_an_edge_that_is_not_trusted_gets_no_token(shared, edge):
    put(edge, edge.token)
    out = shared.cli("-g", "cloud", "sandbox", "list", env={"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})
    assert out.code == 1 and "certificate" in out.stderr.lower(), out
    assert edge.requests == []


@pytest.mark.parametrize("bytes_, what", [
    (b"\x82\x81\0\0\0\0x", "masked"), (b"\xc2\x01x", "compressed"), (b"\x80\x01x", "fragment"), (b"\x83\x00", "opcode"), (b"\x82\x7e\x00\x01x", "length")])
def test_frames_that_are_wrong_end_the_tunnel(shared, edge, bytes_, what):
    put(edge, edge.token)
    edge.mangle = lambda data: bytes_
    out = cloud(shared, edge, "sandbox", "list", timeout=30)
    assert out.code == 1 and out.stderr.startswith("Error:"), (what, out)


def test_plain_http_is_for_loopback_and_wants_no_certificate(no_gateway):
    g = no_gateway
    g.start("--plaintext", "--disable-gateway-auth")
    for f in g.bundle.iterdir() if g.bundle.exists() else []:
        f.unlink()
    assert g.cli("--gateway-endpoint", f"http://localhost:{g.port}", "sandbox", "list").code == 0
    out = g.cli("--gateway-endpoint", "http://api.github.com:80", "sandbox", "list")
    assert out.code == 1 and "plain text is for this machine only" in out.stderr, out


def test_a_gateway_can_be_named(shared):
    """By what the name servers say, as the address of a registered gateway."""
    g = shared
    d = g.config / "gateways/named"
    d.mkdir(parents=True)
    try:
        for name in ("ca.crt", "tls.crt", "tls.key"):
            (d / "mtls").mkdir(exist_ok=True)
            (d / "mtls" / name).write_bytes((g.bundle / name).read_bytes())
            (d / "mtls" / name).chmod(0o600)
        for host, said in (("localhost", None), ("nosuch.example.test", "nosuch.example.test"), ("api.github.com", "certificate")):
            port = g.port if host == "localhost" else 443
            (d / "metadata.json").write_text(json.dumps({
                "name": "named", "gateway_endpoint": f"https://{host}:{port}", "is_remote": True, "gateway_port": 0}))
            out = g.cli("-g", "named", "sandbox", "list", timeout=30)
            assert (out.code == 0) if said is None else (out.code == 1 and said in out.stderr), (host, out)
    finally:
        subprocess.run(["rm", "-rf", d], check=True)


# login

def begin(g, edge, **more):
    process = g.spawn("gateway", "login", "cloud", env=edge.env, **more)
    text = b""
    while b"/auth/connect?" not in text:
        line = process.stderr.readline()
        assert line, text
        text += line
    code = re.search(rb"Confirmation code: ([A-HJ-NP-Z2-9]{3}-[A-HJ-NP-Z2-9]{4})\n", text)[1].decode()
    url = re.search(rb"(https://\S+)", text)[1].decode()
    port = int(re.fullmatch(re.escape(edge.url) + r"/auth/connect\?callback_port=(\d+)&code=" + code, url)[1])
    return process, port, code


def test_login_stores_what_the_page_posts(shared, edge):
    g = shared
    process, port, code = begin(g, edge)
    assert post(port, b"", edge.url, path="/")[0] == 404
    status, fields, body = post(port, b"", edge.url, method="OPTIONS")
    assert status == 204 and fields["Access-Control-Allow-Origin"] == edge.url and fields["Vary"] == "Origin", dict(fields)
    assert post(port, b"", edge.url, method="GET")[0] == 405
    assert post(port, {"token": edge.token, "code": code}, "https://evil.example")[0] == 403
    idle = socket.create_connection(("127.0.0.1", port))  # says nothing, and is in nobody's way
    status, fields, body = post(port, {"token": edge.token, "code": code}, edge.url, pieces=9)
    assert status == 200 and json.loads(body) == {"ok": True} and fields["Access-Control-Allow-Origin"] == edge.url, body
    assert process.wait(10) == 0 and b"Authenticated to gateway 'cloud'" in process.stderr.read()
    idle.close()
    path = edge.dir / "edge_token"
    assert path.read_text() == edge.token and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cloud(g, edge, "sandbox", "list").code == 0


@pytest.mark.parametrize("body, said", [
    ({"token": "t", "code": "WRONG-CODE"}, b"confirmation code mismatch"), ({"token": "", "code": ""}, b"missing token or code"),
    (b"nonsense", b"missing token or code"), ({"token": "a\r\nb", "code": None}, b"invalid edge token value")])
def test_login_ends_at_the_first_wrong_post(shared, edge, body, said):
    process, port, code = begin(shared, edge)
    if isinstance(body, dict) and body["code"] is None:
        body["code"] = code
    status, _, answer = post(port, body, edge.url)
    assert status in (400, 403) and said in answer, answer
    assert process.wait(10) == 1 and b"auth callback channel closed unexpectedly" in process.stderr.read()
    assert not (edge.dir / "edge_token").exists()


def test_login_bears_two_strangers_and_not_a_third(shared, edge):
    process, port, code = begin(shared, edge)
    for i in range(3):
        assert process.poll() is None
        status, fields, body = post(port, {"token": edge.token, "code": code}, "https://evil.example" if i else None)
        assert status == 403 and b"origin not allowed" in body and fields["Access-Control-Allow-Origin"] == edge.url
    assert process.wait(10) == 1 and not (edge.dir / "edge_token").exists()


def test_login_opens_the_browser_when_enter_is_pressed(shared, edge, tmp_path):
    g = shared
    (tmp_path / "xdg-open").write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened.new && mv {tmp_path}/opened.new {tmp_path}/opened\n')
    (tmp_path / "xdg-open").chmod(0o755)
    env = {**g.env, **edge.env, "OPENSHELL_NO_BROWSER": "", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    term = Terminal(g.argv("-g", "cloud", "gateway", "login"), g.work, env=env)
    term.expect(b"Press Enter to open the browser")
    assert not (tmp_path / "opened").exists()
    term.send(b"\n")
    until((tmp_path / "opened").exists, 10, "the browser")
    url = (tmp_path / "opened").read_text()
    port, code = re.search(r"callback_port=(\d+)&code=(\S+)", url).groups()
    assert post(int(port), {"token": edge.token, "code": code}, edge.url)[0] == 200
    term.expect(b"Authenticated to gateway 'cloud'")
    assert term.wait() == 0


def test_login_is_for_gateways_behind_an_edge(shared, edge):
    out = shared.cli("gateway", "login", "openshell")
    assert out.code == 1 and "Gateway 'openshell' does not use edge authentication." in out.stderr, out
    out = shared.cli("gateway", "login", "nosuch")
    assert out.code == 1 and "Unknown gateway 'nosuch'." in out.stderr, out
    out = shared.cli("gateway", "login", env={"XDG_CONFIG_HOME": str(shared.home / "none")})
    assert out.code == 1 and "No active gateway." in out.stderr, out
