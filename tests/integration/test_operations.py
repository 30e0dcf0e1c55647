"""Operations inside requests: JSON-RPC, MCP, GraphQL, and the messages of WebSockets.

Two-sided: the same client, the same server, and one word of the policy between them.  What reached the
server is read from the test internet's own log.
"""
import json
import subprocess

import pytest

from harness import OPENSHELL, SANITIZED, STAGE, network, until, upstream_requests
from test_load import memory, proxy_of

# A client of HTTP and one of WebSocket, as people use them: urllib and websockets, through the proxy.
CLIENT = r'''
import asyncio, http.client, json, os, socket, ssl, sys, urllib.error, urllib.request
def call(url, value=None, method=None, kind="application/json", **fields):
    data = value if isinstance(value, (bytes, type(None))) else json.dumps(value).encode()
    r = urllib.request.Request(url, data, {"Accept": "application/json, text/event-stream",
                                           **({"Content-Type": kind} if data is not None else {}), **fields}, method=method)
    try:
        with urllib.request.urlopen(r, timeout=8) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except urllib.error.URLError as e:
        return 0, str(e.reason)
    except http.client.IncompleteRead:
        return -1, "cut"
    except OSError as e:
        return 0, str(e)
def rpc(method, params=None, id=1):
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {}),
            **({"id": id} if id is not None else {})}
def tool(name, id=1, **arguments):
    return rpc("tools/call", {"name": name, "arguments": arguments}, id)
def connect(host, port=443):
    s = socket.create_connection(("10.200.0.1", 3128), 30)
    s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += s.recv(1)
    assert b" 200 " in head, head
    return s
async def ws(url, *messages, **options):
    """What the server says to each message; a close as [code, reason]."""
    import websockets
    host = url.split("/")[2]
    heard = []
    try:
        async with websockets.connect(url, sock=connect(host), server_hostname=host, open_timeout=30, **options) as w:
            heard.append(["open", bool(w.extensions), w.subprotocol])
            for m in messages:
                await w.send(m)
                heard.append(await asyncio.wait_for(w.recv(), 30))
    except websockets.ConnectionClosed as e:
        heard.append([e.rcvd.code if e.rcvd else None, e.rcvd.reason if e.rcvd else ""])
    except websockets.InvalidStatusCode as e:
        heard.append(["status", e.status_code])
    except websockets.InvalidMessage as e:
        heard.append(["closed"])
    return heard
out = {}
'''


def inside(box, script):
    done = box.run("/usr/bin/python3", "-c", CLIENT + script + "\nprint(json.dumps(out))", timeout=45)
    assert done.code == 0, done
    return json.loads(done.stdout), done


def endpoint(host, protocol, path="", **more):
    return {"host": host, "port": 443, "protocol": protocol, **({"path": path} if path else {}), **more}


def mcp(*tools, path="", **more):
    """Rules as a person writes them: the methods that any client needs, and some tools."""
    plain = ["initialize", "ping", "tools/list", "notifications/initialized", "notifications/progress"]
    rules = [{"allow": {"method": m}} for m in plain]
    rules += [{"allow": {"method": "tools/call", **t}} for t in tools]
    return endpoint("tools.example.test", "mcp", path, rules=rules, **more)


def arrived(host, since=0):
    return [(r["method"], r["target"]) for r in upstream_requests(host)[since:]]


# ---- MCP ---------------------------------------------------------------------------------------------


def test_mcp_calls_go_by_tool_and_argument_and_are_recorded(sandbox):
    before = len(upstream_requests("tools.example.test"))
    box = sandbox(network(mcp({"tool": "read_note"},
                              {"tool": "write_note", "params": {"arguments": {"path": "/notes/**"}}})))
    out, done = inside(box, r'''
u = "https://tools.example.test/json"
out["init"] = call(u, rpc("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}))
out["note"] = call(u, rpc("notifications/initialized", id=None))
out["read"] = call(u, tool("read_note", path="/x"))
out["write"] = call(u, tool("write_note", path="/notes/a"))
out["elsewhere"] = call(u, tool("write_note", "q7", path="/etc/passwd"))
out["delete"] = call(u, tool("delete_note", 12))
out["resources"] = call(u, rpc("resources/list"))
''')
    assert out["init"][0] == 200 and "protocolVersion" in out["init"][1], done
    assert out["note"] == [202, ""]
    assert "called read_note" in out["read"][1] and "called write_note" in out["write"][1]
    for name, id in (("elsewhere", "q7"), ("delete", 12), ("resources", 1)):
        status, text = out[name]
        answer = json.loads(text)
        assert status == 200 and answer["id"] == id and answer["jsonrpc"] == "2.0", text
        assert answer["error"]["code"] == -32003 and "not permitted by policy" in answer["error"]["message"]
    data = json.loads(out["delete"][1])["error"]["data"]
    assert data["tool"] == "delete_note" and data["operation"] == "tools/call" and data["policy"] == "test"
    assert len(arrived("tools.example.test", before)) == 4
    assert done.event("L7_REQUEST", action="deny", operation="tools/call", tool="delete_note", stage="l7"), done
    assert done.event("L7_REQUEST", action="deny", operation="resources/list")
    assert done.event("L7_REQUEST", action="deny", tool="write_note", nearest="test endpoints[0].rules[6]",
                      miss="its param 'arguments.path' ('/notes/**') does not match its value"), done
    assert done.event("L7_REQUEST", action="deny", tool="delete_note", nearest="test endpoints[0].rules[5]",
                      miss="its tool 'read_note' does not match 'delete_note'"), done
    assert "/etc/passwd" not in str(done.event("L7_REQUEST", tool="write_note"))


def test_denied_calls_are_learned_by_method_and_tool(sandbox):
    box = sandbox(network(mcp({"tool": "read_note"})))
    script = '''
u = "https://tools.example.test/json"
out = [call(u, m)[1] for m in (rpc("resources/list"), tool("delete_note", path="/x"), tool("write_note", path="/etc/passwd"))]
'''
    out, done = inside(box, script.replace(', tool("write_note", path="/etc/passwd")', ""))
    assert all("not permitted by policy" in text for text in out), done
    learned = subprocess.run([OPENSHELL, "policy", "learn", "--file", box.events, "-p", box.policy],
                             capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert learned.returncode == 0 and "2 different requests added" in learned.stderr, learned
    assert "# generalised: any arguments" in learned.stdout, learned
    box.write_policy(learned.stdout)
    out, done = inside(box, script)
    assert "not permitted" not in out[0] and "called delete_note" in out[1], (out, done)
    assert "not permitted by policy" in out[2] and "called" not in out[2], (out, done)


def test_mcp_attacks_do_not_pass(sandbox):
    """A38 and A80: a batch with one denied call, twice a key, look-alike names, forged records."""
    before = len(upstream_requests("tools.example.test"))
    box = sandbox(network(mcp({"tool": "read_note"})))
    out, done = inside(box, r'''
u = "https://tools.example.test/json"
out["batch"] = call(u, [tool("read_note", 1), tool("delete_note", 2)])
for i, raw in enumerate([
    b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_note"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_note"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","Name":"delete_note"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"r\u0435ad_note"}}'.encode(),
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note\\u0000"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x\\n\\u001b[2Jaction=allow"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_note"]}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    b'not json', b'', b'\xef\xbb\xbf{}']):
    out[str(i)] = call(u, raw)
out["utf16"] = call(u, json.dumps(rpc("ping")).encode("utf-16"), kind="application/json; charset=utf-16")
out["type"] = call(u, rpc("ping"), kind="text/plain")
out["coded"] = call(u, rpc("ping"), **{"Content-Encoding": "gzip"})
out["long"] = call(u, rpc("ping", {"_meta": {"x": "y" * 70000}}))
out["field"] = call(u, tool("read_note"), **{"Mcp-Method": "tools/call", "Mcp-Name": "delete_note"})
out["put"] = call(u, rpc("ping"), method="PUT")
out["ok"] = call(u, [tool("read_note", 1), rpc("ping", id=2)])
''')
    errors = json.loads(out["batch"][1])
    assert [e["id"] for e in errors] == [1, 2] and all("error" in e for e in errors)
    for i in range(11):
        assert out[str(i)][0] == 403 and "MCP request rejected" in out[str(i)][1], (i, out[str(i)])
    assert out["utf16"][0] == out["type"][0] == out["coded"][0] == 415, out
    assert out["long"][0] == 413 and out["put"][0] == out["field"][0] == 403
    assert out["ok"][0] == 200 and "called read_note" in out["ok"][1]
    assert len(arrived("tools.example.test", before)) == 1, done
    assert done.event("L7_REQUEST", action="deny", tool="read_note",
                      reason="another operation of the same batch was denied")
    for line in box.events.read_text().splitlines():
        assert all(c.isprintable() for c in line), line
    assert not done.event(action="allow", tool="delete_note")


def test_mcp_lists_only_what_may_be_called(sandbox):
    box = sandbox(network(mcp({"tool": "read_note"}, {"tool": "write_note", "params": {"arguments": {"path": "/n/*"}}})))
    out, done = inside(box, r'''
for where in ("json", "sse"):
    out[where] = call("https://tools.example.test/" + where, rpc("tools/list"))
    out[where + "-ping"] = call("https://tools.example.test/" + where, rpc("ping"))
out["batch"] = call("https://tools.example.test/json", [rpc("tools/list"), rpc("ping", id=2)])
out["gzip"] = call("https://tools.example.test/gzip", rpc("ping"))
out["odd"] = call("https://tools.example.test/odd", rpc("tools/list"))
''')
    data = [line[6:] for line in out["sse"][1].splitlines() if line.startswith("data: ")]
    assert json.loads(data[0])["method"] == "notifications/progress"
    for text in (out["json"][1], data[1], json.dumps(json.loads(out["batch"][1])[0])):
        names = [t["name"] for t in json.loads(text)["result"]["tools"]]
        assert names == ["read_note", "write_note"], text
    assert json.loads(out["json-ping"][1])["result"] == {}
    # Nothing of it went, so the client hears a whole sentence.
    assert out["gzip"][0] == out["odd"][0] == 502, out
    assert json.loads(out["odd"][1])["detail"] == "the answer may not pass", out
    assert len(done.event("UPSTREAM_FAILED", action="deny")) == 2, done
    hidden = done.event("L7_RESPONSE", operation="tools/list", action="info")
    assert hidden and "delete_note" in hidden[0]["reason"], done


def test_a_tool_that_changed_is_held_until_the_policy_is_set_again(sandbox):
    policy = network(mcp({"tool": "read_note"}, {"tool": "write_note"}))
    box = sandbox(policy)
    process = box.start("/usr/bin/python3", "-c", CLIENT + r'''
def names(text):
    return [t["name"] for t in json.loads(text)["result"]["tools"]]
u = "https://tools.example.test/rug/" + os.urandom(4).hex()
print(names(call(u, rpc("tools/list"))[1]), call(u, tool("read_note"))[1][:60], flush=True)
print(names(call(u, rpc("tools/list"))[1]), call(u, tool("read_note"))[1].strip(), call(u, tool("write_note")), flush=True)
sys.stdin.readline()
print(call(u, tool("read_note"))[1][:60], names(call(u, rpc("tools/list"))[1]), flush=True)
''')
    first, second = process.stdout.readline().decode(), process.stdout.readline().decode()
    assert first.startswith("['read_note', 'write_note']") and '"result"' in first, first
    assert second.startswith("['write_note']") and "is held" in second and second.rstrip().count("result") == 1, second
    events = box.read_events()
    assert [e for e in events if e.get("stage") == "tool-changed" and e["tool"] == "read_note"], events
    loaded = len([e for e in events if e["kind"] == "POLICY"])
    box.write_policy({**policy, "network_policies": {**policy["network_policies"], "more": {"endpoints": [], "binaries": []}}})
    until(lambda: len([e for e in box.read_events() if e["kind"] == "POLICY"]) > loaded, what="the new policy")
    out, err = process.communicate(b"\n", timeout=60)
    assert b'"result"' in out and b"['read_note', 'write_note']" in out, (out, err)


def test_what_an_mcp_server_asks_is_judged(sandbox):
    box = sandbox(network(mcp({"tool": "read_note"})))
    everything = sandbox(network(endpoint("tools.example.test", "mcp", mcp={"allow_all_known_mcp_methods": True})))
    script = 'out["get"] = call("https://tools.example.test/sse")\nout["asks"] = call("https://tools.example.test/asks", tool("read_note", 5))\nout["end"] = call("https://tools.example.test/sse", method="DELETE")'
    out, done = inside(box, script)
    assert "hello" in out["get"][1] and "bye" in out["get"][1] and "sampling" not in out["get"][1], out
    assert out["end"] == [204, ""]
    assert len(done.event("L7_RESPONSE", action="deny", operation="sampling/createMessage")) == 2, done
    answer = json.loads(out["asks"][1])
    assert answer["id"] == 5 and answer["error"]["code"] == -32003, answer
    out, done = inside(everything, script)
    assert "sampling/createMessage" in out["get"][1] and "roots/list" in out["get"][1], out
    assert "sampling/createMessage" in out["asks"][1]
    assert not done.event("L7_RESPONSE", action="deny")


# ---- JSON-RPC -----------------------------------------------------------------------------------------


def test_json_rpc_goes_by_method(sandbox):
    before = len(upstream_requests("files.example.test"))
    box = sandbox(network(endpoint("files.example.test", "json-rpc", "/echo", rules=[{"allow": {"method": "*"}}],
                                   deny_rules=[{"method": "eth_sendTransaction"}, {"method": "eth_sign"}])))
    out, done = inside(box, r'''
u = "https://files.example.test/echo"
out["ok"] = call(u, rpc("eth_blockNumber", []))
out["param"] = call(u, rpc("eth_call", {"to": "0xaa", "data": "0x1"}))
out["case"] = call(u, {**rpc("eth_call", []), "Method": "eth_sign"})
out["twice"] = call(u, b'{"jsonrpc": "2.0", "id": 1, "method": "eth_call", "method": "eth_sign"}')
out["denied"] = call(u, rpc("eth_sign", []))
out["send"] = call(u, rpc("eth_sendTransaction", []))
out["batch"] = call(u, [rpc("eth_blockNumber", id=1), rpc("eth_sendTransaction", id=2)])
out["response"] = call(u, {"jsonrpc": "2.0", "id": 1, "result": 1})
out["get"] = call(u)
''')
    assert out["ok"][0] == out["param"][0] == 200, (out["ok"], out["param"], done)
    for name in ("case", "twice", "denied", "send", "batch", "response", "get"):
        assert out[name][0] == 403, (name, out[name])
        assert json.loads(out[name][1])["error"] == "policy_denied"
    assert json.loads(out["send"][1])["operation"] == "eth_sendTransaction"
    assert "response frames are not permitted" in out["response"][1]
    assert "blocked by deny rule" in out["denied"][1]
    assert len(arrived("files.example.test", before)) == 2
    assert done.event("L7_REQUEST", action="deny", operation="eth_sendTransaction")


# ---- GraphQL ------------------------------------------------------------------------------------------

GRAPH = endpoint("graph.example.test", "graphql", "/graphql", rules=[
    {"allow": {"operation_type": "query", "fields": ["viewer", "repo*"]}},
    {"allow": {"operation_type": "mutation", "operation_name": "Star", "fields": ["addStar"]}},
    {"allow": {"operation_type": "subscription", "fields": ["news"]}}])


def test_graphql_goes_by_operation_and_root_fields(sandbox):
    """A40: alias, fragment, batch, an id that hides a write."""
    before = len(upstream_requests("graph.example.test"))
    box = sandbox(network(GRAPH))
    out, done = inside(box, r'''
import urllib.parse
u = "https://graph.example.test/graphql"
def q(query, **more):
    return call(u, {"query": query, **more})
def get(**names):
    return call(u + "?" + urllib.parse.urlencode(names))
out["allowed"] = [q("{viewer {login}}"), q("query Q($n: Int) { repository(n: $n) {id} ...F } fragment F on Query { repos {id} }"),
  q("mutation Star { addStar(id: 1) {ok} }"), q("query A {viewer {id}} mutation B {deleteRepo}", operationName="A"),
  get(query="{viewer{id}}"), call(u, [{"query": "{viewer{id}}"}, {"query": "{repo{id}}"}])]
out["denied"] = [q("mutation {deleteRepo}"), q("{viewer: secrets {id}}"), q("{...F} fragment F on Query {secrets}"),
  q("{... on Query {secrets}}"), q("query A {viewer {id}} mutation B {deleteRepo}", operationName="B"),
  call(u, [{"query": "{viewer{id}}"}, {"query": "mutation {deleteRepo}"}]), get(query="mutation{deleteRepo}"),
  q("{viewer{id}}", id="other"), call(u, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}),
  q("{viewer"), q("query A {viewer} query B {viewer}"), call(u + "?query=mutation%7Bx%7D", {"query": "{viewer{id}}"}),
  q("{...F} fragment F on Q {...F}"), call(u, {"query": "{viewer{id}}", "Query": "mutation{x}"}), call(u, {}), q("mutation Other {addStar}")]
out["form"] = call(u, b"query={viewer{id}}", kind="application/x-www-form-urlencoded")
''')
    assert [a[0] for a in out["allowed"]] == [200] * 6, (out["allowed"], done)
    assert [a[0] for a in out["denied"]] == [403] * 16, out["denied"]
    assert out["form"][0] == 415
    assert len(arrived("graph.example.test", before)) == 6
    other, = done.event("L7_REQUEST", action="deny", operation="mutation Other")
    assert other["nearest"].startswith("test endpoints[0].rules[") and "does not match" in other["miss"], other
    # What arrives is what was judged, byte for byte.
    sent = [r for r in upstream_requests("graph.example.test")[before:] if r["method"] == "POST"]
    assert sent[0]["body_length"] == len(json.dumps({"query": "{viewer {login}}"}))


def test_held_requests_without_a_body_do_not_grow_the_proxy(sandbox):
    """Attack: heads that are kept for a body that there is none of; 3,000 of them are 24 MB."""
    box = sandbox(network(GRAPH))
    process = box.start("/usr/bin/python3", "-c", CLIENT + r'''
s = ssl.create_default_context().wrap_socket(connect("graph.example.test"), server_hostname="graph.example.test")
def ask(n):
    for _ in range(n):
        s.sendall(b"GET /graphql?query={viewer{id}} HTTP/1.1\r\nHost: graph.example.test\r\nX: %s\r\n\r\n" % (b"x" * 8000))
        answer = b""
        while b"}}" not in answer:
            answer += s.recv(65536)
        assert b" 200 " in answer, answer
    print("asked", flush=True)
    sys.stdin.readline()
ask(100)
ask(3000)
''')
    assert process.stdout.readline() == b"asked\n"
    before = memory(proxy_of(process))
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"asked\n", process.communicate(b"")
    # What is freed stays in the quarantine of the address sanitizer.
    assert memory(proxy_of(process)) < before + ((300 if SANITIZED else 4) << 20)
    process.communicate(b"\n", timeout=30)


@pytest.mark.parametrize("protocol", ["graphql", "websocket"])
def test_graphql_over_websocket_is_judged_by_operation(sandbox, protocol):
    upgrade = [] if protocol == "graphql" else [{"allow": {"method": "GET", "path": "/graphql"}}]
    box = sandbox(network({**GRAPH, "protocol": protocol, "rules": [*upgrade, *GRAPH["rules"]]}))
    out, done = inside(box, r'''
def start(query):
    return json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}})
hello = json.dumps({"type": "connection_init"})
u = "wss://graph.example.test/graphql"
out["ok"] = asyncio.run(ws(u, hello, start("subscription {news {id}}"), subprotocols=["graphql-transport-ws"]))
out["bad"] = asyncio.run(ws(u, hello, start("mutation {deleteRepo}"), subprotocols=["graphql-transport-ws"]))
out["odd"] = asyncio.run(ws(u, "{}", subprotocols=["graphql-transport-ws"]))
''')
    assert out["ok"][0][0] == "open" and "connection_ack" in out["ok"][1] and "news" in out["ok"][2], (out, done)
    assert out["bad"][2][0] == 1008 and "not permitted" in out["bad"][2][1], out
    assert out["odd"][1][0] == 1008
    assert done.event("L7_REQUEST", method="WEBSOCKET_TEXT", action="deny", operation="mutation"), done


def learned(box):
    """What 'policy learn' makes of the records of its last run."""
    done = subprocess.run([OPENSHELL, "policy", "learn", "--file", box.events, "-p", box.policy],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    return done


def test_denied_operations_of_graphql_are_learned_by_type_and_root_fields(sandbox):
    box = sandbox(network(GRAPH))
    script = '''
u = "https://graph.example.test/graphql"
asked = ["mutation Drop {deleteRepo again: deleteRepo addStar}", "query {secrets {id}}", "mutation {deleteUser}"]
out = [call(u, {"query": q})[1] for q in asked%s]
'''
    out, done = inside(box, script % "[:2]")
    assert all("not permitted by policy" in text for text in out), done
    assert done.event("L7_REQUEST", action="deny", operation="mutation Drop", fields="deleteRepo, addStar"), done
    made = learned(box)
    assert "2 different requests added" in made.stderr, made
    box.write_policy(made.stdout)
    out, done = inside(box, script % "")
    assert "not permitted" not in out[0] and "not permitted" not in out[1] and "not permitted" in out[2], (out, done)


def test_denied_messages_of_a_websocket_are_learned_by_path(sandbox):
    box = sandbox(network(endpoint("socket.example.test", "websocket", rules=[{"allow": {"method": "GET", "path": "/echo"}}])))
    script = '''
u = "wss://socket.example.test"
out["echo"] = asyncio.run(ws(u + "/echo", "hello"))
out["digest"] = asyncio.run(ws(u + "/digest"))
'''
    out, done = inside(box, script)
    assert out["echo"][1][0] == 1008 and out["digest"] == [["status", 403]], (out, done)
    made = learned(box)
    assert "2 different requests added" in made.stderr, made
    box.write_policy(made.stdout)
    out, done = inside(box, script + 'out["more"] = asyncio.run(ws(u + "/digest", "hello"))\n')
    assert out["echo"][1] == "hello" and out["digest"][0][0] == "open" and out["more"][1][0] == 1008, (out, done)


# ---- WebSocket ----------------------------------------------------------------------------------------


def socket_endpoint(access="read-write", **more):
    return endpoint("socket.example.test", "websocket", access=access, **more)


def test_websocket_text_is_judged_and_binary_passes(sandbox):
    box = sandbox(network(socket_endpoint()))
    quiet = sandbox(network(socket_endpoint("read-only")))
    script = r'''
for where in ("echo", "deflate"):
    out[where] = asyncio.run(ws(f"wss://socket.example.test/{where}", "hello", "x" * 200000, "h\u20ac"))
out["bytes"] = [v if isinstance(v, list) else v.hex() for v in asyncio.run(ws("wss://socket.example.test/deflate", b"\x00\xff" * 3))]
out["bad"] = asyncio.run(ws("wss://socket.example.test/bad-accept", "x"))
out["masked"] = asyncio.run(ws("wss://socket.example.test/masked", "x"))
'''
    out, done = inside(box, script)
    for where in ("echo", "deflate"):
        assert out[where] == [["open", where == "deflate", None], "hello", "x" * 200000, "h\u20ac"], (where, done)
    assert out["bytes"][1] == "00ff00ff00ff"
    assert out["bad"] == [["status", 502]]
    assert out["masked"][-1][0] == 1002
    assert done.event("CONNECT_L7", reason="upgrade")
    out, done = inside(quiet, script)
    for where in ("echo", "deflate"):
        assert out[where][1][0] == 1008 and "not permitted by policy" in out[where][1][1], out
    assert out["bytes"][1] == "00ff00ff00ff"
    assert done.event("L7_REQUEST", method="WEBSOCKET_TEXT", action="deny", stage="l7"), done


def test_websocket_frames_are_strict_and_bounded(sandbox):
    """Said byte by byte: no mask, a split character, a bomb, a message that is not whole."""
    box = sandbox(network(socket_endpoint()))
    out, done = inside(box, r'''
import zlib
def upgrade(path="/echo", extensions=""):
    s = ssl.create_default_context().wrap_socket(connect("socket.example.test"), server_hostname="socket.example.test")
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: socket.example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += s.recv(1) or b"\r\n\r\n"
    return s, head
def frame(first, data, mask=True):
    n = len(data)
    size = bytes([n]) if n < 126 else b"\x7e" + n.to_bytes(2, "big") if n < 65536 else b"\x7f" + n.to_bytes(8, "big")
    size = bytes([size[0] | (0x80 if mask else 0)]) + size[1:]
    return bytes([first]) + size + (b"\0\0\0\0" if mask else b"") + data
def said(data, path="/echo", extensions="", piece=0):
    s, head = upgrade(path, extensions)
    assert b" 101 " in head, head
    s.settimeout(8)
    for i in range(0, len(data), piece or len(data)):
        s.sendall(data[i:i + (piece or len(data))])
    got = b""
    try:
        while more := s.recv(65536):
            got += more
            while got[:1] == b"\x8a" and len(got) >= 2 + got[1]:
                got = got[2 + got[1]:]
            if got[:1] == b"\x88" and len(got) >= 2 + (got[1] & 0x7f):
                break
            if got[:1] in (b"\x81", b"\x82"):
                break
    except OSError as e:
        got += b"!"
    s.close()
    return [got[0], int.from_bytes(got[2:4], "big")] if got[:1] == b"\x88" else got.decode("latin-1")
deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
z = zlib.compressobj(9, zlib.DEFLATED, -15)
bomb = (z.compress(b"a" * (8 << 20)) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
out["split"] = said(frame(0x01, b"h\xe2") + frame(0x89, b"") + frame(0x00, b"\x82") + frame(0x80, b"\xac"), piece=1)
out["unmasked"] = said(frame(0x81, b"x", mask=False))
out["rsv"] = said(frame(0xc1, b"x"))
out["utf8"] = said(frame(0x81, b"\xff"))
out["bomb"] = said(frame(0xc1, bomb), "/deflate", deflate)
out["big"] = said(b"\x81\xff" + (5 << 20).to_bytes(8, "big") + b"\0\0\0\0")
out["fragments"] = said(frame(0x01, b"") + frame(0x00, b"") * 5000)
out["window"] = upgrade("/deflate", "Sec-WebSocket-Extensions: x-unknown\r\n")[1].decode()
out["version"] = upgrade(extensions="Sec-WebSocket-Version: 8\r\n")[1].decode()[:12]
''')
    assert out["split"].endswith("h\xe2\x82\xac"), (out, done)
    assert out["unmasked"] == out["rsv"] == [0x88, 1002], out
    assert out["utf8"] == [0x88, 1007]
    assert out["bomb"] == out["big"] == out["fragments"] == [0x88, 1009], out
    assert "xtensions" not in out["window"] and "101" in out["window"]
    assert out["version"] == "HTTP/1.1 400"


def test_a_policy_that_withdraws_a_websocket_closes_it_with_1012(sandbox):
    box = sandbox(network(socket_endpoint()))
    process = box.start("/usr/bin/python3", "-c", CLIENT + r'''
async def main():
    import websockets
    async with websockets.connect("wss://socket.example.test/echo", sock=connect("socket.example.test"), server_hostname="socket.example.test") as w:
        await w.send("one")
        print(await w.recv(), flush=True)
        try:
            await asyncio.wait_for(w.recv(), 60)
        except websockets.ConnectionClosed as e:
            print(e.rcvd.code, e.rcvd.reason, flush=True)
asyncio.run(main())
''')
    assert process.stdout.readline() == b"one\n"
    box.write_policy(network(socket_endpoint(path="/elsewhere")))
    out, err = process.communicate(timeout=60)
    assert out.startswith(b"1012 "), (out, err)
    assert [e for e in box.read_events() if e["kind"] == "REVOKED"]


def test_curl_sees_a_denied_operation_as_it_sees_any_denial(sandbox):
    box = sandbox(network(GRAPH))
    done = box.run("curl", "-sS", "-H", "Content-Type: application/json", "-d", '{"query":"mutation {x}"}',
                   "https://graph.example.test/graphql")
    answer = json.loads(done.stdout)
    assert answer["error"] == "policy_denied" and answer["protocol"] == "graphql", done
    assert answer["detail"] == "GraphQL operation not permitted by policy"
    assert answer["operation"] == "mutation" and answer["suggestion"]


# ---- all of them ---------------------------------------------------------------------------------------


def test_the_example_does_what_it_says(sandbox):
    box = sandbox((STAGE / "examples/operations/policy.yaml").read_text())
    out, done = inside(box, r'''
out["tool"] = call("https://tools.example.test/json", tool("write_note", path="/notes/a"))
out["no tool"] = call("https://tools.example.test/json", tool("write_note", path="/etc/a"))
out["rpc"] = call("https://files.example.test/echo", rpc("eth_blockNumber", []))
out["no rpc"] = call("https://files.example.test/echo", rpc("eth_sendTransaction", []))
out["gql"] = call("https://graph.example.test/graphql", {"query": "{viewer {id}}"})
out["no gql"] = call("https://graph.example.test/graphql", {"query": "mutation {x}"})
out["ws"] = asyncio.run(ws("wss://socket.example.test/echo", "x"))
out["no ws"] = asyncio.run(ws("wss://socket.example.test/deflate", "x"))
''')
    assert [out[k][0] for k in ("tool", "rpc", "gql")] == [200] * 3, (out, done)
    assert "-32003" in out["no tool"][1] and [out[k][0] for k in ("no rpc", "no gql")] == [403] * 2
    assert out["ws"][1] == "x" and out["no ws"] == [["status", 403]]


def test_absolute_form_and_a_connection_that_is_kept_are_judged_alike(sandbox):
    before = len(upstream_requests("tools.example.test"))
    box = sandbox(network({**mcp({"tool": "read_note"}), "port": 80}))
    out, done = inside(box, r'''
u = "http://tools.example.test/json"
out["read"], out["delete"] = call(u, tool("read_note")), call(u, tool("delete_note"))
s = connect("tools.example.test", 80)
def post(value):
    b = json.dumps(value).encode()
    s.sendall(b"POST /json HTTP/1.1\r\nHost: tools.example.test\r\nContent-Type: application/json\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(b), b))
    r = http.client.HTTPResponse(s)
    r.begin()
    return r.read().decode()
out["kept"] = [post(tool("read_note", i)) for i in (1, 2)] + [post(tool("delete_note", 3))]
''')
    assert "called read_note" in out["read"][1] and "-32003" in out["delete"][1], (out, done)
    assert ["called read_note" in t for t in out["kept"]] == [True, True, False] and "-32003" in out["kept"][2]
    assert len(arrived("tools.example.test", before)) == 3
    assert done.event("FORWARD_L7", action="deny", tool="delete_note", stage="forward-l7-deny")
    assert done.event("FORWARD_L7", action="allow", tool="read_note")


def test_audit_lets_operations_pass_and_records_them(sandbox):
    before = len(upstream_requests("tools.example.test"))
    box = sandbox(network(mcp({"tool": "read_note"}, enforcement="audit"), socket_endpoint("read-only", enforcement="audit")))
    out, done = inside(box, r'''
out["delete"] = call("https://tools.example.test/json", tool("delete_note"))
out["odd"] = call("https://tools.example.test/json", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a b"}})
out["list"] = call("https://tools.example.test/json", rpc("tools/list"))
out["text"] = asyncio.run(ws("wss://socket.example.test/echo", "x"))
''')
    assert "called delete_note" in out["delete"][1] and "called a b" in out["odd"][1], (out, done)
    assert len(json.loads(out["list"][1])["result"]["tools"]) == 3
    assert out["text"][1] == "x"
    assert len(arrived("tools.example.test", before)) == 3
    assert done.event("L7_REQUEST", action="audit", tool="delete_note", stage="l7_audit")
    assert done.event("L7_REQUEST", action="audit", method="WEBSOCKET_TEXT")


def test_an_answer_is_cut_when_the_policy_withdraws_its_operation(sandbox):
    """The receive stream of MCP stays open; the tool whose answer is on its way does not."""
    slow = {"host": "chaos.example.test", "port": 443, "protocol": "json-rpc", "path": "/drip"}
    box = sandbox(network({**slow, "rules": [{"allow": {"method": "a"}}, {"allow": {"method": "b"}}]}))
    process = box.start("/usr/bin/python3", "-c", CLIENT + r'''
def start(method):
    s = ssl.create_default_context().wrap_socket(connect("chaos.example.test"), server_hostname="chaos.example.test")
    b = json.dumps(rpc(method)).encode()
    s.sendall(b"POST /drip?n=200&ms=100 HTTP/1.1\r\nHost: chaos.example.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(b) + b)
    s.settimeout(20)
    return s
one, two = start("a"), start("b")
one.recv(1), two.recv(1)
print("open", flush=True)
try:
    while one.recv(4096):
        pass
    print("ended", flush=True)
except OSError as e:
    print("cut", type(e).__name__, flush=True)
print(len(two.recv(4096)) > 0, flush=True)
''')
    assert process.stdout.readline() == b"open\n"
    box.write_policy(network({**slow, "rules": [{"allow": {"method": "b"}}]}))
    out, err = process.communicate(timeout=60)
    assert (out.startswith(b"cut") or out.startswith(b"ended")) and out.endswith(b"True\n"), (out, err)
    assert len([e for e in box.read_events() if e["kind"] == "REVOKED"]) == 1
