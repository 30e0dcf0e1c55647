"""socket.example.test: WebSocket (RFC 6455), with permessage-deflate (RFC 7692).

    /echo         every message comes back
    /deflate      the same, compressed when that was offered
    /bad-accept   a handshake with another key's answer
    /masked       a frame that only clients may send
"""

import base64
import hashlib
import json
import struct
import zlib

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TAIL = b"\x00\x00\xff\xff"


class Socket:
    """A connection after its handshake."""

    def __init__(self, conn, deflate):
        self.conn = conn
        self.inflater = zlib.decompressobj(-15) if deflate else None
        self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15) if deflate else None

    def _take(self, n):
        parts = []
        self.conn.take(n, parts.append)
        return b"".join(parts)

    def frame(self):
        """(fin, rsv1, opcode, payload)."""
        first, second = self._take(2)
        n = second & 0x7f
        if n == 126:
            n = struct.unpack(">H", self._take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self._take(8))[0]
        mask = self._take(4) if second & 0x80 else bytes(4)
        data = self._take(n)
        data = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
        return first & 0x80, first & 0x40, first & 0x0f, data

    def send(self, opcode, data):
        first = 0x80 | opcode
        if self.deflater and opcode < 8:
            first |= 0x40
            data = self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
            data = data[:-4]
        n = len(data)
        head = bytes([first, n]) if n < 126 else bytes([first, 126]) + struct.pack(">H", n) \
            if n < 65536 else bytes([first, 127]) + struct.pack(">Q", n)
        self.conn.send(head + data)

    def messages(self):
        """(opcode, bytes) of every message; pings are answered, a close ends."""
        parts, opcode, packed = [], 0, False
        while True:
            fin, rsv1, op, data = self.frame()
            if op == 8:
                self.send(8, data)
                return
            if op == 9:
                self.send(10, data)
                continue
            if op == 10:
                continue
            if op:
                parts, opcode, packed = [], op, bool(rsv1)
            parts.append(data)
            if not fin:
                continue
            data = b"".join(parts)
            if packed:
                data = self.inflater.decompress(data + _TAIL)
            yield opcode, data


def accept(conn, req, wrong=False, protocol=None):
    """The handshake; a Socket."""
    over_h2 = bool(req.get(":protocol"))
    key = "x" * 24 if wrong else req.get("sec-websocket-key")
    answer = base64.b64encode(hashlib.sha1((key + _MAGIC).encode()).digest()).decode()
    fields = [] if over_h2 else [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                 ("Sec-WebSocket-Accept", answer)]
    deflate = req.path == "/deflate" and "permessage-deflate" in req.get("sec-websocket-extensions")
    if deflate:
        fields.append(("Sec-WebSocket-Extensions", "permessage-deflate"))
    if protocol:
        fields.append(("Sec-WebSocket-Protocol", protocol))
    conn.head(200 if over_h2 else 101, fields, "Switching Protocols")
    return Socket(conn, deflate)


def is_upgrade(req):
    return "websocket" in (req.get("upgrade").lower(), req.get(":protocol"))


def graphql(conn, req):
    """graphql-transport-ws: every operation gives one result."""
    s = accept(conn, req, protocol=req.get("sec-websocket-protocol"))
    for _, data in s.messages():
        m = json.loads(data)
        if m["type"] == "connection_init":
            s.send(1, json.dumps({"type": "connection_ack"}).encode())
        elif m["type"] in ("subscribe", "start"):
            s.send(1, json.dumps({"type": "next", "id": m["id"],
                                  "payload": {"data": m["payload"]["query"]}}).encode())


def websocket(world, conn, req):
    if not is_upgrade(req):
        return conn.reply(req, 426, "a WebSocket lives here\n")
    s = accept(conn, req, wrong=req.path == "/bad-accept")
    if req.path == "/masked":
        conn.send(b"\x81\x81\0\0\0\0x")
    for opcode, data in s.messages():
        if req.path == "/die" and data == b"die":
            conn.abort()
            return False
        s.send(opcode, hashlib.sha256(data).hexdigest().encode() if req.path == "/digest" else data)
    return False
