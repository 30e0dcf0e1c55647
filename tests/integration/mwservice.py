"""A middleware as somebody else would write it: grpcio, generated messages, answers from a function."""
import concurrent.futures
import contextlib
import threading

import grpc
from grpcapi import PB

mw = PB["middleware"]
ALLOW, DENY = mw.DECISION_ALLOW, mw.DECISION_DENY


class Service:
    """`evaluate(request, context)` gives an Evaluation; all that came is kept."""

    def __init__(self, evaluate, describe=None, validate=None, message=None, threads=40):
        self.evaluate, self.message = evaluate, message
        self.describe = describe or (lambda q: mw.DescribeResponse(name="test", version="1", phases=[mw.PHASE_PRE_CREDENTIALS],
                                                                   websocket=message is not None))
        self.validate = validate or (lambda q: mw.ValidateConfigResponse(valid=True))
        self.requests, self.configs, self.described, self.sessions = [], [], [], []
        self.cancelled = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.server = None

    def _describe(self, q, context):
        self.described.append(q)
        return self.describe(q)

    def _validate(self, q, context):
        self.configs.append(q)
        return self.validate(q)

    def _evaluate(self, q, context):
        self.requests.append(q)
        context.add_callback(lambda: None if context.code() else self.cancelled.set())
        return self.evaluate(q, context)

    def _session(self, events, context):
        first = next(events)
        session = [first.open]
        self.sessions.append(session)
        for event in events:
            session.append(event.text.text)
            yield self.message(event.text.text, first.open)
        session.append(None)

    def start(self, *addresses, credentials=None):
        self.server = grpc.server(self.pool, options=[("grpc.max_receive_message_length", 8 << 20), ("grpc.so_reuseport", 0)])
        unary = grpc.unary_unary_rpc_method_handler
        rows = {
            "Describe": unary(self._describe, mw.DescribeRequest.FromString, mw.DescribeResponse.SerializeToString),
            "ValidateConfig": unary(self._validate, mw.ValidateConfigRequest.FromString, mw.ValidateConfigResponse.SerializeToString),
            "EvaluateHttpRequest": unary(self._evaluate, mw.EvaluateHttpRequestRequest.FromString, mw.Evaluation.SerializeToString),
            "EvaluateWebSocketSession": grpc.stream_stream_rpc_method_handler(
                self._session, mw.WebSocketEvent.FromString, mw.Evaluation.SerializeToString),
        }
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("openshell.middleware.v1.Middleware", rows)])
        self.ports = [self.server.add_secure_port(a, credentials) if credentials else self.server.add_insecure_port(a)
                      for a in addresses]
        self.server.start()
        return self

    def stop(self):
        if self.server:
            self.server.stop(None).wait()
            self.server = None
        self.pool.shutdown(wait=False)


@contextlib.contextmanager
def service(address, evaluate, **more):
    s = Service(evaluate, **more).start(address)
    try:
        yield s
    finally:
        s.stop()


def allow(**more):
    return mw.Evaluation(decision=ALLOW, **more)


def deny(**more):
    return mw.Evaluation(decision=DENY, **more)
