"""Runs inside the sandbox: says exact bytes to the proxy and prints what came back, as JSON.

Reads {"connect": "host:port" | null, "tls": bool, "sni": name, "send": [base64...], "wait": n} on stdin.
Prints {"connect_status", "connect_body", "answers": [{"status", "body"}...], "error"}.
"""
import base64
import json
import socket
import ssl
import sys

PROXY = ("10.200.0.1", 3128)


def read_head(f):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = f.readline(70000)
        if not line:
            return head
        head += line
    return head


def read_answer(f, method=b"GET"):
    head = read_head(f)
    if not head:
        return None
    status = int(head.split(None, 2)[1])
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    body = b""
    if b"content-length" in fields:
        body = f.read(int(fields[b"content-length"]))
        if len(body) < int(fields[b"content-length"]):
            raise OSError("the body was cut")
        if len(body) < int(fields[b"content-length"]):
            raise OSError("body cut short")
    elif fields.get(b"transfer-encoding") == b"chunked":
        while (size := int(f.readline().split(b";")[0], 16)) > 0:
            body += f.read(size)
            f.readline()
        while f.readline() not in (b"\r\n", b""):
            pass
    elif status >= 200 and status not in (204, 304):
        body = f.read()
    return {"status": status, "body": body.decode("latin-1"), "head": head.decode("latin-1")}


def main():
    what = json.load(sys.stdin)
    out = {"answers": [], "error": None}
    try:
        s = socket.create_connection(PROXY, 20)
        s.settimeout(20)
        if what.get("connect"):
            target = what["connect"]
            s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("latin-1"))
            f = s.makefile("rb", 0)
            head = read_head(f)
            out["connect_status"] = int(head.split(None, 2)[1]) if head else 0
            if out["connect_status"] != 200:
                out["connect_body"] = f.read().decode("latin-1")
                print(json.dumps(out))
                return
        if what.get("tls"):
            context = ssl.create_default_context()
            if what.get("alpn"):
                context.set_alpn_protocols(what["alpn"])
            if what.get("sni"):
                context.check_hostname = False
            name = what.get("sni") or what["connect"].rsplit(":", 1)[0]
            s = context.wrap_socket(s, server_hostname=name)
            out["issuer"] = str(s.getpeercert().get("issuer"))
        for piece in what["send"]:
            s.sendall(base64.b64decode(piece))
        f = s.makefile("rb")
        if not what["send"]:
            what["wait"] = 0  # nothing was asked: CONNECT alone was to be seen
        for _ in range(what.get("wait", 1)):
            answer = read_answer(f)
            if answer is None:
                out["error"] = "closed"
                break
            out["answers"].append(answer)
    except (OSError, ValueError, IndexError) as e:
        out["error"] = f"{type(e).__name__}: {e}"
    print(json.dumps(out))


main()
