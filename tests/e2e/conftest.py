"""The fixtures of the integration tests serve here too."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from gateway import gateway, module_gateway, no_gateway, shared  # noqa: E402,F401
from harness import alone, sandbox  # noqa: E402,F401
