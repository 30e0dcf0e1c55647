"""What credentials are minted from, as scripted as the origins: a SPIFFE agent (gRPC on a Unix socket), a token
server that checks the agent's signature, an API that takes only the server's tokens, and an STS of AWS.

Signatures are made and checked by openssl: nothing here shares a line with the product.
"""
import base64
import concurrent.futures
import contextlib
import http.server
import json
import os
import pathlib
import secrets
import ssl
import subprocess
import tempfile
import threading
import time
import types
import urllib.parse

import grpc

from grpcapi import PB
from harness import TESTNET
from testnet.origins import aws

ISSUER = "spiffe://example.test"
GATEWAY_ID = "spiffe://example.test/openshell/gateway"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Agent:
    """Gives JWT-SVIDs to whoever asks at its socket; `asked` holds audiences and metadata."""

    def __init__(self, where):
        self.where = pathlib.Path(where)
        self.key, self.public = self.where / "agent.key", self.where / "agent.pub"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", self.public], check=True, capture_output=True)
        self.socket = self.where / "agent.sock"
        self.asked, self.given, self.mode, self.server = [], [], "good", None
        self.let_go = threading.Event()
        self.start()

    def start(self):
        pb = PB["workload"]
        handler = grpc.unary_unary_rpc_method_handler(
            self.fetch, request_deserializer=pb.JWTSVIDRequest.FromString,
            response_serializer=pb.JWTSVIDResponse.SerializeToString)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "SpiffeWorkloadAPI", {"FetchJWTSVID": handler})])
        assert self.server.add_insecure_port(f"unix:{self.socket}")
        self.server.start()

    def stop(self):
        self.let_go.set()
        if self.server:
            self.server.stop(None).wait()
            self.server = None
        self.socket.unlink(missing_ok=True)

    def sign(self, claims, key=None):
        head = b64url(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
        text = f"{head}.{b64url(json.dumps(claims).encode())}"
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key or self.key], input=text.encode(),
                              check=True, capture_output=True).stdout
        return f"{text}.{b64url(made)}"

    def fetch(self, request, context):
        metadata = dict(context.invocation_metadata())
        self.asked.append((list(request.audience), request.spiffe_id, metadata))
        pb = PB["workload"]
        if metadata.get("workload.spiffe.io") != "true":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing")
        if self.mode == "nobody":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
        if self.mode == "silent":
            self.let_go.wait(60)
        if self.mode == "flood":
            return pb.JWTSVIDResponse(svids=[pb.JWTSVID(spiffe_id=GATEWAY_ID, svid="x" * 3000000)])
        if self.mode == "garbage":
            return pb.JWTSVIDResponse(svids=[pb.JWTSVID(spiffe_id=GATEWAY_ID, svid="not\r\na token")])
        claims = {"sub": GATEWAY_ID, "aud": list(request.audience), "iat": int(time.time()), "exp": int(time.time()) + 300}
        svid = self.sign(claims)
        self.given.append(svid)
        return pb.JWTSVIDResponse(svids=[pb.JWTSVID(spiffe_id=GATEWAY_ID, svid=svid)])


class Server:
    """HTTPS on an added name, a thread a connection; handle(request) gives status, fields, body."""

    def __init__(self, name, handle):
        self.name, self.asked = name, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = self.headers  # of this request: the handler serves a whole connection
                request = types.SimpleNamespace(
                    method=self.command, target=self.path, path=self.path.split("?")[0], query=self.path.partition("?")[2],
                    headers=headers.items(), body=body, get=lambda name, default="": headers.get(name, default))
                outer.asked.append(request)
                status, fields, data = handle(request)
                if status is None:  # cut off
                    self.close_connection = True
                    return
                self.send_response(status)
                for k, v in fields.items():
                    self.send_header(k, v)
                if "Content-Length" not in fields and "Transfer-Encoding" not in fields:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        address = (TESTNET / f"{name}.addr").read_text().strip()
        self.http = http.server.ThreadingHTTPServer((address, 443), Handler)
        self.http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TESTNET / f"{name}.crt", TESTNET / f"{name}.key")
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)


class Tokens:
    """A token endpoint (RFC 7523): `issued` holds what it gave, `refused` why it did not."""

    URL = "https://login.example.test/oauth2/token"

    def __init__(self, agent):
        self.agent, self.lifetime, self.forms, self.issued, self.refused = agent, 3600, [], [], []
        self.answer = None  # in place of what it would say
        self.server = Server("login.example.test", self.handle)
        self.api = Server("vault.example.test", self.handle_api)

    def stop(self):
        self.server.stop()
        self.api.stop()

    def fault(self, form):
        """What is wrong with it, or None."""
        if form.get("grant_type") != ["client_credentials"] or form.get("client_assertion_type") != [ASSERTION]:
            return "unsupported_grant_type"
        parts = form.get("client_assertion", [""])[0].split(".")
        if len(parts) != 3 or json.loads(from_b64url(parts[0])).get("alg") != "RS256":
            return "invalid_request"
        with tempfile.NamedTemporaryFile() as f:
            f.write(from_b64url(parts[2]))
            f.flush()
            checked = subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.agent.public, "-signature", f.name],
                                     input=".".join(parts[:2]).encode(), capture_output=True)
        claims = json.loads(from_b64url(parts[1]))
        if checked.returncode or claims["exp"] < time.time() or claims["sub"] != GATEWAY_ID or claims["aud"] != [self.URL]:
            return "invalid_client"
        return None

    def handle(self, request):
        form = urllib.parse.parse_qs(request.body.decode())
        self.forms.append(form)
        if self.answer is not None:
            return self.answer
        if request.method != "POST" or request.target != "/oauth2/token":
            return 404, {}, b""
        why = self.fault(form)
        if why:
            self.refused.append(why)
            return 401, {"Content-Type": "application/json"}, json.dumps({"error": why, "error_description":
                                                                          form.get("client_assertion", [""])[0]}).encode()
        token = "minted-" + secrets.token_urlsafe(30)
        self.issued.append(token)
        return 200, {"Content-Type": "application/json"}, json.dumps(
            {"access_token": token, "token_type": "Bearer", "scope": "read",
             **({} if self.lifetime is None else {"expires_in": self.lifetime})}).encode()

    def handle_api(self, request):
        """Takes only a token that was issued; shows what it was sent."""
        given = request.get("authorization")
        if given.removeprefix("Bearer ") not in self.issued:
            return 401, {}, f"not with {given!r}".encode()
        return 200, {"X-Seen": given}, f"welcome, {given}, {request.body.decode()}".encode()

    def seen(self):
        """What the API was sent as Authorization."""
        return [r.get("authorization") for r in self.api.asked]


LONG_LIVED = ("AKIALONGLIVED0000001", "long/lived+secret0123456789abcdefghijkl")
STS_XML = """<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <!-- as it comes -->
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/openshell-sandbox</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{}</AccessKeyId>
      <SecretAccessKey>{}</SecretAccessKey>
      <SessionToken>{}</SessionToken>
      <Expiration>{}</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleResponse>
"""


class Sts:
    """Gives the keys that the origins of AWS take, to who signs with the long-lived ones."""

    TOKEN = "session/token+0123456789=="

    def __init__(self):
        self.forms, self.lifetime = [], 3600
        self.server = Server("sts.us-east-1.amazonaws.com", self.handle)

    def stop(self):
        self.server.stop()

    def handle(self, request):
        why = aws.fault(request, "us-east-1", "sts", *LONG_LIVED)
        if why:
            return 403, {"Content-Type": "text/xml"}, (
                f"<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>{why}</Message>"
                "</Error></ErrorResponse>").encode()
        self.forms.append(urllib.parse.parse_qs(request.body.decode()))
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.lifetime))
        return 200, {"Content-Type": "text/xml"}, STS_XML.format(aws.ACCESS, aws.SECRET, self.TOKEN, ends).encode()


@contextlib.contextmanager
def minting_parts():
    """An agent and a token server with its API."""
    with tempfile.TemporaryDirectory(prefix="spiffe") as where:
        os.chmod(where, 0o700)
        agent = Agent(where)
        tokens = Tokens(agent)
        try:
            yield agent, tokens
        finally:
            tokens.stop()
            agent.stop()
