"""What the test internet contains: names, addresses, what answers there.

Every public address is one that the product's address rules treat as public,
every internal one falls under one of its internal or always-blocked classes.
"""

import re
import socket

DNS_ADDRESS = "127.0.0.53"

# Plain HTTP servers that only record who came.  Port 443 is among them so
# that a tunnel to an internal address leaves a trace too.
CANARY_PORTS = (80, 443, 7777)
CANARIES = (
    "127.0.0.1", "127.0.0.2", "127.1.2.3",
    "10.0.5.9", "172.16.5.9", "192.168.5.9", "100.64.5.9", "198.18.5.9",
    "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "::1", "fd12::9", "fd00:ec2::254", "fe80::1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::a00:509", "2002:a9fe:a9fe::1",
)

HTTP_PORT, HTTPS_PORT = 80, 443


class Error(Exception):
    """Something the caller asked for cannot be had; the text says what."""


class Host:
    """One name.

    role     the handler behind its ports, None where the person serves
    cert     how its certificate is made: good, or wrong in one way
    v4, v6   its own addresses, "" where it has none
    answers  what DNS says, when that is more than its own addresses:
             {"A": [...], "AAAA": [...]}, or "rebind", "silent",
             "garbled", "liar"
    alpn     what it speaks inside TLS, as it prefers it
    """

    def __init__(self, name, role, purpose, v4="", v6="", cert="good",
                 answers=None, alpn=("http/1.1",)):
        self.alpn = list(alpn)
        self.name, self.role, self.purpose = name, role, purpose
        self.v4, self.v6, self.cert = v4, v6, cert
        self.answers = answers

    @property
    def addresses(self):
        return [a for a in (self.v4, self.v6) if a]

    def dns(self):
        """The answer that DNS gives: dict of type to addresses, or a word."""
        if self.answers is not None:
            return self.answers
        return {"A": [self.v4] if self.v4 else [],
                "AAAA": [self.v6] if self.v6 else []}


def scripted():
    """The scripted names, each with its addresses, in a stable order."""
    row = Host
    v6 = "2a0e:7e57::{:x}".format
    hosts = [
        row("api.github.com", "github_api", "GitHub's API: /zen, /repos/..."),
        row("github.com", "github_git",
            "git over HTTPS: octocat/hello-world.git, push accepted"),
        row("registry.npm.example.test", "npm",
            "npm-shaped index, package testnet-tiny"),
        row("pypi.example.test", "pypi",
            "PyPI-shaped index under /simple/, package testnet-tiny"),
        row("api.anthropic.com", "anthropic", "Messages API, streaming too"),
        row("api.openai.com", "openai", "Responses API, streaming too"),
        row("files.example.test", "files",
            "/bytes/N /chunked/N /echo /slow?ms= /status/CODE /trailers /sse"),
        row("dual.example.test", "files", "the same, IPv4 and IPv6", v6=v6(8)),
        row("six.example.test", "files", "the same, IPv6 only", v6=v6(9)),
        row("redirect.example.test", "redirect",
            "302: /to?url=... /evil /private /metadata"),
        row("evil.example.test", "logged", "logs connections in canary.log"),
        row("canary.example.test", "logged", "logs connections in canary.log"),
        row("chaos.example.test", "chaos", "misbehaves by path"),
        row("expired.example.test", "files", "TLS: certificate expired",
            cert="expired"),
        row("wronghost.example.test", "files",
            "TLS: certificate of another name", cert="wronghost"),
        row("selfsigned.example.test", "files", "TLS: self-signed",
            cert="selfsigned"),
        row("untrusted-root.example.test", "files",
            "TLS: root that nobody trusts", cert="untrusted-root"),
        row("sha1.example.test", "files", "TLS: signed with SHA-1",
            cert="sha1"),
        row("closed.example.test", None, "every port closed"),
        row("mute.example.test", "mute", "accepts and never says a word"),
        row("mixed.example.test", "logged", "DNS: one public, one private"),
        row("rebind.example.test", "logged",
            "DNS: public at first, then 127.0.0.1", answers="rebind"),
        row("private.example.test", None, "DNS: 10.0.5.9",
            answers={"A": ["10.0.5.9"]}),
        row("meta.example.test", None, "DNS: 169.254.169.254",
            answers={"A": ["169.254.169.254"]}),
        row("loop.example.test", None, "DNS: 127.0.0.1",
            answers={"A": ["127.0.0.1"]}),
        row("nat64.example.test", None, "DNS: 64:ff9b::a9fe:a9fe",
            answers={"AAAA": ["64:ff9b::a9fe:a9fe"]}),
        row("silent.example.test", None, "DNS: never answered",
            answers="silent"),
        row("tools.example.test", "mcp",
            "MCP over streamable HTTP: /json /sse /rug/NAME"),
        row("graph.example.test", "graphql",
            "GraphQL at /graphql, by POST, GET and WebSocket"),
        row("socket.example.test", "websocket",
            "WebSocket: /echo /deflate /digest /bad-accept /masked /die"),
        row("bucket.s3.eu-west-1.amazonaws.com", "aws",
            "S3 that checks signatures"),
        row("sqs.us-east-1.amazonaws.com", "aws",
            "a service of AWS that checks signatures"),
        row("h2.example.test", "files", "as files, HTTP/2 and HTTP/1.1",
            alpn=("h2", "http/1.1")),
        row("h2only.example.test", "files", "as files, HTTP/2 alone",
            alpn=("h2",)),
        row("garbled.example.test", None, "DNS: answers that are none",
            answers="garbled"),
        row("liar.example.test", None, "DNS: answers to another question",
            answers="liar"),
        row("socket2.example.test", "websocket",
            "as socket, over HTTP/2 alone (RFC 8441)", alpn=("h2",)),
    ]
    for i, h in enumerate(hosts):
        own = h.answers is None or h.answers == "rebind"
        if own and h.name != "six.example.test":
            h.v4 = f"20.0.0.{i + 10}"
        if h.name == "mixed.example.test":
            h.answers = {"A": [h.v4, "10.0.5.9"]}
    return hosts


LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def check_name(name):
    """Refuse what is not a lower-case host name of two labels or more.

    Two labels, because NAME.crt and ca.crt share a folder.
    """
    labels = name.split(".")
    if (len(name) > 253 or len(labels) < 2 or labels[-1].isdigit()
            or not all(LABEL.match(x) for x in labels)):
        raise Error(f"--add {name}: not a host name (lower-case letters, "
                    "digits and '-', at least two labels)")
    return name


def check_address(name, text):
    """The canonical text of an address that lo can carry, with its family."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            raw = socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        bad = (raw[0] in (0, *range(224, 256)) if family == socket.AF_INET
               else raw[0] == 0xff or raw[:2] == b"\xfe\x80"
               or raw[:12] in (bytes(12), bytes(10) + b"\xff\xff"))
        if bad:
            break
        return socket.inet_ntop(family, raw), family
    raise Error(f"--add {name}={text}: not an address that a host can have")


def build(adds):
    """The hosts of one run.  adds: [(name, address or None)], unchecked."""
    table = {h.name: h for h in scripted()}
    taken = set(CANARIES) | {DNS_ADDRESS}
    seen, fresh = set(), 0
    out = []
    for name, address in adds:
        check_name(name)
        if name in seen:
            raise Error(f"--add {name}: given twice")
        seen.add(name)
        old = table.pop(name, None)
        host = Host(name, "added", "added")
        if address is not None:
            text, family = check_address(name, address)
            setattr(host, "v4" if family == socket.AF_INET else "v6", text)
        elif old is not None and old.addresses:
            host.v4, host.v6 = old.v4, old.v6
        else:
            fresh += 1
            host.v4 = f"20.0.{1 + fresh // 250}.{1 + fresh % 250}"
        out.append(host)
    for h in table.values():
        taken.update(h.addresses)
    for h in out:
        for a in h.addresses:
            if a in taken:
                raise Error(f"--add {h.name}={a}: the test internet uses "
                            "that address itself")
    return list(table.values()) + out


def listing():
    """The text of --list."""
    rows = []
    for h in scripted():
        answer = h.dns()
        if answer == "rebind":
            shown = [h.v4, "127.0.0.1"]
        elif isinstance(answer, str):
            shown = ["-"]
        else:
            shown = [a for kind in ("A", "AAAA") for a in answer.get(kind, [])]
        rows.append((h.name, ",".join(shown), h.purpose))
    ports = ", ".join(str(p) for p in CANARY_PORTS)
    rows += [("-", a, f"canary on ports {ports}") for a in CANARIES]
    rows.append(("-", DNS_ADDRESS, "DNS over UDP and TCP"))
    wide = [max(len(r[i]) for r in rows) for i in (0, 1)]
    return "".join(f"{n:<{wide[0]}}  {a:<{wide[1]}}  {p}\n"
                   for n, a, p in rows)
