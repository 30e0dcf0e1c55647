"""HTTP/2 for the same handlers: each stream looks like a connection of
http1.py with one request.  What came is kept as it came: the pseudo-header
fields stand first among the headers.

Needs python3-h2, which is loaded at the first connection: the test internet
starts without site packages, and fast."""

import hashlib
import queue
import select
import ssl
import sys
import threading

from .http1 import KEEP_MAX, Conn, Malformed, Request

_PACKAGES = "/usr/lib/python3/dist-packages"
_loading = threading.Lock()


def _load():
    global h2
    with _loading:
        if _PACKAGES not in sys.path:
            sys.path.append(_PACKAGES)
        import h2.config
        import h2.connection
        import h2.events
        import h2.exceptions
        import h2.settings


class Stream(Conn):
    """The answer's side of one stream, with the methods of Conn."""

    def __init__(self, conn, stream):
        super().__init__(conn.sock, conn.host, conn.port, conn.peer)
        self.sni, self._conn, self._id = conn.sni, conn, stream
        self._left = None

    def head(self, status, headers=(), reason=None):
        fields = [(":status", str(status))]
        self._left = None
        for n, v in headers:
            if n.lower() == "content-length":
                self._left = int(v)
            if n.lower() not in ("connection", "transfer-encoding"):
                fields.append((n.lower(), str(v)))
        self._conn.headers(self._id, fields, status >= 200 and self._left == 0)

    def send(self, data):
        if self._left is not None:
            self._left -= len(data)
        self._conn.data(self._id, data, self._left == 0)

    def reply(self, req, status, body=b"", kind="text/plain", headers=()):
        body = body.encode() if isinstance(body, str) else body
        fields = [("content-type", kind), *headers]
        bare = req.method == "HEAD" or status in (204, 304)
        if status not in (204, 304):
            fields.append(("content-length", str(len(body))))
        self._conn.headers(self._id, [(":status", str(status))]
                           + [(n.lower(), str(v)) for n, v in fields],
                           bare or not body)
        if body and not bare:
            self._conn.data(self._id, body, True)
        return True

    def chunk(self, data):
        self._conn.data(self._id, data, False)

    def end_chunked(self, trailers=()):
        if trailers:
            self._conn.headers(self._id, [(n.lower(), v) for n, v in trailers],
                               True)
        else:
            self._conn.data(self._id, b"", True)


class Socket(Stream):
    """A stream that an extended CONNECT opened (RFC 8441): bytes both ways."""

    def __init__(self, conn, stream):
        super().__init__(conn, stream)
        self.came = queue.SimpleQueue()

    def _fill(self):
        data = self.came.get()
        self._buf += data
        return bool(data)

    def send(self, data):
        self._conn.data(self._id, data, False)


class Server:
    """One connection: reads, and gives whole requests to `done`."""

    def __init__(self, conn, done):
        _load()
        self.sock, self.host, self.port, self.peer = (
            conn.sock, conn.host, conn.port, conn.peer)
        self.sni, self._done = conn.sni, done
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1"))
        self._requests, self._gone, self._sockets = {}, set(), {}

    def _flush(self):
        out = memoryview(self._h2.data_to_send())
        while len(out):
            try:
                out = out[self.sock.send(out):]
            except ssl.SSLWantWriteError:
                select.select([], [self.sock], [])

    def _read(self):
        """What came; the socket is one object of OpenSSL's for both ways."""
        while True:
            select.select([self.sock], [], [])
            with self._lock:
                try:
                    got = self.sock.recv(65536)
                    while self.sock.pending():
                        got += self.sock.recv(65536)
                    return got
                except ssl.SSLWantReadError:
                    pass

    def headers(self, stream, fields, end):
        with self._lock:
            if stream in self._gone:
                raise OSError("stream reset")
            self._h2.send_headers(stream, fields, end_stream=end)
            self._flush()

    def data(self, stream, data, end):
        view = memoryview(data)
        with self._lock:
            while True:
                if stream in self._gone:
                    raise OSError("stream reset")
                n = min(self._h2.local_flow_control_window(stream),
                        self._h2.max_outbound_frame_size, len(view))
                if n or not len(view):
                    last = end and n == len(view)
                    self._h2.send_data(stream, bytes(view[:n]), end_stream=last)
                    self._flush()
                    view = view[n:]
                    if not len(view):
                        return
                else:
                    self._room.wait(60)

    def _answer(self, stream, req, socket=None):
        try:
            self._done(socket or Stream(self, stream), req)
            if socket:
                self.data(stream, b"", True)
        except (OSError, Malformed, h2.exceptions.ProtocolError):
            pass

    def _socket(self, stream, e):
        if isinstance(e, h2.events.DataReceived):
            self._sockets[stream].came.put(e.data)
            self._h2.acknowledge_received_data(e.flow_controlled_length, stream)
        elif isinstance(e, (h2.events.StreamEnded, h2.events.StreamReset)):
            self._sockets.pop(stream).came.put(b"")
            self._gone.update([stream] if isinstance(e, h2.events.StreamReset) else [])

    def _event(self, e):
        stream = getattr(e, "stream_id", None)
        if isinstance(e, h2.events.RequestReceived):
            req = Request()
            req.version = "HTTP/2"
            req.headers = [[n, v] for n, v in e.headers]
            req.method, req.target = req.get(":method"), req.get(":path")
            req.sha, req.kept = hashlib.sha256(), []
            if req.get(":protocol"):
                self._sockets[stream] = s = Socket(self, stream)
                threading.Thread(target=self._answer, args=(stream, req, s),
                                 daemon=True).start()
                return
            self._requests[stream] = req
        elif stream in self._sockets:
            self._socket(stream, e)
        elif isinstance(e, h2.events.DataReceived):
            req = self._requests[stream]
            req.sha.update(e.data)
            req.body_length += len(e.data)
            if req.body_length <= KEEP_MAX:
                req.kept.append(e.data)
            self._h2.acknowledge_received_data(
                e.flow_controlled_length, stream)
        elif isinstance(e, h2.events.TrailersReceived):
            self._requests[stream].trailers = [[n, v] for n, v in e.headers]
        elif isinstance(e, h2.events.StreamEnded):
            req = self._requests.pop(stream)
            req.body, req.body_sha256 = b"".join(req.kept), req.sha.hexdigest()
            threading.Thread(target=self._answer, args=(stream, req),
                             daemon=True).start()
        elif isinstance(e, h2.events.StreamReset):
            self._gone.add(stream)
            self._requests.pop(stream, None)
            self._room.notify_all()
        elif isinstance(e, (h2.events.WindowUpdated,
                            h2.events.RemoteSettingsChanged)):
            self._room.notify_all()

    def run(self):
        self.sock.setblocking(False)
        with self._lock:
            if self.host.role == "websocket":
                self._h2.local_settings = h2.settings.Settings(
                    client=False, initial_values={
                        h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
            self._h2.initiate_connection()
            self._flush()
        while True:
            got = self._read()
            with self._lock:
                if not got:
                    self._gone.update(range(1, 1 << 12, 2))
                    self._room.notify_all()
                    return
                try:
                    events = self._h2.receive_data(got)
                except h2.exceptions.ProtocolError:
                    self._flush()
                    return
                for e in events:
                    self._event(e)
                self._flush()
