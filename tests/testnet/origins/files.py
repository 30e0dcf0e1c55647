"""files.example.test and redirect.example.test."""

import re
import time
from urllib.parse import parse_qs

_BLOCK = bytes(range(256)) * 256
_SIZE_MAX = 64 << 30


def _bytes(conn, n, first, last):
    """The bytes first to last of a body whose byte i is i mod 256."""
    at = first
    while at <= last:
        skip = at % len(_BLOCK)
        part = _BLOCK[skip:skip + min(len(_BLOCK) - skip, last - at + 1)]
        conn.send(part)
        at += len(part)


def _get_bytes(conn, req, n):
    m = re.fullmatch(r"bytes=(\d+)-(\d*)", req.get("range"))
    first, last, status, extra = 0, n - 1, 200, []
    if m and int(m[1]) < n:
        first, last = int(m[1]), min(int(m[2] or n - 1), n - 1)
        status = 206
        extra = [("Content-Range", f"bytes {first}-{last}/{n}")]
    conn.head(status, [("Content-Type", "application/octet-stream"),
                       ("Accept-Ranges", "bytes"), *extra,
                       ("Content-Length", max(0, last - first + 1))])
    if req.method != "HEAD":
        _bytes(conn, n, first, last)
    return True


def _get_chunked(conn, req, n):
    conn.start_chunked(req, "application/octet-stream")
    while n:
        part = _BLOCK[:min(n, len(_BLOCK))]
        conn.chunk(part)
        n -= len(part)
    conn.end_chunked()
    return True


def _sse(conn, req):
    conn.start_chunked(req, "text/event-stream",
                       [("Cache-Control", "no-store")])
    for i in range(3):
        conn.chunk(f"event: tick\ndata: {i}\n\n".encode())
    conn.end_chunked()
    return True


def files(world, conn, req):
    """The endpoints of plan.py's purpose line."""
    path = req.path
    q = parse_qs(req.query)
    m = re.fullmatch(r"/(bytes|chunked|status)/(\d{1,12})", path)
    if m and int(m[2]) > _SIZE_MAX:
        return conn.reply(req, 400, "too many bytes\n")
    if m and m[1] == "bytes":
        return _get_bytes(conn, req, int(m[2]))
    if m and m[1] == "chunked":
        return _get_chunked(conn, req, int(m[2]))
    if m and 200 <= int(m[2]) <= 599:
        return conn.reply(req, int(m[2]), f"status {m[2]}\n")
    if path == "/echo":
        return conn.reply_json(req, 200, {
            "host": conn.host.name, "sni": conn.sni, "method": req.method,
            "target": req.target, "path": path, "headers": req.headers,
            "body_length": req.body_length, "body_sha256": req.body_sha256,
            "trailers": req.trailers})
    if path == "/slow":
        ms = q.get("ms", ["1000"])[0]
        time.sleep(min(int(ms), 600_000) / 1000 if ms.isdigit() else 1)
        return conn.reply(req, 200, "at last\n")
    if path == "/trailers":
        conn.start_chunked(req, "text/plain", [("Trailer", "X-After")])
        conn.chunk(b"body\n")
        conn.end_chunked([("X-After", req.get("x-key") or "the body")])
        return True
    if path == "/sse":
        return _sse(conn, req)
    if path == "/":
        return conn.reply(req, 200, f"{conn.host.name}\n")
    return conn.reply(req, 404, "no such path\n")


_REDIRECTS = {
    "/evil": "https://evil.example.test/",
    "/private": "http://10.0.5.9/",
    "/metadata": "http://169.254.169.254/latest/meta-data/",
}


def redirect(world, conn, req):
    """302 to where the path says."""
    to = _REDIRECTS.get(req.path)
    if req.path == "/to":
        to = parse_qs(req.query).get("url", [None])[0]
    if not to or not to.isprintable() or not to.isascii():
        return conn.reply(req, 404, "no such redirect\n")
    return conn.reply(req, 302, f"{to}\n", headers=[("Location", to)])
