"""The npm-shaped and the PyPI-shaped package index: one tiny package each."""

import base64
import functools
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile

_NAME, _VERSION = "testnet-tiny", "1.0.0"
_WHEEL = "testnet_tiny-1.0.0-py3-none-any.whl"


@functools.cache
def _npm_tarball():
    files = {
        "package/package.json": json.dumps(
            {"name": _NAME, "version": _VERSION, "main": "index.js"}),
        "package/index.js": 'module.exports = "tiny from the test internet";\n',
    }
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            t.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def npm(world, conn, req):
    """GET /testnet-tiny, its tarball, and the advisory endpoint."""
    if req.path == f"/{_NAME}":
        tar = _npm_tarball()
        scheme = "http" if conn.sni is None else "https"
        return conn.reply_json(req, 200, {
            "name": _NAME, "dist-tags": {"latest": _VERSION},
            "versions": {_VERSION: {
                "name": _NAME, "version": _VERSION, "main": "index.js",
                "dist": {
                    "tarball": f"{scheme}://{conn.host.name}/{_NAME}/-/"
                               f"{_NAME}-{_VERSION}.tgz",
                    "shasum": hashlib.sha1(tar).hexdigest(),
                    "integrity": "sha512-" + base64.b64encode(
                        hashlib.sha512(tar).digest()).decode()}}}})
    if req.path == f"/{_NAME}/-/{_NAME}-{_VERSION}.tgz":
        return conn.reply(req, 200, _npm_tarball(), "application/octet-stream")
    if req.path.startswith("/-/npm/v1/security/"):
        return conn.reply_json(req, 200, {})
    if req.path == "/-/ping":
        return conn.reply_json(req, 200, {})
    return conn.reply_json(req, 404, {"error": "Not found"})


@functools.cache
def _wheel():
    info = "testnet_tiny-1.0.0.dist-info"
    files = {
        "testnet_tiny.py": 'MESSAGE = "tiny from the test internet"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {_NAME}\n"
                            f"Version: {_VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: testnet\n"
                         "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        "{},sha256={},{}\n".format(
            name, base64.urlsafe_b64encode(hashlib.sha256(
                text.encode()).digest()).rstrip(b"=").decode(), len(text))
        for name, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as z:
        for name, text in files.items():
            z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return raw.getvalue()


def pypi(world, conn, req):
    """The simple index of PEP 503."""
    name = re.fullmatch(r"/simple/([^/]+)/?", req.path)
    if req.path in ("/simple", "/simple/"):
        return conn.reply(req, 200, f'<a href="/simple/{_NAME}/">{_NAME}</a>\n',
                          "text/html")
    if name and re.sub(r"[-_.]+", "-", name[1]).lower() == _NAME:
        digest = hashlib.sha256(_wheel()).hexdigest()
        return conn.reply(req, 200, f'<a href="/files/{_WHEEL}#sha256='
                          f'{digest}">{_WHEEL}</a>\n', "text/html")
    if req.path == f"/files/{_WHEEL}":
        return conn.reply(req, 200, _wheel(), "application/octet-stream")
    return conn.reply(req, 404, "Not Found\n")
