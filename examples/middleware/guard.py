#!/usr/bin/env python3
"""A middleware that denies requests which hold a word that its config forbids.

    pip install grpcio protobuf
    protoc -I proto --python_out=. proto/middleware.proto
    ./guard.py unix:/run/user/1000/guard.sock
"""
import concurrent.futures
import sys

import grpc
import middleware_pb2 as pb


def describe(request, context):
    return pb.DescribeResponse(name="guard", version="1", phases=[pb.PHASE_PRE_CREDENTIALS], websocket=True)


def validate_config(request, context):
    words = request.config["forbid"] if "forbid" in request.config else []
    return pb.ValidateConfigResponse(valid=all(isinstance(w, str) for w in words), reason="forbid: a list of words")


def judge(body, config):
    if any(word.encode() in body for word in (config["forbid"] if "forbid" in config else [])):
        return pb.Evaluation(decision=pb.DECISION_DENY, reason_code="word.forbidden")
    return pb.Evaluation(decision=pb.DECISION_ALLOW)


def evaluate_http_request(request, context):
    return judge(request.body, request.context.config)


def evaluate_websocket_session(events, context):
    opened = next(events).open
    for event in events:
        yield judge(event.text.text, opened.context.config)


def main(address):
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    rows = {
        "Describe": unary(describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString),
        "ValidateConfig": unary(validate_config, pb.ValidateConfigRequest.FromString, pb.ValidateConfigResponse.SerializeToString),
        "EvaluateHttpRequest": unary(evaluate_http_request, pb.EvaluateHttpRequestRequest.FromString, pb.Evaluation.SerializeToString),
        "EvaluateWebSocketSession": stream(evaluate_websocket_session, pb.WebSocketEvent.FromString, pb.Evaluation.SerializeToString),
    }
    # A body of 4 MiB is a message of a little more.
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", 5 << 20)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("openshell.middleware.v1.Middleware", rows)])
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
