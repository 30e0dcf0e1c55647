"""Fixtures of the integration tests; harness.py holds them."""
from harness import sandbox  # noqa: F401
