"""The model endpoints: Anthropic's Messages API and OpenAI's Responses API.

The answer is always the same sentence; the shapes around it, streamed or
not, are those that the real agents parse.
"""

import json
import time

ANSWER = "Hello from the test internet."


def _words(text):
    """The text in the pieces in which a model would send it."""
    parts = text.split(" ")
    return [p if i == 0 else " " + p for i, p in enumerate(parts)]


def _start_events(conn, req):
    conn.start_chunked(req, "text/event-stream; charset=utf-8",
                       [("Cache-Control", "no-cache"),
                        ("request-id", "req_testnet")])


def _event(conn, name, value):
    conn.chunk(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())


def _claude_message(model, content, stop, tokens):
    return {"id": "msg_testnet", "type": "message", "role": "assistant",
            "model": model, "content": content, "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": tokens,
                      "cache_creation_input_tokens": 0,
                      "cache_read_input_tokens": 0}}


def _claude_stream(conn, req, model):
    words = _words(ANSWER)
    _start_events(conn, req)
    _event(conn, "message_start", {
        "type": "message_start",
        "message": _claude_message(model, [], None, 1)})
    _event(conn, "content_block_start", {
        "type": "content_block_start", "index": 0,
        "content_block": {"type": "text", "text": ""}})
    _event(conn, "ping", {"type": "ping"})
    for w in words:
        _event(conn, "content_block_delta", {
            "type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": w}})
    _event(conn, "content_block_stop",
           {"type": "content_block_stop", "index": 0})
    _event(conn, "message_delta", {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": len(words)}})
    _event(conn, "message_stop", {"type": "message_stop"})
    conn.end_chunked()
    return True


_CLAUDE_MODELS = ("claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5")


def anthropic(world, conn, req):
    """The endpoints of api.anthropic.com that Claude Code's main job needs."""
    ask = req.json()
    model = str(ask.get("model", _CLAUDE_MODELS[0]))
    if req.method == "POST" and req.path == "/v1/messages":
        if not req.get("x-api-key") and not req.get("authorization"):
            return conn.reply_json(req, 401, {
                "type": "error", "error": {
                    "type": "authentication_error",
                    "message": "x-api-key header is required"}})
        if ask.get("stream") is True:
            return _claude_stream(conn, req, model)
        return conn.reply_json(req, 200, _claude_message(
            model, [{"type": "text", "text": ANSWER}], "end_turn",
            len(_words(ANSWER))), [("request-id", "req_testnet")])
    if req.method == "POST" and req.path == "/v1/messages/count_tokens":
        return conn.reply_json(req, 200, {"input_tokens": 10})
    if req.path == "/v1/models" and req.method == "GET":
        return conn.reply_json(req, 200, {
            "data": [{"type": "model", "id": m, "display_name": m,
                      "created_at": "2025-01-01T00:00:00Z"}
                     for m in _CLAUDE_MODELS],
            "has_more": False, "first_id": _CLAUDE_MODELS[0],
            "last_id": _CLAUDE_MODELS[-1]})
    if req.path == "/" and req.method in ("GET", "HEAD"):
        return conn.reply(req, 200, "api.anthropic.com\n")
    return conn.reply_json(req, 404, {
        "type": "error",
        "error": {"type": "not_found_error", "message": "Not found"}})


def _response(model, status, output, usage):
    return {"id": "resp_testnet", "object": "response",
            "created_at": int(time.time()), "status": status, "error": None,
            "incomplete_details": None, "instructions": None, "model": model,
            "output": output, "parallel_tool_calls": True,
            "tool_choice": "auto", "tools": [], "metadata": {},
            "usage": usage}


def _message(text, status):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_testnet", "type": "message", "role": "assistant",
            "status": status, "content": content if text else []}


def _usage():
    n = len(_words(ANSWER))
    return {"input_tokens": 10, "output_tokens": n, "total_tokens": 10 + n,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0}}


def _response_events(model):
    """(type, fields) of a streamed response, in the order of the API."""
    at = {"output_index": 0, "item_id": "msg_testnet", "content_index": 0}
    part = {"type": "output_text", "text": ANSWER, "annotations": []}
    whole = _message(ANSWER, "completed")
    begun = _response(model, "in_progress", [], None)
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    yield "response.output_item.added", {
        "output_index": 0, "item": _message("", "in_progress")}
    yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
    for w in _words(ANSWER):
        yield "response.output_text.delta", {**at, "delta": w}
    yield "response.output_text.done", {**at, "text": ANSWER}
    yield "response.content_part.done", {**at, "part": part}
    yield "response.output_item.done", {"output_index": 0, "item": whole}
    yield "response.completed", {
        "response": _response(model, "completed", [whole], _usage())}


_OPENAI_MODELS = ("gpt-5", "gpt-5-codex")


def openai(world, conn, req):
    """The endpoints of api.openai.com that Codex's main job needs."""
    if req.path == "/v1/responses":
        if req.get("upgrade"):
            # Codex tries a WebSocket first and falls back to HTTP.
            return conn.reply_json(req, 426, {"error": {
                "message": "no WebSocket here", "type": "invalid_request"}})
        if req.method == "POST":
            if not req.get("authorization"):
                return conn.reply_json(req, 401, {"error": {
                    "message": "no API key", "type": "invalid_request"}})
            ask = req.json()
            model = str(ask.get("model", _OPENAI_MODELS[0]))
            if ask.get("stream") is True:
                _start_events(conn, req)
                for n, (kind, fields) in enumerate(_response_events(model)):
                    _event(conn, kind, {"type": kind, "sequence_number": n,
                                        **fields})
                conn.end_chunked()
                return True
            return conn.reply_json(req, 200, _response(
                model, "completed", [_message(ANSWER, "completed")], _usage()))
    if req.path == "/v1/models" and req.method == "GET":
        return conn.reply_json(req, 200, {
            "object": "list",
            "data": [{"id": m, "object": "model", "created": 1735689600,
                      "owned_by": "openai"} for m in _OPENAI_MODELS]})
    return conn.reply_json(req, 404, {"error": {
        "message": "Not found", "type": "invalid_request"}})
