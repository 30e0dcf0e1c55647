"""A generated gRPC client in Python: messages from protoc, methods by their path.

An implementation that is not ours, of the same contract.
"""
import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

import grpc
import pytest
from google.protobuf import descriptor_pb2, message_factory

from harness import STAGE

ROOT = pathlib.Path(os.environ.get("OPENSHELL_TEST_PROTO") or STAGE / "proto")
Code = grpc.StatusCode


def generate():
    where = tempfile.mkdtemp(prefix="stubs")
    files = sorted(p.name for p in ROOT.glob("*.proto"))
    subprocess.run(["protoc", f"-I{ROOT}", "-I/usr/include", f"--python_out={where}", *files], check=True)
    sys.path.insert(0, where)
    return {f.removesuffix(".proto"): importlib.import_module(f.removesuffix(".proto") + "_pb2") for f in files}


PB = generate()
v1, dm, sb, sup, inf = (PB[n] for n in ("openshell", "datamodel", "sandbox", "supervisor", "inference"))


def methods():
    """{full path: (kind, request class, answer class)} of every service of the contract."""
    make = message_factory.MessageFactory().GetPrototype
    found = {}
    for name in ("openshell", "inference", "supervisor"):
        file = PB[name].DESCRIPTOR
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for service in proto.service:
            full = f"{file.package}.{service.name}"
            for m in service.method:
                by_name = file.services_by_name[service.name].methods_by_name[m.name]
                found[f"/{full}/{m.name}"] = ((m.client_streaming, m.server_streaming),
                                              make(by_name.input_type), make(by_name.output_type))
    return found


METHODS = methods()


class Client:
    """One channel; call(Name, request, **metadata)."""

    def __init__(self, channel, bearer=None):
        self.channel = channel
        self.metadata = [("authorization", f"Bearer {bearer}")] if bearer else []

    def __getattr__(self, method):
        return lambda request=None, /, timeout=20, metadata=(), **fields: self.call(
            method, request, timeout, metadata, None, **fields)

    def call(self, method, request=None, timeout=20, metadata=(), service=None, /, **fields):
        """Fields make the request when none is given."""
        path = next(p for p in METHODS if p.endswith("/" + method) and (service is None or service in p))
        (ins, outs), ask, answer = METHODS[path]
        make = {(False, False): self.channel.unary_unary, (False, True): self.channel.unary_stream,
                (True, False): self.channel.stream_unary, (True, True): self.channel.stream_stream}[ins, outs]
        send = make(path, request_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
                    response_deserializer=answer.FromString)
        if request is None:
            request = ask(**fields)
        return send(request, timeout=timeout, metadata=[*self.metadata, *metadata])

    def close(self):
        self.channel.close()


OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def secure(g, cert=True, ca=None, crt=None, key=None, bearer=None):
    read = lambda p: pathlib.Path(p).read_bytes()  # noqa: E731
    creds = grpc.ssl_channel_credentials(
        root_certificates=read(ca or g.bundle / "ca.crt"),
        private_key=read(key or g.bundle / "tls.key") if cert else None,
        certificate_chain=read(crt or g.bundle / "tls.crt") if cert else None)
    return Client(grpc.secure_channel(f"127.0.0.1:{g.port}", creds, options=OPTIONS), bearer)


def local(g, bearer=None):
    return Client(grpc.insecure_channel(f"unix:{g.sock}", options=[*OPTIONS, ("grpc.default_authority", "localhost")]), bearer)


def token(g, sandbox_id):
    """What the keeper dials with: of the sandbox's directory, which its owner alone can read."""
    return (g.sandbox_dir(sandbox_id) / "token").read_text().strip()


def fails(code, call, text=None):
    """The call (or its stream) ends with that status; its text, whole or in part."""
    with pytest.raises(grpc.RpcError) as e:
        answer = call()
        if hasattr(answer, "__iter__"):
            list(answer)
        pytest.fail(f"answered {answer!r}, but {code} was to be expected")
    assert e.value.code() == code, (e.value.code(), e.value.details())
    if text is not None:
        assert text in e.value.details(), e.value.details()
    return e.value.details()


def wire(policy):
    """A dict as a policy file has it, as a message."""
    out = sb.SandboxPolicy(version=policy.get("version", 1))
    fs = policy.get("filesystem_policy")
    if fs is not None:
        out.filesystem.include_workdir = fs.get("include_workdir", False)
        out.filesystem.read_only.extend(fs.get("read_only", []))
        out.filesystem.read_write.extend(fs.get("read_write", []))
    if "landlock" in policy:
        out.landlock.SetInParent()
        out.landlock.compatibility = policy["landlock"].get("compatibility", "")
    if "process" in policy:
        out.process.run_as_user = policy["process"].get("run_as_user", "")
        out.process.run_as_group = policy["process"].get("run_as_group", "")
    for key, rule in policy.get("network_policies", {}).items():
        to = out.network_policies[key]
        to.name = rule.get("name", key)
        for e in rule.get("endpoints", []):
            at = to.endpoints.add()
            for field in ("host", "port", "protocol", "tls", "enforcement", "access"):
                if field in e:
                    setattr(at, field, e[field])
            at.ports.extend(e.get("ports", [e["port"]] if "port" in e else []))
            at.allowed_ips.extend(e.get("allowed_ips", []))
            for r in e.get("rules", []):
                allow = at.rules.add().allow
                for field in ("method", "path", "command"):
                    setattr(allow, field, r["allow"].get(field, ""))
        for b in rule.get("binaries", []):
            to.binaries.add(path=b["path"])
    return out
