"""The fixtures of the integration tests serve here too."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from harness import alone, sandbox  # noqa: E402,F401
