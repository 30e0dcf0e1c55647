"""The DNS server, RFC 1035: scripted answers, and a line for every query."""

import socket
import struct
import threading

from .record import log

TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX",
         16: "TXT", 28: "AAAA", 33: "SRV", 41: "OPT", 64: "SVCB",
         65: "HTTPS", 255: "ANY"}
_NOERROR, _FORMERR, _NXDOMAIN = 0, 1, 3
_UDP_LIMIT = 512


def _question(msg):
    """(name as text, type, bytes of the question), or None if malformed."""
    if len(msg) < 17 or msg[2] & 0x80 or struct.unpack_from("!H", msg, 4) != (1,):
        return None
    at, labels = 12, []
    while at < len(msg) and msg[at]:
        n = msg[at]
        if n > 63 or at + 1 + n >= len(msg):
            return None
        labels.append("".join(
            chr(c) if 0x21 <= c <= 0x7e and c not in b".\\" else f"\\{c:03d}"
            for c in msg[at + 1:at + 1 + n]))
        at += 1 + n
    if at + 5 > len(msg):
        return None
    return (".".join(labels).lower(), struct.unpack_from("!H", msg, at + 1)[0],
            msg[12:at + 5])


def _garbled(msg):
    """Of that query, and nothing that can be read: a name that points at
    itself, records that are not there."""
    return msg[:2] + struct.pack("!HHHHH", 0x8580, 1, 9, 9, 9) + msg[12:] + b"\xc0\x0c\xff" * 20


class Server:
    def __init__(self, hosts, logfile):
        self._table = {h.name: h for h in hosts}
        self._log = logfile
        self._lock = threading.Lock()
        self._rebinds = 0

    def _addresses(self, host, kind):
        """Addresses of that type, or None when the query stays unanswered."""
        answer = host.dns()
        if answer in ("silent", "garbled"):
            return None
        if answer == "liar":
            return ["20.0.0.10"] if kind == "A" else []
        if answer == "rebind":
            if kind != "A":
                return []
            with self._lock:
                self._rebinds += 1
                return [host.v4 if self._rebinds == 1 else "127.0.0.1"]
        return answer.get(kind, [])

    def answer(self, msg, transport):
        """The reply, or None for none."""
        q = _question(msg)
        if q is None:
            return msg[:2] + struct.pack("!HHHHH", 0x8080 | _FORMERR,
                                         0, 0, 0, 0) if len(msg) > 2 else None
        name, number, question = q
        kind = TYPES.get(number, str(number))
        log(self._log, name=name, type=kind, transport=transport)
        host, found, rcode = self._table.get(name), [], _NOERROR
        if host is None:
            rcode = _NXDOMAIN
            if name == "localhost":
                rcode = _NOERROR
                found = {"A": ["127.0.0.1"], "AAAA": ["::1"]}.get(kind, [])
        else:
            found = self._addresses(host, kind)
            if found is None:
                return _garbled(msg) if host.answers == "garbled" else None
            if host.answers == "liar":
                question = b"\3evil\4test\0" + question[-4:]
        ttl = 0 if host is not None and host.answers == "rebind" else 30
        records = b""
        for a in found:
            raw = socket.inet_pton(
                socket.AF_INET6 if ":" in a else socket.AF_INET, a)
            records += struct.pack("!HHHIH", 0xc00c, number, 1, ttl,
                                   len(raw)) + raw
        # QR, AA, RD as asked, RA
        flags = 0x8480 | (msg[2] & 1) << 8 | rcode
        if transport == "udp" and 12 + len(question) + len(records) > _UDP_LIMIT:
            flags, found, records = flags | 0x0200, [], b""
        return msg[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) \
            + question + records

    def serve_udp(self, sock):
        while True:
            msg, peer = sock.recvfrom(65535)
            reply = self.answer(msg, "udp")
            if reply is not None:
                try:
                    sock.sendto(reply, peer)
                except OSError:
                    pass	# the asker is gone already

    def serve_tcp(self, sock):
        """One connection, RFC 7766: many queries, each after its length."""
        with sock, sock.makefile("rb") as f:
            while True:
                head = f.read(2)
                if len(head) < 2:
                    return
                reply = self.answer(f.read(int.from_bytes(head, "big")), "tcp")
                if reply is not None:
                    sock.sendall(len(reply).to_bytes(2, "big") + reply)
