"""HTTP/1.1 as a server that wants to see the bytes: the request-target and
the fields are kept as they came, nothing is normalised, little is refused."""

import hashlib
import json
import socket
import struct

HEAD_MAX = 1 << 20
KEEP_MAX = 8 << 20	# of a body; what is longer is hashed and dropped
_REASONS = {200: "OK", 201: "Created", 206: "Partial Content", 302: "Found",
            400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
            404: "Not Found", 405: "Method Not Allowed",
            426: "Upgrade Required", 500: "Internal Server Error",
            503: "Service Unavailable"}


class Malformed(Exception):
    pass


class Request:
    method = target = version = ""
    body = b""
    body_length = 0
    body_sha256 = hashlib.sha256().hexdigest()

    def __init__(self):
        self.headers, self.trailers = [], []

    def get(self, name, default=""):
        """The first field of that name."""
        for n, v in self.headers:
            if n.lower() == name:
                return v
        return default

    @property
    def path(self):
        """The path of either form of request-target, still encoded."""
        t = self.target
        if not t.startswith("/"):
            rest = t.split("://", 1)[-1]
            t = "/" + rest.split("/", 1)[1] if "/" in rest else "/"
        return t.split("?", 1)[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    def json(self):
        """The body as a JSON object, or {} when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Conn:
    """A connection: sock, and who it is between.

    host   the plan's row that owns the address
    sni    the name in the ClientHello, "" without one, None without TLS
    """

    def __init__(self, sock, host, port, peer):
        self.sock, self.host, self.port, self.peer = sock, host, port, peer
        self.sni = None
        self._buf = b""

    # reading

    def _fill(self):
        data = self.sock.recv(65536)
        self._buf += data
        return bool(data)

    def line(self):
        """A line without its end, or None at the end of the stream."""
        start = 0
        while True:
            at = self._buf.find(b"\n", start)
            if at >= 0:
                out, self._buf = self._buf[:at], self._buf[at + 1:]
                return out[:-1] if out.endswith(b"\r") else out
            start = len(self._buf)
            if start > HEAD_MAX:
                raise Malformed("line too long")
            if not self._fill():
                return None

    def take(self, n, sink):
        """Feed exactly n bytes to sink."""
        while n:
            if not self._buf and not self._fill():
                raise Malformed("body cut short")
            part, self._buf = self._buf[:n], self._buf[n:]
            n -= len(part)
            sink(part)

    def wait_closed(self):
        """Swallow until the peer ends the stream."""
        while self._fill():
            self._buf = b""

    def _fields(self):
        out, size = [], 0
        while True:
            raw = self.line()
            if raw is None:
                raise Malformed("head cut short")
            if raw == b"":
                return out
            size += len(raw)
            if size > HEAD_MAX:
                raise Malformed("head too long")
            name, _, value = raw.decode("latin-1").partition(":")
            out.append([name, value.strip(" \t")])

    def read_head(self):
        """A Request without its body, or None when the peer has gone."""
        first = self.line()
        while first == b"":	# RFC 9112 section 2.2
            first = self.line()
        if first is None:
            return None
        req = Request()
        parts = first.decode("latin-1").split(" ")
        req.method, req.version = parts[0], parts[-1]
        req.target = " ".join(parts[1:-1])
        req.headers = self._fields()
        if len(parts) < 3:
            raise Malformed("request-line")
        return req

    def read_body(self, req):
        """Read the body that the head announces into req."""
        sha, keep, total = hashlib.sha256(), [], 0

        def sink(part):
            nonlocal total
            sha.update(part)
            total += len(part)
            if total <= KEEP_MAX:
                keep.append(part)

        coding = req.get("transfer-encoding", None)
        length = req.get("content-length", None)
        try:
            if coding is not None:
                if coding.lower() != "chunked" or length is not None:
                    raise Malformed("framing")
                self._chunks(req, sink)
            elif length is not None:
                if not length.isdigit():
                    raise Malformed("content-length")
                self.take(int(length), sink)
        finally:
            req.body, req.body_length = b"".join(keep), total
            req.body_sha256 = sha.hexdigest()

    def _chunks(self, req, sink):
        while True:
            raw = self.line()
            try:
                size = int((raw or b"").split(b";")[0], 16)
            except ValueError:
                raise Malformed("chunk size") from None
            if size < 0:
                raise Malformed("chunk size")
            if size == 0:
                req.trailers = self._fields()
                return
            self.take(size, sink)
            if self.line() != b"":
                raise Malformed("chunk end")

    # writing

    def send(self, data):
        self.sock.sendall(data)

    def head(self, status, headers=(), reason=None):
        out = [f"HTTP/1.1 {status} {reason or _REASONS.get(status, 'Status')}"]
        out += [f"{n}: {v}" for n, v in headers]
        self.send(("\r\n".join(out) + "\r\n\r\n").encode("latin-1"))

    def reply(self, req, status, body=b"", kind="text/plain", headers=()):
        """A whole response; True, so that handlers can return it."""
        if isinstance(body, str):
            body = body.encode()
        fields = [("Content-Type", kind), *headers]
        if status >= 200 and status not in (204, 304):
            fields.append(("Content-Length", len(body)))
        else:
            body = b""
        out = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        out += [f"{n}: {v}" for n, v in fields]
        head = ("\r\n".join(out) + "\r\n\r\n").encode("latin-1")
        self.send(head if req.method == "HEAD" else head + body)
        return True

    def reply_json(self, req, status, value, headers=()):
        return self.reply(req, status, json.dumps(value) + "\n",
                          "application/json", headers)

    def start_chunked(self, req, kind, headers=()):
        self.head(200, [("Content-Type", kind), *headers,
                        ("Transfer-Encoding", "chunked")])

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end_chunked(self, trailers=()):
        self.send(("0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers)
                   + "\r\n").encode("latin-1"))

    def abort(self):
        """Drop the connection with a reset, without a TLS goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()
