"""api.github.com, and github.com's git over HTTPS."""

import base64
import gzip
import json
import os
import re
import subprocess
import threading
from urllib.parse import unquote

_NAME = r"[A-Za-z0-9_.-]+"


# Opens octocat/private.git.
TOKEN = "ghp_testnet0123456789abcdefghijklmnop"


def mirror(conn, req):
    """Shows what it was sent, as error pages and debug endpoints do.

    /mirror/gzip and /mirror/br say it compressed, whatever was asked for,
    /mirror/trailers behind its body.
    """
    told = req.get("authorization") or "none"
    coding = req.path.rpartition("/")[2]
    if coding in ("gzip", "br"):  # nobody gets to read the second
        body = gzip.compress(json.dumps({"headers": req.headers}).encode())
        return conn.reply(req, 200, body, "application/json",
                          [("Content-Encoding", coding)])
    if coding == "trailers":
        conn.start_chunked(req, "text/plain", [("Trailer", "X-After")])
        conn.chunk(b"body\n")
        conn.end_chunked([("X-After", told)])
        return True
    return conn.reply_json(req, 200, {
        "method": req.method, "target": req.target, "headers": req.headers,
        "body": req.body.decode("latin-1")},
        [("Location", f"https://api.github.com/?t={told.split()[-1]}"),
         ("Set-Cookie", f"seen={told.split()[-1]}; Secure")])


def api(world, conn, req):
    """A few of the endpoints of GitHub's REST API."""
    if req.path.startswith("/mirror"):
        return mirror(conn, req)
    if req.path == "/zen" and req.method in ("GET", "HEAD"):
        return conn.reply(req, 200, "Keep it logically awesome.\n",
                          "text/plain;charset=utf-8")
    m = re.fullmatch(rf"/repos/({_NAME})/({_NAME})(/issues)?", req.path)
    if m and not m[3] and req.method in ("GET", "HEAD"):
        return conn.reply_json(req, 200, {
            "id": 1296269, "name": m[2], "full_name": f"{m[1]}/{m[2]}",
            "private": False, "default_branch": "main",
            "owner": {"login": m[1]},
            "clone_url": f"https://github.com/{m[1]}/{m[2]}.git"})
    if m and m[3] and req.method == "POST":
        return conn.reply_json(req, 201, {
            "number": 1, "state": "open", "title": req.json().get("title"),
            "html_url": f"https://github.com/{m[1]}/{m[2]}/issues/1"})
    return conn.reply_json(req, 404, {"message": "Not Found"})


# One commit with a fixed author and time, so that its id never changes.
_HISTORY = b"""\
blob
mark :1
data 13
Hello World!

commit refs/heads/main
mark :2
author The Octocat <octocat@example.test> 1300000000 +0000
committer The Octocat <octocat@example.test> 1300000000 +0000
data 14
first commit

M 100644 :1 README

"""
_lock = threading.Lock()


def _git_env(world):
    """The environment of git here: nothing of the caller's configuration."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": world.private, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null"}


def _repositories(world):
    """The folder of the repositories, made at the first use."""
    root = os.path.join(world.private, "git")
    with _lock:
        if not os.path.isdir(root):
            fresh = os.path.join(world.private, "git.new")
            bare = os.path.join(fresh, "octocat", "hello-world.git")
            env = _git_env(world)
            subprocess.run(
                ["git", "init", "-q", "--bare", "-b", "main", bare],
                env=env, check=True)
            subprocess.run(["git", "-C", bare, "fast-import", "--quiet"],
                           env=env, input=_HISTORY, check=True)
            os.rename(fresh, root)
    return root


def git(world, conn, req):
    """git's smart protocol, by git-http-backend(1) as a CGI program.

    Pushes are accepted: where one is refused, the policy did it.
    """
    path = unquote(req.path)
    m = re.fullmatch(rf"/({_NAME})/({_NAME}?)(?:\.git)?"
                     r"(/info/refs|/git-upload-pack|/git-receive-pack|/HEAD"
                     r"|/objects/[0-9a-z/.-]+)", path)
    if not m or ".." in path:
        return conn.reply(req, 404, "Not Found\n")
    # The private one has the same history.
    repo = "hello-world" if m[2] == "private" else m[2]
    if m[2] == "private":
        want = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if req.get("authorization") != f"Basic {want}":
            return conn.reply(req, 401, "who are you?\n", "text/plain",
                              [("WWW-Authenticate", 'Basic realm="GitHub"')])
    env = dict(_git_env(world), GIT_PROJECT_ROOT=_repositories(world),
               GIT_HTTP_EXPORT_ALL="1", REMOTE_USER="testnet",
               REMOTE_ADDR="127.0.0.1", REQUEST_METHOD=req.method,
               PATH_INFO=f"/{m[1]}/{repo}.git{m[3]}", QUERY_STRING=req.query,
               CONTENT_TYPE=req.get("content-type"),
               CONTENT_LENGTH=str(req.body_length),
               HTTP_CONTENT_ENCODING=req.get("content-encoding"),
               GIT_PROTOCOL=req.get("git-protocol"),
               SERVER_PROTOCOL=req.version)
    out = subprocess.run(["git", "http-backend"], env=env, input=req.body,
                         stdout=subprocess.PIPE, check=False).stdout
    head, _, body = out.partition(b"\r\n\r\n")
    fields = [line.split(": ", 1) for line in
              head.decode("latin-1").split("\r\n") if ": " in line]
    status, kind, rest = 200, "text/plain", []
    for name, value in fields:
        if name.lower() == "status":
            status = int(value.split()[0])
        elif name.lower() == "content-type":
            kind = value
        else:
            rest.append((name, value))
    if not fields:
        status, body = 500, b"git http-backend said nothing\n"
    return conn.reply(req, status, body, kind, rest)
