"""A proxy of an operator's network, as scripted as the origins: CONNECT, and each way to answer it badly."""
import contextlib
import socket
import threading


class Proxy:
    """Serves one address; `asked` holds the heads it read, one string each."""

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\n\r\n", address="127.0.0.1", step=0, tunnel=True):
        self.asked, self.answer, self.step, self.tunnel = [], answer, step, tunnel
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{address}:{self.port}"
        self.listener.settimeout(0.1)
        self.over = False
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def targets(self):
        return [head.split()[1] for head in self.asked]

    def accept(self):
        while not self.over:
            with contextlib.suppress(OSError):
                peer, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer, contextlib.suppress(OSError):
            peer.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                more = peer.recv(4096)
                if not more:
                    return
                head += more
            self.asked.append(head.decode("latin-1"))
            far = self.dial(head) if self.tunnel else None
            said = self.answer
            if far and self.step == "with the banner":
                said += far.recv(4096)
            if self.step == "by byte":
                for i in range(len(said)):
                    peer.sendall(said[i:i + 1])
            else:
                peer.sendall(said)
            if far:
                with far:
                    back = threading.Thread(target=self.pump, args=(far, peer), daemon=True)
                    back.start()
                    self.pump(peer, far)
                    back.join(20)

    def dial(self, head):
        host, _, port = head.split()[1].decode().rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), 10)

    @staticmethod
    def pump(here, there):
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)

    def end(self):
        self.over = True
        self.thread.join(5)
        self.listener.close()
