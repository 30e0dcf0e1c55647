"""chaos.example.test: each path is one way in which a server can be wrong."""

import time
from urllib.parse import parse_qs

_OK = b"HTTP/1.1 200 OK\r\n"
_SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"

# Sent as it stands; then the connection stays open, so that a client which
# believes the response to be complete asks again on it.
_RAW = {
    "/cl-te": _OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"5\r\nhello\r\n0\r\n\r\n",
    "/two-cl": _OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "/bad-cl": _OK + b"Content-Length: +5\r\n\r\nhello",
    "/te-unknown": _OK + b"Transfer-Encoding: xchunked\r\n\r\n"
                   b"5\r\nhello\r\n0\r\n\r\n",
    "/bad-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "/chunk-overflow": _OK + b"Transfer-Encoding: chunked\r\n\r\n"
                       b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "/excess": _OK + b"Content-Length: 5\r\n\r\nhello" + _SMUGGLED,
    "/obs-fold": _OK + b"X-Folded: one\r\n two\r\nContent-Length: 5\r\n\r\n"
                 b"hello",
    "/nul-header": _OK + b"X-Nul: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "/space-colon": _OK + b"X-Space : a\r\nContent-Length: 5\r\n\r\nhello",
    "/bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "/bad-status": b"HTTP/1.1 20x Odd\r\nContent-Length: 5\r\n\r\nhello",
    "/bad-version": b"HTTP/3.7 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/100-continue": b"HTTP/1.1 100 Continue\r\n\r\n" + _OK +
                     b"Content-Length: 5\r\n\r\nhello",
}


def _number(req, name, default, most):
    text = parse_qs(req.query).get(name, [""])[0]
    return min(int(text), most) if text.isdigit() else default


def _die_mid_body(conn, req):
    conn.send(_OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 100)
    conn.abort()


def _never(conn, req):
    conn.wait_closed()


def _garbage(conn, req):
    conn.send(bytes(range(256)) * 4)


def _huge_header(conn, req):
    """?n= bytes in one field."""
    conn.send(_OK + b"X-Huge: " + b"h" * _number(req, "n", 1 << 20, 1 << 30) +
              b"\r\nContent-Length: 5\r\n\r\nhello")


def _half_header(conn, req):
    conn.send(_OK + b"Content-Le")
    conn.wait_closed()


def _early_close(conn, req):
    pass


def _1xx_flood(conn, req):
    """?n= interim responses before the real one."""
    one = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    for _ in range(_number(req, "n", 10_000, 10_000_000) // 100 + 1):
        conn.send(one * 100)
    conn.send(_OK + b"Content-Length: 5\r\n\r\nhello")


def _unframed(conn, req):
    conn.send(_OK + b"\r\nthe end of the connection ends this body\n")


def _goodbye(conn, req):
    """As /unframed, and TLS says that this is the end."""
    _unframed(conn, req)
    conn.sock.unwrap()


def _cut_length(conn, req):
    conn.send(_OK + b"Content-Length: 1000\r\n\r\nhalf")


def _cut_chunked(conn, req):
    conn.send(_OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")


def _upgrade(conn, req):
    """101, then every byte comes back."""
    conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
              b"Upgrade: " + req.get("upgrade", "echo").encode("latin-1") +
              b"\r\n\r\n")
    while True:
        data = conn.sock.recv(65536)
        if not data:
            return
        conn.send(data)


def _drip(conn, req):
    """?n= bytes, one every ?ms= milliseconds."""
    n, ms = _number(req, "n", 60, 1 << 20), _number(req, "ms", 1000, 60_000)
    conn.send(_OK + b"Content-Length: %d\r\n\r\n" % n)
    for _ in range(n):
        time.sleep(ms / 1000)
        conn.send(b".")


_ACTS = {
    "/die-mid-body": _die_mid_body, "/never": _never, "/garbage": _garbage,
    "/huge-header": _huge_header, "/half-header": _half_header,
    "/early-close": _early_close, "/1xx-flood": _1xx_flood,
    "/unframed": _unframed, "/goodbye": _goodbye, "/cut-length": _cut_length,
    "/cut-chunked": _cut_chunked, "/upgrade": _upgrade, "/drip": _drip,
}


def chaos(world, conn, req):
    """Misbehave as the path says; "/" lists the paths."""
    raw, act = _RAW.get(req.path), _ACTS.get(req.path)
    if raw is not None:
        conn.send(raw)
        return True
    if act is not None:
        act(conn, req)
        return False
    if req.path == "/":
        return conn.reply(req, 200,
                          "".join(f"{p}\n" for p in sorted([*_RAW, *_ACTS])))
    return conn.reply(req, 404, "no such misbehaviour\n")
