"""A stand-in for the edge in front of a gateway: TLS, a token, WebSocket, and a page that posts to the browser's machine."""
import base64
import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
import threading

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def jwt(exp):
    def part(o):
        return base64.urlsafe_b64encode(json.dumps(o).encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'none'})}.{part({'exp': exp, 'sub': 'user'})}.c2ln"


def certificate(where):
    """(cert, key) for localhost, self-signed: it is its own root."""
    cert, key = where / "edge.crt", where / "edge.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", "/CN=edge", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


def read_head(f):
    lines = []
    while (line := f.readline(65537).rstrip(b"\r\n")):
        lines.append(line)
    fields = {}
    for line in lines[1:]:
        k, _, v = line.partition(b":")
        fields[k.strip().lower().decode()] = v.strip().decode()
    return (lines[0].decode() if lines else ""), fields


class Edge:
    """Carries the tunnel to a Unix socket of the gateway; `tokens` are those it takes."""

    def __init__(self, where, gateway_sock, tokens):
        self.cert, key = certificate(where)
        self.sock, self.tokens = gateway_sock, tokens
        self.requests = []
        self.seen = []  # bytes that went to the gateway, per connection
        self.mangle = None  # what a test makes of the bytes to the client
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        context.set_alpn_protocols(["http/1.1"])
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listener.accept()
                self.open.append(raw)
                threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def close(self):
        # Closed alone it would go on listening, as accept() holds it.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def serve(self, raw):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            with self.context.wrap_socket(raw, server_side=True) as s:
                f = s.makefile("rb")
                line, fields = read_head(f)
                self.requests.append((line, fields))
                token = fields.get("cf-access-jwt-assertion")
                if token not in self.tokens or fields.get("cf-access-token") != token or \
                        fields.get("cookie") != f"CF_Authorization={token}":
                    s.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nContent-Length: 0\r\n\r\n")
                    return
                if line != "GET /_ws_tunnel HTTP/1.1" or fields.get("upgrade") != "websocket" or fields["sec-websocket-version"] != "13":
                    s.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    return
                assert len(base64.b64decode(fields["sec-websocket-key"])) == 16
                accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + MAGIC).digest()).decode()
                s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n")
                self.carry(s, f)

    def carry(self, s, f):
        up = socket.socket(socket.AF_UNIX)
        up.connect(str(self.sock))
        self.open.append(up)
        self.seen.append(bytearray())
        threading.Thread(target=self.down, args=(s, up), daemon=True).start()
        while True:
            b0, b1 = f.read(2)
            n = b1 & 127
            if n == 126:
                n, = struct.unpack("!H", f.read(2))
            elif n == 127:
                n, = struct.unpack("!Q", f.read(8))
            assert b1 & 128, "a client's frame without mask"
            mask = f.read(4)
            data = bytes(c ^ mask[i % 4] for i, c in enumerate(f.read(n)))
            if b0 & 15 == 8:
                up.close()
                return
            if b0 & 15 in (0, 1, 2):
                self.seen[-1] += data
                up.sendall(data)

    def down(self, s, up):
        with contextlib.suppress(OSError, ssl.SSLError):
            while (data := up.recv(65536)):
                if self.mangle is not None:
                    s.sendall(self.mangle(data))
                    continue
                s.sendall(frame(9, b"are you there"))
                # In two fragments, and text now and then: all of it are bytes.
                half = len(data) // 2
                s.sendall(frame(2, data[:half], fin=False) + frame(0, data[half:]))
            s.sendall(frame(8, struct.pack("!H", 1000)))


def frame(opcode, data, fin=True):
    head = bytes([(128 if fin else 0) | opcode])
    if len(data) < 126:
        head += bytes([len(data)])
    elif len(data) < 65536:
        head += bytes([126]) + struct.pack("!H", len(data))
    else:
        head += bytes([127]) + struct.pack("!Q", len(data))
    return head + data


def post(port, body, origin, method="POST", path="/callback", pieces=1):
    """What the page of the edge does in the browser: (status, headers, body)."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(data)}\r\nContent-Type: application/json\r\n"
    head += f"Origin: {origin}\r\n\r\n" if origin else "\r\n"
    whole = head.encode() + data
    c.connect()
    step = -(-len(whole) // pieces)
    for i in range(0, len(whole), step):
        c.sock.sendall(whole[i:i + step])
    r = http.client.HTTPResponse(c.sock, method=method)
    r.begin()
    return r.status, r.headers, r.read()
