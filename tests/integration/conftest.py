"""Fixtures of the integration tests; harness.py holds them."""
from harness import alone, sandbox  # noqa: F401
