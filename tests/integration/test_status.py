"""openshell status: what it says of a gateway that answers by calls, by HTTP alone, or not (cli spec section 8)."""
import contextlib
import json
import socket
import ssl
import threading
from concurrent import futures

import grpc
import pytest

from grpcapi import v1
from harness import TESTNET


class HttpAlone:
    """Where a gateway should be: HTTP/1.1 with one status, and at `calls` whoever speaks HTTP/2."""

    def __init__(self, status, calls=None, context=None):
        self.status, self.calls, self.context = status, calls, context
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, raw):
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.ExitStack() as stack:
            s = stack.enter_context(self.context.wrap_socket(raw, server_side=True) if self.context else raw)
            first = s.recv(65536)
            if first.startswith(b"PRI ") and self.calls:
                up = stack.enter_context(socket.create_connection(("127.0.0.1", self.calls)))
                up.sendall(first)
                threading.Thread(target=self.pump, args=(up, s), daemon=True).start()
                self.pump(s, up)
                return
            if not first:  # came to speak HTTP/2, and went
                return
            self.asked.append(first.split(b"\r\n")[0].decode())
            s.sendall(b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)

    def pump(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def rows(out):
    """The table of one object: {label: value}."""
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in out.stdout.splitlines()) if v}


@pytest.mark.parametrize("status, code, said", [(200, 0, "Connected (HTTP)"), (204, 0, "Connected (HTTP)"),
                                                (503, 1, "Error"), (302, 1, "Error")])
def test_status_where_only_http_answers(no_gateway, status, code, said):
    with HttpAlone(status) as web:
        out = no_gateway.cli("--gateway-endpoint", f"http://127.0.0.1:{web.port}", "status")
        more = no_gateway.cli("--gateway-endpoint", f"http://127.0.0.1:{web.port}", "status", "-o", "json")
    assert out.code == code and "GET /healthz HTTP/1.1" in web.asked, (out, web.asked)
    told = rows(out)
    assert told["Status"] == said and told["HTTP"] == str(status) and told["gRPC error"] and "Error" not in told, out
    j = json.loads(more.out)
    assert (j["status"], j["http"], j["version"]) == (said, status, None) and more.code == code, more
    assert j["grpc_error"] and j["error"] is None, j


@pytest.mark.parametrize("status, code, said", [(200, 0, "Connected (HTTP)"), (500, 1, "Error")])
def test_status_where_calls_are_refused(no_gateway, status, code, said):
    """The connection stands, the call fails: HTTP tells whether anybody is well there."""
    def health(request, context):
        context.abort(grpc.StatusCode.INTERNAL, "sick")

    handler = grpc.unary_unary_rpc_method_handler(
        health, request_deserializer=v1.HealthRequest.FromString, response_serializer=v1.HealthResponse.SerializeToString)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("openshell.v1.OpenShell", {"Health": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with HttpAlone(status, calls=port) as web:
            out = no_gateway.cli("--gateway-endpoint", f"http://127.0.0.1:{web.port}", "status")
    finally:
        server.stop(None)
    told = rows(out)
    assert out.code == code and told["Status"] == said and told["HTTP"] == str(status) and "sick" in told["gRPC error"], out


def test_status_asks_over_the_gateways_own_tls(no_gateway):
    """With the certificates of the gateway, both ways; a stranger's HTTP is none of it."""
    g = no_gateway
    g.start()
    out = g.cli("status")
    assert out.code == 0 and rows(out)["Status"] == "Connected" and "HTTP" not in rows(out), out
    g.stop()
    out = g.cli("status")  # nobody is there, by HTTP neither
    assert out.code == 1 and rows(out)["Status"] == "Disconnected" and "HTTP" not in rows(out) and rows(out)["Error"], out
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(g.state / "pki/tls.crt", g.state / "pki/tls.key")
    context.load_verify_locations(g.state / "pki/ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    where = g.config / "gateways" / g.name / "metadata.json"
    kept = json.loads(where.read_text())
    with HttpAlone(200, context=context) as web:
        where.write_text(json.dumps({**kept, "gateway_endpoint": f"https://127.0.0.1:{web.port}"}))
        out = g.cli("status")
        assert out.code == 0 and rows(out)["Status"] == "Connected (HTTP)" and rows(out)["HTTP"] == "200", out
        assert web.asked == ["GET /healthz HTTP/1.1"], web.asked
        web.status = 500
        out = g.cli("status")  # no connection for calls could be made at all
        assert out.code == 1 and rows(out)["Status"] == "Disconnected" and rows(out)["HTTP"] == "500" and rows(out)["Error"], out
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.load_cert_chain(TESTNET / "load.example.test.crt", TESTNET / "load.example.test.key")
    with HttpAlone(200, context=stranger) as web:
        where.write_text(json.dumps({**kept, "gateway_endpoint": f"https://127.0.0.1:{web.port}"}))
        out = g.cli("status")
        assert out.code == 1 and rows(out)["Status"] == "Disconnected" and "HTTP" not in rows(out) and web.asked == [], out
    where.write_text(json.dumps(kept))
