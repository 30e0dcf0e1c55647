"""The programs that are measured: how each is set up, started and ended.

Every one serves the same client the same answers from the same origin, with
the same kind of certificate where it can choose, with its access log on.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import time

from . import procs
from .client import Client, Error

HOST = "bench.example.test"
SMALL = '{"ok":true,"pad":"' + "x" * 480 + '"}'
BIG_BYTES = 32 << 20
_START_S = 20


class World:
    """Where one run of the bench lives.

    scratch  a folder of its own, removed at the end
    build    where the programs are
    """

    def __init__(self, scratch, build):
        self.scratch = scratch
        self.tools = os.path.join(build, "tests", "bench")
        self.openshell = os.path.join(build, "src", "main", "openshell")
        net = os.environ["TESTNET_DIR"]
        self.ca = os.path.join(net, "ca.crt")
        self.crt = os.path.join(net, HOST + ".crt")
        self.key = os.path.join(net, HOST + ".key")
        with open(os.path.join(net, HOST + ".addr")) as f:
            self.addr = f.read().strip()

    def path(self, *names):
        return os.path.join(self.scratch, *names)

    def tool(self, name):
        return os.path.join(self.tools, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Server:
    """A program that listens; `port` is answered once it is up."""

    def __init__(self, world, name, argv, address, user=None):
        self.name, self.world = name, world
        self.log = world.path(name + ".log")
        with open(self.log, "ab") as log:
            self._p = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=world.scratch, user=user, group=user and "nogroup",
                extra_groups=[] if user else None)
        until = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(address, 1).close()
                return
            except OSError:
                if self._p.poll() is not None or time.monotonic() > until:
                    self.close()
                    raise Error(f"{name} does not start: "
                                + self._last_words()) from None
                time.sleep(0.02)

    def _last_words(self):
        with open(self.log, "rb") as f:
            return f.read().decode(errors="replace").strip()[-400:]

    def pids(self):
        return procs.tree(self._p.pid)

    def close(self):
        if self._p.poll() is None:
            self._p.send_signal(signal.SIGTERM)
            try:
                self._p.wait(3)
            except subprocess.TimeoutExpired:
                for pid in reversed(self.pids()):
                    os.kill(pid, signal.SIGKILL)
                self._p.wait()


_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {dir}/pid;
error_log {dir}/error.log warn;
events {{ worker_connections 8192; }}
http {{
	access_log {access};
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	default_type application/json;
	ssl_certificate {crt};
	ssl_certificate_key {key};
	ssl_session_cache shared:tls:8m;
	# Without it this nginx stops at 1.2, whose resumption is cheaper.
	ssl_protocols TLSv1.2 TLSv1.3;
	{body}
}}
"""

_ORIGIN = """\
	server {{
		listen {addr}:443 ssl http2 backlog=4096;
		root {dir};
		location = /small {{ return 200 '{small}'; }}
	}}
"""

# Two doors: one keeps upstream connections for the next request, the other
# makes a new one for each connection, as the proxies must.
_REVERSE = """\
	upstream pool {{ server {addr}:443; keepalive 64; keepalive_requests 1000000000; }}
	upstream each {{ server {addr}:443; }}
	proxy_http_version 1.1;
	proxy_set_header Host {host};
	proxy_set_header Connection "";
	proxy_ssl_name {host};
	proxy_ssl_server_name on;
	proxy_ssl_verify on;
	proxy_ssl_protocols TLSv1.2 TLSv1.3;
	proxy_ssl_trusted_certificate {ca};
	proxy_max_temp_file_size 0;
	proxy_buffers 8 32k;
	proxy_buffer_size 16k;
	server {{
		listen 127.0.0.1:18443 ssl backlog=4096;
		location / {{ proxy_pass https://pool; }}
	}}
	server {{
		listen 127.0.0.1:18444 ssl backlog=4096;
		location / {{ proxy_pass https://each; }}
	}}
"""


def _nginx(world, name, body, access, address):
    folder = world.path(name)
    os.mkdir(folder)
    conf = world.write(name + ".conf", _NGINX.format(
        user="user root;" if os.geteuid() == 0 else "", dir=folder,
        access=access, crt=world.crt, key=world.key,
        body=body.format(addr=world.addr, dir=folder, small=SMALL, host=HOST,
                         ca=world.ca)))
    return Server(world, name, ["nginx", "-e", world.path(name + ".log"),
                                "-c", conf], address)


def origin(world):
    server = _nginx(world, "origin", _ORIGIN, "off", (world.addr, 443))
    with open(world.path("origin", "big"), "wb") as f:
        f.write(os.urandom(1 << 20) * (BIG_BYTES >> 20))
    return server


class Peer:
    """A proxy and the client that goes through it."""

    def __init__(self, world):
        self.world, self.server, self.clients = world, None, {}

    def _load(self, *args):
        return Client([self.world.tool("load"), "--host", HOST, *args],
                      self.world.path(self.name + ".client.log"))

    def roles(self):
        return {"proxy": self.server.pids()}

    def client(self, mode):
        if "any" not in self.clients:
            self.clients["any"] = self._connect()
        return self.clients["any"]

    def client_pids(self, mode):
        return [self.client(mode).pid]

    def measure(self, mode, conns, ms, path, cpus):
        """One run.  cpus: (set for client and origin, set for the proxy)."""
        procs.pin(self.client_pids(mode), cpus[0])
        for pids in self.roles().values():
            procs.pin(pids, cpus[1])
        return self.client(mode).measure(mode, conns, ms, path, self.roles)

    @staticmethod
    def everywhere():
        every = os.sched_getaffinity(0)
        return every, every

    def close(self):
        for c in self.clients.values():
            c.close()
        if self.server:
            self.server.close()


class Direct(Peer):
    """No proxy at all: what client and origin take by themselves."""

    name = "direct"

    def roles(self):
        return {}

    def _connect(self):
        return self._load("--ca", self.world.ca, "--connect",
                          self.world.addr + ":443")


class Nginx(Peer):
    name = "nginx"

    def __init__(self, world):
        super().__init__(world)
        self.server = _nginx(world, "nginx", _REVERSE,
                             world.path("nginx.access"), ("127.0.0.1", 18443))

    def client(self, mode):
        port = 18444 if mode in ("fresh", "resumed") else 18443
        if port not in self.clients:
            self.clients[port] = self._load(
                "--ca", self.world.ca, "--connect", f"127.0.0.1:{port}")
        return self.clients[port]


# TLS on both legs, upstream connections shared by requests, each of them
# logged: to its standard output, which is a file.
_HAPROXY = """\
global
	nbthread 1
	maxconn 4096
	log stdout format raw local0
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 600s
	timeout server 600s
	timeout http-keep-alive 600s
frontend pooled
	bind 127.0.0.1:18543 ssl crt {pem} alpn http/1.1 ssl-min-ver TLSv1.2
	default_backend pool
frontend fresh
	bind 127.0.0.1:18544 ssl crt {pem} alpn http/1.1 ssl-min-ver TLSv1.2
	default_backend each
backend pool
	http-reuse always
	server origin {addr}:443 ssl verify required ca-file {ca} sni str({host}) verifyhost {host} alpn http/1.1
backend each
	http-reuse never
	server origin {addr}:443 ssl verify required ca-file {ca} sni str({host}) verifyhost {host} alpn http/1.1
"""


class Haproxy(Peer):
    name = "haproxy"

    def __init__(self, world):
        super().__init__(world)
        pem = ""
        for part in (world.crt, world.key):
            with open(part) as f:
                pem += f.read()
        conf = world.write("haproxy.conf", _HAPROXY.format(
            pem=world.write("haproxy.pem", pem), addr=world.addr,
            ca=world.ca, host=HOST))
        self.server = Server(world, "haproxy", ["haproxy", "-db", "-f", conf],
                             ("127.0.0.1", 18543))

    def client(self, mode):
        port = 18544 if mode in ("fresh", "resumed") else 18543
        if port not in self.clients:
            self.clients[port] = self._load(
                "--ca", self.world.ca, "--connect", f"127.0.0.1:{port}")
        return self.clients[port]


_SQUID = """\
http_port 127.0.0.1:18128 ssl-bump tls-cert={ca_own} generate-host-certificates=on dynamic_cert_mem_cache_size=16MB
sslcrtd_program {helper} -s {dir}/certs -M 16MB
sslcrtd_children 2 startup=1 idle=1
tls_outgoing_options cafile={ca}
ssl_bump bump all
sslproxy_session_cache_size 0
acl ours dstdomain {host}
http_access allow ours
http_access deny all
cache deny all
cache_mem 8 MB
dns_nameservers 127.0.0.53
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
pid_filename {dir}/pid
coredump_dir {dir}
visible_hostname bench
shutdown_lifetime 0 seconds
client_lifetime 1 day
pconn_lifetime 1 day
"""


class Squid(Peer):
    name = "squid"

    def __init__(self, world):
        super().__init__(world)
        helper = _first("/usr/lib/squid/security_file_certgen",
                        "/usr/libexec/squid/security_file_certgen")
        folder = world.path("squid")
        os.mkdir(folder)
        _run([helper, "-c", "-s", folder + "/certs", "-M", "16MB"])
        _run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
              "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
              "/CN=bench squid", "-keyout", folder + "/key", "-out",
              folder + "/ca.crt"])
        with open(folder + "/ca.pem", "wb") as out:
            for part in ("/ca.crt", "/key"):
                with open(folder + part, "rb") as f:
                    out.write(f.read())
        shutil.copy(world.ca, folder + "/origin.crt")
        conf = folder + "/squid.conf"
        with open(conf, "w") as f:
            f.write(_SQUID.format(ca_own=folder + "/ca.pem", helper=helper,
                                  dir=folder, ca=folder + "/origin.crt",
                                  host=HOST))
        self.ca = folder + "/ca.crt"
        user = None
        if os.geteuid() == 0:	# it refuses to be root
            user = "nobody"
            for top, _, names in os.walk(folder):
                for x in (top, *(os.path.join(top, n) for n in names)):
                    shutil.chown(x, user)
        # The name is that of its shared memory, which outlives a crash.
        self._service = f"bench{os.getpid()}"
        self.server = Server(world, "squid", ["squid", "-N", "-n",
                             self._service, "-f", conf],
                             ("127.0.0.1", 18128), user)

    def close(self):
        super().close()
        for path in glob.glob(f"/dev/shm/{self._service}-*"):
            os.unlink(path)


    def _connect(self):
        return self._load("--ca", self.ca, "--proxy", "127.0.0.1:18128")


class Mitmproxy(Peer):
    name = "mitmproxy"

    def __init__(self, world):
        super().__init__(world)
        folder = world.path("mitmproxy")
        self.ca = folder + "/mitmproxy-ca-cert.pem"
        self.server = Server(world, "mitmproxy", [
            "mitmdump", "--quiet", "--listen-host", "127.0.0.1",
            "--listen-port", "18080", "--set", "confdir=" + folder,
            "--set", "ssl_verify_upstream_trusted_ca=" + world.ca,
            "--set", "stream_large_bodies=256k", "--set", "http2=false"],
            ("127.0.0.1", 18080))

    def _connect(self):
        return self._load("--ca", self.ca, "--proxy", "127.0.0.1:18080")


class Openshell(Peer):
    """`openshell run`, with load as the program inside.

    policies   how many the policy has; one of them is about the bench
    tool       load, or h2load for HTTP/2
    """

    name = "openshell"

    def __init__(self, world, policies, tool="load"):
        super().__init__(world)
        self.label, self.tool = f"openshell-{policies}-{tool}", tool
        self.policy = world.write(self.label + ".yaml",
                                  policy(world, policies))
        self._connect_now()

    def _connect_now(self):
        w = self.world
        self.clients["any"] = Client(
            [*run_openshell(w, self.policy),
             "--events", w.path(self.label + ".events"), "--",
             w.tool(self.tool), "--host", HOST],
            w.path(self.label + ".log"), cwd=w.path("work"))

    def rewrite(self, allowed):
        """A new policy file in the old one's place; when, in ns."""
        new = self.world.write(self.label + ".new",
                               policy(self.world, 1, allowed))
        now = time.monotonic_ns()
        os.rename(new, self.policy)
        return now

    def roles(self):
        out = sandbox_roles(self.clients["any"].pid)
        del out["inside"]
        return out

    def client_pids(self, mode):
        return sandbox_roles(self.client(mode).pid)["inside"]


def run_openshell(world, policy_path):
    return [world.openshell, "run", "--quiet", "--no-tty", "--policy",
            policy_path, "--ro", world.tools]


def run_bwrap(world):
    """The options nearest to what `openshell run` does."""
    work = world.path("work")
    return ["bwrap", "--unshare-all", "--die-with-parent", "--new-session",
            "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
            "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib", "/lib",
            "--symlink", "usr/lib64", "/lib64", "--ro-bind", "/etc", "/etc",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--bind", work, work, "--ro-bind", world.tools, world.tools,
            "--chdir", work, "--"]


def sandbox_roles(cli):
    """{role: pids} of one sandbox, given the process of `openshell run`.

    The roles are the places in the tree: cli starts ctl, which starts net and
    spawn; spawn starts init, in a pid namespace of its own, which starts what
    is "inside".
    """
    parent = procs.parents()
    out = {"cli": [cli], "ctl": [], "net": [], "spawn": [], "init": [],
           "inside": []}
    depth = len(procs.numbers(os.getpid()))
    for pid in procs.tree(cli)[1:]:
        try:
            numbers = procs.numbers(pid)
        except FileNotFoundError:
            continue
        if len(numbers) > depth:
            role = "init" if numbers[-1] == 1 else "inside"
        elif parent.get(pid) == cli:
            role = "ctl"
        else:
            role = "spawn" if pid in parent.values() else "net"
        out[role].append(pid)
    return out


_POLICY = """\
version: 1
filesystem_policy:
  include_workdir: true
  read_only: [/usr, /lib, /lib64, /bin, /sbin, /etc, /proc, /dev/urandom]
  read_write: [/tmp, /dev/null]
network_policies:
"""
_RULES = """\
  {name}:
    endpoints:
      - host: {host}
        port: 443
        protocol: rest
        enforcement: enforce
        rules:
          - allow: {{ method: GET, path: "/{top}**" }}
          - allow: {{ method: POST, path: "/{top}*/items" }}
    binaries:
      - path: {program}
      - path: {program2}
      - path: /usr/bin/curl
"""


def policy(world, count, allowed=True):
    """A policy document of `count` network policies over as many hosts."""
    program = world.tool("load")
    parts = [_POLICY]
    for i in range(count):
        ours = i == count // 2
        parts.append(_RULES.format(
            name="bench" if ours else f"service-{i:04}",
            host=HOST if ours else f"service-{i:04}.example.test",
            top="" if allowed or not ours else "elsewhere/",
            program=program, program2=world.tool("h2load")))
    return "".join(parts)


def _first(*paths):
    for p in paths:
        if os.path.exists(p):
            return p
    raise Error("not installed: " + paths[0])


def _run(argv):
    out = subprocess.run(argv, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         check=False)
    if out.returncode != 0:
        raise Error(f"{argv[0]}: " + out.stdout.decode(errors="replace")[-300:])
