"""Fixtures of the integration tests; harness.py and gateway.py hold them."""
from harness import alone, sandbox  # noqa: F401
from gateway import gateway, module_gateway, no_gateway, shared  # noqa: F401
