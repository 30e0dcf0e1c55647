"""The servers: every listener of the test internet, in one process.

A thread a connection, blocking reads: an origin that must misbehave at an
exact byte is easiest to believe when it is written as straight-line code.
"""

import os
import selectors
import socket
import ssl
import threading

from . import dns, http2, plan
from .http1 import Conn, Malformed
from .origins import HANDLERS
from .record import log, open_log

_IDLE = 600	# seconds after which a silent connection is given up
_BACKLOG = 512


class World:
    """What every connection needs: logs, TLS contexts, scratch space."""

    def __init__(self, root, private):
        self.private = private
        self.requests = open_log(os.path.join(root, "requests.log"))
        self.connections = open_log(os.path.join(root, "connections.log"))
        self.canary = open_log(os.path.join(root, "canary.log"))
        self.queries = open_log(os.path.join(root, "dns.log"))
        self._contexts, self._lock = {}, threading.Lock()

    def context(self, host):
        """The TLS context of a host, made at its first connection."""
        with self._lock:
            ctx = self._contexts.get(host.name)
            if ctx is None:
                ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                if host.cert == "sha1":
                    ctx.set_ciphers("DEFAULT:@SECLEVEL=0")
                ctx.load_cert_chain(
                    os.path.join(self.private, host.name + ".crt"),
                    os.path.join(self.private, "origins.key"))
                ctx.set_alpn_protocols(host.alpn)
                ctx.sni_callback = _remember_sni
                self._contexts[host.name] = ctx
            return ctx


def _remember_sni(sock, name, _ctx):
    sock.testnet_sni = name or ""


def _listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address.startswith("fe80:"):
        s.bind((address, port, 0, socket.if_nametoindex("lo")))
    else:
        s.bind((address, port))
    s.listen(_BACKLOG)
    return s


def open_listeners(hosts, ipv6):
    """[(socket, serve function name, host or address, port)], all listening,
    so that whoever starts afterwards cannot come too early."""
    out = []
    for h in hosts:
        if h.role not in (None, "added"):
            out += [(_listen(a, p), "origin", h, p) for a in h.addresses
                    if ipv6 or ":" not in a
                    for p in (plan.HTTP_PORT, plan.HTTPS_PORT)]
    for a in plan.CANARIES:
        if ipv6 or ":" not in a:
            out += [(_listen(a, p), "canary", a, p)
                    for p in plan.CANARY_PORTS]
    out.append((_listen(plan.DNS_ADDRESS, 53), "dns", None, 53))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((plan.DNS_ADDRESS, 53))
    out.append((udp, "udp", None, 53))
    return out


# A fatal alert, no_application_protocol (RFC 7301 section 3.2); the ssl module
# would go on without one.
_NO_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"


def _offers_h2(sock):
    """Whether the ClientHello, which stays unread, names h2."""
    return b"\x00\x03\x02h2" in sock.recv(4096, socket.MSG_PEEK) or \
        b"\x02h2\x08http/1.1" in sock.recv(4096, socket.MSG_PEEK)


def _serve_origin(world, sock, host, port, peer):
    log(world.connections, host=host.name, port=port, peer=peer)
    if host.role == "logged":
        log(world.canary, server=host.name, port=port, peer=peer)
    conn = Conn(sock, host, port, peer)
    if host.role == "mute":
        conn.wait_closed()
        return
    if port == plan.HTTPS_PORT:
        if "http/1.1" not in host.alpn and not _offers_h2(sock):
            sock.sendall(_NO_PROTOCOL)
            return
        # A failed handshake closes sock itself.
        conn.sock = world.context(host).wrap_socket(sock, server_side=True)
        conn.sni = getattr(conn.sock, "testnet_sni", "")
        if conn.sock.selected_alpn_protocol() == "h2":
            with conn.sock:
                http2.Server(conn, lambda stream, req: _one(
                    world, stream, req, None, HANDLERS[host.role])).run()
            return
    with conn.sock:
        _requests(world, conn, HANDLERS[host.role])


def _requests(world, conn, handler):
    """Serve requests until one side has had enough."""
    while True:
        req, wrong = None, None
        try:
            req = conn.read_head()
            if req is None:
                return
            if req.get("expect").lower() == "100-continue":
                conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            conn.read_body(req)
        except Malformed as e:
            wrong = str(e)
        if not _one(world, conn, req, wrong, handler):
            return
        if (req.version != "HTTP/1.1"
                or "close" in req.get("connection").lower()):
            return


def _one(world, conn, req, wrong, handler):
    """Log and answer one request."""
    log(world.requests, host=conn.host.name, port=conn.port, sni=conn.sni,
        method=req.method if req else "", target=req.target if req else "",
        version=req.version if req else "",
        headers=req.headers if req else [],
        body_length=req.body_length if req else 0,
        body_sha256=req.body_sha256 if req else "",
        trailers=req.trailers if req else [],
        malformed=wrong, peer=conn.peer)
    if wrong:
        conn.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                  b"Content-Length: 0\r\n\r\n")
        return False
    return handler(world, conn, req)


def _serve_canary(world, sock, address, port, peer):
    """Record first: a connection that is opened and dropped counts too."""
    log(world.canary, server=address, port=port, peer=peer)
    conn = Conn(sock, None, port, peer)
    try:
        req = conn.read_head()
    except Malformed:
        req = None
    if req is not None:
        conn.reply(req, 200, "canary: you should not be here\n",
                   headers=[("Connection", "close")])


def _run(serve, *args):
    """The body of a connection's thread.  A peer that breaks the connection
    is ordinary here, whatever the layer that notices."""
    sock = args[1]
    try:
        sock.settimeout(_IDLE)
        serve(*args)
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


def serve(world, hosts, listeners):
    """Serve for ever."""
    threading.stack_size(256 << 10)
    names = dns.Server(hosts, world.queries)
    kinds = {"origin": _serve_origin, "canary": _serve_canary,
             "dns": lambda w, sock, host, port, peer: names.serve_tcp(sock)}
    poll = selectors.DefaultSelector()
    for sock, kind, host, port in listeners:
        if kind == "udp":
            threading.Thread(target=names.serve_udp, args=(sock,),
                             daemon=True).start()
        else:
            poll.register(sock, selectors.EVENT_READ, (kinds[kind], host, port))
    while True:
        for key, _ in poll.select():
            fn, host, port = key.data
            sock, peer = key.fileobj.accept()
            text = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] \
                else f"{peer[0]}:{peer[1]}"
            threading.Thread(target=_run, daemon=True, args=(
                fn, world, sock, host, port, text)).start()
